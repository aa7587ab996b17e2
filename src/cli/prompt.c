#include "prompt.h"

#include <signal.h>
#include <termios.h>

static volatile sig_atomic_t caught;

static void catch_signal(int number) {
        caught = number;
}

/* A line without its end; what does not fit stays unread. */
static int read_line(char *ret_line, size_t size, struct error *error) {
        size_t used = 0;
        for (;;) {
                char character;
                ssize_t got = read(STDIN_FILENO, &character, 1);
                if (got < 0)
                        return error_set(error, errno, "read the password");
                if (got == 0 && used == 0)
                        return error_say(error, EINVAL, "there is no password on standard input");
                if (got == 0 || character == '\n')
                        break;
                if (character == '\0')
                        return error_say(error, EINVAL, "a password cannot hold a NUL");
                if (used < size - 1)
                        ret_line[used++] = character;
        }
        if (used > 0 && ret_line[used - 1] == '\r')
                used--;
        ret_line[used] = '\0';
        return 0;
}

static int ask_hidden(const char *question, char *ret_line, size_t size, struct error *error) {
        struct termios before, hidden;
        if (tcgetattr(STDIN_FILENO, &before) < 0)
                return error_set(error, errno, "ask for a password");
        hidden = before;
        hidden.c_lflag &= (tcflag_t) ~(ECHO | ECHOE | ECHOK);
        hidden.c_lflag |= ECHONL;
        /* Ctrl-C must not leave a terminal that shows nothing: it interrupts the read, and is sent on below. */
        struct sigaction old, action = { .sa_handler = catch_signal };
        caught = 0;
        sigaction(SIGINT, &action, &old);
        fputs(question, stderr);
        int r = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0 ? error_set(error, errno, "ask for a password")
                                                                : read_line(ret_line, size, error);
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before); /* nothing better could be done than what was tried */
        sigaction(SIGINT, &old, NULL);
        if (caught) {
                fputc('\n', stderr);
                raise(caught);
        }
        return r;
}

static int ask_twice(struct new_password *ret_password, struct error *error) {
        struct new_password again;
        int r = ask_hidden("New password: ", ret_password->text, sizeof ret_password->text, error);
        if (r >= 0)
                r = ask_hidden("Once more: ", again.text, sizeof again.text, error);
        if (r >= 0 && strcmp(ret_password->text, again.text) != 0)
                r = error_say(error, EINVAL, "the two passwords differ; nothing was done");
        explicit_bzero(&again, sizeof again);
        return r;
}

int prompt_password(bool from_stdin, struct new_password *ret_password, struct error *error) {
        ret_password->generated = false;
        if (from_stdin)
                return read_line(ret_password->text, sizeof ret_password->text, error);
        if (isatty(STDIN_FILENO))
                return ask_twice(ret_password, error);
        account_generate_password(ret_password->text);
        ret_password->generated = true;
        return 0;
}
