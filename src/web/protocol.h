/*
 * protocol: the one judge of messages.
 *
 * protocol/carrel.1.json is part of the binary. At the start it is compiled into tables, and from then on each message
 * of a client is checked against them before anything looks at it: the type is known, all fields are there, of the
 * right type, within their limits, and no others. No size, range or word of the protocol is written down a second time
 * in C; what handlers read from a checked message needs no further check of its shape.
 *
 * Two rules that JSON leaves open: a NUL may stand in a "text" alone (everything else becomes a C string somewhere),
 * and a message nests no deeper and holds no more values than PROTOCOL_DEPTH_MAXIMUM and PROTOCOL_VALUES_MAXIMUM, which
 * is looked at before parsing, so that a small frame cannot become a large tree.
 *
 * Our own messages are checked too, in builds without NDEBUG: the schema is the contract for both sides.
 */
#pragma once

#include "../base/base.h"

#include <jansson.h>

enum {
        PROTOCOL_DEPTH_MAXIMUM = 8,
        PROTOCOL_VALUES_MAXIMUM = 262144, /* lines of a pasted text are values */
        PROTOCOL_FIELD_BYTES = 64,
        PROTOCOL_SENTENCE_BYTES = 320,
};

struct protocol;

/* What is wrong with a message. */
struct fault {
        const char *code;                 /* "malformed", "unknown-type" */
        char field[PROTOCOL_FIELD_BYTES]; /* "" where it is no single one */
        char text[PROTOCOL_SENTENCE_BYTES];
};

/* The embedded schema; a schema with a mistake in it is refused. Free with protocol_destroy(). */
int protocol_create(struct protocol **ret_protocol, struct error *error) must_check;
void protocol_destroy(struct protocol *protocol); /* NULL is fine */

/* A number of the schema's "limits", or the "maximum" of a type. They end the process where there is none: names are
 * literals. */
size_t protocol_limit(const struct protocol *protocol, const char *name);
size_t protocol_maximum(const struct protocol *protocol, const char *type);
/* The number of a kind of binary frame. */
uint8_t protocol_binary_kind(const struct protocol *protocol, const char *name);

/* The requests, in the file's order. */
size_t protocol_request_count(const struct protocol *protocol);
const char *protocol_request_name(const struct protocol *protocol, size_t index);
/* False for a request that is not answered, and then needs no id. */
bool protocol_request_answered(const struct protocol *protocol, const char *type);

/* A JSON string of a text that should be UTF-8 but may be cut in the middle of a character: bad bytes become '?'. */
json_t *protocol_text(const char *text);

/* Text of a frame to a message: shallow, small and JSON. NULL with the fault. */
json_t *protocol_parse(const struct protocol *protocol, const void *text, size_t size, struct fault *ret_fault);

/* 0, or -EPROTO with the fault. */
int protocol_check_request(const struct protocol *protocol, const json_t *message, struct fault *ret_fault) must_check;
/* The same for what we send; a reply is checked as the answer to `request`, its type. */
int protocol_check_sent(const struct protocol *protocol, const json_t *message, const char *request,
                        struct fault *ret_fault) must_check;
