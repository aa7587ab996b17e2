/*
 * The worker's small operations, and what the larger ones (list.c, write.c, delete.c) share.
 */
#include "tree.h"
#include "beneath.h"

#include <dirent.h>
#include <fcntl.h>

bool tree_is_fixed(const struct tree *tree, const char *path) {
        return !*path || (tree->kind == TREE_SHARED && !strchr(path, '/'));
}

void tree_part_of(const struct tree *tree, const char *path, char part[PATH_BYTES]) {
        size_t size = tree->kind == TREE_SHARED ? strcspn(path, "/") : 0;
        memcpy(part, path, size);
        part[size] = '\0';
}

int tree_open_parent(const struct tree *tree, const char *path, int *ret_fd, const char **ret_name) {
        char folder[PATH_BYTES] = "";
        const char *slash = strrchr(path, '/');
        if (slash)
                memcpy(folder, path, (size_t) (slash - path));
        int fd = open_beneath(tree->fd, folder, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        if (fd < 0)
                return fd;
        *ret_fd = fd;
        *ret_name = slash ? slash + 1 : path;
        return 0;
}

struct file_version tree_version(const struct stat *status) {
        return (struct file_version){ .inode = status->st_ino,
                                      .size = (uint64_t) status->st_size,
                                      .seconds = (uint64_t) status->st_ctim.tv_sec,
                                      .nanoseconds = (uint32_t) status->st_ctim.tv_nsec };
}

bool tree_version_same(const struct file_version *one, const struct file_version *other) {
        return one->inode == other->inode && one->size == other->size && one->seconds == other->seconds &&
               one->nanoseconds == other->nanoseconds;
}

/* A file system without RENAME_NOREPLACE (NFS). For anything but a folder a second link is as good: making it
 * fails where the name is taken. A folder can have none; renaming one replaces nothing but an empty folder, if one
 * was made in the instant since the look. */
static int rename_without_flag(int from_fd, const char *from, int to_fd, const char *to) {
        struct stat status;
        if (fstatat(from_fd, from, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (!S_ISDIR(status.st_mode)) {
                if (linkat(from_fd, from, to_fd, to, 0) < 0 || unlinkat(from_fd, from, 0) < 0)
                        return -errno;
                return 0;
        }
        if (fstatat(to_fd, to, &status, AT_SYMLINK_NOFOLLOW) == 0)
                return -EEXIST;
        return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

int tree_rename_to_free_name(int from_fd, const char *from, int to_fd, const char *to) {
        if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
                return 0;
        /* EINVAL has a second meaning, a folder into itself; the plain rename says it again. */
        return errno == EINVAL || errno == ENOSYS ? rename_without_flag(from_fd, from, to_fd, to) : -errno;
}

/* Reading folders */

void folder_reader_start(struct folder_reader *reader, int fd, int64_t offset) {
        reader->fd = fd;
        reader->offset = offset;
        reader->at = reader->end = 0;
        (void) lseek(fd, offset, SEEK_SET); /* a folder's descriptor can; and where it could not, reading goes on */
}

static int refill(struct folder_reader *reader) {
        ssize_t size = getdents64(reader->fd, reader->bytes, sizeof reader->bytes);
        if (size < 0 && errno != ENOENT) /* ENOENT: the folder itself was deleted; it holds nothing */
                return -errno;
        reader->at = 0;
        reader->end = size < 0 ? 0 : (size_t) size;
        return reader->end > 0;
}

int folder_reader_next(struct folder_reader *reader, const struct dirent64 **ret_entry) {
        for (;;) {
                if (reader->at == reader->end) {
                        int result = refill(reader);
                        if (result <= 0)
                                return result;
                }
                const struct dirent64 *entry = (const void *) (reader->bytes + reader->at);
                reader->at += entry->d_reclen;
                reader->offset = entry->d_off;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                *ret_entry = entry;
                return 1;
        }
}

/* Temporary files */

static const char temporary_prefix[] = ".carrel-part-";
enum { TEMPORARY_RANDOM_BYTES = 16 };
_Static_assert(sizeof temporary_prefix + (size_t) 2 * TEMPORARY_RANDOM_BYTES <= TEMPORARY_NAME_BYTES,
               "the name must fit");

void temporary_name(char name[TEMPORARY_NAME_BYTES]) {
        uint8_t random[TEMPORARY_RANDOM_BYTES];
        random_bytes(random, sizeof random);
        memcpy(name, temporary_prefix, sizeof temporary_prefix);
        hexadecimal(random, sizeof random, name + sizeof temporary_prefix - 1);
}

bool temporary_name_is(const char *name) {
        size_t prefix = sizeof temporary_prefix - 1, digits = (size_t) 2 * TEMPORARY_RANDOM_BYTES;
        return strncmp(name, temporary_prefix, prefix) == 0 && strlen(name) == prefix + digits &&
               strspn(name + prefix, "0123456789abcdef") == digits;
}

/* Operations */

int tree_open_file(const struct tree *tree, const char *path, int *ret_fd, struct file_version *ret_version) {
        int result = workspace_path_check(tree->kind, path);
        if (result < 0)
                return result;
        if (tree_is_fixed(tree, path))
                return -EISDIR;
        /* O_NONBLOCK: a pipe without a writer, or a file under a lease, must not hold the worker. */
        fd_scoped fd = open_beneath(tree->fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, MOUNTS_REFUSED);
        if (fd < 0)
                return fd == -EAGAIN ? -EBUSY : fd;
        struct stat status;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode))
                return S_ISDIR(status.st_mode) ? -EISDIR : -ENXIO;
        *ret_version = tree_version(&status);
        *ret_fd = steal_fd(&fd);
        return 0;
}

int tree_make_folder(const struct tree *tree, const char *path) {
        int result = tree_path_check(tree->kind, path);
        if (result < 0)
                return result;
        if (tree_is_fixed(tree, path))
                return -EEXIST;
        fd_scoped parent = -1;
        const char *name;
        result = tree_open_parent(tree, path, &parent, &name);
        if (result < 0)
                return result;
        return mkdirat(parent, name, 0755) < 0 || fsync(parent) < 0 ? -errno : 0;
}

int tree_move(const struct tree *tree, const char *from, const char *to) {
        int result = tree_path_check(tree->kind, from);
        if (result == 0)
                result = workspace_path_check(tree->kind, to);
        if (result < 0)
                return result;
        if (tree_is_fixed(tree, from))
                return -EPERM;
        if (tree_is_fixed(tree, to))
                return -EEXIST;
        fd_scoped from_fd = -1, to_fd = -1;
        const char *from_name, *to_name;
        result = tree_open_parent(tree, from, &from_fd, &from_name);
        if (result == 0)
                result = tree_open_parent(tree, to, &to_fd, &to_name);
        if (result == 0)
                result = tree_rename_to_free_name(from_fd, from_name, to_fd, to_name);
        if (result < 0)
                return result;
        return fsync(to_fd) < 0 || fsync(from_fd) < 0 ? -errno : 0;
}
