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

#include <fcntl.h>

enum {
        AT_ONCE = 4,            /* sandboxes being made at the same time ahead of need, in a quiet moment */
        DELAY = 20,             /* milliseconds after a start */
        QUIET = 150,            /* milliseconds after the last start; before, one is made at a time */
        REMEMBERED = 600000,    /* milliseconds for which the demand of a moment is expected to come again */
        PARKED_BYTES = 4 << 20, /* of one parked, with what the kernel keeps for it */
        PART_OF_MEMORY = 8,     /* of what is free, this part may be parked */
};

static loop_function on_refill;

void pool_init(struct engine *engine) {
        struct pool_state *pool = &engine->pool;
        LIST_INIT(&pool->parked);
        pool->timer = loop_timer(engine->loop, on_refill, engine);
}

void pool_finish(struct engine *engine) {
        timer_remove(engine->pool.timer);
}

/* What the kernel could give without paging anything out. */
static uint64_t available_bytes(void) {
        char text[1024];
        fd_scoped fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? -1 : read_fully(fd, text, sizeof text - 1);
        if (size <= 0)
                return 0;
        text[size] = '\0';
        const char *line = strstr(text, "MemAvailable:");
        return line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024 : 0;
}

static void remember(struct pool_state *pool, size_t wanted) {
        uint64_t now = now_milliseconds();
        if (wanted >= pool->peak || now >= pool->peak_until) {
                pool->peak = wanted;
                pool->peak_until = now + REMEMBERED;
        }
}

static size_t target(const struct engine *engine) {
        const struct pool_state *pool = &engine->pool;
        size_t wanted = engine->options.pool;
        if (now_milliseconds() < pool->peak_until && pool->peak > wanted)
                wanted = pool->peak;
        if (pool->audience > wanted)
                wanted = pool->audience;
        if (wanted > engine->options.pool_maximum)
                wanted = engine->options.pool_maximum;
        if (wanted <= engine->options.pool)
                return wanted;
        uint64_t room = pool->count + available_bytes() / PART_OF_MEMORY / PARKED_BYTES;
        return room < wanted ? (size_t) room : wanted;
}

static size_t being_made(const struct engine *engine) {
        size_t count = 0;
        const struct run *run;
        LIST_FOREACH(run, &engine->pool.parked, place)
        count += !run->parked;
        return count;
}

static bool some_wait(const struct engine *engine) {
        const struct run *run;
        LIST_FOREACH(run, &engine->live, place)
        if (run->state == RUN_PARKED)
                return true;
        return false;
}

static void drop_surplus(struct engine *engine, size_t wanted) {
        size_t surplus = engine->pool.count - wanted;
        struct run *run, *next;
        for (run = LIST_FIRST(&engine->pool.parked); run && surplus > 0; run = next) {
                next = LIST_NEXT(run, place);
                if (run->reason != REASON_NONE)
                        continue;
                run_end(run, REASON_SHUTDOWN);
                surplus--;
        }
}

static void on_refill(void *context) {
        struct engine *engine = context;
        struct pool_state *pool = &engine->pool;
        bool quiet = now_milliseconds() >= pool->last_start + QUIET;
        if (engine->stopping || !engine->zygote_ready)
                return;
        if (some_wait(engine)) {
                pool_refill(engine, DELAY);
                return;
        }
        if (quiet) {
                remember(pool, pool->burst);
                pool->burst = 0;
        }
        size_t wanted = target(engine), at_once = quiet ? AT_ONCE : 1;
        for (size_t making = being_made(engine); making < at_once && pool->count < wanted; making++) {
                struct run *run = run_create(engine);
                LIST_INSERT_HEAD(&pool->parked, run, place);
                pool->count++;
                engine_park(engine, run);
        }
        if (pool->count > wanted)
                drop_surplus(engine, wanted);
        if (!quiet)
                pool_refill(engine, QUIET);
}

void pool_refill(struct engine *engine, uint64_t delay) {
        if (delay == 0 || !timer_is_set(engine->pool.timer))
                timer_set(engine->pool.timer, delay);
}

/* One that is ready; else one that will be soonest. */
struct run *pool_take(struct engine *engine) {
        struct pool_state *pool = &engine->pool;
        pool->last_start = now_milliseconds();
        pool->burst++;
        pool_refill(engine, DELAY);
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
        return best ? best : run_create(engine);
}

void pool_remove(struct run *run) {
        LIST_REMOVE(run, place);
        run->engine->pool.count--;
}

void engine_expect(struct engine *engine, size_t people) {
        struct pool_state *pool = &engine->pool;
        if (people < pool->audience)
                remember(pool, pool->audience); /* they may be back: a page that is loaded anew, a web server too */
        pool->audience = people;
        pool_refill(engine, QUIET);
}
