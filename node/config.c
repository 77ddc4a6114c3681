#include "node/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "node/yaml_tree.h"
#include "proto/limits.h"

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const durabilities[] = {"fsync", NULL};

#define PORT_MAX 65534 /* bulk takes the next one */
#define MIB ((int64_t)1 << 20)
#define TIB ((int64_t)1 << 40)

static const struct config_field member_fields[] = {
	{.name = "",
	 .kind = FIELD_ADDRESS,
	 .doc = "Where this member is reached by the others.",
	 .offset = offsetof(struct node_member, address),
	 .min = 1,
	 .max = PORT_MAX},
	{0},
};

static const struct config_field admin_fields[] = {
	{.name = "socket",
	 .kind = FIELD_FILE,
	 .doc = "Unix socket for synodctl on this host; default: admin.sock in "
		"the data directory.",
	 .offset = offsetof(struct node_admin, socket)},
	{.name = "listen",
	 .kind = FIELD_ADDRESS,
	 .doc = "Where synodctl on other hosts may connect; default: nowhere.",
	 .offset = offsetof(struct node_admin, listen)},
	{0},
};

static const struct config_field http_fields[] = {
	{.name = "listen",
	 .kind = FIELD_ADDRESS,
	 .doc = "Where metrics and health are served by HTTP, without "
		"encryption and for everybody who gets there; default: "
		"nowhere.",
	 .offset = offsetof(struct node_http, listen),
	 .min = 1,
	 .max = PORT_MAX},
	{0},
};

static const struct config_field tls_fields[] = {
	{.name = "ca",
	 .kind = FIELD_FILE,
	 .doc = "Certificates of the authority that signed every node's, PEM.",
	 .is_required = true,
	 .offset = offsetof(struct node_tls, ca)},
	{.name = "cert",
	 .kind = FIELD_FILE,
	 .doc = "Certificate of this node, PEM.",
	 .is_required = true,
	 .offset = offsetof(struct node_tls, cert)},
	{.name = "key",
	 .kind = FIELD_FILE,
	 .doc = "Private key of this node's certificate, PEM.",
	 .is_required = true,
	 .offset = offsetof(struct node_tls, key)},
	{0},
};

static const struct config_field limit_fields[] = {
	{.name = "log",
	 .kind = FIELD_SIZE,
	 .doc = "Quota of the change log on disk; changes are refused a little "
		"before it is full.",
	 .preset = "64GiB",
	 .offset = offsetof(struct node_limits, log_bytes),
	 .min = 16 * MIB,
	 .max = 16 * TIB},
	{.name = "state",
	 .kind = FIELD_SIZE,
	 .doc = "Quota of the state machine's data on disk.",
	 .preset = "16GiB",
	 .offset = offsetof(struct node_limits, state_bytes),
	 .min = 16 * MIB,
	 .max = 16 * TIB},
	{0},
};

static const struct config_field raft_fields[] = {
	{.name = "election",
	 .kind = FIELD_DURATION,
	 .doc = "Silence of the leader after which another one is elected.",
	 .preset = "400ms",
	 .offset = offsetof(struct node_raft, election_ms),
	 .min = LIMIT_ELECTION_MS_MIN,
	 .max = LIMIT_ELECTION_MS_MAX},
	{.name = "heartbeat",
	 .kind = FIELD_DURATION,
	 .doc = "How often the leader speaks when it has nothing to say; at "
		"most a third of election.",
	 .preset = "60ms",
	 .offset = offsetof(struct node_raft, heartbeat_ms),
	 .min = 10,
	 .max = LIMIT_ELECTION_MS_MAX / 3},
	{0},
};

static const struct config_field node_fields[] = {
	{.name = "synod",
	 .kind = FIELD_INTEGER,
	 .doc = "Format of this file: 1.",
	 .is_required = true,
	 .offset = offsetof(struct node_config, format),
	 .min = 1,
	 .max = 1},
	{.name = "name",
	 .kind = FIELD_NAME,
	 .doc = "Name of this node, one of members.",
	 .is_required = true,
	 .offset = offsetof(struct node_config, name)},
	{.name = "cluster",
	 .kind = FIELD_NAME,
	 .doc = "Name of the cluster, the same on every node.",
	 .is_required = true,
	 .offset = offsetof(struct node_config, cluster)},
	{.name = "data",
	 .kind = FIELD_FILE,
	 .doc = "Data directory of this node; nobody else may use it.",
	 .is_required = true,
	 .offset = offsetof(struct node_config, data)},
	{.name = "members",
	 .kind = FIELD_NAMES,
	 .doc = "Founding members, name and host:port, the same list on every "
		"node. Raft uses the port, bulk data the next one.",
	 .is_required = true,
	 .offset = offsetof(struct node_config, members),
	 .min = 1,
	 .max = LIMIT_NODES,
	 .fields = member_fields,
	 .item_bytes = sizeof(struct node_member),
	 .n_offset = offsetof(struct node_config, n_members)},
	{.name = "listen",
	 .kind = FIELD_ADDRESS,
	 .doc = "Where this node listens for the others; default: its own "
		"address of members.",
	 .offset = offsetof(struct node_config, listen),
	 .min = 1,
	 .max = PORT_MAX},
	{.name = "admin",
	 .kind = FIELD_BLOCK,
	 .doc = "Where synodctl reaches this node.",
	 .offset = offsetof(struct node_config, admin),
	 .fields = admin_fields},
	{.name = "http",
	 .kind = FIELD_BLOCK,
	 .doc = "Metrics and health for machines: /metrics, /livez, /readyz, "
		"/leader, /syncz/NAME.",
	 .offset = offsetof(struct node_config, http),
	 .fields = http_fields},
	{.name = "secrets",
	 .kind = FIELD_FILE,
	 .doc = "Folder of the files that secret://NAME means; default: "
		"'secrets' beside the node file, then in the data directory.",
	 .offset = offsetof(struct node_config, secrets)},
	{.name = "tls",
	 .kind = FIELD_BLOCK,
	 .doc = "Certificates; without them only loopback addresses are "
		"served, unless insecure is true.",
	 .offset = offsetof(struct node_config, tls),
	 .fields = tls_fields},
	{.name = "insecure",
	 .kind = FIELD_BOOL,
	 .doc = "Allow plain TCP beyond loopback: everybody on the way can "
		"read "
		"and change everything.",
	 .preset = "false",
	 .offset = offsetof(struct node_config, is_insecure)},
	{.name = "log_level",
	 .kind = FIELD_WORD,
	 .doc = "Least level of what is logged; can be reloaded.",
	 .preset = "info",
	 .offset = offsetof(struct node_config, log_level),
	 .words = levels},
	{.name = "limits",
	 .kind = FIELD_BLOCK,
	 .doc = "Quotas on disk; space is taken when it is used.",
	 .offset = offsetof(struct node_config, limits),
	 .fields = limit_fields},
	{.name = "raft",
	 .kind = FIELD_BLOCK,
	 .doc = "Times of the consensus, the same on every node.",
	 .offset = offsetof(struct node_config, raft),
	 .fields = raft_fields},
	{.name = "durability",
	 .kind = FIELD_WORD,
	 .doc = "What an acknowledged change survives: fsync on a quorum.",
	 .preset = "fsync",
	 .offset = offsetof(struct node_config, durability),
	 .words = durabilities},
	{0},
};

const struct config_field *node_config_fields(void)
{
	return node_fields;
}

int node_config_parse(const char *path, struct bytes text,
		      struct node_config *cfg, struct config_problems *problems)
{
	_Static_assert(LOG_DEBUG == 0 && LOG_ERROR == 3,
		       "levels stand in the order of enum log_level");
	*cfg = (struct node_config){0};
	config_settings_init(&cfg->settings);
	config_problems_about(problems, path, text);
	struct yaml_tree tree;
	yaml_tree_read(&tree, text, problems);
	if (tree.root) {
		config_schema_read(node_fields, &tree, cfg, &cfg->settings,
				   problems);
		node_config_derive(cfg, path, problems);
	}
	yaml_tree_clear(&tree);
	return problems->n > 0 ? ERR_INVALID : 0;
}

static int unreadable(struct config_problems *problems, const char *path,
		      int error)
{
	config_problems_about(problems, path, (struct bytes){0});
	config_problem_add(problems, (struct config_place){0},
			   PROBLEM_UNREADABLE, "cannot be read: %s",
			   strerror(error));
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		config_problem_note(problems, "check the path, or write the "
					      "file there");
		return ERR_NOTFOUND;
	case EACCES:
	case EPERM:
		config_problem_note(problems, "the user that runs synodd needs "
					      "the right to read it");
		return ERR_PERMISSION;
	case EISDIR:
		config_problem_note(problems,
				    "name the file in that folder, "
				    "such as %s/node.yaml",
				    path);
		return ERR_INVALID;
	default:
		return ERR_IO;
	}
}

/* Everything, but not more than one byte above the limit: the reader says what
 * is wrong with that. 0 or errno. */
static int read_all(FILE *file, uint8_t *buf, size_t max, size_t *len)
{
	struct stat st;
	if (fstat(fileno(file), &st))
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	errno = 0;
	*len = fread(buf, 1, max, file);
	return ferror(file) ? (errno ? errno : EIO) : 0;
}

int node_config_load(const char *path, struct node_config *cfg,
		     struct config_problems *problems)
{
	*cfg = (struct node_config){0};
	config_settings_init(&cfg->settings);
	FILE *file = fopen(path, "re");
	if (!file)
		return unreadable(problems, path, errno);
	size_t max = LIMIT_CONFIG_BYTES + 1;
	size_t len = 0;
	uint8_t *buf = mem_alloc(max);
	int error = read_all(file, buf, max, &len);
	fclose(file);
	int rc = 0;
	if (error) {
		rc = unreadable(problems, path, error);
	} else {
		config_settings_clear(&cfg->settings);
		rc = node_config_parse(path, (struct bytes){buf, len}, cfg,
				       problems);
	}
	free(buf);
	return rc;
}

void node_config_clear(struct node_config *cfg)
{
	config_settings_clear(&cfg->settings);
	*cfg = (struct node_config){0};
}
