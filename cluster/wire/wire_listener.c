#include "cluster/wire/wire_listener.h"

#include <sys/stat.h>

enum { PAUSE_MS = 20 };

static void accept_next(struct wire_listener *l)
{
	l->is_pausing = false;
	nng_stream_listener_accept(l->listener, l->aio);
}

static void accept_done(void *arg)
{
	struct wire_listener *l = arg;
	int rv = nng_aio_result(l->aio);

	if (l->is_pausing) {
		if (rv == 0)
			accept_next(l);
		return;
	}
	switch (rv) {
	case 0:
		l->accepted(l->ctx, nng_aio_get_output(l->aio, 0));
		accept_next(l);
		break;
	case NNG_ECLOSED:
	case NNG_ECANCELED:
		break; /* wire_listener_close */
	default:
		/* No descriptors, no memory: others may give some back. */
		l->is_pausing = true;
		nng_sleep_aio(PAUSE_MS, l->aio);
	}
}

static int set_options(struct wire_listener *l,
		       const struct wire_listener_config *cfg)
{
	nng_stream_listener *sl = l->listener;

	if (cfg->ipc_mode)
		return nng_stream_listener_set_int(sl, NNG_OPT_IPC_PERMISSIONS,
						   cfg->ipc_mode);
	int rv = nng_stream_listener_set_bool(sl, NNG_OPT_TCP_NODELAY, true);
	if (rv == 0)
		rv = nng_stream_listener_set_bool(sl, NNG_OPT_TCP_KEEPALIVE,
						  true);
	if (rv == 0 && cfg->tls)
		rv = wire_listener_set_tls(l, cfg->tls);
	return rv;
}

int wire_listener_open(struct wire_listener *l,
		       const struct wire_listener_config *cfg)
{
	l->accepted = cfg->accepted;
	l->ctx = cfg->ctx;
	int rv = nng_stream_listener_alloc(&l->listener, cfg->url);
	if (rv == 0)
		rv = set_options(l, cfg);
	if (rv == 0)
		rv = nng_aio_alloc(&l->aio, accept_done, l);
	if (rv == 0)
		rv = nng_stream_listener_listen(l->listener);
	if (rv == 0)
		accept_next(l);
	return rv;
}

int wire_listener_set_tls(struct wire_listener *l, nng_tls_config *tls)
{
	return nng_stream_listener_set_ptr(l->listener, NNG_OPT_TLS_CONFIG,
					   tls);
}

void wire_listener_close(struct wire_listener *l)
{
	if (l->listener)
		nng_stream_listener_close(l->listener);
	if (l->aio) {
		nng_aio_stop(l->aio);
		nng_aio_free(l->aio);
	}
	if (l->listener)
		nng_stream_listener_free(l->listener);
	*l = (struct wire_listener){0};
}

int wire_listener_check_path(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) != 0 || S_ISSOCK(st.st_mode))
		return 0;
	return err_set(e, ERR_EXISTS,
		       "%s exists and is not a socket: choose another path",
		       path);
}
