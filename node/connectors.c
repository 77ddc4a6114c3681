#include <string.h>

#include "node/define.h"

const struct connector *const connectors_all[] = {
	&connector_sqlite,
	&connector_postgres,
	NULL,
};

const struct connector *connectors_find(const char *type)
{
	for (size_t i = 0; connectors_all[i]; i++)
		if (strcmp(connectors_all[i]->type, type) == 0)
			return connectors_all[i];
	return NULL;
}
