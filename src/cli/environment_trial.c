/* Does an environment work? In a process of its own, since there is no way back out of the supervisor's namespaces. */
#include "environment.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/wait.h>

struct report {
        int result;
        struct environment_trial trial;
        struct error error;
};

/* By its path: a descriptor from before would be of another mount namespace. */
static int try_here(const struct settings *settings, const char *path, const char *preload,
                    struct environment_trial *ret_trial, struct error *error) {
        char zygote[PATH_MAX];
        struct engine_options options = {
                .host = sandbox_host_here(settings->uid_base),
                .zygote_path = zygote,
                .environment_patience = settings->environments_patience,
                .environment_memory = settings->environments_memory,
        };
        int result = find_zygote(zygote, error);
        if (result < 0)
                return result;
        if (walls_accept(&options.host, walls_probe(&options.host), ~UINT64_C(0)) != 0)
                return error_say(error, ENOSYS, "no sandbox can be made here; see `carrel doctor`");
        result = sandbox_enter_supervisor(&options.host, error);
        if (result < 0)
                return result;
        fd_scoped folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                return error_set(error, errno, "opening %s", path);
        return environment_try(&options, folder, preload, ret_trial, error);
}

int environment_check(const struct settings *settings, const char *folder, const char *preload,
                      struct environment_trial *ret_trial, struct error *error) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
                return error_set(error, errno, "making a pipe");
        fd_scoped reading = ends[0], writing = ends[1];
        fflush(stdout);
        pid_t pid = fork();
        if (pid < 0)
                return error_set(error, errno, "forking");
        struct report report = { 0 };
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                report.result = try_here(settings, folder, preload, &report.trial, &report.error);
                _exit(write_fully(writing, &report, sizeof report) < 0);
        }
        close_fd(&writing);
        ssize_t size = read_fully(reading, &report, sizeof report);
        (void) waitpid(pid, NULL, 0);
        if (size != sizeof report)
                return error_say(error, EIO, "the check ended before it could tell anything");
        if (report.result < 0) {
                if (error)
                        *error = report.error;
                return report.result;
        }
        *ret_trial = report.trial;
        return 0;
}

void environment_tell_trial(const struct environment_trial *trial, char ret_text[static CHECK_TEXT_BYTES]) {
        char bytes[SIZE_TEXT_BYTES];
        size_to_text(trial->bytes, bytes);
        if (trial->works)
                snprintf(ret_text, CHECK_TEXT_BYTES, "works: ready in %llu ms, with %s of memory",
                         (unsigned long long) trial->milliseconds, bytes);
        else if (*trial->module)
                snprintf(ret_text, CHECK_TEXT_BYTES, "does not work: importing %s: %s", trial->module, trial->why);
        else
                snprintf(ret_text, CHECK_TEXT_BYTES, "does not work: starting Python: %s", trial->why);
}

bool environment_check_named(const struct settings *settings, const char *name,
                             char ret_text[static CHECK_TEXT_BYTES]) {
        struct error error = { 0 };
        struct environment_description description;
        struct environment_trial trial = { 0 };
        fd_scoped data = open(settings->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC), used = -1;
        int result = data < 0 ? error_set(&error, errno, "opening %s", settings->data)
                              : environment_open(data, name, &description, &used, &error);
        free_scoped char *path = format_string("%s/" ENVIRONMENTS_FOLDER "/%s", settings->data, name);
        if (result == 0)
                result = environment_check(settings, path, description.preload, &trial, &error);
        if (result == 0)
                environment_tell_trial(&trial, ret_text);
        else
                snprintf(ret_text, CHECK_TEXT_BYTES, "could not be tried: %s", error.text);
        return result == 0 && trial.works;
}
