/* What disk_model.c (sectors) and disk_names.c share. */
#ifndef TESTS_IT_POWERCUT_DISK_INTERNAL_H
#define TESTS_IT_POWERCUT_DISK_INTERNAL_H

#include <limits.h>
#include <stdio.h>

#include "disk_model.h"

extern struct disk_shared {
	struct disk_calls calls;
	char root[PATH_MAX], side[PATH_MAX];
	uint64_t rng;
} disk_shared;

uint64_t disk_random(void);
/* The model itself must not fail: that would look like a bug of the store. */
void disk_must(bool is_good, const char *what);

/* A directory was synced. */
void names_forget(ino_t dir);
/* Take back a random part, the newest first. */
void names_cut(void);
void names_save(FILE *out);
void names_load(FILE *in);

#endif
