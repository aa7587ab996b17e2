/* What the files of this room share. */
#pragma once

#include "gate.h"
#include "../base/hosts.h"

#include <sys/socket.h>

/* connection.c: a thread of its own. */
struct connection {
        uint64_t run;
        const struct endpoint *endpoint;
        int inside;   /* the accepted socket; the thread closes it */
        int finished; /* an eventfd: counts the threads that are over */
};
void *connection_run(void *context); /* a connection, which it frees */

/* address.c: NULL, or in a word why nobody is connected to this address. */
const char *address_refused(const struct sockaddr *address, socklen_t size);
