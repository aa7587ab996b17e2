/*
 * subcommand: what `carrel user` and `carrel class` share: a table of verbs, their help, and the way to the database.
 */
#pragma once

#include "cli.h"
#include "../base/rights.h"
#include "../course/course.h"

struct command_context {
        struct settings settings;
        struct rights rights; /* while the store is open: its owner's */
        struct store *store;
};

/* argv[0] is the verb; words that are settings have been taken out. */
typedef int subcommand_function(struct command_context *context, int argc, char **argv);

struct subcommand {
        const char *name;
        subcommand_function *function;
        const char *arguments;
        const char *explanation; /* a line or more, each indented by the one who prints */
};

/* Loads the settings, finds the verb in argv[1] and runs it; answers --help. `table` ends with a NULL name. */
int run_subcommand(const struct subcommand *table, int argc, char **argv);

/* Opens the database of the data directory, as its owner; DATABASE_MAKE makes what is missing. The context's end
 * closes it. */
enum database_use { DATABASE_MUST_EXIST, DATABASE_MAKE };
int context_open(struct command_context *context, enum database_use use, struct error *error) must_check;
/* Closes the store, then gives back the rights and the settings; a zeroed one is fine. */
void context_finish(struct command_context *context);

/* Says what is wrong with an option that getopt_long() (with ":" first) did not take, and returns EXIT_USAGE. */
int refuse_option(int answer, char **argv);

/* The failure path of every verb: tells the error and returns EXIT_FAILED. */
int fail(const struct error *error);

/* Pads by characters, which is right for most scripts. */
void print_column(const char *text, int width);
