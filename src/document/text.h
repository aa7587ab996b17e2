/*
 * text: the content of a document, which never changes.
 *
 * A document is edited a few times a second by each of its typists, shown to whoever joins, written to disk and looked
 * back at. All of that is easy where an edit makes a new text and leaves the old one as it was: a snapshot is a
 * reference, going back is keeping an old one, and what is being written to disk cannot change half-way. So that an
 * edit of one character does not copy five megabytes, a text is a rope (Boehm, Atkinson and Plass, "Ropes: an
 * alternative to strings", 1995) in the form of a B-tree: leaves of at most 2 KB of UTF-8, nodes of at most 16
 * children, all leaves at one depth. Every node knows how many bytes, UTF-16 units and line breaks lie below it. An
 * edit splits the tree at its two ends and joins what is left with what is new; both copy the nodes on one path from
 * the root and share all others with the text before. The join is that of xi-editor's rope: two trees are joined where
 * their heights meet, and nodes too small to stand alone are merged with the neighbour.
 *
 * Positions are UTF-16 code units, since the editors on the pages are JavaScript and count so; a position inside a
 * surrogate pair is none. Lines end at "\n" alone, as in change.h: a carriage return is a character like another, and
 * whoever serves an editor that takes it for a line break turns it into "\n" before a text is made. Contents are valid
 * UTF-8 (so no lone surrogates), with any scalar value in it, NUL included.
 *
 * Invariants:
 *   - a node is never written to once its maker has handed it on. That, and counts of references that are atomic, lets
 *     any number of threads hold and read one text without a lock; nothing else here is for threads.
 *   - a leaf ends where a UTF-8 sequence ends, and is empty only where it is the whole text.
 *   - a leaf has at least a quarter of its greatest size and a node a quarter of its children, the root and what was
 *     built by no edit excepted: so the height is at most 14 for the largest text there can be, and recursion is
 * bounded.
 *
 * Costs, for a text of n bytes: an edit and every look-up O(log n) plus the size of what is inserted or copied; a
 * reference O(1); a text takes a fifth more memory than its bytes, and each edit of it that is kept beside it some 2 KB
 * to 5 KB. Out of memory is fatal, as everywhere (base.h).
 */
#pragma once

#include "../base/buffer.h"

/* What the structure can hold, so that every position fits 32 bits with room to spare. What a document may hold is for
 * its owner to say, and far less. */
enum { TEXT_BYTES_MAXIMUM = 1 << 30 };

struct text;

/* How much there is of something: of a whole text, or of the part of it before a position. */
struct text_extent {
        size_t bytes;
        size_t units; /* UTF-16 */
        size_t lines; /* as many as there are "\n": a position's line, counted from 0 */
};

/* Of bytes that are UTF-8. */
struct text_extent text_measure(const void *bytes, size_t size);

/* 0; -EILSEQ where the bytes are not UTF-8, -EFBIG past TEXT_BYTES_MAXIMUM. The caller owns a reference. */
int text_new(const void *bytes, size_t size, struct text **ret_text) must_check;

struct text *text_reference(struct text *text); /* returns it */
void text_unreference(struct text *text);       /* NULL is fine */

static inline void text_unreference_pointer(struct text **text) {
        text_unreference(*text);
}
#define text_scoped cleanup(text_unreference_pointer) struct text *

struct text_extent text_extent(const struct text *text);

/* The text in which `bytes` stand instead of the units [from, to); the caller owns a reference, and still the one to
 * the text before. -ERANGE where from > to or past the end, -EINVAL inside a surrogate pair, -EILSEQ, -EFBIG. */
int text_replace(struct text *text, size_t from, size_t to, const void *bytes, size_t size,
                 struct text **ret_text) must_check;

/* The same with a text for the new part, whose nodes are shared and not copied. */
int text_replace_with(struct text *text, size_t from, size_t to, struct text *insert,
                      struct text **ret_text) must_check;

/* The units [from, to) as a text of their own: -ERANGE, -EINVAL. */
int text_slice(struct text *text, size_t from, size_t to, struct text **ret_text) must_check;

/* Places: the extent of what lies before the unit, before the byte, or before the line (counted from 0, so that the
 * last one is text_extent().lines). -ERANGE past the end, -EINVAL inside a surrogate pair or a UTF-8 sequence. */
int text_at_unit(const struct text *text, size_t unit, struct text_extent *ret_before) must_check;
int text_at_byte(const struct text *text, size_t byte, struct text_extent *ret_before) must_check;
int text_at_line(const struct text *text, size_t line, struct text_extent *ret_before) must_check;

/* The bytes from offset `byte` on that lie in one piece, at most one leaf's, valid as long as the text is held; NULL at
 * and past the end. A whole text is walked so:
 *
 *         for (size_t at = 0, size; (bytes = text_chunk(text, at, &size)); at += size)
 */
const uint8_t *text_chunk(const struct text *text, size_t byte, size_t *ret_size);

/* Appends the units [from, to): -ERANGE, -EINVAL, or -ENOBUFS past the buffer's limit, and then nothing is added. */
int text_copy(const struct text *text, size_t from, size_t to, struct buffer *buffer) must_check;

/* The same bytes. Parts that two texts share are not looked at. */
bool text_equal(const struct text *a, const struct text *b);
