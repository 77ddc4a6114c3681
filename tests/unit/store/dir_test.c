/* The data directory: whose it is, and who may use it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/endian.h"
#include "cluster/store/dir.h"
#include "fixture.h"

static const struct store_identity N1 = {
	.node_id = 11, .node_name = "n1", .cluster_name = "demo"};
static const uint8_t CLUSTER[CLUSTER_ID_BYTES] = {1, 2, 3};

static struct store_dir *open_ok(const char *path)
{
	struct store_dir *d = NULL;
	struct err e = {0};
	if (store_dir_open(&d, path, &N1, &e))
		fail_msg("%s", e.text);
	return d;
}

/* Opening fails with code, and the text holds the words. */
static void refuse(const char *path, const struct store_identity *want,
		   int code, const char *words)
{
	struct store_dir *d;
	struct err e = {0};
	assert_int_equal(store_dir_open(&d, path, want, &e), code);
	if (!strstr(e.text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, e.text);
}

static void file_of(char path[FIXTURE_PATH_MAX + 32], const char *dir,
		    const char *name)
{
	snprintf(path, FIXTURE_PATH_MAX + 32, "%s/%s", dir, name);
}

static void touch(const char *dir, const char *name)
{
	char path[FIXTURE_PATH_MAX + 32];
	file_of(path, dir, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void data_dir(char path[FIXTURE_PATH_MAX + 32], const struct fixture *f)
{
	file_of(path, f->dir, "data");
}

static void test_a_new_directory_belongs_to_its_node(void **state)
{
	char path[FIXTURE_PATH_MAX + 32];
	data_dir(path, *state);
	struct store_dir *d = open_ok(path);
	const struct store_identity *id = store_dir_identity(d);
	assert_string_equal(store_dir_path(d), path);
	assert_int_equal(id->node_id, 11);
	assert_string_equal(id->node_name, "n1");
	assert_string_equal(id->cluster_name, "demo");
	assert_true(id->incarnation != 0);
	assert_true(id->is_blank);
	uint64_t incarnation = id->incarnation;
	store_dir_close(d);
	d = open_ok(path);
	assert_true(store_dir_identity(d)->incarnation == incarnation);
	store_dir_close(d);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void test_two_directories_are_two_incarnations(void **state)
{
	const struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 32];
	file_of(path, f->dir, "a");
	struct store_dir *a = open_ok(path);
	file_of(path, f->dir, "b");
	struct store_dir *b = open_ok(path);
	assert_true(store_dir_identity(a)->incarnation !=
		    store_dir_identity(b)->incarnation);
	store_dir_close(a);
	store_dir_close(b);
}

static void test_cluster_and_use_are_remembered(void **state)
{
	char path[FIXTURE_PATH_MAX + 32];
	static const uint8_t other[CLUSTER_ID_BYTES] = {9};
	struct err e = {0};
	data_dir(path, *state);
	struct store_dir *d = open_ok(path);
	assert_int_equal(store_dir_set_cluster(d, CLUSTER, &e), 0);
	assert_int_equal(store_dir_set_cluster(d, CLUSTER, &e), 0);
	assert_int_equal(store_dir_set_cluster(d, other, &e), ERR_IDENTITY);
	assert_int_equal(store_dir_set_in_use(d, &e), 0);
	touch(path, "hard");
	touch(path, "log");
	store_dir_close(d);
	d = open_ok(path);
	assert_false(store_dir_identity(d)->is_blank);
	assert_memory_equal(store_dir_identity(d)->cluster_id, CLUSTER,
			    CLUSTER_ID_BYTES);
	assert_int_equal(store_dir_set_cluster(d, other, &e), ERR_IDENTITY);
	store_dir_close(d);
}

static void test_peers_are_pinned(void **state)
{
	char path[FIXTURE_PATH_MAX + 32];
	struct err e = {0};
	data_dir(path, *state);
	struct store_dir *d = open_ok(path);
	assert_int_equal(store_dir_peer(d, 12), 0);
	assert_int_equal(store_dir_pin_peer(d, 12, 100, &e), 0);
	assert_int_equal(store_dir_pin_peer(d, 13, 200, &e), 0);
	assert_int_equal(store_dir_pin_peer(d, 12, 300, &e), 0);
	store_dir_close(d);
	d = open_ok(path);
	assert_int_equal(store_dir_peer(d, 12), 300);
	assert_int_equal(store_dir_peer(d, 13), 200);
	for (uint64_t i = 0; i < 62; i++)
		assert_int_equal(store_dir_pin_peer(d, 100 + i, 1, &e), 0);
	assert_int_equal(store_dir_pin_peer(d, 999, 1, &e), ERR_LIMIT);
	assert_int_equal(store_dir_peer(d, 999), 0);
	store_dir_close(d);
}

static void test_a_foreign_owner_is_refused(void **state)
{
	char path[FIXTURE_PATH_MAX + 32];
	data_dir(path, *state);
	store_dir_close(open_ok(path));
	struct store_identity want = N1;
	want.node_id = 12;
	snprintf(want.node_name, sizeof(want.node_name), "n2");
	refuse(path, &want, ERR_IDENTITY, "belongs to node n1");
	want = N1;
	snprintf(want.cluster_name, sizeof(want.cluster_name), "other");
	refuse(path, &want, ERR_IDENTITY, "belongs to cluster demo");
	want = N1;
	want.node_id = 12;
	refuse(path, &want, ERR_IDENTITY, "empty directory");
}

static void copy_file(const char *from, const char *to)
{
	char buf[4096];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(in >= 0 && out >= 0);
	ssize_t n = read(in, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(write(out, buf, (size_t)n), n);
	close(in);
	close(out);
}

static void test_a_copied_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	char a[FIXTURE_PATH_MAX + 32], b[FIXTURE_PATH_MAX + 32];
	char from[FIXTURE_PATH_MAX + 64], to[FIXTURE_PATH_MAX + 64];
	file_of(a, f->dir, "a");
	file_of(b, f->dir, "b");
	store_dir_close(open_ok(a));
	assert_int_equal(mkdir(b, 0700), 0);
	snprintf(from, sizeof(from), "%s/identity", a);
	snprintf(to, sizeof(to), "%s/identity", b);
	copy_file(from, to);
	refuse(b, &N1, ERR_IDENTITY, "is a copy");
	refuse(b, &N1, ERR_IDENTITY, "rebuilt from its peers");
	/* Moved is not copied. */
	assert_int_equal(unlink(to), 0);
	assert_int_equal(rename(from, to), 0);
	store_dir_close(open_ok(b));
	/* A restored backup is a copy, also in the old place. */
	snprintf(from, sizeof(from), "%s/saved", b);
	copy_file(to, from);
	assert_int_equal(rename(from, to), 0);
	refuse(b, &N1, ERR_IDENTITY, "is a copy");
}

static void test_a_damaged_identity_is_refused(void **state)
{
	char path[FIXTURE_PATH_MAX + 32], file[FIXTURE_PATH_MAX + 64];
	uint8_t buf[512];
	data_dir(path, *state);
	store_dir_close(open_ok(path));
	snprintf(file, sizeof(file), "%s/identity", path);
	int fd = open(file, O_RDWR | O_CLOEXEC);
	ssize_t len = pread(fd, buf, sizeof(buf), 0);
	assert_int_equal(len, 216);
	for (size_t bit = 0; bit < (size_t)len * 8; bit += 5) {
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(pwrite(fd, buf, (size_t)len, 0), len);
		refuse(path, &N1, ERR_CORRUPT, "fails its check");
		buf[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	assert_int_equal(pwrite(fd, buf, (size_t)len, 0), len);
	store_dir_close(open_ok(path));
	put_u32(buf + 16, 7);
	put_u64(buf, digest64(buf + 8, (size_t)len - 8));
	assert_int_equal(pwrite(fd, buf, (size_t)len, 0), len);
	refuse(path, &N1, ERR_FORMAT, "format 7");
	assert_int_equal(ftruncate(fd, 100), 0);
	refuse(path, &N1, ERR_CORRUPT, "fails its check");
	assert_int_equal(ftruncate(fd, 0), 0);
	refuse(path, &N1, ERR_CORRUPT, "fails its check");
	close(fd);
}

static void test_damaged_peers_are_refused(void **state)
{
	char path[FIXTURE_PATH_MAX + 32], file[FIXTURE_PATH_MAX + 64];
	uint8_t byte;
	struct err e = {0};
	data_dir(path, *state);
	struct store_dir *d = open_ok(path);
	assert_int_equal(store_dir_pin_peer(d, 12, 100, &e), 0);
	store_dir_close(d);
	snprintf(file, sizeof(file), "%s/peers", path);
	int fd = open(file, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, 33), 1);
	byte ^= 4;
	assert_int_equal(pwrite(fd, &byte, 1, 33), 1);
	close(fd);
	refuse(path, &N1, ERR_CORRUPT, "fails its check");
}

static void test_data_without_an_owner_is_refused(void **state)
{
	char path[FIXTURE_PATH_MAX + 32], file[FIXTURE_PATH_MAX + 64];
	data_dir(path, *state);
	store_dir_close(open_ok(path));
	snprintf(file, sizeof(file), "%s/identity", path);
	touch(path, "hard");
	assert_int_equal(unlink(file), 0);
	refuse(path, &N1, ERR_CORRUPT, "no identity");
}

static void test_a_voter_without_its_memory_is_refused(void **state)
{
	char path[FIXTURE_PATH_MAX + 32];
	data_dir(path, *state);
	struct store_dir *d = open_ok(path);
	assert_int_equal(store_dir_set_in_use(d, NULL), 0);
	store_dir_close(d);
	refuse(path, &N1, ERR_CORRUPT, "/hard is gone");
	touch(path, "hard");
	refuse(path, &N1, ERR_CORRUPT, "/log is gone");
}

static void test_a_second_process_is_refused(void **state)
{
	char path[FIXTURE_PATH_MAX + 32], words[64];
	int ends[2];
	data_dir(path, *state);
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct store_dir *d = open_ok(path);
		if (write(ends[1], "x", 1) != 1 || !d)
			_exit(1);
		for (;;)
			pause();
	}
	char c;
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 1);
	snprintf(words, sizeof(words), "in use by process %ld:", (long)pid);
	refuse(path, &N1, ERR_LOCKED, words);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ends[0]);
	/* The lock dies with its process, however it died. */
	store_dir_close(open_ok(path));
}

/* Permissions do not bind root: ask as nobody. */
static void open_as_nobody(void *ctx)
{
	struct store_dir *d;
	struct err e = {0};
	if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
		_exit(2);
	int rc = store_dir_open(&d, ctx, &N1, &e);
	fprintf(stderr, "%d %s", rc, e.text);
}

static void test_missing_permission_says_what_to_do(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 32], text[1024], words[32];
	snprintf(words, sizeof(words), "%d cannot", ERR_PERMISSION);
	data_dir(path, f);
	/* May not create it. */
	assert_int_equal(chmod(f->dir, 0555), 0);
	fixture_child(open_as_nobody, path, text, sizeof(text));
	assert_ptr_equal(strstr(text, words), text);
	assert_non_null(strstr(text, "make it writable for uid"));
	/* May not write in it. */
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(mkdir(path, 0555), 0);
	fixture_child(open_as_nobody, path, text, sizeof(text));
	assert_ptr_equal(strstr(text, words), text);
	assert_non_null(strstr(text, path));
}

static void test_a_file_is_no_directory(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 32];
	data_dir(path, f);
	touch(f->dir, "data");
	refuse(path, &N1, ERR_INVALID, "is not a directory");
	snprintf(path, sizeof(path), "%s/none/data", f->dir);
	refuse(path, &N1, ERR_IO, "create the data directory");
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_new_directory_belongs_to_its_node),
		T(test_two_directories_are_two_incarnations),
		T(test_cluster_and_use_are_remembered),
		T(test_peers_are_pinned),
		T(test_a_foreign_owner_is_refused),
		T(test_a_copied_directory_is_refused),
		T(test_a_damaged_identity_is_refused),
		T(test_damaged_peers_are_refused),
		T(test_data_without_an_owner_is_refused),
		T(test_a_voter_without_its_memory_is_refused),
		T(test_a_second_process_is_refused),
		T(test_missing_permission_says_what_to_do),
		T(test_a_file_is_no_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
