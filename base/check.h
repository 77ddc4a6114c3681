/* CHECK: a bug is not an error. A claim that does not hold stops the process
 * at once, in every build, with file, line and the claim: going on would turn
 * a bug into lost data. Any thread. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

__attribute__((noreturn)) void check_failed(const char *file, int line,
					    const char *claim);

#define CHECK(claim) \
	((claim) ? (void)0 : check_failed(__FILE__, __LINE__, #claim))

#endif
