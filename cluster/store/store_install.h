/* Replacing state and log by an image, in steps that a crash may part.
 *
 *   1 prepare   DIR/state.new/ holds the image as data.mdb, synced
 *   2 mark      DIR/installing says to which point: from now on it happens
 *   3 swap      DIR/state -> DIR/state.old, DIR/state.new -> DIR/state
 *   4           the log is empty behind the point
 *   5 finish    DIR/installing is gone, DIR/state.old is gone
 *
 * Before 2 a restart finds the old state and throws the image away; from 2 on
 * it does what is left. Each step may be repeated.
 *
 * DIR/installing, 40 bytes, little-endian: u64 checksum (XXH3-64 over
 * bytes 8..), "SYNODIN" and a zero, u32 format 1, u32 zero, u64 index, u64
 * term.
 *
 * Used by state_image_install and store_install_finish. */
#ifndef CLUSTER_STORE_STORE_INSTALL_H
#define CLUSTER_STORE_STORE_INSTALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* The image is moved. ERR_IO when it is on another disk. */
int install_prepare(const char *dir, const char *image, struct err *e);
int install_mark(const char *dir, uint64_t index, uint64_t term, struct err *e);
/* The environment of the state must be closed. */
int install_swap(const char *dir, struct err *e);
int install_finish(const char *dir, struct err *e);

#endif
