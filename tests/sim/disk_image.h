/* State images on a simulated disk: made, read in chunks, received, installed.
 * Part of disk.h; used by disk.c only. */
#ifndef TESTS_SIM_DISK_IMAGE_H
#define TESTS_SIM_DISK_IMAGE_H

#include "tests/sim/disk.h"

void disk_image_ports(struct replica_disk *ports);
void disk_image_event(struct machine *m, const struct event *e);
void disk_image_cut(struct machine *m);

#endif
