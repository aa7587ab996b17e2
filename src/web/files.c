#include "files.h"
#include "documents.h"
#include "measure.h"

#include "../base/log.h"

#include <sys/stat.h>

/* Versions */

void version_to_text(const struct file_version *version, char text[static VERSION_TEXT_BYTES]) {
        hexadecimal(version, sizeof *version, text);
}

int version_from_text(const char *text, struct file_version *ret_version) {
        uint8_t bytes[sizeof *ret_version];
        if (strlen(text) != 2 * sizeof bytes || strspn(text, "0123456789abcdef") != 2 * sizeof bytes)
                return -EINVAL;
        for (size_t i = 0; i < sizeof bytes; i++) {
                const char digits[3] = { text[2 * i], text[2 * i + 1] };
                bytes[i] = (uint8_t) strtoul(digits, NULL, 16);
        }
        memcpy(ret_version, bytes, sizeof bytes);
        return 0;
}

/* Workers */

struct file_usage files_quota(const struct server *server, const struct course *course, const struct place *place) {
        if (place->kind != PLACE_TREE || place->tree != TREE_PERSONAL)
                return (struct file_usage){ 0 };
        return course_quota(course, server->options->settings);
}

char *files_quota_sentence(const struct request *request, const struct workspace_answer *answer) {
        struct file_usage quota = files_quota(request->server, &request->classroom->roster->course, request->at);
        char sentence[QUOTA_SENTENCE_BYTES];
        quota_sentence(&answer->usage, &quota, sentence);
        return duplicate_string(sentence);
}

static void fail_over_quota(struct request *request, const struct workspace_answer *answer) {
        free_scoped char *sentence = files_quota_sentence(request, answer);
        request_fail(request, "quota", NULL, "%s", sentence);
}

static void on_worker(void *context, struct worker *worker, int result) {
        struct request *request = context;
        if (result < 0) {
                request_fail_errno(request, -result, request->at->path);
                return;
        }
        request->worker = worker;
        struct file_usage quota = files_quota(request->server, &request->classroom->roster->course, request->at);
        workspace_set_quota(worker_workspace(worker), &quota);
        result = request->operation(request, worker_workspace(worker));
        if (result == 0)
                return;
        request->worker = NULL;
        worker_release(worker, result == -EPIPE);
        if (result == -EPIPE && request->attempts < 2) /* nothing was asked of it yet */
                files_ask(request, request->at, request->operation, request->repeatable);
        else
                request_fail_errno(request, -result, request->at->path);
}

void files_ask(struct request *request, const struct place *place, request_operation *operation, bool repeatable) {
        struct tree tree;
        request->at = place;
        request->operation = operation;
        request->repeatable = repeatable;
        request->attempts++;
        int result = tree_of(request->classroom->roster, &request->person, place, &tree);
        if (result < 0)
                request_fail(request, "not-found", NULL, "There is no such folder.");
        else
                workers_use(request->server->workers, &tree, on_worker, request);
}

bool files_answer(struct request *request, const struct workspace_answer *answer, const char *path) {
        worker_release(steal_pointer(&request->worker), answer->result == -EPIPE);
        if (answer->result == 0) {
                request->attempts = 0;
                return true;
        }
        if (answer->result == -EPIPE && request->repeatable && request->attempts < 2)
                files_ask(request, request->at, request->operation, true);
        else if (answer->over_quota)
                fail_over_quota(request, answer);
        else
                request_fail_errno(request, -answer->result, path);
        return false;
}

static const char *path_of(const struct request *request) {
        const char *path = request_string(request, "path");
        return path ? path : request_string(request, "from");
}

/* The ends of the tree stay where they are, whoever asks. */
static bool fixed(struct request *request, const struct place *place, const char *field) {
        if (!place_is_fixed(place))
                return false;
        request_fail(request, "forbidden", field, "This folder stays as it is.");
        return true;
}

static void parent_of(const char *path, char parent[static PATH_BYTES]) {
        const char *slash = strrchr(path, '/');
        snprintf(parent, PATH_BYTES, "%.*s", slash ? (int) (slash - path) : 0, path);
}

void files_tell(struct classroom *classroom, const char *path) {
        char parent[PATH_BYTES];
        struct place place;
        parent_of(path, parent);
        if (place_parse(parent, &place, NULL) == 0)
                classroom_tell(classroom, ACTION_SEE, &place,
                               json_pack("{s:s, s:s}", "type", "tree.changed", "path", parent));
}

void files_changed(struct classroom *classroom, const char *path) {
        files_tell(classroom, path);
        documents_noticed(classroom, path);
}

/* One that is too long to be named is open nowhere. */
static void notice(struct classroom *classroom, const struct place *tree, const char *path) {
        char whole[PATH_BYTES];
        if (place_path(tree, path, whole))
                documents_noticed(classroom, whole);
}

static void notice_name(struct classroom *classroom, const struct place *folder, const char *name) {
        char path[PATH_BYTES];
        if (snprintf(path, sizeof path, "%s%s%s", folder->path, *folder->path ? "/" : "", name) < (int) sizeof path)
                notice(classroom, folder, path);
}

void files_folder_noticed(struct server *server, const struct tree *tree, const char *folder, const char *const *names,
                          size_t count) {
        struct classroom *classroom = classroom_find(server, tree->class_slug);
        struct place place = { .kind = PLACE_TREE, .tree = tree->kind };
        char path[PATH_BYTES];
        if (tree->kind == TREE_PERSONAL)
                memcpy(place.owner_folder, tree->folder, sizeof place.owner_folder);
        if (!classroom || !place_path(&place, folder, path))
                return;
        snprintf(place.path, sizeof place.path, "%s", folder);
        for (size_t i = 0; i < count; i++)
                notice_name(classroom, &place, names[i]);
        if (count == 0)
                notice(classroom, &place, folder);
        classroom_tell(classroom, ACTION_SEE, &place, json_pack("{s:s, s:s}", "type", "tree.changed", "path", path));
}

void files_unwatched(struct server *server, const struct tree *tree) {
        struct classroom *classroom = classroom_find(server, tree->class_slug);
        struct place place = { .kind = PLACE_TREE, .tree = tree->kind };
        if (!classroom)
                return;
        if (tree->kind == TREE_PERSONAL)
                memcpy(place.owner_folder, tree->folder, sizeof place.owner_folder);
        for (size_t i = 0; i < (tree->kind == TREE_PERSONAL ? 1 : WORKSPACE_SHARED_FOLDERS); i++) {
                char path[PATH_BYTES];
                const char *part = tree->kind == TREE_PERSONAL ? "" : workspace_shared_folders[i];
                snprintf(place.path, sizeof place.path, "%s", part);
                if (place_path(&place, part, path))
                        classroom_tell(
                                classroom, ACTION_SEE, &place,
                                json_pack("{s:s, s:s, s:b}", "type", "tree.changed", "path", path, "below", true));
        }
}

/* tree.list */

static void add_entry(json_t *entries, const char *name, const char *kind, uint64_t size, int64_t modified,
                      bool writable) {
        json_t *entry = json_pack("{s:s, s:s, s:I, s:I, s:b}", "name", name, "kind", kind, "size", (json_int_t) size,
                                  "modified", (json_int_t) (modified > 0 ? modified : 0), "writable", writable);
        if (entry)
                json_array_append_new(entries, entry);
}

static void reply_entries(struct request *request, json_t *entries, bool complete) {
        request_reply(request,
                      json_pack("{s:s, s:o, s:b}", "path", path_of(request), "entries", entries, "complete", complete));
}

static void add_person(struct request *request, json_t *entries, const char *folder) {
        struct place place;
        place_personal(folder, &place);
        if (permitted(&request->person, true, ACTION_SEE, &place))
                add_entry(entries, folder, "folder", 0, 0, permitted(&request->person, true, ACTION_CHANGE, &place));
}

/* What lies in no tree. */
static void list_virtual(struct request *request) {
        json_t *entries = json_array();
        const struct roster *roster = request->classroom->roster;
        if (request->place.kind == PLACE_TOP) {
                add_entry(entries, "Local", "folder", 0, 0, false);
                for (const char *const *folder = shared_folders; *folder; folder++) {
                        struct place place;
                        bool writable = place_parse(*folder, &place, NULL) == 0 &&
                                        permitted(&request->person, true, ACTION_CHANGE, &place);
                        add_entry(entries, *folder, "folder", 0, 0, writable);
                }
        } else {
                for (size_t i = 0; i < roster->count; i++)
                        add_person(request, entries, roster->members[i].folder);
                if (!roster_find(roster, request->person.folder))
                        add_person(request, entries, request->person.folder);
        }
        reply_entries(request, entries, true);
}

static const char *const kind_names[] = {
        [FILE_KIND_FOLDER] = "folder",
        [FILE_KIND_FILE] = "file",
        [FILE_KIND_LINK] = "link",
        [FILE_KIND_OTHER] = "other",
};

const char *files_kind_name(enum file_kind kind) {
        return kind < array_length(kind_names) ? kind_names[kind] : "other";
}

static void on_listed(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (!files_answer(request, answer, path_of(request)))
                return;
        json_t *entries = json_array();
        bool writable = permitted(&request->person, true, ACTION_CHANGE, &request->place);
        for (size_t i = 0; i < answer->entry_count; i++) {
                const struct workspace_entry *entry = &answer->entries[i];
                add_entry(entries, entry->name, files_kind_name(entry->kind), entry->size, entry->modified, writable);
        }
        reply_entries(request, entries, answer->entries_left_out == 0);
}

static int ask_list(struct request *request, struct workspace *workspace) {
        return workspace_list(workspace, request->place.path, true, on_listed, request);
}

void files_list(struct request *request) {
        if (request->place.kind == PLACE_TREE)
                files_ask(request, &request->place, ask_list, true);
        else
                list_virtual(request);
}

/* tree.usage */

static uint64_t less(uint64_t whole, uint64_t part) {
        return whole > part ? whole - part : 0;
}

static void on_usage(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (!files_answer(request, answer, path_of(request)))
                return;
        struct file_usage quota = files_quota(request->server, &request->classroom->roster->course, &request->place);
        request_reply(request, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "path", path_of(request), "bytes",
                                         (json_int_t) less(answer->usage.bytes, answer->trashed.bytes), "files",
                                         (json_int_t) less(answer->usage.files, answer->trashed.files), "trash",
                                         (json_int_t) answer->trashed.bytes, "most_bytes", (json_int_t) quota.bytes,
                                         "most_files", (json_int_t) quota.files));
}

static int ask_usage(struct request *request, struct workspace *workspace) {
        return workspace_usage(workspace, on_usage, request);
}

void files_usage(struct request *request) {
        if (request->place.kind == PLACE_TREE)
                files_ask(request, &request->place, ask_usage, true);
        else
                request_fail(request, "not-found", "path", "Nothing is stored here.");
}

/* file.open: the worker opens, the pool reads and encodes (a disk may be slow, and two megabytes are many). */

static int encode_text(struct request *request, const char *bytes, size_t size) {
        char version[VERSION_TEXT_BYTES];
        version_to_text(&request->version, version);
        json_t *text = json_stringn(bytes, size);
        if (!text)
                return -EILSEQ;
        json_t *reply = json_pack("{s:s, s:I, s:s, s:o, s:s, s:b}", "type", "reply", "id", request->id, "path",
                                  path_of(request), "text", text, "version", version, "writable", request->writable);
        request->text = json_dumps(reply, JSON_COMPACT);
        json_decref(reply);
        if (!request->text)
                return -ENOMEM;
        request->text_size = strlen(request->text);
        return request->text_size > protocol_limit(request->server->protocol, "message") ? -EFBIG : 0;
}

int files_read(int fd, size_t limit, char **ret_bytes, size_t *ret_size) {
        struct stat status;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (status.st_size < 0 || (uint64_t) status.st_size > limit)
                return -EFBIG;
        /* One byte more than it is said to have shows whether it is growing. */
        size_t room = (size_t) status.st_size + 1;
        free_scoped char *bytes = reallocate_array(NULL, room, 1);
        ssize_t size = read_fully(fd, bytes, room);
        if (size < 0)
                return (int) size;
        if ((size_t) size > limit)
                return -EFBIG;
        *ret_bytes = steal_pointer(&bytes);
        *ret_size = (size_t) size;
        return 0;
}

static int read_text(struct request *request) {
        free_scoped char *bytes = NULL;
        size_t size = 0;
        int result = files_read(request->fd, protocol_maximum(request->server->protocol, "text"), &bytes, &size);
        return result < 0 ? result : encode_text(request, bytes, size);
}

static void open_work(void *context) {
        struct request *request = context;
        request->result = read_text(request);
}

static void open_done(void *context) {
        struct request *request = context;
        if (request->result == 0)
                request_reply_text(request);
        else if (request->result == -EILSEQ)
                request_fail(request, "not-text", "path", "“%s” is not a text in UTF-8.", path_of(request));
        else
                request_fail_errno(request, -request->result, path_of(request));
}

static void on_opened(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (answer->result == -EISDIR)
                answer->result = -ENXIO; /* "no ordinary file" */
        if (!files_answer(request, answer, path_of(request)))
                return;
        request->fd = steal_fd(&answer->fd);
        request->version = answer->version;
        request->writable = permitted(&request->person, true, ACTION_CHANGE, &request->place);
        int result = pool_submit(request->server->pool, POOL_QUICK, open_work, open_done, request);
        if (result < 0)
                request_fail_errno(request, -result, path_of(request));
}

static int ask_open(struct request *request, struct workspace *workspace) {
        return workspace_open_file(workspace, request->place.path, on_opened, request);
}

void files_open(struct request *request) {
        if (request->place.kind == PLACE_TREE)
                files_ask(request, &request->place, ask_open, true);
        else
                request_fail(request, "not-text", "path", "This is a folder.");
}

/* file.save */

static int write_text(struct request *request, struct workspace *workspace, workspace_function *on_written) {
        const json_t *text = json_object_get(request->message, "text");
        struct workspace_content content = { .bytes = json_string_value(text),
                                             .fd = -1,
                                             .size = json_string_length(text) };
        const char *version = request_string(request, "version");
        enum file_condition condition = request_true(request, "overwrite") ? FILE_ALWAYS
                                        : version                          ? FILE_IF_VERSION
                                                                           : FILE_IF_ABSENT;
        return workspace_write(workspace, request->place.path, &content, condition,
                               condition == FILE_IF_VERSION ? &request->version : NULL, on_written, request);
}

static int ask_save(struct request *request, struct workspace *workspace) {
        return write_text(request, workspace, request->on_written);
}

void files_save_text(struct request *request, workspace_function *on_written) {
        const char *version = request_string(request, "version");
        if (fixed(request, &request->place, "path"))
                return;
        if (version && version_from_text(version, &request->version) < 0) {
                request_fail(request, "malformed", "version", "'version' is none that the server gave.");
                return;
        }
        request->on_written = on_written;
        files_ask(request, &request->place, ask_save, false);
}

static void on_saved(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (!files_answer(request, answer, path_of(request)))
                return;
        char version[VERSION_TEXT_BYTES];
        version_to_text(&answer->version, version);
        files_changed(request->classroom, path_of(request));
        request_reply(request, json_pack("{s:s, s:s}", "path", path_of(request), "version", version));
}

void files_save(struct request *request) {
        files_save_text(request, on_saved);
}
