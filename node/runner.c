#include "node/runner.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/rng.h"
#include "cluster/core/command.h"
#include "node/runner_forget.h"
#include "node/runner_task.h"

enum {
	LOOK_US = 1000 * 1000,
	/* While a task is on its way out: told again, looked after. */
	HURRY_US = 100 * 1000
};

int runner_open(struct node *n, struct err *e)
{
	struct runner *r = &n->runner;

	*r = (struct runner){.next_serial = 1};
	r->queue_tail = &r->queue;
	atomic_init(&r->queue_bytes, 0);
	atomic_init(&r->is_full, false);
	atomic_init(&r->has_news, false);
	CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
	CHECK(pthread_rwlock_init(&r->stores, NULL) == 0);
	secrets_init(&r->secrets, n->config.secrets, n->config_path,
		     n->config.data);
	r->view = decided_view(&n->machine.decided);
	r->secrets_port = secrets_port(&r->secrets);
	r->is_open = true;
	return 0;
}

void runner_pause(struct node *n)
{
	pthread_rwlock_wrlock(&n->runner.stores);
}

void runner_resume(struct node *n)
{
	pthread_rwlock_unlock(&n->runner.stores);
}

/* -- the list -------------------------------------------------------------- */
static void link_task(struct runner *r, struct runner_task *t)
{
	pthread_mutex_lock(&r->lock);
	t->next = r->list;
	r->list = t;
	pthread_mutex_unlock(&r->lock);
}

static void unlink_task(struct runner *r, struct runner_task **at)
{
	struct runner_task *t = *at;

	pthread_mutex_lock(&r->lock);
	*at = t->next;
	pthread_mutex_unlock(&r->lock);
	runner_task_free(t);
}

struct runner_task *runner_find(struct runner *r, uint64_t serial)
{
	for (struct runner_task *t = r->list; t; t = t->next) {
		if (t->serial == serial)
			return t;
	}
	return NULL;
}

static struct runner_task *find_by_id(struct runner *r, uint32_t id)
{
	for (struct runner_task *t = r->list; t; t = t->next) {
		if (t->id == id && !t->is_abandoned)
			return t;
	}
	return NULL;
}

size_t runner_count(const struct runner *r)
{
	size_t count = 0;

	for (const struct runner_task *t = r->list; t; t = t->next)
		count += t->is.state != GOAL_ENDED;
	return count;
}

void runner_wake(struct node *n, unsigned changed)
{
	struct runner *r = &n->runner;

	if (!(changed & (CONTROL_CHANGED_LEDGER | CONTROL_CHANGED_DEFINITION)))
		return;
	pthread_mutex_lock(&r->lock);
	for (struct runner_task *t = r->list; t; t = t->next)
		runner_task_wake(t);
	pthread_mutex_unlock(&r->lock);
}

/* -- what shall be, what is -------------------------------------------------
 */
static void hex_of(const struct node *n, char *out)
{
	for (size_t i = 0; i < CONTROL_ID_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", n->members.cluster.id[i]);
}

static bool is_spare(struct node *n)
{
	struct replica_member list[LIMIT_NODES];
	size_t count = replica_members(n->replica, list, LIMIT_NODES);

	for (size_t i = 0; i < count; i++) {
		if (list[i].id == n->config.id)
			return list[i].role == REPLICA_SPARE;
	}
	return true;
}

/* -- the gate ---------------------------------------------------------------
 */
enum { GATE_RETRY_US = 200 * 1000 };

static void gate_ask(struct node *n, int64_t now_us)
{
	struct runner *r = &n->runner;
	Synod__Command__Event event;
	Synod__Command__Command command;

	if (now_us < r->gate_due_us)
		return;
	r->gate_due_us = now_us + GATE_RETRY_US;
	synod__command__event__init(&event);
	synod__command__command__init(&command);
	event.type = command_text("node_ready");
	event.node = command_text(n->config.name);
	event.text = command_text("it may run tasks");
	event.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_EVENT;
	command.event = &event;
	if (runner_ask_gate(n, &command) == 0)
		r->gate = GATE_ASKED;
}

void runner_gate_fate(struct runner *r, uint64_t ticket, int code,
		      uint64_t index)
{
	if (r->gate != GATE_ASKED || ticket != r->gate_ticket)
		return; /* closed meanwhile, and perhaps asked again */
	r->gate = code ? GATE_CLOSED : GATE_WAITS;
	r->gate_index = index;
	r->look_us = 0;
}

static bool gate_is_open(struct node *n, int64_t now_us)
{
	struct runner *r = &n->runner;

	if (r->gate == GATE_CLOSED && n->view.leader_id)
		gate_ask(n, now_us);
	if (r->gate == GATE_WAITS &&
	    atomic_load(&n->machine.decided.index) >= r->gate_index)
		r->gate = GATE_OPEN;
	return r->gate == GATE_OPEN;
}

/* May this node run anything now? */
static bool may_run(struct node *n, int64_t now_us)
{
	struct runner *r = &n->runner;

	if (n->view.leader_id)
		r->leaderless_us = 0;
	else if (!r->leaderless_us)
		r->leaderless_us = now_us;
	bool is_led = !r->leaderless_us ||
		      now_us - r->leaderless_us < LIMIT_LEASE_MS * 1000;
	bool is_member = n->members.has_cluster &&
			 !members_self(&n->members)->is_quarantined &&
			 !is_spare(n);
	if (!is_led || !is_member) {
		r->gate = GATE_CLOSED;
		return false;
	}
	return gate_is_open(n, now_us);
}

/* Had another node this task before? */
static bool is_takeover(const struct node *n, const struct view *before,
			const struct goal *goal)
{
	const struct task *t =
		before ? tasks_find(&before->tasks, goal->task_id) : NULL;

	return t && t->node_id && t->node_id != n->config.id &&
	       t->epoch != goal->epoch;
}

static void start_task(struct node *n, const struct view *before,
		       const struct goal *goal)
{
	struct runner *r = &n->runner;
	const struct catalog *c = r->view->catalog;
	const Synod__Definition__Connection *connection =
		catalog_connection(c, task_connection(goal->task_id));
	const struct task *task = tasks_find(&r->view->tasks, goal->task_id);
	const struct connector *connector = connectors_find(connection->type);
	struct err e = {0};

	if (!connector)
		return; /* a definition of a newer program */
	struct runner_task *t = mem_zero(1, sizeof(*t));
	t->node = n;
	t->serial = r->next_serial++;
	t->id = goal->task_id;
	t->is = (struct goal_running){.state = GOAL_RUNNING,
				      .epoch = goal->epoch,
				      .concern = goal->concern};
	t->is_takeover = is_takeover(n, before, goal);
	t->view = view_ref(r->view);
	t->good = view_catalog_ref(r->view->shared);
	t->spec = (struct task_spec){
		.id = goal->task_id,
		.epoch = goal->epoch,
		.catalog = c,
		.connector = connector,
		.target = {.connection = connection,
			   .cluster = r->cluster,
			   .secrets = &r->secrets_port,
			   .base_dir = node_base_dir(n)},
		.start_index = task->born_index,
		.hint_applied = task->applied,
		.hint_upto = task->upto,
	};
	rng_entropy(&t->spec.seed, sizeof(t->spec.seed));
	task_name(c, t->id, t->name, sizeof(t->name));
	if (runner_task_start(n, t, &e)) {
		log_event(LOG_ERROR, "task_start_failed", "task=%s why=%s",
			  t->name, LOG_Q(e.text));
		runner_task_free(t);
		return;
	}
	link_task(r, t);
	log_event(LOG_INFO, "task_start", "task=%s epoch=%llu takeover=%s",
		  t->name, (unsigned long long)goal->epoch,
		  t->is_takeover ? "yes" : "no");
}

static void stop_task(struct runner_task *t, int64_t now_us)
{
	if (t->is.state == GOAL_RUNNING) {
		t->is.state = GOAL_STOPPING;
		t->is.was_told = true;
		t->is.told_us = now_us;
		log_event(LOG_INFO, "task_stop", "task=%s epoch=%llu", t->name,
			  (unsigned long long)t->is.epoch);
	}
	runner_task_stop(t);
}

/* A newer catalog of which nothing concerns the task: it may read on. */
static void renew_good(struct runner *r, struct runner_task *t)
{
	if (t->good == r->view->shared)
		return;
	pthread_mutex_lock(&t->lock);
	struct view_catalog *old = t->good;
	t->good = view_catalog_ref(r->view->shared);
	pthread_mutex_unlock(&t->lock);
	view_catalog_unref(old);
	runner_task_wake(t);
}

/* True: it still stands in the way of one with its id. */
static bool judge(struct node *n, struct runner_task **at,
		  const struct goal *wanted, int64_t now_us)
{
	struct runner_task *t = *at;

	switch (goal_judge(&t->is, t->is_abandoned ? NULL : wanted, now_us)) {
	case GOAL_KEEP:
		if (t->is.state == GOAL_RUNNING)
			renew_good(&n->runner, t);
		return true;
	case GOAL_STOP:
		stop_task(t, now_us);
		return true;
	case GOAL_WAIT:
		runner_task_stop(t);
		return !t->is_abandoned;
	case GOAL_REMOVE:
		unlink_task(&n->runner, at);
		return false;
	case GOAL_ABANDON:
		log_event(LOG_ERROR, "task_abandoned", "task=%s epoch=%llu",
			  t->name, (unsigned long long)t->is.epoch);
		t->is_abandoned = true;
		return false;
	}
	return true;
}

/* Returns how many are on their way out. */
static size_t stop_others(struct node *n, const struct goal *goals,
			  size_t n_goals, int64_t now_us)
{
	struct runner *r = &n->runner;
	struct runner_task **at = &r->list;
	size_t stopping = 0;

	while (*at) {
		struct runner_task *t = *at;
		judge(n, at, goal_find(goals, n_goals, t->id), now_us);
		if (*at != t)
			continue; /* it was removed */
		stopping += t->is.state == GOAL_STOPPING && !t->is_abandoned;
		at = &t->next;
	}
	return stopping;
}

static size_t converge(struct node *n, const struct view *before,
		       int64_t now_us)
{
	struct runner *r = &n->runner;
	struct goal *goals = NULL;
	size_t n_goals = 0;

	if (may_run(n, now_us)) {
		goals = mem_zero(r->view->tasks.n + 1, sizeof(*goals));
		n_goals = goal_list(r->view, n->config.id, goals);
		if (!r->cluster[0])
			hex_of(n, r->cluster);
	}
	size_t stopping = stop_others(n, goals, n_goals, now_us);
	for (size_t i = 0; i < n_goals; i++) {
		if (!find_by_id(r, goals[i].task_id))
			start_task(n, before, &goals[i]);
	}
	free(goals);
	return stopping;
}

/* The decided view, and what follows from it. */
static void look(struct node *n, unsigned changed, int64_t now_us)
{
	struct runner *r = &n->runner;
	struct view *before = r->view;

	r->view = decided_view(&n->machine.decided);
	if (changed & CONTROL_CHANGED_DEFINITION)
		runner_forget_removed(n, before, r->view);
	size_t stopping = converge(n, before, now_us);
	view_unref(before);
	runner_forget_turn(n, now_us);
	/* What is under way here must not wait, nor must the lease. */
	bool is_settled = !stopping && !r->leaderless_us &&
			  (r->gate == GATE_OPEN || r->gate == GATE_CLOSED);
	r->look_us = now_us + (is_settled ? LOOK_US : HURRY_US);
}

int64_t runner_turn(struct node *n, unsigned changed)
{
	struct runner *r = &n->runner;
	int64_t now_us = node_now_us(n);
	const unsigned of_view =
		CONTROL_CHANGED_DEFINITION | CONTROL_CHANGED_TASKS;
	bool has_news = atomic_exchange(&r->has_news, false);

	runner_propose_turn(n);
	if (changed & of_view || now_us >= r->look_us)
		look(n, changed, now_us);
	else if (!has_news)
		return r->look_us - now_us;
	for (struct runner_task *t = r->list; t; t = t->next)
		runner_report(n, t, now_us);
	return r->look_us - now_us;
}

/* -- notes ------------------------------------------------------------------
 */
struct runner_ended {
	struct note note;
	struct runner *runner;
	uint64_t serial;
};

static void take_ended(struct node *n, struct runner_ended *note)
{
	struct runner_task *t = runner_find(&n->runner, note->serial);

	free(note);
	if (!t)
		return;
	t->is.state = GOAL_ENDED;
	t->is.ended_us = node_now_us(n);
	log_event(LOG_INFO, "task_ended", "task=%s epoch=%llu", t->name,
		  (unsigned long long)t->is.epoch);
	n->runner.look_us = 0;
}

void runner_note(struct node *n, struct note *note)
{
	if (note->kind == NOTE_TASK_PROPOSAL)
		runner_take_proposal(n, (struct runner_proposal *)note);
	else
		take_ended(n, (struct runner_ended *)note);
}

void runner_drop_note(struct note *note)
{
	if (note->kind == NOTE_TASK_PROPOSAL)
		blob_unref(((struct runner_proposal *)note)->command);
	free(note);
}

void runner_task_ended(struct runner_task *t)
{
	struct runner_ended *note = mem_zero(1, sizeof(*note));

	note->note = (struct note){.size_bytes = sizeof(*note),
				   .kind = NOTE_TASK_ENDED};
	note->runner = &t->node->runner;
	note->serial = t->serial;
	if (!mailbox_post_always(&t->node->mailbox, &note->note))
		free(note);
}

/* -- the end ----------------------------------------------------------------
 */
static bool wait_for_all(struct runner *r)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	int64_t left_us = (int64_t)LIMIT_TASK_STOP_MS * 1000;

	for (;;) {
		bool is_any = false;
		for (struct runner_task *t = r->list; t; t = t->next) {
			if (runner_task_is_over(t))
				continue;
			is_any = true;
			runner_task_stop(t);
		}
		if (!is_any)
			return true;
		if (left_us <= 0)
			return false;
		nanosleep(&pause, NULL);
		left_us -= pause.tv_nsec / 1000;
	}
}

bool runner_stop(struct node *n)
{
	struct runner *r = &n->runner;

	if (!r->is_open)
		return true;
	if (!wait_for_all(r))
		return false;
	while (r->list)
		unlink_task(r, &r->list);
	return true;
}

void runner_close(struct node *n)
{
	struct runner *r = &n->runner;

	if (!r->is_open)
		return;
	runner_propose_close(r);
	view_unref(r->view);
	pthread_rwlock_destroy(&r->stores);
	pthread_mutex_destroy(&r->lock);
	*r = (struct runner){0};
}
