/*
 * A pool of threads for work that blocks (the database, disks, password hashes), so that the loop never does.
 *
 * Work runs in some thread; its completion runs in the loop's thread, in the order in which works finish. There are two
 * lanes: QUICK for what takes a moment, SLOW for what takes a while; of SLOW no more run at once than was said, so
 * that a burst of sign-ins leaves threads for everybody else. Each lane's queue has a limit: whoever meets a full one
 * is told so at once, and tells its client to come back later.
 *
 * Ownership: the context belongs to the work until its completion has run. pool_destroy() joins the threads; what has
 * not been completed by then never is, so an owner who cares runs its loop until pool_pending() is 0 first.
 */
#pragma once

#include "base.h"
#include "loop.h"

enum pool_lane { POOL_QUICK, POOL_SLOW, POOL_LANES };

struct pool_limits {
        unsigned threads;
        unsigned slow_at_once;
        size_t queued[POOL_LANES]; /* waiting, not running */
};

struct pool;

int pool_create(struct loop *loop, const struct pool_limits *limits, struct pool **ret_pool,
                struct error *error) must_check;
/* NULL is fine. The loop must not be run any more after it. */
void pool_destroy(struct pool *pool);

/* `work` in a thread, then `done` in the loop. 0, or -EAGAIN where the lane's queue is full. */
int pool_submit(struct pool *pool, enum pool_lane lane, loop_function *work, loop_function *done,
                void *context) must_check;

/* Submitted and not completed yet. */
size_t pool_pending(const struct pool *pool);
