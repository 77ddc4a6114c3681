#include "node/admin_define.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "cluster/core/revision.h"
#include "node/define.h"
#include "node/node.h"

/* Until a new cluster has an id. */
enum { CLUSTER_WAIT_US = 3000 * 1000, CLUSTER_LOOK_MS = 10 };

/* A plan on its way: from the loop to the definer and back. */
struct plan_job {
	struct job job; /* first */
	struct node *node;
	struct door_request *request;
	/* As asked; copies. */
	Synod__Admin__DefineRequest *wanted;
	/* What it is compared with. */
	uint32_t base_revision;
	Synod__Definition__Definition *current; /* NULL: none */
	char cluster[2 * CONTROL_ID_BYTES + 1];
	/* What came out. */
	struct define_plan plan;
	char *problems;
	size_t n_problems;
	int code;
	struct err e;
	bool is_same_text; /* as the one in force */
};

static void free_job(struct plan_job *j)
{
	if (j->wanted)
		protobuf_c_message_free_unpacked(&j->wanted->base, NULL);
	if (j->current)
		protobuf_c_message_free_unpacked(&j->current->base, NULL);
	define_plan_clear(&j->plan);
	free(j->problems);
	free(j);
}

/* A copy of a message that lives on its own. */
static void *copy_message(const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *buf = mem_alloc(len + 1);

	protobuf_c_message_pack(m, buf);
	ProtobufCMessage *copy =
		protobuf_c_message_unpack(m->descriptor, NULL, len, buf);
	free(buf);
	CHECK(copy);
	return copy;
}

/* -- on the definer -------------------------------------------------------- */

static void keep_problems(struct plan_job *j, struct config_problems *problems)
{
	size_t len = 0;

	j->n_problems = problems->n + problems->n_hidden;
	if (j->n_problems == 0)
		return;
	FILE *out = open_memstream(&j->problems, &len);
	CHECK(out);
	config_problems_print(problems, out);
	fclose(out);
}

static void read_cluster(const struct kv *kv, void *ctx)
{
	struct plan_job *j = ctx;
	struct control_cluster cluster;

	if (!control_cluster(kv, &cluster))
		return;
	for (size_t i = 0; i < CONTROL_ID_BYTES; i++)
		snprintf(j->cluster + 2 * i, 3, "%02x", cluster.id[i]);
}

/* What we leave in a database carries the id of the cluster. A new cluster gets
 * one within moments of its first leader: an operator must not have to guess
 * when. */
static int find_cluster(struct plan_job *j)
{
	const struct clock *clock = &j->node->clock;
	int64_t until_us = clock_mono_us(clock) + CLUSTER_WAIT_US;

	for (;;) {
		state_read(j->node->state, read_cluster, j);
		if (j->cluster[0])
			return 0;
		if (clock_mono_us(clock) >= until_us)
			return err_set(&j->e, ERR_NO_LEADER,
				       "the cluster has no id yet");
		poll(NULL, 0, CLUSTER_LOOK_MS);
	}
}

static void run_plan(struct job *job)
{
	struct plan_job *j = (struct plan_job *)job;
	struct config_problems problems;
	const char *text = j->wanted->text;
	struct define_env env = {.connector = connectors_find,
				 .secrets = &j->node->runner.secrets_port,
				 .cluster = j->cluster,
				 .base_dir = node_base_dir(j->node),
				 .current = j->current,
				 .prune = j->wanted->prune};

	j->code = find_cluster(j);
	if (j->code)
		return;
	config_problems_init(&problems);
	struct define_text *d =
		define_read((struct bytes){(const uint8_t *)text, strlen(text)},
			    j->wanted->file, connectors_find, &problems);
	if (d)
		j->code = define_plan(d, &env, &j->plan, &problems, &j->e);
	define_text_free(d);
	keep_problems(j, &problems);
	config_problems_clear(&problems);
}

/* -- answers --------------------------------------------------------------- */

static void fill_change(const struct define_change *from, char mark[2],
			Synod__Admin__DefineChange *out)
{
	synod__admin__define_change__init(out);
	mark[0] = from->mark;
	mark[1] = '\0';
	out->mark = mark;
	out->what = command_text(from->what);
	out->class_name = command_text(from->class_name);
	out->text = command_text(from->text);
	out->repair = command_text(from->repair ? from->repair : "");
}

/* revision and index 0: nothing was put in force. */
static void answer(struct plan_job *j, uint32_t revision, uint64_t index)
{
	struct define_plan *p = &j->plan;
	Synod__Admin__DefineResponse body;
	Synod__Admin__Response response;
	Synod__Admin__DefineChange *changes =
		mem_zero(p->n_changes + 1, sizeof(*changes));
	Synod__Admin__DefineChange **list =
		mem_zero(p->n_changes + 1, sizeof(*list));
	char(*marks)[2] = mem_zero(p->n_changes + 1, sizeof(*marks));

	synod__admin__define_response__init(&body);
	synod__admin__response__init(&response);
	for (size_t i = 0; i < p->n_changes; i++) {
		fill_change(&p->changes[i], marks[i], &changes[i]);
		list[i] = &changes[i];
	}
	body.base_revision = j->base_revision;
	body.revision = revision;
	body.index = index;
	body.plan_hash = p->hash;
	body.n_changes = p->n_changes;
	body.changes = list;
	body.n_failed = (uint32_t)p->n_failed;
	body.problems = command_text(j->problems ? j->problems : "");
	body.n_problems = (uint32_t)j->n_problems;
	response.index = index;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_DEFINE;
	response.define = &body;
	admin_reply(j->request, &response);
	free(marks);
	free(list);
	free(changes);
	free_job(j);
}

static void refuse(struct plan_job *j, int code, const char *text,
		   const char *hint)
{
	admin_refuse(j->request, code, text, hint);
	free_job(j);
}

/* -- apply ----------------------------------------------------------------- */

static void applied(struct node *n, void *ctx, int code, uint64_t index)
{
	struct plan_job *j = ctx;
	const char *why = admin_refusal(n);

	if (code == 0)
		answer(j, j->base_revision + 1, index);
	else
		refuse(j, code, why[0] ? why : err_sentence(code),
		       code == ERR_UNKNOWN_FATE
			       ? "synodctl config history   (see whether it is "
				 "there before you repeat it)"
			       : "synodctl config plan");
}

static void propose(struct node *n, struct plan_job *j)
{
	Synod__Command__Revision revision;
	Synod__Command__Command command;
	struct err e = {0};
	char message[64];
	size_t len = synod__definition__definition__get_packed_size(
		j->plan.definition);
	uint8_t *packed = mem_alloc(len + 1);

	synod__definition__definition__pack(j->plan.definition, packed);
	synod__command__revision__init(&revision);
	synod__command__command__init(&command);
	revision.base_revision = j->base_revision;
	revision.author = j->wanted->author;
	revision.message = j->wanted->message;
	if (j->wanted->rollback_to && !j->wanted->message[0]) {
		snprintf(message, sizeof(message), "back to revision %u",
			 j->wanted->rollback_to);
		revision.message = message;
	}
	revision.time_us = clock_wall_us(&n->clock);
	revision.text.data = (uint8_t *)j->wanted->text;
	revision.text.len = strlen(j->wanted->text);
	revision.definition.data = packed;
	revision.definition.len = len;
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_REVISION;
	command.revision = &revision;
	if (admin_propose(n, &command, applied, j, &e))
		refuse(j, e.code, e.text, "try again");
	free(packed);
}

static bool has_changes(const struct define_plan *p)
{
	for (size_t i = 0; i < p->n_changes; i++)
		if (strchr("+~-", p->changes[i].mark))
			return true;
	return false;
}

static void apply(struct node *n, struct plan_job *j)
{
	const char *hash = j->wanted->plan_hash;

	if (j->n_problems > 0 || j->plan.n_failed > 0)
		answer(j, 0, 0);
	else if (catalog_revision(node_catalog(n)) != j->base_revision)
		refuse(j, ERR_CHANGED,
		       "another revision came into force meanwhile",
		       "synodctl config plan");
	else if (hash[0] && strcmp(hash, j->plan.hash) != 0)
		refuse(j, ERR_CHANGED,
		       "the plan is another one now; nothing was done",
		       "synodctl config plan");
	else if (!has_changes(&j->plan) && j->is_same_text)
		answer(j, j->base_revision, 0);
	else
		propose(n, j);
}

static void planned(struct job *job)
{
	struct plan_job *j = (struct plan_job *)job;

	if (j->code)
		refuse(j, j->code, j->e.text,
		       j->code == ERR_NO_LEADER ? "synodctl status" : NULL);
	else if (j->wanted->action ==
		 SYNOD__ADMIN__DEFINE_REQUEST__ACTION__APPLY)
		apply(j->node, j);
	else
		answer(j, 0, 0);
}

static void dropped(struct job *job)
{
	refuse((struct plan_job *)job, ERR_CLOSED, "the node stops", NULL);
}

/* -- the request ----------------------------------------------------------- */

/* The text of a revision, and that of the one in force. */
struct texts_read {
	uint32_t wanted, newest;
	char *wanted_text, *newest_text;
};

static char *copy_text(const struct kv *kv, uint32_t revision)
{
	struct bytes text;

	if (revision == 0 || !revision_text(kv, revision, &text))
		return NULL;
	char *copy = mem_alloc(text.len + 1);
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return copy;
}

static void read_texts(const struct kv *kv, void *ctx)
{
	struct texts_read *r = ctx;

	r->wanted_text = copy_text(kv, r->wanted);
	r->newest_text = copy_text(kv, r->newest);
}

/* In a message that protobuf-c has unpacked: an empty text is not its own. */
static void replace(char **field, char *text)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = text;
}

/* Roll-back: the text is that of a revision. False: refused. */
static bool take_text(struct node *n, struct plan_job *j)
{
	struct texts_read r = {.wanted = j->wanted->rollback_to,
			       .newest = j->base_revision};

	state_read(n->state, read_texts, &r);
	if (r.wanted_text) {
		char name[32];
		snprintf(name, sizeof(name), "revision %u", r.wanted);
		replace(&j->wanted->text, r.wanted_text);
		replace(&j->wanted->file, mem_strdup(name));
	}
	j->is_same_text =
		r.newest_text && strcmp(r.newest_text, j->wanted->text) == 0;
	free(r.newest_text);
	if (r.wanted == 0 || r.wanted_text)
		return true;
	refuse(j, ERR_NOTFOUND,
	       "there is no such revision, or it is no longer kept",
	       "synodctl config history");
	return false;
}

static const char *too_long(const Synod__Admin__DefineRequest *body)
{
	if (strlen(body->text) > LIMIT_DEFINITION_BYTES)
		return "the text is too long";
	if (strlen(body->author) > LIMIT_NAME_BYTES ||
	    strlen(body->message) > LIMIT_MESSAGE_BYTES)
		return "author or message are too long";
	return NULL;
}

void admin_define(struct node *n, struct door_request *request,
		  const Synod__Admin__DefineRequest *body)
{
	const char *why = too_long(body);

	if (n->phase != NODE_RUNNING) {
		admin_refuse(request, ERR_NO_LEADER,
			     "this node is not a working member yet",
			     "try again, or ask another node");
		return;
	}
	if (why) {
		admin_refuse(request, ERR_LIMIT, why, NULL);
		return;
	}
	struct plan_job *j = mem_zero(1, sizeof(*j));
	const struct catalog *c = node_catalog(n);
	j->job =
		(struct job){.run = run_plan, .done = planned, .drop = dropped};
	j->node = n;
	j->request = request;
	j->wanted = copy_message(&body->base);
	j->base_revision = catalog_revision(c);
	if (j->base_revision > 0)
		j->current = copy_message(&catalog_definition(c)->base);
	if (take_text(n, j))
		worker_give(&n->definer, &j->job);
}

/* -- history --------------------------------------------------------------- */

struct revisions_read {
	uint32_t wanted, max;
	bool with_text;
	struct revision *list;
	char **texts;
	size_t n;
};

static void read_revisions(const struct kv *kv, void *ctx)
{
	struct revisions_read *r = ctx;

	if (r->wanted)
		r->n = revision_read(kv, r->wanted, &r->list[0]);
	else
		r->n = revision_list(kv, r->list, r->max);
	for (size_t i = 0; i < r->n && r->with_text; i++)
		r->texts[i] = copy_text(kv, r->list[i].number);
}

static void fill_revision(struct revision *r, char *text,
			  Synod__Admin__RevisionInfo *out)
{
	synod__admin__revision_info__init(out);
	out->revision = r->number;
	out->index = r->index;
	out->time_us = r->time_us;
	out->author = r->author;
	out->message = r->message;
	out->n_syncs = r->n_syncs;
	out->n_connections = r->n_connections;
	out->change = r->change;
	if (text)
		out->text = text;
}

static void answer_revisions(struct door_request *request,
			     const struct revisions_read *r)
{
	Synod__Admin__RevisionsResponse body;
	Synod__Admin__Response response;
	Synod__Admin__RevisionInfo *infos = mem_zero(r->n + 1, sizeof(*infos));
	Synod__Admin__RevisionInfo **list = mem_zero(r->n + 1, sizeof(*list));

	synod__admin__revisions_response__init(&body);
	synod__admin__response__init(&response);
	for (size_t i = 0; i < r->n; i++) {
		fill_revision(&r->list[i], r->texts[i], &infos[i]);
		list[i] = &infos[i];
	}
	body.n_revisions = r->n;
	body.revisions = list;
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_REVISIONS;
	response.revisions = &body;
	admin_reply(request, &response);
	free(list);
	free(infos);
}

void admin_revisions(struct node *n, struct door_request *request,
		     const Synod__Admin__RevisionsRequest *body)
{
	struct revisions_read r = {.wanted = body->revision,
				   .max = body->count,
				   .with_text = body->with_text};

	if (r.max == 0 || r.max > LIMIT_REVISIONS)
		r.max = LIMIT_REVISIONS;
	/* A frame holds a few texts of the largest size, and not a hundred. */
	if (r.with_text)
		r.max = 1;
	r.list = mem_zero(r.max, sizeof(*r.list));
	r.texts = mem_zero(r.max, sizeof(*r.texts));
	state_read(n->state, read_revisions, &r);
	answer_revisions(request, &r);
	for (size_t i = 0; i < r.n; i++)
		free(r.texts[i]);
	free(r.texts);
	free(r.list);
}
