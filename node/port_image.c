#include "node/port_image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/rng.h"
#include "node/node.h"

static void path_of(const struct node *n, uint64_t id, char *out, size_t size)
{
	int len = snprintf(out, size, "%s/%016llx.image", n->images.made_dir,
			   (unsigned long long)id);

	CHECK(len > 0 && (size_t)len < size); /* images_open left room */
}

static int make_folder(const char *path, struct err *e)
{
	if (mkdir(path, 0700) && errno != EEXIST)
		return err_set(e, errno == EACCES ? ERR_PERMISSION : ERR_IO,
			       "create %s: %s", path, strerror(errno));
	return 0;
}

static void empty_folder(const char *path)
{
	char file[IMAGES_PATH_MAX + 300];
	DIR *d = opendir(path);
	struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		unlink(file);
	}
	closedir(d);
}

int images_open(struct node *n, struct err *e)
{
	struct images *im = &n->images;
	const char *dir = n->config.data;
	char incoming[IMAGES_PATH_MAX];

	if (strlen(dir) + 32 > IMAGES_PATH_MAX)
		return err_set(e, ERR_LIMIT, "data: path is too long");
	snprintf(im->made_dir, sizeof(im->made_dir), "%s/images", dir);
	snprintf(incoming, sizeof(incoming), "%s/incoming", dir);
	snprintf(im->incoming_path, sizeof(im->incoming_path),
		 "%s/incoming/image", dir);
	if (make_folder(im->made_dir, e) || make_folder(incoming, e))
		return e->code;
	empty_folder(im->made_dir);
	empty_folder(incoming);
	return 0;
}

/* One struct for every step: which fields count, its functions say. */
struct image_job {
	struct job job;
	struct node *node;
	uint64_t id, offset, peer;
	char path[IMAGES_PATH_MAX], old_path[IMAGES_PATH_MAX];
	struct blob *data;
	struct replica_image image;
	bool is_good;
	struct err e;
};

static void job_drop(struct job *job)
{
	struct image_job *j = (struct image_job *)job;

	blob_unref(j->data);
	blob_unref(j->image.conf);
	free(j);
}

static struct image_job *job_new(struct node *n, void (*run)(struct job *),
				 void (*done)(struct job *))
{
	struct image_job *j = mem_zero(1, sizeof(*j));

	j->job = (struct job){.run = run, .done = done, .drop = job_drop};
	j->node = n;
	return j;
}

/* -- make ------------------------------------------------------------------ */
static void make_run(struct job *job)
{
	struct image_job *j = (struct image_job *)job;
	struct state_point point = {0};

	if (j->old_path[0])
		unlink(j->old_path); /* a newer one takes its place */
	if (state_image_write(j->node->state, j->path, &point, &j->e) ||
	    state_image_digest(j->path, &j->image.size, &j->image.digest,
			       &j->e)) {
		blob_unref(point.conf);
		unlink(j->path);
		return;
	}
	j->image.id = j->id;
	j->image.index = point.index;
	j->image.term = point.term;
	j->image.conf_index = point.conf_index;
	j->image.conf = point.conf;
	j->is_good = point.index > 0 && point.conf != NULL;
}

static void make_done(struct job *job)
{
	struct image_job *j = (struct image_job *)job;
	struct node *n = j->node;

	n->images.is_making = false;
	if (j->is_good) {
		n->images.made_id = j->id;
		n->images.used_us = node_now_us(n);
		log_event(LOG_INFO, "image_made", "index=%llu bytes=%llu",
			  (unsigned long long)j->image.index,
			  (unsigned long long)j->image.size);
		replica_image_made(n->replica, &j->image);
		j->image.conf = NULL; /* taken */
	} else {
		n->images.made_id = 0;
		if (j->e.code)
			log_event(LOG_WARN, "image_failed", "why=%s",
				  LOG_Q(j->e.text));
		replica_image_made(n->replica, NULL);
	}
	job_drop(job);
}

void images_make(void *ctx)
{
	struct node *n = ctx;
	struct images *im = &n->images;
	struct image_job *j = job_new(n, make_run, make_done);

	if (im->made_id)
		path_of(n, im->made_id, j->old_path, sizeof(j->old_path));
	rng_entropy(&j->id, sizeof(j->id));
	j->id |= 1; /* never 0 */
	path_of(n, j->id, j->path, sizeof(j->path));
	im->made_id = 0;
	im->is_making = true;
	worker_give(&n->imager, &j->job);
}

/* -- read ------------------------------------------------------------------ */
static void read_run(struct job *job)
{
	struct image_job *j = (struct image_job *)job;
	int fd = open(j->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	j->data = blob_new(LIMIT_CHUNK_BYTES);
	ssize_t got =
		pread(fd, j->data->data, LIMIT_CHUNK_BYTES, (off_t)j->offset);
	close(fd);
	if (got > 0) {
		j->data->len = (size_t)got;
		return;
	}
	blob_unref(j->data);
	j->data = NULL;
}

static void read_done(struct job *job)
{
	struct image_job *j = (struct image_job *)job;

	replica_image_read(j->node->replica, j->id, j->offset, j->peer,
			   j->data);
	j->data = NULL; /* taken */
	job_drop(job);
}

void images_read(void *ctx, uint64_t image_id, uint64_t offset, uint64_t peer)
{
	struct node *n = ctx;
	struct image_job *j = job_new(n, read_run, read_done);

	j->id = image_id;
	j->offset = offset;
	j->peer = peer;
	if (image_id == n->images.made_id)
		n->images.used_us = node_now_us(n);
	path_of(n, image_id, j->path, sizeof(j->path));
	worker_give(&n->imager, &j->job);
}

/* -- write ----------------------------------------------------------------- */
static void write_run(struct job *job)
{
	struct image_job *j = (struct image_job *)job;
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (j->offset ? 0 : O_TRUNC);
	int fd = open(j->path, flags, 0600);
	size_t at = 0;

	while (fd >= 0 && at < j->data->len) {
		ssize_t put = pwrite(fd, j->data->data + at, j->data->len - at,
				     (off_t)(j->offset + at));
		if (put <= 0 && errno != EINTR)
			break;
		if (put > 0)
			at += (size_t)put;
	}
	if (fd < 0 || at < j->data->len)
		err_set(&j->e, ERR_IO, "write %s: %s", j->path,
			strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void write_done(struct job *job)
{
	struct image_job *j = (struct image_job *)job;
	struct node *n = j->node;

	if (j->e.code)
		node_fatal(n, node_exit_code(j->e.code), "%s", j->e.text);
	else
		replica_image_written(n->replica, j->offset);
	job_drop(job);
}

void images_write(void *ctx, uint64_t offset, struct blob *data)
{
	struct node *n = ctx;
	struct image_job *j = job_new(n, write_run, write_done);

	j->offset = offset;
	j->data = data;
	snprintf(j->path, sizeof(j->path), "%s", n->images.incoming_path);
	worker_give(&n->imager, &j->job);
}

/* -- install --------------------------------------------------------------- */
/* Size and digest, before anything is replaced. */
static void check_run(struct job *job)
{
	struct image_job *j = (struct image_job *)job;
	uint64_t size, digest;

	j->is_good = !state_image_digest(j->path, &size, &digest, &j->e) &&
		     size == j->image.size && digest == j->image.digest;
}

/* Nothing else may touch the stores: their threads are idle (ports.h), the
 * helpers are made to wait. The loop blocks for as long as it takes: this node
 * is of no use to anybody before it is done. */
static int install(struct node *n, const struct image_job *j, struct err *e)
{
	worker_pause(&n->reader);
	worker_pause(&n->imager);
	runner_pause(n);
	int rc = state_image_install(n->state, j->path, j->image.index,
				     j->image.term, e);
	if (!rc)
		machine_replaced(&n->machine, n->state);
	runner_resume(n);
	worker_resume(&n->imager);
	worker_resume(&n->reader);
	return rc;
}

static void finish_install(struct node *n, struct image_job *j)
{
	struct err e = {0};

	if (j->is_good && install(n, j, &e)) {
		/* Half an install is finished at the next start. */
		node_fatal(n, node_exit_code(e.code), "%s", e.text);
	} else {
		if (j->is_good) {
			n->state_wanted = n->state_done = j->image.index;
			members_read_state(n);
		}
		replica_installed(n->replica, j->is_good);
		members_refresh(n);
	}
	job_drop(&j->job);
}

/* Not while the state still works on what was committed before: the image would
 * be replaced by it. Raft stands still until the install has ended, so nothing
 * new is committed meanwhile. */
void images_try_install(struct node *n)
{
	struct image_job *j = n->images.checked;

	if (!j || n->state_done < n->state_wanted)
		return;
	n->images.checked = NULL;
	finish_install(n, j);
}

static void check_done(struct job *job)
{
	struct image_job *j = (struct image_job *)job;

	CHECK(!j->node->images.checked);
	j->node->images.checked = j;
	images_try_install(j->node);
}

void images_close(struct images *im)
{
	if (im->checked)
		job_drop(&im->checked->job);
	im->checked = NULL;
}

void images_install(void *ctx, const struct replica_image *image)
{
	struct node *n = ctx;
	struct image_job *j = job_new(n, check_run, check_done);

	j->image = *image;
	j->image.conf = NULL; /* it stands in the state that comes */
	snprintf(j->path, sizeof(j->path), "%s", n->images.incoming_path);
	worker_give(&n->imager, &j->job);
}

/* -- keep ------------------------------------------------------------------ */
static void remove_run(struct job *job)
{
	unlink(((struct image_job *)job)->path);
}

void images_turn(struct node *n)
{
	struct images *im = &n->images;

	if (!im->made_id || im->is_making ||
	    node_now_us(n) - im->used_us < (int64_t)IMAGES_KEEP_S * 1000000)
		return;
	struct image_job *j = job_new(n, remove_run, job_drop);
	path_of(n, im->made_id, j->path, sizeof(j->path));
	im->made_id = 0;
	worker_give(&n->imager, &j->job);
	/* An empty image: the replica asks for a new one when it needs it. */
	struct replica_image none = {0};
	replica_image_made(n->replica, &none);
}
