#include "tests/e2e/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

static int64_t now_ms(void)
{
	struct clock clock = clock_system();

	return clock_mono_us(&clock) / 1000;
}

static void pause_ms(long ms)
{
	struct timespec t = {.tv_nsec = ms * 1000000};

	nanosleep(&t, NULL);
}

void stage_fail(struct stage *s, const char *fmt, ...)
{
	char text[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (unsigned i = 0; i < STAGE_NODES; i++) {
		const char *const argv[] = {"tail", "-n", "25",
					    fleet_log(s->fleet, i), NULL};
		struct process_plan plan = {.argv = argv,
					    .log_path = "/dev/stderr"};
		struct process p = {0};
		struct err e = {0};
		int status;
		if (process_start(&p, &plan, &e) == 0)
			process_wait(&p, 2000, &status);
	}
	fail_msg("%s", text);
	abort();
}

void stage_open(struct stage *s)
{
	stage_open_with(s, NULL);
}

void stage_open_with(struct stage *s, const char *node_lines)
{
	struct fleet_config cfg = {.synodd = SYNODD_PATH,
				   .n_nodes = STAGE_NODES,
				   .node_lines = node_lines,
				   .keep_files = getenv("KEEP_FILES") != NULL};
	struct err e = {0};
	unsigned leader;

	*s = (struct stage){0};
	if (fleet_open(&s->fleet, &cfg, &e) || fleet_start_all(s->fleet, &e) ||
	    fleet_wait_ready(s->fleet, STAGE_WAIT_MS, &leader, &e))
		fail_msg("%s", e.text);
}

void stage_close(struct stage *s)
{
	fleet_close(s->fleet);
	s->fleet = NULL;
}

/* -- requests -------------------------------------------------------------- */
Synod__Admin__Response *stage_ask(struct stage *s,
				  const Synod__Admin__Request *question)
{
	Synod__Admin__Response *answer;
	struct err e = {0};

	if (work_ask(s->fleet, question, &answer, &e))
		stage_fail(s, "%s", e.text);
	return answer;
}

void stage_define(struct stage *s, const char *text)
{
	struct err e = {0};

	if (work_define(s->fleet, text, &e))
		stage_fail(s, "%s", e.text);
}

void stage_define_pair(struct stage *s, const struct side *a,
		       const struct side *b, const char *lines)
{
	char text[8192];

	snprintf(text, sizeof(text),
		 "synod: 1\nconnections:\n%s%ssyncs:\n  pair:\n%s", a->yaml,
		 b->yaml, lines);
	stage_define(s, text);
}

void stage_wait_running(struct stage *s)
{
	struct err e = {0};

	if (work_wait_running(s->fleet, &e))
		stage_fail(s, "%s", e.text);
}

unsigned stage_owner(struct stage *s, const char *task)
{
	int64_t until = now_ms() + STAGE_WAIT_MS;
	struct err e = {0};
	unsigned owner = 0;

	while (work_owner(s->fleet, task, &owner, &e)) {
		if (now_ms() > until)
			stage_fail(s, "%s", e.text);
		pause_ms(10);
	}
	return owner;
}

unsigned stage_leader(struct stage *s)
{
	struct err e = {0};
	unsigned leader;

	if (fleet_wait_leader(s->fleet, STAGE_WAIT_MS, &leader, &e))
		stage_fail(s, "%s", e.text);
	return leader;
}

/* -- equal sides ----------------------------------------------------------- */
static bool rows_equal(const struct side_rows *a, const struct side_rows *b,
		       char *why, size_t cap)
{
	size_t n = a->n < b->n ? a->n : b->n;

	for (size_t i = 0; i < n; i++)
		if (strcmp(a->rows[i], b->rows[i]) != 0) {
			snprintf(why, cap, "row %zu: %s <> %s", i, a->rows[i],
				 b->rows[i]);
			return false;
		}
	if (a->n != b->n) {
		snprintf(why, cap, "%zu rows <> %zu rows, first more: %s", a->n,
			 b->n, a->n > n ? a->rows[n] : b->rows[n]);
		return false;
	}
	return true;
}

static bool sides_equal(struct side_link *a, struct side_link *b,
			const char *sql, char *why, size_t cap)
{
	struct side_rows ra = {0}, rb = {0};
	struct err e = {0};
	bool is_equal = false;

	if (side_query(a, sql, &ra, &e) || side_query(b, sql, &rb, &e))
		snprintf(why, cap, "%s", e.text);
	else
		is_equal = rows_equal(&ra, &rb, why, cap);
	side_rows_free(&ra);
	side_rows_free(&rb);
	return is_equal;
}

void stage_wait_equal(struct stage *s, const struct side *a,
		      const struct side *b, const char *sql)
{
	struct side_link *la = link_dial(a), *lb = link_dial(b);
	int64_t until = now_ms() + STAGE_WAIT_MS;
	char why[2048] = "";

	while (!sides_equal(la, lb, sql, why, sizeof(why))) {
		if (now_ms() > until)
			stage_fail(s, "%s and %s differ: %s", a->name, b->name,
				   why);
		pause_ms(20);
	}
	side_hang_up(la);
	side_hang_up(lb);
}
