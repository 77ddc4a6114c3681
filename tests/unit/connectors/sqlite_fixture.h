/* What the tests of the SQLite connector share: a file that goes away, a
 * foreign connection that writes to it, the definition of its tables as a plan
 * would make it, and changes as text. */
#ifndef TESTS_UNIT_CONNECTORS_SQLITE_FIXTURE_H
#define TESTS_UNIT_CONNECTORS_SQLITE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/arena.h"
#include "connectors/connector.h"

enum {
	FIXTURE_TABLES = 8,
	FIXTURE_TASK = 5,  /* capture, and the connection's id */
	FIXTURE_APPLY = 69 /* 64 + 5 */
};

struct fixture {
	char dir[64], path[96];
	sqlite3 *db; /* a foreign connection */
	struct arena arena;
	Synod__Definition__Connection connection;
	Synod__Definition__Option path_option, busy_option;
	Synod__Definition__Option *options[2];
	struct connector_target target;
	struct connector_table tables[FIXTURE_TABLES];
	size_t n_tables;
	struct change_writer writer;
	struct value_buf position; /* of the last poll that had one */
	char *text;                /* of the last poll */
	size_t text_cap;
};

void fixture_open(struct fixture *f, const char *sql);
void fixture_close(struct fixture *f);
/* By the foreign connection; stops the test when it fails. */
void fixture_exec(struct fixture *f, const char *sql);
/* The first value of a query as text, "" for none. Stays until the next. */
const char *fixture_query(struct fixture *f, const char *sql);
int64_t fixture_number(struct fixture *f, const char *sql);
/* Take part with a table: fields from its columns, the key first. */
struct connector_table *fixture_table(struct fixture *f, uint32_t id,
				      const char *name);
/* The definitions of side and table, to be changed by a test. */
Synod__Definition__Side *fixture_side(struct connector_table *t);
Synod__Definition__Table *fixture_def(struct connector_table *t);
/* A condition of the side on a field, with a value of its type. */
void fixture_where(struct fixture *f, struct connector_table *t, uint32_t field,
		   Synod__Definition__Comparison__Op op,
		   const struct value *value);

struct capture_setup fixture_capture_setup(const struct fixture *f,
					   uint64_t epoch);
/* Opened and started at position; NULL: anew. */
struct capture_handle *fixture_capture(struct fixture *f, uint64_t epoch,
				       const struct value_buf *position);
/* One poll as text; "" when nothing came. Local transactions are
 * [PUT 1 (1, "a") DELETE 1 {2}], parts <...>, loads {...}, echoes @task:index.
 */
const char *fixture_poll(struct fixture *f, struct capture_handle *h,
			 int wait_ms);
const char *fixture_poll_bytes(struct fixture *f, struct capture_handle *h,
			       int wait_ms, size_t bytes_max);
/* A list of changes as text, as above; the caller frees it. */
char *fixture_text(struct bytes changes);

struct apply_handle *fixture_apply(struct fixture *f, uint64_t epoch,
				   uint64_t *applied);
/* Rows to apply, built in the fixture's arena. Values: those of the table's
 * fields, as many as it has; the key are the first ones. */
struct apply_row fixture_row(struct fixture *f, const struct connector_table *t,
			     enum change_op op, const struct value *values);

struct value fixture_int(int64_t n);
struct value fixture_str(const char *text);
struct value fixture_real(double d);
struct value fixture_null(void);

int64_t fixture_now_ms(void);

#endif
