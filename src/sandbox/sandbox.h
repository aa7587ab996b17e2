/*
 * sandbox: the walls around a program, and around the server's own processes.
 *
 * Read it in the order in which a sandbox comes to be:
 *
 *   1. namespace.c   The zygote enters a user namespace whose ids are unprivileged on the host, and a mount namespace
 * whose root is a new read-only tree: /usr, a few files of /etc, device nodes, nothing else. Once.
 *   2. world.c       A keeper, PID 1 of a namespace of its own, gives its sandbox a private /proc, /tmp, /home,
 * /dev/shm, terminal and loopback, and joins its control group. Ahead of need, while parked.
 *   3. program.c     At Run, the program's process takes its workspace in, and drops everything: Landlock, ids,
 * capabilities, seccomp. After that nothing is left that it could give back. network.c: where its class may reach some
 * hosts, the way to them is made before.
 *
 * group.c keeps the control groups (limits over a whole run; leftover.c: those of dead servers), landlock.c and
 * filter.c build the two rule sets, refused.c counts what the second refuses, service.c puts the server's own processes
 * behind walls.
 *
 * The room owns no process. It promises: each function either puts up the whole wall that it names or fails and says
 * why; none falls back by itself to less. What a host lacks is found by walls_probe() (probe.c) and decided by the
 * operator: a wall is left out only where sandbox_host.without names it.
 */
#pragma once

#include "../base/base.h"
#include "../ipc/messages.h"

#include <sys/types.h>

enum wall {
        WALL_USER_NAMESPACE,
        WALL_MOUNT_NAMESPACE,
        WALL_PID_NAMESPACE,
        WALL_NETWORK_NAMESPACE,
        WALL_IPC_NAMESPACE,
        WALL_LANDLOCK,
        WALL_SECCOMP,
        WALL_OWN_UID,      /* an account has a uid of its own; only where the server was started by root */
        WALL_GROUP_MEMORY, /* control groups */
        WALL_GROUP_PROCESSES,
        WALL_GROUP_CPU,
        WALLS
};

#define WALL_BIT(wall) (UINT64_C(1) << (wall))

/* As an operator writes them in walls.missing, and `carrel doctor` prints them. */
extern const char *const wall_names[WALLS];

enum { INSIDE_UID_UNPRIVILEGED = 1000, INSIDE_IDS = 65536 };

/* How this server stands: decided once, at its start. */
struct sandbox_host {
        bool root; /* started by root: accounts get host uids from uid_base on */
        uid_t uid_base;
        uid_t uid; /* the server's own, where it is not root */
        gid_t gid;
        /* Bits of enum wall: not put up, because this host lacks them and the operator knows (walls_accept), or for
         * tests of the other walls (`carrel sandbox --without`). */
        uint64_t without;
};

static inline bool sandbox_has(const struct sandbox_host *host, enum wall wall) {
        return !(host->without & WALL_BIT(wall));
}

struct sandbox_host sandbox_host_here(uint64_t uid_base);
/* The uid inside a sandbox, and on the host, of an account's or class's number. */
uid_t sandbox_inside_uid(const struct sandbox_host *host, uint32_t number);
uid_t sandbox_host_uid(const struct sandbox_host *host, uint32_t number);

/* probe.c */

/* Which walls this host cannot put up, as bits: each is tried, in a process of its own. Some milliseconds. */
uint64_t walls_probe(const struct sandbox_host *host);
/* No program is run without it, unless the operator says so by name. */
bool wall_is_required(const struct sandbox_host *host, enum wall wall);
/* NULL, or why sandboxes cannot do without this wall. */
const char *wall_is_needed(const struct sandbox_host *host, enum wall wall);
/* Leaves out what is missing and accepted. Returns what then stands in the way of running programs: required, missing
 * and not accepted, or not to be done without. */
uint64_t walls_accept(struct sandbox_host *host, uint64_t missing, uint64_t accepted);

/* namespace.c */

/* For the supervisor: a mount namespace (and, not being root, a user namespace) of its own, in which it may clone
 * mounts; a network without an interface and an IPC namespace, where nothing of the host's is. The process must still
 * be single-threaded. */
int sandbox_enter_supervisor(const struct sandbox_host *host, struct error *error) must_check;
/* For the supervisor: gives a process that has just unshared its user namespace its ids. */
int sandbox_write_maps(const struct sandbox_host *host, pid_t pid, struct error *error) must_check;
/* A detached mount (sandbox_clone_tree) of packages, and the folder of the host's that all sandboxes of this zygote see
 * it in place of. Mount -1: none. */
struct sandbox_packages {
        int mount;
        const char *place;
};
/* For the zygote: everything of step 1. `ask_for_maps` returns when sandbox_write_maps was done for it. */
int sandbox_enter_zygote(const struct sandbox_host *host, const struct sandbox_packages *packages,
                         int (*ask_for_maps)(void *, struct error *), void *context, struct error *error) must_check;
/* Detaches the mount of a directory: read-only or not, never with devices or set-user-id programs. Returns a
 * descriptor. */
int sandbox_clone_tree(int directory_fd, const char *path, bool read_only, struct error *error) must_check;

/* world.c */

struct world {
        int master;   /* of the sandbox's own terminal */
        int terminal; /* its other side, for the program */
        int hints;    /* a datagram socket at WORLD_HINTS inside: what a program says of itself, believed by nobody */
};

#define WORLD_HINTS "/run/carrel"
enum { HINT_REPL = 'r' };

/* For the keeper, freshly cloned into its namespaces: everything of step 2. */
int sandbox_make_world(const struct sandbox_host *host, const int *group_fds, size_t group_count,
                       struct world *ret_world, struct error *error) must_check;
/* The keeper's own walls: no capability, no dump, a filter of a dozen calls. After it the keeper can only wait and
 * tell. */
int sandbox_confine_keeper(struct error *error) must_check;
/* The clone flags of a keeper. */
uint64_t sandbox_clone_flags(const struct sandbox_host *host);

/* network.c */

/* In the program's process at Run, while it has its rights: gives the names of a list (hosts.h) addresses of the
 * loopback, and makes the listening sockets of its endpoints, in their order. For whoever accepts there (gate.h). */
int sandbox_open_network(const char *list, int ret_listeners[static HOSTS_ENDPOINTS], size_t *ret_count,
                         struct error *error) must_check;

/* program.c */

/* What can be prepared while parked: the rule sets. */
struct program_walls {
        int landlock; /* a rule set without the home folder; -1 where Landlock is left out */
        int listener; /* where refused calls wait for their answer: the keeper's alone; -1 where they are not counted */
};
/* Once, in the zygote: the seccomp filters, inherited by every fork. */
int sandbox_prepare_filter(struct error *error) must_check;
/* In the program's process, parked: its session, its terminal on 0, 1 and 2, its Landlock rules. */
int sandbox_prepare_program(const struct sandbox_host *host, int terminal, struct program_walls *ret_walls,
                            struct error *error) must_check;
/* At Run: takes the mounts in, then drops everything. `mounts` are the workspace's and the shared trees' (-1: none), in
 * the order of shared_tree_names. When it returns 0 all walls stand. */
int sandbox_enter_program(const struct sandbox_host *host, struct program_walls *walls,
                          const struct message_program *program, int workspace, const int *shared,
                          struct error *error) must_check;

/* refused.c: system calls that a program is refused, counted by their numbers. */

/* For the keeper: answers a call that waits, with the errno that the program's filter has for it; never lets it pass.
 * Returns its number (0 … CALL_NUMBERS - 1, the last for all that have none); -ENOENT: who asked is gone; or any other
 * error, after which who asked may still wait: then the listener is to be closed. Does not block where the listener was
 * readable. */
int sandbox_answer_refused(int listener);
/* Can this host count them? Tried, in a process of its own. */
bool sandbox_counts_refused(void);
/* "mount"; NULL where the number has no name. Free it. */
char *sandbox_call_name(unsigned number);

enum { SHARED_TREES = 3 };
extern const char *const shared_tree_names[SHARED_TREES];

/* group.c */

struct groups; /* the hierarchies that this server may use, and its own group in them */
struct group;  /* one run's */

/* Finds what the host has (v2, v1, or nothing), removes what servers left there that are no more, and makes the
 * server's own group. Never fails for lack of control groups: ask groups_have(). */
int groups_open(struct groups **ret_groups, struct error *error) must_check;
void groups_close(struct groups *groups); /* removes the server's group, which must be empty */
bool groups_have(const struct groups *groups, enum wall wall);
const char *groups_describe(const struct groups *groups);

int group_create(struct groups *groups, struct group **ret_group, struct error *error) must_check;
/* Descriptors to write "0" into, for whoever joins; the group's own. Returns how many. */
size_t group_join_fds(const struct group *group, int fds[], size_t capacity);
/* All that will join by them has joined: a thousand runs need not hold them. */
void group_close_joins(struct group *group);
/* Memory and processes. */
int group_set_limits(struct group *group, const struct run_limits *limits, struct error *error) must_check;
/* Its share of the processor against other groups', of 100. */
int group_set_weight(struct group *group, uint32_t weight, struct error *error) must_check;
uint64_t group_cpu_milliseconds(const struct group *group); /* 0 where it is not counted */
uint64_t group_peak_bytes(const struct group *group);
bool group_ran_out_of_memory(const struct group *group);    /* the kernel has killed a process of it for that */
bool group_ran_out_of_processes(const struct group *group); /* it has refused to start one more */
/* 0, or -EBUSY while something is left in it: try again. Frees it when it is gone. */
int group_remove(struct group **group);

/* service.c */

/* For the web server: leaves everything but one directory, which becomes /store (writable), and its open descriptors.
 * Then the uid, no capability, no new privileges, Landlock, seccomp: no new process, program or socket. Threads may be
 * started after it, not before. Takes store_fd over; no other folder may be open (-EBUSY). */
int sandbox_confine_web(const struct sandbox_host *host, uid_t service_uid, int store_fd,
                        struct error *error) must_check;
/* For a gate (gate.h): stays in the host's network, and has no right and no file but what finding an address takes; of
 * TCP it may connect to these ports and the DNS's, where the kernel can hold it to that. Fails where the host has no
 * Landlock or no seccomp, whatever its operator accepted for other processes. Threads may be started after it. */
int sandbox_confine_gate(const struct sandbox_host *host, uid_t service_uid, const uint16_t *ports, size_t count,
                         struct error *error) must_check;
/* For the supervisor, after sandbox_enter_supervisor() and before it starts anything: keeps the few capabilities that
 * it needs, has no network, and is denied (with all below it) what changes the machine. */
int sandbox_confine_supervisor(const struct sandbox_host *host, struct error *error) must_check;
/* For the monitor, when its listeners are open and before it starts anything: the same, but for what its children's own
 * confinement needs. */
int sandbox_confine_monitor(const struct sandbox_host *host, struct error *error) must_check;
