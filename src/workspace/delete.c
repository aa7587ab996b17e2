/*
 * FILE_DELETE: a tree of any depth and width, by single names below descriptors that are held.
 *
 * The way down is a short array of open folders, never "..": a folder that is moved while we are in it cannot lead us
 * elsewhere. Where the way gets as long as the array, the next folder is moved up, under a hidden name, into the
 * topmost one that is being deleted, and found there later; so depth costs neither descriptors nor memory, nor does the
 * kernel (Landlock walks up to the root at every step) pay for it.
 *
 * The owner's programs may add and move things meanwhile. Whatever we meet in a folder that is being deleted is
 * deleted; going down again and again without deleting anything ends with -EBUSY, and so does an absurd number of
 * steps.
 */
#include "tree.h"
#include "beneath.h"

#include <dirent.h>
#include <fcntl.h>

enum {
        LEVELS = 64,
        FRUITLESS_MAXIMUM = 16 * LEVELS, /* descents since something was last deleted */
        STEPS_MAXIMUM = 10000000,        /* entries looked at */
};

struct level {
        int fd;
        int64_t offset; /* of the entry that we went down into: looked at again on the way back */
};

struct walk {
        size_t depth; /* levels in use */
        struct level levels[LEVELS];
        unsigned fruitless;
        unsigned steps;
        struct folder_reader reader; /* of the deepest level */
};

static void walk_finish(struct walk *walk) {
        while (walk->depth > 0)
                close_fd(&walk->levels[--walk->depth].fd);
}

/* A folder without rights of its own owner. By the magic link of a descriptor that was opened through no link: chmod by
 * name could be led to a file outside. */
static int make_usable(int folder, const char *name) {
        fd_scoped fd = open_beneath(folder, name, O_PATH | O_DIRECTORY, MOUNTS_REFUSED);
        if (fd < 0)
                return fd;
        char link[40];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        return fchmodat(AT_FDCWD, link, 0700, 0) < 0 ? -errno : 0;
}

/* Deletes what can be deleted at once. -ENOTEMPTY: a folder with something in it. */
static int remove_at_once(int folder, const char *name, bool perhaps_folder) {
        if (!perhaps_folder) {
                if (unlinkat(folder, name, 0) == 0)
                        return 0;
                if (errno != EISDIR && errno != EPERM) /* EPERM is POSIX's word for EISDIR */
                        return -errno;
        }
        if (unlinkat(folder, name, AT_REMOVEDIR) == 0)
                return 0;
        if (errno == ENOTDIR && unlinkat(folder, name, 0) == 0) /* it was a folder a moment ago */
                return 0;
        return errno == EEXIST || errno == EISDIR ? -ENOTEMPTY : -errno; /* EISDIR: and is one again */
}

int tree_open_shut(int folder, const char *name) {
        int fd = open_beneath(folder, name, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        if (fd == -EXDEV) /* moved away while the kernel looked: a mounted folder is busy before it is opened */
                return -ENOENT;
        if (fd != -EACCES)
                return fd;
        int result = make_usable(folder, name);
        return result < 0 ? result : open_beneath(folder, name, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
}

static int go_down(struct walk *walk, int folder, const char *name, int64_t offset) {
        if (++walk->fruitless > FRUITLESS_MAXIMUM)
                return -EBUSY;
        int fd = tree_open_shut(folder, name);
        if (fd < 0)
                return fd;
        if (walk->depth > 0)
                walk->levels[walk->depth - 1].offset = offset;
        walk->levels[walk->depth++] = (struct level){ .fd = fd };
        folder_reader_start(&walk->reader, fd, 0);
        return 0;
}

static void go_up(struct walk *walk) {
        close_fd(&walk->levels[--walk->depth].fd);
        if (walk->depth > 0)
                folder_reader_start(&walk->reader, walk->levels[walk->depth - 1].fd,
                                    walk->levels[walk->depth - 1].offset);
}

/* Moves a folder from the deepest level to the topmost. */
static int move_up(const struct walk *walk, const char *name) {
        int folder = walk->levels[walk->depth - 1].fd, top = walk->levels[0].fd;
        char hidden[TEMPORARY_NAME_BYTES];
        temporary_name(hidden);
        if (renameat(folder, name, top, hidden) == 0)
                return 0;
        if (errno != EACCES) /* a folder that is moved is itself written, in its ".." */
                return -errno;
        int result = make_usable(folder, name);
        if (result == 0 && fchmod(top, 0700) < 0)
                result = -errno;
        return result < 0 ? result : renameat(folder, name, top, hidden) < 0 ? -errno : 0;
}

/* One entry of the deepest level. `offset` is its place in it. */
static int delete_entry(struct walk *walk, const struct dirent64 *entry, int64_t offset) {
        int folder = walk->levels[walk->depth - 1].fd;
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "%s", entry->d_name); /* going down reads over it */
        bool perhaps_folder = entry->d_type == DT_DIR;
        int result = remove_at_once(folder, name, perhaps_folder);
        if (result == -EACCES && fchmod(folder, 0700) == 0)
                result = remove_at_once(folder, name, perhaps_folder);
        if (result == 0)
                walk->fruitless = 0;
        if (result == -ENOTEMPTY)
                result = walk->depth < LEVELS ? go_down(walk, folder, name, offset) : move_up(walk, name);
        /* Somebody else deleted it, or put a file in the folder's place: then the next look meets that. */
        return result == -ENOENT || result == -ENOTDIR || result == -ELOOP ? 0 : result;
}

static int empty_folder(struct walk *walk) {
        while (walk->depth > 0) {
                if (++walk->steps > STEPS_MAXIMUM)
                        return -EBUSY;
                int64_t offset = walk->reader.offset;
                const struct dirent64 *entry;
                int result = folder_reader_next(&walk->reader, &entry);
                if (result == 0)
                        go_up(walk);
                else if (result > 0)
                        result = delete_entry(walk, entry, offset);
                if (result < 0)
                        return result;
        }
        return 0;
}

int tree_delete_below(int parent, const char *name) {
        cleanup(walk_finish) struct walk walk = { 0 };
        int result;
        while ((result = remove_at_once(parent, name, false)) == -ENOTEMPTY) {
                result = go_down(&walk, parent, name, 0);
                if (result == 0)
                        result = empty_folder(&walk);
                if (result < 0)
                        return result == -ELOOP || result == -ENOTDIR ? -EBUSY : result;
        }
        return result;
}

int tree_delete(const struct tree *tree, const char *path) {
        int result = tree_path_check(tree->kind, path);
        if (result < 0)
                return result;
        if (tree_is_fixed(tree, path))
                return -EPERM;
        fd_scoped parent = -1;
        const char *name;
        result = tree_open_parent(tree, path, &parent, &name);
        if (result == 0)
                result = tree_delete_below(parent, name);
        return result < 0 || fsync(parent) == 0 ? result : -errno;
}

int workspace_tree_remove(int parent_fd, const char *name, struct error *error) {
        int result = workspace_name_ok(name, strlen(name)) ? tree_delete_below(parent_fd, name) : -EINVAL;
        return result < 0 ? error_set(error, -result, "removing the folder '%s'", name) : 0;
}
