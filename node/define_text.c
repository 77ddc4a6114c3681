#include "node/define_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"

struct define_text *define_read(struct bytes text, const char *file,
				define_connector find,
				struct config_problems *problems)
{
	struct define_text *d = mem_zero(1, sizeof *d);
	size_t before = problems->n;

	config_problems_about(problems, file, text);
	struct yaml_tree tree;
	struct config_settings settings;
	config_settings_init(&settings);
	settings.is_brief = true;
	yaml_tree_read(&tree, text, problems);
	if (tree.root)
		config_schema_read(define_fields(), &tree, d, &settings,
				   problems);
	d->tree = tree;
	d->settings = settings;
	if (tree.root)
		define_check(d, find, problems);
	if (problems->n == before)
		return d;
	define_text_free(d);
	return NULL;
}

void define_text_free(struct define_text *d)
{
	if (!d)
		return;
	config_settings_clear(&d->settings);
	yaml_tree_clear(&d->tree);
	free(d);
}

void define_count(const struct define_text *d, size_t *n_connections,
		  size_t *n_syncs, size_t *n_tables)
{
	*n_connections = d->n_connections;
	*n_syncs = d->n_syncs;
	*n_tables = 0;
	for (size_t i = 0; i < d->n_syncs; i++)
		*n_tables += d->syncs[i].n_tables;
}

/* -- what it says ---------------------------------------------------------- */

static const struct yaml_node *find_key(const struct config_others *others,
					const char *name)
{
	for (size_t i = 0; i < others->n; i++)
		if (strcmp(others->keys[i]->text, name) == 0)
			return others->keys[i];
	return NULL;
}

/* The text behind a key. NULL: there is none. */
static const char *text_of(const struct yaml_node *key)
{
	const struct yaml_node *node = key ? key->value : NULL;
	return node && node->kind == TREE_TEXT && node->len > 0 ? node->text
								: NULL;
}

const char *define_option(const struct define_connection *c,
			  const struct connector_option *option)
{
	const char *text = text_of(find_key(&c->options, option->name));
	return text ? text : option->preset;
}

/* A name of its own there, or the one for all. */
static const char *choose(const struct config_others *sides,
			  const char *connection, const char *all,
			  const struct yaml_node **node)
{
	const struct yaml_node *key = find_key(sides, connection);
	const char *text = text_of(key);
	if (text && node)
		*node = key->value;
	return text ? text : all;
}

const char *define_side(const struct define_table *t, const char *connection,
			const struct yaml_node **node)
{
	if (node)
		*node = t->node;
	return choose(&t->sides, connection, t->table, node);
}

const char *define_column(const struct define_field *f, const char *connection,
			  const struct yaml_node **node)
{
	if (node)
		*node = f->node;
	return choose(&f->sides, connection, f->column, node);
}

struct config_place define_place(const struct yaml_node *node, size_t at)
{
	struct config_place place = node->place;
	/* Escapes and line breaks move what stands behind them. */
	bool is_straight = node->place.line == node->end.line &&
			   node->end.column - node->place.column ==
				   node->len + (node->is_plain ? 0 : 2);
	if (is_straight)
		place.column += (unsigned)at + (node->is_plain ? 0 : 1);
	return place;
}

/* -- paths ----------------------------------------------------------------- */

/* A text that is being copied up to where something is put in. */
struct rewrite {
	struct bytes from;
	size_t at;
	struct config_place place; /* of at */
	char *out;
	size_t len;
};

/* The code point at a place of valid UTF-8. */
static uint32_t decode(const char *text, size_t *n)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t len = *c < 0x80 ? 1 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : 4;
	uint32_t point = len == 1 ? *c : *c & (0xffu >> (len + 1));
	for (*n = 1; *n < len && (c[*n] & 0xc0) == 0x80; (*n)++)
		point = point << 6 | (c[*n] & 0x3f);
	return point;
}

/* What YAML takes for the end of a line: LF, CR LF, CR, NEL, LS, PS. */
static bool is_break(const struct rewrite *r, size_t *n)
{
	char text[5] = "";
	for (size_t i = 0; i < 4 && r->at + i < r->from.len; i++)
		text[i] = (char)r->from.data[r->at + i];
	uint32_t point = decode(text, n);
	if (text[0] == '\r' && text[1] == '\n')
		*n = 2;
	return point == '\n' || point == '\r' || point == 0x85 ||
	       point == 0x2028 || point == 0x2029;
}

/* One character, or one end of a line. */
static void copy_one(struct rewrite *r)
{
	size_t n = 1;
	bool is_end = is_break(r, &n);
	for (size_t i = 0; i < n && r->at < r->from.len; i++)
		r->out[r->len++] = (char)r->from.data[r->at++];
	if (is_end)
		r->place = (struct config_place){r->place.line + 1, 1};
	else
		r->place.column++;
}

static bool is_before(struct config_place a, struct config_place b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

static void copy_until(struct rewrite *r, struct config_place end)
{
	while (r->at < r->from.len && is_before(r->place, end))
		copy_one(r);
}

/* In double quotes: what YAML would read as something else is escaped. Takes
 * ten bytes for a character at the most. */
static void put_quoted(struct rewrite *r, const char *text)
{
	for (const char *c = text; *c;) {
		size_t n = 1;
		uint32_t point = decode(c, &n);
		bool is_shown = (point >= 0x20 && point < 0x7f) ||
				(point > 0xa0 && point < 0x2000) ||
				(point > 0x206f && point < 0xd800);
		if (is_shown) {
			if (*c == '"' || *c == '\\')
				r->out[r->len++] = '\\';
			memcpy(r->out + r->len, c, n);
			r->len += n;
		} else {
			r->len += (size_t)snprintf(r->out + r->len, 11,
						   "\\U%08x", point);
		}
		c += n;
	}
}

static void put_path(struct rewrite *r, const struct yaml_node *node,
		     const char *folder)
{
	size_t more = 10 * (strlen(folder) + node->len) + 16;
	copy_until(r, node->place);
	size_t len = r->len;
	r->out = mem_grow(r->out, len + more + (r->from.len - r->at) + 1);
	r->out[r->len++] = '"';
	put_quoted(r, folder);
	r->out[r->len++] = '/';
	put_quoted(r, strncmp(node->text, "./", 2) == 0 ? node->text + 2
							: node->text);
	r->out[r->len++] = '"';
	/* The old one goes. */
	size_t keep = r->len;
	copy_until(r, node->end);
	r->len = keep;
}

/* The relative path of a connection; a kind of system has one path at most. */
static const struct yaml_node *relative_path(const struct define_connection *c)
{
	const struct connector_option *o = c->connector->options;
	while (o && o->name && !o->is_path)
		o++;
	const struct yaml_node *key =
		o && o->name ? find_key(&c->options, o->name) : NULL;
	const char *text = text_of(key);
	return text && text[0] != '/' ? key->value : NULL;
}

static int by_place(const void *a, const void *b)
{
	const struct yaml_node *x = *(const struct yaml_node *const *)a;
	const struct yaml_node *y = *(const struct yaml_node *const *)b;
	return is_before(x->place, y->place) ? -1 : 1;
}

char *define_absolute(const struct define_text *d, struct bytes text,
		      const char *folder, size_t *n)
{
	const struct yaml_node *list[LIMIT_CONNECTIONS];
	size_t count = 0;
	for (size_t i = 0; i < d->n_connections; i++) {
		const struct yaml_node *node =
			relative_path(&d->connections[i]);
		if (node)
			list[count++] = node;
	}
	if (count > 1)
		qsort(list, count, sizeof list[0], by_place);
	struct rewrite r = {.from = text, .place = {1, 1}};
	r.out = mem_alloc(text.len + 1);
	for (size_t i = 0; i < count; i++)
		put_path(&r, list[i], folder);
	while (r.at < text.len)
		copy_one(&r);
	r.out[r.len] = '\0';
	*n = count;
	return r.out;
}
