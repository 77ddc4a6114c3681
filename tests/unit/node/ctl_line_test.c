/* The command line: flags, help, errors and their exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl_fixture.h"
#include "node/ctl/command.h"

static void no_node(struct fake *f, const char *url,
		    const Synod__Admin__Request *request,
		    Synod__Admin__Response *response)
{
	fail_msg("%s was asked", url);
}

static void assert_run(const char *line, int exit, const char *err)
{
	struct fake f;

	fake_init(&f, no_node);
	assert_int_equal(fake_run(&f, line), exit);
	assert_err(&f, err);
	assert_out(&f, "");
	fake_clear(&f);
}

static void test_a_wrong_line_says_what_was_meant(void **state)
{
	assert_run("statsu", EXIT_USAGE,
		   "synodctl: error: there is no command 'statsu'; did you "
		   "mean 'status'?  [usage]\nhint: synodctl help\n");
	assert_run("bla", EXIT_USAGE,
		   "synodctl: error: there is no command 'bla'  [usage]\n"
		   "hint: synodctl help\n");
	assert_run("node", EXIT_USAGE,
		   "synodctl: error: 'node' needs a verb  [usage]\n"
		   "hint: synodctl help\n");
	assert_run("log tial", EXIT_USAGE,
		   "synodctl: error: 'log' has no verb 'tial'; did you mean "
		   "'tail'?  [usage]\nhint: synodctl help\n");
	assert_run("status --exit-cod3", EXIT_USAGE,
		   "synodctl: error: unknown flag '--exit-cod3'; did you mean "
		   "'--exit-code'?  [usage]\nhint: synodctl help status\n");
	assert_run("-Z status", EXIT_USAGE,
		   "synodctl: error: unknown flag '-Z'  [usage]\n"
		   "hint: synodctl help\n");
	assert_run("status extra", EXIT_USAGE,
		   "synodctl: error: unexpected argument 'extra'  [usage]\n"
		   "hint: synodctl help status\n");
}

static void test_a_wrong_value_says_what_is_right(void **state)
{
	assert_run("status -o jsn", EXIT_USAGE,
		   "synodctl: error: --output: 'jsn' is not known; did you "
		   "mean 'json'?  [usage]\nhint: synodctl help status\n");
	assert_run("status --timeout 5", EXIT_USAGE,
		   "synodctl: error: --timeout: '5' is not a time from 1ms to "
		   "1h, such as 500ms or 5s  [usage]\n"
		   "hint: synodctl help status\n");
	assert_run("log tail -n x", EXIT_USAGE,
		   "synodctl: error: --count: 'x' is not a whole number  "
		   "[usage]\nhint: synodctl help log tail\n");
	assert_run("log tail -n", EXIT_USAGE,
		   "synodctl: error: -n needs a value  [usage]\n"
		   "hint: synodctl help log tail\n");
	assert_run("status --cert c", EXIT_USAGE,
		   "synodctl: error: --cert and --key go together  [usage]\n"
		   "hint: synodctl help status\n");
	assert_run("status --endpoint http://x", EXIT_USAGE,
		   "synodctl: error: endpoint 'http://x' is none of "
		   "ipc:///PATH, tcp://HOST:PORT, tls+tcp://HOST:PORT  "
		   "[usage]\nhint: synodctl help status\n");
	assert_run("status --endpoint tls+tcp://a:1,tls+tcp://b:1,tcp://c:1 "
		   "--server-name a,b",
		   EXIT_USAGE,
		   "synodctl: error: --server-name has fewer names than there "
		   "are endpoints  [usage]\nhint: synodctl help status\n");
}

static void test_streams_need_a_format_for_streams(void **state)
{
	struct fake f;

	fake_init(&f, no_node);
	assert_int_equal(fake_run(&f, "log tail --follow -o json"), EXIT_USAGE);
	assert_non_null(strstr(f.err, "use -o jsonl"));
	assert_int_equal(fake_run(&f, "events --follow -o json"), EXIT_USAGE);
	assert_int_equal(fake_run(&f, "status --watch -o json"), EXIT_USAGE);
	fake_clear(&f);
}

static void test_json_gets_an_envelope_even_for_a_wrong_line(void **state)
{
	struct fake f;

	fake_init(&f, no_node);
	assert_int_equal(fake_run(&f, "-o json node lst"), EXIT_USAGE);
	json_t *all = fake_json(&f);
	assert_true(json_is_false(json_object_get(all, "ok")));
	assert_true(json_is_null(json_object_get(all, "command")));
	json_t *error = json_object_get(all, "error");
	assert_string_equal(json_string_value(json_object_get(error, "code")),
			    "usage");
	json_decref(all);
	fake_clear(&f);
}

static void test_the_environment_stands_in_for_flags(void **state)
{
	struct fake f;

	fake_init(&f, no_node);
	f.down = "from-env";
	setenv("SYNODCTL_ENDPOINT", "tcp://from-env:1", 1);
	assert_int_equal(fake_run(&f, "status"), EXIT_ENVIRONMENT);
	assert_int_equal(f.n_dials, 1);
	/* A flag is stronger. */
	f.down = "flag";
	assert_int_equal(fake_run(&f, "--endpoint tcp://flag:1 status"),
			 EXIT_ENVIRONMENT);
	unsetenv("SYNODCTL_ENDPOINT");
	setenv("SYNODCTL_TIMEOUT", "soon", 1);
	assert_int_equal(fake_run(&f, "status"), EXIT_USAGE);
	assert_non_null(strstr(f.err, "SYNODCTL_TIMEOUT: --timeout: 'soon'"));
	unsetenv("SYNODCTL_TIMEOUT");
	fake_clear(&f);
}

static void test_help_goes_to_out_and_a_bare_call_to_err(void **state)
{
	struct fake f;

	fake_init(&f, no_node);
	assert_int_equal(fake_run(&f, "--help"), EXIT_DONE);
	assert_non_null(strstr(f.out, "Usage: synodctl"));
	assert_err(&f, "");
	assert_int_equal(fake_run(&f, "help"), EXIT_DONE);
	assert_non_null(strstr(f.out, "node transfer-leader"));
	assert_int_equal(fake_run(&f, "node --help"), EXIT_DONE);
	assert_non_null(strstr(f.out, "Usage: synodctl node VERB"));
	assert_int_equal(fake_run(&f, "help exit-codes"), EXIT_DONE);
	assert_non_null(strstr(f.out, "  5  reachable but unhealthy"));
	assert_int_equal(fake_run(&f, ""), EXIT_USAGE);
	assert_out(&f, "");
	assert_non_null(strstr(f.err, "Usage: synodctl"));
	assert_int_equal(fake_run(&f, "--version"), EXIT_DONE);
	assert_non_null(strstr(f.out, "synodctl " SYNOD_VERSION "\njansson "));
	assert_int_equal(fake_run(&f, "help nothing"), EXIT_USAGE);
	fake_clear(&f);
}

static void assert_narrow(const char *text)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		assert_true(len <= 80);
		line += len + (line[len] ? 1 : 0);
	}
}

static void test_every_command_has_help_with_an_example(void **state)
{
	struct fake f;

	fake_init(&f, no_node);
	for (size_t i = 0; commands[i]; i++) {
		const struct ctl_command *c = commands[i];
		char name[COMMAND_NAME_MAX];
		char line[COMMAND_NAME_MAX + 16];

		command_name(c, ' ', name);
		snprintf(line, sizeof line, "%s --help", name);
		assert_int_equal(fake_run(&f, line), EXIT_DONE);
		assert_non_null(strstr(f.out, c->summary));
		const char *examples = strstr(f.out, "\nExamples:\n  ");
		assert_non_null(examples);
		assert_non_null(strstr(examples, c->examples[0]));
		assert_narrow(f.out);
		/* The same by the other way. */
		char *first = strdup(f.out);
		snprintf(line, sizeof line, "help %s", name);
		assert_int_equal(fake_run(&f, line), EXIT_DONE);
		assert_out(&f, first);
		free(first);
	}
	fake_clear(&f);
}

static void assert_flags(const struct ctl_flag *flags)
{
	for (const struct ctl_flag *f = flags; f && f->name; f++) {
		assert_non_null(f->doc);
		assert_true(strlen(f->doc) > 5);
		assert_true((f->kind == FLAG_SWITCH) == (f->value == NULL));
		assert_true((f->kind == FLAG_WORD) == (f->words != NULL));
	}
}

static void test_every_flag_has_a_text_and_a_place(void **state)
{
	assert_flags(options_global);
	for (size_t i = 0; commands[i]; i++) {
		assert_flags(commands[i]->flags);
		assert_non_null(commands[i]->examples[0]);
		assert_non_null(commands[i]->run);
		assert_null(strchr(commands[i]->summary, '\n'));
	}
}

static void test_no_letter_means_two_things(void **state)
{
	for (size_t i = 0; commands[i]; i++)
		for (const struct ctl_flag *f = commands[i]->flags;
		     f && f->name; f++)
			for (const struct ctl_flag *g = options_global; g->name;
			     g++) {
				assert_string_not_equal(f->name, g->name);
				assert_true(!f->letter ||
					    f->letter != g->letter);
			}
}

static void test_codes_and_settings_are_explained(void **state)
{
	struct fake f;

	fake_init(&f, no_node);
	assert_int_equal(fake_run(&f, "explain not_leader"), EXIT_DONE);
	assert_out(&f, "not_leader\tThis node does not lead.\n");
	assert_int_equal(fake_run(&f, "explain config.unknown_key"), EXIT_DONE);
	assert_out(&f, "config.unknown_key\tNo setting has this name.\n");
	assert_int_equal(fake_run(&f, "explain raft.heartbeat"), EXIT_DONE);
	assert_non_null(strstr(f.out, "allowed  10ms to 20s\n"));
	assert_int_equal(fake_run(&f, "explain"), EXIT_DONE);
	assert_non_null(strstr(f.out, "unknown_fate\t"));
	assert_non_null(strstr(f.out, "\nusage\t"));
	assert_int_equal(fake_run(&f, "explain not_leadr"), EXIT_USAGE);
	assert_err(&f, "synodctl: error: no code or setting 'not_leadr'; did "
		       "you mean 'not_leader'?  [usage]\n"
		       "hint: synodctl explain\n");
	fake_clear(&f);
}

static void test_errors_of_a_kind_have_one_exit_code(void **state)
{
	assert_int_equal(ctl_exit_of(0), EXIT_DONE);
	assert_int_equal(ctl_exit_of(ERR_REFUSED), EXIT_FAILED);
	assert_int_equal(ctl_exit_of(ERR_NOT_LEADER), EXIT_FAILED);
	assert_int_equal(ctl_exit_of(ERR_UNKNOWN_FATE), EXIT_FAILED);
	assert_int_equal(ctl_exit_of(ERR_FULL), EXIT_FAILED);
	assert_int_equal(ctl_exit_of(ERR_INVALID), EXIT_USAGE);
	assert_int_equal(ctl_exit_of(ERR_LIMIT), EXIT_USAGE);
	assert_int_equal(ctl_exit_of(ERR_NETWORK), EXIT_ENVIRONMENT);
	assert_int_equal(ctl_exit_of(ERR_TLS), EXIT_ENVIRONMENT);
	assert_int_equal(ctl_exit_of(ERR_NO_LEADER), EXIT_ENVIRONMENT);
	assert_int_equal(ctl_exit_of(ERR_TIMEOUT), EXIT_ENVIRONMENT);
}

static void test_output_that_cannot_be_written_is_an_error(void **state)
{
	struct fake f;
	char *words[] = {(char[]){"synodctl"}, (char[]){"explain"}, NULL};

	fake_init(&f, no_node);
	f.world.out = fopen("/dev/full", "w");
	f.world.err = open_memstream(&f.err, &f.err_len);
	assert_non_null(f.world.out);
	assert_int_equal(ctl_main(&f.world, 2, words), EXIT_FAILED);
	fclose(f.world.out);
	fclose(f.world.err);
	assert_non_null(strstr(f.err, "writing the output: No space left"));
	fake_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_wrong_line_says_what_was_meant),
		cmocka_unit_test(test_a_wrong_value_says_what_is_right),
		cmocka_unit_test(test_streams_need_a_format_for_streams),
		cmocka_unit_test(
			test_json_gets_an_envelope_even_for_a_wrong_line),
		cmocka_unit_test(test_the_environment_stands_in_for_flags),
		cmocka_unit_test(test_help_goes_to_out_and_a_bare_call_to_err),
		cmocka_unit_test(test_every_command_has_help_with_an_example),
		cmocka_unit_test(test_every_flag_has_a_text_and_a_place),
		cmocka_unit_test(test_no_letter_means_two_things),
		cmocka_unit_test(test_codes_and_settings_are_explained),
		cmocka_unit_test(test_errors_of_a_kind_have_one_exit_code),
		cmocka_unit_test(
			test_output_that_cannot_be_written_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
