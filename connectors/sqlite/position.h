/* Position of a capture: how far the change table was read, and how far each
 * table was loaded. Opaque outside this connector. It stays in the log, so that
 * any node goes on from it. Owned by one thread. */
#ifndef CONNECTORS_SQLITE_POSITION_H
#define CONNECTORS_SQLITE_POSITION_H

#include "proto/value.h"

struct position_table {
	uint32_t table_id;
	uint64_t generation;  /* of its triggers when this began */
	bool is_loaded;       /* or was never to be */
	uint64_t n_loaded;    /* rows */
	struct value_buf key; /* the last one loaded; empty: none yet */
};

struct position {
	uint64_t incarnation; /* of the set-up in the file */
	int64_t seq;          /* the last record that was read */
	int64_t at;           /* its time: another history has another */
	/* Records up to here were committed when seq was read and make one
	 * group with it; seq: a group ends there. */
	int64_t until;
	/* Bytes of that group that went out in parts. */
	uint64_t part_bytes;
	struct position_table *tables;
	size_t n, cap;
};

void sqlite_position_free(struct position *p);
void sqlite_position_copy(struct position *to, const struct position *from);
/* Appends. */
void sqlite_position_write(const struct position *p, struct value_buf *buf);
/* p is empty. ERR_CORRUPT, ERR_FORMAT: it stays empty. */
int sqlite_position_read(struct position *p, struct bytes b, struct err *e);
/* NULL: none. */
struct position_table *sqlite_position_find(struct position *p,
					    uint32_t table_id);
/* A new one at the end. */
struct position_table *sqlite_position_add(struct position *p,
					   uint32_t table_id);

#endif
