/*
 * A growing array of bytes with a limit: appended at the end, consumed from the front. The owner is whoever embeds it;
 * buffer_finish() gives the memory back and may be called on a zeroed one.
 */
#pragma once

#include "base.h"

struct buffer {
        uint8_t *bytes; /* the unread bytes begin at bytes + start */
        size_t start, end, capacity;
        size_t limit; /* of unread bytes; 0: none */
};

static inline size_t buffer_size(const struct buffer *buffer) {
        return buffer->end - buffer->start;
}
static inline uint8_t *buffer_front(const struct buffer *buffer) {
        return buffer->bytes + buffer->start;
}

/* Makes room for `size` more and returns where they go (count them with buffer_grown), or NULL past the limit. */
uint8_t *buffer_room(struct buffer *buffer, size_t size);
void buffer_grown(struct buffer *buffer, size_t size);

/* 0, or -ENOBUFS past the limit; then nothing was added. */
int buffer_append(struct buffer *buffer, const void *bytes, size_t size) must_check;

/* Drops bytes from the front; an emptied buffer larger than a page gives its memory back. */
void buffer_consume(struct buffer *buffer, size_t size);
void buffer_finish(struct buffer *buffer);
