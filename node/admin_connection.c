#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "node/admin_define.h"
#include "node/define.h"
#include "node/node.h"

/* Names in one answer; a database with more of them has them by schema. */
enum { TABLES_MAX = 4096 };

struct connection_job {
	struct job job; /* first */
	struct node *node;
	struct door_request *request;
	Synod__Admin__ConnectionRequest__Action action;
	Synod__Definition__Connection *connection; /* a copy */
	char *table;
	char cluster[2 * CONTROL_ID_BYTES + 1];
	/* What came out. */
	char text[CONNECTOR_TEXT_MAX];
	struct arena arena;
	const char **tables;
	int n_tables;
	struct connector_schema schema;
	int64_t took_us;
	int code;
	struct err e;
};

static void free_job(struct connection_job *j)
{
	protobuf_c_message_free_unpacked(&j->connection->base, NULL);
	arena_free(&j->arena);
	free(j->table);
	free(j);
}

/* -- on the definer -------------------------------------------------------- */

static int ask(struct connection_job *j)
{
	const struct connector *c = connectors_find(j->connection->type);
	struct connector_target target = {.connection = j->connection,
					  .cluster = j->cluster,
					  .secrets =
						  &j->node->runner.secrets_port,
					  .base_dir = node_base_dir(j->node)};

	if (!c)
		return err_set(&j->e, ERR_INVALID,
			       "this node has no connector of type %s",
			       j->connection->type);
	switch (j->action) {
	case SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__TABLES:
		j->tables = arena_alloc(&j->arena,
					TABLES_MAX * sizeof(j->tables[0]));
		j->n_tables = c->tables(&target, &j->arena, j->tables,
					TABLES_MAX, &j->e);
		return j->n_tables < 0 ? j->n_tables : 0;
	case SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__SCHEMA:
		return c->describe(&target, j->table, &j->arena, &j->schema,
				   &j->e);
	default:
		return c->test(&target, j->text, sizeof(j->text), &j->e);
	}
}

static void run_ask(struct job *job)
{
	struct connection_job *j = (struct connection_job *)job;
	int64_t begin_us = clock_mono_us(&j->node->clock);

	j->code = ask(j);
	j->took_us = clock_mono_us(&j->node->clock) - begin_us;
}

/* -- the answer ------------------------------------------------------------ */

static void fill_column(const struct connector_column *c,
			Synod__Admin__ColumnInfo *out)
{
	const char *type = value_type_name(c->type);

	synod__admin__column_info__init(out);
	out->name = command_text(c->name);
	out->type = command_text(type ? type : "");
	out->native = command_text(c->native ? c->native : "");
	out->is_key = c->is_key;
	out->is_nullable = c->is_nullable;
	out->is_generated = c->is_generated;
}

static void answer(struct connection_job *j)
{
	Synod__Admin__ConnectionResponse body;
	Synod__Admin__Response response;
	size_t n = j->schema.n;
	Synod__Admin__ColumnInfo *columns = mem_zero(n + 1, sizeof(*columns));
	Synod__Admin__ColumnInfo **list = mem_zero(n + 1, sizeof(*list));

	synod__admin__connection_response__init(&body);
	synod__admin__response__init(&response);
	for (size_t i = 0; i < n; i++) {
		fill_column(&j->schema.columns[i], &columns[i]);
		list[i] = &columns[i];
	}
	body.text = j->text;
	body.n_tables = (size_t)j->n_tables;
	body.tables = (char **)(uintptr_t)j->tables;
	body.n_columns = n;
	body.columns = list;
	body.took_us = (uint64_t)j->took_us;
	body.node = command_text(j->node->config.name);
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_CONNECTION;
	response.connection = &body;
	admin_reply(j->request, &response);
	free(list);
	free(columns);
}

static const char *hint_of(const struct connection_job *j)
{
	switch (j->code) {
	case ERR_NOTFOUND:
		return "synodctl connection schema NAME";
	case ERR_NETWORK:
	case ERR_TIMEOUT:
		return "is it up, and may this node reach it? ask another "
		       "node: --endpoint URL";
	case ERR_PERMISSION:
		return "check user and secret";
	default:
		return NULL;
	}
}

static void asked(struct job *job)
{
	struct connection_job *j = (struct connection_job *)job;

	if (j->code)
		admin_refuse(j->request, j->code, j->e.text, hint_of(j));
	else
		answer(j);
	free_job(j);
}

static void dropped(struct job *job)
{
	struct connection_job *j = (struct connection_job *)job;

	admin_refuse(j->request, ERR_CLOSED, "the node stops", NULL);
	free_job(j);
}

/* -- the request ----------------------------------------------------------- */

/* A copy that outlives the catalog it was found in. */
static Synod__Definition__Connection *
copy_of(const Synod__Definition__Connection *c)
{
	size_t len = synod__definition__connection__get_packed_size(c);
	uint8_t *buf = mem_alloc(len + 1);

	synod__definition__connection__pack(c, buf);
	Synod__Definition__Connection *copy =
		synod__definition__connection__unpack(NULL, len, buf);
	free(buf);
	CHECK(copy);
	return copy;
}

void admin_connection(struct node *n, struct door_request *request,
		      const Synod__Admin__ConnectionRequest *body)
{
	const Synod__Definition__Connection *c =
		catalog_connection_named(node_catalog(n), body->name);

	if (!c) {
		admin_refuse(request, ERR_NOTFOUND,
			     "there is no connection of this name",
			     "synodctl connection list");
		return;
	}
	struct connection_job *j = mem_zero(1, sizeof(*j));
	j->job = (struct job){.run = run_ask, .done = asked, .drop = dropped};
	j->node = n;
	j->request = request;
	j->action = body->action;
	j->connection = copy_of(c);
	j->table = mem_strdup(body->table);
	arena_init(&j->arena, 16384);
	for (size_t i = 0; i < CONTROL_ID_BYTES; i++)
		snprintf(j->cluster + 2 * i, 3, "%02x",
			 n->members.cluster.id[i]);
	worker_give(&n->definer, &j->job);
}
