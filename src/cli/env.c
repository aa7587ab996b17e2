/* carrel env: the Python environments that classes may name. */
#include "environment.h"
#include "subcommand.h"
#include "../base/log.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <time.h>

static subcommand_function env_list, env_create, env_add, env_check, env_delete;

#define SOURCES "[--preload MODULE]… [--from-venv FOLDER] [--wheels FOLDER] [--debian PACKAGE]… [--force]"

static const struct subcommand verbs[] = {
        { "list", env_list, "",
          "Lists them: when made, from what, what is imported ahead, and the classes that name it." },
        { "create", env_create, "NAME " SOURCES,
          "Makes one. NAME has a-z, 0-9 and '-'. Its programs find Debian's packages and those of\n"
          "          --from-venv FOLDER  a virtual environment for the same Python: its packages are copied\n"
          "          --wheels FOLDER     all wheels in a folder, unpacked by pip; nothing is fetched\n"
          "          --debian PACKAGE    a python3-… package: installed if it is not (by root), and its modules "
          "preloaded\n"
          "          --preload MODULE    imported once, ahead, so that no program waits for it\n"
          "        Then it is tried. One that does not work is not kept, unless by --force." },
        { "add", env_add, "NAME " SOURCES,
          "Adds to one, in the same ways. Programs that run keep what they have; the next ones get the new." },
        { "check", env_check, "[NAME]…", "Starts all, or these, behind their walls, and says what happens." },
        { "delete", env_delete, "NAME", "Deletes one that no class names." },
        { NULL },
};

int command_env(int argc, char **argv) {
        log_start("env", LOG_WARNING);
        return run_subcommand(verbs, argc, argv);
}

static int usage(const char *verb) {
        for (const struct subcommand *row = verbs; row->name; row++)
                if (strcmp(row->name, verb) == 0)
                        complain("usage: carrel env %s %s", verb, row->arguments);
        return EXIT_USAGE;
}

static int open_data(const struct command_context *context, struct error *error) {
        const char *data = context->settings.data;
        int fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(error, errno, "opening the data directory '%s' (--data DIR says where it is)", data)
                      : fd;
}

/* Which classes name it */

struct users {
        const char *name;
        char text[1024];
};

static int add_user(void *context, const struct course *course) {
        struct users *users = context;
        size_t length = strlen(users->text);
        if (strcmp(course->environment, users->name) == 0)
                snprintf(users->text + length, sizeof users->text - length, "%s%s", length > 0 ? ", " : "",
                         course->slug);
        return 0;
}

/* Listing */

static void print_environment(const struct environment_description *description, const char *classes) {
        time_t seconds = (time_t) (description->made / 1000);
        struct tm when;
        char made[32] = "";
        if (gmtime_r(&seconds, &when))
                strftime(made, sizeof made, "%Y-%m-%d %H:%M", &when);
        printf("%-20s  made %s UTC for Python %s\n", description->name, made, description->python);
        if (*description->preload)
                printf("        imports ahead: %s\n", description->preload);
        if (*description->origin)
                printf("        holds: %s\n", description->origin);
        printf("        classes: %s\n", *classes ? classes : "none");
}

static int list_all(struct command_context *context, int data, struct error *error) {
        struct environment_names names;
        int result = environment_list(data, &names, error);
        if (result == 0)
                result = context_open(context, DATABASE_MUST_EXIST, error);
        if (result < 0)
                return result;
        printf("%-20s  what a class has that names none\n        imports ahead: %s\n", ENVIRONMENT_PLAIN,
               context->settings.python_imports);
        for (size_t i = 0; i < names.count && result == 0; i++) {
                struct environment_description description;
                struct users users = { .name = names.names[i] };
                result = course_list(context->store, add_user, &users, error);
                if (result < 0)
                        return result;
                if (environment_describe(data, names.names[i], &description, error) < 0)
                        printf("%-20s  broken: %s\n", names.names[i], error->text);
                else
                        print_environment(&description, users.text);
        }
        return result;
}

static int env_list(struct command_context *context, int argc, char **argv) {
        struct error error = { 0 };
        if (argc > 1)
                return usage(argv[0]);
        fd_scoped data = open_data(context, &error);
        return data < 0 || list_all(context, data, &error) < 0 ? fail(&error) : EXIT_DONE;
}

/* Making */

struct making {
        const char *name;
        struct environment_sources sources;
        bool force, adds;
};

/* Of "one,two", one after the other; the text is changed. */
static int each_word(char *text, struct making *making, int (*function)(struct making *, char *, struct error *),
                     struct error *error) {
        int result = 0;
        for (char *word; result == 0 && (word = strsep(&text, ","));)
                if (*word)
                        result = function(making, word, error);
        return result;
}

static int take_module(struct making *making, char *word, struct error *error) {
        return preload_add(making->sources.preload, word, error);
}

static int take_package(struct making *making, char *word, struct error *error) {
        struct environment_sources *sources = &making->sources;
        if (sources->debian_count == DEBIAN_PACKAGES_MAXIMUM)
                return error_say(error, E2BIG, "at most %d packages at once", DEBIAN_PACKAGES_MAXIMUM);
        sources->debian[sources->debian_count++] = word;
        return 0;
}

static int parse_making(int argc, char **argv, struct making *ret_making) {
        static const struct option options[] = {
                { "preload", required_argument, NULL, 'p' }, { "from-venv", required_argument, NULL, 'v' },
                { "wheels", required_argument, NULL, 'w' },  { "debian", required_argument, NULL, 'd' },
                { "force", no_argument, NULL, 'f' },         { 0 },
        };
        struct making making = { .adds = strcmp(argv[0], "add") == 0 };
        struct error error = { 0 };
        int answer, result = 0;
        optind = 0;
        while (result == 0 && (answer = getopt_long(argc, argv, ":", options, NULL)) != -1) {
                if (answer == 'p')
                        result = each_word(optarg, &making, take_module, &error);
                else if (answer == 'd')
                        result = each_word(optarg, &making, take_package, &error);
                else if (answer == 'v')
                        making.sources.venv = optarg;
                else if (answer == 'w')
                        making.sources.wheels = optarg;
                else if (answer == 'f')
                        making.force = true;
                else
                        return refuse_option(answer, argv);
        }
        if (result == 0 && argc - optind != 1)
                return usage(argv[0]);
        if (result == 0 && (!environment_name_ok(argv[optind]) || strcmp(argv[optind], ENVIRONMENT_PLAIN) == 0))
                result = error_say(&error, EINVAL,
                                   "'%.80s' cannot be a Python environment's name: 1 to %d of a-z, 0-9 and, between "
                                   "them, '-'; and not '" ENVIRONMENT_PLAIN "'",
                                   argv[optind], ENVIRONMENT_BYTES - 1);
        if (result < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        making.name = argv[optind];
        *ret_making = making;
        return EXIT_DONE;
}

/* What was put in, for people who look at the list later. The oldest goes where there is no more room. */
static void note_origin(struct environment_description *description, const char *kind, const char *what) {
        const char *before = description->origin;
        free_scoped char *all = format_string("%s%s%s %s", before, *before ? "; " : "", kind, what);
        size_t length = strlen(all), surplus = length < ORIGIN_BYTES ? 0 : length - ORIGIN_BYTES + 1;
        for (char *at = all; *at; at++)
                if ((unsigned char) *at < 0x20)
                        *at = '?'; /* a description has a line for each thing */
        memcpy(description->origin, all + surplus, length - surplus + 1);
}

static int begin(struct workshop *workshop, int data, const struct making *making, struct error *error) {
        struct environment_description before = { 0 };
        fd_scoped old = -1;
        int result = environment_describe(data, making->name, &before, making->adds ? error : NULL);
        if (making->adds && result < 0)
                return result;
        if (!making->adds && result != -ENOENT)
                return error_say(error, EEXIST,
                                 "there is a Python environment '%s' already: `carrel env add`, or delete it",
                                 making->name);
        if (making->adds) {
                result = environment_open(data, making->name, &before, &old, error);
                if (result < 0)
                        return result;
        }
        workshop->description = before;
        return workshop_begin(workshop, making->name, old, error);
}

static int add_preload(struct workshop *workshop, const struct environment_sources *sources, struct error *error) {
        char copy[PRELOAD_BYTES];
        int result = 0;
        memcpy(copy, sources->preload, sizeof copy);
        for (char *rest = copy, *module; result == 0 && (module = strsep(&rest, ","));)
                if (*module)
                        result = preload_add(workshop->description.preload, module, error);
        return result;
}

static int fill(struct workshop *workshop, const char *folder, const struct environment_sources *sources,
                struct error *error) {
        struct environment_description *description = &workshop->description;
        free_scoped char *packages = format_string("%s/" ENVIRONMENT_PACKAGES, folder);
        int result = 0;
        if (sources->venv) {
                result = environment_take_venv(workshop, sources->venv, error);
                note_origin(description, "venv", sources->venv);
        }
        if (result == 0 && sources->wheels) {
                result = environment_take_wheels(workshop, packages, sources->wheels, error);
                note_origin(description, "wheels", sources->wheels);
        }
        for (size_t i = 0; i < sources->debian_count; i++)
                note_origin(description, "debian", sources->debian[i]);
        uint64_t bytes, files;
        if (result == 0)
                result = add_preload(workshop, sources, error);
        if (result == 0)
                result = workshop_check_size(workshop, &bytes, &files, error);
        return result < 0 ? result : workshop_describe(workshop, error);
}

/* Tries what was made. 0: keep it. */
static int try_made(struct command_context *context, const char *folder, const struct workshop *workshop,
                    const struct making *making, struct error *error) {
        struct environment_trial trial = { 0 };
        char text[CHECK_TEXT_BYTES];
        int result = environment_check(&context->settings, folder, workshop->description.preload, &trial, error);
        if (result < 0)
                snprintf(text, sizeof text, "could not be tried: %s", error->text);
        else
                environment_tell_trial(&trial, text);
        if (result == 0 && trial.works) {
                printf("%s %s\n", making->name, text);
                return 0;
        }
        if (!making->force)
                return error_say(error, EIO, "%s %.200s. %s (--force keeps it all the same)", making->name, text,
                                 making->adds ? "It stays as it was" : "It was not made");
        complain("%s %s", making->name, text);
        return 0;
}

/* With the rights of whose the data directory is, but for the trial, which needs our own. */
static int make(struct command_context *context, int data, const struct making *making, struct error *error) {
        struct stat owner;
        cleanup(workshop_close) struct workshop workshop = WORKSHOP_NONE;
        if (fstat(data, &owner) < 0)
                return error_set(error, errno, "looking at the data directory");
        int result = rights_take(owner.st_uid, owner.st_gid, &context->rights, error);
        if (result == 0)
                result = workshop_open(data, &workshop, error);
        if (result == -EACCES || result == -EPERM)
                return error_prefix(error, "run this as root, or as the user who serves");
        if (result == 0)
                result = begin(&workshop, data, making, error);
        free_scoped char *folder =
                format_string("%s/" ENVIRONMENTS_FOLDER "/%s", context->settings.data, workshop.made_name);
        if (result == 0)
                result = fill(&workshop, folder, &making->sources, error);
        rights_return(&context->rights);
        if (result == 0)
                result = try_made(context, folder, &workshop, making, error);
        int again = rights_take(owner.st_uid, owner.st_gid, &context->rights, result < 0 ? NULL : error);
        if (result == 0)
                result = again;
        return result < 0 ? result : workshop_finish(&workshop, error);
}

static int make_or_add(struct command_context *context, int argc, char **argv) {
        struct making making = { 0 };
        struct error error = { 0 };
        int status = parse_making(argc, argv, &making);
        if (status != EXIT_DONE)
                return status;
        fd_scoped data = open_data(context, &error);
        int result = data < 0 ? data : environment_take_debian(&making.sources, &error);
        if (result >= 0)
                result = make(context, data, &making, &error);
        if (result < 0)
                return fail(&error);
        printf("%s %s; a class gets it by `carrel class set SLUG environment=%s`\n",
               making.adds ? "changed" : "created", making.name, making.name);
        return EXIT_DONE;
}

static int env_create(struct command_context *context, int argc, char **argv) {
        return make_or_add(context, argc, argv);
}

static int env_add(struct command_context *context, int argc, char **argv) {
        return make_or_add(context, argc, argv);
}

/* Checking and deleting */

static int env_check(struct command_context *context, int argc, char **argv) {
        struct error error = { 0 };
        struct environment_names names = { 0 };
        fd_scoped data = open_data(context, &error);
        int result = data < 0 ? data : environment_list(data, &names, &error);
        if (result < 0)
                return fail(&error);
        bool all_work = true;
        size_t count = argc > 1 ? (size_t) argc - 1 : names.count;
        for (size_t i = 0; i < count; i++) {
                const char *name = argc > 1 ? argv[i + 1] : names.names[i];
                char text[CHECK_TEXT_BYTES];
                all_work &= environment_check_named(&context->settings, name, text);
                printf("%s %s\n", name, text);
                fflush(stdout);
        }
        return all_work ? EXIT_DONE : EXIT_FAILED;
}

static int refuse_used(struct command_context *context, const char *name, struct error *error) {
        struct users users = { .name = name };
        int result = context_open(context, DATABASE_MUST_EXIST, error);
        if (result >= 0)
                result = course_list(context->store, add_user, &users, error);
        store_close(steal_pointer(&context->store));
        rights_return(&context->rights);
        if (result >= 0 && *users.text)
                return error_say(error, EBUSY,
                                 "these classes use the Python environment '%s': %.160s. Give them another first "
                                 "(`carrel class set SLUG environment=" ENVIRONMENT_PLAIN "`)",
                                 name, users.text);
        return result;
}

static int delete (struct command_context *context, int data, const char *name, struct error *error) {
        struct stat owner;
        cleanup(workshop_close) struct workshop workshop = WORKSHOP_NONE;
        if (!environment_name_ok(name))
                return error_say(error, EINVAL, "'%.80s' is no Python environment's name", name);
        int result = refuse_used(context, name, error);
        if (result == 0 && fstat(data, &owner) < 0)
                result = error_set(error, errno, "looking at the data directory");
        if (result == 0)
                result = rights_take(owner.st_uid, owner.st_gid, &context->rights, error);
        if (result == 0)
                result = workshop_open(data, &workshop, error);
        if (result == -EACCES || result == -EPERM)
                return error_prefix(error, "run this as root, or as the user who serves");
        return result < 0 ? result : workshop_delete(&workshop, name, error);
}

static int env_delete(struct command_context *context, int argc, char **argv) {
        struct error error = { 0 };
        if (argc != 2)
                return usage(argv[0]);
        fd_scoped data = open_data(context, &error);
        return data < 0 || delete (context, data, argv[1], &error) < 0 ? fail(&error) : EXIT_DONE;
}
