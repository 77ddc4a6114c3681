/* A listening address: hands over each connection that comes in. When the
 * system has no file descriptors left it tries again a little later.
 *
 * Owned by the thread that opened it; accepted runs on an nng thread. */
#ifndef CLUSTER_WIRE_WIRE_LISTENER_H
#define CLUSTER_WIRE_WIRE_LISTENER_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"

struct wire_listener {
	nng_stream_listener *listener;
	nng_aio *aio;
	bool is_pausing; /* the aio sleeps instead of accepting */
	/* Takes the stream. */
	void (*accepted)(void *ctx, nng_stream *raw);
	void *ctx;
};

struct wire_listener_config {
	const char *url;
	nng_tls_config *tls; /* NULL: none */
	int ipc_mode;        /* 0: not ipc */
	void (*accepted)(void *ctx, nng_stream *raw);
	void *ctx;
};

/* Is the path of a unix socket free for us? nng removes what is in the way when
 * nobody listens there, even a file that is no socket: ERR_EXISTS. */
int wire_listener_check_path(const char *path, struct err *e);
/* nng's code; close it also after a failure. */
int wire_listener_open(struct wire_listener *l,
		       const struct wire_listener_config *cfg);
int wire_listener_set_tls(struct wire_listener *l, nng_tls_config *tls);
/* accepted does not run any more. A zeroed one is allowed. */
void wire_listener_close(struct wire_listener *l);

#endif
