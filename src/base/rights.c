#include "rights.h"

#include <grp.h>

int rights_take(uid_t uid, gid_t gid, struct rights *ret_rights, struct error *error) {
        if (geteuid() != 0)
                return 0;
        rights_scoped rights = { .group = getegid() };
        rights.group_count = getgroups((int) array_length(rights.groups), rights.groups);
        if (rights.group_count < 0)
                return error_set(error, errno, "read my groups");
        rights.taken = true; /* from here on, whatever was changed is taken back */
        /* The uid last: without it the others cannot be changed. */
        if (setgroups(0, NULL) < 0 || setegid(gid) < 0 || seteuid(uid) < 0)
                return error_set(error, errno, "take on the rights of user %u", uid);
        *ret_rights = rights;
        rights.taken = false;
        return 0;
}

void rights_return(struct rights *rights) {
        if (!rights->taken)
                return;
        rights->taken = false;
        if (seteuid(0) < 0 || setegid(rights->group) < 0 || setgroups((size_t) rights->group_count, rights->groups) < 0)
                abort();
}
