/* connectors/postgres/pgoutput_decode: whatever a server says is refused or
 * lends only from the message, and what was accepted can be walked whole. */
#include "replay.h"

#include <string.h>

#include "base/check.h"
#include "connectors/postgres/pgoutput_decode.h"

static bool is_within(struct bytes part, struct bytes whole)
{
	return part.len == 0 ||
	       (part.data >= whole.data && part.len <= whole.len &&
		(size_t)(part.data - whole.data) <= whole.len - part.len);
}

static void walk_tuple(const struct pgoutput_tuple *tuple, struct bytes whole)
{
	struct pgoutput_value value;
	struct bytes at = tuple->data;
	uint16_t n = 0;

	CHECK(is_within(tuple->data, whole));
	for (; pgoutput_next_value(&at, &value); n++)
		CHECK(is_within(value.text, whole));
	CHECK(n == tuple->n);
}

static void walk(const struct pgoutput_message *m, struct bytes whole)
{
	struct pgoutput_column column;
	struct bytes at = m->columns;
	uint32_t relation, n = 0;

	for (; pgoutput_next_column(&at, &column); n++)
		CHECK(is_within((struct bytes){(const uint8_t *)column.name,
					       strlen(column.name) + 1},
				whole));
	CHECK(n == m->n_columns);
	walk_tuple(&m->old_row, whole);
	walk_tuple(&m->new_row, whole);
	at = m->relations;
	for (n = 0; pgoutput_next_relation(&at, &relation);)
		n++;
	CHECK(n == m->n_relations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct bytes whole = {data, len};
	struct pgoutput_frame frame;
	struct pgoutput_message m;

	if (pgoutput_frame(whole, &frame) == 0) {
		CHECK(is_within(frame.message, whole));
		if (frame.kind == PGOUTPUT_DATA &&
		    pgoutput_decode(frame.message, &m) == 0)
			walk(&m, whole);
	}
	if (pgoutput_decode(whole, &m) == 0)
		walk(&m, whole);
	return 0;
}
