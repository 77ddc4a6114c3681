/* Metrics and health of a real node, asked as a machine would. */
#include "tests/it/node/support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/ports.h"

enum { ANSWER_MAX = 256 << 10 };

struct web {
	struct fleet *fleet;
	unsigned port;
	char answer[ANSWER_MAX];
};

static int dial(unsigned port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port)};
	struct timeval limit = {.tv_sec = 5};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The status; the whole answer stands in web. */
static int web_ask(struct web *w, const char *method, const char *path)
{
	char request[256];
	int status = 0;
	int fd = dial(w->port);

	assert_true(fd >= 0);
	int n = snprintf(request, sizeof(request),
			 "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			 "\r\n",
			 method, path);
	assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
	size_t used = 0;
	for (;;) {
		ssize_t got = recv(fd, w->answer + used,
				   sizeof(w->answer) - 1 - used, 0);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	close(fd);
	w->answer[used] = '\0';
	assert_int_equal(sscanf(w->answer, "HTTP/1.1 %d", &status), 1);
	return status;
}

static void wait_status(struct web *w, const char *path, int wanted)
{
	struct timespec pause = {.tv_nsec = 20000000};

	for (int k = 0; k < WAIT_MS / 20; k++) {
		if (web_ask(w, "GET", path) == wanted)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("%s never says %d: %s", path, wanted, w->answer);
}

static struct web *web_open(void)
{
	static struct web w;
	struct ports ports;
	struct err e = {0};
	char lines[64];
	uint16_t port;

	/* Held until the fleet is up, or it would take the same block. */
	must(ports_take(&ports, &e), &e);
	must(ports_give(&ports, 1, &port, &e), &e);
	w.port = port;
	snprintf(lines, sizeof(lines), "http: { listen: 127.0.0.1:%u }",
		 w.port);
	w.fleet = fleet_of(1, lines);
	fleet_up(w.fleet);
	ports_return(&ports);
	return &w;
}

static void test_health_and_metrics_are_served(void **state)
{
	struct web *w = web_open();

	wait_status(w, "/readyz", 200);
	wait_status(w, "/leader", 200);
	assert_int_equal(web_ask(w, "GET", "/livez"), 200);
	assert_int_equal(web_ask(w, "GET", "/readyz?verbose"), 200);
	assert_non_null(strstr(w->answer, "[+] leader"));
	assert_int_equal(web_ask(w, "GET", "/metrics"), 200);
	assert_non_null(strstr(w->answer, "version=0.0.4"));
	assert_non_null(strstr(w->answer, "\nsynod_raft_is_leader 1\n"));
	assert_non_null(strstr(w->answer, "\nsynod_config_revision 0\n"));
	assert_int_equal(web_ask(w, "GET", "/syncz/none"), 404);
	assert_int_equal(web_ask(w, "GET", "/../etc/passwd"), 404);
	fleet_close(w->fleet);
}

static void test_only_reading_is_allowed(void **state)
{
	struct web *w = web_open();

	wait_status(w, "/livez", 200);
	assert_int_equal(web_ask(w, "HEAD", "/livez"), 200);
	assert_int_equal(web_ask(w, "POST", "/livez"), 405);
	assert_int_equal(web_ask(w, "DELETE", "/metrics"), 405);
	fleet_close(w->fleet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health_and_metrics_are_served),
		cmocka_unit_test(test_only_reading_is_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
