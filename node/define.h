/* Definitions: what an operator writes becomes what the cluster keeps. Three
 * steps, each of which says all that is wrong at once:
 *
 *   read     the text, by the schema table; offline
 *            (define_schema.c, define_text.c, define_check.c, define_where.c)
 *   compile  against the databases: tables, fields, types, ids
 *            (define_compile.c, define_table.c)
 *   compare  with the definition in force: the plan, its classes and its hash
 *            (define_plan.c)
 *
 * Blocks in connectors: compile on a worker, never on the loop. */
#ifndef NODE_DEFINE_H
#define NODE_DEFINE_H

#include "base/arena.h"
#include "cluster/core/catalog.h"
#include "connectors/connector.h"
#include "node/config_problem.h"

/* The connector of a type, or NULL. connectors_find, or what a test puts in its
 * place. */
typedef const struct connector *(*define_connector)(const char *type);

/* -- read ------------------------------------------------------------------ */
struct define_text; /* a definition as read: names, no ids */

/* NULL when problems has any. file is what they call the text, which is copied.
 */
struct define_text *define_read(struct bytes text, const char *file,
				define_connector find,
				struct config_problems *problems);
void define_text_free(struct define_text *d); /* NULL is allowed */

/* How much there is of each. */
void define_count(const struct define_text *d, size_t *n_connections,
		  size_t *n_syncs, size_t *n_tables);

/* The text with each relative path of a file made absolute: folder, which is
 * absolute, and the path. Nothing else of it changes. n gets how many there
 * were. The caller frees it. */
char *define_absolute(const struct define_text *d, struct bytes text,
		      const char *folder, size_t *n);

/* -- compile -----------------------------------------------------------------
 */
struct define_env {
	define_connector connector;
	const struct connector_secrets *secrets;
	const char *cluster; /* hex id */
	const char *base_dir;
	/* In force; NULL: nothing was ever declared. */
	const Synod__Definition__Definition *current;
	bool prune; /* what the text does not name goes; else it stays */
};

struct define_change {
	char mark;                                     /* + ~ - ! = */
	const char *what, *class_name, *text, *repair; /* repair may be NULL */
};

struct define_plan {
	struct arena arena;
	struct define_change *changes;
	size_t n_changes, changes_cap;
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

/* `synodctl explain syncs.conflicts`, `connections.sqlite`, and the manual.
 * False: unknown path. */
bool define_explain(const char *path, define_connector find, FILE *out);

/* -- connectors.c ---------------------------------------------------------- */
const struct connector *connectors_find(const char *type);
/* All of them; NULL ends the list. */
extern const struct connector *const connectors_all[];

/* -- secrets.c ------------------------------------------------------------- */
/* secret://NAME is the file NAME in the folder that systemd gave
 * ($CREDENTIALS_DIRECTORY), else in each of dirs in turn: `secrets` beside the
 * node file, `secrets` in the data directory. A file that others than its owner
 * and group may read is refused. A newline at its end is not part of it. */
enum { SECRETS_DIRS = 2, SECRETS_DIR_MAX = 1024 };
struct secrets {
	char dirs[SECRETS_DIRS][SECRETS_DIR_MAX]; /* "": none */
};
/* folder: instead of the one beside config_file; data: the data directory of
 * the node. Each may be NULL. */
void secrets_init(struct secrets *s, const char *folder,
		  const char *config_file, const char *data);
struct connector_secrets secrets_port(struct secrets *s);

#endif
