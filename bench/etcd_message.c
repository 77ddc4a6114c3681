#include "bench/etcd_message.h"

#include <string.h>

#include "base/check.h"

/* Wire types of protobuf. */
enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

static size_t varint_put(uint8_t *buf, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		buf[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	buf[n++] = (uint8_t)v;
	return n;
}

size_t etcd_put_head(const char *key, size_t value_len,
		     uint8_t head[ETCD_PUT_HEAD_MAX])
{
	size_t key_len = strlen(key), n = 0;

	CHECK(key_len <= 32);
	head[n++] = 1 << 3 | PB_BYTES; /* key */
	n += varint_put(head + n, key_len);
	memcpy(head + n, key, key_len);
	n += key_len;
	head[n++] = 2 << 3 | PB_BYTES; /* value */
	n += varint_put(head + n, value_len);
	return n;
}

static bool varint_take(struct bytes *in, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (in->len == 0)
			return false;
		uint8_t byte = *in->data++;
		in->len--;
		*v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

struct pb_field {
	uint64_t number, value; /* value of a varint */
	struct bytes bytes;     /* of a length-delimited one */
};

/* The next field; fixed-width ones are skipped over and have no value. */
static bool field_take(struct bytes *in, struct pb_field *f)
{
	uint64_t tag, len = 0;

	*f = (struct pb_field){0};
	if (!varint_take(in, &tag))
		return false;
	f->number = tag >> 3;
	switch (tag & 7) {
	case PB_VARINT:
		return varint_take(in, &f->value);
	case PB_BYTES:
		if (!varint_take(in, &len))
			return false;
		break;
	case PB_FIXED64:
		len = 8;
		break;
	case PB_FIXED32:
		len = 4;
		break;
	default:
		return false;
	}
	if (len > in->len)
		return false;
	f->bytes = (struct bytes){in->data, (size_t)len};
	in->data += len;
	in->len -= (size_t)len;
	return true;
}

bool etcd_status_read(struct bytes message, struct etcd_status *out)
{
	struct etcd_status found = {0};
	struct pb_field field, inner;

	while (message.len > 0) {
		if (!field_take(&message, &field))
			return false;
		if (field.number == 4)
			found.leader_id = field.value;
		if (field.number != 1)
			continue;
		/* ResponseHeader: cluster_id = 1, member_id = 2 */
		while (field.bytes.len > 0) {
			if (!field_take(&field.bytes, &inner))
				return false;
			if (inner.number == 2)
				found.member_id = inner.value;
		}
	}
	if (found.member_id == 0)
		return false;
	*out = found;
	return true;
}
