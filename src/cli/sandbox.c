/*
 * carrel sandbox: one file, inside exactly the walls that a class's programs have, in this terminal. The engine is the
 * server's own; this is its smallest user.
 */
#include "cli.h"
#include "../base/log.h"
#include "../base/settings.h"
#include "../run/run.h"
#include "../workspace/workspace.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

enum { EXIT_LIMIT = 124, ACCOUNT_NUMBER = 1000 };

static const char folder_name[] = "student";

struct session {
        struct loop *loop;
        struct engine *engine;
        struct run *run;
        struct viewer *viewer;
        struct watch *input_watch;
        uint64_t shown;
        bool ended, stopping, acknowledging;
        char last_typed;
        struct message_run_state outcome;
        bool raw;
        struct termios modes;
};

static const char usage[] =
        "usage: carrel sandbox [--limit NAME=VALUE]... [--interactive] [--workspace DIR] FILE.py [ARGUMENT...]\n"
        "\n"
        "Runs FILE.py inside the walls that a class's programs have. Its exit status is the program's: 128 + the "
        "signal where\n"
        "one ended it, 124 where a limit did (standard error says which).\n"
        "\n"
        "  --limit NAME=VALUE   cpu, memory, processes, file, open-files, idle: as the settings limits.NAME (`carrel "
        "config`)\n"
        "  --interactive        open the interpreter's prompt when the file is over\n"
        "  --workspace DIR      the folder that becomes the program's home, writable where the sandbox's user may "
        "write;\n"
        "                       without it an empty one, which is removed afterwards\n";

/* Input */

static void on_input(void *context, uint32_t events) {
        (void) events;
        struct session *session = context;
        char bytes[4096];
        ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
        if (size < 0 && (errno == EINTR || errno == EAGAIN))
                return;
        if (size > 0) {
                session->last_typed = bytes[size - 1];
                run_input(session->run, bytes, (size_t) size);
                return;
        }
        /* Ctrl-D ends a line that has begun, and a second one the input. */
        run_input(session->run, "\4\4", session->last_typed == '\n' || !session->last_typed ? 1 : 2);
        watch_remove(steal_pointer(&session->input_watch));
}

static void feed_all(struct session *session) {
        /* A file or /dev/null: nothing to wait for, and nothing that epoll would take. */
        while (!session->input_watch && session->run && !session->ended) {
                char bytes[4096];
                ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
                if (size > 0) {
                        session->last_typed = bytes[size - 1];
                        run_input(session->run, bytes, (size_t) size);
                        continue;
                }
                run_input(session->run, "\4\4", session->last_typed == '\n' || !session->last_typed ? 1 : 2);
                return;
        }
}

static int open_input(struct session *session, struct error *error) {
        struct epoll_event probe = { .events = EPOLLIN };
        fd_scoped epoll = epoll_create1(EPOLL_CLOEXEC);
        if (epoll < 0)
                return error_set(error, errno, "looking at the standard input");
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &probe) < 0)
                return 0; /* EPERM: a regular file; EBADF: closed. Fed whole when the program runs. */
        return loop_watch(session->loop, STDIN_FILENO, EPOLLIN, on_input, session, &session->input_watch, error);
}

/* Output */

static void finish_if_shown(struct session *session) {
        if (!session->ended || session->stopping || session->shown < session->outcome.next)
                return;
        session->stopping = true;
        engine_stop(session->engine);
}

static void acknowledge(void *context) {
        struct session *session = context;
        session->acknowledging = false;
        viewer_acknowledge(session->viewer, session->shown);
        finish_if_shown(session);
}

static bool show(void *context, struct viewer *viewer, uint64_t offset, const void *bytes, size_t size) {
        (void) viewer;
        struct session *session = context;
        if (write_fully(STDOUT_FILENO, bytes, size) < 0)
                run_end(session->run, REASON_CLOSED); /* nobody reads us any more */
        session->shown = offset + size;
        if (!session->acknowledging) {
                session->acknowledging = true;
                loop_defer(session->loop, acknowledge, session);
        }
        return true;
}

static void show_skipped(void *context, struct viewer *viewer, uint64_t from, uint64_t to) {
        (void) viewer;
        struct session *session = context;
        session->shown = to;
        dprintf(STDERR_FILENO, "carrel: %llu bytes of output were skipped\n", (unsigned long long) (to - from));
}

/* The run */

static void on_state(void *context, struct run *run) {
        struct session *session = context;
        struct message_run_state state;
        run_describe(run, &state);
        if (state.state == RUN_RUNNING && !session->input_watch)
                feed_all(session);
        if (state.state != RUN_ENDED || session->ended)
                return;
        session->ended = true;
        session->outcome = state;
        finish_if_shown(session);
}

static void on_idle(void *context) {
        struct session *session = context;
        loop_stop(session->loop);
}

static void on_resize(void *context) {
        struct session *session = context;
        struct winsize size;
        if (session->run && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
                run_resize(session->run, size.ws_col, size.ws_row);
}

static void on_terminate(void *context) {
        struct session *session = context;
        if (session->run)
                run_stop(session->run);
}

static void make_raw(struct session *session) {
        if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &session->modes) < 0)
                return;
        struct termios raw = session->modes;
        cfmakeraw(&raw);
        session->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void make_cooked(struct session *session) {
        if (session->raw)
                (void) tcsetattr(STDIN_FILENO, TCSANOW,
                                 &session->modes); /* the terminal went away: nobody to be harmed */
        session->raw = false;
}

static int status_of(const struct message_run_state *outcome) {
        switch (outcome->reason) {
        case REASON_CPU_LIMIT:
        case REASON_MEMORY_LIMIT:
        case REASON_IDLE:
                complain("%s: %s",
                         outcome->reason == REASON_CPU_LIMIT      ? "limit cpu"
                         : outcome->reason == REASON_MEMORY_LIMIT ? "limit memory"
                                                                  : "limit idle",
                         outcome->explanation);
                return EXIT_LIMIT;
        case REASON_FAILED:
                complain("%s", outcome->explanation);
                return 125;
        case REASON_KILLED:
                return 128 + SIGKILL;
        default:
                return outcome->signal > 0 ? 128 + outcome->signal : outcome->exit >= 0 ? outcome->exit : 128 + SIGINT;
        }
}

/* What is to be run */

struct plan {
        const char *file, *workspace;
        char **arguments;
        int argument_count;
        bool interactive;
        struct run_limits limits;
};

static int set_limit(struct run_limits *limits, char *text, struct error *error) {
        char *value = strchr(text, '=');
        if (!value)
                return error_say(error, EINVAL, "--limit wants NAME=VALUE, not '%s'", text);
        *value++ = '\0';
        char name[64];
        snprintf(name, sizeof name, "limits.%.40s", text);
        uint64_t number;
        int result = settings_parse(name, value, &number, error);
        if (result == -ENOENT)
                return error_say(error, EINVAL, "there is no limit '%s'", text);
        if (result < 0)
                return result;
        if (strcmp(text, "cpu") == 0)
                limits->cpu_milliseconds = (uint32_t) number;
        else if (strcmp(text, "memory") == 0)
                limits->memory_bytes = number;
        else if (strcmp(text, "processes") == 0)
                limits->processes = (uint32_t) number;
        else if (strcmp(text, "file") == 0)
                limits->file_bytes = number;
        else if (strcmp(text, "open-files") == 0)
                limits->open_files = (uint32_t) number;
        else if (strcmp(text, "idle") == 0)
                limits->idle_milliseconds = (uint32_t) number;
        else
                return error_say(error, EINVAL, "there is no limit '%s' of one run", text);
        return 0;
}

static int make_plan(int argc, char **argv, const struct settings *settings, struct plan *ret_plan,
                     struct error *error) {
        struct plan plan = { .limits = limits_from_settings(settings) };
        int at = 1, result = 0;
        for (; at < argc && strncmp(argv[at], "--", 2) == 0 && result == 0; at++) {
                if (strcmp(argv[at], "--interactive") == 0)
                        plan.interactive = true;
                else if (strcmp(argv[at], "--limit") == 0 && at + 1 < argc)
                        result = set_limit(&plan.limits, argv[++at], error);
                else if (strncmp(argv[at], "--limit=", 8) == 0)
                        result = set_limit(&plan.limits, argv[at] + 8, error);
                else if (strcmp(argv[at], "--workspace") == 0 && at + 1 < argc)
                        plan.workspace = argv[++at];
                else
                        result = error_say(error, EINVAL, "'%s' is no option of carrel sandbox", argv[at]);
        }
        if (result == 0 && at >= argc)
                result = error_say(error, EINVAL, "which file? (carrel sandbox FILE.py)");
        if (result < 0)
                return result;
        plan.file = argv[at];
        plan.arguments = argv + at + 1;
        plan.argument_count = argc - at - 1;
        *ret_plan = plan;
        return 0;
}

static size_t join_arguments(const struct plan *plan, char **ret_bytes) {
        size_t size = 0;
        for (int i = 0; i < plan->argument_count; i++)
                size += strlen(plan->arguments[i]) + 1;
        char *bytes = allocate(size), *at = bytes;
        for (int i = 0; i < plan->argument_count; i++)
                at = stpcpy(at, plan->arguments[i]) + 1;
        *ret_bytes = bytes;
        return size;
}

static int start_run(struct session *session, const struct plan *plan, int workspace, int source, struct error *error) {
        const char *name = strrchr(plan->file, '/');
        struct winsize size = { .ws_col = 80, .ws_row = 24 };
        if (isatty(STDIN_FILENO))
                (void) ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
        struct message_run_start start = {
                .class_slug = "sandbox",
                .uid = ACCOUNT_NUMBER,
                .account = ACCOUNT_NUMBER,
                .columns = size.ws_col ? size.ws_col : 80,
                .rows = size.ws_row ? size.ws_row : 24,
                .argument_count = (uint16_t) plan->argument_count,
                .repl_after = plan->interactive ? REPL_ALWAYS : REPL_NEVER,
                .limits = plan->limits,
        };
        snprintf(start.folder, sizeof start.folder, "%s", folder_name);
        snprintf(start.path, sizeof start.path, "Local/%s/%.800s", folder_name, name ? name + 1 : plan->file);
        free_scoped char *arguments = NULL;
        size_t arguments_size = join_arguments(plan, &arguments);
        struct run_request request = { &start, arguments, arguments_size, workspace, { -1, -1, -1 }, source };
        int result = engine_start(session->engine, &request, &session->run, error);
        if (result < 0)
                return result;
        const struct viewer_functions functions = { show, show_skipped, session };
        uint64_t from;
        session->viewer = viewer_attach(session->run, 1, 0, &functions, &from);
        return 0;
}

static int run_session(struct session *session, const struct plan *plan, const struct engine_options *options,
                       int workspace, int source, struct error *error) {
        int result = loop_create(&session->loop, error);
        if (result == 0)
                result = loop_signal(session->loop, SIGWINCH, on_resize, session, error);
        if (result == 0)
                result = loop_signal(session->loop, SIGTERM, on_terminate, session, error);
        if (result == 0)
                result = loop_signal(session->loop, SIGINT, on_terminate, session, error);
        if (result == 0)
                result = engine_create(session->loop, options, &session->engine, error);
        if (result == 0)
                result = start_run(session, plan, workspace, source, error);
        if (result == 0)
                result = open_input(session, error);
        if (result == 0) {
                make_raw(session);
                result = loop_run(session->loop, error);
                make_cooked(session);
        }
        engine_destroy(session->engine);
        loop_destroy(session->loop);
        return result;
}

/* The program's home: a folder of its own for this one run. */
static int make_workspace(const struct sandbox_host *host, char path[static PATH_MAX], struct error *error) {
        snprintf(path, PATH_MAX, "%s/carrel-sandbox-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        if (!mkdtemp(path))
                return error_set(error, errno, "making a folder for the program");
        uid_t uid = sandbox_host_uid(host, ACCOUNT_NUMBER);
        if (host->root && chown(path, uid, uid) < 0)
                return error_set(error, errno, "giving the program its folder");
        return 0;
}

/* A copy of the file in the program's home, so that a traceback can show its lines. */
static int copy_file(int source, int workspace, const char *path, uid_t owner, struct error *error) {
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        fd_scoped copy = openat(workspace, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (copy < 0)
                return error_set(error, errno, "copying %s", path);
        char bytes[65536];
        off_t offset = 0;
        ssize_t size;
        while ((size = pread(source, bytes, sizeof bytes, offset)) > 0) {
                int result = write_fully(copy, bytes, (size_t) size);
                if (result < 0)
                        return error_set(error, -result, "copying %s", path);
                offset += size;
        }
        if (size < 0)
                return error_set(error, errno, "reading %s", path);
        if (geteuid() == 0 && fchown(copy, owner, owner) < 0)
                return error_set(error, errno, "giving the program its file");
        return 0;
}

static void remove_workspace(const char *path) {
        if (!*path)
                return;
        char parent[PATH_MAX];
        snprintf(parent, sizeof parent, "%s", path);
        char *slash = strrchr(parent, '/');
        *slash = '\0';
        struct error error = { 0 };
        fd_scoped parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent_fd < 0 || workspace_tree_remove(parent_fd, slash + 1, &error) < 0)
                complain("%s could not be removed: %s", path, *error.text ? error.text : strerror(errno));
}

int command_sandbox(int argc, char **argv) {
        if (argc > 1 && strcmp(argv[1], "--help") == 0) {
                fputs(usage, stdout);
                return EXIT_DONE;
        }
        log_start("sandbox", LOG_WARNING);
        struct error error = { 0 };
        int none = 1;
        settings_scoped settings = { 0 };
        struct plan plan;
        if (settings_load(&settings, &none, argv, SETTINGS_STRICT, &error) < 0 ||
            make_plan(argc, argv, &settings, &plan, &error) < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        struct engine_options options = {
                .host = sandbox_host_here(settings.uid_base),
                .imports = "",
                .scrollback = settings.scrollback,
                .plain_terminal = !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO),
                .on_state = on_state,
                .on_idle = on_idle,
        };
        struct session session = { 0 };
        char zygote[PATH_MAX], made[PATH_MAX] = "";
        options.zygote_path = zygote;
        options.context = &session;
        fd_scoped source = open(plan.file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        int result = source < 0 ? error_set(&error, errno, "opening %s", plan.file) : find_zygote(zygote, &error);
        if (result == 0 && !plan.workspace)
                result = make_workspace(&options.host, made, &error);
        if (result == 0)
                result = sandbox_enter_supervisor(&options.host, &error);
        fd_scoped workspace =
                result < 0 ? -1 : open(plan.workspace ? plan.workspace : made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (result == 0 && workspace < 0)
                result = error_set(&error, errno, "opening the program's folder");
        if (result == 0 && *made)
                result = copy_file(source, workspace, plan.file, sandbox_host_uid(&options.host, ACCOUNT_NUMBER),
                                   &error);
        if (result == 0)
                result = run_session(&session, &plan, &options, workspace, source, &error);
        remove_workspace(made);
        if (result < 0) {
                complain("%s", error.text);
                return 125;
        }
        return status_of(&session.outcome);
}
