#include "script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/endian.h"
#include "base/rng.h"

const struct store_identity script_identity = {
	.node_id = 1, .node_name = "n1", .cluster_name = "powercut"};

struct log_entry script_entry(uint64_t index, uint64_t term, uint8_t *buf)
{
	struct rng r;
	rng_init(&r, index * 7919 + term);
	/* Mostly small, some with pages of their own. */
	size_t len =
		rng_below(&r, rng_chance(&r, 0.8) ? 300 : SCRIPT_ENTRY_MAX);
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)rng_u64(&r);
	return (struct log_entry){.index = index,
				  .term = term,
				  .type = LOG_COMMAND,
				  .data = buf,
				  .len = len};
}

uint64_t script_chain(uint64_t chain, const struct log_entry *entry)
{
	return digest64_seed(entry->data, entry->len,
			     chain * 31 + entry->index * 17 + entry->term);
}

/* -- the machine ------------------------------------------------------- */

static const struct bytes CHAIN = {(const uint8_t *)"chain", 5};

static void apply(void *ctx, const struct kv *kv, const struct log_entry *entry)
{
	struct bytes value;
	uint64_t chain = 0, count = 0;
	uint8_t next[16];
	char key[32];
	(void)ctx;
	if (kv->get(kv->ctx, CHAIN, &value)) {
		chain = get_u64(value.data);
		count = get_u64(value.data + 8);
	}
	put_u64(next, script_chain(chain, entry));
	put_u64(next + 8, count + 1);
	kv->put(kv->ctx, CHAIN, (struct bytes){next, sizeof(next)});
	int len = snprintf(key, sizeof(key), "row%" PRIu64, entry->index % 97);
	kv->put(kv->ctx, (struct bytes){(const uint8_t *)key, (size_t)len},
		(struct bytes){entry->data, entry->len});
}

struct chain_values {
	uint64_t chain, count;
};

/* Walks all rows besides: a bad one stops the process. */
static void read_chain(const struct kv *kv, void *ctx)
{
	struct chain_values *out = ctx;
	struct bytes key = {0}, value;
	uint8_t at[STATE_KEY_BYTES_MAX];
	if (kv->get(kv->ctx, CHAIN, &value)) {
		out->chain = get_u64(value.data);
		out->count = get_u64(value.data + 8);
	}
	while (kv->seek(kv->ctx, key, key.len > 0, &key, &value)) {
		memcpy(at, key.data, key.len);
		key.data = at;
	}
}

void script_read_chain(struct state_store *state, uint64_t *chain,
		       uint64_t *count)
{
	struct chain_values values = {0};
	state_read(state, read_chain, &values);
	*chain = values.chain;
	*count = values.count;
}

/* -- open and close ---------------------------------------------------- */

static void no_wake(void *ctx)
{
	(void)ctx;
}

int script_open(struct script *s, const char *path, struct err *e)
{
	char hard[600], log[600], state[600];
	*s = (struct script){0};
	mailbox_init(&s->owner, (size_t)1 << 20, no_wake, NULL);
	snprintf(s->path, sizeof(s->path), "%s", path);
	snprintf(hard, sizeof(hard), "%s/hard", path);
	snprintf(log, sizeof(log), "%s/log", path);
	snprintf(state, sizeof(state), "%s/state", path);
	int rc;
	if ((rc = store_dir_open(&s->dir, path, &script_identity, e)) ||
	    (rc = store_install_finish(path, e)) ||
	    (rc = hard_state_open(&s->hard, hard, e)))
		return rc;
	struct log_config log_cfg = {.path = log,
				     .bytes_max = SCRIPT_QUOTA_BYTES,
				     .owner = &s->owner,
				     .clock = clock_system()};
	if ((rc = log_open(&s->log, &log_cfg, e)))
		return rc;
	struct state_config state_cfg = {.path = state,
					 .bytes_max = SCRIPT_QUOTA_BYTES,
					 .log = s->log,
					 .owner = &s->owner,
					 .machine = {.apply = apply},
					 .clock = clock_system()};
	if ((rc = state_open(&s->state, &state_cfg, e)))
		return rc;
	return store_dir_set_in_use(s->dir, e);
}

void script_close(struct script *s)
{
	state_close(s->state);
	log_close(s->log);
	hard_state_close(s->hard);
	store_dir_close(s->dir);
	mailbox_close(&s->owner);
	for (struct note *n = mailbox_take(&s->owner); n;) {
		struct note *next = n->next;
		free(n);
		n = next;
	}
	mailbox_destroy(&s->owner);
	*s = (struct script){0};
}
