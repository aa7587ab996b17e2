/*
 * What a keeper sheds. It is a copy of the zygote, with a thousand mappings and the page tables of sixty megabytes, and
 * needs of it its own code, the C library and a stack: what the kernel keeps for the rest, 0.7 MB, would be a sixth of
 * all that an idle prompt costs.
 */
#include "internal.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#ifndef __SANITIZE_ADDRESS__

enum { MAPS_BYTES = 1 << 20, RANGES = 1024 };

struct range {
        uintptr_t begin, end;
};

struct mapping {
        struct range range;
        const char *name; /* "": anonymous */
        size_t name_size;
};

static bool holds(const struct mapping *mapping, uintptr_t address) {
        return address >= mapping->range.begin && address < mapping->range.end;
}

/* The next line of /proc/self/maps; false at the end. */
static bool next_mapping(char **at, struct mapping *ret_mapping) {
        char *end = strchr(*at, '\n');
        if (!end)
                return false;
        char *rest;
        struct mapping mapping = { .name = "" };
        mapping.range.begin = strtoul(*at, &rest, 16);
        mapping.range.end = strtoul(rest + 1, &rest, 16);
        const char *name = memchr(rest, '/', (size_t) (end - rest));
        if (!name)
                name = memchr(rest, '[', (size_t) (end - rest));
        if (name) {
                mapping.name = name;
                mapping.name_size = (size_t) (end - name);
        }
        *at = end + 1;
        *ret_mapping = mapping;
        return true;
}

static bool same_name(const struct mapping *one, const struct mapping *other) {
        return one->name_size > 0 && one->name_size == other->name_size &&
               memcmp(one->name, other->name, one->name_size) == 0;
}

/* In each of these lies something that a keeper needs: its code, the C library's, the dynamic linker's, its thread's
 * variables, its stack. Files are kept whole. */
static bool find_needed(char *maps, const uintptr_t *addresses, size_t count, struct mapping *needed) {
        size_t found = 0;
        struct mapping mapping;
        for (char *at = maps; next_mapping(&at, &mapping);)
                for (size_t i = 0; i < count; i++)
                        if (holds(&mapping, addresses[i])) {
                                needed[i] = mapping;
                                found++;
                        }
        return found == count;
}

static bool is_needed(const struct mapping *mapping, const struct mapping *needed, size_t count, uintptr_t kept_end) {
        if (mapping->range.begin == kept_end && mapping->name_size == 0)
                return true; /* a file's variables that begin as zero */
        if (mapping->name_size > 0 && mapping->name[0] == '[')
                return true; /* stack, vdso, and the heap: it is small, and what is still to be done may look there */
        for (size_t i = 0; i < count; i++)
                if (mapping->range.begin == needed[i].range.begin || same_name(mapping, &needed[i]))
                        return true;
        return false;
}

/* Neighbours as one. */
static size_t find_ranges(char *maps, const struct mapping *needed, size_t needed_count, struct range *ranges) {
        size_t count = 0;
        uintptr_t kept_end = 0;
        struct mapping mapping;
        for (char *at = maps; next_mapping(&at, &mapping);) {
                if (is_needed(&mapping, needed, needed_count, kept_end)) {
                        kept_end = mapping.range.end;
                } else if (count > 0 && ranges[count - 1].end == mapping.range.begin) {
                        ranges[count - 1].end = mapping.range.end;
                } else {
                        if (count == RANGES)
                                break;
                        ranges[count++] = mapping.range;
                }
        }
        return count;
}

void keeper_shed(void) {
        static char maps[MAPS_BYTES] __attribute__((aligned(4096)));
        static struct range ranges[RANGES];
        fd_scoped fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? -1 : read_fully(fd, maps, sizeof maps - 1);
        if (size <= 0)
                return; /* it keeps more than it needs, that is all */
        maps[size] = '\0';
        /* The C library's tables of another language may lie in what goes. */
        if (!setlocale(LC_ALL, "C"))
                return;
        const uintptr_t addresses[] = {
                (uintptr_t) keeper_shed, (uintptr_t) munmap, getauxval(AT_BASE), (uintptr_t) &errno, (uintptr_t) &fd,
        };
        struct mapping needed[array_length(addresses)] = { 0 };
        if (!find_needed(maps, addresses, array_length(addresses), needed))
                return;
        size_t count = find_ranges(maps, needed, array_length(needed), ranges);
        for (size_t i = 0; i < count; i++)
                (void) munmap((void *) ranges[i].begin, ranges[i].end - ranges[i].begin);
        (void) madvise(maps, sizeof maps, MADV_DONTNEED);
}

#else

void keeper_shed(void) {
        /* The sanitizer's own memory lies everywhere: nothing can go. */
}

#endif
