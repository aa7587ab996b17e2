/*
 * lookout: which folders of the tree change by somebody else's doing (a program's), for the pages that show them.
 *
 * Every folder that was listed is looked after, the last LOOKOUT_FOLDERS_MAXIMUM of them. The kernel tells what changes
 * (inotify). Where it cannot know (a network file system, which other machines change too), or takes no more watches,
 * the folders are read every few seconds instead, so many entries a turn and no more.
 *
 * A program that writes a thousand files must wake nobody a thousand times: events are read ten times a second at most,
 * and of one folder is told twice a second at most, with the names that changed as long as they are few. What the
 * worker itself does is told by whoever asked for it, so it is left out here, but never what a program writes into a
 * file.
 *
 * Invariant: what is told carries paths and names as they were when the folder was listed; whoever hears it lists
 * again.
 */
#pragma once

#include "tree.h"

enum { LOOKOUT_FOLDERS_MAXIMUM = WORKSPACE_FOLLOWED_MAXIMUM, LOOKOUT_NAMES_MAXIMUM = WORKSPACE_NAMES_MAXIMUM };

struct lookout;

/* `folders`: how many may be watched by the kernel; the rest is read. */
struct lookout *lookout_create(const struct tree *tree, size_t folders);
void lookout_destroy(struct lookout *lookout); /* NULL is fine */

/* A folder that was listed just now. `path` is a checked one. */
void lookout_add(struct lookout *lookout, const char *path);
/* What the worker itself has just done to the entry of this path. */
void lookout_own(struct lookout *lookout, const char *path);

/* To wait for: a descriptor to poll for reading, or -1; and milliseconds, or -1. */
int lookout_descriptor(const struct lookout *lookout);
int lookout_timeout(const struct lookout *lookout);

/* Names joined by NUL; size 0: they are not known, or too many. Negative ends the turn. */
typedef int lookout_function(void *context, const char *folder, const char *names, size_t size);
/* Reads and tells what is due. */
int lookout_turn(struct lookout *lookout, lookout_function *function, void *context) must_check;
