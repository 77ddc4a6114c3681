#include "connectors/where.h"

#include "base/err.h"

/* What both sides have a value for. */
static bool is_met(Synod__Definition__Comparison__Op op, int order)
{
	switch (op) {
	case SYNOD__DEFINITION__COMPARISON__OP__EQ:
		return order == 0;
	case SYNOD__DEFINITION__COMPARISON__OP__NE:
		return order != 0;
	case SYNOD__DEFINITION__COMPARISON__OP__LT:
		return order < 0;
	case SYNOD__DEFINITION__COMPARISON__OP__LE:
		return order <= 0;
	case SYNOD__DEFINITION__COMPARISON__OP__GT:
		return order > 0;
	case SYNOD__DEFINITION__COMPARISON__OP__GE:
		return order >= 0;
	default:
		return false;
	}
}

static bool is_known_op(Synod__Definition__Comparison__Op op)
{
	return op >= SYNOD__DEFINITION__COMPARISON__OP__EQ &&
	       op <= SYNOD__DEFINITION__COMPARISON__OP__NOT_NULL;
}

static bool asks_null(Synod__Definition__Comparison__Op op)
{
	return op == SYNOD__DEFINITION__COMPARISON__OP__IS_NULL ||
	       op == SYNOD__DEFINITION__COMPARISON__OP__NOT_NULL;
}

/* The value that a comparison compares with: NULL or set. */
static int read_operand(const Synod__Definition__Comparison *c,
			struct value *out)
{
	struct bytes b = {c->value.data, c->value.len};
	struct value_reader r = value_reader(b);

	if (!value_read(&r, out) || r.at != r.end)
		return ERR_INVALID;
	return out->state == VALUE_SET || out->state == VALUE_NULL
		       ? 0
		       : ERR_INVALID;
}

static int compare(const Synod__Definition__Comparison *c,
		   const struct value *v)
{
	struct value operand;

	if (!is_known_op(c->op))
		return ERR_INVALID;
	if (asks_null(c->op)) {
		bool wants_null =
			c->op == SYNOD__DEFINITION__COMPARISON__OP__IS_NULL;
		if (v->state == VALUE_ABSENT || v->state == VALUE_UNCHANGED)
			return WHERE_UNKNOWN;
		return (v->state == VALUE_NULL) == wants_null;
	}
	if (read_operand(c, &operand))
		return ERR_INVALID;
	if (operand.state == VALUE_NULL || v->state == VALUE_NULL)
		return WHERE_FALSE;
	if (v->state != VALUE_SET)
		return WHERE_UNKNOWN;
	if (v->type != operand.type)
		return ERR_INVALID;
	return is_met(c->op, value_compare(v, &operand));
}

int where_holds(const Synod__Definition__Side *side, const struct value *values,
		uint32_t n)
{
	int verdict = WHERE_TRUE;

	/* One that is false decides, whatever the unknown ones would say; all
	 * are looked at, so that a wrong one never depends on the row. */
	for (size_t i = 0; i < side->n_where; i++) {
		const Synod__Definition__Comparison *c = side->where[i];
		if (c->field >= n)
			return ERR_INVALID;
		int rc = compare(c, &values[c->field]);
		if (rc < 0)
			return rc;
		if (rc == WHERE_FALSE)
			verdict = WHERE_FALSE;
		else if (rc == WHERE_UNKNOWN && verdict == WHERE_TRUE)
			verdict = WHERE_UNKNOWN;
	}
	return verdict;
}
