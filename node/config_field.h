/* One setting of a definition: what it is called, what may be written, and
 * where its value goes. Reads a text into the struct of its table. One thread.
 */
#ifndef NODE_CONFIG_FIELD_H
#define NODE_CONFIG_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
	FIELD_NAMES,    /* a pointer to an array, described by fields */
	FIELD_LIST,     /* the same; a single item may stand without a list */
	/* Stands last in its table: keys that the table does not know are
	 * kept, in order, in a struct config_others, for who knows them. */
	FIELD_OTHERS,
	FIELD_LATER /* known and not built yet: refused by its name */
};

struct config_others {
	const struct yaml_node **keys;
	size_t n;
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
	/* BLOCK: its table. NAMES, LIST: the table of one item; the struct of a
	 * NAMES item begins with `const char *name`. A table whose first field
	 * is named "" takes a plain value, which is that field; if it has no
	 * other fields, nothing but a plain value. */
	const struct config_field *fields;
	size_t item_bytes; /* NAMES, LIST: of one item */
	size_t n_offset;   /* NAMES, LIST: of the size_t that counts them */
	/* In the struct of the table, 0: not kept: a const struct yaml_node *,
	 * the key that this was read from, NULL when it is not there. */
	size_t key_offset;
	/* NAMES, LIST: likewise in the struct of an item: its key, or the item
	 * of the list. */
	size_t item_key_offset;
};

/* A table that takes a plain value, and one that takes nothing else. */
bool config_field_takes_plain(const struct config_field *fields);
bool config_field_is_plain(const struct config_field *fields);

/* Put the value of text into target, the struct of the field's table; texts are
 * copied into arena. False, and target untouched: text is no such value. */
bool config_field_put(const struct config_field *field, const char *text,
		      struct arena *arena, void *target);
/* Is the value in target between min and max? */
bool config_field_is_in_range(const struct config_field *field,
			      const void *target);
/* Report a node that config_field_put refused, or that is out of range. */
void config_field_report(const struct config_field *field,
			 const struct yaml_node *node,
			 struct config_problems *problems);
void config_field_report_range(const struct config_field *field,
			       const struct yaml_node *node,
			       struct config_problems *problems);
/* A limit of the field as it would be written; buf has CONFIG_VALUE_TEXT_MAX.
 */
void config_field_put_limit(const struct config_field *field, int64_t value,
			    char *buf);
/* "a boolean", "a size". */
const char *config_field_what(enum field_kind kind);

#endif
