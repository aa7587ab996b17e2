/*
 * FILE_WRITE: whole or not at all.
 *
 * The new content goes to a temporary file beside the target, is flushed to the disk, and takes the target's name in
 * one step. The temporary has a name, though O_TMPFILE would leave nothing behind when the worker is killed: a nameless
 * file can only be linked to a free name, never over another, and linking it at all needs a capability or /proc. A name
 * that nobody guesses and a sweep (list.c) serve both conditions in one way.
 */
#include "tree.h"
#include "beneath.h"

#include <fcntl.h>

struct writing {
        int folder;
        const char *target;
        const struct message_file *request;
        mode_t mode;                          /* of the file to come */
        char temporary[TEMPORARY_NAME_BYTES]; /* "": there is none (any more) */
        int fd;                               /* the temporary, for writing */
        int reading;                          /* the same, for the caller */
};

static void writing_finish(struct writing *writing) {
        if (writing->temporary[0])
                (void) unlinkat(writing->folder, writing->temporary, 0); /* gone already, or the sweep's */
        close_fd(&writing->reading);
        close_fd(&writing->fd);
        close_fd(&writing->folder);
}

/* Whether what has the target's name now may be replaced. Asked twice: early, so that a conflict costs no writing, and
 * right before the rename. */
static int check_target(struct writing *writing) {
        const struct message_file *request = writing->request;
        struct stat status;
        bool there = fstatat(writing->folder, writing->target, &status, AT_SYMLINK_NOFOLLOW) == 0;
        if (!there && errno != ENOENT)
                return -errno;
        if (there && S_ISDIR(status.st_mode))
                return request->condition == FILE_IF_ABSENT ? -EEXIST : -EISDIR;
        if (there && request->condition == FILE_IF_ABSENT)
                return -EEXIST;
        bool regular = there && S_ISREG(status.st_mode);
        writing->mode = regular ? status.st_mode & 0777 : 0644;
        if (request->condition != FILE_IF_VERSION)
                return 0;
        struct file_version version = regular ? tree_version(&status) : (struct file_version){ 0 };
        return regular && tree_version_same(&version, &request->version) ? 0 : -ESTALE;
}

/* Opened twice, since a descriptor cannot lose its right to write. Its owner's programs may have put another file in
 * the place of our name between the two. */
static int open_temporary(struct writing *writing) {
        char name[TEMPORARY_NAME_BYTES];
        temporary_name(name);
        writing->fd = openat(writing->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (writing->fd < 0)
                return -errno;
        memcpy(writing->temporary, name, sizeof name);
        writing->reading = open_beneath(writing->folder, name, O_RDONLY | O_NONBLOCK, MOUNTS_REFUSED);
        if (writing->reading < 0)
                return writing->reading == -EAGAIN ? -EBUSY : writing->reading;
        struct stat written, read;
        if (fstat(writing->fd, &written) < 0 || fstat(writing->reading, &read) < 0)
                return -errno;
        return written.st_dev == read.st_dev && written.st_ino == read.st_ino ? 0 : -EBUSY;
}

static int copy_content(struct writing *writing, int content) {
        static uint8_t bytes[256 * 1024];
        uint64_t left = writing->request->size;
        for (;;) {
                ssize_t size = read_fully(content, bytes, sizeof bytes);
                if (size <= 0)
                        return (int) size;
                if ((uint64_t) size > left)
                        return -EFBIG;
                left -= (uint64_t) size;
                int result = write_fully(writing->fd, bytes, (size_t) size);
                if (result < 0)
                        return result;
        }
}

static int put_in_place(struct writing *writing) {
        int result = check_target(writing);
        if (result < 0)
                return result;
        if (writing->request->condition == FILE_IF_ABSENT)
                result =
                        tree_rename_to_free_name(writing->folder, writing->temporary, writing->folder, writing->target);
        else if (renameat(writing->folder, writing->temporary, writing->folder, writing->target) < 0)
                result = -errno;
        if (result < 0)
                return result;
        writing->temporary[0] = '\0';
        return fsync(writing->folder) < 0 ? -errno : 0;
}

static int write_whole(struct writing *writing, int content) {
        int result = check_target(writing);
        if (result == 0)
                result = open_temporary(writing);
        if (result == 0)
                result = copy_content(writing, content);
        if (result < 0)
                return result;
        if (fchmod(writing->fd, writing->mode) < 0 || fsync(writing->fd) < 0)
                return -errno;
        close_fd(&writing->fd); /* under its hidden name: else the lookout would take it for a program's writing */
        return put_in_place(writing);
}

int tree_write(const struct tree *tree, const struct message_file *request, int content, int *ret_fd,
               struct file_version *ret_version) {
        int result = tree_path_check(tree->kind, request->path);
        if (result < 0)
                return result;
        if (tree_is_fixed(tree, request->path))
                return request->condition == FILE_IF_ABSENT ? -EEXIST : -EISDIR;
        cleanup(writing_finish) struct writing writing = { .request = request, .folder = -1, .fd = -1, .reading = -1 };
        result = tree_open_parent(tree, request->path, &writing.folder, &writing.target);
        if (result == 0)
                result = write_whole(&writing, content);
        if (result < 0)
                return result;
        struct stat status;
        if (fstat(writing.reading, &status) < 0) /* after the rename, which changes the ctime */
                return -errno;
        *ret_version = tree_version(&status);
        *ret_fd = steal_fd(&writing.reading);
        return 0;
}
