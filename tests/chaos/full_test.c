/* A disk that fills up: proposals are refused with a reason before anything
 * breaks, nodes stay, and when there is room again they go on.
 *
 * The disk is a small tmpfs in a mount namespace of the test's own: nobody else
 * sees it, and it goes with the process. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "tests/chaos/rig.h"

enum {
	DISK_MIB = 256,
	VALUE_BYTES = 64 << 10,
	/* More than the nodes can have reserved ahead. */
	VALUES_MAX = 4 * DISK_MIB * 16,
	ASK_MS = 5000,
	ROOM_MS = 20000,
};

static const char small_quotas[] = "limits: { log: 32MiB, state: 16MiB }";

static bool has_namespace;

/* Root, or a user who may have a user namespace. Before any thread. */
static int setup_namespace(void **state)
{
	char map[64];
	uid_t uid = getuid();

	if (unshare(CLONE_NEWNS) != 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			return 0;
		int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
		int n = snprintf(map, sizeof map, "0 %u 1", uid);
		bool is_mapped = fd >= 0 && write(fd, map, (size_t)n) == n;
		if (fd >= 0)
			close(fd);
		if (!is_mapped)
			return 0;
	}
	has_namespace = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return 0;
}

static bool disk_mount(const char *dir)
{
	char options[32];

	snprintf(options, sizeof options, "size=%dm", DISK_MIB);
	if ((mkdir(dir, 0700) == 0 || errno == EEXIST) &&
	    mount("tmpfs", dir, "tmpfs", 0, options) == 0)
		return true;
	fprintf(stderr, "mount a tmpfs on %s: %s\n", dir, strerror(errno));
	return false;
}

/* Take all the room there is on the disk of dir. */
static void balloon_fill(const char *dir)
{
	char path[256];
	struct statvfs vfs;

	snprintf(path, sizeof path, "%s/balloon", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fstatvfs(fd, &vfs), 0);
	off_t room = (off_t)(vfs.f_bavail * vfs.f_frsize);
	assert_int_equal(posix_fallocate(fd, 0, room), 0);
	close(fd);
}

static void balloon_drop(const char *dir)
{
	char path[256];

	snprintf(path, sizeof path, "%s/balloon", dir);
	assert_int_equal(unlink(path), 0);
}

/* Append values until one is refused for another reason than "busy", or n are
 * in. Gives the code. */
static int append_many(struct door_client *c, unsigned n, struct err *e)
{
	static uint8_t value[VALUE_BYTES];
	uint64_t index;
	int rc = 0;

	for (unsigned i = 0; i < n && rc == 0; i++) {
		rc = ask_append(c, (struct bytes){value, sizeof value}, ASK_MS,
				&index, e);
		if (rc == ERR_BUSY)
			rc = 0;
	}
	return rc;
}

static int append_until_taken(struct door_client *c, struct err *e)
{
	const struct clock clock = clock_system();
	int64_t end_us = clock_mono_us(&clock) + ROOM_MS * 1000LL;
	int rc;

	do
		rc = append_many(c, 1, e);
	while (rc == ERR_FULL && clock_mono_us(&clock) < end_us);
	return rc;
}

static struct door_client *dial(struct fleet *f, unsigned i)
{
	struct door_client *c = NULL;
	struct err e = {0};

	if (fleet_dial(f, i, 1, &c, &e))
		rig_fail(f, &e);
	return c;
}

static void test_full_disk_refuses_and_recovers(void **state)
{
	char dir[] = "/tmp/synod-full-XXXXXX";
	struct err e = {0};
	unsigned leader;

	if (!has_namespace)
		skip();
	assert_non_null(mkdtemp(dir));
	if (!disk_mount(dir)) {
		rmdir(dir);
		skip();
	}
	/* All three nodes share the disk. */
	setenv("TMPDIR", dir, 1);
	struct fleet *f = rig_open(small_quotas);
	unsetenv("TMPDIR");
	assert_int_equal(fleet_wait_ready(f, FLEET_START_MS, &leader, &e), 0);
	struct door_client *c = dial(f, leader);
	if (append_many(c, 20, &e))
		rig_fail(f, &e);

	balloon_fill(dir);
	int rc = append_many(c, VALUES_MAX, &e);

	/* Refused for the reason that is true, and nobody died of it. */
	if (rc != ERR_FULL || fleet_check_alive(f, &e))
		rig_fail(f, &e);
	/* What is left is enough to hand over leadership. */
	if (fleet_wait_ready(f, FLEET_START_MS, &leader, &e) ||
	    ask_transfer(c, "", ASK_MS, &e) ||
	    fleet_wait_ready(f, FLEET_START_MS, &leader, &e))
		rig_fail(f, &e);
	door_hang_up(c);

	balloon_drop(dir);
	c = dial(f, leader);
	if (append_until_taken(c, &e) || append_many(c, 100, &e))
		rig_fail(f, &e);
	door_hang_up(c);
	rig_close(f);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
}

/* Some other node than i shall lead. Gives it. */
static unsigned lead_elsewhere(struct fleet *f, unsigned i)
{
	struct err e = {0};
	unsigned leader;

	if (fleet_wait_ready(f, FLEET_START_MS, &leader, &e))
		rig_fail(f, &e);
	if (leader != i)
		return leader;
	struct door_client *c = dial(f, i);
	if (ask_transfer(c, "", ASK_MS, &e) ||
	    fleet_wait_ready(f, FLEET_START_MS, &leader, &e))
		rig_fail(f, &e);
	door_hang_up(c);
	assert_int_not_equal(leader, i);
	return leader;
}

/* One node's disk is full, not the others'. */
static void test_follower_with_full_disk_harms_nobody(void **state)
{
	enum { VICTIM = 2 };
	struct err e = {0};
	unsigned leader;
	int status;

	if (!has_namespace)
		skip();
	struct fleet *f = rig_plan(small_quotas);
	char data[FLEET_PATH_MAX], dir[FLEET_PATH_MAX];
	snprintf(data, sizeof data, "%s", fleet_data(f, VICTIM));
	snprintf(dir, sizeof dir, "%s", fleet_dir(f));
	if (!disk_mount(data)) {
		fleet_close(f);
		skip();
	}
	rig_start(f);
	leader = lead_elsewhere(f, VICTIM);
	struct door_client *c = dial(f, leader);

	balloon_fill(data);
	int rc = append_many(c, 2 * 32 * 16, &e);

	/* The others took twice its quota. It may have stopped for it, saying
	 * so by its exit code, or live on with what it has reserved. */
	if (rc)
		rig_fail(f, &e);
	if (fleet_wait_end(f, VICTIM, 0, &status) == 0)
		assert_true(WIFEXITED(status) &&
			    WEXITSTATUS(status) == EX_IOERR);
	balloon_drop(data);
	if (fleet_pid(f, VICTIM) == 0 && fleet_start(f, VICTIM, &e))
		rig_fail(f, &e);
	if (append_many(c, 10, &e))
		rig_fail(f, &e);
	door_hang_up(c);
	rig_close(f);
	/* A mount point cannot be removed; now it is none. */
	umount2(data, MNT_DETACH);
	rmdir(data);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_disk_refuses_and_recovers),
		cmocka_unit_test(test_follower_with_full_disk_harms_nobody),
	};

	return cmocka_run_group_tests(tests, setup_namespace, NULL);
}
