/* The trash: deleted, found again, restored, and out of the way where its room is needed; with programs that break it.
 */
#include "test_workspace_support.h"

struct told {
        struct fixture *fixture;
        int result;
        bool over_quota;
        struct file_usage usage, trashed;
        char path[PATH_BYTES];
        struct {
                char id[TRASH_ID_BYTES], path[PATH_BYTES];
                enum file_kind kind;
        } items[8];
        size_t count;
};

static void take(void *context, struct workspace_answer *answer) {
        struct told *told = context;
        told->result = answer->result;
        told->over_quota = answer->over_quota;
        told->usage = answer->usage;
        told->trashed = answer->trashed;
        snprintf(told->path, sizeof told->path, "%s", answer->path);
        told->count = answer->entry_count;
        for (size_t i = 0; i < answer->entry_count && answer->entries[i].trash && i < array_length(told->items); i++) {
                snprintf(told->items[i].id, TRASH_ID_BYTES, "%s", answer->entries[i].trash);
                snprintf(told->items[i].path, PATH_BYTES, "%s", answer->entries[i].name);
                told->items[i].kind = answer->entries[i].kind;
        }
        take_answer(told->fixture, answer);
}

static struct told trash(struct fixture *fixture, const char *path) {
        struct told told = { .fixture = fixture };
        assert_int_equal(workspace_trash(fixture->workspace, path, take, &told), 0);
        wait_for_answer(fixture);
        return told;
}

static struct told list(struct fixture *fixture, const char *path) {
        struct told told = { .fixture = fixture };
        assert_int_equal(workspace_trash_list(fixture->workspace, path, take, &told), 0);
        wait_for_answer(fixture);
        assert_int_equal(told.result, 0);
        return told;
}

static struct told restore(struct fixture *fixture, const char *path, const char *id) {
        struct told told = { .fixture = fixture };
        assert_int_equal(workspace_trash_restore(fixture->workspace, path, id, take, &told), 0);
        wait_for_answer(fixture);
        return told;
}

static int delete (struct fixture *fixture, const char *path, const char *id) {
        struct told told = { .fixture = fixture };
        assert_int_equal(workspace_trash_delete(fixture->workspace, path, id, take, &told), 0);
        wait_for_answer(fixture);
        return told.result;
}

static struct told write_bytes(struct fixture *fixture, const char *path, size_t size) {
        free_scoped char *bytes = allocate(size + 1);
        struct workspace_content content = { .bytes = bytes, .fd = -1, .size = size };
        struct told told = { .fixture = fixture };
        assert_int_equal(workspace_write(fixture->workspace, path, &content, FILE_ALWAYS, NULL, take, &told), 0);
        wait_for_answer(fixture);
        return told;
}

/* A pupil deletes a folder, makes another of its name, and restores both, one after the other. */
static void test_deleted_and_restored(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(do_make_folder(fixture, "week 1"), 0);
        put_file(fixture, "week 1/a.py", "one");
        struct told gone = trash(fixture, "week 1");
        assert_int_equal(gone.result, 0);
        assert_false(is_there(fixture, "week 1"));
        assert_int_equal(do_list(fixture, ""), 0);
        assert_int_equal(fixture->outcome.count, 0);
        assert_int_equal(do_make_folder(fixture, "week 1"), 0);
        struct told all = list(fixture, "week 1");
        assert_int_equal(all.count, 1);
        assert_string_equal(all.items[0].id, gone.path);
        assert_string_equal(all.items[0].path, "week 1");
        assert_int_equal(all.items[0].kind, FILE_KIND_FOLDER);
        assert_int_equal(restore(fixture, "", gone.path).result, -EEXIST);
        assert_int_equal(trash(fixture, "week 1").result, 0);
        struct told back = restore(fixture, "", gone.path);
        assert_int_equal(back.result, 0);
        assert_string_equal(back.path, "week 1");
        assert_file(fixture, "week 1/a.py", "one");
        assert_int_equal(list(fixture, "").count, 1);
        assert_int_equal(restore(fixture, "", gone.path).result, -ENOENT);
}

static void test_its_folder_is_gone(void **state) {
        struct fixture *fixture = *state;
        assert_int_equal(mkdirat(fixture->tree_fd, "a", 0755), 0);
        assert_int_equal(mkdirat(fixture->tree_fd, "a/b", 0755), 0);
        put_file(fixture, "a/b/c.py", "deep");
        struct told gone = trash(fixture, "a/b/c.py");
        assert_int_equal(do_delete(fixture, "a"), 0);
        assert_int_equal(restore(fixture, "", gone.path).result, 0);
        assert_file(fixture, "a/b/c.py", "deep");
}

static void test_newest_first_and_for_good(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "1.py", "1");
        put_file(fixture, "2.py", "2");
        assert_int_equal(symlinkat("/etc/passwd", fixture->tree_fd, "link"), 0);
        struct told first = trash(fixture, "1.py");
        usleep(2000);
        trash(fixture, "2.py");
        usleep(2000);
        assert_int_equal(trash(fixture, "link").result, 0);
        struct told all = list(fixture, "");
        assert_int_equal(all.count, 3);
        assert_string_equal(all.items[0].path, "link");
        assert_int_equal(all.items[0].kind, FILE_KIND_LINK);
        assert_string_equal(all.items[2].path, "1.py");
        assert_int_equal(delete (fixture, "", first.path), 0);
        assert_int_equal(delete (fixture, "", first.path), -ENOENT);
        assert_int_equal(list(fixture, "").count, 2);
        assert_int_equal(delete (fixture, "", NULL), 0);
        assert_int_equal(list(fixture, "").count, 0);
}

static void test_no_path_names_it(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "a.py", "a");
        assert_int_equal(trash(fixture, "a.py").result, 0);
        assert_int_equal(do_list(fixture, ".carrel-trash"), -EINVAL);
        assert_int_equal(do_move(fixture, ".carrel-trash", "b"), -EINVAL);
        assert_int_equal(trash(fixture, ".carrel-trash").result, -EINVAL);
        assert_int_equal(trash(fixture, "").result, -EPERM);
        assert_int_equal(trash(fixture, "nothing").result, -ENOENT);
        static const char *const bad[] = { "..", "x", "../../a", "0000000000000000-00000000000", "" };
        for (size_t i = 0; i < array_length(bad); i++)
                assert_int_equal(restore(fixture, "", bad[i]).result, -EINVAL);
        assert_int_equal(restore(fixture, "", "0000000000000000-0000000000").result, -ENOENT);
}

/* Programs put a file, a link and a shut folder in its place, and write into what lies there. */
static void test_programs_break_it(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "a.py", "a");
        put_file(fixture, ".carrel-trash", "a file");
        assert_int_equal(trash(fixture, "a.py").result, -ENOTDIR);
        assert_int_equal(unlinkat(fixture->tree_fd, ".carrel-trash", 0), 0);
        assert_int_equal(symlinkat("/tmp", fixture->tree_fd, ".carrel-trash"), 0);
        assert_true(trash(fixture, "a.py").result < 0);
        assert_file(fixture, "a.py", "a");
        assert_int_equal(unlinkat(fixture->tree_fd, ".carrel-trash", 0), 0);
        assert_int_equal(mkdirat(fixture->tree_fd, ".carrel-trash", 0), 0);
        struct told gone = trash(fixture, "a.py");
        assert_int_equal(gone.result, 0);
        static const char *const lies[] = { "../../../etc/cron.d/x", "/etc/passwd", ".hidden", "", "a\nb" };
        for (size_t i = 0; i < array_length(lies); i++) {
                char path[2 * PATH_BYTES];
                snprintf(path, sizeof path, ".carrel-trash/%s/path", gone.path);
                assert_int_equal(unlinkat(fixture->tree_fd, path, 0), 0);
                put_file(fixture, path, lies[i]);
                assert_int_equal(restore(fixture, "", gone.path).result, -EINVAL);
                assert_int_equal(list(fixture, "").count, 0);
        }
        assert_int_equal(delete (fixture, "", NULL), 0);
        assert_int_equal(trash(fixture, "a.py").result, -ENOENT);
}

/* A folder is full. Deleting is possible, and then there is room, though what was deleted is kept while it can be. */
static void test_it_gives_way(void **state) {
        struct fixture *fixture = *state;
        const struct file_usage quota = { 400 << 10, 100 };
        workspace_set_quota(fixture->workspace, &quota);
        assert_int_equal(write_bytes(fixture, "old", 150 << 10).result, 0);
        assert_int_equal(write_bytes(fixture, "new", 150 << 10).result, 0);
        assert_true(write_bytes(fixture, "more", 150 << 10).over_quota);
        assert_int_equal(trash(fixture, "old").result, 0);
        usleep(2000);
        assert_int_equal(trash(fixture, "new").result, 0);
        assert_true(write_bytes(fixture, "far too much", 500 << 10).over_quota);
        assert_int_equal(list(fixture, "").count, 2); /* not in vain */
        assert_int_equal(write_bytes(fixture, "more", 150 << 10).result, 0);
        struct told all = list(fixture, "");
        assert_int_equal(all.count, 1);
        assert_string_equal(all.items[0].path, "new");
        struct told usage = { .fixture = fixture };
        assert_int_equal(workspace_usage(fixture->workspace, take, &usage), 0);
        wait_for_answer(fixture);
        assert_in_range(usage.trashed.bytes, 150 << 10, 180 << 10);
        assert_in_range(usage.usage.bytes, usage.trashed.bytes + (150 << 10), 400 << 10);
}

/* The same where it is the number of files that is used up: what the trash itself needs costs nobody a file. */
static void test_it_gives_way_to_files(void **state) {
        struct fixture *fixture = *state;
        const struct file_usage quota = { 0, 3 };
        workspace_set_quota(fixture->workspace, &quota);
        for (int round = 0; round < 3; round++) {
                assert_int_equal(do_make_folder(fixture, "a"), 0);
                assert_int_equal(do_make_folder(fixture, "b"), 0);
                assert_int_equal(do_make_folder(fixture, "c"), 0);
                assert_int_equal(do_make_folder(fixture, "d"), -EDQUOT);
                assert_int_equal(trash(fixture, "b").result, 0);
                assert_int_equal(do_make_folder(fixture, "d"), 0);
                assert_int_equal(trash(fixture, "a").result, 0);
                assert_int_equal(trash(fixture, "c").result, 0);
                assert_int_equal(trash(fixture, "d").result, 0);
        }
}

/* What is too old goes when a worker starts, and so does what a killed worker left. */
static void test_it_expires(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "a.py", "a");
        put_file(fixture, "b.py", "b");
        struct told old = trash(fixture, "a.py"), kept = trash(fixture, "b.py");
        char from[2 * PATH_BYTES], to[PATH_BYTES];
        snprintf(from, sizeof from, ".carrel-trash/%s", old.path);
        snprintf(to, sizeof to, ".carrel-trash/%016llx-0123456789",
                 (unsigned long long) (wall_milliseconds() - INT64_C(31) * 86400000));
        assert_int_equal(renameat(fixture->tree_fd, from, fixture->tree_fd, to), 0);
        char half[PATH_BYTES];
        snprintf(half, sizeof half, ".carrel-trash/%016llx-0123456789",
                 (unsigned long long) (wall_milliseconds() - INT64_C(2) * 3600000));
        assert_int_equal(mkdirat(fixture->tree_fd, half, 0700), 0);
        assert_int_equal(mkdirat(fixture->tree_fd, ".carrel-trash/.carrel-part-0123456789abcdef0123456789abcdef", 0700),
                         0);
        restart_with(fixture, NULL);
        list(fixture, ""); /* the first request; the sweep comes after it */
        struct told all = list(fixture, "");
        assert_int_equal(all.count, 1);
        assert_string_equal(all.items[0].id, kept.path);
        assert_false(is_there(fixture, half));
        assert_false(is_there(fixture, to));
        assert_false(is_there(fixture, ".carrel-trash/.carrel-part-0123456789abcdef0123456789abcdef"));
}

static void without_room(void) {
        refuse_call(SCMP_SYS(mkdirat), ENOSPC, 0, (struct scmp_arg_cmp){ 0 });
}

static void without_room_for_bytes(void) {
        refuse_call(SCMP_SYS(fsync), ENOSPC, 0, (struct scmp_arg_cmp){ 0 });
}

/* The disk is full to the last block. The trash says so, nothing is lost, and deleting for good makes room. */
static void test_a_full_disk(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "a.py", "a");
        restart_with(fixture, without_room);
        assert_int_equal(trash(fixture, "a.py").result, -ENOSPC);
        assert_file(fixture, "a.py", "a");
        assert_int_equal(do_delete(fixture, "a.py"), 0);
        put_file(fixture, "b.py", "b");
        restart_with(fixture, without_room_for_bytes);
        assert_int_equal(trash(fixture, "b.py").result, -ENOSPC);
        assert_file(fixture, "b.py", "b");
        restart_with(fixture, NULL);
        assert_int_equal(list(fixture, "").count, 0);
}

static void test_shared_folders_have_one_each(void **state) {
        struct fixture *fixture = *state;
        put_file(fixture, "Tests/t.py", "t");
        put_file(fixture, "Assignments/a.py", "a");
        assert_int_equal(trash(fixture, "Tests").result, -EPERM);
        struct told test = trash(fixture, "Tests/t.py");
        assert_int_equal(test.result, 0);
        assert_int_equal(trash(fixture, "Assignments/a.py").result, 0);
        assert_int_equal(list(fixture, "Tests").count, 1);
        assert_int_equal(list(fixture, "Lecture Notes").count, 0);
        assert_int_equal(restore(fixture, "Assignments", test.path).result, -ENOENT);
        struct told back = restore(fixture, "Tests/anywhere", test.path);
        assert_int_equal(back.result, 0);
        assert_string_equal(back.path, "Tests/t.py");
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_start, fixture_end)
                TEST(test_deleted_and_restored),
                TEST(test_its_folder_is_gone),
                TEST(test_newest_first_and_for_good),
                TEST(test_no_path_names_it),
                TEST(test_programs_break_it),
                TEST(test_it_gives_way),
                TEST(test_it_gives_way_to_files),
                TEST(test_it_expires),
                TEST(test_a_full_disk),
                cmocka_unit_test_setup_teardown(test_shared_folders_have_one_each, fixture_start_shared, fixture_end),
#undef TEST
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
