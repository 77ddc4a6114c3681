#include <string.h>

#include "base/check.h"
#include "node/config_schema.h"

void config_settings_init(struct config_settings *s)
{
	*s = (struct config_settings){0};
	arena_init(&s->arena, 4096);
}

void config_settings_clear(struct config_settings *s)
{
	arena_free(&s->arena);
	*s = (struct config_settings){0};
}

struct config_setting *config_settings_find(const struct config_settings *s,
					    const char *path)
{
	for (struct config_setting *i = s->first; i; i = i->next)
		if (strcmp(i->path, path) == 0)
			return i;
	return NULL;
}

void config_settings_derive(struct config_settings *s, const char *path,
			    const char *value, const char *origin)
{
	struct config_setting *setting = config_settings_find(s, path);
	CHECK(setting);
	setting->value = arena_strdup(&s->arena, value);
	setting->origin = origin;
}

struct config_place config_settings_place(const struct config_settings *s,
					  const char *path)
{
	const struct config_setting *setting = config_settings_find(s, path);
	return setting ? setting->place : (struct config_place){0};
}
