/*
 * The Python environments of a server: each has a zygote, started by the first program that wants it and ended when
 * nothing was started in it for a while, and a share of the parked runs (pool.c).
 *
 *                   a program is started in it            all is imported
 *          asleep ──────────────────────────► importing ──────────────────► ready
 *            ▲ ▲                                  │                            │ idle; or makes room for another;
 *            │ └──── broken, for a while ◄────────┘ raised, crashed, hung, ate │ or `carrel env` changed it
 *            └─────────────────────────────────────────────────────────────────┘
 *
 * The first of them, the plain one, has no packages of its own, is started with the server and never sleeps: it serves
 * whatever another cannot, so what its modules do is passed over where possible, and retried for ever where not. While
 * an environment is broken, programs go to the plain one at once, with a sentence in their terminal.
 *
 * Only the program that woke an environment waits for its imports, and those that follow meanwhile. Live programs need
 * no zygote, and go on whatever becomes of theirs; each keeps the folder of its packages from being deleted
 * (environment.h) by a descriptor.
 */
#include "internal.h"
#include "../base/log.h"

#include <fcntl.h>

enum {
        ZYGOTE_RETRY = 1000,                   /* milliseconds */
        PLAIN_PATIENCE = 120000,               /* milliseconds for the plain one's imports: nothing stands in for it */
        ZYGOTE_FAILURES_BEFORE_PLAIN = 2,      /* then the plain one is tried without any modules */
        ZYGOTE_FAILURES_BEFORE_REFUSAL = 3,    /* then those who wait are told; it is still tried again */
        GENERATION_MILLISECONDS = 4 * 3600000, /* after so long, or so many forks, a successor takes a zygote's place */
        GENERATION_LOOK = 60000,               /* how often that is looked at */
        GENERATION_RETRY = 20,                 /* the old one owes an answer still */
        BACKOFF_FIRST = 60000,                 /* a broken one is tried again after so long, … */
        BACKOFF_LAST = 30 * 60000,             /* … doubled each time, up to this */
};

static loop_function on_generation, on_retry, on_idle_environment;
static void on_ready(void *context, struct zygote *zygote);
static void on_forked(void *context, struct zygote *zygote, struct message *message);
static void on_not_imported(void *context, struct zygote *zygote, const struct message_import *import);
static void on_lost(void *context, struct zygote *zygote, const struct zygote_loss *loss);
static void break_environment(struct environment *environment, const char *module, const char *why);

static const struct zygote_functions zygote_functions = { on_ready, on_forked, on_not_imported, on_lost };

static bool is_plain(const struct environment *environment) {
        return environment == environment->engine->plain;
}

/* Runs of an environment */

static bool waits(const struct run *run, const struct environment *environment) {
        return run->environment == environment && run->state == RUN_PARKED && run->reason == REASON_NONE;
}

static bool some_wait(const struct environment *environment) {
        const struct run *run;
        LIST_FOREACH(run, &environment->engine->live, place)
        if (waits(run, environment))
                return true;
        return false;
}

static bool owes_answers(const struct environment *environment) {
        const struct run *run;
        LIST_FOREACH(run, &environment->pool.parked, place)
        if (run->forking)
                return true;
        LIST_FOREACH(run, &environment->engine->live, place)
        if (run->environment == environment && run->forking)
                return true;
        return false;
}

static struct run *find_by_tag(const struct environment *environment, uint64_t tag) {
        struct run *run;
        LIST_FOREACH(run, &environment->pool.parked, place)
        if ((uint64_t) (uintptr_t) run == tag)
                return run;
        LIST_FOREACH(run, &environment->engine->live, place)
        if (run->environment == environment && (uint64_t) (uintptr_t) run == tag)
                return run;
        return NULL;
}

/* Those that had asked the zygote and will hear nothing. */
static void lose_runs(struct environment *environment) {
        struct run *run, *next;
        for (run = LIST_FIRST(&environment->pool.parked); run; run = next) {
                next = LIST_NEXT(run, place);
                run_lost_zygote(run);
        }
        for (run = LIST_FIRST(&environment->engine->live); run; run = next) {
                next = LIST_NEXT(run, place);
                if (run->environment == environment)
                        run_lost_zygote(run);
        }
}

static void end_waiting(struct environment *environment) {
        struct run *run, *next;
        for (run = LIST_FIRST(&environment->engine->live); run; run = next) {
                next = LIST_NEXT(run, place);
                if (run->environment == environment && run_wants_sandbox(run))
                        run_end(run, REASON_FAILED);
        }
}

static void park_waiting(struct environment *environment) {
        struct run *run, *next;
        for (run = LIST_FIRST(&environment->engine->live); run; run = next) {
                next = LIST_NEXT(run, place);
                if (run->environment == environment && run_wants_sandbox(run))
                        engine_park(environment->engine, run);
        }
}

static void say_instead(struct run *run, const char *sentence) {
        terminal_say(run, sentence);
        run->environment = run->engine->plain;
}

static void make_sentence(const char *name, char ret_sentence[static SENTENCE_BYTES]) {
        snprintf(ret_sentence, SENTENCE_BYTES,
                 "The Python environment '%s' of this class does not work at the moment (the server's log says why). "
                 "This program runs in the plain one, which may lack modules.",
                 name);
}

static int begin_zygote(struct environment *environment, struct zygote *zygote, const char *imports,
                        struct error *error) {
        int result = zygote_start(zygote, imports, error);
        environment->engine->counters.zygotes += result == 0;
        return result;
}

/* The zygote */

static void start(struct environment *environment) {
        struct error error = { 0 };
        const char *imports = is_plain(environment) && environment->failures >= ZYGOTE_FAILURES_BEFORE_PLAIN
                                      ? ""
                                      : environment->imports;
        zygotes_reap();
        environment->ready = false;
        environment->forks = 0;
        environment->generation_end = now_milliseconds() + GENERATION_MILLISECONDS;
        if (begin_zygote(environment, environment->zygote, imports, &error) < 0)
                zygote_give_up(environment->zygote, error.text);
}

static void on_ready(void *context, struct zygote *zygote) {
        struct environment *environment = context;
        if (zygote != environment->zygote) {
                on_generation(environment);
                return;
        }
        log_event(LOG_INFO, "zygote.ready", "environment", environment->name, "pid", log_number(zygote->pid),
                  "milliseconds", log_number((int64_t) zygote->took), NULL);
        environment->ready = true;
        environment->breaks = 0;
        if (is_plain(environment))
                environment->failures = 0;
        timer_set(environment->generation_timer, GENERATION_LOOK);
        park_waiting(environment);
        pool_begin(environment);
}

static void on_forked(void *context, struct zygote *zygote, struct message *message) {
        (void) zygote;
        struct environment *environment = context;
        const struct message_forked *forked = message->body;
        struct run *run = find_by_tag(environment, forked->tag);
        environment->failures = 0;
        if (run && run->pidfd < 0)
                run_forked(run, forked, forked->result < 0 ? -1 : steal_fd(&message->fds[0]));
}

/* The plain one goes without: it is to serve where a package of the machine's is missing, or broken. */
static void on_not_imported(void *context, struct zygote *zygote, const struct message_import *import) {
        struct environment *environment = context;
        char why[SENTENCE_BYTES + 16];
        if (is_plain(environment)) {
                log_event(LOG_WARNING, "zygote.import", "environment", environment->name, "module", import->module,
                          "error", import->text, NULL);
                return;
        }
        snprintf(why, sizeof why, "it raised %s", import->text);
        zygote_give_up(zygote, why);
}

static void on_plain_lost(struct environment *environment, bool was_ready) {
        if (!was_ready)
                environment->failures++;
        if (environment->failures >= ZYGOTE_FAILURES_BEFORE_REFUSAL)
                end_waiting(environment);
        timer_set(environment->retry_timer, ZYGOTE_RETRY);
}

static void on_lost(void *context, struct zygote *zygote, const struct zygote_loss *loss) {
        struct environment *environment = context;
        if (!environment->engine->stopping)
                log_event(LOG_ERROR, "zygote.lost", "environment", environment->name, "module", loss->module, "why",
                          loss->why, NULL);
        if (zygote != environment->zygote)
                return; /* a successor: the next look tries again, and the old one goes on */
        environment->ready = false;
        lose_runs(environment);
        if (environment->engine->stopping)
                return;
        if (is_plain(environment))
                on_plain_lost(environment, loss->was_ready);
        else if (!loss->was_ready || ++environment->failures >= ZYGOTE_FAILURES_BEFORE_REFUSAL)
                break_environment(environment, loss->module, loss->why);
        else
                timer_set(environment->retry_timer, ZYGOTE_RETRY);
}

void environment_hangs(struct environment *environment) {
        zygote_give_up(environment->zygote, "it does not answer");
}

static void on_retry(void *context) {
        struct environment *environment = context;
        if (!environment->engine->stopping && environment->zygote->pid == 0)
                start(environment);
}

/* Generations. All programs of one zygote are copies of one memory: what one of them could learn of it (where things
 * lie, which secret a hash is made with) is true of its siblings. So none is kept for ever. The successor imports while
 * the old one goes on; what the old one has parked is used up. */

static struct zygote *other_zygote(struct environment *environment) {
        return environment->zygote == &environment->zygotes[0] ? &environment->zygotes[1] : &environment->zygotes[0];
}

static void replace_zygote(struct environment *environment) {
        struct zygote *old = environment->zygote;
        environment->zygote = other_zygote(environment);
        environment->forks = 0;
        environment->generation_end = now_milliseconds() + GENERATION_MILLISECONDS;
        log_event(LOG_INFO, "zygote.replaced", "environment", environment->name, "old", log_number(old->pid), "pid",
                  log_number(environment->zygote->pid), NULL);
        zygote_kill(old);
}

static void on_generation(void *context) {
        struct environment *environment = context;
        struct zygote *other = other_zygote(environment);
        size_t generation = environment->engine->options.generation;
        bool worn = generation > 0 && environment->forks >= generation;
        bool due = worn || now_milliseconds() >= environment->generation_end;
        struct error error = { 0 };
        zygotes_reap();
        if (environment->engine->stopping || !environment->ready)
                return;
        timer_set(environment->generation_timer, GENERATION_LOOK);
        if (other->ready) {
                if (owes_answers(environment))
                        timer_set(environment->generation_timer, GENERATION_RETRY);
                else
                        replace_zygote(environment);
        } else if (other->pid == 0 && due && begin_zygote(environment, other, environment->imports, &error) < 0) {
                zygote_give_up(other, error.text);
        }
}

void environment_forked(struct environment *environment) {
        /* Again and again until it is replaced: a successor that is still importing is not disturbed by a look. */
        size_t generation = environment->engine->options.generation;
        if (++environment->forks >= generation && generation > 0)
                timer_set(environment->generation_timer, 0);
}

/* Sleeping and waking, of all but the plain one */

static bool is_awake(const struct environment *environment) {
        return environment->options.folder >= 0;
}

static void fall_asleep(struct environment *environment) {
        struct run *run, *next;
        environment->ready = false;
        for (size_t i = 0; i < array_length(environment->zygotes); i++)
                zygote_kill(&environment->zygotes[i]);
        timer_clear(environment->generation_timer);
        timer_clear(environment->retry_timer);
        timer_clear(environment->idle_timer);
        for (run = LIST_FIRST(&environment->pool.parked); run; run = next) {
                next = LIST_NEXT(run, place);
                run_end(run, REASON_SHUTDOWN);
        }
        close_fd(&environment->options.folder);
        pool_forget(environment);
}

static void on_idle_environment(void *context) {
        struct environment *environment = context;
        if (some_wait(environment) || owes_answers(environment)) {
                timer_set(environment->idle_timer, ZYGOTE_RETRY);
                return;
        }
        log_event(LOG_INFO, "environment.ended", "environment", environment->name, "why", "idle", NULL);
        fall_asleep(environment);
}

static void break_environment(struct environment *environment, const char *module, const char *why) {
        uint64_t backoff = BACKOFF_FIRST;
        for (unsigned i = 0; i < environment->breaks && backoff < BACKOFF_LAST; i++)
                backoff *= 2;
        if (backoff > BACKOFF_LAST)
                backoff = BACKOFF_LAST;
        environment->breaks++;
        environment->failures = 0;
        environment->broken_until = now_milliseconds() + backoff;
        log_event(LOG_ERROR, "environment.broken", "environment", environment->name, "module", module, "why", why,
                  "again-after-seconds", log_number((int64_t) backoff / 1000), NULL);
        fall_asleep(environment);
        char sentence[SENTENCE_BYTES];
        make_sentence(environment->name, sentence);
        struct run *run, *next;
        for (run = LIST_FIRST(&environment->engine->live); run; run = next) {
                next = LIST_NEXT(run, place);
                if (run->environment != environment || !run_wants_sandbox(run))
                        continue;
                say_instead(run, sentence);
                if (run->environment->ready)
                        engine_park(environment->engine, run);
        }
}

/* The one that was used longest ago, of those that nobody waits for. */
static bool make_room(struct engine *engine) {
        struct environment *environment, *oldest = NULL;
        size_t awake = 0;
        LIST_FOREACH(environment, &engine->environments, place) {
                if (is_plain(environment) || !is_awake(environment))
                        continue;
                awake++;
                if (!some_wait(environment) && !owes_answers(environment) &&
                    (!oldest || environment->used < oldest->used))
                        oldest = environment;
        }
        if (awake < engine->options.environments)
                return true;
        if (!oldest)
                return false;
        log_event(LOG_INFO, "environment.ended", "environment", oldest->name, "why", "another needs its place", NULL);
        fall_asleep(oldest);
        return true;
}

static struct environment *create(struct engine *engine, const char *name);

struct environment *environment_find(struct engine *engine, const char *name) {
        if (!*name)
                return engine->plain;
        struct environment *environment, *free_one = NULL;
        size_t count = 0;
        LIST_FOREACH(environment, &engine->environments, place) {
                if (strcmp(environment->name, name) == 0)
                        return environment;
                count++;
                if (!is_plain(environment) && !is_awake(environment) && environment->pool.count == 0 &&
                    !some_wait(environment))
                        free_one = environment;
        }
        if (count <= ENVIRONMENTS_MAXIMUM)
                return create(engine, name);
        if (free_one) { /* of a name that is perhaps gone */
                snprintf(free_one->name, sizeof free_one->name, "%s", name);
                free_one->made = 0;
                free_one->breaks = 0;
                free_one->broken_until = 0;
                free_one->pool.audience = 0;
        }
        return free_one;
}

static void wake(struct environment *environment, const struct environment_description *description, int folder) {
        environment->options.folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
        if (environment->options.folder < 0) {
                log_event(LOG_ERROR, "environment.open", "environment", environment->name, "error", strerror(errno),
                          NULL);
                return;
        }
        environment->made = description->made;
        environment->failures = 0;
        free(environment->imports);
        environment->imports = duplicate_string(description->preload);
        log_event(LOG_INFO, "environment.started", "environment", environment->name, NULL);
        start(environment);
}

struct environment *environment_choose(struct engine *engine, const struct run_request *request,
                                       char ret_sentence[static SENTENCE_BYTES]) {
        const struct environment_description *description = request->environment;
        const char *name = request->start->environment;
        *ret_sentence = '\0';
        if (!*name || strcmp(name, ENVIRONMENT_PLAIN) == 0)
                return engine->plain;
        make_sentence(name, ret_sentence);
        struct environment *environment = description ? environment_find(engine, name) : NULL;
        if (!environment)
                return engine->plain;
        bool changed = environment->made != description->made;
        if (changed)
                environment->broken_until = 0;
        /* Who waits for the old one gets it, and the next start looks again. */
        if (changed && is_awake(environment) && !some_wait(environment) && !owes_answers(environment)) {
                log_event(LOG_INFO, "environment.ended", "environment", name, "why", "it was changed", NULL);
                fall_asleep(environment);
        }
        if (now_milliseconds() < environment->broken_until)
                return engine->plain;
        if (!is_awake(environment)) {
                if (!make_room(engine)) {
                        log_event(LOG_WARNING, "environment.refused", "environment", name, "why",
                                  "as many as environments.running allows are busy", NULL);
                        return engine->plain;
                }
                wake(environment, description, request->environment_folder);
                if (!is_awake(environment))
                        return engine->plain; /* broken at once */
        }
        environment->used = now_milliseconds();
        timer_set(environment->idle_timer, engine->options.environment_idle);
        *ret_sentence = '\0';
        return environment;
}

/* All of them */

static struct environment *create(struct engine *engine, const char *name) {
        struct environment *environment = allocate(sizeof *environment);
        environment->engine = engine;
        snprintf(environment->name, sizeof environment->name, "%s", name);
        environment->options = (struct zygote_options){
                .loop = engine->loop,
                .host = &engine->options.host,
                .path = engine->options.zygote_path,
                .folder = -1,
                .patience = engine->options.environment_patience,
                .memory = engine->options.environment_memory,
        };
        for (size_t i = 0; i < array_length(environment->zygotes); i++)
                zygote_init(&environment->zygotes[i], &environment->options, &zygote_functions, environment);
        environment->zygote = &environment->zygotes[0];
        environment->generation_timer = loop_timer(engine->loop, on_generation, environment);
        environment->retry_timer = loop_timer(engine->loop, on_retry, environment);
        environment->idle_timer = loop_timer(engine->loop, on_idle_environment, environment);
        pool_init(environment);
        LIST_INSERT_HEAD(&engine->environments, environment, place);
        return environment;
}

int environments_start(struct engine *engine, struct error *error) {
        engine->plain = create(engine, ENVIRONMENT_PLAIN);
        engine->plain->options.patience = PLAIN_PATIENCE;
        engine->plain->imports = duplicate_string(engine->options.imports);
        engine->plain->generation_end = now_milliseconds() + GENERATION_MILLISECONDS;
        return begin_zygote(engine->plain, engine->plain->zygote, engine->plain->imports, error);
}

void environments_finish(struct engine *engine) {
        struct environment *environment, *next;
        for (environment = LIST_FIRST(&engine->environments); environment; environment = next) {
                next = LIST_NEXT(environment, place);
                for (size_t i = 0; i < array_length(environment->zygotes); i++)
                        zygote_finish(&environment->zygotes[i]);
                lose_runs(environment);
                timer_remove(environment->generation_timer);
                timer_remove(environment->retry_timer);
                timer_remove(environment->idle_timer);
                pool_finish(environment);
                close_fd(&environment->options.folder);
                free(environment->imports);
                free(environment);
        }
        zygotes_wait();
}
