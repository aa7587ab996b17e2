/* A file's bytes as a text: what was not edited is written as it was read. */
#include "../../src/document/file_text.h"
#include "test_document.h"

#define MARK "\xef\xbb\xbf"

static void assert_written(const struct text *text, const struct file_form *form, const void *bytes, size_t size) {
        struct buffer written = { 0 };
        file_text_write(text, form, &written);
        assert_int_equal(buffer_size(&written), size);
        if (size > 0)
                assert_memory_equal(buffer_front(&written), bytes, size);
        buffer_finish(&written);
}

struct example {
        const char *bytes;
        const char *text;
        struct file_form form;
};

static const struct example examples[] = {
        { "", "", { false, false } },
        { "a", "a", { false, false } },
        { "a\n", "a\n", { false, false } },
        { "a\r\n", "a\n", { false, true } },
        { "a\r\nb", "a\nb", { false, true } },
        { "\r\n\r\n", "\n\n", { false, true } },
        { "a\r\nb\n", "a\r\nb\n", { false, false } },
        { "a\nb\r\n", "a\nb\r\n", { false, false } },
        { "a\r\r\n", "a\r\r\n", { false, false } },
        { "a\rb", "a\rb", { false, false } },
        { "a\r", "a\r", { false, false } },
        { "\n\r", "\n\r", { false, false } },
        { "a\r\nb\r", "a\r\nb\r", { false, false } },
        { MARK, "", { true, false } },
        { MARK "a\n", "a\n", { true, false } },
        { MARK "ä\r\n", "ä\n", { true, true } },
        { MARK MARK "a", MARK "a", { true, false } },
        { "a" MARK, "a" MARK, { false, false } },
};

static void test_forms(void **state) {
        (void) state;
        for (size_t i = 0; i < array_length(examples); i++) {
                const struct example *example = &examples[i];
                text_scoped text = NULL;
                struct file_form form;
                assert_int_equal(file_text_read(example->bytes, strlen(example->bytes), &text, &form), 0);
                assert_text_string(text, example->text);
                assert_int_equal(form.byte_order_mark, example->form.byte_order_mark);
                assert_int_equal(form.carriage_returns, example->form.carriage_returns);
                assert_written(text, &form, example->bytes, strlen(example->bytes));
        }
}

/* Any bytes that are a text come back as they were. */
static void test_chance(void **state) {
        (void) state;
        struct chance chance = { 7 };
        for (int round = 0; round < 3000; round++) {
                struct buffer bytes = { 0 };
                text_scoped text = NULL;
                struct file_form form;
                if (chance_below(&chance, 4) == 0)
                        assert_int_equal(buffer_append(&bytes, MARK, 3), 0);
                bool windows = chance_below(&chance, 2) == 0;
                for (size_t i = chance_below(&chance, 12); i > 0; i--) {
                        if (windows)
                                assert_int_equal(buffer_append(&bytes, "line é\r\n", 9), 0);
                        else
                                random_pieces(&chance, 3, &bytes);
                }
                const void *front = bytes.bytes ? buffer_front(&bytes) : (const void *) "";
                assert_int_equal(file_text_read(front, buffer_size(&bytes), &text, &form), 0);
                assert_written(text, &form, front, buffer_size(&bytes));
                buffer_finish(&bytes);
        }
}

/* A line typed into a file of "\r\n" gets the line end that the others have, across the pieces of a large text too. */
static void test_new_lines_in_a_large_file(void **state) {
        (void) state;
        enum { LINES = 3000 };
        struct buffer bytes = { 0 }, expected = { 0 };
        for (int i = 0; i < LINES; i++) {
                assert_int_equal(buffer_append(&bytes, "a line\r\n", 8), 0);
                assert_int_equal(buffer_append(&expected, "a line\r\n", 8), 0);
                if (i % 100 == 0)
                        assert_int_equal(buffer_append(&expected, "new\r\n", 5), 0);
        }
        text_scoped text = NULL;
        struct file_form form;
        assert_int_equal(file_text_read(buffer_front(&bytes), buffer_size(&bytes), &text, &form), 0);
        for (size_t at = 7, i = 0; i < LINES; i++, at += 7) {
                if (i % 100 != 0)
                        continue;
                struct text *next;
                assert_int_equal(text_replace(text, at, at, "new\n", 4, &next), 0);
                text_unreference(text);
                text = next;
                at += 4;
        }
        assert_written(text, &form, buffer_front(&expected), buffer_size(&expected));
        buffer_finish(&bytes);
        buffer_finish(&expected);
}

static void test_no_text(void **state) {
        (void) state;
        static const char *const none[] = { "\xff",     "a\xc3",         "\xed\xa0\x80",
                                            "\xc0\x80", MARK "\xe4\r\n", "a\r\n\xff\r\n" };
        for (size_t i = 0; i < array_length(none); i++) {
                struct text *text = NULL;
                struct file_form form;
                assert_int_equal(file_text_read(none[i], strlen(none[i]), &text, &form), -EILSEQ);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forms),
                cmocka_unit_test(test_chance),
                cmocka_unit_test(test_new_lines_in_a_large_file),
                cmocka_unit_test(test_no_text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
