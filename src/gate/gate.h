/*
 * gate: the one way out of a sandbox's network, and only to the hosts that a class may reach.
 *
 * A run whose class has a list of hosts (base/hosts.h) listens, inside its own network namespace, at a loopback address
 * for each name; its /etc/hosts says so (sandbox/network.c). A program that opens https://data.example so connects to a
 * socket of its own sandbox, and nothing of the host's network has to be let in. The listening sockets are sent out, to
 * this process, which stands in the host's network: it accepts, finds the host of that name, connects, and moves bytes
 * both ways until both have ended. Which socket was dialled says which host is meant, so nothing that a program sends
 * is ever looked at; TLS is between the program and the host.
 *
 * What it promises:
 *   - it connects to the endpoints of its list and to no other, and never to this machine: loopback, link-local,
 * multicast and the host's own addresses are refused, whatever the name leads to (address.c). Other addresses of an
 * intranet are the teacher's choice.
 *   - it is one run's: a process that exits with it, so that no run can use up what another's needs; its connections
 * are few and paced, its memory is a stack and two buffers each.
 *   - it has no right, no file but the resolver's, and no call but those of sockets and threads (sandbox_confine_gate);
 * where the host cannot hold it so, it does not serve.
 *
 * The supervisor's end of the channel is the run: when it closes, the gate is over. The gate's end is the gate: when
 * that closes, the kernel refuses what the program dials, and the program goes on.
 *
 *   gate.c        accepting, and the pace
 *   connection.c  one connection: dialling, then the bytes
 *   address.c     where it never connects to
 */
#pragma once

#include "../base/base.h"
#include "../sandbox/sandbox.h"

enum {
        GATE_CONNECTIONS = 16,            /* at once a run; who comes later waits */
        GATE_PACE_MILLISECONDS = 50,      /* a new connection each, on the average, … */
        GATE_BURST = 40,                  /* … after so many at once */
        GATE_CONNECT_MILLISECONDS = 5000, /* for one address */
        GATE_ADDRESSES = 4,               /* tried of one name */
        GATE_IDLE_MILLISECONDS = 300000,  /* without a byte in either direction */
        GATE_BUFFER = 32 << 10,           /* bytes on their way, each direction */
};

struct gate_options {
        int channel; /* to the supervisor; taken over */
        struct sandbox_host host;
        uid_t service_uid;
};

/* Takes the list and the sockets from the channel, puts up its walls, says MESSAGE_READY and serves until the channel
 * closes. Its connections may still be open then: the process is to exit. */
int gate_run(const struct gate_options *options, struct error *error) must_check;
