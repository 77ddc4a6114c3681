#include "connectors/postgres/failure.h"

#include <stddef.h>
#include <string.h>

#include "base/err.h"

/* The first row whose beginning fits decides: exact codes before classes. */
static const struct {
	const char *begin;
	int code;
} failures[] = {
	{"42501", ERR_PERMISSION}, /* insufficient_privilege */
	{"428C9", ERR_SCHEMA},     /* generated_always */
	{"57014", ERR_BUSY},       /* query_canceled */
	{"55P03", ERR_BUSY},       /* lock_not_available */
	{"25P03", ERR_NETWORK},    /* idle_in_transaction_session_timeout */
	{"3D000", ERR_INVALID},    /* no such database */
	{"08", ERR_NETWORK},       /* connection */
	{"57", ERR_NETWORK},       /* operator intervention: shutdown, ... */
	{"40", ERR_BUSY},          /* serialization, dead-lock */
	{"53", ERR_BUSY},          /* out of connections, memory, disk */
	{"55", ERR_BUSY},          /* object in use, not in a fit state */
	{"25", ERR_BUSY},          /* read-only: a standby for now */
	{"28", ERR_PERMISSION},    /* log in */
	{"22", ERR_DATA},          /* value */
	{"23", ERR_DATA},          /* constraint */
	{"44", ERR_DATA},          /* check option of a view */
	{"54", ERR_DATA},          /* too large: an index row, ... */
	{"P0", ERR_DATA},          /* raised by a trigger */
	{"09", ERR_DATA},          /* a trigger's action */
	{"27", ERR_DATA},          /* triggered data change */
	{"38", ERR_DATA},          /* a function of the customer's */
	{"39", ERR_DATA},
	{"42", ERR_SCHEMA}, /* undefined table, column, type */
	{"0A", ERR_SCHEMA}, /* not for this kind of table */
	{"3F", ERR_SCHEMA},
};

int pg_failure_code(const char *sqlstate)
{
	if (!sqlstate || strlen(sqlstate) != 5)
		return ERR_NETWORK;
	for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
		const char *begin = failures[i].begin;
		if (strncmp(sqlstate, begin, strlen(begin)) == 0)
			return failures[i].code;
	}
	return ERR_SYSTEM;
}
