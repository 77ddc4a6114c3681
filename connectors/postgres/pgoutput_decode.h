/* pgoutput: what a walsender says with the output plugin pgoutput, protocol
 * version 1 in text, and the frames around it. Decodes bytes of a server that
 * may be broken or hostile: never trusts a length, lends from the message.
 *
 * Pure; any thread. */
#ifndef CONNECTORS_POSTGRES_PGOUTPUT_DECODE_H
#define CONNECTORS_POSTGRES_PGOUTPUT_DECODE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

/* -- frames: what CopyData carries ----------------------------------------- */
enum pgoutput_frame_kind {
	PGOUTPUT_DATA = 'w',
	PGOUTPUT_KEEPALIVE = 'k',
};

struct pgoutput_frame {
	enum pgoutput_frame_kind kind;
	uint64_t start_lsn;   /* DATA */
	uint64_t end_lsn;     /* how far the server has come */
	bool wants_reply;     /* KEEPALIVE */
	struct bytes message; /* DATA */
};
/* ERR_CORRUPT. */
int pgoutput_frame(struct bytes b, struct pgoutput_frame *out);
/* Our answer: where we are. */
enum { PGOUTPUT_STATUS_BYTES = 34 };
void pgoutput_status(uint8_t out[PGOUTPUT_STATUS_BYTES], uint64_t lsn,
		     int64_t wall_us, bool wants_reply);

/* -- messages ----------------------------------------------------------------
 */
enum pgoutput_kind {
	PGOUTPUT_BEGIN = 'B',
	PGOUTPUT_COMMIT = 'C',
	PGOUTPUT_ORIGIN = 'O',
	PGOUTPUT_RELATION = 'R',
	PGOUTPUT_TYPE = 'Y',
	PGOUTPUT_INSERT = 'I',
	PGOUTPUT_UPDATE = 'U',
	PGOUTPUT_DELETE = 'D',
	PGOUTPUT_TRUNCATE = 'T',
	PGOUTPUT_MESSAGE = 'M',
};

enum {
	PGOUTPUT_COLUMNS_MAX = 1664, /* MaxTupleAttributeNumber */
	PGOUTPUT_RELATIONS_MAX = 65536,
};

/* Columns of a row in wire order; whole and checked. */
struct pgoutput_tuple {
	uint16_t n; /* 0 and no data: there is no such tuple */
	struct bytes data;
};
enum pgoutput_value_kind {
	PGOUTPUT_NULL = 'n',
	PGOUTPUT_UNCHANGED = 'u',
	PGOUTPUT_TEXT = 't',
};
struct pgoutput_value {
	enum pgoutput_value_kind kind;
	struct bytes text; /* TEXT */
};

struct pgoutput_column {
	bool is_key;
	const char *name; /* ends with a NUL in the message */
	uint32_t type_oid;
	int32_t type_mod;
};

struct pgoutput_message {
	enum pgoutput_kind kind;
	/* BEGIN: final_lsn is where the commit record begins.
	 * COMMIT: end_lsn is behind it. */
	uint64_t final_lsn, end_lsn;
	int64_t commit_us; /* wall clock since 1970 */
	uint32_t xid;
	/* RELATION, INSERT, UPDATE, DELETE */
	uint32_t relation;
	const char *schema, *name; /* RELATION */
	char identity;             /* RELATION: d n f i */
	uint16_t n_columns;
	struct bytes columns;
	/* UPDATE, DELETE: K (is_key_only) or O. INSERT, UPDATE: the new row. */
	bool is_key_only;
	struct pgoutput_tuple old_row, new_row;
	uint32_t n_relations; /* TRUNCATE */
	struct bytes relations;
};
/* ERR_CORRUPT, also for a message with more behind its end or of a kind that
 * version 1 does not have. */
int pgoutput_decode(struct bytes b, struct pgoutput_message *out);

/* Walk a tuple, the columns of a relation, the relations of a TRUNCATE: at is
 * what is left, beginning with .data, .columns, .relations. False: the end. */
bool pgoutput_next_value(struct bytes *at, struct pgoutput_value *out);
bool pgoutput_next_column(struct bytes *at, struct pgoutput_column *out);
bool pgoutput_next_relation(struct bytes *at, uint32_t *out);

#endif
