/* What synod-bench is told on its command line. One table of options serves
 * parsing and --help. Pure, save for args_help, which prints. */
#ifndef BENCH_ARGS_H
#define BENCH_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "proto/limits.h"

enum { ARGS_LIST_MAX = 16 };

enum scenario {
	SCENARIO_LOG,
	SCENARIO_FAILOVER,
	SCENARIO_MEMORY,
	SCENARIO_FLEET,
	SCENARIO_TAKEOVER,
	SCENARIO__N
};

enum fail_kind {
	FAIL_LEADER_KILL,
	FAIL_FOLLOWER_KILL,
	FAIL_LEADER_STOP,
	FAIL_TRANSFER,
	FAIL_TERM,
	FAIL__N
};

enum take_kind {
	TAKE_OWNER_KILL,
	TAKE_LEADER_KILL, /* the owner is the leader */
	TAKE_OWNER_STOP,
	TAKE_DRAIN,
	TAKE__N
};

struct args {
	enum scenario scenario;
	bool wants_help, wants_version;
	uint64_t sizes[ARGS_LIST_MAX];
	unsigned n_sizes;
	uint64_t concurrency[ARGS_LIST_MAX];
	unsigned n_concurrency;
	double seconds;
	unsigned runs; /* 0: not given */
	bool vs_etcd;
	char endpoints[LIMIT_NODES][LIMIT_ADDRESS_BYTES + 1];
	unsigned n_endpoints;
	bool is_json;
	const char *synodd;       /* borrowed from argv; NULL: look for it */
	unsigned kinds;           /* bit set of enum fail_kind */
	unsigned takes;           /* bit set of enum take_kind */
	const char *databases[2]; /* HOST:PORT/DATABASE/USER; borrowed */
	unsigned n_databases;
	uint64_t bytes;
	unsigned nodes;
	bool keep_files;
};

/* Fills args with what argv says and defaults for the rest. ERR_INVALID, with
 * a sentence for the user. */
int args_parse(struct args *a, int argc, char **argv, struct err *e);
/* Of one scenario, or of the program when scenario is SCENARIO__N. */
void args_help(FILE *out, enum scenario scenario);

const char *scenario_name(enum scenario s);
const char *fail_kind_name(enum fail_kind k);
const char *take_kind_name(enum take_kind k);

/* "128", "128B", "4KiB", "1MiB", "2GiB": false when it is none of these. */
bool args_size(const char *text, uint64_t *bytes);

#endif
