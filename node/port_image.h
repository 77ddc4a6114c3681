/* State images on this node's disk: the one it made for others (DIR/images) and
 * the one that is on its way in (DIR/incoming). Files are touched on the imager
 * thread; the loop blocks only while a whole, checked image is installed. */
#ifndef NODE_PORT_IMAGE_H
#define NODE_PORT_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct image_job;
struct node;
struct replica_image;

enum { IMAGES_KEEP_S = 600, IMAGES_PATH_MAX = 4096 };

struct images {
	char made_dir[IMAGES_PATH_MAX], incoming_path[IMAGES_PATH_MAX];
	uint64_t made_id; /* the newest one, 0: none */
	int64_t used_us;  /* made or read */
	bool is_making;
	struct image_job *checked; /* waits for the state to be idle */
};

/* Create the folders and remove what an earlier process left. */
int images_open(struct node *n, struct err *e);
void images_close(struct images *im);
/* The state has got on: install the image that waits for it. */
void images_try_install(struct node *n);
/* Time passes: an image that nobody reads any more goes. */
void images_turn(struct node *n);

/* -- replica_disk (cluster/replica/ports.h), ctx is the node --------------- */
void images_make(void *ctx);
void images_read(void *ctx, uint64_t image_id, uint64_t offset, uint64_t peer);
void images_write(void *ctx, uint64_t offset, struct blob *data);
void images_install(void *ctx, const struct replica_image *image);

#endif
