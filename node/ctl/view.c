#include "node/ctl/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static struct view_node *find(struct view *v, const char *name)
{
	for (size_t i = 0; i < v->n_nodes; i++)
		if (strcmp(v->nodes[i].status->name, name) == 0)
			return &v->nodes[i];
	return NULL;
}

static void add_node(struct view *v, const Synod__Admin__NodeStatus *status,
		     bool is_own)
{
	struct view_node *n = find(v, status->name);
	if (!n && v->n_nodes == VIEW_NODES_MAX)
		return; /* an answer without bounds is not believed */
	if (!n) {
		n = &v->nodes[v->n_nodes++];
		*n = (struct view_node){0};
	} else if (n->is_own) {
		return;
	} else if (!is_own && view_is_reachable(n)) {
		return; /* one that sees it is enough */
	}
	n->status = status;
	n->state = status->state;
	n->is_own = is_own;
}

/* The leader measures how far behind the others are. */
static void take_lags(struct view *v,
		      const Synod__Admin__StatusResponse *answer)
{
	for (size_t i = 0; i < answer->n_nodes; i++) {
		struct view_node *n = find(v, answer->nodes[i]->name);
		if (!n)
			continue;
		n->has_behind = true;
		n->behind = answer->nodes[i]->behind;
	}
}

static bool is_leading(const Synod__Admin__NodeStatus *status)
{
	return status && strcmp(status->state, "leader") == 0;
}

void view_add(struct view *v, const Synod__Admin__StatusResponse *answer)
{
	if (!v->cluster) {
		v->cluster = answer->cluster;
		v->cluster_id = answer->cluster_id;
	} else if (strcmp(v->cluster, answer->cluster) != 0 ||
		   (v->cluster_id[0] && answer->cluster_id[0] &&
		    strcmp(v->cluster_id, answer->cluster_id) != 0)) {
		v->is_mixed = true;
		return;
	}
	if (!v->cluster_id[0])
		v->cluster_id = answer->cluster_id;
	if (answer->self)
		add_node(v, answer->self, true);
	for (size_t i = 0; i < answer->n_nodes; i++)
		add_node(v, answer->nodes[i],
			 answer->self &&
				 answer->nodes[i]->id == answer->self->id);
	if (is_leading(answer->self))
		take_lags(v, answer);
}

static int compare(const void *a, const void *b)
{
	const struct view_node *x = a;
	const struct view_node *y = b;
	return strcmp(x->status->name, y->status->name);
}

static const struct view_node *find_leader(const struct view *v)
{
	const struct view_node *best = NULL;
	/* The one that says so itself, of the newest term: an old leader that
	 * was cut off may still believe in itself. */
	for (size_t i = 0; i < v->n_nodes; i++) {
		const struct view_node *n = &v->nodes[i];
		if (n->is_own && is_leading(n->status) &&
		    n->status->term == v->term)
			best = n;
	}
	if (best)
		return best;
	uint64_t id = 0;
	for (size_t i = 0; i < v->n_nodes; i++)
		if (v->nodes[i].is_own && v->nodes[i].status->term == v->term)
			id = v->nodes[i].status->leader_id
				     ? v->nodes[i].status->leader_id
				     : id;
	for (size_t i = 0; id && i < v->n_nodes; i++)
		if (v->nodes[i].status->id == id &&
		    view_is_reachable(&v->nodes[i]))
			best = &v->nodes[i];
	return best;
}

void view_finish(struct view *v)
{
	qsort(v->nodes, v->n_nodes, sizeof v->nodes[0], compare);
	v->term = 0;
	for (size_t i = 0; i < v->n_nodes; i++)
		if (v->nodes[i].is_own && v->nodes[i].status->term > v->term)
			v->term = v->nodes[i].status->term;
	v->leader = find_leader(v);
}

bool view_is_reachable(const struct view_node *n)
{
	return n->is_own || strcmp(n->state, "unreachable") != 0;
}

size_t view_count_voters(const struct view *v, bool is_reachable_only)
{
	size_t n = 0;
	for (size_t i = 0; i < v->n_nodes; i++)
		if (strcmp(v->nodes[i].status->role, "voter") == 0 &&
		    (!is_reachable_only || view_is_reachable(&v->nodes[i])))
			n++;
	return n;
}

/* -- rows ------------------------------------------------------------------ */

const struct column view_columns[] = {
	{"name", "NODE", COLUMN_TEXT, 0},
	{"role", "ROLE", COLUMN_TEXT, 0},
	{"state", "STATE", COLUMN_TEXT, COLUMN_IS_STATE},
	{"tasks", "TASKS", COLUMN_NUMBER, COLUMN_IS_SPARSE},
	{"drained", "DRAINED", COLUMN_BOOL, COLUMN_IS_SPARSE},
	{"term", "TERM", COLUMN_NUMBER, 0},
	{"applied_index", "APPLIED", COLUMN_NUMBER, 0},
	{"behind", "BEHIND", COLUMN_NUMBER, 0},
	{"log_bytes", "LOG", COLUMN_BYTES, 0},
	{"uptime_s", "UP", COLUMN_SECONDS, 0},
	{"address", "ADDRESS", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"commit_index", "COMMIT", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"first_index", "FIRST", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"last_index", "LAST", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"log_limit_bytes", "QUOTA", COLUMN_BYTES, COLUMN_IS_WIDE},
	{"rss_bytes", "MEMORY", COLUMN_BYTES, COLUMN_IS_WIDE},
	{"cpu_s", "CPU", COLUMN_SECONDS, COLUMN_IS_WIDE},
	{"fsync_p99_s", "FSYNC-P99", COLUMN_SECONDS, COLUMN_IS_WIDE},
	{"loop_lag_p99_s", "LOOP-P99", COLUMN_SECONDS, COLUMN_IS_WIDE},
	{"loop_lag_max_s", "LOOP-MAX", COLUMN_SECONDS, COLUMN_IS_WIDE},
	{"peers_connected", "PEERS", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"pid", "PID", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"version", "VERSION", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"durability", "DURABILITY", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"digest", "DIGEST", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"digest_index", "AT", COLUMN_NUMBER, COLUMN_IS_WIDE},
	{"id", NULL, COLUMN_NUMBER, COLUMN_IS_HIDDEN},
	{"told_by", NULL, COLUMN_TEXT, COLUMN_IS_HIDDEN},
};
const size_t view_n_columns = sizeof(view_columns) / sizeof(view_columns[0]);

static struct cell known(const struct view_node *n, uint64_t number)
{
	return n->is_own ? cell_number(number) : cell_none();
}

static void row(const struct view_node *n, struct output *o)
{
	const Synod__Admin__NodeStatus *s = n->status;
	char digest[17];
	bool has_digest = n->is_own && s->digest_index > 0;
	snprintf(digest, sizeof digest, "%016" PRIx64, s->digest);
	/* Order of view_columns. */
	struct cell cells[] = {
		cell_text(s->name),
		cell_filled(s->role),
		cell_filled(n->state),
		n->has_tasks ? cell_number(n->n_tasks) : cell_none(),
		n->has_tasks ? cell_bool(n->is_drained) : cell_none(),
		known(n, s->term),
		known(n, s->applied_index),
		n->has_behind ? cell_number(n->behind) : cell_none(),
		known(n, s->log_bytes),
		known(n, s->uptime_us),
		cell_filled(s->address),
		known(n, s->commit_index),
		known(n, s->first_index),
		known(n, s->last_index),
		known(n, s->log_limit_bytes),
		known(n, s->rss_bytes),
		known(n, s->cpu_us),
		known(n, s->fsync_p99_us),
		known(n, s->loop_lag_p99_us),
		known(n, s->loop_lag_max_us),
		known(n, s->peers_connected),
		known(n, s->pid),
		cell_filled(n->is_own ? s->version : NULL),
		cell_filled(n->is_own ? s->durability : NULL),
		cell_text(has_digest ? digest : NULL),
		has_digest ? cell_number(s->digest_index) : cell_none(),
		cell_number(s->id),
		cell_text(n->is_own ? "itself" : "a peer"),
	};
	_Static_assert(sizeof(cells) / sizeof(cells[0]) ==
			       sizeof(view_columns) / sizeof(view_columns[0]),
		       "one cell a column");
	output_row(o, cells);
}

void view_rows(const struct view *v, struct output *o)
{
	for (size_t i = 0; i < v->n_nodes; i++)
		row(&v->nodes[i], o);
}
