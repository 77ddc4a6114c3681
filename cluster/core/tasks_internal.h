/* Inside the tasks: what tasks.c and tasks_obstacle.c share. */
#ifndef CLUSTER_CORE_TASKS_INTERNAL_H
#define CLUSTER_CORE_TASKS_INTERNAL_H

#include "cluster/core/tasks.h"

/* Zeros behind it; cut where a character begins. */
void task_text_set(char out[TASK_TEXT_MAX], const char *text);

void obstacles_load(struct tasks *t, const struct kv *kv);
/* Those of what is declared no more go. */
void obstacles_follow(struct tasks *t, const struct kv *kv,
		      const struct catalog *catalog);

#endif
