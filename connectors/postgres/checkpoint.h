/* Checkpoint: our one table in a database. Each apply task has a row: which
 * epoch may write, and up to which entry of the log it has. The row moves in
 * the same transaction as the data, first, so it is fence, progress and, seen
 * by a capture, the mark of our own writes. One thread. */
#ifndef CONNECTORS_POSTGRES_CHECKPOINT_H
#define CONNECTORS_POSTGRES_CHECKPOINT_H

#include "connectors/postgres/session.h"

#define CHECKPOINT_TABLE "checkpoint"

/* Create schema and table where they are missing. ERR_PERMISSION says what has
 * to be run. */
int pg_checkpoint_ensure(struct session *s, const struct options *o,
			 struct err *e);
/* What a superuser has to run for it, in an arena. */
const char *pg_checkpoint_repair(const struct options *o, struct arena *arena);
int pg_checkpoint_exists(struct session *s, const struct options *o, bool *out,
			 struct err *e);
/* May our role read and write it? */
int pg_checkpoint_is_ours(struct session *s, const struct options *o, bool *out,
			  struct err *e);

#endif
