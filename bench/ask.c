#include "bench/ask.h"

#include "proto/codec.h"
#include "proto/limits.h"

Synod__Admin__Response *answer_open(struct bytes frame, struct err *e)
{
	struct bytes payload;

	if (codec_open(CODEC_RESPONSE, frame, LIMIT_FRAME_BYTES, &payload, e))
		return NULL;
	Synod__Admin__Response *answer = (Synod__Admin__Response *)codec_unpack(
		&synod__admin__response__descriptor, payload, e);
	if (!answer || !answer->problem)
		return answer;
	const Synod__Admin__Problem *problem = answer->problem;
	err_set(e, problem->code < 0 ? problem->code : ERR_INVALID, "%s%s%s",
		problem->text, problem->hint[0] ? "; " : "", problem->hint);
	answer_free(answer);
	return NULL;
}

void answer_free(Synod__Admin__Response *answer)
{
	if (answer)
		synod__admin__response__free_unpacked(answer, NULL);
}

int ask(struct door_client *c, const Synod__Admin__Request *question,
	int timeout_ms, Synod__Admin__Response **answer, struct err *e)
{
	struct err own = {0};
	struct blob *response = NULL;
	struct err *why = e ? e : &own;

	struct blob *request = codec_seal(CODEC_REQUEST, &question->base);
	int rc = door_call(c, blob_bytes(request), timeout_ms, &response, why);
	blob_unref(request);
	if (rc)
		return rc;
	*answer = answer_open(blob_bytes(response), why);
	blob_unref(response);
	return *answer ? 0 : why->code;
}

int ask_status(struct door_client *c, int timeout_ms,
	       Synod__Admin__Response **answer, struct err *e)
{
	Synod__Admin__StatusRequest status = SYNOD__ADMIN__STATUS_REQUEST__INIT;
	Synod__Admin__Request question = SYNOD__ADMIN__REQUEST__INIT;

	question.body_case = SYNOD__ADMIN__REQUEST__BODY_STATUS;
	question.status = &status;
	int rc = ask(c, &question, timeout_ms, answer, e);
	if (rc)
		return rc;
	if ((*answer)->body_case == SYNOD__ADMIN__RESPONSE__BODY_STATUS &&
	    (*answer)->status->self)
		return 0;
	answer_free(*answer);
	*answer = NULL;
	return err_set(e, ERR_CORRUPT, "the answer to status has no status");
}

int ask_append(struct door_client *c, struct bytes value, int timeout_ms,
	       uint64_t *index, struct err *e)
{
	ProtobufCBinaryData data = {.len = value.len,
				    .data = (uint8_t *)(uintptr_t)value.data};
	Synod__Admin__AppendRequest append = SYNOD__ADMIN__APPEND_REQUEST__INIT;
	Synod__Admin__Request question = SYNOD__ADMIN__REQUEST__INIT;
	Synod__Admin__Response *answer;

	append.n_values = 1;
	append.values = &data;
	append.timeout_ms = (uint32_t)timeout_ms;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_APPEND;
	question.append = &append;
	int rc = ask(c, &question, timeout_ms, &answer, e);
	if (rc)
		return rc;
	if (answer->body_case != SYNOD__ADMIN__RESPONSE__BODY_APPEND ||
	    answer->append->n_fates != 1) {
		answer_free(answer);
		return err_set(e, ERR_CORRUPT, "one value, but not one fate");
	}
	rc = answer->append->fates[0]->code;
	if (rc == 0)
		*index = answer->append->fates[0]->index;
	else
		err_set(e, rc, "append: %s", err_sentence(rc));
	answer_free(answer);
	return rc;
}

int ask_transfer(struct door_client *c, const char *to, int timeout_ms,
		 struct err *e)
{
	Synod__Admin__TransferRequest transfer;
	Synod__Admin__Request question = SYNOD__ADMIN__REQUEST__INIT;
	Synod__Admin__Response *answer;

	synod__admin__transfer_request__init(&transfer);
	transfer.to = (char *)(uintptr_t)to;
	question.body_case = SYNOD__ADMIN__REQUEST__BODY_TRANSFER;
	question.transfer = &transfer;
	int rc = ask(c, &question, timeout_ms, &answer, e);
	if (rc == 0)
		answer_free(answer);
	return rc;
}
