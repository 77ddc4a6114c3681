#include "certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"

/* Run a program in the directory, quietly; its failure is ours. */
static void run(const struct certs *c, const char *const argv[])
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(c->dir) != 0 || !freopen("out", "w", stdout) ||
		    !freopen("err", "w", stderr))
			_exit(126);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s %s failed, see %s/err", argv[0], argv[1], c->dir);
}

static void make_ca(const struct certs *c, const char *name)
{
	char key[80], pem[80], subject[80];

	snprintf(key, sizeof key, "%s.key", name);
	snprintf(pem, sizeof pem, "%s.pem", name);
	snprintf(subject, sizeof subject, "/CN=%s", name);
	run(c, (const char *const[]){"openssl", "req", "-x509", "-newkey", "ec",
				     "-pkeyopt", "ec_paramgen_curve:P-256",
				     "-nodes", "-keyout", key, "-out", pem,
				     "-days", "30", "-subj", subject, NULL});
}

void certs_make(struct certs *c)
{
	snprintf(c->dir, sizeof c->dir, "/tmp/synod-certs-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	make_ca(c, "ca");
	make_ca(c, "foreign");
}

static void write_extensions(const struct certs *c, const char *dns_name)
{
	FILE *f = fopen(certs_path(c, "ext"), "we");

	assert_non_null(f);
	fprintf(f, "subjectAltName=DNS:%s\n", dns_name);
	assert_int_equal(fclose(f), 0);
}

static void sign(const struct certs *c, const char *name, const char *ca,
		 int days)
{
	char csr[80], pem[80], ca_pem[80], ca_key[80], n[16];

	snprintf(csr, sizeof csr, "%s.csr", name);
	snprintf(pem, sizeof pem, "%s.pem", name);
	snprintf(ca_pem, sizeof ca_pem, "%s.pem", ca);
	snprintf(ca_key, sizeof ca_key, "%s.key", ca);
	snprintf(n, sizeof n, "%d", days);
	run(c, (const char *const[]){"openssl", "x509", "-req", "-in", csr,
				     "-CA", ca_pem, "-CAkey", ca_key,
				     "-CAcreateserial", "-out", pem, "-days", n,
				     "-extfile", "ext", NULL});
}

void certs_issue(const struct certs *c, const char *name, const char *dns_name,
		 const char *ca, int days)
{
	char key[80], csr[80];

	snprintf(key, sizeof key, "%s.key", name);
	snprintf(csr, sizeof csr, "%s.csr", name);
	write_extensions(c, dns_name);
	run(c, (const char *const[]){"openssl", "req", "-newkey", "ec",
				     "-pkeyopt", "ec_paramgen_curve:P-256",
				     "-nodes", "-keyout", key, "-out", csr,
				     "-subj", "/CN=node", NULL});
	sign(c, name, ca, days);
}

void certs_issue_rsa(const struct certs *c, const char *name,
		     const char *dns_name, const char *ca)
{
	char key[80], csr[80];

	snprintf(key, sizeof key, "%s.key", name);
	snprintf(csr, sizeof csr, "%s.csr", name);
	write_extensions(c, dns_name);
	run(c, (const char *const[]){"openssl", "req", "-newkey", "rsa:2048",
				     "-nodes", "-keyout", key, "-out", csr,
				     "-subj", "/CN=node", NULL});
	sign(c, name, ca, 30);
}

const char *certs_path(const struct certs *c, const char *file)
{
	static char paths[8][160];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof paths[0], "%s/%s", c->dir, file);
	return path;
}

struct wire_tls certs_tls(const struct certs *c, const char *ca,
			  const char *name)
{
	static char paths[64][160];
	static unsigned next;
	char *p[3];

	for (int i = 0; i < 3; i++)
		p[i] = paths[next++ % 64];
	snprintf(p[0], sizeof paths[0], "%s/%s.pem", c->dir, ca);
	snprintf(p[1], sizeof paths[0], "%s/%s.pem", c->dir, name);
	snprintf(p[2], sizeof paths[0], "%s/%s.key", c->dir, name);
	return (struct wire_tls){p[0], p[1], p[2]};
}

void certs_free(struct certs *c)
{
	CHECK(strncmp(c->dir, "/tmp/synod-certs-", 17) == 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execlp("rm", "rm", "-rf", c->dir, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}
