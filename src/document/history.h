/*
 * history: a document's past.
 *
 * Every update stays for a while as it was typed. Later it is condensed, so that a document's past has a bounded size
 * and a year of it is still worth looking at: HISTORY_FINE updates stay as they are; before them, what one person typed
 * within one minute becomes one update (but for revisions that were run: they stay to be had exactly); and where the
 * whole has more than HISTORY_UPDATES updates or HISTORY_BYTES of changes (large pastes), its oldest part becomes the
 * text that it begins with, also what is younger than that. docs/documents.md tells people the same.
 *
 * Any thread.
 */
#pragma once

#include "../store/store.h"

#include <jansson.h>

enum {
        HISTORY_FINE = 1000,
        HISTORY_UPDATES = 10000,
        HISTORY_BYTES = 4 << 20,
        HISTORY_SPANS = 2000, /* told at once: the newest */
        HISTORY_MARKS = 500,
};

/* What a person was at, within a minute. */
struct history_span {
        int64_t from, to; /* revisions: the text before, and after */
        int64_t start, end;
        uint32_t account; /* 0: nobody of ours */
        uint64_t inserted, deleted;
};

struct history_mark {
        int64_t revision, time, run;
        uint32_t account;
        int reason; /* enum run_reason, or -1: not ended yet, or nobody saw it end */
        int status; /* its exit status, or -1 */
};

struct history {
        int64_t first, last; /* revisions */
        struct history_span *spans;
        size_t span_count;
        struct history_mark *marks;
        size_t mark_count;
};

/* -ENOENT: there is no such document. Finish with history_finish(), which may be called on a zeroed one. */
int history_load(struct store *store, int64_t document, struct history *ret_history, struct error *error) must_check;
void history_finish(struct history *history);

/* Notes that a revision was run; and how that run, if it was noted, ended. */
int history_mark(struct store *store, int64_t document, const struct history_mark *mark,
                 struct error *error) must_check;
int history_mark_ended(struct store *store, int64_t run, int reason, int status, struct error *error) must_check;

/* Forgets documents into which nobody typed since `before` (milliseconds) and whose file holds all: the file is what is
 * left of them. None of them may be open. How many, or -errno. */
int history_forget(struct store *store, int64_t before, struct error *error) must_check;

/* Condenses what is older than the newest HISTORY_FINE updates and was not looked at before, none of it newer than what
 * the file has. A transaction of its own. */
int history_condense(struct store *store, int64_t document, struct error *error) must_check;
