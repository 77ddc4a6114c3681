/* Command: the payload of a LOG_COMMAND entry. A 16-byte proposal id (how a
 * proposer recognises its own entry, see proto/command.proto) and then a
 * sealed Command. Writes and reads an append, the one command that comes in
 * hundreds of thousands a second, without a message tree and without a copy;
 * reads a batch, the largest one, without a copy of its changes; everything
 * else goes through protobuf-c.
 *
 * Pure; any thread; holds no state. */
#ifndef CLUSTER_CORE_COMMAND_H
#define CLUSTER_CORE_COMMAND_H

#include "base/bytes.h"
#include "base/err.h"
#include "proto/command.pb-c.h"

enum { COMMAND_ID_BYTES = 16 };

/* A text for a message that is going to be packed: protobuf-c declares its
 * strings writable and never writes them. */
static inline char *command_text(const char *s)
{
	return (char *)(uintptr_t)s;
}

/* Bytes of the sealed command that appends a value of value_len bytes, without
 * the proposal id. */
size_t command_append_bytes(size_t value_len);
/* Write it; buf has that much room. */
void command_append_write(struct bytes value, uint8_t *buf);

/* Seal any command. Gives a blob. */
struct blob *command_seal(const Synod__Command__Command *command);

/* Open the payload of an entry. An append that was written as above lends its
 * value, *command stays NULL; anything else gives *command, to be freed with
 * synod__command__command__free_unpacked. ERR_CORRUPT, ERR_FORMAT and the like
 * when it is no command. */
int command_open(struct bytes payload, struct bytes *value,
		 Synod__Command__Command **command, struct err *e);

/* The same for those who want batches, too, without a copy. */
enum command_kind { COMMAND_APPEND, COMMAND_BATCH, COMMAND_OTHER };

struct command_view {
	enum command_kind kind;
	struct bytes value;            /* APPEND: lent by the payload */
	Synod__Command__Batch batch;   /* BATCH: its bytes likewise */
	Synod__Command__Command *tree; /* NULL, or what is behind the above */
};

/* An append or a batch in another encoding than ours (fields in another order,
 * or there twice) is one all the same. Clear it unless it failed. */
int command_view_open(struct command_view *v, struct bytes payload,
		      struct err *e);
void command_view_clear(struct command_view *v);

#endif
