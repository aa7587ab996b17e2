/*
 * Trees, from the privileged side.
 *
 * Every folder above a tree is this process's and writable by nobody else, so between making a folder, giving it to
 * its owner and opening it no guest can put anything in its place. Still each step goes through a descriptor of the
 * step before, follows no link, and looks at what it got.
 */
#include "workspace.h"
#include "beneath.h"

#include <fcntl.h>
#include <sys/stat.h>

uid_t workspace_host_uid(uid_t uid_base, uint32_t inside) {
        uid_t own = geteuid();
        return own == 0 ? uid_base + inside : own;
}

/* A folder that this process has just made still belongs to it: also where it died before giving it away. */
static int settle_owner(int fd, const struct stat *status, uid_t owner, const char *name, struct error *error) {
        if (status->st_uid == owner)
                return 0;
        if (status->st_uid != geteuid())
                return error_say(error, EPERM, "the folder '%s' belongs to uid %u, not to %u", name, status->st_uid,
                                 owner);
        if (fchown(fd, owner, owner) < 0)
                return error_set(error, errno, "giving the folder '%s' to uid %u", name, owner);
        return 0;
}

static int settle_mode(int fd, const struct stat *status, mode_t mode, const char *name, struct error *error) {
        if ((status->st_mode & 07777) == mode)
                return 0;
        if (fchmod(fd, mode) < 0)
                return error_set(error, errno, "setting the mode of the folder '%s'", name);
        return 0;
}

/* A guest that runs as this process's own uid (a server that nobody started as root) may have shut its folder. */
static int open_shut_folder(int parent, const char *name) {
        int fd = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, MOUNTS_CROSSED);
        if (fd != -EACCES || fchmodat(parent, name, 0700, AT_SYMLINK_NOFOLLOW) < 0)
                return fd;
        return open_beneath(parent, name, O_RDONLY | O_DIRECTORY, MOUNTS_CROSSED);
}

/* Opens one folder, made where it is missing, with this owner and mode. */
static int open_folder(int parent, const char *name, uid_t owner, mode_t mode, struct error *error) {
        if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
                return error_set(error, errno, "making the folder '%s'", name);
        fd_scoped fd = open_shut_folder(parent, name);
        if (fd < 0)
                return error_set(error, -fd, "opening the folder '%s'", name);
        struct stat status;
        if (fstat(fd, &status) < 0)
                return error_set(error, errno, "looking at the folder '%s'", name);
        int result = settle_owner(fd, &status, owner, name, error);
        if (result == 0)
                result = settle_mode(fd, &status, mode, name, error);
        return result < 0 ? result : steal_fd(&fd);
}

static int open_personal(int class_fd, const struct workspace_place *place, struct error *error) {
        fd_scoped local = open_folder(class_fd, "Local", geteuid(), 0755, error);
        return local < 0 ? local : open_folder(local, place->folder, place->owner, 0700, error);
}

static int make_shared(int class_fd, const struct workspace_place *place, struct error *error) {
        for (size_t i = 0; i < WORKSPACE_SHARED_FOLDERS; i++) {
                fd_scoped fd = open_folder(class_fd, workspace_shared_folders[i], place->owner, 0755, error);
                if (fd < 0)
                        return fd;
        }
        return 0;
}

static int check_place(const struct workspace_place *place, struct error *error) {
        if (!place->class_slug || !workspace_class_ok(place->class_slug))
                return error_say(error, EINVAL, "this cannot be a class's name");
        if (place->kind == TREE_SHARED)
                return 0;
        if (place->kind != TREE_PERSONAL || !place->folder || !workspace_folder_ok(place->folder))
                return error_say(error, EINVAL, "this cannot be a person's folder");
        return 0;
}

int workspace_tree_open(int data_fd, const struct workspace_place *place, struct error *error) {
        int result = check_place(place, error);
        if (result < 0)
                return result;
        fd_scoped files = open_folder(data_fd, "files", geteuid(), 0755, error);
        if (files < 0)
                return files;
        fd_scoped class_fd = open_folder(files, place->class_slug, geteuid(), 0755, error);
        if (class_fd < 0)
                return class_fd;
        if (place->kind == TREE_PERSONAL)
                return open_personal(class_fd, place, error);
        result = make_shared(class_fd, place, error);
        return result < 0 ? result : steal_fd(&class_fd);
}
