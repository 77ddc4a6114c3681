#include "cluster/wire/wire_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "cluster/wire/wire.h"

/* Characters that mean something in a url have no place in a host. */
static bool is_host(const char *host)
{
	size_t len = strlen(host);

	return len > 0 && len <= LIMIT_ADDRESS_BYTES &&
	       strpbrk(host, "/@?#[]% \t\r\n\\\"") == NULL;
}

int wire_url(char url[WIRE_URL_MAX], bool is_tls, const char *host,
	     unsigned port, struct err *e)
{
	bool is_v6 = strchr(host, ':') != NULL;

	if (!is_host(host))
		return err_set(e, ERR_INVALID, "%s is not a host name", host);
	if (port == 0 || port > UINT16_MAX)
		return err_set(e, ERR_INVALID,
			       "port %u of %s is not between 1 and %d", port,
			       host, UINT16_MAX);
	snprintf(url, WIRE_URL_MAX, "%s://%s%s%s:%u",
		 is_tls ? "tls+tcp" : "tcp", is_v6 ? "[" : "", host,
		 is_v6 ? "]" : "", port);
	return 0;
}

int wire_ipc_path_check(const char *path, struct err *e)
{
	/* sun_path holds the path and a NUL. nng's own field is longer: it
	 * would bind a path that was cut off. */
	size_t max = sizeof((struct sockaddr_un *)0)->sun_path - 1;

	if (path[0] == '\0')
		return err_set(e, ERR_INVALID, "the socket path is empty");
	if (strlen(path) > max)
		return err_set(e, ERR_LIMIT,
			       "socket path %s has %zu bytes, a unix socket "
			       "takes %zu: choose a shorter one",
			       path, strlen(path), max);
	return 0;
}

int wire_ipc_url(char url[WIRE_URL_MAX], const char *path, struct err *e)
{
	int rc = wire_ipc_path_check(path, e);

	if (rc)
		return rc;
	snprintf(url, WIRE_URL_MAX, "ipc://%s", path);
	return 0;
}

bool wire_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return false;
}
