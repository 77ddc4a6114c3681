#include "disk_model.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_internal.h"

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

struct disk_shared disk_shared;

static struct {
	struct file files[FILES_MAX];
	size_t n_files;
	struct old_sector *buckets[BUCKETS];
} disk;

uint64_t disk_random(void)
{
	uint64_t z = disk_shared.rng += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void disk_must(bool is_good, const char *what)
{
	if (is_good)
		return;
	fprintf(stderr, "powercut shim: %s: %s\n", what, strerror(errno));
	abort();
}

void disk_init(const struct disk_calls *calls, const char *root,
	       const char *side)
{
	disk_shared.calls = *calls;
	disk_must(realpath(root, disk_shared.root) != NULL, root);
	disk_must(realpath(side, disk_shared.side) != NULL, side);
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
	size_t len = strlen(disk_shared.root);
	return strncmp(path, disk_shared.root, len) == 0 &&
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
	disk_must(fstat(fd, &st) == 0, "fstat");
	for (size_t i = 0; i < disk.n_files; i++) {
		struct file *f = &disk.files[i];
		if (f->dev == st.st_dev && f->ino == st.st_ino)
			return f;
	}
	disk_must(disk.n_files < FILES_MAX, "too many files");
	struct file *f = &disk.files[disk.n_files++];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	*f = (struct file){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.fd = disk_shared.calls.open(link, O_RDWR | O_CLOEXEC),
		.durable_size = st.st_size};
	disk_must(f->fd >= 0, "open again");
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
		disk_must(s != NULL, "memory");
		s->file = f;
		s->number = n;
		/* Beyond the end the disk holds zeros. */
		disk_must(pread(f->fd, s->data, SECTOR, n * SECTOR) >= 0,
			  "pread");
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
	disk_must(fstat(f->fd, &st) == 0, "fstat");
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

void disk_synced(int fd)
{
	struct stat st;
	disk_must(fstat(fd, &st) == 0, "fstat");
	if (S_ISDIR(st.st_mode)) {
		names_forget(st.st_ino);
		return;
	}
	struct file *f = file_of(fd);
	forget_sectors(f);
	keep_size(f);
}

/* -- the cut --------------------------------------------------------------- */

/* Percent of the unsynced sectors that reached the disk: all, none, or some. */
static unsigned choose_percent(void)
{
	static const unsigned percents[] = {0, 0, 10, 50, 50, 90, 100};
	return percents[disk_random() %
			(sizeof(percents) / sizeof(percents[0]))];
}

void disk_cut(uint64_t seed)
{
	disk_shared.rng = seed;
	unsigned percent = choose_percent();
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct old_sector *s = disk.buckets[i]; s; s = s->next) {
			if (disk_random() % 100 < percent)
				continue;
			disk_must(disk_shared.calls.pwrite(
					  s->file->fd, s->data, SECTOR,
					  s->number * SECTOR) == SECTOR,
				  "pwrite");
		}
	}
	for (size_t i = 0; i < disk.n_files; i++) {
		struct file *f = &disk.files[i];
		struct stat st;
		disk_must(fstat(f->fd, &st) == 0, "fstat");
		/* Putting back a sector may have made the file longer. */
		bool is_lost = disk_random() % 100 >= percent;
		if (st.st_size > f->durable_size && is_lost)
			disk_must(disk_shared.calls.ftruncate(
					  f->fd, f->durable_size) == 0,
				  "ftruncate");
	}
	names_cut();
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
	disk_must(snprintf(path, PATH_MAX, "%.*s/journal", PATH_MAX - 16,
			   disk_shared.side) > 0,
		  "journal");
}

static void save_file(FILE *out, const struct file *f)
{
	struct saved_file head = {.durable_size = f->durable_size};
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
	disk_must(readlink(link, head.path, sizeof(head.path) - 1) > 0,
		  "readlink");
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
	disk_must(out != NULL, "journal");
	fwrite(&disk.n_files, sizeof(disk.n_files), 1, out);
	for (size_t i = 0; i < disk.n_files; i++)
		save_file(out, &disk.files[i]);
	names_save(out);
	disk_must(fclose(out) == 0, "journal");
}

static void load_file(FILE *in)
{
	struct saved_file head;
	struct saved_sector sector;
	struct file *f = NULL;
	disk_must(fread(&head, sizeof(head), 1, in) == 1, "journal");
	/* A file without a name any more is nobody's loss. */
	int fd = disk_shared.calls.open(head.path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		f = file_of(fd);
		f->durable_size = head.durable_size;
		close(fd);
	}
	for (size_t i = 0; i < head.n_sectors; i++) {
		disk_must(fread(&sector, sizeof(sector), 1, in) == 1,
			  "journal");
		if (!f)
			continue;
		struct old_sector **slot = find_sector(f, sector.number);
		struct old_sector *s = calloc(1, sizeof(*s));
		disk_must(s != NULL, "memory");
		s->file = f;
		s->number = sector.number;
		memcpy(s->data, sector.data, SECTOR);
		*slot = s;
	}
}

void disk_load(void)
{
	char path[PATH_MAX];
	size_t n_files;
	journal_path(path);
	FILE *in = fopen(path, "re");
	if (!in)
		return;
	disk_must(fread(&n_files, sizeof(n_files), 1, in) == 1, "journal");
	for (size_t i = 0; i < n_files; i++)
		load_file(in);
	names_load(in);
	fclose(in);
}
