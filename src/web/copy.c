/*
 * Folders copied, also from one tree to another: whole, or not at all.
 *
 * One worker opens file after file, the other (or the same) writes what the descriptor gives, into a hidden folder
 * beside the target, which takes the target's name when all is there. That is the commit; until then whatever goes
 * wrong leaves at most the hidden folder, which is deleted, or swept by a listing an hour later (a server that was
 * killed). Links, pipes and what cannot be read are left out and counted, and the page says so.
 */
#include "copy.h"
#include "files.h"
#include "walk.h"

struct copying {
        struct request *request;
        struct walk walk;
        size_t at; /* the entry under way */
        uint64_t skipped;
        char hidden[PATH_BYTES]; /* "": nothing to be deleted */
        char path[PATH_BYTES];   /* of the entry, in the source or the target */
        void (*done)(struct request *request);
        char *sentence; /* owned: of a failure by the quota, told when all is tidied up */
};

static const char *to_of(const struct request *request) {
        return request_string(request, "to");
}

void copying_free(struct copying *copying) {
        if (!copying)
                return;
        walk_finish(&copying->walk);
        free(copying->sentence);
        free(copying);
}

uint64_t copying_skipped(const struct copying *copying) {
        return copying ? copying->skipped : 0;
}

static void next_entry(struct copying *copying);

/* Answers */

/* What an answer said, with the worker given back. */
static int take_result(struct request *request, const struct workspace_answer *answer) {
        worker_release(steal_pointer(&request->worker), answer->result == -EPIPE);
        request->attempts = 0;
        return answer->result;
}

/* Failing */

static void tell_failure(struct request *request) {
        int number = request->result;
        if (request->copying->sentence)
                request_fail(request, "quota", NULL, "%s", request->copying->sentence);
        else if (number == E2BIG)
                request_fail(request, "too-large", "from",
                             "This folder holds too much to be copied at once (%d files and folders, %d MB at most).",
                             WALK_ENTRIES_MAXIMUM, (int) (WALK_BYTES_MAXIMUM >> 20));
        else
                request_fail_errno(request, number, to_of(request));
}

static void on_tidied(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        take_result(request, answer); /* what could not be deleted is swept */
        tell_failure(request);
}

static int ask_tidy(struct request *request, struct workspace *workspace) {
        return workspace_delete(workspace, request->copying->hidden, on_tidied, request);
}

static void fail(struct request *request, int result) {
        request->result = -result;
        if (*request->copying->hidden)
                files_ask(request, &request->other, ask_tidy, true);
        else
                tell_failure(request);
}

static void fail_answer(struct request *request, const struct workspace_answer *answer) {
        if (answer->over_quota)
                request->copying->sentence = files_quota_sentence(request, answer);
        fail(request, answer->result);
}

/* The end */

static void on_named(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (take_result(request, answer) < 0)
                fail_answer(request, answer);
        else
                request->copying->done(request);
}

static int ask_name(struct request *request, struct workspace *workspace) {
        return workspace_move(workspace, request->copying->hidden, request->other.path, on_named, request);
}

/* Each entry */

static void skip(struct copying *copying) {
        copying->skipped++;
        copying->at++;
        next_entry(copying);
}

static void on_written(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        close_fd(&request->fd);
        if (take_result(request, answer) < 0) {
                fail_answer(request, answer);
                return;
        }
        request->copying->at++;
        next_entry(request->copying);
}

static int ask_write(struct request *request, struct workspace *workspace) {
        struct workspace_content content = { .fd = request->fd,
                                             .size = protocol_limit(request->server->protocol, "upload") };
        return workspace_write(workspace, request->copying->path, &content, FILE_IF_ABSENT, NULL, on_written, request);
}

static int ask_make_folder(struct request *request, struct workspace *workspace) {
        return workspace_make_folder(workspace, request->copying->path, on_written, request);
}

static bool is_not_to_be_had(int result) {
        return result == -ENOENT || result == -ENOTDIR || result == -EACCES || result == -ELOOP || result == -ENXIO ||
               result == -EISDIR || result == -EXDEV || result == -EBUSY;
}

static void on_opened(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        struct copying *copying = request->copying;
        int result = take_result(request, answer);
        if (is_not_to_be_had(result) ||
            (result == 0 && !walk_path(&copying->walk, copying->at, copying->hidden, copying->path))) {
                skip(copying);
        } else if (result < 0) {
                fail(request, result);
        } else {
                request->fd = steal_fd(&answer->fd);
                files_ask(request, &request->other, ask_write, false);
        }
}

static int ask_open(struct request *request, struct workspace *workspace) {
        return workspace_open_file(workspace, request->copying->path, on_opened, request);
}

static void next_entry(struct copying *copying) {
        struct request *request = copying->request;
        for (; copying->at < copying->walk.count; copying->at++) {
                enum file_kind kind = copying->walk.entries[copying->at].kind;
                bool folder = kind == FILE_KIND_FOLDER;
                const char *base = folder ? copying->hidden : request->place.path;
                if ((folder || kind == FILE_KIND_FILE) && walk_path(&copying->walk, copying->at, base, copying->path)) {
                        files_ask(request, folder ? &request->other : &request->place,
                                  folder ? ask_make_folder : ask_open, false);
                        return;
                }
                copying->skipped++;
        }
        files_ask(request, &request->other, ask_name, false);
}

/* The beginning */

static void on_begun(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (take_result(request, answer) < 0) {
                *request->copying->hidden = '\0';
                fail_answer(request, answer);
                return;
        }
        next_entry(request->copying);
}

static int ask_begin(struct request *request, struct workspace *workspace) {
        return workspace_make_folder(workspace, request->copying->hidden, on_begun, request);
}

static void on_walked(void *context) {
        struct request *request = context;
        struct copying *copying = request->copying;
        copying->skipped = copying->walk.left_out;
        if (copying->walk.result < 0)
                fail(request, copying->walk.result);
        else if (!workspace_temporary_beside(request->other.path, copying->hidden))
                fail(request, -ENAMETOOLONG);
        else
                files_ask(request, &request->other, ask_begin, false);
}

/* So that a name that is taken costs no copying. */
static void on_looked(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        struct tree tree;
        int result = take_result(request, answer);
        if (result == -ENOENT)
                result = tree_of(request->classroom->roster, &request->person, &request->place, &tree);
        else if (result == 0 || result == -EISDIR || result == -ENXIO || result == -ELOOP)
                result = -EEXIST;
        if (result == 0)
                result = walk_begin(&request->copying->walk, request->server, &tree, request->place.path, on_walked,
                                    request);
        if (result < 0)
                fail(request, result);
}

static int ask_look(struct request *request, struct workspace *workspace) {
        return workspace_open_file(workspace, request->other.path, on_looked, request);
}

static bool is_below(const struct request *request) {
        const struct place *from = &request->place, *to = &request->other;
        size_t size = strlen(from->path);
        return from->tree == to->tree && strcmp(from->owner_folder, to->owner_folder) == 0 &&
               strncmp(from->path, to->path, size) == 0 && (size == 0 || to->path[size] == '/' || !to->path[size]);
}

void copy_folder(struct request *request, void (*done)(struct request *request)) {
        if (is_below(request)) {
                request_fail(request, "invalid-name", "to", "A folder cannot be copied into itself.");
                return;
        }
        request->copying = allocate(sizeof *request->copying);
        request->copying->request = request;
        request->copying->done = done;
        files_ask(request, &request->other, ask_look, true);
}
