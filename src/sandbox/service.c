/* Walls around the web server itself, which talks to the whole world: were it taken over, this is all that it could
 * reach. */
#include "sandbox.h"
#include "internal.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define STAGE "/tmp"

/* A root that holds the store and nothing else. */
static int build_store_root(struct error *error) {
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return error_set(error, errno, "making the mounts private");
        fd_scoped store = sandbox_clone_tree(AT_FDCWD, ".", false, error);
        if (store < 0)
                return store;
        if (mount("carrel", STAGE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64k") < 0)
                return error_set(error, errno, "mounting a new root");
        if (mkdir(STAGE "/store", 0755) < 0)
                return error_set(error, errno, "making a place for the store");
        if (move_mount(store, "", AT_FDCWD, STAGE "/store", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_set(error, errno, "mounting the store");
        int result = change_root(STAGE, error);
        if (result < 0)
                return result;
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        if (mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof attributes) < 0)
                return error_set(error, errno, "making the new root read-only");
        return 0;
}

static int enter_landlock(struct error *error) {
        if (landlock_abi() == 0)
                return 0; /* one of several walls here; walls_probe() names it as missing */
        fd_scoped rules = landlock_create(error);
        if (rules < 0)
                return rules;
        int result = landlock_allow(rules, "/store", ACCESS_READ | ACCESS_WRITE, error);
        return result < 0 ? result : landlock_enter(rules, error);
}

int sandbox_confine_web(const struct sandbox_host *host, uid_t service_uid, int store_fd, struct error *error) {
        /* A descriptor stays in the mount namespace in which it was opened, but the working directory moves along into
         * a new one. */
        if (fchdir(store_fd) < 0)
                return error_set(error, errno, "entering the store");
        if (unshare(host->root ? CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS
                               : CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
                return error_set(error, errno, "entering namespaces for the web server");
        int result = host->root ? 0 : map_single_ids(0, host->uid, host->uid, host->gid, host->gid, error);
        if (result == 0)
                result = build_store_root(error);
        if (result < 0)
                return result;
        struct rlimit none = { 0, 0 };
        if (setrlimit(RLIMIT_CORE, &none) < 0)
                return error_set(error, errno, "forbidding core dumps");
        if (host->root && (setgroups(0, NULL) < 0 || setresgid(service_uid, service_uid, service_uid) < 0 ||
                           setresuid(service_uid, service_uid, service_uid) < 0))
                return error_set(error, errno, "becoming user %u", service_uid);
        result = drop_capabilities(error);
        if (result == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
                result = error_set(error, errno, "closing the process to others");
        if (result == 0)
                result = enter_landlock(error);
        return result < 0 ? result : filter_load_web(error);
}
