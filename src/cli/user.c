#include "subcommand.h"
#include "prompt.h"

#include <getopt.h>

enum { CLASSES_MAXIMUM = 32 };

static subcommand_function user_add, user_list, user_passwd, user_enable, user_disable;

static const struct subcommand verbs[] = {
        { "add", user_add, "NAME --role student|teacher|administrator [--class SLUG]… [--password-stdin]",
          "Adds a person. Without --class, and with just one class, that one. The password is asked for at a "
          "terminal,\n"
          "        read from standard input's first line (--password-stdin), or else made up and printed." },
        { "list", user_list, "", "Lists all: number, role, whether enabled, folder, name." },
        { "passwd", user_passwd, "NAME [--password-stdin]",
          "Sets a new password and ends all sessions of that person." },
        { "enable", user_enable, "NAME…", "Lets them sign in again." },
        { "disable", user_disable, "NAME…", "Ends their sessions and lets them sign in no more. Their files stay." },
        { NULL },
};

int command_user(int argc, char **argv) {
        return run_subcommand(verbs, argc, argv);
}

struct add_options {
        const char *name, *role;
        const char *classes[CLASSES_MAXIMUM];
        size_t class_count;
        bool from_stdin;
};

static int parse_add(int argc, char **argv, struct add_options *ret_options) {
        static const struct option options[] = {
                { "role", required_argument, NULL, 'r' },
                { "class", required_argument, NULL, 'c' },
                { "password-stdin", no_argument, NULL, 'p' },
                { 0 },
        };
        struct add_options parsed = { 0 };
        int answer;
        optind = 0; /* glibc: begin anew */
        while ((answer = getopt_long(argc, argv, ":", options, NULL)) != -1) {
                if (answer == 'r')
                        parsed.role = optarg;
                else if (answer == 'p')
                        parsed.from_stdin = true;
                else if (answer == 'c' && parsed.class_count < CLASSES_MAXIMUM)
                        parsed.classes[parsed.class_count++] = optarg;
                else
                        return refuse_option(answer, argv);
        }
        if (argc - optind != 1 || !parsed.role) {
                complain("usage: carrel user add %s", verbs[0].arguments);
                return EXIT_USAGE;
        }
        parsed.name = argv[optind];
        *ret_options = parsed;
        return EXIT_DONE;
}

struct only_class {
        struct course course;
        size_t count;
};

static int remember_class(void *context, const struct course *course) {
        struct only_class *only = context;
        only->course = *course;
        only->count++;
        return 0;
}

/* The classes that were named; or the only one there is. Tells each in `ret_told`. */
static int enrol(struct store *store, const struct person *person, const struct add_options *options, char *ret_told,
                 size_t size, struct error *error) {
        struct only_class only = { 0 };
        int r = 0;
        ret_told[0] = '\0';
        if (options->class_count == 0 && person->role != ROLE_ADMINISTRATOR)
                r = course_list(store, remember_class, &only, error);
        if (r >= 0 && only.count == 1) {
                snprintf(ret_told, size, " in class %s", only.course.slug);
                r = course_enrol(store, &only.course, person, error);
        }
        for (size_t i = 0; i < options->class_count && r >= 0; i++) {
                struct course course;
                r = course_find(store, options->classes[i], &course, error);
                if (r >= 0)
                        r = course_enrol(store, &course, person, error);
                size_t used = strlen(ret_told);
                if (r >= 0)
                        snprintf(ret_told + used, size - used, "%s %s", i == 0 ? " in class" : ",", course.slug);
        }
        return r;
}

static int add_and_enrol(struct store *store, const struct add_options *options, enum role role, const char *password,
                         struct error *error) {
        struct person person;
        char told[1024];
        transaction_scoped transaction = { 0 };
        int r = transaction_begin(store, &transaction, error);
        if (r >= 0)
                r = account_add(store, options->name, role, password, &person, error);
        if (r >= 0)
                r = enrol(store, &person, options, told, sizeof told, error);
        if (r >= 0)
                r = transaction_commit(&transaction, error);
        if (r >= 0)
                printf("added %s %s%s, folder Local/%s\n", role_name(role), person.name, told, person.folder);
        if (r >= 0 && !*told && role != ROLE_ADMINISTRATOR)
                printf("in no class yet: carrel class enrol SLUG '%s'\n", person.name);
        return r;
}

static int user_add(struct command_context *context, int argc, char **argv) {
        struct add_options options = { 0 };
        struct new_password password;
        struct error error;
        enum role role = ROLE_STUDENT;
        int status = parse_add(argc, argv, &options);
        if (status != EXIT_DONE)
                return status;
        if (role_parse(options.role, &role) < 0) {
                complain("--role is '%s', but must be student, teacher or administrator", options.role);
                return EXIT_USAGE;
        }
        int r = context_open(context, DATABASE_MAKE, &error);
        if (r >= 0)
                r = prompt_password(options.from_stdin, &password, &error);
        if (r >= 0)
                r = add_and_enrol(context->store, &options, role, password.text, &error);
        if (r >= 0 && password.generated)
                printf("password: %s\n", password.text);
        explicit_bzero(&password, sizeof password);
        return r < 0 ? fail(&error) : EXIT_DONE;
}

static int print_person(void *context, const struct person *person) {
        (void) context;
        printf("%5u  %-13s  %-8s  ", person->id, role_name(person->role), person->enabled ? "enabled" : "disabled");
        print_column(person->folder, 24);
        puts(person->name);
        return 0;
}

static int user_list(struct command_context *context, int argc, char **argv) {
        struct error error;
        if (argc > 1) {
                complain("`carrel user list` takes no '%s'", argv[1]);
                return EXIT_USAGE;
        }
        int r = context_open(context, DATABASE_MUST_EXIST, &error);
        if (r >= 0)
                r = account_list(context->store, print_person, NULL, &error);
        return r < 0 ? fail(&error) : EXIT_DONE;
}

static int user_passwd(struct command_context *context, int argc, char **argv) {
        static const struct option options[] = { { "password-stdin", no_argument, NULL, 'p' }, { 0 } };
        bool from_stdin = false;
        int answer;
        optind = 0;
        while ((answer = getopt_long(argc, argv, ":", options, NULL)) != -1) {
                if (answer != 'p')
                        return refuse_option(answer, argv);
                from_stdin = true;
        }
        if (argc - optind != 1) {
                complain("usage: carrel user passwd NAME [--password-stdin]");
                return EXIT_USAGE;
        }
        struct new_password password;
        struct person person;
        struct error error;
        int r = context_open(context, DATABASE_MUST_EXIST, &error);
        if (r >= 0)
                r = account_find(context->store, argv[optind], &person, &error);
        if (r >= 0)
                r = prompt_password(from_stdin, &password, &error);
        if (r >= 0)
                r = account_set_password(context->store, person.id, password.text, &error);
        if (r >= 0 && password.generated)
                printf("password: %s\n", password.text);
        explicit_bzero(&password, sizeof password);
        return r < 0 ? fail(&error) : EXIT_DONE;
}

/* All or none of them. */
static int set_enabled(struct command_context *context, int argc, char **argv, bool enabled) {
        struct error error;
        if (argc < 2) {
                complain("usage: carrel user %s NAME…", argv[0]);
                return EXIT_USAGE;
        }
        int r = context_open(context, DATABASE_MUST_EXIST, &error);
        if (r < 0)
                return fail(&error);
        transaction_scoped transaction = { 0 };
        r = transaction_begin(context->store, &transaction, &error);
        for (int i = 1; i < argc && r >= 0; i++) {
                struct person person;
                r = account_find(context->store, argv[i], &person, &error);
                if (r >= 0)
                        r = account_set_enabled(context->store, person.id, enabled, &error);
        }
        if (r >= 0)
                r = transaction_commit(&transaction, &error);
        return r < 0 ? fail(&error) : EXIT_DONE;
}

static int user_enable(struct command_context *context, int argc, char **argv) {
        return set_enabled(context, argc, argv, true);
}

static int user_disable(struct command_context *context, int argc, char **argv) {
        return set_enabled(context, argc, argv, false);
}
