/*
 * outgoing: frames, or the rest of one, that a socket did not take, in order, counted by kind.
 */
#pragma once

#include "frames.h"

#include <sys/uio.h>

struct outgoing_item;

struct outgoing {
        struct outgoing_item *first, **last;
        size_t bytes[FRAME_KINDS];
};

void outgoing_start(struct outgoing *outgoing);
void outgoing_finish(struct outgoing *outgoing);
static inline bool outgoing_empty(const struct outgoing *outgoing) {
        return !outgoing->first;
}

/* Copies the parts but for their first `skip` bytes, which were sent. */
void outgoing_add(struct outgoing *outgoing, enum frame_kind kind, const struct iovec *parts, size_t count,
                  size_t skip);
/* What is to be sent next, at most `room` parts; *ret_size bytes in all. */
size_t outgoing_parts(const struct outgoing *outgoing, struct iovec *parts, size_t room, size_t *ret_size);
/* So many bytes of it were sent. */
void outgoing_sent(struct outgoing *outgoing, size_t size);
