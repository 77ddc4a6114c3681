#include "cluster/core/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "proto/codec.h"

/* An entry's payload: an id and a sealed command. */
static struct bytes entry(const void *sealed, size_t len, uint8_t *buf)
{
	memset(buf, 7, COMMAND_ID_BYTES);
	memcpy(buf + COMMAND_ID_BYTES, sealed, len);
	return (struct bytes){buf, COMMAND_ID_BYTES + len};
}

static struct blob *seal_append(uint8_t *data, size_t len)
{
	Synod__Command__Append append;
	Synod__Command__Command command;

	synod__command__append__init(&append);
	synod__command__command__init(&command);
	append.value = (ProtobufCBinaryData){len, data};
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_APPEND;
	command.append = &append;
	return command_seal(&command);
}

/* Whatever its length, an append by hand is byte for byte protobuf's. */
static void test_append_is_protobuf(void **state)
{
	static const size_t lens[] = {0,     1,     2,     123,   124,    125,
				      126,   127,   128,   129,   255,    16378,
				      16383, 16384, 16385, 70000, 2097152};
	uint8_t *value = malloc(2097152), *buf = malloc(2097152 + 64);

	memset(value, 0xa5, 2097152);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct blob *want = seal_append(value, lens[i]);
		assert_int_equal(command_append_bytes(lens[i]), want->len);
		command_append_write((struct bytes){value, lens[i]}, buf);
		assert_memory_equal(buf, want->data, want->len);
		blob_unref(want);
	}
	free(value);
	free(buf);
}

static void test_open_lends_an_append(void **state)
{
	uint8_t value[300], sealed[400], buf[512];
	Synod__Command__Command *command = (void *)value;
	struct bytes got;

	memset(value, 3, sizeof(value));
	for (size_t len = 0; len <= sizeof(value); len++) {
		command_append_write((struct bytes){value, len}, sealed);
		struct bytes payload =
			entry(sealed, command_append_bytes(len), buf);
		assert_int_equal(command_open(payload, &got, &command, NULL),
				 0);
		assert_null(command);
		assert_int_equal(got.len, len);
		assert_memory_equal(got.data, value, len);
	}
}

/* Another encoding of the same append: the fields twice, the last one counts.
 */
static void test_open_takes_the_long_way(void **state)
{
	static const uint8_t twice[] = {0x1a, 3, 0x0a, 1, 'a',
					0x1a, 3, 0x0a, 1, 'b'};
	uint8_t sealed[64], buf[128];
	Synod__Command__Command *command;
	struct bytes value;

	memcpy(sealed + CODEC_HEADER_BYTES, twice, sizeof(twice));
	codec_seal_in_place(CODEC_COMMAND, sealed, sizeof(twice));
	struct bytes payload =
		entry(sealed, CODEC_HEADER_BYTES + sizeof(twice), buf);
	assert_int_equal(command_open(payload, &value, &command, NULL), 0);
	assert_non_null(command);
	assert_int_equal(command->body_case,
			 SYNOD__COMMAND__COMMAND__BODY_APPEND);
	assert_int_equal(command->append->value.len, 1);
	assert_int_equal(command->append->value.data[0], 'b');
	synod__command__command__free_unpacked(command, NULL);
}

/* No prefix and no flipped bit of an entry passes for a command. */
static void test_open_refuses_damage(void **state)
{
	uint8_t value[40], sealed[96], buf[128];
	Synod__Command__Command *command;
	struct bytes got;

	memset(value, 9, sizeof(value));
	command_append_write((struct bytes){value, sizeof(value)}, sealed);
	struct bytes payload =
		entry(sealed, command_append_bytes(sizeof(value)), buf);
	for (size_t len = 0; len < payload.len; len++) {
		struct bytes cut = {payload.data, len};
		assert_int_not_equal(command_open(cut, &got, &command, NULL),
				     0);
	}
	for (size_t bit = 8 * COMMAND_ID_BYTES; bit < 8 * payload.len; bit++) {
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(
			command_open(payload, &got, &command, NULL), 0);
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* Sealed bytes that are no message are refused with a reason. */
static void test_open_refuses_noise(void **state)
{
	static const uint8_t noise[] = {0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
	uint8_t sealed[64], buf[128];
	Synod__Command__Command *command;
	struct err e = {0};
	struct bytes value;

	memcpy(sealed + CODEC_HEADER_BYTES, noise, sizeof(noise));
	codec_seal_in_place(CODEC_COMMAND, sealed, sizeof(noise));
	struct bytes payload =
		entry(sealed, CODEC_HEADER_BYTES + sizeof(noise), buf);
	assert_int_equal(command_open(payload, &value, &command, &e),
			 ERR_CORRUPT);
	assert_true(strlen(e.text) > 0);
	assert_null(command);
}

/* -- a batch is lent ------------------------------------------------------- */
static struct blob *seal_batch(Synod__Command__Batch *batch)
{
	Synod__Command__Command command;

	synod__command__command__init(&command);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_BATCH;
	command.batch = batch;
	return command_seal(&command);
}

static void same_bytes(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
	assert_int_equal(a.len, b.len);
	if (a.len)
		assert_memory_equal(a.data, b.data, a.len);
}

static void same_batch(const Synod__Command__Batch *a,
		       const Synod__Command__Batch *b)
{
	assert_int_equal(a->task_id, b->task_id);
	assert_true(a->epoch == b->epoch);
	same_bytes(a->from, b->from);
	same_bytes(a->to, b->to);
	same_bytes(a->changes, b->changes);
	assert_true(a->time_us == b->time_us);
}

static bool is_within(const void *p, struct bytes payload)
{
	uintptr_t at = (uintptr_t)p, from = (uintptr_t)payload.data;

	return at >= from && at < from + payload.len;
}

/* Every field at every size of its number, and each one left out. */
static void test_view_lends_a_batch(void **state)
{
	static uint8_t data[70000], buf[72000];
	static const uint64_t numbers[] = {
		0, 1, 127, 128, 1u << 21, UINT32_MAX, 1ull << 35, UINT64_MAX};
	static const size_t lens[] = {0, 1, 127, 128, 16384, 70000};

	memset(data, 0x5a, sizeof(data));
	for (unsigned i = 0; i < 8 * 6 * 32; i++) {
		uint64_t n = numbers[i % 8];
		size_t len = lens[i / 8 % 6];
		Synod__Command__Batch b;
		struct command_view v;

		synod__command__batch__init(&b);
		b.task_id = i / 48 & 1 ? (uint32_t)n : 0;
		b.epoch = i / 48 & 2 ? n : 0;
		if (i / 48 & 4)
			b.from = (ProtobufCBinaryData){len < 99 ? len : 99,
						       data};
		if (i / 48 & 8)
			b.changes = (ProtobufCBinaryData){len, data};
		b.to = (ProtobufCBinaryData){1, data};
		b.time_us = i / 48 & 16 ? (int64_t)n : 0;
		struct blob *sealed = seal_batch(&b);
		struct bytes payload = entry(sealed->data, sealed->len, buf);

		assert_int_equal(command_view_open(&v, payload, NULL), 0);
		assert_int_equal(v.kind, COMMAND_BATCH);
		assert_null(v.tree);
		same_batch(&v.batch, &b);
		assert_true(!v.batch.changes.len ||
			    is_within(v.batch.changes.data, payload));
		command_view_clear(&v);
		blob_unref(sealed);
	}
}

static int open_body(const void *body, size_t len, uint8_t *buf,
		     struct command_view *v)
{
	uint8_t sealed[256];

	memcpy(sealed + CODEC_HEADER_BYTES, body, len);
	codec_seal_in_place(CODEC_COMMAND, sealed, len);
	return command_view_open(
		v, entry(sealed, CODEC_HEADER_BYTES + len, buf), NULL);
}

/* Right by protobuf's rules, and not what protobuf-c writes. */
static void test_view_understands_other_encodings(void **state)
{
	static const uint8_t swapped[] = {0x4a, 4, 0x10, 9, 0x08, 3};
	static const uint8_t twice[] = {0x4a, 4, 0x08, 3, 0x08, 4};
	static const uint8_t unknown[] = {0x4a, 4, 0x08, 3, 0x38, 1};
	static const uint8_t longer[] = {0x4a, 4, 0x08, 0x83, 0x80, 0};
	static const uint8_t parts[] = {0x4a, 2, 0x08, 3, 0x4a, 2, 0x10, 9};
	static const uint8_t append[] = {0x1a, 3, 0x0a, 1, 'a',
					 0x1a, 3, 0x0a, 1, 'b'};
	struct command_view v;
	uint8_t buf[512];

	assert_int_equal(open_body(swapped, sizeof(swapped), buf, &v), 0);
	assert_int_equal(v.kind, COMMAND_BATCH);
	assert_int_equal(v.batch.task_id, 3);
	assert_int_equal(v.batch.epoch, 9);
	command_view_clear(&v);
	assert_int_equal(open_body(twice, sizeof(twice), buf, &v), 0);
	assert_int_equal(v.batch.task_id, 4);
	command_view_clear(&v);
	assert_int_equal(open_body(unknown, sizeof(unknown), buf, &v), 0);
	assert_int_equal(v.batch.task_id, 3);
	command_view_clear(&v);
	assert_int_equal(open_body(longer, sizeof(longer), buf, &v), 0);
	assert_int_equal(v.batch.task_id, 3);
	command_view_clear(&v);
	assert_int_equal(open_body(parts, sizeof(parts), buf, &v), 0);
	assert_int_equal(v.kind, COMMAND_BATCH);
	command_view_clear(&v);
	assert_int_equal(open_body(append, sizeof(append), buf, &v), 0);
	assert_int_equal(v.kind, COMMAND_APPEND);
	assert_int_equal(v.value.len, 1);
	assert_int_equal(v.value.data[0], 'b');
	command_view_clear(&v);
}

static void test_view_opens_the_other_commands(void **state)
{
	static const uint8_t event[] = {0x22, 3, 0x0a, 1, 'a'};
	static const uint8_t append[] = {0x1a, 3, 0x0a, 1, 'a'};
	struct command_view v;
	uint8_t buf[512];

	assert_int_equal(open_body(event, sizeof(event), buf, &v), 0);
	assert_int_equal(v.kind, COMMAND_OTHER);
	assert_string_equal(v.tree->event->type, "a");
	command_view_clear(&v);
	assert_int_equal(open_body(append, sizeof(append), buf, &v), 0);
	assert_int_equal(v.kind, COMMAND_APPEND);
	assert_null(v.tree);
	command_view_clear(&v);
	assert_int_equal(open_body("", 0, buf, &v), 0);
	assert_int_equal(v.kind, COMMAND_OTHER);
	command_view_clear(&v);
}

/* Cut anywhere and changed anywhere: the same answer as protobuf-c gives, and
 * never a byte from behind the end. */
static void test_view_agrees_with_protobuf_on_noise(void **state)
{
	struct rng r;
	uint8_t buf[512], body[128];

	rng_init(&r, 5);
	for (int i = 0; i < 50000; i++) {
		uint8_t good[] = {0x4a, 22,  0x08, 3,   0x10, 0xff, 0x01, 0x1a,
				  3,    'a', 'b',  'c', 0x22, 2,    'd',  'e',
				  0x2a, 3,   'x',  'y', 'z',  0x30, 0x80, 0x01};
		size_t len = sizeof(good);
		Synod__Command__Command *tree;
		struct command_view v;
		struct bytes value;

		memcpy(body, good, len);
		if (rng_chance(&r, 0.5))
			len = rng_below(&r, len);
		for (uint64_t n = rng_below(&r, 4); n > 0 && len; n--)
			body[rng_below(&r, len)] = (uint8_t)rng_u64(&r);
		if (len > 1 && rng_chance(&r, 0.5))
			body[1] = (uint8_t)(len - 2);
		int rc = open_body(body, len, buf, &v);
		struct bytes payload = {buf, COMMAND_ID_BYTES +
						     CODEC_HEADER_BYTES + len};
		assert_int_equal(rc,
				 command_open(payload, &value, &tree, NULL));
		if (rc)
			continue;
		assert_int_equal(
			v.kind == COMMAND_BATCH,
			tree && tree->body_case ==
					SYNOD__COMMAND__COMMAND__BODY_BATCH);
		if (v.kind == COMMAND_BATCH)
			same_batch(&v.batch, tree->batch);
		if (tree)
			synod__command__command__free_unpacked(tree, NULL);
		command_view_clear(&v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_is_protobuf),
		cmocka_unit_test(test_open_lends_an_append),
		cmocka_unit_test(test_open_takes_the_long_way),
		cmocka_unit_test(test_open_refuses_damage),
		cmocka_unit_test(test_open_refuses_noise),
		cmocka_unit_test(test_view_lends_a_batch),
		cmocka_unit_test(test_view_understands_other_encodings),
		cmocka_unit_test(test_view_opens_the_other_commands),
		cmocka_unit_test(test_view_agrees_with_protobuf_on_noise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
