#include "admission.h"

void roster_release(struct roster *roster) {
        if (!roster || --roster->references > 0)
                return;
        free(roster->members);
        free(roster);
}

const struct person *roster_find(const struct roster *roster, const char *folder) {
        for (size_t i = 0; i < roster->count; i++)
                if (strcmp(roster->members[i].folder, folder) == 0)
                        return &roster->members[i];
        return NULL;
}

static int add_member(void *context, const struct person *person) {
        struct roster *roster = context;
        if (roster->count == ROSTER_MAXIMUM)
                return -E2BIG;
        if ((roster->count & (roster->count - 1)) == 0) /* full at each power of two */
                roster->members = reallocate_array(roster->members, roster->count ? 2 * roster->count : 1,
                                                   sizeof *roster->members);
        roster->members[roster->count++] = *person;
        return 0;
}

static int roster_of(struct store *store, const struct course *course, struct roster **ret_roster,
                     struct error *error) {
        struct roster *roster = allocate(sizeof *roster);
        roster->references = 1;
        roster->course = *course;
        int result = course_list_members(store, course, add_member, roster, error);
        if (result < 0 && result != -E2BIG) {
                roster_release(roster);
                return result;
        }
        *ret_roster = roster;
        return 0;
}

int roster_load(struct store *store, const char *slug, struct roster **ret_roster, struct error *error) {
        struct course course;
        int result = course_find(store, slug, &course, error);
        return result < 0 ? result : roster_of(store, &course, ret_roster, error);
}

static int ask(struct admission *admission) {
        struct error *error = &admission->error;
        int result = account_session(admission->store, admission->token.text, &admission->person, error);
        if (result < 0)
                return result;
        result = course_find(admission->store, admission->slug, &admission->course, error);
        if (result == -ENOENT)
                return -EACCES; /* whoever may not enter learns nothing of what there is */
        if (result < 0)
                return result;
        result = course_member(admission->store, &admission->course, &admission->person, error);
        if (result <= 0)
                return result < 0 ? result : -EACCES;
        return admission->with_roster ? roster_of(admission->store, &admission->course, &admission->roster, error) : 0;
}

void admission_ask(struct admission *admission) {
        admission->result = ask(admission);
}

bool tree_same(const struct tree *one, const struct tree *other) {
        return one->kind == other->kind && one->uid == other->uid && strcmp(one->class_slug, other->class_slug) == 0 &&
               strcmp(one->folder, other->folder) == 0;
}

int tree_of(const struct roster *roster, const struct person *who, const struct place *place, struct tree *ret_tree) {
        struct tree tree = { .kind = place->tree, .uid = roster->course.uid };
        memcpy(tree.class_slug, roster->course.slug, sizeof tree.class_slug);
        if (place->kind != PLACE_TREE)
                return -ENOENT;
        if (place->tree == TREE_PERSONAL) {
                bool own = strcmp(who->folder, place->owner_folder) == 0;
                const struct person *owner = own ? who : roster_find(roster, place->owner_folder);
                if (!owner)
                        return -ENOENT;
                tree.uid = owner->uid;
                memcpy(tree.folder, place->owner_folder, sizeof tree.folder);
        }
        *ret_tree = tree;
        return 0;
}
