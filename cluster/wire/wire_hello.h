/* The hello: the first frame of each connection between nodes. Packing it,
 * reading it from bytes that a stranger may have sent, and judging it. Pure:
 * bytes and facts in, a verdict out; no sockets, no clock. Any thread. */
#ifndef CLUSTER_WIRE_WIRE_HELLO_H
#define CLUSTER_WIRE_WIRE_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cluster/wire/wire.h"
#include "proto/limits.h"

enum { WIRE_TOKEN_BYTES = 16, WIRE_HELLO_BYTES_MAX = 4096 };

/* What a hello frame says. */
struct wire_greeting {
	uint32_t protocol;
	struct wire_hello hello;
	char name[LIMIT_NAME_BYTES + 1];
	uint8_t token[WIRE_TOKEN_BYTES], echo[WIRE_TOKEN_BYTES];
	bool has_token, has_echo;
};

/* Why a connection is refused. */
enum wire_refused {
	WIRE_REFUSED_NONE,
	WIRE_REFUSED_FORMAT,      /* no hello, or not one that we can read */
	WIRE_REFUSED_PROTOCOL,    /* another protocol version */
	WIRE_REFUSED_CLUSTER,     /* another cluster */
	WIRE_REFUSED_NODE,        /* not a configured peer, or ourselves */
	WIRE_REFUSED_INCARNATION, /* the owner does not admit it */
	WIRE_REFUSED_CLONE,       /* its node speaks already, another boot */
	WIRE_REFUSED_PROOF,       /* TLS: it never showed our token */
	WIRE_REFUSED_SILENT,      /* no hello within LIMIT_HELLO_MS */
	WIRE_REFUSED_CROWDED,     /* more connections than we hold */
	WIRE_REFUSED__N
};

struct wire_verdict {
	enum wire_refused reason;
	char text[256];
};

/* A sealed frame with one reference. */
struct blob *wire_greeting_pack(const struct wire_greeting *g);
/* Nothing of the frame is trusted; *out is untouched on failure. */
int wire_greeting_read(struct bytes frame, struct wire_greeting *out,
		       struct err *e);

/* What we compare a greeting with. */
struct wire_judge {
	const struct wire_hello *self;
	const struct wire_peer
		*peer; /* who has the id it claims; NULL: nobody */
};

/* False and a verdict when it must not speak with us: protocol, node, cluster.
 * Incarnation, clones and proof are for the caller. */
bool wire_greeting_judge(const struct wire_greeting *g,
			 const struct wire_judge *j, struct wire_verdict *out);

bool wire_hello_equal(const struct wire_hello *a, const struct wire_hello *b);

/* "protocol", "cluster", ...: for log lines. */
const char *wire_refused_name(enum wire_refused reason);

__attribute__((format(printf, 3, 4))) void
wire_verdict_set(struct wire_verdict *v, enum wire_refused reason,
		 const char *fmt, ...);

#endif
