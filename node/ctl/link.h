/* Requests to nodes: endpoints in the order the operator gave them, dialed when
 * they are needed. */
#ifndef NODE_CTL_LINK_H
#define NODE_CTL_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cluster/wire/door.h"
#include "proto/admin.pb-c.h"
#include "proto/limits.h"

enum { LINK_HINT_MAX = 512 };

#define LINK_DEFAULT_ENDPOINT "ipc:///run/synod/admin.sock"

/* The door, or what a test puts in its place. */
struct link_ops {
	int (*dial)(void *ctx, const struct door_client_config *cfg,
		    void **connection, struct err *e);
	int (*call)(void *connection, struct bytes request, int timeout_ms,
		    struct blob **response, struct err *e);
	void (*hang_up)(void *connection);
};

extern const struct link_ops link_door;

struct link_end {
	char url[LIMIT_ADDRESS_BYTES + 1];
	char server_name[LIMIT_ADDRESS_BYTES + 1]; /* may be empty */
	void *connection;                          /* NULL: not dialed */
	/* The last dial failed, then and so: a second question of the same
	 * command does not wait for a dead host again. 0: it did not. */
	int64_t failed_us;
	struct err failure;
};

struct link {
	const struct link_ops *ops;
	void *ops_ctx;
	struct link_end ends[LIMIT_NODES];
	size_t n_ends;
	size_t current; /* the one that answered last */
	struct wire_tls tls;
	int timeout_ms;
};

/* What came back: a response without a problem, or an error. */
struct link_answer {
	Synod__Admin__Response *response; /* NULL when e.code is set */
	struct err e;
	char hint[LINK_HINT_MAX];
	bool is_local; /* the error did not come from a node */
	/* On the wire: the wall clock half-way, and how long it took. */
	int64_t middle_us, took_us;
};

/* The comma-separated lists of URLs and server names; one name serves all. */
int link_init(struct link *l, const char *urls, const char *server_names,
	      struct err *e);
void link_close(struct link *l);

/* Ask one endpoint. Free the answer in any case. Returns its code. */
int link_call(struct link *l, size_t end, const Synod__Admin__Request *request,
	      int timeout_ms, struct link_answer *out);
/* Ask the first endpoint that can be reached. A request that went out is never
 * given to another one: it may have happened. */
int link_call_any(struct link *l, const Synod__Admin__Request *request,
		  int timeout_ms, struct link_answer *out);
/* Ask all at once; out has n_ends answers. */
void link_call_all(struct link *l, const Synod__Admin__Request *request,
		   int timeout_ms, struct link_answer *out);
/* A code of a node: one that this build does not know is still an error. */
int link_code(int code);
void link_answer_clear(struct link_answer *a);

#endif
