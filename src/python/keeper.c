/*
 * The keeper: PID 1 of a sandbox. It makes the world, forks the program, and from then on holds no right: it reaps
 * whatever is orphaned, answers the system calls that the program is refused and counts them, and tells the supervisor
 * how the program itself ended. When it ends, the kernel kills all that is left in its PID namespace; and it ends when
 * the program does, or the supervisor.
 *
 * A program can make it answer as often as it likes. What that costs is the run's own: the keeper is in its control
 * group. One answer a turn, so that nothing else waits for more than one; what is counted is told a few times a second
 * at most, and never where that would block.
 */
#include "internal.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { TELL_MILLISECONDS = 250 };

static void on_child(int signal) {
        (void) signal; /* its coming is all: it ends ppoll() */
}

static _Noreturn void give_up(int channel, const struct error *error) {
        struct message_parked answer = { .result = -error->number };
        snprintf(answer.text, sizeof answer.text, "%.*s", (int) sizeof answer.text - 1, error->text);
        struct error unsent;
        (void) !message_send(channel, MESSAGE_PARKED, &answer, NULL, 0, NULL, 0, &unsent);
        _exit(1);
}

static void tell_ended(int channel, int status, const struct rusage *usage) {
        struct message_program_ended message = {
                .exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                .cpu_milliseconds = (uint64_t) (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
                                    (uint64_t) (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000,
                .peak_bytes = (uint64_t) usage->ru_maxrss * 1024,
        };
        struct error unsent;
        (void) !message_send(channel, MESSAGE_PROGRAM_ENDED, &message, NULL, 0, NULL, 0, &unsent);
}

/* Refused calls */

struct refused {
        int door;     /* by which the listener comes from the program; -1: it has come, or never will */
        int listener; /* -1: none */
        struct message_refused counted; /* and not told yet */
        uint64_t tell_at;               /* milliseconds; 0: there is nothing to tell */
};

static void take_listener(struct refused *refused) {
        static uint8_t storage[IPC_MESSAGE_MAXIMUM] __attribute__((aligned(8)));
        struct message message;
        struct error error;
        if (message_receive(refused->door, MESSAGE_BIT(MESSAGE_LISTENER), storage, &message, &error) > 0) {
                refused->listener = steal_fd(&message.fds[0]);
                message_close_fds(&message);
        }
        close_fd(&refused->door);
}

static void answer(struct refused *refused, short events) {
        if (!(events & POLLIN)) {
                close_fd(&refused->listener); /* no process is left that could be refused anything */
                return;
        }
        int number = sandbox_answer_refused(refused->listener);
        if (number < 0) {
                /* Better that the kernel refuses, and nobody counts, than that a program waits for ever. */
                if (number != -ENOENT)
                        close_fd(&refused->listener);
                return;
        }
        refused->counted.times[number]++;
        if (refused->tell_at == 0)
                refused->tell_at = now_milliseconds() + TELL_MILLISECONDS;
}

/* What a supervisor that does not read has no room for is told later, with what has come by then. */
static void tell_refused(int channel, struct refused *refused) {
        struct pollfd room = { .fd = channel, .events = POLLOUT };
        struct error unsent;
        refused->tell_at = now_milliseconds() + TELL_MILLISECONDS;
        if (poll(&room, 1, 0) <= 0 || !(room.revents & POLLOUT) ||
            message_send(channel, MESSAGE_REFUSED, &refused->counted, NULL, 0, NULL, 0, &unsent) < 0)
                return;
        refused->counted = (struct message_refused){ 0 };
        refused->tell_at = 0;
}

/* True when it is the supervisor that has ended: nothing is ever said to a keeper. */
static bool wait_for_events(int channel, struct refused *refused) {
        sigset_t none;
        sigemptyset(&none);
        struct pollfd fds[] = {
                { .fd = channel, .events = POLLIN },
                { .fd = refused->door, .events = POLLIN }, /* a negative one is passed over */
                { .fd = refused->listener, .events = POLLIN },
        };
        struct timespec patience = { 0 };
        uint64_t now = refused->tell_at > 0 ? now_milliseconds() : 0;
        if (refused->tell_at > now)
                patience.tv_nsec = (long) (refused->tell_at - now) * 1000000;
        int ready = ppoll(fds, array_length(fds), refused->tell_at > 0 ? &patience : NULL, &none);
        if (refused->tell_at > 0 && now >= refused->tell_at)
                tell_refused(channel, refused);
        if (ready <= 0)
                return false;
        if (fds[1].revents)
                take_listener(refused);
        if (fds[2].revents)
                answer(refused, fds[2].revents);
        return fds[0].revents;
}

/* Returns when the program has ended or the supervisor is gone. */
static void watch(int channel, pid_t program, int door) {
        static struct refused refused;
        refused.door = door;
        refused.listener = -1;
        for (;;) {
                int status;
                struct rusage usage;
                pid_t pid;
                while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
                        if (pid == program) {
                                if (refused.tell_at > 0)
                                        tell_refused(channel, &refused);
                                tell_ended(channel, status, &usage);
                                return;
                        }
                if (pid < 0)
                        return; /* it always has a child; to end is better than to wait for what it cannot see */
                if (wait_for_events(channel, &refused))
                        return;
        }
}

/* Until watch() waits for it, the end of a child stays pending. The zygote ignores it, and a program must not inherit
 * that. */
static int hold_child_signal(struct error *error) {
        sigset_t child;
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || sigprocmask(SIG_BLOCK, &child, NULL) < 0)
                return error_set(error, errno, "holding back the signal of a child's end");
        return 0;
}

/* Without a handler the signal would end no ppoll(), and the program's end go unseen. */
static int handle_child_signal(struct error *error) {
        struct sigaction action = { .sa_handler = on_child };
        if (sigaction(SIGCHLD, &action, NULL) < 0)
                return error_set(error, errno, "asking for the signal of a child's end");
        return 0;
}

/* All that is not for waiting and telling. The standard streams are the server's log: nothing of a sandbox may write
 * there. */
static int close_world(struct world *world, struct message *park, struct error *error) {
        close_fd(&world->terminal);
        message_close_fds(park);
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        return handle_child_signal(error);
}

static pid_t fork_program(const struct sandbox_host *host, int keeper_channel, int program_channel,
                          const int door[static 2], const struct world *world) {
        interpreter_before_fork();
        pid_t program = fork();
        if (program == 0) {
                close(keeper_channel);
                close(door[0]);
                close(world->master);
                close(world->hints);
                sigset_t none;
                sigemptyset(&none);
                sigprocmask(SIG_SETMASK, &none, NULL);
                program_run(host, program_channel, door[1], world->terminal);
        }
        return program;
}

void keeper_run(const struct sandbox_host *host, struct message *park) {
        const struct message_park *request = park->body;
        struct error error = { 0 };
        int channel = steal_fd(&park->fds[0]);
        if (park->fd_count != request->control_groups + 2u)
                _exit(1);
        prctl(PR_SET_NAME, "carrel-keeper", 0, 0, 0);
        struct world world;
        int door[2];
        if (hold_child_signal(&error) < 0 || channel_pair(door, &error) < 0 ||
            sandbox_make_world(host, park->fds + 2, request->control_groups, &world, &error) < 0)
                give_up(channel, &error);
        for (size_t i = 0; i < request->control_groups; i++)
                close_fd(&park->fds[2 + i]); /* joined; the program has no business with them */
        pid_t program = fork_program(host, channel, park->fds[1], door, &world);
        if (program < 0) {
                error_set(&error, errno, "forking the program");
                give_up(channel, &error);
        }
        /* The walls before the word that it is ready: what fails here is told in its place, and no text ever runs
         * beside an open keeper. */
        close_fd(&door[1]);
        keeper_shed();
        if (close_world(&world, park, &error) < 0 || sandbox_confine_keeper(&error) < 0)
                give_up(channel, &error);
        struct message_parked answer = { .program = program };
        const int fds[] = { world.master, world.hints };
        if (message_send(channel, MESSAGE_PARKED, &answer, NULL, 0, fds, array_length(fds), &error) < 0)
                _exit(1);
        close_fd(&world.master);
        close_fd(&world.hints);
        watch(channel, program, door[0]);
        _exit(0);
}
