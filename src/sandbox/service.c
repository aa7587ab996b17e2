/*
 * Walls around the server's own processes: were one taken over, this is all that it could reach.
 *
 * The web server talks to the whole world and has the most of them: a root that holds the store and nothing else, a
 * network of its own without any interface (the sockets that it inherited still work), no capability, no new process.
 *
 * A gate talks to the hosts that a class may reach, for a run, and has the least: neither a store nor a sibling but the
 * supervisor.
 *
 * The supervisor and the monitor speak to siblings alone. What they do needs root: mounts, others' ids, folders of any
 * owner. They keep just that, and since their children inherit what they are denied, so do those. Landlock is not
 * among their walls: who is in it may mount nothing, nor may any child.
 */
#include "sandbox.h"
#include "internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define STAGE "/tmp"

/* For all of them */

/* What was inherited was so by number; from here on no program that is started gets any descriptor unless it is named
 * anew. */
static int keep_descriptors_private(struct error *error) {
        if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
                return error_set(error, errno, "keeping descriptors from other programs");
        return 0;
}

static int forbid_core_dumps(struct error *error) {
        struct rlimit none = { 0, 0 };
        if (setrlimit(RLIMIT_CORE, &none) < 0)
                return error_set(error, errno, "forbidding core dumps");
        return 0;
}

#define CAPABILITY(name) (UINT64_C(1) << CAP_##name)

/* Of the capabilities that the process has all but `kept` go, and where that is allowed also from the bounding set,
 * which is all that any program that it starts could get, all but `bound`. */
static int keep_capabilities(uint64_t kept, uint64_t bound, struct error *error) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
        if (syscall(SYS_capget, &header, sets) < 0)
                return error_set(error, errno, "reading the capabilities");
        bool may_bound = sets[0].effective & CAPABILITY(SETPCAP);
        int result = may_bound ? keep_bounding_set(bound, error) : 0;
        if (result < 0)
                return result;
        for (size_t i = 0; i < array_length(sets); i++) {
                sets[i].permitted &= (uint32_t) (kept >> (32 * i));
                sets[i].effective = sets[i].permitted;
                sets[i].inheritable = 0;
        }
        if (syscall(SYS_capset, &header, sets) < 0)
                return error_set(error, errno, "dropping capabilities");
        return 0;
}

/* The web server */

static void close_folder(DIR **folder) {
        if (*folder)
                closedir(*folder);
}

/* A folder that is still open leads out of any root: from it, ".." goes up to the host's. Whoever left one open must
 * close it. */
static int refuse_open_folders(struct error *error) {
        cleanup(close_folder) DIR *descriptors = opendir("/proc/self/fd");
        if (!descriptors)
                return error_set(error, errno, "looking at the open descriptors");
        const struct dirent *entry;
        while ((entry = readdir(descriptors))) {
                int fd = (int) strtol(entry->d_name, NULL, 10);
                struct stat status;
                if (entry->d_name[0] != '.' && fd != dirfd(descriptors) && fstat(fd, &status) == 0 &&
                    S_ISDIR(status.st_mode))
                        return error_say(error, EBUSY, "descriptor %d is a folder, and would lead out of the walls",
                                         fd);
        }
        return 0;
}

/* A root that holds the store and nothing else. */
static int build_store_root(struct error *error) {
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return error_set(error, errno, "making the mounts private");
        fd_scoped store = sandbox_clone_tree(AT_FDCWD, ".", false, error);
        if (store < 0)
                return store;
        struct mount_attr no_programs = { .attr_set = MOUNT_ATTR_NOEXEC };
        if (mount_setattr(store, "", AT_EMPTY_PATH, &no_programs, sizeof no_programs) < 0)
                return error_set(error, errno, "forbidding programs in the store");
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

/* A network namespace too: sockets stay in the one in which they were made, and any new one would be in this. */
static int enter_namespaces(const struct sandbox_host *host, struct error *error) {
        const int own = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
                        (sandbox_has(host, WALL_NETWORK_NAMESPACE) ? CLONE_NEWNET : 0);
        if (unshare(host->root ? own : own | CLONE_NEWUSER) < 0)
                return error_set(error, errno, "entering namespaces for the web server");
        return host->root ? 0 : map_single_ids(0, host->uid, host->uid, host->gid, host->gid, error);
}

/* A change of ids forgets the signal that comes when the parent ends, and whether the process may be looked into. */
static int become(uid_t uid, struct error *error) {
        int parent_ends;
        if (prctl(PR_GET_PDEATHSIG, &parent_ends, 0, 0, 0) < 0)
                return error_set(error, errno, "asking for the parent's signal");
        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                return error_set(error, errno, "becoming user %u", uid);
        if (prctl(PR_SET_PDEATHSIG, parent_ends, 0, 0, 0) < 0)
                return error_set(error, errno, "asking for the parent's signal");
        return 0;
}

/* Of a process that faces outsiders: no core dumps, the service's uid, no capability, and no way back. */
static int give_up_rights(const struct sandbox_host *host, uid_t service_uid, struct error *error) {
        int result = forbid_core_dumps(error);
        if (result == 0)
                result = keep_capabilities(CAPABILITY(SETUID) | CAPABILITY(SETGID), 0, error);
        if (result == 0 && host->root)
                result = become(service_uid, error);
        if (result == 0)
                result = drop_capabilities(error);
        if (result == 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
                result = error_set(error, errno, "closing the process to others");
        return result;
}

int sandbox_confine_web(const struct sandbox_host *host, uid_t service_uid, int store_fd, struct error *error) {
        fd_scoped store = store_fd;
        if (host->root && service_uid == 0)
                return error_say(error, EPERM, "the web server never runs as root: uid.service is 0");
        /* A descriptor stays in the mount namespace in which it was opened, but the working directory moves along into
         * a new one. */
        if (fchdir(store) < 0)
                return error_set(error, errno, "entering the store");
        close_fd(&store);
        int result = refuse_open_folders(error);
        if (result == 0)
                result = keep_descriptors_private(error);
        if (result == 0)
                result = enter_namespaces(host, error);
        if (result == 0)
                result = build_store_root(error);
        if (result == 0)
                result = give_up_rights(host, service_uid, error);
        if (result == 0)
                result = enter_landlock(error);
        return result < 0 ? result : service_filter_web(error);
}

/* A gate */

/* All that the C library reads to find a host's address. Where resolv.conf is a link, the file that it leads to. */
static const char *const resolver_files[] = {
        "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
};

static int enter_gate_landlock(const uint16_t *ports, size_t count, struct error *error) {
        enum { DNS_PORT = 53 };
        fd_scoped rules = landlock_create_outward(error);
        if (rules < 0)
                return rules;
        int result = landlock_allow_port(rules, DNS_PORT, error);
        for (size_t i = 0; i < count && result == 0; i++)
                result = landlock_allow_port(rules, ports[i], error);
        for (size_t i = 0; i < array_length(resolver_files) && result == 0; i++)
                if (access(resolver_files[i], F_OK) == 0)
                        result = landlock_allow(rules, resolver_files[i], ACCESS_FILE, error);
        return result < 0 ? result : landlock_enter(rules, error);
}

int sandbox_confine_gate(const struct sandbox_host *host, uid_t service_uid, const uint16_t *ports, size_t count,
                         struct error *error) {
        if (host->root && service_uid == 0)
                return error_say(error, EPERM, "a gate never runs as root: uid.service is 0");
        int result = keep_descriptors_private(error);
        if (result == 0)
                result = give_up_rights(host, service_uid, error);
        if (result == 0)
                result = enter_gate_landlock(ports, count, error);
        return result < 0 ? result : service_filter_gate(error);
}

/* The supervisor and the monitor */

/* Both open trees of any owner, and set right what an owner did to a tree's own root (CHOWN, FOWNER, DAC_OVERRIDE);
 * below both are mounts detached or new roots made (SYS_ADMIN), and others' ids taken on or mapped (SETUID, SETGID).
 * The root of a control group hierarchy is closed to writing even for its owner, which is DAC_OVERRIDE again. */
#define KEPT_BY_BOTH                                                                                                   \
        (CAPABILITY(CHOWN) | CAPABILITY(FOWNER) | CAPABILITY(DAC_OVERRIDE) | CAPABILITY(SYS_ADMIN) |                   \
         CAPABILITY(SETUID) | CAPABILITY(SETGID))

static int confine_privileged(const struct sandbox_host *host, uint64_t kept, struct error *error) {
        int result = keep_descriptors_private(error);
        if (result == 0)
                result = forbid_core_dumps(error);
        if (result == 0)
                result = keep_capabilities(kept, kept, error);
        if (result == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                result = error_set(error, errno, "forbidding new privileges");
        /* Root's own processes are closed to all but root. An ordinary user's are left open to that user, who could
         * start others like them, and may want to see what they hold. */
        if (result == 0 && host->root && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                result = error_set(error, errno, "closing the process to others");
        return result < 0 ? result : service_filter_machine(error);
}

int sandbox_confine_monitor(const struct sandbox_host *host, struct error *error) {
        /* It signals the web server, which has another uid (KILL), and the roles that it starts drop the rest when they
         * confine themselves (SETPCAP). */
        return confine_privileged(host, KEPT_BY_BOTH | CAPABILITY(SETPCAP) | CAPABILITY(KILL), error);
}

int sandbox_confine_supervisor(const struct sandbox_host *host, struct error *error) {
        /* Signals to sandboxes, and looking at what they wait for, need nothing: who made a user namespace has every
         * right in it. */
        return confine_privileged(host, KEPT_BY_BOTH, error);
}
