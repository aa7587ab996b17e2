/*
 * seccomp: which system calls a process may make at all. Allow-lists; what is not on one answers ENOSYS, so that
 * libraries fall back as they do on an older kernel, and nothing dies of a question. The few whose arguments matter are
 * looked at below.
 *
 * What a program is refused is counted where the kernel can (Linux 5.19): its list then answers "ask the listener"
 * instead of an errno, and the keeper, who holds the listener, gives the errno that the same list has for that call
 * (refused.c).
 */
#include "internal.h"
#include "rules.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Newer than Debian 12's libseccomp may know by name; resolved at run time, left out where unknown. */

/* What every process with the C library does. */
static const char *const basics[] = {
        "read",
        "write",
        "readv",
        "writev",
        "close",
        "close_range",
        "fstat",
        "lseek",
        "mmap",
        "mprotect",
        "munmap",
        "mremap",
        "madvise",
        "brk",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sigaltstack",
        "exit",
        "exit_group",
        "futex",
        "futex_waitv",
        "set_robust_list",
        "get_robust_list",
        "rseq",
        "set_tid_address",
        "gettid",
        "getpid",
        "clock_gettime",
        "clock_nanosleep",
        "clock_getres",
        "nanosleep",
        "gettimeofday",
        "time",
        "getrandom",
        "sched_yield",
        "sched_getaffinity",
        "restart_syscall",
        "poll",
        "ppoll",
        "membarrier",
        "getcpu",
        "arch_prctl",
        "prlimit64",
        "getrlimit",
        "sysinfo",
        "uname",
        "dup",
        "dup2",
        "dup3",
        "pipe",
        "pipe2",
        "tgkill",
};

/* Files: all by path and descriptor; the mounts and Landlock say which. */
static const char *const files[] = {
        "open",
        "openat",
        "openat2",
        "creat",
        "stat",
        "lstat",
        "newfstatat",
        "statx",
        "access",
        "faccessat",
        "faccessat2",
        "getdents64",
        "getdents",
        "getcwd",
        "chdir",
        "fchdir",
        "mkdir",
        "mkdirat",
        "rmdir",
        "unlink",
        "unlinkat",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "readlink",
        "readlinkat",
        "chmod",
        "fchmod",
        "fchmodat",
        "fchmodat2",
        "chown",
        "fchown",
        "lchown",
        "fchownat",
        "utime",
        "utimes",
        "utimensat",
        "futimesat",
        "truncate",
        "ftruncate",
        "fallocate",
        "fsync",
        "fdatasync",
        "sync_file_range",
        "syncfs",
        "sync",
        "flock",
        "pread64",
        "pwrite64",
        "preadv",
        "pwritev",
        "preadv2",
        "pwritev2",
        "sendfile",
        "splice",
        "tee",
        "vmsplice",
        "copy_file_range",
        "fadvise64",
        "readahead",
        "statfs",
        "fstatfs",
        "umask",
        "mknod",
        "mknodat",
        "getxattr",
        "lgetxattr",
        "fgetxattr",
        "listxattr",
        "llistxattr",
        "flistxattr",
        "setxattr",
        "lsetxattr",
        "fsetxattr",
        "removexattr",
        "lremovexattr",
        "fremovexattr",
        "inotify_init",
        "inotify_init1",
        "inotify_add_watch",
        "inotify_rm_watch",
        "memfd_create",
        "ioctl",
        "fcntl",
        "cachestat",
};

/* subprocess, multiprocessing, threading, signal. */
static const char *const processes[] = {
        "fork",
        "vfork",
        "clone",
        "execve",
        "execveat",
        "wait4",
        "waitid",
        "kill",
        "tkill",
        "getppid",
        "getpgid",
        "getpgrp",
        "setpgid",
        "getsid",
        "setsid",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
        "getresuid",
        "getresgid",
        "getgroups",
        "setuid",
        "setgid",
        "setreuid",
        "setregid",
        "setresuid",
        "setresgid",
        "setfsuid",
        "setfsgid",
        "setgroups",
        "capget",
        "capset",
        "getpriority",
        "setpriority",
        "getrusage",
        "times",
        "setrlimit",
        "prctl",
        "pidfd_open",
        "pidfd_send_signal",
        "rt_sigpending",
        "rt_sigsuspend",
        "rt_sigtimedwait",
        "rt_sigqueueinfo",
        "rt_tgsigqueueinfo",
        "pause",
        "alarm",
        "getitimer",
        "setitimer",
        "sched_getparam",
        "sched_getscheduler",
        "sched_setscheduler",
        "sched_setparam",
        "sched_get_priority_max",
        "sched_get_priority_min",
        "sched_rr_get_interval",
        "sched_getattr",
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "ioprio_get",
};

/* select, asyncio, timers. */
static const char *const waiting[] = {
        "select",       "pselect6",      "epoll_create",   "epoll_create1",    "epoll_ctl",
        "epoll_wait",   "epoll_pwait",   "epoll_pwait2",   "eventfd",          "eventfd2",
        "signalfd",     "signalfd4",     "timerfd_create", "timerfd_settime",  "timerfd_gettime",
        "timer_create", "timer_settime", "timer_gettime",  "timer_getoverrun", "timer_delete",
};

/* socket: to itself, in its own network namespace. Which families is looked at below. */
static const char *const sockets[] = {
        "socketpair", "bind",    "listen",  "accept",   "accept4",  "connect",  "getsockname", "getpeername", "sendto",
        "recvfrom",   "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "shutdown", "getsockopt",  "setsockopt",
};

/* multiprocessing's shared memory and queues; System V's live in the sandbox's own IPC namespace. */
static const char *const memory[] = {
        "shmget",        "shmat",
        "shmctl",        "shmdt",
        "semget",        "semop",
        "semtimedop",    "semctl",
        "msgget",        "msgsnd",
        "msgrcv",        "msgctl",
        "mq_open",       "mq_unlink",
        "mq_timedsend",  "mq_timedreceive",
        "mq_notify",     "mq_getsetattr",
        "mlock",         "mlock2",
        "munlock",       "mlockall",
        "munlockall",    "msync",
        "mincore",       "remap_file_pages",
        "get_mempolicy", "set_mempolicy",
        "mbind",         "pkey_alloc",
        "pkey_free",     "pkey_mprotect",
};

/* Refused with EPERM rather than ENOSYS: a program that asks is told that it may not, not that the kernel is old. */
static const char *const forbidden[] = {
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "unshare",
        "setns",
        "open_tree",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "kcmp",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "reboot",
        "swapon",
        "swapoff",
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "acct",
        "quotactl",
        "settimeofday",
        "clock_settime",
        "clock_adjtime",
        "adjtimex",
        "sethostname",
        "setdomainname",
        "sched_setaffinity",
        "sched_setattr",
        "ioprio_set",
        "personality",
        "open_by_handle_at",
        "name_to_handle_at",
        "fanotify_init",
        "syslog",
        "vhangup",
        "iopl",
        "ioperm",
        "pidfd_getfd",
        "nice",
        "migrate_pages",
        "move_pages",
        "lookup_dcookie",
        "seccomp",
};

/* A keeper waits and tells; it has no other business. What it may ask of a listener is said below. */
static const char *const keeper[] = {
        "poll",   "ppoll",  "wait4",      "waitid",        "sendmsg",        "recvmsg",         "recvfrom",
        "close",  "exit",   "exit_group", "rt_sigreturn",  "rt_sigprocmask", "restart_syscall", "write",
        "getpid", "gettid", "kill",       "clock_gettime",
};

/* The program's list twice: answering by itself, and asking the listener. */
static struct sock_fprog program_filter, counting_filter, last_filter, keeper_filter;

struct names {
        const char *const *names;
        size_t count;
};
#define NAMES(array)                                                                                                   \
        { array, array_length(array) }

/* Which families a socket may have; of their protocols TCP and UDP, since asking for another makes the kernel load it.
 * What else is asked for answers as on a kernel that was built without. */
static int add_socket_rules(scmp_filter_ctx context, struct error *error) {
        static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6 };
        static const uint32_t protocols[] = { 0, IPPROTO_TCP, IPPROTO_UDP };
        int result = 0;
        for (size_t i = 0; i < array_length(families); i++)
                for (size_t j = 0; j < array_length(protocols) && result == 0; j++)
                        result = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, LOW(0, families[i]),
                                                  LOW(2, protocols[j]));
        for (uint32_t family = 0; family < AF_INET6 && result == 0; family++)
                if (family != AF_UNIX && family != AF_INET)
                        result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                                  LOW(0, family));
        if (result == 0)
                result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                          SCMP_CMP64(0, SCMP_CMP_GT, AF_INET6));
        return result < 0 ? error_set(error, -result, "adding the rules for sockets to a filter") : 0;
}

/* What a parked program must still do at Run, told from what a program may not by an argument that the kernel does not
 * look at. The last filter takes it away. */
static int add_parked_rules(scmp_filter_ctx context, struct error *error) {
        int result = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(move_mount), 1,
                                      SCMP_CMP64(MARK_ARGUMENT, SCMP_CMP_EQ, PARKED_MARK));
        if (result == 0)
                result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(move_mount), 1,
                                          SCMP_CMP64(MARK_ARGUMENT, SCMP_CMP_NE, PARKED_MARK));
        return result < 0 ? error_set(error, -result, "adding the rules for parked programs to a filter") : 0;
}

/* A keeper receives what its program is refused, and answers; nothing else that a listener can do is its business. */
static int add_listener_rules(scmp_filter_ctx context, struct error *error) {
        static const uint32_t ioctls[] = { SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND };
        int result = 0;
        for (size_t i = 0; i < array_length(ioctls) && result == 0; i++)
                result = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, LOW(1, ioctls[i]));
        return result < 0 ? error_set(error, -result, "adding the rules for a listener to a filter") : 0;
}

/* Calls that are on a list above, and refused with some arguments. A filter of their own, since within one libseccomp
 * takes a call without arguments for the whole truth, and forgets what was said of it with arguments. */
static int add_refusals(scmp_filter_ctx context, struct error *error) {
        /* The flags of clone3 lie in memory, where no filter sees them: it is on no list, and the C library falls back
         * to clone. */
        const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                    CLONE_NEWPID | CLONE_NEWNET;
        static const uint32_t ioctls[] = { TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS };
        static const uint32_t fcntls[] = { F_SETLEASE, F_NOTIFY };
        /* Of itself alone: another's limits and priority are its own business, though the kernel asks but for the same
         * uid, and an ordinary user's server has that. */
        static const struct {
                int number;
                unsigned process; /* which argument says whose */
        } own[] = {
                { SCMP_SYS(prlimit64), 0 },
                { SCMP_SYS(setpriority), 1 },
                { SCMP_SYS(sched_setscheduler), 0 },
                { SCMP_SYS(sched_setparam), 0 },
        };
        int result = 0;
        for (unsigned bit = 0; bit < 64 && result == 0; bit++)
                if (namespaces & (UINT64_C(1) << bit))
                        result = seccomp_rule_add(
                                context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, UINT64_C(1) << bit, UINT64_C(1) << bit));
        for (size_t i = 0; i < array_length(ioctls) && result == 0; i++)
                result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, LOW(1, ioctls[i]));
        for (size_t i = 0; i < array_length(fcntls) && result == 0; i++)
                result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 1, LOW(1, fcntls[i]));
        for (size_t i = 0; i < array_length(own) && result == 0; i++)
                result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), own[i].number, 1,
                                          SCMP_CMP64(own[i].process, SCMP_CMP_NE, 0));
        return result < 0 ? error_set(error, -result, "adding a rule on arguments to a filter") : 0;
}

static int export_filter(scmp_filter_ctx context, struct sock_fprog *ret_filter, struct error *error) {
        fd_scoped fd = memfd_create("filter", MFD_CLOEXEC);
        if (fd < 0)
                return error_set(error, errno, "making memory for a filter");
        int result = seccomp_export_bpf(context, fd);
        off_t size = result < 0 ? 0 : lseek(fd, 0, SEEK_END);
        if (result < 0 || size <= 0 || lseek(fd, 0, SEEK_SET) < 0)
                return error_set(error, result < 0 ? -result : errno, "compiling a filter");
        struct sock_filter *instructions = allocate((size_t) size);
        ssize_t got = read_fully(fd, instructions, (size_t) size);
        if (got != size) {
                free(instructions);
                return error_set(error, EIO, "reading a compiled filter");
        }
        *ret_filter = (struct sock_fprog){ (unsigned short) ((size_t) size / sizeof *instructions), instructions };
        return 0;
}

static int build_list(const struct names *lists, size_t count, struct sock_fprog *ret_filter, struct error *error) {
        filter_scoped context = NULL;
        int result = filter_start(SCMP_ACT_ERRNO(ENOSYS), &context, error);
        for (size_t i = 0; i < count && result == 0; i++)
                result = filter_add_names(context, SCMP_ACT_ALLOW, lists[i].names, lists[i].count, error);
        if (result == 0)
                result = add_socket_rules(context, error);
        if (result == 0)
                result = add_parked_rules(context, error);
        if (result == 0)
                result = filter_add_names(context, SCMP_ACT_ERRNO(EPERM), forbidden, array_length(forbidden), error);
        return result < 0 ? result : export_filter(context, ret_filter, error);
}

static int build_refusals(struct sock_fprog *ret_filter, struct error *error) {
        filter_scoped context = NULL;
        int result = filter_start(SCMP_ACT_ALLOW, &context, error);
        if (result == 0)
                result = add_refusals(context, error);
        return result < 0 ? result : export_filter(context, ret_filter, error);
}

static int build_last(struct error *error) {
        filter_scoped context = NULL;
        int result = filter_start(SCMP_ACT_ALLOW, &context, error);
        if (result == 0)
                result = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(move_mount), 1,
                                          SCMP_CMP64(MARK_ARGUMENT, SCMP_CMP_EQ, PARKED_MARK));
        if (result < 0)
                return error_set(error, -result, "building the last filter");
        return export_filter(context, &last_filter, error);
}

static int build_keeper(struct error *error) {
        filter_scoped context = NULL;
        int result = filter_start(SCMP_ACT_ERRNO(ENOSYS), &context, error);
        if (result == 0)
                result = filter_add_names(context, SCMP_ACT_ALLOW, keeper, array_length(keeper), error);
        if (result == 0)
                result = add_listener_rules(context, error);
        return result < 0 ? result : export_filter(context, &keeper_filter, error);
}

/* One filter of two: what the first lets pass, the second looks at. Only one filter of a process can have a listener.
 */
static struct sock_fprog join_filters(const struct sock_fprog *first, const struct sock_fprog *second) {
        size_t count = (size_t) first->len + second->len;
        struct sock_filter *instructions = allocate(count * sizeof *instructions);
        for (size_t i = 0; i < first->len; i++) {
                const struct sock_filter *instruction = &first->filter[i];
                bool passes = instruction->code == (BPF_RET | BPF_K) && instruction->k == SECCOMP_RET_ALLOW;
                instructions[i] =
                        passes ? (struct sock_filter) BPF_STMT(BPF_JMP | BPF_JA, first->len - (uint32_t) i - 1)
                               : *instruction;
        }
        for (size_t i = 0; i < second->len; i++)
                instructions[first->len + i] = second->filter[i];
        return (struct sock_fprog){ (unsigned short) count, instructions };
}

static int build_program(struct error *error) {
        static const struct names lists[] = { NAMES(basics),  NAMES(files),   NAMES(processes),
                                              NAMES(waiting), NAMES(sockets), NAMES(memory) };
        struct sock_fprog list = { 0 }, refusals = { 0 };
        int result = build_list(lists, array_length(lists), &list, error);
        if (result == 0)
                result = build_refusals(&refusals, error);
        if (result == 0) {
                program_filter = join_filters(&refusals, &list);
                counting_filter = refused_ask_listener(&program_filter);
        }
        free(list.filter);
        free(refusals.filter);
        return result;
}

int sandbox_prepare_filter(struct error *error) {
        int result = build_program(error);
        if (result == 0)
                result = build_last(error);
        return result < 0 ? result : build_keeper(error);
}

static int load_filter(const struct sock_fprog *filter, struct error *error) {
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) < 0)
                return error_set(error, errno, "loading a system call filter");
        return 0;
}

int filter_load_program(int *ret_listener, struct error *error) {
        *ret_listener = refused_listen(&counting_filter);
        return *ret_listener >= 0 ? 0 : load_filter(&program_filter, error);
}

/* The kernel obeys the stricter of all that were loaded. By prctl(), which the list before it allows. */
int filter_load_last(struct error *error) {
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &last_filter) < 0)
                return error_set(error, errno, "loading the last system call filter");
        return 0;
}

int filter_load_keeper(struct error *error) {
        return load_filter(&keeper_filter, error);
}

const struct sock_fprog *filter_of_programs(void) {
        return &program_filter;
}
