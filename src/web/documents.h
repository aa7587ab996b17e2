/*
 * documents: the files that somebody has open as documents, and their way to the journal and to the disk.
 *
 * An update goes: checked and applied to the text (document_commit.c) → the journal, together with whatever else waits
 * (one commit for all of them: group commit) → the document, its other viewers, and the answer. So nobody hears of an
 * update that a crash could take back. What cannot be stored (a full disk) is refused and the text stays as it was; the
 * page keeps what it could not give away.
 *
 * The file follows (document_file.c): written whole WRITE_DELAY after the last update, at most WRITE_LATEST after the
 * first; before each run of a program in the same tree; when the last viewer leaves; when the server stops. If it is no
 * longer as we left it, a program or somebody outside wrote it: what they changed is merged into the document as one
 * more update, and only where both changed the same lines a person must choose.
 *
 * A document is loaded from the file and the journal together. Where the file is behind (the server died before it had
 * written it), it is written; that is done for all such documents when the server starts.
 *
 * The loop's thread alone, but for what runs in the pool.
 */
#pragma once

#include "request.h"

struct documents;
struct document;

struct documents *documents_create(struct server *server);
void documents_destroy(struct documents *documents); /* NULL is fine */

/* Once, when the server serves: writes what a crash left unwritten. */
void documents_recover(struct documents *documents);
/* The server stops: writes everything now. True while there is something left to write. */
bool documents_stopping(struct documents *documents);
/* Each second. */
void documents_sweep(struct documents *documents);

/* May the client do this with a document that it has open? No, where it has not. */
bool documents_permitted(struct client *client, enum action action, int64_t id);
void documents_forget_client(struct client *client);

/* Something wrote or deleted, or moved, files of the class: open documents follow. */
void documents_noticed(struct classroom *classroom, const char *path);
void documents_moved(struct classroom *classroom, const char *from, const char *to);

/* For run.start with a document: when what this client has sent before is stored and the tree's open documents are in
 * their files, `function` is called with a descriptor of the file's bytes at the request's revision (the function's to
 * close). Else the request has failed. */
typedef void document_source_function(struct request *request, int fd);
void documents_run(struct request *request, document_source_function *function);
/* The run that came of it; and how a run ended, whichever it was. */
void documents_ran(struct request *request, uint64_t run);
void documents_run_ended(struct documents *documents, const struct message_run_state *state);
