/* archive: a folder as a .zip. */
#pragma once

#include "admission.h"
#include "route.h"

/* Responds for an errno. */
typedef void archive_failed_function(struct exchange *exchange, int number);

/* Responds with what the folder holds, under `name`. The exchange is suspended, and will be resumed. */
void archive_begin(struct exchange *exchange, const struct tree *tree, const char *path, const char *name,
                   archive_failed_function *failed);
