#include "tests/e2e/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

enum { MUST_MS = 20000 };

struct side_link *link_dial(const struct side *s)
{
	struct side_link *l = NULL;
	struct err e = {0};

	if (side_open(s, &l, &e))
		fail_msg("%s", e.text);
	return l;
}

void link_must(struct side_link *l, const char *sql)
{
	struct clock clock = clock_system();
	int64_t until = clock_mono_us(&clock) + (int64_t)MUST_MS * 1000;
	struct err e = {0};
	int rc;

	do
		rc = side_run(l, sql, &e);
	while (rc == ERR_BUSY && clock_mono_us(&clock) < until);
	if (rc)
		fail_msg("%s: %s", sql, e.text);
}

int64_t link_number(struct side_link *l, const char *sql)
{
	int64_t number = 0;
	struct err e = {0};

	if (side_number(l, sql, &number, &e))
		fail_msg("%s: %s", sql, e.text);
	return number;
}
