#include "cluster/core/control.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/digest.h"
#include "cluster/core/command.h"
#include "cluster/core/control_internal.h"

static const struct bytes summary_key = {(const uint8_t *)"s", 1};

void control_init(struct control *c)
{
	*c = (struct control){0};
	ledger_init(&c->ledger);
}

void control_free(struct control *c)
{
	catalog_free(c->catalog);
	tasks_clear(&c->tasks);
	ledger_free(&c->ledger);
	*c = (struct control){0};
}

void control_reset(struct control *c)
{
	CHECK(!c->is_dirty); /* a reset between apply and flush loses entries */
	control_free(c);
	control_init(c);
}

static void load(struct control *c, const struct kv *kv)
{
	control_summary(kv, &c->summary);
	c->floor = control_floor(kv);
	c->catalog = catalog_load(kv);
	c->n_old_tables = catalog_old_tables(c->catalog);
	tasks_load(&c->tasks, kv);
	c->is_loaded = true;
}

void control_refuse(struct control_turn *t, int code, const char *fmt, ...)
{
	struct err *e = &t->c->refusal;
	va_list args;

	t->c->summary.n_bad++;
	e->code = code;
	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
}

/* -- every entry ----------------------------------------------------------- */
static uint64_t chain(uint64_t digest, const struct control_entry *entry)
{
	uint8_t head[24];

	put_u64(head, entry->index);
	put_u64(head + 8, entry->term);
	put_u64(head + 16, (uint64_t)entry->type);
	digest = digest64_seed(head, sizeof(head), digest);
	return digest64_seed(entry->payload.data, entry->payload.len, digest);
}

static void take_append(struct control_turn *t, size_t len)
{
	t->c->summary.n_appends++;
	t->c->summary.append_bytes += len;
}

/* Those of the tasks and of the ledger. */
static void take_work(struct control_turn *t, const Synod__Command__Command *in)
{
	switch (in->body_case) {
	case SYNOD__COMMAND__COMMAND__BODY_ASSIGN:
		control_take_assign(t, in->assign);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_CHECKPOINT:
		control_take_checkpoint(t, in->checkpoint);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_TASK_REPORT:
		control_take_report(t, in->task_report);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_REACH:
		control_take_reach(t, in->reach);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_RESOLVE:
		control_take_resolve(t, in->resolve);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_DEAD_LETTER:
		control_take_letter(t, in->dead_letter);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_DIFFERENCE:
		control_take_difference(t, in->difference);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_LETTERS:
		control_take_letters(t, in->letters);
		break;
	default:
		control_refuse(t, ERR_INVALID, "it is no command");
		break;
	}
}

static void take_other(struct control_turn *t,
		       const Synod__Command__Command *in)
{
	switch (in->body_case) {
	case SYNOD__COMMAND__COMMAND__BODY_EVENT:
		control_take_event(t, in->event);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_MEMBER:
		control_take_member(t, in->member);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_CLUSTER:
		control_take_cluster(t, in->cluster);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_REVISION:
		control_take_revision(t, in->revision);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_DRAIN:
		control_take_drain(t, in->drain);
		break;
	case SYNOD__COMMAND__COMMAND__BODY_PAUSE:
		control_take_pause(t, in->pause);
		break;
	default:
		take_work(t, in);
		break;
	}
}

static void take_command(struct control_turn *t, struct bytes payload)
{
	struct command_view v;
	struct err e = {0};

	if (command_view_open(&v, payload, &e)) {
		control_refuse(t, e.code, "%s", e.text);
		return;
	}
	if (v.kind == COMMAND_APPEND)
		take_append(t, v.value.len);
	else if (v.kind == COMMAND_BATCH)
		control_take_batch(t, &v.batch);
	else
		take_other(t, v.tree);
	command_view_clear(&v);
}

unsigned control_apply(struct control *c, const struct kv *kv,
		       const struct control_entry *entry)
{
	struct control_turn t = {.c = c, .kv = kv, .index = entry->index};

	if (!c->is_loaded)
		load(c, kv);
	CHECK(entry->index == c->summary.applied_index + 1);
	c->summary.applied_index = entry->index;
	c->summary.digest = chain(c->summary.digest, entry);
	c->is_dirty = true;
	c->has_outcome = false;
	c->refusal.code = 0;
	if (entry->type == CONTROL_COMMAND)
		take_command(&t, entry->payload);
	else
		c->summary.n_others++;
	return t.changed;
}

void control_flush(struct control *c, const struct kv *kv)
{
	const struct control_summary *s = &c->summary;
	const uint64_t fields[] = {
		CONTROL_FORMAT, s->applied_index, s->digest,
		s->n_appends,   s->append_bytes,  s->n_events,
		s->n_members,   s->n_clusters,    s->n_others,
		s->n_bad,       s->n_events_kept,
	};
	uint8_t buf[CONTROL_SUMMARY_BYTES];

	_Static_assert(sizeof(fields) == sizeof(buf), "one u64 a field");
	if (!c->is_dirty)
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		put_u64(buf + 8 * i, fields[i]);
	kv->put(kv->ctx, summary_key, (struct bytes){buf, sizeof(buf)});
	ledger_flush(&c->ledger, kv);
	c->is_dirty = false;
}

struct bytes control_outcome(struct control *c)
{
	return c->has_outcome ? ledger_outcome(&c->ledger) : (struct bytes){0};
}

const struct err *control_refusal(const struct control *c)
{
	return &c->refusal;
}
