/*
 * Changing: a new folder is filled beside the others and then takes its place. Sources are read through no link and by
 * single names below descriptors, since they may lie where somebody else can write: what root copies is then at most
 * what lies in the folder that root named.
 */
#include "environment.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define NEW_PREFIX ".new-"
#define OLD_PREFIX ".old-"

static void close_reader(DIR **reader) {
        if (*reader)
                closedir(*reader);
}
#define reader_scoped cleanup(close_reader) DIR *

/* Takes the descriptor over. */
static DIR *read_folder(int fd) {
        DIR *reader = fd < 0 ? NULL : fdopendir(fd);
        if (!reader)
                close_fd(&fd);
        return reader;
}

static bool is_itself_or_parent(const char *name) {
        return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Deletes a folder that only operators could write. What does not go is found by the next sweep. */
static int remove_tree(int parent, const char *name, int depth) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        if (errno != ENOTEMPTY || depth > ENVIRONMENT_DEPTH_MAXIMUM)
                return -errno;
        reader_scoped reader = read_folder(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!reader)
                return -errno;
        int result = 0;
        const struct dirent *entry;
        while (result == 0 && (entry = readdir(reader))) {
                if (is_itself_or_parent(entry->d_name))
                        continue;
                if (unlinkat(dirfd(reader), entry->d_name, 0) < 0)
                        result = errno == EISDIR || errno == EPERM
                                         ? remove_tree(dirfd(reader), entry->d_name, depth + 1)
                                         : -errno;
        }
        if (result == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
                result = -errno;
        return result;
}

/* What nobody uses: a lock on it would be refused. Whoever opens it from now on sees that it is replaced. */
static void remove_unused(int environments, const char *name) {
        fd_scoped folder = openat(environments, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder >= 0 && flock(folder, LOCK_EX | LOCK_NB) == 0)
                (void) !remove_tree(environments, name, 0);
}

static void sweep(int environments) {
        reader_scoped reader = read_folder(openat(environments, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const struct dirent *entry;
        while (reader && (entry = readdir(reader)))
                if (strncmp(entry->d_name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0 ||
                    strncmp(entry->d_name, OLD_PREFIX, strlen(OLD_PREFIX)) == 0)
                        remove_unused(environments, entry->d_name);
}

/* Opening and closing */

int workshop_open(int data, struct workshop *ret_workshop, struct error *error) {
        if (mkdirat(data, ENVIRONMENTS_FOLDER, 0755) < 0 && errno != EEXIST)
                return error_set(error, errno, "making the folder of the Python environments");
        fd_scoped folder = openat(data, ENVIRONMENTS_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        /* The umask may have taken bits, and programs reach their packages through it. */
        if (folder < 0 || fchmod(folder, 0755) < 0)
                return error_set(error, errno, "opening the folder of the Python environments");
        fd_scoped lock = openat(folder, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (lock < 0 || flock(lock, LOCK_EX) < 0)
                return error_set(error, errno, "locking the Python environments");
        sweep(folder);
        *ret_workshop = WORKSHOP_NONE;
        ret_workshop->folder = steal_fd(&folder);
        ret_workshop->lock = steal_fd(&lock);
        return 0;
}

void workshop_close(struct workshop *workshop) {
        close_fd(&workshop->made);
        if (*workshop->made_name)
                (void) !remove_tree(workshop->folder, workshop->made_name, 0);
        *workshop->made_name = '\0';
        close_fd(&workshop->lock);
        close_fd(&workshop->folder);
}

/* Copying */

struct copying {
        size_t left_out;
        uint64_t files, bytes;
};

static int count(struct copying *copying, uint64_t bytes, struct error *error) {
        copying->files++;
        copying->bytes += bytes;
        if (copying->files > ENVIRONMENT_FILES_MAXIMUM)
                return error_say(error, EFBIG, "a Python environment has at most %d files", ENVIRONMENT_FILES_MAXIMUM);
        if (copying->bytes >> 20 > ENVIRONMENT_MEGABYTES_MAXIMUM)
                return error_say(error, EFBIG, "a Python environment has at most %d MB", ENVIRONMENT_MEGABYTES_MAXIMUM);
        return 0;
}

static int copy_bytes(int from, int to, const char *name, struct error *error) {
        for (;;) {
                ssize_t sent = sendfile(to, from, NULL, 16 << 20);
                if (sent < 0)
                        return error_set(error, errno, "copying %s", name);
                if (sent == 0)
                        return 0;
        }
}

/* With its time: Python looks at it to tell whether a compiled module is still that of its source. */
static int copy_file(int from_folder, int to_folder, const char *name, struct copying *copying, struct error *error) {
        fd_scoped from = openat(from_folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat status;
        if (from < 0 || fstat(from, &status) < 0)
                return error_set(error, errno, "reading %s", name);
        int result = count(copying, (uint64_t) status.st_size, error);
        if (result < 0)
                return result;
        if (unlinkat(to_folder, name, 0) < 0 && errno != ENOENT)
                return error_set(error, errno, "replacing %s", name);
        fd_scoped to = openat(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (to < 0)
                return error_set(error, errno, "making %s", name);
        result = copy_bytes(from, to, name, error);
        if (result < 0)
                return result;
        const struct timespec times[2] = { status.st_atim, status.st_mtim };
        if (fchmod(to, status.st_mode & 0100 ? 0755 : 0644) < 0 || futimens(to, times) < 0)
                return error_set(error, errno, "finishing %s", name);
        return 0;
}

static int copy_folder(int from, int to, int depth, struct copying *copying, struct error *error);
static int supersede_all(struct workshop *workshop, int packages, struct error *error);

static int copy_entry(int from, int to, const char *name, int depth, struct copying *copying, struct error *error) {
        struct stat status;
        if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(error, errno, "looking at %s", name);
        if (S_ISREG(status.st_mode))
                return copy_file(from, to, name, copying, error);
        if (!S_ISDIR(status.st_mode)) {
                copying->left_out++;
                return 0;
        }
        int result = count(copying, 0, error);
        if (result < 0)
                return result;
        if (depth >= ENVIRONMENT_DEPTH_MAXIMUM)
                return error_say(error, ELOOP, "%s lies more than %d folders deep", name, ENVIRONMENT_DEPTH_MAXIMUM);
        if (mkdirat(to, name, 0755) < 0 && errno != EEXIST)
                return error_set(error, errno, "making the folder %s", name);
        fd_scoped from_inner = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        fd_scoped to_inner = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (from_inner < 0 || to_inner < 0)
                return error_set(error, errno, "opening the folder %s", name);
        return copy_folder(from_inner, to_inner, depth + 1, copying, error);
}

static int copy_folder(int from, int to, int depth, struct copying *copying, struct error *error) {
        reader_scoped reader = read_folder(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!reader)
                return error_set(error, errno, "reading a folder of packages");
        int result = 0;
        const struct dirent *entry;
        while (result == 0 && (entry = readdir(reader)))
                if (!is_itself_or_parent(entry->d_name))
                        result = copy_entry(from, to, entry->d_name, depth, copying, error);
        return result;
}

static int open_packages(const struct workshop *workshop, struct error *error) {
        int packages = openat(workshop->made, ENVIRONMENT_PACKAGES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return packages < 0 ? error_set(error, errno, "opening the new packages") : packages;
}

int workshop_copy(struct workshop *workshop, int packages, size_t *ret_left_out, struct error *error) {
        struct copying copying = { 0 };
        fd_scoped to = open_packages(workshop, error);
        int result = to < 0 ? to : supersede_all(workshop, packages, error);
        if (result == 0)
                result = copy_folder(packages, to, 0, &copying, error);
        if (result == 0)
                *ret_left_out = copying.left_out;
        return result;
}

/* Metadata of packages */

static int folded(char character) {
        if (character == '_' || character == '.')
                return '-';
        return character >= 'A' && character <= 'Z' ? character - 'A' + 'a' : character;
}

/* Up to the first '-', which in both kinds of name is the version's. */
static bool same_distribution(const char *one, const char *other) {
        while (*one && *one != '-' && *other && *other != '-' && folded(*one) == folded(*other)) {
                one++;
                other++;
        }
        return *one == '-' && *other == '-';
}

static bool is_metadata(const char *name) {
        const char *end = strrchr(name, '.');
        return end && strcmp(end, ".dist-info") == 0;
}

int workshop_supersede(struct workshop *workshop, const char *distribution, struct error *error) {
        fd_scoped packages = open_packages(workshop, error);
        reader_scoped reader = packages < 0 ? NULL : read_folder(fcntl(packages, F_DUPFD_CLOEXEC, 0));
        if (!reader)
                return packages < 0 ? packages : error_set(error, errno, "reading the packages");
        const struct dirent *entry;
        while ((entry = readdir(reader))) {
                if (!is_metadata(entry->d_name) || !same_distribution(entry->d_name, distribution))
                        continue;
                int result = remove_tree(packages, entry->d_name, 0);
                if (result < 0)
                        return error_set(error, -result, "removing %s", entry->d_name);
        }
        return 0;
}

static int supersede_all(struct workshop *workshop, int packages, struct error *error) {
        reader_scoped reader = read_folder(openat(packages, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        int result = reader ? 0 : error_set(error, errno, "reading a folder of packages");
        const struct dirent *entry;
        while (result == 0 && (entry = readdir(reader)))
                if (is_metadata(entry->d_name))
                        result = workshop_supersede(workshop, entry->d_name, error);
        return result;
}

/* Making */

static size_t count_environments(const struct workshop *workshop) {
        size_t number = 0;
        reader_scoped reader = read_folder(openat(workshop->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const struct dirent *entry;
        while (reader && (entry = readdir(reader)))
                number += environment_name_ok(entry->d_name);
        return number;
}

int workshop_begin(struct workshop *workshop, const char *name, int from, struct error *error) {
        if (from < 0 && count_environments(workshop) >= ENVIRONMENTS_MAXIMUM)
                return error_say(error, ENOSPC, "there are %d Python environments already, and no more can be",
                                 ENVIRONMENTS_MAXIMUM);
        snprintf(workshop->made_name, sizeof workshop->made_name, NEW_PREFIX "%s", name);
        (void) !remove_tree(workshop->folder, workshop->made_name, 0); /* a swept one is gone; else this fails */
        if (mkdirat(workshop->folder, workshop->made_name, 0755) < 0) {
                int result = error_set(error, errno, "making a folder for the Python environment");
                *workshop->made_name = '\0';
                return result;
        }
        workshop->made = openat(workshop->folder, workshop->made_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (workshop->made < 0 || fchmod(workshop->made, 0755) < 0 ||
            mkdirat(workshop->made, ENVIRONMENT_PACKAGES, 0755) < 0)
                return error_set(error, errno, "making a folder for the Python environment");
        fd_scoped packages = open_packages(workshop, error);
        if (packages < 0 || fchmod(packages, 0755) < 0)
                return error_set(error, errno, "making a folder for the packages");
        if (from < 0)
                return 0;
        size_t left_out;
        fd_scoped old = openat(from, ENVIRONMENT_PACKAGES, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return old < 0 ? error_set(error, errno, "opening the packages so far")
                       : workshop_copy(workshop, old, &left_out, error);
}

/* Programs run as users of their own: what only we can read they would miss. */
static int open_up(int folder, int depth, struct copying *copying, struct error *error) {
        reader_scoped reader = read_folder(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!reader || depth > ENVIRONMENT_DEPTH_MAXIMUM)
                return error_set(error, reader ? ELOOP : errno, "reading the new packages");
        int result = fchmod(folder, 0755) < 0 ? error_set(error, errno, "opening a folder to programs") : 0;
        const struct dirent *entry;
        while (result == 0 && (entry = readdir(reader))) {
                struct stat status;
                if (is_itself_or_parent(entry->d_name))
                        continue;
                fd_scoped fd = openat(folder, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &status) < 0)
                        return error_set(error, errno, "reading the new package's %s", entry->d_name);
                result = count(copying, S_ISREG(status.st_mode) ? (uint64_t) status.st_size : 0, error);
                if (result == 0 && S_ISDIR(status.st_mode))
                        result = open_up(fd, depth + 1, copying, error);
                else if (result == 0 && fchmod(fd, status.st_mode & 0100 ? 0755 : 0644) < 0)
                        result = error_set(error, errno, "opening %s to programs", entry->d_name);
        }
        return result;
}

int workshop_check_size(struct workshop *workshop, uint64_t *ret_bytes, uint64_t *ret_files, struct error *error) {
        struct copying copying = { 0 };
        fd_scoped packages = open_packages(workshop, error);
        int result = packages < 0 ? packages : open_up(packages, 0, &copying, error);
        if (result == 0) {
                *ret_bytes = copying.bytes;
                *ret_files = copying.files;
        }
        return result;
}

int workshop_describe(struct workshop *workshop, struct error *error) {
        workshop->description.made = wall_milliseconds();
        snprintf(workshop->description.python, sizeof workshop->description.python, "%s", environment_python());
        free_scoped char *text = environment_format(&workshop->description);
        struct environment_description again;
        int result = environment_parse(text, &again, error); /* what cannot be read is not written */
        if (result < 0)
                return result;
        fd_scoped fd =
                openat(workshop->made, "description", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0 || fchmod(fd, 0644) < 0)
                return error_set(error, errno, "making the description");
        result = write_fully(fd, text, strlen(text));
        return result < 0 ? error_set(error, -result, "writing the description") : 0;
}

static void make_old_name(const char *name, char old[static 96]) {
        uint64_t number;
        random_bytes(&number, sizeof number);
        snprintf(old, 96, OLD_PREFIX "%s-%016" PRIx64, name, number);
}

/* All of it on the disk before it has its name. */
int workshop_finish(struct workshop *workshop, struct error *error) {
        const char *name = workshop->made_name + strlen(NEW_PREFIX);
        char old[96];
        make_old_name(name, old);
        if (syncfs(workshop->folder) < 0)
                return error_set(error, errno, "writing the Python environment to the disk");
        if (renameat2(workshop->folder, workshop->made_name, workshop->folder, name, RENAME_NOREPLACE) == 0) {
                *workshop->made_name = '\0';
                return fsync(workshop->folder) < 0 ? error_set(error, errno, "writing the folder to the disk") : 0;
        }
        if (errno != EEXIST ||
            renameat2(workshop->folder, workshop->made_name, workshop->folder, name, RENAME_EXCHANGE) < 0)
                return error_set(error, errno, "putting the Python environment '%s' in its place", name);
        if (renameat(workshop->folder, workshop->made_name, workshop->folder, old) < 0)
                return error_set(error, errno, "putting the replaced Python environment aside");
        *workshop->made_name = '\0';
        remove_unused(workshop->folder, old);
        return fsync(workshop->folder) < 0 ? error_set(error, errno, "writing the folder to the disk") : 0;
}

int workshop_delete(struct workshop *workshop, const char *name, struct error *error) {
        char old[96];
        make_old_name(name, old);
        if (renameat(workshop->folder, name, workshop->folder, old) < 0)
                return error_set(error, errno, "deleting the Python environment '%s'", name);
        remove_unused(workshop->folder, old);
        return 0;
}
