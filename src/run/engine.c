/*
 * The engine: gives a parked run to whoever starts a program, and keeps what has ended for a while, so that its
 * terminal can still be looked at.
 */
#include "internal.h"
#include "../base/log.h"

#include <fcntl.h>

enum {
        PARK_RETRY = 1000,   /* milliseconds */
        WAITING_WEIGHT = 10, /* times that of a program which does not wait for its person */
        GROUP_RETRY = 20,    /* milliseconds: the kernel empties a group a little after its last process is gone */
};

static loop_function on_group_timer;

void engine_park(struct engine *engine, struct run *run) {
        struct error error = { 0 };
        if (run_park(run, &error) < 0) {
                log_failure(LOG_ERROR, "run.park", &error);
                run_end(run, REASON_FAILED);
        }
        (void) engine;
}

void engine_run_parked(struct run *run) {
        if (run->delivery)
                run_deliver(run);
        else
                pool_refill(run->environment, 0);
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
        char sentence[SENTENCE_BYTES] = "";
        struct run *run = result < 0 ? NULL : pool_take(environment_choose(engine, request, sentence));
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
        if (*sentence)
                terminal_say(run, sentence);
        *ret_run = run;
        if (run->parked && run->pidfd >= 0)
                run_deliver(run);
        else if (run_wants_sandbox(run) && run->environment->ready)
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

static bool none_parked(const struct engine *engine) {
        const struct environment *environment;
        LIST_FOREACH(environment, &engine->environments, place)
        if (!LIST_EMPTY(&environment->pool.parked))
                return false;
        return true;
}

static void stop_if_idle(struct engine *engine) {
        if (engine->stopping && LIST_EMPTY(&engine->live) && none_parked(engine) && !engine->dying_groups &&
            engine->options.on_idle)
                engine->options.on_idle(engine->options.context);
}

void engine_run_released(struct run *run) {
        struct engine *engine = run->engine;
        if (run->id == 0) {
                pool_remove(run);
                loop_defer(engine->loop, free_run, run);
                if (!engine->stopping)
                        pool_refill(run->environment, PARK_RETRY); /* it could not be parked: not at once again */
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
        engine->group_timer = loop_timer(loop, on_group_timer, engine);
        engine->scarce_timer = loop_timer(loop, on_scarce, engine);
        timer_set(engine->scarce_timer, 0);
        int result = groups_open(&engine->groups, error);
        if (result == 0)
                result = environments_start(engine, error);
        if (result < 0) {
                engine_destroy(engine);
                return result;
        }
        *ret_engine = engine;
        return 0;
}

void engine_stop(struct engine *engine) {
        engine->stopping = true;
        struct environment *environment;
        struct run *run, *next;
        LIST_FOREACH(environment, &engine->environments, place)
        for (run = LIST_FIRST(&environment->pool.parked); run; run = next) {
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
        environments_finish(engine);
        timer_remove(engine->group_timer);
        timer_remove(engine->scarce_timer);
        groups_close(engine->groups);
        free(engine);
}

const struct engine_counters *engine_counters(const struct engine *engine) {
        return &engine->counters;
}

struct engine_gauges engine_gauges(const struct engine *engine) {
        struct engine_gauges gauges = { 0 };
        const struct run *run;
        const struct environment *environment;
        LIST_FOREACH(run, &engine->live, place)
        gauges.live++;
        LIST_FOREACH(environment, &engine->environments, place)
        LIST_FOREACH(run, &environment->pool.parked, place)
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
