/* The rows of one target transaction, in an order that its constraints allow.
 */
#include <stdio.h>
#include <stdlib.h>

#include "connectors/sqlite/apply.h"

/* Longest search for rows that break foreign keys; what was found by then is
 * reported. */
enum { HUNT_US = 3000000 };

/* A step that was done: replayed when foreign keys are broken in the end. */
struct step {
	size_t row;
	bool is_yield;
};

struct group {
	struct apply_handle *h;
	const struct apply_group *g;
	struct apply_rejects *rejects;
	size_t *waiting; /* rows that a constraint refused so far */
	size_t n_waiting;
	struct step *steps;
	size_t n_steps;
};

static void reject(struct group *x, size_t row, const struct apply_reject *why)
{
	struct apply_rejects *r = x->rejects;

	if (!r->list)
		r->list = mem_zero(x->g->n, sizeof(*r->list));
	r->list[r->n] = *why;
	r->list[r->n].row = row;
	r->n++;
}

static bool is_same_row(const struct change *a, const struct change *b)
{
	if (a->table_id != b->table_id)
		return false;
	if (a->op == CHANGE_TRUNCATE || b->op == CHANGE_TRUNCATE)
		return true;
	return bytes_compare(a->key, b->key) == 0 ||
	       (a->op == CHANGE_MOVE &&
		bytes_compare(a->old_key, b->key) == 0) ||
	       (b->op == CHANGE_MOVE && bytes_compare(a->key, b->old_key) == 0);
}

/* Changes of one row keep their order: is an earlier one among the first n that
 * wait? */
static bool must_wait(const struct group *x, size_t row, size_t n)
{
	const struct change *c = &x->g->rows[row].change;

	for (size_t i = 0; i < n; i++) {
		if (is_same_row(&x->g->rows[x->waiting[i]].change, c))
			return true;
	}
	return false;
}

static void note(struct group *x, size_t row, bool is_yield)
{
	x->steps[x->n_steps++] = (struct step){row, is_yield};
}

/* 1: done with it, one way or the other; 0: it has to wait. */
static int attempt(struct group *x, size_t row, bool is_last, struct err *e)
{
	struct apply_reject why = {0};
	enum applied_fate fate = APPLIED_DONE;
	int rc = sqlite_applied_row(x->h, &x->g->rows[row], &fate, &why, e);

	if (rc)
		return rc;
	/* A trigger of the target may end the whole transaction. */
	bool is_over = sqlite3_get_autocommit(x->h->db.conn);
	if (fate == APPLIED_DONE) {
		note(x, row, false);
		return 1;
	}
	if (fate == APPLIED_REFUSED && !is_last && !is_over)
		return 0;
	reject(x, row, &why);
	if (is_over)
		return err_set(e, ERR_DATA, "%.400s", why.text);
	return 1;
}

static int first_pass(struct group *x, struct err *e)
{
	for (size_t i = 0; i < x->g->n; i++) {
		int rc = must_wait(x, i, x->n_waiting)
				 ? 0
				 : attempt(x, i, false, e);

		if (rc < 0)
			return rc;
		if (rc == 0)
			x->waiting[x->n_waiting++] = i;
	}
	return 0;
}

/* Those that wait, once more; 1: some of them are done. */
static int next_pass(struct group *x, bool is_last, struct err *e)
{
	size_t n = x->n_waiting, n_left = 0;

	for (size_t i = 0; i < n; i++) {
		size_t row = x->waiting[i];
		int rc = must_wait(x, row, n_left) && !is_last
				 ? 0
				 : attempt(x, row, is_last, e);

		if (rc < 0)
			return rc;
		if (rc == 0)
			x->waiting[n_left++] = row;
	}
	x->n_waiting = n_left;
	return n_left < n;
}

static int settle(struct group *x, struct err *e)
{
	int rc = 1;

	while (rc > 0 && x->n_waiting)
		rc = next_pass(x, false, e);
	for (size_t i = 0; rc == 0 && i < x->n_waiting; i++) {
		rc = sqlite_applied_yield(x->h, &x->g->rows[x->waiting[i]], e);
		note(x, x->waiting[i], true);
	}
	if (rc == 0)
		rc = 1;
	while (rc > 0 && x->n_waiting)
		rc = next_pass(x, false, e);
	if (rc == 0 && x->n_waiting)
		rc = next_pass(x, true, e);
	return rc < 0 ? rc : 0;
}

/* -- foreign keys ----------------------------------------------------------
 */
static bool is_clean(struct group *x)
{
	int is_open = 0, unused = 0;

	(void)sqlite3_db_status(x->h->db.conn, SQLITE_DBSTATUS_DEFERRED_FKS,
				&is_open, &unused, 0);
	return !is_open;
}

/* 1: done; 0: it was refused. */
static int replay(struct group *x, const struct step *s, struct err *e)
{
	struct apply_reject why = {0};
	enum applied_fate fate = APPLIED_DONE;
	const struct apply_row *row = &x->g->rows[s->row];

	if (s->is_yield) {
		int rc = sqlite_applied_yield(x->h, row, e);

		return rc ? rc : 1;
	}
	int rc = sqlite_applied_row(x->h, row, &fate, &why, e);
	value_buf_free(&why.existing);
	return rc ? rc : fate == APPLIED_DONE;
}

/* Steps from first on until no foreign key is open; *end is behind the last.
 * 1: clean; 0: it never becomes so, and nothing is done. */
static int replay_run(struct group *x, size_t first, size_t *end, struct err *e)
{
	int rc = sqlite_db_exec(&x->h->db, "SAVEPOINT \"one\"", e);
	size_t i = first;
	bool is_done = false;

	while (rc == 0 && i < x->n_steps && !is_done) {
		rc = replay(x, &x->steps[i], e);
		if (rc < 0)
			return rc;
		if (rc == 0 && i == first)
			break;
		i++;
		is_done = is_clean(x);
		rc = 0;
	}
	if (rc)
		return rc;
	if (!is_done)
		rc = sqlite_db_exec(&x->h->db, "ROLLBACK TO \"one\"", e);
	if (rc == 0)
		rc = sqlite_db_exec(&x->h->db, "RELEASE \"one\"", e);
	*end = i;
	return rc ? rc : is_done;
}

/* The steps that leave a foreign key open for good go to the front of the list;
 * returns how many. */
static int hunt(struct group *x, struct err *e)
{
	int64_t end_us = sqlite_db_now_us() + HUNT_US;
	size_t n_bad = 0, end = 0;
	int rc = sqlite_db_exec(&x->h->db, "ROLLBACK TO \"rows\"", e);

	for (size_t i = 0; rc == 0 && i < x->n_steps; i = end) {
		rc = replay_run(x, i, &end, e);
		if (rc < 0)
			return rc;
		if (rc == 0) {
			x->steps[n_bad++] = x->steps[i];
			end = i + 1;
		}
		rc = 0;
		if (n_bad && sqlite_db_now_us() > end_us)
			break;
	}
	return rc ? rc : (int)n_bad;
}

/* Alone, behind all others: it may have been held up by one of them only. */
static int retry(struct group *x, size_t n_bad, struct err *e)
{
	size_t n = x->n_steps, n_left = 0;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < n_bad; i++) {
		size_t end = 0;

		x->n_steps = i + 1;
		rc = replay_run(x, i, &end, e);
		if (rc == 0)
			x->steps[n_left++] = x->steps[i];
	}
	x->n_steps = n;
	return rc < 0 ? rc : (int)n_left;
}

static int find_orphans(struct group *x, struct err *e)
{
	struct apply_reject why = {
		.verdict = APPLY_REFUSED,
		.code = ERR_DATA,
		.text = "FOREIGN KEY constraint failed: the row that it refers "
			"to is not there, or others still refer to it"};
	int n_bad = hunt(x, e);

	for (int last = -1; n_bad > 0 && n_bad != last;) {
		last = n_bad;
		n_bad = retry(x, (size_t)n_bad, e);
	}
	for (int i = 0; i < n_bad; i++) {
		if (!x->steps[i].is_yield)
			reject(x, x->steps[i].row, &why);
	}
	return n_bad < 0 ? n_bad : 0;
}

/* -- all of it -------------------------------------------------------------
 */
static int write_all(struct group *x, struct err *e)
{
	int rc = sqlite_db_exec(&x->h->db, "SAVEPOINT \"rows\"", e);

	if (rc == 0)
		rc = first_pass(x, e);
	if (rc == 0)
		rc = settle(x, e);
	if (rc == 0 && x->rejects->n == 0 && !is_clean(x))
		rc = find_orphans(x, e);
	if (rc == 0)
		rc = sqlite_db_exec(&x->h->db, "RELEASE \"rows\"", e);
	return rc;
}

int sqlite_group_write(struct apply_handle *h, const struct apply_group *g,
		       struct apply_rejects *rejects, struct err *e)
{
	struct group x = {.h = h, .g = g, .rejects = rejects};

	x.waiting = mem_zero(g->n + 1, sizeof(*x.waiting));
	x.steps = mem_zero(2 * g->n + 1, sizeof(*x.steps));
	int rc = write_all(&x, e);
	free(x.waiting);
	free(x.steps);
	if (rc == 0 && rejects->n)
		rc = err_set(e, ERR_DATA, "%.400s", rejects->list[0].text);
	return rc;
}
