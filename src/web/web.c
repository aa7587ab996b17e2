#include "web.h"
#include "assets.h"
#include "client.h"
#include "documents.h"
#include "http.h"
#include "request.h"
#include "scrape.h"
#include "supervisor.h"
#include "table.h"
#include "workers.h"

#include "../base/log.h"

#include <signal.h>
#include <sodium.h>
#include <sys/resource.h>

enum { FILES_BESIDE_CONNECTIONS = 1024, STOP_LOOK_MILLISECONDS = 10, FAREWELL_MILLISECONDS = 300 };

static void on_runs_told(void *context);

void server_fail(struct server *server, const struct error *why) {
        if (server->failure.number == 0)
                server->failure = *why;
        loop_stop(server->loop);
}

/* The monitor */

static void on_monitor_message(void *context, struct message *message) {
        struct server *server = context;
        workers_opened(server->workers, message); /* the one type that the channel lets through */
}

static void on_monitor_close(void *context, const struct error *why) {
        struct error error = *why;
        error_prefix(&error, "the monitor");
        server_fail(context, &error);
}

/* Beginning: outsiders are heard only when we know all runs, so that no page is told of none. */

struct life {
        struct server server;
        struct timer *patience; /* for the supervisor to tell them; at the end, for what still runs */
        uint64_t stop_at;
        bool serving, farewell;
};

static struct life *life_of(struct server *server) {
        return (struct life *) server; /* its first member */
}

static void serve(struct life *life) {
        struct server *server = &life->server;
        struct error error;
        if (life->serving || server->stopping)
                return;
        life->serving = true;
        timer_clear(life->patience);
        if (http_start(server->http, &error) < 0) {
                server_fail(server, &error);
                return;
        }
        documents_recover(server->documents);
        struct message_empty ready = { 0 };
        channel_send(server->monitor, MESSAGE_READY, &ready, NULL, 0, NULL, 0);
        log_event(LOG_INFO, "web.serving", NULL);
}

static void on_runs_told(void *context) {
        serve(life_of(context));
}

/* Ending */

static void look_whether_done(struct life *life);

static void on_patience(void *context) {
        struct life *life = context;
        if (life->server.stopping) {
                look_whether_done(life);
                return;
        }
        log_event(LOG_WARNING, "web.runs-not-told", NULL);
        serve(life);
}

/* First what runs is finished, then everybody is told to come back, then the farewells get a moment to leave. */
static void look_whether_done(struct life *life) {
        struct server *server = &life->server;
        uint64_t now = now_milliseconds();
        /* A client's handshake is an exchange as long as the client lives. */
        bool busy = documents_stopping(server->documents) || server->requests_alive > 0 ||
                    pool_pending(server->pool) > 0 ||
                    http_exchanges(server->http) > table_count(server->clients_by_number);
        if (!life->farewell && (!busy || now >= life->stop_at)) {
                life->farewell = true;
                life->stop_at = now + FAREWELL_MILLISECONDS;
                clients_close_all(server, 1001, "the server stops");
        }
        if (life->farewell && (LIST_EMPTY(&server->clients) || now >= life->stop_at))
                loop_stop(server->loop);
        else
                timer_set(life->patience, STOP_LOOK_MILLISECONDS);
}

static void on_stop(void *context) {
        struct life *life = context;
        if (life->server.stopping)
                return;
        log_event(LOG_INFO, "web.stopping", "exchanges", log_number((int64_t) http_exchanges(life->server.http)), NULL);
        life->server.stopping = true;
        life->stop_at = now_milliseconds() + STOP_MILLISECONDS;
        http_quiesce(life->server.http);
        look_whether_done(life);
}

/* Each second */

static void on_sweep(void *context) {
        struct server *server = context;
        clients_sweep(server);
        supervisor_expect(server->supervisor);
        workers_sweep(server->workers);
        documents_sweep(server->documents);
        scrape_sweep(server);
        timer_set(server->sweep, 1000);
}

static void on_unpause(void *context) {
        clients_unpause(context);
}

/* Life */

/* Each connection is a descriptor. */
static int raise_descriptors(const struct web_options *options, struct error *error) {
        rlim_t wanted = (options->connections ? options->connections : CONNECTIONS_MAXIMUM) + FILES_BESIDE_CONNECTIONS;
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return error_set(error, errno, "asking how many files may be open");
        if (limit.rlim_cur >= wanted)
                return 0;
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (limit.rlim_cur < wanted)
                log_event(LOG_WARNING, "web.few-descriptors", "allowed", log_number((int64_t) limit.rlim_cur), NULL);
        return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? error_set(error, errno, "allowing more open files") : 0;
}

/* What needs the world as it was before confinement. */
static int prepare(struct server *server, struct error *error) {
        const struct web_options *options = server->options;
        if (sodium_init() < 0)
                return error_say(error, EIO, "libsodium does not start");
        signal(SIGPIPE, SIG_IGN);
        int result = raise_descriptors(options, error);
        if (result == 0)
                result = account_start(options->settings, error);
        if (result == 0)
                result = protocol_create(&server->protocol, error);
        if (result == 0)
                result = request_table_check(server->protocol, error);
        if (result == 0)
                result = assets_load(options->page_fd, &server->assets, error);
        if (result == 0 && options->confine)
                result = options->confine(options->confine_context, error);
        return result;
}

static int open_all(struct life *life, struct error *error) {
        struct server *server = &life->server;
        static const struct pool_limits pool_limits = {
                .threads = POOL_THREADS,
                .slow_at_once = POOL_HASHES_AT_ONCE,
                .queued = { [POOL_QUICK] = POOL_QUICK_QUEUED, [POOL_SLOW] = POOL_SLOW_QUEUED },
        };
        int result = loop_create(&server->loop, error);
        if (result < 0)
                return result;
        life->patience = loop_timer(server->loop, on_patience, life);
        server->sweep = loop_timer(server->loop, on_sweep, server);
        server->unpause = loop_timer(server->loop, on_unpause, server);
        server->clients_by_number = table_create();
        server->workers = workers_create(server);
        server->documents = documents_create(server);
        /* The signal is blocked before there are threads, which would else get it. */
        result = loop_signal(server->loop, SIGTERM, on_stop, life, error);
        if (result == 0)
                result = store_open(server->options->store_path, &server->store, error);
        if (result == 0)
                result = pool_create(server->loop, &pool_limits, &server->pool, error);
        if (result == 0)
                result = http_create(server, &server->http, error);
        if (result == 0)
                result = channel_create(server->loop, server->options->monitor_fd, MESSAGE_BIT(MESSAGE_WORKER_OPENED),
                                        on_monitor_message, on_monitor_close, server, &server->monitor, error);
        if (result == 0)
                result = supervisor_create(server, server->options->supervisor_fd, on_runs_told, &server->supervisor,
                                           error);
        return result;
}

/* A number that an earlier web server gave is never given again while its supervisor may remember it. */
static void number_clients(struct server *server) {
        uint32_t high;
        random_bytes(&high, sizeof high);
        server->last_number = (uint64_t) (high >> 1) << 32;
}

static void stop_loop(void *context) {
        loop_stop(context);
}

/* One more turn, for what was put off to the end of one. */
static void last_turn(struct server *server) {
        struct error error;
        loop_defer(server->loop, stop_loop, server->loop);
        struct timer *soon = loop_timer(server->loop, stop_loop, server->loop);
        timer_set(soon, 0);
        if (loop_run(server->loop, &error) < 0)
                log_failure(LOG_ERROR, "web.last-turn-failed", &error);
        timer_remove(soon);
}

static void close_all(struct life *life) {
        struct server *server = &life->server;
        server->stopping =
                true; /* the last turns of the loop may still bring a signal: it has nothing more to ask for */
        timer_clear(life->patience);
        if (server->loop && server->http) {
                http_quiesce(server->http);
                clients_drop_all(server);
                last_turn(server);
        }
        pool_destroy(server->pool); /* first: its work uses all the rest */
        workers_destroy(server->workers);
        documents_destroy(server->documents);
        supervisor_destroy(server->supervisor);
        channel_destroy(server->monitor);
        if (server->loop)
                last_turn(server);
        http_destroy(server->http);
        assets_destroy(server->assets);
        store_close(server->store);
        protocol_destroy(server->protocol);
        table_destroy(server->clients_by_number);
        timer_remove(life->patience);
        timer_remove(server->sweep);
        timer_remove(server->unpause);
        loop_destroy(server->loop);
}

static int run(struct life *life, struct error *error) {
        struct server *server = &life->server;
        timer_set(life->patience, START_MILLISECONDS);
        timer_set(server->sweep, 1000);
        int result = loop_run(server->loop, error);
        if (result == 0 && server->failure.number) {
                *error = server->failure;
                result = -server->failure.number;
        }
        return result;
}

int web_run(const struct web_options *options, struct error *error) {
        struct life life = { .server = { .options = options } };
        struct server *server = &life.server;
        LIST_INIT(&server->clients);
        LIST_INIT(&server->classrooms);
        number_clients(server);
        int result = prepare(server, error);
        if (result == 0)
                result = open_all(&life, error);
        if (result == 0)
                result = run(&life, error);
        close_all(&life);
        return result;
}
