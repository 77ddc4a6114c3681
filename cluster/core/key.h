/* Key: how the tables of the control state name a record: the letter of the
 * table, then numbers in big-endian, so that the order of bytes is theirs.
 *
 * Pure; any thread; holds no state. */
#ifndef CLUSTER_CORE_KEY_H
#define CLUSTER_CORE_KEY_H

#include <stdbool.h>
#include <string.h>

#include "base/endian.h"
#include "base/kv.h"

/* A letter and two numbers of 64 bits at the most. */
struct key {
	uint8_t data[17];
	size_t len;
};

static inline struct key key_table(char letter)
{
	return (struct key){.data = {(uint8_t)letter}, .len = 1};
}

static inline void key_u64(struct key *k, uint64_t v)
{
	put_u64_be(k->data + k->len, v);
	k->len += 8;
}

static inline void key_u32(struct key *k, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		k->data[k->len++] = (uint8_t)(v >> (8 * (3 - i)));
}

static inline struct key key_of_u32(char letter, uint32_t v)
{
	struct key k = key_table(letter);

	key_u32(&k, v);
	return k;
}

static inline struct key key_of_u64(char letter, uint64_t v)
{
	struct key k = key_table(letter);

	key_u64(&k, v);
	return k;
}

static inline struct bytes key_bytes(const struct key *k)
{
	return (struct bytes){k->data, k->len};
}

/* A number of a key that was found. */
static inline uint32_t key_get_u32(struct bytes key, size_t at)
{
	const uint8_t *p = key.data + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

/* Walk a table: *at is the letter to begin with, then the record before. False
 * behind the last record whose key is as long as len; at keeps a copy of the
 * found key, the value is lent as by seek. */
static inline bool key_next(const struct kv *kv, struct key *at, size_t len,
			    struct bytes *value)
{
	struct bytes found;

	if (!kv->seek(kv->ctx, key_bytes(at), at->len > 1, &found, value) ||
	    found.len != len || found.data[0] != at->data[0])
		return false;
	memcpy(at->data, found.data, len);
	at->len = len;
	return true;
}

#endif
