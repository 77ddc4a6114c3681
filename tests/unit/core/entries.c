#include "entries.h"

#include <string.h>

#include "cluster/core/command.h"

void entry_member(struct machine *m, uint64_t id, const char *name)
{
	Synod__Command__Member member;
	Synod__Command__Command c;

	synod__command__member__init(&member);
	synod__command__command__init(&c);
	member.node_id = id;
	member.name = command_text(name);
	member.incarnation = id + 1000;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_MEMBER;
	c.member = &member;
	machine_command(m, &c);
}

void entry_revision(struct machine *m, uint32_t base, const struct declare *d)
{
	struct blob *packed = declare_pack(d);
	Synod__Command__Revision r;
	Synod__Command__Command c;

	synod__command__revision__init(&r);
	synod__command__command__init(&c);
	r.base_revision = base;
	r.author = command_text("ann");
	r.message = command_text("because");
	r.time_us = 5;
	r.definition.data = packed->data;
	r.definition.len = packed->len;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_REVISION;
	c.revision = &r;
	machine_command(m, &c);
	blob_unref(packed);
}

void entry_assign(struct machine *m, uint32_t task, uint64_t node,
		  uint64_t expected)
{
	Synod__Command__Assign a;
	Synod__Command__Command c;

	synod__command__assign__init(&a);
	synod__command__command__init(&c);
	a.task_id = task;
	a.node_id = node;
	a.expected_epoch = expected;
	a.reason = command_text("node_lost");
	a.time_us = 5;
	a.detect_us = 6;
	a.elect_us = 7;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_ASSIGN;
	c.assign = &a;
	machine_command(m, &c);
}

void entry_checkpoint(struct machine *m, uint32_t task, uint64_t epoch,
		      uint64_t upto)
{
	Synod__Command__Checkpoint p;
	Synod__Command__Command c;

	synod__command__checkpoint__init(&p);
	synod__command__command__init(&c);
	p.task_id = task;
	p.epoch = epoch;
	p.upto = upto;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_CHECKPOINT;
	c.checkpoint = &p;
	machine_command(m, &c);
}

void entry_pause(struct machine *m, uint32_t sync, uint32_t table,
		 bool is_paused)
{
	Synod__Command__Pause p;
	Synod__Command__Command c;

	synod__command__pause__init(&p);
	synod__command__command__init(&c);
	p.sync_id = sync;
	p.table_id = table;
	p.is_paused = is_paused;
	p.reason = command_text("a column is gone");
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_PAUSE;
	c.pause = &p;
	machine_command(m, &c);
}

void entry_drain(struct machine *m, uint64_t node, bool is_drained)
{
	Synod__Command__Drain d;
	Synod__Command__Command c;

	synod__command__drain__init(&d);
	synod__command__command__init(&c);
	d.node_id = node;
	d.is_drained = is_drained;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_DRAIN;
	c.drain = &d;
	machine_command(m, &c);
}

void entry_reach(struct machine *m, uint64_t node, uint32_t connection,
		 bool is_reachable)
{
	Synod__Command__Reach r;
	Synod__Command__Command c;

	synod__command__reach__init(&r);
	synod__command__command__init(&c);
	r.node_id = node;
	r.connection_id = connection;
	r.is_reachable = is_reachable;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_REACH;
	c.reach = &r;
	machine_command(m, &c);
}

void entry_report(struct machine *m, uint32_t task, uint64_t epoch,
		  uint64_t first_change_us)
{
	Synod__Command__TaskReport r;
	Synod__Command__Command c;

	synod__command__task_report__init(&r);
	synod__command__command__init(&c);
	r.task_id = task;
	r.epoch = epoch;
	r.state = SYNOD__COMMAND__TASK_REPORT__STATE__RUNNING;
	r.first_change_us = first_change_us;
	r.time_us = 10000;
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_TASK_REPORT;
	c.task_report = &r;
	machine_command(m, &c);
}

void entry_batch(struct machine *m, uint64_t epoch, const char *from,
		 const char *to)
{
	Synod__Command__Batch b;
	Synod__Command__Command c;

	synod__command__batch__init(&b);
	synod__command__command__init(&c);
	b.task_id = 1;
	b.epoch = epoch;
	b.from.data = (uint8_t *)command_text(from);
	b.from.len = strlen(from);
	b.to.data = (uint8_t *)command_text(to);
	b.to.len = strlen(to);
	c.body_case = SYNOD__COMMAND__COMMAND__BODY_BATCH;
	c.batch = &b;
	machine_command(m, &c);
}
