/*
 * Failing: whatever a write, a listing or a deletion runs into, the answer says it, the old file is whole, and nothing
 * is left behind. Failures that cannot be had for real are played by a system call filter that the worker inherits.
 */
#include "test_workspace_support.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* Full disks */

static void test_full_disk(void **state) {
        struct fixture *fixture = *state;
        if (getuid() != 0)
                skip();
        stop_worker(fixture);
        be_oneself();
        free_scoped char *path = format_string("%s/files/class-1/Local/ada", fixture->directory);
        if (mount("none", path, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,nr_inodes=6,mode=0700,uid=201001,gid=201001") <
            0)
                skip();
        int under = fixture->tree_fd;
        fixture->tree_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        start_worker(fixture);
        free_scoped char *text = allocate(100001);
        memset(text, 'x', 100000);
        int small = do_write(fixture, "file", "old", FILE_IF_ABSENT, NULL);
        int replacing = do_write(fixture, "file", text, FILE_ALWAYS, NULL);
        int making = do_write(fixture, "other", text, FILE_IF_ABSENT, NULL);
        size_t hidden = count_hidden(fixture->tree_fd);
        bool kept = is_there(fixture, "file") && !is_there(fixture, "other");
        int after = do_write(fixture, "file", "new", FILE_ALWAYS, NULL);
        stop_worker(fixture);
        be_oneself();
        close(fixture->tree_fd);
        fixture->tree_fd = under;
        assert_int_equal(umount2(path, MNT_DETACH), 0);
        assert_int_equal(small, 0);
        assert_int_equal(replacing, -ENOSPC);
        assert_int_equal(making, -ENOSPC);
        assert_int_equal(hidden, 0);
        assert_true(kept);
        assert_int_equal(after, 0);
}

static void small_file_limit(void) {
        struct rlimit limit = { 1000, 1000 };
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                _exit(1);
}

static void test_file_size_limit(void **state) {
        struct fixture *fixture = *state;
        stop_worker(fixture);
        fixture->before_worker = small_file_limit;
        start_worker(fixture);
        char text[2001] = "";
        memset(text, 'x', 2000);
        assert_int_equal(do_write(fixture, "file", text, FILE_ALWAYS, NULL), -EFBIG);
        assert_false(is_there(fixture, "file"));
        assert_int_equal(count_hidden(fixture->tree_fd), 0);
        assert_int_equal(do_write(fixture, "file", "x", FILE_ALWAYS, NULL), 0);
}

/* Each system call of a write, failing */

static int failing_call;

static void fail_call(void) {
        refuse_call(failing_call, EIO, 0, (struct scmp_arg_cmp){ 0 });
}

static void assert_harmless(struct fixture *fixture, enum file_condition condition, const char *path) {
        restart_with(fixture, fail_call);
        int result = do_write(fixture, path, "new", condition, NULL);
        if (result != -EIO)
                print_message("call %d: %d\n", failing_call, result);
        assert_int_equal(result, -EIO);
        assert_int_equal(fixture->outcome.fd, -1);
        assert_file(fixture, "file", "old");
        assert_false(is_there(fixture, "other"));
        assert_int_equal(count_hidden(fixture->tree_fd), 0);
}

static void test_failing_calls(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "file", "old");
        static const int calls[] = { SCMP_SYS(openat2), SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(read),
                                     SCMP_SYS(write),   SCMP_SYS(fchmod), SCMP_SYS(fsync) };
        for (size_t i = 0; i < array_length(calls); i++) {
                failing_call = calls[i];
                assert_harmless(fixture, FILE_ALWAYS, "file");
                assert_harmless(fixture, FILE_IF_ABSENT, "other");
        }
        failing_call = SCMP_SYS(renameat);
        assert_harmless(fixture, FILE_ALWAYS, "file");
        failing_call = SCMP_SYS(renameat2);
        assert_harmless(fixture, FILE_IF_ABSENT, "other");
}

static void test_failing_list_and_delete(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(mkdirat(fixture->tree_fd, "folder", 0755), 0);
        put_file(fixture, "folder/file", "old");
        static const int calls[] = { SCMP_SYS(getdents64), SCMP_SYS(openat2), SCMP_SYS(newfstatat) };
        for (size_t i = 0; i < array_length(calls); i++) {
                failing_call = calls[i];
                restart_with(fixture, fail_call);
                assert_int_equal(do_list(fixture, "folder"), -EIO);
                if (failing_call != SCMP_SYS(newfstatat))
                        assert_int_equal(do_delete(fixture, "folder"), -EIO);
                assert_file(fixture, "folder/file", "old");
        }
        failing_call = SCMP_SYS(unlinkat);
        restart_with(fixture, fail_call);
        assert_int_equal(do_delete(fixture, "folder"), -EIO);
        assert_file(fixture, "folder/file", "old");
}

/* What the owner's programs can hold */

/* A lease would make whoever opens the file wait for its holder. */
static void test_lease(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "leased", "old");
        signal(SIGIO, SIG_IGN); /* the kernel asks the holder so, and it does not care */
        fd_scoped fd = openat(fixture->tree_fd, "leased", O_RDWR | O_CLOEXEC);
        assert_int_equal(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
        uint64_t before = now_milliseconds();
        assert_int_equal(do_open(fixture, "leased"), -EBUSY);
        assert_int_equal(do_write(fixture, "leased", "new", FILE_ALWAYS, NULL), 0);
        assert_true(now_milliseconds() - before < 5000);
        assert_file(fixture, "leased", "new");
}

/* Descriptors under way count against their sender's uid, and the worker has its owner's. */
static void send_descriptors(const struct fixture *fixture, int ready) {
        int ends[2];
        struct error error;
        if ((getuid() == 0 && (setresgid(fixture->owner, fixture->owner, fixture->owner) < 0 ||
                               setresuid(fixture->owner, fixture->owner, fixture->owner) < 0)) ||
            channel_pair(ends, &error) < 0)
                _exit(1);
        int fds[IPC_DESCRIPTORS_MAXIMUM];
        struct message_empty empty = { 0 };
        for (size_t i = 0; i < array_length(fds); i++)
                fds[i] = ends[0];
        for (int i = 0; i < 40; i++)
                if (message_send(ends[0], MESSAGE_READY, &empty, NULL, 0, fds, array_length(fds), &error) < 0)
                        _exit(1);
        if (write(ready, "x", 1) == 1)
                pause();
        _exit(1);
}

static void test_descriptors_under_way(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "file", "text");
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        be_oneself();
        pid_t child = fork();
        if (child == 0)
                send_descriptors(fixture, ends[1]);
        be_owner(fixture);
        close(ends[1]);
        char byte;
        assert_int_equal(read_fully(ends[0], &byte, 1), 1);
        int during = do_open(fixture, "file");
        be_oneself();
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        be_owner(fixture);
        close(ends[0]);
        assert_int_equal(during, -EBUSY);
        for (int i = 0; i < 100 && do_open(fixture, "file") == -EBUSY; i++)
                usleep(10000); /* the kernel collects them soon */
        assert_int_equal(fixture->outcome.result, 0);
        assert_text(fixture->outcome.fd, "text");
}

int main(void) {
#define with_worker(test) cmocka_unit_test_setup_teardown(test, fixture_start, fixture_end)
        const struct CMUnitTest tests[] = {
                with_worker(test_full_disk),     with_worker(test_file_size_limit),
                with_worker(test_failing_calls), with_worker(test_failing_list_and_delete),
                with_worker(test_lease),         with_worker(test_descriptors_under_way),
        };
        return cmocka_run_group_tests_name("workspace: failing", tests, NULL, NULL);
}
