/*
 * confine: a worker's walls. Private to the room.
 *
 * The worker looks at what guests made, on behalf of others, so it should be worth nothing to whoever takes it over: it
 * has its owner's rights, which the owner's programs have anyway, less everything but this one tree.
 */
#pragma once

#include "workspace.h"

enum { CONFINED_CHANNEL = 3, CONFINED_TREE = 4 };

/* Moves the two descriptors to the numbers above, closes all other but 0 to 2, and raises the walls in an order in
 * which each still can be. What was raised when a later one fails stays: the process has to end then. */
int confine(const struct workspace_worker *worker, struct error *error) must_check;
