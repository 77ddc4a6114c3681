/* synod-sim: the replica under simulated faults. See --help. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/sim/campaign.h"

#ifndef SIM_COMMIT
#define SIM_COMMIT "unknown"
#endif

enum {
	OPT_NODES = 1,
	OPT_SEEDS,
	OPT_FROM,
	OPT_JOBS,
	OPT_WITHOUT,
	OPT_RULES,
	OPT_SEED,
	OPT_TRACE,
	OPT_UNTIL_BAD,
	OPT_COVERED,
	OPT_HELP
};

static const struct option options[] = {
	{"nodes", required_argument, NULL, OPT_NODES},
	{"seeds", required_argument, NULL, OPT_SEEDS},
	{"from", required_argument, NULL, OPT_FROM},
	{"jobs", required_argument, NULL, OPT_JOBS},
	{"without", required_argument, NULL, OPT_WITHOUT},
	{"rules", no_argument, NULL, OPT_RULES},
	{"seed", required_argument, NULL, OPT_SEED},
	{"trace", no_argument, NULL, OPT_TRACE},
	{"until-bad", no_argument, NULL, OPT_UNTIL_BAD},
	{"covered", no_argument, NULL, OPT_COVERED},
	{"output", required_argument, NULL, 'o'},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static const char help[] =
	"usage: synod-sim [--nodes N] [--seeds K] [--from S] [--jobs J]\n"
	"                 [--without RULE]... [--until-bad] [--covered]\n"
	"                 [-o json]\n"
	"       synod-sim [--nodes N] --seed S [--without RULE]... [--trace]\n"
	"       synod-sim --rules\n"
	"\n"
	"Runs the real replica over simulated disks, network and clocks; one\n"
	"seed is one run. The last line is one JSON object.\n"
	"\n"
	"  --nodes N       3 to 7 members (3)\n"
	"  --seeds K       how many runs (1000)\n"
	"  --from S        the first seed (1)\n"
	"  --jobs J        processes (one per processor)\n"
	"  --without RULE  switch a rule of the guard off; quarantine: trust\n"
	"                  members whose disk was lost\n"
	"  --until-bad     stop at the first violation\n"
	"  --covered       fail also when a kind of event never happened\n"
	"  --seed S        run one seed\n"
	"  --trace         say what happens in it\n"
	"  --rules         list the guard's rules, one a line\n"
	"  -o json         print nothing but the JSON object\n"
	"\n"
	"exit code: 0 no violation, 1 violations, 64 usage\n";

struct args {
	struct campaign campaign;
	uint64_t seed;
	bool has_seed, is_traced, is_json, is_covered;
};

static bool parse_number(const char *text, uint64_t min, uint64_t max,
			 uint64_t *out)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < min || n > max)
		return false;
	*out = n;
	return true;
}

static bool parse_rule(const char *name, struct campaign *c)
{
	const char *const *names;
	size_t n = replica_rules(&names);

	/* A rule of the node, not of the guard. */
	if (strcmp(name, "quarantine") == 0)
		return c->is_trusting = true;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		c->rules_off |= (uint64_t)1 << i;
		return true;
	}
	return false;
}

static int list_rules(void)
{
	const char *const *names;
	size_t n = replica_rules(&names);

	for (size_t i = 0; i < n; i++)
		puts(names[i]);
	return 0;
}

static bool parse_option(struct args *a, int option)
{
	struct campaign *c = &a->campaign;
	uint64_t n;

	switch (option) {
	case OPT_NODES:
		if (!parse_number(optarg, 3, SIM_NODES_MAX, &n))
			return false;
		c->nodes = (unsigned)n;
		return true;
	case OPT_SEEDS:
		return parse_number(optarg, 1, UINT32_MAX, &c->seeds);
	case OPT_FROM:
		return parse_number(optarg, 0, UINT32_MAX, &c->from);
	case OPT_JOBS:
		if (!parse_number(optarg, 1, 64, &n))
			return false;
		c->jobs = (unsigned)n;
		return true;
	case OPT_WITHOUT:
		return parse_rule(optarg, c);
	case OPT_SEED:
		a->has_seed = true;
		return parse_number(optarg, 0, UINT64_MAX / 32, &a->seed);
	case OPT_TRACE:
		a->is_traced = true;
		return true;
	case OPT_UNTIL_BAD:
		c->is_until_bad = true;
		return true;
	case OPT_COVERED:
		a->is_covered = true;
		return true;
	case 'o':
		a->is_json = true;
		return strcmp(optarg, "json") == 0;
	default:
		return false;
	}
}

static const char *commit(void)
{
	const char *given = getenv("SYNOD_COMMIT");

	return given ? given : SIM_COMMIT;
}

static bool is_covered(const struct counts *c)
{
	bool is_good = true;

#define COVERED(name)                                           \
	if (c->name == 0) {                                     \
		fprintf(stderr, "never happened: " #name "\n"); \
		is_good = false;                                \
	}
	WORLD_COUNTS(COVERED)
#undef COVERED
	return is_good;
}

static double seconds_since(const struct timespec *from)
{
	struct timespec to;

	clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from->tv_sec) +
	       (double)(to.tv_nsec - from->tv_nsec) / 1e9;
}

static void print_outcome(const struct args *a, const struct outcome *o,
			  double seconds)
{
	const struct counts *c = &o->counts;

	printf("{\"seeds\":%llu,\"violations\":%llu,\"first_bad\":",
	       (unsigned long long)o->seeds, (unsigned long long)o->violations);
	if (o->violations)
		printf("%llu", (unsigned long long)o->first_bad);
	else
		printf("null");
	printf(",\"nodes\":%u,\"from\":%llu,\"commit\":\"%s\","
	       "\"seconds\":%.1f,\"seeds_s\":%.1f,\"digest\":\"%016llx\"",
	       a->campaign.nodes, (unsigned long long)a->campaign.from,
	       commit(), seconds, (double)o->seeds / seconds,
	       (unsigned long long)o->digest);
	printf(",\"counts\":{");
	const char *comma = "";
#define COUNT(name)                                                         \
	printf("%s\"" #name "\":%llu", comma, (unsigned long long)c->name); \
	comma = ",";
	WORLD_COUNTS(COUNT)
#undef COUNT
	printf("}}\n");
}

static int run_many(const struct args *a)
{
	struct outcome o;
	struct timespec from;

	clock_gettime(CLOCK_MONOTONIC, &from);
	if (!a->is_json)
		printf("synod-sim %s: %u nodes, %llu seeds from %llu\n",
		       commit(), a->campaign.nodes,
		       (unsigned long long)a->campaign.seeds,
		       (unsigned long long)a->campaign.from);
	campaign_run(&a->campaign, &o);
	print_outcome(a, &o, seconds_since(&from));
	if (a->is_covered && !is_covered(&o.counts))
		return 1;
	return o.violations ? 1 : 0;
}

/* In this process, so that a debugger sees it. */
static int run_one(const struct args *a)
{
	static struct world w;
	struct outcome o = {.seeds = 1, .first_bad = a->seed};
	struct args one = *a;
	struct timespec from;
	struct world_config cfg = {
		.seed = a->seed,
		.nodes = a->campaign.nodes,
		.rules_off = a->campaign.rules_off,
		.is_trusting = a->campaign.is_trusting,
		.is_traced = a->is_traced,
	};

	clock_gettime(CLOCK_MONOTONIC, &from);
	setvbuf(stdout, NULL, a->is_traced ? _IOLBF : _IOFBF, BUFSIZ);
	world_run(&w, &cfg);
	if (w.is_bad)
		fprintf(stderr, "violation nodes=%u seed=%llu %s\n", cfg.nodes,
			(unsigned long long)cfg.seed, w.why);
	o.violations = w.is_bad;
	o.counts = w.counts;
	o.digest = w.digest;
	one.campaign.from = a->seed;
	print_outcome(&one, &o, seconds_since(&from));
	if (!w.is_bad)
		world_free(&w);
	return w.is_bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct args a = {.campaign = {.nodes = 3,
				      .from = 1,
				      .seeds = 1000,
				      .jobs = n_cpus > 0 && n_cpus <= 64
						      ? (unsigned)n_cpus
						      : 1}};
	int option;

	log_set_level(LOG_ERROR);
	while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
		if (option == OPT_RULES)
			return list_rules();
		if (option == OPT_HELP) {
			fputs(help, stdout);
			return 0;
		}
		if (!parse_option(&a, option)) {
			fputs(help, stderr);
			return 64;
		}
	}
	if (optind != argc) {
		fputs(help, stderr);
		return 64;
	}
	return a.has_seed ? run_one(&a) : run_many(&a);
}
