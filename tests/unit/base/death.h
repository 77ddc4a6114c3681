/* Death tests: a claim that does not hold must stop the process, and what it
 * says last is read by people. One thread; the body runs in a fork. */
#ifndef TEST_DEATH_H
#define TEST_DEATH_H

#include <stddef.h>

/* Run body(ctx) in a child with its stderr caught in text (NUL-terminated, cut
 * at size). Gives what waitpid said. */
int death_run(void (*body)(void *ctx), void *ctx, char *text, size_t size);

/* body must end by abort(), and stderr must contain the words. */
void death_expect(void (*body)(void *ctx), void *ctx, const char *words);

#endif
