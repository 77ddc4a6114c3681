#include "tests/chaos/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/digest.h"
#include "proto/limits.h"

enum { READ_MS = 10000 };

struct history {
	struct fleet *fleet;
	struct writers *writers;
	uint64_t n_entries; /* the index of the last one */
	uint64_t *digests;  /* of the entry at index i + 1; 0: not read yet */
	uint8_t *seen[WRITERS]; /* which values the node at hand holds */
	uint64_t n_checked;     /* acknowledged values found on it */
	uint64_t first_index;   /* the oldest it holds */
};

static int read_page(struct door_client *c, uint64_t from,
		     Synod__Admin__Response **answer, struct err *e)
{
	Synod__Admin__TailRequest tail = SYNOD__ADMIN__TAIL_REQUEST__INIT;
	Synod__Admin__Request request = SYNOD__ADMIN__REQUEST__INIT;

	tail.from_index = from;
	tail.count = LIMIT_TAIL_ENTRIES;
	tail.with_values = true;
	request.body_case = SYNOD__ADMIN__REQUEST__BODY_TAIL;
	request.tail = &tail;
	int rc = ask(c, &request, READ_MS, answer, e);
	if (rc)
		return rc;
	if ((*answer)->body_case == SYNOD__ADMIN__RESPONSE__BODY_TAIL &&
	    (*answer)->tail->n_entries > 0)
		return 0;
	answer_free(*answer);
	return err_set(e, ERR_CORRUPT, "no entries from index %llu",
		       (unsigned long long)from);
}

static uint64_t entry_digest(const Synod__Admin__LogEntry *entry)
{
	uint64_t d = digest64(entry->value.data, entry->value.len);

	d = digest64_seed(entry->type, strlen(entry->type), d);
	d = digest64_seed(entry->text, strlen(entry->text), d);
	d = digest64_seed(&entry->term, sizeof entry->term, d);
	return d ? d : 1;
}

/* The same entry as on the nodes that were read before? */
static int check_same(struct history *h, const Synod__Admin__LogEntry *entry,
		      struct err *e)
{
	uint64_t *known = &h->digests[entry->index - 1];
	uint64_t digest = entry_digest(entry);

	if (*known && *known != digest)
		return err_set(e, ERR_CORRUPT,
			       "the entry at index %llu is not the same on all "
			       "nodes",
			       (unsigned long long)entry->index);
	*known = digest;
	return 0;
}

static int check_value(struct history *h, const Synod__Admin__LogEntry *entry,
		       struct err *e)
{
	unsigned writer;
	uint64_t seq;

	if (strcmp(entry->type, "append") != 0)
		return 0;
	if (!writers_parse(entry->value.data, entry->value.len, &writer,
			   &seq) ||
	    seq >= writers_sent(h->writers, writer))
		return err_set(e, ERR_CORRUPT,
			       "the value at index %llu was never written",
			       (unsigned long long)entry->index);
	if (h->seen[writer][seq])
		return err_set(e, ERR_CORRUPT,
			       "value %u/%llu is in the log twice, again at "
			       "index %llu",
			       writer, (unsigned long long)seq,
			       (unsigned long long)entry->index);
	h->seen[writer][seq] = 1;
	return 0;
}

/* Acknowledged values are sorted by index; next is the first one that has not
 * been met yet. */
static int check_acked(struct history *h, const Synod__Admin__LogEntry *entry,
		       uint64_t *next, struct err *e)
{
	uint64_t n;
	const struct acked *acked = writers_acked(h->writers, &n);
	uint8_t want[WRITERS_VALUE_BYTES];

	while (*next < n && acked[*next].index < h->first_index)
		(*next)++; /* forgotten here; another node has it */
	if (*next == n || acked[*next].index != entry->index)
		return 0;
	writers_value(acked[*next].writer, acked[*next].seq, want);
	if (entry->value.len != sizeof want ||
	    memcmp(entry->value.data, want, sizeof want) != 0)
		return err_set(e, ERR_CORRUPT,
			       "value %u/%llu was acknowledged at index %llu, "
			       "where something else stands",
			       acked[*next].writer,
			       (unsigned long long)acked[*next].seq,
			       (unsigned long long)entry->index);
	(*next)++;
	h->n_checked++;
	return 0;
}

static int check_page(struct history *h, const Synod__Admin__TailResponse *page,
		      uint64_t *index, uint64_t *next, struct err *e)
{
	for (size_t i = 0; i < page->n_entries && *index <= h->n_entries; i++) {
		const Synod__Admin__LogEntry *entry = page->entries[i];
		if (entry->index != *index)
			return err_set(e, ERR_CORRUPT, "index %llu is missing",
				       (unsigned long long)*index);
		int rc = check_same(h, entry, e);
		if (rc == 0)
			rc = check_value(h, entry, e);
		if (rc == 0)
			rc = check_acked(h, entry, next, e);
		if (rc)
			return rc;
		(*index)++;
	}
	return 0;
}

static int check_node(struct history *h, unsigned i, struct err *e)
{
	struct door_client *c = NULL;
	Synod__Admin__Response *page;
	uint64_t index = 1, next = 0;

	int rc = fleet_dial(h->fleet, i, 1, &c, e);
	h->n_checked = 0;
	h->first_index = 0;
	for (unsigned k = 0; k < WRITERS; k++)
		memset(h->seen[k], 0, writers_sent(h->writers, k) + 1);
	while (rc == 0 && index <= h->n_entries) {
		rc = read_page(c, index, &page, e);
		if (rc)
			break;
		if (h->first_index == 0)
			index = h->first_index = page->tail->first_index;
		rc = check_page(h, page->tail, &index, &next, e);
		answer_free(page);
	}
	door_hang_up(c);
	return rc ? err_wrap(e, fleet_name(h->fleet, i)) : 0;
}

static int check_all(struct history *h, struct err *e)
{
	uint64_t n_acked, n_whole = 0;

	writers_acked(h->writers, &n_acked);
	for (unsigned i = 0; i < fleet_size(h->fleet); i++) {
		int rc = check_node(h, i, e);
		if (rc)
			return rc;
		if (h->first_index != 1)
			continue;
		n_whole++;
		if (h->n_checked != n_acked)
			return err_set(e, ERR_CORRUPT,
				       "%llu values were acknowledged, %s "
				       "holds %llu of them",
				       (unsigned long long)n_acked,
				       fleet_name(h->fleet, i),
				       (unsigned long long)h->n_checked);
	}
	/* Quotas are far away in these tests: somebody has everything. */
	if (n_whole == 0)
		return err_set(e, ERR_CORRUPT, "no node holds the whole log");
	return 0;
}

int history_check(struct fleet *f, struct writers *w, struct err *e)
{
	struct history h = {.fleet = f, .writers = w};
	uint64_t digest;

	int rc = fleet_wait_equal(f, FLEET_START_MS, &h.n_entries, &digest, e);
	if (rc)
		return rc;
	h.digests = mem_zero(h.n_entries, sizeof *h.digests);
	for (unsigned i = 0; i < WRITERS; i++)
		h.seen[i] = mem_zero(writers_sent(w, i) + 1, 1);
	rc = check_all(&h, e);
	for (unsigned i = 0; i < WRITERS; i++)
		free(h.seen[i]);
	free(h.digests);
	return rc;
}
