/*
 * Whatever bytes come, read as JSON for a change and as instructions for a text and two changes of it: nothing of
 * src/document may fall over them, and its laws hold. For libFuzzer (script/test fuzz).
 */
#include "../../src/document/difference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECES_MAXIMUM = 300, PARSED_MAXIMUM = 20000 };

static void must(bool held) {
        if (!held)
                abort();
}

struct input {
        const uint8_t *at, *end;
};

static size_t take(struct input *input) {
        return input->at < input->end ? *input->at++ : 0;
}

static void take_pieces(struct input *input, size_t count, struct buffer *buffer) {
        static const struct {
                const char *bytes;
                size_t size;
        } pieces[] = {
                { "a", 1 },      { "b", 1 },      { "\n", 1 },   { "\r\n", 2 },       { "\0", 1 },
                { "é", 2 },      { "\u0301", 2 }, { "€", 3 },    { "\U0001F600", 4 }, { "\U0001F601", 4 },
                { "line\n", 5 }, { "\u200D", 3 }, { "    ", 4 },
        };
        for (; count > 0 && input->at < input->end; count--) {
                size_t which = take(input) % array_length(pieces);
                must(buffer_append(buffer, pieces[which].bytes, pieces[which].size) == 0);
        }
}

static struct text *take_text(struct input *input) {
        struct buffer bytes = { 0 };
        struct text *text = NULL;
        take_pieces(input, take(input) % PIECES_MAXIMUM, &bytes);
        must(text_new(buffer_front(&bytes), buffer_size(&bytes), &text) == 0);
        buffer_finish(&bytes);
        return text;
}

/* Of a text of that length, but with borders anywhere. */
static struct change *take_change(struct input *input, size_t left) {
        struct change_builder builder = { 0 };
        struct change *change = NULL;
        while (input->at < input->end && left > 0) {
                size_t what = take(input), length = take(input) % (left + 1);
                struct buffer insert = { 0 };
                if (what % 4 == 0)
                        break;
                take_pieces(input, what / 16, &insert);
                if (what % 2)
                        change_build_keep(&builder, length);
                else
                        change_build_replace(&builder, length, buffer_front(&insert), buffer_size(&insert));
                buffer_finish(&insert);
                left -= length;
        }
        change_build_keep(&builder, left);
        must(change_build_end(&builder, &change) == 0);
        return change;
}

static void check_same_way(struct change *change, struct text *from, const struct text *to) {
        struct text *made = NULL;
        must(change_apply(change, from, &made) == 0);
        must(text_equal(made, to));
        text_unreference(made);
        change_unreference(change);
}

static void check_one(const struct change *change, struct text *before, struct text *after) {
        struct change *inverse = NULL;
        must(change_invert(change, before, &inverse) == 0);
        check_same_way(inverse, after, before);
        check_same_way(difference_between(before, after), before, after);
}

/* Two changes of one text: mapped over each other either way, composed, and merged. */
static void check_two(struct change *a, struct change *b, struct text *start, struct text *a_done,
                      struct text *b_done) {
        struct change *b_later = NULL, *a_later = NULL, *both = NULL, *ours = NULL, *theirs = NULL;
        struct text *end = NULL, *merged = NULL;
        must(change_map(b, a, false, &b_later) == 0 && change_map(a, b, true, &a_later) == 0);
        must(change_apply(b_later, a_done, &end) == 0);
        must(change_compose(a, b_later, &both) == 0);
        check_same_way(a_later, b_done, end);
        check_same_way(both, start, end);
        change_unreference(b_later);
        text_unreference(end);
        int result = difference_merge(start, a_done, b_done, &ours);
        must(difference_merge(start, b_done, a_done, &theirs) == result);
        if (result == 0) {
                must(change_apply(ours, a_done, &merged) == 0);
                check_same_way(theirs, b_done, merged);
        }
        change_unreference(ours);
        text_unreference(merged);
}

static void check_instructions(struct input *input) {
        text_scoped start = take_text(input);
        change_scoped a = take_change(input, text_extent(start).units);
        change_scoped b = take_change(input, text_extent(start).units);
        struct text *a_made = NULL, *b_made = NULL;
        bool a_fits = change_apply(a, start, &a_made) == 0, b_fits = change_apply(b, start, &b_made) == 0;
        text_scoped a_done = a_made;
        text_scoped b_done = b_made;
        if (a_fits)
                check_one(a, start, a_done);
        if (a_fits && b_fits)
                check_two(a, b, start, a_done, b_done);
}

static void check_wire(const struct input *input) {
        json_t *json = json_loadb((const char *) input->at, (size_t) (input->end - input->at), JSON_ALLOW_NUL, NULL);
        struct change *parsed = NULL, *again = NULL;
        struct error error;
        if (change_parse(json, &parsed, &error) == 0) {
                json_t *told = change_to_json(parsed);
                must(change_parse(told, &again, &error) == 0);
                json_t *told_again = change_to_json(again);
                must(json_equal(told, told_again) == 1);
                json_decref(told);
                json_decref(told_again);
                size_t length = change_length_before(parsed);
                if (length <= PARSED_MAXIMUM) {
                        free_scoped char *bytes = allocate(length);
                        struct text *before = NULL, *after = NULL;
                        must(text_new(bytes, length, &before) == 0);
                        must(change_apply(parsed, before, &after) == 0);
                        check_one(parsed, before, after);
                        text_unreference(before);
                        text_unreference(after);
                }
        }
        json_decref(json);
        change_unreference(parsed);
        change_unreference(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input input = { data, data + size };
        if (size > 0 && data[0] == '[')
                check_wire(&input);
        else
                check_instructions(&input);
        return 0;
}
