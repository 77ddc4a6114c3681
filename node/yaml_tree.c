#include "node/yaml_tree.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/check.h"
#include "proto/limits.h"

/* A mapping or list that is being read. */
struct frame {
	struct yaml_node *node;
	struct yaml_node **tail;
	struct yaml_node *key; /* of a mapping: waits for its value */
	bool is_mapping;
};

struct reader {
	yaml_parser_t parser;
	struct yaml_tree *tree;
	struct config_problems *problems;
	struct frame frames[LIMIT_CONFIG_DEPTH];
	size_t depth;
	bool is_stopped; /* going on would be guessing */
};

static struct config_place place_of(yaml_mark_t mark)
{
	return (struct config_place){(unsigned)mark.line + 1,
				     (unsigned)mark.column + 1};
}

static struct yaml_node *node_new(struct reader *r, enum yaml_kind kind,
				  yaml_mark_t mark)
{
	struct yaml_node *node = arena_alloc(&r->tree->arena, sizeof *node);
	*node = (struct yaml_node){
		.kind = kind, .place = place_of(mark), .text = ""};
	return node;
}

static void append(struct frame *top, struct yaml_node *node)
{
	*top->tail = node;
	top->tail = &node->next;
	top->node->n++;
}

/* Put a node where it belongs: root, item, key or value of the top frame. */
static void attach(struct reader *r, struct yaml_node *node)
{
	if (r->depth == 0) {
		r->tree->root = node;
		return;
	}
	struct frame *top = &r->frames[r->depth - 1];
	if (!top->is_mapping) {
		append(top, node);
		return;
	}
	if (top->key) {
		top->key->value = node;
		top->key = NULL;
		return;
	}
	if (node->kind == TREE_MAPPING || node->kind == TREE_LIST) {
		config_problem_add(r->problems, node->place, PROBLEM_BAD_TYPE,
				   "a key must be a name");
		node->kind = TREE_BROKEN;
	}
	append(top, node);
	top->key = node;
}

static void refuse(struct reader *r, yaml_mark_t mark, const char *what,
		   const char *note)
{
	config_problem_add(r->problems, place_of(mark), PROBLEM_DIALECT,
			   "%s not allowed here", what);
	config_problem_note(r->problems, "%s", note);
}

/* What is said of a node beside its value. */
static void check_marks(struct reader *r, const yaml_event_t *event,
			const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		refuse(r, event->start_mark, "an anchor (&) is",
		       "write the value out wherever it is needed, and quote "
		       "a text that begins with &");
	if (tag)
		refuse(r, event->start_mark, "a tag (!) is",
		       "the setting knows its type: write the value alone, and "
		       "quote a text that begins with !");
}

static void on_scalar(struct reader *r, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	check_marks(r, event, event->data.scalar.anchor,
		    event->data.scalar.tag);
	struct yaml_node *node = node_new(r, TREE_TEXT, event->start_mark);
	node->text = arena_copy(&r->tree->arena, text, len + 1);
	node->len = len;
	node->end = place_of(event->end_mark);
	node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->is_block =
		event->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
		event->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
	if (memchr(text, '\0', len)) {
		config_problem_add(r->problems, node->place, PROBLEM_BAD_VALUE,
				   "a NUL byte is not allowed in a text");
		node->kind = TREE_BROKEN;
	}
	attach(r, node);
}

static void on_alias(struct reader *r, const yaml_event_t *event)
{
	refuse(r, event->start_mark, "an alias (*) is",
	       "write the value out, and quote a text that begins with *");
	attach(r, node_new(r, TREE_BROKEN, event->start_mark));
}

static void on_begin(struct reader *r, const yaml_event_t *event)
{
	bool is_mapping = event->type == YAML_MAPPING_START_EVENT;
	if (is_mapping)
		check_marks(r, event, event->data.mapping_start.anchor,
			    event->data.mapping_start.tag);
	else
		check_marks(r, event, event->data.sequence_start.anchor,
			    event->data.sequence_start.tag);
	if (r->depth == LIMIT_CONFIG_DEPTH) {
		config_problem_add(
			r->problems, place_of(event->start_mark), PROBLEM_LIMIT,
			"nested more than %d levels deep", LIMIT_CONFIG_DEPTH);
		r->is_stopped = true;
		return;
	}
	struct yaml_node *node = node_new(
		r, is_mapping ? TREE_MAPPING : TREE_LIST, event->start_mark);
	attach(r, node);
	r->frames[r->depth++] = (struct frame){
		.node = node, .tail = &node->first, .is_mapping = is_mapping};
}

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_node *x = *(struct yaml_node *const *)a;
	const struct yaml_node *y = *(struct yaml_node *const *)b;
	int order = strcmp(x->text, y->text);
	if (order != 0)
		return order;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	return x->place.column < y->place.column ? -1 : 1;
}

/* Sorted, because comparing each with each would let a large file stand
 * still. */
static void check_duplicates(struct reader *r, const struct yaml_node *mapping)
{
	if (mapping->n < 2)
		return;
	struct yaml_node **keys = mem_zero(mapping->n, sizeof *keys);
	size_t n = 0;
	for (struct yaml_node *key = mapping->first; key; key = key->next)
		if (key->kind == TREE_TEXT)
			keys[n++] = key;
	qsort(keys, n, sizeof *keys, compare_keys);
	const struct yaml_node *first = NULL;
	for (size_t i = 0; i < n; i++) {
		if (!first || strcmp(first->text, keys[i]->text) != 0) {
			first = keys[i];
			continue;
		}
		config_problem_add(r->problems, keys[i]->place,
				   PROBLEM_DUPLICATE_KEY, "key is set twice");
		config_problem_note(r->problems, "first set on line %u",
				    first->place.line);
		keys[i]->kind = TREE_BROKEN;
	}
	free(keys);
}

static void on_end(struct reader *r)
{
	CHECK(r->depth > 0);
	const struct frame *top = &r->frames[--r->depth];
	if (top->is_mapping)
		check_duplicates(r, top->node);
}

static void on_document(struct reader *r, const yaml_event_t *event)
{
	if (r->tree->root) {
		refuse(r, event->start_mark, "a second document is",
		       "one file holds one definition; remove the '---'");
		r->is_stopped = true;
		return;
	}
	const yaml_event_t *e = event;
	if (e->data.document_start.tag_directives.start !=
	    e->data.document_start.tag_directives.end)
		refuse(r, event->start_mark, "a %TAG directive is",
		       "remove it");
}

static void on_event(struct reader *r, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		on_document(r, event);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(r, event);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(r, event);
		break;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		on_begin(r, event);
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		on_end(r);
		break;
	case YAML_STREAM_END_EVENT:
		r->tree->is_whole = true;
		r->is_stopped = true;
		break;
	default:
		break;
	}
}

/* The reader of libyaml knows only the byte that it could not decode. */
static struct config_place place_of_byte(struct bytes text, size_t offset)
{
	struct config_place place = {1, 1};
	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.data[i] == '\n')
			place = (struct config_place){place.line + 1, 1};
		else if ((text.data[i] & 0xc0) != 0x80)
			place.column++;
	}
	return place;
}

static void on_syntax_error(struct reader *r, struct bytes text)
{
	const yaml_parser_t *p = &r->parser;
	CHECK(p->error != YAML_MEMORY_ERROR);
	const char *what = p->problem ? p->problem : "not readable";
	if (p->error == YAML_READER_ERROR) {
		config_problem_add(r->problems,
				   place_of_byte(text, p->problem_offset),
				   PROBLEM_SYNTAX, "%s", what);
		config_problem_note(r->problems,
				    "the file must be plain UTF-8 text");
		return;
	}
	config_problem_add(r->problems, place_of(p->problem_mark),
			   PROBLEM_SYNTAX, "%s", what);
	size_t at = p->problem_mark.index;
	if (at < text.len && text.data[at] == '\t')
		config_problem_note(r->problems,
				    "indent with spaces; YAML knows no tabs");
	else if (p->context)
		config_problem_note(r->problems, "%s that begins on line %zu",
				    p->context, p->context_mark.line + 1);
}

static void read_events(struct reader *r, struct bytes text)
{
	while (!r->is_stopped) {
		yaml_event_t event;
		if (!yaml_parser_parse(&r->parser, &event)) {
			on_syntax_error(r, text);
			return;
		}
		on_event(r, &event);
		yaml_event_delete(&event);
	}
}

void yaml_tree_read(struct yaml_tree *t, struct bytes text,
		    struct config_problems *problems)
{
	*t = (struct yaml_tree){0};
	arena_init(&t->arena, 16384);
	if (text.len > LIMIT_CONFIG_BYTES) {
		config_problem_add(problems, (struct config_place){0},
				   PROBLEM_LIMIT,
				   "%zu bytes are too many: at most %zu",
				   text.len, LIMIT_CONFIG_BYTES);
		return;
	}
	struct reader r = {.tree = t, .problems = problems};
	CHECK(yaml_parser_initialize(&r.parser));
	/* Never guessed: a mark in UTF-16 would point into nowhere. */
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, text.data, text.len);
	read_events(&r, text);
	yaml_parser_delete(&r.parser);
	if (t->is_whole && !t->root)
		config_problem_add(problems, (struct config_place){0},
				   PROBLEM_EMPTY, "there is nothing in it");
}

void yaml_tree_clear(struct yaml_tree *t)
{
	arena_free(&t->arena);
	*t = (struct yaml_tree){0};
}
