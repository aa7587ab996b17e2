/*
 * carrel serve: the monitor. Opens what needs opening, starts the supervisor and the web server, hands each new web
 * server its end of a channel to the supervisor, starts workers when the web server asks and gates when the supervisor
 * does, and starts anew what dies. It parses nothing that a person of the class wrote: its one request with a content,
 * MESSAGE_WORKER_OPEN, is a handful of numbers and two names, which the workspace room checks.
 */
#include "cli.h"
#include "../base/log.h"
#include "../base/loop.h"
#include "../ipc/ipc.h"
#include "../sandbox/sandbox.h"
#include "../workspace/workspace.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
        LISTENERS = 4,
        BACKLOG = 1024,
        RESTART_FIRST = 50, /* milliseconds until a child is tried again that ended before it was ready, … */
        RESTART_LAST =
                5000, /* … doubled at each failure in a row, up to this; one that was ready is started anew at once */
        STOP_PATIENCE = 8000, /* milliseconds for all children, then they are killed */
        ROLE_WORDS = 16,
};

struct child {
        const char *role;
        pid_t pid;         /* 0: there is none */
        unsigned failures; /* in a row, before it was ready */
        struct timer *restart;
        struct channel *channel;
        bool ready;
};

struct monitor {
        struct loop *loop;
        struct settings settings;
        char **arguments; /* the settings, for children */
        size_t argument_count;
        char data[PATH_MAX]; /* the data directory, absolute */
        int data_fd, lock_fd;
        int listeners[LISTENERS];
        size_t listener_count;
        struct child supervisor, web;
        bool stopping, announced;
        struct timer *patience;
};

static loop_function start_supervisor, start_web;

static const char usage[] =
        "usage: carrel serve [--listen ADDRESS:PORT] [--data DIR] [--config FILE] [--SETTING VALUE]...\n"
        "\n"
        "Serves the classes of a data directory. `carrel config` lists the settings; `carrel demo` makes a class to "
        "try.\n"
        "SIGTERM and SIGINT stop it in order; SIGHUP starts a new web server (after an upgrade), and programs go on.\n";

/* Children */

/* Runs `carrel role NAME NUMBERS… SETTINGS…` in the child of a fork. The descriptors named by number are inherited,
 * nothing else. */
static _Noreturn void become_role(const struct monitor *monitor, const char *role, const int *numbers, size_t count,
                                  size_t inherited) {
        char text[ROLE_WORDS][16];
        char **words = allocate((count + monitor->argument_count + 5) * sizeof *words);
        size_t at = 0;
        words[at++] = (char *) (uintptr_t) "carrel";
        words[at++] = (char *) (uintptr_t) "role";
        words[at++] = (char *) (uintptr_t) role;
        for (size_t i = 0; i < count; i++) {
                snprintf(text[i], sizeof text[i], "%u", (unsigned) numbers[i]);
                words[at++] = text[i];
                if (i < inherited)
                        (void) fcntl(numbers[i], F_SETFD, 0);
        }
        for (size_t i = 0; i < monitor->argument_count; i++)
                words[at++] = monitor->arguments[i];
        words[at++] = format_string("--data=%s", monitor->data); /* the last word counts */
        unsetenv(METRICS_TOKEN_VARIABLE);
        if (strcmp(role, "web") == 0 && *monitor->settings.metrics_token)
                setenv(METRICS_TOKEN_VARIABLE, monitor->settings.metrics_token, 1);
        (void) setsid(); /* a Ctrl-C in the operator's terminal is for the monitor alone */
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execv("/proc/self/exe", words);
        dprintf(STDERR_FILENO, "carrel: starting %s: %s\n", role, strerror(errno));
        _exit(127);
}

static void restart_later(struct child *child, bool was_ready) {
        child->failures = was_ready ? 0 : child->failures + 1;
        uint64_t delay = was_ready ? 0 : RESTART_FIRST;
        for (unsigned i = 1; i < child->failures && delay < RESTART_LAST; i++)
                delay *= 2;
        timer_set(child->restart, delay < RESTART_LAST ? delay : RESTART_LAST);
}

static int send_web_end(struct monitor *monitor, int ret_ends[static 2], struct error *error) {
        int result = channel_pair(ret_ends, error);
        if (result == 0)
                channel_send(monitor->supervisor.channel, MESSAGE_WEB_CONNECT, &(struct message_empty){ 0 }, NULL, 0,
                             &ret_ends[0], 1);
        return result;
}

static void announce(struct monitor *monitor) {
        if (monitor->announced || !monitor->supervisor.ready || !monitor->web.ready)
                return;
        monitor->announced = true;
        printf("Carrel serves at http://%s/\n", monitor->settings.listen);
        fflush(stdout);
}

static void on_child_ready(struct monitor *monitor, struct child *child) {
        child->ready = true;
        log_event(LOG_INFO, "process.ready", "role", child->role, "pid", log_number(child->pid), NULL);
        announce(monitor);
}

/* Gates: not children to keep either; they end when the supervisor closes their channel. Without one the run that it
 * was for is told. */
static void on_gate_open(const struct monitor *monitor, const struct message *message) {
        struct error error = { 0 };
        if (message->fd_count != 1 || !monitor->settings.network_allowed) {
                log_event(LOG_ERROR, "gate.refused", NULL);
                return;
        }
        pid_t pid = fork();
        if (pid == 0)
                become_role(monitor, "gate", message->fds, 1, 1);
        if (pid < 0) {
                error_set(&error, errno, "forking a gate");
                log_failure(LOG_ERROR, "gate.start", &error);
        }
}

static void on_supervisor(void *context, struct message *message) {
        struct monitor *monitor = context;
        if (message->type == MESSAGE_READY)
                on_child_ready(monitor, &monitor->supervisor);
        else
                on_gate_open(monitor, message);
}

static void on_supervisor_closed(void *context, const struct error *why) {
        (void) why; /* its exit tells more, and comes next */
        struct monitor *monitor = context;
        channel_destroy(steal_pointer(&monitor->supervisor.channel));
}

/* Workers: not children to keep; they end when the web server closes their channel. */

static pid_t start_worker(struct monitor *monitor, const struct message_worker_open *request, int channel,
                          struct error *error) {
        struct workspace_place place = {
                .class_slug = request->class_slug,
                .kind = (enum tree_kind) request->tree,
                .folder = request->folder,
                .owner = workspace_host_uid((uid_t) monitor->settings.uid_base, request->uid),
        };
        fd_scoped tree = workspace_tree_open(monitor->data_fd, &place, error);
        if (tree < 0)
                return tree;
        pid_t pid = fork();
        if (pid < 0)
                return error_set(error, errno, "forking a worker");
        if (pid == 0) {
                const int numbers[] = { channel, tree, (int) request->tree, (int) place.owner };
                become_role(monitor, "worker", numbers, array_length(numbers), 2);
        }
        return pid;
}

static bool worker_request_ok(const struct message_worker_open *request) {
        return message_text_ok(request->class_slug) && message_text_ok(request->folder) && request->tree < TREE_KINDS &&
               request->uid >= 100 && request->uid < 65534;
}

static void on_worker_open(struct monitor *monitor, const struct message_worker_open *request) {
        struct message_answer answer = { .tag = request->tag };
        struct error error = { 0 };
        int ends[2] = { -1, -1 };
        if (!worker_request_ok(request))
                answer.result = error_say(&error, EINVAL, "a request for a worker is malformed");
        else
                answer.result = channel_pair(ends, &error);
        if (answer.result == 0) {
                pid_t pid = start_worker(monitor, request, ends[1], &error);
                answer.result = pid < 0 ? pid : 0;
        }
        if (answer.result < 0) {
                log_failure(LOG_ERROR, "worker.start", &error);
                snprintf(answer.text, sizeof answer.text, "%.*s", (int) sizeof answer.text - 1, error.text);
        }
        channel_send(monitor->web.channel, MESSAGE_WORKER_OPENED, &answer, NULL, 0, ends, answer.result < 0 ? 0 : 1);
        close_fd(&ends[0]);
        close_fd(&ends[1]);
}

static void on_web(void *context, struct message *message) {
        struct monitor *monitor = context;
        if (message->type == MESSAGE_READY)
                on_child_ready(monitor, &monitor->web);
        else
                on_worker_open(monitor, message->body);
}

static void on_web_closed(void *context, const struct error *why) {
        (void) why;
        struct monitor *monitor = context;
        channel_destroy(steal_pointer(&monitor->web.channel));
}

/* Starting the two */

static int fork_child(struct monitor *monitor, struct child *child, const int *numbers, size_t count, size_t inherited,
                      struct error *error) {
        pid_t pid = fork();
        if (pid < 0)
                return error_set(error, errno, "forking the %s", child->role);
        if (pid == 0)
                become_role(monitor, child->role, numbers, count, inherited);
        child->pid = pid;
        child->ready = false;
        return 0;
}

static void start_supervisor(void *context) {
        struct monitor *monitor = context;
        struct error error = { 0 };
        int ends[2] = { -1, -1 };
        int result = channel_pair(ends, &error);
        if (result == 0)
                result = fork_child(monitor, &monitor->supervisor, &ends[1], 1, 1, &error);
        if (result == 0)
                result = channel_create(monitor->loop, steal_fd(&ends[0]),
                                        MESSAGE_BIT(MESSAGE_READY) | MESSAGE_BIT(MESSAGE_GATE_OPEN), on_supervisor,
                                        on_supervisor_closed, monitor, &monitor->supervisor.channel, &error);
        close_fd(&ends[0]);
        close_fd(&ends[1]);
        if (result < 0) {
                log_failure(LOG_ERROR, "process.start", &error);
                restart_later(&monitor->supervisor, false);
                return;
        }
        if (monitor->web.pid == 0)
                start_web(monitor);
}

static void start_web(void *context) {
        struct monitor *monitor = context;
        if (!monitor->supervisor.channel)
                return; /* it comes after the supervisor */
        struct error error = { 0 };
        int ends[2] = { -1, -1 }, supervisor_ends[2] = { -1, -1 };
        int result = channel_pair(ends, &error);
        if (result == 0)
                result = send_web_end(monitor, supervisor_ends, &error);
        if (result == 0) {
                int numbers[ROLE_WORDS] = { ends[1], supervisor_ends[1] };
                size_t count = 2;
                /* The count stands between descriptors; it is inherited by nobody, but clearing a flag of a number
                 * below 3 harms nothing. */
                numbers[count++] = (int) monitor->listener_count;
                for (size_t i = 0; i < monitor->listener_count; i++)
                        numbers[count++] = monitor->listeners[i];
                result = fork_child(monitor, &monitor->web, numbers, count, count, &error);
        }
        if (result == 0)
                result = channel_create(monitor->loop, steal_fd(&ends[0]),
                                        MESSAGE_BIT(MESSAGE_READY) | MESSAGE_BIT(MESSAGE_WORKER_OPEN), on_web,
                                        on_web_closed, monitor, &monitor->web.channel, &error);
        for (int i = 0; i < 2; i++) {
                close_fd(&ends[i]);
                close_fd(&supervisor_ends[i]);
        }
        if (result < 0) {
                log_failure(LOG_ERROR, "process.start", &error);
                restart_later(&monitor->web, false);
        }
}

/* Ends */

static void stop_if_alone(struct monitor *monitor) {
        if (monitor->stopping && monitor->web.pid == 0 && monitor->supervisor.pid == 0)
                loop_stop(monitor->loop);
}

static void on_child_exit(struct monitor *monitor, struct child *child, int status) {
        bool was_ready = child->ready;
        child->pid = 0;
        child->ready = false;
        channel_destroy(steal_pointer(&child->channel));
        if (monitor->stopping) {
                /* The web server first, so that it can say goodbye; then the supervisor, which ends all runs. */
                if (child == &monitor->web && monitor->supervisor.pid > 0)
                        (void) kill(monitor->supervisor.pid, SIGTERM);
                return;
        }
        log_event(LOG_ERROR, "process.ended", "role", child->role, "exit",
                  log_number(WIFEXITED(status) ? WEXITSTATUS(status) : -1), "signal",
                  log_number(WIFSIGNALED(status) ? WTERMSIG(status) : 0), NULL);
        restart_later(child, was_ready);
        /* A web server speaks to one supervisor all its life. */
        if (child == &monitor->supervisor && monitor->web.pid > 0)
                (void) kill(monitor->web.pid, SIGTERM);
}

static void on_children(void *context) {
        struct monitor *monitor = context;
        int status;
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                if (pid == monitor->web.pid)
                        on_child_exit(monitor, &monitor->web, status);
                else if (pid == monitor->supervisor.pid)
                        on_child_exit(monitor, &monitor->supervisor, status);
        }
        stop_if_alone(monitor);
}

static void on_patience_over(void *context) {
        struct monitor *monitor = context;
        log_event(LOG_WARNING, "process.killed", "why", "it did not stop in time", NULL);
        if (monitor->web.pid > 0)
                (void) kill(monitor->web.pid, SIGKILL);
        if (monitor->supervisor.pid > 0)
                (void) kill(monitor->supervisor.pid, SIGKILL);
}

static void on_stop(void *context) {
        struct monitor *monitor = context;
        if (monitor->stopping)
                return;
        monitor->stopping = true;
        timer_set(monitor->patience, STOP_PATIENCE);
        struct child *first = monitor->web.pid > 0 ? &monitor->web : &monitor->supervisor;
        if (first->pid > 0)
                (void) kill(first->pid, SIGTERM);
        stop_if_alone(monitor);
}

static void on_hang_up(void *context) {
        struct monitor *monitor = context;
        if (monitor->web.pid > 0)
                (void) kill(monitor->web.pid, SIGTERM); /* on_child_exit() starts the new one */
}

/* What is opened before */

static int open_listener(struct monitor *monitor, const struct addrinfo *address, struct error *error) {
        fd_scoped fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_set(error, errno, "opening a socket");
        int yes = 1;
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (address->ai_family == AF_INET6)
                (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
        if (bind(fd, address->ai_addr, address->ai_addrlen) < 0)
                return error_set(error, errno, "listening on %s", monitor->settings.listen);
        if (listen(fd, BACKLOG) < 0)
                return error_set(error, errno, "listening on %s", monitor->settings.listen);
        monitor->listeners[monitor->listener_count++] = steal_fd(&fd);
        return 0;
}

/* ADDRESS:PORT; an IPv6 address stands in brackets. */
static int open_listeners(struct monitor *monitor, struct error *error) {
        char host[256];
        snprintf(host, sizeof host, "%s", monitor->settings.listen);
        char *colon = strrchr(host, ':');
        if (!colon || colon == host || !colon[1])
                return error_say(error, EINVAL, "listen: '%s' is not ADDRESS:PORT", monitor->settings.listen);
        *colon = '\0';
        char *name = host;
        if (host[0] == '[' && colon[-1] == ']') {
                colon[-1] = '\0';
                name++;
        }
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found;
        int failure = getaddrinfo(name, colon + 1, &hints, &found);
        if (failure != 0)
                return error_say(error, EINVAL, "listen: '%s': %s", monitor->settings.listen, gai_strerror(failure));
        int result = 0;
        for (struct addrinfo *address = found; address && result == 0 && monitor->listener_count < LISTENERS;
             address = address->ai_next)
                result = open_listener(monitor, address, error);
        freeaddrinfo(found);
        return result;
}

static int make_folder(int parent, const char *name, mode_t mode, uid_t owner, struct error *error) {
        if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
                return error_set(error, errno, "making the folder %s", name);
        if (geteuid() == 0 && fchownat(parent, name, owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(error, errno, "giving the folder %s its owner", name);
        return 0;
}

static int open_data(struct monitor *monitor, struct error *error) {
        const char *path = monitor->data;
        monitor->data_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (monitor->data_fd < 0)
                return error_set(error, errno, "opening the data directory %s", path);
        monitor->lock_fd = openat(monitor->data_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (monitor->lock_fd < 0)
                return error_set(error, errno, "opening %s/lock", path);
        if (flock(monitor->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return error_say(error, errno, "another carrel serves the data directory %s already", path);
        int result = make_folder(monitor->data_fd, "store", 0700, (uid_t) monitor->settings.uid_service, error);
        return result < 0 ? result : make_folder(monitor->data_fd, "files", 0755, 0, error);
}

/* A relative path means the directory in which the server was started; children are not to depend on it. */
static int find_data(struct monitor *monitor, struct error *error) {
        const char *data = monitor->settings.data;
        if (mkdir(data, 0755) < 0 && errno != EEXIST)
                return error_set(error, errno, "making the data directory %s", data);
        if (!realpath(data, monitor->data))
                return error_set(error, errno, "finding the data directory %s", data);
        return 0;
}

static int watch_signals(struct monitor *monitor, struct error *error) {
        static const struct {
                int signal;
                loop_function *function;
        } table[] = { { SIGCHLD, on_children }, { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_hang_up } };
        int result = 0;
        for (size_t i = 0; i < array_length(table) && result == 0; i++)
                result = loop_signal(monitor->loop, table[i].signal, table[i].function, monitor, error);
        return result;
}

static int monitor_run(struct monitor *monitor, struct error *error) {
        umask(022);
        signal(SIGPIPE, SIG_IGN);
        int result = find_data(monitor, error);
        if (result == 0)
                result = open_data(monitor, error);
        if (result == 0)
                result = open_listeners(monitor, error);
        if (result == 0)
                result = loop_create(&monitor->loop, error);
        if (result == 0)
                result = watch_signals(monitor, error);
        if (result < 0)
                return result;
        monitor->arguments = settings_arguments(&monitor->settings, &monitor->argument_count);
        monitor->patience = loop_timer(monitor->loop, on_patience_over, monitor);
        monitor->supervisor.restart = loop_timer(monitor->loop, start_supervisor, monitor);
        monitor->web.restart = loop_timer(monitor->loop, start_web, monitor);
        struct sandbox_host host = sandbox_host_here(monitor->settings.uid_base);
        result = sandbox_confine_monitor(&host, error);
        if (result < 0)
                return result;
        start_supervisor(monitor);
        return loop_run(monitor->loop, error);
}

static void monitor_finish(struct monitor *monitor) {
        channel_destroy(monitor->web.channel);
        channel_destroy(monitor->supervisor.channel);
        timer_remove(monitor->patience);
        timer_remove(monitor->supervisor.restart);
        timer_remove(monitor->web.restart);
        loop_destroy(monitor->loop);
        for (size_t i = 0; i < monitor->listener_count; i++)
                close_fd(&monitor->listeners[i]);
        close_fd(&monitor->lock_fd);
        close_fd(&monitor->data_fd);
        free(monitor->arguments);
        settings_finish(&monitor->settings);
}

int command_serve(int argc, char **argv) {
        if (argc > 1 && strcmp(argv[1], "--help") == 0) {
                fputs(usage, stdout);
                return EXIT_DONE;
        }
        struct monitor monitor = { .data_fd = -1, .lock_fd = -1, .supervisor.role = "supervisor", .web.role = "web" };
        struct error error = { 0 };
        if (settings_load(&monitor.settings, &argc, argv, SETTINGS_STRICT, &error) < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        log_start("monitor", (enum log_level) monitor.settings.log_level);
        int result = monitor_run(&monitor, &error);
        if (result < 0)
                complain("%s", error.text);
        monitor_finish(&monitor);
        return result < 0 ? EXIT_FAILED : EXIT_DONE;
}
