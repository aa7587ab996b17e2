/*
 * Bytes. What a program prints goes from the terminal's master into the scrollback, and from there to each viewer at
 * its own pace. What is typed goes into the master as fast as the program reads.
 *
 * Back-pressure: a viewer is sent at most RUN_WINDOW bytes beyond what it has acknowledged. While every viewer of a run
 * is that far behind, the master is not read, the kernel's buffer fills, and the program waits in its print(). A run
 * without viewers is not held up. So a slow page slows its own program; memory is the scrollback's and no more.
 */
#include "internal.h"
#include "../base/log.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

enum { READ_SIZE = 65536, SEND_SIZE = 32768 };

static void send_to(struct viewer *viewer);

/* Viewers */

static bool may_take_more(const struct viewer *viewer) {
        return viewer->run->scrollback.next - viewer->acknowledged < RUN_WINDOW;
}

static bool held_up(const struct run *run) {
        if (run->reason == REASON_OUTPUT_LIMIT)
                return true; /* until it is gone */
        if (!run->viewers)
                return false;
        for (const struct viewer *viewer = run->viewers; viewer; viewer = viewer->next)
                if (may_take_more(viewer))
                        return false;
        return true;
}

static void update_watch(struct run *run) {
        if (!run->master_watch)
                return;
        watch_change(run->master_watch, (held_up(run) ? 0 : (uint32_t) EPOLLIN) |
                                                (buffer_size(&run->input) > 0 ? (uint32_t) EPOLLOUT : 0));
}

static void send_to(struct viewer *viewer) {
        struct scrollback *scrollback = &viewer->run->scrollback;
        if (viewer->sent < scrollback->first) {
                viewer->functions.skipped(viewer->functions.context, viewer, viewer->sent, scrollback->first);
                viewer->sent = viewer->acknowledged = scrollback->first;
        }
        while (viewer->sent < scrollback->next && viewer->sent - viewer->acknowledged < RUN_WINDOW) {
                size_t size, room = RUN_WINDOW - (size_t) (viewer->sent - viewer->acknowledged);
                const uint8_t *bytes = scrollback_at(scrollback, viewer->sent, &size);
                if (size > room)
                        size = room;
                if (size > SEND_SIZE)
                        size = SEND_SIZE;
                viewer->sent += size;
                if (!viewer->functions.output(viewer->functions.context, viewer, viewer->sent - size, bytes, size)) {
                        viewer->sent -= size;
                        return;
                }
        }
}

static void send_to_all(struct run *run) {
        for (struct viewer *viewer = run->viewers; viewer; viewer = viewer->next)
                send_to(viewer);
        update_watch(run);
}

struct viewer *viewer_attach(struct run *run, uint64_t number, uint64_t from, const struct viewer_functions *functions,
                             uint64_t *ret_from) {
        struct viewer *viewer = viewer_find(run, number);
        if (viewer)
                viewer_detach(viewer);
        if (from < run->scrollback.first)
                from = run->scrollback.first;
        if (from > run->scrollback.next)
                from = run->scrollback.next;
        viewer = allocate(sizeof *viewer);
        *viewer = (struct viewer){ .run = run,
                                   .next = run->viewers,
                                   .number = number,
                                   .sent = from,
                                   .acknowledged = from,
                                   .functions = *functions };
        run->viewers = viewer;
        *ret_from = from;
        return viewer;
}

struct viewer *viewer_find(struct run *run, uint64_t number) {
        struct viewer *viewer = run->viewers;
        while (viewer && viewer->number != number)
                viewer = viewer->next;
        return viewer;
}

struct run *viewer_run(const struct viewer *viewer) {
        return viewer->run;
}

uint64_t viewer_number(const struct viewer *viewer) {
        return viewer->number;
}

void viewer_acknowledge(struct viewer *viewer, uint64_t offset) {
        if (offset <= viewer->acknowledged)
                return;
        viewer->acknowledged = offset < viewer->sent ? offset : viewer->sent;
        viewer_wake(viewer);
}

void viewer_wake(struct viewer *viewer) {
        send_to(viewer);
        update_watch(viewer->run);
}

void viewer_detach(struct viewer *viewer) {
        struct run *run = viewer->run;
        struct viewer **at = &run->viewers;
        while (*at != viewer)
                at = &(*at)->next;
        *at = viewer->next;
        free(viewer);
        update_watch(run);
}

/* Output */

static void hang_up(struct run *run) {
        /* Linux reports a hang-up again and again; the sampler looks now and then whether the terminal was opened anew.
         */
        watch_remove(steal_pointer(&run->master_watch));
        run->hung_up = true;
}

/* Reads once; false when there was nothing. */
static bool read_some(struct run *run) {
        static uint8_t bytes[READ_SIZE];
        ssize_t size = read(run->master, bytes, sizeof bytes);
        if (size < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (size <= 0) {
                hang_up(run);
                return false;
        }
        scrollback_append(&run->scrollback, bytes, (size_t) size);
        run->printed += (uint64_t) size;
        return true;
}

static void write_some(struct run *run) {
        while (buffer_size(&run->input) > 0) {
                ssize_t size = write(run->master, buffer_front(&run->input), buffer_size(&run->input));
                if (size <= 0)
                        break; /* EAGAIN: the program does not read; EIO: nobody is there, and hang_up() will say so */
                buffer_consume(&run->input, (size_t) size);
        }
}

/* Also before the program starts: what is typed early waits in the kernel for it. */
void terminal_type(struct run *run) {
        if (run->master < 0)
                return;
        write_some(run);
        update_watch(run);
}

static void on_master(void *context, uint32_t events) {
        struct run *run = context;
        if (events & EPOLLOUT)
                write_some(run);
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && read_some(run)) {
                send_to_all(run);
                sample_soon(run);
                sample_activity(run);
                limits_printed(run);
                update_watch(run);
                return;
        }
        update_watch(run);
}

int terminal_open(struct run *run, int master, struct error *error) {
        run->master = master;
        int flags = fcntl(master, F_GETFL);
        if (flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0)
                return error_set(error, errno, "setting up a terminal");
        struct termios modes;
        if (run->engine->options.plain_terminal && tcgetattr(master, &modes) == 0) {
                modes.c_oflag &= ~(tcflag_t) OPOST;
                modes.c_lflag &= ~(tcflag_t) (ECHO | ECHONL);
                if (tcsetattr(master, TCSANOW, &modes) < 0)
                        return error_set(error, errno, "setting a terminal's modes");
        }
        return loop_watch(run->engine->loop, master, EPOLLIN, on_master, run, &run->master_watch, error);
}

void terminal_retry(struct run *run) {
        struct error error;
        if (!run->hung_up || run->master < 0)
                return;
        run->hung_up = false;
        if (loop_watch(run->engine->loop, run->master, EPOLLIN, on_master, run, &run->master_watch, &error) < 0)
                run->hung_up = true;
}

void terminal_drain(struct run *run) {
        if (run->master < 0 || run->reason == REASON_OUTPUT_LIMIT)
                return;
        while (read_some(run))
                continue;
}

void terminal_close(struct run *run) {
        watch_remove(steal_pointer(&run->master_watch));
        close_fd(&run->master);
        buffer_finish(&run->input);
        send_to_all(run);
}

void terminal_say(struct run *run, const char *text) {
        char line[SENTENCE_BYTES + 64];
        int size = snprintf(line, sizeof line, "\r\n\x1b[1;33m[Carrel] %s\x1b[0m\r\n", text);
        scrollback_append(&run->scrollback, line, (size_t) size);
        send_to_all(run);
}

/* Input */

void run_input(struct run *run, const void *bytes, size_t size) {
        if (run->state == RUN_ENDED)
                return;
        sample_input(run);
        sample_activity(run);
        if (buffer_append(&run->input, bytes, size) < 0) {
                /* What a real terminal does with keys that nobody reads: it beeps. */
                scrollback_append(&run->scrollback, "\a", 1);
                send_to_all(run);
                return;
        }
        terminal_type(run);
}

void terminal_set_size(struct run *run) {
        struct winsize size = { .ws_row = run->rows, .ws_col = run->columns };
        if (run->master >= 0)
                (void) ioctl(run->master, TIOCSWINSZ, &size); /* cannot fail for a master */
}

void run_resize(struct run *run, uint16_t columns, uint16_t rows) {
        if (run->columns == columns && run->rows == rows)
                return;
        run->columns = columns;
        run->rows = rows;
        if (run->state != RUN_PARKED)
                terminal_set_size(run);
        engine_changed(run); /* all who watch it show it in that size */
}
