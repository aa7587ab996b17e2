/*
 * ipc: what Carrel's processes say to each other.
 *
 * A channel is one end of a SOCK_SEQPACKET socket pair: whole messages, in order, with descriptors beside them. A
 * message is a fixed header, a fixed structure that belongs to its type, and up to IPC_PAYLOAD_MAXIMUM bytes.
 * messages.h declares them all once. No pointer, no text parsing: a privileged process reads sizes and numbers, and
 * checks each against the table.
 *
 * A message that does not fit the table ends the conversation: a sibling that speaks nonsense is broken or taken over
 * (OpenBSD's rule: a bad sibling is fatal, a bad outsider is disconnected). The receiver is told by on_close with the
 * reason.
 *
 * Sending never blocks: what the socket does not take is queued, up to a limit; channel_pending() tells how much, for
 * whoever must slow a source down. All single-threaded, in the loop's thread.
 */
#pragma once

#include "../base/base.h"
#include "../base/loop.h"
#include "messages.h"

enum {
        IPC_PAYLOAD_MAXIMUM = 65536,
        IPC_DESCRIPTORS_MAXIMUM = 32,
        IPC_QUEUE_LIMIT = 16 << 20, /* bytes; past it the peer is held dead, and the channel is closed */
};

/* One received message. `body` points at the type's own structure, `payload` at what follows. All of it, and the
 * descriptors, are the receiver's only during the callback; steal_fd() what is to be kept, the rest is closed. */
struct message {
        uint16_t type;
        const void *body;
        const void *payload;
        size_t payload_size;
        int fds[IPC_DESCRIPTORS_MAXIMUM]; /* -1 where there is none */
        size_t fd_count;
};

struct channel;
typedef void channel_message_function(void *context, struct message *message);
/* The peer is gone, or spoke nonsense (`why` says which). The channel is still to be destroyed by its owner, now or
 * later. */
typedef void channel_close_function(void *context, const struct error *why);

/* Two connected ends, close-on-exec. */
int channel_pair(int ret_ends[2], struct error *error) must_check;

/* Takes the descriptor over, also on failure. `receives` is the row of the permit table: which types may arrive here (a
 * bit for each enum message_type). */
int channel_create(struct loop *loop, int fd, uint64_t receives, channel_message_function *on_message,
                   channel_close_function *on_close, void *context, struct channel **ret_channel,
                   struct error *error) must_check;

/* Safe inside the channel's own callbacks. NULL is fine. */
void channel_destroy(struct channel *channel);

/* Sends or queues. The descriptors stay the caller's (duplicated by the kernel, or by us while queued). A closed
 * channel takes and forgets it: its owner is about to be told by on_close. */
void channel_send(struct channel *channel, uint16_t type, const void *body, const void *payload, size_t payload_size,
                  const int *fds, size_t fd_count);
size_t channel_pending(const struct channel *channel);

/* The same over a bare descriptor, blocking, for processes without a loop (zygote, parked programs, tests).
 * Receiving returns 1 for a message, 0 when the peer is gone, or -errno. `place` is aligned to 8 bytes, has
 * IPC_MESSAGE_MAXIMUM bytes and must outlive `message`. */
enum { IPC_MESSAGE_MAXIMUM = 8 + 4096 + IPC_PAYLOAD_MAXIMUM };
int message_send(int fd, uint16_t type, const void *body, const void *payload, size_t payload_size, const int *fds,
                 size_t fd_count, struct error *error) must_check;
int message_receive(int fd, uint64_t receives, void *place, struct message *ret_message,
                    struct error *error) must_check;
/* Closes what nobody stole. */
void message_close_fds(struct message *message);
