/* The file of a definition: read, checked offline, paths made absolute. */
#ifndef NODE_CTL_CONFIG_FILE_H
#define NODE_CTL_CONFIG_FILE_H

#include "node/ctl/ctl.h"

struct config_file {
	const char *name; /* as problems call it */
	char *text;       /* with absolute paths */
	size_t len;
	size_t n_connections, n_syncs, n_tables;
};

/* The file of --file, or of the first argument; "-" is standard input. 0, or
 * the exit code: what is wrong was shown. */
int config_file_read(struct ctl *c, struct config_file *f);
void config_file_clear(struct config_file *f);

/* Texts of several lines, as a compiler shows them. */
void config_file_problems(struct ctl *c, const char *text);

#endif
