/* The requests about documents: document.* and history.*. */
#include "files.h"
#include "names.h"
#include "open_document.h"
#include "supervisor.h"

static struct viewer *viewer_of(const struct request *request) {
        return request->client ? document_viewer(request->client, request_integer(request, "document")) : NULL;
}

static void reply_revision(struct request *request, int64_t revision) {
        request_reply(request, json_pack("{s:I}", "revision", (json_int_t) revision));
}

/* document.open */

static json_t *cursor_info(const struct viewer *viewer) {
        return json_pack("{s:I, s:o, s:I, s:I, s:I}", "session", (json_int_t) viewer->session, "name",
                         protocol_text(viewer->client->person.name), "revision", (json_int_t) viewer->revision,
                         "anchor", (json_int_t) viewer->anchor, "head", (json_int_t) viewer->head);
}

static json_t *cursors_of(const struct document *document, const struct viewer *except) {
        json_t *cursors = json_array();
        const struct viewer *viewer;
        LIST_FOREACH(viewer, &document->viewers, of_document)
        if (viewer != except && viewer->revision >= 0)
                json_array_append_new(cursors, cursor_info(viewer));
        return cursors;
}

static json_t *opened(const struct document *document, const struct viewer *viewer, int64_t revision) {
        bool writable = client_permitted(viewer->client, ACTION_CHANGE, &document->place);
        return json_pack("{s:I, s:o, s:b, s:I, s:o, s:o}", "document", (json_int_t) document->id, "path",
                         protocol_text(document->path), "writable", writable, "revision", (json_int_t) revision,
                         "state", document_state(document), "cursors", cursors_of(document, viewer));
}

static json_t *text_json(const struct text *text) {
        struct buffer bytes = { 0 };
        if (text_copy(text, 0, text_extent(text).units, &bytes) < 0)
                abort(); /* it is within the text, and there is no limit */
        json_t *json = json_stringn(bytes.bytes ? (const char *) bytes.bytes : "", buffer_size(&bytes));
        buffer_finish(&bytes);
        return json;
}

/* Two megabytes of control characters would be twelve of JSON. */
static void reply_large(struct request *request, json_t *reply, const char *path) {
        json_object_set_new(reply, "type", json_string("reply"));
        json_object_set_new(reply, "id", json_integer(request->id));
        request->text = json_dumps(reply, JSON_COMPACT);
        request->text_size = request->text ? strlen(request->text) : 0;
        json_decref(reply);
        if (!request->text || request->text_size > protocol_limit(request->server->protocol, "message"))
                request_fail_errno(request, EFBIG, path);
        else
                request_reply_text(request);
}

static void reply_with_text(struct request *request, struct document *document, struct viewer *viewer) {
        json_t *reply = opened(document, viewer, document->revision);
        json_object_set_new(reply, "text", text_json(document->text));
        reply_large(request, reply, document->path);
}

/* What a page that comes back has missed: from the journal, in the pool. */

enum { MISSED_UPDATES = 5000, MISSED_BYTES = 2 << 20 };

struct missed {
        struct request *request;
        struct store *store;
        int64_t id, from, until;
        size_t bytes;
        json_t *updates; /* owned */
        int result;      /* -ENOENT: they can't be had one by one */
        struct error error;
};

static int missed_update(void *context, const struct journal_update *update, struct error *error) {
        struct missed *missed = context;
        (void) error;
        if (update->revision > missed->until)
                return 1;
        missed->bytes += strlen(update->changes);
        /* One that stands for several is no update of the protocol: revisions would be missing. */
        if (update->steps != 1 || missed->bytes > MISSED_BYTES)
                return -ENOENT;
        json_t *changes = json_loads(update->changes, JSON_ALLOW_NUL, NULL);
        json_array_append_new(missed->updates, json_pack("{s:s, s:o}", "client", update->client, "changes", changes));
        return 0;
}

static void missed_work(void *context) {
        struct missed *missed = context;
        int r = journal_updates(missed->store, missed->id, missed->from, missed_update, missed, &missed->error);
        missed->result = r < 0                                                                        ? r
                         : (int64_t) json_array_size(missed->updates) == missed->until - missed->from ? 0
                                                                                                      : -ENOENT;
}

static void missed_done(void *context) {
        struct missed *missed = context;
        struct request *request = missed->request;
        struct viewer *viewer = request->client ? document_viewer(request->client, missed->id) : NULL;
        if (!viewer) {
                request_end(request); /* it has gone, or closed the document */
        } else if (missed->result < 0) {
                reply_with_text(request, viewer->document, viewer);
        } else {
                json_t *reply = opened(viewer->document, viewer, missed->until);
                json_object_set_new(reply, "updates", steal_pointer(&missed->updates));
                reply_large(request, reply, viewer->document->path);
        }
        json_decref(missed->updates);
        free(missed);
}

static bool ask_missed(struct request *request, struct document *document) {
        int64_t from = request_integer(request, "revision");
        if (request_integer(request, "document") != document->id || !json_object_get(request->message, "revision") ||
            from > document->revision || document->revision - from > MISSED_UPDATES)
                return false;
        struct missed *missed = allocate(sizeof *missed);
        *missed = (struct missed){ .request = request,
                                   .store = request->server->store,
                                   .id = document->id,
                                   .from = from,
                                   .until = document->revision,
                                   .updates = json_array() };
        if (pool_submit(request->server->pool, POOL_QUICK, missed_work, missed_done, missed) == 0)
                return true;
        json_decref(missed->updates);
        free(missed);
        return false;
}

static void on_ready(struct document *document, struct request *request, int result) {
        if (!request->client) {
                request_end(request);
        } else if (result == -EILSEQ) {
                request_fail(request, "not-text", "path", "“%s” is not a text in UTF-8.",
                             request_string(request, "path"));
        } else if (result < 0) {
                request_fail_errno(request, -result, request_string(request, "path"));
        } else if (!document_viewer(request->client, document->id) &&
                   request->client->document_count >= DOCUMENTS_A_CLIENT) {
                request_fail(request, "busy", NULL, "This page has %d files open already.", DOCUMENTS_A_CLIENT);
        } else {
                struct viewer *viewer = document_view(document, request->client);
                if (!ask_missed(request, document))
                        reply_with_text(request, document, viewer);
        }
}

void documents_open(struct request *request) {
        const char *path = request_string(request, "path");
        if (request->place.kind != PLACE_TREE || place_is_fixed(&request->place)) {
                request_fail(request, "not-text", "path", "This is a folder.");
                return;
        }
        struct document *document = document_of(request->server->documents, request->classroom, &request->person, path);
        if (!document)
                request_fail(request, "busy", "path", "This file cannot be opened at the moment.");
        else if (document->ready)
                on_ready(document, request, 0);
        else
                wait_for(&document->waiting_load, request, 0, on_ready);
}

/* document.push, .cursor, .save, .close */

static struct submission *submission_for(struct request *request, int64_t revision, json_t *updates) {
        struct submission *submission = allocate(sizeof *submission);
        *submission = (struct submission){ .request = request,
                                           .revision = revision,
                                           .updates = updates,
                                           .account = request->person.id,
                                           .client = request->client_number };
        return submission;
}

void documents_push(struct request *request) {
        struct viewer *viewer = viewer_of(request);
        json_t *updates = json_object_get(request->message, "updates");
        int64_t revision = request_integer(request, "revision");
        if (json_array_size(updates) > DOCUMENT_PUSH_UPDATES)
                request_fail(request, "too-large", "updates", "At most %d updates at once.", DOCUMENT_PUSH_UPDATES);
        else if (json_array_size(updates) == 0)
                reply_revision(request, viewer->document->revision);
        else
                document_submit(viewer->document, submission_for(request, revision, json_incref(updates)));
}

void documents_cursor(struct request *request) {
        struct viewer *viewer = viewer_of(request);
        viewer->revision = request_integer(request, "revision");
        viewer->anchor = request_integer(request, "anchor");
        viewer->head = request_integer(request, "head");
        document_tell(viewer->document, request->client,
                      json_pack("{s:s, s:I, s:o}", "type", "document.cursors", "document",
                                (json_int_t) viewer->document->id, "cursor", cursor_info(viewer)));
        request_end(request);
}

static void on_saved(struct document *document, struct request *request, int result) {
        if (result == 0)
                reply_revision(request, document->written);
        else if (result == -ESTALE)
                request_fail(request, "conflict", NULL,
                             "The file was changed by something else; choose what is to be.");
        else
                request_fail(request, result == -EDQUOT || result == -ENOSPC ? "quota" : "unavailable", NULL, "%s",
                             *document->problem ? document->problem : "The file could not be written.");
}

static void save_stored(struct document *document, struct request *request, int result) {
        if (result < 0)
                request_fail(request, "unavailable", NULL, "The server stops.");
        else
                document_when_written(document, request, on_saved);
}

void documents_save(struct request *request) {
        struct document *document = viewer_of(request)->document;
        if (document->committing || !STAILQ_EMPTY(&document->submissions))
                wait_for(&document->waiting_stored, request, 0, save_stored);
        else
                save_stored(document, request, 0);
}

void documents_close(struct request *request) {
        struct viewer *viewer = viewer_of(request);
        json_t *reply = json_pack("{s:I}", "document", (json_int_t) viewer->document->id);
        document_leave(viewer);
        request_reply(request, reply);
}

/* Conflicts */

void documents_disk(struct request *request) {
        const struct document *document = viewer_of(request)->document;
        json_t *reply = json_object();
        if (document->disk == DISK_CONFLICT && document->theirs)
                json_object_set_new(reply, "text", text_json(document->theirs));
        reply_large(request, reply, document->path);
}

/* The file's text becomes the document's, as an edit of whoever chose so. */
static void take_theirs(struct request *request, struct document *document) {
        change_scoped change = difference_between(document->text, document->theirs);
        struct submission *submission =
                submission_for(request, document->revision,
                               json_pack("[{s:s, s:o}]", "client", "disk", "changes", change_to_json(change)));
        submission->client = 0; /* this page, too, is to hear of it */
        submission->disk_text = text_reference(document->theirs);
        submission->disk_version = document->version;
        submission->disk_form = document->form;
        document_submit(document, submission);
}

void documents_resolve(struct request *request) {
        struct document *document = viewer_of(request)->document;
        bool theirs = request_true(request, "disk");
        if (document->disk != DISK_CONFLICT && document->disk != DISK_DELETED) {
                reply_revision(request, document->revision);
        } else if (theirs && !document->theirs) {
                request_fail(request, "not-text", NULL, "There is no text in the file's place.");
        } else if (theirs) {
                take_theirs(request, document);
        } else {
                document_overwrite(document);
                reply_revision(request, document->revision);
        }
}

/* The past */

enum past_kind { PAST_LIST, PAST_TEXT, PAST_UPDATES };

enum { PAST_STEPS = 1000, PAST_STEPS_BYTES = 1 << 20 };

struct past_query {
        struct request *request;
        struct store *store;
        enum past_kind kind;
        uint32_t class;
        int64_t revision; /* asked for; of steps, where they end */
        struct journal_document document;
        struct names names;
        json_t *reply; /* owned */
        json_t *steps; /* in it */
        size_t bytes;
        int result;
        struct error error;
};

static json_t *name_json(struct past_query *query, uint32_t account) {
        return protocol_text(names_find(&query->names, query->store, account));
}

static json_t *spans_json(struct past_query *query, const struct history *history) {
        json_t *spans = json_array();
        for (size_t i = 0; i < history->span_count; i++) {
                const struct history_span *span = &history->spans[i];
                json_array_append_new(
                        spans, json_pack("{s:I, s:I, s:I, s:I, s:o, s:I, s:I}", "from", (json_int_t) span->from, "to",
                                         (json_int_t) span->to, "start", (json_int_t) span->start, "end",
                                         (json_int_t) span->end, "name", name_json(query, span->account), "inserted",
                                         (json_int_t) span->inserted, "deleted", (json_int_t) span->deleted));
        }
        return spans;
}

static json_t *marks_json(struct past_query *query, const struct history *history) {
        json_t *marks = json_array();
        for (size_t i = history->mark_count; i-- > 0;) { /* they come newest first */
                const struct history_mark *mark = &history->marks[i];
                json_t *json = json_pack("{s:I, s:I, s:o, s:I}", "revision", (json_int_t) mark->revision, "time",
                                         (json_int_t) mark->time, "name", name_json(query, mark->account), "run",
                                         (json_int_t) mark->run);
                if (mark->reason >= 0)
                        json_object_set_new(json, "reason", json_string(runs_reason_name(mark->reason)));
                if (mark->status >= 0)
                        json_object_set_new(json, "exit", json_integer(mark->status));
                json_array_append_new(marks, json);
        }
        return marks;
}

static int past_list(struct past_query *query) {
        struct history history;
        int r = history_load(query->store, query->document.id, &history, &query->error);
        if (r < 0)
                return r;
        query->reply = json_pack("{s:I, s:I, s:I, s:o, s:o}", "document", (json_int_t) query->document.id, "first",
                                 (json_int_t) history.first, "last", (json_int_t) history.last, "spans",
                                 spans_json(query, &history), "marks", marks_json(query, &history));
        history_finish(&history);
        return 0;
}

static int past_text(struct past_query *query) {
        text_scoped text = NULL;
        int r = journal_text(query->store, query->document.id, query->revision, &text, &query->error);
        if (r < 0)
                return r;
        query->reply = json_pack("{s:I, s:o}", "revision", (json_int_t) query->revision, "text", text_json(text));
        return 0;
}

static int past_step(void *context, const struct journal_update *update, struct error *error) {
        struct past_query *query = context;
        (void) error;
        query->bytes += strlen(update->changes);
        if (json_array_size(query->steps) == PAST_STEPS || (query->bytes > PAST_STEPS_BYTES && query->revision > 0))
                return 1;
        json_array_append_new(query->steps,
                              json_pack("{s:o, s:I, s:o}", "changes", json_loads(update->changes, JSON_ALLOW_NUL, NULL),
                                        "time", (json_int_t) update->time, "name", name_json(query, update->account)));
        query->revision = update->revision;
        return 0;
}

static int past_updates(struct past_query *query) {
        int64_t from = query->revision;
        query->steps = json_array();
        query->reply = json_pack("{s:I, s:o}", "from", (json_int_t) from, "steps", query->steps);
        int r = journal_updates(query->store, query->document.id, from, past_step, query, &query->error);
        json_object_set_new(query->reply, "revision", json_integer(query->revision));
        return r < 0 ? r : 0;
}

static int past_ask(struct past_query *query) {
        static int (*const kinds[])(struct past_query *) = {
                [PAST_LIST] = past_list, [PAST_TEXT] = past_text, [PAST_UPDATES] = past_updates
        };
        int r = journal_find(query->store, query->class, request_string(query->request, "path"), &query->document,
                             &query->error);
        return r < 0 ? r : kinds[query->kind](query);
}

static void past_work(void *context) {
        struct past_query *query = context;
        query->result = past_ask(query);
        names_finish(&query->names);
}

static void past_done(void *context) {
        struct past_query *query = context;
        struct request *request = query->request;
        if (query->result == 0)
                reply_large(request, steal_pointer(&query->reply), request_string(request, "path"));
        else if (query->result == -ENOENT)
                request_fail(request, "not-found", "path", "Nothing is known of that past.");
        else
                request_fail(request, "unavailable", NULL, "%s", query->error.text);
        json_decref(query->reply);
        free(query);
}

static void ask_past(struct request *request, enum past_kind kind, int64_t revision) {
        struct past_query *query = allocate(sizeof *query);
        *query = (struct past_query){ .request = request,
                                      .store = request->server->store,
                                      .kind = kind,
                                      .class = request->classroom->roster->course.id,
                                      .revision = revision };
        if (pool_submit(request->server->pool, POOL_QUICK, past_work, past_done, query) == 0)
                return;
        free(query);
        request_fail(request, "busy", NULL, "The server is busy; ask again in a moment.");
}

void history_list(struct request *request) {
        ask_past(request, PAST_LIST, 0);
}

void history_text(struct request *request) {
        ask_past(request, PAST_TEXT, request_integer(request, "revision"));
}

void history_updates(struct request *request) {
        ask_past(request, PAST_UPDATES, request_integer(request, "from"));
}
