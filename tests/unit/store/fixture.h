/* What the tests of the store share: a directory that goes away, an owner that
 * waits for completions with a deadline, entries whose content follows from
 * their index and term, and children that die. */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/store/log.h"
#include "cluster/store/state.h"

enum { FIXTURE_PATH_MAX = 512, FIXTURE_ENTRY_MAX = 1 << 20 };

struct fixture {
	char dir[FIXTURE_PATH_MAX], log_path[FIXTURE_PATH_MAX + 16];
	char state_path[FIXTURE_PATH_MAX + 16];
	struct mailbox owner;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_woken;
	size_t quota_bytes, state_quota_bytes;
	struct log_store *log;
	struct state_store *state;
	struct state_machine machine;
	uint64_t ticket;      /* of the last request made by a helper */
	uint64_t done_ticket; /* of the last completion */
	size_t n_done;
	uint64_t applied_index;
};

/* cmocka set-up and tear-down. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_open_log(struct fixture *f);
void fixture_close_log(struct fixture *f);
void fixture_open_state(struct fixture *f); /* and the log */
void fixture_close_state(struct fixture *f);

/* The entry every test means by this index and term; len of the caller. data
 * points into a buffer of its own for each call until entry_free. */
struct log_entry entry_make(uint64_t index, uint64_t term, size_t len);
void entry_free(struct log_entry *entry);
/* Fails the test unless out is entry_make(index, term, out->len). */
void entry_check(const struct log_entry *out, uint64_t index, uint64_t term);

/* Append [first, last] of len bytes each, wait until it is durable. */
void fixture_append(struct fixture *f, uint64_t first, uint64_t last,
		    uint64_t term, size_t len);
/* Wait for the completion of ticket, for an applied index. Deadline 20 s. */
void fixture_wait(struct fixture *f, uint64_t ticket);
void fixture_wait_applied(struct fixture *f, uint64_t index);
/* Wait until forgetting has got so far. */
void fixture_wait_first(struct fixture *f, uint64_t first);
/* Take what is there, without waiting. */
void fixture_drain(struct fixture *f);

/* Every entry of [first, last] can be read and is what it should be. */
void fixture_check_log(struct fixture *f, uint64_t first, uint64_t last,
		       uint64_t term);
/* Code of reading one entry. */
int fixture_read_code(struct fixture *f, uint64_t index);

/* Where on the disk the bytes at p, inside a mapped data file, are. */
size_t fixture_file_offset(const void *p);
void fixture_flip(const char *dir, size_t offset, unsigned bit);

/* Run fn in a child process; its wait status. What it writes to stderr comes
 * back in text (text_max bytes). */
int fixture_child(void (*fn)(void *), void *ctx, char *text, size_t text_max);
bool died_of_check(int status); /* abort() */
bool died_of_ioerr(int status); /* exit code EX_IOERR */

int64_t test_now_us(void);
/* True once the deadline (20 s behind start) has passed: fail the test. */
bool is_overdue(int64_t start_us);

#endif
