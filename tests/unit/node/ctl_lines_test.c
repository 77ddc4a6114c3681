#include "node/ctl/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
	int fds[2];
	struct lines lines;
};

static void start(struct scene *s, size_t line_max)
{
	assert_int_equal(pipe(s->fds), 0);
	lines_init(&s->lines, s->fds[0], line_max);
}

static void put(struct scene *s, const char *text)
{
	assert_int_equal(write(s->fds[1], text, strlen(text)), strlen(text));
}

static void put_end(struct scene *s)
{
	close(s->fds[1]);
	s->fds[1] = -1;
}

static void stop(struct scene *s)
{
	lines_clear(&s->lines);
	close(s->fds[0]);
	if (s->fds[1] >= 0)
		close(s->fds[1]);
}

static void assert_line(struct scene *s, const char *expected)
{
	struct bytes line;
	struct err e = {0};

	assert_true(lines_next(&s->lines, &line, &e));
	assert_int_equal(line.len, strlen(expected));
	assert_memory_equal(line.data, expected, line.len);
}

static void assert_end(struct scene *s)
{
	struct bytes line;
	struct err e = {0};

	assert_false(lines_next(&s->lines, &line, &e));
	assert_int_equal(e.code, 0);
}

static void test_lines_come_without_their_newlines(void **state)
{
	struct scene s;

	start(&s, 10);
	put(&s, "a\n\nb\nlast");
	put_end(&s);
	assert_line(&s, "a");
	assert_line(&s, "");
	assert_line(&s, "b");
	assert_line(&s, "last");
	assert_end(&s);
	stop(&s);
}

static void test_nothing_is_no_line(void **state)
{
	struct scene s;

	start(&s, 10);
	put_end(&s);
	assert_end(&s);
	stop(&s);
}

static void test_a_line_may_come_in_pieces(void **state)
{
	struct scene s;

	start(&s, 10);
	put(&s, "a\nb");
	assert_false(lines_would_wait(&s.lines)); /* something is there */
	assert_line(&s, "a");
	assert_true(lines_would_wait(&s.lines)); /* half a line is none */
	put(&s, "c\n");
	assert_false(lines_would_wait(&s.lines));
	assert_line(&s, "bc");
	put_end(&s);
	assert_false(lines_would_wait(&s.lines)); /* the end is there */
	assert_end(&s);
	stop(&s);
}

static void test_a_line_over_the_limit_is_an_error(void **state)
{
	struct scene s;
	struct bytes line;
	struct err e = {0};

	start(&s, 4);
	put(&s, "1234\n12345\n");
	put_end(&s);
	assert_line(&s, "1234");
	assert_false(lines_next(&s.lines, &line, &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_string_equal(e.text, "line 2 is longer than 4 bytes");
	stop(&s);
}

static void test_long_lines_grow_the_buffer_and_no_more(void **state)
{
	enum { LONG = 300000 };
	struct scene s;
	struct bytes line;
	struct err e = {0};
	char name[] = "/tmp/synod-lines-XXXXXX";
	char *text = malloc(LONG);

	/* Given a file of three lines of 300 kB. */
	assert_non_null(text);
	memset(text, 'x', LONG);
	text[LONG - 1] = '\n';
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(write(fd, text, LONG), LONG);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	lines_init(&s.lines, fd, LONG);
	for (int i = 0; i < 3; i++) {
		assert_true(lines_next(&s.lines, &line, &e));
		assert_int_equal(line.len, LONG - 1);
		assert_memory_equal(line.data, text, LONG - 1);
	}
	assert_false(lines_next(&s.lines, &line, &e));
	assert_true(s.lines.room < 4 * LONG);
	lines_clear(&s.lines);
	close(fd);
	unlink(name);
	free(text);
}

static void test_a_reading_error_is_reported(void **state)
{
	struct scene s;
	struct bytes line;
	struct err e = {0};

	lines_init(&s.lines, -1, 10);
	assert_false(lines_next(&s.lines, &line, &e));
	assert_int_equal(e.code, ERR_IO);
	lines_clear(&s.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_come_without_their_newlines),
		cmocka_unit_test(test_nothing_is_no_line),
		cmocka_unit_test(test_a_line_may_come_in_pieces),
		cmocka_unit_test(test_a_line_over_the_limit_is_an_error),
		cmocka_unit_test(test_long_lines_grow_the_buffer_and_no_more),
		cmocka_unit_test(test_a_reading_error_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
