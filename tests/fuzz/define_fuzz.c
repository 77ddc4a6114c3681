/* node/define_read: whatever stands in a definition, it is read or refused with
 * a problem; problems can be shown; and one that is good still is when its
 * paths are made absolute, which leaves nothing to do a second time. */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node/define.h"

static const char *const words[] = {"disable", "require", NULL};

static const struct connector_option options[] = {
	{.name = "path", .doc = "File.", .is_required = true, .is_path = true},
	{.name = "password", .doc = "Password.", .is_secret = true},
	{.name = "port", .doc = "Port.", .is_number = true},
	{.name = "tls", .doc = "TLS.", .words = words},
	{.name = NULL},
};

static const struct connector sqlite = {.type = "sqlite", .options = options};

static const struct connector *find(const char *type)
{
	return strcmp(type, "sqlite") == 0 ? &sqlite : NULL;
}

static struct define_text *read_text(struct bytes text,
				     struct config_problems *problems)
{
	config_problems_init(problems);
	struct define_text *d = define_read(text, "x.yaml", find, problems);
	CHECK((d == NULL) == (problems->n > 0));
	return d;
}

static void show(struct config_problems *problems)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CHECK(out);
	config_problems_print(problems, out);
	fclose(out);
	CHECK(strlen(text) == len);
	/* Only what the source may bring along: newlines and tabs. */
	for (const char *c = text; *c; c++)
		CHECK((unsigned char)*c >= 0x20 || *c == '\n' || *c == '\t');
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config_problems problems, again;
	struct bytes text = {data, len};
	size_t n = 0;

	struct define_text *d = read_text(text, &problems);
	show(&problems);
	if (d) {
		char *absolute = define_absolute(d, text, "/x y/\"z", &n);
		struct define_text *second =
			read_text((struct bytes){(const uint8_t *)absolute,
						 strlen(absolute)},
				  &again);
		CHECK(second);
		if (n == 0)
			CHECK(memcmp(absolute, data, len) == 0);
		text = (struct bytes){(const uint8_t *)absolute,
				      strlen(absolute)};
		free(define_absolute(second, text, "/x", &n));
		CHECK(n == 0);
		define_text_free(second);
		config_problems_clear(&again);
		free(absolute);
	}
	define_text_free(d);
	config_problems_clear(&problems);
	return 0;
}
