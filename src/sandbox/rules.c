#include "rules.h"

int filter_start(uint32_t otherwise, scmp_filter_ctx *ret_filter, struct error *error) {
        filter_scoped filter = seccomp_init(otherwise);
        if (!filter)
                return error_set(error, ENOMEM, "starting a filter");
        /* A tree, so that a call costs the logarithm of the list's length. */
        int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (result < 0)
                return error_set(error, -result, "choosing the form of a filter");
        *ret_filter = steal_pointer(&filter);
        return 0;
}

int filter_add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count,
                     struct error *error) {
        for (size_t i = 0; i < count; i++) {
                int number = seccomp_syscall_resolve_name(names[i]);
                if (number == __NR_SCMP_ERROR || number < 0)
                        continue;
                int result = seccomp_rule_add(filter, action, number, 0);
                if (result < 0)
                        return error_set(error, -result, "adding %s to a filter", names[i]);
        }
        return 0;
}
