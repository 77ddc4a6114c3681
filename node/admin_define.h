/* Requests about definitions and connections: what may block in a database runs
 * as a job on the worker `definer`, one after the other; the answer, or the
 * proposal of a new revision, is made on the loop. Loop thread. */
#ifndef NODE_ADMIN_DEFINE_H
#define NODE_ADMIN_DEFINE_H

#include "cluster/wire/door.h"
#include "proto/admin.pb-c.h"

struct node;

/* -- admin_define.c -------------------------------------------------------- */
/* Plan, or plan and apply: answered when the revision is in force here. Takes
 * the request. */
void admin_define(struct node *n, struct door_request *request,
		  const Synod__Admin__DefineRequest *body);
void admin_revisions(struct node *n, struct door_request *request,
		     const Synod__Admin__RevisionsRequest *body);

/* -- admin_connection.c ---------------------------------------------------- */
void admin_connection(struct node *n, struct door_request *request,
		      const Synod__Admin__ConnectionRequest *body);

#endif
