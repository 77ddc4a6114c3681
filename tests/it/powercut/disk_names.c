/* Names made, moved and removed, and how to take that back. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_internal.h"
#include "disk_model.h"

enum name_kind { NAME_FILE, NAME_DIR, NAME_RENAME, NAME_UNLINK, NAME_RMDIR };

struct name_op {
	enum name_kind kind;
	char path[PATH_MAX], to[PATH_MAX];
	char saved[PATH_MAX]; /* what was removed or replaced; empty: nothing */
	ino_t parents[2];     /* directories whose sync makes it durable */
	ino_t dirs[2];        /* those it was done in */
	struct name_op *next;
};

static struct name_op *names, **names_end = &names;
static unsigned n_saved;

static ino_t parent_of(const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	snprintf(dir, sizeof(dir), "%s", path);
	char *slash = strrchr(dir, '/');
	disk_must(slash != NULL, path);
	*slash = '\0';
	return stat(dir, &st) ? 0 : st.st_ino;
}

static struct name_op *name_add(enum name_kind kind, const char *path)
{
	struct name_op *op = calloc(1, sizeof(*op));
	disk_must(op != NULL, "memory");
	op->kind = kind;
	snprintf(op->path, sizeof(op->path), "%s", path);
	op->parents[0] = op->dirs[0] = parent_of(path);
	*names_end = op;
	names_end = &op->next;
	return op;
}

/* A second name outside keeps the file, and its inode, for the way back. */
static void save(struct name_op *op, const char *path)
{
	struct stat st;
	if (lstat(path, &st) || !S_ISREG(st.st_mode))
		return;
	snprintf(op->saved, sizeof(op->saved), "%.*s/%u", PATH_MAX - 16,
		 disk_shared.side, n_saved++);
	disk_must(link(path, op->saved) == 0, "link");
}

void disk_made_file(const char *path)
{
	name_add(NAME_FILE, path);
}

void disk_made_dir(const char *path)
{
	name_add(NAME_DIR, path);
}

void disk_before_rename(const char *from, const char *to)
{
	struct name_op *op = name_add(NAME_RENAME, from);
	snprintf(op->to, sizeof(op->to), "%s", to);
	op->parents[1] = op->dirs[1] = parent_of(to);
	if (op->parents[1] == op->parents[0])
		op->parents[1] = 0;
	save(op, to);
}

void disk_before_unlink(const char *path)
{
	save(name_add(NAME_UNLINK, path), path);
}

void disk_removed_dir(const char *path)
{
	name_add(NAME_RMDIR, path);
}

static void name_free(struct name_op *op)
{
	if (op->saved[0])
		disk_shared.calls.unlink(op->saved);
	free(op);
}

void disk_name_failed(void)
{
	struct name_op **at = &names;
	while ((*at)->next)
		at = &(*at)->next;
	name_free(*at);
	*at = NULL;
	names_end = at;
}

void names_forget(ino_t dir)
{
	for (struct name_op **at = &names; *at;) {
		struct name_op *op = *at;
		for (int i = 0; i < 2; i++) {
			if (op->parents[i] == dir)
				op->parents[i] = 0;
		}
		if (op->parents[0] || op->parents[1]) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		if (!*at)
			names_end = at;
		name_free(op);
	}
}

static void undo_name(const struct name_op *op)
{
	/* The directory is gone, and another one has its name by now. */
	if (parent_of(op->path) != op->dirs[0] ||
	    (op->kind == NAME_RENAME && parent_of(op->to) != op->dirs[1]))
		return;
	/* A step that cannot be taken back had something durable built on it:
	 * then it is durable too. */
	switch (op->kind) {
	case NAME_FILE:
		disk_shared.calls.unlink(op->path);
		break;
	case NAME_DIR:
		disk_shared.calls.rmdir(op->path);
		break;
	case NAME_RENAME:
		disk_shared.calls.rename(op->to, op->path);
		if (op->saved[0])
			disk_shared.calls.rename(op->saved, op->to);
		break;
	case NAME_UNLINK:
		if (op->saved[0])
			disk_shared.calls.rename(op->saved, op->path);
		break;
	case NAME_RMDIR:
		disk_shared.calls.mkdir(op->path, 0700);
		break;
	}
}

void names_cut(void)
{
	size_t n = 0;
	for (struct name_op *op = names; op; op = op->next)
		n++;
	size_t kept = disk_random() % (n + 1);
	struct name_op **ops = calloc(n + 1, sizeof(struct name_op *));
	disk_must(ops != NULL, "memory");
	size_t i = 0;
	for (struct name_op *op = names; op; op = op->next)
		ops[i++] = op;
	while (n > kept)
		undo_name(ops[--n]);
	free(ops);
}

void names_save(FILE *out)
{
	size_t n = 0;
	for (struct name_op *op = names; op; op = op->next)
		n++;
	fwrite(&n, sizeof(n), 1, out);
	fwrite(&n_saved, sizeof(n_saved), 1, out);
	for (struct name_op *op = names; op; op = op->next)
		fwrite(op, sizeof(*op), 1, out);
}

void names_load(FILE *in)
{
	size_t n;
	disk_must(fread(&n, sizeof(n), 1, in) == 1, "journal");
	disk_must(fread(&n_saved, sizeof(n_saved), 1, in) == 1, "journal");
	for (size_t i = 0; i < n; i++) {
		struct name_op *op = calloc(1, sizeof(*op));
		disk_must(op && fread(op, sizeof(*op), 1, in) == 1, "journal");
		op->next = NULL;
		*names_end = op;
		names_end = &op->next;
	}
}
