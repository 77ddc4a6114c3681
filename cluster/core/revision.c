#include "cluster/core/revision.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/definition.h"
#include "cluster/core/key.h"
#include "proto/codec.h"

enum {
	CURRENT_HEAD = 16,
	OLD_HEAD = 20,
	REVISION_HEAD = 28,
	REVISION_BYTES = REVISION_HEAD + 6 + LIMIT_NAME_BYTES +
			 LIMIT_MESSAGE_BYTES + REVISION_CHANGE_MAX,
};

/* -- reading --------------------------------------------------------------- */
/* What is read here was written below: another shape is a bug. */

bool revision_current(const struct kv *kv, struct revision_current *out)
{
	struct key key = key_table('d');
	struct bytes v;

	if (!kv->get(kv->ctx, key_bytes(&key), &v))
		return false;
	CHECK(v.len >= CURRENT_HEAD);
	size_t n = get_u32(v.data + 12);
	CHECK(v.len >= CURRENT_HEAD + 8 * n);
	*out = (struct revision_current){
		.revision = get_u32(v.data),
		.index = get_u64(v.data + 4),
		.n_born = n,
		.born = v.data + CURRENT_HEAD,
		.definition = {v.data + CURRENT_HEAD + 8 * n,
			       v.len - CURRENT_HEAD - 8 * n},
	};
	return true;
}

uint64_t revision_born(const uint8_t *born, size_t i)
{
	return get_u64(born + 8 * i);
}

bool revision_next_old(const struct kv *kv, uint32_t after_id,
		       struct revision_old *out)
{
	struct key from = key_of_u32('o', after_id);
	struct bytes found, v;

	if (!kv->seek(kv->ctx, key_bytes(&from), true, &found, &v) ||
	    found.len != from.len || found.data[0] != 'o')
		return false;
	CHECK(v.len >= OLD_HEAD);
	*out = (struct revision_old){
		.table_id = key_get_u32(found, 1),
		.revision = get_u32(v.data),
		.dropped_at = get_u64(v.data + 4),
		.born_at = get_u64(v.data + 12),
		.sync = {v.data + OLD_HEAD, v.len - OLD_HEAD},
	};
	return true;
}

static size_t text_read(struct bytes v, size_t at, char *out, size_t max)
{
	CHECK(v.len >= at + 2);
	size_t len = get_u16(v.data + at);
	CHECK(len <= max && v.len >= at + 2 + len);
	memcpy(out, v.data + at + 2, len);
	out[len] = '\0';
	return at + 2 + len;
}

static void revision_parse(uint32_t number, struct bytes v,
			   struct revision *out)
{
	CHECK(v.len >= REVISION_HEAD);
	*out = (struct revision){
		.number = number,
		.index = get_u64(v.data),
		.time_us = (int64_t)get_u64(v.data + 8),
		.n_syncs = get_u32(v.data + 16),
		.n_connections = get_u32(v.data + 20),
		.n_tables = get_u32(v.data + 24),
	};
	size_t at = text_read(v, REVISION_HEAD, out->author, LIMIT_NAME_BYTES);
	at = text_read(v, at, out->message, LIMIT_MESSAGE_BYTES);
	text_read(v, at, out->change, REVISION_CHANGE_MAX - 1);
}

bool revision_read(const struct kv *kv, uint32_t number, struct revision *out)
{
	struct key key = key_of_u32('r', number);
	struct bytes v;

	if (!kv->get(kv->ctx, key_bytes(&key), &v))
		return false;
	revision_parse(number, v, out);
	return true;
}

size_t revision_list(const struct kv *kv, struct revision *out, size_t max)
{
	struct revision_current now;
	size_t n = 0;

	if (!revision_current(kv, &now))
		return 0;
	for (uint32_t r = now.revision; n < max && r > 0; r--) {
		if (!revision_read(kv, r, &out[n]))
			break;
		n++;
	}
	return n;
}

bool revision_text(const struct kv *kv, uint32_t number, struct bytes *text)
{
	struct key key = key_of_u32('w', number);

	return kv->get(kv->ctx, key_bytes(&key), text);
}

/* -- writing --------------------------------------------------------------- */
static size_t text_write(uint8_t *buf, size_t at, const char *text)
{
	size_t len = strlen(text);

	put_u16(buf + at, (uint16_t)len);
	memcpy(buf + at + 2, text, len);
	return at + 2 + len;
}

static void put_revision(const struct kv *kv, const struct revision *r)
{
	uint8_t buf[REVISION_BYTES];
	struct key key = key_of_u32('r', r->number);

	put_u64(buf, r->index);
	put_u64(buf + 8, (uint64_t)r->time_us);
	put_u32(buf + 16, r->n_syncs);
	put_u32(buf + 20, r->n_connections);
	put_u32(buf + 24, r->n_tables);
	size_t at = text_write(buf, REVISION_HEAD, r->author);
	at = text_write(buf, at, r->message);
	at = text_write(buf, at, r->change);
	kv->put(kv->ctx, key_bytes(&key), (struct bytes){buf, at});
}

static void forget_revision(const struct kv *kv, uint32_t number)
{
	struct key record = key_of_u32('r', number);
	struct key text = key_of_u32('w', number);

	kv->del(kv->ctx, key_bytes(&record));
	kv->del(kv->ctx, key_bytes(&text));
}

static void put_history(const struct kv *kv, const struct catalog *before,
			uint64_t index, const Synod__Command__Revision *c,
			const Synod__Definition__Definition *d)
{
	struct revision r = {.number = catalog_revision(before) + 1,
			     .index = index,
			     .time_us = c->time_us,
			     .n_syncs = (uint32_t)d->n_syncs,
			     .n_connections = (uint32_t)d->n_connections};
	struct key text = key_of_u32('w', r.number);

	for (size_t i = 0; i < d->n_syncs; i++)
		r.n_tables += (uint32_t)d->syncs[i]->n_tables;
	memcpy(r.author, c->author, strlen(c->author));
	memcpy(r.message, c->message, strlen(c->message));
	definition_summary(before, d, r.change, sizeof(r.change));
	put_revision(kv, &r);
	kv->put(kv->ctx, key_bytes(&text),
		(struct bytes){c->text.data, c->text.len});
	if (r.number > LIMIT_REVISIONS)
		forget_revision(kv, r.number - LIMIT_REVISIONS);
}

static bool has_table(const Synod__Definition__Definition *d, uint32_t id)
{
	for (size_t i = 0; i < d->n_syncs; i++) {
		for (size_t j = 0; j < d->syncs[i]->n_tables; j++) {
			if (d->syncs[i]->tables[j]->id == id)
				return true;
		}
	}
	return false;
}

/* The sync as it was, with this table only: policy and order of connections
 * are wanted as long as the table is. */
static void put_old(const struct kv *kv, const struct catalog_table *t,
		    uint32_t revision, uint64_t index)
{
	struct key key = key_of_u32('o', t->table->id);
	Synod__Definition__Sync sync = *t->sync;
	Synod__Definition__Table *table =
		(Synod__Definition__Table *)(uintptr_t)t->table;

	sync.n_tables = 1;
	sync.tables = &table;
	size_t len = synod__definition__sync__get_packed_size(&sync);
	uint8_t *buf = mem_alloc(OLD_HEAD + len);
	put_u32(buf, revision);
	put_u64(buf + 4, index);
	put_u64(buf + 12, t->order_at);
	synod__definition__sync__pack(&sync, buf + OLD_HEAD);
	kv->put(kv->ctx, key_bytes(&key), (struct bytes){buf, OLD_HEAD + len});
	free(buf);
}

static void keep_dropped(const struct kv *kv, const struct catalog *before,
			 const Synod__Definition__Definition *d, uint64_t index)
{
	const struct catalog_table *t;

	for (size_t i = 0; (t = catalog_at(before, i)); i++) {
		if (t->is_current && !has_table(d, t->table->id))
			put_old(kv, t, catalog_revision(before) + 1, index);
	}
}

static void put_current(const struct kv *kv, const struct catalog *before,
			uint64_t index, const Synod__Definition__Definition *d,
			struct bytes definition)
{
	struct key key = key_table('d');
	size_t n = 0;

	for (size_t i = 0; i < d->n_syncs; i++)
		n += d->syncs[i]->n_tables;
	size_t at = CURRENT_HEAD;
	uint8_t *buf = mem_alloc(at + 8 * n + definition.len);
	put_u32(buf, catalog_revision(before) + 1);
	put_u64(buf + 4, index);
	put_u32(buf + 12, (uint32_t)n);
	for (size_t i = 0; i < d->n_syncs; i++) {
		for (size_t j = 0; j < d->syncs[i]->n_tables; j++, at += 8) {
			const struct catalog_table *t = catalog_table(
				before, d->syncs[i]->tables[j]->id);

			put_u64(buf + at, t ? t->order_at : index);
		}
	}
	if (definition.len)
		memcpy(buf + at, definition.data, definition.len);
	kv->put(kv->ctx, key_bytes(&key),
		(struct bytes){buf, at + definition.len});
	free(buf);
}

static int check_frame(const struct catalog *before,
		       const Synod__Command__Revision *c, struct err *e)
{
	if (c->base_revision != catalog_revision(before))
		return err_set(e, ERR_CHANGED,
			       "it is made for revision %" PRIu32
			       ", in force is %" PRIu32,
			       c->base_revision, catalog_revision(before));
	if (strlen(c->author) > LIMIT_NAME_BYTES ||
	    strlen(c->message) > LIMIT_MESSAGE_BYTES)
		return err_set(e, ERR_LIMIT, "author or message are too long");
	if (c->text.len > LIMIT_DEFINITION_BYTES ||
	    c->definition.len > LIMIT_DEFINITION_BYTES)
		return err_set(e, ERR_LIMIT, "it is larger than %zu bytes",
			       LIMIT_DEFINITION_BYTES);
	return 0;
}

int revision_take(const struct kv *kv, const struct catalog *before,
		  uint64_t index, const Synod__Command__Revision *c,
		  struct err *e)
{
	struct err local = {0};
	struct bytes definition = {c->definition.data, c->definition.len};

	if (!e)
		e = &local;
	int rc = check_frame(before, c, e);
	if (rc)
		return rc;
	ProtobufCMessage *m = codec_unpack(
		&synod__definition__definition__descriptor, definition, e);
	if (!m)
		return e->code;
	const Synod__Definition__Definition *d =
		(const Synod__Definition__Definition *)m;
	rc = definition_check(before, d, e);
	if (!rc) {
		put_history(kv, before, index, c, d);
		keep_dropped(kv, before, d, index);
		put_current(kv, before, index, d, definition);
	}
	protobuf_c_message_free_unpacked(m, NULL);
	return rc;
}

bool revision_purge(const struct kv *kv, const struct catalog *c,
		    uint64_t index)
{
	const struct catalog_table *t;
	bool is_changed = false;

	for (size_t i = 0; (t = catalog_at(c, i)); i++) {
		if (t->is_current || t->dropped_at > index)
			continue;
		struct key key = key_of_u32('o', t->table->id);
		kv->del(kv->ctx, key_bytes(&key));
		is_changed = true;
	}
	return is_changed;
}
