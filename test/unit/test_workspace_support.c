#include "test_workspace_support.h"

#include <seccomp.h>
#include <signal.h>

enum { OWNER = 201001 };

/* Whose uid */

void be_owner(const struct fixture *fixture) {
        if (getuid() == 0) {
                assert_int_equal(setegid(fixture->owner), 0);
                assert_int_equal(seteuid(fixture->owner), 0);
        }
}

void be_oneself(void) {
        if (getuid() == 0) {
                assert_int_equal(seteuid(0), 0);
                assert_int_equal(setegid(0), 0);
        }
}

/* The worker */

static void on_gone(void *context, const struct error *why) {
        struct fixture *fixture = context;
        fixture->gone++;
        fixture->why = *why;
        loop_stop(fixture->loop);
}

static void worker_process(struct fixture *fixture, int channel_fd) {
        if (fixture->before_worker)
                fixture->before_worker();
        struct workspace_worker worker = { .channel_fd = channel_fd,
                                           .tree_fd = fixture->tree_fd,
                                           .kind = fixture->kind,
                                           .uid = fixture->owner,
                                           .gid = getuid() == 0 ? fixture->owner : getgid(),
                                           .trash_days = 30 };
        struct error error;
        int result = worker_run(&worker, &error);
        if (result < 0)
                dprintf(2, "worker: %s\n", error.text);
        _exit(result < 0);
}

void connect_workspace(struct fixture *fixture, int fd) {
        struct error error;
        assert_int_equal(workspace_create(fixture->loop, fd, on_gone, fixture, &fixture->workspace, &error), 0);
}

void start_worker(struct fixture *fixture) {
        be_oneself();
        int ends[2];
        struct error error;
        assert_int_equal(channel_pair(ends, &error), 0);
        fixture->worker = fork();
        assert_true(fixture->worker >= 0);
        if (fixture->worker == 0)
                worker_process(fixture, ends[1]);
        close(ends[1]);
        connect_workspace(fixture, ends[0]);
        be_owner(fixture);
}

static void stop_loop(void *context) {
        loop_stop(context);
}

void stop_worker(struct fixture *fixture) {
        workspace_destroy(fixture->workspace);
        fixture->workspace = NULL;
        loop_defer(fixture->loop, stop_loop, fixture->loop);
        struct timer *timer = loop_timer(fixture->loop, stop_loop, fixture->loop);
        timer_set(timer, 0);
        assert_int_equal(loop_run(fixture->loop, NULL), 0);
        timer_remove(timer);
        if (fixture->worker > 0) {
                int status;
                assert_int_equal(waitpid(fixture->worker, &status, 0), fixture->worker);
                fixture->worker = 0;
                assert_true(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)); /* by the test */
        }
}

void refuse_call(int call, int number, unsigned argument_count, struct scmp_arg_cmp comparison) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        if (!filter ||
            seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((unsigned) number), call, argument_count, &comparison) < 0 ||
            seccomp_load(filter) < 0)
                _exit(1);
        seccomp_release(filter);
}

void restart_with(struct fixture *fixture, void (*before_worker)(void)) {
        stop_worker(fixture);
        fixture->before_worker = before_worker;
        start_worker(fixture);
}

/* The fixture */

static struct fixture *make_fixture(enum tree_kind kind) {
        struct fixture *fixture = allocate(sizeof *fixture);
        fixture->kind = kind;
        fixture->owner = getuid() == 0 ? OWNER : getuid();
        fixture->outcome.fd = -1;
        strcpy(fixture->directory, "/tmp/carrel-workspace-XXXXXX");
        assert_non_null(mkdtemp(fixture->directory));
        assert_int_equal(chmod(fixture->directory, 0755), 0);
        fixture->data_fd = open(fixture->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fixture->data_fd >= 0);
        struct workspace_place place = { "class-1", kind, "ada", fixture->owner };
        struct error error;
        fixture->tree_fd = workspace_tree_open(fixture->data_fd, &place, &error);
        assert_true(fixture->tree_fd >= 0);
        assert_int_equal(loop_create(&fixture->loop, &error), 0);
        return fixture;
}

int fixture_start(void **state) {
        struct fixture *fixture = *state = make_fixture(TREE_PERSONAL);
        start_worker(fixture);
        return 0;
}

int fixture_start_shared(void **state) {
        struct fixture *fixture = *state = make_fixture(TREE_SHARED);
        start_worker(fixture);
        return 0;
}

static void forget_outcome(struct outcome *outcome) {
        for (size_t i = 0; i < outcome->count; i++)
                free(outcome->names[i]);
        free(outcome->names);
        free(outcome->kinds);
        close_fd(&outcome->fd);
        *outcome = (struct outcome){ .fd = -1 };
}

int fixture_end(void **state) {
        struct fixture *fixture = *state;
        stop_worker(fixture);
        be_oneself();
        forget_outcome(&fixture->outcome);
        loop_destroy(fixture->loop);
        close_fd(&fixture->tree_fd);
        close_fd(&fixture->data_fd);
        free_scoped char *command =
                format_string("chmod -R u+rwx %s; rm -rf %s", fixture->directory, fixture->directory);
        int result = system(command);
        free(fixture);
        return result;
}

/* Requests */

void take_answer(void *context, struct workspace_answer *answer) {
        struct fixture *fixture = context;
        struct outcome *outcome = &fixture->outcome;
        forget_outcome(outcome);
        *outcome = (struct outcome){ .done = true,
                                     .result = answer->result,
                                     .fd = steal_fd(&answer->fd),
                                     .version = answer->version,
                                     .count = answer->entry_count,
                                     .left_out = answer->entries_left_out };
        outcome->names = allocate((answer->entry_count + 1) * sizeof *outcome->names);
        outcome->kinds = allocate((answer->entry_count + 1) * sizeof *outcome->kinds);
        for (size_t i = 0; i < answer->entry_count; i++) {
                outcome->names[i] = duplicate_string(answer->entries[i].name);
                outcome->kinds[i] = answer->entries[i].kind;
        }
        loop_stop(fixture->loop);
}

void wait_for_answer(struct fixture *fixture) {
        assert_int_equal(loop_run(fixture->loop, NULL), 0);
        assert_true(fixture->outcome.done);
}

static int wait_if_sent(struct fixture *fixture, int sent) {
        if (sent < 0)
                return sent;
        wait_for_answer(fixture);
        return fixture->outcome.result;
}

#define request(fixture, call) (forget_outcome(&(fixture)->outcome), wait_if_sent(fixture, call))

int do_list(struct fixture *fixture, const char *path) {
        return request(fixture, workspace_list(fixture->workspace, path, false, take_answer, fixture));
}

int do_open(struct fixture *fixture, const char *path) {
        return request(fixture, workspace_open_file(fixture->workspace, path, take_answer, fixture));
}

int do_write(struct fixture *fixture, const char *path, const char *text, enum file_condition condition,
             const struct file_version *version) {
        struct workspace_content content = { .bytes = text, .fd = -1, .size = strlen(text) };
        struct file_version copy = version ? *version : (struct file_version){ 0 };
        return request(fixture,
                       workspace_write(fixture->workspace, path, &content, condition, &copy, take_answer, fixture));
}

int do_write_from(struct fixture *fixture, const char *path, int fd, uint64_t size) {
        struct workspace_content content = { .fd = fd, .size = size };
        return request(fixture,
                       workspace_write(fixture->workspace, path, &content, FILE_ALWAYS, NULL, take_answer, fixture));
}

int do_make_folder(struct fixture *fixture, const char *path) {
        return request(fixture, workspace_make_folder(fixture->workspace, path, take_answer, fixture));
}

int do_move(struct fixture *fixture, const char *from, const char *to) {
        return request(fixture, workspace_move(fixture->workspace, from, to, take_answer, fixture));
}

int do_delete(struct fixture *fixture, const char *path) {
        return request(fixture, workspace_delete(fixture->workspace, path, take_answer, fixture));
}

/* Files */

void put_file(struct fixture *fixture, const char *path, const char *text) {
        fd_scoped fd = openat(fixture->tree_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write_fully(fd, text, strlen(text)), 0);
}

void assert_text(int fd, const char *text) {
        assert_true(fd >= 0);
        free_scoped char *found = allocate(strlen(text) + 2);
        ssize_t size = pread(fd, found, strlen(text) + 1, 0);
        assert_int_equal(size, strlen(text));
        assert_string_equal(found, text);
}

void assert_file(struct fixture *fixture, const char *path, const char *text) {
        fd_scoped fd = openat(fixture->tree_fd, path, O_RDONLY | O_CLOEXEC);
        assert_text(fd, text);
}

bool is_there(struct fixture *fixture, const char *path) {
        struct stat status;
        return fstatat(fixture->tree_fd, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static size_t count_entries(int folder_fd, bool hidden_only) {
        int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fdopendir(fd);
        assert_non_null(folder);
        size_t count = 0;
        for (struct dirent *entry; (entry = readdir(folder));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    (!hidden_only || entry->d_name[0] == '.'))
                        count++;
        closedir(folder);
        return count;
}

size_t count_hidden(int folder_fd) {
        return count_entries(folder_fd, true);
}

size_t count_descriptors(pid_t process) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/fd", process);
        fd_scoped fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return count_entries(fd, false);
}
