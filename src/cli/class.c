#include "subcommand.h"
#include "../environment/environment.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>

static subcommand_function class_add, class_list, class_enrol, class_remove, class_set, class_limit;

static const struct subcommand verbs[] = {
        { "add", class_add, "SLUG [--title TITLE]",
          "Makes a class. SLUG is its name in addresses and folders: a-z, 0-9 and '-'." },
        { "list", class_list, "[SLUG]", "Lists all classes; or one: who is in it, and what it sets for itself." },
        { "enrol", class_enrol, "SLUG NAME…", "Puts people into a class: all of them, or none." },
        { "remove", class_remove, "SLUG NAME…", "Takes people out of a class. Their files stay." },
        { "set", class_set, "SLUG NAME=VALUE…",
          "Sets limits of this class, as limits.cpu=1min or repl.after=never (see `carrel config`);\n"
          "        NAME=default goes back to the server's. network=HOSTS lets its programs reach these hosts, as\n"
          "        network=www.example.org,data.example.org:8080 (ports 80 and 443, where none is said); network=none "
          "ends\n"
          "        that. environment=NAME is the Python environment of its programs (see `carrel env`)." },
        { "limit", class_limit, "SLUG [NAME=VALUE…]",
          "Shows what counts for this class's programs; or sets some, as cpu=1min or output=100MB: `set` without the\n"
          "        word `limits.`." },
        { NULL },
};

int command_class(int argc, char **argv) {
        return run_subcommand(verbs, argc, argv);
}

static int usage(const char *verb) {
        for (const struct subcommand *row = verbs; row->name; row++)
                if (strcmp(row->name, verb) == 0)
                        complain("usage: carrel class %s %s", verb, row->arguments);
        return EXIT_USAGE;
}

static int class_add(struct command_context *context, int argc, char **argv) {
        static const struct option options[] = { { "title", required_argument, NULL, 't' }, { 0 } };
        const char *title = NULL;
        int answer;
        optind = 0;
        while ((answer = getopt_long(argc, argv, ":", options, NULL)) != -1) {
                if (answer != 't')
                        return refuse_option(answer, argv);
                title = optarg;
        }
        if (argc - optind != 1)
                return usage(argv[0]);
        struct course course;
        struct error error;
        int r = context_open(context, DATABASE_MAKE, &error);
        if (r >= 0)
                r = course_add(context->store, argv[optind], title, &course, &error);
        if (r < 0)
                return fail(&error);
        printf("added class %s: %s\n", course.slug, course.title);
        return EXIT_DONE;
}

static int count_person(void *context, const struct person *person) {
        (void) person;
        ++*(unsigned *) context;
        return 0;
}

struct listing {
        struct store *store;
        struct error *error;
};

static int print_class(void *context, const struct course *course) {
        struct listing *listing = context;
        unsigned people = 0;
        int r = course_list_members(listing->store, course, count_person, &people, listing->error);
        if (r >= 0)
                printf("%-20s  %4u %-6s  %s\n", course->slug, people, people == 1 ? "person" : "people", course->title);
        return r;
}

static int print_member(void *context, const struct person *person) {
        (void) context;
        printf("%-13s  %-8s  ", role_name(person->role), person->enabled ? "enabled" : "disabled");
        print_column(person->folder, 24);
        puts(person->name);
        return 0;
}

static int print_one(struct store *store, const char *slug, struct error *error) {
        struct course course;
        int r = course_find(store, slug, &course, error);
        if (r < 0)
                return r;
        printf("%s: %s\n", course.slug, course.title);
        if (*course.network)
                printf("network = %s\n", course.network);
        if (*course.environment)
                printf("environment = %s\n", course.environment);
        for (enum course_limit limit = 0; limit < COURSE_LIMITS; limit++)
                if (course.limits[limit] != COURSE_DEFAULT) {
                        char text[SETTING_TEXT_BYTES];
                        settings_format(course_limit_name(limit), (uint64_t) course.limits[limit], text);
                        printf("%s = %s\n", course_limit_name(limit), text);
                }
        return course_list_members(store, &course, print_member, NULL, error);
}

static int class_list(struct command_context *context, int argc, char **argv) {
        struct error error;
        if (argc > 2)
                return usage(argv[0]);
        int r = context_open(context, DATABASE_MUST_EXIST, &error);
        struct listing listing = { context->store, &error };
        if (r >= 0)
                r = argc == 2 ? print_one(context->store, argv[1], &error)
                              : course_list(context->store, print_class, &listing, &error);
        return r < 0 ? fail(&error) : EXIT_DONE;
}

typedef int membership_function(struct store *store, const struct course *course, const struct person *person,
                                struct error *error);

static int change_all(struct store *store, int argc, char **argv, membership_function *function, struct error *error) {
        struct course course;
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(store, &transaction, error);
        if (r >= 0)
                r = course_find(store, argv[1], &course, error);
        for (int i = 2; i < argc && r >= 0; i++) {
                struct person person;
                r = account_find(store, argv[i], &person, error);
                if (r >= 0)
                        r = function(store, &course, &person, error);
        }
        return r < 0 ? r : transaction_commit(&transaction, error);
}

static int change_members(struct command_context *context, int argc, char **argv, membership_function *function) {
        struct error error;
        if (argc < 3)
                return usage(argv[0]);
        int r = context_open(context, DATABASE_MUST_EXIST, &error);
        if (r >= 0)
                r = change_all(context->store, argc, argv, function, &error);
        return r < 0 ? fail(&error) : EXIT_DONE;
}

static int class_enrol(struct command_context *context, int argc, char **argv) {
        return change_members(context, argc, argv, course_enrol);
}

static int class_remove(struct command_context *context, int argc, char **argv) {
        return change_members(context, argc, argv, course_withdraw);
}

static const char limit_prefix[] = "limits.";

/* "limits.cpu", or "cpu" for short. */
static bool is_named(enum course_limit limit, const char *word, size_t length) {
        const char *name = course_limit_name(limit);
        size_t prefix = strlen(limit_prefix);
        if (strlen(name) == length && strncmp(name, word, length) == 0)
                return true;
        return strncmp(name, limit_prefix, prefix) == 0 && strlen(name + prefix) == length &&
               strncmp(name + prefix, word, length) == 0;
}

/* "limits.cpu=1min" */
static int parse_limit(const char *word, enum course_limit *ret_limit, int64_t *ret_value, struct error *error) {
        size_t length = strcspn(word, "=");
        if (!word[length])
                return error_say(error, EINVAL, "'%.80s' is not of the form NAME=VALUE", word);
        const char *text = word + length + 1;
        for (enum course_limit limit = 0; limit < COURSE_LIMITS; limit++) {
                const char *name = course_limit_name(limit);
                if (!is_named(limit, word, length))
                        continue;
                *ret_limit = limit;
                if (strcmp(text, "default") == 0) {
                        *ret_value = COURSE_DEFAULT;
                        return 0;
                }
                uint64_t value;
                int r = settings_parse(name, text, &value, error);
                if (r >= 0)
                        *ret_value = (int64_t) value;
                return r;
        }
        return error_say(error, ENOENT, "a class cannot set '%.*s'", (int) length, word);
}

static const char network_word[] = "network=";

/* A list that would have no effect is refused rather than kept: the operator's word comes before the class's. */
static int set_network(struct command_context *context, const struct course *course, const char *list,
                       struct error *error) {
        bool none = !*list || strcmp(list, "none") == 0 || strcmp(list, "default") == 0;
        if (!none && !context->settings.network_allowed)
                return error_say(
                        error, EPERM,
                        "this server opens the network to no class: its setting network.allowed is no. Set it to "
                        "yes in the configuration, and start the server anew");
        return course_set_network(context->store, course, none ? "" : list, error);
}

static const char environment_word[] = "environment=";

/* Only one that is there: a slip would send a class to the plain one. */
static int set_environment(struct command_context *context, const struct course *course, const char *name,
                           struct error *error) {
        struct environment_names names = { 0 };
        if (strcmp(name, ENVIRONMENT_PLAIN) == 0 || strcmp(name, "default") == 0)
                return course_set_environment(context->store, course, "", error);
        fd_scoped data = open(context->settings.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = data < 0 ? error_set(error, errno, "open %s", context->settings.data)
                         : environment_list(data, &names, error);
        if (r < 0)
                return r;
        char there[256] = ENVIRONMENT_PLAIN;
        for (size_t i = 0; i < names.count; i++) {
                size_t length = strlen(there);
                if (strcmp(names.names[i], name) == 0)
                        return course_set_environment(context->store, course, name, error);
                snprintf(there + length, sizeof there - length, ", %s", names.names[i]);
        }
        return error_say(error, ENOENT, "there is no Python environment '%.40s', but %s", name, there);
}

static int set_one(struct command_context *context, const struct course *course, const char *word,
                   struct error *error) {
        enum course_limit limit = COURSE_LIMIT_CPU;
        int64_t value = 0;
        if (strncmp(word, environment_word, strlen(environment_word)) == 0)
                return set_environment(context, course, word + strlen(environment_word), error);
        if (strncmp(word, network_word, strlen(network_word)) == 0)
                return set_network(context, course, word + strlen(network_word), error);
        int r = parse_limit(word, &limit, &value, error);
        return r < 0 ? r : course_set_limit(context->store, course, limit, value, error);
}

static int set_all(struct command_context *context, int argc, char **argv, struct error *error) {
        struct course course;
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(context->store, &transaction, error);
        if (r >= 0)
                r = course_find(context->store, argv[1], &course, error);
        for (int i = 2; i < argc && r >= 0; i++)
                r = set_one(context, &course, argv[i], error);
        return r < 0 ? r : transaction_commit(&transaction, error);
}

static int class_set(struct command_context *context, int argc, char **argv) {
        struct error error;
        if (argc < 3)
                return usage(argv[0]);
        int r = context_open(context, DATABASE_MUST_EXIST, &error);
        if (r >= 0)
                r = set_all(context, argc, argv, &error);
        return r < 0 ? fail(&error) : EXIT_DONE;
}

/* What the server's setting of that name says. */
static const char *server_value(const struct settings *settings, const char *name) {
        for (enum setting setting = 0; setting < SETTINGS; setting++)
                if (strcmp(setting_name(setting), name) == 0)
                        return settings->texts[setting];
        return "";
}

static int print_limits(struct command_context *context, const char *slug, struct error *error) {
        struct course course;
        int r = course_find(context->store, slug, &course, error);
        for (enum course_limit limit = 0; limit < COURSE_LIMITS && r >= 0; limit++) {
                const char *name = course_limit_name(limit);
                bool own = course.limits[limit] != COURSE_DEFAULT;
                char text[SETTING_TEXT_BYTES];
                if (own)
                        settings_format(name, (uint64_t) course.limits[limit], text);
                printf("%-24s = %-12s %s\n", name, own ? text : server_value(&context->settings, name),
                       own ? "this class's" : "the server's");
        }
        if (r >= 0)
                printf("%-24s = %s\n", "network", *course.network ? course.network : "none");
        return r;
}

static int class_limit(struct command_context *context, int argc, char **argv) {
        struct error error;
        if (argc < 2)
                return usage(argv[0]);
        int r = context_open(context, DATABASE_MUST_EXIST, &error);
        if (r >= 0)
                r = argc == 2 ? print_limits(context, argv[1], &error) : set_all(context, argc, argv, &error);
        return r < 0 ? fail(&error) : EXIT_DONE;
}
