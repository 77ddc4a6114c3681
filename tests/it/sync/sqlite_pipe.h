/* A pipeline in small: a source file, a log, a target file, and a process for
 * each step, so that each can be killed at any line. The log is a table with
 * the rules of the ledger: a batch counts only if its epoch is the newest of
 * its task and it begins where the one before ended. */
#ifndef TESTS_IT_SYNC_SQLITE_PIPE_H
#define TESTS_IT_SYNC_SQLITE_PIPE_H

#include <sys/types.h>

#include "sqlite_fixture.h"

/* What a child that ended by itself says. */
enum { PIPE_DONE = 0, PIPE_FENCED = 10, PIPE_BUSY = 11, PIPE_FAILED = 12 };

struct pipe_files {
	struct fixture source, target;
	char log[128];
};

/* Both files get this schema; the tables named take part, in order. */
void pipe_open(struct pipe_files *p, const char *sql, const char *const *tables,
	       size_t n);
void pipe_close(struct pipe_files *p);

/* In a process of their own until they are killed or fenced. */
pid_t pipe_capture(struct pipe_files *p, uint64_t epoch);
pid_t pipe_apply(struct pipe_files *p, uint64_t epoch);
/* A process that runs fn with a connection of its own to the source. */
pid_t pipe_writer(struct pipe_files *p, void (*fn)(sqlite3 *db, int id),
		  int id);
/* kill -9 and wait. */
void pipe_kill(pid_t pid);
/* Its exit code, or -1 while it runs; waits up to wait_ms. */
int pipe_wait(pid_t pid, int wait_ms);
/* Entries of the log. */
int64_t pipe_entries(struct pipe_files *p);
/* Both files hold the same rows of the table; else how many differ. */
int64_t pipe_differences(struct pipe_files *p, const char *table);
/* Wait until all tables are equal; false after wait_ms. */
bool pipe_settles(struct pipe_files *p, int wait_ms);
/* Stay for a moment or until something else is due: never for luck. */
void pipe_pause(int ms);

#endif
