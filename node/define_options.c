/* Connections of a definition: kinds that there are, options that they have,
 * secrets that only ever are references. */
#include <stdio.h>
#include <string.h>

#include "node/config_nearest.h"
#include "node/define_text.h"

struct check {
	struct config_problems *problems;
	define_connector find;
};

static const char secret_prefix[] = "secret://";

/* Is there a single text behind the key? Reports when not. */
const struct yaml_node *define_value(struct config_problems *problems,
				     const struct yaml_node *key)
{
	const struct yaml_node *node = key->value;
	if (!node || node->kind == TREE_BROKEN)
		return NULL;
	if (node->kind != TREE_TEXT) {
		config_problem_add(problems, node->place, PROBLEM_BAD_TYPE,
				   "'%.64s' takes a single value", key->text);
		return NULL;
	}
	if (node->len == 0) {
		config_problem_add(problems, key->place, PROBLEM_BAD_VALUE,
				   "'%.64s' has no value", key->text);
		return NULL;
	}
	return node;
}

static const struct connector_option *find_option(const struct connector *k,
						  const char *name)
{
	for (const struct connector_option *o = k->options; o && o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

static void report_option(struct check *c, const struct connector *k,
			  const struct yaml_node *key)
{
	struct config_nearest near = config_nearest_init(key->text);
	for (const struct connector_option *o = k->options; o && o->name; o++)
		config_nearest_try(&near, o->name);
	config_problem_add(c->problems, key->place, PROBLEM_UNKNOWN_KEY,
			   "unknown key '%.64s' of a %s connection", key->text,
			   k->type);
	if (near.best)
		config_problem_note(c->problems, "did you mean '%s'?",
				    near.best);
	else
		config_problem_note(c->problems,
				    "known: synodctl explain connections.%s",
				    k->type);
}

static void check_word(struct check *c, const struct connector_option *o,
		       const struct yaml_node *node)
{
	char text[256] = "";
	size_t used = 0;
	struct config_nearest near = config_nearest_init(node->text);
	for (size_t i = 0; o->words[i]; i++) {
		if (strcmp(o->words[i], node->text) == 0)
			return;
		config_nearest_try(&near, o->words[i]);
		int n = snprintf(text + used, sizeof text - used, "%s%s",
				 i > 0 ? "|" : "", o->words[i]);
		if (n > 0 && (size_t)n < sizeof text - used)
			used += (size_t)n;
	}
	config_problem_add(c->problems, node->place, PROBLEM_BAD_VALUE,
			   "'%.64s' is not an allowed value", node->text);
	if (near.best)
		config_problem_note(c->problems,
				    "did you mean '%s'? allowed: %s", near.best,
				    text);
	else
		config_problem_note(c->problems, "allowed: %s", text);
}

/* A secret never stands in the text, and nothing else is taken from there. */
static void check_secret(struct check *c, const struct connector_option *o,
			 const struct yaml_node *node)
{
	bool is_reference = strncmp(node->text, secret_prefix,
				    sizeof secret_prefix - 1) == 0;
	if (o->is_secret && !is_reference) {
		config_problem_add(c->problems, node->place, PROBLEM_SECRET,
				   "'%s' must not stand here in plain",
				   o->name);
		config_problem_note(c->problems,
				    "write secret://NAME and put it into the "
				    "file NAME in the folder 'secrets' of "
				    "each node");
	} else if (!o->is_secret && is_reference) {
		config_problem_add(c->problems, node->place, PROBLEM_SECRET,
				   "'%s' is not a secret", o->name);
		config_problem_note(c->problems, "write the value itself");
	} else if (is_reference &&
		   !config_value_name(node->text + sizeof secret_prefix - 1)) {
		config_problem_add(c->problems, node->place, PROBLEM_BAD_VALUE,
				   "the secret has no name");
		config_problem_note(c->problems,
				    "write secret://NAME, of letters, digits, "
				    "'-', '_' and '.'");
	}
}

static void check_option(struct check *c, const struct connector *k,
			 const struct yaml_node *key)
{
	const struct connector_option *o = find_option(k, key->text);
	int64_t number = 0;
	if (!o) {
		report_option(c, k, key);
		return;
	}
	const struct yaml_node *node = define_value(c->problems, key);
	if (!node)
		return;
	check_secret(c, o, node);
	/* It may have to be written anew, in its place. */
	if (o->is_path && node->is_block)
		config_problem_add(c->problems, node->place, PROBLEM_BAD_VALUE,
				   "'%s' must stand behind its key", o->name);
	if (o->words)
		check_word(c, o, node);
	if (o->is_number && !config_value_integer(node->text, &number)) {
		config_problem_add(c->problems, node->place, PROBLEM_BAD_VALUE,
				   "'%.64s' is not a whole number", node->text);
		config_problem_note(c->problems, "%s", o->doc);
	}
}

static void report_type(struct check *c, const struct define_connection *k)
{
	static const char *const later[] = {"mariadb", "mysql", "http",
					    "redis",   "nats",  "kafka"};
	const struct yaml_node *node = k->type_key->value;
	struct config_nearest near = config_nearest_init(k->type);
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		if (strcmp(later[i], k->type) != 0)
			continue;
		config_problem_add(c->problems, node->place, PROBLEM_LATER,
				   "type '%s' is not built yet", k->type);
		config_problem_note(c->problems,
				    "there are sqlite and postgresql");
		return;
	}
	config_nearest_try(&near, "sqlite");
	config_nearest_try(&near, "postgresql");
	config_problem_add(c->problems, node->place, PROBLEM_BAD_VALUE,
			   "there is no connector '%.64s'", k->type);
	config_problem_note(c->problems, "%s%s%sallowed: sqlite|postgresql",
			    near.best ? "did you mean '" : "",
			    near.best ? near.best : "", near.best ? "'? " : "");
}

/* Names that are keys of a table's mapping: such a connection could not be
 * named there. */
static void check_name(struct check *c, const struct yaml_node *key)
{
	static const char *const taken[] = {"table", "fields", "key", "where",
					    "on_leave"};
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strcmp(taken[i], key->text) != 0)
			continue;
		config_problem_add(c->problems, key->place, PROBLEM_BAD_VALUE,
				   "a connection cannot be called '%s'",
				   key->text);
		config_problem_note(c->problems,
				    "it is a setting of tables; take another "
				    "name");
	}
}

static void check_connection(struct check *c, struct define_connection *k)
{
	check_name(c, k->key);
	if (!k->type || !k->type_key)
		return;
	k->connector = c->find(k->type);
	if (!k->connector) {
		report_type(c, k);
		return;
	}
	for (size_t i = 0; i < k->options.n; i++)
		check_option(c, k->connector, k->options.keys[i]);
	for (const struct connector_option *o = k->connector->options;
	     o && o->name; o++) {
		bool is_there = false;
		for (size_t i = 0; i < k->options.n; i++)
			if (strcmp(k->options.keys[i]->text, o->name) == 0)
				is_there = true;
		if (is_there || !o->is_required)
			continue;
		config_problem_add(
			c->problems, k->key->place, PROBLEM_MISSING_KEY,
			"'connections.%.64s.%s' is missing", k->name, o->name);
		config_problem_note(c->problems, "%s", o->doc);
	}
}

/* -- two names of one ------------------------------------------------------ */

static bool is_same_option(const struct define_connection *a,
			   const struct define_connection *b,
			   const struct connector_option *o)
{
	const char *x = define_option(a, o);
	const char *y = define_option(b, o);
	return x == y || (x && y && strcmp(x, y) == 0);
}

/* A sync between two names of one database would go round for ever. */
static void check_twins(struct check *c, const struct define_connection *a,
			const struct define_connection *b)
{
	if (!a->connector || a->connector != b->connector)
		return;
	for (const struct connector_option *o = a->connector->options;
	     o && o->name; o++)
		if (!is_same_option(a, b, o))
			return;
	config_problem_add(c->problems, b->key->place, PROBLEM_CONFLICT,
			   "'%.64s' and '%.64s' are the same database", a->name,
			   b->name);
	config_problem_note(c->problems, "one connection may be part of many "
					 "syncs");
}

void define_check_connections(struct define_text *d, define_connector find,
			      struct config_problems *problems)
{
	struct check c = {problems, find};

	for (size_t i = 0; i < d->n_connections; i++) {
		check_connection(&c, &d->connections[i]);
		for (size_t j = 0; j < i; j++)
			check_twins(&c, &d->connections[j], &d->connections[i]);
	}
}
