#include "base/digest.h"

#include <stdbool.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/digest_wide.h"

struct digest {
	XXH3_state_t *state;
};

/* Short inputs are not vectorised: nothing to gain. */
static bool is_wide(size_t len)
{
#ifdef DIGEST_HAS_AVX2
	enum { LONG_BYTES = 256 };

	return len >= LONG_BYTES && __builtin_cpu_supports("avx2");
#else
	return false;
#endif
}

uint64_t digest64(const void *data, size_t len)
{
	return digest64_seed(data, len, 0); /* XXH3: the same as unseeded */
}

uint64_t digest64_seed(const void *data, size_t len, uint64_t seed)
{
	if (is_wide(len))
		return digest64_wide(data, len, seed);
	return XXH3_64bits_withSeed(data, len, seed);
}

struct digest *digest_new(void)
{
	struct digest *d = mem_alloc(sizeof *d);

	d->state = XXH3_createState();
	CHECK(d->state != NULL);
	CHECK(XXH3_64bits_reset(d->state) == XXH_OK);
	return d;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	if (len)
		CHECK(XXH3_64bits_update(d->state, data, len) == XXH_OK);
}

uint64_t digest_value(const struct digest *d)
{
	return XXH3_64bits_digest(d->state);
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	XXH3_freeState(d->state);
	free(d);
}
