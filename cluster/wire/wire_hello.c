#include "cluster/wire/wire_hello.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "proto/codec.h"
#include "proto/peer.pb-c.h"

struct blob *wire_greeting_pack(const struct wire_greeting *g)
{
	/* protobuf-c wants pointers that are not const; it only reads. */
	struct wire_greeting copy = *g;
	Synod__Peer__Hello m;

	synod__peer__hello__init(&m);
	m.protocol = copy.protocol;
	m.cluster_hash = copy.hello.cluster_hash;
	if (copy.hello.has_cluster_id) {
		m.cluster_id.data = copy.hello.cluster_id;
		m.cluster_id.len = sizeof copy.hello.cluster_id;
	}
	m.node_id = copy.hello.node_id;
	m.node_name = copy.name;
	m.incarnation = copy.hello.incarnation;
	m.boot = copy.hello.boot;
	m.is_blank = copy.hello.is_blank;
	m.term = copy.hello.term;
	m.is_admitted = copy.hello.is_admitted;
	m.recorded = copy.hello.recorded;
	if (copy.has_token) {
		m.token.data = copy.token;
		m.token.len = sizeof copy.token;
	}
	if (copy.has_echo) {
		m.echo.data = copy.echo;
		m.echo.len = sizeof copy.echo;
	}
	return codec_seal(CODEC_HELLO, &m.base);
}

/* Bytes that are either absent or exactly len long. */
static int take_fixed(const ProtobufCBinaryData *field, uint8_t *out,
		      size_t len, bool *has)
{
	if (field->len != 0 && field->len != len)
		return ERR_CORRUPT;
	*has = field->len == len;
	if (*has)
		memcpy(out, field->data, len);
	return 0;
}

static bool is_name(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > LIMIT_NAME_BYTES)
		return false;
	/* It goes into log lines and notes: printable ASCII only. */
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return true;
}

static int take_fields(const Synod__Peer__Hello *m, struct wire_greeting *g,
		       struct err *e)
{
	struct wire_hello *h = &g->hello;

	g->protocol = m->protocol;
	h->cluster_hash = m->cluster_hash;
	h->node_id = m->node_id;
	h->incarnation = m->incarnation;
	h->boot = m->boot;
	h->term = m->term;
	h->is_blank = m->is_blank;
	h->is_admitted = m->is_admitted;
	h->recorded = m->recorded;
	if (!is_name(m->node_name))
		return err_set(e, ERR_CORRUPT,
			       "a hello without a proper node name");
	snprintf(g->name, sizeof g->name, "%s", m->node_name);
	if (take_fixed(&m->cluster_id, h->cluster_id, sizeof h->cluster_id,
		       &h->has_cluster_id) ||
	    take_fixed(&m->token, g->token, sizeof g->token, &g->has_token) ||
	    take_fixed(&m->echo, g->echo, sizeof g->echo, &g->has_echo))
		return err_set(e, ERR_CORRUPT,
			       "a hello with a field of a wrong length");
	return 0;
}

int wire_greeting_read(struct bytes frame, struct wire_greeting *out,
		       struct err *e)
{
	struct wire_greeting g = {0};
	struct bytes payload;
	int rc = codec_open(CODEC_HELLO, frame, WIRE_HELLO_BYTES_MAX, &payload,
			    e);

	if (rc)
		return rc;
	ProtobufCMessage *m =
		codec_unpack(&synod__peer__hello__descriptor, payload, e);
	if (!m)
		return ERR_CORRUPT;
	rc = take_fields((const Synod__Peer__Hello *)m, &g, e);
	protobuf_c_message_free_unpacked(m, NULL);
	if (rc == 0)
		*out = g;
	return rc;
}

bool wire_hello_equal(const struct wire_hello *a, const struct wire_hello *b)
{
	return a->node_id == b->node_id && a->incarnation == b->incarnation &&
	       a->boot == b->boot && a->term == b->term &&
	       a->cluster_hash == b->cluster_hash &&
	       a->is_blank == b->is_blank && a->is_admitted == b->is_admitted &&
	       a->recorded == b->recorded &&
	       a->has_cluster_id == b->has_cluster_id &&
	       memcmp(a->cluster_id, b->cluster_id, sizeof a->cluster_id) == 0;
}

void wire_verdict_set(struct wire_verdict *v, enum wire_refused reason,
		      const char *fmt, ...)
{
	va_list ap;

	v->reason = reason;
	va_start(ap, fmt);
	vsnprintf(v->text, sizeof v->text, fmt, ap);
	va_end(ap);
}

/* Two ids decide. Where one side has none yet, the founding member list must be
 * the same: its hash does not change while a cluster has no id. */
static bool is_other_cluster(const struct wire_hello *a,
			     const struct wire_hello *b)
{
	if (a->has_cluster_id && b->has_cluster_id)
		return memcmp(a->cluster_id, b->cluster_id,
			      sizeof a->cluster_id) != 0;
	return a->cluster_hash != b->cluster_hash;
}

bool wire_greeting_judge(const struct wire_greeting *g,
			 const struct wire_judge *j, struct wire_verdict *out)
{
	const struct wire_hello *h = &g->hello;

	CHECK(j->self != NULL);
	if (g->protocol != PROTO_VERSION) {
		wire_verdict_set(out, WIRE_REFUSED_PROTOCOL,
				 "%s speaks protocol %" PRIu32
				 ", this node speaks %d: run the same major "
				 "version on all nodes",
				 g->name, g->protocol, PROTO_VERSION);
	} else if (h->node_id == j->self->node_id) {
		wire_verdict_set(out, WIRE_REFUSED_NODE,
				 "a node that calls itself %s has the id of "
				 "this node: two nodes share a name, or a "
				 "member's address points back here",
				 g->name);
	} else if (!j->peer) {
		wire_verdict_set(out, WIRE_REFUSED_NODE,
				 "%s (id %" PRIu64 ") is not a member in this "
				 "node's file",
				 g->name, h->node_id);
	} else if (strcmp(g->name, j->peer->name) != 0) {
		wire_verdict_set(out, WIRE_REFUSED_NODE,
				 "%s claims the id of %s", g->name,
				 j->peer->name);
	} else if (is_other_cluster(h, j->self)) {
		wire_verdict_set(out, WIRE_REFUSED_CLUSTER,
				 "%s belongs to another cluster: compare "
				 "`cluster` and `members` in both node files, "
				 "and the data directories",
				 g->name);
	} else {
		*out = (struct wire_verdict){0};
		return true;
	}
	return false;
}

const char *wire_refused_name(enum wire_refused reason)
{
	static const char *const names[WIRE_REFUSED__N] = {
		[WIRE_REFUSED_NONE] = "none",
		[WIRE_REFUSED_FORMAT] = "format",
		[WIRE_REFUSED_PROTOCOL] = "protocol",
		[WIRE_REFUSED_CLUSTER] = "cluster",
		[WIRE_REFUSED_NODE] = "node",
		[WIRE_REFUSED_INCARNATION] = "incarnation",
		[WIRE_REFUSED_CLONE] = "clone",
		[WIRE_REFUSED_PROOF] = "proof",
		[WIRE_REFUSED_SILENT] = "silent",
		[WIRE_REFUSED_CROWDED] = "crowded",
	};

	CHECK(reason < WIRE_REFUSED__N);
	return names[reason];
}
