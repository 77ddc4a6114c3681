#include "cluster/core/command.h"

#include <string.h>

#include "base/check.h"
#include "proto/codec.h"
#include "proto/limits.h"

/* Protobuf tags, field << 3 | wire type 2: Command.append and Append.value. */
enum { TAG_APPEND = 3 << 3 | 2, TAG_VALUE = 1 << 3 | 2 };

static size_t varint_bytes(size_t v)
{
	size_t n = 1;

	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}

static uint8_t *varint_put(uint8_t *p, size_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* Reads a varint of at most five bytes; false at the end or beyond. */
static bool varint_get(struct bytes *in, size_t *out)
{
	size_t v = 0;

	for (unsigned i = 0; i < 5 && i < in->len; i++) {
		v |= (size_t)(in->data[i] & 0x7f) << (7 * i);
		if (in->data[i] & 0x80)
			continue;
		in->data += i + 1;
		in->len -= i + 1;
		*out = v;
		return true;
	}
	return false;
}

/* An empty value is not written at all, as protobuf has it. */
static size_t append_body_bytes(size_t value_len)
{
	return value_len ? 1 + varint_bytes(value_len) + value_len : 0;
}

size_t command_append_bytes(size_t value_len)
{
	size_t body = append_body_bytes(value_len);

	return CODEC_HEADER_BYTES + 1 + varint_bytes(body) + body;
}

void command_append_write(struct bytes value, uint8_t *buf)
{
	size_t body = append_body_bytes(value.len);
	uint8_t *p = buf + CODEC_HEADER_BYTES;

	*p++ = TAG_APPEND;
	p = varint_put(p, body);
	if (value.len) {
		*p++ = TAG_VALUE;
		p = varint_put(p, value.len);
		memcpy(p, value.data, value.len);
		p += value.len;
	}
	codec_seal_in_place(CODEC_COMMAND, buf,
			    (size_t)(p - buf) - CODEC_HEADER_BYTES);
}

struct blob *command_seal(const Synod__Command__Command *command)
{
	return codec_seal(CODEC_COMMAND, &command->base);
}

/* Exactly what command_append_write writes. Other encodings of an append are
 * right as well and take the long way. */
static bool append_lend(struct bytes in, struct bytes *value)
{
	size_t len;

	if (in.len == 0 || in.data[0] != TAG_APPEND)
		return false;
	in.data++;
	in.len--;
	if (!varint_get(&in, &len) || len != in.len)
		return false;
	if (len == 0) {
		*value = in;
		return true;
	}
	if (in.data[0] != TAG_VALUE)
		return false;
	in.data++;
	in.len--;
	if (!varint_get(&in, &len) || len != in.len)
		return false;
	*value = in;
	return true;
}

int command_open(struct bytes payload, struct bytes *value,
		 Synod__Command__Command **command, struct err *e)
{
	struct bytes body;

	*command = NULL;
	if (payload.len < COMMAND_ID_BYTES)
		return err_set(e, ERR_CORRUPT, "no proposal id");
	struct bytes frame = {payload.data + COMMAND_ID_BYTES,
			      payload.len - COMMAND_ID_BYTES};
	int rc = codec_open(CODEC_COMMAND, frame,
			    LIMIT_ENTRY_BYTES + CODEC_HEADER_BYTES, &body, e);
	if (rc)
		return rc;
	if (append_lend(body, value))
		return 0;
	ProtobufCMessage *m =
		codec_unpack(&synod__command__command__descriptor, body, e);
	if (!m)
		return e ? e->code : ERR_CORRUPT;
	*command = (Synod__Command__Command *)m;
	return 0;
}
