/* synodctl connection: the systems that are kept in step. */
#include <stdlib.h>
#include <string.h>

#include "node/ctl/command.h"

/* A database is asked meanwhile. */
enum { ASK_TIMEOUT_MS = 30000 };

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* -- list ------------------------------------------------------------------ */

static const struct column list_columns[] = {
	{"name", "NAME", COLUMN_TEXT, 0},
	{"type", "TYPE", COLUMN_TEXT, 0},
	{"address", "ADDRESS", COLUMN_TEXT, 0},
	{"syncs", "SYNCS", COLUMN_TEXT, 0},
	{"unreachable_from", "UNREACHABLE FROM", COLUMN_TEXT, 0},
};

/* "a, b"; NULL: there is none. The caller frees it. */
static char *join(char *const *names, size_t n)
{
	char *text = NULL;
	size_t len = 0;
	if (n == 0)
		return NULL;
	FILE *out = open_memstream(&text, &len);
	for (size_t i = 0; out && i < n; i++)
		fprintf(out, "%s%s", i > 0 ? ", " : "", names[i]);
	if (out)
		fclose(out);
	return text;
}

static void put_connection(struct ctl *c, const Synod__Admin__ConnectionInfo *k)
{
	char *syncs = join(k->syncs, k->n_syncs);
	char *nodes = join(k->unreachable_from, k->n_unreachable_from);
	struct cell cells[] = {cell_text(k->name), cell_text(k->type),
			       cell_text(k->address), cell_text(syncs),
			       cell_text(nodes)};
	output_row(&c->output, cells);
	free(syncs);
	free(nodes);
}

static int run_list(struct ctl *c)
{
	Synod__Admin__OverviewRequest body;
	Synod__Admin__Request request;
	struct link_answer answer = {0};
	synod__admin__overview_request__init(&body);
	synod__admin__request__init(&request);
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_OVERVIEW;
	request.overview = &body;
	int rc = link_call_any(&c->link, &request, (int)c->options.timeout_ms,
			       &answer);
	if (rc == 0 &&
	    answer.response->body_case != SYNOD__ADMIN__RESPONSE__BODY_OVERVIEW)
		rc = err_set(&answer.e, ERR_FORMAT,
			     "the answer is no overview");
	if (rc) {
		rc = ctl_fail(c, &answer.e, answer.hint);
	} else {
		const Synod__Admin__OverviewResponse *r =
			answer.response->overview;
		output_begin(&c->output, list_columns, N_OF(list_columns));
		for (size_t i = 0; i < r->n_connections; i++)
			put_connection(c, r->connections[i]);
		if (r->n_connections == 0)
			ctl_note(c, "there are none; describe them in a file "
				    "and apply it: synodctl help config "
				    "apply");
	}
	link_answer_clear(&answer);
	return rc;
}

static const char *const list_examples[] = {
	"synodctl connection list",
	"synodctl connection list -o name",
	NULL,
};

const struct ctl_command command_connection_list = {
	.noun = "connection",
	.verb = "list",
	.args = "",
	.summary = "the systems that are kept in step",
	.examples = list_examples,
	.risk = RISK_READ,
	.run = run_list,
};

/* -- test and schema ------------------------------------------------------- */

static int ask(struct ctl *c, Synod__Admin__ConnectionRequest__Action action,
	       const char *table, struct link_answer *answer)
{
	Synod__Admin__ConnectionRequest body;
	Synod__Admin__Request request;
	int timeout_ms = c->options.timeout_ms > ASK_TIMEOUT_MS
				 ? (int)c->options.timeout_ms
				 : ASK_TIMEOUT_MS;
	synod__admin__connection_request__init(&body);
	synod__admin__request__init(&request);
	body.action = action;
	body.name = c->args[0];
	body.table = (char *)(uintptr_t)table;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_CONNECTION;
	request.connection = &body;
	int rc = link_call_any(&c->link, &request, timeout_ms, answer);
	if (rc == 0 && answer->response->body_case !=
			       SYNOD__ADMIN__RESPONSE__BODY_CONNECTION)
		rc = err_set(&answer->e, ERR_FORMAT,
			     "the answer is about no connection");
	return rc ? ctl_fail(c, &answer->e, answer->hint) : 0;
}

static const struct column test_columns[] = {
	{"name", "NAME", COLUMN_TEXT, 0},
	{"node", "FROM", COLUMN_TEXT, 0},
	{"took_seconds", "TOOK", COLUMN_SECONDS, 0},
	{"text", "ANSWER", COLUMN_TEXT, 0},
};

static int run_test(struct ctl *c)
{
	struct link_answer answer = {0};
	if (c->n_args == 0)
		return ctl_usage(c, "which connection?");
	int rc = ask(c, SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__TEST, "",
		     &answer);
	if (rc == 0) {
		const Synod__Admin__ConnectionResponse *r =
			answer.response->connection;
		struct cell cells[] = {
			cell_text(c->args[0]), cell_text(r->node),
			cell_number(r->took_us), cell_text(r->text)};
		output_begin(&c->output, test_columns, N_OF(test_columns));
		output_row(&c->output, cells);
	}
	link_answer_clear(&answer);
	return rc;
}

static const char *const test_examples[] = {
	"synodctl connection test crm",
	NULL,
};

const struct ctl_command command_connection_test = {
	.noun = "connection",
	.verb = "test",
	.args = "NAME",
	.summary = "let a node log in there",
	.detail = "The node that is asked tries it; name another one with "
		  "--endpoint.",
	.examples = test_examples,
	.risk = RISK_READ,
	.args_max = 1,
	.run = run_test,
};

static const struct column table_columns[] = {
	{"table", "TABLE", COLUMN_TEXT, 0},
};

static const struct column schema_columns[] = {
	{"name", "COLUMN", COLUMN_TEXT, 0},
	{"native", "TYPE", COLUMN_TEXT, 0},
	{"type", "SYNCED AS", COLUMN_TEXT, 0},
	{"key", "KEY", COLUMN_TEXT, 0},
	{"null", "NULL", COLUMN_TEXT, 0},
	{"generated", "GENERATED", COLUMN_TEXT, COLUMN_IS_WIDE},
};

static void put_schema(struct ctl *c, const Synod__Admin__ConnectionResponse *r)
{
	output_begin(&c->output, schema_columns, N_OF(schema_columns));
	for (size_t i = 0; i < r->n_columns; i++) {
		const Synod__Admin__ColumnInfo *k = r->columns[i];
		struct cell cells[] = {
			cell_text(k->name),
			cell_text(k->native),
			cell_text(k->type),
			cell_text(k->is_key ? "yes" : "no"),
			cell_text(k->is_nullable ? "yes" : "no"),
			cell_text(k->is_generated ? "yes" : "no"),
		};
		output_row(&c->output, cells);
	}
}

static int run_schema(struct ctl *c)
{
	struct link_answer answer = {0};
	bool has_table = c->n_args > 1;
	if (c->n_args == 0)
		return ctl_usage(c, "which connection?");
	int rc = ask(c,
		     has_table
			     ? SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__SCHEMA
			     : SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__TABLES,
		     has_table ? c->args[1] : "", &answer);
	if (rc == 0 && has_table) {
		put_schema(c, answer.response->connection);
	} else if (rc == 0) {
		const Synod__Admin__ConnectionResponse *r =
			answer.response->connection;
		output_begin(&c->output, table_columns, N_OF(table_columns));
		for (size_t i = 0; i < r->n_tables; i++) {
			struct cell cell = cell_text(r->tables[i]);
			output_row(&c->output, &cell);
		}
	}
	link_answer_clear(&answer);
	return rc;
}

static const char *const schema_examples[] = {
	"synodctl connection schema crm",
	"synodctl connection schema crm public.customer",
	NULL,
};

const struct ctl_command command_connection_schema = {
	.noun = "connection",
	.verb = "schema",
	.args = "NAME [TABLE]",
	.summary = "its tables, or the columns of one",
	.examples = schema_examples,
	.risk = RISK_READ,
	.args_max = 2,
	.run = run_schema,
};
