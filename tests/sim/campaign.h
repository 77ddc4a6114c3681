/* Many seeds, on some processes. Workers are forked, so that a seed that kills
 * its process (libraft reads freed memory, a CHECK fails, it hangs) is counted
 * as a violation and the campaign goes on behind it. */
#ifndef TESTS_SIM_CAMPAIGN_H
#define TESTS_SIM_CAMPAIGN_H

#include "tests/sim/world.h"

enum { CAMPAIGN_REPORTS = 20 };

struct campaign {
	unsigned nodes;
	uint64_t from, seeds;
	unsigned jobs;
	uint64_t rules_off;
	bool is_trusting;  /* see world.h */
	bool is_until_bad; /* stop at the first violation */
};

struct report {
	uint64_t seed;
	char why[320];
};

struct outcome {
	uint64_t seeds, violations;
	uint64_t first_bad; /* the smallest; valid when violations > 0 */
	struct report reports[CAMPAIGN_REPORTS];
	unsigned n_reports;
	struct counts counts;
	uint64_t digest; /* of all runs, whatever the number of jobs */
};

/* Prints violations to stderr as they come. */
void campaign_run(const struct campaign *c, struct outcome *out);

#endif
