/*
 * web: HTTP and WebSocket.
 *
 * The web server is the one process that reads what strangers send. It holds no right but to the database, and no run:
 * it asks the supervisor for those, workers for files (through the monitor), and can die at any moment without taking
 * more with it than connections, which come back by themselves.
 *
 * One event loop. What blocks (the database, password hashes, reading files) is done in a pool of threads; the way from
 * a keystroke to the supervisor and back has no hop in it. Every message of a client passes protocol.h's check and then
 * the one table of request.c, whose rows say which permission it needs; everything that a client can grow has a named
 * limit (limits.h).
 *
 * The parts, from the wire inwards:
 *     http.c       libmicrohttpd in our loop; one exchange a request
 *     route.c      which exchange is whose: account_routes.c, transfer.c (files), handshake.c (sockets), assets.c
 * (page), scrape.c (metrics) frames.c     WebSocket frames over one socket: bounded queues, closing client.c     who is
 * at the other end of it; classroom.c: all clients of a class, its people and limits request.c    the table of
 * requests; files.c and runs.c answer them workers.c    workspace workers, one a tree in use supervisor.c the runs that
 * the supervisor told of
 */
#pragma once

#include "../base/base.h"
#include "../base/settings.h"

struct web_options {
        const int *listeners; /* bound and listening; taken over */
        size_t listener_count;
        int monitor_fd;    /* channel to the monitor; taken over */
        int supervisor_fd; /* channel to the supervisor; taken over */
        int page_fd;       /* the folder of the built page (web/dist); read once, before confinement; -1: no page */
        const char *store_path; /* carrel.db, as it is called after confinement */
        const struct settings *settings;
        const char *metrics_token;        /* who brings it may read /metrics; NULL: there is no such address */
        unsigned connections;             /* at once; 0: 2,000 */
        unsigned connections_per_address; /* 0: 1,000 (a school sits behind one address) */
        bool trust_proxy;                 /* X-Forwarded-For, -Proto and -Host are a proxy's own, and to be believed */
        /* Called once, after the page has been read and before any outsider is heard. NULL: none. */
        int (*confine)(void *context, struct error *error);
        void *confine_context;
};

/* The whole life of the web server: returns 0 after SIGTERM, or what went wrong (also where the monitor or the
 * supervisor went away: the monitor starts both anew). Calls account_start(). Never changes directory. */
int web_run(const struct web_options *options, struct error *error) must_check;
