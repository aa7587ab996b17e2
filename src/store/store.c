#include "internal.h"

#include <fcntl.h>

struct statement {
        struct store *store;
        sqlite3_stmt *handle;
        char *sql;
        bool in_use;
        bool cached;
        int bind_failure; /* SQLite's code of the first bind that failed */
};

static int number_of(int code, int extended) {
        if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY)
                return EEXIST;
        switch (code) {
        case SQLITE_CONSTRAINT:
                return EINVAL;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return EBUSY;
        case SQLITE_FULL:
                return ENOSPC;
        case SQLITE_NOMEM:
                return ENOMEM;
        case SQLITE_READONLY:
                return EROFS;
        case SQLITE_PERM:
                return EACCES;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return EBADMSG;
        default:
                return EIO;
        }
}

int store_failure(sqlite3 *connection, const char *doing, struct error *error) {
        if (!connection)
                return error_set(error, ENOMEM, "%s", doing);
        int code = sqlite3_errcode(connection), system = sqlite3_system_errno(connection);
        int number = number_of(code & 0xff, sqlite3_extended_errcode(connection));
        bool by_system = (code & 0xff) == SQLITE_CANTOPEN && system != 0;
        return error_say(error, by_system ? system : number, "%s: %s%s%s", doing, sqlite3_errmsg(connection),
                         by_system ? ": " : "", by_system ? strerror(system) : "");
}

int store_execute(struct store *store, const char *sql, struct error *error) {
        if (sqlite3_exec(store->connection, sql, NULL, NULL, NULL) != SQLITE_OK)
                return store_failure(store->connection, "query", error);
        return 0;
}

static void init_lock(pthread_mutex_t *lock) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
        if (pthread_mutex_init(lock, &attributes) != 0)
                abort(); /* only without memory */
        pthread_mutexattr_destroy(&attributes);
}

/* SQLite would create it with the umask's mode; the log and its index take the file's own. */
static int create_private(const char *path, struct error *error) {
        fd_scoped fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST)
                return error_set(error, errno, "open or create");
        return 0;
}

static int open_connection(struct store *store, const char *path, struct error *error) {
        int r = create_private(path, error);
        if (r < 0)
                return r;
        /* Our own lock orders the threads, so SQLite's would be a second one for nothing. */
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
        if (sqlite3_open_v2(path, &store->connection, flags, NULL) != SQLITE_OK)
                return store_failure(store->connection, "open", error);
        sqlite3_busy_timeout(store->connection, STORE_BUSY_MILLISECONDS);
        return store_execute(store,
                             "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;"
                             "pragma trusted_schema = off; pragma temp_store = memory",
                             error);
}

int store_open(const char *path, struct store **ret_store, struct error *error) {
        store_scoped store = allocate(sizeof *store);
        init_lock(&store->lock);
        int r = open_connection(store, path, error);
        if (r >= 0)
                r = store_migrate(store, error);
        if (r < 0)
                return error ? error_prefix(error, "database %s", path) : r;
        *ret_store = steal_pointer(&store);
        return 0;
}

static void statement_destroy(struct statement *statement) {
        sqlite3_finalize(statement->handle);
        free(statement->sql);
        free(statement);
}

void store_close(struct store *store) {
        if (!store)
                return;
        for (size_t i = 0; i < store->cached_count; i++)
                statement_destroy(store->cached[i]);
        /* Fails only with statements that are still open, which would be a leak of ours: the tests' leak check sees
         * it. */
        sqlite3_close(store->connection);
        pthread_mutex_destroy(&store->lock);
        free(store);
}

static struct statement *find_cached(struct store *store, const char *sql) {
        for (size_t i = 0; i < store->cached_count; i++)
                if (!store->cached[i]->in_use && strcmp(store->cached[i]->sql, sql) == 0)
                        return store->cached[i];
        return NULL;
}

static int statement_create(struct store *store, const char *sql, struct statement **ret_statement,
                            struct error *error) {
        sqlite3_stmt *handle = NULL;
        if (sqlite3_prepare_v3(store->connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL) != SQLITE_OK)
                return store_failure(store->connection, "query", error);
        struct statement *statement = allocate(sizeof *statement);
        *statement = (struct statement){ .store = store, .handle = handle, .sql = duplicate_string(sql) };
        if (store->cached_count < STORE_CACHED_STATEMENTS) {
                statement->cached = true;
                store->cached[store->cached_count++] = statement;
        }
        *ret_statement = statement;
        return 0;
}

int store_prepare(struct store *store, const char *sql, struct statement **ret_statement, struct error *error) {
        pthread_mutex_lock(&store->lock);
        struct statement *statement = find_cached(store, sql);
        int r = statement ? 0 : statement_create(store, sql, &statement, error);
        if (!statement) {
                pthread_mutex_unlock(&store->lock);
                return r;
        }
        statement->in_use = true;
        *ret_statement = statement;
        return 0;
}

void statement_finish(struct statement *statement) {
        if (!statement)
                return;
        struct store *store = statement->store;
        sqlite3_reset(statement->handle); /* repeats the failure that the step has told */
        sqlite3_clear_bindings(statement->handle);
        statement->in_use = false;
        statement->bind_failure = SQLITE_OK;
        if (!statement->cached)
                statement_destroy(statement);
        pthread_mutex_unlock(&store->lock);
}

/* SQLite takes "$2" as a mere name and numbers parameters as they first occur; PostgreSQL takes it as the second. */
static int parameter_index(const struct statement *statement, int parameter) {
        char name[16];
        snprintf(name, sizeof name, "$%d", parameter);
        return sqlite3_bind_parameter_index(statement->handle, name); /* 0: there is none, and the bind says so */
}

static void bound(struct statement *statement, int code) {
        if (statement->bind_failure == SQLITE_OK)
                statement->bind_failure = code;
}

void statement_bind_text(struct statement *statement, int parameter, const char *text) {
        bound(statement,
              sqlite3_bind_text(statement->handle, parameter_index(statement, parameter), text, -1, SQLITE_TRANSIENT));
}

void statement_bind_bytes(struct statement *statement, int parameter, const void *bytes, size_t size) {
        /* NULL would bind SQL's NULL, which no bytes are not. */
        bound(statement, sqlite3_bind_blob64(statement->handle, parameter_index(statement, parameter),
                                             bytes ? bytes : "", size, SQLITE_TRANSIENT));
}

void statement_bind_integer(struct statement *statement, int parameter, int64_t value) {
        bound(statement, sqlite3_bind_int64(statement->handle, parameter_index(statement, parameter), value));
}

void statement_bind_null(struct statement *statement, int parameter) {
        bound(statement, sqlite3_bind_null(statement->handle, parameter_index(statement, parameter)));
}

int statement_step(struct statement *statement, struct error *error) {
        if (statement->bind_failure != SQLITE_OK)
                return error_say(error, number_of(statement->bind_failure, 0), "database: binding a parameter: %s",
                                 sqlite3_errstr(statement->bind_failure));
        int code = sqlite3_step(statement->handle);
        if (code == SQLITE_ROW)
                return 1;
        if (code == SQLITE_DONE)
                return 0;
        return store_failure(statement->store->connection, "query", error);
}

int statement_run(struct statement *statement, struct error *error) {
        int r;
        while ((r = statement_step(statement, error)) > 0)
                ;
        return r < 0 ? r : sqlite3_changes(statement->store->connection);
}

int64_t statement_integer(const struct statement *statement, int column) {
        return sqlite3_column_int64(statement->handle, column);
}

bool statement_is_null(const struct statement *statement, int column) {
        return sqlite3_column_type(statement->handle, column) == SQLITE_NULL;
}

const char *statement_text(const struct statement *statement, int column) {
        return (const char *) sqlite3_column_text(statement->handle, column);
}

const void *statement_bytes(const struct statement *statement, int column, size_t *ret_size) {
        const void *bytes = sqlite3_column_blob(statement->handle, column); /* first: it may convert, and so resize */
        *ret_size = (size_t) sqlite3_column_bytes(statement->handle, column);
        return bytes;
}

int statement_copy_text(const struct statement *statement, int column, char *ret_text, size_t size,
                        struct error *error) {
        const char *text = statement_text(statement, column);
        size_t length = text ? strlen(text) : 0;
        if (length >= size)
                return error_say(error, EOVERFLOW, "database: column %s is longer than %zu bytes",
                                 sqlite3_column_name(statement->handle, column), size - 1);
        memcpy(ret_text, text ? text : "", length + 1);
        return 0;
}

int transaction_begin(struct store *store, struct transaction *ret_transaction, struct error *error) {
        pthread_mutex_lock(&store->lock);
        /* Immediate: a transaction that reads first and writes later could otherwise fail half-way as busy. */
        int r = store->depth > 0 ? 0 : store_execute(store, "begin immediate", error);
        if (r < 0) {
                pthread_mutex_unlock(&store->lock);
                return r;
        }
        store->depth++;
        ret_transaction->store = store;
        return 0;
}

static void transaction_end(struct transaction *transaction) {
        struct store *store = transaction->store;
        transaction->store = NULL;
        if (--store->depth == 0)
                store->doomed = false;
        pthread_mutex_unlock(&store->lock);
}

int transaction_commit(struct transaction *transaction, struct error *error) {
        struct store *store = transaction->store;
        if (store->doomed)
                return error_say(error, ECANCELED, "query: a part of the transaction was rolled back");
        int r = store->depth > 1 ? 0 : store_execute(store, "commit", error);
        if (r < 0) /* such as a full disk: nothing of it was written, and the scope's end rolls back */
                return r;
        transaction_end(transaction);
        return 0;
}

void transaction_rollback(struct transaction *transaction) {
        struct store *store = transaction->store;
        if (!store)
                return;
        store->doomed = true;
        /* After some errors SQLite has rolled back by itself; a second one would fail. */
        if (store->depth == 1 && !sqlite3_get_autocommit(store->connection))
                sqlite3_exec(store->connection, "rollback", NULL, NULL, NULL);
        transaction_end(transaction);
}
