/* What the files of this room share. */
#pragma once

#include "run.h"
#include "scrollback.h"
#include "../base/buffer.h"
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
        LIST_ENTRY(run) place;  /* in the engine's list of the parked, the live or the ended */
        LIST_ENTRY(run) bucket; /* by id, once it has one */
        uint64_t id;            /* 0 while it is nobody's */
        enum run_state state;
        enum run_reason reason; /* set once, by the first run_end(); state ENDED follows when all is given back */

        /* The sandbox. What is held, in the order in which it is got; release() gives it back in the reverse. */
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

struct zygote {
        struct engine *engine;
        int32_t pid;
        struct channel *channel;
        bool ready;
};

struct dying_zygote {
        int32_t pid;
        struct dying_zygote *next;
};

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

struct engine {
        struct loop *loop;
        struct engine_options options;
        char *imports;
        struct groups *groups;
        bool stopping;

        /* The zygote */
        struct zygote zygotes[2], *zygote; /* this one, and a successor for a while */
        bool zygote_ready;
        uint64_t forks, generation_end; /* of the youngest */
        struct timer *generation_timer;
        unsigned zygote_failures;           /* in a row, before it was ever ready */
        struct timer *zygote_timer;         /* to start one anew; or while one starts, to give it up */
        struct dying_zygote *dying_zygotes; /* killed, not yet gone */

        /* Runs: each is in exactly one list. */
        struct pool_state pool;           /* nobody's yet */
        struct runs live;                 /* somebody's, until all is given back */
        struct runs ended;                /* only their terminal is left */
        struct runs buckets[RUN_BUCKETS]; /* the live and the ended, by id */
        struct run_limits usual_limits;   /* of the program that was started last; memory 0: none was yet */
        uint64_t next_id;
        struct engine_counters counters;
        struct timer *group_timer;
        struct dying_group *dying_groups;
};

/* run.c */
struct run *run_create(struct engine *engine);
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

/* pool.c */
void pool_init(struct engine *engine);
void pool_finish(struct engine *engine);
struct run *pool_take(struct engine *engine); /* parked, or new and still to be */
void pool_remove(struct run *run);            /* a parked one that has ended */
void pool_refill(struct engine *engine, uint64_t delay);

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
void engine_forked(struct engine *engine);       /* one sandbox more */
void engine_zygote_hangs(struct engine *engine); /* it does not answer: it is replaced */
void engine_forget(struct run *run);
void on_forget(void *context); /* a run */
