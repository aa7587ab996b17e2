#include "course.h"

struct limit_row {
        enum setting setting;
        const char *update; /* whole, since a column's name is no parameter */
};

/* In the order of enum course_limit, which is also COURSE_COLUMNS' order. */
static const struct limit_row limit_rows[COURSE_LIMITS] = {
        [COURSE_LIMIT_CPU] = { SETTING_limits_cpu, "update class set limit_cpu = $1 where id = $2" },
        [COURSE_LIMIT_MEMORY] = { SETTING_limits_memory, "update class set limit_memory = $1 where id = $2" },
        [COURSE_LIMIT_PROCESSES] = { SETTING_limits_processes, "update class set limit_processes = $1 where id = $2" },
        [COURSE_LIMIT_FILE] = { SETTING_limits_file, "update class set limit_file = $1 where id = $2" },
        [COURSE_LIMIT_OPEN_FILES] = { SETTING_limits_open_files,
                                      "update class set limit_open_files = $1 where id = $2" },
        [COURSE_LIMIT_IDLE] = { SETTING_limits_idle, "update class set limit_idle = $1 where id = $2" },
        [COURSE_LIMIT_RUNS] = { SETTING_limits_runs, "update class set limit_runs = $1 where id = $2" },
        [COURSE_LIMIT_CPU_WEIGHT] = { SETTING_limits_cpu_weight,
                                      "update class set limit_cpu_weight = $1 where id = $2" },
        [COURSE_LIMIT_REPL_AFTER] = { SETTING_repl_after, "update class set repl_after = $1 where id = $2" },
        [COURSE_LIMIT_OUTPUT] = { SETTING_limits_output, "update class set limit_output = $1 where id = $2" },
        [COURSE_LIMIT_WORKSPACE] = { SETTING_limits_workspace, "update class set limit_workspace = $1 where id = $2" },
        [COURSE_LIMIT_WORKSPACE_FILES] = { SETTING_limits_workspace_files,
                                           "update class set limit_workspace_files = $1 where id = $2" },
};

#define COURSE_COLUMNS                                                                                                 \
        "class.id, class.slug, class.title, class.limit_cpu, class.limit_memory, class.limit_processes, "              \
        "class.limit_file, class.limit_open_files, class.limit_idle, class.limit_runs, class.limit_cpu_weight, "       \
        "class.repl_after, class.limit_output, class.limit_workspace, class.limit_workspace_files, class.network, "    \
        "class.environment"
enum {
        COLUMN_ID,
        COLUMN_SLUG,
        COLUMN_TITLE,
        COLUMN_LIMITS,
        COLUMN_NETWORK = COLUMN_LIMITS + COURSE_LIMITS,
        COLUMN_ENVIRONMENT
};

static int course_read(const struct statement *statement, struct course *ret_course, struct error *error) {
        struct course course = { .id = (uint32_t) statement_integer(statement, COLUMN_ID) };
        course.uid = COURSE_UID_FIRST + course.id;
        for (int i = 0; i < COURSE_LIMITS; i++)
                course.limits[i] = statement_is_null(statement, COLUMN_LIMITS + i)
                                           ? COURSE_DEFAULT
                                           : statement_integer(statement, COLUMN_LIMITS + i);
        int r = statement_copy_text(statement, COLUMN_SLUG, course.slug, sizeof course.slug, error);
        if (r >= 0)
                r = statement_copy_text(statement, COLUMN_TITLE, course.title, sizeof course.title, error);
        if (r >= 0)
                r = statement_copy_text(statement, COLUMN_NETWORK, course.network, sizeof course.network, error);
        if (r >= 0)
                r = statement_copy_text(statement, COLUMN_ENVIRONMENT, course.environment, sizeof course.environment,
                                        error);
        if (r >= 0)
                *ret_course = course;
        return r;
}

static bool is_alphanumeric(char character) {
        return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
}

static int check_slug(const char *slug, struct error *error) {
        size_t length = strlen(slug);
        bool good = length >= 1 && length <= COURSE_SLUG_MAXIMUM && is_alphanumeric(slug[0]) &&
                    is_alphanumeric(slug[length - 1]) &&
                    strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
        if (!good)
                return error_say(error, EINVAL,
                                 "'%.80s' is no short name for a class: it has 1 to %d of a-z, 0-9 and, between them, "
                                 "'-'.",
                                 slug, COURSE_SLUG_MAXIMUM);
        return 0;
}

static int check_title(const char *title, struct error *error) {
        size_t length = strlen(title);
        if (length > COURSE_TITLE_MAXIMUM || !utf8_valid(title, length))
                return error_say(error, EINVAL, "A class's title is UTF-8 text of at most %d bytes.",
                                 COURSE_TITLE_MAXIMUM);
        for (size_t i = 0; i < length; i++)
                if ((unsigned char) title[i] < 0x20 || title[i] == 0x7f)
                        return error_say(error, EINVAL, "A class's title cannot hold control characters.");
        return 0;
}

static int next_id(struct store *store, uint32_t *ret_id, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select coalesce(max(id), 0) + 1 from class", &statement, error);
        if (r >= 0)
                r = statement_step(statement, error);
        if (r < 0)
                return r;
        int64_t id = statement_integer(statement, 0);
        if (id > COURSE_ID_MAXIMUM)
                return error_say(error, ENOSPC, "There are %d classes already, and no more can be.", COURSE_ID_MAXIMUM);
        *ret_id = (uint32_t) id;
        return 0;
}

static int insert(struct store *store, uint32_t id, const char *slug, const char *title, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "insert into class (id, slug, title, created) values ($1, $2, $3, $4)", &statement,
                              error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, id);
        statement_bind_text(statement, 2, slug);
        statement_bind_text(statement, 3, title);
        statement_bind_integer(statement, 4, wall_milliseconds());
        r = statement_run(statement, error);
        if (r == -EEXIST)
                return error_say(error, EEXIST, "There is a class '%s' already.", slug);
        return r < 0 ? r : 0;
}

int course_add(struct store *store, const char *slug, const char *title, struct course *ret_course,
               struct error *error) {
        uint32_t id = 0;
        if (!title || !*title)
                title = slug;
        int r = check_slug(slug, error);
        if (r >= 0)
                r = check_title(title, error);
        if (r < 0)
                return r;
        transaction_scoped transaction = { 0 };
        r = transaction_begin(store, &transaction, error);
        if (r >= 0)
                r = next_id(store, &id, error);
        if (r >= 0)
                r = insert(store, id, slug, title, error);
        if (r >= 0)
                r = transaction_commit(&transaction, error);
        return r < 0 ? r : course_find(store, slug, ret_course, error);
}

int course_find(struct store *store, const char *slug, struct course *ret_course, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select " COURSE_COLUMNS " from class where slug = $1", &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, slug);
        r = statement_step(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "There is no class '%.80s'.", slug);
        return r < 0 ? r : course_read(statement, ret_course, error);
}

int course_find_id(struct store *store, uint32_t id, struct course *ret_course, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select " COURSE_COLUMNS " from class where id = $1", &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, id);
        r = statement_step(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "There is no class %u.", id);
        return r < 0 ? r : course_read(statement, ret_course, error);
}

static int visit(struct statement *statement, course_function *function, void *context, struct error *error) {
        int r;
        while ((r = statement_step(statement, error)) > 0) {
                struct course course;
                r = course_read(statement, &course, error);
                if (r >= 0)
                        r = function(context, &course);
                if (r != 0)
                        break;
        }
        return r;
}

int course_list(struct store *store, course_function *function, void *context, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "select " COURSE_COLUMNS " from class order by title, id", &statement, error);
        return r < 0 ? r : visit(statement, function, context, error);
}

int course_list_for(struct store *store, const struct person *person, course_function *function, void *context,
                    struct error *error) {
        if (person->role == ROLE_ADMINISTRATOR)
                return course_list(store, function, context, error);
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select " COURSE_COLUMNS " from class join enrolment on enrolment.class = class.id "
                              "where enrolment.account = $1 order by class.title, class.id",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, person->id);
        return visit(statement, function, context, error);
}

/* Runs a statement whose parameters are a class and an account; the rows or changes it had. */
static int with_both(struct store *store, const char *sql, const struct course *course, const struct person *person,
                     bool changes, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, sql, &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, course->id);
        statement_bind_integer(statement, 2, person->id);
        return changes ? statement_run(statement, error) : statement_step(statement, error);
}

int course_enrol(struct store *store, const struct course *course, const struct person *person, struct error *error) {
        int r = with_both(store, "insert into enrolment (class, account) values ($1, $2) on conflict do nothing",
                          course, person, true, error);
        return r < 0 ? r : 0;
}

int course_withdraw(struct store *store, const struct course *course, const struct person *person,
                    struct error *error) {
        int r = with_both(store, "delete from enrolment where class = $1 and account = $2", course, person, true,
                          error);
        return r < 0 ? r : 0;
}

int course_member(struct store *store, const struct course *course, const struct person *person, struct error *error) {
        if (person->role == ROLE_ADMINISTRATOR)
                return 1;
        return with_both(store, "select 1 from enrolment where class = $1 and account = $2", course, person, false,
                         error);
}

int course_list_members(struct store *store, const struct course *course, person_function *function, void *context,
                        struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store,
                              "select " PERSON_COLUMNS " from account join enrolment "
                              "on enrolment.account = account.id where enrolment.class = $1 order by account.name_key",
                              &statement, error);
        if (r < 0)
                return r;
        statement_bind_integer(statement, 1, course->id);
        while ((r = statement_step(statement, error)) > 0) {
                struct person person;
                r = person_read(statement, 0, &person, error);
                if (r >= 0)
                        r = function(context, &person);
                if (r != 0)
                        break;
        }
        return r;
}

const char *course_limit_name(enum course_limit limit) {
        return setting_name(limit_rows[limit].setting);
}

int course_set_limit(struct store *store, const struct course *course, enum course_limit limit, int64_t value,
                     struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, limit_rows[limit].update, &statement, error);
        if (r < 0)
                return r;
        if (value == COURSE_DEFAULT)
                statement_bind_null(statement, 1);
        else
                statement_bind_integer(statement, 1, value);
        statement_bind_integer(statement, 2, course->id);
        r = statement_run(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "There is no class '%s' any more.", course->slug);
        return r < 0 ? r : 0;
}

int course_set_network(struct store *store, const struct course *course, const char *list, struct error *error) {
        struct hosts hosts;
        statement_scoped statement = NULL;
        int r = hosts_parse(list, &hosts, error);
        if (r >= 0)
                r = store_prepare(store, "update class set network = $1 where id = $2", &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, hosts.count > 0 ? list : NULL);
        statement_bind_integer(statement, 2, course->id);
        r = statement_run(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "There is no class '%s' any more.", course->slug);
        return r < 0 ? r : 0;
}

int course_set_environment(struct store *store, const struct course *course, const char *name, struct error *error) {
        statement_scoped statement = NULL;
        int r = store_prepare(store, "update class set environment = $1 where id = $2", &statement, error);
        if (r < 0)
                return r;
        statement_bind_text(statement, 1, *name ? name : NULL);
        statement_bind_integer(statement, 2, course->id);
        r = statement_run(statement, error);
        if (r == 0)
                return error_say(error, ENOENT, "There is no class '%s' any more.", course->slug);
        return r < 0 ? r : 0;
}

/* The settings' ranges keep each within its field. */
static uint64_t choose(const struct course *course, enum course_limit limit, uint64_t setting) {
        return course->limits[limit] == COURSE_DEFAULT ? setting : (uint64_t) course->limits[limit];
}

struct file_usage course_quota(const struct course *course, const struct settings *settings) {
        return (struct file_usage){
                .bytes = choose(course, COURSE_LIMIT_WORKSPACE, settings->limits_workspace),
                .files = choose(course, COURSE_LIMIT_WORKSPACE_FILES, settings->limits_workspace_files),
        };
}

void course_run_limits(const struct course *course, const struct settings *settings, struct run_limits *ret_limits,
                       uint8_t *ret_repl_after) {
        *ret_limits = (struct run_limits){
                .memory_bytes = choose(course, COURSE_LIMIT_MEMORY, settings->limits_memory),
                .file_bytes = choose(course, COURSE_LIMIT_FILE, settings->limits_file),
                .output_bytes = choose(course, COURSE_LIMIT_OUTPUT, settings->limits_output),
                .workspace = course_quota(course, settings),
                .processes = (uint32_t) choose(course, COURSE_LIMIT_PROCESSES, settings->limits_processes),
                .open_files = (uint32_t) choose(course, COURSE_LIMIT_OPEN_FILES, settings->limits_open_files),
                .cpu_milliseconds = (uint32_t) choose(course, COURSE_LIMIT_CPU, settings->limits_cpu),
                .idle_milliseconds = (uint32_t) choose(course, COURSE_LIMIT_IDLE, settings->limits_idle),
                .runs = (uint32_t) choose(course, COURSE_LIMIT_RUNS, settings->limits_runs),
                .cpu_weight = (uint32_t) choose(course, COURSE_LIMIT_CPU_WEIGHT, settings->limits_cpu_weight),
        };
        *ret_repl_after = (uint8_t) choose(course, COURSE_LIMIT_REPL_AFTER, settings->repl_after);
}
