/* What a running node does when it is told something by a signal. */
#include "tests/it/node/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PATH_SIZE = 600 };

static void node_file(struct fleet *f, unsigned i, char path[PATH_SIZE])
{
	char name[16];

	snprintf(name, sizeof(name), "/n%u.yaml", i + 1);
	join(path, PATH_SIZE, fleet_dir(f), name);
}

static void add_line(struct fleet *f, unsigned i, const char *line)
{
	char path[PATH_SIZE];

	node_file(f, i, path);
	FILE *out = fopen(path, "ae");
	assert_non_null(out);
	fprintf(out, "%s\n", line);
	assert_int_equal(fclose(out), 0);
}

static void wait_log(struct fleet *f, unsigned i, const char *text)
{
	struct timespec pause = {.tv_nsec = 10000000};

	for (int k = 0; k < WAIT_MS / 10; k++) {
		if (file_says(fleet_log(f, i), text))
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("the log never says \"%s\"", text);
}

static void test_hup_takes_what_can_change(void **state)
{
	struct fleet *f = fleet_of(1, NULL);

	fleet_up(f);
	add_line(f, 0, "log_level: debug");
	add_line(f, 0, "raft: { election: 900ms }");
	kill(fleet_pid(f, 0), SIGHUP);
	wait_log(f, 0, "event=reloaded log_level=debug");
	assert_true(file_says(fleet_log(f, 0), "setting=raft"));
	append_values(f, 0, (struct values){0, 3, 64});
	fleet_close(f);
}

static void test_hup_with_a_wrong_file_changes_nothing(void **state)
{
	struct fleet *f = fleet_of(1, NULL);

	fleet_up(f);
	add_line(f, 0, "log_level: shouting");
	kill(fleet_pid(f, 0), SIGHUP);
	wait_log(f, 0, "event=reload_failed");
	assert_true(file_says(fleet_log(f, 0), "'shouting'"));
	append_values(f, 0, (struct values){0, 3, 64});
	fleet_close(f);
}

static void test_usr2_writes_the_state_to_the_log(void **state)
{
	struct fleet *f = fleet_of(3, NULL);

	unsigned leader = fleet_up(f);
	kill(fleet_pid(f, leader), SIGUSR2);
	wait_log(f, leader, "event=dump_node phase=running");
	wait_log(f, leader, "event=dump_log");
	wait_log(f, leader, "event=dump_member member=n3 connected=yes");
	fleet_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hup_takes_what_can_change),
		cmocka_unit_test(test_hup_with_a_wrong_file_changes_nothing),
		cmocka_unit_test(test_usr2_writes_the_state_to_the_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
