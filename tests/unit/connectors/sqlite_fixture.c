#include "sqlite_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const char cluster[] = "0123456789abcdef0123456789abcdef";

/* -- the file --------------------------------------------------------------
 */
void fixture_open(struct fixture *f, const char *sql)
{
	*f = (struct fixture){0};
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/synod-sqlite-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/a.db", f->dir);
	assert_int_equal(sqlite3_open(f->path, &f->db), SQLITE_OK);
	(void)sqlite3_busy_timeout(f->db, 5000);
	fixture_exec(f, "PRAGMA foreign_keys=ON");
	fixture_exec(f, sql);
	arena_init(&f->arena, 4096);
	change_writer_init(&f->writer);
	synod__definition__connection__init(&f->connection);
	synod__definition__option__init(&f->path_option);
	synod__definition__option__init(&f->busy_option);
	f->path_option.name = arena_strdup(&f->arena, "path");
	f->path_option.value = f->path;
	f->busy_option.name = arena_strdup(&f->arena, "busy_timeout_ms");
	f->busy_option.value = arena_strdup(&f->arena, "2000");
	f->options[0] = &f->path_option;
	f->options[1] = &f->busy_option;
	f->connection.id = FIXTURE_TASK;
	f->connection.name = arena_strdup(&f->arena, "a");
	f->connection.type = arena_strdup(&f->arena, "sqlite");
	f->connection.options = f->options;
	f->connection.n_options = 2;
	f->target = (struct connector_target){.connection = &f->connection,
					      .cluster = cluster};
}

void fixture_close(struct fixture *f)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	char path[128];

	assert_int_equal(sqlite3_close(f->db), SQLITE_OK);
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", f->path, ends[i]);
		(void)unlink(path);
	}
	(void)rmdir(f->dir);
	arena_free(&f->arena);
	change_writer_free(&f->writer);
	value_buf_free(&f->position);
	free(f->text);
}

void fixture_exec(struct fixture *f, const char *sql)
{
	char *text = NULL;

	if (sqlite3_exec(f->db, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
}

const char *fixture_query(struct fixture *f, const char *sql)
{
	static char text[512];
	sqlite3_stmt *stmt = NULL;

	text[0] = '\0';
	if (sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(f->db));
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		const unsigned char *value = sqlite3_column_text(stmt, 0);

		(void)snprintf(text, sizeof(text), "%s",
			       value ? (const char *)value : "NULL");
	}
	sqlite3_finalize(stmt);
	return text;
}

int64_t fixture_number(struct fixture *f, const char *sql)
{
	return strtoll(fixture_query(f, sql), NULL, 10);
}

/* -- definitions -----------------------------------------------------------
 */
static void add_field(struct fixture *f, struct connector_table *ct,
		      const struct connector_column *c)
{
	Synod__Definition__Table *table = fixture_def(ct);
	Synod__Definition__Side *side = fixture_side(ct);
	Synod__Definition__Field *field =
		arena_alloc(&f->arena, sizeof(*field));

	synod__definition__field__init(field);
	field->name = arena_strdup(&f->arena, c->name);
	field->type = c->type;
	field->native = arena_strdup(&f->arena, c->native);
	field->is_key = c->is_key;
	field->is_nullable = c->is_nullable;
	table->fields[table->n_fields++] = field;
	side->columns[side->n_columns++] = arena_strdup(&f->arena, c->name);
}

struct connector_table *fixture_table(struct fixture *f, uint32_t id,
				      const char *name)
{
	struct connector_schema s;
	struct err e = {0};
	struct connector_table *ct = &f->tables[f->n_tables++];
	Synod__Definition__Table *table =
		arena_alloc(&f->arena, sizeof(*table));
	Synod__Definition__Side *side = arena_alloc(&f->arena, sizeof(*side));

	if (connector_sqlite.describe(&f->target, name, &f->arena, &s, &e))
		fail_msg("%s", e.text);
	synod__definition__table__init(table);
	synod__definition__side__init(side);
	table->id = id;
	table->name = arena_strdup(&f->arena, s.table);
	table->fields = arena_alloc(&f->arena, s.n * sizeof(*table->fields));
	side->connection_id = FIXTURE_TASK;
	side->table = table->name;
	side->columns = arena_alloc(&f->arena, s.n * sizeof(*side->columns));
	side->is_source = side->is_target = true;
	*ct = (struct connector_table){.table = table, .side = side};
	for (size_t i = 0; i < s.n; i++) {
		if (s.columns[i].is_key)
			add_field(f, ct, &s.columns[i]);
	}
	for (size_t i = 0; i < s.n; i++) {
		if (!s.columns[i].is_key)
			add_field(f, ct, &s.columns[i]);
	}
	return ct;
}

/* The tests own what the contract lends as const. */
Synod__Definition__Side *fixture_side(struct connector_table *t)
{
	return (Synod__Definition__Side *)(uintptr_t)t->side;
}

Synod__Definition__Table *fixture_def(struct connector_table *t)
{
	return (Synod__Definition__Table *)(uintptr_t)t->table;
}

void fixture_where(struct fixture *f, struct connector_table *t, uint32_t field,
		   Synod__Definition__Comparison__Op op,
		   const struct value *value)
{
	Synod__Definition__Side *side = fixture_side(t);
	Synod__Definition__Comparison *c = arena_alloc(&f->arena, sizeof(*c));
	Synod__Definition__Comparison **list =
		arena_alloc(&f->arena, (side->n_where + 1) * sizeof(*list));
	struct value_buf buf = {0};

	synod__definition__comparison__init(c);
	value_write(&buf, value);
	c->field = field;
	c->op = op;
	c->value.data = arena_copy(&f->arena, buf.data, buf.len);
	c->value.len = buf.len;
	value_buf_free(&buf);
	for (size_t i = 0; i < side->n_where; i++)
		list[i] = side->where[i];
	list[side->n_where++] = c;
	side->where = list;
}

/* -- capture ---------------------------------------------------------------
 */
struct capture_setup fixture_capture_setup(const struct fixture *f,
					   uint64_t epoch)
{
	return (struct capture_setup){.target = f->target,
				      .tables = f->tables,
				      .n_tables = f->n_tables,
				      .task_id = FIXTURE_TASK,
				      .epoch = epoch};
}

struct capture_handle *fixture_capture(struct fixture *f, uint64_t epoch,
				       const struct value_buf *position)
{
	struct capture_setup setup = fixture_capture_setup(f, epoch);
	struct capture_handle *h = NULL;
	struct err e = {0};
	struct bytes at = {0};

	if (position)
		at = (struct bytes){position->data, position->len};
	if (connector_sqlite.capture_open(&setup, &h, &e) ||
	    connector_sqlite.capture_start(h, at, &e))
		fail_msg("%s", e.text);
	return h;
}

static void print_values(FILE *out, const struct value *v, int n)
{
	char text[128];

	for (int i = 0; i < n; i++)
		(void)fprintf(out, "%s%s", i ? ", " : "",
			      value_print(&v[i], text, sizeof(text)));
}

static void print_change(FILE *out, const struct change *c)
{
	static struct value values[CHANGE_VALUES_MAX];

	(void)fprintf(out, "%s %u ", change_op_name(c->op), c->table_id);
	if (c->n_values == 0) {
		int n = change_key_values(c->key, values, CHANGE_VALUES_MAX);

		(void)fprintf(out, "{");
		print_values(out, values, n);
		(void)fprintf(out, "}");
		return;
	}
	assert_int_equal(change_values(c, values), 0);
	(void)fprintf(out, "(");
	print_values(out, values, (int)c->n_values);
	(void)fprintf(out, ")");
}

static void print_txn(FILE *out, struct change_reader *r,
		      const struct change_txn *t)
{
	static const char open[] = "?[@{<", close[] = "?] }>";
	struct change c;
	int n = 0;

	if (t->kind == TXN_ECHO) {
		(void)fprintf(out, "@%u:%llu", t->task_id,
			      (unsigned long long)t->applied_index);
		return;
	}
	(void)fprintf(out, "%c", open[t->kind]);
	while (change_next(r, &c) == 1) {
		(void)fprintf(out, "%s", n++ ? " " : "");
		print_change(out, &c);
	}
	(void)fprintf(out, "%c", close[t->kind]);
}

char *fixture_text(struct bytes changes)
{
	struct change_reader r;
	struct change_txn t;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(change_check(changes), 0);
	change_reader_init(&r, changes);
	for (int n = 0; change_next_txn(&r, &t) == 1; n++) {
		(void)fprintf(out, "%s", n ? " " : "");
		print_txn(out, &r, &t);
	}
	(void)fclose(out);
	return text;
}

const char *fixture_poll_bytes(struct fixture *f, struct capture_handle *h,
			       int wait_ms, size_t bytes_max)
{
	struct value_buf position = {0};
	struct err e = {0};

	change_writer_clear(&f->writer);
	if (connector_sqlite.capture_poll(h, bytes_max, wait_ms, &f->writer,
					  &position, &e))
		fail_msg("%s", e.text);
	if (position.len) {
		value_buf_free(&f->position);
		f->position = position;
	}
	free(f->text);
	f->text = fixture_text(
		(struct bytes){f->writer.buf.data, f->writer.buf.len});
	return f->text;
}

const char *fixture_poll(struct fixture *f, struct capture_handle *h,
			 int wait_ms)
{
	return fixture_poll_bytes(f, h, wait_ms, 256 << 10);
}

/* -- apply -----------------------------------------------------------------
 */
struct apply_handle *fixture_apply(struct fixture *f, uint64_t epoch,
				   uint64_t *applied)
{
	struct apply_setup setup = {.target = f->target,
				    .tables = f->tables,
				    .n_tables = f->n_tables,
				    .task_id = FIXTURE_APPLY,
				    .epoch = epoch};
	struct apply_handle *h = NULL;
	struct err e = {0};
	uint64_t index = 0;

	if (connector_sqlite.apply_open(&setup, &h, &index, &e))
		fail_msg("%s", e.text);
	if (applied)
		*applied = index;
	return h;
}

struct apply_row fixture_row(struct fixture *f, const struct connector_table *t,
			     enum change_op op, const struct value *values)
{
	struct apply_row row = {.table = t};
	uint32_t n = (uint32_t)t->table->n_fields, n_key = 0;
	struct value_buf key = {0};
	struct value *copy = arena_copy(&f->arena, values, n * sizeof(*copy));

	while (n_key < n && t->table->fields[n_key]->is_key)
		n_key++;
	change_key(&key, values, n_key);
	row.change = (struct change){
		.op = op,
		.table_id = t->table->id,
		.key = {arena_copy(&f->arena, key.data, key.len), key.len},
		.n_values = op == CHANGE_DELETE ? 0 : n};
	row.values = copy;
	value_buf_free(&key);
	return row;
}

struct value fixture_int(int64_t n)
{
	return (struct value){
		.state = VALUE_SET, .type = VALUE_INT64, .i64 = n};
}

struct value fixture_str(const char *text)
{
	return (struct value){.state = VALUE_SET,
			      .type = VALUE_TEXT,
			      .bytes = {(const uint8_t *)text, strlen(text)}};
}

struct value fixture_real(double d)
{
	return (struct value){.state = VALUE_SET, .type = VALUE_F64, .f64 = d};
}

struct value fixture_null(void)
{
	return (struct value){.state = VALUE_NULL};
}

int64_t fixture_now_ms(void)
{
	struct clock c = clock_system();

	return clock_mono_us(&c) / 1000;
}
