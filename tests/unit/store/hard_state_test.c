/* Term and vote: kept, torn, flipped. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cluster/store/hard_state.h"
#include "fixture.h"

enum { FILE_BYTES = 8192 };

static void path_of(char path[FIXTURE_PATH_MAX + 8], const struct fixture *f)
{
	snprintf(path, FIXTURE_PATH_MAX + 8, "%s/hard", f->dir);
}

static struct hard_state *open_ok(const struct fixture *f)
{
	char path[FIXTURE_PATH_MAX + 8];
	struct hard_state *h = NULL;
	struct err e = {0};
	path_of(path, f);
	if (hard_state_open(&h, path, &e))
		fail_msg("%s", e.text);
	return h;
}

static void check(const struct fixture *f, uint64_t term, uint64_t vote)
{
	uint64_t t = 0, v = 0;
	struct hard_state *h = open_ok(f);
	hard_state_get(h, &t, &v);
	hard_state_close(h);
	assert_int_equal(t, term);
	assert_int_equal(v, vote);
}

static void write_some(const struct fixture *f)
{
	struct hard_state *h = open_ok(f);
	assert_int_equal(hard_state_set(h, 4, 0, NULL), 0);
	assert_int_equal(hard_state_set(h, 4, 9, NULL), 0);
	hard_state_close(h);
}

static int patch(const struct fixture *f, size_t at, const void *data,
		 size_t len)
{
	char path[FIXTURE_PATH_MAX + 8];
	path_of(path, f);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)at), len);
	return close(fd);
}

static void load(const struct fixture *f, uint8_t image[FILE_BYTES])
{
	char path[FIXTURE_PATH_MAX + 8];
	path_of(path, f);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, image, FILE_BYTES), FILE_BYTES);
	close(fd);
}

static void test_begins_with_no_term_and_no_vote(void **state)
{
	check(*state, 0, 0);
}

static void test_remembers_the_last_write(void **state)
{
	struct fixture *f = *state;
	write_some(f);
	check(f, 4, 9);
	check(f, 4, 9);
	struct hard_state *h = open_ok(f);
	for (uint64_t i = 5; i < 20; i++)
		assert_int_equal(hard_state_set(h, i, i % 3, NULL), 0);
	hard_state_close(h);
	check(f, 19, 1);
}

/* Each subset of the sectors of the next write: the old value or the new. */
static void test_a_torn_write_leaves_the_old_or_the_new(void **state)
{
	struct fixture *f = *state;
	uint8_t before[FILE_BYTES], after[FILE_BYTES], torn[FILE_BYTES];
	write_some(f);
	struct hard_state *h = open_ok(f);
	load(f, before);
	assert_int_equal(hard_state_set(h, 5, 7, NULL), 0);
	hard_state_close(h);
	load(f, after);
	unsigned n_old = 0, n_new = 0;
	for (unsigned subset = 0; subset < 1U << 16; subset += 37) {
		for (unsigned s = 0; s < 16; s++)
			memcpy(torn + s * 512,
			       (subset >> s & 1 ? after : before) + s * 512,
			       512);
		patch(f, 0, torn, sizeof(torn));
		uint64_t term = 0, vote = 0;
		h = open_ok(f);
		hard_state_get(h, &term, &vote);
		hard_state_close(h);
		bool is_old = term == 4 && vote == 9;
		bool is_new = term == 5 && vote == 7;
		assert_true(is_old || is_new);
		n_old += is_old;
		n_new += is_new;
	}
	assert_true(n_old > 0 && n_new > 0);
}

/* One sector of a torn write shows the new vote: once shown, it must stay. */
static void test_what_open_shows_is_written_again(void **state)
{
	struct fixture *f = *state;
	uint8_t before[FILE_BYTES], after[FILE_BYTES], image[FILE_BYTES];
	write_some(f);
	struct hard_state *h = open_ok(f);
	load(f, before);
	assert_int_equal(hard_state_set(h, 5, 7, NULL), 0);
	hard_state_close(h);
	load(f, after);
	size_t at = memcmp(before, after, 4096) != 0 ? 0 : 4096;
	memcpy(image, before, sizeof(image));
	memcpy(image + at, after + at, 512);
	patch(f, 0, image, sizeof(image));
	check(f, 5, 7);
	patch(f, at, before + at, 512);
	check(f, 5, 7);
}

static void test_no_flipped_bit_changes_the_vote(void **state)
{
	struct fixture *f = *state;
	uint8_t image[FILE_BYTES];
	write_some(f);
	load(f, image);
	for (size_t at = 0; at < FILE_BYTES; at += 2048) {
		for (size_t bit = 0; bit < 40 * 8; bit += 7) {
			uint8_t *p = image + at + bit / 8;
			*p ^= (uint8_t)(1U << bit % 8);
			patch(f, 0, image, sizeof(image));
			check(f, 4, 9);
			*p ^= (uint8_t)(1U << bit % 8);
		}
	}
}

static void test_refuses_a_file_without_a_good_slot(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 8];
	uint8_t image[FILE_BYTES];
	struct hard_state *h;
	struct err e = {0};
	write_some(f);
	load(f, image);
	for (size_t at = 0; at < FILE_BYTES; at += 2048)
		image[at + 24] ^= 1;
	patch(f, 0, image, sizeof(image));
	path_of(path, f);
	assert_int_equal(hard_state_open(&h, path, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "rebuilt from its peers"));
	assert_int_equal(truncate(path, 4096), 0);
	assert_int_equal(hard_state_open(&h, path, &e), ERR_CORRUPT);
}

static void go_back(void *ctx)
{
	struct hard_state *h = open_ok(ctx);
	hard_state_set(h, 3, 0, NULL);
}

static void test_a_term_never_goes_back(void **state)
{
	struct fixture *f = *state;
	write_some(f);
	assert_true(died_of_check(fixture_child(go_back, f, NULL, 0)));
}

static void test_a_missing_directory_is_an_error(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 16];
	struct hard_state *h;
	struct err e = {0};
	snprintf(path, sizeof(path), "%s/none/hard", f->dir);
	assert_int_equal(hard_state_open(&h, path, &e), ERR_IO);
	assert_non_null(strstr(e.text, path));
}

int main(void)
{
#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_begins_with_no_term_and_no_vote),
		T(test_remembers_the_last_write),
		T(test_a_torn_write_leaves_the_old_or_the_new),
		T(test_what_open_shows_is_written_again),
		T(test_no_flipped_bit_changes_the_vote),
		T(test_refuses_a_file_without_a_good_slot),
		T(test_a_term_never_goes_back),
		T(test_a_missing_directory_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
