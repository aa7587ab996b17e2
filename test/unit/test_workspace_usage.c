/* What a tree holds, and its quota: counted by a real worker, in trees that are wide, deep, shut and full of holes. */
#include "test_workspace_support.h"

enum { KILOBYTE = 1024 };

struct told {
        struct fixture *fixture;
        int result;
        bool over_quota;
        struct file_usage usage;
};

static void take_usage(void *context, struct workspace_answer *answer) {
        struct told *told = context;
        told->result = answer->result;
        told->over_quota = answer->over_quota;
        told->usage = answer->usage;
        take_answer(told->fixture, answer);
}

static struct file_usage usage_of(struct fixture *fixture) {
        struct told told = { .fixture = fixture };
        assert_int_equal(workspace_usage(fixture->workspace, take_usage, &told), 0);
        wait_for_answer(fixture);
        assert_int_equal(told.result, 0);
        return told.usage;
}

/* Writes so many bytes; what it was told. */
static struct told write_bytes(struct fixture *fixture, const char *path, size_t size) {
        free_scoped char *bytes = allocate(size + 1);
        memset(bytes, 'x', size);
        struct workspace_content content = { .bytes = bytes, .fd = -1, .size = size };
        struct told told = { .fixture = fixture };
        assert_int_equal(workspace_write(fixture->workspace, path, &content, FILE_ALWAYS, NULL, take_usage, &told), 0);
        wait_for_answer(fixture);
        return told;
}

static void set_quota(struct fixture *fixture, uint64_t bytes, uint64_t files) {
        const struct file_usage quota = { bytes, files };
        workspace_set_quota(fixture->workspace, &quota);
}

static void test_an_empty_tree(void **state) {
        struct file_usage usage = usage_of(*state);
        assert_int_equal(usage.files, 0);
        assert_int_equal(usage.bytes, 0);
}

static void test_all_is_counted_once(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(mkdirat(fixture->tree_fd, "folder", 0755), 0);
        assert_int_equal(mkdirat(fixture->tree_fd, "folder/.hidden", 0755), 0);
        assert_int_equal(symlinkat("/", fixture->tree_fd, "folder/link"), 0);
        assert_int_equal(mkfifoat(fixture->tree_fd, "pipe", 0644), 0);
        assert_int_equal(write_bytes(fixture, "folder/file", 100 * KILOBYTE).result, 0);
        struct file_usage before = usage_of(fixture);
        assert_int_equal(before.files, 5);
        assert_in_range(before.bytes, 100 * KILOBYTE, 140 * KILOBYTE);
        /* A second name is a second entry, and no more bytes. */
        assert_int_equal(linkat(fixture->tree_fd, "folder/file", fixture->tree_fd, "folder/.hidden/again", 0), 0);
        struct file_usage after = usage_of(fixture);
        assert_int_equal(after.files, 6);
        assert_int_equal(after.bytes, before.bytes);
}

static void test_holes_take_no_room(void **state) {
        struct fixture *fixture = *state;
        fd_scoped fd = openat(fixture->tree_fd, "hole", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        assert_int_equal(ftruncate(fd, INT64_C(1) << 40), 0);
        assert_true(usage_of(fixture).bytes < 100 * KILOBYTE);
}

static size_t worker_descriptors(const struct fixture *fixture) {
        be_oneself();
        size_t count = count_descriptors(fixture->worker);
        be_owner(fixture);
        return count;
}

/* Deeper than the worker may hold folders open, and than a path may be long. */
static void test_a_deep_tree(void **state) {
        struct fixture *fixture = *state;
        fd_scoped fd = fcntl(fixture->tree_fd, F_DUPFD_CLOEXEC, 0);
        for (int i = 0; i < 2000; i++) {
                assert_int_equal(mkdirat(fd, "d", 0755), 0);
                close(openat(fd, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
                int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                close_fd(&fd);
                fd = next;
        }
        size_t descriptors = worker_descriptors(fixture);
        assert_int_equal(usage_of(fixture).files, 4000);
        assert_int_equal(worker_descriptors(fixture), descriptors);
        assert_int_equal(do_delete(fixture, "d"), 0);
        assert_int_equal(usage_of(fixture).files, 1);
}

static void test_a_shut_folder_counts_as_empty(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(mkdirat(fixture->tree_fd, "shut", 0755), 0);
        put_file(fixture, "shut/file", "x");
        assert_int_equal(fchmodat(fixture->tree_fd, "shut", 0, 0), 0);
        assert_int_equal(usage_of(fixture).files, 1);
        assert_int_equal(fchmodat(fixture->tree_fd, "shut", 0755, 0), 0);
}

static void test_the_quota_in_bytes(void **state) {
        struct fixture *fixture = *state;
        set_quota(fixture, 200 * KILOBYTE, 0);
        assert_int_equal(write_bytes(fixture, "one", 150 * KILOBYTE).result, 0);
        struct told refused = write_bytes(fixture, "two", 100 * KILOBYTE);
        assert_int_equal(refused.result, -EDQUOT);
        assert_true(refused.over_quota);
        assert_in_range(refused.usage.bytes, 150 * KILOBYTE, 180 * KILOBYTE);
        assert_false(is_there(fixture, "two"));
        /* In the place of the other it fits; so does what is smaller, whatever is there. */
        assert_int_equal(write_bytes(fixture, "one", 180 * KILOBYTE).result, 0);
        set_quota(fixture, 10 * KILOBYTE, 0);
        assert_int_equal(write_bytes(fixture, "one", 100 * KILOBYTE).result, 0);
        assert_int_equal(write_bytes(fixture, "one", 120 * KILOBYTE).result, -EDQUOT);
        assert_int_equal(do_move(fixture, "one", "moved"), 0);
        assert_int_equal(do_delete(fixture, "moved"), 0);
        assert_int_equal(write_bytes(fixture, "one", 5 * KILOBYTE).result, 0);
}

static void test_the_quota_in_files(void **state) {
        struct fixture *fixture = *state;
        set_quota(fixture, 0, 3);
        assert_int_equal(write_bytes(fixture, "one", 1).result, 0);
        assert_int_equal(write_bytes(fixture, "two", 1).result, 0);
        assert_int_equal(do_make_folder(fixture, "folder"), 0);
        assert_int_equal(write_bytes(fixture, "three", 1).result, -EDQUOT);
        assert_int_equal(do_make_folder(fixture, "other"), -EDQUOT);
        assert_int_equal(write_bytes(fixture, "one", 2).result, 0);
        assert_int_equal(do_delete(fixture, "two"), 0);
        assert_int_equal(write_bytes(fixture, "three", 1).result, 0);
        set_quota(fixture, 0, 0);
        assert_int_equal(write_bytes(fixture, "four", 1).result, 0);
}

/* What refused a request for another reason was not counted. */
static void test_what_fails_does_not_count(void **state) {
        struct fixture *fixture = *state;
        set_quota(fixture, 0, 2);
        assert_int_equal(do_write(fixture, "none/file", "x", FILE_ALWAYS, NULL), -ENOENT);
        assert_int_equal(do_write(fixture, "one", "x", FILE_IF_ABSENT, NULL), 0);
        assert_int_equal(do_write(fixture, "one", "x", FILE_IF_ABSENT, NULL), -EEXIST);
        assert_int_equal(do_write(fixture, "two", "x", FILE_IF_ABSENT, NULL), 0);
        assert_int_equal(usage_of(fixture).files, 2);
}

static void test_a_shared_tree(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(write_bytes(fixture, "Tests/one", 1).result, 0);
        assert_int_equal(write_bytes(fixture, "Lecture Notes/two", 1).result, 0);
        assert_int_equal(usage_of(fixture).files, 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_an_empty_tree, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_all_is_counted_once, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_holes_take_no_room, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_a_deep_tree, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_a_shut_folder_counts_as_empty, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_the_quota_in_bytes, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_the_quota_in_files, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_what_fails_does_not_count, fixture_start, fixture_end),
                cmocka_unit_test_setup_teardown(test_a_shared_tree, fixture_start_shared, fixture_end),
        };
        return cmocka_run_group_tests_name("workspace: usage and quota", tests, NULL, NULL);
}
