#include "bench/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench/figures.h"
#include "bench/load.h"

#define IN(scenario) (1U << (scenario))

struct option {
	const char *name, *value; /* value NULL: a flag */
	unsigned scenarios;       /* bit set of those that know it */
	int (*set)(struct args *a, const char *value, struct err *e);
	const char *help;
};

static const char *const scenario_names[SCENARIO__N] = {
	"log", "failover", "memory", "fleet", "takeover"};

static const char *const scenario_lines[SCENARIO__N] = {
	"appends per second and latency, also side by side with etcd",
	"time from a fault to the next committed entry",
	"memory of a node while much is written, and at idle",
	"start a cluster and keep it until stdin ends",
	"time from a fault of a task's node to the next row",
};

static const char *const fail_kind_names[FAIL__N] = {
	"leader-kill", "follower-kill", "leader-stop", "transfer", "term"};

static const char *const take_kind_names[TAKE__N] = {
	"owner-kill", "leader-kill", "owner-stop", "drain"};

const char *scenario_name(enum scenario s)
{
	return scenario_names[s];
}

const char *fail_kind_name(enum fail_kind k)
{
	return fail_kind_names[k];
}

const char *take_kind_name(enum take_kind k)
{
	return take_kind_names[k];
}

/* Digits only; strtoull alone would take "-1", " 1" and "0x". */
static bool number_read(const char *text, uint64_t *value, const char **rest)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	*rest = end;
	return errno == 0;
}

bool args_size(const char *text, uint64_t *bytes)
{
	static const struct {
		const char *name;
		unsigned shift;
	} units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
	const char *rest;
	uint64_t n;

	if (!number_read(text, &n, &rest))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		if (n > UINT64_MAX >> units[i].shift)
			return false;
		*bytes = n << units[i].shift;
		return true;
	}
	return false;
}

static bool count_read(const char *text, uint64_t *n)
{
	const char *rest;

	return number_read(text, n, &rest) && !*rest;
}

/* A list with commas: each item is read by `read` and lies in [min, max]. */
struct list {
	bool (*read)(const char *text, uint64_t *value);
	uint64_t min, max;
	uint64_t *values;
	unsigned *n;
};

static bool list_read(const struct list *l, const char *text)
{
	*l->n = 0;
	while (*text) {
		char item[32];
		size_t len = strcspn(text, ",");
		uint64_t value;
		if (len >= sizeof item || *l->n == ARGS_LIST_MAX)
			return false;
		memcpy(item, text, len);
		item[len] = 0;
		if (!l->read(item, &value) || value < l->min || value > l->max)
			return false;
		l->values[(*l->n)++] = value;
		text += len + (text[len] == ',');
	}
	return *l->n > 0;
}

static int set_sizes(struct args *a, const char *value, struct err *e)
{
	/* Room in the entry for what is wrapped around the value. */
	const struct list l = {args_size, 1, LIMIT_ENTRY_BYTES - 4096, a->sizes,
			       &a->n_sizes};

	if (list_read(&l, value))
		return 0;
	return err_set(e, ERR_INVALID,
		       "--sizes %s: up to %d sizes such as 128,4KiB,1MiB, each "
		       "below 4 MiB",
		       value, ARGS_LIST_MAX);
}

static int set_concurrency(struct args *a, const char *value, struct err *e)
{
	const struct list l = {count_read, 1, LOAD_CLIENTS_MAX, a->concurrency,
			       &a->n_concurrency};

	if (list_read(&l, value))
		return 0;
	return err_set(e, ERR_INVALID,
		       "--concurrency %s: up to %d numbers such as 1,16,256, "
		       "each at most %d",
		       value, ARGS_LIST_MAX, LOAD_CLIENTS_MAX);
}

static int set_seconds(struct args *a, const char *value, struct err *e)
{
	char *end;

	errno = 0;
	a->seconds = strtod(value, &end);
	if (end != value && !*end && errno == 0 && a->seconds >= 0.1 &&
	    a->seconds <= 86400)
		return 0;
	return err_set(e, ERR_INVALID, "--seconds %s: 0.1 to 86400", value);
}

static int set_runs(struct args *a, const char *value, struct err *e)
{
	uint64_t n;

	if (!count_read(value, &n) || n < 1 || n > FIGURES_RUNS_MAX)
		return err_set(e, ERR_INVALID, "--runs %s: 1 to %d", value,
			       FIGURES_RUNS_MAX);
	a->runs = (unsigned)n;
	return 0;
}

static int set_vs(struct args *a, const char *value, struct err *e)
{
	if (strcmp(value, "etcd") != 0)
		return err_set(e, ERR_INVALID,
			       "--vs %s: only etcd can be compared with",
			       value);
	a->vs_etcd = true;
	return 0;
}

static int set_endpoint(struct args *a, const char *value, struct err *e)
{
	a->n_endpoints = 0;
	while (*value) {
		size_t len = strcspn(value, ",");
		if (len == 0 || len > LIMIT_ADDRESS_BYTES ||
		    a->n_endpoints == LIMIT_NODES)
			return err_set(e, ERR_INVALID,
				       "--endpoint: up to %d URLs such as "
				       "ipc:///run/synod/admin.sock",
				       LIMIT_NODES);
		char *url = a->endpoints[a->n_endpoints++];
		memcpy(url, value, len);
		url[len] = 0;
		value += len + (value[len] == ',');
	}
	return a->n_endpoints ? 0
			      : err_set(e, ERR_INVALID, "--endpoint: no URL");
}

static int set_output(struct args *a, const char *value, struct err *e)
{
	a->is_json = strcmp(value, "json") == 0;
	if (a->is_json || strcmp(value, "table") == 0)
		return 0;
	return err_set(e, ERR_INVALID, "--output %s: table or json", value);
}

static int set_synodd(struct args *a, const char *value, struct err *e)
{
	a->synodd = value;
	return 0;
}

/* The places of the words of a list among n names. */
static int words_read(const char *value, const char *const *names, unsigned n,
		      unsigned *out, struct err *e)
{
	unsigned set = 0;

	while (*value) {
		size_t len = strcspn(value, ",");
		unsigned k = 0;
		while (k < n && (strlen(names[k]) != len ||
				 memcmp(names[k], value, len)))
			k++;
		if (k == n)
			return err_set(e, ERR_INVALID,
				       "--kind %.*s: there is no such kind; "
				       "see --help",
				       (int)len, value);
		set |= 1U << k;
		value += len + (value[len] == ',');
	}
	if (!set)
		return err_set(e, ERR_INVALID, "--kind: none named");
	*out = set;
	return 0;
}

static int set_kind(struct args *a, const char *value, struct err *e)
{
	if (a->scenario == SCENARIO_TAKEOVER)
		return words_read(value, take_kind_names, TAKE__N, &a->takes,
				  e);
	return words_read(value, fail_kind_names, FAIL__N, &a->kinds, e);
}

static int set_database(struct args *a, const char *value, struct err *e)
{
	if (a->n_databases == 2)
		return err_set(e, ERR_INVALID, "--postgres: two, not more");
	a->databases[a->n_databases++] = value;
	return 0;
}

static int set_bytes(struct args *a, const char *value, struct err *e)
{
	if (args_size(value, &a->bytes) && a->bytes > 0)
		return 0;
	return err_set(e, ERR_INVALID, "--bytes %s: a size such as 2GiB",
		       value);
}

static int set_nodes(struct args *a, const char *value, struct err *e)
{
	uint64_t n;

	if (!count_read(value, &n) || n < 1 || n > LIMIT_NODES)
		return err_set(e, ERR_INVALID, "--nodes %s: 1 to %d", value,
			       LIMIT_NODES);
	a->nodes = (unsigned)n;
	return 0;
}

static int set_keep(struct args *a, const char *value, struct err *e)
{
	a->keep_files = true;
	return 0;
}

static int set_help(struct args *a, const char *value, struct err *e)
{
	a->wants_help = true;
	return 0;
}

enum { IN_ALL = (1 << SCENARIO__N) - 1 };

static const struct option options[] = {
	{"--sizes", "LIST", IN(SCENARIO_LOG) | IN(SCENARIO_MEMORY), set_sizes,
	 "sizes of the values (128,4KiB,64KiB,1MiB; memory: 64KiB)"},
	{"--concurrency", "LIST", IN(SCENARIO_LOG) | IN(SCENARIO_MEMORY),
	 set_concurrency, "clients in closed loop (1,16,256; memory: 64)"},
	{"--seconds", "S", IN(SCENARIO_LOG), set_seconds,
	 "measured time of a run, after a warm-up (5)"},
	{"--runs", "N",
	 IN(SCENARIO_LOG) | IN(SCENARIO_FAILOVER) | IN(SCENARIO_TAKEOVER),
	 set_runs,
	 "runs of each case (log: 1, with --vs 3; failover: 20; takeover: "
	 "30)"},
	{"--vs", "etcd", IN(SCENARIO_LOG), set_vs,
	 "same load against three etcd processes, runs alternate"},
	{"--endpoint", "URL[,URL]", IN(SCENARIO_LOG), set_endpoint,
	 "drive this cluster instead of a throw-away one"},
	{"--kind", "LIST", IN(SCENARIO_FAILOVER), set_kind,
	 "of leader-kill,follower-kill,leader-stop,transfer,term (all)"},
	{"--kind", "LIST", IN(SCENARIO_TAKEOVER), set_kind,
	 "of owner-kill,leader-kill,owner-stop,drain (all)"},
	{"--postgres", "HOST:PORT/DATABASE/USER", IN(SCENARIO_TAKEOVER),
	 set_database,
	 "given twice: these databases instead of two SQLite files"},
	{"--bytes", "SIZE", IN(SCENARIO_MEMORY), set_bytes,
	 "how much is written (2GiB)"},
	{"--nodes", "N", IN(SCENARIO_FLEET), set_nodes, "size of it (3)"},
	{"--synodd", "PATH", IN_ALL, set_synodd,
	 "the daemon to start (beside this program, or in PATH)"},
	{"--keep", NULL, IN_ALL, set_keep, "leave data and logs behind"},
	{"--output", "FORMAT", IN_ALL & ~IN(SCENARIO_FLEET), set_output,
	 "table or json; -o for short (table)"},
	{"--help", NULL, IN_ALL, set_help, "this text; -h for short"},
};

enum { N_OPTIONS = sizeof options / sizeof options[0] };

static const struct option *option_find(unsigned scenario, const char *name,
					size_t len)
{
	if (len == 2 && memcmp(name, "-o", 2) == 0)
		return option_find(scenario, "--output", 8);
	if (len == 2 && memcmp(name, "-h", 2) == 0)
		return option_find(scenario, "--help", 6);
	for (unsigned i = 0; i < N_OPTIONS; i++)
		if (options[i].scenarios & IN(scenario) &&
		    strlen(options[i].name) == len &&
		    memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* argv[*i] and, if it takes one, the value behind it. */
static int option_read(struct args *a, int argc, char **argv, int *i,
		       struct err *e)
{
	const char *arg = argv[*i];
	size_t len = strcspn(arg, "=");
	const struct option *o = option_find(a->scenario, arg, len);
	const char *value = arg[len] ? arg + len + 1 : NULL;

	if (!o)
		return err_set(e, ERR_INVALID,
			       "%s knows no %.*s; see synod-bench %s --help",
			       scenario_names[a->scenario], (int)len, arg,
			       scenario_names[a->scenario]);
	if (!o->value && value)
		return err_set(e, ERR_INVALID, "%s takes no value", o->name);
	if (o->value && !value) {
		if (*i + 1 >= argc)
			return err_set(e, ERR_INVALID, "%s needs %s", o->name,
				       o->value);
		value = argv[++*i];
	}
	return o->set(a, value, e);
}

static void args_defaults(struct args *a)
{
	if (a->scenario == SCENARIO_MEMORY) {
		a->n_sizes = a->n_concurrency = 1;
		a->sizes[0] = 64 << 10;
		a->concurrency[0] = 64;
		return;
	}
	static const uint64_t sizes[] = {128, 4 << 10, 64 << 10, 1 << 20};
	static const uint64_t concurrency[] = {1, 16, 256};
	memcpy(a->sizes, sizes, sizeof sizes);
	memcpy(a->concurrency, concurrency, sizeof concurrency);
	a->n_sizes = 4;
	a->n_concurrency = 3;
}

int args_parse(struct args *a, int argc, char **argv, struct err *e)
{
	*a = (struct args){.scenario = SCENARIO__N,
			   .seconds = 5,
			   .kinds = (1U << FAIL__N) - 1,
			   .takes = (1U << TAKE__N) - 1,
			   .bytes = (uint64_t)2 << 30,
			   .nodes = 3};
	if (argc < 2)
		return err_set(e, ERR_INVALID,
			       "no scenario named; see synod-bench --help");
	a->wants_help = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h");
	a->wants_version = !strcmp(argv[1], "--version");
	if (a->wants_help || a->wants_version)
		return 0;
	for (unsigned s = 0; s < SCENARIO__N; s++)
		if (strcmp(argv[1], scenario_names[s]) == 0)
			a->scenario = (enum scenario)s;
	if (a->scenario == SCENARIO__N)
		return err_set(e, ERR_INVALID,
			       "no scenario %s; see synod-bench --help",
			       argv[1]);
	args_defaults(a);
	for (int i = 2; i < argc; i++) {
		int rc = option_read(a, argc, argv, &i, e);
		if (rc)
			return rc;
	}
	if (a->n_databases == 1)
		return err_set(e, ERR_INVALID, "--postgres: give two");
	if (a->vs_etcd && a->n_endpoints)
		return err_set(e, ERR_INVALID,
			       "--vs needs a cluster of its own on this "
			       "machine; leave --endpoint out");
	return 0;
}

void args_help(FILE *out, enum scenario scenario)
{
	if (scenario == SCENARIO__N) {
		fprintf(out, "Usage: synod-bench SCENARIO [OPTIONS]\n\n");
		for (unsigned s = 0; s < SCENARIO__N; s++)
			fprintf(out, "  %-10s %s\n", scenario_names[s],
				scenario_lines[s]);
		fprintf(out, "\n  --help, --version; options of a scenario: "
			     "synod-bench SCENARIO --help\n"
			     "Exit: 0 done, 1 failed, 2 usage, 3 environment "
			     "(no node reachable, no etcd)\n");
		return;
	}
	fprintf(out, "Usage: synod-bench %s [OPTIONS]\n%s\n\n",
		scenario_names[scenario], scenario_lines[scenario]);
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		const struct option *o = &options[i];
		char left[40];
		if (!(o->scenarios & IN(scenario)))
			continue;
		snprintf(left, sizeof left, "%s %s", o->name,
			 o->value ? o->value : "");
		fprintf(out, "  %-24s %s\n", left, o->help);
	}
	fprintf(out, "\nFiles are under $TMPDIR or /tmp and deleted at the "
		     "end.\n");
}
