#include "file_text.h"

static const uint8_t byte_order_mark[] = { 0xef, 0xbb, 0xbf };

/* At least one line end, and a "\r" before each and nowhere else. */
static bool all_carriage_returns(const uint8_t *bytes, size_t size) {
        size_t line_ends = 0, carriage_returns = 0;
        for (size_t i = 0; i < size; i++) {
                carriage_returns += bytes[i] == '\r';
                if (bytes[i] != '\n')
                        continue;
                if (i == 0 || bytes[i - 1] != '\r')
                        return false;
                line_ends++;
        }
        return line_ends > 0 && line_ends == carriage_returns;
}

static int without_carriage_returns(const uint8_t *bytes, size_t size, struct text **ret_text) {
        free_scoped char *plain = reallocate_array(NULL, size, 1);
        size_t length = 0;
        for (size_t i = 0; i < size; i++)
                if (bytes[i] != '\r')
                        plain[length++] = (char) bytes[i];
        return text_new(plain, length, ret_text);
}

int file_text_read(const void *bytes, size_t size, struct text **ret_text, struct file_form *ret_form) {
        const uint8_t *from = bytes;
        struct file_form form = { 0 };
        if (size >= sizeof byte_order_mark && memcmp(from, byte_order_mark, sizeof byte_order_mark) == 0) {
                form.byte_order_mark = true;
                from += sizeof byte_order_mark;
                size -= sizeof byte_order_mark;
        }
        form.carriage_returns = all_carriage_returns(from, size);
        int r = form.carriage_returns ? without_carriage_returns(from, size, ret_text) : text_new(from, size, ret_text);
        if (r == 0)
                *ret_form = form;
        return r;
}

static void append(struct buffer *bytes, const void *more, size_t size) {
        if (size == 0)
                return;                           /* a buffer without room for anything is NULL */
        uint8_t *room = buffer_room(bytes, size); /* no limit: never NULL */
        memcpy(room, more, size);
        buffer_grown(bytes, size);
}

static void append_line_ends(struct buffer *bytes, const uint8_t *from, size_t size) {
        for (size_t i = 0; i < size;) {
                const uint8_t *end = memchr(from + i, '\n', size - i);
                size_t length = end ? (size_t) (end - from) - i : size - i;
                append(bytes, from + i, length);
                if (end)
                        append(bytes, "\r\n", 2);
                i += length + (end != NULL);
        }
}

void file_text_write(const struct text *text, const struct file_form *form, struct buffer *bytes) {
        if (form->byte_order_mark)
                append(bytes, byte_order_mark, sizeof byte_order_mark);
        const uint8_t *chunk;
        for (size_t at = 0, size; (chunk = text_chunk(text, at, &size)); at += size)
                if (form->carriage_returns)
                        append_line_ends(bytes, chunk, size);
                else
                        append(bytes, chunk, size);
}
