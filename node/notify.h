/* Notify: what systemd wants to know. Nothing happens when it did not start us.
 * Loop thread. */
#ifndef NODE_NOTIFY_H
#define NODE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

void notify_ready(void);
void notify_stopping(void);
/* A reload begins; notify_ready ends it. */
void notify_reloading(void);
/* One line for `systemctl status`. */
__attribute__((format(printf, 1, 2))) void notify_status(const char *fmt, ...);
/* Half the watchdog's period in microseconds; 0: no watchdog. */
int64_t notify_watchdog_us(void);
void notify_alive(void);

#endif
