/*
 * src/sandbox/refused: what the keeper answers is what the filter itself would have answered, call by call, and nothing
 * that is refused ever passes. Includes the file: which calls are refused, only walk() tells without making them.
 */
#include "../../src/sandbox/refused.c"

#include "../../src/ipc/ipc.h"

#include <linux/sched.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <cmocka.h>

struct call {
        long number, arguments[6];
};

/* Calls that depend on their arguments; the rest are made with none. */
static const struct call special[] = {
        { SYS_clone, { CLONE_NEWUSER } },
        { SYS_clone, { CLONE_NEWNET | SIGCHLD } },
        { SYS_ioctl, { 0, TIOCSTI } },
        { SYS_ioctl, { 0, TIOCSTI | (1L << 40) } },
        { SYS_ioctl, { 0, TIOCSETD } },
        { SYS_fcntl, { 0, 1024 } },
        { SYS_socket, { AF_NETLINK, SOCK_RAW } },
        { SYS_socket, { AF_VSOCK, SOCK_STREAM } },
        { SYS_socket, { AF_INET, SOCK_RAW, 1 } },
        { SYS_socket, { 3, SOCK_RAW } },
        { SYS_prlimit64, { 1 } },
        { SYS_setpriority, { 0, 1 } },
        { SYS_move_mount, { 0, 0, 0, 0, 4 } },
        { 100000, { 0 } },
        { -1, { 0 } },
};
enum { PLAIN_NUMBERS = 600, CALLS = PLAIN_NUMBERS + array_length(special) };

static struct call call_of(size_t i) {
        return i < PLAIN_NUMBERS ? (struct call){ .number = (long) i } : special[i - PLAIN_NUMBERS];
}

/* Two of the kernel's own (uretprobe, uprobe) no filter sees; called otherwise they end the process. */
enum { UNFILTERED_FIRST = 335, UNFILTERED_LAST = 336 };

static bool is_refused(const struct call *call) {
        if (call->number >= UNFILTERED_FIRST && call->number <= UNFILTERED_LAST)
                return false;
        struct seccomp_data data = { .nr = (int) call->number, .arch = seccomp_arch_native() };
        for (size_t i = 0; i < 6; i++)
                data.args[i] = (uint64_t) call->arguments[i];
        return (walk(filter_of_programs(), &data) & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
}

/* In a child that has its filter. Number -1 is the kernel's own way to say "skip", and never comes to a filter. */
static _Noreturn void make_calls(int *errors) {
        for (size_t i = 0; i < CALLS; i++) {
                struct call call = call_of(i);
                const long *a = call.arguments;
                if (call.number < 0 || !is_refused(&call))
                        continue;
                long result = syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
                errors[i] = result < 0 ? errno : -1;
        }
        _exit(0);
}

static int *shared_errors(void) {
        int *errors = mmap(NULL, CALLS * sizeof *errors, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(errors, MAP_FAILED);
        return errors;
}

static int take_fd(int socket) {
        struct error error;
        static uint8_t storage[IPC_MESSAGE_MAXIMUM] __attribute__((aligned(8)));
        struct message message;
        assert_int_equal(message_receive(socket, MESSAGE_BIT(MESSAGE_LISTENER), storage, &message, &error), 1);
        return message.fds[0];
}

static pid_t start_listened(int *errors, int *ret_listener) {
        struct error error;
        int ends[2];
        assert_int_equal(channel_pair(ends, &error), 0);
        pid_t child = fork();
        if (child == 0) {
                int listener;
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || filter_load_program(&listener, &error) < 0 ||
                    message_send(ends[1], MESSAGE_LISTENER, &(struct message_empty){ 0 }, NULL, 0, &listener, 1,
                                 &error) < 0)
                        _exit(1);
                close(listener);
                make_calls(errors);
        }
        *ret_listener = take_fd(ends[0]);
        close(ends[0]);
        close(ends[1]);
        return child;
}

static void test_answers(void **state) {
        (void) state;
        if (!sandbox_counts_refused())
                skip();
        struct error error;
        assert_int_equal(sandbox_prepare_filter(&error), 0);
        int *plain = shared_errors(), *listened = shared_errors(), status;
        pid_t child = fork();
        if (child == 0) {
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
                    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter_of_programs()) < 0)
                        _exit(1);
                make_calls(plain);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        int listener;
        child = start_listened(listened, &listener);
        uint32_t counted[CALL_NUMBERS] = { 0 };
        struct pollfd waiting = { .fd = listener, .events = POLLIN };
        while (poll(&waiting, 1, 10000) > 0 && (waiting.revents & POLLIN)) {
                int number = sandbox_answer_refused(listener);
                assert_true(number >= 0);
                counted[number]++;
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        size_t refused = 0, told = 0;
        for (size_t i = 0; i < CALLS; i++) {
                assert_int_equal(listened[i], plain[i]);
                assert_true(plain[i] == 0 || plain[i] == EPERM || plain[i] == ENOSYS || plain[i] == EAFNOSUPPORT);
                refused += plain[i] != 0;
        }
        for (size_t i = 0; i < CALL_NUMBERS; i++)
                told += counted[i];
        assert_int_equal(told, refused);
        assert_true(refused > 200);
        assert_true(counted[SYS_mount] == 1 && counted[SYS_clone] == 2 && counted[SYS_ioctl] == 3);
        assert_true(counted[CALL_NUMBERS - 1] >= PLAIN_NUMBERS - CALL_NUMBERS);
        close(listener);
}

/* Where nobody holds the listener any more, the kernel refuses by itself. */
static void test_nobody_listens(void **state) {
        (void) state;
        if (!sandbox_counts_refused())
                skip();
        int *errors = shared_errors(), listener, status;
        pid_t child = start_listened(errors, &listener);
        close(listener);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_true(errors[SYS_mount] == ENOSYS || errors[SYS_mount] == EPERM);
        for (size_t i = 0; i < CALLS; i++)
                assert_int_not_equal(errors[i], -1);
}

/* One listener a process: whoever has one already is refused the second, and its programs are counted by nobody. */
static void test_a_second_listener(void **state) {
        (void) state;
        if (!sandbox_counts_refused())
                skip();
        pid_t child = fork();
        if (child == 0) {
                struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
                const struct sock_fprog filter = { array_length(all), all };
                struct error error;
                int listener;
                bool well = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && refused_listen(&filter) >= 0 &&
                            !sandbox_counts_refused() && filter_load_program(&listener, &error) == 0 &&
                            listener == -1 && syscall(SYS_mount, 0, 0, 0, 0, 0) < 0 && errno == EPERM;
                _exit(!well);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_nobody_listens),
                cmocka_unit_test(test_a_second_listener),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
