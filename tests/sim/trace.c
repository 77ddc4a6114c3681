#include "tests/sim/trace.h"

#include <stdio.h>

#include "proto/codec.h"
#include "proto/limits.h"
#include "proto/peer.pb-c.h"
#include "tests/sim/world.h"

static void append_text(const Synod__Peer__Message *m, char *out, size_t len)
{
	switch (m->body_case) {
	case SYNOD__PEER__MESSAGE__BODY_APPEND_ENTRIES:
		snprintf(out, len,
			 "append term %llu prev %llu/%llu n %u commit %llu",
			 (unsigned long long)m->append_entries->term,
			 (unsigned long long)m->append_entries->prev_index,
			 (unsigned long long)m->append_entries->prev_term,
			 m->append_entries->n_entries,
			 (unsigned long long)m->append_entries->leader_commit);
		break;
	case SYNOD__PEER__MESSAGE__BODY_APPEND_RESULT:
		snprintf(out, len,
			 "append result term %llu rejected %llu last %llu",
			 (unsigned long long)m->append_result->term,
			 (unsigned long long)m->append_result->rejected,
			 (unsigned long long)m->append_result->last_index);
		break;
	case SYNOD__PEER__MESSAGE__BODY_INSTALL_SNAPSHOT:
		snprintf(out, len, "install snapshot term %llu last %llu/%llu",
			 (unsigned long long)m->install_snapshot->term,
			 (unsigned long long)m->install_snapshot->last_index,
			 (unsigned long long)m->install_snapshot->last_term);
		break;
	case SYNOD__PEER__MESSAGE__BODY_IMAGE_REQUEST:
		snprintf(out, len, "image request at %llu",
			 (unsigned long long)m->image_request->offset);
		break;
	case SYNOD__PEER__MESSAGE__BODY_IMAGE_CHUNK:
		snprintf(out, len, "image chunk at %llu of %llu, %zu bytes",
			 (unsigned long long)m->image_chunk->offset,
			 (unsigned long long)m->image_chunk->size,
			 m->image_chunk->data.len);
		break;
	default:
		snprintf(out, len, "message %d", (int)m->body_case);
	}
}

static void message_text(const struct world *w, const Synod__Peer__Message *m,
			 char *out, size_t len)
{
	switch (m->body_case) {
	case SYNOD__PEER__MESSAGE__BODY_REQUEST_VOTE:
		snprintf(out, len, "%s term %llu for %d last %llu/%llu%s",
			 m->request_vote->pre_vote ? "pre-vote" : "vote",
			 (unsigned long long)m->request_vote->term,
			 oracle_number(w, m->request_vote->candidate_id),
			 (unsigned long long)m->request_vote->last_index,
			 (unsigned long long)m->request_vote->last_term,
			 m->request_vote->disrupt_leader ? " disrupt" : "");
		break;
	case SYNOD__PEER__MESSAGE__BODY_VOTE_RESULT:
		snprintf(out, len, "vote result term %llu %s pre %u",
			 (unsigned long long)m->vote_result->term,
			 m->vote_result->granted ? "granted" : "refused",
			 m->vote_result->pre_vote);
		break;
	case SYNOD__PEER__MESSAGE__BODY_TIMEOUT_NOW:
		snprintf(out, len, "timeout now term %llu last %llu/%llu",
			 (unsigned long long)m->timeout_now->term,
			 (unsigned long long)m->timeout_now->last_index,
			 (unsigned long long)m->timeout_now->last_term);
		break;
	case SYNOD__PEER__MESSAGE__BODY_FORWARD:
		snprintf(out, len, "forward term %llu seq %llu",
			 (unsigned long long)m->forward->term,
			 (unsigned long long)m->forward->seq);
		break;
	case SYNOD__PEER__MESSAGE__BODY_FATE:
		snprintf(out, len, "fate seq %llu code %d index %llu",
			 (unsigned long long)m->fate->seq, m->fate->code,
			 (unsigned long long)m->fate->index);
		break;
	default:
		append_text(m, out, len);
	}
}

void trace_frame(struct world *w, const struct machine *m, unsigned dst,
		 const struct blob *frame)
{
	struct bytes payload;
	char text[160];

	if (!w->cfg.is_traced)
		return;
	if (codec_open(CODEC_ENVELOPE, blob_bytes(frame), LIMIT_FRAME_BYTES,
		       &payload, NULL)) {
		world_trace(w, m, "-> %u: a frame that cannot be opened", dst);
		return;
	}
	Synod__Peer__Envelope *e =
		synod__peer__envelope__unpack(NULL, payload.len, payload.data);
	for (size_t i = 0; e && i < e->n_messages; i++) {
		message_text(w, e->messages[i], text, sizeof(text));
		world_trace(w, m, "-> %u: %s", dst, text);
	}
	if (e)
		synod__peer__envelope__free_unpacked(e, NULL);
}
