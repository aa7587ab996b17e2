/*
 * The pool: parked runs, so that a program need not wait for its sandbox.
 *
 * How many is decided by how many may be wanted in one moment: by the people who have a page open (a lesson begins with
 * all of them pressing Run), or by what was wanted in one moment lately, whichever is more; never fewer than pool.size,
 * never more than pool.maximum, nor more than a small part of the memory that is free. What was given away is replaced
 * in a quiet moment: the programs that were just started come first. Where the pool is empty, a start forks its own
 * sandbox; it waits for nobody's refill.
 */
#include "internal.h"
#include "../base/log.h"

enum {
        AT_ONCE = 4,            /* sandboxes being made at the same time ahead of need, in a quiet moment */
        DELAY = 20,             /* milliseconds after a start */
        QUIET = 150,            /* milliseconds after the last start; before, one is made at a time */
        REMEMBERED = 600000,    /* milliseconds for which the demand of a moment is expected to come again */
        PARKED_BYTES = 4 << 20, /* of one parked, with what the kernel keeps for it */
        PART_OF_MEMORY = 8,     /* of what is free, this part may be parked */
        MINIMUM_OF_OTHERS = 2,  /* of each environment beside the plain one, while it is awake */
};

static loop_function on_refill;

void pool_init(struct environment *environment) {
        struct pool_state *pool = &environment->pool;
        LIST_INIT(&pool->parked);
        pool->timer = loop_timer(environment->engine->loop, on_refill, environment);
}

void pool_finish(struct environment *environment) {
        timer_remove(environment->pool.timer);
}

/* What one has more or less is the others' to have. */
static void look_at_all(struct engine *engine) {
        struct environment *environment;
        LIST_FOREACH(environment, &engine->environments, place)
        pool_refill(environment, QUIET);
}

void pool_forget(struct environment *environment) {
        environment->pool.peak = environment->pool.burst = 0;
        look_at_all(environment->engine);
}

void pool_begin(struct environment *environment) {
        look_at_all(environment->engine);
        pool_refill(environment, 0);
}

static void remember(struct environment *environment, size_t wanted) {
        struct pool_state *pool = &environment->pool;
        uint64_t now = now_milliseconds();
        if (wanted < pool->peak && now < pool->peak_until)
                return;
        if (wanted != pool->peak)
                look_at_all(environment->engine);
        pool->peak = wanted;
        pool->peak_until = now + REMEMBERED;
}

static size_t minimum(const struct environment *environment) {
        size_t least = environment->engine->options.pool;
        if (environment == environment->engine->plain || least < MINIMUM_OF_OTHERS)
                return least;
        return MINIMUM_OF_OTHERS;
}

/* What it would have if it were alone. */
static size_t wish(const struct environment *environment) {
        const struct pool_state *pool = &environment->pool;
        if (!environment->ready)
                return 0;
        size_t wanted = minimum(environment);
        if (now_milliseconds() < pool->peak_until && pool->peak > wanted)
                wanted = pool->peak;
        return pool->audience > wanted ? pool->audience : wanted;
}

static size_t count_all(const struct engine *engine) {
        size_t count = 0;
        const struct environment *environment;
        LIST_FOREACH(environment, &engine->environments, place)
        count += environment->pool.count;
        return count;
}

/* Its part of what all may have together, as large as its part of what all wish. */
static size_t target(const struct environment *environment) {
        const struct engine *engine = environment->engine;
        size_t wanted = wish(environment), wishes = 0, most = engine->options.pool_maximum;
        const struct environment *other;
        LIST_FOREACH(other, &engine->environments, place)
        wishes += wish(other);
        if (wishes == 0)
                return 0;
        size_t share = wishes > most ? wanted * most / wishes : wanted;
        if (share <= minimum(environment))
                return share;
        uint64_t room = count_all(engine) + available_bytes() / PART_OF_MEMORY / PARKED_BYTES;
        if (room < wishes && wanted * room / wishes < share)
                share = (size_t) (wanted * room / wishes);
        return share > minimum(environment) ? share : minimum(environment);
}

static size_t being_made(const struct environment *environment) {
        size_t count = 0;
        const struct run *run;
        LIST_FOREACH(run, &environment->pool.parked, place)
        count += !run->parked;
        return count;
}

static bool some_wait(const struct environment *environment) {
        const struct run *run;
        LIST_FOREACH(run, &environment->engine->live, place)
        if (run->state == RUN_PARKED && run->environment == environment)
                return true;
        return false;
}

static void drop_surplus(struct environment *environment, size_t wanted) {
        size_t surplus = environment->pool.count - wanted;
        struct run *run, *next;
        for (run = LIST_FIRST(&environment->pool.parked); run && surplus > 0; run = next) {
                next = LIST_NEXT(run, place);
                if (run->reason != REASON_NONE)
                        continue;
                run_end(run, REASON_SHUTDOWN);
                surplus--;
        }
}

static void on_refill(void *context) {
        struct environment *environment = context;
        struct pool_state *pool = &environment->pool;
        bool quiet = now_milliseconds() >= pool->last_start + QUIET;
        if (environment->engine->stopping || !environment->ready)
                return;
        if (some_wait(environment)) {
                pool_refill(environment, DELAY);
                return;
        }
        if (quiet) {
                remember(environment, pool->burst);
                pool->burst = 0;
        }
        size_t wanted = target(environment), at_once = quiet ? AT_ONCE : 1;
        size_t all = count_all(environment->engine), most = environment->engine->options.pool_maximum;
        for (size_t making = being_made(environment); making < at_once && pool->count < wanted && all < most;
             making++, all++) {
                struct run *run = run_create(environment);
                LIST_INSERT_HEAD(&pool->parked, run, place);
                pool->count++;
                engine_park(environment->engine, run);
        }
        if (pool->count > wanted)
                drop_surplus(environment, wanted);
        /* Where another environment still has what is this one's part, it is about to let go of it. */
        if (!quiet || (pool->count < wanted && all >= most))
                pool_refill(environment, QUIET);
}

void pool_refill(struct environment *environment, uint64_t delay) {
        if (delay == 0 || !timer_is_set(environment->pool.timer))
                timer_set(environment->pool.timer, delay);
}

/* One that is ready; else one that will be soonest. */
struct run *pool_take(struct environment *environment) {
        struct pool_state *pool = &environment->pool;
        pool->last_start = now_milliseconds();
        pool->burst++;
        pool_refill(environment, DELAY);
        struct run *run, *best = NULL;
        LIST_FOREACH(run, &pool->parked, place) {
                if (run->reason != REASON_NONE)
                        continue;
                best = run;
                if (run->parked)
                        break;
        }
        if (best)
                pool_remove(best);
        return best ? best : run_create(environment);
}

void pool_remove(struct run *run) {
        LIST_REMOVE(run, place);
        run->environment->pool.count--;
}

void engine_expect(struct engine *engine, const char *environment, size_t people) {
        struct environment *expected = environment_find(engine, environment);
        if (!expected)
                return;
        struct pool_state *pool = &expected->pool;
        if (people < pool->audience)
                remember(expected, pool->audience); /* they may be back: a page that is loaded anew, a web server too */
        pool->audience = people;
        pool_refill(expected, QUIET);
}
