#include "scrape.h"
#include "http.h"
#include "request.h"
#include "route.h"
#include "supervisor.h"
#include "table.h"

#include "../base/metrics.h"

#include <sodium.h>

enum { TEXT_MAXIMUM = 256 << 10, LABEL_BYTES = 64 };

/* In a time that tells nothing of where they differ. */
static bool is_token(const char *brought, const char *token) {
        static const char scheme[] = "Bearer ";
        if (!brought || strncasecmp(brought, scheme, sizeof scheme - 1) != 0)
                return false;
        brought += sizeof scheme - 1;
        uint8_t digests[2][crypto_generichash_BYTES];
        crypto_generichash(digests[0], sizeof digests[0], (const uint8_t *) brought, strlen(brought), NULL, 0);
        crypto_generichash(digests[1], sizeof digests[1], (const uint8_t *) token, strlen(token), NULL, 0);
        return sodium_memcmp(digests[0], digests[1], sizeof digests[0]) == 0;
}

static void write_ours(struct server *server, bool supervisor_answers, struct buffer *text) {
        static const char *const classes[STATUS_CLASSES] = { "1xx", "2xx", "3xx", "4xx", "5xx" };
        static const char *const outcomes[OUTCOMES] = { "done", "refused", "busy", "failed" };
        const struct counters *counters = &server->counters;
        char label_texts[ROUTES][LABEL_BYTES];
        const char *routes[ROUTES], *types[REQUEST_TYPES];
        for (size_t i = 0; i < ROUTES; i++)
                routes[i] = route_label(i, label_texts[i], sizeof label_texts[i]);
        request_types(types);
        const uint64_t connections = http_connections(server->http);
        const uint64_t clients = table_count(server->clients_by_number);
        const uint64_t pending = pool_pending(server->pool), answers = supervisor_answers;
        const struct metric_family families[] = {
                { "carrel_connections", "Connections now, those of WebSockets among them.", METRIC_GAUGE,
                  .numbers = &connections },
                { "carrel_clients", "Pages that are open now (WebSockets).", METRIC_GAUGE, .numbers = &clients },
                { "carrel_clients_total", "Pages that were ever opened.", METRIC_COUNTER,
                  .numbers = &counters->clients },
                { "carrel_http_responses_total", "Answers, by address and kind of status.", METRIC_COUNTER,
                  .sparse = true, .labels = { { "route", routes, ROUTES }, { "status", classes, STATUS_CLASSES } },
                  .numbers = counters->responses },
                { "carrel_requests_total", "Requests of pages, by type and what came of them.", METRIC_COUNTER,
                  .labels = { { "type", types, REQUEST_TYPES }, { "outcome", outcomes, OUTCOMES } },
                  .numbers = counters->requests },
                { "carrel_messages_malformed_total", "Messages of pages that were no request.", METRIC_COUNTER,
                  .numbers = &counters->malformed },
                { "carrel_pool_pending", "Jobs that wait for the database, a disk or a password check.", METRIC_GAUGE,
                  .numbers = &pending },
                { "carrel_supervisor_answers", "0 where the run supervisor did not tell its part in time.",
                  METRIC_GAUGE, .numbers = &answers },
        };
        metrics_write(text, families, array_length(families));
}

static void answer_all(struct server *server, bool supervisor_answers, const void *theirs, size_t size) {
        cleanup(buffer_finish) struct buffer text = { .limit = TEXT_MAXIMUM };
        write_ours(server, supervisor_answers, &text);
        if (buffer_append(&text, theirs, size) < 0)
                return; /* neither part can be so long */
        for (size_t i = 0; i < SCRAPES_AT_ONCE; i++) {
                struct exchange *exchange = steal_pointer(&server->scrapes[i]);
                if (!exchange)
                        continue;
                exchange_respond_text(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_front(&text),
                                      buffer_size(&text));
                exchange_resume(exchange);
        }
}

void scrape_answer(struct server *server, const void *text, size_t size) {
        answer_all(server, true, text, size);
}

static bool somebody_waits(const struct server *server) {
        for (size_t i = 0; i < SCRAPES_AT_ONCE; i++)
                if (server->scrapes[i])
                        return true;
        return false;
}

void scrape_sweep(struct server *server) {
        if (somebody_waits(server) && now_milliseconds() >= server->scrape_until)
                answer_all(server, false, "", 0);
}

void scrape_begin(struct exchange *exchange) {
        struct server *server = exchange->server;
        const char *token = server->options->metrics_token;
        if (!token || !*token) {
                exchange_respond_error(exchange, 404, "not-found", "There is nothing at this address.");
                return;
        }
        if (!is_token(exchange_header(exchange, "Authorization"), token)) {
                exchange_respond_error(exchange, 401, "refused", "This is for who brings the token.");
                if (exchange->response)
                        response_header(exchange->response, "WWW-Authenticate", "Bearer");
                return;
        }
        size_t place = 0;
        while (place < SCRAPES_AT_ONCE && server->scrapes[place])
                place++;
        if (place == SCRAPES_AT_ONCE) {
                exchange_respond_busy(exchange);
                return;
        }
        server->scrapes[place] = exchange;
        server->scrape_until = now_milliseconds() + SCRAPE_MILLISECONDS;
        exchange_later(exchange);
        supervisor_send(server->supervisor, MESSAGE_METRICS, &(struct message_empty){ 0 });
}
