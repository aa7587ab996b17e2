#include "hosts.h"

#include <ctype.h>

static const uint16_t usual_ports[] = { 80, 443 };

/* One part between dots. */
static bool part_ok(const char *part, size_t length) {
        if (length == 0 || length > 63 || part[0] == '-' || part[length - 1] == '-')
                return false;
        for (size_t i = 0; i < length; i++)
                if (!(part[i] >= 'a' && part[i] <= 'z') && !(part[i] >= '0' && part[i] <= '9') && part[i] != '-')
                        return false;
        return true;
}

static bool name_ok(const char *name) {
        const char *part = name;
        for (;;) {
                size_t length = strcspn(part, ".");
                if (!part_ok(part, length))
                        return false;
                if (!part[length])
                        return part[0] >= 'a' && strcmp(part, "localhost") != 0;
                part += length + 1;
        }
}

static int parse_name(const char *word, size_t length, char ret_name[static HOST_NAME_BYTES], struct error *error) {
        if (length >= HOST_NAME_BYTES)
                return error_say(error, EINVAL, "a host's name has at most %d characters", HOST_NAME_BYTES - 1);
        for (size_t i = 0; i < length; i++)
                ret_name[i] = (char) tolower((unsigned char) word[i]);
        ret_name[length] = '\0';
        if (!name_ok(ret_name))
                return error_say(error, EINVAL,
                                 "'%.*s' is no name of a host: it must be like www.example.org or "
                                 "www.example.org:8080, no address, no pattern, and not this computer",
                                 (int) length, word);
        return 0;
}

static uint8_t number_of(const struct hosts *hosts, const char *name) {
        uint8_t highest = 0;
        for (size_t i = 0; i < hosts->count; i++) {
                if (strcmp(hosts->endpoints[i].name, name) == 0)
                        return hosts->endpoints[i].number;
                if (hosts->endpoints[i].number > highest)
                        highest = hosts->endpoints[i].number;
        }
        return highest + 1;
}

static void add(struct hosts *hosts, const char *name, uint16_t port) {
        for (size_t i = 0; i < hosts->count; i++)
                if (hosts->endpoints[i].port == port && strcmp(hosts->endpoints[i].name, name) == 0)
                        return;
        struct endpoint *endpoint = &hosts->endpoints[hosts->count];
        snprintf(endpoint->name, sizeof endpoint->name, "%s", name);
        endpoint->port = port;
        endpoint->number = number_of(hosts, name);
        hosts->count++;
}

/* "name" or "name:port". */
static int parse_entry(const char *word, size_t length, struct hosts *hosts, struct error *error) {
        char name[HOST_NAME_BYTES], digits[8] = "";
        const char *colon = memchr(word, ':', length);
        size_t name_length = colon ? (size_t) (colon - word) : length;
        int result = parse_name(word, name_length, name, error);
        if (result < 0)
                return result;
        if (!colon) {
                for (size_t i = 0; i < array_length(usual_ports); i++)
                        add(hosts, name, usual_ports[i]);
                return 0;
        }
        uint64_t port = 0;
        if (length - name_length - 1 < sizeof digits)
                memcpy(digits, colon + 1, length - name_length - 1);
        if (parse_unsigned(digits, UINT16_MAX, &port) < 0 || port == 0)
                return error_say(error, EINVAL, "'%.*s': a port is a number from 1 to 65535", (int) length, word);
        add(hosts, name, (uint16_t) port);
        return 0;
}

int hosts_parse(const char *text, struct hosts *ret_hosts, struct error *error) {
        struct hosts hosts = { 0 };
        size_t entries = 0;
        if (strlen(text) >= HOSTS_TEXT_BYTES)
                return error_say(error, EINVAL, "a list of hosts has at most %d characters", HOSTS_TEXT_BYTES - 1);
        for (const char *at = text + strspn(text, ", "); *at;) {
                size_t length = strcspn(at, ", ");
                if (++entries > HOSTS_MAXIMUM)
                        return error_say(error, EINVAL, "a list has at most %d hosts", HOSTS_MAXIMUM);
                int result = parse_entry(at, length, &hosts, error);
                if (result < 0)
                        return result;
                at += length;
                at += strspn(at, ", ");
        }
        *ret_hosts = hosts;
        return 0;
}
