/*
 * What a server that was killed has left: its control groups. (Its processes die with it: the zygote and the keepers by
 * their parent-death signal and their closed channels. Still, whatever is found in such a group is killed.)
 *
 * A server's group is named by its process id and locked while the server lives; the kernel lets go of the lock when it
 * dies, however it dies. Both must say that it is dead: the lock, since ids are given again and another container
 * counts them otherwise; the id, since a server that has just made its group has not locked it yet.
 */
#include "internal.h"
#include "../base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>

enum {
        DYING_ROUNDS = 50,       /* looks at a group whose processes have been killed */
        DYING_MILLISECONDS = 10, /* between two of them */
        SERVERS_AT_ONCE = 1000,  /* the rest next time */
};

static void close_folder(DIR **folder) {
        if (*folder)
                closedir(*folder);
}

static DIR *open_reading(int parent, const char *name) {
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd < 0 ? NULL : fdopendir(fd);
        if (!folder)
                close_fd(&fd);
        return folder;
}

/* Version 2 can kill a group whole; on version 1 one is killed after the other, and what they forked meanwhile in the
 * next round. */
static void kill_all(int group) {
        fd_scoped kill_file = openat(group, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        if (kill_file >= 0 && write(kill_file, "1", 1) == 1)
                return;
        fd_scoped list = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        char text[4096];
        ssize_t size = list < 0 ? -1 : read_fully(list, text, sizeof text - 1);
        if (size <= 0)
                return;
        text[size] = '\0';
        for (char *rest = text, *line; (line = strsep(&rest, "\n")) && rest;) { /* the last may be cut */
                pid_t pid = (pid_t) strtol(line, NULL, 10);
                if (pid > 1) /* 0: one that this PID namespace does not see */
                        (void) kill(pid, SIGKILL);
        }
}

static bool remove_run(int server, const char *name) {
        for (int round = 0; round < DYING_ROUNDS; round++) {
                if (unlinkat(server, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                        return true;
                fd_scoped group = openat(server, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (errno != EBUSY || group < 0)
                        return false;
                kill_all(group);
                nanosleep(&(struct timespec){ .tv_nsec = DYING_MILLISECONDS * 1000000L }, NULL);
        }
        return false;
}

static bool remove_runs(int parent, const char *server) {
        cleanup(close_folder) DIR *folder = open_reading(parent, server);
        const struct dirent *entry;
        while (folder && (entry = readdir(folder)))
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && !remove_run(dirfd(folder), entry->d_name))
                        return false;
        return folder != NULL;
}

static bool is_dead(int parent, const char *server) {
        uint64_t pid;
        if (parse_unsigned(server + strlen(SERVER_GROUP_PREFIX), INT32_MAX, &pid) < 0 || pid == 0)
                return false;
        if (kill((pid_t) pid, 0) == 0 || errno != ESRCH)
                return false;
        fd_scoped lock = openat(parent, server, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0;
}

void leftover_groups_remove(int parent) {
        if (faccessat(parent, ".", W_OK, 0) < 0)
                return; /* another user's: not ours to tidy */
        cleanup(close_folder) DIR *folder = open_reading(parent, ".");
        const struct dirent *entry;
        for (int count = 0; folder && (entry = readdir(folder)) && count < SERVERS_AT_ONCE;) {
                if (strncmp(entry->d_name, SERVER_GROUP_PREFIX, strlen(SERVER_GROUP_PREFIX)) != 0 ||
                    !is_dead(parent, entry->d_name))
                        continue;
                count++;
                if (!remove_runs(parent, entry->d_name) || unlinkat(parent, entry->d_name, AT_REMOVEDIR) < 0)
                        log_event(LOG_WARNING, "group.left", "group", entry->d_name, "error", strerror(errno), NULL);
                else
                        log_event(LOG_INFO, "group.swept", "group", entry->d_name, NULL);
        }
}
