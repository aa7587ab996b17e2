/* Where a gate never connects to: this machine, and what has a meaning on one wire or machine alone. */
#include "internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* Networks by their first bits. */
struct network {
        uint8_t bytes[16];
        unsigned bits;
        const char *word;
};

static const struct network networks_4[] = {
        { { 0 }, 8, "unspecified" }, { { 127 }, 8, "loopback" }, { { 169, 254 }, 16, "link-local" },
        { { 224 }, 4, "multicast" }, { { 240 }, 4, "reserved" }, /* broadcast too */
};

static const struct network networks_6[] = {
        { { 0 }, 80, "unspecified, loopback or an older address in disguise" }, /* ::, ::1, ::ffff:a.b.c.d … */
        { { 0xFE, 0x80 }, 10, "link-local" },
        { { 0xFE, 0xC0 }, 10, "site-local" },
        { { 0xFF }, 8, "multicast" },
};

/* An IPv4 address in one of IPv6, as a network without the former reaches the rest of the world (RFC 6052). */
static const struct network translated = { { 0, 0x64, 0xFF, 0x9B }, 96, "" };

static bool lies_in(const uint8_t *address, const struct network *network) {
        for (unsigned bit = 0; bit < network->bits; bit++)
                if ((address[bit / 8] ^ network->bytes[bit / 8]) & (0x80u >> bit % 8))
                        return false;
        return true;
}

static const char *find(const uint8_t *address, const struct network *networks, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (lies_in(address, &networks[i]))
                        return networks[i].word;
        return NULL;
}

/* Whoever may bind a socket to an address is at home there. Where the host lets anybody bind any address
 * (net.ipv4.ip_nonlocal_bind), all are refused: rather too little than too much. */
static bool is_own(const struct sockaddr *address, socklen_t size) {
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
        } copy = { 0 };
        if (size > sizeof copy)
                return true;
        memcpy(&copy, address, size);
        if (address->sa_family == AF_INET6)
                copy.in6.sin6_port = 0;
        else
                copy.in.sin_port = 0;
        fd_scoped fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return fd >= 0 && (bind(fd, &copy.any, size) == 0 || errno != EADDRNOTAVAIL);
}

const char *address_refused(const struct sockaddr *address, socklen_t size) {
        const char *word = NULL;
        if (address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
                struct in_addr bytes = ((const struct sockaddr_in *) (const void *) address)->sin_addr;
                word = find((const uint8_t *) &bytes, networks_4, array_length(networks_4));
        } else if (address->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
                const uint8_t *bytes = ((const struct sockaddr_in6 *) (const void *) address)->sin6_addr.s6_addr;
                word = find(bytes, networks_6, array_length(networks_6));
                if (!word && lies_in(bytes, &translated))
                        word = find(bytes + 12, networks_4, array_length(networks_4));
        } else
                return "of another kind";
        return word ? word : is_own(address, size) ? "this server's own" : NULL;
}
