/* Inside the wire: what its files share and nobody else sees.
 *
 *   wire.c          open, close, and the owner's questions
 *   wire_out.c      what we dial: one connection per peer and channel
 *   wire_in.c       what is dialed to us: one listener per channel
 *   wire_hello.c    the hello: packing, reading, judging (pure)
 *   wire_accept.c   what a hello that was read does to connections
 *   wire_watch.c    the thread that dials, and sees silence
 *   wire_stream.c   one connection: greeting and frames on nng's byte stream
 *   wire_listener.c one listening address
 *   wire_reaper.c   the thread that frees broken streams
 *   wire_tls.c      certificates, checked before nng gets them
 *   wire_cert.c     the few facts of a certificate that we tell (pure)
 *   wire_address.c  urls and loopback (pure)
 *
 * Locks: wire.lock guards peers and incoming connections, wire_out.lock one
 * outgoing connection; wire.lock is taken first. Notes are posted under the
 * lock that guards the fact they report: else an UP could overtake the DOWN
 * that followed it. nng completes every operation on a thread of its own and
 * never inside our call, so its functions may be called under these locks. */
#ifndef CLUSTER_WIRE_WIRE_INNER_H
#define CLUSTER_WIRE_WIRE_INNER_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/thread.h"
#include "cluster/wire/wire.h"
#include "cluster/wire/wire_address.h"
#include "cluster/wire/wire_hello.h"
#include "cluster/wire/wire_listener.h"
#include "cluster/wire/wire_reaper.h"
#include "cluster/wire/wire_stream.h"
#include "proto/codec.h"
#include "proto/limits.h"

enum { WIRE_US_PER_MS = 1000 };

struct wire_queued {
	struct wire_queued *next;
	struct blob *frame;
};

/* What we dial: owner, watch and nng threads, under lock. */
struct wire_out {
	struct wire *wire;
	size_t peer; /* index in wire.peers */
	enum wire_channel channel;
	nng_stream_dialer *dialer;
	nng_aio *dial_aio;
	bool has_lock;

	pthread_mutex_t lock; /* guards what follows */
	bool is_dialing;
	int64_t redial_us;          /* not before */
	struct wire_stream *stream; /* the connection, NULL: none */
	bool is_ready;              /* its greetings are through */
	bool is_busy;               /* a frame is on its way to the kernel */
	bool is_up;                 /* hello said (and proof, under TLS) */
	bool is_hello_sent;         /* what is on its way is a hello */
	bool is_proven;             /* and it carries the peer's token */
	struct blob *hello;         /* to be said before anything queued */
	bool hello_is_proven;
	struct wire_queued *head, **tail;
	size_t queued_bytes, sending_bytes;
	int64_t added_us, sent_us; /* connected; last frame went */
	int backoff_ms;
};

/* Under wire.lock, except for what never changes and for out. */
struct wire_link {
	struct wire_peer peer;
	struct wire_out out[WIRE__CHANNELS];
	uint8_t token[WIRE_TOKEN_BYTES]; /* ours for this peer, this boot */
	uint8_t echo[WIRE_TOKEN_BYTES];  /* theirs for us */
	bool has_echo;
	uint64_t boot;    /* of the last accepted hello, 0: none yet */
	int64_t heard_us; /* last frame of that boot */
	int64_t clone_first_us, clone_last_us; /* two boots claimed this peer */
	struct wire_hello hello;
	uint64_t recorded; /* its incarnation, as the owner has it */
};

/* An incoming connection. Under wire.lock. stream NULL: the place is free. */
struct wire_in {
	struct wire *wire; /* never changes */
	enum wire_channel channel;
	struct wire_stream *stream;
	int64_t added_us, heard_us;
	bool is_accepted;
	bool awaits_proof; /* a good hello but for the token */
	struct wire_link *link;
	struct wire_hello hello;
};

/* A listening address. */
struct wire_port {
	struct wire *wire;
	enum wire_channel channel;
	struct wire_listener listener;
};

struct wire_counters {
	atomic_uint_fast64_t frames_sent, bytes_sent, frames_dropped;
	atomic_uint_fast64_t frames_received, bytes_received, frames_bad;
	atomic_uint_fast64_t hellos_refused;
};

struct wire {
	struct wire_peer self;
	char cluster_name[LIMIT_NAME_BYTES + 1];
	bool is_tls;
	struct mailbox *owner;
	bool (*admit)(void *ctx, const struct wire_hello *hello);
	void *admit_ctx;
	struct clock clock;
	struct wire_counters counters;

	struct wire_port ports[WIRE__CHANNELS];
	struct wire_link *links; /* one a peer */
	size_t n_links;

	/* Owner's thread: every TLS configuration that nng was ever given.
	 * nng 1.5.2 reads the pointer of a dialer or listener without a lock
	 * while it connects: so an old one lives until wire_close. */
	nng_tls_config **tls_configs;
	size_t n_tls_configs;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* is_closing, redial_us: for the watch */
	atomic_bool is_closing; /* written under lock */
	struct wire_hello hello;
	struct wire_in ins[LIMIT_WIRE_CONNECTIONS];
	/* [link or one past the last for strangers][reason]: last report */
	int64_t (*refused_us)[WIRE_REFUSED__N];
	struct thread watch;
	struct wire_reaper reaper;
};

static inline int64_t wire_now_us(const struct wire *w)
{
	return clock_mono_us(&w->clock);
}

static inline void wire_count(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void wire_lock(struct wire *w);
void wire_unlock(struct wire *w);

/* -- wire.c ---------------------------------------------------------------- */
struct wire_link *wire_link_find(struct wire *w, uint64_t id);
/* A fact about a peer, to the owner. Never refused: their number is bounded by
 * the connections that came and went. Under the lock that guards the fact. */
void wire_post(struct wire *w, enum wire_note_kind kind, uint64_t peer,
	       enum wire_channel channel, const struct wire_hello *hello);
/* Count and report a refusal, once per peer, reason and second. Under
 * wire.lock. link NULL: a stranger, id is what it claims to be. */
void wire_report_refused(struct wire *w, struct wire_link *link, uint64_t id,
			 enum wire_channel channel,
			 const struct wire_verdict *verdict);

/* -- wire_out.c ------------------------------------------------------------ */
int wire_out_open(struct wire_out *o, nng_tls_config *tls, struct err *e);
/* Ends dialing: no stream comes to be any more. Then close, when the reaper has
 * nothing to get from it. */
void wire_out_stop(struct wire_out *o);
void wire_out_close(struct wire_out *o);
/* When it should be dialed; INT64_MAX: it is connected or being dialed. */
int64_t wire_out_dial_us(struct wire_out *o);
void wire_out_dial(struct wire_out *o);
int wire_out_set_tls(struct wire_out *o, nng_tls_config *tls);
bool wire_out_send(struct wire_out *o, struct blob *frame); /* takes frame */
size_t wire_out_queued(struct wire_out *o);
bool wire_out_is_up(struct wire_out *o);
/* Say hello (again), before anything that is queued. Under wire.lock. */
void wire_out_say_hello(struct wire_out *o);
/* The same, when nothing was sent for a while: keeps the other side sure that
 * we live. Under wire.lock. */
void wire_out_probe(struct wire_out *o, int64_t now_us);
/* Break the connection if it was made before this moment; a new one is
 * dialed. */
void wire_out_break(struct wire_out *o, int64_t before_us);

/* -- wire_in.c ------------------------------------------------------------- */
int wire_port_open(struct wire_port *p, nng_tls_config *tls, struct err *e);
void wire_port_close(struct wire_port *p);
/* After the ports: give all that is left to the reaper. */
void wire_ins_close(struct wire *w);
/* The connection is lost: its place is free, the reaper has the stream.
 * is_silent: no DOWN, it was replaced or never counted. Under wire.lock. */
void wire_in_lose(struct wire_in *in, bool is_silent);

/* -- wire_accept.c --------------------------------------------------------- */
/* A hello came in over this stream of a place. nng thread, no lock held. */
void wire_accept(struct wire_in *in, struct wire_stream *s, struct bytes frame);

/* -- wire_watch.c ---------------------------------------------------------- */
void *wire_watch_main(void *wire);

#endif
