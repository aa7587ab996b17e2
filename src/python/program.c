/* The program's process, from its fork to the first line of the student's text. */
#include "python.h"
#include "internal.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* The longest text that is run; what an editor may save is shorter. */
enum { SOURCE_MAXIMUM = 8 << 20 };

/* Said where the student looks. */
static _Noreturn void give_up(const struct error *error) {
        dprintf(STDERR_FILENO, "Carrel could not start this program: %s\r\n", error->text);
        _exit(PROGRAM_NOT_STARTED);
}

static int read_source(int fd, char **ret_source, size_t *ret_size, struct error *error) {
        struct stat status;
        if (fstat(fd, &status) < 0)
                return error_set(error, errno, "looking at the program's text");
        if (!S_ISREG(status.st_mode))
                return error_say(error, EINVAL, "the program's text is not a file");
        if (status.st_size > SOURCE_MAXIMUM)
                return error_say(error, EFBIG, "the program's text is longer than %d MB", SOURCE_MAXIMUM >> 20);
        size_t capacity = (size_t) status.st_size;
        free_scoped char *source = allocate(capacity + 1);
        size_t size = 0;
        while (size < capacity) { /* by pread: the offset may be shared with whoever opened the file */
                ssize_t got = pread(fd, source + size, capacity - size, (off_t) size);
                if (got < 0)
                        return error_set(error, errno, "reading the program's text");
                if (got == 0)
                        break;
                size += (size_t) got;
        }
        *ret_source = steal_pointer(&source);
        *ret_size = size;
        return 0;
}

/* Which descriptor is which: the workspace, one for each bit of `shared`, the text. */
struct delivery {
        int workspace, source;
        int shared[SHARED_TREES];
};

static int sort_delivery(const struct message_program *program, const struct message *message,
                         struct delivery *ret_delivery, struct error *error) {
        size_t next = 0;
        struct delivery delivery = { .workspace = message->fds[next++], .source = -1 };
        for (size_t i = 0; i < SHARED_TREES; i++)
                delivery.shared[i] = program->shared & (1u << i) ? message->fds[next++] : -1;
        if (program->has_source)
                delivery.source = message->fds[next++];
        if (message->fd_count != next)
                return error_say(error, EPROTO, "the start message had %zu descriptors", message->fd_count);
        *ret_delivery = delivery;
        return 0;
}

/* The supervisor sets the terminal's size just before it says what to run: what a program would do about that must not
 * come before its start. */
static void hold_back_size(int how) {
        sigset_t size;
        sigemptyset(&size);
        sigaddset(&size, SIGWINCH);
        sigprocmask(how, &size, NULL);
}

/* Whoever holds the listener decides what a program is refused: no line of a student's may ever run beside it. */
static int give_listener(int keeper, struct program_walls *walls, struct error *error) {
        int result = walls->listener < 0 ? 0
                                         : message_send(keeper, MESSAGE_LISTENER, &(struct message_empty){ 0 }, NULL, 0,
                                                        &walls->listener, 1, error);
        close_fd(&walls->listener);
        close_fd(&keeper);
        return result;
}

void program_run(const struct sandbox_host *host, int channel, int keeper, int terminal) {
        static uint8_t storage[IPC_MESSAGE_MAXIMUM] __attribute__((aligned(8)));
        struct error error = { 0 };
        prctl(PR_SET_NAME, "python3", 0, 0, 0);
        struct program_walls walls;
        if (sandbox_prepare_program(host, terminal, &walls, &error) < 0 || give_listener(keeper, &walls, &error) < 0 ||
            interpreter_adopt(&error) < 0)
                give_up(&error);
        interpreter_warm_up();
        hold_back_size(SIG_BLOCK);
        struct message message;
        int result = message_receive(channel, MESSAGE_BIT(MESSAGE_PROGRAM), storage, &message, &error);
        hold_back_size(SIG_UNBLOCK);
        if (result == 0)
                _exit(0); /* never needed */
        if (result < 0)
                give_up(&error);
        const struct message_program *program = message.body;
        struct delivery delivery = { .workspace = -1, .source = -1 };
        char *source = NULL;
        size_t source_size = 0;
        if (sort_delivery(program, &message, &delivery, &error) < 0)
                give_up(&error);
        if (program->has_source && read_source(delivery.source, &source, &source_size, &error) < 0)
                give_up(&error);
        int listeners[HOSTS_ENDPOINTS];
        size_t listener_count = 0;
        if (*program->network && sandbox_open_network(program->network, listeners, &listener_count, &error) < 0)
                give_up(&error);
        if (sandbox_enter_program(host, &walls, program, delivery.workspace, delivery.shared, &error) < 0 ||
            message_send(channel, MESSAGE_READY, &(struct message_empty){ 0 }, NULL, 0, listeners, listener_count,
                         &error) < 0)
                give_up(&error);
        if (close_range(3, ~0u, 0) < 0) {
                error_set(&error, errno, "closing what is not the program's");
                give_up(&error);
        }
        interpreter_run(program, message.payload, message.payload_size, source, source_size);
}
