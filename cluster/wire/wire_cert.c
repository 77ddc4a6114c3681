#include "cluster/wire/wire_cert.h"

#include <stdio.h>
#include <string.h>

/* ASN.1 DER, as far as needed: X.690 section 8. */
enum {
	DER_BIT_STRING = 0x03,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_VERSION = 0xa0, /* [0] EXPLICIT of a TBSCertificate */
};

/* A point of P-521, not compressed; an RSA key is longer. */
enum { CURVE_POINT_MAX = 133 };

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static struct blob *base64_decode(const char *s, const char *end)
{
	struct blob *out = blob_new((size_t)(end - s) / 4 * 3 + 3);
	uint32_t bits = 0;
	int n_bits = 0;
	size_t len = 0;

	for (; s < end && *s != '='; s++) {
		int v = base64_value(*s);

		if (v < 0)
			continue; /* line ends */
		bits = bits << 6 | (uint32_t)v;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out->data[len++] = (uint8_t)(bits >> n_bits);
		}
	}
	struct blob *exact = blob_copy(out->data, len);
	memset(out->data, 0, out->len);
	blob_unref(out);
	return exact;
}

struct blob *wire_pem_decode(const char *pem, const char *label)
{
	static const char begin[] = "-----BEGIN ";
	const char *at = pem;
	size_t label_len = strlen(label);

	while ((at = strstr(at, begin)) != NULL) {
		at += sizeof begin - 1;
		const char *dashes = strstr(at, "-----");
		if (!dashes)
			return NULL;
		const char *body = dashes + 5;
		const char *end = strstr(body, "-----END ");
		if (!end)
			return NULL;
		if ((size_t)(dashes - at) >= label_len &&
		    memcmp(dashes - label_len, label, label_len) == 0)
			return base64_decode(body, end);
		at = end;
	}
	return NULL;
}

/* Take one element from *in: its tag and content. */
static bool der_take(struct bytes *in, uint8_t *tag, struct bytes *content)
{
	if (in->len < 2)
		return false;
	size_t at = 2;
	size_t len = in->data[1];
	if (len & 0x80) {
		size_t n = len & 0x7f;

		if (n == 0 || n > 4 || in->len < 2 + n)
			return false;
		len = 0;
		for (; at < 2 + n; at++)
			len = len << 8 | in->data[at];
	}
	if (len > in->len - at)
		return false;
	*tag = in->data[0];
	*content = (struct bytes){in->data + at, len};
	in->data += at + len;
	in->len -= at + len;
	return true;
}

static bool der_expect(struct bytes *in, uint8_t tag, struct bytes *content)
{
	struct bytes rest = *in;
	uint8_t found;

	if (!der_take(&rest, &found, content) || found != tag)
		return false;
	*in = rest;
	return true;
}

static bool der_skip(struct bytes *in, unsigned n)
{
	struct bytes content;
	uint8_t tag;

	for (unsigned i = 0; i < n; i++)
		if (!der_take(in, &tag, &content))
			return false;
	return true;
}

/* Days since 1970 of a proleptic Gregorian date (Hinnant's formula). */
static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	int64_t era = y / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

static int64_t two_digits(const uint8_t *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ (RFC 5280, 4.1.2.5); 0: not understood. */
static int64_t read_time(uint8_t tag, struct bytes t)
{
	int64_t part[7] = {0};
	size_t n = tag == DER_GENERALIZED_TIME ? 7 : 6;

	if ((tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) ||
	    t.len != 2 * n + 1 || t.data[2 * n] != 'Z')
		return 0;
	for (size_t i = 0; i < n; i++) {
		part[i] = two_digits(t.data + 2 * i);
		if (part[i] < 0)
			return 0;
	}
	const int64_t *rest = part + n - 5;
	int64_t year = tag == DER_GENERALIZED_TIME ? part[0] * 100 + part[1]
		       : part[0] < 50              ? 2000 + part[0]
						   : 1900 + part[0];
	return days_from_civil(year, rest[0], rest[1]) * 86400 +
	       rest[2] * 3600 + rest[3] * 60 + rest[4];
}

static void read_validity(struct bytes validity, struct wire_cert *c)
{
	struct bytes t;
	uint8_t tag;

	if (der_take(&validity, &tag, &t))
		c->not_before_s = read_time(tag, t);
	if (der_take(&validity, &tag, &t))
		c->not_after_s = read_time(tag, t);
}

/* The part of a public key that its private key repeats byte for byte: the
 * point of an elliptic curve, or modulus and exponent of RSA. */
static struct bytes read_public_key(struct bytes spki)
{
	struct bytes algorithm, bits, inner;

	if (!der_expect(&spki, DER_SEQUENCE, &algorithm) ||
	    !der_expect(&spki, DER_BIT_STRING, &bits) || bits.len < 2)
		return (struct bytes){0};
	bits.data++; /* the count of unused bits */
	bits.len--;
	struct bytes rest = bits;
	if (der_expect(&rest, DER_SEQUENCE, &inner) && rest.len == 0)
		return inner;
	return bits;
}

bool wire_cert_read(struct bytes der, struct wire_cert *out)
{
	struct wire_cert c = {.der = der};
	struct bytes rest = der, cert, tbs, part;

	if (!der_expect(&rest, DER_SEQUENCE, &cert) ||
	    !der_expect(&cert, DER_SEQUENCE, &tbs))
		return false;
	(void)der_expect(&tbs, DER_VERSION, &part);
	/* serial, signature algorithm, issuer */
	if (!der_skip(&tbs, 3) || !der_expect(&tbs, DER_SEQUENCE, &part))
		return false;
	read_validity(part, &c);
	/* subject */
	if (!der_skip(&tbs, 1) || !der_expect(&tbs, DER_SEQUENCE, &part))
		return false;
	c.public_key = read_public_key(part);
	*out = c;
	return true;
}

/* Names stand in the DER as tag, length, text: dNSName, or the UTF-8 and
 * printable strings of a CN. */
static bool has_text(const struct wire_cert *c, const char *text)
{
	static const uint8_t tags[] = {0x82, 0x0c, 0x13};
	uint8_t needle[130];
	size_t len = strlen(text);

	if (len == 0 || len > 127) /* beyond it the length takes more bytes */
		return false;
	for (size_t i = 0; i < sizeof tags; i++) {
		needle[0] = tags[i];
		needle[1] = (uint8_t)len;
		memcpy(needle + 2, text, len);
		if (memmem(c->der.data, c->der.len, needle, len + 2))
			return true;
	}
	return false;
}

bool wire_cert_has_name(const struct wire_cert *c, const char *name)
{
	char wildcard[256];
	const char *dot = strchr(name, '.');

	if (strlen(name) > 127 || has_text(c, name))
		return true;
	if (!dot)
		return false;
	snprintf(wildcard, sizeof wildcard, "*%s", dot);
	return has_text(c, wildcard);
}

bool wire_cert_fits_key(const struct wire_cert *c, struct bytes key_der)
{
	/* A key of an elliptic curve may leave its public half out: then it is
	 * hardly longer than that half. What openssl writes has it. */
	bool is_curve = c->public_key.len <= CURVE_POINT_MAX;

	if (c->public_key.len == 0 ||
	    (is_curve && key_der.len < c->public_key.len + 32))
		return true;
	return memmem(key_der.data, key_der.len, c->public_key.data,
		      c->public_key.len) != NULL;
}
