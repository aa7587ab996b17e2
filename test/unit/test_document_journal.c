/* The journal and the past that comes of it: without gaps, exact at every revision that is kept, and of bounded size.
 */
#include "../../src/document/document.h"
#include "test_document.h"
#include "test_folder.h"

enum { CLASS = 1, DOCUMENT = 4711, ADA = 1, BEN = 2, MINUTE = 60000 };

struct fixture {
        char *folder;
        struct store *store;
        struct chance chance;
        struct text *text; /* the document's newest */
        int64_t revision, time;
        struct text *texts[HISTORY_UPDATES + 4 * HISTORY_FINE]; /* of each revision */
};

static void run(struct store *store, const char *sql) {
        struct error error;
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(store, sql, &statement, &error), 0);
        assert_true(statement_run(statement, &error) >= 0);
}

static int64_t ask(struct store *store, const char *sql) {
        struct error error;
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(store, sql, &statement, &error), 0);
        assert_int_equal(statement_step(statement, &error), 1);
        return statement_integer(statement, 0);
}

static int setup(void **state) {
        struct fixture *fixture = allocate(sizeof *fixture);
        struct error error;
        fixture->folder = make_test_folder();
        fixture->chance.state = 99;
        free_scoped char *path = format_string("%s/carrel.db", fixture->folder);
        *state = fixture;
        int r = store_open(path, &fixture->store, &error);
        if (r < 0)
                return r;
        run(fixture->store, "insert into class (id, slug, title, created) values (1, 'demo', 'Demo', 0)");
        run(fixture->store, "pragma foreign_keys = off"); /* accounts are no matter here */
        run(fixture->store, "pragma synchronous = off");
        return 0;
}

static int teardown(void **state) {
        struct fixture *fixture = *state;
        for (int64_t i = 0; i <= fixture->revision; i++)
                text_unreference(fixture->texts[i]);
        text_unreference(fixture->text);
        store_close(fixture->store);
        remove_test_folder(fixture->folder);
        free(fixture);
        return 0;
}

static void add_document(struct fixture *fixture, const char *path, const char *text) {
        struct error error;
        struct journal_document row = { .id = DOCUMENT, .class = CLASS };
        snprintf(row.path, sizeof row.path, "%s", path);
        fixture->text = text_of_string(text);
        fixture->texts[0] = text_reference(fixture->text);
        assert_int_equal(journal_add_document(fixture->store, &row, fixture->text, &error), 0);
}

static void store_change(struct fixture *fixture, struct change *change, uint32_t account) {
        struct error error;
        struct buffer json = { 0 };
        struct text *after;
        assert_int_equal(change_apply(change, fixture->text, &after), 0);
        assert_int_equal(change_write(change, &json), 0);
        assert_int_equal(buffer_append(&json, "", 1), 0);
        struct journal_update update = { .revision = fixture->revision + 1,
                                         .steps = 1,
                                         .account = account,
                                         .time = fixture->time,
                                         .client = "page",
                                         .changes = (const char *) buffer_front(&json) };
        assert_int_equal(journal_add_update(fixture->store, DOCUMENT, &update, &error), 0);
        buffer_finish(&json);
        text_unreference(fixture->text);
        fixture->text = after;
        fixture->texts[++fixture->revision] = text_reference(after);
}

/* Replaces some units; never within a pair. */
static void type_at(struct fixture *fixture, size_t from, size_t to, const void *bytes, size_t size, uint32_t account) {
        struct change_builder builder = { 0 };
        change_scoped change = NULL;
        change_build_keep(&builder, from);
        change_build_replace(&builder, to - from, bytes, size);
        change_build_keep(&builder, text_extent(fixture->text).units - to);
        assert_int_equal(change_build_end(&builder, &change), 0);
        store_change(fixture, change, account);
}

static size_t some_place(struct fixture *fixture) {
        size_t units = text_extent(fixture->text).units;
        struct text_extent ignored;
        size_t at = chance_below(&fixture->chance, units + 1);
        return text_at_unit(fixture->text, at, &ignored) == 0 ? at : at - 1;
}

static void type_something(struct fixture *fixture, uint32_t account) {
        struct buffer bytes = { 0 };
        size_t one = some_place(fixture), other = some_place(fixture);
        size_t from = one < other ? one : other, to = one < other ? other : one;
        if (text_extent(fixture->text).units < 300 || to - from > 100)
                to = from;
        random_pieces(&fixture->chance, 1 + chance_below(&fixture->chance, 4), &bytes);
        type_at(fixture, from, to, buffer_front(&bytes), buffer_size(&bytes), account);
        buffer_finish(&bytes);
}

static void type_many(struct fixture *fixture, size_t count, int64_t apart) {
        transaction_scoped transaction = { 0 };
        struct error error;
        assert_int_equal(transaction_begin(fixture->store, &transaction, &error), 0);
        for (size_t i = 0; i < count; i++) {
                type_something(fixture, chance_below(&fixture->chance, 8) ? ADA : BEN);
                fixture->time += apart;
        }
        assert_int_equal(transaction_commit(&transaction, &error), 0);
}

static void written(struct fixture *fixture, int64_t revision) {
        struct error error;
        assert_int_equal(journal_written(fixture->store, DOCUMENT, revision, &error), 0);
}

static void condense(struct fixture *fixture) {
        struct error error;
        assert_int_equal(history_condense(fixture->store, DOCUMENT, &error), 0);
}

/* Every revision that the journal still has, by replaying and by asking for some; returns how many updates they are. */
struct replayed {
        struct fixture *fixture;
        struct text *text; /* owned */
        int64_t revision;
        size_t updates;
};

static int replay(void *context, const struct journal_update *update, struct error *error) {
        struct replayed *replayed = context;
        change_scoped change = NULL;
        struct text *next;
        assert_int_equal(journal_change(update->changes, &change, error), 0);
        assert_int_equal(change_apply(change, replayed->text, &next), 0);
        assert_int_equal(update->revision - update->steps, replayed->revision); /* no gap */
        text_unreference(replayed->text);
        replayed->text = next;
        replayed->revision = update->revision;
        replayed->updates++;
        assert_true(text_equal(next, replayed->fixture->texts[update->revision]));
        return 0;
}

static size_t assert_past(struct fixture *fixture) {
        struct error error;
        int64_t base = ask(fixture->store, "select base from document"),
                kept = ask(fixture->store, "select kept from document");
        struct replayed replayed = { .fixture = fixture, .revision = base };
        assert_true(base <= kept && kept <= ask(fixture->store, "select written from document"));
        assert_int_equal(journal_text(fixture->store, DOCUMENT, base, &replayed.text, &error), 0);
        assert_true(text_equal(replayed.text, fixture->texts[base]));
        assert_int_equal(journal_updates(fixture->store, DOCUMENT, base, replay, &replayed, &error), 0);
        assert_int_equal(replayed.revision, fixture->revision);
        text_unreference(replayed.text);
        for (int64_t revision = fixture->revision; revision >= base && revision > fixture->revision - HISTORY_FINE;
             revision -= 97) {
                text_scoped text = NULL;
                assert_int_equal(journal_text(fixture->store, DOCUMENT, revision, &text, &error), 0);
                assert_true(text_equal(text, fixture->texts[revision]));
        }
        return replayed.updates;
}

/* The journal */

static void test_revisions_have_no_gap(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct journal_update update = { .revision = 2, .steps = 1, .client = "page", .changes = "[[0,\"x\"]]" };
        add_document(fixture, "Local/ada/a.py", "");
        assert_int_equal(journal_add_update(fixture->store, DOCUMENT, &update, &error), -EINVAL);
        update.revision = 1;
        assert_int_equal(journal_add_update(fixture->store, DOCUMENT, &update, &error), 0);
        assert_int_equal(journal_add_update(fixture->store, DOCUMENT, &update, &error), -EINVAL); /* once only */
        assert_int_equal(journal_add_update(fixture->store, DOCUMENT + 1, &update, &error), -EINVAL);
        assert_int_equal(ask(fixture->store, "select count(*) from document_update"), 1);
}

static void test_texts(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct text *text;
        add_document(fixture, "Local/ada/a.py", "# ä🐍\n");
        type_many(fixture, 400, 100);
        assert_int_equal(assert_past(fixture), 400);
        assert_int_equal(journal_text(fixture->store, DOCUMENT, 401, &text, &error), -ENOENT);
        assert_int_equal(journal_text(fixture->store, DOCUMENT + 1, 0, &text, &error), -ENOENT);
        /* From the middle on. */
        written(fixture, 250);
        assert_int_equal(journal_keep(fixture->store, DOCUMENT, 200, fixture->texts[200], &error), 0);
        assert_int_equal(assert_past(fixture), 400);
        struct journal_document row;
        assert_int_equal(journal_find(fixture->store, CLASS, "Local/ada/a.py", &row, &error), 0);
        assert_int_equal(row.id, DOCUMENT);
        assert_int_equal(row.revision, 400);
        assert_int_equal(row.written, 250);
        written(fixture, 240); /* never back */
        assert_int_equal(ask(fixture->store, "select written from document"), 250);
        assert_int_equal(journal_find(fixture->store, CLASS + 1, "Local/ada/a.py", &row, &error), -ENOENT);
}

static void test_a_nul_and_every_letter(void **state) {
        struct fixture *fixture = *state;
        add_document(fixture, "Local/ada/a.py", "");
        static const char bytes[] = "a\0b\"\\\x01\x7f\n\r\n\xf4\x8f\xbf\xbf";
        type_at(fixture, 0, 0, bytes, sizeof bytes - 1, ADA);
        type_at(fixture, 1, 2, "", 0, ADA);
        assert_int_equal(assert_past(fixture), 2);
}

static void test_unwritten(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct journal_document rows[2];
        add_document(fixture, "Local/ada/a.py", "");
        assert_int_equal(journal_unwritten(fixture->store, 0, rows, 2, &error), 0);
        type_many(fixture, 3, 1);
        assert_int_equal(journal_unwritten(fixture->store, 0, rows, 2, &error), 1);
        assert_int_equal(rows[0].id, DOCUMENT);
        assert_int_equal(journal_unwritten(fixture->store, DOCUMENT, rows, 2, &error), 0);
        written(fixture, 3);
        assert_int_equal(journal_unwritten(fixture->store, 0, rows, 2, &error), 0);
}

static void test_moves(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct journal_document row;
        add_document(fixture, "Local/ada/old/a.py", "");
        type_many(fixture, 2, 1);
        /* A name that only begins the same is another one's. */
        assert_int_equal(journal_move(fixture->store, CLASS, "Local/ada/ol", "Local/ada/x", 5, &error), 0);
        assert_int_equal(journal_move(fixture->store, CLASS, "Local/ada/o%", "Local/ada/x", 5, &error), 0);
        assert_int_equal(journal_find(fixture->store, CLASS, "Local/ada/old/a.py", &row, &error), 0);
        assert_int_equal(journal_move(fixture->store, CLASS, "Local/ada/old", "Local/ada/nèw", 5, &error), 0);
        assert_int_equal(journal_find(fixture->store, CLASS, "Local/ada/nèw/a.py", &row, &error), 0);
        assert_int_equal(row.revision, 2);
        assert_int_equal(journal_find(fixture->store, CLASS, "Local/ada/old/a.py", &row, &error), -ENOENT);
        /* What was at the place that something else takes is gone; its past is not. */
        assert_int_equal(journal_move(fixture->store, CLASS, "Local/ada/b.py", "Local/ada/nèw/a.py", 6, &error), 0);
        assert_int_equal(journal_find(fixture->store, CLASS, "Local/ada/nèw/a.py", &row, &error), -ENOENT);
        assert_int_equal(assert_past(fixture), 2);
}

/* The past */

static void test_spans(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct history history;
        assert_int_equal(history_load(fixture->store, DOCUMENT, &history, &error), -ENOENT);
        add_document(fixture, "Local/ada/a.py", "");
        fixture->time = 10 * MINUTE;
        type_at(fixture, 0, 0, "one", 3, ADA);
        type_at(fixture, 3, 3, "🐍", 4, ADA);
        type_at(fixture, 0, 1, "", 0, BEN);
        fixture->time += MINUTE;
        type_at(fixture, 0, 1, "N", 1, BEN);
        assert_int_equal(history_load(fixture->store, DOCUMENT, &history, &error), 0);
        assert_int_equal(history.first, 0);
        assert_int_equal(history.last, 4);
        assert_int_equal(history.span_count, 3);
        assert_int_equal(history.spans[0].from, 0);
        assert_int_equal(history.spans[0].to, 2);
        assert_int_equal(history.spans[0].inserted, 5);
        assert_int_equal(history.spans[0].account, ADA);
        assert_int_equal(history.spans[1].deleted, 1);
        assert_int_equal(history.spans[1].to, 3);
        assert_int_equal(history.spans[2].inserted, 1);
        assert_int_equal(history.spans[2].deleted, 1);
        history_finish(&history);
}

static void mark(struct fixture *fixture, int64_t revision, int64_t run) {
        struct error error;
        struct history_mark it = { .revision = revision, .time = run, .run = run, .account = ADA };
        assert_int_equal(history_mark(fixture->store, DOCUMENT, &it, &error), 0);
}

static void test_condensing_joins_minutes(void **state) {
        struct fixture *fixture = *state;
        add_document(fixture, "Local/ada/a.py", "");
        type_many(fixture, 3 * HISTORY_FINE, 500);
        written(fixture, fixture->revision);
        condense(fixture);
        size_t count = assert_past(fixture);
        /* Two thousand updates of two people, of 17 minutes: fewer than one of four stays. */
        assert_true(count >= HISTORY_FINE && count < HISTORY_FINE + 2 * HISTORY_FINE / 2);
        assert_int_equal(ask(fixture->store, "select max(steps) > 1 from document_update"), 1);
        assert_int_equal(
                ask(fixture->store, "select count(*) from document_update where steps > 1 and revision > 2000"), 0);
        assert_int_equal(ask(fixture->store, "select sum(steps) from document_update"), fixture->revision);
        /* Again changes nothing; more typing, more of it. */
        condense(fixture);
        assert_int_equal(assert_past(fixture), count);
        type_many(fixture, 700, 500);
        written(fixture, fixture->revision);
        condense(fixture);
        assert_true(assert_past(fixture) < count + 700);
}

static void test_nothing_unwritten_is_condensed(void **state) {
        struct fixture *fixture = *state;
        add_document(fixture, "Local/ada/a.py", "");
        type_many(fixture, 3 * HISTORY_FINE, 10);
        condense(fixture);
        assert_int_equal(assert_past(fixture), 3 * HISTORY_FINE);
        written(fixture, 100);
        condense(fixture);
        size_t count = assert_past(fixture);
        assert_true(count < 3 * HISTORY_FINE && count >= 3 * HISTORY_FINE - 100);
        assert_int_equal(ask(fixture->store, "select max(revision) <= 100 from document_update where steps > 1"), 1);
}

static void test_what_was_run_stays(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        add_document(fixture, "Local/ada/a.py", "");
        type_many(fixture, 3 * HISTORY_FINE, 10);
        written(fixture, fixture->revision);
        for (int64_t run = 1; run <= 40; run++)
                mark(fixture, run * 41, run);
        assert_int_equal(history_mark_ended(fixture->store, 3, 2, 1, &error), 0);
        assert_int_equal(history_mark_ended(fixture->store, 4, 1, -1, &error), 0);
        condense(fixture);
        assert_past(fixture);
        for (int64_t run = 1; run <= 40; run++) {
                text_scoped text = NULL;
                assert_int_equal(journal_text(fixture->store, DOCUMENT, run * 41, &text, &error), 0);
                assert_true(text_equal(text, fixture->texts[run * 41]));
        }
        struct history history;
        assert_int_equal(history_load(fixture->store, DOCUMENT, &history, &error), 0);
        assert_int_equal(history.mark_count, 40);
        assert_int_equal(history.marks[40 - 3].reason, 2); /* the newest first */
        assert_int_equal(history.marks[40 - 3].status, 1);
        assert_int_equal(history.marks[40 - 4].status, -1);
        assert_int_equal(history.marks[40 - 5].reason, -1);
        history_finish(&history);
}

/* Each minute somebody else: nothing can be joined, and the oldest goes. */
static void test_a_bounded_number(void **state) {
        struct fixture *fixture = *state;
        add_document(fixture, "Local/ada/a.py", "");
        for (int round = 0; round < 6; round++) {
                type_many(fixture, (HISTORY_UPDATES + 3 * HISTORY_FINE) / 6, MINUTE);
                written(fixture, fixture->revision);
                condense(fixture);
                assert_true(assert_past(fixture) <= HISTORY_UPDATES);
        }
        assert_true(ask(fixture->store, "select base > 0 from document"));
        assert_int_equal(ask(fixture->store, "select count(*) from document_update"), HISTORY_UPDATES);
        struct error error;
        struct text *text;
        assert_int_equal(journal_text(fixture->store, DOCUMENT, 0, &text, &error), -ENOENT);
}

/* Pastes: it is the bytes that are too many, long before the updates are. */
static void test_bounded_bytes(void **state) {
        struct fixture *fixture = *state;
        enum { PASTE = 100 << 10, PASTES = 60 };
        free_scoped char *bytes = allocate(PASTE);
        memset(bytes, 'x', PASTE);
        add_document(fixture, "Local/ada/a.py", "");
        for (int i = 0; i < PASTES; i++) {
                type_at(fixture, 0, text_extent(fixture->text).units, bytes, PASTE, ADA);
                fixture->time += MINUTE;
        }
        written(fixture, fixture->revision);
        condense(fixture);
        size_t count = assert_past(fixture);
        assert_true(count > 0 && count <= HISTORY_BYTES / PASTE);
        assert_true(ask(fixture->store, "select sum(length(changes)) from document_update") <= HISTORY_BYTES);
}

/* A file into which nobody types any more is what is left of its document; one that is behind is none yet. */
static void test_forgetting(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        add_document(fixture, "Local/ada/a.py", "x");
        type_many(fixture, 20, MINUTE);
        mark(fixture, 3, 7);
        int64_t after = wall_milliseconds() + 1;
        after = fixture->time >= after ? fixture->time + 1 : after;
        assert_int_equal(history_forget(fixture->store, after, &error), 0);
        written(fixture, fixture->revision);
        assert_int_equal(history_forget(fixture->store, fixture->time, &error), 0);
        assert_int_equal(ask(fixture->store, "select count(*) from document_update"), 20);
        assert_int_equal(history_forget(fixture->store, after, &error), 1);
        assert_int_equal(ask(fixture->store, "select count(*) from document"), 0);
        assert_int_equal(ask(fixture->store, "select count(*) from document_update"), 0);
        assert_int_equal(ask(fixture->store, "select count(*) from document_mark"), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_revisions_have_no_gap, setup, teardown),
                cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_nul_and_every_letter, setup, teardown),
                cmocka_unit_test_setup_teardown(test_unwritten, setup, teardown),
                cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
                cmocka_unit_test_setup_teardown(test_spans, setup, teardown),
                cmocka_unit_test_setup_teardown(test_condensing_joins_minutes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nothing_unwritten_is_condensed, setup, teardown),
                cmocka_unit_test_setup_teardown(test_what_was_run_stays, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_bounded_number, setup, teardown),
                cmocka_unit_test_setup_teardown(test_bounded_bytes, setup, teardown),
                cmocka_unit_test_setup_teardown(test_forgetting, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
