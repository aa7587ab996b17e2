#include "protocol_schema.h"

#include <stdarg.h>

#include "../base/embed.h"
#include "../base/log.h"

/* protocol/carrel.1.json, the table's one entry. */
extern const struct embedded_file web_protocol[];

static int check_object(const struct fields *fields, const json_t *object, const char *outer, int depth,
                        struct fault *fault);

static int printf_like(4, 5)
        fault_set(struct fault *fault, const char *code, const char *field, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        fault->code = code;
        snprintf(fault->field, sizeof fault->field, "%s", field);
        vsnprintf(fault->text, sizeof fault->text, format, arguments);
        va_end(arguments);
        return -EPROTO;
}

/* A name from outside, for an error's text: only what is surely a plain word is repeated. */
static const char *plain_name(const char *name) {
        size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
        return size > 0 && size < PROTOCOL_FIELD_BYTES && !name[size] ? name : "?";
}

/* The schema */

int protocol_create(struct protocol **ret_protocol, struct error *error) {
        struct protocol *protocol = allocate(sizeof *protocol);
        json_error_t problem;
        protocol->schema = json_loadb((const char *) web_protocol[0].bytes, web_protocol[0].size,
                                      JSON_REJECT_DUPLICATES, &problem);
        int result = protocol->schema ? schema_compile(protocol, error)
                                      : error_say(error, EINVAL, "reading the protocol, line %d: %s", problem.line,
                                                  problem.text);
        if (result < 0) {
                protocol_destroy(protocol);
                return result;
        }
        *ret_protocol = protocol;
        return 0;
}

void protocol_destroy(struct protocol *protocol) {
        if (!protocol)
                return;
        schema_free(protocol);
        json_decref(protocol->schema);
        free(protocol);
}

static int64_t number_of(const struct protocol *protocol, const char *section, const char *group, const char *name,
                         const char *key) {
        const json_t *object = json_object_get(protocol->schema, section);
        if (group)
                object = json_object_get(object, group);
        const json_t *number = json_object_get(json_object_get(object, name), key);
        if (!json_is_integer(number)) {
                log_event(LOG_ERROR, "protocol.no-such-number", "section", section, "name", name, NULL);
                abort();
        }
        return json_integer_value(number);
}

size_t protocol_limit(const struct protocol *protocol, const char *name) {
        return (size_t) number_of(protocol, "limits", NULL, name, "value");
}

size_t protocol_maximum(const struct protocol *protocol, const char *type) {
        return (size_t) number_of(protocol, "types", NULL, type, "maximum");
}

uint8_t protocol_binary_kind(const struct protocol *protocol, const char *name) {
        return (uint8_t) number_of(protocol, "binary", "kinds", name, "value");
}

size_t protocol_request_count(const struct protocol *protocol) {
        return protocol->requests.count;
}

const char *protocol_request_name(const struct protocol *protocol, size_t index) {
        return protocol->requests.items[index].name;
}

bool protocol_request_answered(const struct protocol *protocol, const char *type) {
        const struct message_type *message = schema_message(&protocol->requests, type);
        return message && message->answered;
}

/* Before parsing */

struct scan {
        int depth;
        size_t values;
        bool in_string;
};

/* False where `byte` makes the text too deep or too large. Strings are skipped; what is no JSON at all is the parser's
 * to find. */
static bool scan_byte(struct scan *scan, uint8_t byte) {
        switch (byte) {
        case '"':
                scan->in_string = true;
                return true;
        case '{':
        case '[':
                scan->values++;
                return ++scan->depth <= PROTOCOL_DEPTH_MAXIMUM;
        case '}':
        case ']':
                scan->depth--;
                return true;
        case ',':
                return ++scan->values <= PROTOCOL_VALUES_MAXIMUM;
        default:
                return true;
        }
}

static bool small_enough(const uint8_t *text, size_t size) {
        struct scan scan = { 0 };
        for (size_t i = 0; i < size; i++) {
                if (!scan.in_string) {
                        if (!scan_byte(&scan, text[i]))
                                return false;
                } else if (text[i] == '\\') {
                        i++;
                } else if (text[i] == '"') {
                        scan.in_string = false;
                }
        }
        return true;
}

json_t *protocol_parse(const struct protocol *protocol, const void *text, size_t size, struct fault *ret_fault) {
        (void) protocol;
        if (!small_enough(text, size)) {
                fault_set(ret_fault, "malformed", "", "The message is nested too deeply or holds too many values.");
                return NULL;
        }
        json_error_t problem;
        json_t *message = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
        if (!message)
                fault_set(ret_fault, "malformed", "", "The message is not JSON (at its byte %d).", problem.position);
        return message;
}

json_t *protocol_text(const char *text) {
        json_t *string = json_string(text);
        if (string)
                return string;
        free_scoped char *plain = duplicate_string(text);
        for (char *at = plain; *at; at++)
                if ((unsigned char) *at >= 0x80)
                        *at = '?';
        return json_string(plain);
}

/* Checking */

static int check_string(const struct type *type, const json_t *value, const char *where, struct fault *fault) {
        const char *string = json_string_value(value);
        size_t size = json_string_length(value);
        if (!type->nul_allowed && memchr(string, 0, size))
                return fault_set(fault, "malformed", where, "'%s' must not hold a NUL.", where);
        if (!type->values) {
                if (size <= (size_t) type->maximum)
                        return 0;
                return fault_set(fault, "malformed", where, "'%s' must be at most %lld bytes long; it has %zu.", where,
                                 (long long) type->maximum, size);
        }
        for (size_t i = 0; i < json_array_size(type->values); i++)
                if (strcmp(json_string_value(json_array_get(type->values, i)), string) == 0)
                        return 0;
        return fault_set(fault, "malformed", where, "'%s' is none of the words that a %s may be.", where, type->name);
}

static int check_integer(const struct type *type, const json_t *value, const char *where, struct fault *fault) {
        int64_t number = json_integer_value(value);
        if (number >= type->minimum && number <= type->maximum)
                return 0;
        return fault_set(fault, "malformed", where, "'%s' must be from %lld to %lld.", where, (long long) type->minimum,
                         (long long) type->maximum);
}

static int check_value(const struct type *type, const json_t *value, const char *where, int depth,
                       struct fault *fault) {
        switch (type->shape) {
        case SHAPE_BOOLEAN:
                return json_is_boolean(value)
                               ? 0
                               : fault_set(fault, "malformed", where, "'%s' must be true or false.", where);
        case SHAPE_INTEGER:
                return json_is_integer(value)
                               ? check_integer(type, value, where, fault)
                               : fault_set(fault, "malformed", where, "'%s' must be a whole number.", where);
        case SHAPE_STRING:
                return json_is_string(value) ? check_string(type, value, where, fault)
                                             : fault_set(fault, "malformed", where, "'%s' must be a string.", where);
        case SHAPE_ARRAY:
                if (json_is_array(value) && json_array_size(value) <= (size_t) type->maximum)
                        return 0;
                return fault_set(fault, "malformed", where, "'%s' must be a list of at most %lld elements.", where,
                                 (long long) type->maximum);
        case SHAPE_OBJECT:
                if (depth >= PROTOCOL_DEPTH_MAXIMUM)
                        return fault_set(fault, "malformed", where, "'%s' is nested too deeply.", where);
                return json_is_object(value) ? check_object(&type->fields, value, where, depth + 1, fault)
                                             : fault_set(fault, "malformed", where, "'%s' must be an object.", where);
        }
        return fault_set(fault, "malformed", where, "'%s' cannot be checked.", where);
}

static int check_field(const struct field *field, const json_t *value, const char *where, int depth,
                       struct fault *fault) {
        if (!value)
                return field->optional ? 0 : fault_set(fault, "malformed", where, "'%s' is missing.", where);
        if (!field->list)
                return check_value(field->type, value, where, depth, fault);
        if (!json_is_array(value))
                return fault_set(fault, "malformed", where, "'%s' must be a list.", where);
        for (size_t i = 0; i < json_array_size(value); i++) {
                int result = check_value(field->type, json_array_get(value, i), where, depth, fault);
                if (result < 0)
                        return result;
        }
        return 0;
}

static const struct field *find_field(const struct fields *fields, const char *name) {
        for (size_t i = 0; i < fields->count; i++)
                if (strcmp(fields->items[i].name, name) == 0)
                        return &fields->items[i];
        return NULL;
}

static int check_fields(const struct fields *fields, const json_t *object, const char *outer, int depth,
                        struct fault *fault) {
        for (size_t i = 0; i < fields->count; i++) {
                const struct field *field = &fields->items[i];
                char where[PROTOCOL_FIELD_BYTES];
                snprintf(where, sizeof where, "%s%s%s", outer, *outer ? "." : "", field->name);
                int result = check_field(field, json_object_get(object, field->name), where, depth, fault);
                if (result < 0)
                        return result;
        }
        return 0;
}

static int check_object(const struct fields *fields, const json_t *object, const char *outer, int depth,
                        struct fault *fault) {
        const char *name;
        json_t *value;
        json_object_foreach((json_t *) (uintptr_t) object, name, value) if (!find_field(fields, name)) return fault_set(
                fault, "malformed", plain_name(name), "There is no field '%s' in '%s'.", plain_name(name), outer);
        return check_fields(fields, object, outer, depth, fault);
}

/* A whole message: its fields, `more` (a reply's), "type", and "id" where `with_id`. */
static int check_message(const struct message_type *message, const struct fields *more, bool with_id,
                         const json_t *object, struct fault *fault) {
        static const struct fields none;
        const char *name;
        json_t *value;
        more = more ? more : &none;
        json_object_foreach((json_t *) (uintptr_t) object, name, value) {
                if (strcmp(name, "type") == 0 || (with_id && strcmp(name, "id") == 0))
                        continue;
                if (!find_field(&message->fields, name) && !find_field(more, name))
                        return fault_set(fault, "malformed", plain_name(name), "A '%s' has no field '%s'.",
                                         message->name, plain_name(name));
        }
        int result = check_fields(&message->fields, object, "", 1, fault);
        return result < 0 ? result : check_fields(more, object, "", 1, fault);
}

static const char *type_of(const json_t *message) {
        const json_t *type = json_object_get(message, "type");
        return type && json_string_length(type) == strlen(json_string_value(type)) ? json_string_value(type) : NULL;
}

int protocol_check_request(const struct protocol *protocol, const json_t *message, struct fault *ret_fault) {
        if (!json_is_object(message))
                return fault_set(ret_fault, "malformed", "", "The message is not a JSON object.");
        if (!json_is_string(json_object_get(message, "type")))
                return fault_set(ret_fault, "malformed", "type", "'type' must be a string.");
        const char *name = type_of(message);
        const struct message_type *type = name ? schema_message(&protocol->requests, name) : NULL;
        if (!type)
                return fault_set(ret_fault, "unknown-type", "type", "There is no request '%s'.",
                                 name ? plain_name(name) : "?");
        const struct field id = { .name = "id",
                                  .type = schema_type(protocol, "identifier", strlen("identifier")),
                                  .optional = !type->answered };
        int result = check_field(&id, json_object_get(message, "id"), "id", 1, ret_fault);
        return result < 0 ? result : check_message(type, NULL, true, message, ret_fault);
}

int protocol_check_sent(const struct protocol *protocol, const json_t *message, const char *request,
                        struct fault *ret_fault) {
        const char *name = type_of(message);
        const struct message_type *type = name ? schema_message(&protocol->events, name) : NULL;
        if (!type)
                return fault_set(ret_fault, "unknown-type", "type", "There is no event '%s'.", name ? name : "?");
        const struct message_type *asked = request ? schema_message(&protocol->requests, request) : NULL;
        return check_message(type, asked && strcmp(name, "reply") == 0 ? &asked->reply : NULL, false, message,
                             ret_fault);
}
