/* Step 3: a program's own process drops everything. Runs in PID 2 of the sandbox. */
#include "sandbox.h"
#include "internal.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 }; /* AddressSanitizer reserves terabytes: no limit on address space can stand beside it */
#else
enum { SANITIZED = 0 };
#endif

int drop_capabilities(struct error *error) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
        if (syscall(SYS_capset, &header, none) < 0)
                return error_set(error, errno, "dropping all capabilities");
        return 0;
}

/* Landlock repeats what the mounts say already (read everywhere, write in few places), as a second wall: were a program
 * to find a way out of its mount namespace, no file of the host would lie below an allowed one. */
static const struct {
        const char *path;
        unsigned access;
} rules[] = {
        { "/", ACCESS_READ | ACCESS_EXECUTE },
        { "/tmp", ACCESS_WRITE },
        { "/var/tmp", ACCESS_WRITE },
        { "/dev/shm", ACCESS_WRITE },
        { "/dev", ACCESS_DEVICE },
        { "/proc", ACCESS_DEVICE }, /* a process writes its own /proc/self/oom_score_adj, comm, … */
        { "/run", ACCESS_DEVICE },
};

static int prepare_landlock(int *ret_rules, struct error *error) {
        fd_scoped landlock = landlock_create(error);
        if (landlock < 0)
                return landlock;
        for (size_t i = 0; i < array_length(rules); i++) {
                int result = landlock_allow(landlock, rules[i].path, rules[i].access, error);
                if (result < 0)
                        return result;
        }
        *ret_rules = steal_fd(&landlock);
        return 0;
}

int sandbox_prepare_program(const struct sandbox_host *host, int terminal, struct program_walls *ret_walls,
                            struct error *error) {
        if (setsid() < 0)
                return error_set(error, errno, "starting a session");
        if (ioctl(terminal, TIOCSCTTY, 0) < 0)
                return error_set(error, errno, "taking the terminal");
        for (int fd = 0; fd < 3; fd++)
                if (dup2(terminal, fd) < 0)
                        return error_set(error, errno, "putting the terminal on descriptor %d", fd);
        struct program_walls walls = { .landlock = -1, .listener = -1 };
        int result = sandbox_has(host, WALL_LANDLOCK) ? prepare_landlock(&walls.landlock, error) : 0;
        if (result == 0 && sandbox_has(host, WALL_SECCOMP))
                result = filter_load_program(&walls.listener, error);
        if (result == 0)
                *ret_walls = walls;
        return result;
}

static int take_mount(int mount_fd, const char *place, struct error *error) {
        if (mkdir(place, 0755) < 0)
                return error_set(error, errno, "making %s", place);
        if (syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH, PARKED_MARK) < 0)
                return error_set(error, errno, "mounting %s", place);
        return 0;
}

static int take_mounts(const char *home, int workspace, const int *shared, struct error *error) {
        int result = take_mount(workspace, home, error);
        for (size_t i = 0; i < SHARED_TREES && result == 0; i++) {
                char place[64];
                snprintf(place, sizeof place, "/home/%s", shared_tree_names[i]);
                if (shared[i] >= 0)
                        result = take_mount(shared[i], place, error);
        }
        return result;
}

static int write_identity(const char *path, const char *text, struct error *error) {
        fd_scoped fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_set(error, errno, "making %s", path);
        int result = write_fully(fd, text, strlen(text));
        return result < 0 ? error_set(error, -result, "writing %s", path) : 0;
}

/* /etc/passwd and /etc/group lead here: so getpass, pwd and `~` know the person. What belongs to the host is seen as
 * nobody's. */
#define NOBODY "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
#define NOGROUP "nogroup:x:65534:\n"
static int write_identities(uid_t uid, const char *name, struct error *error) {
        char text[1024];
        snprintf(text, sizeof text,
                 "root:x:0:0:root:/root:/usr/sbin/nologin\n" NOBODY "%s:x:%u:%u:%s:/home/%s:/bin/bash\n", name, uid,
                 uid, name, name);
        int result = write_identity("/run/passwd", text, error);
        snprintf(text, sizeof text, "root:x:0:\n" NOGROUP "%s:x:%u:\n", name, uid);
        return result < 0 ? result : write_identity("/run/group", text, error);
}

/* Limits a process; the control group limits them all together, where there is one. */
static int set_limits(const struct sandbox_host *host, const struct run_limits *limits, struct error *error) {
        /* Ids are counted over all runs of an account. As an ordinary user each sandbox counts apart (see world.c), its
         * keeper too. Always a few more than the control group allows: it is to refuse first, since it tells of that.
         */
        rlim_t processes = (host->root ? (rlim_t) limits->processes * limits->runs : limits->processes + 1) + 8;
        const struct {
                __rlimit_resource_t resource;
                rlim_t value;
        } values[] = {
                { RLIMIT_CORE, 0 },
                { RLIMIT_NOFILE, limits->open_files },
                { RLIMIT_NPROC, processes },
                { RLIMIT_FSIZE, limits->file_bytes },
                { RLIMIT_MSGQUEUE, 819200 },
                { RLIMIT_MEMLOCK, 65536 },
                { RLIMIT_NICE, 0 },
                { RLIMIT_RTPRIO, 0 },
                { RLIMIT_SIGPENDING, 1024 },
                /* So that one absurd request is a MemoryError, which a program can handle and a beginner can read. What
                 * is asked in small steps meets the control group. Twice the limit: threads' stacks count here and are
                 * mostly never used. */
                { RLIMIT_DATA, SANITIZED ? RLIM_INFINITY : 2 * limits->memory_bytes + (256u << 20) },
        };
        for (size_t i = 0; i < array_length(values); i++) {
                struct rlimit limit = { values[i].value, values[i].value };
                if (setrlimit(values[i].resource, &limit) < 0)
                        return error_set(error, errno, "setting resource limit %d", (int) values[i].resource);
        }
        return 0;
}

static int drop_identity(const struct sandbox_host *host, uid_t uid, struct error *error) {
        if (host->root && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
                return error_set(error, errno, "becoming user %u", uid);
        int result = drop_capabilities(error);
        if (result < 0)
                return result;
        /* Changing ids closed /proc/self to ourselves; from here on the process is its user's own. */
        if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
                return error_set(error, errno, "opening the process to its user");
        return 0;
}

int sandbox_enter_program(const struct sandbox_host *host, struct program_walls *walls,
                          const struct message_program *program, int workspace, const int *shared,
                          struct error *error) {
        char home[NAME_BYTES + 8];
        snprintf(home, sizeof home, "/home/%s", program->folder);
        int result = take_mounts(home, workspace, shared, error);
        if (result == 0)
                result = write_identities(program->uid, program->folder, error);
        if (result == 0 && fchown(0, program->uid, program->uid) < 0)
                result = error_set(error, errno, "giving the terminal to its user");
        if (result == 0)
                result = set_limits(host, &program->limits, error);
        if (result == 0 && sandbox_has(host, WALL_LANDLOCK))
                result = landlock_allow(walls->landlock, home, ACCESS_WRITE, error);
        if (result == 0)
                result = drop_identity(host, program->uid, error);
        /* The end of the keeper ends a PID namespace; without one it ends this process alone, and what it forks stays.
         * After the change of ids, which forgets this wish. */
        if (result == 0 && !sandbox_has(host, WALL_PID_NAMESPACE) && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                result = error_set(error, errno, "ending with the keeper");
        if (result == 0 && sandbox_has(host, WALL_LANDLOCK))
                result = landlock_enter(walls->landlock, error);
        return result < 0 || !sandbox_has(host, WALL_SECCOMP) ? result : filter_load_last(error);
}
