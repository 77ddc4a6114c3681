#include "tests/sim/disk_image.h"

#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/endian.h"
#include "tests/sim/world.h"

/* index, chain, incarnations; then filler. */
enum { IMAGE_HEAD = 16 + 8 * SIM_NODES_MAX };

static void schedule(struct machine *m, struct event e)
{
	struct world *w = m->world;
	bool is_slow = m->disk.slow_until > w->now;

	e.at = w->now +
	       world_delay(w, is_slow ? m->disk.slow_us : w->plan.disk_us);
	e.node = (uint8_t)m->number;
	e.life = m->life;
	world_push(w, e);
}

/* -- leader -- */
static void image_make(void *ctx)
{
	struct machine *m = ctx;

	if (!machine_is_powered(m))
		return;
	if (m->disk.is_making)
		world_violation(m->world, m, "two images made at once");
	m->disk.is_making = true;
	schedule(m, (struct event){.kind = EVENT_IMAGE_MADE});
}

static struct blob *image_data(const struct sim_state *s, size_t filler)
{
	struct blob *b = blob_new(IMAGE_HEAD + filler);

	put_u64(b->data, s->index);
	put_u64(b->data + 8, s->chain);
	for (int i = 0; i < SIM_NODES_MAX; i++)
		put_u64(b->data + 16 + 8 * i, s->incarnation[i]);
	for (size_t i = 0; i < filler; i++)
		b->data[IMAGE_HEAD + i] = (uint8_t)(s->index + i * 7);
	return b;
}

static void image_drop(struct image *i)
{
	blob_unref(i->data);
	blob_unref(i->conf);
	*i = (struct image){0};
}

void disk_drop_images(struct disk *d)
{
	for (int i = 0; i < DISK_IMAGES; i++)
		image_drop(&d->images[i]);
}

static void image_made(struct machine *m)
{
	struct disk *d = &m->disk;
	struct world *w = m->world;
	struct image *i = &d->images[0];

	d->is_making = false;
	if (!d->state.conf || rng_chance(&w->rng, 0.05)) {
		replica_image_made(m->replica, NULL);
		return;
	}
	image_drop(&d->images[1]);
	d->images[1] = d->images[0];
	size_t filler = (size_t)rng_below(&w->rng, w->plan.image_max);
	*i = (struct image){
		.id = rng_u64(&w->rng) | 1,
		.index = d->state.index,
		.term = d->state.term,
		.conf_index = d->state.conf_index,
		.conf = blob_ref(d->state.conf),
		.data = image_data(&d->state, filler),
	};
	struct replica_image out = {
		.id = i->id,
		.index = i->index,
		.term = i->term,
		.conf_index = i->conf_index,
		.conf = blob_ref(i->conf),
		.size = i->data->len,
		.digest = digest64(i->data->data, i->data->len),
	};
	w->counts.images++;
	world_trace(w, m, "image of %llu made", (unsigned long long)out.index);
	replica_image_made(m->replica, &out);
}

static void image_read(void *ctx, uint64_t image_id, uint64_t offset,
		       uint64_t peer)
{
	struct machine *m = ctx;

	if (!machine_is_powered(m))
		return;
	schedule(m, (struct event){.kind = EVENT_IMAGE_READ,
				   .a = image_id,
				   .b = offset,
				   .c = peer});
}

static void image_was_read(struct machine *m, const struct event *e)
{
	struct blob *chunk = NULL;

	for (int i = 0; i < DISK_IMAGES; i++) {
		const struct image *image = &m->disk.images[i];
		if (!image->data || image->id != e->a ||
		    e->b >= image->data->len)
			continue;
		size_t len = image->data->len - (size_t)e->b;
		if (len > m->world->plan.chunk_bytes)
			len = m->world->plan.chunk_bytes;
		chunk = blob_copy(image->data->data + e->b, len);
	}
	replica_image_read(m->replica, e->a, e->b, e->c, chunk);
}

/* -- follower -- */
/* Takes the reference. */
static void image_write(void *ctx, uint64_t offset, struct blob *data)
{
	struct machine *m = ctx;

	if (!machine_is_powered(m)) {
		blob_unref(data);
		return;
	}
	schedule(m, (struct event){
			    .kind = EVENT_IMAGE_WRITE, .a = offset, .p = data});
}

static void image_was_written(struct machine *m, const struct event *e)
{
	struct disk *d = &m->disk;
	struct blob *data = e->p;
	size_t end = (size_t)e->a + data->len;

	if (e->a == 0)
		d->incoming_len = 0;
	if (end > d->incoming_cap) {
		d->incoming_cap = 2 * end;
		d->incoming = mem_grow(d->incoming, d->incoming_cap);
	}
	if (e->a > d->incoming_len) /* a hole: the digest must find it */
		memset(d->incoming + d->incoming_len, 0,
		       (size_t)e->a - d->incoming_len);
	memcpy(d->incoming + e->a, data->data, data->len);
	d->incoming_len = end;
	blob_unref(data);
	replica_image_written(m->replica, e->a);
}

static void image_install(void *ctx, const struct replica_image *image)
{
	struct machine *m = ctx;
	struct disk *d = &m->disk;

	if (!machine_is_powered(m))
		return;
	if (d->is_installing || d->n_jobs > 0)
		world_violation(m->world, m, "install while the disk works");
	d->is_installing = true;
	d->installing = *image;
	d->installing.conf = blob_ref(image->conf);
	schedule(m, (struct event){.kind = EVENT_INSTALL});
}

static bool install(struct machine *m)
{
	struct disk *d = &m->disk;
	const struct replica_image *i = &d->installing;

	if (d->incoming_len != i->size || d->incoming_len < IMAGE_HEAD ||
	    digest64(d->incoming, d->incoming_len) != i->digest)
		return false;
	oracle_install(m, i);
	for (size_t k = 0; k < d->n_records; k++)
		blob_unref(d->records[k].data);
	d->n_records = 0;
	d->base_index = i->index;
	d->base_term = i->term;
	d->first_index = d->next_index = i->index + 1;
	d->committed = i->index;
	blob_unref(d->state.conf);
	d->state.index = get_u64(d->incoming);
	d->state.term = i->term;
	d->state.chain = get_u64(d->incoming + 8);
	for (int k = 0; k < SIM_NODES_MAX; k++)
		d->state.incarnation[k] = get_u64(d->incoming + 16 + 8 * k);
	d->state.conf_index = i->conf_index;
	d->state.conf = blob_ref(i->conf);
	m->world->counts.installs++;
	world_trace(m->world, m, "image of %llu installed",
		    (unsigned long long)i->index);
	return true;
}

static void install_end(struct disk *d)
{
	d->is_installing = false;
	blob_unref(d->installing.conf);
	d->installing = (struct replica_image){0};
}

static void installed(struct machine *m)
{
	bool ok = install(m);

	install_end(&m->disk);
	machine_judge_peers(m);
	replica_installed(m->replica, ok);
}

/* -- the whole -- */
void disk_image_ports(struct replica_disk *ports)
{
	ports->image_make = image_make;
	ports->image_read = image_read;
	ports->image_write = image_write;
	ports->image_install = image_install;
}

void disk_image_event(struct machine *m, const struct event *e)
{
	switch (e->kind) {
	case EVENT_IMAGE_MADE:
		image_made(m);
		break;
	case EVENT_IMAGE_READ:
		image_was_read(m, e);
		break;
	case EVENT_IMAGE_WRITE:
		image_was_written(m, e);
		break;
	case EVENT_INSTALL:
		installed(m);
		break;
	default:
		CHECK(e->kind < EVENT_DISK); /* not one of the disk */
	}
}

/* An install is atomic: it happened or it did not. Images are files without a
 * catalogue: after a start nobody knows them. */
void disk_image_cut(struct machine *m)
{
	struct disk *d = &m->disk;

	if (d->is_installing) {
		if (rng_chance(&m->world->rng, 0.5))
			install(m);
		install_end(d);
	}
	disk_drop_images(d);
	d->incoming_len = 0;
}
