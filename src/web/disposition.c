#include "route.h"

/* RFC 8187's attr-char. */
static bool plain(unsigned char byte) {
        return byte && (strchr("!#$&+-.^_`|~", byte) || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                        (byte >= 'A' && byte <= 'Z'));
}

/* For clients that do not know filename*: what could end the quoted string, or mean something, becomes '_'. */
static void add_ascii(char *to, const char *name) {
        size_t at = 0;
        for (; *name; name++) {
                unsigned char byte = (unsigned char) *name;
                if ((byte & 0xc0) == 0x80)
                        continue; /* one '_' a character, not a byte */
                bool kept = plain(byte) || strchr(" (),", byte);
                to[at++] = *name;
                if (!kept)
                        to[at - 1] = '_';
        }
        to[at] = '\0';
}

static void add_encoded(char *to, const char *name) {
        static const char digits[] = "0123456789ABCDEF";
        for (; *name; name++) {
                unsigned char byte = (unsigned char) *name;
                if (plain(byte)) {
                        *to++ = *name;
                        continue;
                }
                *to++ = '%';
                *to++ = digits[byte >> 4];
                *to++ = digits[byte & 15];
        }
        *to = '\0';
}

char *disposition_of(const char *name) {
        size_t size = strlen(name);
        free_scoped char *ascii = reallocate_array(NULL, size + 1, 1);
        free_scoped char *encoded = reallocate_array(NULL, 3 * size + 1, 1);
        add_ascii(ascii, name);
        add_encoded(encoded, name);
        return format_string("attachment; filename=\"%s\"; filename*=UTF-8''%s", ascii, encoded);
}
