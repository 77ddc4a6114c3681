#include "node/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/limits.h"

#define MEMBERS                   \
	"members:\n"              \
	"  n2: 127.0.0.1:41011\n" \
	"  n1: 127.0.0.1:41001\n" \
	"  n3: 127.0.0.1:41021\n"
#define HEAD "synod: 1\nname: n1\ncluster: demo\ndata: /var/lib/synod\n"
#define GOOD HEAD MEMBERS

struct scene {
	struct node_config cfg;
	struct config_problems problems;
	int rc;
};

static void parse_as(struct scene *s, const char *path, const char *text)
{
	config_problems_init(&s->problems);
	s->rc = node_config_parse(
		path, (struct bytes){(const uint8_t *)text, strlen(text)},
		&s->cfg, &s->problems);
}

static void parse(struct scene *s, const char *text)
{
	parse_as(s, "/etc/synod/node.yaml", text);
}

static void clear(struct scene *s)
{
	node_config_clear(&s->cfg);
	config_problems_clear(&s->problems);
}

/* A good file with more at its end has exactly one problem. */
static void assert_problem(const char *text, enum problem_code code,
			   unsigned line, const char *says)
{
	struct scene s;

	parse(&s, text);
	assert_int_equal(s.rc, ERR_INVALID);
	assert_int_equal(s.problems.n, 1);
	assert_string_equal(s.problems.items[0].text, says);
	assert_int_equal(s.problems.items[0].code, code);
	assert_int_equal(s.problems.items[0].place.line, line);
	clear(&s);
}

static void test_a_short_file_is_enough(void **state)
{
	struct scene s;

	parse(&s, GOOD);
	assert_int_equal(s.rc, 0);
	assert_string_equal(s.cfg.name, "n1");
	assert_string_equal(s.cfg.cluster, "demo");
	assert_string_equal(s.cfg.data, "/var/lib/synod");
	assert_int_equal(s.cfg.n_members, 3);
	assert_string_equal(s.cfg.members[1].name, "n2"); /* sorted */
	assert_int_equal(s.cfg.members[1].address.port, 41011);
	assert_ptr_equal(s.cfg.self, &s.cfg.members[0]);
	assert_string_equal(s.cfg.listen.host, "127.0.0.1");
	assert_int_equal(s.cfg.listen.port, 41001);
	assert_string_equal(s.cfg.admin.socket, "/var/lib/synod/admin.sock");
	assert_null(s.cfg.admin.listen.host);
	assert_null(s.cfg.tls.ca);
	assert_false(s.cfg.is_insecure);
	assert_int_equal(s.cfg.log_level, LOG_INFO);
	assert_true(s.cfg.limits.log_bytes == (int64_t)64 << 30);
	assert_true(s.cfg.limits.state_bytes == (int64_t)16 << 30);
	assert_int_equal(s.cfg.raft.election_ms, 400);
	assert_int_equal(s.cfg.raft.heartbeat_ms, 60);
	assert_true(s.cfg.id == node_config_id("n1"));
	clear(&s);
}

static void test_every_setting_can_be_written(void **state)
{
	struct scene s;

	parse(&s, HEAD "members: { n1: '10.0.0.1:41001', n2: '[::2]:41001' }\n"
		       "listen: 0.0.0.0:41001\n"
		       "admin: { socket: /run/synod/admin.sock, "
		       "listen: '10.0.0.1:41004' }\n"
		       "tls: { ca: ca.pem, cert: /x/n1.pem, key: n1.key }\n"
		       "insecure: false\n"
		       "log_level: debug\n"
		       "limits: { log: 1GiB, state: 512MiB }\n"
		       "raft: { election: 1s, heartbeat: 100ms }\n"
		       "durability: fsync\n");
	assert_int_equal(s.rc, 0);
	assert_string_equal(s.cfg.listen.host, "0.0.0.0");
	assert_string_equal(s.cfg.members[1].address.host, "::2");
	assert_string_equal(s.cfg.admin.socket, "/run/synod/admin.sock");
	assert_int_equal(s.cfg.admin.listen.port, 41004);
	/* Files are looked for beside the node file. */
	assert_string_equal(s.cfg.tls.ca, "/etc/synod/ca.pem");
	assert_string_equal(s.cfg.tls.cert, "/x/n1.pem");
	assert_string_equal(s.cfg.tls.key, "/etc/synod/n1.key");
	assert_int_equal(s.cfg.log_level, LOG_DEBUG);
	assert_int_equal(s.cfg.limits.log_bytes, 1 << 30);
	assert_int_equal(s.cfg.raft.election_ms, 1000);
	clear(&s);
}

static void test_a_file_in_this_folder_keeps_relative_paths(void **state)
{
	struct scene s;

	parse_as(&s, "node.yaml",
		 "synod: 1\nname: n1\ncluster: c\ndata: d\n" MEMBERS);
	assert_int_equal(s.rc, 0);
	assert_string_equal(s.cfg.data, "d");
	assert_string_equal(s.cfg.admin.socket, "d/admin.sock");
	clear(&s);
}

static void test_all_problems_come_in_one_pass(void **state)
{
	struct scene s;
	char *text = NULL;
	size_t len = 0;

	parse_as(&s, "node.yaml",
		 "synod: 1\n"
		 "nmae: n1\n"
		 "cluster: demo\n"
		 "data: /d\n"
		 "members:\n"
		 "  n1: 127.0.0.1:41001\n"
		 "  n2: 127.0.0.1\n"
		 "insecure: no\n"
		 "cluster: other\n"
		 "raft: { election: 5 }\n");
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	config_problems_print(&s.problems, out);
	fclose(out);
	assert_string_equal(
		text,
		"node.yaml: error: 'name' is missing [config.missing_key]\n"
		"      = Name of this node, one of members.\n"
		"node.yaml:2:1: error: unknown key 'nmae' "
		"[config.unknown_key]\n"
		"    2 | nmae: n1\n"
		"      | ^\n"
		"      = did you mean 'name'?\n"
		"node.yaml:7:7: error: '127.0.0.1' is not an address "
		"[config.bad_value]\n"
		"    7 |   n2: 127.0.0.1\n"
		"      |       ^\n"
		"      = write host:port or [v6]:port, such as "
		"10.0.0.1:41001\n"
		"node.yaml:8:11: error: 'no' is not a boolean "
		"[config.bad_value]\n"
		"    8 | insecure: no\n"
		"      |           ^\n"
		"      = allowed: true|false\n"
		"node.yaml:9:1: error: key is set twice "
		"[config.duplicate_key]\n"
		"    9 | cluster: other\n"
		"      | ^\n"
		"      = first set on line 3\n"
		"node.yaml:10:19: error: '5' is not a duration "
		"[config.bad_value]\n"
		"   10 | raft: { election: 5 }\n"
		"      |                   ^\n"
		"      = write a whole number and one of ms s m h, such as "
		"250ms\n"
		"node.yaml: 6 problems\n");
	free(text);
	clear(&s);
}

static void test_settings_must_fit_each_other(void **state)
{
	assert_problem("synod: 1\nname: n4\ncluster: c\ndata: /d\n" MEMBERS,
		       PROBLEM_CONFLICT, 2, "'n4' is not one of members");
	assert_problem(HEAD "members: {n1: '127.0.0.1:5', "
			    "n2: '127.0.0.1:6'}\n",
		       PROBLEM_CONFLICT, 5, "'n1' and 'n2' use the same port");
	assert_problem(HEAD "members: {n1: '127.0.0.1:5', "
			    "n2: '127.0.0.1:5'}\n",
		       PROBLEM_CONFLICT, 5, "'n1' and 'n2' use the same port");
	assert_problem(GOOD "raft: {heartbeat: 200ms}\n", PROBLEM_CONFLICT, 9,
		       "heartbeat (200ms) is more than a third of election "
		       "(400ms)");
	assert_problem(GOOD "raft: {election: 100ms}\n", PROBLEM_CONFLICT, 9,
		       "heartbeat (60ms) is more than a third of election "
		       "(100ms)");
	assert_problem(GOOD "admin: {listen: '127.0.0.1:41002'}\n",
		       PROBLEM_CONFLICT, 9,
		       "port 41002 is taken by this node itself");
}

static void test_plain_tcp_stays_on_loopback(void **state)
{
	struct scene s;

	assert_problem(HEAD "members: {n1: '10.0.0.1:41001'}\n",
		       PROBLEM_CONFLICT, 5,
		       "'10.0.0.1' is beyond loopback and tls is not set");
	assert_problem(GOOD "listen: 0.0.0.0:41001\n", PROBLEM_CONFLICT, 9,
		       "'0.0.0.0' is beyond loopback and tls is not set");
	assert_problem(GOOD "admin: {listen: '10.0.0.1:41004'}\n",
		       PROBLEM_CONFLICT, 9,
		       "'10.0.0.1' is beyond loopback and tls is not set");
	parse(&s, HEAD "members: {n1: '10.0.0.1:41001'}\ninsecure: true\n");
	assert_int_equal(s.rc, 0);
	clear(&s);
	parse(&s, HEAD "members: {n1: '10.0.0.1:41001'}\n"
		       "tls: {ca: a, cert: b, key: c}\n");
	assert_int_equal(s.rc, 0);
	clear(&s);
}

static void test_tls_is_whole_or_not_there(void **state)
{
	assert_problem(GOOD "tls: {ca: a, cert: b}\n", PROBLEM_MISSING_KEY, 9,
		       "'tls.key' is missing");
}

static void test_values_have_their_range(void **state)
{
	assert_problem("synod: 2\nname: n1\ncluster: c\ndata: /d\n" MEMBERS,
		       PROBLEM_RANGE, 1, "'2' is out of range");
	assert_problem(GOOD "limits: {log: 1MiB}\n", PROBLEM_RANGE, 9,
		       "'1MiB' is out of range");
	/* One that is out of range is not judged a second time. */
	assert_problem(GOOD "raft: {election: 51s, heartbeat: 21s}\n",
		       PROBLEM_RANGE, 9, "'21s' is out of range");
	assert_problem(GOOD "raft: {election: 2m}\n", PROBLEM_RANGE, 9,
		       "'2m' is out of range");
	/* Bulk takes the port behind it. */
	assert_problem(HEAD "members: {n1: '127.0.0.1:65535'}\n", PROBLEM_RANGE,
		       5, "'127.0.0.1:65535' is out of range");
	assert_problem(GOOD "durability: relaxed\n", PROBLEM_BAD_VALUE, 9,
		       "'relaxed' is not an allowed value");
	assert_problem(HEAD "members: {}\n", PROBLEM_RANGE, 5,
		       "'members' has 0 entries");
}

static void test_more_members_than_a_cluster_has_are_refused(void **state)
{
	char text[1024];
	int used = snprintf(text, sizeof text, HEAD "members:\n");

	for (int i = 1; i <= LIMIT_NODES + 1; i++)
		used += snprintf(text + used, sizeof text - (size_t)used,
				 "  n%d: 127.0.0.1:%d\n", i, 5000 + i * 2);
	assert_problem(text, PROBLEM_RANGE, 5, "'members' has 10 entries");
}

static void test_a_socket_path_that_no_socket_takes_is_refused(void **state)
{
	char text[512];
	char longest[120];

	memset(longest, 'x', sizeof longest);
	longest[119] = '\0';
	snprintf(text, sizeof text, GOOD "admin: { socket: /%s }\n", longest);
	assert_problem(text, PROBLEM_RANGE, 9,
		       "the path of the admin socket is too long: 120 bytes");
}

static void test_ids_depend_on_the_name_alone(void **state)
{
	assert_true(node_config_id("n1") == node_config_id("n1"));
	assert_true(node_config_id("n1") != node_config_id("n2"));
	assert_true(node_config_id("n1") <= INT64_MAX);
	assert_true(node_config_id("") != 0);
}

static uint64_t hash_of(const char *text)
{
	struct scene s;

	parse(&s, text);
	assert_int_equal(s.rc, 0);
	uint64_t hash = s.cfg.cluster_hash;
	clear(&s);
	return hash;
}

static void test_the_cluster_hash_is_of_names_in_any_order(void **state)
{
	uint64_t hash = hash_of(GOOD);

	assert_true(hash == hash_of(HEAD "members: {n3: '127.0.0.1:5', "
					 "n2: '127.0.0.1:7', "
					 "n1: '127.0.0.1:9'}\n"));
	assert_true(hash != hash_of(HEAD "members: {n3: '127.0.0.1:5', "
					 "n1: '127.0.0.1:9'}\n"));
	assert_true(hash != hash_of("synod: 1\nname: n1\ncluster: demo2\n"
				    "data: /d\n" MEMBERS));
	/* Names do not run into each other. */
	assert_true(hash_of("synod: 1\nname: a\ncluster: c\ndata: /d\n"
			    "members: {a: '127.0.0.1:5', "
			    "bc: '127.0.0.1:7'}\n") !=
		    hash_of("synod: 1\nname: ab\ncluster: c\ndata: /d\n"
			    "members: {ab: '127.0.0.1:5', "
			    "c: '127.0.0.1:7'}\n"));
}

static char *print(const struct node_config *cfg)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	node_config_print(cfg, out);
	fclose(out);
	return text;
}

static void test_what_is_printed_reads_back_as_the_same(void **state)
{
	struct scene first;
	struct scene second;

	/* Given a file with odd paths and most things left out. */
	parse(&first, "synod: 1\nname: n1\ncluster: demo\n"
		      "data: \"odd: #\\\"path\\\\ \xc3\xa4\"\n" MEMBERS
		      "tls: {ca: '- a', cert: '@b', key: \"c\\x01\"}\n");
	assert_int_equal(first.rc, 0);
	char *text = print(&first.cfg);
	/* When what was printed is read, */
	parse(&second, text);
	/* then nothing has changed. */
	assert_int_equal(second.rc, 0);
	assert_string_equal(second.cfg.data, first.cfg.data);
	assert_string_equal(second.cfg.tls.ca, first.cfg.tls.ca);
	assert_string_equal(second.cfg.tls.cert, first.cfg.tls.cert);
	assert_string_equal(second.cfg.tls.key, first.cfg.tls.key);
	assert_string_equal(second.cfg.admin.socket, first.cfg.admin.socket);
	assert_true(second.cfg.cluster_hash == first.cfg.cluster_hash);
	assert_int_equal(second.cfg.limits.log_bytes,
			 first.cfg.limits.log_bytes);
	free(text);
	clear(&first);
	clear(&second);
}

static void test_the_origin_of_each_value_is_printed(void **state)
{
	struct scene s;

	parse(&s, GOOD "log_level: warn\n");
	char *text = print(&s.cfg);
	assert_string_equal(
		text,
		"synod: 1                                # node.yaml:1\n"
		"name: n1                                # node.yaml:2\n"
		"cluster: demo                           # node.yaml:3\n"
		"data: /var/lib/synod                    # node.yaml:4\n"
		"members:\n"
		"  n2: 127.0.0.1:41011                   # node.yaml:6\n"
		"  n1: 127.0.0.1:41001                   # node.yaml:7\n"
		"  n3: 127.0.0.1:41021                   # node.yaml:8\n"
		"listen: 127.0.0.1:41001                 # default: own "
		"address of members\n"
		"admin:\n"
		"  socket: /var/lib/synod/admin.sock     # default: in the "
		"data directory\n"
		"insecure: false                         # default\n"
		"log_level: warn                         # node.yaml:9\n"
		"limits:\n"
		"  log: 64GiB                            # default\n"
		"  state: 16GiB                          # default\n"
		"raft:\n"
		"  election: 400ms                       # default\n"
		"  heartbeat: 60ms                       # default\n"
		"durability: fsync                       # default\n");
	free(text);
	clear(&s);
}

static void assert_documented(const struct config_field *fields)
{
	for (const struct config_field *f = fields; f && f->name; f++) {
		assert_non_null(f->doc);
		assert_true(f->doc[strlen(f->doc) - 1] == '.');
		assert_documented(f->fields);
	}
}

static void test_every_setting_has_a_sentence(void **state)
{
	assert_documented(node_config_fields());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_short_file_is_enough),
		cmocka_unit_test(test_every_setting_can_be_written),
		cmocka_unit_test(
			test_a_file_in_this_folder_keeps_relative_paths),
		cmocka_unit_test(test_all_problems_come_in_one_pass),
		cmocka_unit_test(test_settings_must_fit_each_other),
		cmocka_unit_test(test_plain_tcp_stays_on_loopback),
		cmocka_unit_test(test_tls_is_whole_or_not_there),
		cmocka_unit_test(test_values_have_their_range),
		cmocka_unit_test(
			test_more_members_than_a_cluster_has_are_refused),
		cmocka_unit_test(
			test_a_socket_path_that_no_socket_takes_is_refused),
		cmocka_unit_test(test_ids_depend_on_the_name_alone),
		cmocka_unit_test(
			test_the_cluster_hash_is_of_names_in_any_order),
		cmocka_unit_test(test_what_is_printed_reads_back_as_the_same),
		cmocka_unit_test(test_the_origin_of_each_value_is_printed),
		cmocka_unit_test(test_every_setting_has_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
