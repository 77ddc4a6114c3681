/* Options of a SQLite connection. Pure; any thread. */
#ifndef CONNECTORS_SQLITE_OPTIONS_H
#define CONNECTORS_SQLITE_OPTIONS_H

#include "connectors/connector.h"

enum { OPTIONS_PATH_MAX = 1024 };

struct options {
	char path[OPTIONS_PATH_MAX]; /* absolute, or below base_dir */
	int busy_ms;           /* longest wait for another process's write */
	bool has_foreign_keys; /* enforced while we write */
};

extern const struct connector_option sqlite_options_list[];

/* ERR_INVALID. */
int sqlite_options_read(struct options *o, const struct connector_target *t,
			struct err *e);

#endif
