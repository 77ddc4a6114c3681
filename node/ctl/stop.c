#include "node/ctl/stop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

int stop_begin(struct stop *s, struct err *e)
{
	*s = (struct stop){.fd = -1};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, &s->before) == 0);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd >= 0)
		return 0;
	int error = errno;
	CHECK(pthread_sigmask(SIG_SETMASK, &s->before, NULL) == 0);
	return err_set(e, ERR_SYSTEM, "signalfd: %s", strerror(error));
}

void stop_end(struct stop *s)
{
	close(s->fd);
	CHECK(pthread_sigmask(SIG_SETMASK, &s->before, NULL) == 0);
}

bool stop_wait(struct stop *s, int64_t ms)
{
	struct clock clock = clock_system();
	int64_t end_us = clock_mono_us(&clock) + ms * 1000;
	while (!s->is_asked) {
		int64_t left_ms = (end_us - clock_mono_us(&clock) + 999) / 1000;
		struct pollfd p = {.fd = s->fd, .events = POLLIN};
		int n = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
		struct signalfd_siginfo info;
		if (n > 0 && read(s->fd, &info, sizeof info) == sizeof info)
			s->is_asked = true;
		else if (left_ms <= 0)
			break;
	}
	return s->is_asked;
}
