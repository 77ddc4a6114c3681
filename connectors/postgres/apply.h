/* Apply: what the handle of connector.h holds, shared by its files.
 *
 *   apply.c         open (the fence), close, and how a group is written
 *   apply_sql.c     the statement of a row
 *   apply_send.c    rows as prepared statements, in a pipeline or one by one
 *   apply_reject.c  which rows stand in the way
 *
 * One thread, save apply_interrupt. */
#ifndef CONNECTORS_POSTGRES_APPLY_H
#define CONNECTORS_POSTGRES_APPLY_H

#include "base/map.h"
#include "connectors/postgres/schema.h"
#include "connectors/postgres/sql.h"

enum apply_op {
	APPLY_PUT,
	APPLY_PATCH,
	APPLY_DELETE,
	APPLY_TRUNCATE,
	APPLY_MOVE,
	APPLY_READ,      /* insert, or leave what is there */
	APPLY_READ_OVER, /* insert, or write over what differs */
	APPLY_SELECT,    /* what is there */
};

struct apply_target {
	const struct connector_table *table;
	struct schema_table schema;
	const struct schema_column **columns; /* one a field */
	bool can_truncate;
};

struct apply_handle {
	struct apply_setup setup;
	struct options options;
	struct session_bell bell;
	struct session session;
	struct apply_target *targets;
	struct arena schema_arena;
	bool has_deferrable;
	struct sql checkpoint_sql;

	/* Statements that the session has prepared, by what they do. */
	struct map *statements;
	uint32_t n_statements;
	struct arena arena; /* of one group */
};

int pg_apply_open(const struct apply_setup *setup, struct apply_handle **out,
		  uint64_t *applied_index, struct err *e);
int pg_apply_write(struct apply_handle *h, const struct apply_group *g,
		   struct apply_rejects *rejects, struct err *e);
void pg_apply_interrupt(struct apply_handle *h);
void pg_apply_close(struct apply_handle *h);

/* -- apply_sql.c ----------------------------------------------------------- */
/* Which fields a statement writes: one byte a field, 0 or 1. */
void pg_apply_sql(const struct apply_target *t, enum apply_op op,
		  const uint8_t *fields, struct sql *out);

/* -- apply_send.c ---------------------------------------------------------- */
/* The target of a row; ERR_SCHEMA when the setup does not have its table. */
int pg_apply_target_of(struct apply_handle *h, const struct apply_row *row,
		       struct apply_target **out, struct err *e);
enum apply_op pg_apply_op_of(const struct apply_row *row);
/* Hand a row to libpq. n_sent grows by the results to come: one, or two when
 * its statement had to be prepared first (in a pipeline). */
struct apply_sending {
	struct apply_handle *h;
	const struct apply_row *row;
	enum apply_op op;
};
int pg_apply_send(const struct apply_sending *s, unsigned *n_sent,
		  struct err *e);
/* As pg_apply_send, outside of a pipeline: waits for the result. */
int pg_apply_run(const struct apply_sending *s, PGresult **out, struct err *e);
/* Forget what is prepared: some of it may not be there. */
void pg_apply_forget_statements(struct apply_handle *h);
/* Between groups: when there are too many, the server drops them, too. A PATCH
 * has one for each set of columns that it tells. */
int pg_apply_limit_statements(struct apply_handle *h, struct err *e);
/* The checkpoint, as a statement that fails unless it moves. */
int pg_apply_send_checkpoint(struct apply_handle *h,
			     const struct apply_group *g, struct err *e);

/* -- apply_reject.c -------------------------------------------------------- */
/* A row of the table as it is: in `existing`, a CHANGE_READ, when it is not
 * what the row says. 1: it differs; 0: it is the same, or not there. */
int pg_apply_compare(struct apply_handle *h, const struct apply_row *row,
		     struct value_buf *existing, struct err *e);
void pg_apply_reject_add(struct apply_rejects *list,
			 const struct apply_reject *reject);
/* Try the rows one by one, write nothing, and name those that fail. ERR_DATA
 * when there are some; ERR_BUSY when there are none (any more). */
int pg_apply_find_rejects(struct apply_handle *h, const struct apply_group *g,
			  struct apply_rejects *rejects, struct err *e);

#endif
