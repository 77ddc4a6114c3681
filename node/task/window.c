#include "node/task/window.h"

#include "base/check.h"

void window_free(struct window *w)
{
	for (size_t i = 0; i < LIMIT_CAPTURE_WINDOW_COUNT; i++)
		value_buf_free(&w->list[i].to);
	*w = (struct window){0};
}

void window_clear(struct window *w)
{
	window_pop(w, w->n);
}

bool window_has_room(const struct window *w)
{
	return w->n < LIMIT_CAPTURE_WINDOW_COUNT &&
	       w->bytes < LIMIT_CAPTURE_WINDOW_BYTES;
}

struct flight *window_at(struct window *w, size_t i)
{
	CHECK(i < LIMIT_CAPTURE_WINDOW_COUNT);
	return &w->list[(w->first + i) % LIMIT_CAPTURE_WINDOW_COUNT];
}

struct flight *window_push(struct window *w)
{
	CHECK(w->n < LIMIT_CAPTURE_WINDOW_COUNT);
	struct flight *f = window_at(w, w->n++);
	struct value_buf to = f->to;

	to.len = 0;
	*f = (struct flight){.to = to};
	return f;
}

void window_pop(struct window *w, size_t n)
{
	CHECK(n <= w->n);
	for (size_t i = 0; i < n; i++)
		w->bytes -= window_at(w, i)->bytes;
	w->first = (w->first + n) % LIMIT_CAPTURE_WINDOW_COUNT;
	w->n -= n;
}

bool window_fate(struct window *w, const struct task_fate *fate)
{
	for (size_t i = 0; i < w->n; i++) {
		struct flight *f = window_at(w, i);

		if (f->ticket != fate->ticket)
			continue;
		f->is_known = true;
		f->code = fate->code;
		f->index = fate->code ? 0 : fate->index;
		return true;
	}
	return false;
}

void window_expire(struct window *w, int64_t now_us)
{
	for (size_t i = 0; i < w->n; i++) {
		struct flight *f = window_at(w, i);

		if (f->is_known || now_us < f->deadline_us)
			continue;
		f->is_known = true;
		f->code = ERR_UNKNOWN_FATE;
	}
}

bool window_is_known(struct window *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (!window_at(w, i)->is_known)
			return false;
	return true;
}

bool window_is_torn(struct window *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct flight *f = window_at(w, i);

		if (f->is_known && f->code)
			return true;
	}
	return false;
}

uint64_t window_last_index(struct window *w)
{
	uint64_t last = 0;

	for (size_t i = 0; i < w->n; i++)
		if (window_at(w, i)->index > last)
			last = window_at(w, i)->index;
	return last;
}

size_t window_taken(struct window *w, struct bytes position)
{
	for (size_t i = w->n; i > 0; i--) {
		const struct value_buf *to = &window_at(w, i - 1)->to;

		if (bytes_compare((struct bytes){to->data, to->len},
				  position) == 0)
			return i;
	}
	return 0;
}
