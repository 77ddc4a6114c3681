/* synodctl run inside the test: nodes are functions, the terminal is memory. */
#ifndef TESTS_UNIT_NODE_CTL_FIXTURE_H
#define TESTS_UNIT_NODE_CTL_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node/ctl/ctl.h"

struct fake;

/* Fill the response; what it points to must stay until the call returns. */
typedef void (*fake_node)(struct fake *f, const char *url,
			  const Synod__Admin__Request *request,
			  Synod__Admin__Response *response);

struct fake {
	fake_node node;
	void *ctx;
	/* Endpoints whose URL holds this text cannot be dialed. */
	const char *down;
	int down_code;
	/* The call itself fails with this code; 0: it does not. */
	int call_code;
	/* Answer with bytes that are no response. */
	bool is_garbage;
	atomic_uint n_dials, n_calls; /* several endpoints: several threads */

	struct ctl_world world;
	char *out, *err; /* what the last run wrote */
	size_t out_len, err_len;
};

void fake_init(struct fake *f, fake_node node);
void fake_clear(struct fake *f);
/* Run a command line, words separated by single spaces. */
int fake_run(struct fake *f, const char *line);
/* Fail the test unless the last run wrote exactly this. */
void assert_out(struct fake *f, const char *expected);
void assert_err(struct fake *f, const char *expected);
/* -o json of the last run as an object; json_decref it. */
json_t *fake_json(struct fake *f);

/* A response that is a problem, static. */
void fake_problem(Synod__Admin__Response *response, int code, const char *text,
		  const char *hint);

#endif
