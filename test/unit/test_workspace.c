/*
 * What a worker does for the web server: every operation, its conditions and its errors, through a real worker process.
 */
#include "test_workspace_support.h"

#include <pthread.h>
#include <seccomp.h>

/* Writing and reading */

static void test_write_and_open(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(do_write(fixture, "a.py", "print(1)\n", FILE_IF_ABSENT, NULL), 0);
        assert_text(fixture->outcome.fd, "print(1)\n");
        assert_int_equal(fcntl(fixture->outcome.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        struct file_version first = fixture->outcome.version;
        assert_int_equal(first.size, 9);
        assert_file(fixture, "a.py", "print(1)\n");

        assert_int_equal(do_open(fixture, "a.py"), 0);
        assert_text(fixture->outcome.fd, "print(1)\n");
        assert_memory_equal(&fixture->outcome.version, &first, sizeof first);

        assert_int_equal(do_write(fixture, "a.py", "", FILE_IF_ABSENT, NULL), -EEXIST);
        assert_int_equal(do_write(fixture, "a.py", "", FILE_IF_VERSION, &first), 0);
        assert_file(fixture, "a.py", "");
        assert_int_equal(do_write(fixture, "a.py", "3", FILE_IF_VERSION, &first), -ESTALE);
        assert_int_equal(fixture->outcome.fd, -1);
        assert_file(fixture, "a.py", "");
        assert_int_equal(do_write(fixture, "a.py", "4", FILE_ALWAYS, NULL), 0);
        assert_file(fixture, "a.py", "4");
        assert_int_equal(do_write(fixture, "b.py", "5", FILE_IF_VERSION, &first), -ESTALE);
        assert_false(is_there(fixture, "b.py"));
        assert_int_equal(count_hidden(fixture->tree_fd), 0);
}

/* A program that changed the file in place, with the same size: found by its ctime. */
static void test_change_in_place_is_a_conflict(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(do_write(fixture, "data.csv", "1,2", FILE_ALWAYS, NULL), 0);
        struct file_version version = fixture->outcome.version;
        usleep(20000); /* a tick of the clock that older kernels stamp files with */
        put_file(fixture, "data.csv", "9,9");
        assert_int_equal(do_write(fixture, "data.csv", "3,4", FILE_IF_VERSION, &version), -ESTALE);
        assert_file(fixture, "data.csv", "9,9");
}

static void test_mode_stays(void **state) {
        struct fixture *fixture = *state;
        struct stat status;
        assert_int_equal(do_write(fixture, "run.py", "1", FILE_IF_ABSENT, NULL), 0);
        assert_int_equal(fstatat(fixture->tree_fd, "run.py", &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0644);
        assert_int_equal(fchmodat(fixture->tree_fd, "run.py", 04750, 0), 0);
        assert_int_equal(do_write(fixture, "run.py", "2", FILE_ALWAYS, NULL), 0);
        assert_int_equal(fstatat(fixture->tree_fd, "run.py", &status, 0), 0);
        assert_int_equal(status.st_mode & 07777, 0750);
        assert_int_equal(status.st_uid, fixture->owner);
}

static void test_write_from_descriptor(void **state) {
        struct fixture *fixture = *state;
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(write_fully(ends[1], "from a pipe", 11), 0);
        close(ends[1]);
        assert_int_equal(do_write_from(fixture, "piped", ends[0], 11), 0);
        assert_file(fixture, "piped", "from a pipe");
        close(ends[0]);
        put_file(fixture, "source", "12345678");
        fd_scoped source = openat(fixture->tree_fd, "source", O_RDONLY | O_CLOEXEC);
        assert_int_equal(do_write_from(fixture, "piped", source, 7), -EFBIG);
        assert_file(fixture, "piped", "from a pipe");
        assert_int_equal(do_write_from(fixture, "piped", -1, 7), -EBADF);
        assert_int_equal(count_hidden(fixture->tree_fd), 0);
}

/* Atomicity: a reader at any moment sees one whole version. */

struct reading {
        int folder;
        bool stop;
        unsigned reads, torn;
};

enum { LARGE = 300000 };

static bool is_whole(const char *bytes, ssize_t size) {
        for (ssize_t i = 1; i < size; i++)
                if (bytes[i] != bytes[0])
                        return false;
        return size > 0 && size == (bytes[0] == 'b' ? LARGE : 1000);
}

static void *read_again_and_again(void *context) {
        struct reading *reading = context;
        free_scoped char *bytes = allocate(LARGE + 1);
        while (!__atomic_load_n(&reading->stop, __ATOMIC_RELAXED)) {
                fd_scoped fd = openat(reading->folder, "file", O_RDONLY | O_CLOEXEC);
                reading->torn += fd < 0 || !is_whole(bytes, read_fully(fd, bytes, LARGE + 1));
                reading->reads++;
        }
        return NULL;
}

static void test_atomicity(void **state) {
        struct fixture *fixture = *state;
        free_scoped char *large = allocate(LARGE + 1), *small = allocate(1001);
        memset(large, 'b', LARGE);
        memset(small, 'a', 1000);
        assert_int_equal(do_write(fixture, "file", small, FILE_ALWAYS, NULL), 0);
        struct reading reading = { .folder = fixture->tree_fd };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, read_again_and_again, &reading), 0);
        int result = 0;
        for (int i = 0; i < 200 && result == 0; i++)
                result = do_write(fixture, "file", i % 2 ? small : large, FILE_ALWAYS, NULL);
        __atomic_store_n(&reading.stop, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        assert_int_equal(result, 0);
        assert_true(reading.reads > 100);
        assert_int_equal(reading.torn, 0);
}

/* Folders, moving, deleting */

static void test_folders(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(do_make_folder(fixture, "week 1"), 0);
        assert_int_equal(do_make_folder(fixture, "week 1"), -EEXIST);
        assert_int_equal(do_make_folder(fixture, ""), -EEXIST);
        assert_int_equal(do_make_folder(fixture, "none/below"), -ENOENT);
        assert_int_equal(do_write(fixture, "week 1/é.py", "1", FILE_IF_ABSENT, NULL), 0);
        assert_int_equal(do_make_folder(fixture, "week 1/é.py/x"), -ENOTDIR);
        assert_int_equal(do_write(fixture, "week 1", "1", FILE_ALWAYS, NULL), -EISDIR);
        assert_int_equal(do_write(fixture, "", "1", FILE_ALWAYS, NULL), -EISDIR);
        assert_int_equal(do_write(fixture, "none/a", "1", FILE_ALWAYS, NULL), -ENOENT);
        assert_int_equal(do_open(fixture, "week 1"), -EISDIR);
        assert_int_equal(do_open(fixture, ""), -EISDIR);
        assert_int_equal(do_open(fixture, "none"), -ENOENT);
        assert_int_equal(do_list(fixture, "none"), -ENOENT);
        assert_int_equal(do_list(fixture, "week 1/é.py"), -ENOTDIR);
        assert_int_equal(do_list(fixture, "week 1"), 0);
        assert_int_equal(fixture->outcome.count, 1);
        assert_string_equal(fixture->outcome.names[0], "é.py");
}

static void test_move(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "a", "a");
        put_file(fixture, "b", "b");
        assert_int_equal(do_make_folder(fixture, "folder"), 0);
        assert_int_equal(do_make_folder(fixture, "folder/inner"), 0);
        assert_int_equal(do_move(fixture, "a", "b"), -EEXIST);
        assert_int_equal(do_move(fixture, "a", "a"), -EEXIST);
        assert_int_equal(do_move(fixture, "a", "folder"), -EEXIST);
        assert_int_equal(do_move(fixture, "folder", "folder/inner/below"), -EINVAL);
        assert_int_equal(do_move(fixture, "folder/inner", "folder"), -EEXIST);
        assert_int_equal(do_move(fixture, "none", "c"), -ENOENT);
        assert_int_equal(do_move(fixture, "", "c"), -EPERM);
        assert_int_equal(do_move(fixture, "a", ""), -EEXIST);
        assert_int_equal(do_move(fixture, "a", "../a"), -EINVAL);
        assert_int_equal(do_move(fixture, "a", ".a"), -EINVAL);
        assert_int_equal(do_move(fixture, "a", "folder/inner/c"), 0);
        assert_int_equal(do_move(fixture, "folder", "moved"), 0);
        assert_file(fixture, "moved/inner/c", "a");
        assert_file(fixture, "b", "b");
}

static void test_delete(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "file", "x");
        assert_int_equal(do_make_folder(fixture, "folder"), 0);
        assert_int_equal(do_make_folder(fixture, "folder/inner"), 0);
        put_file(fixture, "folder/inner/.hidden", "x");
        put_file(fixture, "folder/odd\nname", "x");
        assert_int_equal(do_delete(fixture, "file"), 0);
        assert_int_equal(do_delete(fixture, "file"), -ENOENT);
        assert_int_equal(do_delete(fixture, "folder"), 0);
        assert_int_equal(do_delete(fixture, ""), -EPERM);
        assert_int_equal(do_list(fixture, ""), 0);
        assert_int_equal(fixture->outcome.count, 0);
        assert_int_equal(fixture->outcome.left_out, 0);
}

/* The shared tree */

static void test_shared_tree(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(do_list(fixture, ""), 0);
        assert_int_equal(fixture->outcome.count, 3);
        assert_string_equal(fixture->outcome.names[0], "Assignments");
        assert_string_equal(fixture->outcome.names[1], "Lecture Notes");
        assert_string_equal(fixture->outcome.names[2], "Tests");
        assert_int_equal(do_write(fixture, "Lecture Notes/1.py", "1", FILE_IF_ABSENT, NULL), 0);
        assert_int_equal(do_move(fixture, "Lecture Notes/1.py", "Tests/2.py"), 0);
        assert_int_equal(do_open(fixture, "Tests/2.py"), 0);
        assert_text(fixture->outcome.fd, "1");
        assert_int_equal(do_list(fixture, "Local"), -EPERM);
        assert_int_equal(do_list(fixture, "Local/ada"), -EPERM);
        assert_int_equal(do_write(fixture, "stray.py", "1", FILE_IF_ABSENT, NULL), -EPERM);
        assert_int_equal(do_make_folder(fixture, "Tests"), -EEXIST);
        assert_int_equal(do_make_folder(fixture, "More"), -EPERM);
        assert_int_equal(do_write(fixture, "Tests", "1", FILE_ALWAYS, NULL), -EISDIR);
        assert_int_equal(do_move(fixture, "Tests", "Assignments/Tests"), -EPERM);
        assert_int_equal(do_move(fixture, "Tests/2.py", "2.py"), -EPERM);
        assert_int_equal(do_move(fixture, "Tests/2.py", "Tests"), -EEXIST);
        assert_int_equal(do_delete(fixture, "Tests"), -EPERM);
        assert_int_equal(do_delete(fixture, ""), -EPERM);
        assert_int_equal(do_delete(fixture, "Tests/2.py"), 0);
}

/* Lists */

static void test_list_order_and_kinds(void **state) {
        struct fixture *fixture = *state;
        static const char *const names[] = { "zoo", "a.py", "b.txt", "link", "pipe" };
        static const enum file_kind kinds[] = { FILE_KIND_FOLDER, FILE_KIND_FILE, FILE_KIND_FILE, FILE_KIND_LINK,
                                                FILE_KIND_OTHER };
        put_file(fixture, "b.txt", "text");
        put_file(fixture, "a.py", "");
        assert_int_equal(mkdirat(fixture->tree_fd, "zoo", 0755), 0);
        assert_int_equal(symlinkat("/etc/passwd", fixture->tree_fd, "link"), 0);
        assert_int_equal(mkfifoat(fixture->tree_fd, "pipe", 0644), 0);
        put_file(fixture, ".hidden", "");
        assert_int_equal(do_list(fixture, ""), 0);
        assert_int_equal(fixture->outcome.count, array_length(names));
        assert_int_equal(fixture->outcome.left_out, 0);
        for (size_t i = 0; i < array_length(names); i++) {
                assert_string_equal(fixture->outcome.names[i], names[i]);
                assert_int_equal(fixture->outcome.kinds[i], kinds[i]);
        }
}

static void test_large_folder(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(mkdirat(fixture->tree_fd, "large", 0755), 0);
        for (int i = 0; i < 20000; i++) {
                char path[300];
                snprintf(path, sizeof path, "large/%0250d", i);
                fd_scoped fd = openat(fixture->tree_fd, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
                assert_true(fd >= 0);
        }
        uint64_t before = now_milliseconds();
        assert_int_equal(do_list(fixture, "large"), 0);
        uint64_t listed = now_milliseconds();
        assert_int_equal(fixture->outcome.count, WORKSPACE_LIST_MAXIMUM);
        assert_int_equal(fixture->outcome.left_out, 20000 - WORKSPACE_LIST_MAXIMUM);
        assert_int_equal(do_delete(fixture, "large"), 0);
        print_message("20,000 entries: listed in %u ms, deleted in %u ms\n", (unsigned) (listed - before),
                      (unsigned) (now_milliseconds() - listed));
        assert_false(is_there(fixture, "large"));
}

static void make_old(struct fixture *fixture, const char *name, time_t age) {
        put_file(fixture, name, "rest of a write");
        struct timespec times[2] = { { .tv_sec = time(NULL) - age }, { .tv_sec = time(NULL) - age } };
        assert_int_equal(utimensat(fixture->tree_fd, name, times, 0), 0);
}

static void test_stale_temporaries(void **state) {
        struct fixture *fixture = *state;
        static const char old[] = ".carrel-part-00000000000000000000000000000000";
        static const char young[] = ".carrel-part-11111111111111111111111111111111";
        static const char others[] = ".carrel-part-of-my-homework";
        make_old(fixture, old, 3700);
        make_old(fixture, young, 3500);
        make_old(fixture, others, 1000000);
        /* A folder that was being copied. */
        static const char copy[] = ".carrel-part-22222222222222222222222222222222";
        assert_int_equal(mkdirat(fixture->tree_fd, copy, 0755), 0);
        put_file(fixture, ".carrel-part-22222222222222222222222222222222/half", "x");
        struct timespec times[2] = { { .tv_sec = time(NULL) - 3700 }, { .tv_sec = time(NULL) - 3700 } };
        assert_int_equal(utimensat(fixture->tree_fd, copy, times, 0), 0);
        assert_int_equal(do_list(fixture, ""), 0);
        assert_int_equal(fixture->outcome.count, 0);
        assert_false(is_there(fixture, copy));
        assert_false(is_there(fixture, old));
        assert_true(is_there(fixture, young));
        assert_true(is_there(fixture, others));
}

/* Older systems, played by a filter that the worker inherits */

static void without_openat2(void) {
        refuse_call(SCMP_SYS(openat2), ENOSYS, 0, (struct scmp_arg_cmp){ 0 });
}

static void without_rename_flags(void) {
        refuse_call(SCMP_SYS(renameat2), EINVAL, 1, SCMP_A4(SCMP_CMP_NE, 0));
}

static void test_without_openat2(void **state) {
        restart_with(*state, without_openat2);
        test_write_and_open(state);
        test_folders(state);
        test_move(state);
}

/* NFS. */
static void test_without_rename_flags(void **state) {
        restart_with(*state, without_rename_flags);
        test_write_and_open(state);
        struct fixture *fixture = *state;
        assert_int_equal(do_delete(fixture, "a.py"), 0);
        test_move(state);
}

int main(void) {
#define with_worker(test) cmocka_unit_test_setup_teardown(test, fixture_start, fixture_end)
        const struct CMUnitTest tests[] = {
                with_worker(test_write_and_open),
                with_worker(test_change_in_place_is_a_conflict),
                with_worker(test_mode_stays),
                with_worker(test_write_from_descriptor),
                with_worker(test_atomicity),
                with_worker(test_folders),
                with_worker(test_move),
                with_worker(test_delete),
                cmocka_unit_test_setup_teardown(test_shared_tree, fixture_start_shared, fixture_end),
                with_worker(test_list_order_and_kinds),
                with_worker(test_large_folder),
                with_worker(test_stale_temporaries),
                with_worker(test_without_openat2),
                with_worker(test_without_rename_flags),
        };
        return cmocka_run_group_tests_name("workspace: operations", tests, NULL, NULL);
}
