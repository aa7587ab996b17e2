/*
 * What guests leave for the server to stumble over, and what a worker may not do even if it is taken over.
 */
#include "test_workspace_support.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static int make_secret(struct fixture *fixture) {
        be_oneself();
        fd_scoped fd = openat(fixture->data_fd, "secret", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        int result = write_fully(fd, "secret", 6);
        be_owner(fixture);
        return result;
}

/* Links */

static void test_links_are_not_followed(void **state) {
        struct fixture *fixture = *state;
        int tree = fixture->tree_fd;
        assert_int_equal(make_secret(fixture), 0);
        put_file(fixture, "own", "own");
        static const char *const targets[] = { "/etc/passwd", "../../../../secret", "/proc/self/fd/0",
                                               "own",         "/proc/self/root",    "nowhere" };
        for (size_t i = 0; i < array_length(targets); i++) {
                assert_int_equal(symlinkat(targets[i], tree, "link"), 0);
                assert_int_equal(do_open(fixture, "link"), -ELOOP);
                assert_int_equal(do_list(fixture, "link"), -ELOOP);
                assert_int_equal(do_make_folder(fixture, "link"), -EEXIST);
                assert_int_equal(do_write(fixture, "link", "x", FILE_IF_ABSENT, NULL), -EEXIST);
                assert_int_equal(do_move(fixture, "own", "link"), -EEXIST);
                assert_int_equal(do_move(fixture, "link", "moved"), 0);
                assert_int_equal(do_delete(fixture, "moved"), 0);
        }
        static const char *const folders[] = { "/", "..", "../../../..", "/proc/self/root", "." };
        for (size_t i = 0; i < array_length(folders); i++) {
                assert_int_equal(symlinkat(folders[i], tree, "link"), 0);
                assert_int_equal(do_open(fixture, "link/own"), -ELOOP);
                assert_int_equal(do_list(fixture, "link/files"), -ELOOP);
                assert_int_equal(do_make_folder(fixture, "link/made"), -ELOOP);
                assert_int_equal(do_write(fixture, "link/made", "x", FILE_ALWAYS, NULL), -ELOOP);
                assert_int_equal(do_move(fixture, "own", "link/made"), -ELOOP);
                assert_int_equal(do_delete(fixture, "link/own"), -ELOOP);
                assert_int_equal(do_delete(fixture, "link"), 0);
        }
        assert_file(fixture, "own", "own");
}

/* The planted link of judge0's CVE-2024-28185: saving replaces it. */
static void test_write_replaces_a_link(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(make_secret(fixture), 0);
        assert_int_equal(symlinkat("../../../../secret", fixture->tree_fd, "main.py"), 0);
        assert_int_equal(do_write(fixture, "main.py", "mine", FILE_ALWAYS, NULL), 0);
        assert_file(fixture, "main.py", "mine");
        fd_scoped secret = openat(fixture->data_fd, "secret", O_RDONLY | O_CLOEXEC);
        assert_text(secret, "secret");
        struct stat status;
        assert_int_equal(fstatat(fixture->tree_fd, "main.py", &status, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(status.st_mode));
}

static void test_bad_paths(void **state) {
        struct fixture *fixture = *state;
        static const char *const bad[] = { "..", "../bob", "/etc/passwd", "a/../../bob", ".",       "a//b",
                                           "a/", ".ssh",   "a\nb",        "a\x1b[2J",    "\xFF\xFE" };
        for (size_t i = 0; i < array_length(bad); i++) {
                assert_int_equal(do_open(fixture, bad[i]), -EINVAL);
                assert_int_equal(do_list(fixture, bad[i]), -EINVAL);
                assert_int_equal(do_make_folder(fixture, bad[i]), -EINVAL);
                assert_int_equal(do_write(fixture, bad[i], "x", FILE_ALWAYS, NULL), -EINVAL);
                assert_int_equal(do_delete(fixture, bad[i]), -EINVAL);
                assert_int_equal(do_move(fixture, bad[i], "x"), -EINVAL);
                assert_int_equal(do_move(fixture, "x", bad[i]), -EINVAL);
        }
        char path[1100];
        memset(path, 'a', sizeof path - 1);
        path[sizeof path - 1] = '\0';
        assert_int_equal(do_open(fixture, path), -ENAMETOOLONG);
        assert_int_equal(do_move(fixture, "x", path), -ENAMETOOLONG);
        path[1024] = '\0';
        assert_int_equal(do_open(fixture, path), -EINVAL);
        path[255] = '\0';
        assert_int_equal(do_write(fixture, path, "longest", FILE_IF_ABSENT, NULL), 0);
        assert_int_equal(do_open(fixture, path), 0);
        assert_text(fixture->outcome.fd, "longest");
        assert_int_equal(fixture->gone, 0);
}

static void test_odd_names_are_counted(void **state) {
        struct fixture *fixture = *state;
        static const char *const odd[] = { "a\nb", "\x1b[2J", "\xFF", "a\rSet-Cookie: x", "\xC2\x9B" };
        for (size_t i = 0; i < array_length(odd); i++)
                put_file(fixture, odd[i], "");
        put_file(fixture, "-rf", "");
        assert_int_equal(do_list(fixture, ""), 0);
        assert_int_equal(fixture->outcome.count, 1);
        assert_int_equal(fixture->outcome.left_out, array_length(odd));
}

/* The race: a name that is now a file, now a link to somebody else's. */

struct flipping {
        int folder;
        bool stop;
        uint64_t flips;
};

static void *flip(void *context) {
        struct flipping *flipping = context;
        while (!__atomic_load_n(&flipping->stop, __ATOMIC_RELAXED)) {
                renameat2(flipping->folder, "file", flipping->folder, "link", RENAME_EXCHANGE);
                flipping->flips++;
        }
        return NULL;
}

static void test_swap_race(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(make_secret(fixture), 0);
        put_file(fixture, "file", "inside");
        assert_int_equal(symlinkat("../../../../secret", fixture->tree_fd, "link"), 0);
        struct flipping flipping = { .folder = fixture->tree_fd };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, flip, &flipping), 0);
        unsigned opened = 0, refused = 0, leaked = 0;
        for (int i = 0; i < 20000; i++) {
                int result = do_open(fixture, i % 2 ? "file" : "link");
                char text[10] = "";
                if (result == 0) {
                        opened++;
                        leaked += pread(fixture->outcome.fd, text, 9, 0) != 6 || strcmp(text, "inside") != 0;
                } else
                        refused++; /* mostly -ELOOP; a name in the middle of its change may answer something else */
        }
        __atomic_store_n(&flipping.stop, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        print_message("20,000 opens during %llu swaps: %u opened, %u refused, %u leaked\n",
                      (unsigned long long) flipping.flips, opened, refused, leaked);
        assert_int_equal(leaked, 0);
        assert_int_equal(opened + refused, 20000);
        assert_true(opened > 0 && refused > 0);
}

/* The same for a folder in the way of a write: now a folder, now a link to one outside that the owner may write to. */
static void *flip_parent(void *context) {
        struct flipping *flipping = context;
        while (!__atomic_load_n(&flipping->stop, __ATOMIC_RELAXED)) {
                renameat2(flipping->folder, "folder", flipping->folder, "link", RENAME_EXCHANGE);
                flipping->flips++;
                usleep(100); /* a write takes its folder, then flushes it: both are to happen between swaps */
        }
        return NULL;
}

static void test_swapped_parent(void **state) {
        struct fixture *fixture = *state;
        be_oneself();
        assert_int_equal(mkdirat(fixture->data_fd, "outside", 0755), 0);
        assert_int_equal(fchownat(fixture->data_fd, "outside", fixture->owner, (gid_t) -1, 0), 0);
        be_owner(fixture);
        assert_int_equal(mkdirat(fixture->tree_fd, "folder", 0755), 0);
        assert_int_equal(symlinkat("../../../../outside", fixture->tree_fd, "link"), 0);
        struct flipping flipping = { .folder = fixture->tree_fd };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, flip_parent, &flipping), 0);
        unsigned written = 0, refused = 0;
        for (int i = 0; i < 300; i++) {
                int result = i % 4 ? do_write(fixture, "folder/file", "x", FILE_ALWAYS, NULL)
                                   : do_make_folder(fixture, "link/made");
                written += result == 0;
                refused += result == -ELOOP;
        }
        __atomic_store_n(&flipping.stop, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        print_message("300 writes during %llu swaps of their folder: %u done, %u refused\n",
                      (unsigned long long) flipping.flips, written, refused);
        be_oneself();
        assert_int_equal(unlinkat(fixture->data_fd, "outside", AT_REMOVEDIR), 0); /* so it is empty */
        assert_true(written > 0 && refused > 0);
}

/* Pipes, sockets, devices */

static void bind_socket(struct fixture *fixture) {
        fd_scoped fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/socket", fixture->tree_fd);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
}

static void test_pipes_sockets_devices(void **state) {
        struct fixture *fixture = *state;
        size_t count = 2;
        assert_int_equal(mkfifoat(fixture->tree_fd, "pipe", 0666), 0);
        bind_socket(fixture);
        if (getuid() == 0) {
                be_oneself();
                assert_int_equal(mknodat(fixture->tree_fd, "device", S_IFCHR | 0666, makedev(1, 5)), 0);
                be_owner(fixture);
                count = 3;
        }
        static const char *const names[] = { "pipe", "socket", "device" };
        uint64_t before = now_milliseconds();
        for (size_t i = 0; i < count; i++) {
                assert_int_equal(do_open(fixture, names[i]), -ENXIO);
                assert_int_equal(do_list(fixture, names[i]), -ENOTDIR);
                assert_int_equal(do_write(fixture, names[i], "x", FILE_IF_ABSENT, NULL), -EEXIST);
                assert_int_equal(do_write(fixture, names[i], "x", FILE_IF_VERSION, NULL), -ESTALE);
        }
        for (size_t i = 0; i < 2; i++) /* Landlock lets nobody move a device */
                assert_int_equal(do_move(fixture, names[i], "moved") | do_move(fixture, "moved", names[i]), 0);
        for (size_t i = 0; i < count; i++)
                assert_int_equal(do_delete(fixture, names[i]), 0);
        assert_true(now_milliseconds() - before < 5000);
}

/* Deleting */

/* Deeper than any path can name: each folder holds the next, and a file. */
static void dig(struct fixture *fixture, const char *name, int depth, bool files) {
        int fd = fcntl(fixture->tree_fd, F_DUPFD_CLOEXEC, 0);
        assert_int_equal(mkdirat(fd, name, 0755), 0);
        for (int i = 0; i < depth; i++) {
                int next = openat(fd, i == 0 ? name : "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                close(fd);
                fd = next;
                assert_true(fd >= 0);
                assert_int_equal(mkdirat(fd, "d", 0755), 0);
                if (files)
                        close(openat(fd, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        }
        close(fd);
}

/* Only root may ask. */
static size_t worker_descriptors(struct fixture *fixture) {
        be_oneself();
        size_t count = getuid() == 0 ? count_descriptors(fixture->worker) : 0;
        be_owner(fixture);
        return count;
}

static void test_delete_deep(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(do_list(fixture, ""), 0); /* from here on it is confined */
        size_t descriptors = worker_descriptors(fixture);
        dig(fixture, "deep", 10000, true);
        uint64_t before = now_milliseconds();
        assert_int_equal(do_delete(fixture, "deep"), 0);
        print_message("20,000 entries 10,000 deep: deleted in %u ms\n", (unsigned) (now_milliseconds() - before));
        assert_false(is_there(fixture, "deep"));
        assert_int_equal(count_hidden(fixture->tree_fd), 0);
        assert_int_equal(worker_descriptors(fixture), descriptors);
}

static void test_delete_wide(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(mkdirat(fixture->tree_fd, "wide", 0755), 0);
        for (int i = 0; i < 100; i++) {
                char path[64];
                snprintf(path, sizeof path, "wide/%d", i);
                dig(fixture, path, 70, false); /* past the array of levels */
        }
        uint64_t before = now_milliseconds();
        assert_int_equal(do_delete(fixture, "wide"), 0);
        print_message("7,100 folders 70 deep: deleted in %u ms\n", (unsigned) (now_milliseconds() - before));
}

static void test_delete_shut_folders(void **state) {
        struct fixture *fixture = *state;
        int tree = fixture->tree_fd;
        static const mode_t modes[] = { 0, 0400, 0200, 0100, 0500, 0600, 0300 };
        for (size_t i = 0; i < array_length(modes); i++) {
                assert_int_equal(mkdirat(tree, "shut", 0755), 0);
                assert_int_equal(mkdirat(tree, "shut/inner", 0755), 0);
                put_file(fixture, "shut/file", "x");
                put_file(fixture, "shut/inner/file", "x");
                assert_int_equal(fchmodat(tree, "shut/inner", modes[i], 0), 0);
                assert_int_equal(fchmodat(tree, "shut", modes[i], 0), 0);
                assert_int_equal(do_delete(fixture, "shut"), 0);
                assert_false(is_there(fixture, "shut"));
        }
        dig(fixture, "deep", 100, false);
        assert_int_equal(do_delete(fixture, "deep"), 0);
}

static void test_delete_follows_no_link(void **state) {
        struct fixture *fixture = *state;
        int tree = fixture->tree_fd;
        assert_int_equal(mkdirat(tree, "kept", 0755), 0);
        put_file(fixture, "kept/file", "kept");
        assert_int_equal(mkdirat(tree, "folder", 0755), 0);
        assert_int_equal(symlinkat("../kept", tree, "folder/link"), 0);
        assert_int_equal(symlinkat("/", tree, "folder/root"), 0);
        assert_int_equal(do_delete(fixture, "folder"), 0);
        assert_file(fixture, "kept/file", "kept");
        assert_int_equal(symlinkat("kept", tree, "link"), 0);
        assert_int_equal(do_delete(fixture, "link"), 0);
        assert_file(fixture, "kept/file", "kept");
}

/* A folder inside the deleted one that is now a folder, now a link to one that is to stay. */
static void *flip_folder(void *context) {
        struct flipping *flipping = context;
        while (!__atomic_load_n(&flipping->stop, __ATOMIC_RELAXED)) {
                mkdirat(flipping->folder, "d", 0755);
                mkdirat(flipping->folder, "d/x", 0755);
                mkdirat(flipping->folder, "d/x/file", 0755);
                renameat2(flipping->folder, "d/x", flipping->folder, "link", RENAME_EXCHANGE);
                renameat2(flipping->folder, "d/x", flipping->folder, "link", RENAME_EXCHANGE);
                flipping->flips++;
                usleep(20);
        }
        return NULL;
}

static void test_delete_during_changes(void **state) {
        struct fixture *fixture = *state;
        int tree = fixture->tree_fd;
        assert_int_equal(mkdirat(tree, "kept", 0755), 0);
        put_file(fixture, "kept/file", "kept");
        struct flipping flipping = { .folder = tree };
        pthread_t thread;
        assert_int_equal(symlinkat("kept", tree, "link"), 0);
        assert_int_equal(pthread_create(&thread, NULL, flip_folder, &flipping), 0);
        unsigned strange = 0;
        for (int i = 0; i < 500; i++) {
                int result = do_delete(fixture, "d");
                if (result == 0 || result == -ENOENT || result == -EBUSY)
                        continue;
                print_message("deleting: %d\n", result);
                strange++;
        }
        __atomic_store_n(&flipping.stop, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        assert_int_equal(strange, 0);
        assert_file(fixture, "kept/file", "kept");
        assert_int_equal(do_open(fixture, "kept/file"), 0);
}

int main(void) {
#define with_worker(test) cmocka_unit_test_setup_teardown(test, fixture_start, fixture_end)
        const struct CMUnitTest tests[] = {
                with_worker(test_links_are_not_followed),
                with_worker(test_write_replaces_a_link),
                with_worker(test_bad_paths),
                with_worker(test_odd_names_are_counted),
                with_worker(test_swap_race),
                with_worker(test_swapped_parent),
                with_worker(test_pipes_sockets_devices),
                with_worker(test_delete_deep),
                with_worker(test_delete_wide),
                with_worker(test_delete_shut_folders),
                with_worker(test_delete_follows_no_link),
                with_worker(test_delete_during_changes),
        };
        return cmocka_run_group_tests_name("workspace: hostile files", tests, NULL, NULL);
}
