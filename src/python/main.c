/* The zygote's own life: walls, interpreter, then a sandbox for each request. */
#include "python.h"
#include "internal.h"
#include "../base/log.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct zygote {
        int channel;
        int packages; /* a detached mount, or -1 */
        struct sandbox_host host;
};

static int ask_for_maps(void *context, struct error *error) {
        const struct zygote *zygote = context;
        char byte = ZYGOTE_WANTS_MAPS;
        if (send(zygote->channel, &byte, 1, MSG_NOSIGNAL) != 1 || recv(zygote->channel, &byte, 1, 0) != 1 ||
            byte != ZYGOTE_HAS_MAPS)
                return error_say(error, EPROTO, "the supervisor did not write the id maps");
        return 0;
}

/* Clones rather than forks: a user namespace must be made together with the PID namespace that it is to own. What the C
 * library keeps apart in its own fork() (locks, its idea of the thread's id) does not matter to a keeper, which only
 * forks once more. */
static pid_t clone_keeper(const struct sandbox_host *host, int *ret_pidfd) {
        struct clone_args arguments = {
                .flags = sandbox_clone_flags(host) | CLONE_PIDFD,
                .pidfd = (uint64_t) (uintptr_t) ret_pidfd,
                .exit_signal = SIGCHLD,
        };
        return (pid_t) syscall(SYS_clone3, &arguments, sizeof arguments);
}

static int park(struct zygote *zygote, struct message *message, struct error *error) {
        const struct message_park *request = message->body;
        struct message_forked answer = { .tag = request->tag };
        fd_scoped pidfd = -1;
        int made = -1;
        pid_t pid = clone_keeper(&zygote->host, &made);
        if (pid == 0) {
                close_fd(&zygote->channel);
                keeper_run(&zygote->host, message);
        }
        pidfd = made;
        answer.pid = pid;
        answer.result = pid < 0 ? -errno : 0;
        return message_send(zygote->channel, MESSAGE_FORKED, &answer, NULL, 0, &pidfd, pid < 0 ? 0 : 1, error);
}

static int serve(struct zygote *zygote, struct error *error) {
        static uint8_t storage[IPC_MESSAGE_MAXIMUM] __attribute__((aligned(8)));
        for (;;) {
                struct message message;
                int result = message_receive(zygote->channel, MESSAGE_BIT(MESSAGE_PARK), storage, &message, error);
                if (result <= 0)
                        return result; /* 0: the supervisor is gone, and so are we */
                result = park(zygote, &message, error);
                message_close_fds(&message);
                if (result < 0)
                        return result;
        }
}

/* The server's own environment may hold secrets. It lies where the kernel put it, and every program is a copy of this
 * process: so it is overwritten there, not only forgotten. */
static void wipe_environment(void) {
        for (char **variable = environ; *variable; variable++)
                explicit_bzero(*variable, strlen(*variable));
        clearenv();
}

static void set_environment(void) {
        wipe_environment();
        static const char *const variables[][2] = {
                { "PATH", "/usr/local/bin:/usr/bin:/bin" },
                { "LANG", "C.UTF-8" },
                { "TERM", "xterm-256color" },
                { "COLORTERM", "truecolor" },
                { "HOME", "/tmp" }, /* until Run; here modules that are imported ahead may leave their caches */
                { "MPLBACKEND", "Agg" },
                /* Threads do not survive a fork; and one small machine has one core a student, if that. */
                { "OPENBLAS_NUM_THREADS", "1" },
                { "OMP_NUM_THREADS", "1" },
        };
        for (size_t i = 0; i < array_length(variables); i++)
                setenv(variables[i][0], variables[i][1], 1);
}

static int zygote_run(struct zygote *zygote, const char *imports, struct error *error) {
        const struct sandbox_packages packages = { zygote->packages, interpreter_packages_place };
        int result = sandbox_enter_zygote(&zygote->host, &packages, ask_for_maps, zygote, error);
        close_fd(&zygote->packages);
        if (result == 0)
                result = sandbox_prepare_filter(error);
        if (result == 0)
                result = interpreter_start(imports, zygote->channel, error);
        /* Keepers are not waited for: the supervisor holds their pidfds, and each tells how its program ended. */
        if (result == 0 && signal(SIGCHLD, SIG_IGN) == SIG_ERR)
                result = error_set(error, errno, "ignoring the end of children");
        if (result == 0)
                result = message_send(zygote->channel, MESSAGE_READY, &(struct message_empty){ 0 }, NULL, 0, NULL, 0,
                                      error);
        return result < 0 ? result : serve(zygote, error);
}

/* What `ps` shows inside a sandbox: the words of the command line lie in one piece, and ours are nobody's business
 * there. */
static void rename_process(int argc, char **argv) {
        static const char name[] = "python3";
        char *end = argv[argc - 1] + strlen(argv[argc - 1]);
        size_t room = (size_t) (end - argv[0]);
        memset(argv[0], 0, room);
        memcpy(argv[0], name, room < sizeof name ? room : sizeof name);
}

/* Where the whole machine is short of memory, programs are the first to go, and not the server. */
static void offer_to_go_first(void) {
        fd_scoped fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "1000", 4) < 0)
                log_event(LOG_WARNING, "zygote.oom", "error", strerror(errno), NULL);
}

int main(int argc, char **argv) {
        log_start("zygote", LOG_INFO);
        uint64_t channel, uid_base, without, packages = 0;
        if (argc < 5 || argc > 6 || parse_unsigned(argv[1], 1 << 20, &channel) < 0 ||
            parse_unsigned(argv[2], UINT32_MAX, &uid_base) < 0 || parse_unsigned(argv[3], UINT32_MAX, &without) < 0 ||
            (argc == 6 && parse_unsigned(argv[5], 1 << 20, &packages) < 0)) {
                fputs("carrel-python is started by carrel's run supervisor, not by people.\n", stderr);
                return 2;
        }
        /* Modules that are imported may start programs (matplotlib asks for the fonts). */
        (void) fcntl((int) channel, F_SETFD, FD_CLOEXEC);
        struct zygote zygote = { (int) channel, argc == 6 ? (int) packages : -1, sandbox_host_here(uid_base) };
        if (zygote.packages >= 0)
                (void) fcntl(zygote.packages, F_SETFD, FD_CLOEXEC);
        zygote.host.without = without;
        char *imports = duplicate_string(argv[4]);
        rename_process(argc, argv);
        prctl(PR_SET_NAME, "carrel-zygote", 0, 0, 0);
        set_environment();
        offer_to_go_first();
        struct error error = { 0 };
        int result = zygote_run(&zygote, imports, &error);
        free(imports);
        if (result < 0) {
                log_failure(LOG_ERROR, "zygote.failed", &error);
                return 1;
        }
        return 0;
}
