/* What a frame says, one line per message, for people who read a trace. */
#ifndef TESTS_SIM_TRACE_H
#define TESTS_SIM_TRACE_H

#include "base/bytes.h"
#include "tests/sim/machine.h"

void trace_frame(struct world *w, const struct machine *m, unsigned dst,
		 const struct blob *frame);

#endif
