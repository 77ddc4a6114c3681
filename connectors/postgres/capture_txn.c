#include "connectors/postgres/capture.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
	/* A source's clock may be ahead of ours by so much; beyond, its stamps
	 * are cut, or one wrong clock would win every conflict. */
	CAPTURE_AHEAD_US = 500000,
};

static int begin(struct capture_handle *h, const struct pgoutput_message *m,
		 struct err *e)
{
	struct clock clock = clock_system();
	int64_t most_us = clock_wall_us(&clock) + CAPTURE_AHEAD_US;

	if (h->at.n_cut && m->final_lsn != h->at.cut_lsn)
		return err_set(e, ERR_GAP,
			       "the transaction in the middle of which we "
			       "stood is not in the stream any more");
	h->txn = (struct capture_txn){
		.is_open = true,
		.final_lsn = m->final_lsn,
		.xid = pg_history_full_xid(m->xid, h->load.newest_xid),
		.stamp_us = m->commit_us < most_us ? m->commit_us : most_us,
		.n_skip = h->at.n_cut,
		.is_given = h->at.n_cut > 0,
	};
	if (h->txn.xid > h->load.newest_xid)
		h->load.newest_xid = h->txn.xid;
	return 0;
}

static void commit(struct capture_handle *h, const struct pgoutput_message *m,
		   struct change_writer *w)
{
	if (w->is_open)
		change_end(w);
	if (h->txn.is_echo && h->txn.echo_index)
		change_echo(w, h->txn.echo_task, h->txn.echo_index);
	h->txn.is_open = false;
	h->at.lsn = m->end_lsn;
	h->at.cut_lsn = h->at.n_cut = 0;
	if (m->end_lsn > h->passed_lsn)
		h->passed_lsn = m->end_lsn;
	h->figures.position_us = m->commit_us;
}

/* -- our own marks ---------------------------------------------------------
 */
static bool number_at(const struct pgoutput_value *v, uint64_t *out)
{
	char text[24];

	if (v->kind != PGOUTPUT_TEXT || v->text.len >= sizeof text)
		return false;
	memcpy(text, v->text.data, v->text.len);
	text[v->text.len] = 0;
	*out = strtoull(text, NULL, 10);
	return true;
}

/* The checkpoint of an apply task moved: what else is in this transaction is
 * what that task wrote. Another cluster's checkpoint says nothing to us. */
static void take_mark(struct capture_handle *h, const struct relation *r,
		      const struct pgoutput_message *m, struct change_writer *w)
{
	struct pgoutput_value v, cluster = {0}, task = {0}, applied = {0};
	struct bytes at = m->new_row.data;
	const char *mine = h->setup.target.cluster;
	uint64_t task_id, index;

	if (m->kind == PGOUTPUT_DELETE || h->txn.is_given)
		return;
	for (uint16_t i = 0; pgoutput_next_value(&at, &v); i++) {
		if (i == r->cluster_at)
			cluster = v;
		else if (i == r->task_at)
			task = v;
		else if (i == r->applied_at)
			applied = v;
	}
	if (cluster.kind != PGOUTPUT_TEXT || !mine ||
	    cluster.text.len != strlen(mine) ||
	    memcmp(cluster.text.data, mine, cluster.text.len) != 0 ||
	    !number_at(&task, &task_id) || !number_at(&applied, &index))
		return;
	if (w->is_open)
		change_abort(w);
	h->txn.is_echo = true;
	h->txn.echo_task = (uint32_t)task_id;
	h->txn.echo_index = index;
}

/* -- rows ------------------------------------------------------------------
 */
static void note(struct capture_handle *h, uint32_t table_id, struct bytes key)
{
	struct position_table *t = pg_position_find(&h->at, table_id);

	if (t && t->state == POSITION_LOADING)
		pg_history_note(&h->load.history, table_id, key, h->txn.xid);
}

/* Room for the changes, and the transaction open for them. 0: none; what of
 * the transaction was given is a part, and the message is held. */
static int make_room(struct capture_handle *h, size_t size,
		     const struct load_room *room)
{
	struct change_writer *w = room->w;

	if (!pg_rows_has_room(w, size, room->bytes_max)) {
		if (w->is_open && w->n_txn_changes) {
			change_part(w);
			h->txn.is_given = true;
			h->at.cut_lsn = h->txn.final_lsn;
			h->at.n_cut = h->txn.n_rows;
		} else if (w->is_open) {
			change_abort(w);
		}
		return 0;
	}
	if (!w->is_open)
		change_begin(w, TXN_LOCAL, h->txn.stamp_us);
	return 1;
}

static size_t size_of(const struct change_row *list, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += list[i].key.len + list[i].old_key.len + 32 +
			pg_rows_size(list[i].values, list[i].n_values);
	return size;
}

static int take_row(struct capture_handle *h, const struct relation *r,
		    const struct pgoutput_message *m,
		    const struct load_room *room, struct err *e)
{
	struct change_row *list =
		arena_alloc(&h->arena, (r->n_uses * 2 + 1) * sizeof *list);
	size_t n = 0;

	for (size_t i = 0; i < r->n_uses; i++) {
		const struct connector_table *t =
			&h->setup.tables[r->uses[i].table];
		const struct rows_source source = {
			.relation = r,
			.use = &r->uses[i],
			.table = t,
			.path = h->schemas[r->uses[i].table].path,
			.arena = &h->arena};
		struct rows_out out;
		int error = pg_rows_decode(&source, m, &out, e);
		if (error)
			return error;
		note(h, t->table->id, out.new_key);
		if (bytes_compare(out.old_key, out.new_key) != 0)
			note(h, t->table->id, out.old_key);
		for (size_t j = 0; j < out.n; j++)
			list[n++] = out.list[j];
	}
	if (h->txn.is_echo || n == 0)
		return 1;
	if (!make_room(h, size_of(list, n), room))
		return 0;
	for (size_t i = 0; i < n; i++)
		change_add(room->w, &list[i]);
	return 1;
}

static int take_truncate(struct capture_handle *h,
			 const struct pgoutput_message *m,
			 const struct load_room *room, struct err *e)
{
	struct bytes at = m->relations;
	uint32_t oid;

	if (!h->txn.is_echo && !make_room(h, 64, room))
		return 0;
	while (pgoutput_next_relation(&at, &oid)) {
		const struct relation *r = pg_relation_find(&h->relations, oid);
		for (size_t i = 0; r && i < r->n_uses; i++) {
			const struct connector_table *t =
				&h->setup.tables[r->uses[i].table];
			const struct change_row row = {.op = CHANGE_TRUNCATE,
						       .table_id =
							       t->table->id};
			note(h, t->table->id, (struct bytes){0});
			if (!h->txn.is_echo)
				change_add(room->w, &row);
		}
	}
	return 1;
}

/* A message that counts in n_cut. */
static int take_counted(struct capture_handle *h,
			const struct pgoutput_message *m,
			const struct load_room *room, struct err *e)
{
	int taken = 1;

	if (!h->txn.is_open)
		return err_set(e, ERR_CORRUPT, "a row outside a transaction");
	if (h->txn.n_rows < h->txn.n_skip) {
		h->txn.n_rows++;
		return 1;
	}
	if (m->kind == PGOUTPUT_TRUNCATE) {
		taken = take_truncate(h, m, room, e);
	} else {
		const struct relation *r =
			pg_relation_find(&h->relations, m->relation);
		if (!r)
			return err_set(e, ERR_CORRUPT,
				       "a row of relation %u, which nobody "
				       "described",
				       m->relation);
		if (r->is_checkpoint)
			take_mark(h, r, m, room->w);
		else
			taken = take_row(h, r, m, room, e);
	}
	if (taken > 0)
		h->txn.n_rows++;
	return taken;
}

static int take_message(struct capture_handle *h,
			const struct pgoutput_message *m,
			const struct load_room *room, struct err *e)
{
	int error = 0;

	switch (m->kind) {
	case PGOUTPUT_BEGIN:
		error = begin(h, m, e);
		break;
	case PGOUTPUT_COMMIT:
		commit(h, m, room->w);
		break;
	case PGOUTPUT_RELATION:
		error = pg_relation_take(&h->relations, &h->plan, m, e);
		break;
	case PGOUTPUT_INSERT:
	case PGOUTPUT_UPDATE:
	case PGOUTPUT_DELETE:
	case PGOUTPUT_TRUNCATE:
		return take_counted(h, m, room, e);
	default: /* origins, types, others' messages */
		break;
	}
	return error ? error : 1;
}

int pg_capture_take(struct capture_handle *h,
		    const struct pgoutput_frame *frame,
		    const struct load_room *room, struct err *e)
{
	struct pgoutput_message m;

	if (frame->kind == PGOUTPUT_KEEPALIVE) {
		if (frame->wants_reply)
			pg_stream_ask(&h->stream);
		/* Between transactions it says: all before this was sent. */
		if (!h->txn.is_open && frame->end_lsn > h->at.lsn &&
		    h->at.n_cut == 0) {
			h->at.lsn = frame->end_lsn;
			if (frame->end_lsn > h->passed_lsn)
				h->passed_lsn = frame->end_lsn;
		}
		return 1;
	}
	if (pgoutput_decode(frame->message, &m))
		return err_set(e, ERR_CORRUPT,
			       "the stream has a message that is none");
	arena_clear(&h->arena);
	return take_message(h, &m, room, e);
}
