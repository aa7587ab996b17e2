/*
 * The supervisor's process: between the engine and the web server. The web server may die and come back; the runs stay
 * here, and each new one is told all that live. What arrives is checked once, here: sizes by the channel, texts and
 * numbers below.
 */
#include "internal.h"
#include "../base/log.h"
#include "../workspace/workspace.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct supervisor {
        struct loop *loop;
        const struct supervisor_options *options;
        struct sandbox_host host;     /* the options', without what it lacks and may lack */
        char refusal[SENTENCE_BYTES]; /* why no program is run here; "": they are */
        struct engine *engine;        /* NULL where they are not */
        struct channel *monitor, *web;
        int data_fd;
        struct metrics metrics;
        bool stopping;
};

enum { WEB_PENDING_LIMIT = 4 << 20 }; /* bytes queued to the web server: past it viewers wait, and with them programs */

/* Telling the web server */

static bool tell_output(void *context, struct viewer *viewer, uint64_t offset, const void *bytes, size_t size) {
        struct supervisor *supervisor = context;
        /* The next acknowledgement asks again; so one must be due. */
        if (channel_pending(supervisor->web) > WEB_PENDING_LIMIT && offset > viewer->acknowledged)
                return false;
        struct message_run_attach message = { run_id(viewer_run(viewer)), viewer_number(viewer), offset };
        channel_send(supervisor->web, MESSAGE_RUN_OUTPUT, &message, bytes, size, NULL, 0);
        return true;
}

static void tell_skipped(void *context, struct viewer *viewer, uint64_t from, uint64_t to) {
        struct supervisor *supervisor = context;
        struct message_run_skipped message = { run_id(viewer_run(viewer)), viewer_number(viewer), from, to };
        channel_send(supervisor->web, MESSAGE_RUN_SKIPPED, &message, NULL, 0, NULL, 0);
}

static void tell_state(void *context, struct run *run) {
        struct supervisor *supervisor = context;
        struct message_run_state state;
        run_describe(run, &state);
        channel_send(supervisor->web, MESSAGE_RUN_STATE, &state, NULL, 0, NULL, 0);
        if (state.state == RUN_ENDED)
                log_event(LOG_INFO, "run.ended", "run", log_number((int64_t) state.run), "account",
                          log_number(state.account), "reason", run_reason_names[state.reason], "exit",
                          log_number(state.exit), "signal", log_number(state.signal), NULL);
}

static void tell_gone(void *context, struct run *run) {
        struct supervisor *supervisor = context;
        struct message_run message = { run_id(run) };
        channel_send(supervisor->web, MESSAGE_RUN_GONE, &message, NULL, 0, NULL, 0);
}

static void ask_usage(void *context, struct run *run, const struct message_run_measure *question) {
        struct supervisor *supervisor = context;
        if (supervisor->web)
                channel_send(supervisor->web, MESSAGE_RUN_MEASURE, question, NULL, 0, NULL, 0);
        else
                run_usage(run, NULL); /* asked again in a moment, when there is somebody to ask */
}

/* The supervisor has no network itself: the monitor starts gates, where it stands. */
static int open_gate(void *context, struct error *error) {
        struct supervisor *supervisor = context;
        int ends[2];
        int result = channel_pair(ends, error);
        if (result < 0)
                return result;
        fd_scoped theirs = ends[1];
        channel_send(supervisor->monitor, MESSAGE_GATE_OPEN, &(struct message_empty){ 0 }, NULL, 0, &theirs, 1);
        return ends[0];
}

static void tell_metrics(struct supervisor *supervisor) {
        cleanup(buffer_finish) struct buffer text = { .limit = IPC_PAYLOAD_MAXIMUM };
        run_metrics_write(&supervisor->metrics, supervisor->engine, &text);
        channel_send(supervisor->web, MESSAGE_METRICS_TOLD, &(struct message_empty){ 0 }, buffer_front(&text),
                     buffer_size(&text), NULL, 0);
}

/* Starting */

static bool start_is_well_formed(const struct message_run_start *start, const struct message *message) {
        const char *arguments = message->payload;
        struct hosts hosts;
        return message_text_ok(start->class_slug) && message_text_ok(start->folder) && message_text_ok(start->path) &&
               message_text_ok(start->environment) &&
               (!*start->environment || environment_name_ok(start->environment)) &&
               workspace_class_ok(start->class_slug) && workspace_folder_ok(start->folder) && start->uid >= 100 &&
               start->uid < INSIDE_IDS && start->columns > 0 && start->rows > 0 && start->limits.runs > 0 &&
               message_text_ok(start->network) && hosts_parse(start->network, &hosts, NULL) == 0 &&
               message->fd_count == (*start->path ? 1 : 0) &&
               (message->payload_size == 0 || arguments[message->payload_size - 1] == '\0');
}

/* Nothing here is the guest's: what lies above a tree, and the tree's root, no program can replace. */
static int open_folders(struct supervisor *supervisor, const struct message_run_start *start,
                        struct run_request *request, struct error *error) {
        struct workspace_place place = {
                .class_slug = start->class_slug,
                .kind = TREE_PERSONAL,
                .folder = start->folder,
                .owner = workspace_host_uid(supervisor->host.uid_base, start->uid),
        };
        request->workspace = workspace_tree_open(supervisor->data_fd, &place, error);
        if (request->workspace < 0)
                return request->workspace;
        char path[CLASS_BYTES + 64];
        for (size_t i = 0; i < SHARED_TREES; i++) {
                snprintf(path, sizeof path, "files/%s/%s", start->class_slug, shared_tree_names[i]);
                request->shared[i] = openat(supervisor->data_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (request->shared[i] < 0 && errno != ENOENT)
                        return error_set(error, errno, "opening %s", path);
        }
        return 0;
}

/* Where that fails the plain one serves, as the engine tells the person. */
static void open_environment(struct supervisor *supervisor, struct run_request *request,
                             struct environment_description *place) {
        const char *name = request->start->environment;
        struct error error = { 0 };
        if (!*name || strcmp(name, ENVIRONMENT_PLAIN) == 0)
                return;
        if (environment_open(supervisor->data_fd, name, place, &request->environment_folder, &error) < 0)
                log_failure(LOG_ERROR, "environment.open", &error);
        else
                request->environment = place;
}

static int start_run(struct supervisor *supervisor, const struct message_run_start *start, struct message *message,
                     struct run **ret_run, struct error *error) {
        struct environment_description description;
        struct run_request request = {
                .start = start,
                .arguments = message->payload,
                .arguments_size = message->payload_size,
                .workspace = -1,
                .shared = { -1, -1, -1 },
                .source = message->fds[0],
                .environment_folder = -1,
        };
        open_environment(supervisor, &request, &description);
        int result = open_folders(supervisor, start, &request, error);
        if (result == 0)
                result = engine_start(supervisor->engine, &request, ret_run, error);
        close_fd(&request.environment_folder);
        close_fd(&request.workspace);
        for (size_t i = 0; i < SHARED_TREES; i++)
                close_fd(&request.shared[i]);
        return result;
}

static void attach(struct supervisor *supervisor, struct run *run, uint64_t number, uint64_t from, bool answer) {
        const struct viewer_functions functions = { tell_output, tell_skipped, supervisor };
        struct message_run_attach message = { run_id(run), number, 0 };
        struct viewer *viewer = viewer_attach(run, number, from, &functions, &message.offset);
        if (answer)
                channel_send(supervisor->web, MESSAGE_RUN_ATTACHED, &message, NULL, 0, NULL, 0);
        viewer_wake(viewer);
}

/* Three refusals are meant for the person, and are sentences. What else fails is the operator's to read, in the log. */
static void refuse(struct message_run_started *answer, const struct error *error) {
        bool for_people = error->number == EBUSY || error->number == ESHUTDOWN || error->number == EOPNOTSUPP;
        if (error->number != EBUSY)
                log_failure(LOG_ERROR, "run.refused", error);
        snprintf(answer->text, sizeof answer->text, "%.*s", (int) sizeof answer->text - 1,
                 for_people ? error->text : "The server could not start this program. Its log says why.");
}

static void on_start(struct supervisor *supervisor, struct message *message) {
        const struct message_run_start *start = message->body;
        struct message_run_started answer = { .tag = start->tag };
        struct error error = { 0 };
        struct run *run = NULL;
        if (!start_is_well_formed(start, message))
                answer.result = error_say(&error, EINVAL, "the start message is malformed");
        else if (*supervisor->refusal)
                answer.result = error_say(&error, EOPNOTSUPP, "%s", supervisor->refusal);
        else
                answer.result = start_run(supervisor, start, message, &run, &error);
        if (answer.result < 0)
                refuse(&answer, &error);
        else
                answer.run = run_id(run);
        /* What the run is, before its number: who is answered may ask about it at once. */
        if (run)
                tell_state(supervisor, run);
        channel_send(supervisor->web, MESSAGE_RUN_STARTED, &answer, NULL, 0, NULL, 0);
        if (!run)
                return;
        if (start->viewer != 0)
                attach(supervisor, run, start->viewer, 0, false);
}

/* Requests about one run. One that is no longer kept is no error: its end crossed the request on the way. */

static void detach_everywhere(void *context, struct run *run) {
        struct viewer *viewer = viewer_find(run, *(const uint64_t *) context);
        if (viewer)
                viewer_detach(viewer);
}

static void on_viewer_message(struct supervisor *supervisor, const struct message *message) {
        const struct message_run_attach *body = message->body;
        if (message->type == MESSAGE_RUN_DETACH && body->run == 0) {
                uint64_t number = body->viewer;
                engine_each(supervisor->engine, detach_everywhere, &number);
                return;
        }
        struct run *run = engine_find(supervisor->engine, body->run);
        struct viewer *viewer = run ? viewer_find(run, body->viewer) : NULL;
        if (!run) {
                struct message_run gone = { body->run };
                if (message->type == MESSAGE_RUN_ATTACH)
                        channel_send(supervisor->web, MESSAGE_RUN_GONE, &gone, NULL, 0, NULL, 0);
        } else if (message->type == MESSAGE_RUN_ATTACH)
                attach(supervisor, run, body->viewer, body->offset, true);
        else if (viewer && message->type == MESSAGE_RUN_DETACH)
                viewer_detach(viewer);
        else if (viewer)
                viewer_acknowledge(viewer, body->offset);
}

static void on_run_message(struct supervisor *supervisor, const struct message *message) {
        const struct message_run *body = message->body;
        struct run *run = engine_find(supervisor->engine, body->run);
        if (!run)
                return;
        if (message->type == MESSAGE_RUN_STOP)
                run_stop(run);
        else if (message->type == MESSAGE_RUN_CLOSE)
                run_close(run);
        else
                run_input(run, message->payload, message->payload_size);
}

static void on_web(void *context, struct message *message) {
        struct supervisor *supervisor = context;
        switch (message->type) {
        case MESSAGE_RUN_START:
                on_start(supervisor, message);
                break;
        case MESSAGE_AUDIENCE: {
                const struct message_audience *body = message->body;
                if (supervisor->engine && message_text_ok(body->environment) &&
                    (!*body->environment || environment_name_ok(body->environment)))
                        engine_expect(supervisor->engine, body->environment, body->pages);
                break;
        }
        case MESSAGE_RUN_RESIZE: {
                const struct message_run_resize *body = message->body;
                struct run *run = engine_find(supervisor->engine, body->run);
                if (run && body->columns > 0 && body->rows > 0)
                        run_resize(run, body->columns, body->rows);
                break;
        }
        case MESSAGE_RUN_ATTACH:
        case MESSAGE_RUN_DETACH:
        case MESSAGE_RUN_ACKNOWLEDGE:
                on_viewer_message(supervisor, message);
                break;
        case MESSAGE_RUN_USAGE: {
                const struct message_run_usage *body = message->body;
                struct run *run = engine_find(supervisor->engine, body->run);
                if (run)
                        run_usage(run, body->result < 0 ? NULL : &body->usage);
                break;
        }
        case MESSAGE_METRICS:
                tell_metrics(supervisor);
                break;
        default:
                on_run_message(supervisor, message);
        }
}

#define FROM_WEB                                                                                                       \
        (MESSAGE_BIT(MESSAGE_AUDIENCE) | MESSAGE_BIT(MESSAGE_RUN_START) | MESSAGE_BIT(MESSAGE_RUN_STOP) |              \
         MESSAGE_BIT(MESSAGE_RUN_CLOSE) | MESSAGE_BIT(MESSAGE_RUN_RESIZE) | MESSAGE_BIT(MESSAGE_RUN_INPUT) |           \
         MESSAGE_BIT(MESSAGE_RUN_ATTACH) | MESSAGE_BIT(MESSAGE_RUN_DETACH) | MESSAGE_BIT(MESSAGE_RUN_ACKNOWLEDGE) |    \
         MESSAGE_BIT(MESSAGE_RUN_USAGE) | MESSAGE_BIT(MESSAGE_METRICS))

/* Web servers come and go */

static void detach_all(void *context, struct run *run) {
        (void) context;
        run_usage(run, NULL); /* whoever was asked is gone */
        while (run->viewers)
                viewer_detach(run->viewers);
}

static void drop_web(struct supervisor *supervisor) {
        channel_destroy(steal_pointer(&supervisor->web));
        engine_each(supervisor->engine, detach_all, NULL);
}

static void on_web_closed(void *context, const struct error *why) {
        struct supervisor *supervisor = context;
        if (!supervisor->stopping)
                log_failure(LOG_INFO, "web.gone", why);
        drop_web(supervisor);
}

static void on_web_connect(struct supervisor *supervisor, struct message *message) {
        struct error error = { 0 };
        drop_web(supervisor);
        if (message->fd_count != 1)
                return;
        if (channel_create(supervisor->loop, steal_fd(&message->fds[0]), FROM_WEB, on_web, on_web_closed, supervisor,
                           &supervisor->web, &error) < 0) {
                log_failure(LOG_ERROR, "web.connect", &error);
                return;
        }
        engine_each(supervisor->engine, tell_state, supervisor);
        channel_send(supervisor->web, MESSAGE_RUNS_TOLD, &(struct message_empty){ 0 }, NULL, 0, NULL, 0);
}

/* The process */

static void stop(void *context) {
        struct supervisor *supervisor = context;
        if (supervisor->stopping)
                return;
        supervisor->stopping = true;
        if (supervisor->engine)
                engine_stop(supervisor->engine);
        else
                loop_stop(supervisor->loop);
}

static void on_idle_engine(void *context) {
        struct supervisor *supervisor = context;
        loop_stop(supervisor->loop);
}

static void on_monitor(void *context, struct message *message) {
        on_web_connect(context, message);
}

static void on_monitor_closed(void *context, const struct error *why) {
        (void) why; /* the monitor has ended, or is about to: its programs end with it */
        stop(context);
}

static void log_wall(const struct supervisor *supervisor, enum wall wall, bool in_the_way) {
        bool accepted = supervisor->options->missing_walls & WALL_BIT(wall);
        const char *consequence = in_the_way ? "no program is run" : accepted ? "accepted" : "the others must do";
        log_event(in_the_way ? LOG_ERROR
                  : accepted ? LOG_INFO
                             : LOG_WARNING,
                  "wall.missing", "wall", wall_names[wall], "consequence", consequence, NULL);
}

/* Below the bar no program is run, and whoever wants one is told; files are served all the same. */
static void require_walls(struct supervisor *supervisor) {
        uint64_t missing = walls_probe(&supervisor->host);
        uint64_t in_the_way = walls_accept(&supervisor->host, missing, supervisor->options->missing_walls);
        char names[128] = "";
        for (enum wall wall = 0; wall < WALLS; wall++) {
                if (!(missing & WALL_BIT(wall)))
                        continue;
                bool counts = in_the_way & WALL_BIT(wall);
                if (wall != WALL_OWN_UID || counts)
                        log_wall(supervisor, wall, counts);
                size_t length = strlen(names);
                if (counts)
                        snprintf(names + length, sizeof names - length, "%s%s", length > 0 ? ", " : "",
                                 wall_names[wall]);
        }
        if (in_the_way)
                snprintf(
                        supervisor->refusal, sizeof supervisor->refusal,
                        "This server does not run programs, because it could not keep them apart: it lacks %s. Whoever "
                        "looks after it sees with `carrel doctor` what to do.",
                        names);
}

static int start_engine(struct supervisor *supervisor, struct error *error) {
        int result = sandbox_confine_supervisor(&supervisor->host, error);
        if (result < 0)
                return result;
        struct engine_options engine = supervisor->options->engine;
        engine.host = supervisor->host;
        engine.on_state = tell_state;
        engine.on_gone = tell_gone;
        engine.on_idle = on_idle_engine;
        engine.on_measure = ask_usage;
        engine.open_gate = supervisor->options->network ? open_gate : NULL;
        engine.context = supervisor;
        return engine_create(supervisor->loop, &engine, &supervisor->engine, error);
}

/* A live run is a dozen descriptors here, and what a shell or systemd gives by default is made for one program. */
static void raise_descriptors(void) {
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit); /* up to what is allowed: that never fails */
        }
}

static int start(struct supervisor *supervisor, struct error *error) {
        raise_descriptors();
        int result = loop_create(&supervisor->loop, error);
        if (result == 0)
                result = loop_signal(supervisor->loop, SIGTERM, stop, supervisor, error);
        if (result == 0)
                result = loop_signal(supervisor->loop, SIGINT, stop, supervisor, error);
        if (result < 0)
                return result;
        require_walls(supervisor);
        run_metrics_init(&supervisor->metrics, &supervisor->host);
        if (*supervisor->refusal)
                return 0;
        result = sandbox_enter_supervisor(&supervisor->host, error);
        if (result < 0)
                return result;
        supervisor->data_fd = open(supervisor->options->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (supervisor->data_fd < 0)
                return error_set(error, errno, "opening the data directory %s", supervisor->options->data);
        return start_engine(supervisor, error);
}

int supervisor_run(const struct supervisor_options *options, struct error *error) {
        struct supervisor supervisor = { .options = options, .host = options->engine.host, .data_fd = -1 };
        fd_scoped monitor = options->monitor;
        umask(022);
        int result = start(&supervisor, error);
        if (result == 0)
                result = channel_create(supervisor.loop, steal_fd(&monitor), MESSAGE_BIT(MESSAGE_WEB_CONNECT),
                                        on_monitor, on_monitor_closed, &supervisor, &supervisor.monitor, error);
        if (result == 0) {
                channel_send(supervisor.monitor, MESSAGE_READY, &(struct message_empty){ 0 }, NULL, 0, NULL, 0);
                result = loop_run(supervisor.loop, error);
        }
        run_metrics_finish(&supervisor.metrics);
        channel_destroy(supervisor.web);
        channel_destroy(supervisor.monitor);
        engine_destroy(supervisor.engine);
        loop_destroy(supervisor.loop);
        close_fd(&supervisor.data_fd);
        return result;
}
