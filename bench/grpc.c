#include "bench/grpc.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

enum {
	GRPC_PREFIX_BYTES = 5, /* not compressed, length of the message */
	GRPC_WINDOW_BYTES = 16 << 20,
	GRPC_OUT_BYTES = 256 << 10,
	GRPC_IN_BYTES = 64 << 10,
	/* The largest frame we send is 16 KiB and its header. */
	GRPC_FRAME_ROOM = 17 << 10,
};

struct grpc_connection {
	int fd;
	nghttp2_session *session;
	size_t out_len, out_sent;
	uint8_t out[GRPC_OUT_BYTES];
	char authority[32];
};

/* One call under way. */
struct grpc_stream {
	struct grpc_call call;
	uint8_t prefix[GRPC_PREFIX_BYTES];
	size_t sent;
	int status;
	size_t reply_len;
	uint8_t reply[GRPC_REPLY_MAX];
	struct grpc_stream *next_free, *next_all;
};

struct grpc {
	unsigned n;
	struct grpc_connection connections[GRPC_CONNECTIONS_MAX];
	struct grpc_stream *free; /* kept for the next calls */
	struct grpc_stream *all;
};

/* -- callbacks of nghttp2 -------------------------------------------------- */
/* Lend the next part of prefix, head, tail to the frame. */
static size_t stream_copy(struct grpc_stream *s, uint8_t *buf, size_t len)
{
	const struct bytes parts[] = {{s->prefix, sizeof s->prefix},
				      s->call.message.head,
				      s->call.message.tail};
	size_t done = 0, begin = 0;

	for (unsigned i = 0; i < 3 && done < len; i++) {
		size_t end = begin + parts[i].len;
		if (s->sent < end) {
			size_t skip = s->sent - begin;
			size_t n = parts[i].len - skip;
			if (n > len - done)
				n = len - done;
			memcpy(buf + done, parts[i].data + skip, n);
			done += n;
			s->sent += n;
		}
		begin = end;
	}
	return done;
}

static ssize_t on_read(nghttp2_session *session, int32_t stream_id,
		       uint8_t *buf, size_t length, uint32_t *data_flags,
		       nghttp2_data_source *source, void *user_data)
{
	struct grpc_stream *s = source->ptr;
	size_t total = GRPC_PREFIX_BYTES + s->call.message.head.len +
		       s->call.message.tail.len;

	size_t n = stream_copy(s, buf, length);
	if (s->sent == total)
		*data_flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
		     const uint8_t *name, size_t namelen, const uint8_t *value,
		     size_t valuelen, uint8_t flags, void *user_data)
{
	static const char key[] = "grpc-status";
	struct grpc_stream *s = nghttp2_session_get_stream_user_data(
		session, frame->hd.stream_id);

	if (!s || namelen != sizeof key - 1 || memcmp(name, key, namelen) != 0)
		return 0;
	s->status = 0;
	for (size_t i = 0; i < valuelen && i < 4; i++)
		s->status = s->status * 10 + (value[i] - '0');
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
		   const uint8_t *data, size_t len, void *user_data)
{
	struct grpc_stream *s =
		nghttp2_session_get_stream_user_data(session, stream_id);

	if (!s)
		return 0;
	/* What we ask for has short answers; the rest of a long one is cut. */
	size_t room = sizeof s->reply - s->reply_len;
	if (len > room)
		len = room;
	memcpy(s->reply + s->reply_len, data, len);
	s->reply_len += len;
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id,
			   uint32_t error_code, void *user_data)
{
	struct grpc *g = user_data;
	struct grpc_stream *s =
		nghttp2_session_get_stream_user_data(session, stream_id);
	struct bytes reply = {0};

	if (!s)
		return 0;
	if (s->status == 0 && s->reply_len >= GRPC_PREFIX_BYTES)
		reply = (struct bytes){s->reply + GRPC_PREFIX_BYTES,
				       s->reply_len - GRPC_PREFIX_BYTES};
	s->call.done(s->call.ctx, s->status, reply);
	s->next_free = g->free;
	g->free = s;
	return 0;
}

/* -- connections ----------------------------------------------------------- */
static int connection_open(struct grpc *g, struct grpc_connection *c,
			   uint16_t port, struct err *e)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&addr, sizeof addr) != 0)
		return err_set(e, ERR_NETWORK, "connect to 127.0.0.1:%u: %s",
			       port, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	snprintf(c->authority, sizeof c->authority, "127.0.0.1:%u", port);
	return 0;
}

static void session_open(struct grpc *g, struct grpc_connection *c)
{
	nghttp2_session_callbacks *callbacks;
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_WINDOW_BYTES}};

	CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
								  on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
							       on_stream_close);
	CHECK(nghttp2_session_client_new(&c->session, callbacks, g) == 0);
	nghttp2_session_callbacks_del(callbacks);
	CHECK(nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
				      2) == 0);
	CHECK(nghttp2_session_set_local_window_size(c->session,
						    NGHTTP2_FLAG_NONE, 0,
						    GRPC_WINDOW_BYTES) == 0);
}

int grpc_dial(struct grpc **out, uint16_t loopback_port, unsigned n_connections,
	      struct err *e)
{
	CHECK(n_connections > 0 && n_connections <= GRPC_CONNECTIONS_MAX);
	struct grpc *g = mem_zero(1, sizeof *g);

	for (; g->n < n_connections; g->n++) {
		struct grpc_connection *c = &g->connections[g->n];
		if (connection_open(g, c, loopback_port, e)) {
			if (c->fd >= 0)
				close(c->fd);
			grpc_close(g);
			return ERR_NETWORK;
		}
		session_open(g, c);
	}
	*out = g;
	return 0;
}

void grpc_close(struct grpc *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < g->n; i++) {
		nghttp2_session_del(g->connections[i].session);
		close(g->connections[i].fd);
	}
	while (g->all) {
		struct grpc_stream *s = g->all;
		g->all = s->next_all;
		free(s);
	}
	free(g);
}

/* -- calls ----------------------------------------------------------------- */
static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
			    .value = (uint8_t *)(uintptr_t)value,
			    .namelen = strlen(name),
			    .valuelen = strlen(value)};
}

void grpc_start(struct grpc *g, unsigned i, const struct grpc_call *call)
{
	struct grpc_connection *c = &g->connections[i % g->n];
	struct grpc_stream *s = g->free;
	const nghttp2_nv headers[] = {
		header(":method", "POST"),
		header(":scheme", "http"),
		header(":path", call->path),
		header(":authority", c->authority),
		header("content-type", "application/grpc"),
		header("user-agent", "synod-bench"),
		header("te", "trailers"),
	};

	if (s) {
		g->free = s->next_free;
	} else {
		s = mem_alloc(sizeof *s);
		s->next_all = g->all;
		g->all = s;
	}
	s->call = *call;
	s->sent = 0;
	s->status = -1;
	s->reply_len = 0;
	s->prefix[0] = 0;
	uint32_t len = htonl(
		(uint32_t)(call->message.head.len + call->message.tail.len));
	memcpy(s->prefix + 1, &len, 4);
	const nghttp2_data_provider body = {.source.ptr = s,
					    .read_callback = on_read};
	CHECK(nghttp2_submit_request(c->session, NULL, headers,
				     sizeof headers / sizeof headers[0], &body,
				     s) > 0);
}

/* Move frames into the buffer and the buffer into the socket, as far as both
 * go. One write takes many frames: that is what makes small calls cheap. */
static int connection_write(struct grpc_connection *c, struct err *e)
{
	for (;;) {
		const uint8_t *data;
		ssize_t n = 1;
		while (c->out_len + GRPC_FRAME_ROOM <= sizeof c->out) {
			n = nghttp2_session_mem_send(c->session, &data);
			if (n <= 0)
				break;
			CHECK(c->out_len + (size_t)n <= sizeof c->out);
			memcpy(c->out + c->out_len, data, (size_t)n);
			c->out_len += (size_t)n;
		}
		if (n < 0)
			return err_set(e, ERR_NETWORK, "http/2: %s",
				       nghttp2_strerror((int)n));
		if (c->out_len == 0)
			return 0;
		ssize_t sent = send(c->fd, c->out + c->out_sent,
				    c->out_len - c->out_sent,
				    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return 0;
		if (sent < 0)
			return err_set(e, ERR_NETWORK, "send: %s",
				       strerror(errno));
		c->out_sent += (size_t)sent;
		if (c->out_sent < c->out_len)
			return 0;
		c->out_sent = c->out_len = 0;
	}
}

static int connection_read(struct grpc_connection *c, struct err *e)
{
	uint8_t buf[GRPC_IN_BYTES];

	for (;;) {
		ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return err_set(e, ERR_NETWORK,
				       "the server closed the connection%s%s",
				       n < 0 ? ": " : "",
				       n < 0 ? strerror(errno) : "");
		ssize_t used =
			nghttp2_session_mem_recv(c->session, buf, (size_t)n);
		if (used < 0)
			return err_set(e, ERR_NETWORK, "http/2: %s",
				       nghttp2_strerror((int)used));
		if ((size_t)n < sizeof buf)
			return 0;
	}
}

int grpc_turn(struct grpc *g, int timeout_ms, struct err *e)
{
	struct pollfd fds[GRPC_CONNECTIONS_MAX];

	for (unsigned i = 0; i < g->n; i++) {
		struct grpc_connection *c = &g->connections[i];
		if (connection_write(c, e))
			return ERR_NETWORK;
		fds[i] = (struct pollfd){
			.fd = c->fd,
			.events = (short)(POLLIN | (c->out_len ? POLLOUT : 0))};
	}
	if (poll(fds, g->n, timeout_ms) < 0 && errno != EINTR)
		return err_set(e, ERR_SYSTEM, "poll: %s", strerror(errno));
	for (unsigned i = 0; i < g->n; i++)
		if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) &&
		    connection_read(&g->connections[i], e))
			return ERR_NETWORK;
	return 0;
}

struct grpc_answer {
	bool is_done;
	int status;
	struct grpc_reply *reply;
};

static void answer_done(void *ctx, int status, struct bytes reply)
{
	struct grpc_answer *a = ctx;

	a->is_done = true;
	a->status = status;
	a->reply->len = reply.len;
	if (reply.len)
		memcpy(a->reply->data, reply.data, reply.len);
}

int grpc_ask(struct grpc *g, const char *path, struct bytes message,
	     struct grpc_reply *reply, struct err *e)
{
	const struct clock clock = clock_system();
	struct grpc_answer answer = {.reply = reply};
	const struct grpc_call call = {.path = path,
				       .message.head = message,
				       .done = answer_done,
				       .ctx = &answer};
	int64_t end_us = clock_mono_us(&clock) + GRPC_ASK_MS * 1000LL;

	grpc_start(g, 0, &call);
	while (!answer.is_done) {
		int rc = grpc_turn(g, 10, e);
		if (rc)
			return rc;
		if (clock_mono_us(&clock) > end_us)
			return err_set(e, ERR_TIMEOUT, "%s: no answer in %d ms",
				       path, GRPC_ASK_MS);
	}
	if (answer.status != 0)
		return err_set(e, ERR_REFUSED, "%s: grpc status %d", path,
			       answer.status);
	return 0;
}
