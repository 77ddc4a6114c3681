/* The hello of a stranger: what is read survives being packed and read again,
 * whatever it says; and the certificate reader takes any bytes. */
#include "replay.h"

#include <string.h>

#include "base/check.h"
#include "cluster/wire/wire_cert.h"
#include "cluster/wire/wire_hello.h"
#include "proto/codec.h"

static void judge(const struct wire_greeting *g)
{
	const struct wire_hello self = {.node_id = 1, .cluster_hash = 5};
	const struct wire_peer peer = {.id = g->hello.node_id, .name = "n2"};
	struct wire_judge j = {.self = &self, .peer = &peer};
	struct wire_verdict v;

	bool is_good = wire_greeting_judge(g, &j, &v);
	CHECK(is_good == (v.reason == WIRE_REFUSED_NONE));
	CHECK(v.reason < WIRE_REFUSED__N);
	CHECK(memchr(v.text, '\0', sizeof v.text) != NULL);
	j.peer = NULL;
	CHECK(!wire_greeting_judge(g, &j, &v));
}

static void read_hello(struct bytes frame)
{
	struct wire_greeting g, again;

	if (wire_greeting_read(frame, &g, NULL))
		return;
	CHECK(g.name[0] != '\0' && strlen(g.name) <= LIMIT_NAME_BYTES);
	judge(&g);
	struct blob *packed = wire_greeting_pack(&g);
	CHECK(wire_greeting_read(blob_bytes(packed), &again, NULL) == 0);
	CHECK(wire_hello_equal(&g.hello, &again.hello));
	CHECK(g.has_token == again.has_token && g.has_echo == again.has_echo);
	blob_unref(packed);
}

static void read_cert(struct bytes der)
{
	struct wire_cert c;

	if (!wire_cert_read(der, &c))
		return;
	(void)wire_cert_has_name(&c, "n1.demo.synod");
	(void)wire_cert_fits_key(&c, der);
}

static void read_pem(struct bytes text)
{
	struct blob *copy = blob_new(text.len + 1);

	if (text.len)
		memcpy(copy->data, text.data, text.len);
	copy->data[text.len] = '\0';
	struct blob *der =
		wire_pem_decode((const char *)copy->data, "CERTIFICATE");
	if (der)
		read_cert(blob_bytes(der));
	blob_unref(der);
	blob_unref(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	read_hello((struct bytes){data, len});
	read_cert((struct bytes){data, len});
	read_pem((struct bytes){data, len});
	if (len < CODEC_HEADER_BYTES)
		return 0;
	/* Mutations break the checksum: seal again, to get behind it. */
	struct blob *sealed = blob_copy(data, len);
	codec_seal_in_place(CODEC_HELLO, sealed->data,
			    len - CODEC_HEADER_BYTES);
	read_hello(blob_bytes(sealed));
	blob_unref(sealed);
	return 0;
}
