/*
 * run: every program that runs, from start to end.
 *
 * A run is one state machine (run.c) with one owner, the engine, and one way to end: run_end() names the reason and
 * kills, and when the kernel says that the sandbox's PID 1 is gone, release() gives back all that the run held, in one
 * order, once. Whoever wants a run to end (its program, Stop, a limit, a closed page, the server) calls run_end();
 * nobody else frees anything. test/model/run.pml is the same machine, checked by spin.
 *
 *   engine.c      starts, ended runs that are kept a while
 *   environment.c the Python environments: when each has a zygote, and what serves where one is broken
 *   zygote.c      one zygote as a process, watched while it imports
 *   pool.c        parked runs, and how many of them
 *   run.c         the state machine
 *   terminal.c    bytes: program → scrollback → viewers, and back; who is too slow slows the program, never the server
 *   scrollback.c  the last megabyte of a run's output, addressed by offset
 *   sample.c      what is seen from outside: processor time, whether it waits for a line
 *   scarce.c      idle runs give way where memory is scarce
 *   limits.c      the limits that the kernel does not keep by itself, and the sentences for all
 *   network.c     the way to the hosts that a run's class may reach, where it has some
 *   metrics.c     what is counted, as text
 *   supervisor.c  the process: channels to monitor and web server
 *
 * The engine never looks at what a program prints or a person types; it moves it. Single-threaded. `carrel sandbox`
 * uses the engine as the supervisor does, so a program meets the same walls there.
 */
#pragma once

#include "../base/base.h"
#include "../base/loop.h"
#include "../base/metrics.h"
#include "../environment/environment.h"
#include "../ipc/messages.h"
#include "../sandbox/sandbox.h"

enum {
        RUN_WINDOW = 256 << 10,         /* bytes sent ahead of a viewer's acknowledgement (protocol: limits.window) */
        RUN_INPUT_LIMIT = 64 << 10,     /* bytes typed that a program has not read yet */
        RUNS_KEPT_EACH = 8,             /* ended runs whose terminal an account may still look at */
        RUN_KEPT_MILLISECONDS = 600000, /* and for how long */
        STOP_GRACE_MILLISECONDS = 1000, /* between the interrupt and the kill */
};

struct engine;
struct run;
struct viewer;

struct engine_options {
        struct sandbox_host host;
        const char *zygote_path;   /* of carrel-python */
        const char *imports;       /* of the plain environment: names, separated by commas */
        size_t pool;               /* parked runs to hold ready, at least */
        size_t pool_maximum;       /* and at most */
        uint64_t memory_reserve;   /* bytes below which idle runs give way; 0: never */
        uint64_t memory_idle;      /* milliseconds after which a run is idle, in that */
        size_t generation;         /* forks after which a zygote is replaced; 0: never for that */
        size_t scrollback;         /* bytes a run */
        size_t environments;       /* beside the plain one, with a zygote at the same time; 0: there are no others */
        uint64_t environment_idle; /* milliseconds since a program was started in one, until its zygote is ended */
        uint64_t environment_patience; /* milliseconds that its imports may take */
        uint64_t environment_memory;   /* bytes that they may; 0: any number, as for the plain one */
        bool plain_terminal;           /* no echo, line feeds left alone: for a terminal that is a pipe at our end */
        /* Called on every change of a run's state, and when an ended one is no longer kept. May be NULL. */
        void (*on_state)(void *context, struct run *run);
        void (*on_gone)(void *context, struct run *run);
        /* Asked for what a run's home holds: answer with run_usage(), some time. NULL: homes are not limited. */
        void (*on_measure)(void *context, struct run *run, const struct message_run_measure *question);
        /* A new gate's channel (gate.h), or -errno. NULL: no program reaches anything. */
        int (*open_gate)(void *context, struct error *error);
        void (*on_idle)(void *context); /* after engine_stop(): nothing is left */
        void *context;
};

/* Starts the zygote; runs may be asked for at once. Waits for nothing. */
int engine_create(struct loop *loop, const struct engine_options *options, struct engine **ret_engine,
                  struct error *error) must_check;
/* Ends every run (REASON_SHUTDOWN), then calls on_idle. */
void engine_stop(struct engine *engine);
/* Only after on_idle, or before anything was started. */
void engine_destroy(struct engine *engine);

/* What to run. The descriptors stay the caller's and are needed only during the call. */
struct run_request {
        const struct message_run_start *start;
        const char *arguments; /* each with its NUL */
        size_t arguments_size;
        int workspace;            /* the directory that becomes /home/<folder> */
        int shared[SHARED_TREES]; /* directories, or -1 */
        int source;               /* a regular file, or -1 for a prompt alone */
        /* What lies under start->environment (environment_open); NULL and -1: nothing, and the plain one serves. */
        const struct environment_description *environment;
        int environment_folder;
};

/* Begins a run; it starts as soon as a parked one is there, mostly at once. Refuses with -EBUSY past the account's
 * number of runs, with a sentence for the person in `error`. */
int engine_start(struct engine *engine, const struct run_request *request, struct run **ret_run,
                 struct error *error) must_check;

/* Where there is no engine (NULL) there are no runs. */
/* So many people may press Run in one moment, in classes of an environment ("": the plain one). */
void engine_expect(struct engine *engine, const char *environment, size_t people);

/* What has happened since the engine was made; counted by itself, read by whoever tells it. */
struct engine_counters {
        uint64_t started;               /* runs that were given a program */
        uint64_t ended[RUN_REASONS];    /* of those */
        uint64_t zygotes;               /* that were started */
        uint64_t refused[CALL_NUMBERS]; /* system calls, of parked programs too */
        struct histogram start;         /* microseconds from the request to the program's first line */
};
/* And as it is now. */
struct engine_gauges {
        uint64_t live, parked; /* runs; the parked that are ready */
};
const struct engine_counters *engine_counters(const struct engine *engine);
struct engine_gauges engine_gauges(const struct engine *engine);
extern const char *const run_reason_names[RUN_REASONS];

struct run *engine_find(struct engine *engine, uint64_t id); /* NULL: none of that number is kept */
void engine_each(struct engine *engine, void (*function)(void *context, struct run *run),
                 void *context); /* not the parked */

/* Starts the zygote of an environment's folder (or, -1, of none) by itself, and sees whether it imports all. Blocks, at
 * most environment_patience. For a process that has entered the supervisor's namespaces, without an engine. */
struct environment_trial {
        bool works;
        uint64_t milliseconds, bytes;
        char module[MODULE_BYTES]; /* where it does not work: the one that does not, or "" */
        char why[SENTENCE_BYTES];
};
int environment_try(const struct engine_options *engine, int folder, const char *imports,
                    struct environment_trial *ret_trial, struct error *error) must_check;

/* One run. All of these are harmless in every state. */
uint64_t run_id(const struct run *run);
void run_describe(const struct run *run, struct message_run_state *ret_state);
void run_stop(struct run *run); /* interrupt, then kill; a second time, or at the prompt: kill */
void run_end(struct run *run, enum run_reason reason);
void run_close(struct run *run); /* ends it and forgets its terminal */
void run_input(struct run *run, const void *bytes, size_t size);
void run_resize(struct run *run, uint16_t columns, uint16_t rows);
void run_usage(struct run *run, const struct file_usage *usage); /* NULL: it could not be measured */

/* A viewer takes a run's output from an offset on, at its own pace. `output` returns false to be asked again by
 * viewer_wake(). */
struct viewer_functions {
        bool (*output)(void *context, struct viewer *viewer, uint64_t offset, const void *bytes, size_t size);
        void (*skipped)(void *context, struct viewer *viewer, uint64_t from, uint64_t to);
        void *context;
};
/* `ret_from`: where its output will begin, at or after `from`. */
struct viewer *viewer_attach(struct run *run, uint64_t number, uint64_t from, const struct viewer_functions *functions,
                             uint64_t *ret_from);
struct viewer *viewer_find(struct run *run, uint64_t number);
struct run *viewer_run(const struct viewer *viewer);
uint64_t viewer_number(const struct viewer *viewer);
void viewer_acknowledge(struct viewer *viewer, uint64_t offset);
void viewer_wake(struct viewer *viewer);
void viewer_detach(struct viewer *viewer);

/* supervisor.c: the process. Returns when the monitor says so (SIGTERM, or its channel closes) and every run has ended.
 */
struct supervisor_options {
        struct engine_options engine; /* its callbacks are the supervisor's own */
        int monitor;                  /* a channel's descriptor; taken over */
        const char *data;       /* path of the data directory, opened once the process is in its own mount namespace */
        bool network;           /* classes may reach the hosts of their lists */
        uint64_t missing_walls; /* bits of enum wall: named by the operator as not required */
};
int supervisor_run(const struct supervisor_options *options, struct error *error) must_check;
