/* World: the whole product in one process, without a clock, a disk or a net of
 * its own: nodes with the real control state, ledger, planner and tasks, over a
 * simulated log and simulated databases. One seed is one run; everything that
 * happens follows from it. See docs/TESTING.md. */
#ifndef TESTS_SIM_PRODUCT_WORLD_H
#define TESTS_SIM_PRODUCT_WORLD_H

#include "base/arena.h"
#include "base/map.h"
#include "base/rng.h"
#include "cluster/core/command.h"
#include "cluster/core/control.h"
#include "cluster/core/planner.h"
#include "node/task/apply.h"
#include "node/task/capture.h"

enum {
	WORLD_NODES = 3,
	WORLD_DBS = 3,
	WORLD_TABLES = 3,
	WORLD_RUNNERS = 16,
	WORLD_WHY = 256,
	WORLD_IDS = 31,     /* of tables, of all revisions */
	TABLE_REGISTER = 1, /* two-way, puts only: the journal is exact */
	TABLE_CHURN = 2,    /* two-way, puts and deletes */
	TABLE_BANK = 3,     /* one-way 1 -> 2, 3: the sum never changes */
	SYNC_PAIR = 1,
	SYNC_BANK = 2,
	BANK_ACCOUNTS = 6,
	BANK_EACH = 100,
};

/* Rules that can be switched off in the simulated parts, to see that the
 * simulation finds out. */
#define WORLD_RULES(X)                  \
	X(log_from, "from-position")    \
	X(log_epoch, "log-epoch")       \
	X(target_fence, "target-fence") \
	X(echo, "echo")                 \
	X(give_back, "give-back")

struct rules_off {
#define RULE(field, name) bool field;
	WORLD_RULES(RULE)
#undef RULE
};

/* clang-format off */
#define WORLD_COUNTS(X) \
	X(entries) X(commits) X(echoes) X(conflicts) X(letters) \
	X(rows) X(crashes) X(freezes) X(db_crashes) X(lost_commits) \
	X(refused) X(unknown) X(void_batches) X(moves) X(drains) \
	X(pauses) X(parts) X(fenced) X(reads) X(differences) \
	X(resolves) X(revisions) X(truncates) X(gaps) X(table_pauses) \
	X(drain_ms_max)
/* clang-format on */

struct counts {
#define COUNT(name) uint64_t name;
	WORLD_COUNTS(COUNT)
#undef COUNT
};

/* -- databases --------------------------------------------------------------
 */
struct op {
	enum change_op op;
	uint32_t table_id;
	struct bytes key, values; /* encoded, in the world's arena */
};
struct commit {
	int64_t stamp_us;
	uint32_t echo_task; /* 0: a local one */
	uint64_t echo_index;
	struct op *ops;
	size_t n;
};
struct checkpoint {
	uint32_t task_id;
	uint64_t epoch, applied;
};
struct database {
	uint32_t id;
	struct map *tables[WORLD_TABLES + 1]; /* key -> values */
	struct map *written; /* task, index, ordinal: what was ever applied */
	struct commit *stream;
	size_t n, cap;
	uint64_t slot_epoch, boot;
	size_t lost; /* what the stream has up to here cannot be read any more
		      */
	int64_t down_until_us;
	struct checkpoint checkpoints[WORLD_RUNNERS];
	size_t n_checkpoints;
	bool is_poisoned;
};

/* -- nodes ------------------------------------------------------------------
 */
struct world;
struct member;
struct runner {
	struct world *w;
	struct member *m;
	bool is_used;
	uint64_t instance;
	uint64_t paused; /* mask of tables; when it began */
	uint64_t revision_at;
	struct task_spec spec;
	struct catalog *catalog;
	struct connector_secrets secrets; /* carries the runner */
	struct capture *capture;
	struct apply *apply;
	enum task_state state;
	struct err problem;
	int64_t due_us, hint_us;
	uint64_t hinted;
};
struct member {
	struct world *w;
	uint64_t id, boot;
	struct control control;
	struct map *map;
	struct kv kv;
	uint64_t applied, revision_at; /* entries */
	bool is_up;
	int64_t down_until_us, frozen_until_us, cut_until_us;
	int64_t entry_due_us, last_assigned_us;
	bool has_news;
	struct runner runners[WORLD_RUNNERS];
};

/* -- the log ----------------------------------------------------------------
 */
struct entry {
	struct blob *payload; /* with the proposal id */
	struct command_view view;
	struct blob *outcome; /* as the first node decided */
	bool is_decided, is_refused;
	int64_t at_us;
};
struct proposal {
	struct blob *command;
	uint64_t node_id, boot, instance, ticket;
	int64_t commit_us; /* INT64_MAX: never, or done */
	int64_t fate_us;
	struct task_fate fate;
	bool has_fate;
};

struct world {
	struct rng rng;
	uint64_t seed;
	struct rules_off off;
	bool is_traced, is_calm;
	/* Changes get lost to the capture (gaps, paused tables): no deletes
	 * then, for a load does not tell of them, and no exact journal. */
	bool is_lossy;
	int64_t now_us;
	struct arena arena;
	struct database dbs[WORLD_DBS + 1];
	struct member members[WORLD_NODES + 1];
	struct entry *log; /* from 1 */
	size_t n_log, cap_log;
	struct proposal *proposals;
	size_t n_proposals, cap_proposals;
	uint64_t leader, next_instance, next_uid;
	int64_t leader_change_us, plan_us;
	struct map *saw; /* uid -> the uid that its writer saw */
	struct counts counts;
	bool is_bad;
	char why[WORLD_WHY];
};

void world_run(struct world *w);
void world_free(struct world *w);
__attribute__((format(printf, 2, 3))) void world_bad(struct world *w,
						     const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void world_trace(struct world *w,
						       const char *fmt, ...);
bool world_chance(struct world *w, double p);
static inline int64_t world_wall(const struct world *w)
{
	return w->now_us + (int64_t)1700000000 * 1000000;
}

/* A revision that declares the two-way tables anew, under ids of their own:
 * 3 more each time. */
void world_declare(struct world *w, uint32_t base_revision,
		   uint32_t generation);
static inline uint32_t world_physical(uint32_t table_id)
{
	return (table_id - 1) % WORLD_TABLES + 1;
}

/* database.c */
struct image {
	uint64_t uid, saw;
	int64_t amount;
};
void database_init(struct world *w, uint32_t id);
void database_free(struct database *d);
struct bytes database_key(struct world *w, int64_t key);
struct bytes database_values(struct world *w, int64_t key,
			     const struct image *i);
bool database_image(struct bytes values, struct image *out);
bool database_get(const struct database *d, uint32_t table_id, struct bytes key,
		  struct image *out);
/* Ops are the world's; they are written and appended to the stream. */
void database_commit(struct world *w, struct database *d,
		     const struct commit *c);
struct op *database_ops(struct world *w, size_t n);
/* The users of one millisecond. */
void database_users(struct world *w);
void database_first_rows(struct world *w);

/* people.c */
void people_resolve(struct world *w);
void people_revise(struct world *w);
/* Take back what was paused, drained and parked. */
void people_mend(struct world *w);
void people_pause(struct world *w, uint32_t sync_id, uint32_t table_id,
		  bool is_paused);
void people_drain(struct world *w, uint64_t id, bool is_drained);

/* connector.c */
extern const struct connector connector_sim;

/* log.c */
int log_propose(struct runner *r, struct blob *command, uint64_t ticket);
/* By nobody in particular: an operator, a leader. */
void log_command(struct world *w, const Synod__Command__Command *c);
void log_turn(struct world *w);
void log_free(struct world *w);

/* member.c */
void member_init(struct world *w, uint64_t id);
void member_free(struct member *m);
void member_turn(struct member *m);
void member_crash(struct member *m, int64_t for_us);
bool member_is_awake(const struct member *m);

/* runner.c */
void runner_follow(struct member *m);
void runner_step(struct runner *r);
void runner_stop(struct runner *r);

/* judge.c */
bool judge_is_quiet(struct world *w);
void judge_bank(struct world *w, const struct database *d);
void judge_end(struct world *w);
const char *judge_open(struct world *w);

#endif
