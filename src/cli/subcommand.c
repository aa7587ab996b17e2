#include "subcommand.h"

#include <getopt.h>

static const char settings_note[] =
        "\n  --data DIR     the data directory, as `carrel serve` was told it (./var if not)\n"
        "  --config FILE  settings (see `carrel config`)\n"
        "\nAll this works while the server runs.\n";

static void print_help(const struct subcommand *table, const char *command, FILE *to) {
        for (const struct subcommand *row = table; row->name; row++)
                fprintf(to, "%s carrel %s %s%s%s\n        %s\n", row == table ? "usage:" : "      ", command, row->name,
                        *row->arguments ? " " : "", row->arguments, row->explanation);
        fputs(settings_note, to);
}

static bool asks_for_help(int argc, char **argv) {
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
                        return true;
        return false;
}

int run_subcommand(const struct subcommand *table, int argc, char **argv) {
        if (asks_for_help(argc, argv)) {
                print_help(table, argv[0], stdout);
                return EXIT_DONE;
        }
        cleanup(context_finish) struct command_context context = { 0 };
        struct error error;
        if (settings_load(&context.settings, &argc, argv, SETTINGS_LEAVE_REST, &error) < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        if (argc < 2) {
                print_help(table, argv[0], stderr);
                return EXIT_USAGE;
        }
        for (const struct subcommand *row = table; row->name; row++)
                if (strcmp(row->name, argv[1]) == 0)
                        return row->function(&context, argc - 1, argv + 1);
        complain("there is no `carrel %s %s`; `carrel %s --help` lists what there is", argv[0], argv[1], argv[0]);
        return EXIT_USAGE;
}

static int check_there(const char *data, struct error *error) {
        free_scoped char *folder = format_string("%s/store", data);
        if (access(folder, F_OK) == 0)
                return 0;
        if (errno != ENOENT)
                return error_set(error, errno, "look at %s", folder);
        return error_say(
                error, ENOENT,
                "'%s' holds no data of Carrel. Say where it is by --data DIR, or make a class by `carrel class "
                "add` first.",
                data);
}

int context_open(struct command_context *context, enum database_use use, struct error *error) {
        const char *data = context->settings.data;
        int r = use == DATABASE_MAKE ? store_make_folder(data, (uid_t) context->settings.uid_service, error)
                                     : check_there(data, error);
        if (r >= 0)
                r = store_rights_take(data, &context->rights, error);
        if (r >= 0)
                r = store_open_data(data, &context->store, error);
        if (r == -EACCES)
                return error_prefix(error, getuid() == 0
                                                   ? "the user uid.service cannot come there (each folder above must "
                                                     "let others through: chmod o+x), or choose another --data"
                                                   : "run this as root, or as the user who serves");
        if (r >= 0)
                r = account_start(&context->settings, error);
        return r;
}

void context_finish(struct command_context *context) {
        store_close(context->store); /* first: its last act on its files must be their owner's as well */
        context->store = NULL;
        rights_return(&context->rights);
        settings_finish(&context->settings);
}

int refuse_option(int answer, char **argv) {
        const char *option = argv[optind - 1];
        complain(answer == ':' ? "%s needs a value" : "there is no option %s; --help tells which there are", option);
        return EXIT_USAGE;
}

int fail(const struct error *error) {
        complain("%s", error->text);
        return EXIT_FAILED;
}

void print_column(const char *text, int width) {
        int characters = 0;
        for (const char *at = text; *at; at++)
                characters += (*at & 0xC0) != 0x80;
        printf("%s%*s  ", text, characters < width ? width - characters : 0, "");
}
