/* synod-bench: the load harness. See args.c for what it can be told. */
#include <stdio.h>

#include "bench/args.h"
#include "bench/interrupt.h"
#include "bench/run.h"

int run_error(const struct err *e)
{
	fprintf(stderr, "synod-bench: error: %s [%s]\n", e->text,
		err_name(e->code));
	switch (e->code) {
	case ERR_NOTFOUND:
	case ERR_NETWORK:
	case ERR_TLS:
	case ERR_PERMISSION:
	case ERR_NO_LEADER:
	case ERR_BUSY:
		return RUN_ENVIRONMENT;
	default:
		return RUN_FAILED;
	}
}

int main(int argc, char **argv)
{
	static int (*const scenarios[SCENARIO__N])(const struct args *) = {
		run_log, run_failover, run_memory, run_fleet, run_takeover};
	struct args args;
	struct err e = {0};

	if (args_parse(&args, argc, argv, &e)) {
		fprintf(stderr, "synod-bench: error: %s\n", e.text);
		return RUN_USAGE;
	}
	if (args.wants_help) {
		args_help(stdout, args.scenario);
		return RUN_OK;
	}
	if (args.wants_version) {
		printf("synod-bench %s\n", SYNOD_VERSION);
		return RUN_OK;
	}
	if (interrupt_watch(&e))
		return run_error(&e);
	return scenarios[args.scenario](&args);
}
