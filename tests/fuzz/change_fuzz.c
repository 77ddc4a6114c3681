/* proto/change and cluster/core/outcome: a list of changes that is taken is,
 * byte for byte, what its own reading would be written as; deliveries end, and
 * name known tables only. Input: two bytes, the length of the changes; the
 * changes; an outcome. */
#include "replay.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/endian.h"
#include "cluster/core/outcome.h"

static void write_again(struct change_writer *w, const struct change *c)
{
	struct value *values = mem_zero(c->n_values + 1, sizeof *values);
	char text[48];

	CHECK(change_values(c, values) == 0);
	for (uint32_t i = 0; i < c->n_values; i++)
		(void)value_print(&values[i], text, sizeof text);
	change_add(w, &(struct change_row){.op = c->op,
					   .table_id = c->table_id,
					   .key = c->key,
					   .old_key = c->old_key,
					   .values = values,
					   .n_values = c->n_values});
	free(values);
}

static void copy_txn(struct change_reader *r, const struct change_txn *t,
		     struct change_writer *w)
{
	struct change c, alone;

	if (t->kind == TXN_ECHO) {
		change_echo(w, t->task_id, t->applied_index);
		return;
	}
	change_begin(w, t->kind == TXN_LOAD ? TXN_LOAD : TXN_LOCAL,
		     t->stamp_us);
	while (change_next(r, &c) > 0) {
		CHECK(change_decode(c.whole, &alone) == 0);
		write_again(w, &c);
	}
	if (t->kind == TXN_PART)
		change_part(w);
	else
		change_end(w);
}

static void check_canonical(struct bytes changes)
{
	struct change_writer w;
	struct change_reader r;
	struct change_txn t;

	if (change_check(changes))
		return;
	change_writer_init(&w);
	change_reader_init(&r, changes);
	while (change_next_txn(&r, &t) > 0)
		copy_txn(&r, &t, &w);
	CHECK(!r.in.is_bad && r.in.at == r.in.end);
	struct bytes again = {w.buf.data, w.buf.len};
	CHECK(bytes_compare(again, changes) == 0);
	change_writer_free(&w);
}

/* One sync with tables 1 and 2 between the connections 1 and 2. */
static struct catalog *make_catalog(void)
{
	static Synod__Definition__Side sides[2];
	static Synod__Definition__Side *side_list[2] = {&sides[0], &sides[1]};
	static Synod__Definition__Table tables[2];
	static Synod__Definition__Table *table_list[2] = {&tables[0],
							  &tables[1]};
	static Synod__Definition__Sync sync;
	static Synod__Definition__Sync *sync_list[1] = {&sync};
	Synod__Definition__Definition d = SYNOD__DEFINITION__DEFINITION__INIT;

	synod__definition__sync__init(&sync);
	for (uint32_t i = 0; i < 2; i++) {
		synod__definition__side__init(&sides[i]);
		sides[i].connection_id = i + 1;
		sides[i].is_source = sides[i].is_target = true;
		synod__definition__table__init(&tables[i]);
		tables[i].id = i + 1;
		tables[i].n_sides = 2;
		tables[i].sides = side_list;
	}
	sync.id = 1;
	sync.is_two_way = true;
	sync.n_tables = 2;
	sync.tables = table_list;
	d.n_syncs = 1;
	d.syncs = sync_list;
	return catalog_of(&d);
}

static void read_deliveries(struct bytes changes, struct bytes outcome)
{
	struct catalog *catalog = make_catalog();
	struct delivery_reader r;
	struct delivery d;

	for (uint32_t id = 1; id <= 3; id++) {
		size_t n = 0;
		int rc = delivery_begin(
			&r, catalog,
			&(struct delivery_source){id, 1, changes, outcome});
		while (rc == 0 && delivery_next(&r, &d) > 0) {
			CHECK(d.table != NULL);
			CHECK(d.table->table->id == d.change.table_id);
			CHECK(++n <= changes.len + outcome.len);
		}
	}
	catalog_free(catalog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 2)
		return 0;
	size_t n = get_u16(data);
	if (n > len - 2)
		n = len - 2;
	struct bytes changes = {data + 2, n};
	struct bytes outcome = {data + 2 + n, len - 2 - n};
	check_canonical(changes);
	read_deliveries(changes, outcome);
	return 0;
}
