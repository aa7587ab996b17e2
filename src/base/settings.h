/*
 * settings: what an operator may choose, in one table.
 *
 * A value comes from the last of these that gives one: the table's default, the file (--config FILE, else
 * /etc/carrel/carrel.conf where that exists), the command line (--name value or --name=value). The file has a line
 * `name = value` a setting, and comments after #. An unknown name or a value that does not fit is an error at the
 * start, naming file and line, never a guess.
 *
 * Bytes are written with B, KB, MB or GB (of 1024), durations with ms, s, min, h or d. Read-only after loading, so any
 * thread may read.
 */
#pragma once

#include "base.h"

#define SETTINGS_FILE "/etc/carrel/carrel.conf"

/* field, name, kind, default, range, explanation. The range is "low..high" in the setting's own unit (for TEXT,
 * LIST and SECRET: of its length in bytes), or a choice's words, whose order is its enum's. clang-format off: a table
 * is to be read as one. */
/* clang-format off */
#define SETTINGS_TABLE(X) \
        X(listen, "listen", TEXT, "127.0.0.1:8700", "1..255", \
          "address and port to listen on, as ADDRESS:PORT") \
        X(data, "data", TEXT, "./var", "1..1000", \
          "the data directory: the database and everybody's files") \
        X(log_level, "log.level", CHOICE, "info", "debug|info|warning|error", \
          "the least that is logged") \
        X(web_connections, "web.connections", NUMBER, "2000", "10..1000000", \
          "connections at once") \
        X(web_connections_address, "web.connections-address", NUMBER, "1000", "1..1000000", \
          "connections at once from one address (a school may sit behind one)") \
        X(uid_base, "uid.base", NUMBER, "200000", "65536..4294000000", \
          "started by root: first of the 65536 user numbers that programs and files get") \
        X(uid_service, "uid.service", NUMBER, "199999", "1..4294000000", \
          "started by root: the web server's own user number") \
        X(limits_cpu, "limits.cpu", DURATION, "30s", "100ms..1d", \
          "processor time of a program between two inputs") \
        X(limits_memory, "limits.memory", BYTES, "512MB", "32MB..1024GB", \
          "memory of a program, with all its processes") \
        X(limits_processes, "limits.processes", NUMBER, "64", "2..100000", \
          "processes and threads of a program") \
        X(limits_file, "limits.file", BYTES, "64MB", "64KB..1024GB", \
          "size of a file that a program writes") \
        X(limits_output, "limits.output", BYTES, "1GB", "0B..1048576GB", \
          "what a program prints in all; 0B: any number of bytes") \
        X(limits_workspace, "limits.workspace", BYTES, "1GB", "0B..1048576GB", \
          "what one person's folder in a class holds; 0B: any number of bytes") \
        X(limits_workspace_files, "limits.workspace-files", NUMBER, "10000", "0..100000000", \
          "files and folders in one person's folder in a class; 0: any number") \
        X(trash_days, "trash.days", NUMBER, "30", "1..3650", \
          "how long what was deleted can be restored, where its room is not needed before") \
        X(history_days, "history.days", NUMBER, "365", "0..36500", \
          "how long the past of a file is kept that nobody types into; 0: for ever") \
        X(limits_open_files, "limits.open-files", NUMBER, "256", "32..100000", \
          "files that a program has open at once") \
        X(limits_idle, "limits.idle", DURATION, "10min", "0s..30d", \
          "how long a program waits for a line that nobody types; 0s: for ever") \
        X(limits_runs, "limits.runs", NUMBER, "3", "1..1000", \
          "programs that one account runs at once") \
        X(limits_cpu_weight, "limits.cpu-weight", NUMBER, "100", "1..10000", \
          "a program's share of the processor against others', of 100") \
        X(memory_reserve, "memory.reserve", BYTES, "256MB", "0B..1048576GB", \
          "where less memory than this is free, idle programs are ended, the longest idle first; 0B: never") \
        X(memory_idle, "memory.idle", DURATION, "2min", "1s..30d", \
          "how long nothing has happened in a program that may be ended for that") \
        X(repl_after, "repl.after", CHOICE, "always", "never|always|not-after-errors", \
          "whether a script that is over leaves its interpreter for questions") \
        X(pool_size, "pool.size", NUMBER, "8", "0..1000", \
          "sandboxes kept ready, at least; more where more people have a page open") \
        X(pool_maximum, "pool.maximum", NUMBER, "300", "0..2000", \
          "sandboxes kept ready, at most (each takes some 4 MB)") \
        X(pool_generation, "pool.generation", NUMBER, "5000", "10..1000000", \
          "sandboxes after which the interpreter that they are copies of is replaced (it is every four hours besides)") \
        X(scrollback, "scrollback", BYTES, "1MB", "4KB..1GB", \
          "output of a run that is kept for those who come later") \
        X(python_imports, "python.imports", LIST, "numpy,pandas,matplotlib.pyplot", "0..1000", \
          "modules that are imported ahead, where they are installed") \
        X(environments_running, "environments.running", NUMBER, "4", "0..64", \
          "Python environments, beside the plain one, whose interpreters are kept at the same time") \
        X(environments_idle, "environments.idle", DURATION, "10min", "100ms..30d", \
          "how long one is kept after a program was last started in it") \
        X(environments_patience, "environments.patience", DURATION, "30s", "100ms..1h", \
          "how long the modules that an environment imports ahead may take") \
        X(environments_memory, "environments.memory", BYTES, "1GB", "32MB..1024GB", \
          "how much memory they may") \
        X(password_memory, "password.memory", BYTES, "19MB", "1MB..4GB", \
          "memory of one password check (Argon2id)") \
        X(password_passes, "password.passes", NUMBER, "2", "1..100", \
          "passes of one password check (Argon2id)") \
        X(session_idle, "session.idle", DURATION, "14d", "1min..3650d", \
          "how long one stays signed in without coming back") \
        X(session_longest, "session.longest", DURATION, "90d", "1min..3650d", \
          "how long one stays signed in at all") \
        X(network_allowed, "network.allowed", CHOICE, "no", "no|yes", \
          "whether a class may be given hosts that its programs reach (`carrel class set SLUG network=…`)") \
        X(walls_missing, "walls.missing", LIST, "", "0..1000", \
          "names of walls (see `carrel doctor`) that may be missing") \
        X(metrics_token, "metrics.token", SECRET, "", "0..256", \
          "the word that whoever reads /metrics must bring, 16 characters at least; none: nobody reads it")
/* clang-format on */

/* The choices' numbers; log.level is an enum log_level. */
enum repl_after { REPL_NEVER, REPL_ALWAYS, REPL_NOT_AFTER_ERRORS }; /* also in message_run_start */

/* The C type of a field: numbers, bytes, milliseconds and choices are uint64_t. */
#define SETTING_TYPE_TEXT const char *
#define SETTING_TYPE_LIST const char *
#define SETTING_TYPE_SECRET const char *
#define SETTING_TYPE_NUMBER uint64_t
#define SETTING_TYPE_BYTES uint64_t
#define SETTING_TYPE_DURATION uint64_t
#define SETTING_TYPE_CHOICE uint64_t

enum setting {
#define X(field, name, kind, initial, range, explanation) SETTING_##field,
        SETTINGS_TABLE(X)
#undef X
                SETTINGS
};

/* Read the fields: settings.limits_memory (bytes), settings.session_idle (milliseconds), settings.data … */
struct settings {
#define X(field, name, kind, initial, range, explanation) SETTING_TYPE_##kind field;
        SETTINGS_TABLE(X)
#undef X
        char *texts[SETTINGS];   /* each value as it was written; what text fields point to */
        char *sources[SETTINGS]; /* "default", "FILE:LINE" or "command line" */
};

enum settings_flags {
        SETTINGS_STRICT = 0,
        SETTINGS_LEAVE_REST = 1, /* leave words that are no setting for the caller */
        SETTINGS_NO_FILE = 2,    /* the command line alone: for children, given settings_arguments() */
};

/* Loads all. Takes the words that it understands out of argv (argv[0] stays; *argc is lowered); without
 * SETTINGS_LEAVE_REST any word that remains is an error. After "--" nothing is looked at. -EINVAL with the place and
 * what would be right. Give back with settings_finish(). */
int settings_load(struct settings *ret_settings, int *argc, char **argv, unsigned flags,
                  struct error *error) must_check;
void settings_finish(struct settings *settings); /* a zeroed one is fine */
#define settings_scoped cleanup(settings_finish) struct settings

/* All that differs from the defaults and is no secret, as "--name=value", NULL-terminated, for a child's argv. The
 * array and its strings are one allocation: free() it. `ret_count` may be NULL. */
char **settings_arguments(const struct settings *settings, size_t *ret_count);

/* Its value as it was written; of a secret only that there is one. */
const char *setting_text(const struct settings *settings, enum setting setting);
/* What the table says of one. */
const char *setting_name(enum setting setting);
const char *setting_range(enum setting setting); /* "" for a text */
const char *setting_explanation(enum setting setting);

/* Checks a text against one setting that is no text: -ENOENT there is no such setting, -EINVAL it does not fit (the
 * error says what would). */
int settings_parse(const char *name, const char *text, uint64_t *ret_value, struct error *error) must_check;

/* The text of a value, in the largest unit that divides it: settings_parse() the other way. */
enum { SETTING_TEXT_BYTES = 32 };
void settings_format(const char *name, uint64_t value, char ret_text[SETTING_TEXT_BYTES]);

/* True where `word` is among the comma-separated words of a LIST. */
bool settings_list_has(const char *list, const char *word);
