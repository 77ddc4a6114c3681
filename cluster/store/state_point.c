/* The record that says what the state stands at. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/endian.h"
#include "cluster/store/state_internal.h"

enum { HEAD_BYTES = 40 };
#define NO_CONF UINT32_MAX

static char KEY[] = "point";

int state_point_read(MDB_txn *txn, MDB_dbi meta, struct state_point *out,
		     struct err *e)
{
	MDB_val k = {sizeof(KEY) - 1, KEY}, v;
	int rc = mdb_get(txn, meta, &k, &v);
	if (rc == MDB_NOTFOUND)
		return err_set(e, ERR_CORRUPT,
			       "the state's own record is gone");
	if (rc)
		return env_error(e, rc, "state");
	const uint8_t *p = v.mv_data;
	if (v.mv_size < 16 || !file_seal_holds(p, v.mv_size))
		return err_set(e, ERR_CORRUPT,
			       "the state's own record fails its checksum");
	uint32_t conf_len = v.mv_size < HEAD_BYTES ? 0 : get_u32(p + 12);
	size_t len = HEAD_BYTES + (conf_len == NO_CONF ? 0 : conf_len);
	if (get_u32(p + 8) != STATE_FORMAT || v.mv_size != len)
		return err_set(e, ERR_FORMAT,
			       "the state has format %" PRIu32
			       ", this program knows %d",
			       get_u32(p + 8), STATE_FORMAT);
	*out = (struct state_point){.index = get_u64(p + 16),
				    .term = get_u64(p + 24),
				    .conf_index = get_u64(p + 32)};
	if (conf_len != NO_CONF)
		out->conf = blob_copy(p + HEAD_BYTES, conf_len);
	return 0;
}

int state_point_write(MDB_txn *txn, MDB_dbi meta, const struct state_point *p)
{
	size_t conf_len = p->conf ? p->conf->len : 0;
	CHECK(conf_len < NO_CONF);
	size_t len = HEAD_BYTES + conf_len;
	uint8_t *buf = mem_alloc(len);
	put_u32(buf + 8, STATE_FORMAT);
	put_u32(buf + 12, p->conf ? (uint32_t)conf_len : NO_CONF);
	put_u64(buf + 16, p->index);
	put_u64(buf + 24, p->term);
	put_u64(buf + 32, p->conf_index);
	if (conf_len)
		memcpy(buf + HEAD_BYTES, p->conf->data, conf_len);
	file_seal(buf, len);
	MDB_val k = {sizeof(KEY) - 1, KEY}, v = {len, buf};
	int rc = mdb_put(txn, meta, &k, &v, 0);
	free(buf);
	return rc;
}
