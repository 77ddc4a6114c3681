/* Runs: entries that were appended together are one value of the B-tree.
 * Whatever is cut off or forgotten inside of one, each entry that remains can
 * be read, in any order, and no other. */
#include <string.h>

#include "base/endian.h"
#include "base/rng.h"
#include "cluster/store/log_record.h"
#include "fixture.h"

enum { OPS = 60, BATCH_MAX = 1300 };

/* What the log should hold. */
struct model {
	uint64_t first, last;
	uint64_t terms[100000]; /* by index */
};

static void check_all(struct fixture *f, const struct model *m, struct rng *rng)
{
	struct log_bounds b;
	struct log_reader r;
	struct log_entry out;

	log_bounds(f->log, &b);
	assert_int_equal(b.last_index, m->last);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	for (uint64_t i = b.first_index; i <= m->last; i++) {
		assert_int_equal(log_read(&r, i, &out, NULL), 0);
		entry_check(&out, i, m->terms[i]);
	}
	for (int k = 0; k < 50 && m->last >= b.first_index; k++) {
		uint64_t i = (uint64_t)rng_range(rng, (int64_t)b.first_index,
						 (int64_t)m->last);
		assert_int_equal(log_read(&r, i, &out, NULL), 0);
		entry_check(&out, i, m->terms[i]);
	}
	assert_int_equal(log_read(&r, m->last + 1, &out, NULL), ERR_NOTFOUND);
	if (b.first_index > 1)
		assert_int_equal(log_read(&r, b.first_index - 1, &out, NULL),
				 ERR_NOTFOUND);
	log_read_end(&r);
}

static void append_some(struct fixture *f, struct model *m, struct rng *rng,
			uint64_t term)
{
	uint64_t n = 1 + rng_below(rng, rng_chance(rng, 0.3) ? BATCH_MAX : 40);
	size_t len = rng_below(rng, rng_chance(rng, 0.3) ? 6000 : 200);

	for (uint64_t i = m->last + 1; i <= m->last + n; i++)
		m->terms[i] = term;
	fixture_append(f, m->last + 1, m->last + n, term, len);
	m->last += n;
}

static void step(struct fixture *f, struct model *m, struct rng *rng,
		 uint64_t term)
{
	uint64_t span = m->last - m->first;

	switch (rng_below(rng, 5)) {
	case 0: /* cut the end off, often within a run */
		if (span < 2)
			break;
		m->last -= rng_below(rng, span < 900 ? span : 900);
		log_truncate(f->log, m->last + 1, ++f->ticket);
		fixture_wait(f, f->ticket);
		break;
	case 1: /* forget, often within a run */
		if (span < 4)
			break;
		m->first += rng_below(rng, span / 2);
		log_forget(f->log, m->first - 1);
		fixture_wait_first(f, m->first);
		break;
	case 2:
		fixture_close_log(f);
		fixture_open_log(f);
		break;
	default:
		append_some(f, m, rng, term);
	}
}

static void test_runs_are_cut_anywhere(void **state)
{
	struct fixture *f = *state;
	struct rng rng;

	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct model m = {.first = 1};
		rng_init(&rng, seed);
		fixture_open_log(f);
		log_reset(f->log, 0, 0, ++f->ticket);
		fixture_wait(f, f->ticket);
		append_some(f, &m, &rng, 1);
		for (uint64_t op = 0; op < OPS; op++) {
			step(f, &m, &rng, op + 2);
			check_all(f, &m, &rng);
		}
		fixture_close_log(f);
	}
}

/* A rotten length leads the walk astray; what it ends at fails its check. */
static void test_a_rotten_length_on_the_way_serves_nothing(void **state)
{
	struct fixture *f = *state;
	struct log_reader r;
	struct log_entry out;

	fixture_open_log(f);
	fixture_append(f, 1, 100, 1, 50);
	assert_int_equal(log_read_begin(f->log, &r, NULL), 0);
	assert_int_equal(log_read(&r, 40, &out, NULL), 0);
	size_t len_at = fixture_file_offset(out.data - LOG_HEADER_BYTES + 24);
	log_read_end(&r);
	for (unsigned bit = 0; bit < 32; bit++) {
		size_t byte = len_at + bit / 8;

		fixture_flip(f->log_path, byte, bit % 8);
		assert_int_equal(fixture_read_code(f, 39), 0);
		assert_int_equal(fixture_read_code(f, 40), ERR_CORRUPT);
		assert_int_equal(fixture_read_code(f, 41), ERR_CORRUPT);
		assert_int_equal(fixture_read_code(f, 100), ERR_CORRUPT);
		fixture_flip(f->log_path, byte, bit % 8);
	}
	fixture_check_log(f, 1, 100, 1);
}

static void test_a_run_is_walked_within_its_bytes(void **state)
{
	uint8_t buf[LOG_HEADER_BYTES + 10 + LOG_HEADER_BYTES + 20] = {0};

	put_u32(buf + 24, 10);
	put_u32(buf + LOG_HEADER_BYTES + 10 + 24, 20);
	assert_int_equal(log_run_count((struct bytes){buf, sizeof(buf)}), 2);
	for (size_t len = 1; len < sizeof(buf); len++)
		assert_int_equal(log_run_count((struct bytes){buf, len}),
				 len == LOG_HEADER_BYTES + 10);
	struct bytes run = {buf, sizeof(buf)};
	assert_true(log_run_skip(&run, 2));
	assert_int_equal(run.len, 0);
	assert_false(log_run_skip(&run, 1));
	assert_int_equal(log_record_size(run), 0);
}

#define T(name) \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_runs_are_cut_anywhere),
		T(test_a_rotten_length_on_the_way_serves_nothing),
		cmocka_unit_test(test_a_run_is_walked_within_its_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
