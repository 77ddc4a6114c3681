/* Certificates for tests, made by openssl in a directory of their own. */
#ifndef TESTS_UNIT_WIRE_CERTS_H
#define TESTS_UNIT_WIRE_CERTS_H

#include "cluster/wire/wire.h"

struct certs {
	char dir[64];
};

/* An empty directory with two CAs: "ca" and "foreign". */
void certs_make(struct certs *c);
/* A certificate NAME.pem and key NAME.key for dns_name, signed by ca. days < 0:
 * expired already. algorithm: "EC" or "RSA". */
void certs_issue(const struct certs *c, const char *name, const char *dns_name,
		 const char *ca, int days);
void certs_issue_rsa(const struct certs *c, const char *name,
		     const char *dns_name, const char *ca);
/* The path of a file in it; lives in a static buffer for the next 8 calls. */
const char *certs_path(const struct certs *c, const char *file);
/* ca.pem, NAME.pem and NAME.key; the strings live as long as the test. */
struct wire_tls certs_tls(const struct certs *c, const char *ca,
			  const char *name);
void certs_free(struct certs *c);

#endif
