#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cluster/core/command.h"
#include "cluster/core/control_internal.h"

static bool text_fits(const char *s, size_t max)
{
	return strlen(s) <= max;
}

static bool event_fits(const Synod__Command__Event *event)
{
	return event->type[0] &&
	       text_fits(event->type, CONTROL_EVENT_TYPE_MAX) &&
	       text_fits(event->node, LIMIT_NAME_BYTES) &&
	       text_fits(event->text, CONTROL_EVENT_TEXT_MAX) &&
	       synod__command__event__get_packed_size(event) <=
		       LIMIT_EVENT_BYTES;
}

/* At the limit the oldest goes: the log of events is for people who ask what
 * happened lately. */
void control_event_put(struct control_turn *t,
		       const Synod__Command__Event *event)
{
	uint8_t buf[LIMIT_EVENT_BYTES];
	struct control_summary *s = &t->c->summary;
	const struct kv *kv = t->kv;
	struct key key = key_of_u64('e', t->index), oldest = key_table('e');
	struct bytes value;

	CHECK(event_fits(event));
	size_t len = synod__command__event__pack(event, buf);
	kv->put(kv->ctx, key_bytes(&key), (struct bytes){buf, len});
	t->changed |= CONTROL_CHANGED_EVENTS;
	s->n_events_kept++;
	if (s->n_events_kept <= LIMIT_EVENTS)
		return;
	CHECK(key_next(kv, &oldest, CONTROL_TABLE_KEY, &value));
	kv->del(kv->ctx, key_bytes(&oldest));
	s->n_events_kept--;
}

void control_take_event(struct control_turn *t,
			const Synod__Command__Event *event)
{
	if (!event_fits(event)) {
		control_refuse(t, ERR_LIMIT, "the event is too large");
		return;
	}
	t->c->summary.n_events++;
	control_event_put(t, event);
}

/* Cut where a character begins. */
static void text_cut(char *text)
{
	size_t len = strlen(text);

	if (len < CONTROL_EVENT_TEXT_MAX)
		return;
	len = CONTROL_EVENT_TEXT_MAX - 1;
	while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
		len--;
	text[len] = '\0';
}

void control_say(struct control_turn *t, const struct control_note *note,
		 const char *fmt, ...)
{
	char text[CONTROL_EVENT_TEXT_MAX + 1];
	char node[LIMIT_NAME_BYTES + 1] = "";
	struct control_member m;
	Synod__Command__Event event;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	text_cut(text);
	if (note->node_id && control_member(t->kv, note->node_id, &m))
		memcpy(node, m.name, sizeof(node));
	else if (note->node_id)
		snprintf(node, sizeof(node), "%016" PRIx64, note->node_id);
	synod__command__event__init(&event);
	event.type = command_text(note->type);
	event.node = node;
	event.text = text;
	event.time_us = note->time_us;
	event.detect_us = note->detect_us;
	event.elect_us = note->elect_us;
	event.assign_us = note->assign_us;
	event.first_change_us = note->first_change_us;
	control_event_put(t, &event);
}
