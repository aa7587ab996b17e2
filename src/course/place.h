/*
 * place: what a path of the protocol means.
 *
 * "Local/ada/work/x.py" lies in Ada's personal tree as "work/x.py"; "Lecture Notes/a.py" lies in the class's shared
 * tree, whose root holds the three shared folders, so there the path within the tree is the whole path. "" and "Local"
 * exist in no tree: the web server makes up what they hold. Paths are checked here, once, before anybody is asked
 * anything about them; that a path leads nowhere else is the kernel's business (openat2 in the worker).
 */
#pragma once

#include "../base/base.h"
#include "../ipc/messages.h"

enum place_kind {
        PLACE_TOP,   /* "": holds Local, Lecture Notes, Assignments, Tests */
        PLACE_LOCAL, /* "Local": holds the folders of those whose work one may see */
        PLACE_TREE,  /* in a tree */
};

struct place {
        enum place_kind kind;
        /* Of PLACE_TREE: */
        enum tree_kind tree;
        char owner_folder[NAME_BYTES]; /* of TREE_PERSONAL; whether such a person is in the class was not asked */
        char path[PATH_BYTES];         /* below the tree's root; "" is a personal tree itself */
};

/* Checks and splits. -EINVAL: no path of ours (not UTF-8, an empty name, "." or "..", a control character, a name
 * over 255 bytes, over 1024 in all); -ENOENT: its first name is none of the four. */
int place_parse(const char *path, struct place *ret_place, struct error *error) must_check;

/* One person's tree itself. `folder` as in struct person. */
void place_personal(const char *folder, struct place *ret_place);

/* The ends of the tree that stay: "", Local, Local/<folder>, Lecture Notes, Assignments, Tests. No one moves, deletes
 * or overwrites these, whatever else is permitted there. */
bool place_is_fixed(const struct place *place);

/* The other way: the whole path of `path` in the place's tree. False: that would be longer than a path can be. */
bool place_path(const struct place *place, const char *path, char ret_path[PATH_BYTES]);

/* The three, with their NULL. */
extern const char *const shared_folders[];
