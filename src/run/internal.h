/* What the files of this room share. */
#pragma once

#include "run.h"
#include "scrollback.h"
#include "../base/buffer.h"
#include "../environment/environment.h"
#include "../ipc/ipc.h"

#include <sys/queue.h>

struct viewer {
        struct run *run;
        struct viewer *next;
        uint64_t number;
        uint64_t sent, acknowledged; /* offsets; acknowledged ≤ sent ≤ the scrollback's next */
        struct viewer_functions functions;
};

/* What a run is to be given once it is parked. */
struct delivery {
        struct message_program program;
        char *arguments;
        size_t arguments_size;
        int fds[IPC_DESCRIPTORS_MAXIMUM]; /* mounts and source, in MESSAGE_PROGRAM's order */
        size_t fd_count;
};

struct run {
        struct engine *engine;
        struct environment *environment; /* whose zygote it is or will be of; NULL once its program was delivered */
        LIST_ENTRY(run) place;           /* in the engine's list of the parked, the live or the ended */
        LIST_ENTRY(run) bucket;          /* by id, once it has one */
        uint64_t id;                     /* 0 while it is nobody's */
        enum run_state state;
        enum run_reason reason; /* set once, by the first run_end(); state ENDED follows when all is given back */

        /* The sandbox. What is held, in the order in which it is got; release() gives it back in the reverse. */
        int environment_folder; /* of its packages, which stay while it is held; -1: it has none */
        struct group *group;
        struct channel *keeper;
        int program; /* the channel's end to PID 2, for one message there and one back */
        struct watch *program_watch;
        int pidfd; /* of PID 1 */
        struct watch *pidfd_watch;
        int32_t keeper_pid, program_pid; /* in the host's numbers; 0: not known (yet) */
        int master;
        struct watch *master_watch;
        int hints;
        struct watch *hints_watch;
        bool forking;  /* the zygote was asked for a keeper and has not answered */
        bool parked;   /* the world is made, the program waits */
        bool unwanted; /* its terminal was closed: nothing of it is kept once it has ended */
        struct delivery *delivery;
        char *network;        /* the hosts that its class may reach; NULL: none */
        struct channel *gate; /* to the process that leads there */
        bool gate_ready;

        /* The terminal */
        struct scrollback scrollback;
        struct buffer input;
        struct viewer *viewers;
        bool hung_up; /* nobody inside has the terminal open */
        uint16_t columns, rows;

        /* Time */
        struct timer *sample_timer, *idle_timer, *stop_timer, *forget_timer;
        struct timer *park_timer;        /* while it gets its sandbox */
        uint64_t sample_period;          /* milliseconds; grows while nothing happens */
        uint64_t cpu_seen, cpu_at_input; /* milliseconds */
        uint64_t asked_at;               /* microseconds: when its program was asked for */
        bool idle_warned;
        uint64_t active_at;    /* when something was typed, printed or computed last */
        uint64_t scarce_until; /* warned that memory is scarce: then it ends; 0: it is not */

        /* Limits that are counted here */
        bool busy;                  /* computed when it was last looked at: it takes part in its owner's share */
        bool waits;                 /* for its terminal, as it was last looked at: what was typed is answered at once */
        bool told_processes;        /* that one more could not be started */
        bool measuring;             /* what its home holds was asked, and the answer is due */
        bool has_usage, told_usage; /* it was measured once; over the limit, and told */
        uint32_t weight;            /* of its group as last set */
        uint32_t uid;               /* inside number of the owner of its home */
        uint64_t printed;           /* bytes */
        uint64_t measured;          /* when its home was last asked about; 0: never */
        struct file_usage usage_first; /* at its start */

        /* For people */
        struct message_run_state told;
        struct run_limits limits;
};

/* zygote.c: see there. */
struct zygote_options {
        struct loop *loop;
        const struct sandbox_host *host;
        const char *path;          /* of carrel-python */
        int folder;                /* of its environment; -1: no packages of its own */
        uint64_t patience, memory; /* milliseconds, bytes, until it is ready; memory 0: any amount */
};

struct zygote_loss {
        bool was_ready;
        char module[MODULE_BYTES]; /* the one that was being imported; "": none was */
        char why[SENTENCE_BYTES];
};

struct zygote;
struct zygote_functions {
        void (*ready)(void *context, struct zygote *zygote);
        void (*forked)(void *context, struct zygote *zygote, struct message *message);
        void (*not_imported)(void *context, struct zygote *zygote, const struct message_import *import);
        void (*lost)(void *context, struct zygote *zygote, const struct zygote_loss *loss); /* it may be started anew */
};

struct zygote {
        const struct zygote_options *options;
        const struct zygote_functions *functions;
        void *context;
        int32_t pid;  /* 0: there is none */
        int greeting; /* until it has its ids; then its channel */
        struct watch *greeting_watch;
        struct channel *channel;
        bool ready;
        struct timer *look_timer;
        uint64_t started, took, bytes; /* until it was ready: milliseconds, and the most memory that was seen */
        char module[MODULE_BYTES];     /* that it imports, or imported last */
};

void zygote_init(struct zygote *zygote, const struct zygote_options *options, const struct zygote_functions *functions,
                 void *context);
void zygote_finish(struct zygote *zygote);
/* Waits for nothing. After a failure: zygote_give_up(). */
int zygote_start(struct zygote *zygote, const char *imports, struct error *error) must_check;
void zygote_kill(struct zygote *zygote);
void zygote_give_up(struct zygote *zygote, const char *why); /* kills it and calls `lost` */
void zygotes_reap(void);
void zygotes_wait(void);

struct dying_group {
        struct group *group;
        struct dying_group *next;
};

LIST_HEAD(runs, run);
enum { RUN_BUCKETS = 1024 };

/* See pool.c. Times are milliseconds, monotonic. */
struct pool_state {
        struct runs parked; /* ready, or getting ready */
        size_t count;
        struct timer *timer;
        size_t audience; /* people who have a page open */
        size_t burst;    /* starts since the last quiet moment */
        uint64_t last_start;
        size_t peak; /* the greatest demand of one moment, believed in until … */
        uint64_t peak_until;
};

/* environment.c: see there. */
struct environment {
        struct engine *engine;
        LIST_ENTRY(environment) place;
        char name[ENVIRONMENT_BYTES];
        int64_t made; /* of the folder that it has, or had last: another one is a change */
        char *imports;
        struct zygote_options options;     /* its folder: -1 while it sleeps */
        struct zygote zygotes[2], *zygote; /* this one, and a successor for a while */
        bool ready;
        uint64_t forks, generation_end; /* of the youngest */
        struct timer *generation_timer, *retry_timer, *idle_timer;
        unsigned failures; /* in a row: of the plain one before it was ever ready, of another before it ever forked */
        unsigned breaks;   /* in a row */
        uint64_t broken_until; /* monotonic; until then programs go to the plain one */
        uint64_t used;         /* when a program was last started in it */
        struct pool_state pool;
};
LIST_HEAD(environments, environment);

struct engine {
        struct loop *loop;
        struct engine_options options;
        struct groups *groups;
        bool stopping;
        struct environments environments;
        struct environment *plain; /* the one that always is */

        /* Runs: each is in exactly one list; those that are nobody's yet in their environment's pool. */
        struct runs live;                 /* somebody's, until all is given back */
        struct runs ended;                /* only their terminal is left */
        struct runs buckets[RUN_BUCKETS]; /* the live and the ended, by id */
        struct run_limits usual_limits;   /* of the program that was started last; memory 0: none was yet */
        uint64_t next_id;
        struct engine_counters counters;
        struct timer *group_timer, *scarce_timer;
        struct dying_group *dying_groups;
};

/* run.c */
struct run *run_create(struct environment *environment);
void run_free(struct run *run);
int run_park(struct run *run, struct error *error) must_check; /* asks the zygote for its sandbox */
void run_forked(struct run *run, const struct message_forked *message, int pidfd);
void run_deliver(struct run *run); /* a parked run and a delivery: go */
void run_enter(struct run *run, enum run_state state);
void run_lost_zygote(struct run *run);
bool run_wants_sandbox(const struct run *run); /* it could not be parked yet, the zygote was not there */
void run_hint(struct run *run, char hint);
extern const char *const run_state_names[RUN_STATES];

/* terminal.c */
int terminal_open(struct run *run, int master, struct error *error) must_check;
void terminal_drain(struct run *run); /* at the end: what is still in the kernel */
void terminal_close(struct run *run);
void terminal_say(struct run *run, const char *text); /* a line of Carrel's own, between the program's */
void terminal_retry(struct run *run);                 /* after a hang-up: somebody may have opened it again */
void terminal_set_size(struct run *run);
void terminal_type(struct run *run); /* hands on what was typed */

/* limits.c */
extern const char lost_sight[];             /* a sentence: the server no longer knows what became of a program */
#define OVER(limit) ((limit) + (limit) / 8) /* a home may be so much fuller than it may before a program is ended */
void limits_printed(struct run *run);       /* something was */
void limits_look(struct run *run);          /* what the control group tells */
void limits_measure(struct run *run);
void limits_explain(const struct run *run, char *text, size_t size); /* the sentence for the reason that it ended */

/* network.c */
const char *network_in_the_way(const struct engine *engine);            /* NULL, or why no program reaches any host */
void network_open(struct run *run, const int *listeners, size_t count); /* the sockets stay the caller's */

/* sample.c */
void sample_soon(struct run *run); /* something happened: look again shortly */
void sample_input(struct run *run);
void sample_activity(struct run *run); /* not idle */
void on_sample(void *context);         /* a run */
void on_idle(void *context);           /* a run */

/* environment.c */
int environments_start(struct engine *engine, struct error *error) must_check; /* with the plain one */
void environments_finish(struct engine *engine);
/* The one for a request. Where it is not what was asked for, a sentence for the person says so; else "". */
struct environment *environment_choose(struct engine *engine, const struct run_request *request,
                                       char ret_sentence[static SENTENCE_BYTES]);
struct environment *environment_find(struct engine *engine, const char *name); /* NULL: too many are known */
void environment_forked(struct environment *environment);                      /* one sandbox more */
void environment_hangs(struct environment *environment); /* its zygote does not answer: it is replaced */

/* scarce.c */
loop_function on_scarce;
/* What the kernel could give without paging anything out; 0: it does not say. */
uint64_t available_bytes(void);

/* pool.c */
void pool_init(struct environment *environment);
void pool_finish(struct environment *environment);
void pool_begin(struct environment *environment);       /* its zygote is ready */
void pool_forget(struct environment *environment);      /* it is no longer wanted at all */
struct run *pool_take(struct environment *environment); /* parked, or new and still to be */
void pool_remove(struct run *run);                      /* a parked one that has ended */
void pool_refill(struct environment *environment, uint64_t delay);

/* metrics.c: what the engine counts, for whoever watches the server. */
struct metrics {
        uint64_t counts_refused; /* 1: refused system calls are counted here */
        char *call_names[CALL_NUMBERS];
};
void run_metrics_init(struct metrics *metrics, const struct sandbox_host *host);
void run_metrics_finish(struct metrics *metrics);
void run_metrics_write(const struct metrics *metrics, const struct engine *engine,
                       struct buffer *text); /* NULL: there is no engine */

/* engine.c */
void engine_park(struct engine *engine, struct run *run);
void engine_changed(struct run *run);                        /* tell whoever listens */
void engine_divide(struct engine *engine, uint32_t account); /* an account's share of the processor among its runs */
void engine_run_parked(struct run *run);                     /* it is ready to take a program */
void engine_run_released(struct run *run);                   /* it is ENDED, nothing is held but memory */
void engine_bury_group(struct engine *engine, struct group *group);
void engine_forget(struct run *run);
void on_forget(void *context); /* a run */
