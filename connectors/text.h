/* Text: values as systems write them in text, and back. Reads every form that
 * PostgreSQL (datestyle=ISO, intervalstyle=postgres, bytea_output=hex) and
 * SQLite print, and some that people type; writes exactly what PostgreSQL
 * prints with timezone=UTC. Nothing is rounded: what does not fit is refused.
 *
 * Readers return 0, ERR_DATA (that is no such text) or ERR_LIMIT (the value is
 * beyond what the type holds); outputs stay untouched then. A text is taken
 * whole: blanks around it are refused. Expects LC_NUMERIC "C".
 *
 * Pure; any thread. */
#ifndef CONNECTORS_TEXT_H
#define CONNECTORS_TEXT_H

#include "base/arena.h"
#include "proto/value.h"

enum {
	/* Digits of a DECIMAL, as PostgreSQL has it. Refused beyond. */
	TEXT_DECIMAL_WHOLE = 131072,
	TEXT_DECIMAL_SCALE = 16383,
};

/* -- any type --------------------------------------------------------------
 */
/* out is set and of that type; it lends from text, or from arena where the
 * canonical form is another. The error says what was expected. */
int text_to_value(enum value_type type, struct bytes text, struct arena *arena,
		  struct value *out, struct err *e);
/* Appends the text of a set value; a failure leaves buf as it was. Fails only
 * for dates and times of a year that has no text (ERR_LIMIT). */
int value_to_text(const struct value *v, struct value_buf *buf, struct err *e);

/* -- reading ---------------------------------------------------------------
 */
/* t, true, 1; f, false, 0; in any case. */
int text_read_bool(struct bytes text, bool *out);
int text_read_i64(struct bytes text, int64_t *out);
int text_read_u64(struct bytes text, uint64_t *out);
int text_read_f32(struct bytes text, float *out);
int text_read_f64(struct bytes text, double *out);
/* Any decimal notation, an exponent too; NaN, inf, Infinity. The scale is kept:
 * 1.50e1 is 15.0. Lends from text or arena. */
int text_read_decimal(struct bytes text, struct arena *arena,
		      struct bytes *out);
/* \x and hex digits. Lends from arena. */
int text_read_bytes(struct bytes text, struct arena *arena, struct bytes *out);
/* With the four dashes or without any. */
int text_read_uuid(struct bytes text, uint8_t out[16]);
/* 2024-02-29, 0044-03-15 BC, -0043-03-15, infinity, -infinity. */
int text_read_date(struct bytes text, int64_t *days);
/* 12:34, 12:34:56, 12:34:56.789, 24:00:00, 838:59:59, -01:00:00. More than six
 * digits of a second only if they are zeros. */
int text_read_time(struct bytes text, int64_t *us);
/* A date, then, behind a blank or a T, a time up to 24:00:00; a date alone is
 * its midnight; " BC" at the end; or infinite as a date. */
int text_read_datetime(struct bytes text, int64_t *us);
/* The same and an offset (Z, +05, +0530, -05:30, +05:30:15); without one it is
 * UTC. */
int text_read_timestamp(struct bytes text, int64_t *us);
/* 1 year 2 mons -3 days +04:05:06.7; also weeks, and months for mons. */
int text_read_interval(struct bytes text, struct value *out);

/* -- writing ---------------------------------------------------------------
 */
/* The fewest digits that are read back as the same number. */
void text_write_f32(struct value_buf *buf, float f);
void text_write_f64(struct value_buf *buf, double f);
void text_write_bytes(struct value_buf *buf, struct bytes b);
void text_write_uuid(struct value_buf *buf, const uint8_t uuid[16]);
int text_write_date(struct value_buf *buf, int64_t days);
void text_write_time(struct value_buf *buf, int64_t us);
int text_write_datetime(struct value_buf *buf, int64_t us);
int text_write_timestamp(struct value_buf *buf, int64_t us);
void text_write_interval(struct value_buf *buf, const struct value *v);

#endif
