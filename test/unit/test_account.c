/* Accounts: people, passwords, sessions, and how guessing is slowed. */
#include "../../src/account/internal.h"
#include "test_folder.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fixture {
        char *folder;
        struct store *store;
        struct person ada;
};

static const char good_password[] = "correct horse";

static void start(const char *memory) {
        char *argv[] = {
                "test", "--config", "/dev/null", "--password.memory", (char *) (uintptr_t) memory, "--password.passes",
                "1",    NULL
        };
        int argc = (int) array_length(argv) - 1;
        struct error error;
        settings_scoped settings = { 0 };
        assert_int_equal(settings_load(&settings, &argc, argv, SETTINGS_STRICT, &error), 0);
        throttle_destroy(account_options.throttle);
        account_options.throttle = NULL;
        assert_int_equal(account_start(&settings, &error), 0);
}

static int setup(void **state) {
        struct fixture *fixture = allocate(sizeof *fixture);
        struct error error;
        start("1MB");
        fixture->folder = make_test_folder();
        free_scoped char *path = format_string("%s/carrel.db", fixture->folder);
        *state = fixture;
        int r = store_open(path, &fixture->store, &error);
        return r < 0 ? r : account_add(fixture->store, "Ada", ROLE_STUDENT, good_password, &fixture->ada, &error);
}

static int teardown(void **state) {
        struct fixture *fixture = *state;
        store_close(fixture->store);
        throttle_destroy(account_options.throttle);
        account_options.throttle = NULL;
        remove_test_folder(fixture->folder);
        free(fixture);
        return 0;
}

static int sign_in(struct fixture *fixture, const char *name, const char *password, struct session_token *ret_token) {
        struct person person;
        struct session_token token;
        unsigned retry;
        struct error error;
        int r = account_sign_in(fixture->store, name, password, "192.0.2.7", ret_token ? ret_token : &token, &person,
                                &retry, &error);
        if (r >= 0)
                assert_int_equal(person.id, fixture->ada.id);
        return r;
}

static int whose(struct fixture *fixture, const struct session_token *token) {
        struct person person;
        struct error error;
        int r = account_session(fixture->store, token->text, &person, &error);
        return r < 0 ? r : (int) person.id;
}

static void execute(struct fixture *fixture, const char *sql, int64_t value) {
        struct error error;
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(fixture->store, sql, &statement, &error), 0);
        statement_bind_integer(statement, 1, value);
        assert_true(statement_run(statement, &error) >= 0);
}

static void test_add_and_find(void **state) {
        struct fixture *fixture = *state;
        struct person person;
        struct error error;
        assert_int_equal(fixture->ada.uid, 1001);
        assert_int_equal(account_find(fixture->store, " ADA ", &person, &error), 0);
        assert_int_equal(person.id, fixture->ada.id);
        assert_string_equal(person.name, "Ada");
        assert_int_equal(account_find(fixture->store, "bob", &person, &error), -ENOENT);
        assert_int_equal(account_add(fixture->store, "aDa", ROLE_STUDENT, good_password, &person, &error), -EEXIST);
        assert_non_null(strstr(error.text, "already"));
        assert_int_equal(account_add(fixture->store, "ada!", ROLE_TEACHER, good_password, &person, &error), 0);
        assert_string_equal(person.folder, "ada-2");
        assert_int_equal(account_add(fixture->store, "(ada)", ROLE_TEACHER, good_password, &person, &error), 0);
        assert_string_equal(person.folder, "ada-3");
        assert_int_equal(person.id, 3);
        assert_int_equal(account_find(fixture->store, "ada!", &person, &error), 0);
        assert_int_equal(person.role, ROLE_TEACHER);
}

static int count_people(void *context, const struct person *person) {
        int *count = context;
        (*count)++;
        return strcmp(person->name, "stop") == 0 ? 5 : 0;
}

static void test_list(void **state) {
        struct fixture *fixture = *state;
        struct person person;
        struct error error;
        int count = 0;
        assert_int_equal(account_add(fixture->store, "stop", ROLE_STUDENT, good_password, &person, &error), 0);
        assert_int_equal(account_add(fixture->store, "zoe", ROLE_STUDENT, good_password, &person, &error), 0);
        assert_int_equal(account_list(fixture->store, count_people, &count, &error), 5);
        assert_int_equal(count, 2);
}

static void test_passwords(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct person person;
        char huge[PASSWORD_MAXIMUM + 2];
        memset(huge, 'x', sizeof huge);
        huge[sizeof huge - 1] = '\0';
        static const char *const bad[] = { "", "1234567", "ααααααα", "ééééééé", "12345678\xff" };
        for (size_t i = 0; i < array_length(bad); i++)
                assert_int_equal(account_set_password(fixture->store, fixture->ada.id, bad[i], &error), -EINVAL);
        assert_int_equal(account_set_password(fixture->store, fixture->ada.id, huge, &error), -EINVAL);
        assert_int_equal(account_add(fixture->store, "bob", ROLE_STUDENT, "1234567", &person, &error), -EINVAL);
        assert_int_equal(account_find(fixture->store, "bob", &person, &error), -ENOENT);
        assert_int_equal(account_set_password(fixture->store, 77, good_password, &error), -ENOENT);
        /* The longest works, and all of it counts. */
        huge[PASSWORD_MAXIMUM] = '\0';
        assert_int_equal(account_set_password(fixture->store, fixture->ada.id, huge, &error), 0);
        assert_int_equal(sign_in(fixture, "ada", huge, NULL), 0);
        huge[PASSWORD_MAXIMUM - 1] = 'y';
        assert_int_equal(sign_in(fixture, "ada", huge, NULL), -EACCES);
        /* é as one code point or as two is the same to whoever types it. */
        assert_int_equal(account_set_password(fixture->store, fixture->ada.id, "caf\xc3\xa9 noir", &error), 0);
        assert_int_equal(sign_in(fixture, "ada", "cafe\xcc\x81 noir", NULL), 0);
}

static void test_generated_passwords(void **state) {
        (void) state;
        char one[ACCOUNT_GENERATED_BYTES], other[ACCOUNT_GENERATED_BYTES];
        struct error error;
        account_generate_password(other);
        for (int i = 0; i < 1000; i++) {
                account_generate_password(one);
                size_t length = strlen(one);
                assert_true(length < ACCOUNT_GENERATED_BYTES - 1); /* it was not cut */
                assert_int_equal(password_check(one, &error), 0);
                assert_int_equal(strspn(one, "abcdefghijklmnopqrstuvwxyz-"), length - 4);
                assert_int_equal(strspn(one + length - 4, "0123456789"), 4);
                assert_string_not_equal(one, other);
                strcpy(other, one);
        }
}

static void test_sign_in(void **state) {
        struct fixture *fixture = *state;
        struct session_token token, other;
        struct person person;
        struct error wrong, unknown, disabled;
        unsigned retry;
        assert_int_equal(sign_in(fixture, " ADA ", good_password, &token), 0);
        assert_int_equal(sign_in(fixture, "ada", good_password, &other), 0);
        assert_int_equal(strlen(token.text), 43);
        assert_string_not_equal(token.text, other.text);
        assert_int_equal(whose(fixture, &token), fixture->ada.id);
        assert_int_equal(
                account_sign_in(fixture->store, "ada", "wrong password", "::1", &other, &person, &retry, &wrong),
                -EACCES);
        assert_int_equal(
                account_sign_in(fixture->store, "bob", good_password, "::1", &other, &person, &retry, &unknown),
                -EACCES);
        assert_int_equal(account_set_enabled(fixture->store, fixture->ada.id, false, &disabled), 0);
        assert_int_equal(
                account_sign_in(fixture->store, "ada", good_password, "::1", &other, &person, &retry, &disabled),
                -EACCES);
        assert_string_equal(wrong.text, unknown.text);
        assert_string_equal(wrong.text, disabled.text);
        assert_int_equal(whose(fixture, &token), -ENOENT);
        assert_int_equal(account_set_enabled(fixture->store, fixture->ada.id, true, &disabled), 0);
        assert_int_equal(whose(fixture, &token), -ENOENT); /* it ended, and does not come back */
        assert_int_equal(sign_in(fixture, "ada", good_password, NULL), 0);
}

/* The dummy must cost what a real hash does: else time tells which names exist. */
static void test_unknown_costs_the_same(void **state) {
        struct fixture *fixture = *state;
        start("19MB");
        struct error error;
        uint64_t known = 0, unknown = 0;
        assert_int_equal(account_set_password(fixture->store, fixture->ada.id, good_password, &error), 0);
        for (int i = 0; i < 8; i++) {
                uint64_t begin = now_microseconds();
                assert_int_equal(sign_in(fixture, "ada", "wrong password", NULL), -EACCES);
                uint64_t middle = now_microseconds();
                assert_int_equal(sign_in(fixture, "nobody", "wrong password", NULL), -EACCES);
                known += middle - begin;
                unknown += now_microseconds() - middle;
        }
        assert_true(unknown * 2 > known && known * 2 > unknown);
}

static void test_rehash_when_costs_change(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        char before[crypto_pwhash_STRBYTES], after[crypto_pwhash_STRBYTES];
        assert_int_equal(password_of(fixture->store, fixture->ada.id, before, &error), 0);
        start("2MB");
        assert_int_equal(sign_in(fixture, "ada", "wrong password", NULL), -EACCES);
        assert_int_equal(password_of(fixture->store, fixture->ada.id, after, &error), 0);
        assert_string_equal(before, after);
        assert_int_equal(sign_in(fixture, "ada", good_password, NULL), 0);
        assert_int_equal(password_of(fixture->store, fixture->ada.id, after, &error), 0);
        assert_non_null(strstr(after, "m=2048,t=1"));
        assert_int_equal(sign_in(fixture, "ada", good_password, NULL), 0);
}

static int64_t count_sessions(struct fixture *fixture) {
        struct error error;
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(fixture->store, "select count(*) from session", &statement, &error), 0);
        assert_int_equal(statement_step(statement, &error), 1);
        return statement_integer(statement, 0);
}

static int64_t seen(struct fixture *fixture) {
        struct error error;
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(fixture->store, "select max(seen) from session", &statement, &error), 0);
        assert_int_equal(statement_step(statement, &error), 1);
        return statement_integer(statement, 0);
}

static void test_session_expires(void **state) {
        struct fixture *fixture = *state;
        struct session_token token, next;
        const int64_t day = 86400000, minute = 60000;
        int64_t now = wall_milliseconds();
        assert_int_equal(sign_in(fixture, "ada", good_password, &token), 0);
        /* Young uses are not written down, older ones are. */
        execute(fixture, "update session set seen = $1", now - 4 * minute);
        assert_int_equal(whose(fixture, &token), fixture->ada.id);
        assert_int_equal(seen(fixture), now - 4 * minute);
        execute(fixture, "update session set seen = $1", now - 13 * day);
        assert_int_equal(whose(fixture, &token), fixture->ada.id);
        assert_true(seen(fixture) >= now);
        /* Idle too long. */
        execute(fixture, "update session set seen = $1", now - 14 * day);
        assert_int_equal(whose(fixture, &token), -ENOENT);
        /* In use, but too old. */
        execute(fixture, "update session set seen = $1", now);
        execute(fixture, "update session set created = $1", now - 90 * day);
        assert_int_equal(whose(fixture, &token), -ENOENT);
        /* The next sign-in sweeps. */
        assert_int_equal(sign_in(fixture, "ada", good_password, &next), 0);
        assert_int_equal(count_sessions(fixture), 1);
        assert_int_equal(whose(fixture, &next), fixture->ada.id);
}

static void test_sessions_are_bounded(void **state) {
        struct fixture *fixture = *state;
        struct session_token first, last;
        assert_int_equal(sign_in(fixture, "ada", good_password, &first), 0);
        execute(fixture, "update session set created = $1", wall_milliseconds() - 1000);
        for (int i = 0; i < ACCOUNT_SESSIONS_MAXIMUM; i++)
                assert_int_equal(sign_in(fixture, "ada", good_password, &last), 0);
        assert_int_equal(count_sessions(fixture), ACCOUNT_SESSIONS_MAXIMUM);
        assert_int_equal(whose(fixture, &first), -ENOENT);
        assert_int_equal(whose(fixture, &last), fixture->ada.id);
}

static void test_tokens(void **state) {
        struct fixture *fixture = *state;
        struct person person;
        struct error error;
        struct session_token token;
        assert_int_equal(sign_in(fixture, "ada", good_password, &token), 0);
        /* What the database holds is no token. */
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(fixture->store, "select digest from session", &statement, &error), 0);
        assert_int_equal(statement_step(statement, &error), 1);
        assert_null(strstr(statement_text(statement, 0), token.text));
        assert_int_equal(account_session(fixture->store, statement_text(statement, 0), &person, &error), -ENOENT);
        char plain[2 * 32 + 1];
        hexadecimal(token.text, 32, plain);
        assert_string_not_equal(statement_text(statement, 0), plain);
        static const char *const none[] = { "", "x", "' or 1=1 --", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
        for (size_t i = 0; i < array_length(none); i++) {
                assert_int_equal(account_session(fixture->store, none[i], &person, &error), -ENOENT);
                assert_int_equal(account_sign_out(fixture->store, none[i], &error), 0);
        }
        assert_int_equal(whose(fixture, &token), fixture->ada.id);
        assert_int_equal(account_sign_out(fixture->store, token.text, &error), 0);
        assert_int_equal(whose(fixture, &token), -ENOENT);
}

/* Two gaps that must be closed twice: an account disabled between the check of a password and its session's start, and
 * one whose sessions were left. */
static void test_disabled_meanwhile(void **state) {
        struct fixture *fixture = *state;
        struct session_token token, late;
        struct error error;
        char hash[crypto_pwhash_STRBYTES];
        assert_int_equal(sign_in(fixture, "ada", good_password, &token), 0);
        assert_int_equal(password_of(fixture->store, fixture->ada.id, hash, &error), 0);
        execute(fixture, "update account set enabled = $1", 0);
        assert_int_equal(whose(fixture, &token), -ENOENT);
        assert_int_equal(session_start(fixture->store, fixture->ada.id, hash, &late, &error), -EACCES);
        execute(fixture, "update account set enabled = $1", 1);
        assert_int_equal(session_start(fixture->store, fixture->ada.id, "another", &late, &error), -EACCES);
        assert_int_equal(session_start(fixture->store, fixture->ada.id, hash, &late, &error), 0);
}

static void test_change_password(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct session_token mine, other;
        assert_int_equal(sign_in(fixture, "ada", good_password, &mine), 0);
        assert_int_equal(sign_in(fixture, "ada", good_password, &other), 0);
        assert_int_equal(account_change_password(fixture->store, "nonsense", good_password, "another one", &error),
                         -ENOENT);
        assert_int_equal(account_change_password(fixture->store, mine.text, "wrong one", "another one", &error),
                         -EACCES);
        assert_int_equal(account_change_password(fixture->store, mine.text, good_password, "short", &error), -EINVAL);
        assert_int_equal(whose(fixture, &other), fixture->ada.id);
        assert_int_equal(account_change_password(fixture->store, mine.text, good_password, "another one", &error), 0);
        assert_int_equal(whose(fixture, &mine), fixture->ada.id);
        assert_int_equal(whose(fixture, &other), -ENOENT);
        assert_int_equal(sign_in(fixture, "ada", good_password, NULL), -EACCES);
        assert_int_equal(sign_in(fixture, "ada", "another one", NULL), 0);
        for (int i = 0; i < 10; i++)
                assert_int_equal(account_change_password(fixture->store, mine.text, "guess", "another one", &error),
                                 -EACCES);
        assert_int_equal(account_change_password(fixture->store, mine.text, "another one", "a third one", &error),
                         -EAGAIN);
        /* The teacher sets a new one: all sessions end. */
        assert_int_equal(account_set_password(fixture->store, fixture->ada.id, good_password, &error), 0);
        assert_int_equal(whose(fixture, &mine), -ENOENT);
}

/* Guessing is slowed where it comes from; who sits elsewhere signs in. */
static void test_throttled(void **state) {
        struct fixture *fixture = *state;
        struct session_token token;
        struct person person;
        struct error error;
        unsigned retry = 0;
        for (int i = 0; i < 9; i++)
                assert_int_equal(sign_in(fixture, "ada", "wrong password", NULL), -EACCES);
        assert_int_equal(sign_in(fixture, "ada", good_password, NULL), 0); /* and all is forgotten */
        for (int i = 0; i < 10; i++)
                assert_int_equal(sign_in(fixture, i & 1 ? "ada" : " ADA", "wrong password", NULL), -EACCES);
        assert_int_equal(
                account_sign_in(fixture->store, "ada", good_password, "192.0.2.7", &token, &person, &retry, &error),
                -EAGAIN);
        assert_in_range(retry, 25, 30);
        /* The same address by another spelling. */
        assert_int_equal(account_sign_in(fixture->store, "ada", good_password, "::ffff:192.0.2.7", &token, &person,
                                         &retry, &error),
                         -EAGAIN);
        assert_int_equal(
                account_sign_in(fixture->store, "ada", good_password, "192.0.2.8", &token, &person, &retry, &error), 0);
}

/* Whoever has one IPv6 address has 2^64 of them. */
static void test_one_ipv6_network(void **state) {
        struct fixture *fixture = *state;
        struct session_token token;
        struct person person;
        struct error error;
        unsigned retry;
        for (int i = 0; i < 12; i++) {
                char address[48];
                snprintf(address, sizeof address, "2001:db8:0:7:%d:%d:3:4", i, 77 * i);
                int r = account_sign_in(fixture->store, "ada", "wrong password", address, &token, &person, &retry,
                                        &error);
                assert_int_equal(r, i < 10 ? -EACCES : -EAGAIN);
        }
        assert_int_equal(account_sign_in(fixture->store, "ada", good_password, "2001:db8:0:8::1", &token, &person,
                                         &retry, &error),
                         0);
}

static void test_many_addresses(void **state) {
        struct fixture *fixture = *state;
        struct session_token token;
        struct person person;
        struct error error;
        unsigned retry;
        int refused = 0, throttled = 0;
        for (int i = 0; i < 120; i++) {
                char address[32];
                snprintf(address, sizeof address, "2001:db8:0:%d:%d:1:2:3", i / 8, i);
                int r = account_sign_in(fixture->store, "ada", "wrong password", address, &token, &person, &retry,
                                        &error);
                refused += r == -EACCES;
                throttled += r == -EAGAIN;
        }
        assert_in_range(refused, 100, 102); /* a slow machine lets a moment pass */
        assert_int_equal(refused + throttled, 120);
}

struct crowd {
        struct fixture *fixture;
        int number;
};

static void *sign_in_often(void *context) {
        struct crowd *crowd = context;
        for (int i = 0; i < 20; i++) {
                char address[32];
                struct session_token token;
                struct person person;
                struct error error;
                unsigned retry;
                snprintf(address, sizeof address, "198.51.100.%d", crowd->number);
                int r = account_sign_in(crowd->fixture->store, "ada", good_password, address, &token, &person, &retry,
                                        &error);
                if (r < 0 || account_session(crowd->fixture->store, token.text, &person, &error) < 0 ||
                    account_sign_out(crowd->fixture->store, token.text, &error) < 0)
                        return crowd;
        }
        return NULL;
}

static void test_threads(void **state) {
        pthread_t threads[4];
        struct crowd crowds[4];
        for (int i = 0; i < 4; i++) {
                crowds[i] = (struct crowd){ *state, i };
                assert_int_equal(pthread_create(&threads[i], NULL, sign_in_often, &crowds[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
                void *failed;
                pthread_join(threads[i], &failed);
                assert_null(failed);
        }
        assert_int_equal(count_sessions(*state), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_add_and_find, setup, teardown),
                cmocka_unit_test_setup_teardown(test_list, setup, teardown),
                cmocka_unit_test_setup_teardown(test_passwords, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generated_passwords, setup, teardown),
                cmocka_unit_test_setup_teardown(test_sign_in, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unknown_costs_the_same, setup, teardown),
                cmocka_unit_test_setup_teardown(test_rehash_when_costs_change, setup, teardown),
                cmocka_unit_test_setup_teardown(test_session_expires, setup, teardown),
                cmocka_unit_test_setup_teardown(test_sessions_are_bounded, setup, teardown),
                cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
                cmocka_unit_test_setup_teardown(test_disabled_meanwhile, setup, teardown),
                cmocka_unit_test_setup_teardown(test_change_password, setup, teardown),
                cmocka_unit_test_setup_teardown(test_throttled, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_ipv6_network, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_addresses, setup, teardown),
                cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
