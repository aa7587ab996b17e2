/*
 * assets: the built page, in memory as it will be sent, so that serving it opens no file and allocates nothing.
 *
 * Read once, before the process is confined: every file of the folder, with its ".br" and ".gz" siblings as variants.
 * A variant has an ETag of its own (of its bytes). What lies in /assets/ carries a hash in its name and never changes;
 * everything else is asked for again each time.
 */
#pragma once

#include "http.h"

struct assets;

/* `folder` -1: none. The page of a folder with a file that cannot be read is refused. */
int assets_load(int folder, struct assets **ret_assets, struct error *error) must_check;
void assets_destroy(struct assets *assets); /* NULL is fine */

/* Responds with the file of that path ("/index.html"), or says that there is none. */
void assets_respond(const struct assets *assets, struct exchange *exchange, const char *path);

/* The best of the encodings that there are, for an Accept-Encoding (RFC 9110; NULL: none was sent). */
enum encoding { ENCODING_NONE, ENCODING_GZIP, ENCODING_BROTLI, ENCODINGS };
enum encoding encoding_choose(const char *accepted, const bool available[static ENCODINGS]);
/* True where an If-None-Match names the tag. */
bool etag_matches(const char *list, const char *etag);
