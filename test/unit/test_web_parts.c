/* src/web's small parts: what is decided by a table or by a few lines, without a server around it. */
#include "../../src/base/loop.h"
#include "../../src/base/pool.h"
#include "../../src/web/assets.h"
#include "../../src/web/files.h"
#include "../../src/web/route.h"
#include "../../src/web/sha1.h"
#include "../../src/web/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_origin(void **state) {
        (void) state;
        static const struct {
                const char *origin, *host;
                bool same;
        } cases[] = {
                { "http://school:8700", "school:8700", true },
                { "https://school", "school", true },
                { "http://SCHOOL", "school", true },
                { "http://[::1]:80", "[::1]:80", true },
                { "http://school:8701", "school:8700", false },
                { "http://school", "school:8700", false },
                { "http://school.evil", "school", false },
                { "http://evil/school", "school", false },
                { "ftp://school", "school", false },
                { "null", "school", false },
                { "null", "null", false },
                { "", "", false },
                { "http://", "", false },
                { NULL, "school", false },
                { "http://school", NULL, false },
        };
        for (size_t i = 0; i < array_length(cases); i++)
                assert_int_equal(origin_matches(cases[i].origin, cases[i].host), cases[i].same);
}

static void test_disposition(void **state) {
        (void) state;
        static const struct {
                const char *name, *value;
        } cases[] = {
                { "a.py", "attachment; filename=\"a.py\"; filename*=UTF-8''a.py" },
                { "my file (1).py",
                  "attachment; filename=\"my file (1).py\"; filename*=UTF-8''my%20file%20%281%29.py" },
                { "a\"b\\c\r\nX: y", "attachment; filename=\"a_b_c__X_ y\"; filename*=UTF-8''a%22b%5Cc%0D%0AX%3A%20y" },
                { "ü陳.txt", "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%BC%E9%99%B3.txt" },
                { "%41;*'", "attachment; filename=\"_41___\"; filename*=UTF-8''%2541%3B%2A%27" },
        };
        for (size_t i = 0; i < array_length(cases); i++) {
                free_scoped char *value = disposition_of(cases[i].name);
                assert_string_equal(value, cases[i].value);
        }
}

static void test_encodings(void **state) {
        (void) state;
        static const bool both[ENCODINGS] = { true, true, true }, gzip[ENCODINGS] = { true, true, false },
                          none[ENCODINGS] = { true, false, false };
        static const struct {
                const char *accepted;
                const bool *available;
                enum encoding chosen;
        } cases[] = {
                { NULL, both, ENCODING_NONE },
                { "", both, ENCODING_NONE },
                { "gzip, deflate, br", both, ENCODING_BROTLI },
                { "gzip, deflate, br", gzip, ENCODING_GZIP },
                { "gzip, deflate, br", none, ENCODING_NONE },
                { "BR", both, ENCODING_BROTLI },
                { "br;q=0, gzip", both, ENCODING_GZIP },
                { "br;q=0.000, gzip ; q=0.5", both, ENCODING_GZIP },
                { "br;q=0.001", both, ENCODING_BROTLI },
                { "*", both, ENCODING_BROTLI },
                { "*;q=0", both, ENCODING_NONE },
                { "br;q=0, *", both, ENCODING_GZIP },
                { "identity", both, ENCODING_NONE },
                { "brx, xbr, gzipx", both, ENCODING_NONE },
        };
        for (size_t i = 0; i < array_length(cases); i++)
                assert_int_equal(encoding_choose(cases[i].accepted, cases[i].available), cases[i].chosen);
}

static void test_etags(void **state) {
        (void) state;
        assert_true(etag_matches("\"a\"", "\"a\""));
        assert_true(etag_matches("\"b\", W/\"a\"", "\"a\""));
        assert_true(etag_matches("*", "\"a\""));
        assert_false(etag_matches("\"ab\"", "\"a\""));
        assert_false(etag_matches("\"b\"", "\"a\""));
        assert_false(etag_matches(NULL, "\"a\""));
}

static void test_decoding(void **state) {
        (void) state;
        static const struct {
                const char *text, *path; /* NULL: refused */
        } cases[] = {
                { "a", "a" },       { "a%20b/c", "a b/c" }, { "%C3%BC", "ü" },  { "", "" },
                { "a%2Fb", NULL },  { "%00", NULL },        { "%", NULL },      { "%4", NULL },
                { "%zz", NULL },    { "a%2", NULL },        { "%2e%2e", ".." }, /* place_parse() refuses that */
                { "a//b", "a//b" }, { "a%41", "aA" },
        };
        for (size_t i = 0; i < array_length(cases); i++) {
                char path[64];
                int result = route_decode_path(cases[i].text, path, sizeof path);
                assert_int_equal(result, cases[i].path ? 0 : -EINVAL);
                if (cases[i].path)
                        assert_string_equal(path, cases[i].path);
        }
        char small[4];
        assert_int_equal(route_decode_path("abcd", small, sizeof small), -ENAMETOOLONG);
        assert_int_equal(route_decode_path("ab/c", small, sizeof small), -ENAMETOOLONG);
        assert_int_equal(route_decode_path("abc", small, sizeof small), 0);
}

static void test_sha1(void **state) {
        (void) state;
        static const struct {
                const char *text, *digest;
        } cases[] = {
                { "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
                { "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
                { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
        };
        for (size_t i = 0; i < array_length(cases); i++) {
                uint8_t digest[SHA1_BYTES];
                char text[2 * SHA1_BYTES + 1];
                sha1_short(cases[i].text, strlen(cases[i].text), digest);
                hexadecimal(digest, sizeof digest, text);
                assert_string_equal(text, cases[i].digest);
        }
}

static void test_versions(void **state) {
        (void) state;
        struct file_version version = { .inode = 1, .size = UINT64_MAX, .seconds = 77, .nanoseconds = 5 }, back;
        char text[VERSION_TEXT_BYTES];
        version_to_text(&version, text);
        assert_int_equal(version_from_text(text, &back), 0);
        assert_memory_equal(&version, &back, sizeof back);
        assert_int_equal(version_from_text("", &back), -EINVAL);
        text[3] = 'G';
        assert_int_equal(version_from_text(text, &back), -EINVAL);
}

/* Against a plain array of what should be there. */
static void test_table(void **state) {
        (void) state;
        enum { NUMBERS = 500, STEPS = 20000 };
        static char *expected[NUMBERS];
        struct table *table = table_create();
        srand(1);
        for (int i = 0; i < STEPS; i++) {
                uint64_t number = (uint64_t) rand() % (NUMBERS - 1) + 1;
                /* numbers that share their low bits, as tags of one kind do */
                uint64_t key = number << (number % 3 * 16);
                if (rand() % 2) {
                        expected[number] = (char *) &expected[number];
                        table_put(table, key, expected[number]);
                } else {
                        assert_ptr_equal(table_take(table, key), expected[number]);
                        expected[number] = NULL;
                }
                assert_ptr_equal(table_find(table, key), expected[number]);
        }
        size_t count = 0, position = 0;
        for (size_t number = 1; number < NUMBERS; number++) {
                assert_ptr_equal(table_find(table, number << (number % 3 * 16)), expected[number]);
                count += expected[number] != NULL;
        }
        assert_int_equal(table_count(table), count);
        while (table_next(table, &position))
                count--;
        assert_int_equal(count, 0);
        assert_null(table_find(table, 0));
        table_destroy(table);
}

/* The pool */

struct work {
        struct loop *loop;
        struct pool *pool;
        int running, most, done, wanted;
};

static void work_slowly(void *context) {
        struct work *work = context;
        int running = __atomic_add_fetch(&work->running, 1, __ATOMIC_SEQ_CST);
        int most = __atomic_load_n(&work->most, __ATOMIC_SEQ_CST);
        while (running > most &&
               !__atomic_compare_exchange_n(&work->most, &most, running, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                continue;
        usleep(2000);
        __atomic_sub_fetch(&work->running, 1, __ATOMIC_SEQ_CST);
}

static void work_done(void *context) {
        struct work *work = context;
        if (++work->done == work->wanted)
                loop_stop(work->loop);
}

static void test_pool(void **state) {
        (void) state;
        struct error error;
        struct work work = { .wanted = 30 };
        const struct pool_limits limits = { .threads = 4, .slow_at_once = 2, .queued = { 10, 100 } };
        assert_int_equal(loop_create(&work.loop, &error), 0);
        assert_int_equal(pool_create(work.loop, &limits, &work.pool, &error), 0);
        for (int i = 0; i < work.wanted; i++)
                assert_int_equal(pool_submit(work.pool, POOL_SLOW, work_slowly, work_done, &work), 0);
        assert_int_equal(pool_pending(work.pool), 30);
        assert_int_equal(loop_run(work.loop, &error), 0);
        assert_int_equal(work.most, 2);
        assert_int_equal(pool_pending(work.pool), 0);

        /* Four run and ten wait; what is more is refused at once. */
        work = (struct work){ .loop = work.loop, .pool = work.pool };
        int accepted = 0;
        for (int i = 0; i < 100; i++)
                accepted += pool_submit(work.pool, POOL_QUICK, work_slowly, work_done, &work) == 0;
        assert_in_range(accepted, 10, 20);
        work.wanted = accepted;
        assert_int_equal(loop_run(work.loop, &error), 0);
        assert_in_range(work.most, 3, 4);

        /* Destroyed with work in it: joins, and forgets the rest. */
        for (int i = 0; i < 10; i++)
                assert_int_equal(pool_submit(work.pool, POOL_QUICK, work_slowly, work_done, &work), 0);
        pool_destroy(work.pool);
        assert_int_equal(work.running, 0);
        loop_destroy(work.loop);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_origin),   cmocka_unit_test(test_disposition), cmocka_unit_test(test_encodings),
                cmocka_unit_test(test_etags),    cmocka_unit_test(test_decoding),    cmocka_unit_test(test_sha1),
                cmocka_unit_test(test_versions), cmocka_unit_test(test_table),       cmocka_unit_test(test_pool),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
