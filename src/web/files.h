/*
 * files: what requests (and run.start, and transfers) have in common that touch files.
 */
#pragma once

#include "request.h"
#include "workers.h"

/* Asks `request->operation` of the worker of the tree in which `place` lies; a failure before its answer ends the
 * request. The operation's answer function begins with files_answer(). */
void files_ask(struct request *request, const struct place *place, request_operation *operation, bool repeatable);
/* Gives the worker back. False: the request was asked once more, or has failed (by `answer->result`) and is over. */
bool files_answer(struct request *request, const struct workspace_answer *answer, const char *path);

/* file.save's part of it: `on_written` gets the answer. */
void files_save_text(struct request *request, workspace_function *on_written);

/* What the tree may hold in which a place lies. The shared tree's is nobody's folder, and its writers are teachers:
 * none. */
struct file_usage files_quota(const struct server *server, const struct course *course, const struct place *place);

/* What to tell where a worker found the tree over its quota; the caller's to free. */
char *files_quota_sentence(const struct request *request, const struct workspace_answer *answer);

/* All of a file, in the pool: -EFBIG where it has more than `limit` bytes. The bytes are the caller's to free. */
int files_read(int fd, size_t limit, char **ret_bytes, size_t *ret_size) must_check;

/* `path` of a class has changed: all who may see its folder are told. files_changed() tells the open documents too,
 * which the other is for. */
void files_tell(struct classroom *classroom, const char *path);
void files_changed(struct classroom *classroom, const char *path);

/* A worker noticed what a program did in a folder (of the tree) that was listed: all who may see it are told, and
 * the open documents of each name; where none is known, all in the folder, in which anything may have changed. */
void files_folder_noticed(struct server *server, const struct tree *tree, const char *folder, const char *const *names,
                          size_t count);
/* The worker of a tree died: nobody looks after its folders, until they are listed again. */
void files_unwatched(struct server *server, const struct tree *tree);

/* The protocol's word. */
const char *files_kind_name(enum file_kind kind);

enum { VERSION_TEXT_BYTES = 2 * sizeof(struct file_version) + 1 };
void version_to_text(const struct file_version *version, char text[static VERSION_TEXT_BYTES]);
int version_from_text(const char *text, struct file_version *ret_version) must_check;
