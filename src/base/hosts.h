/*
 * hosts: the list of hosts that a class's programs may reach, as a teacher writes it.
 *
 * "dwd.example, api.example:8443": names with a port each, or without one, which means 80 and 443. Separated by commas,
 * blanks or both. A name is one of the DNS (letters, digits, '-' and '.'; the last part begins with a letter, so that
 * nothing which anybody could take for an address is one) and not localhost: what an address is good for, the list
 * could not give (a program's way out is a name, see gate.h), and where a name leads, the gate decides when it has
 * looked.
 *
 * The text is what travels and is stored; whoever needs more parses it, and all get the same endpoints in the same
 * order.
 */
#pragma once

#include "base.h"

enum {
        HOSTS_TEXT_BYTES = 1024, /* of a list, with the NUL */
        HOSTS_MAXIMUM = 16,      /* entries of a list */
        HOSTS_ENDPOINTS = 32,    /* what they make at most: two of each that names no port */
        HOST_NAME_BYTES = 254,
};

struct endpoint {
        char name[HOST_NAME_BYTES]; /* in small letters */
        uint16_t port;
        uint8_t number; /* of the name, from 1 on: endpoints of one name have the same */
};

struct hosts {
        size_t count;
        struct endpoint endpoints[HOSTS_ENDPOINTS]; /* none twice */
};

/* An empty text is an empty list. -EINVAL, with a sentence that says what is wrong. */
int hosts_parse(const char *text, struct hosts *ret_hosts, struct error *error) must_check;
