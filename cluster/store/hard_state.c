/* File: two slots of 4096 bytes. A slot holds the same record twice, at 0 and
 * at 2048, so that one rotten sector does not make an older term look like the
 * newest. Record, little-endian:
 *
 *    0  u64 checksum   XXH3-64 over bytes 8..40
 *    8  u32 format     1
 *   12  u32 zero
 *   16  u64 sequence   the highest valid one counts; its slot is (sequence & 1)
 *   24  u64 term
 *   32  u64 vote       node id, 0: none */
#include "cluster/store/hard_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/endian.h"
#include "base/thread.h"
#include "cluster/store/file.h"

enum {
	SLOT_BYTES = 4096,
	COPY_BYTES = 2048,
	FILE_BYTES = 2 * SLOT_BYTES,
	RECORD_BYTES = 40,
	FORMAT = 1
};

struct hard_state {
	int fd;
	struct thread_owner owner;
	uint64_t sequence, term, vote;
	char path[FILE_PATH_MAX];
};

static void slot_build(uint8_t slot[SLOT_BYTES], uint64_t sequence,
		       uint64_t term, uint64_t vote)
{
	memset(slot, 0, SLOT_BYTES);
	put_u32(slot + 8, FORMAT);
	put_u64(slot + 16, sequence);
	put_u64(slot + 24, term);
	put_u64(slot + 32, vote);
	file_seal(slot, RECORD_BYTES);
	memcpy(slot + COPY_BYTES, slot, RECORD_BYTES);
}

static int slot_write(struct hard_state *h, uint64_t sequence, uint64_t term,
		      uint64_t vote, struct err *e)
{
	uint8_t slot[SLOT_BYTES];
	slot_build(slot, sequence, term, vote);
	off_t at = (off_t)(sequence & 1) * SLOT_BYTES;
	size_t done = 0;
	while (done < SLOT_BYTES) {
		ssize_t n = pwrite(h->fd, slot + done, SLOT_BYTES - done,
				   at + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_error(e, "write", h->path);
		done += (size_t)n;
	}
	if (fdatasync(h->fd))
		return file_error(e, "sync", h->path);
	h->sequence = sequence;
	h->term = term;
	h->vote = vote;
	return 0;
}

static int create(const char *path, struct err *e)
{
	char dir[FILE_PATH_MAX];
	int rc = file_parent(dir, path, e);
	if (rc)
		return rc;
	const char *slash = strrchr(path, '/');
	uint8_t image[FILE_BYTES];
	slot_build(image, 0, 0, 0);
	slot_build(image + SLOT_BYTES, 1, 0, 0);
	struct file_new f;
	rc = file_new_begin(&f, dir, slash ? slash + 1 : path, e);
	if (!rc)
		rc = file_new_write(&f, image, sizeof(image), e);
	if (!rc)
		rc = file_new_commit(&f, e);
	file_new_abort(&f);
	return rc;
}

/* The newest of the four copies. */
static int choose(struct hard_state *h, const uint8_t *image, struct err *e)
{
	bool is_found = false;
	for (size_t at = 0; at < FILE_BYTES; at += COPY_BYTES) {
		const uint8_t *p = image + at;
		if (!file_seal_holds(p, RECORD_BYTES))
			continue;
		if (get_u32(p + 8) != FORMAT)
			return err_set(e, ERR_FORMAT,
				       "%s has format %" PRIu32
				       ", this program knows %d",
				       h->path, get_u32(p + 8), FORMAT);
		if (is_found && get_u64(p + 16) < h->sequence)
			continue;
		is_found = true;
		h->sequence = get_u64(p + 16);
		h->term = get_u64(p + 24);
		h->vote = get_u64(p + 32);
	}
	if (is_found)
		return 0;
	return err_set(e, ERR_CORRUPT,
		       "%s: no slot passes its check, the node does not know "
		       "its vote; move the data directory away and start "
		       "again: the node is rebuilt from its peers",
		       h->path);
}

static int load(struct hard_state *h, struct err *e)
{
	uint8_t image[FILE_BYTES];
	size_t len = 0;
	int rc = file_read(h->path, image, sizeof(image), &len, e);
	if (rc)
		return rc;
	if (len != sizeof(image))
		return err_set(e, ERR_CORRUPT, "%s has %zu bytes, not %d",
			       h->path, len, FILE_BYTES);
	if ((rc = choose(h, image, e)))
		return rc;
	/* What was read may be a write whose sync never happened (a killed
	 * process), or the only good copy of it: write it again before anybody
	 * acts on it. */
	return slot_write(h, h->sequence + 1, h->term, h->vote, e);
}

int hard_state_open(struct hard_state **out, const char *path, struct err *e)
{
	struct hard_state *h = mem_zero(1, sizeof(*h));
	h->fd = -1;
	int rc = 0;
	if (strlen(path) >= sizeof(h->path)) {
		rc = err_set(e, ERR_LIMIT, "path too long: %s", path);
		goto fail;
	}
	snprintf(h->path, sizeof(h->path), "%s", path);
	if (!file_exists(path) && (rc = create(path, e)))
		goto fail;
	h->fd = open(path, O_RDWR | O_CLOEXEC);
	if (h->fd < 0) {
		rc = file_error(e, "open", path);
		goto fail;
	}
	if ((rc = load(h, e)))
		goto fail;
	*out = h;
	return 0;
fail:
	hard_state_close(h);
	return rc;
}

void hard_state_get(const struct hard_state *h, uint64_t *term, uint64_t *vote)
{
	*term = h->term;
	*vote = h->vote;
}

int hard_state_set(struct hard_state *h, uint64_t term, uint64_t vote,
		   struct err *e)
{
	if (!h->owner.is_bound)
		thread_own(&h->owner);
	ON_THREAD(&h->owner);
	CHECK(term >= h->term);
	return slot_write(h, h->sequence + 1, term, vote, e);
}

void hard_state_close(struct hard_state *h)
{
	if (!h)
		return;
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}
