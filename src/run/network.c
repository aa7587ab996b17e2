/*
 * A run's way to the hosts that its class may reach: its listening sockets, which come with the program's word that its
 * walls stand, go on to a gate (gate.h), a process that is asked for then. A run whose class has no list has nothing to
 * do with any of this. The run never waits for its gate (what it dials meanwhile waits in the kernel) and goes on
 * without one; that it does is said once, in its terminal before it was there, in the log afterwards.
 */
#include "internal.h"
#include "../base/log.h"

const char *network_in_the_way(const struct engine *engine) {
        if (!engine->options.open_gate)
                return "Programs of this class may reach some hosts, but whoever looks after this server has not "
                       "allowed "
                       "that (its setting network.allowed). This one reaches none.";
        if (!sandbox_has(&engine->options.host, WALL_NETWORK_NAMESPACE))
                return "Programs of this class may reach some hosts, but this server cannot keep their networks apart "
                       "(carrel doctor says why). This one reaches none.";
        return NULL;
}

static void on_gate(void *context, struct message *message) {
        (void) message; /* MESSAGE_READY, the only one permitted */
        struct run *run = context;
        run->gate_ready = true;
}

static void lose_gate(struct run *run, const struct error *why) {
        log_event(LOG_WARNING, "gate.lost", "run", log_number((int64_t) run->id), "error", why->text, NULL);
        if (!run->gate_ready)
                terminal_say(run,
                             "The way to the hosts of this class could not be opened. The program goes on without; "
                             "the server's log says why.");
}

static void on_gate_closed(void *context, const struct error *why) {
        struct run *run = context;
        channel_destroy(steal_pointer(&run->gate));
        lose_gate(run, why);
}

void network_open(struct run *run, const int *listeners, size_t count) {
        struct engine *engine = run->engine;
        struct message_gate message = { .run = run->id };
        struct error error = { 0 };
        snprintf(message.hosts, sizeof message.hosts, "%s", run->network);
        int fd = engine->options.open_gate(engine->options.context, &error);
        if (fd < 0 || channel_create(engine->loop, fd, MESSAGE_BIT(MESSAGE_READY), on_gate, on_gate_closed, run,
                                     &run->gate, &error) < 0) {
                lose_gate(run, &error);
                return;
        }
        channel_send(run->gate, MESSAGE_GATE, &message, NULL, 0, listeners, count);
}
