/*
 * Group commit: all that waits to be stored goes into one transaction, and while that is being flushed to the disk the
 * next is gathered. So a thousand typists cost no more flushes than one, and one waits for no timer.
 *
 * At most one commit is under way. Of each document it takes one submission: the next one was made on top of a revision
 * that does not exist yet, or is late and will be told so.
 */
#include "open_document.h"

#include "../base/log.h"

/* One submission on its way into the journal. */
struct entry {
        struct document *document;
        struct submission *submission; /* owned */
        struct journal_document row;   /* where the journal is to learn of it */
        bool is_new;
        struct text *before, *after; /* owned */
        char **changes;              /* owned, as many as updates: JSON */
        size_t count, bytes;
};

enum note_kind { NOTE_WRITTEN, NOTE_MOVED, NOTE_RUN, NOTE_RUN_ENDED };

struct note {
        struct note *next;
        enum note_kind kind;
        int64_t document, revision;
        uint32_t class;
        struct history_mark mark;
        char from[PATH_BYTES], to[PATH_BYTES];
};

struct commit {
        struct documents *documents;
        struct store *store;
        struct entry *entries;
        size_t count;
        struct note *notes; /* owned */
        size_t note_count;
        int64_t now;
        int result;
        struct error error;
};

/* Refusing */

void submission_free(struct submission *submission) {
        json_decref(submission->updates);
        text_unreference(submission->disk_text);
        free(submission);
}

static void refuse(struct submission *submission, const char *code, const char *sentence) {
        if (submission->request)
                request_fail(submission->request, code, NULL, "%s", sentence);
        submission_free(submission);
}

/* A merge that did not come to be is tried again from the file. */
static void refuse_of(struct document *document, struct submission *submission, const char *code,
                      const char *sentence) {
        bool merge = submission->request == NULL, late = strcmp(code, "conflict") == 0;
        refuse(submission, code, sentence);
        if (!merge)
                return;
        document->look_again = true;
        document_merged(document, !late);
}

/* Checking: submission → entry */

static void entry_finish(struct entry *entry) {
        for (size_t i = 0; i < entry->count; i++)
                free(entry->changes[i]);
        free(entry->changes);
        text_unreference(entry->before);
        text_unreference(entry->after);
        *entry = (struct entry){ 0 };
}

static int take_update(struct entry *entry, const json_t *update, struct error *error) {
        change_scoped change = NULL;
        text_scoped next = NULL;
        int r = change_parse(json_object_get(update, "changes"), &change, error);
        if (r < 0)
                return r;
        r = change_apply(change, entry->after, &next);
        if (r < 0)
                return error_say(error, -r, "the changes do not fit the text");
        text_unreference(entry->after);
        entry->after = steal_pointer(&next);
        char *changes = journal_change_text(change);
        entry->changes[entry->count++] = changes;
        entry->bytes += strlen(changes);
        return 0;
}

static int take_updates(struct entry *entry, const json_t *updates, struct error *error) {
        size_t i;
        const json_t *update;
        entry->changes = reallocate_array(NULL, json_array_size(updates), sizeof *entry->changes);
        json_array_foreach(updates, i, update) {
                int r = take_update(entry, update, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A person has chosen what the file holds. Whoever typed in that moment did not unchoose it: the difference is taken of
 * the text as it is now. */
static void choose_again(struct document *document, struct submission *submission) {
        if (submission->revision == document->revision)
                return;
        change_scoped change = difference_between(document->text, submission->disk_text);
        json_decref(submission->updates);
        submission->updates = json_pack("[{s:s, s:o}]", "client", "disk", "changes", change_to_json(change));
        submission->revision = document->revision;
}

/* False: it was refused. */
static bool make_entry(struct document *document, struct submission *submission, struct entry *ret_entry) {
        struct error error;
        struct entry entry = { .document = document, .is_new = !document->journaled };
        size_t limit = protocol_maximum(document->documents->server->protocol, "text");
        if (submission->disk_text && submission->request)
                choose_again(document, submission);
        if (submission->revision != document->revision) {
                refuse_of(document, submission, "conflict", "Somebody else typed at the same moment.");
                return false;
        }
        entry.before = text_reference(document->text);
        entry.after = text_reference(document->text);
        if (take_updates(&entry, submission->updates, &error) < 0) {
                refuse_of(document, submission, "malformed", error.text);
                entry_finish(&entry);
                return false;
        }
        if (text_extent(entry.after).bytes > limit &&
            text_extent(entry.after).bytes > text_extent(entry.before).bytes) {
                refuse_of(document, submission, "too-large", "The text would be too long.");
                entry_finish(&entry);
                return false;
        }
        entry.submission = submission;
        entry.row.id = document->id;
        entry.row.class = document->classroom->roster->course.id;
        memcpy(entry.row.path, document->path, sizeof entry.row.path);
        *ret_entry = entry;
        return true;
}

static bool next_entry(struct document *document, struct entry *ret_entry) {
        struct submission *submission;
        while (!document->committing && (submission = STAILQ_FIRST(&document->submissions))) {
                STAILQ_REMOVE_HEAD(&document->submissions, link);
                document->submission_count--;
                if (make_entry(document, submission, ret_entry))
                        return true;
        }
        return false;
}

/* Storing: in the pool */

static int store_entry(struct store *store, const struct entry *entry, int64_t now, struct error *error) {
        int r = entry->is_new ? journal_add_document(store, &entry->row, entry->before, error) : 0;
        for (size_t i = 0; r == 0 && i < entry->count; i++) {
                const json_t *update = json_array_get(entry->submission->updates, i);
                struct journal_update row = {
                        .revision = entry->submission->revision + (int64_t) i + 1,
                        .steps = 1,
                        .account = entry->submission->account,
                        .time = now,
                        .client = json_string_value(json_object_get(update, "client")),
                        .changes = entry->changes[i],
                };
                r = journal_add_update(store, entry->row.id, &row, error);
        }
        return r;
}

static int store_note(struct store *store, const struct note *note, int64_t now, struct error *error) {
        switch (note->kind) {
        case NOTE_WRITTEN:
                return journal_written(store, note->document, note->revision, error);
        case NOTE_MOVED:
                return journal_move(store, note->class, note->from, note->to, now, error);
        case NOTE_RUN:
                return history_mark(store, note->document, &note->mark, error);
        case NOTE_RUN_ENDED:
                return history_mark_ended(store, note->mark.run, note->mark.reason, note->mark.status, error);
        }
        return -EINVAL;
}

static int store_all(struct commit *commit) {
        transaction_scoped transaction = { 0 };
        struct error *error = &commit->error;
        int r = transaction_begin(commit->store, &transaction, error);
        /* A document that is new at a path comes after the note that another one left it. */
        for (const struct note *note = commit->notes; r == 0 && note; note = note->next)
                r = store_note(commit->store, note, commit->now, error);
        for (size_t i = 0; r == 0 && i < commit->count; i++)
                r = store_entry(commit->store, &commit->entries[i], commit->now, error);
        return r < 0 ? r : transaction_commit(&transaction, error);
}

static void store_work(void *context) {
        struct commit *commit = context;
        commit->result = store_all(commit);
}

/* Condensing the past, now and then, beside everything else. */

/* So many bytes count as one update more: what is pasted must not grow far beyond the bounds until the next time. */
enum { CONDENSE_BYTES = HISTORY_BYTES / DOCUMENT_CONDENSE_EVERY };

struct condensing {
        struct store *store;
        int64_t document;
};

static void condense_work(void *context) {
        struct condensing *condensing = context;
        struct error error;
        if (history_condense(condensing->store, condensing->document, &error) < 0)
                log_failure(LOG_WARNING, "document.not-condensed", &error, "document",
                            log_number(condensing->document));
}

static void condense_done(void *context) {
        free(context);
}

static void condense_sometimes(struct document *document) {
        struct server *server = document->documents->server;
        if (document->since_condensed < DOCUMENT_CONDENSE_EVERY)
                return;
        struct condensing *condensing = allocate(sizeof *condensing);
        *condensing = (struct condensing){ .store = server->store, .document = document->id };
        if (pool_submit(server->pool, POOL_QUICK, condense_work, condense_done, condensing) == 0)
                document->since_condensed = 0;
        else
                free(condensing);
}

/* Stored */

static void tell_viewers(struct document *document, const struct submission *submission) {
        struct client *from = submission->client ? client_find(document->documents->server, submission->client) : NULL;
        document_tell(document, from,
                      json_pack("{s:s, s:I, s:I, s:O}", "type", "document.updates", "document",
                                (json_int_t) document->id, "revision", (json_int_t) submission->revision, "updates",
                                submission->updates));
}

/* What a merge has taken in is what the file holds. */
static void file_is_known(struct document *document, const struct submission *submission) {
        text_unreference(document->written_text);
        document->written_text = text_reference(submission->disk_text);
        document->version = submission->disk_version;
        document->form = submission->disk_form;
        if (!text_equal(document->text, document->written_text))
                return;
        document->written = document->revision;
        document_note_written(document);
        document_set_disk(document, DISK_SAVED, "");
}

static void entry_stored(struct entry *entry) {
        struct document *document = entry->document;
        struct submission *submission = entry->submission;
        document->journaled = true;
        document->revision += (int64_t) entry->count;
        document->since_condensed += (unsigned) entry->count + (unsigned) (entry->bytes / CONDENSE_BYTES);
        text_unreference(document->text);
        document->text = text_reference(entry->after);
        const json_t *last = json_array_get(submission->updates, entry->count - 1);
        document_remember(document, json_string_value(json_object_get(last, "client")));
        tell_viewers(document, submission);
        if (submission->disk_text)
                file_is_known(document, submission);
        bool merge = submission->request == NULL;
        if (!merge)
                request_reply(submission->request, json_pack("{s:I}", "revision", (json_int_t) document->revision));
        submission_free(steal_pointer(&entry->submission));
        if (merge)
                document_merged(document, false);
        document_update_stored(document);
        condense_sometimes(document);
}

static void entry_failed(struct entry *entry, const struct commit *commit) {
        struct submission *submission = steal_pointer(&entry->submission);
        if (commit->result == -ENOSPC || commit->result == -EDQUOT)
                refuse_of(entry->document, submission, "quota",
                          "The server's disk is full: nothing can be stored at the moment.");
        else
                refuse_of(entry->document, submission, "unavailable",
                          "The server could not store this; it will be tried again.");
}

static void notes_free(struct note *note) {
        while (note) {
                struct note *next = note->next;
                free(note);
                note = next;
        }
}

static void commit_free(struct commit *commit) {
        for (size_t i = 0; i < commit->count; i++)
                entry_finish(&commit->entries[i]);
        free(commit->entries);
        notes_free(commit->notes);
        free(commit);
}

/* What was to be noted still is, before what came later. */
static void notes_return(struct documents *documents, struct commit *commit) {
        struct note **end = &commit->notes;
        while (*end)
                end = &(*end)->next;
        *end = documents->notes.first;
        if (!documents->notes.first)
                documents->notes.last = end;
        documents->notes.first = steal_pointer(&commit->notes);
        if (!documents->notes.first)
                documents->notes.last = &documents->notes.first;
        documents->notes.count += commit->note_count;
}

static void store_done(void *context) {
        struct commit *commit = context;
        struct documents *documents = commit->documents;
        documents->commit = NULL;
        if (commit->result < 0) {
                log_failure(LOG_ERROR, "document.not-stored", &commit->error, "documents",
                            log_number((int64_t) commit->count));
                notes_return(documents, commit);
        }
        for (size_t i = 0; i < commit->count; i++) {
                commit->entries[i].document->committing = false;
                if (commit->result == 0)
                        entry_stored(&commit->entries[i]);
                else
                        entry_failed(&commit->entries[i], commit);
        }
        if (commit->result == 0 || !TAILQ_EMPTY(&documents->pending))
                documents_commit_soon(documents);
        else
                timer_set(documents->retry, WRITE_RETRY);
        for (size_t i = 0; i < commit->count; i++)
                document_stored(commit->entries[i].document);
        commit_free(commit);
}

/* Gathering */

static void gather(struct documents *documents, struct commit *commit) {
        struct document *document, *next;
        size_t capacity = 0;
        for (document = TAILQ_FIRST(&documents->pending); document; document = next) {
                struct entry entry;
                next = TAILQ_NEXT(document, of_pending);
                if (commit->count == COMMIT_ENTRIES)
                        break;
                bool there_is = next_entry(document, &entry);
                if (STAILQ_EMPTY(&document->submissions)) {
                        TAILQ_REMOVE(&documents->pending, document, of_pending);
                        document->pending = false;
                }
                if (!there_is) {
                        document_stored(document);
                        continue;
                }
                if (commit->count == capacity) {
                        capacity = capacity ? 2 * capacity : 16;
                        commit->entries = reallocate_array(commit->entries, capacity, sizeof *commit->entries);
                }
                document->committing = true;
                commit->entries[commit->count++] = entry;
        }
}

void documents_commit_soon(struct documents *documents) {
        if (documents->commit)
                return;
        struct server *server = documents->server;
        struct commit *commit = allocate(sizeof *commit);
        *commit = (struct commit){ .documents = documents, .store = server->store, .now = wall_milliseconds() };
        documents->commit = commit; /* nobody begins another from within */
        gather(documents, commit);
        commit->notes = steal_pointer(&documents->notes.first);
        documents->notes.last = &documents->notes.first;
        commit->note_count = documents->notes.count;
        documents->notes.count = 0;
        if (commit->count == 0 && !commit->notes) {
                documents->commit = NULL;
                commit_free(commit);
        } else if (pool_submit(server->pool, POOL_QUICK, store_work, store_done, commit) < 0) {
                commit->result = error_say(&commit->error, EAGAIN, "the server is busy");
                store_done(commit);
        }
}

void document_submit(struct document *document, struct submission *submission) {
        if (document->submission_count >= DOCUMENT_QUEUED) {
                refuse_of(document, submission, "busy", "Too many updates at once; wait for the answers.");
                return;
        }
        STAILQ_INSERT_TAIL(&document->submissions, submission, link);
        document->submission_count++;
        if (!document->pending)
                TAILQ_INSERT_TAIL(&document->documents->pending, document, of_pending);
        document->pending = true;
        documents_commit_soon(document->documents);
}

void documents_commit_finish(struct documents *documents) {
        if (documents->commit) {
                for (size_t i = 0; i < documents->commit->count; i++)
                        refuse(documents->commit->entries[i].submission, "unavailable", "The server stops.");
                commit_free(documents->commit);
        }
        notes_free(documents->notes.first);
        documents->commit = NULL;
        documents->notes.first = NULL;
}

/* Notes */

/* NULL: too many wait already (the disk is full), and the journal will have to do without: what a note says can be
 * found out from the files, but for a past's way to a new path. */
static struct note *add_note(struct documents *documents, enum note_kind kind) {
        if (documents->notes.count >= NOTES_MAXIMUM) {
                log_event(LOG_WARNING, "document.not-noted", "kind", log_number(kind), NULL);
                return NULL;
        }
        struct note *note = allocate(sizeof *note);
        note->kind = kind;
        documents->notes.count++;
        *documents->notes.last = note;
        documents->notes.last = &note->next;
        return note;
}

void document_note_written(struct document *document) {
        if (!document->journaled)
                return;
        struct note *note = add_note(document->documents, NOTE_WRITTEN);
        if (!note)
                return;
        note->document = document->id;
        note->revision = document->written;
        documents_commit_soon(document->documents);
}

void documents_note_moved(struct documents *documents, uint32_t class, const char *from, const char *to) {
        struct note *note = add_note(documents, NOTE_MOVED);
        if (!note)
                return;
        note->class = class;
        snprintf(note->from, sizeof note->from, "%s", from);
        snprintf(note->to, sizeof note->to, "%s", to);
        documents_commit_soon(documents);
}

void document_note_run(struct document *document, const struct history_mark *mark) {
        struct note *note = add_note(document->documents, NOTE_RUN);
        if (!note)
                return;
        note->document = document->id;
        note->mark = *mark;
        documents_commit_soon(document->documents);
}

void documents_note_run_ended(struct documents *documents, const struct message_run_state *state) {
        struct note *note = add_note(documents, NOTE_RUN_ENDED);
        if (!note)
                return;
        note->mark = (struct history_mark){ .run = (int64_t) state->run,
                                            .reason = (int) state->reason,
                                            .status = state->exit };
        documents_commit_soon(documents);
}
