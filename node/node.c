#include "node/node.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/rng.h"
#include "node/notify.h"
#include "node/runner_forget.h"

int64_t node_now_us(const struct node *n)
{
	return clock_mono_us(&n->clock);
}

int node_exit_code(int err)
{
	switch (err) {
	case 0:
		return EX_OK;
	case ERR_PERMISSION:
		return EX_NOPERM;
	case ERR_INVALID:
	case ERR_IDENTITY:
	case ERR_FORMAT:
	case ERR_TLS:
	case ERR_LIMIT:
	case ERR_NOTFOUND:
	case ERR_EXISTS:
		return EX_CONFIG;
	case ERR_IO:
	case ERR_CORRUPT:
	case ERR_FULL:
		return EX_IOERR;
	case ERR_LOCKED:
	case ERR_NETWORK:
	case ERR_TIMEOUT:
		return EX_UNAVAILABLE;
	case ERR_SYSTEM:
	case ERR_NOMEM:
		return EX_OSERR;
	default:
		return EX_SOFTWARE;
	}
}

void node_fatal(struct node *n, int exit_code, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	if (n->exit_code)
		return; /* the first reason is the reason */
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_event(LOG_ERROR, "fatal", "why=%s exit=%d", LOG_Q(text), exit_code);
	n->exit_code = exit_code;
	n->phase = NODE_STOPPING;
}

/* -- notes ----------------------------------------------------------------- */
static void take_wire(struct node *n, struct wire_note *w)
{
	switch (w->note.kind) {
	case NOTE_WIRE_FRAME:
		members_alive(n, w->peer);
		if (n->replica)
			replica_recv(n->replica, w->peer, w->frame);
		break;
	case NOTE_WIRE_UP:
		if (w->channel == WIRE_RAFT)
			members_up(n, w->peer);
		break;
	case NOTE_WIRE_DOWN:
		/* When a process dies both channels break; bulk alone may just
		 * have been closed for its silence, and that is no reason for
		 * an election. */
		if (w->channel == WIRE_RAFT)
			members_down(n, w->peer);
		break;
	case NOTE_WIRE_HELLO:
		members_heard(n, &w->hello);
		break;
	default:
		log_event(LOG_WARN, "hello_refused", "peer=%s why=%s",
			  members_name(&n->members, w->peer), LOG_Q(w->text));
		break;
	}
	wire_note_free(w);
}

static void take_applied(struct node *n, struct state_applied *applied)
{
	unsigned changed = machine_take_changed(&n->machine);

	n->state_done = applied->index;
	if (n->replica)
		replica_applied(n->replica, applied->index);
	images_try_install(n);
	free(applied);
	if (changed & CONTROL_CHANGED_EVENTS)
		n->has_new_events = true;
	if (changed & (CONTROL_CHANGED_MEMBERS | CONTROL_CHANGED_CLUSTER)) {
		members_read_state(n);
		members_refresh(n);
	}
}

static void take_note(struct node *n, struct note *note)
{
	switch (note->kind) {
	case NOTE_LOG_DONE:
		port_disk_done(n, ((struct log_done *)note)->ticket);
		free(note);
		break;
	case NOTE_STATE_APPLIED:
		take_applied(n, (struct state_applied *)note);
		break;
	case NOTE_DOOR_REQUEST:
		admin_request(n, (struct door_request *)note);
		break;
	case NOTE_JOB_DONE:
		((struct job *)note)->done((struct job *)note);
		break;
	case NOTE_TASK_PROPOSAL:
	case NOTE_TASK_ENDED:
		runner_note(n, note);
		break;
	default:
		take_wire(n, (struct wire_note *)note);
		break;
	}
}

/* The loop has ended: give back what nobody will look at. */
static void drop_note(struct note *note)
{
	switch (note->kind) {
	case NOTE_LOG_DONE:
	case NOTE_STATE_APPLIED:
		free(note);
		break;
	case NOTE_DOOR_REQUEST:
		door_reply((struct door_request *)note, NULL);
		break;
	case NOTE_JOB_DONE:
		((struct job *)note)->drop((struct job *)note);
		break;
	case NOTE_TASK_PROPOSAL:
	case NOTE_TASK_ENDED:
		runner_drop_note(note);
		break;
	default:
		wire_note_free((struct wire_note *)note);
		break;
	}
}

static bool take_notes(struct node *n)
{
	struct note *note = mailbox_take(&n->mailbox);
	bool any = note != NULL;

	while (note) {
		struct note *next = note->next;
		take_note(n, note);
		note = next;
	}
	return any;
}

/* -- the turn -------------------------------------------------------------- */
/* The watchdog hears of us only while the disk answers as well. */
static void watchdog_turn(struct node *n, int64_t now_us)
{
	bool is_stuck = n->disk_wanted != n->disk_done &&
			now_us - n->disk_moved_us > n->watchdog_us;

	if (!n->watchdog_us || now_us < n->watchdog_next_us || is_stuck)
		return;
	notify_alive();
	n->watchdog_next_us = now_us + n->watchdog_us;
}

static void housekeeping(struct node *n)
{
	int64_t now_us = node_now_us(n);

	if (now_us < n->housekeeping_us)
		return;
	n->housekeeping_us = now_us + NODE_HOUSEKEEPING_US;
	start_consider(n);
	watchdog_turn(n, now_us);
	if (n->replica)
		images_turn(n);
}

const struct catalog *node_catalog(struct node *n)
{
	return n->runner.view->catalog;
}

const char *node_base_dir(const struct node *n)
{
	return n->config.data;
}

/* The state thread has decided something. */
static void on_decided(void *ctx, unsigned changed)
{
	struct node *n = ctx;

	runner_wake(n, changed);
	if (changed & ~(unsigned)CONTROL_CHANGED_LEDGER)
		loop_wake(&n->loop);
}

/* Tasks follow what is decided, at once: who is given one starts it in the same
 * turn. */
static int64_t turn_tasks(struct node *n)
{
	unsigned changed = machine_take_live(&n->machine);
	int64_t wait_us = runner_turn(n, changed);
	int64_t plan_us = plan_turn(n, changed);

	return plan_us < wait_us ? plan_us : wait_us;
}

/* Everything that waits goes to the replica before its turn, and once more if
 * something came meanwhile: what arrives together is written together. */
static int64_t turn_replica(struct node *n)
{
	enum { ROUNDS_MAX = 8 };
	int64_t wait_us = (int64_t)LOOP_TURN_MS_MAX * 1000;

	for (int i = 0; i < ROUNDS_MAX && n->phase != NODE_STOPPING; i++) {
		bool any = take_notes(n);
		if (!n->replica || n->phase == NODE_STOPPING)
			break;
		if (i > 0 && !any)
			return wait_us;
		wait_us = replica_turn(n->replica);
		replica_view(n->replica, &n->view);
		lead_propose(n);
		admin_turn(n);
	}
	return n->replica ? 0 : wait_us;
}

static int64_t node_turn(void *ctx)
{
	struct node *n = ctx;
	int64_t wait_us = turn_replica(n);

	if (n->replica && n->phase != NODE_STOPPING) {
		int64_t tasks_us = turn_tasks(n);
		wait_us = tasks_us < wait_us ? tasks_us : wait_us;
	}
	housekeeping(n);
	if (n->replica)
		retention_turn(n);
	if (n->replica)
		http_turn(n);
	stop_consider(n);
	if (n->phase == NODE_STOPPING)
		loop_stop(&n->loop);
	return wait_us;
}

static void node_signal(void *ctx, int signum)
{
	if (signum == SIGHUP)
		reload_config(ctx);
	else if (signum == SIGUSR2)
		reload_dump(ctx);
	else
		stop_asked(ctx, signum);
}

/* -- life ------------------------------------------------------------------ */
static int open_loop(struct node *n, struct err *e)
{
	static const int signals[LOOP_SIGNALS] = {SIGTERM, SIGINT, SIGHUP,
						  SIGUSR2};
	struct loop_hooks hooks = {
		.ctx = n, .turn = node_turn, .signal = node_signal};

	n->loop.lag_us = n->stats.loop_lag_us;
	n->loop.turn_us = n->stats.loop_turn_us;
	if (loop_open(&n->loop, &hooks, signals, e))
		return e->code;
	mailbox_init(&n->mailbox, LIMIT_INBOX_BYTES, loop_wake, &n->loop);
	n->has_mailbox = true;
	return 0;
}

static int open_stores(struct node *n, struct err *e)
{
	const struct node_config *cfg = &n->config;
	char path[IMAGES_PATH_MAX];
	struct store_identity want = {.node_id = cfg->id};

	snprintf(want.node_name, sizeof(want.node_name), "%s", cfg->name);
	snprintf(want.cluster_name, sizeof(want.cluster_name), "%s",
		 cfg->cluster);
	if (store_dir_open(&n->dir, cfg->data, &want, e) ||
	    store_install_finish(cfg->data, e) || images_open(n, e))
		return e->code;
	snprintf(path, sizeof(path), "%s/hard", cfg->data);
	if (hard_state_open(&n->hard, path, e))
		return e->code;
	snprintf(path, sizeof(path), "%s/log", cfg->data);
	struct log_config log = {.path = path,
				 .bytes_max = (size_t)cfg->limits.log_bytes,
				 .owner = &n->mailbox,
				 .clock = n->clock,
				 .commit_us = n->stats.fsync_us};
	if (log_open(&n->log, &log, e))
		return e->code;
	snprintf(path, sizeof(path), "%s/state", cfg->data);
	machine_init(&n->machine, on_decided, n);
	struct state_config state = {.path = path,
				     .bytes_max =
					     (size_t)cfg->limits.state_bytes,
				     .log = n->log,
				     .owner = &n->mailbox,
				     .machine = machine_hooks(&n->machine),
				     .clock = n->clock};
	if (state_open(&n->state, &state, e))
		return e->code;
	machine_load(&n->machine, n->state);
	return 0;
}

static void fill_peer(const struct node_member *from, struct wire_peer *to)
{
	to->id = from->id;
	snprintf(to->name, sizeof(to->name), "%s", from->name);
	snprintf(to->host, sizeof(to->host), "%s", from->address.host);
	to->port = (uint16_t)from->address.port;
}

static int open_wire(struct node *n, struct err *e)
{
	const struct node_config *cfg = &n->config;
	struct wire_peer peers[LIMIT_NODES] = {0};
	struct wire_config wire = {
		.peers = peers,
		.cluster_name = cfg->cluster,
		.tls = {cfg->tls.ca, cfg->tls.cert, cfg->tls.key},
		.is_insecure = cfg->is_insecure,
		.hello = members_hello(n),
		.owner = &n->mailbox,
		.admit = members_admit,
		.admit_ctx = n,
	};

	for (size_t i = 0; i < cfg->n_members; i++) {
		if (&cfg->members[i] != cfg->self)
			fill_peer(&cfg->members[i], &peers[wire.n_peers++]);
	}
	fill_peer(cfg->self, &wire.self);
	snprintf(wire.self.host, sizeof(wire.self.host), "%s",
		 cfg->listen.host);
	wire.self.port = (uint16_t)cfg->listen.port;
	return wire_open(&n->wire, &wire, e);
}

static int open_door(struct node *n, struct err *e)
{
	const struct node_config *cfg = &n->config;
	struct door_config door = {
		.ipc_path = cfg->admin.socket,
		.remote_host = cfg->admin.listen.host,
		.remote_port = (uint16_t)cfg->admin.listen.port,
		.tls = {cfg->tls.ca, cfg->tls.cert, cfg->tls.key},
		.is_insecure = cfg->is_insecure,
		.owner = &n->mailbox,
	};

	return door_open(&n->door, &door, e);
}

static int open_members(struct node *n, struct err *e)
{
	members_init(n);
	if (open_wire(n, e))
		return e->code;
	members_refresh(n);
	if (members_self(&n->members)->facts.is_blank) {
		log_event(LOG_INFO, "waiting_for_members", "members=%zu",
			  n->members.n);
		start_consider(n); /* a cluster of one founds itself */
		return 0;
	}
	return start_replica(n, e);
}

static int load_config(struct node *n, const char *path, struct err *e)
{
	struct config_problems problems;
	int rc;

	config_problems_init(&problems);
	rc = node_config_load(path, &n->config, &problems);
	n->has_config = true;
	if (rc) {
		config_problems_print(&problems, stderr);
		err_set(e, rc == ERR_NOTFOUND ? ERR_INVALID : rc,
			"%s: the node file cannot be used", path);
	}
	config_problems_clear(&problems);
	return rc;
}

int node_open(struct node *n, const char *config_path, struct err *e)
{
	*n = (struct node){.clock = clock_system()};
	n->started_us = node_now_us(n);
	n->started_wall_us = clock_wall_us(&n->clock);
	n->config_path = mem_strdup(config_path);
	rng_entropy(&n->boot, sizeof(n->boot));
	n->boot |= 1;
	admin_open(&n->admin);
	stats_open(n);
	if (load_config(n, config_path, e))
		return e->code;
	log_set_level((enum log_level)n->config.log_level);
	log_set_node(n->config.name);
	log_event(LOG_INFO, "start", "version=%s config=%s data=%s pid=%d",
		  SYNOD_VERSION, LOG_Q(config_path), LOG_Q(n->config.data),
		  (int)getpid());
	if (open_loop(n, e) || open_stores(n, e) ||
	    worker_open(&n->reader, "reader", &n->mailbox, e) ||
	    worker_open(&n->imager, "imager", &n->mailbox, e) ||
	    worker_open(&n->definer, "definer", &n->mailbox, e) ||
	    runner_open(n, e) || open_members(n, e) || open_door(n, e) ||
	    http_open(&n->http, n, e))
		return e->code;
	n->watchdog_us = notify_watchdog_us();
	return 0;
}

int node_run(struct node *n)
{
	log_event(LOG_INFO, "ready", "address=%s",
		  members_self(&n->members)->address);
	notify_ready();
	if (n->phase != NODE_STOPPING)
		loop_run(&n->loop);
	return n->exit_code;
}

/* A thread or a socket that does not end must not keep the process. */
static void give_up(int signum)
{
	static const char text[] = "synodd: closing took too long\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EX_IOERR);
	_exit(EX_SOFTWARE);
}

/* Doors first, so that nothing new comes in; then the threads, each after those
 * that feed it; the replica after the log, which borrows its payloads. */
void node_close(struct node *n)
{
	signal(SIGALRM, give_up);
	alarm(LIMIT_STOP_MS / 1000);
	http_close(n->http);
	admin_close(n);
	door_close(n->door);
	wire_close(n->wire);
	if (!runner_stop(n)) {
		/* A database holds a thread that uses all that follows. What is
		 * durable is durable. */
		log_event(LOG_WARN, "task_does_not_end", "exit=%d",
			  n->exit_code);
		_exit(n->exit_code);
	}
	worker_close(&n->definer);
	runner_forget_close(n);
	worker_close(&n->reader);
	worker_close(&n->imager);
	images_close(&n->images);
	state_close(n->state);
	runner_close(n);
	machine_clear(&n->machine);
	log_close(n->log);
	replica_close(n->replica);
	blob_unref(n->first_entry);
	hard_state_close(n->hard);
	if (n->has_mailbox) {
		mailbox_close(&n->mailbox);
		struct note *note = mailbox_take(&n->mailbox);
		while (note) {
			struct note *next = note->next;
			drop_note(note);
			note = next;
		}
		mailbox_destroy(&n->mailbox);
	}
	store_dir_close(n->dir);
	members_clear(&n->members);
	loop_close(&n->loop);
	stats_close(&n->stats);
	if (n->has_config)
		node_config_clear(&n->config);
	free(n->config_path);
	free(n->read_buf);
	alarm(0);
}
