/* The few facts of an X.509 certificate that messages need: until when it is
 * good, for which names, and whether a key belongs to it. Not a verification:
 * that is mbedTLS's work at each connection; what is not understood here counts
 * as good. Pure: bytes in, facts out. Any thread. */
#ifndef CLUSTER_WIRE_WIRE_CERT_H
#define CLUSTER_WIRE_WIRE_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct wire_cert {
	int64_t not_before_s, not_after_s; /* since 1970; 0: not understood */
	struct bytes der;                  /* the certificate, borrowed */
	struct bytes public_key; /* inside der; empty: not understood */
};

/* The first PEM block whose label ends with label ("CERTIFICATE", "PRIVATE
 * KEY"). Gives a blob with its DER bytes, or NULL. */
struct blob *wire_pem_decode(const char *pem, const char *label);

/* False when it is not a certificate; *out is untouched then. */
bool wire_cert_read(struct bytes der, struct wire_cert *out);

/* Does it carry this DNS name (or CN), or a wildcard over its first label? */
bool wire_cert_has_name(const struct wire_cert *c, const char *name);

/* False only when the key surely belongs to another certificate. */
bool wire_cert_fits_key(const struct wire_cert *c, struct bytes key_der);

#endif
