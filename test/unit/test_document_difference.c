/* Differences and merges: by example, and against the laws that they keep for any texts. */
#include "test_document.h"
#include "../../src/document/difference.h"
#include "../../src/document/sequence.h"

static void assert_change(const struct change *change, const char *expected) {
        struct buffer text = { 0 };
        assert_int_equal(change_write(change, &text), 0);
        assert_int_equal(buffer_append(&text, "", 1), 0);
        assert_string_equal((const char *) buffer_front(&text), expected);
        buffer_finish(&text);
}

/* The change is right, whatever else it is. */
static void assert_makes(const struct change *change, struct text *before, const struct text *after) {
        struct text *made = NULL;
        assert_int_equal(change_apply(change, before, &made), 0);
        assert_true(text_equal(made, after));
        text_unreference(made);
}

static size_t sections_of(const struct change *change) {
        json_t *json = change_to_json(change);
        size_t count = json_array_size(json);
        json_decref(json);
        return count;
}

static void test_examples(void **state) {
        (void) state;
        static const struct {
                const char *before, *after, *change;
        } cases[] = {
                { "", "", "[]" },
                { "", "a\n", "[[0,\"a\",\"\"]]" },
                { "a\n", "", "[[2]]" },
                { "a\nb\n", "a\nb\n", "[4]" },
                { "a\nb\nc\n", "a\nc\n", "[2,[2],2]" },
                { "a\nc\n", "a\nb\nc\n", "[2,[0,\"b\",\"\"],2]" },
                { "a\nb", "a\nb\n", "[3,[0,\"\",\"\"]]" },
                { "print(x)\n", "print(y)\n", "[6,[1,\"y\"],2]" },
                { "total = a + b\n", "sum = a - b\n", "[[5,\"sum\"],5,[1,\"-\"],3]" },
                { "if x:\n    a\n    b\n", "    a\n    b\n", "[[6],12]" },
                /* equal lines: an added one is the last of them */
                { "x\nx\ny\n", "x\nx\nx\ny\n", "[4,[0,\"x\",\"\"],2]" },
                { "x\nx\nx\ny\n", "x\nx\ny\n", "[4,[2],2]" },
                { "1\n2\n3\nS\n", "2\n1\n3\nS\nS\n", "[[2],2,[0,\"1\",\"\"],4,[0,\"S\",\"\"]]" },
                { "2\n1\n3\nS\nS\n", "1\n2\n3\nS\n", "[[2],2,[0,\"2\",\"\"],4,[2]]" },
                /* neither a surrogate pair, nor a letter and its accent, nor a line end is parted */
                { "a\U0001F600\n", "a\U0001F601\n", "[1,[2,\"\U0001F601\"],1]" },
                { "cafe\n", "cafe\u0301\n", "[3,[1,\"e\u0301\"],1]" },
                { "cafe\u0301\n", "cafe\u0300\n", "[3,[2,\"e\u0300\"],1]" },
                { "a\r\n", "a\n", "[1,[2,\"\",\"\"]]" },
                { "\U0001F469\u200D\U0001F4BB!\n", "\U0001F469\u200D\U0001F52C!\n",
                  "[[5,\"\U0001F469\u200D\U0001F52C\"],2]" },
                { "\u4E00\u4E8C\u4E09\n", "\u4E00\u4E09\n", "[1,[1],2]" },
        };
        for (size_t i = 0; i < array_length(cases); i++) {
                text_scoped before = text_of_string(cases[i].before);
                text_scoped after = text_of_string(cases[i].after);
                change_scoped change = difference_between(before, after);
                assert_makes(change, before, after);
                assert_change(change, cases[i].change);
        }
}

/* A cursor in what both have stays at its letter. */
static void test_cursor(void **state) {
        (void) state;
        text_scoped before = text_of_string("import os\n\ndef f(x):\n    return x + 1\n\nprint(f(2))\n");
        text_scoped after = text_of_string("import os\nimport sys\n\ndef f(xs):\n    return xs + 1\n\nprint(f(2))\n");
        change_scoped change = difference_between(before, after);
        size_t to;
        assert_makes(change, before, after);
        assert_int_equal(change_map_position(change, 25, CHANGE_STAY_BEFORE, &to), 0); /* "return" */
        assert_int_equal(to, 25 + 12);
        assert_int_equal(change_map_position(change, 37, CHANGE_STAY_BEFORE, &to), 0); /* the end of that line */
        assert_int_equal(to, 37 + 13);
}

/* Lines of a few kinds, so that much is alike. */
static struct text *random_lines(struct chance *chance, size_t most, size_t kinds) {
        struct buffer bytes = { 0 };
        for (size_t i = chance_below(chance, most + 1); i > 0; i--) {
                char line[32];
                int size = snprintf(line, sizeof line, "%zu\u00E4%s\n", chance_below(chance, kinds), i % 7 ? "" : "\r");
                assert_int_equal(buffer_append(&bytes, line, (size_t) size), 0);
        }
        if (chance_below(chance, 3) == 0)
                assert_int_equal(buffer_append(&bytes, "end", 3), 0);
        struct text *text = text_of(buffer_front(&bytes), buffer_size(&bytes));
        buffer_finish(&bytes);
        return text;
}

static void test_any(void **state) {
        (void) state;
        struct chance chance = { 21 };
        for (size_t i = 0; i < 2000; i++) {
                struct buffer one = { 0 }, other = { 0 };
                random_pieces(&chance, chance_below(&chance, 60), &one);
                random_pieces(&chance, chance_below(&chance, 60), &other);
                text_scoped a = chance_below(&chance, 2) ? random_lines(&chance, 60, 5)
                                                         : text_of(buffer_front(&one), buffer_size(&one));
                text_scoped b = chance_below(&chance, 2) ? random_lines(&chance, 60, 5)
                                                         : text_of(buffer_front(&other), buffer_size(&other));
                change_scoped there = difference_between(a, b);
                change_scoped back = difference_between(b, a);
                assert_makes(there, a, b);
                assert_makes(back, b, a);
                buffer_finish(&one);
                buffer_finish(&other);
        }
}

/* Sequences */

enum { LONGEST = 60 };

/* The longest common subsequence, by the table that every textbook has. */
static size_t common(const struct sequence *a, const struct sequence *b) {
        size_t table[LONGEST + 1][LONGEST + 1] = { 0 };
        for (size_t i = 1; i <= a->count; i++)
                for (size_t j = 1; j <= b->count; j++)
                        table[i][j] = a->elements[i - 1] == b->elements[j - 1] ? table[i - 1][j - 1] + 1
                                      : table[i - 1][j] > table[i][j - 1]      ? table[i - 1][j]
                                                                               : table[i][j - 1];
        return table[a->count][b->count];
}

static struct sequence random_sequence(struct chance *chance, size_t most, size_t kinds) {
        size_t count = chance_below(chance, most + 1);
        struct sequence sequence = { allocate(count * sizeof(uint32_t)), allocate(count), count };
        for (size_t i = 0; i < count; i++)
                sequence.elements[i] = (uint32_t) chance_below(chance, kinds);
        return sequence;
}

/* What both have kept is the same, in order; returns how much that is. */
static size_t assert_aligned(const struct sequence *a, const struct sequence *b) {
        size_t kept = 0, j = 0;
        for (size_t i = 0; i < a->count; i++) {
                if (a->changed[i])
                        continue;
                while (j < b->count && b->changed[j])
                        j++;
                assert_true(j < b->count);
                assert_int_equal(a->elements[i], b->elements[j]);
                j++;
                kept++;
        }
        while (j < b->count && b->changed[j])
                j++;
        assert_int_equal(j, b->count);
        return kept;
}

static void test_shortest(void **state) {
        (void) state;
        struct chance chance = { 22 };
        for (size_t i = 0; i < 4000; i++) {
                size_t kinds = 1 + chance_below(&chance, 8), work = 1000000;
                struct sequence a = random_sequence(&chance, chance_below(&chance, LONGEST + 1), kinds);
                struct sequence b = random_sequence(&chance, chance_below(&chance, LONGEST + 1), kinds);
                sequence_compare(&a, &b, kinds, &work);
                assert_int_equal(assert_aligned(&a, &b), common(&a, &b));
                sequence_finish(&a);
                sequence_finish(&b);
        }
}

static void test_out_of_work(void **state) {
        (void) state;
        struct chance chance = { 23 };
        for (size_t i = 0; i < 1000; i++) {
                size_t kinds = 1 + chance_below(&chance, 8), work = chance_below(&chance, 300), given = work;
                struct sequence a = random_sequence(&chance, 500, kinds), b = random_sequence(&chance, 500, kinds);
                sequence_compare(&a, &b, kinds, &work);
                assert_true(work <= given);
                assert_aligned(&a, &b);
                sequence_finish(&a);
                sequence_finish(&b);
        }
}

/* Nothing alike in order, every other line, one long line: bounded, and right. */
static void test_large(void **state) {
        (void) state;
        enum { LINES = 60000 };
        struct chance chance = { 24 };
        struct buffer numbers = { 0 }, shuffled = { 0 }, every_other = { 0 }, line = { 0 }, dashed = { 0 },
                      dotted = { 0 };
        for (size_t i = 0; i < LINES; i++) {
                char text[64];
                int size = snprintf(text, sizeof text, "value = %zu\n", i);
                assert_int_equal(buffer_append(&numbers, text, (size_t) size), 0);
                assert_int_equal(buffer_append(&every_other, i % 2 ? "  " : "", i % 2 ? 2 : 0), 0);
                assert_int_equal(buffer_append(&every_other, text, (size_t) size), 0);
                assert_int_equal(buffer_append(&line, text, (size_t) size - 1), 0);
                size = snprintf(text, sizeof text, "value = %zu\n", chance_below(&chance, LINES));
                assert_int_equal(buffer_append(&shuffled, text, (size_t) size), 0);
        }
        /* more small changes than a change may have sections */
        for (size_t i = 0; i < LINES / 5; i++) {
                char text[64];
                int size = snprintf(text, sizeof text, i % 2 ? "%zu-b-c-d-e-f-g-h-i-j-k-l\n" : "%zu\n", i);
                assert_int_equal(buffer_append(&dashed, text, (size_t) size), 0);
                for (int at = 0; at < size; at++)
                        text[at] = text[at] == '-' ? '.' : text[at];
                assert_int_equal(buffer_append(&dotted, text, (size_t) size), 0);
        }
        struct text *texts[] = {
                text_of(buffer_front(&dashed), buffer_size(&dashed)),
                text_of(buffer_front(&dotted), buffer_size(&dotted)),
                text_of(buffer_front(&numbers), buffer_size(&numbers)),
                text_of(buffer_front(&shuffled), buffer_size(&shuffled)),
                text_of(buffer_front(&every_other), buffer_size(&every_other)),
                text_of(buffer_front(&line), buffer_size(&line)),
                text_of("", 0),
        };
        for (size_t i = 0; i < array_length(texts); i++)
                for (size_t j = 0; j < array_length(texts); j++) {
                        change_scoped change = difference_between(texts[i], texts[j]);
                        assert_true(sections_of(change) <= CHANGE_SECTIONS_MAXIMUM / 4);
                        assert_int_equal(change_is_empty(change), i == j);
                        assert_makes(change, texts[i], texts[j]);
                }
        for (size_t i = 0; i < array_length(texts); i++)
                text_unreference(texts[i]);
        buffer_finish(&numbers);
        buffer_finish(&shuffled);
        buffer_finish(&every_other);
        buffer_finish(&line);
        buffer_finish(&dashed);
        buffer_finish(&dotted);
}

/* Merging */

static void test_merges(void **state) {
        (void) state;
        static const struct {
                const char *base, *ours, *theirs, *merged; /* NULL: a conflict */
        } cases[] = {
                { "", "", "", "" },
                { "a\nb\nc\n", "a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n" },
                { "a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n" },
                { "a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n", NULL }, /* adjoining */
                { "a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", NULL },
                { "a\nb\nc\n", "a\nX\nc\n", "a\nX\nc\n", "a\nX\nc\n" },
                { "a\nb\nc\n", "a\nX\nc\n", "a\nX\nc\nd\n", "a\nX\nc\nd\n" },
                { "a\nb\n", "a\nn\nb\n", "a\nm\nb\n", NULL }, /* two insertions at one place */
                { "a\nb\n", "a\nn\nb\n", "a\nn\nb\n", "a\nn\nb\n" },
                { "a\nb\n", "", "a\nB\n", NULL },
                { "a\nb\n", "", "", "" },
                { "a\nb\n", "x\na\nb\n", "a\nb\ny\n", "x\na\nb\ny\n" },
                { "a", "a\n", "a\nb", NULL }, /* both the last line, which had no end */
                { "a\nb\nc\nd\ne\n", "a\nc\nd\nE\n", "a\nb\nc\nD\ne\n", NULL },
                { "", "a\n", "b\n", NULL },
                { "", "a\n", "", "a\n" },
                { "1\n2\n3\n4\n5\n", "2\n3\n4\n5\n6\n", "1\n2\n3x\n4\n5\n", "2\n3x\n4\n5\n6\n" },
                { "x\nx\ny\nz\n", "x\nx\nx\ny\nz\n", "x\nx\nx\ny\nZ\n", "x\nx\nx\ny\nZ\n" },
        };
        for (size_t i = 0; i < array_length(cases); i++) {
                text_scoped base = text_of_string(cases[i].base);
                text_scoped ours = text_of_string(cases[i].ours);
                text_scoped theirs = text_of_string(cases[i].theirs);
                for (size_t turned = 0; turned < 2; turned++) {
                        struct text *one = turned ? theirs : ours, *other = turned ? ours : theirs;
                        struct change *change = NULL;
                        assert_int_equal(difference_merge(base, one, other, &change), cases[i].merged ? 0 : 1);
                        if (cases[i].merged) {
                                text_scoped merged = text_of_string(cases[i].merged);
                                assert_makes(change, one, merged);
                        }
                        change_unreference(change);
                }
        }
}

/* Two sides of chance: whichever is ours, the outcome is one; and with a side that changed nothing, it is the other. */
static void test_either_side(void **state) {
        (void) state;
        struct chance chance = { 25 };
        size_t merged = 0, conflicts = 0;
        for (size_t i = 0; i < 4000; i++) {
                text_scoped base = random_lines(&chance, 30, 40);
                struct text *sides[2];
                for (size_t side = 0; side < 2; side++) {
                        sides[side] = text_reference(base);
                        for (size_t edits = chance_below(&chance, 4); edits > 0; edits--) {
                                struct text_extent from, to;
                                size_t lines = text_extent(sides[side]).lines;
                                size_t line = chance_below(&chance, lines + 1);
                                size_t last = line + chance_below(&chance, 3);
                                assert_int_equal(text_at_line(sides[side], line, &from), 0);
                                assert_int_equal(text_at_line(sides[side], last < lines ? last : lines, &to), 0);
                                static const char *const lines_of[] = { "", "n\n", "m\n", "1\u00E4\n", "n\nm\n" };
                                const char *insert = lines_of[chance_below(&chance, array_length(lines_of))];
                                struct text *next;
                                assert_int_equal(text_replace(sides[side], from.units,
                                                              to.units < from.units ? from.units : to.units, insert,
                                                              strlen(insert), &next),
                                                 0);
                                text_unreference(sides[side]);
                                sides[side] = next;
                        }
                }
                struct change *change = NULL, *turned = NULL, *alone = NULL;
                int result = difference_merge(base, sides[0], sides[1], &change);
                assert_int_equal(difference_merge(base, sides[1], sides[0], &turned), result);
                if (result == 0) {
                        struct text *one, *other;
                        assert_int_equal(change_apply(change, sides[0], &one), 0);
                        assert_int_equal(change_apply(turned, sides[1], &other), 0);
                        assert_true(text_equal(one, other));
                        text_unreference(one);
                        text_unreference(other);
                        merged++;
                } else {
                        assert_int_equal(result, 1);
                        conflicts++;
                }
                change_unreference(change);
                change_unreference(turned);
                assert_int_equal(difference_merge(base, base, sides[1], &alone), 0);
                assert_makes(alone, base, sides[1]);
                change_unreference(alone);
                assert_int_equal(difference_merge(base, sides[0], sides[0], &alone), 0);
                assert_true(change_is_empty(alone));
                change_unreference(alone);
                text_unreference(sides[0]);
                text_unreference(sides[1]);
        }
        assert_true(merged > 1000 && conflicts > 500);
}

/* Each side changes lines of its own, never beside the other's: both are in the outcome, every one. */
static void test_both_are_kept(void **state) {
        (void) state;
        struct chance chance = { 26 };
        for (size_t i = 0; i < 500; i++) {
                struct buffer base = { 0 }, sides[2] = { 0 }, expected = { 0 };
                for (size_t line = 0; line < 50; line++) {
                        char text[32], other[32];
                        int size = snprintf(text, sizeof text, "line %zu\n", line);
                        size_t kind = line % 2 ? 9 : chance_below(&chance, 6), changer = chance_below(&chance, 2);
                        int other_size = kind == 0   ? 0
                                         : kind == 1 ? snprintf(other, sizeof other, "new %zu\n", line)
                                         : kind == 2 ? snprintf(other, sizeof other, "+\nline %zu\n", line)
                                                     : snprintf(other, sizeof other, "%s", text);
                        assert_int_equal(buffer_append(&base, text, (size_t) size), 0);
                        assert_int_equal(buffer_append(&expected, other, (size_t) other_size), 0);
                        assert_int_equal(buffer_append(&sides[changer], other, (size_t) other_size), 0);
                        assert_int_equal(buffer_append(&sides[!changer], text, (size_t) size), 0);
                }
                text_scoped before = text_of(buffer_front(&base), buffer_size(&base));
                text_scoped ours = text_of(buffer_front(&sides[0]), buffer_size(&sides[0]));
                text_scoped theirs = text_of(buffer_front(&sides[1]), buffer_size(&sides[1]));
                text_scoped after = text_of(buffer_front(&expected), buffer_size(&expected));
                struct change *change = NULL;
                assert_int_equal(difference_merge(before, ours, theirs, &change), 0);
                assert_makes(change, ours, after);
                change_unreference(change);
                buffer_finish(&base);
                buffer_finish(&sides[0]);
                buffer_finish(&sides[1]);
                buffer_finish(&expected);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_examples),      cmocka_unit_test(test_cursor),
                cmocka_unit_test(test_any),           cmocka_unit_test(test_shortest),
                cmocka_unit_test(test_out_of_work),   cmocka_unit_test(test_large),
                cmocka_unit_test(test_merges),        cmocka_unit_test(test_either_side),
                cmocka_unit_test(test_both_are_kept),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
