/*
 * The engine: keeps a zygote alive and a few runs parked, gives a parked one to whoever starts a program, and keeps
 * what has ended for a while, so that its terminal can still be looked at.
 */
#include "internal.h"
#include "../base/log.h"
#include "../python/python.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum {
        ZYGOTE_RETRY = 1000,                   /* milliseconds */
        ZYGOTE_PATIENCE = 120000,              /* milliseconds for all that a class imports */
        ZYGOTE_FAILURES_BEFORE_PLAIN = 2,      /* then it is tried without the class's modules */
        ZYGOTE_FAILURES_BEFORE_REFUSAL = 3,    /* then those who wait are told; it is still tried again */
        GENERATION_MILLISECONDS = 4 * 3600000, /* after so long, or so many forks, a successor takes a zygote's place */
        GENERATION_LOOK = 60000,               /* how often that is looked at */
        GENERATION_RETRY = 20,                 /* the old one owes an answer still */
        WAITING_WEIGHT = 10,                   /* times that of a program which does not wait for its person */
        GROUP_RETRY = 20, /* milliseconds: the kernel empties a group a little after its last process is gone */
};

static int start_zygote(struct zygote *zygote, struct error *error);
static loop_function on_zygote_timer, on_generation, on_group_timer;

/* The zygote */

/* Killed is not gone: the kernel takes a while to undo a large process, and one that hangs in a system call stays until
 * that ends. The loop does not wait for it. */
static void kill_zygote(struct zygote *zygote) {
        struct engine *engine = zygote->engine;
        channel_destroy(steal_pointer(&zygote->channel));
        if (zygote->pid <= 0)
                return;
        struct dying_zygote *dying = allocate(sizeof *dying);
        *dying = (struct dying_zygote){ zygote->pid, engine->dying_zygotes };
        engine->dying_zygotes = dying;
        (void) kill(zygote->pid, SIGKILL);
        zygote->pid = 0;
}

static void reap_zygotes(struct engine *engine) {
        struct dying_zygote **at = &engine->dying_zygotes;
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
static void wait_for_zygotes(struct engine *engine) {
        uint64_t end = now_milliseconds() + ZYGOTE_RETRY;
        for (reap_zygotes(engine); engine->dying_zygotes && now_milliseconds() < end; reap_zygotes(engine))
                usleep(1000);
        while (engine->dying_zygotes) {
                struct dying_zygote *dying = engine->dying_zygotes;
                engine->dying_zygotes = dying->next;
                free(dying);
        }
}

static void zygote_retry(struct engine *engine) {
        if (!engine->zygote_ready)
                engine->zygote_failures++;
        engine->zygote_ready = false;
        kill_zygote(engine->zygote);
        struct run *run, *next;
        for (run = LIST_FIRST(&engine->pool.parked); run; run = next) {
                next = LIST_NEXT(run, place);
                run_lost_zygote(run);
        }
        bool hopeless = engine->zygote_failures >= ZYGOTE_FAILURES_BEFORE_REFUSAL;
        for (run = LIST_FIRST(&engine->live); run; run = next) {
                next = LIST_NEXT(run, place);
                run_lost_zygote(run);
                if (hopeless && run_wants_sandbox(run))
                        run_end(run, REASON_FAILED);
        }
        if (!engine->stopping)
                timer_set(engine->zygote_timer, ZYGOTE_RETRY);
}

void engine_zygote_hangs(struct engine *engine) {
        log_event(LOG_ERROR, "zygote.hangs", "pid", log_number(engine->zygote->pid), NULL);
        zygote_retry(engine);
}

static void on_zygote_timer(void *context) {
        struct engine *engine = context;
        struct error error = { 0 };
        reap_zygotes(engine);
        if (engine->zygote->pid > 0) { /* there is one, and it is still not ready */
                engine_zygote_hangs(engine);
                return;
        }
        timer_set(engine->zygote_timer, ZYGOTE_PATIENCE);
        if (start_zygote(engine->zygote, &error) < 0) {
                log_failure(LOG_ERROR, "zygote.start", &error);
                zygote_retry(engine);
        }
}

static void on_zygote_closed(void *context, const struct error *why) {
        struct zygote *zygote = context;
        struct engine *engine = zygote->engine;
        if (!engine->stopping)
                log_failure(LOG_ERROR, "zygote.lost", why);
        if (zygote == engine->zygote)
                zygote_retry(engine);
        else
                kill_zygote(zygote); /* a successor: the next look tries again */
}

void engine_park(struct engine *engine, struct run *run) {
        struct error error = { 0 };
        if (run_park(run, &error) < 0) {
                log_failure(LOG_ERROR, "run.park", &error);
                run_end(run, REASON_FAILED);
        }
        (void) engine;
}

static void on_zygote_ready(struct engine *engine) {
        log_event(LOG_INFO, "zygote.ready", "pid", log_number(engine->zygote->pid), NULL);
        engine->zygote_ready = true;
        engine->zygote_failures = 0;
        timer_clear(engine->zygote_timer);
        struct run *run, *next;
        for (run = LIST_FIRST(&engine->live); run; run = next) {
                next = LIST_NEXT(run, place);
                if (run_wants_sandbox(run))
                        engine_park(engine, run);
        }
        pool_refill(engine, 0);
}

static struct run *find_by_tag(struct engine *engine, uint64_t tag) {
        struct run *run;
        LIST_FOREACH(run, &engine->pool.parked, place)
        if ((uint64_t) (uintptr_t) run == tag)
                return run;
        LIST_FOREACH(run, &engine->live, place)
        if ((uint64_t) (uintptr_t) run == tag)
                return run;
        return NULL;
}

static void on_zygote(void *context, struct message *message) {
        struct zygote *zygote = context;
        struct engine *engine = zygote->engine;
        if (message->type == MESSAGE_READY) {
                zygote->ready = true;
                if (zygote == engine->zygote)
                        on_zygote_ready(engine);
                else
                        on_generation(engine);
                return;
        }
        const struct message_forked *forked = message->body;
        struct run *run = find_by_tag(engine, forked->tag);
        if (run && run->pidfd < 0)
                run_forked(run, forked, forked->result < 0 ? -1 : steal_fd(&message->fds[0]));
}

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

static _Noreturn void exec_zygote(const struct engine *engine, int channel) {
        char channel_text[16], base_text[16], without_text[16];
        snprintf(channel_text, sizeof channel_text, "%d", channel);
        snprintf(base_text, sizeof base_text, "%u", engine->options.host.uid_base);
        snprintf(without_text, sizeof without_text, "%u", (unsigned) engine->options.host.without);
        const char *imports = engine->zygote_failures < ZYGOTE_FAILURES_BEFORE_PLAIN ? engine->imports : "";
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
        char *words[] = { (char[]){ "carrel-python" },  channel_text, base_text, without_text,
                          (char *) (uintptr_t) imports, NULL };
        int copy = copy_program(engine->options.zygote_path);
        if (copy >= 0)
                (void) fexecve(copy, words, environ); /* comes back where this host runs nothing from memory */
        execv(engine->options.zygote_path, words);
        dprintf(STDERR_FILENO, "carrel: running %s: %s\n", engine->options.zygote_path, strerror(errno));
        _exit(127);
}

/* The first two words, before there is a loop to wait in: a few milliseconds. */
static int give_maps(const struct zygote *zygote, int channel, struct error *error) {
        struct timeval patience = { .tv_sec = 10 };
        if (setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
                return error_set(error, errno, "waiting for the zygote");
        char byte;
        if (recv(channel, &byte, 1, 0) != 1 || byte != ZYGOTE_WANTS_MAPS)
                return error_say(error, EPROTO, "the zygote did not start");
        int result = sandbox_write_maps(&zygote->engine->options.host, zygote->pid, error);
        if (result < 0)
                return result;
        byte = ZYGOTE_HAS_MAPS;
        if (send(channel, &byte, 1, MSG_NOSIGNAL) != 1)
                return error_set(error, errno, "answering the zygote");
        return 0;
}

static int start_zygote(struct zygote *zygote, struct error *error) {
        struct engine *engine = zygote->engine;
        int ends[2];
        int result = channel_pair(ends, error);
        if (result < 0)
                return result;
        fd_scoped ours = ends[0], theirs = ends[1];
        pid_t pid = fork();
        if (pid < 0)
                return error_set(error, errno, "forking the zygote");
        if (pid == 0)
                exec_zygote(engine, theirs);
        close_fd(&theirs);
        zygote->pid = pid;
        zygote->ready = false;
        engine->counters.zygotes++;
        engine->forks = 0;
        engine->generation_end = now_milliseconds() + GENERATION_MILLISECONDS;
        result = give_maps(zygote, ours, error);
        if (result < 0)
                return result;
        uint64_t receives = MESSAGE_BIT(MESSAGE_READY) | MESSAGE_BIT(MESSAGE_FORKED);
        return channel_create(engine->loop, steal_fd(&ours), receives, on_zygote, on_zygote_closed, zygote,
                              &zygote->channel, error);
}

/* Generations. All programs of one zygote are copies of one memory: what one of them could learn of it (where things
 * lie, which secret a hash is made with) is true of its siblings. So none is kept for ever. The successor imports while
 * the old one goes on; what the old one has parked is used up. */

static bool owes_answers(const struct engine *engine) {
        const struct run *run;
        LIST_FOREACH(run, &engine->pool.parked, place)
        if (run->forking)
                return true;
        LIST_FOREACH(run, &engine->live, place)
        if (run->forking)
                return true;
        return false;
}

static void replace_zygote(struct engine *engine) {
        struct zygote *old = engine->zygote;
        engine->zygote = old == &engine->zygotes[0] ? &engine->zygotes[1] : &engine->zygotes[0];
        log_event(LOG_INFO, "zygote.replaced", "old", log_number(old->pid), "pid", log_number(engine->zygote->pid),
                  NULL);
        kill_zygote(old);
}

static void on_generation(void *context) {
        struct engine *engine = context;
        struct zygote *other = engine->zygote == &engine->zygotes[0] ? &engine->zygotes[1] : &engine->zygotes[0];
        bool worn = engine->options.generation > 0 && engine->forks >= engine->options.generation;
        bool due = worn || now_milliseconds() >= engine->generation_end;
        struct error error = { 0 };
        timer_set(engine->generation_timer, GENERATION_LOOK);
        reap_zygotes(engine);
        if (engine->stopping || !engine->zygote_ready)
                return;
        if (other->channel && other->ready) {
                if (owes_answers(engine))
                        timer_set(engine->generation_timer, GENERATION_RETRY);
                else
                        replace_zygote(engine);
        } else if (!other->channel && due && start_zygote(other, &error) < 0) {
                log_failure(LOG_ERROR, "zygote.start", &error);
                kill_zygote(other);
        }
}

void engine_forked(struct engine *engine) {
        /* Again and again until it is replaced: a successor that is still importing is not disturbed by a look. */
        if (++engine->forks >= engine->options.generation && engine->options.generation > 0)
                timer_set(engine->generation_timer, 0);
}

void engine_run_parked(struct run *run) {
        if (run->delivery)
                run_deliver(run);
        else
                pool_refill(run->engine, 0);
}

/* Starting */

static size_t count_live(struct engine *engine, uint32_t account) {
        size_t count = 0;
        struct run *run;
        LIST_FOREACH(run, &engine->live, place)
        count += run->told.account == account;
        return count;
}

/* A person's programs together have one person's share, however many they are and whatever each does: those that
 * compute divide it. One that is quiet gets what it would have if it computed too, so that it is quick when it wakes.
 */
void engine_divide(struct engine *engine, uint32_t account) {
        uint32_t computing = 0;
        struct run *run;
        LIST_FOREACH(run, &engine->live, place)
        computing += run->told.account == account && run->busy;
        LIST_FOREACH(run, &engine->live, place) {
                if (run->told.account != account || !run->group)
                        continue;
                uint32_t others = computing - (run->busy && computing > 0);
                uint32_t weight = run->limits.cpu_weight / (1 + others);
                /* A key's echo must not queue up behind sixty programs that compute. */
                if (run->waits)
                        weight *= WAITING_WEIGHT;
                if (run->weight == weight)
                        continue;
                struct error error = { 0 };
                if (group_set_weight(run->group, weight, &error) < 0)
                        log_failure(LOG_ERROR, "run.weight", &error);
                run->weight = weight;
        }
}

static int make_delivery(const struct run_request *request, bool may_reach, struct delivery **ret_delivery,
                         struct error *error) {
        const struct message_run_start *start = request->start;
        struct delivery *delivery = allocate(sizeof *delivery);
        struct message_program *program = &delivery->program;
        snprintf(program->folder, sizeof program->folder, "%s", start->folder);
        /* What is Local/<folder>/… in the class's tree is /home/<folder>/… inside; shared folders keep their names. */
        const char *inside = strncmp(start->path, "Local/", 6) == 0 ? start->path + 6 : start->path;
        snprintf(program->path, sizeof program->path, "%s", inside);
        program->argument_count = start->argument_count;
        program->repl_after = start->repl_after;
        program->has_source = request->source >= 0;
        program->limits = start->limits;
        if (may_reach)
                memcpy(program->network, start->network, sizeof program->network);
        delivery->arguments_size = request->arguments_size;
        delivery->arguments = allocate(request->arguments_size);
        if (request->arguments_size > 0)
                memcpy(delivery->arguments, request->arguments, request->arguments_size);
        int result = sandbox_clone_tree(request->workspace, "", false, error);
        if (result >= 0)
                delivery->fds[delivery->fd_count++] = result;
        for (size_t i = 0; i < SHARED_TREES && result >= 0; i++) {
                if (request->shared[i] < 0)
                        continue;
                result = sandbox_clone_tree(request->shared[i], "", true, error);
                if (result >= 0) {
                        delivery->fds[delivery->fd_count++] = result;
                        program->shared |= 1u << i;
                }
        }
        if (result >= 0 && request->source >= 0) {
                result = fcntl(request->source, F_DUPFD_CLOEXEC, 0);
                if (result < 0)
                        result = error_set(error, errno, "keeping the program's text");
                else
                        delivery->fds[delivery->fd_count++] = result;
        }
        *ret_delivery = delivery;
        return result < 0 ? result : 0;
}

static uint64_t new_id(struct engine *engine) {
        /* Above those of an earlier engine of this server, and exact in a JavaScript number for the next centuries. */
        if (engine->next_id == 0)
                engine->next_id = (uint64_t) (wall_milliseconds() / 1000) << 20;
        return ++engine->next_id;
}

static void introduce(struct engine *engine, struct run *run, const struct message_run_start *start) {
        engine->counters.started++;
        run->id = new_id(engine);
        run->limits = engine->usual_limits = start->limits;
        run->uid = start->uid;
        run->network = *start->network ? duplicate_string(start->network) : NULL;
        run->columns = start->columns;
        run->rows = start->rows;
        struct message_run_state *told = &run->told;
        told->account = start->account;
        told->started = wall_milliseconds();
        told->exit = -1;
        snprintf(told->class_slug, sizeof told->class_slug, "%s", start->class_slug);
        snprintf(told->folder, sizeof told->folder, "%s", start->folder);
        snprintf(told->path, sizeof told->path, "%s", start->path);
        LIST_INSERT_HEAD(&engine->live, run, place);
        LIST_INSERT_HEAD(&engine->buckets[run->id % RUN_BUCKETS], run, bucket);
}

int engine_start(struct engine *engine, const struct run_request *request, struct run **ret_run, struct error *error) {
        const struct message_run_start *start = request->start;
        uint64_t asked_at = now_microseconds();
        if (engine->stopping)
                return error_say(error, ESHUTDOWN, "The server is about to stop. Try again in a moment.");
        if (count_live(engine, start->account) >= start->limits.runs)
                return error_say(error, EBUSY,
                                 "You have %u programs open, which is as many as you may. Close one first.",
                                 start->limits.runs);
        struct delivery *delivery = NULL;
        int result = make_delivery(request, !network_in_the_way(engine), &delivery, error);
        struct run *run = result < 0 ? NULL : pool_take(engine);
        if (!run) {
                for (size_t i = 0; i < delivery->fd_count; i++)
                        close_fd(&delivery->fds[i]);
                free(delivery->arguments);
                free(delivery);
                return result;
        }
        delivery->program.uid = sandbox_inside_uid(&engine->options.host, start->uid);
        run->delivery = delivery;
        run->asked_at = asked_at;
        introduce(engine, run, start);
        *ret_run = run;
        if (run->parked && run->pidfd >= 0)
                run_deliver(run);
        else if (run_wants_sandbox(run) && engine->zygote_ready)
                engine_park(engine, run);
        return 0;
}

/* Ended runs */

void engine_changed(struct run *run) {
        struct engine *engine = run->engine;
        if (run->id != 0 && engine->options.on_state)
                engine->options.on_state(engine->options.context, run);
}

static void free_run(void *context) {
        run_free(context);
}

void engine_forget(struct run *run) {
        struct engine *engine = run->engine;
        LIST_REMOVE(run, place);
        LIST_REMOVE(run, bucket);
        if (engine->options.on_gone)
                engine->options.on_gone(engine->options.context, run);
        loop_defer(engine->loop, free_run, run);
}

void on_forget(void *context) {
        engine_forget(context);
}

/* Of an account's ended runs, the oldest beyond the number that is kept. */
static void forget_surplus(struct engine *engine, uint32_t account) {
        size_t count = 0;
        struct run *run, *next;
        for (run = LIST_FIRST(&engine->ended); run; run = next) { /* youngest first */
                next = LIST_NEXT(run, place);
                if (run->told.account == account && ++count > RUNS_KEPT_EACH)
                        engine_forget(run);
        }
}

static void stop_if_idle(struct engine *engine) {
        if (engine->stopping && LIST_EMPTY(&engine->live) && LIST_EMPTY(&engine->pool.parked) &&
            !engine->dying_groups && engine->options.on_idle)
                engine->options.on_idle(engine->options.context);
}

void engine_run_released(struct run *run) {
        struct engine *engine = run->engine;
        if (run->id == 0) {
                pool_remove(run);
                loop_defer(engine->loop, free_run, run);
                if (!engine->stopping)
                        pool_refill(engine, ZYGOTE_RETRY); /* it could not be parked: not at once again */
        } else {
                engine->counters.ended[run->reason]++;
                LIST_REMOVE(run, place);
                LIST_INSERT_HEAD(&engine->ended, run, place);
                timer_set(run->forget_timer, RUN_KEPT_MILLISECONDS);
                if (run->unwanted)
                        engine_forget(run);
                else
                        forget_surplus(engine, run->told.account);
        }
        stop_if_idle(engine);
}

void engine_bury_group(struct engine *engine, struct group *group) {
        if (group_remove(&group) == 0)
                return;
        struct dying_group *dying = allocate(sizeof *dying);
        *dying = (struct dying_group){ group, engine->dying_groups };
        engine->dying_groups = dying;
        if (!timer_is_set(engine->group_timer))
                timer_set(engine->group_timer, GROUP_RETRY);
}

static void on_group_timer(void *context) {
        struct engine *engine = context;
        struct dying_group **at = &engine->dying_groups;
        while (*at) {
                struct dying_group *dying = *at;
                if (group_remove(&dying->group) < 0) {
                        at = &dying->next;
                        continue;
                }
                *at = dying->next;
                free(dying);
        }
        if (engine->dying_groups)
                timer_set(engine->group_timer, GROUP_RETRY);
        stop_if_idle(engine);
}

/* The engine's own life */

int engine_create(struct loop *loop, const struct engine_options *options, struct engine **ret_engine,
                  struct error *error) {
        struct engine *engine = allocate(sizeof *engine);
        *engine = (struct engine){ .loop = loop, .options = *options };
        engine->imports = duplicate_string(options->imports);
        engine->zygote_timer = loop_timer(loop, on_zygote_timer, engine);
        pool_init(engine);
        engine->group_timer = loop_timer(loop, on_group_timer, engine);
        engine->generation_timer = loop_timer(loop, on_generation, engine);
        for (size_t i = 0; i < array_length(engine->zygotes); i++)
                engine->zygotes[i].engine = engine;
        engine->zygote = &engine->zygotes[0];
        timer_set(engine->zygote_timer, ZYGOTE_PATIENCE);
        timer_set(engine->generation_timer, GENERATION_LOOK);
        int result = groups_open(&engine->groups, error);
        if (result == 0)
                result = start_zygote(engine->zygote, error);
        if (result < 0) {
                engine_destroy(engine);
                return result;
        }
        *ret_engine = engine;
        return 0;
}

void engine_stop(struct engine *engine) {
        engine->stopping = true;
        struct run *run, *next;
        for (run = LIST_FIRST(&engine->pool.parked); run; run = next) {
                next = LIST_NEXT(run, place);
                run_end(run, REASON_SHUTDOWN);
        }
        for (run = LIST_FIRST(&engine->live); run; run = next) {
                next = LIST_NEXT(run, place);
                run_end(run, REASON_SHUTDOWN);
        }
        stop_if_idle(engine);
}

void engine_destroy(struct engine *engine) {
        if (!engine)
                return;
        engine->stopping = true;
        struct run *run, *next;
        for (run = LIST_FIRST(&engine->ended); run; run = next) {
                next = LIST_NEXT(run, place);
                run_free(run);
        }
        for (size_t i = 0; i < array_length(engine->zygotes); i++)
                if (engine->zygotes[i].engine)
                        kill_zygote(&engine->zygotes[i]);
        zygote_retry(engine); /* being stopped, it only lets go */
        wait_for_zygotes(engine);
        timer_remove(engine->zygote_timer);
        pool_finish(engine);
        timer_remove(engine->group_timer);
        timer_remove(engine->generation_timer);
        groups_close(engine->groups);
        free(engine->imports);
        free(engine);
}

const struct engine_counters *engine_counters(const struct engine *engine) {
        return &engine->counters;
}

struct engine_gauges engine_gauges(const struct engine *engine) {
        struct engine_gauges gauges = { 0 };
        const struct run *run;
        LIST_FOREACH(run, &engine->live, place)
        gauges.live++;
        LIST_FOREACH(run, &engine->pool.parked, place)
        gauges.parked += run->parked;
        return gauges;
}

struct run *engine_find(struct engine *engine, uint64_t id) {
        struct run *run;
        if (!engine)
                return NULL;
        LIST_FOREACH(run, &engine->buckets[id % RUN_BUCKETS], bucket)
        if (run->id == id)
                return run;
        return NULL;
}

void engine_each(struct engine *engine, void (*function)(void *context, struct run *run), void *context) {
        struct run *run;
        if (!engine)
                return;
        LIST_FOREACH(run, &engine->ended, place)
        function(context, run);
        LIST_FOREACH(run, &engine->live, place)
        function(context, run);
}
