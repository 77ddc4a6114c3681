/* conflict and dlq: lists, both versions, decisions that ask first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_work_node.h"

#define ONE "--endpoint ipc:///n1 "

static void start(struct fake *f, struct work *w)
{
	work_init(w);
	fake_init(f, work_answer);
	f->ctx = w;
}

static void end(struct fake *f, struct work *w)
{
	fake_clear(f);
	work_clear(w);
}

static int run_with_answer(struct fake *f, const char *line, const char *answer)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], answer, strlen(answer)), strlen(answer));
	close(fds[1]);
	f->world.in_fd = fds[0];
	f->world.is_in_tty = true;
	int rc = fake_run(f, line);
	close(fds[0]);
	f->world.is_in_tty = false;
	return rc;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* -- conflict -------------------------------------------------------------- */

static void test_the_list_begins_with_the_number(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "conflict list -n 1 -o tsv "
					  "--no-headers"),
			 EXIT_DONE);
	assert_out(&f, "44\tstock\titems\tsku=A-1001\tupdate\tparis\tqueue\t"
		       "open\t2026-11-21T05:30:00.000000Z\n");
	assert_int_equal(fake_run(&f, ONE "conflict list -o name"), EXIT_DONE);
	assert_out(&f, "40\n41\n42\n43\n44\n");
	end(&f, &w);
}

static void test_the_newest_are_shown_whatever_the_page(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "conflict list -n 3 -o name"),
			 EXIT_DONE);
	assert_out(&f, "42\n43\n44\n");
	assert_non_null(strstr(f.err, "the newest 3; --all shows all"));
	assert_int_equal(fake_run(&f, ONE "conflict list -n 2 -o name"),
			 EXIT_DONE);
	assert_out(&f, "43\n44\n");
	assert_int_equal(fake_run(&f, ONE "conflict list --open -o name"),
			 EXIT_DONE);
	assert_out(&f, "44\n");
	w.n_conflicts = 0;
	assert_int_equal(fake_run(&f, ONE "conflict list"), EXIT_DONE);
	assert_out(&f, "");
	assert_non_null(strstr(f.err, "there was none"));
	end(&f, &w);
}

static void test_both_versions_stand_side_by_side(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "conflict show 41 -o table"),
			 EXIT_DONE);
	assert_out(
		&f,
		"conflict  41   stock/items   sku=A-1001   update\n"
		"detected  2026-11-21 05:30:00.000 at index 841\n"
		"state     decided: the version of paris won\n"
		"rule      last-write-wins: paris wrote 21 ms later\n"
		"\n"
		"VERSION  MADE IN  WRITTEN                  INDEX  KNEW      "
		"  WON\n"
		"a        berlin   2026-11-21 05:29:59.980    840  berlin "
		"840  no\n"
		"b        paris    2026-11-21 05:30:00.001    841  paris 841 "
		"  yes\n"
		"\n"
		"FIELD  berlin    paris   DIFFERS\n"
		"sku    A-1001    A-1001  no\n"
		"name   Anvil XL  Amboss  yes\n"
		"qty    7         7       no\n");
	/* An open one says how to decide it. */
	assert_int_equal(fake_run(&f, ONE "conflict show c-44 -o table"),
			 EXIT_DONE);
	assert_non_null(strstr(f.out, "next      synodctl conflict resolve 44 "
				      "--pick berlin|paris\n"));
	end(&f, &w);
}

static void test_a_deleted_side_says_so(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	w.versions[1].is_delete = true;
	w.versions[1].n_cells = 1;
	assert_int_equal(fake_run(&f, ONE "conflict show 41 -o tsv"),
			 EXIT_DONE);
	assert_out(&f, "field\ta\tb\tdiffers\n"
		       "sku\tA-1001\tA-1001\tno\n"
		       "name\tAnvil XL\t(deleted)\tyes\n"
		       "qty\t7\t(deleted)\tyes\n");
	end(&f, &w);
}

static void test_a_conflict_that_is_not_there(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "conflict show 7"), EXIT_FAILED);
	assert_non_null(strstr(f.err, "[notfound]\nhint: synodctl conflict "
				      "list\n"));
	static const char *const wrong[] = {"0", "x", "4x", "-", "c-"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char line[64];
		snprintf(line, sizeof line, ONE "conflict show %s", wrong[i]);
		assert_int_equal(fake_run(&f, line), EXIT_USAGE);
	}
	end(&f, &w);
}

static void test_a_decision_shows_what_it_writes(void **state)
{
	struct work w;
	struct fake f;
	const char *line = ONE "conflict resolve 44 41 --pick berlin";

	start(&f, &w);
	assert_int_equal(run_with_answer(&f, line, "n\n"), EXIT_FAILED);
	assert_non_null(strstr(f.err,
			       "44 stock/items sku=A-1001: name = Anvil XL.\n"
			       "41 stock/items sku=A-1001: name = Anvil XL.\n"
			       "The version of berlin is written to all sides."
			       "\nGo on? [y/N] "));
	assert_int_equal(w.n_acts, 0);
	assert_int_equal(run_with_answer(&f, line, "y\n"), EXIT_DONE);
	assert_out(&f, "2 conflicts\tresolved\t902\tit is done\n");
	Synod__Admin__Request *asked = work_asked(&w);
	assert_int_equal(asked->resolve->n_ids, 2);
	assert_int_equal(asked->resolve->ids[0], 44);
	assert_string_equal(asked->resolve->connection, "berlin");
	assert_false(asked->resolve->is_forced);
	assert_true(strlen(asked->resolve->author) > 0);
	synod__admin__request__free_unpacked(asked, NULL);
	end(&f, &w);
}

static void test_yes_is_no_force(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "conflict resolve 44 --pick paris "
					  "--yes"),
			 EXIT_DONE);
	Synod__Admin__Request *asked = work_asked(&w);
	assert_false(asked->resolve->is_forced);
	synod__admin__request__free_unpacked(asked, NULL);
	assert_int_equal(fake_run(&f, ONE "conflict resolve 44 --pick paris "
					  "--yes --force"),
			 EXIT_DONE);
	asked = work_asked(&w);
	assert_true(asked->resolve->is_forced);
	synod__admin__request__free_unpacked(asked, NULL);
	assert_int_equal(fake_run(&f, ONE "conflict resolve 44 -y"),
			 EXIT_USAGE);
	end(&f, &w);
}

/* -- dlq ------------------------------------------------------------------- */

static void test_letters_say_what_the_target_said(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "dlq list"), EXIT_DONE);
	assert_out(&f, "17\tstock\tparis\titems\tsku=A-1001\tupdate\t"
		       "2026-11-21T05:30:00.000000Z\t\tdata\t"
		       "CHECK constraint failed: qty\n"
		       "18\tstock\tparis\titems\tsku=A-1001\tupdate\t"
		       "2026-11-21T05:30:00.000000Z\t17\t\t\n");
	assert_int_equal(fake_run(&f, ONE "dlq show 17 -o table"), EXIT_DONE);
	assert_non_null(strstr(f.out, "refused  CHECK constraint failed: qty  "
				      "[data]\n"));
	assert_int_equal(fake_run(&f, ONE "dlq show 18 -o table"), EXIT_DONE);
	assert_non_null(strstr(f.out, "waits    behind letter 17\n"));
	assert_non_null(strstr(f.out, "then: synodctl dlq replay 17\n"));
	end(&f, &w);
}

static void test_to_discard_the_name_must_be_typed(void **state)
{
	struct work w;
	struct fake f;
	const char *line = ONE "dlq discard 17";

	start(&f, &w);
	static const char *const wrong[] = {"y\n", "yes\n", "\n", "stoc\n"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(run_with_answer(&f, line, wrong[i]),
				 EXIT_FAILED);
		assert_int_equal(w.n_acts, 0);
	}
	assert_non_null(strstr(f.err, "17 stock -> paris: update items "
				      "sku=A-1001.\nThese changes, and"));
	assert_non_null(strstr(f.err, "are lost for that target"));
	assert_int_equal(run_with_answer(&f, line, "stock\n"), EXIT_DONE);
	Synod__Admin__Request *asked = work_asked(&w);
	assert_false(asked->letters_act->is_replay);
	assert_int_equal(asked->letters_act->ids[0], 17);
	synod__admin__request__free_unpacked(asked, NULL);
	/* Nobody at the terminal: the line to type. */
	assert_int_equal(fake_run(&f, line), EXIT_USAGE);
	assert_non_null(
		strstr(f.err, "hint: synodctl " ONE "dlq discard 17 --yes\n"));
	end(&f, &w);
}

static void test_replay_takes_numbers_or_all(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "dlq replay"), EXIT_USAGE);
	assert_int_equal(fake_run(&f, ONE "dlq replay 17 --all"), EXIT_USAGE);
	assert_int_equal(fake_run(&f, ONE "dlq replay 17 --sync stock"),
			 EXIT_USAGE);
	assert_int_equal(w.n_acts, 0);
	assert_int_equal(fake_run(&f, ONE "dlq replay --all --sync stock -y"),
			 EXIT_DONE);
	Synod__Admin__Request *asked = work_asked(&w);
	assert_true(asked->letters_act->all);
	assert_true(asked->letters_act->is_replay);
	assert_string_equal(asked->letters_act->sync, "stock");
	synod__admin__request__free_unpacked(asked, NULL);
	end(&f, &w);
}

/* -- events ---------------------------------------------------------------- */

static void test_events_can_be_chosen_by_type(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "events"), EXIT_DONE);
	assert_int_equal(count_lines(f.out), 2);
	assert_int_equal(fake_run(&f, ONE "events --type x,task_working"),
			 EXIT_DONE);
	assert_out(&f, "801\t2026-11-21T05:30:00.000000Z\ttask_working\tn2\t"
		       "0.021033\t0.004000\t0.002500\t0.061000\t\n");
	assert_int_equal(fake_run(&f, ONE "events --type task,leader_elected "
					  "-o table"),
			 EXIT_DONE);
	/* No phase of a task's fail-over: no column for it. */
	assert_null(strstr(f.out, "ASSIGN"));
	assert_null(strstr(f.out, "task_working"));
	end(&f, &w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_list_begins_with_the_number),
		cmocka_unit_test(test_the_newest_are_shown_whatever_the_page),
		cmocka_unit_test(test_both_versions_stand_side_by_side),
		cmocka_unit_test(test_a_deleted_side_says_so),
		cmocka_unit_test(test_a_conflict_that_is_not_there),
		cmocka_unit_test(test_a_decision_shows_what_it_writes),
		cmocka_unit_test(test_yes_is_no_force),
		cmocka_unit_test(test_letters_say_what_the_target_said),
		cmocka_unit_test(test_to_discard_the_name_must_be_typed),
		cmocka_unit_test(test_replay_takes_numbers_or_all),
		cmocka_unit_test(test_events_can_be_chosen_by_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
