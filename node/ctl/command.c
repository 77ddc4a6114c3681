#include "node/ctl/command.h"

#include <string.h>

#include "node/config_nearest.h"

const struct ctl_command *const commands[] = {
	&command_status,
	&command_doctor,
	&command_sync_list,
	&command_sync_show,
	&command_sync_lag,
	&command_sync_pause,
	&command_sync_resume,
	&command_sync_move,
	&command_conflict_list,
	&command_conflict_show,
	&command_conflict_resolve,
	&command_dlq_list,
	&command_dlq_show,
	&command_dlq_replay,
	&command_dlq_discard,
	&command_config_validate,
	&command_config_plan,
	&command_config_apply,
	&command_config_rollback,
	&command_config_history,
	&command_config_export,
	&command_connection_list,
	&command_connection_test,
	&command_connection_schema,
	&command_node_list,
	&command_node_drain,
	&command_node_undrain,
	&command_node_transfer_leader,
	&command_events,
	&command_metrics,
	&command_log_append,
	&command_log_tail,
	&command_explain,
	&command_help,
	NULL,
};

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

const struct ctl_command *command_find(const char *noun, const char *verb)
{
	for (size_t i = 0; commands[i]; i++)
		if (is_same(commands[i]->noun, noun) &&
		    is_same(commands[i]->verb, verb))
			return commands[i];
	return NULL;
}

bool command_is_noun(const char *noun)
{
	for (size_t i = 0; commands[i]; i++)
		if (is_same(commands[i]->noun, noun))
			return true;
	return false;
}

const char *command_nearest(const char *noun, const char *verb)
{
	struct config_nearest near = config_nearest_init(verb ? verb : noun);
	for (size_t i = 0; commands[i]; i++) {
		if (!verb)
			config_nearest_try(&near, commands[i]->noun);
		else if (is_same(commands[i]->noun, noun) && commands[i]->verb)
			config_nearest_try(&near, commands[i]->verb);
	}
	return near.best;
}

void command_name(const struct ctl_command *command, char separator, char *buf)
{
	const char *verb = command->verb;
	snprintf(buf, COMMAND_NAME_MAX, "%s%.*s%s", command->noun, verb ? 1 : 0,
		 &separator, verb ? verb : "");
}
