/* Settings as people read them: --print-config and explain. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/config_schema.h"

enum { REMARK_COLUMN = 40 };

/* Names may hold dots, so what stands below a setting is known by its path and
 * not by counting. */
static bool is_below(const char *path, const char *above)
{
	size_t len = strlen(above);
	return strncmp(path, above, len) == 0 && path[len] == '.';
}

static bool is_header(const struct config_setting *s)
{
	return s->field->kind == FIELD_BLOCK || s->field->kind == FIELD_NAMES;
}

/* A block shows when something in it is set. */
static bool is_shown(const struct config_setting *s)
{
	if (s->value || !is_header(s))
		return s->value != NULL;
	for (const struct config_setting *i = s->next;
	     i && is_below(i->path, s->path); i = i->next)
		if (i->value)
			return true;
	return false;
}

/* Texts that YAML would read as something else are quoted. */
static bool is_safe_plain(const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789/_.-+@:";
	size_t len = strlen(text);
	return len > 0 && strspn(text, safe) == len && text[0] != '@' &&
	       text[0] != '-' && text[0] != ':' && text[len - 1] != ':';
}

static int put_quoted(const char *text, FILE *out)
{
	int n = 2;
	fputc('"', out);
	for (const char *c = text; *c; c++) {
		unsigned char byte = (unsigned char)*c;
		if (byte == '"' || byte == '\\')
			n += fprintf(out, "\\%c", byte);
		else if (byte < 0x20 || byte == 0x7f)
			n += fprintf(out, "\\x%02x", byte);
		else
			n += fprintf(out, "%c", byte);
	}
	fputc('"', out);
	return n;
}

static int put_line(const struct config_setting *s, size_t depth,
		    const char *name, FILE *out)
{
	int n = fprintf(out, "%*s%s:", (int)depth * 2, "", name);
	if (!s->value)
		return n;
	fputc(' ', out);
	if (is_safe_plain(s->value))
		return n + 1 + fprintf(out, "%s", s->value);
	return n + 1 + put_quoted(s->value, out);
}

static void put_remark(const struct config_setting *s, const char *file,
		       int column, FILE *out)
{
	int gap = column < REMARK_COLUMN ? REMARK_COLUMN - column : 1;
	fprintf(out, "%*s# ", gap, "");
	if (s->origin)
		fprintf(out, "%s\n", s->origin);
	else if (s->place.line > 0)
		fprintf(out, "%s:%u\n", file, s->place.line);
	else
		fprintf(out, "default\n");
}

void config_settings_print(const struct config_settings *s, const char *file,
			   FILE *out)
{
	/* The headers that are open, as paths. */
	const char *open[16] = {0};
	size_t depth = 0;
	for (const struct config_setting *i = s->first; i; i = i->next) {
		if (!is_shown(i))
			continue;
		while (depth > 0 && !is_below(i->path, open[depth - 1]))
			depth--;
		const char *name =
			depth > 0 ? i->path + strlen(open[depth - 1]) + 1
				  : i->path;
		int column = put_line(i, depth, name, out);
		if (!is_header(i)) {
			put_remark(i, file, column, out);
			continue;
		}
		fputc('\n', out);
		if (depth < sizeof(open) / sizeof(open[0]))
			open[depth++] = i->path;
	}
}

static void explain_limits(const struct config_field *field, FILE *out)
{
	char min[CONFIG_VALUE_TEXT_MAX];
	char max[CONFIG_VALUE_TEXT_MAX];
	if (field->kind == FIELD_WORD) {
		fprintf(out, "allowed  ");
		for (size_t i = 0; field->words[i]; i++)
			fprintf(out, "%s%s", i > 0 ? "|" : "", field->words[i]);
		fputc('\n', out);
	}
	if (field->min == 0 && field->max == 0)
		return;
	config_field_put_limit(field, field->min, min);
	config_field_put_limit(field, field->max, max);
	fprintf(out, "allowed  %s to %s%s\n", min, max,
		field->kind == FIELD_NAMES     ? " entries"
		: field->kind == FIELD_ADDRESS ? " as port"
					       : "");
}

void config_schema_explain(const struct config_field *field, const char *path,
			   FILE *out)
{
	fprintf(out, "%s: %s\n", path, field->doc);
	fprintf(out, "takes    %s\n", config_field_what(field->kind));
	explain_limits(field, out);
	if (field->is_required)
		fprintf(out, "default  none: it must be set\n");
	else if (field->preset)
		fprintf(out, "default  %s\n", field->preset);
	for (const struct config_field *f = field->fields; f && f->name; f++)
		if (f->name[0])
			fprintf(out, "  %-10s %s\n", f->name, f->doc);
}
