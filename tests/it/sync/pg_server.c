#include "tests/it/sync/pg_server.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "bench/ports.h"
#include "bench/process.h"
#include "bench/scratch.h"

enum {
	/* Looks at a server that starts: fine-grained, and cheap. */
	PG_SERVER_LOOK_MS = 20,
	PG_SERVER_STOP_MS = 20000,
	PG_SERVER_ARGS = 32,
};

struct pg_server {
	struct scratch scratch;
	struct ports ports;
	struct process process;
	struct passwd *user; /* whom it runs as; NULL: as ourselves */
	uint16_t port;
	char bin[256];
	char data[SCRATCH_PATH_MAX + 8];
	char log[SCRATCH_PATH_MAX + 8];
	char uid[16], gid[16];
	char conninfo[512];
};

/* Where Debian puts it; the newest that is there. */
static int find_programs(struct pg_server *s, struct err *e)
{
	glob_t found = {0};

	if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) != 0 ||
	    found.gl_pathc == 0) {
		globfree(&found);
		return err_set(e, ERR_NOTFOUND,
			       "no PostgreSQL under /usr/lib/postgresql; "
			       "apt-get install postgresql-15");
	}
	const char *path = found.gl_pathv[found.gl_pathc - 1];
	int len = (int)(strrchr(path, '/') - path);
	snprintf(s->bin, sizeof s->bin, "%.*s", len, path);
	globfree(&found);
	return 0;
}

static int choose_user(struct pg_server *s, struct err *e)
{
	if (geteuid() != 0)
		return 0;
	s->user = getpwnam("postgres");
	if (!s->user)
		s->user = getpwnam("nobody");
	if (!s->user)
		return err_set(e, ERR_NOTFOUND,
			       "neither user postgres nor nobody exists");
	snprintf(s->uid, sizeof s->uid, "--reuid=%u", s->user->pw_uid);
	snprintf(s->gid, sizeof s->gid, "--regid=%u", s->user->pw_gid);
	if (chown(s->scratch.path, s->user->pw_uid, s->user->pw_gid) != 0)
		return err_set(e, ERR_IO, "chown %s: %s", s->scratch.path,
			       strerror(errno));
	return 0;
}

/* Another user loses the death signal that process_start has set: setpriv sets
 * it again behind the change. */
static int run(struct pg_server *s, const char *const *command,
	       struct process *p, struct err *e)
{
	const char *argv[PG_SERVER_ARGS];
	size_t n = 0;

	if (s->user) {
		argv[n++] = "setpriv";
		argv[n++] = s->uid;
		argv[n++] = s->gid;
		argv[n++] = "--clear-groups";
		argv[n++] = "--pdeathsig";
		argv[n++] = "QUIT";
	}
	for (; *command; command++) {
		CHECK(n < PG_SERVER_ARGS - 1);
		argv[n++] = *command;
	}
	argv[n] = NULL;
	const struct process_plan plan = {.argv = argv, .log_path = s->log};
	return process_start(p, &plan, e);
}

/* The error with the end of the log. */
static int fail(const struct pg_server *s, int code, const char *what,
		struct err *e)
{
	char text[400] = "";

	int fd = open(s->log, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		off_t size = lseek(fd, 0, SEEK_END);
		off_t from = size > 380 ? size - 380 : 0;
		ssize_t n = pread(fd, text, sizeof text - 1, from);
		text[n > 0 ? n : 0] = 0;
		close(fd);
	}
	return err_set(e, code, "%s; its log ends: %s", what, text);
}

static int make_cluster(struct pg_server *s, struct err *e)
{
	char program[300];
	struct process p = {0};
	int status = 0;

	snprintf(program, sizeof program, "%s/initdb", s->bin);
	const char *const argv[] = {program,
				    "-D",
				    s->data,
				    "-A",
				    "trust",
				    "-U",
				    PG_SERVER_USER,
				    "-E",
				    "UTF8",
				    "--locale=C.UTF-8",
				    "--no-sync",
				    "--no-instructions",
				    NULL};
	if (run(s, argv, &p, e))
		return e ? e->code : ERR_SYSTEM;
	if (process_wait(&p, PG_SERVER_WAIT_MS, &status)) {
		process_kill(&p);
		return fail(s, ERR_TIMEOUT, "initdb takes too long", e);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fail(s, ERR_CLOSED, "initdb failed", e);
	return 0;
}

static int write_conf(struct pg_server *s, const char *conf, struct err *e)
{
	char path[sizeof s->data + 32];

	snprintf(path, sizeof path, "%s/postgresql.conf", s->data);
	FILE *f = fopen(path, "ae");
	if (!f)
		return err_set(e, ERR_IO, "open %s: %s", path, strerror(errno));
	fprintf(f,
		"\nlisten_addresses = '127.0.0.1'\nport = %u\n"
		"unix_socket_directories = '%s'\nwal_level = logical\n"
		"max_replication_slots = 20\nmax_wal_senders = 20\n"
		"max_connections = 60\nshared_buffers = 16MB\njit = off\n"
		"log_line_prefix = '%%m [%%p] %%a '\n%s\n",
		s->port, s->scratch.path, conf ? conf : "");
	if (fclose(f) != 0)
		return err_set(e, ERR_IO, "write %s: %s", path,
			       strerror(errno));
	return 0;
}

int pg_server_open(struct pg_server **out, const char *conf, struct err *e)
{
	struct pg_server *s = mem_zero(1, sizeof *s);
	struct err mine = {0};

	if (!e)
		e = &mine;
	if (find_programs(s, e) || scratch_make(&s->scratch, e) ||
	    choose_user(s, e) || ports_take(&s->ports, e) ||
	    ports_give(&s->ports, 1, &s->port, e))
		goto fail;
	snprintf(s->data, sizeof s->data, "%s/data", s->scratch.path);
	snprintf(s->log, sizeof s->log, "%s/log", s->scratch.path);
	if (make_cluster(s, e) || write_conf(s, conf, e) ||
	    pg_server_start(s, e))
		goto fail;
	*out = s;
	return 0;
fail:
	pg_server_close(s);
	return err_wrap(e, "postgresql");
}

void pg_server_close(struct pg_server *s)
{
	if (!s)
		return;
	if (process_is_running(&s->process) && pg_server_crash(s, NULL))
		process_kill(&s->process);
	ports_return(&s->ports);
	scratch_remove(&s->scratch);
	free(s);
}

const char *pg_server_host(const struct pg_server *s)
{
	return "127.0.0.1";
}

uint16_t pg_server_port(const struct pg_server *s)
{
	return s->port;
}

const char *pg_server_dir(const struct pg_server *s)
{
	return s->scratch.path;
}

const char *pg_server_conninfo(struct pg_server *s, const char *database)
{
	snprintf(s->conninfo, sizeof s->conninfo,
		 "host=%s port=%u user=" PG_SERVER_USER
		 " dbname=%s connect_timeout=10",
		 s->scratch.path, s->port, database);
	return s->conninfo;
}

static int end(struct pg_server *s, int sig, struct err *e)
{
	if (!process_is_running(&s->process))
		return 0;
	process_signal(&s->process, sig);
	if (process_wait(&s->process, PG_SERVER_STOP_MS, NULL))
		return fail(s, ERR_TIMEOUT, "it does not stop", e);
	return 0;
}

int pg_server_stop(struct pg_server *s, struct err *e)
{
	return end(s, SIGINT, e);
}

int pg_server_crash(struct pg_server *s, struct err *e)
{
	return end(s, SIGQUIT, e);
}

int pg_server_start(struct pg_server *s, struct err *e)
{
	struct clock clock = clock_system();
	char program[300];

	snprintf(program, sizeof program, "%s/postgres", s->bin);
	const char *const argv[] = {program, "-D", s->data, NULL};
	if (run(s, argv, &s->process, e))
		return e ? e->code : ERR_SYSTEM;
	int64_t end_us =
		clock_mono_us(&clock) + (int64_t)PG_SERVER_WAIT_MS * 1000;
	while (PQping(pg_server_conninfo(s, "postgres")) != PQPING_OK) {
		if (clock_mono_us(&clock) > end_us)
			return fail(s, ERR_TIMEOUT, "it does not answer", e);
		if (process_wait(&s->process, PG_SERVER_LOOK_MS, NULL) == 0)
			return fail(s, ERR_CLOSED, "it ended by itself", e);
	}
	return 0;
}

static int query(struct pg_server *s, const char *database, const char *sql,
		 PGresult **out, struct err *e)
{
	PGconn *c = PQconnectdb(pg_server_conninfo(s, database));

	if (PQstatus(c) != CONNECTION_OK) {
		err_set(e, ERR_NETWORK, "%s", PQerrorMessage(c));
		PQfinish(c);
		return ERR_NETWORK;
	}
	PGresult *r = PQexec(c, sql);
	ExecStatusType status = PQresultStatus(r);
	bool is_good = status == PGRES_TUPLES_OK ||
		       status == PGRES_COMMAND_OK ||
		       status == PGRES_EMPTY_QUERY;
	if (!is_good)
		err_set(e, ERR_DATA, "%s: %.200s", PQerrorMessage(c), sql);
	PQfinish(c);
	if (!is_good) {
		PQclear(r);
		return ERR_DATA;
	}
	*out = r;
	return 0;
}

int pg_server_run(struct pg_server *s, const char *database, const char *sql,
		  struct err *e)
{
	PGresult *r;

	int error = query(s, database, sql, &r, e);
	if (error == 0)
		PQclear(r);
	return error;
}

int pg_server_text(struct pg_server *s, const char *database, const char *sql,
		   char buf[PG_SERVER_TEXT_MAX], struct err *e)
{
	PGresult *r;

	int error = query(s, database, sql, &r, e);
	if (error)
		return error;
	if (PQntuples(r) < 1 || PQnfields(r) < 1)
		error = err_set(e, ERR_NOTFOUND, "no row: %.200s", sql);
	else
		snprintf(buf, PG_SERVER_TEXT_MAX, "%s", PQgetvalue(r, 0, 0));
	PQclear(r);
	return error;
}
