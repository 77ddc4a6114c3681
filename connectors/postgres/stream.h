/* Stream: the replication connection. Gives the frames of the server one by
 * one and tells it how far the log is. One thread. */
#ifndef CONNECTORS_POSTGRES_STREAM_H
#define CONNECTORS_POSTGRES_STREAM_H

#include "connectors/postgres/pgoutput_decode.h"
#include "connectors/postgres/session.h"

struct stream {
	struct session session;
	char *buf; /* of the frame that was given last */
	struct pgoutput_frame frame;
	bool is_held;       /* give it again */
	uint64_t confirmed; /* what the log has */
	uint64_t told;      /* and what the server knows of it */
	int64_t told_at_ms;
	bool wants_keepalive;
};

struct stream_identity {
	uint64_t system_id;
	uint32_t timeline;
};

/* Connect; says who the server is. */
int pg_stream_open(struct stream *s, const struct session_plan *plan,
		   struct stream_identity *out, struct err *e);
void pg_stream_close(struct stream *s);
/* Begin behind lsn. ERR_BUSY: somebody else reads the slot. */
int pg_stream_start(struct stream *s, const struct options *o, uint64_t lsn,
		    struct err *e);
/* 1: a frame, which stays until the next call; 0: none now. */
int pg_stream_next(struct stream *s, struct pgoutput_frame *out, struct err *e);
/* The next call gives the same frame again. */
void pg_stream_hold(struct stream *s);
/* Wait until there is something to read; as session_wait. */
int pg_stream_wait(struct stream *s, int64_t wait_ms, struct err *e);
/* The server may forget what ends at or before lsn. Told soon. */
void pg_stream_confirm(struct stream *s, uint64_t lsn);
/* Ask for a keepalive: it says how far the server has come. */
void pg_stream_ask(struct stream *s);
/* Say what is due to be said. */
int pg_stream_tell(struct stream *s, struct err *e);

#endif
