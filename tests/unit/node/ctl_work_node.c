#include "ctl_work_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

enum { INDEX = 900, GIB = 1 << 30 };

static const int64_t now_us = WORK_NOW_US;

void work_text(char **field, const char *value)
{
	*field = (char *)(uintptr_t)value;
}

/* -- the cluster ----------------------------------------------------------- */

static void init_nodes(struct work *w)
{
	static const char *const names[] = {"n1", "n2", "n3"};

	for (size_t i = 0; i < WORK_NODES; i++) {
		Synod__Admin__NodeStatus *s = &w->nodes[i];
		synod__admin__node_status__init(s);
		s->id = i + 1;
		work_text(&s->name, names[i]);
		work_text(&s->address, "127.0.0.1:41001");
		work_text(&s->role, "voter");
		work_text(&s->state, i == 1 ? "leader" : "follower");
		work_text(&s->version, "0.1.0");
		work_text(&s->durability, "fsync on a quorum");
		s->term = 14;
		s->leader_id = 2;
		s->commit_index = s->applied_index = s->last_index = INDEX;
		s->first_index = 1;
		s->digest = 0xabc;
		s->digest_index = INDEX;
		s->log_bytes = (uint64_t)3 * GIB;
		s->log_limit_bytes = (uint64_t)64 * GIB;
		s->uptime_us = 22320000000;
		s->peers_connected = 2;
		w->node_list[i] = s;
	}
	for (size_t i = 0; i < WORK_NODES; i++) {
		synod__admin__status_response__init(&w->status[i]);
		work_text(&w->status[i].cluster, "demo");
		work_text(&w->status[i].cluster_id, "00ff");
		w->status[i].self = &w->nodes[i];
		w->status[i].n_nodes = WORK_NODES;
		w->status[i].nodes = w->node_list;
	}
}

/* -- work ------------------------------------------------------------------ */

static void init_task(struct work *w, size_t i, const char *name,
		      const char *kind)
{
	Synod__Admin__TaskInfo *t = &w->tasks[i];
	static const char *const owners[] = {"n1", "n2", "n3", "n1"};

	synod__admin__task_info__init(t);
	t->id = (uint32_t)i + 1;
	work_text(&t->name, name);
	work_text(&t->kind, kind);
	work_text(&t->connection, strstr(name, "paris") ? "paris" : "berlin");
	work_text(&t->node, owners[i]);
	work_text(&t->state, "running");
	t->epoch = 20 + i;
	t->since_us = now_us - 1000000;
	if (strcmp(kind, "apply") == 0) {
		work_text(&t->sync, "stock");
		t->applied_index = INDEX - 1;
		t->behind = 1;
		t->lag_p50_us = 38000;
		t->lag_p99_us = 210000;
		t->per_second = 206;
	}
	w->task_list[i] = t;
}

static void init_sync(struct work *w)
{
	Synod__Admin__SyncInfo *s = &w->sync;

	synod__admin__table_info__init(&w->table);
	w->table.id = 1;
	work_text(&w->table.name, "items");
	work_text(&w->table_sides[0], "berlin: items");
	work_text(&w->table_sides[1], "paris: items");
	work_text(&w->table_fields[0], "sku text key");
	work_text(&w->table_fields[1], "name text");
	work_text(&w->table_fields[2], "qty int64");
	w->table.n_sides = 2;
	w->table.sides = w->table_sides;
	w->table.n_fields = 3;
	w->table.fields = w->table_fields;
	w->table_list[0] = &w->table;

	synod__admin__sync_info__init(s);
	s->id = 1;
	work_text(&s->name, "stock");
	work_text(&s->sides, "berlin (sqlite) <-> paris (sqlite)");
	s->is_two_way = true;
	work_text(&s->state, "running");
	work_text(&s->owner, "n1, n2, n3");
	work_text(&s->policy, "last-write-wins");
	s->lag_p50_us = 38000;
	s->lag_p99_us = 210000;
	s->per_second = 412;
	s->conflicts = 5;
	s->n_tables = 1;
	s->tables = w->table_list;
	s->n_tasks = WORK_TASKS;
	s->tasks = w->task_list;
	w->sync_list[0] = s;
}

static void init_connections(struct work *w)
{
	static const char *const names[] = {"berlin", "paris"};

	work_text(&w->connection_syncs[0], "stock");
	work_text(&w->unreachable_from[0], "n1");
	work_text(&w->unreachable_from[1], "n3");
	for (size_t i = 0; i < 2; i++) {
		Synod__Admin__ConnectionInfo *k = &w->connections[i];
		synod__admin__connection_info__init(k);
		k->id = (uint32_t)i + 1;
		work_text(&k->name, names[i]);
		work_text(&k->type, "sqlite");
		work_text(&k->address, "path=/srv/a.db");
		k->n_syncs = 1;
		k->syncs = w->connection_syncs;
		k->unreachable_from = w->unreachable_from;
		w->connection_list[i] = k;
	}
}

static void init_overview(struct work *w)
{
	Synod__Admin__OverviewResponse *all = &w->overview;

	synod__admin__overview_response__init(all);
	all->n_syncs = 1;
	all->syncs = w->sync_list;
	all->n_tasks = WORK_TASKS;
	all->tasks = w->task_list;
	all->n_connections = 2;
	all->connections = w->connection_list;
	all->drained = w->drained;
	all->revision = 3;
	work_text(&all->revision_author, "alice");
	all->revision_time_us = now_us - INT64_C(7500) * 1000000;
	all->decided_index = INDEX;
}

/* -- conflicts and letters ------------------------------------------------- */

static void init_versions(struct work *w)
{
	static const char *const fields[] = {"sku", "name", "qty"};
	static const char *const values[2][3] = {{"A-1001", "Anvil XL", "7"},
						 {"A-1001", "Amboss", "7"}};

	for (size_t i = 0; i < 2; i++) {
		Synod__Admin__Version *v = &w->versions[i];
		synod__admin__version__init(v);
		synod__admin__version__vector_entry__init(&w->entries[i]);
		work_text(&w->entries[i].key, i == 0 ? "berlin" : "paris");
		w->entries[i].value = 840 + i;
		w->entry_lists[i][0] = &w->entries[i];
		work_text(&v->connection, i == 0 ? "berlin" : "paris");
		v->index = 840 + i;
		v->stamp_us = now_us - 20000 + (int64_t)i * 21000;
		v->n_vector = 1;
		v->vector = w->entry_lists[i];
		for (size_t j = 0; j < 3; j++) {
			Synod__Admin__Cell *cell = &w->cells[i][j];
			synod__admin__cell__init(cell);
			work_text(&cell->name, fields[j]);
			work_text(&cell->value, values[i][j]);
			cell->is_key = j == 0;
			cell->differs = j == 1;
			w->cell_lists[i][j] = cell;
		}
		v->n_cells = 3;
		v->cells = w->cell_lists[i];
	}
}

static void init_journal(struct work *w)
{
	init_versions(w);
	for (size_t i = 0; i < WORK_CONFLICTS; i++) {
		Synod__Admin__ConflictInfo *k = &w->conflicts[i];
		synod__admin__conflict_info__init(k);
		k->id = i + 40;
		k->index = 841;
		work_text(&k->sync, "stock");
		work_text(&k->table, "items");
		work_text(&k->key, "sku=A-1001");
		work_text(&k->kind, "update");
		work_text(&k->state, i == 4 ? "open" : "decided");
		work_text(&k->winner, "paris");
		work_text(&k->rule, i == 4 ? "queue" : "last-write-wins");
		work_text(&k->reason, "paris wrote 21 ms later");
		k->a = &w->versions[0];
		k->b = &w->versions[1];
		k->time_us = now_us;
	}
	w->n_conflicts = WORK_CONFLICTS;
	for (size_t i = 0; i < WORK_LETTERS; i++) {
		Synod__Admin__LetterInfo *l = &w->letters[i];
		synod__admin__letter_info__init(l);
		l->id = 17 + i;
		l->index = 870 + i;
		work_text(&l->sync, "stock");
		work_text(&l->connection, "paris");
		work_text(&l->table, "items");
		work_text(&l->key, "sku=A-1001");
		work_text(&l->op, "update");
		l->n_cells = 3;
		l->cells = w->cell_lists[0];
		l->behind_id = i == 1 ? 17 : 0;
		work_text(&l->code, i == 0 ? "data" : "");
		work_text(&l->text,
			  i == 0 ? "CHECK constraint failed: qty" : "");
		l->time_us = now_us;
	}
	w->n_letters = WORK_LETTERS;
}

void work_init(struct work *w)
{
	*w = (struct work){0};
	init_nodes(w);
	init_task(w, 0, "berlin/capture", "capture");
	init_task(w, 1, "paris/capture", "capture");
	init_task(w, 2, "stock/berlin/apply", "apply");
	init_task(w, 3, "stock/paris/apply", "apply");
	init_sync(w);
	init_connections(w);
	init_overview(w);
	init_journal(w);
}

void work_clear(struct work *w)
{
	free(w->asked.data);
	*w = (struct work){0};
}
