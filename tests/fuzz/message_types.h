/* Every message type that stands in the .proto files: found by walking the
 * descriptors from the types that are sealed or stored on their own, so that a
 * new field of a new type is fuzzed without being listed. One thread. */
#ifndef FUZZ_MESSAGE_TYPES_H
#define FUZZ_MESSAGE_TYPES_H

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "proto/codec.h"

/* All types, each once; n is their number. */
const ProtobufCMessageDescriptor *const *message_types(size_t *n);

/* What a frame of this kind carries. */
const ProtobufCMessageDescriptor *message_type_of(enum codec_kind kind);

#endif
