/* The supervisor's part of GET /metrics: written here, only handed on by the web server. */
#include "internal.h"
#include "../base/log.h"

void run_metrics_init(struct metrics *metrics, const struct sandbox_host *host) {
        metrics->counts_refused = sandbox_has(host, WALL_SECCOMP) && sandbox_counts_refused();
        if (!metrics->counts_refused)
                log_event(LOG_INFO, "refused.not-counted", "consequence", "refused all the same", NULL);
        for (unsigned number = 0; number < CALL_NUMBERS - 1; number++) {
                char *name = sandbox_call_name(number);
                metrics->call_names[number] = name ? name : format_string("%u", number);
        }
        metrics->call_names[CALL_NUMBERS - 1] = duplicate_string("other");
}

void run_metrics_finish(struct metrics *metrics) {
        for (size_t i = 0; i < CALL_NUMBERS; i++)
                free(metrics->call_names[i]);
}

void run_metrics_write(const struct metrics *metrics, const struct engine *engine, struct buffer *text) {
        static const struct engine_counters nothing;
        static const char *const kinds[] = { "live", "parked" };
        const struct engine_counters *counters = engine ? engine_counters(engine) : &nothing;
        const struct engine_gauges gauges = engine ? engine_gauges(engine) : (struct engine_gauges){ 0 };
        const uint64_t runs[] = { gauges.live, gauges.parked };
        const struct metric_family families[] = {
                { "carrel_runs_started_total", "Programs and prompts that were started.", METRIC_COUNTER,
                  .numbers = &counters->started },
                { "carrel_runs_ended_total", "Programs and prompts that have ended, by why.", METRIC_COUNTER,
                  .labels = { { "reason", run_reason_names, RUN_REASONS } }, .numbers = counters->ended },
                { "carrel_runs", "Sandboxes now: with somebody's program, and ready for one.", METRIC_GAUGE,
                  .labels = { { "state", kinds, array_length(kinds) } }, .numbers = runs },
                { "carrel_run_start_seconds", "From the request to the program's first line.", METRIC_HISTOGRAM,
                  .numbers = &counters->start },
                { "carrel_zygotes_started_total", "Interpreters that sandboxes are copied from.", METRIC_COUNTER,
                  .numbers = &counters->zygotes },
                { "carrel_refused_calls_total", "System calls that programs made and were refused.", METRIC_COUNTER,
                  .sparse = true, .labels = { { "call", (const char *const *) metrics->call_names, CALL_NUMBERS } },
                  .numbers = counters->refused },
                { "carrel_refused_calls_counted", "1 where this kernel lets refused system calls be counted.",
                  METRIC_GAUGE, .numbers = &metrics->counts_refused },
        };
        metrics_write(text, families, array_length(families));
}
