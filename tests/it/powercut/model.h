/* What must be in the store after a cut, by what the worker said. */
#ifndef TESTS_IT_POWERCUT_MODEL_H
#define TESTS_IT_POWERCUT_MODEL_H

#include "base/err.h"
#include "script.h"

enum { MODEL_PENDING_MAX = 64, MODEL_PEERS = 4 };

struct model {
	/* Terms by index: of the log as acknowledged, and of what was committed
	 * anywhere, which never changes again. */
	uint64_t *terms, *committed;
	size_t n_terms_max;
	uint64_t base_index, base_term, last;
	uint64_t first;       /* acknowledged; forgetting may be ahead */
	uint64_t forget;      /* asked for */
	uint64_t commit;      /* committed has terms up to here */
	uint64_t applied_max; /* the state was told, or given as an image */
	uint64_t applied;     /* it has said */
	struct mark pending[MODEL_PENDING_MAX]; /* begun, in order */
	size_t n_pending;
	/* Term and vote, pins of peers: acknowledged and begun. */
	uint64_t hard[2], hard_begun[2];
	uint64_t pins[MODEL_PEERS], pin_begun[2];
	bool is_hard_begun, is_pin_begun;
};

void model_init(struct model *m);
void model_clear(struct model *m);
void model_mark(struct model *m, const struct mark *mark);
/* 0, or ERR_CORRUPT with what is wrong. Takes over what it found. */
int model_judge(struct model *m, struct script *s, struct err *e);

#endif
