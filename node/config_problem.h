/* Problems of a definition: where, what, and what to do about it. All of them
 * are collected in one pass and shown like a compiler shows them:
 *
 *   node.yaml:4:10: error: 'maybe' is not a boolean [config.bad_value]
 *       4 | insecure: maybe
 *         |           ^
 *         = allowed: true|false
 *   node.yaml: 1 problem
 *
 * At most LIMIT_CONFIG_PROBLEMS are kept; the rest is counted. One thread. */
#ifndef NODE_CONFIG_PROBLEM_H
#define NODE_CONFIG_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/bytes.h"

/* name, printable code, one sentence that says what it means. */
#define PROBLEM_LIST(X)                                                        \
	X(PROBLEM_UNREADABLE, "config.unreadable",                             \
	  "The file cannot be read; nothing was checked.")                     \
	X(PROBLEM_EMPTY, "config.empty", "The file holds no settings at all.") \
	X(PROBLEM_SYNTAX, "config.syntax",                                     \
	  "The text is not YAML; nothing behind this place was read.")         \
	X(PROBLEM_DIALECT, "config.dialect",                                   \
	  "Anchors, aliases, tags and second documents are not allowed: a "    \
	  "definition says what it says, in one place.")                       \
	X(PROBLEM_LIMIT, "config.limit",                                       \
	  "The file, a text or the nesting is over a named limit.")            \
	X(PROBLEM_DUPLICATE_KEY, "config.duplicate_key",                       \
	  "A key stands twice in one mapping; which one counts is unclear.")   \
	X(PROBLEM_UNKNOWN_KEY, "config.unknown_key",                           \
	  "No setting has this name.")                                         \
	X(PROBLEM_MISSING_KEY, "config.missing_key",                           \
	  "A setting without a default is not set.")                           \
	X(PROBLEM_BAD_TYPE, "config.bad_type",                                 \
	  "A value stands where a mapping is due, or the other way round.")    \
	X(PROBLEM_BAD_VALUE, "config.bad_value",                               \
	  "The value cannot be read as what the setting needs.")               \
	X(PROBLEM_RANGE, "config.range",                                       \
	  "The value is below the least or above the largest allowed one.")    \
	X(PROBLEM_CONFLICT, "config.conflict",                                 \
	  "Two settings do not fit each other.")                               \
	X(PROBLEM_LATER, "config.not_built",                                   \
	  "The dialect has a place for this, and this version does not do "    \
	  "it.")                                                               \
	X(PROBLEM_REFERENCE, "config.reference",                               \
	  "What this names is not there.")                                     \
	X(PROBLEM_SECRET, "config.secret",                                     \
	  "A secret stands in the text; write secret://NAME instead.")         \
	X(PROBLEM_TYPES, "config.types",                                       \
	  "The columns of a field cannot hold the same values.")               \
	X(PROBLEM_KEY, "config.key",                                           \
	  "The tables have no primary key in common.")

enum problem_code {
#define PROBLEM_ENUM(name, text, sentence) name,
	PROBLEM_LIST(PROBLEM_ENUM)
#undef PROBLEM_ENUM
		PROBLEM__N
};

/* Lines and columns count from 1; line 0: the file as a whole. */
struct config_place {
	unsigned line, column;
};

struct config_problem {
	struct config_place place;
	enum problem_code code;
	const char *text;
	const char *note; /* NULL: none */
};

struct config_problems {
	const char *path; /* as the operator wrote it */
	struct bytes source;
	struct config_problem *items; /* in the order they were found */
	size_t n;                     /* kept in items */
	size_t n_hidden;              /* found beyond the limit */
	struct arena arena;
};

void config_problems_init(struct config_problems *p);
void config_problems_clear(struct config_problems *p);
/* What the problems are about. Copies both. */
void config_problems_about(struct config_problems *p, const char *path,
			   struct bytes source);
/* No more will be kept: do not work hard for another note. */
bool config_problems_full(const struct config_problems *p);
/* Control characters in the text become '?': it is shown on a terminal. */
__attribute__((format(printf, 4, 5))) void
config_problem_add(struct config_problems *p, struct config_place place,
		   enum problem_code code, const char *fmt, ...);
/* The note of the problem that was added last. */
__attribute__((format(printf, 2, 3))) void
config_problem_note(struct config_problems *p, const char *fmt, ...);
/* All of them in the order of the file, and the line with their number. */
void config_problems_print(struct config_problems *p, FILE *out);

/* "config.bad_value", and the sentence of the list. */
const char *config_problem_name(enum problem_code code);
const char *config_problem_sentence(enum problem_code code);

#endif
