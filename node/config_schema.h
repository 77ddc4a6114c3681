/* One table of settings drives everything: what a definition may hold, how it
 * is read into a struct, defaults, --print-config and the lines that explain a
 * setting. Tables nest: a block is a mapping with a table of its own, names are
 * a mapping of names the operator chose, each with a value or a block, and a
 * list has items that are values or blocks.
 *
 * Knows nothing of nodes, syncs or files. One thread. */
#ifndef NODE_CONFIG_SCHEMA_H
#define NODE_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "node/config_field.h"
#include "node/config_problem.h"
#include "node/yaml_tree.h"

/* One setting as it took effect, in the order of the table. */
struct config_setting {
	const char *path; /* "raft.election" */
	const struct config_field *field;
	const char *value; /* as in a definition; NULL: not set, or a block */
	struct config_place place; /* line 0: not from the file */
	const char *origin;        /* NULL: the file or the preset */
	struct config_setting *next;
};

struct config_settings {
	/* Only values are wanted: the list stays empty. It would be many times
	 * as large as a text of thousands of tables. */
	bool is_brief;
	struct config_setting *first, *last;
	struct arena arena; /* holds every text the target points to */
};

/* -- config_settings.c ----------------------------------------------------- */
void config_settings_init(struct config_settings *s);
void config_settings_clear(struct config_settings *s);
/* NULL when there is no such path. */
struct config_setting *config_settings_find(const struct config_settings *s,
					    const char *path);
/* Say what a value became that the file did not state; origin is a literal. */
void config_settings_derive(struct config_settings *s, const char *path,
			    const char *value, const char *origin);
/* Where to point for a problem with a setting: its place, or the file. */
struct config_place config_settings_place(const struct config_settings *s,
					  const char *path);

/* -- config_schema.c ------------------------------------------------------- */
/* Read a tree into target, which is zeroed before. What does not fit is a
 * problem and leaves the preset in place. What target keeps of keys points into
 * the tree. */
void config_schema_read(const struct config_field *fields,
			const struct yaml_tree *tree, void *target,
			struct config_settings *settings,
			struct config_problems *problems);

/* Look a path up, as "raft.election", "members.*" or "syncs.stock.mode"; the
 * name may be left out, as in "syncs.mode". NULL when unknown. */
const struct config_field *config_schema_find(const struct config_field *fields,
					      const char *path);

/* A key of a mapping; NULL when it is not there. */
const struct yaml_node *config_schema_key(const struct yaml_node *mapping,
					  const char *name);

/* -- config_print.c -------------------------------------------------------- */
/* A definition with every value that is in effect and where it came from; it
 * reads back as the same. file names the definition in the remarks. */
void config_settings_print(const struct config_settings *s, const char *file,
			   FILE *out);
/* One field for people: type, limits, default, doc. */
void config_schema_explain(const struct config_field *field, const char *path,
			   FILE *out);
#endif
