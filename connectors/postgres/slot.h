/* Slot: the one replication slot of a connection. It holds the server's WAL
 * for us and is read by one process at a time. One thread. */
#ifndef CONNECTORS_POSTGRES_SLOT_H
#define CONNECTORS_POSTGRES_SLOT_H

#include "connectors/postgres/session.h"

enum {
	/* The reader's application_name, with its epoch behind it. */
	SLOT_NAME_BYTES = 64,
};

struct slot_state {
	bool is_there, is_lost;
	bool is_foreign; /* another plugin or database */
	uint64_t confirmed_lsn;
	uint64_t retained_bytes; /* WAL that is kept because of it */
};
int pg_slot_look(struct session *s, const struct options *o,
		 struct slot_state *out, struct err *e);
/* Gives where it begins. Waits for transactions that are open (ERR_TIMEOUT).
 */
int pg_slot_create(struct session *s, const struct options *o, uint64_t *lsn,
		   struct err *e);
/* Nothing there: nothing to do. It must be free. */
int pg_slot_drop(struct session *s, const struct options *o, struct err *e);
/* End whoever reads it, save a newer epoch of ours: ERR_FENCED. Returns when it
 * is free, ERR_TIMEOUT after CONNECTOR_CALL_MS. */
int pg_slot_free(struct session *s, const struct options *o, uint64_t epoch,
		 struct err *e);
/* application_name of the reader with that epoch. */
void pg_slot_reader_name(char out[SLOT_NAME_BYTES], const struct options *o,
			 uint64_t epoch);
/* "1A/2B" as a number. */
uint64_t pg_slot_lsn(const char *text);

#endif
