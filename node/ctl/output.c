#include "node/ctl/output.h"

#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

enum { NAME_WIDTH_MIN = 4, COLUMNS_MAX = 64 };

void output_init(struct output *o, FILE *file)
{
	*o = (struct output){.file = file, .format = OUTPUT_TABLE};
	o->rows = json_array();
	o->summary = json_object();
	CHECK(o->rows && o->summary);
}

void output_clear(struct output *o)
{
	if (o->aside)
		output_aside_end(o);
	scols_unref_table(o->table);
	json_decref(o->rows);
	json_decref(o->summary);
	*o = (struct output){0};
}

bool output_is_table(const struct output *o)
{
	return o->format == OUTPUT_TABLE || o->format == OUTPUT_WIDE;
}

/* Is the column part of this format? */
static bool is_shown(const struct output *o, const struct column *column)
{
	if (o->format == OUTPUT_JSON || o->format == OUTPUT_JSONL)
		return true;
	if (column->flags & COLUMN_IS_HIDDEN)
		return false;
	return o->format == OUTPUT_WIDE || !(column->flags & COLUMN_IS_WIDE);
}

static bool is_text(const struct column *column)
{
	return column->kind == COLUMN_TEXT || column->kind == COLUMN_LIST;
}

/* -- table ----------------------------------------------------------------- */

static void table_begin(struct output *o)
{
	scols_unref_table(o->table);
	o->table = scols_new_table();
	CHECK(o->table);
	scols_table_set_stream(o->table, o->file);
	scols_table_set_column_separator(o->table, "  ");
	scols_table_enable_colors(o->table, o->has_color);
	scols_table_enable_noheadings(o->table, !o->has_header);
	/* Only a terminal has an end of the line; wide ignores it. */
	bool is_cut =
		o->is_terminal && o->width > 0 && o->format == OUTPUT_TABLE;
	scols_table_set_termforce(o->table, is_cut ? SCOLS_TERMFORCE_ALWAYS
						   : SCOLS_TERMFORCE_NEVER);
	if (is_cut)
		scols_table_set_termwidth(o->table, o->width);
	for (size_t i = 0; i < o->n_columns; i++) {
		const struct column *column = &o->columns[i];
		if (!is_shown(o, column))
			continue;
		bool is_right = !is_text(column) &&
				column->kind != COLUMN_TIME &&
				column->kind != COLUMN_BOOL;
		int flags = is_right ? SCOLS_FL_RIGHT : 0;
		if (is_cut && column->flags & COLUMN_IS_LONG)
			flags |= SCOLS_FL_TRUNC;
		CHECK(scols_table_new_column(o->table, column->title,
					     NAME_WIDTH_MIN, flags));
	}
}

static const char *color_of(const char *word)
{
	static const struct {
		const char *word, *color;
	} colors[] = {
		{"leader", "green"},      {"committed", "green"},
		{"running", "green"},     {"ok", "green"},
		{"candidate", "yellow"},  {"starting", "yellow"},
		{"rebuilding", "yellow"}, {"loading", "yellow"},
		{"retrying", "yellow"},   {"paused", "yellow"},
		{"degraded", "yellow"},   {"open", "yellow"},
		{"warn", "yellow"},       {"unreachable", "red"},
		{"blocked", "red"},       {"unassigned", "red"},
		{"stopped", "red"},       {"fail", "red"},
		{"unknown_fate", "red"},  {"refused", "red"},
	};
	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
		if (strcmp(colors[i].word, word) == 0)
			return colors[i].color;
	return NULL;
}

/* "a, b"; the caller frees it. */
static char *join_lines(const char *lines)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	CHECK(out);
	for (const char *at = lines; *at; at++) {
		if (*at == '\n')
			fputs(", ", out);
		else
			fputc(*at, out);
	}
	fclose(out);
	return text;
}

static void table_cell(struct output *o, struct libscols_line *line,
		       size_t position, const struct column *column,
		       const struct cell *cell)
{
	char buf[OUTPUT_TEXT_MAX];
	const char *text = "-";
	char *joined = NULL;
	if (cell->is_set && column->kind == COLUMN_LIST)
		text = joined = join_lines(cell->text);
	else if (cell->is_set && is_text(column))
		text = cell->text;
	if (cell->is_set && !is_text(column)) {
		output_put_shown(column, cell->number, buf);
		text = buf;
	}
	CHECK(scols_line_set_data(line, position, text) == 0);
	const char *color = color_of(text);
	if (o->has_color && color && column->flags & COLUMN_IS_STATE)
		scols_cell_set_color(scols_line_get_cell(line, position),
				     color);
	free(joined);
}

static void table_row(struct output *o, const struct cell *cells)
{
	struct libscols_line *line = scols_table_new_line(o->table, NULL);
	CHECK(line);
	size_t position = 0;
	for (size_t i = 0; i < o->n_columns; i++)
		if (is_shown(o, &o->columns[i]))
			table_cell(o, line, position++, &o->columns[i],
				   &cells[i]);
}

/* Columns that no row filled go. Once a header stands above, they stay as they
 * were. */
static void hide_sparse(struct output *o)
{
	if (o->is_sparse_done)
		return;
	o->is_sparse_done = true;
	struct libscols_iter *i = scols_new_iter(SCOLS_ITER_FORWARD);
	struct libscols_column *column = NULL;
	CHECK(i);
	for (size_t n = 0; n < o->n_columns; n++) {
		if (!is_shown(o, &o->columns[n]))
			continue;
		CHECK(scols_table_next_column(o->table, i, &column) == 0);
		if (o->columns[n].flags & COLUMN_IS_SPARSE &&
		    !(o->filled >> n & 1))
			scols_column_set_flags(column, SCOLS_FL_HIDDEN);
	}
	scols_free_iter(i);
}

/* libsmartcols keeps to a hint only in a strict column, and there only to one
 * that is wider than the title; any other column is as wide as its title. */
static void set_width(struct libscols_column *column, size_t width)
{
	const char *title =
		scols_cell_get_data(scols_column_get_header(column));
	int flags = scols_column_get_flags(column);
	if (title && strlen(title) >= width)
		return;
	scols_column_set_whint(column, (double)width);
	scols_column_set_flags(column, flags | SCOLS_FL_STRICTWIDTH);
}

/* A stream's later rows get columns at least as wide as those above them. */
static void keep_widths(struct output *o)
{
	struct libscols_iter *i = scols_new_iter(SCOLS_ITER_FORWARD);
	struct libscols_column *column = NULL;
	CHECK(i);
	while (scols_table_next_column(o->table, i, &column) == 0)
		set_width(column, scols_column_get_width(column));
	scols_free_iter(i);
}

void output_reserve(struct output *o, size_t column, size_t width)
{
	size_t position = 0;
	if (!output_is_table(o))
		return;
	CHECK(o->is_begun && column < o->n_columns);
	for (size_t i = 0; i < column; i++)
		position += is_shown(o, &o->columns[i]);
	set_width(scols_table_get_column(o->table, position), width);
}

void output_flush(struct output *o)
{
	if (output_is_table(o) && o->is_begun &&
	    scols_table_get_nlines(o->table) > 0) {
		hide_sparse(o);
		scols_print_table(o->table);
		keep_widths(o);
		scols_table_remove_lines(o->table);
		scols_table_enable_noheadings(o->table, 1);
	}
	fflush(o->file);
}

/* -- json ------------------------------------------------------------------ */

static json_t *json_list(const char *lines)
{
	json_t *list = json_array();
	CHECK(list);
	for (const char *at = lines; *at;) {
		size_t len = strcspn(at, "\n");
		json_t *item = json_stringn(at, len);
		json_array_append_new(list, item ? item : json_null());
		at += len + (at[len] ? 1 : 0);
	}
	return list;
}

static json_t *json_of(const struct column *column, const struct cell *cell)
{
	char buf[OUTPUT_TEXT_MAX];
	if (!cell->is_set)
		return json_null();
	switch (column->kind) {
	case COLUMN_TEXT: {
		json_t *text = json_string(cell->text);
		/* Not UTF-8: the caller has another column for such bytes. */
		return text ? text : json_null();
	}
	case COLUMN_LIST:
		return json_list(cell->text);
	case COLUMN_SECONDS:
		return json_real((double)cell->number / 1e6);
	case COLUMN_TIME:
		output_put_raw(COLUMN_TIME, cell->number, buf);
		return json_string(buf);
	case COLUMN_RATE:
		return json_real((double)cell->number / 1e3);
	case COLUMN_BOOL:
		return json_boolean(cell->number != 0);
	default:
		return json_integer((json_int_t)cell->number);
	}
}

static json_t *json_row(const struct output *o, const struct cell *cells)
{
	json_t *row = json_object();
	CHECK(row);
	for (size_t i = 0; i < o->n_columns; i++)
		CHECK(json_object_set_new(row, o->columns[i].name,
					  json_of(&o->columns[i], &cells[i])) ==
		      0);
	return row;
}

/* 17 digits would show 0.1 as 0.10000000000000001. */
enum { JSON_FLAGS = JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15) };

static void json_print(const struct output *o, const json_t *value,
		       size_t flags)
{
	/* A failing write shows when the stream is closed. */
	(void)json_dumpf(value, o->file, JSON_FLAGS | flags);
	fputc('\n', o->file);
}

static json_t *json_text(const char *text)
{
	json_t *value = text ? json_string(text) : json_null();
	return value ? value : json_null();
}

static json_t *json_envelope(const struct output *o, const char *command,
			     const struct output_error *error)
{
	json_t *fault = json_null();
	if (error) {
		fault = json_object();
		json_object_set_new(fault, "code", json_text(error->code));
		json_object_set_new(fault, "text", json_text(error->text));
		json_object_set_new(fault, "hint", json_text(error->hint));
	}
	json_t *all = json_object();
	CHECK(all);
	json_object_set_new(all, "command", json_text(command));
	json_object_set_new(all, "ok", json_boolean(!error));
	json_object_set(all, "summary", o->summary);
	json_object_set(all, "result", o->rows);
	json_object_set_new(all, "error", fault);
	return all;
}

/* -- tsv and name ---------------------------------------------------------- */

static void tsv_header(struct output *o)
{
	bool is_first = true;
	for (size_t i = 0; i < o->n_columns; i++) {
		if (!is_shown(o, &o->columns[i]))
			continue;
		fprintf(o->file, "%s%s", is_first ? "" : "\t",
			o->columns[i].name);
		is_first = false;
	}
	fputc('\n', o->file);
}

static void raw_cell(struct output *o, const struct column *column,
		     const struct cell *cell)
{
	char buf[OUTPUT_TEXT_MAX];
	if (!cell->is_set)
		return;
	if (is_text(column)) {
		char *joined = column->kind == COLUMN_LIST
				       ? join_lines(cell->text)
				       : NULL;
		output_put_escaped(joined ? joined : cell->text, o->file);
		free(joined);
		return;
	}
	output_put_raw(column->kind, cell->number, buf);
	fputs(buf, o->file);
}

static void tsv_row(struct output *o, const struct cell *cells)
{
	bool is_first = true;
	for (size_t i = 0; i < o->n_columns; i++) {
		if (!is_shown(o, &o->columns[i]))
			continue;
		if (!is_first)
			fputc('\t', o->file);
		raw_cell(o, &o->columns[i], &cells[i]);
		is_first = false;
	}
	fputc('\n', o->file);
}

/* -- all of them ----------------------------------------------------------- */

static void take_columns(struct output *o, const struct column *columns,
			 size_t n)
{
	CHECK(n > 0 && n <= COLUMNS_MAX);
	o->columns = columns;
	o->n_columns = n;
	o->n_rows = 0;
	o->is_begun = true;
	o->is_sparse_done = false;
	o->filled = 0;
	if (output_is_table(o))
		table_begin(o);
}

void output_begin(struct output *o, const struct column *columns, size_t n)
{
	CHECK(!o->aside);
	json_array_clear(o->rows);
	json_object_clear(o->summary);
	take_columns(o, columns, n);
	if (o->format == OUTPUT_TSV && o->has_header && !o->is_header_done) {
		tsv_header(o);
		o->is_header_done = true;
	}
}

/* Rows that wait for the envelope. */
static bool is_collected(const struct output *o)
{
	return o->format == OUTPUT_JSON ||
	       (o->format == OUTPUT_JSONL && o->has_whole_lines);
}

void output_row(struct output *o, const struct cell *cells)
{
	CHECK(o->is_begun);
	o->n_rows++;
	for (size_t i = 0; i < o->n_columns; i++)
		if (cells[i].is_set &&
		    (o->columns[i].kind != COLUMN_BOOL || cells[i].number))
			o->filled |= UINT64_C(1) << i;
	json_t *row = NULL;
	if (is_collected(o)) {
		CHECK(json_array_append_new(o->rows, json_row(o, cells)) == 0);
		return;
	}
	if (o->aside && !output_is_table(o))
		return;
	switch (o->format) {
	case OUTPUT_JSONL:
		row = json_row(o, cells);
		json_print(o, row, JSON_COMPACT);
		json_decref(row);
		break;
	case OUTPUT_TSV:
		tsv_row(o, cells);
		break;
	case OUTPUT_NAME:
		raw_cell(o, &o->columns[0], &cells[0]);
		fputc('\n', o->file);
		break;
	default:
		table_row(o, cells);
		break;
	}
}

void output_aside_begin(struct output *o, const char *key,
			const struct column *columns, size_t n)
{
	CHECK(o->is_begun && !o->aside);
	struct output *main = mem_zero(1, sizeof *main);
	*main = *o;
	o->main = main;
	o->aside = key;
	o->table = NULL;
	o->rows = json_array();
	CHECK(o->rows);
	take_columns(o, columns, n);
}

void output_aside_end(struct output *o)
{
	struct output *main = o->main;
	CHECK(o->aside && main);
	output_flush(o);
	CHECK(json_object_set_new(o->summary, o->aside, o->rows) == 0);
	scols_unref_table(o->table);
	*o = *main;
	free(main);
}

void output_summary(struct output *o, const char *key, json_t *value)
{
	CHECK(json_object_set_new(o->summary, key, value) == 0);
}

void output_end(struct output *o, const char *command,
		const struct output_error *error)
{
	if (o->is_finished)
		return;
	if (o->aside) /* it failed in the middle of one */
		output_aside_end(o);
	if (!is_collected(o)) {
		output_flush(o);
		return;
	}
	json_t *all = json_envelope(o, command, error);
	json_print(o, all,
		   o->format == OUTPUT_JSON ? JSON_INDENT(2) : JSON_COMPACT);
	json_decref(all);
	fflush(o->file);
}

void output_finish(struct output *o)
{
	o->is_finished = true;
}
