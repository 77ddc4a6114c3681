#include "cluster/core/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_is_protobuf),
		cmocka_unit_test(test_open_lends_an_append),
		cmocka_unit_test(test_open_takes_the_long_way),
		cmocka_unit_test(test_open_refuses_damage),
		cmocka_unit_test(test_open_refuses_noise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
