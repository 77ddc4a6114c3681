/* synod-sim-product: the whole product under simulated faults. See --help. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "tests/sim/product/world.h"

static const char help[] =
	"usage: synod-sim-product [--seeds K] [--from S] [--without RULE]...\n"
	"                         [--until-bad]\n"
	"       synod-sim-product --seed S [--without RULE]... [--trace]\n"
	"       synod-sim-product --rules\n"
	"\n"
	"Runs control state, ledger, planner and tasks of three nodes over a\n"
	"simulated log and three simulated databases; one seed is one run.\n"
	"exit code: 0 no violation, 1 violations, 64 usage\n";

struct args {
	uint64_t from, seeds;
	struct rules_off off;
	bool is_traced, is_until_bad;
};

struct sum {
	uint64_t violations, first_bad;
	struct counts counts;
};

static bool rule_off(struct rules_off *off, const char *name)
{
#define RULE(field, text)            \
	if (strcmp(name, text) == 0) \
		return off->field = true;
	WORLD_RULES(RULE)
#undef RULE
	return false;
}

static void add_counts(struct counts *to, const struct counts *from)
{
	uint64_t most = to->drain_ms_max > from->drain_ms_max
				? to->drain_ms_max
				: from->drain_ms_max;

#define COUNT(name) to->name += from->name;
	WORLD_COUNTS(COUNT)
#undef COUNT
	to->drain_ms_max = most;
}

static void run_seed(const struct args *a, uint64_t seed, struct sum *sum)
{
	struct world *w = mem_zero(1, sizeof *w);

	w->seed = seed;
	w->off = a->off;
	w->is_traced = a->is_traced;
	world_run(w);
	if (w->is_bad) {
		fprintf(stderr, "violation seed=%llu %s\n",
			(unsigned long long)seed, w->why);
		if (sum->violations++ == 0)
			sum->first_bad = seed;
	}
	add_counts(&sum->counts, &w->counts);
	world_free(w);
	free(w);
}

static void print_sum(const struct args *a, const struct sum *sum)
{
	printf("{\"seeds\":%llu,\"violations\":%llu,\"first_bad\":%llu",
	       (unsigned long long)a->seeds,
	       (unsigned long long)sum->violations,
	       (unsigned long long)sum->first_bad);
#define COUNT(name) \
	printf(",\"" #name "\":%llu", (unsigned long long)sum->counts.name);
	WORLD_COUNTS(COUNT)
#undef COUNT
	printf("}\n");
}

static bool parse_number(const char *text, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == 0;
}

static int list_rules(void)
{
#define RULE(field, text) puts(text);
	WORLD_RULES(RULE)
#undef RULE
	return 0;
}

static bool parse(int option, struct args *a)
{
	switch (option) {
	case 's':
		return parse_number(optarg, &a->seeds);
	case 'f':
		return parse_number(optarg, &a->from);
	case 'o':
		a->seeds = 1;
		return parse_number(optarg, &a->from);
	case 'w':
		return rule_off(&a->off, optarg);
	case 't':
		return a->is_traced = true;
	case 'u':
		return a->is_until_bad = true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seeds", required_argument, NULL, 's'},
		{"from", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 'o'},
		{"without", required_argument, NULL, 'w'},
		{"trace", no_argument, NULL, 't'},
		{"until-bad", no_argument, NULL, 'u'},
		{"rules", no_argument, NULL, 'r'},
		{0},
	};
	struct args a = {.from = 1, .seeds = 100};
	struct sum sum = {0};
	int option;

	log_set_level(LOG_ERROR);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			return list_rules();
		if (!parse(option, &a)) {
			fputs(help, stderr);
			return 64;
		}
	}
	for (uint64_t i = 0; i < a.seeds; i++) {
		run_seed(&a, a.from + i, &sum);
		if (sum.violations && a.is_until_bad)
			break;
	}
	print_sum(&a, &sum);
	return sum.violations ? 1 : 0;
}
