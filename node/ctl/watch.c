#include "node/ctl/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node/ctl/command.h"
#include "node/ctl/stop.h"

/* Alternate screen, cursor off; and back. */
#define SCREEN_OPEN "\x1b[?1049h\x1b[?25l"
#define SCREEN_CLOSE "\x1b[?25h\x1b[?1049l"
#define SCREEN_HOME "\x1b[H"
#define CLEAR_LINE "\x1b[K"
#define CLEAR_BELOW "\x1b[J"

/* Each line clears what stood behind it: no flicker. */
static void paint(FILE *out, const char *text, size_t len)
{
	fputs(SCREEN_HOME, out);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			fputs(CLEAR_LINE, out);
		fputc(text[i], out);
	}
	fputs(CLEAR_BELOW, out);
	fflush(out);
}

/* An answer that failed is part of the picture. */
static void put_failure(struct ctl *c, FILE *file)
{
	if (!c->failure.is_set)
		return;
	fprintf(file, "synodctl: error: %s  [%s]\n", c->failure.e.text,
		c->failure.code);
	if (c->failure.hint[0])
		fprintf(file, "hint: %s\n", c->failure.hint);
	c->failure = (struct ctl_failure){0};
}

/* Into memory first, then onto the screen at once. */
static void tick_screen(struct ctl *c, int (*draw)(struct ctl *c))
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	CHECK(file);
	FILE *out = c->output.file;
	c->output.file = file;
	draw(c);
	output_flush(&c->output);
	put_failure(c, file);
	fclose(file);
	c->output.file = out;
	paint(out, text, len);
	free(text);
}

static void tick_plain(struct ctl *c, int (*draw)(struct ctl *c))
{
	char name[COMMAND_NAME_MAX];
	command_name(c->command, '.', name);
	if (draw(c) == 0 || !c->failure.is_set)
		output_end(&c->output, name, NULL);
	put_failure(c, c->world->err);
}

static int watch(struct ctl *c, int (*draw)(struct ctl *c))
{
	struct err e = {0};
	struct stop stop;
	bool is_screen = c->world->is_out_tty && output_is_table(&c->output);
	if (c->output.format == OUTPUT_JSON)
		return ctl_usage(c, "--watch gives many answers: use -o jsonl");
	if (stop_begin(&stop, &e))
		return ctl_fail(c, &e, NULL);
	if (is_screen)
		fputs(SCREEN_OPEN, c->world->out);
	do {
		if (is_screen)
			tick_screen(c, draw);
		else
			tick_plain(c, draw);
	} while (!ferror(c->world->out) &&
		 !stop_wait(&stop, c->options.watch_ms));
	if (is_screen)
		fputs(SCREEN_CLOSE, c->world->out);
	fflush(c->world->out);
	stop_end(&stop);
	output_finish(&c->output);
	return EXIT_DONE;
}

int watch_run(struct ctl *c, int (*draw)(struct ctl *c))
{
	return c->options.watch_ms > 0 ? watch(c, draw) : draw(c);
}
