/*
 * client: who is at the other end of a WebSocket. A client belongs to one class and one person, has a number that is
 * never used twice (the supervisor calls it a viewer), and is checked again every half minute: its session, whether the
 * person is still in the class, the person's role.
 *
 * classroom: the clients of one class, with what the class's requests need at hand without asking the database. It
 * lives while a client or a request holds it.
 */
#pragma once

#include "admission.h"
#include "frames.h"
#include "server.h"

struct classroom {
        LIST_ENTRY(classroom) link;
        struct server *server;
        unsigned references;
        char slug[CLASS_BYTES];
        struct roster *roster;
        struct client_list clients;
        uint64_t refresh_at;
        bool refreshing;
};

struct request;
struct viewer;
LIST_HEAD(request_list, request);
LIST_HEAD(viewer_list, viewer);

struct client {
        LIST_ENTRY(client) link, of_class;
        struct server *server;
        struct classroom *classroom;
        uint64_t number;
        struct person person;
        struct session_token token;
        struct frames *frames; /* owned */
        struct request_list requests;
        unsigned in_flight;
        uint64_t allowed_at; /* microseconds; the rate limit's theoretical arrival time (GCRA) */
        uint64_t check_at;
        bool checking;
        uint64_t attached[ATTACHED_RUNS]; /* 0: free */
        struct viewer_list documents;     /* that it has open */
        unsigned document_count;
        bool gone; /* on_closed has run */
};

struct classroom *classroom_find(struct server *server, const char *slug); /* NULL: nobody is there */
/* A reference for the caller; the roster, which is the newest there is, is taken over. */
struct classroom *classroom_enter(struct server *server, struct roster *roster);
void classroom_release(struct classroom *classroom); /* NULL is fine */

/* From the handshake: takes `admission`'s roster. 0, or -EBUSY: the account has CLIENTS_AN_ACCOUNT already. */
int client_room(struct server *server, const struct person *person) must_check;
void client_create(struct server *server, struct admission *admission, int fd,
                   struct MHD_UpgradeResponseHandle *upgrade, const void *early, size_t early_size);

struct client *client_find(struct server *server, uint64_t number);

/* Sends a message (taken over), also to all of a class who may do `action` at `place`. `request`: the type that a reply
 * answers, for the check of our own words. */
void client_send(struct client *client, enum frame_kind kind, json_t *message, const char *request);
/* The same, encoded already: JSON text. */
void client_send_text(struct client *client, enum frame_kind kind, const char *text, size_t size);
void classroom_tell(struct classroom *classroom, enum action action, const struct place *place, json_t *message);

bool client_permitted(const struct client *client, enum action action, const struct place *place);

/* Closes with 4401: those of this session; all others of this person are asked at once whether theirs still lives. */
void clients_sign_out(struct server *server, const char *token);
void clients_recheck(struct server *server, uint32_t person);

/* Each second. */
void clients_sweep(struct server *server);
/* A client holds its reading back: see to it that it goes on. */
void clients_unpause_later(struct server *server);
void clients_unpause(struct server *server);
void clients_close_all(struct server *server, uint16_t code, const char *reason);
/* Without a word: the process ends. */
void clients_drop_all(struct server *server);
