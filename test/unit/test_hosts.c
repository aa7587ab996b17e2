/* The list of hosts that a class may reach: what a teacher writes, and what is made of it. */
#include "../../src/base/hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct hosts parsed(const char *text) {
        struct hosts hosts;
        struct error error = { 0 };
        if (hosts_parse(text, &hosts, &error) < 0)
                fail_msg("'%s': %s", text, error.text);
        return hosts;
}

static void assert_endpoint(const struct hosts *hosts, size_t index, const char *name, int port, int number) {
        assert_true(index < hosts->count);
        assert_string_equal(hosts->endpoints[index].name, name);
        assert_int_equal(hosts->endpoints[index].port, port);
        assert_int_equal(hosts->endpoints[index].number, number);
}

static void test_names_and_ports(void **state) {
        (void) state;
        struct hosts hosts = parsed("data.example, API.Example:8443 intranet,data.example:8080,api.example:8443");
        assert_int_equal(hosts.count, 6);
        assert_endpoint(&hosts, 0, "data.example", 80, 1);
        assert_endpoint(&hosts, 1, "data.example", 443, 1);
        assert_endpoint(&hosts, 2, "api.example", 8443, 2);
        assert_endpoint(&hosts, 3, "intranet", 80, 3);
        assert_endpoint(&hosts, 4, "intranet", 443, 3);
        assert_endpoint(&hosts, 5, "data.example", 8080, 1);
        hosts = parsed("xn--bcher-kva.example:1 a-b.c1.example:65535");
        assert_endpoint(&hosts, 0, "xn--bcher-kva.example", 1, 1);
        assert_endpoint(&hosts, 1, "a-b.c1.example", 65535, 2);
}

static void test_empty(void **state) {
        (void) state;
        assert_int_equal(parsed("").count, 0);
        assert_int_equal(parsed(" , ,, ").count, 0);
}

/* Nothing that the C library would take for an address, in any of its forms, is a name. */
static void test_refused(void **state) {
        (void) state;
        static const char *const wrong[] = {
                "127.0.0.1",
                "10.1",
                "2130706433",
                "0x7f000001",
                "0x7f.1",
                "a.0x1",
                "::1",
                "[::1]",
                "fe80::1%eth0",
                "localhost",
                "a.localhost",
                "LocalHost:80",
                "*.example",
                "-a.example",
                "a-.example",
                "a..example",
                ".example",
                "example.",
                "a_b.example",
                "a\texample",
                "a\nexample",
                "a/b",
                "http://a.b",
                "a.example:",
                "a.example:0",
                "a.example:65536",
                "a.example:+1",
                "a.example:80:81",
                "a.example:00000000080",
                "a.1",
                "\xC3\xBC.example",
                "a.example#",
                ":80",
        };
        for (size_t i = 0; i < array_length(wrong); i++) {
                struct hosts hosts;
                struct error error = { 0 };
                if (hosts_parse(wrong[i], &hosts, &error) != -EINVAL)
                        fail_msg("'%s' was taken for a host", wrong[i]);
                assert_true(*error.text);
        }
}

static void append(char *text, size_t size, const char *word) {
        size_t length = strlen(text);
        assert_true((size_t) snprintf(text + length, size - length, "%s", word) < size - length);
}

static void test_bounds(void **state) {
        (void) state;
        char text[2 * HOSTS_TEXT_BYTES] = "", word[300];
        struct hosts hosts;
        struct error error;
        for (int i = 0; i < HOSTS_MAXIMUM; i++) {
                snprintf(word, sizeof word, "h%d.example,", i);
                append(text, sizeof text, word);
        }
        hosts = parsed(text);
        assert_int_equal(hosts.count, HOSTS_ENDPOINTS);
        assert_endpoint(&hosts, HOSTS_ENDPOINTS - 1, "h15.example", 443, HOSTS_MAXIMUM);
        append(text, sizeof text, "one-more.example");
        assert_int_equal(hosts_parse(text, &hosts, &error), -EINVAL);

        char part[64], name[300] = "";
        memset(part, 'a', 63);
        part[63] = '\0';
        for (int i = 0; i < 3; i++) {
                append(name, sizeof name, part);
                append(name, sizeof name, ".");
        }
        append(name, sizeof name, "b1234567890123456789012345678901234567890123456789012345678901"); /* 3 * 64 + 62 */
        assert_int_equal(strlen(name), HOST_NAME_BYTES);
        assert_int_equal(hosts_parse(name, &hosts, &error), -EINVAL);
        name[HOST_NAME_BYTES - 1] = '\0';
        hosts = parsed(name);
        assert_endpoint(&hosts, 0, name, 80, 1);
        snprintf(word, sizeof word, "a%s.example", part);
        assert_int_equal(hosts_parse(word, &hosts, &error), -EINVAL);

        memset(text, ' ', HOSTS_TEXT_BYTES);
        text[HOSTS_TEXT_BYTES] = '\0';
        assert_int_equal(hosts_parse(text, &hosts, &error), -EINVAL);
        text[HOSTS_TEXT_BYTES - 1] = '\0';
        assert_int_equal(parsed(text).count, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names_and_ports),
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_bounds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
