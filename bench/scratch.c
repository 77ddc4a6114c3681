#include "bench/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Those that exist, for scratch_remove_all. */
enum { SCRATCH_MAX = 16 };
static pthread_mutex_t made_lock = PTHREAD_MUTEX_INITIALIZER;
static char made[SCRATCH_MAX][SCRATCH_PATH_MAX];

static void made_swap(const char *from, const char *to)
{
	unsigned i = 0;

	pthread_mutex_lock(&made_lock);
	while (i < SCRATCH_MAX && strcmp(made[i], from) != 0)
		i++;
	CHECK(i < SCRATCH_MAX);
	snprintf(made[i], sizeof made[i], "%s", to);
	pthread_mutex_unlock(&made_lock);
}

int scratch_make(struct scratch *s, struct err *e)
{
	const char *base = getenv("TMPDIR");

	if (!base || !*base)
		base = "/tmp";
	int n = snprintf(s->path, sizeof s->path, "%s/synod-XXXXXX", base);
	if (n < 0 || (size_t)n >= sizeof s->path) {
		s->path[0] = 0;
		return err_set(e, ERR_LIMIT,
			       "TMPDIR is longer than %d bytes; choose a "
			       "shorter one, unix sockets must fit into it",
			       SCRATCH_PATH_MAX - 14);
	}
	if (!mkdtemp(s->path)) {
		int mk_errno = errno;
		s->path[0] = 0;
		return err_set(e, ERR_IO,
			       "make a directory in %s: %s; set TMPDIR to a "
			       "place that can be written",
			       base, strerror(mk_errno));
	}
	made_swap("", s->path);
	return 0;
}

static int scratch_drop(const char *path, const struct stat *st, int flag,
			struct FTW *ftw)
{
	/* What cannot be removed (a mount point of a test) stays, and with it
	 * the directories above; the rest goes. */
	(void)remove(path);
	return 0;
}

void scratch_remove(struct scratch *s)
{
	if (!s->path[0])
		return;
	nftw(s->path, scratch_drop, 16, FTW_DEPTH | FTW_PHYS);
	made_swap(s->path, "");
	s->path[0] = 0;
}

void scratch_remove_all(void)
{
	pthread_mutex_lock(&made_lock);
	for (unsigned i = 0; i < SCRATCH_MAX; i++)
		if (made[i][0])
			nftw(made[i], scratch_drop, 16, FTW_DEPTH | FTW_PHYS);
	pthread_mutex_unlock(&made_lock);
}
