#include "cli.h"

#include <stdarg.h>

struct command {
        const char *name;
        command_function *function;
        const char *arguments;
        const char *summary;
};

static command_function command_help, command_version;

static const struct command commands[] = {
        { "serve", command_serve, "[--listen ADDRESS:PORT] [--data DIR] …", "serve the class" },
        { "user", command_user, "add|list|passwd|enable|disable …", "people and their passwords" },
        { "class", command_class, "add|list|enrol …", "classes and who is in them" },
        { "env", command_env, "list|create|add|check|delete …", "Python environments that classes may use" },
        { "config", command_config, "[--config FILE] …", "every setting, its value and where it came from" },
        { "sandbox", command_sandbox, "[--limit NAME=VALUE]… [--network HOSTS] FILE.py [ARG…]",
          "run a file inside the walls, in this terminal" },
        { "doctor", command_doctor, "[--json]", "try each wall around programs, and say which stands" },
        { "demo", command_demo, "[--data DIR]", "make a demonstration class, if there is none" },
        { "help", command_help, "[COMMAND]", "this, or more about one command" },
        { "version", command_version, "", "the version" },
        { "role", command_role, NULL, NULL },
};

void complain(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        fputs("carrel: ", stderr);
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
        va_end(arguments);
}

static const struct command *find_command(const char *name) {
        for (size_t i = 0; i < array_length(commands); i++)
                if (strcmp(commands[i].name, name) == 0)
                        return &commands[i];
        return NULL;
}

static int command_version(int argc, char **argv) {
        (void) argc, (void) argv;
        puts("carrel " CARREL_VERSION);
        return EXIT_DONE;
}

static void print_commands(FILE *to) {
        fputs("usage: carrel COMMAND [ARGUMENT…]\n\n", to);
        for (size_t i = 0; i < array_length(commands); i++)
                if (commands[i].summary)
                        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
        fputs("\n`carrel COMMAND --help` tells more about one.\n", to);
}

static int command_help(int argc, char **argv) {
        if (argc < 2) {
                print_commands(stdout);
                return EXIT_DONE;
        }
        const struct command *command = find_command(argv[1]);
        if (!command || !command->summary) {
                complain("there is no command '%s'", argv[1]);
                return EXIT_USAGE;
        }
        char *ask[] = { argv[1], (char[]){ "--help" }, NULL };
        return command->function(2, ask);
}

int main(int argc, char **argv) {
        if (argc < 2) {
                print_commands(stderr);
                return EXIT_USAGE;
        }
        const char *name = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ? "help"
                           : strcmp(argv[1], "--version") == 0                          ? "version"
                                                                                        : argv[1];
        const struct command *command = find_command(name);
        if (!command) {
                complain("there is no command '%s'; `carrel help` lists them", argv[1]);
                return EXIT_USAGE;
        }
        return command->function(argc - 1, argv + 1);
}
