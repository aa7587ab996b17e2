/* GET /c/CLASS/socket: from HTTP to WebSocket (RFC 6455, 4.2). The origin has been checked by route.c. */
#include "client.h"
#include "route.h"
#include "sha1.h"

#include "../base/log.h"

#include <sodium.h>

static const char accept_suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

enum { KEY_CHARACTERS = 24, ACCEPT_BYTES = 29 };

/* "a, b, carrel.1" has "carrel.1". */
static bool list_has(const char *list, const char *word) {
        while (list && *list) {
                list += strspn(list, " \t,");
                size_t size = strcspn(list, " \t,");
                if (size == strlen(word) && strncasecmp(list, word, size) == 0)
                        return true;
                list += size;
        }
        return false;
}

static bool key_ok(const char *key) {
        uint8_t bytes[16];
        size_t size;
        return key && strlen(key) == KEY_CHARACTERS &&
               sodium_base642bin(bytes, sizeof bytes, key, KEY_CHARACTERS, NULL, &size, NULL,
                                 sodium_base64_VARIANT_ORIGINAL) == 0 &&
               size == sizeof bytes;
}

static bool asks_for_socket(const struct exchange *exchange) {
        const char *version = exchange_header(exchange, "Sec-WebSocket-Version");
        return list_has(exchange_header(exchange, "Upgrade"), "websocket") &&
               list_has(exchange_header(exchange, "Connection"), "upgrade") && version && strcmp(version, "13") == 0 &&
               key_ok(exchange_header(exchange, "Sec-WebSocket-Key"));
}

static void admission_free(void *state) {
        struct admission *admission = state;
        roster_release(admission->roster);
        sodium_memzero(admission, sizeof *admission);
        free(admission);
}

/* libmicrohttpd has sent our 101: from here on the socket is ours to use, and its to close. */
static void on_upgraded(void *context, struct MHD_Connection *connection, void *state, const char *early,
                        size_t early_size, MHD_socket fd, struct MHD_UpgradeResponseHandle *upgrade) {
        (void) connection;
        struct exchange *exchange = state;
        struct admission *admission = exchange->state;
        client_create(context, admission, fd, upgrade, early, early_size);
        exchange->free_state(exchange->state);
        exchange->state = NULL;
        exchange->free_state = NULL;
}

static void respond_switching(struct exchange *exchange) {
        char text[KEY_CHARACTERS + sizeof accept_suffix];
        snprintf(text, sizeof text, "%s%s", exchange_header(exchange, "Sec-WebSocket-Key"), accept_suffix);
        uint8_t digest[SHA1_BYTES];
        char accepted[ACCEPT_BYTES];
        sha1_short(text, strlen(text), digest);
        sodium_bin2base64(accepted, sizeof accepted, digest, sizeof digest, sodium_base64_VARIANT_ORIGINAL);
        struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgraded, exchange->server);
        if (response) {
                response_header(response, "Upgrade", "websocket");
                response_header(response, "Sec-WebSocket-Accept", accepted);
                response_header(response, "Sec-WebSocket-Protocol", "carrel.1");
        }
        exchange_respond(exchange, MHD_HTTP_SWITCHING_PROTOCOLS, response);
}

static void admission_work(void *exchange) {
        admission_ask(((struct exchange *) exchange)->state);
}

static void admission_done(void *context) {
        struct exchange *exchange = context;
        struct admission *admission = exchange->state;
        if (admission->result == -ENOENT) {
                exchange_respond_error(exchange, 401, "refused", "Please sign in.");
        } else if (admission->result == -EACCES) {
                exchange_respond_error(exchange, 403, "forbidden", "You are not in this class.");
        } else if (admission->result < 0) {
                log_failure(LOG_ERROR, "socket.admission-failed", &admission->error);
                exchange_respond_error(exchange, 500, "failed", "The server could not do this.");
        } else if (exchange->server->stopping || client_room(exchange->server, &admission->person) < 0) {
                exchange_respond_busy(exchange);
        } else {
                respond_switching(exchange);
        }
        exchange_resume(exchange);
}

void handshake_begin(struct exchange *exchange) {
        if (!asks_for_socket(exchange) || !list_has(exchange_header(exchange, "Sec-WebSocket-Protocol"), "carrel.1")) {
                exchange_respond_error(exchange, 400, "malformed", "This address speaks WebSocket, carrel.1.");
                return;
        }
        struct admission *admission = allocate(sizeof *admission);
        exchange->state = admission;
        exchange->free_state = admission_free;
        admission->store = exchange->server->store;
        admission->with_roster = true;
        memcpy(admission->slug, exchange->slug, sizeof admission->slug);
        if (exchange_token(exchange, &admission->token))
                exchange_work(exchange, POOL_QUICK, admission_work, admission_done);
        else
                exchange_respond_error(exchange, 401, "refused", "Please sign in.");
}
