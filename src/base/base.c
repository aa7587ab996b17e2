#include "base.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/random.h>
#include <time.h>

static void error_write(struct error *error, int number, const char *suffix, const char *format, va_list arguments)
        printf_like(4, 0);

static void error_write(struct error *error, int number, const char *suffix, const char *format, va_list arguments) {
        if (!error)
                return;
        char text[sizeof error->text / 2];
        int length = vsnprintf(text, sizeof text, format, arguments);
        if (length < 0)
                text[0] = '\0';
        error->number = number;
        snprintf(error->text, sizeof error->text, "%s%s%s", text, suffix ? ": " : "", suffix ? suffix : "");
}

int error_set(struct error *error, int number, const char *format, ...) {
        if (number <= 0)
                number = EIO;
        va_list arguments;
        va_start(arguments, format);
        error_write(error, number, strerror(number), format, arguments);
        va_end(arguments);
        return -number;
}

int error_say(struct error *error, int number, const char *format, ...) {
        if (number <= 0)
                number = EIO;
        va_list arguments;
        va_start(arguments, format);
        error_write(error, number, NULL, format, arguments);
        va_end(arguments);
        return -number;
}

int error_prefix(struct error *error, const char *format, ...) {
        if (!error)
                return -EIO;
        char before[sizeof error->text / 2];
        snprintf(before, sizeof before, "%.*s", (int) sizeof before - 1, error->text);
        va_list arguments;
        va_start(arguments, format);
        error_write(error, error->number, before, format, arguments);
        va_end(arguments);
        return -error->number;
}

static void *or_end(void *pointer) {
        if (!pointer) {
                static const char message[] = "carrel: out of memory\n";
                (void) !write(STDERR_FILENO, message, sizeof message - 1);
                abort();
        }
        return pointer;
}

void *allocate(size_t size) {
        return or_end(calloc(1, size ? size : 1));
}

void *reallocate_array(void *old, size_t count, size_t size) {
        return or_end(reallocarray(old, count ? count : 1, size ? size : 1));
}

char *duplicate_string(const char *string) {
        return or_end(strdup(string));
}

char *format_string(const char *format, ...) {
        char *text = NULL;
        va_list arguments;
        va_start(arguments, format);
        int length = vasprintf(&text, format, arguments);
        va_end(arguments);
        return or_end(length < 0 ? NULL : text);
}

static uint64_t clock_nanoseconds(clockid_t clock) {
        struct timespec now;
        clock_gettime(clock, &now); /* cannot fail for the two clocks used here */
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

uint64_t now_microseconds(void) {
        return clock_nanoseconds(CLOCK_MONOTONIC) / 1000;
}

uint64_t now_milliseconds(void) {
        return clock_nanoseconds(CLOCK_MONOTONIC) / 1000000;
}

int64_t wall_milliseconds(void) {
        return (int64_t) (clock_nanoseconds(CLOCK_REALTIME) / 1000000);
}

void random_bytes(void *buffer, size_t size) {
        uint8_t *at = buffer;
        while (size > 0) {
                ssize_t got = getrandom(at, size, 0);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        abort(); /* only ENOSYS remains, on kernels far older than the walls need */
                at += got;
                size -= (size_t) got;
        }
}

void hexadecimal(const void *bytes, size_t size, char *text) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *from = bytes;
        for (size_t i = 0; i < size; i++) {
                text[2 * i] = digits[from[i] >> 4];
                text[2 * i + 1] = digits[from[i] & 15];
        }
        text[2 * size] = '\0';
}

int write_fully(int fd, const void *buffer, size_t size) {
        const uint8_t *at = buffer;
        while (size > 0) {
                ssize_t written = write(fd, at, size);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written < 0)
                        return -errno;
                at += written;
                size -= (size_t) written;
        }
        return 0;
}

ssize_t read_fully(int fd, void *buffer, size_t size) {
        uint8_t *at = buffer;
        size_t total = 0;
        while (total < size) {
                ssize_t got = read(fd, at + total, size - total);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                total += (size_t) got;
        }
        return (ssize_t) total;
}

void size_to_text(uint64_t bytes, char text[static SIZE_TEXT_BYTES]) {
        static const char *const units[] = { "KB", "MB", "GB", "TB" };
        if (bytes < 1024) {
                snprintf(text, SIZE_TEXT_BYTES, "%u byte%s", (unsigned) bytes, bytes == 1 ? "" : "s");
                return;
        }
        double value = (double) bytes / 1024;
        size_t unit = 0;
        for (; value >= 1024 && unit + 1 < array_length(units); unit++)
                value /= 1024;
        /* Two digits behind the point say enough, and none where they would be zeros. */
        int size = snprintf(text, SIZE_TEXT_BYTES, "%.2f", value);
        while (text[size - 1] == '0')
                text[--size] = '\0';
        if (text[size - 1] == '.')
                size--;
        snprintf(text + size, SIZE_TEXT_BYTES - (size_t) size, " %s", units[unit]);
}

ssize_t read_small_file(int folder, const char *path, char *ret_text, size_t capacity) {
        fd_scoped fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        ssize_t size = read_fully(fd, ret_text, capacity - 1);
        if (size >= 0)
                ret_text[size] = '\0';
        return size;
}

int parse_unsigned(const char *text, uint64_t maximum, uint64_t *ret_value) {
        uint64_t value = 0;
        if (!*text)
                return -EINVAL;
        for (; *text; text++) {
                if (*text < '0' || *text > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(value, 10u, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (*text - '0'), &value) || value > maximum)
                        return -ERANGE;
        }
        *ret_value = value;
        return 0;
}

/* The length of the well-formed sequence at `at`, or 0. */
static size_t utf8_sequence(const uint8_t *at, size_t left) {
        if (at[0] < 0x80)
                return 1;
        size_t length = at[0] >= 0xC2 && at[0] <= 0xDF   ? 2
                        : at[0] >= 0xE0 && at[0] <= 0xEF ? 3
                        : at[0] >= 0xF0 && at[0] <= 0xF4 ? 4
                                                         : 0;
        if (length == 0 || length > left)
                return 0;
        /* The second byte's range depends on the first; those after it are plain continuations. */
        uint8_t low = at[0] == 0xE0 ? 0xA0 : at[0] == 0xF0 ? 0x90 : 0x80;
        uint8_t high = at[0] == 0xED ? 0x9F : at[0] == 0xF4 ? 0x8F : 0xBF;
        if (at[1] < low || at[1] > high)
                return 0;
        for (size_t i = 2; i < length; i++)
                if ((at[i] & 0xC0) != 0x80)
                        return 0;
        return length;
}

bool utf8_valid(const void *text, size_t size) {
        const uint8_t *at = text, *end = at + size;
        while (at < end) {
                size_t length = utf8_sequence(at, (size_t) (end - at));
                if (length == 0)
                        return false;
                at += length;
        }
        return true;
}
