#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/check.h"
#include "base/log.h"
#include "node/node.h"

/* -- at start and after an install: blocking ------------------------------- */
static void disk_load(void *ctx, struct replica_loaded *out)
{
	struct node *n = ctx;
	struct log_bounds bounds;
	struct state_point point;

	*out = (struct replica_loaded){0};
	hard_state_get(n->hard, &out->term, &out->vote);
	log_bounds(n->log, &bounds);
	state_point(n->state, &point);
	out->first_index = bounds.first_index;
	out->last_index = bounds.last_index;
	out->base_index = bounds.base_index;
	out->base_term = bounds.base_term;
	out->applied_index = point.index;
	out->applied_term = point.term;
	out->conf_index = point.conf_index;
	out->conf = point.conf; /* its reference travels on */
}

static bool disk_read(void *ctx, uint64_t index, struct log_entry *out)
{
	struct node *n = ctx;
	struct log_reader reader;
	struct err e = {0};

	if (log_read_begin(n->log, &reader, &e)) {
		log_event(LOG_ERROR, "log_read_failed", "index=%llu why=%s",
			  (unsigned long long)index, LOG_Q(e.text));
		return false;
	}
	int rc = log_read(&reader, index, out, &e);
	if (!rc) {
		if (out->len > n->read_cap || !n->read_buf) {
			n->read_cap = out->len + 4096;
			n->read_buf = mem_grow(n->read_buf, n->read_cap);
		}
		if (out->len)
			memcpy(n->read_buf, out->data, out->len);
		out->data = n->read_buf;
	} else {
		log_event(LOG_ERROR, "log_read_failed", "index=%llu why=%s",
			  (unsigned long long)index, LOG_Q(e.text));
	}
	log_read_end(&reader);
	return rc == 0;
}

/* Raft must not answer anybody before this is durable, so the loop waits for
 * the disk here, and only here: one 4 KiB overwrite of a preallocated file. */
static void disk_set_hard_state(void *ctx, uint64_t term, uint64_t vote)
{
	struct node *n = ctx;
	struct err e = {0};

	if (!hard_state_set(n->hard, term, vote, &e))
		return;
	/* Whatever was promised may not be on disk: not one more message may
	 * leave this process. */
	log_event(LOG_ERROR, "hard_state_failed", "why=%s", LOG_Q(e.text));
	_Exit(EX_IOERR);
}

/* -- the ordered queue ----------------------------------------------------- */
static void note_wanted(struct node *n)
{
	if (n->disk_wanted++ == n->disk_done)
		n->disk_moved_us = node_now_us(n);
}

static void disk_append(void *ctx, const struct log_entry *entries,
			size_t count, uint64_t ticket)
{
	struct node *n = ctx;

	note_wanted(n);
	log_append(n->log, entries, count, ticket);
}

static void disk_truncate(void *ctx, uint64_t index, uint64_t ticket)
{
	struct node *n = ctx;

	note_wanted(n);
	log_truncate(n->log, index, ticket);
}

void port_disk_done(struct node *n, uint64_t ticket)
{
	if (ticket == 0)
		return; /* a reset of start.c: what follows it tells */
	if (ticket == NODE_TICKET_START) {
		start_written(n);
		return;
	}
	CHECK(n->disk_done < n->disk_wanted);
	n->disk_done++;
	n->disk_moved_us = node_now_us(n);
	replica_disk_done(n->replica, ticket);
}

static void disk_commit(void *ctx, uint64_t index)
{
	struct node *n = ctx;

	n->state_wanted = index;
	state_commit(n->state, index);
}

/* -- entries for a follower, off the loop ---------------------------------- */
struct fetch {
	struct job job;
	struct node *node;
	uint64_t index, ticket;
	size_t bytes_max;
	struct log_entry *entries; /* data: offsets into block until the end */
	size_t n, cap;
	uint8_t *block;
	size_t len, block_cap;
	struct err e;
};

static void fetch_add(struct fetch *f, const struct log_entry *entry)
{
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 64;
		f->entries =
			mem_grow(f->entries, f->cap * sizeof(f->entries[0]));
	}
	if (f->len + entry->len > f->block_cap) {
		f->block_cap = 2 * f->block_cap + entry->len + 4096;
		f->block = mem_grow(f->block, f->block_cap);
	}
	if (entry->len)
		memcpy(f->block + f->len, entry->data, entry->len);
	f->entries[f->n] = *entry;
	f->entries[f->n++].data = NULL; /* the block may still move */
	f->len += entry->len;
}

static void fetch_run(struct job *job)
{
	struct fetch *f = (struct fetch *)job;
	struct log_reader reader;
	struct log_entry entry;

	if (log_read_begin(f->node->log, &reader, &f->e))
		return;
	while (f->len < f->bytes_max && f->n < LIMIT_GROUP_COUNT) {
		if (log_read(&reader, f->index + f->n, &entry, &f->e))
			break;
		if (f->n && f->len + entry.len > f->bytes_max)
			break;
		fetch_add(f, &entry);
	}
	log_read_end(&reader);
	const uint8_t *at = f->block;
	for (size_t i = 0; i < f->n; i++) {
		f->entries[i].data = at;
		at += f->entries[i].len;
	}
}

static void fetch_drop(struct job *job)
{
	struct fetch *f = (struct fetch *)job;

	free(f->entries);
	free(f->block);
	free(f);
}

static void fetch_done(struct job *job)
{
	struct fetch *f = (struct fetch *)job;
	struct node *n = f->node;

	/* The end of the log, or what was forgotten meanwhile. */
	if (f->e.code && f->e.code != ERR_NOTFOUND)
		node_fatal(n, node_exit_code(f->e.code), "%s", f->e.text);
	else
		replica_fetched(n->replica, f->ticket, f->entries, f->n);
	fetch_drop(job);
}

static void disk_fetch(void *ctx, uint64_t index, size_t bytes_max,
		       uint64_t ticket)
{
	struct node *n = ctx;
	struct fetch *f = mem_zero(1, sizeof(*f));

	f->job = (struct job){
		.run = fetch_run, .done = fetch_done, .drop = fetch_drop};
	f->node = n;
	f->index = index;
	f->ticket = ticket;
	f->bytes_max = bytes_max;
	worker_give(&n->reader, &f->job);
}

struct replica_disk port_disk(struct node *n)
{
	return (struct replica_disk){
		.ctx = n,
		.load = disk_load,
		.read = disk_read,
		.set_hard_state = disk_set_hard_state,
		.append = disk_append,
		.truncate = disk_truncate,
		.commit = disk_commit,
		.fetch = disk_fetch,
		.image_make = images_make,
		.image_read = images_read,
		.image_write = images_write,
		.image_install = images_install,
	};
}
