#include "client.h"
#include "documents.h"
#include "http.h"
#include "request.h"
#include "supervisor.h"
#include "table.h"

#include "../base/log.h"

enum { CLOSE_SIGNED_OUT = 4401, CLOSE_NOT_MEMBER = 4403 };

static void on_text(void *context, const uint8_t *text, size_t size);
static void on_binary(void *context, const uint8_t *bytes, size_t size);
static void on_closed(void *context, const char *why);

/* Sending */

static void check_own_words(const struct server *server, const json_t *message, const char *request) {
#ifndef NDEBUG
        struct fault fault;
        if (protocol_check_sent(server->protocol, message, request, &fault) < 0)
                log_event(LOG_ERROR, "protocol.own-message", "request", request ? request : "", "fault", fault.text,
                          NULL);
#else
        (void) server, (void) message, (void) request;
#endif
}

void client_send_text(struct client *client, enum frame_kind kind, const char *text, size_t size) {
        frames_send(client->frames, kind, NULL, 0, text, size);
}

void client_send(struct client *client, enum frame_kind kind, json_t *message, const char *request) {
        check_own_words(client->server, message, request);
        free_scoped char *text = json_dumps(message, JSON_COMPACT);
        json_decref(message);
        if (text)
                client_send_text(client, kind, text, strlen(text));
}

bool client_permitted(const struct client *client, enum action action, const struct place *place) {
        return permitted(&client->person, true, action, place); /* it would not be here without being a member */
}

void classroom_tell(struct classroom *classroom, enum action action, const struct place *place, json_t *message) {
        check_own_words(classroom->server, message, NULL);
        free_scoped char *text = json_dumps(message, JSON_COMPACT);
        json_decref(message);
        if (!text)
                return;
        struct client *client;
        LIST_FOREACH(client, &classroom->clients, of_class)
        if (client_permitted(client, action, place))
                client_send_text(client, FRAME_EVENT, text, strlen(text));
}

/* Classrooms */

struct classroom *classroom_find(struct server *server, const char *slug) {
        struct classroom *classroom;
        LIST_FOREACH(classroom, &server->classrooms, link)
        if (strcmp(classroom->slug, slug) == 0)
                return classroom;
        return NULL;
}

static void classroom_set_roster(struct classroom *classroom, struct roster *roster) {
        roster_release(classroom->roster);
        classroom->roster = roster;
        classroom->refresh_at = now_milliseconds() + RECHECK_MILLISECONDS;
}

struct classroom *classroom_enter(struct server *server, struct roster *roster) {
        struct classroom *classroom = classroom_find(server, roster->course.slug);
        if (!classroom) {
                classroom = allocate(sizeof *classroom);
                classroom->server = server;
                memcpy(classroom->slug, roster->course.slug, sizeof classroom->slug);
                LIST_INSERT_HEAD(&server->classrooms, classroom, link);
        }
        classroom->references++;
        classroom_set_roster(classroom, roster);
        return classroom;
}

void classroom_release(struct classroom *classroom) {
        if (!classroom || --classroom->references > 0)
                return;
        LIST_REMOVE(classroom, link);
        roster_release(classroom->roster);
        free(classroom);
}

struct refresh {
        struct classroom *classroom;
        struct store *store;
        int result;
        struct roster *roster;
        struct error error;
};

static void refresh_ask(void *context) {
        struct refresh *refresh = context;
        refresh->result = roster_load(refresh->store, refresh->classroom->slug, &refresh->roster, &refresh->error);
}

static void refresh_done(void *context) {
        struct refresh *refresh = context;
        struct classroom *classroom = refresh->classroom;
        classroom->refreshing = false;
        if (refresh->result == 0)
                classroom_set_roster(classroom, refresh->roster);
        else
                log_failure(LOG_WARNING, "class.refresh-failed", &refresh->error, "class", classroom->slug);
        classroom_release(classroom);
        free(refresh);
}

static void classroom_refresh(struct classroom *classroom, uint64_t now) {
        if (classroom->refreshing || now < classroom->refresh_at)
                return;
        struct refresh *refresh = allocate(sizeof *refresh);
        *refresh = (struct refresh){ .classroom = classroom, .store = classroom->server->store };
        classroom->refresh_at = now + RECHECK_MILLISECONDS;
        if (pool_submit(classroom->server->pool, POOL_QUICK, refresh_ask, refresh_done, refresh) < 0) {
                free(refresh); /* the pool is full: half a minute later is soon enough */
                return;
        }
        classroom->refreshing = true;
        classroom->references++;
}

/* Life */

int client_room(struct server *server, const struct person *person) {
        unsigned count = 0;
        struct client *client;
        LIST_FOREACH(client, &server->clients, link)
        count += client->person.id == person->id;
        return count < CLIENTS_AN_ACCOUNT ? 0 : -EBUSY;
}

struct client *client_find(struct server *server, uint64_t number) {
        return table_find(server->clients_by_number, number);
}

void client_create(struct server *server, struct admission *admission, int fd,
                   struct MHD_UpgradeResponseHandle *upgrade, const void *early, size_t early_size) {
        static const struct frames_functions functions = { on_text, on_binary, on_closed };
        struct client *client = allocate(sizeof *client);
        client->server = server;
        client->classroom = classroom_enter(server, steal_pointer(&admission->roster));
        client->number = ++server->last_number;
        client->person = admission->person;
        client->token = admission->token;
        client->check_at = now_milliseconds() + RECHECK_MILLISECONDS;
        LIST_INIT(&client->requests);
        LIST_INIT(&client->documents);
        LIST_INSERT_HEAD(&server->clients, client, link);
        LIST_INSERT_HEAD(&client->classroom->clients, client, of_class);
        table_put(server->clients_by_number, client->number, client);
        server->counters.clients++;
        struct frames_limits limits = {
                .message = protocol_limit(server->protocol, "message"),
                .binary = protocol_limit(server->protocol, "frame") + FRAME_HEAD_BYTES,
                .receiving = &server->receiving,
        };
        client->frames = frames_create(server->loop, fd, upgrade, early, early_size, &limits, &functions, client);
        client_send(client, FRAME_EVENT, request_hello(client), NULL);
        if (server->stopping)
                frames_close(client->frames, 1001, "the server stops");
}

static void client_free(void *context) {
        struct client *client = context;
        frames_destroy(client->frames);
        http_run_soon(client->server->http); /* which closes the socket */
        classroom_release(client->classroom);
        free(client);
}

static void on_closed(void *context, const char *why) {
        struct client *client = context;
        struct server *server = client->server;
        log_event(LOG_DEBUG, "socket.closed", "class", client->classroom->slug, "account",
                  log_number(client->person.id), "why", why, NULL);
        client->gone = true;
        LIST_REMOVE(client, link);
        LIST_REMOVE(client, of_class);
        table_take(server->clients_by_number, client->number);
        requests_abandon(client);
        documents_forget_client(client);
        supervisor_forget_client(server->supervisor, client);
        loop_defer(server->loop, client_free, client);
}

/* Receiving */

/* GCRA: one number a client. True where it may go on at once; a message is never refused for this, only the next is
 * read later. */
static bool within_rate(struct client *client, size_t size) {
        uint64_t now = now_microseconds(), interval = 1000000 / REQUESTS_A_SECOND;
        uint64_t cost = (1 + size / REQUEST_UNIT_BYTES) * interval;
        client->allowed_at = (client->allowed_at > now ? client->allowed_at : now) + cost;
        return client->allowed_at <= now + REQUESTS_BURST * interval;
}

static bool supervisor_keeps_up(const struct server *server) {
        return channel_pending(supervisor_channel(server->supervisor)) < SUPERVISOR_PENDING;
}

static void hold_back(struct client *client) {
        frames_pause(client->frames);
        clients_unpause_later(client->server);
}

static void on_text(void *context, const uint8_t *text, size_t size) {
        struct client *client = context;
        if (!within_rate(client, size))
                hold_back(client);
        if (!client->server->stopping)
                request_arrived(client, text, size);
}

static void on_binary(void *context, const uint8_t *bytes, size_t size) {
        struct client *client = context;
        if (!within_rate(client, size) || !supervisor_keeps_up(client->server))
                hold_back(client);
        request_input(client, bytes, size);
}

void clients_unpause_later(struct server *server) {
        if (!timer_is_set(server->unpause))
                timer_set(server->unpause, PAUSE_MILLISECONDS);
}

void clients_unpause(struct server *server) {
        uint64_t now = now_microseconds(), interval = 1000000 / REQUESTS_A_SECOND;
        uint64_t half_burst = REQUESTS_BURST / 2 * interval;
        bool more = false, keeps_up = supervisor_keeps_up(server);
        struct client *client;
        LIST_FOREACH(client, &server->clients, link) {
                if (!frames_paused(client->frames))
                        continue;
                if (client->allowed_at <= now + half_burst && keeps_up)
                        frames_resume(client->frames);
                else
                        more = true;
        }
        if (more)
                clients_unpause_later(server);
}

/* Is it still who it was? */

struct check {
        struct admission admission; /* first, so that the pool may have the whole as one */
        struct server *server;
        uint64_t number;
};

static void check_ask(void *context) {
        struct check *check = context;
        admission_ask(&check->admission);
}

static void apply_check(struct client *client, const struct admission *admission) {
        client->checking = false;
        if (admission->result == -ENOENT) {
                frames_close(client->frames, CLOSE_SIGNED_OUT, "signed out");
        } else if (admission->result == -EACCES) {
                frames_close(client->frames, CLOSE_NOT_MEMBER, "not in the class");
        } else if (admission->result < 0) {
                log_failure(LOG_WARNING, "session.check-failed", &admission->error, "account",
                            log_number(client->person.id));
        } else if (client->person.role != admission->person.role) {
                /* What it watches was permitted to what it was. It comes back as what it is. */
                frames_close(client->frames, 1001, "your role has changed");
        } else {
                client->person = admission->person;
        }
}

static void check_done(void *context) {
        struct check *check = context;
        struct client *client = client_find(check->server, check->number);
        if (client)
                apply_check(client, &check->admission);
        free(check);
}

static void client_check(struct client *client, uint64_t now) {
        if (client->checking || now < client->check_at)
                return;
        struct check *check = allocate(sizeof *check);
        check->admission.store = client->server->store;
        check->admission.token = client->token;
        memcpy(check->admission.slug, client->classroom->slug, sizeof check->admission.slug);
        check->server = client->server;
        check->number = client->number;
        client->check_at = now + RECHECK_MILLISECONDS;
        if (pool_submit(client->server->pool, POOL_QUICK, check_ask, check_done, check) < 0) {
                client->check_at = now + 1000; /* soon again: a session that ended must not live on a full pool */
                free(check);
                return;
        }
        client->checking = true;
}

void clients_sign_out(struct server *server, const char *token) {
        struct client *client;
        LIST_FOREACH(client, &server->clients, link)
        if (strcmp(client->token.text, token) == 0)
                frames_close(client->frames, CLOSE_SIGNED_OUT, "signed out");
}

void clients_recheck(struct server *server, uint32_t person) {
        struct client *client;
        LIST_FOREACH(client, &server->clients, link)
        if (client->person.id == person)
                client->check_at = 0;
        clients_sweep(server);
}

void clients_sweep(struct server *server) {
        uint64_t now = now_milliseconds();
        struct client *client;
        LIST_FOREACH(client, &server->clients, link) {
                frames_sweep(client->frames, now);
                if (!frames_ending(client->frames))
                        client_check(client, now);
        }
        struct classroom *classroom;
        LIST_FOREACH(classroom, &server->classrooms, link)
        classroom_refresh(classroom, now);
}

void clients_close_all(struct server *server, uint16_t code, const char *reason) {
        struct client *client;
        LIST_FOREACH(client, &server->clients, link)
        frames_close(client->frames, code, reason);
}

void clients_drop_all(struct server *server) {
        struct client *client;
        while ((client = LIST_FIRST(&server->clients)))
                on_closed(client, "the server ends");
}
