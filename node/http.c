#include "node/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "node/node.h"

enum { SNAPSHOT_US = 1000 * 1000 };

struct http {
	struct MHD_Daemon *daemon;
	struct clock clock;
	int64_t due_us; /* loop */
	pthread_mutex_t lock;
	struct http_snapshot *newest; /* NULL until the first */
};

/* -- snapshots --------------------------------------------------------------
 */
static void snapshot_free(struct http_snapshot *s)
{
	blob_unref(s->metrics);
	free(s->syncs);
	free(s);
}

static void release(struct http *h, struct http_snapshot *s)
{
	pthread_mutex_lock(&h->lock);
	bool is_last = s && --s->refs == 0;
	pthread_mutex_unlock(&h->lock);
	if (is_last)
		snapshot_free(s);
}

static struct http_snapshot *take(struct http *h)
{
	pthread_mutex_lock(&h->lock);
	struct http_snapshot *s = h->newest;
	if (s)
		s->refs++;
	pthread_mutex_unlock(&h->lock);
	return s;
}

static bool is_task_of(const Synod__Definition__Sync *sync, uint32_t task_id)
{
	if (task_kind(task_id) == TASK_APPLY)
		return task_sync(task_id) == sync->id;
	for (size_t i = 0; i < sync->n_connection_ids; i++) {
		if (sync->connection_ids[i] == task_connection(task_id))
			return true;
	}
	return false;
}

static void fill_sync(const struct view *view,
		      const Synod__Definition__Sync *sync,
		      struct http_sync *out)
{
	const char *state = "running";

	snprintf(out->name, sizeof(out->name), "%s", sync->name);
	for (size_t i = 0; i < view->tasks.n; i++) {
		const struct task *t = &view->tasks.list[i];
		if (!is_task_of(sync, t->id))
			continue;
		if (!t->node_id ||
		    t->state != SYNOD__COMMAND__TASK_REPORT__STATE__RUNNING)
			state = "degraded";
		if (t->lag_p99_us > out->lag_us)
			out->lag_us = t->lag_p99_us;
	}
	if (tasks_is_paused(&view->tasks, sync->id, 0))
		state = "paused";
	snprintf(out->state, sizeof(out->state), "%s", state);
}

static void fill_syncs(struct node *n, struct http_snapshot *s)
{
	struct view *view = decided_view(&n->machine.decided);
	const Synod__Definition__Definition *all =
		catalog_definition(view->catalog);

	s->n_syncs = all ? all->n_syncs : 0;
	s->syncs = mem_zero(s->n_syncs + 1, sizeof(*s->syncs));
	for (size_t i = 0; i < s->n_syncs; i++)
		fill_sync(view, all->syncs[i], &s->syncs[i]);
	view_unref(view);
}

static struct http_snapshot *make(struct node *n, int64_t now_us)
{
	struct http_snapshot *s = mem_zero(1, sizeof(*s));
	const struct replica_view *v = &n->view;
	uint64_t decided = atomic_load(&n->machine.decided.index);
	size_t len;

	s->refs = 1;
	s->made_us = now_us;
	s->is_leader = v->state == REPLICA_LEADER;
	s->is_member = n->phase == NODE_RUNNING &&
		       !members_self(&n->members)->is_quarantined;
	s->has_leader = v->leader_id != 0;
	s->behind = v->commit_index > decided ? v->commit_index - decided : 0;
	s->has_caught_up = s->behind < HTTP_BEHIND_MAX;
	s->has_room = !n->is_full;
	stats_refresh(n);
	char *text = metrics_expose(&n->stats.registry, &len);
	s->metrics = blob_copy(text, len);
	free(text);
	fill_syncs(n, s);
	return s;
}

void http_turn(struct node *n)
{
	struct http *h = n->http;
	int64_t now_us = node_now_us(n);

	if (!h || now_us < h->due_us)
		return;
	h->due_us = now_us + SNAPSHOT_US;
	struct http_snapshot *fresh = make(n, now_us);
	pthread_mutex_lock(&h->lock);
	struct http_snapshot *old = h->newest;
	h->newest = fresh;
	pthread_mutex_unlock(&h->lock);
	release(h, old);
}

/* -- requests: libmicrohttpd's thread ----------------------------------------
 */
static enum MHD_Result reply(struct MHD_Connection *c, unsigned status,
			     const char *type, struct bytes body)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	enum MHD_Result rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c,
				  const char *url, const char *method,
				  const char *version, const char *upload,
				  size_t *upload_size, void **seen)
{
	static const char type[] = "text/plain; charset=utf-8";
	static const char later[] = "starting\n", what[] = "GET, please\n";
	static int mark;
	struct http *h = ctx;

	/* The first call is for the head alone; what is uploaded is ignored. */
	if (!*seen) {
		*seen = &mark;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return reply(c, MHD_HTTP_METHOD_NOT_ALLOWED, type,
			     (struct bytes){(const uint8_t *)what,
					    sizeof(what) - 1});
	struct http_snapshot *s = take(h);
	if (!s)
		return reply(c, MHD_HTTP_SERVICE_UNAVAILABLE, type,
			     (struct bytes){(const uint8_t *)later,
					    sizeof(later) - 1});
	struct http_query q = {.path = url};
	const char *verbose;
	size_t len;
	/* ?verbose has no value: only this call tells it from none. */
	q.is_verbose = MHD_lookup_connection_value_n(c, MHD_GET_ARGUMENT_KIND,
						     "verbose", 7, &verbose,
						     &len) == MHD_YES;
	q.lag = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "lag");
	struct http_answer a = http_answer_to(s, &q, clock_mono_us(&h->clock));
	release(h, s);
	enum MHD_Result rc = reply(c, a.status, a.type, blob_bytes(a.body));
	blob_unref(a.body);
	return rc;
}

/* -- life --------------------------------------------------------------------
 */
static int resolve(const struct config_address *at, struct addrinfo **out,
		   struct err *e)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICSERV | AI_PASSIVE,
				 .ai_socktype = SOCK_STREAM};
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned)at->port);
	int rc = getaddrinfo(at->host, port, &hints, out);
	return rc ? err_set(e, ERR_NETWORK, "http.listen %s: %s", at->host,
			    gai_strerror(rc))
		  : 0;
}

static struct MHD_Daemon *start(struct http *h, const struct addrinfo *at)
{
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL;

	if (at->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	return MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR,
		at->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)LIMIT_HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)LIMIT_HTTP_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384,
		MHD_OPTION_END);
}

int http_open(struct http **out, struct node *n, struct err *e)
{
	const struct config_address *address = &n->config.http.listen;
	struct addrinfo *at;

	if (!address->host)
		return 0;
	if (resolve(address, &at, e))
		return e->code;
	struct http *h = mem_zero(1, sizeof(*h));
	h->clock = n->clock;
	CHECK(pthread_mutex_init(&h->lock, NULL) == 0);
	/* Signals are the loop's: its thread inherits what is blocked here. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	h->daemon = start(h, at);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	freeaddrinfo(at);
	*out = h;
	if (!h->daemon)
		return err_set(e, ERR_NETWORK,
			       "http.listen %s:%u cannot be used: is another "
			       "process there?",
			       address->host, (unsigned)address->port);
	log_event(LOG_INFO, "http", "address=%s:%u", address->host,
		  (unsigned)address->port);
	return 0;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	if (h->newest)
		snapshot_free(h->newest);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
