/* The process whose power is cut: works on a store by a seeded script and says
 * on descriptor 3 what it begins and what was acknowledged (script.h).
 *
 *   powercut_worker DIR DONOR SEED INSTALLS
 *
 * DONOR is the store of a peer that never fails: it has every committed entry,
 * and goes ahead by some before its state is installed here. INSTALLS is how
 * often that happens, in parts of 100 + INSTALLS steps. It works until it is
 * killed, or for STEPS_MAX steps. */
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/check.h"
#include "base/rng.h"
#include "script.h"

enum { GROUP_MAX = 8, BURST_MAX = 6, STEPS_MAX = 400 };

struct worker {
	struct script s, donor;
	struct rng rng;
	uint64_t term, vote, last, commit, applied, ticket, done;
	uint64_t installs, donor_last, donor_ticket;
	/* Payloads of a burst; borrowed by the log until its completion. */
	uint8_t buf[BURST_MAX][GROUP_MAX][SCRIPT_ENTRY_MAX];
};

static void say(struct mark m)
{
	if (write(SCRIPT_FD, &m, sizeof(m)) != sizeof(m))
		_exit(EX_OSERR);
}

static void must(int rc, const struct err *e)
{
	if (!rc)
		return;
	fprintf(stderr, "worker: %s\n", e->text);
	_exit(EX_IOERR);
}

static void take_notes(struct worker *w)
{
	struct note *n = mailbox_take(&w->s.owner);
	while (n) {
		struct note *next = n->next;
		if (n->kind == NOTE_LOG_DONE) {
			w->done = ((struct log_done *)n)->ticket;
			say((struct mark){MARK_DONE, .a = w->done});
		} else {
			w->applied = ((struct state_applied *)n)->index;
			say((struct mark){MARK_APPLIED, .a = w->applied});
		}
		free(n);
		n = next;
	}
}

/* The store's threads answer or stop the process, and alarm() ends both. */
static void wait_done(struct worker *w)
{
	while (w->done < w->ticket) {
		take_notes(w);
		sched_yield();
	}
}

static void wait_applied(struct worker *w)
{
	while (w->applied < w->commit) {
		take_notes(w);
		poll(NULL, 0, 1);
	}
}

static void append(struct worker *w, uint8_t buf[][SCRIPT_ENTRY_MAX])
{
	struct log_entry entries[GROUP_MAX];
	uint64_t n = 1 + rng_below(&w->rng, GROUP_MAX);
	for (uint64_t i = 0; i < n; i++)
		entries[i] = script_entry(w->last + 1 + i, w->term, buf[i]);
	say((struct mark){MARK_APPEND, ++w->ticket, w->last + 1, n, w->term});
	log_append(w->s.log, entries, n, w->ticket);
	w->last += n;
}

static void truncate_tail(struct worker *w)
{
	struct log_bounds b;
	log_bounds(w->s.log, &b);
	uint64_t low = w->commit + 1 > b.base_index + 1 ? w->commit + 1
							: b.base_index + 1;
	if (low > w->last || (low == b.first_index && low > b.base_index + 1))
		return;
	uint64_t index = low + rng_below(&w->rng, w->last - low + 1);
	say((struct mark){MARK_TRUNCATE, .a = ++w->ticket, .b = index});
	log_truncate(w->s.log, index, w->ticket);
	w->last = index - 1;
	/* The same indexes come again, with other content. */
	w->term++;
}

static void burst(struct worker *w)
{
	uint64_t n = 1 + rng_below(&w->rng, BURST_MAX);
	for (uint64_t i = 0; i < n; i++) {
		if (rng_chance(&w->rng, 0.2))
			truncate_tail(w);
		else
			append(w, w->buf[i]);
	}
	wait_done(w);
}

/* -- the donor ------------------------------------------------------------- */

static void donor_notes(struct worker *w, uint64_t *done, uint64_t *applied)
{
	struct note *n = mailbox_take(&w->donor.owner);
	while (n) {
		struct note *next = n->next;
		if (n->kind == NOTE_LOG_DONE)
			*done = ((struct log_done *)n)->ticket;
		else
			*applied = ((struct state_applied *)n)->index;
		free(n);
		n = next;
	}
}

static void donor_append(struct worker *w, const struct log_entry *entries,
			 uint64_t n)
{
	uint64_t done = 0, applied = 0;
	log_append(w->donor.log, entries, n, ++w->donor_ticket);
	while (done != w->donor_ticket) {
		donor_notes(w, &done, &applied);
		sched_yield();
	}
	w->donor_last += n;
}

static void donor_apply(struct worker *w)
{
	uint64_t done = 0, applied = 0;
	state_commit(w->donor.state, w->donor_last);
	while (applied != w->donor_last) {
		donor_notes(w, &done, &applied);
		poll(NULL, 0, 1);
	}
}

/* The donor has what we are about to commit. */
static void donor_follow(struct worker *w, uint64_t index)
{
	struct log_reader r;
	struct err e = {0};
	uint64_t n = index > w->donor_last ? index - w->donor_last : 0;
	if (!n)
		return;
	struct log_entry *entries = mem_zero(n, sizeof(*entries));
	must(log_read_begin(w->s.log, &r, &e), &e);
	for (uint64_t i = 0; i < n; i++)
		must(log_read(&r, w->donor_last + 1 + i, &entries[i], &e), &e);
	donor_append(w, entries, n);
	log_read_end(&r);
	free(entries);
}

/* The donor leads on by some entries of its own; its state has them. */
static void donor_lead(struct worker *w)
{
	struct log_entry entries[GROUP_MAX];
	uint64_t n = 1 + rng_below(&w->rng, GROUP_MAX);
	w->term++;
	for (uint64_t i = 0; i < n; i++)
		entries[i] = script_entry(w->donor_last + 1 + i, w->term,
					  w->buf[0][i]);
	say((struct mark){MARK_LEAD, 0, w->donor_last + 1, n, w->term});
	donor_append(w, entries, n);
	donor_apply(w);
}

/* -- what the script does -------------------------------------------------- */

static void commit(struct worker *w)
{
	if (w->last > w->commit)
		w->commit += 1 + rng_below(&w->rng, w->last - w->commit);
	donor_follow(w, w->commit);
	say((struct mark){MARK_COMMIT, .a = w->commit});
	state_commit(w->s.state, w->commit);
	if (rng_chance(&w->rng, 0.3))
		wait_applied(w);
}

static void set_hard(struct worker *w)
{
	struct err e = {0};
	if (rng_chance(&w->rng, 0.5)) {
		w->term++;
		w->vote = 0;
	} else {
		w->vote = 1 + rng_below(&w->rng, 5);
	}
	say((struct mark){MARK_HARD, .a = w->term, .b = w->vote});
	must(hard_state_set(w->s.hard, w->term, w->vote, &e), &e);
	say((struct mark){.kind = MARK_HARD_OK});
}

static void pin(struct worker *w)
{
	struct err e = {0};
	uint64_t node = 1 + rng_below(&w->rng, 3),
		 incarnation = rng_u64(&w->rng) | 1;
	say((struct mark){MARK_PIN, .a = node, .b = incarnation});
	must(store_dir_pin_peer(w->s.dir, node, incarnation, &e), &e);
	say((struct mark){.kind = MARK_PIN_OK});
}

static void forget(struct worker *w)
{
	/* Records above what is applied durably are never given up. */
	uint64_t index = w->applied / 2;
	say((struct mark){MARK_FORGET, .a = index});
	log_forget(w->s.log, index);
}

/* The donor's state comes as an image. */
static void install(struct worker *w)
{
	char path[600];
	struct state_point p = {0};
	struct err e = {0};
	wait_applied(w);
	donor_lead(w);
	snprintf(path, sizeof(path), "%s/incoming/image", w->s.path);
	must(state_image_write(w->donor.state, path, &p, &e), &e);
	blob_unref(p.conf);
	CHECK(p.index == w->donor_last);
	say((struct mark){MARK_INSTALL, .b = p.index, .c = p.term});
	must(state_image_install(w->s.state, path, p.index, p.term, &e), &e);
	say((struct mark){.kind = MARK_INSTALL_OK});
	w->last = w->commit = w->applied = p.index;
}

static void step(struct worker *w)
{
	uint64_t dice = rng_below(&w->rng, 100 + w->installs);
	if (dice < 60)
		burst(w);
	else if (dice < 75)
		commit(w);
	else if (dice < 85)
		set_hard(w);
	else if (dice < 91)
		forget(w);
	else if (dice < 100)
		pin(w);
	else
		install(w);
	take_notes(w);
}

static uint64_t term_at(struct script *s, uint64_t index)
{
	struct log_bounds b;
	struct log_reader r;
	struct log_entry out;
	struct err e = {0};
	log_bounds(s->log, &b);
	if (index == b.base_index)
		return b.base_term;
	must(log_read_begin(s->log, &r, &e), &e);
	must(log_read(&r, index, &out, &e), &e);
	log_read_end(&r);
	return out.term;
}

/* Where the last run ended. What the donor has is committed. */
static void resume(struct worker *w)
{
	struct log_bounds own, donor;
	struct state_point p;
	log_bounds(w->s.log, &own);
	log_bounds(w->donor.log, &donor);
	state_point(w->s.state, &p);
	blob_unref(p.conf);
	w->last = own.last_index;
	w->donor_last = donor.last_index;
	w->commit = w->applied = p.index;
	CHECK(w->donor_last >= p.index);
	say((struct mark){MARK_SEEN_LOG, own.last_index,
			  term_at(&w->s, own.last_index), own.base_index, 0});
	say((struct mark){MARK_SEEN_STATE, .a = p.index});
	/* Either our log has all of it, or it has to come as an image. */
	if (own.last_index < w->donor_last ||
	    own.first_index > w->donor_last + 1 ||
	    term_at(&w->s, w->donor_last) != term_at(&w->donor, w->donor_last))
		install(w);
	w->commit = w->donor_last;
	say((struct mark){MARK_COMMIT, .a = w->commit});
	state_commit(w->s.state, w->commit);
}

int main(int argc, char **argv)
{
	static struct worker w;
	struct err e = {0};
	uint64_t vote;
	if (argc != 5)
		return EX_USAGE;
	alarm(60);
	must(script_open(&w.donor, argv[2], &e), &e);
	must(script_open(&w.s, argv[1], &e), &e);
	rng_init(&w.rng, strtoull(argv[3], NULL, 10));
	w.installs = strtoull(argv[4], NULL, 10);
	hard_state_get(w.s.hard, &w.term, &vote);
	say((struct mark){MARK_SEEN_HARD, .a = w.term, .b = vote});
	for (uint64_t i = 1; i <= 3; i++)
		say((struct mark){MARK_SEEN_PIN, i, store_dir_peer(w.s.dir, i),
				  0, 0});
	/* A term of its own: nothing an earlier run wrote looks like new. */
	w.term += 1000;
	resume(&w);
	set_hard(&w);
	for (int n = 0; n < STEPS_MAX; n++)
		step(&w);
	script_close(&w.s);
	script_close(&w.donor);
	return 0;
}
