#include "cluster/core/control.h"

#include <string.h>

#include "base/check.h"
#include "cluster/core/control_internal.h"
#include "proto/command.pb-c.h"

/* What is read here was written by control.c and checked by the store: another
 * shape is a bug, not an input. */

static void name_copy(char out[LIMIT_NAME_BYTES + 1], const uint8_t *data,
		      size_t len)
{
	CHECK(len <= LIMIT_NAME_BYTES);
	memset(out, 0, LIMIT_NAME_BYTES + 1);
	if (len)
		memcpy(out, data, len);
}

void control_summary(const struct kv *kv, struct control_summary *out)
{
	struct bytes v;

	*out = (struct control_summary){0};
	if (!kv->get(kv->ctx, (struct bytes){(const uint8_t *)"s", 1}, &v))
		return;
	CHECK(v.len == CONTROL_SUMMARY_BYTES);
	CHECK(get_u64(v.data) == CONTROL_FORMAT);
	out->applied_index = get_u64(v.data + 8);
	out->digest = get_u64(v.data + 16);
	out->n_appends = get_u64(v.data + 24);
	out->append_bytes = get_u64(v.data + 32);
	out->n_events = get_u64(v.data + 40);
	out->n_members = get_u64(v.data + 48);
	out->n_clusters = get_u64(v.data + 56);
	out->n_others = get_u64(v.data + 64);
	out->n_bad = get_u64(v.data + 72);
	out->n_events_kept = get_u64(v.data + 80);
}

uint64_t control_floor(const struct kv *kv)
{
	struct bytes v;

	if (!kv->get(kv->ctx, (struct bytes){(const uint8_t *)"f", 1}, &v))
		return 0;
	CHECK(v.len == sizeof(uint64_t));
	return get_u64(v.data);
}

bool control_cluster(const struct kv *kv, struct control_cluster *out)
{
	struct bytes v;

	if (!kv->get(kv->ctx, (struct bytes){(const uint8_t *)"c", 1}, &v))
		return false;
	CHECK(v.len > 24);
	memcpy(out->id, v.data, CONTROL_ID_BYTES);
	out->index = get_u64(v.data + 16);
	name_copy(out->name, v.data + 24, v.len - 24);
	return true;
}

static void member_read(uint64_t id, struct bytes v, struct control_member *out)
{
	size_t at = 17;

	CHECK(v.len > at);
	*out = (struct control_member){.id = id};
	out->incarnation = get_u64(v.data);
	out->index = get_u64(v.data + 8);
	out->n_retired = v.data[16];
	CHECK(out->n_retired <= CONTROL_RETIRED);
	CHECK(v.len > at + 8 * (size_t)out->n_retired);
	for (unsigned i = 0; i < out->n_retired; i++, at += 8)
		out->retired[i] = get_u64(v.data + at);
	name_copy(out->name, v.data + at, v.len - at);
}

bool control_member(const struct kv *kv, uint64_t id,
		    struct control_member *out)
{
	struct key key = key_of_u64('m', id);
	struct bytes v;

	if (!kv->get(kv->ctx, key_bytes(&key), &v))
		return false;
	member_read(id, v, out);
	return true;
}

/* The next record of a table behind *id (or at it, first time). */
static bool table_next(const struct kv *kv, char table, bool after,
		       uint64_t *id, struct bytes *value)
{
	struct key key = key_of_u64(table, *id);
	struct bytes found;

	if (!kv->seek(kv->ctx, key_bytes(&key), after, &found, value))
		return false;
	if (found.len != CONTROL_TABLE_KEY || found.data[0] != (uint8_t)table)
		return false; /* the next table begins */
	*id = get_u64_be(found.data + 1);
	return true;
}

size_t control_members(const struct kv *kv, struct control_member *out,
		       size_t max)
{
	uint64_t id = 0;
	struct bytes v;
	size_t n = 0;

	while (n < max && table_next(kv, 'm', n > 0, &id, &v))
		member_read(id, v, &out[n++]);
	return n;
}

static void text_copy(char *out, size_t max, const char *text)
{
	size_t len = strlen(text);

	CHECK(len <= max);
	memcpy(out, text, len + 1);
}

static void event_read(uint64_t index, struct bytes v,
		       struct control_event *out)
{
	Synod__Command__Event *e =
		synod__command__event__unpack(NULL, v.len, v.data);

	CHECK(e);
	*out = (struct control_event){.index = index,
				      .detect_us = e->detect_us,
				      .elect_us = e->elect_us,
				      .assign_us = e->assign_us,
				      .first_change_us = e->first_change_us,
				      .time_us = e->time_us};
	text_copy(out->type, CONTROL_EVENT_TYPE_MAX, e->type);
	text_copy(out->node, LIMIT_NAME_BYTES, e->node);
	text_copy(out->text, CONTROL_EVENT_TEXT_MAX, e->text);
	synod__command__event__free_unpacked(e, NULL);
}

size_t control_events(const struct kv *kv, uint64_t after_index,
		      struct control_event *out, size_t max)
{
	uint64_t index = after_index;
	struct bytes v;
	size_t n = 0;

	while (n < max && table_next(kv, 'e', true, &index, &v))
		event_read(index, v, &out[n++]);
	return n;
}
