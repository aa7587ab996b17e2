#include "lookout.h"
#include "beneath.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/statfs.h>

enum {
        READ_MILLISECONDS = 100, /* between two looks at what the kernel has told */
        TELL_MILLISECONDS = 500, /* between two words about one folder */
        POLL_MILLISECONDS = 3000,
        POLL_ENTRIES = 2000, /* read in one turn; the next goes on */
        NAMES_BYTES = 4096,
};

static const uint32_t interest = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_MODIFY |
                                 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK;

struct folder {
        char *path;              /* NULL: free */
        int watch;               /* -1: the kernel does not tell */
        bool polled;             /* read every few seconds */
        uint64_t looked;         /* what reading it said */
        uint64_t used;           /* for the least recently listed to give way */
        bool changed, all, over; /* over: forgotten when it has been told */
        uint64_t tell_at;
        uint64_t written; /* bit i: the content of the i-th name changed */
        size_t count, size;
        char *names; /* NULL: none */
};

struct lookout {
        const struct tree *tree;
        int fd; /* -1: none */
        bool tried;
        size_t watches, watches_maximum;
        uint64_t uses, read_at, poll_at;
        size_t next_polled;
        struct folder folders[LOOKOUT_FOLDERS_MAXIMUM];
};

struct lookout *lookout_create(const struct tree *tree, size_t folders) {
        struct lookout *lookout = allocate(sizeof *lookout);
        lookout->tree = tree;
        lookout->fd = -1;
        lookout->watches_maximum = folders;
        return lookout;
}

/* Folders */

static void unwatch(struct lookout *lookout, struct folder *folder) {
        if (folder->watch < 0)
                return;
        (void) inotify_rm_watch(lookout->fd, folder->watch); /* gone by itself, where the folder is */
        folder->watch = -1;
        lookout->watches--;
}

static void forget(struct lookout *lookout, struct folder *folder) {
        unwatch(lookout, folder);
        free(folder->path);
        free(folder->names);
        *folder = (struct folder){ .watch = -1 };
}

void lookout_destroy(struct lookout *lookout) {
        if (!lookout)
                return;
        for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM; i++) {
                free(lookout->folders[i].path);
                free(lookout->folders[i].names);
        }
        close_fd(&lookout->fd);
        free(lookout);
}

static struct folder *find(struct lookout *lookout, const char *path) {
        for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM; i++)
                if (lookout->folders[i].path && strcmp(lookout->folders[i].path, path) == 0)
                        return &lookout->folders[i];
        return NULL;
}

static struct folder *find_watch(struct lookout *lookout, int watch) {
        for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM; i++)
                if (lookout->folders[i].path && lookout->folders[i].watch == watch)
                        return &lookout->folders[i];
        return NULL;
}

/* A free place, or the least recently listed one's. */
static struct folder *place_for(struct lookout *lookout) {
        struct folder *oldest = &lookout->folders[0];
        for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM; i++) {
                if (!lookout->folders[i].path)
                        return &lookout->folders[i];
                if (lookout->folders[i].used < oldest->used)
                        oldest = &lookout->folders[i];
        }
        forget(lookout, oldest);
        return oldest;
}

static void mark(struct folder *folder) {
        uint64_t now = now_milliseconds();
        if (!folder->changed && folder->tell_at < now + READ_MILLISECONDS)
                folder->tell_at = now + READ_MILLISECONDS; /* more is likely to follow */
        folder->changed = true;
}

static void mark_all(struct folder *folder) {
        mark(folder);
        folder->all = true;
}

/* Reading instead of watching */

/* Other machines change these too, and tell us nothing. */
static bool is_remote(int fd) {
        static const uint32_t kinds[] = {
                NFS_SUPER_MAGIC,       SMB_SUPER_MAGIC,        CIFS_SUPER_MAGIC,
                SMB2_SUPER_MAGIC,      FUSE_SUPER_MAGIC,       V9FS_MAGIC,
                CEPH_SUPER_MAGIC,      AFS_SUPER_MAGIC,        CODA_SUPER_MAGIC,
                0x01161970 /* GFS2 */, 0x7461636F /* OCFS2 */, 0x0BD00BD0 /* Lustre */,
        };
        struct statfs status;
        if (fstatfs(fd, &status) < 0)
                return true;
        for (size_t i = 0; i < array_length(kinds); i++)
                if ((uint32_t) status.f_type == kinds[i])
                        return true;
        return false;
}

static uint64_t mix(uint64_t sum, const void *bytes, size_t size) {
        for (size_t i = 0; i < size; i++)
                sum = (sum ^ ((const uint8_t *) bytes)[i]) * UINT64_C(0x100000001B3); /* FNV-1a */
        return sum;
}

/* A sum of names, sizes and times, whatever their order; 0 where it cannot be read. Counts the entries off *budget. */
static uint64_t look(int fd, size_t *budget) {
        struct folder_reader reader;
        const struct dirent64 *entry;
        uint64_t sum = 1;
        folder_reader_start(&reader, fd, 0);
        for (size_t i = 0; i < POLL_ENTRIES && folder_reader_next(&reader, &entry) > 0; i++) {
                struct stat status;
                *budget -= *budget > 0;
                if (entry->d_name[0] == '.' || fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                uint64_t one = mix(UINT64_C(0xCBF29CE484222325), entry->d_name, strlen(entry->d_name));
                one = mix(one, &status.st_mode, sizeof status.st_mode);
                if (!S_ISDIR(status.st_mode)) { /* a folder's own change with what is in it, which no listing of this
                                                   shows */
                        one = mix(one, &status.st_size, sizeof status.st_size);
                        one = mix(one, &status.st_mtim, sizeof status.st_mtim);
                }
                sum += one;
        }
        return sum;
}

static void poll_one(struct lookout *lookout, struct folder *folder, size_t *budget) {
        fd_scoped fd = open_beneath(lookout->tree->fd, folder->path, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        uint64_t looked = fd < 0 ? 0 : look(fd, budget);
        *budget -= *budget > 0;
        if (looked != folder->looked)
                mark_all(folder);
        folder->looked = looked;
        folder->over |= fd < 0;
}

static void poll_some(struct lookout *lookout) {
        size_t budget = POLL_ENTRIES;
        for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM && budget > 0; i++) {
                struct folder *folder = &lookout->folders[lookout->next_polled];
                lookout->next_polled = (lookout->next_polled + 1) % LOOKOUT_FOLDERS_MAXIMUM;
                if (folder->path && folder->polled && !folder->over)
                        poll_one(lookout, folder, &budget);
        }
}

/* Watching */

static void watch_by_kernel(struct lookout *lookout, struct folder *folder, int fd) {
        char link[40];
        if (!lookout->tried)
                lookout->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        lookout->tried = true;
        if (lookout->fd < 0 || lookout->watches >= lookout->watches_maximum)
                return;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd); /* that very folder, whatever has its name by now */
        int watch = inotify_add_watch(lookout->fd, link, interest);
        if (watch < 0)
                return;
        struct folder *other = find_watch(lookout, watch);
        if (other && other != folder) { /* the same folder under a name that it had before */
                other->watch = -1;
                lookout->watches--;
                forget(lookout, other);
        }
        if (folder->watch != watch)
                lookout->watches++;
        folder->watch = watch;
}

void lookout_add(struct lookout *lookout, const char *path) {
        fd_scoped fd = open_beneath(lookout->tree->fd, path, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
        if (fd < 0)
                return;
        struct folder *folder = find(lookout, path);
        if (!folder) {
                folder = place_for(lookout);
                folder->path = duplicate_string(path);
                folder->watch = -1;
        }
        folder->used = ++lookout->uses;
        folder->over = false;
        watch_by_kernel(lookout, folder, fd);
        folder->polled = folder->watch < 0 || is_remote(fd);
        if (!folder->polled)
                return;
        size_t budget = POLL_ENTRIES;
        folder->looked = look(fd, &budget);
        if (lookout->poll_at == 0)
                lookout->poll_at = now_milliseconds() + POLL_MILLISECONDS;
}

/* Names that changed */

static void drop_name(struct folder *folder, size_t index, char *at) {
        size_t size = strlen(at) + 1;
        memmove(at, at + size, folder->size - (size_t) (at - folder->names) - size);
        folder->size -= size;
        folder->count--;
        uint64_t below = folder->written & ((UINT64_C(1) << index) - 1);
        folder->written = below | (folder->written >> (index + 1)) << index;
}

/* NULL: it is not among them. */
static char *find_name(struct folder *folder, const char *name, size_t *ret_index) {
        size_t index = 0;
        for (char *at = folder->names; at && at < folder->names + folder->size; at += strlen(at) + 1, index++)
                if (strcmp(at, name) == 0) {
                        *ret_index = index;
                        return at;
                }
        return NULL;
}

static void add_name(struct folder *folder, const char *name, bool written) {
        size_t size = strlen(name) + 1, index;
        if (size == 1 || !workspace_name_ok(name, size - 1))
                return; /* hidden: no listing has it */
        mark(folder);
        if (!find_name(folder, name, &index)) {
                if (folder->count == LOOKOUT_NAMES_MAXIMUM || folder->size + size > NAMES_BYTES) {
                        folder->all = true;
                        return;
                }
                if (!folder->names)
                        folder->names = allocate(NAMES_BYTES);
                index = folder->count++;
                memcpy(folder->names + folder->size, name, size);
                folder->size += size;
        }
        if (written)
                folder->written |= UINT64_C(1) << index;
}

/* What lay below a folder that moved has another path now. */
static void end_below(struct lookout *lookout, const char *path) {
        size_t size = strlen(path);
        for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM; i++) {
                struct folder *folder = &lookout->folders[i];
                if (!folder->path || strncmp(folder->path, path, size) != 0 ||
                    (size > 0 && folder->path[size] && folder->path[size] != '/'))
                        continue;
                unwatch(lookout, folder);
                mark_all(folder);
                folder->over = true;
        }
}

static void take_event(struct lookout *lookout, const struct inotify_event *event) {
        if (event->mask & IN_Q_OVERFLOW) {
                for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM; i++)
                        if (lookout->folders[i].path)
                                mark_all(&lookout->folders[i]);
                return;
        }
        struct folder *folder = find_watch(lookout, event->wd);
        if (!folder)
                return;
        if (event->mask & IN_IGNORED) {
                folder->watch = -1; /* the kernel's word that it is gone */
                lookout->watches--;
                mark_all(folder);
                folder->over = true;
        } else if (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT)) {
                end_below(lookout, folder->path);
        } else if (event->len > 0) {
                add_name(folder, event->name, (event->mask & (IN_MODIFY | IN_CLOSE_WRITE)) != 0);
        }
}

static void read_events(struct lookout *lookout) {
        _Alignas(struct inotify_event) char bytes[16384];
        for (int turns = 0; turns < 64; turns++) { /* 64 × 16 KB is the kernel's whole queue, or nearly */
                ssize_t size = read(lookout->fd, bytes, sizeof bytes);
                if (size <= 0)
                        return;
                for (ssize_t at = 0; at < size;) {
                        const struct inotify_event *event = (const void *) (bytes + at);
                        take_event(lookout, event);
                        at += (ssize_t) (sizeof *event + event->len);
                }
        }
}

void lookout_own(struct lookout *lookout, const char *path) {
        char folder_path[PATH_BYTES] = "";
        const char *slash = strrchr(path, '/');
        size_t index;
        if (slash)
                memcpy(folder_path, path, (size_t) (slash - path));
        if (lookout->fd >= 0)
                read_events(lookout);
        struct folder *folder = find(lookout, folder_path);
        if (!folder)
                return;
        char *at = find_name(folder, slash ? slash + 1 : path, &index);
        if (at && !(folder->written >> index & 1))
                drop_name(folder, index, at);
        if (folder->count == 0 && !folder->all)
                folder->changed = false;
        if (folder->polled) {
                fd_scoped fd = open_beneath(lookout->tree->fd, folder_path, O_RDONLY | O_DIRECTORY, MOUNTS_REFUSED);
                size_t budget = POLL_ENTRIES;
                if (fd >= 0)
                        folder->looked = look(fd, &budget);
        }
}

/* Turns */

int lookout_descriptor(const struct lookout *lookout) {
        return lookout->fd >= 0 && now_milliseconds() >= lookout->read_at ? lookout->fd : -1;
}

static uint64_t sooner(uint64_t one, uint64_t other) {
        return other < one ? other : one;
}

int lookout_timeout(const struct lookout *lookout) {
        uint64_t now = now_milliseconds(), next = UINT64_MAX;
        for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM; i++)
                if (lookout->folders[i].changed)
                        next = sooner(next, lookout->folders[i].tell_at);
        if (lookout->fd >= 0 && lookout->read_at > now)
                next = sooner(next, lookout->read_at);
        if (lookout->poll_at > 0)
                next = sooner(next, lookout->poll_at);
        return next == UINT64_MAX ? -1 : next <= now ? 0 : (int) (next - now);
}

static int tell(struct lookout *lookout, struct folder *folder, lookout_function *function, void *context) {
        int result = function(context, folder->path, folder->names, folder->all ? 0 : folder->size);
        folder->changed = folder->all = false;
        free(steal_pointer(&folder->names));
        folder->count = folder->size = 0;
        folder->written = 0;
        folder->tell_at = now_milliseconds() + TELL_MILLISECONDS;
        if (folder->over)
                forget(lookout, folder);
        return result;
}

int lookout_turn(struct lookout *lookout, lookout_function *function, void *context) {
        uint64_t now = now_milliseconds();
        if (lookout->fd >= 0 && now >= lookout->read_at) {
                read_events(lookout);
                lookout->read_at = now + READ_MILLISECONDS;
        }
        if (lookout->poll_at > 0 && now >= lookout->poll_at) {
                poll_some(lookout);
                lookout->poll_at = now_milliseconds() + POLL_MILLISECONDS;
        }
        for (size_t i = 0; i < LOOKOUT_FOLDERS_MAXIMUM; i++) {
                struct folder *folder = &lookout->folders[i];
                if (!folder->path || !folder->changed || folder->tell_at > now)
                        continue;
                int result = tell(lookout, folder, function, context);
                if (result < 0)
                        return result;
        }
        return 0;
}
