#include "buffer.h"

enum { KEPT_WHEN_EMPTY = 4096 };

static void buffer_slide(struct buffer *buffer) {
        if (buffer->start == 0)
                return;
        memmove(buffer->bytes, buffer->bytes + buffer->start, buffer_size(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
}

uint8_t *buffer_room(struct buffer *buffer, size_t size) {
        size_t wanted;
        if (__builtin_add_overflow(buffer_size(buffer), size, &wanted))
                return NULL;
        if (buffer->limit && wanted > buffer->limit)
                return NULL;
        if (buffer->capacity - buffer->end < size)
                buffer_slide(buffer);
        if (buffer->capacity < wanted) {
                size_t capacity = buffer->capacity ? buffer->capacity : 256;
                while (capacity < wanted)
                        capacity *= 2;
                buffer->bytes = reallocate_array(buffer->bytes, capacity, 1);
                buffer->capacity = capacity;
        }
        return buffer->bytes + buffer->end;
}

void buffer_grown(struct buffer *buffer, size_t size) {
        buffer->end += size;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t size) {
        if (size == 0)
                return 0;
        uint8_t *room = buffer_room(buffer, size);
        if (!room)
                return -ENOBUFS;
        memcpy(room, bytes, size);
        buffer_grown(buffer, size);
        return 0;
}

void buffer_consume(struct buffer *buffer, size_t size) {
        buffer->start += size;
        if (buffer->start < buffer->end)
                return;
        buffer->start = buffer->end = 0;
        if (buffer->capacity > KEPT_WHEN_EMPTY) {
                free(steal_pointer(&buffer->bytes));
                buffer->capacity = 0;
        }
}

void buffer_finish(struct buffer *buffer) {
        free(buffer->bytes);
        *buffer = (struct buffer){ .limit = buffer->limit };
}
