/* Where a gate does not connect to, whatever a name leads to. (What it does for a program:
 * test/system/test_network.py.) */
#include "../../src/gate/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { UID_BASE = 200000, SERVICE = 199999, ORDINARY = 65533 };

static const char *refused(const char *text) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
        if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
                return address_refused((struct sockaddr *) &in, sizeof in);
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        return address_refused((struct sockaddr *) &in6, sizeof in6);
}

static void test_refused(void **state) {
        (void) state;
        static const char *const addresses[] = {
                "0.0.0.0",
                "0.1.2.3",
                "127.0.0.1",
                "127.255.255.255",
                "169.254.0.1",
                "169.254.169.254",
                "224.0.0.251",
                "239.1.2.3",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::1",
                "::127.0.0.1",
                "::ffff:127.0.0.1",
                "::ffff:203.0.113.1",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "ff02::1",
                "64:ff9b::127.0.0.1",
        };
        for (size_t i = 0; i < array_length(addresses); i++)
                if (!refused(addresses[i]))
                        fail_msg("%s would be connected to", addresses[i]);
}

static void test_others(void **state) {
        (void) state;
        /* Of documentation's networks, so that no machine has them; and one of a school's own, and of an IPv6-only one.
         */
        static const char *const addresses[] = { "203.0.113.77", "192.0.2.1",  "10.255.254.253",
                                                 "2001:db8::1",  "fd77:1::77", "64:ff9b::203.0.113.1" };
        for (size_t i = 0; i < array_length(addresses); i++)
                if (refused(addresses[i]))
                        fail_msg("%s is refused: it is %s", addresses[i], refused(addresses[i]));
}

static void test_other_kinds(void **state) {
        (void) state;
        const struct sockaddr other = { .sa_family = AF_UNIX };
        const struct sockaddr_in in = { .sin_family = AF_INET };
        assert_non_null(address_refused(&other, sizeof other));
        assert_non_null(address_refused((const struct sockaddr *) &in, sizeof in - 1));
}

/* The walls */

static struct {
        int listener;
        struct sockaddr_in address; /* of the listener: the one port that the gate is to connect to */
        int wrong;                  /* in the confined process: how often something went otherwise */
} place;

static void expect_refusal(const char *what, long result, int expected) {
        int number = errno;
        if (result < 0 && number == expected)
                return;
        dprintf(STDERR_FILENO, "%s: %s, not %s\n", what, result < 0 ? strerrorname_np(number) : "it was done",
                strerrorname_np(expected));
        place.wrong++;
}

static void expect_success(const char *what, bool done) {
        if (done)
                return;
        dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
        place.wrong++;
}

#define REFUSED(number, call) expect_refusal(#call, (long) (call), number)
#define DONE(call) expect_success(#call, call)

static int open_listener(void **state) {
        (void) state;
        place.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        place.address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof place.address;
        return bind(place.listener, (struct sockaddr *) &place.address, size) < 0 || listen(place.listener, 8) < 0 ||
                               getsockname(place.listener, (struct sockaddr *) &place.address, &size) < 0
                       ? -1
                       : 0;
}

static int close_listener(void **state) {
        (void) state;
        close_fd(&place.listener);
        return 0;
}

static int confine(bool as_root, uid_t service, struct error *error) {
        if (!as_root && getuid() == 0 &&
            (setgroups(0, NULL) < 0 || setresgid(ORDINARY, ORDINARY, ORDINARY) < 0 ||
             setresuid(ORDINARY, ORDINARY, ORDINARY) < 0))
                return error_set(error, errno, "becoming an ordinary user");
        struct sandbox_host host = sandbox_host_here(UID_BASE);
        const uint16_t port = ntohs(place.address.sin_port);
        return sandbox_confine_gate(&host, service, &port, 1, error);
}

/* In a child: the walls, then `attack`. */
static void attack_as(bool as_root, void (*attack)(void)) {
        if (as_root && getuid() != 0) {
                print_message("only root can start a server as root\n");
                skip();
        }
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct error error = { 0 };
                if (confine(as_root, SERVICE, &error) < 0) {
                        dprintf(STDERR_FILENO, "it was not confined: %s\n", error.text);
                        _exit(99);
                }
                attack();
                _exit(place.wrong > 0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void attack_files_and_processes(void) {
        char *const words[] = { (char[]){ "sh" }, NULL };
        REFUSED(EACCES, open("/etc/passwd", O_RDONLY));
        REFUSED(EACCES, open("/etc/hosts", O_RDWR));
        REFUSED(EACCES, open("/usr/bin/env", O_RDONLY));
        REFUSED(EACCES, open("/proc/self/mem", O_RDWR));
        REFUSED(ENOSYS, mkdir("/tmp/carrel-gate", 0755));
        REFUSED(ENOSYS, unlink("/tmp/carrel-gate"));
        REFUSED(ENOSYS, execve("/bin/sh", words, NULL));
        REFUSED(ENOSYS, syscall(SYS_fork));
        REFUSED(EPERM, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
        REFUSED(ENOSYS, kill(1, SIGKILL));
        REFUSED(ENOSYS, syscall(SYS_ptrace, 16 /* PTRACE_ATTACH */, 1, NULL, NULL));
        REFUSED(ENOSYS, setuid(0));
        REFUSED(ENOSYS, unshare(CLONE_NEWUSER));
        REFUSED(ENOSYS, syscall(SYS_setns, 0, 0));
        REFUSED(EPERM,
                mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
}

static void attack_network(void) {
        int pair[2];
        REFUSED(ENOSYS, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        REFUSED(ENOSYS, socket(AF_UNIX, SOCK_STREAM, 0));
        REFUSED(ENOSYS, socket(AF_NETLINK, SOCK_RAW, 0));
        REFUSED(ENOSYS, socket(AF_PACKET, SOCK_RAW, 0));
        REFUSED(ENOSYS, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
        REFUSED(ENOSYS, listen(place.listener, 1));
        if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 0)
                expect_success("it may make Landlock rules", false);
}

/* What is not on its list it cannot even dial, where the kernel's Landlock knows of ports. */
static void attack_ports(void) {
        fd_scoped other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_in elsewhere = place.address;
        elsewhere.sin_port = htons(22);
        REFUSED(EACCES, connect(other, (struct sockaddr *) &elsewhere, sizeof elsewhere));
        elsewhere.sin_port = 0;
        REFUSED(EACCES, bind(other, (struct sockaddr *) &elsewhere, sizeof elsewhere));
}

static void *mark(void *context) {
        *(bool *) context = true;
        return NULL;
}

static void do_work(void) {
        bool ran = false;
        pthread_t thread;
        fd_scoped fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        DONE(connect(fd, (struct sockaddr *) &place.address, sizeof place.address) == 0);
        DONE(accept4(place.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) >= 0);
        DONE(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) >= 0);
        DONE(open("/etc/hosts", O_RDONLY) >= 0);
        DONE((errno = pthread_create(&thread, NULL, mark, &ran)) == 0);
        DONE(pthread_join(thread, NULL) == 0 && ran);
        DONE(prctl(PR_SET_NAME, "gate", 0, 0, 0) == 0);
}

#define ONCE_AS_EACH(name, attack)                                                                                     \
        static void name##_by_root(void **state) {                                                                     \
                (void) state;                                                                                          \
                attack_as(true, attack);                                                                               \
        }                                                                                                              \
        static void name##_by_user(void **state) {                                                                     \
                (void) state;                                                                                          \
                attack_as(false, attack);                                                                              \
        }
ONCE_AS_EACH(test_files_and_processes, attack_files_and_processes)
ONCE_AS_EACH(test_network, attack_network)
ONCE_AS_EACH(test_work, do_work)

static void test_ports(void **state) {
        (void) state;
        if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 4) {
                print_message("this kernel's Landlock knows nothing of ports\n");
                skip();
        }
        attack_as(false, attack_ports);
}

static void test_root_is_refused(void **state) {
        (void) state;
        struct error error = { 0 };
        if (getuid() == 0)
                assert_int_equal(confine(true, 0, &error), -EPERM);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_other_kinds),
                cmocka_unit_test(test_files_and_processes_by_root),
                cmocka_unit_test(test_files_and_processes_by_user),
                cmocka_unit_test(test_network_by_root),
                cmocka_unit_test(test_network_by_user),
                cmocka_unit_test(test_work_by_root),
                cmocka_unit_test(test_work_by_user),
                cmocka_unit_test(test_ports),
                cmocka_unit_test(test_root_is_refused),
        };
        return cmocka_run_group_tests(tests, open_listener, close_listener);
}
