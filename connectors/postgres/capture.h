/* Capture: what the handle of connector.h holds, shared by its files.
 *
 *   capture.c        open, confirm, figures, close
 *   capture_start.c  where to begin, and may we
 *   capture_txn.c    messages of the stream to transactions of the writer
 *   capture_poll.c   the loop over stream, load and clock
 *
 * One thread, save capture_interrupt. */
#ifndef CONNECTORS_POSTGRES_CAPTURE_H
#define CONNECTORS_POSTGRES_CAPTURE_H

#include "connectors/postgres/load.h"
#include "connectors/postgres/position.h"
#include "connectors/postgres/relation.h"
#include "connectors/postgres/stream.h"

/* The source transaction that the stream is in. */
struct capture_txn {
	bool is_open;
	bool is_given; /* some of it stands in the writer or was given */
	bool is_echo;
	uint64_t final_lsn, xid;
	int64_t stamp_us;
	uint64_t n_rows, n_skip; /* row messages seen; already given before */
	uint32_t echo_task;
	uint64_t echo_index;
};

struct capture_handle {
	struct capture_setup setup;
	struct options options;
	struct session_bell bell;
	struct session side; /* everything that is not the stream */
	struct stream stream;
	bool is_streaming;
	struct schema_table *schemas; /* one a table, in schema_arena */
	struct arena schema_arena;
	struct relation_set relations;
	struct relation_plan plan;
	struct load load;
	struct arena arena; /* of one message */

	struct position at;  /* behind what was given */
	uint64_t given_lsn;  /* of the last position that was given */
	uint64_t passed_lsn; /* how far the stream has come */
	int64_t given_ms, asked_ms, looked_ms, heard_ms;
	struct capture_txn txn;
	struct capture_figures figures;
};

int pg_capture_open(const struct capture_setup *setup,
		    struct capture_handle **out, struct err *e);
int pg_capture_start(struct capture_handle *h, struct bytes position,
		     struct err *e);
int pg_capture_poll(struct capture_handle *h, size_t bytes_max, int wait_ms,
		    struct change_writer *w, struct value_buf *position,
		    struct err *e);
int pg_capture_confirm(struct capture_handle *h, struct bytes position,
		       struct err *e);
void pg_capture_figures(struct capture_handle *h, struct capture_figures *out);
void pg_capture_interrupt(struct capture_handle *h);
void pg_capture_close(struct capture_handle *h);

/* -- between its files ----------------------------------------------------- */
/* A frame of the stream into the writer. 1: taken; 0: there is no room for it,
 * it is held for the next poll. */
int pg_capture_take(struct capture_handle *h,
		    const struct pgoutput_frame *frame,
		    const struct load_room *room, struct err *e);
/* A session for everything that is not the stream, opened when it is not. */
int pg_capture_side(struct capture_handle *h, struct err *e);
int64_t pg_capture_now_ms(void);

#endif
