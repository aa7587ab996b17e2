#include "solo.h"
#include "../workspace/workspace.h"

#include <fcntl.h>

static void finish_if_shown(struct solo *solo) {
        if (!solo->ended || solo->stopping || solo->shown < solo->outcome.next)
                return;
        solo->stopping = true;
        engine_stop(solo->engine);
}

/* Deferred, since acknowledging within the viewer's own callback would call it again. */
static void acknowledge(void *context) {
        struct solo *solo = context;
        solo->acknowledging = false;
        viewer_acknowledge(solo->viewer, solo->shown);
        finish_if_shown(solo);
}

static void shown_up_to(struct solo *solo, uint64_t offset) {
        solo->shown = offset;
        if (!solo->acknowledging) {
                solo->acknowledging = true;
                loop_defer(solo->loop, acknowledge, solo);
        }
}

static bool show(void *context, struct viewer *viewer, uint64_t offset, const void *bytes, size_t size) {
        (void) viewer;
        struct solo *solo = context;
        if (solo->options.output)
                solo->options.output(solo->options.context, bytes, size);
        shown_up_to(solo, offset + size);
        return true;
}

static void show_skipped(void *context, struct viewer *viewer, uint64_t from, uint64_t to) {
        (void) viewer;
        struct solo *solo = context;
        complain("%llu bytes of output were skipped", (unsigned long long) (to - from));
        shown_up_to(solo, to);
}

static void on_state(void *context, struct run *run) {
        struct solo *solo = context;
        struct message_run_state state;
        run_describe(run, &state);
        if (state.state == RUN_RUNNING && !solo->begun) {
                solo->begun = true;
                if (solo->options.running)
                        solo->options.running(solo->options.context);
        }
        if (state.state != RUN_ENDED || solo->ended)
                return;
        solo->ended = true;
        solo->outcome = state;
        finish_if_shown(solo);
}

static void on_idle(void *context) {
        struct solo *solo = context;
        loop_stop(solo->loop);
}

/* There is one run, and its gate was started before the process left the host's network. */
static int open_gate(void *context, struct error *error) {
        struct solo *solo = context;
        (void) error;
        return steal_fd(&solo->options.gate);
}

static void on_patience_over(void *context) {
        struct solo *solo = context;
        run_end(solo->run, REASON_KILLED);
}

static size_t join_arguments(const struct solo_options *options, char **ret_bytes) {
        size_t size = 0;
        for (int i = 0; i < options->argument_count; i++)
                size += strlen(options->arguments[i]) + 1;
        char *bytes = allocate(size), *at = bytes;
        for (int i = 0; i < options->argument_count; i++)
                at = stpcpy(at, options->arguments[i]) + 1;
        *ret_bytes = bytes;
        return size;
}

static int start_run(struct solo *solo, struct error *error) {
        const struct solo_options *options = &solo->options;
        struct message_run_start start = {
                .class_slug = "sandbox",
                .folder = SOLO_FOLDER,
                .uid = SOLO_ACCOUNT,
                .account = SOLO_ACCOUNT,
                .columns = options->columns,
                .rows = options->rows,
                .argument_count = (uint16_t) options->argument_count,
                .repl_after = options->interactive ? REPL_ALWAYS : REPL_NEVER,
                .limits = options->limits,
        };
        snprintf(start.path, sizeof start.path, "Local/" SOLO_FOLDER "/%.800s", options->name);
        if (options->network)
                snprintf(start.network, sizeof start.network, "%s", options->network);
        free_scoped char *arguments = NULL;
        size_t arguments_size = join_arguments(options, &arguments);
        struct run_request request = { &start,         arguments,       arguments_size, options->workspace,
                                       { -1, -1, -1 }, options->source, NULL,           -1 };
        int result = engine_start(solo->engine, &request, &solo->run, error);
        if (result < 0)
                return result;
        const struct viewer_functions functions = { show, show_skipped, solo };
        uint64_t from;
        solo->viewer = viewer_attach(solo->run, 1, 0, &functions, &from);
        if (options->patience > 0)
                timer_set(solo->patience, options->patience);
        return 0;
}

int solo_start(struct solo *solo, const struct solo_options *options, struct error *error) {
        *solo = (struct solo){ .options = *options };
        char zygote[PATH_MAX];
        int result = find_zygote(zygote, error);
        if (result == 0)
                result = loop_create(&solo->loop, error);
        if (result < 0)
                return result;
        solo->patience = loop_timer(solo->loop, on_patience_over, solo);
        const struct engine_options engine = {
                .host = options->host,
                .zygote_path = zygote,
                .imports = "",
                .scrollback = options->scrollback,
                .plain_terminal = options->plain_terminal,
                .on_state = on_state,
                .on_idle = on_idle,
                .open_gate = open_gate,
                .context = solo,
        };
        result = engine_create(solo->loop, &engine, &solo->engine, error);
        return result < 0 ? result : start_run(solo, error);
}

int solo_wait(struct solo *solo, struct error *error) {
        return loop_run(solo->loop, error);
}

void solo_finish(struct solo *solo) {
        if (!solo->loop)
                return;
        engine_destroy(solo->engine);
        timer_remove(solo->patience);
        loop_destroy(solo->loop);
        solo->loop = NULL;
}

int solo_make_workspace(const struct sandbox_host *host, char ret_path[static PATH_MAX], struct error *error) {
        snprintf(ret_path, PATH_MAX, "%s/carrel-sandbox-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        if (!mkdtemp(ret_path)) {
                *ret_path = '\0';
                return error_set(error, errno, "making a folder for the program");
        }
        uid_t uid = sandbox_host_uid(host, SOLO_ACCOUNT);
        if (host->root && chown(ret_path, uid, uid) < 0)
                return error_set(error, errno, "giving the program its folder");
        return 0;
}

void solo_remove_workspace(const char *path) {
        if (!*path)
                return;
        char parent[PATH_MAX];
        snprintf(parent, sizeof parent, "%s", path);
        char *slash = strrchr(parent, '/');
        *slash = '\0';
        struct error error = { 0 };
        fd_scoped parent_fd = open(*parent ? parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent_fd < 0 || workspace_tree_remove(parent_fd, slash + 1, &error) < 0)
                complain("%s could not be removed: %s", path, *error.text ? error.text : strerror(errno));
}
