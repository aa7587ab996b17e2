/*
 * The server's own skin, tried from inside: each test puts a process where the web server (or supervisor, or monitor)
 * stands, confines it by the real function, and then runs what an attacker who had taken it over would run. What must
 * fail fails with the errno that is written beside it, and what the server needs works. Once as a server that root
 * started, once as an ordinary user's.
 */
#include "../../src/sandbox/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { UID_BASE = 200000, SERVICE = 199999, ORDINARY = 65533, LOG_SIZE = 8192 };

static struct place {
        bool as_root;
        uid_t uid;          /* of the confined process */
        char directory[64]; /* store/ and files/ lie in it */
        char secret[128];   /* a file beside the store */
        int store, listener;
        struct sockaddr_in address; /* of the listener */
        pid_t victim;               /* another process of the same uid, open to it */
        char *victim_secret;        /* in its memory */
        int report[2];              /* what went otherwise than it should, as lines */
} place;

/* What the confined process reports */

static void report(const char *format, ...) printf_like(1, 2);
static void report(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        vdprintf(place.report[1], format, arguments);
        va_end(arguments);
}

static void expect_refusal(const char *what, long result, int expected) {
        int number = errno;
        if (result >= 0)
                report("%s: it was done\n", what);
        else if (number != expected)
                report("%s: refused with %s, not %s\n", what, strerrorname_np(number), strerrorname_np(expected));
}

static void expect_success(const char *what, bool done) {
        if (!done)
                report("%s: %s\n", what, strerror(errno));
}

/* The name is the call as it is written. */
#define REFUSED(number, call) expect_refusal(#call, (long) (call), number)
#define DONE(call) expect_success(#call, call)

/* Where it stands */

static void make_file(int folder, const char *name, uid_t owner) {
        fd_scoped fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write_fully(fd, "secret", 6), 0);
        if (getuid() == 0)
                assert_int_equal(fchown(fd, owner, owner), 0);
}

static void become(uid_t uid) {
        if (getuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
                _exit(99);
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as a process that never changed its uid */
}

static void start_victim(void) {
        place.victim_secret = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        strcpy(place.victim_secret, "of another process");
        int ready[2];
        char byte = 0;
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        place.victim = fork();
        assert_true(place.victim >= 0);
        if (place.victim == 0) {
                become(place.uid);
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                (void) !write(ready[1], &byte, 1);
                for (;;)
                        pause();
        }
        assert_int_equal(read(ready[0], &byte, 1), 1); /* until then it has the test's own uid */
        close_fd(&ready[0]);
        close_fd(&ready[1]);
        memset(place.victim_secret, 0, 4096);
}

static void open_listener(void) {
        place.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        place.address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof place.address;
        assert_int_equal(bind(place.listener, (struct sockaddr *) &place.address, size), 0);
        assert_int_equal(listen(place.listener, 8), 0);
        assert_int_equal(getsockname(place.listener, (struct sockaddr *) &place.address, &size), 0);
}

static int set_up(bool as_root) {
        place = (struct place){ .as_root = as_root, .store = -1, .listener = -1 };
        place.uid = getuid() != 0 ? getuid() : as_root ? SERVICE : ORDINARY;
        strcpy(place.directory, "/var/tmp/carrel-service-XXXXXX");
        assert_non_null(mkdtemp(place.directory));
        assert_int_equal(chmod(place.directory, 0755), 0);
        fd_scoped directory = open(place.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdirat(directory, "store", 0700), 0);
        assert_int_equal(mkdirat(directory, "files", 0755), 0);
        if (getuid() == 0)
                assert_int_equal(fchownat(directory, "store", place.uid, place.uid, 0), 0);
        make_file(directory, "files/secret", place.uid);
        snprintf(place.secret, sizeof place.secret, "%s/files/secret", place.directory);
        place.store = openat(directory, "store", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(place.store >= 0);
        open_listener();
        start_victim();
        assert_int_equal(pipe2(place.report, O_CLOEXEC), 0);
        return 0;
}

static int set_up_as_root(void **state) {
        (void) state;
        return set_up(true);
}

static int set_up_as_user(void **state) {
        (void) state;
        return set_up(false);
}

static int tear_down(void **state) {
        (void) state;
        kill(place.victim, SIGKILL);
        waitpid(place.victim, NULL, 0);
        close_fd(&place.listener);
        close_fd(&place.store);
        close_fd(&place.report[0]);
        close_fd(&place.report[1]);
        char command[128];
        static const char *const names[] = { "files/secret",        "files", "store/carrel.db", "store/carrel.db-wal",
                                             "store/carrel.db-shm", "store" };
        for (size_t i = 0; i < array_length(names); i++) {
                snprintf(command, sizeof command, "%s/%s", place.directory, names[i]);
                (void) remove(command);
        }
        return rmdir(place.directory);
}

static bool skipped(void) {
        if (place.as_root && getuid() != 0) {
                print_message("only root can start a server as root\n");
                return true;
        }
        return false;
}

static struct sandbox_host host_of_place(void) {
        return sandbox_host_here(UID_BASE);
}

/* In a child: the walls, then `attack`. */
static pid_t start_confined(void (*attack)(void)) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (!place.as_root)
                become(ORDINARY);
        struct sandbox_host host = host_of_place();
        struct error error = { 0 };
        if (sandbox_confine_web(&host, SERVICE, steal_fd(&place.store), &error) < 0)
                report("it was not confined: %s\n", error.text);
        else
                attack();
        _exit(0);
}

static void expect_end(pid_t pid, int signal) {
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (signal) {
                assert_true(WIFSIGNALED(status));
                assert_int_equal(WTERMSIG(status), signal);
        } else {
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
        }
        close_fd(&place.report[1]);
        char log[LOG_SIZE];
        ssize_t size = read_fully(place.report[0], log, sizeof log - 1);
        assert_true(size >= 0);
        log[size] = '\0';
        close_fd(&place.report[0]);
        assert_int_equal(pipe2(place.report, O_CLOEXEC), 0); /* for the next */
        assert_string_equal(log, "");
}

/* Files */

static void attack_files(void) {
        char path[256];
        REFUSED(ENOENT, open("/etc/passwd", O_RDONLY));
        REFUSED(ENOENT, open("/proc/1/environ", O_RDONLY));
        REFUSED(ENOENT, open("/proc/self/mem", O_RDWR));
        REFUSED(ENOENT, open(place.secret, O_RDONLY));
        REFUSED(ENOENT, open("/store/../files/secret", O_RDONLY));
        REFUSED(ENOENT, open("/../../files/secret", O_RDONLY));
        REFUSED(ENOENT, open("/dev/mem", O_RDONLY));
        snprintf(path, sizeof path, "/store/..%s", place.secret);
        REFUSED(ENOENT, open(path, O_RDONLY));
        REFUSED(ENOSYS, syscall(SYS_openat2, AT_FDCWD, "/store", NULL, 24));
        expect_refusal("making a file beside the store", open("/file", O_WRONLY | O_CREAT, 0644), EROFS);
        REFUSED(ENOSYS, mkdir("/store/folder", 0755));
        REFUSED(EPERM, mknod("/store/disk", S_IFBLK | 0600, makedev(8, 0)));
        REFUSED(EPERM, symlink("/", "/store/link"));
        REFUSED(EPERM, link("/store/carrel.db", "/store/other"));
        REFUSED(EPERM, chmod("/store", 04777));
        REFUSED(EPERM, chown("/store", 0, 0));
        /* No descriptor may be of a folder: what is open then leads nowhere. */
        for (int fd = 0; fd < 64; fd++) {
                struct stat status;
                if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
                        report("descriptor %d is a folder\n", fd);
        }
        REFUSED(EPERM, syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY));
        REFUSED(EPERM, syscall(SYS_name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0));
        if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 0)
                report("it may make Landlock rules\n");
}

/* Other processes */

static void attack_processes(void) {
        static char byte;
        char *const words[] = { (char[]){ "sh" }, NULL };
        REFUSED(EPERM, execve("/bin/sh", words, NULL));
        REFUSED(EPERM, syscall(SYS_execveat, memfd_create("program", 0), "", words, NULL, AT_EMPTY_PATH));
        REFUSED(EPERM, syscall(SYS_fork));
        REFUSED(EPERM, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
        REFUSED(EPERM, syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | SIGCHLD, NULL, NULL, NULL,
                               NULL));
        REFUSED(EPERM, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
        REFUSED(EPERM,
                syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES | CLONE_NEWNET,
                        NULL, NULL, NULL, NULL));
        /* Bits above those that the kernel knows change nothing. */
        REFUSED(EPERM, syscall(SYS_clone, (UINT64_C(1) << 40) | SIGCHLD, NULL, NULL, NULL, NULL));
        struct clone_args arguments = { .exit_signal = SIGCHLD };
        REFUSED(ENOSYS, syscall(SYS_clone3, &arguments, sizeof arguments));
        REFUSED(EPERM, kill(place.victim, SIGKILL));
        REFUSED(EPERM, kill(getpid(), SIGTERM));
        REFUSED(EPERM, kill(-1, SIGKILL));
        REFUSED(ENOSYS, syscall(SYS_tgkill, place.victim, place.victim, SIGKILL));
        REFUSED(EPERM, syscall(SYS_tkill, place.victim, SIGKILL));
        siginfo_t info = { .si_signo = SIGKILL, .si_code = SI_QUEUE };
        REFUSED(EPERM, syscall(SYS_rt_sigqueueinfo, place.victim, SIGKILL, &info));
        REFUSED(EPERM, syscall(SYS_pidfd_open, place.victim, 0));
        REFUSED(EPERM, syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, place.victim, NULL, NULL));
        struct iovec here = { &byte, 1 }, there = { place.victim_secret, 1 };
        REFUSED(EPERM, process_vm_readv(place.victim, &here, 1, &there, 1, 0));
        REFUSED(EPERM, process_vm_writev(place.victim, &here, 1, &there, 1, 0));
        struct rlimit limit = { 0, 0 };
        REFUSED(ENOSYS, prlimit(place.victim, RLIMIT_CPU, &limit, NULL));
        REFUSED(ENOSYS, prlimit(0, RLIMIT_NOFILE, &limit, NULL));
        REFUSED(EPERM, setpriority(PRIO_PROCESS, (id_t) place.victim, 19));
        REFUSED(EPERM, fcntl(place.listener, F_SETOWN, place.victim) < 0 && errno == ENOSYS ? (errno = EPERM, -1) : 0);
        REFUSED(ENOSYS, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
        REFUSED(ENOSYS, prctl(PR_SET_PTRACER, place.victim, 0, 0, 0));
        REFUSED(EPERM, syscall(SYS_kcmp, getpid(), place.victim, 0, 0, 0));
}

/* The network */

static void attack_network(void) {
        int ends[2];
        REFUSED(EPERM, socket(AF_INET, SOCK_STREAM, 0));
        REFUSED(EPERM, socket(AF_INET6, SOCK_DGRAM, 0));
        REFUSED(EPERM, socket(AF_UNIX, SOCK_STREAM, 0));
        REFUSED(EPERM, socket(AF_NETLINK, SOCK_RAW, 0));
        REFUSED(EPERM, socket(AF_PACKET, SOCK_RAW, 0));
        REFUSED(EPERM, socket(AF_VSOCK, SOCK_STREAM, 0));
        REFUSED(EPERM, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
        REFUSED(EPERM, connect(place.listener, (struct sockaddr *) &place.address, sizeof place.address));
        REFUSED(EPERM, bind(place.listener, (struct sockaddr *) &place.address, sizeof place.address));
        REFUSED(EPERM, listen(place.listener, 1));
        int four = 4;
        REFUSED(ENOSYS, setsockopt(place.listener, IPPROTO_IP, 1, &four, sizeof four));
}

/* Rights, and the kernel itself */

static void attack_rights(void) {
        REFUSED(EPERM, setuid(0));
        REFUSED(EPERM, syscall(SYS_setresuid, 0, 0, 0));
        REFUSED(EPERM, syscall(SYS_setresgid, 0, 0, 0));
        REFUSED(EPERM, syscall(SYS_setgroups, 0, NULL));
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct all[2] = { { ~0u, ~0u, 0 }, { ~0u, ~0u, 0 } };
        REFUSED(EPERM, syscall(SYS_capset, &header, all));
        REFUSED(EPERM, mount("none", "/store", "tmpfs", 0, NULL));
        REFUSED(EPERM, umount2("/store", MNT_DETACH));
        REFUSED(EPERM, syscall(SYS_pivot_root, "/store", "/store"));
        REFUSED(EPERM, chroot("/store"));
        REFUSED(EPERM, unshare(CLONE_NEWUSER));
        REFUSED(EPERM, setns(place.listener, 0));
        REFUSED(EPERM, syscall(SYS_open_tree, AT_FDCWD, "/", 1));
        REFUSED(EPERM, syscall(SYS_move_mount, AT_FDCWD, "/", AT_FDCWD, "/store", 0));
        REFUSED(EPERM, syscall(SYS_fsopen, "proc", 0));
        REFUSED(EPERM, syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, NULL, 0));
        REFUSED(EPERM,
                mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REFUSED(EPERM, mprotect(page, 4096, PROT_READ | PROT_EXEC));
        REFUSED(EPERM, ioctl(0, TIOCSTI, "x"));
}

static void attack_kernel(void) {
        static const struct {
                const char *name;
                long number;
        } calls[] = {
                { "init_module", SYS_init_module },
                { "finit_module", SYS_finit_module },
                { "delete_module", SYS_delete_module },
                { "kexec_load", SYS_kexec_load },
                { "bpf", SYS_bpf },
                { "perf_event_open", SYS_perf_event_open },
                { "userfaultfd", SYS_userfaultfd },
                { "keyctl", SYS_keyctl },
                { "add_key", SYS_add_key },
                { "request_key", SYS_request_key },
                { "io_uring_setup", SYS_io_uring_setup },
                { "reboot", SYS_reboot },
                { "swapon", SYS_swapon },
                { "settimeofday", SYS_settimeofday },
                { "sethostname", SYS_sethostname },
                { "personality", SYS_personality },
                { "seccomp", SYS_seccomp },
                { "shmget", SYS_shmget },
        };
        for (size_t i = 0; i < array_length(calls); i++)
                expect_refusal(calls[i].name, syscall(calls[i].number, 0, 0, 0, 0, 0, 0), EPERM);
        /* Of no list: as on a kernel that has none. */
        static const long unknown[] = {
                SYS_syslog, SYS_acct, SYS_quotactl, SYS_iopl, SYS_vhangup, SYS_modify_ldt, 9999
        };
        for (size_t i = 0; i < array_length(unknown); i++)
                expect_refusal("a call of no list", syscall(unknown[i], 0, 0, 0, 0, 0, 0), ENOSYS);
}

/* The work */

static void use_database(void) {
        sqlite3 *database = NULL;
        const char *words = "PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1);"
                            "PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (2)";
        if (sqlite3_open("/store/carrel.db", &database) != SQLITE_OK ||
            sqlite3_exec(database, words, NULL, NULL, NULL) != SQLITE_OK)
                report("the database: %s\n", sqlite3_errmsg(database));
        sqlite3_close(database);
}

static void *thread(void *context) {
        *(int *) context = 1;
        return context;
}

static void use_threads(void) {
        pthread_t threads[4];
        int ran[4] = { 0 };
        for (size_t i = 0; i < array_length(threads); i++)
                if ((errno = pthread_create(&threads[i], NULL, thread, &ran[i])) != 0)
                        report("a thread: %s\n", strerror(errno));
        for (size_t i = 0; i < array_length(threads); i++)
                if (pthread_join(threads[i], NULL) != 0 || !ran[i])
                        report("a thread did not run\n");
}

static void use_sockets(void) {
        char byte = 0;
        int one = 1;
        int client = accept4(place.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        DONE(client >= 0);
        DONE(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = { .events = EPOLLIN };
        DONE(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event) == 0);
        DONE(epoll_wait(epoll, &event, 1, 5000) == 1);
        DONE(recv(client, &byte, 1, 0) == 1 && byte == '?');
        DONE(send(client, "!", 1, MSG_NOSIGNAL) == 1);
        DONE(shutdown(client, SHUT_WR) == 0);
}

static void use_descriptors(void) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        DONE(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
        DONE(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) >= 0);
        DONE(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) >= 0);
        int upload = memfd_create("upload", MFD_CLOEXEC);
        DONE(upload >= 0 && write(upload, "x", 1) == 1);
        struct rlimit limit;
        DONE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        DONE(prctl(PR_SET_NAME, "web", 0, 0, 0) == 0);
}

static void do_work(void) {
        use_database();
        use_threads();
        use_sockets();
        use_descriptors();
}

static void test_files(void **state) {
        (void) state;
        if (!skipped())
                expect_end(start_confined(attack_files), 0);
}

static void test_processes(void **state) {
        (void) state;
        if (skipped())
                return;
        expect_end(start_confined(attack_processes), 0);
        assert_int_equal(kill(place.victim, 0), 0);
}

static void test_network(void **state) {
        (void) state;
        if (!skipped())
                expect_end(start_confined(attack_network), 0);
}

static void test_rights(void **state) {
        (void) state;
        if (!skipped())
                expect_end(start_confined(attack_rights), 0);
}

static void test_kernel(void **state) {
        (void) state;
        if (!skipped())
                expect_end(start_confined(attack_kernel), 0);
}

static void test_work(void **state) {
        (void) state;
        if (skipped())
                return;
        pid_t pid = start_confined(do_work);
        fd_scoped client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *) &place.address, sizeof place.address), 0);
        assert_int_equal(send(client, "?", 1, 0), 1);
        char byte = 0;
        assert_int_equal(recv(client, &byte, 1, 0), 1);
        assert_int_equal(byte, '!');
        expect_end(pid, 0);
}

/* A failed assertion must end it: abort() signals the process itself. */
static void attack_abort(void) {
        abort();
}

static void test_abort(void **state) {
        (void) state;
        if (!skipped())
                expect_end(start_confined(attack_abort), SIGABRT);
}

#ifdef __x86_64__
/* Calls by the numbers of another architecture would pass by every list. */

static void attack_as_x32(void) {
        syscall(0x40000000 | SYS_getpid);
}

static void attack_as_i386(void) {
        int result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20 /* getpid */) : "memory");
        report("int 0x80 answered %d\n", result);
}

static void test_other_architectures(void **state) {
        (void) state;
        if (skipped())
                return;
        expect_end(start_confined(attack_as_i386), SIGSYS);
        expect_end(start_confined(attack_as_x32), SIGSYS);
}
#endif

/* Each wall by itself, as the kernel tells it to us: above, seccomp answers for most. */

static void wait_to_be_looked_at(void) {
        report("ready");
        char byte;
        (void) !recv(place.listener, &byte, 1, 0); /* ENOTCONN at once; then: */
        poll(NULL, 0, 10000);
}

static void read_process_file(pid_t pid, const char *name, char *text, size_t size) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/%s", (int) pid, name);
        fd_scoped fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        ssize_t length = read_fully(fd, text, size - 1);
        assert_true(length >= 0);
        text[length] = '\0';
}

static void assert_line(const char *text, const char *line) {
        if (!strstr(text, line))
                fail_msg("'%s' is not in\n%s", line, text);
}

static void assert_own_namespace(pid_t pid, const char *name) {
        char path[64], own[64] = "", theirs[64] = "";
        snprintf(path, sizeof path, "/proc/self/ns/%s", name);
        assert_true(readlink(path, own, sizeof own - 1) > 0);
        snprintf(path, sizeof path, "/proc/%d/ns/%s", (int) pid, name);
        assert_true(readlink(path, theirs, sizeof theirs - 1) > 0);
        if (strcmp(own, theirs) == 0)
                fail_msg("it shares our %s namespace", name);
}

static size_t count_lines(const char *text) {
        size_t count = 0;
        for (; *text; text++)
                count += *text == '\n';
        return count;
}

static void test_walls(void **state) {
        (void) state;
        if (skipped())
                return;
        if (getuid() != 0)
                return; /* it is closed to us, as it should be */
        pid_t pid = start_confined(wait_to_be_looked_at);
        char text[LOG_SIZE];
        assert_int_equal(read(place.report[0], text, 5), 5);
        read_process_file(pid, "status", text, sizeof text);
        assert_line(text, "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                          "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
        char uid[64];
        snprintf(uid, sizeof uid, "Uid:\t%u\t%u\t%u\t%u\n", place.uid, place.uid, place.uid, place.uid);
        assert_line(text, uid);
        assert_line(text, "Groups:\t \n");
        static const char *const namespaces[] = { "mnt", "net", "ipc", "uts", "cgroup" };
        for (size_t i = 0; i < array_length(namespaces); i++)
                assert_own_namespace(pid, namespaces[i]);
        if (!place.as_root)
                assert_own_namespace(pid, "user");
        read_process_file(pid, "mountinfo", text, sizeof text);
        assert_int_equal(count_lines(text), 2);
        assert_line(text, " / / ro,nosuid,nodev,noexec,relatime");
        assert_line(text, "/store /store rw,nosuid,nodev,noexec,relatime");
        read_process_file(pid, "limits", text, sizeof text);
        assert_line(text, "Max core file size        0                    0");
        struct stat status;
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/mem", (int) pid);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_uid, 0); /* not dumpable */
        kill(pid, SIGKILL);
        expect_end(pid, SIGKILL);
}

/* What must be right before the walls go up */

static void test_open_folder_is_refused(void **state) {
        (void) state;
        if (skipped())
                return;
        pid_t pid = fork();
        if (pid == 0) {
                if (!place.as_root)
                        become(ORDINARY);
                struct sandbox_host host = host_of_place();
                struct error error;
                (void) !open("/usr", O_RDONLY | O_DIRECTORY);
                REFUSED(EBUSY, (errno = -sandbox_confine_web(&host, SERVICE, steal_fd(&place.store), &error), -1));
                _exit(0);
        }
        expect_end(pid, 0);
}

static void test_root_is_refused(void **state) {
        (void) state;
        if (skipped())
                return;
        pid_t pid = fork();
        if (pid == 0) {
                struct sandbox_host host = host_of_place();
                struct error error;
                REFUSED(EPERM, (errno = -sandbox_confine_web(&host, 0, steal_fd(&place.store), &error), -1));
                _exit(0);
        }
        expect_end(pid, 0);
}

/* The supervisor and the monitor */

static void attack_machine(void) {
        static const long calls[] = {
                SYS_init_module,
                SYS_finit_module,
                SYS_delete_module,
                SYS_kexec_load,
                SYS_bpf,
                SYS_reboot,
                SYS_perf_event_open,
                SYS_userfaultfd,
                SYS_keyctl,
                SYS_add_key,
                SYS_io_uring_setup,
                SYS_swapon,
                SYS_swapoff,
                SYS_acct,
                SYS_settimeofday,
                SYS_clock_settime,
                SYS_ptrace,
                SYS_process_vm_readv,
                SYS_setns,
                SYS_chroot,
                SYS_iopl,
                SYS_open_by_handle_at,
                SYS_fanotify_init,
                SYS_quotactl,
                SYS_syslog,
        };
        for (size_t i = 0; i < array_length(calls); i++)
                expect_refusal("a call that changes the machine", syscall(calls[i], 0, 0, 0, 0, 0, 0), EPERM);
        REFUSED(EPERM, mknod("/tmp/carrel-test-device", S_IFBLK | 0600, makedev(8, 0)));
        REFUSED(EPERM, socket(AF_PACKET, SOCK_RAW, 0));
        REFUSED(EACCES, setpriority(PRIO_PROCESS, 0, -10));
        struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };
        REFUSED(EPERM, setrlimit(RLIMIT_CORE, &more));
        DONE(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
        for (int fd = 3; fd < 64; fd++)
                if (fcntl(fd, F_GETFD) == 0)
                        report("descriptor %d would be inherited\n", fd);
}

/* What a program that it starts gets: as much as is in the bounding set, and no more. */
static void expect_capabilities(uint64_t wanted) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[2];
        DONE(syscall(SYS_capget, &header, sets) == 0);
        uint64_t has = sets[0].effective | (uint64_t) sets[1].effective << 32;
        if (has != wanted || sets[0].inheritable || sets[1].inheritable)
                report("its capabilities are %llx, not %llx\n", (unsigned long long) has, (unsigned long long) wanted);
        for (int bit = 0; wanted && prctl(PR_CAPBSET_READ, bit, 0, 0, 0) >= 0; bit++)
                if (prctl(PR_CAPBSET_READ, bit, 0, 0, 0) != (int) (wanted >> bit & 1))
                        report("capability %d is bounded otherwise\n", bit);
}

#define BIT(name) (UINT64_C(1) << CAP_##name)
#define BOTH_KEEP (BIT(CHOWN) | BIT(FOWNER) | BIT(DAC_OVERRIDE) | BIT(SYS_ADMIN) | BIT(SETUID) | BIT(SETGID))

static void test_supervisor(void **state) {
        (void) state;
        if (skipped())
                return;
        pid_t pid = fork();
        if (pid == 0) {
                if (!place.as_root)
                        become(ORDINARY);
                struct sandbox_host host = host_of_place();
                struct error error;
                if (sandbox_enter_supervisor(&host, &error) < 0 || sandbox_confine_supervisor(&host, &error) < 0) {
                        report("it was not confined: %s\n", error.text);
                        _exit(0);
                }
                expect_capabilities(BOTH_KEEP);
                attack_machine();
                if (place.as_root)
                        REFUSED(EPERM, kill(place.victim, SIGKILL));
                /* No network, not even this machine's own. */
                fd_scoped outside = socket(AF_INET, SOCK_STREAM, 0);
                REFUSED(ENETUNREACH, connect(outside, (struct sockaddr *) &place.address, sizeof place.address));
                /* Its work: folders opened anew, as it does (a descriptor from before is of another mount namespace).
                 */
                fd_scoped folder = open(place.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                fd_scoped tree = sandbox_clone_tree(folder, "files", true, &error);
                expect_success("detaching a mount", tree >= 0);
                REFUSED(EROFS, mkdirat(tree, "folder", 0755));
                pid_t child = fork();
                if (child == 0)
                        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) == 0 ? 0 : 1);
                int status = 1;
                DONE(child > 0 && waitpid(child, &status, 0) == child && status == 0);
                _exit(0);
        }
        expect_end(pid, 0);
        assert_int_equal(kill(place.victim, 0), 0);
}

static void test_monitor(void **state) {
        (void) state;
        if (skipped())
                return;
        pid_t pid = fork();
        if (pid == 0) {
                if (!place.as_root)
                        become(ORDINARY);
                struct sandbox_host host = host_of_place();
                struct error error;
                if (sandbox_confine_monitor(&host, &error) < 0) {
                        report("it was not confined: %s\n", error.text);
                        _exit(0);
                }
                expect_capabilities(place.as_root ? BOTH_KEEP | BIT(SETPCAP) | BIT(KILL) : 0);
                attack_machine();
                DONE(kill(place.victim, 0) == 0);
                /* The web server's walls still go up below it. */
                if (sandbox_confine_web(&host, SERVICE, steal_fd(&place.store), &error) < 0)
                        report("below it the web server was not confined: %s\n", error.text);
                _exit(0);
        }
        expect_end(pid, 0);
}

/* cmocka's own macros take no suffix for a test's name. */
#define AS_ROOT(function)                                                                                              \
        { #function " as root", function, set_up_as_root, tear_down, NULL }
#define AS_USER(function)                                                                                              \
        { #function " as an ordinary user", function, set_up_as_user, tear_down, NULL }
#define BOTH(function) AS_ROOT(function), AS_USER(function)

int main(void) {
        const struct CMUnitTest tests[] = {
                BOTH(test_files),
                BOTH(test_processes),
                BOTH(test_network),
                BOTH(test_rights),
                BOTH(test_kernel),
                BOTH(test_work),
                BOTH(test_abort),
#ifdef __x86_64__
                BOTH(test_other_architectures),
#endif
                BOTH(test_walls),
                BOTH(test_open_folder_is_refused),
                AS_ROOT(test_root_is_refused),
                BOTH(test_supervisor),
                BOTH(test_monitor),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
