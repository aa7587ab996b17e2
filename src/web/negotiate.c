/* What a browser says it takes, and what it has already. */
#include "assets.h"

/* "0", "0.", "0.000": not wanted. */
static bool quality_is_zero(const char *parameters, size_t size) {
        for (size_t i = 0; i + 1 < size; i++) {
                if ((parameters[i] != 'q' && parameters[i] != 'Q') || parameters[i + 1] != '=')
                        continue;
                size_t at = i + 2;
                bool digits = false;
                for (; at < size && (parameters[at] == '0' || parameters[at] == '.'); at++)
                        digits |= parameters[at] == '0';
                return digits && (at == size || parameters[at] < '0' || parameters[at] > '9');
        }
        return false;
}

/* 1: wanted, 0: refused, -1: not named. */
static int accepts(const char *accepted, const char *name) {
        int star = -1;
        while (*accepted) {
                accepted += strspn(accepted, " \t,");
                size_t size = strcspn(accepted, ",");
                size_t name_size = strcspn(accepted, " \t;,");
                int wanted = quality_is_zero(accepted + name_size, size - name_size) ? 0 : 1;
                if (name_size == strlen(name) && strncasecmp(accepted, name, name_size) == 0)
                        return wanted;
                if (name_size == 1 && *accepted == '*')
                        star = wanted;
                accepted += size;
        }
        return star;
}

enum encoding encoding_choose(const char *accepted, const bool available[static ENCODINGS]) {
        if (accepted && available[ENCODING_BROTLI] && accepts(accepted, "br") == 1)
                return ENCODING_BROTLI;
        if (accepted && available[ENCODING_GZIP] && accepts(accepted, "gzip") == 1)
                return ENCODING_GZIP;
        return ENCODING_NONE;
}

bool etag_matches(const char *list, const char *etag) {
        size_t etag_size = strlen(etag);
        while (list && *list) {
                list += strspn(list, " \t,");
                if (*list == '*')
                        return true;
                if (strncmp(list, "W/", 2) == 0)
                        list += 2; /* If-None-Match compares weakly */
                if (strncmp(list, etag, etag_size) == 0 && (!list[etag_size] || strchr(" \t,", list[etag_size])))
                        return true;
                list += strcspn(list, ",");
        }
        return false;
}
