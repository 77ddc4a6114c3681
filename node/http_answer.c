#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/http.h"

static const char plain[] = "text/plain; charset=utf-8";

__attribute__((format(printf, 2, 3))) static struct http_answer
say(unsigned status, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	size_t len = n < 0 ? 0 : (size_t)n;
	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	return (struct http_answer){status, plain, blob_copy(text, len)};
}

bool http_parse_duration(const char *text, uint64_t *us)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	uint64_t n = strtoull(text, &end, 10);
	if (n > UINT32_MAX)
		return false;
	if (strcmp(end, "ms") == 0)
		*us = n * 1000;
	else if (strcmp(end, "s") == 0 || !*end)
		*us = n * 1000000;
	else if (strcmp(end, "m") == 0)
		*us = n * 60 * 1000000;
	else
		return false;
	return true;
}

static struct http_answer livez(const struct http_snapshot *s, int64_t now_us)
{
	int64_t age_ms = (now_us - s->made_us) / 1000;

	if (age_ms > HTTP_STALE_MS)
		return say(503, "the loop has not turned for %" PRId64 " ms\n",
			   age_ms);
	return say(200, "ok\n");
}

static const char *mark(bool is_good)
{
	return is_good ? "[+]" : "[-]";
}

static struct http_answer readyz(const struct http_snapshot *s, bool is_verbose,
				 int64_t now_us)
{
	bool is_alive = now_us - s->made_us <= (int64_t)HTTP_STALE_MS * 1000;
	bool is_ready = is_alive && s->is_member && s->has_leader &&
			s->has_caught_up && s->has_room;
	unsigned status = is_ready ? 200 : 503;
	char bad[1024] = "";
	size_t used = 0;

	if (!is_verbose)
		return say(status, is_ready ? "ok\n" : "not ready\n");
	/* What is wrong with syncs does not make the node unready: another
	 * node would be no better. */
	for (size_t i = 0; i < s->n_syncs; i++) {
		const struct http_sync *sync = &s->syncs[i];
		if (strcmp(sync->state, "running") == 0)
			continue;
		int n = snprintf(bad + used, sizeof(bad) - used,
				 "[!] sync %s is %s\n", sync->name,
				 sync->state);
		if (n < 0 || (size_t)n >= sizeof(bad) - used)
			break;
		used += (size_t)n;
	}
	return say(status,
		   "%s loop\n%s member\n%s leader\n%s caught up (%" PRIu64
		   " entries behind)\n%s room for changes\n%s%s\n",
		   mark(is_alive), mark(s->is_member), mark(s->has_leader),
		   mark(s->has_caught_up), s->behind, mark(s->has_room), bad,
		   is_ready ? "ready" : "not ready");
}

static struct http_answer syncz(const struct http_snapshot *s, const char *name,
				const char *lag)
{
	uint64_t most_us = UINT64_MAX;

	if (lag && !http_parse_duration(lag, &most_us))
		return say(400, "lag takes a duration, such as 5s\n");
	for (size_t i = 0; i < s->n_syncs; i++) {
		const struct http_sync *sync = &s->syncs[i];
		if (strcmp(sync->name, name) != 0)
			continue;
		bool is_good = strcmp(sync->state, "running") == 0 &&
			       sync->lag_us <= most_us;
		return say(is_good ? 200 : 503, "%s, lag %" PRIu64 " ms\n",
			   sync->state, sync->lag_us / 1000);
	}
	return say(404, "there is no sync of this name\n");
}

struct http_answer http_answer_to(const struct http_snapshot *s,
				  const struct http_query *q, int64_t now_us)
{
	static const char syncs[] = "/syncz/";

	if (strcmp(q->path, "/metrics") == 0)
		return (struct http_answer){
			200, "text/plain; version=0.0.4; charset=utf-8",
			blob_ref(s->metrics)};
	if (strcmp(q->path, "/livez") == 0)
		return livez(s, now_us);
	if (strcmp(q->path, "/readyz") == 0)
		return readyz(s, q->is_verbose, now_us);
	if (strcmp(q->path, "/leader") == 0)
		return say(s->is_leader ? 200 : 503,
			   s->is_leader ? "leader\n" : "not the leader\n");
	if (strncmp(q->path, syncs, sizeof(syncs) - 1) == 0)
		return syncz(s, q->path + sizeof(syncs) - 1, q->lag);
	return say(404, "see /metrics, /livez, /readyz, /leader, "
			"/syncz/NAME\n");
}
