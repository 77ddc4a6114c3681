/* Capture: reads one connection and proposes what it did, batch by batch, each
 * behind the one before: several may be under way (LIMIT_CAPTURE_WINDOW_BYTES,
 * LIMIT_CAPTURE_WINDOW_COUNT). The source is told to forget only what the
 * ledger has accepted. A batch that was refused, or whose fate is unknown, ends
 * the run: when every fate is known (or its deadline has passed), the position
 * is read from the ledger and the source is started there anew. */
#ifndef NODE_TASK_CAPTURE_H
#define NODE_TASK_CAPTURE_H

#include "node/task/task.h"

struct capture;

struct capture *capture_new(const struct task_spec *spec,
			    const struct task_ports *ports);
/* Closes the connection. NULL is allowed. */
void capture_free(struct capture *c);
/* Do what is due; may block up to wait_ms in the connector. Returns the
 * microseconds until the next call at the latest; 0: at once. */
int64_t capture_step(struct capture *c, int wait_ms);
void capture_fate(struct capture *c, const struct task_fate *fate);
enum task_state capture_state(const struct capture *c);
void capture_figures_of(const struct capture *c, struct capture_figures *out);
/* Any thread: make a step that blocks in the connector return: a stop. */
void capture_wake(struct capture *c);

#endif
