/*
 * A document and its file: loading, writing, and taking in what others wrote into the file. One operation at a time a
 * document (`work`), each of them through the tree's worker, which has the owner's rights alone; what is long
 * (reading, comparing) is the pool's.
 *
 * The invariant: `written_text` is what the file held when we saw it last, and `version` names that state of it. A
 * write says "if it still is that version"; where it is not, the file is looked at, and what is different from
 * `written_text` is somebody's edit.
 */
#include "files.h"
#include "measure.h"
#include "open_document.h"

#include "../base/log.h"

#include <fcntl.h>
#include <sys/mman.h>

static void begin(struct document *document, enum file_work work);
static void end(struct document *document);

static void load_failed(struct document *document, int result) {
        document->work = WORK_NONE;
        document_loaded(document, result);
}

/* Reading, in the pool */

/* What came of looking at the file. */
enum finding {
        FOUND_KNOWN,    /* the file holds what we knew it did */
        FOUND_SAVED,    /* the file holds the document */
        FOUND_BEHIND,   /* the file holds an older revision: it is to be written */
        FOUND_MERGED,   /* `change` brings into the document what the file has */
        FOUND_CONFLICT, /* and here that is not possible */
};

struct look {
        struct document *document;
        struct store *store;
        size_t limit;
        int fd; /* owned */
        struct file_version version;

        /* What we have: of a document that is being loaded, found in the journal. */
        bool loading;
        uint32_t class;
        char path[PATH_BYTES];
        bool journaled;
        int64_t id, revision, written;
        struct text *text, *known; /* owned: the document's; what the file held last */

        /* What was found */
        int result;
        struct error error;
        struct text *file_text; /* owned */
        struct file_form form;
        enum finding finding;
        struct change *change; /* owned */
};

static void look_free(struct look *look) {
        close_fd(&look->fd);
        text_unreference(look->text);
        text_unreference(look->known);
        text_unreference(look->file_text);
        change_unreference(look->change);
        free(look);
}

static int read_file(struct look *look) {
        free_scoped char *bytes = NULL;
        size_t size = 0;
        int result = files_read(look->fd, look->limit, &bytes, &size);
        return result < 0 ? result : file_text_read(bytes, size, &look->file_text, &look->form);
}

static void compare(struct look *look) {
        if (text_equal(look->file_text, look->text))
                look->finding = FOUND_SAVED;
        else if (text_equal(look->file_text, look->known))
                look->finding = FOUND_KNOWN;
        else if (difference_merge(look->known, look->text, look->file_text, &look->change) == 0)
                look->finding = change_is_empty(look->change) ? FOUND_BEHIND : FOUND_MERGED;
        else
                look->finding = FOUND_CONFLICT;
}

/* The file may hold any revision since the one that was noted last: we died between writing it and noting that. */
struct search {
        const struct text *wanted;
        struct text *text; /* owned */
        bool found;
        int64_t revision;
};

static int search_update(void *context, const struct journal_update *update, struct error *error) {
        struct search *search = context;
        change_scoped change = NULL;
        text_scoped next = NULL;
        int r = journal_change(update->changes, &change, error);
        if (r == 0)
                r = change_apply(change, search->text, &next);
        if (r < 0)
                return r;
        text_unreference(search->text);
        search->text = steal_pointer(&next);
        search->revision = update->revision;
        search->found = text_equal(search->text, search->wanted);
        return search->found ? 1 : 0;
}

static int search_journal(struct look *look) {
        struct search search = { .wanted = look->file_text, .text = text_reference(look->known) };
        int r = journal_updates(look->store, look->id, look->written, search_update, &search, &look->error);
        if (r >= 0 && search.found) {
                look->written = search.revision;
                text_unreference(look->known);
                look->known = text_reference(look->file_text);
        }
        text_unreference(search.text);
        return r < 0 ? r : 0;
}

/* A file that the journal knows. */
static int find_journaled(struct look *look, const struct journal_document *row) {
        look->journaled = true;
        look->id = row->id;
        look->revision = row->revision;
        look->written = row->written;
        int r = journal_text(look->store, row->id, row->revision, &look->text, &look->error);
        if (r == 0)
                r = journal_text(look->store, row->id, row->written, &look->known, &look->error);
        return r < 0 ? r : search_journal(look);
}

static int find_document(struct look *look) {
        struct journal_document row;
        int r = journal_find(look->store, look->class, look->path, &row, &look->error);
        if (r == 0)
                r = find_journaled(look, &row);
        if (r != -ENOENT)
                return r;
        look->id = journal_new_id();
        look->text = text_reference(look->file_text);
        look->known = text_reference(look->file_text);
        return 0;
}

static void look_work(void *context) {
        struct look *look = context;
        look->result = read_file(look);
        if (look->result == 0 && look->loading)
                look->result = find_document(look);
        if (look->result == 0)
                compare(look);
}

/* What came of it */

static void take_file(struct document *document, struct look *look) {
        text_unreference(document->written_text);
        document->written_text = steal_pointer(&look->file_text);
        document->version = look->version;
        document->form = look->form;
}

static void take_as_saved(struct document *document, struct look *look) {
        take_file(document, look);
        /* They are the same: one copy is enough. */
        text_unreference(document->written_text);
        document->written_text = text_reference(document->text);
        bool news = document->written != document->revision;
        document->written = document->revision;
        if (news)
                document_note_written(document);
        document_set_disk(document, DISK_SAVED, "");
}

static void take_conflict(struct document *document, struct look *look) {
        text_unreference(document->theirs);
        document->theirs = steal_pointer(&look->file_text);
        document->version = look->version;
        document->form = look->form;
        document_set_disk(document, DISK_CONFLICT, "");
}

static void submit_merge(struct document *document, struct look *look) {
        struct submission *submission = allocate(sizeof *submission);
        *submission = (struct submission){
                .revision = document->revision,
                .updates = json_pack("[{s:s, s:o}]", "client", "disk", "changes", change_to_json(look->change)),
                .disk_text = steal_pointer(&look->file_text),
                .disk_version = look->version,
                .disk_form = look->form,
        };
        document->work = WORK_MERGING;
        document_submit(document, submission);
}

void document_merged(struct document *document, bool later) {
        if (!later) {
                end(document);
                return;
        }
        document->work = WORK_NONE;
        document->look_again = true;
        timer_set(document->write_timer, WRITE_RETRY);
}

static void apply(struct document *document, struct look *look) {
        switch (look->finding) {
        case FOUND_SAVED:
                take_as_saved(document, look);
                break;
        case FOUND_KNOWN:
        case FOUND_BEHIND:
                take_file(document, look);
                document_set_disk(document, DISK_SAVING, "");
                document->write_again = true;
                break;
        case FOUND_MERGED:
                submit_merge(document, look);
                return;
        case FOUND_CONFLICT:
                take_conflict(document, look);
                break;
        }
        end(document);
}

static void apply_loaded(struct document *document, struct look *look) {
        document->id = look->id;
        document->journaled = look->journaled;
        document->revision = look->revision;
        document->written = look->written;
        document->text = steal_pointer(&look->text);
        document->written_text = steal_pointer(&look->known);
        document->disk = look->finding == FOUND_SAVED ? DISK_SAVED : DISK_SAVING;
        document_loaded(document, 0);
        apply(document, look);
}

/* The file is no text any more, or cannot be read. */
static void apply_unreadable(struct document *document, struct look *look) {
        if (look->result == -EILSEQ || look->result == -EFBIG) {
                take_conflict(document, look);
        } else {
                log_failure(LOG_WARNING, "document.not-read", &look->error, "number", log_number(-look->result));
                document_set_disk(document, DISK_FAILED, "The file cannot be read at the moment.");
        }
        end(document);
}

static void look_done(void *context) {
        struct look *look = context;
        struct document *document = look->document;
        if (look->loading && look->result < 0) {
                if (look->result != -EILSEQ && look->result != -EFBIG)
                        log_failure(LOG_ERROR, "document.not-loaded", &look->error, "number",
                                    log_number(-look->result));
                load_failed(document, look->result);
        } else if (look->loading) {
                apply_loaded(document, look);
        } else if (look->result < 0) {
                apply_unreadable(document, look);
        } else if (look->revision != document->revision || document->committing) {
                document->look_again = true; /* it was compared with a text that is no longer the newest */
                end(document);
        } else {
                apply(document, look);
        }
        look_free(look);
}

static void read_in_pool(struct document *document, struct workspace_answer *answer) {
        struct server *server = document->documents->server;
        document->absent = false;
        struct look *look = allocate(sizeof *look);
        *look = (struct look){ .document = document,
                               .store = server->store,
                               .limit = protocol_maximum(server->protocol, "text"),
                               .fd = steal_fd(&answer->fd),
                               .version = answer->version,
                               .loading = document->work == WORK_LOADING,
                               .class = document->classroom->roster->course.id,
                               .revision = document->revision };
        snprintf(look->path, sizeof look->path, "%s", document->path);
        if (!look->loading) {
                look->text = text_reference(document->text);
                look->known = text_reference(document->written_text);
        }
        if (pool_submit(server->pool, POOL_QUICK, look_work, look_done, look) == 0)
                return;
        look->result = error_say(&look->error, EAGAIN, "the server is busy");
        look_done(look);
}

/* The worker's answers */

static void look_failed(struct document *document, int result) {
        switch (result) {
        case -ENOENT:
        case -ENOTDIR:
                document->absent = true;
                document_set_disk(document, DISK_DELETED, "");
                break;
        case -EISDIR:
        case -ENXIO:
        case -ELOOP:
                text_unreference(steal_pointer(&document->theirs));
                document_set_disk(document, DISK_CONFLICT, "Something else has taken the file's place.");
                break;
        default:
                document_set_disk(document, DISK_FAILED, "The file cannot be reached at the moment.");
        }
        end(document);
}

/* The worker died: another one is to try, once. */
static bool once_more(struct document *document, int result) {
        if (result != -EPIPE || document->retried) {
                document->retried = false;
                return false;
        }
        document->retried = true;
        begin(document, document->work);
        return true;
}

static bool same_version(const struct file_version *one, const struct file_version *other) {
        return memcmp(one, other, sizeof *one) == 0;
}

static void on_opened(void *context, struct workspace_answer *answer) {
        struct document *document = context;
        worker_release(steal_pointer(&document->worker), answer->result == -EPIPE);
        if (once_more(document, answer->result))
                return;
        if (answer->result == 0 && document->work == WORK_LOOKING && document->disk != DISK_CONFLICT &&
            document->disk != DISK_DELETED && same_version(&answer->version, &document->version))
                end(document);
        else if (answer->result == 0)
                read_in_pool(document, answer);
        else if (document->work == WORK_LOOKING)
                look_failed(document, answer->result);
        else
                load_failed(document, answer->result == -EISDIR ? -ENXIO : answer->result);
}

static const char *sentence_for(const struct document *document, const struct workspace_answer *answer,
                                char sentence[static QUOTA_SENTENCE_BYTES]) {
        const struct server *server = document->documents->server;
        struct file_usage quota = files_quota(server, &document->classroom->roster->course, &document->place);
        if (answer->over_quota) {
                quota_sentence(&answer->usage, &quota, sentence);
                return sentence;
        }
        switch (answer->result) {
        case -ENOSPC:
        case -EDQUOT:
                return "There is no space left for the file. What you type is kept by the server all the same.";
        case -EACCES:
        case -EPERM:
        case -EROFS:
                return "The file may not be written: its permissions forbid it. What you type is kept by the server.";
        default:
                return "The file cannot be written at the moment. What you type is kept by the server all the same.";
        }
}

/* Those who wait for a revision that the file has now; or, where there is none to be had, all. */
static void answer_written(struct document *document, int result) {
        struct waiter_list waiting = STAILQ_HEAD_INITIALIZER(waiting);
        struct waiter *waiter;
        STAILQ_CONCAT(&waiting, &document->waiting_written);
        while ((waiter = STAILQ_FIRST(&waiting))) {
                STAILQ_REMOVE_HEAD(&waiting, link);
                if (result == 0 && waiter->revision > document->written) {
                        STAILQ_INSERT_TAIL(&document->waiting_written, waiter, link);
                        continue;
                }
                waiter->function(document, waiter->request, result);
                free(waiter);
        }
}

static void write_succeeded(struct document *document, const struct workspace_answer *answer) {
        document->written = document->write_revision;
        text_unreference(document->written_text);
        document->written_text = steal_pointer(&document->write_text);
        document->version = answer->version;
        document->absent = false;
        document->unwritten_since = 0;
        document_note_written(document);
        files_tell(document->classroom, document->path);
        if (document->written == document->revision) {
                document_set_disk(document, DISK_SAVED, "");
        } else {
                document_set_disk(document, DISK_SAVING, "");
                document_update_stored(document);
        }
        answer_written(document, 0);
}

static void on_written(void *context, struct workspace_answer *answer) {
        struct document *document = context;
        char sentence[QUOTA_SENTENCE_BYTES];
        worker_release(steal_pointer(&document->worker), answer->result == -EPIPE);
        bool again = once_more(document, answer->result);
        if (again)
                ;
        else if (answer->result == 0) {
                write_succeeded(document, answer);
        } else if (answer->result == -ESTALE || answer->result == -EEXIST || answer->result == -ENOENT) {
                document->look_again = true; /* and whoever waits for the writing waits on */
        } else {
                document_set_disk(document, DISK_FAILED, sentence_for(document, answer, sentence));
                answer_written(document, answer->result);
                timer_set(document->write_timer, WRITE_RETRY);
        }
        text_unreference(steal_pointer(&document->write_text));
        if (!again)
                end(document);
}

/* Operations */

static void worker_failed(struct document *document, int result) {
        if (document->work == WORK_LOADING) {
                load_failed(document, result);
                return;
        }
        document_set_disk(document, DISK_FAILED, "The files cannot be reached at the moment.");
        answer_written(document, result);
        timer_set(document->write_timer, WRITE_RETRY);
        end(document);
}

static int ask_write(struct document *document, struct workspace *workspace) {
        struct buffer bytes = { 0 };
        document->write_text = text_reference(document->text);
        document->write_revision = document->revision;
        file_text_write(document->write_text, &document->form, &bytes);
        struct workspace_content content = { .bytes = bytes.bytes ? buffer_front(&bytes) : (const void *) "",
                                             .fd = -1,
                                             .size = buffer_size(&bytes) };
        bool absent = document->absent;
        int result =
                workspace_write(workspace, document->place.path, &content, absent ? FILE_IF_ABSENT : FILE_IF_VERSION,
                                absent ? NULL : &document->version, on_written, document);
        buffer_finish(&bytes);
        if (result < 0)
                text_unreference(steal_pointer(&document->write_text));
        return result;
}

static void on_worker(void *context, struct worker *worker, int result) {
        struct document *document = context;
        if (result < 0) {
                worker_failed(document, result);
                return;
        }
        document->worker = worker;
        struct workspace *workspace = worker_workspace(worker);
        struct file_usage quota =
                files_quota(document->documents->server, &document->classroom->roster->course, &document->place);
        workspace_set_quota(workspace, &quota);
        result = document->work == WORK_WRITING
                         ? ask_write(document, workspace)
                         : workspace_open_followed(workspace, document->place.path, on_opened, document);
        if (result == 0)
                return;
        document->worker = NULL;
        worker_release(worker, result == -EPIPE);
        worker_failed(document, result);
}

static void begin(struct document *document, enum file_work work) {
        document->work = work;
        workers_use(document->documents->server->workers, &document->tree, on_worker, document);
}

/* What is to be done next, now that nothing is. */
static void go_on(struct document *document) {
        if (document->work != WORK_NONE)
                return;
        if (document->look_again) {
                document->look_again = false;
                begin(document, WORK_LOOKING);
        } else if (document->write_again || !STAILQ_EMPTY(&document->waiting_written)) {
                document->write_again = false;
                document_write_now(document);
        }
}

static void end(struct document *document) {
        document->work = WORK_NONE;
        if (document->disk == DISK_CONFLICT || document->disk == DISK_DELETED)
                answer_written(document, -ESTALE);
        go_on(document);
}

void document_load(struct document *document) {
        begin(document, WORK_LOADING);
}

void document_look(struct document *document) {
        document->look_again = true;
        go_on(document);
}

void document_update_stored(struct document *document) {
        if (document->disk == DISK_CONFLICT || document->disk == DISK_DELETED ||
            document->revision == document->written)
                return;
        uint64_t now = now_milliseconds();
        /* A class begins to type at one moment: their files must not all be written at one moment too, each five
         * seconds. */
        if (!document->unwritten_since)
                document->unwritten_since = now - (uint64_t) document->id % WRITE_SPREAD;
        if (document->disk == DISK_SAVED)
                document_set_disk(document, DISK_SAVING, "");
        uint64_t latest = document->unwritten_since + WRITE_LATEST;
        uint64_t delay = now + WRITE_DELAY < latest ? WRITE_DELAY : latest > now ? latest - now : 0;
        timer_set(document->write_timer, delay);
}

void document_write_now(struct document *document) {
        if (!document->ready || document->disk == DISK_SAVED || document->disk == DISK_CONFLICT ||
            document->disk == DISK_DELETED)
                return;
        timer_clear(document->write_timer);
        document->write_again = document->work != WORK_NONE;
        if (!document->write_again)
                begin(document, WORK_WRITING);
}

void document_timer(struct document *document) {
        if (document->look_again)
                go_on(document);
        else
                document_write_now(document);
}

void document_overwrite(struct document *document) {
        /* What the file holds is known, if it is a text: later changes of it are told from that. */
        if (document->theirs) {
                text_unreference(document->written_text);
                document->written_text = steal_pointer(&document->theirs);
        }
        document_set_disk(document, DISK_SAVING, "");
        document_write_now(document);
}

void document_when_written(struct document *document, struct request *request,
                           void (*function)(struct document *document, struct request *request, int result)) {
        if (document->disk == DISK_SAVED && document->written == document->revision) {
                function(document, request, 0);
        } else if (document->disk == DISK_CONFLICT || document->disk == DISK_DELETED) {
                function(document, request, -ESTALE);
        } else {
                wait_for(&document->waiting_written, request, document->revision, function);
                document_write_now(document);
        }
}

int document_source(const struct document *document, const struct text *text) {
        struct buffer bytes = { 0 };
        fd_scoped fd = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        file_text_write(text, &document->form, &bytes);
        int result = buffer_size(&bytes) ? write_fully(fd, buffer_front(&bytes), buffer_size(&bytes)) : 0;
        buffer_finish(&bytes);
        if (result < 0)
                return result;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        return steal_fd(&fd);
}
