#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

struct err_entry {
	const char *name, *sentence;
};

static const struct err_entry entries[] = {
#define ERR_ENTRY(code, name, sentence) {name, sentence},
	ERR_LIST(ERR_ENTRY)
#undef ERR_ENTRY
};

static const struct err_entry *find(int code)
{
	if (code <= ERR__BASE || code >= ERR__END)
		return NULL;
	return &entries[code - ERR__BASE - 1];
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	/* Built aside: an argument may be the text that is replaced. */
	char text[ERR_TEXT_MAX];
	va_list args;

	CHECK(find(code) != NULL);
	if (!e)
		return code;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	CHECK(n >= 0);
	e->code = code;
	memcpy(e->text, text, sizeof text);
	return code;
}

int err_wrap(struct err *e, const char *what)
{
	char text[ERR_TEXT_MAX];

	CHECK(e != NULL && e->code != 0);
	/* A text that becomes too long loses its end, never its beginning. */
	int n = snprintf(text, sizeof text, "%s: %s", what, e->text);
	CHECK(n >= 0);
	memcpy(e->text, text, sizeof text);
	return e->code;
}

const char *err_name(int code)
{
	const struct err_entry *entry = find(code);

	if (entry)
		return entry->name;
	return code == 0 ? "ok" : "unknown";
}

const char *err_sentence(int code)
{
	const struct err_entry *entry = find(code);

	if (entry)
		return entry->sentence;
	return code == 0 ? "It succeeded." : "An unknown error.";
}
