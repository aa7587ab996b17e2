#include "throttle.h"

#include <pthread.h>
#include <sodium.h>

struct entry {
        uint64_t tag;  /* the key's hash; 0: free */
        uint64_t paid; /* when the debt will be paid, monotonic milliseconds */
};

struct throttle {
        pthread_mutex_t lock;
        unsigned char hash_key[crypto_shorthash_KEYBYTES];
        struct entry entries[THROTTLE_ENTRIES];
};

_Static_assert(THROTTLE_ENTRIES % THROTTLE_WAYS == 0, "sets are of equal size");

struct throttle *throttle_create(void) {
        struct throttle *throttle = allocate(sizeof *throttle);
        pthread_mutex_init(&throttle->lock, NULL);
        random_bytes(throttle->hash_key, sizeof throttle->hash_key);
        return throttle;
}

void throttle_destroy(struct throttle *throttle) {
        if (throttle)
                pthread_mutex_destroy(&throttle->lock);
        free(throttle);
}

static uint64_t tag_of(const struct throttle *throttle, const struct throttle_key *key) {
        uint64_t parts[3] = { 0 }, tag;
        const char *texts[3] = { key->rule->name, key->first, key->second };
        for (size_t i = 0; i < array_length(parts); i++)
                if (texts[i])
                        crypto_shorthash((unsigned char *) &parts[i], (const unsigned char *) texts[i],
                                         strlen(texts[i]), throttle->hash_key);
        crypto_shorthash((unsigned char *) &tag, (const unsigned char *) parts, sizeof parts, throttle->hash_key);
        return tag ? tag : 1;
}

static struct entry *set_of(struct throttle *throttle, uint64_t tag) {
        return &throttle->entries[tag % (THROTTLE_ENTRIES / THROTTLE_WAYS) * THROTTLE_WAYS];
}

static struct entry *find(struct throttle *throttle, uint64_t tag) {
        struct entry *set = set_of(throttle, tag);
        for (size_t i = 0; i < THROTTLE_WAYS; i++)
                if (set[i].tag == tag)
                        return &set[i];
        return NULL;
}

/* Free entries have paid everything, so they are the first to be taken. */
static struct entry *find_or_evict(struct throttle *throttle, uint64_t tag) {
        struct entry *entry = find(throttle, tag), *set = set_of(throttle, tag);
        if (entry)
                return entry;
        entry = &set[0];
        for (size_t i = 1; i < THROTTLE_WAYS; i++)
                if (set[i].paid < entry->paid)
                        entry = &set[i];
        *entry = (struct entry){ .tag = tag };
        return entry;
}

static uint64_t wait_of(struct throttle *throttle, const struct throttle_rule *rule, uint64_t tag, uint64_t now) {
        const struct entry *entry = find(throttle, tag);
        uint64_t debt = entry && entry->paid > now ? entry->paid - now : 0;
        uint64_t credit = (rule->burst - 1) * rule->interval_milliseconds;
        return debt > credit ? debt - credit : 0;
}

uint64_t throttle_try(struct throttle *throttle, const struct throttle_key *keys, size_t count, uint64_t now) {
        uint64_t tags[THROTTLE_KEYS_MAXIMUM], wait = 0;
        for (size_t i = 0; i < count; i++)
                tags[i] = tag_of(throttle, &keys[i]);
        pthread_mutex_lock(&throttle->lock);
        for (size_t i = 0; i < count; i++) {
                uint64_t of_this = wait_of(throttle, keys[i].rule, tags[i], now);
                wait = of_this > wait ? of_this : wait;
        }
        for (size_t i = 0; i < count && wait == 0; i++) {
                struct entry *entry = find_or_evict(throttle, tags[i]);
                entry->paid = (entry->paid > now ? entry->paid : now) + keys[i].rule->interval_milliseconds;
        }
        pthread_mutex_unlock(&throttle->lock);
        return wait;
}

void throttle_forget(struct throttle *throttle, const struct throttle_key *key) {
        uint64_t tag = tag_of(throttle, key);
        pthread_mutex_lock(&throttle->lock);
        struct entry *entry = find(throttle, tag);
        if (entry)
                *entry = (struct entry){ 0 };
        pthread_mutex_unlock(&throttle->lock);
}

void throttle_give_back(struct throttle *throttle, const struct throttle_key *key) {
        uint64_t tag = tag_of(throttle, key);
        pthread_mutex_lock(&throttle->lock);
        struct entry *entry = find(throttle, tag);
        if (entry && entry->paid > key->rule->interval_milliseconds)
                entry->paid -= key->rule->interval_milliseconds;
        pthread_mutex_unlock(&throttle->lock);
}
