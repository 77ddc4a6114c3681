#include "connectors/sqlite/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 5000 };

static const char *const on_off[] = {"on", "off", NULL};

const struct connector_option sqlite_options_list[] = {
	{.name = "path",
	 .doc = "File of the database. It has to be on a local disk of every "
		"node that may run tasks of this connection.",
	 .is_required = true,
	 .is_path = true},
	{.name = "busy_timeout_ms",
	 .doc = "Longest wait for another process that writes, 1 to 9000.",
	 .preset = "5000",
	 .is_number = true},
	{.name = "foreign_keys",
	 .doc = "Whether foreign keys are enforced (at the end of each "
		"transaction) when rows are written. As the applications that "
		"use the file do: SQLite leaves it to each connection.",
	 .preset = "on",
	 .words = on_off},
	{.name = NULL},
};

static const char *option(const struct connector_target *t, const char *name)
{
	for (size_t i = 0; i < t->connection->n_options; i++) {
		const Synod__Definition__Option *o = t->connection->options[i];

		if (strcmp(o->name, name) == 0)
			return o->value;
	}
	return NULL;
}

int sqlite_options_read(struct options *o, const struct connector_target *t,
			struct err *e)
{
	const char *path = option(t, "path");
	const char *busy = option(t, "busy_timeout_ms");
	const char *keys = option(t, "foreign_keys");
	struct options out = {.busy_ms = BUSY_MS, .has_foreign_keys = true};

	if (!path || !path[0])
		return err_set(e, ERR_INVALID, "the option path is missing");
	int n = path[0] != '/' && t->base_dir && t->base_dir[0]
			? snprintf(out.path, sizeof(out.path), "%s/%s",
				   t->base_dir, path)
			: snprintf(out.path, sizeof(out.path), "%s", path);
	if (n < 0 || (size_t)n >= sizeof(out.path))
		return err_set(e, ERR_INVALID,
			       "path: longer than %d bytes: %.64s...",
			       OPTIONS_PATH_MAX - 1, path);
	if (busy && busy[0]) {
		char *end = NULL;
		long ms = strtol(busy, &end, 10);

		if (*end != '\0' || ms < 1 || ms > 9000)
			return err_set(e, ERR_INVALID,
				       "busy_timeout_ms: %.32s is not a number "
				       "from 1 to 9000",
				       busy);
		out.busy_ms = (int)ms;
	}
	if (keys && keys[0]) {
		out.has_foreign_keys = strcmp(keys, "on") == 0;
		if (!out.has_foreign_keys && strcmp(keys, "off") != 0)
			return err_set(e, ERR_INVALID,
				       "foreign_keys: %.32s is not on or off",
				       keys);
	}
	*o = out;
	return 0;
}
