#include "node/ctl/options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node/config_nearest.h"
#include "node/config_value.h"
#include "node/ctl/link.h"

enum {
	FLAGS_MAX = 40,
	LONG_ONLY = 256, /* values of flags without a letter begin here */
	TIMEOUT_MS_MIN = 1,
	TIMEOUT_MS_MAX = 3600 * 1000,
};

static const char *const formats[] = {"auto",  "table", "wide", "json",
				      "jsonl", "tsv",   "name", NULL};
static const char *const colors[] = {"auto", "always", "never", NULL};

#define AT(member) offsetof(struct ctl_options, member)

const struct ctl_flag options_global[] = {
	{.name = "endpoint",
	 .kind = FLAG_TEXT,
	 .value = "URL[,URL]",
	 .doc = "nodes to ask, the first that answers is used "
		"(default " LINK_DEFAULT_ENDPOINT ")",
	 .offset = AT(endpoint)},
	{.name = "ca",
	 .kind = FLAG_TEXT,
	 .value = "FILE",
	 .doc = "certificates that sign the nodes', for tls+tcp",
	 .offset = AT(ca)},
	{.name = "cert",
	 .kind = FLAG_TEXT,
	 .value = "FILE",
	 .doc = "your certificate, for tls+tcp",
	 .offset = AT(cert)},
	{.name = "key",
	 .kind = FLAG_TEXT,
	 .value = "FILE",
	 .doc = "private key of your certificate",
	 .offset = AT(key)},
	{.name = "server-name",
	 .kind = FLAG_TEXT,
	 .value = "NAME[,NAME]",
	 .doc = "name in the node's certificate, NODE.CLUSTER.synod; one for "
		"each endpoint",
	 .offset = AT(server_name)},
	{.name = "output",
	 .letter = 'o',
	 .kind = FLAG_WORD,
	 .value = "FORMAT",
	 .doc = "table, wide, json, jsonl, tsv or name (default: table on a "
		"terminal, else tsv without header)",
	 .offset = AT(output),
	 .words = formats},
	{.name = "quiet",
	 .letter = 'q',
	 .kind = FLAG_SWITCH,
	 .doc = "no remarks on standard error, errors only",
	 .offset = AT(is_quiet)},
	{.name = "verbose",
	 .letter = 'v',
	 .kind = FLAG_SWITCH,
	 .doc = "say which node was asked",
	 .offset = AT(is_verbose)},
	{.name = "no-headers",
	 .kind = FLAG_SWITCH,
	 .doc = "rows only",
	 .offset = AT(no_headers)},
	{.name = "color",
	 .kind = FLAG_WORD,
	 .value = "WHEN",
	 .doc = "auto, always or never (default auto)",
	 .offset = AT(color),
	 .words = colors},
	{.name = "timeout",
	 .kind = FLAG_DURATION,
	 .value = "TIME",
	 .doc = "how long to wait for a node (default 5s)",
	 .offset = AT(timeout_ms)},
	{.name = "yes",
	 .letter = 'y',
	 .kind = FLAG_SWITCH,
	 .doc = "do not ask before something disruptive",
	 .offset = AT(is_yes)},
	{.name = "help",
	 .letter = 'h',
	 .kind = FLAG_SWITCH,
	 .doc = "show help and exit",
	 .offset = AT(is_help)},
	{.name = "version",
	 .kind = FLAG_SWITCH,
	 .doc = "show versions and exit",
	 .offset = AT(is_version)},
	{0},
};

/* Both tables as getopt_long wants them. */
struct scan {
	const struct ctl_flag *flags[FLAGS_MAX];
	struct option longs[FLAGS_MAX + 1];
	char letters[FLAGS_MAX * 3 + 3];
	int n;
};

static void scan_add(struct scan *s, const struct ctl_flag *table)
{
	for (const struct ctl_flag *f = table; f && f->name; f++) {
		CHECK(s->n < FLAGS_MAX);
		int has_arg = f->kind == FLAG_SWITCH ? no_argument
			      : f->preset            ? optional_argument
						     : required_argument;
		s->flags[s->n] = f;
		s->longs[s->n] = (struct option){.name = f->name,
						 .has_arg = has_arg,
						 .val = LONG_ONLY + s->n};
		s->n++;
		if (!f->letter)
			continue;
		size_t used = strlen(s->letters);
		snprintf(s->letters + used, sizeof s->letters - used, "%c%s",
			 f->letter,
			 has_arg == no_argument         ? ""
			 : has_arg == optional_argument ? "::"
							: ":");
	}
}

static const struct ctl_flag *scan_find(const struct scan *s, int value)
{
	if (value >= LONG_ONLY)
		return s->flags[value - LONG_ONLY];
	for (int i = 0; i < s->n; i++)
		if (s->flags[i]->letter == value)
			return s->flags[i];
	return NULL;
}

static int bad_value(const struct ctl_flag *f, const char *text,
		     const char *expected, struct err *e)
{
	return err_set(e, ERR_INVALID, "--%s: '%.64s' is not %s", f->name, text,
		       expected);
}

static int put_word(struct ctl_options *o, const struct ctl_flag *f,
		    const char *text, struct err *e)
{
	struct config_nearest near = config_nearest_init(text);
	for (int i = 0; f->words[i]; i++) {
		config_nearest_try(&near, f->words[i]);
		if (strcmp(f->words[i], text) != 0)
			continue;
		memcpy((char *)o + f->offset, &i, sizeof i);
		return 0;
	}
	if (!near.best)
		return bad_value(f, text, "known", e);
	return err_set(e, ERR_INVALID,
		       "--%s: '%.64s' is not known; did you mean '%s'?",
		       f->name, text, near.best);
}

static int put_duration(struct ctl_options *o, const struct ctl_flag *f,
			const char *text, struct err *e)
{
	int64_t ms = 0;
	if (!config_value_duration(text, &ms) || ms < TIMEOUT_MS_MIN ||
	    ms > TIMEOUT_MS_MAX)
		return bad_value(f, text,
				 "a time from 1ms to 1h, such as 500ms or 5s",
				 e);
	memcpy((char *)o + f->offset, &ms, sizeof ms);
	return 0;
}

static int put_number(struct ctl_options *o, const struct ctl_flag *f,
		      const char *text, struct err *e)
{
	int64_t number = 0;
	if (!config_value_integer(text, &number) || number < 0)
		return bad_value(f, text, "a whole number", e);
	uint64_t value = (uint64_t)number;
	memcpy((char *)o + f->offset, &value, sizeof value);
	return 0;
}

static int put(struct ctl_options *o, const struct ctl_flag *f,
	       const char *text, struct err *e)
{
	bool is_on = true;
	switch (f->kind) {
	case FLAG_SWITCH:
		memcpy((char *)o + f->offset, &is_on, sizeof is_on);
		return 0;
	case FLAG_TEXT:
		if (!*text)
			return err_set(e, ERR_INVALID, "--%s: it is empty",
				       f->name);
		memcpy((char *)o + f->offset, &text, sizeof text);
		return 0;
	case FLAG_WORD:
		return put_word(o, f, text, e);
	case FLAG_DURATION:
		return put_duration(o, f, text ? text : f->preset, e);
	default:
		return put_number(o, f, text, e);
	}
}

static int report_unknown(const struct scan *s, const char *word, int letter,
			  struct err *e)
{
	if (letter > 0 && letter < LONG_ONLY)
		return err_set(e, ERR_INVALID, "unknown flag '-%c'",
			       isprint(letter) ? letter : '?');
	char name[NEAREST_WORD_MAX];
	word += strspn(word, "-");
	snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
	struct config_nearest near = config_nearest_init(name);
	int n_prefix = 0;
	for (int i = 0; i < s->n; i++) {
		config_nearest_try(&near, s->flags[i]->name);
		n_prefix += strncmp(s->flags[i]->name, name, strlen(name)) == 0;
	}
	if (n_prefix > 1)
		return err_set(e, ERR_INVALID,
			       "flag '--%s' is short for more than one", name);
	if (near.best)
		return err_set(e, ERR_INVALID,
			       "unknown flag '--%s'; did you mean '--%s'?",
			       name, near.best);
	return err_set(e, ERR_INVALID, "unknown flag '--%s'", name);
}

int options_read(struct ctl_options *o, const struct ctl_flag *local,
		 struct options_line *line, struct err *e)
{
	int argc = line->argc;
	char **argv = line->argv;
	struct scan s = {.letters = ""};
	snprintf(s.letters, sizeof s.letters, "%s",
		 line->is_first_part ? "+:" : ":");
	scan_add(&s, options_global);
	scan_add(&s, local);
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	for (;;) {
		/* The word that is looked at, for the message. */
		int at = optind > 0 ? optind : 1;
		int value = getopt_long(argc, argv, s.letters, s.longs, NULL);
		if (value == -1)
			break;
		if (value == '?') {
			const char *word = optind > 0 && optind <= argc
						   ? argv[optind - 1]
						   : argv[at];
			return report_unknown(&s, word, optopt, e);
		}
		if (value == ':')
			return err_set(e, ERR_INVALID, "%s needs a value",
				       argv[optind - 1]);
		const struct ctl_flag *f = scan_find(&s, value);
		CHECK(f);
		int rc = put(o, f, optarg, e);
		if (rc)
			return rc;
	}
	line->index = optind;
	return 0;
}

static void env_name(const struct ctl_flag *f, char *buf, size_t len)
{
	snprintf(buf, len, "SYNODCTL_%s", f->name);
	for (char *c = buf; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

int options_init(struct ctl_options *o, struct err *e)
{
	*o = (struct ctl_options){.endpoint = LINK_DEFAULT_ENDPOINT,
				  .timeout_ms = 5000};
	for (const struct ctl_flag *f = options_global; f->name; f++) {
		char name[64];
		env_name(f, name, sizeof name);
		const char *value =
			f->kind == FLAG_SWITCH ? NULL : getenv(name);
		if (value && *value && put(o, f, value, e))
			return err_wrap(e, name);
	}
	return 0;
}
