/* HTTP: metrics and health for machines, by libmicrohttpd on a thread of its
 * own. The loop leaves a snapshot once a second; a handler only copies from the
 * newest one, so nobody who asks can hold up the node.
 *
 *   GET /metrics           Prometheus text exposition
 *   GET /livez             200 while the loop turns
 *   GET /readyz[?verbose]  200 when this node takes part: it is a member that
 *                          has caught up, knows a leader, and has room
 *   GET /leader            200 on the leader only
 *   GET /syncz/NAME[?lag=5s]  200 while that sync runs (and its lag is below)
 *
 * No encryption, no authentication: loopback, or a network that is trusted. */
#ifndef NODE_HTTP_H
#define NODE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct http;
struct node;

/* -- pure -------------------------------------------------------------------
 */
struct http_sync {
	char name[64];
	char state[16]; /* running, ... */
	uint64_t lag_us;
};

/* What a handler may know. Counted; immutable once it is left. */
struct http_snapshot {
	unsigned refs;   /* under the lock of struct http */
	int64_t made_us; /* monotonic */
	bool is_leader, is_member, has_leader, has_caught_up, has_room;
	uint64_t behind;
	struct blob *metrics;
	struct http_sync *syncs;
	size_t n_syncs;
};

struct http_answer {
	unsigned status;
	const char *type;
	struct blob *body; /* the caller's */
};

enum { HTTP_STALE_MS = 5000, HTTP_BEHIND_MAX = 10000 };

/* Answer a path; query values may be NULL (not there). now_us: as made_us. */
struct http_query {
	const char *path;
	bool is_verbose;
	const char *lag;
};
struct http_answer http_answer_to(const struct http_snapshot *s,
				  const struct http_query *q, int64_t now_us);
/* "5s", "200ms", "1m"; without a unit: seconds. False: it is none. */
bool http_parse_duration(const char *text, uint64_t *us);

/* -- loop thread ------------------------------------------------------------
 */
/* ERR_NETWORK: the address cannot be used. */
int http_open(struct http **out, struct node *n, struct err *e);
/* Leave a new snapshot when it is time. */
void http_turn(struct node *n);
void http_close(struct http *h); /* NULL is allowed */

#endif
