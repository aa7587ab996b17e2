/*
 * A text is its root node. Functions that build trees take over the references that they are given and return one; no
 * tree at all is NULL there, so that nothing is joined to nothing without a special case. Only at the door does an
 * empty text become a leaf without bytes.
 */
#include "text.h"

enum {
        LEAF_MAXIMUM = 2048,
        LEAF_MINIMUM = LEAF_MAXIMUM / 4,
        LEAF_BUILT = LEAF_MAXIMUM / 4 * 3, /* room for a first edit */
        CHILDREN_MAXIMUM = 16,
        CHILDREN_MINIMUM = CHILDREN_MAXIMUM / 4,
        CHILDREN_BUILT = CHILDREN_MAXIMUM / 4 * 3,
};

struct text {
        uint32_t references; /* atomic */
        uint16_t height;     /* 0: a leaf */
        uint16_t count;      /* of children */
        struct text_extent extent;
        union {
                uint8_t bytes[0];
                struct text *children[0];
        };
};

enum measure { BYTES, UNITS, LINES };

static struct text *join(struct text *left, struct text *right);

/* Extents */

static struct text_extent add(struct text_extent a, struct text_extent b) {
        return (struct text_extent){ a.bytes + b.bytes, a.units + b.units, a.lines + b.lines };
}

static struct text_extent subtract(struct text_extent a, struct text_extent b) {
        return (struct text_extent){ a.bytes - b.bytes, a.units - b.units, a.lines - b.lines };
}

static size_t measured(const struct text_extent *extent, enum measure by) {
        return by == BYTES ? extent->bytes : by == UNITS ? extent->units : extent->lines;
}

static bool is_continuation(uint8_t byte) {
        return (byte & 0xC0) == 0x80;
}

/* Without a branch, so that compilers make vector code of it. */
struct text_extent text_measure(const void *bytes, size_t size) {
        const uint8_t *at = bytes;
        struct text_extent extent = { .bytes = size };
        for (size_t i = 0; i < size; i++) {
                extent.units += (size_t) !is_continuation(at[i]) + (at[i] >= 0xF0);
                extent.lines += at[i] == '\n';
        }
        return extent;
}

/* Nodes */

struct text *text_reference(struct text *text) {
        __atomic_fetch_add(&text->references, 1, __ATOMIC_RELAXED);
        return text;
}

void text_unreference(struct text *text) {
        if (!text || __atomic_fetch_sub(&text->references, 1, __ATOMIC_ACQ_REL) > 1)
                return;
        for (size_t i = 0; i < text->count; i++)
                text_unreference(text->children[i]);
        free(text);
}

/* A leaf of two pieces, either of which may be empty. */
static struct text *make_leaf(const uint8_t *first, size_t first_size, const uint8_t *second, size_t second_size,
                              struct text_extent extent) {
        struct text *leaf = allocate(sizeof *leaf + first_size + second_size);
        leaf->references = 1;
        leaf->extent = extent;
        if (first_size > 0)
                memcpy(leaf->bytes, first, first_size);
        if (second_size > 0)
                memcpy(leaf->bytes + first_size, second, second_size);
        return leaf;
}

/* Takes the children over. One child needs no node above it. */
static struct text *make_node(struct text *const *children, size_t count) {
        if (count <= 1)
                return count == 1 ? children[0] : NULL;
        struct text *node = allocate(sizeof *node + count * sizeof children[0]);
        node->references = 1;
        node->height = (uint16_t) (children[0]->height + 1);
        node->count = (uint16_t) count;
        for (size_t i = 0; i < count; i++) {
                node->children[i] = children[i];
                node->extent = add(node->extent, children[i]->extent);
        }
        return node;
}

/* At most twice CHILDREN_MAXIMUM. */
static struct text *make_one_or_two(struct text *const *children, size_t count) {
        if (count <= CHILDREN_MAXIMUM)
                return make_node(children, count);
        size_t half = count / 2;
        struct text *two[] = { make_node(children, half), make_node(children + half, count - half) };
        return make_node(two, 2);
}

static struct text *share_children(const struct text *node, size_t from, size_t to) {
        struct text *children[CHILDREN_MAXIMUM];
        size_t count = 0;
        for (size_t i = from; i < to; i++)
                children[count++] = text_reference(node->children[i]);
        return make_node(children, count);
}

/* Building from bytes: the leaves, then level upon level, each divided evenly. */

static struct text *build_level(struct text **nodes, size_t count) {
        while (count > 1) {
                size_t groups = (count + CHILDREN_BUILT - 1) / CHILDREN_BUILT, from = 0;
                for (size_t i = 0; i < groups; i++) {
                        size_t to = count * (i + 1) / groups;
                        nodes[i] = make_node(nodes + from, to - from);
                        from = to;
                }
                count = groups;
        }
        return nodes[0];
}

static struct text *build(const uint8_t *bytes, size_t size) {
        if (size == 0)
                return NULL;
        size_t count = (size + LEAF_BUILT - 1) / LEAF_BUILT, from = 0;
        free_scoped struct text **leaves = allocate(count * sizeof *leaves);
        for (size_t i = 0; i < count; i++) {
                size_t to = size * (i + 1) / count;
                while (to < size && is_continuation(bytes[to]))
                        to--;
                leaves[i] = make_leaf(bytes + from, to - from, NULL, 0, text_measure(bytes + from, to - from));
                from = to;
        }
        return build_level(leaves, count);
}

/* Joining */

static struct text *join_leaves(struct text *left, struct text *right) {
        size_t a = left->extent.bytes, b = right->extent.bytes, total = a + b;
        if (total > LEAF_MAXIMUM && a >= LEAF_MINIMUM && b >= LEAF_MINIMUM)
                return make_node((struct text *[]){ left, right }, 2);
        struct text *joined = make_leaf(left->bytes, a, right->bytes, b, add(left->extent, right->extent));
        text_unreference(left);
        text_unreference(right);
        if (total <= LEAF_MAXIMUM)
                return joined;
        size_t half = total / 2;
        while (is_continuation(joined->bytes[half]))
                half--;
        struct text_extent first = text_measure(joined->bytes, half);
        struct text *two[] = {
                make_leaf(joined->bytes, half, NULL, 0, first),
                make_leaf(joined->bytes + half, total - half, NULL, 0, subtract(joined->extent, first)),
        };
        text_unreference(joined);
        return make_node(two, 2);
}

static struct text *join_nodes(struct text *left, struct text *right) {
        size_t total = (size_t) left->count + right->count;
        if (total > CHILDREN_MAXIMUM && left->count >= CHILDREN_MINIMUM && right->count >= CHILDREN_MINIMUM)
                return make_node((struct text *[]){ left, right }, 2);
        struct text *children[2 * CHILDREN_MAXIMUM];
        size_t count = 0;
        for (size_t i = 0; i < left->count; i++)
                children[count++] = text_reference(left->children[i]);
        for (size_t i = 0; i < right->count; i++)
                children[count++] = text_reference(right->children[i]);
        text_unreference(left);
        text_unreference(right);
        return make_one_or_two(children, count);
}

/* What took the place of a node's outermost child: as tall as that child was, or a level more, and then its children
 * are what the node gets. Adds to `children`, takes `edge` over. */
static size_t add_edge(struct text **children, size_t count, struct text *edge, size_t child_height) {
        if (edge->height == child_height) {
                children[count++] = edge;
                return count;
        }
        for (size_t i = 0; i < edge->count; i++)
                children[count++] = text_reference(edge->children[i]);
        text_unreference(edge);
        return count;
}

static struct text *join_below_left(struct text *left, struct text *right) {
        struct text *children[2 * CHILDREN_MAXIMUM];
        size_t count = 0, last = left->count - 1u, child_height = left->height - 1u;
        for (size_t i = 0; i < last; i++)
                children[count++] = text_reference(left->children[i]);
        struct text *edge = join(text_reference(left->children[last]), right);
        text_unreference(left);
        return make_one_or_two(children, add_edge(children, count, edge, child_height));
}

static struct text *join_below_right(struct text *left, struct text *right) {
        struct text *children[2 * CHILDREN_MAXIMUM];
        size_t child_height = right->height - 1u;
        struct text *edge = join(left, text_reference(right->children[0]));
        size_t count = add_edge(children, 0, edge, child_height);
        for (size_t i = 1; i < right->count; i++)
                children[count++] = text_reference(right->children[i]);
        text_unreference(right);
        return make_one_or_two(children, count);
}

static struct text *join(struct text *left, struct text *right) {
        if (!left || !right)
                return left ? left : right;
        if (left->height > right->height)
                return join_below_left(left, right);
        if (left->height < right->height)
                return join_below_right(left, right);
        return left->height == 0 ? join_leaves(left, right) : join_nodes(left, right);
}

/* Splitting at a place, which is the extent of what lies before it: then the leaf in which it lies need not be measured
 * again. */

/* The child in which the place lies, or at whose end; `place` becomes relative to it. */
static size_t descend(const struct text *node, enum measure by, size_t count, struct text_extent *before) {
        size_t i = 0;
        while (i + 1 < node->count && measured(before, by) + measured(&node->children[i]->extent, by) < count)
                *before = add(*before, node->children[i++]->extent);
        return i;
}

static struct text *part_before(struct text *text, struct text_extent place) {
        if (place.bytes == 0)
                return NULL;
        if (place.bytes == text->extent.bytes)
                return text_reference(text);
        if (text->height == 0)
                return make_leaf(text->bytes, place.bytes, NULL, 0, place);
        struct text_extent before = { 0 };
        size_t i = descend(text, BYTES, place.bytes, &before);
        return join(share_children(text, 0, i), part_before(text->children[i], subtract(place, before)));
}

static struct text *part_after(struct text *text, struct text_extent place) {
        if (place.bytes == 0)
                return text_reference(text);
        if (place.bytes == text->extent.bytes)
                return NULL;
        if (text->height == 0)
                return make_leaf(text->bytes + place.bytes, text->extent.bytes - place.bytes, NULL, 0,
                                 subtract(text->extent, place));
        struct text_extent before = { 0 };
        size_t i = descend(text, BYTES, place.bytes, &before);
        return join(part_after(text->children[i], subtract(place, before)), share_children(text, i + 1, text->count));
}

/* The door */

static struct text *or_empty(struct text *tree) {
        return tree ? tree : make_leaf(NULL, 0, NULL, 0, (struct text_extent){ 0 });
}

int text_new(const void *bytes, size_t size, struct text **ret_text) {
        if (size > TEXT_BYTES_MAXIMUM)
                return -EFBIG;
        if (size > 0 && !utf8_valid(bytes, size))
                return -EILSEQ;
        *ret_text = or_empty(build(bytes, size));
        return 0;
}

struct text_extent text_extent(const struct text *text) {
        return text->extent;
}

static int find_range(const struct text *text, size_t from, size_t to, struct text_extent *ret_from,
                      struct text_extent *ret_to) {
        int result = from > to ? -ERANGE : text_at_unit(text, from, ret_from);
        if (result < 0)
                return result;
        if (from == to) {
                *ret_to = *ret_from;
                return 0;
        }
        return text_at_unit(text, to, ret_to);
}

static int check_size(const struct text *text, struct text_extent from, struct text_extent to, size_t size) {
        size_t kept = text->extent.bytes - (to.bytes - from.bytes);
        return size > TEXT_BYTES_MAXIMUM - kept ? -EFBIG : 0;
}

/* Takes `insert` over, which may be NULL. */
static struct text *replaced(struct text *text, struct text_extent from, struct text_extent to, struct text *insert) {
        return or_empty(join(join(part_before(text, from), insert), part_after(text, to)));
}

int text_replace(struct text *text, size_t from, size_t to, const void *bytes, size_t size, struct text **ret_text) {
        struct text_extent start, end;
        int result = find_range(text, from, to, &start, &end);
        if (result >= 0)
                result = check_size(text, start, end, size);
        if (result >= 0 && size > 0 && !utf8_valid(bytes, size))
                result = -EILSEQ;
        if (result >= 0)
                *ret_text = replaced(text, start, end, build(bytes, size));
        return result;
}

int text_replace_with(struct text *text, size_t from, size_t to, struct text *insert, struct text **ret_text) {
        struct text_extent start, end;
        int result = find_range(text, from, to, &start, &end);
        if (result >= 0)
                result = check_size(text, start, end, insert->extent.bytes);
        if (result >= 0)
                *ret_text = replaced(text, start, end, insert->extent.bytes > 0 ? text_reference(insert) : NULL);
        return result;
}

int text_slice(struct text *text, size_t from, size_t to, struct text **ret_text) {
        struct text_extent start, end;
        int result = find_range(text, from, to, &start, &end);
        if (result < 0)
                return result;
        struct text *head = part_before(text, end);
        *ret_text = or_empty(head ? part_after(head, start) : NULL);
        text_unreference(head);
        return 0;
}

/* Places */

static const struct text *find_leaf(const struct text *text, enum measure by, size_t count,
                                    struct text_extent *ret_before) {
        *ret_before = (struct text_extent){ 0 };
        while (text->height > 0)
                text = text->children[descend(text, by, count, ret_before)];
        return text;
}

int text_at_unit(const struct text *text, size_t unit, struct text_extent *ret_before) {
        if (unit > text->extent.units)
                return -ERANGE;
        struct text_extent before;
        const struct text *leaf = find_leaf(text, UNITS, unit, &before);
        size_t at = 0, units = before.units, lines = before.lines;
        /* Up to the unit, and over the continuations of the last sequence. */
        while (units < unit || (at < leaf->extent.bytes && is_continuation(leaf->bytes[at]))) {
                uint8_t byte = leaf->bytes[at++];
                units += (size_t) !is_continuation(byte) + (byte >= 0xF0);
                lines += byte == '\n';
        }
        if (units > unit)
                return -EINVAL;
        *ret_before = (struct text_extent){ before.bytes + at, units, lines };
        return 0;
}

int text_at_byte(const struct text *text, size_t byte, struct text_extent *ret_before) {
        if (byte > text->extent.bytes)
                return -ERANGE;
        struct text_extent before;
        const struct text *leaf = find_leaf(text, BYTES, byte, &before);
        size_t at = byte - before.bytes;
        if (at < leaf->extent.bytes && is_continuation(leaf->bytes[at]))
                return -EINVAL;
        *ret_before = add(before, text_measure(leaf->bytes, at));
        return 0;
}

int text_at_line(const struct text *text, size_t line, struct text_extent *ret_before) {
        if (line > text->extent.lines)
                return -ERANGE;
        struct text_extent before;
        const struct text *leaf = find_leaf(text, LINES, line, &before);
        size_t at = 0;
        for (size_t lines = before.lines; lines < line; lines++) {
                const uint8_t *end = memchr(leaf->bytes + at, '\n', leaf->extent.bytes - at);
                at = (size_t) (end - leaf->bytes) + 1; /* the leaf's count says that there is one */
        }
        *ret_before = add(before, text_measure(leaf->bytes, at));
        return 0;
}

/* Of a byte that is there. */
static const uint8_t *find_chunk(const struct text *text, size_t byte, size_t *ret_size) {
        struct text_extent before;
        const struct text *leaf = find_leaf(text, BYTES, byte + 1, &before);
        size_t at = byte - before.bytes;
        *ret_size = leaf->extent.bytes - at;
        return leaf->bytes + at;
}

const uint8_t *text_chunk(const struct text *text, size_t byte, size_t *ret_size) {
        return byte < text->extent.bytes ? find_chunk(text, byte, ret_size) : NULL;
}

int text_copy(const struct text *text, size_t from, size_t to, struct buffer *buffer) {
        struct text_extent start, end;
        int result = find_range(text, from, to, &start, &end);
        if (result < 0 || start.bytes == end.bytes)
                return result;
        uint8_t *room = buffer_room(buffer, end.bytes - start.bytes);
        if (!room)
                return -ENOBUFS;
        for (size_t at = start.bytes, size; at < end.bytes; at += size) {
                const uint8_t *chunk = find_chunk(text, at, &size);
                if (size > end.bytes - at)
                        size = end.bytes - at;
                memcpy(room + (at - start.bytes), chunk, size);
        }
        buffer_grown(buffer, end.bytes - start.bytes);
        return 0;
}

bool text_equal(const struct text *a, const struct text *b) {
        if (a == b)
                return true;
        if (a->extent.bytes != b->extent.bytes || a->extent.units != b->extent.units ||
            a->extent.lines != b->extent.lines)
                return false;
        for (size_t at = 0, size; at < a->extent.bytes; at += size) {
                size_t other_size;
                const uint8_t *one = find_chunk(a, at, &size), *other = find_chunk(b, at, &other_size);
                if (size > other_size)
                        size = other_size;
                if (one != other && memcmp(one, other, size) != 0)
                        return false;
        }
        return true;
}
