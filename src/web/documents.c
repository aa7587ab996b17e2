#include "open_document.h"
#include "supervisor.h"

#include "../base/log.h"

/* The registry */

static void on_retry(void *context) {
        documents_commit_soon(context);
}

struct documents *documents_create(struct server *server) {
        struct documents *documents = allocate(sizeof *documents);
        documents->server = server;
        LIST_INIT(&documents->list);
        TAILQ_INIT(&documents->pending);
        documents->notes.last = &documents->notes.first;
        documents->retry = loop_timer(server->loop, on_retry, documents);
        return documents;
}

static void on_timer(void *context) {
        document_timer(context);
}

static struct document *find(struct documents *documents, const struct classroom *classroom, const char *path) {
        struct document *document;
        LIST_FOREACH(document, &documents->list, link)
        if (document->classroom == classroom && strcmp(document->path, path) == 0)
                return document;
        return NULL;
}

static struct document *find_id(struct documents *documents, int64_t id) {
        struct document *document;
        LIST_FOREACH(document, &documents->list, link)
        if (document->ready && document->id == id)
                return document;
        return NULL;
}

struct document *document_of(struct documents *documents, struct classroom *classroom, const struct person *who,
                             const char *path) {
        struct document *document = find(documents, classroom, path);
        if (document || documents->count >= DOCUMENTS_MAXIMUM)
                return document;
        document = allocate(sizeof *document);
        if (place_parse(path, &document->place, NULL) < 0 ||
            tree_of(classroom->roster, who, &document->place, &document->tree) < 0) {
                free(document);
                return NULL;
        }
        document->documents = documents;
        document->classroom = classroom;
        classroom->references++;
        snprintf(document->path, sizeof document->path, "%s", path);
        document->unwatched_at = now_milliseconds();
        document->write_timer = loop_timer(documents->server->loop, on_timer, document);
        LIST_INIT(&document->viewers);
        STAILQ_INIT(&document->submissions);
        STAILQ_INIT(&document->waiting_load);
        STAILQ_INIT(&document->waiting_stored);
        STAILQ_INIT(&document->waiting_written);
        LIST_INSERT_HEAD(&documents->list, document, link);
        documents->count++;
        document_load(document);
        return document;
}

static void waiters_answer(struct document *document, struct waiter_list *list, int result) {
        struct waiter *waiter;
        while ((waiter = STAILQ_FIRST(list))) {
                STAILQ_REMOVE_HEAD(list, link);
                waiter->function(document, waiter->request, result);
                free(waiter);
        }
}

static void version_text_finish(struct version_text *version) {
        text_unreference(version->text);
        free(version->client);
        *version = (struct version_text){ 0 };
}

static void document_free(void *context) {
        struct document *document = context;
        struct viewer *viewer;
        struct submission *submission;
        while ((viewer = LIST_FIRST(&document->viewers)))
                document_leave(viewer);
        while ((submission = STAILQ_FIRST(&document->submissions))) {
                STAILQ_REMOVE_HEAD(&document->submissions, link);
                if (submission->request)
                        request_fail(submission->request, "unavailable", NULL, "The server stops.");
                submission_free(submission);
        }
        for (size_t i = 0; i < DOCUMENT_RECENT; i++)
                version_text_finish(&document->recent[i]);
        text_unreference(document->text);
        text_unreference(document->written_text);
        text_unreference(document->write_text);
        text_unreference(document->theirs);
        timer_remove(document->write_timer);
        classroom_release(document->classroom);
        free(document);
}

/* Nobody finds it any more. */
static void forget(struct document *document) {
        struct documents *documents = document->documents;
        LIST_REMOVE(document, link);
        if (document->pending)
                TAILQ_REMOVE(&documents->pending, document, of_pending);
        documents->count--;
}

void documents_destroy(struct documents *documents) {
        if (!documents)
                return;
        struct document *document;
        documents_commit_finish(documents);
        while ((document = LIST_FIRST(&documents->list))) {
                forget(document);
                waiters_answer(document, &document->waiting_load, -EPIPE);
                waiters_answer(document, &document->waiting_stored, -EPIPE);
                waiters_answer(document, &document->waiting_written, -EPIPE);
                document_free(document);
        }
        timer_remove(documents->retry);
        free(documents);
}

void document_loaded(struct document *document, int result) {
        document->ready = result == 0;
        if (result < 0)
                forget(document);
        else
                document_remember(document, NULL);
        waiters_answer(document, &document->waiting_load, result);
        if (result < 0)
                loop_defer(document->documents->server->loop, document_free, document);
}

static bool idle(const struct document *document) {
        return document->ready && LIST_EMPTY(&document->viewers) && STAILQ_EMPTY(&document->submissions) &&
               !document->committing && document->work == WORK_NONE && STAILQ_EMPTY(&document->waiting_stored) &&
               STAILQ_EMPTY(&document->waiting_written) && document->disk != DISK_SAVING;
}

void documents_sweep(struct documents *documents) {
        uint64_t now = now_milliseconds();
        struct document *document, *next;
        for (document = LIST_FIRST(&documents->list); document; document = next) {
                next = LIST_NEXT(document, link);
                if (!idle(document) || now - document->unwatched_at < DOCUMENT_LINGER)
                        continue;
                forget(document);
                document_free(document);
        }
}

bool documents_stopping(struct documents *documents) {
        struct document *document;
        bool busy = documents->commit != NULL;
        LIST_FOREACH(document, &documents->list, link) {
                if (document->ready && document->disk == DISK_SAVING && document->work == WORK_NONE)
                        document_write_now(document);
                busy = busy || document->work != WORK_NONE || document->committing;
        }
        return busy;
}

/* Texts */

void document_remember(struct document *document, const char *client) {
        struct version_text *slot = &document->recent[document->revision % DOCUMENT_RECENT];
        version_text_finish(slot);
        *slot = (struct version_text){ .revision = document->revision,
                                       .text = text_reference(document->text),
                                       .client = client ? duplicate_string(client) : NULL };
}

const struct version_text *document_text_at(const struct document *document, int64_t revision) {
        const struct version_text *slot = &document->recent[revision % DOCUMENT_RECENT];
        return slot->text && slot->revision == revision ? slot : NULL;
}

void document_stored(struct document *document) {
        struct waiter *waiter;
        while (!document->committing && STAILQ_EMPTY(&document->submissions) &&
               (waiter = STAILQ_FIRST(&document->waiting_stored))) {
                STAILQ_REMOVE_HEAD(&document->waiting_stored, link);
                waiter->function(document, waiter->request, 0);
                free(waiter);
        }
}

/* Viewers */

struct viewer *document_viewer(struct client *client, int64_t id) {
        struct viewer *viewer;
        LIST_FOREACH(viewer, &client->documents, of_client)
        if (viewer->document->id == id)
                return viewer;
        return NULL;
}

struct viewer *document_view(struct document *document, struct client *client) {
        struct viewer *viewer = document_viewer(client, document->id);
        if (viewer)
                return viewer;
        viewer = allocate(sizeof *viewer);
        *viewer = (struct viewer){
                .document = document, .client = client, .session = ++document->documents->last_session, .revision = -1
        };
        LIST_INSERT_HEAD(&document->viewers, viewer, of_document);
        LIST_INSERT_HEAD(&client->documents, viewer, of_client);
        client->document_count++;
        return viewer;
}

void document_leave(struct viewer *viewer) {
        struct document *document = viewer->document;
        LIST_REMOVE(viewer, of_document);
        LIST_REMOVE(viewer, of_client);
        viewer->client->document_count--;
        if (viewer->revision >= 0)
                document_tell(document, NULL,
                              json_pack("{s:s, s:I, s:I}", "type", "document.left", "document",
                                        (json_int_t) document->id, "session", (json_int_t) viewer->session));
        free(viewer);
        if (!LIST_EMPTY(&document->viewers))
                return;
        document->unwatched_at = now_milliseconds();
        document_write_now(document);
}

void documents_forget_client(struct client *client) {
        struct viewer *viewer;
        while ((viewer = LIST_FIRST(&client->documents)))
                document_leave(viewer);
}

void document_tell(struct document *document, const struct client *except, json_t *event) {
        struct viewer *viewer;
        free_scoped char *text = NULL;
        LIST_FOREACH(viewer, &document->viewers, of_document) {
                if (viewer->client == except)
                        continue;
                if (!text)
                        text = json_dumps(event, JSON_COMPACT);
                if (text)
                        client_send_text(viewer->client, FRAME_EVENT, text, strlen(text));
        }
        json_decref(event);
}

bool documents_permitted(struct client *client, enum action action, int64_t id) {
        const struct viewer *viewer = document_viewer(client, id);
        return viewer && client_permitted(client, action, &viewer->document->place);
}

/* How the file stands to it */

json_t *document_state(const struct document *document) {
        static const char *const names[DISK_STATES] = {
                [DISK_SAVED] = "saved",       [DISK_SAVING] = "saving",   [DISK_FAILED] = "failed",
                [DISK_CONFLICT] = "conflict", [DISK_DELETED] = "deleted",
        };
        json_t *state =
                json_pack("{s:s, s:I}", "disk", names[document->disk], "revision", (json_int_t) document->written);
        if (*document->problem)
                json_object_set_new(state, "problem", protocol_text(document->problem));
        return state;
}

void document_set_disk(struct document *document, enum disk_state disk, const char *problem) {
        bool same = document->disk == disk && strcmp(document->problem, problem) == 0;
        document->disk = disk;
        snprintf(document->problem, sizeof document->problem, "%s", problem);
        if (disk == DISK_SAVED)
                document->unwritten_since = 0;
        if (same && disk != DISK_SAVED)
                return;
        if (document->ready)
                document_tell(document, NULL,
                              json_pack("{s:s, s:I, s:o}", "type", "document.state", "document",
                                        (json_int_t) document->id, "state", document_state(document)));
}

/* What happens to files */

static bool lies_within(const char *path, const char *folder) {
        size_t length = strlen(folder);
        return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

void documents_noticed(struct classroom *classroom, const char *path) {
        struct document *document;
        LIST_FOREACH(document, &classroom->server->documents->list, link)
        if (document->classroom == classroom && document->ready && lies_within(document->path, path))
                document_look(document);
}

/* Whoever may not see it where it is now has seen the last of it. */
static void show_out(struct document *document) {
        struct viewer *viewer, *next;
        for (viewer = LIST_FIRST(&document->viewers); viewer; viewer = next) {
                next = LIST_NEXT(viewer, of_document);
                if (!client_permitted(viewer->client, ACTION_SEE, &document->place))
                        document_leave(viewer);
        }
}

static void move(struct document *document, const char *path) {
        struct place place;
        struct tree tree;
        static const struct person nobody;
        if (place_parse(path, &place, NULL) < 0 || strlen(path) >= sizeof document->path ||
            tree_of(document->classroom->roster, &nobody, &place, &tree) < 0) {
                document_set_disk(document, DISK_DELETED, "");
                return;
        }
        document->place = place;
        document->tree = tree;
        memcpy(document->path, path, strlen(path) + 1);
        show_out(document);
        document_tell(document, NULL,
                      json_pack("{s:s, s:I, s:s}", "type", "document.moved", "document", (json_int_t) document->id,
                                "path", document->path));
        document_look(document);
}

void documents_moved(struct classroom *classroom, const char *from, const char *to) {
        struct documents *documents = classroom->server->documents;
        struct document *document, *next;
        documents_note_moved(documents, classroom->roster->course.id, from, to);
        for (document = LIST_FIRST(&documents->list); document; document = next) {
                next = LIST_NEXT(document, link);
                if (document->classroom != classroom || !document->ready || !lies_within(document->path, from))
                        continue;
                free_scoped char *path = format_string("%s%s", to, document->path + strlen(from));
                move(document, path);
        }
}

/* Running */

static void run_written(struct document *document, struct request *request, int result) {
        (void) document;
        (void) result; /* what runs is in the descriptor in any case; that the file could not be written is told */
        if (--request->writes > 0)
                return;
        if (request->server->stopping)
                request_fail(request, "unavailable", NULL, "The server stops.");
        else
                request->on_source(request, steal_fd(&request->fd));
}

static void run_stored(struct document *document, struct request *request, int result) {
        const struct version_text *version =
                result < 0 ? NULL : document_text_at(document, request_integer(request, "revision"));
        const char *client = request_string(request, "client");
        /* Somebody else's update may have made the revision that the page expected its own to make. */
        if (version && client && (!version->client || strcmp(version->client, client) != 0))
                version = NULL;
        if (!version) {
                request_fail(request, "conflict", "revision", "The text is not what it was; run it again.");
                return;
        }
        request->fd = document_source(document, version->text);
        if (request->fd < 0) {
                request_fail_errno(request, -request->fd, document->path);
                return;
        }
        /* The program may import its neighbours, or read itself. */
        struct document *neighbour;
        request->writes = 1; /* ours, so that the first which is written at once is not the last */
        LIST_FOREACH(neighbour, &document->documents->list, link) {
                if (neighbour->classroom != document->classroom || !neighbour->ready || neighbour->disk == DISK_SAVED ||
                    !tree_same(&neighbour->tree, &document->tree))
                        continue;
                request->writes++;
                document_when_written(neighbour, request, run_written);
        }
        run_written(document, request, 0);
}

void documents_run(struct request *request, document_source_function *function) {
        struct viewer *viewer =
                request->client ? document_viewer(request->client, request_integer(request, "document")) : NULL;
        const char *path = request_string(request, "path");
        request->on_source = function;
        if (!viewer || !path || strcmp(viewer->document->path, path) != 0)
                request_fail(request, "not-found", "document", "This document is not open.");
        else if (viewer->document->committing || !STAILQ_EMPTY(&viewer->document->submissions))
                wait_for(&viewer->document->waiting_stored, request, 0, run_stored);
        else
                run_stored(viewer->document, request, 0);
}

void documents_ran(struct request *request, uint64_t run) {
        struct document *document = find_id(request->server->documents, request_integer(request, "document"));
        struct history_mark mark = { .revision = request_integer(request, "revision"),
                                     .time = wall_milliseconds(),
                                     .run = (int64_t) run,
                                     .account = request->person.id };
        if (document && document->journaled)
                document_note_run(document, &mark);
}

void documents_run_ended(struct documents *documents, const struct message_run_state *state) {
        documents_note_run_ended(documents, state);
}

/* After a crash */

struct recovery {
        struct documents *documents;
        struct journal_document rows[RECOVER_AT_ONCE];
        struct roster *rosters[RECOVER_AT_ONCE]; /* of each row's class; NULL: there is none */
        int64_t after;                           /* id of the last that was seen to before */
        int count;
        struct error error;
};

static void load_roster(struct recovery *recovery, int row) {
        struct course course;
        struct error error;
        struct store *store = recovery->documents->server->store;
        if (course_find_id(store, recovery->rows[row].class, &course, &error) < 0 ||
            roster_load(store, course.slug, &recovery->rosters[row], &error) < 0)
                log_failure(LOG_WARNING, "document.not-recovered", &error, "path", recovery->rows[row].path);
}

/* Before anything is open. */
static void forget_old(struct recovery *recovery) {
        const struct server *server = recovery->documents->server;
        int64_t days = (int64_t) server->options->settings->history_days, day = INT64_C(24) * 60 * 60 * 1000;
        struct error error;
        if (days == 0 || recovery->after > 0)
                return;
        int count = history_forget(server->store, wall_milliseconds() - days * day, &error);
        if (count < 0)
                log_failure(LOG_WARNING, "document.not-forgotten", &error);
        else if (count > 0)
                log_event(LOG_INFO, "document.forgotten", "count", log_number(count), NULL);
}

static void recover_work(void *context) {
        struct recovery *recovery = context;
        forget_old(recovery);
        recovery->count = journal_unwritten(recovery->documents->server->store, recovery->after, recovery->rows,
                                            RECOVER_AT_ONCE, &recovery->error);
        for (int i = 0; i < recovery->count; i++)
                load_roster(recovery, i);
}

static void recover(struct documents *documents, int64_t after);

/* Opening a document is all: it finds the file behind, and writes it. */
static void recover_done(void *context) {
        struct recovery *recovery = context;
        static const struct person nobody;
        if (recovery->count < 0)
                log_failure(LOG_ERROR, "document.recovery-failed", &recovery->error);
        for (int i = 0; i < recovery->count; i++) {
                if (!recovery->rosters[i])
                        continue;
                struct classroom *classroom = classroom_enter(recovery->documents->server, recovery->rosters[i]);
                (void) document_of(recovery->documents, classroom, &nobody, recovery->rows[i].path);
                classroom_release(classroom);
        }
        if (recovery->count > 0)
                log_event(LOG_INFO, "document.recovered", "count", log_number(recovery->count), NULL);
        if (recovery->count == RECOVER_AT_ONCE)
                recover(recovery->documents, recovery->rows[recovery->count - 1].id);
        free(recovery);
}

static void recover(struct documents *documents, int64_t after) {
        struct recovery *recovery = allocate(sizeof *recovery);
        *recovery = (struct recovery){ .documents = documents, .after = after };
        if (pool_submit(documents->server->pool, POOL_QUICK, recover_work, recover_done, recovery) < 0)
                free(recovery); /* whoever opens one of them will write it */
}

void documents_recover(struct documents *documents) {
        recover(documents, 0);
}
