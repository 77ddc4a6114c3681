/* Rows for people and for programs from one column spec.
 *
 *   table   aligned, for a terminal          (libsmartcols)
 *   wide    the same with every column
 *   json    one object: command, ok, summary, result, error   (jansson)
 *   jsonl   one object a row, as it comes; for an answer that is more than its
 *           rows (has_whole_lines) the object of json on one line
 *   tsv     raw values, escaped as \t \n \\; a header when asked for by -o
 *   name    the first column alone
 *
 * An answer has one list of rows. What else belongs to it is a list aside: a
 * table of its own on a terminal, an array in json's summary, else nothing.
 *
 * Values are raw in json, jsonl and tsv: seconds, bytes, RFC 3339 in UTC. One
 * thread. */
#ifndef NODE_CTL_OUTPUT_H
#define NODE_CTL_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum output_format {
	OUTPUT_AUTO, /* table on a terminal, else tsv without header */
	OUTPUT_TABLE,
	OUTPUT_WIDE,
	OUTPUT_JSON,
	OUTPUT_JSONL,
	OUTPUT_TSV,
	OUTPUT_NAME
};

enum column_kind {
	COLUMN_TEXT,    /* text */
	COLUMN_NUMBER,  /* number */
	COLUMN_BYTES,   /* number */
	COLUMN_SECONDS, /* number, microseconds */
	COLUMN_TIME,    /* number, microseconds since 1970 */
	COLUMN_RATE,    /* number, thousandths a second */
	COLUMN_BOOL,    /* number, 0 or 1 */
	COLUMN_LIST     /* text, a line each: an array in json, else "a, b" */
};

enum {
	COLUMN_IS_WIDE = 1,    /* not in the plain table and tsv */
	COLUMN_IS_HIDDEN = 2,  /* json and jsonl only */
	COLUMN_IS_LONG = 4,    /* cut at the end of the terminal */
	COLUMN_IS_STATE = 8,   /* coloured by its word */
	COLUMN_IS_SPARSE = 16, /* not in a table where no row has it */
	COLUMN_IS_FINE = 32    /* a time to the millisecond */
};

struct column {
	const char *name;  /* json, tsv: snake_case */
	const char *title; /* table; NULL for a hidden one */
	enum column_kind kind;
	unsigned flags;
};

struct cell {
	bool is_set;      /* else null, "-" */
	const char *text; /* borrowed for the call */
	uint64_t number;
};

struct libscols_table;

struct output {
	FILE *file;
	enum output_format format; /* never OUTPUT_AUTO */
	bool has_header, has_color, is_terminal, has_whole_lines;
	size_t width;
	const struct column *columns;
	size_t n_columns;
	size_t n_rows; /* since output_begin */
	bool is_begun, is_header_done, is_finished;
	bool is_sparse_done; /* which columns are hidden is decided */
	uint64_t filled;     /* a bit a column: some row has it */
	struct libscols_table *table;
	json_t *rows, *summary;
	const char *aside;   /* key of the list aside that is open, or NULL */
	struct output *main; /* what waits meanwhile */
};

void output_init(struct output *o, FILE *file);
void output_clear(struct output *o);
bool output_is_table(const struct output *o); /* table or wide */

void output_begin(struct output *o, const struct column *columns, size_t n);
/* One cell a column. jsonl, tsv and name are written at once. */
void output_row(struct output *o, const struct cell *cells);
/* Write the rows of a table that are waiting. For streams: the next ones go
 * below without a header. */
void output_flush(struct output *o);
/* A stream's first row comes before its widest one: this column will hold text
 * of so many characters. After output_begin; for a table. */
void output_reserve(struct output *o, size_t column, size_t width);
/* A list aside, between output_begin and output_end: output_row adds to it
 * until its end, which writes its table. key: in the summary. A table without
 * rows is not written. */
void output_aside_begin(struct output *o, const char *key,
			const struct column *columns, size_t n);
void output_aside_end(struct output *o);
/* A fact about the whole answer; json only. Takes value. */
void output_summary(struct output *o, const char *key, json_t *value);

struct output_error {
	const char *code, *text, *hint; /* hint may be NULL */
};
/* End of the run: the table, or the json object. error NULL: it went well. */
void output_end(struct output *o, const char *command,
		const struct output_error *error);
/* Everything was written already: output_end has nothing to say. */
void output_finish(struct output *o);

struct cell cell_text(const char *text);   /* NULL: null */
struct cell cell_filled(const char *text); /* NULL or "": null */
struct cell cell_number(uint64_t number);
struct cell cell_some(uint64_t number); /* 0: null */
struct cell cell_bool(bool value);
struct cell cell_time(int64_t us); /* 0 and before: null */
struct cell cell_rate(double per_second);
struct cell cell_none(void);

/* -- output_text.c: values as text ----------------------------------------- */
enum { OUTPUT_TEXT_MAX = 64 };
/* "3.1 GiB", "6h12m", "1.2 ms"; buf has OUTPUT_TEXT_MAX. */
void output_put_bytes(uint64_t bytes, char *buf);
void output_put_duration(uint64_t us, char *buf);
/* A number as a program wants it: raw seconds, RFC 3339. */
void output_put_raw(enum column_kind kind, uint64_t number, char *buf);
/* A number as a table shows it. */
void output_put_shown(const struct column *column, uint64_t number, char *buf);
/* Text with tab, newline and backslash escaped, for tsv. */
void output_put_escaped(const char *text, FILE *file);
/* Is it UTF-8 without control characters that a terminal obeys? */
bool output_is_plain(const uint8_t *data, size_t len);

#endif
