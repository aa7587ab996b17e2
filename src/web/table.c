#include "table.h"

struct slot {
        uint64_t number; /* 0: free */
        void *value;
};

struct table {
        struct slot *slots;
        size_t capacity, count; /* the capacity is a power of two, at least twice the count */
};

enum { CAPACITY_FIRST = 16 };

struct table *table_create(void) {
        struct table *table = allocate(sizeof *table);
        table->capacity = CAPACITY_FIRST;
        table->slots = allocate(table->capacity * sizeof *table->slots);
        return table;
}

void table_destroy(struct table *table) {
        if (!table)
                return;
        free(table->slots);
        free(table);
}

size_t table_count(const struct table *table) {
        return table->count;
}

static size_t home_of(const struct table *table, uint64_t number) {
        return (size_t) ((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (table->capacity - 1);
}

/* Where the number is, or the free slot where it would go. */
static size_t slot_of(const struct table *table, uint64_t number) {
        size_t at = home_of(table, number);
        while (table->slots[at].number && table->slots[at].number != number)
                at = (at + 1) & (table->capacity - 1);
        return at;
}

static void grow(struct table *table) {
        struct slot *old = table->slots;
        size_t old_capacity = table->capacity;
        table->capacity *= 2;
        table->slots = allocate(table->capacity * sizeof *table->slots);
        for (size_t i = 0; i < old_capacity; i++)
                if (old[i].number)
                        table->slots[slot_of(table, old[i].number)] = old[i];
        free(old);
}

void *table_find(const struct table *table, uint64_t number) {
        return number ? table->slots[slot_of(table, number)].value : NULL;
}

void table_put(struct table *table, uint64_t number, void *value) {
        size_t at = slot_of(table, number);
        if (!table->slots[at].number && 2 * ++table->count > table->capacity) {
                grow(table);
                at = slot_of(table, number);
        }
        table->slots[at] = (struct slot){ number, value };
}

void *table_take(struct table *table, uint64_t number) {
        if (!number)
                return NULL;
        size_t at = slot_of(table, number);
        void *value = table->slots[at].value;
        if (!table->slots[at].number)
                return NULL;
        table->count--;
        table->slots[at] = (struct slot){ 0 };
        /* Those that had to step over this slot come back, so that no search ends early at the hole. */
        for (size_t next = (at + 1) & (table->capacity - 1); table->slots[next].number;
             next = (next + 1) & (table->capacity - 1)) {
                struct slot moved = table->slots[next];
                table->slots[next] = (struct slot){ 0 };
                table->slots[slot_of(table, moved.number)] = moved;
        }
        return value;
}

void *table_next(const struct table *table, size_t *position) {
        while (*position < table->capacity) {
                const struct slot *slot = &table->slots[(*position)++];
                if (slot->number)
                        return slot->value;
        }
        return NULL;
}
