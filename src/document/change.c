/*
 * The names in comments that are written LikeThis are those of @codemirror/state, which this follows step by step.
 */
#include "change.h"

enum { KEEP = UINT32_MAX };

struct section {
        uint32_t length;   /* of the text before */
        uint32_t inserted; /* units that stand there afterwards, or KEEP */
        uint32_t bytes;    /* the inserted units in UTF-8 */
};

struct change {
        size_t references;
        size_t before, after; /* units */
        size_t count;
        const uint8_t *inserted; /* of all sections, behind the last of them */
        struct section sections[];
};

struct change *change_reference(struct change *change) {
        change->references++;
        return change;
}

void change_unreference(struct change *change) {
        if (change && --change->references == 0)
                free(change);
}

size_t change_length_before(const struct change *change) {
        return change->before;
}

size_t change_length_after(const struct change *change) {
        return change->after;
}

static bool keeps_all(const struct section *sections, size_t count) {
        return count == 0 || (count == 1 && sections[0].inserted == KEEP);
}

bool change_is_empty(const struct change *change) {
        return keeps_all(change->sections, change->count);
}

/* Building */

static void fail(struct change_builder *builder, int why) {
        if (builder->failed == 0)
                builder->failed = why;
}

static void push_section(struct change_builder *builder, struct section section) {
        if (builder->count == CHANGE_SECTIONS_MAXIMUM) {
                fail(builder, -E2BIG);
                return;
        }
        if (builder->count == builder->capacity) {
                builder->capacity = builder->capacity ? builder->capacity * 2 : 8;
                builder->sections = reallocate_array(builder->sections, builder->capacity, sizeof builder->sections[0]);
        }
        builder->sections[builder->count++] = section;
}

/* addSection and addInsert in one: the last `bytes` of builder->inserted are the section's. `joined` is forceJoin: the
 * section goes on with what the last one began. */
static void add_section(struct change_builder *builder, size_t length, uint32_t inserted, size_t bytes, bool joined) {
        bool nothing = inserted == KEEP || inserted == 0;
        if (builder->failed || (length == 0 && nothing))
                return;
        builder->before += length;
        builder->after += inserted == KEEP ? length : inserted;
        if (builder->before > CHANGE_UNITS_MAXIMUM || builder->after > CHANGE_UNITS_MAXIMUM ||
            buffer_size(&builder->inserted) > TEXT_BYTES_MAXIMUM) {
                fail(builder, -EFBIG);
                return;
        }
        bool first = builder->count == 0;
        struct section *last = first ? NULL : &builder->sections[builder->count - 1];
        bool alike = !first && ((nothing && inserted == last->inserted) || (length == 0 && last->length == 0));
        if (first || (!alike && !joined)) {
                push_section(builder, (struct section){ (uint32_t) length, inserted, (uint32_t) bytes });
                return;
        }
        last->length += (uint32_t) length;
        if (inserted != KEEP)
                last->inserted += inserted;
        last->bytes += (uint32_t) bytes;
}

static void add_keep(struct change_builder *builder, size_t length) {
        add_section(builder, length, KEEP, 0, false);
}

static void add_text(struct change_builder *builder, size_t length, size_t units, const uint8_t *bytes, size_t size,
                     bool joined) {
        if (builder->failed)
                return;
        if (buffer_append(&builder->inserted, bytes, size) < 0) /* without a limit it cannot be */
                fail(builder, -EFBIG);
        add_section(builder, length, (uint32_t) units, size, joined);
}

void change_build_keep(struct change_builder *builder, size_t units) {
        if (units > CHANGE_UNITS_MAXIMUM)
                fail(builder, -EFBIG);
        add_keep(builder, units);
}

void change_build_replace(struct change_builder *builder, size_t units, const void *bytes, size_t size) {
        if (units > CHANGE_UNITS_MAXIMUM || size > TEXT_BYTES_MAXIMUM)
                fail(builder, -EFBIG);
        else if (size > 0 && !utf8_valid(bytes, size))
                fail(builder, -EILSEQ);
        else
                add_text(builder, units, text_measure(bytes, size).units, bytes, size, false);
}

int change_build_end(struct change_builder *builder, struct change **ret_change) {
        int result = builder->failed;
        if (result == 0) {
                size_t sections = builder->count * sizeof builder->sections[0], bytes = buffer_size(&builder->inserted);
                struct change *change = allocate(sizeof *change + sections + bytes);
                change->references = 1;
                change->before = builder->before;
                change->after = builder->after;
                change->count = builder->count;
                change->inserted = (const uint8_t *) &change->sections[change->count];
                if (sections > 0)
                        memcpy(change->sections, builder->sections, sections);
                if (bytes > 0)
                        memcpy(&change->sections[change->count], buffer_front(&builder->inserted), bytes);
                *ret_change = change;
        }
        change_build_drop(builder);
        return result;
}

void change_build_drop(struct change_builder *builder) {
        free(builder->sections);
        buffer_finish(&builder->inserted);
        *builder = (struct change_builder){ 0 };
}

/* The wire */

static int parse_length(const json_t *json, size_t number, size_t *ret_length, struct error *error) {
        if (!json_is_integer(json) || json_integer_value(json) < 0)
                return error_say(error, EINVAL, "section %zu of the change: a length must be a whole number, 0 or more",
                                 number);
        if (json_integer_value(json) > CHANGE_UNITS_MAXIMUM)
                return error_say(error, EFBIG, "section %zu of the change: a length of more than %d", number,
                                 CHANGE_UNITS_MAXIMUM);
        *ret_length = (size_t) json_integer_value(json);
        return 0;
}

/* Appends a line of an insertion, with what ends the line before it. */
static int parse_line(struct change_builder *builder, const json_t *json, bool first, size_t number,
                      struct error *error) {
        if (!json_is_string(json))
                return error_say(error, EINVAL, "section %zu of the change: an inserted line must be a string", number);
        const char *line = json_string_value(json);
        size_t size = json_string_length(json);
        if (memchr(line, '\n', size))
                return error_say(error, EINVAL, "section %zu of the change: an inserted line contains a line break",
                                 number);
        if (!utf8_valid(line, size))
                return error_say(error, EILSEQ, "section %zu of the change: an inserted line is not UTF-8", number);
        if (size >= TEXT_BYTES_MAXIMUM - buffer_size(&builder->inserted))
                return error_say(error, EFBIG, "the change inserts more than %d bytes", TEXT_BYTES_MAXIMUM);
        int result = first ? 0 : buffer_append(&builder->inserted, "\n", 1);
        return result < 0 ? result : buffer_append(&builder->inserted, line, size);
}

static int parse_section(struct change_builder *builder, const json_t *json, size_t number, struct error *error) {
        bool keep = !json_is_array(json);
        size_t length = 0, before = buffer_size(&builder->inserted);
        int result = parse_length(keep ? json : json_array_get(json, 0), number, &length, error);
        for (size_t i = 1; result >= 0 && !keep && i < json_array_size(json); i++)
                result = parse_line(builder, json_array_get(json, i), i == 1, number, error);
        if (result < 0)
                return result;
        size_t bytes = buffer_size(&builder->inserted) - before;
        if (keep)
                add_keep(builder, length);
        else if (bytes == 0)
                add_section(builder, length, 0, 0, false);
        else
                add_section(builder, length,
                            (uint32_t) text_measure(buffer_front(&builder->inserted) + before, bytes).units, bytes,
                            false);
        return 0;
}

int change_parse(const json_t *json, struct change **ret_change, struct error *error) {
        if (!json_is_array(json))
                return error_say(error, EINVAL, "a change must be an array of sections");
        if (json_array_size(json) > CHANGE_SECTIONS_MAXIMUM)
                return error_say(error, E2BIG, "a change of more than %d sections", CHANGE_SECTIONS_MAXIMUM);
        struct change_builder builder = { 0 };
        int result = 0;
        for (size_t i = 0; result >= 0 && i < json_array_size(json); i++)
                result = parse_section(&builder, json_array_get(json, i), i + 1, error);
        if (result < 0) {
                change_build_drop(&builder);
                return result;
        }
        result = change_build_end(&builder, ret_change);
        return result < 0 ? error_say(error, -result, "the change is of a text longer than %d", CHANGE_UNITS_MAXIMUM)
                          : result;
}

/* jansson fails here for want of memory alone: all else was looked at before. */
static void *or_end(void *pointer) {
        if (!pointer)
                abort();
        return pointer;
}

static void append(json_t *array, json_t *item) {
        if (json_array_append_new(array, or_end(item)) < 0)
                abort();
}

static json_t *section_to_json(const struct section *section, const uint8_t *text) {
        if (section->inserted == KEEP)
                return json_integer(section->length);
        json_t *parts = or_end(json_array());
        append(parts, json_integer(section->length));
        const uint8_t *end = text + section->bytes, *line_end;
        for (const uint8_t *line = text; section->bytes > 0; line = line_end + 1) {
                line_end = memchr(line, '\n', (size_t) (end - line));
                append(parts, json_stringn_nocheck((const char *) line, (size_t) ((line_end ? line_end : end) - line)));
                if (!line_end)
                        break;
        }
        return parts;
}

json_t *change_to_json(const struct change *change) {
        json_t *json = or_end(json_array());
        const uint8_t *text = change->inserted;
        for (size_t i = 0; i < change->count; i++) {
                append(json, section_to_json(&change->sections[i], text));
                text += change->sections[i].bytes;
        }
        return json;
}

int change_write(const struct change *change, struct buffer *buffer) {
        json_t *json = change_to_json(change);
        free_scoped char *text = or_end(json_dumps(json, JSON_COMPACT));
        json_decref(json);
        return buffer_append(buffer, text, strlen(text));
}

/* Against a text */

/* A place that the text does not have tells that the change was not made for it. */
static int as_mismatch(int result) {
        return result == -EINVAL || result == -ERANGE ? -EPROTO : result;
}

int change_apply(const struct change *change, struct text *text, struct text **ret_text) {
        if (text_extent(text).units != change->before)
                return -EPROTO;
        struct text *done = text_reference(text);
        const uint8_t *inserted = change->inserted;
        size_t position = 0;
        int result = 0;
        for (size_t i = 0; result >= 0 && i < change->count; i++) {
                const struct section *section = &change->sections[i];
                if (section->inserted == KEEP) {
                        position += section->length;
                        continue;
                }
                struct text *next = NULL;
                result = text_replace(done, position, position + section->length, inserted, section->bytes, &next);
                if (result >= 0) {
                        text_unreference(done);
                        done = next;
                }
                position += section->inserted;
                inserted += section->bytes;
        }
        if (result < 0)
                text_unreference(done);
        else
                *ret_text = done;
        return as_mismatch(result);
}

int change_invert(const struct change *change, const struct text *before, struct change **ret_change) {
        if (text_extent(before).units != change->before)
                return -EPROTO;
        struct change_builder builder = { 0 };
        size_t position = 0;
        int result = 0;
        for (size_t i = 0; result >= 0 && i < change->count; i++) {
                const struct section *section = &change->sections[i];
                if (section->inserted == KEEP) {
                        add_keep(&builder, section->length);
                } else {
                        size_t size = buffer_size(&builder.inserted);
                        result = text_copy(before, position, position + section->length, &builder.inserted);
                        size = buffer_size(&builder.inserted) - size;
                        add_section(&builder, section->inserted, section->length, size, false);
                }
                position += section->length;
        }
        if (result >= 0)
                return change_build_end(&builder, ret_change);
        change_build_drop(&builder);
        return as_mismatch(result);
}

/* Two changes at once */

/* SectionIter: a place in a change, inside a section perhaps. */
struct cursor {
        const struct change *change;
        size_t next; /* section; so it also tells one section from another */
        bool done;
        bool keep;
        bool inside;         /* something of the section has been passed */
        size_t length;       /* left of the text before, in this section */
        size_t inserted;     /* left of what is inserted; 0 where it is kept */
        const uint8_t *text; /* the inserted units that are left */
        const uint8_t *text_end;
};

static void cursor_next(struct cursor *cursor) {
        const struct change *change = cursor->change;
        const uint8_t *text = cursor->next > 0 ? cursor->text_end : change->inserted;
        if (cursor->next == change->count) {
                *cursor = (struct cursor){ change, cursor->next, .done = true, .text = text, .text_end = text };
                return;
        }
        const struct section *section = &change->sections[cursor->next];
        *cursor = (struct cursor){
                .change = change,
                .next = cursor->next + 1,
                .keep = section->inserted == KEEP,
                .length = section->length,
                .inserted = section->inserted == KEEP ? 0 : section->inserted,
                .text = text,
                .text_end = text + section->bytes,
        };
}

static struct cursor cursor_start(const struct change *change) {
        struct cursor cursor = { .change = change };
        cursor_next(&cursor);
        return cursor;
}

static bool cursor_changes(const struct cursor *cursor) {
        return !cursor->done && !cursor->keep;
}

/* forward: by units of the text before. */
static void cursor_pass(struct cursor *cursor, size_t length) {
        if (length == cursor->length) {
                cursor_next(cursor);
                return;
        }
        cursor->length -= length;
        cursor->inside = cursor->inside || length > 0;
}

/* len2 */
static size_t cursor_length_after(const struct cursor *cursor) {
        return cursor->keep ? cursor->length : cursor->inserted;
}

/* The bytes of the next `units` of what is inserted; false inside a surrogate pair. */
static bool cursor_text(const struct cursor *cursor, size_t units, size_t *ret_size) {
        const uint8_t *at = cursor->text;
        for (size_t left = units; left > 0;) {
                size_t wide = *at >= 0xF0 ? 2 : 1;
                if (wide > left)
                        return false;
                left -= wide;
                at += *at < 0x80 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;
        }
        *ret_size = (size_t) (at - cursor->text);
        return true;
}

/* forward2: by units of the text after. */
static void cursor_pass_after(struct cursor *cursor, size_t units, size_t size) {
        if (cursor->keep) {
                cursor_pass(cursor, units);
        } else if (units == cursor->inserted) {
                cursor_next(cursor);
        } else {
                cursor->inserted -= units;
                cursor->text += size;
                cursor->inside = true;
        }
}

/* All that is inserted, from a section of which nothing has been passed. */
static void add_inserted(struct change_builder *builder, size_t length, const struct cursor *from, bool joined) {
        add_text(builder, length, from->inserted, from->text, (size_t) (from->text_end - from->text), joined);
}

/* What `b` does to the next units that `a` leaves, as far as neither begins a new section. True where the two go on in
 * one section that this has begun or continued. */
static bool compose_step(struct change_builder *builder, struct cursor *a, struct cursor *b, bool joined) {
        size_t length = cursor_length_after(a), size = 0, sections = builder->count;
        if (length > b->length)
                length = b->length;
        if (!a->keep && !cursor_text(a, length, &size)) {
                fail(builder, -EPROTO);
                return false;
        }
        size_t deleted = a->keep ? length : a->inside ? 0 : a->length;
        if (a->keep && b->keep)
                add_keep(builder, length);
        else if (b->keep)
                add_text(builder, deleted, length, a->text, size, joined);
        else if (b->inside)
                add_section(builder, deleted, 0, 0, joined);
        else
                add_inserted(builder, deleted, b, joined);
        bool goes_on = (!a->keep && a->inserted > length) || (!b->keep && b->length > length);
        goes_on = goes_on && (joined || builder->count > sections);
        cursor_pass_after(a, length, size);
        cursor_pass(b, length);
        return goes_on;
}

int change_compose(struct change *first, struct change *second, struct change **ret_change) {
        if (first->after != second->before)
                return -EPROTO;
        if (change_is_empty(first) || change_is_empty(second)) {
                *ret_change = change_reference(change_is_empty(first) ? second : first);
                return 0;
        }
        /* composeSets. Since the lengths meet, neither comes to its end before the other. */
        struct change_builder builder = { 0 };
        struct cursor a = cursor_start(first), b = cursor_start(second);
        bool joined = false;
        while (builder.failed == 0 && !(a.done && b.done)) {
                if (cursor_changes(&a) && a.inserted == 0) {
                        add_section(&builder, a.length, 0, 0, joined);
                        cursor_next(&a);
                } else if (!b.done && b.length == 0) {
                        add_inserted(&builder, 0, &b, joined);
                        cursor_next(&b);
                } else {
                        joined = compose_step(&builder, &a, &b, joined);
                }
        }
        return change_build_end(&builder, ret_change);
}

/* A change of `b` that comes before the next of `a`: to the mapped change it is text to be kept. What it covers of `a`
 * is gone through; insertions in there stay. `placed` is the section of `a` whose insertion has its place already. */
static void map_over(struct change_builder *builder, struct cursor *a, struct cursor *b, size_t *placed) {
        add_keep(builder, b->inserted);
        for (size_t left = b->length; left > 0;) {
                size_t piece = a->length < left ? a->length : left;
                if (cursor_changes(a) && *placed < a->next && a->length <= piece) {
                        add_inserted(builder, 0, a, false);
                        *placed = a->next;
                }
                cursor_pass(a, piece);
                left -= piece;
        }
        cursor_next(b);
}

/* The part of a change of `a` up to the next change of `b` that is not a deletion within it. */
static void map_part(struct change_builder *builder, struct cursor *a, struct cursor *b, size_t *placed) {
        size_t length = 0, left = a->length;
        while (left > 0) {
                if (b->keep) {
                        size_t piece = b->length < left ? b->length : left;
                        length += piece;
                        left -= piece;
                        cursor_pass(b, piece);
                } else if (b->inserted == 0 && b->length < left) {
                        left -= b->length;
                        cursor_next(b);
                } else {
                        break;
                }
        }
        if (*placed < a->next)
                add_inserted(builder, length, a, false);
        else
                add_section(builder, length, 0, 0, false);
        *placed = a->next;
        cursor_pass(a, a->length - left);
}

int change_map(struct change *change, const struct change *over, bool before, struct change **ret_change) {
        if (change->before != over->before)
                return -EPROTO;
        if (change_is_empty(over)) {
                *ret_change = change_reference(change);
                return 0;
        }
        /* mapSet. Since the lengths are the same, neither comes to its end before the other. */
        struct change_builder builder = { 0 };
        struct cursor a = cursor_start(change), b = cursor_start(over);
        size_t placed = 0;
        while (builder.failed == 0 && !(a.done && b.done)) {
                bool b_first = b.length < a.length || (b.length == a.length && !before);
                if (a.keep && b.keep) {
                        size_t length = a.length < b.length ? a.length : b.length;
                        add_keep(&builder, length);
                        cursor_pass(&a, length);
                        cursor_pass(&b, length);
                } else if (cursor_changes(&b) && (!cursor_changes(&a) || placed == a.next || (!a.inside && b_first))) {
                        map_over(&builder, &a, &b, &placed);
                } else {
                        map_part(&builder, &a, &b, &placed);
                }
        }
        return change_build_end(&builder, ret_change);
}

/* mapPos */
int change_map_position(const struct change *change, size_t position, enum change_side side, size_t *ret_position) {
        size_t before = 0, after = 0;
        if (position > change->before)
                return -ERANGE;
        for (size_t i = 0; i < change->count; i++) {
                const struct section *section = &change->sections[i];
                size_t end = before + section->length;
                if (section->inserted == KEEP) {
                        if (end > position) {
                                *ret_position = after + (position - before);
                                return 0;
                        }
                        after += section->length;
                } else {
                        if (end > position || (end == position && side == CHANGE_STAY_BEFORE && section->length == 0)) {
                                bool at_start = position == before || side == CHANGE_STAY_BEFORE;
                                *ret_position = at_start ? after : after + section->inserted;
                                return 0;
                        }
                        after += section->inserted;
                }
                before = end;
        }
        *ret_position = after;
        return 0;
}
