/* The client's side of the door: one REQ socket, one context per call that may
 * be under way.
 *
 *          door_start           request went          answer came
 *   free ─────────────▶ sending ────────────▶ waiting ───────────▶ free
 *
 * The receive is started only after the send has ended (nng 1.5.2 crashes
 * otherwise when the receive is cancelled), and nothing is ever sent twice: a
 * broken connection ends the call. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "cluster/wire/door.h"
#include "cluster/wire/wire_address.h"
#include "cluster/wire/wire_tls.h"
#include "proto/limits.h"

enum { DOOR_NNG_HEADER_BYTES = 64, DOOR_PARALLEL_MAX = 4096 };

static const char ipc_scheme[] = "ipc://";
static const char tls_scheme[] = "tls+tcp://";

struct door_call {
	struct door_client *client;
	nng_ctx ctx;
	nng_aio *aio;
	bool is_waiting; /* the request went */
	int64_t deadline_us;
	void (*done)(void *ctx, int code, struct blob *response);
	void *done_ctx;
	struct door_call *next_free;
};

struct door_client {
	nng_socket socket;
	nng_dialer dialer;
	nng_tls_config *tls;
	struct clock clock;
	bool has_socket;
	struct door_call *calls;
	unsigned n_calls;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool is_connected;
	struct door_call *free;
	unsigned n_running; /* done() of it has not returned yet */
};

static void lock(struct door_client *c)
{
	CHECK(pthread_mutex_lock(&c->lock) == 0);
}

static void unlock(struct door_client *c)
{
	CHECK(pthread_mutex_unlock(&c->lock) == 0);
}

/* -- one call -------------------------------------------------------------- */

/* The place is free before done runs: done may start the next call. */
static void finish(struct door_call *call, int code, struct blob *response)
{
	struct door_client *c = call->client;
	void (*done)(void *, int, struct blob *) = call->done;
	void *done_ctx = call->done_ctx;

	lock(c);
	call->next_free = c->free;
	c->free = call;
	unlock(c);
	done(done_ctx, code, response);
	lock(c);
	CHECK(c->n_running > 0);
	c->n_running--;
	CHECK(pthread_cond_broadcast(&c->changed) == 0);
	unlock(c);
}

static int code_of(const struct door_call *call, int rv)
{
	if (!call->is_waiting)
		return rv == NNG_ECLOSED ? ERR_CLOSED : ERR_NETWORK;
	return rv == NNG_ETIMEDOUT ? ERR_TIMEOUT : ERR_UNKNOWN_FATE;
}

static void wait_for_answer(struct door_call *call)
{
	int64_t left_us =
		call->deadline_us - clock_mono_us(&call->client->clock);

	call->is_waiting = true;
	nng_aio_set_timeout(call->aio,
			    left_us > 1000 ? (int)(left_us / 1000) : 1);
	nng_ctx_recv(call->ctx, call->aio);
}

static void call_step(void *arg)
{
	struct door_call *call = arg;
	int rv = nng_aio_result(call->aio);

	if (rv) {
		if (!call->is_waiting) {
			nng_msg_free(nng_aio_get_msg(call->aio));
			nng_aio_set_msg(call->aio, NULL);
		}
		finish(call, code_of(call, rv), NULL);
		return;
	}
	if (!call->is_waiting) {
		wait_for_answer(call);
		return;
	}
	nng_msg *m = nng_aio_get_msg(call->aio);
	nng_aio_set_msg(call->aio, NULL);
	struct blob *response = blob_copy(nng_msg_body(m), nng_msg_len(m));
	nng_msg_free(m);
	finish(call, 0, response);
}

static struct door_call *take_free(struct door_client *c)
{
	lock(c);
	struct door_call *call = c->free;
	if (call) {
		c->free = call->next_free;
		c->n_running++;
	}
	unlock(c);
	return call;
}

int door_start(struct door_client *c, struct bytes request, int timeout_ms,
	       void (*done)(void *ctx, int code, struct blob *response),
	       void *ctx)
{
	nng_msg *m;

	CHECK(timeout_ms > 0);
	if (request.len > LIMIT_FRAME_BYTES)
		return ERR_LIMIT;
	struct door_call *call = take_free(c);
	if (!call)
		return ERR_BUSY;
	CHECK(nng_msg_alloc(&m, request.len) == 0);
	memcpy(nng_msg_body(m), request.data, request.len);
	call->done = done;
	call->done_ctx = ctx;
	call->is_waiting = false;
	call->deadline_us =
		clock_mono_us(&c->clock) + (int64_t)timeout_ms * 1000;
	nng_aio_set_timeout(call->aio, timeout_ms);
	nng_aio_set_msg(call->aio, m);
	nng_ctx_send(call->ctx, call->aio);
	return 0;
}

/* -- blocking calls -------------------------------------------------------- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_done;
	int code;
	struct blob *response;
};

static void wake_waiter(void *ctx, int code, struct blob *response)
{
	struct waiter *wt = ctx;

	CHECK(pthread_mutex_lock(&wt->lock) == 0);
	wt->is_done = true;
	wt->code = code;
	wt->response = response;
	CHECK(pthread_cond_signal(&wt->changed) == 0);
	CHECK(pthread_mutex_unlock(&wt->lock) == 0);
}

static int say_why(int code, int timeout_ms, struct err *e)
{
	switch (code) {
	case ERR_LIMIT:
		return err_set(e, code, "the request is over %zu bytes",
			       LIMIT_FRAME_BYTES);
	case ERR_BUSY:
		return err_set(e, code, "too many calls are under way");
	case ERR_NETWORK:
		return err_set(e, code,
			       "the request could not be sent within %d ms: "
			       "the node does not answer",
			       timeout_ms);
	case ERR_TIMEOUT:
		return err_set(e, code,
			       "no answer within %d ms; the request may have "
			       "been carried out",
			       timeout_ms);
	case ERR_UNKNOWN_FATE:
		return err_set(e, code,
			       "the connection broke before the answer; the "
			       "request may have been carried out");
	default:
		return err_set(e, code, "%s", err_sentence(code));
	}
}

int door_call(struct door_client *c, struct bytes request, int timeout_ms,
	      struct blob **response, struct err *e)
{
	struct waiter wt = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	int code = door_start(c, request, timeout_ms, wake_waiter, &wt);

	if (code == 0) {
		/* The call itself has the deadline: done always runs. */
		CHECK(pthread_mutex_lock(&wt.lock) == 0);
		while (!wt.is_done)
			CHECK(pthread_cond_wait(&wt.changed, &wt.lock) == 0);
		CHECK(pthread_mutex_unlock(&wt.lock) == 0);
		code = wt.code;
	}
	CHECK(pthread_cond_destroy(&wt.changed) == 0);
	CHECK(pthread_mutex_destroy(&wt.lock) == 0);
	if (code)
		return say_why(code, timeout_ms, e);
	*response = wt.response;
	return 0;
}

/* -- dialing and hanging up ------------------------------------------------ */

static void pipe_added(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct door_client *c = arg;

	lock(c);
	c->is_connected = true;
	CHECK(pthread_cond_broadcast(&c->changed) == 0);
	unlock(c);
}

static int make_tls(struct door_client *c, const struct door_client_config *cfg,
		    struct err *e)
{
	struct wire_pem pem;

	if (!cfg->tls.ca_file || !cfg->server_name)
		return err_set(e, ERR_TLS,
			       "%s needs a CA file and the name that the "
			       "node's certificate carries",
			       cfg->url);
	int rc = wire_pem_load(&pem, &cfg->tls, NULL, e);
	if (rc)
		return rc;
	rc = wire_pem_client(&pem, cfg->server_name, &c->tls, e);
	wire_pem_clear(&pem);
	return rc;
}

static int open_calls(struct door_client *c, unsigned n)
{
	c->calls = mem_zero(n, sizeof *c->calls);
	for (unsigned i = 0; i < n; i++) {
		struct door_call *call = &c->calls[i];

		call->client = c;
		int rv = nng_ctx_open(&call->ctx, c->socket);
		/* A context takes the default of nng, not its socket's. */
		if (rv == 0)
			rv = nng_ctx_set_ms(call->ctx, NNG_OPT_REQ_RESENDTIME,
					    NNG_DURATION_INFINITE);
		if (rv == 0)
			rv = nng_aio_alloc(&call->aio, call_step, call);
		if (rv)
			return rv;
		call->next_free = c->free;
		c->free = call;
		c->n_calls++;
	}
	return 0;
}

static int start_dialer(struct door_client *c, const char *url)
{
	int rv = nng_dialer_create(&c->dialer, c->socket, url);

	if (rv == 0)
		rv = nng_dialer_set_size(c->dialer, NNG_OPT_RECVMAXSZ,
					 LIMIT_FRAME_BYTES +
						 DOOR_NNG_HEADER_BYTES);
	if (rv == 0)
		rv = nng_dialer_set_ms(c->dialer, NNG_OPT_RECONNMINT,
				       LIMIT_RECONNECT_MS_MIN);
	if (rv == 0)
		rv = nng_dialer_set_ms(c->dialer, NNG_OPT_RECONNMAXT,
				       LIMIT_RECONNECT_MS_MAX);
	if (rv == 0 && strncmp(url, ipc_scheme, sizeof ipc_scheme - 1) != 0)
		rv = nng_dialer_set_bool(c->dialer, NNG_OPT_TCP_NODELAY, true);
	if (rv == 0 && c->tls)
		rv = nng_dialer_set_ptr(c->dialer, NNG_OPT_TLS_CONFIG, c->tls);
	return rv ? rv : nng_dialer_start(c->dialer, NNG_FLAG_NONBLOCK);
}

static int open_socket(struct door_client *c,
		       const struct door_client_config *cfg, struct err *e)
{
	int rv = nng_req0_open(&c->socket);

	c->has_socket = rv == 0;
	if (rv == 0)
		rv = nng_pipe_notify(c->socket, NNG_PIPE_EV_ADD_POST,
				     pipe_added, c);
	if (rv == 0)
		rv = open_calls(c, cfg->n_parallel);
	if (rv == 0)
		rv = start_dialer(c, cfg->url);
	if (rv)
		return err_set(e, ERR_NETWORK, "dial %s: %s", cfg->url,
			       nng_strerror(rv));
	return 0;
}

static int not_connected(const struct door_client_config *cfg, struct err *e)
{
	const char *check = "is synodd running there, and may this machine "
			    "reach it?";

	if (strncmp(cfg->url, ipc_scheme, sizeof ipc_scheme - 1) == 0)
		check = "is synodd running, and may this user open the socket "
			"(mode 0660)?";
	else if (cfg->tls.ca_file)
		check = "is synodd running there, and do CA, certificate and "
			"server name fit?";
	return err_set(e, ERR_NETWORK, "no connection to %s within %d ms: %s",
		       cfg->url, cfg->timeout_ms, check);
}

static struct timespec in_ms(int ms)
{
	struct timespec until;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	return until;
}

static int wait_connected(struct door_client *c,
			  const struct door_client_config *cfg, struct err *e)
{
	struct timespec until = in_ms(cfg->timeout_ms);
	int rc = 0;

	lock(c);
	while (!c->is_connected && rc == 0)
		rc = pthread_cond_timedwait(&c->changed, &c->lock, &until);
	bool is_connected = c->is_connected;
	unlock(c);
	return is_connected ? 0 : not_connected(cfg, e);
}

static int check_url(const struct door_client_config *cfg, struct err *e)
{
	if (strlen(cfg->url) >= WIRE_URL_MAX)
		return err_set(e, ERR_LIMIT, "the address is too long");
	if (strncmp(cfg->url, ipc_scheme, sizeof ipc_scheme - 1) == 0)
		return wire_ipc_path_check(cfg->url + sizeof ipc_scheme - 1, e);
	return 0;
}

static struct door_client *make(void)
{
	struct door_client *c = mem_zero(1, sizeof *c);
	pthread_condattr_t monotonic;

	c->clock = clock_system();
	CHECK(pthread_mutex_init(&c->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&monotonic) == 0);
	CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&c->changed, &monotonic) == 0);
	CHECK(pthread_condattr_destroy(&monotonic) == 0);
	return c;
}

int door_dial(struct door_client **out, const struct door_client_config *cfg,
	      struct err *e)
{
	CHECK(cfg->n_parallel > 0 && cfg->n_parallel <= DOOR_PARALLEL_MAX);
	int rc = check_url(cfg, e);
	if (rc)
		return rc;
	struct door_client *c = make();
	if (strncmp(cfg->url, tls_scheme, sizeof tls_scheme - 1) == 0)
		rc = make_tls(c, cfg, e);
	if (rc == 0)
		rc = open_socket(c, cfg, e);
	if (rc == 0)
		rc = wait_connected(c, cfg, e);
	if (rc) {
		door_hang_up(c);
		return rc;
	}
	*out = c;
	return 0;
}

void door_hang_up(struct door_client *c)
{
	if (!c)
		return;
	lock(c);
	while (c->n_running > 0)
		CHECK(pthread_cond_wait(&c->changed, &c->lock) == 0);
	unlock(c);
	if (c->has_socket)
		nng_close(c->socket);
	for (unsigned i = 0; i < c->n_calls; i++) {
		nng_aio_stop(c->calls[i].aio);
		nng_aio_free(c->calls[i].aio);
	}
	if (c->tls)
		nng_tls_config_free(c->tls);
	CHECK(pthread_cond_destroy(&c->changed) == 0);
	CHECK(pthread_mutex_destroy(&c->lock) == 0);
	free(c->calls);
	free(c);
}
