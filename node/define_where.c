#include "node/define_where.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "proto/limits.h"

struct scan {
	const char *text, *at;
	struct arena *arena;
	struct err *e;
};

static void skip(struct scan *s)
{
	while (isspace((unsigned char)*s->at))
		s->at++;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* A word of the language, whatever its case. */
static bool take_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);
	skip(s);
	if (strncasecmp(s->at, word, len) != 0 || is_word(s->at[len]))
		return false;
	s->at += len;
	return true;
}

static int expected(struct scan *s, const char *what)
{
	if (!*s->at)
		return err_set(s->e, ERR_INVALID, "%s is missing at the end",
			       what);
	return err_set(s->e, ERR_INVALID, "%s is due at '%.24s'", what, s->at);
}

/* A text in quotes, a doubled one stands for itself. NULL: it has no end. */
static const char *take_quoted(struct scan *s)
{
	char quote = *s->at;
	char *copy = arena_alloc(s->arena, strlen(s->at) + 1);
	size_t n = 0;
	for (const char *c = s->at + 1; *c; c++) {
		if (*c == quote && c[1] != quote) {
			copy[n] = '\0';
			s->at = c + 1;
			return copy;
		}
		c += *c == quote;
		copy[n++] = *c;
	}
	err_set(s->e, ERR_INVALID, "the quote at '%.24s' is never closed",
		s->at);
	return NULL;
}

static int take_column(struct scan *s, struct where *w)
{
	skip(s);
	w->column_at = (size_t)(s->at - s->text);
	if (*s->at == '"') {
		w->column = take_quoted(s);
		return w->column ? 0 : ERR_INVALID;
	}
	size_t n = 0;
	while (is_word(s->at[n]))
		n++;
	if (n == 0 || isdigit((unsigned char)*s->at))
		return expected(s, "the name of a column");
	char *copy = arena_copy(s->arena, s->at, n + 1);
	copy[n] = '\0';
	w->column = copy;
	s->at += n;
	return 0;
}

static bool take_op(struct scan *s, Synod__Definition__Comparison__Op *op)
{
	/* The longer ones first. */
	static const struct {
		const char *text;
		Synod__Definition__Comparison__Op op;
	} ops[] = {
		{"!=", SYNOD__DEFINITION__COMPARISON__OP__NE},
		{"<>", SYNOD__DEFINITION__COMPARISON__OP__NE},
		{"<=", SYNOD__DEFINITION__COMPARISON__OP__LE},
		{">=", SYNOD__DEFINITION__COMPARISON__OP__GE},
		{"=", SYNOD__DEFINITION__COMPARISON__OP__EQ},
		{"<", SYNOD__DEFINITION__COMPARISON__OP__LT},
		{">", SYNOD__DEFINITION__COMPARISON__OP__GT},
	};
	skip(s);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		size_t len = strlen(ops[i].text);
		if (strncmp(s->at, ops[i].text, len) != 0)
			continue;
		*op = ops[i].op;
		s->at += len;
		return true;
	}
	return false;
}

static int take_number(struct scan *s, struct where *w)
{
	size_t n = strspn(s->at, "+-");
	size_t digits = strspn(s->at + n, "0123456789.eE");
	/* The sign of an exponent. */
	while (digits > 0 && strchr("eE", s->at[n + digits - 1]) &&
	       s->at[n + digits] && strchr("+-", s->at[n + digits]))
		digits += 1 + strspn(s->at + n + digits + 1, "0123456789.eE");
	if (n > 1 || digits == 0 || is_word(s->at[n + digits]))
		return expected(s, "a number, a 'text', true or false");
	char *copy = arena_copy(s->arena, s->at, n + digits + 1);
	copy[n + digits] = '\0';
	w->literal = copy;
	w->kind = WHERE_NUMBER;
	s->at += n + digits;
	return 0;
}

static int take_literal(struct scan *s, struct where *w)
{
	skip(s);
	w->literal_at = (size_t)(s->at - s->text);
	if (*s->at == '\'') {
		w->kind = WHERE_TEXT;
		w->literal = take_quoted(s);
		return w->literal ? 0 : ERR_INVALID;
	}
	bool is_true = take_word(s, "true");
	if (is_true || take_word(s, "false")) {
		w->kind = WHERE_BOOL;
		w->literal = is_true ? "true" : "false";
		return 0;
	}
	if (take_word(s, "null"))
		return err_set(s->e, ERR_INVALID,
			       "nothing equals NULL; write '%s is null' or "
			       "'is not null'",
			       w->column);
	return take_number(s, w);
}

static int take_comparison(struct scan *s, struct where *w)
{
	*w = (struct where){0};
	int rc = take_column(s, w);
	if (rc)
		return rc;
	if (take_word(s, "is")) {
		bool is_not = take_word(s, "not");
		w->op = is_not ? SYNOD__DEFINITION__COMPARISON__OP__NOT_NULL
			       : SYNOD__DEFINITION__COMPARISON__OP__IS_NULL;
		w->literal_at = (size_t)(s->at - s->text);
		return take_word(s, "null") ? 0 : expected(s, "null");
	}
	if (!take_op(s, &w->op))
		return expected(s, "one of = != < <= > >= is");
	return take_literal(s, w);
}

int where_parse(const char *text, struct arena *arena, struct where_text *out,
		struct err *e)
{
	struct scan s = {.text = text, .at = text, .arena = arena, .e = e};
	int rc = 0;

	*out = (struct where_text){0};
	out->list =
		arena_alloc(arena, LIMIT_COMPARISONS * sizeof(struct where));
	for (bool goes_on = true; goes_on && !rc;) {
		if (out->n == LIMIT_COMPARISONS) {
			rc = err_set(e, ERR_INVALID, "more than %d comparisons",
				     LIMIT_COMPARISONS);
			break;
		}
		rc = take_comparison(&s, &out->list[out->n]);
		out->n++;
		goes_on = !rc && take_word(&s, "and");
	}
	skip(&s);
	out->end = (size_t)(s.at - text);
	if (rc || !*s.at)
		return rc;
	if (take_word(&s, "or"))
		return err_set(e, ERR_INVALID,
			       "'or' is not built yet: comparisons are joined "
			       "by 'and'");
	return expected(&s, "'and' or the end");
}
