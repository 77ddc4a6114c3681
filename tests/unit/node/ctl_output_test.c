#include "node/ctl/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct column columns[] = {
	{"name", "NODE", COLUMN_TEXT, 0},
	{"applied_index", "APPLIED", COLUMN_NUMBER, 0},
	{"log_bytes", "LOG", COLUMN_BYTES, 0},
	{"uptime_s", "UP", COLUMN_SECONDS, 0},
	{"time", "TIME", COLUMN_TIME, 0},
	{"address", "ADDRESS", COLUMN_TEXT, COLUMN_IS_WIDE},
	{"id", NULL, COLUMN_NUMBER, COLUMN_IS_HIDDEN},
	{"text", "TEXT", COLUMN_TEXT, COLUMN_IS_LONG},
};
enum { N_COLUMNS = sizeof(columns) / sizeof(columns[0]) };

struct scene {
	struct output output;
	char *text;
	size_t len;
};

static void begin(struct scene *s, enum output_format format)
{
	FILE *file = open_memstream(&s->text, &s->len);

	assert_non_null(file);
	output_init(&s->output, file);
	s->output.format = format;
	s->output.has_header = true;
	output_begin(&s->output, columns, N_COLUMNS);
}

static void row(struct scene *s, const char *name, uint64_t applied,
		const char *text)
{
	struct cell cells[N_COLUMNS] = {
		cell_text(name),
		cell_number(applied),
		cell_number(3328599654),
		cell_number(22320000000),
		cell_number(1795162742120033),
		cell_text("10.0.0.1:41001"),
		cell_number(7),
		text ? cell_text(text) : cell_none(),
	};
	output_row(&s->output, cells);
}

static void assert_text(struct scene *s, const char *expected)
{
	fclose(s->output.file);
	assert_string_equal(s->text, expected);
	output_clear(&s->output);
	free(s->text);
}

static void test_a_table_is_aligned_and_readable(void **state)
{
	struct scene s;

	begin(&s, OUTPUT_TABLE);
	row(&s, "n1", 5, "a");
	row(&s, "node-2", 91884, NULL);
	output_end(&s.output, "node.list", NULL);
	assert_text(
		&s,
		"NODE    APPLIED      LOG     UP  TIME                 TEXT\n"
		"n1            5  3.1 GiB  6h12m  2026-11-20 08:19:02  a\n"
		"node-2    91884  3.1 GiB  6h12m  2026-11-20 08:19:02  -\n");
}

static void test_wide_has_every_column_with_a_title(void **state)
{
	struct scene s;

	begin(&s, OUTPUT_WIDE);
	row(&s, "n1", 5, "a");
	output_end(&s.output, "node.list", NULL);
	assert_text(&s, "NODE  APPLIED      LOG     UP  TIME                 "
			"ADDRESS         TEXT\n"
			"n1          5  3.1 GiB  6h12m  2026-11-20 08:19:02  "
			"10.0.0.1:41001  a\n");
}

static void test_tsv_is_raw_and_escaped(void **state)
{
	struct scene s;

	begin(&s, OUTPUT_TSV);
	row(&s, "n1", 5, "a\tb\nc\\d");
	row(&s, "n2", 6, NULL);
	output_end(&s.output, "node.list", NULL);
	assert_text(&s, "name\tapplied_index\tlog_bytes\tuptime_s\ttime\t"
			"text\n"
			"n1\t5\t3328599654\t22320.000000\t"
			"2026-11-20T08:19:02.120033Z\ta\\tb\\nc\\\\d\n"
			"n2\t6\t3328599654\t22320.000000\t"
			"2026-11-20T08:19:02.120033Z\t\n");
}

static void test_names_are_the_first_column(void **state)
{
	struct scene s;

	begin(&s, OUTPUT_NAME);
	row(&s, "n1", 5, "a");
	row(&s, "n2", 5, "b");
	output_end(&s.output, "node.list", NULL);
	assert_text(&s, "n1\nn2\n");
}

static void test_jsonl_is_an_object_a_row(void **state)
{
	struct scene s;

	begin(&s, OUTPUT_JSONL);
	row(&s, "n1", 5, "\"a\"");
	row(&s, "n2", 6, "not utf-8: \xff");
	output_end(&s.output, "node.list", NULL);
	assert_text(
		&s,
		"{\"name\":\"n1\",\"applied_index\":5,\"log_bytes\":3328599654,"
		"\"uptime_s\":22320.0,\"time\":\"2026-11-20T08:19:02.120033Z\","
		"\"address\":\"10.0.0.1:41001\",\"id\":7,"
		"\"text\":\"\\\"a\\\"\"}\n"
		"{\"name\":\"n2\",\"applied_index\":6,\"log_bytes\":3328599654,"
		"\"uptime_s\":22320.0,\"time\":\"2026-11-20T08:19:02.120033Z\","
		"\"address\":\"10.0.0.1:41001\",\"id\":7,\"text\":null}\n");
}

static void test_json_is_one_envelope(void **state)
{
	static const struct column few[] = {
		{"name", "NODE", COLUMN_TEXT, 0},
		{"elect_s", "ELECT", COLUMN_SECONDS, 0},
	};
	struct scene s;

	begin(&s, OUTPUT_JSON);
	output_begin(&s.output, few, 2);
	output_summary(&s.output, "health", json_string("OK"));
	struct cell cells[] = {cell_text("n1"), cell_number(100000)};
	output_row(&s.output, cells);
	output_end(&s.output, "node.list", NULL);
	assert_text(&s, "{\n"
			"  \"command\": \"node.list\",\n"
			"  \"ok\": true,\n"
			"  \"summary\": {\n"
			"    \"health\": \"OK\"\n"
			"  },\n"
			"  \"result\": [\n"
			"    {\n"
			"      \"name\": \"n1\",\n"
			"      \"elect_s\": 0.1\n"
			"    }\n"
			"  ],\n"
			"  \"error\": null\n"
			"}\n");
}

static void test_an_error_is_part_of_the_envelope(void **state)
{
	struct scene s;
	struct output_error error = {"not_leader", "n2 does not lead", NULL};

	begin(&s, OUTPUT_JSON);
	output_end(&s.output, "node.list", &error);
	assert_text(&s, "{\n"
			"  \"command\": \"node.list\",\n"
			"  \"ok\": false,\n"
			"  \"summary\": {},\n"
			"  \"result\": [],\n"
			"  \"error\": {\n"
			"    \"code\": \"not_leader\",\n"
			"    \"text\": \"n2 does not lead\",\n"
			"    \"hint\": null\n"
			"  }\n"
			"}\n");
}

static void test_a_stream_has_one_header(void **state)
{
	static const struct column few[] = {
		{"index", "INDEX", COLUMN_NUMBER, 0},
		{"detect_s", "DETECT", COLUMN_SECONDS, 0},
		{"node", "NODE", COLUMN_TEXT, 0},
		{"type", "TYPE", COLUMN_TEXT, 0},
	};
	struct scene s;

	begin(&s, OUTPUT_TABLE);
	output_begin(&s.output, few, 4);
	output_reserve(&s.output, 2, 6);
	struct cell first[] = {cell_number(10000000), cell_number(5000000),
			       cell_text("n1"), cell_text("append")};
	output_row(&s.output, first);
	output_flush(&s.output);
	struct cell second[] = {cell_number(1), cell_none(),
				cell_text("node-2"), cell_text("event")};
	output_row(&s.output, second);
	output_end(&s.output, "log.tail", NULL);
	assert_text(&s, "   INDEX  DETECT  NODE    TYPE\n"
			"10000000   5.0 s  n1      append\n"
			"       1       -  node-2  event\n");
}

static void test_a_list_aside_is_a_table_and_an_array(void **state)
{
	static const struct column few[] = {
		{"task", "TASK", COLUMN_TEXT, 0},
		{"paused", "PAUSED", COLUMN_BOOL, COLUMN_IS_SPARSE},
		{"rate", "RATE", COLUMN_RATE, 0},
		{"sides", "SIDES", COLUMN_LIST, 0},
	};
	static const enum output_format formats[] = {OUTPUT_TABLE, OUTPUT_TSV,
						     OUTPUT_JSON};
	static const char *const expected[] = {
		"TASK  RATE  SIDES\n"
		"a      0.2  x: t, y: t\n"
		"NODE  APPLIED      LOG     UP  TIME                 TEXT\n"
		"n1          5  3.1 GiB  6h12m  2026-11-20 08:19:02  a\n",
		"n1\t5\t3328599654\t22320.000000\t"
		"2026-11-20T08:19:02.120033Z\ta\n",
		"{\n"
		"  \"command\": \"x\",\n"
		"  \"ok\": true,\n"
		"  \"summary\": {\n"
		"    \"tasks\": [\n"
		"      {\n"
		"        \"task\": \"a\",\n"
		"        \"paused\": false,\n"
		"        \"rate\": 0.25,\n"
		"        \"sides\": [\n"
		"          \"x: t\",\n"
		"          \"y: t\"\n"
		"        ]\n"
		"      }\n"
		"    ]\n"
		"  },\n"
		"  \"result\": []",
	};

	for (size_t i = 0; i < 3; i++) {
		struct scene s;
		begin(&s, formats[i]);
		s.output.is_header_done = true; /* begin wrote one */
		rewind(s.output.file);
		output_begin(&s.output, columns, N_COLUMNS);
		output_aside_begin(&s.output, "tasks", few, 4);
		struct cell cells[] = {cell_text("a"), cell_bool(false),
				       cell_rate(0.25),
				       cell_text("x: t\ny: t")};
		output_row(&s.output, cells);
		output_aside_end(&s.output);
		if (formats[i] != OUTPUT_JSON)
			row(&s, "n1", 5, "a");
		output_end(&s.output, "x", NULL);
		fclose(s.output.file);
		assert_memory_equal(s.text, expected[i], strlen(expected[i]));
		output_clear(&s.output);
		free(s.text);
	}
}

static void test_the_last_column_is_cut_on_a_terminal(void **state)
{
	static const struct column few[] = {
		{"index", "INDEX", COLUMN_NUMBER, 0},
		{"text", "TEXT", COLUMN_TEXT, COLUMN_IS_LONG},
	};
	struct scene s;
	struct cell cells[] = {
		cell_number(1),
		cell_text("0123456789012345678901234567890123456789")};

	begin(&s, OUTPUT_TABLE);
	s.output.is_terminal = true;
	s.output.width = 20;
	output_begin(&s.output, few, 2);
	output_row(&s.output, cells);
	output_end(&s.output, "log.tail", NULL);
	fclose(s.output.file);
	size_t longest = 0;
	for (char *line = s.text; line;) {
		char *next = strchr(line, '\n');
		size_t len = next ? (size_t)(next - line) : strlen(line);
		longest = len > longest ? len : longest;
		line = next ? next + 1 : NULL;
	}
	assert_true(longest <= 20);
	assert_true(longest > 10);
	output_clear(&s.output);
	free(s.text);
}

static void test_states_have_a_colour_when_wanted(void **state)
{
	static const struct column few[] = {
		{"state", "STATE", COLUMN_TEXT, COLUMN_IS_STATE},
		{"text", "TEXT", COLUMN_TEXT, 0},
	};
	struct cell cells[] = {cell_text("unreachable"),
			       cell_text("unreachable")};
	struct scene s;

	begin(&s, OUTPUT_TABLE);
	s.output.has_color = true;
	s.output.has_header = false;
	output_begin(&s.output, few, 2);
	output_row(&s.output, cells);
	output_end(&s.output, "x", NULL);
	assert_text(&s, "\x1b[31munreachable\x1b[0m  unreachable\n");
}

static void test_durations_are_short(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} cases[] = {
		{0, "0 us"},
		{850, "850 us"},
		{1200, "1.2 ms"},
		{4200000, "4.2 s"},
		{45000000, "45 s"},
		{200000000, "3m20s"},
		{22320000000, "6h12m"},
		{1641600000000, "19d0h"},
	};
	char buf[OUTPUT_TEXT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		output_put_duration(cases[i].us, buf);
		assert_string_equal(buf, cases[i].text);
	}
}

static void test_bytes_have_a_unit(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1.0 KiB"},
		{1048575, "1.0 MiB"},
		{1048576, "1.0 MiB"},
		{68719476736, "64.0 GiB"},
		{UINT64_MAX, "16777216.0 TiB"},
	};
	char buf[OUTPUT_TEXT_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		output_put_bytes(cases[i].bytes, buf);
		assert_string_equal(buf, cases[i].text);
	}
}

static bool is_plain(const char *text)
{
	return output_is_plain((const uint8_t *)text, strlen(text));
}

static void test_only_text_is_plain(void **state)
{
	assert_true(is_plain(""));
	assert_true(is_plain("gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac "
			     "\xf0\x9f\x98\x80\n"));
	assert_false(is_plain("\x1b[2J"));
	assert_false(is_plain("\xc2\x9b"));         /* C1 control */
	assert_false(is_plain("\xc0\xaf"));         /* too long */
	assert_false(is_plain("\xe0\x80\xaf"));     /* too long */
	assert_false(is_plain("\xed\xa0\x80"));     /* surrogate */
	assert_false(is_plain("\xf4\x90\x80\x80")); /* beyond Unicode */
	assert_false(is_plain("\xe2\x82"));         /* cut */
	assert_false(output_is_plain((const uint8_t *)"a\0b", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_table_is_aligned_and_readable),
		cmocka_unit_test(test_wide_has_every_column_with_a_title),
		cmocka_unit_test(test_tsv_is_raw_and_escaped),
		cmocka_unit_test(test_names_are_the_first_column),
		cmocka_unit_test(test_jsonl_is_an_object_a_row),
		cmocka_unit_test(test_json_is_one_envelope),
		cmocka_unit_test(test_an_error_is_part_of_the_envelope),
		cmocka_unit_test(test_a_stream_has_one_header),
		cmocka_unit_test(test_a_list_aside_is_a_table_and_an_array),
		cmocka_unit_test(test_the_last_column_is_cut_on_a_terminal),
		cmocka_unit_test(test_states_have_a_colour_when_wanted),
		cmocka_unit_test(test_durations_are_short),
		cmocka_unit_test(test_bytes_have_a_unit),
		cmocka_unit_test(test_only_text_is_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
