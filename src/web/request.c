#include "request.h"
#include "copy.h"
#include "documents.h"
#include "supervisor.h"

#include <stdarg.h>

#include "../base/log.h"

/* What must be permitted before a handler runs. */
enum rule_kind {
        RULE_NONE,     /* end of the list; a row that begins with it does not start the server */
        RULE_PATH,     /* at the path that the field holds */
        RULE_TARGET,   /* the same, the second path of a request */
        RULE_PROGRAM,  /* at the path, or in one's own folder where there is none */
        RULE_SAVED,    /* at the path, where the request brings a text */
        RULE_RUN,      /* with the run that the field names */
        RULE_DOCUMENT, /* where the document lies that the field names; the client has it open */
        RULE_MEMBER,   /* nothing more than to be in the class; the handler shows only what may be seen */
};

struct rule {
        enum rule_kind kind;
        const char *field;
        enum action action;
};

struct row {
        const char *type;
        request_function *function;
        struct rule rules[2];
};

/* clang-format off: a table is to be read as one. */
/* clang-format off */
static const struct row rows[] = {
        { "tree.list",       files_list,        { { RULE_PATH, "path", ACTION_SEE } } },
        { "tree.usage",      files_usage,       { { RULE_PATH, "path", ACTION_SEE } } },
        { "file.open",       files_open,        { { RULE_PATH, "path", ACTION_SEE } } },
        { "file.save",       files_save,        { { RULE_PATH, "path", ACTION_CHANGE } } },
        { "folder.create",   files_make_folder, { { RULE_PATH, "path", ACTION_CHANGE } } },
        { "entry.move",      files_move,        { { RULE_PATH, "from", ACTION_CHANGE }, { RULE_TARGET, "to", ACTION_CHANGE } } },
        { "entry.copy",      files_copy,        { { RULE_PATH, "from", ACTION_SEE }, { RULE_TARGET, "to", ACTION_CHANGE } } },
        { "entry.delete",    files_delete,      { { RULE_PATH, "path", ACTION_CHANGE } } },
        { "document.open",   documents_open,    { { RULE_PATH, "path", ACTION_SEE } } },
        { "document.push",   documents_push,    { { RULE_DOCUMENT, "document", ACTION_CHANGE } } },
        { "document.cursor", documents_cursor,  { { RULE_DOCUMENT, "document", ACTION_SEE } } },
        { "document.save",   documents_save,    { { RULE_DOCUMENT, "document", ACTION_CHANGE } } },
        { "document.close",  documents_close,   { { RULE_DOCUMENT, "document", ACTION_SEE } } },
        { "document.disk",   documents_disk,    { { RULE_DOCUMENT, "document", ACTION_SEE } } },
        { "document.resolve", documents_resolve, { { RULE_DOCUMENT, "document", ACTION_CHANGE } } },
        { "history.list",    history_list,      { { RULE_PATH, "path", ACTION_SEE } } },
        { "history.text",    history_text,      { { RULE_PATH, "path", ACTION_SEE } } },
        { "history.updates", history_updates,   { { RULE_PATH, "path", ACTION_SEE } } },
        { "trash.list",      trash_list,        { { RULE_PATH, "path", ACTION_CHANGE } } },
        { "trash.restore",   trash_restore,     { { RULE_PATH, "path", ACTION_CHANGE } } },
        { "trash.delete",    trash_delete,      { { RULE_PATH, "path", ACTION_CHANGE } } },
        { "run.start",       runs_start,        { { RULE_PROGRAM, "path", ACTION_RUN }, { RULE_SAVED, "path", ACTION_CHANGE } } },
        { "run.list",        runs_list,         { { RULE_MEMBER } } },
        { "run.attach",      runs_attach,       { { RULE_RUN, "run", ACTION_WATCH } } },
        { "run.detach",      runs_detach,       { { RULE_RUN, "run", ACTION_WATCH } } },
        { "run.acknowledge", runs_acknowledge,  { { RULE_RUN, "run", ACTION_WATCH } } },
        { "run.resize",      runs_resize,       { { RULE_RUN, "run", ACTION_CONTROL } } },
        { "run.stop",        runs_stop,         { { RULE_RUN, "run", ACTION_CONTROL } } },
        { "run.close",       runs_close,        { { RULE_RUN, "run", ACTION_CONTROL } } },
};
/* clang-format on */

static const struct row *find_row(const char *type) {
        for (size_t i = 0; i < array_length(rows); i++)
                if (strcmp(rows[i].type, type) == 0)
                        return &rows[i];
        return NULL;
}

int request_table_check(const struct protocol *protocol, struct error *error) {
        size_t count = protocol_request_count(protocol);
        for (size_t i = 0; i < count; i++) {
                const char *name = protocol_request_name(protocol, i);
                const struct row *row = find_row(name);
                if (!row || !row->function)
                        return error_say(error, ENOSYS, "the protocol's request '%s' has no handler", name);
                if (row->rules[0].kind == RULE_NONE)
                        return error_say(error, ENOSYS, "the request '%s' has no rule", name);
        }
        if (count != array_length(rows))
                return error_say(error, ENOSYS, "there are %zu handlers for the protocol's %zu requests",
                                 array_length(rows), count);
        return 0;
}

_Static_assert(array_length(rows) == REQUEST_TYPES, "each is counted");

void request_types(const char *ret_types[static REQUEST_TYPES]) {
        for (size_t i = 0; i < REQUEST_TYPES; i++)
                ret_types[i] = rows[i].type;
}

/* Fields */

const char *request_string(const struct request *request, const char *name) {
        return json_string_value(json_object_get(request->message, name));
}

bool request_true(const struct request *request, const char *name) {
        return json_is_true(json_object_get(request->message, name));
}

int64_t request_integer(const struct request *request, const char *name) {
        return json_integer_value(json_object_get(request->message, name));
}

/* The end of a request */

static void request_free(void *context) {
        struct request *request = context;
        json_decref(request->message);
        close_fd(&request->fd);
        free(request->text);
        copying_free(request->copying);
        classroom_release(request->classroom);
        free(request);
}

void request_end(struct request *request) {
        if (request->client) {
                LIST_REMOVE(request, link);
                request->client->in_flight--;
        }
        request->client = NULL;
        request->server->counters.requests[request->row - rows][request->outcome]++;
        request->server->requests_alive--;
        loop_defer(request->server->loop, request_free, request);
}

void requests_abandon(struct client *client) {
        struct request *request;
        while ((request = LIST_FIRST(&client->requests))) {
                LIST_REMOVE(request, link);
                request->client = NULL;
        }
        client->in_flight = 0;
}

void request_reply(struct request *request, json_t *fields) {
        json_t *reply = fields ? fields : json_object();
        if (request->client && request->answered) {
                json_object_set_new(reply, "type", json_string("reply"));
                json_object_set_new(reply, "id", json_integer(request->id));
                client_send(request->client, FRAME_REPLY, reply, request->row->type);
        } else {
                json_decref(reply);
        }
        request_end(request);
}

void request_reply_text(struct request *request) {
        if (request->client)
                client_send_text(request->client, FRAME_REPLY, request->text, request->text_size);
        request_end(request);
}

static void send_error(struct client *client, const json_t *id, const char *code, const char *field, const char *text) {
        json_t *message = json_pack("{s:s, s:s, s:o}", "type", "error", "code", code, "message", protocol_text(text));
        const size_t largest = protocol_maximum(client->server->protocol, "identifier");
        if (json_is_integer(id) && json_integer_value(id) >= 0 && (size_t) json_integer_value(id) <= largest)
                json_object_set_new(message, "id", json_integer(json_integer_value(id)));
        if (field && *field)
                json_object_set_new(message, "field", json_string(field));
        client_send(client, FRAME_REPLY, message, NULL);
}

static enum outcome outcome_of(const char *code) {
        return strcmp(code, "busy") == 0                                         ? OUTCOME_BUSY
               : strcmp(code, "failed") == 0 || strcmp(code, "unavailable") == 0 ? OUTCOME_FAILED
                                                                                 : OUTCOME_REFUSED;
}

void request_fail(struct request *request, const char *code, const char *field, const char *format, ...) {
        char text[1600];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        request->outcome = outcome_of(code);
        if (request->client && request->answered)
                send_error(request->client, json_object_get(request->message, "id"), code, field, text);
        request_end(request);
}

void request_fail_errno(struct request *request, int number, const char *path) {
        static const struct {
                int number;
                const char *code, *sentence;
        } codes[] = {
                { ENOENT, "not-found", "There is no “%s”." },
                { ENOTDIR, "not-found", "“%s” is not in a folder." },
                { EEXIST, "exists", "There is something called “%s” already." },
                { ESTALE, "conflict", "“%s” has been changed meanwhile." },
                { EACCES, "forbidden", "“%s” cannot be used so: its permissions forbid it." },
                { EPERM, "forbidden", "“%s” cannot be changed so." },
                { EROFS, "forbidden", "“%s” can only be read." },
                { EINVAL, "invalid-name", "“%s” is no possible name here." },
                { ENAMETOOLONG, "invalid-name", "“%s” is too long a name." },
                { ENOTEMPTY, "not-empty", "“%s” is not empty." },
                { EISDIR, "exists", "“%s” is a folder." },
                { ELOOP, "forbidden", "“%s” leads through a link, and links are not followed." },
                { ENXIO, "not-text", "“%s” is no ordinary file." },
                { EXDEV, "forbidden", "“%s” lies on another disk." },
                { EFBIG, "too-large", "“%s” is too large." },
                { ENOSPC, "quota", "“%s” could not be stored: there is no space left." },
                { EDQUOT, "quota", "“%s” could not be stored: there is no space left for you." },
                { EBUSY, "busy", "“%s” is being used; try again in a moment." },
                { EAGAIN, "busy", "The server is busy; “%s” was not touched. Try again in a moment." },
                { EPIPE, "unavailable", "The files cannot be reached at the moment (“%s”). Try again." },
        };
        for (size_t i = 0; i < array_length(codes); i++)
                if (codes[i].number == number) {
                        request_fail(request, codes[i].code, NULL, codes[i].sentence, path);
                        return;
                }
        log_event(LOG_ERROR, "request.failed", "type", request->row->type, "error", strerror(number), NULL);
        request_fail(request, "failed", NULL, "It did not work: %s.", strerror(number));
}

/* Permission */

static int place_for(struct request *request, const struct rule *rule, struct place *place) {
        const char *path = request_string(request, rule->field);
        struct error error;
        int result = place_parse(path, place, &error);
        if (result < 0)
                request_fail(request, result == -ENOENT ? "not-found" : "invalid-name", rule->field, "%s", error.text);
        return result;
}

static int refuse(struct request *request, const struct rule *rule) {
        log_event(LOG_INFO, "request.refused", "type", request->row->type, "account", log_number(request->person.id),
                  "class", request->classroom->slug, NULL);
        request_fail(request, "forbidden", rule->field, "You may not do this here.");
        return -EACCES;
}

/* A run that one may not see is as good as none: its number tells nothing. */
static int apply_run_rule(struct request *request, const struct rule *rule) {
        request->run = (uint64_t) request_integer(request, rule->field);
        if (supervisor_permitted(request->server->supervisor, request->client, rule->action, request->run))
                return 0;
        request_fail(request, "not-found", rule->field, "There is no such run.");
        return -ENOENT;
}

static int apply_document_rule(struct request *request, const struct rule *rule) {
        if (documents_permitted(request->client, rule->action, request_integer(request, rule->field)))
                return 0;
        request_fail(request, "not-found", rule->field, "This document is not open, or you may not do this with it.");
        return -ENOENT;
}

static int apply_rule(struct request *request, const struct rule *rule) {
        struct place *place = rule->kind == RULE_TARGET ? &request->other : &request->place;
        switch (rule->kind) {
        case RULE_NONE:
        case RULE_MEMBER:
                return 0;
        case RULE_RUN:
                return apply_run_rule(request, rule);
        case RULE_DOCUMENT:
                return apply_document_rule(request, rule);
        case RULE_SAVED:
                if (!request_string(request, "text"))
                        return 0;
                if (request_string(request, rule->field))
                        break; /* parsed by the rule before */
                request_fail(request, "malformed", rule->field, "A text needs a path to be saved at.");
                return -EPROTO;
        case RULE_PROGRAM:
                if (request_string(request, rule->field)) {
                        if (place_for(request, rule, place) < 0)
                                return -ENOENT;
                } else {
                        place_personal(request->person.folder, place);
                }
                break;
        case RULE_PATH:
        case RULE_TARGET:
                if (place_for(request, rule, place) < 0)
                        return -ENOENT;
                break;
        }
        return permitted(&request->person, true, rule->action, place) ? 0 : refuse(request, rule);
}

static void dispatch(struct request *request) {
        for (size_t i = 0; i < array_length(request->row->rules); i++)
                if (apply_rule(request, &request->row->rules[i]) < 0)
                        return;
        request->row->function(request);
}

/* Arrival */

static struct request *request_create(struct client *client, const struct row *row, json_t *message) {
        struct request *request = allocate(sizeof *request);
        request->server = client->server;
        request->client = client;
        request->client_number = client->number;
        request->classroom = client->classroom;
        request->classroom->references++;
        request->person = client->person;
        request->row = row;
        request->answered = protocol_request_answered(client->server->protocol, row->type);
        request->id = json_integer_value(json_object_get(message, "id"));
        request->message = message;
        request->fd = -1;
        LIST_INSERT_HEAD(&client->requests, request, link);
        client->in_flight++;
        client->server->requests_alive++;
        return request;
}

void request_arrived(struct client *client, const uint8_t *text, size_t size) {
        struct fault fault;
        json_t *message = protocol_parse(client->server->protocol, text, size, &fault);
        if (!message) {
                client->server->counters.malformed++;
                send_error(client, NULL, fault.code, fault.field, fault.text);
                return;
        }
        const json_t *id = json_object_get(message, "id");
        if (protocol_check_request(client->server->protocol, message, &fault) < 0) {
                client->server->counters.malformed++;
                send_error(client, id, fault.code, fault.field, fault.text);
        } else if (client->in_flight >= REQUESTS_IN_FLIGHT) {
                send_error(client, id, "busy", NULL, "Too many requests at once; wait for the answers.");
        } else {
                const struct row *row = find_row(json_string_value(json_object_get(message, "type")));
                dispatch(request_create(client, row, steal_pointer(&message)));
        }
        json_decref(message);
}

static uint64_t number_at(const uint8_t *bytes) {
        uint64_t number = 0;
        for (size_t i = 0; i < 8; i++)
                number = number << 8 | bytes[i];
        return number;
}

void request_input(struct client *client, const uint8_t *bytes, size_t size) {
        struct server *server = client->server;
        if (size < FRAME_HEAD_BYTES || bytes[0] != protocol_binary_kind(server->protocol, "input")) {
                server->counters.malformed++;
                send_error(client, NULL, "malformed", "kind", "A binary frame must be input for a run.");
                return;
        }
        uint64_t run = number_at(bytes + 1);
        /* One may type into a run that has just gone: nobody is told. */
        if (size > FRAME_HEAD_BYTES && supervisor_permitted(server->supervisor, client, ACTION_CONTROL, run))
                supervisor_input(server->supervisor, run, bytes + FRAME_HEAD_BYTES, size - FRAME_HEAD_BYTES);
}

/* Hello */

static void add_root(const struct client *client, json_t *roots, const char *path, const char *title) {
        struct place place;
        if (place_parse(path, &place, NULL) < 0 || !client_permitted(client, ACTION_SEE, &place))
                return;
        bool writable = place.kind == PLACE_TREE && client_permitted(client, ACTION_CHANGE, &place);
        json_array_append_new(roots, json_pack("{s:s, s:s, s:b}", "path", path, "title", title, "writable", writable));
}

static json_t *roots_of(const struct client *client) {
        json_t *roots = json_array();
        char own[PATH_BYTES];
        snprintf(own, sizeof own, "Local/%s", client->person.folder);
        add_root(client, roots, own, client->person.name);
        if (client->person.role != ROLE_STUDENT)
                add_root(client, roots, "Local", "Local");
        for (const char *const *folder = shared_folders; *folder; folder++)
                add_root(client, roots, *folder, *folder);
        return roots;
}

json_t *request_hello(struct client *client) {
        const struct person *person = &client->person;
        const struct course *course = &client->classroom->roster->course;
        return json_pack("{s:s, s:s, s:s, s:{s:I, s:s, s:s, s:s}, s:{s:s, s:s}, s:o, s:o}", "type", "hello", "protocol",
                         "carrel.1", "server", "Carrel " CARREL_VERSION, "person", "id", (json_int_t) person->id,
                         "name", person->name, "role", role_name(person->role), "folder", person->folder, "class",
                         "slug", course->slug, "title", course->title, "roots", roots_of(client), "runs",
                         supervisor_list(client->server->supervisor, client));
}
