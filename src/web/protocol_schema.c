#include "protocol_schema.h"

const struct type *schema_type(const struct protocol *protocol, const char *name, size_t name_size) {
        for (size_t i = 0; i < protocol->type_count; i++)
                if (strncmp(protocol->types[i].name, name, name_size) == 0 && !protocol->types[i].name[name_size])
                        return &protocol->types[i];
        return NULL;
}

const struct message_type *schema_message(const struct message_types *messages, const char *name) {
        for (size_t i = 0; i < messages->count; i++)
                if (strcmp(messages->items[i].name, name) == 0)
                        return &messages->items[i];
        return NULL;
}

/* "line", "line?" (may be absent), "line[]" (a list), "line[]?" */
static int compile_field(const struct protocol *protocol, const char *name, const char *notation,
                         struct field *ret_field, struct error *error) {
        size_t size = strcspn(notation, "[?");
        const char *rest = notation + size;
        struct field field = { .name = name, .type = schema_type(protocol, notation, size) };
        if (strncmp(rest, "[]", 2) == 0) {
                field.list = true;
                rest += 2;
        }
        if (*rest == '?') {
                field.optional = true;
                rest++;
        }
        if (!field.type || *rest)
                return error_say(error, EINVAL, "the protocol's field '%s' has the type '%s', which is none", name,
                                 notation);
        *ret_field = field;
        return 0;
}

static int compile_fields(const struct protocol *protocol, const json_t *object, struct fields *fields,
                          struct error *error) {
        fields->items = reallocate_array(NULL, json_object_size(object) + 1, sizeof *fields->items);
        const char *name;
        json_t *notation;
        json_object_foreach((json_t *) (uintptr_t) object, name, notation) {
                if (!json_is_string(notation))
                        return error_say(error, EINVAL, "the protocol's field '%s' has no type", name);
                int result = compile_field(protocol, name, json_string_value(notation), &fields->items[fields->count],
                                           error);
                if (result < 0)
                        return result;
                fields->count++;
        }
        return 0;
}

static int compile_plain_type(const json_t *definition, struct type *type, struct error *error) {
        static const struct {
                const char *word;
                enum shape shape;
        } shapes[] = { { "boolean", SHAPE_BOOLEAN },
                       { "integer", SHAPE_INTEGER },
                       { "string", SHAPE_STRING },
                       { "array", SHAPE_ARRAY } };
        const char *word = json_string_value(json_object_get(definition, "json"));
        for (size_t i = 0; word && i < array_length(shapes); i++) {
                if (strcmp(shapes[i].word, word) != 0)
                        continue;
                type->shape = shapes[i].shape;
                type->minimum = json_integer_value(json_object_get(definition, "minimum"));
                type->maximum = json_integer_value(json_object_get(definition, "maximum"));
                type->values = json_object_get(definition, "values");
                if (type->shape != SHAPE_BOOLEAN && !type->values && type->maximum <= 0)
                        return error_say(error, EINVAL, "the protocol's type '%s' has no maximum", type->name);
                return 0;
        }
        return error_say(error, EINVAL, "the protocol's type '%s' is neither plain nor fields", type->name);
}

/* Names first, fields after: types may refer to later ones. */
static int compile_types(struct protocol *protocol, struct error *error) {
        json_t *types = json_object_get(protocol->schema, "types");
        protocol->types = allocate((json_object_size(types) + 1) * sizeof *protocol->types);
        const char *name;
        json_t *definition;
        json_object_foreach(types, name, definition) {
                struct type *type = &protocol->types[protocol->type_count++];
                *type = (struct type){ .name = name, .shape = SHAPE_OBJECT, .nul_allowed = strcmp(name, "text") == 0 };
                int result = json_object_get(definition, "fields") ? 0 : compile_plain_type(definition, type, error);
                if (result < 0)
                        return result;
        }
        for (size_t i = 0; i < protocol->type_count; i++) {
                struct type *type = &protocol->types[i];
                if (type->shape != SHAPE_OBJECT)
                        continue;
                definition = json_object_get(types, type->name);
                int result = compile_fields(protocol, json_object_get(definition, "fields"), &type->fields, error);
                if (result < 0)
                        return result;
        }
        return 0;
}

static int compile_messages(struct protocol *protocol, const char *section, struct message_types *messages,
                            struct error *error) {
        json_t *object = json_object_get(protocol->schema, section);
        messages->items = allocate((json_object_size(object) + 1) * sizeof *messages->items);
        const char *name;
        json_t *definition;
        json_object_foreach(object, name, definition) {
                struct message_type *message = &messages->items[messages->count++];
                json_t *reply = json_object_get(definition, "reply");
                *message = (struct message_type){ .name = name, .answered = reply != NULL };
                int result = compile_fields(protocol, json_object_get(definition, "fields"), &message->fields, error);
                if (result == 0)
                        result = compile_fields(protocol, reply, &message->reply, error);
                if (result < 0)
                        return result;
        }
        if (messages->count == 0)
                return error_say(error, EINVAL, "the protocol has no %s", section);
        return 0;
}

int schema_compile(struct protocol *protocol, struct error *error) {
        int result = compile_types(protocol, error);
        if (result == 0)
                result = compile_messages(protocol, "requests", &protocol->requests, error);
        if (result == 0)
                result = compile_messages(protocol, "events", &protocol->events, error);
        return result;
}

static void messages_free(struct message_types *messages) {
        for (size_t i = 0; i < messages->count; i++) {
                free(messages->items[i].fields.items);
                free(messages->items[i].reply.items);
        }
        free(messages->items);
}

void schema_free(struct protocol *protocol) {
        for (size_t i = 0; i < protocol->type_count; i++)
                free(protocol->types[i].fields.items);
        free(protocol->types);
        messages_free(&protocol->requests);
        messages_free(&protocol->events);
}
