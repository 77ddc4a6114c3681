#include "cluster/wire/wire_tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "cluster/wire/wire_cert.h"
#include "proto/limits.h"

static int read_text(FILE *f, const char *path, char **out, struct err *e)
{
	char *text = mem_alloc(LIMIT_TLS_FILE_BYTES + 1);
	size_t len = fread(text, 1, LIMIT_TLS_FILE_BYTES + 1, f);
	int rc = 0;

	if (ferror(f))
		rc = err_set(e, ERR_TLS, "read %s: %s", path, strerror(errno));
	else if (len > LIMIT_TLS_FILE_BYTES)
		rc = err_set(e, ERR_TLS, "%s is larger than %zu bytes", path,
			     LIMIT_TLS_FILE_BYTES);
	else if (memchr(text, '\0', len) || len == 0)
		rc = err_set(e, ERR_TLS, "%s is not a PEM file", path);
	if (rc == 0) {
		text[len] = '\0';
		*out = mem_strdup(text);
	}
	explicit_bzero(text, LIMIT_TLS_FILE_BYTES + 1);
	free(text);
	return rc;
}

static int read_pem(const char *path, char **out, struct err *e)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return err_set(e, ERR_TLS, "open %s: %s", path,
			       strerror(errno));
	/* stdio must keep no copy of a private key. */
	setvbuf(f, NULL, _IONBF, 0);
	int rc = read_text(f, path, out, e);
	fclose(f);
	return rc;
}

static int check_dates(const struct wire_cert *c, const char *path,
		       struct err *e)
{
	struct clock clock = clock_system();
	int64_t now_s = clock_wall_us(&clock) / 1000000;
	char when[CLOCK_TEXT_MAX];

	if (c->not_after_s && now_s > c->not_after_s) {
		clock_format(c->not_after_s * 1000000, when);
		return err_set(e, ERR_TLS, "%s expired at %s: renew it", path,
			       when);
	}
	if (c->not_before_s && now_s < c->not_before_s) {
		clock_format(c->not_before_s * 1000000, when);
		return err_set(e, ERR_TLS,
			       "%s is not valid before %s: is the clock of "
			       "this machine right?",
			       path, when);
	}
	return 0;
}

/* Read the certificate at the front of a file; *der keeps its bytes. */
static int read_cert(const char *pem, const char *path, struct blob **der,
		     struct wire_cert *cert, struct err *e)
{
	*der = wire_pem_decode(pem, "CERTIFICATE");
	if (!*der || !wire_cert_read(blob_bytes(*der), cert))
		return err_set(e, ERR_TLS, "%s holds no certificate in PEM",
			       path);
	return check_dates(cert, path, e);
}

static int check_ca(const struct wire_pem *pem, struct err *e)
{
	struct wire_cert cert;
	struct blob *der = NULL;
	int rc = read_cert(pem->ca, pem->ca_file, &der, &cert, e);

	blob_unref(der);
	return rc;
}

static int check_key(const struct wire_cert *cert, const struct wire_pem *pem,
		     const char *key_file, struct err *e)
{
	struct blob *key = wire_pem_decode(pem->key, "PRIVATE KEY");
	int rc = 0;

	if (!key)
		rc = err_set(e, ERR_TLS, "%s holds no private key in PEM",
			     key_file);
	else if (strstr(pem->key, "ENCRYPTED"))
		rc = err_set(e, ERR_TLS,
			     "%s is encrypted: give a key without a pass "
			     "phrase, readable only for this user",
			     key_file);
	else if (!wire_cert_fits_key(cert, blob_bytes(key)))
		rc = err_set(e, ERR_TLS, "the key %s does not belong to %s",
			     key_file, pem->cert_file);
	if (key)
		explicit_bzero(key->data, key->len);
	blob_unref(key);
	return rc;
}

static int check_own(const struct wire_pem *pem, const struct wire_tls *tls,
		     const char *own_name, struct err *e)
{
	struct wire_cert cert;
	struct blob *der = NULL;
	int rc = read_cert(pem->cert, tls->cert_file, &der, &cert, e);

	if (rc == 0)
		rc = check_key(&cert, pem, tls->key_file, e);
	if (rc == 0 && own_name && !wire_cert_has_name(&cert, own_name))
		rc = err_set(e, ERR_TLS,
			     "%s is not for %s: peers would refuse it; issue "
			     "it with that name as subjectAltName",
			     tls->cert_file, own_name);
	blob_unref(der);
	return rc;
}

static int load(struct wire_pem *pem, const struct wire_tls *tls,
		const char *own_name, struct err *e)
{
	if (!tls->ca_file)
		return err_set(e, ERR_TLS, "TLS needs a CA file");
	if (!tls->cert_file != !tls->key_file)
		return err_set(e, ERR_TLS,
			       "TLS needs a certificate and its key");
	pem->ca_file = tls->ca_file;
	pem->cert_file = tls->cert_file;
	if (read_pem(tls->ca_file, &pem->ca, e) || check_ca(pem, e))
		return e->code;
	if (!tls->cert_file)
		return 0;
	if (read_pem(tls->cert_file, &pem->cert, e) ||
	    read_pem(tls->key_file, &pem->key, e))
		return e->code;
	return check_own(pem, tls, own_name, e);
}

int wire_pem_load(struct wire_pem *pem, const struct wire_tls *tls,
		  const char *own_name, struct err *e)
{
	struct err local;

	e = e ? e : &local; /* the code is read back */
	*pem = (struct wire_pem){0};
	int rc = load(pem, tls, own_name, e);
	if (rc)
		wire_pem_clear(pem);
	return rc;
}

void wire_pem_clear(struct wire_pem *pem)
{
	if (pem->key)
		explicit_bzero(pem->key, strlen(pem->key));
	free(pem->ca);
	free(pem->cert);
	free(pem->key);
	*pem = (struct wire_pem){0};
}

static int fill(nng_tls_config *cfg, const struct wire_pem *pem, struct err *e)
{
	int rv = nng_tls_config_ca_chain(cfg, pem->ca, NULL);

	if (rv)
		return err_set(e, ERR_TLS, "%s cannot be used as CA: %s",
			       pem->ca_file, nng_strerror(rv));
	rv = nng_tls_config_version(cfg, NNG_TLS_1_2, NNG_TLS_1_3);
	if (rv == 0)
		rv = nng_tls_config_auth_mode(cfg, NNG_TLS_AUTH_MODE_REQUIRED);
	if (rv == 0 && pem->cert)
		rv = nng_tls_config_own_cert(cfg, pem->cert, pem->key, NULL);
	if (rv)
		return err_set(e, ERR_TLS,
			       "%s or its key cannot be used: %s (ECDSA P-256 "
			       "and RSA work)",
			       pem->cert_file ? pem->cert_file : pem->ca_file,
			       nng_strerror(rv));
	return 0;
}

static int make(nng_tls_mode mode, const struct wire_pem *pem,
		nng_tls_config **out, struct err *e)
{
	nng_tls_config *cfg;
	int rv = nng_tls_config_alloc(&cfg, mode);

	if (rv)
		return err_set(e, ERR_TLS, "TLS: %s", nng_strerror(rv));
	int rc = fill(cfg, pem, e);
	if (rc)
		nng_tls_config_free(cfg);
	else
		*out = cfg;
	return rc;
}

int wire_pem_server(const struct wire_pem *pem, nng_tls_config **out,
		    struct err *e)
{
	if (!pem->cert)
		return err_set(e, ERR_TLS,
			       "a node needs a certificate and its key");
	return make(NNG_TLS_MODE_SERVER, pem, out, e);
}

int wire_pem_client(const struct wire_pem *pem, const char *server_name,
		    nng_tls_config **out, struct err *e)
{
	nng_tls_config *cfg;
	int rc = make(NNG_TLS_MODE_CLIENT, pem, &cfg, e);

	if (rc)
		return rc;
	int rv = nng_tls_config_server_name(cfg, server_name);
	if (rv) {
		nng_tls_config_free(cfg);
		return err_set(e, ERR_TLS, "server name %s: %s", server_name,
			       nng_strerror(rv));
	}
	*out = cfg;
	return 0;
}
