#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* An AVL tree: the depth is bounded by 1.44 log2(n) whatever the keys are, so
 * recursion is bounded too, and the shape depends on the operations alone. */
struct map_node {
	struct map_node *left, *right;
	uint8_t *value; /* its own allocation, NULL when empty */
	size_t value_len;
	size_t key_len;
	int height;
	uint8_t key[];
};

struct map {
	struct map_node *root;
	size_t count;
};

struct map *map_new(void)
{
	return mem_zero(1, sizeof(struct map));
}

static void node_free(struct map_node *n)
{
	free(n->value);
	free(n);
}

static void tree_free(struct map_node *n)
{
	if (!n)
		return;
	tree_free(n->left);
	tree_free(n->right);
	node_free(n);
}

void map_free(struct map *m)
{
	if (!m)
		return;
	tree_free(m->root);
	free(m);
}

size_t map_count(const struct map *m)
{
	return m->count;
}

static struct bytes key_of(const struct map_node *n)
{
	return (struct bytes){n->key, n->key_len};
}

static struct bytes value_of(const struct map_node *n)
{
	return (struct bytes){n->value, n->value_len};
}

static int height_of(const struct map_node *n)
{
	return n ? n->height : 0;
}

static void update_height(struct map_node *n)
{
	int left = height_of(n->left), right = height_of(n->right);

	n->height = (left > right ? left : right) + 1;
}

static struct map_node *rotate_right(struct map_node *n)
{
	struct map_node *top = n->left;

	n->left = top->right;
	top->right = n;
	update_height(n);
	update_height(top);
	return top;
}

static struct map_node *rotate_left(struct map_node *n)
{
	struct map_node *top = n->right;

	n->right = top->left;
	top->left = n;
	update_height(n);
	update_height(top);
	return top;
}

/* Both subtrees are balanced and differ by at most 2; gives the new top. */
static struct map_node *balance(struct map_node *n)
{
	int lean = height_of(n->left) - height_of(n->right);

	if (lean > 1) {
		struct map_node *left = n->left;
		if (height_of(left->left) < height_of(left->right))
			n->left = rotate_left(left);
		return rotate_right(n);
	}
	if (lean < -1) {
		struct map_node *right = n->right;
		if (height_of(right->right) < height_of(right->left))
			n->right = rotate_right(right);
		return rotate_left(n);
	}
	update_height(n);
	return n;
}

static uint8_t *dup_bytes(struct bytes b)
{
	if (b.len == 0)
		return NULL;
	return memcpy(mem_alloc(b.len), b.data, b.len);
}

static struct map_node *node_new(struct bytes key, struct bytes value)
{
	struct map_node *n = mem_alloc(sizeof *n + key.len);

	n->left = n->right = NULL;
	n->height = 1;
	n->value = dup_bytes(value);
	n->value_len = value.len;
	n->key_len = key.len;
	if (key.len)
		memcpy(n->key, key.data, key.len);
	return n;
}

static void set_value(struct map_node *n, struct bytes value)
{
	/* Copy first: the value may be a slice of the one it replaces. */
	uint8_t *copy = dup_bytes(value);

	free(n->value);
	n->value = copy;
	n->value_len = value.len;
}

static struct map_node *put(struct map *m, struct map_node *n, struct bytes key,
			    struct bytes value)
{
	if (!n) {
		m->count++;
		return node_new(key, value);
	}
	int order = bytes_compare(key, key_of(n));
	if (order == 0) {
		set_value(n, value);
		return n;
	}
	if (order < 0)
		n->left = put(m, n->left, key, value);
	else
		n->right = put(m, n->right, key, value);
	return balance(n);
}

void map_put(struct map *m, struct bytes key, struct bytes value)
{
	m->root = put(m, m->root, key, value);
}

bool map_get(const struct map *m, struct bytes key, struct bytes *value)
{
	const struct map_node *n = m->root;

	while (n) {
		int order = bytes_compare(key, key_of(n));
		if (order == 0) {
			*value = value_of(n);
			return true;
		}
		n = order < 0 ? n->left : n->right;
	}
	return false;
}

/* Unlink the smallest node of a tree; gives what remains. */
static struct map_node *take_first(struct map_node *n, struct map_node **first)
{
	if (!n->left) {
		*first = n;
		return n->right;
	}
	n->left = take_first(n->left, first);
	return balance(n);
}

/* What stands in the place of n once n is gone. */
static struct map_node *join_children(struct map_node *n)
{
	struct map_node *heir;

	if (!n->left)
		return n->right;
	if (!n->right)
		return n->left;
	/* Relink the heir instead of moving its bytes: slices that were lent
	 * of other keys stay valid. */
	struct map_node *right = take_first(n->right, &heir);
	heir->left = n->left;
	heir->right = right;
	return balance(heir);
}

static struct map_node *remove_key(struct map_node *n, struct bytes key,
				   struct map_node **gone)
{
	if (!n)
		return NULL;
	int order = bytes_compare(key, key_of(n));
	if (order == 0) {
		*gone = n;
		return join_children(n);
	}
	if (order < 0)
		n->left = remove_key(n->left, key, gone);
	else
		n->right = remove_key(n->right, key, gone);
	return balance(n);
}

bool map_delete(struct map *m, struct bytes key)
{
	struct map_node *gone = NULL;

	m->root = remove_key(m->root, key, &gone);
	if (!gone)
		return false;
	/* Last: key may be a slice of the node itself. */
	node_free(gone);
	CHECK(m->count > 0);
	m->count--;
	return true;
}

bool map_seek(const struct map *m, struct bytes from, bool after,
	      struct bytes *key, struct bytes *value)
{
	const struct map_node *n = m->root, *found = NULL;

	while (n) {
		int order = bytes_compare(key_of(n), from);
		if (order > 0 || (order == 0 && !after)) {
			found = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (!found)
		return false;
	*key = key_of(found);
	*value = value_of(found);
	return true;
}

/* The height of a tree whose keys lie above *last; *last moves to its end. */
static int check_tree(const struct map_node *n, const struct map_node **last,
		      size_t *count)
{
	if (!n)
		return 0;
	int left = check_tree(n->left, last, count);
	CHECK(!*last || bytes_compare(key_of(*last), key_of(n)) < 0);
	*last = n;
	++*count;
	int right = check_tree(n->right, last, count);
	CHECK(left - right <= 1 && right - left <= 1);
	CHECK(n->height == (left > right ? left : right) + 1);
	return n->height;
}

void map_check(const struct map *m)
{
	const struct map_node *last = NULL;
	size_t count = 0;

	check_tree(m->root, &last, &count);
	CHECK(count == m->count);
}
