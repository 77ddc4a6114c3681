#include "bench/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_two_fleets_get_different_ports(void **state)
{
	struct ports a = {0}, b = {0};
	struct err e;

	assert_int_equal(ports_take(&a, &e), 0);
	assert_int_equal(ports_take(&b, &e), 0);
	assert_int_not_equal(a.first, b.first);
	ports_return(&a);
	ports_return(&b);
	ports_return(&b); /* none taken: nothing to do */
}

static void test_ports_in_use_are_left_out(void **state)
{
	struct ports p = {0};
	struct err e;
	uint16_t first, next;

	assert_int_equal(ports_take(&p, &e), 0);
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)(p.first + 1)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	assert_int_equal(listen(fd, 1), 0);

	/* Two in a row: the taken one lies in the first pair. Others on this
	 * machine may have taken more. */
	assert_int_equal(ports_give(&p, 2, &first, &e), 0);
	assert_true(first > p.first + 1);
	assert_int_equal(ports_give(&p, 2, &next, &e), 0);
	assert_true(next > first + 1);
	close(fd);
	ports_return(&p);
}

static void test_a_block_of_ports_ends(void **state)
{
	struct ports p = {0};
	struct err e = {0};
	uint16_t first;

	assert_int_equal(ports_take(&p, &e), 0);
	assert_int_equal(ports_give(&p, PORTS_BLOCK + 1, &first, &e),
			 ERR_LIMIT);
	ports_return(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_fleets_get_different_ports),
		cmocka_unit_test(test_ports_in_use_are_left_out),
		cmocka_unit_test(test_a_block_of_ports_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
