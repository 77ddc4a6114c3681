/* The node file: what differs from host to host. Everything else lives in the
 * cluster. See docs in the schema table (config.c), shown by `synodctl explain`
 * and `synodd --print-config`.
 *
 * Read once at start and again on SIGHUP; one thread. */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "node/config_problem.h"
#include "node/config_schema.h"

struct node_member {
	const char *name; /* first: the schema's contract */
	struct config_address address;
	uint64_t id;
};

struct node_admin {
	const char *socket;           /* path of the unix socket, never NULL */
	struct config_address listen; /* host NULL: no remote door */
};

struct node_http {
	struct config_address listen; /* host NULL: no HTTP */
};

/* All set or all NULL. */
struct node_tls {
	const char *ca, *cert, *key;
};

struct node_limits {
	int64_t log_bytes, state_bytes;
};

struct node_raft {
	int64_t election_ms, heartbeat_ms;
};

/* All texts and arrays live in settings.arena. */
struct node_config {
	int64_t format;
	const char *name, *cluster, *data;
	struct node_member *members; /* sorted by name */
	size_t n_members;
	const struct node_member *self; /* one of members */
	struct config_address listen;   /* of Raft; bulk is port + 1 */
	struct node_admin admin;
	struct node_http http;
	const char *secrets; /* folder; NULL: the usual ones */
	struct node_tls tls;
	bool is_insecure;
	int log_level; /* enum log_level */
	struct node_limits limits;
	struct node_raft raft;
	int durability; /* 0: fsync, the only one there is */
	uint64_t id, cluster_hash;
	struct config_settings settings;
};

/* Read and check a node file; path is shown in problems. 0, or:
 * ERR_INVALID  the file is read and wrong
 * ERR_NOTFOUND, ERR_PERMISSION, ERR_IO  it could not be read
 * In each case problems says why, and cfg must not be used but may be cleared.
 * problems is initialised by the caller and stays his. */
int node_config_load(const char *path, struct node_config *cfg,
		     struct config_problems *problems);
/* The same from memory: for tests and the fuzzer. path is only shown, and its
 * folder is where relative files are looked for. */
int node_config_parse(const char *path, struct bytes text,
		      struct node_config *cfg,
		      struct config_problems *problems);
void node_config_clear(struct node_config *cfg);

/* --print-config: every value in effect and its origin, as a node file. */
void node_config_print(const struct node_config *cfg, FILE *out);

/* The table itself, for `synodctl explain`. */
const struct config_field *node_config_fields(void);

/* The id of a node is made of its name; never 0. */
uint64_t node_config_id(const char *name);

/* -- config_derive.c ------------------------------------------------------- */
/* Fill in what follows from other settings (own address, file paths, ids) and
 * check what no single setting can show. */
void node_config_derive(struct node_config *cfg, const char *path,
			struct config_problems *problems);

#endif
