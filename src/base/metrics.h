/*
 * metrics: what a process counts, written as Prometheus reads it (text format 0.0.4).
 *
 * A process counts in plain numbers wherever something happens, and describes them once, in a table of families. Labels
 * are the indices of the array that is counted in; their values come from a table of names that is fixed, so no metric
 * can grow. A family without labels is one number.
 */
#pragma once

#include "buffer.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* Upper bounds in microseconds, of the last there is none; and their sum. */
enum { HISTOGRAM_BUCKETS = 12 };
struct histogram {
        uint64_t counts[HISTOGRAM_BUCKETS]; /* each for itself */
        uint64_t sum;
};
void histogram_add(struct histogram *histogram, uint64_t microseconds);

struct metric_label {
        const char *name;
        const char *const *values; /* a NULL among them is an index that is not told */
        size_t count;
};

struct metric_family {
        const char *name, *help;
        enum metric_kind kind;
        bool sparse;                   /* of the numbers only those that are not 0 */
        struct metric_label labels[2]; /* the numbers lie row by row: [first][second]; fewer where the name is NULL */
        const void *numbers;           /* uint64_t, or of METRIC_HISTOGRAM one struct histogram (told in seconds) */
};

void metrics_write(struct buffer *text, const struct metric_family *families, size_t count);
