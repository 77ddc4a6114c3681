#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/config_value.h"
#include "node/define.h"
#include "proto/limits.h"

static const char prefix[] = "secret://";

/* A file of secrets is the owner's, or his and his group's. */
enum { MODE_OTHERS = 07 };

static void below(char *dst, const char *folder, size_t len)
{
	int n = snprintf(dst, SECRETS_DIR_MAX, "%.*s%ssecrets", (int)len,
			 folder, len > 0 ? "/" : "");
	if (n < 0 || n >= SECRETS_DIR_MAX)
		dst[0] = '\0';
}

void secrets_init(struct secrets *s, const char *folder,
		  const char *config_file, const char *data)
{
	const char *slash = config_file ? strrchr(config_file, '/') : NULL;

	*s = (struct secrets){0};
	if (folder && strlen(folder) < SECRETS_DIR_MAX)
		memcpy(s->dirs[0], folder, strlen(folder) + 1);
	else if (config_file)
		below(s->dirs[0], config_file,
		      slash ? (size_t)(slash - config_file) : 0);
	if (data)
		below(s->dirs[1], data, strlen(data));
}

/* Everything of a regular file, without the newline at its end. */
static int read_file(int fd, const char *path, char *buf, size_t cap,
		     struct err *e)
{
	struct stat st;
	size_t len = 0;

	if (fstat(fd, &st))
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s: not a file", path);
	if (st.st_mode & MODE_OTHERS)
		return err_set(e, ERR_PERMISSION,
			       "%s: everybody may read it; chmod 600 %s", path,
			       path);
	for (;;) {
		ssize_t n = read(fd, buf + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "%s: %s", path,
				       strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
		if (len == cap)
			return err_set(e, ERR_LIMIT, "%s: longer than %d bytes",
				       path, LIMIT_SECRET_BYTES);
	}
	if (len > 0 && buf[len - 1] == '\n')
		len--;
	if (len == 0)
		return err_set(e, ERR_INVALID, "%s: it is empty", path);
	if (memchr(buf, '\0', len))
		return err_set(e, ERR_INVALID, "%s: it holds a NUL byte", path);
	buf[len] = '\0';
	return 0;
}

/* ERR_NOTFOUND, without a text: look in the next folder. */
static int look(const char *dir, const char *name, char *buf, size_t cap,
		struct err *e)
{
	char path[SECRETS_DIR_MAX + LIMIT_NAME_BYTES + 2];

	int n = snprintf(path, sizeof path, "%s/%s", dir, name);
	if (!dir[0] || n < 0 || (size_t)n >= sizeof path)
		return ERR_NOTFOUND;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return ERR_NOTFOUND;
	if (fd < 0)
		return err_set(e, ERR_PERMISSION, "%s: %s", path,
			       strerror(errno));
	int rc = read_file(fd, path, buf, cap, e);
	close(fd);
	return rc;
}

static int get(void *ctx, const char *reference, char *buf, size_t cap,
	       struct err *e)
{
	const struct secrets *s = ctx;
	const char *name = reference + sizeof prefix - 1;
	const char *given = getenv("CREDENTIALS_DIRECTORY");

	if (strncmp(reference, prefix, sizeof prefix - 1) != 0) {
		size_t len = strlen(reference);
		if (len >= cap)
			return err_set(e, ERR_LIMIT, "a value is too long");
		memcpy(buf, reference, len + 1);
		return 0;
	}
	/* A name has no slash: nothing outside of the folders is read. */
	if (!config_value_name(name))
		return err_set(e, ERR_INVALID, "%.80s is no name of a secret",
			       reference);
	int rc = look(given ? given : "", name, buf, cap, e);
	for (size_t i = 0; i < SECRETS_DIRS && rc == ERR_NOTFOUND; i++)
		rc = look(s->dirs[i], name, buf, cap, e);
	if (rc == ERR_NOTFOUND)
		return err_set(e, ERR_NOTFOUND,
			       "secret '%s' is not on this node: put it into "
			       "%.150s%s%.150s (mode 600) or give it by "
			       "LoadCredential=",
			       name, s->dirs[0],
			       s->dirs[0][0] && s->dirs[1][0] ? " or " : "",
			       s->dirs[1]);
	if (rc)
		explicit_bzero(buf, cap);
	return rc;
}

struct connector_secrets secrets_port(struct secrets *s)
{
	return (struct connector_secrets){.ctx = s, .get = get};
}
