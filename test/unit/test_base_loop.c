/* base: the event loop and the pool of threads. */
#include "../../src/base/loop.h"
#include "../../src/base/pool.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <cmocka.h>

/* What a test's callbacks share; `trace` collects a letter a call. */
struct bench {
        struct loop *loop;
        struct watch *first, *second;
        struct timer *timers[200];
        int ends[2], other[2];
        char trace[64];
        size_t calls;
        uint64_t last_due;
        struct pool *pool;
        pthread_mutex_t lock;
        unsigned slow_now, slow_most;
};

static void trace(struct bench *bench, char letter) {
        if (bench->calls < sizeof bench->trace - 1)
                bench->trace[bench->calls] = letter;
        bench->calls++;
}

static int set_up(void **state) {
        struct bench *bench = allocate(sizeof *bench);
        pthread_mutex_init(&bench->lock, NULL);
        *state = bench;
        if (pipe2(bench->ends, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(bench->other, O_CLOEXEC | O_NONBLOCK) < 0)
                return -1;
        return loop_create(&bench->loop, NULL);
}

static int tear_down(void **state) {
        struct bench *bench = *state;
        loop_destroy(bench->loop);
        for (int i = 0; i < 2; i++) {
                close_fd(&bench->ends[i]);
                close_fd(&bench->other[i]);
        }
        pthread_mutex_destroy(&bench->lock);
        free(bench);
        return 0;
}

static void run(struct bench *bench) {
        struct error error = { 0 };
        assert_int_equal(loop_run(bench->loop, &error), 0);
}

static void stop(void *context) {
        struct bench *bench = context;
        trace(bench, '.');
        loop_stop(bench->loop);
}

static void on_input(void *context, uint32_t events) {
        struct bench *bench = context;
        char byte;
        assert_true(events & EPOLLIN);
        assert_int_equal(read(bench->ends[0], &byte, 1), 1);
        trace(bench, byte);
        if (byte == 'z')
                loop_stop(bench->loop);
}

static void a_watch_sees_every_byte(void **state) {
        struct bench *bench = *state;
        assert_int_equal(loop_watch(bench->loop, bench->ends[0], EPOLLIN, on_input, bench, &bench->first, NULL), 0);
        assert_int_equal(write(bench->ends[1], "abz", 3), 3);
        run(bench);
        assert_string_equal(bench->trace, "abz");
        watch_remove(bench->first);
}

static void remove_both(void *context, uint32_t events) {
        (void) events;
        struct bench *bench = context;
        trace(bench, 'r');
        watch_remove(bench->first);
        watch_remove(bench->second);
        loop_defer(bench->loop, stop, bench);
}

/* Two descriptors are ready in one turn, and the first callback ends both: the second must not be called with what is
 * gone. */
static void a_removed_watch_is_not_called_in_its_turn(void **state) {
        struct bench *bench = *state;
        assert_int_equal(loop_watch(bench->loop, bench->ends[0], EPOLLIN, remove_both, bench, &bench->first, NULL), 0);
        assert_int_equal(loop_watch(bench->loop, bench->other[0], EPOLLIN, remove_both, bench, &bench->second, NULL),
                         0);
        assert_int_equal(write(bench->ends[1], "x", 1), 1);
        assert_int_equal(write(bench->other[1], "x", 1), 1);
        run(bench);
        assert_string_equal(bench->trace, "r.");
}

static void a_closed_descriptor_cannot_be_watched(void **state) {
        struct bench *bench = *state;
        struct error error = { 0 };
        struct watch *watch = NULL;
        assert_int_equal(loop_watch(bench->loop, 9999, EPOLLIN, on_input, bench, &watch, &error), -EBADF);
        assert_null(watch);
        assert_non_null(strstr(error.text, "9999"));
        watch_remove(NULL);
        timer_remove(NULL);
}

static void defer_again(void *context) {
        struct bench *bench = context;
        trace(bench, 'd');
        loop_defer(bench->loop, stop, bench);
}

static void deferred_work_may_defer_more(void **state) {
        struct bench *bench = *state;
        loop_defer(bench->loop, defer_again, bench);
        timer_set(bench->timers[0] = loop_timer(bench->loop, defer_again, bench), 0);
        run(bench);
        assert_string_equal(bench->trace, "dd..");
        timer_remove(bench->timers[0]);
}

static void on_timer(void *context) {
        struct bench *bench = context;
        uint64_t now = now_milliseconds();
        assert_true(now >= bench->last_due);
        bench->last_due = now;
        trace(bench, 't');
}

/* Hundreds of timers set in disorder, some cleared, some set anew: those left fire once each, never early. */
static void timers_fire_in_order(void **state) {
        struct bench *bench = *state;
        for (size_t i = 0; i < array_length(bench->timers); i++) {
                bench->timers[i] = loop_timer(bench->loop, on_timer, bench);
                timer_set(bench->timers[i], (i * 7919) % 40);
                assert_true(timer_is_set(bench->timers[i]));
        }
        for (size_t i = 0; i < array_length(bench->timers); i += 4)
                timer_clear(bench->timers[i]);
        for (size_t i = 1; i < array_length(bench->timers); i += 4)
                timer_set(bench->timers[i], 10);
        struct timer *end = loop_timer(bench->loop, stop, bench);
        timer_set(end, 60);
        uint64_t started = now_milliseconds();
        run(bench);
        assert_true(now_milliseconds() - started >= 59);
        assert_int_equal(bench->calls, 150 + 1);
        for (size_t i = 0; i < array_length(bench->timers); i++) {
                assert_false(timer_is_set(bench->timers[i]));
                timer_remove(bench->timers[i]);
        }
        timer_remove(end);
}

static void remove_itself(void *context) {
        struct bench *bench = context;
        timer_remove(steal_pointer(&bench->timers[0]));
        stop(bench);
}

static void a_timer_may_remove_itself(void **state) {
        struct bench *bench = *state;
        bench->timers[0] = loop_timer(bench->loop, remove_itself, bench);
        timer_set(bench->timers[0], 1);
        run(bench);
        assert_string_equal(bench->trace, ".");
}

static void signals_come_through_the_loop(void **state) {
        struct bench *bench = *state;
        assert_int_equal(loop_signal(bench->loop, SIGUSR1, stop, bench, NULL), 0);
        raise(SIGUSR1);
        run(bench);
        assert_string_equal(bench->trace, ".");
}

static void *wake_from_elsewhere(void *context) {
        struct bench *bench = context;
        loop_wake(bench->loop, stop, bench);
        return NULL;
}

static void another_thread_wakes_the_loop(void **state) {
        struct bench *bench = *state;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake_from_elsewhere, bench), 0);
        run(bench);
        pthread_join(thread, NULL);
        assert_string_equal(bench->trace, ".");
}

/* The pool */

static void work_slowly(void *context) {
        struct bench *bench = context;
        pthread_mutex_lock(&bench->lock);
        if (++bench->slow_now > bench->slow_most)
                bench->slow_most = bench->slow_now;
        pthread_mutex_unlock(&bench->lock);
        usleep(5000);
        pthread_mutex_lock(&bench->lock);
        bench->slow_now--;
        pthread_mutex_unlock(&bench->lock);
}

static void work_quickly(void *context) {
        (void) context;
}

static void on_done(void *context) {
        struct bench *bench = context;
        trace(bench, 'd');
        if (pool_pending(bench->pool) == 0)
                loop_stop(bench->loop);
}

static void start_pool(struct bench *bench, size_t queued) {
        struct pool_limits limits = { .threads = 4, .slow_at_once = 2, .queued = { queued, queued } };
        assert_int_equal(pool_create(bench->loop, &limits, &bench->pool, NULL), 0);
}

static void slow_work_leaves_threads_for_quick_work(void **state) {
        struct bench *bench = *state;
        start_pool(bench, 100);
        for (int i = 0; i < 10; i++) {
                assert_int_equal(pool_submit(bench->pool, POOL_SLOW, work_slowly, on_done, bench), 0);
                assert_int_equal(pool_submit(bench->pool, POOL_QUICK, work_quickly, on_done, bench), 0);
        }
        run(bench);
        assert_int_equal(bench->calls, 20);
        assert_in_range(bench->slow_most, 1, 2);
        pool_destroy(bench->pool);
        pool_destroy(NULL);
}

static void a_full_lane_is_told_at_once(void **state) {
        struct bench *bench = *state;
        start_pool(bench, 3);
        int refused = 0;
        for (int i = 0; i < 50; i++)
                if (pool_submit(bench->pool, POOL_SLOW, work_slowly, on_done, bench) == -EAGAIN)
                        refused++;
        assert_in_range(refused, 40, 47);
        run(bench);
        assert_int_equal(bench->calls, 50 - refused);
        pool_destroy(bench->pool);
}

static void a_pool_ends_with_work_under_way(void **state) {
        struct bench *bench = *state;
        start_pool(bench, 100);
        for (int i = 0; i < 20; i++)
                assert_int_equal(pool_submit(bench->pool, POOL_SLOW, work_slowly, on_done, bench), 0);
        pool_destroy(bench->pool);
        assert_int_equal(bench->calls, 0);
}

#define bench_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                bench_test(a_watch_sees_every_byte),
                bench_test(a_removed_watch_is_not_called_in_its_turn),
                bench_test(a_closed_descriptor_cannot_be_watched),
                bench_test(deferred_work_may_defer_more),
                bench_test(timers_fire_in_order),
                bench_test(a_timer_may_remove_itself),
                bench_test(signals_come_through_the_loop),
                bench_test(another_thread_wakes_the_loop),
                bench_test(slow_work_leaves_threads_for_quick_work),
                bench_test(a_full_lane_is_told_at_once),
                bench_test(a_pool_ends_with_work_under_way),
        };
        return cmocka_run_group_tests_name("base loop", tests, NULL, NULL);
}
