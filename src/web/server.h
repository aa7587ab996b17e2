/* What the parts of the web server share: the process itself. Private to src/web. */
#pragma once

#include "../account/account.h"
#include "../base/loop.h"
#include "../base/pool.h"
#include "../ipc/ipc.h"
#include "limits.h"
#include "protocol.h"
#include "web.h"

#include <sys/queue.h>

struct client;
struct classroom;
struct exchange;

LIST_HEAD(client_list, client);
LIST_HEAD(classroom_list, classroom);

/* What is counted for /metrics, here where it happens. */
enum { ROUTES = 10, REQUEST_TYPES = 29, STATUS_CLASSES = 5 };
enum outcome { OUTCOME_DONE, OUTCOME_REFUSED, OUTCOME_BUSY, OUTCOME_FAILED, OUTCOMES };
struct counters {
        uint64_t responses[ROUTES][STATUS_CLASSES];
        uint64_t requests[REQUEST_TYPES][OUTCOMES];
        uint64_t malformed; /* messages that were no request */
        uint64_t clients;   /* that ever were */
};

struct server {
        const struct web_options *options;
        struct loop *loop;
        struct store *store; /* for the pool's threads */
        struct pool *pool;
        struct protocol *protocol;
        struct assets *assets;
        struct http *http;
        struct workers *workers;
        struct supervisor *supervisor;
        struct documents *documents;
        struct channel *monitor;
        struct table *clients_by_number;
        struct client_list clients;
        struct classroom_list classrooms;
        uint64_t last_number;  /* given to a client */
        size_t receiving;      /* see RECEIVING_MAXIMUM */
        size_t requests_alive; /* WebSocket requests not yet answered */
        struct timer *sweep;   /* each second */
        struct timer *unpause; /* while a client is held back */
        struct counters counters;
        struct exchange *scrapes[SCRAPES_AT_ONCE]; /* that wait for the supervisor's part; NULL: free */
        uint64_t scrape_until;                     /* milliseconds: then they are answered without it */
        bool stopping;
        struct error failure; /* why the loop was stopped, number 0: SIGTERM */
};

/* Ends web_run() with this error. */
void server_fail(struct server *server, const struct error *why);
