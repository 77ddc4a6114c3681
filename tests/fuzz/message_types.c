#include "message_types.h"

#include <stdbool.h>

#include "base/check.h"
#include "proto/admin.pb-c.h"
#include "proto/command.pb-c.h"
#include "proto/peer.pb-c.h"

enum { TYPES_MAX = 128 };

static const ProtobufCMessageDescriptor *types[TYPES_MAX];
static size_t n_types;

static const ProtobufCMessageDescriptor *const of_kind[CODEC__N] = {
	[CODEC_HELLO] = &synod__peer__hello__descriptor,
	[CODEC_ENVELOPE] = &synod__peer__envelope__descriptor,
	[CODEC_COMMAND] = &synod__command__command__descriptor,
	[CODEC_REQUEST] = &synod__admin__request__descriptor,
	[CODEC_RESPONSE] = &synod__admin__response__descriptor,
};

static bool is_known(const ProtobufCMessageDescriptor *type)
{
	for (size_t i = 0; i < n_types; i++)
		if (types[i] == type)
			return true;
	return false;
}

static void add(const ProtobufCMessageDescriptor *type)
{
	if (is_known(type))
		return;
	CHECK(n_types < TYPES_MAX);
	types[n_types++] = type;
	for (unsigned i = 0; i < type->n_fields; i++)
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			add(type->fields[i].descriptor);
}

const ProtobufCMessageDescriptor *const *message_types(size_t *n)
{
	if (n_types == 0) {
		for (int kind = 1; kind < CODEC__N; kind++)
			add(message_type_of((enum codec_kind)kind));
		/* Carried as bytes inside InstallSnapshot. */
		add(&synod__peer__manifest__descriptor);
	}
	*n = n_types;
	return types;
}

const ProtobufCMessageDescriptor *message_type_of(enum codec_kind kind)
{
	CHECK(kind > 0 && kind < CODEC__N && of_kind[kind] != NULL);
	return of_kind[kind];
}
