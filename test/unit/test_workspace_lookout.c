/* Which folders change by a program's doing: watched by the kernel or read, told seldom, and never twice for one's own.
 */
#include "test_workspace_support.h"

#include "../../src/workspace/lookout.h"

struct heard {
        struct lookout *lookout;
        struct tree tree;
        unsigned words; /* in all */
        char last[PATH_BYTES];
        char names[4096]; /* of the last, joined by ' '; "*": any */
};

static int hear(void *context, const char *folder, const char *names, size_t size) {
        struct heard *heard = context;
        heard->words++;
        snprintf(heard->last, sizeof heard->last, "%s", folder);
        heard->names[0] = '\0';
        for (size_t at = 0; at < size; at += strlen(names + at) + 1) {
                if (at > 0)
                        strcat(heard->names, " ");
                strcat(heard->names, names + at);
        }
        if (size == 0)
                strcpy(heard->names, "*");
        return 0;
}

static void turn_for(struct heard *heard, uint64_t milliseconds) {
        uint64_t end = now_milliseconds() + milliseconds;
        do {
                assert_int_equal(lookout_turn(heard->lookout, hear, heard), 0);
                usleep(5000);
        } while (now_milliseconds() < end);
}

static void wait_for_word(struct heard *heard, unsigned words) {
        uint64_t end = now_milliseconds() + 30000;
        while (heard->words < words) {
                assert_true(now_milliseconds() < end);
                turn_for(heard, 10);
        }
}

static void begin(struct fixture *fixture, struct heard *heard, size_t watches) {
        *heard = (struct heard){ .tree = { fixture->tree_fd, fixture->kind, 0 } };
        heard->lookout = lookout_create(&heard->tree, watches);
}

static void look_after(struct fixture *fixture, size_t watches) {
        struct heard heard;
        assert_int_equal(mkdirat(fixture->tree_fd, "a", 0755), 0);
        assert_int_equal(mkdirat(fixture->tree_fd, "b", 0755), 0);
        begin(fixture, &heard, watches);
        lookout_add(heard.lookout, "");
        lookout_add(heard.lookout, "a");
        put_file(fixture, "a/new.py", "x");
        wait_for_word(&heard, 1);
        assert_string_equal(heard.last, "a");
        put_file(fixture, "b/unseen.py", "x"); /* never listed; but b's own time changes with it */
        put_file(fixture, "top.py", "x");
        wait_for_word(&heard, 2);
        assert_string_equal(heard.last, "");
        turn_for(&heard, 700);
        unsigned before = heard.words;
        assert_int_equal(unlinkat(fixture->tree_fd, "a/new.py", 0), 0);
        wait_for_word(&heard, before + 1);
        assert_string_equal(heard.last, "a");
        lookout_destroy(heard.lookout);
}

static void test_watched(void **state) {
        look_after(*state, LOOKOUT_FOLDERS_MAXIMUM);
}

/* As where the kernel's watches have run out. */
static void test_read(void **state) {
        look_after(*state, 0);
}

static void test_names_and_content(void **state) {
        struct fixture *fixture = *state;
        struct heard heard;
        begin(fixture, &heard, LOOKOUT_FOLDERS_MAXIMUM);
        put_file(fixture, "a.py", "one");
        lookout_add(heard.lookout, "");
        put_file(fixture, "a.py", "two");
        wait_for_word(&heard, 1);
        assert_string_equal(heard.names, "a.py");
        assert_int_equal(renameat(fixture->tree_fd, "a.py", fixture->tree_fd, "b.py"), 0);
        wait_for_word(&heard, 2);
        assert_string_equal(heard.names, "a.py b.py");
        put_file(fixture, ".hidden", "x");
        turn_for(&heard, 800);
        assert_int_equal(heard.words, 2);
        lookout_destroy(heard.lookout);
}

static void test_a_thousand_files_are_few_words(void **state) {
        struct fixture *fixture = *state;
        struct heard heard;
        begin(fixture, &heard, LOOKOUT_FOLDERS_MAXIMUM);
        lookout_add(heard.lookout, "");
        uint64_t begun = now_milliseconds();
        for (int i = 0; i < 1000; i++) {
                char name[32];
                snprintf(name, sizeof name, "%d.txt", i);
                put_file(fixture, name, "x");
                assert_int_equal(lookout_turn(heard.lookout, hear, &heard), 0);
        }
        turn_for(&heard, 1200);
        assert_in_range(heard.words, 1, 2 + (now_milliseconds() - begun) / 500);
        assert_true(lookout_timeout(heard.lookout) < 0 || lookout_timeout(heard.lookout) <= 100);
        lookout_destroy(heard.lookout);
}

static void test_ones_own_doing_is_not_told(void **state) {
        struct fixture *fixture = *state;
        struct heard heard;
        begin(fixture, &heard, LOOKOUT_FOLDERS_MAXIMUM);
        lookout_add(heard.lookout, "");
        assert_int_equal(mkdirat(fixture->tree_fd, "mine", 0755), 0);
        lookout_own(heard.lookout, "mine");
        turn_for(&heard, 800);
        assert_int_equal(heard.words, 0);
        /* But what a program did at the same time is: beside it, and in the very file. */
        put_file(fixture, "theirs", "x");
        assert_int_equal(mkdirat(fixture->tree_fd, "mine too", 0755), 0);
        lookout_own(heard.lookout, "mine too");
        put_file(fixture, "both", "x");
        lookout_own(heard.lookout, "both");
        wait_for_word(&heard, 1);
        assert_string_equal(heard.names, "theirs both");
        lookout_destroy(heard.lookout);
}

static void test_a_folder_that_moves_or_goes(void **state) {
        struct fixture *fixture = *state;
        struct heard heard;
        begin(fixture, &heard, LOOKOUT_FOLDERS_MAXIMUM);
        assert_int_equal(mkdirat(fixture->tree_fd, "a", 0755), 0);
        assert_int_equal(mkdirat(fixture->tree_fd, "a/b", 0755), 0);
        lookout_add(heard.lookout, "a");
        lookout_add(heard.lookout, "a/b");
        assert_int_equal(renameat(fixture->tree_fd, "a", fixture->tree_fd, "c"), 0);
        wait_for_word(&heard, 2); /* a, and b below it */
        put_file(fixture, "c/b/x", "x");
        turn_for(&heard, 800);
        assert_int_equal(heard.words, 2); /* under its new name nobody has listed it */
        lookout_add(heard.lookout, "c/b");
        put_file(fixture, "c/b/y", "x");
        wait_for_word(&heard, 3);
        assert_string_equal(heard.last, "c/b");
        lookout_destroy(heard.lookout);
}

static void test_more_folders_than_it_looks_after(void **state) {
        struct fixture *fixture = *state;
        struct heard heard;
        begin(fixture, &heard, LOOKOUT_FOLDERS_MAXIMUM);
        for (int i = 0; i < LOOKOUT_FOLDERS_MAXIMUM + 1; i++) {
                char name[32];
                snprintf(name, sizeof name, "f%d", i);
                assert_int_equal(mkdirat(fixture->tree_fd, name, 0755), 0);
                lookout_add(heard.lookout, name);
        }
        put_file(fixture, "f0/x", "x"); /* listed first, so it gave way */
        put_file(fixture, "f512/x", "x");
        wait_for_word(&heard, 1);
        turn_for(&heard, 800);
        assert_int_equal(heard.words, 1);
        assert_string_equal(heard.last, "f512");
        lookout_destroy(heard.lookout);
}

static void test_links_are_not_looked_after(void **state) {
        struct fixture *fixture = *state;
        struct heard heard;
        begin(fixture, &heard, LOOKOUT_FOLDERS_MAXIMUM);
        assert_int_equal(symlinkat("/tmp", fixture->tree_fd, "link"), 0);
        lookout_add(heard.lookout, "link");
        assert_int_equal(lookout_descriptor(heard.lookout), -1);
        lookout_destroy(heard.lookout);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_start, fixture_end)
                TEST(test_watched),
                TEST(test_read),
                TEST(test_names_and_content),
                TEST(test_a_thousand_files_are_few_words),
                TEST(test_ones_own_doing_is_not_told),
                TEST(test_a_folder_that_moves_or_goes),
                TEST(test_more_folders_than_it_looks_after),
                TEST(test_links_are_not_looked_after),
#undef TEST
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
