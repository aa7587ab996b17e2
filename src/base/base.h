/*
 * base: the vocabulary that every other room speaks.
 *
 * Scoped cleanup, errors that carry what was being done, time, random bytes. It owns nothing that lives longer than a
 * call and knows nothing of Carrel's domain. The larger words have headers of their own beside this one: log.h,
 * buffer.h, loop.h, metrics.h, settings.h.
 *
 * Conventions of the whole code:
 *   - a function that can fail returns 0 (or a non-negative result), or a negative errno; where it takes a `struct
 * error *` it also says there, in words, what was being done and to what. Whoever handles a failure logs it, once;
 * nobody else.
 *   - `ret_` parameters are written on success alone.
 *   - a descriptor or a pointer in a local variable carries its clean-up; steal_fd() and steal_pointer() hand it on.
 *   - all is single-threaded but what says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>

#define cleanup(function) __attribute__((cleanup(function)))
#define must_check __attribute__((warn_unused_result))
#define printf_like(format_index, first) __attribute__((format(printf, format_index, first)))
#define array_length(array) (sizeof(array) / sizeof((array)[0]))

/* Scoped cleanup. All accept "nothing there" (-1, NULL). */

static inline void close_fd(int *fd) {
        if (*fd >= 0) {
                int saved = errno;
                close(*fd); /* Linux frees the descriptor whatever close() answers; there is nothing to retry. */
                errno = saved;
        }
        *fd = -1;
}

static inline void free_pointer(void *pointer) {
        free(*(void **) pointer);
}

static inline void close_file(FILE **file) {
        if (*file)
                fclose(*file);
        *file = NULL;
}

static inline int steal_fd(int *fd) {
        int stolen = *fd;
        *fd = -1;
        return stolen;
}

#define steal_pointer(pointer)                                                                                         \
        ({                                                                                                             \
                __typeof__(*(pointer)) stolen_ = *(pointer);                                                           \
                *(pointer) = NULL;                                                                                     \
                stolen_;                                                                                               \
        })

#define fd_scoped cleanup(close_fd) int
#define free_scoped cleanup(free_pointer)

/* What went wrong, for whoever will log it or tell a person. */
struct error {
        int number; /* a positive errno */
        char text[320];
};

/* Writes "<what was being done>: <strerror(number)>" and returns -number, so that `return error_set(…)` is the whole
 * failure path. `error` may be NULL. `number` 0 is taken as EIO: a failure is never reported as success. */
int error_set(struct error *error, int number, const char *format, ...) printf_like(3, 4);

/* The same without strerror, for failures that no errno describes. */
int error_say(struct error *error, int number, const char *format, ...) printf_like(3, 4);

/* Puts "<context>: " before the text that is there and returns -error->number. */
int error_prefix(struct error *error, const char *format, ...) printf_like(2, 3);

/* Never returns NULL: a server without memory for its own small tables cannot serve, and says so by ending. Sizes that
 * a user can choose are bounded before they come here. */
void *allocate(size_t size);                                  /* zeroed */
void *reallocate_array(void *old, size_t count, size_t size); /* new part not zeroed */
char *duplicate_string(const char *string);
char *format_string(const char *format, ...) printf_like(1, 2);

/* Clocks. Monotonic ones count through nothing but running time of the machine; wall time is for people. */
uint64_t now_microseconds(void); /* CLOCK_MONOTONIC */
uint64_t now_milliseconds(void); /* CLOCK_MONOTONIC */
int64_t wall_milliseconds(void); /* since 1970-01-01 UTC */

/* From the kernel's generator; blocks only before the machine has ever had entropy, cannot fail after. */
void random_bytes(void *buffer, size_t size);

/* Lower-case hexadecimal, `text` has room for 2 * size + 1. */
void hexadecimal(const void *bytes, size_t size, char *text);

/* Whole-buffer I/O that survives EINTR and short counts. 0 or -errno; read_fully returns the bytes read (fewer at end
 * of file). */
int write_fully(int fd, const void *buffer, size_t size) must_check;
ssize_t read_fully(int fd, void *buffer, size_t size) must_check;

/* A number of bytes for a person: "512 bytes", "1.5 MB", "1 GB" (of 1024). */
enum { SIZE_TEXT_BYTES = 32 };
void size_to_text(uint64_t bytes, char text[static SIZE_TEXT_BYTES]);

/* A small file as text: its first `capacity` - 1 bytes and a NUL. `folder` is a descriptor or AT_FDCWD. The bytes, or
 * -errno. */
ssize_t read_small_file(int folder, const char *path, char *ret_text, size_t capacity) must_check;

/* Decimal without sign, white space or overflow: 0 or -EINVAL / -ERANGE. */
int parse_unsigned(const char *text, uint64_t maximum, uint64_t *ret_value) must_check;

/* Valid UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF), NUL included. */
bool utf8_valid(const void *text, size_t size);
