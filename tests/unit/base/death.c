#include "death.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void run_child(void (*body)(void *ctx), void *ctx, int fd)
{
	struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	/* cmocka's handler would report the signal and go on. */
	signal(SIGABRT, SIG_DFL);
	dup2(fd, STDERR_FILENO);
	close(fd);
	body(ctx);
	_exit(0);
}

int death_run(void (*body)(void *ctx), void *ctx, char *text, size_t size)
{
	int fds[2], status;
	size_t len = 0;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		run_child(body, ctx, fds[1]);
	}
	close(fds[1]);
	while (len < size - 1) {
		ssize_t n = read(fds[0], text + len, size - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

void death_expect(void (*body)(void *ctx), void *ctx, const char *words)
{
	char text[4096];
	int status = death_run(body, ctx, text, sizeof text);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	if (!strstr(text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, text);
}
