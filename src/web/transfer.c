/* Files by HTTP: downloads and uploads. */
#include "archive.h"
#include "client.h"
#include "files.h"
#include "measure.h"
#include "route.h"

#include "../base/log.h"

#include <sodium.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct transfer {
        struct exchange *exchange;
        struct admission admission;
        struct place place;
        struct tree tree;
        struct worker *worker; /* in use */
        bool zip;
        bool upload; /* counted among the server's uploads */
        bool overwrite;
        int fd; /* of an upload: what has come so far (memory, so that no slow sender holds a worker) */
        uint64_t size;
        uint64_t begun;
        unsigned attempts;
};

/* Those that are being received, for UPLOADS_AT_ONCE. */
static struct { struct transfer *transfers[UPLOADS_AT_ONCE]; } uploads;

/* The slot and the memory are others' from here on. */
static void give_up(struct transfer *transfer) {
        for (size_t i = 0; i < UPLOADS_AT_ONCE; i++)
                if (uploads.transfers[i] == transfer)
                        uploads.transfers[i] = NULL;
        close_fd(&transfer->fd);
}

static void transfer_free(void *state) {
        struct transfer *transfer = state;
        give_up(transfer);
        roster_release(transfer->admission.roster);
        sodium_memzero(&transfer->admission.token, sizeof transfer->admission.token);
        free(transfer);
}

static struct transfer *transfer_of(void *exchange) {
        return ((struct exchange *) exchange)->state;
}

static struct transfer *transfer_create(struct exchange *exchange) {
        struct transfer *transfer = allocate(sizeof *transfer);
        transfer->exchange = exchange;
        transfer->fd = -1;
        transfer->begun = now_milliseconds();
        transfer->admission.store = exchange->server->store;
        transfer->admission.with_roster = true;
        memcpy(transfer->admission.slug, exchange->slug, sizeof transfer->admission.slug);
        exchange->state = transfer;
        exchange->free_state = transfer_free;
        return transfer;
}

static void respond_errno(struct exchange *exchange, int number) {
        static const struct {
                int number;
                unsigned status;
                const char *code, *sentence;
        } answers[] = {
                { ENOENT, 404, "not-found", "There is no such file." },
                { ENOTDIR, 404, "not-found", "There is no such file." },
                { EISDIR, 404, "not-found", "This is a folder." },
                { ENXIO, 404, "not-found", "This is no ordinary file." },
                { EINVAL, 404, "invalid-name", "This is no possible name here." },
                { ENAMETOOLONG, 404, "invalid-name", "This is too long a name." },
                { EEXIST, 409, "exists", "There is something of this name already." },
                { EACCES, 403, "forbidden", "You may not do this here." },
                { EPERM, 403, "forbidden", "You may not do this here." },
                { ELOOP, 403, "forbidden", "Links are not followed." },
                { EXDEV, 403, "forbidden", "This lies on another disk." },
                { EROFS, 403, "forbidden", "This can only be read." },
                { EFBIG, 413, "too-large", "The file is too large." },
                { E2BIG, 413, "too-large", "This folder holds too much for one zip; take its folders one by one." },
                { ENOSPC, 507, "quota", "There is no space left." },
                { EDQUOT, 507, "quota", "There is no space left for you." },
        };
        for (size_t i = 0; i < array_length(answers); i++)
                if (answers[i].number == number) {
                        exchange_respond_error(exchange, answers[i].status, answers[i].code, answers[i].sentence);
                        return;
                }
        if (number == EBUSY || number == EAGAIN || number == EPIPE) {
                exchange_respond_busy(exchange);
                return;
        }
        log_event(LOG_ERROR, "transfer.failed", "error", strerror(number), NULL);
        exchange_respond_error(exchange, 500, "failed", "It did not work.");
}

/* May they? Afterwards the tree is known; else it has been responded to. */

static void admission_work(void *exchange) {
        admission_ask(&transfer_of(exchange)->admission);
}

static bool admitted(struct exchange *exchange, enum action action) {
        struct transfer *transfer = transfer_of(exchange);
        struct admission *admission = &transfer->admission;
        if (admission->result == -ENOENT) {
                exchange_respond_error(exchange, 401, "refused", "Please sign in.");
                return false;
        }
        if (admission->result < 0 && admission->result != -EACCES)
                log_failure(LOG_ERROR, "transfer.admission-failed", &admission->error);
        int result = admission->result;
        if (result == 0)
                result = place_parse(exchange->file, &transfer->place, NULL);
        if (result == 0 && !permitted(&admission->person, true, action, &transfer->place)) {
                log_event(LOG_INFO, "transfer.refused", "account", log_number(admission->person.id), "class",
                          exchange->slug, NULL);
                result = -EACCES;
        }
        bool whole = transfer->zip && transfer->place.kind == PLACE_TREE;
        if (result == 0 && !whole && place_is_fixed(&transfer->place))
                result = action == ACTION_SEE ? -EISDIR : -EPERM;
        if (result == 0)
                result = tree_of(admission->roster, &admission->person, &transfer->place, &transfer->tree);
        if (result < 0)
                respond_errno(exchange, -result);
        return result == 0;
}

static void ask_admission(struct exchange *exchange, loop_function *done) {
        if (exchange_token(exchange, &transfer_of(exchange)->admission.token))
                exchange_work(exchange, POOL_QUICK, admission_work, done);
        else
                exchange_respond_error(exchange, 401, "refused", "Please sign in.");
}

/* The worker. The exchange is suspended from before it is asked until it has answered. */

static void ask_worker(struct transfer *transfer);

static void finish_errno(struct transfer *transfer, int number) {
        respond_errno(transfer->exchange, number);
        exchange_resume(transfer->exchange);
}

static void respond_file(struct exchange *exchange, int fd) {
        struct stat status;
        if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
                respond_errno(exchange, ENXIO);
                return;
        }
        struct MHD_Response *response = MHD_create_response_from_fd64((uint64_t) status.st_size, fd);
        if (!response) {
                respond_errno(exchange, ENOMEM);
                return;
        }
        const char *slash = strrchr(exchange->file, '/');
        free_scoped char *disposition = disposition_of(slash ? slash + 1 : exchange->file);
        response_secure(response);
        response_header(response, "Content-Security-Policy", "sandbox; default-src 'none'");
        response_header(response, "Content-Disposition", disposition);
        response_header(response, "Content-Type", "application/octet-stream");
        response_header(response, "Cache-Control", "no-store");
        exchange_respond(exchange, 200, response);
}

static struct file_usage quota_of(const struct transfer *transfer) {
        return files_quota(transfer->exchange->server, &transfer->admission.roster->course, &transfer->place);
}

static void respond_over_quota(struct transfer *transfer, const struct workspace_answer *answer) {
        struct file_usage quota = quota_of(transfer);
        char sentence[QUOTA_SENTENCE_BYTES];
        quota_sentence(&answer->usage, &quota, sentence);
        exchange_respond_error(transfer->exchange, 507, "quota", sentence);
}

static void on_file(void *context, struct workspace_answer *answer) {
        struct transfer *transfer = context;
        bool dead = answer->result == -EPIPE;
        worker_release(steal_pointer(&transfer->worker), dead);
        if (dead && !transfer->upload && transfer->attempts < 2) {
                ask_worker(transfer);
                return;
        }
        if (answer->over_quota) {
                respond_over_quota(transfer, answer);
        } else if (answer->result < 0) {
                respond_errno(transfer->exchange, -answer->result);
        } else if (transfer->upload) {
                struct classroom *classroom = classroom_find(transfer->exchange->server, transfer->exchange->slug);
                if (classroom)
                        files_changed(classroom, transfer->exchange->file);
                exchange_respond_empty(transfer->exchange, 201);
        } else {
                respond_file(transfer->exchange, steal_fd(&answer->fd));
        }
        exchange_resume(transfer->exchange);
}

static int ask_workspace(struct transfer *transfer, struct workspace *workspace) {
        if (!transfer->upload)
                return workspace_open_file(workspace, transfer->place.path, on_file, transfer);
        struct workspace_content content = { .fd = transfer->fd, .size = transfer->size };
        return workspace_write(workspace, transfer->place.path, &content,
                               transfer->overwrite ? FILE_ALWAYS : FILE_IF_ABSENT, NULL, on_file, transfer);
}

static void on_worker(void *context, struct worker *worker, int result) {
        struct transfer *transfer = context;
        if (result < 0) {
                finish_errno(transfer, -result);
                return;
        }
        transfer->worker = worker;
        struct file_usage quota = quota_of(transfer);
        workspace_set_quota(worker_workspace(worker), &quota);
        result = ask_workspace(transfer, worker_workspace(worker));
        if (result == 0)
                return;
        worker_release(steal_pointer(&transfer->worker), result == -EPIPE);
        if (result == -EPIPE && transfer->attempts < 2)
                ask_worker(transfer);
        else
                finish_errno(transfer, -result);
}

static void ask_worker(struct transfer *transfer) {
        transfer->attempts++;
        workers_use(transfer->exchange->server->workers, &transfer->tree, on_worker, transfer);
}

/* Downloads */

static void download_admitted(void *context) {
        struct exchange *exchange = context;
        struct transfer *transfer = transfer_of(exchange);
        const char *slash = strrchr(exchange->file, '/');
        if (!admitted(exchange, ACTION_SEE))
                exchange_resume(exchange);
        else if (transfer->zip)
                archive_begin(exchange, &transfer->tree, transfer->place.path, slash ? slash + 1 : exchange->file,
                              respond_errno);
        else
                ask_worker(transfer);
}

void download_begin(struct exchange *exchange) {
        struct transfer *transfer = transfer_create(exchange);
        const char *zip = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "zip");
        transfer->zip = zip && strcmp(zip, "1") == 0;
        ask_admission(exchange, download_admitted);
}

/* Uploads */

static bool take_slot(struct transfer *transfer) {
        for (size_t i = 0; i < UPLOADS_AT_ONCE; i++) {
                if (uploads.transfers[i])
                        continue;
                uploads.transfers[i] = transfer;
                return true;
        }
        return false;
}

static unsigned uploads_of(uint32_t person) {
        unsigned count = 0;
        for (size_t i = 0; i < UPLOADS_AT_ONCE; i++)
                count += uploads.transfers[i] && uploads.transfers[i]->admission.person.id == person;
        return count;
}

static void upload_admitted(void *context) {
        struct exchange *exchange = context;
        struct transfer *transfer = transfer_of(exchange);
        if (admitted(exchange, ACTION_CHANGE)) {
                transfer->fd = memfd_create("upload", MFD_CLOEXEC);
                if (transfer->fd < 0)
                        respond_errno(exchange, errno);
                else if (uploads_of(transfer->admission.person.id) > UPLOADS_AN_ACCOUNT)
                        exchange_respond_busy(exchange);
        }
        exchange_resume(exchange);
}

static bool announced_too_large(const struct exchange *exchange) {
        uint64_t size;
        const char *length = exchange_header(exchange, "Content-Length");
        return length && (parse_unsigned(length, UINT64_MAX, &size) < 0 ||
                          size > protocol_limit(exchange->server->protocol, "upload"));
}

void upload_begin(struct exchange *exchange) {
        struct transfer *transfer = transfer_create(exchange);
        const char *overwrite = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "overwrite");
        transfer->upload = true;
        transfer->overwrite = overwrite && strcmp(overwrite, "1") == 0;
        if (announced_too_large(exchange))
                respond_errno(exchange, EFBIG);
        else if (!take_slot(transfer))
                exchange_respond_busy(exchange);
        else
                ask_admission(exchange, upload_admitted);
}

void upload_take(struct exchange *exchange, const void *bytes, size_t size) {
        struct transfer *transfer = transfer_of(exchange);
        transfer->size += size;
        if (transfer->size > protocol_limit(exchange->server->protocol, "upload")) {
                respond_errno(exchange, EFBIG);
                give_up(transfer);
                return;
        }
        if (now_milliseconds() - transfer->begun > UPLOAD_SECONDS * UINT64_C(1000)) {
                exchange->broken = true; /* others want the slot */
                return;
        }
        int result = write_fully(transfer->fd, bytes, size);
        if (result < 0) {
                respond_errno(exchange, -result);
                give_up(transfer);
        }
}

void upload_complete(struct exchange *exchange) {
        struct transfer *transfer = transfer_of(exchange);
        if (lseek(transfer->fd, 0, SEEK_SET) < 0) {
                respond_errno(exchange, errno);
                return;
        }
        exchange_later(exchange);
        ask_worker(transfer);
}
