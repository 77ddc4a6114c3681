#include "node/ctl/ctl.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "node/ctl/command.h"

/* -- what went wrong ------------------------------------------------------- */

int ctl_exit_of(int err_code)
{
	switch (err_code) {
	case 0:
		return EXIT_DONE;
	case ERR_INVALID:
	case ERR_LIMIT:
		return EXIT_USAGE;
	case ERR_NETWORK:
	case ERR_TLS:
	case ERR_TIMEOUT:
	case ERR_NO_LEADER:
	case ERR_PERMISSION:
	case ERR_IDENTITY:
	case ERR_CLOSED:
	case ERR_FORMAT:
	case ERR_CORRUPT:
		return EXIT_ENVIRONMENT;
	case ERR_CHANGED:
		return EXIT_CHANGED;
	default:
		return EXIT_FAILED;
	}
}

static void fail(struct ctl *c, const char *code, const struct err *e,
		 const char *hint)
{
	struct ctl_failure *f = &c->failure;
	CHECK(!f->is_set);
	f->is_set = true;
	f->e = *e;
	snprintf(f->code, sizeof f->code, "%s", code);
	snprintf(f->hint, sizeof f->hint, "%s", hint ? hint : "");
}

int ctl_fail(struct ctl *c, const struct err *e, const char *hint)
{
	CHECK(e->code);
	fail(c, err_name(e->code), e, hint);
	return ctl_exit_of(e->code);
}

static void usage_hint(const struct ctl *c, char *buf, size_t len)
{
	char name[COMMAND_NAME_MAX] = "";
	if (c->command)
		command_name(c->command, ' ', name);
	snprintf(buf, len, "synodctl help%s%s", name[0] ? " " : "", name);
}

int ctl_usage(struct ctl *c, const char *fmt, ...)
{
	struct err e = {.code = ERR_INVALID};
	char hint[COMMAND_NAME_MAX + 32];
	va_list args;
	va_start(args, fmt);
	vsnprintf(e.text, sizeof e.text, fmt, args);
	va_end(args);
	usage_hint(c, hint, sizeof hint);
	fail(c, "usage", &e, hint);
	return EXIT_USAGE;
}

int ctl_usage_hint(struct ctl *c, const char *hint, const char *fmt, ...)
{
	struct err e = {.code = ERR_INVALID};
	va_list args;
	va_start(args, fmt);
	vsnprintf(e.text, sizeof e.text, fmt, args);
	va_end(args);
	fail(c, "usage", &e, hint);
	return EXIT_USAGE;
}

int ctl_pending(struct ctl *c, const char *hint, const char *fmt, ...)
{
	struct err e = {.code = ERR_TIMEOUT};
	va_list args;
	va_start(args, fmt);
	vsnprintf(e.text, sizeof e.text, fmt, args);
	va_end(args);
	fail(c, "pending", &e, hint);
	return EXIT_PENDING;
}

int ctl_fail_answer(struct ctl *c, const char *what)
{
	struct err e;
	err_set(&e, ERR_FORMAT, "the answer is not %s", what);
	return ctl_fail(c, &e, NULL);
}

/* Texts of a node end up on a terminal. */
static void put_safe(const char *text, FILE *out)
{
	for (const char *at = text; *at; at++) {
		unsigned char byte = (unsigned char)*at;
		fputc(byte < 0x20 || byte == 0x7f ? ' ' : byte, out);
	}
}

static void show_failure(const struct ctl *c)
{
	FILE *err = c->world->err;
	fputs("synodctl: error: ", err);
	put_safe(c->failure.e.text, err);
	fprintf(err, "  [%s]\n", c->failure.code);
	if (!c->failure.hint[0])
		return;
	fputs("hint: ", err);
	put_safe(c->failure.hint, err);
	fputc('\n', err);
}

/* -- what people read ------------------------------------------------------ */

__attribute__((format(printf, 2, 0))) static void
say(const struct ctl *c, const char *fmt, va_list args)
{
	char text[1024];
	vsnprintf(text, sizeof text, fmt, args);
	fputs("synodctl: ", c->world->err);
	put_safe(text, c->world->err);
	fputc('\n', c->world->err);
}

void ctl_note(struct ctl *c, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	if (!c->options.is_quiet)
		say(c, fmt, args);
	va_end(args);
}

void ctl_detail(struct ctl *c, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	if (c->options.is_verbose)
		say(c, fmt, args);
	va_end(args);
}

static bool read_answer(int fd, char *buf, size_t len)
{
	size_t n = 0;
	char c = 0;
	while (n + 1 < len) {
		ssize_t got = read(fd, &c, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || c == '\n')
			break;
		buf[n++] = c;
	}
	buf[n] = '\0';
	return n > 0;
}

/* Nobody is at the terminal: say what to type to do it nevertheless. */
static int refuse_unasked(struct ctl *c, const char *effect)
{
	char hint[sizeof c->failure.hint];
	snprintf(hint, sizeof hint, "synodctl %s --yes", c->line);
	return ctl_usage_hint(c, hint, "%s Nobody is there to confirm it.",
			      effect);
}

static int refuse_unconfirmed(struct ctl *c)
{
	struct err e;
	err_set(&e, ERR_REFUSED, "not confirmed; nothing was done");
	return ctl_fail(c, &e, NULL);
}

int ctl_confirm(struct ctl *c, const char *effect)
{
	char answer[16];
	if (c->options.is_yes)
		return 0;
	if (!c->world->is_in_tty)
		return refuse_unasked(c, effect);
	fprintf(c->world->err, "%s\nGo on? [y/N] ", effect);
	fflush(c->world->err);
	if (read_answer(c->world->in_fd, answer, sizeof answer) &&
	    (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0))
		return 0;
	return refuse_unconfirmed(c);
}

int ctl_confirm_name(struct ctl *c, const char *effect, const char *name)
{
	char answer[LIMIT_NAME_BYTES + 2];
	if (c->options.is_yes)
		return 0;
	if (!c->world->is_in_tty)
		return refuse_unasked(c, effect);
	fprintf(c->world->err, "%s\nType %s to go on: ", effect, name);
	fflush(c->world->err);
	if (read_answer(c->world->in_fd, answer, sizeof answer) &&
	    strcmp(answer, name) == 0)
		return 0;
	return refuse_unconfirmed(c);
}

/* -- small things ---------------------------------------------------------- */

const char *ctl_author(char *buf, size_t cap)
{
	struct passwd entry;
	struct passwd *found = NULL;
	char space[4096];
	if (getpwuid_r(getuid(), &entry, space, sizeof space, &found) == 0 &&
	    found)
		snprintf(buf, cap, "%s", found->pw_name);
	else
		snprintf(buf, cap, "uid %lu", (unsigned long)getuid());
	return buf;
}

int64_t ctl_now_us(const struct ctl *c)
{
	struct clock clock = clock_system();
	return c->world->now_us ? c->world->now_us : clock_wall_us(&clock);
}

char *ctl_text(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

/* -- one run --------------------------------------------------------------- */

static void setup_output(struct ctl *c)
{
	const struct ctl_options *o = &c->options;
	const struct ctl_world *w = c->world;
	struct output *out = &c->output;
	bool is_auto = o->output == OUTPUT_AUTO;
	out->format = is_auto ? (w->is_out_tty ? OUTPUT_TABLE : OUTPUT_TSV)
			      : (enum output_format)o->output;
	out->has_header =
		!o->no_headers && !(is_auto && out->format == OUTPUT_TSV);
	out->has_color = o->color == COLOR_ALWAYS ||
			 (o->color == COLOR_AUTO && w->is_out_tty &&
			  !getenv("NO_COLOR"));
	out->is_terminal = w->is_out_tty;
	out->width = w->width;
}

static int setup_link(struct ctl *c)
{
	const struct ctl_options *o = &c->options;
	struct err e = {0};
	c->link.ops = c->world->link;
	c->link.ops_ctx = c->world->link_ctx;
	c->link.timeout_ms = (int)o->timeout_ms;
	c->link.tls = (struct wire_tls){o->ca, o->cert, o->key};
	if (!o->cert != !o->key)
		return ctl_usage(c, "--cert and --key go together");
	if (link_init(&c->link, o->endpoint, o->server_name, &e))
		return ctl_usage(c, "%s", e.text);
	return 0;
}

/* After noun (and verb): the command, or why there is none. */
static int find_command(struct ctl *c, const char *noun, const char *verb)
{
	c->command = command_find(noun, NULL);
	if (c->command)
		return 0;
	if (!command_is_noun(noun)) {
		const char *near = command_nearest(noun, NULL);
		return ctl_usage(c, "there is no command '%.40s'%s%s%s", noun,
				 near ? "; did you mean '" : "",
				 near ? near : "", near ? "'?" : "");
	}
	if (!verb)
		return ctl_usage_hint(c, "synodctl help", "'%s' needs a verb",
				      noun);
	c->command = command_find(noun, verb);
	if (c->command)
		return 0;
	const char *near = command_nearest(noun, verb);
	return ctl_usage(c, "'%s' has no verb '%.40s'%s%s%s", noun, verb,
			 near ? "; did you mean '" : "", near ? near : "",
			 near ? "'?" : "");
}

static bool is_flag(const char *word)
{
	return word && word[0] == '-' && word[1];
}

/* The part behind noun and verb; argv[0] stands for the program. */
static int read_command(struct ctl *c, int argc, char **argv)
{
	struct options_line line = {.argc = argc, .argv = argv};
	struct err e = {0};
	if (options_read(&c->options, c->command->flags, &line, &e))
		return ctl_usage(c, "%s", e.text);
	c->args = argv + line.index;
	c->n_args = argc - line.index;
	if (c->options.is_help || c->options.is_version)
		return 0;
	int max = c->command->args_max;
	if (max >= 0 && c->n_args > max)
		return ctl_usage(c, "unexpected argument '%.64s'",
				 c->args[max]);
	return 0;
}

static int read_line(struct ctl *c, int argc, char **argv)
{
	struct options_line line = {
		.argc = argc, .argv = argv, .is_first_part = true};
	struct err e = {0};
	if (options_init(&c->options, &e))
		return ctl_usage(c, "%s", e.text);
	if (options_read(&c->options, NULL, &line, &e))
		return ctl_usage(c, "%s", e.text);
	int at = line.index;
	if (at >= argc || c->options.is_version)
		return 0;
	const char *noun = argv[at];
	const char *verb =
		at + 1 < argc && !is_flag(argv[at + 1]) ? argv[at + 1] : NULL;
	const char *next = at + 1 < argc ? argv[at + 1] : "";
	bool wants_help = c->options.is_help || strcmp(next, "--help") == 0 ||
			  strcmp(next, "-h") == 0;
	if (wants_help && !verb && !command_find(noun, NULL) &&
	    command_is_noun(noun)) {
		c->help_noun = noun;
		return 0;
	}
	int rc = find_command(c, noun, verb);
	if (rc)
		return rc;
	int skip = at + (c->command->verb ? 1 : 0);
	return read_command(c, argc - skip, argv + skip);
}

static int run(struct ctl *c)
{
	FILE *out = c->world->out;
	if (c->options.is_version)
		help_version(out);
	else if (c->help_noun)
		help_noun(c->help_noun, out);
	else if (c->options.is_help && c->command)
		help_command(c->command, out);
	else if (c->options.is_help)
		help_overview(out);
	else if (c->command) {
		int rc = setup_link(c);
		return rc ? rc : c->command->run(c);
	} else {
		help_overview(c->world->err);
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int finish(struct ctl *c, int rc)
{
	char name[COMMAND_NAME_MAX] = "";
	if (c->command)
		command_name(c->command, '.', name);
	const struct ctl_failure *f = &c->failure;
	struct output_error error = {f->code, f->e.text,
				     f->hint[0] ? f->hint : NULL};
	bool has_answer =
		f->is_set || (c->command && c->command != &command_help &&
			      !c->options.is_help && !c->options.is_version);
	if (has_answer)
		output_end(&c->output, c->command ? name : NULL,
			   f->is_set ? &error : NULL);
	/* A full disk behind a pipe must not look like success. */
	if ((fflush(c->world->out) || ferror(c->world->out)) && !f->is_set) {
		struct err e;
		err_set(&e, ERR_IO, "writing the output: %s", strerror(errno));
		rc = ctl_fail(c, &e, NULL);
	}
	if (f->is_set)
		show_failure(c);
	return rc;
}

/* The words as typed, quoted where a shell would take them apart. */
static void keep_line(struct ctl *c, int argc, char **argv)
{
	size_t used = 0;
	for (int i = 1; i < argc; i++) {
		bool is_plain =
			argv[i][0] && !strpbrk(argv[i], " \t\n'\"\\$`"
							"*?[]#~&|;<>()");
		int n = snprintf(c->line + used, sizeof c->line - used,
				 is_plain ? "%s%s" : "%s'%s'", i > 1 ? " " : "",
				 argv[i]);
		if (n < 0 || (size_t)n >= sizeof c->line - used)
			return;
		used += (size_t)n;
	}
}

int ctl_main(const struct ctl_world *w, int argc, char **argv)
{
	struct ctl c = {.world = w};
	keep_line(&c, argc, argv);
	output_init(&c.output, w->out);
	int rc = read_line(&c, argc, argv);
	setup_output(&c);
	if (rc == 0)
		rc = run(&c);
	rc = finish(&c, rc);
	link_close(&c.link);
	output_clear(&c.output);
	return rc;
}
