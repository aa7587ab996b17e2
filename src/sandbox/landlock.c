/* Landlock, by its three system calls: Debian 12's headers know only its first two versions, its kernels and later ones
 * more. */
#include "internal.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Rights of later versions than the header's, by <linux/landlock.h> of Linux 6.12. */
#define RIGHTS_TCP UINT64_C(3) /* version 4: bind and connect, of the network's */
#define RIGHT_CONNECT_TCP (UINT64_C(1) << 1)
#define RULE_PORT 2
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)     /* version 3 */
#define RIGHT_IOCTL_DEV (UINT64_C(1) << 15)    /* version 5 */
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* version 6 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

struct ruleset { /* struct landlock_ruleset_attr of version 6 */
        uint64_t files, network, scoped;
};

struct port_rule { /* struct landlock_net_port_attr */
        uint64_t access, port;
};

enum { VERSION_1_RIGHTS = 13 }; /* EXECUTE … MAKE_SYM, bits 0 to 12 */

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS                                                                                                   \
        (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |              \
         LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |                    \
         LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | RIGHT_TRUNCATE)

int landlock_abi(void) {
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        return version < 0 ? 0 : (int) version;
}

static uint64_t known_rights(void) {
        int version = landlock_abi();
        uint64_t rights = (UINT64_C(1) << VERSION_1_RIGHTS) - 1;
        if (version >= 2)
                rights |= LANDLOCK_ACCESS_FS_REFER;
        if (version >= 3)
                rights |= RIGHT_TRUNCATE;
        if (version >= 5)
                rights |= RIGHT_IOCTL_DEV;
        return rights;
}

static int create(uint64_t network, struct error *error) {
        struct ruleset rules = { .files = known_rights() };
        if (landlock_abi() >= 4)
                rules.network = network;
        if (landlock_abi() >= 6)
                rules.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        /* Older kernels take a shorter structure, and a longer one whose rest is zero. */
        long fd = syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
        if (fd < 0)
                return error_set(error, errno, "making a Landlock rule set");
        return (int) fd;
}

int landlock_create(struct error *error) {
        return create(0, error);
}

int landlock_create_outward(struct error *error) {
        return create(RIGHTS_TCP, error);
}

int landlock_allow_port(int rules, uint16_t port, struct error *error) {
        const struct port_rule rule = { RIGHT_CONNECT_TCP, port };
        if (landlock_abi() >= 4 && syscall(SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0) < 0)
                return error_set(error, errno, "allowing port %u by Landlock", port);
        return 0;
}

int landlock_allow(int rules, const char *path, unsigned access, struct error *error) {
        fd_scoped fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return error_set(error, errno, "opening %s for a Landlock rule", path);
        uint64_t rights = 0;
        if (access & ACCESS_READ)
                rights |= READ_RIGHTS;
        if (access & ACCESS_FILE) /* what is no folder */
                rights |= LANDLOCK_ACCESS_FS_READ_FILE;
        if (access & ACCESS_EXECUTE)
                rights |= LANDLOCK_ACCESS_FS_EXECUTE;
        if (access & ACCESS_WRITE)
                rights |= WRITE_RIGHTS;
        if (access & ACCESS_DEVICE)
                rights |= RIGHT_IOCTL_DEV | LANDLOCK_ACCESS_FS_WRITE_FILE;
        struct landlock_path_beneath_attr rule = { .allowed_access = rights & known_rights(), .parent_fd = fd };
        if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
                return error_set(error, errno, "allowing %s by Landlock", path);
        return 0;
}

int landlock_enter(int rules, struct error *error) {
        if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
                return error_set(error, errno, "entering Landlock");
        return 0;
}
