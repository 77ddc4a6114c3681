#include "machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/core/command.h"

int machine_setup(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	m->map = map_new();
	m->kv = kv_mem(m->map);
	m->next_index = 1;
	control_init(&m->control);
	*state = m;
	return 0;
}

int machine_teardown(void **state)
{
	struct machine *m = *state;

	control_free(&m->control);
	map_free(m->map);
	free(m);
	return 0;
}

void machine_give(struct machine *m, enum control_type type,
		  struct bytes payload)
{
	struct control_entry e = {m->next_index++, 1, type, payload};

	m->changed = control_apply(&m->control, &m->kv, &e);
}

void machine_command(struct machine *m, const Synod__Command__Command *c)
{
	struct blob *sealed = command_seal(c);
	struct blob *payload = blob_new(COMMAND_ID_BYTES + sealed->len);

	memset(payload->data, 0, COMMAND_ID_BYTES);
	memcpy(payload->data + COMMAND_ID_BYTES, sealed->data, sealed->len);
	machine_give(m, CONTROL_COMMAND, blob_bytes(payload));
	control_flush(&m->control, &m->kv);
	blob_unref(sealed);
	blob_unref(payload);
}

void machine_restart(struct machine *m)
{
	control_reset(&m->control);
}

static bool is_same(struct bytes a, struct bytes b)
{
	return bytes_compare(a, b) == 0;
}

void machine_check_equal(struct machine *a, struct machine *b)
{
	struct bytes key = {0}, ka, kb, va, vb;
	bool after = false;

	control_flush(&a->control, &a->kv);
	control_flush(&b->control, &b->kv);
	assert_int_equal(map_count(a->map), map_count(b->map));
	while (map_seek(a->map, key, after, &ka, &va)) {
		assert_true(map_seek(b->map, key, after, &kb, &vb));
		assert_true(is_same(ka, kb));
		if (!is_same(va, vb))
			fail_msg("a value under '%c' differs", ka.data[0]);
		key = ka;
		after = true;
	}
}
