#include "cluster/wire/wire_stream.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proto/limits.h"

/* The greeting: 0 'S' 'P' 0, protocol (big-endian), 0 0. */
enum { GREETING_BYTES = 8, LENGTH_BYTES = 8 };
/* Frames on a unix socket begin with this byte. */
enum { IPC_MARK = 1 };
/* Read ahead: many small frames in one read. The rest of a large one is read
 * to where it stays. */
enum { BUFFER_BYTES = 16 << 10 };
/* mark, length, prefix */
enum { HEAD_MAX = 1 + LENGTH_BYTES + WIRE_PREFIX_MAX };

struct wire_stream {
	nng_stream *raw;
	struct wire_stream_config cfg;
	atomic_bool is_broken, is_breaking;
	nng_aio *end;            /* brings the news of wire_stream_break */
	atomic_uint n_greetings; /* through: ours and theirs */

	/* Sending: whoever may send, then the send's callback. */
	nng_aio *tx;
	uint8_t tx_head[HEAD_MAX];
	size_t tx_head_len, tx_at;
	struct blob *tx_frame; /* NULL: the greeting is under way */

	/* Receiving: the receive's callback. */
	nng_aio *rx;
	bool has_greeting;
	uint8_t *buf;
	size_t from, to;       /* what is in buf and not taken yet */
	struct blob *rx_frame; /* the one that is not complete */
	uint8_t rx_prefix[WIRE_PREFIX_MAX];
	size_t rx_at;
};

static void fail(struct wire_stream *s, int rv)
{
	if (atomic_exchange(&s->is_broken, true))
		return;
	nng_stream_close(s->raw);
	s->cfg.events->broken(s->cfg.ctx, s, rv);
}

static void greeting_through(struct wire_stream *s)
{
	if (atomic_fetch_add(&s->n_greetings, 1) == 1 && s->cfg.events->ready)
		s->cfg.events->ready(s->cfg.ctx, s);
}

/* -- sending --------------------------------------------------------------- */

static void send_rest(struct wire_stream *s)
{
	nng_iov iov[2];
	unsigned n = 0;
	size_t at = s->tx_at;

	if (at < s->tx_head_len) {
		iov[n++] = (nng_iov){s->tx_head + at, s->tx_head_len - at};
		at = s->tx_head_len;
	}
	at -= s->tx_head_len;
	if (s->tx_frame && at < s->tx_frame->len)
		iov[n++] = (nng_iov){s->tx_frame->data + at,
				     s->tx_frame->len - at};
	CHECK(nng_aio_set_iov(s->tx, n, iov) == 0);
	nng_stream_send(s->raw, s->tx);
}

static size_t send_total(const struct wire_stream *s)
{
	return s->tx_head_len + (s->tx_frame ? s->tx_frame->len : 0);
}

static void send_done(void *arg)
{
	struct wire_stream *s = arg;
	int rv = nng_aio_result(s->tx);

	if (rv) {
		fail(s, rv);
		return;
	}
	s->tx_at += nng_aio_count(s->tx);
	if (s->tx_at < send_total(s)) {
		send_rest(s);
		return;
	}
	struct blob *frame = s->tx_frame;
	s->tx_frame = NULL;
	if (!frame) {
		greeting_through(s);
		return;
	}
	blob_unref(frame);
	s->cfg.events->sent(s->cfg.ctx, s);
}

void wire_stream_send(struct wire_stream *s, struct bytes prefix,
		      struct blob *frame)
{
	uint64_t len = prefix.len + frame->len;
	uint8_t *head = s->tx_head;

	CHECK(!s->tx_frame && prefix.len <= WIRE_PREFIX_MAX && frame->len > 0);
	if (s->cfg.is_ipc)
		*head++ = IPC_MARK;
	for (int shift = 56; shift >= 0; shift -= 8)
		*head++ = (uint8_t)(len >> shift);
	if (prefix.len)
		memcpy(head, prefix.data, prefix.len);
	s->tx_head_len = (size_t)(head - s->tx_head) + prefix.len;
	s->tx_at = 0;
	s->tx_frame = frame;
	send_rest(s);
}

static void send_greeting(struct wire_stream *s)
{
	uint8_t greeting[GREETING_BYTES] = {0, 'S', 'P',
					    0, 0,   (uint8_t)s->cfg.role};

	memcpy(s->tx_head, greeting, sizeof greeting);
	s->tx_head_len = sizeof greeting;
	send_rest(s);
}

/* -- receiving ------------------------------------------------------------- */

static void read_more(struct wire_stream *s)
{
	nng_iov iov;

	if (s->rx_frame) {
		iov = (nng_iov){s->rx_frame->data + s->rx_at,
				s->rx_frame->len - s->rx_at};
	} else {
		memmove(s->buf, s->buf + s->from, s->to - s->from);
		s->to -= s->from;
		s->from = 0;
		iov = (nng_iov){s->buf + s->to, BUFFER_BYTES - s->to};
	}
	CHECK(nng_aio_set_iov(s->rx, 1, &iov) == 0);
	nng_stream_recv(s->raw, s->rx);
}

static int take_greeting(struct wire_stream *s)
{
	uint8_t want[GREETING_BYTES] = {0, 'S', 'P',
					0, 0,   (uint8_t)s->cfg.peer_role};

	if (memcmp(s->buf + s->from, want, sizeof want) != 0)
		return NNG_EPROTO;
	s->from += sizeof want;
	s->has_greeting = true;
	nng_aio_set_timeout(s->rx, NNG_DURATION_INFINITE);
	greeting_through(s);
	return 0;
}

/* What stands before a frame: mark, length, prefix. */
static size_t head_bytes(const struct wire_stream *s)
{
	size_t mark = s->cfg.is_ipc ? 1 : 0;

	return mark + LENGTH_BYTES + s->cfg.prefix_bytes;
}

/* The length is a stranger's word: it is checked before anything is taken from
 * memory for it. */
static int take_head(struct wire_stream *s)
{
	const uint8_t *at = s->buf + s->from;
	uint64_t len = 0;

	if (s->cfg.is_ipc && *at++ != IPC_MARK)
		return NNG_EPROTO;
	for (int i = 0; i < LENGTH_BYTES; i++)
		len = len << 8 | at[i];
	if (len <= s->cfg.prefix_bytes)
		return NNG_EPROTO; /* no frame of ours is empty */
	len -= s->cfg.prefix_bytes;
	if (len > s->cfg.len_max)
		return NNG_EMSGSIZE;
	memcpy(s->rx_prefix, at + LENGTH_BYTES, s->cfg.prefix_bytes);
	s->from += head_bytes(s);
	s->rx_frame = blob_new((size_t)len);
	s->rx_at = s->to - s->from;
	if (s->rx_at > s->rx_frame->len)
		s->rx_at = s->rx_frame->len;
	memcpy(s->rx_frame->data, s->buf + s->from, s->rx_at);
	s->from += s->rx_at;
	return 0;
}

/* Take the next part out of the buffer. True: there may be more in it. */
static bool take_part(struct wire_stream *s)
{
	size_t left = s->to - s->from;
	int rv;

	if (s->rx_frame && s->rx_at == s->rx_frame->len) {
		struct blob *frame = s->rx_frame;

		s->rx_frame = NULL;
		return s->cfg.events->received(
			s->cfg.ctx, s,
			(struct bytes){s->rx_prefix, s->cfg.prefix_bytes},
			frame);
	}
	if (s->rx_frame)
		rv = NNG_EAGAIN;
	else if (!s->has_greeting)
		rv = left < GREETING_BYTES ? NNG_EAGAIN : take_greeting(s);
	else
		rv = left < head_bytes(s) ? NNG_EAGAIN : take_head(s);
	if (rv == NNG_EAGAIN)
		read_more(s);
	else if (rv)
		fail(s, rv);
	return rv == 0;
}

static void receive_done(void *arg)
{
	struct wire_stream *s = arg;
	int rv = nng_aio_result(s->rx);

	if (rv) {
		fail(s, rv);
		return;
	}
	/* After wire_stream_resume it was a pause, of no bytes. */
	if (s->rx_frame)
		s->rx_at += nng_aio_count(s->rx);
	else
		s->to += nng_aio_count(s->rx);
	/* When an event has said false, s may already belong to the next turn
	 * on another thread: nothing of it is touched after that. */
	while (take_part(s))
		if (atomic_load(&s->is_breaking) || atomic_load(&s->is_broken))
			return;
}

void wire_stream_resume(struct wire_stream *s)
{
	nng_sleep_aio(0, s->rx);
}

/* -- life ------------------------------------------------------------------ */

static void end_done(void *arg)
{
	fail(arg, NNG_ECLOSED);
}

struct wire_stream *wire_stream_new(nng_stream *raw,
				    const struct wire_stream_config *cfg)
{
	struct wire_stream *s = mem_zero(1, sizeof *s);

	CHECK(cfg->prefix_bytes <= WIRE_PREFIX_MAX);
	s->raw = raw;
	s->cfg = *cfg;
	s->buf = mem_alloc(BUFFER_BYTES);
	CHECK(nng_aio_alloc(&s->tx, send_done, s) == 0);
	CHECK(nng_aio_alloc(&s->rx, receive_done, s) == 0);
	CHECK(nng_aio_alloc(&s->end, end_done, s) == 0);
	/* Of no byte moved at all: slow is not dead. */
	nng_aio_set_timeout(s->tx, LIMIT_SEND_MS);
	nng_aio_set_timeout(s->rx, LIMIT_HELLO_MS);
	return s;
}

void wire_stream_start(struct wire_stream *s)
{
	send_greeting(s);
	read_more(s);
}

void wire_stream_set_limit(struct wire_stream *s, size_t len_max)
{
	s->cfg.len_max = len_max;
}

void wire_stream_break(struct wire_stream *s)
{
	if (atomic_exchange(&s->is_breaking, true))
		return;
	nng_stream_close(s->raw);
	/* A receive that is under way ends with it; but there may be none at
	 * this moment, and on a closed TLS stream a new one never ends. */
	nng_sleep_aio(0, s->end);
}

void wire_stream_free(struct wire_stream *s)
{
	if (!s)
		return;
	atomic_store(&s->is_broken, true);
	nng_stream_close(s->raw);
	nng_aio_stop(s->tx);
	nng_aio_stop(s->rx);
	nng_aio_stop(s->end);
	nng_aio_free(s->tx);
	nng_aio_free(s->rx);
	nng_aio_free(s->end);
	nng_stream_free(s->raw);
	blob_unref(s->tx_frame);
	blob_unref(s->rx_frame);
	free(s->buf);
	free(s);
}
