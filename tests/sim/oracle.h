/* The oracle: knows what no node can know, and judges after every step.
 *
 *   - one leader per term, and it has every committed entry;
 *   - the same entry at the same index on all nodes, durable on a quorum when
 *     it is first called committed, never truncated afterwards;
 *   - a node votes once per term and never goes back in terms;
 *   - states with equal index are equal; they never go back;
 *   - the fates of proposals are true (fates.h).
 *
 * The first claim that does not hold ends the run (world_violation). */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "tests/sim/fates.h"
#include "tests/sim/machine.h"

struct world;

/* A committed entry. */
struct truth {
	uint64_t term, digest;
	uint64_t commit_term; /* of the leader that committed it */
	uint64_t chain;       /* of the state after it */
	uint64_t proposal;
	enum log_type type;
};

struct leadership {
	uint32_t life;
	uint8_t node;
	bool is_known;
};

/* A configuration that somebody once appended: from then on it is in use there,
 * durable or not. */
struct change {
	uint64_t index;
	unsigned voters, node;
};

struct oracle {
	struct truth *truths; /* [0] is index 1 */
	size_t n_truths, truths_cap;
	struct fates fates;
	struct leadership *leaders; /* by term */
	size_t leaders_cap;
	/* Voters by the newest committed configuration, bits by number. */
	unsigned voters;
	struct change *changes;
	size_t n_changes, changes_cap;
	unsigned n_lost; /* disks lost so far */
};

void oracle_free(struct oracle *o);
uint64_t oracle_last(const struct oracle *o);

/* -- what the world tells it -- */
void oracle_commit(struct machine *m, uint64_t index);
/* Asked for; not durable yet. */
void oracle_append(struct machine *m, const struct log_entry *e);
/* The state takes one entry; updates it. */
void oracle_apply(struct machine *m, struct sim_state *s, uint64_t index,
		  const struct record *r);
/* When it is asked for: what others commit between that and its end was not
 * counted here any more. Nor is it a loss when this node is still in a term
 * before the one in which the entry was committed: it was not asked then. */
void oracle_truncate(struct machine *m, uint64_t index);
void oracle_hard_state(struct machine *m, uint64_t term, uint64_t vote);
void oracle_install(struct machine *m, const struct replica_image *image);
void oracle_turn(struct machine *m);

/* Number of a member by its id; -1: nobody. */
int oracle_number(const struct world *w, uint64_t id);
/* Voters of a configuration entry, bits by number. */
unsigned oracle_voters(const struct world *w, struct bytes conf);

#endif
