/*
 * permission: who may do what where. The one place that answers it.
 *
 *                 own tree        another's tree   shared folders    top, Local
 *   student       everything      nothing          see, run          see
 *   teacher       everything      everything       everything        see
 *   administrator everything      everything       everything        see
 *   non-member    nothing         nothing          nothing           nothing
 *
 * What a listing of Local shows is decided by asking for each folder in it.
 */
#pragma once

#include "../account/account.h"
#include "place.h"

enum action {
        ACTION_SEE,     /* list, read, download */
        ACTION_CHANGE,  /* write, create, move, delete, upload; see also place_is_fixed() */
        ACTION_RUN,     /* start a program that lies there */
        ACTION_WATCH,   /* attach to a run, see it listed */
        ACTION_CONTROL, /* type into, resize, stop, close a run */
        ACTIONS
};

/* `member`: course_member() of the class whose tree it is. For WATCH and CONTROL `place` is the personal tree of the
 * account whose rights the run has (place_personal), wherever its file lies. */
bool permitted(const struct person *who, bool member, enum action action, const struct place *place) must_check;
