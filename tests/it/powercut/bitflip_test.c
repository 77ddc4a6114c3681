/* Single flipped bits in what the store holds on disk: log records, rows and
 * point of the state, term and vote, identity and peers. Each must be seen: a
 * read fails, the process refuses to go on, or the right value is given all the
 * same; never a wrong one. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/endian.h"
#include "base/rng.h"
#include "cluster/store/log_record.h"
#include "script.h"

enum { ENTRIES = 400, TERM = 3, LOG_FLIPS = 300, STATE_FLIPS = 120 };

struct store {
	char dir[400];
	uint64_t chain;
};

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

/* -- a store to damage ----------------------------------------------------- */

static void wait_applied(struct script *s, uint64_t index)
{
	uint64_t applied = 0;
	for (int ms = 0; applied < index; ms++) {
		struct note *n = mailbox_take(&s->owner);
		while (n) {
			struct note *next = n->next;
			if (n->kind == NOTE_STATE_APPLIED)
				applied = ((struct state_applied *)n)->index;
			free(n);
			n = next;
		}
		assert_in_range(ms, 0, 20000);
		poll(NULL, 0, 1);
	}
}

static void fill(struct script *s)
{
	static uint8_t buf[ENTRIES][SCRIPT_ENTRY_MAX];
	static struct log_entry entries[ENTRIES];
	struct err e = {0};
	for (uint64_t i = 0; i < ENTRIES; i++)
		entries[i] = script_entry(i + 1, TERM, buf[i]);
	log_append(s->log, entries, ENTRIES, 1);
	/* Payloads are static: nobody has to wait for the completion. */
	for (int ms = 0;; ms++) {
		struct log_bounds b;
		log_bounds(s->log, &b);
		if (b.last_index == ENTRIES)
			break;
		assert_in_range(ms, 0, 20000);
		poll(NULL, 0, 1);
	}
	state_commit(s->state, ENTRIES);
	wait_applied(s, ENTRIES);
	assert_int_equal(hard_state_set(s->hard, 7, 2, &e), 0);
	assert_int_equal(store_dir_pin_peer(s->dir, 2, 22, &e), 0);
}

static int setup(void **state)
{
	struct store *t = calloc(1, sizeof(*t));
	struct script s;
	struct err e = {0};
	uint64_t count;
	const char *tmp = getenv("TMPDIR");
	if (!tmp)
		tmp = access("/dev/shm", W_OK) ? P_tmpdir : "/dev/shm";
	snprintf(t->dir, sizeof(t->dir), "%s/synod-bitflip-XXXXXX", tmp);
	if (!mkdtemp(t->dir) || script_open(&s, t->dir, &e)) {
		fprintf(stderr, "%s: %s\n", t->dir, e.text);
		return -1;
	}
	fill(&s);
	script_read_chain(s.state, &t->chain, &count);
	assert_int_equal(count, ENTRIES);
	script_close(&s);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct store *t = *state;
	nftw(t->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(t);
	return 0;
}

static void flip(const struct store *t, const char *name, size_t bit)
{
	char path[512];
	uint8_t byte;
	snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
	byte ^= (uint8_t)(1U << bit % 8);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
	close(fd);
}

/* Where in its data file mapped bytes are. */
static size_t file_offset(const void *p)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[1024];
	size_t found = SIZE_MAX;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long long from, to, offset;
		if (sscanf(line, "%llx-%llx %*s %llx", &from, &to, &offset) ==
			    3 &&
		    (uintptr_t)p >= from && (uintptr_t)p < to &&
		    strstr(line, "data.mdb"))
			found = (uintptr_t)p - from + offset;
	}
	fclose(maps);
	assert_true(found != SIZE_MAX);
	return found;
}

/* -- the log --------------------------------------------------------------- */

static int read_entry(struct script *s, uint64_t index, struct log_entry *out,
		      uint8_t *copy)
{
	struct log_reader r;
	assert_int_equal(log_read_begin(s->log, &r, NULL), 0);
	int rc = log_read(&r, index, out, NULL);
	if (!rc)
		memcpy(copy, out->data, out->len);
	log_read_end(&r);
	return rc;
}

/* The map shows the file: a flip is seen by the next read. */
static void test_flips_in_log_records(void **state)
{
	struct store *t = *state;
	static uint8_t copy[SCRIPT_ENTRY_MAX], buf[SCRIPT_ENTRY_MAX];
	struct script s;
	struct rng rng;
	struct err e = {0};
	unsigned n_seen = 0;
	rng_init(&rng, 11);
	assert_int_equal(script_open(&s, t->dir, &e), 0);
	for (int i = 0; i < LOG_FLIPS; i++) {
		uint64_t index = 1 + rng_below(&rng, ENTRIES);
		struct log_entry out;
		assert_int_equal(read_entry(&s, index, &out, copy), 0);
		size_t start = file_offset(out.data) - LOG_HEADER_BYTES;
		size_t len = LOG_HEADER_BYTES + out.len;
		/* Headers are small: let them have their share. */
		if (rng_chance(&rng, 0.3))
			len = LOG_HEADER_BYTES;
		size_t bit = start * 8 + rng_below(&rng, len * 8);
		flip(t, "log/data.mdb", bit);
		int rc = read_entry(&s, index, &out, copy);
		flip(t, "log/data.mdb", bit);
		assert_int_equal(rc, ERR_CORRUPT);
		n_seen++;
		assert_int_equal(read_entry(&s, index, &out, copy), 0);
		struct log_entry want = script_entry(index, TERM, buf);
		assert_int_equal(out.len, want.len);
		assert_memory_equal(copy, buf, want.len);
	}
	script_close(&s);
	print_message("%u of %d flips in log records seen\n", n_seen,
		      (int)LOG_FLIPS);
}

/* Keys and node headers have no checksum of ours: what is read may be missing
 * or refused, but never another entry. */
static void test_flips_around_log_records(void **state)
{
	struct store *t = *state;
	static uint8_t copy[SCRIPT_ENTRY_MAX], buf[SCRIPT_ENTRY_MAX];
	struct script s;
	struct rng rng;
	struct err e = {0};
	rng_init(&rng, 12);
	assert_int_equal(script_open(&s, t->dir, &e), 0);
	for (int i = 0; i < 100; i++) {
		uint64_t index = 2 + rng_below(&rng, ENTRIES - 2);
		struct log_entry out;
		assert_int_equal(read_entry(&s, index, &out, copy), 0);
		/* Small values stand behind their key of 12 bytes. */
		size_t start = file_offset(out.data) - LOG_HEADER_BYTES;
		if (out.len > 1900)
			continue;
		size_t bit = (start - LOG_KEY_BYTES) * 8 +
			     rng_below(&rng, LOG_KEY_BYTES * 8);
		flip(t, "log/data.mdb", bit);
		int rc = read_entry(&s, index, &out, copy);
		flip(t, "log/data.mdb", bit);
		if (rc == 0) {
			struct log_entry want = script_entry(index, TERM, buf);
			assert_int_equal(out.len, want.len);
			assert_memory_equal(copy, buf, want.len);
		} else {
			assert_int_equal(rc, ERR_CORRUPT);
		}
	}
	script_close(&s);
}

/* -- the state ------------------------------------------------------------- */

struct rows {
	size_t offset[128], len[128];
	size_t n;
};

static void find_rows(const struct kv *kv, void *ctx)
{
	struct rows *rows = ctx;
	struct bytes key = {0}, value;
	uint8_t at[STATE_KEY_BYTES_MAX];
	while (rows->n < 128 &&
	       kv->seek(kv->ctx, key, key.len > 0, &key, &value)) {
		/* With the checksum in front of the value. */
		rows->offset[rows->n] = file_offset(value.data) - 8;
		rows->len[rows->n++] = value.len + 8;
		memcpy(at, key.data, key.len);
		key.data = at;
	}
}

/* Open and read everything, in a child: it may have to stop the process. 0:
 * everything is as it was; 1: something else was served. */
static int read_all(const struct store *t)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct script s;
		struct err e = {0};
		uint64_t chain = 0, count = 0, term, vote;
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDERR_FILENO);
		alarm(60);
		if (script_open(&s, t->dir, &e))
			_exit(EX_IOERR);
		script_read_chain(s.state, &chain, &count);
		hard_state_get(s.hard, &term, &vote);
		bool is_same = chain == t->chain && count == ENTRIES &&
			       term == 7 && vote == 2 &&
			       store_dir_peer(s.dir, 2) == 22;
		_exit(is_same ? 0 : 1);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_flips_in_rows_of_the_state(void **state)
{
	struct store *t = *state;
	struct rows rows = {0};
	struct script s;
	struct rng rng;
	struct err e = {0};
	rng_init(&rng, 13);
	assert_int_equal(script_open(&s, t->dir, &e), 0);
	state_read(s.state, find_rows, &rows);
	script_close(&s);
	assert_in_range(rows.n, 90, 128);
	for (int i = 0; i < STATE_FLIPS; i++) {
		size_t row = rng_below(&rng, rows.n);
		size_t bit = rows.offset[row] * 8 +
			     rng_below(&rng, rows.len[row] * 8);
		flip(t, "state/data.mdb", bit);
		int code = read_all(t);
		flip(t, "state/data.mdb", bit);
		assert_int_equal(code, EX_IOERR);
	}
	assert_int_equal(read_all(t), 0);
}

/* The newest copy of a record of LMDB: the last place that holds its bytes. */
static size_t find_bytes(const struct store *t, const char *name,
			 const void *bytes, size_t len)
{
	char path[512];
	static uint8_t data[4 << 20];
	snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, data, sizeof(data));
	close(fd);
	assert_true(n > 0);
	uint8_t *p = memmem(data, (size_t)n, bytes, len);
	assert_non_null(p);
	return (size_t)(p - data);
}

static void test_flips_in_the_point_of_the_state(void **state)
{
	struct store *t = *state;
	uint8_t want[40];
	/* As the documentation of the format says. */
	put_u32(want + 8, 1);
	put_u32(want + 12, UINT32_MAX);
	put_u64(want + 16, ENTRIES);
	put_u64(want + 24, TERM);
	put_u64(want + 32, 0);
	put_u64(want, digest64(want + 8, 32));
	size_t at = find_bytes(t, "state/data.mdb", want, sizeof(want));
	for (size_t bit = 0; bit < sizeof(want) * 8; bit += 13) {
		flip(t, "state/data.mdb", at * 8 + bit);
		int code = read_all(t);
		flip(t, "state/data.mdb", at * 8 + bit);
		assert_int_equal(code, EX_IOERR);
	}
	assert_int_equal(read_all(t), 0);
}

/* -- the small files ------------------------------------------------------- */

static void test_flips_in_the_small_files(void **state)
{
	struct store *t = *state;
	static const struct {
		const char *name;
		size_t bytes, step;
	} files[] = {{"identity", 216, 23}, {"peers", 40, 5}};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		for (size_t bit = 0; bit < files[i].bytes * 8;
		     bit += files[i].step) {
			flip(t, files[i].name, bit);
			int code = read_all(t);
			flip(t, files[i].name, bit);
			assert_int_equal(code, EX_IOERR);
		}
	}
	assert_int_equal(read_all(t), 0);
}

/* Each is mended: the vote is there twice. */
static void test_flips_in_term_and_vote(void **state)
{
	struct store *t = *state;
	struct rng rng;
	rng_init(&rng, 14);
	for (int i = 0; i < 80; i++) {
		size_t copy = rng_below(&rng, 4) * 2048;
		flip(t, "hard", copy * 8 + rng_below(&rng, 40 * 8));
		assert_int_equal(read_all(t), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips_in_log_records),
		cmocka_unit_test(test_flips_around_log_records),
		cmocka_unit_test(test_flips_in_rows_of_the_state),
		cmocka_unit_test(test_flips_in_the_point_of_the_state),
		cmocka_unit_test(test_flips_in_the_small_files),
		cmocka_unit_test(test_flips_in_term_and_vote),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
