#include "model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

void model_init(struct model *m)
{
	*m = (struct model){.first = 1};
}

void model_clear(struct model *m)
{
	free(m->terms);
	free(m->committed);
	*m = (struct model){0};
}

/* -- what the worker says ---------------------------------------------- */

static void reach(struct model *m, uint64_t index)
{
	if (index < m->n_terms_max)
		return;
	m->n_terms_max = 2 * index + 1024;
	size_t bytes = m->n_terms_max * sizeof(m->terms[0]);
	m->terms = mem_grow(m->terms, bytes);
	m->committed = mem_grow(m->committed, bytes);
}

static void commit(struct model *m, uint64_t index, uint64_t term)
{
	CHECK(index == m->commit + 1);
	reach(m, index);
	m->committed[index] = term;
	m->commit = index;
}

/* One request of the log has happened. */
static void perform(struct model *m, const struct mark *r)
{
	switch ((enum mark_kind)r->kind) {
	case MARK_APPEND:
		CHECK(r->b == m->last + 1);
		reach(m, r->b + r->c);
		for (uint64_t i = 0; i < r->c; i++)
			m->terms[r->b + i] = r->d;
		m->last += r->c;
		break;
	case MARK_TRUNCATE:
		if (r->b <= m->last)
			m->last = r->b - 1;
		break;
	case MARK_INSTALL:
		m->base_index = m->last = r->b;
		m->base_term = r->c;
		m->first = r->b + 1;
		m->forget = 0;
		break;
	default:
		CHECK(r->kind == MARK_APPEND);
	}
}

static void acknowledge(struct model *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		perform(m, &m->pending[i]);
	m->n_pending -= n;
	memmove(m->pending, m->pending + n,
		m->n_pending * sizeof(m->pending[0]));
}

static void acknowledge_ticket(struct model *m, uint64_t ticket)
{
	size_t n = 0;
	while (n < m->n_pending && m->pending[n].a <= ticket)
		n++;
	acknowledge(m, n);
}

/* Which of the begun requests it has seen done. */
static void see_log(struct model *m, const struct mark *seen)
{
	while (m->n_pending &&
	       (m->last != seen->a || m->base_index != seen->c ||
		(m->last > m->base_index && m->terms[m->last] != seen->b)))
		acknowledge(m, 1);
}

/* What open showed. */
static void see(struct model *m, const struct mark *mark)
{
	switch ((enum mark_kind)mark->kind) {
	case MARK_SEEN_LOG:
		see_log(m, mark);
		m->n_pending = 0;
		break;
	case MARK_SEEN_STATE:
		m->applied = mark->a;
		break;
	case MARK_SEEN_HARD:
		m->hard[0] = mark->a;
		m->hard[1] = mark->b;
		m->is_hard_begun = false;
		break;
	default:
		CHECK(mark->kind == MARK_SEEN_PIN);
		m->pins[mark->a] = mark->b;
		m->is_pin_begun = false;
	}
}

static void lead(struct model *m, const struct mark *mark)
{
	/* Said before the donor had it: it may come again. */
	CHECK(mark->b <= m->commit + 1);
	m->commit = mark->b - 1;
	for (uint64_t i = 0; i < mark->c; i++)
		commit(m, mark->b + i, mark->d);
}

static void begin(struct model *m, const struct mark *mark)
{
	CHECK(m->n_pending < MODEL_PENDING_MAX);
	m->pending[m->n_pending++] = *mark;
}

void model_mark(struct model *m, const struct mark *mark)
{
	switch ((enum mark_kind)mark->kind) {
	case MARK_SEEN_LOG:
	case MARK_SEEN_STATE:
	case MARK_SEEN_HARD:
	case MARK_SEEN_PIN:
		see(m, mark);
		break;
	case MARK_HARD:
		m->hard_begun[0] = mark->a;
		m->hard_begun[1] = mark->b;
		m->is_hard_begun = true;
		break;
	case MARK_HARD_OK:
		memcpy(m->hard, m->hard_begun, sizeof(m->hard));
		m->is_hard_begun = false;
		break;
	case MARK_PIN:
		m->pin_begun[0] = mark->a;
		m->pin_begun[1] = mark->b;
		m->is_pin_begun = true;
		break;
	case MARK_PIN_OK:
		m->pins[m->pin_begun[0]] = m->pin_begun[1];
		m->is_pin_begun = false;
		break;
	case MARK_APPEND:
	case MARK_TRUNCATE:
		begin(m, mark);
		break;
	case MARK_DONE:
		acknowledge_ticket(m, mark->a);
		break;
	case MARK_INSTALL:
		m->applied_max = mark->b;
		begin(m, mark);
		break;
	case MARK_INSTALL_OK:
		acknowledge(m, m->n_pending);
		m->applied = m->applied_max;
		break;
	case MARK_LEAD:
		lead(m, mark);
		break;
	case MARK_FORGET:
		if (mark->a > m->forget)
			m->forget = mark->a;
		break;
	case MARK_COMMIT:
		while (m->commit < mark->a)
			commit(m, m->commit + 1, m->terms[m->commit + 1]);
		m->applied_max = mark->a;
		break;
	case MARK_APPLIED:
		m->applied = mark->a;
		break;
	}
}

/* -- what is there ----------------------------------------------------- */

static bool fits(const struct model *m, const struct log_bounds *b,
		 const uint64_t *found)
{
	uint64_t first_max =
		m->forget + 1 > m->first ? m->forget + 1 : m->first;
	/* The newest is never forgotten. */
	if (first_max > m->last && m->last >= m->first)
		first_max = m->last;
	if (b->base_index != m->base_index || b->base_term != m->base_term ||
	    b->last_index != m->last || b->first_index < m->first ||
	    b->first_index > first_max)
		return false;
	for (uint64_t i = b->first_index; i <= b->last_index; i++) {
		if (found[i - b->first_index] != m->terms[i])
			return false;
	}
	return true;
}

/* Read every entry and check it against what its index and term mean. */
static int read_terms(struct script *s, const struct log_bounds *b,
		      uint64_t *found, struct err *e)
{
	static uint8_t buf[SCRIPT_ENTRY_MAX];
	struct log_reader r;
	int rc = log_read_begin(s->log, &r, e);
	if (rc)
		return rc;
	for (uint64_t i = b->first_index; !rc && i <= b->last_index; i++) {
		struct log_entry out;
		if ((rc = log_read(&r, i, &out, e)))
			break;
		struct log_entry want = script_entry(i, out.term, buf);
		if (out.len != want.len ||
		    memcmp(out.data, want.data, want.len) != 0)
			rc = err_set(e, ERR_CORRUPT,
				     "entry %" PRIu64 " is another one", i);
		found[i - b->first_index] = out.term;
	}
	log_read_end(&r);
	return rc;
}

/* The acknowledged requests and some of the begun ones, in order. */
static int judge_log(struct model *m, struct script *s, struct err *e)
{
	struct log_bounds b;
	log_bounds(s->log, &b);
	uint64_t *found = mem_zero(b.last_index + 2, sizeof(*found));
	int rc = read_terms(s, &b, found, e);
	uint64_t acked_last = m->last;
	size_t n_begun = m->n_pending;
	while (!rc && !fits(m, &b, found)) {
		if (!m->n_pending)
			rc = err_set(e, ERR_CORRUPT,
				     "the log [%" PRIu64 ", %" PRIu64
				     "] behind %" PRIu64
				     " is none of %zu that may be; "
				     "acknowledged up to %" PRIu64,
				     b.first_index, b.last_index, b.base_index,
				     n_begun + 1, acked_last);
		else
			acknowledge(m, 1);
	}
	m->n_pending = 0;
	m->first = b.first_index;
	m->forget = 0;
	free(found);
	return rc;
}

static int judge_state(struct model *m, struct script *s, struct err *e)
{
	static uint8_t buf[SCRIPT_ENTRY_MAX];
	struct state_point p;
	uint64_t chain = 0, count = 0, want = 0;
	state_point(s->state, &p);
	blob_unref(p.conf);
	if (p.index < m->applied || p.index > m->applied_max)
		return err_set(e, ERR_CORRUPT,
			       "the state stands at %" PRIu64 ", told %" PRIu64
			       ", committed %" PRIu64,
			       p.index, m->applied, m->applied_max);
	/* It goes on with the next entry, or behind the image. */
	if (p.index < m->first - 1 || p.index > m->last)
		return err_set(e, ERR_CORRUPT,
			       "the state stands at %" PRIu64
			       ", the log has [%" PRIu64 ", %" PRIu64 "]",
			       p.index, m->first, m->last);
	script_read_chain(s->state, &chain, &count);
	for (uint64_t i = 1; i <= p.index; i++) {
		struct log_entry entry = script_entry(i, m->committed[i], buf);
		want = script_chain(want, &entry);
	}
	if (count != p.index || chain != want ||
	    (p.index && p.term != m->committed[p.index]))
		return err_set(e, ERR_CORRUPT,
			       "the state at %" PRIu64 " holds %" PRIu64
			       " entries, or others than the log had",
			       p.index, count);
	m->applied = m->applied_max = p.index;
	return 0;
}

static int judge_small(struct model *m, struct script *s, struct err *e)
{
	uint64_t term, vote;
	hard_state_get(s->hard, &term, &vote);
	bool is_acked = term == m->hard[0] && vote == m->hard[1];
	bool is_begun = m->is_hard_begun && term == m->hard_begun[0] &&
			vote == m->hard_begun[1];
	if (!is_acked && !is_begun)
		return err_set(e, ERR_CORRUPT,
			       "term %" PRIu64 " vote %" PRIu64
			       ", acknowledged %" PRIu64 " %" PRIu64,
			       term, vote, m->hard[0], m->hard[1]);
	m->hard[0] = term;
	m->hard[1] = vote;
	m->is_hard_begun = false;
	for (uint64_t i = 1; i < MODEL_PEERS; i++) {
		uint64_t pin = store_dir_peer(s->dir, i);
		if (pin != m->pins[i] &&
		    !(m->is_pin_begun && m->pin_begun[0] == i &&
		      m->pin_begun[1] == pin))
			return err_set(e, ERR_CORRUPT,
				       "the pin of peer %" PRIu64 " is wrong",
				       i);
		m->pins[i] = pin;
	}
	m->is_pin_begun = false;
	return 0;
}

int model_judge(struct model *m, struct script *s, struct err *e)
{
	int rc;
	if ((rc = judge_log(m, s, e)) || (rc = judge_state(m, s, e)))
		return rc;
	return judge_small(m, s, e);
}
