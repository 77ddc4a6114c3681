#include "cluster/replica/internal.h"

/* What the owner asked for, done in the next turn that may: libraft sees one
 * event at a time. */

static void transfer_ended(struct raft_transfer *req)
{
	struct replica *r = req->data;

	r->transfer_state = TRANSFER_OVER; /* told after the event */
}

void wants_start_transfer(struct replica *r)
{
	if (r->transfer_state != TRANSFER_WANTED || replica_is_held(r))
		return;
	r->transfer = (struct raft_transfer){.data = r};
	r->transfer_state = TRANSFER_RUNS;
	if (raft_transfer(&r->raft, &r->transfer, r->transfer_to,
			  transfer_ended))
		r->transfer_state = TRANSFER_OVER;
	else if (r->raft.transfer) /* libraft may have chosen */
		r->transfer_to = r->raft.transfer->id;
	replica_after_event(r);
}

static void change_ended(struct raft_change *req, int status)
{
	((struct replica *)req->data)->is_changing = false;
}

void wants_start_assign(struct replica *r)
{
	if (!r->is_assign_wanted || replica_is_held(r))
		return;
	r->is_assign_wanted = false;
	if (!is_leader(r)) {
		r->is_changing = false;
		return;
	}
	r->change = (struct raft_change){.data = r};
	if (raft_assign(&r->raft, &r->change, r->assign_id, r->assign_role,
			change_ended))
		r->is_changing = false;
	replica_after_event(r);
}

int replica_transfer(struct replica *r, uint64_t to, struct err *e)
{
	unsigned at = guard_server(&r->raft, to);

	if (!is_leader(r))
		return err_set(e, ERR_NOT_LEADER, "this node does not lead");
	if (r->transfer_state != TRANSFER_NONE)
		return err_set(e, ERR_BUSY, "a transfer is under way");
	if (to == r->cfg.id ||
	    (to != 0 && (at == r->raft.configuration.n ||
			 r->raft.configuration.servers[at].role != RAFT_VOTER)))
		return err_set(e, ERR_INVALID,
			       "leadership goes to another voting member");
	r->transfer_to = to;
	r->transfer_state = TRANSFER_WANTED;
	return 0;
}

int replica_assign(struct replica *r, uint64_t id, enum replica_role role,
		   struct err *e)
{
	unsigned at = guard_server(&r->raft, id);

	if (!is_leader(r))
		return err_set(e, ERR_NOT_LEADER, "this node does not lead");
	if (at == r->raft.configuration.n)
		return err_set(e, ERR_NOTFOUND, "no such member");
	if (id == r->cfg.id)
		return err_set(e, ERR_INVALID,
			       "a leader does not change its own role: "
			       "transfer leadership first");
	if (r->is_changing || r->raft.configuration_uncommitted_index != 0 ||
	    r->transfer_state != TRANSFER_NONE)
		return err_set(e, ERR_BUSY, "another change is under way");
	if (rule_on(r, GUARD_CHANGE) && !guard_is_settled(&r->raft))
		return err_set(e, ERR_BUSY,
			       "nothing of this term is committed yet");
	r->is_changing = true;
	r->is_assign_wanted = true;
	r->assign_id = id;
	r->assign_role = (int)role;
	return 0;
}
