/* Links of a test to a side: bench/side.h, and the test fails when they do. */
#ifndef TESTS_E2E_LINKS_H
#define TESTS_E2E_LINKS_H

#include "bench/side.h"

struct side_link *link_dial(const struct side *s);
/* side_run, repeated while busy. */
void link_must(struct side_link *l, const char *sql);
int64_t link_number(struct side_link *l, const char *sql);

#endif
