#include "permission.h"

enum relation { OWN, OTHERS, SHARED, MADE_UP /* the top, Local */, RELATIONS };

#define ALLOW(action) (1u << (action))

enum {
        NOTHING = 0,
        SEE = ALLOW(ACTION_SEE),
        SEE_AND_RUN = ALLOW(ACTION_SEE) | ALLOW(ACTION_RUN),
        EVERYTHING = ALLOW(ACTIONS) - 1,
};

static const unsigned allowed[ROLES][RELATIONS] = {
        [ROLE_STUDENT] = { [OWN] = EVERYTHING, [OTHERS] = NOTHING, [SHARED] = SEE_AND_RUN, [MADE_UP] = SEE },
        [ROLE_TEACHER] = { [OWN] = EVERYTHING, [OTHERS] = EVERYTHING, [SHARED] = EVERYTHING, [MADE_UP] = SEE },
        [ROLE_ADMINISTRATOR] = { [OWN] = EVERYTHING, [OTHERS] = EVERYTHING, [SHARED] = EVERYTHING, [MADE_UP] = SEE },
};

static enum relation relation_to(const struct person *who, const struct place *place) {
        if (place->kind != PLACE_TREE)
                return MADE_UP;
        if (place->tree == TREE_SHARED)
                return SHARED;
        return strcmp(who->folder, place->owner_folder) == 0 ? OWN : OTHERS;
}

bool permitted(const struct person *who, bool member, enum action action, const struct place *place) {
        if (!member || (unsigned) who->role >= ROLES || (unsigned) action >= ACTIONS)
                return false;
        return (allowed[who->role][relation_to(who, place)] & ALLOW(action)) != 0;
}
