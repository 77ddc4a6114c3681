/* synodd: one node of a cluster. Options, and the codes of sysexits. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "node/node.h"

static const char usage[] =
	"Usage: synodd --config FILE [--check-config | --print-config]\n"
	"\n"
	"Runs one node of a Synod cluster in the foreground.\n"
	"\n"
	"  -c, --config FILE   the node file (YAML)\n"
	"      --check-config  read and check the node file, then stop\n"
	"      --print-config  print every setting in effect and its origin\n"
	"  -V, --version       print the versions of synodd and its libraries\n"
	"  -h, --help          print this\n"
	"\n"
	"Signals: TERM and INT hand over leadership and stop, a second one "
	"stops\n"
	"at once; HUP reads log_level and the TLS files again; USR2 writes "
	"the\n"
	"node's state to the log.\n"
	"\n"
	"Exit codes: 0 stopped as asked, 64 usage, 69 address or directory in "
	"use,\n"
	"70 internal, 71 system, 74 disk, 77 permission, 78 node file or data\n"
	"directory does not fit.\n";

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PRINT };

enum { OPT_CHECK = 256, OPT_PRINT };

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check-config", no_argument, NULL, OPT_CHECK},
	{"print-config", no_argument, NULL, OPT_PRINT},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int check_config(const char *path, enum action action)
{
	struct config_problems problems;
	struct node_config cfg = {0};

	config_problems_init(&problems);
	int rc = node_config_load(path, &cfg, &problems);
	if (rc)
		config_problems_print(&problems, stderr);
	else if (action == ACTION_PRINT)
		node_config_print(&cfg, stdout);
	else
		printf("%s: no problems\n", path);
	node_config_clear(&cfg);
	config_problems_clear(&problems);
	return rc == ERR_PERMISSION ? EX_NOPERM : rc ? EX_CONFIG : EX_OK;
}

static int run(const char *path)
{
	struct node *n = mem_zero(1, sizeof(*n));
	struct err e = {0};
	int code;

	if (node_open(n, path, &e)) {
		code = node_exit_code(e.code);
		log_event(LOG_ERROR, "start_failed", "code=%s why=%s exit=%d",
			  err_name(e.code), LOG_Q(e.text), code);
	} else {
		code = node_run(n);
	}
	node_close(n);
	free(n);
	log_event(LOG_INFO, "stopped", "exit=%d", code);
	return code;
}

static int usage_error(const char *what)
{
	fprintf(stderr, "synodd: error: %s\nhint: synodd --help\n", what);
	return EX_USAGE;
}

int main(int argc, char **argv)
{
	enum action action = ACTION_RUN;
	const char *path = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case OPT_CHECK:
			action = ACTION_CHECK;
			break;
		case OPT_PRINT:
			action = ACTION_PRINT;
			break;
		case 'V':
			printf("synodd %s\n%s\n", SYNOD_VERSION,
			       SYNOD_LIBRARIES);
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs("hint: synodd --help\n", stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc)
		return usage_error("it takes options only");
	if (!path)
		return usage_error("--config is missing");
	return action == ACTION_RUN ? run(path) : check_config(path, action);
}
