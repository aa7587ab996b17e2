/* src/web/protocol: what the one judge of messages lets through, and what it says of the rest. */
#include "../../src/web/protocol.h"
#include "../../src/web/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct protocol *protocol;

static int start(void **state) {
        (void) state;
        struct error error;
        int result = protocol_create(&protocol, &error);
        if (result < 0)
                fprintf(stderr, "%s\n", error.text);
        return result;
}

static int stop(void **state) {
        (void) state;
        protocol_destroy(protocol);
        return 0;
}

static const struct {
        const char *text;
        const char *code, *field; /* NULL: it is right */
} cases[] = {
        { "{\"type\":\"tree.list\",\"id\":1,\"path\":\"\"}", NULL, NULL },
        { "{\"type\":\"tree.list\",\"id\":0,\"path\":\"Local/ü\"}", NULL, NULL },
        { "{\"type\":\"file.save\",\"id\":1,\"path\":\"a\",\"text\":\"\\u0000\"}", NULL, NULL },
        { "{\"type\":\"file.save\",\"id\":1,\"path\":\"a\",\"text\":\"\",\"version\":\"x\",\"overwrite\":true}", NULL,
          NULL },
        { "{\"type\":\"run.start\",\"id\":1,\"columns\":80,\"rows\":24,\"arguments\":[]}", NULL, NULL },
        { "{\"type\":\"run.start\",\"id\":1,\"columns\":1,\"rows\":1000,\"arguments\":[\"a\",\"\"]}", NULL, NULL },
        { "{\"type\":\"run.acknowledge\",\"run\":1,\"offset\":0}", NULL, NULL },
        { "{\"type\":\"run.attach\",\"id\":9007199254740991,\"run\":9007199254740991,\"from\":0}", NULL, NULL },
        { "{\"type\":\"run.list\",\"id\":1}", NULL, NULL },

        { "", "malformed", "" },
        { "{", "malformed", "" },
        { "null", "malformed", "" },
        { "[]", "malformed", "" },
        { "\"tree.list\"", "malformed", "" },
        { "{} {}", "malformed", "" },
        { "{\"type\":\"run.list\",\"id\":1,\"id\":2}", "malformed", "" },
        { "{\"a\\u0000\":1}", "malformed", "" },
        { "{\"type\":\"run.list\",\"id\":1}\xff", "malformed", "" },
        { "{\"type\":\"run.list\\ud800\",\"id\":1}", "malformed", "" },
        { "[[[[[[[[[[]]]]]]]]]]", "malformed", "" },
        { "{}", "malformed", "type" },
        { "{\"type\":null}", "malformed", "type" },
        { "{\"type\":1}", "malformed", "type" },
        { "{\"type\":\"\"}", "unknown-type", "type" },
        { "{\"type\":\"tree\",\"id\":1}", "unknown-type", "type" },
        { "{\"type\":\"hello\",\"id\":1}", "unknown-type", "type" },
        { "{\"type\":\"run.list\\u0000\",\"id\":1}", "unknown-type", "type" },
        { "{\"type\":\"run.list\"}", "malformed", "id" },
        { "{\"type\":\"run.list\",\"id\":null}", "malformed", "id" },
        { "{\"type\":\"run.list\",\"id\":\"1\"}", "malformed", "id" },
        { "{\"type\":\"run.list\",\"id\":-1}", "malformed", "id" },
        { "{\"type\":\"run.list\",\"id\":1.0}", "malformed", "id" },
        { "{\"type\":\"run.list\",\"id\":9007199254740992}", "malformed", "id" },
        { "{\"type\":\"run.list\",\"id\":99999999999999999999}", "malformed", "" },
        { "{\"type\":\"run.list\",\"id\":1,\"path\":\"\"}", "malformed", "path" },
        { "{\"type\":\"run.list\",\"id\":1,\"Bad name\\n\":1}", "malformed", "?" },
        { "{\"type\":\"tree.list\",\"id\":1}", "malformed", "path" },
        { "{\"type\":\"tree.list\",\"id\":1,\"path\":null}", "malformed", "path" },
        { "{\"type\":\"tree.list\",\"id\":1,\"path\":1}", "malformed", "path" },
        { "{\"type\":\"tree.list\",\"id\":1,\"path\":[\"\"]}", "malformed", "path" },
        { "{\"type\":\"tree.list\",\"id\":1,\"path\":\"a\\u0000b\"}", "malformed", "path" },
        { "{\"type\":\"file.save\",\"id\":1,\"path\":\"a\"}", "malformed", "text" },
        { "{\"type\":\"file.save\",\"id\":1,\"path\":\"a\",\"text\":\"\",\"overwrite\":1}", "malformed", "overwrite" },
        { "{\"type\":\"file.save\",\"id\":1,\"path\":\"a\",\"text\":\"\",\"overwrite\":null}", "malformed",
          "overwrite" },
        { "{\"type\":\"run.start\",\"id\":1,\"columns\":0,\"rows\":24}", "malformed", "columns" },
        { "{\"type\":\"run.start\",\"id\":1,\"columns\":80,\"rows\":1001}", "malformed", "rows" },
        { "{\"type\":\"run.start\",\"id\":1,\"columns\":80,\"rows\":24,\"arguments\":\"a\"}", "malformed",
          "arguments" },
        { "{\"type\":\"run.start\",\"id\":1,\"columns\":80,\"rows\":24,\"arguments\":[1]}", "malformed", "arguments" },
        { "{\"type\":\"run.start\",\"id\":1,\"columns\":80,\"rows\":24,\"arguments\":[[]]}", "malformed", "arguments" },
        { "{\"type\":\"run.start\",\"id\":1,\"columns\":80,\"rows\":24,\"arguments\":[\"\\u0000\"]}", "malformed",
          "arguments" },
        { "{\"type\":\"run.stop\",\"id\":1,\"run\":0}", "malformed", "run" },
        { "{\"type\":\"run.acknowledge\",\"id\":\"x\",\"run\":1,\"offset\":0}", "malformed", "id" },
};

static int judge(const char *text, size_t size, struct fault *fault) {
        json_t *message = protocol_parse(protocol, text, size, fault);
        int result = message ? protocol_check_request(protocol, message, fault) : -EPROTO;
        json_decref(message);
        return result;
}

static void test_requests(void **state) {
        (void) state;
        for (size_t i = 0; i < array_length(cases); i++) {
                struct fault fault = { .code = "right" };
                int result = judge(cases[i].text, strlen(cases[i].text), &fault);
                if (result != (cases[i].code ? -EPROTO : 0))
                        fail_msg("%s: %d, %s", cases[i].text, result, fault.text);
                if (!cases[i].code)
                        continue;
                assert_string_equal(fault.code, cases[i].code);
                if (strcmp(fault.field, cases[i].field) != 0)
                        fail_msg("%s: '%s', %s", cases[i].text, fault.field, fault.text);
                assert_true(strlen(fault.text) > 0);
        }
}

/* A string at its maximum, in bytes, and one byte above. */
static void check_maximum(const char *before, size_t maximum, const char *after, const char *field) {
        size_t room = strlen(before) + maximum + strlen(after) + 2;
        free_scoped char *text = reallocate_array(NULL, room, 1);
        for (size_t more = 0; more < 2; more++) {
                char *at = text + sprintf(text, "%s", before);
                memset(at, 'x', maximum + more);
                sprintf(at + maximum + more, "%s", after);
                struct fault fault = { 0 };
                assert_int_equal(judge(text, strlen(text), &fault), more ? -EPROTO : 0);
                if (more)
                        assert_string_equal(fault.field, field);
        }
}

static void test_maxima(void **state) {
        (void) state;
        check_maximum("{\"type\":\"tree.list\",\"id\":1,\"path\":\"", protocol_maximum(protocol, "path"), "\"}",
                      "path");
        check_maximum("{\"type\":\"file.save\",\"id\":1,\"path\":\"\",\"text\":\"", protocol_maximum(protocol, "text"),
                      "\"}", "text");
        check_maximum("{\"type\":\"run.start\",\"id\":1,\"rows\":1,\"columns\":1,\"arguments\":[\"",
                      protocol_maximum(protocol, "line"), "\"]}", "arguments");
}

/* A small frame must not become a large tree. */
static void test_many_values(void **state) {
        (void) state;
        enum { MANY = PROTOCOL_VALUES_MAXIMUM };
        static char text[2 * MANY + 100];
        char *at = text + sprintf(text, "{\"type\":\"run.start\",\"id\":1,\"rows\":1,\"columns\":1,\"arguments\":[0");
        for (size_t i = 0; i < MANY; i++)
                at += sprintf(at, ",0");
        sprintf(at, "]}");
        struct fault fault;
        assert_null(protocol_parse(protocol, text, strlen(text), &fault));
        /* Commas and brackets within strings are not counted. */
        at = text + sprintf(text, "{\"type\":\"tree.list\",\"id\":1,\"path\":\"\\\"");
        memset(at, '[', 1000);
        sprintf(at + 1000, "\"}");
        assert_int_equal(judge(text, strlen(text), &fault), 0);
}

static void check_sent(const char *text, const char *request, const char *field) {
        json_t *message = json_loads(text, 0, NULL);
        struct fault fault = { 0 };
        int result = protocol_check_sent(protocol, message, request, &fault);
        json_decref(message);
        if (result != (field ? -EPROTO : 0))
                fail_msg("%s: %d, %s", text, result, fault.text);
        if (field)
                assert_string_equal(fault.field, field);
}

static void test_our_own(void **state) {
        (void) state;
        check_sent("{\"type\":\"tree.changed\",\"path\":\"\"}", NULL, NULL);
        check_sent("{\"type\":\"tree.changed\"}", NULL, "path");
        check_sent("{\"type\":\"tree.changed\",\"path\":\"\",\"id\":1}", NULL, "id");
        check_sent("{\"type\":\"error\",\"code\":\"busy\",\"message\":\"\"}", NULL, NULL);
        check_sent("{\"type\":\"error\",\"code\":\"lazy\",\"message\":\"\"}", NULL, "code");
        check_sent("{\"type\":\"reply\",\"id\":1,\"run\":1}", "run.stop", NULL);
        check_sent("{\"type\":\"reply\",\"id\":1}", "run.stop", "run");
        check_sent("{\"type\":\"reply\",\"run\":1}", "run.stop", "id");
        check_sent(
                "{\"type\":\"reply\",\"id\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"file\",\"size\":0,\"modified\":0,"
                "\"writable\":true}],\"path\":\"\",\"complete\":true}",
                "tree.list", NULL);
        check_sent(
                "{\"type\":\"reply\",\"id\":1,\"entries\":[{\"name\":\"a\",\"kind\":\"pipe\",\"size\":0,\"modified\":0,"
                "\"writable\":true}],\"path\":\"\",\"complete\":true}",
                "tree.list", "entries.kind");
        check_sent("{\"type\":\"no.such\"}", NULL, "type");
}

static void test_table_matches(void **state) {
        (void) state;
        struct error error = { 0 };
        int result = request_table_check(protocol, &error);
        if (result < 0)
                fail_msg("%s", error.text);
        assert_int_equal(protocol_binary_kind(protocol, "output"), 1);
        assert_int_equal(protocol_binary_kind(protocol, "input"), 2);
        assert_true(protocol_request_answered(protocol, "run.stop"));
        assert_false(protocol_request_answered(protocol, "run.acknowledge"));
}

static void test_cut_text(void **state) {
        (void) state;
        json_t *text = protocol_text("a\xc3");
        assert_string_equal(json_string_value(text), "a?");
        json_decref(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_requests),      cmocka_unit_test(test_maxima),
                cmocka_unit_test(test_many_values),   cmocka_unit_test(test_our_own),
                cmocka_unit_test(test_table_matches), cmocka_unit_test(test_cut_text),
        };
        return cmocka_run_group_tests(tests, start, stop);
}
