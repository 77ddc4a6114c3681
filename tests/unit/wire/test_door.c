/* The door from both sides. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/thread.h"
#include "certs.h"
#include "cluster/wire/door.h"
#include "proto/limits.h"
#include "rig.h"

/* A node that answers each request with itself; some requests mean more:
 * "hold" is answered when the host is told to, "gone" never. */
struct host {
	struct door *door;
	struct mailbox mailbox;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_woken, is_stopping, may_go_on;
	struct thread thread;
	struct door_request *held[LIMIT_DOOR_REQUESTS];
	size_t n_held;
	atomic_uint n_seen, n_local;
	char dir[64], path[100], url[160];
};

static void woken(void *ctx)
{
	struct host *h = ctx;

	CHECK(pthread_mutex_lock(&h->lock) == 0);
	h->is_woken = true;
	CHECK(pthread_cond_signal(&h->changed) == 0);
	CHECK(pthread_mutex_unlock(&h->lock) == 0);
}

static bool says(const struct door_request *rq, const char *text)
{
	return rq->frame->len >= strlen(text) &&
	       memcmp(rq->frame->data, text, strlen(text)) == 0;
}

static void echo(struct door_request *rq)
{
	door_reply(rq, blob_ref(rq->frame));
}

static void serve(struct host *h, struct door_request *rq)
{
	atomic_fetch_add(&h->n_seen, 1);
	atomic_fetch_add(&h->n_local, rq->is_local);
	if (says(rq, "hold"))
		h->held[h->n_held++] = rq;
	else
		echo(rq);
}

static void release_held(struct host *h)
{
	while (h->n_held > 0)
		echo(h->held[--h->n_held]);
}

static void *host_main(void *ctx)
{
	struct host *h = ctx;

	for (;;) {
		CHECK(pthread_mutex_lock(&h->lock) == 0);
		while (!h->is_woken)
			CHECK(pthread_cond_wait(&h->changed, &h->lock) == 0);
		h->is_woken = false;
		bool is_stopping = h->is_stopping;
		bool may_go_on = h->may_go_on;
		h->may_go_on = false;
		CHECK(pthread_mutex_unlock(&h->lock) == 0);
		struct note *notes = mailbox_take(&h->mailbox);
		while (notes) {
			struct note *next = notes->next;

			serve(h, (struct door_request *)notes);
			notes = next;
		}
		if (may_go_on || is_stopping)
			release_held(h);
		if (is_stopping)
			return NULL;
	}
}

static void signal_host(struct host *h, bool *flag)
{
	CHECK(pthread_mutex_lock(&h->lock) == 0);
	*flag = true;
	h->is_woken = true;
	CHECK(pthread_cond_signal(&h->changed) == 0);
	CHECK(pthread_mutex_unlock(&h->lock) == 0);
}

static void host_prepare(struct host *h)
{
	*h = (struct host){0};
	snprintf(h->dir, sizeof h->dir, "/tmp/synod-door-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	snprintf(h->path, sizeof h->path, "%s/admin.sock", h->dir);
	snprintf(h->url, sizeof h->url, "ipc://%s", h->path);
	CHECK(pthread_mutex_init(&h->lock, NULL) == 0);
	CHECK(pthread_cond_init(&h->changed, NULL) == 0);
	mailbox_init(&h->mailbox, LIMIT_INBOX_BYTES, woken, h);
}

static void host_open(struct host *h, struct door_config cfg)
{
	struct err e;

	cfg.owner = &h->mailbox;
	if (door_open(&h->door, &cfg, &e) ||
	    thread_start(&h->thread, "door-host", host_main, h, &e))
		fail_msg("%s", e.text);
}

static void host_start(struct host *h)
{
	host_prepare(h);
	host_open(h, (struct door_config){.ipc_path = h->path});
}

static void drain(struct host *h)
{
	struct note *notes = mailbox_take(&h->mailbox);

	while (notes) {
		struct note *next = notes->next;

		door_reply((struct door_request *)notes, NULL);
		notes = next;
	}
}

static void host_stop(struct host *h)
{
	signal_host(h, &h->is_stopping);
	thread_join(&h->thread);
	door_close(h->door);
	mailbox_close(&h->mailbox);
	drain(h);
	mailbox_destroy(&h->mailbox);
	CHECK(pthread_cond_destroy(&h->changed) == 0);
	CHECK(pthread_mutex_destroy(&h->lock) == 0);
	(void)unlink(h->path);
	assert_int_equal(rmdir(h->dir), 0);
}

static struct door_client *dial(const char *url, unsigned n_parallel)
{
	struct door_client_config cfg = {
		.url = url,
		.n_parallel = n_parallel,
		.timeout_ms = RIG_WAIT_MS,
	};
	struct door_client *c;
	struct err e;

	if (door_dial(&c, &cfg, &e))
		fail_msg("%s", e.text);
	return c;
}

static void expect_echo(struct door_client *c, const char *text)
{
	struct blob *answer;
	struct err e;

	if (door_call(c, (struct bytes){(const uint8_t *)text, strlen(text)},
		      RIG_WAIT_MS, &answer, &e))
		fail_msg("%s", e.text);
	assert_int_equal(answer->len, strlen(text));
	assert_memory_equal(answer->data, text, answer->len);
	blob_unref(answer);
}

static void wait_seen(struct host *h, unsigned n)
{
	struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i < RIG_WAIT_MS && atomic_load(&h->n_seen) < n; i++)
		nanosleep(&pause, NULL);
	assert_true(atomic_load(&h->n_seen) >= n);
}

static void test_call_is_answered(void **state)
{
	struct host h;
	struct stat st;

	host_start(&h);
	assert_int_equal(stat(h.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
	struct door_client *c = dial(h.url, 1);
	for (int i = 0; i < 100; i++)
		expect_echo(c, "hello");
	assert_int_equal(atomic_load(&h.n_local), 100);
	door_hang_up(c);
	host_stop(&h);
}

static void test_remote_call_is_not_local(void **state)
{
	struct host h;
	char url[64];
	uint16_t port = rig_free_ports();

	host_prepare(&h);
	host_open(&h, (struct door_config){.ipc_path = h.path,
					   .remote_host = "127.0.0.1",
					   .remote_port = port});
	snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
	struct door_client *far = dial(url, 1), *near = dial(h.url, 1);
	expect_echo(far, "from afar");
	assert_int_equal(atomic_load(&h.n_local), 0);
	expect_echo(near, "from here");
	assert_int_equal(atomic_load(&h.n_local), 1);
	door_hang_up(far);
	door_hang_up(near);
	host_stop(&h);
}

/* -- many at once ---------------------------------------------------------- */

struct load {
	struct door_client *client;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned n_done, n_wanted, n_failed;
};

struct load_call {
	struct load *load;
	char text[32];
	unsigned n_left;
};

static void load_done(void *ctx, int code, struct blob *response);

static void load_start(struct load_call *c)
{
	snprintf(c->text, sizeof c->text, "call %p %u", (void *)c, c->n_left);
	int rc = door_start(
		c->load->client,
		(struct bytes){(const uint8_t *)c->text, strlen(c->text)},
		RIG_WAIT_MS, load_done, c);
	CHECK(rc == 0);
}

static void load_done(void *ctx, int code, struct blob *response)
{
	struct load_call *c = ctx;
	struct load *l = c->load;
	bool is_good = code == 0 && response->len == strlen(c->text) &&
		       memcmp(response->data, c->text, response->len) == 0;

	blob_unref(response);
	CHECK(pthread_mutex_lock(&l->lock) == 0);
	l->n_done++;
	l->n_failed += !is_good;
	CHECK(pthread_cond_signal(&l->changed) == 0);
	CHECK(pthread_mutex_unlock(&l->lock) == 0);
	if (--c->n_left > 0)
		load_start(c);
}

static void wait_load(struct load *l, unsigned n)
{
	struct timespec until;

	CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
	until.tv_sec += 3 * RIG_WAIT_MS / 1000;
	CHECK(pthread_mutex_lock(&l->lock) == 0);
	while (l->n_done < n)
		assert_int_equal(
			pthread_cond_timedwait(&l->changed, &l->lock, &until),
			0);
	CHECK(pthread_mutex_unlock(&l->lock) == 0);
}

static void load_init(struct load *l, struct door_client *client)
{
	*l = (struct load){.client = client};
	CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
	CHECK(pthread_cond_init(&l->changed, NULL) == 0);
}

static void load_clear(struct load *l)
{
	CHECK(pthread_cond_destroy(&l->changed) == 0);
	CHECK(pthread_mutex_destroy(&l->lock) == 0);
}

static void test_many_calls_at_once(void **state)
{
	enum { PARALLEL = 64, ROUNDS = 50 };
	struct load_call calls[PARALLEL];
	struct host h;
	struct load load;

	host_start(&h);
	struct door_client *c = dial(h.url, PARALLEL);
	load_init(&load, c);
	for (int i = 0; i < PARALLEL; i++) {
		calls[i] = (struct load_call){.load = &load, .n_left = ROUNDS};
		load_start(&calls[i]);
	}
	wait_load(&load, PARALLEL * ROUNDS);
	assert_int_equal(load.n_failed, 0);
	door_hang_up(c);
	load_clear(&load);
	host_stop(&h);
}

static void test_more_calls_than_slots_wait_their_turn(void **state)
{
	enum { PARALLEL = LIMIT_DOOR_REQUESTS + 20 };
	struct load_call calls[PARALLEL];
	struct host h;
	struct load load;
	struct bytes hold = {(const uint8_t *)"hold", 4};

	host_start(&h);
	struct door_client *c = dial(h.url, PARALLEL);
	load_init(&load, c);
	for (int i = 0; i < PARALLEL; i++) {
		calls[i] = (struct load_call){
			.load = &load, .text = "hold", .n_left = 1};
		assert_int_equal(
			door_start(c, hold, RIG_WAIT_MS, load_done, &calls[i]),
			0);
	}
	/* No place is left on our side, and none on the node's. */
	assert_int_equal(door_start(c, hold, 100, load_done, NULL), ERR_BUSY);
	wait_seen(&h, LIMIT_DOOR_REQUESTS);
	assert_int_equal(atomic_load(&h.n_seen), LIMIT_DOOR_REQUESTS);
	signal_host(&h, &h.may_go_on);
	wait_seen(&h, PARALLEL);
	signal_host(&h, &h.may_go_on);
	wait_load(&load, PARALLEL);
	assert_int_equal(load.n_failed, 0);
	door_hang_up(c);
	load_clear(&load);
	host_stop(&h);
}

static void test_largest_request_and_answer_pass(void **state)
{
	struct host h;
	struct blob *answer, *request = blob_new(LIMIT_FRAME_BYTES + 1);
	struct err e;

	host_start(&h);
	memset(request->data, 7, request->len);
	struct door_client *c = dial(h.url, 1);
	struct bytes bytes = {request->data, LIMIT_FRAME_BYTES};
	assert_int_equal(door_call(c, bytes, RIG_WAIT_MS, &answer, &e), 0);
	assert_int_equal(answer->len, LIMIT_FRAME_BYTES);
	assert_memory_equal(answer->data, request->data, answer->len);
	blob_unref(answer);
	bytes.len++;
	assert_int_equal(door_call(c, bytes, RIG_WAIT_MS, &answer, &e),
			 ERR_LIMIT);
	blob_unref(request);
	door_hang_up(c);
	host_stop(&h);
}

/* -- when something is missing --------------------------------------------- */

static void test_late_answer_is_a_timeout(void **state)
{
	struct host h;
	struct blob *answer;
	struct err e;
	struct bytes hold = {(const uint8_t *)"hold", 4};

	host_start(&h);
	struct door_client *c = dial(h.url, 1);
	assert_int_equal(door_call(c, hold, 50, &answer, &e), ERR_TIMEOUT);
	assert_non_null(strstr(e.text, "may have been carried out"));
	/* The late answer is nobody's, and the next call gets its own. */
	signal_host(&h, &h.may_go_on);
	expect_echo(c, "next");
	door_hang_up(c);
	host_stop(&h);
}

static void test_lost_node_ends_the_call(void **state)
{
	struct host h;
	struct load load;
	struct load_call call = {.load = &load, .text = "hold", .n_left = 1};
	struct bytes hold = {(const uint8_t *)"hold", 4};
	struct blob *answer;
	struct err e;

	host_start(&h);
	struct door_client *c = dial(h.url, 1);
	load_init(&load, c);
	assert_int_equal(door_start(c, hold, RIG_WAIT_MS, load_done, &call), 0);
	wait_seen(&h, 1);
	/* The door closes before the answer: at once, not after the deadline.
	 * The host answers later: nobody hears it. */
	struct door_request *held = h.held[0];
	struct timespec t0, t1;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	door_close(h.door);
	h.door = NULL;
	wait_load(&load, 1);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_true(t1.tv_sec - t0.tv_sec < RIG_WAIT_MS / 2000);
	assert_int_equal(load.n_failed, 1);
	assert_non_null(held);
	/* Nobody is there: certainly not sent. */
	assert_int_equal(door_call(c, hold, 50, &answer, &e), ERR_NETWORK);
	door_hang_up(c);
	load_clear(&load);
	host_stop(&h);
}

static void test_node_that_comes_back_is_found_again(void **state)
{
	struct host h;
	struct blob *answer;
	struct err e;
	struct bytes ping = {(const uint8_t *)"ping", 4};
	int rc = -1;

	host_start(&h);
	struct door_client *c = dial(h.url, 1);
	for (int round = 0; round < 20; round++) {
		expect_echo(c, "before");
		door_close(h.door);
		struct door_config cfg = {.ipc_path = h.path,
					  .owner = &h.mailbox};
		assert_int_equal(door_open(&h.door, &cfg, &e), 0);
		/* The first one may still go into the old connection. */
		for (int i = 0; i < 2; i++) {
			rc = door_call(c, ping, RIG_WAIT_MS, &answer, &e);
			if (rc == 0)
				break;
			assert_int_equal(rc, ERR_UNKNOWN_FATE);
		}
		assert_int_equal(rc, 0);
		blob_unref(answer);
	}
	door_hang_up(c);
	host_stop(&h);
}

/* Whoever connects and hangs up at once must not shut the door for others:
 * nng 1.5.2's own sockets stop listening then. */
static void test_visitor_that_hangs_up_harms_nobody(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct linger reset = {.l_onoff = 1};
	uint16_t port = rig_free_ports();
	char url[64];
	struct host h;

	host_prepare(&h);
	host_open(&h, (struct door_config){.ipc_path = h.path,
					   .remote_host = "127.0.0.1",
					   .remote_port = port});
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", h.path);
	for (int i = 0; i < 500; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa),
				 0);
		close(fd);
		fd = rig_tcp(port);
		shutdown(fd, SHUT_WR);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd);
	}
	struct door_client *c = dial(h.url, 1);
	expect_echo(c, "open");
	door_hang_up(c);
	snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
	c = dial(url, 1);
	expect_echo(c, "open, too");
	door_hang_up(c);
	host_stop(&h);
}

static void test_garbage_at_the_door_harms_nobody(void **state)
{
	/* Greetings, then: no mark in the number; an empty request; 1 EiB. */
	static const uint8_t bad[3][20] = {
		{0, 'S', 'P', 0, 0, 0x30, 0, 0, 0, 0,
		 0, 0,   0,   0, 0, 5,    0, 0, 0, 1},
		{0, 'S', 'P', 0, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0x80},
		{0, 'S', 'P', 0, 0, 0x30, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0,
		 0x80},
	};
	uint16_t port = rig_free_ports();
	struct host h;

	host_prepare(&h);
	host_open(&h, (struct door_config){.ipc_path = h.path,
					   .remote_host = "127.0.0.1",
					   .remote_port = port});
	for (int i = 0; i < 3; i++) {
		uint8_t frame[21] = {0};
		int fd = rig_tcp(port);

		memcpy(frame, bad[i], sizeof bad[i]);
		assert_int_equal(send(fd, frame, sizeof frame, MSG_NOSIGNAL),
				 sizeof frame);
		rig_tcp_expect_close(fd);
		close(fd);
	}
	assert_int_equal(atomic_load(&h.n_seen), 0);
	struct door_client *c = dial(h.url, 1);
	expect_echo(c, "fine");
	door_hang_up(c);
	host_stop(&h);
}

/* A client in a process of its own that dies with a request under way. */
static void dying_client(const char *url)
{
	struct door_client *c = dial(url, 4);
	struct bytes hold = {(const uint8_t *)"hold", 4};

	for (int i = 0; i < 4; i++)
		(void)door_start(c, hold, RIG_WAIT_MS, load_done, NULL);
	for (;;)
		pause();
}

static void test_dead_clients_free_their_slots(void **state)
{
	enum { CLIENTS = 20 }; /* 80 requests: more than there are slots */
	struct host h;
	pid_t pids[CLIENTS];

	host_prepare(&h);
	/* Before any thread: what a fork leaves of nng would be useless. */
	for (int i = 0; i < CLIENTS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			dying_client(h.url);
			_exit(1);
		}
	}
	host_open(&h, (struct door_config){.ipc_path = h.path});
	wait_seen(&h, LIMIT_DOOR_REQUESTS);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	signal_host(&h, &h.may_go_on);
	struct door_client *c = dial(h.url, 1);
	expect_echo(c, "alive");
	door_hang_up(c);
	host_stop(&h);
}

/* -- opening --------------------------------------------------------------- */

static int open_code(struct host *h, struct door_config cfg, struct err *e)
{
	struct door *d;

	cfg.owner = &h->mailbox;
	int rc = door_open(&d, &cfg, e);
	if (rc == 0)
		door_close(d);
	return rc;
}

static void leave_stale_socket(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	close(fd);
}

static void test_socket_path_is_taken_with_care(void **state)
{
	struct host h;
	char path[256];
	struct err e;

	host_prepare(&h);
	/* A socket of a dead process: taken over. */
	leave_stale_socket(h.path);
	struct door_config cfg = {.ipc_path = h.path};
	assert_int_equal(open_code(&h, cfg, &e), 0);
	/* Of a living one: left alone. */
	host_open(&h, cfg);
	assert_int_equal(open_code(&h, cfg, &e), ERR_LOCKED);
	struct door_client *c = dial(h.url, 1);
	expect_echo(c, "still here");
	door_hang_up(c);
	/* No socket at all: not removed. */
	snprintf(path, sizeof path, "%s/data", h.dir);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fclose(f);
	cfg.ipc_path = path;
	assert_int_equal(open_code(&h, cfg, &e), ERR_EXISTS);
	assert_int_equal(unlink(path), 0);
	/* Too long: said, not cut. */
	memset(path, 'x', 130);
	path[0] = '/';
	path[130] = '\0';
	assert_int_equal(open_code(&h, cfg, &e), ERR_LIMIT);
	assert_non_null(strstr(e.text, "130 bytes"));
	cfg.ipc_path = "/nowhere/at/all.sock";
	assert_int_not_equal(open_code(&h, cfg, &e), 0);
	host_stop(&h);
}

static void test_open_door_needs_tls(void **state)
{
	struct host h;
	struct err e;
	struct door_config cfg = {.remote_host = "0.0.0.0",
				  .remote_port = rig_free_ports()};

	host_start(&h);
	assert_int_equal(open_code(&h, cfg, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "insecure: true"));
	cfg.is_insecure = true;
	assert_int_equal(open_code(&h, cfg, &e), 0);
	host_stop(&h);
}

static void test_dial_says_what_to_check(void **state)
{
	struct door_client_config cfg = {
		.url = "ipc:///nowhere/admin.sock",
		.n_parallel = 1,
		.timeout_ms = 50,
	};
	struct door_client *c;
	struct err e;

	assert_int_equal(door_dial(&c, &cfg, &e), ERR_NETWORK);
	assert_non_null(strstr(e.text, "is synodd running"));
	cfg.url = "tls+tcp://127.0.0.1:1";
	assert_int_equal(door_dial(&c, &cfg, &e), ERR_TLS);
	assert_non_null(strstr(e.text, "CA file"));
	cfg.url = "nonsense";
	assert_int_equal(door_dial(&c, &cfg, &e), ERR_INVALID);
}

static int dial_tls(const char *url, struct wire_tls tls, const char *name)
{
	struct door_client_config cfg = {
		.url = url,
		.tls = tls,
		.server_name = name,
		.n_parallel = 1,
		.timeout_ms = 500,
	};
	struct door_client *c = NULL;
	struct blob *answer;
	struct bytes ping = {(const uint8_t *)"ping", 4};

	int rc = door_dial(&c, &cfg, NULL);
	if (rc == 0)
		rc = door_call(c, ping, 500, &answer, NULL);
	if (rc == 0)
		blob_unref(answer);
	door_hang_up(c);
	return rc;
}

static void test_remote_door_knows_its_clients(void **state)
{
	struct certs certs;
	struct host h;
	char url[64];
	uint16_t port = rig_free_ports();

	certs_make(&certs);
	certs_issue(&certs, "n1", "n1.demo.synod", "ca", 30);
	certs_issue(&certs, "ops", "ops.demo.synod", "ca", 30);
	certs_issue(&certs, "alien", "ops.demo.synod", "foreign", 30);
	struct wire_tls good = certs_tls(&certs, "ca", "ops");
	struct wire_tls alien = certs_tls(&certs, "ca", "alien");
	struct wire_tls nobody = {.ca_file = good.ca_file};
	host_prepare(&h);
	host_open(&h,
		  (struct door_config){.ipc_path = h.path,
				       .remote_host = "127.0.0.1",
				       .remote_port = port,
				       .tls = certs_tls(&certs, "ca", "n1")});
	snprintf(url, sizeof url, "tls+tcp://127.0.0.1:%u", port);
	assert_int_equal(dial_tls(url, good, "n1.demo.synod"), 0);
	assert_int_not_equal(dial_tls(url, good, "n2.demo.synod"), 0);
	assert_int_not_equal(dial_tls(url, alien, "n1.demo.synod"), 0);
	assert_int_not_equal(dial_tls(url, nobody, "n1.demo.synod"), 0);
	assert_int_equal(atomic_load(&h.n_seen), 1);
	host_stop(&h);
	certs_free(&certs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: it forks before nng has threads. */
		cmocka_unit_test(test_dead_clients_free_their_slots),
		cmocka_unit_test(test_call_is_answered),
		cmocka_unit_test(test_remote_call_is_not_local),
		cmocka_unit_test(test_many_calls_at_once),
		cmocka_unit_test(test_more_calls_than_slots_wait_their_turn),
		cmocka_unit_test(test_largest_request_and_answer_pass),
		cmocka_unit_test(test_late_answer_is_a_timeout),
		cmocka_unit_test(test_lost_node_ends_the_call),
		cmocka_unit_test(test_node_that_comes_back_is_found_again),
		cmocka_unit_test(test_visitor_that_hangs_up_harms_nobody),
		cmocka_unit_test(test_garbage_at_the_door_harms_nobody),
		cmocka_unit_test(test_socket_path_is_taken_with_care),
		cmocka_unit_test(test_open_door_needs_tls),
		cmocka_unit_test(test_dial_says_what_to_check),
		cmocka_unit_test(test_remote_door_knows_its_clients),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
