/* What the files of this room share and no other room sees. */
#pragma once

#include "sandbox.h"

#include <linux/filter.h>

int write_file(const char *path, const char *text, struct error *error) must_check;
int map_single_ids(pid_t pid, uid_t inside_uid, uid_t uid, gid_t inside_gid, gid_t gid, struct error *error) must_check;
int change_root(const char *new_root, struct error *error) must_check;

/* leftover.c */
#define SERVER_GROUP_PREFIX "carrel."
#define SERVER_PROCESSES_GROUP "carrel-server"
/* Removes, below a control group, the groups of servers that are no more, and kills what is left in them. */
void leftover_groups_remove(int parent);

/* network.c */
int make_hosts_file(struct error *error) must_check; /* where /etc/hosts leads: no name but the own */

/* landlock.c */
int landlock_abi(void); /* 0: there is none */
enum landlock_access { ACCESS_READ = 1, ACCESS_EXECUTE = 2, ACCESS_WRITE = 4, ACCESS_DEVICE = 8, ACCESS_FILE = 16 };
int landlock_create(struct error *error) must_check; /* a rule set that allows nothing; a descriptor */
/* The same, and where the kernel knows how (version 4), no port to bind or to connect to. */
int landlock_create_outward(struct error *error) must_check;
int landlock_allow_port(int rules, uint16_t port, struct error *error) must_check; /* to connect to */
int landlock_allow(int rules, const char *path, unsigned access, struct error *error) must_check;
int landlock_enter(int rules, struct error *error) must_check;

/* filter.c */
/* While parked: move_mount() is still allowed, where its sixth argument (it has five) is the mark. The listener is -1
 * where what is refused cannot be counted. */
int filter_load_program(int *ret_listener, struct error *error) must_check;
int filter_load_last(struct error *error) must_check; /* then no longer */
int filter_load_keeper(struct error *error) must_check;
const struct sock_fprog *filter_of_programs(void); /* as it answers by itself */
enum { MARK_ARGUMENT = 5, PARKED_MARK = 0x6361 };

/* refused.c */
/* A copy of the filter that asks the listener wherever that one gives an errno. */
struct sock_fprog refused_ask_listener(const struct sock_fprog *filter);
/* Loads it. The listener, or -1: this kernel cannot, or whoever started the server holds a listener already. */
int refused_listen(const struct sock_fprog *filter);

/* service_filter.c */
int service_filter_web(struct error *error) must_check;
int service_filter_gate(struct error *error) must_check;
int service_filter_machine(struct error *error) must_check; /* for the monitor and the supervisor, and all below them */

/* No program below can ever gain a capability: neither by a file nor by being root inside. */
int drop_bounding_set(struct error *error) must_check;
/* The bounding set alone, all but these (bits). */
int keep_bounding_set(uint64_t kept, struct error *error) must_check;
/* Empties the permitted, effective and inheritable sets. */
int drop_capabilities(struct error *error) must_check;
