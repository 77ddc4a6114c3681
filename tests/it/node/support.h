/* What the tests with real nodes share: every step succeeds within its deadline
 * or the test fails with the reason. One thread. */
#ifndef TESTS_IT_NODE_SUPPORT_H
#define TESTS_IT_NODE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/fleet.h"

enum { WAIT_MS = 20000 };

/* Fail with the text of e unless rc is 0. */
void must(int rc, const struct err *e);

struct fleet *fleet_of(unsigned n_nodes, const char *node_lines);
/* Started, with a leader that all know. Gives the leader. */
unsigned fleet_up(struct fleet *f);
void fleet_equal(struct fleet *f);

/* Append n values of `size` bytes, numbered from `first`, through node i; every
 * one must be committed. */
struct values {
	unsigned first, n;
	size_t size;
};
void append_values(struct fleet *f, unsigned i, struct values v);
/* Every value is in the log of node i, in order. */
void expect_values(struct fleet *f, unsigned i, struct values v);

/* One request to node i; the caller frees the answer. */
Synod__Admin__Response *ask_node(struct fleet *f, unsigned i,
				 const Synod__Admin__Request *question);
Synod__Admin__Response *status_of(struct fleet *f, unsigned i);
/* Does an event of this type about this node exist (node NULL: any)? */
bool has_event(struct fleet *f, unsigned i, const char *type, const char *node);
/* Wait for it. */
void wait_event(struct fleet *f, unsigned i, const char *type,
		const char *node);
/* Wait until node i calls itself that: "follower", "rebuilding", ... */
void wait_state(struct fleet *f, unsigned i, const char *state);

/* a followed by b, all of it. */
void join(char *out, size_t size, const char *a, const char *b);
/* Delete a directory with everything in it. */
void remove_tree(const char *path);
/* Copy it as `cp -a` does. */
void copy_tree(const char *from, const char *to);
/* Does the text stand in the file? */
bool file_says(const char *path, const char *text);

#endif
