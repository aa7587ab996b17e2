/*
 * Changes: what the wire may say, and the laws that hold for any of them. That they are CodeMirror's to the letter is
 * for test/document, which asks CodeMirror.
 */
#include "test_document.h"
#include "../../src/document/change.h"

static struct change *parse(const char *text) {
        struct change *change = NULL;
        struct error error = { 0 };
        json_t *json = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        if (change_parse(json, &change, &error) < 0)
                fail_msg("%s: %s", text, error.text);
        json_decref(json);
        return change;
}

static int parse_result(const char *text) {
        struct change *change = NULL;
        struct error error = { 0 };
        json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        int result = change_parse(json, &change, &error);
        assert_int_equal(result, -error.number);
        assert_true(result == 0 || strlen(error.text) > 20);
        change_unreference(change);
        json_decref(json);
        return result;
}

static void assert_change(const struct change *change, const char *expected) {
        struct buffer text = { 0 };
        assert_int_equal(change_write(change, &text), 0);
        assert_int_equal(buffer_append(&text, "", 1), 0);
        assert_string_equal((const char *) buffer_front(&text), expected);
        buffer_finish(&text);
}

/* A change of a text of `units`, whose borders are between sequences. */
static struct change *random_change(struct chance *chance, const struct text *text) {
        struct change_builder builder = { 0 };
        size_t units = text_extent(text).units, at = 0;
        while (at < units || chance_below(chance, 3) == 0) {
                size_t to = at + chance_below(chance, 1 + units / (1 + chance_below(chance, 6)));
                struct text_extent place;
                if (to > units)
                        to = units;
                if (text_at_unit(text, to, &place) < 0)
                        to++;
                struct buffer insert = { 0 };
                random_pieces(chance, chance_below(chance, 3) ? 0 : chance_below(chance, 5), &insert);
                if (chance_below(chance, 2))
                        change_build_keep(&builder, to - at);
                else
                        change_build_replace(&builder, to - at, buffer_front(&insert), buffer_size(&insert));
                buffer_finish(&insert);
                at = to;
        }
        struct change *change;
        assert_int_equal(change_build_end(&builder, &change), 0);
        assert_int_equal(change_length_before(change), units);
        return change;
}

static struct text *random_text(struct chance *chance) {
        struct buffer bytes = { 0 };
        random_pieces(chance, chance_below(chance, 40), &bytes);
        struct text *text = text_of(buffer_front(&bytes), buffer_size(&bytes));
        buffer_finish(&bytes);
        return text;
}

static struct text *apply(const struct change *change, struct text *text) {
        struct text *after;
        assert_int_equal(change_apply(change, text, &after), 0);
        assert_int_equal(text_extent(after).units, change_length_after(change));
        return after;
}

/* The tests */

static void test_wire(void **state) {
        (void) state;
        static const struct {
                const char *sent, *kept;
                size_t before, after;
        } cases[] = {
                { "[]", "[]", 0, 0 },
                { "[5]", "[5]", 5, 5 },
                { "[[5]]", "[[5]]", 5, 0 },
                { "[[0,\"ab\",\"\"]]", "[[0,\"ab\",\"\"]]", 0, 3 },
                { "[[0,\"\",\"\"],2]", "[[0,\"\",\"\"],2]", 2, 3 },
                { "[2,[3,\"x\"],4]", "[2,[3,\"x\"],4]", 9, 7 },
                { "[[1,\"\\ud83d\\ude00\"]]", "[[1,\"\U0001F600\"]]", 1, 2 },
                { "[[0,\"\\u0000\"]]", "[[0,\"\\u0000\"]]", 0, 1 },
                /* what CodeMirror never sends, in the form in which it would */
                { "[0,2,3,[0],[0,\"\"]]", "[5]", 5, 5 },
                { "[[1],[2]]", "[[3]]", 3, 0 },
                { "[[0,\"a\"],[0,\"b\",\"\"]]", "[[0,\"ab\",\"\"]]", 0, 3 },
                { "[[3,\"\"]]", "[[3]]", 3, 0 },
        };
        for (size_t i = 0; i < array_length(cases); i++) {
                change_scoped change = parse(cases[i].sent);
                assert_change(change, cases[i].kept);
                assert_int_equal(change_length_before(change), cases[i].before);
                assert_int_equal(change_length_after(change), cases[i].after);
        }
}

static void test_refused(void **state) {
        (void) state;
        static const char *const bad[] = {
                "{}",      "5",           "\"x\"",         "[-1]",          "[1.0]",
                "[true]",  "[null]",      "[[]]",          "[[\"a\"]]",     "[[-1]]",
                "[[1.5]]", "[[1,2]]",     "[[1,\"a\",2]]", "[[1,[\"a\"]]]", "[[1,\"a\\nb\"]]",
                "[\"5\"]", "[[1],[2],{}]"
        };
        for (size_t i = 0; i < array_length(bad); i++)
                assert_int_equal(parse_result(bad[i]), -EINVAL);
        assert_int_equal(parse_result("[1073741824]"), 0);
        assert_int_equal(parse_result("[1073741825]"), -EFBIG);
        assert_int_equal(parse_result("[1073741824,[1]]"), -EFBIG);
        assert_int_equal(parse_result("[1073741824,[0,\"a\"]]"), -EFBIG);
        assert_int_equal(parse_result("[1073741824,1073741824,1073741824,1073741824,1]"), -EFBIG);
        assert_int_equal(parse_result("[9223372036854775807]"), -EFBIG);

        struct change *change = NULL;
        struct error error;
        json_t *json = json_pack("[[io]]", 0, json_stringn_nocheck("\xed\xa0\x80", 3));
        assert_int_equal(change_parse(json, &change, &error), -EILSEQ);
        json_decref(json);
        assert_int_equal(change_parse(NULL, &change, &error), -EINVAL);
}

static void test_too_many(void **state) {
        (void) state;
        struct change_builder builder = { 0 };
        struct change *change = NULL;
        struct error error;
        json_t *json = json_array();
        for (size_t i = 0; i < CHANGE_SECTIONS_MAXIMUM / 2; i++) {
                change_build_keep(&builder, 1);
                change_build_replace(&builder, 1, NULL, 0);
                json_array_append_new(json, json_integer(1));
                json_array_append_new(json, json_pack("[i]", 1));
        }
        struct change_builder more = { 0 };
        change_build_keep(&more, CHANGE_SECTIONS_MAXIMUM / 4 - 1);
        change_build_replace(&more, 0, "x", 1);
        change_build_keep(&more, CHANGE_SECTIONS_MAXIMUM / 4 + 1);
        change_scoped many = NULL;
        change_scoped one = NULL;
        change_scoped parsed = NULL;
        assert_int_equal(change_build_end(&builder, &many), 0);
        assert_int_equal(change_build_end(&more, &one), 0);
        assert_int_equal(change_parse(json, &parsed, &error), 0);
        assert_int_equal(change_length_before(parsed), CHANGE_SECTIONS_MAXIMUM);
        /* an insertion parts a kept unit's section in two and adds one of its own */
        assert_int_equal(change_compose(many, one, &change), -E2BIG);
        json_array_append_new(json, json_integer(1));
        assert_int_equal(change_parse(json, &change, &error), -E2BIG);
        json_decref(json);
        for (size_t i = 0; i < CHANGE_SECTIONS_MAXIMUM; i++) {
                change_build_keep(&builder, 1);
                change_build_replace(&builder, 1, NULL, 0);
        }
        assert_int_equal(change_build_end(&builder, &change), -E2BIG);
        assert_null(change);
}

static void test_builder(void **state) {
        (void) state;
        struct change_builder builder = { 0 };
        struct change *change = NULL;
        change_build_replace(&builder, 1, "\xff", 1);
        change_build_keep(&builder, 1);
        assert_int_equal(change_build_end(&builder, &change), -EILSEQ);
        change_build_keep(&builder, (size_t) CHANGE_UNITS_MAXIMUM + 1);
        assert_int_equal(change_build_end(&builder, &change), -EFBIG);
        change_build_replace(&builder, SIZE_MAX, "x", 1);
        assert_int_equal(change_build_end(&builder, &change), -EFBIG);
        change_build_replace(&builder, 0, "x", 1);
        change_build_drop(&builder);
        assert_int_equal(change_build_end(&builder, &change), 0);
        assert_true(change_is_empty(change));
        assert_change(change, "[]");
        change_unreference(change);
        change_unreference(NULL);
}

static void test_write_limit(void **state) {
        (void) state;
        change_scoped change = parse("[2,[3,\"x\"],4]");
        struct buffer text = { .limit = 12 };
        assert_int_equal(change_write(change, &text), -ENOBUFS);
        assert_int_equal(buffer_size(&text), 0);
        text.limit = 13;
        assert_int_equal(change_write(change, &text), 0);
        buffer_finish(&text);
}

/* A change that was made for another text, or that parts a surrogate pair, is refused and changes nothing. */
static void test_mismatch(void **state) {
        (void) state;
        text_scoped text = text_of_string("a\U0001F600b");
        static const char *const bad[] = { "[]",        "[3]",           "[5]",    "[2,[0,\"x\"],2]",
                                           "[1,[1],2]", "[[2,\"x\"],2]", "[2,[2]]" };
        for (size_t i = 0; i < array_length(bad); i++) {
                change_scoped change = parse(bad[i]);
                struct text *after = NULL;
                struct change *inverse = NULL;
                assert_int_equal(change_apply(change, text, &after), -EPROTO);
                if (i != 3) /* to undo an insertion no text is looked at */
                        assert_int_equal(change_invert(change, text, &inverse), -EPROTO);
                change_unreference(inverse);
        }
        assert_text_string(text, "a\U0001F600b");

        struct change *none = NULL;
        change_scoped smile = parse("[2,[0,\"\U0001F600\"],2]");
        change_scoped parting = parse("[3,[0,\"x\"],3]");
        change_scoped biting = parse("[2,[1],3]");
        change_scoped longer = parse("[7]");
        change_scoped other = parse("[3,[1]]");
        assert_int_equal(change_compose(smile, parting, &none), -EPROTO);
        assert_int_equal(change_compose(smile, biting, &none), -EPROTO);
        assert_int_equal(change_compose(smile, longer, &none), -EPROTO);
        assert_int_equal(change_map(smile, longer, false, &none), -EPROTO);
        assert_int_equal(change_map(other, smile, true, &none), 0);
        assert_change(none, "[5,[1]]");
        change_unreference(none);
}

/* Two at one place: whose comes first is the flag's to say. */
static void test_order(void **state) {
        (void) state;
        struct change *mapped;
        change_scoped a = parse("[1,[0,\"A\"],1]");
        change_scoped b = parse("[1,[0,\"BB\"],1]");
        assert_int_equal(change_map(a, b, false, &mapped), 0);
        assert_change(mapped, "[3,[0,\"A\"],1]");
        change_unreference(mapped);
        assert_int_equal(change_map(a, b, true, &mapped), 0);
        assert_change(mapped, "[1,[0,\"A\"],3]");
        change_unreference(mapped);
}

static void test_positions(void **state) {
        (void) state;
        static const struct {
                const char *change;
                size_t position, before, after;
        } cases[] = {
                { "[]", 0, 0, 0 },
                { "[4]", 3, 3, 3 },
                { "[2,[0,\"xyz\"],2]", 1, 1, 1 },
                { "[2,[0,\"xyz\"],2]", 2, 2, 5 },
                { "[2,[0,\"xyz\"],2]", 3, 6, 6 },
                { "[2,[0,\"xyz\"],2]", 4, 7, 7 },
                { "[1,[2],1]", 1, 1, 1 },
                { "[1,[2],1]", 2, 1, 1 },
                { "[1,[2],1]", 3, 1, 1 },
                { "[1,[2,\"xyz\"],1]", 2, 1, 4 },
                { "[1,[2,\"xyz\"],1]", 1, 1, 1 },
                { "[1,[2,\"xyz\"],1]", 3, 4, 4 },
                { "[4,[0,\"x\"]]", 4, 4, 5 },
        };
        size_t to;
        for (size_t i = 0; i < array_length(cases); i++) {
                change_scoped change = parse(cases[i].change);
                assert_int_equal(change_map_position(change, cases[i].position, CHANGE_STAY_BEFORE, &to), 0);
                assert_int_equal(to, cases[i].before);
                assert_int_equal(change_map_position(change, cases[i].position, CHANGE_GO_AFTER, &to), 0);
                assert_int_equal(to, cases[i].after);
                assert_int_equal(change_map_position(change, change_length_before(change) + 1, CHANGE_GO_AFTER, &to),
                                 -ERANGE);
        }
}

/* compose(a, b) does what a and b do, one after the other; and the inverse of either takes it back. */
static void test_one_after_the_other(void **state) {
        (void) state;
        struct chance chance = { 11 };
        for (size_t i = 0; i < 3000; i++) {
                text_scoped start = random_text(&chance);
                change_scoped a = random_change(&chance, start);
                text_scoped middle = apply(a, start);
                change_scoped b = random_change(&chance, middle);
                text_scoped end = apply(b, middle);
                struct change *made;
                assert_int_equal(change_compose(a, b, &made), 0);
                change_scoped both = made;
                text_scoped at_once = apply(both, start);
                assert_true(text_equal(at_once, end));
                assert_int_equal(change_invert(both, start, &made), 0);
                change_scoped inverse = made;
                text_scoped back = apply(inverse, end);
                assert_true(text_equal(back, start));
        }
}

/* Two typists: each gets the other's change mapped over the own one, and both have the same text, and each cursor that
 * follows is within it. */
static void test_at_once(void **state) {
        (void) state;
        struct chance chance = { 12 };
        for (size_t i = 0; i < 3000; i++) {
                text_scoped start = random_text(&chance);
                change_scoped a = random_change(&chance, start);
                change_scoped b = random_change(&chance, start);
                struct change *mapped;
                assert_int_equal(change_map(b, a, false, &mapped), 0);
                change_scoped b_later = mapped;
                assert_int_equal(change_map(a, b, true, &mapped), 0);
                change_scoped a_later = mapped;
                text_scoped a_done = apply(a, start);
                text_scoped b_done = apply(b, start);
                text_scoped one = apply(b_later, a_done);
                text_scoped other = apply(a_later, b_done);
                assert_true(text_equal(one, other));
                size_t to = SIZE_MAX, position = chance_below(&chance, change_length_before(a) + 1);
                assert_int_equal(change_map_position(a, position, CHANGE_GO_AFTER, &to), 0);
                assert_true(to <= change_length_after(a));
        }
}

static void test_there_and_back(void **state) {
        (void) state;
        struct chance chance = { 13 };
        for (size_t i = 0; i < 1000; i++) {
                text_scoped text = random_text(&chance);
                change_scoped change = random_change(&chance, text);
                struct buffer wire = { 0 };
                struct change *again;
                assert_int_equal(change_write(change, &wire), 0);
                assert_int_equal(buffer_append(&wire, "", 1), 0);
                again = parse((const char *) buffer_front(&wire));
                assert_change(again, (const char *) buffer_front(&wire));
                text_scoped one = apply(change, text);
                text_scoped other = apply(again, text);
                assert_true(text_equal(one, other));
                change_unreference(again);
                buffer_finish(&wire);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_wire),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_builder),
                cmocka_unit_test(test_write_limit),
                cmocka_unit_test(test_mismatch),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_positions),
                cmocka_unit_test(test_one_after_the_other),
                cmocka_unit_test(test_at_once),
                cmocka_unit_test(test_there_and_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
