#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/endian.h"
#include "base/kv.h"
#include "base/rng.h"

/* The naive model: a sorted array, searched from its beginning. */
enum { MODEL_MAX = 4096, ITEM_MAX = 24 };

struct item {
	uint8_t key[ITEM_MAX], value[ITEM_MAX];
	size_t key_len, value_len;
};

struct model {
	struct item items[MODEL_MAX];
	size_t n;
};

static struct bytes item_key(const struct item *i)
{
	return (struct bytes){i->key, i->key_len};
}

static size_t model_at(const struct model *m, struct bytes key)
{
	size_t i = 0;

	while (i < m->n && bytes_compare(item_key(&m->items[i]), key) < 0)
		i++;
	return i;
}

static bool model_has(const struct model *m, size_t i, struct bytes key)
{
	return i < m->n && bytes_compare(item_key(&m->items[i]), key) == 0;
}

static void model_put(struct model *m, struct bytes key, struct bytes value)
{
	size_t i = model_at(m, key);

	if (!model_has(m, i, key)) {
		assert_true(m->n < MODEL_MAX);
		memmove(&m->items[i + 1], &m->items[i],
			(m->n - i) * sizeof m->items[0]);
		m->n++;
	}
	memcpy(m->items[i].key, key.data, key.len);
	m->items[i].key_len = key.len;
	memcpy(m->items[i].value, value.data, value.len);
	m->items[i].value_len = value.len;
}

static bool model_delete(struct model *m, struct bytes key)
{
	size_t i = model_at(m, key);

	if (!model_has(m, i, key))
		return false;
	m->n--;
	memmove(&m->items[i], &m->items[i + 1],
		(m->n - i) * sizeof m->items[0]);
	return true;
}

static void assert_same(struct bytes a, struct bytes b)
{
	assert_int_equal(a.len, b.len);
	assert_int_equal(bytes_compare(a, b), 0);
}

static void check_seek(const struct map *map, const struct model *model,
		       struct bytes from, bool after)
{
	struct bytes key, value;
	size_t i = model_at(model, from);

	if (after && model_has(model, i, from))
		i++;
	bool found = map_seek(map, from, after, &key, &value);
	assert_int_equal(found, i < model->n);
	if (!found)
		return;
	assert_same(key, item_key(&model->items[i]));
	assert_same(value, (struct bytes){model->items[i].value,
					  model->items[i].value_len});
}

/* The whole walk: order, no key lost, none twice. */
static void check_walk(const struct map *map, const struct model *model)
{
	struct bytes key = {NULL, 0}, value;
	size_t n = 0;

	map_check(map);
	assert_int_equal(map_count(map), model->n);
	while (map_seek(map, key, n > 0, &key, &value)) {
		assert_true(n < model->n);
		assert_same(key, item_key(&model->items[n]));
		n++;
	}
	assert_int_equal(n, model->n);
}

static size_t draw_bytes(struct rng *r, uint8_t *out, unsigned alphabet)
{
	size_t len = (size_t)rng_below(r, alphabet > 4 ? 3 : ITEM_MAX / 3);

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)rng_below(r, alphabet);
	return len;
}

static void step(struct map *map, struct model *model, struct rng *r,
		 unsigned alphabet)
{
	uint8_t key_data[ITEM_MAX], value_data[ITEM_MAX];
	struct bytes key = {key_data, draw_bytes(r, key_data, alphabet)};
	struct bytes value = {value_data, draw_bytes(r, value_data, 256)};
	struct bytes got = {NULL, 0};
	bool is_there = model_has(model, model_at(model, key), key);

	switch (rng_below(r, 8)) {
	case 0:
	case 1:
	case 2:
		map_put(map, key, value);
		model_put(model, key, value);
		assert_true(map_get(map, key, &got));
		assert_same(got, value);
		break;
	case 3:
	case 4:
		assert_int_equal(map_delete(map, key),
				 model_delete(model, key));
		assert_false(map_get(map, key, &got));
		break;
	case 5:
		assert_int_equal(map_get(map, key, &got), is_there);
		break;
	default:
		check_seek(map, model, key, rng_chance(r, 0.5));
	}
}

static void test_map_against_a_naive_model(void **state)
{
	static const unsigned alphabets[] = {2, 3, 256};
	static struct model model;

	for (uint64_t seed = 0; seed < 30; seed++) {
		struct map *map = map_new();
		struct rng r;
		rng_init(&r, seed);
		model.n = 0;
		for (int i = 0; i < 2000; i++) {
			step(map, &model, &r, alphabets[seed % 3]);
			if (i % 100 == 0)
				check_walk(map, &model);
		}
		check_walk(map, &model);
		map_free(map);
	}
}

/* Sorted keys are what a log gives: a plain tree would become a list. Each
 * order leans on other rotations. */
enum { N_SORTED = 2000, N_ORDERS = 3 };

static uint32_t sorted_key(int order, uint32_t i)
{
	if (order == 0)
		return i;
	if (order == 1)
		return N_SORTED - 1 - i;
	/* From both ends to the middle. */
	return i % 2 ? N_SORTED - 1 - i / 2 : i / 2;
}

static void test_map_stays_balanced_under_sorted_keys(void **state)
{
	uint8_t data[8];
	struct bytes key = {data, sizeof data}, got;

	for (int order = 0; order < N_ORDERS; order++) {
		struct map *map = map_new();
		for (uint32_t i = 0; i < N_SORTED; i++) {
			put_u64_be(data, sorted_key(order, i));
			map_put(map, key, key);
		}
		map_check(map);
		assert_int_equal(map_count(map), N_SORTED);
		for (uint32_t i = 0; i < N_SORTED; i++) {
			put_u64_be(data, sorted_key(order, i));
			assert_true(map_get(map, key, &got));
			assert_true(map_delete(map, key));
			if (i % 100 == 0)
				map_check(map);
		}
		assert_int_equal(map_count(map), 0);
		map_free(map);
	}
}

static void test_map_value_stays_while_others_change(void **state)
{
	struct map *map = map_new();
	struct bytes kept, key = {(const uint8_t *)"m", 1};
	uint8_t other[2];

	map_put(map, key, (struct bytes){(const uint8_t *)"kept", 4});
	assert_true(map_get(map, key, &kept));
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 500; i++) {
			struct bytes k = {other, 2};
			other[0] = (uint8_t)i;
			other[1] = (uint8_t)(i >> 8);
			if (round == 0)
				map_put(map, k, k);
			else
				map_delete(map, k);
		}
	}

	assert_memory_equal(kept.data, "kept", 4);
	map_free(map);
}

static void test_map_takes_slices_of_itself(void **state)
{
	struct map *map = map_new();
	struct bytes key = {(const uint8_t *)"key", 3}, k, v;

	map_put(map, key, (struct bytes){(const uint8_t *)"value", 5});
	assert_true(map_seek(map, key, false, &k, &v));
	map_put(map, k, (struct bytes){v.data + 1, 3});
	assert_true(map_seek(map, key, false, &k, &v));

	assert_memory_equal(v.data, "alu", 3);
	assert_true(map_delete(map, k));
	assert_int_equal(map_count(map), 0);
	map_free(map);
	map_free(NULL);
}

static void test_kv_mem_is_the_map(void **state)
{
	struct map *map = map_new();
	struct kv kv = kv_mem(map);
	struct bytes a = {(const uint8_t *)"a", 1};
	struct bytes b = {(const uint8_t *)"b", 1}, key, value;

	kv.put(kv.ctx, a, b);
	assert_true(kv.get(kv.ctx, a, &value));
	assert_memory_equal(value.data, "b", 1);
	assert_false(kv.get(kv.ctx, b, &value));
	assert_true(kv.seek(kv.ctx, a, false, &key, &value));
	assert_false(kv.seek(kv.ctx, a, true, &key, &value));
	kv.del(kv.ctx, b); /* what is not there may go, too */
	kv.del(kv.ctx, a);

	assert_int_equal(map_count(map), 0);
	map_free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_against_a_naive_model),
		cmocka_unit_test(test_map_stays_balanced_under_sorted_keys),
		cmocka_unit_test(test_map_value_stays_while_others_change),
		cmocka_unit_test(test_map_takes_slices_of_itself),
		cmocka_unit_test(test_kv_mem_is_the_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
