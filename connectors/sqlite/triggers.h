/* Triggers: how the writes of every process get into our change table.
 *
 * Each capture (number N) has:
 *
 * - _synod_N_change: seq, op, tab (table id), at (ms since 1970), total
 *   (total_changes() of the writer), c0, c1, ...: the fields. The columns have
 *   no type, so nothing is converted.
 * - _synod_N_table: a row for each captured table: its generation, new whenever
 *   its triggers are installed where none were.
 * - _synod_N_t<id>_suspect: see below.
 * - _synod_N_t<id>_<hash>_<event>: the triggers; the hash is that of their
 *   text, so that another version has other names.
 * - _synod_N_echo: the trigger on _synod_checkpoint.
 *
 * There is one writer at a time, so seq is the order of the commits. A row is
 * read back from the table rather than taken from NEW: when another trigger of
 * the table has changed it meanwhile, the last record is still the last state.
 *
 * REPLACE deletes rows without a DELETE trigger (recursive_triggers is off by
 * default). Before a write, rows that share a unique value with the new one are
 * noted as suspects; behind it, those that are gone are recorded as deleted.
 * Unique indexes on expressions are not seen through: check says so.
 *
 * Foreign connections run all this: it uses no functions but SQLite's own and
 * can fail only as any write can (disk full). Connections that switched
 * triggers off are not seen.
 *
 * All within a write transaction of the caller. */
#ifndef CONNECTORS_SQLITE_TRIGGERS_H
#define CONNECTORS_SQLITE_TRIGGERS_H

#include "connectors/sqlite/marks.h"
#include "connectors/sqlite/sql.h"
#include "connectors/sqlite/table.h"

enum triggers_op {
	TRIGGERS_PUT = 1, /* the row now */
	TRIGGERS_DELETE,  /* key (and what `where` asks for) as it was */
	TRIGGERS_BEFORE,  /* the same, of a row whose PUT follows if it is there
			   */
	TRIGGERS_ECHO,    /* tab: our apply task; c0: its applied index */
	TRIGGERS_MARK,    /* nothing happened */
};

struct triggers {
	struct db *db;
	const struct connector_target *target;
	int64_t id; /* of the capture */
};

enum triggers_state {
	TRIGGERS_ABSENT, /* never installed */
	TRIGGERS_WHOLE,  /* as they should be */
	TRIGGERS_OLDER,  /* complete, of another version */
	TRIGGERS_LOST,   /* installed once and gone: writes were missed */
};

/* Tables and the echo trigger of a capture, wide enough for n fields. */
int sqlite_triggers_prepare(const struct triggers *g, size_t n_fields,
			    struct err *e);
int sqlite_triggers_look(const struct triggers *g,
			 const struct connector_table *ct,
			 const struct table *table, enum triggers_state *state,
			 struct err *e);
/* Install those of one table in place of any others that it has. is_gap: writes
 * may have been missed, so it gets a new generation. */
int sqlite_triggers_install(const struct triggers *g,
			    const struct connector_table *ct,
			    const struct table *table, bool is_gap,
			    struct err *e);
/* The generation of a table; 0: it is not captured. */
int sqlite_triggers_generation(const struct triggers *g, uint32_t table_id,
			       uint64_t *out, struct err *e);
/* Remove the triggers of all tables but these. */
int sqlite_triggers_keep(const struct triggers *g,
			 const struct connector_table *list, size_t n,
			 struct err *e);
/* Remove everything that the capture has. */
int sqlite_triggers_drop(const struct triggers *g, struct err *e);

#endif
