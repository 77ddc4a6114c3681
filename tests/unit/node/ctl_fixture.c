#include "ctl_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "proto/codec.h"

enum { WORDS_MAX = 64 };

/* A connection: which fake, which endpoint. */
struct wire {
	struct fake *fake;
	char url[LIMIT_ADDRESS_BYTES + 1];
};

static int dial(void *ctx, const struct door_client_config *cfg,
		void **connection, struct err *e)
{
	struct fake *f = ctx;
	struct wire *w = NULL;

	f->n_dials++;
	if (f->down && strstr(cfg->url, f->down))
		return err_set(e, f->down_code ? f->down_code : ERR_NETWORK,
			       "%s: connection refused", cfg->url);
	w = mem_zero(1, sizeof *w);
	w->fake = f;
	snprintf(w->url, sizeof w->url, "%s", cfg->url);
	*connection = w;
	return 0;
}

static int call(void *connection, struct bytes request, int timeout_ms,
		struct blob **response, struct err *e)
{
	struct wire *w = connection;
	struct fake *f = w->fake;
	struct bytes payload;

	f->n_calls++;
	CHECK(codec_open(CODEC_REQUEST, request, LIMIT_FRAME_BYTES, &payload,
			 e) == 0);
	if (f->call_code)
		return err_set(e, f->call_code, "no answer within %d ms",
			       timeout_ms);
	if (f->is_garbage) {
		*response = blob_copy("garbage", 7);
		return 0;
	}
	ProtobufCMessage *m =
		codec_unpack(&synod__admin__request__descriptor, payload, e);
	CHECK(m);
	Synod__Admin__Response r;
	synod__admin__response__init(&r);
	f->node(f, w->url, (const Synod__Admin__Request *)m, &r);
	*response = codec_seal(CODEC_RESPONSE, &r.base);
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}

static void hang_up(void *connection)
{
	free(connection);
}

static const struct link_ops ops = {dial, call, hang_up};

void fake_init(struct fake *f, fake_node node)
{
	*f = (struct fake){.node = node};
	f->world = (struct ctl_world){.in_fd = -1, .link = &ops};
}

void fake_clear(struct fake *f)
{
	free(f->out);
	free(f->err);
	*f = (struct fake){0};
}

int fake_run(struct fake *f, const char *line)
{
	char *words[WORDS_MAX + 1] = {0};
	char *copy = mem_strdup(line);
	char *rest = NULL;
	int n = 0;

	words[n++] = mem_strdup("synodctl");
	for (char *w = strtok_r(copy, " ", &rest); w;
	     w = strtok_r(NULL, " ", &rest)) {
		CHECK(n < WORDS_MAX);
		words[n++] = mem_strdup(w);
	}
	/* getopt_long reorders the words: free them by another list. */
	char *all[WORDS_MAX + 1];
	memcpy(all, words, sizeof words);
	free(f->out);
	free(f->err);
	atomic_store(&f->n_dials, 0);
	atomic_store(&f->n_calls, 0);
	f->world.out = open_memstream(&f->out, &f->out_len);
	f->world.err = open_memstream(&f->err, &f->err_len);
	CHECK(f->world.out && f->world.err);
	f->world.link_ctx = f;
	int rc = ctl_main(&f->world, n, words);
	fclose(f->world.out);
	fclose(f->world.err);
	for (int i = 0; i < n; i++)
		free(all[i]);
	free(copy);
	return rc;
}

void assert_out(struct fake *f, const char *expected)
{
	assert_string_equal(f->out, expected);
}

void assert_err(struct fake *f, const char *expected)
{
	assert_string_equal(f->err, expected);
}

json_t *fake_json(struct fake *f)
{
	json_error_t error;
	json_t *all = json_loads(f->out, JSON_REJECT_DUPLICATES, &error);

	assert_non_null(all);
	return all;
}

void fake_problem(Synod__Admin__Response *response, int code, const char *text,
		  const char *hint)
{
	/* Endpoints are asked by a thread each. */
	static _Thread_local Synod__Admin__Problem problem;
	static _Thread_local char name[64];
	static _Thread_local char words[256];
	static _Thread_local char next[256];

	snprintf(name, sizeof name, "%s", err_name(code));
	snprintf(words, sizeof words, "%s", text);
	snprintf(next, sizeof next, "%s", hint);
	synod__admin__problem__init(&problem);
	problem.code = code;
	problem.name = name;
	problem.text = words;
	problem.hint = next;
	response->problem = &problem;
}
