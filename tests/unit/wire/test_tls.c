/* Nodes that know each other by certificates, and those that should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "certs.h"
#include "cluster/wire/wire_cert.h"
#include "cluster/wire/wire_tls.h"
#include "proto/limits.h"
#include "rig.h"

static struct certs certs;

static int make_certs(void **state)
{
	certs_make(&certs);
	certs_issue(&certs, "n1", "n1.demo.synod", "ca", 30);
	certs_issue(&certs, "n2", "n2.demo.synod", "ca", 30);
	certs_issue(&certs, "n3", "n3.demo.synod", "ca", 30);
	certs_issue(&certs, "n2again", "n2.demo.synod", "ca", 30);
	certs_issue(&certs, "alien", "n2.demo.synod", "foreign", 30);
	certs_issue(&certs, "any", "*.demo.synod", "ca", 30);
	certs_issue(&certs, "old", "n1.demo.synod", "ca", -1);
	certs_issue_rsa(&certs, "rsa", "n1.demo.synod", "ca");
	return 0;
}

static int free_certs(void **state)
{
	certs_free(&certs);
	return 0;
}

static void make_tls(struct rig_node *nodes, size_t n)
{
	static const char *const names[] = {"n1", "n2", "n3"};

	rig_make(nodes, n);
	for (size_t i = 0; i < n; i++)
		nodes[i].cfg.tls = certs_tls(&certs, "ca", names[i]);
}

static void expect_talk(struct rig_node *from, struct rig_node *to)
{
	static uint64_t number;

	/* The peer may still wait for our proof: what comes before it is
	 * dropped, as Raft expects. */
	number++;
	for (int i = 0; i < 1000; i++) {
		struct timespec pause = {.tv_nsec = 10000000};

		if (wire_send(from->wire, to->self.id, WIRE_RAFT,
			      rig_frame(number, 64)) &&
		    rig_has(to, NOTE_WIRE_FRAME, from->self.id))
			break;
		nanosleep(&pause, NULL);
	}
	struct wire_note *n =
		rig_wait(to, NOTE_WIRE_FRAME, from->self.id, WIRE_RAFT);
	assert_true(rig_frame_number(n) <= number);
	wire_note_free(n);
}

static void free_all(struct rig_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rig_free(&nodes[i]);
}

static void test_nodes_with_certificates_meet(void **state)
{
	struct rig_node nodes[3];

	make_tls(nodes, 3);
	for (int i = 0; i < 3; i++)
		rig_open(&nodes[i]);
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++)
			if (i != j)
				rig_join(&nodes[i], &nodes[j]);
	for (int i = 0; i < 3; i++) {
		expect_talk(&nodes[i], &nodes[(i + 1) % 3]);
		assert_false(rig_has(&nodes[i], NOTE_WIRE_REFUSED, 0));
	}
	free_all(nodes, 3);
}

static void test_large_frames_pass_tls(void **state)
{
	struct rig_node nodes[2];

	make_tls(nodes, 2);
	rig_open(&nodes[0]);
	rig_open(&nodes[1]);
	rig_join(&nodes[0], &nodes[1]);
	rig_join(&nodes[1], &nodes[0]);
	for (uint64_t i = 0; i < 3; i++)
		assert_true(wire_send(nodes[0].wire, 2, WIRE_BULK,
				      rig_frame(i, LIMIT_FRAME_BYTES - i)));
	for (uint64_t i = 0; i < 3; i++) {
		struct wire_note *n =
			rig_wait(&nodes[1], NOTE_WIRE_FRAME, 1, WIRE_BULK);
		assert_int_equal(rig_frame_number(n), i);
		wire_note_free(n);
	}
	free_all(nodes, 2);
}

static void test_restarted_peer_proves_itself_again(void **state)
{
	struct rig_node nodes[2];

	make_tls(nodes, 2);
	rig_open(&nodes[0]);
	rig_open(&nodes[1]);
	rig_join(&nodes[0], &nodes[1]);
	rig_join(&nodes[1], &nodes[0]);
	rig_close(&nodes[1]);
	rig_expect(&nodes[0], NOTE_WIRE_DOWN, 2, WIRE_RAFT);
	nodes[1].cfg.hello.boot++;
	rig_open(&nodes[1]);
	rig_join(&nodes[1], &nodes[0]);
	expect_talk(&nodes[0], &nodes[1]);
	expect_talk(&nodes[1], &nodes[0]);
	free_all(nodes, 2);
}

/* What a node with a wrong certificate must not reach. Given: it opens; then:
 * neither side hears the other, and the right peer comes in all the same. */
static void expect_shut_out(struct rig_node nodes[3])
{
	rig_open(&nodes[0]);
	rig_open(&nodes[1]);
	rig_open(&nodes[2]);
	rig_join(&nodes[0], &nodes[2]);
	rig_join(&nodes[2], &nodes[0]);
	expect_talk(&nodes[0], &nodes[2]);
	/* Some dozens of attempts by now. */
	assert_false(rig_has(&nodes[0], NOTE_WIRE_HELLO, 2));
	assert_false(rig_has(&nodes[0], NOTE_WIRE_UP, 2));
	assert_false(rig_has(&nodes[0], NOTE_WIRE_FRAME, 2));
	assert_false(rig_has(&nodes[1], NOTE_WIRE_HELLO, 1));
	free_all(nodes, 3);
}

static void test_foreign_ca_is_shut_out(void **state)
{
	struct rig_node nodes[3];

	make_tls(nodes, 3);
	nodes[1].cfg.tls = certs_tls(&certs, "foreign", "alien");
	expect_shut_out(nodes);
}

/* n2 runs with the certificate of n3. Loading it is refused, so it claims the
 * name n3 for itself in its file and the id of n2 in its hello. */
static void test_impostor_is_not_believed(void **state)
{
	struct rig_node nodes[2], impostor;

	make_tls(nodes, 2);
	rig_make_double(&impostor, &nodes[1]);
	impostor.cfg.hello.boot = 9;
	impostor.cfg.tls = certs_tls(&certs, "ca", "any");
	/* n1 does not dial the impostor: it sits at another address. */
	impostor.cfg.tls.cert_file = certs_path(&certs, "any.pem");
	impostor.cfg.tls.key_file = certs_path(&certs, "any.key");
	rig_open(&nodes[0]);
	rig_open(&impostor);
	/* Its certificate is good for a client, its hello is perfect; but it
	 * never gets the token, which goes to the address of n2. */
	struct wire_note *n =
		rig_wait(&nodes[0], NOTE_WIRE_REFUSED, 2, WIRE__CHANNELS);
	assert_non_null(strstr(n->text, "token"));
	wire_note_free(n);
	assert_false(rig_has(&nodes[0], NOTE_WIRE_HELLO, 2));
	/* The real one comes in beside it. */
	rig_open(&nodes[1]);
	rig_join(&nodes[1], &nodes[0]);
	n = rig_wait(&nodes[0], NOTE_WIRE_UP, 2, WIRE_RAFT);
	wire_note_free(n);
	expect_talk(&nodes[1], &nodes[0]);
	rig_free(&impostor);
	free_all(nodes, 2);
}

static void test_plain_tcp_does_not_enter(void **state)
{
	struct rig_node nodes[3];

	make_tls(nodes, 3);
	nodes[1].cfg.tls = (struct wire_tls){0};
	expect_shut_out(nodes);
}

static void test_listener_with_a_wrong_name_is_not_believed(void **state)
{
	struct rig_node nodes[3];

	make_tls(nodes, 3);
	/* At the address of n2 sits a node of the same CA, but it is n3. */
	snprintf(nodes[1].self.name, sizeof nodes[1].self.name, "n3");
	nodes[1].cfg.tls = certs_tls(&certs, "ca", "n3");
	expect_shut_out(nodes);
}

static void test_new_certificates_serve_new_connections(void **state)
{
	struct rig_node nodes[2];
	struct wire_tls again = certs_tls(&certs, "ca", "n2again");
	struct wire_tls bad = certs_tls(&certs, "ca", "old");
	struct err e;

	make_tls(nodes, 2);
	rig_open(&nodes[0]);
	rig_open(&nodes[1]);
	rig_join(&nodes[0], &nodes[1]);
	rig_join(&nodes[1], &nodes[0]);
	/* Bad ones change nothing. */
	assert_int_equal(wire_reload_tls(nodes[1].wire, &bad, &e), ERR_TLS);
	assert_int_equal(wire_reload_tls(nodes[1].wire, &again, &e), 0);
	/* The old connections stay, new ones work, too. */
	assert_false(rig_has(&nodes[0], NOTE_WIRE_DOWN, 0));
	expect_talk(&nodes[1], &nodes[0]);
	for (int i = 0; i < 3; i++) {
		wire_drop_peer(nodes[1].wire, 1);
		rig_expect(&nodes[1], NOTE_WIRE_DOWN, 1, WIRE_RAFT);
		rig_expect(&nodes[1], NOTE_WIRE_UP, 1, WIRE_RAFT);
		rig_expect(&nodes[1], NOTE_WIRE_HELLO, 1, WIRE_RAFT);
	}
	expect_talk(&nodes[0], &nodes[1]);
	free_all(nodes, 2);
}

/* -- certificates and messages --------------------------------------------- */

static void expect_bad(struct wire_tls tls, const char *name, const char *text)
{
	struct wire_pem pem;
	struct err e = {0};

	assert_int_equal(wire_pem_load(&pem, &tls, name, &e), ERR_TLS);
	if (!strstr(e.text, text))
		fail_msg("\"%s\" does not say \"%s\"", e.text, text);
	assert_null(pem.key);
}

static void expect_good(struct wire_tls tls, const char *name)
{
	struct wire_pem pem;
	nng_tls_config *cfg = NULL;
	struct err e = {0};

	if (wire_pem_load(&pem, &tls, name, &e) ||
	    wire_pem_server(&pem, &cfg, &e))
		fail_msg("%s", e.text);
	nng_tls_config_free(cfg);
	wire_pem_clear(&pem);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void test_files_are_checked_with_clear_words(void **state)
{
	struct wire_tls tls = certs_tls(&certs, "ca", "n1");

	expect_good(tls, "n1.demo.synod");
	expect_good(certs_tls(&certs, "ca", "any"), "n7.demo.synod");
	expect_good(certs_tls(&certs, "ca", "rsa"), "n1.demo.synod");
	expect_bad(tls, "n2.demo.synod", "is not for n2.demo.synod");
	expect_bad(certs_tls(&certs, "ca", "any"), "n7.other.synod",
		   "is not for n7.other.synod");
	expect_bad(certs_tls(&certs, "ca", "old"), NULL, "expired at 20");
	tls.key_file = certs_path(&certs, "n2.key");
	expect_bad(tls, NULL, "does not belong to");
	tls = certs_tls(&certs, "ca", "rsa");
	tls.key_file = certs_path(&certs, "n1.key");
	expect_bad(tls, NULL, "does not belong to");
	tls.key_file = certs_path(&certs, "nowhere.key");
	expect_bad(tls, NULL, "No such file");
	tls.key_file = NULL;
	expect_bad(tls, NULL, "a certificate and its key");
	tls = certs_tls(&certs, "n1.key", "n1");
	tls.ca_file = certs_path(&certs, "n1.key");
	expect_bad(tls, NULL, "no certificate in PEM");
	write_file(certs_path(&certs, "junk"), "-----BEGIN CERTIFICATE-----\n"
					       "AAAA\n-----END ");
	tls.ca_file = certs_path(&certs, "junk");
	expect_bad(tls, NULL, "no certificate in PEM");
	write_file(certs_path(&certs, "empty"), "");
	tls.ca_file = certs_path(&certs, "empty");
	expect_bad(tls, NULL, "not a PEM file");
	tls.ca_file = certs.dir;
	expect_bad(tls, NULL, "directory");
}

static void test_damaged_certificates_harm_nobody(void **state)
{
	struct wire_tls tls = certs_tls(&certs, "ca", "n1");
	struct wire_pem pem;
	struct wire_cert cert;

	assert_int_equal(wire_pem_load(&pem, &tls, NULL, NULL), 0);
	struct blob *der = wire_pem_decode(pem.cert, "CERTIFICATE");
	assert_true(wire_cert_read(blob_bytes(der), &cert));
	assert_true(cert.not_before_s > 1700000000);
	assert_int_equal(cert.not_after_s - cert.not_before_s, 30 * 86400);
	assert_int_equal(cert.public_key.len, 65);
	assert_true(wire_cert_has_name(&cert, "n1.demo.synod"));
	assert_false(wire_cert_has_name(&cert, "demo.synod"));
	/* Each byte damaged, each length: the sanitizers watch. */
	for (size_t i = 0; i < der->len; i++) {
		struct blob *bad = blob_copy(der->data, der->len);

		bad->data[i] ^= 0xff;
		if (wire_cert_read(blob_bytes(bad), &cert))
			(void)wire_cert_has_name(&cert, "n1.demo.synod");
		blob_unref(bad);
		bad = blob_copy(der->data, i);
		assert_false(wire_cert_read(blob_bytes(bad), &cert));
		blob_unref(bad);
	}
	blob_unref(der);
	wire_pem_clear(&pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_are_checked_with_clear_words),
		cmocka_unit_test(test_damaged_certificates_harm_nobody),
		cmocka_unit_test(test_nodes_with_certificates_meet),
		cmocka_unit_test(test_large_frames_pass_tls),
		cmocka_unit_test(test_restarted_peer_proves_itself_again),
		cmocka_unit_test(test_foreign_ca_is_shut_out),
		cmocka_unit_test(test_impostor_is_not_believed),
		cmocka_unit_test(test_plain_tcp_does_not_enter),
		cmocka_unit_test(
			test_listener_with_a_wrong_name_is_not_believed),
		cmocka_unit_test(test_new_certificates_serve_new_connections),
	};
	return cmocka_run_group_tests(tests, make_certs, free_certs);
}
