#include "node/ctl/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* False: the answer is no such list. */
static bool look(const struct link_answer *a, size_t *n, uint64_t *next)
{
	const Synod__Admin__Response *r = a->response;
	switch (r->body_case) {
	case SYNOD__ADMIN__RESPONSE__BODY_CONFLICTS:
		*n = r->conflicts->n_conflicts;
		*next = r->conflicts->next_id;
		return true;
	case SYNOD__ADMIN__RESPONSE__BODY_LETTERS:
		*n = r->letters->n_letters;
		*next = r->letters->next_id;
		return true;
	default:
		return false;
	}
}

int pages_one(struct ctl *c, const Synod__Admin__Request *request,
	      struct link_answer *answer)
{
	size_t n = 0;
	uint64_t next = 0;
	if (link_call_any(&c->link, request, (int)c->options.timeout_ms,
			  answer))
		return ctl_fail(c, &answer->e, answer->hint);
	return look(answer, &n, &next) ? 0 : ctl_fail_answer(c, "such a list");
}

/* Only the last pages are wanted: the first ones go as soon as those behind
 * them hold enough. */
static void drop_first(struct pages *p, uint64_t count)
{
	size_t n = 0;
	uint64_t next = 0;
	while (p->n > 0 && look(&p->list[0], &n, &next) &&
	       p->n_items - n >= count) {
		link_answer_clear(&p->list[0]);
		p->n--;
		p->n_items -= n;
		memmove(p->list, p->list + 1, p->n * sizeof p->list[0]);
	}
}

int pages_read(struct ctl *c, pages_question question, uint64_t count,
	       struct pages *p)
{
	uint64_t from = 0;
	*p = (struct pages){0};
	do {
		Synod__Admin__Request request;
		size_t n = 0;
		uint64_t next = 0;
		synod__admin__request__init(&request);
		question(c, from, &request);
		p->list = mem_grow(p->list, (p->n + 1) * sizeof p->list[0]);
		struct link_answer *answer = &p->list[p->n];
		*answer = (struct link_answer){0};
		int rc = pages_one(c, &request, answer);
		if (rc) {
			link_answer_clear(answer);
			return rc;
		}
		look(answer, &n, &next);
		p->n++;
		p->n_items += n;
		/* A node that does not move on would be asked for ever. */
		from = next > from ? next : 0;
		if (count)
			drop_first(p, count);
	} while (from);
	p->n_skip =
		count && p->n_items > count ? p->n_items - (size_t)count : 0;
	return 0;
}

void pages_clear(struct pages *p)
{
	for (size_t i = 0; i < p->n; i++)
		link_answer_clear(&p->list[i]);
	free(p->list);
	*p = (struct pages){0};
}
