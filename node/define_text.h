/* A definition as it was written: names and places, no ids, nothing looked up.
 * The inside of struct define_text, shared by the files of define. Everything
 * lives in its arena and tree; one thread at a time. */
#ifndef NODE_DEFINE_TEXT_H
#define NODE_DEFINE_TEXT_H

#include "node/config_schema.h"
#include "node/define.h"
#include "node/define_where.h"
#include "node/yaml_tree.h"

/* A name in a list, and a name below another one. */
struct define_name {
	const char *text;
	const struct yaml_node *node;
};
struct define_named {
	const char *name; /* first: the schema's contract */
	const char *text;
	const struct yaml_node *key;
};

struct define_connection {
	const char *name;
	const struct yaml_node *key, *type_key;
	const char *type;
	struct config_others options;
	const struct connector *connector; /* NULL: unknown, reported */
};

/* A field: one column name for all sides, or one each by connection. */
struct define_field {
	const char *column; /* NULL: see sides */
	struct config_others sides;
	const struct yaml_node *node;
};

struct define_condition {
	const char *connection;
	const struct yaml_node *node; /* the text */
	struct where *list;
	size_t n;
};

struct define_where {
	int on_leave; /* enum define_leave */
	struct config_others sides;
	const struct yaml_node *key;
	struct define_condition *conditions;
	size_t n_conditions;
};
enum define_leave { LEAVE_DELETE, LEAVE_KEEP };

struct define_table {
	const char *table; /* on all sides; NULL: see sides */
	struct config_others sides;
	const struct yaml_node *node;
	struct define_field *fields, *keys;
	size_t n_fields, n_keys;
	const struct yaml_node *fields_key, *keys_key;
	struct define_where where;
};

struct define_conflicts {
	struct {
		int rule; /* enum define_rule, unless prefer is set */
		const char *prefer;
		const struct yaml_node *prefer_key;
	} policy;
	int delete_vs_update; /* the numbers of DeleteRule */
};

enum define_rule { RULE_LAST_WRITE_WINS, RULE_QUEUE };

struct define_initial {
	int load; /* enum define_load */
	const char *authority;
	const struct yaml_node *authority_key;
	int64_t chunk;
};
enum define_load { LOAD_MERGE, LOAD_NONE };

struct define_sync {
	const char *name;
	const struct yaml_node *key;
	struct define_name *between, *to;
	size_t n_between, n_to;
	const char *from;
	const struct yaml_node *between_key, *from_key, *to_key, *mode_key;
	int mode;
	struct define_table *tables;
	size_t n_tables;
	const struct yaml_node *tables_key;
	struct define_conflicts conflicts;
	struct define_initial initial;
	/* Who takes part, as declared: between, or from and then to. */
	struct define_name *members;
	size_t n_members;
	bool is_two_way;
};

struct define_text {
	int64_t format;
	struct define_connection *connections;
	size_t n_connections;
	const struct yaml_node *connections_key;
	struct define_sync *syncs;
	size_t n_syncs;
	struct yaml_tree tree;
	struct config_settings settings; /* brief; its arena holds the rest */
};

/* -- define_schema.c ------------------------------------------------------- */
const struct config_field *define_fields(void);

/* -- define_check.c: what no single setting can show ----------------------- */
void define_check(struct define_text *d, define_connector find,
		  struct config_problems *problems);
/* -- define_options.c ------------------------------------------------------ */
void define_check_connections(struct define_text *d, define_connector find,
			      struct config_problems *problems);
/* The single text behind a key. NULL, and reported, when there is none. */
const struct yaml_node *define_value(struct config_problems *problems,
				     const struct yaml_node *key);

/* -- define_text.c --------------------------------------------------------- */
/* Where the byte at an offset of a text stands in the file; the start of the
 * text when that cannot be told. */
struct config_place define_place(const struct yaml_node *node, size_t at);
/* The value of an option: as written, else its preset; NULL: none. */
const char *define_option(const struct define_connection *c,
			  const struct connector_option *option);
/* What the table is called on that connection; NULL: it does not say. node,
 * if not NULL, gets where it stands. */
const char *define_side(const struct define_table *t, const char *connection,
			const struct yaml_node **node);
/* The same for the column of a field; NULL: it is not there. */
const char *define_column(const struct define_field *f, const char *connection,
			  const struct yaml_node **node);

#endif
