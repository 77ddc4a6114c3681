#include "bench/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

/* Children that are not reaped yet, for process_kill_all: while a pid stands
 * here it is still the child's own. */
enum { PROCESS_MAX = 64 };
static pthread_mutex_t children_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t children[PROCESS_MAX];

static void children_swap(pid_t from, pid_t to)
{
	unsigned i = 0;

	pthread_mutex_lock(&children_lock);
	while (i < PROCESS_MAX && children[i] != from)
		i++;
	CHECK(i < PROCESS_MAX);
	children[i] = to;
	pthread_mutex_unlock(&children_lock);
}

void process_kill_all(void)
{
	siginfo_t info;

	pthread_mutex_lock(&children_lock); /* for good */
	for (unsigned i = 0; i < PROCESS_MAX; i++)
		if (children[i] > 0)
			kill(children[i], SIGKILL);
	for (unsigned i = 0; i < PROCESS_MAX; i++)
		if (children[i] > 0)
			waitid(P_PID, (id_t)children[i], &info,
			       WEXITED | WNOWAIT);
}

/* Between fork and exec only calls that are safe after a fork of a process
 * with threads. */
__attribute__((noreturn)) static void child_run(const struct process_plan *plan,
						pid_t parent, int log_fd)
{
	static const char sorry[] = "cannot execute the program\n";
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have died before prctl: then no signal comes. */
	if (getppid() != parent)
		_exit(127);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	execvp(plan->argv[0], (char *const *)(uintptr_t)plan->argv);
	if (write(STDERR_FILENO, sorry, sizeof sorry - 1) < 0)
		_exit(126);
	_exit(127);
}

int process_start(struct process *p, const struct process_plan *plan,
		  struct err *e)
{
	CHECK(p->pid == 0);
	int log_fd = open(plan->log_path,
			  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		return err_set(e, ERR_IO, "open %s: %s", plan->log_path,
			       strerror(errno));
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		child_run(plan, parent, log_fd);
	int fork_errno = errno;
	close(log_fd);
	if (pid < 0)
		return err_set(e, ERR_SYSTEM, "fork: %s", strerror(fork_errno));
	int pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		int open_errno = errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return err_set(e, ERR_SYSTEM, "pidfd_open: %s",
			       strerror(open_errno));
	}
	children_swap(0, pid);
	*p = (struct process){.pid = pid, .pidfd = pidfd};
	return 0;
}

static void process_forget(struct process *p)
{
	close(p->pidfd);
	*p = (struct process){0};
}

int process_wait(struct process *p, int timeout_ms, int *status)
{
	int state = 0;

	if (p->pid != 0) {
		struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};
		int n;
		do {
			n = poll(&fd, 1, timeout_ms);
		} while (n < 0 && errno == EINTR);
		if (n <= 0)
			return ERR_TIMEOUT;
		children_swap(p->pid, 0);
		CHECK(waitpid(p->pid, &state, 0) == p->pid);
		process_forget(p);
	}
	if (status)
		*status = state;
	return 0;
}

bool process_is_running(struct process *p)
{
	return p->pid != 0 && process_wait(p, 0, NULL) != 0;
}

void process_signal(struct process *p, int sig)
{
	CHECK(p->pid > 0);
	/* The child is not reaped yet, so the pid is still its own. */
	CHECK(kill(p->pid, sig) == 0);
	if (sig == SIGSTOP)
		p->is_frozen = true;
	if (sig == SIGCONT)
		p->is_frozen = false;
}

void process_kill(struct process *p)
{
	if (p->pid == 0)
		return;
	process_signal(p, SIGKILL);
	CHECK(process_wait(p, -1, NULL) == 0);
}

static uint64_t status_bytes(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	if (!at)
		return 0;
	return strtoull(at + strlen(key), NULL, 10) * 1024;
}

int process_use(pid_t pid, struct process_use *out, struct err *e)
{
	char path[64], text[4096];
	clockid_t clock;
	struct timespec cpu;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0 || clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &cpu) != 0)
		return err_set(e, ERR_NOTFOUND, "no process %d", (int)pid);
	text[n] = 0;
	*out = (struct process_use){
		.cpu_us = (uint64_t)cpu.tv_sec * 1000000 +
			  (uint64_t)cpu.tv_nsec / 1000,
		.own_bytes = status_bytes(text, "\nRssAnon:") +
			     status_bytes(text, "\nRssShmem:"),
		.file_bytes = status_bytes(text, "\nRssFile:"),
		.peak_rss_bytes = status_bytes(text, "\nVmHWM:"),
	};
	return 0;
}

bool process_find(const char *name, char *path, size_t size)
{
	const char *dirs = getenv("PATH");

	if (strchr(name, '/')) {
		int n = snprintf(path, size, "%s", name);
		return n > 0 && (size_t)n < size && access(path, X_OK) == 0;
	}
	while (dirs && *dirs) {
		int len = (int)strcspn(dirs, ":");
		int n = snprintf(path, size, "%.*s/%s", len, dirs, name);
		if (n > 0 && (size_t)n < size && access(path, X_OK) == 0)
			return true;
		dirs += len + (dirs[len] == ':');
	}
	return false;
}
