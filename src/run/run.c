/*
 * The state machine of one run.
 *
 *        run_park()          run_deliver()        walls up              reads the terminal
 *   ·  ────────────► PARKED ──────────────► STARTING ────────► RUNNING ◄──────────────────► WAITING
 *                      │                       │                  │  the text is over          │
 *                      │                       │                  └────────► REPL ◄────────────┘
 *                      └───────────────────────┴──────────────┬──────────────┘
 *                                                    run_end(reason), PID 1 is gone
 *                                                             ▼
 *                                                           ENDED
 *
 * Between run_end() and ENDED the run keeps its state: it is being killed, and only the kernel's word that PID 1 is
 * gone (its pidfd) leads to release(). `reason` tells that the end has been asked for; it is set once.
 */
#include "internal.h"
#include "../base/log.h"
#include "../python/python.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

static void release(struct run *run);
static channel_message_function on_keeper;
static channel_close_function on_keeper_closed;
static watch_function on_keeper_gone, on_program, on_hints;
static loop_function on_grace_over, on_park_over;

enum { PARK_PATIENCE = 30000 }; /* milliseconds that a sandbox may take to be made */

const char *const run_state_names[RUN_STATES] = { "parked", "starting", "running", "waiting", "repl", "ended" };
const char *const run_reason_names[RUN_REASONS] = { "none",       "finished",        "stopped",      "killed",
                                                    "closed",     "cpu-limit",       "memory-limit", "output-limit",
                                                    "file-limit", "workspace-limit", "idle",         "shutdown",
                                                    "failed" };

/* From each state, the states that may follow. */
#define TO(state) (1u << (state))
static const unsigned may_follow[RUN_STATES] = {
        [RUN_PARKED] = TO(RUN_STARTING) | TO(RUN_ENDED),
        [RUN_STARTING] = TO(RUN_RUNNING) | TO(RUN_ENDED),
        [RUN_RUNNING] = TO(RUN_WAITING) | TO(RUN_REPL) | TO(RUN_ENDED),
        [RUN_WAITING] = TO(RUN_RUNNING) | TO(RUN_REPL) | TO(RUN_ENDED),
        [RUN_REPL] = TO(RUN_ENDED),
        [RUN_ENDED] = 0,
};

void run_enter(struct run *run, enum run_state state) {
        if (run->state == state)
                return;
        if (!(may_follow[run->state] & TO(state)))
                abort(); /* a bug in this file: going on would release twice, or never */
        log_event(LOG_DEBUG, "run.state", "run", log_number((int64_t) run->id), "from", run_state_names[run->state],
                  "to", run_state_names[state], NULL);
        run->state = state;
        if (state != RUN_STARTING) /* as which people know it from the beginning */
                engine_changed(run);
}

struct run *run_create(struct environment *environment) {
        struct engine *engine = environment->engine;
        struct run *run = allocate(sizeof *run);
        *run = (struct run){
                .engine = engine,
                .environment = environment,
                .environment_folder = -1,
                .program = -1,
                .pidfd = -1,
                .master = -1,
                .hints = -1,
                .columns = 80,
                .rows = 24,
        };
        run->input.limit = RUN_INPUT_LIMIT;
        scrollback_init(&run->scrollback, engine->options.scrollback);
        run->sample_timer = loop_timer(engine->loop, on_sample, run);
        run->idle_timer = loop_timer(engine->loop, on_idle, run);
        run->stop_timer = loop_timer(engine->loop, on_grace_over, run);
        run->forget_timer = loop_timer(engine->loop, on_forget, run);
        run->park_timer = loop_timer(engine->loop, on_park_over, run);
        return run;
}

static void delivery_free(struct delivery *delivery) {
        if (!delivery)
                return;
        for (size_t i = 0; i < delivery->fd_count; i++)
                close_fd(&delivery->fds[i]);
        free(delivery->arguments);
        free(delivery);
}

/* Only memory is left by now: release() has given back the rest. */
void run_free(struct run *run) {
        while (run->viewers)
                viewer_detach(run->viewers);
        timer_remove(run->sample_timer);
        timer_remove(run->idle_timer);
        timer_remove(run->stop_timer);
        timer_remove(run->forget_timer);
        timer_remove(run->park_timer);
        scrollback_finish(&run->scrollback);
        buffer_finish(&run->input);
        delivery_free(run->delivery);
        free(run->network);
        free(run);
}

/* Getting a sandbox */

/* The watches first, then the request: after it nothing can fail on our side. */
static int open_channels(struct run *run, int keeper_ends[static 2], int program_ends[static 2], struct error *error) {
        struct loop *loop = run->engine->loop;
        int result = channel_pair(keeper_ends, error);
        if (result == 0)
                result = channel_pair(program_ends, error);
        if (result == 0) {
                uint64_t receives =
                        MESSAGE_BIT(MESSAGE_PARKED) | MESSAGE_BIT(MESSAGE_REFUSED) | MESSAGE_BIT(MESSAGE_PROGRAM_ENDED);
                result = channel_create(loop, steal_fd(&keeper_ends[0]), receives, on_keeper, on_keeper_closed, run,
                                        &run->keeper, error);
        }
        if (result == 0) {
                run->program = steal_fd(&program_ends[0]);
                /* Our end alone: whatever the other does, we do not wait for it. */
                if (fcntl(run->program, F_SETFL, O_NONBLOCK) < 0)
                        result = error_set(error, errno, "setting up a program's channel");
        }
        if (result == 0)
                result = loop_watch(loop, run->program, EPOLLIN, on_program, run, &run->program_watch, error);
        return result;
}

static int hold_environment(struct run *run, struct error *error) {
        int folder = run->environment->options.folder;
        if (folder < 0)
                return 0;
        run->environment_folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
        return run->environment_folder < 0 ? error_set(error, errno, "holding the environment's packages") : 0;
}

int run_park(struct run *run, struct error *error) {
        int keeper_ends[2] = { -1, -1 }, program_ends[2] = { -1, -1 };
        const struct environment *environment = run->environment;
        int result = hold_environment(run, error);
        if (result == 0)
                result = group_create(run->engine->groups, &run->group, error);
        if (result == 0)
                result = open_channels(run, keeper_ends, program_ends, error);
        if (result == 0) {
                int fds[IPC_DESCRIPTORS_MAXIMUM] = { keeper_ends[1], program_ends[1] };
                size_t joins = group_join_fds(run->group, fds + 2, array_length(fds) - 2);
                struct message_park park = { .tag = (uint64_t) (uintptr_t) run, .control_groups = (uint32_t) joins };
                channel_send(environment->zygote->channel, MESSAGE_PARK, &park, NULL, 0, fds, 2 + joins);
                run->forking = true;
                environment_forked(run->environment);
                timer_set(run->park_timer, PARK_PATIENCE);
        }
        for (int i = 0; i < 2; i++) {
                close_fd(&keeper_ends[i]);
                close_fd(&program_ends[i]);
        }
        return result;
}

/* Both answers are there, the zygote's and the keeper's. */
static void become_parked(struct run *run) {
        timer_clear(run->park_timer);
        engine_run_parked(run);
}

void run_forked(struct run *run, const struct message_forked *message, int pidfd) {
        struct error error = { 0 };
        run->forking = false;
        if (message->result < 0) {
                error_set(&error, -message->result, "forking a sandbox");
                log_failure(LOG_ERROR, "run.fork", &error);
                release(run);
                return;
        }
        run->pidfd = pidfd;
        run->keeper_pid = message->pid;
        if (loop_watch(run->engine->loop, run->pidfd, EPOLLIN, on_keeper_gone, run, &run->pidfd_watch, &error) < 0) {
                log_failure(LOG_ERROR, "run.watch", &error);
                run_end(run, REASON_FAILED);
                release(run); /* nobody will tell us of its end: the kill must do */
                return;
        }
        if (run->reason != REASON_NONE)
                (void) pidfd_send_signal(run->pidfd, SIGKILL, NULL, 0); /* its end was asked for before it was there */
        else if (run->parked)
                become_parked(run);
}

/* A keeper that hangs while it makes its world, or a zygote that does not answer, may not keep a person waiting. */
static void on_park_over(void *context) {
        struct run *run = context;
        struct error error = { 0 };
        error_say(&error, ETIMEDOUT, "a sandbox was not made within %d seconds", PARK_PATIENCE / 1000);
        log_failure(LOG_ERROR, "run.park", &error);
        if (run->forking)
                environment_hangs(run->environment); /* which releases all that wait for its answer */
        else
                run_end(run, REASON_FAILED);
}

bool run_wants_sandbox(const struct run *run) {
        return run->state == RUN_PARKED && !run->group && run->reason == REASON_NONE;
}

/* The zygote died between our request and its answer; whatever it had forked ends when we close its channel. */
void run_lost_zygote(struct run *run) {
        if (!run->forking)
                return;
        run->forking = false;
        release(run);
}

/* What can be guessed of the program to come is set now, so that its start finds nothing to do: as a rule it has the
 * limits of the last. */
static void get_ahead(struct run *run) {
        const struct run_limits *usual = &run->engine->usual_limits;
        struct error error = { 0 };
        if (usual->memory_bytes == 0 || !run->group)
                return;
        int result = group_set_weight(run->group, usual->cpu_weight, &error);
        if (result == 0) {
                run->weight = usual->cpu_weight;
                result = group_set_limits(run->group, usual, &error);
        }
        if (result < 0) /* its start tries again, and fails if that fails */
                log_failure(LOG_WARNING, "run.limits", &error);
}

static void on_parked(struct run *run, struct message *message) {
        const struct message_parked *parked = message->body;
        struct error error = { 0 };
        if (parked->result < 0 || message->fd_count != 2) {
                error_say(&error, EIO, "%.*s", (int) sizeof parked->text - 1, parked->text);
                log_failure(LOG_ERROR, "run.park", &error);
                run_end(run, REASON_FAILED);
                return;
        }
        int result = terminal_open(run, steal_fd(&message->fds[0]), &error);
        run->hints = steal_fd(&message->fds[1]);
        if (result == 0)
                result = loop_watch(run->engine->loop, run->hints, EPOLLIN, on_hints, run, &run->hints_watch, &error);
        if (result < 0) {
                log_failure(LOG_ERROR, "run.park", &error);
                run_end(run, REASON_FAILED);
                return;
        }
        run->parked = true;
        group_close_joins(run->group);
        get_ahead(run);
        if (run->pidfd >= 0 && run->reason == REASON_NONE)
                become_parked(run);
}

/* Starting */

void run_deliver(struct run *run) {
        struct delivery *delivery = run->delivery;
        struct error error = { 0 };
        run->environment = NULL; /* from here on it needs no zygote */
        terminal_set_size(run);
        run->busy = true;
        engine_divide(run->engine, run->told.account);
        int result = group_set_limits(run->group, &run->limits, &error);
        if (result == 0)
                result = message_send(run->program, MESSAGE_PROGRAM, &delivery->program, delivery->arguments,
                                      delivery->arguments_size, delivery->fds, delivery->fd_count, &error);
        if (run->network && !*delivery->program.network)
                terminal_say(run, network_in_the_way(run->engine));
        run_enter(run, RUN_STARTING);
        delivery_free(steal_pointer(&run->delivery));
        if (result < 0) {
                log_failure(LOG_ERROR, "run.start", &error);
                snprintf(run->told.explanation, sizeof run->told.explanation,
                         "The server could not start this program. Its log says why.");
                run_end(run, REASON_FAILED);
                return;
        }
        terminal_type(run);
        limits_measure(run);
        sample_soon(run);
        sample_activity(run);
}

/* One message comes from the program before any line of its text: all walls stand. After it the descriptor is closed
 * inside. */
static void on_program(void *context, uint32_t events) {
        (void) events;
        struct run *run = context;
        static uint8_t storage[IPC_MESSAGE_MAXIMUM] __attribute__((aligned(8)));
        struct message message;
        struct error error = { 0 };
        int result = message_receive(run->program, MESSAGE_BIT(MESSAGE_READY), storage, &message, &error);
        if (result == -EAGAIN)
                return;
        if (result > 0) {
                if (message.fd_count > 0 && run->network)
                        network_open(run, message.fds, message.fd_count);
                message_close_fds(&message);
                if (run->state == RUN_STARTING) {
                        histogram_add(&run->engine->counters.start, now_microseconds() - run->asked_at);
                        run_enter(run, RUN_RUNNING);
                }
        }
        watch_remove(steal_pointer(&run->program_watch));
        close_fd(&run->program);
        if (result >= 0)
                return; /* 0: it never came so far, as its end will tell */
        log_failure(LOG_ERROR, "run.start", &error);
        snprintf(run->told.explanation, sizeof run->told.explanation, "%s", lost_sight);
        run_end(run, REASON_FAILED);
}

/* Whatever a program says of itself is a hint: it can only make the page show another word, or its own Stop come
 * sooner. */
void run_hint(struct run *run, char hint) {
        if (hint != HINT_REPL || (run->state != RUN_RUNNING && run->state != RUN_WAITING))
                return;
        run_enter(run, RUN_REPL);
        if (timer_is_set(run->stop_timer))
                run_end(run, REASON_STOPPED); /* the interrupt was enough: the text is over, and the prompt was not
                                                 asked for */
}

/* The first is listened to, whatever it is, and no other: a program that shouts is not heard again, and costs nothing.
 */
static void on_hints(void *context, uint32_t events) {
        (void) events;
        struct run *run = context;
        char hint = 0;
        if (run->state == RUN_STARTING)
                return; /* that its walls stand it has said before, and that is read in the same turn */
        if (recv(run->hints, &hint, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
                return;
        watch_remove(steal_pointer(&run->hints_watch));
        close_fd(&run->hints);
        run_hint(run, hint);
}

/* Ending */

void run_stop(struct run *run) {
        if (run->reason != REASON_NONE || run->state == RUN_ENDED)
                return;
        if (timer_is_set(run->stop_timer))
                return; /* asked already: the second press hastens nothing, and harms nothing */
        if (run->state == RUN_REPL || run->master < 0) {
                run_end(run, REASON_STOPPED);
                return;
        }
        timer_set(run->stop_timer, STOP_GRACE_MILLISECONDS);
        /* As Ctrl-C does, but whatever the program made of its terminal's modes. */
        (void) ioctl(run->master, TIOCSIG, SIGINT);
        sample_soon(run);
}

static void on_grace_over(void *context) {
        run_end(context, REASON_KILLED);
}

void run_end(struct run *run, enum run_reason reason) {
        if (run->reason != REASON_NONE || run->state == RUN_ENDED)
                return;
        run->reason = reason;
        timer_clear(run->stop_timer);
        if (run->pidfd >= 0)
                (void) pidfd_send_signal(run->pidfd, SIGKILL, NULL,
                                         0); /* ESRCH: it is gone already, as its pidfd will say */
        else if (!run->forking)
                release(run); /* it never had a sandbox; else the zygote's answer comes first */
}

static void on_program_ended(struct run *run, const struct message_program_ended *message) {
        run->told.exit = message->exit;
        run->told.signal = message->signal;
        if (run->reason != REASON_NONE)
                return;
        if (run->state == RUN_PARKED || run->state == RUN_STARTING)
                run->reason = REASON_FAILED;
        else
                run->reason = timer_is_set(run->stop_timer) ? REASON_STOPPED : REASON_FINISHED;
        /* The keeper ends itself now; its pidfd will tell. */
}

static void on_refused(struct run *run, const struct message_refused *message) {
        for (size_t i = 0; i < CALL_NUMBERS; i++)
                run->engine->counters.refused[i] += message->times[i];
}

static void on_keeper(void *context, struct message *message) {
        struct run *run = context;
        if (message->type == MESSAGE_PARKED && !run->parked)
                on_parked(run, message);
        else if (message->type == MESSAGE_REFUSED)
                on_refused(run, message->body);
        else if (message->type == MESSAGE_PROGRAM_ENDED)
                on_program_ended(run, message->body);
}

/* A keeper closes its channel by ending. With a pidfd we wait for that; without one (the zygote never answered) this is
 * all we get. */
static void on_keeper_closed(void *context, const struct error *why) {
        (void) why;
        struct run *run = context;
        channel_destroy(steal_pointer(&run->keeper));
        if (run->pidfd >= 0)
                (void) pidfd_send_signal(run->pidfd, SIGKILL, NULL, 0);
        run_end(run, REASON_FAILED); /* unless a reason was told before */
}

static void on_keeper_gone(void *context, uint32_t events) {
        (void) events;
        release(context);
}

/* The last facts, before what they are read from is given back. */
static void settle(struct run *run) {
        if (run->reason == REASON_NONE)
                run->reason = REASON_FAILED; /* PID 1 died of itself: of an error, or for memory */
        bool may_be_memory =
                run->reason == REASON_FAILED || (run->reason == REASON_FINISHED && run->told.signal == SIGKILL);
        if (may_be_memory && run->group && group_ran_out_of_memory(run->group))
                run->reason = REASON_MEMORY_LIMIT;
        if (run->reason == REASON_FINISHED && run->told.signal == SIGXFSZ)
                run->reason = REASON_FILE_LIMIT; /* Python ignores that signal; others do not */
        if (run->id != 0 && run->group)
                limits_look(run);
        if (run->reason != REASON_FINISHED && run->told.exit == 0 && run->told.signal == 0)
                run->told.exit = -1;
        limits_explain(run, run->told.explanation, sizeof run->told.explanation);
        /* The limits that ended it are told where the student looks. */
        bool tell = run->id != 0 && *run->told.explanation && run->reason != REASON_KILLED;
        if (tell)
                terminal_say(run, run->told.explanation);
}

/* The one release path. Everything that a run can hold, in the reverse of the order in which it was got; each step
 * accepts that the thing was never there. */
static void release(struct run *run) {
        if (run->state == RUN_ENDED)
                return;
        channel_destroy(steal_pointer(&run->gate)); /* first: nothing of it is to be taken for the gate's failure */
        terminal_drain(run);
        settle(run);
        timer_clear(run->sample_timer);
        timer_clear(run->idle_timer);
        timer_clear(run->stop_timer);
        timer_clear(run->park_timer);
        watch_remove(steal_pointer(&run->hints_watch));
        close_fd(&run->hints);
        terminal_close(run);
        watch_remove(steal_pointer(&run->pidfd_watch));
        close_fd(&run->pidfd);
        watch_remove(steal_pointer(&run->program_watch));
        close_fd(&run->program);
        channel_destroy(steal_pointer(&run->keeper));
        delivery_free(steal_pointer(&run->delivery));
        engine_bury_group(run->engine, steal_pointer(&run->group));
        close_fd(&run->environment_folder);
        run->busy = false;
        if (run->id != 0)
                engine_divide(run->engine, run->told.account);
        run->told.ended = wall_milliseconds();
        run_enter(run, RUN_ENDED);
        engine_run_released(run);
}

/* Telling */

uint64_t run_id(const struct run *run) {
        return run->id;
}

void run_describe(const struct run *run, struct message_run_state *ret_state) {
        *ret_state = run->told;
        ret_state->run = run->id;
        ret_state->state = run->state == RUN_PARKED ? RUN_STARTING : run->state; /* what people see of it has begun */
        ret_state->reason = run->state == RUN_ENDED ? run->reason : REASON_NONE;
        ret_state->first = run->scrollback.first;
        ret_state->next = run->scrollback.next;
        ret_state->columns = run->columns;
        ret_state->rows = run->rows;
        if (run->state != RUN_ENDED) {
                ret_state->exit = -1;
                ret_state->signal = 0;
        }
}

void run_close(struct run *run) {
        if (run->state == RUN_ENDED) {
                engine_forget(run);
                return;
        }
        run->told.explanation[0] = '\0';
        run->unwanted = true; /* also where its end is under way for another reason */
        run_end(run, REASON_CLOSED);
}
