#include "cluster/store/log_record.h"

#include <inttypes.h>
#include <string.h>

#include "base/digest.h"
#include "base/endian.h"
#include "cluster/store/file.h"

enum { GROUP = 0, CODEC_PLAIN = 0 };

enum {
	AT_CHECKSUM = 0,
	AT_TERM = 8,
	AT_TIME = 16,
	AT_LEN = 24,
	AT_TYPE = 28,
	AT_CODEC = 29,
	AT_GROUP = 30
};

static void put_u32_be(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * (3 - i)));
}

void log_key_write(uint8_t key[LOG_KEY_BYTES], uint64_t index)
{
	put_u32_be(key, GROUP);
	put_u64_be(key + 4, index);
}

int log_key_read(struct bytes key, uint64_t *index, struct err *e)
{
	uint8_t group[4];
	put_u32_be(group, GROUP);
	if (key.len != LOG_KEY_BYTES || memcmp(key.data, group, 4) != 0)
		return err_set(e, ERR_CORRUPT, "a key of the log is damaged");
	*index = get_u64_be(key.data + 4);
	return 0;
}

size_t log_record_size(struct bytes run)
{
	if (run.len < LOG_HEADER_BYTES)
		return 0;
	size_t size = LOG_HEADER_BYTES + (size_t)get_u32(run.data + AT_LEN);
	return size <= run.len ? size : 0;
}

bool log_run_skip(struct bytes *run, uint64_t n)
{
	for (; n > 0; n--) {
		size_t size = log_record_size(*run);
		if (!size)
			return false;
		run->data += size;
		run->len -= size;
	}
	return true;
}

uint64_t log_run_count(struct bytes run)
{
	uint64_t n = 0;
	while (run.len) {
		if (!log_run_skip(&run, 1))
			return 0;
		n++;
	}
	return n;
}

void log_record_write(uint8_t *buf, const struct log_entry *entry)
{
	put_u64(buf + AT_TERM, entry->term);
	put_u64(buf + AT_TIME, (uint64_t)entry->time_us);
	put_u32(buf + AT_LEN, (uint32_t)entry->len);
	buf[AT_TYPE] = (uint8_t)entry->type;
	buf[AT_CODEC] = CODEC_PLAIN;
	put_u16(buf + AT_GROUP, GROUP);
	if (entry->len)
		memcpy(buf + LOG_HEADER_BYTES, entry->data, entry->len);
	/* Seeded by the index: a record that stands in another one's place is
	 * as bad as a rotten one. */
	put_u64(buf + AT_CHECKSUM,
		digest64_seed(buf + 8, LOG_HEADER_BYTES - 8 + entry->len,
			      entry->index));
}

int log_record_read(struct bytes record, uint64_t index, struct log_entry *out,
		    struct err *e)
{
	const uint8_t *p = record.data;
	/* The length first: the checksum must not read what a damaged page
	 * says is there. */
	if (record.len < LOG_HEADER_BYTES ||
	    get_u32(p + AT_LEN) != record.len - LOG_HEADER_BYTES)
		return err_set(e, ERR_CORRUPT,
			       "log entry %" PRIu64 " has a wrong length",
			       index);
	if (get_u64(p) != digest64_seed(p + 8, record.len - 8, index))
		return err_set(e, ERR_CORRUPT,
			       "log entry %" PRIu64 " fails its checksum",
			       index);
	if (p[AT_TYPE] < LOG_COMMAND || p[AT_TYPE] > LOG_CHANGE ||
	    p[AT_CODEC] != CODEC_PLAIN || get_u16(p + AT_GROUP) != GROUP)
		return err_set(e, ERR_FORMAT,
			       "log entry %" PRIu64
			       " is of a kind this program does not know",
			       index);
	*out = (struct log_entry){
		.index = index,
		.term = get_u64(p + AT_TERM),
		.time_us = (int64_t)get_u64(p + AT_TIME),
		.type = p[AT_TYPE],
		.data = p + LOG_HEADER_BYTES,
		.len = record.len - LOG_HEADER_BYTES,
	};
	return 0;
}

void log_meta_key(uint8_t key[LOG_META_KEY_BYTES])
{
	put_u32_be(key, GROUP);
}

void log_meta_write(uint8_t buf[LOG_META_BYTES], const struct log_meta *meta)
{
	put_u32(buf + 8, LOG_FORMAT);
	put_u32(buf + 12, 0);
	put_u64(buf + 16, meta->first_index);
	put_u64(buf + 24, meta->base_index);
	put_u64(buf + 32, meta->base_term);
	file_seal(buf, LOG_META_BYTES);
}

int log_meta_read(struct bytes record, struct log_meta *out, struct err *e)
{
	if (!file_seal_holds(record.data, record.len) || record.len < 16)
		return err_set(e, ERR_CORRUPT,
			       "the log's own record fails its checksum");
	uint32_t format = get_u32(record.data + 8);
	if (format != LOG_FORMAT || record.len != LOG_META_BYTES)
		return err_set(e, ERR_FORMAT,
			       "the log has format %" PRIu32
			       ", this program knows %d",
			       format, LOG_FORMAT);
	*out = (struct log_meta){
		.first_index = get_u64(record.data + 16),
		.base_index = get_u64(record.data + 24),
		.base_term = get_u64(record.data + 32),
	};
	return 0;
}
