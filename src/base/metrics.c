#include "metrics.h"

#include <inttypes.h>
#include <stdarg.h>

/* 0.5 ms … 10 s: a start takes some 1 ms, and is too slow long before 10 s. */
static const uint64_t bounds[HISTOGRAM_BUCKETS - 1] = { 500,   1000,   2000,   5000,    10000,   20000,
                                                        50000, 100000, 500000, 1000000, 10000000 };

static const char *const kind_names[] = { "counter", "gauge", "histogram" };

void histogram_add(struct histogram *histogram, uint64_t microseconds) {
        size_t bucket = 0;
        while (bucket < array_length(bounds) && microseconds > bounds[bucket])
                bucket++;
        histogram->counts[bucket]++;
        histogram->sum += microseconds;
}

static void printf_like(2, 3) add(struct buffer *text, const char *format, ...) {
        char line[512];
        va_list arguments;
        va_start(arguments, format);
        int size = vsnprintf(line, sizeof line, format, arguments);
        va_end(arguments);
        if (size < 0 || (size_t) size >= sizeof line)
                abort();                                  /* names and values are ours */
        (void) !buffer_append(text, line, (size_t) size); /* past the limit the text ends early */
}

static void write_histogram(struct buffer *text, const char *name, const struct histogram *histogram) {
        uint64_t total = 0;
        for (size_t i = 0; i < array_length(bounds); i++) {
                total += histogram->counts[i];
                add(text, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, (double) bounds[i] / 1e6, total);
        }
        total += histogram->counts[array_length(bounds)];
        add(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, total);
        add(text, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name, (double) histogram->sum / 1e6, name, total);
}

static void write_numbers(struct buffer *text, const struct metric_family *family) {
        const struct metric_label *outer = &family->labels[0], *inner = &family->labels[1];
        const uint64_t *numbers = family->numbers;
        size_t rows = outer->name ? outer->count : 1, columns = inner->name ? inner->count : 1;
        for (size_t i = 0; i < rows * columns; i++) {
                const char *row = outer->name ? outer->values[i / columns] : "";
                const char *column = inner->name ? inner->values[i % columns] : "";
                if (!row || !column || (family->sparse && numbers[i] == 0))
                        continue;
                if (inner->name)
                        add(text, "%s{%s=\"%s\",%s=\"%s\"} %" PRIu64 "\n", family->name, outer->name, row, inner->name,
                            column, numbers[i]);
                else if (outer->name)
                        add(text, "%s{%s=\"%s\"} %" PRIu64 "\n", family->name, outer->name, row, numbers[i]);
                else
                        add(text, "%s %" PRIu64 "\n", family->name, numbers[i]);
        }
}

void metrics_write(struct buffer *text, const struct metric_family *families, size_t count) {
        for (const struct metric_family *family = families; family < families + count; family++) {
                add(text, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                    kind_names[family->kind]);
                if (family->kind == METRIC_HISTOGRAM)
                        write_histogram(text, family->name, family->numbers);
                else
                        write_numbers(text, family);
        }
}
