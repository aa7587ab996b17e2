#include "beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int status_of(int fd, struct stat *status) {
        return fstat(fd, status) < 0 ? -errno : 0;
}

/* One name; `last` with the caller's flags, else as a place to go on from. */
static int open_one(int parent, const char *name, int flags, bool last) {
        fd_scoped looked = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (looked < 0)
                return -errno;
        struct stat status;
        int result = status_of(looked, &status);
        if (result < 0)
                return result;
        if (S_ISLNK(status.st_mode))
                return -ELOOP;
        if (!last)
                return S_ISDIR(status.st_mode) ? steal_fd(&looked) : -ENOTDIR;
        /* The name may have become a link since: O_NOFOLLOW refuses it again. */
        int fd = openat(parent, name, flags | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int open_name_by_name(int root_fd, const char *path, int flags, enum mounts mounts) {
        char names[4096];
        size_t size = strlen(path) + 1;
        if (size > sizeof names)
                return -ENAMETOOLONG;
        memcpy(names, path, size);
        struct stat root, status;
        int result = status_of(root_fd, &root);
        if (result < 0)
                return result;
        fd_scoped at = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (at < 0)
                return -errno;
        char *rest = names;
        do {
                char *name = strsep(&rest, "/");
                if (strcmp(name, "..") == 0)
                        return -EXDEV;
                int next = open_one(at, *name ? name : ".", flags, rest == NULL);
                if (next < 0)
                        return next;
                close_fd(&at);
                at = next;
                result = status_of(at, &status);
                if (result < 0)
                        return result;
                if (mounts == MOUNTS_REFUSED && status.st_dev != root.st_dev)
                        return -EXDEV;
        } while (rest);
        return steal_fd(&at);
}

int open_beneath(int root_fd, const char *path, int flags, enum mounts mounts) {
        /* Without O_NOFOLLOW, which would have the kernel call a link "not a directory" here. */
        struct open_how how = {
                .flags = (uint64_t) (unsigned) (flags | O_CLOEXEC),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                           (mounts == MOUNTS_REFUSED ? (uint64_t) RESOLVE_NO_XDEV : 0),
        };
        for (;;) {
                long fd = syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof how);
                if (fd >= 0)
                        return (int) fd;
                if (errno == ENOSYS)
                        return open_name_by_name(root_fd, path, flags, mounts);
                if (errno != EINTR)
                        return -errno;
        }
}
