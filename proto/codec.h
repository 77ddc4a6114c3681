/* The one codec: every byte string that leaves the process (a frame to a peer,
 * a request at the door, a command in the log) is sealed with a header that
 * says version, kind, length and checksum, and is opened only when all four
 * are right.
 *
 *   offset  size  field (little-endian)
 *        0     1  version, CODEC_VERSION
 *        1     1  kind, enum codec_kind
 *        2     2  flags, 0
 *        4     4  payload length
 *        8     8  XXH3-64 of the payload, seeded with bytes 0..7 as a u64
 *       16     n  payload: a protobuf message, or raw bytes for its kind
 *
 * Any thread; holds no state. */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"
#include "base/err.h"

enum { CODEC_VERSION = 1, CODEC_HEADER_BYTES = 16 };
/* Of the conversation between nodes; hello refuses another one. */
enum { PROTO_VERSION = 1 };

enum codec_kind {
	CODEC_HELLO = 1,
	CODEC_ENVELOPE,
	CODEC_COMMAND,
	CODEC_REQUEST,
	CODEC_RESPONSE,
	CODEC__N
};

/* Pack and seal. Gives a blob with one reference. */
struct blob *codec_seal(enum codec_kind kind, const ProtobufCMessage *message);

/* Write the header for a payload that already stands at buf + 16. */
void codec_seal_in_place(enum codec_kind kind, uint8_t *buf,
			 size_t payload_len);

/* Check the frame, at most len_max bytes with its header, and lend its payload;
 * untouched on failure. ERR_FORMAT (version), ERR_CORRUPT
 * (length, checksum, flags), ERR_INVALID (another kind), ERR_LIMIT. */
int codec_open(enum codec_kind kind, struct bytes frame, size_t len_max,
	       struct bytes *payload, struct err *e);

/* Unpack a payload. NULL and ERR_CORRUPT when it is no such message or would
 * take more than LIMIT_UNPACK_BYTES of memory. Free with
 * protobuf_c_message_free_unpacked(m, NULL). */
ProtobufCMessage *codec_unpack(const ProtobufCMessageDescriptor *type,
			       struct bytes payload, struct err *e);

#endif
