/* A folder of a test's own, gone afterwards. */
#pragma once

#include "../../src/base/base.h"

#include <ftw.h>

static inline int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where) {
        (void) status, (void) kind, (void) where;
        return remove(path);
}

static inline char *make_test_folder(void) {
        char *path = duplicate_string("/tmp/carrel-test-XXXXXX");
        if (!mkdtemp(path))
                abort();
        return path;
}

static inline void remove_test_folder(char *path) {
        if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0)
                perror(path);
        free(path);
}
