/*
 * journal: documents and their updates in the database.
 *
 * What the functions write is on the disk when the transaction around them has been committed; the caller makes one of
 * many documents' updates (group commit). Invariants, kept by the statements here: a document's updates are without gap
 * from `base` to `revision`; base <= kept <= written; texts and updates agree.
 *
 * Any thread.
 */
#pragma once

#include "../ipc/messages.h"
#include "../store/store.h"
#include "change.h"
#include "text.h"

struct journal_document {
        int64_t id;     /* of the protocol: random, below 2^53 */
        uint32_t class; /* course id */
        char path[PATH_BYTES];
        int64_t revision; /* of its newest update */
        int64_t written;  /* the file had this one, last time */
};

/* An update, or several made one when the past was condensed. */
struct journal_update {
        int64_t revision; /* after it */
        int64_t steps;    /* how many it stands for */
        uint32_t account; /* 0: nobody of ours */
        int64_t time;
        const char *client;
        const char *changes; /* JSON */
};

/* A change's stored form (the caller's to free), and that as a change again. */
char *journal_change_text(const struct change *change);
int journal_change(const char *changes, struct change **ret_change, struct error *error) must_check;

/* A number for a new document. */
int64_t journal_new_id(void);

/* The living document of a path. -ENOENT: none. */
int journal_find(struct store *store, uint32_t class, const char *path, struct journal_document *ret_document,
                 struct error *error) must_check;

/* Its text at a revision; -ENOENT: older than the oldest that is kept, or none; -EBADMSG: the journal does not fit
 * together, which it would be our own fault. */
int journal_text(struct store *store, int64_t document, int64_t revision, struct text **ret_text,
                 struct error *error) must_check;

/* Binds a text, NULs and all. */
void journal_bind_text(struct statement *statement, int parameter, const struct text *text);

/* Called for each update after revision `from`, in order; non-zero ends it and is returned. With the store's lock held.
 */
typedef int journal_function(void *context, const struct journal_update *update, struct error *error);
int journal_updates(struct store *store, int64_t document, int64_t from, journal_function *function, void *context,
                    struct error *error) must_check;

/* A document that is new to the journal, `text` being its revision 0. */
int journal_add_document(struct store *store, const struct journal_document *document, const struct text *text,
                         struct error *error) must_check;
/* The next update of a document: -EINVAL where it is not the next. */
int journal_add_update(struct store *store, int64_t document, const struct journal_update *update,
                       struct error *error) must_check;
/* The file has this revision now. */
int journal_written(struct store *store, int64_t document, int64_t revision, struct error *error) must_check;
/* Its text at a revision, to spare the next opener the replay of what came before. */
int journal_keep(struct store *store, int64_t document, int64_t revision, const struct text *text,
                 struct error *error) must_check;

/* The file or folder `from` of a class is `to` now: so are the documents in it. What was at the new paths is gone. */
int journal_move(struct store *store, uint32_t class, const char *from, const char *to, int64_t now,
                 struct error *error) must_check;

/* Documents whose file is behind, after a crash: at most `capacity` of them, by id, beginning after the id `after`. How
 * many, or -errno. */
int journal_unwritten(struct store *store, int64_t after, struct journal_document *ret_documents, size_t capacity,
                      struct error *error) must_check;
