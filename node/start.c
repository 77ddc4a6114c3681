#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/rng.h"
#include "node/node.h"
#include "node/retention.h"

/* How a node gets its first log entry. Every founding member writes the same
 * entry 1, made of the member list; so it does not matter who does it first,
 * and one that joins later may write it as well: it is committed by definition.
 * What differs is whose memory is trusted (admission.h). */

static struct blob *founding_entry(const struct node *n)
{
	struct replica_member members[LIMIT_NODES] = {0};

	for (size_t i = 0; i < n->config.n_members; i++) {
		members[i].id = n->config.members[i].id;
		snprintf(members[i].name, sizeof(members[i].name), "%s",
			 n->config.members[i].name);
		members[i].role = REPLICA_VOTER;
	}
	return replica_first_entry(members, n->config.n_members);
}

static void facts_of(const struct node *n, struct admission_member *out)
{
	for (size_t i = 0; i < n->members.n; i++)
		out[i] = n->members.list[i].facts;
}

void start_consider(struct node *n)
{
	struct admission_member facts[LIMIT_NODES];
	int64_t quiet_ms = (node_now_us(n) - n->members.news_us) / 1000;

	if (n->phase != NODE_BLANK)
		return;
	facts_of(n, facts);
	enum admission_start start =
		admission_start(facts, n->members.n, n->members.self, quiet_ms);
	if (start == ADMISSION_WAIT)
		return;
	n->is_founder = start == ADMISSION_FOUND;
	/* Pinned now, while the facts are those of the decision; they count
	 * only once the directory is in use. */
	for (size_t i = 0; i < n->members.n; i++) {
		struct admission_member *f = &n->members.list[i].facts;
		if (n->is_founder &&
		    admission_pins(facts, n->members.n, n->members.self, i))
			f->pinned = f->incarnation;
	}
	log_event(LOG_INFO, n->is_founder ? "cluster_found" : "cluster_join",
		  "cluster=%s members=%zu", n->config.cluster, n->members.n);
	/* A crash may have left an entry 1 behind; nobody has seen it. */
	n->first_entry = founding_entry(n);
	struct log_entry first = {.index = 1,
				  .term = 1,
				  .type = LOG_CHANGE,
				  .data = n->first_entry->data,
				  .len = n->first_entry->len};
	n->phase = NODE_STARTING;
	log_reset(n->log, 0, 0, 0);
	log_append(n->log, &first, 1, NODE_TICKET_START);
}

static int take_into_use(struct node *n, struct err *e)
{
	uint64_t term, vote;

	hard_state_get(n->hard, &term, &vote);
	if (term == 0 && hard_state_set(n->hard, 1, 0, e))
		return e->code;
	for (size_t i = 0; i < n->members.n; i++) {
		const struct admission_member *f = &n->members.list[i].facts;
		if (f->pinned &&
		    store_dir_pin_peer(n->dir, f->id, f->pinned, e))
			return e->code;
	}
	/* Last: from here on this directory votes and stores for others. */
	return store_dir_set_in_use(n->dir, e);
}

void start_written(struct node *n)
{
	struct err e = {0};

	CHECK(n->phase == NODE_STARTING);
	blob_unref(n->first_entry);
	n->first_entry = NULL;
	members_self(&n->members)->facts.is_blank = false;
	if (take_into_use(n, &e) || start_replica(n, &e))
		node_fatal(n, node_exit_code(e.code), "%s", e.text);
}

/* -- the replica ----------------------------------------------------------- */
static void on_fate(void *ctx, uint64_t tag, int code, uint64_t index)
{
	struct node *n = ctx;

	stats_fate(&n->stats, code);
	if (tag & NODE_TAG_OWN)
		lead_fate(n, tag, code);
	else if (tag & NODE_TAG_TASK)
		runner_fate(n, tag, code, index);
	else if (tag & NODE_TAG_PLAN)
		plan_fate(n, tag, code);
	else if (tag & NODE_TAG_ADMIN)
		admin_propose_fate(n, tag, code, index);
	else
		admin_fate(n, tag, code, index);
}

static void on_changed(void *ctx)
{
	struct node *n = ctx;
	struct replica_view before = n->view;

	replica_view(n->replica, &n->view);
	lead_changed(n, &before);
}

static void on_transferred(void *ctx, int code)
{
	struct node *n = ctx;

	if (n->phase == NODE_LEAVING)
		stop_transferred(n, code);
	else
		admin_transferred(n, code);
}

static void on_fatal(void *ctx, const char *why)
{
	node_fatal(ctx, node_exit_code(ERR_CORRUPT), "%s", why);
}

int start_replica(struct node *n, struct err *e)
{
	uint64_t seed;

	rng_entropy(&seed, sizeof(seed));
	struct replica_config cfg = {
		.id = n->config.id,
		.boot = n->boot,
		.election_ms = (unsigned)n->config.raft.election_ms,
		.heartbeat_ms = (unsigned)n->config.raft.heartbeat_ms,
		.proposal_ms = LIMIT_PROPOSAL_MS,
		.clock = n->clock,
		.seed = seed,
		.disk = port_disk(n),
		.net = port_net(n),
		.is_vital = retention_is_vital,
		.events = {.ctx = n,
			   .fate = on_fate,
			   .changed = on_changed,
			   .transferred = on_transferred,
			   .fatal = on_fatal},
	};
	if (replica_open(&n->replica, &cfg, e))
		return e->code;
	n->phase = NODE_RUNNING;
	plan_open(n);
	members_read_state(n);
	members_refresh(n); /* quarantine before the first message */
	if (replica_start(n->replica, e))
		return e->code;
	for (size_t i = 0; i < n->members.n; i++) {
		struct member *member = &n->members.list[i];
		if (i != n->members.self && member->is_connected)
			replica_peer_up(n->replica, member->facts.id);
	}
	replica_view(n->replica, &n->view);
	return 0;
}
