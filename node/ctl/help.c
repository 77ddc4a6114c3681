#include <jansson.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "node/ctl/command.h"

enum { NAME_WIDTH = 28, TEXT_COLUMN = NAME_WIDTH + 3, LINE_WIDTH = 80 };

static const char exit_codes[] =
	"Exit codes:\n"
	"  0  done, healthy, no difference\n"
	"  1  the cluster refused it, or the action failed\n"
	"  2  usage: a bad command line or bad input\n"
	"  3  environment: no node reachable, no leader, TLS\n"
	"  4  a precondition changed meanwhile\n"
	"  5  reachable but unhealthy (status --exit-code, doctor)\n"
	"  6  differences found\n"
	"  7  a wait ran out; the work goes on in the cluster\n"
	"  --follow and --watch end with 0 when interrupted.\n";

/* Words from column on, later lines from indent on. */
static void put_words(const char *text, size_t column, size_t indent, FILE *out)
{
	bool is_first = true;
	while (*text) {
		size_t len = strcspn(text, " ");
		if (!is_first && column + 1 + len > LINE_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!is_first) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, len, out);
		column += len;
		text += len;
		text += strspn(text, " ");
		is_first = false;
	}
	fputc('\n', out);
}

/* A name and its text beside it, or below when the name is long. */
static void put_entry(const char *name, const char *text, FILE *out)
{
	int used = fprintf(out, "  %-*s", NAME_WIDTH, name);
	if (used >= TEXT_COLUMN) {
		fputc('\n', out);
		used = 0;
	}
	fprintf(out, "%*s", TEXT_COLUMN - used, "");
	put_words(text, TEXT_COLUMN, TEXT_COLUMN, out);
}

static void put_flag(const struct ctl_flag *f, FILE *out)
{
	char text[80];
	char letter[4] = "";
	if (f->letter)
		snprintf(letter, sizeof letter, "-%c,", f->letter);
	snprintf(text, sizeof text, "%-3s --%s%s%s%s%s", letter, f->name,
		 f->preset ? "[" : "", f->value ? (f->preset ? "=" : " ") : "",
		 f->value ? f->value : "", f->preset ? "]" : "");
	put_entry(text, f->doc, out);
}

static void put_flags(const char *title, const struct ctl_flag *table,
		      FILE *out)
{
	fprintf(out, "\n%s:\n", title);
	for (const struct ctl_flag *f = table; f->name; f++)
		put_flag(f, out);
}

static void put_summary(const struct ctl_command *command, FILE *out)
{
	char name[COMMAND_NAME_MAX];
	char line[COMMAND_NAME_MAX + 64];
	command_name(command, ' ', name);
	snprintf(line, sizeof line, "%s %s", name, command->args);
	put_entry(line, command->summary, out);
}

void help_overview(FILE *out)
{
	fprintf(out, "synodctl looks at and steers a Synod cluster.\n\n"
		     "Usage: synodctl [FLAGS] NOUN [VERB] [FLAGS] [ARGS]\n\n"
		     "Commands:\n");
	for (size_t i = 0; commands[i]; i++)
		put_summary(commands[i], out);
	put_flags("Flags of all commands", options_global, out);
	fprintf(out,
		"\nA flag with a value can also be set in the environment, as\n"
		"SYNODCTL_ENDPOINT or SYNODCTL_CA.\n\n%s\n"
		"Help on one command: synodctl help NOUN [VERB]\n",
		exit_codes);
}

void help_command(const struct ctl_command *command, FILE *out)
{
	char name[COMMAND_NAME_MAX];
	command_name(command, ' ', name);
	fprintf(out, "synodctl %s: %s\n\nUsage: synodctl %s%s%s%s\n", name,
		command->summary, name, command->flags ? " [FLAGS]" : "",
		command->args[0] ? " " : "", command->args);
	if (command->detail) {
		fputc('\n', out);
		put_words(command->detail, 0, 0, out);
	}
	if (command->risk == RISK_DISRUPTIVE)
		fprintf(out, "\nDisruptive: it moves work and loses nothing. "
			     "It asks first; --yes does not.\n");
	if (command->risk == RISK_DESTRUCTIVE)
		fprintf(out, "\nDestructive: something is lost. It shows what, "
			     "and asks for a name to be\ntyped; with --yes it "
			     "does not.\n");
	if (command->flags)
		put_flags("Flags", command->flags, out);
	fprintf(out, "\nExamples:\n");
	for (size_t i = 0; command->examples[i]; i++)
		fprintf(out, "  %s\n", command->examples[i]);
	fprintf(out, "\nFlags of all commands: synodctl help\n");
}

void help_noun(const char *noun, FILE *out)
{
	fprintf(out, "Usage: synodctl %s VERB\n\nCommands:\n", noun);
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->noun, noun) == 0)
			put_summary(commands[i], out);
	fprintf(out, "\nHelp on one command: synodctl help %s VERB\n", noun);
}

void help_version(FILE *out)
{
	const char *smartcols = NULL;
	scols_get_library_version(&smartcols);
	fprintf(out, "synodctl %s\njansson %s\nlibsmartcols %s\n",
		SYNOD_VERSION, jansson_version_str(), smartcols);
}

static int run_help(struct ctl *c)
{
	FILE *out = c->world->out;
	const char *noun = c->n_args > 0 ? c->args[0] : NULL;
	const char *verb = c->n_args > 1 ? c->args[1] : NULL;
	if (!noun) {
		help_overview(out);
		return EXIT_DONE;
	}
	if (!verb && strcmp(noun, "exit-codes") == 0) {
		fputs(exit_codes, out);
		return EXIT_DONE;
	}
	const struct ctl_command *command = command_find(noun, verb);
	if (command)
		help_command(command, out);
	else if (!verb && command_is_noun(noun))
		help_noun(noun, out);
	else
		return ctl_usage(c, "there is no command '%.40s%s%.40s'", noun,
				 verb ? " " : "", verb ? verb : "");
	return EXIT_DONE;
}

static const char *const examples[] = {
	"synodctl help",
	"synodctl help node transfer-leader",
	"synodctl help exit-codes",
	NULL,
};

const struct ctl_command command_help = {
	.noun = "help",
	.args = "[NOUN [VERB]]",
	.summary = "what synodctl can do, and how",
	.examples = examples,
	.risk = RISK_READ,
	.args_max = 2,
	.run = run_help,
};
