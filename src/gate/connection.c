#include "internal.h"
#include "../base/log.h"

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>

/* What dialling came to, for the log. */
struct outcome {
        int fd; /* -1: none */
        char text[64];
};

/* Dialling */

static int wait_connected(int fd) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
        int count;
        do
                count = poll(&poll_fd, 1, GATE_CONNECT_MILLISECONDS);
        while (count < 0 && errno == EINTR);
        if (count <= 0)
                return count < 0 ? -errno : -ETIMEDOUT;
        int number = 0;
        socklen_t size = sizeof number;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) < 0 ? -errno : -number;
}

/* The address that was looked at is the one that is connected to: a name that leads elsewhere a moment later changes
 * nothing. */
static void dial_address(const struct addrinfo *address, struct outcome *outcome) {
        const char *refused = address_refused(address->ai_addr, address->ai_addrlen);
        if (refused) {
                snprintf(outcome->text, sizeof outcome->text, "refused: the address is %s", refused);
                return;
        }
        fd_scoped fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int result = fd < 0 || connect(fd, address->ai_addr, address->ai_addrlen) < 0 ? -errno : 0;
        if (result == -EINPROGRESS)
                result = wait_connected(fd);
        snprintf(outcome->text, sizeof outcome->text, "%s", result < 0 ? strerror(-result) : "connected");
        if (result == 0)
                outcome->fd = steal_fd(&fd);
}

static struct outcome dial(const struct endpoint *endpoint) {
        struct outcome outcome = { .fd = -1 };
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found = NULL;
        char port[8];
        snprintf(port, sizeof port, "%u", endpoint->port);
        int failure = getaddrinfo(endpoint->name, port, &hints, &found);
        if (failure != 0) {
                snprintf(outcome.text, sizeof outcome.text, "%s", gai_strerror(failure));
                return outcome;
        }
        size_t tried = 0;
        for (const struct addrinfo *at = found; at && outcome.fd < 0 && tried < GATE_ADDRESSES;
             at = at->ai_next, tried++)
                dial_address(at, &outcome);
        freeaddrinfo(found);
        return outcome;
}

/* Moving bytes */

/* One direction. A buffer is filled again when it is empty: who does not take what was sent holds back who sends. */
struct flow {
        int from, to;
        size_t begin, end; /* what is to be sent of `bytes` */
        bool over;         /* `from` has said its last */
        bool told;         /* and `to` knows */
        char bytes[GATE_BUFFER];
};

static bool would_block(void) {
        return errno == EAGAIN || errno == EINTR;
}

/* 0 or -errno. */
static int flow_move(struct flow *flow) {
        if (!flow->over && flow->begin == flow->end) {
                ssize_t size = recv(flow->from, flow->bytes, sizeof flow->bytes, 0);
                if (size < 0 && !would_block())
                        return -errno;
                flow->over = size == 0;
                flow->begin = 0;
                flow->end = size > 0 ? (size_t) size : 0;
        }
        while (flow->begin < flow->end) {
                ssize_t size = send(flow->to, flow->bytes + flow->begin, flow->end - flow->begin, MSG_NOSIGNAL);
                if (size < 0)
                        return would_block() ? 0 : -errno;
                flow->begin += (size_t) size;
        }
        if (flow->over && !flow->told) {
                flow->told = true;
                if (shutdown(flow->to, SHUT_WR) < 0)
                        return -errno;
        }
        return 0;
}

static void want(struct pollfd *poll_fd, int fd, short events) {
        if (events == 0)
                return;
        poll_fd->fd = fd;
        poll_fd->events = (short) (poll_fd->events | events);
}

static void flow_want(const struct flow *flow, struct pollfd *from, struct pollfd *to) {
        bool empty = flow->begin == flow->end;
        want(from, flow->from, empty && !flow->over ? POLLIN : 0);
        want(to, flow->to, empty ? 0 : POLLOUT);
}

/* 0: both sides have said all; or -errno. */
static int move_all(int inside, int outside) {
        struct flow out = { .from = inside, .to = outside }, in = { .from = outside, .to = inside };
        while (!out.told || !in.told) {
                /* A side of which nothing is wanted is left out: poll() would tell of its end again and again. */
                struct pollfd fds[2] = { { .fd = -1 }, { .fd = -1 } };
                flow_want(&out, &fds[0], &fds[1]);
                flow_want(&in, &fds[1], &fds[0]);
                int count = poll(fds, array_length(fds), GATE_IDLE_MILLISECONDS);
                if (count == 0)
                        return -ETIMEDOUT;
                if (count < 0 && errno != EINTR)
                        return -errno;
                int result = flow_move(&out);
                if (result == 0)
                        result = flow_move(&in);
                if (result < 0)
                        return result;
        }
        return 0;
}

/* From its beginning a connection is one that breaks off when it is closed, whoever closes it (the kernel, where the
 * gate is killed): the other end then sees a failure, and no early end that could be taken for all there was. Only when
 * both sides have said all is it one that ends well. */
static void ends_well(int fd, bool well) {
        struct linger linger = { .l_onoff = !well };
        (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger); /* a socket of TCP: it never fails */
}

void *connection_run(void *context) {
        struct connection *connection = context;
        ends_well(connection->inside, false);
        struct outcome outcome = dial(connection->endpoint);
        log_event(LOG_INFO, "gate.connection", "run", log_number((int64_t) connection->run), "host",
                  connection->endpoint->name, "port", log_number(connection->endpoint->port), "outcome", outcome.text,
                  NULL);
        if (outcome.fd >= 0) {
                ends_well(outcome.fd, false);
                bool well = move_all(connection->inside, outcome.fd) == 0;
                ends_well(connection->inside, well);
                ends_well(outcome.fd, well);
        }
        close_fd(&outcome.fd);
        close_fd(&connection->inside);
        int finished = connection->finished;
        free(connection);
        (void) eventfd_write(finished, 1); /* a counter that is far from full */
        return NULL;
}
