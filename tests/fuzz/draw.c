#include "draw.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

enum { REPEATS_MAX = 4, TEXT_MAX = 24 };

static uint64_t draw_number(struct rng *r)
{
	switch (rng_below(r, 4)) {
	case 0:
		return UINT64_MAX;
	case 1:
		return rng_u64(r);
	default:
		return rng_below(r, 300);
	}
}

static char *draw_text(struct rng *r)
{
	size_t len = (size_t)rng_below(r, TEXT_MAX);
	char *text = mem_zero(len + 1, 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)rng_range(r, ' ', '~');
	return text;
}

static ProtobufCBinaryData draw_bytes(struct rng *r)
{
	size_t len = (size_t)rng_below(r, TEXT_MAX);
	ProtobufCBinaryData b = {len, NULL};

	if (len) {
		b.data = mem_alloc(len);
		for (size_t i = 0; i < len; i++)
			b.data[i] = (uint8_t)rng_u64(r);
	}
	return b;
}

/* Give the bytes that one value of this type takes. */
static size_t draw_value(struct rng *r, const ProtobufCFieldDescriptor *field,
			 void *out)
{
	uint64_t number = draw_number(r);
	uint32_t half = (uint32_t)number;
	protobuf_c_boolean flag = number % 2;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)out = draw_text(r);
		return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)out = draw_bytes(r);
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)out = draw_message(r, field->descriptor);
		return sizeof(ProtobufCMessage *);
	case PROTOBUF_C_TYPE_BOOL:
		memcpy(out, &flag, sizeof flag);
		return sizeof flag;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		memcpy(out, &number, sizeof number);
		return sizeof number;
	default: /* 32 bits, enums included */
		memcpy(out, &half, sizeof half);
		return sizeof half;
	}
}

static void draw_repeated(struct rng *r, const ProtobufCFieldDescriptor *field,
			  uint8_t *message)
{
	size_t n = (size_t)rng_below(r, REPEATS_MAX);
	size_t used = 0;

	if (n == 0)
		return;
	uint8_t *values = mem_zero(n, sizeof(ProtobufCBinaryData));
	for (size_t i = 0; i < n; i++)
		used += draw_value(r, field, values + used);
	memcpy(message + field->quantifier_offset, &n, sizeof n);
	memcpy(message + field->offset, &values, sizeof values);
}

static void draw_one_of(struct rng *r, const ProtobufCFieldDescriptor *field,
			uint8_t *message)
{
	uint32_t which;

	/* The last that is drawn would win; the fields share their place. */
	memcpy(&which, message + field->quantifier_offset, sizeof which);
	if (which != 0)
		return;
	draw_value(r, field, message + field->offset);
	memcpy(message + field->quantifier_offset, &field->id,
	       sizeof field->id);
}

static void draw_field(struct rng *r, const ProtobufCFieldDescriptor *field,
		       uint8_t *message)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		draw_repeated(r, field, message);
	else if (rng_chance(r, 0.8))
		draw_value(r, field, message + field->offset);
}

ProtobufCMessage *draw_message(struct rng *r,
			       const ProtobufCMessageDescriptor *type)
{
	uint8_t *message = mem_zero(1, type->sizeof_message);
	unsigned start = (unsigned)rng_below(r, type->n_fields + 1);

	protobuf_c_message_init(type, message);
	for (unsigned i = 0; i < type->n_fields; i++) {
		/* From anywhere: each alternative of a oneof may be first. */
		const ProtobufCFieldDescriptor *field =
			&type->fields[(start + i) % type->n_fields];
		if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			draw_one_of(r, field, message);
		else
			draw_field(r, field, message);
	}
	return (ProtobufCMessage *)(void *)message;
}
