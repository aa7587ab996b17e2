/* The trash: trash.list, trash.restore, trash.delete. */
#include "files.h"

static const char *path_of(const struct request *request) {
        return request_string(request, "path");
}

static void ask(struct request *request, request_operation *operation, bool repeatable) {
        if (request->place.kind == PLACE_TREE)
                files_ask(request, &request->place, operation, repeatable);
        else
                request_fail(request, "not-found", "path", "Nothing here can be deleted, so there is no trash.");
}

/* What has too long a path to be named is still there, and goes with the rest. */
static void add_item(const struct request *request, json_t *items, const struct workspace_entry *entry) {
        char path[PATH_BYTES];
        if (!place_path(&request->place, entry->name, path))
                return;
        json_t *item = json_pack("{s:s, s:s, s:s, s:I, s:I}", "trash", entry->trash, "path", path, "kind",
                                 files_kind_name(entry->kind), "size", (json_int_t) entry->size, "deleted",
                                 (json_int_t) (entry->modified > 0 ? entry->modified : 0));
        if (item)
                json_array_append_new(items, item);
}

static void on_listed(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (!files_answer(request, answer, path_of(request)))
                return;
        json_t *items = json_array();
        for (size_t i = 0; i < answer->entry_count; i++)
                add_item(request, items, &answer->entries[i]);
        request_reply(request, json_pack("{s:s, s:o, s:I}", "path", path_of(request), "items", items, "days",
                                         (json_int_t) request->server->options->settings->trash_days));
}

static int ask_list(struct request *request, struct workspace *workspace) {
        return workspace_trash_list(workspace, request->place.path, on_listed, request);
}

void trash_list(struct request *request) {
        ask(request, ask_list, true);
}

static void on_restored(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        char path[PATH_BYTES] = "";
        if (answer->result == -EEXIST) {
                worker_release(steal_pointer(&request->worker), false);
                request_fail(request, "exists", "trash", "Something has its name by now: rename that first.");
                return;
        }
        if (!files_answer(request, answer, path_of(request)))
                return;
        if (!place_path(&request->place, answer->path, path)) {
                request_fail(request, "invalid-name", "path", "It is back, but its path is too long to be shown.");
                return;
        }
        /* Folders above it may have come back too. */
        char folder[PATH_BYTES];
        memcpy(folder, path, sizeof folder);
        for (char *end = folder + strlen(folder); end; end = strrchr(folder, '/')) {
                *end = '\0';
                files_changed(request->classroom, folder);
        }
        request_reply(request, json_pack("{s:s}", "path", path));
}

static int ask_restore(struct request *request, struct workspace *workspace) {
        return workspace_trash_restore(workspace, request->place.path, request_string(request, "trash"), on_restored,
                                       request);
}

void trash_restore(struct request *request) {
        ask(request, ask_restore, false);
}

static void on_deleted(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (files_answer(request, answer, path_of(request)))
                request_reply(request, json_pack("{s:s}", "path", path_of(request)));
}

static int ask_delete(struct request *request, struct workspace *workspace) {
        return workspace_trash_delete(workspace, request->place.path, request_string(request, "trash"), on_deleted,
                                      request);
}

void trash_delete(struct request *request) {
        ask(request, ask_delete, false);
}
