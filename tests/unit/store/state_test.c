/* The state: the kv, its point, and when it is told. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/endian.h"
#include "base/rng.h"
#include "fixture.h"

static struct bytes text(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* A machine that chains a digest over everything it applies. It keeps the chain
 * in memory and writes it in flush. */
struct chain {
	uint64_t digest, index, committed_index;
	bool is_loaded;
};

static void chain_apply(void *ctx, const struct kv *kv,
			const struct log_entry *entry)
{
	struct chain *c = ctx;
	struct bytes value;
	if (!c->is_loaded && kv->get(kv->ctx, text("chain"), &value)) {
		c->digest = get_u64(value.data);
		c->index = get_u64(value.data + 8);
	}
	c->is_loaded = true;
	assert_int_equal(entry->index, c->index + 1);
	c->index = entry->index;
	c->digest =
		digest64_seed(entry->data, entry->len, c->digest + c->index);
	char key[32];
	snprintf(key, sizeof(key), "row%03" PRIu64, entry->index % 100);
	kv->put(kv->ctx, text(key),
		(struct bytes){entry->data, entry->len < 64 ? entry->len : 64});
}

static void chain_flush(void *ctx, const struct kv *kv)
{
	struct chain *c = ctx;
	uint8_t value[16];
	put_u64(value, c->digest);
	put_u64(value + 8, c->index);
	kv->put(kv->ctx, text("chain"), (struct bytes){value, sizeof(value)});
}

static void chain_committed(void *ctx, uint64_t index)
{
	struct chain *c = ctx;
	assert_true(index > c->committed_index);
	c->committed_index = index;
}

static struct state_machine chain_machine(struct chain *c)
{
	return (struct state_machine){.ctx = c,
				      .apply = chain_apply,
				      .flush = chain_flush,
				      .committed = chain_committed};
}

static void chain_read(const struct kv *kv, void *ctx)
{
	struct chain *c = ctx;
	struct bytes value;
	assert_true(kv->get(kv->ctx, text("chain"), &value));
	c->digest = get_u64(value.data);
	c->index = get_u64(value.data + 8);
}

static uint64_t chain_expected(uint64_t last, uint64_t term, size_t len)
{
	uint64_t digest = 0;
	for (uint64_t i = 1; i <= last; i++) {
		struct log_entry entry = entry_make(i, term, len);
		digest = digest64_seed(entry.data, len, digest + i);
		entry_free(&entry);
	}
	return digest;
}

static void check_point(struct fixture *f, uint64_t index, uint64_t term)
{
	struct state_point p;
	state_point(f->state, &p);
	assert_int_equal(p.index, index);
	assert_int_equal(p.term, term);
	blob_unref(p.conf);
}

static void test_applies_what_is_committed(void **state)
{
	struct fixture *f = *state;
	struct chain c = {0}, read = {0};
	f->machine = chain_machine(&c);
	fixture_open_state(f);
	check_point(f, 0, 0);
	fixture_append(f, 1, 1000, 3, 50);
	/* Durable in the log is not committed. */
	state_commit(f->state, 700);
	fixture_wait_applied(f, 700);
	check_point(f, 700, 3);
	state_read(f->state, chain_read, &read);
	assert_int_equal(read.index, 700);
	assert_true(read.digest == chain_expected(700, 3, 50));
	assert_int_equal(c.committed_index, 700);
	state_commit(f->state, 600);
	state_commit(f->state, 1000);
	fixture_wait_applied(f, 1000);
	check_point(f, 1000, 3);
}

static void test_goes_on_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct chain c = {0}, read = {0};
	f->machine = chain_machine(&c);
	fixture_open_state(f);
	fixture_append(f, 1, 5000, 1, 50);
	state_commit(f->state, 100);
	fixture_wait_applied(f, 100);
	/* Closing does not wait for the rest. */
	state_commit(f->state, 5000);
	fixture_close_state(f);
	c = (struct chain){0};
	fixture_open_state(f);
	struct state_point p;
	state_point(f->state, &p);
	assert_in_range(p.index, 100, 5000);
	blob_unref(p.conf);
	f->applied_index = p.index - 1;
	state_commit(f->state, 5000);
	fixture_wait_applied(f, p.index);
	int64_t start_us = test_now_us();
	do {
		state_point(f->state, &p);
		blob_unref(p.conf);
		assert_false(is_overdue(start_us));
	} while (p.index < 5000);
	state_read(f->state, chain_read, &read);
	assert_true(read.digest == chain_expected(5000, 1, 50));
}

static void test_the_owner_is_told_soon(void **state)
{
	struct fixture *f = *state;
	int64_t worst_us = 0;
	fixture_open_state(f);
	for (uint64_t i = 1; i <= 20; i++) {
		fixture_append(f, i, i, 1, 50);
		int64_t start_us = test_now_us();
		state_commit(f->state, i);
		fixture_wait_applied(f, i);
		int64_t took_us = test_now_us() - start_us;
		if (took_us > worst_us)
			worst_us = took_us;
	}
	/* 50 ms of gathering and a commit; the rest is for a slow machine. */
	assert_in_range(worst_us, 0, 1000000);
}

static void count_apply(void *ctx, const struct kv *kv,
			const struct log_entry *entry)
{
	(void)kv, (void)entry;
	(*(unsigned *)ctx)++;
}

static void test_commits_are_gathered(void **state)
{
	struct fixture *f = *state;
	unsigned n_applied = 0;
	f->machine =
		(struct state_machine){.ctx = &n_applied, .apply = count_apply};
	fixture_open_state(f);
	fixture_append(f, 1, 2000, 1, 10);
	int64_t start_us = test_now_us();
	for (uint64_t i = 1; i <= 2000; i++)
		state_commit(f->state, i);
	fixture_wait_applied(f, 2000);
	int64_t took_us = test_now_us() - start_us;
	assert_int_equal(n_applied, 2000);
	fixture_close_state(f);
	assert_in_range(took_us, 0, 2000000);
}

/* -- the kv ------------------------------------------------------------ */

/* The same random operations on the store's kv and on one in memory. */
struct twin {
	struct map *map;
	struct rng rng;
	uint64_t n_ops;
};

static struct bytes random_key(struct rng *r, uint8_t *buf)
{
	size_t len = 1 + rng_below(r, 3);
	if (rng_chance(r, 0.02))
		len = STATE_KEY_BYTES_MAX;
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(rng_below(r, 4) * 85);
	return (struct bytes){buf, len};
}

static void same_get(const struct kv *a, const struct kv *b, struct bytes key)
{
	struct bytes va = {0}, vb = {0};
	bool has = a->get(a->ctx, key, &va);
	assert_int_equal(has, b->get(b->ctx, key, &vb));
	if (has) {
		assert_int_equal(va.len, vb.len);
		assert_memory_equal(va.data, vb.data, va.len);
	}
}

static void same_seek(const struct kv *a, const struct kv *b, struct bytes from,
		      bool after)
{
	struct bytes ka = {0}, kb = {0}, va = {0}, vb = {0};
	bool has = a->seek(a->ctx, from, after, &ka, &va);
	assert_int_equal(has, b->seek(b->ctx, from, after, &kb, &vb));
	if (has) {
		assert_int_equal(ka.len, kb.len);
		assert_memory_equal(ka.data, kb.data, ka.len);
		assert_int_equal(va.len, vb.len);
		assert_memory_equal(va.data, vb.data, va.len);
	}
}

static void twin_apply(void *ctx, const struct kv *kv,
		       const struct log_entry *entry)
{
	struct twin *t = ctx;
	struct kv mem = kv_mem(t->map);
	uint8_t buf[STATE_KEY_BYTES_MAX];
	for (int i = 0; i < 20; i++, t->n_ops++) {
		struct bytes key = random_key(&t->rng, buf);
		struct bytes value = {entry->data,
				      rng_below(&t->rng, entry->len)};
		switch (rng_below(&t->rng, 5)) {
		case 0:
		case 1:
			kv->put(kv->ctx, key, value);
			mem.put(mem.ctx, key, value);
			break;
		case 2:
			kv->del(kv->ctx, key);
			mem.del(mem.ctx, key);
			break;
		case 3:
			same_get(kv, &mem, key);
			break;
		default:
			same_seek(kv, &mem, key, rng_chance(&t->rng, 0.5));
		}
	}
}

static void twin_compare(const struct kv *kv, void *ctx)
{
	struct twin *t = ctx;
	struct kv mem = kv_mem(t->map);
	struct bytes at = {0}, value;
	size_t n = 0;
	uint8_t key[STATE_KEY_BYTES_MAX];
	same_seek(kv, &mem, at, false);
	while (kv->seek(kv->ctx, at, at.len > 0, &at, &value)) {
		memcpy(key, at.data, at.len);
		at.data = key;
		same_get(kv, &mem, at);
		same_seek(kv, &mem, at, true);
		n++;
	}
	assert_int_equal(n, map_count(t->map));
}

static void test_the_kv_is_the_one_in_memory(void **state)
{
	struct fixture *f = *state;
	struct twin t = {.map = map_new()};
	rng_init(&t.rng, 7);
	f->machine = (struct state_machine){.ctx = &t, .apply = twin_apply};
	fixture_open_state(f);
	for (uint64_t i = 0; i < 10; i++) {
		fixture_append(f, i * 50 + 1, i * 50 + 50, 1, 3000);
		state_commit(f->state, i * 50 + 50);
		fixture_wait_applied(f, i * 50 + 50);
		state_read(f->state, twin_compare, &t);
	}
	fixture_close_state(f);
	fixture_open_state(f);
	state_read(f->state, twin_compare, &t);
	assert_int_equal(t.n_ops, 10000);
	map_free(t.map);
}

/* What a get lent may be put elsewhere in the same transaction. */
static void move_apply(void *ctx, const struct kv *kv,
		       const struct log_entry *entry)
{
	(void)ctx;
	char from[16], to[16];
	struct bytes value;
	snprintf(from, sizeof(from), "%06" PRIu64, entry->index - 1);
	snprintf(to, sizeof(to), "%06" PRIu64, entry->index);
	if (entry->index == 1)
		value = (struct bytes){entry->data, entry->len};
	else
		assert_true(kv->get(kv->ctx, text(from), &value));
	kv->put(kv->ctx, text(to), value);
}

static void move_check(const struct kv *kv, void *ctx)
{
	struct log_entry first = entry_make(1, 1, 700);
	char key[16];
	for (uint64_t i = 1; i <= *(uint64_t *)ctx; i++) {
		struct bytes value;
		snprintf(key, sizeof(key), "%06" PRIu64, i);
		assert_true(kv->get(kv->ctx, text(key), &value));
		assert_int_equal(value.len, 700);
		assert_memory_equal(value.data, first.data, 700);
	}
	entry_free(&first);
}

static void test_a_lent_value_may_be_put_again(void **state)
{
	struct fixture *f = *state;
	uint64_t n = 3000;
	f->machine = (struct state_machine){.apply = move_apply};
	fixture_open_state(f);
	fixture_append(f, 1, n, 1, 700);
	state_commit(f->state, n);
	fixture_wait_applied(f, n);
	state_read(f->state, move_check, &n);
}

static void test_the_configuration_is_remembered(void **state)
{
	struct fixture *f = *state;
	struct log_entry e[4] = {
		{.index = 1, .term = 1, .type = LOG_COMMAND},
		{.index = 2,
		 .term = 1,
		 .type = LOG_CHANGE,
		 .data = (const uint8_t *)"first",
		 .len = 5},
		{.index = 3, .term = 1, .type = LOG_BARRIER},
		{.index = 4,
		 .term = 2,
		 .type = LOG_CHANGE,
		 .data = (const uint8_t *)"2nd",
		 .len = 3},
	};
	struct state_point p;
	fixture_open_state(f);
	log_append(f->log, e, 4, ++f->ticket);
	fixture_wait(f, f->ticket);
	state_commit(f->state, 1);
	fixture_wait_applied(f, 1);
	state_point(f->state, &p);
	assert_null(p.conf);
	state_commit(f->state, 3);
	fixture_wait_applied(f, 3);
	state_point(f->state, &p);
	assert_int_equal(p.conf_index, 2);
	assert_int_equal(p.conf->len, 5);
	assert_memory_equal(p.conf->data, "first", 5);
	blob_unref(p.conf);
	state_commit(f->state, 4);
	fixture_wait_applied(f, 4);
	fixture_close_state(f);
	fixture_open_state(f);
	state_point(f->state, &p);
	assert_int_equal(p.index, 4);
	assert_int_equal(p.term, 2);
	assert_int_equal(p.conf_index, 4);
	assert_memory_equal(p.conf->data, "2nd", 3);
	blob_unref(p.conf);
}

static void test_large_values_and_many_rows(void **state)
{
	struct fixture *f = *state;
	struct chain c = {0}, read = {0};
	f->machine = chain_machine(&c);
	fixture_open_state(f);
	fixture_append(f, 1, 30, 1, 1 << 20);
	state_commit(f->state, 30);
	fixture_wait_applied(f, 30);
	fixture_append(f, 31, 20000, 1, 30);
	state_commit(f->state, 20000);
	fixture_wait_applied(f, 20000);
	check_point(f, 20000, 1);
	state_read(f->state, chain_read, &read);
	assert_int_equal(read.index, 20000);
	assert_false(state_is_full(f->state));
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_applies_what_is_committed),
		T(test_goes_on_after_a_restart),
		T(test_the_owner_is_told_soon),
		T(test_commits_are_gathered),
		T(test_the_kv_is_the_one_in_memory),
		T(test_a_lent_value_may_be_put_again),
		T(test_the_configuration_is_remembered),
		T(test_large_values_and_many_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
