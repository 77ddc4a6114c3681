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

/* Where a table is being read: its struct and the path that leads there. */
struct spot {
	void *target;
	const char *path; /* "" at the root */
};

void config_settings_init(struct config_settings *s)
{
	*s = (struct config_settings){0};
	arena_init(&s->arena, 4096);
}

void config_settings_clear(struct config_settings *s)
{
	arena_free(&s->arena);
	*s = (struct config_settings){0};
}

struct config_setting *config_settings_find(const struct config_settings *s,
					    const char *path)
{
	for (struct config_setting *i = s->first; i; i = i->next)
		if (strcmp(i->path, path) == 0)
			return i;
	return NULL;
}

void config_settings_derive(struct config_settings *s, const char *path,
			    const char *value, const char *origin)
{
	struct config_setting *setting = config_settings_find(s, path);
	CHECK(setting);
	setting->value = arena_strdup(&s->arena, value);
	setting->origin = origin;
}

struct config_place config_settings_place(const struct config_settings *s,
					  const char *path)
{
	const struct config_setting *setting = config_settings_find(s, path);
	return setting ? setting->place : (struct config_place){0};
}

static const char *join(struct walk *w, const char *path, const char *name)
{
	if (!*path)
		return arena_strdup(w->arena, name);
	char text[PATH_MAX_BYTES];
	snprintf(text, sizeof text, "%s.%s", path, name);
	return arena_strdup(w->arena, text);
}

static struct config_setting *record(struct walk *w,
				     const struct config_field *field,
				     const char *path,
				     struct config_place place)
{
	struct config_setting *s = arena_alloc(w->arena, sizeof *s);
	*s = (struct config_setting){
		.path = path, .field = field, .place = place};
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

/* Is there something that can be a single value? Reports when not. */
static bool is_value(struct walk *w, const struct config_field *field,
		     const struct yaml_node *key)
{
	const struct yaml_node *node = key->value;
	if (!node || node->kind == TREE_BROKEN)
		return false;
	if (node->kind != TREE_TEXT) {
		config_problem_add(w->problems, node->place, PROBLEM_BAD_TYPE,
				   "'%.64s' takes %s, not a %s", key->text,
				   config_field_what(field->kind),
				   node->kind == TREE_LIST ? "list"
							   : "mapping");
		return false;
	}
	if (node->len == 0 && node->is_plain) {
		config_problem_add(w->problems, key->place, PROBLEM_BAD_VALUE,
				   "'%.64s' has no value", key->text);
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

static void read_value(struct walk *w, const struct config_field *field,
		       const struct yaml_node *key, struct spot at)
{
	struct config_place place = key ? key->place : (struct config_place){0};
	struct config_setting *s = record(w, field, at.path, place);
	if (field->preset) {
		CHECK(config_field_put(field, field->preset, w->arena,
				       at.target));
		s->value = field->preset;
	}
	if (!key || !is_value(w, field, key))
		return;
	const struct yaml_node *node = key->value;
	s->place = node->place;
	if (!config_field_put(field, node->text, w->arena, at.target)) {
		config_field_report(field, node, w->problems);
		return;
	}
	if (config_field_is_in_range(field, at.target)) {
		s->value = arena_strdup(w->arena, node->text);
		return;
	}
	config_field_report_range(field, node, w->problems);
	/* Back, or it would not fit other settings either. */
	if (field->preset)
		CHECK(config_field_put(field, field->preset, w->arena,
				       at.target));
}

/* -- blocks and names ------------------------------------------------------ */

static void read_table(struct walk *w, const struct config_field *fields,
		       const struct yaml_node *mapping, struct spot at);

/* The mapping below a key; NULL, and reported, when there is none. */
static const struct yaml_node *mapping_of(struct walk *w,
					  const struct yaml_node *key)
{
	const struct yaml_node *node = key ? key->value : NULL;
	if (!node || node->kind == TREE_BROKEN)
		return NULL;
	if (node->kind == TREE_MAPPING)
		return node;
	bool is_empty = node->kind == TREE_TEXT && node->len == 0;
	config_problem_add(w->problems, is_empty ? key->place : node->place,
			   PROBLEM_BAD_TYPE, "'%.64s' takes a mapping, not %s",
			   key->text,
			   is_empty                  ? "nothing"
			   : node->kind == TREE_LIST ? "a list"
						     : "a single value");
	return NULL;
}

static size_t count_items(const struct yaml_node *mapping)
{
	size_t n = 0;
	for (const struct yaml_node *key = mapping ? mapping->first : NULL; key;
	     key = key->next)
		if (key->kind == TREE_TEXT)
			n++;
	return n;
}

static void read_item(struct walk *w, const struct config_field *field,
		      const struct yaml_node *key, struct spot at)
{
	const char *name = arena_strdup(w->arena, key->text);
	memcpy(at.target, &name, sizeof name);
	if (!config_value_name(key->text)) {
		config_problem_add(w->problems, key->place, PROBLEM_BAD_VALUE,
				   "'%.64s' is not a name", key->text);
		config_problem_note(w->problems,
				    "letters, digits, '-', '_' and '.', at "
				    "most %d",
				    LIMIT_NAME_BYTES);
	}
	if (field->fields[0].name[0] == '\0') {
		read_value(w, &field->fields[0], key, at);
		return;
	}
	record(w, field, at.path, key->place);
	read_table(w, field->fields, mapping_of(w, key), at);
}

static void read_names(struct walk *w, const struct config_field *field,
		       const struct yaml_node *key, struct spot at)
{
	struct config_place place = key ? key->place : (struct config_place){0};
	record(w, field, at.path, place);
	const struct yaml_node *mapping = mapping_of(w, key);
	size_t n = count_items(mapping);
	if (mapping && ((int64_t)n < field->min || (int64_t)n > field->max)) {
		config_problem_add(w->problems, place, PROBLEM_RANGE,
				   "'%s' has %zu entries", key->text, n);
		config_problem_note(w->problems,
				    "allowed: %" PRId64 " to %" PRId64,
				    field->min, field->max);
		/* Not more than is allowed: memory stays bounded. */
		if ((int64_t)n > field->max)
			n = (size_t)field->max;
	}
	if (n == 0)
		return;
	char *items = arena_alloc(w->arena, n * field->item_bytes);
	memset(items, 0, n * field->item_bytes);
	size_t i = 0;
	for (const struct yaml_node *item = mapping->first; item && i < n;
	     item = item->next) {
		if (item->kind != TREE_TEXT)
			continue;
		struct spot spot = {items + i++ * field->item_bytes,
				    join(w, at.path, item->text)};
		read_item(w, field, item, spot);
	}
	memcpy(at_offset(at.target, field->offset), &items, sizeof items);
	memcpy(at_offset(at.target, field->n_offset), &n, sizeof n);
}

static void read_field(struct walk *w, const struct config_field *field,
		       const struct yaml_node *key, struct spot at)
{
	at.path = join(w, at.path, field->name);
	if (field->kind == FIELD_NAMES) {
		read_names(w, field, key, at);
		return;
	}
	if (field->kind != FIELD_BLOCK) {
		read_value(w, field, key, at);
		return;
	}
	struct config_place place = key ? key->place : (struct config_place){0};
	record(w, field, at.path, place);
	at.target = at_offset(at.target, field->offset);
	read_table(w, field->fields, mapping_of(w, key), at);
}

static const struct config_field *find_field(const struct config_field *fields,
					     const char *name, size_t len)
{
	for (const struct config_field *f = fields; f->name; f++)
		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0)
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
		int n = snprintf(text + used, sizeof text - used, "%s%s",
				 used > 0 ? ", " : "", f->name);
		if (n < 0 || (size_t)n >= sizeof text - used)
			break;
		used += (size_t)n;
	}
	config_problem_note(w->problems, "known here: %s", text);
}

static const struct yaml_node *find_key(const struct yaml_node *mapping,
					const char *name)
{
	for (const struct yaml_node *key = mapping ? mapping->first : NULL; key;
	     key = key->next)
		if (key->kind == TREE_TEXT && strcmp(key->text, name) == 0)
			return key;
	return NULL;
}

static void report_missing(struct walk *w, const struct config_field *field,
			   const struct yaml_node *mapping, const char *path)
{
	/* The root has no line worth showing: what is missing is nowhere. */
	struct config_place place =
		*path ? mapping->place : (struct config_place){0};
	config_problem_add(w->problems, place, PROBLEM_MISSING_KEY,
			   "'%s%s%s' is missing", path, *path ? "." : "",
			   field->name);
	config_problem_note(w->problems, "%s", field->doc);
}

/* mapping NULL: the block is not there, or broken; presets apply. */
static void read_table(struct walk *w, const struct config_field *fields,
		       const struct yaml_node *mapping, struct spot at)
{
	for (const struct yaml_node *key = mapping ? mapping->first : NULL; key;
	     key = key->next)
		if (key->kind == TREE_TEXT &&
		    !find_field(fields, key->text, key->len))
			report_unknown(w, fields, key);
	for (const struct config_field *f = fields; f->name; f++) {
		const struct yaml_node *key = find_key(mapping, f->name);
		if (!key && mapping && f->is_required && w->is_whole)
			report_missing(w, f, mapping, at.path);
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
	read_table(&w, fields, root, (struct spot){target, ""});
}

const struct config_field *config_schema_find(const struct config_field *fields,
					      const char *path)
{
	const struct config_field *field = NULL;
	while (fields) {
		size_t len = strcspn(path, ".");
		field = find_field(fields, path, len);
		path += len;
		if (!field || !*path)
			return field;
		path++;
		fields = field->fields;
		if (field->kind != FIELD_NAMES)
			continue;
		/* The next part is a name that the operator chose. */
		path += strcspn(path, ".");
		if (!*path)
			return fields[0].name[0] ? field : &fields[0];
		path++;
	}
	return NULL;
}
