/*
 * course: classes and who is in them.
 *
 * A class is an integer that is never given twice, a slug for addresses and folders, and a title for people. It has
 * limits of its own for the programs that its people run, or the server's. An administrator belongs to every class.
 * What a member may do is permission.h's answer, and nobody else's; what a path means is place.h's.
 *
 * (The noun in the code is `course`, since that is what it says in every language with classes of another kind.)
 *
 * Any thread may call these.
 */
#pragma once

#include "../account/account.h"
#include "../base/hosts.h"
#include "../ipc/messages.h"

enum {
        COURSE_SLUG_MAXIMUM = 40,   /* [a-z0-9-], beginning and ending with a letter or digit */
        COURSE_TITLE_MAXIMUM = 200, /* bytes */
        COURSE_ID_MAXIMUM = 800,
        COURSE_UID_FIRST = 100, /* inside number = this + id */
};

/* What a class may set for itself: each has a column of table class and a setting of the same meaning. */
enum course_limit {
        COURSE_LIMIT_CPU,
        COURSE_LIMIT_MEMORY,
        COURSE_LIMIT_PROCESSES,
        COURSE_LIMIT_FILE,
        COURSE_LIMIT_OPEN_FILES,
        COURSE_LIMIT_IDLE,
        COURSE_LIMIT_RUNS,
        COURSE_LIMIT_CPU_WEIGHT,
        COURSE_LIMIT_REPL_AFTER,
        COURSE_LIMIT_OUTPUT,
        COURSE_LIMIT_WORKSPACE,
        COURSE_LIMIT_WORKSPACE_FILES,
        COURSE_LIMITS
};

#define COURSE_DEFAULT INT64_C(-1) /* in `limits`: the server's setting counts */

struct course {
        uint32_t id;
        uint32_t uid; /* inside number of the shared tree's owner, see docs/architecture.md */
        char slug[CLASS_BYTES];
        char title[COURSE_TITLE_MAXIMUM + 1];
        int64_t limits[COURSE_LIMITS];       /* in the settings' units: bytes, milliseconds */
        char network[HOSTS_TEXT_BYTES];      /* the hosts that its programs may reach; "": none */
        char environment[ENVIRONMENT_BYTES]; /* its Python environment's name; "": the plain one */
};

/* `title` NULL or "": the slug. -EINVAL: slug or title will not do (the text says why); -EEXIST; -ENOSPC:
 * COURSE_ID_MAXIMUM. */
int course_add(struct store *store, const char *slug, const char *title, struct course *ret_course,
               struct error *error) must_check;
/* -ENOENT: there is none. */
int course_find(struct store *store, const char *slug, struct course *ret_course, struct error *error) must_check;
int course_find_id(struct store *store, uint32_t id, struct course *ret_course, struct error *error) must_check;

/* As person_function: non-zero ends the listing; runs with the store's lock held. */
typedef int course_function(void *context, const struct course *course);
/* By title: all, or those that a person belongs to. */
int course_list(struct store *store, course_function *function, void *context, struct error *error) must_check;
int course_list_for(struct store *store, const struct person *person, course_function *function, void *context,
                    struct error *error) must_check;

/* Both do nothing where it is so already. */
int course_enrol(struct store *store, const struct course *course, const struct person *person,
                 struct error *error) must_check;
int course_withdraw(struct store *store, const struct course *course, const struct person *person,
                    struct error *error) must_check;

/* 1 or 0, or -errno. */
int course_member(struct store *store, const struct course *course, const struct person *person,
                  struct error *error) must_check;
/* By name; the enrolled (disabled ones too: their files are still there), not every administrator. */
int course_list_members(struct store *store, const struct course *course, person_function *function, void *context,
                        struct error *error) must_check;

/* The setting's name that a limit overrides ("limits.cpu"), also what `carrel class set` calls it. */
const char *course_limit_name(enum course_limit limit);
/* `value` in the setting's units, already checked against it (settings_parse), or COURSE_DEFAULT. */
int course_set_limit(struct store *store, const struct course *course, enum course_limit limit, int64_t value,
                     struct error *error) must_check;

/* A list as hosts.h has it; "": no host. -EINVAL: it is none (the text says why). */
int course_set_network(struct store *store, const struct course *course, const char *list,
                       struct error *error) must_check;
/* `name` "": the plain one. Whether there is one of that name is the caller's to know. */
int course_set_environment(struct store *store, const struct course *course, const char *name,
                           struct error *error) must_check;

/* What a person's folder in this class may hold. */
struct file_usage course_quota(const struct course *course, const struct settings *settings);

/* What counts for a run in this class: its own limits over the settings. `ret_repl_after` as in
 * message_run_start. */
void course_run_limits(const struct course *course, const struct settings *settings, struct run_limits *ret_limits,
                       uint8_t *ret_repl_after);
