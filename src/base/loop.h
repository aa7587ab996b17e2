/*
 * The event loop: one epoll instance a process, watching descriptors, timers, signals and work put off to the end of
 * the turn.
 *
 * The loop owns its watches and timers, never the descriptors in them. Nothing is freed inside a callback that may
 * still be on the stack: loop_defer() runs a function after all of this turn's callbacks, and a watch removed during a
 * turn is not called again in it, even if its event had already been fetched. Single-threaded, but for loop_wake().
 */
#pragma once

#include "base.h"
#include <sys/epoll.h>

struct loop;
struct watch;
struct timer;

typedef void watch_function(void *context, uint32_t events); /* EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLERR … */
typedef void loop_function(void *context);

int loop_create(struct loop **ret_loop, struct error *error) must_check;
void loop_destroy(struct loop *loop); /* NULL is fine; all watches and timers go with it */

/* Runs until loop_stop(). 0, or the error of epoll_wait itself. */
int loop_run(struct loop *loop, struct error *error) must_check;
void loop_stop(struct loop *loop);

/* Level-triggered. The descriptor stays the caller's and must be watched no longer (watch_remove) when it is closed. */
int loop_watch(struct loop *loop, int fd, uint32_t events, watch_function *function, void *context,
               struct watch **ret_watch, struct error *error) must_check;
/* Cannot fail for a watch that exists (ENOMEM aside, which ends the process). */
void watch_change(struct watch *watch, uint32_t events);
void watch_remove(struct watch *watch); /* NULL is fine */

/* A timer is made once, idle, and set again and again; it fires once a setting. */
struct timer *loop_timer(struct loop *loop, loop_function *function, void *context);
void timer_set(struct timer *timer, uint64_t milliseconds_from_now);
void timer_clear(struct timer *timer);
bool timer_is_set(const struct timer *timer);
void timer_remove(struct timer *timer); /* NULL is fine */

/* Runs `function` once, at the end of this turn. */
void loop_defer(struct loop *loop, loop_function *function, void *context);

/* Blocks the signal and calls `function` for it from the loop. */
int loop_signal(struct loop *loop, int signal, loop_function *function, void *context, struct error *error) must_check;

/* Runs `function` in the loop's thread soon. The one call that any thread may make. */
void loop_wake(struct loop *loop, loop_function *function, void *context);
