#include "connectors/postgres/pgoutput_decode.h"

#include <string.h>

#include "base/check.h"

/* PostgreSQL counts from 2000-01-01. */
#define EPOCH_2000_US (INT64_C(946684800) * 1000000)

struct cursor {
	const uint8_t *at, *end;
	bool is_bad;
};

static struct cursor cursor(struct bytes b)
{
	static const uint8_t nothing;
	const uint8_t *at = b.data ? b.data : &nothing;

	return (struct cursor){at, at + b.len, false};
}

static const uint8_t *take(struct cursor *c, size_t len)
{
	if (c->is_bad || (size_t)(c->end - c->at) < len) {
		c->is_bad = true;
		return NULL;
	}
	const uint8_t *at = c->at;
	c->at += len;
	return at;
}

static uint64_t take_number(struct cursor *c, size_t len)
{
	const uint8_t *at = take(c, len);
	uint64_t n = 0;

	for (size_t i = 0; at && i < len; i++)
		n = n << 8 | at[i];
	return n;
}

static uint8_t take_u8(struct cursor *c)
{
	return (uint8_t)take_number(c, 1);
}

static uint16_t take_u16(struct cursor *c)
{
	return (uint16_t)take_number(c, 2);
}

static uint32_t take_u32(struct cursor *c)
{
	return (uint32_t)take_number(c, 4);
}

static uint64_t take_u64(struct cursor *c)
{
	return take_number(c, 8);
}

/* Never beyond 64 bits, whatever the server says. */
static int64_t take_time(struct cursor *c)
{
	int64_t us = (int64_t)take_u64(c);

	return us > INT64_MAX - EPOCH_2000_US ? INT64_MAX : us + EPOCH_2000_US;
}

static const char *take_string(struct cursor *c)
{
	if (c->is_bad)
		return "";
	const uint8_t *end = memchr(c->at, 0, (size_t)(c->end - c->at));
	if (!end) {
		c->is_bad = true;
		return "";
	}
	const char *s = (const char *)c->at;
	c->at = end + 1;
	return s;
}

/* -- frames ----------------------------------------------------------------
 */
int pgoutput_frame(struct bytes b, struct pgoutput_frame *out)
{
	struct cursor c = cursor(b);
	struct pgoutput_frame f = {0};

	uint8_t kind = take_u8(&c);
	f.kind = (enum pgoutput_frame_kind)kind;
	if (kind == PGOUTPUT_DATA) {
		f.start_lsn = take_u64(&c);
		f.end_lsn = take_u64(&c);
		take_u64(&c); /* its clock */
		f.message = (struct bytes){c.at, (size_t)(c.end - c.at)};
	} else if (kind == PGOUTPUT_KEEPALIVE) {
		f.end_lsn = take_u64(&c);
		take_u64(&c);
		f.wants_reply = take_u8(&c) != 0;
		c.is_bad |= c.at != c.end;
	} else {
		c.is_bad = true;
	}
	if (c.is_bad)
		return ERR_CORRUPT;
	*out = f;
	return 0;
}

static void put_u64(uint8_t *at, uint64_t n)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(n >> (56 - 8 * i));
}

void pgoutput_status(uint8_t out[PGOUTPUT_STATUS_BYTES], uint64_t lsn,
		     int64_t wall_us, bool wants_reply)
{
	out[0] = 'r';
	put_u64(out + 1, lsn);  /* written */
	put_u64(out + 9, lsn);  /* flushed: what may be forgotten */
	put_u64(out + 17, lsn); /* applied */
	put_u64(out + 25, (uint64_t)(wall_us - EPOCH_2000_US));
	out[33] = wants_reply;
}

/* -- messages --------------------------------------------------------------
 */
static void take_value(struct cursor *c, struct pgoutput_value *out)
{
	uint8_t kind = take_u8(c);

	*out = (struct pgoutput_value){.kind = (enum pgoutput_value_kind)kind};
	if (kind == PGOUTPUT_TEXT) {
		uint32_t len = take_u32(c);
		out->text.data = take(c, len);
		out->text.len = len;
	} else if (kind != PGOUTPUT_NULL && kind != PGOUTPUT_UNCHANGED) {
		c->is_bad = true;
	}
}

static void take_tuple(struct cursor *c, struct pgoutput_tuple *out)
{
	struct pgoutput_value value;

	uint16_t n = take_u16(c);
	if (n > PGOUTPUT_COLUMNS_MAX)
		c->is_bad = true;
	const uint8_t *start = c->at;
	for (uint16_t i = 0; i < n && !c->is_bad; i++)
		take_value(c, &value);
	out->n = n;
	out->data = (struct bytes){start, (size_t)(c->at - start)};
}

static void take_column(struct cursor *c, struct pgoutput_column *out)
{
	uint8_t flags = take_u8(c);

	if (flags > 1)
		c->is_bad = true;
	out->is_key = flags == 1;
	out->name = take_string(c);
	out->type_oid = take_u32(c);
	out->type_mod = (int32_t)take_u32(c);
}

static void take_relation(struct cursor *c, struct pgoutput_message *m)
{
	struct pgoutput_column column;

	m->relation = take_u32(c);
	m->schema = take_string(c);
	m->name = take_string(c);
	m->identity = (char)take_u8(c);
	if (m->identity == 0 || !strchr("dnfi", m->identity))
		c->is_bad = true;
	m->n_columns = take_u16(c);
	if (m->n_columns > PGOUTPUT_COLUMNS_MAX)
		c->is_bad = true;
	const uint8_t *start = c->at;
	for (uint16_t i = 0; i < m->n_columns && !c->is_bad; i++)
		take_column(c, &column);
	m->columns = (struct bytes){start, (size_t)(c->at - start)};
}

static void take_new(struct cursor *c, struct pgoutput_message *m)
{
	if (take_u8(c) != 'N')
		c->is_bad = true;
	take_tuple(c, &m->new_row);
}

/* K or O, and its tuple; false when something else stands there. */
static bool take_old(struct cursor *c, struct pgoutput_message *m)
{
	if (c->is_bad || c->at == c->end || (*c->at != 'K' && *c->at != 'O'))
		return false;
	m->is_key_only = take_u8(c) == 'K';
	take_tuple(c, &m->old_row);
	return true;
}

static void take_truncate(struct cursor *c, struct pgoutput_message *m)
{
	m->n_relations = take_u32(c);
	if (take_u8(c) > 3) /* cascade, restart identity */
		c->is_bad = true;
	if (m->n_relations > PGOUTPUT_RELATIONS_MAX)
		c->is_bad = true;
	size_t len = c->is_bad ? 0 : (size_t)m->n_relations * 4;
	m->relations = (struct bytes){take(c, len), len};
}

/* Of no interest to us: its length is what it is. */
static void take_rest(struct cursor *c)
{
	c->at = c->end;
}

static void take_body(struct cursor *c, struct pgoutput_message *m)
{
	switch (m->kind) {
	case PGOUTPUT_BEGIN:
		m->final_lsn = take_u64(c);
		m->commit_us = take_time(c);
		m->xid = take_u32(c);
		break;
	case PGOUTPUT_COMMIT:
		take_u8(c); /* flags, none yet */
		m->final_lsn = take_u64(c);
		m->end_lsn = take_u64(c);
		m->commit_us = take_time(c);
		break;
	case PGOUTPUT_RELATION:
		take_relation(c, m);
		break;
	case PGOUTPUT_INSERT:
		m->relation = take_u32(c);
		take_new(c, m);
		break;
	case PGOUTPUT_UPDATE:
		m->relation = take_u32(c);
		take_old(c, m);
		take_new(c, m);
		break;
	case PGOUTPUT_DELETE:
		m->relation = take_u32(c);
		c->is_bad |= !take_old(c, m);
		break;
	case PGOUTPUT_TRUNCATE:
		take_truncate(c, m);
		break;
	case PGOUTPUT_ORIGIN:
	case PGOUTPUT_TYPE:
	case PGOUTPUT_MESSAGE:
		take_rest(c);
		break;
	default:
		c->is_bad = true;
	}
}

int pgoutput_decode(struct bytes b, struct pgoutput_message *out)
{
	struct cursor c = cursor(b);
	struct pgoutput_message m = {0};

	m.kind = (enum pgoutput_kind)take_u8(&c);
	take_body(&c, &m);
	if (c.is_bad || c.at != c.end)
		return ERR_CORRUPT;
	*out = m;
	return 0;
}

/* -- walking what was checked ---------------------------------------------- */
static void step(struct bytes *at, const struct cursor *c)
{
	CHECK(!c->is_bad);
	*at = (struct bytes){c->at, (size_t)(c->end - c->at)};
}

bool pgoutput_next_value(struct bytes *at, struct pgoutput_value *out)
{
	struct cursor c = cursor(*at);

	if (at->len == 0)
		return false;
	take_value(&c, out);
	step(at, &c);
	return true;
}

bool pgoutput_next_column(struct bytes *at, struct pgoutput_column *out)
{
	struct cursor c = cursor(*at);

	if (at->len == 0)
		return false;
	take_column(&c, out);
	step(at, &c);
	return true;
}

bool pgoutput_next_relation(struct bytes *at, uint32_t *out)
{
	struct cursor c = cursor(*at);

	if (at->len == 0)
		return false;
	*out = take_u32(&c);
	step(at, &c);
	return true;
}
