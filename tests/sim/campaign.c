#include "tests/sim/campaign.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/err.h"

enum { JOBS_MAX = 64, SEED_SECONDS = 120, CHUNK = 200 };

/* Shared by a worker and the campaign, which reads it when the worker ended. */
struct slot {
	uint64_t next, end; /* seeds [next, end) are to be run */
	bool is_bad;
	struct report report; /* of seed next - 1, when is_bad */
	struct counts counts;
	uint64_t digest;
};

struct running {
	const struct campaign *c;
	struct outcome *out;
	struct slot *slots;
	pid_t pids[JOBS_MAX];
	uint64_t next; /* first seed that nobody has taken */
	unsigned n_running;
};

static void counts_add(struct counts *to, const struct counts *from)
{
	uint64_t most = to->drain_ms_max > from->drain_ms_max
				? to->drain_ms_max
				: from->drain_ms_max;

#define ADD(name) to->name += from->name;
	WORLD_COUNTS(ADD)
#undef ADD
	to->drain_ms_max = most;
}

static void run_seed(const struct campaign *c, struct slot *s)
{
	struct world *w = malloc(sizeof(*w));
	struct world_config cfg = {
		.seed = s->next,
		.nodes = c->nodes,
		.rules_off = c->rules_off,
		.is_trusting = c->is_trusting,
	};

	CHECK(w != NULL);
	alarm(SEED_SECONDS); /* a turn that never returns ends the worker */
	world_run(w, &cfg);
	counts_add(&s->counts, &w->counts);
	s->digest ^= w->digest;
	s->is_bad = w->is_bad;
	if (w->is_bad) {
		s->report.seed = s->next;
		memcpy(s->report.why, w->why, sizeof(w->why));
		/* What a broken rule left behind may not even be freed. */
		s->next++;
		_exit(0);
	}
	world_free(w);
	free(w);
	s->next++;
}

__attribute__((noreturn)) static void work(const struct campaign *c,
					   struct slot *s)
{
	while (s->next < s->end)
		run_seed(c, s);
	exit(0); /* not _exit: a leak checker looks now */
}

static void launch(struct running *r, unsigned i)
{
	struct slot *s = &r->slots[i];
	uint64_t end = r->c->from + r->c->seeds;
	bool is_over = r->c->is_until_bad && r->out->violations > 0;

	r->pids[i] = 0;
	if (is_over)
		return;
	if (s->next == s->end) {
		if (r->next == end)
			return;
		s->next = r->next;
		s->end = end - r->next < CHUNK ? end : r->next + CHUNK;
		r->next = s->end;
	}
	s->is_bad = false;
	fflush(NULL);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		work(r->c, s);
	r->pids[i] = pid;
	r->n_running++;
}

static void report(struct running *r, uint64_t seed, const char *why)
{
	struct outcome *o = r->out;

	if (o->violations++ == 0 || seed < o->first_bad)
		o->first_bad = seed;
	if (o->n_reports == CAMPAIGN_REPORTS)
		return;
	struct report *p = &o->reports[o->n_reports++];
	p->seed = seed;
	snprintf(p->why, sizeof(p->why), "%s", why);
	fprintf(stderr, "violation nodes=%u seed=%llu %s\n", r->c->nodes,
		(unsigned long long)seed, why);
}

static void ended(struct running *r, unsigned i, int status)
{
	struct slot *s = &r->slots[i];
	char why[64];

	r->n_running--;
	if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0) {
		if (WIFSIGNALED(status))
			snprintf(why, sizeof(why), "killed by signal %d (%s)",
				 WTERMSIG(status),
				 WTERMSIG(status) == SIGALRM ? "it hangs"
							     : "crash");
		else
			snprintf(why, sizeof(why), "exit code %d",
				 WEXITSTATUS(status));
		report(r, s->next, why);
		s->next++;
	} else if (s->is_bad) {
		report(r, s->report.seed, s->report.why);
	}
	launch(r, i);
}

static unsigned slot_of(const struct running *r, pid_t pid)
{
	unsigned i = 0;

	while (i < r->c->jobs && r->pids[i] != pid)
		i++;
	CHECK(i < r->c->jobs);
	return i;
}

void campaign_run(const struct campaign *c, struct outcome *out)
{
	size_t len = JOBS_MAX * sizeof(struct slot);
	struct running r = {.c = c, .out = out, .next = c->from};

	CHECK(c->jobs > 0 && c->jobs <= JOBS_MAX);
	*out = (struct outcome){0};
	r.slots = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(r.slots != MAP_FAILED);
	for (unsigned i = 0; i < c->jobs; i++)
		launch(&r, i);
	while (r.n_running > 0) {
		int status;
		pid_t pid = wait(&status);
		if (pid < 0) {
			CHECK(errno == EINTR);
			continue;
		}
		ended(&r, slot_of(&r, pid), status);
	}
	out->seeds = r.next - c->from;
	for (unsigned i = 0; i < c->jobs; i++) {
		out->seeds -= r.slots[i].end - r.slots[i].next;
		counts_add(&out->counts, &r.slots[i].counts);
		out->digest ^= r.slots[i].digest;
	}
	munmap(r.slots, len);
}
