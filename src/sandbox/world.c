/* Step 2: what one sandbox has for itself. Runs in its keeper, PID 1 of the new namespaces, ahead of need. */
#include "sandbox.h"
#include "internal.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <pty.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Shared by a sandbox's /tmp, /run, /home (but for the workspace), /dev/shm; charged to the run's memory besides. */
#define PRIVATE_SIZE "256m"
#define PRIVATE_FILES "20000"

uint64_t sandbox_clone_flags(const struct sandbox_host *host) {
        /* An ordinary user's sandboxes share one host uid; a user namespace each makes the kernel count each one's
         * processes apart (RLIMIT_NPROC). With root, each account has a uid of its own, and that does the same. */
        return CLONE_NEWNS | CLONE_NEWUTS | (host->root ? 0 : CLONE_NEWUSER) |
               (sandbox_has(host, WALL_PID_NAMESPACE) ? CLONE_NEWPID : 0) |
               (sandbox_has(host, WALL_IPC_NAMESPACE) ? CLONE_NEWIPC : 0) |
               (sandbox_has(host, WALL_NETWORK_NAMESPACE) ? CLONE_NEWNET : 0);
}

static int join_groups(const int *fds, size_t count, struct error *error) {
        for (size_t i = 0; i < count; i++)
                if (write(fds[i], "0", 1) < 0)
                        return error_set(error, errno, "joining a control group");
        if (count > 0 && unshare(CLONE_NEWCGROUP) < 0)
                return error_set(error, errno, "entering a control group namespace");
        return 0;
}

/* A new /proc that shows this PID namespace and nothing of the machine, in place of the host's. */
static int mount_proc(const struct sandbox_host *host, struct error *error) {
        fd_scoped context = fsopen("proc", FSOPEN_CLOEXEC);
        if (context < 0)
                return error_set(error, errno, "opening a new /proc");
        if (fsconfig(context, FSCONFIG_SET_STRING, "subset", "pid", 0) < 0 ||
            fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return error_set(error, errno, "configuring a new /proc");
        fd_scoped mount_fd =
                fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount_fd < 0)
                return error_set(error, errno, "mounting a new /proc");
        /* In a user namespace of its own the old one is locked to its place, and stays below, out of reach. */
        if (host->root && umount2("/proc", MNT_DETACH) < 0)
                return error_set(error, errno, "letting go of the host's /proc");
        if (move_mount(mount_fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return error_set(error, errno, "mounting a new /proc");
        return 0;
}

static const struct {
        const char *part, *place;
        mode_t mode;
} private_parts[] = {
        { "/run/tmp", "/tmp", 01777 },  { "/run/var-tmp", "/var/tmp", 01777 }, { "/run/shm", "/dev/shm", 01777 },
        { "/run/home", "/home", 0755 }, { "/run/run", "/run", 0755 }, /* last: it covers the others */
};

/* One memory file system, its parts put where programs look for them. */
static int mount_private(struct error *error) {
        if (mount("carrel", "/run", "tmpfs", MS_NOSUID | MS_NODEV,
                  "mode=0755,size=" PRIVATE_SIZE ",nr_inodes=" PRIVATE_FILES) < 0)
                return error_set(error, errno, "mounting private memory");
        for (size_t i = 0; i < array_length(private_parts); i++)
                if (mkdir(private_parts[i].part, 0700) < 0 || chmod(private_parts[i].part, private_parts[i].mode) < 0)
                        return error_set(error, errno, "making %s", private_parts[i].part);
        for (size_t i = 0; i < array_length(private_parts); i++)
                if (mount(private_parts[i].part, private_parts[i].place, NULL, MS_BIND, NULL) < 0)
                        return error_set(error, errno, "mounting %s", private_parts[i].place);
        return 0;
}

static int raise_loopback(struct error *error) {
        fd_scoped fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return error_set(error, errno, "opening a socket");
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                return error_set(error, errno, "raising the loopback interface");
        return 0;
}

/* The terminal is the sandbox's own, so that a program finds it under its name and reaches no other. */
static int open_terminal(int *ret_master, int *ret_terminal, struct error *error) {
        if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0600") < 0)
                return error_set(error, errno, "mounting /dev/pts");
        fd_scoped master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (master < 0)
                return error_set(error, errno, "opening a terminal");
        int zero = 0;
        if (ioctl(master, TIOCSPTLCK, &zero) < 0)
                return error_set(error, errno, "unlocking the terminal");
        fd_scoped terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (terminal < 0)
                return error_set(error, errno, "opening the terminal's inner side");
        struct termios modes;
        if (tcgetattr(terminal, &modes) < 0)
                return error_set(error, errno, "reading the terminal's modes");
        modes.c_iflag |= IUTF8; /* so that erasing takes a character, not a byte */
        if (tcsetattr(terminal, TCSANOW, &modes) < 0)
                return error_set(error, errno, "setting the terminal's modes");
        *ret_master = steal_fd(&master);
        *ret_terminal = steal_fd(&terminal);
        return 0;
}

static int open_hints(int *ret_hints, struct error *error) {
        fd_scoped fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_set(error, errno, "opening a socket for hints");
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = WORLD_HINTS };
        if (bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 || chmod(WORLD_HINTS, 0666) < 0)
                return error_set(error, errno, "binding %s", WORLD_HINTS);
        *ret_hints = steal_fd(&fd);
        return 0;
}

int sandbox_make_world(const struct sandbox_host *host, const int *group_fds, size_t group_count,
                       struct world *ret_world, struct error *error) {
        int result = host->root ? 0
                                : map_single_ids(0, INSIDE_UID_UNPRIVILEGED, INSIDE_UID_UNPRIVILEGED,
                                                 INSIDE_UID_UNPRIVILEGED, INSIDE_UID_UNPRIVILEGED, error);
        /* A new user namespace begins with every capability in the bounding set. */
        if (result == 0 && !host->root)
                result = drop_bounding_set(error);
        /* Nobody of the same uid may look into a keeper, or write to it. */
        if (result == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                result = error_set(error, errno, "closing the keeper to others");
        if (result == 0)
                result = join_groups(group_fds, group_count, error);
        /* Without a PID namespace there is nothing of our own that a new one could show. */
        if (result == 0 && sandbox_has(host, WALL_PID_NAMESPACE))
                result = mount_proc(host, error);
        if (result == 0)
                result = mount_private(error);
        if (result == 0)
                result = make_hosts_file(error);
        if (result == 0 && sandbox_has(host, WALL_NETWORK_NAMESPACE))
                result = raise_loopback(error);
        fd_scoped master = -1, terminal = -1, hints = -1;
        if (result == 0)
                result = open_terminal(&master, &terminal, error);
        if (result == 0)
                result = open_hints(&hints, error);
        if (result < 0)
                return result;
        *ret_world = (struct world){ steal_fd(&master), steal_fd(&terminal), steal_fd(&hints) };
        return 0;
}

int sandbox_confine_keeper(struct error *error) {
        int result = drop_capabilities(error);
        return result < 0 ? result : filter_load_keeper(error);
}
