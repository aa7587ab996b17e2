#include "settings.h"

#include <ctype.h>
#include <inttypes.h>

enum { SECRET_MINIMUM = 16 };
enum kind { KIND_TEXT, KIND_LIST, KIND_SECRET, KIND_NUMBER, KIND_BYTES, KIND_DURATION, KIND_CHOICE };

struct row {
        const char *name;
        enum kind kind;
        const char *initial, *range, *explanation;
        size_t offset; /* of the field in struct settings */
};

static const struct row rows[SETTINGS] = {
#define X(field, name, kind, initial, range, explanation)                                                              \
        [SETTING_##field] = { name, KIND_##kind, initial, range, explanation, offsetof(struct settings, field) },
        SETTINGS_TABLE(X)
#undef X
};

struct unit {
        const char *name;
        uint64_t factor;
};

static const struct unit no_unit[] = { { "", 1 }, { NULL, 0 } };
static const struct unit byte_units[] = {
        { "B", 1 }, { "KB", 1 << 10 }, { "MB", 1 << 20 }, { "GB", 1 << 30 }, { NULL, 0 },
};
static const struct unit time_units[] = {
        { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

static bool is_text(const struct row *row) {
        return row->kind == KIND_TEXT || row->kind == KIND_LIST || row->kind == KIND_SECRET;
}

static const struct row *find_row(const char *name, size_t length) {
        for (size_t i = 0; i < SETTINGS; i++)
                if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0)
                        return &rows[i];
        return NULL;
}

/* "10min" by the table of units. */
static int parse_with_unit(const char *text, size_t length, const struct unit *units, uint64_t *ret_value) {
        char digits[24];
        size_t count = strspn(text, "0123456789");
        if (count > length)
                count = length;
        if (count == 0 || count >= sizeof digits)
                return -EINVAL;
        memcpy(digits, text, count);
        digits[count] = '\0';
        uint64_t number;
        int r = parse_unsigned(digits, UINT64_MAX, &number);
        if (r < 0)
                return r;
        for (; units->name; units++)
                if (strlen(units->name) == length - count && strncmp(units->name, text + count, length - count) == 0)
                        return __builtin_mul_overflow(number, units->factor, ret_value) ? -ERANGE : 0;
        return -EINVAL;
}

static const struct unit *units_of(enum kind kind) {
        return kind == KIND_BYTES ? byte_units : kind == KIND_DURATION ? time_units : no_unit;
}

static const char *example_of(enum kind kind) {
        return kind == KIND_BYTES      ? "a size such as 512MB (B, KB, MB, GB)"
               : kind == KIND_DURATION ? "a duration such as 30s (ms, s, min, h, d)"
                                       : "a whole number";
}

/* A malformed range is a mistake in the table, which no operator can mend. */
static void range_of(const struct row *row, uint64_t *ret_low, uint64_t *ret_high) {
        const char *dots = strstr(row->range, "..");
        const struct unit *units = units_of(row->kind);
        if (!dots || parse_with_unit(row->range, (size_t) (dots - row->range), units, ret_low) < 0 ||
            parse_with_unit(dots + 2, strlen(dots + 2), units, ret_high) < 0)
                abort();
}

static int parse_choice(const struct row *row, const char *text, uint64_t *ret_value, struct error *error) {
        uint64_t index = 0;
        for (const char *at = row->range; *at; index++) {
                size_t length = strcspn(at, "|");
                if (strlen(text) == length && strncmp(at, text, length) == 0) {
                        *ret_value = index;
                        return 0;
                }
                at += length + (at[length] == '|');
        }
        return error_say(error, EINVAL, "%s is '%s', but must be one of %s", row->name, text, row->range);
}

static int parse_number(const struct row *row, const char *text, uint64_t *ret_value, struct error *error) {
        uint64_t low, high, value;
        range_of(row, &low, &high);
        int r = parse_with_unit(text, strlen(text), units_of(row->kind), &value);
        if (r == -EINVAL)
                return error_say(error, EINVAL, "%s is '%s', but must be %s", row->name, text, example_of(row->kind));
        if (r < 0 || value < low || value > high)
                return error_say(error, EINVAL, "%s is %s, but must lie in %s", row->name, text, row->range);
        *ret_value = value;
        return 0;
}

static int check_text(const struct row *row, const char *text, struct error *error) {
        uint64_t low, high;
        range_of(row, &low, &high);
        size_t length = strlen(text);
        if (length < low || length > high)
                return error_say(error, EINVAL, "%s is %zu bytes long, but must be %s", row->name, length, row->range);
        for (const char *at = text; *at; at++)
                if (iscntrl((unsigned char) *at))
                        return error_say(error, EINVAL, "%s holds a control character", row->name);
        return 0;
}

int settings_parse(const char *name, const char *text, uint64_t *ret_value, struct error *error) {
        const struct row *row = find_row(name, strlen(name));
        if (!row || is_text(row))
                return error_say(error, ENOENT, "there is no such setting: '%s'", name);
        return row->kind == KIND_CHOICE ? parse_choice(row, text, ret_value, error)
                                        : parse_number(row, text, ret_value, error);
}

static void format_choice(const struct row *row, uint64_t value, char ret_text[SETTING_TEXT_BYTES]) {
        const char *at = row->range;
        for (; value > 0 && *at; value--) {
                at += strcspn(at, "|");
                at += *at == '|';
        }
        snprintf(ret_text, SETTING_TEXT_BYTES, "%.*s", (int) strcspn(at, "|"), at);
}

void settings_format(const char *name, uint64_t value, char ret_text[SETTING_TEXT_BYTES]) {
        const struct row *row = find_row(name, strlen(name));
        if (!row || is_text(row))
                abort(); /* a name that is not in the table is a mistake in the program */
        if (row->kind == KIND_CHOICE) {
                format_choice(row, value, ret_text);
                return;
        }
        const struct unit *units = units_of(row->kind), *best = units;
        for (const struct unit *unit = units; unit->name; unit++)
                if (value != 0 && value % unit->factor == 0)
                        best = unit;
        snprintf(ret_text, SETTING_TEXT_BYTES, "%" PRIu64 "%s", value / best->factor, best->name);
}

static int assign(struct settings *settings, const struct row *row, const char *text, const char *source,
                  struct error *error) {
        size_t index = (size_t) (row - rows);
        char *field = (char *) settings + row->offset;
        uint64_t value = 0;
        int r = is_text(row) ? check_text(row, text, error) : settings_parse(row->name, text, &value, error);
        if (r < 0)
                return r;
        free(settings->texts[index]);
        free(settings->sources[index]);
        settings->texts[index] = duplicate_string(text);
        settings->sources[index] = duplicate_string(source);
        if (is_text(row))
                memcpy(field, &settings->texts[index], sizeof(char *));
        else
                memcpy(field, &value, sizeof value);
        return 0;
}

static char *trim(char *text) {
        text += strspn(text, " \t\r\n");
        size_t length = strlen(text);
        while (length > 0 && strchr(" \t\r\n", text[length - 1]))
                length--;
        text[length] = '\0';
        return text;
}

/* A comment begins at a '#' at the line's start or after a blank, so that a path may hold one. */
static void cut_comment(char *line) {
        for (char *at = line; *at; at++)
                if (*at == '#' && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
                        *at = '\0';
                        return;
                }
}

static int load_line(struct settings *settings, char *line, const char *source, struct error *error) {
        cut_comment(line);
        char *name = trim(line);
        if (!*name)
                return 0;
        char *equals = strchr(name, '=');
        if (!equals)
                return error_say(error, EINVAL, "%s: '%s' is not of the form name = value", source, name);
        *equals = '\0';
        name = trim(name);
        const struct row *row = find_row(name, strlen(name));
        if (!row)
                return error_say(error, EINVAL, "%s: there is no setting '%s'; `carrel config` lists them", source,
                                 name);
        if (assign(settings, row, trim(equals + 1), source, error) < 0)
                return error_prefix(error, "%s", source);
        return 0;
}

/* `optional`: the file may be missing. */
static int load_file(struct settings *settings, const char *path, bool optional, struct error *error) {
        cleanup(close_file) FILE *file = fopen(path, "re");
        if (!file && optional && errno == ENOENT)
                return 0;
        if (!file)
                return error_set(error, errno, "open the settings %s", path);
        free_scoped char *line = NULL;
        size_t capacity = 0;
        for (unsigned number = 1; getline(&line, &capacity, file) >= 0; number++) {
                free_scoped char *source = format_string("%s:%u", path, number);
                int r = load_line(settings, line, source, error);
                if (r < 0)
                        return r;
        }
        if (ferror(file))
                return error_set(error, errno, "read the settings %s", path);
        return 0;
}

/* One option as it stands on the command line: --name=value, or --name and a value in the next word. */
struct option {
        const char *name;
        size_t name_length;
        const char *value; /* NULL: there is none */
        int words;
};

static bool read_option(int argc, char **argv, int at, struct option *ret_option) {
        if (strncmp(argv[at], "--", 2) != 0 || !argv[at][2])
                return false;
        const char *name = argv[at] + 2, *equals = strchr(name, '=');
        *ret_option = (struct option){
                .name = name,
                .name_length = equals ? (size_t) (equals - name) : strlen(name),
                .value = equals          ? equals + 1
                         : at + 1 < argc ? argv[at + 1]
                                         : NULL,
                .words = equals || at + 1 >= argc ? 1 : 2,
        };
        return true;
}

static bool option_is(const struct option *option, const char *name) {
        return option->name_length == strlen(name) && strncmp(option->name, name, option->name_length) == 0;
}

static void remove_words(int *argc, char **argv, int at, int words) {
        for (int i = at; i + words <= *argc; i++)
                argv[i] = argv[i + words]; /* the NULL at the end moves along */
        *argc -= words;
}

/* Takes --config out of the words; it decides what is loaded before the others. */
static int take_config(int *argc, char **argv, const char **ret_path, struct error *error) {
        *ret_path = NULL;
        for (int at = 1; at < *argc && strcmp(argv[at], "--") != 0;) {
                struct option option;
                if (!read_option(*argc, argv, at, &option) || !option_is(&option, "config")) {
                        at++;
                        continue;
                }
                if (!option.value)
                        return error_say(error, EINVAL, "--config needs a file");
                *ret_path = option.value;
                remove_words(argc, argv, at, option.words);
        }
        return 0;
}

static int load_arguments(struct settings *settings, int *argc, char **argv, unsigned flags, struct error *error) {
        for (int at = 1; at < *argc && strcmp(argv[at], "--") != 0;) {
                struct option option;
                const struct row *row = NULL;
                if (read_option(*argc, argv, at, &option))
                        row = find_row(option.name, option.name_length);
                if (!row && (flags & SETTINGS_LEAVE_REST)) {
                        at++;
                        continue;
                }
                if (!row)
                        return error_say(error, EINVAL, "'%s' is no setting; `carrel config` lists them", argv[at]);
                if (!option.value)
                        return error_say(error, EINVAL, "--%s needs a value", row->name);
                if (assign(settings, row, option.value, "command line", error) < 0)
                        return error_prefix(error, "command line");
                remove_words(argc, argv, at, option.words);
        }
        return 0;
}

/* What no single value shows. */
static int check_together(const struct settings *settings, struct error *error) {
        if (settings->uid_service >= settings->uid_base && settings->uid_service - settings->uid_base < 65536)
                return error_say(error, EINVAL,
                                 "uid.service (%" PRIu64 ") lies among the 65536 numbers from uid.base (%" PRIu64
                                 ") that programs get",
                                 settings->uid_service, settings->uid_base);
        if (*settings->metrics_token && strlen(settings->metrics_token) < SECRET_MINIMUM)
                return error_say(error, EINVAL, "metrics.token is shorter than %d characters: it could be guessed",
                                 SECRET_MINIMUM);
        return 0;
}

int settings_load(struct settings *ret_settings, int *argc, char **argv, unsigned flags, struct error *error) {
        settings_scoped settings = { 0 };
        int r = 0;
        for (size_t i = 0; i < SETTINGS && r >= 0; i++)
                r = assign(&settings, &rows[i], rows[i].initial, "default", error);
        const char *path = NULL;
        if (r >= 0)
                r = take_config(argc, argv, &path, error);
        if (r >= 0 && (path || !(flags & SETTINGS_NO_FILE)))
                r = load_file(&settings, path ? path : SETTINGS_FILE, !path, error);
        if (r >= 0)
                r = load_arguments(&settings, argc, argv, flags, error);
        if (r >= 0)
                r = check_together(&settings, error);
        if (r < 0)
                return r;
        *ret_settings = settings;
        settings = (struct settings){ 0 };
        return 0;
}

void settings_finish(struct settings *settings) {
        for (size_t i = 0; i < SETTINGS; i++) {
                free(settings->texts[i]);
                free(settings->sources[i]);
        }
        *settings = (struct settings){ 0 };
}

/* A secret is on no command line, which everybody on the machine may read. */
static bool is_argument(const struct settings *settings, size_t i) {
        return rows[i].kind != KIND_SECRET && strcmp(settings->texts[i], rows[i].initial) != 0;
}

char **settings_arguments(const struct settings *settings, size_t *ret_count) {
        size_t count = 0, bytes = 0;
        for (size_t i = 0; i < SETTINGS; i++)
                if (is_argument(settings, i)) {
                        count++;
                        bytes += strlen("--=") + strlen(rows[i].name) + strlen(settings->texts[i]) + 1;
                }
        char **arguments = allocate((count + 1) * sizeof(char *) + bytes);
        char *at = (char *) (arguments + count + 1), *end = at + bytes;
        size_t next = 0;
        for (size_t i = 0; i < SETTINGS; i++)
                if (is_argument(settings, i)) {
                        arguments[next++] = at;
                        at += snprintf(at, (size_t) (end - at), "--%s=%s", rows[i].name, settings->texts[i]) + 1;
                }
        if (ret_count)
                *ret_count = count;
        return arguments;
}

const char *setting_name(enum setting setting) {
        return rows[setting].name;
}

const char *setting_text(const struct settings *settings, enum setting setting) {
        bool hidden = rows[setting].kind == KIND_SECRET && *settings->texts[setting];
        return hidden ? "(secret)" : settings->texts[setting];
}

const char *setting_range(enum setting setting) {
        return is_text(&rows[setting]) ? "" : rows[setting].range;
}

const char *setting_explanation(enum setting setting) {
        return rows[setting].explanation;
}

bool settings_list_has(const char *list, const char *word) {
        for (const char *at = list; *at;) {
                at += strspn(at, ", ");
                size_t length = strcspn(at, ", ");
                if (length > 0 && strlen(word) == length && strncmp(at, word, length) == 0)
                        return true;
                at += length;
        }
        return false;
}
