#include "internal.h"

#include "../base/embed.h"

extern const struct embedded_file store_migrations[];

/* "0007-what-it-does.sql" → 7. The files' names are ours, and embedded: a bad one is a mistake in the program. */
static int64_t number_of_migration(const struct embedded_file *file) {
        char *end;
        long number = strtol(file->name, &end, 10);
        if (number < 1 || *end != '-')
                abort();
        return number;
}

static int schema_version(struct store *store, int64_t *ret_version, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "pragma user_version", &statement, error);
        if (r < 0)
                return r;
        r = statement_step(statement, error);
        if (r < 0)
                return r;
        *ret_version = statement_integer(statement, 0);
        return 0;
}

/* A transaction of its own, and the version is read again inside it: another process may be doing the same. */
static int apply(struct store *store, const struct embedded_file *file, struct error *error) {
        int64_t number = number_of_migration(file), version;
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(store, &transaction, error);
        if (r >= 0)
                r = schema_version(store, &version, error);
        if (r < 0 || version >= number)
                return r;
        free_scoped char *sql = format_string("%.*s\n;pragma user_version = %lld", (int) file->size,
                                              (const char *) file->bytes, (long long) number);
        r = store_execute(store, sql, error);
        if (r < 0)
                return error ? error_prefix(error, "migration %s", file->name) : r;
        return transaction_commit(&transaction, error);
}

int store_migrate(struct store *store, struct error *error) {
        int64_t version, newest = 0;
        int r = schema_version(store, &version, error);
        for (const struct embedded_file *file = store_migrations; file->name; file++)
                newest = number_of_migration(file);
        if (r >= 0 && version > newest)
                return error_say(error, EPROTO,
                                 "it is at version %lld, which a newer Carrel wrote; this one knows %lld. Install the "
                                 "newer program, or restore a backup from before",
                                 (long long) version, (long long) newest);
        for (const struct embedded_file *file = store_migrations; r >= 0 && file->name; file++)
                if (number_of_migration(file) > version)
                        r = apply(store, file, error);
        return r;
}
