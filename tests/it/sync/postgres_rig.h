/* What the tests of the PostgreSQL connector have in common: a server, the
 * connector as the product calls it, tables planned from their own description,
 * and what a capture gives as lines of text.
 *
 * Everything fails the test when it cannot. One thread. */
#ifndef TESTS_IT_SYNC_POSTGRES_RIG_H
#define TESTS_IT_SYNC_POSTGRES_RIG_H

#include "base/arena.h"
#include "connectors/connector.h"
#include "tests/it/sync/pg_server.h"

enum {
	POSTGRES_RIG_TABLES = 8,
	POSTGRES_RIG_WAIT_MS = 10000,
	POSTGRES_RIG_BATCH = 256 << 10,
};

/* One connection to one database of the server. */
struct postgres_rig {
	struct pg_server *server; /* borrowed */
	struct arena arena;
	char database[32], user[32], port[8];
	Synod__Definition__Option options[8], *option_list[8];
	Synod__Definition__Connection connection;
	struct connector_target target;
	struct connector_table tables[POSTGRES_RIG_TABLES];
	size_t n_tables;

	/* The capture, and what it gave. */
	struct capture_handle *capture;
	struct value_buf position;
	char *lines; /* one transaction a line */
	size_t n_lines;
};

/* Made by the first rig of the program; closed by postgres_rig_end. */
struct pg_server *postgres_rig_server(const char *conf);
void postgres_rig_end(void);

/* A database of its own, and a plain role that may make things in it, owns it
 * and may replicate. */
void postgres_rig_open(struct postgres_rig *r, const char *database);
void postgres_rig_close(struct postgres_rig *r);
/* As the role of the rig; as the superuser. */
void postgres_rig_run(struct postgres_rig *r, const char *sql);
void postgres_rig_super(struct postgres_rig *r, const char *sql);
/* The first value of the answer, until the next call. */
const char *postgres_rig_text(struct postgres_rig *r, const char *sql);

/* Plan a table from its description: both ways, loaded or not. */
struct connector_table *postgres_rig_plan(struct postgres_rig *r, uint32_t id,
					  const char *name, bool wants_load);

/* -- capture ----------------------------------------------------------------
 */
/* From the position that the rig holds (none: the first time). */
void postgres_rig_start(struct postgres_rig *r, uint64_t epoch);
int postgres_rig_try_start(struct postgres_rig *r, uint64_t epoch,
			   struct err *e);
void postgres_rig_stop(struct postgres_rig *r);
/* One poll; what came is added to lines. How many lines came, or an error. */
int postgres_rig_poll(struct postgres_rig *r, size_t bytes_max, int wait_ms,
		      struct err *e);
/* Poll and confirm until the lines are these; they are taken away. */
void postgres_rig_expect(struct postgres_rig *r, const char *lines);
/* Until so many lines are there. */
void postgres_rig_wait(struct postgres_rig *r, size_t n_lines);
void postgres_rig_clear(struct postgres_rig *r);

/* -- apply ------------------------------------------------------------------
 */
/* A group of all changes of a batch; is_authority for its READs. */
struct postgres_rig_group {
	struct apply_group group;
	struct apply_row *rows;
};
void postgres_rig_group(struct postgres_rig *r, struct bytes changes,
			bool is_authority, struct postgres_rig_group *out);

#endif
