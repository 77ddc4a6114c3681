#include "disk_model.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, FILES_MAX = 4096, BUCKETS = 1 << 16 };

struct file {
	dev_t dev;
	ino_t ino;
	int fd; /* our own: the process may close its */
	off_t durable_size;
};

/* What the disk still holds of a sector that was overwritten. */
struct old_sector {
	struct old_sector *next;
	struct file *file;
	off_t number;
	uint8_t data[SECTOR];
};

enum name_kind { NAME_FILE, NAME_DIR, NAME_RENAME, NAME_UNLINK, NAME_RMDIR };

struct name_op {
	enum name_kind kind;
	char path[PATH_MAX], to[PATH_MAX];
	char saved[PATH_MAX]; /* what was removed or replaced; empty: nothing */
	ino_t parents[2];     /* directories whose sync makes it durable */
	ino_t dirs[2];        /* those it was done in */
	struct name_op *next;
};

static struct {
	struct disk_calls calls;
	char root[PATH_MAX], side[PATH_MAX];
	struct file files[FILES_MAX];
	size_t n_files;
	struct old_sector *buckets[BUCKETS];
	struct name_op *names, **names_end;
	unsigned n_saved;
	uint64_t rng;
} disk;

static uint64_t random_u64(void)
{
	uint64_t z = disk.rng += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* The model itself must not fail: that would look like a bug of the store. */
static void must(bool is_good, const char *what)
{
	if (is_good)
		return;
	fprintf(stderr, "powercut shim: %s: %s\n", what, strerror(errno));
	abort();
}

void disk_init(const struct disk_calls *calls, const char *root,
	       const char *side)
{
	disk.calls = *calls;
	must(realpath(root, disk.root) != NULL, root);
	must(realpath(side, disk.side) != NULL, side);
	disk.names_end = &disk.names;
}

/* Locks are not data: LMDB makes its own anew, ours holds a pid for people. */
static bool is_lock(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	return strcmp(name, "lock") == 0 || strcmp(name, "lock.mdb") == 0;
}

bool disk_watches_path(const char *path)
{
	size_t len = strlen(disk.root);
	return strncmp(path, disk.root, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0') && !is_lock(path);
}

bool disk_watches_fd(int fd)
{
	char link[64], path[PATH_MAX];
	struct stat st;
	if (fstat(fd, &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return disk_watches_path(path);
}

/* -- sectors ----------------------------------------------------------- */

static struct file *file_of(int fd)
{
	struct stat st;
	char link[64];
	must(fstat(fd, &st) == 0, "fstat");
	for (size_t i = 0; i < disk.n_files; i++) {
		struct file *f = &disk.files[i];
		if (f->dev == st.st_dev && f->ino == st.st_ino)
			return f;
	}
	must(disk.n_files < FILES_MAX, "too many files");
	struct file *f = &disk.files[disk.n_files++];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	*f = (struct file){.dev = st.st_dev,
			   .ino = st.st_ino,
			   .fd = disk.calls.open(link, O_RDWR | O_CLOEXEC),
			   .durable_size = st.st_size};
	must(f->fd >= 0, "open again");
	return f;
}

static struct old_sector **bucket_of(const struct file *f, off_t number)
{
	uint64_t h = (uint64_t)number * 0x9e3779b97f4a7c15u +
		     (uint64_t)(f - disk.files) * 0xbf58476d1ce4e5b9u;
	return &disk.buckets[h >> 48];
}

static struct old_sector **find_sector(struct file *f, off_t number)
{
	struct old_sector **at = bucket_of(f, number);
	while (*at && ((*at)->file != f || (*at)->number != number))
		at = &(*at)->next;
	return at;
}

void disk_before_write(int fd, off_t at, size_t len)
{
	struct file *f = file_of(fd);
	if (!len)
		return;
	off_t last = (at + (off_t)len - 1) / SECTOR;
	for (off_t n = at / SECTOR; n <= last; n++) {
		struct old_sector **slot = find_sector(f, n);
		if (*slot)
			continue;
		struct old_sector *s = calloc(1, sizeof(*s));
		must(s != NULL, "memory");
		s->file = f;
		s->number = n;
		/* Beyond the end the disk holds zeros. */
		must(pread(f->fd, s->data, SECTOR, n * SECTOR) >= 0, "pread");
		*slot = s;
	}
}

void disk_before_resize(int fd)
{
	file_of(fd);
}

static void forget_sectors(struct file *f)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct old_sector **at = &disk.buckets[i]; *at;) {
			struct old_sector *s = *at;
			if (s->file != f) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			free(s);
		}
	}
}

static void keep_size(struct file *f)
{
	struct stat st;
	must(fstat(f->fd, &st) == 0, "fstat");
	f->durable_size = st.st_size;
}

void disk_synced_range(int fd, off_t at, size_t len)
{
	struct file *f = file_of(fd);
	off_t last = (at + (off_t)len - 1) / SECTOR;
	for (off_t n = at / SECTOR; len && n <= last; n++) {
		struct old_sector **slot = find_sector(f, n), *s = *slot;
		if (!s)
			continue;
		*slot = s->next;
		free(s);
	}
	keep_size(f);
}

/* -- names ------------------------------------------------------------- */

static ino_t parent_of(const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	snprintf(dir, sizeof(dir), "%s", path);
	char *slash = strrchr(dir, '/');
	must(slash != NULL, path);
	*slash = '\0';
	return stat(dir, &st) ? 0 : st.st_ino;
}

static struct name_op *name_add(enum name_kind kind, const char *path)
{
	struct name_op *op = calloc(1, sizeof(*op));
	must(op != NULL, "memory");
	op->kind = kind;
	snprintf(op->path, sizeof(op->path), "%s", path);
	op->parents[0] = op->dirs[0] = parent_of(path);
	*disk.names_end = op;
	disk.names_end = &op->next;
	return op;
}

/* A second name outside keeps the file, and its inode, for the way back. */
static void save(struct name_op *op, const char *path)
{
	struct stat st;
	if (lstat(path, &st) || !S_ISREG(st.st_mode))
		return;
	snprintf(op->saved, sizeof(op->saved), "%.*s/%u", PATH_MAX - 16,
		 disk.side, disk.n_saved++);
	must(link(path, op->saved) == 0, "link");
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
		disk.calls.unlink(op->saved);
	free(op);
}

void disk_name_failed(void)
{
	struct name_op **at = &disk.names;
	while ((*at)->next)
		at = &(*at)->next;
	name_free(*at);
	*at = NULL;
	disk.names_end = at;
}

static void forget_names(ino_t dir)
{
	for (struct name_op **at = &disk.names; *at;) {
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
			disk.names_end = at;
		name_free(op);
	}
}

void disk_synced(int fd)
{
	struct stat st;
	must(fstat(fd, &st) == 0, "fstat");
	if (S_ISDIR(st.st_mode)) {
		forget_names(st.st_ino);
		return;
	}
	struct file *f = file_of(fd);
	forget_sectors(f);
	keep_size(f);
}

/* -- the cut ----------------------------------------------------------- */

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
		disk.calls.unlink(op->path);
		break;
	case NAME_DIR:
		disk.calls.rmdir(op->path);
		break;
	case NAME_RENAME:
		disk.calls.rename(op->to, op->path);
		if (op->saved[0])
			disk.calls.rename(op->saved, op->to);
		break;
	case NAME_UNLINK:
		if (op->saved[0])
			disk.calls.rename(op->saved, op->path);
		break;
	case NAME_RMDIR:
		disk.calls.mkdir(op->path, 0700);
		break;
	}
}

static void cut_names(void)
{
	size_t n = 0;
	for (struct name_op *op = disk.names; op; op = op->next)
		n++;
	size_t kept = random_u64() % (n + 1);
	struct name_op **ops = calloc(n + 1, sizeof(struct name_op *));
	must(ops != NULL, "memory");
	size_t i = 0;
	for (struct name_op *op = disk.names; op; op = op->next)
		ops[i++] = op;
	while (n > kept)
		undo_name(ops[--n]);
	free(ops);
}

/* Percent of the unsynced sectors that reached the disk: all, none, or some. */
static unsigned choose_percent(void)
{
	static const unsigned percents[] = {0, 0, 10, 50, 50, 90, 100};
	return percents[random_u64() %
			(sizeof(percents) / sizeof(percents[0]))];
}

void disk_cut(uint64_t seed)
{
	disk.rng = seed;
	unsigned percent = choose_percent();
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct old_sector *s = disk.buckets[i]; s; s = s->next) {
			if (random_u64() % 100 < percent)
				continue;
			must(disk.calls.pwrite(s->file->fd, s->data, SECTOR,
					       s->number * SECTOR) == SECTOR,
			     "pwrite");
		}
	}
	for (size_t i = 0; i < disk.n_files; i++) {
		struct file *f = &disk.files[i];
		struct stat st;
		must(fstat(f->fd, &st) == 0, "fstat");
		/* Putting back a sector may have made the file longer. */
		bool is_lost = random_u64() % 100 >= percent;
		if (st.st_size > f->durable_size && is_lost)
			must(disk.calls.ftruncate(f->fd, f->durable_size) == 0,
			     "ftruncate");
	}
	cut_names();
}

/* -- from one process to the next ------------------------------------------ */

struct saved_file {
	char path[PATH_MAX];
	off_t durable_size;
	size_t n_sectors;
};

struct saved_sector {
	off_t number;
	uint8_t data[SECTOR];
};

static void journal_path(char path[PATH_MAX])
{
	must(snprintf(path, PATH_MAX, "%.*s/journal", PATH_MAX - 16,
		      disk.side) > 0,
	     "journal");
}

static void save_file(FILE *out, const struct file *f)
{
	struct saved_file head = {.durable_size = f->durable_size};
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
	must(readlink(link, head.path, sizeof(head.path) - 1) > 0, "readlink");
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < BUCKETS; i++) {
			struct old_sector *s = disk.buckets[i];
			for (; s; s = s->next) {
				struct saved_sector sector = {
					.number = s->number};
				if (s->file != f)
					continue;
				memcpy(sector.data, s->data, SECTOR);
				if (pass)
					fwrite(&sector, sizeof(sector), 1, out);
				else
					head.n_sectors++;
			}
		}
		if (!pass)
			fwrite(&head, sizeof(head), 1, out);
	}
}

void disk_save(void)
{
	char path[PATH_MAX];
	journal_path(path);
	FILE *out = fopen(path, "we");
	must(out != NULL, "journal");
	size_t n = 0;
	for (struct name_op *op = disk.names; op; op = op->next)
		n++;
	fwrite(&disk.n_files, sizeof(disk.n_files), 1, out);
	fwrite(&n, sizeof(n), 1, out);
	fwrite(&disk.n_saved, sizeof(disk.n_saved), 1, out);
	for (size_t i = 0; i < disk.n_files; i++)
		save_file(out, &disk.files[i]);
	for (struct name_op *op = disk.names; op; op = op->next)
		fwrite(op, sizeof(*op), 1, out);
	must(fclose(out) == 0, "journal");
}

static void load_file(FILE *in)
{
	struct saved_file head;
	struct saved_sector sector;
	struct file *f = NULL;
	must(fread(&head, sizeof(head), 1, in) == 1, "journal");
	/* A file without a name any more is nobody's loss. */
	int fd = disk.calls.open(head.path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		f = file_of(fd);
		f->durable_size = head.durable_size;
		close(fd);
	}
	for (size_t i = 0; i < head.n_sectors; i++) {
		must(fread(&sector, sizeof(sector), 1, in) == 1, "journal");
		if (!f)
			continue;
		struct old_sector **slot = find_sector(f, sector.number);
		struct old_sector *s = calloc(1, sizeof(*s));
		must(s != NULL, "memory");
		s->file = f;
		s->number = sector.number;
		memcpy(s->data, sector.data, SECTOR);
		*slot = s;
	}
}

void disk_load(void)
{
	char path[PATH_MAX];
	size_t n_files, n_names;
	journal_path(path);
	FILE *in = fopen(path, "re");
	if (!in)
		return;
	must(fread(&n_files, sizeof(n_files), 1, in) == 1, "journal");
	must(fread(&n_names, sizeof(n_names), 1, in) == 1, "journal");
	must(fread(&disk.n_saved, sizeof(disk.n_saved), 1, in) == 1, "journal");
	for (size_t i = 0; i < n_files; i++)
		load_file(in);
	for (size_t i = 0; i < n_names; i++) {
		struct name_op *op = calloc(1, sizeof(*op));
		must(op && fread(op, sizeof(*op), 1, in) == 1, "journal");
		op->next = NULL;
		*disk.names_end = op;
		disk.names_end = &op->next;
	}
	fclose(in);
}
