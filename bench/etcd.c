#include "bench/etcd.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "bench/etcd_message.h"
#include "bench/grpc.h"
#include "bench/ports.h"
#include "bench/process.h"
#include "bench/scratch.h"

enum { ETCD_START_MS = 20000, ETCD_ARGS = 16 };

struct etcd_node {
	struct process process;
	uint16_t port; /* clients; peers use the next one */
};

struct etcd {
	struct scratch dir;
	struct ports ports;
	struct etcd_node nodes[ETCD_NODES];
	unsigned leader;
};

bool etcd_is_installed(void)
{
	char path[4096];

	return process_find("etcd", path, sizeof path);
}

static int node_start(struct etcd *t, unsigned i, const char *members,
		      struct err *e)
{
	struct etcd_node *node = &t->nodes[i];
	char flags[ETCD_ARGS][512], log[256];
	const char *argv[ETCD_ARGS + 2] = {"etcd"};
	unsigned n = 0;
	const unsigned client = node->port, peer = node->port + 1U;

#define FLAG(...) snprintf(flags[n++], sizeof flags[0], __VA_ARGS__)
	FLAG("--name=e%u", i + 1);
	FLAG("--data-dir=%s/e%u", t->dir.path, i + 1);
	FLAG("--listen-client-urls=http://127.0.0.1:%u", client);
	FLAG("--advertise-client-urls=http://127.0.0.1:%u", client);
	FLAG("--listen-peer-urls=http://127.0.0.1:%u", peer);
	FLAG("--initial-advertise-peer-urls=http://127.0.0.1:%u", peer);
	FLAG("--initial-cluster=%s", members);
	FLAG("--quota-backend-bytes=17179869184");
	FLAG("--max-request-bytes=8388608");
	FLAG("--snapshot-count=10000");
	FLAG("--logger=zap");
	FLAG("--log-outputs=stderr");
	FLAG("--log-level=error");
#undef FLAG
	for (unsigned k = 0; k < n; k++)
		argv[k + 1] = flags[k];
	snprintf(log, sizeof log, "%s/e%u.log", t->dir.path, i + 1);
	const struct process_plan plan = {.argv = argv, .log_path = log};
	return process_start(&node->process, &plan, e);
}

/* Ask node i who leads: true when it is itself. */
static bool node_leads(struct etcd *t, unsigned i)
{
	static const char path[] = "/etcdserverpb.Maintenance/Status";
	struct grpc *g = NULL;
	struct etcd_status status;
	struct bytes none = {0};
	struct grpc_reply reply;
	struct err why;

	bool leads = grpc_dial(&g, t->nodes[i].port, 1, &why) == 0 &&
		     grpc_ask(g, path, none, &reply, &why) == 0 &&
		     etcd_status_read((struct bytes){reply.data, reply.len},
				      &status) &&
		     status.leader_id == status.member_id;
	grpc_close(g);
	return leads;
}

static int wait_leader(struct etcd *t, struct err *e)
{
	const struct clock clock = clock_system();
	const struct timespec step = {.tv_nsec = 20000000};
	int64_t end_us = clock_mono_us(&clock) + ETCD_START_MS * 1000LL;

	for (;;) {
		for (unsigned i = 0; i < ETCD_NODES; i++) {
			if (!process_is_running(&t->nodes[i].process))
				return err_set(e, ERR_CLOSED,
					       "etcd node e%u ended by itself",
					       i + 1);
			if (node_leads(t, i)) {
				t->leader = i;
				return 0;
			}
		}
		if (clock_mono_us(&clock) > end_us)
			return err_set(e, ERR_TIMEOUT,
				       "etcd has no leader after %d ms",
				       ETCD_START_MS);
		nanosleep(&step, NULL);
	}
}

int etcd_open(struct etcd **out, struct err *e)
{
	struct etcd *t = mem_zero(1, sizeof *t);
	char members[256];
	struct err why = {0};

	if (scratch_make(&t->dir, &why) || ports_take(&t->ports, &why))
		goto fail;
	for (unsigned i = 0; i < ETCD_NODES; i++)
		if (ports_give(&t->ports, 2, &t->nodes[i].port, &why))
			goto fail;
	snprintf(members, sizeof members,
		 "e1=http://127.0.0.1:%u,e2=http://127.0.0.1:%u,"
		 "e3=http://127.0.0.1:%u",
		 t->nodes[0].port + 1U, t->nodes[1].port + 1U,
		 t->nodes[2].port + 1U);
	for (unsigned i = 0; i < ETCD_NODES; i++)
		if (node_start(t, i, members, &why))
			goto fail;
	if (wait_leader(t, &why))
		goto fail;
	*out = t;
	return 0;
fail:
	etcd_close(t);
	return err_set(e, why.code, "etcd: %s", why.text);
}

void etcd_close(struct etcd *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < ETCD_NODES; i++)
		process_kill(&t->nodes[i].process);
	ports_return(&t->ports);
	scratch_remove(&t->dir);
	free(t);
}

uint16_t etcd_leader_port(const struct etcd *t)
{
	return t->nodes[t->leader].port;
}

unsigned etcd_leader(const struct etcd *t)
{
	return t->leader;
}

pid_t etcd_pid(const struct etcd *t, unsigned i)
{
	return t->nodes[i].process.pid;
}
