/*
 * request: one request of a client, from its check to its answer.
 *
 * The table in request.c has a row for each request of the schema, and the server does not start where one is missing
 * on either side. A row says what the request needs to be permitted; that is asked here, before the handler runs, and
 * nowhere else. A handler that was called must end the request once: request_reply(), request_fail() or request_end(),
 * now or later. The client may be gone by then (request->client is NULL); what was begun is finished all the same.
 */
#pragma once

#include "client.h"

enum { FRAME_HEAD_BYTES = 17 }; /* of a binary frame: kind, run, offset */

struct row;
struct copying;
struct worker;
struct document;
struct request;

typedef void request_function(struct request *request);
/* Asks a worker; as the functions of workspace.h. */
typedef int request_operation(struct request *request, struct workspace *workspace);

struct request {
        LIST_ENTRY(request) link;
        struct server *server;
        struct client *client; /* NULL: gone */
        uint64_t client_number;
        struct classroom *classroom; /* held */
        struct person person;
        const struct row *row;
        bool answered; /* by the schema: a reply is due */
        enum outcome outcome;
        json_int_t id;
        json_t *message; /* owned */

        /* What the rules of the row named: */
        struct place place, other; /* "path" or "from"; "to" */
        uint64_t run;

        /* The handler's own: */
        struct worker *worker;          /* in use for it, see workers.h */
        request_operation *operation;   /* what is to be asked of a worker */
        const struct place *at;         /* in which tree */
        workspace_function *on_written; /* of a save */
        bool repeatable;                /* harmless to be asked twice */
        unsigned attempts;
        int fd;              /* owned, -1: none */
        bool writable;       /* what was opened may be changed; of run.start: there is a version to tell */
        bool deletes_source; /* a move from one tree to another */
        unsigned writes;     /* of documents that are waited for */
        void (*on_source)(struct request *request, int fd);
        struct file_version version;
        struct error error;
        struct copying *copying; /* owned; of a folder */
        char *text;              /* owned: an answer that the pool encoded */
        size_t text_size;
        int result;
};

/* The types in the order in which they are counted. */
void request_types(const char *ret_types[static REQUEST_TYPES]);
/* 0 where table and schema match. */
int request_table_check(const struct protocol *protocol, struct error *error) must_check;

void request_arrived(struct client *client, const uint8_t *text, size_t size);
/* A binary frame. */
void request_input(struct client *client, const uint8_t *bytes, size_t size);
/* The client is gone; its requests go on without it. */
void requests_abandon(struct client *client);

/* `fields` (taken over, may be NULL) becomes the reply. */
void request_reply(struct request *request, json_t *fields);
/* The same for a reply that is encoded already (request->text). */
void request_reply_text(struct request *request);
void request_fail(struct request *request, const char *code, const char *field, const char *format, ...)
        printf_like(4, 5);
/* By an errno of the workspace; `path` is for the sentence. */
void request_fail_errno(struct request *request, int number, const char *path);
/* Without an answer. */
void request_end(struct request *request);

/* Fields of the checked message. */
const char *request_string(const struct request *request, const char *name); /* NULL: absent */
bool request_true(const struct request *request, const char *name);
int64_t request_integer(const struct request *request, const char *name);

json_t *request_hello(struct client *client);

/* The handlers, by file. */
request_function files_list, files_usage, files_open, files_save, files_make_folder, files_move, files_copy,
        files_delete;
request_function documents_open, documents_push, documents_cursor, documents_save, documents_close, documents_disk,
        documents_resolve, history_list, history_text, history_updates;
request_function trash_list, trash_restore, trash_delete;
request_function runs_start, runs_list, runs_attach, runs_detach, runs_acknowledge, runs_resize, runs_stop, runs_close;
