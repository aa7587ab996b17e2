/*
 * The web server's end of a worker.
 *
 * The worker serves in order, so the requests that wait are a ring, and an answer can only be the oldest's. Whoever
 * answers otherwise, or sends what its request cannot have, has been taken over: it is cut off.
 */
#include "workspace.h"
#include "../base/buffer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

struct pending {
        uint64_t tag;
        enum file_operation operation;
        workspace_function *function;
        void *context;
};

struct workspace {
        struct loop *loop;
        struct channel *channel; /* NULL: the worker is gone */
        struct file_usage quota; /* goes with each request that may add something */
        workspace_gone_function *on_gone;
        workspace_noticed_function *on_noticed;
        void *context;
        uint64_t last_tag;
        struct pending pending[WORKSPACE_PENDING_MAXIMUM];
        size_t first, count;
        struct buffer records; /* of the oldest request, a listing under way */
        bool destroyed;
};

enum {
        RECORD_MAXIMUM = sizeof(struct file_entry) + NAME_BYTES, /* the trash's are longer, and fewer */
        RECORDS_LIMIT = WORKSPACE_LIST_MAXIMUM * RECORD_MAXIMUM,
};

/* Answering */

static struct pending take_oldest(struct workspace *workspace) {
        struct pending pending = workspace->pending[workspace->first];
        workspace->first = (workspace->first + 1) % WORKSPACE_PENDING_MAXIMUM;
        workspace->count--;
        return pending;
}

/* Whatever the callbacks do, the ring gets no longer: new requests are refused since the channel is gone. */
static void answer_all(struct workspace *workspace, int result) {
        buffer_finish(&workspace->records);
        while (workspace->count > 0) {
                struct pending pending = take_oldest(workspace);
                struct workspace_answer answer = { .result = result, .fd = -1 };
                pending.function(pending.context, &answer);
        }
}

static void lose_worker(struct workspace *workspace, const struct error *why) {
        channel_destroy(steal_pointer(&workspace->channel));
        answer_all(workspace, -EPIPE);
        if (!workspace->destroyed)
                workspace->on_gone(workspace->context, why);
}

static void on_close(void *context, const struct error *why) {
        struct error copy = *why; /* the channel's, which is destroyed first */
        lose_worker(context, &copy);
}

/* Listings */

static int compare_entries(const void *one, const void *other) {
        const struct workspace_entry *a = one, *b = other;
        bool a_folder = a->kind == FILE_KIND_FOLDER, b_folder = b->kind == FILE_KIND_FOLDER;
        return a_folder != b_folder ? (int) b_folder - (int) a_folder : strcmp(a->name, b->name);
}

static bool trashed_name_ok(const char *name, size_t size) {
        char text[TRASH_ID_BYTES + PATH_BYTES];
        if (size <= TRASH_ID_BYTES || size >= sizeof text || memchr(name, 0, size))
                return false;
        memcpy(text, name, size);
        text[size] = '\0';
        return text[TRASH_ID_BYTES - 1] == '/' && workspace_trash_id_ok(text, TRASH_ID_BYTES - 1) &&
               workspace_path_check(TREE_PERSONAL, text + TRASH_ID_BYTES) == 0;
}

/* The size of the good record at `at`, or 0. */
static size_t check_record(bool trash, const uint8_t *at, size_t left, struct file_entry *ret_entry) {
        if (left < sizeof *ret_entry)
                return 0;
        memcpy(ret_entry, at, sizeof *ret_entry);
        if (ret_entry->name_size >= TRASH_ID_BYTES + PATH_BYTES || ret_entry->kind > FILE_KIND_OTHER)
                return 0;
        size_t size = sizeof *ret_entry + ((ret_entry->name_size + 7) & ~(size_t) 7);
        const char *name = (const char *) at + sizeof *ret_entry;
        bool good = size <= left && (trash ? trashed_name_ok(name, ret_entry->name_size)
                                           : workspace_name_ok(name, ret_entry->name_size));
        return good ? size : 0;
}

/* Entries and their names in one block, for one free(). NULL where the records are not good ones. */
static struct workspace_entry *read_records(const struct buffer *records, bool trash, size_t *ret_count) {
        size_t size = buffer_size(records), count = 0, step;
        const uint8_t *bytes = size > 0 ? buffer_front(records) : NULL;
        struct file_entry entry;
        for (size_t at = 0; at < size; at += step, count++) {
                step = check_record(trash, bytes + at, size - at, &entry);
                if (step == 0 || count == WORKSPACE_LIST_MAXIMUM)
                        return NULL;
        }
        struct workspace_entry *entries = allocate(count * sizeof *entries + size);
        char *names = (char *) (entries + count);
        size_t at = 0;
        for (size_t i = 0; i < count; i++, at += step) {
                step = check_record(trash, bytes + at, size - at, &entry);
                memcpy(names, bytes + at + sizeof entry, entry.name_size);
                names[entry.name_size] = '\0';
                entries[i] = (struct workspace_entry){ names, NULL, entry.size, entry.modified, entry.kind };
                if (trash) { /* "ID/PATH" */
                        entries[i].trash = names;
                        names[TRASH_ID_BYTES - 1] = '\0';
                        entries[i].name += TRASH_ID_BYTES;
                }
                names += entry.name_size + 1;
        }
        if (count > 0 && !trash) /* that comes newest first */
                qsort(entries, count, sizeof *entries, compare_entries);
        *ret_count = count;
        return entries;
}

/* Messages */

static bool carries_descriptor(enum file_operation operation) {
        return operation == FILE_OPEN || operation == FILE_WRITE;
}

static bool is_listing(enum file_operation operation) {
        return operation == FILE_LIST || operation == FILE_TRASH_LIST;
}

static bool path_ok(const struct message *message) {
        char path[PATH_BYTES];
        if (message->payload_size >= sizeof path || memchr(message->payload, 0, message->payload_size))
                return false;
        memcpy(path, message->payload, message->payload_size);
        path[message->payload_size] = '\0';
        return workspace_path_check(TREE_PERSONAL, path) == 0;
}

/* Only what the web server can read without ever waiting for a guest. */
static bool descriptor_ok(int fd) {
        struct stat status;
        int flags = fcntl(fd, F_GETFL);
        return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) == O_RDONLY && fstat(fd, &status) == 0 &&
               S_ISREG(status.st_mode);
}

static const char *what_is_wrong(const struct workspace *workspace, const struct message *message) {
        const struct message_file_done *done = message->body;
        const struct pending *oldest = &workspace->pending[workspace->first];
        if (workspace->count == 0 || done->tag != oldest->tag)
                return "a worker answered what nobody asked";
        if (done->result > 0 || done->result < -4095 || (done->more && done->result != 0))
                return "a worker answered with a result that is none";
        if (done->more && !is_listing(oldest->operation))
                return "a worker answered with entries where none were asked for";
        if (message->payload_size > 0 && !is_listing(oldest->operation) &&
            (oldest->operation != FILE_TRASH_RESTORE || !path_ok(message)))
                return "a worker answered with more than it was asked for";
        if (done->result == 0 && oldest->operation == FILE_TRASH &&
            (!message_text_ok(done->trash) || !workspace_trash_id_ok(done->trash, strlen(done->trash))))
                return "a worker called what it moved to the trash by a name that is none";
        size_t expected = done->result == 0 && carries_descriptor(oldest->operation);
        if (message->fd_count != expected || (expected && !descriptor_ok(message->fds[0])))
                return "a worker answered with a wrong descriptor";
        return NULL;
}

static void cut_off(struct workspace *workspace, const char *why) {
        struct error error;
        error_say(&error, EPROTO, "%s", why);
        lose_worker(workspace, &error);
}

/* `workspace` may be destroyed when this returns. */
static void answer_oldest(struct workspace *workspace, struct message *message) {
        const struct message_file_done *done = message->body;
        struct workspace_answer answer = { .result = done->result,
                                           .fd = message->fds[0],
                                           .version = done->version,
                                           .usage = done->usage,
                                           .trashed = done->trashed,
                                           .over_quota = done->over_quota != 0 };
        free_scoped struct workspace_entry *entries = NULL;
        enum file_operation operation = workspace->pending[workspace->first].operation;
        char path[PATH_BYTES] = "";
        if (operation == FILE_TRASH)
                snprintf(path, sizeof path, "%s", done->trash);
        else if (operation == FILE_TRASH_RESTORE)
                memcpy(path, message->payload, message->payload_size);
        answer.path = path;
        if (is_listing(operation) && done->result == 0) {
                entries = read_records(&workspace->records, operation == FILE_TRASH_LIST, &answer.entry_count);
                if (!entries) {
                        cut_off(workspace, "a worker listed what cannot be");
                        return;
                }
                answer.entries = entries;
                answer.entries_left_out = done->entries_left_out;
        }
        buffer_finish(&workspace->records);
        struct pending pending = take_oldest(workspace);
        message->fds[0] = -1;
        pending.function(pending.context, &answer);
        close_fd(&answer.fd);
}

/* False where it is nonsense. `workspace` may be destroyed when this returns. */
static bool take_noticed(struct workspace *workspace, const struct message *message) {
        const struct message_file_noticed *noticed = message->body;
        const char *names[WORKSPACE_NAMES_MAXIMUM], *at = message->payload, *end = at + message->payload_size;
        size_t count = 0;
        if (message->fd_count > 0 || !message_text_ok(noticed->path) ||
            workspace_path_check(TREE_PERSONAL, noticed->path) < 0 || (message->payload_size > 0 && end[-1] != '\0'))
                return false;
        for (; at < end; at += strlen(at) + 1) {
                if (count == array_length(names) || !workspace_name_ok(at, strlen(at)))
                        return false;
                names[count++] = at;
        }
        if (workspace->on_noticed)
                workspace->on_noticed(workspace->context, noticed->path, names, count);
        return true;
}

static void on_message(void *context, struct message *message) {
        struct workspace *workspace = context;
        if (message->type == MESSAGE_FILE_NOTICED) {
                if (!take_noticed(workspace, message))
                        cut_off(workspace, "a worker noticed what cannot be");
                return;
        }
        const struct message_file_done *done = message->body;
        const char *wrong = what_is_wrong(workspace, message);
        if (!wrong && message->payload_size > 0 && is_listing(workspace->pending[workspace->first].operation) &&
            buffer_append(&workspace->records, message->payload, message->payload_size) < 0)
                wrong = "a worker lists without end";
        if (wrong)
                cut_off(workspace, wrong);
        else if (!done->more)
                answer_oldest(workspace, message);
}

/* Life */

int workspace_create(struct loop *loop, int fd, workspace_gone_function *on_gone, void *context,
                     struct workspace **ret_workspace, struct error *error) {
        free_scoped struct workspace *workspace = allocate(sizeof *workspace);
        workspace->loop = loop;
        workspace->on_gone = on_gone;
        workspace->context = context;
        workspace->records.limit = RECORDS_LIMIT;
        int result = channel_create(loop, fd, MESSAGE_BIT(MESSAGE_FILE_DONE) | MESSAGE_BIT(MESSAGE_FILE_NOTICED),
                                    on_message, on_close, workspace, &workspace->channel, error);
        if (result < 0)
                return result;
        *ret_workspace = steal_pointer(&workspace);
        return 0;
}

void workspace_on_noticed(struct workspace *workspace, workspace_noticed_function *function) {
        workspace->on_noticed = function;
}

void workspace_destroy(struct workspace *workspace) {
        if (!workspace || workspace->destroyed)
                return;
        workspace->destroyed = true;
        channel_destroy(steal_pointer(&workspace->channel));
        answer_all(workspace, -EPIPE);
        loop_defer(workspace->loop, free, workspace);
}

/* Requests */

static int send_request(struct workspace *workspace, struct message_file *file, const char *path, const char *other,
                        int fd, const struct pending *pending) {
        size_t size = strlen(path), other_size = other ? strlen(other) : 0;
        if (!workspace->channel)
                return -EPIPE;
        if (size >= sizeof file->path || other_size >= PATH_BYTES)
                return -ENAMETOOLONG;
        if (workspace->count == WORKSPACE_PENDING_MAXIMUM)
                return -EBUSY;
        file->tag = ++workspace->last_tag;
        file->operation = pending->operation;
        file->quota = workspace->quota;
        memcpy(file->path, path, size + 1);
        struct pending *place =
                &workspace->pending[(workspace->first + workspace->count++) % WORKSPACE_PENDING_MAXIMUM];
        *place = *pending;
        place->tag = file->tag;
        channel_send(workspace->channel, MESSAGE_FILE, file, other, other_size, &fd, fd >= 0);
        return 0;
}

static int send_simple(struct workspace *workspace, enum file_operation operation, const char *path, const char *other,
                       workspace_function *function, void *context) {
        struct message_file file = { 0 };
        struct pending pending = { .operation = operation, .function = function, .context = context };
        return send_request(workspace, &file, path, other, -1, &pending);
}

int workspace_list(struct workspace *workspace, const char *path, bool followed, workspace_function *function,
                   void *context) {
        struct message_file file = { .followed = followed };
        struct pending pending = { .operation = FILE_LIST, .function = function, .context = context };
        return send_request(workspace, &file, path, NULL, -1, &pending);
}

int workspace_open_file(struct workspace *workspace, const char *path, workspace_function *function, void *context) {
        return send_simple(workspace, FILE_OPEN, path, NULL, function, context);
}

int workspace_open_followed(struct workspace *workspace, const char *path, workspace_function *function,
                            void *context) {
        struct message_file file = { .followed = true };
        struct pending pending = { .operation = FILE_OPEN, .function = function, .context = context };
        return send_request(workspace, &file, path, NULL, -1, &pending);
}

int workspace_make_folder(struct workspace *workspace, const char *path, workspace_function *function, void *context) {
        return send_simple(workspace, FILE_MAKE_FOLDER, path, NULL, function, context);
}

int workspace_move(struct workspace *workspace, const char *from, const char *to, workspace_function *function,
                   void *context) {
        return send_simple(workspace, FILE_MOVE, from, to, function, context);
}

int workspace_delete(struct workspace *workspace, const char *path, workspace_function *function, void *context) {
        return send_simple(workspace, FILE_DELETE, path, NULL, function, context);
}

int workspace_trash(struct workspace *workspace, const char *path, workspace_function *function, void *context) {
        return send_simple(workspace, FILE_TRASH, path, NULL, function, context);
}

int workspace_trash_list(struct workspace *workspace, const char *path, workspace_function *function, void *context) {
        return send_simple(workspace, FILE_TRASH_LIST, path, NULL, function, context);
}

int workspace_trash_restore(struct workspace *workspace, const char *path, const char *id, workspace_function *function,
                            void *context) {
        return send_simple(workspace, FILE_TRASH_RESTORE, path, id, function, context);
}

int workspace_trash_delete(struct workspace *workspace, const char *path, const char *id, workspace_function *function,
                           void *context) {
        return send_simple(workspace, FILE_TRASH_DELETE, path, id, function, context);
}

int workspace_usage(struct workspace *workspace, workspace_function *function, void *context) {
        return send_simple(workspace, FILE_USAGE, "", NULL, function, context);
}

void workspace_set_quota(struct workspace *workspace, const struct file_usage *quota) {
        workspace->quota = *quota;
}

/* Written at positions, so that it still stands at its beginning for whoever reads it. */
static int fill_memory_file(int fd, const uint8_t *bytes, uint64_t size) {
        for (uint64_t at = 0; at < size;) {
                ssize_t written = pwrite(fd, bytes + at, size - at, (off_t) at);
                if (written < 0 && errno != EINTR)
                        return -errno;
                if (written > 0)
                        at += (uint64_t) written;
        }
        int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
        return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

static int make_memory_file(const void *bytes, uint64_t size) {
        fd_scoped fd = memfd_create("carrel-content", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("carrel-content", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        int result = fill_memory_file(fd, bytes, size);
        return result < 0 ? result : steal_fd(&fd);
}

int workspace_write(struct workspace *workspace, const char *path, const struct workspace_content *content,
                    enum file_condition condition, const struct file_version *version, workspace_function *function,
                    void *context) {
        fd_scoped memory = -1;
        if (content->bytes) {
                memory = make_memory_file(content->bytes, content->size);
                if (memory < 0)
                        return memory;
        } else if (content->fd < 0)
                return -EBADF;
        struct message_file file = { .condition = condition, .size = content->size };
        if (version)
                file.version = *version;
        struct pending pending = { .operation = FILE_WRITE, .function = function, .context = context };
        return send_request(workspace, &file, path, NULL, content->bytes ? memory : content->fd, &pending);
}
