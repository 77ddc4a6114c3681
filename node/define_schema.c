/* The schema of definitions: the one table behind validation, defaults,
 * `synodctl explain` and the manual. */
#include <string.h>

#include "node/define_text.h"
#include "proto/limits.h"

static const char *const leaves[] = {"delete", "keep", NULL};
static const char *const rules[] = {"last-write-wins", "queue", NULL};
static const char *const deletes[] = {"as-default", "update-wins",
				      "delete-wins", "queue", NULL};
static const char *const loads[] = {"merge", "none", NULL};
static const char *const modes[] = {"live", "shadow", NULL};

static const struct config_field connection_fields[] = {
	{.name = "type",
	 .kind = FIELD_NAME,
	 .doc = "Kind of system: sqlite or postgresql; the other settings are "
		"those of the kind.",
	 .is_required = true,
	 .offset = offsetof(struct define_connection, type),
	 .key_offset = offsetof(struct define_connection, type_key)},
	{.name = "OPTION",
	 .kind = FIELD_OTHERS,
	 .doc = "A setting of that kind, as by `synodctl explain "
		"connections.sqlite`. A secret is only ever written as "
		"secret://NAME.",
	 .offset = offsetof(struct define_connection, options)},
	{0},
};

static const struct config_field name_fields[] = {
	{.name = "",
	 .kind = FIELD_NAME,
	 .doc = "A connection.",
	 .offset = offsetof(struct define_name, text)},
	{0},
};

static const struct config_field field_fields[] = {
	{.name = "",
	 .kind = FIELD_TEXT,
	 .doc = "The column, of the same name on all sides.",
	 .offset = offsetof(struct define_field, column)},
	{.name = "CONNECTION",
	 .kind = FIELD_OTHERS,
	 .doc = "What the column is called there; a column of one side only "
		"is not synced.",
	 .offset = offsetof(struct define_field, sides)},
	{0},
};

static const struct config_field where_fields[] = {
	{.name = "on_leave",
	 .kind = FIELD_WORD,
	 .doc = "What happens elsewhere to a row that no longer takes part.",
	 .preset = "delete",
	 .offset = offsetof(struct define_where, on_leave),
	 .words = leaves},
	{.name = "CONNECTION",
	 .kind = FIELD_OTHERS,
	 .doc = "Which of its rows take part: comparisons of a column with a "
		"value, joined by 'and', such as country = 'DE' and total >= "
		"100.",
	 .offset = offsetof(struct define_where, sides)},
	{0},
};

static const struct config_field table_fields[] = {
	{.name = "",
	 .kind = FIELD_TEXT,
	 .doc = "The table, of the same name on all sides.",
	 .offset = offsetof(struct define_table, table)},
	{.name = "table",
	 .kind = FIELD_TEXT,
	 .doc = "Its name where no other one is given.",
	 .offset = offsetof(struct define_table, table)},
	{.name = "fields",
	 .kind = FIELD_LIST,
	 .doc = "What is synced: a column, or { crm: email, shop: mail }; "
		"default: all columns that have the same name on all sides.",
	 .offset = offsetof(struct define_table, fields),
	 .key_offset = offsetof(struct define_table, fields_key),
	 .min = 1,
	 .max = LIMIT_FIELDS,
	 .fields = field_fields,
	 .item_bytes = sizeof(struct define_field),
	 .n_offset = offsetof(struct define_table, n_fields),
	 .item_key_offset = offsetof(struct define_field, node)},
	{.name = "key",
	 .kind = FIELD_LIST,
	 .doc = "What tells rows apart, written as a field; default: the "
		"primary key, and it must be the primary key.",
	 .offset = offsetof(struct define_table, keys),
	 .key_offset = offsetof(struct define_table, keys_key),
	 .min = 1,
	 .max = LIMIT_FIELDS,
	 .fields = field_fields,
	 .item_bytes = sizeof(struct define_field),
	 .n_offset = offsetof(struct define_table, n_keys),
	 .item_key_offset = offsetof(struct define_field, node)},
	{.name = "where",
	 .kind = FIELD_BLOCK,
	 .doc = "Which rows take part, for each connection; default: all.",
	 .offset = offsetof(struct define_table, where),
	 .key_offset = offsetof(struct define_table, where.key),
	 .fields = where_fields},
	{.name = "CONNECTION",
	 .kind = FIELD_OTHERS,
	 .doc = "What the table is called there, such as public.customer.",
	 .offset = offsetof(struct define_table, sides)},
	{0},
};

static const struct config_field rule_fields[] = {
	{.name = "",
	 .kind = FIELD_WORD,
	 .doc = "The rule.",
	 .preset = "last-write-wins",
	 .offset = offsetof(struct define_conflicts, policy.rule),
	 .words = rules},
	{.name = "prefer",
	 .kind = FIELD_NAME,
	 .doc = "The connection whose version wins.",
	 .is_required = true,
	 .offset = offsetof(struct define_conflicts, policy.prefer),
	 .key_offset = offsetof(struct define_conflicts, policy.prefer_key)},
	{0},
};

static const struct config_field conflict_fields[] = {
	{.name = "default",
	 .kind = FIELD_BLOCK,
	 .doc = "Which of two versions wins that were made without knowing of "
		"each other: last-write-wins, queue (a person decides) or { "
		"prefer: CONNECTION }; default: last-write-wins.",
	 .fields = rule_fields},
	{.name = "delete_vs_update",
	 .kind = FIELD_WORD,
	 .doc = "The same when one of the two deleted the row.",
	 .preset = "as-default",
	 .offset = offsetof(struct define_conflicts, delete_vs_update),
	 .words = deletes},
	{.name = "fields",
	 .kind = FIELD_LATER,
	 .doc = "Rules for single fields are planned."},
	{.name = "otherwise",
	 .kind = FIELD_LATER,
	 .doc = "Rules for single fields are planned."},
	{0},
};

static const struct config_field initial_fields[] = {
	{.name = "load",
	 .kind = FIELD_WORD,
	 .doc = "Rows that are there before: bring them over (merge), or begin "
		"with what changes from now on (none).",
	 .preset = "merge",
	 .offset = offsetof(struct define_initial, load),
	 .words = loads},
	{.name = "authority",
	 .kind = FIELD_NAME,
	 .doc = "The connection whose rows win where both have the row; "
		"default: nobody's, a difference is a conflict.",
	 .offset = offsetof(struct define_initial, authority),
	 .key_offset = offsetof(struct define_initial, authority_key)},
	{.name = "chunk",
	 .kind = FIELD_INTEGER,
	 .doc = "Rows that are read at once.",
	 .preset = "5000",
	 .offset = offsetof(struct define_initial, chunk),
	 .min = 1,
	 .max = 100000},
	{0},
};

#define LATER(key, sentence)                                          \
	{                                                             \
		.name = (key), .kind = FIELD_LATER, .doc = (sentence) \
	}

static const struct config_field sync_fields[] = {
	{.name = "between",
	 .kind = FIELD_LIST,
	 .doc = "Two-way: the connections that are kept equal; the first "
		"counts where nothing else decides.",
	 .offset = offsetof(struct define_sync, between),
	 .key_offset = offsetof(struct define_sync, between_key),
	 .min = 2,
	 .max = LIMIT_CONNECTIONS,
	 .fields = name_fields,
	 .item_bytes = sizeof(struct define_name),
	 .n_offset = offsetof(struct define_sync, n_between),
	 .item_key_offset = offsetof(struct define_name, node)},
	{.name = "from",
	 .kind = FIELD_NAME,
	 .doc = "One-way: the connection that is read.",
	 .offset = offsetof(struct define_sync, from),
	 .key_offset = offsetof(struct define_sync, from_key)},
	{.name = "to",
	 .kind = FIELD_LIST,
	 .doc = "One-way: the connections that are written.",
	 .offset = offsetof(struct define_sync, to),
	 .key_offset = offsetof(struct define_sync, to_key),
	 .min = 1,
	 .max = LIMIT_CONNECTIONS - 1,
	 .fields = name_fields,
	 .item_bytes = sizeof(struct define_name),
	 .n_offset = offsetof(struct define_sync, n_to),
	 .item_key_offset = offsetof(struct define_name, node)},
	{.name = "mode",
	 .kind = FIELD_WORD,
	 .doc = "live, or shadow (not built yet): compare and write nothing.",
	 .preset = "live",
	 .offset = offsetof(struct define_sync, mode),
	 .key_offset = offsetof(struct define_sync, mode_key),
	 .words = modes},
	{.name = "tables",
	 .kind = FIELD_LIST,
	 .doc = "What is synced: names, or { crm: public.customer, shop: "
		"customers } where they differ.",
	 .is_required = true,
	 .offset = offsetof(struct define_sync, tables),
	 .key_offset = offsetof(struct define_sync, tables_key),
	 .min = 1,
	 .max = LIMIT_TABLES,
	 .fields = table_fields,
	 .item_bytes = sizeof(struct define_table),
	 .n_offset = offsetof(struct define_sync, n_tables),
	 .item_key_offset = offsetof(struct define_table, node)},
	{.name = "conflicts",
	 .kind = FIELD_BLOCK,
	 .doc = "Who wins when two sides changed a row without knowing of each "
		"other.",
	 .offset = offsetof(struct define_sync, conflicts),
	 .fields = conflict_fields},
	{.name = "initial",
	 .kind = FIELD_BLOCK,
	 .doc = "What becomes of the rows that are there before.",
	 .offset = offsetof(struct define_sync, initial),
	 .fields = initial_fields},
	LATER("on", "Choosing kinds of changes is planned."),
	LATER("where", "A condition stands in the mapping of its table."),
	LATER("payload", "Payloads for HTTP targets are planned."),
	LATER("quality", "Checks of values are planned."),
	LATER("delivery", "Tuning of deliveries is planned."),
	LATER("retry", "Tuning of retries is planned."),
	LATER("breaker", "A breaker for slow targets is planned."),
	LATER("reconcile", "Regular comparison of the sides is planned."),
	LATER("flags", "Rolling out single fields is planned."),
	LATER("alerts", "Thresholds for alerts are planned."),
	{0},
};

static const struct config_field fields[] = {
	{.name = "synod",
	 .kind = FIELD_INTEGER,
	 .doc = "Format of this file: 1.",
	 .is_required = true,
	 .offset = offsetof(struct define_text, format),
	 .min = 1,
	 .max = 1},
	{.name = "connections",
	 .kind = FIELD_NAMES,
	 .doc = "The systems, by name.",
	 .offset = offsetof(struct define_text, connections),
	 .key_offset = offsetof(struct define_text, connections_key),
	 .min = 1,
	 .max = LIMIT_CONNECTIONS,
	 .fields = connection_fields,
	 .item_bytes = sizeof(struct define_connection),
	 .n_offset = offsetof(struct define_text, n_connections),
	 .item_key_offset = offsetof(struct define_connection, key)},
	{.name = "syncs",
	 .kind = FIELD_NAMES,
	 .doc = "What is kept in step, by name.",
	 .offset = offsetof(struct define_text, syncs),
	 .min = 1,
	 .max = LIMIT_SYNCS,
	 .fields = sync_fields,
	 .item_bytes = sizeof(struct define_sync),
	 .n_offset = offsetof(struct define_text, n_syncs),
	 .item_key_offset = offsetof(struct define_sync, key)},
	LATER("scripts", "Scripts are planned."),
	{0},
};

const struct config_field *define_fields(void)
{
	return fields;
}

/* -- explain --------------------------------------------------------------- */

static void explain_option(const struct connector_option *o, FILE *out)
{
	fprintf(out, "  %-16s %s", o->name, o->doc);
	for (size_t i = 0; o->words && o->words[i]; i++)
		fprintf(out, "%s%s", i > 0 ? "|" : " Allowed: ", o->words[i]);
	if (o->is_required)
		fputs(" Must be set.", out);
	if (o->preset)
		fprintf(out, " Default: %s.", o->preset);
	if (o->is_secret)
		fputs(" Only as secret://NAME.", out);
	fputc('\n', out);
}

/* "connections.sqlite": the options of a kind. */
static bool explain_kind(const char *path, define_connector find, FILE *out)
{
	static const char prefix[] = "connections.";
	size_t len = sizeof prefix - 1;
	const struct connector *c =
		strncmp(path, prefix, len) == 0 ? find(path + len) : NULL;
	if (!c)
		return false;
	fprintf(out, "%s: settings of a connection of type %s\n", path,
		c->type);
	for (const struct connector_option *o = c->options; o && o->name; o++)
		explain_option(o, out);
	return true;
}

bool define_explain(const char *path, define_connector find, FILE *out)
{
	if (explain_kind(path, find, out))
		return true;
	const struct config_field *field = config_schema_find(fields, path);
	if (!field)
		return false;
	if (field->kind == FIELD_LATER)
		fprintf(out, "%s: not built yet. %s\n", path, field->doc);
	else
		config_schema_explain(field, path, out);
	return true;
}
