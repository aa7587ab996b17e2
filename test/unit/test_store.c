/* The store: durable settings, transactions, threads, versions, whose files they are. */
#include "../../src/store/store.h"
#include "test_folder.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
        char *folder, *path;
        struct store *store;
};

static int setup(void **state) {
        struct fixture *fixture = allocate(sizeof *fixture);
        struct error error;
        fixture->folder = make_test_folder();
        fixture->path = format_string("%s/carrel.db", fixture->folder);
        *state = fixture;
        return store_open(fixture->path, &fixture->store, &error);
}

static int teardown(void **state) {
        struct fixture *fixture = *state;
        store_close(fixture->store);
        remove_test_folder(fixture->folder);
        free(fixture->path);
        free(fixture);
        return 0;
}

static int run(struct store *store, const char *sql, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, sql, &statement, error);
        return r < 0 ? r : statement_run(statement, error);
}

static int64_t ask(struct store *store, const char *sql) {
        struct error error;
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(store, sql, &statement, &error), 0);
        assert_int_equal(statement_step(statement, &error), 1);
        return statement_integer(statement, 0);
}

static int add_class(struct store *store, int id, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "insert into class (title, slug, id, created) values ($3, $2, $1, 0)", &statement,
                              error);
        if (r < 0)
                return r;
        char slug[16];
        snprintf(slug, sizeof slug, "c%d", id);
        statement_bind_integer(statement, 1, id);
        statement_bind_text(statement, 2, slug);
        statement_bind_text(statement, 3, "Title");
        return statement_run(statement, error);
}

static void test_durable(void **state) {
        struct fixture *fixture = *state;
        struct stat status;
        assert_int_equal(ask(fixture->store, "pragma synchronous"), 2); /* full */
        assert_int_equal(ask(fixture->store, "pragma foreign_keys"), 1);
        assert_int_equal(ask(fixture->store, "pragma user_version") >= 1, 1);
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(fixture->store, "pragma journal_mode", &statement, NULL), 0);
        assert_int_equal(statement_step(statement, NULL), 1);
        assert_string_equal(statement_text(statement, 0), "wal");
        assert_int_equal(stat(fixture->path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
}

/* "$1" is a name to SQLite: it once bound in order of occurrence, and title and id changed places. */
static void test_parameters_go_by_number(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        assert_int_equal(add_class(fixture->store, 3, &error), 1);
        assert_int_equal(
                ask(fixture->store, "select count(*) from class where id = 3 and slug = 'c3' and title = 'Title'"), 1);
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(fixture->store, "select $1", &statement, &error), 0);
        statement_bind_integer(statement, 2, 1); /* there is none: told by the step */
        assert_true(statement_step(statement, &error) < 0);
}

static void test_failures_have_numbers(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        assert_int_equal(add_class(fixture->store, 1, &error), 1);
        assert_int_equal(add_class(fixture->store, 1, &error), -EEXIST);
        assert_int_equal(add_class(fixture->store, 801, &error), -EINVAL);
        assert_int_equal(run(fixture->store, "insert into enrolment (class, account) values (1, 99)", &error), -EINVAL);
        assert_int_equal(run(fixture->store, "select nonsense from class", &error), -EIO);
        assert_non_null(strstr(error.text, "nonsense"));
        char small[3];
        statement_scoped statement = NULL;
        assert_int_equal(store_prepare(fixture->store, "select 'abc'", &statement, &error), 0);
        assert_int_equal(statement_step(statement, &error), 1);
        assert_int_equal(statement_copy_text(statement, 0, small, sizeof small, &error), -EOVERFLOW);
}

static void test_uncommitted_is_rolled_back(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        {
                transaction_scoped transaction = { 0 };
                assert_int_equal(transaction_begin(fixture->store, &transaction, &error), 0);
                assert_int_equal(add_class(fixture->store, 1, &error), 1);
        }
        assert_int_equal(ask(fixture->store, "select count(*) from class"), 0);
        {
                transaction_scoped transaction = { 0 };
                assert_int_equal(transaction_begin(fixture->store, &transaction, &error), 0);
                assert_int_equal(add_class(fixture->store, 1, &error), 1);
                assert_int_equal(transaction_commit(&transaction, &error), 0);
        }
        assert_int_equal(ask(fixture->store, "select count(*) from class"), 1);
}

static void add_nested(struct store *store, int id, bool commit) {
        struct error error;
        transaction_scoped inner = { 0 };
        assert_int_equal(transaction_begin(store, &inner, &error), 0);
        assert_int_equal(add_class(store, id, &error), 1);
        if (commit)
                assert_int_equal(transaction_commit(&inner, &error), 0);
}

static void test_nested_is_one(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        for (int round = 0; round < 3; round++) {
                bool inner = round != 0, outer = round != 1;
                transaction_scoped transaction = { 0 };
                assert_int_equal(transaction_begin(fixture->store, &transaction, &error), 0);
                add_nested(fixture->store, 1, inner);
                if (outer)
                        assert_int_equal(transaction_commit(&transaction, &error), inner ? 0 : -ECANCELED);
                transaction_rollback(&transaction);
                assert_int_equal(ask(fixture->store, "select count(*) from class"), inner && outer);
        }
}

/* Who reads first and writes later must not find the way barred half-way: a transaction has its turn from the start. */
static void test_transactions_take_turns(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        store_scoped other = NULL;
        assert_int_equal(store_open(fixture->path, &other, &error), 0);
        assert_int_equal(ask(other, "pragma busy_timeout = 1"), 1);
        transaction_scoped mine = { 0 }, theirs = { 0 };
        assert_int_equal(transaction_begin(fixture->store, &mine, &error), 0);
        assert_int_equal(transaction_begin(other, &theirs, &error), -EBUSY);
        assert_int_equal(ask(other, "select count(*) from class"), 0); /* reading goes on */
        assert_int_equal(transaction_commit(&mine, &error), 0);
        assert_int_equal(transaction_begin(other, &theirs, &error), 0);
        transaction_rollback(&theirs);
}

static void *add_many(void *context) {
        struct store *store = context;
        for (int i = 0; i < 50; i++) {
                struct error error;
                transaction_scoped transaction = { 0 };
                int r = transaction_begin(store, &transaction, &error);
                int64_t id = r < 0 ? r : ask(store, "select coalesce(max(id), 0) + 1 from class");
                if (r >= 0)
                        r = add_class(store, (int) id, &error);
                if (r >= 0)
                        r = transaction_commit(&transaction, &error);
                if (r < 0)
                        return store;
        }
        return NULL;
}

static void test_threads(void **state) {
        struct fixture *fixture = *state;
        pthread_t threads[4];
        for (size_t i = 0; i < array_length(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, add_many, fixture->store), 0);
        for (size_t i = 0; i < array_length(threads); i++) {
                void *failed;
                pthread_join(threads[i], &failed);
                assert_null(failed);
        }
        assert_int_equal(ask(fixture->store, "select count(*) from class"), 200);
}

/* What was acknowledged survives the process's sudden end, and another process sees it at once. */
static void test_killed_writer(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
                struct store *store;
                int r = store_open(fixture->path, &store, &error);
                if (r >= 0)
                        r = add_class(store, 7, &error);
                struct transaction transaction;
                if (r >= 0)
                        r = transaction_begin(store, &transaction, &error);
                if (r >= 0)
                        r = add_class(store, 8, &error);
                (void) !write(ends[1], r < 0 ? "n" : "y", 1);
                pause();
        }
        char answer = 0;
        assert_int_equal(read(ends[0], &answer, 1), 1);
        assert_int_equal(answer, 'y');
        assert_int_equal(ask(fixture->store, "select count(*) from class"), 1);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        assert_int_equal(ask(fixture->store, "select count(*) from class where id = 7"), 1);
        assert_int_equal(add_class(fixture->store, 9, &error), 1); /* its lock died with it */
        close(ends[0]);
        close(ends[1]);
}

static void test_newer_is_refused(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct store *second = NULL;
        assert_int_equal(store_open(fixture->path, &second, &error), 0); /* twice is nothing new */
        store_close(second);
        run(fixture->store, "pragma user_version = 9999", &error);
        assert_int_equal(store_open(fixture->path, &second, &error), -EPROTO);
        assert_non_null(strstr(error.text, "newer Carrel"));
        assert_non_null(strstr(error.text, fixture->path));
}

static void test_no_database(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        struct store *store;
        free_scoped char *nowhere = format_string("%s/none/carrel.db", fixture->folder);
        assert_int_equal(store_open(nowhere, &store, &error), -ENOENT);
        free_scoped char *garbage = format_string("%s/garbage.db", fixture->folder);
        FILE *file = fopen(garbage, "w");
        for (int i = 0; i < 1000; i++)
                fputs("no database\n", file);
        fclose(file);
        assert_int_equal(store_open(garbage, &store, &error), -EBADMSG);
}

static int open_and_write(const char *data, struct error *error) {
        rights_scoped rights = { 0 };
        store_scoped store = NULL;
        int r = store_rights_take(data, &rights, error);
        if (r >= 0)
                r = store_open_data(data, &store, error);
        if (r >= 0)
                r = add_class(store, 1, error);
        free_scoped char *log = format_string("%s/store/carrel.db-wal", data);
        struct stat status;
        if (r >= 0 && stat(log, &status) < 0)
                return error_set(error, errno, "%s", log);
        if (r >= 0 && geteuid() != getuid() && status.st_gid != status.st_uid)
                return error_say(error, EPERM, "the log's group is %u", status.st_gid);
        return r < 0 ? r : (int) status.st_uid;
}

/* The bug to come: `sudo carrel user add` leaves a log that belongs to root, and the server cannot write any more. */
static void test_root_leaves_no_root_files(void **state) {
        struct fixture *fixture = *state;
        struct error error;
        uid_t service = geteuid() == 0 ? 199999 : geteuid();
        free_scoped char *data = format_string("%s/data", fixture->folder);
        assert_int_equal(chmod(fixture->folder, 0755), 0);
        assert_int_equal(store_make_folder(data, service, &error), 0);
        assert_int_equal(store_make_folder(data, service, &error), 0);
        assert_int_equal(open_and_write(data, &error), service);
        assert_int_equal(geteuid(), getuid());
        assert_int_equal(getegid(), getgid());
        struct stat status;
        free_scoped char *folder = format_string("%s/store", data);
        assert_int_equal(stat(folder, &status), 0);
        assert_int_equal(status.st_uid, service);
        assert_int_equal(status.st_mode & 0777, 0700);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_durable, setup, teardown),
                cmocka_unit_test_setup_teardown(test_parameters_go_by_number, setup, teardown),
                cmocka_unit_test_setup_teardown(test_failures_have_numbers, setup, teardown),
                cmocka_unit_test_setup_teardown(test_uncommitted_is_rolled_back, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nested_is_one, setup, teardown),
                cmocka_unit_test_setup_teardown(test_transactions_take_turns, setup, teardown),
                cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
                cmocka_unit_test_setup_teardown(test_killed_writer, setup, teardown),
                cmocka_unit_test_setup_teardown(test_newer_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(test_no_database, setup, teardown),
                cmocka_unit_test_setup_teardown(test_root_leaves_no_root_files, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
