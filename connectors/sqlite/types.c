#include "connectors/sqlite/types.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "connectors/text.h"

static const char numeric_native[] = "sqlite:numeric";
static const char none_native[] = "sqlite:none";

static bool begins_with(const char *text, const char *word)
{
	return strncasecmp(text, word, strlen(word)) == 0;
}

enum value_type sqlite_types_of_column(const struct table_column *c,
				       const char **native)
{
	*native = c->declared;
	switch (c->affinity) {
	case AFFINITY_INTEGER:
		return VALUE_INT64;
	case AFFINITY_REAL:
		return VALUE_F64;
	case AFFINITY_TEXT:
		return VALUE_TEXT;
	case AFFINITY_NUMERIC:
		if (begins_with(c->declared, "BOOL"))
			return VALUE_BOOL;
		*native = numeric_native;
		return VALUE_NATIVE;
	case AFFINITY_NONE:
		break;
	}
	if (strcasestr(c->declared, "BLOB"))
		return VALUE_BYTES;
	*native = none_native;
	return VALUE_NATIVE;
}

/* The affinity that stands behind a name of types_of_column. */
static enum affinity native_affinity(const char *native)
{
	if (strcmp(native, numeric_native) == 0)
		return AFFINITY_NUMERIC;
	if (strcmp(native, none_native) == 0)
		return AFFINITY_NONE;
	return sqlite_affinity_of(native, false);
}

static bool is_dynamic(enum value_type type, const char *native)
{
	return type == VALUE_NATIVE && native &&
	       (strcmp(native, numeric_native) == 0 ||
		strcmp(native, none_native) == 0);
}

static const char *refuse_number(enum value_type type, enum affinity a)
{
	bool is_whole = a == AFFINITY_INTEGER || a == AFFINITY_NUMERIC ||
			a == AFFINITY_NONE;

	if (type == VALUE_F64 || type == VALUE_F32)
		return a == AFFINITY_REAL
			       ? NULL
			       : "only a REAL column keeps floating point "
				 "numbers as they are";
	return is_whole ? NULL
			: "only a column of INTEGER affinity keeps whole "
			  "numbers as they are";
}

static const char *refuse_text(enum value_type type, enum affinity a)
{
	if (a == AFFINITY_TEXT || a == AFFINITY_NONE)
		return NULL;
	switch (type) {
	case VALUE_DATE:
	case VALUE_TIME:
	case VALUE_DATETIME:
	case VALUE_TIMESTAMP:
	case VALUE_UUID: /* never looks like a number */
		return a == AFFINITY_NUMERIC
			       ? NULL
			       : "only a TEXT or DATE column keeps it";
	case VALUE_DECIMAL:
		return "SQLite would turn decimal digits into a binary number: "
		       "declare the column as TEXT";
	default:
		return "SQLite would turn texts that look like a number into "
		       "one: declare the column as TEXT";
	}
}

const char *sqlite_types_refuse(const char *column_native, enum value_type type,
				const char *native)
{
	enum affinity a = native_affinity(column_native);

	if (is_dynamic(type, native))
		return strcmp(column_native, native) == 0
			       ? NULL
			       : "a column that holds values of any kind can "
				 "only be kept by another one of that "
				 "affinity";
	switch (type) {
	case VALUE_BOOL:
	case VALUE_INT64:
	case VALUE_F32:
	case VALUE_F64:
		return refuse_number(type, a);
	case VALUE_BYTES:
		return a == AFFINITY_NONE ? NULL
					  : "bytes belong into a BLOB column";
	case VALUE__N:
		return "an unknown type";
	default:
		return refuse_text(type, a);
	}
}

struct types_field sqlite_types_field(const struct table_column *c,
				      enum value_type type, const char *native,
				      bool is_key)
{
	return (struct types_field){.type = type,
				    .affinity = c->affinity,
				    .is_key = is_key,
				    .is_dynamic = is_dynamic(type, native)};
}

/* -- from SQLite -----------------------------------------------------------
 */
static const char *class_name(int class)
{
	switch (class) {
	case SQLITE_INTEGER:
		return "an integer";
	case SQLITE_FLOAT:
		return "a real";
	case SQLITE_TEXT:
		return "a text";
	case SQLITE_BLOB:
		return "a blob";
	default:
		return "NULL";
	}
}

static int misfit(sqlite3_stmt *row, int place, const struct types_field *f,
		  struct err *e)
{
	int class = sqlite3_column_type(row, place);

	if (class == SQLITE_BLOB)
		return err_set(e, ERR_DATA, "a blob of %d bytes is no %s",
			       sqlite3_column_bytes(row, place),
			       value_type_name(f->type));
	return err_set(e, ERR_DATA, "%s, '%.64s', is no %s", class_name(class),
		       (const char *)sqlite3_column_text(row, place),
		       value_type_name(f->type));
}

/* No overlong forms, no surrogates, nothing beyond U+10FFFF. */
static bool is_utf8(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint8_t c = p[i++];
		size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		uint32_t min = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
		uint32_t u = more ? c & (0x3fu >> more) : c;

		if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || n - i < more)
			return false;
		for (size_t k = 0; k < more; k++, i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			u = u << 6 | (p[i] & 0x3fu);
		}
		if (more &&
		    (u < min || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff)))
			return false;
	}
	return true;
}

static struct bytes row_text(sqlite3_stmt *row, int place)
{
	const unsigned char *text = sqlite3_column_text(row, place);
	int n = sqlite3_column_bytes(row, place);

	return (struct bytes){text ? text : (const unsigned char *)"",
			      (size_t)n};
}

static struct bytes row_blob(sqlite3_stmt *row, int place)
{
	const void *data = sqlite3_column_blob(row, place);
	int n = sqlite3_column_bytes(row, place);

	return (struct bytes){data ? data : "", (size_t)n};
}

/* NATIVE of ours: a letter for the storage class, then its content. */
static int read_dynamic(sqlite3_stmt *row, int place, struct arena *arena,
			struct value *out)
{
	struct value_buf buf = {0};
	char number[32];
	int64_t i = 0;

	switch (sqlite3_column_type(row, place)) {
	case SQLITE_INTEGER:
		i = sqlite3_column_int64(row, place);
		(void)snprintf(number, sizeof(number), "i%lld", (long long)i);
		value_buf_put(&buf, number, strlen(number));
		break;
	case SQLITE_FLOAT:
		value_buf_put(&buf, "r", 1);
		text_write_f64(&buf, sqlite3_column_double(row, place));
		break;
	case SQLITE_TEXT: {
		struct bytes text = row_text(row, place);

		value_buf_put(&buf, "t", 1);
		value_buf_put(&buf, text.data, text.len);
		break;
	}
	default:
		value_buf_put(&buf, "b", 1);
		text_write_bytes(&buf, row_blob(row, place));
		break;
	}
	*out = (struct value){
		.state = VALUE_SET,
		.type = VALUE_NATIVE,
		.bytes = {arena_copy(arena, buf.data, buf.len), buf.len}};
	value_buf_free(&buf);
	return 0;
}

/* Our text of a value: what value_to_text writes, but the offset of a
 * TIMESTAMP is +00:00. */
static int write_text(const struct value *v, struct value_buf *buf,
		      struct err *e)
{
	int rc = value_to_text(v, buf, e);

	if (rc == 0 && v->type == VALUE_TIMESTAMP && buf->len >= 3 &&
	    memcmp(buf->data + buf->len - 3, "+00", 3) == 0)
		value_buf_put(buf, ":00", 3);
	return rc;
}

static bool is_our_text(const struct value *v, struct bytes text)
{
	struct value_buf buf = {0};
	bool is_ours =
		write_text(v, &buf, NULL) == 0 &&
		bytes_compare((struct bytes){buf.data, buf.len}, text) == 0;

	value_buf_free(&buf);
	return is_ours;
}

static int read_text(const struct types_cell *cell, struct arena *arena,
		     struct value *out, struct err *e)
{
	sqlite3_stmt *row = cell->row;
	int place = cell->place;
	const struct types_field *f = cell->field;
	struct value v = {.state = VALUE_SET, .type = f->type};

	/* Asked first: to read a blob as text makes it one. */
	if (sqlite3_column_type(row, place) != SQLITE_TEXT)
		return misfit(row, place, f, e);
	struct bytes text = row_text(row, place);
	if (!is_utf8(text.data, text.len))
		return misfit(row, place, f, e);
	switch (f->type) {
	case VALUE_TEXT:
	case VALUE_JSON:
	case VALUE_ENUM:
	case VALUE_NATIVE:
		v.bytes = text;
		break;
	default:
		if (text_to_value(f->type, text, arena, &v, NULL) ||
		    (f->is_key && !is_our_text(&v, text)))
			return misfit(row, place, f, e);
	}
	*out = v;
	return 0;
}

static int read_number(sqlite3_stmt *row, int place,
		       const struct types_field *f, struct value *out,
		       struct err *e)
{
	struct value v = {.state = VALUE_SET, .type = f->type};
	bool is_real = f->type == VALUE_F32 || f->type == VALUE_F64;
	int64_t i = sqlite3_column_int64(row, place);
	double d = sqlite3_column_double(row, place);

	if (sqlite3_column_type(row, place) !=
	    (is_real ? SQLITE_FLOAT : SQLITE_INTEGER))
		return misfit(row, place, f, e);
	if (f->type == VALUE_INT64)
		v.i64 = i;
	else if (f->type == VALUE_F64)
		v.f64 = d;
	else if (f->type == VALUE_F32)
		v.f32 = (float)d;
	else
		v.boolean = i == 1;
	bool fits = f->type == VALUE_BOOL  ? i == 0 || i == 1
		    : f->type == VALUE_F32 ? (double)v.f32 == d
					   : true;
	if (!fits)
		return misfit(row, place, f, e);
	*out = v;
	return 0;
}

int sqlite_types_read(const struct types_cell *cell, struct arena *arena,
		      struct value *out, struct err *e)
{
	sqlite3_stmt *row = cell->row;
	int place = cell->place;
	const struct types_field *f = cell->field;

	if (sqlite3_column_type(row, place) == SQLITE_NULL) {
		*out = (struct value){.state = VALUE_NULL};
		return 0;
	}
	if (f->is_dynamic)
		return read_dynamic(row, place, arena, out);
	switch (f->type) {
	case VALUE_BOOL:
	case VALUE_INT64:
	case VALUE_F32:
	case VALUE_F64:
		return read_number(row, place, f, out, e);
	case VALUE_BYTES:
		if (sqlite3_column_type(row, place) != SQLITE_BLOB)
			return misfit(row, place, f, e);
		*out = (struct value){.state = VALUE_SET,
				      .type = VALUE_BYTES,
				      .bytes = row_blob(row, place)};
		return 0;
	default:
		return read_text(cell, arena, out, e);
	}
}

/* -- to SQLite -------------------------------------------------------------
 */
static int bound(int rc, struct err *e)
{
	return rc == SQLITE_OK ? 0
			       : err_set(e, ERR_DATA, "%s", sqlite3_errstr(rc));
}

static int bind_real(sqlite3_stmt *stmt, int place, double d, struct err *e)
{
	if (isnan(d))
		return err_set(e, ERR_DATA, "SQLite has no NaN");
	if (d == 0 && signbit(d))
		return err_set(e, ERR_DATA, "SQLite has no -0.0");
	return bound(sqlite3_bind_double(stmt, place, d), e);
}

static int bind_text(sqlite3_stmt *stmt, int place, struct bytes text,
		     struct err *e)
{
	/* A NULL pointer would be NULL. */
	const char *data = text.len ? (const char *)text.data : "";

	return bound(sqlite3_bind_text64(stmt, place, data, text.len,
					 SQLITE_STATIC, SQLITE_UTF8),
		     e);
}

static int bind_blob(sqlite3_stmt *stmt, int place, struct bytes b,
		     struct err *e)
{
	if (b.len == 0) /* a NULL pointer would be NULL */
		return bound(sqlite3_bind_zeroblob(stmt, place, 0), e);
	return bound(
		sqlite3_bind_blob64(stmt, place, b.data, b.len, SQLITE_STATIC),
		e);
}

static int bind_dynamic(sqlite3_stmt *stmt, int place, struct bytes b,
			struct err *e)
{
	struct bytes rest = {b.data + 1, b.len - 1};
	struct arena arena;
	int64_t i = 0;
	double d = 0;
	struct bytes blob;
	int rc = ERR_DATA;

	if (b.len == 0)
		return err_set(e, ERR_DATA, "an empty native value");
	if (b.data[0] == 't')
		return bind_text(stmt, place, rest, e);
	if (b.data[0] == 'i' && text_read_i64(rest, &i) == 0)
		return bound(sqlite3_bind_int64(stmt, place, i), e);
	if (b.data[0] == 'r' && text_read_f64(rest, &d) == 0)
		return bound(sqlite3_bind_double(stmt, place, d), e);
	arena_init(&arena, 256);
	if (b.data[0] == 'b' && text_read_bytes(rest, &arena, &blob) == 0)
		rc = bound(sqlite3_bind_blob64(stmt, place, blob.data, blob.len,
					       SQLITE_TRANSIENT),
			   e);
	else
		rc = err_set(e, ERR_DATA, "not a value of SQLite");
	arena_free(&arena);
	return rc;
}

static int bind_formatted(sqlite3_stmt *stmt, int place, const struct value *v,
			  struct err *e)
{
	struct value_buf buf = {0};
	int rc = write_text(v, &buf, e);

	if (rc == 0)
		rc = bound(sqlite3_bind_text64(stmt, place,
					       (const char *)buf.data, buf.len,
					       SQLITE_TRANSIENT, SQLITE_UTF8),
			   e);
	else
		rc = err_set(e, ERR_DATA, "%s", e ? e->text : "no text");
	value_buf_free(&buf);
	return rc;
}

static int bind_set(sqlite3_stmt *stmt, int place, const struct types_field *f,
		    const struct value *v, struct err *e)
{
	if (f->is_dynamic)
		return bind_dynamic(stmt, place, v->bytes, e);
	switch (f->type) {
	case VALUE_BOOL:
		return bound(sqlite3_bind_int(stmt, place, v->boolean), e);
	case VALUE_INT64:
		return bound(sqlite3_bind_int64(stmt, place, v->i64), e);
	case VALUE_F32:
		return bind_real(stmt, place, (double)v->f32, e);
	case VALUE_F64:
		return bind_real(stmt, place, v->f64, e);
	case VALUE_BYTES:
		return bind_blob(stmt, place, v->bytes, e);
	case VALUE_TEXT:
	case VALUE_JSON:
	case VALUE_ENUM:
	case VALUE_NATIVE:
		return bind_text(stmt, place, v->bytes, e);
	default:
		return bind_formatted(stmt, place, v, e);
	}
}

int sqlite_types_bind(sqlite3_stmt *stmt, int place,
		      const struct types_field *f, const struct value *v,
		      struct err *e)
{
	if (v->state != VALUE_SET)
		return bound(sqlite3_bind_null(stmt, place), e);
	if (v->type != f->type)
		return err_set(e, ERR_DATA, "a value of type %s for one of %s",
			       value_type_name(v->type),
			       value_type_name(f->type));
	return bind_set(stmt, place, f, v, e);
}
