/* Values of the dialect: what a text means where a number, a size, a duration
 * or an address is due. Pure. Each function returns false, and touches nothing,
 * when the text is no such value; the caller reports it. */
#ifndef NODE_CONFIG_VALUE_H
#define NODE_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An IPv6 host carries no brackets here. host NULL: not set. */
struct config_address {
	const char *host;
	uint16_t port;
};

enum { CONFIG_HOST_MAX = 256, CONFIG_VALUE_TEXT_MAX = 320 };

/* Only true and false. */
bool config_value_bool(const char *text, bool *value);
/* Decimal, no sign but '-', no leading zeros (they mean octal elsewhere). */
bool config_value_integer(const char *text, int64_t *value);
/* 512B, 64KiB, 8MiB, 4GiB, 1TiB: a whole number and a unit. */
bool config_value_size(const char *text, int64_t *bytes);
/* 250ms, 5s, 10m, 1h: a whole number and a unit. */
bool config_value_duration(const char *text, int64_t *ms);
/* host:port or [v6]:port; host has room for CONFIG_HOST_MAX. */
bool config_value_address(const char *text, char *host, uint16_t *port);
/* Letters, digits, '-', '_' and '.', first a letter or digit, at most
 * LIMIT_NAME_BYTES. */
bool config_value_name(const char *text);

/* The other way: the shortest text that reads back as the same value. buf has
 * CONFIG_VALUE_TEXT_MAX. */
void config_value_put_size(int64_t bytes, char *buf);
void config_value_put_duration(int64_t ms, char *buf);
void config_value_put_address(const struct config_address *a, char *buf);

#endif
