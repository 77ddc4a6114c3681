/* Every message type: bytes are refused or become a message that packs into
 * bytes which mean the same message. */
#include "replay.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "message_types.h"

static bool has_strangers(const ProtobufCMessage *m);

static bool field_has_strangers(const ProtobufCFieldDescriptor *field,
				const uint8_t *message)
{
	const void *at = message + field->offset;
	uint32_t which;
	size_t n;

	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		ProtobufCMessage **values;
		memcpy(&n, message + field->quantifier_offset, sizeof n);
		memcpy(&values, at, sizeof values);
		for (size_t i = 0; i < n; i++)
			if (has_strangers(values[i]))
				return true;
		return false;
	}
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		memcpy(&which, message + field->quantifier_offset,
		       sizeof which);
		if (which != field->id)
			return false;
	}
	return has_strangers(*(ProtobufCMessage *const *)at);
}

/* Fields of a later version are kept as they came. protobuf-c takes one with
 * the number 0 there, in an overlong form, and refuses it once it has packed it
 * itself: such a message is not packed again. */
static bool has_strangers(const ProtobufCMessage *m)
{
	if (!m)
		return false;
	if (m->n_unknown_fields)
		return true;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		if (field_has_strangers(&m->descriptor->fields[i],
					(const uint8_t *)m))
			return true;
	return false;
}

static struct blob *pack(const ProtobufCMessage *m)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	struct blob *b = blob_new(len);

	CHECK(protobuf_c_message_pack(m, b->data) == len);
	return b;
}

static void check_stable(const ProtobufCMessage *first)
{
	struct blob *packed = pack(first);
	ProtobufCMessage *second =
		codec_unpack(first->descriptor, blob_bytes(packed), NULL);
	CHECK(second != NULL || has_strangers(first));

	if (second) {
		struct blob *again = pack(second);
		CHECK(bytes_compare(blob_bytes(packed), blob_bytes(again)) ==
		      0);
		blob_unref(again);
		protobuf_c_message_free_unpacked(second, NULL);
	}
	blob_unref(packed);
}

static void try_type(const ProtobufCMessageDescriptor *type,
		     struct bytes payload)
{
	struct err e = {0};
	ProtobufCMessage *m = codec_unpack(type, payload, &e);

	if (!m) {
		CHECK(e.code == ERR_CORRUPT && e.text[0] != '\0');
		return;
	}
	CHECK(e.code == 0);
	check_stable(m);
	protobuf_c_message_free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t n_types;
	const ProtobufCMessageDescriptor *const *types =
		message_types(&n_types);

	for (size_t i = 0; i < n_types; i++)
		try_type(types[i], (struct bytes){data, len});
	return 0;
}
