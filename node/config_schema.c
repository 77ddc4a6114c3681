#include "node/config_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "node/config_nearest.h"
#include "proto/limits.h"

enum { PATH_MAX_BYTES = 512 };

/* One pass over one tree. */
struct walk {
	struct config_settings *settings;
	struct config_problems *problems;
	struct arena *arena; /* of the settings */
	bool is_whole;       /* else a missing key may stand behind the end */
};

/* Where a table is being read: its struct and the path that leads there, which
 * is put together only when somebody wants to see it. */
struct spot {
	void *target;
	const struct spot *above; /* NULL at the root */
	const char *name;
};

/* "syncs.stock.mode"; buf has PATH_MAX_BYTES and is returned. */
static const char *path_of(const struct spot *at, char *buf)
{
	size_t used = 0;
	if (!at->above) {
		buf[0] = '\0';
		return buf;
	}
	path_of(at->above, buf);
	used = strlen(buf);
	snprintf(buf + used, PATH_MAX_BYTES - used, "%s%s", used > 0 ? "." : "",
		 at->name);
	return buf;
}

/* NULL: nobody wants the list. */
static struct config_setting *record(struct walk *w,
				     const struct config_field *field,
				     const struct spot *at,
				     const struct yaml_node *key)
{
	char path[PATH_MAX_BYTES];
	if (w->settings->is_brief)
		return NULL;
	struct config_setting *s = arena_alloc(w->arena, sizeof *s);
	*s = (struct config_setting){
		.path = arena_strdup(w->arena, path_of(at, path)),
		.field = field,
		.place = key ? key->place : (struct config_place){0}};
	if (w->settings->last)
		w->settings->last->next = s;
	else
		w->settings->first = s;
	w->settings->last = s;
	return s;
}

static void *at_offset(void *target, size_t offset)
{
	return (char *)target + offset;
}

static void keep_key(const struct yaml_node *key, size_t offset, void *target)
{
	if (offset > 0)
		memcpy(at_offset(target, offset), &key, sizeof key);
}

/* -- values ---------------------------------------------------------------- */

/* A value and where it stands: behind a key, or as an item of a list. */
struct found {
	const struct yaml_node *key, *node;
};

static struct found found_at(const struct yaml_node *key)
{
	return (struct found){key, key ? key->value : NULL};
}

static const char *shape(const struct yaml_node *node)
{
	return node->kind == TREE_LIST      ? "a list"
	       : node->kind == TREE_MAPPING ? "a mapping"
					    : "a single value";
}

/* Is there something that can be a single value? Reports when not. */
static bool is_value(struct walk *w, const struct config_field *field,
		     struct found f)
{
	if (!f.node || f.node->kind == TREE_BROKEN)
		return false;
	if (f.node->kind != TREE_TEXT) {
		config_problem_add(w->problems, f.node->place, PROBLEM_BAD_TYPE,
				   "'%.64s' takes %s, not %s", f.key->text,
				   config_field_what(field->kind),
				   shape(f.node));
		return false;
	}
	if (f.node->len == 0 && f.node->is_plain) {
		config_problem_add(w->problems, f.key->place, PROBLEM_BAD_VALUE,
				   "'%.64s' has no value", f.key->text);
		config_problem_note(w->problems, "it takes %s%s",
				    config_field_what(field->kind),
				    field->is_required
					    ? ""
					    : "; remove the line for the "
					      "default");
		return false;
	}
	return true;
}

static void put_preset(struct walk *w, const struct config_field *field,
		       void *target)
{
	if (field->preset)
		CHECK(config_field_put(field, field->preset, w->arena, target));
}

/* False: it was reported, and the preset is in place. */
static bool put_value(struct walk *w, const struct config_field *field,
		      const struct yaml_node *node, void *target)
{
	if (!config_field_put(field, node->text, w->arena, target)) {
		config_field_report(field, node, w->problems);
		return false;
	}
	if (config_field_is_in_range(field, target))
		return true;
	config_field_report_range(field, node, w->problems);
	/* Back, or it would not fit other settings either. */
	put_preset(w, field, target);
	return false;
}

static void read_value(struct walk *w, const struct config_field *field,
		       struct found f, const struct spot *at)
{
	struct config_setting *s = record(w, field, at, f.key);
	put_preset(w, field, at->target);
	if (s)
		s->value = field->preset;
	if (!is_value(w, field, f))
		return;
	if (s)
		s->place = f.node->place;
	if (put_value(w, field, f.node, at->target) && s)
		s->value = arena_strdup(w->arena, f.node->text);
}

/* -- blocks, names and lists ----------------------------------------------- */

static void read_table(struct walk *w, const struct config_field *fields,
		       const struct yaml_node *mapping, const struct spot *at);

/* Is there a mapping? Reports when there is something else. */
static bool is_mapping(struct walk *w, struct found f)
{
	if (!f.node || f.node->kind == TREE_BROKEN)
		return false;
	if (f.node->kind == TREE_MAPPING)
		return true;
	bool is_empty = f.node->kind == TREE_TEXT && f.node->len == 0;
	config_problem_add(w->problems, is_empty ? f.key->place : f.node->place,
			   PROBLEM_BAD_TYPE, "'%.64s' takes a mapping, not %s",
			   f.key->text, is_empty ? "nothing" : shape(f.node));
	return false;
}

/* A table, or the plain value that stands for it. */
static void read_block(struct walk *w, const struct config_field *fields,
		       struct found f, const struct spot *at)
{
	if (config_field_is_plain(fields)) {
		read_value(w, &fields[0], f, at);
		return;
	}
	bool is_text = f.node && f.node->kind == TREE_TEXT;
	if (is_text && config_field_takes_plain(fields)) {
		read_table(w, fields, NULL, at);
		if (is_value(w, &fields[0], f))
			put_value(w, &fields[0], f.node, at->target);
		return;
	}
	read_table(w, fields, is_mapping(w, f) ? f.node : NULL, at);
}

static size_t count_items(const struct yaml_node *parent)
{
	size_t n = 0;
	for (const struct yaml_node *i = parent ? parent->first : NULL; i;
	     i = i->next)
		if (parent->kind == TREE_LIST || i->kind == TREE_TEXT)
			n++;
	return n;
}

/* How many of them to read. Not more than is allowed: memory stays bounded. */
static size_t check_count(struct walk *w, const struct config_field *field,
			  const struct yaml_node *key, size_t n)
{
	if ((field->min == 0 && field->max == 0) ||
	    ((int64_t)n >= field->min && (int64_t)n <= field->max))
		return n;
	config_problem_add(w->problems, key->place, PROBLEM_RANGE,
			   "'%.64s' has %zu %s", key->text, n,
			   n == 1 ? "entry" : "entries");
	config_problem_note(w->problems, "allowed: %" PRId64 " to %" PRId64,
			    field->min, field->max);
	return (int64_t)n > field->max ? (size_t)field->max : n;
}

/* An array for n items in the target. NULL: n is 0. */
static char *make_items(struct walk *w, const struct config_field *field,
			size_t n, void *target)
{
	if (n == 0)
		return NULL;
	char *items = arena_alloc(w->arena, n * field->item_bytes);
	memset(items, 0, n * field->item_bytes);
	memcpy(at_offset(target, field->offset), &items, sizeof items);
	memcpy(at_offset(target, field->n_offset), &n, sizeof n);
	return items;
}

static void read_item(struct walk *w, const struct config_field *field,
		      const struct yaml_node *key, const struct spot *at)
{
	const char *name = arena_strdup(w->arena, key->text);
	memcpy(at->target, &name, sizeof name);
	keep_key(key, field->item_key_offset, at->target);
	if (!config_value_name(key->text)) {
		config_problem_add(w->problems, key->place, PROBLEM_BAD_VALUE,
				   "'%.64s' is not a name", key->text);
		config_problem_note(w->problems,
				    "letters, digits, '-', '_' and '.', at "
				    "most %d",
				    LIMIT_NAME_BYTES);
	}
	if (!config_field_is_plain(field->fields))
		record(w, field, at, key);
	read_block(w, field->fields, found_at(key), at);
}

static void read_names(struct walk *w, const struct config_field *field,
		       const struct yaml_node *key, const struct spot *at)
{
	struct found f = found_at(key);
	record(w, field, at, key);
	if (!is_mapping(w, f))
		return;
	size_t n = check_count(w, field, key, count_items(f.node));
	char *items = make_items(w, field, n, at->target);
	size_t i = 0;
	for (const struct yaml_node *item = f.node->first; item && i < n;
	     item = item->next) {
		if (item->kind != TREE_TEXT)
			continue;
		struct spot spot = {items + i++ * field->item_bytes, at,
				    item->text};
		read_item(w, field, item, &spot);
	}
}

/* A single item may stand for a list of one. */
static void read_list(struct walk *w, const struct config_field *field,
		      const struct yaml_node *key, const struct spot *at)
{
	const struct yaml_node *node = key ? key->value : NULL;
	record(w, field, at, key);
	if (!node || node->kind == TREE_BROKEN)
		return;
	bool is_list = node->kind == TREE_LIST;
	bool is_empty = node->kind == TREE_TEXT && node->is_plain && !node->len;
	size_t n = is_list ? count_items(node) : is_empty ? 0 : 1;
	if (is_empty) {
		config_problem_add(w->problems, key->place, PROBLEM_BAD_VALUE,
				   "'%.64s' has no value", key->text);
		config_problem_note(w->problems, "it takes a list");
		return;
	}
	n = check_count(w, field, key, n);
	char *items = make_items(w, field, n, at->target);
	const struct yaml_node *item = is_list ? node->first : node;
	for (size_t i = 0; i < n; i++, item = item->next) {
		struct spot spot = {items + i * field->item_bytes, at, "*"};
		keep_key(item, field->item_key_offset, spot.target);
		read_block(w, field->fields, (struct found){key, item}, &spot);
	}
}

static void refuse_later(struct walk *w, const struct config_field *field,
			 const struct yaml_node *key)
{
	if (!key)
		return;
	config_problem_add(w->problems, key->place, PROBLEM_LATER,
			   "'%s' is not built yet", field->name);
	config_problem_note(w->problems, "%s Remove it for now.", field->doc);
}

static void read_field(struct walk *w, const struct config_field *field,
		       const struct yaml_node *key, const struct spot *table)
{
	struct spot at = {table->target, table, field->name};
	keep_key(key, field->key_offset, table->target);
	switch (field->kind) {
	case FIELD_NAMES:
		read_names(w, field, key, &at);
		break;
	case FIELD_LIST:
		read_list(w, field, key, &at);
		break;
	case FIELD_LATER:
		refuse_later(w, field, key);
		break;
	case FIELD_BLOCK:
		record(w, field, &at, key);
		at.target = at_offset(at.target, field->offset);
		read_block(w, field->fields, found_at(key), &at);
		break;
	default:
		read_value(w, field, found_at(key), &at);
		break;
	}
}

static const struct config_field *find_field(const struct config_field *fields,
					     const char *name, size_t len)
{
	for (const struct config_field *f = fields; f->name; f++)
		if (len > 0 && f->kind != FIELD_OTHERS &&
		    strlen(f->name) == len && memcmp(f->name, name, len) == 0)
			return f;
	return NULL;
}

static void report_unknown(struct walk *w, const struct config_field *fields,
			   const struct yaml_node *key)
{
	if (config_problems_full(w->problems)) {
		config_problem_add(w->problems, key->place, PROBLEM_UNKNOWN_KEY,
				   "unknown key");
		return;
	}
	struct config_nearest near = config_nearest_init(key->text);
	for (const struct config_field *f = fields; f->name; f++)
		if (f->name[0])
			config_nearest_try(&near, f->name);
	config_problem_add(w->problems, key->place, PROBLEM_UNKNOWN_KEY,
			   "unknown key '%.64s'", key->text);
	if (near.best) {
		config_problem_note(w->problems, "did you mean '%s'?",
				    near.best);
		return;
	}
	char text[512] = "";
	size_t used = 0;
	for (const struct config_field *f = fields; f->name; f++) {
		if (!f->name[0] || f->kind == FIELD_LATER)
			continue;
		int n = snprintf(text + used, sizeof text - used, "%s%s",
				 used > 0 ? ", " : "", f->name);
		if (n < 0 || (size_t)n >= sizeof text - used)
			break;
		used += (size_t)n;
	}
	config_problem_note(w->problems, "known here: %s", text);
}

const struct yaml_node *config_schema_key(const struct yaml_node *mapping,
					  const char *name)
{
	for (const struct yaml_node *key = mapping ? mapping->first : NULL; key;
	     key = key->next)
		if (key->kind == TREE_TEXT && strcmp(key->text, name) == 0)
			return key;
	return NULL;
}

static void report_missing(struct walk *w, const struct config_field *field,
			   const struct yaml_node *mapping,
			   const struct spot *at)
{
	char path[PATH_MAX_BYTES];
	path_of(at, path);
	/* The root has no line worth showing: what is missing is nowhere. */
	struct config_place place =
		*path ? mapping->place : (struct config_place){0};
	config_problem_add(w->problems, place, PROBLEM_MISSING_KEY,
			   "'%s%s%s' is missing", path, *path ? "." : "",
			   field->name);
	config_problem_note(w->problems, "%s", field->doc);
}

/* Keep the keys that the table does not know, or report them. */
static void read_others(struct walk *w, const struct config_field *fields,
			const struct yaml_node *mapping, const struct spot *at)
{
	const struct config_field *others = fields;
	while (others->name && others->kind != FIELD_OTHERS)
		others++;
	struct config_others kept = {0};
	size_t n = others->name ? count_items(mapping) : 0;
	if (n > 0)
		kept.keys = arena_alloc(w->arena, n * sizeof(kept.keys[0]));
	for (const struct yaml_node *key = mapping->first; key;
	     key = key->next) {
		if (key->kind != TREE_TEXT ||
		    find_field(fields, key->text, key->len))
			continue;
		if (others->name)
			kept.keys[kept.n++] = key;
		else
			report_unknown(w, fields, key);
	}
	if (others->name)
		memcpy(at_offset(at->target, others->offset), &kept,
		       sizeof kept);
}

/* mapping NULL: the block is not there, or broken; presets apply. */
static void read_table(struct walk *w, const struct config_field *fields,
		       const struct yaml_node *mapping, const struct spot *at)
{
	if (mapping)
		read_others(w, fields, mapping, at);
	for (const struct config_field *f = fields; f->name; f++) {
		if (f->kind == FIELD_OTHERS)
			continue;
		const struct yaml_node *key =
			f->name[0] ? config_schema_key(mapping, f->name) : NULL;
		if (!key && mapping && f->is_required && w->is_whole)
			report_missing(w, f, mapping, at);
		read_field(w, f, key, at);
	}
}

void config_schema_read(const struct config_field *fields,
			const struct yaml_tree *tree, void *target,
			struct config_settings *settings,
			struct config_problems *problems)
{
	struct walk w = {.settings = settings,
			 .problems = problems,
			 .arena = &settings->arena,
			 .is_whole = tree->is_whole};
	const struct yaml_node *root = tree->root;
	if (root && root->kind != TREE_MAPPING) {
		if (root->kind != TREE_BROKEN)
			config_problem_add(problems, root->place,
					   PROBLEM_BAD_TYPE,
					   "the file must be a mapping of "
					   "settings, such as 'name: n1'");
		root = NULL;
	}
	read_table(&w, fields, root, &(struct spot){.target = target});
}

/* What stands behind a name or an item: a field of its table, or itself. */
static const struct config_field *find_below(const struct config_field *field,
					     const char *rest)
{
	if (!*rest)
		return config_field_is_plain(field->fields) ? &field->fields[0]
							    : field;
	return config_schema_find(field->fields, rest + 1);
}

const struct config_field *config_schema_find(const struct config_field *fields,
					      const char *path)
{
	size_t len = strcspn(path, ".");
	const struct config_field *field =
		fields && len > 0 ? find_field(fields, path, len) : NULL;
	if (!field || !path[len])
		return field;
	path += len + 1;
	if (field->kind == FIELD_BLOCK)
		return config_schema_find(field->fields, path);
	if (field->kind != FIELD_NAMES && field->kind != FIELD_LIST)
		return NULL;
	const struct config_field *below =
		config_schema_find(field->fields, path);
	/* Else the next part is a name that the operator chose. */
	return below ? below : find_below(field, path + strcspn(path, "."));
}
