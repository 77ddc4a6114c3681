#include "cluster/store/identity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/check.h"
#include "base/endian.h"
#include "base/log.h"
#include "cluster/store/file.h"

enum {
	ID_BYTES = 216,
	HEAD_BYTES = 24,
	PEER_BYTES = 16,
	PEERS_BYTES_MAX = HEAD_BYTES + PEERS_MAX * PEER_BYTES,
	FLAG_BLANK = 1
};

static const uint8_t ID_MAGIC[8] = "SYNODID";
static const uint8_t PEERS_MAGIC[8] = "SYNODPR";

static const char WAY_OUT[] =
	"move it away and start again with an empty directory: the node is "
	"rebuilt from its peers";

/* Where a file is and since when. A copy differs in inode or birth; the device
 * number alone may change when a machine starts again. */
struct place {
	uint64_t device, inode;
	int64_t birth_s;
	uint32_t birth_ns;
};

static int place_of(int fd, const char *path, struct place *out, struct err *e)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st))
		return file_error(e, "look at", path);
	*out = (struct place){
		.device = makedev(st.stx_dev_major, st.stx_dev_minor),
		.inode = st.stx_ino,
	};
	if (st.stx_mask & STATX_BTIME) {
		out->birth_s = st.stx_btime.tv_sec;
		out->birth_ns = st.stx_btime.tv_nsec;
	}
	return 0;
}

static int place_check(const char *dir, const struct place *was,
		       const struct place *is, struct err *e)
{
	bool has_births = (was->birth_s || was->birth_ns) &&
			  (is->birth_s || is->birth_ns);
	bool is_same_birth =
		was->birth_s == is->birth_s && was->birth_ns == is->birth_ns;
	if (was->inode != is->inode || (has_births && !is_same_birth))
		return err_set(
			e, ERR_IDENTITY,
			"%s is a copy of a data directory (made as inode "
			"%" PRIu64 ", now %" PRIu64 "); two nodes with one "
			"memory of votes would break the cluster: %s",
			dir, was->inode, is->inode, WAY_OUT);
	if (was->device != is->device)
		log_event(LOG_WARN, "data_device_changed",
			  "path=%s was=%" PRIu64 " is=%" PRIu64, LOG_Q(dir),
			  was->device, is->device);
	return 0;
}

static int head_check(const char *path, const uint8_t *buf, size_t len,
		      const uint8_t magic[8], struct err *e)
{
	if (len < HEAD_BYTES || !file_seal_holds(buf, len) ||
	    memcmp(buf + 8, magic, 8) != 0)
		return err_set(e, ERR_CORRUPT,
			       "%s fails its check; the data directory cannot "
			       "be trusted: %s",
			       path, WAY_OUT);
	if (get_u32(buf + 16) != STORE_FORMAT)
		return err_set(e, ERR_FORMAT,
			       "%s has format %" PRIu32
			       ", this program knows %d; use the program that "
			       "wrote it",
			       path, get_u32(buf + 16), STORE_FORMAT);
	return 0;
}

int identity_read(const char *dir, struct store_identity *out, struct err *e)
{
	char path[FILE_PATH_MAX];
	uint8_t buf[1024];
	size_t len = 0;
	int rc = file_path(path, dir, "identity", e);
	if (!rc)
		rc = file_read(path, buf, sizeof(buf), &len, e);
	if (!rc)
		rc = head_check(path, buf, len, ID_MAGIC, e);
	if (rc)
		return rc;
	if (len != ID_BYTES)
		return err_set(e, ERR_CORRUPT, "%s has %zu bytes, not %d", path,
			       len, ID_BYTES);
	struct place was = {.device = get_u64(buf + 40),
			    .inode = get_u64(buf + 48),
			    .birth_s = (int64_t)get_u64(buf + 56),
			    .birth_ns = get_u32(buf + 64)};
	struct place is;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return file_error(e, "open", path);
	rc = place_of(fd, path, &is, e);
	close(fd);
	if (!rc)
		rc = place_check(dir, &was, &is, e);
	if (rc)
		return rc;
	*out = (struct store_identity){
		.node_id = get_u64(buf + 24),
		.incarnation = get_u64(buf + 32),
		.is_blank = (get_u32(buf + 20) & FLAG_BLANK) != 0,
	};
	memcpy(out->cluster_id, buf + 72, CLUSTER_ID_BYTES);
	memcpy(out->node_name, buf + 88, STORE_NAME_MAX - 1);
	memcpy(out->cluster_name, buf + 152, STORE_NAME_MAX - 1);
	return 0;
}

int identity_write(const char *dir, const struct store_identity *id,
		   struct err *e)
{
	uint8_t buf[ID_BYTES] = {0};
	struct file_new f;
	struct place place;
	int rc = file_new_begin(&f, dir, "identity", e);
	if (!rc)
		rc = place_of(f.fd, f.path, &place, e);
	if (rc)
		goto out;
	memcpy(buf + 8, ID_MAGIC, sizeof(ID_MAGIC));
	put_u32(buf + 16, STORE_FORMAT);
	put_u32(buf + 20, id->is_blank ? FLAG_BLANK : 0);
	put_u64(buf + 24, id->node_id);
	put_u64(buf + 32, id->incarnation);
	/* A rename keeps the inode: the file says where it will be. */
	put_u64(buf + 40, place.device);
	put_u64(buf + 48, place.inode);
	put_u64(buf + 56, (uint64_t)place.birth_s);
	put_u32(buf + 64, place.birth_ns);
	memcpy(buf + 72, id->cluster_id, CLUSTER_ID_BYTES);
	memcpy(buf + 88, id->node_name, STORE_NAME_MAX);
	memcpy(buf + 152, id->cluster_name, STORE_NAME_MAX);
	file_seal(buf, sizeof(buf));
	rc = file_new_write(&f, buf, sizeof(buf), e);
	if (!rc)
		rc = file_new_commit(&f, e);
out:
	file_new_abort(&f);
	return rc;
}

int peers_read(const char *dir, struct peer_pin pins[PEERS_MAX], size_t *n,
	       struct err *e)
{
	char path[FILE_PATH_MAX];
	uint8_t buf[PEERS_BYTES_MAX];
	size_t len = 0;
	int rc = file_path(path, dir, "peers", e);
	if (!rc && !file_exists(path)) {
		*n = 0;
		return 0;
	}
	if (!rc)
		rc = file_read(path, buf, sizeof(buf), &len, e);
	if (!rc)
		rc = head_check(path, buf, len, PEERS_MAGIC, e);
	if (rc)
		return rc;
	size_t count = get_u32(buf + 20);
	if (count > PEERS_MAX || len != HEAD_BYTES + count * PEER_BYTES)
		return err_set(e, ERR_CORRUPT, "%s has a wrong length", path);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *p = buf + HEAD_BYTES + i * PEER_BYTES;
		pins[i] = (struct peer_pin){get_u64(p), get_u64(p + 8)};
	}
	*n = count;
	return 0;
}

int peers_write(const char *dir, const struct peer_pin *pins, size_t n,
		struct err *e)
{
	uint8_t buf[PEERS_BYTES_MAX] = {0};
	CHECK(n <= PEERS_MAX);
	memcpy(buf + 8, PEERS_MAGIC, sizeof(PEERS_MAGIC));
	put_u32(buf + 16, STORE_FORMAT);
	put_u32(buf + 20, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		uint8_t *p = buf + HEAD_BYTES + i * PEER_BYTES;
		put_u64(p, pins[i].node_id);
		put_u64(p + 8, pins[i].incarnation);
	}
	size_t len = HEAD_BYTES + n * PEER_BYTES;
	file_seal(buf, len);
	struct file_new f;
	int rc = file_new_begin(&f, dir, "peers", e);
	if (!rc)
		rc = file_new_write(&f, buf, len, e);
	if (!rc)
		rc = file_new_commit(&f, e);
	file_new_abort(&f);
	return rc;
}
