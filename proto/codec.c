#include "proto/codec.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/endian.h"
#include "proto/limits.h"

/* Offsets of the header's fields. */
enum {
	AT_VERSION = 0,
	AT_KIND = 1,
	AT_FLAGS = 2,
	AT_LENGTH = 4,
	AT_DIGEST = 8,
};

/* The first eight bytes are the seed: a payload under another kind, length or
 * version has another checksum. */
static uint64_t frame_digest(const uint8_t *frame, size_t payload_len)
{
	return digest64_seed(frame + CODEC_HEADER_BYTES, payload_len,
			     get_u64(frame));
}

void codec_seal_in_place(enum codec_kind kind, uint8_t *buf, size_t payload_len)
{
	CHECK(kind > 0 && kind < CODEC__N);
	CHECK(payload_len <= UINT32_MAX);
	buf[AT_VERSION] = CODEC_VERSION;
	buf[AT_KIND] = (uint8_t)kind;
	put_u16(buf + AT_FLAGS, 0);
	put_u32(buf + AT_LENGTH, (uint32_t)payload_len);
	put_u64(buf + AT_DIGEST, frame_digest(buf, payload_len));
}

struct blob *codec_seal(enum codec_kind kind, const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	struct blob *frame = blob_new(CODEC_HEADER_BYTES + len);
	size_t packed = protobuf_c_message_pack(
		message, frame->data + CODEC_HEADER_BYTES);

	CHECK(packed == len); /* somebody changed the message meanwhile */
	codec_seal_in_place(kind, frame->data, len);
	return frame;
}

/* Version first: the rest of a header that we do not know means nothing. */
static int check_header(struct bytes frame, size_t len_max, struct err *e)
{
	if (frame.len > len_max)
		return err_set(e, ERR_LIMIT,
			       "a frame of %zu bytes is over the limit of %zu",
			       frame.len, len_max);
	if (frame.len < CODEC_HEADER_BYTES)
		return err_set(e, ERR_CORRUPT,
			       "a frame of %zu bytes has no room for a header",
			       frame.len);
	if (frame.data[AT_VERSION] != CODEC_VERSION)
		return err_set(e, ERR_FORMAT,
			       "frame version %u, this program knows %d",
			       frame.data[AT_VERSION], CODEC_VERSION);
	if (get_u16(frame.data + AT_FLAGS) != 0)
		return err_set(e, ERR_CORRUPT, "frame with unknown flags");
	if (get_u32(frame.data + AT_LENGTH) != frame.len - CODEC_HEADER_BYTES)
		return err_set(e, ERR_CORRUPT,
			       "a frame of %zu bytes claims a payload of %u",
			       frame.len, get_u32(frame.data + AT_LENGTH));
	return 0;
}

int codec_open(enum codec_kind kind, struct bytes frame, size_t len_max,
	       struct bytes *payload, struct err *e)
{
	int rc = check_header(frame, len_max, e);

	if (rc)
		return rc;
	size_t len = frame.len - CODEC_HEADER_BYTES;
	if (get_u64(frame.data + AT_DIGEST) != frame_digest(frame.data, len))
		return err_set(e, ERR_CORRUPT,
			       "a frame of %zu bytes fails its checksum",
			       frame.len);
	/* Behind the checksum: only now is the kind what the sender wrote. */
	if (frame.data[AT_KIND] != kind)
		return err_set(e, ERR_INVALID,
			       "frame of kind %u where %d is expected",
			       frame.data[AT_KIND], (int)kind);
	*payload = (struct bytes){frame.data + CODEC_HEADER_BYTES, len};
	return 0;
}

/* Two bytes of payload can become a struct of a hundred: what a message may
 * cost in memory has a limit of its own. */
static void *budget_alloc(void *ctx, size_t size)
{
	size_t *left = ctx;

	if (size > *left)
		return NULL;
	*left -= size;
	return mem_alloc(size);
}

static void budget_free(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

ProtobufCMessage *codec_unpack(const ProtobufCMessageDescriptor *type,
			       struct bytes payload, struct err *e)
{
	static const uint8_t nothing[1];
	size_t left = LIMIT_UNPACK_BYTES;
	ProtobufCAllocator budget = {budget_alloc, budget_free, &left};

	ProtobufCMessage *message = protobuf_c_message_unpack(
		type, &budget, payload.len,
		payload.data ? payload.data : nothing);
	if (!message)
		err_set(e, ERR_CORRUPT, "%zu bytes are not a valid %s",
			payload.len, type->name);
	return message;
}
