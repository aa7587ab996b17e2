/*
 * The trash: what was deleted, restorable for a while.
 *
 * A hidden folder at the top of the tree (of the shared tree: in each of its three folders, which is as far as the
 * worker's rights go) holds a folder for each deletion, named by its time and chance:
 *
 *      .carrel-trash/<id>/path     where it was: a text
 *      .carrel-trash/<id>/item     what was deleted
 *
 * The text is on the disk before the item comes, by one rename: that is the deletion. Restoring is the rename back.
 * Deleting for good begins with a rename of <id> to a temporary's name. So whatever moment a worker is killed at, an
 * item is either where it was or in the trash, whole; what it leaves (a folder without an item, a temporary) is swept
 * with what is too old.
 *
 * The trash belongs to its owner, whose programs may do to it what they like. So all that is read in it is checked as
 * a request of a page would be, by the same functions, with the owner's rights and beneath the tree; who breaks it
 * breaks their own trash. It counts in the quota, like all hidden files, and gives way where its room is needed.
 */
#include "tree.h"
#include "beneath.h"

#include <dirent.h>
#include <fcntl.h>

static const char trash_name[] = ".carrel-trash", item_name[] = "item", path_name[] = "path";

enum {
        IDS_MAXIMUM = 100000, /* looked at */
        HALF_DONE_MILLISECONDS = 3600000,
        DAY_MILLISECONDS = 86400000,
};

struct ids {
        char (*names)[TRASH_ID_BYTES]; /* oldest first */
        size_t count, room;
};

static void ids_finish(struct ids *ids) {
        free(ids->names);
}

/* Names */

bool tree_is_trash(const char *name) {
        return strcmp(name, trash_name) == 0;
}

static void make_id(char id[TRASH_ID_BYTES]) {
        uint8_t chance[5];
        char digits[2 * sizeof chance + 1];
        random_bytes(chance, sizeof chance);
        hexadecimal(chance, sizeof chance, digits);
        snprintf(id, TRASH_ID_BYTES, "%016llx-%s", (unsigned long long) wall_milliseconds(), digits);
}

static int64_t time_of(const char *id) {
        char digits[17] = "";
        memcpy(digits, id, 16);
        unsigned long long time = strtoull(digits, NULL, 16);
        return time > INT64_MAX ? INT64_MAX : (int64_t) time;
}

static int compare_ids(const void *one, const void *other) {
        return strcmp(one, other);
}

/* Folders */

/* `path` is a checked one. -ENOENT where nothing was deleted yet. */
static int open_trash(const struct tree *tree, const char *path, bool made) {
        char part[PATH_BYTES];
        tree_part_of(tree, path, part);
        if (tree->kind == TREE_SHARED && !*part)
                return -ENOENT; /* the root holds the three folders, and nothing to delete */
        fd_scoped folder = open_beneath(tree->fd, part, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        if (folder < 0)
                return folder;
        if (made && mkdirat(folder, trash_name, 0700) == 0) {
                if (fsync(folder) < 0)
                        return -errno;
        } else if (made && errno != EEXIST)
                return -errno;
        return tree_open_shut(folder, trash_name);
}

/* A trash that holds nothing is not there: who lists the folder in a program is not to wonder what it is. */
static void remove_empty(const struct tree *tree, const char *path) {
        char part[PATH_BYTES];
        tree_part_of(tree, path, part);
        fd_scoped folder = open_beneath(tree->fd, part, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        if (folder >= 0)
                (void) unlinkat(folder, trash_name, AT_REMOVEDIR); /* mostly it does hold something */
}

static void read_ids(int trash, struct ids *ids) {
        struct folder_reader reader;
        const struct dirent64 *entry;
        folder_reader_start(&reader, trash, 0);
        while (ids->count < IDS_MAXIMUM && folder_reader_next(&reader, &entry) > 0) {
                if (!workspace_trash_id_ok(entry->d_name, strlen(entry->d_name)))
                        continue;
                if (ids->count == ids->room) {
                        ids->room = ids->room ? 2 * ids->room : 64;
                        ids->names = reallocate_array(ids->names, ids->room, sizeof *ids->names);
                }
                memcpy(ids->names[ids->count++], entry->d_name, TRASH_ID_BYTES);
        }
        if (ids->count > 0)
                qsort(ids->names, ids->count, sizeof *ids->names, compare_ids);
}

static int write_path(int folder, const char *path) {
        fd_scoped fd = openat(folder, path_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        int result = write_fully(fd, path, strlen(path));
        return result < 0 || fsync(fd) == 0 ? result : -errno;
}

/* -EINVAL where it names nothing that could have been deleted from here. */
static int read_path(const struct tree *tree, const char *part, int folder, char path[PATH_BYTES]) {
        fd_scoped fd = open_beneath(folder, path_name, O_RDONLY | O_NONBLOCK | O_NOCTTY, MOUNTS_REFUSED);
        struct stat status;
        if (fd < 0)
                return fd;
        if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
                return -EINVAL;
        ssize_t size = read_fully(fd, path, PATH_BYTES);
        if (size < 0)
                return (int) size;
        if (size == PATH_BYTES || memchr(path, 0, (size_t) size))
                return -EINVAL;
        path[size] = '\0';
        char its_part[PATH_BYTES];
        int result = workspace_path_check(tree->kind, path);
        if (result < 0 || tree_is_fixed(tree, path))
                return -EINVAL;
        tree_part_of(tree, path, its_part);
        return strcmp(its_part, part) == 0 ? 0 : -EINVAL;
}

/* Away at once, and then bit by bit. */
static int delete_for_good(int trash, const char *id) {
        char hidden[TEMPORARY_NAME_BYTES];
        temporary_name(hidden);
        if (renameat(trash, id, trash, hidden) == 0)
                return tree_delete_below(trash, hidden);
        /* A folder without rights of its own owner, or a disk that is full even for that. */
        return errno == ENOENT ? -ENOENT : tree_delete_below(trash, id);
}

/* Operations */

/* All but the item itself. */
static int make_place(int trash, const char *id, const char *path, int *ret_folder) {
        if (mkdirat(trash, id, 0700) < 0)
                return -errno;
        fd_scoped folder = open_beneath(trash, id, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        if (folder < 0)
                return folder;
        int result = write_path(folder, path);
        if (result == 0 && (fsync(folder) < 0 || fsync(trash) < 0))
                result = -errno;
        if (result == 0)
                *ret_folder = steal_fd(&folder);
        return result;
}

int tree_trash(const struct tree *tree, const char *path, char id[TRASH_ID_BYTES]) {
        int result = workspace_path_check(tree->kind, path);
        if (result < 0)
                return result;
        if (tree_is_fixed(tree, path))
                return -EPERM;
        fd_scoped parent = -1, trash = -1, folder = -1;
        const char *name;
        struct stat status;
        result = tree_open_parent(tree, path, &parent, &name);
        if (result < 0)
                return result;
        if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        trash = open_trash(tree, path, true);
        if (trash < 0)
                return trash == -ENOENT ? -EBUSY : trash;
        make_id(id);
        result = make_place(trash, id, path, &folder);
        if (result == 0)
                result = tree_rename_to_free_name(parent, name, folder, item_name);
        if (result < 0) {
                (void) tree_delete_below(trash, id); /* else it is swept */
                return result;
        }
        return fsync(folder) < 0 || fsync(parent) < 0 ? -errno : 0;
}

struct trash_listing {
        listing_function *function;
        void *context;
        size_t size;
        _Alignas(8) uint8_t records[IPC_PAYLOAD_MAXIMUM];
};

static int flush_listing(struct trash_listing *listing) {
        size_t size = listing->size;
        listing->size = 0;
        return size > 0 ? listing->function(listing->context, listing->records, size) : 0;
}

static int tell_one(struct trash_listing *listing, const char *id, const char *path, const struct stat *status) {
        char name[TRASH_ID_BYTES + PATH_BYTES];
        size_t name_size = (size_t) snprintf(name, sizeof name, "%s/%s", id, path);
        size_t size = sizeof(struct file_entry) + ((name_size + 7) & ~(size_t) 7);
        int result = listing->size + size > sizeof listing->records ? flush_listing(listing) : 0;
        if (result < 0)
                return result;
        struct file_entry entry = { .size = S_ISREG(status->st_mode) ? (uint64_t) status->st_size : 0,
                                    .modified = time_of(id),
                                    .kind = tree_kind_of(status->st_mode),
                                    .name_size = (uint32_t) name_size };
        uint8_t *at = listing->records + listing->size;
        memset(at, 0, size);
        memcpy(at, &entry, sizeof entry);
        memcpy(at + sizeof entry, name, name_size);
        listing->size += size;
        return 0;
}

/* 1 where there is something to tell. What is no deletion of ours, or no longer there, is left out silently. */
static int look_at(const struct tree *tree, const char *part, int trash, const char *id, char path[PATH_BYTES],
                   struct stat *status) {
        fd_scoped folder = open_beneath(trash, id, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        return folder >= 0 && read_path(tree, part, folder, path) == 0 &&
               fstatat(folder, item_name, status, AT_SYMLINK_NOFOLLOW) == 0;
}

static int list_ids(const struct tree *tree, const char *part, int trash, const struct ids *ids,
                    struct trash_listing *listing, uint64_t *ret_left_out) {
        size_t told = 0;
        for (size_t i = ids->count; i-- > 0;) {
                char path[PATH_BYTES];
                struct stat status;
                if (told == WORKSPACE_TRASH_MAXIMUM) {
                        *ret_left_out = i + 1;
                        break;
                }
                if (!look_at(tree, part, trash, ids->names[i], path, &status))
                        continue;
                int result = tell_one(listing, ids->names[i], path, &status);
                if (result < 0)
                        return result;
                told++;
        }
        return flush_listing(listing);
}

int tree_trash_list(const struct tree *tree, const char *path, listing_function *function, void *context,
                    uint64_t *ret_left_out) {
        int result = workspace_path_check(tree->kind, path);
        if (result < 0)
                return result;
        fd_scoped trash = open_trash(tree, path, false);
        if (trash < 0)
                return trash == -ENOENT ? 0 : trash;
        cleanup(ids_finish) struct ids ids = { 0 };
        read_ids(trash, &ids);
        char part[PATH_BYTES];
        tree_part_of(tree, path, part);
        struct trash_listing listing = { .function = function, .context = context };
        return list_ids(tree, part, trash, &ids, &listing, ret_left_out);
}

/* The folders above a path, where they are gone. */
static int make_way(const struct tree *tree, const char *path) {
        char folder[PATH_BYTES];
        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                size_t size = (size_t) (slash - path);
                memcpy(folder, path, size);
                folder[size] = '\0';
                int result = tree_make_folder(tree, folder);
                if (result < 0 && result != -EEXIST)
                        return result;
        }
        return 0;
}

int tree_trash_restore(const struct tree *tree, const char *path, const char *id, char ret_path[PATH_BYTES]) {
        int result = workspace_path_check(tree->kind, path);
        if (result < 0 || !workspace_trash_id_ok(id, strlen(id)))
                return result < 0 ? result : -EINVAL;
        fd_scoped trash = open_trash(tree, path, false);
        if (trash < 0)
                return trash;
        fd_scoped folder = open_beneath(trash, id, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED), parent = -1;
        if (folder < 0)
                return folder;
        char part[PATH_BYTES];
        const char *name;
        tree_part_of(tree, path, part);
        result = read_path(tree, part, folder, ret_path);
        if (result == 0)
                result = make_way(tree, ret_path);
        if (result == 0)
                result = tree_open_parent(tree, ret_path, &parent, &name);
        if (result == 0)
                result = tree_rename_to_free_name(folder, item_name, parent, name);
        if (result < 0)
                return result;
        if (fsync(parent) < 0 || fsync(folder) < 0)
                return -errno;
        (void) tree_delete_below(trash, id); /* else it is swept */
        remove_empty(tree, path);
        return 0;
}

/* All: also what is no deletion of ours. */
static int empty(int trash) {
        struct folder_reader reader;
        const struct dirent64 *entry;
        int result;
        folder_reader_start(&reader, trash, 0);
        while ((result = folder_reader_next(&reader, &entry)) > 0) {
                char name[NAME_BYTES];
                snprintf(name, sizeof name, "%s", entry->d_name);
                result = tree_delete_below(trash, name);
                if (result < 0 && result != -ENOENT)
                        return result;
        }
        return result;
}

int tree_trash_delete(const struct tree *tree, const char *path, const char *id) {
        int result = workspace_path_check(tree->kind, path);
        if (result < 0 || (*id && !workspace_trash_id_ok(id, strlen(id))))
                return result < 0 ? result : -EINVAL;
        fd_scoped trash = open_trash(tree, path, false);
        if (trash < 0)
                return trash == -ENOENT && !*id ? 0 : trash;
        result = *id ? delete_for_good(trash, id) : empty(trash);
        if (result == 0 && fsync(trash) < 0)
                result = -errno;
        remove_empty(tree, path);
        return result;
}

/* Of all parts of the tree */

static const char *part_at(const struct tree *tree, size_t i) {
        if (tree->kind == TREE_SHARED)
                return i < WORKSPACE_SHARED_FOLDERS ? workspace_shared_folders[i] : NULL;
        return i == 0 ? "" : NULL;
}

struct file_usage tree_trash_usage(const struct tree *tree) {
        struct file_usage usage = { 0 };
        const char *part;
        for (size_t i = 0; (part = part_at(tree, i)); i++) {
                struct file_usage one = { 0 };
                fd_scoped trash = open_trash(tree, part, false);
                if (trash < 0 || tree_usage_below(trash, "", &one) < 0)
                        continue;
                usage.bytes += one.bytes;
                usage.files += one.files;
        }
        return usage;
}

void tree_trash_give_way(const struct tree *tree, const struct file_usage *needed, struct file_usage *ret_gone) {
        const char *part;
        for (size_t i = 0; (part = part_at(tree, i)); i++) {
                cleanup(ids_finish) struct ids ids = { 0 };
                fd_scoped trash = open_trash(tree, part, false);
                if (trash < 0)
                        continue;
                read_ids(trash, &ids);
                for (size_t id = 0; id < ids.count; id++) {
                        struct file_usage one = { 0 };
                        if (ret_gone->bytes >= needed->bytes && ret_gone->files >= needed->files)
                                return;
                        if (tree_usage_below(trash, ids.names[id], &one) < 0 ||
                            delete_for_good(trash, ids.names[id]) < 0)
                                continue;
                        ret_gone->bytes += one.bytes;
                        ret_gone->files += one.files + 1;
                }
        }
}

/* Without an item: half done, by a worker that was killed; or by one that is at it, so not at once. */
static bool is_over(const struct tree *tree, int trash, const char *id) {
        int64_t age = wall_milliseconds() - time_of(id);
        struct stat status;
        if (tree->trash_days > 0 && age > (int64_t) tree->trash_days * DAY_MILLISECONDS)
                return true;
        fd_scoped folder = open_beneath(trash, id, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        return age > HALF_DONE_MILLISECONDS && folder >= 0 &&
               fstatat(folder, item_name, &status, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static void sweep_temporaries(int trash) {
        struct folder_reader reader;
        const struct dirent64 *entry;
        folder_reader_start(&reader, trash, 0);
        for (size_t i = 0; i < IDS_MAXIMUM && folder_reader_next(&reader, &entry) > 0; i++) {
                char name[NAME_BYTES];
                snprintf(name, sizeof name, "%s", entry->d_name);
                if (temporary_name_is(name))
                        (void) tree_delete_below(trash, name); /* the next sweep tries again */
        }
}

void tree_trash_expire(const struct tree *tree) {
        const char *part;
        for (size_t i = 0; (part = part_at(tree, i)); i++) {
                cleanup(ids_finish) struct ids ids = { 0 };
                fd_scoped trash = open_trash(tree, part, false);
                if (trash < 0)
                        continue;
                read_ids(trash, &ids);
                for (size_t id = 0; id < ids.count; id++)
                        if (is_over(tree, trash, ids.names[id]))
                                (void) delete_for_good(trash, ids.names[id]);
                sweep_temporaries(trash);
                remove_empty(tree, part);
        }
}
