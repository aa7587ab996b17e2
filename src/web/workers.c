#include "workers.h"
#include "client.h"
#include "files.h"
#include "table.h"

#include "../base/log.h"
#include "../workspace/workspace.h"

struct waiting {
        STAILQ_ENTRY(waiting) link;
        worker_function *function;
        void *context;
};

struct worker {
        TAILQ_ENTRY(worker) link; /* least recently used first */
        struct workers *workers;
        struct tree tree;
        uint64_t tag;                /* of its opening */
        struct workspace *workspace; /* NULL: being opened */
        STAILQ_HEAD(, waiting) waiting;
        size_t waiting_count;
        unsigned users;
        uint64_t last_used;
        bool dead; /* no longer in the list; freed when its last user is done */
};

TAILQ_HEAD(worker_list, worker);

struct workers {
        struct server *server;
        struct worker_list list;
        size_t count;
        struct table *opening; /* by tag */
        uint64_t last_tag;
        bool closing; /* no worker is to be had any more */
};

struct workers *workers_create(struct server *server) {
        struct workers *workers = allocate(sizeof *workers);
        workers->server = server;
        workers->opening = table_create();
        TAILQ_INIT(&workers->list);
        return workers;
}

static void worker_free(void *context) {
        struct worker *worker = context;
        workspace_destroy(worker->workspace);
        free(worker);
}

/* Nobody finds it any more; who uses it still may. */
static void retire(struct worker *worker) {
        if (worker->dead)
                return;
        worker->dead = true;
        TAILQ_REMOVE(&worker->workers->list, worker, link);
        worker->workers->count--;
        table_take(worker->workers->opening, worker->tag);
        if (worker->users == 0)
                loop_defer(worker->workers->server->loop, worker_free, worker);
}

static void hand_out(struct worker *worker, worker_function *function, void *context) {
        worker->users++;
        worker->last_used = now_milliseconds();
        TAILQ_REMOVE(&worker->workers->list, worker, link);
        TAILQ_INSERT_TAIL(&worker->workers->list, worker, link);
        function(context, worker, 0);
}

static void answer_waiting(struct worker *worker, int result) {
        struct waiting *waiting;
        while ((waiting = STAILQ_FIRST(&worker->waiting))) {
                STAILQ_REMOVE_HEAD(&worker->waiting, link);
                worker->waiting_count--;
                if (result == 0 && !worker->dead)
                        hand_out(worker, waiting->function, waiting->context);
                else
                        waiting->function(waiting->context, NULL, result < 0 ? result : -EPIPE);
                free(waiting);
        }
}

void workers_destroy(struct workers *workers) {
        if (!workers)
                return;
        struct worker *worker, *next;
        workers->closing = true;
        for (worker = TAILQ_FIRST(&workers->list); worker; worker = next) {
                next = TAILQ_NEXT(worker, link);
                worker->users++; /* so that what its requests do at their end does not free it under us */
                retire(worker);
                answer_waiting(worker, -EPIPE);
                worker_free(worker);
        }
        table_destroy(workers->opening);
        free(workers);
}

static struct worker *find(struct workers *workers, const struct tree *tree) {
        struct worker *worker;
        TAILQ_FOREACH_REVERSE(worker, &workers->list, worker_list, link)
        if (tree_same(&worker->tree, tree))
                return worker;
        return NULL;
}

static int make_room(struct workers *workers) {
        if (workers->count < WORKERS_MAXIMUM)
                return 0;
        struct worker *worker;
        TAILQ_FOREACH(worker, &workers->list, link)
        if (worker->users == 0 && worker->workspace) {
                retire(worker);
                return 0;
        }
        return -EBUSY;
}

static struct worker *open_worker(struct workers *workers, const struct tree *tree) {
        struct worker *worker = allocate(sizeof *worker);
        worker->workers = workers;
        worker->tree = *tree;
        worker->tag = ++workers->last_tag;
        worker->last_used = now_milliseconds();
        STAILQ_INIT(&worker->waiting);
        TAILQ_INSERT_TAIL(&workers->list, worker, link);
        workers->count++;
        table_put(workers->opening, worker->tag, worker);
        struct message_worker_open body = { .tag = worker->tag, .tree = tree->kind, .uid = tree->uid };
        memcpy(body.class_slug, tree->class_slug, sizeof body.class_slug);
        memcpy(body.folder, tree->folder, sizeof body.folder);
        channel_send(workers->server->monitor, MESSAGE_WORKER_OPEN, &body, NULL, 0, NULL, 0);
        return worker;
}

void workers_use(struct workers *workers, const struct tree *tree, worker_function *function, void *context) {
        struct worker *worker = workers->closing ? NULL : find(workers, tree);
        if (worker && worker->workspace) {
                hand_out(worker, function, context);
                return;
        }
        int result = workers->closing ? -EPIPE : worker ? 0 : make_room(workers);
        if (result == 0 && !worker)
                worker = open_worker(workers, tree);
        if (result == 0 && worker->waiting_count >= WORKER_WAITING)
                result = -EBUSY;
        if (result < 0) {
                function(context, NULL, result);
                return;
        }
        struct waiting *waiting = allocate(sizeof *waiting);
        *waiting = (struct waiting){ .function = function, .context = context };
        STAILQ_INSERT_TAIL(&worker->waiting, waiting, link);
        worker->waiting_count++;
}

struct workspace *worker_workspace(struct worker *worker) {
        return worker->workspace;
}

void worker_release(struct worker *worker, bool dead) {
        worker->users--;
        worker->last_used = now_milliseconds();
        if (worker->dead && worker->users == 0)
                loop_defer(worker->workers->server->loop, worker_free, worker);
        else if (dead)
                retire(worker);
}

static void on_noticed(void *context, const char *folder, const char *const *names, size_t count) {
        struct worker *worker = context;
        files_folder_noticed(worker->workers->server, &worker->tree, folder, names, count);
}

static void on_gone(void *context, const struct error *why) {
        struct worker *worker = context;
        log_event(LOG_WARNING, "worker.gone", "class", worker->tree.class_slug, "folder", worker->tree.folder, "error",
                  why->text, NULL);
        retire(worker);
        if (!worker->workers->closing)
                files_unwatched(worker->workers->server, &worker->tree);
}

void workers_opened(struct workers *workers, struct message *message) {
        const struct message_answer *answer = message->body;
        struct worker *worker = table_take(workers->opening, answer->tag);
        if (!worker)
                return;
        struct error error = { 0 };
        int result = answer->result;
        if (result == 0 && message->fds[0] < 0)
                result = -EBADMSG;
        if (result == 0)
                result = workspace_create(workers->server->loop, steal_fd(&message->fds[0]), on_gone, worker,
                                          &worker->workspace, &error);
        if (result < 0) {
                const char *text = message_text_ok(answer->text) && *answer->text ? answer->text : strerror(-result);
                log_event(LOG_ERROR, "worker.not-opened", "class", worker->tree.class_slug, "folder",
                          worker->tree.folder, "error", text, NULL);
                worker->users++;
                retire(worker);
                answer_waiting(worker, -EPIPE);
                worker_release(worker, false);
                return;
        }
        workspace_on_noticed(worker->workspace, on_noticed);
        answer_waiting(worker, 0);
}

/* While somebody of the class has a page open, it may show this tree, and then the worker looks after it. */
static bool has_watchers(const struct worker *worker) {
        return classroom_find(worker->workers->server, worker->tree.class_slug) != NULL;
}

void workers_sweep(struct workers *workers) {
        uint64_t now = now_milliseconds();
        struct worker *worker, *next;
        for (worker = TAILQ_FIRST(&workers->list); worker; worker = next) {
                next = TAILQ_NEXT(worker, link);
                if (now - worker->last_used < WORKER_IDLE_MILLISECONDS)
                        break; /* the rest was used later */
                if (worker->users == 0 && worker->workspace && !has_watchers(worker))
                        retire(worker);
        }
}
