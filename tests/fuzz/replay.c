/* replay CORPUS_DIR ROUNDS: see replay.h. Exit code 0, or the way in which the
 * target died; then the input stands in fuzz-crash.bin. */
#include "replay.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/rng.h"
#include "mutate.h"

enum { FILES_MAX = 4096 };

static struct blob *files[FILES_MAX];
static size_t n_files;

/* What runs now, for the one who has to find out why it died. */
static const uint8_t *current_data;
static size_t current_len;
static char current_name[512];

__attribute__((weak)) void __sanitizer_set_death_callback(void (*fn)(void));

static void save_current(void)
{
	static const char head[] = "fuzz-crash.bin holds the input: ";
	int fd = open("fuzz-crash.bin", O_CREAT | O_TRUNC | O_WRONLY, 0644);
	ssize_t rc = write(STDERR_FILENO, head, sizeof head - 1);

	rc = write(STDERR_FILENO, current_name, strlen(current_name));
	rc = write(STDERR_FILENO, "\n", 1);
	if (fd >= 0) {
		rc = write(fd, current_data, current_len);
		close(fd);
	}
	(void)rc;
}

static void on_signal(int number)
{
	save_current();
	signal(number, SIG_DFL);
	raise(number);
}

static void watch_death(void)
{
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(save_current);
	else
		signal(SIGSEGV, on_signal);
	signal(SIGABRT, on_signal);
}

static struct blob *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = mem_alloc(MUTATE_LEN_MAX);

	CHECK(f != NULL);
	size_t len = fread(data, 1, MUTATE_LEN_MAX, f);
	CHECK(!ferror(f));
	fclose(f);
	/* Of the exact size: a sanitizer sees each byte read beyond it. */
	struct blob *b = blob_copy(data, len);
	free(data);
	return b;
}

/* In the order of names: the order of a directory differs between machines. */
static void load(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort);

	CHECK(n >= 0);
	for (int i = 0; i < n; i++) {
		char path[1024];
		snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			CHECK(n_files < FILES_MAX);
			files[n_files++] = read_file(path);
		}
		free(names[i]);
	}
	free(names);
}

static void run(const uint8_t *data, size_t len)
{
	struct blob *exact = blob_copy(data, len);

	current_data = exact->data;
	current_len = len;
	CHECK(LLVMFuzzerTestOneInput(exact->data, len) == 0);
	blob_unref(exact);
}

static void run_mutations(long n_rounds)
{
	static uint8_t out[MUTATE_LEN_MAX];

	for (long round = 0; round < n_rounds; round++) {
		struct rng r;
		/* A seed of its own: round N is the same, however many run. */
		rng_init(&r, (uint64_t)round);
		const struct blob *one = files[rng_below(&r, n_files)];
		const struct blob *other = files[rng_below(&r, n_files)];
		size_t len =
			mutate(&r, blob_bytes(one), blob_bytes(other), out);
		snprintf(current_name, sizeof current_name, "round %ld", round);
		run(out, len);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s CORPUS_DIR ROUNDS\n", argv[0]);
		return 64;
	}
	long n_rounds = strtol(argv[2], NULL, 10);
	load(argv[1]);
	if (n_files == 0) {
		fprintf(stderr, "%s: no files\n", argv[1]);
		return 66;
	}
	watch_death();
	for (size_t i = 0; i < n_files; i++) {
		snprintf(current_name, sizeof current_name, "file %zu", i);
		run(files[i]->data, files[i]->len);
	}
	run(NULL, 0);
	run_mutations(n_rounds);
	printf("%zu files, %ld mutations\n", n_files, n_rounds);
	for (size_t i = 0; i < n_files; i++)
		blob_unref(files[i]);
	return 0;
}
