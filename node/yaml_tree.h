/* The dialect of all definitions: a subset of YAML, read by libyaml's parser
 * into a tree that remembers where everything stood. Mapping keys are names;
 * anchors, aliases, tags, second documents, NUL bytes and keys that stand twice
 * are problems; values are text, the schema says what they mean.
 *
 * After a syntax error the tree holds what was read before it. The input comes
 * from operators and, later, over the wire: no input may crash it, take more
 * than a small multiple of its size in memory, or more than linear time. */
#ifndef NODE_YAML_TREE_H
#define NODE_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "node/config_problem.h"

enum yaml_kind {
	TREE_TEXT,
	TREE_MAPPING,
	TREE_LIST,
	TREE_BROKEN /* a problem was reported: say nothing more about it */
};

struct yaml_node {
	enum yaml_kind kind;
	struct config_place place;
	struct config_place end; /* TREE_TEXT: behind its last character */
	const char *text;        /* TREE_TEXT and keys: NUL-terminated */
	size_t len;
	bool is_plain;           /* written without quotes */
	bool is_block;           /* written below a | or > */
	struct yaml_node *first; /* TREE_MAPPING: keys; TREE_LIST: items */
	struct yaml_node *next;  /* among its brothers */
	struct yaml_node *value; /* of a key; NULL after a syntax error */
	size_t n;                /* brothers below */
};

struct yaml_tree {
	struct yaml_node *root; /* NULL: empty, or nothing could be read */
	bool is_whole;          /* read to the end without a syntax error */
	struct arena arena;
};

/* Read text (UTF-8). What is wrong goes into problems; the tree is valid in any
 * case and must be cleared. */
void yaml_tree_read(struct yaml_tree *t, struct bytes text,
		    struct config_problems *problems);
void yaml_tree_clear(struct yaml_tree *t);

#endif
