#include <string.h>

#include "node/define.h"

/* Those that this program was built with. */
const struct connector *const connectors_all[] = {
#ifdef SYNOD_WITH_SQLITE
	&connector_sqlite,
#endif
#ifdef SYNOD_WITH_POSTGRESQL
	&connector_postgres,
#endif
	NULL,
};

const struct connector *connectors_find(const char *type)
{
	for (size_t i = 0; connectors_all[i]; i++)
		if (strcmp(connectors_all[i]->type, type) == 0)
			return connectors_all[i];
	return NULL;
}
