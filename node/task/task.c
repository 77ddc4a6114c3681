#include "node/task/task.h"

/* -- errors ---------------------------------------------------------------- */
void task_retry_init(struct task_retry *r, uint64_t seed)
{
	*r = (struct task_retry){0};
	rng_init(&r->rng, seed);
}

void task_retry_succeeded(struct task_retry *r)
{
	r->n = 0;
}

static enum task_state state_after(int code)
{
	switch (code) {
	case ERR_FENCED:
		return TASK_ENDED;
	case ERR_PERMISSION:
	case ERR_TLS:
	case ERR_SCHEMA:
	case ERR_GAP:
	case ERR_DATA:
	case ERR_INVALID:
	case ERR_LIMIT:
	case ERR_NOTFOUND:
	case ERR_FORMAT:
	case ERR_CORRUPT:
		return TASK_BLOCKED;
	default:
		return TASK_RETRYING;
	}
}

static bool is_transient(int code)
{
	return code == ERR_NETWORK || code == ERR_TIMEOUT || code == ERR_BUSY ||
	       code == ERR_CLOSED || code == ERR_REFUSED || code == ERR_CHANGED;
}

/* Twice as long each time, half of it by chance: tasks that failed together do
 * not come back together. */
static int64_t backoff_us(struct task_retry *r, int code)
{
	int64_t ms = is_transient(code) ? TASK_RETRY_MS_MIN : TASK_RETRY_MS_ODD;

	for (unsigned i = 0; i < r->n && ms < TASK_RETRY_MS_MAX; i++)
		ms *= 2;
	if (ms > TASK_RETRY_MS_MAX)
		ms = TASK_RETRY_MS_MAX;
	return rng_range(&r->rng, ms * 500, ms * 1000);
}

enum task_state task_retry_failed(struct task_retry *r, int code,
				  int64_t now_us)
{
	enum task_state state = state_after(code);

	if (state == TASK_BLOCKED)
		r->due_us = now_us + (int64_t)TASK_BLOCKED_MS * 1000;
	else
		r->due_us = now_us + backoff_us(r, code);
	r->n++;
	return state;
}

const char *task_hint(int code)
{
	switch (code) {
	case ERR_NETWORK:
	case ERR_TIMEOUT:
		return "see whether the system is up and can be reached from "
		       "this node: synodctl connection test NAME";
	case ERR_PERMISSION:
	case ERR_TLS:
		return "correct user, secret or privileges: synodctl "
		       "connection test NAME says what is missing";
	case ERR_SCHEMA:
		return "synodctl config plan shows what changed; config apply "
		       "takes it over and loads the table again";
	case ERR_GAP:
		return "synodctl sync resume NAME --table TABLE loads it again";
	case ERR_LIMIT:
		return "synodctl dlq list; what is over its limit stands in "
		       "the text";
	case ERR_INVALID:
		return "correct the definition: synodctl config plan";
	case ERR_CORRUPT:
	case ERR_FORMAT:
		return "synodctl doctor; all nodes should run one version";
	default:
		return NULL;
	}
}

const char *task_state_name(enum task_state state)
{
	static const char *const names[] = {
		[TASK_STARTING] = "starting", [TASK_RUNNING] = "running",
		[TASK_RETRYING] = "retrying", [TASK_BLOCKED] = "blocked",
		[TASK_ENDED] = "ended",
	};

	return state < TASK__STATES ? names[state] : "unknown";
}
