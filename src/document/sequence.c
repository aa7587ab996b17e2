#include "sequence.h"

/* Interning: an open table, at most half full. */

struct interned {
        const uint8_t *bytes; /* NULL: free */
        size_t size;
        uint64_t hash;
        uint32_t number;
};

enum { SLOTS_AT_FIRST = 64 };

static uint64_t mix(uint64_t hash, uint64_t word) {
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        return hash ^ (hash >> 29);
}

static uint64_t hash_bytes(uint64_t key, const uint8_t *bytes, size_t size) {
        uint64_t hash = mix(key, size), word = 0;
        for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
                memcpy(&word, bytes, sizeof word);
                hash = mix(hash, word);
        }
        word = 0;
        memcpy(&word, bytes, size);
        return mix(mix(hash, word), key);
}

static struct interned *find_slot(const struct interner *interner, uint64_t hash, const uint8_t *bytes, size_t size) {
        size_t at = (size_t) hash & (interner->capacity - 1);
        for (;; at = (at + 1) & (interner->capacity - 1)) {
                struct interned *slot = &interner->slots[at];
                if (!slot->bytes || (slot->hash == hash && slot->size == size && memcmp(slot->bytes, bytes, size) == 0))
                        return slot;
        }
}

static void grow(struct interner *interner) {
        struct interner larger = { .capacity = interner->capacity * 2, .count = interner->count, .key = interner->key };
        if (interner->capacity == 0) {
                larger.capacity = SLOTS_AT_FIRST;
                random_bytes(&larger.key, sizeof larger.key);
        }
        larger.slots = allocate(larger.capacity * sizeof larger.slots[0]);
        for (size_t i = 0; i < interner->capacity; i++) {
                const struct interned *slot = &interner->slots[i];
                if (slot->bytes)
                        *find_slot(&larger, slot->hash, slot->bytes, slot->size) = *slot;
        }
        free(interner->slots);
        *interner = larger;
}

uint32_t intern(struct interner *interner, const uint8_t *bytes, size_t size) {
        if (interner->count * 2 >= interner->capacity)
                grow(interner);
        uint64_t hash = hash_bytes(interner->key, bytes, size);
        struct interned *slot = find_slot(interner, hash, bytes, size);
        if (!slot->bytes)
                *slot = (struct interned){ bytes, size, hash, (uint32_t) interner->count++ };
        return slot->number;
}

void interner_finish(struct interner *interner) {
        free(interner->slots);
        *interner = (struct interner){ 0 };
}

/* The search */

/* What takes part of one sequence: elements, and where each stands in it. */
struct candidates {
        uint32_t *elements;
        size_t *places;
        size_t count;
};

struct search {
        struct candidates a, b;
        bool *a_changed, *b_changed;
        ptrdiff_t *forward, *backward; /* by diagonal, from the middle of each array */
        size_t *work;
};

struct area {
        size_t a_from, a_to, b_from, b_to;
};

/* One direction in an area of n times m: how far along `a` the best path comes on each diagonal k, that is a's index
 * less b's; -1 where none does. */
struct side {
        ptrdiff_t *reached;
        const uint32_t *a, *b; /* the first elements in this direction */
        ptrdiff_t step;        /* 1, or -1 from the end */
        ptrdiff_t n, m;
};

/* One more difference: a step right from the diagonal below or down from the one above, whichever leads further and
 * stays inside; then along all that is equal. */
static ptrdiff_t advance(const struct side *side, ptrdiff_t k, size_t *spent) {
        ptrdiff_t down = side->reached[k + 1], right = side->reached[k - 1];
        right = right >= 0 && right < side->n ? right + 1 : -1;
        if (down - k > side->m)
                down = -1;
        ptrdiff_t from = right > down ? right : down, x = from;
        if (x >= 0)
                while (x < side->n && x - k < side->m && side->a[x * side->step] == side->b[(x - k) * side->step])
                        x++;
        *spent += 1 + (size_t) (x - from);
        return x;
}

/* The diagonals that `d` differences can lead to: those of d's parity, not beyond the area's corners. */
static ptrdiff_t first_diagonal(const struct side *side, ptrdiff_t d) {
        return d <= side->m ? -d : -side->m + ((d - side->m) & 1);
}

static ptrdiff_t last_diagonal(const struct side *side, ptrdiff_t d) {
        return d <= side->n ? d : side->n - ((d - side->n) & 1);
}

/* Takes `d` differences from one side; true where it met the other, which has come `other_d` far. Then it has come
 * *ret_x elements far on diagonal *ret_k. */
static bool search_step(struct side *side, const struct side *other, ptrdiff_t d, ptrdiff_t other_d, bool may_meet,
                        size_t *spent, ptrdiff_t *ret_x, ptrdiff_t *ret_k) {
        ptrdiff_t delta = side->n - side->m;
        side->reached[-d - 1] = -1;
        side->reached[d + 1] = d == 0 ? 0 : -1; /* to begin at all is a step down onto diagonal 0 */
        for (ptrdiff_t k = first_diagonal(side, d); k <= last_diagonal(side, d); k += 2) {
                ptrdiff_t x = advance(side, k, spent), opposite = delta - k;
                side->reached[k] = x;
                if (!may_meet || x < 0 || opposite < first_diagonal(other, other_d) ||
                    opposite > last_diagonal(other, other_d) || other->reached[opposite] < 0 ||
                    x + other->reached[opposite] < side->n)
                        continue;
                *ret_x = x;
                *ret_k = k;
                return true;
        }
        return false;
}

/* A point on a shortest path through the area, about half-way; false where the work was used up before. */
static bool find_middle(struct search *search, const struct area *area, size_t *ret_a, size_t *ret_b) {
        ptrdiff_t n = (ptrdiff_t) (area->a_to - area->a_from), m = (ptrdiff_t) (area->b_to - area->b_from), x, k;
        struct side forward = {
                search->forward, search->a.elements + area->a_from, search->b.elements + area->b_from, 1, n, m
        };
        struct side backward = {
                search->backward, search->a.elements + area->a_to - 1, search->b.elements + area->b_to - 1, -1, n, m
        };
        bool odd = ((n - m) & 1) != 0;
        for (ptrdiff_t d = 0;; d++) {
                size_t spent = 0;
                if (search_step(&forward, &backward, d, d - 1, odd && d > 0, &spent, &x, &k)) {
                        *ret_a = area->a_from + (size_t) x;
                        *ret_b = area->b_from + (size_t) (x - k);
                        return true;
                }
                if (search_step(&backward, &forward, d, d, !odd, &spent, &x, &k)) {
                        *ret_a = area->a_to - (size_t) x;
                        *ret_b = area->b_to - (size_t) (x - k);
                        return true;
                }
                if (spent >= *search->work) {
                        *search->work = 0;
                        return false;
                }
                *search->work -= spent;
        }
}

static void trim(const struct search *search, struct area *area) {
        const uint32_t *a = search->a.elements, *b = search->b.elements;
        while (area->a_from < area->a_to && area->b_from < area->b_to && a[area->a_from] == b[area->b_from]) {
                area->a_from++;
                area->b_from++;
        }
        while (area->a_from < area->a_to && area->b_from < area->b_to && a[area->a_to - 1] == b[area->b_to - 1]) {
                area->a_to--;
                area->b_to--;
        }
}

/* Each middle halves the differences that are left, so this is some 30 deep at most. */
static void search_area(struct search *search, struct area area) {
        size_t a, b;
        trim(search, &area);
        if (area.a_from == area.a_to || area.b_from == area.b_to || !find_middle(search, &area, &a, &b)) {
                for (size_t i = area.a_from; i < area.a_to; i++)
                        search->a_changed[search->a.places[i]] = true;
                for (size_t i = area.b_from; i < area.b_to; i++)
                        search->b_changed[search->b.places[i]] = true;
                return;
        }
        search_area(search, (struct area){ area.a_from, a, area.b_from, b });
        search_area(search, (struct area){ a, area.a_to, b, area.b_to });
}

/* Leaves out, and marks, what the other side does not have. */
static struct candidates choose(struct sequence *sequence, const struct sequence *other, size_t different) {
        free_scoped bool *there = allocate(different * sizeof *there);
        struct candidates chosen = { allocate(sequence->count * sizeof *chosen.elements),
                                     allocate(sequence->count * sizeof *chosen.places), 0 };
        for (size_t i = 0; i < other->count; i++)
                there[other->elements[i]] = true;
        for (size_t i = 0; i < sequence->count; i++) {
                sequence->changed[i] = !there[sequence->elements[i]];
                if (sequence->changed[i])
                        continue;
                chosen.elements[chosen.count] = sequence->elements[i];
                chosen.places[chosen.count++] = i;
        }
        return chosen;
}

/* Where a stretch of `moving` was put in beside nothing of `other`, and begins with what follows it, it may as well
 * begin an element later. All such stretches go down as far as they can. */
static void slide(struct sequence *moving, const struct sequence *other) {
        for (size_t i = 0, j = 0; i < moving->count;) {
                if (!moving->changed[i]) {
                        while (other->changed[j])
                                j++;
                        i++;
                        j++;
                        continue;
                }
                size_t from = i, to = i;
                while (to < moving->count && moving->changed[to])
                        to++;
                while (to < moving->count && !other->changed[j] && moving->elements[from] == moving->elements[to]) {
                        moving->changed[from++] = false;
                        moving->changed[to++] = true;
                        j++;
                        while (to < moving->count && moving->changed[to])
                                to++;
                }
                i = to;
        }
}

void sequence_compare(struct sequence *a, struct sequence *b, size_t different, size_t *work) {
        struct search search = {
                .a = choose(a, b, different),
                .b = choose(b, a, different),
                .a_changed = a->changed,
                .b_changed = b->changed,
                .work = work,
        };
        /* Both searches together take no more differences than there are elements: neither more than half, rounded up.
         */
        size_t middle = (search.a.count + search.b.count) / 2 + 3;
        free_scoped ptrdiff_t *diagonals = allocate(4 * middle * sizeof *diagonals);
        search.forward = diagonals + middle;
        search.backward = diagonals + 3 * middle;
        search_area(&search, (struct area){ 0, search.a.count, 0, search.b.count });
        free(search.a.elements);
        free(search.a.places);
        free(search.b.elements);
        free(search.b.places);
        slide(b, a);
        slide(a, b);
}

bool sequence_next_hunk(const struct sequence *a, const struct sequence *b, struct hunk *hunk) {
        size_t i = hunk->a_to, j = hunk->b_to;
        while (i < a->count && j < b->count && !a->changed[i] && !b->changed[j]) {
                i++;
                j++;
        }
        *hunk = (struct hunk){ i, i, j, j };
        while (hunk->a_to < a->count && a->changed[hunk->a_to])
                hunk->a_to++;
        while (hunk->b_to < b->count && b->changed[hunk->b_to])
                hunk->b_to++;
        return hunk->a_from < hunk->a_to || hunk->b_from < hunk->b_to;
}

void sequence_finish(struct sequence *sequence) {
        free(sequence->elements);
        free(sequence->changed);
        *sequence = (struct sequence){ 0 };
}
