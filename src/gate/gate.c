#include "gate.h"
#include "internal.h"
#include "../base/log.h"
#include "../ipc/ipc.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

enum {
        STACK = 256 << 10, /* the C library's resolver and two buffers */
        DESCRIPTORS = 256, /* listeners, two sockets a connection, and what finding an address takes */
};

struct gate {
        int channel, finished;
        uint64_t run;
        struct hosts hosts;
        int listeners[HOSTS_ENDPOINTS];
        size_t connections;
        uint64_t paid_until; /* the pace: each connection costs a while, and so far ahead of now they are paid for */
};

/* Milliseconds until one more connection may begin; 0: now. */
static uint64_t pace_wait(const struct gate *gate) {
        uint64_t furthest = now_milliseconds() + (uint64_t) GATE_BURST * GATE_PACE_MILLISECONDS;
        return gate->paid_until > furthest ? gate->paid_until - furthest : 0;
}

static void pace_pay(struct gate *gate) {
        uint64_t now = now_milliseconds();
        gate->paid_until = (gate->paid_until > now ? gate->paid_until : now) + GATE_PACE_MILLISECONDS;
}

static int start_thread(struct connection *connection) {
        pthread_attr_t attributes;
        pthread_t thread;
        int failure = pthread_attr_init(&attributes);
        if (failure != 0)
                return -failure;
        (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED); /* constants, both of them valid */
        (void) pthread_attr_setstacksize(&attributes, STACK);
        failure = pthread_create(&thread, &attributes, connection_run, connection);
        pthread_attr_destroy(&attributes);
        return -failure;
}

static void take_connection(struct gate *gate, size_t index) {
        fd_scoped inside = accept4(gate->listeners[index], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct error error = { 0 };
        if (inside < 0)
                return; /* it has gone again */
        struct connection *connection = allocate(sizeof *connection);
        *connection = (struct connection){ gate->run, &gate->hosts.endpoints[index], inside, gate->finished };
        pace_pay(gate);
        int result = start_thread(connection);
        if (result < 0) {
                error_set(&error, -result, "starting a thread for a connection");
                log_failure(LOG_ERROR, "gate.connection", &error);
                free(connection);
                return;
        }
        (void) steal_fd(&inside);
        gate->connections++;
}

static void count_finished(struct gate *gate) {
        eventfd_t count;
        if (eventfd_read(gate->finished, &count) == 0)
                gate->connections -= count;
}

static int serve(struct gate *gate, struct error *error) {
        struct pollfd fds[2 + HOSTS_ENDPOINTS] = {
                { .fd = gate->channel, .events = POLLIN },
                { .fd = gate->finished, .events = POLLIN },
        };
        for (size_t i = 0; i < gate->hosts.count; i++)
                fds[2 + i] = (struct pollfd){ .fd = gate->listeners[i], .events = POLLIN };
        for (;;) {
                bool room = gate->connections < GATE_CONNECTIONS;
                uint64_t wait = room ? pace_wait(gate) : 0;
                bool accepts = room && wait == 0;
                nfds_t watched = accepts ? 2 + gate->hosts.count : 2;
                if (poll(fds, watched, wait > 0 ? (int) wait : -1) < 0 && errno != EINTR)
                        return error_set(error, errno, "waiting for connections");
                if (fds[0].revents)
                        return 0; /* nothing more is ever said to a gate: this is the run's end */
                if (fds[1].revents)
                        count_finished(gate);
                for (size_t i = 2; i < watched; i++)
                        if (fds[i].revents && gate->connections < GATE_CONNECTIONS && pace_wait(gate) == 0)
                                take_connection(gate, i - 2);
        }
}

/* 1: there is a run; 0: it is over already. */
static int receive_list(struct gate *gate, struct error *error) {
        static uint8_t storage[IPC_MESSAGE_MAXIMUM] __attribute__((aligned(8)));
        struct message message;
        int result = message_receive(gate->channel, MESSAGE_BIT(MESSAGE_GATE), storage, &message, error);
        if (result <= 0)
                return result;
        const struct message_gate *body = message.body;
        gate->run = body->run;
        if (!message_text_ok(body->hosts))
                result = error_say(error, EPROTO, "the list of hosts is malformed");
        if (result > 0)
                result = hosts_parse(body->hosts, &gate->hosts, error);
        if (result == 0 && message.fd_count != gate->hosts.count)
                result = error_say(error, EPROTO, "%zu sockets came for %zu endpoints", message.fd_count,
                                   gate->hosts.count);
        for (size_t i = 0; i < message.fd_count && result == 0; i++)
                gate->listeners[i] = steal_fd(&message.fds[i]);
        message_close_fds(&message);
        return result < 0 ? result : 1;
}

static int confine(const struct gate *gate, const struct gate_options *options, struct error *error) {
        uint16_t ports[HOSTS_ENDPOINTS];
        for (size_t i = 0; i < gate->hosts.count; i++)
                ports[i] = gate->hosts.endpoints[i].port;
        struct rlimit descriptors;
        if (getrlimit(RLIMIT_NOFILE, &descriptors) < 0)
                return error_set(error, errno, "asking for a gate's descriptors");
        if (descriptors.rlim_max > DESCRIPTORS)
                descriptors.rlim_max = DESCRIPTORS;
        descriptors.rlim_cur = descriptors.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &descriptors) < 0)
                return error_set(error, errno, "limiting a gate's descriptors");
        /* Five seconds, twice, for each server, is what the C library grants a DNS that does not answer. */
        setenv("RES_OPTIONS", "timeout:3 attempts:2", 1);
        return sandbox_confine_gate(&options->host, options->service_uid, ports, gate->hosts.count, error);
}

int gate_run(const struct gate_options *options, struct error *error) {
        static struct gate gate; /* its threads may outlive this call */
        gate = (struct gate){ .channel = options->channel, .finished = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
        if (gate.finished < 0)
                return error_set(error, errno, "making a counter");
        int result = receive_list(&gate, error);
        if (result <= 0)
                return result;
        result = confine(&gate, options, error);
        if (result == 0)
                result = message_send(gate.channel, MESSAGE_READY, &(struct message_empty){ 0 }, NULL, 0, NULL, 0,
                                      error);
        return result < 0 ? result : serve(&gate, error);
}
