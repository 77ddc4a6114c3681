#include "cluster/wire/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/rng.h"
#include "cluster/wire/wire_inner.h"
#include "cluster/wire/wire_tls.h"

void wire_lock(struct wire *w)
{
	CHECK(pthread_mutex_lock(&w->lock) == 0);
}

void wire_unlock(struct wire *w)
{
	CHECK(pthread_mutex_unlock(&w->lock) == 0);
}

void wire_note_free(struct wire_note *n)
{
	blob_unref(n->frame);
	free(n);
}

struct wire_link *wire_link_find(struct wire *w, uint64_t id)
{
	for (size_t i = 0; i < w->n_links; i++)
		if (w->links[i].peer.id == id)
			return &w->links[i];
	return NULL;
}

/* -- notes ----------------------------------------------------------------- */

static void post(struct wire *w, struct wire_note *n)
{
	n->note.size_bytes = sizeof *n;
	if (atomic_load(&w->is_closing) ||
	    !mailbox_post_always(w->owner, &n->note))
		wire_note_free(n);
}

void wire_post(struct wire *w, enum wire_note_kind kind, uint64_t peer,
	       enum wire_channel channel, const struct wire_hello *hello)
{
	struct wire_note *n = mem_zero(1, sizeof *n);

	n->note.kind = (int)kind;
	n->peer = peer;
	n->channel = channel;
	if (hello)
		n->hello = *hello;
	post(w, n);
}

void wire_report_refused(struct wire *w, struct wire_link *link, uint64_t id,
			 enum wire_channel channel,
			 const struct wire_verdict *verdict)
{
	size_t who = link ? (size_t)(link - w->links) : w->n_links;
	int64_t *last_us = &w->refused_us[who][verdict->reason];
	int64_t now_us = wire_now_us(w);

	wire_count(&w->counters.hellos_refused, 1);
	if (*last_us && now_us - *last_us < 1000 * WIRE_US_PER_MS)
		return; /* somebody dials in a loop: one line a second */
	*last_us = now_us;
	log_event(LOG_WARN, "wire_refused", "peer=%s reason=%s text=%s",
		  LOG_Q(link ? link->peer.name : "?"),
		  wire_refused_name(verdict->reason), LOG_Q(verdict->text));
	struct wire_note *n = mem_zero(1, sizeof *n);
	n->note.kind = NOTE_WIRE_REFUSED;
	n->peer = link ? link->peer.id : id;
	n->channel = channel;
	snprintf(n->text, sizeof n->text, "%s", verdict->text);
	post(w, n);
}

/* -- opening --------------------------------------------------------------- */

static int check_address(const struct wire_config *cfg,
			 const struct wire_peer *p, struct err *e)
{
	if (p->port == 0 || p->port == UINT16_MAX)
		return err_set(e, ERR_INVALID,
			       "port %u of %s: a node takes its port and the "
			       "next one, so 1 to %d",
			       p->port, p->name, UINT16_MAX - 1);
	if (!cfg->tls.ca_file && !cfg->is_insecure &&
	    !wire_is_loopback(p->host))
		return err_set(e, ERR_INVALID,
			       "%s at %s is not on this machine and there is "
			       "no TLS: give `tls` in the node file, or "
			       "`insecure: true` to send everything in the "
			       "clear",
			       p->name, p->host);
	return 0;
}

static int check_config(const struct wire_config *cfg, struct err *e)
{
	if (cfg->n_peers >= LIMIT_NODES)
		return err_set(e, ERR_LIMIT, "%zu members, the limit is %d",
			       cfg->n_peers + 1, LIMIT_NODES);
	if (check_address(cfg, &cfg->self, e))
		return ERR_INVALID;
	for (size_t i = 0; i < cfg->n_peers; i++) {
		if (check_address(cfg, &cfg->peers[i], e))
			return ERR_INVALID;
		if (cfg->peers[i].id == cfg->self.id)
			return err_set(e, ERR_INVALID,
				       "%s and %s have the same id",
				       cfg->peers[i].name, cfg->self.name);
	}
	return 0;
}

static void server_name(const struct wire *w, const struct wire_peer *p,
			char *buf, size_t len)
{
	snprintf(buf, len, "%s.%s.synod", p->name, w->cluster_name);
}

static void keep_config(struct wire *w, nng_tls_config *cfg)
{
	w->tls_configs =
		mem_grow(w->tls_configs,
			 (w->n_tls_configs + 1) * sizeof(*w->tls_configs));
	w->tls_configs[w->n_tls_configs++] = cfg;
}

/* One configuration for the listeners and one a peer, in wire.tls_configs
 * behind what is there: listener first, then in the order of the peers. */
static int make_configs(struct wire *w, const struct wire_tls *tls,
			struct err *e)
{
	char name[2 * LIMIT_NAME_BYTES + 16];
	struct wire_pem pem;
	nng_tls_config *cfg;

	server_name(w, &w->self, name, sizeof name);
	int rc = wire_pem_load(&pem, tls, name, e);
	if (rc)
		return rc;
	rc = wire_pem_server(&pem, &cfg, e);
	if (rc == 0)
		keep_config(w, cfg);
	for (size_t i = 0; i < w->n_links && rc == 0; i++) {
		server_name(w, &w->links[i].peer, name, sizeof name);
		rc = wire_pem_client(&pem, name, &cfg, e);
		if (rc == 0)
			keep_config(w, cfg);
	}
	wire_pem_clear(&pem);
	return rc;
}

static struct wire *make(const struct wire_config *cfg)
{
	struct wire *w = mem_zero(1, sizeof *w);
	pthread_condattr_t monotonic;

	w->self = cfg->self;
	snprintf(w->cluster_name, sizeof w->cluster_name, "%s",
		 cfg->cluster_name);
	w->is_tls = cfg->tls.ca_file != NULL;
	w->owner = cfg->owner;
	w->admit = cfg->admit;
	w->admit_ctx = cfg->admit_ctx;
	w->clock = clock_system();
	w->hello = cfg->hello;
	w->n_links = cfg->n_peers;
	w->links = mem_zero(cfg->n_peers + 1, sizeof *w->links);
	w->refused_us = mem_zero(cfg->n_peers + 1, sizeof *w->refused_us);
	CHECK(pthread_mutex_init(&w->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&monotonic) == 0);
	CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&w->changed, &monotonic) == 0);
	CHECK(pthread_condattr_destroy(&monotonic) == 0);
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		w->ins[i].wire = w;
	for (int c = 0; c < WIRE__CHANNELS; c++)
		w->ports[c] = (struct wire_port){
			.wire = w,
			.channel = (enum wire_channel)c,
		};
	for (size_t i = 0; i < cfg->n_peers; i++) {
		struct wire_link *link = &w->links[i];

		link->peer = cfg->peers[i];
		rng_entropy(link->token, sizeof link->token);
		for (int c = 0; c < WIRE__CHANNELS; c++) {
			link->out[c].wire = w;
			link->out[c].peer = i;
			link->out[c].channel = (enum wire_channel)c;
		}
	}
	return w;
}

static int open_sockets(struct wire *w, struct err *e)
{
	nng_tls_config **tls = w->tls_configs;

	for (int c = 0; c < WIRE__CHANNELS; c++)
		if (wire_port_open(&w->ports[c], tls ? tls[0] : NULL, e))
			return e->code;
	for (size_t i = 0; i < w->n_links; i++)
		for (int c = 0; c < WIRE__CHANNELS; c++)
			if (wire_out_open(&w->links[i].out[c],
					  tls ? tls[1 + i] : NULL, e))
				return e->code;
	return 0;
}

int wire_open(struct wire **out, const struct wire_config *cfg, struct err *e)
{
	struct err local;

	e = e ? e : &local; /* the code is read back */
	int rc = check_config(cfg, e);
	if (rc)
		return rc;
	struct wire *w = make(cfg);
	if (w->is_tls)
		rc = make_configs(w, &cfg->tls, e);
	if (rc == 0)
		rc = wire_reaper_start(&w->reaper, e);
	if (rc == 0)
		rc = open_sockets(w, e);
	if (rc == 0)
		rc = thread_start(&w->watch, "wire-watch", wire_watch_main, w,
				  e);
	if (rc) {
		wire_close(w);
		return rc;
	}
	*out = w;
	return 0;
}

/* -- closing --------------------------------------------------------------- */

static void destroy(struct wire *w)
{
	for (size_t i = 0; i < w->n_tls_configs; i++)
		nng_tls_config_free(w->tls_configs[i]);
	CHECK(pthread_cond_destroy(&w->changed) == 0);
	CHECK(pthread_mutex_destroy(&w->lock) == 0);
	free(w->tls_configs);
	free(w->refused_us);
	free(w->links);
	free(w);
}

void wire_close(struct wire *w)
{
	if (!w)
		return;
	wire_lock(w);
	atomic_store(&w->is_closing, true);
	CHECK(pthread_cond_signal(&w->changed) == 0);
	wire_unlock(w);
	/* First what makes connections, then the connections, then what their
	 * events touch. */
	thread_join(&w->watch);
	for (int c = 0; c < WIRE__CHANNELS; c++)
		wire_port_close(&w->ports[c]);
	wire_ins_close(w);
	for (size_t i = 0; i < w->n_links; i++)
		for (int c = 0; c < WIRE__CHANNELS; c++)
			wire_out_stop(&w->links[i].out[c]);
	wire_reaper_stop(&w->reaper);
	for (size_t i = 0; i < w->n_links; i++)
		for (int c = 0; c < WIRE__CHANNELS; c++)
			wire_out_close(&w->links[i].out[c]);
	destroy(w);
}

/* -- the owner's questions ------------------------------------------------- */

bool wire_send(struct wire *w, uint64_t peer, enum wire_channel channel,
	       struct blob *frame)
{
	struct wire_link *link = wire_link_find(w, peer);

	CHECK(frame->len > 0 && frame->len <= LIMIT_FRAME_BYTES);
	if (link)
		return wire_out_send(&link->out[channel], frame);
	wire_count(&w->counters.frames_dropped, 1);
	blob_unref(frame);
	return false;
}

size_t wire_queued(struct wire *w, uint64_t peer, enum wire_channel channel)
{
	struct wire_link *link = wire_link_find(w, peer);

	return link ? wire_out_queued(&link->out[channel]) : 0;
}

bool wire_is_up(struct wire *w, uint64_t peer)
{
	struct wire_link *link = wire_link_find(w, peer);

	return link && wire_out_is_up(&link->out[WIRE_RAFT]);
}

void wire_set_hello(struct wire *w, const struct wire_hello *hello)
{
	wire_lock(w);
	struct wire_hello before = w->hello;
	w->hello = *hello;
	/* A peer should not learn only by chance that this node is no longer
	 * blank. A new term it learns from Raft itself. */
	before.term = hello->term;
	if (!wire_hello_equal(&before, hello))
		for (size_t i = 0; i < w->n_links; i++)
			for (int c = 0; c < WIRE__CHANNELS; c++)
				wire_out_say_hello(&w->links[i].out[c]);
	wire_unlock(w);
}

void wire_set_recorded(struct wire *w, uint64_t peer, uint64_t incarnation)
{
	struct wire_link *link = wire_link_find(w, peer);

	if (!link)
		return;
	wire_lock(w);
	bool is_news = link->recorded != incarnation;
	link->recorded = incarnation;
	for (int c = 0; is_news && c < WIRE__CHANNELS; c++)
		wire_out_say_hello(&link->out[c]);
	wire_unlock(w);
}

void wire_drop_peer(struct wire *w, uint64_t peer)
{
	struct wire_link *link = wire_link_find(w, peer);

	if (!link)
		return;
	wire_lock(w);
	for (size_t i = 0; i < LIMIT_WIRE_CONNECTIONS; i++)
		if (w->ins[i].stream && w->ins[i].link == link)
			wire_in_lose(&w->ins[i], false);
	for (int c = 0; c < WIRE__CHANNELS; c++)
		wire_out_break(&link->out[c], INT64_MAX);
	wire_unlock(w);
}

int wire_reload_tls(struct wire *w, const struct wire_tls *tls, struct err *e)
{
	size_t first = w->n_tls_configs;

	if (!w->is_tls || !tls->ca_file)
		return err_set(e, ERR_INVALID,
			       "TLS is switched on and off only by a restart");
	/* All or nothing: the running ones stay when the new ones are bad. */
	int rc = make_configs(w, tls, e);
	if (rc) {
		while (w->n_tls_configs > first)
			nng_tls_config_free(w->tls_configs[--w->n_tls_configs]);
		return rc;
	}
	nng_tls_config **new = w->tls_configs + first;
	int rv = 0;
	for (int c = 0; c < WIRE__CHANNELS && !rv; c++)
		rv = wire_listener_set_tls(&w->ports[c].listener, new[0]);
	for (size_t i = 0; i < w->n_links; i++)
		for (int c = 0; c < WIRE__CHANNELS && !rv; c++)
			rv = wire_out_set_tls(&w->links[i].out[c], new[1 + i]);
	if (rv)
		return err_set(e, ERR_TLS, "take the new certificates: %s",
			       nng_strerror(rv));
	return 0;
}

static uint64_t read_counter(atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void wire_stats(struct wire *w, struct wire_stats *out)
{
	struct wire_counters *c = &w->counters;

	*out = (struct wire_stats){
		.frames_sent = read_counter(&c->frames_sent),
		.bytes_sent = read_counter(&c->bytes_sent),
		.frames_dropped = read_counter(&c->frames_dropped),
		.hellos_refused = read_counter(&c->hellos_refused),
		.frames_received = read_counter(&c->frames_received),
		.bytes_received = read_counter(&c->bytes_received),
		.frames_bad = read_counter(&c->frames_bad),
	};
}
