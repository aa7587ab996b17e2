#include "frames.h"
#include "limits.h"
#include "outgoing.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

struct frames {
        struct loop *loop;
        int fd;
        struct MHD_UpgradeResponseHandle *upgrade;
        struct watch *watch;
        wslay_event_context_ptr wslay;
        struct frames_limits limits;
        const struct frames_functions *functions;
        void *context;

        struct outgoing outgoing;

        uint8_t *early; /* read with the handshake, not yet given to wslay */
        size_t early_size, early_start;
        size_t arriving;  /* our part of *limits.receiving */
        size_t fragments; /* of the message that is arriving */
        size_t read_this_turn;

        uint64_t heard, pinged, closing_since;
        bool paused, closing, half_closed, closed, told, destroyed;
        const char *why;
};

enum { HEADER_MAXIMUM = 10, PARTS_A_WRITE = 16 };

static void frames_end(struct frames *frames, const char *why);
static void flush(struct frames *frames);
static void update_watch(struct frames *frames);
static bool held_back(const struct frames *frames);
static void receive_later(void *context);

static const size_t queue_limits[FRAME_KINDS] = {
        [FRAME_EVENT] = EVENTS_QUEUED,
        [FRAME_REPLY] = REPLIES_QUEUED,
        [FRAME_TERMINAL] = TERMINAL_QUEUED,
        [FRAME_CONTROL] = 64 << 10, /* a peer that sends pings and takes no pongs */
};

/* The end */

static void tell_closed(void *context) {
        struct frames *frames = context;
        if (frames->destroyed || frames->told)
                return;
        frames->told = true;
        frames->functions->on_closed(frames->context, frames->why);
}

/* At the end of the turn: whoever sends need not expect to be called back. */
static void frames_end(struct frames *frames, const char *why) {
        if (frames->closed)
                return;
        frames->closed = true;
        frames->why = why;
        watch_remove(steal_pointer(&frames->watch));
        loop_defer(frames->loop, tell_closed, frames);
}

static void frames_free(void *context) {
        struct frames *frames = context;
        outgoing_finish(&frames->outgoing);
        wslay_event_context_free(frames->wslay);
        free(frames->early);
        free(frames);
}

void frames_destroy(struct frames *frames) {
        if (!frames || frames->destroyed)
                return;
        frames->destroyed = true;
        watch_remove(steal_pointer(&frames->watch));
        *frames->limits.receiving -= frames->arriving;
        frames->arriving = 0;
        MHD_upgrade_action(frames->upgrade, MHD_UPGRADE_ACTION_CLOSE);
        loop_defer(frames->loop, frames_free, frames);
}

/* Sending */

static size_t make_header(uint8_t opcode, size_t size, uint8_t header[static HEADER_MAXIMUM]) {
        header[0] = (uint8_t) (0x80 | opcode);
        if (size < 126) {
                header[1] = (uint8_t) size;
                return 2;
        }
        size_t bytes = size < 65536 ? 2 : 8;
        header[1] = bytes == 2 ? 126 : 127;
        for (size_t i = 0; i < bytes; i++)
                header[2 + i] = (uint8_t) ((uint64_t) size >> (8 * (bytes - 1 - i)));
        return 2 + bytes;
}

static ssize_t send_parts(int fd, struct iovec *parts, size_t count) {
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
        for (;;) {
                ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
                if (sent >= 0)
                        return sent;
                if (errno == EAGAIN || errno == EWOULDBLOCK)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

static void send_or_queue(struct frames *frames, enum frame_kind kind, struct iovec *parts, size_t count) {
        size_t size = 0;
        for (size_t i = 0; i < count; i++)
                size += parts[i].iov_len;
        ssize_t sent = 0;
        if (outgoing_empty(&frames->outgoing)) {
                sent = send_parts(frames->fd, parts, count);
                if (sent < 0) {
                        frames_end(frames, "connection lost");
                        return;
                }
        }
        if ((size_t) sent == size)
                return;
        if (frames->outgoing.bytes[kind] > queue_limits[kind]) {
                frames_end(frames, "too slow");
                return;
        }
        outgoing_add(&frames->outgoing, kind, parts, count, (size_t) sent);
        update_watch(frames);
}

void frames_send(struct frames *frames, enum frame_kind kind, const void *head, size_t head_size, const void *body,
                 size_t body_size) {
        if (frames->closed || frames->closing)
                return;
        uint8_t header[HEADER_MAXIMUM];
        uint8_t opcode = kind == FRAME_TERMINAL ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME;
        struct iovec parts[] = {
                { header, make_header(opcode, head_size + body_size, header) },
                { (void *) (uintptr_t) head, head_size },
                { (void *) (uintptr_t) body, body_size },
        };
        send_or_queue(frames, kind, parts, array_length(parts));
}

/* Everything is out: a close that was queued has been sent, and whoever closes first, closes now. */
static void drained(struct frames *frames) {
        if (!frames->closing || frames->half_closed)
                return;
        frames->half_closed = true;
        if (wslay_event_get_close_received(frames->wslay))
                frames_end(frames, "closed");
        else
                (void) shutdown(frames->fd, SHUT_WR); /* the peer's answer is still read, by a deadline */
}

static void flush(struct frames *frames) {
        while (!outgoing_empty(&frames->outgoing)) {
                struct iovec parts[PARTS_A_WRITE];
                size_t wanted, count = outgoing_parts(&frames->outgoing, parts, PARTS_A_WRITE, &wanted);
                ssize_t sent = send_parts(frames->fd, parts, count);
                if (sent < 0) {
                        frames_end(frames, "connection lost");
                        return;
                }
                outgoing_sent(&frames->outgoing, (size_t) sent);
                if ((size_t) sent < wanted)
                        break;
        }
        if (outgoing_empty(&frames->outgoing))
                drained(frames);
        if (frames->closed)
                return;
        update_watch(frames);
        if (frames->early && !held_back(frames))
                loop_defer(frames->loop, receive_later, frames);
}

/* What libwslay itself has to say: pongs and closes. */
static ssize_t on_wslay_send(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t size, int flags,
                             void *context) {
        (void) wslay, (void) flags;
        struct frames *frames = context;
        if (frames->closed)
                return (ssize_t) size;
        struct iovec part = { (void *) (uintptr_t) bytes, size };
        send_or_queue(frames, FRAME_CONTROL, &part, 1);
        return (ssize_t) size;
}

static void send_control(struct frames *frames) {
        if (frames->closed || !wslay_event_want_write(frames->wslay))
                return;
        if (wslay_event_send(frames->wslay) < 0)
                frames_end(frames, "broken WebSocket");
}

/* Receiving */

/* Replies that pile up hold further requests back. */
static bool held_back(const struct frames *frames) {
        return frames->paused || frames->outgoing.bytes[FRAME_REPLY] > REPLIES_QUEUED / 8;
}

static ssize_t on_wslay_receive(wslay_event_context_ptr wslay, uint8_t *buffer, size_t size, int flags, void *context) {
        (void) flags;
        struct frames *frames = context;
        if (frames->closed || frames->destroyed || held_back(frames) || frames->read_this_turn >= READ_A_TURN) {
                wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
                return -1;
        }
        if (frames->early) {
                size_t part = frames->early_size - frames->early_start;
                part = part < size ? part : size;
                memcpy(buffer, frames->early + frames->early_start, part);
                frames->early_start += part;
                if (frames->early_start == frames->early_size)
                        free(steal_pointer(&frames->early));
                return (ssize_t) part;
        }
        ssize_t count = recv(frames->fd, buffer, size, MSG_DONTWAIT);
        if (count > 0) {
                frames->read_this_turn += (size_t) count;
                frames->heard = now_milliseconds();
                return count;
        }
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
                wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
                return -1;
        }
        frames_end(frames, "connection lost");
        wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
}

/* libwslay reserves a frame's memory when its header has come, and one piece a fragment: both are counted here. */
static void on_wslay_frame(wslay_event_context_ptr wslay, const struct wslay_event_on_frame_recv_start_arg *frame,
                           void *context) {
        (void) wslay;
        struct frames *frames = context;
        if (wslay_is_ctrl_frame(frame->opcode))
                return;
        uint64_t size = frame->payload_length;
        frames->fragments++;
        bool binary = frame->opcode == WSLAY_BINARY_FRAME;
        if (size > frames->limits.message || (binary && size > frames->limits.binary) ||
            frames->fragments > FRAGMENTS_MAXIMUM) {
                frames_close(frames, WSLAY_CODE_MESSAGE_TOO_BIG, "too large");
                return;
        }
        frames->arriving += (size_t) size;
        *frames->limits.receiving += (size_t) size;
        if (*frames->limits.receiving > RECEIVING_MAXIMUM)
                frames_close(frames, 1013, "the server is busy");
}

static void message_arrived(struct frames *frames) {
        *frames->limits.receiving -= frames->arriving;
        frames->arriving = 0;
        frames->fragments = 0;
}

static void on_wslay_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *message,
                             void *context) {
        (void) wslay;
        struct frames *frames = context;
        if (wslay_is_ctrl_frame(message->opcode)) {
                if (message->opcode == WSLAY_CONNECTION_CLOSE)
                        frames->closing = true;
                return;
        }
        message_arrived(frames);
        if (frames->closing || frames->closed || frames->destroyed)
                return;
        if (message->opcode == WSLAY_TEXT_FRAME)
                frames->functions->on_text(frames->context, message->msg, message->msg_length);
        else if (message->msg_length > frames->limits.binary)
                frames_close(frames, WSLAY_CODE_MESSAGE_TOO_BIG, "too large");
        else
                frames->functions->on_binary(frames->context, message->msg, message->msg_length);
}

static void receive(struct frames *frames) {
        frames->read_this_turn = 0;
        if (wslay_event_recv(frames->wslay) < 0 && !frames->closed) {
                frames_end(frames, "broken WebSocket");
                return;
        }
        if (frames->closed || frames->destroyed)
                return;
        /* A protocol error makes libwslay queue a close of its own and read no further. */
        if (!wslay_event_get_read_enabled(frames->wslay) && !frames->closing_since) {
                frames->closing = true;
                frames->closing_since = now_milliseconds();
        }
        send_control(frames);
        if (!frames->closed && outgoing_empty(&frames->outgoing))
                drained(frames);
        if (!frames->closed)
                update_watch(frames);
}

/* While closing, what still comes is thrown away; the end of it is what we wait for. */
static void discard(struct frames *frames) {
        uint8_t waste[4096];
        for (size_t total = 0; total < READ_A_TURN;) {
                ssize_t count = recv(frames->fd, waste, sizeof waste, MSG_DONTWAIT);
                if (count < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (count <= 0) {
                        frames_end(frames, "closed");
                        return;
                }
                total += (size_t) count;
        }
}

static void on_socket(void *context, uint32_t events) {
        struct frames *frames = context;
        if (events & EPOLLOUT)
                flush(frames);
        if (frames->closed || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return;
        if ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN))
                frames_end(frames, "connection lost");
        else if (frames->closing)
                discard(frames);
        else
                receive(frames);
}

static void update_watch(struct frames *frames) {
        if (!frames->watch)
                return;
        uint32_t events = held_back(frames) && !frames->closing ? 0 : EPOLLIN;
        watch_change(frames->watch, events | (outgoing_empty(&frames->outgoing) ? 0 : EPOLLOUT));
}

void frames_pause(struct frames *frames) {
        frames->paused = true;
        if (!frames->closed)
                update_watch(frames);
}

static void receive_later(void *context) {
        struct frames *frames = context;
        if (!frames->closed && !frames->destroyed && !frames->closing)
                receive(frames);
}

void frames_resume(struct frames *frames) {
        if (!frames->paused)
                return;
        frames->paused = false;
        if (frames->closed)
                return;
        update_watch(frames);
        if (frames->early)
                loop_defer(frames->loop, receive_later, frames);
}

bool frames_paused(const struct frames *frames) {
        return frames->paused;
}

/* Life */

struct frames *frames_create(struct loop *loop, int fd, struct MHD_UpgradeResponseHandle *upgrade, const void *early,
                             size_t early_size, const struct frames_limits *limits,
                             const struct frames_functions *functions, void *context) {
        static const struct wslay_event_callbacks callbacks = {
                .recv_callback = on_wslay_receive,
                .send_callback = on_wslay_send,
                .on_frame_recv_start_callback = on_wslay_frame,
                .on_msg_recv_callback = on_wslay_message,
        };
        struct frames *frames = allocate(sizeof *frames);
        *frames = (struct frames){ .loop = loop,
                                   .fd = fd,
                                   .upgrade = upgrade,
                                   .limits = *limits,
                                   .functions = functions,
                                   .context = context };
        outgoing_start(&frames->outgoing);
        frames->heard = frames->pinged = now_milliseconds();
        if (wslay_event_context_server_init(&frames->wslay, &callbacks, frames) < 0)
                abort(); /* no memory, as in allocate() */
        wslay_event_config_set_max_recv_msg_length(frames->wslay, limits->message);
        /* Without it each small message waits for the acknowledgement of the one before: 40 ms. */
        int on = 1;
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        unsigned patience = SILENCE_MILLISECONDS;
        (void) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
        struct error error;
        if (loop_watch(loop, fd, EPOLLIN, on_socket, frames, &frames->watch, &error) < 0) {
                frames_end(frames, "no memory to watch the connection");
                return frames;
        }
        if (early_size > 0) {
                frames->early = reallocate_array(NULL, early_size, 1);
                memcpy(frames->early, early, early_size);
                frames->early_size = early_size;
                loop_defer(loop, receive_later, frames);
        }
        return frames;
}

void frames_close(struct frames *frames, uint16_t code, const char *reason) {
        if (frames->closed || frames->closing)
                return;
        /* Queued before `closing` is set, which lets no more messages through. */
        if (wslay_event_queue_close(frames->wslay, code, (const uint8_t *) reason, strlen(reason)) < 0) {
                frames_end(frames, "closed");
                return;
        }
        frames->closing = true;
        frames->closing_since = now_milliseconds();
        wslay_event_shutdown_read(frames->wslay);
        send_control(frames);
        if (!frames->closed && outgoing_empty(&frames->outgoing))
                drained(frames);
        if (!frames->closed)
                update_watch(frames);
}

void frames_sweep(struct frames *frames, uint64_t now) {
        if (frames->closed)
                return;
        if (frames->closing) {
                if (!frames->closing_since)
                        frames->closing_since = now;
                if (now - frames->closing_since > CLOSING_MILLISECONDS)
                        frames_end(frames, "closed");
                return;
        }
        /* One that we do not read from cannot be heard. */
        if (held_back(frames))
                frames->heard = frames->heard + 1000 < now ? frames->heard + 1000 : now;
        if (now - frames->heard > SILENCE_MILLISECONDS) {
                frames_end(frames, "silent");
                return;
        }
        if (now - frames->pinged < PING_MILLISECONDS)
                return;
        frames->pinged = now;
        static const uint8_t ping[] = { 0x80 | WSLAY_PING, 0 };
        struct iovec part = { (void *) (uintptr_t) ping, sizeof ping };
        send_or_queue(frames, FRAME_CONTROL, &part, 1);
}

bool frames_ending(const struct frames *frames) {
        return frames->closing || frames->closed;
}
