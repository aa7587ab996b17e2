/* What both makers of system call filters need of libseccomp: filter.c for programs, service_filter.c for ourselves. */
#pragma once

#include "../base/base.h"

#include <seccomp.h>

static inline void release_filter(scmp_filter_ctx *filter) {
        if (*filter)
                seccomp_release(*filter);
}
#define filter_scoped cleanup(release_filter) scmp_filter_ctx

/* `otherwise` is for what no rule names. The caller releases it. */
int filter_start(uint32_t otherwise, scmp_filter_ctx *ret_filter, struct error *error) must_check;

/* Rules without conditions. Names that are no call of this architecture, or newer than the library, are passed over:
 * they are then on no list. To libseccomp such a rule replaces all those of the same call that have conditions. */
int filter_add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count,
                     struct error *error) must_check;

/* The kernel takes some arguments as ints: the upper half is the caller's to choose, so the lower one is compared. */
#define LOW(argument, value) SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, 0xFFFFFFFFu, (uint32_t) (value))
