/* status, sync, drain, doctor: what runs, and what is wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_work_node.h"

#define ALL "--endpoint ipc:///n1,ipc:///n2,ipc:///n3 "
#define ONE "--endpoint ipc:///n1 "

static void start(struct fake *f, struct work *w)
{
	work_init(w);
	fake_init(f, work_answer);
	f->ctx = w;
	f->world.now_us = WORK_NOW_US;
}

static void end(struct fake *f, struct work *w)
{
	fake_clear(f);
	work_clear(w);
}

static void assert_says(struct fake *f, const char *text)
{
	if (!strstr(f->out, text))
		fail_msg("'%s' is not in:\n%s", text, f->out);
}

/* -- status ---------------------------------------------------------------- */

static void test_one_screen_shows_syncs_and_nodes(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ALL "-o table status --exit-code"),
			 EXIT_DONE);
	assert_out(
		&f,
		"cluster  demo   3 nodes   leader n2 (term 14)   config rev 3 "
		"(alice, 2h5m ago)\n"
		"health   OK\n"
		"\n"
		"SYNC   SIDES                               STATE    OWNER     "
		"  LAG-P50       P99  CHANGES/S  OPEN  DLQ\n"
		"stock  berlin (sqlite) <-> paris (sqlite)  running  n1, n2, "
		"n3  38.0 ms  210.0 ms        412     0    0\n"
		"\n"
		"NODE  ROLE   STATE     TASKS  TERM  APPLIED  BEHIND      LOG  "
		"   UP\n"
		"n1    voter  follower      2    14      900       0  3.0 GiB  "
		"6h12m\n"
		"n2    voter  leader        1    14      900       0  3.0 GiB  "
		"6h12m\n"
		"n3    voter  follower      1    14      900       0  3.0 GiB  "
		"6h12m\n");
	end(&f, &w);
}

/* The screen says `says`, and what to type. */
static void assert_problem(struct work *w, const char *health, const char *says)
{
	struct fake f;

	fake_init(&f, work_answer);
	f.ctx = w;
	fake_run(&f, ALL "-o table status");
	assert_says(&f, health);
	assert_says(&f, says);
	fake_clear(&f);
}

static void test_each_trouble_with_work_has_its_sentence(void **state)
{
	struct work w;

	work_init(&w);
	work_text(&w.tasks[3].state, "blocked");
	work_text(&w.tasks[3].problem, "schema: column qty is gone");
	work_text(&w.tasks[3].hint, "synodctl config apply -f FILE");
	assert_problem(&w, "health   CRIT   1 problem\n",
		       "problem  stock/paris/apply stands still until this is "
		       "repaired: schema: column qty is gone\n"
		       "next     synodctl config apply -f FILE\n");
	work_init(&w);
	work_text(&w.tasks[0].state, "retrying");
	work_text(&w.tasks[0].problem, "network: connection refused");
	assert_problem(
		&w, "health   WARN   1 problem\n",
		"problem  berlin/capture tries again and again: network: "
		"connection refused\nnext     synodctl sync show ");
	/* That the database is away is said once, not for each task. */
	w.connections[0].n_unreachable_from = 2;
	assert_problem(&w, "health   WARN   1 problem\n",
		       "problem  berlin is not reached from n1, n3: network: "
		       "connection refused\n"
		       "next     synodctl connection test berlin\n");
	work_init(&w);
	work_text(&w.tasks[1].state, "unassigned");
	work_text(&w.tasks[1].node, "");
	assert_problem(&w, "health   WARN   1 problem\n",
		       "problem  no node does paris/capture\n"
		       "next     synodctl node list\n");
	work_init(&w);
	w.sync.letters = 2;
	w.sync.conflicts_open = 1;
	assert_problem(
		&w, "health   WARN   2 problems\n",
		"problem  stock: 2 changes in the dead letter queue: the "
		"target refused them\n"
		"next     synodctl dlq list stock\n"
		"\n"
		"problem  stock: 1 conflict is for a person to decide\n"
		"next     synodctl conflict list --open stock\n");
	work_init(&w);
	work_text(&w.sync.state, "paused");
	work_text(&w.sync.problem, "paused: repairs");
	assert_problem(&w, "health   WARN   1 problem\n",
		       "problem  stock is paused: repairs; its changes wait in "
		       "the log\n"
		       "next     synodctl sync resume stock\n");
	work_init(&w);
	w.table.is_paused = true;
	work_text(&w.table.reason, "a column is gone");
	assert_problem(&w, "health   WARN   1 problem\n",
		       "problem  table items of stock is paused: a column is "
		       "gone\n"
		       "next     synodctl sync resume stock --table items\n");
	/* That a capture stands because of it is not another trouble. */
	work_text(&w.tasks[0].state, "blocked");
	assert_problem(&w, "health   WARN   1 problem\n", "is paused");
	work_text(&w.tasks[3].state, "blocked");
	assert_problem(&w, "health   CRIT   2 problems\n",
		       "problem  stock/paris/apply stands still");
}

static void test_what_is_no_trouble_is_a_note(void **state)
{
	struct work w;

	work_init(&w);
	w.tasks[0].n_to_load = 1000;
	w.tasks[0].n_loaded = 250;
	work_text(&w.drained[0], "n3");
	w.overview.n_drained = 1;
	assert_problem(&w, "health   OK\n",
		       "note     berlin/capture loads: about 250 of 1000 rows\n"
		       "next     synodctl status --watch\n");
	assert_problem(&w, "health   OK\n",
		       "note     n3 is drained and has 1 task\n"
		       "next     synodctl node undrain n3\n");
	assert_problem(&w, "TASKS  DRAINED",
		       "n3    voter  follower      1  yes");
}

static void test_json_carries_the_whole_screen(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	w.sync.letters = 2;
	assert_int_equal(fake_run(&f, ALL "-o json status"), EXIT_DONE);
	json_t *all = fake_json(&f);
	json_t *summary = json_object_get(all, "summary");
	json_t *sync = json_array_get(json_object_get(summary, "syncs"), 0);
	json_t *node = json_array_get(json_object_get(all, "result"), 0);
	assert_int_equal(
		json_integer_value(json_object_get(summary, "revision")), 3);
	assert_int_equal(json_integer_value(json_object_get(sync, "letters")),
			 2);
	assert_true(json_is_true(json_object_get(sync, "two_way")));
	assert_int_equal(json_array_size(json_object_get(summary, "tasks")),
			 WORK_TASKS);
	assert_int_equal(json_integer_value(json_object_get(node, "tasks")), 2);
	assert_true(json_is_false(json_object_get(node, "drained")));
	json_decref(all);
	end(&f, &w);
}

static void test_a_node_that_knows_no_work_is_no_trouble(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	synod__admin__overview_response__init(&w.overview);
	assert_int_equal(fake_run(&f, ALL "-o table status --exit-code"),
			 EXIT_DONE);
	assert_null(strstr(f.out, "SYNC"));
	assert_null(strstr(f.out, "TASKS"));
	assert_null(strstr(f.out, "config rev"));
	end(&f, &w);
}

static void test_a_dead_host_is_waited_for_once(void **state)
{
	struct work w;
	struct fake f;

	/* status asks twice: what the nodes are, and what runs. */
	start(&f, &w);
	f.down = "n3";
	assert_int_equal(fake_run(&f, ALL "status"), EXIT_DONE);
	assert_int_equal(f.n_dials, 3);
	assert_int_equal(f.n_calls, 4);
	end(&f, &w);
}

/* -- sync ------------------------------------------------------------------ */

static void test_show_gives_a_line_a_task(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	work_text(&w.tasks[3].problem, "data: too\tlong");
	assert_int_equal(fake_run(&f, ONE "sync show stock -o tsv "
					  "--no-headers"),
			 EXIT_DONE);
	assert_out(&f, "berlin/capture\tn1\trunning\t20\t\t\t\t\n"
		       "paris/capture\tn2\trunning\t21\t\t\t\t\n"
		       "stock/berlin/apply\tn3\trunning\t22\t1\t0.038000\t"
		       "0.210000\t\n"
		       "stock/paris/apply\tn1\trunning\t23\t1\t0.038000\t"
		       "0.210000\tdata: too\\tlong\n");
	end(&f, &w);
}

static void test_show_has_tables_for_people(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	w.tasks[0].n_to_load = 10;
	assert_int_equal(fake_run(&f, ONE "sync show stock -o table"),
			 EXIT_DONE);
	assert_says(&f, "sync     stock   berlin (sqlite) <-> paris (sqlite)   "
			"running\n");
	assert_says(&f, "policy   last-write-wins   5 conflicts, 0 open   0 "
			"dead letters\n");
	assert_says(&f, "loading  berlin/capture: about 0 of 10 rows\n");
	assert_says(&f, "\nTASK                NODE  STATE");
	assert_says(&f, "\nTABLE  SIDES                        FIELDS\n"
			"items  berlin: items, paris: items  sku text key, "
			"name text, qty int64\n");
	assert_int_equal(fake_run(&f, ONE "sync show stok"), EXIT_FAILED);
	assert_err(&f, "synodctl: error: there is no sync 'stok'; did you mean "
		       "'stock'?  [notfound]\nhint: synodctl sync list\n");
	assert_int_equal(fake_run(&f, ONE "sync show"), EXIT_USAGE);
	end(&f, &w);
}

static void test_figures_come_from_who_has_them(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ALL "sync list"), EXIT_DONE);
	assert_out(&f, "stock\tberlin (sqlite) <-> paris (sqlite)\trunning\t"
		       "n1, n2, n3\t0.038000\t0.210000\t412.000\t0\t0\n");
	assert_int_equal(fake_run(&f, ALL "sync lag stock"), EXIT_DONE);
	assert_out(&f, "stock/berlin/apply\tstock\tberlin\trunning\t1\t"
		       "0.038000\t0.210000\t206.000\n"
		       "stock/paris/apply\tstock\tparis\trunning\t1\t"
		       "0.038000\t0.210000\t206.000\n");
	end(&f, &w);
}

static void test_a_pause_is_asked_for(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "sync pause stock --table items"),
			 EXIT_USAGE);
	assert_non_null(strstr(f.err, "\nhint: synodctl --endpoint ipc:///n1 "
				      "sync pause stock --table items "
				      "--yes\n"));
	assert_int_equal(w.n_acts, 0);
	assert_int_equal(fake_run(&f, ONE "sync pause stock --table items "
					  "--reason why -y"),
			 EXIT_DONE);
	assert_out(&f, "stock/items\tpaused\t902\tit is done\n");
	Synod__Admin__Request *asked = work_asked(&w);
	assert_string_equal(asked->pause->sync, "stock");
	assert_string_equal(asked->pause->table, "items");
	assert_string_equal(asked->pause->reason, "why");
	assert_true(asked->pause->is_paused);
	synod__admin__request__free_unpacked(asked, NULL);
	/* To resume disturbs nobody: it asks nothing. */
	assert_int_equal(fake_run(&f, ONE "sync resume stock"), EXIT_DONE);
	asked = work_asked(&w);
	assert_false(asked->pause->is_paused);
	synod__admin__request__free_unpacked(asked, NULL);
	end(&f, &w);
}

static void test_a_move_can_be_waited_for(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	w.move_to = "n3";
	w.moves_at_look = 3;
	assert_int_equal(fake_run(&f, ONE "sync move berlin/capture --to n3 "
					  "--wait -y"),
			 EXIT_DONE);
	assert_out(&f, "2026-11-21T05:30:00.000000Z\tberlin/capture\tn1\tn3\t"
		       "running\n");
	Synod__Admin__Request *asked = work_asked(&w);
	assert_string_equal(asked->move->task, "berlin/capture");
	assert_string_equal(asked->move->node, "n3");
	synod__admin__request__free_unpacked(asked, NULL);
	assert_int_equal(fake_run(&f, ONE "sync move berlin/captur --to n3 -y"),
			 EXIT_FAILED);
	assert_non_null(strstr(f.err, "did you mean 'berlin/capture'?"));
	assert_int_equal(fake_run(&f, ONE "sync move berlin/capture"),
			 EXIT_USAGE);
	end(&f, &w);
}

/* -- drain ----------------------------------------------------------------- */

static void test_a_drain_shows_the_moves_as_they_happen(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	w.move_to = "n2";
	w.moves_at_look = 4;
	assert_int_equal(fake_run(&f, ONE "node drain n1 --wait=10s -y"),
			 EXIT_DONE);
	assert_out(&f, "2026-11-21T05:30:00.000000Z\tberlin/capture\tn1\tn2\t"
		       "running\n"
		       "2026-11-21T05:30:00.000000Z\tstock/paris/apply\tn1\t"
		       "n2\trunning\n");
	assert_non_null(strstr(f.err, "n1 is drained after "));
	assert_non_null(strstr(f.err, "Undo: synodctl node undrain n1\n"));
	Synod__Admin__Request *asked = work_asked(&w);
	assert_string_equal(asked->drain->node, "n1");
	assert_true(asked->drain->is_drained);
	synod__admin__request__free_unpacked(asked, NULL);
	end(&f, &w);
}

static void test_a_drain_that_takes_long_goes_on_without_us(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "node drain n1 --wait=120ms -y"),
			 EXIT_PENDING);
	assert_err(&f, "synodctl: error: 2 tasks are still on the way  "
		       "[pending]\nhint: synodctl status\n");
	assert_int_equal(w.n_acts, 1);
	/* Without a wait: what is going to move. */
	assert_int_equal(fake_run(&f, ONE "node drain n1 -y"), EXIT_DONE);
	assert_out(&f, "\tberlin/capture\tn1\t\t\n"
		       "\tstock/paris/apply\tn1\t\t\n");
	end(&f, &w);
}

static void test_a_drain_tells_its_effect_first(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ONE "node drain n1"), EXIT_USAGE);
	assert_non_null(strstr(f.err, "n1 owns 2 tasks (berlin/capture, "
				      "stock/paris/apply). They move"));
	assert_int_equal(w.n_acts, 0);
	assert_int_equal(fake_run(&f, ONE "node undrain n1"), EXIT_DONE);
	Synod__Admin__Request *asked = work_asked(&w);
	assert_false(asked->drain->is_drained);
	synod__admin__request__free_unpacked(asked, NULL);
	end(&f, &w);
}

/* -- doctor ---------------------------------------------------------------- */

static void test_doctor_is_content_with_a_healthy_cluster(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ALL "doctor"), EXIT_DONE);
	assert_says(&f, "cluster\tok\tn2 leads, 3 of 3 voters are there\t\n");
	assert_says(&f, "node n1\tok\tfollower, log 3.0 GiB of 64.0 GiB, 2 "
			"peers\t\n");
	assert_says(&f, "config\tok\trevision 3 by alice: 2 connections, 1 "
			"sync\t\n");
	assert_says(&f, "connection paris\tok\tsqlite, tried from 3 nodes\t\n");
	assert_says(&f, "sync stock\tok\trunning, 4 tasks, 1 table\t\n");
	assert_null(strstr(f.out, "\twarn\t"));
	assert_null(strstr(f.out, "\tfail\t"));
	end(&f, &w);
}

static void test_doctor_tries_connections_from_every_node(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	w.broken_url = "n3";
	assert_int_equal(fake_run(&f, ALL "doctor"), EXIT_DONE);
	assert_says(&f, "connection paris\twarn\t2 nodes can use it, not "
			"ipc:///n3: unable to open database\tis the file there "
			"on this host?\n");
	assert_int_equal(fake_run(&f, "--endpoint ipc:///n3 doctor"),
			 EXIT_UNHEALTHY);
	assert_says(&f, "connection paris\tfail\tno node can use it: ");
	end(&f, &w);
}

static void test_doctor_finds_what_status_finds(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	work_text(&w.tasks[3].state, "blocked");
	w.nodes[2].digest = 0xdef;
	work_text(&w.nodes[0].version, "0.2.0");
	f.down = "n2";
	assert_int_equal(fake_run(&f, ALL "doctor"), EXIT_UNHEALTHY);
	assert_says(&f, "endpoint ipc:///n2\twarn\t");
	assert_says(&f, "digests\tfail\tn1 and n3 differ at index 900");
	assert_says(&f, "versions\twarn\t");
	assert_says(&f, "task stock/paris/apply\tfail\t");
	end(&f, &w);
}

static void test_doctor_compares_clocks(void **state)
{
	struct work w;
	struct fake f;

	start(&f, &w);
	assert_int_equal(fake_run(&f, ALL "doctor"), EXIT_DONE);
	assert_says(&f, "clocks\tok\tnot compared");
	/* A node an hour off; the fake world's answers take no time. */
	w.nodes[0].time_us = w.nodes[1].time_us = WORK_NOW_US;
	w.nodes[2].time_us = w.nodes[0].time_us - INT64_C(3600000000);
	assert_int_equal(fake_run(&f, ALL "doctor"), EXIT_UNHEALTHY);
	assert_says(&f, "clocks\tfail\t3 clocks are at least ");
	w.nodes[2].time_us = w.nodes[0].time_us;
	assert_int_equal(fake_run(&f, ALL "doctor"), EXIT_DONE);
	assert_null(strstr(f.out, "clocks\tfail"));
	end(&f, &w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_screen_shows_syncs_and_nodes),
		cmocka_unit_test(test_each_trouble_with_work_has_its_sentence),
		cmocka_unit_test(test_what_is_no_trouble_is_a_note),
		cmocka_unit_test(test_json_carries_the_whole_screen),
		cmocka_unit_test(test_a_node_that_knows_no_work_is_no_trouble),
		cmocka_unit_test(test_a_dead_host_is_waited_for_once),
		cmocka_unit_test(test_show_gives_a_line_a_task),
		cmocka_unit_test(test_show_has_tables_for_people),
		cmocka_unit_test(test_figures_come_from_who_has_them),
		cmocka_unit_test(test_a_pause_is_asked_for),
		cmocka_unit_test(test_a_move_can_be_waited_for),
		cmocka_unit_test(test_a_drain_shows_the_moves_as_they_happen),
		cmocka_unit_test(
			test_a_drain_that_takes_long_goes_on_without_us),
		cmocka_unit_test(test_a_drain_tells_its_effect_first),
		cmocka_unit_test(test_doctor_is_content_with_a_healthy_cluster),
		cmocka_unit_test(test_doctor_tries_connections_from_every_node),
		cmocka_unit_test(test_doctor_finds_what_status_finds),
		cmocka_unit_test(test_doctor_compares_clocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
