/* base: errors, buffers, numbers, UTF-8, whole-buffer I/O and the log's lines. */
#include "../../src/base/base.h"
#include "../../src/base/buffer.h"
#include "../../src/base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void errors_say_what_was_being_done(void **state) {
        (void) state;
        struct error error = { 0 };
        assert_int_equal(error_set(&error, ENOENT, "opening %s", "x.py"), -ENOENT);
        assert_string_equal(error.text, "opening x.py: No such file or directory");
        assert_int_equal(error_prefix(&error, "starting run %d", 7), -ENOENT);
        assert_string_equal(error.text, "starting run 7: opening x.py: No such file or directory");
        assert_int_equal(error_say(&error, EPROTO, "nonsense"), -EPROTO);
        assert_string_equal(error.text, "nonsense");
        assert_int_equal(error_set(NULL, EACCES, "nobody asks"), -EACCES);
}

/* A caller that forgot which errno it was must not report success. */
static void a_failure_is_never_success(void **state) {
        (void) state;
        struct error error = { 0 };
        assert_int_equal(error_set(&error, 0, "something"), -EIO);
        assert_int_equal(error_say(&error, 0, "something"), -EIO);
        assert_true(error_prefix(NULL, "anything") < 0);
}

static void long_errors_are_cut(void **state) {
        (void) state;
        struct error error = { 0 };
        char text[2000];
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        error_set(&error, EIO, "%s", text);
        for (int i = 0; i < 5; i++)
                error_prefix(&error, "%s", text);
        assert_true(strlen(error.text) < sizeof error.text);
}

static void numbers_are_plain_decimals(void **state) {
        (void) state;
        uint64_t value = 5;
        assert_int_equal(parse_unsigned("0", 10, &value), 0);
        assert_int_equal(value, 0);
        assert_int_equal(parse_unsigned("18446744073709551615", UINT64_MAX, &value), 0);
        assert_true(value == UINT64_MAX);
        static const char *const wrong[] = { "", "-1", "+1", " 1", "1 ", "0x10", "1.0", "1e3", "\xd9\xa1" };
        for (size_t i = 0; i < array_length(wrong); i++)
                assert_int_equal(parse_unsigned(wrong[i], UINT64_MAX, &value), -EINVAL);
        assert_int_equal(parse_unsigned("11", 10, &value), -ERANGE);
        assert_int_equal(parse_unsigned("18446744073709551616", UINT64_MAX, &value), -ERANGE);
        assert_int_equal(parse_unsigned("99999999999999999999999999", UINT64_MAX, &value), -ERANGE);
        assert_true(value == UINT64_MAX);
}

static void utf8_is_strict(void **state) {
        (void) state;
        static const char *const good[] = { "",
                                            "plain",
                                            "\xc3\xa9",
                                            "\xe6\x9d\x8e",
                                            "\xf0\x9f\x90\x8d",
                                            "\xed\x9f\xbf",
                                            "\xee\x80\x80",
                                            "\xf4\x8f\xbf\xbf",
                                            "\xe0\xa0\x80",
                                            "\xf0\x90\x80\x80" };
        for (size_t i = 0; i < array_length(good); i++)
                assert_true(utf8_valid(good[i], strlen(good[i])));
        assert_true(utf8_valid("a\0b", 3));
        static const char *const bad[] = {
                "\x80",
                "\xc3",
                "\xc0\xaf",
                "\xc1\xbf",
                "\xe0\x9f\xbf",
                "\xed\xa0\x80",
                "\xf0\x8f\xbf\xbf",
                "\xe6\x9d",
                "\xf0\x9f\x90",
                "\xff",
                "\xfe",
                "a\xffz",
                "\xc3\x28",
                "\xe6\x28\x8e",
                "\xf4\x90\x80\x80",
                "\xf5\x80",
                "\xc3\xc3",
        };
        for (size_t i = 0; i < array_length(bad); i++)
                assert_false(utf8_valid(bad[i], strlen(bad[i])));
}

static void hexadecimal_is_lower_case(void **state) {
        (void) state;
        char text[9];
        hexadecimal("\x00\x0f\xa5\xff", 4, text);
        assert_string_equal(text, "000fa5ff");
}

static void random_bytes_differ(void **state) {
        (void) state;
        uint8_t first[32] = { 0 }, second[32] = { 0 };
        random_bytes(first, sizeof first);
        random_bytes(second, sizeof second);
        assert_memory_not_equal(first, second, sizeof first);
}

static void clocks_do_not_go_back(void **state) {
        (void) state;
        uint64_t before = now_microseconds();
        for (int i = 0; i < 1000; i++) {
                uint64_t now = now_microseconds();
                assert_true(now >= before);
                before = now;
        }
        assert_true(wall_milliseconds() > INT64_C(1600000000000));
}

static void whole_buffers_cross_a_pipe(void **state) {
        (void) state;
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(write_fully(ends[1], "one line", 8), 0);
        close(ends[1]);
        char text[20];
        assert_int_equal(read_fully(ends[0], text, sizeof text), 8);
        assert_memory_equal(text, "one line", 8);
        assert_int_equal(read_fully(ends[0], text, sizeof text), 0);
        close(ends[0]);
        assert_int_equal(read_fully(ends[0], text, sizeof text), -EBADF);
        assert_int_equal(write_fully(ends[1], "x", 1), -EBADF);
}

static void scoped_things_are_given_back(void **state) {
        (void) state;
        int kept, closed;
        {
                fd_scoped first = open("/dev/null", O_RDONLY | O_CLOEXEC);
                fd_scoped second = open("/dev/null", O_RDONLY | O_CLOEXEC);
                fd_scoped nothing = -1;
                assert_true(nothing == -1);
                closed = first;
                kept = steal_fd(&second);
                assert_int_equal(second, -1);
                errno = 99;
        }
        assert_int_equal(errno, 99);
        assert_int_equal(fcntl(closed, F_GETFD), -1);
        assert_true(fcntl(kept, F_GETFD) >= 0);
        close(kept);
}

static void buffers_grow_and_give_back(void **state) {
        (void) state;
        struct buffer buffer = { 0 };
        for (int i = 0; i < 1000; i++)
                assert_int_equal(buffer_append(&buffer, "0123456789", 10), 0);
        assert_int_equal(buffer_size(&buffer), 10000);
        buffer_consume(&buffer, 9995);
        assert_memory_equal(buffer_front(&buffer), "56789", 5);
        assert_int_equal(buffer_append(&buffer, "next", 4), 0);
        assert_memory_equal(buffer_front(&buffer), "56789next", 9);
        buffer_consume(&buffer, 9);
        assert_int_equal(buffer_size(&buffer), 0);
        assert_int_equal(buffer.capacity, 0);
        assert_int_equal(buffer_append(&buffer, "again", 5), 0);
        buffer_finish(&buffer);
        buffer_finish(&buffer);
}

/* A peer that never reads must not fill the memory. */
static void buffers_keep_their_limit(void **state) {
        (void) state;
        struct buffer buffer = { .limit = 8 };
        assert_int_equal(buffer_append(&buffer, "12345678", 8), 0);
        assert_int_equal(buffer_append(&buffer, "9", 1), -ENOBUFS);
        assert_null(buffer_room(&buffer, 1));
        assert_null(buffer_room(&buffer, SIZE_MAX));
        assert_int_equal(buffer_size(&buffer), 8);
        buffer_consume(&buffer, 3);
        assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
        assert_memory_equal(buffer_front(&buffer), "45678abc", 8);
        buffer_finish(&buffer);
        assert_int_equal(buffer.limit, 8);
}

/* What log_event() writes to standard error. */
static void capture(char *text, size_t size, const char *key, const char *value) {
        int ends[2], saved = dup(STDERR_FILENO);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        log_event(LOG_INFO, "test.event", key, value, "number", log_number(-7), NULL);
        log_event(LOG_DEBUG, "test.hidden", NULL);
        dup2(saved, STDERR_FILENO);
        close(saved);
        ssize_t length = read_fully(ends[0], text, size - 1);
        assert_true(length > 0);
        text[length] = '\0';
        close(ends[0]);
}

/* A person named "x\n2026… error" must not forge a line of the log. */
static void the_log_cannot_be_forged(void **state) {
        (void) state;
        log_start("test", LOG_INFO);
        char line[4096];
        capture(line, sizeof line, "name", "plain");
        assert_non_null(strstr(line, " info test test.event name=plain number=-7\n"));
        assert_null(strstr(line, "hidden"));
        capture(line, sizeof line, "name", "a\nb \"c\\ \x1b[31m \x7f");
        assert_non_null(strstr(line, "name=\"a\\x0ab \\\"c\\\\ \\x1b[31m \\x7f\" number"));
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
        capture(line, sizeof line, "name", "");
        assert_non_null(strstr(line, "name=\"\" "));
        capture(line, sizeof line, "name", "a=b");
        assert_non_null(strstr(line, "name=\"a=b\" "));
        char value[3000];
        memset(value, 'v', sizeof value - 1);
        value[sizeof value - 1] = '\0';
        capture(line, sizeof line, "name", value);
        assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_sizes_for_people(void **state) {
        (void) state;
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                { 0, "0 bytes" },           { 1, "1 byte" },
                { 1023, "1023 bytes" },     { 1024, "1 KB" },
                { 1536, "1.5 KB" },         { 64 << 20, "64 MB" },
                { 1u << 30, "1 GB" },       { 1100000000, "1.02 GB" },
                { 100ull << 30, "100 GB" }, { 2048ull << 40, "2048 TB" },
        };
        for (size_t i = 0; i < array_length(cases); i++) {
                char text[SIZE_TEXT_BYTES];
                size_to_text(cases[i].bytes, text);
                assert_string_equal(text, cases[i].text);
        }
        char text[SIZE_TEXT_BYTES];
        size_to_text(UINT64_MAX, text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sizes_for_people),        cmocka_unit_test(errors_say_what_was_being_done),
                cmocka_unit_test(a_failure_is_never_success),   cmocka_unit_test(long_errors_are_cut),
                cmocka_unit_test(numbers_are_plain_decimals),   cmocka_unit_test(utf8_is_strict),
                cmocka_unit_test(hexadecimal_is_lower_case),    cmocka_unit_test(random_bytes_differ),
                cmocka_unit_test(clocks_do_not_go_back),        cmocka_unit_test(whole_buffers_cross_a_pipe),
                cmocka_unit_test(scoped_things_are_given_back), cmocka_unit_test(buffers_grow_and_give_back),
                cmocka_unit_test(buffers_keep_their_limit),     cmocka_unit_test(the_log_cannot_be_forged),
        };
        return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
