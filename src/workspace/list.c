/*
 * FILE_LIST. Bounded thrice: in entries told, in entries read, and in memory (one message's records at a time).
 */
#include "tree.h"
#include "beneath.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>

struct listing {
        int folder;
        listing_function *function;
        void *context;
        uint64_t told, left_out;
        size_t size;
        _Alignas(8) uint8_t records[IPC_PAYLOAD_MAXIMUM];
};

enum file_kind tree_kind_of(mode_t mode) {
        return S_ISDIR(mode)   ? FILE_KIND_FOLDER
               : S_ISREG(mode) ? FILE_KIND_FILE
               : S_ISLNK(mode) ? FILE_KIND_LINK
                               : FILE_KIND_OTHER;
}

static int flush_records(struct listing *listing) {
        if (listing->size == 0)
                return 0;
        size_t size = listing->size;
        listing->size = 0;
        return listing->function(listing->context, listing->records, size);
}

static int add_record(struct listing *listing, const char *name, const struct stat *status) {
        size_t name_size = strlen(name);
        size_t size = sizeof(struct file_entry) + ((name_size + 7) & ~(size_t) 7);
        if (listing->size + size > sizeof listing->records) {
                int result = flush_records(listing);
                if (result < 0)
                        return result;
        }
        struct file_entry entry = {
                .size = (uint64_t) status->st_size,
                .modified = (int64_t) status->st_mtim.tv_sec * 1000 + status->st_mtim.tv_nsec / 1000000,
                .kind = tree_kind_of(status->st_mode),
                .name_size = (uint32_t) name_size,
        };
        uint8_t *at = listing->records + listing->size;
        memset(at, 0, size);
        memcpy(at, &entry, sizeof entry);
        memcpy(at + sizeof entry, name, name_size);
        listing->size += size;
        listing->told++;
        return 0;
}

/* A worker that was killed while it wrote could not tidy up. Failing is nothing: the next listing tries again. */
static void remove_if_stale(int folder, const char *name) {
        struct stat status;
        if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            status.st_mtim.tv_sec < time(NULL) - TEMPORARY_STALE_SECONDS)
                tree_delete_below(folder, name);
}

static int list_entry(struct listing *listing, const char *name) {
        if (name[0] == '.') {
                if (temporary_name_is(name))
                        remove_if_stale(listing->folder, name);
                return 0;
        }
        if (listing->told >= WORKSPACE_LIST_MAXIMUM || !workspace_name_ok(name, strlen(name))) {
                listing->left_out++;
                return 0;
        }
        struct stat status;
        if (fstatat(listing->folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno; /* deleted since it was read */
        return add_record(listing, name, &status);
}

static int list_folder(struct listing *listing) {
        struct folder_reader reader;
        folder_reader_start(&reader, listing->folder, 0);
        for (size_t read = 0; read < WORKSPACE_READ_MAXIMUM; read++) {
                const struct dirent64 *entry;
                int result = folder_reader_next(&reader, &entry);
                if (result <= 0)
                        return result;
                result = list_entry(listing, entry->d_name);
                if (result < 0)
                        return result;
        }
        listing->left_out++; /* there may be more: the listing must not pass for a whole one */
        return 0;
}

/* The class's folder holds Local and the three; and Landlock, which opens the three, does not let it be read. */
static int list_shared_root(struct listing *listing) {
        for (size_t i = 0; i < WORKSPACE_SHARED_FOLDERS; i++) {
                int result = list_entry(listing, workspace_shared_folders[i]);
                if (result < 0)
                        return result;
        }
        return 0;
}

int tree_list(const struct tree *tree, const char *path, listing_function *function, void *context,
              uint64_t *ret_left_out) {
        int result = workspace_path_check(tree->kind, path);
        if (result < 0)
                return result;
        bool shared_root = tree->kind == TREE_SHARED && !*path;
        int flags = (shared_root ? O_PATH : O_RDONLY) | O_DIRECTORY;
        fd_scoped folder = open_beneath(tree->fd, path, flags, MOUNTS_REFUSED);
        if (folder < 0)
                return folder;
        struct listing listing = { .folder = folder, .function = function, .context = context };
        result = shared_root ? list_shared_root(&listing) : list_folder(&listing);
        if (result == 0)
                result = flush_records(&listing);
        if (result == 0)
                *ret_left_out = listing.left_out;
        return result;
}
