/* Which walls this host can put up: tried, not read off version numbers. And which of them it takes to run programs. */
#include "sandbox.h"
#include "internal.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct {
        enum wall wall;
        int flag;
} namespaces[] = {
        { WALL_USER_NAMESPACE, CLONE_NEWUSER }, /* first: an ordinary user may make the others only inside it */
        { WALL_MOUNT_NAMESPACE, CLONE_NEWNS },    { WALL_PID_NAMESPACE, CLONE_NEWPID },
        { WALL_NETWORK_NAMESPACE, CLONE_NEWNET }, { WALL_IPC_NAMESPACE, CLONE_NEWIPC },
};

/* The calls by which a sandbox's root is built are newer than mount namespaces (Linux 5.12). */
static bool mounts_can_be_detached(void) {
        /* With all below it: in a user namespace mounts that came from outside are locked together. */
        fd_scoped tree = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        return tree >= 0 && mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == 0;
}

static uint64_t try_namespaces(void) {
        uint64_t missing = 0;
        for (size_t i = 0; i < array_length(namespaces); i++)
                if (unshare(namespaces[i].flag) < 0)
                        missing |= WALL_BIT(namespaces[i].wall);
        if (!mounts_can_be_detached())
                missing |= WALL_BIT(WALL_MOUNT_NAMESPACE);
        return missing;
}

/* In a process of its own, since there is no way back out of them. Where none can be had, all are held missing. */
static uint64_t probe_namespaces(void) {
        uint64_t missing = 0;
        for (size_t i = 0; i < array_length(namespaces); i++)
                missing |= WALL_BIT(namespaces[i].wall);
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return missing;
        fd_scoped reading = ends[0], writing = ends[1];
        pid_t pid = fork();
        if (pid == 0) {
                uint64_t found = try_namespaces();
                _exit(write_fully(writing, &found, sizeof found) < 0);
        }
        close_fd(&writing);
        uint64_t found;
        if (pid > 0 && read_fully(reading, &found, sizeof found) == sizeof found)
                missing = found;
        if (pid > 0)
                (void) waitpid(pid, NULL, 0);
        return missing;
}

static uint64_t probe_groups(void) {
        static const enum wall walls[] = { WALL_GROUP_MEMORY, WALL_GROUP_PROCESSES, WALL_GROUP_CPU };
        uint64_t missing = 0;
        struct groups *groups = NULL;
        struct error error = { 0 };
        bool opened = groups_open(&groups, &error) == 0;
        for (size_t i = 0; i < array_length(walls); i++)
                if (!opened || !groups_have(groups, walls[i]))
                        missing |= WALL_BIT(walls[i]);
        groups_close(groups);
        return missing;
}

uint64_t walls_probe(const struct sandbox_host *host) {
        uint64_t missing = probe_namespaces() | probe_groups();
        uint32_t action = SECCOMP_RET_ERRNO;
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
                missing |= WALL_BIT(WALL_SECCOMP);
        if (landlock_abi() == 0)
                missing |= WALL_BIT(WALL_LANDLOCK);
        if (!host->root)
                missing |= WALL_BIT(WALL_OWN_UID);
        return missing;
}

bool wall_is_required(const struct sandbox_host *host, enum wall wall) {
        switch (wall) {
        case WALL_OWN_UID: /* a server that an ordinary user starts has one uid; the others keep programs apart */
        case WALL_GROUP_PROCESSES: /* RLIMIT_NPROC counts an account's processes besides */
        case WALL_GROUP_CPU:       /* the limit of processor time does without */
                return false;
        case WALL_GROUP_MEMORY:
                /* Without it a program's processes are limited one by one, and together can fill the machine. An
                 * ordinary user, who mostly has no control group to give, could do that anyway; a school's server must
                 * not let it happen. */
                return host->root;
        default:
                return true;
        }
}

const char *wall_is_needed(const struct sandbox_host *host, enum wall wall) {
        switch (wall) {
        case WALL_MOUNT_NAMESPACE:
                return "a sandbox's whole root is made of its mounts";
        case WALL_USER_NAMESPACE:
                return host->root ? NULL : "an ordinary user has the right to build a sandbox only in one";
        default:
                return NULL;
        }
}

uint64_t walls_accept(struct sandbox_host *host, uint64_t missing, uint64_t accepted) {
        uint64_t in_the_way = 0;
        for (enum wall wall = 0; wall < WALLS; wall++) {
                uint64_t bit = WALL_BIT(wall);
                if (!(missing & bit))
                        continue;
                bool needed = wall_is_needed(host, wall) != NULL;
                if (needed || (wall_is_required(host, wall) && !(accepted & bit)))
                        in_the_way |= bit;
                else
                        host->without |= bit;
        }
        return in_the_way;
}
