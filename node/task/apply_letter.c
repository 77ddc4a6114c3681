#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "node/task/apply_inner.h"

void letters_clear(struct letters *l)
{
	for (size_t i = 0; i < l->n; i++)
		value_buf_free(&l->list[i].existing);
	l->n = 0;
	l->n_done = 0;
}

void letters_free(struct letters *l)
{
	letters_clear(l);
	free(l->list);
	*l = (struct letters){0};
}

static struct letter *letter_add(struct letters *l, enum letter_kind kind,
				 size_t row)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 16;
		l->list = mem_grow(l->list, l->cap * sizeof *l->list);
	}
	l->list[l->n] = (struct letter){.kind = kind, .row = row};
	return &l->list[l->n++];
}

/* -- which rows ------------------------------------------------------------ */
static bool is_parked(const struct apply *a, const struct apply_row *row,
		      struct bytes key)
{
	return key.len &&
	       a->ports->is_parked(a->ports->ctx, apply_connection(a),
				   row->change.table_id, key);
}

static bool is_same_row(const struct apply_row *a, const struct apply_row *b)
{
	return a->change.table_id == b->change.table_id &&
	       bytes_compare(a->change.key, b->change.key) == 0;
}

void letters_look(struct apply *a)
{
	struct group *g = &a->group;

	for (size_t i = 0; i < g->n_whole; i++) {
		const struct apply_row *row = &g->rows[i];

		if (is_parked(a, row, row->change.key)) {
			letter_add(&a->letters, LETTER_FOLLOWS, i);
		} else if (is_parked(a, row, row->change.old_key)) {
			struct letter *l =
				letter_add(&a->letters, LETTER_REFUSED, i);
			l->code = ERR_DATA;
			snprintf(l->text, sizeof l->text,
				 "the key that it comes from is parked");
		}
	}
}

static bool has_letter(const struct letters *l, size_t row)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->list[i].row == row)
			return true;
	return false;
}

/* Later changes of a refused row wait behind it. */
static void add_followers(struct apply *a, size_t row)
{
	const struct group *g = &a->group;

	for (size_t i = row + 1; i < g->n_whole; i++)
		if (!g->is_out[i] && is_same_row(&g->rows[row], &g->rows[i]) &&
		    !has_letter(&a->letters, i))
			letter_add(&a->letters, LETTER_FOLLOWS, i);
}

void letters_take(struct apply *a, const struct apply_rejects *rejects)
{
	for (size_t i = 0; i < rejects->n; i++) {
		const struct apply_reject *r = &rejects->list[i];
		size_t row = a->sent_row[r->row];
		bool differs = r->verdict == APPLY_DIFFERS;

		if (has_letter(&a->letters, row))
			continue;
		struct letter *l = letter_add(
			&a->letters, differs ? LETTER_DIFFERS : LETTER_REFUSED,
			row);
		l->code = r->code ? r->code : ERR_DATA;
		snprintf(l->text, sizeof l->text, "%s", r->text);
		value_buf_put(&l->existing, r->existing.data, r->existing.len);
	}
	/* By value: the list grows. */
	size_t n = a->letters.n;
	for (size_t i = 0; i < n; i++)
		if (a->letters.list[i].kind == LETTER_REFUSED)
			add_followers(a, a->letters.list[i].row);
}

/* -- proposing ------------------------------------------------------------- */
static ProtobufCBinaryData lend(struct bytes b)
{
	return (ProtobufCBinaryData){.len = b.len,
				     .data = (uint8_t *)(uintptr_t)b.data};
}

static struct blob *seal_letter(const struct apply *a, const struct letter *l)
{
	const struct apply_row *row = &a->group.rows[l->row];
	Synod__Command__DeadLetter d;
	Synod__Command__Command command = SYNOD__COMMAND__COMMAND__INIT;

	synod__command__dead_letter__init(&d);
	d.task_id = a->spec->id;
	d.epoch = a->spec->epoch;
	d.index = row->index;
	d.ordinal = row->ordinal;
	d.change = lend(row->change.whole);
	d.code = l->code;
	d.text = command_text(l->text);
	d.time_us = a->ports->wall_us(a->ports->ctx);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_DEAD_LETTER;
	command.dead_letter = &d;
	return command_seal(&command);
}

static struct blob *seal_difference(const struct apply *a,
				    const struct letter *l)
{
	const struct apply_row *row = &a->group.rows[l->row];
	Synod__Command__Difference d = SYNOD__COMMAND__DIFFERENCE__INIT;
	Synod__Command__Command command = SYNOD__COMMAND__COMMAND__INIT;

	d.task_id = a->spec->id;
	d.epoch = a->spec->epoch;
	d.index = row->index;
	d.ordinal = row->ordinal;
	d.change = lend(row->change.whole);
	d.existing = lend((struct bytes){l->existing.data, l->existing.len});
	d.time_us = a->ports->wall_us(a->ports->ctx);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_DIFFERENCE;
	command.difference = &d;
	return command_seal(&command);
}

/* A fate may be lost. The ledger takes a letter once, so asking again early
 * costs a few bytes of the log; the group waits meanwhile. */
static int64_t patience_us(unsigned n_sent)
{
	int64_t ms = APPLY_LETTER_MS;

	for (; n_sent > 0 && ms < LIMIT_PROPOSAL_MS; n_sent--)
		ms *= 2;
	return (ms < LIMIT_PROPOSAL_MS ? ms : LIMIT_PROPOSAL_MS) * 1000;
}

static bool send(struct apply *a, struct letter *l)
{
	struct blob *b = l->kind == LETTER_DIFFERS ? seal_difference(a, l)
						   : seal_letter(a, l);
	int rc = a->ports->propose(a->ports->ctx, b, ++a->last_ticket);

	blob_unref(b);
	if (rc)
		return false;
	l->state = LETTER_SENT;
	l->ticket = a->last_ticket;
	l->due_us = a->ports->now_us(a->ports->ctx) + patience_us(l->n_sent++);
	return true;
}

/* A chain is in order of the log: its letters go one after the other. */
static bool waits_behind(const struct apply *a, size_t letter)
{
	const struct letters *l = &a->letters;
	const struct apply_row *rows = a->group.rows;

	for (size_t i = 0; i < letter; i++)
		if (l->list[i].state != LETTER_DONE &&
		    is_same_row(&rows[l->list[i].row],
				&rows[l->list[letter].row]))
			return true;
	return false;
}

void letters_fate(struct letters *l, const struct task_fate *fate)
{
	for (size_t i = 0; i < l->n; i++) {
		struct letter *x = &l->list[i];

		if (x->state != LETTER_SENT || x->ticket != fate->ticket)
			continue;
		x->state = fate->code ? LETTER_WANTED : LETTER_COMMITTED;
		x->index = fate->index;
	}
}

/* The ledger has decided. A letter that it did not take (its key was replayed
 * meanwhile, the epoch is another one, there are too many) leaves its row in
 * the group: the target is asked again. */
static void conclude(struct apply *a, struct letter *l)
{
	const struct apply_row *row = &a->group.rows[l->row];

	l->state = LETTER_DONE;
	a->letters.n_done++;
	if (l->kind != LETTER_DIFFERS && !is_parked(a, row, row->change.key)) {
		a->letters.n_ignored++;
		return;
	}
	a->letters.n_ignored = 0;
	a->group.is_out[l->row] = true;
	a->ports->count(a->ports->ctx,
			&(struct task_count){.kind = TASK_COUNT_LETTER,
					     .n = 1,
					     .index = row->index});
}

bool letters_step(struct apply *a)
{
	struct letters *l = &a->letters;
	uint64_t decided = a->ports->decided(a->ports->ctx);
	int64_t now_us = a->ports->now_us(a->ports->ctx);
	size_t n_sent = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct letter *x = &l->list[i];

		if (x->state == LETTER_SENT && x->due_us <= now_us)
			x->state = LETTER_WANTED;
		if (x->state == LETTER_COMMITTED && x->index <= decided)
			conclude(a, x);
		if (x->state == LETTER_WANTED && n_sent < APPLY_LETTERS_SENT &&
		    !waits_behind(a, i) && !send(a, x))
			break;
		n_sent += x->state == LETTER_SENT;
	}
	return l->n_done == l->n;
}
