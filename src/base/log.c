#include "log.h"

#include <stdarg.h>
#include <time.h>

static const char *process_name = "carrel";
static enum log_level least_level = LOG_INFO;

static const char *const level_names[] = { "debug", "info", "warning", "error" };

/* A line is cut here rather than split: pipes take up to PIPE_BUF (4096) whole. */
enum { LINE_SIZE = 2048 };

struct line {
        char text[LINE_SIZE];
        size_t length;
};

static void line_put(struct line *line, char character) {
        if (line->length < LINE_SIZE - 1) /* the last is for the line feed */
                line->text[line->length++] = character;
}

static void line_puts(struct line *line, const char *text) {
        for (; *text; text++)
                line_put(line, *text);
}

static bool needs_quotes(const char *value) {
        if (!*value)
                return true;
        for (; *value; value++)
                if ((unsigned char) *value <= ' ' || *value == '"' || *value == '\\' || *value == '=' || *value == 0x7F)
                        return true;
        return false;
}

static void line_put_value(struct line *line, const char *value) {
        if (!needs_quotes(value)) {
                line_puts(line, value);
                return;
        }
        line_put(line, '"');
        for (; *value; value++) {
                unsigned char character = (unsigned char) *value;
                if (character == '"' || character == '\\') {
                        line_put(line, '\\');
                        line_put(line, *value);
                } else if (character < ' ' || character == 0x7F) {
                        char escape[8];
                        snprintf(escape, sizeof escape, "\\x%02x", character);
                        line_puts(line, escape);
                } else
                        line_put(line, *value);
        }
        line_put(line, '"');
}

static void line_put_time(struct line *line) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        char text[40];
        size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
        snprintf(text + length, sizeof text - length, ".%03ldZ", now.tv_nsec / 1000000);
        line_puts(line, text);
}

void log_start(const char *process, enum log_level level) {
        process_name = process;
        least_level = level;
}

void log_event(enum log_level level, const char *event, ...) {
        if (level < least_level)
                return;
        struct line line = { .length = 0 };
        line_put_time(&line);
        line_put(&line, ' ');
        line_puts(&line, level_names[level]);
        line_put(&line, ' ');
        line_puts(&line, process_name);
        line_put(&line, ' ');
        line_puts(&line, event);
        va_list pairs;
        va_start(pairs, event);
        const char *key;
        while ((key = va_arg(pairs, const char *))) {
                const char *value = va_arg(pairs, const char *);
                line_put(&line, ' ');
                line_puts(&line, key);
                line_put(&line, '=');
                line_put_value(&line, value ? value : "");
        }
        va_end(pairs);
        line.text[line.length++] = '\n';
        /* A log that cannot be written has nobody to be told. */
        if (write_fully(STDERR_FILENO, line.text, line.length) < 0)
                return;
}

const char *log_number(int64_t value) {
        static __thread char buffers[8][24];
        static __thread unsigned next;
        char *buffer = buffers[next++ % array_length(buffers)];
        snprintf(buffer, sizeof buffers[0], "%lld", (long long) value);
        return buffer;
}
