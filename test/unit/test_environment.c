/* Python environments: names, descriptions, and folders that are whole or not there. */
#include "../../src/environment/environment.h"
#include "test_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void names(void **state) {
        (void) state;
        static const char *const good[] = { "a", "7", "plain", "data-science-2", "x234567890123456789012345678901" };
        static const char *const bad[] = {
                "", "-a", "a-", "A", "a b", "../x", ".", "a/b", "ä", "a_b", "x2345678901234567890123456789012"
        };
        for (size_t i = 0; i < array_length(good); i++)
                assert_true(environment_name_ok(good[i]));
        for (size_t i = 0; i < array_length(bad); i++)
                assert_false(environment_name_ok(bad[i]));
}

static void modules(void **state) {
        (void) state;
        static const char *const good[] = { "numpy", "matplotlib.pyplot", "_x", "a1.b2" };
        static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "1a", "a.1b", "a b", "a;b", "a,b", "a-b", "ä" };
        for (size_t i = 0; i < array_length(good); i++)
                assert_true(environment_module_ok(good[i]));
        for (size_t i = 0; i < array_length(bad); i++)
                assert_false(environment_module_ok(bad[i]));
        char longest[MODULE_BYTES + 1];
        memset(longest, 'a', sizeof longest - 1);
        longest[MODULE_BYTES] = '\0';
        assert_false(environment_module_ok(longest));
        longest[MODULE_BYTES - 1] = '\0';
        assert_true(environment_module_ok(longest));
}

static void descriptions(void **state) {
        (void) state;
        struct environment_description description = { .made = 1234567890123, .python = "3.11" }, again;
        struct error error = { 0 };
        snprintf(description.preload, sizeof description.preload, "numpy,matplotlib.pyplot");
        snprintf(description.origin, sizeof description.origin, "wheels /srv/my = wheels; debian python3-flask");
        free_scoped char *text = environment_format(&description);
        assert_int_equal(environment_parse(text, &again, &error), 0);
        assert_memory_equal(&description, &again, sizeof again);
}

static void descriptions_that_are_none(void **state) {
        (void) state;
        static const struct {
                const char *text, *complaint;
        } bad[] = {
                { "", "which Python" },
                { "python = 3.11\n", "when it was made" },
                { "made = 1\n", "which Python" },
                { "python = 3.11\nmade = soon\n", "line 2" },
                { "python = 3.11\nmade = -1\n", "line 2" },
                { "python = 3.11\nmade = 1\nno line\n", "line 3" },
                { "python = 3.11\nmade = 1\nnew = 1\n", "line 3" },
                { "python = 3.11\nmade = 1\npreload = a;b\n", "line 3" },
                { "python = 3.11.2.0.0.0.0.0.0.0\nmade = 1\n", "line 1" },
        };
        for (size_t i = 0; i < array_length(bad); i++) {
                struct environment_description description;
                struct error error = { 0 };
                assert_int_equal(environment_parse(bad[i].text, &description, &error), -EINVAL);
                assert_non_null(strstr(error.text, bad[i].complaint));
        }
        /* A line longer than its place. */
        char text[PRELOAD_BYTES + 64] = "preload = ";
        memset(text + 10, 'a', PRELOAD_BYTES);
        struct error error = { 0 };
        struct environment_description description;
        assert_int_equal(environment_parse(text, &description, &error), -EINVAL);
}

/* Folders */

struct place {
        char *folder;
        int data;
};

static int setup(void **state) {
        struct place *place = allocate(sizeof *place);
        place->folder = make_test_folder();
        place->data = open(place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = place;
        return place->data < 0;
}

static int teardown(void **state) {
        struct place *place = *state;
        close_fd(&place->data);
        remove_test_folder(place->folder);
        free(place);
        return 0;
}

static void write_text(int folder, const char *name, const char *text, mode_t mode) {
        fd_scoped fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(fd >= 0 && write_fully(fd, text, strlen(text)) == 0 && fchmod(fd, mode) == 0);
}

/* A folder of packages, with what must not come along. */
static int make_source(const struct place *place, const char *text) {
        (void) mkdirat(place->data, "source", 0700);
        int source = openat(place->data, "source", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(source >= 0);
        (void) mkdirat(source, "package", 0700);
        write_text(source, "package/__init__.py", text, 0600);
        write_text(source, "program", "#!/bin/sh\n", 0700);
        if (symlinkat("/etc/passwd", source, "link") < 0 || mkfifoat(source, "pipe", 0600) < 0)
                assert_int_equal(errno, EEXIST);
        return source;
}

static void make(const struct place *place, const char *name, const char *text) {
        cleanup(workshop_close) struct workshop workshop = WORKSHOP_NONE;
        struct error error = { 0 };
        size_t left_out = 0;
        uint64_t bytes, files;
        fd_scoped source = make_source(place, text);
        assert_int_equal(workshop_open(place->data, &workshop, &error), 0);
        assert_int_equal(workshop_begin(&workshop, name, -1, &error), 0);
        assert_int_equal(workshop_copy(&workshop, source, &left_out, &error), 0);
        assert_int_equal(left_out, 2);
        assert_int_equal(workshop_check_size(&workshop, &bytes, &files, &error), 0);
        assert_int_equal(files, 3);
        assert_int_equal(workshop_describe(&workshop, &error), 0);
        assert_int_equal(workshop_finish(&workshop, &error), 0);
}

static void read_package(int folder, char *text, size_t size) {
        assert_true(read_small_file(folder, "packages/package/__init__.py", text, size) >= 0);
}

static size_t count_hidden(const struct place *place) {
        size_t count = 0;
        fd_scoped fd = openat(place->data, "environments", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *reader = fdopendir(steal_fd(&fd));
        const struct dirent *entry;
        while (reader && (entry = readdir(reader)))
                count += strncmp(entry->d_name, ".old-", 5) == 0 || strncmp(entry->d_name, ".new-", 5) == 0;
        if (reader)
                closedir(reader);
        return count;
}

/* Programs run as others: they must be able to read all, and change nothing. */
static void made_for_programs_to_read(void **state) {
        const struct place *place = *state;
        struct stat status;
        make(place, "one", "1");
        static const struct {
                const char *path;
                mode_t mode;
        } expected[] = {
                { "environments", 0755 },
                { "environments/one", 0755 },
                { "environments/one/packages", 0755 },
                { "environments/one/packages/package", 0755 },
                { "environments/one/packages/package/__init__.py", 0644 },
                { "environments/one/packages/program", 0755 },
                { "environments/one/description", 0644 },
        };
        for (size_t i = 0; i < array_length(expected); i++) {
                assert_int_equal(fstatat(place->data, expected[i].path, &status, AT_SYMLINK_NOFOLLOW), 0);
                assert_int_equal(status.st_mode & 07777, expected[i].mode);
        }
        assert_int_equal(fstatat(place->data, "environments/one/packages/link", &status, AT_SYMLINK_NOFOLLOW), -1);
        assert_int_equal(count_hidden(place), 0);
}

static void listed_and_described(void **state) {
        const struct place *place = *state;
        struct environment_names found;
        struct environment_description description;
        struct error error = { 0 };
        assert_int_equal(environment_list(place->data, &found, &error), 0);
        assert_int_equal(found.count, 0);
        make(place, "two", "2");
        make(place, "one", "1");
        assert_int_equal(environment_list(place->data, &found, &error), 0);
        assert_int_equal(found.count, 2);
        assert_string_equal(found.names[0], "one");
        assert_string_equal(found.names[1], "two");
        assert_int_equal(environment_describe(place->data, "one", &description, &error), 0);
        assert_string_equal(description.python, environment_python());
        assert_int_equal(environment_describe(place->data, "none", &description, &error), -ENOENT);
        assert_int_equal(environment_describe(place->data, "../source", &description, &error), -EINVAL);
}

/* What was begun and not finished is not there, whenever it broke off. */
static void whole_or_not_at_all(void **state) {
        const struct place *place = *state;
        struct environment_names found;
        struct error error = { 0 };
        {
                cleanup(workshop_close) struct workshop workshop = WORKSHOP_NONE;
                assert_int_equal(workshop_open(place->data, &workshop, &error), 0);
                assert_int_equal(workshop_begin(&workshop, "half", -1, &error), 0);
                assert_int_equal(count_hidden(place), 1);
        }
        assert_int_equal(count_hidden(place), 0);
        /* One that was killed closes nothing: the next sweeps. */
        assert_int_equal(mkdirat(place->data, "environments/.new-half", 0755), 0);
        make(place, "one", "1");
        assert_int_equal(count_hidden(place), 0);
        assert_int_equal(environment_list(place->data, &found, &error), 0);
        assert_int_equal(found.count, 1);
}

/* A server has it open while an operator replaces it: the server's stays whole until nobody has it. */
static void replaced_while_it_is_used(void **state) {
        const struct place *place = *state;
        struct environment_description before, after;
        struct error error = { 0 };
        char text[16];
        make(place, "one", "1");
        fd_scoped used = -1, fresh = -1;
        assert_int_equal(environment_open(place->data, "one", &before, &used, &error), 0);
        usleep(2000); /* made at another moment */
        make(place, "one", "22");
        assert_int_equal(environment_open(place->data, "one", &after, &fresh, &error), 0);
        assert_true(before.made != after.made);
        read_package(used, text, sizeof text);
        assert_string_equal(text, "1");
        read_package(fresh, text, sizeof text);
        assert_string_equal(text, "22");
        /* A duplicate is a use too. */
        fd_scoped duplicate = fcntl(used, F_DUPFD_CLOEXEC, 0);
        close_fd(&used);
        make(place, "other", "1");
        read_package(duplicate, text, sizeof text);
        assert_int_equal(count_hidden(place), 1);
        close_fd(&duplicate);
        make(place, "another", "1");
        assert_int_equal(count_hidden(place), 0);
}

/* A newer version comes in: the packages are not listed twice. */
static void superseded(void **state) {
        const struct place *place = *state;
        cleanup(workshop_close) struct workshop workshop = WORKSHOP_NONE;
        struct error error = { 0 };
        static const struct {
                const char *folder;
                bool goes;
        } folders[] = {
                { "Some_Thing-1.0.dist-info", true },
                { "some.thing-0.9.dist-info", true },
                { "some_thing_more-1.0.dist-info", false },
                { "some-1.0.dist-info", false },
                { "some_thing", false },
                { "some_thing-1.0.data", false },
        };
        assert_int_equal(workshop_open(place->data, &workshop, &error), 0);
        assert_int_equal(workshop_begin(&workshop, "one", -1, &error), 0);
        fd_scoped packages = openat(workshop.made, "packages", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < array_length(folders); i++)
                assert_int_equal(mkdirat(packages, folders[i].folder, 0755), 0);
        assert_int_equal(workshop_supersede(&workshop, "some_thing-2.0-py3-none-any.whl", &error), 0);
        for (size_t i = 0; i < array_length(folders); i++)
                assert_int_equal(faccessat(packages, folders[i].folder, F_OK, 0), folders[i].goes ? -1 : 0);
}

static void deleted(void **state) {
        const struct place *place = *state;
        cleanup(workshop_close) struct workshop workshop = WORKSHOP_NONE;
        struct environment_description description;
        struct error error = { 0 };
        make(place, "one", "1");
        assert_int_equal(workshop_open(place->data, &workshop, &error), 0);
        assert_int_equal(workshop_delete(&workshop, "one", &error), 0);
        assert_int_equal(workshop_delete(&workshop, "one", &error), -ENOENT);
        assert_int_equal(environment_describe(place->data, "one", &description, &error), -ENOENT);
        assert_int_equal(count_hidden(place), 0);
}

static void another_python(void **state) {
        const struct place *place = *state;
        struct environment_description description;
        struct error error = { 0 };
        make(place, "one", "1");
        write_text(place->data, "environments/one/description", "python = 2.7\nmade = 1\n", 0644);
        fd_scoped used = -1;
        assert_int_equal(environment_open(place->data, "one", &description, &used, &error), -EPROTO);
        assert_non_null(strstr(error.text, "2.7"));
}

static void no_more_than_so_many(void **state) {
        const struct place *place = *state;
        cleanup(workshop_close) struct workshop workshop = WORKSHOP_NONE;
        struct error error = { 0 };
        assert_int_equal(workshop_open(place->data, &workshop, &error), 0);
        for (int i = 0; i < ENVIRONMENTS_MAXIMUM; i++) {
                char path[64];
                snprintf(path, sizeof path, "environments/e%d", i);
                assert_int_equal(mkdirat(place->data, path, 0755), 0);
        }
        assert_int_equal(workshop_begin(&workshop, "one-more", -1, &error), -ENOSPC);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names),
                cmocka_unit_test(modules),
                cmocka_unit_test(descriptions),
                cmocka_unit_test(descriptions_that_are_none),
                cmocka_unit_test_setup_teardown(made_for_programs_to_read, setup, teardown),
                cmocka_unit_test_setup_teardown(listed_and_described, setup, teardown),
                cmocka_unit_test_setup_teardown(whole_or_not_at_all, setup, teardown),
                cmocka_unit_test_setup_teardown(replaced_while_it_is_used, setup, teardown),
                cmocka_unit_test_setup_teardown(superseded, setup, teardown),
                cmocka_unit_test_setup_teardown(deleted, setup, teardown),
                cmocka_unit_test_setup_teardown(another_python, setup, teardown),
                cmocka_unit_test_setup_teardown(no_more_than_so_many, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
