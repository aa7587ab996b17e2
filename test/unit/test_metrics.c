/* src/base/metrics: the text is what Prometheus reads, and cannot grow. */
#include "../../src/base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *write_all(const struct metric_family *families, size_t count) {
        static char text[8192];
        struct buffer buffer = { .limit = sizeof text - 1 };
        metrics_write(&buffer, families, count);
        memcpy(text, buffer_front(&buffer), buffer_size(&buffer));
        text[buffer_size(&buffer)] = '\0';
        buffer_finish(&buffer);
        return text;
}

static void test_numbers(void **state) {
        (void) state;
        static const char *const colours[] = { "red", NULL, "blue" }, *const sizes[] = { "small", "large" };
        const uint64_t one = UINT64_MAX, three[] = { 1, 2, 3 }, six[] = { 1, 2, 3, 4, 0, 6 };
        const struct metric_family families[] = {
                { "a_total", "All of it.", METRIC_COUNTER, .numbers = &one },
                { "b", "By colour; what has no name is not told.", METRIC_GAUGE, .labels = { { "colour", colours, 3 } },
                  .numbers = three },
                { "c_total", "By both; none is left out.", METRIC_COUNTER, .sparse = true,
                  .labels = { { "colour", colours, 3 }, { "size", sizes, 2 } }, .numbers = six },
        };
        assert_string_equal(write_all(families, array_length(families)),
                            "# HELP a_total All of it.\n# TYPE a_total counter\na_total 18446744073709551615\n"
                            "# HELP b By colour; what has no name is not told.\n# TYPE b gauge\n"
                            "b{colour=\"red\"} 1\nb{colour=\"blue\"} 3\n"
                            "# HELP c_total By both; none is left out.\n# TYPE c_total counter\n"
                            "c_total{colour=\"red\",size=\"small\"} 1\nc_total{colour=\"red\",size=\"large\"} 2\n"
                            "c_total{colour=\"blue\",size=\"large\"} 6\n");
}

/* Buckets hold all that is below them too; a value on a bound belongs to it. */
static void test_histogram(void **state) {
        (void) state;
        struct histogram histogram = { 0 };
        static const uint64_t microseconds[] = { 0, 500, 501, 20000, 9999999, 10000000, 10000001, 3000000000 };
        for (size_t i = 0; i < array_length(microseconds); i++)
                histogram_add(&histogram, microseconds[i]);
        const struct metric_family family = { "t_seconds", "Time.", METRIC_HISTOGRAM, .numbers = &histogram };
        assert_string_equal(write_all(&family, 1),
                            "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n"
                            "t_seconds_bucket{le=\"0.0005\"} 2\nt_seconds_bucket{le=\"0.001\"} 3\n"
                            "t_seconds_bucket{le=\"0.002\"} 3\nt_seconds_bucket{le=\"0.005\"} 3\n"
                            "t_seconds_bucket{le=\"0.01\"} 3\nt_seconds_bucket{le=\"0.02\"} 4\n"
                            "t_seconds_bucket{le=\"0.05\"} 4\nt_seconds_bucket{le=\"0.1\"} 4\n"
                            "t_seconds_bucket{le=\"0.5\"} 4\nt_seconds_bucket{le=\"1\"} 4\n"
                            "t_seconds_bucket{le=\"10\"} 6\nt_seconds_bucket{le=\"+Inf\"} 8\n"
                            "t_seconds_sum 3030.021001\nt_seconds_count 8\n");
}

/* Past the buffer's limit lines are missing, and none is cut. */
static void test_limit(void **state) {
        (void) state;
        const uint64_t one = 1;
        const struct metric_family family = { "a_total", "All.", METRIC_COUNTER, .numbers = &one };
        struct buffer buffer = { .limit = 100 };
        for (int i = 0; i < 10; i++)
                metrics_write(&buffer, &family, 1);
        assert_true(buffer_size(&buffer) <= 100);
        assert_int_equal(buffer_front(&buffer)[buffer_size(&buffer) - 1], '\n');
        buffer_finish(&buffer);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_histogram),
                cmocka_unit_test(test_limit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
