#include "cluster/replica/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cluster/replica/conf.h"

/* libraft has no way on when memory is out, so it never hears of it. Small
 * blocks are zeroed: a barrier's payload is 8 bytes that libraft never sets,
 * and what stood in memory has no place in a log. */
static void *heap_malloc(void *data, size_t size)
{
	enum { SMALL = 64 };

	return size <= SMALL ? mem_zero(1, size ? size : 1) : mem_alloc(size);
}

static void heap_free(void *data, void *p)
{
	free(p);
}

static void *heap_calloc(void *data, size_t n, size_t size)
{
	return mem_zero(n ? n : 1, size ? size : 1);
}

static void *heap_realloc(void *data, void *p, size_t size)
{
	return mem_grow(p, size ? size : 1);
}

static void *heap_aligned_alloc(void *data, size_t alignment, size_t size)
{
	void *p = aligned_alloc(alignment, size);

	CHECK(p != NULL);
	return p;
}

static void heap_aligned_free(void *data, size_t alignment, void *p)
{
	free(p);
}

static struct raft_heap heap = {
	.malloc = heap_malloc,
	.free = heap_free,
	.calloc = heap_calloc,
	.realloc = heap_realloc,
	.aligned_alloc = heap_aligned_alloc,
	.aligned_free = heap_aligned_free,
};

static struct replica *of(struct raft_io *io)
{
	return io->impl;
}

static int io_method_init(struct raft_io *io, raft_id id, const char *address)
{
	return 0;
}

static void io_method_close(struct raft_io *io, raft_io_close_cb cb)
{
	struct replica *r = of(io);

	/* Callbacks of a closed instance would touch freed memory. */
	CHECK(r->n_ops == 0 && r->deferred.n == 0);
	if (cb)
		cb(io);
}

static int io_method_start(struct raft_io *io, unsigned msecs,
			   raft_io_tick_cb tick, raft_io_recv_cb recv)
{
	of(io)->tick = tick;
	of(io)->recv = recv;
	return 0;
}

/* The entry as libraft owns it: a buffer of its own, no batch. A shared batch
 * makes every removal search the whole log. */
static void load_entry(const struct log_entry *from, struct raft_entry *to)
{
	*to = (struct raft_entry){
		.term = from->term,
		.type = (unsigned short)from->type,
	};
	to->buf.len = from->len;
	to->buf.base = raft_malloc(from->len ? from->len : 1);
	memcpy(to->buf.base, from->data, from->len);
}

/* Index of the first entry to keep in memory: everything behind the applied
 * index, and before it as much as the cache takes, for followers that lag. */
static raft_index load_start(struct replica *r, const struct replica_loaded *l)
{
	raft_index start = l->applied_index + 1;
	size_t bytes = 0;
	struct log_entry entry;

	while (start > l->first_index && start > 1 &&
	       l->applied_index + 1 - start < r->cfg.cache_entries / 2) {
		if (start - 1 > l->last_index)
			break; /* an image was installed: nothing before it */
		if (!r->cfg.disk.read(r->cfg.disk.ctx, start - 1, &entry))
			return 0;
		bytes += entry.len;
		if (bytes > r->cfg.cache_bytes / 2)
			break;
		start--;
	}
	return start;
}

static void load_snapshot(const struct replica_loaded *l,
			  struct raft_snapshot **out)
{
	struct raft_snapshot *s = raft_calloc(1, sizeof(*s));

	CHECK(l->conf != NULL);
	s->index = l->applied_index;
	s->term = l->applied_term;
	s->configuration_index = l->conf_index;
	raft_configuration_init(&s->configuration);
	int rc = conf_to_raft(blob_bytes(l->conf), &s->configuration);
	CHECK(rc == 0); /* it was applied: it was checked */
	s->bufs = raft_calloc(1, sizeof(*s->bufs));
	s->bufs[0].base = raft_malloc(8);
	s->bufs[0].len = 8;
	s->n_bufs = 1;
	*out = s;
}

static int io_method_load(struct raft_io *io, raft_term *term,
			  raft_id *voted_for, struct raft_snapshot **snapshot,
			  raft_index *start_index, struct raft_entry *entries[],
			  size_t *n_entries)
{
	struct replica *r = of(io);
	struct replica_loaded l = {0};

	r->cfg.disk.load(r->cfg.disk.ctx, &l);
	r->base_index = l.base_index;
	r->base_term = l.base_term;
	r->conf_committed = l.conf_index;
	r->append_next = l.last_index + 1;
	r->durable_applied = l.applied_index;
	if (r->seen_applied < l.applied_index)
		r->seen_applied = l.applied_index;
	r->term = *term = l.term;
	r->vote = *voted_for = l.vote;
	*snapshot = NULL;
	*entries = NULL;
	*n_entries = 0;
	if (l.applied_index > 0)
		load_snapshot(&l, snapshot);
	blob_unref(l.conf);
	*start_index = load_start(r, &l);
	if (*start_index == 0)
		return RAFT_CORRUPT;
	if (l.last_index < *start_index)
		return 0;
	size_t n = (size_t)(l.last_index - *start_index + 1);
	*entries = raft_calloc(n, sizeof(**entries));
	for (size_t i = 0; i < n; i++) {
		struct log_entry entry;
		if (!r->cfg.disk.read(r->cfg.disk.ctx, *start_index + i,
				      &entry))
			return RAFT_CORRUPT; /* the process stops: no clean-up
					      */
		load_entry(&entry, &(*entries)[i]);
	}
	*n_entries = n;
	return 0;
}

/* The first entry is appended by whoever founds the cluster, before libraft
 * runs (replica_first_entry); recovery is a matter of the data directory. */
static int io_method_bootstrap(struct raft_io *io,
			       const struct raft_configuration *conf)
{
	return RAFT_CANTBOOTSTRAP;
}

/* libraft wants both durable on return. Nothing leaves this node before
 * replica_harden has written them, which comes to the same and makes one write
 * of the two that an election costs. */
static int io_method_set_term(struct raft_io *io, raft_term term)
{
	struct replica *r = of(io);

	r->term = term;
	r->vote = 0;
	r->is_hard_dirty = true;
	return 0;
}

static int io_method_set_vote(struct raft_io *io, raft_id server_id)
{
	struct replica *r = of(io);

	r->vote = server_id;
	r->is_hard_dirty = true;
	return 0;
}

static struct deferred *defer(struct replica *r)
{
	struct deferred_list *d = &r->deferred;

	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 64;
		d->items = mem_grow(d->items, d->cap * sizeof(*d->items));
	}
	d->items[d->n] = (struct deferred){0};
	return &d->items[d->n++];
}

/* The message is packed at once, so the request is complete; its callback still
 * must not run inside the call: libraft reads the request afterwards. An error
 * would be freed twice: never one. */
static int io_method_send(struct raft_io *io, struct raft_io_send *req,
			  const struct raft_message *m, raft_io_send_cb cb)
{
	struct replica *r = of(io);

	if (m->server_id != 0 && m->server_address != NULL)
		send_raft(r, m);
	if (cb) { /* without one the request may be gone by then */
		struct deferred *d = defer(r);
		d->send = req;
		d->send_cb = cb;
	}
	return 0;
}

static struct disk_op *op_push(struct replica *r)
{
	if (r->ops_head + r->n_ops == r->ops_cap) {
		if (r->ops_head > 0) {
			memmove(r->ops, r->ops + r->ops_head,
				r->n_ops * sizeof(*r->ops));
			r->ops_head = 0;
		} else {
			r->ops_cap = r->ops_cap ? 2 * r->ops_cap : 16;
			r->ops = mem_grow(r->ops, r->ops_cap * sizeof(*r->ops));
		}
	}
	struct disk_op *op = &r->ops[r->ops_head + r->n_ops++];
	*op = (struct disk_op){.ticket = ++r->next_ticket};
	return op;
}

static int io_method_append(struct raft_io *io, struct raft_io_append *req,
			    const struct raft_entry entries[], unsigned n,
			    raft_io_append_cb cb)
{
	struct replica *r = of(io);
	struct log_entry few[64];
	struct log_entry *list = n <= 64 ? few : mem_zero(n, sizeof(*list));
	int64_t now_us = clock_wall_us(&r->cfg.clock);

	for (unsigned i = 0; i < n; i++) {
		list[i] = (struct log_entry){
			.index = r->append_next + i,
			.term = entries[i].term,
			.time_us = now_us,
			.type = (enum log_type)entries[i].type,
			.data = entries[i].buf.base,
			.len = entries[i].buf.len,
		};
		r->uncompacted_bytes += entries[i].buf.len;
	}
	r->append_next += n;
	struct disk_op *op = op_push(r);
	op->req = req;
	op->cb = cb;
	replica_harden(r); /* no entry of a term on disk before the term */
	r->cfg.disk.append(r->cfg.disk.ctx, list, n, op->ticket);
	if (list != few)
		free(list);
	return 0;
}

static int io_method_truncate(struct raft_io *io, raft_index index)
{
	struct replica *r = of(io);
	struct disk_op *op = op_push(r);

	r->append_next = index;
	replica_harden(r);
	r->cfg.disk.truncate(r->cfg.disk.ctx, index, op->ticket);
	return 0;
}

/* A snapshot is only a mark behind which libraft may forget: the state is
 * durable by its own applied index, the log stays on disk by its own retention,
 * and what a restart needs is load()ed from those two. */
static int io_method_snapshot_put(struct raft_io *io, unsigned trailing,
				  struct raft_io_snapshot_put *req,
				  const struct raft_snapshot *snapshot,
				  raft_io_snapshot_put_cb cb)
{
	CHECK(trailing > 0); /* images never pass through libraft (image.c) */
	struct deferred *d = defer(of(io));
	d->put = req;
	d->put_cb = cb;
	return 0;
}

static int io_method_snapshot_get(struct raft_io *io,
				  struct raft_io_snapshot_get *req,
				  raft_io_snapshot_get_cb cb)
{
	struct deferred *d = defer(of(io));

	d->get = req;
	d->get_cb = cb;
	return 0;
}

static raft_time io_method_time(struct raft_io *io)
{
	return (raft_time)(replica_now(of(io)) / 1000);
}

static int io_method_random(struct raft_io *io, int min, int max)
{
	return (int)rng_range(&of(io)->rng, min, max);
}

/* -- the state machine lives elsewhere -- */
static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf,
		     void **result)
{
	*result = NULL;
	return 0; /* replica_after_event sees how far last_applied has moved */
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[],
			unsigned *n_bufs)
{
	*bufs = raft_calloc(1, sizeof(**bufs));
	(*bufs)[0].base = raft_malloc(8);
	(*bufs)[0].len = 8;
	*n_bufs = 1;
	return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	raft_free(buf->base);
	return 0;
}

void io_init(struct replica *r)
{
	raft_heap_set(&heap);
	r->io = (struct raft_io){
		.version = 1,
		.impl = r,
		.init = io_method_init,
		.close = io_method_close,
		.load = io_method_load,
		.start = io_method_start,
		.bootstrap = io_method_bootstrap,
		.recover = io_method_bootstrap,
		.set_term = io_method_set_term,
		.set_vote = io_method_set_vote,
		.send = io_method_send,
		.append = io_method_append,
		.truncate = io_method_truncate,
		.snapshot_put = io_method_snapshot_put,
		.snapshot_get = io_method_snapshot_get,
		.time = io_method_time,
		.random = io_method_random,
	};
	r->fsm = (struct raft_fsm){
		.version = 1,
		.data = r,
		.apply = fsm_apply,
		.snapshot = fsm_snapshot,
		.restore = fsm_restore,
	};
}

/* -- completions -- */
void io_run_done(struct replica *r)
{
	while (r->n_ops > 0 && r->ops[r->ops_head].is_done) {
		struct disk_op op = r->ops[r->ops_head];

		r->ops_head++;
		if (--r->n_ops == 0)
			r->ops_head = 0;
		if (!op.cb)
			continue;
		op.cb(op.req, 0);
		replica_after_event(r);
	}
}

/* What sendSnapshot asks for; what it sends is only a sign for the feed. */
static struct raft_snapshot *snapshot_mark(struct replica *r)
{
	struct raft_snapshot *s = raft_calloc(1, sizeof(*s));

	s->index = r->raft.log.snapshot.last_index;
	s->term = r->raft.log.snapshot.last_term;
	raft_configuration_init(&s->configuration);
	s->configuration_index = r->raft.configuration_index;
	s->bufs = raft_calloc(1, sizeof(*s->bufs));
	s->bufs[0].base = raft_malloc(8);
	s->bufs[0].len = 8;
	s->n_bufs = 1;
	return s;
}

void io_run_deferred(struct replica *r)
{
	/* A callback may defer another one: go on until none is left. */
	for (size_t i = 0; i < r->deferred.n; i++) {
		struct deferred d = r->deferred.items[i];

		if (d.send_cb)
			d.send_cb(d.send, 0);
		if (d.put_cb)
			d.put_cb(d.put, 0);
		if (d.get_cb)
			d.get_cb(d.get, snapshot_mark(r), 0);
	}
	r->deferred.n = 0;
}
