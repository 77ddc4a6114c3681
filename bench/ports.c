#include "bench/ports.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/rng.h"

/* Linux gives outgoing connections 32768 and up. */
enum { PORTS_LOW = 20032, PORTS_HIGH = 32000 };
enum { PORTS_BLOCKS = (PORTS_HIGH - PORTS_LOW) / PORTS_BLOCK };

static int block_hold(unsigned block)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	/* sun_path[0] = 0: abstract, it vanishes with the process. */
	int n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1,
			 "synod-ports-%u", block);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				    (size_t)n);
	if (bind(fd, (struct sockaddr *)&name, len) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int ports_take(struct ports *p, struct err *e)
{
	uint64_t start;

	rng_entropy(&start, sizeof start);
	for (unsigned i = 0; i < PORTS_BLOCKS; i++) {
		unsigned block = (unsigned)((start + i) % PORTS_BLOCKS);
		int fd = block_hold(block);
		if (fd < 0)
			continue;
		*p = (struct ports){
			.fd = fd,
			.first = (uint16_t)(PORTS_LOW + block * PORTS_BLOCK),
		};
		return 0;
	}
	*p = (struct ports){0};
	return err_set(e, ERR_BUSY, "no free block of ports from %d to %d",
		       PORTS_LOW, PORTS_HIGH);
}

static bool port_is_free(uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;

	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	bool is_free = bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0;
	close(fd);
	return is_free;
}

int ports_give(struct ports *p, uint16_t n, uint16_t *first, struct err *e)
{
	while (p->n_given + n <= PORTS_BLOCK) {
		uint16_t base = (uint16_t)(p->first + p->n_given);
		uint16_t i = 0;
		while (i < n && port_is_free((uint16_t)(base + i)))
			i++;
		if (i == n) {
			p->n_given = (uint16_t)(p->n_given + n);
			*first = base;
			return 0;
		}
		p->n_given = (uint16_t)(p->n_given + i + 1);
	}
	return err_set(e, ERR_LIMIT, "no %u free ports in a row from %u to %u",
		       n, p->first, p->first + PORTS_BLOCK - 1);
}

void ports_return(struct ports *p)
{
	if (p->first == 0)
		return;
	close(p->fd);
	*p = (struct ports){0};
}
