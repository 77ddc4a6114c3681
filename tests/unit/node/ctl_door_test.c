/* synodctl through a real door: sockets, frames, and a node that answers. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "cluster/wire/door.h"
#include "node/ctl/ctl.h"
#include "proto/codec.h"

enum { MAILBOX_BYTES = 1 << 20 };

/* A thread that answers each request with the same problem. */
struct server {
	struct mailbox mailbox;
	struct door *door;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool is_woken, is_stopping;
	char folder[64], path[96], url[128];
};

static void wake(void *ctx)
{
	struct server *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->is_woken = true;
	pthread_cond_signal(&s->woken);
	pthread_mutex_unlock(&s->lock);
}

static struct blob *make_answer(struct blob *frame)
{
	Synod__Admin__Response r;
	Synod__Admin__Problem p;
	struct bytes payload;
	char text[] = "busy with something else";

	CHECK(codec_open(CODEC_REQUEST, blob_bytes(frame), LIMIT_FRAME_BYTES,
			 &payload, NULL) == 0);
	synod__admin__response__init(&r);
	synod__admin__problem__init(&p);
	p.code = ERR_BUSY;
	p.text = text;
	r.problem = &p;
	return codec_seal(CODEC_RESPONSE, &r.base);
}

static void *serve(void *ctx)
{
	struct server *s = ctx;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		while (!s->is_woken && !s->is_stopping)
			pthread_cond_wait(&s->woken, &s->lock);
		bool is_stopping = s->is_stopping;
		s->is_woken = false;
		pthread_mutex_unlock(&s->lock);
		if (is_stopping)
			return NULL;
		struct note *note = mailbox_take(&s->mailbox);
		while (note) {
			struct note *next = note->next;
			struct door_request *rq = (struct door_request *)note;
			door_reply(rq, make_answer(rq->frame));
			note = next;
		}
	}
}

static void folder_make(struct server *s)
{
	snprintf(s->folder, sizeof s->folder, "/tmp/synod-door-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof s->path, "%s/admin.sock", s->folder);
	snprintf(s->url, sizeof s->url, "ipc://%s", s->path);
}

static void server_start(struct server *s)
{
	struct err e = {0};

	*s = (struct server){.lock = PTHREAD_MUTEX_INITIALIZER,
			     .woken = PTHREAD_COND_INITIALIZER};
	folder_make(s);
	mailbox_init(&s->mailbox, MAILBOX_BYTES, wake, s);
	struct door_config cfg = {.ipc_path = s->path, .owner = &s->mailbox};
	if (door_open(&s->door, &cfg, &e))
		fail_msg("%s", e.text);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	pthread_cond_signal(&s->woken);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	door_close(s->door);
	mailbox_close(&s->mailbox);
	mailbox_destroy(&s->mailbox);
	unlink(s->path);
	assert_int_equal(rmdir(s->folder), 0);
}

/* `synodctl metrics` there; gives what it said on err. */
static int run(const char *url, char **err)
{
	char copy[128];
	char *out = NULL;
	size_t out_len = 0;
	size_t err_len = 0;
	char program[] = "synodctl";
	char metrics[] = "metrics";
	char endpoint[] = "--endpoint";
	char timeout[] = "--timeout=60s"; /* nothing here waits for it */
	char *words[] = {program, metrics, endpoint, copy, timeout, NULL};
	struct ctl_world w = {.in_fd = -1, .link = &link_door};

	snprintf(copy, sizeof copy, "%s", url);
	w.out = open_memstream(&out, &out_len);
	w.err = open_memstream(err, &err_len);
	assert_non_null(w.out);
	assert_non_null(w.err);
	int rc = ctl_main(&w, 5, words);
	fclose(w.out);
	fclose(w.err);
	free(out);
	return rc;
}

static void test_a_question_goes_through_the_door_and_back(void **state)
{
	struct server s;
	char *err = NULL;

	server_start(&s);
	assert_int_equal(run(s.url, &err), EXIT_FAILED);
	assert_string_equal(err, "synodctl: error: busy with something else  "
				 "[busy]\n");
	free(err);
	server_stop(&s);
}

static void assert_unreachable(const char *url, const char *says)
{
	char *err = NULL;

	assert_int_equal(run(url, &err), EXIT_ENVIRONMENT);
	assert_non_null(strstr(err, says));
	assert_non_null(strstr(err, "[network]\nhint: systemctl status"));
	free(err);
}

static void test_a_socket_without_a_node_is_explained(void **state)
{
	struct server s = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	/* Given nothing, a file, and a socket that nobody listens on. */
	folder_make(&s);
	assert_unreachable(s.url, "No such file or directory");
	FILE *file = fopen(s.path, "w");
	assert_non_null(file);
	fclose(file);
	assert_unreachable(s.url, "not a socket");
	unlink(s.path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", s.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address),
			 0);
	assert_unreachable(s.url, "Connection refused");
	close(fd);
	unlink(s.path);
	assert_int_equal(rmdir(s.folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_question_goes_through_the_door_and_back),
		cmocka_unit_test(test_a_socket_without_a_node_is_explained),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
