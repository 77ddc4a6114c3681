#include "cluster/core/control.h"

#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/endian.h"
#include "cluster/core/command.h"

static const struct bytes summary_key = {(const uint8_t *)"s", 1};
static const struct bytes cluster_key = {(const uint8_t *)"c", 1};

struct bytes control_key(struct control_key *k, char table, uint64_t id)
{
	k->data[0] = (uint8_t)table;
	put_u64_be(k->data + 1, id);
	return (struct bytes){k->data, sizeof(k->data)};
}

void control_init(struct control *c)
{
	*c = (struct control){0};
}

void control_reset(struct control *c)
{
	CHECK(!c->is_dirty); /* a reset between apply and flush loses entries */
	control_init(c);
}

/* -- the event log --------------------------------------------------------- */
static bool text_fits(const char *s, size_t max)
{
	return strlen(s) <= max;
}

static bool event_fits(const Synod__Command__Event *event)
{
	return event->type[0] &&
	       text_fits(event->type, CONTROL_EVENT_TYPE_MAX) &&
	       text_fits(event->node, LIMIT_NAME_BYTES) &&
	       text_fits(event->text, CONTROL_EVENT_TEXT_MAX) &&
	       synod__command__event__get_packed_size(event) <=
		       LIMIT_EVENT_BYTES;
}

/* At the limit the oldest goes: the log of events is for people who ask what
 * happened lately. */
static void event_put(struct control *c, const struct kv *kv, uint64_t index,
		      const Synod__Command__Event *event)
{
	uint8_t buf[LIMIT_EVENT_BYTES];
	struct control_key key, from;
	struct bytes oldest, value;

	size_t len = synod__command__event__pack(event, buf);
	kv->put(kv->ctx, control_key(&key, 'e', index),
		(struct bytes){buf, len});
	c->summary.n_events_kept++;
	if (c->summary.n_events_kept <= LIMIT_EVENTS)
		return;
	CHECK(kv->seek(kv->ctx, control_key(&from, 'e', 0), false, &oldest,
		       &value));
	CHECK(oldest.len == sizeof(key.data));
	memcpy(key.data, oldest.data, oldest.len); /* the put may move it */
	kv->del(kv->ctx, (struct bytes){key.data, sizeof(key.data)});
	c->summary.n_events_kept--;
}

static unsigned apply_event(struct control *c, const struct kv *kv,
			    uint64_t index, const Synod__Command__Event *event)
{
	if (!event_fits(event)) {
		c->summary.n_bad++;
		return 0;
	}
	c->summary.n_events++;
	event_put(c, kv, index, event);
	return CONTROL_CHANGED_EVENTS;
}

/* -- members --------------------------------------------------------------- */
static bool name_is_valid(const char *name)
{
	return name[0] && text_fits(name, LIMIT_NAME_BYTES);
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
	struct control_key key;
	size_t name_len = strlen(m->name), at = 17;

	put_u64(buf, m->incarnation);
	put_u64(buf + 8, m->index);
	buf[16] = (uint8_t)m->n_retired;
	for (unsigned i = 0; i < m->n_retired; i++, at += 8)
		put_u64(buf + at, m->retired[i]);
	memcpy(buf + at, m->name, name_len);
	kv->put(kv->ctx, control_key(&key, 'm', m->id),
		(struct bytes){buf, at + name_len});
}

static bool has_room(const struct kv *kv)
{
	struct control_member members[CONTROL_MEMBERS];

	return control_members(kv, members, CONTROL_MEMBERS) < CONTROL_MEMBERS;
}

/* A member's data directory has a name of its own, the incarnation. Another one
 * means that the disk was lost; the old one may never speak again. */
static unsigned apply_member(struct control *c, const struct kv *kv,
			     uint64_t index, const Synod__Command__Member *in)
{
	struct control_member m = {0};
	bool is_known = control_member(kv, in->node_id, &m);
	Synod__Command__Event event;

	synod__command__event__init(&event);
	if (in->node_id == 0 || in->incarnation == 0 ||
	    !name_is_valid(in->name) || is_retired(&m, in->incarnation) ||
	    (!is_known && !has_room(kv))) {
		c->summary.n_bad++;
		return 0;
	}
	c->summary.n_members++;
	if (is_known && m.incarnation == in->incarnation)
		return 0; /* proposed twice: the first one counts */
	if (is_known)
		member_retire(&m);
	m.id = in->node_id;
	m.incarnation = in->incarnation;
	m.index = index;
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
	event_put(c, kv, index, &event);
	return CONTROL_CHANGED_MEMBERS | CONTROL_CHANGED_EVENTS;
}

/* -- the cluster ----------------------------------------------------------- */
/* The first one names the cluster for ever. */
static unsigned apply_cluster(struct control *c, const struct kv *kv,
			      uint64_t index, const Synod__Command__Cluster *in)
{
	uint8_t buf[CONTROL_CLUSTER_BYTES];
	Synod__Command__Event event;
	struct bytes old;

	synod__command__event__init(&event);
	if (in->cluster_id.len != CONTROL_ID_BYTES ||
	    !name_is_valid(in->name)) {
		c->summary.n_bad++;
		return 0;
	}
	c->summary.n_clusters++;
	if (kv->get(kv->ctx, cluster_key, &old))
		return 0;
	size_t len = strlen(in->name);
	memcpy(buf, in->cluster_id.data, CONTROL_ID_BYTES);
	put_u64(buf + 16, index);
	memcpy(buf + 24, in->name, len);
	kv->put(kv->ctx, cluster_key, (struct bytes){buf, 24 + len});

	event.type = command_text("cluster_founded");
	event.text = in->name;
	event.time_us = in->time_us;
	event_put(c, kv, index, &event);
	return CONTROL_CHANGED_CLUSTER | CONTROL_CHANGED_EVENTS;
}

/* -- every entry ----------------------------------------------------------- */
static uint64_t chain(uint64_t digest, const struct control_entry *entry)
{
	uint8_t head[24];

	put_u64(head, entry->index);
	put_u64(head + 8, entry->term);
	put_u64(head + 16, (uint64_t)entry->type);
	digest = digest64_seed(head, sizeof(head), digest);
	return digest64_seed(entry->payload.data, entry->payload.len, digest);
}

static void count_append(struct control *c, size_t len)
{
	c->summary.n_appends++;
	c->summary.append_bytes += len;
}

static unsigned apply_command(struct control *c, const struct kv *kv,
			      const struct control_entry *entry)
{
	Synod__Command__Command *command;
	struct bytes value;
	unsigned changed = 0;

	if (command_open(entry->payload, &value, &command, NULL)) {
		c->summary.n_bad++;
		return 0;
	}
	if (!command) {
		count_append(c, value.len);
		return 0;
	}
	switch (command->body_case) {
	case SYNOD__COMMAND__COMMAND__BODY_APPEND:
		count_append(c, command->append->value.len);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_EVENT:
		changed = apply_event(c, kv, entry->index, command->event);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_MEMBER:
		changed = apply_member(c, kv, entry->index, command->member);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_CLUSTER:
		changed = apply_cluster(c, kv, entry->index, command->cluster);
		break;
	default:
		c->summary.n_bad++;
		break;
	}
	synod__command__command__free_unpacked(command, NULL);
	return changed;
}

unsigned control_apply(struct control *c, const struct kv *kv,
		       const struct control_entry *entry)
{
	unsigned changed = 0;

	if (!c->is_loaded) {
		control_summary(kv, &c->summary);
		c->is_loaded = true;
	}
	CHECK(entry->index == c->summary.applied_index + 1);
	c->summary.applied_index = entry->index;
	c->summary.digest = chain(c->summary.digest, entry);
	c->is_dirty = true;
	if (entry->type == CONTROL_COMMAND)
		changed = apply_command(c, kv, entry);
	else
		c->summary.n_others++;
	return changed;
}

void control_flush(struct control *c, const struct kv *kv)
{
	const struct control_summary *s = &c->summary;
	const uint64_t fields[] = {
		CONTROL_FORMAT, s->applied_index, s->digest,
		s->n_appends,   s->append_bytes,  s->n_events,
		s->n_members,   s->n_clusters,    s->n_others,
		s->n_bad,       s->n_events_kept,
	};
	uint8_t buf[CONTROL_SUMMARY_BYTES];

	_Static_assert(sizeof(fields) == sizeof(buf), "one u64 a field");
	if (!c->is_dirty)
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		put_u64(buf + 8 * i, fields[i]);
	kv->put(kv->ctx, summary_key, (struct bytes){buf, sizeof(buf)});
	c->is_dirty = false;
}
