#include "cli.h"

static void print_usage(void) {
        puts("usage: carrel config [--config FILE] [--NAME VALUE]…\n\n"
             "Prints every setting: its name, its value, where that came from, and what it means.\n\n"
             "Settings are read from --config FILE, or from " SETTINGS_FILE " where that exists, one\n"
             "`name = value` a line with comments after #; then from the command line, as --name value.\n"
             "Sizes have units B, KB, MB, GB (of 1024), durations ms, s, min, h, d.");
}

static void widen(int *width, const char *text) {
        if ((int) strlen(text) > *width)
                *width = (int) strlen(text);
}

int command_config(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        print_usage();
                        return EXIT_DONE;
                }
        settings_scoped settings = { 0 };
        struct error error;
        if (settings_load(&settings, &argc, argv, SETTINGS_STRICT, &error) < 0) {
                complain("%s", error.text);
                return EXIT_USAGE;
        }
        int name_width = 0, value_width = 5, source_width = 6;
        for (enum setting setting = 0; setting < SETTINGS; setting++) {
                widen(&name_width, setting_name(setting));
                widen(&value_width, setting_text(&settings, setting));
                widen(&source_width, settings.sources[setting]);
        }
        for (enum setting setting = 0; setting < SETTINGS; setting++) {
                const char *range = setting_range(setting);
                printf("%-*s  %-*s  %-*s  %s%s%s%s\n", name_width, setting_name(setting), value_width,
                       setting_text(&settings, setting), source_width, settings.sources[setting],
                       setting_explanation(setting), *range ? " (" : "", range, *range ? ")" : "");
        }
        return EXIT_DONE;
}
