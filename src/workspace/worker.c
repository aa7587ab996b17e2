/*
 * The worker's loop. The web server is its sibling: what the table of messages does not allow ends the worker, what a
 * person asked for in vain is an answer.
 */
#include "confine.h"
#include "lookout.h"
#include "tree.h"

#include <poll.h>

struct request {
        const struct tree *tree;
        struct ledger *ledger;
        struct lookout *lookout;
        const struct message_file *file;
        const char *other; /* of FILE_MOVE, and an id of the trash */
        int content;       /* of FILE_WRITE; the message's */
        struct message_file_done *done;
        int fd;                 /* what the answer carries, or -1 */
        char where[PATH_BYTES]; /* the same: of FILE_TRASH_RESTORE */
        size_t where_size;
        struct error *error; /* set where the channel failed, and then the request's result is of no use */
        bool channel_failed;
};

typedef int operation_function(struct request *request);

static int send_answer(struct request *request, const void *payload, size_t size) {
        int result = message_send(CONFINED_CHANNEL, MESSAGE_FILE_DONE, request->done, payload, size, &request->fd,
                                  request->fd >= 0, request->error);
        if (result == -ETOOMANYREFS) {
                /* Its owner's programs, which have the same uid, hold too many descriptors under way. */
                request->done->result = -EBUSY;
                result = message_send(CONFINED_CHANNEL, MESSAGE_FILE_DONE, request->done, NULL, 0, NULL, 0,
                                      request->error);
        }
        request->channel_failed = result < 0;
        return result;
}

static int send_records(void *context, const void *records, size_t size) {
        struct request *request = context;
        request->done->more = 1;
        return send_answer(request, records, size);
}

static int do_list(struct request *request) {
        int result =
                tree_list(request->tree, request->file->path, send_records, request, &request->done->entries_left_out);
        request->done->more = 0;
        if (result == 0 && request->file->followed)
                lookout_add(request->lookout, request->file->path);
        return result;
}

static int do_open(struct request *request) {
        char folder[PATH_BYTES];
        const char *path = request->file->path, *slash = strrchr(path, '/');
        int result = tree_open_file(request->tree, path, &request->fd, &request->done->version);
        if (result == 0 && request->file->followed) {
                snprintf(folder, sizeof folder, "%.*s", slash ? (int) (slash - path) : 0, path);
                lookout_add(request->lookout, folder);
        }
        return result;
}

/* Asks the ledger before anything comes in. */
static int admit(struct request *request, const struct growth *growth) {
        int result = ledger_admit(request->ledger, request->tree, &request->file->quota, growth);
        if (result == -EDQUOT) {
                request->done->over_quota = 1;
                request->done->usage = request->ledger->usage;
        }
        return result;
}

static int do_write(struct request *request) {
        struct growth growth = tree_growth(request->tree, request->file->path, request->content);
        int result = admit(request, &growth);
        if (result == 0)
                result = tree_write(request->tree, request->file, request->content, &request->fd,
                                    &request->done->version);
        if (result == 0)
                ledger_add(request->ledger, &growth);
        lookout_own(request->lookout, request->file->path);
        return result;
}

static int do_make_folder(struct request *request) {
        struct growth growth = tree_growth(request->tree, request->file->path, -1);
        int result = admit(request, &growth);
        if (result == 0)
                result = tree_make_folder(request->tree, request->file->path);
        if (result == 0)
                ledger_add(request->ledger, &growth);
        lookout_own(request->lookout, request->file->path);
        return result;
}

static int do_move(struct request *request) {
        int result = tree_move(request->tree, request->file->path, request->other);
        lookout_own(request->lookout, request->file->path);
        lookout_own(request->lookout, request->other);
        return result;
}

static int do_delete(struct request *request) {
        int result = tree_delete(request->tree, request->file->path);
        lookout_own(request->lookout, request->file->path);
        return result;
}

static int do_usage(struct request *request) {
        int result = ledger_usage(request->ledger, request->tree, &request->file->quota, &request->done->usage);
        if (result == 0)
                request->done->trashed = tree_trash_usage(request->tree);
        return result;
}

static int do_trash(struct request *request) {
        int result = tree_trash(request->tree, request->file->path, request->done->trash);
        lookout_own(request->lookout, request->file->path);
        return result;
}

static int do_trash_list(struct request *request) {
        int result = tree_trash_list(request->tree, request->file->path, send_records, request,
                                     &request->done->entries_left_out);
        request->done->more = 0;
        return result;
}

static int do_trash_restore(struct request *request) {
        int result = tree_trash_restore(request->tree, request->file->path, request->other, request->where);
        request->where_size = result < 0 ? 0 : strlen(request->where);
        if (result == 0)
                lookout_own(request->lookout, request->where);
        return result;
}

static int do_trash_delete(struct request *request) {
        return tree_trash_delete(request->tree, request->file->path, request->other);
}

static const struct {
        operation_function *function;
        bool descriptor; /* brings one */
        bool payload;    /* brings a second path */
} operations[FILE_OPERATIONS] = {
        [FILE_LIST] = { do_list, false, false },
        [FILE_OPEN] = { do_open, false, false },
        [FILE_WRITE] = { do_write, true, false },
        [FILE_MAKE_FOLDER] = { do_make_folder, false, false },
        [FILE_MOVE] = { do_move, false, true },
        [FILE_DELETE] = { do_delete, false, false },
        [FILE_USAGE] = { do_usage, false, false },
        [FILE_TRASH] = { do_trash, false, false },
        [FILE_TRASH_LIST] = { do_trash_list, false, false },
        [FILE_TRASH_RESTORE] = { do_trash_restore, false, true },
        [FILE_TRASH_DELETE] = { do_trash_delete, false, true },
};

static int check_request(const struct message *message, struct error *error) {
        const struct message_file *file = message->body;
        if (file->operation >= FILE_OPERATIONS || file->condition > FILE_ALWAYS || !message_text_ok(file->path))
                return error_say(error, EPROTO, "a file request makes no sense");
        if (message->fd_count != operations[file->operation].descriptor)
                return error_say(error, EPROTO, "a file request has the wrong number of descriptors");
        if (message->payload_size > 0 && !operations[file->operation].payload)
                return error_say(error, EPROTO, "a file request has a payload that nobody asked for");
        if (message->payload_size >= PATH_BYTES || memchr(message->payload, 0, message->payload_size))
                return error_say(error, EPROTO, "a file request's second path is none");
        return 0;
}

static int serve_one(const struct tree *tree, struct ledger *ledger, struct lookout *lookout, struct message *message,
                     struct error *error) {
        int result = check_request(message, error);
        if (result < 0)
                return result;
        const struct message_file *file = message->body;
        char other[PATH_BYTES] = "";
        memcpy(other, message->payload, message->payload_size);
        struct message_file_done done = { .tag = file->tag };
        struct request request = { .tree = tree,
                                   .ledger = ledger,
                                   .lookout = lookout,
                                   .file = file,
                                   .other = other,
                                   .content = message->fds[0],
                                   .done = &done,
                                   .fd = -1,
                                   .error = error };
        result = operations[file->operation].function(&request);
        if (!request.channel_failed) {
                done.result = result;
                send_answer(&request, request.where, request.where_size);
        }
        close_fd(&request.fd);
        return request.channel_failed ? -error->number : 0;
}

static int tell_noticed(void *context, const char *folder, const char *names, size_t size) {
        struct message_file_noticed noticed = { 0 };
        snprintf(noticed.path, sizeof noticed.path, "%s", folder);
        return message_send(CONFINED_CHANNEL, MESSAGE_FILE_NOTICED, &noticed, names, size, NULL, 0, context);
}

/* Returns when a request has come, or the channel was closed. */
static int keep_lookout(struct lookout *lookout, struct error *error) {
        for (;;) {
                struct pollfd fds[] = { { .fd = CONFINED_CHANNEL, .events = POLLIN },
                                        { .fd = lookout_descriptor(lookout), .events = POLLIN } };
                if (poll(fds, array_length(fds), lookout_timeout(lookout)) < 0 && errno != EINTR)
                        return error_set(error, errno, "waiting for requests");
                /* Also while requests come without a pause. */
                int result = lookout_turn(lookout, tell_noticed, error);
                if (result < 0 || fds[0].revents)
                        return result;
        }
}

static void destroy_lookout(struct lookout **lookout) {
        lookout_destroy(*lookout);
}

enum { EXPIRE_MILLISECONDS = 3600000 };

static int serve_next(const struct tree *tree, struct ledger *ledger, struct lookout *lookout, uint8_t *storage,
                      struct error *error) {
        struct message message;
        int result = keep_lookout(lookout, error);
        if (result < 0)
                return result;
        result = message_receive(CONFINED_CHANNEL, MESSAGE_BIT(MESSAGE_FILE), storage, &message, error);
        if (result <= 0)
                return result;
        result = serve_one(tree, ledger, lookout, &message, error);
        message_close_fds(&message);
        return result < 0 ? result : 1;
}

/* 0 when the channel was closed; a peer that closes it while we answer has done just that. */
static int serve(const struct tree *tree, struct error *error) {
        free_scoped uint8_t *storage = reallocate_array(NULL, IPC_MESSAGE_MAXIMUM, 1);
        cleanup(destroy_lookout) struct lookout *lookout = lookout_create(tree, LOOKOUT_FOLDERS_MAXIMUM);
        struct ledger ledger = { 0 };
        uint64_t expire_at = 0;
        for (;;) {
                int result = serve_next(tree, &ledger, lookout, storage, error);
                if (result <= 0)
                        return result == -EPIPE || result == -ECONNRESET ? 0 : result;
                if (now_milliseconds() < expire_at)
                        continue;
                tree_trash_expire(tree); /* when the answer is out */
                expire_at = now_milliseconds() + EXPIRE_MILLISECONDS;
        }
}

int worker_run(const struct workspace_worker *worker, struct error *error) {
        struct error unheard;
        error = error ? error : &unheard;
        int result = confine(worker, error);
        if (result < 0)
                return error_prefix(error, "confining a workspace worker");
        struct tree tree = { CONFINED_TREE, worker->kind, worker->trash_days };
        return serve(&tree, error);
}
