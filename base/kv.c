#include "base/kv.h"

static bool mem_get(void *ctx, struct bytes key, struct bytes *value)
{
	return map_get(ctx, key, value);
}

static void mem_put(void *ctx, struct bytes key, struct bytes value)
{
	map_put(ctx, key, value);
}

static void mem_del(void *ctx, struct bytes key)
{
	map_delete(ctx, key);
}

static bool mem_seek(void *ctx, struct bytes from, bool after,
		     struct bytes *key, struct bytes *value)
{
	return map_seek(ctx, from, after, key, value);
}

struct kv kv_mem(struct map *m)
{
	return (struct kv){m, mem_get, mem_put, mem_del, mem_seek};
}
