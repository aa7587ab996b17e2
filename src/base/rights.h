/*
 * Acting for a while with the rights of somebody else: for commands that root starts and that touch what belongs to
 * others. Files made meanwhile are theirs, and a path that they prepared leads root nowhere they could not go
 * themselves.
 *
 * The effective rights (uid, gid, no further groups) are the whole process's: for single-threaded programs.
 */
#pragma once

#include "base.h"

#include <sys/types.h>

struct rights {
        bool taken;
        gid_t group;
        int group_count;
        gid_t groups[64];
};

/* Does nothing where the process is not root: then its own rights are all it has. */
int rights_take(uid_t uid, gid_t gid, struct rights *ret_rights, struct error *error) must_check;
/* Nothing where none were taken. Ends the process if it cannot: to go on with rights that nobody expects would be
 * worse. */
void rights_return(struct rights *rights);
#define rights_scoped cleanup(rights_return) struct rights
