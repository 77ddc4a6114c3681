#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "node/node.h"
#include "node/notify.h"

/* Leaving, in this order: the tasks go to other nodes (plan.c proposes it while
 * this node is NODE_LEAVING), so that they run there before they end here;
 * a leader hands over, so that nobody waits for an election; then proposals
 * made here get a moment to learn their fate. */

/* For the tasks; the rest of the time to leave is for the leadership. */
enum { DRAIN_MS = LIMIT_HANDOVER_MS / 2 };

void stop_asked(struct node *n, int signum)
{
	if (n->signal) {
		/* Asked twice: whatever is durable is durable. */
		log_event(LOG_WARN, "stop_now", "signal=%d", signum);
		_exit(128 + signum);
	}
	n->signal = signum;
	log_event(LOG_INFO, "stopping", "signal=%d", signum);
	notify_stopping();
	if (!n->replica || n->phase != NODE_RUNNING) {
		n->phase = NODE_STOPPING;
		return;
	}
	n->phase = NODE_LEAVING;
	n->drain_until_us = node_now_us(n) + (int64_t)DRAIN_MS * 1000;
	n->leave_until_us = node_now_us(n) + (int64_t)LIMIT_HANDOVER_MS * 1000;
	n->has_drained = false;
	plan_hurry(n);
}

static void hand_over(struct node *n)
{
	struct err e = {0};

	n->has_drained = true;
	/* Fails when there is nobody to take over: then it is an election. */
	n->is_handing_over = n->view.state == REPLICA_LEADER &&
			     replica_transfer(n->replica, 0, &e) == 0;
}

void stop_transferred(struct node *n, int code)
{
	n->is_handing_over = false;
	log_event(code ? LOG_WARN : LOG_INFO, "handed_over", "to=%s code=%s",
		  members_name(&n->members, n->view.leader_id), err_name(code));
	if (n->admin.transfer)
		admin_transferred(n, code);
}

void stop_consider(struct node *n)
{
	if (n->phase != NODE_LEAVING)
		return;
	if (!n->has_drained) {
		if (plan_is_leaving(n) && node_now_us(n) < n->drain_until_us)
			return;
		hand_over(n);
		return; /* a transfer of before may have to end, too */
	}
	bool is_quiet = !n->is_handing_over && n->view.proposals == 0;
	if (is_quiet || node_now_us(n) >= n->leave_until_us)
		n->phase = NODE_STOPPING;
}
