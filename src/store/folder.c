#include "store.h"

#include <fcntl.h>
#include <sys/stat.h>

static int make_folder(const char *path, mode_t mode, bool *ret_made, struct error *error) {
        *ret_made = mkdir(path, mode) == 0;
        if (!*ret_made && errno != EEXIST)
                return error_set(error, errno, "make the folder %s", path);
        return 0;
}

int store_make_folder(const char *data, uid_t service, struct error *error) {
        bool made;
        int r = make_folder(data, 0755, &made, error);
        if (r < 0)
                return r;
        /* The umask may have taken bits; programs reach their trees through this folder. */
        if (made && chmod(data, 0755) < 0)
                return error_set(error, errno, "set the mode of %s", data);
        free_scoped char *folder = format_string("%s/store", data);
        r = make_folder(folder, 0700, &made, error);
        if (r < 0)
                return r;
        if (!made || geteuid() != 0)
                return 0;
        fd_scoped fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fchown(fd, service, service) < 0)
                return error_set(error, errno, "give %s to the service", folder);
        return 0;
}

int store_rights_take(const char *data, struct rights *ret_rights, struct error *error) {
        struct stat status;
        free_scoped char *folder = format_string("%s/store", data);
        if (lstat(folder, &status) < 0)
                return error_set(error, errno, "look at %s", folder);
        if (!S_ISDIR(status.st_mode))
                return error_say(error, ENOTDIR, "%s is no folder", folder);
        return rights_take(status.st_uid, status.st_gid, ret_rights, error);
}

int store_open_data(const char *data, struct store **ret_store, struct error *error) {
        free_scoped char *path = format_string("%s/store/carrel.db", data);
        return store_open(path, ret_store, error);
}
