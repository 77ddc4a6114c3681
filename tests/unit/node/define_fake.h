/* Connectors over tables that the test writes down, one line a column, and
 * definitions compiled against them. */
#ifndef TESTS_UNIT_NODE_DEFINE_FAKE_H
#define TESTS_UNIT_NODE_DEFINE_FAKE_H

#include "node/define.h"

struct fake_column {
	const char *connection, *table; /* NULL ends the list */
	const char *name, *native;
	enum value_type type;
	bool is_key, is_nullable, is_generated;
};

struct fake_world {
	const struct fake_column *columns;
	const char *down;    /* a connection that does not answer */
	const char *refused; /* a native type that holds only itself */
	/* A finding of check: on this connection. */
	const char *finding, *finding_text, *finding_repair;
	bool is_finding_fatal;
};

/* What the connectors below see. */
extern struct fake_world fake_world;

/* Types: "sqlite", "postgresql". */
const struct connector *fake_connector(const char *type);

/* A definition that was read, planned and compared. */
struct fake_plan {
	struct config_problems problems;
	struct define_plan plan;
	int code;
	struct err e;
	char *shown; /* problems as they are printed */
};

/* current may be NULL. */
void fake_plan(struct fake_plan *p, const char *text,
	       const Synod__Definition__Definition *current, bool prune);
void fake_plan_clear(struct fake_plan *p);
/* "+ sync stock | new | a <-> b, 1 table\n..." of all changes; free it. */
char *fake_lines(const struct fake_plan *p);

#endif
