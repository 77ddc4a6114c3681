/* Definitions: what an operator writes becomes what the cluster keeps. Three
 * steps, each of which says all that is wrong at once:
 *
 *   read     the text, by the schema table (offline; define_schema.c)
 *   compile  against the databases: tables, fields, types, ids
 * (define_compile.c) compare  with the definition in force: the plan, its
 * classes and its hash (define_plan.c)
 *
 * Blocks in connectors: compile on a worker, never on the loop. */
#ifndef NODE_DEFINE_H
#define NODE_DEFINE_H

#include "base/arena.h"
#include "cluster/core/catalog.h"
#include "connectors/connector.h"
#include "node/config_problem.h"

/* -- read ------------------------------------------------------------------ */
struct define_text; /* a definition as read: names, no ids */

/* NULL when problems has any. file is what they call the text. */
struct define_text *define_read(const char *text, size_t len, const char *file,
				struct config_problems *problems);
void define_text_free(struct define_text *d);

/* -- compile -----------------------------------------------------------------
 */
struct define_env {
	const struct connector *(*connector)(const char *type); /* or NULL */
	const struct connector_secrets *secrets;
	const char *cluster; /* hex id */
	const char *base_dir;
	/* NULL: offline, nothing is looked up (validate). */
	const Synod__Definition__Definition *current;
	bool prune;
};

struct define_change {
	char mark;                                     /* + ~ - ! */
	const char *what, *class_name, *text, *repair; /* repair may be NULL */
};

struct define_plan {
	struct arena arena;
	struct define_change *changes;
	size_t n_changes;
	size_t n_failed; /* findings that stand in the way */
	Synod__Definition__Definition *definition; /* lives in the arena */
	char hash[17]; /* of definition and current: 16 hex digits */
};

/* Compile and compare. Problems of the text (an unknown table, columns that do
 * not fit) go to problems with their place; what the databases say goes to the
 * plan as failed checks. 0 even then; an error only when it could not be done
 * at all. The plan is cleared by the caller in any case. */
int define_plan(const struct define_text *d, const struct define_env *env,
		struct define_plan *out, struct config_problems *problems,
		struct err *e);
void define_plan_clear(struct define_plan *p);

/* "+stock ~customers -old": for the history. buf gets at most cap bytes. */
char *define_summary(const struct define_plan *p, char *buf, size_t cap);

/* `synodctl explain syncs.conflicts` and the manual. False: unknown path. */
bool define_explain(const char *path, FILE *out);

/* -- connectors.c -----------------------------------------------------------
 */
const struct connector *connectors_find(const char *type);
/* All of them; NULL ends the list. */
extern const struct connector *const connectors_all[];

/* -- secrets.c: systemd credential, then DIR/secrets/NAME of the node file ----
 */
struct secrets {
	char dir[256]; /* "": none */
};
struct connector_secrets secrets_port(struct secrets *s);

#endif
