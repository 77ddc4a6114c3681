/* Compile: a definition as written, the databases and the definition in force
 * become a definition with ids. The inside of define_plan, shared by its files.
 * One thread, which blocks in connectors. */
#ifndef NODE_DEFINE_COMPILE_H
#define NODE_DEFINE_COMPILE_H

#include "base/map.h"
#include "node/define_text.h"

/* A connection that the text needs. */
struct compile_connection {
	Synod__Definition__Connection *definition;
	const struct connector *connector;
	struct config_place place;
	bool is_used; /* by a sync of the text */
	bool is_down; /* nothing can be asked there */
	struct connector_table *tables;
	size_t n_tables, cap_tables;
};

struct compile {
	const struct define_text *text;
	const struct define_env *env;
	struct define_plan *plan;
	struct config_problems *problems;
	struct arena *arena; /* of the plan */
	Synod__Definition__Definition *out;
	/* In the order of out->connections. */
	struct compile_connection *connections;
	struct map *uses;  /* connection and table -> nothing */
	bool is_broken;    /* something could not be asked: no definition */
	size_t n_problems; /* before */
};

/* -- define_plan.c --------------------------------------------------------- */
/* Add a line to the plan. Texts are copied. */
__attribute__((format(printf, 4, 5))) struct define_change *
define_change_add(struct define_plan *p, char mark, const char *class_name,
		  const char *fmt, ...);
/* What the line is about; returns change. */
__attribute__((format(printf, 3, 4))) struct define_change *
define_change_what(struct define_plan *p, struct define_change *change,
		   const char *fmt, ...);
/* Compare out with what is in force. */
void define_compare(struct compile *c);
/* What must be looked at goes to the end, where it is seen. */
void define_order(struct define_plan *p);

/* -- define_compile.c ------------------------------------------------------ */
struct compile_connection *compile_connection(struct compile *c,
					      const char *name);

/* -- define_ask.c ---------------------------------------------------------- */
struct connector_target compile_target(const struct compile *c,
				       const struct compile_connection *k);
/* It cannot be asked: a failed check, and nothing more is asked there. */
void compile_down(struct compile *c, struct compile_connection *k,
		  const struct err *e);
/* Reach those that are used; then, with their tables known, what stands in the
 * way of them. */
void compile_test(struct compile *c);
void compile_check(struct compile *c);

/* -- define_table.c -------------------------------------------------------- */
/* One table of a sync, without an id. NULL: problems say why, or a connection
 * is down. */
Synod__Definition__Table *compile_table(struct compile *c,
					const struct define_sync *s,
					const struct define_table *t);

/* -- define_condition.c ---------------------------------------------------- */
/* The conditions of the text become those of the sides. False: problems say
 * why. */
bool compile_where(struct compile *c, const struct define_sync *s,
		   const struct define_table *text,
		   Synod__Definition__Table *t);

/* -- define_type.c --------------------------------------------------------- */
/* A column on one side. */
struct compile_column {
	const struct connector *connector;
	const char *connection, *table;
	const struct connector_column *column;
};
/* The type that every column can hold and give back, into out. Else why not,
 * in why. */
bool compile_type(const struct compile_column *columns, size_t n,
		  Synod__Definition__Field *out, char why[512]);

#endif
