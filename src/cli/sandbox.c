/*
 * carrel sandbox: one file, inside exactly the walls that a class's programs have, in this terminal. The engine is the
 * server's own; this is its smallest user.
 */
#include "solo.h"
#include "../base/hosts.h"
#include "../base/log.h"
#include "../ipc/ipc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

enum { EXIT_LIMIT = 124, EXIT_NOT_STARTED = 125 };

struct session {
        struct solo solo;
        struct watch *input_watch;
        char last_typed;
        bool raw;
        struct termios modes;
};

static const char usage[] =
        "usage: carrel sandbox [--limit NAME=VALUE]... [--interactive] [--workspace DIR] [--network HOSTS]\n"
        "                      [--without WALL]... FILE.py [ARGUMENT...]\n"
        "\n"
        "Runs FILE.py inside the walls that a class's programs have. Its exit status is the program's: 128 + the "
        "signal where\n"
        "one ended it, 124 where a limit did (standard error says which).\n"
        "\n"
        "  --limit NAME=VALUE   cpu, memory, processes, file, open-files, output, idle: as the settings limits.NAME "
        "(`carrel config`)\n"
        "  --network HOSTS      let it reach these, as www.example.org or www.example.org:8080, separated by commas; "
        "as a "
        "class's\n"
        "                       programs do (`carrel class set SLUG network=HOSTS`)\n"
        "  --interactive        open the interpreter's prompt when the file is over\n"
        "  --workspace DIR      the folder that becomes the program's home, writable where the sandbox's user may "
        "write;\n"
        "                       without it an empty one, which is removed afterwards\n"
        "  --without WALL       leave one wall out (names: `carrel doctor`), for tests of the others; never for a "
        "program that\n"
        "                       one does not trust\n";

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
                run_input(session->solo.run, bytes, (size_t) size);
                return;
        }
        /* Ctrl-D ends a line that has begun, and a second one the input. */
        run_input(session->solo.run, "\4\4", session->last_typed == '\n' || !session->last_typed ? 1 : 2);
        watch_remove(steal_pointer(&session->input_watch));
}

static void feed_all(void *context) {
        struct session *session = context;
        /* A file or /dev/null: nothing to wait for, and nothing that epoll would take. */
        while (!session->input_watch && !session->solo.ended) {
                char bytes[4096];
                ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
                if (size > 0) {
                        session->last_typed = bytes[size - 1];
                        run_input(session->solo.run, bytes, (size_t) size);
                        continue;
                }
                run_input(session->solo.run, "\4\4", session->last_typed == '\n' || !session->last_typed ? 1 : 2);
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
        return loop_watch(session->solo.loop, STDIN_FILENO, EPOLLIN, on_input, session, &session->input_watch, error);
}

/* The run */

static void show(void *context, const void *bytes, size_t size) {
        struct session *session = context;
        if (write_fully(STDOUT_FILENO, bytes, size) < 0)
                run_end(session->solo.run, REASON_CLOSED); /* nobody reads us any more */
}

static void on_resize(void *context) {
        struct session *session = context;
        struct winsize size;
        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
                run_resize(session->solo.run, size.ws_col, size.ws_row);
}

static void on_terminate(void *context) {
        struct session *session = context;
        run_stop(session->solo.run);
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

static const char *limit_of(uint32_t reason) {
        return reason == REASON_CPU_LIMIT         ? "cpu"
               : reason == REASON_MEMORY_LIMIT    ? "memory"
               : reason == REASON_OUTPUT_LIMIT    ? "output"
               : reason == REASON_FILE_LIMIT      ? "file"
               : reason == REASON_WORKSPACE_LIMIT ? "workspace"
                                                  : "idle";
}

static int status_of(const struct message_run_state *outcome) {
        switch (outcome->reason) {
        case REASON_CPU_LIMIT:
        case REASON_MEMORY_LIMIT:
        case REASON_OUTPUT_LIMIT:
        case REASON_FILE_LIMIT:
        case REASON_WORKSPACE_LIMIT:
        case REASON_IDLE:
                complain("limit %s: %s", limit_of(outcome->reason), outcome->explanation);
                return EXIT_LIMIT;
        case REASON_FAILED:
                complain("%s", outcome->explanation);
                return EXIT_NOT_STARTED;
        case REASON_KILLED:
                return 128 + SIGKILL;
        default:
                return outcome->signal > 0 ? 128 + outcome->signal : outcome->exit >= 0 ? outcome->exit : 128 + SIGINT;
        }
}

/* What is to be run */

struct plan {
        const char *file, *workspace, *network;
        char **arguments;
        int argument_count;
        bool interactive;
        struct run_limits limits;
        uint64_t without; /* bits of enum wall */
};

static int leave_out(struct plan *plan, const struct sandbox_host *host, const char *name, struct error *error) {
        enum wall wall = 0;
        while (wall < WALLS && strcmp(wall_names[wall], name) != 0)
                wall++;
        if (wall == WALLS)
                return error_say(error, EINVAL, "there is no wall '%s'; `carrel doctor` names them", name);
        const char *why = wall_is_needed(host, wall);
        if (wall == WALL_OWN_UID)
                why = "here all programs have one user's number anyway";
        else if (wall == WALL_GROUP_MEMORY || wall == WALL_GROUP_PROCESSES || wall == WALL_GROUP_CPU)
                why = "it holds a limit, which can be raised instead (--limit)";
        if (why)
                return error_say(error, EINVAL, "the wall %s cannot be left out: %s", name, why);
        plan->without |= WALL_BIT(wall);
        return 0;
}

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
        else if (strcmp(text, "output") == 0)
                limits->output_bytes = number;
        else if (strcmp(text, "open-files") == 0)
                limits->open_files = (uint32_t) number;
        else if (strcmp(text, "idle") == 0)
                limits->idle_milliseconds = (uint32_t) number;
        else
                return error_say(error, EINVAL, "there is no limit '%s' of one run", text);
        return 0;
}

static int set_network(struct plan *plan, const char *list, struct error *error) {
        struct hosts hosts;
        plan->network = list;
        return hosts_parse(list, &hosts, error);
}

static int make_plan(int argc, char **argv, const struct settings *settings, const struct sandbox_host *host,
                     struct plan *ret_plan, struct error *error) {
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
                else if (strcmp(argv[at], "--network") == 0 && at + 1 < argc)
                        result = set_network(&plan, argv[++at], error);
                else if (strcmp(argv[at], "--without") == 0 && at + 1 < argc)
                        result = leave_out(&plan, host, argv[++at], error);
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

/* In the loop from before the program's first line until its last byte was shown. */
static int run_session(struct session *session, const struct solo_options *options, struct error *error) {
        int result = solo_start(&session->solo, options, error);
        if (result == 0)
                result = loop_signal(session->solo.loop, SIGWINCH, on_resize, session, error);
        if (result == 0)
                result = loop_signal(session->solo.loop, SIGTERM, on_terminate, session, error);
        if (result == 0)
                result = loop_signal(session->solo.loop, SIGINT, on_terminate, session, error);
        if (result == 0)
                result = open_input(session, error);
        if (result == 0) {
                make_raw(session);
                result = solo_wait(&session->solo, error);
                make_cooked(session);
        }
        solo_finish(&session->solo);
        return result;
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

static struct winsize terminal_size(void) {
        struct winsize size = { 0 };
        if (isatty(STDIN_FILENO))
                (void) ioctl(STDIN_FILENO, TIOCGWINSZ, &size);
        if (size.ws_col == 0 || size.ws_row == 0)
                size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
        return size;
}

/* As the monitor does for a class's run: a process that stays in the host's network. Returns its channel. */
static int start_gate(const struct settings *settings, struct error *error) {
        int ends[2];
        int result = channel_pair(ends, error);
        if (result < 0)
                return result;
        fd_scoped ours = ends[0], theirs = ends[1];
        pid_t pid = fork();
        if (pid < 0)
                return error_set(error, errno, "forking a gate");
        if (pid > 0)
                return steal_fd(&ours);
        char number[16], service[48], base[48];
        snprintf(number, sizeof number, "%d", theirs);
        snprintf(service, sizeof service, "--uid.service=%" PRIu64, settings->uid_service);
        snprintf(base, sizeof base, "--uid.base=%" PRIu64, settings->uid_base);
        char *words[] = { (char[]){ "carrel" },
                          (char[]){ "role" },
                          (char[]){ "gate" },
                          number,
                          service,
                          base,
                          (char[]){ "--log.level=warning" },
                          NULL };
        (void) fcntl(theirs, F_SETFD, 0);
        (void) setsid(); /* a Ctrl-C in this terminal is for the program */
        execv("/proc/self/exe", words);
        _exit(127); /* the channel's end tells */
}

/* `made` is the path of a folder of the program's own, or "". */
static int run_plan(const struct plan *plan, const struct settings *settings, const struct sandbox_host *host,
                    const char *made, struct session *session, struct error *error) {
        fd_scoped source = open(plan->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (source < 0)
                return error_set(error, errno, "opening %s", plan->file);
        fd_scoped gate = plan->network ? start_gate(settings, error) : -1;
        if (plan->network && gate < 0)
                return gate;
        int result = sandbox_enter_supervisor(host, error);
        if (result < 0)
                return result;
        fd_scoped workspace = open(plan->workspace ? plan->workspace : made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (workspace < 0)
                return error_set(error, errno, "opening the program's folder");
        if (*made)
                result = copy_file(source, workspace, plan->file, sandbox_host_uid(host, SOLO_ACCOUNT), error);
        if (result < 0)
                return result;
        const char *slash = strrchr(plan->file, '/');
        struct winsize size = terminal_size();
        const struct solo_options options = {
                .host = *host,
                .limits = plan->limits,
                .name = slash ? slash + 1 : plan->file,
                .workspace = workspace,
                .source = source,
                .arguments = plan->arguments,
                .argument_count = plan->argument_count,
                .columns = size.ws_col,
                .rows = size.ws_row,
                .interactive = plan->interactive,
                .network = plan->network,
                .gate = gate,
                .plain_terminal = !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO),
                .scrollback = settings->scrollback,
                .output = show,
                .running = feed_all,
                .context = session,
        };
        (void) steal_fd(&gate); /* the session's */
        return run_session(session, &options, error);
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
        if (settings_load(&settings, &none, argv, SETTINGS_STRICT, &error) < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        struct sandbox_host host = sandbox_host_here(settings.uid_base);
        if (make_plan(argc, argv, &settings, &host, &plan, &error) < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        host.without = plan.without;
        struct session session = { 0 };
        char made[PATH_MAX] = "";
        int result = plan.workspace ? 0 : solo_make_workspace(&host, made, &error);
        if (result == 0)
                result = run_plan(&plan, &settings, &host, made, &session, &error);
        solo_remove_workspace(made);
        if (result < 0) {
                complain("%s", error.text);
                return EXIT_NOT_STARTED;
        }
        return status_of(&session.solo.outcome);
}
