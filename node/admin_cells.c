#include "node/admin_cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cluster/core/command.h"

enum { CELL_TEXT_MAX = 256, KEY_TEXT_MAX = 1024, KEY_FIELDS_MAX = 64 };

static const char *name_of(struct arena *arena,
			   const struct catalog_table *table, size_t i)
{
	char buf[32];

	if (table && i < table->table->n_fields)
		return table->table->fields[i]->name;
	snprintf(buf, sizeof(buf), "field %zu", i + 1);
	return arena_strdup(arena, buf);
}

static bool is_key(const struct catalog_table *table, size_t i)
{
	return table && i < table->table->n_fields &&
	       table->table->fields[i]->is_key;
}

static const char *print(const struct value *v, char *buf)
{
	if (v->state == VALUE_ABSENT)
		return "-";
	if (v->state == VALUE_UNCHANGED)
		return "(unchanged)";
	if (v->state == VALUE_NULL)
		return "NULL";
	return value_print(v, buf, CELL_TEXT_MAX);
}

static Synod__Admin__Cell **fill(struct arena *arena,
				 const struct catalog_table *table,
				 const struct value *values, size_t n)
{
	Synod__Admin__Cell **list = arena_alloc(arena, (n + 1) * sizeof(*list));
	char buf[CELL_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		Synod__Admin__Cell *cell = arena_alloc(arena, sizeof(*cell));
		synod__admin__cell__init(cell);
		cell->name = command_text(name_of(arena, table, i));
		cell->value = arena_strdup(arena, print(&values[i], buf));
		cell->is_key = is_key(table, i);
		list[i] = cell;
	}
	return list;
}

size_t admin_cells(struct arena *arena, const struct catalog_table *table,
		   struct bytes change, Synod__Admin__Cell ***out)
{
	struct change c;

	*out = NULL;
	if (change_decode(change, &c))
		return 0;
	struct value *values = mem_zero(CHANGE_VALUES_MAX, sizeof(*values));
	size_t n = c.n_values;
	int rc;
	if (n)
		rc = n <= CHANGE_VALUES_MAX ? change_values(&c, values)
					    : ERR_LIMIT;
	else
		rc = change_key_values(c.key, values, KEY_FIELDS_MAX);
	if (!n && rc > 0)
		n = (size_t)rc; /* a DELETE: its key is all there is */
	if (rc < 0)
		n = 0;
	else
		*out = fill(arena, table, values, n);
	free(values);
	return n;
}

char *admin_key(struct arena *arena, const struct catalog_table *table,
		struct bytes key)
{
	struct value values[KEY_FIELDS_MAX];
	char buf[CELL_TEXT_MAX], text[KEY_TEXT_MAX] = "";
	size_t used = 0;
	int n = change_key_values(key, values, KEY_FIELDS_MAX);

	for (int i = 0; i < n; i++) {
		int len =
			snprintf(text + used, sizeof(text) - used, "%s%s=%s",
				 i ? " " : "", name_of(arena, table, (size_t)i),
				 print(&values[i], buf));
		if (len < 0 || (size_t)len >= sizeof(text) - used)
			break;
		used += (size_t)len;
	}
	return arena_strdup(arena, text);
}

void admin_cells_compare(Synod__Admin__Cell **a, size_t n_a,
			 Synod__Admin__Cell **b, size_t n_b)
{
	for (size_t i = 0; i < n_a && i < n_b; i++) {
		bool differs = strcmp(a[i]->value, b[i]->value) != 0;
		a[i]->differs = b[i]->differs = differs;
	}
}
