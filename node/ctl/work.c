#include "node/ctl/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

char *work_lines(char *const *texts, size_t n)
{
	char *lines = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&lines, &len);
	CHECK(out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s%s", i > 0 ? "\n" : "", texts[i]);
	fclose(out);
	return lines;
}

/* -- syncs ----------------------------------------------------------------- */

const struct column work_sync_columns[] = {
	{"name", "SYNC", COLUMN_TEXT, 0},
	{"sides", "SIDES", COLUMN_TEXT, COLUMN_IS_LONG},
	{"state", "STATE", COLUMN_TEXT, COLUMN_IS_STATE},
	{"owner", "OWNER", COLUMN_TEXT, 0},
	{"lag_p50_s", "LAG-P50", COLUMN_SECONDS, 0},
	{"lag_p99_s", "P99", COLUMN_SECONDS, 0},
	{"changes_per_s", "CHANGES/S", COLUMN_RATE, 0},
	{"conflicts_open", "OPEN", COLUMN_NUMBER, 0},
	{"letters", "DLQ", COLUMN_NUMBER, 0},
	{"conflicts", "CONFLICTS", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"policy", "POLICY", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"problem", "PROBLEM", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"hint", "NEXT", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"two_way", NULL, COLUMN_BOOL, COLUMN_IS_HIDDEN},
};
const size_t work_n_sync_columns = N_OF(work_sync_columns);

void work_sync_row(struct output *o, const Synod__Admin__SyncInfo *sync)
{
	/* Order of work_sync_columns. */
	struct cell cells[] = {
		cell_text(sync->name),
		cell_filled(sync->sides),
		cell_filled(sync->state),
		cell_filled(sync->owner),
		cell_some(sync->lag_p50_us),
		cell_some(sync->lag_p99_us),
		cell_rate(sync->per_second),
		sync->is_two_way ? cell_number(sync->conflicts_open)
				 : cell_none(),
		cell_number(sync->letters),
		sync->is_two_way ? cell_number(sync->conflicts) : cell_none(),
		sync->is_two_way ? cell_filled(sync->policy) : cell_none(),
		cell_filled(sync->problem),
		cell_filled(sync->hint),
		cell_bool(sync->is_two_way),
	};
	_Static_assert(N_OF(cells) == N_OF(work_sync_columns),
		       "one cell a column");
	output_row(o, cells);
}

/* -- tasks ----------------------------------------------------------------- */

const struct column work_task_columns[] = {
	{"name", "TASK", COLUMN_TEXT, 0},
	{"node", "NODE", COLUMN_TEXT, 0},
	{"state", "STATE", COLUMN_TEXT, COLUMN_IS_STATE},
	{"epoch", "EPOCH", COLUMN_NUMBER, 0},
	{"behind", "BEHIND", COLUMN_NUMBER, 0},
	{"lag_p50_s", "LAG-P50", COLUMN_SECONDS, 0},
	{"lag_p99_s", "P99", COLUMN_SECONDS, 0},
	{"problem", "PROBLEM", COLUMN_TEXT, COLUMN_IS_LONG},
	{"changes_per_s", "CHANGES/S", COLUMN_RATE, COLUMN_IS_WIDE},
	{"applied_index", "APPLIED", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"retained_bytes", "RETAINED", COLUMN_BYTES, COLUMN_IS_WIDE},
	{"loaded", "LOADED", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"to_load", "TO-LOAD", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"since", "SINCE", COLUMN_TIME, COLUMN_IS_WIDE},
	{"hint", "NEXT", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"kind", NULL, COLUMN_TEXT, COLUMN_IS_HIDDEN},
	{"sync", NULL, COLUMN_TEXT, COLUMN_IS_HIDDEN},
	{"connection", NULL, COLUMN_TEXT, COLUMN_IS_HIDDEN},
};
const size_t work_n_task_columns = N_OF(work_task_columns);

void work_task_row(struct output *o, const Synod__Admin__TaskInfo *task)
{
	bool is_apply = strcmp(task->kind, "apply") == 0;
	bool is_loading = task->n_to_load > 0;
	/* Order of work_task_columns. */
	struct cell cells[] = {
		cell_text(task->name),
		cell_filled(task->node),
		cell_filled(task->state),
		cell_some(task->epoch),
		is_apply ? cell_number(task->behind) : cell_none(),
		cell_some(task->lag_p50_us),
		cell_some(task->lag_p99_us),
		cell_filled(task->problem),
		cell_rate(task->per_second),
		is_apply ? cell_number(task->applied_index) : cell_none(),
		is_apply ? cell_none() : cell_number(task->retained_bytes),
		is_loading ? cell_number(task->n_loaded) : cell_none(),
		is_loading ? cell_number(task->n_to_load) : cell_none(),
		cell_time(task->since_us),
		cell_filled(task->hint),
		cell_text(task->kind),
		cell_filled(task->sync),
		cell_filled(task->connection),
	};
	_Static_assert(N_OF(cells) == N_OF(work_task_columns),
		       "one cell a column");
	output_row(o, cells);
}

/* -- tables ---------------------------------------------------------------- */

const struct column work_table_columns[] = {
	{"name", "TABLE", COLUMN_TEXT, 0},
	{"sides", "SIDES", COLUMN_LIST, 0},
	{"fields", "FIELDS", COLUMN_LIST, COLUMN_IS_LONG},
	{"paused", "PAUSED", COLUMN_BOOL, COLUMN_IS_SPARSE},
	{"reason", "REASON", COLUMN_TEXT, COLUMN_IS_SPARSE},
};
const size_t work_n_table_columns = N_OF(work_table_columns);

void work_table_row(struct output *o, const Synod__Admin__TableInfo *table)
{
	char *sides = work_lines(table->sides, table->n_sides);
	char *fields = work_lines(table->fields, table->n_fields);
	/* Order of work_table_columns. */
	struct cell cells[] = {
		cell_text(table->name),     cell_text(sides),
		cell_text(fields),          cell_bool(table->is_paused),
		cell_filled(table->reason),
	};
	_Static_assert(N_OF(cells) == N_OF(work_table_columns),
		       "one cell a column");
	output_row(o, cells);
	free(sides);
	free(fields);
}
