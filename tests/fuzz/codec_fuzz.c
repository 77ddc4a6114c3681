/* proto/codec: a frame that opens is, byte for byte, the frame that its payload
 * would be sealed into; it opens as one kind only; and its payload, right or
 * wrong, is unpacked or refused. */
#include "replay.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "message_types.h"
#include "proto/limits.h"

static void unpack(enum codec_kind kind, struct bytes payload)
{
	ProtobufCMessage *m =
		codec_unpack(message_type_of(kind), payload, NULL);

	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
}

static void check_canonical(enum codec_kind kind, struct bytes frame,
			    struct bytes payload)
{
	struct blob *again = blob_new(CODEC_HEADER_BYTES + payload.len);

	CHECK(payload.len == frame.len - CODEC_HEADER_BYTES);
	if (payload.len)
		memcpy(again->data + CODEC_HEADER_BYTES, payload.data,
		       payload.len);
	codec_seal_in_place(kind, again->data, payload.len);
	CHECK(bytes_compare(blob_bytes(again), frame) == 0);
	blob_unref(again);
}

/* How many kinds the frame opens as. */
static int open_all(struct bytes frame)
{
	struct bytes payload;
	int n_opened = 0;

	for (int i = 1; i < CODEC__N; i++) {
		enum codec_kind kind = (enum codec_kind)i;
		if (codec_open(kind, frame, LIMIT_FRAME_BYTES, &payload, NULL))
			continue;
		check_canonical(kind, frame, payload);
		unpack(kind, payload);
		n_opened++;
	}
	return n_opened;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CHECK(open_all((struct bytes){data, len}) <= 1);
	if (len < CODEC_HEADER_BYTES)
		return 0;
	/* Mutations break the checksum: seal again, to get behind it. */
	struct blob *sealed = blob_copy(data, len);
	int kind = data[1] % (CODEC__N - 1) + 1;
	codec_seal_in_place((enum codec_kind)kind, sealed->data,
			    len - CODEC_HEADER_BYTES);
	CHECK(open_all(blob_bytes(sealed)) == 1);
	blob_unref(sealed);
	return 0;
}
