#include "history.h"
#include "change.h"
#include "journal.h"
#include "text.h"

/* Loading */

enum { SPAN_MILLISECONDS = 60 * 1000, FIRST_CAPACITY = 64 };

void history_finish(struct history *history) {
        free(history->spans);
        free(history->marks);
        *history = (struct history){ 0 };
}

static int load_bounds(struct store *store, int64_t document, struct history *history, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select base, revision from document where id = $1", &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        r = statement_step(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "there is no document %lld", (long long) document);
        if (r < 0)
                return r;
        history->first = statement_integer(statement, 0);
        history->last = statement_integer(statement, 1);
        return 0;
}

static bool same_minute(int64_t one, int64_t other) {
        return one / SPAN_MILLISECONDS == other / SPAN_MILLISECONDS;
}

static struct history_span *add_span(struct history *history) {
        if (!history->spans)
                history->spans = reallocate_array(NULL, HISTORY_SPANS, sizeof *history->spans);
        if (history->span_count == HISTORY_SPANS) {
                memmove(history->spans, history->spans + 1, (HISTORY_SPANS - 1) * sizeof *history->spans);
                history->span_count--;
        }
        return &history->spans[history->span_count++];
}

static int count_units(const char *changes, uint64_t *ret_inserted, uint64_t *ret_deleted, struct error *error) {
        change_scoped change = NULL;
        int r = journal_change(changes, &change, error);
        if (r < 0)
                return r;
        uint64_t deleted = 0;
        json_t *json = change_to_json(change), *section;
        size_t i;
        json_array_foreach(json, i, section) deleted += (uint64_t) json_integer_value(json_array_get(section, 0));
        json_decref(json);
        *ret_inserted = change_length_after(change) + deleted - change_length_before(change);
        *ret_deleted = deleted;
        return 0;
}

static int add_to_spans(void *context, const struct journal_update *update, struct error *error) {
        struct history *history = context;
        uint64_t inserted, deleted;
        int r = count_units(update->changes, &inserted, &deleted, error);
        if (r < 0)
                return r;
        struct history_span *span = history->span_count ? &history->spans[history->span_count - 1] : NULL;
        if (!span || span->account != update->account || !same_minute(span->start, update->time)) {
                span = add_span(history);
                *span = (struct history_span){ .from = update->revision - update->steps,
                                               .start = update->time,
                                               .account = update->account };
        }
        span->to = update->revision;
        span->end = update->time;
        span->inserted += inserted;
        span->deleted += deleted;
        return 0;
}

static int load_marks(struct store *store, int64_t document, struct history *history, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select revision, time, run, coalesce(account, 0), coalesce(reason, -1), "
                              "coalesce(status, -1) from document_mark where document = $1 order by time desc limit $2",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, HISTORY_MARKS);
        history->marks = reallocate_array(NULL, HISTORY_MARKS, sizeof *history->marks);
        while ((r = statement_step(statement, error)) > 0)
                history->marks[history->mark_count++] = (struct history_mark){
                        .revision = statement_integer(statement, 0),
                        .time = statement_integer(statement, 1),
                        .run = statement_integer(statement, 2),
                        .account = (uint32_t) statement_integer(statement, 3),
                        .reason = (int) statement_integer(statement, 4),
                        .status = (int) statement_integer(statement, 5),
                };
        return r;
}

int history_load(struct store *store, int64_t document, struct history *ret_history, struct error *error) {
        struct history history = { 0 };
        int r = load_bounds(store, document, &history, error);
        if (r == 0)
                r = journal_updates(store, document, history.first, add_to_spans, &history, error);
        if (r == 0)
                r = load_marks(store, document, &history, error);
        if (r < 0)
                history_finish(&history);
        else
                *ret_history = history;
        return r < 0 ? r : 0;
}

/* Marks */

int history_mark(struct store *store, int64_t document, const struct history_mark *mark, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "insert into document_mark (document, run, revision, account, time) "
                              "select id, $2, $3, $4, $5 from document where id = $1",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, mark->run);
        statement_bind_integer(statement, 3, mark->revision);
        statement_bind_integer(statement, 4, mark->account);
        statement_bind_integer(statement, 5, mark->time);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

int history_mark_ended(struct store *store, int64_t run, int reason, int status, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "update document_mark set reason = $2, status = $3 where run = $1", &statement,
                              error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, run);
        statement_bind_integer(statement, 2, reason);
        if (status >= 0)
                statement_bind_integer(statement, 3, status);
        else
                statement_bind_null(statement, 3);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

/* Condensing: the old updates are read into a list, groups of it become one, and what changed is written back. */

struct past_update {
        int64_t revision, steps, time;
        uint32_t account;
        char *changes;
        bool run;     /* this revision was run: nothing of later joins it */
        bool changed; /* stands for more than it did in the database */
};

struct past {
        struct past_update *updates;
        size_t count, capacity;
        size_t bytes;
        int64_t until;   /* the newest revision that may be condensed */
        int64_t written; /* and the newest that the past may begin with */
};

static void past_finish(struct past *past) {
        for (size_t i = 0; i < past->count; i++)
                free(past->updates[i].changes);
        free(past->updates);
}

static int add_to_past(void *context, const struct journal_update *update, struct error *error) {
        (void) error;
        struct past *past = context;
        if (update->revision > past->until)
                return 1;
        if (past->count == past->capacity) {
                past->capacity = past->capacity ? 2 * past->capacity : FIRST_CAPACITY;
                past->updates = reallocate_array(past->updates, past->capacity, sizeof *past->updates);
        }
        past->updates[past->count++] = (struct past_update){
                .revision = update->revision,
                .steps = update->steps,
                .time = update->time,
                .account = update->account,
                .changes = duplicate_string(update->changes),
        };
        return 0;
}

static int note_runs(struct store *store, int64_t document, struct past *past, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select revision from document_mark where document = $1 order by revision",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        size_t at = 0;
        while ((r = statement_step(statement, error)) > 0) {
                int64_t revision = statement_integer(statement, 0);
                while (at < past->count && past->updates[at].revision < revision)
                        at++;
                if (at < past->count && past->updates[at].revision == revision)
                        past->updates[at].run = true;
        }
        return r;
}

static bool joins(const struct past_update *first, const struct past_update *next) {
        return !first->run && first->account == next->account && same_minute(first->time, next->time);
}

/* `next` becomes what both did. */
static int join(struct past_update *first, struct past_update *next, struct error *error) {
        change_scoped one = NULL;
        change_scoped other = NULL;
        change_scoped both = NULL;
        int r = journal_change(first->changes, &one, error);
        if (r == 0)
                r = journal_change(next->changes, &other, error);
        if (r == 0)
                r = change_compose(one, other, &both);
        if (r < 0)
                return error_say(error, -r, "two updates of the journal do not fit together");
        free(next->changes);
        next->changes = journal_change_text(both);
        next->steps += first->steps;
        next->changed = true;
        free(steal_pointer(&first->changes)); /* it is to be deleted */
        return 0;
}

static int join_minutes(struct past *past, struct error *error) {
        for (size_t i = 0; i + 1 < past->count; i++) {
                struct past_update *first = &past->updates[i], *next = &past->updates[i + 1];
                int r = joins(first, next) ? join(first, next, error) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int delete_update(struct store *store, int64_t document, int64_t revision, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "delete from document_update where document = $1 and revision = $2", &statement,
                              error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, revision);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

static int rewrite_update(struct store *store, int64_t document, const struct past_update *update,
                          struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "update document_update set steps = $3, changes = $4 "
                              "where document = $1 and revision = $2",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, update->revision);
        statement_bind_integer(statement, 3, update->steps);
        statement_bind_text(statement, 4, update->changes);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

static int write_back(struct store *store, int64_t document, const struct past *past, struct error *error) {
        int r = 0;
        for (size_t i = 0; r == 0 && i < past->count; i++) {
                const struct past_update *update = &past->updates[i];
                if (!update->changes)
                        r = delete_update(store, document, update->revision, error);
                else if (update->changed)
                        r = rewrite_update(store, document, update, error);
        }
        return r;
}

/* How far the oldest part is to go: the revision that the past begins with afterwards, or -1. */
static int new_beginning(struct store *store, int64_t document, int64_t until, int64_t *ret_revision,
                         struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select revision, length(changes) from document_update where document = $1 "
                              "order by revision desc",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        int64_t updates = 0, bytes = 0;
        *ret_revision = -1;
        while ((r = statement_step(statement, error)) > 0) {
                bytes += statement_integer(statement, 1);
                if (++updates <= HISTORY_UPDATES && bytes <= HISTORY_BYTES)
                        continue;
                int64_t revision = statement_integer(statement, 0);
                if (revision > until)
                        continue;
                *ret_revision = revision;
                return 0;
        }
        return r;
}

static int set_beginning(struct store *store, int64_t document, int64_t revision, const struct text *text,
                         struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "update document set base = $2, base_text = $3, "
                              "kept_text = case when kept < $2 then $3 else kept_text end, "
                              "kept = case when kept < $2 then $2 else kept end where id = $1",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, revision);
        journal_bind_text(statement, 3, text);
        r = statement_run(statement, error);
        statement_finish(steal_pointer(&statement));
        if (r < 0)
                return r;
        r = store_prepare(store, "delete from document_update where document = $1 and revision <= $2", &statement,
                          error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        statement_bind_integer(statement, 2, revision);
        r = statement_run(statement, error);
        return r < 0 ? r : 0;
}

static int begin_later(struct store *store, int64_t document, int64_t until, struct error *error) {
        int64_t revision;
        text_scoped text = NULL;
        int r = new_beginning(store, document, until, &revision, error);
        if (r < 0 || revision < 0)
                return r;
        r = journal_text(store, document, revision, &text, error);
        return r < 0 ? r : set_beginning(store, document, revision, text, error);
}

/* What came after the stored text, which is where the last time ended: so that each update is looked at once. The
 * newest of it will be the stored text's, since it is a revision that stays one. */
static int load_past(struct store *store, int64_t document, struct past *past, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select kept, written, revision from document where id = $1", &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, document);
        r = statement_step(statement, error);
        if (r <= 0)
                return r;
        int64_t kept = statement_integer(statement, 0), written = statement_integer(statement, 1);
        int64_t fine = statement_integer(statement, 2) - HISTORY_FINE;
        statement_finish(steal_pointer(&statement));
        past->until = written < fine ? written : fine;
        past->written = written;
        r = journal_updates(store, document, kept, add_to_past, past, error);
        if (r >= 0 && past->count > 0)
                past->until = past->updates[past->count - 1].revision;
        return r < 0 ? r : note_runs(store, document, past, error);
}

static int condense(struct store *store, int64_t document, struct past *past, struct error *error) {
        text_scoped text = NULL;
        int r = load_past(store, document, past, error);
        if (r == 0 && past->count > 0)
                r = journal_text(store, document, past->until, &text, error);
        if (r == 0 && past->count > 0)
                r = journal_keep(store, document, past->until, text, error);
        if (r == 0)
                r = join_minutes(past, error);
        if (r == 0)
                r = write_back(store, document, past, error);
        /* Large pastes fill the bounds with updates that are all new. */
        return r < 0 ? r : begin_later(store, document, past->written, error);
}

int history_condense(struct store *store, int64_t document, struct error *error) {
        struct past past = { 0 };
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(store, &transaction, error);
        if (r >= 0)
                r = condense(store, document, &past, error);
        past_finish(&past);
        return r < 0 ? r : transaction_commit(&transaction, error);
}

/* Forgetting */

int history_forget(struct store *store, int64_t before, struct error *error) {
#define OLD                                                                                                            \
        "(select id from document where revision = written and created < $1 and not exists "                           \
        "(select 1 from document_update where document = id and time >= $1))"
        static const char *const statements[] = {
                "delete from document_mark where document in " OLD,
                "delete from document_update where document in " OLD,
                "delete from document where id in " OLD,
        };
#undef OLD
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(store, &transaction, error);
        for (size_t i = 0; r >= 0 && i < array_length(statements); i++) {
                statement_scoped statement = NULL;
                r = store_prepare(store, statements[i], &statement, error);
                if (r < 0)
                        break;
                statement_bind_integer(statement, 1, before);
                r = statement_run(statement, error);
        }
        int forgotten = r;
        if (r >= 0)
                r = transaction_commit(&transaction, error);
        return r < 0 ? r : forgotten;
}
