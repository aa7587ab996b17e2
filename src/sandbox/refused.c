/*
 * System calls that a program is refused, counted.
 *
 * A filter that gives an errno tells nobody. So the program's asks a listener instead, which lies with the keeper; the
 * kernel holds the caller until the keeper has answered. The answer is what the filter itself would have given: the
 * keeper walks through the same instructions. Three things make that as strong as the filter was:
 *
 *   - an answer is an errno, never "go on" (SECCOMP_USER_NOTIF_FLAG_CONTINUE);
 *   - the program never holds the listener when a student's text runs, and cannot reach into the keeper (not dumpable;
 *     ptrace, pidfd_getfd and the like are on the list of what is refused);
 *   - where the keeper is no more, the kernel answers ENOSYS by itself. Nobody waits for ever: a keeper's end is also
 *     that of its program.
 */
#include "internal.h"
#include "rules.h"

#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Newer than Debian 12's headers. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

/* A kernel newer than this program may tell more of a call, and writes all that it has. */
enum { NOTICE_BYTES = 512 };
union notice {
        struct seccomp_notif call;
        uint8_t room[NOTICE_BYTES];
};
union answer {
        struct seccomp_notif_resp reply;
        uint8_t room[NOTICE_BYTES];
};

struct sock_fprog refused_ask_listener(const struct sock_fprog *filter) {
        struct sock_filter *instructions = allocate(filter->len * sizeof *instructions);
        for (size_t i = 0; i < filter->len; i++) {
                instructions[i] = filter->filter[i];
                if (instructions[i].code == (BPF_RET | BPF_K) &&
                    (instructions[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
                        instructions[i].k = SECCOMP_RET_USER_NOTIF;
        }
        return (struct sock_fprog){ filter->len, instructions };
}

int refused_listen(const struct sock_fprog *filter) {
        struct seccomp_notif_sizes sizes;
        if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0 || sizes.seccomp_notif > NOTICE_BYTES ||
            sizes.seccomp_notif_resp > NOTICE_BYTES)
                return -1;
        /* While the answer is on its way a signal waits: else the call would be made, and counted, again. */
        int listener = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, filter);
        /* Asker and answerer wait for each other, so they do best on one processor: a third of the time. Older than
         * Linux 6.6 the kernel does not know of it. */
        if (listener >= 0)
                (void) ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        return listener;
}

/* What a filter says to a call: its instructions, of the few kinds that libseccomp writes, walked as the kernel does.
 */
static uint32_t walk(const struct sock_fprog *filter, const struct seccomp_data *call) {
        uint32_t value = 0;
        for (size_t at = 0; at < filter->len; at++) {
                const struct sock_filter *step = &filter->filter[at];
                bool holds;
                switch (step->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        memcpy(&value, (const uint8_t *) call + step->k, sizeof value);
                        continue;
                case BPF_ALU | BPF_AND | BPF_K:
                        value &= step->k;
                        continue;
                case BPF_JMP | BPF_JA:
                        at += step->k;
                        continue;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        holds = value == step->k;
                        break;
                case BPF_JMP | BPF_JGT | BPF_K:
                        holds = value > step->k;
                        break;
                case BPF_JMP | BPF_JGE | BPF_K:
                        holds = value >= step->k;
                        break;
                case BPF_JMP | BPF_JSET | BPF_K:
                        holds = value & step->k;
                        break;
                case BPF_RET | BPF_K:
                        return step->k;
                default:
                        return SECCOMP_RET_ERRNO | ENOSYS;
                }
                at += holds ? step->jt : step->jf;
        }
        return SECCOMP_RET_ERRNO | ENOSYS;
}

int sandbox_answer_refused(int listener) {
        union notice notice = { 0 };
        union answer answer = { 0 };
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notice) < 0)
                return -errno;
        uint32_t verdict = walk(filter_of_programs(), &notice.call.data);
        bool refused = (verdict & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
        answer.reply.id = notice.call.id;
        answer.reply.error = refused ? -(int) (verdict & SECCOMP_RET_DATA) : -ENOSYS;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0)
                return -errno;
        int number = notice.call.data.nr;
        return number >= 0 && number < CALL_NUMBERS ? number : CALL_NUMBERS - 1;
}

bool sandbox_counts_refused(void) {
        struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
        const struct sock_fprog filter = { array_length(all), all };
        pid_t pid = fork();
        if (pid == 0)
                _exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || refused_listen(&filter) < 0);
        int status;
        return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

char *sandbox_call_name(unsigned number) {
        return seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int) number);
}
