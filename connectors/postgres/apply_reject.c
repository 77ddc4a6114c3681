#include "connectors/postgres/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/text.h"

void pg_apply_reject_add(struct apply_rejects *list,
			 const struct apply_reject *reject)
{
	list->list = mem_grow(list->list, (list->n + 1) * sizeof *list->list);
	list->list[list->n++] = *reject;
}

/* -- what is there ---------------------------------------------------------
 */
static int read_row(struct apply_handle *h, const struct apply_target *t,
		    const PGresult *r, struct value *values, struct err *e)
{
	for (size_t i = 0; i < t->table->table->n_fields; i++) {
		enum value_type type =
			(enum value_type)t->table->table->fields[i]->type;
		const char *raw = PQgetvalue(r, 0, (int)i);
		size_t len = (size_t)PQgetlength(r, 0, (int)i);
		struct bytes text = {arena_copy(&h->arena, raw, len + 1), len};
		values[i] = (struct value){.state = VALUE_NULL};
		if (PQgetisnull(r, 0, (int)i))
			continue;
		if (text_to_value(type, text, &h->arena, &values[i], e))
			return err_set(e, ERR_SCHEMA,
				       "table %s, column %s: a value that does "
				       "not fit its field",
				       t->schema.path, t->columns[i]->name);
	}
	return 0;
}

static bool is_same(const struct apply_row *row, const struct value *values)
{
	for (uint32_t i = 0; i < row->change.n_values; i++)
		if (!value_equal(&row->values[i], &values[i]))
			return false;
	return true;
}

int pg_apply_compare(struct apply_handle *h, const struct apply_row *row,
		     struct value_buf *existing, struct err *e)
{
	const struct apply_sending s = {h, row, APPLY_SELECT};
	struct apply_target *t;
	PGresult *r = NULL;

	int error = pg_apply_target_of(h, row, &t, e);
	if (!error)
		error = pg_apply_run(&s, &r, e);
	if (error || PQntuples(r) == 0) {
		PQclear(r);
		return error;
	}
	uint32_t n = (uint32_t)t->table->table->n_fields;
	struct value *values = arena_alloc(&h->arena, (n + 1) * sizeof *values);
	error = read_row(h, t, r, values, e);
	PQclear(r);
	if (error)
		return error;
	if (is_same(row, values))
		return 0;
	const struct change_row there = {.op = CHANGE_READ,
					 .table_id = row->change.table_id,
					 .key = row->change.key,
					 .values = values,
					 .n_values = n};
	change_encode(existing, &there);
	return 1;
}

/* -- one row, and back -----------------------------------------------------
 */
static const char *text_of(const struct err *why, const PGresult *r,
			   enum apply_op op)
{
	const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;

	if ((op == APPLY_PATCH || op == APPLY_MOVE) && state &&
	    strcmp(state, "22012") == 0)
		return "the row to be changed is not there";
	return why->text;
}

static int try_row(struct apply_handle *h, const struct apply_group *g,
		   size_t i, struct apply_rejects *rejects, struct err *e)
{
	const struct apply_row *row = &g->rows[i];
	const struct apply_sending s = {h, row, pg_apply_op_of(row)};
	struct apply_reject reject = {.row = i, .code = ERR_DATA};
	struct err why = {0};
	PGresult *r = NULL;

	int error = pg_session_run(&h->session, "savepoint synod", e);
	if (error)
		return error;
	error = pg_apply_run(&s, &r, &why);
	if (error == 0 && s.op == APPLY_READ && PQcmdTuples(r)[0] == '0')
		error = pg_apply_compare(h, row, &reject.existing, &why);
	if (error == 1) {
		reject.verdict = APPLY_DIFFERS;
		snprintf(reject.text, sizeof reject.text,
			 "the row is there with other values");
	} else if (error == ERR_DATA) {
		reject.verdict = APPLY_REFUSED;
		snprintf(reject.text, sizeof reject.text, "%s",
			 text_of(&why, r, s.op));
	}
	PQclear(r);
	if (error && error != 1 && error != ERR_DATA) {
		err_set(e, why.code, "%s", why.text);
		return error;
	}
	if (error)
		pg_apply_reject_add(rejects, &reject);
	return pg_session_run(&h->session,
			      error ? "rollback to synod" : "release synod", e);
}

/* -- constraints that are checked at the end ------------------------------- */
static int try_first(struct apply_handle *h, const struct apply_group *g,
		     size_t n, struct err *why, struct err *e)
{
	PGresult *r;

	int error = pg_session_run(&h->session, "savepoint first", e);
	for (size_t i = 0; i < n && !error; i++) {
		const struct apply_sending s = {h, &g->rows[i],
						pg_apply_op_of(&g->rows[i])};
		error = pg_apply_run(&s, &r, e);
		PQclear(r);
	}
	if (error)
		return error;
	int verdict = pg_session_run(&h->session,
				     "set constraints all immediate", why);
	if (verdict && verdict != ERR_DATA)
		return verdict;
	error = pg_session_run(
		&h->session, "rollback to first; set constraints all deferred",
		e);
	return error ? error : verdict != 0;
}

/* The first row behind which a deferred constraint does not hold. */
static int find_deferred(struct apply_handle *h, const struct apply_group *g,
			 struct apply_rejects *rejects, struct err *e)
{
	struct apply_reject reject = {.verdict = APPLY_REFUSED,
				      .code = ERR_DATA};
	struct err why = {0};
	size_t low = 0, high = g->n;

	int n = try_first(h, g, high, &why, e);
	if (n <= 0)
		return n;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		n = try_first(h, g, middle, &why, e);
		if (n < 0)
			return n;
		if (n > 0)
			high = middle;
		else
			low = middle;
	}
	reject.row = high - 1;
	snprintf(reject.text, sizeof reject.text, "%s", why.text);
	pg_apply_reject_add(rejects, &reject);
	return 0;
}

int pg_apply_find_rejects(struct apply_handle *h, const struct apply_group *g,
			  struct apply_rejects *rejects, struct err *e)
{
	int error = pg_session_run(
		&h->session,
		h->has_deferrable ? "begin; set constraints all deferred"
				  : "begin",
		e);
	if (!error && h->has_deferrable)
		error = pg_session_run(&h->session, "savepoint start", e);
	for (size_t i = 0; i < g->n && !error; i++)
		error = try_row(h, g, i, rejects, e);
	if (!error && h->has_deferrable && rejects->n == 0) {
		error = pg_session_run(&h->session, "rollback to start", e);
		if (!error)
			error = find_deferred(h, g, rejects, e);
	}
	/* What went wrong is what the caller has to hear of. */
	int undone = pg_session_run(&h->session, "rollback", error ? NULL : e);
	if (error || undone)
		return error ? error : undone;
	if (rejects->n)
		return err_set(e, ERR_DATA, "%zu rows are refused: %s",
			       rejects->n, rejects->list[0].text);
	return err_set(e, ERR_BUSY,
		       "a row was refused, and is not any more: again");
}
