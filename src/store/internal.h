/* What the files of this room share. */
#pragma once

#include "store.h"

#include <pthread.h>
#include <sqlite3.h>

struct store {
        sqlite3 *connection;
        pthread_mutex_t lock; /* recursive: a transaction's statements nest in it */
        unsigned depth;       /* of nested transactions */
        bool doomed;          /* an inner one was rolled back */
        struct statement *cached[STORE_CACHED_STATEMENTS];
        size_t cached_count;
};

/* Writes what SQLite says and returns the negative errno that stands for it. */
int store_failure(sqlite3 *connection, const char *doing, struct error *error);

/* Runs statements that bind and return nothing. */
int store_execute(struct store *store, const char *sql, struct error *error) must_check;

/* Applies the migrations that the database has not seen. */
int store_migrate(struct store *store, struct error *error) must_check;
