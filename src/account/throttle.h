/*
 * throttle: how often something may be tried, in memory that does not grow.
 *
 * The generic cell rate algorithm: of each key one moment is kept, the one at which its debt is paid. Keys are kept as
 * a keyed hash of 64 bits (SipHash; nobody outside can aim at a collision) in a table of fixed size. Where a set of the
 * table is full, the key with the least debt gives way: who hammers stays remembered, whatever crowd comes after.
 * Memory: THROTTLE_ENTRIES * 16 bytes. Thread-safe.
 */
#pragma once

#include "../base/base.h"

enum { THROTTLE_ENTRIES = 32768, THROTTLE_WAYS = 4, THROTTLE_KEYS_MAXIMUM = 4 };

/* `burst` tries at once, then one each `interval`. */
struct throttle_rule {
        const char *name; /* a part of each key: rules have keys of their own */
        uint64_t interval_milliseconds;
        uint64_t burst;
};

struct throttle_key {
        const struct throttle_rule *rule;
        const char *first, *second; /* NULL: none */
};

struct throttle;
struct throttle *throttle_create(void);
void throttle_destroy(struct throttle *throttle); /* NULL is fine */

/* 0: may be tried, and is counted for every key; else after how many milliseconds it may, and nothing was counted.
 * `now` is now_milliseconds(). */
uint64_t throttle_try(struct throttle *throttle, const struct throttle_key *keys, size_t count, uint64_t now);

/* Forgets all tries of one key; or one of them. */
void throttle_forget(struct throttle *throttle, const struct throttle_key *key);
void throttle_give_back(struct throttle *throttle, const struct throttle_key *key);
