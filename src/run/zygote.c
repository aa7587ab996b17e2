/*
 * One zygote as a process: started, watched while it imports, killed, and what became of it put into words.
 *
 * Imports are the work of packages that nobody here wrote. So until it is ready a zygote has only so long and so much
 * memory, and tells of each module before it begins: then whoever reads the log knows which one crashed, hung or ate.
 * Memory is looked at from outside, by the pages that are its own, since that works on every host; a control group
 * would count better, where there is one.
 */
#include "internal.h"
#include "../base/log.h"
#include "../environment/environment.h"
#include "../python/python.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
        LOOK = 50,           /* milliseconds between two looks at one that imports */
        STATUS_ROUNDS = 50,  /* milliseconds that the kernel may take to tell how one ended */
        LAST_PATIENCE = 1000 /* milliseconds for all of them, at the end of the server */
};

static loop_function on_look;
static channel_message_function on_message;

/* Those that were killed. Killed is not gone: the kernel takes a while to undo a large process, and one that hangs in a
 * system call stays until that ends. The loop does not wait for it. */
static struct dying_zygote {
        int32_t pid;
        struct dying_zygote *next;
} * dying_zygotes;

void zygotes_reap(void) {
        struct dying_zygote **at = &dying_zygotes;
        while (*at) {
                struct dying_zygote *dying = *at;
                if (waitpid(dying->pid, NULL, WNOHANG) == 0) {
                        at = &dying->next;
                        continue;
                }
                *at = dying->next;
                free(dying);
        }
}

/* At the very end there is time, but not for ever. */
void zygotes_wait(void) {
        uint64_t end = now_milliseconds() + LAST_PATIENCE;
        for (zygotes_reap(); dying_zygotes && now_milliseconds() < end; zygotes_reap())
                usleep(1000);
        while (dying_zygotes) {
                struct dying_zygote *dying = dying_zygotes;
                dying_zygotes = dying->next;
                free(dying);
        }
}

/* A module that is imported may have started processes. They are of its group, as keepers are later: so only before. */
static void kill_process(const struct zygote *zygote) {
        if (!zygote->ready)
                (void) kill(-zygote->pid, SIGKILL);
        (void) kill(zygote->pid, SIGKILL);
}

void zygote_kill(struct zygote *zygote) {
        timer_clear(zygote->look_timer);
        watch_remove(steal_pointer(&zygote->greeting_watch));
        close_fd(&zygote->greeting);
        channel_destroy(steal_pointer(&zygote->channel));
        if (zygote->pid <= 0)
                return;
        struct dying_zygote *dying = allocate(sizeof *dying);
        *dying = (struct dying_zygote){ zygote->pid, dying_zygotes };
        dying_zygotes = dying;
        kill_process(zygote);
        zygote->pid = 0;
        zygote->ready = false;
}

/* Lost */

/* Gives it up, and then says so: whoever is told may start it anew. */
static void lose(struct zygote *zygote, const char *why) {
        struct zygote_loss loss = { 0 };
        snprintf(loss.module, sizeof loss.module, "%s", zygote->ready ? "" : zygote->module);
        snprintf(loss.why, sizeof loss.why, "%s", why);
        loss.was_ready = zygote->ready;
        zygote_kill(zygote);
        zygote->functions->lost(zygote->context, zygote, &loss);
}

void zygote_give_up(struct zygote *zygote, const char *why) {
        lose(zygote, why);
}

/* It has closed its channel, as a rule by ending. A kill no longer changes how one has ended that is about to. */
static bool take_status(struct zygote *zygote, int *ret_status) {
        kill_process(zygote);
        for (int round = 0; round < STATUS_ROUNDS; round++) {
                if (waitpid(zygote->pid, ret_status, WNOHANG) == zygote->pid) {
                        zygote->pid = 0;
                        return true;
                }
                usleep(1000);
        }
        return false;
}

static void on_closed(void *context, const struct error *why) {
        struct zygote *zygote = context;
        char text[SENTENCE_BYTES];
        int status;
        if (!take_status(zygote, &status))
                snprintf(text, sizeof text, "it no longer speaks: %.160s", why->text);
        else if (WIFSIGNALED(status))
                snprintf(text, sizeof text, "it crashed: %s (signal %d)", strsignal(WTERMSIG(status)),
                         WTERMSIG(status));
        else
                snprintf(text, sizeof text, "it ended the whole process (exit status %d)", WEXITSTATUS(status));
        lose(zygote, text);
}

/* While it imports */

/* Resident and not a file's. 0 where it cannot be told. */
static uint64_t own_bytes(int32_t pid) {
        char path[64], text[128];
        snprintf(path, sizeof path, "/proc/%d/statm", pid);
        if (read_small_file(AT_FDCWD, path, text, sizeof text) <= 0)
                return 0;
        char *rest = text;
        (void) strtoull(rest, &rest, 10); /* all that it has mapped */
        uint64_t resident = strtoull(rest, &rest, 10), shared = strtoull(rest, &rest, 10);
        return resident < shared ? 0 : (resident - shared) * (uint64_t) sysconf(_SC_PAGESIZE);
}

static void measure(struct zygote *zygote) {
        uint64_t bytes = own_bytes(zygote->pid);
        if (bytes > zygote->bytes)
                zygote->bytes = bytes;
        zygote->took = now_milliseconds() - zygote->started;
}

static void on_look(void *context) {
        struct zygote *zygote = context;
        const struct zygote_options *options = zygote->options;
        char amount[SIZE_TEXT_BYTES], text[SENTENCE_BYTES];
        measure(zygote);
        if (options->memory > 0 && zygote->bytes > options->memory) {
                size_to_text(options->memory, amount);
                snprintf(text, sizeof text, "it used more than %s of memory", amount);
                lose(zygote, text);
        } else if (zygote->took >= options->patience) {
                snprintf(text, sizeof text, "it was not done within %.1f seconds", (double) options->patience / 1000);
                lose(zygote, text);
        } else {
                timer_set(zygote->look_timer, LOOK);
        }
}

static void on_message(void *context, struct message *message) {
        struct zygote *zygote = context;
        if (message->type == MESSAGE_IMPORT) {
                struct message_import import = *(const struct message_import *) message->body;
                import.module[sizeof import.module - 1] = import.text[sizeof import.text - 1] = '\0';
                if (import.failed)
                        zygote->functions->not_imported(zygote->context, zygote, &import);
                else
                        snprintf(zygote->module, sizeof zygote->module, "%s", import.module);
        } else if (message->type == MESSAGE_READY) {
                timer_clear(zygote->look_timer);
                measure(zygote);
                zygote->ready = true;
                zygote->functions->ready(zygote->context, zygote);
        } else {
                zygote->functions->forked(zygote->context, zygote, message);
        }
}

/* Starting */

/* The zygote's program, copied into memory: every program maps it, and reads in /proc/self/maps where it lies. That is
 * to say nothing of the host. -1: it must be run from its place then. */
static int copy_program(const char *path) {
        fd_scoped from = open(path, O_RDONLY | O_CLOEXEC);
        fd_scoped copy = from < 0 ? -1 : memfd_create("python3", MFD_CLOEXEC);
        struct stat status;
        if (copy < 0 || fstat(from, &status) < 0)
                return -1;
        off_t offset = 0;
        while (offset < status.st_size)
                if (sendfile(copy, from, &offset, (size_t) (status.st_size - offset)) <= 0)
                        return -1;
        return steal_fd(&copy);
}

/* `packages`: a detached mount, or -1. */
static _Noreturn void exec_zygote(const struct zygote_options *options, const char *imports, int channel,
                                  int packages) {
        char channel_text[16], base_text[16], without_text[16], packages_text[16];
        snprintf(channel_text, sizeof channel_text, "%d", channel);
        snprintf(base_text, sizeof base_text, "%u", options->host->uid_base);
        snprintf(without_text, sizeof without_text, "%u", (unsigned) options->host->without);
        snprintf(packages_text, sizeof packages_text, "%d", packages);
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        (void) setpriority(PRIO_PROCESS, 0, 0); /* not the supervisor's: programs inherit it */
        (void) setsid();                        /* a Ctrl-C in the operator's terminal is for the monitor alone */
        /* What whoever started the server ignores (a shell's `&` ignores SIGINT) is not for programs to inherit. */
        for (int number = 1; number < NSIG; number++)
                (void) signal(number, SIG_DFL); /* fails for the two that cannot be ignored either */
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        /* Its standard input is nothing; its output is the server's log. */
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null >= 0) {
                dup2(null, STDIN_FILENO);
                dup2(STDERR_FILENO, STDOUT_FILENO);
        }
        (void) fcntl(channel, F_SETFD, 0);
        if (packages >= 0)
                (void) fcntl(packages, F_SETFD, 0);
        char *words[] = { (char[]){ "carrel-python" },
                          channel_text,
                          base_text,
                          without_text,
                          (char *) (uintptr_t) imports,
                          packages >= 0 ? packages_text : NULL,
                          NULL };
        int copy = copy_program(options->path);
        if (copy >= 0)
                (void) fexecve(copy, words, environ); /* comes back where this host runs nothing from memory */
        execv(options->path, words);
        dprintf(STDERR_FILENO, "carrel: running %s: %s\n", options->path, strerror(errno));
        _exit(127);
}

/* Its first word and our answer, in between its ids; from then on it speaks in messages. */
static int give_maps(struct zygote *zygote, struct error *error) {
        uint64_t receives = MESSAGE_BIT(MESSAGE_READY) | MESSAGE_BIT(MESSAGE_FORKED) | MESSAGE_BIT(MESSAGE_IMPORT);
        int result = sandbox_write_maps(zygote->options->host, zygote->pid, error);
        if (result < 0)
                return result;
        char byte = ZYGOTE_HAS_MAPS;
        if (send(zygote->greeting, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
                return error_set(error, errno, "answering the zygote");
        return channel_create(zygote->options->loop, steal_fd(&zygote->greeting), receives, on_message, on_closed,
                              zygote, &zygote->channel, error);
}

static void on_greeting(void *context, uint32_t events) {
        (void) events;
        struct zygote *zygote = context;
        struct error error = { 0 };
        char byte = 0;
        ssize_t size = recv(zygote->greeting, &byte, 1, MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN)
                return;
        watch_remove(steal_pointer(&zygote->greeting_watch));
        if (size != 1 || byte != ZYGOTE_WANTS_MAPS) {
                error_say(&error, EPROTO, "it did not start");
                on_closed(zygote, &error);
        } else if (give_maps(zygote, &error) < 0) {
                lose(zygote, error.text);
        }
}

int zygote_start(struct zygote *zygote, const char *imports, struct error *error) {
        const struct zygote_options *options = zygote->options;
        int ends[2];
        int result = channel_pair(ends, error);
        if (result < 0)
                return result;
        fd_scoped ours = ends[0], theirs = ends[1];
        fd_scoped packages =
                options->folder < 0 ? -1 : sandbox_clone_tree(options->folder, ENVIRONMENT_PACKAGES, true, error);
        if (options->folder >= 0 && packages < 0)
                return packages;
        pid_t pid = fork();
        if (pid < 0)
                return error_set(error, errno, "forking the zygote");
        if (pid == 0)
                exec_zygote(options, imports, theirs, packages);
        close_fd(&theirs);
        zygote->pid = pid;
        zygote->ready = false;
        zygote->module[0] = '\0';
        zygote->bytes = 0;
        zygote->started = now_milliseconds();
        zygote->greeting = steal_fd(&ours);
        timer_set(zygote->look_timer, LOOK);
        return loop_watch(options->loop, zygote->greeting, EPOLLIN, on_greeting, zygote, &zygote->greeting_watch,
                          error);
}

void zygote_init(struct zygote *zygote, const struct zygote_options *options, const struct zygote_functions *functions,
                 void *context) {
        *zygote = (struct zygote){ .options = options, .functions = functions, .context = context, .greeting = -1 };
        zygote->look_timer = loop_timer(options->loop, on_look, zygote);
}

void zygote_finish(struct zygote *zygote) {
        zygote_kill(zygote);
        timer_remove(zygote->look_timer);
}

/* A trial: one zygote by itself, whatever comes of it. */

struct trying {
        struct loop *loop;
        struct environment_trial *trial;
        bool over;
};

static void end_trial(struct trying *trying, const char *module, const char *why) {
        if (trying->over)
                return;
        trying->over = true;
        trying->trial->works = why == NULL;
        snprintf(trying->trial->module, sizeof trying->trial->module, "%s", module);
        snprintf(trying->trial->why, sizeof trying->trial->why, "%s", why ? why : "");
        loop_stop(trying->loop);
}

static void trial_ready(void *context, struct zygote *zygote) {
        (void) zygote;
        end_trial(context, "", NULL);
}

static void trial_forked(void *context, struct zygote *zygote, struct message *message) {
        (void) context, (void) zygote, (void) message; /* nothing was asked for */
}

static void trial_not_imported(void *context, struct zygote *zygote, const struct message_import *import) {
        (void) zygote;
        end_trial(context, import->module, import->text);
}

static void trial_lost(void *context, struct zygote *zygote, const struct zygote_loss *loss) {
        (void) zygote;
        end_trial(context, loss->module, loss->why);
}

int environment_try(const struct engine_options *engine, int folder, const char *imports,
                    struct environment_trial *ret_trial, struct error *error) {
        static const struct zygote_functions functions = { trial_ready, trial_forked, trial_not_imported, trial_lost };
        struct environment_trial trial = { 0 };
        struct trying trying = { .trial = &trial };
        int result = loop_create(&trying.loop, error);
        if (result < 0)
                return result;
        const struct zygote_options options = {
                .loop = trying.loop,
                .host = &engine->host,
                .path = engine->zygote_path,
                .folder = folder,
                .patience = engine->environment_patience,
                .memory = engine->environment_memory,
        };
        struct zygote zygote;
        zygote_init(&zygote, &options, &functions, &trying);
        result = zygote_start(&zygote, imports, error);
        if (result == 0)
                result = loop_run(trying.loop, error);
        trial.milliseconds = zygote.took;
        trial.bytes = zygote.bytes;
        zygote_finish(&zygote);
        zygotes_wait();
        loop_destroy(trying.loop);
        if (result == 0)
                *ret_trial = trial;
        return result;
}
