#include "node/ctl/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/config_problem.h"
#include "node/define.h"
#include "proto/limits.h"

/* One byte more than is allowed: the reader says what is wrong with that. */
static int read_all(int fd, char **text, size_t *len, struct err *e)
{
	size_t cap = 16384;
	*text = mem_alloc(cap);
	*len = 0;
	while (*len <= LIMIT_CONFIG_BYTES) {
		if (*len == cap) {
			cap *= 2;
			*text = mem_grow(*text, cap);
		}
		ssize_t n = read(fd, *text + *len, cap - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_INVALID, "%s", strerror(errno));
		if (n == 0)
			break;
		*len += (size_t)n;
	}
	return 0;
}

static int load(struct ctl *c, struct config_file *f, const char *path,
		struct err *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? c->world->in_fd : open(path, O_RDONLY | O_CLOEXEC);
	f->name = is_stdin ? "stdin" : path;
	if (fd < 0)
		return err_set(e, ERR_INVALID, "%s: %s", path, strerror(errno));
	int rc = read_all(fd, &f->text, &f->len, e);
	if (rc)
		err_wrap(e, f->name);
	if (!is_stdin)
		close(fd);
	return rc;
}

/* Where relative paths begin: beside the file. */
static int folder_of(const char *path, char *buf, struct err *e)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;
	snprintf(folder, sizeof folder, "%.*s", (int)len, path);
	if (realpath(folder[0] ? folder : ".", buf))
		return 0;
	return err_set(e, ERR_INVALID, "%s: %s", folder[0] ? folder : ".",
		       strerror(errno));
}

/* Definitions belong to the whole cluster: a path that is relative to a file on
 * this host would mean nothing there. */
static int make_absolute(struct ctl *c, struct config_file *f,
			 const struct define_text *d, const char *path,
			 struct err *e)
{
	char folder[PATH_MAX];
	size_t n = 0;
	int rc = folder_of(strcmp(path, "-") == 0 ? "" : path, folder, e);
	if (rc)
		return rc;
	struct bytes text = {(const uint8_t *)f->text, f->len};
	char *absolute = define_absolute(d, text, folder, &n);
	if (n == 0) {
		free(absolute);
		return 0;
	}
	ctl_note(c, "%zu relative path%s: taken from %s", n, n == 1 ? "" : "s",
		 folder);
	free(f->text);
	f->text = absolute;
	f->len = strlen(absolute);
	return 0;
}

void config_file_problems(struct ctl *c, const char *text)
{
	for (const char *at = text; *at; at++) {
		unsigned char byte = (unsigned char)*at;
		bool is_bad = (byte < 0x20 && byte != '\n' && byte != '\t') ||
			      byte == 0x7f;
		fputc(is_bad ? '?' : byte, c->world->err);
	}
}

static int show_problems(struct ctl *c, struct config_problems *problems)
{
	struct err e;
	size_t n = problems->n + problems->n_hidden;
	char hint[128];
	config_problems_print(problems, c->world->err);
	snprintf(hint, sizeof hint, "synodctl explain %s",
		 config_problem_name(problems->items[0].code));
	err_set(&e, ERR_INVALID, "%.200s: %zu problem%s; nothing was done",
		problems->path, n, n == 1 ? "" : "s");
	return ctl_fail(c, &e, hint);
}

static int check(struct ctl *c, struct config_file *f, const char *path)
{
	struct config_problems problems;
	struct err e = {0};
	int rc = 0;
	config_problems_init(&problems);
	struct bytes text = {(const uint8_t *)f->text, f->len};
	struct define_text *d =
		define_read(text, f->name, connectors_find, &problems);
	if (!d) {
		rc = show_problems(c, &problems);
	} else {
		define_count(d, &f->n_connections, &f->n_syncs, &f->n_tables);
		if (make_absolute(c, f, d, path, &e))
			rc = ctl_fail(c, &e, NULL);
	}
	define_text_free(d);
	config_problems_clear(&problems);
	return rc;
}

int config_file_read(struct ctl *c, struct config_file *f)
{
	const char *path = c->options.file;
	struct err e = {0};
	*f = (struct config_file){0};
	if (path && c->n_args > 0)
		return ctl_usage(c, "--file and a file name exclude each "
				    "other");
	if (!path && c->n_args > 0)
		path = c->args[0];
	if (!path)
		return ctl_usage(c, "which file? write --file FILE");
	if (load(c, f, path, &e))
		return ctl_fail(c, &e, NULL);
	return check(c, f, path);
}

void config_file_clear(struct config_file *f)
{
	free(f->text);
	*f = (struct config_file){0};
}
