#include "confine.h"
#include "beneath.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Descriptors */

/* Up first, since either may lie where the other is to go. */
static int keep_only_ours(const struct workspace_worker *worker, struct error *error) {
        int channel = fcntl(worker->channel_fd, F_DUPFD_CLOEXEC, CONFINED_TREE + 1);
        int tree = fcntl(worker->tree_fd, F_DUPFD_CLOEXEC, CONFINED_TREE + 1);
        if (channel < 0 || tree < 0 || dup3(channel, CONFINED_CHANNEL, O_CLOEXEC) < 0 ||
            dup3(tree, CONFINED_TREE, O_CLOEXEC) < 0)
                return error_set(error, errno, "keeping the worker's descriptors");
        closefrom(CONFINED_TREE + 1);
        return 0;
}

/* Limits */

static int set_limits(struct error *error) {
        static const struct {
                __rlimit_resource_t resource;
                rlim_t value;
        } limits[] = {
                { RLIMIT_CORE, 0 },
                { RLIMIT_NOFILE, 256 }, /* 64 for deleting; the rest lets answers' descriptors be under way */
                { RLIMIT_NPROC, 0 },
                { RLIMIT_MEMLOCK, 0 },
                { RLIMIT_STACK, 8 << 20 },
                { RLIMIT_AS, SANITIZED ? RLIM_INFINITY : 256 << 20 },
        };
        for (size_t i = 0; i < array_length(limits); i++) {
                struct rlimit limit;
                if (getrlimit(limits[i].resource, &limit) < 0)
                        return error_set(error, errno, "asking for the worker's limits");
                if (limits[i].value < limit.rlim_max)
                        limit.rlim_max = limits[i].value;
                limit.rlim_cur = limit.rlim_max;
                if (setrlimit(limits[i].resource, &limit) < 0)
                        return error_set(error, errno, "setting the worker's limits");
        }
        signal(SIGXFSZ, SIG_IGN); /* a file over an inherited limit is -EFBIG, not the worker's end */
        signal(SIGPIPE, SIG_IGN);
        umask(022);
        return 0;
}

/* Rights */

static int become_owner(const struct workspace_worker *worker, struct error *error) {
        if (worker->uid == 0 || (geteuid() == 0 && worker->gid == 0))
                return error_say(error, EPERM, "a worker never runs as root");
        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(worker->gid, worker->gid, worker->gid) < 0 ||
                               setresuid(worker->uid, worker->uid, worker->uid) < 0))
                return error_set(error, errno, "becoming uid %u", worker->uid);
        uid_t real, effective, saved;
        if (getresuid(&real, &effective, &saved) < 0 || real != worker->uid || effective != worker->uid ||
            saved != worker->uid)
                return error_say(error, EPERM, "the worker should be uid %u and is not", worker->uid);
        return 0;
}

/* After the change of uid, which resets two of them. */
static int set_process_flags(struct error *error) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return error_set(error, errno, "setting the worker's process flags");
        return 0;
}

/* Landlock. Debian 12's headers end with its second version; these are the kernel's numbers. */

#define ACCESS_TRUNCATE (UINT64_C(1) << 14)
#define ACCESS_IOCTL_DEVICE (UINT64_C(1) << 15)
#define ACCESS_NET_TCP UINT64_C(3) /* bind, connect */
#define SCOPE_ALL UINT64_C(3)      /* abstract sockets, signals */
#define ACCESS_VERSION_1 UINT64_C(0x1FFF)

struct landlock_rules {
        uint64_t handled_access_fs, handled_access_net, scoped;
};

/* What the tree is for. MAKE_SYM, _FIFO and _SOCK only allow moving what the owner's programs made: seccomp has no call
 * that makes one. */
static const uint64_t tree_access =
        LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
        LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_FIFO |
        LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER;

/* All that the running kernel can deny. */
static struct landlock_rules rules_of_version(long version) {
        struct landlock_rules rules = { .handled_access_fs = ACCESS_VERSION_1 };
        if (version >= 2)
                rules.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
        if (version >= 3)
                rules.handled_access_fs |= ACCESS_TRUNCATE;
        if (version >= 4)
                rules.handled_access_net = ACCESS_NET_TCP;
        if (version >= 5)
                rules.handled_access_fs |= ACCESS_IOCTL_DEVICE;
        if (version >= 6)
                rules.scoped = SCOPE_ALL;
        return rules;
}

static int allow_folder(int ruleset, uint64_t access, int folder, struct error *error) {
        struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = folder };
        if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
                return error_set(error, errno, "allowing the tree to the worker (Landlock)");
        return 0;
}

static int allow_tree(int ruleset, uint64_t access, enum tree_kind kind, struct error *error) {
        if (kind == TREE_PERSONAL)
                return allow_folder(ruleset, access, CONFINED_TREE, error);
        for (size_t i = 0; i < WORKSPACE_SHARED_FOLDERS; i++) {
                fd_scoped folder =
                        open_beneath(CONFINED_TREE, workspace_shared_folders[i], O_PATH | O_DIRECTORY, MOUNTS_CROSSED);
                if (folder < 0)
                        return error_set(error, -folder, "opening '%s'", workspace_shared_folders[i]);
                int result = allow_folder(ruleset, access, folder, error);
                if (result < 0)
                        return result;
        }
        return 0;
}

static int landlock_tree(const struct workspace_worker *worker, struct error *error) {
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        if (version < 0 && worker->landlock_optional)
                return 0;
        if (version < 0)
                return error_set(error, errno, "asking the kernel for Landlock");
        struct landlock_rules rules = rules_of_version(version);
        fd_scoped ruleset = (int) syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
        if (ruleset < 0)
                return error_set(error, errno, "making the worker's Landlock rules");
        int result = allow_tree(ruleset, tree_access & rules.handled_access_fs, worker->kind, error);
        if (result < 0)
                return result;
        if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                return error_set(error, errno, "raising Landlock");
        return 0;
}

/* Seccomp. What is not here is ENOSYS, which the C library takes best. */

static const int permitted_calls[] = {
        /* messages and files */
        SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(lseek),
        SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(getdents64),
        SCMP_SYS(mkdirat), SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(linkat),
        SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fsync),
        /* the lookout */
        SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
        SCMP_SYS(inotify_rm_watch), SCMP_SYS(fstatfs),
        /* the C library's own: memory, clocks, errors, the end */
        SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(getrandom),
        SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(getpid), SCMP_SYS(gettid),
        SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
#if SANITIZED
        SCMP_SYS(sigaltstack), /* the sanitizer's, before every exit */
#endif
};

/* Memory, but never memory that can be run. */
static const int memory_calls[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };

static void release_filter(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}

static int filter_calls(struct error *error) {
        cleanup(release_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
        if (!filter)
                return error_set(error, ENOMEM, "making the worker's system call filter");
        int result = 0;
        for (size_t i = 0; i < array_length(permitted_calls) && result == 0; i++)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, permitted_calls[i], 0);
        for (size_t i = 0; i < array_length(memory_calls) && result == 0; i++)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, memory_calls[i], 1,
                                          SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        if (result == 0)
                result = seccomp_load(filter);
        return result < 0 ? error_set(error, -result, "raising the worker's system call filter") : 0;
}

int confine(const struct workspace_worker *worker, struct error *error) {
        int result = keep_only_ours(worker, error);
        if (result == 0)
                result = set_limits(error);
        if (result == 0)
                result = become_owner(worker, error);
        if (result == 0)
                result = set_process_flags(error);
        if (result == 0)
                result = landlock_tree(worker, error);
        if (result == 0)
                result = filter_calls(error);
        return result;
}
