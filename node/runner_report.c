#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cluster/core/command.h"
#include "node/runner_task.h"

enum {
	/* Between two reports of one task; the first one goes at once. */
	REPORT_US = 500 * 1000,
	/* It fails to get through for so long: another node may do better. */
	FAILING_US = 3000 * 1000,
	REACH_US = 5000 * 1000,
	FIGURES_US = 1000 * 1000
};

/* -- on the task's thread ---------------------------------------------------
 */
static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void take_lags(struct runner_task *t, uint64_t *p50, uint64_t *p99)
{
	size_t n = t->n_lags < RUNNER_LAGS ? t->n_lags : RUNNER_LAGS;

	*p50 = *p99 = 0;
	t->n_lags = 0;
	if (n == 0)
		return;
	qsort(t->lags, n, sizeof(t->lags[0]), by_size);
	*p50 = t->lags[n / 2];
	*p99 = t->lags[n * 99 / 100];
}

static void propose_checkpoint(struct runner_task *t, uint64_t applied,
			       uint64_t upto)
{
	Synod__Command__Checkpoint body;
	Synod__Command__Command command;

	synod__command__checkpoint__init(&body);
	synod__command__command__init(&command);
	body.task_id = t->id;
	body.epoch = t->spec.epoch;
	body.applied = applied;
	body.upto = upto;
	take_lags(t, &body.lag_p50_us, &body.lag_p99_us);
	body.n_rows = t->n_rows;
	body.time_us = clock_wall_us(&t->node->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_CHECKPOINT;
	command.checkpoint = &body;
	struct blob *sealed = command_seal(&command);
	/* Lost or not: the next one says more. */
	if (runner_offer(t, sealed, ++t->ticket | (uint64_t)1 << 63) == 0) {
		t->told_applied = applied;
		t->told_upto = upto;
		t->n_rows = 0;
	}
	blob_unref(sealed);
	pthread_mutex_lock(&t->lock);
	if (body.lag_p99_us) {
		t->lag_p50_us = body.lag_p50_us;
		t->lag_p99_us = body.lag_p99_us;
	}
	pthread_mutex_unlock(&t->lock);
}

/* A checkpoint that only says that checkpoints were written is not worth one:
 * two idle tasks would keep each other busy for ever. */
enum { IDLE_ENTRIES = 1024 };

/* Retention wants to forget and may not: what anybody has looked through
 * counts, or captures would wait for a task that has nothing to do. */
static bool is_log_held(struct node *n)
{
	struct log_bounds bounds;

	log_bounds(n->log, &bounds);
	return bounds.bytes_used > bounds.bytes_max / 8 * 5;
}

void runner_checkpoint(struct runner_task *t)
{
	int64_t now_us = node_now_us(t->node);
	uint64_t applied, upto;

	if (apply_state(t->apply) != TASK_RUNNING)
		return;
	apply_progress(t->apply, &applied, &upto);
	pthread_mutex_lock(&t->lock);
	t->applied = applied;
	t->upto = upto;
	pthread_mutex_unlock(&t->lock);
	if (now_us < t->checkpoint_due_us)
		return;
	t->checkpoint_due_us = now_us + (int64_t)LIMIT_CHECKPOINT_MS * 1000;
	uint64_t worth = is_log_held(t->node) ? 1 : IDLE_ENTRIES;
	if (applied == t->told_applied && upto < t->told_upto + worth)
		return;
	propose_checkpoint(t, applied, upto);
}

/* -- on the loop ------------------------------------------------------------
 */
static Synod__Command__TaskReport__State state_of(enum task_state state)
{
	switch (state) {
	case TASK_RUNNING:
		return SYNOD__COMMAND__TASK_REPORT__STATE__RUNNING;
	case TASK_RETRYING:
		return SYNOD__COMMAND__TASK_REPORT__STATE__RETRYING;
	case TASK_BLOCKED:
		return SYNOD__COMMAND__TASK_REPORT__STATE__BLOCKED;
	default:
		return SYNOD__COMMAND__TASK_REPORT__STATE__STARTING;
	}
}

struct said {
	enum task_state state;
	int code;
	char text[TASK_TEXT_MAX], hint[TASK_TEXT_MAX];
	int64_t first_change_us;
};

/* True: there is something to say now. */
static bool take_news(struct runner_task *t, int64_t now_us, struct said *out)
{
	pthread_mutex_lock(&t->lock);
	bool is_due = t->is_news && now_us >= t->report_due_us;
	*out = (struct said){.state = t->state,
			     .code = t->code,
			     .first_change_us = t->first_change_us};
	memcpy(out->text, t->text, sizeof(out->text));
	memcpy(out->hint, t->hint, sizeof(out->hint));
	if (is_due)
		t->is_news = false;
	pthread_mutex_unlock(&t->lock);
	return is_due;
}

/* "connection test NAME" -> "connection test paris". Cut where it does not
 * fit. */
static void put_name(char hint[TASK_TEXT_MAX], const char *what,
		     const char *name)
{
	char *at = strstr(hint, what);
	char rest[TASK_TEXT_MAX];

	if (!at)
		return;
	snprintf(rest, sizeof(rest), "%s", at + strlen(what));
	snprintf(at, (size_t)(hint + TASK_TEXT_MAX - at), "%.*s%s%s",
		 (int)(strcspn(what, "N")), what, name, rest);
}

/* What a task says is good for any task; who reads it wants to type it. */
static void name_things(const struct runner_task *t, char hint[TASK_TEXT_MAX])
{
	const Synod__Definition__Connection *c =
		catalog_connection(t->spec.catalog, task_connection(t->id));
	const Synod__Definition__Sync *s =
		catalog_sync(t->spec.catalog, task_sync(t->id));

	if (c)
		put_name(hint, "connection test NAME", c->name);
	if (s) {
		put_name(hint, "sync resume NAME", s->name);
		put_name(hint, "sync pause NAME", s->name);
	}
}

static void propose_report(struct node *n, struct runner_task *t,
			   struct said *said)
{
	Synod__Command__TaskReport body;
	Synod__Command__Command command;

	synod__command__task_report__init(&body);
	synod__command__command__init(&command);
	body.task_id = t->id;
	body.epoch = t->spec.epoch;
	body.state = state_of(said->state);
	body.code = said->code;
	body.text = said->text;
	name_things(t, said->hint);
	body.hint = said->hint;
	body.time_us = clock_wall_us(&n->clock);
	if (said->first_change_us && !t->is_first_told) {
		/* When it was, not when it is told: the time of the assignment
		 * follows from it. */
		body.first_change_us = (uint64_t)said->first_change_us;
		body.time_us -= node_now_us(n) -
				(t->started_us + said->first_change_us);
	}
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_TASK_REPORT;
	command.task_report = &body;
	if (runner_tell(n, &command)) {
		pthread_mutex_lock(&t->lock);
		t->is_news = true;
		pthread_mutex_unlock(&t->lock);
		return;
	}
	t->is_first_told |= body.first_change_us != 0;
	if (t->told_state == said->state && t->told_code == said->code)
		return;
	t->told_state = said->state;
	t->told_code = said->code;
	log_event(said->code ? LOG_WARN : LOG_INFO, "task_state",
		  "task=%s state=%s code=%s why=%s", t->name,
		  task_state_name(said->state), err_name(said->code),
		  LOG_Q(said->text));
}

static void propose_reach(struct node *n, uint32_t connection_id,
			  bool is_reachable)
{
	Synod__Command__Reach body;
	Synod__Command__Command command;

	synod__command__reach__init(&body);
	synod__command__command__init(&command);
	body.node_id = n->config.id;
	body.connection_id = connection_id;
	body.is_reachable = is_reachable;
	body.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_REACH;
	command.reach = &body;
	runner_tell(n, &command);
}

static bool is_out_of_reach(const struct said *said)
{
	return said->state == TASK_RETRYING &&
	       (said->code == ERR_NETWORK || said->code == ERR_TIMEOUT);
}

static void consider_reach(struct node *n, struct runner_task *t,
			   const struct said *said, int64_t now_us)
{
	uint32_t id = task_connection(t->id);
	bool is_known =
		tasks_is_reachable(&n->runner.view->tasks, n->config.id, id);

	if (said->state == TASK_RUNNING)
		t->failing_us = 0;
	else if (is_out_of_reach(said) && !t->failing_us)
		t->failing_us = now_us;
	if (now_us < t->reach_due_us)
		return;
	bool is_lost = t->failing_us && now_us - t->failing_us > FAILING_US;
	if ((is_lost && is_known) ||
	    (said->state == TASK_RUNNING && !is_known)) {
		propose_reach(n, id, !is_lost);
		t->reach_due_us = now_us + REACH_US;
	}
}

/* An image brought this node the state and not the log before it: another one
 * may still have what the apply task has to read. Everybody gives it to the
 * next, so each is tried; not at once again, for it may be that nobody has it.
 */
enum { HAND_ON_US = 5 * 1000 * 1000 };

static uint64_t next_node(struct node *n)
{
	const struct members *m = &n->members;
	size_t self = 0;

	while (self < m->n && m->list[self].facts.id != n->config.id)
		self++;
	for (size_t i = 1; i < m->n; i++) {
		const struct member *next = &m->list[(self + i) % m->n];
		if (next->is_connected &&
		    !tasks_is_drained(&n->runner.view->tasks, next->facts.id))
			return next->facts.id;
	}
	return 0;
}

static void consider_hand_on(struct node *n, struct runner_task *t,
			     const struct said *said, int64_t now_us)
{
	int64_t *handed_us = &n->runner.handed_us[t->id % RUNNER_HANDED];
	Synod__Command__Assign body;
	Synod__Command__Command command;

	if (task_kind(t->id) != TASK_APPLY || said->state != TASK_BLOCKED ||
	    said->code != ERR_NOTFOUND ||
	    (*handed_us && now_us - *handed_us < HAND_ON_US))
		return;
	synod__command__assign__init(&body);
	synod__command__command__init(&command);
	body.task_id = t->id;
	body.node_id = next_node(n);
	body.expected_epoch = t->spec.epoch;
	body.reason = command_text("log_too_short");
	body.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_ASSIGN;
	command.assign = &body;
	if (!body.node_id || runner_tell(n, &command))
		return;
	*handed_us = now_us;
	log_event(LOG_WARN, "task_handed_on", "task=%s to=%s why=%s", t->name,
		  members_name(&n->members, body.node_id), LOG_Q(said->text));
}

static void renew_figures(struct runner_task *t, int64_t now_us)
{
	int64_t span_us = now_us - t->seen_us;

	if (span_us < FIGURES_US)
		return;
	pthread_mutex_lock(&t->lock);
	uint64_t total = t->total;
	pthread_mutex_unlock(&t->lock);
	t->per_second = (double)(total - t->seen_total) * 1e6 / (double)span_us;
	t->seen_total = total;
	t->seen_us = now_us;
}

void runner_report(struct node *n, struct runner_task *t, int64_t now_us)
{
	struct said said;

	if (t->is.state != GOAL_RUNNING)
		return;
	renew_figures(t, now_us);
	bool is_due = take_news(t, now_us, &said);
	consider_reach(n, t, &said, now_us);
	consider_hand_on(n, t, &said, now_us);
	if (!is_due)
		return;
	t->report_due_us = now_us + REPORT_US;
	propose_report(n, t, &said);
}

bool runner_figures(struct node *n, uint32_t task_id,
		    struct runner_figures *out)
{
	for (struct runner_task *t = n->runner.list; t; t = t->next) {
		if (t->id != task_id || t->is.state != GOAL_RUNNING)
			continue;
		pthread_mutex_lock(&t->lock);
		*out = (struct runner_figures){
			.per_second = t->per_second,
			.lag_p50_us = t->lag_p50_us,
			.lag_p99_us = t->lag_p99_us,
			.applied = t->applied,
			.upto = t->upto,
			.capture = t->figures,
		};
		pthread_mutex_unlock(&t->lock);
		return true;
	}
	return false;
}
