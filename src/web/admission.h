/*
 * admission: is this a session of somebody who may enter this class? Asked of the database, so in the pool: for each
 * download and upload, for each socket at its handshake, and again every RECHECK_MILLISECONDS while it lives.
 */
#pragma once

#include "../course/course.h"
#include "../course/permission.h"
#include "../workspace/workspace.h"

/* The people of a class and its limits as they were at one moment; never changed after, shared by counting. */
struct roster {
        unsigned references; /* the loop's thread alone counts */
        struct course course;
        struct person *members;
        size_t count;
};

enum { ROSTER_MAXIMUM = 5000 };

void roster_release(struct roster *roster); /* NULL is fine */
static inline struct roster *roster_take(struct roster *roster) {
        roster->references++;
        return roster;
}
/* NULL: nobody of the class has that folder. */
const struct person *roster_find(const struct roster *roster, const char *folder);

struct admission {
        struct store *store;
        struct session_token token;
        char slug[CLASS_BYTES];
        bool with_roster;
        /* Answers: 0; -ENOENT: no session; -EACCES: no such class, or not in it; else what the database said. */
        int result;
        struct person person;
        struct course course;
        struct roster *roster;
        struct error error;
};

/* In the pool. */
void admission_ask(struct admission *admission);

/* The class's course and people anew, in the pool: 0 or -errno. */
int roster_load(struct store *store, const char *slug, struct roster **ret_roster, struct error *error) must_check;

/* Whose tree a place lies in, for a worker and a run's rights. */
struct tree {
        char class_slug[CLASS_BYTES];
        enum tree_kind kind;
        char folder[NAME_BYTES]; /* of TREE_PERSONAL */
        uint32_t uid;            /* inside number of its owner */
};

bool tree_same(const struct tree *one, const struct tree *other);

/* -ENOENT where the folder is nobody's in the class (`who` has one in every class). */
int tree_of(const struct roster *roster, const struct person *who, const struct place *place,
            struct tree *ret_tree) must_check;
