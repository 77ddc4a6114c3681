#include "tests/chaos/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { RIG_LOG_TAIL = 4000, RIG_END_MS = 20000 };

static void print_log(const char *name, const char *path)
{
	char text[RIG_LOG_TAIL + 1];

	FILE *in = fopen(path, "re");
	if (!in)
		return;
	if (fseek(in, -RIG_LOG_TAIL, SEEK_END) != 0)
		rewind(in);
	size_t n = fread(text, 1, RIG_LOG_TAIL, in);
	text[n] = 0;
	fclose(in);
	fprintf(stderr, "---- log of %s, its end\n%s\n", name, text);
}

void rig_fail(struct fleet *f, const struct err *e)
{
	for (unsigned i = 0; f && i < fleet_size(f); i++)
		print_log(fleet_name(f, i), fleet_log(f, i));
	fleet_close(f);
	fail_msg("%s [%s]", e->text, err_name(e->code));
	abort();
}

struct fleet *rig_plan(const char *node_lines)
{
	const struct fleet_config cfg = {.synodd = SYNODD_PATH,
					 .n_nodes = RIG_NODES,
					 .node_lines = node_lines};
	struct fleet *f = NULL;
	struct err e = {0};

	if (fleet_open(&f, &cfg, &e))
		rig_fail(NULL, &e);
	return f;
}

void rig_start(struct fleet *f)
{
	struct err e = {0};
	unsigned leader;

	if (fleet_start_all(f, &e) ||
	    fleet_wait_ready(f, FLEET_START_MS, &leader, &e))
		rig_fail(f, &e);
}

struct fleet *rig_open(const char *node_lines)
{
	struct fleet *f = rig_plan(node_lines);

	rig_start(f);
	return f;
}

void rig_close(struct fleet *f)
{
	struct err e = {0};
	uint64_t index, digest;
	int status;

	if (fleet_wait_equal(f, RIG_EQUAL_MS, &index, &digest, &e))
		rig_fail(f, &e);
	for (unsigned i = 0; i < fleet_size(f); i++) {
		fleet_term(f, i);
		if (fleet_wait_end(f, i, RIG_END_MS, &status)) {
			err_set(&e, ERR_TIMEOUT, "%s does not stop",
				fleet_name(f, i));
			rig_fail(f, &e);
		}
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
			err_set(&e, ERR_INVALID,
				"%s stopped with status %#x, not 0",
				fleet_name(f, i), (unsigned)status);
			rig_fail(f, &e);
		}
	}
	fleet_close(f);
}
