/* What the databases say of a definition: can they be reached, and what stands
 * in the way. */
#include "node/define_compile.h"

struct connector_target compile_target(const struct compile *c,
				       const struct compile_connection *k)
{
	return (struct connector_target){.connection = k->definition,
					 .cluster = c->env->cluster,
					 .secrets = c->env->secrets,
					 .base_dir = c->env->base_dir};
}

void compile_down(struct compile *c, struct compile_connection *k,
		  const struct err *e)
{
	if (k->is_down)
		return;
	k->is_down = true;
	c->is_broken = true;
	c->plan->n_failed++;
	struct define_change *change =
		define_change_add(c->plan, '!', "check failed", "%s", e->text);
	define_change_what(c->plan, change, "connection %s",
			   k->definition->name);
}

void compile_test(struct compile *c)
{
	for (size_t i = 0; i < c->out->n_connections; i++) {
		struct compile_connection *k = &c->connections[i];
		struct connector_target target = compile_target(c, k);
		char line[CONNECTOR_TEXT_MAX];
		struct err e = {0};
		if (!k->is_used)
			continue;
		if (!k->connector) {
			err_set(&e, ERR_INVALID,
				"this node has no connector of type %s",
				k->definition->type);
			compile_down(c, k, &e);
		} else if (k->connector->test(&target, line, sizeof line, &e)) {
			compile_down(c, k, &e);
		}
	}
}

static void take_findings(struct compile *c, struct compile_connection *k,
			  const struct connector_findings *findings)
{
	for (size_t i = 0; i < findings->n; i++) {
		const struct connector_finding *f = &findings->list[i];
		struct define_change *change = define_change_add(
			c->plan, '!', f->is_fatal ? "check failed" : "warning",
			"%s%s%s", f->table ? f->table : "",
			f->table ? ": " : "", f->text);
		define_change_what(c->plan, change, "connection %s",
				   k->definition->name);
		change->repair = f->repair;
		c->plan->n_failed += f->is_fatal;
	}
}

void compile_check(struct compile *c)
{
	for (size_t i = 0; i < c->out->n_connections; i++) {
		struct compile_connection *k = &c->connections[i];
		struct connector_findings findings = {.arena = c->arena};
		struct connector_target target = compile_target(c, k);
		struct err e = {0};
		if (k->n_tables == 0 || k->is_down)
			continue;
		if (k->connector->check(&target, k->tables, k->n_tables,
					&findings, &e))
			compile_down(c, k, &e);
		else
			take_findings(c, k, &findings);
	}
}
