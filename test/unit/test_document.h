/* What the tests of src/document share: chance that can be repeated, and texts that are hard to hold right. */
#pragma once

#include "../../src/document/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* xorshift64*: each test names its seed, so that a failure comes again. */
struct chance {
        uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance) {
        chance->state ^= chance->state >> 12;
        chance->state ^= chance->state << 25;
        chance->state ^= chance->state >> 27;
        return chance->state * 2685821657736338717u;
}

/* From 0 to below `bound`. */
static inline size_t chance_below(struct chance *chance, size_t bound) {
        return bound ? (size_t) ((chance_next(chance) >> 16) % bound) : 0;
}

/* Appends `count` pieces: letters, line ends of both kinds, NUL, two to four bytes of UTF-8, accents on their own. */
static inline void random_pieces(struct chance *chance, size_t count, struct buffer *buffer) {
        static const struct {
                const char *bytes;
                size_t size;
        } pieces[] = {
                { "a", 1 },          { "b", 1 },       { " ", 1 },      { "\n", 1 }, { "xyz", 3 },
                { "\r\n", 2 },       { "\0", 1 },      { "é", 2 },      { "€", 3 },  { "\U0001F600", 4 },
                { "\U0010FFFF", 4 }, { "e\u0301", 3 }, { "line\n", 5 },
        };
        for (size_t i = 0; i < count; i++) {
                size_t which = chance_below(chance, array_length(pieces));
                assert_int_equal(buffer_append(buffer, pieces[which].bytes, pieces[which].size), 0);
        }
}

static inline struct text *text_of(const void *bytes, size_t size) {
        struct text *text;
        assert_int_equal(text_new(bytes, size, &text), 0);
        return text;
}

static inline struct text *text_of_string(const char *string) {
        return text_of(string, strlen(string));
}

static inline void assert_text(const struct text *text, const void *bytes, size_t size) {
        struct buffer copy = { 0 };
        assert_int_equal(text_extent(text).bytes, size);
        assert_int_equal(text_copy(text, 0, text_extent(text).units, &copy), 0);
        assert_int_equal(buffer_size(&copy), size);
        if (size > 0)
                assert_memory_equal(buffer_front(&copy), bytes, size);
        buffer_finish(&copy);
}

static inline void assert_text_string(const struct text *text, const char *string) {
        assert_text(text, string, strlen(string));
}
