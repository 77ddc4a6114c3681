/* Entries of operators, leaders and tasks, for the tests of the control state.
 * Each is applied and flushed alone. */
#ifndef TESTS_UNIT_CORE_ENTRIES_H
#define TESTS_UNIT_CORE_ENTRIES_H

#include "declare.h"
#include "machine.h"

void entry_member(struct machine *m, uint64_t id, const char *name);
/* By ann, because. */
void entry_revision(struct machine *m, uint32_t base, const struct declare *d);
void entry_assign(struct machine *m, uint32_t task, uint64_t node,
		  uint64_t expected);
void entry_checkpoint(struct machine *m, uint32_t task, uint64_t epoch,
		      uint64_t upto);
void entry_pause(struct machine *m, uint32_t sync, uint32_t table,
		 bool is_paused);
void entry_drain(struct machine *m, uint64_t node, bool is_drained);
void entry_reach(struct machine *m, uint64_t node, uint32_t connection,
		 bool is_reachable);
void entry_report(struct machine *m, uint32_t task, uint64_t epoch,
		  uint64_t first_change_us);
/* Of the capture of connection 1, without changes. */
void entry_batch(struct machine *m, uint64_t epoch, const char *from,
		 const char *to);

#endif
