/*
 * A real web server (web_run in a process of its own, over a real store and real workers) with a monitor and a
 * supervisor that are made up here, for test_web_server.py. Prints "PORT" when it listens; ends at the end of its
 * input.
 *
 * The supervisor's programs: what a file holds is their output, what is typed comes back in capitals, "quit\n" ends
 * them.
 *
 * usage: web_harness FOLDER [PAGE-FOLDER]
 */
#include "../../src/account/account.h"
#include "../../src/base/log.h"
#include "../../src/course/course.h"
#include "../../src/ipc/ipc.h"
#include "../../src/web/web.h"
#include "../../src/workspace/workspace.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { RUNS = 1000 };

struct harness {
        struct loop *loop;
        struct channel *web_of_monitor, *web_of_supervisor;
        int data_fd;
        uint64_t last_run;
        struct message_run_state runs[RUNS];
        uint64_t viewers[RUNS];
};

static void check(int result, const struct error *error) {
        if (result >= 0)
                return;
        fprintf(stderr, "web_harness: %s\n", error->text);
        exit(1);
}

/* The monitor */

static void start_worker(struct harness *harness, const struct message_worker_open *open, int ends[static 2]) {
        struct error error = { 0 };
        struct workspace_place place = { open->class_slug, (enum tree_kind) open->tree, open->folder,
                                         workspace_host_uid(200000, open->uid) };
        check(channel_pair(ends, &error), &error);
        int tree = workspace_tree_open(harness->data_fd, &place, &error);
        check(tree, &error);
        pid_t child = fork();
        if (child == 0) {
                struct workspace_worker worker = { .channel_fd = ends[1],
                                                   .tree_fd = tree,
                                                   .kind = (enum tree_kind) open->tree,

                                                   .uid = place.owner,
                                                   .gid = getuid() == 0 ? place.owner : getgid(),
                                                   .landlock_optional = true };
                int result = worker_run(&worker, &error);
                if (result < 0)
                        dprintf(2, "worker: %s\n", error.text);
                _exit(result < 0);
        }
        close(tree);
        close(ends[1]);
}

static void on_web_asks(void *context, struct message *message) {
        struct harness *harness = context;
        if (message->type != MESSAGE_WORKER_OPEN)
                return;
        const struct message_worker_open *open = message->body;
        struct message_answer answer = { .tag = open->tag };
        int ends[2];
        start_worker(harness, open, ends);
        channel_send(harness->web_of_monitor, MESSAGE_WORKER_OPENED, &answer, NULL, 0, &ends[0], 1);
        close(ends[0]);
}

/* The supervisor */

static struct message_run_state *run_of(struct harness *harness, uint64_t run) {
        return run > 0 && run <= harness->last_run ? &harness->runs[run % RUNS] : NULL;
}

static void tell_state(struct harness *harness, struct message_run_state *run, uint32_t state) {
        run->state = state;
        channel_send(harness->web_of_supervisor, MESSAGE_RUN_STATE, run, NULL, 0, NULL, 0);
}

static void print(struct harness *harness, struct message_run_state *run, const char *bytes, size_t size) {
        struct message_run_attach output = { run->run, harness->viewers[run->run % RUNS], run->next };
        run->next += size;
        if (output.viewer)
                channel_send(harness->web_of_supervisor, MESSAGE_RUN_OUTPUT, &output, bytes, size, NULL, 0);
}

static void start_run(struct harness *harness, struct message *message) {
        const struct message_run_start *start = message->body;
        struct message_run_state *run = &harness->runs[++harness->last_run % RUNS];
        *run = (struct message_run_state){ .run = harness->last_run,
                                           .account = start->account,
                                           .exit = -1,
                                           .started = wall_milliseconds(),
                                           .columns = start->columns,
                                           .rows = start->rows };
        memcpy(run->class_slug, start->class_slug, sizeof run->class_slug);
        memcpy(run->folder, start->folder, sizeof run->folder);
        memcpy(run->path, start->path, sizeof run->path);
        harness->viewers[run->run % RUNS] = start->viewer;
        struct message_run_started started = { .tag = start->tag, .run = run->run };
        channel_send(harness->web_of_supervisor, MESSAGE_RUN_STARTED, &started, NULL, 0, NULL, 0);
        tell_state(harness, run, RUN_RUNNING);
        static char text[60000];
        ssize_t size = message->fds[0] >= 0 ? read_fully(message->fds[0], text, sizeof text) : 0;
        print(harness, run, text, size > 0 ? (size_t) size : 0);
        tell_state(harness, run, RUN_WAITING);
}

static void type_into(struct harness *harness, struct message *message) {
        const struct message_run *input = message->body;
        struct message_run_state *run = run_of(harness, input->run);
        static char text[70000];
        size_t size = message->payload_size;
        if (!run)
                return;
        for (size_t i = 0; i < size; i++)
                text[i] = (char) toupper(((const unsigned char *) message->payload)[i]);
        print(harness, run, text, size);
        if (size == 5 && memcmp(text, "QUIT\n", 5) == 0) {
                run->exit = 0;
                run->reason = REASON_FINISHED;
                run->ended = wall_milliseconds();
                tell_state(harness, run, RUN_ENDED);
        }
}

static void on_web_runs(void *context, struct message *message) {
        struct harness *harness = context;
        const struct message_run_attach *attach = message->body;
        struct message_run_state *run = message->type == MESSAGE_RUN_START ? NULL : run_of(harness, attach->run);
        switch (message->type) {
        case MESSAGE_RUN_START:
                start_run(harness, message);
                break;
        case MESSAGE_RUN_INPUT:
                type_into(harness, message);
                break;
        case MESSAGE_RUN_ATTACH:
                if (run)
                        harness->viewers[run->run % RUNS] = attach->viewer;
                channel_send(harness->web_of_supervisor, MESSAGE_RUN_ATTACHED, attach, NULL, 0, NULL, 0);
                break;
        case MESSAGE_RUN_STOP:
                if (run) {
                        run->reason = REASON_STOPPED;
                        tell_state(harness, run, RUN_ENDED);
                }
                break;
        case MESSAGE_RUN_CLOSE: {
                struct message_run gone = { attach->run };
                channel_send(harness->web_of_supervisor, MESSAGE_RUN_GONE, &gone, NULL, 0, NULL, 0);
                break;
        }
        default:
                break;
        }
}

static void on_close(void *context, const struct error *why) {
        log_failure(LOG_INFO, "harness.channel-closed", why);
        loop_stop(((struct harness *) context)->loop);
}

static void on_input(void *context, uint32_t events) {
        (void) events;
        struct harness *harness = context;
        char bytes[64];
        if (read(0, bytes, sizeof bytes) <= 0)
                loop_stop(harness->loop);
}

static void on_last_turn(void *context) {
        loop_stop(context);
}

/* People */

static void add_people(struct store *store) {
        struct error error = { 0 };
        struct course course;
        struct person person;
        check(course_add(store, "py1", "Python 1", &course, &error), &error);
        check(account_add(store, "ada", ROLE_STUDENT, "ada's password", &person, &error), &error);
        check(course_enrol(store, &course, &person, &error), &error);
        check(account_add(store, "bob", ROLE_STUDENT, "bob's password", &person, &error), &error);
        check(course_enrol(store, &course, &person, &error), &error);
        check(account_add(store, "tina", ROLE_TEACHER, "tina's password", &person, &error), &error);
        check(course_enrol(store, &course, &person, &error), &error);
        check(account_add(store, "eve", ROLE_STUDENT, "eve's password", &person, &error), &error);
        check(course_add(store, "other", "", &course, &error), &error);
}

static int listen_somewhere(void) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, size) < 0 || listen(fd, 1024) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0)
                exit(1);
        printf("%d\n", ntohs(address.sin_port));
        fflush(stdout);
        return fd;
}

static pid_t start_web(const struct settings *settings, const char *store_path, int page, int monitor, int supervisor,
                       int listener) {
        pid_t child = fork();
        if (child != 0)
                return child;
        struct error error = { 0 };
        struct web_options options = { .listeners = &listener,
                                       .listener_count = 1,
                                       .monitor_fd = monitor,
                                       .supervisor_fd = supervisor,
                                       .page_fd = page,
                                       .store_path = store_path,
                                       .settings = settings };
        int result = web_run(&options, &error);
        if (result < 0)
                fprintf(stderr, "web_run: %s\n", error.text);
        exit(result < 0);
}

int main(int argc, char **argv) {
        struct error error = { 0 };
        struct settings settings;
        char *none[] = { argv[0], (char[]){ "--password.memory=1MB" }, (char[]){ "--password.passes=1" }, NULL };
        int none_count = 3;
        log_start("harness", getenv("HARNESS_DEBUG") ? LOG_DEBUG : LOG_INFO);
        check(settings_load(&settings, &none_count, none, SETTINGS_NO_FILE, &error), &error);
        check(account_start(&settings, &error), &error);
        check(store_make_folder(argv[1], getuid(), &error), &error);
        struct store *store;
        char store_path[4096];
        snprintf(store_path, sizeof store_path, "%s/store/carrel.db", argv[1]);
        check(store_open(store_path, &store, &error), &error);
        add_people(store);
        store_close(store);
        signal(SIGCHLD, SIG_IGN);

        static struct harness harness;
        harness.data_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int page = argc > 2 ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        int monitor[2], supervisor[2];
        check(channel_pair(monitor, &error), &error);
        check(channel_pair(supervisor, &error), &error);
        int listener = listen_somewhere();
        signal(SIGCHLD, SIG_DFL);
        pid_t web = start_web(&settings, store_path, page, monitor[1], supervisor[1], listener);
        close(monitor[1]);
        close(supervisor[1]);
        printf("%d\n", web);
        fflush(stdout);

        check(loop_create(&harness.loop, &error), &error);
        check(channel_create(harness.loop, monitor[0], MESSAGE_BIT(MESSAGE_WORKER_OPEN) | MESSAGE_BIT(MESSAGE_READY),
                             on_web_asks, on_close, &harness, &harness.web_of_monitor, &error),
              &error);
        uint64_t all = MESSAGE_BIT(MESSAGE_AUDIENCE) | MESSAGE_BIT(MESSAGE_RUN_USAGE) | MESSAGE_BIT(MESSAGE_RUN_START) |
                       MESSAGE_BIT(MESSAGE_RUN_STOP) | MESSAGE_BIT(MESSAGE_RUN_CLOSE) |
                       MESSAGE_BIT(MESSAGE_RUN_RESIZE) | MESSAGE_BIT(MESSAGE_RUN_INPUT) |
                       MESSAGE_BIT(MESSAGE_RUN_ATTACH) | MESSAGE_BIT(MESSAGE_RUN_DETACH) |
                       MESSAGE_BIT(MESSAGE_RUN_ACKNOWLEDGE);
        check(channel_create(harness.loop, supervisor[0], all, on_web_runs, on_close, &harness,
                             &harness.web_of_supervisor, &error),
              &error);
        struct message_empty told = { 0 };
        channel_send(harness.web_of_supervisor, MESSAGE_RUNS_TOLD, &told, NULL, 0, NULL, 0);
        struct watch *watch;
        check(loop_watch(harness.loop, 0, EPOLLIN, on_input, &harness, &watch, &error), &error);
        check(loop_run(harness.loop, &error), &error);
        kill(web, SIGTERM);
        int status = 1;
        waitpid(web, &status, 0);
        channel_destroy(harness.web_of_monitor);
        channel_destroy(harness.web_of_supervisor);
        watch_remove(watch);
        loop_defer(harness.loop, on_last_turn, harness.loop);
        loop_wake(harness.loop, on_last_turn, harness.loop);
        check(loop_run(harness.loop, &error), &error);
        loop_destroy(harness.loop);
        settings_finish(&settings);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
