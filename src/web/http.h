/*
 * http: libmicrohttpd in our loop. It parses; what a request means is route.c's.
 *
 * An exchange is one request and its answer. Its route's `begin` is called when the headers have come, `complete` when
 * the body has; each either responds, or suspends the exchange and has it answered later (exchange_later() or
 * exchange_work(), then exchange_respond…() and exchange_resume()). A suspended exchange lives until it is resumed,
 * also where its client is gone.
 */
#pragma once

#include "../base/buffer.h"
#include "server.h"

#include <jansson.h>
#include <microhttpd.h>

struct http;
struct exchange;

typedef void exchange_function(struct exchange *exchange);

struct route {
        const char *method;
        const char *path; /* exact, or of a class: what follows /c/CLASS/, "files/" with more after it */
        exchange_function *begin;
        exchange_function *complete;
        /* NULL: the body is kept in exchange->body. Takes a part of it; an error response ends the exchange. */
        void (*take)(struct exchange *exchange, const void *bytes, size_t size);
};

enum exchange_phase { EXCHANGE_NEW, EXCHANGE_BEGUN, EXCHANGE_BODY, EXCHANGE_COMPLETE };

struct exchange {
        TAILQ_ENTRY(exchange) link;
        struct server *server;
        struct MHD_Connection *connection;
        const struct route *route;
        enum exchange_phase phase;
        bool suspended;
        bool yielded;     /* it was suspended during this call of libmicrohttpd's */
        size_t discarded; /* bytes of body that came after the answer was known */
        bool broken;      /* to be cut off instead of answered */
        char slug[CLASS_BYTES];
        char *file; /* owned: the decoded path of a file */
        struct buffer body;
        unsigned status;
        struct MHD_Response *response; /* owned until queued */
        struct MHD_Response *shared;   /* the page's own instead, not owned */
        void *state;                   /* the route's own, with what frees it */
        void (*free_state)(void *state);
};

int http_create(struct server *server, struct http **ret_http, struct error *error) must_check;
/* Begins to accept. */
int http_start(struct http *http, struct error *error) must_check;
/* Accepts no more. */
void http_quiesce(struct http *http);
/* Without threads of its own libmicrohttpd is woken by nobody: whoever resumes or gives back something says so. */
void http_run_soon(struct http *http);
size_t http_connections(const struct http *http); /* those of sockets among them */
size_t http_exchanges(const struct http *http);
/* All exchanges must have been resumed and all upgraded sockets given back; else it leaves them to the process's end.
 */
void http_destroy(struct http *http); /* NULL is fine */

/* The answer; the response is taken over. Only the first counts. */
void exchange_respond(struct exchange *exchange, unsigned status, struct MHD_Response *response);
/* Plain text of our own; copied. */
void exchange_respond_text(struct exchange *exchange, unsigned status, const char *type, const void *text, size_t size);
void exchange_respond_empty(struct exchange *exchange, unsigned status);
void exchange_respond_json(struct exchange *exchange, unsigned status, json_t *object);
void exchange_respond_error(struct exchange *exchange, unsigned status, const char *code, const char *message);
/* 503 and when to come back. */
void exchange_respond_busy(struct exchange *exchange);

void exchange_later(struct exchange *exchange);
void exchange_resume(struct exchange *exchange);
/* Suspends it while the pool does `work`; `done` must resume it. Where the pool is full: responds. */
void exchange_work(struct exchange *exchange, enum pool_lane lane, loop_function *work, loop_function *done);

const char *exchange_header(const struct exchange *exchange, const char *name); /* NULL: none */
/* The session's cookie. False where there is none, or none that could be one. */
bool exchange_token(const struct exchange *exchange, struct session_token *ret_token);
/* The client's address as text. */
void exchange_address(const struct exchange *exchange, char *text, size_t size);
bool exchange_secure(const struct exchange *exchange); /* it came by TLS, as the trusted proxy says */

void response_header(struct MHD_Response *response, const char *name, const char *value);
/* Those that every answer carries. */
void response_secure(struct MHD_Response *response);

/* True once it has been responded to. */
static inline bool exchange_answered(const struct exchange *exchange) {
        return exchange->response || exchange->shared || exchange->broken;
}
