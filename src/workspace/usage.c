/*
 * FILE_USAGE: what a tree holds, and the quota.
 *
 * Measuring is a walk over the whole tree, by descriptors as in delete.c. The nearest levels of the way are held open;
 * of those further up only the inode is kept, and ".." must lead to it. A program that moves folders about meanwhile
 * can make the walk end early, with less than there is: it harms its own count, and only until the next.
 *
 * A walk for each save would be too much, so the ledger remembers the last one's result a while, adds what goes through
 * the worker, and measures again before it refuses anything.
 */
#include "tree.h"
#include "beneath.h"

#include <dirent.h>
#include <fcntl.h>

enum {
        OPEN_LEVELS = 64,
        ENTRIES_MAXIMUM = 1000000,
        WALK_MILLISECONDS = 2000,
        LEDGER_MILLISECONDS = 3000, /* how old it may be where it says yes */
        BLOCK = 4096,
};

struct level {
        int fd; /* -1: too far up to be held */
        int64_t offset;
        dev_t device;
        ino_t inode;
};

struct walk {
        struct file_usage usage;
        struct level *levels;
        size_t depth, room;
        uint64_t end; /* of the time for it */
        struct folder_reader reader;
};

static void walk_finish(struct walk *walk) {
        while (walk->depth > 0)
                close_fd(&walk->levels[--walk->depth].fd);
        free(walk->levels);
}

static int push(struct walk *walk, int fd) {
        fd_scoped scoped = fd;
        struct stat status;
        if (fstat(scoped, &status) < 0)
                return -errno;
        if (walk->depth == walk->room) {
                walk->room = walk->room ? 2 * walk->room : OPEN_LEVELS;
                walk->levels = reallocate_array(walk->levels, walk->room, sizeof *walk->levels);
        }
        if (walk->depth >= OPEN_LEVELS)
                close_fd(&walk->levels[walk->depth - OPEN_LEVELS].fd);
        folder_reader_start(&walk->reader, scoped, 0);
        walk->levels[walk->depth++] =
                (struct level){ .fd = steal_fd(&scoped), .device = status.st_dev, .inode = status.st_ino };
        return 0;
}

/* Opens the level above the deepest again, by way of the deepest. */
static int reopen_above(struct walk *walk) {
        struct level *level = &walk->levels[walk->depth - 2];
        fd_scoped fd = openat(walk->levels[walk->depth - 1].fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat status;
        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        if (status.st_dev != level->device || status.st_ino != level->inode)
                return -ESTALE;
        level->fd = steal_fd(&fd);
        return 0;
}

static int pop(struct walk *walk) {
        int result = walk->depth > 1 && walk->levels[walk->depth - 2].fd < 0 ? reopen_above(walk) : 0;
        if (result < 0)
                return result;
        close_fd(&walk->levels[--walk->depth].fd);
        if (walk->depth > 0)
                folder_reader_start(&walk->reader, walk->levels[walk->depth - 1].fd,
                                    walk->levels[walk->depth - 1].offset);
        return 0;
}

static uint64_t bytes_of(const struct stat *status) {
        uint64_t bytes = (uint64_t) status->st_blocks * 512;
        bool shared = !S_ISDIR(status->st_mode) && status->st_nlink > 1; /* found again under its other names */
        return shared ? bytes / status->st_nlink : bytes;
}

static int count_entry(struct walk *walk, const struct dirent64 *entry) {
        struct level *level = &walk->levels[walk->depth - 1];
        struct stat status;
        if (fstatat(level->fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        /* The trash itself costs nothing, so that a folder that was full is not fuller when all that is in it has given
         * way. */
        if (walk->depth > 1 || !tree_is_trash(entry->d_name)) {
                walk->usage.files++;
                walk->usage.bytes += bytes_of(&status);
        }
        if (!S_ISDIR(status.st_mode))
                return 0;
        level->offset = walk->reader.offset;
        int fd = open_beneath(level->fd, entry->d_name, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        /* Shut by its owner, gone, or another thing by now: what can be seen is counted. */
        return fd < 0 ? 0 : push(walk, fd);
}

static int walk_all(struct walk *walk) {
        while (walk->depth > 0) {
                const struct dirent64 *entry;
                int result = folder_reader_next(&walk->reader, &entry);
                if (result > 0)
                        result = count_entry(walk, entry);
                else if (result == 0)
                        result = pop(walk);
                if (result < 0)
                        return result == -ESTALE ? 0 : result;
                if (walk->usage.files >= ENTRIES_MAXIMUM || now_milliseconds() >= walk->end)
                        return 0;
        }
        return 0;
}

static int measure_folder(struct walk *walk, int root, const char *path) {
        int fd = open_beneath(root, path, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        int result = fd < 0 ? fd : push(walk, fd);
        return result < 0 ? result : walk_all(walk);
}

int tree_usage(const struct tree *tree, struct file_usage *ret_usage) {
        cleanup(walk_finish) struct walk walk = { .end = now_milliseconds() + WALK_MILLISECONDS };
        int result = 0;
        if (tree->kind == TREE_PERSONAL)
                result = measure_folder(&walk, tree->fd, "");
        for (size_t i = 0; tree->kind == TREE_SHARED && i < WORKSPACE_SHARED_FOLDERS && result == 0; i++)
                result = measure_folder(&walk, tree->fd, workspace_shared_folders[i]);
        if (result == 0)
                *ret_usage = walk.usage;
        return result;
}

int tree_usage_below(int parent, const char *name, struct file_usage *ret_usage) {
        cleanup(walk_finish) struct walk walk = { .end = now_milliseconds() + WALK_MILLISECONDS };
        int result = measure_folder(&walk, parent, name);
        if (result == 0)
                *ret_usage = walk.usage;
        return result;
}

/* The ledger */

static int measure(struct ledger *ledger, const struct tree *tree) {
        int result = tree_usage(tree, &ledger->usage);
        ledger->measured = result < 0 ? 0 : now_milliseconds();
        return result;
}

static bool fits(const struct ledger *ledger, const struct file_usage *quota, const struct growth *growth) {
        return (quota->bytes == 0 || growth->bytes <= 0 ||
                ledger->usage.bytes + (uint64_t) growth->bytes <= quota->bytes) &&
               (quota->files == 0 || growth->files == 0 || ledger->usage.files + growth->files <= quota->files);
}

static uint64_t excess(uint64_t used, uint64_t growth, uint64_t quota) {
        return quota > 0 && used + growth > quota ? used + growth - quota : 0;
}

/* What lies in the trash is only there until somebody wants its room; but it is not thrown away in vain. */
static void let_trash_give_way(struct ledger *ledger, const struct tree *tree, const struct file_usage *quota,
                               const struct growth *growth) {
        const struct file_usage needed = {
                excess(ledger->usage.bytes, growth->bytes > 0 ? (uint64_t) growth->bytes : 0, quota->bytes),
                excess(ledger->usage.files, growth->files, quota->files),
        };
        struct file_usage trashed = tree_trash_usage(tree), gone = { 0 };
        if (needed.bytes > trashed.bytes || needed.files > trashed.files)
                return;
        tree_trash_give_way(tree, &needed, &gone);
        ledger->usage.bytes -= gone.bytes < ledger->usage.bytes ? gone.bytes : ledger->usage.bytes;
        ledger->usage.files -= gone.files < ledger->usage.files ? gone.files : ledger->usage.files;
}

int ledger_usage(struct ledger *ledger, const struct tree *tree, const struct file_usage *quota,
                 struct file_usage *ret_usage) {
        const struct growth none = { 0 };
        int result = measure(ledger, tree);
        if (result < 0)
                return result;
        let_trash_give_way(ledger, tree, quota, &none);
        *ret_usage = ledger->usage;
        return 0;
}

int ledger_admit(struct ledger *ledger, const struct tree *tree, const struct file_usage *quota,
                 const struct growth *growth) {
        if ((quota->bytes == 0 || growth->bytes <= 0) && (quota->files == 0 || growth->files == 0))
                return 0;
        bool fresh = ledger->measured > 0 && now_milliseconds() - ledger->measured < LEDGER_MILLISECONDS;
        int result = fresh && fits(ledger, quota, growth) ? 0 : measure(ledger, tree);
        if (result == 0 && !fits(ledger, quota, growth))
                let_trash_give_way(ledger, tree, quota, growth);
        return result < 0 ? result : fits(ledger, quota, growth) ? 0 : -EDQUOT;
}

void ledger_add(struct ledger *ledger, const struct growth *growth) {
        ledger->usage.files += growth->files;
        if (growth->bytes > 0)
                ledger->usage.bytes += (uint64_t) growth->bytes;
}

/* What writing would add. Whatever cannot be found out now, the writing itself will meet and tell. */
struct growth tree_growth(const struct tree *tree, const char *path, int content) {
        struct growth growth = { 0 };
        struct stat status;
        if (content >= 0 && fstat(content, &status) == 0 && S_ISREG(status.st_mode))
                growth.bytes = (status.st_size + BLOCK - 1) / BLOCK * BLOCK;
        fd_scoped parent = -1;
        const char *name;
        if (tree_path_check(tree->kind, path) < 0 || tree_is_fixed(tree, path) ||
            tree_open_parent(tree, path, &parent, &name) < 0)
                return growth;
        if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
                growth.bytes -= (int64_t) bytes_of(&status);
        else
                growth.files = 1;
        return growth;
}
