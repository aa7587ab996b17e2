/*
 * difference: the change between two texts that nobody wrote as one.
 *
 * A file changes on disk while it is open: a program wrote it, or someone outside of Carrel did. The document takes the
 * new content in as an edit (a change, change.h), and that edit should say no more than what is different: then cursors
 * and marks elsewhere stay where they are, undo brings back what was lost, and what others typed meanwhile can be
 * mapped over it.
 *
 * difference_between() compares lines first, by Myers' algorithm in linear space ("An O(ND) difference algorithm and
 * its variations", 1986): the shortest script of deleted and inserted lines. Of the many shortest ones the lines go as
 * far down as they can, so that equal edits of different texts look equal. Then each changed stretch is compared by
 * characters, where it is small: by grapheme clusters (Unicode Annex 29, libunistring), so that neither a surrogate
 * pair nor an accent is parted from its letter, and "\r\n" stays whole. Myers is quick where little differs and
 * quadratic where nothing is alike; so its work is bounded, and past the bound the stretch that was being compared is
 * replaced as a whole, without what it has in common at its two ends. The change is then larger than need be, and as
 * right.
 *
 * difference_merge() is diff3 (Khanna, Kunal and Pierce, "A formal investigation of diff3", 2007) by lines: stretches
 * of the base that one side alone has changed take that side's lines; stretches that both have changed, or that touch,
 * conflict, unless both hold the same lines there. What it makes does not depend on which side is called ours.
 *
 * Both copy the texts out while they work (some 30 bytes a line and 1 a byte) and hold nothing afterwards. What they
 * make has at most CHANGE_SECTIONS_MAXIMUM / 4 sections, coarser where it would have more, so that it can be composed
 * with others and sent. The time is mostly that of looking at every line once: 15 ns a byte of both, so nothing for a
 * program of a pupil, and with the bounds a tenth of a second or two for texts of 5 MB, which is for a thread of the
 * pool.
 */
#pragma once

#include "change.h"

enum {
        DIFFERENCE_LINES_WORK_MAXIMUM = 8000000,      /* steps of Myers' search, in one comparison */
        DIFFERENCE_CHARACTERS_WORK_MAXIMUM = 8000000, /* the same, of all changed stretches together */
        DIFFERENCE_STRETCH_MAXIMUM = 4000, /* bytes of a changed stretch that is looked into, of both sides */
};

/* The change that makes `after` of `before`; empty where they are equal. */
struct change *difference_between(const struct text *before, const struct text *after);

/* Three ways: 0 and the change that puts into `ours` what `theirs` has changed of `base`; 1 where both have changed the
 * same or adjoining lines, differently; -EFBIG where both changes together make too large a text. */
int difference_merge(const struct text *base, const struct text *ours, const struct text *theirs,
                     struct change **ret_change) must_check;
