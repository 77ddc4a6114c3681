/* The state in bad company: damage, a used-up quota, kill -9. */
#include <inttypes.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/rng.h"
#include "fixture.h"

static struct bytes text_key(const char *s)
{
	return (struct bytes){(const uint8_t *)s, strlen(s)};
}

/* One row per entry, and how many there are. */
static void rows_apply(void *ctx, const struct kv *kv,
		       const struct log_entry *entry)
{
	(void)ctx;
	char key[32];
	uint8_t count[8];
	struct bytes value;
	uint64_t n = 0;
	snprintf(key, sizeof(key), "row%08" PRIu64, entry->index);
	kv->put(kv->ctx, text_key(key),
		(struct bytes){entry->data, entry->len});
	if (kv->get(kv->ctx, text_key("count"), &value))
		n = get_u64(value.data);
	put_u64(count, n + 1);
	kv->put(kv->ctx, text_key("count"), (struct bytes){count, 8});
}

static void with_rows(struct fixture *f, uint64_t n)
{
	f->machine = (struct state_machine){.apply = rows_apply};
	fixture_open_state(f);
	fixture_append(f, 1, n, 1, 100);
	state_commit(f->state, n);
	fixture_wait_applied(f, n);
}

/* -- damage ------------------------------------------------------------ */

static void offset_of_row(const struct kv *kv, void *ctx)
{
	struct bytes value;
	assert_true(kv->get(kv->ctx, text_key("row00000007"), &value));
	*(size_t *)ctx = fixture_file_offset(value.data + 10);
}

static void get_row(const struct kv *kv, void *ctx)
{
	struct bytes value;
	kv->get(kv->ctx, text_key(ctx), &value);
}

static void walk_rows(const struct kv *kv, void *ctx)
{
	struct bytes key = {0}, value;
	(void)ctx;
	while (kv->seek(kv->ctx, key, key.len > 0, &key, &value))
		continue;
}

struct reading {
	struct fixture *f;
	void (*fn)(const struct kv *kv, void *ctx);
	const char *key;
};

static void open_and_read(void *ctx)
{
	struct reading *r = ctx;
	char key[16];
	snprintf(key, sizeof(key), "%s", r->key);
	fixture_open_state(r->f);
	state_read(r->f->state, r->fn, key);
}

static void test_a_damaged_value_stops_the_node(void **state)
{
	struct fixture *f = *state;
	size_t offset = 0;
	char text[1024];
	with_rows(f, 20);
	state_read(f->state, offset_of_row, &offset);
	fixture_close_state(f);
	fixture_flip(f->state_path, offset, 2);
	struct reading good = {f, get_row, "row00000006"};
	assert_int_equal(fixture_child(open_and_read, &good, NULL, 0), 0);
	struct reading bad = {f, get_row, "row00000007"};
	int status = fixture_child(open_and_read, &bad, text, sizeof(text));
	assert_true(died_of_ioerr(status));
	assert_non_null(strstr(text, "event=state_corrupt"));
	assert_non_null(strstr(text, "rebuilt from its peers"));
	struct reading walk = {f, walk_rows, ""};
	assert_true(
		died_of_ioerr(fixture_child(open_and_read, &walk, NULL, 0)));
	fixture_flip(f->state_path, offset, 2);
	assert_int_equal(fixture_child(open_and_read, &bad, NULL, 0), 0);
}

/* Change the state behind the store's back. */
static void tamper(struct fixture *f, const char *name, MDB_val key,
		   MDB_val value)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
	assert_int_equal(mdb_env_open(env, f->state_path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, name, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void copy_value(const struct kv *kv, void *ctx)
{
	struct bytes value;
	assert_true(kv->get(kv->ctx, text_key("row00000007"), &value));
	memcpy(ctx, value.data - 8, 108);
}

static void test_a_value_under_another_key_stops_the_node(void **state)
{
	struct fixture *f = *state;
	uint8_t stored[108];
	char other[] = "row00000008";
	with_rows(f, 20);
	state_read(f->state, copy_value, stored);
	fixture_close_state(f);
	tamper(f, "kv", (MDB_val){sizeof(other) - 1, other},
	       (MDB_val){sizeof(stored), stored});
	struct reading bad = {f, get_row, other};
	assert_true(died_of_ioerr(fixture_child(open_and_read, &bad, NULL, 0)));
	/* Too short to hold a checksum. */
	tamper(f, "kv", (MDB_val){sizeof(other) - 1, other},
	       (MDB_val){7, stored});
	assert_true(died_of_ioerr(fixture_child(open_and_read, &bad, NULL, 0)));
}

static int open_code(struct fixture *f, struct err *e)
{
	struct state_config cfg = {.path = f->state_path,
				   .bytes_max = f->quota_bytes,
				   .owner = &f->owner,
				   .clock = clock_system()};
	return state_open(&f->state, &cfg, e);
}

static void test_a_damaged_point_is_refused(void **state)
{
	struct fixture *f = *state;
	char key[] = "point";
	uint8_t value[40] = {0};
	struct err e = {0};
	with_rows(f, 3);
	fixture_close_state(f);
	tamper(f, "meta", (MDB_val){sizeof(key) - 1, key},
	       (MDB_val){sizeof(value), value});
	assert_int_equal(open_code(f, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "checksum"));
	tamper(f, "meta", (MDB_val){sizeof(key) - 1, key}, (MDB_val){3, value});
	assert_int_equal(open_code(f, &e), ERR_CORRUPT);
}

static void apply_damaged(void *ctx)
{
	struct fixture *f = ctx;
	fixture_open_state(f);
	state_commit(f->state, 20);
	fixture_wait_applied(f, 20);
}

static void test_a_damaged_log_record_stops_the_node(void **state)
{
	struct fixture *f = *state;
	struct log_reader r;
	struct log_entry out;
	char text[1024];
	f->machine = (struct state_machine){.apply = rows_apply};
	fixture_open_log(f);
	fixture_append(f, 1, 20, 1, 100);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	assert_int_equal(log_read(&r, 13, &out, NULL), 0);
	size_t offset = fixture_file_offset(out.data);
	log_read_end(&r);
	fixture_close_log(f);
	fixture_flip(f->log_path, offset, 0);
	int status = fixture_child(apply_damaged, f, text, sizeof(text));
	assert_true(died_of_ioerr(status));
	assert_non_null(strstr(text, "log entry 13 fails"));
	/* Nothing of that transaction stayed. */
	fixture_open_state(f);
	struct state_point p;
	state_point(f->state, &p);
	assert_int_equal(p.index, 0);
}

/* -- a used-up quota --------------------------------------------------- */

static void fill(void *ctx)
{
	struct fixture *f = ctx;
	f->machine = (struct state_machine){.apply = rows_apply};
	f->state_quota_bytes = (size_t)1 << 20;
	fixture_open_state(f);
	for (uint64_t i = 1;; i += 8) {
		fixture_append(f, i, i + 7, 1, 1 << 20);
		log_forget(f->log, i - 1);
		state_commit(f->state, i + 7);
		fixture_wait_applied(f, i + 7);
		fprintf(stderr, "applied=%" PRIu64 " full=%d\n", i + 7,
			state_is_full(f->state));
	}
}

static void test_the_quota_of_the_state_shows_and_then_stops(void **state)
{
	struct fixture *f = *state;
	static char text[1 << 16];
	int status = fixture_child(fill, f, text, sizeof(text));
	assert_true(died_of_ioerr(status));
	assert_non_null(strstr(text, "applied=8 full=1"));
	assert_non_null(strstr(text, "event=state_write_failed"));
	assert_non_null(strstr(text, "the quota is used up; raise it"));
}

/* -- kill -9 ----------------------------------------------------------- */

struct load {
	struct fixture *f;
	int fd;
	uint64_t seed;
};

static void load_main(struct load *l)
{
	struct fixture *f = l->f;
	struct rng r;
	struct state_point p;
	struct log_bounds b;
	rng_init(&r, l->seed);
	fixture_open_state(f);
	state_point(f->state, &p);
	blob_unref(p.conf);
	log_bounds(f->log, &b);
	f->applied_index = p.index;
	uint64_t last = b.last_index;
	for (;;) {
		uint64_t n = 1 + rng_below(&r, 30);
		fixture_append(f, last + 1, last + n, 1, rng_below(&r, 500));
		last += n;
		state_commit(f->state, last);
		fixture_drain(f);
		if (write(l->fd, &f->applied_index, 8) != 8)
			return;
	}
}

static uint64_t run_and_kill(struct load *l, uint64_t n_steps)
{
	int ends[2];
	uint64_t applied = 0, value;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		l->fd = ends[1];
		alarm(60);
		load_main(l);
		_exit(1);
	}
	close(ends[1]);
	for (uint64_t i = 0; i < n_steps; i++) {
		assert_int_equal(read(ends[0], &value, 8), 8);
		applied = value;
	}
	kill(pid, SIGKILL);
	while (read(ends[0], &value, 8) == 8)
		applied = value;
	close(ends[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return applied;
}

static void check_rows(const struct kv *kv, void *ctx)
{
	uint64_t last = *(uint64_t *)ctx;
	struct bytes value;
	char key[32];
	if (!last)
		return;
	assert_true(kv->get(kv->ctx, text_key("count"), &value));
	assert_int_equal(get_u64(value.data), last);
	for (uint64_t i = 1; i <= last; i++) {
		snprintf(key, sizeof(key), "row%08" PRIu64, i);
		assert_true(kv->get(kv->ctx, text_key(key), &value));
	}
	snprintf(key, sizeof(key), "row%08" PRIu64, last + 1);
	assert_false(kv->get(kv->ctx, text_key(key), &value));
}

static void test_kill_keeps_rows_and_point_together(void **state)
{
	struct fixture *f = *state;
	struct rng r;
	f->machine = (struct state_machine){.apply = rows_apply};
	rng_init(&r, 99);
	for (int round = 0; round < 15; round++) {
		struct load l = {.f = f, .seed = rng_u64(&r)};
		uint64_t told = run_and_kill(&l, 1 + rng_below(&r, 200));
		fixture_open_state(f);
		struct state_point p;
		state_point(f->state, &p);
		blob_unref(p.conf);
		assert_true(p.index >= told);
		state_read(f->state, check_rows, &p.index);
		fixture_close_state(f);
	}
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_damaged_value_stops_the_node),
		T(test_a_value_under_another_key_stops_the_node),
		T(test_a_damaged_point_is_refused),
		T(test_a_damaged_log_record_stops_the_node),
		T(test_the_quota_of_the_state_shows_and_then_stops),
		T(test_kill_keeps_rows_and_point_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
