/*
 * A folder as a .zip, while it is made.
 *
 * The list of what goes in is made first (walk.c), so that what is too much is refused before a byte is sent. Then
 * entry after entry: the tree's worker opens, the pool reads and compresses, libmicrohttpd sends; one piece at a time,
 * and the next only when the last is on its way. So a slow client costs a buffer and nobody's worker, and one that goes
 * away is noticed at the next piece. While a piece is being made the exchange is suspended, and what is suspended is
 * not freed: so nothing here can be freed in the middle.
 *
 * A file that shrinks, or goes, is as short, or not there; one that grows is cut at what the list said. What is left
 * out (links, pipes, what cannot be read) is named in a last file of the zip.
 */
#include "archive.h"
#include "walk.h"
#include "workers.h"
#include "zip.h"

#include <sys/stat.h>

enum {
        PIECE = 256 << 10,     /* read at once */
        OUT_ENOUGH = 64 << 10, /* then it is sent first */
        LEFT_OUT_TEXT = 16 << 10,
};

static const char left_out_name[] = "Left out of this zip.txt";

enum stage { STAGE_ENTRIES, STAGE_LEFT_OUT, STAGE_DIRECTORY, STAGE_END };

struct archive {
        struct exchange *exchange;
        struct walk walk;
        struct zip zip;
        struct zip_entry *entries; /* one for each of the walk's, then the list of what was left out */
        struct worker *worker;
        enum stage stage;
        size_t at;     /* the entry under way, also in the directory */
        size_t listed; /* in the directory */
        uint64_t directory_offset;
        int fd; /* of the file under way */
        uint64_t left;
        bool failed;
        uint8_t *piece;         /* what was read */
        struct buffer left_out; /* names, a line each */
        size_t left_out_count;
        char name[NAME_BYTES]; /* of the folder */
        char path[PATH_BYTES]; /* of the entry, in the tree or in the zip */
        archive_failed_function *failed_function;
};

static void archive_free(void *context) {
        struct archive *archive = context;
        close_fd(&archive->fd);
        walk_finish(&archive->walk);
        zip_finish(&archive->zip);
        buffer_finish(&archive->left_out);
        free(archive->piece);
        free(archive->entries);
        free(archive);
}

/* Making the next piece. Each way ends in piece_done(). */

static void piece_done(struct archive *archive) {
        exchange_resume(archive->exchange);
}

static void leave_out(struct archive *archive) {
        char path[PATH_BYTES];
        archive->left_out_count++;
        if (buffer_size(&archive->left_out) > LEFT_OUT_TEXT || !walk_path(&archive->walk, archive->at, "", path))
                return;
        /* The buffer has no limit of its own. */
        if (buffer_append(&archive->left_out, path, strlen(path)) < 0 || buffer_append(&archive->left_out, "\n", 1) < 0)
                abort();
}

static void next_entry(struct archive *archive) {
        close_fd(&archive->fd);
        archive->at++;
}

static void read_piece(void *context) {
        struct archive *archive = context;
        struct zip_entry *entry = &archive->entries[archive->at];
        uint8_t *bytes = archive->piece;
        while (buffer_size(&archive->zip.out) < OUT_ENOUGH) {
                size_t wanted = archive->left < PIECE ? (size_t) archive->left : PIECE;
                ssize_t size = wanted > 0 ? read_fully(archive->fd, bytes, wanted) : 0;
                if (size < 0) {
                        archive->failed = true; /* half a file is told by a download that breaks off */
                        return;
                }
                if (size == 0) {
                        zip_end_file(&archive->zip, entry);
                        close_fd(&archive->fd);
                        return;
                }
                zip_write(&archive->zip, entry, bytes, (size_t) size);
                archive->left -= (uint64_t) size;
        }
}

static void on_piece_read(void *context) {
        struct archive *archive = context;
        if (archive->fd < 0)
                archive->at++;
        piece_done(archive);
}

static void read_on(struct archive *archive) {
        if (pool_submit(archive->exchange->server->pool, POOL_SLOW, read_piece, on_piece_read, archive) < 0) {
                archive->failed = true;
                piece_done(archive);
        }
}

static void on_opened(void *context, struct workspace_answer *answer) {
        struct archive *archive = context;
        struct stat status;
        const struct walk_entry *listed = &archive->walk.entries[archive->at];
        worker_release(steal_pointer(&archive->worker), answer->result == -EPIPE);
        if (answer->result == -EPIPE || answer->result == -EMFILE) {
                archive->failed = true;
        } else if (answer->result < 0 || fstat(answer->fd, &status) < 0 ||
                   !walk_path(&archive->walk, archive->at, archive->name, archive->path)) {
                leave_out(archive);
                next_entry(archive);
        } else {
                archive->failed = zip_begin_file(&archive->zip, &archive->entries[archive->at], archive->path,
                                                 (int64_t) status.st_mtim.tv_sec * 1000) < 0;
                archive->fd = steal_fd(&answer->fd);
                archive->left = listed->size;
                if (!archive->failed) {
                        read_on(archive);
                        return;
                }
        }
        piece_done(archive);
}

static void on_worker(void *context, struct worker *worker, int result) {
        struct archive *archive = context;
        if (result == 0) {
                archive->worker = worker;
                result = workspace_open_file(worker_workspace(worker), archive->path, on_opened, archive);
                if (result == 0)
                        return;
                worker_release(steal_pointer(&archive->worker), result == -EPIPE);
        }
        archive->failed = true;
        piece_done(archive);
}

/* True: the piece comes later. */
static bool make_entry(struct archive *archive) {
        const struct walk_entry *entry = &archive->walk.entries[archive->at];
        bool folder = entry->kind == FILE_KIND_FOLDER, file = entry->kind == FILE_KIND_FILE;
        if (archive->fd >= 0) {
                read_on(archive);
                return true;
        }
        if ((!folder && !file) ||
            !walk_path(&archive->walk, archive->at, folder ? archive->name : archive->walk.path, archive->path)) {
                leave_out(archive);
                next_entry(archive);
                return false;
        }
        if (file) {
                workers_use(archive->exchange->server->workers, &archive->walk.tree, on_worker, archive);
                return true;
        }
        zip_add_folder(&archive->zip, &archive->entries[archive->at], archive->path, entry->modified);
        next_entry(archive);
        return false;
}

static void make_left_out(struct archive *archive) {
        static const char head[] = "Links and what cannot be read are not in a zip. These were left out:\n\n";
        struct zip_entry *entry = &archive->entries[archive->walk.count];
        archive->left_out_count += archive->walk.left_out;
        archive->stage = STAGE_DIRECTORY;
        archive->at = 0;
        if (archive->left_out_count > 0 &&
            zip_begin_file(&archive->zip, entry, left_out_name, wall_milliseconds()) == 0) {
                free_scoped char *tail = format_string("\n%zu in all\n", archive->left_out_count);
                zip_write(&archive->zip, entry, head, sizeof head - 1);
                if (buffer_size(&archive->left_out) > 0)
                        zip_write(&archive->zip, entry, buffer_front(&archive->left_out),
                                  buffer_size(&archive->left_out));
                zip_write(&archive->zip, entry, tail, strlen(tail));
                zip_end_file(&archive->zip, entry);
        }
        archive->directory_offset = archive->zip.offset;
}

static void make_directory(struct archive *archive) {
        for (; archive->at <= archive->walk.count && buffer_size(&archive->zip.out) < OUT_ENOUGH; archive->at++) {
                bool last = archive->at == archive->walk.count;
                if (!archive->entries[archive->at].there ||
                    (!last && !walk_path(&archive->walk, archive->at, archive->name, archive->path)))
                        continue;
                zip_list(&archive->zip, &archive->entries[archive->at], last ? left_out_name : archive->path);
                archive->listed++;
        }
        if (archive->at <= archive->walk.count)
                return;
        zip_end(&archive->zip, archive->directory_offset, archive->listed);
        archive->stage = STAGE_END;
}

/* True: the piece comes later, and the exchange is to wait for it. */
static bool make_piece(struct archive *archive) {
        while (archive->stage == STAGE_ENTRIES && buffer_size(&archive->zip.out) < OUT_ENOUGH) {
                if (archive->at == archive->walk.count)
                        archive->stage = STAGE_LEFT_OUT;
                else if (make_entry(archive))
                        return true;
        }
        if (archive->stage == STAGE_LEFT_OUT)
                make_left_out(archive);
        if (archive->stage == STAGE_DIRECTORY && buffer_size(&archive->zip.out) < OUT_ENOUGH)
                make_directory(archive);
        return false;
}

/* libmicrohttpd's */

static ssize_t give_bytes(void *context, uint64_t position, char *to, size_t most) {
        struct archive *archive = context;
        (void) position;
        if (buffer_size(&archive->zip.out) == 0 && !archive->failed && archive->stage != STAGE_END) {
                exchange_later(archive->exchange);
                if (!make_piece(archive))
                        exchange_resume(archive->exchange);
                return 0;
        }
        size_t size = buffer_size(&archive->zip.out);
        if (archive->failed)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        if (size == 0)
                return MHD_CONTENT_READER_END_OF_STREAM;
        size = size < most ? size : most;
        memcpy(to, buffer_front(&archive->zip.out), size);
        buffer_consume(&archive->zip.out, size);
        return (ssize_t) size;
}

static void respond(struct archive *archive) {
        struct exchange *exchange = archive->exchange;
        struct MHD_Response *response =
                MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, give_bytes, archive, archive_free);
        if (!response) {
                archive->failed_function(exchange, ENOMEM);
                archive_free(archive);
                return;
        }
        free_scoped char *file = format_string("%s.zip", archive->name);
        free_scoped char *disposition = disposition_of(file);
        response_secure(response);
        response_header(response, "Content-Security-Policy", "sandbox; default-src 'none'");
        response_header(response, "Content-Disposition", disposition);
        response_header(response, "Content-Type", "application/zip");
        response_header(response, "Cache-Control", "no-store");
        exchange_respond(exchange, 200, response);
}

static void on_walked(void *context) {
        struct archive *archive = context;
        struct exchange *exchange = archive->exchange;
        int result = archive->walk.result;
        if (result < 0) {
                archive->failed_function(exchange, -result);
                archive_free(archive);
        } else {
                archive->piece = reallocate_array(NULL, PIECE, 1);
                archive->entries = allocate((archive->walk.count + 1) * sizeof *archive->entries);
                respond(archive);
        }
        exchange_resume(exchange);
}

void archive_begin(struct exchange *exchange, const struct tree *tree, const char *path, const char *name,
                   archive_failed_function *failed) {
        struct archive *archive = allocate(sizeof *archive);
        archive->exchange = exchange;
        archive->failed_function = failed;
        archive->fd = -1;
        snprintf(archive->name, sizeof archive->name, "%s", name);
        int result = walk_begin(&archive->walk, exchange->server, tree, path, on_walked, archive);
        if (result == 0)
                return;
        failed(exchange, -result);
        archive_free(archive);
        exchange_resume(exchange);
}
