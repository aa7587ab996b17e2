/*
 * The limits that the kernel does not keep by itself, what it tells of those that it keeps, and a sentence for each:
 * which limit, how much, and what to try. docs/limits.md lists them all.
 */
#include "internal.h"

#include <signal.h>

enum { MEASURE_MILLISECONDS = 3000 }; /* between two looks at a home whose program computes */

const char lost_sight[] = "The server lost sight of this program, and ended it.";

void limits_printed(struct run *run) {
        if (run->limits.output_bytes > 0 && run->printed > run->limits.output_bytes)
                run_end(run, REASON_OUTPUT_LIMIT);
}

static void tell_processes(struct run *run) {
        char text[SENTENCE_BYTES];
        snprintf(text, sizeof text,
                 "This program tried to have more than %u processes and threads at once, and could not start another. "
                 "Start fewer, or wait (join) for some to end first.",
                 run->limits.processes);
        terminal_say(run, text);
        run->told_processes = true;
}

void limits_look(struct run *run) {
        if (!run->told_processes && group_ran_out_of_processes(run->group))
                tell_processes(run);
        /* The kernel has taken one of several processes. The others would wait for it, or go on without: neither helps.
         */
        if (group_ran_out_of_memory(run->group))
                run_end(run, REASON_MEMORY_LIMIT);
}

/* A home's quota. The web server measures, by the worker of that tree; it also keeps what comes in by the page within
 * the limit. A program's own writing can only be seen afterwards (where the file system does not count for us), so a
 * little more than the limit is told, and much more ends the program that added it. */

void limits_measure(struct run *run) {
        const struct engine_options *options = &run->engine->options;
        const struct file_usage *limit = &run->limits.workspace;
        uint64_t now = now_milliseconds();
        if (!options->on_measure || (limit->bytes == 0 && limit->files == 0) || run->measuring ||
            (run->measured > 0 && now - run->measured < MEASURE_MILLISECONDS))
                return;
        struct message_run_measure question = { .run = run->id, .uid = run->uid };
        memcpy(question.class_slug, run->told.class_slug, sizeof question.class_slug);
        memcpy(question.folder, run->told.folder, sizeof question.folder);
        run->measured = now;
        run->measuring = true;
        options->on_measure(options->context, run, &question);
}

static bool is_over(uint64_t used, uint64_t limit) {
        return limit > 0 && used > limit;
}

static void describe_usage(const struct run *run, const struct file_usage *usage, char *text, size_t size) {
        const struct file_usage *limit = &run->limits.workspace;
        char used[SIZE_TEXT_BYTES], most[SIZE_TEXT_BYTES];
        size_to_text(usage->bytes, used);
        size_to_text(limit->bytes, most);
        if (is_over(usage->bytes, limit->bytes))
                snprintf(text, size, "holds %s, and %s is the most", used, most);
        else
                snprintf(text, size, "holds %llu files and folders, and %llu is the most",
                         (unsigned long long) usage->files, (unsigned long long) limit->files);
}

void run_usage(struct run *run, const struct file_usage *usage) {
        const struct file_usage *limit = &run->limits.workspace;
        run->measuring = false;
        if (!usage || run->state == RUN_PARKED || run->state == RUN_ENDED || run->reason != REASON_NONE)
                return;
        if (!run->has_usage)
                run->usage_first = *usage;
        run->has_usage = true;
        if (!is_over(usage->bytes, limit->bytes) && !is_over(usage->files, limit->files))
                return;
        char holds[128], text[SENTENCE_BYTES];
        describe_usage(run, usage, holds, sizeof holds);
        /* A program that tidies up, or only reads, may do so in a home that is too full. */
        bool ends = (is_over(usage->bytes, OVER(limit->bytes)) && usage->bytes > run->usage_first.bytes) ||
                    (is_over(usage->files, OVER(limit->files)) && usage->files > run->usage_first.files);
        if (ends) {
                snprintf(
                        run->told.explanation, sizeof run->told.explanation,
                        "The program was ended because it wrote too much: your folder %s. Delete what you do not need.",
                        holds);
                run_end(run, REASON_WORKSPACE_LIMIT);
        } else if (!run->told_usage) {
                run->told_usage = true;
                snprintf(text, sizeof text, "Your folder %s. Delete what you do not need; nothing more can be saved.",
                         holds);
                terminal_say(run, text);
        }
}

/* Sentences */

static void duration_to_text(uint32_t milliseconds, char text[static SIZE_TEXT_BYTES]) {
        uint32_t seconds = milliseconds / 1000;
        if (seconds > 60 && milliseconds % 60000 == 0)
                snprintf(text, SIZE_TEXT_BYTES, "%u minutes", seconds / 60);
        else if (milliseconds % 1000 == 0)
                snprintf(text, SIZE_TEXT_BYTES, "%u second%s", seconds, seconds == 1 ? "" : "s");
        else
                snprintf(text, SIZE_TEXT_BYTES, "%.1f seconds", (double) milliseconds / 1000);
}

void limits_explain(const struct run *run, char *text, size_t size) {
        const struct run_limits *limits = &run->limits;
        char amount[SIZE_TEXT_BYTES];
        switch (run->reason) {
        case REASON_MEMORY_LIMIT:
                size_to_text(limits->memory_bytes, amount);
                snprintf(text, size,
                         "The program was ended because it used more than %s of memory. Look for a list that grows "
                         "without end, or read a large file piece by piece.",
                         amount);
                break;
        case REASON_CPU_LIMIT:
                duration_to_text(limits->cpu_milliseconds, amount);
                snprintf(text, size,
                         "The program was ended because it computed for %s without asking for input. Is there a loop "
                         "that never ends?",
                         amount);
                break;
        case REASON_OUTPUT_LIMIT:
                size_to_text(limits->output_bytes, amount);
                snprintf(text, size,
                         "The program was ended because it printed more than %s. Is there a print() in a loop that "
                         "never ends?",
                         amount);
                break;
        case REASON_FILE_LIMIT:
                size_to_text(limits->file_bytes, amount);
                snprintf(text, size,
                         "The program was ended because a file that it wrote became larger than %s. Write less, or "
                         "several smaller files.",
                         amount);
                break;
        case REASON_IDLE:
                duration_to_text(limits->idle_milliseconds, amount);
                if (!*text) /* else memory was scarce */
                        snprintf(text, size, "The program was ended because nothing happened in it for %s.", amount);
                break;
        case REASON_KILLED:
                snprintf(text, size, "The program did not end when it was interrupted, so it was killed.");
                break;
        case REASON_SHUTDOWN:
                snprintf(text, size, "The server was stopped.");
                break;
        case REASON_FAILED:
                if (!*text)
                        snprintf(text, size, "%s",
                                 run->state == RUN_PARKED || run->state == RUN_STARTING
                                         ? "The program could not be started. The server's log says why."
                                         : lost_sight);
                break;
        case REASON_FINISHED:
                if (run->told.signal != 0 && run->told.signal != SIGINT) /* Ctrl-C: said by Python itself */
                        snprintf(text, size, "The program crashed: %s (signal %d).", strsignal(run->told.signal),
                                 run->told.signal);
                break;
        default:
                break; /* nothing to explain, or (REASON_WORKSPACE_LIMIT) explained when it was seen */
        }
}
