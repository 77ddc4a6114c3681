/* synodctl doctor: looks at everything that can be looked at from here, also by
 * trying it, and says of each thing whether it is well and what to do. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node/ctl/ask.h"
#include "node/ctl/command.h"
#include "node/ctl/health.h"
#include "node/ctl/overview.h"

/* Databases are asked meanwhile. */
enum {
	ASK_TIMEOUT_MS = 30000,
	/* Last-write-wins goes by the nodes' clocks; LIMIT of a stamp's lead
	 * over the wall is 500 ms. */
	CLOCK_WARN_US = 100 * 1000,
	CLOCK_FAIL_US = 500 * 1000,
	TEXT_MAX = 400,
};

static const struct column columns[] = {
	{"check", "CHECK", COLUMN_TEXT, 0},
	{"result", "RESULT", COLUMN_TEXT, COLUMN_IS_STATE},
	{"text", "TEXT", COLUMN_TEXT, 0},
	{"next", "WHAT TO DO", COLUMN_TEXT, COLUMN_IS_SPARSE},
};

struct doctor {
	struct ctl *c;
	struct ask ask;
	struct overview overview;
	struct health health;
	bool is_shown[HEALTH_PROBLEMS_MAX];
	size_t n_level[HEALTH_CRITICAL + 1];
};

/* -- rows ------------------------------------------------------------------ */

static void put(struct doctor *d, const char *check, enum health_level level,
		const char *text, const char *next)
{
	static const char *const words[] = {"ok", "warn", "fail"};
	struct cell cells[] = {cell_text(check), cell_text(words[level]),
			       cell_text(text), cell_filled(next)};
	d->n_level[level]++;
	output_row(&d->c->output, cells);
	/* The next one may take its time. */
	if (!output_is_table(&d->c->output))
		output_flush(&d->c->output);
}

/* What was found about it; else the text that it is well, if there is one. */
__attribute__((format(printf, 3, 4))) static void
put_found(struct doctor *d, const char *check, const char *fmt, ...)
{
	bool is_well = true;
	char text[TEXT_MAX];
	for (size_t i = 0; i < d->health.n_problems; i++) {
		const struct health_problem *p = &d->health.problems[i];
		if (d->is_shown[i] || strcmp(p->subject, check) != 0)
			continue;
		d->is_shown[i] = true;
		is_well = false;
		put(d, check, p->level, p->text, p->next);
	}
	if (!is_well)
		return;
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	put(d, check, HEALTH_OK, text, NULL);
}

/* -- nodes ----------------------------------------------------------------- */

static void check_endpoints(struct doctor *d)
{
	for (size_t i = 0; i < d->ask.n_answers; i++) {
		const struct link_answer *a = &d->ask.answers[i];
		char check[LIMIT_ADDRESS_BYTES + 16];
		char text[TEXT_MAX];
		char took[OUTPUT_TEXT_MAX];
		snprintf(check, sizeof check, "endpoint %s",
			 d->c->link.ends[i].url);
		if (a->e.code) {
			put(d, check, HEALTH_WARN, a->e.text, a->hint);
			continue;
		}
		output_put_duration((uint64_t)a->took_us, took);
		snprintf(text, sizeof text, "%s answered after %s",
			 a->response->status->self
				 ? a->response->status->self->name
				 : "a node",
			 took);
		put(d, check, HEALTH_OK, text, NULL);
	}
}

static void check_node(struct doctor *d, const struct view_node *n)
{
	const Synod__Admin__NodeStatus *s = n->status;
	char check[HEALTH_SUBJECT_MAX];
	char used[OUTPUT_TEXT_MAX];
	char limit[OUTPUT_TEXT_MAX];
	snprintf(check, sizeof check, "node %s", s->name);
	if (!n->is_own) {
		put_found(d, check,
			  "%s, as others tell; name its endpoint to "
			  "look closer",
			  n->state);
		return;
	}
	output_put_bytes(s->log_bytes, used);
	output_put_bytes(s->log_limit_bytes, limit);
	put_found(d, check, "%s, log %s of %s, %" PRIu64 " peer%s", n->state,
		  used, limit, s->peers_connected,
		  s->peers_connected == 1 ? "" : "s");
}

static void check_versions(struct doctor *d)
{
	const struct view *v = &d->ask.view;
	const char *first = NULL;
	bool is_same = true;
	for (size_t i = 0; i < v->n_nodes; i++) {
		if (!v->nodes[i].is_own)
			continue;
		const char *version = v->nodes[i].status->version;
		first = first ? first : version;
		is_same &= strcmp(first, version) == 0;
	}
	if (is_same)
		put(d, "versions", HEALTH_OK, first ? first : "unknown", NULL);
	else
		put(d, "versions", HEALTH_WARN,
		    "the nodes run different versions",
		    "end the upgrade: synodctl node list -o wide");
}

/* Half of the way there and back is not known: it is taken off. */
static void check_clocks(struct doctor *d)
{
	int64_t low = INT64_MAX;
	int64_t high = INT64_MIN;
	size_t n = 0;
	char text[TEXT_MAX];
	char by[OUTPUT_TEXT_MAX];
	for (size_t i = 0; i < d->ask.n_answers; i++) {
		const struct link_answer *a = &d->ask.answers[i];
		if (a->e.code || !a->response->status->self ||
		    a->response->status->self->time_us <= 0)
			continue;
		int64_t ahead =
			a->response->status->self->time_us - a->middle_us;
		int64_t slack = a->took_us / 2;
		low = ahead + slack < low ? ahead + slack : low;
		high = ahead - slack > high ? ahead - slack : high;
		n++;
	}
	if (n < 2) {
		put(d, "clocks", HEALTH_OK,
		    "not compared: name the endpoints of all nodes", NULL);
		return;
	}
	int64_t apart = high > low ? high - low : 0;
	output_put_duration((uint64_t)apart, by);
	if (apart == 0)
		snprintf(text, sizeof text,
			 "%zu clocks, no difference that can be seen", n);
	else
		snprintf(text, sizeof text, "%zu clocks are at least %s apart",
			 n, by);
	put(d, "clocks",
	    apart > CLOCK_FAIL_US   ? HEALTH_CRITICAL
	    : apart > CLOCK_WARN_US ? HEALTH_WARN
				    : HEALTH_OK,
	    text,
	    apart > CLOCK_WARN_US
		    ? "chronyc tracking   (on each node; last-write-wins goes "
		      "by them)"
		    : NULL);
}

static void check_cluster(struct doctor *d)
{
	const struct view *v = &d->ask.view;
	put_found(d, "cluster", "%s leads, %zu of %zu voters are there",
		  v->leader ? v->leader->status->name : "nobody",
		  view_count_voters(v, true), view_count_voters(v, false));
	for (size_t i = 0; i < v->n_nodes; i++)
		check_node(d, &v->nodes[i]);
	put_found(d, "digests", "no two nodes differ in what they applied");
	check_versions(d);
	check_clocks(d);
}

/* -- connections ----------------------------------------------------------- */

static void judge_connection(struct doctor *d,
			     const Synod__Admin__ConnectionInfo *k,
			     const struct link_answer *answers)
{
	char check[HEALTH_SUBJECT_MAX];
	char text[TEXT_MAX];
	char next[TEXT_MAX];
	const struct link_answer *failed = NULL;
	size_t n_good = 0;
	size_t at = 0;
	snprintf(check, sizeof check, "connection %s", k->name);
	for (size_t i = 0; i < d->c->link.n_ends; i++) {
		/* Whether the node is there is another check. */
		if (answers[i].e.code && !answers[i].is_local && !failed) {
			failed = &answers[i];
			at = i;
		}
		n_good += answers[i].e.code == 0;
	}
	if (!failed) {
		put_found(d, check, "%s, tried from %zu node%s", k->type,
			  n_good, n_good == 1 ? "" : "s");
		return;
	}
	if (n_good > 0)
		snprintf(text, sizeof text,
			 "%zu node%s can use it, not %.80s: %.250s", n_good,
			 n_good == 1 ? "" : "s", d->c->link.ends[at].url,
			 failed->e.text);
	else
		snprintf(text, sizeof text, "no node can use it: %.250s",
			 failed->e.text);
	snprintf(next, sizeof next,
		 "synodctl connection test %.63s "
		 "--endpoint %.255s",
		 k->name, d->c->link.ends[at].url);
	put(d, check, n_good > 0 ? HEALTH_WARN : HEALTH_CRITICAL, text,
	    failed->hint[0] ? failed->hint : next);
}

static void check_connection(struct doctor *d,
			     const Synod__Admin__ConnectionInfo *k)
{
	struct link_answer answers[LIMIT_NODES] = {0};
	Synod__Admin__ConnectionRequest body;
	Synod__Admin__Request request;
	int timeout_ms = d->c->options.timeout_ms > ASK_TIMEOUT_MS
				 ? (int)d->c->options.timeout_ms
				 : ASK_TIMEOUT_MS;
	synod__admin__connection_request__init(&body);
	synod__admin__request__init(&request);
	body.action = SYNOD__ADMIN__CONNECTION_REQUEST__ACTION__TEST;
	body.name = k->name;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_CONNECTION;
	request.connection = &body;
	link_call_all(&d->c->link, &request, timeout_ms, answers);
	judge_connection(d, k, answers);
	for (size_t i = 0; i < d->c->link.n_ends; i++)
		link_answer_clear(&answers[i]);
}

/* -- work ------------------------------------------------------------------ */

static void check_sync(struct doctor *d, const Synod__Admin__SyncInfo *s)
{
	char check[HEALTH_SUBJECT_MAX];
	snprintf(check, sizeof check, "sync %s", s->name);
	put_found(d, check, "%s, %zu task%s, %zu table%s", s->state, s->n_tasks,
		  s->n_tasks == 1 ? "" : "s", s->n_tables,
		  s->n_tables == 1 ? "" : "s");
}

static void check_work(struct doctor *d)
{
	const Synod__Admin__OverviewResponse *all = d->overview.all;
	char text[TEXT_MAX];
	if (!all) {
		put(d, "config", HEALTH_WARN, d->overview.answers[0].e.text,
		    "synodctl node list -o wide");
		return;
	}
	if (all->revision == 0)
		snprintf(text, sizeof text, "nothing is declared yet");
	else
		snprintf(text, sizeof text,
			 "revision %u by %.63s: %zu connection%s, %zu sync%s",
			 all->revision, all->revision_author,
			 all->n_connections, all->n_connections == 1 ? "" : "s",
			 all->n_syncs, all->n_syncs == 1 ? "" : "s");
	put(d, "config", HEALTH_OK, text, NULL);
	for (size_t i = 0; i < all->n_connections; i++)
		check_connection(d, all->connections[i]);
	for (size_t i = 0; i < all->n_syncs; i++)
		check_sync(d, all->syncs[i]);
}

/* Of what had no check of its own: tasks. */
static void put_rest(struct doctor *d)
{
	for (size_t i = 0; i < d->health.n_problems; i++) {
		const struct health_problem *p = &d->health.problems[i];
		if (!d->is_shown[i])
			put(d, p->subject, p->level, p->text, p->next);
	}
}

static int examine(struct doctor *d)
{
	struct output *o = &d->c->output;
	overview_try_everyone(d->c, NULL, &d->overview);
	health_judge(&d->health, &d->ask.view);
	health_judge_work(&d->health, &d->overview);
	output_begin(o, columns, sizeof(columns) / sizeof(columns[0]));
	check_endpoints(d);
	check_cluster(d);
	check_work(d);
	put_rest(d);
	output_summary(o, "ok",
		       json_integer((json_int_t)d->n_level[HEALTH_OK]));
	output_summary(o, "warn",
		       json_integer((json_int_t)d->n_level[HEALTH_WARN]));
	output_summary(o, "fail",
		       json_integer((json_int_t)d->n_level[HEALTH_CRITICAL]));
	output_flush(o);
	ctl_note(d->c, "%zu ok, %zu warn, %zu fail", d->n_level[HEALTH_OK],
		 d->n_level[HEALTH_WARN], d->n_level[HEALTH_CRITICAL]);
	return d->n_level[HEALTH_CRITICAL] > 0 ? EXIT_UNHEALTHY : EXIT_DONE;
}

static int run(struct ctl *c)
{
	struct doctor d = {.c = c};
	int rc = ask_status(c, &d.ask);
	if (rc == 0)
		rc = examine(&d);
	overview_clear(&d.overview);
	ask_clear(&d.ask);
	return rc;
}

static const char *const examples[] = {
	"synodctl doctor",
	"synodctl doctor --endpoint ipc:///run/n1.sock,ipc:///run/n2.sock",
	"synodctl doctor -o json",
	NULL,
};

const struct ctl_command command_doctor = {
	.noun = "doctor",
	.args = "",
	.summary = "try everything, and say what to do about what fails",
	.detail = "Asks every endpoint, lets each of these nodes log in to "
		  "each connection, compares digests, versions and clocks. "
		  "Exit 5 when something fails; a warning is not a failure. "
		  "Changes nothing.",
	.examples = examples,
	.risk = RISK_READ,
	.run = run,
};
