/* The SQL of the triggers of one table; triggers.h says what they do. Pure. */
#ifndef CONNECTORS_SQLITE_TRIGGERS_TEXT_H
#define CONNECTORS_SQLITE_TRIGGERS_TEXT_H

#include "connectors/sqlite/triggers.h"

enum triggers_event {
	TRIGGERS_BEFORE_INSERT,
	TRIGGERS_AFTER_INSERT,
	TRIGGERS_BEFORE_UPDATE,
	TRIGGERS_AFTER_UPDATE,
	TRIGGERS_AFTER_DELETE,
	TRIGGERS_EVENT__N
};

struct triggers_text {
	/* Behind CREATE TRIGGER name; empty: there is none. */
	struct sql event[TRIGGERS_EVENT__N];
	bool has_suspects;
	uint32_t hash; /* of all events */
};

void sqlite_triggers_text(struct triggers_text *x, const struct triggers *g,
			  const struct connector_table *ct,
			  const struct table *table);
void sqlite_triggers_text_free(struct triggers_text *x);
/* "bi", "ai", ... */
const char *sqlite_triggers_event_name(enum triggers_event event);
/* When it happened, as an expression. */
extern const char sqlite_triggers_at[];

#endif
