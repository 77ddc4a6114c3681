/* A target with a bug in it, for the test of the replay itself: no mutation
 * may reach a frame of version 3. */
#include "replay.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CHECK(len == 0 || data[0] != 3);
	return 0;
}
