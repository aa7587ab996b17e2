/* The compiled schema: what protocol_schema.c builds and protocol.c reads. Private to these two. */
#pragma once

#include "protocol.h"

/* SHAPE_ARRAY: a list whose elements the handler checks. */
enum shape { SHAPE_BOOLEAN, SHAPE_INTEGER, SHAPE_STRING, SHAPE_ARRAY, SHAPE_OBJECT };

struct field {
        const char *name;
        const struct type *type;
        bool optional, list;
};

struct fields {
        struct field *items;
        size_t count;
};

struct type {
        const char *name;
        enum shape shape;
        int64_t minimum, maximum; /* of an integer; of a string the maximum is in bytes, of an array in elements */
        const json_t *values;     /* an enumeration's words, or NULL */
        struct fields fields;     /* of an object */
        bool nul_allowed;
};

struct message_type {
        const char *name;
        struct fields fields;
        struct fields reply; /* of a request */
        bool answered;
};

struct message_types {
        struct message_type *items;
        size_t count;
};

struct protocol {
        json_t *schema; /* owns all names */
        struct type *types;
        size_t type_count;
        struct message_types requests, events;
};

/* Fills a zeroed one from `schema`; on failure what was built so far is for protocol_destroy(). */
int schema_compile(struct protocol *protocol, struct error *error) must_check;
void schema_free(struct protocol *protocol);
const struct type *schema_type(const struct protocol *protocol, const char *name, size_t name_size);
const struct message_type *schema_message(const struct message_types *messages, const char *name);
