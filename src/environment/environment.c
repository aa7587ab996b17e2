/* Looking: names, descriptions, opening one for use. */
#include "environment.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
        DESCRIPTION_BYTES = 4096,
        OPENING_ROUNDS = 10, /* each lost to a change at the same moment */
};

static const char alphanumeric[] = "abcdefghijklmnopqrstuvwxyz0123456789";

bool environment_name_ok(const char *name) {
        size_t length = strlen(name);
        return length >= 1 && length < ENVIRONMENT_BYTES && strspn(name, alphanumeric) > 0 &&
               strchr(alphanumeric, name[length - 1]) &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

bool environment_module_ok(const char *name) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
        static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
        const char *at = name;
        for (;;) {
                if (!*at || !strchr(letters, *at))
                        return false;
                at += strspn(at, all);
                if (!*at)
                        return strlen(name) < MODULE_BYTES;
                if (*at++ != '.')
                        return false;
        }
}

const char *environment_python(void) {
        return CARREL_PYTHON_VERSION;
}

/* Descriptions: a line `name = value` each. */

char *environment_format(const struct environment_description *description) {
        return format_string("# Made by `carrel env`, which also changes it.\n"
                             "preload = %s\n"
                             "python = %s\n"
                             "made = %" PRId64 "\n"
                             "origin = %s\n",
                             description->preload, description->python, description->made, description->origin);
}

static int take_text(char *place, size_t size, const char *value, const char *name, struct error *error) {
        if (strlen(value) >= size)
                return error_say(error, EINVAL, "%s is longer than %zu bytes", name, size - 1);
        memcpy(place, value, strlen(value) + 1);
        return 0;
}

static int check_preload(const char *preload, struct error *error) {
        char copy[PRELOAD_BYTES];
        snprintf(copy, sizeof copy, "%s", preload);
        for (char *rest = copy, *name; (name = strsep(&rest, ", "));)
                if (*name && !environment_module_ok(name))
                        return error_say(error, EINVAL, "'%s' is no module's name", name);
        return 0;
}

static int take_line(char *line, struct environment_description *description, struct error *error) {
        char *equals = strchr(line, '=');
        if (!equals)
                return error_say(error, EINVAL, "'%.40s' is not of the form NAME = VALUE", line);
        const char *value = equals + 1 + strspn(equals + 1, " ");
        size_t length = (size_t) (equals - line);
        while (length > 0 && line[length - 1] == ' ')
                length--;
        line[length] = '\0';
        if (strcmp(line, "preload") == 0) {
                int result = take_text(description->preload, sizeof description->preload, value, line, error);
                return result < 0 ? result : check_preload(description->preload, error);
        }
        if (strcmp(line, "python") == 0)
                return take_text(description->python, sizeof description->python, value, line, error);
        if (strcmp(line, "origin") == 0)
                return take_text(description->origin, sizeof description->origin, value, line, error);
        uint64_t made;
        if (strcmp(line, "made") != 0 || parse_unsigned(value, INT64_MAX, &made) < 0)
                return error_say(error, EINVAL, "'%.40s = %.40s' is not understood", line, value);
        description->made = (int64_t) made;
        return 0;
}

int environment_parse(const char *text, struct environment_description *ret_description, struct error *error) {
        struct environment_description description = { 0 };
        free_scoped char *copy = duplicate_string(text);
        unsigned number = 0;
        for (char *rest = copy, *line; (line = strsep(&rest, "\n"));) {
                number++;
                if (!*line || *line == '#')
                        continue;
                int result = take_line(line, &description, error);
                if (result < 0)
                        return error ? error_prefix(error, "line %u", number) : result;
        }
        if (!*description.python || description.made == 0)
                return error_say(error, EINVAL, "it does not say which Python it is for, or when it was made");
        *ret_description = description;
        return 0;
}

/* Opening */

static int open_folder(int data, const char *name, struct error *error) {
        char path[ENVIRONMENT_BYTES + 32];
        if (!environment_name_ok(name))
                return error_say(error, EINVAL,
                                 "'%.80s' is no name of a Python environment: it has 1 to %d of a-z, 0-9 and, between "
                                 "them, '-'",
                                 name, ENVIRONMENT_BYTES - 1);
        snprintf(path, sizeof path, ENVIRONMENTS_FOLDER "/%s", name);
        int folder = openat(data, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder >= 0)
                return folder;
        if (errno == ENOENT)
                return error_say(error, ENOENT, "there is no Python environment '%s'", name);
        return error_set(error, errno, "opening the Python environment '%s'", name);
}

static int read_description(int folder, const char *name, struct environment_description *ret_description,
                            struct error *error) {
        char text[DESCRIPTION_BYTES];
        ssize_t size = read_small_file(folder, "description", text, sizeof text);
        if (size < 0)
                return error_set(error, (int) -size, "reading the description of the Python environment '%s'", name);
        struct environment_description description;
        int result = environment_parse(text, &description, error);
        if (result < 0)
                return error ? error_prefix(error, "the description of the Python environment '%s'", name) : result;
        snprintf(description.name, sizeof description.name, "%s", name);
        *ret_description = description;
        return 0;
}

/* Replaced between our opening and our lock, it may be half deleted by now. */
static bool is_still(int data, const char *name, int folder) {
        struct stat mine, current;
        fd_scoped again = open_folder(data, name, NULL);
        return again >= 0 && fstat(folder, &mine) == 0 && fstat(again, &current) == 0 && mine.st_ino == current.st_ino;
}

int environment_open(int data, const char *name, struct environment_description *ret_description, int *ret_folder,
                     struct error *error) {
        for (int round = 0; round < OPENING_ROUNDS; round++) {
                fd_scoped folder = open_folder(data, name, error);
                if (folder < 0)
                        return folder;
                if (flock(folder, LOCK_SH | LOCK_NB) < 0 || !is_still(data, name, folder))
                        continue;
                struct environment_description description;
                int result = read_description(folder, name, &description, error);
                if (result < 0)
                        return result;
                if (strcmp(description.python, environment_python()) != 0)
                        return error_say(error, EPROTO,
                                         "the Python environment '%s' was made for Python %s, and programs run in %s: "
                                         "make it anew",
                                         name, description.python, environment_python());
                *ret_description = description;
                *ret_folder = steal_fd(&folder);
                return 0;
        }
        return error_say(error, EBUSY, "the Python environment '%s' is being changed again and again", name);
}

int environment_describe(int data, const char *name, struct environment_description *ret_description,
                         struct error *error) {
        fd_scoped folder = open_folder(data, name, error);
        return folder < 0 ? folder : read_description(folder, name, ret_description, error);
}

/* Listing */

static void close_reader(DIR **reader) {
        if (*reader)
                closedir(*reader);
}

static int by_name(const void *one, const void *other) {
        return strcmp(one, other);
}

int environment_list(int data, struct environment_names *ret_names, struct error *error) {
        struct environment_names names = { 0 };
        int fd = openat(data, ENVIRONMENTS_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT)
                return error_set(error, errno, "opening the Python environments");
        cleanup(close_reader) DIR *reader = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        while (reader && (entry = readdir(reader)))
                if (environment_name_ok(entry->d_name) && names.count < ENVIRONMENTS_MAXIMUM)
                        snprintf(names.names[names.count++], ENVIRONMENT_BYTES, "%.*s", ENVIRONMENT_BYTES - 1,
                                 entry->d_name);
        qsort(names.names, names.count, ENVIRONMENT_BYTES, by_name);
        *ret_names = names;
        return 0;
}
