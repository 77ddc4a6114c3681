#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/core/command.h"
#include "node/node.h"

/* How far the state stands, read in one transaction: a digest only means
 * something together with its index. */
static void read_summary(const struct kv *kv, void *ctx)
{
	control_summary(kv, ctx);
}

static const char *role_name(enum replica_role role)
{
	static const char *const names[] = {
		[REPLICA_STANDBY] = "standby",
		[REPLICA_VOTER] = "voter",
		[REPLICA_SPARE] = "spare",
	};
	return names[role];
}

static const char *role_of(struct node *n, uint64_t id)
{
	struct replica_member list[LIMIT_NODES];
	size_t count =
		n->replica ? replica_members(n->replica, list, LIMIT_NODES) : 0;

	for (size_t i = 0; i < count; i++) {
		if (list[i].id == id)
			return role_name(list[i].role);
	}
	return "voter"; /* not running yet: what the file says */
}

static const char *self_state(struct node *n)
{
	if (!n->replica)
		return "starting";
	if (members_self(&n->members)->is_quarantined)
		return "rebuilding";
	switch (n->view.state) {
	case REPLICA_LEADER:
		return "leader";
	case REPLICA_CANDIDATE:
		return "candidate";
	default:
		return "follower";
	}
}

static void fill_process(struct node *n, Synod__Admin__NodeStatus *s)
{
	struct stats *stats = &n->stats;

	s->rss_bytes = stats_rss_bytes();
	s->uptime_us = (uint64_t)(node_now_us(n) - n->started_us);
	s->cpu_us = stats_cpu_us();
	s->durability = command_text("fsync on a quorum");
	s->loop_lag_p99_us = histogram_quantile(stats->loop_lag_us, 0.99);
	s->loop_lag_max_us = histogram_quantile(stats->loop_lag_us, 1.0);
	s->fsync_p99_us = histogram_quantile(stats->fsync_us, 0.99);
	s->pid = (uint64_t)getpid();
	s->version = command_text(SYNOD_VERSION);
	s->time_us = clock_wall_us(&n->clock);
}

static void fill_log(struct node *n, Synod__Admin__NodeStatus *s)
{
	struct control_summary summary = {0};
	struct log_bounds bounds;

	log_bounds(n->log, &bounds);
	state_read(n->state, read_summary, &summary);
	s->term = n->view.term;
	s->leader_id = n->view.leader_id;
	s->commit_index = n->view.commit_index;
	s->last_index = n->view.last_index;
	s->applied_index = summary.applied_index;
	s->digest = summary.digest;
	s->digest_index = summary.applied_index;
	s->first_index = bounds.first_index;
	s->log_bytes = bounds.bytes_used;
	s->log_limit_bytes = bounds.bytes_max;
}

static void fill_self(struct node *n, Synod__Admin__NodeStatus *s)
{
	struct member *self = members_self(&n->members);

	synod__admin__node_status__init(s);
	s->id = self->facts.id;
	s->name = command_text(self->name);
	s->address = self->address;
	s->role = command_text(role_of(n, s->id));
	s->state = command_text(self_state(n));
	fill_log(n, s);
	fill_process(n, s);
	for (size_t i = 0; i < n->members.n; i++)
		s->peers_connected +=
			i != n->members.self && n->members.list[i].is_connected;
}

/* What this node knows of another one: no more. */
static void fill_other(struct node *n, struct member *m,
		       Synod__Admin__NodeStatus *s)
{
	synod__admin__node_status__init(s);
	s->id = m->facts.id;
	s->name = command_text(m->name);
	s->address = m->address;
	s->role = command_text(role_of(n, s->id));
	s->leader_id = n->view.leader_id;
	const char *state = "follower";
	if (!m->is_connected)
		state = "unreachable";
	else if (m->facts.id == n->view.leader_id)
		state = "leader";
	else if (m->is_quarantined)
		state = "rebuilding";
	else if (m->facts.is_blank)
		state = "starting";
	s->state = command_text(state);
	if (n->replica && n->view.state == REPLICA_LEADER) {
		uint64_t match = replica_match(n->replica, m->facts.id);
		s->last_index = match;
		if (match && match < n->view.last_index)
			s->behind = n->view.last_index - match;
	}
}

static int by_id(const void *a, const void *b)
{
	const Synod__Admin__NodeStatus *const *x = a, *const *y = b;

	return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static void hex(const uint8_t *in, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * n] = '\0';
}

void admin_status(struct node *n, struct door_request *request,
		  const Synod__Admin__StatusRequest *in)
{
	Synod__Admin__NodeStatus nodes[LIMIT_NODES], *list[LIMIT_NODES];
	Synod__Admin__StatusResponse body;
	Synod__Admin__Response response;
	char cluster_id[2 * CONTROL_ID_BYTES + 1] = "";
	struct members *m = &n->members;

	synod__admin__status_response__init(&body);
	synod__admin__response__init(&response);
	if (m->has_cluster)
		hex(m->cluster.id, CONTROL_ID_BYTES, cluster_id);
	body.cluster = command_text(n->config.cluster);
	body.cluster_id = cluster_id;
	for (size_t i = 0; i < m->n; i++) {
		list[i] = &nodes[i];
		if (i == m->self)
			fill_self(n, &nodes[i]);
		else
			fill_other(n, &m->list[i], &nodes[i]);
	}
	body.self = &nodes[m->self];
	if (in->with_nodes) {
		qsort(list, m->n, sizeof(list[0]), by_id);
		body.n_nodes = m->n;
		body.nodes = list;
	}
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_STATUS;
	response.status = &body;
	admin_reply(request, &response);
}

void admin_metrics(struct node *n, struct door_request *request)
{
	Synod__Admin__MetricsResponse body;
	Synod__Admin__Response response;
	size_t len;

	synod__admin__metrics_response__init(&body);
	synod__admin__response__init(&response);
	stats_refresh(n);
	body.text = metrics_expose(&n->stats.registry, &len);
	response.body_case = SYNOD__ADMIN__RESPONSE__BODY_METRICS;
	response.metrics = &body;
	admin_reply(request, &response);
	free(body.text);
}
