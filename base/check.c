#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *file, int line, const char *claim)
{
	char text[512];
	int n = snprintf(text, sizeof text, "%s:%d: %s does not hold\n", file,
			 line, claim);

	/* One write and no stdio: locks and buffers may be what is broken. */
	if (n > 0) {
		size_t len = (size_t)n;
		if (len >= sizeof text)
			len = sizeof text - 1;
		ssize_t written = write(STDERR_FILENO, text, len);
		(void)written;
	}
	abort();
}
