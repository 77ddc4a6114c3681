#include "node/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "node/node.h"

void members_init(struct node *n)
{
	struct members *m = &n->members;
	const struct node_config *cfg = &n->config;

	pthread_mutex_init(&m->lock, NULL);
	m->has_lock = true;
	m->n = cfg->n_members;
	m->news_us = node_now_us(n);
	CHECK(m->n <= LIMIT_NODES);
	for (size_t i = 0; i < m->n; i++) {
		const struct node_member *from = &cfg->members[i];
		struct member *to = &m->list[i];
		to->name = from->name;
		to->facts.id = from->id;
		to->facts.cluster_hash = cfg->cluster_hash;
		snprintf(to->address, sizeof(to->address), "%s:%u",
			 from->address.host, (unsigned)from->address.port);
		m->retired[i].id = from->id;
		to->facts.pinned = store_dir_peer(n->dir, from->id);
		if (from->id == cfg->id)
			m->self = i;
	}
	struct member *self = members_self(m);
	self->facts.is_heard = true;
	self->is_connected = true;
	self->facts.incarnation = store_dir_identity(n->dir)->incarnation;
	self->facts.is_blank = store_dir_identity(n->dir)->is_blank;
}

void members_clear(struct members *m)
{
	if (m->has_lock)
		pthread_mutex_destroy(&m->lock);
	m->has_lock = false;
}

struct member *members_find(struct members *m, uint64_t id)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->list[i].facts.id == id)
			return &m->list[i];
	}
	return NULL;
}

struct member *members_self(struct members *m)
{
	return &m->list[m->self];
}

const char *members_name(struct members *m, uint64_t id)
{
	struct member *found = members_find(m, id);

	return found ? found->name : "-";
}

/* -- what follows from the facts ------------------------------------------- */
struct wire_hello members_hello(struct node *n)
{
	const struct store_identity *id = store_dir_identity(n->dir);
	struct member *self = members_self(&n->members);
	uint64_t term, vote;
	struct wire_hello hello = {
		.node_id = n->config.id,
		.incarnation = id->incarnation,
		.boot = n->boot,
		.cluster_hash = n->config.cluster_hash,
		.is_blank = id->is_blank,
		.is_admitted = !id->is_blank &&
			       !admission_quarantine_self(&self->facts),
	};
	static const uint8_t none[CLUSTER_ID_BYTES];

	hard_state_get(n->hard, &term, &vote);
	hello.term = term;
	memcpy(hello.cluster_id, id->cluster_id, CLUSTER_ID_BYTES);
	hello.has_cluster_id =
		memcmp(id->cluster_id, none, CLUSTER_ID_BYTES) != 0;
	return hello;
}

/* A founder that pinned us as we are vouches for us: it saw this very
 * incarnation blank, so it has forgotten nothing. */
static void consider_vouchers(struct node *n)
{
	struct members *m = &n->members;
	struct member *self = members_self(m);
	struct err e = {0};

	if (!n->replica || self->facts.in_state || self->facts.pinned)
		return;
	for (size_t i = 0; i < m->n; i++) {
		if (i == m->self ||
		    !admission_vouches(&m->list[i].facts, &self->facts))
			continue;
		if (store_dir_pin_peer(n->dir, self->facts.id,
				       self->facts.incarnation, &e)) {
			node_fatal(n, node_exit_code(e.code), "%s", e.text);
			return;
		}
		self->facts.pinned = self->facts.incarnation;
		log_event(LOG_INFO, "vouched_for", "by=%s", m->list[i].name);
		return;
	}
}

static void set_quarantine(struct node *n, struct member *member, bool is_on)
{
	if (!n->replica || member->is_quarantined == is_on)
		return;
	member->is_quarantined = is_on;
	replica_quarantine(n->replica, member->facts.id, is_on);
	log_event(LOG_INFO, is_on ? "quarantine_begin" : "quarantine_end",
		  "member=%s", member->name);
}

void members_refresh(struct node *n)
{
	struct members *m = &n->members;
	struct member *self = members_self(m);

	consider_vouchers(n);
	bool is_self_in = admission_quarantine_self(&self->facts);
	for (size_t i = 0; i < m->n; i++) {
		struct member *member = &m->list[i];
		if (i == m->self) {
			set_quarantine(n, member, is_self_in);
			continue;
		}
		set_quarantine(
			n, member,
			admission_quarantine_peer(&member->facts, is_self_in));
		wire_set_recorded(n->wire, member->facts.id,
				  admission_vouched(&member->facts));
	}
	struct wire_hello hello = members_hello(n);
	wire_set_hello(n->wire, &hello);
}

/* -- what is heard --------------------------------------------------------- */
static bool is_retired(struct members *m, uint64_t id, uint64_t incarnation)
{
	bool found = false;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->n; i++) {
		if (m->retired[i].id == id)
			found = !admission_admits(m->retired[i].incarnations,
						  m->retired[i].n, incarnation);
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

bool members_admit(void *node, const struct wire_hello *hello)
{
	struct node *n = node;

	return !is_retired(&n->members, hello->node_id, hello->incarnation);
}

void members_heard(struct node *n, const struct wire_hello *hello)
{
	struct member *member = members_find(&n->members, hello->node_id);

	if (!member || member == members_self(&n->members))
		return;
	members_alive(n, hello->node_id);
	struct admission_member *f = &member->facts;
	if (!f->is_heard || f->incarnation != hello->incarnation) {
		n->members.news_us = node_now_us(n);
		log_event(LOG_INFO, "member_heard",
			  "member=%s incarnation=%016llx blank=%s",
			  member->name, (unsigned long long)hello->incarnation,
			  hello->is_blank ? "yes" : "no");
	}
	f->is_heard = true;
	f->is_blank = hello->is_blank;
	f->is_admitted = hello->is_admitted;
	f->incarnation = hello->incarnation;
	f->cluster_hash = hello->cluster_hash;
	f->recorded_us = hello->recorded;
	f->is_retired = is_retired(&n->members, f->id, f->incarnation);
	member->term = hello->term;
	/* Let in before the state was read. */
	if (f->is_retired)
		wire_drop_peer(n->wire, f->id);
	members_refresh(n);
	start_consider(n);
	lead_propose(n);
}

void members_up(struct node *n, uint64_t peer)
{
	struct member *member = members_find(&n->members, peer);

	if (!member || member->is_connected)
		return;
	member->is_connected = member->pulse.is_connected = true;
	member->pulse.heard_us = node_now_us(n);
	plan_hurry(n);
	log_event(LOG_INFO, "peer_up", "member=%s", member->name);
	if (n->replica)
		replica_peer_up(n->replica, peer);
	lead_peer_up(n, peer);
}

void members_down(struct node *n, uint64_t peer)
{
	struct member *member = members_find(&n->members, peer);

	if (!member)
		return;
	/* A blank node decides by who is there, not by who was. */
	if (n->phase == NODE_BLANK)
		member->facts.is_heard = false;
	if (n->replica)
		replica_peer_down(n->replica, peer);
	lead_peer_down(n, peer);
	bool is_up = wire_is_up(n->wire, peer);
	if (member->is_connected && !is_up)
		log_event(LOG_INFO, "peer_down", "member=%s", member->name);
	if (member->is_connected && !is_up) {
		member->pulse.down_us = node_now_us(n);
		plan_hurry(n);
	}
	member->is_connected = member->pulse.is_connected = is_up;
}

void members_alive(struct node *n, uint64_t peer)
{
	struct member *member = members_find(&n->members, peer);

	if (member)
		member->pulse.heard_us = node_now_us(n);
}

/* -- what the state says --------------------------------------------------- */
struct state_copy {
	struct control_member list[CONTROL_MEMBERS];
	size_t n;
	struct control_cluster cluster;
	bool has_cluster;
};

static void copy_state(const struct kv *kv, void *ctx)
{
	struct state_copy *copy = ctx;

	copy->n = control_members(kv, copy->list, CONTROL_MEMBERS);
	copy->has_cluster = control_cluster(kv, &copy->cluster);
}

static void take_member(struct node *n, const struct control_member *from)
{
	struct members *m = &n->members;
	struct member *to = members_find(m, from->id);

	if (!to)
		return;
	if (to->facts.in_state != from->incarnation)
		log_event(LOG_INFO, "member_recorded",
			  "member=%s incarnation=%016llx index=%llu", to->name,
			  (unsigned long long)from->incarnation,
			  (unsigned long long)from->index);
	to->facts.in_state = from->incarnation;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->n; i++) {
		if (m->retired[i].id != from->id)
			continue;
		m->retired[i].n = from->n_retired;
		memcpy(m->retired[i].incarnations, from->retired,
		       sizeof(from->retired));
	}
	pthread_mutex_unlock(&m->lock);
	bool was_retired = to->facts.is_retired;
	to->facts.is_retired = is_retired(m, from->id, to->facts.incarnation);
	if (to->facts.is_retired && !was_retired && to != members_self(m))
		wire_drop_peer(n->wire, from->id);
}

/* The name that the first leader gave to the cluster: ours for ever. */
static void take_cluster(struct node *n, const struct control_cluster *from)
{
	struct err e = {0};

	n->members.cluster = *from;
	n->members.has_cluster = true;
	if (store_dir_set_cluster(n->dir, from->id, &e))
		node_fatal(n, node_exit_code(e.code), "%s", e.text);
}

void members_read_state(struct node *n)
{
	struct member *self = members_self(&n->members);
	struct state_copy *copy = mem_zero(1, sizeof(*copy));

	state_read(n->state, copy_state, copy);
	for (size_t i = 0; i < copy->n; i++)
		take_member(n, &copy->list[i]);
	if (copy->has_cluster)
		take_cluster(n, &copy->cluster);
	free(copy);
	if (self->facts.is_retired)
		node_fatal(n, node_exit_code(ERR_IDENTITY),
			   "this data directory of %s was replaced by a newer "
			   "one; remove %s and start again to be rebuilt",
			   self->name, n->config.data);
}
