#include "bench/load.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/rng.h"

uint8_t *load_value(const struct load_plan *plan)
{
	size_t len = (size_t)plan->size;
	uint8_t *value = mem_alloc(len + 8);
	struct rng rng;

	rng_init(&rng, 1);
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = rng_u64(&rng);
		memcpy(value + i, &word, 8);
	}
	return value;
}

void load_line_push(struct load_line *l, uint32_t client)
{
	CHECK(l->n < LOAD_CLIENTS_MAX);
	l->clients[(l->head + l->n++) % LOAD_CLIENTS_MAX] = client;
}

uint32_t load_line_pop(struct load_line *l)
{
	CHECK(l->n > 0);
	uint32_t client = l->clients[l->head];
	l->head = (l->head + 1) % LOAD_CLIENTS_MAX;
	l->n--;
	return client;
}
