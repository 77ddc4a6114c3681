#include "proto/codec.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/endian.h"
#include "base/rng.h"
#include "proto/admin.pb-c.h"
#include "proto/command.pb-c.h"
#include "proto/limits.h"
#include "proto/peer.pb-c.h"

enum { LEN_MAX = 1 << 20 };

static struct blob *seal_vote(void)
{
	Synod__Peer__RequestVote vote = SYNOD__PEER__REQUEST_VOTE__INIT;
	Synod__Peer__Message message = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__Message *messages[1] = {&message};
	Synod__Peer__Envelope envelope = SYNOD__PEER__ENVELOPE__INIT;

	vote.term = 7;
	vote.candidate_id = UINT64_MAX;
	vote.last_index = 1000;
	vote.pre_vote = 1;
	message.body_case = SYNOD__PEER__MESSAGE__BODY_REQUEST_VOTE;
	message.request_vote = &vote;
	envelope.n_messages = 1;
	envelope.messages = messages;
	return codec_seal(CODEC_ENVELOPE, &envelope.base);
}

static void test_codec_opens_what_it_sealed(void **state)
{
	struct blob *frame = seal_vote();
	struct bytes payload;
	struct err e = {0};

	assert_int_equal(codec_open(CODEC_ENVELOPE, blob_bytes(frame), LEN_MAX,
				    &payload, &e),
			 0);
	Synod__Peer__Envelope *envelope =
		(Synod__Peer__Envelope *)(void *)codec_unpack(
			&synod__peer__envelope__descriptor, payload, &e);

	assert_non_null(envelope);
	assert_int_equal(envelope->n_messages, 1);
	const Synod__Peer__RequestVote *vote =
		envelope->messages[0]->request_vote;
	assert_int_equal(vote->term, 7);
	assert_true(vote->candidate_id == UINT64_MAX);
	assert_int_equal(vote->last_index, 1000);
	assert_true(vote->pre_vote);
	protobuf_c_message_free_unpacked(&envelope->base, NULL);
	blob_unref(frame);
}

/* The layout that docs/FORMATS.md gives, byte by byte. */
static void test_codec_frame_has_the_written_layout(void **state)
{
	Synod__Command__Append append = SYNOD__COMMAND__APPEND__INIT;
	uint8_t value[] = {'x', 'y'};

	append.value = (ProtobufCBinaryData){sizeof value, value};
	struct blob *frame = codec_seal(CODEC_COMMAND, &append.base);

	static const uint8_t head[] = {1, 3, 0, 0, 4, 0, 0, 0};
	static const uint8_t body[] = {0x0a, 2, 'x', 'y'};
	assert_int_equal(frame->len, 20);
	assert_memory_equal(frame->data, head, sizeof head);
	assert_memory_equal(frame->data + 16, body, sizeof body);
	assert_true(get_u64(frame->data + 8) ==
		    digest64_seed(body, sizeof body, get_u64(head)));
	/* Stored frames must stay readable: the value itself is pinned. */
	assert_true(get_u64(frame->data + 8) == 0x3cb2c23cc362c5bfu);
	blob_unref(frame);
}

static void test_codec_seals_in_place_and_empty(void **state)
{
	uint8_t buf[CODEC_HEADER_BYTES + 3];
	struct bytes payload;

	memcpy(buf + CODEC_HEADER_BYTES, "abc", 3);
	codec_seal_in_place(CODEC_HELLO, buf, 3);
	assert_int_equal(codec_open(CODEC_HELLO,
				    (struct bytes){buf, sizeof buf}, LEN_MAX,
				    &payload, NULL),
			 0);
	assert_int_equal(payload.len, 3);
	assert_ptr_equal(payload.data, buf + CODEC_HEADER_BYTES);

	codec_seal_in_place(CODEC_HELLO, buf, 0);
	assert_int_equal(codec_open(CODEC_HELLO,
				    (struct bytes){buf, CODEC_HEADER_BYTES},
				    LEN_MAX, &payload, NULL),
			 0);
	assert_int_equal(payload.len, 0);
}

static int open_copy(const uint8_t *data, size_t len)
{
	/* On the heap and of the exact size: ASan sees each byte too many. */
	struct blob *copy = blob_copy(data, len);
	struct bytes payload = {NULL, 77};

	int rc = codec_open(CODEC_ENVELOPE, blob_bytes(copy), LEN_MAX, &payload,
			    NULL);
	if (rc) {
		assert_null(payload.data); /* untouched on failure */
		assert_int_equal(payload.len, 77);
	}
	blob_unref(copy);
	return rc;
}

static void test_codec_refuses_every_truncation(void **state)
{
	struct blob *frame = seal_vote();

	for (size_t len = 0; len < frame->len; len++)
		assert_int_equal(open_copy(frame->data, len), ERR_CORRUPT);

	assert_int_equal(open_copy(frame->data, frame->len), 0);
	blob_unref(frame);
}

static void test_codec_refuses_every_extension(void **state)
{
	struct blob *frame = seal_vote();
	uint8_t longer[256] = {0};

	memcpy(longer, frame->data, frame->len);
	for (size_t len = frame->len + 1; len < sizeof longer; len++)
		assert_int_equal(open_copy(longer, len), ERR_CORRUPT);
	blob_unref(frame);
}

static void flip_and_open(const uint8_t *data, size_t len)
{
	static uint8_t copy[4096];

	memcpy(copy, data, len);
	for (size_t bit = 0; bit < len * 8; bit++) {
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		int rc = open_copy(copy, len);
		/* The version is looked at before the checksum. */
		assert_int_equal(rc, bit < 8 ? ERR_FORMAT : ERR_CORRUPT);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(open_copy(copy, len), 0);
}

/* Every length class of the checksum: it has another inner loop for each. */
static void test_codec_refuses_every_bit_flip(void **state)
{
	static const size_t lens[] = {0,  1,  2,  3,   4,   8,   9,   15,
				      16, 17, 64, 128, 129, 240, 241, 600};
	static uint8_t buf[4096];
	struct rng r;

	rng_init(&r, 1);
	for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
		for (size_t j = 0; j < lens[i]; j++)
			buf[CODEC_HEADER_BYTES + j] = (uint8_t)rng_u64(&r);
		codec_seal_in_place(CODEC_ENVELOPE, buf, lens[i]);
		flip_and_open(buf, CODEC_HEADER_BYTES + lens[i]);
		memset(buf, 0, sizeof buf);
		codec_seal_in_place(CODEC_ENVELOPE, buf, lens[i]);
		flip_and_open(buf, CODEC_HEADER_BYTES + lens[i]);
	}
}

static void test_codec_says_what_is_wrong(void **state)
{
	struct blob *frame = seal_vote();
	struct bytes whole = blob_bytes(frame), payload;
	struct err e = {0};

	assert_int_equal(codec_open(CODEC_HELLO, whole, LEN_MAX, &payload, &e),
			 ERR_INVALID);
	assert_string_equal(e.text, "frame of kind 2 where 1 is expected");
	assert_int_equal(
		codec_open(CODEC_ENVELOPE, whole, whole.len - 1, &payload, &e),
		ERR_LIMIT);
	assert_int_equal(
		codec_open(CODEC_ENVELOPE, whole, whole.len, &payload, &e), 0);
	frame->data[0] = 9;
	assert_int_equal(
		codec_open(CODEC_ENVELOPE, whole, LEN_MAX, &payload, &e),
		ERR_FORMAT);
	assert_string_equal(e.text, "frame version 9, this program knows 1");
	blob_unref(frame);
}

/* A later version may give flags a meaning; this one must not guess. */
static void test_codec_refuses_flags_even_when_sealed(void **state)
{
	uint8_t buf[CODEC_HEADER_BYTES] = {CODEC_VERSION, CODEC_ENVELOPE, 1};

	put_u64(buf + 8, digest64_seed(buf + 16, 0, get_u64(buf)));

	assert_int_equal(open_copy(buf, sizeof buf), ERR_CORRUPT);
}

/* A sender that counts wrong: its checksum is right all the same. */
static void test_codec_refuses_a_wrong_length_even_when_sealed(void **state)
{
	uint8_t buf[CODEC_HEADER_BYTES + 4] = {CODEC_VERSION, CODEC_ENVELOPE};

	for (uint32_t claimed = 0; claimed < 8; claimed++) {
		put_u32(buf + 4, claimed);
		put_u64(buf + 8, digest64_seed(buf + 16, 4, get_u64(buf)));
		assert_int_equal(open_copy(buf, sizeof buf),
				 claimed == 4 ? 0 : ERR_CORRUPT);
	}
}

static void test_codec_unpack_refuses_what_is_no_message(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} cases[] = {
		{"\xff", 1}, /* a tag that does not end */
		{"\x0a\x05"
		 "ab",
		 4},                     /* longer than what is there */
		{"\x0a\x02\x0a\x09", 4}, /* so inside a submessage */
		{"\x07\x00", 2},         /* wire type 7 */
	};
	struct err e = {0};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct blob *b = blob_copy(cases[i].data, cases[i].len);
		assert_null(codec_unpack(&synod__peer__envelope__descriptor,
					 blob_bytes(b), &e));
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_non_null(strstr(e.text, "synod.peer.Envelope"));
		blob_unref(b);
	}
}

static void test_codec_unpack_takes_nothing_as_defaults(void **state)
{
	ProtobufCMessage *m = codec_unpack(&synod__peer__hello__descriptor,
					   (struct bytes){NULL, 0}, NULL);

	assert_non_null(m);
	assert_int_equal(((Synod__Peer__Hello *)(void *)m)->node_id, 0);
	assert_string_equal(((Synod__Peer__Hello *)(void *)m)->node_name, "");
	protobuf_c_message_free_unpacked(m, NULL);
}

/* Two bytes on the wire ask for one struct: a frame of the largest size would
 * take a hundred times its size. */
static void test_codec_unpack_has_a_memory_limit(void **state)
{
	size_t len = LIMIT_FRAME_BYTES - CODEC_HEADER_BYTES;
	struct blob *b = blob_new(len);
	struct err e = {0};

	for (size_t i = 0; i + 1 < len; i += 2) {
		b->data[i] = 0x0a;
		b->data[i + 1] = 0;
	}
	assert_null(codec_unpack(&synod__peer__envelope__descriptor,
				 (struct bytes){b->data, len & ~(size_t)1},
				 &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	blob_unref(b);
}

/* The other side of that limit: what is allowed must fit. */
static void test_codec_unpack_takes_the_largest_entry(void **state)
{
	Synod__Peer__ImageChunk chunk = SYNOD__PEER__IMAGE_CHUNK__INIT;
	size_t len = LIMIT_FRAME_BYTES - 1000;
	struct bytes payload;

	chunk.data = (ProtobufCBinaryData){len, mem_zero(len, 1)};
	struct blob *frame = codec_seal(CODEC_ENVELOPE, &chunk.base);
	assert_int_equal(codec_open(CODEC_ENVELOPE, blob_bytes(frame),
				    LIMIT_FRAME_BYTES, &payload, NULL),
			 0);
	ProtobufCMessage *m = codec_unpack(
		&synod__peer__image_chunk__descriptor, payload, NULL);

	assert_non_null(m);
	assert_int_equal(((Synod__Peer__ImageChunk *)(void *)m)->data.len, len);
	protobuf_c_message_free_unpacked(m, NULL);
	free(chunk.data.data);
	blob_unref(frame);
}

static void test_codec_unpack_takes_the_most_messages(void **state)
{
	Synod__Peer__AppendResult result = SYNOD__PEER__APPEND_RESULT__INIT;
	Synod__Peer__Message message = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__Envelope envelope = SYNOD__PEER__ENVELOPE__INIT;
	static Synod__Peer__Message *messages[LIMIT_FRAME_MESSAGES];
	struct bytes payload;

	result.term = result.last_index = UINT64_MAX;
	message.body_case = SYNOD__PEER__MESSAGE__BODY_APPEND_RESULT;
	message.append_result = &result;
	for (size_t i = 0; i < LIMIT_FRAME_MESSAGES; i++)
		messages[i] = &message;
	envelope.n_messages = LIMIT_FRAME_MESSAGES;
	envelope.messages = messages;
	struct blob *frame = codec_seal(CODEC_ENVELOPE, &envelope.base);
	assert_int_equal(codec_open(CODEC_ENVELOPE, blob_bytes(frame),
				    LIMIT_FRAME_BYTES, &payload, NULL),
			 0);
	ProtobufCMessage *m =
		codec_unpack(&synod__peer__envelope__descriptor, payload, NULL);

	assert_non_null(m);
	assert_int_equal(((Synod__Peer__Envelope *)(void *)m)->n_messages,
			 LIMIT_FRAME_MESSAGES);
	protobuf_c_message_free_unpacked(m, NULL);
	blob_unref(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codec_opens_what_it_sealed),
		cmocka_unit_test(test_codec_frame_has_the_written_layout),
		cmocka_unit_test(test_codec_seals_in_place_and_empty),
		cmocka_unit_test(test_codec_refuses_every_truncation),
		cmocka_unit_test(test_codec_refuses_every_extension),
		cmocka_unit_test(test_codec_refuses_every_bit_flip),
		cmocka_unit_test(test_codec_says_what_is_wrong),
		cmocka_unit_test(test_codec_refuses_flags_even_when_sealed),
		cmocka_unit_test(
			test_codec_refuses_a_wrong_length_even_when_sealed),
		cmocka_unit_test(test_codec_unpack_refuses_what_is_no_message),
		cmocka_unit_test(test_codec_unpack_takes_nothing_as_defaults),
		cmocka_unit_test(test_codec_unpack_has_a_memory_limit),
		cmocka_unit_test(test_codec_unpack_takes_the_largest_entry),
		cmocka_unit_test(test_codec_unpack_takes_the_most_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
