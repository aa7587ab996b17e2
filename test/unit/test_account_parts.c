/* What accounts are made of: names, their keys and folders; and the table that slows guessing. */
#include "../../src/account/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct name_case {
        const char *name;
        const char *key; /* NULL: refused */
        const char *folder;
};

static const struct name_case names[] = {
        { "Ada", "ada", "ada" },
        { "ada@School.example", "ada@school.example", "ada-school.example" },
        { "Ada Lovelace", "ada lovelace", "ada-lovelace" },
        { "Straße", "strasse", "strasse" },
        { "STRASSE", "strasse", "strasse" },
        { "Zoe\xcc\x88", "zoë", "zoë" },                          /* e and a combining diaeresis */
        { "\xef\xbc\xa1\xef\xbd\x84\xef\xbd\x81", "ada", "ada" }, /* full-width */
        { "a\xe2\x80\x8d"
          "da",
          "ada", "ada" }, /* a zero-width joiner inside */
        { "陳小明", "陳小明", "陳小明" },
        { "हिन्दी", "हिन्दी", "हिन्दी" },
        { "ΣΊΣΥΦΟΣ", "σίσυφοσ", "σίσυφοσ" },
        { "..", "..", "user" },
        { ".hidden", ".hidden", "hidden" },
        { "-rf *", "-rf *", "rf" },
        { "$(reboot);`x`'\"", "$(reboot);`x`'\"", "reboot-x" },
        { "a..b--c__d.", "a..b--c__d.", "a..b-c__d" },
        { "😀", "😀", "user" },
        { "", NULL, NULL },
        { " Ada", NULL, NULL },
        { "Ada\xc2\xa0", NULL, NULL },
        { "a/b", NULL, NULL },
        { "a\nb", NULL, NULL },
        { "a\x7f", NULL, NULL },
        { "a\xc2\x85"
          "b",
          NULL, NULL }, /* C1 */
        { "a\xe2\x80\xae"
          "b\xe2\x80\xac",
          NULL, NULL }, /* right-to-left override */
        { "a\xe2\x80\xa8"
          "b",
          NULL, NULL },                             /* line separator */
        { "\xe2\x80\x8d\xe2\x80\x8d", NULL, NULL }, /* nothing visible */
        { "a\xff", NULL, NULL },
        { "\xed\xa0\x80", NULL, NULL }, /* a surrogate */
};

static void test_names(void **state) {
        (void) state;
        for (size_t i = 0; i < array_length(names); i++) {
                char checked[ACCOUNT_NAME_MAXIMUM + 1], folder[ACCOUNT_FOLDER_MAXIMUM + 1];
                struct error error;
                int r = name_check(names[i].name, checked, &error);
                if (!names[i].key) {
                        if (r != -EINVAL)
                                fail_msg("'%s' was not refused", names[i].name);
                        continue;
                }
                free_scoped char *key = name_key(names[i].name), *again = name_key(key);
                folder_of_key(key, 1, folder);
                if (r < 0 || strcmp(key, names[i].key) != 0 || strcmp(folder, names[i].folder) != 0)
                        fail_msg("'%s': %d, key '%s', folder '%s'", names[i].name, r, key, folder);
                assert_string_equal(key, again);
        }
}

static void test_long_names(void **state) {
        (void) state;
        char name[ACCOUNT_NAME_MAXIMUM + 2], checked[ACCOUNT_NAME_MAXIMUM + 1], folder[ACCOUNT_FOLDER_MAXIMUM + 1];
        struct error error;
        memset(name, 'x', sizeof name);
        name[sizeof name - 1] = '\0';
        assert_int_equal(name_check(name, checked, &error), -EINVAL);
        name[sizeof name - 2] = '\0';
        assert_int_equal(name_check(name, checked, &error), 0);
        /* Three bytes a character: 64 is no multiple of it. */
        for (size_t i = 0; i + 3 < sizeof name; i += 3)
                memcpy(name + i, "陳", 4);
        for (unsigned number = 1; number <= 100000; number *= 10) {
                free_scoped char *key = name_key(name);
                folder_of_key(key, number, folder);
                assert_true(strlen(folder) <= ACCOUNT_FOLDER_MAXIMUM);
                assert_true(utf8_valid(folder, strlen(folder)));
        }
        assert_string_equal(folder + strlen(folder) - 7, "-100000");
        /* One whose folding is many times as long: U+FDFA becomes 18 characters. */
        for (size_t i = 0; i + 3 < sizeof name; i += 3)
                memcpy(name + i, "\xef\xb7\xba", 4);
        free_scoped char *key = name_key(name);
        assert_true(strlen(key) > ACCOUNT_NAME_MAXIMUM);
        folder_of_key(key, 2, folder);
        assert_true(strlen(folder) <= ACCOUNT_FOLDER_MAXIMUM && utf8_valid(folder, strlen(folder)));
}

static const struct throttle_rule test_rule = { "test", 1000, 3 };

static void test_throttle_rate(void **state) {
        (void) state;
        struct throttle *throttle = throttle_create();
        struct throttle_key key = { &test_rule, "a", NULL }, other = { &test_rule, "b", NULL };
        uint64_t now = 5000;
        for (int i = 0; i < 3; i++)
                assert_int_equal(throttle_try(throttle, &key, 1, now), 0);
        assert_int_equal(throttle_try(throttle, &key, 1, now), 1000);
        assert_int_equal(throttle_try(throttle, &key, 1, now + 400), 600); /* refused tries cost nothing */
        assert_int_equal(throttle_try(throttle, &other, 1, now), 0);
        assert_int_equal(throttle_try(throttle, &key, 1, now + 1000), 0);
        assert_int_equal(throttle_try(throttle, &key, 1, now + 1000), 1000);
        assert_int_equal(throttle_try(throttle, &key, 1, now + 60000), 0); /* no more credit than the burst */
        /* All or none: what is refused by one key is not counted for the other. */
        struct throttle_key both[] = { key, other };
        for (int i = 0; i < 2; i++)
                assert_int_equal(throttle_try(throttle, &key, 1, now + 60000), 0);
        for (int i = 0; i < 9; i++)
                assert_int_equal(throttle_try(throttle, both, 2, now + 60000), 1000);
        for (int i = 0; i < 3; i++)
                assert_int_equal(throttle_try(throttle, &other, 1, now + 60000), 0);
        throttle_give_back(throttle, &key);
        assert_int_equal(throttle_try(throttle, &key, 1, now + 60000), 0);
        throttle_forget(throttle, &key);
        assert_int_equal(throttle_try(throttle, &key, 1, now + 60000), 0);
        throttle_destroy(throttle);
}

/* A million passers-by do not make the table forget who hammers. */
static void test_throttle_crowd(void **state) {
        (void) state;
        struct throttle *throttle = throttle_create();
        struct throttle_key hammer = { &test_rule, "hammer", NULL };
        for (int i = 0; i < 3; i++)
                assert_int_equal(throttle_try(throttle, &hammer, 1, 1000), 0);
        for (int i = 0; i < 1000000; i++) {
                char name[16];
                snprintf(name, sizeof name, "%d", i);
                struct throttle_key passer = { &test_rule, name, NULL };
                assert_int_equal(throttle_try(throttle, &passer, 1, 1000), 0);
        }
        assert_int_equal(throttle_try(throttle, &hammer, 1, 1000), 1000);
        throttle_destroy(throttle);
}

int main(void) {
        if (sodium_init() < 0)
                return 1;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_throttle_rate),
                cmocka_unit_test(test_throttle_crowd),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
