/*
 * change: what turns one text into the next.
 *
 * The editors on the pages are CodeMirror 6, which speaks of edits as change sets. Server and pages must agree to the
 * last unit on what a change does and on how two changes made at once combine, or typists would drift apart without a
 * word. So this is CodeMirror's own algebra, written again in C: ChangeSet in @codemirror/state, with the same
 * sections, the same joining of neighbours (addSection), the same composition (composeSets) and the same mapping
 * (mapSet), so that what comes out is what the page's library would have made of it. test/document holds the two
 * against each other.
 *
 * A change is an array of sections that cover the text before from its start to its end. On the wire each is
 *
 *         5                  keep 5 units
 *         [5]                delete 5 units
 *         [0, "ab", ""]      delete none, insert the lines joined by "\n": here "ab\n"
 *
 * in UTF-16 units. The theory is that of operational transformation (Ellis and Gibbs, 1989) with a server that orders
 * all changes: change_map() is its transformation, and for two changes a and b of one text
 *
 *         compose(a, map(b, a, false))  and  compose(b, map(a, b, true))  make the same text (a's insertions first).
 *
 * A change is immutable, made in one piece of memory (sections, then all inserted text as UTF-8), and counted by
 * reference, since a document keeps in its history what it sends to every page. Not for several threads at once.
 *
 * What comes from the wire is put into CodeMirror's normal form as it is read (nothing that its own editors send is
 * changed by that): sections that do nothing go, and neighbours are joined. One thing is refused that CodeMirror lets
 * pass, because no honest editor sends it and it ends in texts that are not Unicode: a border of sections inside a
 * surrogate pair, -EPROTO as soon as the text shows it.
 *
 * Costs: everything is linear in the sections and the inserted text of its arguments; applying to a text of n bytes
 * takes O(log n) a section. compose and map never look at a text.
 */
#pragma once

#include "text.h"

#include <jansson.h>

enum {
        CHANGE_UNITS_MAXIMUM = TEXT_BYTES_MAXIMUM, /* of the text before, and of the text after */
        CHANGE_SECTIONS_MAXIMUM = 100000,          /* of one change, however it was made */
};

struct change;

struct change *change_reference(struct change *change); /* returns it */
void change_unreference(struct change *change);         /* NULL is fine */

static inline void change_unreference_pointer(struct change **change) {
        change_unreference(*change);
}
#define change_scoped cleanup(change_unreference_pointer) struct change *

/* The wire. Parsing says in words what is wrong with what a page sent: -EINVAL (its form), -EILSEQ (not UTF-8), -E2BIG
 * (too many sections), -EFBIG (too many units). change_to_json returns a new reference. change_write appends the same
 * as compact JSON: -ENOBUFS past the buffer's limit. A NUL in it needs JSON_ALLOW_NUL when it is read back. */
int change_parse(const json_t *json, struct change **ret_change, struct error *error) must_check;
json_t *change_to_json(const struct change *change);
int change_write(const struct change *change, struct buffer *buffer) must_check;

/* Making one by hand, from the start of the text to its end. Neighbours are joined as CodeMirror joins them. The first
 * failure sticks, so that it is enough to look at change_build_end(): -EILSEQ, -E2BIG, -EFBIG. The builder belongs to
 * whoever zeroed it; change_build_end() leaves it zeroed, and change_build_drop() serves where one is given up. */
struct change_builder {
        struct section *sections;
        size_t count, capacity;
        size_t before, after; /* units so far */
        struct buffer inserted;
        int failed;
};
void change_build_keep(struct change_builder *builder, size_t units);
void change_build_replace(struct change_builder *builder, size_t units, const void *bytes, size_t size);
int change_build_end(struct change_builder *builder, struct change **ret_change) must_check;
void change_build_drop(struct change_builder *builder);

/* In units: of the text that it may be applied to, and of what it makes of it. */
size_t change_length_before(const struct change *change);
size_t change_length_after(const struct change *change);

/* It keeps everything. (As CodeMirror's `empty`; to insert and delete nothing in one go is not possible.) */
bool change_is_empty(const struct change *change);

/* The text after. -EPROTO where the text's length is not the change's or a section's border lies inside a surrogate
 * pair; -EFBIG. */
int change_apply(const struct change *change, struct text *text, struct text **ret_text) must_check;

/* The change that does `first` and then `second`. -EPROTO where the lengths do not meet or `second` parts a surrogate
 * pair that `first` inserts; -E2BIG. */
int change_compose(struct change *first, struct change *second, struct change **ret_change) must_check;

/* `change` as it is to be done after `over`, where both were made for the same text. Where both insert at one place,
 * what `over` inserts comes first, unless `before`. -EPROTO where the lengths differ; -E2BIG, -EFBIG. */
int change_map(struct change *change, const struct change *over, bool before, struct change **ret_change) must_check;

/* The change that undoes it, given the text from before: -EPROTO as in change_apply(). */
int change_invert(const struct change *change, const struct text *before, struct change **ret_change) must_check;

/* Where a position (a cursor's) is after the change. Where text is inserted right at it, it stays before that, or goes
 * after it. Inside what was deleted it goes to where that was; inside what was replaced, to the replacement's start, or
 * its end. -ERANGE past the end. */
enum change_side { CHANGE_STAY_BEFORE = -1, CHANGE_GO_AFTER = 1 };
int change_map_position(const struct change *change, size_t position, enum change_side side,
                        size_t *ret_position) must_check;
