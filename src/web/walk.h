/*
 * walk: all that a folder holds, at any depth, as the worker's listings tell it; for copying it and for zips.
 *
 * The whole list is made before anything is done with it, so that what is too much is refused at the beginning; it is
 * bounded by WALK_ENTRIES_MAXIMUM and WALK_BYTES_MAXIMUM, and there are WALKS_AT_ONCE. What happens to the files
 * between the list and their turn, the turn finds out. Hidden names are in no listing and so in no walk.
 */
#pragma once

#include "admission.h"
#include "server.h"

#include "../workspace/workspace.h"

struct walk_entry {
        uint32_t parent; /* an entry's number, or WALK_TOP */
        enum file_kind kind;
        uint64_t size;
        int64_t modified;
        char *name;
};

struct walk {
        struct walk_entry *entries; /* each after its parent */
        size_t count;
        uint64_t bytes;    /* of all files, as the listings say */
        uint64_t left_out; /* what could not be listed */
        /* its own: */
        size_t room, next;
        struct server *server;
        struct tree tree;
        struct worker *worker;
        char path[PATH_BYTES];
        loop_function *done;
        void *context;
        int result; /* 0; -E2BIG: too many or too large; or what listing the folder itself said */
};

#define WALK_TOP UINT32_MAX

/* Calls `done` once, perhaps at once. -EBUSY: too many are under way; then it is not called. */
int walk_begin(struct walk *walk, struct server *server, const struct tree *tree, const char *path, loop_function *done,
               void *context) must_check;
/* Not while it is under way. A zeroed one is fine. */
void walk_finish(struct walk *walk);
/* "base/a/b" of an entry b in a. False: longer than a path can be. */
bool walk_path(const struct walk *walk, size_t entry, const char *base, char path[PATH_BYTES]);
