#include "node/config_problem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "proto/limits.h"

enum {
	PROBLEM_TEXT_MAX = 1024,
	/* Columns of source shown around a caret; longer lines are cut. */
	SHOWN_COLUMNS = 64,
};

void config_problems_init(struct config_problems *p)
{
	*p = (struct config_problems){.path = "-"};
	arena_init(&p->arena, 4096);
}

void config_problems_clear(struct config_problems *p)
{
	free(p->items);
	arena_free(&p->arena);
	*p = (struct config_problems){0};
}

void config_problems_about(struct config_problems *p, const char *path,
			   struct bytes source)
{
	p->path = arena_strdup(&p->arena, path);
	p->source = (struct bytes){0};
	if (source.len > 0)
		p->source = (struct bytes){
			arena_copy(&p->arena, source.data, source.len),
			source.len};
}

bool config_problems_full(const struct config_problems *p)
{
	return p->n >= LIMIT_CONFIG_PROBLEMS;
}

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/* The text may quote the input, and it is shown on a terminal. */
__attribute__((format(printf, 2, 0))) static const char *
keep(struct config_problems *p, const char *fmt, va_list args)
{
	char text[PROBLEM_TEXT_MAX];
	vsnprintf(text, sizeof text, fmt, args);
	for (char *c = text; *c; c++)
		if (is_control((unsigned char)*c))
			*c = '?';
	return arena_strdup(&p->arena, text);
}

void config_problem_add(struct config_problems *p, struct config_place place,
			enum problem_code code, const char *fmt, ...)
{
	CHECK(code < PROBLEM__N);
	if (config_problems_full(p)) {
		p->n_hidden++;
		return;
	}
	if (!p->items)
		p->items = mem_zero(LIMIT_CONFIG_PROBLEMS, sizeof *p->items);
	va_list args;
	va_start(args, fmt);
	const char *text = keep(p, fmt, args);
	va_end(args);
	p->items[p->n++] = (struct config_problem){
		.place = place, .code = code, .text = text};
}

void config_problem_note(struct config_problems *p, const char *fmt, ...)
{
	CHECK(p->n > 0);
	if (p->n_hidden > 0)
		return; /* the problem it belongs to was not kept */
	va_list args;
	va_start(args, fmt);
	p->items[p->n - 1].note = keep(p, fmt, args);
	va_end(args);
}

static struct bytes source_line(struct bytes source, unsigned line)
{
	const uint8_t *at = source.data;
	const uint8_t *end = source.data + source.len;
	for (unsigned i = 1; at && i < line; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	if (!at || at >= end)
		return (struct bytes){0};
	const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
	size_t len = (size_t)((stop ? stop : end) - at);
	if (len > 0 && at[len - 1] == '\r')
		len--;
	return (struct bytes){at, len};
}

/* Bytes of the character at line[0]; broken UTF-8 counts byte by byte. */
static size_t character_bytes(struct bytes line)
{
	uint8_t c = line.data[0];
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	if (n > line.len || c < 0xc0)
		return 1;
	for (size_t i = 1; i < n; i++)
		if ((line.data[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

static void print_character(FILE *out, const uint8_t *at, size_t n)
{
	/* A lone byte above 0x7f and the C1 controls (c2 80 to c2 9f) would
	 * reach the terminal as commands. */
	bool is_bad = (n == 1 && (is_control(at[0]) || at[0] >= 0x80)) ||
		      (n == 2 && at[0] == 0xc2 && at[1] < 0xa0);
	if (is_bad)
		fputc(at[0] == '\t' ? '\t' : '?', out);
	else
		fwrite(at, 1, n, out);
}

/* The line, cut around the column, and the caret below it. Tabs stay tabs on
 * both lines, so that the caret stands right whatever their width. */
static void print_source(const struct config_problems *p,
			 struct config_place place, FILE *out)
{
	struct bytes line = source_line(p->source, place.line);
	if (!line.data)
		return;
	unsigned column = place.column > 0 ? place.column : 1;
	unsigned from = 1;
	if (column > SHOWN_COLUMNS)
		from = column - SHOWN_COLUMNS / 2;
	fprintf(out, "%5u | %s", place.line, from > 1 ? "..." : "");
	char pad[SHOWN_COLUMNS + 1];
	size_t n_pad = 0;
	unsigned at = 1;
	while (line.len > 0 && at < from + SHOWN_COLUMNS) {
		size_t n = character_bytes(line);
		if (at >= from) {
			print_character(out, line.data, n);
			if (at < column)
				pad[n_pad++] =
					line.data[0] == '\t' ? '\t' : ' ';
		}
		line.data += n;
		line.len -= n;
		at++;
	}
	pad[n_pad] = '\0';
	fprintf(out, "%s\n      | %s%s^\n", line.len > 0 ? "..." : "",
		from > 1 ? "   " : "", pad);
}

static void print_one(const struct config_problems *p,
		      const struct config_problem *problem, FILE *out)
{
	fprintf(out, "%s:", p->path);
	if (problem->place.line > 0)
		fprintf(out, "%u:%u:", problem->place.line,
			problem->place.column);
	fprintf(out, " error: %s [%s]\n", problem->text,
		config_problem_name(problem->code));
	if (problem->place.line > 0)
		print_source(p, problem->place, out);
	if (problem->note)
		fprintf(out, "      = %s\n", problem->note);
}

/* By place; the text decides between two at one place. */
static int compare(const void *a, const void *b)
{
	const struct config_problem *x = a;
	const struct config_problem *y = b;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	return strcmp(x->text, y->text);
}

void config_problems_print(struct config_problems *p, FILE *out)
{
	if (p->n == 0)
		return;
	qsort(p->items, p->n, sizeof *p->items, compare);
	for (size_t i = 0; i < p->n; i++)
		print_one(p, &p->items[i], out);
	size_t total = p->n + p->n_hidden;
	fprintf(out, "%s: %zu problem%s", p->path, total,
		total == 1 ? "" : "s");
	if (p->n_hidden > 0)
		fprintf(out, ", the first %zu are shown", p->n);
	fputc('\n', out);
}

static const struct {
	const char *name, *sentence;
} codes[] = {
#define PROBLEM_ENTRY(name, text, sentence) {text, sentence},
	PROBLEM_LIST(PROBLEM_ENTRY)
#undef PROBLEM_ENTRY
};

const char *config_problem_name(enum problem_code code)
{
	CHECK(code < PROBLEM__N);
	return codes[code].name;
}

const char *config_problem_sentence(enum problem_code code)
{
	CHECK(code < PROBLEM__N);
	return codes[code].sentence;
}
