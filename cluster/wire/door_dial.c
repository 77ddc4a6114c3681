/* The life of a client's connection: dialing, again after a break, hanging up.
 * A thread of the client's own does it, and watches the deadlines of calls. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster/wire/door_inner.h"
#include "cluster/wire/wire_address.h"
#include "proto/limits.h"

static const char ipc_scheme[] = "ipc://";
static const char tls_scheme[] = "tls+tcp://";

static void dial_done(void *arg)
{
	struct door_client *c = arg;
	struct wire_stream_config cfg = {
		.events = &door_client_events,
		.ctx = c,
		.role = WIRE_ROLE_REQ,
		.peer_role = WIRE_ROLE_REP,
		.is_ipc = c->is_ipc,
		.prefix_bytes = DOOR_ID_BYTES,
		.len_max = LIMIT_FRAME_BYTES,
	};
	int rv = nng_aio_result(c->dial_aio);
	struct wire_stream *s = NULL;

	if (rv == 0)
		s = wire_stream_new(nng_aio_get_output(c->dial_aio, 0), &cfg);
	door_lock(c);
	c->is_dialing = false;
	c->stream = s;
	if (s)
		wire_stream_start(s);
	else
		c->redial_us = door_next_dial_us(c);
	door_wake(c);
	door_unlock(c);
}

static void wait_until(struct door_client *c, int64_t at_us)
{
	struct timespec at = {
		.tv_sec = at_us / 1000000,
		.tv_nsec = at_us % 1000000 * 1000,
	};

	c->wake_us = at_us;
	if (at_us == INT64_MAX)
		CHECK(pthread_cond_wait(&c->changed, &c->lock) == 0);
	else
		(void)pthread_cond_timedwait(&c->changed, &c->lock, &at);
	c->wake_us = 0;
}

static void *client_main(void *arg)
{
	struct door_client *c = arg;

	door_lock(c);
	while (!c->is_closing) {
		int64_t now_us = clock_mono_us(&c->clock);
		int64_t at_us = door_first_deadline_us(c);
		bool may_dial = !c->stream && !c->is_dialing;

		if (at_us <= now_us) {
			door_unlock(c);
			door_end_late(c);
			door_lock(c);
			continue;
		}
		if (may_dial && c->redial_us <= now_us) {
			c->is_dialing = true;
			nng_stream_dialer_dial(c->dialer, c->dial_aio);
		} else if (may_dial && c->redial_us < at_us) {
			at_us = c->redial_us;
		}
		wait_until(c, at_us);
	}
	door_unlock(c);
	return NULL;
}

/* -- opening --------------------------------------------------------------- */

static bool has_scheme(const char *url, const char *scheme)
{
	return strncmp(url, scheme, strlen(scheme)) == 0;
}

static int check_url(const struct door_client_config *cfg, struct err *e)
{
	if (strlen(cfg->url) >= WIRE_URL_MAX)
		return err_set(e, ERR_LIMIT, "the address is too long");
	if (has_scheme(cfg->url, ipc_scheme))
		return wire_ipc_path_check(cfg->url + strlen(ipc_scheme), e);
	if (!has_scheme(cfg->url, tls_scheme) &&
	    !has_scheme(cfg->url, "tcp://"))
		return err_set(e, ERR_INVALID,
			       "%s is not an address: give ipc:///path, "
			       "tcp://host:port or tls+tcp://host:port",
			       cfg->url);
	return 0;
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

static int open_dialer(struct door_client *c, const char *url, struct err *e)
{
	int rv = nng_stream_dialer_alloc(&c->dialer, url);

	if (rv == 0 && !c->is_ipc)
		rv = nng_stream_dialer_set_bool(c->dialer, NNG_OPT_TCP_NODELAY,
						true);
	if (rv == 0 && c->tls)
		rv = nng_stream_dialer_set_ptr(c->dialer, NNG_OPT_TLS_CONFIG,
					       c->tls);
	if (rv == 0)
		rv = nng_aio_alloc(&c->dial_aio, dial_done, c);
	if (rv)
		return err_set(e, ERR_NETWORK, "dial %s: %s", url,
			       nng_strerror(rv));
	nng_aio_set_timeout(c->dial_aio, LIMIT_DIAL_MS);
	return 0;
}

static int not_connected(const struct door_client_config *cfg, struct err *e)
{
	const char *check = "is synodd running there, and may this machine "
			    "reach it?";

	if (has_scheme(cfg->url, ipc_scheme))
		check = "is synodd running, and may this user open the socket "
			"(mode 0660)?";
	else if (cfg->tls.ca_file)
		check = "is synodd running there, and do CA, certificate and "
			"server name fit?";
	return err_set(e, ERR_NETWORK, "no connection to %s within %d ms: %s",
		       cfg->url, cfg->timeout_ms, check);
}

static int wait_connected(struct door_client *c,
			  const struct door_client_config *cfg, struct err *e)
{
	int64_t at_us =
		clock_mono_us(&c->clock) + (int64_t)cfg->timeout_ms * 1000;
	struct timespec until = {
		.tv_sec = at_us / 1000000,
		.tv_nsec = at_us % 1000000 * 1000,
	};
	int rc = 0;

	door_lock(c);
	while (!c->was_connected && rc == 0)
		rc = pthread_cond_timedwait(&c->changed, &c->lock, &until);
	bool was_connected = c->was_connected;
	door_unlock(c);
	return was_connected ? 0 : not_connected(cfg, e);
}

static struct door_client *make(const struct door_client_config *cfg)
{
	struct door_client *c = mem_zero(1, sizeof *c);
	pthread_condattr_t monotonic;

	c->clock = clock_system();
	c->is_ipc = has_scheme(cfg->url, ipc_scheme);
	c->backoff_ms = LIMIT_RECONNECT_MS_MIN;
	c->tail = &c->head;
	c->n_calls = cfg->n_parallel;
	c->calls = mem_zero(c->n_calls, sizeof *c->calls);
	for (unsigned i = 0; i < c->n_calls; i++) {
		c->calls[i].next = c->free;
		c->free = &c->calls[i];
	}
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
	struct door_client *c = make(cfg);
	if (has_scheme(cfg->url, tls_scheme))
		rc = make_tls(c, cfg, e);
	if (rc == 0)
		rc = wire_reaper_start(&c->reaper, e);
	if (rc == 0)
		rc = open_dialer(c, cfg->url, e);
	if (rc == 0)
		rc = thread_start(&c->thread, "door-client", client_main, c, e);
	if (rc == 0)
		rc = wait_connected(c, cfg, e);
	if (rc) {
		door_hang_up(c);
		return rc;
	}
	*out = c;
	return 0;
}

/* -- closing --------------------------------------------------------------- */

static void stop(struct door_client *c)
{
	door_lock(c);
	while (c->n_running > 0)
		CHECK(pthread_cond_wait(&c->changed, &c->lock) == 0);
	c->is_closing = true;
	door_wake(c);
	door_unlock(c);
	thread_join(&c->thread);
	if (c->dialer)
		nng_stream_dialer_close(c->dialer);
	if (c->dial_aio)
		nng_aio_stop(c->dial_aio);
	door_lock(c);
	wire_reaper_give(&c->reaper, c->stream);
	c->stream = NULL;
	door_unlock(c);
	wire_reaper_stop(&c->reaper);
}

void door_hang_up(struct door_client *c)
{
	if (!c)
		return;
	stop(c);
	nng_aio_free(c->dial_aio);
	if (c->dialer)
		nng_stream_dialer_free(c->dialer);
	if (c->tls)
		nng_tls_config_free(c->tls);
	CHECK(pthread_cond_destroy(&c->changed) == 0);
	CHECK(pthread_mutex_destroy(&c->lock) == 0);
	free(c->calls);
	free(c);
}
