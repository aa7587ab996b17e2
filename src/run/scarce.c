/*
 * Scarce memory. A class that leaves its prompts open for hours holds some 4 MB a prompt, for nothing. While memory is
 * plenty that harms nobody; where less than memory.reserve is left for programs to start in, prompts and programs in
 * which nothing has happened for memory.idle give way, those first in which nothing has for longest, and no more of
 * them than would fill the reserve. Each is warned in its terminal, and kept if a key is pressed or the need is over.
 */
#include "internal.h"

#include <fcntl.h>

enum {
        LOOK = 3000, /* milliseconds */
        WARNING = 20000,
        RUN_BYTES = 4 << 20, /* what an idle run's end gives back, at least */
};

uint64_t available_bytes(void) {
        char text[1024];
        if (read_small_file(AT_FDCWD, "/proc/meminfo", text, sizeof text) <= 0)
                return 0;
        const char *line = strstr(text, "MemAvailable:");
        return line ? strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024 : 0;
}

static void give_way(struct run *run, uint64_t now) {
        uint64_t seconds = (now - run->active_at) / 1000;
        snprintf(
                run->told.explanation, sizeof run->told.explanation,
                "The program was ended because the server's memory ran low and nothing had happened in it for %llu %s.",
                (unsigned long long) (seconds < 120 ? seconds : seconds / 60), seconds < 120 ? "seconds" : "minutes");
        run_end(run, REASON_IDLE);
}

static void warn(struct run *run, uint64_t now) {
        run->scarce_until = now + WARNING;
        terminal_say(run, "The server's memory runs low, and nothing has happened here for a while: in 20 seconds this "
                          "program is ended. Press a key to keep it.");
}

static struct run *longest_idle(struct engine *engine, uint64_t now) {
        struct run *run, *longest = NULL;
        LIST_FOREACH(run, &engine->live, place)
        if (!run->scarce_until && run->reason == REASON_NONE && run->active_at > 0 &&
            now - run->active_at >= engine->options.memory_idle && (!longest || run->active_at < longest->active_at))
                longest = run;
        return longest;
}

/* Those whose time is over go; returns how many are still warned. */
static size_t end_warned(struct engine *engine, uint64_t now) {
        size_t warned = 0;
        struct run *run, *next;
        for (run = LIST_FIRST(&engine->live); run; run = next) {
                next = LIST_NEXT(run, place);
                if (!run->scarce_until || run->reason != REASON_NONE)
                        continue;
                warned++;
                if (now >= run->scarce_until)
                        give_way(run, now);
        }
        return warned;
}

static void keep_all(struct engine *engine) {
        struct run *run;
        LIST_FOREACH(run, &engine->live, place)
        run->scarce_until = 0;
}

void on_scarce(void *context) {
        struct engine *engine = context;
        uint64_t now = now_milliseconds(), reserve = engine->options.memory_reserve, there = available_bytes();
        if (engine->stopping || reserve == 0)
                return;
        timer_set(engine->scarce_timer, LOOK);
        if (there == 0 || there >= reserve) {
                keep_all(engine);
                return;
        }
        uint64_t wanted = (reserve - there) / RUN_BYTES + 1;
        struct run *run;
        for (size_t warned = end_warned(engine, now); warned < wanted && (run = longest_idle(engine, now)); warned++)
                warn(run, now);
}
