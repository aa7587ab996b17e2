/*
 * A table from numbers to pointers (open addressing, never 0 as a number). It owns neither.
 */
#pragma once

#include "../base/base.h"

struct table;

struct table *table_create(void);
void table_destroy(struct table *table); /* NULL is fine */
size_t table_count(const struct table *table);

void *table_find(const struct table *table, uint64_t number); /* NULL: not there */
/* Replaces what is there. */
void table_put(struct table *table, uint64_t number, void *value);
/* Takes out and returns what was there, or NULL. */
void *table_take(struct table *table, uint64_t number);

/* Goes through all: start with *position 0; NULL at the end. Nothing may be put or taken meanwhile. */
void *table_next(const struct table *table, size_t *position);
