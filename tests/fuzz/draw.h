/* Random messages of any type, drawn along its descriptor: every field, every
 * alternative, numbers at their edges. Pure. */
#ifndef FUZZ_DRAW_H
#define FUZZ_DRAW_H

#include <protobuf-c/protobuf-c.h>

#include "base/rng.h"

/* Free with protobuf_c_message_free_unpacked(m, NULL). */
ProtobufCMessage *draw_message(struct rng *r,
			       const ProtobufCMessageDescriptor *type);

#endif
