/*
 * Every message between Carrel's processes, declared once.
 *
 *   monitor ⇄ supervisor     the monitor hands over each new web server's end
 *   monitor ⇄ web            the web server asks for workspace workers
 *   web     ⇄ supervisor     runs: start, output, input, stop
 *   web     ⇄ worker         files, with the owner's rights alone
 *   supervisor ⇄ zygote      "park one more"
 *   supervisor ⇄ keeper      a sandbox's PID 1: "parked", "the program ended with …"
 *   supervisor → program     what to run, once
 *   supervisor → gate        the sockets behind which a class's hosts are, once
 *
 * Both ends are always of one build (one binary, re-executed a role), so structures travel as they lie in memory.
 * Text fields are NUL-terminated within their array; receivers check that (message_text_ok). `tag` returns in the
 * answer.
 */
#pragma once

#include "../base/hosts.h"

#include <stdbool.h>
#include <stdint.h>

enum {
        NAME_BYTES = 256,  /* a file's or folder's name (NAME_MAX and the NUL) */
        PATH_BYTES = 1025, /* a path below a tree: protocol's 1024 and the NUL */
        CLASS_BYTES = 64,
        ENVIRONMENT_BYTES = 32, /* a Python environment's name, with the NUL */
        MODULE_BYTES = 128,     /* a module's dotted name */
        SENTENCE_BYTES = 256,
};

/* Who sends what to whom. clang-format off: a table is to be read as one. */
/* clang-format off */
#define MESSAGE_TABLE(X) \
        /* monitor → supervisor; fd: the supervisor's end */ \
        X(MESSAGE_WEB_CONNECT, message_empty) \
        /* web → monitor */ \
        X(MESSAGE_WORKER_OPEN, message_worker_open) \
        /* monitor → web; fd: the web server's end */ \
        X(MESSAGE_WORKER_OPENED, message_answer) \
        /* supervisor → monitor; fd: the gate's end */ \
        X(MESSAGE_GATE_OPEN, message_empty) \
        /* supervisor → gate; fds: listening sockets, one an endpoint, in their order */ \
        X(MESSAGE_GATE, message_gate) \
        /* any child → monitor: it serves now; program → supervisor: all walls stand; fds: the sockets for a gate */ \
        X(MESSAGE_READY, message_empty) \
        /* web → supervisor; payload: arguments, each with its NUL; fd: the source */ \
        X(MESSAGE_RUN_START, message_run_start) \
        /* web server → supervisor: how many pages are open in classes of an environment */ \
        X(MESSAGE_AUDIENCE, message_audience) \
        X(MESSAGE_RUN_STOP, message_run) \
        X(MESSAGE_RUN_CLOSE, message_run) \
        X(MESSAGE_RUN_RESIZE, message_run_resize) \
        /* web → supervisor; payload: bytes */ \
        X(MESSAGE_RUN_INPUT, message_run) \
        X(MESSAGE_RUN_ATTACH, message_run_attach) \
        /* run 0: all of this viewer's */ \
        X(MESSAGE_RUN_DETACH, message_run_attach) \
        /* offset: shown up to here */ \
        X(MESSAGE_RUN_ACKNOWLEDGE, message_run_attach) \
        /* supervisor → web */ \
        X(MESSAGE_RUN_STARTED, message_run_started) \
        /* offset: where it will begin */ \
        X(MESSAGE_RUN_ATTACHED, message_run_attach) \
        /* offset of the first byte; payload: bytes */ \
        X(MESSAGE_RUN_OUTPUT, message_run_attach) \
        X(MESSAGE_RUN_SKIPPED, message_run_skipped) \
        /* for each run when the web server connects, then on change */ \
        X(MESSAGE_RUN_STATE, message_run_state) \
        /* no longer kept */ \
        X(MESSAGE_RUN_GONE, message_run) \
        /* all that are kept have been told */ \
        X(MESSAGE_RUNS_TOLD, message_empty) \
        /* supervisor → web: how full is this run's home? */ \
        X(MESSAGE_RUN_MEASURE, message_run_measure) \
        /* web → supervisor */ \
        X(MESSAGE_RUN_USAGE, message_run_usage) \
        /* web → supervisor: what have you counted? */ \
        X(MESSAGE_METRICS, message_empty) \
        /* supervisor → web; payload: text, see metrics.h */ \
        X(MESSAGE_METRICS_TOLD, message_empty) \
        /* web → worker */ \
        X(MESSAGE_FILE, message_file) \
        /* worker → web; payload and fd by operation */ \
        X(MESSAGE_FILE_DONE, message_file_done) \
        /* worker → web: a folder that was listed has changed; payload: names in it, joined by NUL; none: any */ \
        X(MESSAGE_FILE_NOTICED, message_file_noticed) \
        /* supervisor → zygote; fds: the keeper's end, the program's end, then cgroup.procs files */ \
        X(MESSAGE_PARK, message_park) \
        /* zygote → supervisor: about to import a module, or it could not */ \
        X(MESSAGE_IMPORT, message_import) \
        /* zygote → supervisor; fd: the keeper's pidfd */ \
        X(MESSAGE_FORKED, message_forked) \
        /* keeper → supervisor; fd: the terminal's master */ \
        X(MESSAGE_PARKED, message_parked) \
        /* supervisor → program; payload: arguments; fds: workspace mount, shared mounts, source */ \
        X(MESSAGE_PROGRAM, message_program) \
        /* program → keeper, while parked; fd: where the system calls that it is refused wait for their answer */ \
        X(MESSAGE_LISTENER, message_empty) \
        /* keeper → supervisor: those since the last such message */ \
        X(MESSAGE_REFUSED, message_refused) \
        /* keeper → supervisor */ \
        X(MESSAGE_PROGRAM_ENDED, message_program_ended)
/* clang-format on */

enum message_type {
#define X(type, structure) type,
        MESSAGE_TABLE(X)
#undef X
                MESSAGE_TYPES
};

#define MESSAGE_BIT(type) (UINT64_C(1) << (type))

struct message_empty {
        uint8_t unused;
};

/* Which tree of a class: whose uid owns it, and its folder. */
enum tree_kind { TREE_PERSONAL /* Local/<folder> */, TREE_SHARED /* Lecture Notes, Assignments, Tests */, TREE_KINDS };

struct message_worker_open {
        uint64_t tag;
        char class_slug[CLASS_BYTES];
        uint32_t tree;           /* enum tree_kind */
        uint32_t uid;            /* inside number: the account's or the class's, see docs/architecture.md */
        char folder[NAME_BYTES]; /* for TREE_PERSONAL */
};

struct message_answer {
        uint64_t tag;
        int32_t result; /* 0 or -errno */
        char text[SENTENCE_BYTES];
};

/* What a tree holds, or may hold. Bytes on the disk, hidden files and folders counted. */
struct file_usage {
        uint64_t bytes;
        uint64_t files; /* and folders, links … */
};

struct run_limits {
        uint64_t memory_bytes;
        uint64_t file_bytes;
        uint64_t output_bytes;       /* printed in all; 0: any number */
        struct file_usage workspace; /* of the account's tree; 0: any number */
        uint32_t processes;
        uint32_t open_files;
        uint32_t cpu_milliseconds;  /* between inputs; waiting is free */
        uint32_t idle_milliseconds; /* of a REPL or a waiting program nobody types to; 0: never */
        uint32_t runs;              /* at once an account */
        uint32_t cpu_weight;        /* of 100 */
};

struct message_run_start {
        uint64_t tag;
        uint64_t viewer; /* attached from offset 0; 0: nobody */
        char class_slug[CLASS_BYTES];
        char folder[NAME_BYTES];             /* the account's folder below Local, and its name inside */
        uint32_t uid;                        /* the account's inside number */
        uint32_t account;                    /* told back in message_run_state */
        char environment[ENVIRONMENT_BYTES]; /* whose Python; "": the plain one */
        char path[PATH_BYTES];               /* in the class's tree ("Local/ada/x.py"), "" for a REPL alone */
        uint16_t columns, rows;
        uint16_t argument_count;
        uint8_t repl_after; /* 0 never, 1 always, 2 not after an error */
        struct run_limits limits;
        char network[HOSTS_TEXT_BYTES]; /* hosts that it may reach; "": none */
};

struct message_run_started {
        uint64_t tag;
        uint64_t run; /* 0: refused */
        int32_t result;
        char text[SENTENCE_BYTES];
};

struct message_run {
        uint64_t run;
};

struct message_audience {
        uint64_t pages;
        char environment[ENVIRONMENT_BYTES]; /* "": the plain one */
};

struct message_run_measure {
        uint64_t run;
        uint32_t uid; /* the tree's owner's inside number */
        char class_slug[CLASS_BYTES];
        char folder[NAME_BYTES];
};

struct message_run_usage {
        uint64_t run;
        int32_t result; /* 0 or -errno: it could not be measured */
        struct file_usage usage;
};

struct message_run_resize {
        uint64_t run;
        uint16_t columns, rows;
};

struct message_run_attach {
        uint64_t run;
        uint64_t viewer; /* chosen by the web server, one a socket; never 0 */
        uint64_t offset;
};

struct message_run_skipped {
        uint64_t run, viewer, from, to;
};

enum run_state { RUN_PARKED, RUN_STARTING, RUN_RUNNING, RUN_WAITING, RUN_REPL, RUN_ENDED, RUN_STATES };

enum run_reason {
        REASON_NONE,
        REASON_FINISHED,
        REASON_STOPPED,
        REASON_KILLED,
        REASON_CLOSED,
        REASON_CPU_LIMIT,
        REASON_MEMORY_LIMIT,
        REASON_OUTPUT_LIMIT,
        REASON_FILE_LIMIT,
        REASON_WORKSPACE_LIMIT,
        REASON_IDLE,
        REASON_SHUTDOWN,
        REASON_FAILED,
        RUN_REASONS
};

struct message_run_state {
        uint64_t run;
        uint32_t account;
        uint32_t state;         /* enum run_state */
        uint32_t reason;        /* enum run_reason, of an ended one */
        int32_t exit;           /* -1: not by exit */
        int32_t signal;         /* 0: not by a signal */
        int64_t started, ended; /* wall, milliseconds */
        uint64_t first, next;   /* what the scrollback holds */
        uint16_t columns, rows;
        char class_slug[CLASS_BYTES];
        char folder[NAME_BYTES];
        char path[PATH_BYTES];
        char explanation[SENTENCE_BYTES];
};

/* Files. One operation a message; a worker knows one tree and takes paths relative to its root ("" is the root). */
enum file_operation {
        FILE_LIST,  /* payload of the answer: struct file_entry records */
        FILE_OPEN,  /* answer's fd: open for reading, a regular file */
        FILE_WRITE, /* request's fd: the new content, read to its end (at most `size` bytes); whole or not at all */
        FILE_MAKE_FOLDER,
        FILE_MOVE,   /* to `other`, never over anything */
        FILE_DELETE, /* recursively */
        FILE_USAGE,  /* the answer's `usage`, of the whole tree */
        FILE_TRASH,  /* to the trash; the answer's `trash` names it there */
        /* Of the trash of the tree's part in which the path lies; `other` is what FILE_TRASH named. */
        FILE_TRASH_LIST,    /* payload of the answer: struct file_entry records, whose names are "ID/PATH" */
        FILE_TRASH_RESTORE, /* payload of the answer: where it is now */
        FILE_TRASH_DELETE,  /* for good; without `other`: all */
        FILE_OPERATIONS
};

enum file_condition {
        FILE_IF_ABSENT,  /* else -EEXIST */
        FILE_IF_VERSION, /* else -ESTALE */
        FILE_ALWAYS,
};

/* Names the content of a file at one moment: any change through Carrel makes a new inode, any other changes size or
 * ctime. */
struct file_version {
        uint64_t inode, size, seconds;
        uint32_t nanoseconds;
        uint32_t unused;
};

struct message_file {
        uint64_t tag;
        uint32_t operation; /* enum file_operation */
        uint32_t condition; /* enum file_condition, of FILE_WRITE */
        uint32_t followed; /* of FILE_LIST, FILE_OPEN: changes in this folder, in the file's, are to be told from now on
                            */
        uint32_t unused;
        uint64_t size; /* of FILE_WRITE: no more than this */
        struct file_version version;
        struct file_usage quota; /* of FILE_WRITE, FILE_MAKE_FOLDER: what the tree may hold afterwards; 0: any number */
        char path[PATH_BYTES];
};

/* FILE_MOVE's second path does not fit beside the first: it is the payload. */

enum { TRASH_ID_BYTES = 28 }; /* 27 characters that only the worker reads, and the NUL */

struct message_file_done {
        uint64_t tag;
        int32_t result;              /* 0 or -errno */
        uint32_t more;               /* of FILE_LIST: further answers with this tag follow */
        uint64_t entries_left_out;   /* of FILE_LIST: more than the server lists */
        struct file_version version; /* of FILE_OPEN, FILE_WRITE */
        struct file_usage usage;     /* of FILE_USAGE; and where `over_quota` */
        struct file_usage trashed;   /* of FILE_USAGE: how much of it lies in the trash */
        uint32_t over_quota;         /* result is -EDQUOT for what the request called its quota, not the disk's */
        char trash[TRASH_ID_BYTES];  /* of FILE_TRASH */
};

struct message_file_noticed {
        char path[PATH_BYTES]; /* of the folder */
};

enum file_kind { FILE_KIND_FOLDER, FILE_KIND_FILE, FILE_KIND_LINK, FILE_KIND_OTHER };

struct file_entry { /* followed by `name_size` bytes of name, then padding to 8 */
        uint64_t size;
        int64_t modified; /* milliseconds, wall */
        uint32_t kind;    /* enum file_kind */
        uint32_t name_size;
};

/* Sandboxes */

struct message_park {
        uint64_t tag;
        uint32_t control_groups; /* how many of the descriptors are cgroup.procs files to join */
};

struct message_import {
        uint8_t failed; /* it raised an exception: `text` */
        char module[MODULE_BYTES];
        char text[SENTENCE_BYTES];
};

struct message_forked {
        uint64_t tag;
        int32_t pid;    /* the keeper's, in the host's PID namespace */
        int32_t result; /* 0 or -errno, then no descriptor */
};

struct message_parked {
        int32_t result;
        int32_t program;           /* its PID as its own world counts */
        char text[SENTENCE_BYTES]; /* where it failed */
};

struct message_program {
        char folder[NAME_BYTES];
        char path[PATH_BYTES]; /* the script below /home, "" for a REPL alone */
        uint32_t uid;          /* inside */
        uint32_t shared;       /* bits: which of the shared trees' mounts are among the descriptors */
        uint16_t argument_count;
        uint8_t repl_after;
        uint8_t has_source;
        struct run_limits limits;
        char network[HOSTS_TEXT_BYTES];
};

struct message_gate {
        uint64_t run;
        char hosts[HOSTS_TEXT_BYTES];
};

struct message_program_ended {
        int32_t exit;              /* -1: not by exit */
        int32_t signal;            /* 0: not by a signal */
        uint64_t cpu_milliseconds; /* of it and all its waited-for children */
        uint64_t peak_bytes;       /* resident, the largest single process */
};

/* System calls by their numbers; beyond all that there are, so that a program cannot make the table grow. The last is
 * for every number that is none. */
enum { CALL_NUMBERS = 512 };
struct message_refused {
        uint32_t times[CALL_NUMBERS];
};

/* True where the text ends within its array. */
#define message_text_ok(array) (memchr((array), 0, sizeof(array)) != NULL)
