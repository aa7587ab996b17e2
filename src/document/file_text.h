/*
 * file_text: a file's bytes as a text, and back, byte for byte.
 *
 * A document has "\n" for a line end. A file all of whose line ends are "\r\n" is read without the "\r" and written
 * with them; a byte-order mark at its beginning is taken off and put on again. In every other file a "\r" is a
 * character like any other, and a missing line end at the end stays missing: so what was not edited is written as it
 * was read.
 */
#pragma once

#include "../base/buffer.h"
#include "text.h"

/* What of a file is not in its text. */
struct file_form {
        bool byte_order_mark;
        bool carriage_returns; /* before every "\n" */
};

/* -EILSEQ: not UTF-8. */
int file_text_read(const void *bytes, size_t size, struct text **ret_text, struct file_form *ret_form) must_check;

/* Appends to a buffer without a limit. */
void file_text_write(const struct text *text, const struct file_form *form, struct buffer *bytes);
