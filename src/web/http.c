#include "http.h"
#include "route.h"

#include "../base/log.h"

#include <arpa/inet.h>
#include <sys/socket.h>

struct listener {
        int fd;
        struct watch *watch;
        struct http *http;
};

struct http {
        struct server *server;
        struct MHD_Daemon *daemon;
        struct watch *watch; /* of the daemon's epoll */
        struct timer *timer; /* when it wants to be run again */
        struct listener *listeners;
        size_t listener_count;
        struct timer *accept_again; /* after we ran out of descriptors */
        TAILQ_HEAD(, exchange) exchanges;
        size_t exchange_count;
        bool quiet;
        bool run_due; /* at the end of this turn */
};

static void run_daemon(struct http *http);

/* One exchange, as libmicrohttpd goes through it */

static struct exchange *exchange_create(struct http *http, struct MHD_Connection *connection) {
        struct exchange *exchange = allocate(sizeof *exchange);
        exchange->server = http->server;
        exchange->connection = connection;
        exchange->body.limit = BODY_MAXIMUM;
        TAILQ_INSERT_TAIL(&http->exchanges, exchange, link);
        http->exchange_count++;
        return exchange;
}

static void exchange_drop_state(struct exchange *exchange) {
        if (exchange->free_state)
                exchange->free_state(exchange->state);
        exchange->free_state = NULL;
        exchange->state = NULL;
}

static void exchange_free(struct http *http, struct exchange *exchange) {
        TAILQ_REMOVE(&http->exchanges, exchange, link);
        http->exchange_count--;
        exchange_drop_state(exchange);
        if (exchange->response)
                MHD_destroy_response(exchange->response);
        if (exchange->body.bytes)
                explicit_bzero(exchange->body.bytes, exchange->body.capacity); /* it may hold a password */
        buffer_finish(&exchange->body);
        free(exchange->file);
        free(exchange);
}

static enum MHD_Result queue_response(struct exchange *exchange) {
        if (exchange->broken)
                return MHD_NO;
        struct MHD_Response *response = exchange->response ? exchange->response : exchange->shared;
        unsigned class = exchange->status / 100 - 1;
        if (class < STATUS_CLASSES)
                exchange->server->counters.responses[route_index(exchange)][class]++;
        enum MHD_Result result = MHD_queue_response(exchange->connection, exchange->status, response);
        if (exchange->response)
                MHD_destroy_response(steal_pointer(&exchange->response));
        exchange->shared = NULL;
        return result;
}

static void take_body(struct exchange *exchange, const void *bytes, size_t size) {
        if (exchange_answered(exchange)) {
                /* Refused already: what still comes is thrown away, for only after it can the answer be sent. */
                exchange->discarded += size;
                exchange->broken |= exchange->discarded > DISCARDED_MAXIMUM;
                return;
        }
        if (exchange->route->take)
                exchange->route->take(exchange, bytes, size);
        else if (buffer_append(&exchange->body, bytes, size) < 0)
                exchange_respond_error(exchange, 413, "too-large", "The request is too long.");
}

static void complete(struct exchange *exchange) {
        exchange->phase = EXCHANGE_COMPLETE;
        if (exchange->route->complete)
                exchange->route->complete(exchange);
        else
                exchange_respond_error(exchange, 500, "failed", "This was not answered.");
}

/* libmicrohttpd calls with the headers alone, then for each part of the body, then once more with nothing. After a
 * suspension it calls again as it did before it; `phase` tells these apart. */
static enum MHD_Result go_on(struct exchange *exchange, const char *bytes, size_t *size) {
        exchange->yielded = false;
        if (exchange->phase == EXCHANGE_NEW) {
                exchange->phase = EXCHANGE_BEGUN;
                if (!exchange_answered(exchange) && exchange->route->begin)
                        exchange->route->begin(exchange);
                if (exchange->yielded)
                        return MHD_YES;
        }
        if (exchange->phase == EXCHANGE_BEGUN) {
                exchange->phase = EXCHANGE_BODY;
                return exchange_answered(exchange) ? queue_response(exchange) : MHD_YES;
        }
        if (*size > 0) {
                take_body(exchange, bytes, *size);
                *size = 0;
                return exchange->broken ? MHD_NO : MHD_YES;
        }
        if (exchange->phase == EXCHANGE_BODY && !exchange_answered(exchange))
                complete(exchange);
        if (exchange->yielded)
                return MHD_YES;
        return exchange_answered(exchange) ? queue_response(exchange) : MHD_NO;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *bytes, size_t *size, void **state) {
        (void) version;
        struct exchange *exchange = *state;
        if (!exchange) {
                *state = exchange = exchange_create(context, connection);
                route_find(exchange, url, method);
        }
        return go_on(exchange, bytes, size);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
        (void) connection, (void) code;
        if (*state)
                exchange_free(context, *state);
        *state = NULL;
}

/* Paths are decoded name by name in route.c, so that "%2F" cannot become a separator and "%00" cannot hide anything. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text) {
        (void) context, (void) connection;
        return strlen(text);
}

static void on_note(void *context, const char *format, va_list arguments) printf_like(2, 0);
static void on_note(void *context, const char *format, va_list arguments) {
        (void) context;
        char text[256];
        vsnprintf(text, sizeof text, format, arguments);
        log_event(LOG_DEBUG, "http.note", "text", text, NULL);
}

/* Answers */

void response_header(struct MHD_Response *response, const char *name, const char *value) {
        if (MHD_add_response_header(response, name, value) == MHD_NO)
                log_event(LOG_ERROR, "http.header-refused", "name", name, NULL);
}

void response_secure(struct MHD_Response *response) {
        response_header(response, "X-Content-Type-Options", "nosniff");
        response_header(response, "Referrer-Policy", "same-origin");
        response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
        response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
        response_header(response, "X-Frame-Options", "DENY");
}

/* What is no page needs nothing that a page may. */
static void secure_answer(struct MHD_Response *response) {
        response_secure(response);
        response_header(response, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
        response_header(response, "Cache-Control", "no-store");
}

void exchange_respond(struct exchange *exchange, unsigned status, struct MHD_Response *response) {
        if (exchange_answered(exchange) || !response) {
                if (response)
                        MHD_destroy_response(response);
                exchange->broken |= !response;
                return;
        }
        exchange->status = status;
        exchange->response = response;
}

void exchange_respond_empty(struct exchange *exchange, unsigned status) {
        struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
        if (response)
                secure_answer(response);
        exchange_respond(exchange, status, response);
}

void exchange_respond_text(struct exchange *exchange, unsigned status, const char *type, const void *text,
                           size_t size) {
        struct MHD_Response *response =
                MHD_create_response_from_buffer(size, (void *) (uintptr_t) text, MHD_RESPMEM_MUST_COPY);
        if (response) {
                secure_answer(response);
                response_header(response, "Content-Type", type);
        }
        exchange_respond(exchange, status, response);
}

void exchange_respond_json(struct exchange *exchange, unsigned status, json_t *object) {
        char *text = json_dumps(object, JSON_COMPACT);
        json_decref(object);
        struct MHD_Response *response =
                text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL;
        if (response) {
                secure_answer(response);
                response_header(response, "Content-Type", "application/json; charset=utf-8");
        }
        exchange_respond(exchange, status, response);
}

void exchange_respond_error(struct exchange *exchange, unsigned status, const char *code, const char *message) {
        exchange_respond_json(exchange, status, json_pack("{s:s, s:s}", "code", code, "message", message));
}

void exchange_respond_busy(struct exchange *exchange) {
        exchange_respond_error(exchange, 503, "busy", "The server is busy; try again in a moment.");
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%d", RETRY_AFTER_SECONDS);
        if (exchange->response)
                response_header(exchange->response, "Retry-After", seconds);
}

/* Later */

void exchange_later(struct exchange *exchange) {
        if (exchange->suspended)
                return;
        exchange->suspended = exchange->yielded = true;
        MHD_suspend_connection(exchange->connection);
}

void exchange_resume(struct exchange *exchange) {
        if (!exchange->suspended)
                return;
        exchange->suspended = false;
        MHD_resume_connection(exchange->connection);
        http_run_soon(exchange->server->http);
}

void exchange_work(struct exchange *exchange, enum pool_lane lane, loop_function *work, loop_function *done) {
        if (pool_submit(exchange->server->pool, lane, work, done, exchange) < 0)
                exchange_respond_busy(exchange);
        else
                exchange_later(exchange);
}

/* What was asked */

const char *exchange_header(const struct exchange *exchange, const char *name) {
        return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

bool exchange_token(const struct exchange *exchange, struct session_token *ret_token) {
        const char *text = MHD_lookup_connection_value(exchange->connection, MHD_COOKIE_KIND, "carrel_session");
        if (!text || strlen(text) >= sizeof ret_token->text)
                return false;
        *ret_token = (struct session_token){ 0 };
        memcpy(ret_token->text, text, strlen(text));
        return true;
}

bool exchange_secure(const struct exchange *exchange) {
        const char *scheme = exchange_header(exchange, "X-Forwarded-Proto");
        return exchange->server->options->trust_proxy && scheme && strcmp(scheme, "https") == 0;
}

/* The last address is the one that our proxy saw; those before it anybody can write. */
static bool forwarded_address(const struct exchange *exchange, char *text, size_t size) {
        const char *list = exchange_header(exchange, "X-Forwarded-For");
        if (!exchange->server->options->trust_proxy || !list)
                return false;
        const char *comma = strrchr(list, ',');
        const char *address = comma ? comma + 1 : list;
        address += strspn(address, " ");
        snprintf(text, size, "%.*s", (int) strspn(address, "0123456789abcdefABCDEF:."), address);
        return *text != '\0';
}

void exchange_address(const struct exchange *exchange, char *text, size_t size) {
        if (forwarded_address(exchange, text, size))
                return;
        const union MHD_ConnectionInfo *information =
                MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        snprintf(text, size, "?");
        if (!information || !information->client_addr)
                return;
        const struct sockaddr *address = information->client_addr;
        const struct sockaddr_in *four = (const void *) address;
        const struct sockaddr_in6 *six = (const void *) address;
        if (address->sa_family == AF_INET)
                inet_ntop(AF_INET, &four->sin_addr, text, (socklen_t) size);
        else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
                inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, text, (socklen_t) size);
        else if (address->sa_family == AF_INET6)
                inet_ntop(AF_INET6, &six->sin6_addr, text, (socklen_t) size);
}

/* The daemon in the loop */

static void run_daemon(struct http *http) {
        MHD_run(http->daemon);
        MHD_UNSIGNED_LONG_LONG milliseconds;
        if (MHD_get_timeout(http->daemon, &milliseconds) == MHD_YES)
                timer_set(http->timer, milliseconds);
        else
                timer_clear(http->timer);
}

static void on_daemon(void *context, uint32_t events) {
        (void) events;
        run_daemon(context);
}

static void on_run_due(void *context) {
        struct http *http = context;
        http->run_due = false;
        run_daemon(http);
}

void http_run_soon(struct http *http) {
        if (!http->run_due)
                loop_defer(http->server->loop, on_run_due, http);
        http->run_due = true;
}

static void on_timer(void *context) {
        run_daemon(context);
}

static void accept_again(void *context) {
        struct http *http = context;
        for (size_t i = 0; i < http->listener_count && !http->quiet; i++)
                watch_change(http->listeners[i].watch, EPOLLIN);
}

static void on_listener(void *context, uint32_t events) {
        (void) events;
        struct listener *listener = context;
        struct http *http = listener->http;
        for (int i = 0; i < ACCEPTS_A_TURN; i++) {
                struct sockaddr_storage address;
                socklen_t size = sizeof address;
                int fd = accept4(listener->fd, (struct sockaddr *) &address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd >= 0) {
                        /* Over a limit it is closed there and then. */
                        (void) MHD_add_connection(http->daemon, fd, (const struct sockaddr *) &address, size);
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                        log_event(LOG_WARNING, "http.accept-failed", "error", strerror(errno), NULL);
                        watch_change(listener->watch, 0); /* or it would call us again at once */
                        timer_set(http->accept_again, 100);
                        break;
                }
                if (errno == EAGAIN || errno == EWOULDBLOCK)
                        break;
        }
        run_daemon(http);
}

/* Life */

static int start_daemon(struct http *http, struct error *error) {
        const struct web_options *options = http->server->options;
        unsigned connections = options->connections ? options->connections : CONNECTIONS_MAXIMUM;
        unsigned per_address =
                options->connections_per_address ? options->connections_per_address : CONNECTIONS_PER_ADDRESS;
        http->daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE |
                        MHD_USE_ERROR_LOG,
                0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_note, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                on_completed, http, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_CONNECTION_LIMIT,
                connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->trust_proxy ? 0U : per_address,
                MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) CONNECTION_IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                (size_t) CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                MHD_OPTION_END);
        if (!http->daemon)
                return error_say(error, EIO, "libmicrohttpd does not start");
        const union MHD_DaemonInfo *information = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        if (!information)
                return error_say(error, EIO, "libmicrohttpd has no epoll");
        return loop_watch(http->server->loop, information->epoll_fd, EPOLLIN, on_daemon, http, &http->watch, error);
}

int http_create(struct server *server, struct http **ret_http, struct error *error) {
        struct http *http = allocate(sizeof *http);
        http->server = server;
        TAILQ_INIT(&http->exchanges);
        http->timer = loop_timer(server->loop, on_timer, http);
        http->accept_again = loop_timer(server->loop, accept_again, http);
        int result = start_daemon(http, error);
        if (result < 0) {
                http_destroy(http);
                return result;
        }
        *ret_http = http;
        return 0;
}

int http_start(struct http *http, struct error *error) {
        const struct web_options *options = http->server->options;
        http->listeners = allocate((options->listener_count + 1) * sizeof *http->listeners);
        for (size_t i = 0; i < options->listener_count; i++) {
                struct listener *listener = &http->listeners[i];
                *listener = (struct listener){ .fd = options->listeners[i], .http = http };
                int result = loop_watch(http->server->loop, listener->fd, EPOLLIN, on_listener, listener,
                                        &listener->watch, error);
                if (result < 0)
                        return result;
                http->listener_count++;
        }
        return 0;
}

void http_quiesce(struct http *http) {
        http->quiet = true;
        for (size_t i = 0; i < http->listener_count; i++)
                watch_remove(steal_pointer(&http->listeners[i].watch));
}

size_t http_connections(const struct http *http) {
        const union MHD_DaemonInfo *information =
                MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
        return information ? information->num_connections : 0;
}

size_t http_exchanges(const struct http *http) {
        return http->exchange_count;
}

static bool nothing_suspended(const struct http *http) {
        const struct exchange *exchange;
        TAILQ_FOREACH(exchange, &http->exchanges, link)
        if (exchange->suspended)
                return false;
        return true;
}

void http_destroy(struct http *http) {
        if (!http)
                return;
        http_quiesce(http);
        watch_remove(http->watch);
        timer_remove(http->timer);
        timer_remove(http->accept_again);
        free(http->listeners);
        /* libmicrohttpd ends the process where something is suspended; the process is about to end anyway. */
        if (!nothing_suspended(http))
                return;
        if (http->daemon)
                MHD_stop_daemon(http->daemon);
        struct exchange *exchange, *next;
        for (exchange = TAILQ_FIRST(&http->exchanges); exchange; exchange = next) {
                next = TAILQ_NEXT(exchange, link);
                exchange_free(http, exchange);
        }
        free(http);
}
