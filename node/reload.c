#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "node/node.h"
#include "node/notify.h"

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static struct wire_tls tls_of(const struct node_config *cfg)
{
	return (struct wire_tls){cfg->tls.ca, cfg->tls.cert, cfg->tls.key};
}

static bool members_differ(const struct node_config *a,
			   const struct node_config *b)
{
	if (a->n_members != b->n_members)
		return true;
	for (size_t i = 0; i < a->n_members; i++) {
		if (a->members[i].id != b->members[i].id ||
		    a->members[i].address.port != b->members[i].address.port ||
		    !same(a->members[i].address.host,
			  b->members[i].address.host))
			return true;
	}
	return false;
}

static void needs_restart(const char *setting)
{
	log_event(LOG_WARN, "reload_ignored",
		  "setting=%s why=\"it takes effect at the next start\"",
		  LOG_Q(setting));
}

static void tell_ignored(const struct node_config *old,
			 const struct node_config *new)
{
	if (!same(old->name, new->name))
		needs_restart("name");
	if (!same(old->cluster, new->cluster))
		needs_restart("cluster");
	if (!same(old->data, new->data))
		needs_restart("data");
	if (members_differ(old, new))
		needs_restart("members");
	if (!same(old->listen.host, new->listen.host) ||
	    old->listen.port != new->listen.port)
		needs_restart("listen");
	if (!same(old->admin.socket, new->admin.socket) ||
	    !same(old->admin.listen.host, new->admin.listen.host) ||
	    old->admin.listen.port != new->admin.listen.port)
		needs_restart("admin");
	if (!same(old->http.listen.host, new->http.listen.host) ||
	    old->http.listen.port != new->http.listen.port)
		needs_restart("http");
	if (!same(old->secrets, new->secrets))
		needs_restart("secrets");
	if (old->is_insecure != new->is_insecure)
		needs_restart("insecure");
	if (old->limits.log_bytes != new->limits.log_bytes ||
	    old->limits.state_bytes != new->limits.state_bytes)
		needs_restart("limits");
	if (old->raft.election_ms != new->raft.election_ms ||
	    old->raft.heartbeat_ms != new->raft.heartbeat_ms)
		needs_restart("raft");
	if ((old->tls.ca == NULL) != (new->tls.ca == NULL))
		needs_restart("tls");
}

static void reload_tls(struct node *n, const struct node_config *new)
{
	struct wire_tls tls = tls_of(new);
	struct err e = {0};

	if (!n->config.tls.ca || !new->tls.ca)
		return;
	if (wire_reload_tls(n->wire, &tls, &e))
		log_event(LOG_ERROR, "reload_failed", "why=%s", LOG_Q(e.text));
	else
		log_event(LOG_INFO, "tls_reloaded", "cert=%s",
			  LOG_Q(new->tls.cert));
	if (n->config.admin.listen.host)
		needs_restart("tls of admin.listen");
}

void reload_config(struct node *n)
{
	struct node_config new = {0};
	struct config_problems problems;

	notify_reloading();
	config_problems_init(&problems);
	if (node_config_load(n->config_path, &new, &problems)) {
		config_problems_print(&problems, stderr);
		log_event(LOG_ERROR, "reload_failed",
			  "why=\"the node file is wrong: nothing changed\"");
	} else {
		log_set_level((enum log_level) new.log_level);
		reload_tls(n, &new);
		tell_ignored(&n->config, &new);
		log_event(LOG_INFO, "reloaded", "log_level=%s",
			  log_level_name((enum log_level) new.log_level));
	}
	node_config_clear(&new);
	config_problems_clear(&problems);
	notify_ready();
}

void reload_dump(struct node *n)
{
	static const char *const phases[] = {"blank", "starting", "running",
					     "leaving", "stopping"};
	const struct replica_view *v = &n->view;
	struct log_bounds b;

	log_bounds(n->log, &b);
	log_event(LOG_INFO, "dump_node",
		  "phase=%s term=%llu leader=%s last=%llu commit=%llu "
		  "applied=%llu proposals=%zu",
		  phases[n->phase], (unsigned long long)v->term,
		  members_name(&n->members, v->leader_id),
		  (unsigned long long)v->last_index,
		  (unsigned long long)v->commit_index,
		  (unsigned long long)v->applied_index, v->proposals);
	log_event(LOG_INFO, "dump_log",
		  "first=%llu last=%llu base=%llu bytes=%zu limit=%zu "
		  "waiting=%llu",
		  (unsigned long long)b.first_index,
		  (unsigned long long)b.last_index,
		  (unsigned long long)b.base_index, b.bytes_used, b.bytes_max,
		  (unsigned long long)(n->disk_wanted - n->disk_done));
	for (size_t i = 0; i < n->members.n; i++) {
		const struct member *m = &n->members.list[i];
		log_event(LOG_INFO, "dump_member",
			  "member=%s connected=%s quarantined=%s "
			  "incarnation=%016llx recorded=%016llx match=%llu",
			  m->name, m->is_connected ? "yes" : "no",
			  m->is_quarantined ? "yes" : "no",
			  (unsigned long long)m->facts.incarnation,
			  (unsigned long long)admission_recorded(&m->facts),
			  (unsigned long long)(n->replica ? replica_match(
								    n->replica,
								    m->facts.id)
							  : 0));
	}
}
