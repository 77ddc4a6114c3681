/* Certificates: read, checked with messages that say what to do, and made into
 * configurations for nng. nng itself says no more than "crypto error", and only
 * when a peer connects.
 *
 * Any thread. A struct wire_pem holds a private key: clear it soon. */
#ifndef CLUSTER_WIRE_WIRE_TLS_H
#define CLUSTER_WIRE_WIRE_TLS_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "base/err.h"
#include "cluster/wire/wire.h"

struct wire_pem {
	char *ca, *cert,
		*key; /* NUL-terminated PEM; cert and key may be NULL */
	const char *ca_file, *cert_file; /* borrowed, for messages */
};

/* ERR_TLS: unreadable, not PEM, expired, key of another certificate, or a
 * certificate for none of the names (own_name; NULL: any). */
int wire_pem_load(struct wire_pem *pem, const struct wire_tls *tls,
		  const char *own_name, struct err *e);
void wire_pem_clear(struct wire_pem *pem);

/* A server demands a client certificate of the CA. */
int wire_pem_server(const struct wire_pem *pem, nng_tls_config **out,
		    struct err *e);
/* A client accepts only a certificate of the CA that carries server_name:
 * mbedTLS 2.28 checks no name at all when it is told none. */
int wire_pem_client(const struct wire_pem *pem, const char *server_name,
		    nng_tls_config **out, struct err *e);

#endif
