#include "cluster/core/command.h"

#include <stdbool.h>
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

/* -- a batch without a copy ------------------------------------------------ */
enum { TAG_BATCH = 9 << 3 | 2 };
enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static bool wide_varint_get(struct bytes *in, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 10 && i < in->len; i++) {
		/* The tenth byte has room for one bit. */
		if (i == 9 && in->data[i] > 1)
			return false;
		v |= (uint64_t)(in->data[i] & 0x7f) << (7 * i);
		if (in->data[i] & 0x80)
			continue;
		in->data += i + 1;
		in->len -= i + 1;
		*out = v;
		return true;
	}
	return false;
}

/* protobuf-c declares its bytes writable and never writes them. */
static ProtobufCBinaryData lend(struct bytes in, size_t len)
{
	return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)in.data};
}

static bool batch_bytes(struct bytes *in, ProtobufCBinaryData *out)
{
	size_t len;

	if (!varint_get(in, &len) || len > in->len)
		return false;
	*out = lend(*in, len);
	in->data += len;
	in->len -= len;
	return true;
}

static bool batch_field(unsigned field, struct bytes *in,
			Synod__Command__Batch *b)
{
	uint64_t n = 0;

	switch (field) {
	case 1:
		if (!wide_varint_get(in, &n) || n > UINT32_MAX)
			return false;
		b->task_id = (uint32_t)n;
		return true;
	case 2:
		return wide_varint_get(in, &b->epoch);
	case 3:
		return batch_bytes(in, &b->from);
	case 4:
		return batch_bytes(in, &b->to);
	case 5:
		return batch_bytes(in, &b->changes);
	default:
		if (!wide_varint_get(in, &n))
			return false;
		b->time_us = (int64_t)n;
		return true;
	}
}

/* What protobuf-c writes: known fields, ascending, each at most once. */
static bool batch_lend(struct bytes in, Synod__Command__Batch *b)
{
	static const uint8_t wire[] = {
		[1] = WIRE_VARINT, [2] = WIRE_VARINT, [3] = WIRE_BYTES,
		[4] = WIRE_BYTES,  [5] = WIRE_BYTES,  [6] = WIRE_VARINT,
	};
	unsigned last = 0;
	size_t len;

	if (in.len == 0 || in.data[0] != TAG_BATCH)
		return false;
	in.data++;
	in.len--;
	if (!varint_get(&in, &len) || len != in.len)
		return false;
	synod__command__batch__init(b);
	while (in.len) {
		unsigned tag = in.data[0], field = tag >> 3;

		if (field <= last || field >= sizeof(wire) ||
		    (tag & 7) != wire[field])
			return false;
		in.data++;
		in.len--;
		last = field;
		if (!batch_field(field, &in, b))
			return false;
	}
	return true;
}

/* -- opening --------------------------------------------------------------- */
static int body_open(struct bytes payload, struct bytes *body, struct err *e)
{
	if (payload.len < COMMAND_ID_BYTES)
		return err_set(e, ERR_CORRUPT, "no proposal id");
	struct bytes frame = {payload.data + COMMAND_ID_BYTES,
			      payload.len - COMMAND_ID_BYTES};
	return codec_open(CODEC_COMMAND, frame,
			  LIMIT_ENTRY_BYTES + CODEC_HEADER_BYTES, body, e);
}

static int tree_open(struct bytes body, Synod__Command__Command **tree,
		     struct err *e)
{
	ProtobufCMessage *m =
		codec_unpack(&synod__command__command__descriptor, body, e);

	if (!m)
		return e ? e->code : ERR_CORRUPT;
	*tree = (Synod__Command__Command *)m;
	return 0;
}

int command_open(struct bytes payload, struct bytes *value,
		 Synod__Command__Command **command, struct err *e)
{
	struct bytes body;
	int rc = body_open(payload, &body, e);

	*command = NULL;
	if (rc || append_lend(body, value))
		return rc;
	return tree_open(body, command, e);
}

int command_view_open(struct command_view *v, struct bytes payload,
		      struct err *e)
{
	struct bytes body;
	int rc = body_open(payload, &body, e);

	v->tree = NULL;
	if (rc)
		return rc;
	v->kind = COMMAND_APPEND;
	if (append_lend(body, &v->value))
		return 0;
	v->kind = COMMAND_BATCH;
	if (batch_lend(body, &v->batch))
		return 0;
	rc = tree_open(body, &v->tree, e);
	if (rc)
		return rc;
	v->kind = COMMAND_OTHER;
	if (v->tree->body_case == SYNOD__COMMAND__COMMAND__BODY_APPEND) {
		v->kind = COMMAND_APPEND;
		v->value = (struct bytes){v->tree->append->value.data,
					  v->tree->append->value.len};
	}
	if (v->tree->body_case == SYNOD__COMMAND__COMMAND__BODY_BATCH) {
		v->kind = COMMAND_BATCH;
		v->batch = *v->tree->batch;
	}
	return 0;
}

void command_view_clear(struct command_view *v)
{
	if (v->tree)
		synod__command__command__free_unpacked(v->tree, NULL);
	v->tree = NULL;
}
