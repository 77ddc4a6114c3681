#include "tests/sim/disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "tests/sim/disk_image.h"
#include "tests/sim/world.h"

uint64_t disk_digest(enum log_type type, const void *data, size_t len)
{
	return digest64_seed(data, len, type);
}

uint64_t disk_last_index(const struct disk *d)
{
	return d->base_index + d->n_records;
}

const struct record *disk_record(const struct disk *d, uint64_t index)
{
	if (index < d->first_index || index > disk_last_index(d))
		return NULL;
	return &d->records[index - d->base_index - 1];
}

static void record_push(struct disk *d, const struct log_entry *e)
{
	if (d->n_records == d->records_cap) {
		d->records_cap = d->records_cap ? 2 * d->records_cap : 64;
		d->records = mem_grow(d->records,
				      d->records_cap * sizeof(*d->records));
	}
	d->records[d->n_records++] = (struct record){
		.term = e->term,
		.digest = disk_digest(e->type, e->data, e->len),
		.time_us = e->time_us,
		.type = e->type,
		.data = blob_copy(e->data, e->len),
	};
}

/* Keep n records. */
static void records_cut(struct disk *d, size_t n)
{
	while (d->n_records > n)
		blob_unref(d->records[--d->n_records].data);
}

void disk_init(struct machine *m, uint64_t incarnation)
{
	const struct blob *conf = m->world->founding;
	struct disk *d = &m->disk;
	struct log_entry first = {
		.index = 1,
		.term = 1,
		.type = LOG_CHANGE,
		.data = conf->data,
		.len = conf->len,
	};

	*d = (struct disk){.incarnation = incarnation, .term = 1};
	d->first_index = 1;
	d->next_index = 2;
	record_push(d, &first);
}

void disk_wipe(struct machine *m, uint64_t incarnation)
{
	disk_free(&m->disk);
	disk_init(m, incarnation);
}

/* -- the queue of log jobs -- */
static void job_push(struct disk *d, struct job j)
{
	if (d->jobs_head + d->n_jobs == d->jobs_cap) {
		d->jobs_cap = 2 * d->n_jobs + 16;
		struct job *jobs = mem_alloc(d->jobs_cap * sizeof(*jobs));
		if (d->n_jobs > 0)
			memcpy(jobs, d->jobs + d->jobs_head,
			       d->n_jobs * sizeof(*jobs));
		free(d->jobs);
		d->jobs = jobs;
		d->jobs_head = 0;
	}
	d->jobs[d->jobs_head + d->n_jobs++] = j;
}

static void job_free(struct job *j)
{
	free(j->entries);
	free(j->digests);
}

static void ghost_push(struct disk *d, uint64_t ticket)
{
	if (d->n_ghosts == d->ghosts_cap) {
		d->ghosts_cap = 2 * d->n_ghosts + 8;
		d->ghosts =
			mem_grow(d->ghosts, d->ghosts_cap * sizeof(*d->ghosts));
	}
	d->ghosts[d->n_ghosts++] = ticket;
}

/* One group commit: everything that waits, or a part of it. */
static void disk_fly(struct machine *m)
{
	struct disk *d = &m->disk;
	struct world *w = m->world;

	if (d->n_flying > 0 || d->n_jobs == 0)
		return;
	d->n_flying = (size_t)rng_range(&w->rng, 1, (int64_t)d->n_jobs);
	bool is_slow = d->slow_until > w->now;
	d->batch_at =
		w->now + world_delay(w, is_slow ? d->slow_us : w->plan.disk_us);
	world_push(w, (struct event){.at = d->batch_at,
				     .kind = EVENT_DISK,
				     .node = (uint8_t)m->number,
				     .life = m->life});
}

/* Make the first steps of a job durable: steps is at most its entries, or 1. */
static void job_apply(struct machine *m, const struct job *j, size_t steps)
{
	struct disk *d = &m->disk;

	if (j->n == 0) {
		if (steps == 0)
			return;
		records_cut(d, (size_t)(j->index - d->base_index - 1));
		return;
	}
	for (size_t i = 0; i < steps; i++) {
		record_push(d, &j->entries[i]);
		if (d->records[d->n_records - 1].digest != j->digests[i])
			world_violation(
				m->world, m,
				"entry %llu changed while the disk "
				"had it",
				(unsigned long long)j->entries[i].index);
	}
}

static void jobs_done(struct machine *m)
{
	struct disk *d = &m->disk;

	CHECK(d->n_flying <= d->n_jobs);
	for (; d->n_flying > 0; d->n_flying--) {
		struct job j = d->jobs[d->jobs_head];
		d->jobs_head++;
		d->n_jobs--;
		job_apply(m, &j, j.n ? j.n : 1);
		replica_disk_done(m->replica, j.ticket);
		job_free(&j);
	}
	if (d->n_jobs == 0)
		d->jobs_head = 0;
	disk_fly(m);
}

static void append(void *ctx, const struct log_entry *entries, size_t n,
		   uint64_t ticket)
{
	struct machine *m = ctx;
	struct disk *d = &m->disk;
	struct job j = {.ticket = ticket, .n = n};

	CHECK(n > 0);
	if (!machine_is_powered(m)) {
		ghost_push(d, ticket);
		return;
	}
	j.index = entries[0].index;
	if (j.index != d->next_index)
		world_violation(m->world, m, "append at %llu, expected %llu",
				(unsigned long long)j.index,
				(unsigned long long)d->next_index);
	j.entries = mem_alloc(n * sizeof(*j.entries));
	j.digests = mem_alloc(n * sizeof(*j.digests));
	for (size_t i = 0; i < n; i++) {
		CHECK(entries[i].index == j.index + i);
		j.entries[i] = entries[i];
		oracle_append(m, &entries[i]);
		j.digests[i] = disk_digest(entries[i].type, entries[i].data,
					   entries[i].len);
	}
	d->next_index = j.index + n;
	job_push(d, j);
	world_trace(m->world, m, "append %llu..%llu term %llu ticket %llu",
		    (unsigned long long)j.index,
		    (unsigned long long)d->next_index - 1,
		    (unsigned long long)entries[n - 1].term,
		    (unsigned long long)ticket);
	disk_fly(m);
}

static void truncate_log(void *ctx, uint64_t index, uint64_t ticket)
{
	struct machine *m = ctx;
	struct disk *d = &m->disk;

	if (!machine_is_powered(m)) {
		ghost_push(d, ticket);
		return;
	}
	if (index <= d->base_index || index > d->next_index)
		world_violation(m->world, m, "truncate at %llu of %llu",
				(unsigned long long)index,
				(unsigned long long)d->next_index);
	oracle_truncate(m, index);
	d->next_index = index;
	job_push(d, (struct job){.ticket = ticket, .index = index});
	world_trace(m->world, m, "truncate from %llu ticket %llu",
		    (unsigned long long)index, (unsigned long long)ticket);
	disk_fly(m);
}

/* -- blocking calls -- */
static void load(void *ctx, struct replica_loaded *out)
{
	struct machine *m = ctx;
	struct disk *d = &m->disk;

	if (d->n_jobs > 0 && !m->is_cut)
		world_violation(m->world, m, "load while jobs wait");
	*out = (struct replica_loaded){
		.term = d->term,
		.vote = d->vote,
		.first_index = d->first_index,
		.last_index = disk_last_index(d),
		.base_index = d->base_index,
		.base_term = d->base_term,
		.applied_index = d->state.index,
		.applied_term = d->state.term,
		.conf_index = d->state.conf_index,
		.conf = d->state.conf ? blob_ref(d->state.conf) : NULL,
	};
	world_trace(m->world, m,
		    "load term %llu vote %d log %llu..%llu applied %llu",
		    (unsigned long long)d->term,
		    oracle_number(m->world, d->vote),
		    (unsigned long long)d->first_index,
		    (unsigned long long)disk_last_index(d),
		    (unsigned long long)d->state.index);
}

static void entry_lend(const struct record *r, uint64_t index,
		       struct log_entry *out)
{
	*out = (struct log_entry){
		.index = index,
		.term = r->term,
		.time_us = r->time_us,
		.type = r->type,
		.data = r->data->data,
		.len = r->data->len,
	};
}

static bool read_entry(void *ctx, uint64_t index, struct log_entry *out)
{
	struct machine *m = ctx;
	const struct record *r = disk_record(&m->disk, index);

	if (!r)
		return false;
	entry_lend(r, index, out);
	return true;
}

static void set_hard_state(void *ctx, uint64_t term, uint64_t vote)
{
	struct machine *m = ctx;
	struct world *w = m->world;
	bool had_power = !m->is_cut;

	/* A cut during the write leaves the old one or the new one. */
	if (!machine_is_powered(m) && !(had_power && rng_chance(&w->rng, 0.5)))
		return;
	oracle_hard_state(m, term, vote);
	m->disk.term = term;
	m->disk.vote = vote;
	bool is_slow = m->disk.slow_until > w->now;
	int64_t from = m->blocked_until > w->now ? m->blocked_until : w->now;
	m->blocked_until = from + world_delay(w, is_slow ? m->disk.slow_us / 4
							 : w->plan.disk_us / 4);
	world_trace(w, m, "hard state: term %llu vote %d",
		    (unsigned long long)term, oracle_number(w, vote));
}

/* -- the state machine -- */
static void state_advance(struct machine *m)
{
	struct disk *d = &m->disk;
	struct world *w = m->world;

	if (d->is_applying || d->committed <= d->state.index)
		return;
	uint64_t to = d->committed;
	if (rng_chance(&w->rng, 0.3)) /* a part of what waits */
		to = (uint64_t)rng_range(&w->rng, (int64_t)d->state.index + 1,
					 (int64_t)to);
	d->is_applying = true;
	bool is_slow = d->lag_until > w->now;
	int64_t delay = world_delay(w, is_slow ? d->lag_us : w->plan.state_us);
	world_push(w, (struct event){.at = w->now + delay,
				     .kind = EVENT_APPLY,
				     .node = (uint8_t)m->number,
				     .life = m->life,
				     .a = to});
}

static void commit(void *ctx, uint64_t index)
{
	struct machine *m = ctx;

	if (!machine_is_powered(m))
		return;
	world_trace(m->world, m, "commit %llu", (unsigned long long)index);
	oracle_commit(m, index);
	if (index > m->disk.committed)
		m->disk.committed = index;
	state_advance(m);
}

static void state_apply(struct machine *m, uint64_t to)
{
	struct disk *d = &m->disk;

	d->is_applying = false;
	for (uint64_t i = d->state.index + 1; i <= to; i++) {
		const struct record *r = disk_record(d, i);
		if (!r) {
			world_violation(m->world, m,
					"entry %llu to be applied is not there",
					(unsigned long long)i);
			return;
		}
		oracle_apply(m, &d->state, i, r);
	}
	machine_judge_peers(m);
	replica_applied(m->replica, d->state.index);
	state_advance(m);
}

/* -- reading for followers -- */
static void fetch(void *ctx, uint64_t index, size_t bytes_max, uint64_t ticket)
{
	struct machine *m = ctx;
	struct world *w = m->world;

	if (!machine_is_powered(m))
		return;
	world_push(w, (struct event){.at = w->now +
					   world_delay(w, w->plan.disk_us),
				     .kind = EVENT_FETCH,
				     .node = (uint8_t)m->number,
				     .life = m->life,
				     .a = ticket,
				     .b = index,
				     .c = bytes_max});
}

static void fetched(struct machine *m, const struct event *e)
{
	enum { MOST = 256 };
	struct log_entry list[MOST];
	size_t n = 0, bytes = 0;

	while (n < MOST && (n == 0 || bytes < e->c)) {
		const struct record *r = disk_record(&m->disk, e->b + n);
		if (!r)
			break;
		entry_lend(r, e->b + n, &list[n]);
		bytes += list[n++].len;
	}
	m->world->counts.fed += n;
	replica_fetched(m->replica, e->a, list, n);
}

/* -- the whole -- */
struct replica_disk disk_ports(struct machine *m)
{
	struct replica_disk ports = {
		.ctx = m,
		.load = load,
		.read = read_entry,
		.set_hard_state = set_hard_state,
		.append = append,
		.truncate = truncate_log,
		.commit = commit,
		.fetch = fetch,
	};

	disk_image_ports(&ports);
	return ports;
}

void disk_event(struct machine *m, const struct event *e)
{
	switch (e->kind) {
	case EVENT_DISK:
		jobs_done(m);
		break;
	case EVENT_APPLY:
		state_apply(m, e->a);
		break;
	case EVENT_FETCH:
		fetched(m, e);
		break;
	default:
		disk_image_event(m, e);
	}
}

void disk_forget(struct disk *d, uint64_t keep)
{
	uint64_t to = d->state.index;

	if (to >= disk_last_index(d))
		to = disk_last_index(d) - 1; /* never the newest one */
	if (d->n_records == 0 || to <= keep)
		return;
	for (uint64_t i = d->first_index; i <= to - keep; i++) {
		struct record *r = &d->records[i - d->base_index - 1];
		blob_unref(r->data);
		r->data = NULL;
	}
	if (to - keep >= d->first_index)
		d->first_index = to - keep + 1;
}

/* What a cut leaves of the jobs in flight: none, all or a prefix of the steps.
 */
static void jobs_tear(struct machine *m)
{
	struct disk *d = &m->disk;
	size_t steps = 0;

	for (size_t i = 0; i < d->n_flying; i++) {
		const struct job *j = &d->jobs[d->jobs_head + i];
		steps += j->n ? j->n : 1;
	}
	size_t left = (size_t)rng_below(&m->world->rng, steps + 1);
	if (left > 0 && left < steps)
		m->world->counts.torn++;
	for (size_t i = 0; i < d->n_flying && left > 0; i++) {
		const struct job *j = &d->jobs[d->jobs_head + i];
		size_t n = j->n ? j->n : 1;
		job_apply(m, j, n < left ? n : left);
		left -= n < left ? n : left;
	}
}

void disk_cut(struct machine *m)
{
	struct disk *d = &m->disk;

	jobs_tear(m);
	disk_image_cut(m);
	for (size_t i = 0; i < d->n_jobs; i++) {
		struct job *j = &d->jobs[d->jobs_head + i];
		/* The replica must let go of what it lent. */
		replica_disk_done(m->replica, j->ticket);
		job_free(j);
	}
	for (size_t i = 0; i < d->n_ghosts; i++)
		replica_disk_done(m->replica, d->ghosts[i]);
	d->jobs_head = d->n_jobs = d->n_flying = d->n_ghosts = 0;
	d->next_index = disk_last_index(d) + 1;
	d->committed = 0;
	d->is_applying = d->is_making = false;
}

void disk_free(struct disk *d)
{
	for (size_t i = 0; i < d->n_jobs; i++)
		job_free(&d->jobs[d->jobs_head + i]);
	for (size_t i = 0; i < d->n_records; i++)
		blob_unref(d->records[i].data);
	disk_drop_images(d);
	blob_unref(d->state.conf);
	blob_unref(d->installing.conf);
	free(d->jobs);
	free(d->ghosts);
	free(d->records);
	free(d->incoming);
	*d = (struct disk){0};
}
