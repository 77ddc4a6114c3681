/* Logging: one event, one line, logfmt, to stderr.
 *
 *   ts=2026-11-20T08:19:02.120033Z level=info node=n1 event=leader_elected
 * term=14
 *
 * Stable keys, no secrets, no row values. Under systemd (JOURNAL_STREAM set) a
 * line begins with its <priority>. Any thread; a line is one write. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG__N };

void log_set_level(enum log_level level);
void log_set_node(const char *name); /* the node= of each line; copied */
bool log_parse_level(const char *text, enum log_level *level);
const char *log_level_name(enum log_level level);

/* fmt gives the key=value pairs behind event=; quote texts with LOG_Q. */
__attribute__((format(printf, 3, 4))) void
log_event(enum log_level level, const char *event, const char *fmt, ...);

/* A text as a logfmt value: quoted and escaped when it needs to be. The result
 * lives in a per-thread buffer and stays for the next 7 calls. */
const char *log_quote(const char *text);
#define LOG_Q(text) log_quote(text)

#endif
