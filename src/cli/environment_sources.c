/* Where packages come from: Debian's, a virtual environment, a folder of wheels. */
#include "environment.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PYTHON_PROGRAM "/usr/bin/python3"
#define PIP_FOLDER "/usr/lib/python3/dist-packages/pip"
#define DEBIAN_MODULES "/usr/lib/python3/dist-packages/"

static void close_reader(DIR **reader) {
        if (*reader)
                closedir(*reader);
}

int preload_add(char preload[static PRELOAD_BYTES], const char *module, struct error *error) {
        size_t length = strlen(preload);
        if (!environment_module_ok(module))
                return error_say(error, EINVAL, "'%.80s' is no module's name", module);
        if (settings_list_has(preload, module))
                return 0;
        if (length + strlen(module) + 2 > PRELOAD_BYTES)
                return error_say(error, E2BIG, "the names of the modules to import are longer than %d bytes",
                                 PRELOAD_BYTES - 1);
        snprintf(preload + length, PRELOAD_BYTES - length, "%s%s", length > 0 ? "," : "", module);
        return 0;
}

/* Programs */

/* Runs one to its end; its exit status. `output`, `errors`: where its standard streams go, or -1: to ours. `variables`:
 * its environment. */
static int run_program(char *const *words, char *const *variables, int output, int errors, struct error *error) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid < 0)
                return error_set(error, errno, "forking");
        if (pid == 0) {
                uid_t uid = geteuid();
                gid_t gid = getegid();
                /* Whose rights were taken, has them wholly. */
                if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                        _exit(126);
                if (output >= 0)
                        dup2(output, STDOUT_FILENO);
                if (errors >= 0)
                        dup2(errors, STDERR_FILENO);
                umask(022);
                execvpe(words[0], words, variables);
                dprintf(STDERR_FILENO, "carrel: running %s: %s\n", words[0], strerror(errno));
                _exit(127);
        }
        int status;
        if (waitpid(pid, &status, 0) != pid)
                return error_set(error, errno, "waiting for %s", words[0]);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Debian's packages */

static bool package_name_ok(const char *name) {
        return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+.-") == strlen(name) && *name != '-' &&
               strlen(name) < 100;
}

static bool is_installed(const char *package) {
        char *words[] = { (char[]){ "dpkg-query" },
                          (char[]){ "-W" },
                          (char[]){ "-f" },
                          (char[]){ "${db:Status-Status}" },
                          (char *) (uintptr_t) package,
                          NULL };
        char text[64] = "";
        fd_scoped output = memfd_create("status", MFD_CLOEXEC), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        struct error error;
        if (output < 0 || null < 0)
                return false;
        int status = run_program(words, environ, output, null, &error);
        ssize_t size = pread(output, text, sizeof text - 1, 0);
        return status == 0 && size > 0 && strncmp(text, "installed", 9) == 0;
}

static int install(const struct environment_sources *sources, struct error *error) {
        char *words[DEBIAN_PACKAGES_MAXIMUM + 8] = { (char[]){ "apt-get" },
                                                     (char[]){ "install" },
                                                     (char[]){ "-q" },
                                                     (char[]){ "-y" },
                                                     (char[]){ "--no-install-recommends" },
                                                     (char[]){ "--" } };
        size_t count = 6;
        char named[192] = "";
        for (size_t i = 0; i < sources->debian_count; i++) {
                size_t length = strlen(named);
                if (is_installed(sources->debian[i]))
                        continue;
                words[count++] = (char *) (uintptr_t) sources->debian[i];
                snprintf(named + length, sizeof named - length, " %s", sources->debian[i]);
        }
        if (count == 6)
                return 0;
        if (geteuid() != 0)
                return error_say(error, EPERM,
                                 "only root can install Debian's packages: apt-get install --no-install-recommends%s",
                                 named);
        int status = run_program(words, environ, STDERR_FILENO, -1, error);
        if (status > 0)
                return error_say(error, EIO, "apt-get could not install%s (exit status %d; it says why above)", named,
                                 status);
        return status;
}

/* "/usr/lib/python3/dist-packages/NAME/__init__.py" or ".../NAME.py": NAME. */
static bool module_of(char *line, const char **ret_module) {
        if (strncmp(line, DEBIAN_MODULES, strlen(DEBIAN_MODULES)) != 0)
                return false;
        char *name = line + strlen(DEBIAN_MODULES), *slash = strchr(name, '/'), *end = strrchr(name, '.');
        if (slash && strcmp(slash, "/__init__.py") != 0)
                return false;
        if (!slash && (!end || strcmp(end, ".py") != 0))
                return false;
        *(slash ? slash : end) = '\0';
        *ret_module = name;
        return *name != '_' && environment_module_ok(name);
}

static int add_modules(struct environment_sources *sources, const char *package, struct error *error) {
        char *words[] = { (char[]){ "dpkg-query" }, (char[]){ "-L" }, (char *) (uintptr_t) package, NULL };
        fd_scoped output = memfd_create("files", MFD_CLOEXEC);
        if (output < 0)
                return error_set(error, errno, "making memory for a list of files");
        int result = run_program(words, environ, output, -1, error);
        if (result != 0)
                return result < 0 ? result : error_say(error, EIO, "dpkg-query does not tell what %s holds", package);
        cleanup(close_file) FILE *list = lseek(output, 0, SEEK_SET) < 0 ? NULL : fdopen(output, "r");
        if (!list)
                return error_set(error, errno, "reading a list of files");
        (void) steal_fd(&output);
        free_scoped char *line = NULL;
        size_t capacity = 0;
        while (result == 0 && getline(&line, &capacity, list) >= 0) {
                const char *module;
                line[strcspn(line, "\n")] = '\0';
                if (module_of(line, &module))
                        result = preload_add(sources->preload, module, error);
        }
        return result;
}

int environment_take_debian(struct environment_sources *sources, struct error *error) {
        int result = 0;
        for (size_t i = 0; i < sources->debian_count && result == 0; i++)
                if (!package_name_ok(sources->debian[i]))
                        result = error_say(error, EINVAL, "'%.80s' is no name of a Debian package", sources->debian[i]);
        if (result == 0 && sources->debian_count > 0)
                result = install(sources, error);
        for (size_t i = 0; i < sources->debian_count && result == 0; i++)
                result = add_modules(sources, sources->debian[i], error);
        return result;
}

/* A virtual environment: copied, since one in somebody's home may change under us or go. */

/* "version = 3.11.2" of venv, "version_info = 3.11.2.final.0" of others. */
static int read_venv_version(const char *venv, char ret_version[static PYTHON_VERSION_BYTES], struct error *error) {
        free_scoped char *path = format_string("%s/pyvenv.cfg", venv);
        char text[4096], word[64], version[64];
        ssize_t size = read_small_file(AT_FDCWD, path, text, sizeof text);
        if (size < 0)
                return error_set(error, (int) -size, "'%s' is no virtual environment: reading its pyvenv.cfg", venv);
        for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
                if (sscanf(line, " %63[a-z_] = %63s", word, version) != 2 ||
                    (strcmp(word, "version") != 0 && strcmp(word, "version_info") != 0))
                        continue;
                size_t length = strcspn(version, ".");
                if (version[length])
                        length += 1 + strspn(version + length + 1, "0123456789");
                snprintf(ret_version, PYTHON_VERSION_BYTES, "%.*s", (int) length, version);
                return 0;
        }
        return error_say(error, EINVAL, "'%s' does not say which Python it is for", path);
}

int environment_take_venv(struct workshop *workshop, const char *venv, struct error *error) {
        char version[PYTHON_VERSION_BYTES];
        int result = read_venv_version(venv, version, error);
        if (result < 0)
                return result;
        if (strcmp(version, environment_python()) != 0)
                return error_say(error, EINVAL,
                                 "the virtual environment '%s' is for Python %s, and programs run in %s: make it with "
                                 "that one",
                                 venv, version, environment_python());
        free_scoped char *path = format_string("%s/lib/python%s/site-packages", venv, version);
        fd_scoped packages = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (packages < 0)
                return error_set(error, errno, "opening %s", path);
        size_t left_out;
        result = workshop_copy(workshop, packages, &left_out, error);
        if (result == 0 && left_out > 0)
                complain("%zu links and other special files of %s were left out", left_out, path);
        return result;
}

/* Wheels: by Debian's pip, which knows whether one is for this Python and machine. Nothing is fetched, and of a wheel
 * nothing is run. */

struct wheels {
        char *paths[WHEELS_MAXIMUM];
        size_t count;
};

static void wheels_finish(struct wheels *wheels) {
        for (size_t i = 0; i < wheels->count; i++)
                free(wheels->paths[i]);
}

static int find_wheels(const char *folder, struct wheels *ret_wheels, struct error *error) {
        cleanup(close_reader) DIR *reader = opendir(folder);
        if (!reader)
                return error_set(error, errno, "opening the folder of wheels '%s'", folder);
        const struct dirent *entry;
        while ((entry = readdir(reader))) {
                const char *end = strrchr(entry->d_name, '.');
                if (!end || strcmp(end, ".whl") != 0)
                        continue;
                if (ret_wheels->count == WHEELS_MAXIMUM)
                        return error_say(error, E2BIG, "'%s' holds more than %d wheels", folder, WHEELS_MAXIMUM);
                ret_wheels->paths[ret_wheels->count++] = format_string("%s/%s", folder, entry->d_name);
        }
        if (ret_wheels->count == 0)
                return error_say(error, ENOENT, "'%s' holds no wheel (NAME-VERSION-….whl)", folder);
        return 0;
}

int environment_take_wheels(struct workshop *workshop, const char *packages, const char *wheels_folder,
                            struct error *error) {
        static const char *const options[] = { PYTHON_PROGRAM,
                                               "-I",
                                               "-m",
                                               "pip",
                                               "--disable-pip-version-check",
                                               "install",
                                               "--quiet",
                                               "--no-index",
                                               "--no-deps",
                                               "--no-cache-dir",
                                               "--only-binary=:all:",
                                               "--no-warn-script-location",
                                               "--root-user-action=ignore",
                                               "--upgrade",
                                               "--target" };
        /* Nothing of the operator's own settings for pip, which may name another source. */
        char *variables[] = { (char[]){ "PATH=/usr/bin:/bin" }, (char[]){ "LANG=C.UTF-8" },
                              (char[]){ "HOME=/nonexistent" }, (char[]){ "PIP_CONFIG_FILE=/dev/null" }, NULL };
        if (access(PIP_FOLDER, F_OK) < 0)
                return error_say(error, ENOENT, "wheels are unpacked by pip: apt-get install python3-pip");
        cleanup(wheels_finish) struct wheels wheels = { 0 };
        int result = find_wheels(wheels_folder, &wheels, error);
        if (result < 0)
                return result;
        char *words[array_length(options) + WHEELS_MAXIMUM + 3];
        size_t count = 0;
        for (size_t i = 0; i < array_length(options); i++)
                words[count++] = (char *) (uintptr_t) options[i];
        words[count++] = (char *) (uintptr_t) packages;
        words[count++] = (char[]){ "--" };
        for (size_t i = 0; i < wheels.count && result == 0; i++) {
                words[count++] = wheels.paths[i];
                result = workshop_supersede(workshop, strrchr(wheels.paths[i], '/') + 1, error);
        }
        words[count] = NULL;
        if (result < 0)
                return result;
        result = run_program(words, variables, STDERR_FILENO, -1, error);
        if (result > 0)
                return error_say(error, EINVAL, "pip could not unpack the wheels (exit status %d; it says why above)",
                                 result);
        return result;
}
