/* Inside the control state: what control.c (dispatch), control_event.c,
 * control_member.c, control_task.c and control_ledger.c share. */
#ifndef CLUSTER_CORE_CONTROL_INTERNAL_H
#define CLUSTER_CORE_CONTROL_INTERNAL_H

#include "cluster/core/control.h"
#include "cluster/core/key.h"

enum {
	CONTROL_FORMAT = 1,
	CONTROL_SUMMARY_BYTES = 88,
	CONTROL_CLUSTER_BYTES = 24 + LIMIT_NAME_BYTES,
	CONTROL_MEMBER_BYTES = 17 + 8 * CONTROL_RETIRED + LIMIT_NAME_BYTES,
	CONTROL_TABLE_KEY = 9, /* a letter and a u64 */
	CONTROL_TASK_NAME_MAX = 2 * LIMIT_NAME_BYTES + 16,
};

/* One entry on its way through. */
struct control_turn {
	struct control *c;
	const struct kv *kv;
	uint64_t index;
	unsigned changed; /* bits of enum control_change */
};

/* Count it as refused and say why. */
__attribute__((format(printf, 3, 4))) void
control_refuse(struct control_turn *t, int code, const char *fmt, ...);

/* -- events ---------------------------------------------------------------- */
/* An event of our own making; an entry leaves at most one. */
struct control_note {
	const char *type;
	uint64_t node_id; /* 0: about no node */
	int64_t time_us;
	uint64_t detect_us, elect_us, assign_us, first_change_us;
};
/* A text that is too long is cut. */
__attribute__((format(printf, 3, 4))) void
control_say(struct control_turn *t, const struct control_note *note,
	    const char *fmt, ...);
void control_event_put(struct control_turn *t,
		       const Synod__Command__Event *event);
void control_take_event(struct control_turn *t,
			const Synod__Command__Event *event);

/* -- commands -------------------------------------------------------------- */
void control_take_member(struct control_turn *t,
			 const Synod__Command__Member *in);
void control_take_cluster(struct control_turn *t,
			  const Synod__Command__Cluster *in);

void control_take_revision(struct control_turn *t,
			   const Synod__Command__Revision *in);
void control_take_assign(struct control_turn *t,
			 const Synod__Command__Assign *in);
void control_take_checkpoint(struct control_turn *t,
			     const Synod__Command__Checkpoint *in);
void control_take_report(struct control_turn *t,
			 const Synod__Command__TaskReport *in);
void control_take_reach(struct control_turn *t,
			const Synod__Command__Reach *in);
void control_take_drain(struct control_turn *t,
			const Synod__Command__Drain *in);
void control_take_pause(struct control_turn *t,
			const Synod__Command__Pause *in);

void control_take_batch(struct control_turn *t,
			const Synod__Command__Batch *in);
void control_take_resolve(struct control_turn *t,
			  const Synod__Command__Resolve *in);
void control_take_letter(struct control_turn *t,
			 const Synod__Command__DeadLetter *in);
void control_take_difference(struct control_turn *t,
			     const Synod__Command__Difference *in);
void control_take_letters(struct control_turn *t,
			  const Synod__Command__Letters *in);

/* What an entry of the ledger's may look at. */
struct ledger_world control_world(const struct control_turn *t);
/* The catalog is no longer what the kv says: read it, let the ledger follow. */
void control_reload(struct control_turn *t);

#endif
