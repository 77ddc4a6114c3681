/* Conditions: the comparisons of a text become those of a side, on fields and
 * with values of their types. */
#include <string.h>
#include <strings.h>

#include "connectors/text.h"
#include "node/config_nearest.h"
#include "node/define_compile.h"

/* The condition that is being compiled. */
struct work {
	struct compile *c;
	const struct define_condition *from;
	const Synod__Definition__Table *table;
	Synod__Definition__Side *side;
	bool is_bad;
};

/* Sides stand in the order of the sync's members. */
static Synod__Definition__Side *side_of(const Synod__Definition__Table *t,
					const struct define_sync *s,
					const char *connection)
{
	for (size_t i = 0; i < s->n_members; i++)
		if (strcmp(s->members[i].text, connection) == 0)
			return t->sides[i];
	return NULL;
}

/* A number may stand for a boolean where the column is one in the eyes of the
 * system only, and so on: the type of the field decides how a text is read. */
static bool is_literal_of(const struct where *w, enum value_type type)
{
	bool is_number = type == VALUE_INT64 || type == VALUE_UINT64 ||
			 type == VALUE_DECIMAL || type == VALUE_F32 ||
			 type == VALUE_F64;
	if (type == VALUE_NATIVE)
		return true;
	if (type == VALUE_BOOL)
		return w->kind == WHERE_BOOL || w->kind == WHERE_NUMBER;
	return w->kind == (is_number ? WHERE_NUMBER : WHERE_TEXT);
}

static const char *literal_kind(enum where_literal kind)
{
	return kind == WHERE_TEXT     ? "a text"
	       : kind == WHERE_NUMBER ? "a number"
				      : "a boolean";
}

static void encode_literal(struct work *w, const struct where *from,
			   const Synod__Definition__Field *field,
			   Synod__Definition__Comparison *out)
{
	struct compile *c = w->c;
	struct config_place place =
		define_place(w->from->node, from->literal_at);
	enum value_type type = (enum value_type)field->type;
	struct bytes text = {(const uint8_t *)from->literal,
			     strlen(from->literal)};
	struct value value = {0};
	struct value_buf buf = {0};
	struct err e = {0};
	if (!is_literal_of(from, type)) {
		config_problem_add(c->problems, place, PROBLEM_BAD_VALUE,
				   "column '%.64s' is %s, not %s", from->column,
				   value_type_name(type),
				   literal_kind(from->kind));
		config_problem_note(c->problems,
				    "texts, dates and times stand in single "
				    "quotes, numbers do not");
		w->is_bad = true;
		return;
	}
	if (text_to_value(type, text, c->arena, &value, &e)) {
		config_problem_add(c->problems, place, PROBLEM_BAD_VALUE,
				   "'%.64s' is no %s: %.200s", from->literal,
				   value_type_name(type), e.text);
		w->is_bad = true;
		return;
	}
	value_write(&buf, &value);
	out->value.data = arena_copy(c->arena, buf.data, buf.len);
	out->value.len = buf.len;
	value_buf_free(&buf);
}

static void report_column(struct work *w, const struct where *from)
{
	struct config_nearest near = config_nearest_init(from->column);
	for (size_t i = 0; i < w->side->n_columns; i++)
		config_nearest_try(&near, w->side->columns[i]);
	config_problem_add(w->c->problems,
			   define_place(w->from->node, from->column_at),
			   PROBLEM_REFERENCE,
			   "'%.64s' is not a field of this table on '%.64s'",
			   from->column, w->from->connection);
	if (near.best)
		config_problem_note(w->c->problems, "did you mean '%s'?",
				    near.best);
	else
		config_problem_note(w->c->problems,
				    "a condition is on columns that are "
				    "synced");
	w->is_bad = true;
}

static void compile_comparison(struct work *w, const struct where *from,
			       Synod__Definition__Comparison *out)
{
	synod__definition__comparison__init(out);
	out->op = from->op;
	for (size_t i = 0; i < w->side->n_columns; i++) {
		if (strcasecmp(w->side->columns[i], from->column) != 0)
			continue;
		out->field = (uint32_t)i;
		if (from->kind != WHERE_NONE)
			encode_literal(w, from, w->table->fields[i], out);
		return;
	}
	report_column(w, from);
}

static void compile_condition(struct work *w, bool keeps_left)
{
	const struct define_condition *k = w->from;
	Synod__Definition__Comparison *list =
		arena_alloc(w->c->arena, k->n * sizeof(list[0]));
	w->side->where =
		arena_alloc(w->c->arena, k->n * sizeof(w->side->where[0]));
	w->side->n_where = k->n;
	w->side->keeps_left = keeps_left;
	for (size_t i = 0; i < k->n; i++) {
		compile_comparison(w, &k->list[i], &list[i]);
		w->side->where[i] = &list[i];
	}
}

bool compile_where(struct compile *c, const struct define_sync *s,
		   const struct define_table *text, Synod__Definition__Table *t)
{
	const struct define_where *where = &text->where;
	bool is_good = true;
	for (size_t i = 0; i < where->n_conditions; i++) {
		struct work w = {
			.c = c, .from = &where->conditions[i], .table = t};
		w.side = side_of(t, s, w.from->connection);
		if (w.side)
			compile_condition(&w, where->on_leave == LEAVE_KEEP);
		is_good &= !w.is_bad;
	}
	return is_good;
}
