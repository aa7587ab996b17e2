#include "ipc.h"
#include "../base/buffer.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct header {
        uint16_t type;
        uint16_t body_size;
        uint32_t payload_size;
};

static const uint16_t body_sizes[MESSAGE_TYPES] = {
#define X(type, structure) [type] = sizeof(struct structure),
        MESSAGE_TABLE(X)
#undef X
};

static const char *const type_names[MESSAGE_TYPES] = {
#define X(type, structure) [type] = #type,
        MESSAGE_TABLE(X)
#undef X
};

_Static_assert(MESSAGE_TYPES <= 64, "a permit row is 64 bits");
_Static_assert(sizeof(struct header) == 8, "IPC_MESSAGE_MAXIMUM counts on it");

enum { BODY_MAXIMUM = 4096 };
#define X(type, structure) _Static_assert(sizeof(struct structure) <= BODY_MAXIMUM, #structure " is too large");
MESSAGE_TABLE(X)
#undef X

struct queued {
        struct queued *next;
        size_t size;
        size_t fd_count;
        int fds[IPC_DESCRIPTORS_MAXIMUM];
        uint8_t bytes[];
};

struct channel {
        struct loop *loop;
        int fd;
        struct watch *watch;
        uint64_t receives;
        channel_message_function *on_message;
        channel_close_function *on_close;
        void *context;
        struct queued *first, **last;
        size_t pending;
        bool closed;    /* on_close has been called or is due */
        bool destroyed; /* freed at the end of the turn */
        struct error why;
};

enum { MESSAGES_A_TURN = 64 }; /* then other watches have their turn */

/* Where a message lies while its callback runs: one for all channels, since all are the loop's and no callback
 * receives. */
static uint8_t storage[IPC_MESSAGE_MAXIMUM] __attribute__((aligned(8)));

/* One message over a bare socket */

static int send_one(int fd, const struct iovec *parts, size_t part_count, const int *fds, size_t fd_count, int flags) {
        union {
                char bytes[CMSG_SPACE(sizeof(int) * IPC_DESCRIPTORS_MAXIMUM)];
                struct cmsghdr align;
        } control = { 0 };
        struct msghdr message = { .msg_iov = (struct iovec *) (uintptr_t) parts, .msg_iovlen = part_count };
        if (fd_count > 0) {
                message.msg_control = control.bytes;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
                struct cmsghdr *part = CMSG_FIRSTHDR(&message);
                part->cmsg_level = SOL_SOCKET;
                part->cmsg_type = SCM_RIGHTS;
                part->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
                memcpy(CMSG_DATA(part), fds, sizeof(int) * fd_count);
        }
        for (;;) {
                if (sendmsg(fd, &message, flags | MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

int message_send(int fd, uint16_t type, const void *body, const void *payload, size_t payload_size, const int *fds,
                 size_t fd_count, struct error *error) {
        struct header header = { type, body_sizes[type], (uint32_t) payload_size };
        struct iovec parts[] = {
                { &header, sizeof header },
                { (void *) (uintptr_t) body, body_sizes[type] },
                { (void *) (uintptr_t) payload, payload_size },
        };
        int result = send_one(fd, parts, array_length(parts), fds, fd_count, 0);
        return result < 0 ? error_set(error, -result, "sending %s", type_names[type]) : 0;
}

static void collect_fds(struct msghdr *received, struct message *message) {
        for (struct cmsghdr *part = CMSG_FIRSTHDR(received); part; part = CMSG_NXTHDR(received, part)) {
                if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < count; i++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
                        if (message->fd_count < IPC_DESCRIPTORS_MAXIMUM)
                                message->fds[message->fd_count++] = fd;
                        else
                                close(fd);
                }
        }
}

/* Every rule that a message must keep, in one place. */
static int check_message(const struct header *header, size_t size, const struct msghdr *received, uint64_t receives,
                         struct error *error) {
        if (received->msg_flags & (MSG_TRUNC | MSG_CTRUNC))
                return error_say(error, EPROTO, "a message was longer than any may be");
        if (size < sizeof *header)
                return error_say(error, EPROTO, "a message was shorter than its header");
        if (header->type >= MESSAGE_TYPES)
                return error_say(error, EPROTO, "a message of the unknown type %u", header->type);
        if (!(receives & MESSAGE_BIT(header->type)))
                return error_say(error, EPROTO, "%s is not permitted here", type_names[header->type]);
        if (header->body_size != body_sizes[header->type] || header->payload_size > IPC_PAYLOAD_MAXIMUM ||
            size != sizeof *header + header->body_size + header->payload_size)
                return error_say(error, EPROTO, "%s has the wrong size", type_names[header->type]);
        return 0;
}

static int receive_one(int fd, uint64_t receives, int flags, uint8_t *place, struct message *message,
                       struct error *error) {
        union {
                char bytes[CMSG_SPACE(sizeof(int) * IPC_DESCRIPTORS_MAXIMUM)];
                struct cmsghdr align;
        } control;
        struct iovec whole = { place, IPC_MESSAGE_MAXIMUM };
        struct msghdr received = {
                .msg_iov = &whole, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control
        };
        ssize_t size;
        do
                size = recvmsg(fd, &received, flags | MSG_CMSG_CLOEXEC);
        while (size < 0 && errno == EINTR);
        if (size < 0)
                return errno == ECONNRESET ? 0 : -errno;
        *message = (struct message){ .fds = { [0 ... IPC_DESCRIPTORS_MAXIMUM - 1] = -1 } };
        collect_fds(&received, message);
        if (size == 0) {
                message_close_fds(message);
                return 0;
        }
        struct header header = { 0 };
        memcpy(&header, place, (size_t) size < sizeof header ? (size_t) size : sizeof header);
        int result = check_message(&header, (size_t) size, &received, receives, error);
        if (result < 0) {
                message_close_fds(message);
                return result;
        }
        message->type = header.type;
        message->body = place + sizeof header;
        message->payload = place + sizeof header + header.body_size;
        message->payload_size = header.payload_size;
        return 1;
}

int message_receive(int fd, uint64_t receives, void *place, struct message *ret_message, struct error *error) {
        int result = receive_one(fd, receives, 0, place, ret_message, error);
        if (result < 0 && result != -EPROTO)
                error_set(error, -result, "receiving a message");
        return result;
}

void message_close_fds(struct message *message) {
        for (size_t i = 0; i < IPC_DESCRIPTORS_MAXIMUM; i++)
                close_fd(&message->fds[i]);
}

int channel_pair(int ret_ends[2], struct error *error) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
                return error_set(error, errno, "making a socket pair");
        return 0;
}

/* Channels */

static void queued_free(struct queued *queued) {
        for (size_t i = 0; i < queued->fd_count; i++)
                close_fd(&queued->fds[i]);
        free(queued);
}

static void channel_free(void *context) {
        struct channel *channel = context;
        while (channel->first) {
                struct queued *queued = channel->first;
                channel->first = queued->next;
                queued_free(queued);
        }
        free(channel);
}

static void tell_closed(void *context) {
        struct channel *channel = context;
        if (!channel->destroyed)
                channel->on_close(channel->context, &channel->why);
}

/* Told at the end of the turn, never from inside channel_send(): senders need not expect to be called back. */
static void channel_fail(struct channel *channel) {
        if (channel->closed)
                return;
        channel->closed = true;
        watch_remove(steal_pointer(&channel->watch));
        close_fd(&channel->fd);
        loop_defer(channel->loop, tell_closed, channel);
}

static void flush_queue(struct channel *channel) {
        while (channel->first) {
                struct queued *queued = channel->first;
                struct iovec whole = { queued->bytes, queued->size };
                int result = send_one(channel->fd, &whole, 1, queued->fds, queued->fd_count, MSG_DONTWAIT);
                if (result == -EAGAIN)
                        return;
                if (result < 0) {
                        error_set(&channel->why, -result, "sending a queued message");
                        channel_fail(channel);
                        return;
                }
                channel->pending -= queued->size;
                channel->first = queued->next;
                if (!channel->first)
                        channel->last = &channel->first;
                queued_free(queued);
        }
        watch_change(channel->watch, EPOLLIN);
}

static void receive_some(struct channel *channel) {
        for (int i = 0; i < MESSAGES_A_TURN && !channel->closed && !channel->destroyed; i++) {
                struct message message;
                int result =
                        receive_one(channel->fd, channel->receives, MSG_DONTWAIT, storage, &message, &channel->why);
                if (result == -EAGAIN)
                        return;
                if (result <= 0) {
                        if (result == 0)
                                error_say(&channel->why, EPIPE, "the other process is gone");
                        else if (result != -EPROTO)
                                error_set(&channel->why, -result, "receiving a message");
                        channel_fail(channel);
                        return;
                }
                channel->on_message(channel->context, &message);
                message_close_fds(&message);
        }
}

static void on_channel(void *context, uint32_t events) {
        struct channel *channel = context;
        if (events & EPOLLOUT)
                flush_queue(channel);
        if (!channel->closed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                receive_some(channel);
}

int channel_create(struct loop *loop, int fd, uint64_t receives, channel_message_function *on_message,
                   channel_close_function *on_close, void *context, struct channel **ret_channel, struct error *error) {
        struct channel *channel = allocate(sizeof *channel);
        *channel = (struct channel){ .loop = loop,
                                     .fd = fd,
                                     .receives = receives,
                                     .on_message = on_message,
                                     .on_close = on_close,
                                     .context = context };
        channel->last = &channel->first;
        int result = loop_watch(loop, fd, EPOLLIN, on_channel, channel, &channel->watch, error);
        if (result < 0) {
                close_fd(&channel->fd);
                channel_free(channel);
                return result;
        }
        *ret_channel = channel;
        return 0;
}

void channel_destroy(struct channel *channel) {
        if (!channel || channel->destroyed)
                return;
        channel->destroyed = true;
        watch_remove(steal_pointer(&channel->watch));
        close_fd(&channel->fd);
        loop_defer(channel->loop, channel_free, channel);
}

static void enqueue(struct channel *channel, const struct iovec *parts, size_t part_count, const int *fds,
                    size_t fd_count) {
        size_t size = 0;
        for (size_t i = 0; i < part_count; i++)
                size += parts[i].iov_len;
        if (channel->pending + size > IPC_QUEUE_LIMIT) {
                error_say(&channel->why, ENOBUFS, "the other process takes nothing: %zu bytes wait for it",
                          channel->pending);
                channel_fail(channel);
                return;
        }
        struct queued *queued = allocate(sizeof *queued + size);
        queued->size = size;
        uint8_t *at = queued->bytes;
        for (size_t i = 0; i < part_count; i++) {
                if (parts[i].iov_len > 0)
                        memcpy(at, parts[i].iov_base, parts[i].iov_len);
                at += parts[i].iov_len;
        }
        for (size_t i = 0; i < fd_count; i++) {
                int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
                if (copy < 0) {
                        error_set(&channel->why, errno, "keeping a descriptor that waits to be sent");
                        queued_free(queued);
                        channel_fail(channel);
                        return;
                }
                queued->fds[queued->fd_count++] = copy;
        }
        *channel->last = queued;
        channel->last = &queued->next;
        channel->pending += size;
        watch_change(channel->watch, EPOLLIN | EPOLLOUT);
}

void channel_send(struct channel *channel, uint16_t type, const void *body, const void *payload, size_t payload_size,
                  const int *fds, size_t fd_count) {
        if (!channel || channel->closed || channel->destroyed)
                return;
        struct header header = { type, body_sizes[type], (uint32_t) payload_size };
        struct iovec parts[] = {
                { &header, sizeof header },
                { (void *) (uintptr_t) body, body_sizes[type] },
                { (void *) (uintptr_t) payload, payload_size },
        };
        if (!channel->first) {
                int result = send_one(channel->fd, parts, array_length(parts), fds, fd_count, MSG_DONTWAIT);
                if (result == 0)
                        return;
                if (result != -EAGAIN) {
                        error_set(&channel->why, -result, "sending %s", type_names[type]);
                        channel_fail(channel);
                        return;
                }
        }
        enqueue(channel, parts, array_length(parts), fds, fd_count);
}

size_t channel_pending(const struct channel *channel) {
        return channel ? channel->pending : 0;
}
