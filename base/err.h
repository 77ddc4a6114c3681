/* Errors: one code and one text an operator can read.
 *
 * A function that can fail returns 0 or a negative ERR_ code. The text is
 * written once, where the cause is known (err_set); callers on the way up may
 * put the name of their room in front (err_wrap). The one who handles an error
 * logs it; the one who passes it on does not.
 *
 * Any thread; a struct err belongs to the caller that declared it. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

/* name, printable code, one sentence that says what it means. The codes travel
 * as numbers (Fate, Problem): add at the end only. */
#define ERR_LIST(X)                                                            \
	X(ERR_IO, "io", "A file or device operation failed.")                  \
	X(ERR_NOMEM, "nomem", "Memory could not be allocated.")                \
	X(ERR_FULL, "full", "A quota is used up; free space or raise it.")     \
	X(ERR_CORRUPT, "corrupt",                                              \
	  "Stored or received data failed its check and was not used.")        \
	X(ERR_FORMAT, "format",                                                \
	  "The data has a format version that this program does not know.")    \
	X(ERR_LIMIT, "limit", "A size or count is over its named limit.")      \
	X(ERR_INVALID, "invalid", "An argument or a definition is not valid.") \
	X(ERR_NOTFOUND, "notfound", "What was asked for does not exist.")      \
	X(ERR_EXISTS, "exists", "What should be created exists already.")      \
	X(ERR_LOCKED, "locked", "Another process holds the lock.")             \
	X(ERR_IDENTITY, "identity",                                            \
	  "The data or peer belongs to another cluster, node or incarnation.") \
	X(ERR_PERMISSION, "permission", "The system refused access.")          \
	X(ERR_NETWORK, "network", "A connection failed or was refused.")       \
	X(ERR_TLS, "tls", "A certificate or key could not be used.")           \
	X(ERR_TIMEOUT, "timeout", "A deadline passed.")                        \
	X(ERR_BUSY, "busy", "It cannot be done now; try again.")               \
	X(ERR_NOT_LEADER, "not_leader", "This node does not lead.")            \
	X(ERR_NO_LEADER, "no_leader", "The cluster has no leader now.")        \
	X(ERR_REFUSED, "refused", "The cluster refused it; nothing happened.") \
	X(ERR_UNKNOWN_FATE, "unknown_fate",                                    \
	  "It may or may not have happened; read back before a repeat.")       \
	X(ERR_CLOSED, "closed", "The thing is shutting down.")                 \
	X(ERR_SYSTEM, "system", "The operating system refused a request.")     \
	X(ERR_FENCED, "fenced", "A newer owner has taken this over.")          \
	X(ERR_SCHEMA, "schema",                                                \
	  "A table is no longer what it was when it was planned.")             \
	X(ERR_GAP, "gap",                                                      \
	  "The source no longer has the changes behind our position.")         \
	X(ERR_DATA, "data", "The target refuses a value or a row.")            \
	X(ERR_CHANGED, "changed",                                              \
	  "Something else changed meanwhile; look again before a repeat.")

enum err_code {
	ERR_NONE = 0,
	ERR__BASE = -1000, /* codes are ERR__BASE + 1, + 2, ... */
#define ERR_ENUM(name, text, sentence) name,
	ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
		ERR__END
};

enum { ERR_TEXT_MAX = 512 };

struct err {
	int code; /* 0 or an ERR_ code */
	char text[ERR_TEXT_MAX];
};

/* Write code and text, return code. e may be NULL: only the code travels. */
__attribute__((format(printf, 3, 4))) int err_set(struct err *e, int code,
						  const char *fmt, ...);

/* Put "what: " in front of the text, return e->code. */
int err_wrap(struct err *e, const char *what);

/* "io", "corrupt", ...; "ok" for 0, "unknown" for a code not in the list. */
const char *err_name(int code);

/* The sentence of the list. Never NULL. */
const char *err_sentence(int code);

#endif
