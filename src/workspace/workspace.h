/*
 * workspace: people's files.
 *
 * A tree is one person's folder in a class (Local/<folder>) or the three shared folders of a class (Lecture Notes,
 * Assignments, Tests). Whatever lies in a tree was made by its owner's programs and is hostile: links that lead out,
 * pipes that block, names that change between two looks. So nobody but the tree's worker ever follows a path in it: a
 * process of its own, with the owner's rights alone, that answers requests and hands back descriptors.
 *
 * The room has three parts, for three kinds of process:
 *   - trees: the privileged side opens (and makes) a tree's root, above which no guest can change anything;
 *   - the worker: one a tree, one request at a time, in order;
 *   - the client: the web server's end of a worker. It does no I/O on a guest's paths, only on descriptors.
 *
 * Invariant: a name is looked up by the kernel, beneath the tree's root, through no link and onto no other file system,
 * and what was opened is asked (fstat) what it is before it is used.
 */
#pragma once

#include "../ipc/ipc.h"

#include <sys/types.h>

/* Names and paths */

enum { WORKSPACE_FOLDER_MAXIMUM = 80, WORKSPACE_CLASS_MAXIMUM = 40, WORKSPACE_SHARED_FOLDERS = 3 };

/* The folders of TREE_SHARED, in this order everywhere. */
extern const char *const workspace_shared_folders[WORKSPACE_SHARED_FOLDERS];

/* [a-z0-9-], 1 to WORKSPACE_CLASS_MAXIMUM bytes. */
bool workspace_class_ok(const char *slug);

/* A name that Carrel makes, opens and lists: 1 to 255 bytes of UTF-8 without control characters (C0, DEL, C1) and '/',
 * not beginning with '.'. Hidden names belong to programs (caches, settings) and to our temporary files: they are
 * neither listed nor touched by name, but go with the folder that is deleted or moved. */
bool workspace_name_ok(const char *name, size_t size);

/* The same for an account's folder below Local, which has at most WORKSPACE_FOLDER_MAXIMUM bytes. */
bool workspace_folder_ok(const char *folder);

/* What names a deletion in the trash: when (16 hexadecimal digits, milliseconds), '-', 10 digits of chance. */
bool workspace_trash_id_ok(const char *id, size_t size);

/* A path of the tree, relative to its root: "" or good names joined by '/', at most 1,024 bytes. 0; -EINVAL where it is
 * not that; -EPERM where it lies outside the shared tree's three folders ("" is inside). Reads no file. */
int workspace_path_check(enum tree_kind kind, const char *path) must_check;

/* A hidden name beside `path`, as our temporary files have, for a folder that is to take its place when it is whole.
 * The requests to write, to make a folder, to move from and to delete take paths with such names, and what is left of
 * them is swept as temporary files are; no page's path may hold one (place.h). False: too long. */
bool workspace_temporary_beside(const char *path, char ret_path[PATH_BYTES]);

/* Trees: for the monitor, the supervisor and `carrel demo`. */

struct workspace_place {
        const char *class_slug;
        enum tree_kind kind;
        const char *folder; /* of TREE_PERSONAL */
        uid_t owner;        /* of the host, workspace_host_uid(); its group has the same number */
};

/* uid_base + inside where this process is root, else its own uid: then all trees belong to whoever started the server.
 */
uid_t workspace_host_uid(uid_t uid_base, uint32_t inside);

/* Opens a tree's root below the data directory (O_RDONLY, O_DIRECTORY, close-on-exec); makes what is missing of
 * files/<class>/Local/<folder> (the owner's, 0700) or of files/<class> with its three folders (the owner's, 0755; the
 * descriptor is of files/<class>). What lies above a tree belongs to this process's uid, 0755; modes that differ are
 * put right. Refuses a bad class or folder (-EINVAL), and whatever stands in the way: a link (-ELOOP), a file
 * (-ENOTDIR), somebody else's folder (-EPERM). Returns the descriptor or -errno. */
int workspace_tree_open(int data_fd, const struct workspace_place *place, struct error *error) must_check;

/* Deletes a folder that nobody uses any more, with all that is in it: any depth, through no link. `name` is one good
 * name below `parent_fd`, where no guest can change anything. For trees that were made for one run. */
int workspace_tree_remove(int parent_fd, const char *name, struct error *error) must_check;

/* The worker */

struct workspace_worker {
        int channel_fd; /* its end of the channel to the web server */
        int tree_fd;    /* from workspace_tree_open() */
        enum tree_kind kind;
        uid_t uid;              /* of the tree's owner: never 0; a process that is not root can only name itself */
        gid_t gid;              /* a process that is not root keeps its own */
        bool landlock_optional; /* the operator accepts, by name, a kernel without it */
        uint32_t trash_days;    /* 0: what is in the trash has no end by time */
};

/* clang-format off: tables in a comment. */
/* The whole life of a worker process: gives up every right but those that the tree needs (descriptors other than 0-2
 * and these two, uid, capabilities, Landlock, seccomp, limits), then answers MESSAGE_FILE until the channel closes.
 * There is no way back: call it in a process that does nothing else, from the thread that will outlive it (it dies with
 * the thread that started it), and end that process by _exit() (a leak checker's exit hook would need what was given
 * up). Single-threaded. Returns 0 when the channel was closed, or what went wrong: a wall that could not be raised, or
 * nonsense on the channel.
 *
 * Results of requests, beside what the kernel says (-EACCES, -ENOSPC, -EDQUOT, -ENAMETOOLONG, …):
 *   -EINVAL   the path is none (workspace_path_check); or a folder was to be moved into itself
 *   -EPERM    outside the shared folders; or a tree's root, or a shared folder, was to be moved or deleted
 *   -ENOENT   not there
 *   -ENOTDIR  something else stands where the path needs a folder
 *   -EISDIR   a folder stands where a file was asked for
 *   -ELOOP    a link stands there or in the way; links are listed, moved and deleted, never followed
 *   -ENXIO    a pipe, a socket or a device: listed, moved and deleted, never opened
 *   -EXDEV    another file system begins there; or a folder was moved away in that very moment; or a kernel
 * before 5.19, whose Landlock knows no moves between folders -EEXIST   there is something already (FILE_IF_ABSENT,
 * FILE_MAKE_FOLDER, FILE_MOVE) -ESTALE   what is there is not, or no longer, FILE_IF_VERSION's version -EFBIG
 * FILE_WRITE's descriptor held more than `size` -EBUSY    its owner's programs are in the way: they hold a lease on it,
 * changed it all the while it was being deleted, or have so many descriptors under way that the answer's could not be
 * sent (then it may have been written)
 *
 * FILE_LIST   Tells at most WORKSPACE_LIST_MAXIMUM entries, in no order. Hidden names are left out silently. Counted in
 *             entries_left_out are names that are not good ones, and entries past the maximum, as far as it reads
 *             (WORKSPACE_READ_MAXIMUM).
 * FILE_OPEN   Answers with a read-only descriptor and the version of what that is open on.
 * FILE_WRITE  Reads the descriptor to its end, into a temporary file beside the target, and renames it into place when
 *             it is on the disk: a reader sees the old or the new file, whole; a failure leaves the old one and nothing
 *             else. (One exception: a failure of flushing the folder after the rename. Then the new file is in place,
 *             but a power cut may lose it.) A link or a pipe of that name is replaced, not followed; the permission
 * bits of a file that is replaced stay. The answer has the new version and a read-only descriptor of that very file. A
 * temporary file of a worker that was killed is removed by the first listing of its folder an hour later. A descriptor
 * whose writer is slow (a pipe) holds up the tree's other requests. FILE_IF_ABSENT cannot replace anything, by the
 * kernel's word. FILE_IF_VERSION looks right before the rename: between the two, microseconds apart, only the owner's
 * own programs could write (Carrel's requests for a tree go through its one worker), and their change is then lost as
 * if it had been made a moment earlier by someone who had not seen ours. It harms nobody else, and no lock would hold
 * them. A change in place that keeps the size is seen by the ctime, on kernels before 6.13 only a clock tick (4 ms)
 * after ours. FILE_MOVE   The second path is the payload, without a NUL. Never replaces anything. FILE_DELETE Any depth
 * and number; what cannot be deleted ends it, and what was deleted until then is gone.
 *
 * FILE_USAGE  Bytes as the disk counts them, hidden entries included; a walk of at most two seconds or a million
 *             entries, past which it tells what it has found. Folders that their owner has shut count as empty.
 *
 * FILE_TRASH  Moves into the trash: one rename, whatever its size. See trash.c. -ENOSPC: the disk has no room even for
 * that; then FILE_DELETE is left. FILE_TRASH_LIST  At most WORKSPACE_TRASH_MAXIMUM, the newest. FILE_TRASH_RESTORE
 * -EEXIST: something has its name by now. Folders that are gone are made again. -ENOENT: no longer there.
 *
 * FILE_WRITE and FILE_MAKE_FOLDER refuse (-EDQUOT, over_quota) what would bring the tree past the request's quota. The
 * worker measures for that at most every three seconds, so a program that writes at the same time can go past it.
 * What lies in the trash counts, and gives way, the oldest first, where its room is needed: also to FILE_USAGE.
 *
 * All but listing, opening and measuring are on the disk when they are answered. */
/* clang-format on */
int worker_run(const struct workspace_worker *worker, struct error *error) must_check;

enum { WORKSPACE_TRASH_MAXIMUM = 1000 };
enum { WORKSPACE_LIST_MAXIMUM = 5000, WORKSPACE_READ_MAXIMUM = 100000 };

/* The client */

struct workspace;

struct workspace_entry {
        const char *name;  /* of the trash: where it was */
        const char *trash; /* its name in the trash, or NULL */
        uint64_t size;
        int64_t modified; /* milliseconds, wall; of the trash: deleted when */
        enum file_kind kind;
};

/* What a request came to. All of it is the callback's only during the call; steal_fd() the descriptor to keep it. */
struct workspace_answer {
        int result;                            /* 0 or -errno as above; -EPIPE: the worker is gone */
        int fd;                                /* open, write: regular, read-only, at its beginning; else -1 */
        struct file_version version;           /* open, write */
        struct file_usage usage;               /* of usage; and where over_quota */
        struct file_usage trashed;             /* of usage: how much of that is in the trash */
        const char *path;                      /* of restoring: where it is; of trashing: its name in the trash */
        bool over_quota;                       /* -EDQUOT, and it was workspace_set_quota()'s, not the file system's */
        const struct workspace_entry *entries; /* list: folders first, then by name (bytes) */
        size_t entry_count;
        uint64_t entries_left_out; /* list: at least so many are not told */
};

typedef void workspace_function(void *context, struct workspace_answer *answer);
/* The worker ended or spoke nonsense. All pending requests have been answered; the workspace is still to be destroyed
 * by its owner, now or later. */
typedef void workspace_gone_function(void *context, const struct error *why);

/* Somebody else, a program, changed a folder that was listed (or whose file was opened) to be followed. `count` 0:
 * anything in it. For as long as the worker lives it looks after the WORKSPACE_FOLLOWED_MAXIMUM folders that were
 * listed last; see lookout.h. */
typedef void workspace_noticed_function(void *context, const char *folder, const char *const *names, size_t count);
enum { WORKSPACE_FOLLOWED_MAXIMUM = 512, WORKSPACE_NAMES_MAXIMUM = 32 };

/* Takes the descriptor (the web server's end) over, also on failure. */
int workspace_create(struct loop *loop, int fd, workspace_gone_function *on_gone, void *context,
                     struct workspace **ret_workspace, struct error *error) must_check;

/* Called with the same context as on_gone. At first nobody is told. */
void workspace_on_noticed(struct workspace *workspace, workspace_noticed_function *function);

/* Answers what is pending with -EPIPE before it returns; does not call on_gone. The worker ends by itself. Safe inside
 * any of the workspace's callbacks. NULL is fine. */
void workspace_destroy(struct workspace *workspace);

/* Requests. 0: accepted, and `function` is called exactly once, later, never from inside the call. Else it is not
 * called: -EBUSY (WORKSPACE_PENDING_MAXIMUM are unanswered), -EPIPE (the worker is gone), -ENAMETOOLONG (a path over
 * 1,024 bytes), or an error of making the memfd. They are served in the order in which they were made. */
enum { WORKSPACE_PENDING_MAXIMUM = 64 };

int workspace_list(struct workspace *workspace, const char *path, bool followed, workspace_function *function,
                   void *context) must_check;
int workspace_open_file(struct workspace *workspace, const char *path, workspace_function *function,
                        void *context) must_check;
/* The same, and the file's folder is followed. */
int workspace_open_followed(struct workspace *workspace, const char *path, workspace_function *function,
                            void *context) must_check;

/* What is to be written: `bytes` (copied into a sealed memfd before the call returns), or, where that is NULL, what the
 * descriptor `fd` gives from its position to its end, which stays the caller's and may be closed after the call. More
 * than `size` from a descriptor is -EFBIG. */
struct workspace_content {
        const void *bytes;
        int fd;
        uint64_t size;
};

/* `version` is for FILE_IF_VERSION, else NULL. */
int workspace_write(struct workspace *workspace, const char *path, const struct workspace_content *content,
                    enum file_condition condition, const struct file_version *version, workspace_function *function,
                    void *context) must_check;
int workspace_make_folder(struct workspace *workspace, const char *path, workspace_function *function,
                          void *context) must_check;
int workspace_move(struct workspace *workspace, const char *from, const char *to, workspace_function *function,
                   void *context) must_check;
int workspace_delete(struct workspace *workspace, const char *path, workspace_function *function,
                     void *context) must_check;
/* The trash. `path` is any path in the tree: the shared tree has one in each of its folders, a person's has one. */
int workspace_trash(struct workspace *workspace, const char *path, workspace_function *function,
                    void *context) must_check;
int workspace_trash_list(struct workspace *workspace, const char *path, workspace_function *function,
                         void *context) must_check;
int workspace_trash_restore(struct workspace *workspace, const char *path, const char *id, workspace_function *function,
                            void *context) must_check;
/* For good. `id` NULL: all. */
int workspace_trash_delete(struct workspace *workspace, const char *path, const char *id, workspace_function *function,
                           void *context) must_check;
/* What the whole tree holds. */
int workspace_usage(struct workspace *workspace, workspace_function *function, void *context) must_check;

/* What the tree may hold, for all requests made after this one: writing, or making a folder, that would add to a tree
 * past it is -EDQUOT. Shrinking and deleting are always possible. 0 in a field: any number, as at the start. */
void workspace_set_quota(struct workspace *workspace, const struct file_usage *quota);
