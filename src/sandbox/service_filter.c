/*
 * seccomp for the server's own processes.
 *
 * The web server has an allow-list: threads, its sockets, its database, and nothing that makes, finds or touches
 * another process. What an attacker would reach for is refused with EPERM; anything else that is not on the list does
 * not exist (ENOSYS), which libraries take as an older kernel.
 *
 * A gate has a shorter one: threads, sockets of the Internet, the files of the resolver.
 *
 * The monitor and the supervisor have a list of what is denied: the zygote inherits their filter, and needs for its
 * walls (and its programs for their work) nearly all that the kernel has. What remains denied is whatever changes the
 * machine rather than a process: modules, clocks, swap, other processes' memory, the large interfaces that nobody here
 * uses.
 */
#include "internal.h"
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* clang-format off: lists of words */
static const char *const web_allowed[] = {
        /* memory, threads, signals, clocks: what the C library does by itself */
        "brk",
        "munmap",
        "mremap",
        "madvise",
        "mlock",
        "munlock",
        "futex",
        "set_robust_list",
        "rseq",
        "membarrier",
        "gettid",
        "getpid",
        "geteuid",
        "getuid",
        "getegid",
        "getgid",
        "sched_yield",
        "sched_getaffinity",
        "getcpu",
        "exit",
        "exit_group",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sigaltstack",
        "restart_syscall",
        "getrandom",
        "clock_gettime",
        "clock_getres",
        "clock_nanosleep",
        "nanosleep",
        "gettimeofday",
        "time",
        "sysinfo",
        /* the database's files, and descriptors that workers handed over */
        "read",
        "write",
        "readv",
        "writev",
        "pread64",
        "pwrite64",
        "preadv",
        "pwritev",
        "lseek",
        "close",
        "close_range",
        "openat",
        "open",
        "stat",
        "lstat",
        "fstat",
        "newfstatat",
        "statx",
        "access",
        "faccessat",
        "faccessat2",
        "readlink",
        "readlinkat",
        "getcwd",
        "ftruncate",
        "fallocate",
        "fsync",
        "fdatasync",
        "unlink",
        "unlinkat",
        "fchmod",
        "sendfile",
        "memfd_create",
        "dup",
        "dup3",
        /* the loop */
        "epoll_create1",
        "epoll_ctl",
        "epoll_wait",
        "epoll_pwait",
        "poll",
        "ppoll",
        "select",
        "pselect6",
        "eventfd2",
        "signalfd4",
        /* sockets that are there: listeners, browsers, the siblings' channels */
        "accept",
        "accept4",
        "recvfrom",
        "recvmsg",
        "sendto",
        "sendmsg",
        "shutdown",
        "getsockopt",
        "getsockname",
        "getpeername",
};

static const char *const gate_allowed[] = {
        /* memory, threads, clocks, the log: what the C library does by itself */
        "brk",
        "munmap",
        "mremap",
        "madvise",
        "futex",
        "set_robust_list",
        "rseq",
        "gettid",
        "getpid",
        "sched_yield",
        "sched_getaffinity",
        "exit",
        "exit_group",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sigaltstack",
        "restart_syscall",
        "getrandom",
        "clock_gettime",
        "clock_nanosleep",
        "nanosleep",
        "gettimeofday",
        "time",
        "write",
        "writev",
        /* finding an address */
        "openat",
        "read",
        "lseek",
        "close",
        "fstat",
        "stat",
        "newfstatat",
        "uname",
        /* connections; whom a socket may be of is looked at below */
        "accept4",
        "connect",
        "bind",
        "getsockname",
        "getpeername",
        "getsockopt",
        "recvfrom",
        "recvmsg",
        "sendto",
        "sendmsg",
        "sendmmsg",
        "shutdown",
        "poll",
        "ppoll",
};

static const char *const web_refused[] = {
        "fork",
        "vfork",
        "execve",
        "execveat",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "kill",
        "tkill",
        "rt_sigqueueinfo",
        "rt_tgsigqueueinfo",
        "pidfd_open",
        "pidfd_send_signal",
        "pidfd_getfd",
        "kcmp",
        "socket",
        "socketpair",
        "connect",
        "bind",
        "listen",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "unshare",
        "setns",
        "move_mount",
        "open_tree",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "setuid",
        "setgid",
        "setreuid",
        "setregid",
        "setresuid",
        "setresgid",
        "setgroups",
        "setfsuid",
        "setfsgid",
        "capset",
        "setpgid",
        "setsid",
        "setrlimit",
        "setpriority",
        "chmod",
        "fchmodat",
        "chown",
        "fchown",
        "lchown",
        "fchownat",
        "mknod",
        "mknodat",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "add_key",
        "request_key",
        "keyctl",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "open_by_handle_at",
        "name_to_handle_at",
        "personality",
        "seccomp",
        "reboot",
        "swapon",
        "swapoff",
        "sethostname",
        "setdomainname",
        "settimeofday",
        "clock_settime",
        "ioctl",
        "shmget",
        "shmat",
        "msgget",
        "semget",
        "mq_open",
        "memfd_secret",
        "fanotify_init",
        "inotify_init1",
};

static const char *const machine_denied[] = {
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "reboot",
        "swapon",
        "swapoff",
        "acct",
        "quotactl",
        "quotactl_fd",
        "syslog",
        "vhangup",
        "iopl",
        "ioperm",
        "modify_ldt",
        "settimeofday",
        "clock_settime",
        "clock_adjtime",
        "adjtimex",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "add_key",
        "request_key",
        "keyctl",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "process_madvise",
        "kcmp",
        "pidfd_getfd",
        "setns",
        "chroot",
        "open_by_handle_at",
        "fanotify_init",
        "migrate_pages",
        "move_pages",
        "lookup_dcookie",
        "uselib",
        "ustat",
        "sysfs",
        "_sysctl",
        "nfsservctl",
        "setdomainname",
};
/* clang-format on */

static int load_filter(scmp_filter_ctx filter, struct error *error) {
        int result = seccomp_load(filter);
        return result < 0 ? error_set(error, -result, "loading a system call filter") : 0;
}

#define HAS_NONE(argument, bits) SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bits, 0)
#define HAS_ALL(argument, bits) SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, bits, bits)

/* A thread shares all with its process; whatever shares less, or has a namespace of its own, is a process. The flags of
 * clone3 lie in memory, where no filter sees them: it is on no list, and the C library falls back to clone.
 *
 * Every rule here looks at arguments, and no two match the same call: to libseccomp a rule without conditions replaces
 * all those with. */
static int allow_threads(scmp_filter_ctx filter) {
        const uint64_t shared = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
        const uint64_t never = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                               CLONE_NEWPID | CLONE_NEWNET | CLONE_PTRACE | CLONE_VFORK | CLONE_PARENT;
        int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                      SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, shared | never, shared));
        for (unsigned bit = 0; bit < 64 && result == 0; bit++) {
                uint64_t flag = UINT64_C(1) << bit;
                if (never & flag)
                        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, HAS_ALL(0, flag));
                else if (shared & flag)
                        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, HAS_NONE(0, flag));
        }
        return result;
}

/* Memory that can be written or read, never run. */
static int allow_memory(scmp_filter_ctx filter) {
        static const int calls[] = { SCMP_SYS(mmap), SCMP_SYS(mprotect) };
        int result = 0;
        for (size_t i = 0; i < array_length(calls) && result == 0; i++) {
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1, HAS_NONE(2, (uint64_t) PROT_EXEC));
                if (result == 0)
                        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 1,
                                                  HAS_ALL(2, (uint64_t) PROT_EXEC));
        }
        return result;
}

static int allow_some_arguments(scmp_filter_ctx filter) {
        static const int fcntls[] = { F_GETFD,         F_SETFD,      F_GETFL,     F_SETFL,    F_DUPFD,
                                      F_DUPFD_CLOEXEC, F_GETLK,      F_SETLK,     F_SETLKW,   F_OFD_GETLK,
                                      F_OFD_SETLK,     F_OFD_SETLKW, F_GET_SEALS, F_ADD_SEALS };
        static const int socket_levels[] = { SOL_SOCKET, IPPROTO_TCP };
        /* Its own number never changes, and nobody else's threads are its business: abort() signals itself. */
        int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, LOW(0, getpid()));
        for (size_t i = 0; i < array_length(fcntls) && result == 0; i++)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, LOW(1, fcntls[i]));
        for (size_t i = 0; i < array_length(socket_levels) && result == 0; i++)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 1, LOW(1, socket_levels[i]));
        if (result == 0)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, LOW(0, PR_SET_NAME));
        /* Its own limits, to be read. */
        if (result == 0)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, LOW(0, 0),
                                          SCMP_CMP64(2, SCMP_CMP_EQ, 0));
        return result;
}

/* What the web server and a gate share: threads, and their few calls with arguments. */
static int allow_common(scmp_filter_ctx filter) {
        int result = allow_threads(filter);
        if (result == 0)
                result = allow_memory(filter);
        return result < 0 ? result : allow_some_arguments(filter);
}

int service_filter_web(struct error *error) {
        filter_scoped filter = NULL;
        int result = filter_start(SCMP_ACT_ERRNO(ENOSYS), &filter, error);
        if (result < 0)
                return result;
        result = allow_common(filter);
        if (result < 0)
                return error_set(error, -result, "adding a rule on arguments to a filter");
        result = filter_add_names(filter, SCMP_ACT_ALLOW, web_allowed, array_length(web_allowed), error);
        if (result == 0)
                result = filter_add_names(filter, SCMP_ACT_ERRNO(EPERM), web_refused, array_length(web_refused), error);
        return result < 0 ? result : load_filter(filter, error);
}

/* TCP, to the hosts, and UDP, to the DNS. Whatever else the C library tries (a daemon that caches names, the kernel's
 * list of interfaces) it does without. */
static int allow_internet(scmp_filter_ctx filter) {
        static const int families[] = { AF_INET, AF_INET6 }, types[] = { SOCK_STREAM, SOCK_DGRAM };
        const uint64_t flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
        int result = 0;
        for (size_t i = 0; i < array_length(families); i++)
                for (size_t j = 0; j < array_length(types) && result == 0; j++)
                        result = seccomp_rule_add(
                                filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, LOW(0, families[i]),
                                SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu & ~flags, (uint64_t) types[j]));
        /* Without these the C library asks no DNS: to be told of errors on the way, and how much has come. */
        if (result == 0)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, LOW(1, IPPROTO_IP),
                                          LOW(2, IP_RECVERR));
        if (result == 0)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, LOW(1, IPPROTO_IPV6),
                                          LOW(2, IPV6_RECVERR));
        if (result == 0)
                result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, LOW(1, FIONREAD));
        return result;
}

int service_filter_gate(struct error *error) {
        filter_scoped filter = NULL;
        int result = filter_start(SCMP_ACT_ERRNO(ENOSYS), &filter, error);
        if (result < 0)
                return result;
        result = allow_common(filter);
        if (result == 0)
                result = allow_internet(filter);
        if (result < 0)
                return error_set(error, -result, "adding a rule on arguments to a filter");
        result = filter_add_names(filter, SCMP_ACT_ALLOW, gate_allowed, array_length(gate_allowed), error);
        return result < 0 ? result : load_filter(filter, error);
}

int service_filter_machine(struct error *error) {
        filter_scoped filter = NULL;
        int result = filter_start(SCMP_ACT_ALLOW, &filter, error);
        if (result == 0)
                result = filter_add_names(filter, SCMP_ACT_ERRNO(EPERM), machine_denied, array_length(machine_denied),
                                          error);
        return result < 0 ? result : load_filter(filter, error);
}
