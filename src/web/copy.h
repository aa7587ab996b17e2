/* copy: a request's folder, "from" to "to". */
#pragma once

#include "request.h"

struct copying;

/* Ends the request where it fails; else calls `done`. */
void copy_folder(struct request *request, void (*done)(struct request *request));
/* Links and the like that were left out; NULL is fine. */
uint64_t copying_skipped(const struct copying *copying);
void copying_free(struct copying *copying); /* NULL is fine */
