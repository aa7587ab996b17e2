/* Settings: each source beats the one before, and what does not fit is refused with its place. */
#include "../../src/base/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/stat.h>

/* Loads from words that end with NULL, over "--config PATH" (a file with `content`). */
struct loaded {
        struct settings settings;
        struct error error;
        int result;
        int argc;
        char *argv[32];
};

static char file_path[] = "/tmp/carrel-test-settings-XXXXXX";

static void write_file(const char *content) {
        FILE *file = fopen(file_path, "w");
        assert_non_null(file);
        fputs(content, file);
        fclose(file);
}

static void load(struct loaded *loaded, const char *content, unsigned flags, const char *const *words) {
        write_file(content);
        *loaded = (struct loaded){ .argc = 3, .argv = { "carrel", "--config", file_path } };
        for (; *words; words++)
                loaded->argv[loaded->argc++] = (char *) (uintptr_t) *words;
        loaded->result = settings_load(&loaded->settings, &loaded->argc, loaded->argv, flags, &loaded->error);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_WORDS ((const char *const[]){ NULL })

static void test_defaults(void **state) {
        (void) state;
        struct loaded loaded;
        load(&loaded, "", SETTINGS_STRICT, NO_WORDS);
        assert_int_equal(loaded.result, 0);
        const struct settings *settings = &loaded.settings;
        assert_string_equal(settings->listen, "127.0.0.1:8700");
        assert_string_equal(settings->data, "./var");
        assert_int_equal(settings->limits_memory, 512u << 20);
        assert_int_equal(settings->limits_idle, 600000);
        assert_int_equal(settings->session_idle, UINT64_C(14) * 86400000);
        assert_int_equal(settings->repl_after, REPL_ALWAYS);
        assert_int_equal(settings->uid_base, 200000);
        assert_string_equal(settings->walls_missing, "");
        for (size_t i = 0; i < SETTINGS; i++) {
                assert_string_equal(settings->sources[i], "default");
                assert_true(strlen(setting_name((enum setting) i)) > 0 &&
                            strlen(setting_explanation((enum setting) i)) > 0);
        }
        settings_finish(&loaded.settings);
}

static void test_order_of_sources(void **state) {
        (void) state;
        struct loaded loaded;
        load(&loaded, "# of the school\nlimits.memory = 1GB # more\n\n  limits.cpu=90s\ndata = /srv/a#b\n",
             SETTINGS_STRICT, WORDS("--limits.cpu", "2min", "--repl.after=never"));
        assert_int_equal(loaded.result, 0);
        assert_int_equal(loaded.settings.limits_memory, 1u << 30);
        assert_int_equal(loaded.settings.limits_cpu, 120000);
        assert_int_equal(loaded.settings.repl_after, REPL_NEVER);
        assert_string_equal(loaded.settings.data, "/srv/a#b");
        assert_string_equal(loaded.settings.sources[SETTING_limits_cpu], "command line");
        const char *source = loaded.settings.sources[SETTING_limits_memory];
        assert_string_equal(source + strlen(source) - 2, ":2");
        assert_int_equal(loaded.argc, 1);
        settings_finish(&loaded.settings);
}

static void test_rest_is_left(void **state) {
        (void) state;
        struct loaded loaded;
        load(&loaded, "", SETTINGS_LEAVE_REST,
             WORDS("add", "--role", "student", "--data", "/srv", "Ada", "--", "--listen", "x"));
        assert_int_equal(loaded.result, 0);
        assert_string_equal(loaded.settings.data, "/srv");
        static const char *const rest[] = { "carrel", "add", "--role", "student", "Ada", "--", "--listen", "x" };
        assert_int_equal(loaded.argc, array_length(rest));
        for (size_t i = 0; i < array_length(rest); i++)
                assert_string_equal(loaded.argv[i], rest[i]);
        assert_null(loaded.argv[loaded.argc]);
        settings_finish(&loaded.settings);
}

struct refusal {
        const char *file;
        const char *words[4];
        const char *told; /* a part of the error's text */
};

static const struct refusal refusals[] = {
        { "a\nlimits.cpu = 1s\n", { NULL }, ":1: 'a' is not of the form" },
        { "\nlimit.cpu = 1s\n", { NULL }, ":2: there is no setting 'limit.cpu'" },
        { "limits.cpu = 30\n", { NULL }, "a duration such as 30s" },
        { "limits.cpu = 30 s\n", { NULL }, ":1: limits.cpu is '30 s'" },
        { "limits.cpu = -1s\n", { NULL }, "a duration" },
        { "limits.cpu = s\n", { NULL }, "a duration" },
        { "limits.memory = 1mb\n", { NULL }, "a size such as" },
        { "limits.memory = 1MB\n", { NULL }, "must lie in 32MB..1024GB" },
        { "limits.memory = 99999999999GB\n", { NULL }, "must lie in" },
        { "limits.memory = 99999999999999999999999999999GB\n", { NULL }, "must be a size" },
        { "repl.after = perhaps\n", { NULL }, "one of never|always|not-after-errors" },
        { "repl.after = al\n", { NULL }, "one of" },
        { "listen =\n", { NULL }, "0 bytes long" },
        { "uid.base = 1000\n", { NULL }, "must lie in" },
        { "uid.service = 200001\n", { NULL }, "lies among the 65536" },
        { "", { "--limits.cpus", "1s" }, "'--limits.cpus' is no setting" },
        { "", { "--limits.cpu" }, "needs a value" },
        { "", { "--limits.cpu", "x" }, "command line: limits.cpu" },
        { "", { "word" }, "'word' is no setting" },
        { "", { "--config" }, "--config needs a file" },
        { "", { "--config", "/nowhere" }, "/nowhere" },
};

static void test_refusals(void **state) {
        (void) state;
        for (size_t i = 0; i < array_length(refusals); i++) {
                struct loaded loaded;
                load(&loaded, refusals[i].file, SETTINGS_STRICT, refusals[i].words);
                if (loaded.result >= 0 || !strstr(loaded.error.text, refusals[i].told))
                        fail_msg("case %zu: %d, %s", i, loaded.result, loaded.error.text);
        }
}

static void test_arguments_for_a_child(void **state) {
        (void) state;
        struct loaded loaded, child;
        load(&loaded, "limits.cpu = 1min\n", SETTINGS_STRICT, WORDS("--data=/srv/carrel data", "--pool.size", "8"));
        assert_int_equal(loaded.result, 0);
        size_t count;
        free_scoped char **arguments = settings_arguments(&loaded.settings, &count);
        assert_int_equal(count, 2); /* pool.size is what it is by default */
        assert_string_equal(arguments[0], "--data=/srv/carrel data");
        assert_string_equal(arguments[1], "--limits.cpu=1min");
        assert_null(arguments[2]);
        load(&child, "", SETTINGS_STRICT, (const char *const *) arguments);
        assert_int_equal(child.result, 0);
        for (size_t i = 0; i < SETTINGS; i++)
                assert_string_equal(child.settings.texts[i], loaded.settings.texts[i]);
        settings_finish(&loaded.settings);
        settings_finish(&child.settings);
}

static void test_parse_and_lists(void **state) {
        (void) state;
        uint64_t value = 7;
        struct error error;
        assert_int_equal(settings_parse("limits.file", "64KB", &value, &error), 0);
        assert_int_equal(value, 65536);
        assert_int_equal(settings_parse("data", "x", &value, &error), -ENOENT);
        assert_int_equal(settings_parse("limits.file", "1B", &value, &error), -EINVAL);
        assert_int_equal(value, 65536);
        char text[SETTING_TEXT_BYTES];
        settings_format("limits.file", 65536, text);
        assert_string_equal(text, "64KB");
        settings_format("limits.file", 65537, text);
        assert_string_equal(text, "65537B");
        settings_format("limits.idle", 0, text);
        assert_string_equal(text, "0ms");
        settings_format("limits.cpu", 5400000, text);
        assert_string_equal(text, "90min");
        settings_format("repl.after", REPL_NOT_AFTER_ERRORS, text);
        assert_string_equal(text, "not-after-errors");
        settings_format("repl.after", REPL_NEVER, text);
        assert_string_equal(text, "never");
        settings_format("limits.runs", 3, text);
        assert_string_equal(text, "3");
        assert_true(settings_list_has("landlock,seccomp", "seccomp"));
        assert_true(settings_list_has("landlock, seccomp", "seccomp"));
        assert_false(settings_list_has("landlock,seccomp", "sec"));
        assert_false(settings_list_has("landlock,seccomp", ""));
        assert_false(settings_list_has("", "x"));
}

int main(void) {
        int fd = mkstemp(file_path);
        if (fd < 0)
                return 1;
        close(fd);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_order_of_sources),
                cmocka_unit_test(test_rest_is_left),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_arguments_for_a_child),
                cmocka_unit_test(test_parse_and_lists),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(file_path);
        return failed;
}
