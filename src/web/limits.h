/* Everything that somebody outside can make grow, and how far. What belongs to the protocol is in its own file. */
#pragma once

enum {
        /* HTTP */
        CONNECTIONS_MAXIMUM = 2000,
        CONNECTIONS_PER_ADDRESS = 1000,
        CONNECTION_MEMORY = 8192, /* request line and headers (a path of 1,024 bytes is 3 KB percent-encoded), and
                                     response headers */
        CONNECTION_IDLE_SECONDS = 30,
        BODY_MAXIMUM = 8192, /* of a JSON body */
        ACCEPTS_A_TURN = 64,
        DISCARDED_MAXIMUM = 16 << 20, /* bytes of a refused body that are waited out */
        UPLOADS_AT_ONCE = 4,
        UPLOADS_AN_ACCOUNT = 2,
        UPLOAD_SECONDS = 600,
        SCRAPES_AT_ONCE = 4,
        SCRAPE_MILLISECONDS = 1000, /* for the supervisor to tell its metrics */
        RETRY_AFTER_SECONDS = 2,    /* told where something is full */
        PAGE_FILES_MAXIMUM = 1000,
        PAGE_FILE_BYTES = 16 << 20,

        /* What is copied or sent as a zip at once */
        WALKS_AT_ONCE = 16,
        WALK_ENTRIES_MAXIMUM = 10000,

        /* The pool */
        POOL_THREADS = 4,
        POOL_HASHES_AT_ONCE = 2,
        POOL_QUICK_QUEUED = 1024,
        POOL_SLOW_QUEUED = 256,

        /* One WebSocket */
        EVENTS_QUEUED = 1 << 20,    /* bytes of events it has not taken; past it, it is too slow and closed */
        REPLIES_QUEUED = 16 << 20,  /* the same of replies; what it asks for is read no further past an eighth of it */
        TERMINAL_QUEUED = 16 << 20, /* the supervisor's windows keep it far below */
        FRAGMENTS_MAXIMUM = 1024,   /* of one message */
        READ_A_TURN = 256 << 10,
        PING_MILLISECONDS = 25000,
        SILENCE_MILLISECONDS = 60000,
        CLOSING_MILLISECONDS = 2000,
        REQUESTS_IN_FLIGHT = 64,
        REQUESTS_A_SECOND = 200,
        REQUESTS_BURST = 400,
        REQUEST_UNIT_BYTES = 16384, /* a message counts as one request for each of these, begun */
        ATTACHED_RUNS = 64,

        /* All of them */
        RECEIVING_MAXIMUM = 256 << 20, /* bytes of messages that have begun to arrive */
        CLIENTS_AN_ACCOUNT = 20,
        RECHECK_MILLISECONDS = 30000, /* sessions, membership, a class's people and limits */
        SUPERVISOR_PENDING = 1 << 20, /* bytes the supervisor has not taken; past it nothing typed is read */
        PAUSE_MILLISECONDS = 20,

        /* Workers */
        WORKERS_MAXIMUM = 1536,
        WORKER_IDLE_MILLISECONDS = 600000,
        WORKER_WAITING = 256, /* requests that wait for one to be opened */

        START_MILLISECONDS = 5000, /* for the supervisor to tell its runs */
        STOP_MILLISECONDS = 2000,  /* for running requests at the end */
};

#define WALK_BYTES_MAXIMUM (UINT64_C(4000) << 20) /* of the files in a walk: a zip of them stays below 4 GB */
