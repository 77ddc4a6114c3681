#include <stdio.h>
#include <string.h>

#include "cluster/core/command.h"
#include "node/admin_overview.h"

/* -- connections -------------------------------------------------------------
 */
/* Where it is, without secrets: what the type's table calls secret, and what
 * refers to one, is left out. */
static char *address_text(struct overview *o,
			  const Synod__Definition__Connection *c)
{
	static const char *const shown[] = {"path", "host",     "port",
					    "user", "database", "dbname"};
	char buf[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		for (size_t j = 0; j < c->n_options; j++) {
			const Synod__Definition__Option *option = c->options[j];
			if (strcmp(option->name, shown[i]) != 0 ||
			    strncmp(option->value, "secret://", 9) == 0)
				continue;
			int n = snprintf(buf + used, sizeof(buf) - used,
					 "%s%s=%s", used ? " " : "",
					 option->name, option->value);
			if (n < 0 || (size_t)n >= sizeof(buf) - used)
				return arena_strdup(o->arena, buf);
			used += (size_t)n;
		}
	}
	return arena_strdup(o->arena, buf);
}

Synod__Admin__ConnectionInfo *
overview_connection(struct overview *o, const Synod__Definition__Connection *c)
{
	const struct tasks *tasks = &o->view->tasks;
	Synod__Admin__ConnectionInfo *out = overview_list(o, 1, sizeof(*out));

	synod__admin__connection_info__init(out);
	out->id = c->id;
	out->name = c->name;
	out->type = c->type;
	out->address = address_text(o, c);
	out->unreachable_from =
		overview_list(o, tasks->n_reach, sizeof(char *));
	for (size_t i = 0; i < tasks->n_reach; i++) {
		if (tasks->reach[i].connection_id == c->id)
			out->unreachable_from[out->n_unreachable_from++] =
				command_text(
					members_name(&o->n->members,
						     tasks->reach[i].node_id));
	}
	out->syncs = overview_list(o, o->all->n_syncs, sizeof(char *));
	for (size_t i = 0; i < o->all->n_syncs; i++) {
		const Synod__Definition__Sync *sync = o->all->syncs[i];
		for (size_t j = 0; j < sync->n_connection_ids; j++) {
			if (sync->connection_ids[j] == c->id)
				out->syncs[out->n_syncs++] = sync->name;
		}
	}
	return out;
}
