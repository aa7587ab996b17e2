/* Step 1: user namespaces, and the read-only root that all sandboxes of a zygote share. */
#include "sandbox.h"
#include "internal.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The new root is mounted here first. Any directory that every host has would do. */
#define STAGE "/tmp"

const char *const shared_tree_names[SHARED_TREES] = { "Lecture Notes", "Assignments", "Tests" };

const char *const wall_names[WALLS] = {
        [WALL_USER_NAMESPACE] = "user-namespace",
        [WALL_MOUNT_NAMESPACE] = "mount-namespace",
        [WALL_PID_NAMESPACE] = "pid-namespace",
        [WALL_NETWORK_NAMESPACE] = "network-namespace",
        [WALL_IPC_NAMESPACE] = "ipc-namespace",
        [WALL_LANDLOCK] = "landlock",
        [WALL_SECCOMP] = "seccomp",
        [WALL_OWN_UID] = "own-uid",
        [WALL_GROUP_MEMORY] = "group-memory",
        [WALL_GROUP_PROCESSES] = "group-processes",
        [WALL_GROUP_CPU] = "group-cpu",
};

struct sandbox_host sandbox_host_here(uint64_t uid_base) {
        return (struct sandbox_host){
                .root = geteuid() == 0, .uid_base = (uid_t) uid_base, .uid = geteuid(), .gid = getegid()
        };
}

uid_t sandbox_inside_uid(const struct sandbox_host *host, uint32_t number) {
        if (!host->root)
                return INSIDE_UID_UNPRIVILEGED;
        return sandbox_has(host, WALL_USER_NAMESPACE) ? number : sandbox_host_uid(host, number);
}

uid_t sandbox_host_uid(const struct sandbox_host *host, uint32_t number) {
        return host->root ? host->uid_base + number : host->uid;
}

int write_file(const char *path, const char *text, struct error *error) {
        fd_scoped fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return error_set(error, errno, "opening %s", path);
        int result = write_fully(fd, text, strlen(text));
        return result < 0 ? error_set(error, -result, "writing %s", path) : 0;
}

/* Process 0 is the caller, whatever number it has in the PID namespace that /proc shows. */
static void process_path(pid_t pid, const char *file, char path[static 64]) {
        if (pid == 0)
                snprintf(path, 64, "/proc/self/%s", file);
        else
                snprintf(path, 64, "/proc/%d/%s", (int) pid, file);
}

static int write_map(pid_t pid, const char *file, uint32_t inside, uint32_t outside, uint32_t count,
                     struct error *error) {
        char path[64], text[64];
        process_path(pid, file, path);
        snprintf(text, sizeof text, "%u %u %u\n", inside, outside, count);
        return write_file(path, text, error);
}

static int deny_setgroups(pid_t pid, struct error *error) {
        char path[64];
        process_path(pid, "setgroups", path);
        return write_file(path, "deny", error);
}

/* Maps one id, as the kernel lets an ordinary user do. */
int map_single_ids(pid_t pid, uid_t inside_uid, uid_t uid, gid_t inside_gid, gid_t gid, struct error *error) {
        int result = deny_setgroups(pid, error);
        if (result == 0)
                result = write_map(pid, "uid_map", inside_uid, uid, 1, error);
        if (result == 0)
                result = write_map(pid, "gid_map", inside_gid, gid, 1, error);
        return result;
}

int sandbox_write_maps(const struct sandbox_host *host, pid_t pid, struct error *error) {
        if (!sandbox_has(host, WALL_USER_NAMESPACE))
                return 0;
        if (!host->root)
                return map_single_ids(pid, INSIDE_UID_UNPRIVILEGED, host->uid, INSIDE_UID_UNPRIVILEGED, host->gid,
                                      error);
        int result = write_map(pid, "uid_map", 0, host->uid_base, INSIDE_IDS, error);
        if (result == 0)
                result = write_map(pid, "gid_map", 0, host->uid_base, INSIDE_IDS, error);
        return result;
}

/* A supervisor moves bytes of terminals, never of a network, and a zygote needs neither the host's network nor its
 * shared memory. Should a program's own namespaces for these not hold, or be left out, it gets to see the supervisor's,
 * where nothing is. */
static int leave_network_and_memory(const struct sandbox_host *host, struct error *error) {
        if (unshare(CLONE_NEWNET) < 0 && sandbox_has(host, WALL_NETWORK_NAMESPACE))
                return error_set(error, errno, "leaving the host's network");
        if (unshare(CLONE_NEWIPC) < 0 && sandbox_has(host, WALL_IPC_NAMESPACE))
                return error_set(error, errno, "leaving the host's shared memory");
        return 0;
}

int sandbox_enter_supervisor(const struct sandbox_host *host, struct error *error) {
        const int own = CLONE_NEWNS | CLONE_NEWUTS;
        if (unshare(host->root ? own : own | CLONE_NEWUSER) < 0)
                return error_set(error, errno, "entering namespaces for the supervisor%s",
                                 host->root ? "" : " (does this host let ordinary users make user namespaces?)");
        int result = host->root ? 0 : map_single_ids(0, host->uid, host->uid, host->gid, host->gid, error);
        if (result == 0)
                result = leave_network_and_memory(host, error);
        if (result < 0)
                return result;
        /* Slave: what the host mounts later (a network file system) is seen here, nothing of ours is seen there. */
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return error_set(error, errno, "making the supervisor's mounts its own");
        return 0;
}

int sandbox_clone_tree(int directory_fd, const char *path, bool read_only, struct error *error) {
        fd_scoped tree = open_tree(directory_fd, path,
                                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
        if (tree < 0)
                return error_set(error, errno, "detaching a mount of '%s'", path);
        struct mount_attr attributes = {
                .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0),
        };
        if (mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
                return error_set(error, errno, "restricting the mount of '%s'", path);
        return steal_fd(&tree);
}

/* The root */

enum bind_kind { BIND_READ_ONLY, BIND_DEVICE, BIND_PROC };

static int bind_at(const char *source, const char *target, enum bind_kind kind, struct error *error) {
        unsigned recursive = kind == BIND_DEVICE ? 0 : AT_RECURSIVE;
        fd_scoped tree = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
        if (tree < 0)
                return error_set(error, errno, "detaching a mount of %s", source);
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY };
        if (kind == BIND_READ_ONLY &&
            mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attributes, sizeof attributes) < 0)
                return error_set(error, errno, "making %s read-only", source);
        if (move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_set(error, errno, "mounting %s at %s", source, target);
        return 0;
}

static int make_directory(const char *path, mode_t mode, struct error *error) {
        if (mkdir(path, mode) < 0 && errno != EEXIST)
                return error_set(error, errno, "making %s", path);
        return 0;
}

static int make_file(const char *path, const char *text, struct error *error) {
        fd_scoped fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_set(error, errno, "making %s", path);
        int result = write_fully(fd, text, strlen(text));
        return result < 0 ? error_set(error, -result, "writing %s", path) : 0;
}

/* Takes a host's file, folder or link over, read-only; what the host lacks is left out. */
static int take_over(const char *path, struct error *error) {
        char target[256];
        snprintf(target, sizeof target, STAGE "%s", path);
        struct stat status;
        if (lstat(path, &status) < 0)
                return errno == ENOENT ? 0 : error_set(error, errno, "looking at %s", path);
        if (S_ISLNK(status.st_mode) && strncmp(path, "/etc/", 5) != 0) {
                /* /bin → usr/bin and its like; what /etc links to may lie outside the new root, so there the file
                 * itself is bound. */
                char link[256];
                ssize_t length = readlink(path, link, sizeof link - 1);
                if (length < 0)
                        return error_set(error, errno, "reading the link %s", path);
                link[length] = '\0';
                return symlink(link, target) < 0 ? error_set(error, errno, "linking %s", target) : 0;
        }
        if (stat(path, &status) < 0)
                return errno == ENOENT ? 0 : error_set(error, errno, "looking at %s", path);
        int result = S_ISDIR(status.st_mode) ? make_directory(target, 0755, error) : make_file(target, "", error);
        return result < 0 ? result : bind_at(path, target, BIND_READ_ONLY, error);
}

static const char *const taken_over[] = {
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        /* what the dynamic linker, BLAS (by alternatives), time zones, fonts, readline and matplotlib look for */
        "/etc/ld.so.cache",
        "/etc/alternatives",
        "/etc/localtime",
        "/etc/timezone",
        "/etc/locale.alias",
        "/etc/debian_version",
        "/etc/fonts",
        "/etc/inputrc",
        "/etc/terminfo",
        "/etc/matplotlibrc",
        "/etc/mime.types",
        "/etc/protocols",
        "/etc/services",
        "/etc/python3",
        "/etc/python3.11",
        "/etc/ssl/certs",
        "/etc/ssl/openssl.cnf",
        "/etc/ImageMagick-6",
        "/etc/os-release",
};

static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

static const struct {
        const char *path, *target;
} links[] = {
        { STAGE "/dev/fd", "/proc/self/fd" },
        { STAGE "/dev/stdin", "/proc/self/fd/0" },
        { STAGE "/dev/stdout", "/proc/self/fd/1" },
        { STAGE "/dev/stderr", "/proc/self/fd/2" },
        { STAGE "/dev/ptmx", "pts/ptmx" },
        { STAGE "/etc/mtab", "/proc/self/mounts" },
        /* Who one is, is known at Run: see program.c. */
        { STAGE "/etc/passwd", "/run/passwd" },
        { STAGE "/etc/group", "/run/group" },
        /* And which hosts: see network.c. */
        { STAGE "/etc/hosts", "/run/hosts" },
};

static const struct {
        const char *path, *text;
} files[] = {
        { STAGE "/etc/hostname", "carrel\n" },
        { STAGE "/etc/nsswitch.conf",
          "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n" },
        { STAGE "/etc/host.conf", "multi on\n" },
};

static const char *const directories[] = {
        STAGE "/etc", STAGE "/etc/ssl", STAGE "/dev",  STAGE "/dev/pts", STAGE "/dev/shm", STAGE "/proc",
        STAGE "/tmp", STAGE "/run",     STAGE "/home", STAGE "/var",     STAGE "/var/tmp", STAGE "/root",
};

static int fill_root(struct error *error) {
        int result = 0;
        for (size_t i = 0; i < array_length(directories) && result == 0; i++)
                result = make_directory(directories[i], 0755, error);
        for (size_t i = 0; i < array_length(taken_over) && result == 0; i++)
                result = take_over(taken_over[i], error);
        for (size_t i = 0; i < array_length(devices) && result == 0; i++) {
                char source[32], target[32];
                snprintf(source, sizeof source, "/dev/%s", devices[i]);
                snprintf(target, sizeof target, STAGE "/dev/%s", devices[i]);
                result = make_file(target, "", error);
                if (result == 0)
                        result = bind_at(source, target, BIND_DEVICE, error);
        }
        for (size_t i = 0; i < array_length(links) && result == 0; i++)
                if (symlink(links[i].target, links[i].path) < 0)
                        result = error_set(error, errno, "linking %s", links[i].path);
        for (size_t i = 0; i < array_length(files) && result == 0; i++)
                result = make_file(files[i].path, files[i].text, error);
        /* The host's /proc, whole: the kernel mounts a new one in a sandbox only where the old is seen unmasked. Every
         * sandbox takes it away again (world.c). */
        if (result == 0)
                result = bind_at("/proc", STAGE "/proc", BIND_PROC, error);
        return result;
}

/* Makes STAGE the root and lets go of the old one. */
int change_root(const char *new_root, struct error *error) {
        if (chdir(new_root) < 0)
                return error_set(error, errno, "entering the new root");
        /* Both arguments ".": the old root is stacked over the new one, and is what "." then unmounts (pivot_root(2)).
         */
        if (syscall(SYS_pivot_root, ".", ".") < 0)
                return error_set(error, errno, "changing the root");
        if (umount2(".", MNT_DETACH) < 0)
                return error_set(error, errno, "letting go of the old root");
        if (chdir("/") < 0)
                return error_set(error, errno, "entering the root");
        return 0;
}

/* Over the host's folder: Python looks there by itself, in the zygote and in whatever Python a program starts. */
static int take_packages(const struct sandbox_packages *packages, struct error *error) {
        char place[256];
        if (packages->mount < 0)
                return 0;
        snprintf(place, sizeof place, STAGE "%s", packages->place);
        if (move_mount(packages->mount, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_set(error, errno, "mounting the environment's packages at %s%s", packages->place,
                                 errno == ENOENT ? " (make that folder: Python's own package does on Debian)" : "");
        return 0;
}

static int build_root(const struct sandbox_packages *packages, struct error *error) {
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return error_set(error, errno, "making the mounts private");
        umask(022);
        if (mount("carrel", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") < 0)
                return error_set(error, errno, "mounting a new root");
        int result = fill_root(error);
        if (result == 0)
                result = take_packages(packages, error);
        if (result == 0)
                result = change_root(STAGE, error);
        if (result < 0)
                return result;
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        if (mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof attributes) < 0)
                return error_set(error, errno, "making the new root read-only");
        /* Modules that are imported ahead may want to leave a cache somewhere. Every sandbox covers it with its own. */
        if (mount("carrel", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m") < 0)
                return error_set(error, errno, "mounting the zygote's /tmp");
        return 0;
}

int keep_bounding_set(uint64_t kept, struct error *error) {
        for (unsigned long capability = 0;; capability++) {
                bool keep = capability < 64 && (kept >> capability & 1);
                int bounded = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
                /* Past the kernel's last, which every kernel that Carrel runs on has beyond this one. Any other failure
                 * is one: taken for the end it would leave the rest where it is. */
                if (bounded < 0 && errno == EINVAL && capability > CAP_AUDIT_READ)
                        return 0;
                if (bounded < 0 || (!keep && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0))
                        return error_set(error, errno, "dropping capability %lu", capability);
        }
}

int drop_bounding_set(struct error *error) {
        int result = keep_bounding_set(0, error);
        if (result < 0)
                return result;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_set(error, errno, "forbidding new privileges");
        return 0;
}

int sandbox_enter_zygote(const struct sandbox_host *host, const struct sandbox_packages *packages,
                         int (*ask_for_maps)(void *, struct error *), void *context, struct error *error) {
        bool own_ids = sandbox_has(host, WALL_USER_NAMESPACE);
        if (own_ids && unshare(CLONE_NEWUSER) < 0)
                return error_set(error, errno, "entering a user namespace");
        int result = ask_for_maps(context, error);
        if (result < 0)
                return result;
        if (host->root && own_ids && (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
                return error_set(error, errno, "becoming the user namespace's first user");
        if (unshare(CLONE_NEWNS | CLONE_NEWUTS | (sandbox_has(host, WALL_IPC_NAMESPACE) ? CLONE_NEWIPC : 0)) < 0)
                return error_set(error, errno, "entering a mount namespace");
        /* Shared by all below it; a program has its own PID, mount, IPC and network namespaces besides. */
        if (sethostname("carrel", 6) < 0)
                return error_set(error, errno, "naming the host");
        result = build_root(packages, error);
        return result < 0 ? result : drop_bounding_set(error);
}
