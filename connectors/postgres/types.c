#include "connectors/postgres/types.h"

#include <stdlib.h>
#include <string.h>

/* The oids of built-in types never change (catalog/pg_type.dat). */
static const struct {
	uint32_t oid;
	enum value_type type;
} builtin[] = {
	{16, VALUE_BOOL},       {20, VALUE_INT64},      {21, VALUE_INT64},
	{23, VALUE_INT64},      {1700, VALUE_DECIMAL},  {700, VALUE_F32},
	{701, VALUE_F64},       {25, VALUE_TEXT},       {1043, VALUE_TEXT},
	{1042, VALUE_TEXT},     {17, VALUE_BYTES},      {1082, VALUE_DATE},
	{1083, VALUE_TIME},     {1114, VALUE_DATETIME}, {1184, VALUE_TIMESTAMP},
	{1186, VALUE_INTERVAL}, {2950, VALUE_UUID},     {114, VALUE_JSON},
	{3802, VALUE_JSON},     {1560, VALUE_BIT},      {1562, VALUE_BIT},
};

enum value_type pg_types_of(uint32_t oid, char kind)
{
	if (kind == 'e')
		return VALUE_ENUM;
	for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
		if (builtin[i].oid == oid)
			return builtin[i].type;
	return VALUE_NATIVE;
}

/* "numeric(10,2)" -> base "numeric", 10, 2; -1: not given. What stands behind
 * the brackets ("timestamp(3) with time zone") belongs to the base. */
struct native {
	char base[64];
	long first, second;
};

static struct native parse(const char *text)
{
	struct native n = {.first = -1, .second = -1};
	size_t len = 0;

	for (; text && *text; text++) {
		if (*text == '(') {
			char *end;
			n.first = strtol(text + 1, &end, 10);
			if (*end == ',')
				n.second = strtol(end + 1, &end, 10);
			if (*end != ')' || end == text + 1)
				break;
			text = end;
			continue;
		}
		if (len < sizeof n.base - 1)
			n.base[len++] = *text;
	}
	n.base[len] = 0;
	return n;
}

static bool is_base(const struct native *n, const char *base)
{
	return strcmp(n->base, base) == 0;
}

static int int_size(const struct native *n)
{
	if (is_base(n, "smallint"))
		return 2;
	if (is_base(n, "integer"))
		return 4;
	return 8; /* bigint, and what another system calls an integer */
}

static const char *refuse_decimal(const struct native *to,
				  const struct native *from)
{
	if (to->first < 0)
		return NULL;
	if (from->first < 0 ||
	    (!is_base(from, "numeric") && !is_base(from, "decimal")))
		return "numeric(p,s) rounds or refuses what a decimal without "
		       "limits may hold";
	long to_scale = to->second < 0 ? 0 : to->second;
	long from_scale = from->second < 0 ? 0 : from->second;
	if (to_scale != from_scale)
		return "another scale: digits would be lost or zeros added";
	return to->first < from->first ? "fewer digits" : NULL;
}

static const char *refuse_text(const struct native *to,
			       const struct native *from)
{
	bool is_padded = is_base(to, "character");
	bool was_padded = is_base(from, "character");
	bool was_bounded = was_padded || is_base(from, "character varying");

	if (is_padded)
		return was_padded && to->first == from->first
			       ? NULL
			       : "character(n) pads with blanks";
	if (to->first < 0)
		return NULL;
	return was_bounded && from->first >= 0 && from->first <= to->first
		       ? NULL
		       : "texts may be longer than this column";
}

/* Digits of a second; six where nothing is said. */
static const char *refuse_time(const struct native *to,
			       const struct native *from)
{
	long to_digits = to->first < 0 ? 6 : to->first;
	long from_digits = from->first < 0 ? 6 : from->first;

	return to_digits < from_digits ? "fewer digits of a second" : NULL;
}

static const char *refuse_interval(const struct connector_column *column,
				   const char *native)
{
	if (strcmp(column->native, "interval") == 0 ||
	    strcmp(column->native, native) == 0)
		return NULL;
	return "an interval of this column has fewer fields";
}

static const char *refuse_bit(const struct native *to,
			      const struct native *from)
{
	bool is_varying = is_base(to, "bit varying");
	bool was_varying = is_base(from, "bit varying");

	if (!is_varying && (was_varying || to->first != from->first))
		return "bit(n) holds exactly n bits";
	if (to->first >= 0 && (from->first < 0 || from->first > to->first))
		return "more bits than this column holds";
	return NULL;
}

/* jsonb keeps the meaning, not the text: key order, duplicates, blanks. */
static const char *refuse_json(const struct native *to,
			       const struct native *from)
{
	return is_base(to, "jsonb") && !is_base(from, "jsonb")
		       ? "jsonb rewrites the text of a JSON value; use json"
		       : NULL;
}

const char *pg_types_refuses(const struct connector_column *column,
			     enum value_type type, const char *native)
{
	struct native to = parse(column->native);
	struct native from = parse(native);

	if (column->is_generated)
		return "the column is generated and cannot be written";
	if (column->type != type)
		return "another type";
	switch (type) {
	case VALUE_INT64:
		return int_size(&to) < int_size(&from)
			       ? "a smaller range of integers"
			       : NULL;
	case VALUE_DECIMAL:
		return refuse_decimal(&to, &from);
	case VALUE_TEXT:
		return refuse_text(&to, &from);
	case VALUE_TIME:
	case VALUE_DATETIME:
	case VALUE_TIMESTAMP:
		return refuse_time(&to, &from);
	case VALUE_INTERVAL:
		return refuse_interval(column, native ? native : "");
	case VALUE_BIT:
		return refuse_bit(&to, &from);
	case VALUE_JSON:
		return refuse_json(&to, &from);
	case VALUE_ENUM:
	case VALUE_NATIVE:
		return native && strcmp(column->native, native) == 0
			       ? NULL
			       : "another type of the system's own";
	default:
		return NULL;
	}
}
