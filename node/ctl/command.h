/* The command table: everything synodctl can do. Help, the manual and the
 * checks of the tests are made from it. One file per noun defines its entries.
 */
#ifndef NODE_CTL_COMMAND_H
#define NODE_CTL_COMMAND_H

#include <stdio.h>

#include "node/ctl/ctl.h"
#include "node/ctl/options.h"

enum ctl_risk {
	RISK_READ,       /* changes nothing */
	RISK_SAFE,       /* changes what it says and no more */
	RISK_DISRUPTIVE, /* moves work, loses nothing: asks */
	RISK_DESTRUCTIVE /* may lose something: asks for the name */
};

struct ctl_command {
	const char *noun;
	const char *verb;             /* NULL: the noun stands alone */
	const char *args;             /* "[VALUE... | -]"; "" for none */
	const char *summary;          /* one line, no full stop */
	const char *detail;           /* more lines, or NULL */
	const struct ctl_flag *flags; /* NULL: only the global ones */
	const char *const *examples;  /* at least one; NULL ends them */
	enum ctl_risk risk;
	int args_max; /* -1: any number */
	int (*run)(struct ctl *c);
};

extern const struct ctl_command command_status;
extern const struct ctl_command command_node_list;
extern const struct ctl_command command_node_transfer_leader;
extern const struct ctl_command command_node_drain;
extern const struct ctl_command command_node_undrain;
extern const struct ctl_command command_doctor;
extern const struct ctl_command command_sync_list;
extern const struct ctl_command command_sync_show;
extern const struct ctl_command command_sync_lag;
extern const struct ctl_command command_sync_pause;
extern const struct ctl_command command_sync_resume;
extern const struct ctl_command command_sync_move;
extern const struct ctl_command command_conflict_list;
extern const struct ctl_command command_conflict_show;
extern const struct ctl_command command_conflict_resolve;
extern const struct ctl_command command_dlq_list;
extern const struct ctl_command command_dlq_show;
extern const struct ctl_command command_dlq_replay;
extern const struct ctl_command command_dlq_discard;
extern const struct ctl_command command_log_append;
extern const struct ctl_command command_log_tail;
extern const struct ctl_command command_events;
extern const struct ctl_command command_metrics;
extern const struct ctl_command command_config_validate;
extern const struct ctl_command command_config_plan;
extern const struct ctl_command command_config_apply;
extern const struct ctl_command command_config_rollback;
extern const struct ctl_command command_config_history;
extern const struct ctl_command command_config_export;
extern const struct ctl_command command_connection_list;
extern const struct ctl_command command_connection_test;
extern const struct ctl_command command_connection_schema;
extern const struct ctl_command command_explain;
extern const struct ctl_command command_help;

/* All of them in the order of help; NULL ends them. */
extern const struct ctl_command *const commands[];

/* verb may be NULL. NULL: no such command. */
const struct ctl_command *command_find(const char *noun, const char *verb);
bool command_is_noun(const char *noun);
/* The nearest noun, or verb of a noun; NULL when nothing is near. */
const char *command_nearest(const char *noun, const char *verb);
/* "node.list", as json calls it; buf has COMMAND_NAME_MAX. */
enum { COMMAND_NAME_MAX = 64 };
void command_name(const struct ctl_command *command, char separator, char *buf);

/* -- help.c ---------------------------------------------------------------- */
void help_overview(FILE *out);
void help_command(const struct ctl_command *command, FILE *out);
/* The verbs of a noun. */
void help_noun(const char *noun, FILE *out);
void help_version(FILE *out);

#endif
