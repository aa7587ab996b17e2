#include "difference.h"
#include "sequence.h"

#include <unigbrk.h>

enum {
        SECTIONS_MAXIMUM = CHANGE_SECTIONS_MAXIMUM / 4,
        CUTTING_WORK = 8, /* steps of a search that finding the characters costs, a byte */
};

/* A text cut into pieces, lines or characters. */
struct pieces {
        const uint8_t *bytes;
        uint32_t *starts; /* offsets of the pieces, and of the end behind them */
        struct sequence sequence;
};

struct change_script {
        struct change_builder builder;
        size_t work; /* left for characters */
};

/* Cutting */

static void cut_lines(struct pieces *pieces, const uint8_t *bytes, size_t size, size_t lines,
                      struct interner *interner) {
        *pieces = (struct pieces){ .bytes = bytes };
        pieces->starts = allocate((lines + 2) * sizeof pieces->starts[0]);
        pieces->sequence.elements = allocate((lines + 1) * sizeof pieces->sequence.elements[0]);
        pieces->sequence.changed = allocate((lines + 1) * sizeof pieces->sequence.changed[0]);
        for (size_t at = 0; at < size;) {
                const uint8_t *end = memchr(bytes + at, '\n', size - at);
                size_t length = end ? (size_t) (end + 1 - (bytes + at)) : size - at;
                pieces->sequence.elements[pieces->sequence.count++] = intern(interner, bytes + at, length);
                at += length;
                pieces->starts[pieces->sequence.count] = (uint32_t) at;
        }
}

/* By grapheme clusters. */
static void cut_characters(struct pieces *pieces, const uint8_t *bytes, size_t size, struct interner *interner) {
        free_scoped char *breaks = allocate(size);
        *pieces = (struct pieces){ .bytes = bytes };
        pieces->starts = allocate((size + 1) * sizeof pieces->starts[0]);
        pieces->sequence.elements = allocate(size * sizeof pieces->sequence.elements[0]);
        pieces->sequence.changed = allocate(size * sizeof pieces->sequence.changed[0]);
        u8_grapheme_breaks(bytes, size, breaks); /* breaks[i]: before byte i */
        for (size_t at = 0, end = 1; at < size; end++) {
                if (end < size && !breaks[end])
                        continue;
                pieces->sequence.elements[pieces->sequence.count++] = intern(interner, bytes + at, end - at);
                pieces->starts[pieces->sequence.count] = (uint32_t) end;
                at = end;
        }
}

static void pieces_finish(struct pieces *pieces) {
        free(pieces->starts);
        sequence_finish(&pieces->sequence);
}

static size_t size_between(const struct pieces *pieces, size_t from, size_t to) {
        return pieces->starts[to] - pieces->starts[from];
}

/* Writing */

static void keep(struct change_script *script, const uint8_t *bytes, size_t size) {
        change_build_keep(&script->builder, text_measure(bytes, size).units);
}

static void replace(struct change_script *script, const uint8_t *old, size_t old_size, const uint8_t *new,
                    size_t new_size) {
        change_build_replace(&script->builder, text_measure(old, old_size).units, new, new_size);
}

/* The change of `a` into `b`, of which sequence_compare() has told what differs. */
static void write_characters(struct change_script *script, const struct pieces *a, const struct pieces *b) {
        struct hunk hunk = { 0 };
        size_t kept = 0;
        while (sequence_next_hunk(&a->sequence, &b->sequence, &hunk)) {
                keep(script, a->bytes + kept, a->starts[hunk.a_from] - kept);
                replace(script, a->bytes + a->starts[hunk.a_from], size_between(a, hunk.a_from, hunk.a_to),
                        b->bytes + b->starts[hunk.b_from], size_between(b, hunk.b_from, hunk.b_to));
                kept = a->starts[hunk.a_to];
        }
        keep(script, a->bytes + kept, a->starts[a->sequence.count] - kept);
}

/* Between two ASCII characters there is always a border of grapheme clusters, but in "\r\n". */
static bool may_part(uint8_t before, uint8_t after) {
        return before < 0x80 && after < 0x80 && !(before == '\r' && after == '\n');
}

/* Whether characters end at `at`, which is inside the bytes or at one of their ends; they are whole lines. */
static bool is_border(const uint8_t *bytes, size_t size, size_t at) {
        return at == 0 || at == size || may_part(bytes[at - 1], bytes[at]);
}

/* What two stretches have in common at their starts. */
static size_t common_start(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
        size_t at = 0, most = a_size < b_size ? a_size : b_size;
        while (at < most && a[at] == b[at])
                at++;
        while (!is_border(a, a_size, at) || !is_border(b, b_size, at))
                at--;
        return at;
}

static size_t common_end(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size) {
        size_t left = 0, most = a_size < b_size ? a_size : b_size;
        while (left < most && a[a_size - left - 1] == b[b_size - left - 1])
                left++;
        while (!is_border(a, a_size, a_size - left) || !is_border(b, b_size, b_size - left))
                left--;
        return left;
}

/* A changed stretch of lines: as little of it as can be found for the work that is left. */
static void write_stretch(struct change_script *script, const uint8_t *a, size_t a_size, const uint8_t *b,
                          size_t b_size) {
        size_t start = common_start(a, a_size, b, b_size);
        size_t end = common_end(a + start, a_size - start, b + start, b_size - start);
        size_t a_middle = a_size - start - end, b_middle = b_size - start - end;
        size_t bytes = a_middle + b_middle, work = bytes * CUTTING_WORK;
        keep(script, a, start);
        if (a_middle == 0 || b_middle == 0 || bytes > DIFFERENCE_STRETCH_MAXIMUM || work > script->work ||
            script->builder.count > SECTIONS_MAXIMUM / 4) {
                replace(script, a + start, a_middle, b + start, b_middle);
        } else {
                script->work -= work;
                struct interner interner = { 0 };
                struct pieces one, other;
                cut_characters(&one, a + start, a_middle, &interner);
                cut_characters(&other, b + start, b_middle, &interner);
                sequence_compare(&one.sequence, &other.sequence, interner.count, &script->work);
                write_characters(script, &one, &other);
                pieces_finish(&one);
                pieces_finish(&other);
                interner_finish(&interner);
        }
        keep(script, a + a_size - end, end);
}

static size_t count_hunks(const struct pieces *a, const struct pieces *b) {
        struct hunk hunk = { 0 };
        size_t count = 0;
        while (sequence_next_hunk(&a->sequence, &b->sequence, &hunk))
                count++;
        return count;
}

/* All hunks as one. */
static void join_hunks(struct pieces *a, struct pieces *b) {
        struct hunk hunk = { 0 }, next;
        if (!sequence_next_hunk(&a->sequence, &b->sequence, &hunk))
                return;
        for (next = hunk; sequence_next_hunk(&a->sequence, &b->sequence, &next);) {
                hunk.a_to = next.a_to;
                hunk.b_to = next.b_to;
        }
        for (size_t i = hunk.a_from; i < hunk.a_to; i++)
                a->sequence.changed[i] = true;
        for (size_t i = hunk.b_from; i < hunk.b_to; i++)
                b->sequence.changed[i] = true;
}

static void write_lines(struct change_script *script, const struct pieces *a, const struct pieces *b) {
        struct hunk hunk = { 0 };
        size_t kept = 0;
        while (sequence_next_hunk(&a->sequence, &b->sequence, &hunk)) {
                keep(script, a->bytes + kept, a->starts[hunk.a_from] - kept);
                write_stretch(script, a->bytes + a->starts[hunk.a_from], size_between(a, hunk.a_from, hunk.a_to),
                              b->bytes + b->starts[hunk.b_from], size_between(b, hunk.b_from, hunk.b_to));
                kept = a->starts[hunk.a_to];
        }
        keep(script, a->bytes + kept, a->starts[a->sequence.count] - kept);
}

/* A text's bytes in one piece, and its lines. */
struct whole {
        struct buffer bytes;
        struct pieces lines;
};

static void whole_start(struct whole *whole, const struct text *text, struct interner *interner) {
        struct text_extent extent = text_extent(text);
        *whole = (struct whole){ 0 };
        if (text_copy(text, 0, extent.units, &whole->bytes) < 0)
                abort(); /* the whole of it is there, and the buffer has no limit */
        cut_lines(&whole->lines, buffer_front(&whole->bytes), extent.bytes, extent.lines, interner);
}

static void whole_finish(struct whole *whole) {
        pieces_finish(&whole->lines);
        buffer_finish(&whole->bytes);
}

struct change *difference_between(const struct text *before, const struct text *after) {
        struct change_script script = { .work = DIFFERENCE_CHARACTERS_WORK_MAXIMUM };
        struct interner interner = { 0 };
        struct whole a, b;
        struct change *change = NULL;
        size_t work = DIFFERENCE_LINES_WORK_MAXIMUM;
        whole_start(&a, before, &interner);
        whole_start(&b, after, &interner);
        sequence_compare(&a.lines.sequence, &b.lines.sequence, interner.count, &work);
        if (count_hunks(&a.lines, &b.lines) > SECTIONS_MAXIMUM / 4)
                join_hunks(&a.lines, &b.lines);
        write_lines(&script, &a.lines, &b.lines);
        if (change_build_end(&script.builder, &change) < 0)
                abort(); /* both texts are texts, and the sections are counted */
        whole_finish(&a);
        whole_finish(&b);
        interner_finish(&interner);
        return change;
}

/* Merging */

/* One side against the base. The base's lines are marked anew for each side. */
struct version {
        struct whole whole;
        struct sequence base;
        struct hunk hunk; /* the next that has not been looked at */
        bool more;
        size_t reached; /* lines that are in the result, or in its place, already */
};

static void version_start(struct version *version, const struct text *text, const struct whole *base,
                          struct interner *interner) {
        whole_start(&version->whole, text, interner);
        version->base = (struct sequence){
                .elements = base->lines.sequence.elements,
                .changed = allocate(base->lines.sequence.count * sizeof(bool)),
                .count = base->lines.sequence.count,
        };
        version->reached = 0;
}

static void version_compare(struct version *version, size_t different) {
        size_t work = DIFFERENCE_LINES_WORK_MAXIMUM;
        sequence_compare(&version->base, &version->whole.lines.sequence, different, &work);
        version->hunk = (struct hunk){ 0 };
        version->more = sequence_next_hunk(&version->base, &version->whole.lines.sequence, &version->hunk);
}

static void version_finish(struct version *version) {
        free(version->base.changed);
        whole_finish(&version->whole);
}

/* The lines of a version that stand where the base has [base_reached, to), `to` being in no hunk that is to come. */
struct lines {
        const uint8_t *bytes;
        size_t size;
        bool changed;
};

/* Takes the hunks that begin at or before *to, which grows with them. */
static bool take_hunks(struct version *version, size_t *to, ptrdiff_t *growth) {
        bool taken = false;
        while (version->more && version->hunk.a_from <= *to) {
                const struct hunk *hunk = &version->hunk;
                if (hunk->a_to > *to)
                        *to = hunk->a_to;
                *growth += (ptrdiff_t) (hunk->b_to - hunk->b_from) - (ptrdiff_t) (hunk->a_to - hunk->a_from);
                taken = true;
                version->more = sequence_next_hunk(&version->base, &version->whole.lines.sequence, &version->hunk);
        }
        return taken;
}

static struct lines take_lines(struct version *version, size_t base_lines, ptrdiff_t growth, bool changed) {
        const struct pieces *pieces = &version->whole.lines;
        size_t from = version->reached, to = from + (size_t) ((ptrdiff_t) base_lines + growth);
        version->reached = to;
        return (struct lines){ pieces->bytes + pieces->starts[from], size_between(pieces, from, to), changed };
}

/* The place where the next hunk of either begins, or the base's end. */
static size_t next_start(const struct version *ours, const struct version *theirs, size_t end) {
        size_t start = end;
        if (ours->more && ours->hunk.a_from < start)
                start = ours->hunk.a_from;
        if (theirs->more && theirs->hunk.a_from < start)
                start = theirs->hunk.a_from;
        return start;
}

/* Appends what both have made of the base; 1 on a conflict. */
static int merge_lines(struct version *ours, struct version *theirs, size_t base_lines, struct buffer *merged) {
        for (size_t at = 0;;) {
                size_t from = next_start(ours, theirs, base_lines), to = from;
                ptrdiff_t our_growth = 0, their_growth = 0;
                struct lines kept = take_lines(ours, from - at, 0, false);
                take_lines(theirs, from - at, 0, false);
                int result = buffer_append(merged, kept.bytes, kept.size);
                if (result < 0 || (!ours->more && !theirs->more))
                        return result;
                bool we = false, they = false;
                for (bool more = true; more;) {
                        bool one = take_hunks(ours, &to, &our_growth), other = take_hunks(theirs, &to, &their_growth);
                        we = we || one;
                        they = they || other;
                        more = one || other;
                }
                struct lines our = take_lines(ours, to - from, our_growth, we);
                struct lines their = take_lines(theirs, to - from, their_growth, they);
                bool same = our.size == their.size && (our.size == 0 || memcmp(our.bytes, their.bytes, our.size) == 0);
                if (our.changed && their.changed && !same)
                        return 1;
                const struct lines *chosen = our.changed ? &our : &their;
                result = buffer_append(merged, chosen->bytes, chosen->size);
                if (result < 0)
                        return result;
                at = to;
        }
}

int difference_merge(const struct text *base, const struct text *ours, const struct text *theirs,
                     struct change **ret_change) {
        struct interner interner = { 0 };
        struct buffer merged = { .limit = TEXT_BYTES_MAXIMUM };
        struct whole all;
        struct version our, their;
        whole_start(&all, base, &interner);
        version_start(&our, ours, &all, &interner);
        version_start(&their, theirs, &all, &interner);
        version_compare(&our, interner.count);
        version_compare(&their, interner.count);
        int result = merge_lines(&our, &their, all.lines.sequence.count, &merged);
        text_scoped text = NULL;
        if (result == 0)
                result = text_new(buffer_front(&merged), buffer_size(&merged), &text);
        if (result == 0)
                *ret_change = difference_between(ours, text);
        version_finish(&our);
        version_finish(&their);
        whole_finish(&all);
        interner_finish(&interner);
        buffer_finish(&merged);
        return result == -ENOBUFS ? -EFBIG : result;
}
