/* Classes, places and the permission table. */
#include "../../src/course/course.h"
#include "../../src/course/permission.h"
#include "test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct fixture {
        char *folder;
        struct store *store;
        struct settings settings;
        struct person student, teacher, administrator;
        struct course course;
};

static int setup(void **state) {
        struct fixture *fixture = allocate(sizeof *fixture);
        struct error error;
        char *argv[] = { "test", "--config", "/dev/null", "--password.memory=1MB", "--limits.cpu=20s", NULL };
        int argc = (int) array_length(argv) - 1;
        fixture->folder = make_test_folder();
        free_scoped char *path = format_string("%s/carrel.db", fixture->folder);
        *state = fixture;
        int r = settings_load(&fixture->settings, &argc, argv, SETTINGS_STRICT, &error);
        if (r >= 0)
                r = account_start(&fixture->settings, &error);
        if (r >= 0)
                r = store_open(path, &fixture->store, &error);
        if (r >= 0)
                r = account_add(fixture->store, "ada", ROLE_STUDENT, "password", &fixture->student, &error);
        if (r >= 0)
                r = account_add(fixture->store, "tess", ROLE_TEACHER, "password", &fixture->teacher, &error);
        if (r >= 0)
                r = account_add(fixture->store, "root", ROLE_ADMINISTRATOR, "password", &fixture->administrator,
                                &error);
        if (r >= 0)
                r = course_add(fixture->store, "7b", "Class 7b", &fixture->course, &error);
        return r;
}

static int teardown(void **state) {
        struct fixture *fixture = *state;
        store_close(fixture->store);
        settings_finish(&fixture->settings);
        remove_test_folder(fixture->folder);
        free(fixture);
        return 0;
}

static void test_add(void **state) {
        struct fixture *fixture = *state;
        struct course course;
        struct error error;
        static const char *const bad[] = { "",   "-a",  "a-",
                                           "A",  "a b", "a/b",
                                           "..", "ä",   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
        for (size_t i = 0; i < array_length(bad); i++)
                assert_int_equal(course_add(fixture->store, bad[i], NULL, &course, &error), -EINVAL);
        assert_int_equal(course_add(fixture->store, "x", "a\nb", &course, &error), -EINVAL);
        assert_int_equal(course_add(fixture->store, "7b", "again", &course, &error), -EEXIST);
        assert_int_equal(course_add(fixture->store, "8-a", NULL, &course, &error), 0);
        assert_string_equal(course.title, "8-a");
        assert_int_equal(course.id, 2);
        assert_int_equal(course.uid, 102);
        assert_int_equal(course_find(fixture->store, "7b", &course, &error), 0);
        assert_string_equal(course.title, "Class 7b");
        assert_int_equal(course_find(fixture->store, "7c", &course, &error), -ENOENT);
}

static int count_courses(void *context, const struct course *course) {
        (void) course;
        ++*(int *) context;
        return 0;
}

static int count_people(void *context, const struct person *person) {
        (void) person;
        ++*(int *) context;
        return 0;
}

static int courses_of(struct fixture *fixture, const struct person *person) {
        struct error error;
        int count = 0;
        assert_int_equal(course_list_for(fixture->store, person, count_courses, &count, &error), 0);
        return count;
}

static void test_enrolment(void **state) {
        struct fixture *fixture = *state;
        struct store *store = fixture->store;
        const struct course *course = &fixture->course;
        struct error error;
        int count = 0;
        assert_int_equal(course_member(store, course, &fixture->student, &error), 0);
        assert_int_equal(courses_of(fixture, &fixture->student), 0);
        assert_int_equal(course_enrol(store, course, &fixture->student, &error), 0);
        assert_int_equal(course_enrol(store, course, &fixture->student, &error), 0);
        assert_int_equal(course_member(store, course, &fixture->student, &error), 1);
        assert_int_equal(course_member(store, course, &fixture->teacher, &error), 0);
        assert_int_equal(course_member(store, course, &fixture->administrator, &error), 1);
        assert_int_equal(courses_of(fixture, &fixture->student), 1);
        assert_int_equal(courses_of(fixture, &fixture->teacher), 0);
        assert_int_equal(courses_of(fixture, &fixture->administrator), 1);
        assert_int_equal(course_list_members(store, course, count_people, &count, &error), 0);
        assert_int_equal(count, 1);
        assert_int_equal(course_withdraw(store, course, &fixture->student, &error), 0);
        assert_int_equal(course_withdraw(store, course, &fixture->student, &error), 0);
        assert_int_equal(course_member(store, course, &fixture->student, &error), 0);
        assert_int_equal(course_enrol(store, course, &fixture->teacher, &error), 0);
        assert_int_equal(courses_of(fixture, &fixture->student), 0);
        struct course none = { .id = 9 };
        assert_int_equal(course_enrol(store, &none, &fixture->student, &error), -EINVAL);
}

static void test_limits(void **state) {
        struct fixture *fixture = *state;
        struct run_limits limits;
        struct course course;
        struct error error;
        uint8_t repl_after;
        course_run_limits(&fixture->course, &fixture->settings, &limits, &repl_after);
        assert_int_equal(limits.cpu_milliseconds, 20000);
        assert_int_equal(limits.memory_bytes, 512u << 20);
        assert_int_equal(limits.file_bytes, 64u << 20);
        assert_int_equal(limits.processes, 64);
        assert_int_equal(limits.open_files, 256);
        assert_int_equal(limits.idle_milliseconds, 600000);
        assert_int_equal(limits.runs, 3);
        assert_int_equal(limits.cpu_weight, 100);
        assert_int_equal(repl_after, 1);
        /* Each limit in its own column, and read into its own field. */
        for (enum course_limit limit = 0; limit < COURSE_LIMITS; limit++)
                assert_int_equal(course_set_limit(fixture->store, &fixture->course, limit, 1000 + limit, &error), 0);
        assert_int_equal(course_set_limit(fixture->store, &fixture->course, COURSE_LIMIT_REPL_AFTER, 2, &error), 0);
        assert_int_equal(course_set_limit(fixture->store, &fixture->course, COURSE_LIMIT_CPU, COURSE_DEFAULT, &error),
                         0);
        assert_int_equal(course_find(fixture->store, "7b", &course, &error), 0);
        course_run_limits(&course, &fixture->settings, &limits, &repl_after);
        assert_int_equal(limits.cpu_milliseconds, 20000);
        assert_int_equal(limits.memory_bytes, 1000 + COURSE_LIMIT_MEMORY);
        assert_int_equal(limits.processes, 1000 + COURSE_LIMIT_PROCESSES);
        assert_int_equal(limits.file_bytes, 1000 + COURSE_LIMIT_FILE);
        assert_int_equal(limits.open_files, 1000 + COURSE_LIMIT_OPEN_FILES);
        assert_int_equal(limits.idle_milliseconds, 1000 + COURSE_LIMIT_IDLE);
        assert_int_equal(limits.runs, 1000 + COURSE_LIMIT_RUNS);
        assert_int_equal(limits.cpu_weight, 1000 + COURSE_LIMIT_CPU_WEIGHT);
        assert_int_equal(repl_after, REPL_NOT_AFTER_ERRORS);
        assert_string_equal(course_limit_name(COURSE_LIMIT_OPEN_FILES), "limits.open-files");
        assert_string_equal(course_limit_name(COURSE_LIMIT_REPL_AFTER), "repl.after");
}

struct place_case {
        const char *path;
        int result;
        enum place_kind kind;
        enum tree_kind tree;
        bool fixed;
        const char *folder, *inner;
};

static const struct place_case places[] = {
        { "", 0, PLACE_TOP, 0, true, "", "" },
        { "Local", 0, PLACE_LOCAL, 0, true, "", "" },
        { "Local/ada", 0, PLACE_TREE, TREE_PERSONAL, true, "ada", "" },
        { "Local/ada/x.py", 0, PLACE_TREE, TREE_PERSONAL, false, "ada", "x.py" },
        { "Local/ada/a/b c/ü.py", 0, PLACE_TREE, TREE_PERSONAL, false, "ada", "a/b c/ü.py" },
        { "Lecture Notes", 0, PLACE_TREE, TREE_SHARED, true, "", "Lecture Notes" },
        { "Lecture Notes/a.py", 0, PLACE_TREE, TREE_SHARED, false, "", "Lecture Notes/a.py" },
        { "Assignments", 0, PLACE_TREE, TREE_SHARED, true, "", "Assignments" },
        { "Tests/t", 0, PLACE_TREE, TREE_SHARED, false, "", "Tests/t" },
        { "Local/.../x", 0, PLACE_TREE, TREE_PERSONAL, false, "...", "x" },
        { "local/ada", -ENOENT },
        { "Lecture Notes2", -ENOENT },
        { "Lecture", -ENOENT },
        { "etc/passwd", -ENOENT },
        { "/", -EINVAL },
        { "/Local", -EINVAL },
        { "Local/", -EINVAL },
        { "Local//x", -EINVAL },
        { "Local/ada/", -EINVAL },
        { "Local/..", -EINVAL },
        { "Local/ada/../grace/x", -EINVAL },
        { "Local/./x", -EINVAL },
        { "..", -EINVAL },
        { "Local/ada/a\nb", -EINVAL },
        { "Local/ada/\x7f", -EINVAL },
        { "Local/ada/\xff", -EINVAL },
        { "Local/ada/\xc0\xaf", -EINVAL },
};

static void test_environment(void **state) {
        struct fixture *fixture = *state;
        struct course course;
        struct error error;
        assert_string_equal(fixture->course.environment, "");
        assert_int_equal(course_set_environment(fixture->store, &fixture->course, "data-science", &error), 0);
        assert_int_equal(course_find(fixture->store, "7b", &course, &error), 0);
        assert_string_equal(course.environment, "data-science");
        assert_int_equal(course.limits[COURSE_LIMITS - 1], COURSE_DEFAULT);
        assert_int_equal(course_set_environment(fixture->store, &fixture->course, "", &error), 0);
        assert_int_equal(course_find(fixture->store, "7b", &course, &error), 0);
        assert_string_equal(course.environment, "");
        course.id = 700;
        assert_int_equal(course_set_environment(fixture->store, &course, "x", &error), -ENOENT);
}

static void test_places(void **state) {
        (void) state;
        for (size_t i = 0; i < array_length(places); i++) {
                const struct place_case *expected = &places[i];
                struct place place;
                struct error error;
                int r = place_parse(expected->path, &place, &error);
                if (r != expected->result)
                        fail_msg("'%s': %d", expected->path, r);
                if (r < 0)
                        continue;
                assert_int_equal(place.kind, expected->kind);
                assert_int_equal(place.tree, expected->tree);
                assert_string_equal(place.owner_folder, expected->folder);
                assert_string_equal(place.path, expected->inner);
                assert_int_equal(place_is_fixed(&place), expected->fixed);
        }
}

static void test_long_places(void **state) {
        (void) state;
        char path[PATH_BYTES + 1] = "Tests/";
        struct place place;
        memset(path + 6, 'x', sizeof path - 7);
        path[6 + 255] = '\0';
        assert_int_equal(place_parse(path, &place, NULL), 0);
        path[6 + 255] = 'x';
        path[6 + 256] = '\0';
        assert_int_equal(place_parse(path, &place, NULL), -EINVAL);
        path[6 + 256] = 'x';
        for (size_t i = 6 + 100; i < sizeof path; i += 100)
                path[i] = '/';
        path[PATH_BYTES - 1] = '\0';
        assert_int_equal(place_parse(path, &place, NULL), 0);
        assert_string_equal(place.path, path);
        path[PATH_BYTES - 1] = 'x';
        path[PATH_BYTES] = '\0';
        assert_int_equal(place_parse(path, &place, NULL), -EINVAL);
        /* A folder of 255 bytes fits as well. */
        memcpy(path, "Local/", 6);
        memset(path + 6, 'x', 255);
        strcpy(path + 6 + 255, "/y");
        assert_int_equal(place_parse(path, &place, NULL), 0);
        assert_int_equal(strlen(place.owner_folder), 255);
        assert_string_equal(place.path, "y");
}

/* The table again, spelt out: role, place, and the actions allowed there, one letter each (See, Change, Run, Watch,
 * cOntrol). What is not listed is forbidden. */
struct permission_case {
        enum role role;
        const char *path;
        const char *allowed;
};

static const struct permission_case permissions[] = {
        { ROLE_STUDENT, "Local/me/x", "SCRWO" },
        { ROLE_STUDENT, "Local/me", "SCRWO" },
        { ROLE_STUDENT, "Local/mine/x", "" },
        { ROLE_STUDENT, "Local/me2", "" },
        { ROLE_STUDENT, "Local/m", "" },
        { ROLE_STUDENT, "Lecture Notes/me", "SR" },
        { ROLE_STUDENT, "Assignments", "SR" },
        { ROLE_STUDENT, "Tests/x", "SR" },
        { ROLE_STUDENT, "", "S" },
        { ROLE_STUDENT, "Local", "S" },
        { ROLE_TEACHER, "Local/me/x", "SCRWO" },
        { ROLE_TEACHER, "Local/other/x", "SCRWO" },
        { ROLE_TEACHER, "Lecture Notes", "SCRWO" },
        { ROLE_TEACHER, "", "S" },
        { ROLE_TEACHER, "Local", "S" },
        { ROLE_ADMINISTRATOR, "Local/me/x", "SCRWO" },
        { ROLE_ADMINISTRATOR, "Local/other/x", "SCRWO" },
        { ROLE_ADMINISTRATOR, "Tests", "SCRWO" },
        { ROLE_ADMINISTRATOR, "", "S" },
        { ROLE_ADMINISTRATOR, "Local", "S" },
};

static void test_permissions(void **state) {
        (void) state;
        static const char letters[] = "SCRWO";
        assert_int_equal(sizeof letters - 1, ACTIONS);
        for (size_t i = 0; i < array_length(permissions); i++) {
                const struct permission_case *expected = &permissions[i];
                struct person who = { .id = 1, .role = expected->role, .enabled = true, .folder = "me" };
                struct place place;
                assert_int_equal(place_parse(expected->path, &place, NULL), 0);
                for (enum action action = 0; action < ACTIONS; action++) {
                        bool wanted = strchr(expected->allowed, letters[action]) != NULL;
                        if (permitted(&who, true, action, &place) != wanted)
                                fail_msg("%s, '%s', %c", role_name(expected->role), expected->path, letters[action]);
                        assert_false(permitted(&who, false, action, &place));
                }
        }
        struct person nobody = { .role = ROLES, .folder = "me" };
        struct place mine;
        place_personal("me", &mine);
        assert_false(permitted(&nobody, true, ACTION_SEE, &mine));
        nobody.role = ROLE_TEACHER;
        assert_false(permitted(&nobody, true, ACTIONS, &mine));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_add, setup, teardown),
                cmocka_unit_test_setup_teardown(test_enrolment, setup, teardown),
                cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
                cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
                cmocka_unit_test(test_places),
                cmocka_unit_test(test_long_places),
                cmocka_unit_test(test_permissions),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
