/*
 * environment: the Python environments of a data directory: which packages a class's programs find, and which modules
 * are imported before they start.
 *
 *   <data>/environments/           belongs to whoever serves; programs may read it
 *     .lock                        held by whoever changes something here
 *     <name>/description           what is imported ahead, when and from what it was made
 *     <name>/packages/             as a site-packages folder; what a program sees of it is sandbox.h's matter
 *     .new-…, .old-…               being made; replaced, and perhaps still used
 *
 * An environment is never changed in place. A new folder is made beside it (make.c) and takes its place by one rename,
 * so it is whole or not there at all, and whoever uses the old one goes on with the old one. Who uses a folder holds a
 * shared lock (flock) on a descriptor of it, and duplicates of that descriptor are uses too; what was replaced is
 * deleted by the next change that finds no lock on it.
 *
 * The environment `plain` is no folder: it is what a class has that names none (the machine's own packages, and the
 * setting python.imports).
 *
 * Nothing here runs Python, and nothing is the guest's: only an operator writes below environments/.
 */
#pragma once

#include "../base/base.h"
#include "../ipc/messages.h"

#define ENVIRONMENT_PLAIN "plain"
#define ENVIRONMENTS_FOLDER "environments"
#define ENVIRONMENT_PACKAGES "packages"

enum {
        ENVIRONMENTS_MAXIMUM = 64, /* of one data directory */
        ENVIRONMENT_FILES_MAXIMUM = 500000,
        ENVIRONMENT_MEGABYTES_MAXIMUM = 16384,
        ENVIRONMENT_DEPTH_MAXIMUM = 32,
        PRELOAD_BYTES = 1001, /* as python.imports, with the NUL */
        PYTHON_VERSION_BYTES = 16,
        ORIGIN_BYTES = 1024,
};

struct environment_description {
        char name[ENVIRONMENT_BYTES];
        char preload[PRELOAD_BYTES]; /* modules, separated by commas */
        char python[PYTHON_VERSION_BYTES];
        char origin[ORIGIN_BYTES]; /* what was put in, separated by "; ": for people */
        int64_t made;              /* wall, milliseconds; another one is another environment */
};

/* [a-z0-9-], beginning and ending with a letter or digit, and short. `plain` is a name too. */
bool environment_name_ok(const char *name);
/* "numpy" or "matplotlib.pyplot" */
bool environment_module_ok(const char *name);
/* The Python that programs run in, as "3.11". */
const char *environment_python(void);

/* A description as text, and back. `description->name` is neither written nor read. -EINVAL names the line. */
char *environment_format(const struct environment_description *description);
int environment_parse(const char *text, struct environment_description *ret_description,
                      struct error *error) must_check;

/* For who uses one: its description and a descriptor of its folder, locked as used. -ENOENT: there is none; -EPROTO: it
 * is for another Python. */
int environment_open(int data, const char *name, struct environment_description *ret_description, int *ret_folder,
                     struct error *error) must_check;
/* Its description alone, whatever it is for. */
int environment_describe(int data, const char *name, struct environment_description *ret_description,
                         struct error *error) must_check;

/* The names, sorted. Those of a data directory that has none: 0. */
struct environment_names {
        size_t count;
        char names[ENVIRONMENTS_MAXIMUM][ENVIRONMENT_BYTES];
};
int environment_list(int data, struct environment_names *ret_names, struct error *error) must_check;

/* make.c: changing. All under the one lock, which workshop_open() takes and waits for. */
struct workshop {
        int folder; /* <data>/environments */
        int lock;
        int made; /* the folder being made, -1: none */
        char made_name[64];
        struct environment_description description; /* of what is being made */
};
/* Also deletes what earlier changes left that nobody uses any more. */
int workshop_open(int data, struct workshop *ret_workshop, struct error *error) must_check;
/* Begins a new environment, or (`from`: its folder, or -1) one that begins as a copy of another. */
int workshop_begin(struct workshop *workshop, const char *name, int from, struct error *error) must_check;
/* Copies a folder of packages in, over what is there: files and folders alone. Links and the like are left out, and
 * counted: what they lead to is not this environment's, and need not stay. */
int workshop_copy(struct workshop *workshop, int packages, size_t *ret_left_out, struct error *error) must_check;
/* A distribution is about to come in, named as a wheel or a .dist-info folder is: what tells of another version of it
 * goes, so that it is not listed twice. */
int workshop_supersede(struct workshop *workshop, const char *distribution, struct error *error) must_check;
/* The made one's size is within the limits, and every file can be read by programs. */
int workshop_check_size(struct workshop *workshop, uint64_t *ret_bytes, uint64_t *ret_files,
                        struct error *error) must_check;
int workshop_describe(struct workshop *workshop, struct error *error) must_check; /* writes the description */
/* Puts it in its place. */
int workshop_finish(struct workshop *workshop, struct error *error) must_check;
int workshop_delete(struct workshop *workshop, const char *name, struct error *error) must_check;
/* What was begun and not finished goes. A zeroed one with -1 descriptors is fine. */
void workshop_close(struct workshop *workshop);
#define WORKSHOP_NONE ((struct workshop){ .folder = -1, .lock = -1, .made = -1 })
