/* The bytes of the change log on disk.
 *
 * dbi "log", one value per run: entries that were appended together, one record
 * behind the other. LMDB gives a value of more than half a page pages of its
 * own: alone, an entry of 4 KiB would take two of them.
 *   key    u32 group (0) big-endian | u64 index of the run's first entry
 *          big-endian
 *   value, one or more times, little-endian:
 *      0  u64 checksum   XXH3-64, seed = index, over bytes 8.. to the end
 *      8  u64 term
 *     16  i64 time_us    wall clock of the node that stored it
 *     24  u32 len        of the payload
 *     28  u8  type       1 command, 2 barrier, 3 change
 *     29  u8  codec      0: the payload as it is
 *     30  u16 group      0; binds the record to its key
 *     32  payload
 *
 * dbi "meta", one record per group:
 *   key    u32 group (0) big-endian
 *   value, little-endian:
 *      0  u64 checksum   XXH3-64 over bytes 8.. to the end
 *      8  u32 format     1
 *     12  u32 zero
 *     16  u64 first index: oldest record on disk; base index + 1 when none
 *     24  u64 base index: what came before the first record ever stored
 *     32  u64 base term
 *
 * Indexes of one group are without gaps from first on; the first run may begin
 * before it, with entries that are forgotten already. Pure; any thread. */
#ifndef CLUSTER_STORE_LOG_RECORD_H
#define CLUSTER_STORE_LOG_RECORD_H

#include "base/bytes.h"
#include "base/err.h"
#include "cluster/store/log.h"

enum {
	LOG_KEY_BYTES = 12,
	LOG_HEADER_BYTES = 32,
	LOG_META_KEY_BYTES = 4,
	LOG_META_BYTES = 40,
	LOG_FORMAT = 1
};

struct log_meta {
	uint64_t first_index, base_index, base_term;
};

void log_key_write(uint8_t key[LOG_KEY_BYTES], uint64_t index);
/* The index of a key of group 0. ERR_CORRUPT when it is none. */
int log_key_read(struct bytes key, uint64_t *index, struct err *e);

/* Bytes of the first record of a run, 0 when it is not whole. What it says is
 * not checked yet: whoever walks a run checks the record that it reads. */
size_t log_record_size(struct bytes run);
/* Records in a run, 0 when it does not end with a whole one. */
uint64_t log_run_count(struct bytes run);
/* Step over n records. False: the run has fewer. */
bool log_run_skip(struct bytes *run, uint64_t n);

/* buf holds LOG_HEADER_BYTES + entry->len. */
void log_record_write(uint8_t *buf, const struct log_entry *entry);
/* Check and take apart what is stored under index; out borrows the payload. */
int log_record_read(struct bytes record, uint64_t index, struct log_entry *out,
		    struct err *e);

void log_meta_key(uint8_t key[LOG_META_KEY_BYTES]);
void log_meta_write(uint8_t buf[LOG_META_BYTES], const struct log_meta *meta);
/* ERR_CORRUPT, ERR_FORMAT. */
int log_meta_read(struct bytes record, struct log_meta *out, struct err *e);

#endif
