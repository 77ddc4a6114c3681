/* One table of settings drives everything: what a definition may hold, how it
 * is read into a struct, defaults, --print-config and the lines that explain a
 * setting. Tables nest: a block is a mapping with a table of its own, names are
 * a mapping of names the operator chose, each with a value or a block.
 *
 * Knows nothing of nodes, syncs or files. One thread. */
#ifndef NODE_CONFIG_SCHEMA_H
#define NODE_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "node/config_problem.h"
#include "node/config_value.h"
#include "node/yaml_tree.h"

enum field_kind {
	FIELD_TEXT,     /* const char * */
	FIELD_NAME,     /* const char *, see config_value_name */
	FIELD_FILE,     /* const char *; relative to the definition's folder */
	FIELD_ADDRESS,  /* struct config_address */
	FIELD_BOOL,     /* bool */
	FIELD_INTEGER,  /* int64_t */
	FIELD_SIZE,     /* int64_t, bytes */
	FIELD_DURATION, /* int64_t, milliseconds */
	FIELD_WORD,     /* int, position in words */
	FIELD_BLOCK,    /* a struct, described by fields */
	FIELD_NAMES     /* a pointer to an array, described by fields */
};

struct config_field {
	const char *name; /* NULL ends the table */
	enum field_kind kind;
	const char *doc;    /* one sentence */
	const char *preset; /* as in a definition; NULL: none, stays zero */
	bool is_required;   /* within its block, when that is there */
	size_t offset;      /* in the struct of its table */
	int64_t min, max;   /* numbers and ports; NAMES: how many. 0, 0: any */
	const char *const *words; /* FIELD_WORD; NULL ends them */
	/* BLOCK: its table. NAMES: the table of one item, whose struct begins
	 * with `const char *name`; a single field named "" says that an item
	 * is a plain value and not a block. */
	const struct config_field *fields;
	size_t item_bytes; /* NAMES: of one item */
	size_t n_offset;   /* NAMES: of the size_t that counts the items */
};

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
	struct config_setting *first, *last;
	struct arena arena; /* holds every text the target points to */
};

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

/* Read a tree into target, which is zeroed before. What does not fit is a
 * problem and leaves the preset in place. */
void config_schema_read(const struct config_field *fields,
			const struct yaml_tree *tree, void *target,
			struct config_settings *settings,
			struct config_problems *problems);

/* Look a path up, as "raft.election" or "members.*"; NULL when unknown. */
const struct config_field *config_schema_find(const struct config_field *fields,
					      const char *path);

/* -- config_print.c ----------------------------------------------------------
 */
/* A definition with every value that is in effect and where it came from; it
 * reads back as the same. file names the definition in the remarks. */
void config_settings_print(const struct config_settings *s, const char *file,
			   FILE *out);
/* One field for people: type, limits, default, doc. */
void config_schema_explain(const struct config_field *field, const char *path,
			   FILE *out);
/* "a boolean", "a size such as 8MiB". */
const char *config_field_what(enum field_kind kind);

#endif
