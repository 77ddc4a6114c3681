/* Addresses of the wire and the door: urls for nng, and what is loopback.
 * Pure, any thread. */
#ifndef CLUSTER_WIRE_WIRE_ADDRESS_H
#define CLUSTER_WIRE_WIRE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/limits.h"

enum { WIRE_URL_MAX = LIMIT_ADDRESS_BYTES + 32 };

/* "tcp://host:port" or "tls+tcp://host:port"; brackets around IPv6. */
int wire_url(char url[WIRE_URL_MAX], bool is_tls, const char *host,
	     unsigned port, struct err *e);

/* "ipc://path". ERR_LIMIT when a unix socket cannot have so long a path. */
int wire_ipc_url(char url[WIRE_URL_MAX], const char *path, struct err *e);

/* The same check for a path that came inside a url. */
int wire_ipc_path_check(const char *path, struct err *e);

#endif
