#include "journal.h"

enum { ID_BITS = 53 }; /* what a number of JavaScript holds exactly */

int64_t journal_new_id(void) {
        uint64_t id = 0;
        while (id == 0) {
                random_bytes(&id, sizeof id);
                id &= (UINT64_C(1) << ID_BITS) - 1;
        }
        return (int64_t) id;
}

char *journal_change_text(const struct change *change) {
        struct buffer text = { 0 };
        if (change_write(change, &text) < 0 || buffer_append(&text, "", 1) < 0)
                abort(); /* there is no limit */
        return (char *) text.bytes;
}

int journal_change(const char *changes, struct change **ret_change, struct error *error) {
        json_error_t problem;
        json_t *json = json_loads(changes, JSON_ALLOW_NUL, &problem);
        if (!json)
                return error_say(error, EBADMSG, "a change in the journal is not JSON: %s", problem.text);
        int r = change_parse(json, ret_change, error);
        json_decref(json);
        return r;
}

static int read_document(const struct statement *statement, struct journal_document *ret_document,
                         struct error *error) {
        struct journal_document document = {
                .id = statement_integer(statement, 0),
                .class = (uint32_t) statement_integer(statement, 1),
                .revision = statement_integer(statement, 3),
                .written = statement_integer(statement, 4),
        };
        int r = statement_copy_text(statement, 2, document.path, sizeof document.path, error);
        if (r == 0)
                *ret_document = document;
        return r;
}

int journal_find(struct store *store, uint32_t class, const char *path, struct journal_document *ret_document,
                 struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select id, class, path, revision, written from document "
                              "where class = $1 and path = $2 and gone = 0",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, class);
        statement_bind_text(statement, 2, path);
        r = statement_step(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "there is no document of “%s”", path);
        return r < 0 ? r : read_document(statement, ret_document, error);
}

/* Text */

/* The newest text that is stored and not newer than `revision`. */
static int stored_text(struct store *store, int64_t document, int64_t revision, struct text **ret_text,
                       int64_t *ret_revision, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select case when kept <= $2 then kept else base end, "
                              "case when kept <= $2 then kept_text else base_text end "
                              "from document where id = $1 and base <= $2 and revision >= $2",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, revision);
        r = statement_step(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "revision %lld is not kept", (long long) revision);
        if (r < 0)
                return r;
        size_t size;
        const void *bytes = statement_bytes(statement, 1, &size);
        r = text_new(bytes, size, ret_text);
        if (r < 0)
                return error_say(error, EBADMSG, "the text of document %lld in the journal is not UTF-8",
                                 (long long) document);
        *ret_revision = statement_integer(statement, 0);
        return 0;
}

struct replay {
        struct text *text; /* owned */
        int64_t revision, until;
};

static int replay_update(void *context, const struct journal_update *update, struct error *error) {
        struct replay *replay = context;
        if (update->revision > replay->until)
                return 1;
        change_scoped change = NULL;
        text_scoped after = NULL;
        int r = journal_change(update->changes, &change, error);
        if (r == 0)
                r = change_apply(change, replay->text, &after);
        if (r < 0)
                return error_say(error, EBADMSG, "the journal's update to revision %lld does not fit",
                                 (long long) update->revision);
        text_unreference(replay->text);
        replay->text = steal_pointer(&after);
        replay->revision = update->revision;
        return 0;
}

int journal_text(struct store *store, int64_t document, int64_t revision, struct text **ret_text, struct error *error) {
        struct replay replay = { .until = revision };
        int r = stored_text(store, document, revision, &replay.text, &replay.revision, error);
        if (r == 0)
                r = journal_updates(store, document, replay.revision, replay_update, &replay, error);
        if (r >= 0 && replay.revision != revision)
                r = error_say(error, ENOENT, "revision %lld was made one with later ones", (long long) revision);
        if (r < 0)
                text_unreference(replay.text);
        else
                *ret_text = replay.text;
        return r < 0 ? r : 0;
}

int journal_updates(struct store *store, int64_t document, int64_t from, journal_function *function, void *context,
                    struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select revision, steps, coalesce(account, 0), time, client, changes "
                              "from document_update where document = $1 and revision > $2 order by revision",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, from);
        while ((r = statement_step(statement, error)) > 0) {
                struct journal_update update = {
                        .revision = statement_integer(statement, 0),
                        .steps = statement_integer(statement, 1),
                        .account = (uint32_t) statement_integer(statement, 2),
                        .time = statement_integer(statement, 3),
                        .client = statement_text(statement, 4),
                        .changes = statement_text(statement, 5),
                };
                r = function(context, &update, error);
                if (r != 0)
                        return r;
        }
        return r;
}

/* Writing */

static void bind_account(struct statement *statement, int parameter, uint32_t account) {
        if (account)
                statement_bind_integer(statement, parameter, account);
        else
                statement_bind_null(statement, parameter);
}

void journal_bind_text(struct statement *statement, int parameter, const struct text *text) {
        struct buffer bytes = { 0 };
        if (text_copy(text, 0, text_extent(text).units, &bytes) < 0)
                abort(); /* it is within the text, and there is no limit */
        statement_bind_bytes(statement, parameter, bytes.bytes, buffer_size(&bytes));
        buffer_finish(&bytes);
}

int journal_add_document(struct store *store, const struct journal_document *document, const struct text *text,
                         struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "insert into document (id, class, path, created, revision, written, base, base_text, "
                              "kept, kept_text) values ($1, $2, $3, $4, 0, 0, 0, $5, 0, $5)",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document->id);
        statement_bind_integer(statement, 2, document->class);
        statement_bind_text(statement, 3, document->path);
        statement_bind_integer(statement, 4, wall_milliseconds());
        journal_bind_text(statement, 5, text);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

static int insert_update(struct store *store, int64_t document, const struct journal_update *update,
                         struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "insert into document_update (document, revision, steps, account, time, client, changes) "
                              "values ($1, $2, $3, $4, $5, $6, $7)",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, update->revision);
        statement_bind_integer(statement, 3, update->steps);
        bind_account(statement, 4, update->account);
        statement_bind_integer(statement, 5, update->time);
        statement_bind_text(statement, 6, update->client);
        statement_bind_text(statement, 7, update->changes);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

int journal_add_update(struct store *store, int64_t document, const struct journal_update *update,
                       struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "update document set revision = $2 where id = $1 and revision = $3", &statement,
                              error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, update->revision);
        statement_bind_integer(statement, 3, update->revision - update->steps);
        r = statement_run(statement, error);
        if (r == 0)
                r = error_say(error, EINVAL, "revision %lld is not the next of document %lld",
                              (long long) update->revision, (long long) document);
        return r < 0 ? r : insert_update(store, document, update, error);
}

int journal_written(struct store *store, int64_t document, int64_t revision, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "update document set written = $2 where id = $1 and written < $2", &statement,
                              error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, revision);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

int journal_keep(struct store *store, int64_t document, int64_t revision, const struct text *text,
                 struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "update document set kept = $2, kept_text = $3 where id = $1 and base <= $2",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, revision);
        journal_bind_text(statement, 3, text);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

/* Moving */

/* Binds class, old path, its beginning with a slash and what comes right after all paths that begin so ('0' follows
 * '/'): an index answers that, where "like" would have to look at every row and mind the wildcards in names. */
static int prepare_within(struct store *store, const char *sql, uint32_t class, const char *path,
                          struct statement **ret_statement, struct error *error) {
        int r = store_prepare(store, sql, ret_statement, error);
        if (r < 0)
                return r;
        free_scoped char *first = format_string("%s/", path), *end = format_string("%s0", path);
        statement_bind_integer(*ret_statement, 1, class);
        statement_bind_text(*ret_statement, 2, path);
        statement_bind_text(*ret_statement, 3, first);
        statement_bind_text(*ret_statement, 4, end);
        return 0;
}

static int retire_within(struct store *store, uint32_t class, const char *path, int64_t now, struct error *error) {
        statement_scoped statement = NULL;
        int r = prepare_within(store,
                               "update document set gone = $5 where class = $1 and gone = 0 "
                               "and (path = $2 or (path >= $3 and path < $4))",
                               class, path, &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 5, now);
        return statement_run(statement, error);
}

int journal_move(struct store *store, uint32_t class, const char *from, const char *to, int64_t now,
                 struct error *error) {
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(store, &transaction, error);
        if (r >= 0)
                r = retire_within(store, class, to, now, error);
        if (r < 0)
                return r;
        statement_scoped statement = NULL;
        r = prepare_within(
                store,
                "update document set path = $5 || substr(path, length($2) + 1) where class = $1 and gone = 0 "
                "and (path = $2 or (path >= $3 and path < $4))",
                class, from, &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 5, to);
        r = statement_run(statement, error);
        statement_finish(steal_pointer(&statement));
        return r < 0 ? r : transaction_commit(&transaction, error);
}

int journal_unwritten(struct store *store, int64_t after, struct journal_document *ret_documents, size_t capacity,
                      struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select id, class, path, revision, written from document "
                              "where revision > written and gone = 0 and id > $2 order by id limit $1",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, (int64_t) capacity);
        statement_bind_integer(statement, 2, after);
        int count = 0;
        while ((r = statement_step(statement, error)) > 0) {
                r = read_document(statement, &ret_documents[count], error);
                if (r < 0)
                        return r;
                count++;
        }
        return r < 0 ? r : count;
}
