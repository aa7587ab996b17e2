/*
 * route: which request is whose, and what every one of them must keep: the method, the origin.
 */
#pragma once

#include "http.h"

/* Finds the route of a new exchange, or responds. */
void route_find(struct exchange *exchange, const char *url, const char *method);

/* "GET /healthz" … by index, the last for the page's own files and all else; and which of them an exchange's is. */
const char *route_label(size_t index, char *text, size_t size);
size_t route_index(const struct exchange *exchange);

/* Percent-decodes one name of an address. -EINVAL: a bad escape, a NUL or a '/' in it; -ENAMETOOLONG. */
int route_decode(const char *text, size_t text_size, char *name, size_t size) must_check;
/* The same for a path, name by name: "a%20b/c" to "a b/c". */
int route_decode_path(const char *text, char *path, size_t size) must_check;

/* True where the header Origin ("http://host:port") is of the same host and port as the header Host. Both as they came,
 * NULL: absent. */
bool origin_matches(const char *origin, const char *host);

/* A value of Content-Disposition for the file's name: RFC 6266 with an ASCII name for the old, RFC 8187 for the rest.
 * Free it. */
char *disposition_of(const char *name);

/* The routes' functions, by file. */
exchange_function account_sign_in_complete, account_session_complete, account_sign_out_complete,
        account_password_complete;
exchange_function download_begin, upload_begin, upload_complete;
void upload_take(struct exchange *exchange, const void *bytes, size_t size);
exchange_function handshake_begin;
exchange_function scrape_begin;
