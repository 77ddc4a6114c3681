#include "cluster/core/policy.h"

#include <inttypes.h>
#include <stdio.h>

static const char *name_of(const struct catalog *catalog, uint32_t id)
{
	const Synod__Definition__Connection *c =
		id ? catalog_connection(catalog, id) : NULL;

	if (id == 0)
		return "a person";
	return c ? c->name : "a former connection";
}

/* Place in the sync's order; a person stands before all, who is no longer
 * there behind all. */
static size_t place(const Synod__Definition__Sync *sync, uint32_t id)
{
	if (id == 0)
		return 0;
	for (size_t i = 0; i < sync->n_connection_ids; i++)
		if (sync->connection_ids[i] == id)
			return i + 1;
	return sync->n_connection_ids + 1;
}

static void last_write(const struct catalog *catalog,
		       const Synod__Definition__Sync *sync,
		       const struct policy_side *a, const struct policy_side *b,
		       struct policy_verdict *out)
{
	const struct policy_side *winner = b;

	out->rule = "last-write-wins";
	if (a->stamp_us != b->stamp_us) {
		out->is_a_winner = a->stamp_us > b->stamp_us;
		winner = out->is_a_winner ? a : b;
		/* The difference of two i64 fits into u64. */
		uint64_t later = (uint64_t)winner->stamp_us -
				 (uint64_t)(winner == a ? b : a)->stamp_us;
		snprintf(out->reason, sizeof(out->reason),
			 "%s is later by %" PRIu64 " us",
			 name_of(catalog, winner->connection_id), later);
		return;
	}
	if (a->connection_id == b->connection_id) {
		out->is_a_winner = false;
		snprintf(out->reason, sizeof(out->reason),
			 "the same time: what came later from %s",
			 name_of(catalog, b->connection_id));
		return;
	}
	out->is_a_winner =
		place(sync, a->connection_id) <= place(sync, b->connection_id);
	winner = out->is_a_winner ? a : b;
	snprintf(out->reason, sizeof(out->reason),
		 "the same time: %s stands first in the sync",
		 name_of(catalog, winner->connection_id));
}

static void prefer(const struct catalog *catalog,
		   const Synod__Definition__Sync *sync,
		   const struct policy_side *a, const struct policy_side *b,
		   struct policy_verdict *out)
{
	uint32_t id = sync->policy->prefer_id;

	if ((a->connection_id == id) == (b->connection_id == id)) {
		last_write(catalog, sync, a, b, out);
		return;
	}
	out->rule = "prefer";
	out->is_a_winner = a->connection_id == id;
	snprintf(out->reason, sizeof(out->reason), "%s is preferred",
		 name_of(catalog, id));
}

static void queue(struct policy_verdict *out)
{
	out->rule = "queue";
	out->is_a_winner = true;
	out->is_open = true;
	snprintf(out->reason, sizeof(out->reason),
		 "a person decides; until then what the log had first");
}

static void by_rule(const struct catalog *catalog,
		    const Synod__Definition__Sync *sync,
		    const struct policy_side *a, const struct policy_side *b,
		    struct policy_verdict *out)
{
	Synod__Definition__Policy__Rule rule =
		sync->policy ? sync->policy->rule
			     : SYNOD__DEFINITION__POLICY__RULE__LAST_WRITE_WINS;

	if (rule == SYNOD__DEFINITION__POLICY__RULE__QUEUE)
		queue(out);
	else if (rule == SYNOD__DEFINITION__POLICY__RULE__PREFER)
		prefer(catalog, sync, a, b, out);
	else
		last_write(catalog, sync, a, b, out);
}

/* Exactly one of the two is a delete. */
static void by_delete_rule(const struct catalog *catalog,
			   const Synod__Definition__Sync *sync,
			   const struct policy_side *a,
			   const struct policy_side *b,
			   struct policy_verdict *out)
{
	const struct policy_side *update = a->is_delete ? b : a;
	int rule = sync->policy ? (int)sync->policy->delete_vs_update : 0;

	if (!update->is_whole) {
		out->rule = "delete-wins";
		out->is_a_winner = a->is_delete;
		snprintf(out->reason, sizeof(out->reason),
			 "not every value of the update is known");
	} else if (rule ==
		   SYNOD__DEFINITION__POLICY__DELETE_RULE__DELETE_WINS) {
		out->rule = "delete-wins";
		out->is_a_winner = a->is_delete;
		snprintf(out->reason, sizeof(out->reason),
			 "a delete wins over an update");
	} else if (rule ==
		   SYNOD__DEFINITION__POLICY__DELETE_RULE__UPDATE_WINS) {
		out->rule = "update-wins";
		out->is_a_winner = !a->is_delete;
		snprintf(out->reason, sizeof(out->reason),
			 "an update wins over a delete");
	} else if (rule ==
		   SYNOD__DEFINITION__POLICY__DELETE_RULE__DELETE_QUEUE) {
		queue(out);
	} else {
		by_rule(catalog, sync, a, b, out);
	}
}

void policy_decide(const struct catalog *catalog,
		   const Synod__Definition__Sync *sync,
		   const struct policy_side *a, const struct policy_side *b,
		   struct policy_verdict *out)
{
	*out = (struct policy_verdict){0};
	if (a->is_delete != b->is_delete)
		by_delete_rule(catalog, sync, a, b, out);
	else
		by_rule(catalog, sync, a, b, out);
}

void policy_initial(const struct catalog *catalog,
		    const Synod__Definition__Sync *sync, uint32_t a_id,
		    uint32_t b_id, struct policy_verdict *out)
{
	uint32_t authority = sync->initial ? sync->initial->authority_id : 0;
	uint32_t preferred =
		sync->policy && sync->policy->rule ==
					SYNOD__DEFINITION__POLICY__RULE__PREFER
			? sync->policy->prefer_id
			: 0;

	*out = (struct policy_verdict){0};
	if (authority && (a_id == authority) != (b_id == authority)) {
		out->rule = "authority";
		out->is_silent = true;
		out->is_a_winner = a_id == authority;
	} else if (preferred && (a_id == preferred) != (b_id == preferred)) {
		out->rule = "prefer";
		out->is_a_winner = a_id == preferred;
	} else {
		out->rule = "order";
		out->is_a_winner = place(sync, a_id) <= place(sync, b_id);
	}
	snprintf(out->reason, sizeof(out->reason),
		 "both were there before the sync: %s by %s",
		 name_of(catalog, out->is_a_winner ? a_id : b_id), out->rule);
}
