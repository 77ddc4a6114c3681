#include "bench/fleet.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "bench/fleet_internal.h"

/* Beside this program, as installed; in the build tree of the node; in PATH. */
static int find_synodd(char *path, size_t size, struct err *e)
{
	static const char *const places[] = {"synodd", "../node/synodd",
					     "../../node/synodd"};
	char self[2048], tried[4096];

	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash = NULL;
	if (n > 0) {
		self[n] = 0;
		slash = strrchr(self, '/');
	}
	for (unsigned i = 0; slash && i < 3; i++) {
		slash[1] = 0;
		snprintf(tried, sizeof tried, "%s%s", self, places[i]);
		if (process_find(tried, path, size))
			return 0;
	}
	if (process_find("synodd", path, size))
		return 0;
	return err_set(e, ERR_NOTFOUND,
		       "synodd is neither beside this program nor in PATH; "
		       "name it with --synodd PATH");
}

static int node_file_write(struct fleet *f, unsigned i, struct err *e)
{
	const struct fleet_node *node = &f->nodes[i];

	FILE *out = fopen(node->file, "we");
	if (!out)
		return err_set(e, ERR_IO, "create %s: %s", node->file,
			       strerror(errno));
	fprintf(out, "synod: 1\nname: %s\ncluster: fleet\ndata: %s\n",
		node->name, node->data);
	fprintf(out, "members:\n");
	for (unsigned k = 0; k < f->cfg.n_nodes; k++)
		fprintf(out, "  %s: 127.0.0.1:%u\n", f->nodes[k].name,
			f->nodes[k].port);
	fprintf(out, "admin:\n  socket: %s\n", node->url + strlen("ipc://"));
	if (f->cfg.node_lines)
		fprintf(out, "%s\n", f->cfg.node_lines);
	if (fclose(out) != 0)
		return err_set(e, ERR_IO, "write %s: %s", node->file,
			       strerror(errno));
	return 0;
}

static int node_plan(struct fleet *f, unsigned i, struct err *e)
{
	struct fleet_node *node = &f->nodes[i];
	const char *dir = f->dir.path;

	snprintf(node->name, sizeof node->name, "n%u", i + 1);
	snprintf(node->data, sizeof node->data, "%s/n%u", dir, i + 1);
	snprintf(node->log, sizeof node->log, "%s/n%u.log", dir, i + 1);
	snprintf(node->file, sizeof node->file, "%s/n%u.yaml", dir, i + 1);
	snprintf(node->url, sizeof node->url, "ipc://%s/n%u.sock", dir, i + 1);
	return ports_give(&f->ports, 2, &node->port, e);
}

int fleet_open(struct fleet **out, const struct fleet_config *cfg,
	       struct err *e)
{
	struct fleet *f = mem_zero(1, sizeof *f);
	struct err why = {0};

	CHECK(cfg->n_nodes > 0 && cfg->n_nodes <= FLEET_NODES_MAX);
	f->cfg = *cfg;
	if (cfg->synodd) {
		if (!process_find(cfg->synodd, f->synodd, sizeof f->synodd)) {
			err_set(&why, ERR_NOTFOUND, "cannot execute %s",
				cfg->synodd);
			goto fail;
		}
	} else if (find_synodd(f->synodd, sizeof f->synodd, &why)) {
		goto fail;
	}
	if (ports_take(&f->ports, &why) || scratch_make(&f->dir, &why))
		goto fail;
	for (unsigned i = 0; i < cfg->n_nodes; i++)
		if (node_plan(f, i, &why))
			goto fail;
	for (unsigned i = 0; i < cfg->n_nodes; i++)
		if (node_file_write(f, i, &why))
			goto fail;
	*out = f;
	return 0;
fail:
	fleet_close(f);
	return err_set(e, why.code, "%s", why.text);
}

void fleet_close(struct fleet *f)
{
	if (!f)
		return;
	/* Connections first: a client that lost its node would go on trying. */
	for (unsigned i = 0; i < f->cfg.n_nodes; i++)
		door_hang_up(f->nodes[i].asked);
	for (unsigned i = 0; i < f->cfg.n_nodes; i++)
		process_kill(&f->nodes[i].process);
	ports_return(&f->ports);
	if (f->cfg.keep_files && f->dir.path[0])
		fprintf(stderr, "files kept in %s\n", f->dir.path);
	else
		scratch_remove(&f->dir);
	free(f);
}

static struct fleet_node *fleet_node(const struct fleet *f, unsigned i)
{
	CHECK(i < f->cfg.n_nodes);
	return (struct fleet_node *)(uintptr_t)&f->nodes[i];
}

unsigned fleet_size(const struct fleet *f)
{
	return f->cfg.n_nodes;
}

const char *fleet_dir(const struct fleet *f)
{
	return f->dir.path;
}

const char *fleet_name(const struct fleet *f, unsigned i)
{
	return fleet_node(f, i)->name;
}

const char *fleet_url(const struct fleet *f, unsigned i)
{
	return fleet_node(f, i)->url;
}

const char *fleet_data(const struct fleet *f, unsigned i)
{
	return fleet_node(f, i)->data;
}

const char *fleet_log(const struct fleet *f, unsigned i)
{
	return fleet_node(f, i)->log;
}

pid_t fleet_pid(const struct fleet *f, unsigned i)
{
	return fleet_node(f, i)->process.pid;
}

int fleet_start(struct fleet *f, unsigned i, struct err *e)
{
	struct fleet_node *node = fleet_node(f, i);
	const char *argv[] = {f->synodd, "--config", node->file, NULL};
	const struct process_plan plan = {.argv = argv, .log_path = node->log};

	if (process_start(&node->process, &plan, e))
		return err_wrap(e, node->name);
	node->should_run = true;
	return 0;
}

int fleet_start_all(struct fleet *f, struct err *e)
{
	for (unsigned i = 0; i < f->cfg.n_nodes; i++)
		if (f->nodes[i].process.pid == 0) {
			int rc = fleet_start(f, i, e);
			if (rc)
				return rc;
		}
	return 0;
}

void fleet_kill(struct fleet *f, unsigned i)
{
	struct fleet_node *node = fleet_node(f, i);

	node->should_run = false;
	process_kill(&node->process);
}

void fleet_freeze(struct fleet *f, unsigned i)
{
	process_signal(&fleet_node(f, i)->process, SIGSTOP);
}

void fleet_thaw(struct fleet *f, unsigned i)
{
	process_signal(&fleet_node(f, i)->process, SIGCONT);
}

void fleet_term(struct fleet *f, unsigned i)
{
	struct fleet_node *node = fleet_node(f, i);

	node->should_run = false;
	process_signal(&node->process, SIGTERM);
}

int fleet_wait_end(struct fleet *f, unsigned i, int timeout_ms, int *status)
{
	return process_wait(&fleet_node(f, i)->process, timeout_ms, status);
}

int fleet_check_alive(struct fleet *f, struct err *e)
{
	for (unsigned i = 0; i < f->cfg.n_nodes; i++) {
		struct fleet_node *node = &f->nodes[i];
		if (node->should_run && !process_is_running(&node->process))
			return err_set(e, ERR_CLOSED,
				       "node %s ended by itself; its log is %s",
				       node->name, node->log);
	}
	return 0;
}

int fleet_dial(struct fleet *f, unsigned i, unsigned n_parallel,
	       struct door_client **out, struct err *e)
{
	const struct door_client_config cfg = {.url = fleet_url(f, i),
					       .n_parallel = n_parallel,
					       .timeout_ms = FLEET_ASK_MS};

	return door_dial(out, &cfg, e);
}

unsigned *fleet_asked(struct fleet *f)
{
	return &f->last_asked;
}

int fleet_status(struct fleet *f, unsigned i, Synod__Admin__Response **answer,
		 struct err *e)
{
	struct fleet_node *node = fleet_node(f, i);

	/* Kept over restarts of the node: the client dials again by itself. */
	int rc = node->asked ? 0 : fleet_dial(f, i, 1, &node->asked, e);
	if (rc)
		return rc;
	return ask_status(node->asked, FLEET_ASK_MS, answer, e);
}
