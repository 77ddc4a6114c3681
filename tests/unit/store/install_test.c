/* Images: a state that moves to another node, whatever happens in between. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/store/store_install.h"
#include "fixture.h"

enum { SOURCE_LAST = 3000, OWN_LAST = 40 };

static void rows_apply(void *ctx, const struct kv *kv,
		       const struct log_entry *entry)
{
	(void)ctx;
	char key[32];
	int len = snprintf(key, sizeof(key), "row%" PRIu64, entry->index % 500);
	kv->put(kv->ctx, (struct bytes){(const uint8_t *)key, (size_t)len},
		(struct bytes){entry->data, entry->len});
}

static void path_in(char path[FIXTURE_PATH_MAX + 32], const struct fixture *f,
		    const char *name)
{
	snprintf(path, FIXTURE_PATH_MAX + 32, "%s/%s", f->dir, name);
}

static bool exists(const struct fixture *f, const char *name)
{
	char path[FIXTURE_PATH_MAX + 32];
	struct stat st;
	path_in(path, f, name);
	return stat(path, &st) == 0;
}

static void feed(struct fixture *f, uint64_t last, uint64_t term)
{
	f->machine = (struct state_machine){.apply = rows_apply};
	fixture_open_state(f);
	fixture_append(f, 1, last - 1, term, 300);
	struct log_entry change = {.index = last,
				   .term = term,
				   .type = LOG_CHANGE,
				   .data = (const uint8_t *)"members",
				   .len = 7};
	log_append(f->log, &change, 1, ++f->ticket);
	fixture_wait(f, f->ticket);
	state_commit(f->state, last);
	fixture_wait_applied(f, last);
}

/* An image of another node's state, as f/image. */
static void make_image(struct fixture *f)
{
	struct fixture *source = NULL;
	char path[FIXTURE_PATH_MAX + 32];
	struct state_point p = {0};
	uint64_t size = 0, digest = 0;
	struct stat st;
	struct err e = {0};
	assert_int_equal(fixture_setup((void **)&source), 0);
	feed(source, SOURCE_LAST, 7);
	path_in(path, f, "image");
	if (state_image_write(source->state, path, &p, &e))
		fail_msg("%s", e.text);
	assert_int_equal(p.index, SOURCE_LAST);
	assert_int_equal(p.term, 7);
	assert_int_equal(p.conf_index, SOURCE_LAST);
	assert_memory_equal(p.conf->data, "members", 7);
	blob_unref(p.conf);
	assert_int_equal(state_image_digest(path, &size, &digest, &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(size, st.st_size);
	assert_true(digest != 0);
	void *done = source;
	fixture_teardown(&done);
}

static void count_rows(const struct kv *kv, void *ctx)
{
	struct bytes key = {0}, value;
	uint8_t at[64];
	while (kv->seek(kv->ctx, key, key.len > 0, &key, &value)) {
		memcpy(at, key.data, key.len);
		key.data = at;
		(*(unsigned *)ctx)++;
	}
}

static void check_stands_at(struct fixture *f, uint64_t index, uint64_t term,
			    unsigned n_rows)
{
	struct state_point p;
	unsigned n = 0;
	state_point(f->state, &p);
	assert_int_equal(p.index, index);
	assert_int_equal(p.term, term);
	assert_memory_equal(p.conf->data, "members", 7);
	blob_unref(p.conf);
	state_read(f->state, count_rows, &n);
	assert_int_equal(n, n_rows);
}

static void check_installed(struct fixture *f)
{
	struct log_bounds b;
	check_stands_at(f, SOURCE_LAST, 7, 500);
	log_bounds(f->log, &b);
	assert_int_equal(b.base_index, SOURCE_LAST);
	assert_int_equal(b.base_term, 7);
	assert_int_equal(b.first_index, SOURCE_LAST + 1);
	assert_int_equal(b.last_index, SOURCE_LAST);
	assert_false(exists(f, "installing"));
	assert_false(exists(f, "state.old"));
	assert_false(exists(f, "state.new"));
}

static void check_untouched(struct fixture *f)
{
	struct log_bounds b;
	check_stands_at(f, OWN_LAST, 2, OWN_LAST);
	log_bounds(f->log, &b);
	assert_int_equal(b.base_index, 0);
	assert_int_equal(b.last_index, OWN_LAST);
	assert_false(exists(f, "installing"));
	assert_false(exists(f, "state.new"));
}

static void go_on(struct fixture *f)
{
	fixture_append(f, SOURCE_LAST + 1, SOURCE_LAST + 50, 8, 300);
	state_commit(f->state, SOURCE_LAST + 50);
	fixture_wait_applied(f, SOURCE_LAST + 50);
	check_stands_at(f, SOURCE_LAST + 50, 8, 500);
	fixture_close_state(f);
	fixture_open_state(f);
	check_stands_at(f, SOURCE_LAST + 50, 8, 500);
}

static void test_an_image_replaces_state_and_log(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 32];
	struct err e = {0};
	make_image(f);
	feed(f, OWN_LAST, 2);
	path_in(path, f, "image");
	if (state_image_install(f->state, path, SOURCE_LAST, 7, &e))
		fail_msg("%s", e.text);
	check_installed(f);
	assert_false(exists(f, "image"));
	go_on(f);
}

static void test_an_image_can_be_made_of_an_image(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 32];
	struct state_point p = {0};
	struct err e = {0};
	make_image(f);
	feed(f, OWN_LAST, 2);
	path_in(path, f, "image");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			state_image_install(f->state, path, SOURCE_LAST, 7, &e),
			0);
		check_installed(f);
		assert_int_equal(state_image_write(f->state, path, &p, &e), 0);
		blob_unref(p.conf);
	}
}

static void test_a_wrong_image_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 32];
	struct stat st;
	struct err e = {0};
	make_image(f);
	feed(f, OWN_LAST, 2);
	path_in(path, f, "image");
	assert_int_equal(
		state_image_install(f->state, path, SOURCE_LAST + 1, 7, &e),
		ERR_INVALID);
	assert_int_equal(
		state_image_install(f->state, path, SOURCE_LAST, 8, &e),
		ERR_INVALID);
	check_untouched(f);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 4096), 0);
	assert_int_equal(
		state_image_install(f->state, path, SOURCE_LAST, 7, &e),
		ERR_CORRUPT);
	assert_int_equal(truncate(path, 20), 0);
	assert_int_equal(
		state_image_install(f->state, path, SOURCE_LAST, 7, &e),
		ERR_CORRUPT);
	check_untouched(f);
	path_in(path, f, "none");
	assert_int_equal(
		state_image_install(f->state, path, SOURCE_LAST, 7, &e),
		ERR_IO);
	check_untouched(f);
}

static void test_a_damaged_image_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 32];
	struct err e = {0};
	struct log_entry row = entry_make(700, 7, 300);
	make_image(f);
	feed(f, OWN_LAST, 2);
	path_in(path, f, "image");
	FILE *file = fopen(path, "r+");
	static uint8_t page[4096];
	bool is_found = false;
	/* Rows 200.. of the last round hold entries 2700..; find one. */
	struct log_entry last = entry_make(2700, 7, 300);
	for (long at = 0; !is_found && fread(page, 1, 4096, file) == 4096;
	     at += 4096) {
		uint8_t *p = memmem(page, sizeof(page), last.data, 300);
		if (!p)
			continue;
		is_found = true;
		p[150] ^= 8;
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		assert_int_equal(fwrite(page, 1, 4096, file), 4096);
	}
	fclose(file);
	entry_free(&last);
	entry_free(&row);
	assert_true(is_found);
	assert_int_equal(
		state_image_install(f->state, path, SOURCE_LAST, 7, &e),
		ERR_CORRUPT);
	assert_non_null(strstr(e.text, "fails its checksum"));
	check_untouched(f);
}

/* Die behind the n-th step; the next start makes it whole. */
static void run_steps(const struct fixture *f, int n)
{
	char image[FIXTURE_PATH_MAX + 32], a[FIXTURE_PATH_MAX + 32];
	char b[FIXTURE_PATH_MAX + 32];
	path_in(image, f, "image");
	if (n >= 1)
		assert_int_equal(install_prepare(f->dir, image, NULL), 0);
	if (n >= 2)
		assert_int_equal(install_mark(f->dir, SOURCE_LAST, 7, NULL), 0);
	if (n == 3) {
		/* Between the two renames of the swap. */
		path_in(a, f, "state");
		path_in(b, f, "state.old");
		assert_int_equal(rename(a, b), 0);
	}
	if (n >= 4)
		assert_int_equal(install_swap(f->dir, NULL), 0);
}

static void test_a_crash_between_any_two_steps_is_healed(void **state)
{
	for (int n = 0; n <= 4; n++) {
		struct fixture *f = NULL;
		struct err e = {0};
		assert_int_equal(fixture_setup((void **)&f), 0);
		make_image(f);
		feed(f, OWN_LAST, 2);
		fixture_close_state(f);
		run_steps(f, n);
		/* Healing may be cut off too, and begins again. */
		if (n >= 2)
			assert_int_equal(install_swap(f->dir, &e), 0);
		if (store_install_finish(f->dir, &e))
			fail_msg("step %d: %s", n, e.text);
		assert_int_equal(store_install_finish(f->dir, &e), 0);
		fixture_open_state(f);
		if (n < 2) {
			check_untouched(f);
		} else {
			check_installed(f);
			go_on(f);
		}
		void *done = f;
		fixture_teardown(&done);
	}
	(void)state;
}

static void die_in_install(void *ctx)
{
	struct fixture *f = ctx;
	char path[FIXTURE_PATH_MAX + 32];
	fixture_open_state(f);
	/* A full directory in the way of the swap: it fails behind the marker.
	 */
	path_in(path, f, "state.old");
	assert_int_equal(mkdir(path, 0700), 0);
	path_in(path, f, "state.old/d");
	assert_int_equal(mkdir(path, 0700), 0);
	path_in(path, f, "image");
	state_image_install(f->state, path, SOURCE_LAST, 7, NULL);
}

static void test_a_failure_behind_the_marker_stops_the_node(void **state)
{
	struct fixture *f = *state;
	char text[1024], path[FIXTURE_PATH_MAX + 32];
	struct err e = {0};
	make_image(f);
	feed(f, OWN_LAST, 2);
	fixture_close_state(f);
	int status = fixture_child(die_in_install, f, text, sizeof(text));
	assert_true(died_of_ioerr(status));
	assert_non_null(strstr(text, "event=install_failed"));
	assert_true(exists(f, "installing"));
	path_in(path, f, "state.old/d");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(store_install_finish(f->dir, &e), 0);
	fixture_open_state(f);
	check_installed(f);
}

static void test_a_damaged_marker_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_MAX + 32];
	struct err e = {0};
	assert_int_equal(install_mark(f->dir, 5, 1, &e), 0);
	path_in(path, f, "installing");
	FILE *file = fopen(path, "r+");
	fseek(file, 25, SEEK_SET);
	fputc('x', file);
	fclose(file);
	assert_int_equal(store_install_finish(f->dir, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "installing fails its check"));
}

static void test_nothing_to_finish_is_fine(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(store_install_finish(f->dir, NULL), 0);
	feed(f, OWN_LAST, 2);
	fixture_close_state(f);
	assert_int_equal(store_install_finish(f->dir, NULL), 0);
	fixture_open_state(f);
	check_untouched(f);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_image_replaces_state_and_log),
		T(test_an_image_can_be_made_of_an_image),
		T(test_a_wrong_image_changes_nothing),
		T(test_a_damaged_image_changes_nothing),
		T(test_a_crash_between_any_two_steps_is_healed),
		T(test_a_failure_behind_the_marker_stops_the_node),
		T(test_a_damaged_marker_is_refused),
		T(test_nothing_to_finish_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
