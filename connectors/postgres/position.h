/* Position: where a capture stands, as opaque bytes for everybody else. Which
 * history of which server, behind which transaction, how far within one that
 * was cut, and how far the initial loads are. Decodes what a log has stored,
 * and trusts no length of it. Owned by one thread. */
#ifndef CONNECTORS_POSTGRES_POSITION_H
#define CONNECTORS_POSTGRES_POSITION_H

#include "proto/value.h"

enum position_state {
	POSITION_FOLLOWED, /* its changes, no load */
	POSITION_LOADING,  /* rows up to `key` were given */
	POSITION_LOADED,
	POSITION__N
};

struct position_table {
	uint32_t id;
	enum position_state state;
	uint8_t *key; /* encoded, of key_len bytes; NULL: from the beginning */
	size_t key_len;
};

struct position {
	uint64_t system_id; /* of the cluster, and which life of it */
	uint32_t timeline;
	uint64_t lsn; /* everything that ends at or before it was given */
	/* A transaction that was cut: where its commit record begins, and how
	 * many of its row messages are behind us. */
	uint64_t cut_lsn;
	uint64_t n_cut;
	struct position_table *tables;
	size_t n;
};

/* ERR_CORRUPT, ERR_FORMAT; out is to be freed when 0. */
int pg_position_read(struct position *out, struct bytes b, struct err *e);
void pg_position_write(const struct position *p, struct value_buf *buf);
void pg_position_free(struct position *p);
/* NULL when the table is not in it. */
struct position_table *pg_position_find(struct position *p, uint32_t id);
/* The table with its state; added when it is missing. */
struct position_table *pg_position_put(struct position *p, uint32_t id,
				       enum position_state state);
/* Copies key; nothing of it stays borrowed. */
void pg_position_reach(struct position_table *t, struct bytes key);
void pg_position_drop(struct position *p, size_t i);

#endif
