/* The requests about runs. */
#include "documents.h"
#include "files.h"
#include "supervisor.h"

#include "../base/buffer.h"
#include "../base/log.h"

static const char *const state_names[RUN_STATES] = {
        [RUN_PARKED] = "starting", [RUN_STARTING] = "starting", [RUN_RUNNING] = "running",
        [RUN_WAITING] = "waiting", [RUN_REPL] = "repl",         [RUN_ENDED] = "ended",
};

static const char *const reason_names[RUN_REASONS] = {
        [REASON_FINISHED] = "finished",
        [REASON_STOPPED] = "stopped",
        [REASON_KILLED] = "killed",
        [REASON_CLOSED] = "closed",
        [REASON_CPU_LIMIT] = "cpu-limit",
        [REASON_MEMORY_LIMIT] = "memory-limit",
        [REASON_OUTPUT_LIMIT] = "output-limit",
        [REASON_FILE_LIMIT] = "file-limit",
        [REASON_WORKSPACE_LIMIT] = "workspace-limit",
        [REASON_IDLE] = "idle",
        [REASON_SHUTDOWN] = "shutdown",
        [REASON_FAILED] = "failed",
};

const char *runs_reason_name(int reason) {
        const char *name = reason >= 0 && reason < (int) RUN_REASONS ? reason_names[reason] : NULL;
        return name ? name : "failed";
}

/* run-info */

static const char *title_of(const char *path) {
        const char *slash = strrchr(path, '/');
        return slash ? slash + 1 : *path ? path : "Python";
}

static void add_ending(json_t *info, const struct message_run_state *state) {
        json_object_set_new(info, "ended", json_integer(state->ended > 0 ? state->ended : 0));
        json_object_set_new(info, "reason", json_string(runs_reason_name((int) state->reason)));
        if (state->exit >= 0)
                json_object_set_new(info, "exit", json_integer(state->exit));
        if (state->signal > 0)
                json_object_set_new(info, "signal", json_integer(state->signal));
}

json_t *runs_info(const struct message_run_state *state, const char *name) {
        json_t *info =
                json_pack("{s:I, s:o, s:o, s:s, s:I, s:I, s:I, s:i, s:i}", "run", (json_int_t) state->run, "title",
                          protocol_text(title_of(state->path)), "owner", protocol_text(name), "state",
                          state_names[state->state], "started", (json_int_t) (state->started > 0 ? state->started : 0),
                          "first", (json_int_t) state->first, "next", (json_int_t) state->next, "columns",
                          state->columns ? state->columns : 1, "rows", state->rows ? state->rows : 1);
        if (*state->path)
                json_object_set_new(info, "path", protocol_text(state->path));
        if (*state->explanation)
                json_object_set_new(info, "explanation", protocol_text(state->explanation));
        if (state->state == RUN_ENDED)
                add_ending(info, state);
        return info;
}

/* run.start */

/* In whose name: the owner of the tree that the file lies in, whoever pressed Run; of the shared tree and of no file,
 * whoever did. */
static const struct person *runner_of(const struct request *request) {
        const struct person *who = &request->person;
        if (request->place.kind != PLACE_TREE || request->place.tree != TREE_PERSONAL ||
            strcmp(who->folder, request->place.owner_folder) == 0)
                return who;
        return roster_find(request->classroom->roster, request->place.owner_folder);
}

static int pack_arguments(const struct request *request, struct buffer *arguments, uint16_t *ret_count) {
        const json_t *list = json_object_get(request->message, "arguments");
        if (json_array_size(list) > UINT16_MAX)
                return -E2BIG;
        for (size_t i = 0; i < json_array_size(list); i++) {
                const char *argument = json_string_value(json_array_get(list, i));
                if (buffer_append(arguments, argument, strlen(argument) + 1) < 0)
                        return -E2BIG;
        }
        *ret_count = (uint16_t) json_array_size(list);
        return 0;
}

static bool room_to_attach(struct request *request) {
        struct client *client = request->client;
        if (!client)
                return false;
        for (size_t i = 0; i < ATTACHED_RUNS; i++)
                if (!supervisor_knows(request->server->supervisor, client->attached[i]))
                        client->attached[i] = 0;
        for (size_t i = 0; i < ATTACHED_RUNS; i++)
                if (!client->attached[i])
                        return true;
        return false;
}

static void note_attached(struct client *client, uint64_t run) {
        size_t at = 0;
        for (size_t i = 0; i < ATTACHED_RUNS; i++) {
                if (client->attached[i] == run)
                        return;
                if (!client->attached[i])
                        at = i;
        }
        client->attached[at] = run;
}

static void send_start(struct request *request, int source_fd) {
        const struct person *runner = runner_of(request);
        struct message_run_start start = { .viewer = request->client ? request->client_number : 0 };
        struct buffer arguments = { .limit = IPC_PAYLOAD_MAXIMUM };
        const char *path = request_string(request, "path");
        if (!runner) {
                request_fail(request, "not-found", "path", "There is nobody of that name in the class.");
        } else if (pack_arguments(request, &arguments, &start.argument_count) < 0) {
                request_fail(request, "too-large", "arguments", "The arguments are too long together.");
        } else {
                const struct course *course = &request->classroom->roster->course;
                memcpy(start.class_slug, course->slug, sizeof start.class_slug);
                snprintf(start.folder, sizeof start.folder, "%s", runner->folder);
                snprintf(start.path, sizeof start.path, "%s", path ? path : "");
                memcpy(start.environment, course->environment, sizeof start.environment);
                start.uid = runner->uid;
                start.account = runner->id;
                start.columns = (uint16_t) request_integer(request, "columns");
                start.rows = (uint16_t) request_integer(request, "rows");
                course_run_limits(course, request->server->options->settings, &start.limits, &start.repl_after);
                memcpy(start.network, course->network, sizeof start.network);
                supervisor_start(request->server->supervisor, request, &start,
                                 arguments.bytes ? buffer_front(&arguments) : NULL, buffer_size(&arguments), source_fd);
        }
        buffer_finish(&arguments);
}

/* Whatever the file is by now, this descriptor's content is what runs. */
static void on_source(void *context, struct workspace_answer *answer) {
        struct request *request = context;
        if (answer->result == -EISDIR)
                answer->result = -ENXIO;
        if (!files_answer(request, answer, request_string(request, "path")))
                return;
        request->version = answer->version;
        request->writable = true; /* there is a version to tell */
        bool saved = request_string(request, "text") != NULL;
        send_start(request, answer->fd);
        if (saved)
                files_changed(request->classroom, request_string(request, "path"));
}

static int ask_source(struct request *request, struct workspace *workspace) {
        return workspace_open_file(workspace, request->place.path, on_source, request);
}

static void on_document_source(struct request *request, int fd) {
        send_start(request, fd);
        close_fd(&fd);
}

void runs_start(struct request *request) {
        if (!room_to_attach(request))
                request_fail(request, "busy", NULL, "This page watches %d programs already.", ATTACHED_RUNS);
        else if (!request_string(request, "path"))
                send_start(request, -1);
        else if (request->place.kind != PLACE_TREE)
                request_fail(request, "not-found", "path", "This is a folder.");
        else if (json_object_get(request->message, "document"))
                documents_run(request, on_document_source);
        else if (request_string(request, "text"))
                files_save_text(request, on_source);
        else
                files_ask(request, &request->place, ask_source, true);
}

/* The supervisor tells a run's state on its own; where it has not yet, this is what is known. */
static json_t *info_of_new(const struct request *request, uint64_t run) {
        json_t *info = supervisor_run_info(request->server->supervisor, run);
        if (info)
                return info;
        const struct person *runner = runner_of(request);
        const char *path = request_string(request, "path");
        struct message_run_state state = { .run = run, .state = RUN_STARTING, .started = wall_milliseconds() };
        state.columns = (uint16_t) request_integer(request, "columns");
        state.rows = (uint16_t) request_integer(request, "rows");
        snprintf(state.path, sizeof state.path, "%s", path ? path : "");
        return runs_info(&state, runner ? runner->name : request->person.name);
}

static const char *refusal_code(int number) {
        switch (number) {
        case EBUSY:
        case EAGAIN:
        case EMFILE:
        case EUSERS:
        case EDQUOT:
                return "busy";
        case EPIPE:
        case ENOSYS:
        case EOPNOTSUPP:
        case ESHUTDOWN:
                return "unavailable";
        default:
                return "failed";
        }
}

void runs_started(struct request *request, const struct message_run_started *started) {
        if (!started->run || started->result < 0) {
                log_event(LOG_WARNING, "run.refused", "class", request->classroom->slug, "account",
                          log_number(request->person.id), "error", started->text, NULL);
                request_fail(request, refusal_code(-started->result), NULL, "%s",
                             *started->text ? started->text : "The program could not be started.");
                return;
        }
        json_t *reply = json_pack("{s:o}", "run", info_of_new(request, started->run));
        if (request->writable) {
                char version[VERSION_TEXT_BYTES];
                version_to_text(&request->version, version);
                json_object_set_new(reply, "version", json_string(version));
        }
        if (json_object_get(request->message, "document"))
                documents_ran(request, started->run);
        if (request->client) {
                note_attached(request->client, started->run);
        } else {
                /* It left while its program was being started. */
                struct message_run_attach all = { .viewer = request->client_number };
                supervisor_send(request->server->supervisor, MESSAGE_RUN_DETACH, &all);
        }
        request_reply(request, reply);
}

/* The others */

void runs_list(struct request *request) {
        request_reply(request,
                      json_pack("{s:o}", "runs", supervisor_list(request->server->supervisor, request->client)));
}

void runs_attach(struct request *request) {
        if (room_to_attach(request))
                supervisor_attach(request->server->supervisor, request, (uint64_t) request_integer(request, "from"));
        else
                request_fail(request, "busy", NULL, "This page watches %d programs already.", ATTACHED_RUNS);
}

void runs_attached(struct request *request, uint64_t from) {
        json_t *info = supervisor_run_info(request->server->supervisor, request->run);
        if (!info) {
                request_fail(request, "not-found", "run", "There is no such run any more.");
                return;
        }
        if (request->client)
                note_attached(request->client, request->run);
        request_reply(request, json_pack("{s:o, s:I}", "run", info, "from", (json_int_t) from));
}

static void reply_run(struct request *request) {
        request_reply(request, json_pack("{s:I}", "run", (json_int_t) request->run));
}

static void send_viewer(struct request *request, uint16_t type, uint64_t offset) {
        struct message_run_attach body = { .run = request->run, .viewer = request->client_number, .offset = offset };
        supervisor_send(request->server->supervisor, type, &body);
}

void runs_detach(struct request *request) {
        send_viewer(request, MESSAGE_RUN_DETACH, 0);
        for (size_t i = 0; request->client && i < ATTACHED_RUNS; i++)
                if (request->client->attached[i] == request->run)
                        request->client->attached[i] = 0;
        reply_run(request);
}

void runs_acknowledge(struct request *request) {
        send_viewer(request, MESSAGE_RUN_ACKNOWLEDGE, (uint64_t) request_integer(request, "offset"));
        request_end(request);
}

void runs_resize(struct request *request) {
        struct message_run_resize body = { .run = request->run,
                                           .columns = (uint16_t) request_integer(request, "columns"),
                                           .rows = (uint16_t) request_integer(request, "rows") };
        supervisor_send(request->server->supervisor, MESSAGE_RUN_RESIZE, &body);
        reply_run(request);
}

static void send_run(struct request *request, uint16_t type) {
        struct message_run body = { .run = request->run };
        supervisor_send(request->server->supervisor, type, &body);
        reply_run(request);
}

void runs_stop(struct request *request) {
        send_run(request, MESSAGE_RUN_STOP);
}

void runs_close(struct request *request) {
        send_run(request, MESSAGE_RUN_CLOSE);
}
