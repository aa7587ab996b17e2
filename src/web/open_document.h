/*
 * One open document, and what documents.c, document_commit.c and document_file.c have in common. Private to these.
 *
 * A document is loading, open, or done for: a loading one answers whoever waits when it is there; an open one lives
 * until DOCUMENT_LINGER after its last viewer left and nothing of it is under way.
 */
#pragma once

#include "documents.h"
#include "workers.h"

#include "../document/document.h"

enum {
        DOCUMENTS_MAXIMUM = 8192,
        DOCUMENTS_A_CLIENT = 128,
        DOCUMENT_RECENT = 64, /* texts of the newest revisions, for runs and for whoever is a little behind */
        DOCUMENT_PUSH_UPDATES = 4096,
        DOCUMENT_QUEUED = 64, /* submissions that wait for a commit */
        DOCUMENT_CONDENSE_EVERY = 256,
        COMMIT_ENTRIES = 1024,
        NOTES_MAXIMUM = 4096,

        WRITE_DELAY = 800, /* milliseconds */
        WRITE_LATEST = 5000,
        WRITE_SPREAD = 3000, /* at most so much earlier than that, each document another time */
        WRITE_RETRY = 5000,
        DOCUMENT_LINGER = 30000,
        RECOVER_AT_ONCE = 256,
};

enum disk_state { DISK_SAVED, DISK_SAVING, DISK_FAILED, DISK_CONFLICT, DISK_DELETED, DISK_STATES };

/* A client that has a document open. */
struct viewer {
        LIST_ENTRY(viewer) of_document, of_client;
        struct document *document;
        struct client *client;
        int64_t session;  /* what other viewers know it by */
        int64_t revision; /* of the cursor; -1: it has told none */
        int64_t anchor, head;
};

/* Updates that are to be stored. */
struct submission {
        STAILQ_ENTRY(submission) link;
        struct request *request; /* NULL: ours, a merge of what was on the disk */
        int64_t revision;        /* that they are on top of */
        json_t *updates;         /* owned; as the protocol has them */
        uint32_t account;
        uint64_t client; /* whose; 0: ours */
        /* A merge's: what the file held, which the document's file is then known to hold. */
        struct text *disk_text;
        struct file_version disk_version;
        struct file_form disk_form;
};
STAILQ_HEAD(submission_list, submission);

/* A request that waits for a document: to be loaded, to have stored what came before, or to be in its file. */
struct waiter {
        STAILQ_ENTRY(waiter) link;
        struct request *request;
        int64_t revision; /* of waiting_written */
        void (*function)(struct document *document, struct request *request, int result);
};
STAILQ_HEAD(waiter_list, waiter);

struct version_text {
        int64_t revision;
        struct text *text; /* owned; NULL: free */
        char *client;      /* owned: of the update that made it; NULL: the text was loaded */
};

/* What is done with the file: one thing at a time. */
enum file_work { WORK_NONE, WORK_LOADING, WORK_LOOKING, WORK_MERGING, WORK_WRITING };

struct document {
        LIST_ENTRY(document) link;
        TAILQ_ENTRY(document) of_pending; /* while it has submissions */
        bool pending;
        struct documents *documents;
        struct classroom *classroom; /* held */
        struct tree tree;
        struct place place;
        char path[PATH_BYTES]; /* of the protocol */
        bool ready;            /* loaded */

        int64_t id;
        int64_t revision;
        struct text *text; /* owned */
        bool journaled;    /* the journal knows it */
        struct version_text recent[DOCUMENT_RECENT];
        unsigned since_condensed;

        LIST_HEAD(, viewer) viewers;
        uint64_t unwatched_at;

        struct submission_list submissions;
        size_t submission_count;
        bool committing;
        struct waiter_list waiting_load, waiting_stored, waiting_written;

        /* The file */
        enum disk_state disk;
        char problem[320];
        int64_t written;           /* revision */
        struct text *written_text; /* owned: what the file held when we saw it last */
        struct file_version version;
        struct file_form form;
        bool absent;         /* there is none: it is to be made anew */
        struct text *theirs; /* owned: in conflict, what the file holds; NULL: no text */
        struct timer *write_timer;
        uint64_t unwritten_since; /* 0: nothing is */

        enum file_work work;
        struct worker *worker;   /* in use for it */
        struct text *write_text; /* owned: what is being written, */
        int64_t write_revision;  /* and its revision */
        bool retried;            /* with another worker */
        bool look_again;         /* when it is over: look at the file, */
        bool write_again;        /* or write it */
};

struct documents {
        struct server *server;
        LIST_HEAD(document_list, document) list;
        size_t count;
        int64_t last_session;
        TAILQ_HEAD(pending_list, document) pending;
        struct commit *commit; /* under way */
        struct note_list {
                struct note *first, **last;
                size_t count;
        } notes;             /* to be stored with the next commit */
        struct timer *retry; /* of a commit that failed */
};

/* documents.c */
/* The document of a path, made and being loaded where nobody has it open; NULL: too many are. */
struct document *document_of(struct documents *documents, struct classroom *classroom, const struct person *who,
                             const char *path);
struct viewer *document_viewer(struct client *client, int64_t id); /* NULL: it has it not open */
struct viewer *document_view(struct document *document, struct client *client);
void document_leave(struct viewer *viewer);
void document_tell(struct document *document, const struct client *except, json_t *event);
json_t *document_state(const struct document *document);
void document_set_disk(struct document *document, enum disk_state disk, const char *problem);
/* 0: it is there; else its waiters are told why not, and it goes. */
void document_loaded(struct document *document, int result);
/* What was submitted has been stored or refused: those who waited for that go on, once nothing is under way. */
void document_stored(struct document *document);
/* `client`: the word of the update that made the revision, or NULL. */
void document_remember(struct document *document, const char *client);
/* NULL: too old. */
const struct version_text *document_text_at(const struct document *document, int64_t revision);

/* document_commit.c */
/* Takes it over; its request is answered in the end. */
void document_submit(struct document *document, struct submission *submission);
void submission_free(struct submission *submission);
/* Small things that the journal is to know, with the next commit. */
void document_note_written(struct document *document);
void documents_note_moved(struct documents *documents, uint32_t class, const char *from, const char *to);
void document_note_run(struct document *document, const struct history_mark *mark);
void documents_note_run_ended(struct documents *documents, const struct message_run_state *state);
void documents_commit_soon(struct documents *documents);
void documents_commit_finish(struct documents *documents);

/* document_file.c */
void document_load(struct document *document);
/* The submission that a look at the file led to has been stored or refused; `later`: look again, but not at once. */
void document_merged(struct document *document, bool later);
void document_timer(struct document *document);
void document_update_stored(struct document *document); /* there is something to write */
void document_write_now(struct document *document);
/* The file may have changed: look, and merge. */
void document_look(struct document *document);
/* Calls `function` when the file holds the document's present revision, or cannot (negative result). */
void document_when_written(struct document *document, struct request *request,
                           void (*function)(struct document *document, struct request *request, int result));
/* A person has chosen: the document over the file, whatever that is now. */
void document_overwrite(struct document *document);
/* The bytes of a text as the file would have them, in a sealed memfd: a descriptor or -errno. */
int document_source(const struct document *document, const struct text *text) must_check;

static inline void wait_for(struct waiter_list *list, struct request *request, int64_t revision,
                            void (*function)(struct document *, struct request *, int)) {
        struct waiter *waiter = allocate(sizeof *waiter);
        *waiter = (struct waiter){ .request = request, .revision = revision, .function = function };
        STAILQ_INSERT_TAIL(list, waiter, link);
}
