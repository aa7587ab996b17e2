/*
 * store: the database, SQLite, in <data>/store/carrel.db.
 *
 * Write-ahead log, synchronous=FULL: when a commit returns, what it wrote survives a loss of power. Foreign keys are
 * on. The schema is the list of numbered files in migrations/, embedded in the binary; opening brings an older
 * database up to date, one transaction a file, and refuses one that a newer program has written.
 *
 * Threads: one connection behind one lock. A statement holds the lock from store_prepare() to statement_finish(), a
 * transaction from transaction_begin() to its end; the lock is recursive, so a transaction's own statements nest in it.
 * A school's database is small and its statements take microseconds (a commit: one fsync), so more connections would
 * buy complexity alone. The rule that follows: never hash a password, or wait for anything else, with a statement open.
 * A struct store may be used by any thread; a statement or transaction belongs to the thread that began it.
 *
 * SQL is written so that PostgreSQL could run it as well: $1 parameters, integers for booleans and times (milliseconds
 * since 1970), text for digests, ids given by the program.
 */
#pragma once

#include "../base/base.h"
#include "../base/rights.h"

#include <sys/types.h>

enum {
        STORE_BUSY_MILLISECONDS = 5000, /* how long a statement waits for another process that writes */
        STORE_CACHED_STATEMENTS = 64,
};

struct store;
struct statement;

/* Opens (or creates, mode 0600) the database file and brings its schema up to date. Its folder must exist and be
 * writable. Close with store_close(). -EPROTO: the database is newer than this program. */
int store_open(const char *path, struct store **ret_store, struct error *error) must_check;
void store_close(struct store *store); /* NULL is fine; no statement may be open */

/* `sql` is one statement, a literal (the cache keeps the pointer's text as its key). Takes the store's lock until
 * statement_finish(). */
int store_prepare(struct store *store, const char *sql, struct statement **ret_statement,
                  struct error *error) must_check;
void statement_finish(struct statement *statement); /* NULL is fine */

/* Parameters count from 1. Text is copied; NULL binds SQL's NULL. A failure is remembered and told by
 * statement_step(). */
void statement_bind_text(struct statement *statement, int parameter, const char *text);
void statement_bind_bytes(struct statement *statement, int parameter, const void *bytes, size_t size); /* copied */
void statement_bind_integer(struct statement *statement, int parameter, int64_t value);
void statement_bind_null(struct statement *statement, int parameter);

/* 1: a row is there; 0: done; or -errno: -EEXIST a unique key is there already, -EINVAL another constraint, -EBUSY
 * another process kept writing for STORE_BUSY_MILLISECONDS, -ENOSPC the disk is full. */
int statement_step(struct statement *statement, struct error *error) must_check;
/* For statements without rows: steps to the end and returns how many rows changed, or -errno. */
int statement_run(struct statement *statement, struct error *error) must_check;

/* Columns count from 0. A text lives until the next step; NULL where the column is. */
int64_t statement_integer(const struct statement *statement, int column);
bool statement_is_null(const struct statement *statement, int column);
const char *statement_text(const struct statement *statement, int column);
/* Likewise, with NULs in them; `ret_size` is 0 where the column is NULL. */
const void *statement_bytes(const struct statement *statement, int column, size_t *ret_size);
/* Copies into an array of `size` bytes; NULL becomes "". -EOVERFLOW where it does not fit. */
int statement_copy_text(const struct statement *statement, int column, char *ret_text, size_t size,
                        struct error *error) must_check;

/* A transaction that is not committed when its scope ends is rolled back. They nest, as one: an inner commit only
 * agrees, the outermost writes; after an inner rollback it refuses (-ECANCELED), and all is rolled back. */
struct transaction {
        struct store *store;
};
int transaction_begin(struct store *store, struct transaction *ret_transaction, struct error *error) must_check;
int transaction_commit(struct transaction *transaction, struct error *error) must_check;
void transaction_rollback(struct transaction *transaction); /* nothing after a commit */

static inline void statement_finish_pointer(struct statement **statement) {
        statement_finish(*statement);
        *statement = NULL;
}
static inline void store_close_pointer(struct store **store) {
        store_close(*store);
        *store = NULL;
}
#define statement_scoped cleanup(statement_finish_pointer) struct statement *
#define transaction_scoped cleanup(transaction_rollback) struct transaction
#define store_scoped cleanup(store_close_pointer) struct store *

/* Makes <data> (0755, the caller's) and <data>/store (0700) where they are missing; for root the latter belongs to
 * `service`, else to the caller. Whoever opens the data directory first calls it: `carrel serve`, or the command
 * line. */
int store_make_folder(const char *data, uid_t service, struct error *error) must_check;

/* The command line's way in. It may be root's while the database belongs to the service: files made by root (the
 * write-ahead log) would lock the server out, and root should not follow paths in a folder that a network-facing
 * process can write. So this takes on the rights of the folder's owner, until rights_return(); close the store first.
 * A no-op for others than root. */
int store_rights_take(const char *data, struct rights *ret_rights, struct error *error) must_check;

/* <data>/store/carrel.db, opened; call with the rights taken. */
int store_open_data(const char *data, struct store **ret_store, struct error *error) must_check;
