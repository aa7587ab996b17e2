/*
 * tree: the worker's operations on its one tree. Private to the room; results as workspace.h lists them.
 */
#pragma once

#include "workspace.h"

#include <sys/stat.h>

struct tree {
        int fd;
        enum tree_kind kind;
        uint32_t trash_days;
};

/* The root, and the shared folders: what no request may move, replace or delete. `path` is a checked one. */
bool tree_is_fixed(const struct tree *tree, const char *path);

/* Opens the folder that holds `path`'s last name (which must not be a fixed one's); *ret_name points into `path`. */
int tree_open_parent(const struct tree *tree, const char *path, int *ret_fd, const char **ret_name) must_check;

/* "Tests" of "Tests/a/b"; of a personal tree "": whose folder holds the trash. `path` is a checked one. */
void tree_part_of(const struct tree *tree, const char *path, char part[PATH_BYTES]);

enum file_kind tree_kind_of(mode_t mode);
struct file_version tree_version(const struct stat *status);
bool tree_version_same(const struct file_version *one, const struct file_version *other);

/* Gives `from` the name `to`, if nothing has it. */
int tree_rename_to_free_name(int from_fd, const char *from, int to_fd, const char *to) must_check;

/* Reading a folder, entry by entry, "." and ".." left out. */
struct folder_reader {
        int fd;         /* the caller's */
        int64_t offset; /* where the next entry begins, for lseek() */
        size_t at, end;
        _Alignas(8) char bytes[16384];
};
struct dirent64;
void folder_reader_start(struct folder_reader *reader, int fd, int64_t offset);
/* 1 and an entry that is good until the next call, 0 at the end, -errno. */
int folder_reader_next(struct folder_reader *reader, const struct dirent64 **ret_entry) must_check;

/* Our temporary files' names. A hidden name of a form that nobody types, so that one left by a killed worker is known.
 */
enum { TEMPORARY_NAME_BYTES = 48, TEMPORARY_STALE_SECONDS = 3600 };
void temporary_name(char name[TEMPORARY_NAME_BYTES]);
bool temporary_name_is(const char *name);

/* As workspace_path_check(), but names may be temporary ones. */
int tree_path_check(enum tree_kind kind, const char *path) must_check;

/* The operations. Paths are unchecked. */

/* Where a listing goes: `records` are whole struct file_entry records. A negative answer ends the listing. */
typedef int listing_function(void *context, const void *records, size_t size);
int tree_list(const struct tree *tree, const char *path, listing_function *function, void *context,
              uint64_t *ret_left_out) must_check;
int tree_open_file(const struct tree *tree, const char *path, int *ret_fd, struct file_version *ret_version) must_check;
int tree_write(const struct tree *tree, const struct message_file *request, int content, int *ret_fd,
               struct file_version *ret_version) must_check;
int tree_make_folder(const struct tree *tree, const char *path) must_check;
int tree_move(const struct tree *tree, const char *from, const char *to) must_check;
int tree_delete(const struct tree *tree, const char *path) must_check;
int tree_usage(const struct tree *tree, struct file_usage *ret_usage) must_check;

/* A name below a folder that is open, with all that is in it. */
int tree_delete_below(int parent, const char *name);
/* The same where its owner took the owner's rights away. */
int tree_open_shut(int folder, const char *name) must_check;
/* What a folder below one that is open holds, itself not counted. */
int tree_usage_below(int parent, const char *name, struct file_usage *ret_usage) must_check;

/* trash.c */
bool tree_is_trash(const char *name);
int tree_trash(const struct tree *tree, const char *path, char id[TRASH_ID_BYTES]) must_check;
int tree_trash_list(const struct tree *tree, const char *path, listing_function *function, void *context,
                    uint64_t *ret_left_out) must_check;
int tree_trash_restore(const struct tree *tree, const char *path, const char *id, char ret_path[PATH_BYTES]) must_check;
int tree_trash_delete(const struct tree *tree, const char *path, const char *id) must_check; /* id "": all */
/* What lies in the trash of the whole tree. */
struct file_usage tree_trash_usage(const struct tree *tree);
/* Deletes for good, the oldest first, until so much is gone or nothing is left; adds to *ret_gone what it was. */
void tree_trash_give_way(const struct tree *tree, const struct file_usage *needed, struct file_usage *ret_gone);
/* Deletes for good what is older than trash_days, and what a killed worker left half done. */
void tree_trash_expire(const struct tree *tree);

/* usage.c: what a tree holds as far as is known, and whether more may come in. Zeroed at the start. */
struct ledger {
        struct file_usage usage;
        uint64_t measured; /* when; 0: never */
};
struct growth {
        int64_t bytes;
        uint64_t files;
};
struct growth tree_growth(const struct tree *tree, const char *path, int content); /* content -1: none */
/* Where a program has filled the tree past the quota, the trash gives way first. */
int ledger_usage(struct ledger *ledger, const struct tree *tree, const struct file_usage *quota,
                 struct file_usage *ret_usage) must_check;
/* 0, or -EDQUOT: then ledger->usage says how much is there. What does not grow is always admitted. The trash gives way
 * where that is enough. */
int ledger_admit(struct ledger *ledger, const struct tree *tree, const struct file_usage *quota,
                 const struct growth *growth) must_check;
void ledger_add(struct ledger *ledger, const struct growth *growth); /* it has come in */
