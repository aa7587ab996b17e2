/*
 * names: what the people behind account numbers are called, asked of the database once each. For one answer to a
 * request, in the pool.
 */
#pragma once

#include "../account/account.h"

struct names {
        struct person *people;
        size_t count;
};

/* "" for 0 and where there is nobody. Good until names_finish(), which may be called on a zeroed one. */
const char *names_find(struct names *names, struct store *store, uint32_t account);
void names_finish(struct names *names);
