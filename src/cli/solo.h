/*
 * solo: one program by itself, behind exactly the walls that a class's programs have: an engine with one run, its
 * output handed on, until all of it has ended. For `carrel sandbox` and `carrel doctor`; the process has entered the
 * supervisor's namespaces before.
 */
#pragma once

#include "cli.h"
#include "../base/loop.h"
#include "../run/run.h"

enum { SOLO_ACCOUNT = 1000 }; /* the inside number that it runs as */

#define SOLO_FOLDER "student"

struct solo_options {
        struct sandbox_host host;
        struct run_limits limits;
        const char *name;      /* of the program's text: "x.py" */
        int workspace, source; /* stay the caller's; needed during solo_start() */
        char **arguments;
        int argument_count;
        uint16_t columns, rows;
        bool interactive, plain_terminal;
        const char *network; /* the hosts that it may reach, by a gate: */
        int gate;            /* its channel; taken over. Needed where there is a list */
        size_t scrollback;
        uint64_t patience; /* milliseconds, then it is killed; 0: for ever */
        /* All may be NULL. `running`: its text has begun. */
        void (*output)(void *context, const void *bytes, size_t size);
        void (*running)(void *context);
        void *context;
};

struct solo {
        struct solo_options options;
        struct loop *loop;
        struct engine *engine;
        struct run *run;
        struct viewer *viewer;
        struct timer *patience;
        uint64_t shown;
        bool begun, ended, stopping, acknowledging;
        struct message_run_state outcome; /* after solo_wait() */
};

/* Makes the loop, the engine and the run. Also on failure, solo_finish() gives back what there is. */
int solo_start(struct solo *solo, const struct solo_options *options, struct error *error) must_check;
/* Runs the loop until the run has ended, all its output was handed on and nothing of it is left. */
int solo_wait(struct solo *solo, struct error *error) must_check;
void solo_finish(struct solo *solo); /* a zeroed one is fine */

/* A program's home for one run: a new folder that belongs to its user, and is to be removed afterwards. */
int solo_make_workspace(const struct sandbox_host *host, char ret_path[static PATH_MAX],
                        struct error *error) must_check;
void solo_remove_workspace(const char *path); /* "" is fine */
