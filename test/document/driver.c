/*
 * What compare.mjs asks of src/document: a case a line on standard input, as JSON, and the answer to it a line on
 * standard output. A case is a text, two changes of it (a, b), one of what a makes of it (c), and positions in it.
 */
#include "../../src/document/change.h"

/* A text or a change as JSON, or the errno as a number where there is none. */
static json_t *told_text(const struct text *text, int result) {
        struct buffer bytes = { 0 };
        if (result < 0 || text_copy(text, 0, text_extent(text).units, &bytes) < 0)
                return json_integer(result);
        const char *front = buffer_size(&bytes) > 0 ? (const char *) buffer_front(&bytes) : "";
        json_t *json = json_stringn(front, buffer_size(&bytes));
        buffer_finish(&bytes);
        return json;
}

static json_t *told_change(struct change *change, int result) {
        json_t *json = result < 0 ? json_integer(result) : change_to_json(change);
        change_unreference(change);
        return json;
}

static struct change *parsed(const json_t *from, const char *key) {
        struct change *change = NULL;
        struct error error;
        if (change_parse(json_object_get(from, key), &change, &error) < 0) {
                fprintf(stderr, "driver: %s: %s\n", key, error.text);
                exit(1);
        }
        return change;
}

static json_t *map_positions(const struct change *change, const json_t *positions) {
        json_t *all = json_array(), *position;
        size_t i;
        json_array_foreach((json_t *) positions, i, position) {
                static const enum change_side sides[] = { CHANGE_STAY_BEFORE, CHANGE_GO_AFTER };
                for (size_t side = 0; side < array_length(sides); side++) {
                        size_t to = 0;
                        int result =
                                change_map_position(change, (size_t) json_integer_value(position), sides[side], &to);
                        json_array_append_new(all, json_integer(result < 0 ? result : (json_int_t) to));
                }
        }
        return all;
}

static json_t *answer(const json_t *asked) {
        const json_t *string = json_object_get(asked, "text");
        struct text *made = NULL;
        if (text_new(json_string_value(string), json_string_length(string), &made) < 0) {
                fprintf(stderr, "driver: not a text\n");
                exit(1);
        }
        text_scoped text = made;
        change_scoped a = parsed(asked, "a");
        change_scoped b = parsed(asked, "b");
        change_scoped c = parsed(asked, "c");
        json_t *told = json_object();
        struct change *change = NULL;
        made = NULL;
        int result = change_apply(a, text, &made);
        text_scoped applied = made;
        json_object_set_new(told, "applied", told_text(applied, result));
        json_object_set_new(told, "same", told_change(change_reference(a), 0));
        result = change_invert(a, text, &change);
        json_object_set_new(told, "inverted", told_change(steal_pointer(&change), result));
        result = change_compose(a, c, &change);
        json_object_set_new(told, "composed", told_change(steal_pointer(&change), result));
        result = change_map(b, a, false, &change);
        json_object_set_new(told, "mapped", told_change(steal_pointer(&change), result));
        result = change_map(b, a, true, &change);
        json_object_set_new(told, "mappedBefore", told_change(steal_pointer(&change), result));
        json_object_set_new(told, "empty", json_boolean(change_is_empty(a)));
        json_object_set_new(
                told, "lengths",
                json_pack("[II]", (json_int_t) change_length_before(a), (json_int_t) change_length_after(a)));
        json_object_set_new(told, "positions", map_positions(a, json_object_get(asked, "positions")));
        return told;
}

int main(void) {
        free_scoped char *line = NULL;
        size_t capacity = 0;
        ssize_t size;
        while ((size = getline(&line, &capacity, stdin)) > 0) {
                json_t *asked = json_loadb(line, (size_t) size, JSON_ALLOW_NUL, NULL);
                if (!asked) {
                        fprintf(stderr, "driver: not JSON\n");
                        return 1;
                }
                json_t *told = answer(asked);
                json_dumpf(told, stdout, JSON_COMPACT);
                putchar('\n');
                fflush(stdout); /* the answer to the last case of a batch is waited for */
                json_decref(told);
                json_decref(asked);
        }
        return 0;
}
