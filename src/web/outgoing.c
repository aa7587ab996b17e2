#include "outgoing.h"

struct outgoing_item {
        struct outgoing_item *next;
        enum frame_kind kind;
        size_t size, sent;
        uint8_t bytes[];
};

void outgoing_start(struct outgoing *outgoing) {
        *outgoing = (struct outgoing){ .last = &outgoing->first };
}

static void drop_first(struct outgoing *outgoing) {
        struct outgoing_item *item = outgoing->first;
        outgoing->first = item->next;
        if (!outgoing->first)
                outgoing->last = &outgoing->first;
        free(item);
}

void outgoing_finish(struct outgoing *outgoing) {
        while (outgoing->first)
                drop_first(outgoing);
}

void outgoing_add(struct outgoing *outgoing, enum frame_kind kind, const struct iovec *parts, size_t count,
                  size_t skip) {
        size_t size = 0;
        for (size_t i = 0; i < count; i++)
                size += parts[i].iov_len;
        struct outgoing_item *item = allocate(sizeof *item + size - skip);
        item->kind = kind;
        item->size = size - skip;
        uint8_t *at = item->bytes;
        for (size_t i = 0; i < count; i++) {
                size_t skipped = skip < parts[i].iov_len ? skip : parts[i].iov_len;
                if (parts[i].iov_len > skipped)
                        memcpy(at, (const uint8_t *) parts[i].iov_base + skipped, parts[i].iov_len - skipped);
                at += parts[i].iov_len - skipped;
                skip -= skipped;
        }
        *outgoing->last = item;
        outgoing->last = &item->next;
        outgoing->bytes[kind] += item->size;
}

size_t outgoing_parts(const struct outgoing *outgoing, struct iovec *parts, size_t room, size_t *ret_size) {
        size_t count = 0, size = 0;
        for (struct outgoing_item *item = outgoing->first; item && count < room; item = item->next, count++) {
                parts[count] = (struct iovec){ item->bytes + item->sent, item->size - item->sent };
                size += parts[count].iov_len;
        }
        *ret_size = size;
        return count;
}

void outgoing_sent(struct outgoing *outgoing, size_t size) {
        while (outgoing->first && size > 0) {
                struct outgoing_item *item = outgoing->first;
                size_t part = item->size - item->sent < size ? item->size - item->sent : size;
                item->sent += part;
                outgoing->bytes[item->kind] -= part;
                size -= part;
                if (item->sent == item->size)
                        drop_first(outgoing);
        }
}
