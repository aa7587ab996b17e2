/*
 * Names, paths, and trees as the privileged side opens them: with the right owner and mode, wherever something is
 * missing, and never through what somebody put in the way.
 */
#include "test_workspace_support.h"
#include "../../src/workspace/beneath.h"

/* Names */

static void test_names(void **state) {
        (void) state;
        static const char *const good[] = { "a",   "main.py", "Ada Lovelace", "é.py", "-rf",
                                            "CON", "a ",      "%2e%2e",       "a..b", "\xF0\x9F\x90\x8D.py" };
        static const char *const bad[] = { "",         ".",        "..",    ".bashrc",      "a/b",
                                           "a\nb",     "a\x1b[2J", "a\x7f", "\xC2\x9B",     "a\302\200b",
                                           "\xC0\xAE", "\xFF",     "a\xC3", "\xED\xA0\x80", "\r" };
        for (size_t i = 0; i < array_length(good); i++)
                assert_true(workspace_name_ok(good[i], strlen(good[i])));
        for (size_t i = 0; i < array_length(bad); i++)
                assert_false(workspace_name_ok(bad[i], strlen(bad[i])));
        assert_false(workspace_name_ok("a\0b", 3));
        char longest[257];
        memset(longest, 'a', sizeof longest);
        assert_true(workspace_name_ok(longest, 255));
        assert_false(workspace_name_ok(longest, 256));
}

static void test_classes_and_folders(void **state) {
        (void) state;
        char text[100] = "";
        assert_true(workspace_class_ok("python-7b"));
        static const char *const bad[] = { "", "A", "a_b", "../x", "a/b", "a b", ".", "é" };
        for (size_t i = 0; i < array_length(bad); i++)
                assert_false(workspace_class_ok(bad[i]));
        memset(text, 'a', 41);
        assert_false(workspace_class_ok(text));
        text[40] = '\0';
        assert_true(workspace_class_ok(text));
        assert_true(workspace_folder_ok("ada"));
        assert_false(workspace_folder_ok(".."));
        assert_false(workspace_folder_ok(".ada"));
        memset(text, 'a', 81);
        assert_false(workspace_folder_ok(text));
        text[80] = '\0';
        assert_true(workspace_folder_ok(text));
}

static void test_paths(void **state) {
        (void) state;
        static const char *const bad[] = { "/", "/a", "a/", "a//b", "..", "a/..", "../a", "a/../b", "./a", "a/.b/c" };
        for (size_t i = 0; i < array_length(bad); i++)
                assert_int_equal(workspace_path_check(TREE_PERSONAL, bad[i]), -EINVAL);
        assert_int_equal(workspace_path_check(TREE_PERSONAL, ""), 0);
        assert_int_equal(workspace_path_check(TREE_PERSONAL, "a/b/c d.py"), 0);
        assert_int_equal(workspace_path_check(TREE_SHARED, ""), 0);
        assert_int_equal(workspace_path_check(TREE_SHARED, "Lecture Notes"), 0);
        assert_int_equal(workspace_path_check(TREE_SHARED, "Tests/a.py"), 0);
        assert_int_equal(workspace_path_check(TREE_SHARED, "Local/ada"), -EPERM);
        assert_int_equal(workspace_path_check(TREE_SHARED, "Test"), -EPERM);
        assert_int_equal(workspace_path_check(TREE_SHARED, "Testss/a"), -EPERM);
        char path[1100];
        memset(path, 'a', sizeof path);
        for (size_t i = 100; i < sizeof path; i += 100)
                path[i] = '/';
        path[1025] = '\0';
        assert_int_equal(workspace_path_check(TREE_PERSONAL, path), -EINVAL);
        path[1024] = '\0';
        assert_int_equal(workspace_path_check(TREE_PERSONAL, path), 0);
}

/* Trees */

static void assert_folder(int data_fd, const char *path, uid_t owner, mode_t mode) {
        struct stat status;
        assert_int_equal(fstatat(data_fd, path, &status, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISDIR(status.st_mode));
        assert_int_equal(status.st_mode & 07777, mode);
        assert_int_equal(status.st_uid, owner);
        if (getuid() == 0)
                assert_int_equal(status.st_gid, owner);
}

static int open_tree_of(struct fixture *fixture, const char *class_slug, enum tree_kind kind, const char *folder) {
        struct workspace_place place = { class_slug, kind, folder, fixture->owner };
        struct error error = { 0 };
        int fd = workspace_tree_open(fixture->data_fd, &place, &error);
        if (fd < 0) {
                assert_int_equal(error.number, -fd);
                assert_true(error.text[0]);
                return fd;
        }
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
        return 0;
}

static void test_owners_and_modes(void **state) {
        struct fixture *fixture = *state;
        be_oneself();
        mode_t before = umask(077);
        assert_int_equal(open_tree_of(fixture, "c", TREE_PERSONAL, "bob"), 0);
        assert_int_equal(open_tree_of(fixture, "c", TREE_SHARED, NULL), 0);
        assert_int_equal(open_tree_of(fixture, "c", TREE_SHARED, NULL), 0);
        umask(before);
        assert_folder(fixture->data_fd, "files", geteuid(), 0755);
        assert_folder(fixture->data_fd, "files/c", geteuid(), 0755);
        assert_folder(fixture->data_fd, "files/c/Local", geteuid(), 0755);
        assert_folder(fixture->data_fd, "files/c/Local/bob", fixture->owner, 0700);
        for (size_t i = 0; i < WORKSPACE_SHARED_FOLDERS; i++) {
                free_scoped char *path = format_string("files/c/%s", workspace_shared_folders[i]);
                assert_folder(fixture->data_fd, path, fixture->owner, 0755);
        }
}

/* Its owner's programs can shut it and open it to the world; the next opening puts that right. */
static void test_modes_are_put_right(void **state) {
        struct fixture *fixture = *state;
        static const mode_t modes[] = { 0, 0777, 02777, 0400 };
        for (size_t i = 0; i < array_length(modes); i++) {
                be_owner(fixture);
                assert_int_equal(fchmod(fixture->tree_fd, modes[i]), 0);
                be_oneself();
                assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, "ada"), 0);
                assert_folder(fixture->data_fd, "files/class-1/Local/ada", fixture->owner, 0700);
        }
}

static void test_what_stands_in_the_way(void **state) {
        struct fixture *fixture = *state;
        be_oneself();
        int data = fixture->data_fd;
        assert_int_equal(symlinkat("/etc", data, "files/class-1/Local/link"), 0);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, "link"), -ELOOP);
        assert_int_equal(symlinkat("class-1", data, "files/class-2"), 0);
        assert_int_equal(open_tree_of(fixture, "class-2", TREE_PERSONAL, "ada"), -ELOOP);
        fd_scoped file = openat(data, "files/class-1/Local/file", O_CREAT | O_WRONLY, 0600);
        assert_true(file >= 0);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, "file"), -ENOTDIR);
        assert_int_equal(open_tree_of(fixture, "..", TREE_SHARED, NULL), -EINVAL);
        assert_int_equal(open_tree_of(fixture, NULL, TREE_SHARED, NULL), -EINVAL);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, ".."), -EINVAL);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, "a/b"), -EINVAL);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, NULL), -EINVAL);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_KINDS, "ada"), -EINVAL);
}

static void test_whose_folder(void **state) {
        struct fixture *fixture = *state;
        if (getuid() != 0)
                skip();
        be_oneself();
        int data = fixture->data_fd;
        assert_int_equal(mkdirat(data, "files/class-1/Local/half-made", 0700), 0);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, "half-made"), 0);
        assert_folder(data, "files/class-1/Local/half-made", fixture->owner, 0700);
        assert_int_equal(mkdirat(data, "files/class-1/Local/eve", 0700), 0);
        assert_int_equal(fchownat(data, "files/class-1/Local/eve", 201002, 201002, 0), 0);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, "eve"), -EPERM);
        assert_int_equal(fchownat(data, "files/class-1", 201002, 201002, 0), 0);
        assert_int_equal(open_tree_of(fixture, "class-1", TREE_PERSONAL, "ada"), -EPERM);
}

/* What `carrel sandbox` makes for one run, removed by whoever made it. */
static void test_remove(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, ".hidden", "x");
        assert_int_equal(mkdirat(fixture->tree_fd, "folder", 0700), 0);
        assert_int_equal(symlinkat("/", fixture->tree_fd, "folder/root"), 0);
        assert_int_equal(fchmod(fixture->tree_fd, 0), 0);
        be_oneself();
        struct error error;
        fd_scoped local = openat(fixture->data_fd, "files/class-1/Local", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(workspace_tree_remove(local, "ada/folder", &error), -EINVAL);
        assert_int_equal(workspace_tree_remove(local, "..", &error), -EINVAL);
        assert_int_equal(workspace_tree_remove(local, "ada", &error), 0);
        assert_int_equal(workspace_tree_remove(local, "ada", &error), -ENOENT);
        assert_int_equal(error.number, ENOENT);
}

/* Both ways of resolving a path keep the same rules. */

typedef int open_function(int root_fd, const char *path, int flags, enum mounts mounts);

static void assert_rules(struct fixture *fixture, open_function *open_it) {
        static const struct {
                const char *path;
                int flags, result;
        } cases[] = {
                { "folder/file", O_RDONLY, 0 },
                { "folder", O_RDONLY | O_DIRECTORY, 0 },
                { "", O_RDONLY | O_DIRECTORY, 0 },
                { "folder/link", O_RDONLY, -ELOOP },
                { "link-to-folder/file", O_RDONLY, -ELOOP },
                { "link-to-root/etc/passwd", O_RDONLY, -ELOOP },
                { "link-to-folder", O_RDONLY | O_DIRECTORY, -ELOOP },
                { "../ada", O_RDONLY, -EXDEV },
                { "folder/../../ada", O_RDONLY, -EXDEV },
                { "folder/file/x", O_RDONLY, -ENOTDIR },
                { "folder/none", O_RDONLY, -ENOENT },
        };
        for (size_t i = 0; i < array_length(cases); i++) {
                fd_scoped fd = open_it(fixture->tree_fd, cases[i].path, cases[i].flags, MOUNTS_REFUSED);
                assert_int_equal(fd < 0 ? fd : 0, cases[i].result);
        }
        fd_scoped root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(open_it(root, "proc/self/status", O_RDONLY, MOUNTS_REFUSED) < 0, true);
        fd_scoped crossed = open_it(root, "proc/version", O_RDONLY, MOUNTS_CROSSED);
        assert_true(crossed >= 0);
}

static void test_resolving(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(mkdirat(fixture->tree_fd, "folder", 0755), 0);
        put_file(fixture, "folder/file", "x");
        assert_int_equal(symlinkat("file", fixture->tree_fd, "folder/link"), 0);
        assert_int_equal(symlinkat("folder", fixture->tree_fd, "link-to-folder"), 0);
        assert_int_equal(symlinkat("/", fixture->tree_fd, "link-to-root"), 0);
        assert_rules(fixture, open_beneath);
        assert_rules(fixture, open_name_by_name);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_classes_and_folders),
                cmocka_unit_test(test_paths),
                cmocka_unit_test_setup_teardown(test_owners_and_modes, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_modes_are_put_right, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_what_stands_in_the_way, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_whose_folder, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_remove, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_resolving, fixture_start, fixture_end),
        };
        return cmocka_run_group_tests_name("workspace: trees", tests, NULL, NULL);
}
