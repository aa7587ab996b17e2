#include "measure.h"
#include "supervisor.h"
#include "workers.h"

struct measuring {
        struct server *server;
        struct worker *worker;
        struct message_run_usage answer;
};

static void finish(struct measuring *measuring, int result, const struct file_usage *usage) {
        measuring->answer.result = result;
        if (usage)
                measuring->answer.usage = *usage;
        /* At the end of the server there is nobody left to tell. */
        if (measuring->server->supervisor)
                supervisor_send(measuring->server->supervisor, MESSAGE_RUN_USAGE, &measuring->answer);
        free(measuring);
}

static void on_usage(void *context, struct workspace_answer *answer) {
        struct measuring *measuring = context;
        worker_release(steal_pointer(&measuring->worker), answer->result == -EPIPE);
        finish(measuring, answer->result, &answer->usage);
}

static void on_worker(void *context, struct worker *worker, int result) {
        struct measuring *measuring = context;
        if (result == 0) {
                measuring->worker = worker;
                result = workspace_usage(worker_workspace(worker), on_usage, measuring);
                if (result == 0)
                        return;
                worker_release(steal_pointer(&measuring->worker), result == -EPIPE);
        }
        finish(measuring, result, NULL);
}

void measure_begin(struct server *server, const struct message_run_measure *question) {
        struct measuring *measuring = allocate(sizeof *measuring);
        struct tree tree = { .kind = TREE_PERSONAL, .uid = question->uid };
        measuring->server = server;
        measuring->answer.run = question->run;
        memcpy(tree.class_slug, question->class_slug, sizeof tree.class_slug);
        memcpy(tree.folder, question->folder, sizeof tree.folder);
        if (!message_text_ok(tree.class_slug) || !message_text_ok(tree.folder))
                finish(measuring, -EBADMSG, NULL);
        else
                workers_use(server->workers, &tree, on_worker, measuring);
}

void quota_sentence(const struct file_usage *usage, const struct file_usage *quota,
                    char text[static QUOTA_SENTENCE_BYTES]) {
        char used[SIZE_TEXT_BYTES], most[SIZE_TEXT_BYTES];
        size_to_text(usage->bytes, used);
        size_to_text(quota->bytes, most);
        if (quota->files > 0 && usage->files >= quota->files)
                snprintf(text, QUOTA_SENTENCE_BYTES,
                         "The folder is full: it holds %llu files and folders of at most %llu, hidden ones counted. "
                         "Delete what is not needed, then save again.",
                         (unsigned long long) usage->files, (unsigned long long) quota->files);
        else
                snprintf(text, QUOTA_SENTENCE_BYTES,
                         "There is not enough room: the folder holds %s of at most %s. Delete what is not needed, then "
                         "save again.",
                         used, most);
}
