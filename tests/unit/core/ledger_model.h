/* What the ledger serves, as a model: two to four databases, each with writers
 * of its own that note what they saw, a stream that says what happened there,
 * and an apply loop that writes what the ledger decided. Lag, order, repeats
 * and failures are drawn from a seed.
 *
 * Every write has a number and knows the one that it wrote over: that is the
 * truth about who descends from whom, without the ledger's words. */
#ifndef TESTS_UNIT_CORE_LEDGER_MODEL_H
#define TESTS_UNIT_CORE_LEDGER_MODEL_H

#include "base/rng.h"
#include "ledger_rig.h"

enum { KEYS = 5, SIDES_MAX = 4, WRITES_MAX = 1024, EVENTS_MAX = 4096 };
enum { RULE_LWW, RULE_PREFER, RULE_QUEUE, DRAWN = -1 };

/* What a seed may do. */
struct flavour {
	bool deletes, truncates, patches, loads, letters, reloads;
	int rule, delete_rule; /* of the definition; -1: drawn */
};

/* -- the databases --------------------------------------------------------- */
struct write {
	int64_t saw; /* the number of what it wrote over; 0: nothing */
	int64_t key, stamp_us;
	unsigned maker;
	bool is_delete, is_root; /* was there before the sync */
	bool has_child;
};

enum event_kind { EVENT_LOCAL, EVENT_LOAD, EVENT_ECHO, EVENT_TRUNCATE };
struct event {
	enum event_kind kind;
	struct rig_row row;
	bool is_patch;
	bool joins; /* the transaction of the event before */
	int64_t stamp_us;
	uint64_t index;    /* of an echo */
	int64_t first_uid; /* of a TRUNCATE: one a key */
};

/* A delete that is in the log: deletes do not say their number. */
struct deleted {
	uint64_t index;
	int64_t key, uid;
};

struct side {
	struct rig_row rows[KEYS];
	struct event *events;
	size_t n_events, n_captured;
	uint64_t applied;
	bool is_stopped;
};

struct model {
	struct rig rig;
	struct rng rng;
	struct flavour flavour;
	struct side sides[SIDES_MAX + 1]; /* by connection */
	struct write writes[WRITES_MAX];  /* by number, from 1 */
	int64_t n_writes;
	struct deleted deleted[WRITES_MAX];
	size_t n_deleted;
	int64_t clock_us;
	uint64_t seed;
	bool is_healing; /* no more failures */
};

void model_init(struct model *m, uint64_t seed, struct flavour flavour);
void model_free(struct model *m);
bool model_draw(struct model *m, unsigned percent);
/* All of it, until nothing is under way; letters are replayed. */
void model_run(struct model *m);
/* A person decides every open conflict, one after the other. */
void model_resolve_all(struct model *m);

#endif
