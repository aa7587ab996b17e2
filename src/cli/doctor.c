/*
 * carrel doctor: does each wall stand? Tried, not assumed: a program inside a real sandbox attacks them one after the
 * other (doctor.py), with baits that this file lays out on the host: a file, a process, sockets, shared memory. And
 * does each Python environment of the data directory work?
 */
#include "environment.h"
#include "solo.h"
#include "../base/buffer.h"
#include "../base/embed.h"
#include "../base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

extern const struct embedded_file doctor_program[];

enum {
        PATIENCE = 20000, /* milliseconds a try; a try takes some 100 */
        OUTPUT_MAXIMUM = 256 << 10,
        SMALL_MEMORY = 64 << 20,
        SMALL_PROCESSES = 12,
        SMALL_TIME = 300,
};

static const char usage[] =
        "usage: carrel doctor [--json] [SETTING...]\n"
        "\n"
        "Tries each wall around programs, from inside a sandbox, and says which stands, which does "
        "not, and what to do; then each Python environment of the data directory (see `carrel env`).\n"
        "The exit status is 0 where all stand that `carrel serve` wants before it runs programs.\n";

/* The table */

enum state { UNTRIED, STANDS, WEAKER, MISSING };

static const char *const state_names[] = { "untried", "stands", "weaker", "missing" };

struct row {
        const char *name, *tried, *advice;
        bool required, accepted, absent; /* absent: this host lacks it */
        enum state state;
        size_t held;
        char failed[256]; /* attempts that were not refused */
};

/* Beside the walls that an operator may do without: what every Linux has, and only a fault of ours could lack. */
enum { ROW_NO_NEW_PRIVILEGES = WALLS, ROW_CAPABILITIES, ROW_LIMITS, ROW_DESCRIPTORS, ROW_ENVIRONMENT, ROWS };

#define ADVICE_NAMESPACE                                                                                               \
        "the kernel or a container forbids it; in a container allow unshare and mount (docker: --security-opt "        \
        "seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN)"
#define ADVICE_GROUP                                                                                                   \
        "give Carrel control groups of its own: Delegate=yes in its systemd unit; by hand `systemd-run --scope -p "    \
        "Delegate=yes carrel serve …` (as an ordinary user with --user); in a container a writable /sys/fs/cgroup"
#define ADVICE_FAULT "this should not happen; please report it, with the output of `carrel doctor --json`"

static const struct row initial_rows[ROWS] = {
        [WALL_USER_NAMESPACE] = { .tried = "be root, write /proc/sys",
                                  .advice = "sysctl user.max_user_namespaces=10000; for an ordinary user also, on "
                                            "Debian, kernel.unprivileged_userns_clone=1, on Ubuntu, "
                                            "kernel.apparmor_restrict_unprivileged_userns=0; or start Carrel as root" },
        [WALL_MOUNT_NAMESPACE] = { .tried = "read a file of the host's, write into / and /usr",
                                   .advice = "Linux 5.12 or newer; else " ADVICE_NAMESPACE },
        [WALL_PID_NAMESPACE] = { .tried = "signal and list processes outside", .advice = ADVICE_NAMESPACE },
        [WALL_NETWORK_NAMESPACE] = { .tried = "reach the host's ports and the Internet", .advice = ADVICE_NAMESPACE },
        [WALL_IPC_NAMESPACE] = { .tried = "attach the host's shared memory", .advice = ADVICE_NAMESPACE },
        [WALL_LANDLOCK] = { .tried = "make a device node, which nothing else forbids",
                            .advice = "Linux 5.13 or newer, with landlock among lsm= of the kernel's command line (see "
                                      "/sys/kernel/security/lsm)" },
        [WALL_SECCOMP] = { .tried = "call what no program needs: ptrace, mount, keyctl, io_uring, …",
                           .advice = "a kernel with CONFIG_SECCOMP_FILTER" },
        [WALL_OWN_UID] = { .tried = "read another account's file",
                           .advice = "start Carrel as root; it gives its own rights away" },
        [WALL_GROUP_MEMORY] = { .tried = "fill memory by several processes", .advice = ADVICE_GROUP },
        [WALL_GROUP_PROCESSES] = { .tried = "fork without end", .advice = ADVICE_GROUP },
        [WALL_GROUP_CPU] = { .tried = "compute without end", .advice = ADVICE_GROUP },
        [ROW_NO_NEW_PRIVILEGES] = { .name = "no-new-privileges", .tried = "ask the kernel", .advice = ADVICE_FAULT },
        [ROW_CAPABILITIES] = { .name = "capabilities", .tried = "count them: none", .advice = ADVICE_FAULT },
        [ROW_LIMITS] = { .name = "resource-limits", .tried = "raise them", .advice = ADVICE_FAULT },
        [ROW_DESCRIPTORS] = { .name = "descriptors", .tried = "find more than the terminal", .advice = ADVICE_FAULT },
        [ROW_ENVIRONMENT] = { .name = "environment", .tried = "find the server's", .advice = ADVICE_FAULT },
};

struct environment_row {
        const char *name;
        bool works;
        char text[CHECK_TEXT_BYTES];
};

struct doctor {
        struct sandbox_host host;
        struct settings *settings;
        struct row rows[ROWS];
        bool counts_refused;  /* no wall, but the operator's to know */
        struct buffer output; /* of the try that runs */
        struct environment_names environments;
        struct environment_row *environment_rows;
};

static void make_rows(struct doctor *doctor) {
        memcpy(doctor->rows, initial_rows, sizeof initial_rows);
        for (size_t i = 0; i < ROWS; i++) {
                struct row *row = &doctor->rows[i];
                row->required = i >= WALLS || wall_is_required(&doctor->host, (enum wall) i);
                if (i >= WALLS)
                        continue;
                row->name = wall_names[i];
                row->accepted = settings_list_has(doctor->settings->walls_missing, row->name);
        }
}

/* Not there: at most the next best is. */
static void mark_missing(struct doctor *doctor, uint64_t missing) {
        static const struct {
                enum wall wall;
                const char *instead;
        } weaker[] = {
                { WALL_OWN_UID, "all programs are this user's; namespaces, Landlock and seccomp keep them apart" },
                { WALL_GROUP_MEMORY, "each process is limited for itself, not all of a program together" },
                { WALL_GROUP_PROCESSES, "the kernel counts a user's processes instead (RLIMIT_NPROC)" },
                { WALL_GROUP_CPU, "processor time is limited, but programs are not weighed against each other" },
        };
        for (size_t i = 0; i < WALLS; i++)
                if (missing & WALL_BIT(i)) {
                        doctor->rows[i].state = MISSING;
                        doctor->rows[i].absent = true;
                }
        for (size_t i = 0; i < array_length(weaker); i++) {
                struct row *row = &doctor->rows[weaker[i].wall];
                if (row->state != MISSING || row->required)
                        continue;
                row->state = WEAKER;
                row->tried = weaker[i].instead;
        }
}

/* A line of doctor.py. */
static void take_attempt(struct doctor *doctor, const char *line, size_t size) {
        json_t *attempt = json_loadb(line, size, 0, NULL);
        const char *wall, *tried, *saw;
        int held;
        if (attempt &&
            json_unpack(attempt, "{s:s,s:s,s:b,s:s}", "wall", &wall, "tried", &tried, "held", &held, "saw", &saw) == 0)
                for (size_t i = 0; i < ROWS; i++) {
                        struct row *row = &doctor->rows[i];
                        size_t length = strlen(row->failed);
                        if (strcmp(row->name, wall) != 0)
                                continue;
                        row->held += held ? 1 : 0;
                        if (!held)
                                snprintf(row->failed + length, sizeof row->failed - length, "%s%s: %.80s",
                                         length > 0 ? "; " : "", tried, saw);
                }
        json_decref(attempt);
}

static void take_output(struct doctor *doctor) {
        const char *at = (const char *) buffer_front(&doctor->output);
        const char *end = at + buffer_size(&doctor->output);
        while (at < end) {
                const char *newline = memchr(at, '\n', (size_t) (end - at));
                const char *stop = newline ? newline : end;
                take_attempt(doctor, at, (size_t) (stop - at));
                at = stop + 1;
        }
}

/* One try */

static void keep_output(void *context, const void *bytes, size_t size) {
        struct doctor *doctor = context;
        (void) !buffer_append(&doctor->output, bytes, size); /* past the limit: no attempt says so much */
}

static int open_program(struct error *error) {
        fd_scoped fd = memfd_create("doctor.py", MFD_CLOEXEC);
        if (fd < 0)
                return error_set(error, errno, "making memory for the program");
        int result = write_fully(fd, doctor_program[0].bytes, doctor_program[0].size);
        return result < 0 ? error_set(error, -result, "copying the program") : steal_fd(&fd);
}

static int try_once(struct doctor *doctor, char **arguments, int count, const struct run_limits *limits, int workspace,
                    struct message_run_state *ret_outcome, struct error *error) {
        fd_scoped source = open_program(error);
        if (source < 0)
                return source;
        const struct solo_options options = {
                .host = doctor->host,
                .limits = *limits,
                .name = "doctor.py",
                .workspace = workspace,
                .source = source,
                .arguments = arguments,
                .argument_count = count,
                .columns = 80,
                .rows = 24,
                .plain_terminal = true,
                .scrollback = OUTPUT_MAXIMUM,
                .patience = PATIENCE,
                .output = keep_output,
                .context = doctor,
        };
        buffer_finish(&doctor->output);
        doctor->output.limit = OUTPUT_MAXIMUM;
        struct solo solo = { 0 };
        int result = solo_start(&solo, &options, error);
        if (result == 0)
                result = solo_wait(&solo, error);
        if (result == 0) {
                take_output(doctor);
                *ret_outcome = solo.outcome;
        }
        solo_finish(&solo);
        return result;
}

/* Baits */

struct baits {
        char folder[PATH_MAX]; /* the program's home */
        char secret[PATH_MAX]; /* a file beside it, which its user may read */
        char abstract[64];     /* a socket without a file */
        int listener, local;
        int port, segment;
        pid_t victim; /* a process that its user may signal */
};

static int write_bait(const char *path, uid_t owner, mode_t mode, struct error *error) {
        fd_scoped fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 || write_fully(fd, "bait\n", 5) < 0 || (geteuid() == 0 && fchown(fd, owner, owner) < 0))
                return error_set(error, errno, "making %s", path);
        return 0;
}

static int lay_files(const struct sandbox_host *host, struct baits *baits, struct error *error) {
        int result = solo_make_workspace(host, baits->folder, error);
        if (result < 0)
                return result;
        snprintf(baits->secret, sizeof baits->secret, "%.4000s.secret", baits->folder);
        result = write_bait(baits->secret, sandbox_host_uid(host, SOLO_ACCOUNT), 0644, error);
        if (result == 0 && host->root) {
                char another[PATH_MAX];
                snprintf(another, sizeof another, "%.4000s/another", baits->folder);
                result = write_bait(another, sandbox_host_uid(host, SOLO_ACCOUNT + 1), 0600, error);
        }
        return result;
}

static int lay_sockets(struct baits *baits, struct error *error) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof address;
        baits->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (baits->listener < 0 || bind(baits->listener, (struct sockaddr *) &address, size) < 0 ||
            listen(baits->listener, 1) < 0 || getsockname(baits->listener, (struct sockaddr *) &address, &size) < 0)
                return error_set(error, errno, "listening on the loopback");
        baits->port = ntohs(address.sin_port);
        snprintf(baits->abstract, sizeof baits->abstract, "carrel-doctor-%d", (int) getpid());
        struct sockaddr_un local = { .sun_family = AF_UNIX };
        size_t length = strlen(baits->abstract);
        memcpy(local.sun_path + 1, baits->abstract, length);
        baits->local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (baits->local < 0 ||
            bind(baits->local, (struct sockaddr *) &local,
                 (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + length)) < 0 ||
            listen(baits->local, 1) < 0)
                return error_set(error, errno, "listening on a local socket");
        return 0;
}

static int lay_process(const struct sandbox_host *host, struct baits *baits, struct error *error) {
        baits->segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0666);
        /* Given up at once, so that it goes when we do, though we leave its namespace; until then it can be attached.
         */
        if (baits->segment < 0 || shmat(baits->segment, NULL, 0) == (void *) -1 ||
            shmctl(baits->segment, IPC_RMID, NULL) < 0)
                return error_set(error, errno, "making shared memory");
        baits->victim = fork();
        if (baits->victim < 0)
                return error_set(error, errno, "forking");
        if (baits->victim > 0)
                return 0;
        uid_t uid = sandbox_host_uid(host, SOLO_ACCOUNT);
        if (host->root && setresuid(uid, uid, uid) < 0)
                _exit(1);
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;)
                pause();
}

static void take_up_baits(struct baits *baits) {
        if (baits->victim > 0) {
                (void) kill(baits->victim, SIGKILL);
                (void) waitpid(baits->victim, NULL, 0);
        }
        if (*baits->secret)
                (void) unlink(baits->secret);
        solo_remove_workspace(baits->folder);
        close_fd(&baits->listener);
        close_fd(&baits->local);
}

/* The tries */

static int try_attack(struct doctor *doctor, const struct baits *baits, int workspace, struct error *error) {
        char victim[16], port[16], segment[16];
        snprintf(victim, sizeof victim, "%d", (int) baits->victim);
        snprintf(port, sizeof port, "%d", baits->port);
        snprintf(segment, sizeof segment, "%d", baits->segment);
        char *arguments[] = {
                (char[]){ "attack" },
                victim,
                port,
                segment,
                (char *) (uintptr_t) baits->abstract,
                (char *) (uintptr_t) baits->secret,
        };
        struct run_limits limits = limits_from_settings(doctor->settings);
        struct message_run_state outcome;
        int result = try_once(doctor, arguments, array_length(arguments), &limits, workspace, &outcome, error);
        if (result == 0 && (outcome.reason != REASON_FINISHED || outcome.exit != 0))
                return error_say(error, EIO, "the attacks did not come to their end (exit %d, signal %d): %s",
                                 outcome.exit, outcome.signal,
                                 *outcome.explanation ? outcome.explanation : "see the log above");
        return result;
}

static void mark(struct row *row, bool held, const char *saw) {
        if (held)
                row->held++;
        else
                snprintf(row->failed, sizeof row->failed, "%s", saw);
}

static int try_limits(struct doctor *doctor, int workspace, struct error *error) {
        struct message_run_state outcome = { 0 };
        struct run_limits limits = limits_from_settings(doctor->settings);
        limits.memory_bytes = SMALL_MEMORY;
        char *memory[] = { (char[]){ "memory" } };
        int result = try_once(doctor, memory, 1, &limits, workspace, &outcome, error);
        if (result < 0)
                return result;
        if (outcome.reason == REASON_MEMORY_LIMIT)
                mark(&doctor->rows[WALL_GROUP_MEMORY], true, "");
        limits = limits_from_settings(doctor->settings);
        limits.processes = SMALL_PROCESSES;
        char *processes[] = { (char[]){ "processes" } };
        result = try_once(doctor, processes, 1, &limits, workspace, &outcome, error);
        if (result < 0)
                return result;
        limits = limits_from_settings(doctor->settings);
        limits.cpu_milliseconds = SMALL_TIME;
        char *time[] = { (char[]){ "time" } };
        result = try_once(doctor, time, 1, &limits, workspace, &outcome, error);
        if (result == 0)
                mark(&doctor->rows[WALL_GROUP_CPU], outcome.reason == REASON_CPU_LIMIT, "it was not ended");
        return result;
}

static int try_all(struct doctor *doctor, struct error *error) {
        struct baits baits = { .listener = -1, .local = -1, .segment = -1 };
        setenv("CARREL_DOCTOR_SECRET", "bait", 1);
        int result = lay_files(&doctor->host, &baits, error);
        if (result == 0)
                result = lay_sockets(&baits, error);
        if (result == 0)
                result = lay_process(&doctor->host, &baits, error);
        if (result == 0)
                result = sandbox_enter_supervisor(&doctor->host, error);
        fd_scoped workspace = result < 0 ? -1 : open(baits.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (result == 0 && workspace < 0)
                result = error_set(error, errno, "opening %s", baits.folder);
        if (result == 0)
                result = try_attack(doctor, &baits, workspace, error);
        if (result == 0)
                result = try_limits(doctor, workspace, error);
        take_up_baits(&baits);
        return result;
}

/* Each in processes of its own. Before the walls are tried, since that goes where there is no way back from. */
static int try_environments(struct doctor *doctor, struct error *error) {
        fd_scoped data = open(doctor->settings->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (data < 0)
                return errno == ENOENT ? 0 : error_set(error, errno, "opening %s", doctor->settings->data);
        int result = environment_list(data, &doctor->environments, error);
        if (result < 0)
                return result;
        doctor->environment_rows = allocate(doctor->environments.count * sizeof *doctor->environment_rows);
        for (size_t i = 0; i < doctor->environments.count; i++) {
                struct environment_row *row = &doctor->environment_rows[i];
                row->name = doctor->environments.names[i];
                row->works = environment_check_named(doctor->settings, row->name, row->text);
        }
        return 0;
}

static void judge(struct doctor *doctor) {
        for (size_t i = 0; i < ROWS; i++) {
                struct row *row = &doctor->rows[i];
                if (*row->failed && row->state != WEAKER)
                        row->state = MISSING;
                else if (row->state == UNTRIED && row->held > 0)
                        row->state = STANDS;
        }
}

static bool is_well(const struct doctor *doctor) {
        for (size_t i = 0; i < ROWS; i++) {
                const struct row *row = &doctor->rows[i];
                if (row->required && row->state != STANDS && !(row->accepted && row->absent))
                        return false;
        }
        return true;
}

/* Saying it */

/* Words in lines of at most 100 columns, the later ones indented below the first. */
static void print_wrapped(const char *label, const char *text) {
        enum { INDENT = 28, WIDTH = 100 };
        int column = printf("%*s%s", INDENT, "", label);
        int indent = column;
        for (const char *at = text; *at;) {
                int length = (int) strcspn(at, " ");
                if (column + 1 + length > WIDTH && column > indent)
                        column = printf("\n%*s", indent, "") - 1;
                column += printf("%s%.*s", column > indent ? " " : "", length, at);
                at += length + (at[length] == ' ');
        }
        putchar('\n');
}

static void print_table(const struct doctor *doctor, const struct error *error) {
        printf("%-18s %-8s %s\n", "WALL", "STATE", "TRIED");
        for (size_t i = 0; i < ROWS; i++) {
                const struct row *row = &doctor->rows[i];
                printf("%-18s %-8s %s\n", row->name, state_names[row->state], row->tried);
                if (*row->failed)
                        print_wrapped("not refused: ", row->failed);
                if (row->state != MISSING && row->state != WEAKER)
                        continue;
                print_wrapped("to do: ", i > 0 && row[-1].state == row->state && row[-1].advice == row->advice
                                                 ? "the same"
                                                 : row->advice);
                if (row->state == MISSING && row->required && i < WALLS)
                        print_wrapped("", row->accepted
                                                  ? "walls.missing accepts this"
                                                  : "until then no program is run, unless walls.missing names it");
        }
        for (size_t i = 0; i < doctor->environments.count; i++)
                printf("%s%s %s\n",
                       i == 0 ? "\nPython environments (where one does not work, the plain one serves):\n" : "",
                       doctor->environment_rows[i].name, doctor->environment_rows[i].text);
        if (*error->text)
                printf("\nNot all could be tried: %s\n", error->text);
        if (!doctor->counts_refused)
                puts("\nSystem calls that programs are refused are not counted here: for that it takes Linux 5.19 or "
                     "newer,\nand in a container that nobody else listens to them.");
        printf("\n%s\n", is_well(doctor) ? "All required walls stand."
                                         : "Not all required walls stand: this server does not run programs.");
}

static void print_json(const struct doctor *doctor, const struct error *error) {
        json_t *walls = json_array();
        for (size_t i = 0; i < ROWS; i++) {
                const struct row *row = &doctor->rows[i];
                json_t *entry = json_pack("{s:s,s:s,s:b,s:b,s:s,s:s}", "wall", row->name, "state",
                                          state_names[row->state], "required", row->required, "accepted", row->accepted,
                                          "tried", row->tried, "not_refused", row->failed);
                if (row->state == MISSING || row->state == WEAKER)
                        json_object_set_new(entry, "to_do", json_string(row->advice));
                json_array_append_new(walls, entry);
        }
        json_t *environments = json_array();
        for (size_t i = 0; i < doctor->environments.count; i++) {
                const struct environment_row *row = &doctor->environment_rows[i];
                json_array_append_new(environments, json_pack("{s:s,s:b,s:s}", "environment", row->name, "works",
                                                              row->works, "saw", row->text));
        }
        json_t *all =
                json_pack("{s:b,s:b,s:o,s:o,s:s}", "ok", is_well(doctor), "counts_refused_calls",
                          doctor->counts_refused, "walls", walls, "environments", environments, "error", error->text);
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
}

int command_doctor(int argc, char **argv) {
        bool json = false;
        struct error error = { 0 };
        settings_scoped settings = { 0 };
        log_start("doctor", LOG_WARNING);
        int result = settings_load(&settings, &argc, argv, SETTINGS_LEAVE_REST, &error);
        for (int i = 1; i < argc && result == 0; i++) {
                if (strcmp(argv[i], "--help") == 0) {
                        fputs(usage, stdout);
                        return EXIT_DONE;
                }
                if (strcmp(argv[i], "--json") == 0)
                        json = true;
                else
                        result = error_say(&error, EINVAL, "'%s' is no option of carrel doctor", argv[i]);
        }
        if (result < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        struct doctor doctor = { .host = sandbox_host_here(settings.uid_base), .settings = &settings };
        make_rows(&doctor);
        uint64_t missing = walls_probe(&doctor.host);
        doctor.counts_refused = sandbox_counts_refused();
        mark_missing(&doctor, missing);
        if (try_environments(&doctor, &error) < 0)
                complain("%s", error.text);
        error = (struct error){ 0 };
        /* What else is missing may be: the others are tried without it. */
        if (walls_accept(&doctor.host, missing, ~UINT64_C(0)) != 0)
                error_say(&error, ENOSYS, "no sandbox can be made here at all");
        else
                (void) !try_all(&doctor, &error); /* a failure is said below, beside what was found out */
        judge(&doctor);
        if (json)
                print_json(&doctor, &error);
        else
                print_table(&doctor, &error);
        buffer_finish(&doctor.output);
        free(doctor.environment_rows);
        return is_well(&doctor) ? EXIT_DONE : EXIT_FAILED;
}
