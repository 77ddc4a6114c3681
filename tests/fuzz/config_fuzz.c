/* node/config: whatever stands in a file, it is read or refused with a problem;
 * problems can be shown; and a file that is good still is when it is printed.
 */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "node/config.h"

static char *capture(void (*print)(void *what, FILE *out), void *what)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	CHECK(out);
	print(what, out);
	fclose(out);
	CHECK(strlen(text) == len);
	return text;
}

static void print_config(void *what, FILE *out)
{
	node_config_print(what, out);
}

static void print_problems(void *what, FILE *out)
{
	config_problems_print(what, out);
}

/* Only what the source may bring along: newlines and tabs. */
static void check_harmless(const char *text)
{
	for (const char *c = text; *c; c++)
		CHECK((unsigned char)*c >= 0x20 || *c == '\n' || *c == '\t');
}

static void check_round_trip(const struct node_config *first)
{
	struct node_config second;
	struct config_problems problems;
	char *text = capture(print_config, (void *)(uintptr_t)first);

	config_problems_init(&problems);
	CHECK(node_config_parse(
		      "/x/node.yaml",
		      (struct bytes){(const uint8_t *)text, strlen(text)},
		      &second, &problems) == 0);
	CHECK(second.cluster_hash == first->cluster_hash);
	CHECK(strcmp(second.data, first->data) == 0);
	CHECK(strcmp(second.admin.socket, first->admin.socket) == 0);
	CHECK(second.listen.port == first->listen.port);
	node_config_clear(&second);
	config_problems_clear(&problems);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct node_config cfg;
	struct config_problems problems;

	config_problems_init(&problems);
	int rc = node_config_parse("/x/node.yaml", (struct bytes){data, len},
				   &cfg, &problems);
	CHECK((rc == 0) == (problems.n == 0));
	char *text = capture(print_problems, &problems);
	check_harmless(text);
	free(text);
	if (rc == 0)
		check_round_trip(&cfg);
	node_config_clear(&cfg);
	config_problems_clear(&problems);
	return 0;
}
