/*
 * sequence: which elements of two sequences are not the other's, for difference.c. Elements are numbers, equal where
 * what they stand for is equal (struct interner gives them out).
 *
 * Myers' algorithm in linear space: the two searches, from the start and from the end, meet on a shortest path through
 * the grid of both sequences; what lies before and behind is divided likewise. Elements that the other side does not
 * have at all are known to have changed and take no part in it. The work is bounded by the caller: when it is used up,
 * whatever is still being searched counts as changed.
 */
#pragma once

#include "../base/base.h"

struct sequence {
        uint32_t *elements;
        bool *changed; /* as many */
        size_t count;
};

/* Where they differ: the elements [a_from, a_to) stand in the place of [b_from, b_to). */
struct hunk {
        size_t a_from, a_to, b_from, b_to;
};

/* Says of every element whether it has changed; the unchanged ones of both are equal, one by one. Elements are below
 * `different`. Takes what it does from *work. */
void sequence_compare(struct sequence *a, struct sequence *b, size_t different, size_t *work);

/* The hunk after *hunk (a zeroed one before the first); false behind the last. */
bool sequence_next_hunk(const struct sequence *a, const struct sequence *b, struct hunk *hunk);

void sequence_finish(struct sequence *sequence);

/* Numbers for strings of bytes, equal ones for equal strings, from 0. The bytes are the caller's, and stay. */
struct interner {
        struct interned *slots;
        size_t capacity, count;
        uint64_t key; /* by chance: nobody can choose lines that collide */
};

uint32_t intern(struct interner *interner, const uint8_t *bytes, size_t size);
void interner_finish(struct interner *interner);
