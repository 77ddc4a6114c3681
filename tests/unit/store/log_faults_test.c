/* The change log in bad company: misuse, damage, a full disk, kill -9. */
#include <inttypes.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/endian.h"
#include "base/rng.h"
#include "cluster/store/log_record.h"
#include "fixture.h"

/* -- misuse stops the process ------------------------------------------ */

static void append_with_gap(void *ctx)
{
	struct fixture *f = ctx;
	fixture_open_log(f);
	fixture_append(f, 1, 5, 1, 10);
	fixture_append(f, 7, 7, 1, 10);
}

static void truncate_behind_forgotten(void *ctx)
{
	struct fixture *f = ctx;
	fixture_open_log(f);
	fixture_append(f, 1, 5, 1, 10);
	log_forget(f->log, 4);
	fixture_wait_first(f, 5);
	log_truncate(f->log, 5, ++f->ticket);
	fixture_wait(f, f->ticket);
}

static void *append_here(void *ctx)
{
	struct fixture *f = ctx;
	fixture_append(f, 2, 2, 1, 10);
	return NULL;
}

static void append_from_two_threads(void *ctx)
{
	struct fixture *f = ctx;
	pthread_t t;
	fixture_open_log(f);
	log_reset(f->log, 0, 0, ++f->ticket);
	fixture_append(f, 1, 1, 1, 10);
	pthread_create(&t, NULL, append_here, f);
	pthread_join(t, NULL);
}

static void test_misuse_stops_the_process(void **state)
{
	struct fixture *f = *state;
	char text[1024];
	int status = fixture_child(append_with_gap, f, text, sizeof(text));
	assert_true(died_of_check(status));
	assert_non_null(strstr(text, "queued_last + 1"));
	status = fixture_child(append_from_two_threads, f, text, sizeof(text));
	assert_true(died_of_check(status));
	assert_non_null(strstr(text, "thread_is_owner"));
}

static void test_all_behind_the_forgotten_is_never_truncated(void **state)
{
	struct fixture *f = *state;
	assert_true(died_of_check(
		fixture_child(truncate_behind_forgotten, f, NULL, 0)));
}

/* -- damage ------------------------------------------------------------ */

static void test_a_damaged_record_is_not_served(void **state)
{
	struct fixture *f = *state;
	struct log_reader r;
	struct log_entry out;
	struct err e = {0};
	fixture_open_log(f);
	fixture_append(f, 1, 20, 1, 500);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	assert_int_equal(log_read(&r, 7, &out, NULL), 0);
	size_t offset = fixture_file_offset(out.data + 100);
	log_read_end(&r);
	fixture_flip(f->log_path, offset, 3);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	assert_int_equal(log_read(&r, 6, &out, &e), 0);
	assert_int_equal(log_read(&r, 7, &out, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "entry 7 fails"));
	/* The others are as good as before, also by the same reader. */
	assert_int_equal(log_read(&r, 8, &out, &e), 0);
	entry_check(&out, 8, 1);
	log_read_end(&r);
	fixture_flip(f->log_path, offset, 3);
	fixture_check_log(f, 1, 20, 1);
}

/* Change the environment behind the store's back. */
static void tamper(struct fixture *f, const char *name, MDB_val key,
		   const MDB_val *value)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
	assert_int_equal(mdb_env_open(env, f->log_path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, name, 0, &dbi), 0);
	if (value) {
		MDB_val v = *value;
		assert_int_equal(mdb_put(txn, dbi, &key, &v, 0), 0);
	} else {
		assert_int_equal(mdb_del(txn, dbi, &key, NULL), 0);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static int open_code(struct fixture *f, struct err *e)
{
	struct log_config cfg = {.path = f->log_path,
				 .bytes_max = f->quota_bytes,
				 .owner = &f->owner,
				 .clock = clock_system()};
	return log_open(&f->log, &cfg, e);
}

static void test_a_missing_run_is_seen(void **state)
{
	struct fixture *f = *state;
	uint8_t key[LOG_KEY_BYTES];
	static const uint64_t victims[] = {1, 9, 20};
	for (size_t i = 0; i < 3; i++) {
		struct err e = {0};
		fixture_open_log(f);
		log_reset(f->log, 0, 0, ++f->ticket);
		for (uint64_t k = 1; k <= 20; k++) /* a run each */
			fixture_append(f, k, k, 1, 500);
		fixture_close_log(f);
		log_key_write(key, victims[i]);
		tamper(f, "log", (MDB_val){sizeof(key), key}, NULL);
		int rc = open_code(f, &e);
		/* The newest could as well have been truncated: nothing can
		 * tell. The oldest is missed at once, one between them when it
		 * is read. */
		if (victims[i] == 20) {
			assert_int_equal(rc, 0);
			assert_int_equal(fixture_read_code(f, 20),
					 ERR_NOTFOUND);
			fixture_close_log(f);
			continue;
		}
		if (victims[i] == 9) {
			assert_int_equal(rc, 0);
			assert_int_equal(fixture_read_code(f, 9), ERR_CORRUPT);
			assert_int_equal(fixture_read_code(f, 8), 0);
			assert_int_equal(fixture_read_code(f, 10), 0);
			fixture_close_log(f);
		} else {
			assert_int_equal(rc, ERR_CORRUPT);
		}
		/* For the next victim. */
		struct log_entry entry = entry_make(victims[i], 1, 500);
		uint8_t record[LOG_HEADER_BYTES + 500];
		log_record_write(record, &entry);
		entry_free(&entry);
		tamper(f, "log", (MDB_val){sizeof(key), key},
		       &(MDB_val){sizeof(record), record});
	}
}

static void test_a_hole_is_damage_and_not_the_end(void **state)
{
	struct fixture *f = *state;
	struct log_reader r;
	struct log_entry out;
	fixture_open_log(f);
	for (uint64_t k = 1; k <= 20; k++)
		fixture_append(f, k, k, 1, 100);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	assert_int_equal(log_read(&r, 9, &out, NULL), 0);
	/* The key stands behind LMDB's 8-byte node header and before the value:
	 * make it that of another index. */
	size_t offset = fixture_file_offset(out.data - LOG_HEADER_BYTES - 1);
	log_read_end(&r);
	fixture_flip(f->log_path, offset, 6);
	assert_int_equal(fixture_read_code(f, 9), ERR_CORRUPT);
	fixture_flip(f->log_path, offset, 6);
	assert_int_equal(fixture_read_code(f, 9), 0);
	assert_int_equal(fixture_read_code(f, 21), ERR_NOTFOUND);
}

static void test_an_unknown_format_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	uint8_t key[LOG_META_KEY_BYTES], value[LOG_META_BYTES];
	fixture_open_log(f);
	fixture_close_log(f);
	log_meta_key(key);
	log_meta_write(value, &(struct log_meta){.first_index = 1});
	put_u32(value + 8, 2);
	put_u64(value, digest64(value + 8, sizeof(value) - 8));
	tamper(f, "meta", (MDB_val){sizeof(key), key},
	       &(MDB_val){sizeof(value), value});
	assert_int_equal(open_code(f, &e), ERR_FORMAT);
	assert_non_null(strstr(e.text, "format 2"));
	value[30] ^= 1;
	tamper(f, "meta", (MDB_val){sizeof(key), key},
	       &(MDB_val){sizeof(value), value});
	assert_int_equal(open_code(f, &e), ERR_CORRUPT);
	tamper(f, "meta", (MDB_val){sizeof(key), key}, NULL);
	assert_int_equal(open_code(f, &e), ERR_CORRUPT);
}

static void test_a_file_that_is_no_database_is_refused(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	char path[FIXTURE_PATH_MAX + 64];
	fixture_open_log(f);
	fixture_close_log(f);
	snprintf(path, sizeof(path), "%s/data.mdb", f->log_path);
	FILE *file = fopen(path, "r+");
	for (int i = 0; i < 8192; i++)
		fputc('x', file);
	fclose(file);
	assert_int_equal(open_code(f, &e), ERR_CORRUPT);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(open_code(f, &e), ERR_CORRUPT);
}

/* -- a full disk ------------------------------------------------------- */

/* The limit of a file's size plays the full disk. */
static void fill_disk(void *ctx)
{
	struct fixture *f = ctx;
	struct rlimit limit = {12 << 20, 12 << 20};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	fixture_open_log(f);
	uint64_t last = 0, full_at = 0;
	for (;;) {
		fixture_append(f, last + 1, last + 1, 1, 100000);
		last++;
		if (!full_at && log_is_full(f->log))
			full_at = last;
		fprintf(stderr, "acked=%" PRIu64 " full_at=%" PRIu64 "\n", last,
			full_at);
	}
}

static void test_a_full_disk_shows_before_it_stops_the_node(void **state)
{
	struct fixture *f = *state;
	static char text[1 << 16];
	int status = fixture_child(fill_disk, f, text, sizeof(text));
	assert_true(died_of_ioerr(status));
	assert_non_null(strstr(text, "event=log_write_failed"));
	assert_non_null(strstr(text, "event=disk_reserve_failed"));
	uint64_t acked = 0, full_at = 0;
	for (const char *p = text; (p = strstr(p, "acked=")); p++)
		sscanf(p, "acked=%" SCNu64 " full_at=%" SCNu64, &acked,
		       &full_at);
	/* Back-pressure began several MiB before the end. */
	assert_in_range(full_at, 1, acked - 30);
	fixture_open_log(f);
	struct log_bounds b;
	log_bounds(f->log, &b);
	assert_true(b.last_index >= acked);
	fixture_check_log(f, 1, b.last_index, 1);
}

/* -- kill -9 ----------------------------------------------------------- */

struct load {
	struct fixture *f;
	int fd;
	uint64_t term, seed;
};

/* Append, truncate and forget until killed; say what is durable. */
static void load_main(void *ctx)
{
	struct load *l = ctx;
	struct fixture *f = l->f;
	struct rng r;
	rng_init(&r, l->seed);
	fixture_open_log(f);
	struct log_bounds b;
	log_bounds(f->log, &b);
	uint64_t last = b.last_index;
	for (;;) {
		uint64_t n = 1 + rng_below(&r, 50);
		fixture_append(f, last + 1, last + n, l->term,
			       rng_below(&r, 6000));
		last += n;
		if (rng_chance(&r, 0.1) && last > 300)
			log_forget(f->log, last - 200);
		if (write(l->fd, &last, sizeof(last)) != sizeof(last))
			return;
	}
}

static uint64_t run_and_kill(struct load *l, uint64_t n_acks)
{
	int ends[2];
	uint64_t acked = 0, value;
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
	for (uint64_t i = 0; i < n_acks; i++) {
		assert_int_equal(read(ends[0], &value, sizeof(value)),
				 sizeof(value));
		acked = value;
	}
	kill(pid, SIGKILL);
	/* What it said before it died counts too. */
	while (read(ends[0], &value, sizeof(value)) == sizeof(value))
		acked = value;
	close(ends[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return acked;
}

static void check_after_kill(struct fixture *f, uint64_t acked)
{
	struct log_bounds b;
	struct log_reader r;
	fixture_open_log(f);
	log_bounds(f->log, &b);
	assert_true(b.last_index >= acked);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	uint64_t term = 0;
	for (uint64_t i = b.first_index; i <= b.last_index; i++) {
		struct log_entry out;
		assert_int_equal(log_read(&r, i, &out, NULL), 0);
		entry_check(&out, i, out.term);
		assert_true(out.term >= term);
		term = out.term;
	}
	log_read_end(&r);
	fixture_close_log(f);
}

static void test_kill_loses_nothing_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct rng r;
	rng_init(&r, 2024);
	for (uint64_t round = 1; round <= 40; round++) {
		struct load l = {.f = f, .term = round, .seed = rng_u64(&r)};
		uint64_t acked = run_and_kill(&l, rng_below(&r, 20));
		check_after_kill(f, acked);
	}
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_misuse_stops_the_process),
		T(test_all_behind_the_forgotten_is_never_truncated),
		T(test_a_damaged_record_is_not_served),
		T(test_a_missing_run_is_seen),
		T(test_a_hole_is_damage_and_not_the_end),
		T(test_an_unknown_format_is_refused),
		T(test_a_file_that_is_no_database_is_refused),
		T(test_a_full_disk_shows_before_it_stops_the_node),
		T(test_kill_loses_nothing_acknowledged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
