/* The ledger against the model: whatever happens, all sides end equal, nothing
 * stays in flight, and the journal says exactly who did not know of whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger_model.h"

/* -- what must hold -------------------------------------------------------- */
static void check_equal(struct model *m)
{
	for (int64_t key = 0; key < KEYS; key++) {
		const struct rig_row *a = &m->sides[1].rows[key];
		for (unsigned id = 2; id <= m->rig.n_connections; id++) {
			const struct rig_row *b = &m->sides[id].rows[key];
			assert_int_equal(a->is_there, b->is_there);
			if (!a->is_there)
				continue;
			assert_int_equal(a->uid, b->uid);
			assert_int_equal(a->note, b->note);
		}
	}
}

static bool is_ancestor(const struct model *m, int64_t older, int64_t newer)
{
	while (newer > older)
		newer = m->writes[newer].saw;
	return newer == older;
}

/* 0: a delete. */
static int64_t uid_of(const struct ledger_version *v)
{
	struct change c;
	struct rig_row row;
	bool has_note;

	assert_int_equal(change_decode(v->change, &c), 0);
	rig_decode(&c, &row, &has_note);
	return row.is_there ? row.uid : 0;
}

static void check_conflict(const struct model *m,
			   const struct ledger_conflict *c, unsigned *lost)
{
	int64_t a = uid_of(&c->a), b = uid_of(&c->b);

	assert_true(a != b);
	if (a && b) {
		assert_false(is_ancestor(m, a, b));
		assert_false(is_ancestor(m, b, a));
	}
	if (strcmp(c->rule, "last-write-wins") == 0 &&
	    c->a.stamp_us != c->b.stamp_us)
		assert_int_equal(c->is_a_winner, c->a.stamp_us > c->b.stamp_us);
	if (strcmp(c->rule, "prefer") == 0 && strcmp(c->kind, "initial") != 0)
		assert_int_equal((c->is_a_winner ? c->a : c->b).connection_id,
				 m->rig.pair->policy->prefer_id);
	lost[c->is_a_winner ? b : a]++;
}

/* What nobody wrote over is the final row, or lost once. */
static void check_journal(struct model *m)
{
	static unsigned lost[WRITES_MAX];
	struct ledger_conflict c;
	uint64_t from = 0;

	memset(lost, 0, sizeof(lost));
	while (ledger_next_conflict(&m->rig.kv, from, &c)) {
		check_conflict(m, &c, lost);
		from = c.id + 1;
	}
	for (int64_t uid = 1; uid <= m->n_writes; uid++) {
		const struct write *w = &m->writes[uid];
		if (w->is_root || w->is_delete || w->has_child)
			continue;
		bool is_final = m->sides[1].rows[w->key].uid == uid;
		if (lost[uid] == (is_final ? 0 : 1))
			continue;
		print_message("seed %lu: write %ld lost %u times\n",
			      (unsigned long)m->seed, (long)uid, lost[uid]);
		fail();
	}
}

static void check_figures(struct model *m)
{
	struct ledger_figures f;

	ledger_figures(&m->rig.kv, &f);
	assert_int_equal(f.n_rows, 0);
	assert_int_equal(f.n_conflicts_open, 0);
	assert_int_equal(f.n_letters, 0);
	assert_int_equal(f.n_parked_keys, 0);
}

/* The same entries again, with crashes in other places. */
static void check_replay(struct model *m)
{
	static struct model again;
	uint64_t digest = rig_digest(&m->rig);

	model_init(&again, m->seed, m->flavour);
	for (size_t i = 0; i < m->rig.n_log; i++) {
		struct blob *b = m->rig.log[i].command;
		Synod__Command__Command *c =
			synod__command__command__unpack(NULL, b->len, b->data);
		if (model_draw(&again, 15))
			rig_reload(&again.rig);
		rig_take(&again.rig, c);
		synod__command__command__free_unpacked(c, NULL);
	}
	assert_int_equal(rig_digest(&again.rig), digest);
	model_free(&again);
}

static void run_seeds(uint64_t from, uint64_t n, struct flavour flavour)
{
	static struct model m;

	for (uint64_t seed = from; seed < from + n; seed++) {
		model_init(&m, seed, flavour);
		model_run(&m);
		check_equal(&m);
		check_journal(&m);
		model_resolve_all(&m);
		check_equal(&m);
		check_figures(&m);
		if (seed % 4 == 0)
			check_replay(&m);
		model_free(&m);
	}
}

enum { SEEDS = 600 };

static void test_updates_converge_and_journal_is_exact(void **state)
{
	run_seeds(1, SEEDS, (struct flavour){.rule = DRAWN});
}

static void test_deletes_converge_under_every_rule(void **state)
{
	run_seeds(10000, SEEDS,
		  (struct flavour){.deletes = true,
				   .reloads = true,
				   .rule = DRAWN,
				   .delete_rule = DRAWN});
}

static void test_truncates_meet_rows_in_flight(void **state)
{
	run_seeds(20000, SEEDS,
		  (struct flavour){.deletes = true,
				   .truncates = true,
				   .rule = DRAWN,
				   .delete_rule = DRAWN});
}

static void test_patches_converge(void **state)
{
	run_seeds(30000, SEEDS,
		  (struct flavour){.deletes = true,
				   .patches = true,
				   .rule = DRAWN,
				   .delete_rule = DRAWN});
}

static void test_loads_meet_changes(void **state)
{
	run_seeds(40000, SEEDS,
		  (struct flavour){.deletes = true,
				   .loads = true,
				   .rule = DRAWN,
				   .delete_rule = DRAWN});
}

static void test_letters_lose_nothing(void **state)
{
	run_seeds(50000, SEEDS,
		  (struct flavour){.deletes = true,
				   .letters = true,
				   .reloads = true,
				   .rule = DRAWN,
				   .delete_rule = DRAWN});
}

static void test_queues_wait_for_a_person(void **state)
{
	run_seeds(60000, SEEDS, (struct flavour){.rule = RULE_QUEUE});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_updates_converge_and_journal_is_exact),
		cmocka_unit_test(test_deletes_converge_under_every_rule),
		cmocka_unit_test(test_truncates_meet_rows_in_flight),
		cmocka_unit_test(test_patches_converge),
		cmocka_unit_test(test_loads_meet_changes),
		cmocka_unit_test(test_letters_lose_nothing),
		cmocka_unit_test(test_queues_wait_for_a_person),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
