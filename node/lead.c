#include "base/check.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/rng.h"
#include "cluster/core/command.h"
#include "node/node.h"
#include "node/notify.h"

/* What a leader proposes without being asked: the cluster's name, what an
 * election took, the incarnations of members. */

enum { LEAD_RETRY_US = 500 * 1000 };

/* Tags of such proposals: the kind, and for a member its place. */
enum { TAG_KIND_SHIFT = 8 };

static uint64_t tag_of(const struct admission_proposal *p)
{
	return NODE_TAG_OWN | (uint64_t)p->kind << TAG_KIND_SHIFT | p->member;
}

static int propose(struct node *n, const Synod__Command__Command *command,
		   uint64_t tag)
{
	struct blob *sealed = command_seal(command);
	int rc = replica_propose(n->replica, blob_bytes(sealed), tag, NULL);

	blob_unref(sealed);
	if (rc)
		n->lead.retry_us = node_now_us(n) + LEAD_RETRY_US;
	return rc;
}

static void propose_cluster(struct node *n, uint64_t tag)
{
	uint8_t id[CONTROL_ID_BYTES];
	Synod__Command__Cluster cluster;
	Synod__Command__Command command;

	synod__command__cluster__init(&cluster);
	synod__command__command__init(&command);
	rng_entropy(id, sizeof(id));
	id[0] |= 1; /* never all zeros, which means unknown */
	cluster.cluster_id = (ProtobufCBinaryData){sizeof(id), id};
	cluster.name = command_text(n->config.cluster);
	cluster.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_CLUSTER;
	command.cluster = &cluster;
	n->lead.is_cluster_proposed = propose(n, &command, tag) == 0;
}

static uint64_t span_us(int64_t from, int64_t to)
{
	return from && to > from ? (uint64_t)(to - from) : 0;
}

static void propose_elected(struct node *n, uint64_t tag)
{
	struct election *el = &n->lead.election;
	char text[64];
	Synod__Command__Event event;
	Synod__Command__Command command;

	synod__command__event__init(&event);
	synod__command__command__init(&command);
	snprintf(text, sizeof(text), "term %llu",
		 (unsigned long long)n->view.term);
	event.type = command_text("leader_elected");
	event.node = command_text(n->config.name);
	event.text = text;
	event.time_us = clock_wall_us(&n->clock);
	event.detect_us = span_us(el->lost_us, el->stood_us);
	event.elect_us = span_us(el->stood_us, el->won_us);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_EVENT;
	command.event = &event;
	el->is_told = propose(n, &command, tag) == 0;
}

static void propose_member(struct node *n, struct member *m, uint64_t tag)
{
	Synod__Command__Member member;
	Synod__Command__Command command;

	synod__command__member__init(&member);
	synod__command__command__init(&command);
	member.node_id = m->facts.id;
	member.name = command_text(m->name);
	member.incarnation = m->facts.incarnation;
	member.time_us = clock_wall_us(&n->clock);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_MEMBER;
	command.member = &member;
	if (propose(n, &command, tag) == 0)
		m->proposed = m->facts.incarnation;
}

void lead_propose(struct node *n)
{
	struct admission_proposal list[LIMIT_NODES + 2];
	struct admission_member facts[LIMIT_NODES];
	struct members *m = &n->members;

	if (n->phase != NODE_RUNNING || n->view.state != REPLICA_LEADER ||
	    node_now_us(n) < n->lead.retry_us)
		return;
	for (size_t i = 0; i < m->n; i++) {
		facts[i] = m->list[i].facts;
		facts[i].is_proposed =
			m->list[i].proposed == facts[i].incarnation;
	}
	struct admission_leader leader = {
		.is_settled = n->view.is_settled,
		.has_cluster = m->has_cluster,
		.is_cluster_proposed = n->lead.is_cluster_proposed,
		.is_election_told = n->lead.election.is_told,
	};
	size_t count = admission_proposals(&leader, facts, m->n, list);
	for (size_t i = 0; i < count; i++) {
		uint64_t tag = tag_of(&list[i]);
		if (list[i].kind == ADMISSION_CLUSTER)
			propose_cluster(n, tag);
		else if (list[i].kind == ADMISSION_ELECTED)
			propose_elected(n, tag);
		else
			propose_member(n, &m->list[list[i].member], tag);
	}
}

/* Committed: the state will show it. Anything else: once more, in a while;
 * twice in the log does no harm, the first one counts. */
void lead_fate(struct node *n, uint64_t tag, int code)
{
	enum admission_kind kind =
		(enum admission_kind)(tag >> TAG_KIND_SHIFT & 0xff);
	size_t member = tag & 0xff;

	if (!code)
		return;
	n->lead.retry_us = node_now_us(n) + LEAD_RETRY_US;
	if (kind == ADMISSION_CLUSTER) {
		n->lead.is_cluster_proposed = false;
	} else if (kind == ADMISSION_MEMBER) {
		CHECK(member < n->members.n);
		n->members.list[member].proposed = 0;
	}
}

/* -- elections ------------------------------------------------------------- */
void lead_peer_up(struct node *n, uint64_t peer)
{
	if (peer == n->view.leader_id)
		n->lead.election.lost_us = 0; /* it was only the connection */
}

void lead_peer_down(struct node *n, uint64_t peer)
{
	if (peer != n->view.leader_id)
		return;
	n->lead.election.lost_us = node_now_us(n);
	n->lead.election.lost_id = peer;
}

static void begin_leading(struct node *n)
{
	n->lead.election.won_us = node_now_us(n);
	n->lead.election.is_told = false;
	n->lead.is_cluster_proposed = false;
	n->lead.retry_us = 0;
	for (size_t i = 0; i < n->members.n; i++)
		n->members.list[i].proposed = 0;
}

static const char *state_name(enum replica_state state)
{
	static const char *const names[] = {
		[REPLICA_STOPPED] = "stopped",
		[REPLICA_FOLLOWER] = "follower",
		[REPLICA_CANDIDATE] = "candidate",
		[REPLICA_LEADER] = "leader",
	};
	return names[state];
}

void lead_changed(struct node *n, const struct replica_view *before)
{
	const struct replica_view *now = &n->view;
	struct election *el = &n->lead.election;

	if (now->state == REPLICA_CANDIDATE &&
	    before->state != REPLICA_CANDIDATE) {
		el->stood_us = node_now_us(n);
		if (!el->lost_id)
			el->lost_id = n->lead.last_leader_id;
	}
	if (now->state == REPLICA_LEADER && before->state != REPLICA_LEADER)
		begin_leading(n);
	if (now->leader_id && now->leader_id != n->config.id)
		*el = (struct election){.is_told = true};
	if (now->leader_id)
		n->lead.last_leader_id = now->leader_id;
	plan_hurry(n);
	if (now->leader_id && now->leader_id != before->leader_id)
		metric_add(n->stats.leader_changes, 1);
	notify_status("%s, term %llu, leader %s", state_name(now->state),
		      (unsigned long long)now->term,
		      members_name(&n->members, now->leader_id));
	log_event(LOG_INFO, "raft_state", "state=%s term=%llu leader=%s",
		  state_name(now->state), (unsigned long long)now->term,
		  members_name(&n->members, now->leader_id));
}
