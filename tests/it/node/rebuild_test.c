/* A node that has lost its disk comes back empty and is rebuilt from the
 * others; until the cluster has admitted its new data directory it does not
 * count. */
#include "tests/it/node/support.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void lose_disk(struct fleet *f, unsigned i)
{
	fleet_kill(f, i);
	remove_tree(fleet_data(f, i));
}

static void test_empty_disk_is_rebuilt_from_the_log(void **state)
{
	struct fleet *f = fleet_of(3, NULL);
	struct err e = {0};

	unsigned leader = fleet_up(f);
	unsigned lost = (leader + 1) % 3, other = (leader + 2) % 3;
	append_values(f, leader, (struct values){0, 300, 200});
	lose_disk(f, lost);
	append_values(f, leader, (struct values){300, 100, 200});
	must(fleet_start(f, lost, &e), &e);
	must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
	fleet_equal(f);
	expect_values(f, lost, (struct values){0, 400, 200});
	assert_true(has_event(f, lost, "member_rebuilt", fleet_name(f, lost)));
	wait_state(f, lost, "follower");
	/* It counts again: without the third node they are a quorum. */
	fleet_kill(f, other);
	must(fleet_wait_leader(f, WAIT_MS, &leader, &e), &e);
	append_values(f, leader, (struct values){400, 50, 200});
	fleet_close(f);
}

/* Every node loses its disk, one after the other: nothing is lost. */
static void test_disks_are_lost_one_after_the_other(void **state)
{
	struct fleet *f = fleet_of(3, NULL);
	struct err e = {0};

	unsigned leader = fleet_up(f);
	append_values(f, leader, (struct values){0, 100, 64});
	for (unsigned i = 0; i < 3; i++) {
		lose_disk(f, i);
		must(fleet_start(f, i, &e), &e);
		must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
		wait_event(f, i, "member_rebuilt", fleet_name(f, i));
		wait_state(f, i, i == leader ? "leader" : "follower");
	}
	fleet_equal(f);
	for (unsigned i = 0; i < 3; i++)
		expect_values(f, i, (struct values){0, 100, 64});
	fleet_close(f);
}

/* A small quota: the log forgets its beginning, so only an image of the state
 * can bring an empty node back. */
static void test_empty_disk_is_rebuilt_by_an_image(void **state)
{
	struct fleet *f = fleet_of(3, "limits: { log: 16MiB, state: 16MiB }");
	struct err e = {0};

	unsigned leader = fleet_up(f);
	unsigned lost = (leader + 1) % 3;
	append_values(f, leader, (struct values){0, 48 * 16, 32 << 10});
	lose_disk(f, lost);
	append_values(f, leader, (struct values){768, 48 * 16, 32 << 10});
	must(fleet_start(f, lost, &e), &e);
	must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
	fleet_equal(f);
	wait_state(f, lost, "follower");
	assert_true(file_says(fleet_log(f, lost), "event=image_install"));
	Synod__Admin__Response *answer = status_of(f, lost);
	assert_true(answer->status->self->first_index > 1000);
	answer_free(answer);
	append_values(f, lost, (struct values){5000, 16, 32 << 10});
	/* And once more from its own disk. */
	fleet_kill(f, lost);
	must(fleet_start(f, lost, &e), &e);
	must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
	fleet_equal(f);
	fleet_close(f);
}

/* Away while more was written than any memory holds, and than the log keeps. */
static void test_long_absence_is_caught_up(void **state)
{
	struct fleet *f = fleet_of(3, "limits: { log: 16MiB, state: 16MiB }");
	struct err e = {0};

	unsigned leader = fleet_up(f);
	unsigned away = (leader + 1) % 3;
	append_values(f, leader, (struct values){0, 64, 1000});
	fleet_kill(f, away);
	append_values(f, leader, (struct values){64, 96 * 16, 32 << 10});
	must(fleet_start(f, away, &e), &e);
	must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
	fleet_equal(f);
	fleet_close(f);
}

/* A directory that was replaced never speaks again. */
static void test_replaced_directory_is_refused(void **state)
{
	struct fleet *f = fleet_of(3, NULL);
	struct err e = {0};
	char old[512], set_aside[512];

	unsigned leader = fleet_up(f);
	unsigned lost = (leader + 1) % 3;
	append_values(f, leader, (struct values){0, 50, 64});
	fleet_kill(f, lost);
	join(old, sizeof(old), fleet_data(f, lost), "");
	join(set_aside, sizeof(set_aside), old, ".old");
	assert_int_equal(rename(old, set_aside), 0);
	must(fleet_start(f, lost, &e), &e);
	must(fleet_wait_ready(f, WAIT_MS, &leader, &e), &e);
	wait_event(f, leader, "member_rebuilt", fleet_name(f, lost));
	fleet_kill(f, lost);
	remove_tree(old);
	assert_int_equal(rename(set_aside, old), 0);
	must(fleet_start(f, lost, &e), &e);
	append_values(f, leader, (struct values){50, 50, 64});
	bool is_refused = false;
	for (int i = 0; i < 200 && !is_refused; i++) {
		struct timespec pause = {.tv_nsec = 50000000};
		nanosleep(&pause, NULL);
		is_refused = file_says(fleet_log(f, leader),
				       "comes with another data directory");
	}
	assert_true(is_refused);
	Synod__Admin__Response *answer = status_of(f, leader);
	for (size_t k = 0; k < 3; k++) {
		if (strcmp(answer->status->nodes[k]->name,
			   fleet_name(f, lost)) == 0)
			assert_true(answer->status->nodes[k]->last_index <
				    answer->status->self->last_index);
	}
	answer_free(answer);
	fleet_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_disk_is_rebuilt_from_the_log),
		cmocka_unit_test(test_disks_are_lost_one_after_the_other),
		cmocka_unit_test(test_empty_disk_is_rebuilt_by_an_image),
		cmocka_unit_test(test_long_absence_is_caught_up),
		cmocka_unit_test(test_replaced_directory_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
