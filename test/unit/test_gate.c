/* Where a gate does not connect to, whatever a name leads to. (What it does for a program:
 * test/system/test_network.py.) */
#include "../../src/gate/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

static const char *refused(const char *text) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
        if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
                return address_refused((struct sockaddr *) &in, sizeof in);
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        return address_refused((struct sockaddr *) &in6, sizeof in6);
}

static void test_refused(void **state) {
        (void) state;
        static const char *const addresses[] = {
                "0.0.0.0",
                "0.1.2.3",
                "127.0.0.1",
                "127.255.255.255",
                "169.254.0.1",
                "169.254.169.254",
                "224.0.0.251",
                "239.1.2.3",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::1",
                "::127.0.0.1",
                "::ffff:127.0.0.1",
                "::ffff:203.0.113.1",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "ff02::1",
                "64:ff9b::127.0.0.1",
        };
        for (size_t i = 0; i < array_length(addresses); i++)
                if (!refused(addresses[i]))
                        fail_msg("%s would be connected to", addresses[i]);
}

static void test_others(void **state) {
        (void) state;
        /* Of documentation's networks, so that no machine has them; and one of a school's own, and of an IPv6-only one.
         */
        static const char *const addresses[] = { "203.0.113.77", "192.0.2.1",  "10.255.254.253",
                                                 "2001:db8::1",  "fd77:1::77", "64:ff9b::203.0.113.1" };
        for (size_t i = 0; i < array_length(addresses); i++)
                if (refused(addresses[i]))
                        fail_msg("%s is refused: it is %s", addresses[i], refused(addresses[i]));
}

static void test_other_kinds(void **state) {
        (void) state;
        const struct sockaddr other = { .sa_family = AF_UNIX };
        const struct sockaddr_in in = { .sin_family = AF_INET };
        assert_non_null(address_refused(&other, sizeof other));
        assert_non_null(address_refused((const struct sockaddr *) &in, sizeof in - 1));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_others),
                cmocka_unit_test(test_other_kinds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
