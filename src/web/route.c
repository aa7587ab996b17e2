#include "route.h"
#include "assets.h"

#include "../base/log.h"

static void respond_health(struct exchange *exchange);

/* Of a class: what follows /c/CLASS. */
static const struct {
        struct route route;
        bool of_class;
        bool origin; /* must come from our own page */
} routes[] = {
        { { "GET", "/healthz", respond_health }, false, false },
        { { "GET", "/metrics", scrape_begin }, false, false },
        { { "POST", "/api/sign-in", .complete = account_sign_in_complete }, false, true },
        { { "POST", "/api/sign-out", .complete = account_sign_out_complete }, false, true },
        { { "POST", "/api/password", .complete = account_password_complete }, false, true },
        { { "GET", "/api/session", .begin = account_session_complete }, false, false },
        { { "GET", "/socket", .begin = handshake_begin }, true, true },
        { { "GET", "/files/", .begin = download_begin }, true, false },
        { { "PUT", "/files/", .begin = upload_begin, .complete = upload_complete, .take = upload_take }, true, true },
};

_Static_assert(array_length(routes) + 1 == ROUTES, "and one for all that is none");

const char *route_label(size_t index, char *text, size_t size) {
        if (index < array_length(routes))
                snprintf(text, size, "%s %s%s", routes[index].route.method, routes[index].of_class ? "/c/CLASS" : "",
                         routes[index].route.path);
        else
                snprintf(text, size, "page");
        return text;
}

size_t route_index(const struct exchange *exchange) {
        for (size_t i = 0; i < array_length(routes); i++)
                if (exchange->route == &routes[i].route)
                        return i;
        return array_length(routes);
}

static void respond_health(struct exchange *exchange) {
        struct MHD_Response *response =
                MHD_create_response_from_buffer(2, (void *) (uintptr_t) "ok", MHD_RESPMEM_PERSISTENT);
        if (response) {
                response_secure(response);
                response_header(response, "Content-Type", "text/plain");
                response_header(response, "Cache-Control", "no-store");
        }
        exchange_respond(exchange, 200, response);
}

/* Addresses */

static int digit(char character) {
        return character >= '0' && character <= '9'   ? character - '0'
               : character >= 'a' && character <= 'f' ? character - 'a' + 10
               : character >= 'A' && character <= 'F' ? character - 'A' + 10
                                                      : -1;
}

int route_decode(const char *text, size_t text_size, char *name, size_t size) {
        size_t at = 0;
        for (size_t i = 0; i < text_size; i++) {
                int byte = (unsigned char) text[i];
                if (byte == '%') {
                        bool whole = i + 2 < text_size;
                        int high = whole ? digit(text[i + 1]) : -1, low = whole ? digit(text[i + 2]) : -1;
                        if (high < 0 || low < 0)
                                return -EINVAL;
                        byte = high * 16 + low;
                        i += 2;
                }
                if (byte == 0 || byte == '/')
                        return -EINVAL;
                if (at + 1 >= size)
                        return -ENAMETOOLONG;
                name[at++] = (char) byte;
        }
        name[at] = '\0';
        return 0;
}

int route_decode_path(const char *text, char *path, size_t size) {
        size_t at = 0;
        for (;;) {
                size_t part = strcspn(text, "/");
                int result = route_decode(text, part, path + at, size - at);
                if (result < 0)
                        return result;
                at += strlen(path + at);
                text += part;
                if (!*text)
                        return 0;
                if (at + 2 >= size)
                        return -ENAMETOOLONG;
                path[at++] = *text++;
        }
}

bool origin_matches(const char *origin, const char *host) {
        if (!origin || !host || !*host)
                return false;
        const char *rest = strstr(origin, "://");
        bool web = strncasecmp(origin, "http://", 7) == 0 || strncasecmp(origin, "https://", 8) == 0;
        return rest && web && strcasecmp(rest + 3, host) == 0;
}

/* A proxy may have put its own name in Host. */
static const char *host_of(const struct exchange *exchange) {
        const char *forwarded = exchange_header(exchange, "X-Forwarded-Host");
        return exchange->server->options->trust_proxy && forwarded ? forwarded : exchange_header(exchange, "Host");
}

/* "/c/CLASS/…": the class goes to the exchange, the answer is what follows ("/socket"); NULL: no such address. */
static const char *split_class(struct exchange *exchange, const char *url) {
        if (strncmp(url, "/c/", 3) != 0)
                return NULL;
        const char *rest = url + 3 + strcspn(url + 3, "/");
        if (route_decode(url + 3, (size_t) (rest - url - 3), exchange->slug, sizeof exchange->slug) < 0)
                return NULL;
        return *exchange->slug ? rest : NULL;
}

static bool route_matches(struct exchange *exchange, size_t i, const char *path) {
        const char *pattern = routes[i].route.path;
        size_t size = strlen(pattern);
        if (pattern[size - 1] != '/')
                return strcmp(path, pattern) == 0;
        if (strncmp(path, pattern, size) != 0 || exchange->file)
                return exchange->file && strncmp(path, pattern, size) == 0;
        char file[PATH_BYTES];
        if (route_decode_path(path + size, file, sizeof file) < 0)
                return false;
        exchange->file = duplicate_string(file);
        return true;
}

/* A page's address: the program in it looks at the rest itself. */
static void respond_page(struct exchange *exchange, const char *url, const char *method, bool of_class) {
        static const struct route page = { .method = "GET" };
        exchange->route = &page;
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
                exchange_respond_error(exchange, 405, "failed", "This cannot be done here.");
        else
                assets_respond(exchange->server->assets, exchange,
                               of_class || strcmp(url, "/") == 0 ? "/index.html" : url);
}

static void check_origin(struct exchange *exchange) {
        const char *origin = exchange_header(exchange, "Origin");
        if (origin_matches(origin, host_of(exchange)))
                return;
        char address[64];
        exchange_address(exchange, address, sizeof address);
        log_event(LOG_WARNING, "http.foreign-origin", "address", address, "origin", origin ? origin : "", NULL);
        exchange_respond_error(exchange, 403, "forbidden", "This was not asked by our own page.");
}

void route_find(struct exchange *exchange, const char *url, const char *method) {
        const char *rest = split_class(exchange, url);
        bool path_known = false;
        if (strcmp(method, "HEAD") == 0 && (!rest || strcmp(rest, "/socket") != 0))
                method = "GET"; /* answered as GET is, without the body */
        for (size_t i = 0; i < array_length(routes) && !exchange->route; i++) {
                const char *path = routes[i].of_class ? rest : url;
                if (!path || !route_matches(exchange, i, path))
                        continue;
                path_known = true;
                if (strcmp(routes[i].route.method, method) != 0)
                        continue;
                exchange->route = &routes[i].route;
                if (routes[i].origin)
                        check_origin(exchange);
        }
        if (exchange->route)
                return;
        static const struct route nothing = { .method = "" };
        exchange->route = &nothing;
        if (path_known)
                exchange_respond_error(exchange, 405, "failed", "This cannot be done here.");
        else
                respond_page(exchange, url, method, rest && strncmp(rest, "/files/", 7) != 0);
}
