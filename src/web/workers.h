/*
 * workers: the workspace workers in use, one a tree.
 *
 * The monitor opens them (only it has the right to), we keep them while they are used and WORKER_IDLE_MILLISECONDS
 * longer, or for as long as anybody of the class has a page open (they look after what pages show), at most
 * WORKERS_MAXIMUM: the least recently used idle one gives way. Whoever comes while one is being opened waits for it.
 * One that dies is opened anew at the next request.
 */
#pragma once

#include "admission.h"
#include "server.h"

struct workers;
struct worker;

/* The worker is the caller's to use until worker_release(); or `result` is negative and there is none. */
typedef void worker_function(void *context, struct worker *worker, int result);

struct workers *workers_create(struct server *server);
void workers_destroy(struct workers *workers); /* NULL is fine; who waits is answered -EPIPE */

/* Calls `function` once: at once where the worker is there, else later. */
void workers_use(struct workers *workers, const struct tree *tree, worker_function *function, void *context);
struct workspace *worker_workspace(struct worker *worker);
/* `dead`: it answered -EPIPE; nobody gets it any more. */
void worker_release(struct worker *worker, bool dead);

/* From the monitor's channel. */
void workers_opened(struct workers *workers, struct message *message);
/* Each second. */
void workers_sweep(struct workers *workers);
