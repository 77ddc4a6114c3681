/* Rows about syncs and tasks, which several commands show. */
#ifndef NODE_CTL_WORK_H
#define NODE_CTL_WORK_H

#include "node/ctl/output.h"
#include "proto/admin.pb-c.h"

extern const struct column work_sync_columns[];
extern const size_t work_n_sync_columns;
void work_sync_row(struct output *o, const Synod__Admin__SyncInfo *sync);

extern const struct column work_task_columns[];
extern const size_t work_n_task_columns;
void work_task_row(struct output *o, const Synod__Admin__TaskInfo *task);

extern const struct column work_table_columns[];
extern const size_t work_n_table_columns;
void work_table_row(struct output *o, const Synod__Admin__TableInfo *table);

/* A list of texts as a cell of COLUMN_LIST; the caller frees it. */
char *work_lines(char *const *texts, size_t n);

#endif
