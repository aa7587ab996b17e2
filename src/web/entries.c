/* Folders and entries: folder.create, entry.move, entry.copy, entry.delete. */
#include "copy.h"
#include "documents.h"
#include "files.h"

static const char *from_of(const struct request *request) {
        return request_string(request, "from");
}
static const char *to_of(const struct request *request) {
        return request_string(request, "to");
}
static const char *path_of(const struct request *request) {
        return request_string(request, "path");
}

/* Refuses the ends of the tree, and what lies in none. */
static bool may_change(struct request *request, const struct place *place, const char *field) {
        if (place->kind == PLACE_TREE && !place_is_fixed(place))
                return true;
        request_fail(request, "forbidden", field, "This folder stays as it is.");
        return false;
}

static void reply_path(struct request *request) {
        files_changed(request->classroom, path_of(request));
        request_reply(request, json_pack("{s:s}", "path", path_of(request)));
}

static void reply_from_to(struct request *request) {
        files_changed(request->classroom, to_of(request));
        json_t *reply = json_pack("{s:s, s:s}", "from", from_of(request), "to", to_of(request));
        uint64_t skipped = copying_skipped(request->copying);
        if (reply && skipped > 0)
                json_object_set_new(reply, "skipped", json_integer((json_int_t) skipped));
        request_reply(request, reply);
}

/* folder.create, entry.delete */

static void on_path_changed(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (files_answer(request, answer, path_of(request)))
                reply_path(request);
}

static int ask_make_folder(struct request *request, struct workspace *workspace) {
        return workspace_make_folder(workspace, request->place.path, on_path_changed, request);
}

void files_make_folder(struct request *request) {
        if (request->place.kind == PLACE_TREE && place_is_fixed(&request->place))
                request_fail(request, "exists", "path", "“%s” is there already.", path_of(request));
        else if (may_change(request, &request->place, "path"))
                files_ask(request, &request->place, ask_make_folder, false);
}

static void on_trashed(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (!files_answer(request, answer, path_of(request)))
                return;
        files_changed(request->classroom, path_of(request));
        request_reply(request, json_pack("{s:s, s:s}", "path", path_of(request), "trash", answer->path));
}

static int ask_delete(struct request *request, struct workspace *workspace) {
        return request_true(request, "forever")
                       ? workspace_delete(workspace, request->place.path, on_path_changed, request)
                       : workspace_trash(workspace, request->place.path, on_trashed, request);
}

void files_delete(struct request *request) {
        if (may_change(request, &request->place, "path"))
                files_ask(request, &request->place, ask_delete, false);
}

/* entry.copy: one worker opens, the other (or the same) writes what the descriptor gives. Moving a file from one tree
 * to another is this, and then moving it to the trash, where what was not copied is still to be found; what was copied
 * stays where that fails. */

static bool same_tree(const struct place *one, const struct place *other) {
        return one->tree == other->tree && strcmp(one->owner_folder, other->owner_folder) == 0;
}

static void on_moved_away(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (!files_answer(request, answer, from_of(request)))
                return;
        documents_moved(request->classroom, from_of(request), to_of(request));
        files_changed(request->classroom, from_of(request));
        reply_from_to(request);
}

static int ask_delete_source(struct request *request, struct workspace *workspace) {
        return workspace_trash(workspace, request->place.path, on_moved_away, request);
}

static void copied(struct request *request) {
        if (request->deletes_source)
                files_ask(request, &request->place, ask_delete_source, false);
        else
                reply_from_to(request);
}

static void on_copied(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (files_answer(request, answer, to_of(request)))
                copied(request);
}

static int ask_write_copy(struct request *request, struct workspace *workspace) {
        struct workspace_content content = { .fd = request->fd,
                                             .size = protocol_limit(request->server->protocol, "upload") };
        return workspace_write(workspace, request->other.path, &content, FILE_IF_ABSENT, NULL, on_copied, request);
}

static void on_source_opened(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (answer->result == -EISDIR) {
                worker_release(steal_pointer(&request->worker), false);
                copy_folder(request, copied);
                return;
        }
        if (!files_answer(request, answer, from_of(request)))
                return;
        request->fd = steal_fd(&answer->fd);
        files_ask(request, &request->other, ask_write_copy, false);
}

static int ask_open_source(struct request *request, struct workspace *workspace) {
        return workspace_open_file(workspace, request->place.path, on_source_opened, request);
}

void files_copy(struct request *request) {
        if (request->place.kind != PLACE_TREE)
                request_fail(request, "failed", "from",
                             "This folder belongs to the class, and only what is in it can be copied.");
        else if (may_change(request, &request->other, "to"))
                files_ask(request, &request->place, ask_open_source, true);
}

/* entry.move */

static int ask_move(struct request *request, struct workspace *workspace) {
        return workspace_move(workspace, request->place.path, request->other.path, on_moved_away, request);
}

void files_move(struct request *request) {
        if (!may_change(request, &request->place, "from") || !may_change(request, &request->other, "to"))
                return;
        if (same_tree(&request->place, &request->other)) {
                files_ask(request, &request->place, ask_move, false);
        } else {
                request->deletes_source = true;
                files_ask(request, &request->place, ask_open_source, true);
        }
}
