/*
 * beneath: opening what lies below a descriptor, and nothing else. Private to the room.
 */
#pragma once

#include "../base/base.h"

/* Whether a mounted file system in the way is refused (-EXDEV). Never in a guest's tree; above it, the operator may
 * have put one there. */
enum mounts { MOUNTS_REFUSED, MOUNTS_CROSSED };

/* Opens `path` (relative; "" is `root_fd` itself) with `flags`, close-on-exec, through no link: the kernel resolves it,
 * and a name that changes meanwhile cannot lead out. Returns the descriptor or -errno: -ELOOP where a link is the last
 * or any other name. */
int open_beneath(int root_fd, const char *path, int flags, enum mounts mounts) must_check;

/* The walk that open_beneath() makes on a kernel without openat2 (before 5.6): name by name. For its test. */
int open_name_by_name(int root_fd, const char *path, int flags, enum mounts mounts) must_check;
