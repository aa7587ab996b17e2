/*
 * The worker as a process: whose rights it has, what is closed to it, how it ends; and the client's end of that.
 */
#include "test_workspace_support.h"
#include "../../src/workspace/confine.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* Walls, tried from inside */

/* Bits, one a wall that did not hold. Runs in a process that was confined as a worker is. */
static int try_walls(void) {
        int bad = 0;
        bad |= (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) << 0;
        bad |= (openat(CONFINED_TREE, "..", O_RDONLY | O_DIRECTORY) >= 0) << 1;
        bad |= (openat(CONFINED_TREE, "x", O_CREAT | O_WRONLY, 0644) < 0) << 2; /* this one is to be open */
        bad |= (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != ENOSYS) << 3;
        bad |= (fork() >= 0) << 4;
        bad |= (symlinkat("/", CONFINED_TREE, "link") >= 0) << 5;
        bad |= (mkdir("/tmp/carrel-escaped", 0755) >= 0) << 6;
        bad |= (setuid(0) >= 0) << 7;
        return bad;
}

static int walls_of(struct fixture *fixture, enum tree_kind kind) {
        struct workspace_worker worker = { .channel_fd = 0,
                                           .tree_fd = fixture->tree_fd,
                                           .kind = kind,
                                           .uid = fixture->owner,
                                           .gid = getuid() == 0 ? fixture->owner : getgid() };
        be_oneself();
        pid_t child = fork();
        if (child == 0) {
                struct error error;
                if (confine(&worker, &error) < 0)
                        _exit(255);
                _exit(try_walls());
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void test_walls(void **state) {
        assert_int_equal(walls_of(*state, TREE_PERSONAL), 0);
}

/* The class's folder itself is closed, with Local in it: 4 is the file that cannot be made there. */
static void test_walls_shared(void **state) {
        assert_int_equal(walls_of(*state, TREE_SHARED), 4);
}

static void test_never_root(void **state) {
        struct fixture *fixture = *state;
        struct workspace_worker worker = { .channel_fd = 0, .tree_fd = fixture->tree_fd };
        be_oneself();
        pid_t child = fork();
        if (child == 0)
                _exit(worker_run(&worker, NULL) == -EPERM ? 0 : 1);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

/* As the kernel tells it */

static void read_status(pid_t process, char *text, size_t size) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/status", process);
        fd_scoped fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        ssize_t got = read_fully(fd, text, size - 1);
        assert_true(got > 0);
        text[got] = '\0';
}

static void test_rights(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(do_list(fixture, ""), 0); /* it serves, so it is confined */
        be_oneself();
        char status[8192], uids[64], gids[64];
        read_status(fixture->worker, status, sizeof status);
        uid_t uid = fixture->owner, gid = getuid() == 0 ? fixture->owner : getgid();
        snprintf(uids, sizeof uids, "\nUid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
        snprintf(gids, sizeof gids, "\nGid:\t%u\t%u\t%u\t%u\n", gid, gid, gid, gid);
        assert_non_null(strstr(status, uids));
        assert_non_null(strstr(status, gids));
        assert_non_null(strstr(status, "\nCapPrm:\t0000000000000000\n"));
        assert_non_null(strstr(status, "\nNoNewPrivs:\t1\n"));
        assert_non_null(strstr(status, "\nSeccomp:\t2\n"));
        if (getuid() == 0) {
                assert_non_null(strstr(status, "\nGroups:\t \n"));
                assert_int_equal(count_descriptors(fixture->worker), 5);
        }
}

/* Endings */

static void test_killed_worker(void **state) {
        struct fixture *fixture = *state;
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_int_equal(kill(fixture->worker, SIGSTOP), 0);
        struct outcome *outcome = &fixture->outcome;
        assert_int_equal(workspace_list(fixture->workspace, "", false, take_answer, fixture), 0);
        assert_int_equal(kill(fixture->worker, SIGKILL), 0);
        wait_for_answer(fixture);
        assert_int_equal(outcome->result, -EPIPE);
        assert_int_equal(fixture->gone, 1);
        assert_int_equal(fixture->why.number, EPIPE);
        assert_int_equal(do_list(fixture, ""), -EPIPE);
        close(ends[0]);
        close(ends[1]);
}

/* Killed while it wrote: the file is the old one, and what is left is hidden. */
static void test_killed_during_write(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "file", "old");
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        struct workspace_content content = { .fd = ends[0], .size = 100 };
        assert_int_equal(workspace_write(fixture->workspace, "file", &content, FILE_ALWAYS, NULL, take_answer, fixture),
                         0);
        close(ends[0]);
        while (count_hidden(fixture->tree_fd) == 0)
                usleep(1000);
        assert_int_equal(kill(fixture->worker, SIGKILL), 0);
        wait_for_answer(fixture);
        assert_int_equal(fixture->outcome.result, -EPIPE);
        close(ends[1]);
        assert_file(fixture, "file", "old");
        stop_worker(fixture);
        start_worker(fixture);
        assert_int_equal(do_list(fixture, ""), 0);
        assert_int_equal(fixture->outcome.count, 1);
        assert_int_equal(do_write(fixture, "file", "new", FILE_ALWAYS, NULL), 0);
}

static void test_worker_ends_with_its_channel(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(do_list(fixture, ""), 0);
        stop_worker(fixture); /* waits for the process */
        assert_int_equal(fixture->gone, 0);
}

struct counting {
        struct fixture *fixture;
        unsigned answers, failures;
};

static void count_answer(void *context, struct workspace_answer *answer) {
        struct counting *counting = context;
        counting->answers++;
        counting->failures += answer->result == -EPIPE;
}

static void test_bounded(void **state) {
        struct fixture *fixture = *state;
        struct counting counting = { .fixture = fixture };
        for (int i = 0; i < WORKSPACE_PENDING_MAXIMUM; i++)
                assert_int_equal(workspace_list(fixture->workspace, "", false, count_answer, &counting), 0);
        assert_int_equal(workspace_list(fixture->workspace, "", false, count_answer, &counting), -EBUSY);
        assert_int_equal(counting.answers, 0);
        stop_worker(fixture);
        assert_int_equal(counting.answers, WORKSPACE_PENDING_MAXIMUM);
        assert_int_equal(counting.failures, WORKSPACE_PENDING_MAXIMUM);
}

static void destroy_inside(void *context, struct workspace_answer *answer) {
        (void) answer;
        struct counting *counting = context;
        counting->answers++;
        workspace_destroy(counting->fixture->workspace);
        counting->fixture->workspace = NULL;
        loop_stop(counting->fixture->loop);
}

static void test_destroyed_inside_an_answer(void **state) {
        struct fixture *fixture = *state;
        struct counting counting = { .fixture = fixture };
        assert_int_equal(workspace_list(fixture->workspace, "", false, destroy_inside, &counting), 0);
        assert_int_equal(workspace_list(fixture->workspace, "", false, count_answer, &counting), 0);
        assert_int_equal(loop_run(fixture->loop, NULL), 0);
        assert_int_equal(counting.answers, 2);
        assert_int_equal(counting.failures, 1);
}

/* A worker that was taken over: the test plays it */

struct false_worker {
        struct fixture *fixture;
        int end;
        _Alignas(8) uint8_t storage[IPC_MESSAGE_MAXIMUM];
};

static void start_false_worker(struct false_worker *false_worker, struct fixture *fixture) {
        stop_worker(fixture);
        be_oneself();
        false_worker->fixture = fixture;
        int ends[2];
        struct error error;
        assert_int_equal(channel_pair(ends, &error), 0);
        false_worker->end = ends[1];
        connect_workspace(fixture, ends[0]);
}

static uint64_t receive_request(struct false_worker *false_worker) {
        struct message message;
        struct error error;
        assert_int_equal(
                message_receive(false_worker->end, MESSAGE_BIT(MESSAGE_FILE), false_worker->storage, &message, &error),
                1);
        message_close_fds(&message);
        return ((const struct message_file *) message.body)->tag;
}

static void answer_falsely(struct false_worker *false_worker, const struct message_file_done *done, const void *payload,
                           size_t size, int fd) {
        struct error error;
        assert_int_equal(message_send(false_worker->end, MESSAGE_FILE_DONE, done, payload, size, &fd, fd >= 0, &error),
                         0);
}

/* Sends one answer to a listing or an opening; the client must have cut the worker off. */
static void assert_cut_off(struct fixture *fixture, bool listing, struct message_file_done done, const void *payload,
                           size_t size, int fd) {
        free_scoped struct false_worker *false_worker = allocate(sizeof *false_worker);
        start_false_worker(false_worker, fixture);
        fixture->outcome.done = false;
        int sent = listing ? workspace_list(fixture->workspace, "", false, take_answer, fixture)
                           : workspace_open_file(fixture->workspace, "x", take_answer, fixture);
        assert_int_equal(sent, 0);
        done.tag += receive_request(false_worker);
        fixture->gone = 0;
        answer_falsely(false_worker, &done, payload, size, fd);
        close(false_worker->end);
        wait_for_answer(fixture);
        assert_int_equal(fixture->outcome.result, -EPIPE);
        assert_int_equal(fixture->gone, 1);
        assert_int_equal(fixture->why.number, EPROTO);
}

static void assert_bad_entry(struct fixture *fixture, uint32_t kind, uint32_t name_size, const char *name,
                             size_t size) {
        struct {
                struct file_entry entry;
                char name[264];
        } record = { .entry = { .kind = kind, .name_size = name_size } };
        memcpy(record.name, name, strlen(name));
        assert_cut_off(fixture, true, (struct message_file_done){ 0 }, &record, size, -1);
}

static void test_false_answers(void **state) {
        struct fixture *fixture = *state;
        const struct message_file_done fine = { 0 };
        fd_scoped regular = openat(fixture->tree_fd, "x", O_CREAT | O_RDWR | O_CLOEXEC, 0644);
        fd_scoped folder = openat(fixture->tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fd_scoped path_only = openat(fixture->tree_fd, "x", O_PATH | O_CLOEXEC);
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        assert_cut_off(fixture, false, fine, NULL, 0, -1);
        assert_cut_off(fixture, false, fine, NULL, 0, regular); /* may be written */
        assert_cut_off(fixture, false, fine, NULL, 0, folder);
        assert_cut_off(fixture, false, fine, NULL, 0, path_only);
        assert_cut_off(fixture, false, fine, NULL, 0, ends[0]); /* would block whoever reads it */
        assert_cut_off(fixture, false, (struct message_file_done){ .tag = 1 }, NULL, 0, -1);
        assert_cut_off(fixture, false, (struct message_file_done){ .result = 5 }, NULL, 0, -1);
        assert_cut_off(fixture, false, (struct message_file_done){ .result = -70000 }, NULL, 0, -1);
        assert_cut_off(fixture, false, (struct message_file_done){ .more = 1 }, NULL, 0, -1);
        assert_cut_off(fixture, false, (struct message_file_done){ .result = -ENOENT }, "12345678", 8, -1);
        assert_cut_off(fixture, true, fine, NULL, 0, folder);
        assert_cut_off(fixture, true, fine, "12345678", 8, -1);
        assert_bad_entry(fixture, 0, 1, "/", sizeof(struct file_entry) + 8);
        assert_bad_entry(fixture, 0, 2, "..", sizeof(struct file_entry) + 8);
        assert_bad_entry(fixture, 0, 2, "a\n", sizeof(struct file_entry) + 8);
        assert_bad_entry(fixture, 7, 1, "a", sizeof(struct file_entry) + 8);
        assert_bad_entry(fixture, 0, 0, "", sizeof(struct file_entry));
        assert_bad_entry(fixture, 0, 9, "aaaaaaaaa", sizeof(struct file_entry) + 8);
        assert_bad_entry(fixture, 0, UINT32_MAX, "a", sizeof(struct file_entry) + 8);
        close(ends[0]);
        close(ends[1]);
}

/* Nonsense from the web server ends the worker. */
static void test_false_requests(void **state) {
        struct fixture *fixture = *state;
        be_oneself();
        stop_worker(fixture);
        struct message_file bad[4] = { { .operation = FILE_OPERATIONS },
                                       { .operation = FILE_WRITE },
                                       { .condition = 9 } };
        memset(bad[3].path, 'a', sizeof bad[3].path);
        for (size_t i = 0; i < array_length(bad); i++) {
                int ends[2];
                struct error error;
                assert_int_equal(channel_pair(ends, &error), 0);
                struct workspace_worker worker = { ends[1],
                                                   fixture->tree_fd,
                                                   fixture->kind,
                                                   fixture->owner,
                                                   getuid() == 0 ? fixture->owner : getgid(),
                                                   false };
                pid_t child = fork();
                if (child == 0)
                        _exit(worker_run(&worker, &error) == -EPROTO ? 0 : 1);
                assert_int_equal(message_send(ends[0], MESSAGE_FILE, &bad[i], NULL, 0, NULL, 0, &error), 0);
                int status;
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_int_equal(status, 0);
                close(ends[0]);
                close(ends[1]);
        }
}

int main(void) {
#define with_worker(test) cmocka_unit_test_setup_teardown(test, fixture_start, fixture_end)
        const struct CMUnitTest tests[] = {
                with_worker(test_walls),
                cmocka_unit_test_setup_teardown(test_walls_shared, fixture_start_shared, fixture_end),
                with_worker(test_never_root),
                with_worker(test_rights),
                with_worker(test_killed_worker),
                with_worker(test_killed_during_write),
                with_worker(test_worker_ends_with_its_channel),
                with_worker(test_bounded),
                with_worker(test_destroyed_inside_an_answer),
                with_worker(test_false_answers),
                with_worker(test_false_requests),
        };
        return cmocka_run_group_tests_name("workspace: the worker's process", tests, NULL, NULL);
}
