/*
 * Texts, against plain arrays of bytes: whatever is done to both comes out the same, the tree stays in shape, and a
 * text that was kept is never touched by what was made of it.
 */
#include "test_document.h"
#include "../../src/document/text.c" /* to see the tree */

/* The plain way */

/* The extent of the first `size` bytes, one sequence after the other. */
static struct text_extent plain_extent(const uint8_t *bytes, size_t size) {
        struct text_extent extent = { .bytes = size };
        for (size_t i = 0; i < size; i++) {
                if (bytes[i] < 0x80 || bytes[i] >= 0xC0)
                        extent.units += bytes[i] >= 0xF0 ? 2 : 1;
                if (bytes[i] == '\n')
                        extent.lines++;
        }
        return extent;
}

/* The byte at which a unit begins, or -1 inside a pair. */
static ssize_t plain_at_unit(const uint8_t *bytes, size_t size, size_t unit) {
        size_t units = 0;
        for (size_t i = 0; i <= size; i++) {
                if (i < size && bytes[i] >= 0x80 && bytes[i] < 0xC0)
                        continue;
                if (units >= unit)
                        return units == unit ? (ssize_t) i : -1;
                units += i < size && bytes[i] >= 0xF0 ? 2 : 1;
        }
        return -1;
}

static void plain_replace(struct buffer *plain, size_t from, size_t to, const struct buffer *insert) {
        struct buffer result = { 0 };
        size_t size = buffer_size(plain);
        assert_int_equal(buffer_append(&result, buffer_front(plain), from), 0);
        assert_int_equal(buffer_append(&result, buffer_front(insert), buffer_size(insert)), 0);
        assert_int_equal(buffer_append(&result, buffer_front(plain) + to, size - to), 0);
        buffer_finish(plain);
        *plain = result;
}

/* The shape */

static void check_node(const struct text *node, bool root) {
        struct text_extent extent = { 0 };
        assert_true(node->references >= 1);
        if (node->height == 0) {
                assert_int_equal(node->count, 0);
                assert_true(node->extent.bytes <= LEAF_MAXIMUM);
                assert_true(root || node->extent.bytes >= LEAF_MINIMUM);
                assert_true(utf8_valid(node->bytes, node->extent.bytes));
                extent = plain_extent(node->bytes, node->extent.bytes);
        } else {
                assert_true(node->count <= CHILDREN_MAXIMUM);
                assert_true(node->count >= (root ? 2 : CHILDREN_MINIMUM));
                for (size_t i = 0; i < node->count; i++) {
                        assert_int_equal(node->children[i]->height, node->height - 1);
                        check_node(node->children[i], false);
                        extent = add(extent, node->children[i]->extent);
                }
        }
        assert_memory_equal(&extent, &node->extent, sizeof extent);
}

static void check_text(const struct text *text, const struct buffer *plain) {
        check_node(text, true);
        assert_text(text, buffer_front(plain), buffer_size(plain));
}

/* Every look-up at one place, and beside it. */
static void check_place(const struct text *text, const struct buffer *plain, size_t unit) {
        const uint8_t *bytes = buffer_front(plain);
        struct text_extent place = { 0 }, again;
        ssize_t byte = plain_at_unit(bytes, buffer_size(plain), unit);
        assert_int_equal(text_at_unit(text, unit, &place), byte < 0 ? -EINVAL : 0);
        if (byte < 0)
                return;
        struct text_extent expected = plain_extent(bytes, (size_t) byte);
        assert_memory_equal(&place, &expected, sizeof place);
        assert_int_equal(text_at_byte(text, place.bytes, &again), 0);
        assert_memory_equal(&again, &expected, sizeof again);
        if (place.bytes < buffer_size(plain) && bytes[place.bytes] >= 0xC0)
                assert_int_equal(text_at_byte(text, place.bytes + 1, &again), -EINVAL);
        assert_int_equal(text_at_line(text, place.lines, &again), 0);
        assert_int_equal(again.lines, place.lines);
        assert_true(again.bytes <= place.bytes);
        assert_true(again.bytes == 0 || bytes[again.bytes - 1] == '\n');
        assert_null(memchr(bytes + again.bytes, '\n', place.bytes - again.bytes));
        size_t size;
        const uint8_t *chunk = text_chunk(text, place.bytes, &size);
        if (place.bytes == buffer_size(plain))
                assert_null(chunk);
        else
                assert_memory_equal(chunk, bytes + place.bytes, size);
}

/* The tests */

static void test_empty(void **state) {
        (void) state;
        text_scoped empty = text_of("", 0);
        struct text_extent place;
        size_t size;
        assert_text(empty, "", 0);
        assert_int_equal(text_extent(empty).lines, 0);
        assert_null(text_chunk(empty, 0, &size));
        assert_int_equal(text_at_unit(empty, 0, &place), 0);
        assert_int_equal(text_at_line(empty, 0, &place), 0);
        assert_int_equal(text_at_unit(empty, 1, &place), -ERANGE);
        assert_int_equal(text_at_byte(empty, 1, &place), -ERANGE);
        assert_int_equal(text_at_line(empty, 1, &place), -ERANGE);
        text_scoped some = NULL;
        text_scoped again = NULL;
        assert_int_equal(text_replace(empty, 0, 0, "a\0b", 3, &some), 0);
        assert_text(some, "a\0b", 3);
        assert_int_equal(text_replace(some, 0, 3, NULL, 0, &again), 0);
        assert_true(text_equal(again, empty));
        assert_false(text_equal(some, empty));
        text_unreference(NULL);
}

static void test_refused(void **state) {
        (void) state;
        struct text *none = NULL;
        static const char *const bad[] = { "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80" };
        text_scoped text = text_of_string("a\U0001F600b");
        for (size_t i = 0; i < array_length(bad); i++) {
                assert_int_equal(text_new(bad[i], strlen(bad[i]), &none), -EILSEQ);
                assert_int_equal(text_replace(text, 0, 0, bad[i], strlen(bad[i]), &none), -EILSEQ);
        }
        assert_int_equal(text_replace(text, 2, 2, "x", 1, &none), -EINVAL);
        assert_int_equal(text_replace(text, 1, 2, "x", 1, &none), -EINVAL);
        assert_int_equal(text_replace(text, 3, 1, "x", 1, &none), -ERANGE);
        assert_int_equal(text_replace(text, 0, 5, "x", 1, &none), -ERANGE);
        assert_int_equal(text_slice(text, 2, 4, &none), -EINVAL);
        struct buffer buffer = { .limit = 5 };
        assert_int_equal(text_copy(text, 0, 2, &buffer), -EINVAL);
        assert_int_equal(text_copy(text, 0, 9, &buffer), -ERANGE);
        assert_int_equal(text_copy(text, 0, 4, &buffer), -ENOBUFS);
        assert_int_equal(buffer_size(&buffer), 0);
        assert_int_equal(text_copy(text, 0, 3, &buffer), 0);
        assert_memory_equal(buffer_front(&buffer), "a\U0001F600", 5);
        buffer_finish(&buffer);
        assert_null(none);
}

/* A text can be put into itself, over and over, until it is larger than a text may be; no byte of it is copied. */
static void test_too_large(void **state) {
        (void) state;
        text_scoped text = text_of_string("0123456789abcdef");
        struct text *larger = NULL;
        int result;
        while ((result = text_replace_with(text, 0, 0, text, &larger)) == 0) {
                text_unreference(text);
                text = steal_pointer(&larger);
        }
        assert_int_equal(result, -EFBIG);
        assert_int_equal(text_extent(text).bytes, TEXT_BYTES_MAXIMUM);
        assert_int_equal(text_replace(text, 0, 0, "x", 1, &larger), -EFBIG);
        assert_int_equal(text_replace(text, 0, 1, "x", 1, &larger), 0);
        assert_true(larger->height <= 12);
        text_unreference(larger);
}

enum { KEPT = 40 };

static void random_edits(uint64_t seed, size_t edits, size_t first, size_t largest) {
        struct chance chance = { seed };
        struct buffer plain = { 0 }, kept_plain[KEPT] = { 0 };
        struct text *kept[KEPT] = { 0 };
        random_pieces(&chance, first, &plain);
        struct text *text = text_of(buffer_front(&plain), buffer_size(&plain));
        for (size_t i = 0; i < edits; i++) {
                size_t units = text_extent(text).units;
                size_t from = chance_below(&chance, units + 1), length = chance_below(&chance, largest);
                size_t to = chance_below(&chance, 3) ? from : from + (length < units - from ? length : units - from);
                struct buffer insert = { 0 };
                random_pieces(&chance, chance_below(&chance, chance_below(&chance, 4) ? 4 : largest), &insert);
                ssize_t a = plain_at_unit(buffer_front(&plain), buffer_size(&plain), from);
                ssize_t b = plain_at_unit(buffer_front(&plain), buffer_size(&plain), to);
                struct text *next = NULL;
                int result = text_replace(text, from, to, buffer_front(&insert), buffer_size(&insert), &next);
                assert_int_equal(result, a < 0 || b < 0 ? -EINVAL : 0);
                if (result == 0) {
                        size_t slot = chance_below(&chance, KEPT);
                        text_unreference(kept[slot]);
                        buffer_finish(&kept_plain[slot]);
                        kept[slot] = text;
                        kept_plain[slot] = plain;
                        plain = (struct buffer){ 0 };
                        assert_int_equal(
                                buffer_append(&plain, buffer_front(&kept_plain[slot]), buffer_size(&kept_plain[slot])),
                                0);
                        plain_replace(&plain, (size_t) a, (size_t) b, &insert);
                        text = next;
                }
                buffer_finish(&insert);
                check_place(text, &plain, chance_below(&chance, text_extent(text).units + 1));
                if (i % 16 == 0)
                        check_text(text, &plain);
        }
        check_text(text, &plain);
        for (size_t i = 0; i < KEPT; i++) {
                if (kept[i]) {
                        check_text(kept[i], &kept_plain[i]);
                        assert_int_equal(text_equal(kept[i], text),
                                         buffer_size(&kept_plain[i]) == buffer_size(&plain) &&
                                                 memcmp(buffer_front(&kept_plain[i]), buffer_front(&plain),
                                                        buffer_size(&plain)) == 0);
                }
                text_unreference(kept[i]);
                buffer_finish(&kept_plain[i]);
        }
        text_unreference(text);
        buffer_finish(&plain);
}

static void test_small_edits(void **state) {
        (void) state;
        random_edits(1, 1500, 0, 6);
}

static void test_large_edits(void **state) {
        (void) state;
        random_edits(2, 400, 30000, 9000);
}

/* Most of it goes and comes again: the tree shrinks and grows by levels. */
static void test_rough_edits(void **state) {
        (void) state;
        random_edits(3, 150, 100000, 200000);
}

static void test_every_unit(void **state) {
        (void) state;
        struct chance chance = { 4 };
        struct buffer plain = { 0 };
        random_pieces(&chance, 4000, &plain);
        text_scoped text = text_of(buffer_front(&plain), buffer_size(&plain));
        for (size_t unit = 0; unit <= text_extent(text).units; unit += 1 + chance_below(&chance, 3))
                check_place(text, &plain, unit);
        struct text_extent place;
        for (size_t line = 0; line <= text_extent(text).lines; line++) {
                assert_int_equal(text_at_line(text, line, &place), 0);
                assert_int_equal(place.lines, line);
        }
        buffer_finish(&plain);
}

static void test_slices(void **state) {
        (void) state;
        struct chance chance = { 5 };
        struct buffer plain = { 0 };
        random_pieces(&chance, 20000, &plain);
        text_scoped text = text_of(buffer_front(&plain), buffer_size(&plain));
        for (size_t i = 0; i < 200; i++) {
                size_t from = chance_below(&chance, text_extent(text).units + 1);
                size_t to = from + chance_below(&chance, text_extent(text).units - from + 1);
                ssize_t a = plain_at_unit(buffer_front(&plain), buffer_size(&plain), from);
                ssize_t b = plain_at_unit(buffer_front(&plain), buffer_size(&plain), to);
                struct text *part = NULL;
                assert_int_equal(text_slice(text, from, to, &part), a < 0 || b < 0 ? -EINVAL : 0);
                if (!part)
                        continue;
                check_node(part, true);
                assert_text(part, buffer_front(&plain) + a, (size_t) (b - a));
                text_unreference(part);
        }
        buffer_finish(&plain);
}

/* One line of 3 MB, then one character typed after the other into its middle: as small programs are written. */
static void test_typing(void **state) {
        (void) state;
        enum { LENGTH = 3000000, TYPED = 20000 };
        free_scoped uint8_t *line = allocate(LENGTH);
        memset(line, 'x', LENGTH);
        struct text *text = text_of(line, LENGTH), *next;
        for (size_t i = 0; i < TYPED; i++) {
                assert_int_equal(text_replace(text, LENGTH / 2 + i, LENGTH / 2 + i, "y", 1, &next), 0);
                text_unreference(text);
                text = next;
        }
        check_node(text, true);
        assert_int_equal(text_extent(text).bytes, LENGTH + TYPED);
        struct buffer middle = { 0 };
        assert_int_equal(text_copy(text, LENGTH / 2 - 1, LENGTH / 2 + TYPED + 1, &middle), 0);
        const uint8_t *bytes = buffer_front(&middle);
        assert_true(bytes[0] == 'x' && bytes[1] == 'y' && bytes[TYPED] == 'y' && bytes[TYPED + 1] == 'x');
        buffer_finish(&middle);
        text_unreference(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),       cmocka_unit_test(test_refused),
                cmocka_unit_test(test_too_large),   cmocka_unit_test(test_small_edits),
                cmocka_unit_test(test_large_edits), cmocka_unit_test(test_rough_edits),
                cmocka_unit_test(test_every_unit),  cmocka_unit_test(test_slices),
                cmocka_unit_test(test_typing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
