/* synodctl: what one run of it is made of. A run reads its command line by the
 * command table, talks to nodes through the door, gives its rows to the output
 * and ends with one of the exit codes below.
 *
 * Data goes to out, everything else to err. One thread, apart from the calls of
 * link_call_all. */
#ifndef NODE_CTL_CTL_H
#define NODE_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "node/ctl/link.h"
#include "node/ctl/options.h"
#include "node/ctl/output.h"

/* Promised to scripts; see `synodctl help exit-codes`. */
enum ctl_exit {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,      /* the cluster refused, or the action failed */
	EXIT_USAGE = 2,       /* bad input */
	EXIT_ENVIRONMENT = 3, /* no node reachable, no quorum, TLS */
	EXIT_CHANGED = 4,     /* a precondition no longer holds */
	EXIT_UNHEALTHY = 5,   /* reachable but unhealthy */
	EXIT_DIFFERENT = 6,   /* differences found */
	EXIT_PENDING = 7      /* a wait ran out; the work goes on */
};

/* What surrounds a run. Tests bring their own. */
struct ctl_world {
	FILE *out, *err;
	int in_fd;
	bool is_out_tty; /* tables and colour */
	bool is_in_tty;  /* somebody can answer a question */
	size_t width;    /* of the terminal; 0: unknown */
	const struct link_ops *link;
	void *link_ctx;
	int64_t now_us; /* wall clock, for tests; 0: the system's */
};

enum { CTL_LINE_MAX = 384 };

struct ctl_failure {
	bool is_set;
	char code[48]; /* as in "[not_leader]" */
	struct err e;
	char hint[LINK_HINT_MAX];
};

struct ctl {
	const struct ctl_world *world;
	const struct ctl_command *command; /* NULL: none was found yet */
	const char *help_noun;             /* `synodctl node --help` */
	struct ctl_options options;
	char **args; /* what is no flag, behind noun and verb */
	int n_args;
	char line[CTL_LINE_MAX]; /* as typed, for "type this"; may be cut */
	struct link link;
	struct output output;
	struct ctl_failure failure;
};

/* Run one command line. Returns the exit code. */
int ctl_main(const struct ctl_world *w, int argc, char **argv);

/* Say why it failed, once; shown at the end. hint may be NULL. Returns the exit
 * code that belongs to the error. */
int ctl_fail(struct ctl *c, const struct err *e, const char *hint);
/* The command line is wrong: exit code 2. */
__attribute__((format(printf, 2, 3))) int ctl_usage(struct ctl *c,
						    const char *fmt, ...);
/* The same with a hint of one's own instead of "synodctl help ...". */
__attribute__((format(printf, 3, 4))) int
ctl_usage_hint(struct ctl *c, const char *hint, const char *fmt, ...);
int ctl_exit_of(int err_code);
/* The wait ran out and the work goes on: exit code 7. */
__attribute__((format(printf, 3, 4))) int
ctl_pending(struct ctl *c, const char *hint, const char *fmt, ...);
/* An answer to another question than `what`. */
int ctl_fail_answer(struct ctl *c, const char *what);

/* One line on err for the reader; silent with --quiet. */
__attribute__((format(printf, 2, 3))) void ctl_note(struct ctl *c,
						    const char *fmt, ...);
/* The same, only with --verbose. */
__attribute__((format(printf, 2, 3))) void ctl_detail(struct ctl *c,
						      const char *fmt, ...);
/* Disruptive: show the effect and ask. 0: go on; else the exit code. */
int ctl_confirm(struct ctl *c, const char *effect);
/* Destructive: show what is lost, and go on only when name is typed. */
int ctl_confirm_name(struct ctl *c, const char *effect, const char *name);

/* Who does it, for the history: the user of this host. Returns buf. */
const char *ctl_author(char *buf, size_t cap);
int64_t ctl_now_us(const struct ctl *c);
/* protobuf-c declares its strings writable and never writes them. NULL: "". */
char *ctl_text(const char *s);

#endif
