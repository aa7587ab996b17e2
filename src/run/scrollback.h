/* The last bytes of a run's output, addressed by their offset since its start. Grows to its capacity, then forgets the
 * oldest. */
#pragma once

#include "../base/base.h"

struct scrollback {
        uint8_t *bytes;
        size_t size;     /* allocated: a power of two */
        size_t capacity; /* the most that may be allocated, likewise */
        uint64_t first, next;
};

void scrollback_init(struct scrollback *scrollback, size_t capacity); /* rounded down to a power of two */
void scrollback_finish(struct scrollback *scrollback);
void scrollback_append(struct scrollback *scrollback, const void *bytes, size_t size);
/* The bytes from `offset` on that lie in one piece: at least one unless offset == next. `offset` must be within first
 * and next. */
const uint8_t *scrollback_at(const struct scrollback *scrollback, uint64_t offset, size_t *ret_size);
