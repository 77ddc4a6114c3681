#include "connectors/postgres/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "proto/limits.h"

static const char *const tls_words[] = {"disable",   "prefer",      "require",
					"verify-ca", "verify-full", NULL};
static const char *const commit_words[] = {
	"on", "off", "local", "remote_write", "remote_apply", NULL};

const struct connector_option pg_options_list[] = {
	{.name = "host",
	 .doc = "name, address, or directory of the unix socket",
	 .preset = "127.0.0.1"},
	{.name = "port",
	 .doc = "TCP port",
	 .preset = "5432",
	 .is_number = true},
	{.name = "database", .doc = "database", .is_required = true},
	{.name = "user", .doc = "role to log in as", .is_required = true},
	{.name = "password", .doc = "its password", .is_secret = true},
	{.name = "tls",
	 .doc = "as sslmode of libpq",
	 .preset = "prefer",
	 .words = tls_words},
	{.name = "ca", .doc = "file with the CA that signed the server"},
	{.name = "schema", .doc = "schema of our own table", .preset = "synod"},
	{.name = "slot", .doc = "replication slot; default: a name of ours"},
	{.name = "publication",
	 .doc = "publication kept by you; default: one kept by us"},
	{.name = "synchronous_commit",
	 .doc = "of what is applied",
	 .preset = "on",
	 .words = commit_words},
	{.name = NULL},
};

static const char *find(const struct connector_target *t, const char *name)
{
	const Synod__Definition__Connection *c = t->connection;

	for (size_t i = 0; i < c->n_options; i++)
		if (strcmp(c->options[i]->name, name) == 0)
			return c->options[i]->value;
	for (const struct connector_option *o = pg_options_list; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o->preset;
	return NULL;
}

static int copy(char *dst, size_t cap, const struct connector_target *t,
		const char *name, struct err *e)
{
	const char *value = find(t, name);

	int n = snprintf(dst, cap, "%s", value ? value : "");
	if (n < 0 || (size_t)n >= cap)
		return err_set(e, ERR_INVALID, "option %s: longer than %zu",
			       name, cap - 1);
	return 0;
}

static int read_password(struct options *o, const struct connector_target *t,
			 struct err *e)
{
	const char *reference = find(t, "password");
	char buf[LIMIT_SECRET_BYTES + 1];

	if (!reference || !*reference)
		return 0;
	if (!t->secrets) {
		o->password = mem_strdup(reference);
		return 0;
	}
	int error =
		t->secrets->get(t->secrets->ctx, reference, buf, sizeof buf, e);
	if (error == 0)
		o->password = mem_strdup(buf);
	explicit_bzero(buf, sizeof buf);
	return error;
}

/* A slot's name may hold lower-case letters, digits and underscores only, and
 * PostgreSQL cuts it. A name that does not survive this gets a digest of
 * itself: two connections must never share a slot. */
static void name_of(char *dst, const char *cluster, const char *connection)
{
	char whole[OPTIONS_NAME_MAX * 3];
	enum { DIGEST_LEN = 9 };

	int n = snprintf(whole, sizeof whole, "synod_%s_%s", cluster,
			 connection);
	CHECK(n > 0 && (size_t)n < sizeof whole);
	snprintf(dst, OPTIONS_NAME_MAX, "%.*s", OPTIONS_NAME_MAX - 1, whole);
	for (char *at = dst; *at; at++)
		if (!isalnum((unsigned char)*at) && *at != '_')
			*at = '_';
		else
			*at = (char)tolower((unsigned char)*at);
	if (strcmp(dst, whole) == 0)
		return;
	size_t end = strlen(dst), most = OPTIONS_NAME_MAX - 1 - DIGEST_LEN;
	if (end > most)
		end = most;
	snprintf(dst + end, OPTIONS_NAME_MAX - end, "_%08" PRIx32,
		 (uint32_t)digest64(connection, strlen(connection)));
}

static void choose_names(struct options *o, const struct connector_target *t)
{
	snprintf(o->cluster, sizeof o->cluster, "%.*s", OPTIONS_CLUSTER_DIGITS,
		 t->cluster ? t->cluster : "");
	if (!o->slot[0])
		name_of(o->slot, o->cluster, t->connection->name);
	if (!o->publication[0]) {
		name_of(o->publication, o->cluster, t->connection->name);
		o->is_own_publication = true;
	}
}

int pg_options_read(struct options *o, const struct connector_target *t,
		    struct err *e)
{
	*o = (struct options){0};
	int error = copy(o->host, sizeof o->host, t, "host", e);
	if (!error)
		error = copy(o->port, sizeof o->port, t, "port", e);
	if (!error)
		error = copy(o->database, sizeof o->database, t, "database", e);
	if (!error)
		error = copy(o->user, sizeof o->user, t, "user", e);
	if (!error)
		error = copy(o->sslmode, sizeof o->sslmode, t, "tls", e);
	if (!error)
		error = copy(o->ca, sizeof o->ca, t, "ca", e);
	if (!error)
		error = copy(o->slot, sizeof o->slot, t, "slot", e);
	if (!error)
		error = copy(o->publication, sizeof o->publication, t,
			     "publication", e);
	if (!error)
		error = copy(o->schema, sizeof o->schema, t, "schema", e);
	if (!error)
		error = copy(o->synchronous_commit,
			     sizeof o->synchronous_commit, t,
			     "synchronous_commit", e);
	if (!error && (!o->database[0] || !o->user[0]))
		error = err_set(e, ERR_INVALID, "option %s is missing",
				o->database[0] ? "user" : "database");
	if (!error)
		error = read_password(o, t, e);
	if (error) {
		pg_options_clear(o);
		return error;
	}
	choose_names(o, t);
	return 0;
}

void pg_options_clear(struct options *o)
{
	if (o->password) {
		explicit_bzero(o->password, strlen(o->password));
		free(o->password);
	}
	*o = (struct options){0};
}
