#include "scrollback.h"

enum { SMALLEST = 4096 };

void scrollback_init(struct scrollback *scrollback, size_t capacity) {
        size_t rounded = SMALLEST;
        while (rounded * 2 <= capacity)
                rounded *= 2;
        *scrollback = (struct scrollback){ .capacity = rounded };
}

void scrollback_finish(struct scrollback *scrollback) {
        free(scrollback->bytes);
        *scrollback = (struct scrollback){ .capacity = scrollback->capacity };
}

static uint8_t *place(const struct scrollback *scrollback, uint64_t offset) {
        return scrollback->bytes + (size_t) (offset & (scrollback->size - 1));
}

/* Byte N lies at N modulo the size, so a larger ring is another arrangement: its content is copied over piece by piece.
 */
static void grow(struct scrollback *scrollback, size_t wanted) {
        struct scrollback larger = *scrollback;
        larger.size = scrollback->size ? scrollback->size : SMALLEST;
        while (larger.size < wanted && larger.size < larger.capacity)
                larger.size *= 2;
        larger.bytes = reallocate_array(NULL, larger.size, 1);
        for (uint64_t at = scrollback->first; at < scrollback->next;) {
                size_t size;
                const uint8_t *from = scrollback_at(scrollback, at, &size);
                for (size_t i = 0; i < size; i++)
                        *place(&larger, at + i) = from[i];
                at += size;
        }
        free(scrollback->bytes);
        *scrollback = larger;
}

void scrollback_append(struct scrollback *scrollback, const void *bytes, size_t size) {
        const uint8_t *from = bytes;
        size_t wanted = (size_t) (scrollback->next - scrollback->first) + size;
        if (wanted > scrollback->size && scrollback->size < scrollback->capacity)
                grow(scrollback, wanted);
        while (size > 0) {
                size_t index = (size_t) (scrollback->next & (scrollback->size - 1));
                size_t piece = scrollback->size - index < size ? scrollback->size - index : size;
                memcpy(scrollback->bytes + index, from, piece);
                from += piece;
                size -= piece;
                scrollback->next += piece;
        }
        if (scrollback->next - scrollback->first > scrollback->size)
                scrollback->first = scrollback->next - scrollback->size;
}

const uint8_t *scrollback_at(const struct scrollback *scrollback, uint64_t offset, size_t *ret_size) {
        size_t left = (size_t) (scrollback->next - offset);
        size_t index = (size_t) (offset & (scrollback->size - 1));
        *ret_size = scrollback->size - index < left ? scrollback->size - index : left;
        return scrollback->bytes + index;
}
