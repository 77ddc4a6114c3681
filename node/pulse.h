/* Pulse: does the leader think that a node lives? A connection that broke and
 * did not come back within LIMIT_LOST_MS says no at once; so does silence of
 * LIMIT_SILENT_MS on one that is there. Wrong is harmless (epochs), only not
 * for free. Pure. */
#ifndef NODE_PULSE_H
#define NODE_PULSE_H

#include <stdbool.h>
#include <stdint.h>

/* What was seen of a member; monotonic microseconds. */
struct pulse {
	bool is_connected;
	int64_t down_us;  /* when the connection broke; 0: never */
	int64_t heard_us; /* the last frame */
};

/* since_us: when this node began to listen, or woke up again: what it missed
 * before is nobody's silence. A member that was never connected gets
 * LIMIT_SILENT_MS from then. */
bool pulse_is_lost(const struct pulse *p, int64_t since_us, int64_t now_us);
/* How long it took to say so, from the last sign of life; for a lost one. */
int64_t pulse_detect_us(const struct pulse *p, int64_t now_us);
/* When pulse_is_lost may turn true if nothing is heard. */
int64_t pulse_due_us(const struct pulse *p, int64_t since_us);

#endif
