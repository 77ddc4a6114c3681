/* What follows from several settings together. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "cluster/wire/wire.h"
#include "node/config.h"
#include "node/config_nearest.h"

enum { FILE_NAME_MAX = 4096, SETTING_PATH_MAX = 128 };

uint64_t node_config_id(const char *name)
{
	uint64_t id = digest64(name, strlen(name)) & INT64_MAX;
	return id ? id : 1; /* 0 says "nobody" everywhere */
}

static int compare_members(const void *a, const void *b)
{
	const struct node_member *x = a;
	const struct node_member *y = b;
	return strcmp(x->name, y->name);
}

/* Cluster name and sorted member names, each with its NUL: no two lists run
 * into the same text. */
static uint64_t hash_cluster(const struct node_config *cfg)
{
	struct digest *d = digest_new();
	digest_add(d, cfg->cluster, strlen(cfg->cluster) + 1);
	for (size_t i = 0; i < cfg->n_members; i++)
		digest_add(d, cfg->members[i].name,
			   strlen(cfg->members[i].name) + 1);
	uint64_t value = digest_value(d);
	digest_free(d);
	return value;
}

/* -- files ----------------------------------------------------------------- */

/* Relative to the folder of the node file: a service has no working directory
 * worth the name. */
static void resolve(struct node_config *cfg, const char *path,
		    const char *setting, const char **file)
{
	const char *slash = strrchr(path, '/');
	if (!*file || (*file)[0] == '/' || !slash)
		return;
	char text[FILE_NAME_MAX];
	int n = snprintf(text, sizeof text, "%.*s/%s", (int)(slash - path),
			 path, *file);
	if (n < 0 || (size_t)n >= sizeof text)
		return; /* opening it will say what is wrong */
	*file = arena_strdup(&cfg->settings.arena, text);
	config_settings_find(&cfg->settings, setting)->value = *file;
}

static void derive_files(struct node_config *cfg, const char *path)
{
	resolve(cfg, path, "data", &cfg->data);
	resolve(cfg, path, "admin.socket", &cfg->admin.socket);
	resolve(cfg, path, "secrets", &cfg->secrets);
	resolve(cfg, path, "tls.ca", &cfg->tls.ca);
	resolve(cfg, path, "tls.cert", &cfg->tls.cert);
	resolve(cfg, path, "tls.key", &cfg->tls.key);
	if (cfg->admin.socket || !cfg->data)
		return;
	char text[FILE_NAME_MAX];
	snprintf(text, sizeof text, "%s/admin.sock", cfg->data);
	cfg->admin.socket = arena_strdup(&cfg->settings.arena, text);
	config_settings_derive(&cfg->settings, "admin.socket", text,
			       "default: in the data directory");
}

/* The path must fit into sockaddr_un, or nobody could connect. */
static void check_socket(const struct node_config *cfg,
			 struct config_problems *problems)
{
	enum { SOCKET_PATH_MAX = 107 };
	if (!cfg->admin.socket || strlen(cfg->admin.socket) <= SOCKET_PATH_MAX)
		return;
	config_problem_add(
		problems, config_settings_place(&cfg->settings, "admin.socket"),
		PROBLEM_RANGE,
		"the path of the admin socket is too long: %zu "
		"bytes",
		strlen(cfg->admin.socket));
	config_problem_note(problems,
			    "set admin.socket to a path of at most %d bytes",
			    SOCKET_PATH_MAX);
}

/* -- members --------------------------------------------------------------- */

static struct config_place member_place(const struct node_config *cfg,
					const char *name)
{
	char path[SETTING_PATH_MAX];
	snprintf(path, sizeof path, "members.%s", name);
	return config_settings_place(&cfg->settings, path);
}

static bool is_same_place(const struct config_address *a,
			  const struct config_address *b)
{
	if (!a->host || !b->host || strcmp(a->host, b->host) != 0)
		return false;
	/* Each takes its port and the next one. */
	return a->port == b->port || a->port + 1 == b->port ||
	       b->port + 1 == a->port;
}

static void check_pair(const struct node_config *cfg,
		       const struct node_member *a, const struct node_member *b,
		       struct config_problems *problems)
{
	if (is_same_place(&a->address, &b->address)) {
		config_problem_add(
			problems, member_place(cfg, b->name), PROBLEM_CONFLICT,
			"'%s' and '%s' use the same port", a->name, b->name);
		config_problem_note(problems,
				    "a node takes its port and the next one; "
				    "keep them at least 2 apart");
	}
	if (a->id == b->id) {
		config_problem_add(problems, member_place(cfg, b->name),
				   PROBLEM_CONFLICT,
				   "'%s' and '%s' have the same node id",
				   a->name, b->name);
		config_problem_note(problems, "ids are made of the names: give "
					      "one of them another name");
	}
}

static void find_self(struct node_config *cfg, struct config_problems *problems)
{
	if (!cfg->name || cfg->n_members == 0)
		return;
	struct config_nearest near = config_nearest_init(cfg->name);
	for (size_t i = 0; i < cfg->n_members; i++) {
		if (strcmp(cfg->members[i].name, cfg->name) == 0)
			cfg->self = &cfg->members[i];
		config_nearest_try(&near, cfg->members[i].name);
	}
	if (cfg->self)
		return;
	config_problem_add(
		problems, config_settings_place(&cfg->settings, "name"),
		PROBLEM_CONFLICT, "'%s' is not one of members", cfg->name);
	if (near.best)
		config_problem_note(problems, "did you mean '%s'?", near.best);
	else
		config_problem_note(problems,
				    "add it to members, on every node");
}

static void derive_members(struct node_config *cfg,
			   struct config_problems *problems)
{
	if (cfg->n_members > 1)
		qsort(cfg->members, cfg->n_members, sizeof *cfg->members,
		      compare_members);
	for (size_t i = 0; i < cfg->n_members; i++) {
		cfg->members[i].id = node_config_id(cfg->members[i].name);
		for (size_t j = 0; j < i; j++)
			check_pair(cfg, &cfg->members[j], &cfg->members[i],
				   problems);
	}
	find_self(cfg, problems);
	if (cfg->name)
		cfg->id = node_config_id(cfg->name);
	if (cfg->cluster)
		cfg->cluster_hash = hash_cluster(cfg);
}

static void derive_listen(struct node_config *cfg)
{
	if (cfg->listen.host || !cfg->self || !cfg->self->address.host)
		return;
	char text[CONFIG_VALUE_TEXT_MAX];
	cfg->listen = cfg->self->address;
	config_value_put_address(&cfg->listen, text);
	config_settings_derive(&cfg->settings, "listen", text,
			       "default: own address of members");
}

/* -- what may be reached from outside -------------------------------------- */

static void check_plain(const struct node_config *cfg,
			const struct config_address *address,
			struct config_place place,
			struct config_problems *problems)
{
	if (!address->host || wire_is_loopback(address->host) ||
	    cfg->is_insecure || cfg->tls.ca || cfg->tls.cert || cfg->tls.key)
		return;
	config_problem_add(problems, place, PROBLEM_CONFLICT,
			   "'%s' is beyond loopback and tls is not set",
			   address->host);
	config_problem_note(problems,
			    "set tls: { ca: ..., cert: ..., key: ... }, or "
			    "'insecure: true' on a network you trust");
}

static void check_reach(const struct node_config *cfg,
			struct config_problems *problems)
{
	const struct config_settings *s = &cfg->settings;
	for (size_t i = 0; i < cfg->n_members; i++)
		check_plain(cfg, &cfg->members[i].address,
			    member_place(cfg, cfg->members[i].name), problems);
	if (config_settings_place(s, "listen").line > 0)
		check_plain(cfg, &cfg->listen,
			    config_settings_place(s, "listen"), problems);
	check_plain(cfg, &cfg->admin.listen,
		    config_settings_place(s, "admin.listen"), problems);
}

/* HTTP is plain in any case: tls: does not help here. */
static void check_http(const struct node_config *cfg,
		       struct config_problems *problems)
{
	const char *host = cfg->http.listen.host;

	if (!host || wire_is_loopback(host) || cfg->is_insecure)
		return;
	config_problem_add(problems,
			   config_settings_place(&cfg->settings, "http.listen"),
			   PROBLEM_CONFLICT, "'%s' is beyond loopback", host);
	config_problem_note(problems,
			    "HTTP is not encrypted: listen on 127.0.0.1 and "
			    "put a proxy in front of it, or 'insecure: true' "
			    "on a network you trust");
}

static void check_admin_port(const struct node_config *cfg,
			     struct config_problems *problems)
{
	uint16_t port = cfg->admin.listen.port;
	if (!cfg->admin.listen.host || !cfg->listen.host ||
	    (port != cfg->listen.port && port != cfg->listen.port + 1))
		return;
	config_problem_add(
		problems, config_settings_place(&cfg->settings, "admin.listen"),
		PROBLEM_CONFLICT, "port %u is taken by this node itself",
		(unsigned)port);
	config_problem_note(problems, "the members' traffic uses %u and %u",
			    (unsigned)cfg->listen.port,
			    (unsigned)cfg->listen.port + 1);
}

static void check_raft(const struct node_config *cfg,
		       struct config_problems *problems)
{
	if (cfg->raft.heartbeat_ms * 3 <= cfg->raft.election_ms)
		return;
	const struct config_settings *s = &cfg->settings;
	struct config_place place = config_settings_place(s, "raft.heartbeat");
	if (place.line == 0)
		place = config_settings_place(s, "raft.election");
	config_problem_add(problems, place, PROBLEM_CONFLICT,
			   "heartbeat (%" PRId64 "ms) is more than a third of "
			   "election (%" PRId64 "ms)",
			   cfg->raft.heartbeat_ms, cfg->raft.election_ms);
	config_problem_note(problems, "one late heartbeat must not cost the "
				      "leader its place");
}

void node_config_derive(struct node_config *cfg, const char *path,
			struct config_problems *problems)
{
	derive_files(cfg, path);
	derive_members(cfg, problems);
	derive_listen(cfg);
	check_socket(cfg, problems);
	check_reach(cfg, problems);
	check_http(cfg, problems);
	check_admin_port(cfg, problems);
	check_raft(cfg, problems);
}

void node_config_print(const struct node_config *cfg, FILE *out)
{
	config_settings_print(&cfg->settings, "node.yaml", out);
}
