#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "node/task/capture_inner.h"

/* -- stamps ---------------------------------------------------------------- */
static bool is_ahead(struct bytes changes, int64_t limit_us)
{
	struct change_reader r;
	struct change_txn txn;

	change_reader_init(&r, changes);
	while (change_next_txn(&r, &txn) > 0)
		if (txn.kind != TXN_ECHO && txn.stamp_us > limit_us)
			return true;
	return false;
}

static void copy_changes(struct change_reader *r, struct change_writer *w)
{
	struct value *values = mem_zero(CHANGE_VALUES_MAX, sizeof *values);
	struct change c;

	while (change_next(r, &c) > 0) {
		CHECK(change_values(&c, values) == 0);
		change_add(w, &(struct change_row){.op = c.op,
						   .table_id = c.table_id,
						   .key = c.key,
						   .old_key = c.old_key,
						   .values = values,
						   .n_values = c.n_values});
	}
	free(values);
}

/* A source whose clock runs ahead must not win every conflict of the day. */
static void clamp_stamps(struct change_writer *w, int64_t limit_us)
{
	struct change_writer out;
	struct change_reader r;
	struct change_txn txn;

	change_writer_init(&out);
	change_reader_init(&r, (struct bytes){w->buf.data, w->buf.len});
	while (change_next_txn(&r, &txn) > 0) {
		if (txn.kind == TXN_ECHO) {
			change_echo(&out, txn.task_id, txn.applied_index);
			continue;
		}
		bool is_part = txn.kind == TXN_PART;
		change_begin(&out, is_part ? TXN_LOCAL : txn.kind,
			     txn.stamp_us > limit_us ? limit_us : txn.stamp_us);
		copy_changes(&r, &out);
		if (is_part)
			change_part(&out);
		else
			change_end(&out);
	}
	change_writer_free(w);
	*w = out;
}

/* -- proposing ------------------------------------------------------------- */
static ProtobufCBinaryData lend(struct bytes b)
{
	return (ProtobufCBinaryData){.len = b.len,
				     .data = (uint8_t *)(uintptr_t)b.data};
}

static struct blob *seal(struct capture *c, struct bytes to,
			 struct bytes changes)
{
	Synod__Command__Batch batch = SYNOD__COMMAND__BATCH__INIT;
	Synod__Command__Command command = SYNOD__COMMAND__COMMAND__INIT;

	batch.task_id = c->spec->id;
	batch.epoch = c->spec->epoch;
	batch.from = lend(capture_span(&c->tail));
	batch.to = lend(to);
	batch.changes = lend(changes);
	batch.time_us = c->ports->wall_us(c->ports->ctx);
	command.body_case = SYNOD__COMMAND__COMMAND__BODY_BATCH;
	command.batch = &batch;
	return command_seal(&command);
}

/* The batch stands in the window from now on; to is its position. */
static void launch(struct capture *c, const struct value_buf *to,
		   struct bytes changes)
{
	CHECK(!c->unsent);
	struct flight *f = window_push(&c->window);
	c->unsent = seal(c, capture_span(to), changes);
	f->ticket = ++c->last_ticket;
	f->bytes = c->unsent->len;
	f->n_changes = c->writer.n_changes;
	f->stamp_us = c->writer.n_changes ? c->writer.stamp_us : 0;
	f->deadline_us = INT64_MAX;
	capture_buf_copy(&f->to, to);
	c->window.bytes += f->bytes;
	capture_buf_copy(&c->tail, to);
	capture_batch_send(c);
}

void capture_batch_propose(struct capture *c)
{
	int64_t limit_us = c->ports->wall_us(c->ports->ctx) + CAPTURE_AHEAD_US;
	struct bytes changes = capture_span(&c->writer.buf);

	CHECK(!c->writer.is_open);
	if (is_ahead(changes, limit_us))
		clamp_stamps(&c->writer, limit_us);
	launch(c, &c->position, capture_span(&c->writer.buf));
}

void capture_batch_reset(struct capture *c)
{
	struct value_buf none = {0};

	change_writer_clear(&c->writer);
	launch(c, &none, (struct bytes){0});
}

/* An entry that is too large will be so for ever; everything else that the node
 * says here passes. */
bool capture_batch_send(struct capture *c)
{
	if (!c->unsent)
		return true;
	struct flight *f = window_at(&c->window, c->window.n - 1);
	if (c->ports->propose(c->ports->ctx, c->unsent, f->ticket))
		return false;
	f->deadline_us = capture_now(c) + (int64_t)LIMIT_PROPOSAL_MS * 1000;
	blob_unref(c->unsent);
	c->unsent = NULL;
	return true;
}

void capture_batch_drop_unsent(struct capture *c)
{
	if (!c->unsent)
		return;
	blob_unref(c->unsent);
	c->unsent = NULL;
	c->window.bytes -= window_at(&c->window, c->window.n - 1)->bytes;
	c->window.n--;
}
