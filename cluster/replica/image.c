#include "cluster/replica/internal.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "cluster/replica/conf.h"

/* State images: how a follower gets what no log holds any more.
 *
 * The Raft message carries a manifest only (index, term, configuration, size,
 * digest); the state itself is fetched in chunks beside it and never passes
 * through libraft, whose snapshot installation has faults of its own. When all
 * of it is here and checked, the disk replaces state and log by it in one step
 * and struct raft is made anew from disk.
 *
 * Why dropping our log is safe: entry `index` is committed with `term`, and our
 * log does not hold it. By log matching no entry of ours from that index on can
 * be committed; what we had before it is part of the image. This holds whoever
 * sent the image, in whatever term. */

/* -- leader -- */
static void send_offer(struct replica *r, struct peer *p)
{
	struct replica_image *image = &r->server.image;
	Synod__Peer__Message m = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__InstallSnapshot s = SYNOD__PEER__INSTALL_SNAPSHOT__INIT;
	Synod__Peer__Manifest f = SYNOD__PEER__MANIFEST__INIT;
	uint8_t manifest[128];

	f.index = image->index;
	f.term = image->term;
	f.image_id = image->id;
	f.size = image->size;
	f.digest = image->digest;
	CHECK(synod__peer__manifest__get_packed_size(&f) <= sizeof(manifest));
	s.term = r->raft.current_term;
	s.last_index = image->index;
	s.last_term = image->term;
	s.conf_index = image->conf_index;
	s.conf.data = image->conf->data;
	s.conf.len = image->conf->len;
	s.manifest.len = synod__peer__manifest__pack(&f, manifest);
	s.manifest.data = manifest;
	m.body_case = SYNOD__PEER__MESSAGE__BODY_INSTALL_SNAPSHOT;
	m.install_snapshot = &s;
	send_message(r, p->id, false, &m);
}

void image_offer(struct replica *r, struct peer *p)
{
	int64_t now = replica_now(r);

	if (r->server.is_making ||
	    now - p->feed.offered_us < (int64_t)LIMIT_IMAGE_SILENCE_MS * 1000)
		return;
	if (!r->server.is_valid) {
		r->server.is_making = true;
		r->cfg.disk.image_make(r->cfg.disk.ctx);
		return;
	}
	p->feed.offered_us = now;
	send_offer(r, p);
}

void replica_image_made(struct replica *r, const struct replica_image *image)
{
	r->server.is_making = false;
	if (!image)
		return; /* asked again when it is offered again */
	blob_unref(r->server.image.conf);
	r->server.image = *image;
	r->server.is_valid = image->index > 0 && image->conf != NULL;
}

void image_take_request(struct replica *r, struct peer *p,
			const Synod__Peer__ImageRequest *m)
{
	r->cfg.disk.image_read(r->cfg.disk.ctx, m->image_id, m->offset, p->id);
}

void replica_image_read(struct replica *r, uint64_t image_id, uint64_t offset,
			uint64_t peer, struct blob *data)
{
	Synod__Peer__Message m = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__ImageChunk c = SYNOD__PEER__IMAGE_CHUNK__INIT;

	c.image_id = image_id;
	c.offset = offset;
	if (!data && image_id == r->server.image.id)
		r->server.is_valid = false; /* its file is gone: a new one */
	if (data) {
		c.size = r->server.image.size;
		c.data.data = data->data;
		c.data.len = data->len;
	}
	m.body_case = SYNOD__PEER__MESSAGE__BODY_IMAGE_CHUNK;
	m.image_chunk = &c;
	send_message(r, peer, true, &m);
	blob_unref(data);
}

/* -- follower -- */
static void ask(struct replica *r)
{
	struct image_client *c = &r->client;
	Synod__Peer__Message m = SYNOD__PEER__MESSAGE__INIT;
	Synod__Peer__ImageRequest q = SYNOD__PEER__IMAGE_REQUEST__INIT;

	q.image_id = c->image.id;
	q.offset = c->offset;
	m.body_case = SYNOD__PEER__MESSAGE__BODY_IMAGE_REQUEST;
	m.image_request = &q;
	send_message(r, c->from, true, &m);
	c->asked_us = replica_now(r);
}

static void give_up(struct replica *r)
{
	blob_unref(r->client.image.conf);
	r->client = (struct image_client){0};
}

/* Libraft hears of the leader through an empty message that begins where our
 * log is known to agree: it takes over the term, follows, and tells the leader
 * how far we are. That is the offered index if we hold the very entry, else our
 * own commit index. */
static void hear_leader(struct replica *r, struct peer *p,
			const Synod__Peer__InstallSnapshot *offer)
{
	struct raft_message m = {.type = RAFT_IO_APPEND_ENTRIES};
	unsigned at = guard_server(&r->raft, p->id);
	raft_index agreed = r->raft.commit_index;
	char name[] = "leader";

	if (offer->last_index > agreed &&
	    guard_term_of(&r->raft, offer->last_index) == offer->last_term)
		agreed = offer->last_index;
	m.append_entries.term = offer->term;
	m.append_entries.prev_log_index = agreed;
	m.append_entries.prev_log_term = guard_term_of(&r->raft, agreed);
	m.server_id = p->id;
	m.server_address = at < r->raft.configuration.n
				   ? r->raft.configuration.servers[at].address
				   : name;
	r->verified = agreed;
	r->recv(&r->io, &m);
}

static bool is_needed(const struct replica *r, uint64_t index, uint64_t term)
{
	return index > r->raft.commit_index &&
	       guard_term_of(&r->raft, index) != term;
}

static bool open_offer(const Synod__Peer__InstallSnapshot *m,
		       struct replica_image *out)
{
	struct replica_member members[LIMIT_NODES];
	struct bytes conf = {m->conf.data, m->conf.len};
	size_t n;
	Synod__Peer__Manifest *f = synod__peer__manifest__unpack(
		NULL, m->manifest.len, m->manifest.data);

	if (!f)
		return false;
	bool ok = f->index == m->last_index && f->term == m->last_term &&
		  f->index > 0 && f->term > 0 && f->size > 0 &&
		  m->conf_index <= f->index && !conf_decode(conf, members, &n);
	if (ok) {
		*out = (struct replica_image){
			.id = f->image_id,
			.index = f->index,
			.term = f->term,
			.conf_index = m->conf_index,
			.conf = blob_copy(conf.data, conf.len),
			.size = f->size,
			.digest = f->digest,
		};
	}
	synod__peer__manifest__free_unpacked(f, NULL);
	return ok;
}

void image_take_offer(struct replica *r, struct peer *p,
		      const Synod__Peer__InstallSnapshot *m)
{
	struct image_client *c = &r->client;
	struct replica_image image;

	if (m->term < r->raft.current_term)
		return;
	hear_leader(r, p, m);
	if (r->is_fatal || !is_needed(r, m->last_index, m->last_term) ||
	    !open_offer(m, &image))
		return;
	if (c->is_active && c->image.id == image.id && c->from == p->id) {
		blob_unref(image.conf);
		return; /* on its way */
	}
	if (c->is_writing || c->is_installing) {
		blob_unref(image.conf);
		return; /* offered again */
	}
	give_up(r);
	c->is_active = true;
	c->image = image;
	c->from = p->id;
	c->moved_us = replica_now(r);
	log_event(LOG_INFO, "image_fetch", "from=%llu index=%llu bytes=%llu",
		  (unsigned long long)p->id, (unsigned long long)image.index,
		  (unsigned long long)image.size);
	ask(r);
}

void image_take_chunk(struct replica *r, struct peer *p,
		      const Synod__Peer__ImageChunk *m)
{
	struct image_client *c = &r->client;

	if (!c->is_active || c->is_writing || c->is_installing ||
	    c->from != p->id || c->image.id != m->image_id ||
	    c->offset != m->offset)
		return;
	if (m->data.len == 0 || m->data.len > c->image.size - c->offset) {
		give_up(r); /* it is gone there: wait for another offer */
		return;
	}
	c->is_writing = true;
	c->moved_us = replica_now(r);
	r->cfg.disk.image_write(r->cfg.disk.ctx, c->offset,
				blob_copy(m->data.data, m->data.len));
	c->offset += m->data.len;
}

void replica_image_written(struct replica *r, uint64_t offset)
{
	struct image_client *c = &r->client;

	if (!c->is_active)
		return;
	c->is_writing = false;
	c->is_whole = c->offset == c->image.size;
	if (!c->is_whole)
		c->asked_us = 0; /* the next chunk, in the next turn */
}

/* All is here. Not before our own writes are done: the install replaces the
 * log that they go to. */
static void install(struct replica *r)
{
	struct image_client *c = &r->client;

	if (!is_needed(r, c->image.index, c->image.term)) {
		give_up(r);
		return;
	}
	c->is_installing = true;
	r->cfg.disk.image_install(r->cfg.disk.ctx, &c->image);
}

void image_turn(struct replica *r)
{
	struct image_client *c = &r->client;
	int64_t now = replica_now(r);

	if (!c->is_active || c->is_writing || c->is_installing)
		return;
	if (c->is_whole) {
		if (r->n_ops == 0)
			install(r);
	} else if (now - c->moved_us > (int64_t)LIMIT_IMAGE_GIVE_UP_MS * 1000) {
		give_up(r);
	} else if (now - c->asked_us > (int64_t)LIMIT_IMAGE_SILENCE_MS * 1000) {
		ask(r);
	}
}

void replica_installed(struct replica *r, bool ok)
{
	CHECK(r->client.is_installing);
	log_event(ok ? LOG_INFO : LOG_WARN, "image_install", "index=%llu ok=%s",
		  (unsigned long long)r->client.image.index, ok ? "yes" : "no");
	give_up(r);
	if (!ok)
		return; /* digest: it is offered again */
	r->n_installs++;
	proposals_abandon(r);
	r->must_recreate = true;
}

void image_clear(struct replica *r)
{
	blob_unref(r->server.image.conf);
	r->server = (struct image_server){0};
	give_up(r);
}
