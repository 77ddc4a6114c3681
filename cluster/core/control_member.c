#include <string.h>

#include "cluster/core/command.h"
#include "cluster/core/control_internal.h"

static const struct bytes cluster_key = {(const uint8_t *)"c", 1};

/* -- members --------------------------------------------------------------- */
static bool name_is_valid(const char *name)
{
	return name[0] && strlen(name) <= LIMIT_NAME_BYTES;
}

static bool is_retired(const struct control_member *m, uint64_t incarnation)
{
	for (unsigned i = 0; i < m->n_retired; i++) {
		if (m->retired[i] == incarnation)
			return true;
	}
	return false;
}

/* The newest first; at the limit the oldest is forgotten. */
static void member_retire(struct control_member *m)
{
	if (m->n_retired < CONTROL_RETIRED)
		m->n_retired++;
	memmove(m->retired + 1, m->retired,
		(m->n_retired - 1) * sizeof(m->retired[0]));
	m->retired[0] = m->incarnation;
}

static void member_put(const struct kv *kv, const struct control_member *m)
{
	uint8_t buf[CONTROL_MEMBER_BYTES];
	struct key key = key_of_u64('m', m->id);
	size_t name_len = strlen(m->name), at = 17;

	put_u64(buf, m->incarnation);
	put_u64(buf + 8, m->index);
	buf[16] = (uint8_t)m->n_retired;
	for (unsigned i = 0; i < m->n_retired; i++, at += 8)
		put_u64(buf + at, m->retired[i]);
	memcpy(buf + at, m->name, name_len);
	kv->put(kv->ctx, key_bytes(&key), (struct bytes){buf, at + name_len});
}

static bool has_room(const struct kv *kv)
{
	struct control_member members[CONTROL_MEMBERS];

	return control_members(kv, members, CONTROL_MEMBERS) < CONTROL_MEMBERS;
}

/* A member's data directory has a name of its own, the incarnation. Another one
 * means that the disk was lost; the old one may never speak again. */
void control_take_member(struct control_turn *t,
			 const Synod__Command__Member *in)
{
	const struct kv *kv = t->kv;
	struct control_member m = {0};
	bool is_known = control_member(kv, in->node_id, &m);
	Synod__Command__Event event;

	synod__command__event__init(&event);
	if (in->node_id == 0 || in->incarnation == 0 ||
	    !name_is_valid(in->name) || is_retired(&m, in->incarnation) ||
	    (!is_known && !has_room(kv))) {
		control_refuse(t, ERR_INVALID, "no proper member");
		return;
	}
	t->c->summary.n_members++;
	if (is_known && m.incarnation == in->incarnation)
		return; /* proposed twice: the first one counts */
	if (is_known)
		member_retire(&m);
	m.id = in->node_id;
	m.incarnation = in->incarnation;
	m.index = t->index;
	memset(m.name, 0, sizeof(m.name));
	memcpy(m.name, in->name, strlen(in->name));
	member_put(kv, &m);

	event.type =
		command_text(is_known ? "member_rebuilt" : "member_joined");
	event.node = m.name;
	event.text = command_text(is_known ? "its disk was empty: it is "
					     "rebuilt from the others"
					   : "");
	event.time_us = in->time_us;
	control_event_put(t, &event);
	t->changed |= CONTROL_CHANGED_MEMBERS;
}

/* -- the cluster ----------------------------------------------------------- */
/* The first one names the cluster for ever. */
void control_take_cluster(struct control_turn *t,
			  const Synod__Command__Cluster *in)
{
	const struct kv *kv = t->kv;
	uint8_t buf[CONTROL_CLUSTER_BYTES];
	Synod__Command__Event event;
	struct bytes old;

	synod__command__event__init(&event);
	if (in->cluster_id.len != CONTROL_ID_BYTES ||
	    !name_is_valid(in->name)) {
		control_refuse(t, ERR_INVALID, "no proper cluster");
		return;
	}
	t->c->summary.n_clusters++;
	if (kv->get(kv->ctx, cluster_key, &old))
		return;
	size_t len = strlen(in->name);
	memcpy(buf, in->cluster_id.data, CONTROL_ID_BYTES);
	put_u64(buf + 16, t->index);
	memcpy(buf + 24, in->name, len);
	kv->put(kv->ctx, cluster_key, (struct bytes){buf, 24 + len});

	event.type = command_text("cluster_founded");
	event.text = in->name;
	event.time_us = in->time_us;
	control_event_put(t, &event);
	t->changed |= CONTROL_CHANGED_CLUSTER;
}
