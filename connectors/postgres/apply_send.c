#include "connectors/postgres/apply.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "connectors/text.h"
#include "proto/limits.h"

/* Beyond it all are forgotten, before the next group. */
enum { APPLY_STATEMENTS_MAX = 500 };

int pg_apply_target_of(struct apply_handle *h, const struct apply_row *row,
		       struct apply_target **out, struct err *e)
{
	for (size_t i = 0; i < h->setup.n_tables; i++)
		if (h->targets[i].table->table->id == row->table->table->id) {
			*out = &h->targets[i];
			return 0;
		}
	return err_set(e, ERR_SCHEMA, "table %s is not part of this task",
		       row->table->table->name);
}

enum apply_op pg_apply_op_of(const struct apply_row *row)
{
	switch (row->change.op) {
	case CHANGE_PATCH:
		return APPLY_PATCH;
	case CHANGE_DELETE:
		return APPLY_DELETE;
	case CHANGE_TRUNCATE:
		return APPLY_TRUNCATE;
	case CHANGE_MOVE:
		return APPLY_MOVE;
	case CHANGE_READ:
		return row->is_authority ? APPLY_READ_OVER : APPLY_READ;
	default:
		return APPLY_PUT;
	}
}

/* -- parameters ------------------------------------------------------------
 */
struct params {
	const char **texts;
	int *lengths, *formats;
	int n;
};

/* Bytes go as they are, all else as text. */
static int add_value(struct apply_handle *h, const struct value *v,
		     struct params *p, struct err *e)
{
	struct value_buf buf = {0};

	p->texts[p->n] = NULL;
	p->lengths[p->n] = p->formats[p->n] = 0;
	if (v->state == VALUE_SET && v->type == VALUE_BYTES) {
		static const char none[] = "";
		p->texts[p->n] =
			v->bytes.len ? (const char *)v->bytes.data : none;
		p->lengths[p->n] = (int)v->bytes.len;
		p->formats[p->n] = 1;
	} else if (v->state == VALUE_SET) {
		int error = value_to_text(v, &buf, e);
		if (error) {
			value_buf_free(&buf);
			return error == ERR_LIMIT ? ERR_DATA : error;
		}
		/* A text of libpq ends at its first NUL: the rest would be
		 * lost without a word. */
		if (buf.len && memchr(buf.data, 0, buf.len)) {
			value_buf_free(&buf);
			return err_set(e, ERR_DATA,
				       "a text with a NUL character, which "
				       "PostgreSQL does not hold");
		}
		char *text = arena_alloc(&h->arena, buf.len + 1);
		if (buf.len)
			memcpy(text, buf.data, buf.len);
		text[buf.len] = 0;
		p->texts[p->n] = text;
		value_buf_free(&buf);
	}
	p->n++;
	return 0;
}

static bool is_written(const struct apply_sending *s,
		       const struct apply_target *t, size_t i)
{
	if (i >= s->row->change.n_values ||
	    s->row->values[i].state < VALUE_NULL)
		return false;
	if (s->op == APPLY_PATCH)
		return !t->table->table->fields[i]->is_key;
	return true;
}

/* UPDATE leaves out what it may not set; its parameters do, too. */
static bool is_param(const struct apply_sending *s,
		     const struct apply_target *t, size_t i)
{
	bool is_update = s->op == APPLY_PATCH || s->op == APPLY_MOVE;

	return is_written(s, t, i) && !(is_update && t->columns[i]->is_always);
}

static bool takes_values(enum apply_op op)
{
	return op != APPLY_DELETE && op != APPLY_TRUNCATE && op != APPLY_SELECT;
}

static bool takes_key(enum apply_op op)
{
	return op == APPLY_PATCH || op == APPLY_DELETE || op == APPLY_MOVE ||
	       op == APPLY_SELECT;
}

static int add_key(const struct apply_sending *s, size_t n_fields,
		   struct params *p, struct err *e)
{
	const struct change *c = &s->row->change;
	struct bytes key = s->op == APPLY_MOVE ? c->old_key : c->key;
	struct value *values =
		arena_alloc(&s->h->arena, (n_fields + 1) * sizeof *values);

	int n = change_key_values(key, values, (uint32_t)n_fields);
	if (n < 0)
		return err_set(e, ERR_CORRUPT, "a key that is none");
	int error = 0;
	for (int i = 0; i < n && !error; i++)
		error = add_value(s->h, &values[i], p, e);
	return error;
}

static int collect(const struct apply_sending *s, const struct apply_target *t,
		   struct params *p, struct err *e)
{
	size_t n = t->table->table->n_fields;
	struct arena *arena = &s->h->arena;
	int error = 0;

	p->texts = arena_alloc(arena, (2 * n + 1) * sizeof *p->texts);
	p->lengths = arena_alloc(arena, (2 * n + 1) * sizeof *p->lengths);
	p->formats = arena_alloc(arena, (2 * n + 1) * sizeof *p->formats);
	p->n = 0;
	for (size_t i = 0; takes_values(s->op) && i < n && !error; i++)
		if (is_param(s, t, i))
			error = add_value(s->h, &s->row->values[i], p, e);
	if (!error && takes_key(s->op))
		error = add_key(s, n, p, e);
	return error;
}

/* -- statements ------------------------------------------------------------
 */
/* What a statement does: operation, table, fields. */
static struct bytes statement_key(const struct apply_sending *s,
				  const struct apply_target *t,
				  uint8_t **fields)
{
	size_t n = t->table->table->n_fields;
	uint32_t id = t->table->table->id;
	size_t head = 1 + sizeof id;

	uint8_t *key = arena_alloc(&s->h->arena, head + n + 1);
	key[0] = (uint8_t)s->op;
	memcpy(key + 1, &id, sizeof id);
	*fields = key + head;
	for (size_t i = 0; i < n; i++)
		key[head + i] = takes_values(s->op) && is_written(s, t, i);
	return (struct bytes){key, head + n};
}

void pg_apply_forget_statements(struct apply_handle *h)
{
	if (h->statements)
		map_free(h->statements);
	h->statements = map_new();
	h->n_statements++; /* names are not used again */
}

int pg_apply_limit_statements(struct apply_handle *h, struct err *e)
{
	if (map_count(h->statements) < APPLY_STATEMENTS_MAX)
		return 0;
	pg_apply_forget_statements(h);
	return pg_session_run(&h->session, "deallocate all", e);
}

static void statement_name(char *buf, size_t cap, uint32_t id)
{
	snprintf(buf, cap, "s%" PRIu32, id);
}

/* The name of the statement, and its text when it is not prepared yet. */
static bool find_statement(const struct apply_sending *s,
			   const struct apply_target *t, uint32_t *id,
			   struct sql *text)
{
	uint8_t *fields;
	struct bytes key = statement_key(s, t, &fields), value;

	if (map_get(s->h->statements, key, &value)) {
		memcpy(id, value.data, sizeof *id);
		return true;
	}
	*id = s->h->n_statements++;
	map_put(s->h->statements, key,
		(struct bytes){(const uint8_t *)id, sizeof *id});
	pg_sql_clear(text);
	pg_apply_sql(t, s->op, fields, text);
	return false;
}

static int broken(struct apply_handle *h, struct err *e)
{
	return err_set(e, ERR_NETWORK, "send: %.300s",
		       PQerrorMessage(h->session.conn));
}

static int execute(struct apply_handle *h, uint32_t id, const struct params *p,
		   struct err *e)
{
	char name[16];

	statement_name(name, sizeof name, id);
	if (!PQsendQueryPrepared(h->session.conn, name, p->n, p->texts,
				 p->lengths, p->formats, 0))
		return broken(h, e);
	return 0;
}

int pg_apply_send(const struct apply_sending *s, unsigned *n_sent,
		  struct err *e)
{
	struct apply_target *t;
	struct params p;
	struct sql text;
	uint32_t id;
	char name[16];

	int error = pg_apply_target_of(s->h, s->row, &t, e);
	if (!error)
		error = collect(s, t, &p, e);
	if (error)
		return error;
	pg_sql_init(&text);
	if (!find_statement(s, t, &id, &text)) {
		statement_name(name, sizeof name, id);
		if (!PQsendPrepare(s->h->session.conn, name, text.text, 0,
				   NULL))
			error = broken(s->h, e);
		(*n_sent)++;
	}
	pg_sql_free(&text);
	if (!error)
		error = execute(s->h, id, &p, e);
	(*n_sent)++;
	return error;
}

/* -- outside of a pipeline ------------------------------------------------- */
static int finish(struct apply_handle *h, PGresult **out, struct err *e)
{
	PGresult *kept = NULL, *r = NULL;

	int error = pg_session_flush(&h->session, e);
	while (!error) {
		error = pg_session_result(&h->session, &r, e);
		if (error || !r)
			break;
		PQclear(kept);
		kept = r;
	}
	if (error) {
		PQclear(kept);
		return error;
	}
	ExecStatusType status = PQresultStatus(kept);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		error = pg_session_fail(kept, "row", e);
	*out = kept; /* also the one that failed: it has the code */
	return error;
}

int pg_apply_run(const struct apply_sending *s, PGresult **out, struct err *e)
{
	struct apply_target *t;
	struct params p;
	struct sql text;
	uint32_t id;
	char name[16];

	*out = NULL;
	int error = pg_apply_target_of(s->h, s->row, &t, e);
	if (!error)
		error = collect(s, t, &p, e);
	if (error)
		return error;
	pg_sql_init(&text);
	if (!find_statement(s, t, &id, &text)) {
		statement_name(name, sizeof name, id);
		error = PQsendPrepare(s->h->session.conn, name, text.text, 0,
				      NULL)
				? finish(s->h, out, e)
				: broken(s->h, e);
		if (error)
			pg_apply_forget_statements(s->h);
	}
	pg_sql_free(&text);
	if (error)
		return error;
	PQclear(*out);
	*out = NULL;
	error = execute(s->h, id, &p, e);
	return error ? error : finish(s->h, out, e);
}

int pg_apply_send_checkpoint(struct apply_handle *h,
			     const struct apply_group *g, struct err *e)
{
	char task[16], epoch[24], to[24], from[24];

	snprintf(task, sizeof task, "%" PRIu32, h->setup.task_id);
	snprintf(epoch, sizeof epoch, "%" PRIu64, h->setup.epoch);
	snprintf(to, sizeof to, "%" PRIu64, g->to_index);
	snprintf(from, sizeof from, "%" PRIu64, g->from_index);
	const char *params[] = {h->setup.target.cluster, task, epoch, to, from};
	if (!PQsendQueryParams(h->session.conn, h->checkpoint_sql.text, 5, NULL,
			       params, NULL, NULL, 0))
		return broken(h, e);
	return 0;
}
