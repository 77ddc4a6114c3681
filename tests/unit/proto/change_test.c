#include "proto/change.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "draw_value.h"

enum { ROUNDS = 2000 };

static struct value i64(int64_t n)
{
	return (struct value){
		.state = VALUE_SET, .type = VALUE_INT64, .i64 = n};
}

static void add(struct change_writer *w, enum change_op op, int64_t key)
{
	struct value_buf buf = {0};
	struct value v = i64(key);
	bool is_bare = op == CHANGE_DELETE;

	change_key(&buf, &v, 1);
	change_add(w, &(struct change_row){.op = op,
					   .table_id = 7,
					   .key = {buf.data, buf.len},
					   .values = &v,
					   .n_values = is_bare ? 0 : 1});
	value_buf_free(&buf);
}

static struct bytes written(const struct change_writer *w)
{
	return (struct bytes){w->buf.data, w->buf.len};
}

/* As change_check, on a copy of just that size. */
static int check(const uint8_t *data, size_t len)
{
	uint8_t *copy = mem_alloc(len + 1);

	if (len)
		memcpy(copy + 1, data, len);
	int rc = change_check((struct bytes){copy + 1, len});
	free(copy);
	return rc;
}

static void test_change_reads_what_it_wrote(void **state)
{
	struct change_writer w;
	struct change_reader r;
	struct change_txn t;
	struct change c;
	struct value v;

	change_writer_init(&w);
	change_begin(&w, TXN_LOCAL, 1234);
	add(&w, CHANGE_PUT, 1);
	add(&w, CHANGE_DELETE, 2);
	change_end(&w);
	change_echo(&w, 65, 99);
	change_begin(&w, TXN_LOAD, -5);
	add(&w, CHANGE_READ, 3);
	change_end(&w);
	assert_int_equal(w.n_changes, 3);

	change_reader_init(&r, written(&w));
	assert_int_equal(change_next_txn(&r, &t), 1);
	assert_int_equal(t.kind, TXN_LOCAL);
	assert_int_equal(t.stamp_us, 1234);
	assert_int_equal(t.n_changes, 2);
	assert_int_equal(change_next(&r, &c), 1);
	assert_int_equal(c.op, CHANGE_PUT);
	assert_int_equal(c.table_id, 7);
	assert_int_equal(change_values(&c, &v), 0);
	assert_int_equal(v.i64, 1);
	assert_int_equal(change_key_values(c.key, &v, 1), 1);
	assert_int_equal(change_key_values(c.key, &v, 0), ERR_LIMIT);
	/* The delete is not looked at: it is skipped, and counted. */
	assert_int_equal(change_next_txn(&r, &t), 1);
	assert_int_equal(t.kind, TXN_ECHO);
	assert_int_equal(t.task_id, 65);
	assert_int_equal(t.applied_index, 99);
	assert_int_equal(change_next(&r, &c), 0);
	assert_int_equal(change_next_txn(&r, &t), 1);
	assert_int_equal(t.kind, TXN_LOAD);
	assert_int_equal(r.ordinal, 2);
	assert_int_equal(change_next(&r, &c), 1);
	assert_int_equal(c.op, CHANGE_READ);
	assert_int_equal(change_next(&r, &c), 0);
	assert_int_equal(change_next_txn(&r, &t), 0);
	change_writer_free(&w);
}

static void test_change_an_empty_transaction_leaves_nothing(void **state)
{
	struct change_writer w;

	change_writer_init(&w);
	change_begin(&w, TXN_LOCAL, 1);
	assert_true(change_writer_bytes(&w) > 0);
	change_end(&w);
	assert_int_equal(change_writer_bytes(&w), 0);
	change_begin(&w, TXN_LOCAL, 1);
	add(&w, CHANGE_PUT, 1);
	change_abort(&w);
	assert_int_equal(change_writer_bytes(&w), 0);
	assert_int_equal(w.n_changes, 0);
	change_writer_free(&w);
}

static void test_change_a_transaction_goes_on_behind_a_part(void **state)
{
	struct change_writer w;
	struct change_reader r;
	struct change_txn t;

	change_writer_init(&w);
	change_begin(&w, TXN_LOCAL, 5);
	add(&w, CHANGE_PUT, 1);
	change_part(&w);
	assert_false(w.is_open);
	assert_int_equal(change_check(written(&w)), 0);
	change_reader_init(&r, written(&w));
	assert_int_equal(change_next_txn(&r, &t), 1);
	assert_int_equal(t.kind, TXN_PART);
	assert_int_equal(t.stamp_us, 5);
	assert_int_equal(t.n_changes, 1);

	change_writer_clear(&w);
	change_begin(&w, TXN_LOCAL, 5);
	add(&w, CHANGE_PUT, 2);
	change_end(&w);
	change_reader_init(&r, written(&w));
	assert_int_equal(change_next_txn(&r, &t), 1);
	assert_int_equal(t.kind, TXN_LOCAL);
	assert_int_equal(w.n_changes, 1);
	change_writer_free(&w);
}

static void test_change_nothing_stands_behind_a_part(void **state)
{
	struct change_writer w;
	struct value_buf buf = {0};

	change_writer_init(&w);
	change_begin(&w, TXN_LOCAL, 5);
	add(&w, CHANGE_PUT, 1);
	change_part(&w);
	value_buf_put(&buf, w.buf.data, w.buf.len);
	change_writer_clear(&w);
	change_echo(&w, 1, 1);
	value_buf_put(&buf, w.buf.data, w.buf.len);
	assert_int_equal(check(buf.data, buf.len), ERR_CORRUPT);
	value_buf_free(&buf);
	change_writer_free(&w);
}

static void write_again(struct change_writer *w, const struct change *c)
{
	struct value *values = mem_zero(c->n_values + 1, sizeof *values);

	assert_int_equal(change_values(c, values), 0);
	change_add(w, &(struct change_row){.op = c->op,
					   .table_id = c->table_id,
					   .key = c->key,
					   .old_key = c->old_key,
					   .values = values,
					   .n_values = c->n_values});
	free(values);
}

static void copy_all(struct bytes from, struct change_writer *to)
{
	struct change_reader r;
	struct change_txn t;
	struct change c, alone;
	uint32_t n = 0;

	change_reader_init(&r, from);
	while (change_next_txn(&r, &t) > 0) {
		if (t.kind == TXN_ECHO) {
			change_echo(to, t.task_id, t.applied_index);
			continue;
		}
		change_begin(to, t.kind == TXN_LOAD ? TXN_LOAD : TXN_LOCAL,
			     t.stamp_us);
		while (change_next(&r, &c) > 0) {
			assert_int_equal(r.ordinal, ++n);
			assert_int_equal(change_decode(c.whole, &alone), 0);
			assert_int_equal(alone.op, c.op);
			write_again(to, &c);
		}
		if (t.kind == TXN_PART)
			change_part(to);
		else
			change_end(to);
	}
	assert_false(r.in.is_bad);
	assert_int_equal(to->n_changes, n);
}

static void test_change_any_list_is_the_same_again(void **state)
{
	struct arena arena;
	struct rng rng;

	arena_init(&arena, 4096);
	rng_init(&rng, 4);
	for (int i = 0; i < ROUNDS; i++) {
		struct change_writer w, again;
		change_writer_init(&w);
		change_writer_init(&again);
		draw_changes(&rng, &arena, &w);
		assert_int_equal(check(w.buf.data, w.buf.len), 0);
		copy_all(written(&w), &again);
		assert_int_equal(bytes_compare(written(&w), written(&again)),
				 0);
		assert_int_equal(w.n_changes, again.n_changes);
		change_writer_free(&w);
		change_writer_free(&again);
		arena_clear(&arena);
	}
	arena_free(&arena);
}

/* A cut is refused, unless it falls between two transactions. */
static void test_change_refuses_every_truncation(void **state)
{
	struct arena arena;
	struct rng rng;

	arena_init(&arena, 4096);
	rng_init(&rng, 5);
	for (int i = 0; i < ROUNDS / 20; i++) {
		struct change_writer w;
		struct change_reader r;
		struct change_txn t;
		change_writer_init(&w);
		draw_changes(&rng, &arena, &w);
		change_reader_init(&r, written(&w));
		size_t whole = 0;
		for (size_t len = 0; len < w.buf.len; len++) {
			while (whole < len && change_next_txn(&r, &t) > 0) {
				struct change c;
				while (change_next(&r, &c) > 0)
					;
				whole = (size_t)(r.in.at - w.buf.data);
			}
			int rc = check(w.buf.data, len);
			assert_int_equal(rc, whole == len ? 0 : ERR_CORRUPT);
		}
		change_writer_free(&w);
		arena_clear(&arena);
	}
	arena_free(&arena);
}

static void refuse(const char *what, const void *data, size_t len)
{
	if (check(data, len) != ERR_CORRUPT)
		fail_msg("taken: %s", what);
}

static void test_change_refuses_what_is_no_change(void **state)
{
	enum { TEXT = 16 + VALUE_TEXT };
	/* kind LOCAL, stamp 0, one change: op, table 1, key, values. */
	static const uint8_t good[] = {1, 0, 1, CHANGE_PUT, 1, 1, 2, 1, 2};
	uint8_t bad[sizeof good];

	assert_int_equal(check(good, sizeof good), 0);
	assert_int_equal(check(NULL, 0), 0);
	memcpy(bad, good, sizeof bad);
	bad[0] = TXN__N;
	refuse("an unknown kind", bad, sizeof bad);
	bad[0] = 0;
	refuse("kind 0", bad, sizeof bad);
	memcpy(bad, good, sizeof bad);
	bad[3] = CHANGE__N;
	refuse("an unknown op", bad, sizeof bad);
	bad[3] = 0;
	refuse("op 0", bad, sizeof bad);
	bad[3] = CHANGE_DELETE;
	refuse("a delete with values", bad, sizeof bad);
	bad[3] = CHANGE_TRUNCATE;
	refuse("a truncate with a key", bad, sizeof bad);
	memcpy(bad, good, sizeof bad);
	bad[8] = 1;
	refuse("a put with an unchanged value", bad, sizeof bad);
	memcpy(bad, good, sizeof bad);
	bad[6] = 0;
	refuse("a key with an absent value", bad, sizeof bad);
	refuse("a key that is no value",
	       ((uint8_t[]){1, 0, 1, CHANGE_DELETE, 1, 1, TEXT, 0}), 8);
	refuse("a byte too many",
	       ((uint8_t[]){1, 0, 1, CHANGE_DELETE, 1, 1, 2, 0, 0}), 9);
	refuse("too many values",
	       ((uint8_t[]){1, 0, 1, CHANGE_PUT, 1, 1, 2, 0x81, 8}), 9);
	refuse("a table id of 33 bits",
	       ((uint8_t[]){1, 0, 1, CHANGE_DELETE, 0x80, 0x80, 0x80, 0x80,
			    0x10, 1, 2, 0}),
	       12);
	refuse("no changes", ((uint8_t[]){1, 0, 0}), 3);
	refuse("2^32 - 1 changes",
	       ((uint8_t[]){1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}), 7);
}

static void test_change_one_alone_is_whole(void **state)
{
	struct value_buf buf = {0};
	struct value v = i64(4);
	struct value_buf key = {0};
	struct change c;

	change_key(&key, &v, 1);
	change_encode(&buf, &(struct change_row){.op = CHANGE_PATCH,
						 .table_id = 3,
						 .key = {key.data, key.len},
						 .values = &v,
						 .n_values = 1});
	struct bytes whole = {buf.data, buf.len};
	assert_int_equal(change_decode(whole, &c), 0);
	assert_int_equal(c.op, CHANGE_PATCH);
	assert_int_equal(bytes_compare(c.whole, whole), 0);
	value_buf_put(&buf, "", 1);
	whole = (struct bytes){buf.data, buf.len};
	assert_int_equal(change_decode(whole, &c), ERR_CORRUPT);
	assert_int_equal(change_decode((struct bytes){0}, &c), ERR_CORRUPT);
	value_buf_free(&buf);
	value_buf_free(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_change_reads_what_it_wrote),
		cmocka_unit_test(
			test_change_an_empty_transaction_leaves_nothing),
		cmocka_unit_test(
			test_change_a_transaction_goes_on_behind_a_part),
		cmocka_unit_test(test_change_nothing_stands_behind_a_part),
		cmocka_unit_test(test_change_any_list_is_the_same_again),
		cmocka_unit_test(test_change_refuses_every_truncation),
		cmocka_unit_test(test_change_refuses_what_is_no_change),
		cmocka_unit_test(test_change_one_alone_is_whole),
	};
	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
