/*
 * The way out of a sandbox's network, for a run whose class may reach some hosts: names and listening sockets.
 *
 * Each name of the list gets a loopback address of its own in /etc/hosts, and each of its ports a listening socket at
 * that address. What is dialled there the gate, outside, connects to the host of that name; so nothing else has to be
 * opened, and what is on no list meets the kernel's own refusal. The sockets are made inside the run's network
 * namespace, where they stay whoever holds them.
 */
#include "sandbox.h"
#include "internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>

enum { BACKLOG = 64 }; /* connections that wait for the gate, each endpoint */

#define HOSTS_FILE "/run/hosts" /* where /etc/hosts leads */
#define OWN_HOSTS "127.0.0.1 localhost carrel\n::1 localhost\n"

static struct in_addr address_of(const struct endpoint *endpoint) {
        return (struct in_addr){ htonl(0x7F580000u + endpoint->number) }; /* 127.88.0.NUMBER */
}

static int open_listener(const struct endpoint *endpoint, struct error *error) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons(endpoint->port),
                                       .sin_addr = address_of(endpoint) };
        fd_scoped fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 || listen(fd, BACKLOG) < 0)
                return error_set(error, errno, "opening the way to %s, port %u", endpoint->name, endpoint->port);
        return steal_fd(&fd);
}

static int write_hosts(const char *text, size_t size, struct error *error) {
        fd_scoped fd = open(HOSTS_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_set(error, errno, "making " HOSTS_FILE);
        int result = write_fully(fd, text, size);
        return result < 0 ? error_set(error, -result, "writing " HOSTS_FILE) : 0;
}

int make_hosts_file(struct error *error) {
        return write_hosts(OWN_HOSTS, strlen(OWN_HOSTS), error);
}

static int name_hosts(const struct hosts *hosts, struct error *error) {
        enum { LINE_BYTES = HOST_NAME_BYTES + INET_ADDRSTRLEN + 2 };
        char text[sizeof OWN_HOSTS + (size_t) HOSTS_MAXIMUM * LINE_BYTES] = OWN_HOSTS;
        size_t size = strlen(text);
        uint8_t named = 0;
        for (size_t i = 0; i < hosts->count; i++) {
                const struct endpoint *endpoint = &hosts->endpoints[i];
                char address[INET_ADDRSTRLEN];
                struct in_addr bytes = address_of(endpoint);
                if (endpoint->number <= named)
                        continue;
                named = endpoint->number;
                inet_ntop(AF_INET, &bytes, address, sizeof address);
                size += (size_t) snprintf(text + size, sizeof text - size, "%s %s\n", address, endpoint->name);
        }
        return write_hosts(text, size, error);
}

int sandbox_open_network(const char *list, int ret_listeners[static HOSTS_ENDPOINTS], size_t *ret_count,
                         struct error *error) {
        struct hosts hosts;
        int result = hosts_parse(list, &hosts, error);
        if (result == 0)
                result = name_hosts(&hosts, error);
        if (result < 0)
                return result;
        for (size_t i = 0; i < hosts.count; i++) {
                ret_listeners[i] = open_listener(&hosts.endpoints[i], error);
                if (ret_listeners[i] < 0) {
                        result = ret_listeners[i];
                        for (size_t made = 0; made < i; made++)
                                close_fd(&ret_listeners[made]);
                        return result;
                }
        }
        *ret_count = hosts.count;
        return 0;
}
