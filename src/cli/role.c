/*
 * carrel role NAME DESCRIPTORS… SETTINGS…: the life of a child of the monitor. Each role is a fresh process of this
 * same program, given its descriptors by number; serve.c is the only caller.
 */
#include "cli.h"
#include "../base/log.h"
#include "../gate/gate.h"
#include "../run/run.h"
#include "../sandbox/sandbox.h"
#include "../web/web.h"
#include "../workspace/workspace.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { LISTENERS_MAXIMUM = 8 };

struct run_limits limits_from_settings(const struct settings *settings) {
        return (struct run_limits){
                .memory_bytes = settings->limits_memory,
                .file_bytes = settings->limits_file,
                .output_bytes = settings->limits_output,
                .workspace = { settings->limits_workspace, settings->limits_workspace_files },
                .processes = (uint32_t) settings->limits_processes,
                .open_files = (uint32_t) settings->limits_open_files,
                .cpu_milliseconds = (uint32_t) settings->limits_cpu,
                .idle_milliseconds = (uint32_t) settings->limits_idle,
                .runs = (uint32_t) settings->limits_runs,
                .cpu_weight = (uint32_t) settings->limits_cpu_weight,
        };
}

/* Takes the next word of argv as a number. */
static uint64_t next_number(int *argc, char ***argv) {
        uint64_t number;
        if (*argc < 1 || parse_unsigned((*argv)[0], UINT32_MAX, &number) < 0)
                exit(EXIT_USAGE); /* only a person who tries it by hand comes here */
        (*argc)--;
        (*argv)++;
        return number;
}

/* Children of the monitor end with it. */
static void end_with_monitor(void) {
        prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
}

/* Everybody's keys and bytes pass through this process, so it goes before any one program. An ordinary user may not ask
 * for that, and does without. */
static void go_first(void) {
        (void) setpriority(PRIO_PROCESS, 0, -10);
}

/* What a program moves over the network is nobody's key, and no control group of the program's counts it. */
static void go_last(void) {
        (void) setpriority(PRIO_PROCESS, 0, 10); /* to be less is always allowed */
}

static uint64_t missing_walls(const struct settings *settings) {
        uint64_t bits = 0;
        for (enum wall wall = 0; wall < WALLS; wall++)
                if (settings_list_has(settings->walls_missing, wall_names[wall]))
                        bits |= UINT64_C(1) << wall;
        return bits;
}

/* role supervisor CHANNEL SETTINGS… */
static int role_supervisor(int argc, char **argv, const struct settings *settings, struct error *error) {
        int channel = (int) next_number(&argc, &argv);
        end_with_monitor();
        prctl(PR_SET_NAME, "carrel-run", 0, 0, 0);
        go_first();
        char zygote[PATH_MAX];
        int result = find_zygote(zygote, error);
        if (result < 0)
                return result;
        struct supervisor_options options = {
                .engine = {
                        .host = sandbox_host_here(settings->uid_base),
                        .zygote_path = zygote,
                        .imports = settings->python_imports,
                        .pool = settings->pool_size,
                        .pool_maximum = settings->pool_maximum,
                        .memory_reserve = settings->memory_reserve,
                        .memory_idle = settings->memory_idle,
                        .generation = settings->pool_generation,
                        .scrollback = settings->scrollback,
                        .environments = settings->environments_running,
                        .environment_idle = settings->environments_idle,
                        .environment_patience = settings->environments_patience,
                        .environment_memory = settings->environments_memory,
                },
                .monitor = channel,
                .data = settings->data,
                .network = settings->network_allowed,
                .missing_walls = missing_walls(settings),
        };
        return supervisor_run(&options, error);
}

struct confinement {
        struct sandbox_host host;
        uid_t service_uid;
        const char *data;
        int *page_fd; /* of the page's folder, which has been read by then */
};

static int confine_web(void *context, struct error *error) {
        const struct confinement *confinement = context;
        close_fd(confinement->page_fd);
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/store", confinement->data);
        fd_scoped store = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (store < 0)
                return error_set(error, errno, "opening %s", path);
        return sandbox_confine_web(&confinement->host, confinement->service_uid, steal_fd(&store), error);
}

/* role web MONITOR SUPERVISOR COUNT LISTENER… SETTINGS… */
static int role_web(int argc, char **argv, const struct settings *settings, struct error *error) {
        end_with_monitor();
        prctl(PR_SET_NAME, "carrel-web", 0, 0, 0);
        go_first();
        int monitor = (int) next_number(&argc, &argv), supervisor = (int) next_number(&argc, &argv);
        size_t count = next_number(&argc, &argv);
        int listeners[LISTENERS_MAXIMUM];
        for (size_t i = 0; i < count && i < LISTENERS_MAXIMUM; i++)
                listeners[i] = (int) next_number(&argc, &argv);
        char page[PATH_MAX];
        int result = find_page(page, error);
        fd_scoped page_fd = result < 0 ? -1 : open(page, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (page_fd < 0)
                log_event(LOG_WARNING, "page.missing", "error", error->text, NULL);
        struct confinement confinement = { sandbox_host_here(settings->uid_base), (uid_t) settings->uid_service,
                                           settings->data, &page_fd };
        struct web_options options = {
                .listeners = listeners,
                .listener_count = count,
                .monitor_fd = monitor,
                .supervisor_fd = supervisor,
                .page_fd = page_fd,
                .store_path = "/store/carrel.db",
                .settings = settings,
                .metrics_token = getenv(METRICS_TOKEN_VARIABLE),
                .connections = (unsigned) settings->web_connections,
                .connections_per_address = (unsigned) settings->web_connections_address,
                .confine = confine_web,
                .confine_context = &confinement,
        };
        return web_run(&options, error);
}

/* role worker CHANNEL TREE KIND UID */
static int role_worker(int argc, char **argv, const struct settings *settings, struct error *error) {
        prctl(PR_SET_NAME, "carrel-worker", 0, 0, 0);
        struct workspace_worker worker = { .channel_fd = (int) next_number(&argc, &argv),
                                           .tree_fd = (int) next_number(&argc, &argv) };
        worker.kind = (enum tree_kind) next_number(&argc, &argv);
        worker.uid = (uid_t) next_number(&argc, &argv);
        worker.gid = worker.uid == geteuid() ? getegid() : (gid_t) worker.uid;
        worker.landlock_optional = settings_list_has(settings->walls_missing, "landlock");
        worker.trash_days = (uint32_t) settings->trash_days;
        int result = worker_run(&worker, error);
        if (result < 0)
                log_failure(LOG_ERROR, "worker.failed", error);
        _exit(result < 0 ? EXIT_FAILED : EXIT_DONE); /* no way back from its walls */
}

/* role gate CHANNEL SETTINGS… */
static int role_gate(int argc, char **argv, const struct settings *settings, struct error *error) {
        end_with_monitor();
        prctl(PR_SET_NAME, "carrel-gate", 0, 0, 0);
        go_last();
        const struct gate_options options = { .channel = (int) next_number(&argc, &argv),
                                              .host = sandbox_host_here(settings->uid_base),
                                              .service_uid = (uid_t) settings->uid_service };
        int result = gate_run(&options, error);
        if (result < 0)
                log_failure(LOG_ERROR, "gate.failed", error);
        _exit(result < 0 ? EXIT_FAILED : EXIT_DONE); /* with its connections, wherever they are */
}

static const struct {
        const char *name;
        int (*function)(int argc, char **argv, const struct settings *settings, struct error *error);
} roles[] = {
        { "supervisor", role_supervisor },
        { "web", role_web },
        { "worker", role_worker },
        { "gate", role_gate },
};

int command_role(int argc, char **argv) {
        struct error error = { 0 };
        settings_scoped settings = { 0 };
        /* What settings_arguments() wrote; the numbers before it are the role's own. */
        if (argc < 2 || settings_load(&settings, &argc, argv, SETTINGS_LEAVE_REST | SETTINGS_NO_FILE, &error) < 0) {
                complain("%s", argc < 2 ? "roles are given by `carrel serve`" : error.text);
                return EXIT_USAGE;
        }
        for (size_t i = 0; i < array_length(roles); i++) {
                if (strcmp(argv[1], roles[i].name) != 0)
                        continue;
                log_start(roles[i].name, (enum log_level) settings.log_level);
                if (roles[i].function(argc - 2, argv + 2, &settings, &error) == 0)
                        return EXIT_DONE;
                log_failure(LOG_ERROR, "process.failed", &error);
                return EXIT_FAILED;
        }
        complain("there is no role '%s'", argv[1]);
        return EXIT_USAGE;
}
