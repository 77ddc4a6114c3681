/* Flags of synodctl: tables of name, letter, kind and one line of help; read by
 * getopt_long. Every global flag with a value can also come from the
 * environment as SYNODCTL_ and its name in capitals. */
#ifndef NODE_CTL_OPTIONS_H
#define NODE_CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum flag_kind {
	FLAG_SWITCH,   /* bool, becomes true */
	FLAG_TEXT,     /* const char * */
	FLAG_NUMBER,   /* uint64_t */
	FLAG_DURATION, /* int64_t, milliseconds */
	FLAG_WORD      /* int, position in words */
};

struct ctl_flag {
	const char *name; /* NULL ends a table */
	char letter;      /* 0: none */
	enum flag_kind kind;
	const char *value;  /* what help calls it, "URL"; NULL for a switch */
	const char *preset; /* FLAG_DURATION: value of a bare flag, or NULL */
	const char *doc;
	size_t offset; /* in struct ctl_options */
	const char *const *words;
};

/* Flags of all commands; each command's table says which it takes. */
struct ctl_options {
	const char *endpoint, *ca, *cert, *key, *server_name;
	int output; /* enum output_format */
	int color;  /* enum color_mode */
	bool is_quiet, is_verbose, no_headers, is_yes, is_help, is_version;
	int64_t timeout_ms;
	bool is_follow, has_exit_code;
	int64_t watch_ms; /* 0: once */
	const char *to, *file;
	const char *plan, *message; /* config apply */
	bool is_prune;
	const char *table, *reason; /* sync pause, resume */
	const char *pick, *sync;    /* conflict resolve; dlq replay --all */
	const char *types;          /* events */
	bool is_force, is_all, is_open;
	int64_t wait_ms; /* 0: do not wait */
	uint64_t from, count;
};

enum color_mode { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

extern const struct ctl_flag options_global[];

/* Defaults, then the environment. */
int options_init(struct ctl_options *o, struct err *e);

/* A command line, or the part of it behind noun and verb. */
struct options_line {
	int argc;
	char **argv;        /* begins with a program name; may be reordered */
	bool is_first_part; /* stop at the first word that is no flag */
	int index;          /* out: the first word that is no flag */
};

/* Take the flags of the global table and of local (may be NULL) out of line. */
int options_read(struct ctl_options *o, const struct ctl_flag *local,
		 struct options_line *line, struct err *e);

#endif
