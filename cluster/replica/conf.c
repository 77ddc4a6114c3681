#include "cluster/replica/conf.h"

#include <string.h>

#include "base/check.h"
#include "base/endian.h"
#include "proto/limits.h"

enum { CONF_FORMAT = 1, CONF_HEAD_BYTES = 9, CONF_MEMBER_FIXED_BYTES = 10 };

static bool is_known(const struct replica_member *members, size_t n,
		     uint64_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (members[i].id == id)
			return true;
	}
	return false;
}

int conf_decode(struct bytes payload, struct replica_member *out, size_t *n)
{
	const uint8_t *p = payload.data, *end = p + payload.len;

	if (payload.len < CONF_HEAD_BYTES || p[0] != CONF_FORMAT)
		return ERR_CORRUPT;
	uint64_t count = get_u64(p + 1);
	if (count == 0 || count > LIMIT_NODES)
		return ERR_CORRUPT;
	p += CONF_HEAD_BYTES;
	for (size_t i = 0; i < count; i++) {
		if (end - p < CONF_MEMBER_FIXED_BYTES)
			return ERR_CORRUPT;
		uint64_t id = get_u64(p);
		p += 8;
		const uint8_t *nul = memchr(p, 0, (size_t)(end - p));
		if (!nul || nul + 1 >= end || nul == p ||
		    (size_t)(nul - p) >= sizeof(out->name))
			return ERR_CORRUPT;
		if (id == 0 || is_known(out, i, id) || nul[1] > RAFT_SPARE)
			return ERR_CORRUPT;
		out[i].id = id;
		memcpy(out[i].name, p, (size_t)(nul - p) + 1);
		out[i].role = (enum replica_role)nul[1];
		p = nul + 2;
	}
	*n = (size_t)count;
	return 0;
}

struct blob *conf_encode(const struct replica_member *members, size_t n)
{
	size_t len = CONF_HEAD_BYTES;

	CHECK(n > 0 && n <= LIMIT_NODES);
	for (size_t i = 0; i < n; i++)
		len += CONF_MEMBER_FIXED_BYTES + strlen(members[i].name);
	len = (len + 7) / 8 * 8;
	struct blob *b = blob_new(len);
	memset(b->data, 0, len);
	uint8_t *p = b->data;
	*p++ = CONF_FORMAT;
	put_u64(p, n);
	p += 8;
	for (size_t i = 0; i < n; i++) {
		size_t name_len = strlen(members[i].name);

		put_u64(p, members[i].id);
		memcpy(p + 8, members[i].name, name_len + 1);
		p += 8 + name_len + 1;
		*p++ = (uint8_t)members[i].role;
	}
	return b;
}

int conf_to_raft(struct bytes payload, struct raft_configuration *out)
{
	struct replica_member members[LIMIT_NODES];
	size_t n;
	int rc = conf_decode(payload, members, &n);

	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		int rv = raft_configuration_add(out, members[i].id,
						members[i].name,
						(int)members[i].role);
		CHECK(rv == 0); /* ids differ, memory cannot fail */
	}
	return 0;
}
