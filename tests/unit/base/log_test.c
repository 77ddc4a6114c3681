#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "death.h"

static void test_log_quotes_only_what_needs_it(void **state)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {
		{"plain", "plain"},
		{"127.0.0.1:41001", "127.0.0.1:41001"},
		{"/a/b-c_d.e", "/a/b-c_d.e"},
		{"", "\"\""},
		{"two words", "\"two words\""},
		{"a=b", "\"a=b\""},
		{"say \"hi\"", "\"say \\\"hi\\\"\""},
		{"C:\\x", "\"C:\\\\x\""},
		{"line\nnext\r\t", "\"line\\nnext\\r\\t\""},
		{"\x01\x1b[0m\x7f", "\"\\u0001\\u001b[0m\\u007f\""},
		{"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
		{"\xe2\x82\xac \xf0\x9f\x98\x80",
		 "\"\xe2\x82\xac \xf0\x9f\x98\x80\""},
		/* Not UTF-8: a lone byte, an overlong slash, a surrogate, a
		 * character cut at the end. */
		{"\xff", "\"\\ufffd\""},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\""},
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
		{"\xe2\x82", "\"\\ufffd\\ufffd\""},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(log_quote(cases[i].text), cases[i].quoted);
	assert_string_equal(log_quote(NULL), "\"\"");
}

static void test_log_quote_stays_for_seven_calls(void **state)
{
	const char *first = log_quote("the first");

	for (int i = 0; i < 7; i++)
		log_quote("another one");

	assert_string_equal(first, "\"the first\"");
}

static void test_log_quote_cuts_what_is_too_long(void **state)
{
	static char longer[5000];

	/* Each size in turn, so that the cut falls on every part of an escape
	 * and of a character. */
	for (size_t n = 1; n < 1100; n++) {
		const char *quoted;
		size_t len;
		memset(longer, n % 2 ? '\n' : 'x', n);
		memcpy(longer + n, "\xe2\x82\xac\xe2\x82\xac", 7);
		quoted = log_quote(longer);
		len = strlen(quoted);
		assert_true(len < 1024);
		assert_int_equal(quoted[0], '"');
		assert_int_equal(quoted[len - 1], '"');
		if (n > 1030)
			assert_string_equal(quoted + len - 4, "...\"");
	}
	memset(longer, 'x', sizeof longer - 1);
	const char *quoted = log_quote(longer);
	assert_string_equal(quoted + strlen(quoted) - 4, "...\"");
}

static void test_log_levels_have_names(void **state)
{
	enum log_level level = LOG__N;

	for (int i = 0; i < LOG__N; i++) {
		const char *name = log_level_name((enum log_level)i);
		assert_true(log_parse_level(name, &level));
		assert_int_equal(level, i);
	}
	assert_false(log_parse_level("loud", &level));
	assert_false(log_parse_level("", &level));
	assert_int_equal(level, LOG_ERROR); /* untouched */
}

static void log_three_lines(void *ctx)
{
	(void)ctx;
	log_event(LOG_INFO, "started", "n=%d path=%s", 3, LOG_Q("a b"));
	log_set_node("n1");
	log_event(LOG_DEBUG, "unseen", "n=1");
	log_set_level(LOG_DEBUG);
	log_event(LOG_DEBUG, "seen", "%s", "");
	log_set_level(LOG_WARN);
	log_event(LOG_INFO, "quiet", "n=1");
	log_event(LOG_ERROR, "raw", "text=%s", "one\ntwo");
}

/* Cut the stamp off, after a look at its form. */
static char *behind_stamp(char *line)
{
	assert_memory_equal(line, "ts=20", 5);
	assert_int_equal(line[3 + 10], 'T');
	assert_memory_equal(line + 3 + 26, "Z ", 2);
	return line + 3 + 28;
}

static void test_log_writes_one_line_for_one_event(void **state)
{
	char text[4096];

	int status = death_run(log_three_lines, NULL, text, sizeof text);

	assert_int_equal(status, 0);
	char *rest, *line = strtok_r(text, "\n", &rest);
	assert_string_equal(behind_stamp(line),
			    "level=info event=started n=3 path=\"a b\"");
	line = strtok_r(NULL, "\n", &rest);
	assert_string_equal(behind_stamp(line),
			    "level=debug node=n1 event=seen ");
	line = strtok_r(NULL, "\n", &rest);
	assert_string_equal(behind_stamp(line),
			    "level=error node=n1 event=raw text=one two");
	assert_null(strtok_r(NULL, "\n", &rest));
}

static void log_long_line(void *ctx)
{
	static char longer[3 * PIPE_BUF];

	(void)ctx;
	memset(longer, 'x', sizeof longer - 1);
	log_event(LOG_INFO, "long", "text=%s", longer);
	log_event(LOG_INFO, "next", "n=1");
}

static void test_log_cuts_a_long_line(void **state)
{
	static char text[3 * PIPE_BUF];

	death_run(log_long_line, NULL, text, sizeof text);

	char *next = strchr(text, '\n');
	assert_non_null(next);
	assert_true(next - text < PIPE_BUF);
	assert_non_null(strstr(next, "event=next n=1\n"));
}

static void log_as_journal(void *ctx)
{
	struct stat st;
	char stream[64];

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof stream, "%llu:%llu",
		 (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + *(unsigned *)ctx);
	setenv("JOURNAL_STREAM", stream, 1);
	log_set_level(LOG_DEBUG);
	log_event(LOG_DEBUG, "e", "n=1");
	log_event(LOG_INFO, "e", "n=1");
	log_event(LOG_WARN, "e", "n=1");
	log_event(LOG_ERROR, "e", "n=1");
}

static void test_log_has_priorities_for_the_journal(void **state)
{
	char text[4096];
	unsigned stranger = 0;

	death_run(log_as_journal, &stranger, text, sizeof text);
	assert_memory_equal(text, "<7>ts=", 6);
	assert_non_null(strstr(text, "\n<6>ts="));
	assert_non_null(strstr(text, "\n<4>ts="));
	assert_non_null(strstr(text, "\n<3>ts="));

	/* The variable is inherited, but stderr is not the journal's. */
	stranger = 1;
	death_run(log_as_journal, &stranger, text, sizeof text);
	assert_memory_equal(text, "ts=", 3);
}

enum { N_LINES = 200 };

static void *log_many(void *ctx)
{
	for (int i = 0; i < N_LINES; i++)
		log_event(LOG_INFO, "busy", "who=%s text=%s",
			  LOG_Q((const char *)ctx), LOG_Q("some more words"));
	return NULL;
}

static void log_from_threads(void *ctx)
{
	static char names[3][2] = {"a", "b", "c"};
	struct thread threads[3];

	(void)ctx;
	for (int i = 0; i < 3; i++)
		if (thread_start(&threads[i], "log", log_many, names[i], NULL))
			abort();
	for (int i = 0; i < 50; i++)
		log_set_node(i % 2 ? "n1" : "n2");
	for (int i = 0; i < 3; i++)
		thread_join(&threads[i]);
}

static void test_log_lines_of_threads_never_mix(void **state)
{
	static char text[1 << 18];
	int n_lines = 0;

	int status = death_run(log_from_threads, NULL, text, sizeof text);

	assert_int_equal(status, 0);
	char *rest, *line = strtok_r(text, "\n", &rest);
	for (; line; line = strtok_r(NULL, "\n", &rest)) {
		const char *tail = strstr(line, " event=busy who=");
		assert_memory_equal(line, "ts=", 3);
		assert_non_null(tail);
		assert_string_equal(tail + strlen(" event=busy who=x"),
				    " text=\"some more words\"");
		n_lines++;
	}
	assert_int_equal(n_lines, 3 * N_LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_quotes_only_what_needs_it),
		cmocka_unit_test(test_log_quote_stays_for_seven_calls),
		cmocka_unit_test(test_log_quote_cuts_what_is_too_long),
		cmocka_unit_test(test_log_levels_have_names),
		cmocka_unit_test(test_log_writes_one_line_for_one_event),
		cmocka_unit_test(test_log_cuts_a_long_line),
		cmocka_unit_test(test_log_has_priorities_for_the_journal),
		cmocka_unit_test(test_log_lines_of_threads_never_mix),
	};

	unsetenv("JOURNAL_STREAM");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
