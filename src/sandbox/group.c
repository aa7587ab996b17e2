/*
 * Control groups: limits over all processes of a run together, as the kernel counts them.
 *
 * Two kinds of host. Version 2 is one tree; its limits are files of the group's one folder. Version 1 is a tree a
 * controller (or for two of them together), and a group is a folder of the same name in each. Both are used through the
 * same table of "knobs".
 *
 *   <where the server was started>/carrel-server   version 2 alone: the server's own processes, see prepare_unified()
 *                                 /carrel.<pid>    this server's runs; locked while it lives, see leftover.c
 *                                 /carrel.<pid>/run.<n>
 *
 * A run's group is made while it is parked, and its keeper joins by writing "0" into descriptors that were opened here:
 * joining a version 1 group takes the kernel some 11 ms, and only the one who joins waits for it. That is also why an
 * account has no group around those of its runs: whose a parked run will be is not known yet, and a process that moves
 * pays again. The engine divides an account's share of the processor among its runs instead (group_set_weight).
 */
#include "sandbox.h"
#include "internal.h"
#include "../base/log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum controller { CONTROLLER_MEMORY, CONTROLLER_PROCESSES, CONTROLLER_CPU, CONTROLLER_ACCOUNTING, CONTROLLERS };

static const struct {
        const char *name; /* in /proc/self/cgroup, /proc/mounts and cgroup.controllers */
        enum wall wall;
} controllers[CONTROLLERS] = {
        [CONTROLLER_MEMORY] = { "memory", WALL_GROUP_MEMORY },
        [CONTROLLER_PROCESSES] = { "pids", WALL_GROUP_PROCESSES },
        [CONTROLLER_CPU] = { "cpu", WALL_GROUP_CPU },
        [CONTROLLER_ACCOUNTING] = { "cpuacct", WALLS },
};

enum {
        GROUP_PATH_BYTES = 512,
        PARKED_WEIGHT = 10, /* parking is background work beside programs, which have 100 */
        MOVING_ROUNDS = 20,
};

struct groups {
        bool unified;
        bool have[CONTROLLERS];
        int folders[CONTROLLERS]; /* version 1: the server's own group in each; version 2: all are one, kept in the
                                     first. Each holds the lock that tells others that we live. */
        char path[CONTROLLERS][GROUP_PATH_BYTES];
        char description[128];
        uint64_t next;
};

struct group {
        struct groups *groups;
        char name[32];
        int folders[CONTROLLERS]; /* version 2: the first alone */
        int joins[CONTROLLERS];
        uint64_t memory, processes; /* limits as last set; 0: never */
};

static size_t folder_count(const struct groups *groups) {
        return groups->unified ? 1 : CONTROLLERS;
}

static int folder_of(const struct group *group, enum controller controller) {
        return group->groups->unified ? group->folders[0] : group->folders[controller];
}

/* Writes or reads one knob, a file of a group. */

static int knob_write(int folder, const char *knob, const char *value, struct error *error) {
        fd_scoped fd = openat(folder, knob, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return error_set(error, errno, "opening the control group's %s", knob);
        if (write(fd, value, strlen(value)) < 0)
                return error_set(error, errno, "writing %s into the control group's %s", value, knob);
        return 0;
}

static int knob_write_number(int folder, const char *knob, uint64_t value, struct error *error) {
        char text[32];
        snprintf(text, sizeof text, "%llu", (unsigned long long) value);
        return knob_write(folder, knob, text, error);
}

/* Where the host has no such hierarchy, `folder` is -1, and there is nothing to read. */
static ssize_t knob_read(int folder, const char *knob, char *text, size_t capacity) {
        return folder < 0 ? -ENOENT : read_small_file(folder, knob, text, capacity);
}

/* The number behind `key` in a flat-keyed knob, or the whole knob's number where key is NULL. 0 where there is none. */
static uint64_t knob_number(int folder, const char *knob, const char *key) {
        char text[1024];
        if (knob_read(folder, knob, text, sizeof text) <= 0)
                return 0;
        const char *at = text;
        if (key) {
                size_t length = strlen(key);
                while (at && !(strncmp(at, key, length) == 0 && at[length] == ' ')) {
                        at = strchr(at, '\n');
                        at = at && at[1] ? at + 1 : NULL;
                }
                if (!at)
                        return 0;
                at += length + 1;
        }
        return strtoull(at, NULL, 10);
}

/* Finding the hierarchies */

static bool list_has(const char *list, const char *word) {
        size_t length = strlen(word);
        for (const char *at = list; (at = strstr(at, word)); at += length)
                if ((at == list || at[-1] == ',' || at[-1] == ' ') && (!at[length] || strchr(", \n", at[length])))
                        return true;
        return false;
}

/* Where the hierarchy with this controller (NULL: the unified one) is mounted: "" where it is not. */
static void find_mount(const char *controller, char place[static GROUP_PATH_BYTES / 2]) {
        cleanup(close_file) FILE *mounts = fopen("/proc/self/mounts", "re");
        char line[2048];
        *place = '\0';
        while (mounts && fgets(line, sizeof line, mounts)) {
                char where[GROUP_PATH_BYTES / 2], type[32], options[300];
                if (sscanf(line, "%*s %255s %31s %299s", where, type, options) != 3)
                        continue;
                if (controller ? strcmp(type, "cgroup") == 0 && list_has(options, controller)
                               : strcmp(type, "cgroup2") == 0)
                        snprintf(place, GROUP_PATH_BYTES / 2, "%s", where);
        }
}

/* In which of its groups we are, from lines like "4:cpu,cpuacct:/path" and, for the unified one, "0::/path". */
static void find_inner(const char *controller, char inner[static GROUP_PATH_BYTES / 2]) {
        cleanup(close_file) FILE *own = fopen("/proc/self/cgroup", "re");
        char line[GROUP_PATH_BYTES];
        *inner = '\0';
        while (own && fgets(line, sizeof line, own)) {
                line[strcspn(line, "\n")] = '\0';
                char *names = strchr(line, ':'), *inside = names ? strchr(names + 1, ':') : NULL;
                if (!inside)
                        continue;
                *inside++ = '\0';
                if (controller ? list_has(names + 1, controller) : names[1] == '\0')
                        snprintf(inner, GROUP_PATH_BYTES / 2, "%.255s", inside);
        }
}

static bool find_own_folder(const char *controller, char path[static GROUP_PATH_BYTES]) {
        char place[GROUP_PATH_BYTES / 2], inner[GROUP_PATH_BYTES / 2];
        find_mount(controller, place);
        find_inner(controller, inner);
        if (!*place || !*inner)
                return false;
        snprintf(path, GROUP_PATH_BYTES, "%s%s", place, strcmp(inner, "/") == 0 ? "" : inner);
        return true;
}

/* The group of this server's runs; what servers left that are no more goes first. */
static int make_server_folder(const char *own, char path[static GROUP_PATH_BYTES]) {
        char name[GROUP_PATH_BYTES];
        fd_scoped parent = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0)
                return -1;
        leftover_groups_remove(parent);
        int length = snprintf(name, sizeof name, "%s/" SERVER_GROUP_PREFIX "%d", own, (int) getpid());
        if (length < 0 || length >= GROUP_PATH_BYTES || (mkdir(name, 0755) < 0 && errno != EEXIST))
                return -1;
        int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* Refused where two controllers share one hierarchy and the other has locked it: as good. */
        if (folder >= 0)
                (void) flock(folder, LOCK_EX | LOCK_NB);
        snprintf(path, GROUP_PATH_BYTES, "%s", name);
        return folder;
}

/* Moves everybody who is in a group into a child of it: the server's processes are all that a delegated group holds.
 * Again and again, since one that forks while it is moved leaves a child behind. */
static bool empty_into(int folder, int child) {
        for (int round = 0; round < MOVING_ROUNDS; round++) {
                char processes[8192];
                ssize_t size = knob_read(folder, "cgroup.procs", processes, sizeof processes);
                if (size <= 0)
                        return size == 0;
                for (char *rest = processes, *process; (process = strsep(&rest, "\n")) && *process;) {
                        struct error error;
                        if (knob_write(child, "cgroup.procs", process, &error) < 0 && error.number != ESRCH &&
                            error.number != EINVAL) /* EINVAL: the text was cut within a number */
                                return false;
                }
        }
        return false;
}

/* Version 2 gives controllers to children only of a group that has no process itself: so we step into a child of our
 * own. The root of all is exempt from that, and its processes are not ours to move. */
static bool step_aside(int folder) {
        if (faccessat(folder, "cgroup.type", F_OK, 0) < 0)
                return true;
        if (mkdirat(folder, SERVER_PROCESSES_GROUP, 0755) < 0 && errno != EEXIST)
                return false;
        fd_scoped server = openat(folder, SERVER_PROCESSES_GROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return server >= 0 && empty_into(folder, server);
}

static bool give_controllers(int folder, bool have[static CONTROLLERS]) {
        bool some = false;
        for (enum controller c = CONTROLLER_MEMORY; c <= CONTROLLER_CPU; c++) {
                char text[32];
                snprintf(text, sizeof text, "+%s", controllers[c].name);
                have[c] = have[c] && knob_write(folder, "cgroup.subtree_control", text, NULL) == 0;
                some |= have[c];
        }
        return some;
}

static bool prepare_unified(const char *own, bool have[static CONTROLLERS]) {
        fd_scoped folder = open(own, O_PATH | O_DIRECTORY | O_CLOEXEC);
        char available[256];
        if (folder < 0 || knob_read(folder, "cgroup.controllers", available, sizeof available) <= 0)
                return false;
        bool some = false;
        for (enum controller c = CONTROLLER_MEMORY; c <= CONTROLLER_CPU; c++)
                some |= have[c] = list_has(available, controllers[c].name);
        /* None: a version 1 host, whose unified tree has no controllers, and nobody need move. */
        return some && step_aside(folder) && give_controllers(folder, have);
}

static void open_unified(struct groups *groups) {
        char own[GROUP_PATH_BYTES];
        if (!find_own_folder(NULL, own))
                return;
        /* Stepped aside earlier already: an earlier supervisor of this server did, for all of it. */
        char *aside = strrchr(own, '/');
        if (aside && strcmp(aside + 1, SERVER_PROCESSES_GROUP) == 0)
                *aside = '\0';
        bool have[CONTROLLERS] = { false };
        if (!prepare_unified(own, have))
                return;
        groups->folders[0] = make_server_folder(own, groups->path[0]);
        if (groups->folders[0] < 0)
                return;
        groups->unified = give_controllers(groups->folders[0], have);
        memcpy(groups->have, have, sizeof have);
        groups->have[CONTROLLER_ACCOUNTING] = groups->unified; /* cpu.stat is there without a controller */
}

static void open_separate(struct groups *groups) {
        for (enum controller c = 0; c < CONTROLLERS; c++) {
                char own[GROUP_PATH_BYTES];
                if (find_own_folder(controllers[c].name, own))
                        groups->folders[c] = make_server_folder(own, groups->path[c]);
                groups->have[c] = groups->folders[c] >= 0;
        }
}

static void describe(struct groups *groups) {
        bool none = true;
        for (enum controller c = CONTROLLER_MEMORY; c <= CONTROLLER_CPU; c++)
                none &= !groups->have[c];
        snprintf(groups->description, sizeof groups->description, "%s%s%s%s",
                 none              ? "none"
                 : groups->unified ? "version 2:"
                                   : "version 1:",
                 groups->have[CONTROLLER_MEMORY] ? " memory" : "", groups->have[CONTROLLER_PROCESSES] ? " pids" : "",
                 groups->have[CONTROLLER_CPU] ? " cpu" : "");
}

int groups_open(struct groups **ret_groups, struct error *error) {
        (void) error;
        struct groups *groups = allocate(sizeof *groups);
        for (size_t i = 0; i < CONTROLLERS; i++)
                groups->folders[i] = -1;
        open_unified(groups);
        if (!groups->unified)
                open_separate(groups);
        describe(groups);
        *ret_groups = groups;
        return 0;
}

void groups_close(struct groups *groups) {
        if (!groups)
                return;
        for (size_t i = 0; i < CONTROLLERS; i++) {
                /* Gone already where two controllers share one hierarchy. */
                if (groups->path[i][0] && rmdir(groups->path[i]) < 0 && errno != ENOENT)
                        log_event(LOG_WARNING, "group.left", "path", groups->path[i], "error", strerror(errno), NULL);
                close_fd(&groups->folders[i]);
        }
        free(groups);
}

bool groups_have(const struct groups *groups, enum wall wall) {
        for (enum controller c = 0; c < CONTROLLERS; c++)
                if (controllers[c].wall == wall)
                        return groups->have[c];
        return false;
}

const char *groups_describe(const struct groups *groups) {
        return groups->description;
}

/* One run's group */

int group_create(struct groups *groups, struct group **ret_group, struct error *error) {
        struct group *group = allocate(sizeof *group);
        group->groups = groups;
        snprintf(group->name, sizeof group->name, "run.%llu", (unsigned long long) ++groups->next);
        for (size_t i = 0; i < CONTROLLERS; i++)
                group->folders[i] = group->joins[i] = -1;
        int result = 0;
        for (size_t i = 0; i < folder_count(groups) && result == 0; i++) {
                if (groups->folders[i] < 0)
                        continue;
                /* EEXIST: two controllers share one hierarchy. Names are never given twice. */
                if (mkdirat(groups->folders[i], group->name, 0755) < 0 && errno != EEXIST)
                        result = error_set(error, errno, "making a control group");
                else if ((group->folders[i] =
                                  openat(groups->folders[i], group->name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 ||
                         (group->joins[i] = openat(group->folders[i], "cgroup.procs", O_WRONLY | O_CLOEXEC)) < 0)
                        result = error_set(error, errno, "opening a control group");
        }
        if (result == 0)
                result = group_set_weight(group, PARKED_WEIGHT, error);
        if (result < 0) {
                (void) group_remove(&group); /* empty: it goes at once */
                return result;
        }
        *ret_group = group;
        return 0;
}

size_t group_join_fds(const struct group *group, int fds[], size_t capacity) {
        size_t count = 0;
        for (size_t i = 0; i < CONTROLLERS && count < capacity; i++)
                if (group->joins[i] >= 0)
                        fds[count++] = group->joins[i];
        return count;
}

void group_close_joins(struct group *group) {
        for (size_t i = 0; i < CONTROLLERS; i++)
                close_fd(&group->joins[i]);
}

/* Swapping counts as well: a program that may not have the memory may not have the disk instead, and slow all others
 * down. Not every host counts it. */
static int set_memory(struct group *group, uint64_t bytes, struct error *error) {
        int folder = folder_of(group, CONTROLLER_MEMORY);
        if (!group->groups->unified) {
                /* The sum may never be below memory alone: before it when it grows, after it when it shrinks. */
                (void) knob_write_number(folder, "memory.memsw.limit_in_bytes", bytes, NULL);
                int result = knob_write_number(folder, "memory.limit_in_bytes", bytes, error);
                (void) knob_write_number(folder, "memory.memsw.limit_in_bytes", bytes, NULL);
                return result;
        }
        int result = knob_write_number(folder, "memory.max", bytes, error);
        (void) knob_write(folder, "memory.swap.max", "0", NULL);
        /* A run whose memory is gone ends whole. On version 1 the sampler sees to that. */
        (void) knob_write(folder, "memory.oom.group", "1", NULL);
        return result;
}

int group_set_weight(struct group *group, uint32_t weight, struct error *error) {
        if (!group->groups->have[CONTROLLER_CPU])
                return 0;
        if (group->groups->unified)
                return knob_write_number(group->folders[0], "cpu.weight", weight > 0 ? weight : 1, error);
        uint64_t shares = (uint64_t) weight * 1024 / 100;
        return knob_write_number(group->folders[CONTROLLER_CPU], "cpu.shares", shares > 2 ? shares : 2, error);
}

int group_set_limits(struct group *group, const struct run_limits *limits, struct error *error) {
        const struct groups *groups = group->groups;
        uint64_t memory = limits->memory_bytes, processes = limits->processes + 1; /* the keeper is one of them */
        int result = 0;
        if (groups->have[CONTROLLER_MEMORY] && group->memory != memory)
                result = set_memory(group, memory, error);
        if (result == 0)
                group->memory = memory;
        if (result == 0 && groups->have[CONTROLLER_PROCESSES] && group->processes != processes)
                result = knob_write_number(folder_of(group, CONTROLLER_PROCESSES), "pids.max", processes, error);
        if (result == 0)
                group->processes = processes;
        return result;
}

uint64_t group_cpu_milliseconds(const struct group *group) {
        return group->groups->unified
                       ? knob_number(group->folders[0], "cpu.stat", "usage_usec") / 1000
                       : knob_number(group->folders[CONTROLLER_ACCOUNTING], "cpuacct.usage", NULL) / 1000000;
}

uint64_t group_peak_bytes(const struct group *group) {
        return group->groups->unified
                       ? knob_number(group->folders[0], "memory.peak", NULL)
                       : knob_number(group->folders[CONTROLLER_MEMORY], "memory.max_usage_in_bytes", NULL);
}

bool group_ran_out_of_memory(const struct group *group) {
        return group->groups->unified
                       ? knob_number(group->folders[0], "memory.events", "oom_kill") > 0
                       : knob_number(group->folders[CONTROLLER_MEMORY], "memory.oom_control", "oom_kill") > 0;
}

bool group_ran_out_of_processes(const struct group *group) {
        return group->groups->have[CONTROLLER_PROCESSES] &&
               knob_number(folder_of(group, CONTROLLER_PROCESSES), "pids.events", "max") > 0;
}

int group_remove(struct group **group) {
        struct group *gone = *group;
        if (!gone)
                return 0;
        int result = 0;
        for (size_t i = 0; i < folder_count(gone->groups); i++) {
                close_fd(&gone->joins[i]);
                if (gone->groups->folders[i] < 0)
                        continue;
                if (unlinkat(gone->groups->folders[i], gone->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                        result = -errno;
        }
        if (result < 0)
                return result;
        for (size_t i = 0; i < CONTROLLERS; i++)
                close_fd(&gone->folders[i]);
        free(gone);
        *group = NULL;
        return 0;
}
