/*
 * Control groups: limits over all processes of a run together, as the kernel counts them.
 *
 * Two kinds of host. Version 2 is one tree; its limits are files of the group's one folder. Version 1 is a tree a
 * controller, and a group is a folder of the same name in each. Both are used through the same table of "knobs". A
 * run's group is made while it is parked, and its keeper joins by writing "0" into descriptors that were opened here:
 * joining a version 1 group takes the kernel some 11 ms, and only the one who joins waits for it.
 */
#include "sandbox.h"
#include "internal.h"
#include "../base/log.h"

#include <fcntl.h>
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

struct groups {
        bool unified;
        bool have[CONTROLLERS];
        int folders[CONTROLLERS]; /* version 1: the server's own group in each; version 2: all are one, kept in the
                                     first */
        char path[CONTROLLERS][256];
        char description[128];
        uint64_t next;
};

struct group {
        struct groups *groups;
        char name[32];
        int folders[CONTROLLERS]; /* version 2: the first alone */
        int joins[CONTROLLERS];
};

enum { PARKED_WEIGHT = 10 }; /* parking is background work beside programs, which have 100 */

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

static ssize_t knob_read(int folder, const char *knob, char *text, size_t capacity) {
        fd_scoped fd = folder < 0 ? -1 : openat(folder, knob, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -1;
        ssize_t size = read_fully(fd, text, capacity - 1);
        if (size >= 0)
                text[size] = '\0';
        return size;
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

/* Where the hierarchy with this controller (NULL: the unified one) is mounted, and where in it we are. */
static bool find_own_folder(const char *controller, char path[static 256]) {
        cleanup(close_file) FILE *mounts = fopen("/proc/self/mounts", "re");
        cleanup(close_file) FILE *own = fopen("/proc/self/cgroup", "re");
        if (!mounts || !own)
                return false;
        char line[1024], place[200] = "", inner[200] = "";
        while (fgets(line, sizeof line, mounts)) {
                char where[200], type[32], options[300];
                if (sscanf(line, "%*s %199s %31s %299s", where, type, options) != 3)
                        continue;
                if (controller ? strcmp(type, "cgroup") == 0 && list_has(options, controller)
                               : strcmp(type, "cgroup2") == 0)
                        snprintf(place, sizeof place, "%s", where);
        }
        while (fgets(line, sizeof line, own)) {
                line[strcspn(line, "\n")] = '\0';
                char *names = strchr(line, ':'), *inside = names ? strchr(names + 1, ':') : NULL;
                if (!inside)
                        continue;
                *inside++ = '\0';
                if (controller ? list_has(names + 1, controller) : names[1] == '\0')
                        snprintf(inner, sizeof inner, "%s", inside);
        }
        if (!*place || !*inner)
                return false;
        int length = snprintf(path, 256, "%.120s%.120s", place, strcmp(inner, "/") == 0 ? "" : inner);
        return length > 0 && length < 256;
}

static int make_server_folder(const char *own, char path[static 256]) {
        char name[256];
        int length = snprintf(name, sizeof name, "%.200s/carrel.%d", own, (int) getpid());
        if (length < 0 || (mkdir(name, 0755) < 0 && errno != EEXIST))
                return -1;
        snprintf(path, 256, "%s", name);
        return open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Version 2 gives controllers to children only of a group that has no process itself: so we step into a child of our
 * own. */
static bool prepare_unified(const char *own, bool have[static CONTROLLERS]) {
        fd_scoped folder = open(own, O_PATH | O_DIRECTORY | O_CLOEXEC);
        char available[256];
        if (folder < 0 || knob_read(folder, "cgroup.controllers", available, sizeof available) <= 0)
                return false;
        bool some = false;
        for (enum controller c = CONTROLLER_MEMORY; c <= CONTROLLER_CPU; c++)
                some |= list_has(available, controllers[c].name);
        if (!some)
                return false; /* a version 1 host: this tree has no controllers, and nobody need move */
        if (mkdirat(folder, "carrel-server", 0755) < 0 && errno != EEXIST)
                return false;
        fd_scoped server = openat(folder, "carrel-server", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (server < 0)
                return false;
        /* Everybody who is here moves: the server's processes are all that a delegated group holds. */
        char processes[8192];
        if (knob_read(folder, "cgroup.procs", processes, sizeof processes) > 0)
                for (char *rest = processes, *process; (process = strsep(&rest, "\n")) && *process;)
                        if (knob_write(server, "cgroup.procs", process, NULL) < 0)
                                return false;
        some = false;
        for (enum controller c = CONTROLLER_MEMORY; c <= CONTROLLER_CPU; c++) {
                char text[32];
                snprintf(text, sizeof text, "+%s", controllers[c].name);
                have[c] = list_has(available, controllers[c].name) &&
                          knob_write(folder, "cgroup.subtree_control", text, NULL) == 0;
                some |= have[c];
        }
        have[CONTROLLER_ACCOUNTING] = some; /* cpu.stat is there without a controller */
        return some;
}

static void open_unified(struct groups *groups) {
        char own[256];
        if (!find_own_folder(NULL, own))
                return;
        /* Stepped aside earlier already (the monitor does, for all that it starts). */
        char *aside = strstr(own, "/carrel-server");
        if (aside && !aside[strlen("/carrel-server")])
                *aside = '\0';
        bool have[CONTROLLERS] = { false };
        if (!prepare_unified(own, have))
                return;
        groups->folders[0] = make_server_folder(own, groups->path[0]);
        if (groups->folders[0] < 0)
                return;
        for (enum controller c = CONTROLLER_MEMORY; c <= CONTROLLER_CPU; c++) {
                char text[32];
                snprintf(text, sizeof text, "+%s", controllers[c].name);
                groups->have[c] = have[c] && knob_write(groups->folders[0], "cgroup.subtree_control", text, NULL) == 0;
        }
        groups->have[CONTROLLER_ACCOUNTING] = true;
        groups->unified = true;
}

static void open_separate(struct groups *groups) {
        for (enum controller c = 0; c < CONTROLLERS; c++) {
                char own[256];
                if (find_own_folder(controllers[c].name, own))
                        groups->folders[c] = make_server_folder(own, groups->path[c]);
                groups->have[c] = groups->folders[c] >= 0;
        }
}

int groups_open(struct groups **ret_groups, struct error *error) {
        (void) error;
        struct groups *groups = allocate(sizeof *groups);
        for (size_t i = 0; i < CONTROLLERS; i++)
                groups->folders[i] = -1;
        open_unified(groups);
        if (!groups->have[CONTROLLER_MEMORY] && !groups->have[CONTROLLER_PROCESSES] && !groups->have[CONTROLLER_CPU])
                open_separate(groups);
        snprintf(groups->description, sizeof groups->description, "%s:%s%s%s",
                 groups->unified ? "version 2" : "version 1", groups->have[CONTROLLER_MEMORY] ? " memory" : "",
                 groups->have[CONTROLLER_PROCESSES] ? " pids" : "", groups->have[CONTROLLER_CPU] ? " cpu" : "");
        *ret_groups = groups;
        return 0;
}

void groups_close(struct groups *groups) {
        if (!groups)
                return;
        for (size_t i = 0; i < CONTROLLERS; i++) {
                close_fd(&groups->folders[i]);
                if (groups->path[i][0] && rmdir(groups->path[i]) < 0)
                        log_event(LOG_WARNING, "group.left", "path", groups->path[i], "error", strerror(errno), NULL);
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
                if (mkdirat(groups->folders[i], group->name, 0755) < 0)
                        result = error_set(error, errno, "making a control group");
                else if ((group->folders[i] =
                                  openat(groups->folders[i], group->name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 ||
                         (group->joins[i] = openat(group->folders[i], "cgroup.procs", O_WRONLY | O_CLOEXEC)) < 0)
                        result = error_set(error, errno, "opening a control group");
        }
        if (result == 0 && groups->have[CONTROLLER_CPU])
                result = groups->unified ? knob_write_number(group->folders[0], "cpu.weight", PARKED_WEIGHT, error)
                                         : knob_write_number(group->folders[CONTROLLER_CPU], "cpu.shares",
                                                             PARKED_WEIGHT, error);
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

static int set_memory(struct group *group, uint64_t bytes, struct error *error) {
        int folder = folder_of(group, CONTROLLER_MEMORY);
        if (!group->groups->unified)
                return knob_write_number(folder, "memory.limit_in_bytes", bytes, error);
        int result = knob_write_number(folder, "memory.max", bytes, error);
        if (result == 0)
                (void) knob_write(folder, "memory.swap.max", "0",
                                  NULL); /* not there on hosts without swap accounting */
        return result;
}

int group_set_limits(struct group *group, const struct run_limits *limits, struct error *error) {
        const struct groups *groups = group->groups;
        int result = 0;
        if (groups->have[CONTROLLER_MEMORY])
                result = set_memory(group, limits->memory_bytes, error);
        if (result == 0 && groups->have[CONTROLLER_PROCESSES]) /* the keeper is one of them */
                result = knob_write_number(folder_of(group, CONTROLLER_PROCESSES), "pids.max", limits->processes + 1,
                                           error);
        if (result == 0 && groups->have[CONTROLLER_CPU])
                result = groups->unified ? knob_write_number(group->folders[0], "cpu.weight", limits->cpu_weight, error)
                                         : knob_write_number(group->folders[CONTROLLER_CPU], "cpu.shares",
                                                             (uint64_t) limits->cpu_weight * 1024 / 100, error);
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
