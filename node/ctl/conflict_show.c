/* synodctl conflict show: both versions side by side, and why one won. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/ctl/act.h"
#include "node/ctl/command.h"
#include "node/ctl/pages.h"

enum { VECTOR_TEXT_MAX = 512 };

/* -- versions -------------------------------------------------------------- */

static const struct column version_columns[] = {
	{"version", "VERSION", COLUMN_TEXT, 0},
	{"connection", "MADE IN", COLUMN_TEXT, 0},
	{"stamp", "WRITTEN", COLUMN_TIME, COLUMN_IS_FINE},
	{"index", "INDEX", COLUMN_NUMBER, 0},
	{"vector", "KNEW", COLUMN_LIST, 0},
	{"deleted", "DELETED", COLUMN_BOOL, COLUMN_IS_SPARSE},
	{"won", "WON", COLUMN_BOOL, 0},
};

/* "berlin 812", a line each. */
static void put_vector(const Synod__Admin__Version *v, char *buf, size_t cap)
{
	size_t used = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < v->n_vector; i++) {
		int n = snprintf(buf + used, cap - used, "%s%s %" PRIu64,
				 i > 0 ? "\n" : "", v->vector[i]->key,
				 v->vector[i]->value);
		if (n < 0 || (size_t)n >= cap - used)
			return;
		used += (size_t)n;
	}
}

static void put_version(struct output *o, const char *name,
			const Synod__Admin__Version *v, const char *winner)
{
	char vector[VECTOR_TEXT_MAX];
	put_vector(v, vector, sizeof vector);
	struct cell cells[] = {
		cell_text(name),
		cell_text(v->connection),
		cell_time(v->stamp_us),
		cell_number(v->index),
		cell_filled(vector),
		cell_bool(v->is_delete),
		cell_bool(strcmp(v->connection, winner) == 0),
	};
	output_row(o, cells);
}

/* -- fields ---------------------------------------------------------------- */

static const Synod__Admin__Cell *find(const Synod__Admin__Version *v,
				      const char *name)
{
	for (size_t i = 0; i < v->n_cells; i++)
		if (strcmp(v->cells[i]->name, name) == 0)
			return v->cells[i];
	return NULL;
}

static const char *value_of(const Synod__Admin__Version *v, const char *name)
{
	const Synod__Admin__Cell *cell = find(v, name);
	return v->is_delete ? "(deleted)" : cell ? cell->value : NULL;
}

static void put_field(struct output *o, const Synod__Admin__ConflictInfo *k,
		      const Synod__Admin__Cell *cell)
{
	const char *a = value_of(k->a, cell->name);
	const char *b = value_of(k->b, cell->name);
	if (cell->is_key)
		a = b = cell->value;
	bool differs = !a || !b || strcmp(a, b) != 0 || cell->differs;
	struct cell cells[] = {
		cell_text(cell->name),
		cell_text(a),
		cell_text(b),
		cell_bool(differs && !cell->is_key),
		cell_bool(cell->is_key),
	};
	output_row(o, cells);
}

/* Those of the one, then what only the other has. */
static void put_fields(struct output *o, const Synod__Admin__ConflictInfo *k)
{
	for (size_t i = 0; i < k->a->n_cells; i++)
		put_field(o, k, k->a->cells[i]);
	for (size_t i = 0; i < k->b->n_cells; i++)
		if (!find(k->a, k->b->cells[i]->name))
			put_field(o, k, k->b->cells[i]);
}

/* -- all of it ------------------------------------------------------------- */

static void put_verdict(FILE *out, const Synod__Admin__ConflictInfo *k)
{
	char when[OUTPUT_TEXT_MAX];
	struct column fine = {.kind = COLUMN_TIME, .flags = COLUMN_IS_FINE};
	if (strcmp(k->state, "open") == 0)
		fprintf(out,
			"state     open: all sides keep the version of %s "
			"until "
			"a person decides\n"
			"next      synodctl conflict resolve %" PRIu64
			" --pick %s|%s\n",
			k->winner, k->id, k->a->connection, k->b->connection);
	else
		fprintf(out, "state     %s: the version of %s won\n", k->state,
			k->winner);
	fprintf(out, "rule      %s%s%s\n", k->rule, k->reason[0] ? ": " : "",
		k->reason);
	if (k->resolved_us > 0) {
		output_put_shown(&fine, (uint64_t)k->resolved_us, when);
		fprintf(out, "resolved  %s by %s\n", when, k->resolved_by);
	}
}

static void put_head(FILE *out, const Synod__Admin__ConflictInfo *k)
{
	char when[OUTPUT_TEXT_MAX];
	struct column fine = {.kind = COLUMN_TIME, .flags = COLUMN_IS_FINE};
	output_put_shown(&fine, (uint64_t)k->time_us, when);
	fprintf(out,
		"conflict  %" PRIu64 "   %s/%s   %s   %s\n"
		"detected  %s at index %" PRIu64 "\n",
		k->id, k->sync, k->table, k->key, k->kind, when, k->index);
	put_verdict(out, k);
	fputc('\n', out);
}

static void summarise(struct output *o, const Synod__Admin__ConflictInfo *k)
{
	char when[OUTPUT_TEXT_MAX];
	const struct {
		const char *key, *text;
	} texts[] = {
		{"sync", k->sync},      {"table", k->table},
		{"key", k->key},        {"kind", k->kind},
		{"state", k->state},    {"winner", k->winner},
		{"rule", k->rule},      {"reason", k->reason},
		{"by", k->resolved_by},
	};
	output_summary(o, "id", json_integer((json_int_t)k->id));
	output_summary(o, "index", json_integer((json_int_t)k->index));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		output_summary(o, texts[i].key, json_string(texts[i].text));
	output_put_raw(COLUMN_TIME, (uint64_t)k->time_us, when);
	output_summary(o, "detected", json_string(when));
	output_put_raw(COLUMN_TIME, (uint64_t)k->resolved_us, when);
	output_summary(o, "resolved",
		       k->resolved_us > 0 ? json_string(when) : json_null());
}

static void show(struct output *o, const Synod__Admin__ConflictInfo *k)
{
	const struct column columns[] = {
		{"field", "FIELD", COLUMN_TEXT, 0},
		{"a", k->a->connection, COLUMN_TEXT, 0},
		{"b", k->b->connection, COLUMN_TEXT, 0},
		{"differs", "DIFFERS", COLUMN_BOOL, 0},
		{"key", NULL, COLUMN_BOOL, COLUMN_IS_HIDDEN},
	};
	output_begin(o, columns, sizeof(columns) / sizeof(columns[0]));
	summarise(o, k);
	if (output_is_table(o))
		put_head(o->file, k);
	output_aside_begin(o, "versions", version_columns,
			   sizeof(version_columns) /
				   sizeof(version_columns[0]));
	put_version(o, "a", k->a, k->winner);
	put_version(o, "b", k->b, k->winner);
	output_aside_end(o);
	if (output_is_table(o))
		fputc('\n', o->file);
	put_fields(o, k);
	/* The columns live in this function. */
	output_flush(o);
}

static int run(struct ctl *c)
{
	Synod__Admin__ConflictsRequest body;
	Synod__Admin__Request request;
	struct link_answer answer = {0};
	uint64_t id = 0;
	if (c->n_args == 0)
		return ctl_usage(c, "which conflict?");
	int rc = act_ids(c, 'c', &id);
	if (rc)
		return rc;
	c->output.has_whole_lines = true;
	synod__admin__conflicts_request__init(&body);
	synod__admin__request__init(&request);
	body.id = id;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_CONFLICTS;
	request.conflicts = &body;
	rc = pages_one(c, &request, &answer);
	if (rc == 0) {
		const Synod__Admin__ConflictsResponse *r =
			answer.response->conflicts;
		if (r->n_conflicts == 1 && r->conflicts[0]->a &&
		    r->conflicts[0]->b)
			show(&c->output, r->conflicts[0]);
		else
			rc = ctl_fail_answer(c, "that conflict");
	}
	link_answer_clear(&answer);
	return rc;
}

static const char *const examples[] = {
	"synodctl conflict show 41",
	"synodctl conflict show 41 -o json",
	NULL,
};

const struct ctl_command command_conflict_show = {
	.noun = "conflict",
	.verb = "show",
	.args = "ID",
	.summary = "both versions side by side, the rule and the reason",
	.detail = "KNEW is what each version had seen when it was made: a "
		  "connection and the newest entry of it. Neither knew the "
		  "other's INDEX: that makes it a conflict.",
	.examples = examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run,
};
