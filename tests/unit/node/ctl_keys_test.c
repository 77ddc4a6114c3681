/* Every command with -o json: the keys are a promise to scripts. They stand in
 * ctl_keys.txt, a line a key; whoever changes them changes that file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_work_node.h"
#include "node/ctl/command.h"

/* How to call what needs arguments; the others are called bare. */
static const struct {
	const char *name, *args;
} calls[] = {
	{"sync show", "stock"},
	{"sync pause", "stock"},
	{"sync resume", "stock"},
	{"sync move", "berlin/capture --to n3"},
	{"conflict show", "41"},
	{"conflict resolve", "44 --pick paris"},
	{"dlq show", "17"},
	{"dlq replay", "17"},
	{"dlq discard", "17"},
	{"config validate", "FILE"},
	{"config plan", "FILE"},
	{"config apply", "FILE"},
	{"config rollback", "2"},
	{"connection test", "paris"},
	{"connection schema", "paris items"},
	{"node drain", "n1"},
	{"node undrain", "n1"},
	{"log append", "x"},
};

static const char definition[] = "synod: 1\n"
				 "connections:\n"
				 "  berlin: { type: sqlite, path: /srv/a.db }\n"
				 "  paris: { type: sqlite, path: /srv/b.db }\n"
				 "syncs:\n"
				 "  stock:\n"
				 "    between: [berlin, paris]\n"
				 "    tables: [items]\n";

static const char *write_definition(void)
{
	static char path[40];
	snprintf(path, sizeof path, "/tmp/synod-ctl-keys-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, definition, sizeof definition - 1),
			 sizeof definition - 1);
	close(fd);
	return path;
}

/* -- keys ------------------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "status summary.problems[].text", a line a leaf, sorted. */
struct keys {
	const char *command;
	FILE *out;
};

static void add_keys(const struct keys *k, const json_t *value,
		     const char *path)
{
	const char *names[64];
	size_t n = 0;
	const char *name = NULL;
	json_t *child = NULL;
	char longer[256];

	if (json_is_array(value)) {
		snprintf(longer, sizeof longer, "%s[]", path);
		if (json_array_size(value) == 0)
			fprintf(k->out, "%s %s\n", k->command, longer);
		else
			add_keys(k, json_array_get(value, 0), longer);
		return;
	}
	if (!json_is_object(value)) {
		fprintf(k->out, "%s %s\n", k->command, path);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)value, name, child)
		names[n++] = name;
	qsort(names, n, sizeof names[0], by_text);
	for (size_t i = 0; i < n; i++) {
		snprintf(longer, sizeof longer, "%s.%s", path, names[i]);
		add_keys(k, json_object_get(value, names[i]), longer);
	}
}

static void call_line(const struct ctl_command *command, const char *file,
		      char *line, size_t len)
{
	char name[COMMAND_NAME_MAX];
	const char *args = "";

	command_name(command, ' ', name);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			args = calls[i].args;
	snprintf(line, len, "--endpoint ipc:///n1 -q -y -o json %s %s", name,
		 strcmp(args, "FILE") == 0 ? file : args);
}

static void describe(const struct ctl_command *command, const char *file,
		     FILE *out)
{
	struct work w;
	struct fake f;
	char name[COMMAND_NAME_MAX];
	char line[512];

	work_init(&w);
	w.sync.letters = 1; /* so that a problem has keys */
	fake_init(&f, work_answer);
	f.ctx = &w;
	command_name(command, '.', name);
	call_line(command, file, line, sizeof line);
	if (fake_run(&f, line) != EXIT_DONE)
		fail_msg("%s: %s", line, f.err);
	json_t *all = fake_json(&f);
	assert_true(json_is_true(json_object_get(all, "ok")));
	assert_string_equal(json_string_value(json_object_get(all, "command")),
			    name);
	struct keys keys = {name, out};
	add_keys(&keys, json_object_get(all, "summary"), "summary");
	add_keys(&keys, json_object_get(all, "result"), "result");
	json_decref(all);
	fake_clear(&f);
	work_clear(&w);
}

/* -- the promise ----------------------------------------------------------- */

static char *read_promise(void)
{
	FILE *file = fopen(SYNOD_CTL_KEYS, "r");
	char *text = NULL;
	size_t cap = 0;

	assert_non_null(file);
	assert_true(getdelim(&text, &cap, '\0', file) > 0);
	fclose(file);
	return text;
}

static bool has_line(const char *text, const char *line, size_t len)
{
	for (const char *at = text; *at;) {
		size_t n = strcspn(at, "\n");
		if (n == len && strncmp(at, line, len) == 0)
			return true;
		at += n + (at[n] ? 1 : 0);
	}
	return false;
}

/* Lines of a that b has not, marked. */
static size_t print_missing(const char *a, const char *b, char mark)
{
	size_t n_missing = 0;

	for (const char *at = a; *at;) {
		size_t n = strcspn(at, "\n");
		if (!has_line(b, at, n)) {
			print_message("%c %.*s\n", mark, (int)n, at);
			n_missing++;
		}
		at += n + (at[n] ? 1 : 0);
	}
	return n_missing;
}

static void test_every_command_keeps_its_keys(void **state)
{
	const char *file = write_definition();
	char *promise = read_promise();
	char *is = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&is, &len);

	for (size_t i = 0; commands[i]; i++)
		if (commands[i] != &command_help) /* it is text */
			describe(commands[i], file, out);
	fclose(out);
	unlink(file);
	if (print_missing(is, promise, '+') + print_missing(promise, is, '-'))
		fail_msg("+ is not promised, - is promised and "
			 "gone: " SYNOD_CTL_KEYS);
	free(is);
	free(promise);
}

/* jsonl says the same, a line each. */
static void test_every_command_has_jsonl(void **state)
{
	const char *file = write_definition();

	for (size_t i = 0; commands[i]; i++) {
		struct work w;
		struct fake f;
		char line[512];
		json_error_t error;
		if (commands[i] == &command_help)
			continue;
		work_init(&w);
		fake_init(&f, work_answer);
		f.ctx = &w;
		call_line(commands[i], file, line, sizeof line);
		char *format = strstr(line, "-o json ");
		memcpy(format, "-ojsonl ", 8);
		assert_int_equal(fake_run(&f, line), EXIT_DONE);
		char *rest = NULL;
		for (char *at = strtok_r(f.out, "\n", &rest); at;
		     at = strtok_r(NULL, "\n", &rest)) {
			json_t *row = json_loads(at, 0, &error);
			if (!row)
				fail_msg("%s: %s", line, at);
			json_decref(row);
		}
		fake_clear(&f);
		work_clear(&w);
	}
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_command_keeps_its_keys),
		cmocka_unit_test(test_every_command_has_jsonl),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
