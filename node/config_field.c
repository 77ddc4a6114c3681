#include "node/config_field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "node/config_nearest.h"

static void put(void *target, const struct config_field *field,
		const void *value, size_t size)
{
	memcpy((char *)target + field->offset, value, size);
}

static bool put_text(const struct config_field *field, const char *text,
		     struct arena *arena, void *target)
{
	if (field->kind == FIELD_NAME ? !config_value_name(text) : !*text)
		return false;
	const char *copy = arena_strdup(arena, text);
	put(target, field, &copy, sizeof copy);
	return true;
}

static bool put_address(const struct config_field *field, const char *text,
			struct arena *arena, void *target)
{
	char host[CONFIG_HOST_MAX];
	struct config_address address = {0};
	if (!config_value_address(text, host, &address.port))
		return false;
	address.host = arena_strdup(arena, host);
	put(target, field, &address, sizeof address);
	return true;
}

static bool put_word(const struct config_field *field, const char *text,
		     void *target)
{
	for (int i = 0; field->words[i]; i++) {
		if (strcmp(field->words[i], text) != 0)
			continue;
		put(target, field, &i, sizeof i);
		return true;
	}
	return false;
}

static bool put_number(const struct config_field *field, const char *text,
		       void *target)
{
	int64_t number = 0;
	bool is_read = field->kind == FIELD_SIZE
			       ? config_value_size(text, &number)
		       : field->kind == FIELD_DURATION
			       ? config_value_duration(text, &number)
			       : config_value_integer(text, &number);
	if (is_read)
		put(target, field, &number, sizeof number);
	return is_read;
}

bool config_field_put(const struct config_field *field, const char *text,
		      struct arena *arena, void *target)
{
	bool flag = false;
	switch (field->kind) {
	case FIELD_TEXT:
	case FIELD_NAME:
	case FIELD_FILE:
		return put_text(field, text, arena, target);
	case FIELD_ADDRESS:
		return put_address(field, text, arena, target);
	case FIELD_WORD:
		return put_word(field, text, target);
	case FIELD_BOOL:
		if (!config_value_bool(text, &flag))
			return false;
		put(target, field, &flag, sizeof flag);
		return true;
	default:
		return put_number(field, text, target);
	}
}

/* The number by which min and max judge; false: nothing to judge. */
static bool magnitude(const struct config_field *field, const void *target,
		      int64_t *value)
{
	const void *from = (const char *)target + field->offset;
	if (field->min == 0 && field->max == 0)
		return false;
	if (field->kind == FIELD_ADDRESS) {
		struct config_address address;
		memcpy(&address, from, sizeof address);
		*value = address.port;
		return true;
	}
	if (field->kind != FIELD_INTEGER && field->kind != FIELD_SIZE &&
	    field->kind != FIELD_DURATION)
		return false;
	memcpy(value, from, sizeof *value);
	return true;
}

bool config_field_is_in_range(const struct config_field *field,
			      const void *target)
{
	int64_t value = 0;
	return !magnitude(field, target, &value) ||
	       (value >= field->min && value <= field->max);
}

void config_field_put_limit(const struct config_field *field, int64_t value,
			    char *buf)
{
	if (field->kind == FIELD_SIZE)
		config_value_put_size(value, buf);
	else if (field->kind == FIELD_DURATION)
		config_value_put_duration(value, buf);
	else
		snprintf(buf, CONFIG_VALUE_TEXT_MAX, "%" PRId64, value);
}

void config_field_report_range(const struct config_field *field,
			       const struct yaml_node *node,
			       struct config_problems *problems)
{
	char min[CONFIG_VALUE_TEXT_MAX];
	char max[CONFIG_VALUE_TEXT_MAX];
	config_field_put_limit(field, field->min, min);
	config_field_put_limit(field, field->max, max);
	config_problem_add(problems, node->place, PROBLEM_RANGE,
			   "'%.64s' is out of range", node->text);
	config_problem_note(problems, "allowed: %s to %s%s", min, max,
			    field->kind == FIELD_ADDRESS ? " as port" : "");
}

static void note_words(const struct config_field *field, const char *typed,
		       struct config_problems *problems)
{
	char text[256] = "";
	size_t used = 0;
	struct config_nearest near = config_nearest_init(typed);
	for (size_t i = 0; field->words[i]; i++) {
		int n = snprintf(text + used, sizeof text - used, "%s%s",
				 i > 0 ? "|" : "", field->words[i]);
		CHECK(n > 0 && (size_t)n < sizeof text - used);
		used += (size_t)n;
		config_nearest_try(&near, field->words[i]);
	}
	if (near.best)
		config_problem_note(problems, "did you mean '%s'? allowed: %s",
				    near.best, text);
	else
		config_problem_note(problems, "allowed: %s", text);
}

void config_field_report(const struct config_field *field,
			 const struct yaml_node *node,
			 struct config_problems *problems)
{
	static const char *const notes[] = {
		[FIELD_TEXT] = "it must not be empty",
		[FIELD_NAME] = "a name has letters, digits, '-', '_' and '.', "
			       "begins with a letter or digit, and is at most "
			       "63 long",
		[FIELD_FILE] = "it must not be empty",
		[FIELD_ADDRESS] = "write host:port or [v6]:port, such as "
				  "10.0.0.1:41001",
		[FIELD_BOOL] = "allowed: true|false",
		[FIELD_INTEGER] = "write decimal digits, without leading zeros",
		[FIELD_SIZE] = "write a whole number and one of B KiB MiB GiB "
			       "TiB, such as 8MiB",
		[FIELD_DURATION] = "write a whole number and one of ms s m h, "
				   "such as 250ms",
	};
	config_problem_add(problems, node->place, PROBLEM_BAD_VALUE,
			   "'%.64s' is not %s", node->text,
			   config_field_what(field->kind));
	if (field->kind == FIELD_WORD)
		note_words(field, node->text, problems);
	else
		config_problem_note(problems, "%s", notes[field->kind]);
}

const char *config_field_what(enum field_kind kind)
{
	static const char *const names[] = {
		[FIELD_TEXT] = "a text",
		[FIELD_NAME] = "a name",
		[FIELD_FILE] = "a file name",
		[FIELD_ADDRESS] = "an address",
		[FIELD_BOOL] = "a boolean",
		[FIELD_INTEGER] = "a whole number",
		[FIELD_SIZE] = "a size",
		[FIELD_DURATION] = "a duration",
		[FIELD_WORD] = "an allowed value",
		[FIELD_BLOCK] = "a mapping",
		[FIELD_NAMES] = "a mapping of names",
		[FIELD_LIST] = "a list",
		[FIELD_OTHERS] = "names",
		[FIELD_LATER] = "nothing yet",
	};
	return names[kind];
}

bool config_field_takes_plain(const struct config_field *fields)
{
	return fields && fields[0].name && !fields[0].name[0];
}

bool config_field_is_plain(const struct config_field *fields)
{
	return config_field_takes_plain(fields) && !fields[1].name;
}
