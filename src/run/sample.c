/*
 * What is seen of a run from outside, where no program can tell stories: the processor time of its group, and whether
 * its process sits in a read of the terminal. Looked at soon after something happened, then ever more rarely while
 * nothing does.
 *
 * Processor time is limited between inputs: a program that waits for its person is not running.
 */
#include "internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>

enum {
        SAMPLE_FIRST = 60,
        SAMPLE_BUSY = 500, /* while it computes: the limit is noticed at most this late */
        SAMPLE_QUIET = 5000,
        BUSY_MILLISECONDS = 3, /* of processor time in a period: less is called quiet */
        IDLE_WARNING = 60000,
        PROCESSES_LOOKED_AT = 256, /* of a run, where no control group counts */
};

void sample_soon(struct run *run) {
        if (run->state == RUN_PARKED || run->state == RUN_ENDED || run->reason != REASON_NONE)
                return;
        if (timer_is_set(run->sample_timer) && run->sample_period <= SAMPLE_FIRST)
                return; /* a flood of events is one event */
        run->sample_period = SAMPLE_FIRST;
        timer_set(run->sample_timer, SAMPLE_FIRST);
}

static ssize_t read_process_file(int32_t pid, const char *file, char *text, size_t capacity) {
        char path[96];
        snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        return read_small_file(AT_FDCWD, path, text, capacity);
}

/* PID 2 as the host numbers it: the keeper's only child while parked. */
static void find_program(struct run *run) {
        char file[64], text[64];
        snprintf(file, sizeof file, "task/%d/children", run->keeper_pid);
        if (read_process_file(run->keeper_pid, file, text, sizeof text) > 0)
                run->program_pid = (int32_t) strtol(text, NULL, 10);
}

/* From /proc/<pid>/stat: a process and what it has waited for (fields 14 to 17, utime to cstime). */
static uint64_t process_cpu_milliseconds(int32_t pid) {
        enum { FIELD_AFTER_NAME = 3, FIRST_TIME = 14, LAST_TIME = 17 };
        char text[1024];
        if (pid <= 0 || read_process_file(pid, "stat", text, sizeof text) <= 0)
                return 0;
        char *rest = strrchr(text, ')'); /* the name may hold anything, also ')' */
        uint64_t ticks = 0;
        if (!rest || !rest[1])
                return 0;
        rest += 2;
        for (int field = FIELD_AFTER_NAME; rest && field <= LAST_TIME; field++) {
                const char *word = strsep(&rest, " ");
                if (field >= FIRST_TIME)
                        ticks += strtoull(word, NULL, 10);
        }
        return ticks * 1000 / (uint64_t) sysconf(_SC_CLK_TCK);
}

/* Children are listed by the thread that forked them. Returns how many `pids` there are now. */
static size_t add_children(int32_t pid, int32_t pids[static PROCESSES_LOOKED_AT], size_t count) {
        char path[64], text[4096];
        snprintf(path, sizeof path, "/proc/%d/task", pid);
        DIR *threads = opendir(path);
        for (struct dirent *thread; threads && (thread = readdir(threads));) {
                if (thread->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof path, "task/%.20s/children", thread->d_name);
                if (read_process_file(pid, path, text, sizeof text) <= 0)
                        continue;
                for (char *rest = text, *word; (word = strsep(&rest, " ")) && count < PROCESSES_LOOKED_AT;)
                        if (*word)
                                pids[count++] = (int32_t) strtol(word, NULL, 10);
        }
        if (threads)
                closedir(threads);
        return count;
}

/* For hosts without a control group that counts: the keeper and all below it, orphans too, since they become the
 * keeper's. What ended without being waited for is lost, so the sum never goes back. */
static uint64_t tree_cpu_milliseconds(const struct run *run) {
        int32_t pids[PROCESSES_LOOKED_AT];
        size_t count = 0;
        uint64_t total = 0;
        if (run->keeper_pid > 0)
                pids[count++] = run->keeper_pid;
        for (size_t i = 0; i < count; i++) {
                total += process_cpu_milliseconds(pids[i]);
                count = add_children(pids[i], pids, count);
        }
        return total > run->cpu_seen ? total : run->cpu_seen;
}

static uint64_t cpu_milliseconds(const struct run *run) {
        uint64_t counted = run->group ? group_cpu_milliseconds(run->group) : 0;
        return counted ? counted : tree_cpu_milliseconds(run);
}

/* In read(0, …), or in the select() with which readline waits for descriptor 0. */
static bool reads_terminal(int32_t pid) {
        char text[256];
        if (pid <= 0 || read_process_file(pid, "syscall", text, sizeof text) <= 0)
                return false;
        char *rest;
        long number = strtol(text, &rest, 10);
        if (rest == text)
                return false; /* "running" */
        unsigned long long first = strtoull(rest, NULL, 16);
        bool selects = number == SYS_pselect6;
#ifdef SYS_select
        selects |= number == SYS_select;
#endif
        return (number == SYS_read && first == 0) || (selects && first == 1);
}

static void note_busy(struct run *run, bool busy, bool reads) {
        bool waits = reads && !busy;
        if (run->busy == busy && run->waits == waits)
                return;
        run->busy = busy;
        run->waits = waits;
        engine_divide(run->engine, run->told.account);
}

static void check_cpu(struct run *run) {
        uint64_t limit = run->limits.cpu_milliseconds;
        if (limit > 0 && run->cpu_seen - run->cpu_at_input >= limit)
                run_end(run, REASON_CPU_LIMIT);
}

void on_sample(void *context) {
        struct run *run = context;
        if (run->state == RUN_PARKED || run->state == RUN_ENDED || run->reason != REASON_NONE)
                return;
        if (run->program_pid == 0)
                find_program(run);
        terminal_retry(run);
        uint64_t cpu = cpu_milliseconds(run);
        bool busy = cpu >= run->cpu_seen + BUSY_MILLISECONDS;
        run->cpu_seen = cpu;
        bool reads = reads_terminal(run->program_pid);
        if (run->state == RUN_RUNNING && reads)
                run_enter(run, RUN_WAITING);
        else if (run->state == RUN_WAITING && !reads)
                run_enter(run, RUN_RUNNING);
        note_busy(run, busy, reads);
        if (busy) {
                sample_activity(run);
                limits_measure(run); /* only who computes can write */
        }
        check_cpu(run);
        limits_look(run);
        uint64_t longest = busy ? SAMPLE_BUSY : SAMPLE_QUIET;
        run->sample_period = run->sample_period * 2 < longest ? run->sample_period * 2 : longest;
        if (run->reason == REASON_NONE)
                timer_set(run->sample_timer, run->sample_period);
}

void sample_input(struct run *run) {
        run->cpu_seen = cpu_milliseconds(run);
        run->cpu_at_input = run->cpu_seen;
        sample_soon(run);
}

/* Idle: nothing typed, printed or computed. */

void sample_activity(struct run *run) {
        run->active_at = now_milliseconds();
        run->scarce_until = 0;
        if (run->limits.idle_milliseconds == 0 || run->id == 0)
                return;
        run->idle_warned = false;
        uint32_t idle = run->limits.idle_milliseconds;
        timer_set(run->idle_timer, idle > 2 * IDLE_WARNING ? idle - IDLE_WARNING : idle);
}

void on_idle(void *context) {
        struct run *run = context;
        bool has_warning = run->limits.idle_milliseconds > 2 * IDLE_WARNING;
        if (!has_warning || run->idle_warned) {
                run_end(run, REASON_IDLE);
                return;
        }
        run->idle_warned = true;
        terminal_say(
                run,
                "Nothing has happened here for a while: in one minute this program is ended. Press a key to keep it.");
        timer_set(run->idle_timer, IDLE_WARNING);
}
