#include "node/ctl/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"
#include "proto/codec.h"

enum { IPC_FIRST_MS = 200, REDIAL_US = 500 * 1000 };

/* -- the door -------------------------------------------------------------- */

static const char ipc_scheme[] = "ipc://";

static bool is_ipc(const char *url)
{
	return strncmp(url, ipc_scheme, sizeof ipc_scheme - 1) == 0;
}

/* A socket that is not there will not come: say so at once. */
static int check_socket(const char *url, struct err *e)
{
	struct stat st;
	if (stat(url + sizeof ipc_scheme - 1, &st))
		return err_set(e,
			       errno == EACCES ? ERR_PERMISSION : ERR_NETWORK,
			       "%s: %s", url, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_NETWORK, "%s: not a socket", url);
	return 0;
}

/* What the system says of a connection: nng would try again and again until the
 * time is over, even when nobody can be there. 0 or errno. */
static int probe(const char *url)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof address.sun_path, "%s",
			 url + sizeof ipc_scheme - 1);
	if (n < 0 || (size_t)n >= sizeof address.sun_path)
		return ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	const struct sockaddr *to = (const struct sockaddr *)&address;
	int error = connect(fd, to, sizeof address) ? errno : 0;
	close(fd);
	return error;
}

/* A local node answers at once or is down; only one that is just too busy is
 * worth the whole wait. It is probed after a first failure and not before: a
 * healthy node has better things to do than to accept probes. */
static int dial_ipc(const struct door_client_config *cfg,
		    struct door_client **client, struct err *e)
{
	struct door_client_config first = *cfg;
	int rc = check_socket(cfg->url, e);
	if (rc)
		return rc;
	if (first.timeout_ms > IPC_FIRST_MS)
		first.timeout_ms = IPC_FIRST_MS;
	rc = door_dial(client, &first, e);
	if (rc != ERR_NETWORK || first.timeout_ms == cfg->timeout_ms)
		return rc;
	int error = probe(cfg->url);
	if (error)
		return err_set(e,
			       error == EACCES ? ERR_PERMISSION : ERR_NETWORK,
			       "%s: %s", cfg->url, strerror(error));
	first.timeout_ms = cfg->timeout_ms - IPC_FIRST_MS;
	return door_dial(client, &first, e);
}

static int door_ops_dial(void *ctx, const struct door_client_config *cfg,
			 void **connection, struct err *e)
{
	struct door_client *client = NULL;
	int rc = is_ipc(cfg->url) ? dial_ipc(cfg, &client, e)
				  : door_dial(&client, cfg, e);
	if (rc == 0)
		*connection = client;
	return rc;
}

static int door_ops_call(void *connection, struct bytes request, int timeout_ms,
			 struct blob **response, struct err *e)
{
	return door_call(connection, request, timeout_ms, response, e);
}

static void door_ops_hang_up(void *connection)
{
	door_hang_up(connection);
}

const struct link_ops link_door = {door_ops_dial, door_ops_call,
				   door_ops_hang_up};

/* -- endpoints ------------------------------------------------------------- */

static bool has_scheme(const char *url)
{
	static const char *const schemes[] = {"ipc:///", "tcp://",
					      "tls+tcp://"};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);
		if (strncmp(url, schemes[i], len) == 0 && url[len])
			return true;
	}
	return false;
}

/* The next part of a comma-separated list. False: too long. */
static bool take_part(const char **list, char *buf, size_t len)
{
	size_t n = strcspn(*list, ",");
	if (n >= len)
		return false;
	memcpy(buf, *list, n);
	buf[n] = '\0';
	*list += n;
	if (**list == ',')
		(*list)++;
	return true;
}

static int add_end(struct link *l, const char **urls, struct err *e)
{
	if (l->n_ends == LIMIT_NODES)
		return err_set(e, ERR_INVALID,
			       "more than %d endpoints were given",
			       LIMIT_NODES);
	struct link_end *end = &l->ends[l->n_ends];
	if (!take_part(urls, end->url, sizeof end->url))
		return err_set(e, ERR_INVALID,
			       "an endpoint is longer than %d bytes",
			       LIMIT_ADDRESS_BYTES);
	if (!has_scheme(end->url))
		return err_set(e, ERR_INVALID,
			       "endpoint '%s' is none of ipc:///PATH, "
			       "tcp://HOST:PORT, tls+tcp://HOST:PORT",
			       end->url);
	l->n_ends++;
	return 0;
}

static int add_names(struct link *l, const char *names, struct err *e)
{
	const char *all = names;
	for (size_t i = 0; i < l->n_ends; i++) {
		/* One name serves all endpoints. */
		const char *one = strchr(all, ',') ? names : all;
		if (!take_part(&one, l->ends[i].server_name,
			       sizeof l->ends[i].server_name))
			return err_set(e, ERR_INVALID,
				       "a server name is too long");
		if (strchr(all, ','))
			names = one;
		if (!l->ends[i].server_name[0])
			return err_set(e, ERR_INVALID,
				       "--server-name has fewer names than "
				       "there are endpoints");
	}
	return 0;
}

int link_init(struct link *l, const char *urls, const char *server_names,
	      struct err *e)
{
	while (*urls) {
		int rc = add_end(l, &urls, e);
		if (rc)
			return rc;
	}
	if (l->n_ends == 0)
		return err_set(e, ERR_INVALID, "no endpoint was given");
	return server_names ? add_names(l, server_names, e) : 0;
}

static void drop(struct link *l, struct link_end *end)
{
	if (end->connection)
		l->ops->hang_up(end->connection);
	end->connection = NULL;
}

void link_close(struct link *l)
{
	for (size_t i = 0; i < l->n_ends; i++)
		drop(l, &l->ends[i]);
	l->n_ends = 0;
}

/* -- one call -------------------------------------------------------------- */

static void hint_unreachable(const struct link_end *end,
			     struct link_answer *out)
{
	const char *text = "is synodd running there, and does admin.listen of "
			   "its node file name this address?";
	if (is_ipc(end->url))
		text = "systemctl status synodd; the socket is admin.socket of "
		       "its node file: --endpoint ipc:///PATH";
	if (out->e.code == ERR_PERMISSION)
		text = "you need the right to open the socket: sudo, or the "
		       "group of synodd";
	if (strncmp(end->url, "tls+", 4) == 0)
		text = "is synodd running there, does admin.listen of its node "
		       "file name this address, and do --ca, --cert, --key and "
		       "--server-name NODE.CLUSTER.synod fit?";
	if (out->e.code == ERR_TLS)
		text = "check --ca, --cert, --key and --server-name "
		       "NODE.CLUSTER.synod";
	snprintf(out->hint, sizeof out->hint, "%s", text);
}

/* Is it known to be dead since a moment ago? */
static bool is_dead(const struct link_end *end)
{
	struct clock clock = clock_system();
	return end->failed_us &&
	       clock_mono_us(&clock) - end->failed_us < REDIAL_US;
}

static int dial_anew(struct link *l, struct link_end *end, int timeout_ms,
		     struct err *e)
{
	struct door_client_config cfg = {
		.url = end->url,
		.tls = l->tls,
		.server_name = end->server_name[0] ? end->server_name : NULL,
		.n_parallel = 1,
		.timeout_ms = timeout_ms,
	};
	struct clock clock = clock_system();
	end->failed_us = 0;
	int rc = l->ops->dial(l->ops_ctx, &cfg, &end->connection, e);
	if (rc == 0)
		return 0;
	end->failed_us = clock_mono_us(&clock);
	end->failure = *e;
	return rc;
}

static int dial(struct link *l, struct link_end *end, int timeout_ms,
		struct link_answer *out)
{
	if (end->connection)
		return 0;
	if (is_dead(end))
		out->e = end->failure;
	else if (dial_anew(l, end, timeout_ms, &out->e) == 0)
		return 0;
	out->is_local = true;
	hint_unreachable(end, out);
	return out->e.code;
}

int link_code(int code)
{
	bool is_known = code == 0 || (code > ERR__BASE && code < ERR__END);
	return is_known ? code : ERR_SYSTEM;
}

/* A problem is an answer too: it becomes the error, its hint the hint. */
static int take_problem(struct link_answer *out)
{
	const Synod__Admin__Problem *p = out->response->problem;
	if (!p)
		return 0;
	int code = link_code(p->code);
	if (code == 0)
		code = ERR_SYSTEM; /* a problem without a code is one */
	err_set(&out->e, code, "%s", p->text[0] ? p->text : err_sentence(code));
	snprintf(out->hint, sizeof out->hint, "%s", p->hint);
	protobuf_c_message_free_unpacked(&out->response->base, NULL);
	out->response = NULL;
	return code;
}

static int open_response(const struct blob *frame, struct link_answer *out)
{
	struct bytes payload;
	int rc = codec_open(CODEC_RESPONSE, blob_bytes(frame),
			    LIMIT_FRAME_BYTES, &payload, &out->e);
	if (rc == 0) {
		ProtobufCMessage *m = codec_unpack(
			&synod__admin__response__descriptor, payload, &out->e);
		out->response = (Synod__Admin__Response *)m;
		rc = m ? 0 : out->e.code;
	}
	if (rc == 0)
		return take_problem(out);
	out->is_local = true;
	snprintf(out->hint, sizeof out->hint,
		 "something else than a synodd of this version answers there; "
		 "check --endpoint");
	return err_wrap(&out->e, "the answer");
}

int link_call(struct link *l, size_t end, const Synod__Admin__Request *request,
	      int timeout_ms, struct link_answer *out)
{
	CHECK(end < l->n_ends);
	*out = (struct link_answer){0};
	struct link_end *to = &l->ends[end];
	int dial_ms = timeout_ms < l->timeout_ms ? timeout_ms : l->timeout_ms;
	if (dial(l, to, dial_ms, out))
		return out->e.code;
	struct blob *frame = codec_seal(CODEC_REQUEST, &request->base);
	struct blob *response = NULL;
	struct clock clock = clock_system();
	int64_t begin_us = clock_wall_us(&clock);
	int64_t begin_mono_us = clock_mono_us(&clock);
	int rc = l->ops->call(to->connection, blob_bytes(frame), timeout_ms,
			      &response, &out->e);
	blob_unref(frame);
	out->took_us = clock_mono_us(&clock) - begin_mono_us;
	out->middle_us = begin_us + out->took_us / 2;
	if (rc) {
		/* The next call begins with a connection of its own. */
		drop(l, to);
		out->is_local = true;
		char text[sizeof out->e.text];
		snprintf(text, sizeof text, "%s", out->e.text);
		return err_set(&out->e, rc, "%s: %.400s", to->url, text);
	}
	rc = open_response(response, out);
	blob_unref(response);
	return rc;
}

/* It never left: another endpoint may be asked. */
static bool is_unsent(const struct link_answer *a)
{
	return a->is_local &&
	       (a->e.code == ERR_NETWORK || a->e.code == ERR_TLS ||
		a->e.code == ERR_CLOSED || a->e.code == ERR_PERMISSION);
}

int link_call_any(struct link *l, const Synod__Admin__Request *request,
		  int timeout_ms, struct link_answer *out)
{
	size_t first = l->current;
	int rc = 0;
	for (size_t i = 0; i < l->n_ends; i++) {
		l->current = (first + i) % l->n_ends;
		if (i > 0)
			link_answer_clear(out);
		rc = link_call(l, l->current, request, timeout_ms, out);
		if (rc == 0 || !is_unsent(out))
			return rc;
	}
	if (l->n_ends > 1) {
		char text[sizeof out->e.text];
		snprintf(text, sizeof text, "%s", out->e.text);
		rc = err_set(&out->e, rc,
			     "none of %zu endpoints answers; the last: %.400s",
			     l->n_ends, text);
	}
	return rc;
}

/* -- all at once ----------------------------------------------------------- */

struct parallel {
	struct thread thread;
	struct link *link;
	size_t end;
	const Synod__Admin__Request *request;
	int timeout_ms;
	struct link_answer *out;
};

/* Threads share nothing: each has an endpoint and an answer of its own. */
static void *run_parallel(void *arg)
{
	struct parallel *p = arg;
	link_call(p->link, p->end, p->request, p->timeout_ms, p->out);
	return NULL;
}

void link_call_all(struct link *l, const Synod__Admin__Request *request,
		   int timeout_ms, struct link_answer *out)
{
	struct parallel parallel[LIMIT_NODES] = {0};
	for (size_t i = 0; i < l->n_ends; i++) {
		struct parallel *p = &parallel[i];
		*p = (struct parallel){.link = l,
				       .end = i,
				       .request = request,
				       .timeout_ms = timeout_ms,
				       .out = &out[i]};
		/* One endpoint, or no thread to be had: one after another. */
		if (l->n_ends == 1 ||
		    thread_start(&p->thread, "ask", run_parallel, p, NULL))
			run_parallel(p);
	}
	for (size_t i = 0; i < l->n_ends; i++)
		thread_join(&parallel[i].thread);
}

void link_answer_clear(struct link_answer *a)
{
	if (a->response)
		protobuf_c_message_free_unpacked(&a->response->base, NULL);
	*a = (struct link_answer){0};
}
