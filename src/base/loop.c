#include "loop.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

struct watch {
        struct loop *loop;
        int fd;
        uint32_t events;
        bool removed;
        watch_function *function;
        void *context;
        struct watch *next_removed;
};

struct timer {
        struct loop *loop;
        loop_function *function;
        void *context;
        uint64_t due;    /* milliseconds, monotonic */
        size_t position; /* in the heap, NOT_SET when it is not there */
};

struct call {
        loop_function *function;
        void *context;
};

struct calls {
        struct call *items;
        size_t count, capacity;
};

struct signal_watch {
        int fd;
        struct watch *watch;
        loop_function *function;
        void *context;
        struct signal_watch *next;
};

struct loop {
        int epoll;
        bool stopping;
        struct timer **heap; /* a binary heap by `due` */
        size_t heap_count, heap_capacity;
        struct calls deferred;
        struct watch *removed; /* freed when the turn is over */
        struct signal_watch *signals;

        int wake_fd;
        struct watch *wake_watch;
        pthread_mutex_t wake_lock; /* over `woken` alone */
        struct calls woken;
};

#define NOT_SET SIZE_MAX

enum { EVENTS_A_TURN = 64 };

static void calls_add(struct calls *calls, loop_function *function, void *context) {
        if (calls->count == calls->capacity) {
                calls->capacity = calls->capacity ? 2 * calls->capacity : 16;
                calls->items = reallocate_array(calls->items, calls->capacity, sizeof *calls->items);
        }
        calls->items[calls->count++] = (struct call){ function, context };
}

static void calls_run(struct calls *calls) {
        for (size_t i = 0; i < calls->count; i++)
                calls->items[i].function(calls->items[i].context);
        free(calls->items);
}

/* Watches */

int loop_watch(struct loop *loop, int fd, uint32_t events, watch_function *function, void *context,
               struct watch **ret_watch, struct error *error) {
        struct watch *watch = allocate(sizeof *watch);
        *watch = (struct watch){ .loop = loop, .fd = fd, .events = events, .function = function, .context = context };
        struct epoll_event event = { .events = events, .data.ptr = watch };
        if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
                int number = errno;
                free(watch);
                return error_set(error, number, "watching descriptor %d", fd);
        }
        *ret_watch = watch;
        return 0;
}

void watch_change(struct watch *watch, uint32_t events) {
        if (watch->removed || watch->events == events)
                return;
        struct epoll_event event = { .events = events, .data.ptr = watch };
        if (epoll_ctl(watch->loop->epoll, EPOLL_CTL_MOD, watch->fd, &event) < 0)
                abort(); /* the descriptor was closed before its watch was removed: a bug that must not go on */
        watch->events = events;
}

void watch_remove(struct watch *watch) {
        if (!watch || watch->removed)
                return;
        /* The caller may have closed the descriptor already; then the kernel has forgotten it, and so may we. */
        (void) epoll_ctl(watch->loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
        watch->removed = true;
        watch->next_removed = watch->loop->removed;
        watch->loop->removed = watch;
}

static void free_removed(struct loop *loop) {
        while (loop->removed) {
                struct watch *watch = loop->removed;
                loop->removed = watch->next_removed;
                free(watch);
        }
}

/* Timers: a binary heap, so that thousands of live runs cost a logarithm each. */

static void heap_place(struct loop *loop, size_t position, struct timer *timer) {
        loop->heap[position] = timer;
        timer->position = position;
}

static void heap_rise(struct loop *loop, size_t position) {
        struct timer *timer = loop->heap[position];
        while (position > 0) {
                size_t parent = (position - 1) / 2;
                if (loop->heap[parent]->due <= timer->due)
                        break;
                heap_place(loop, position, loop->heap[parent]);
                position = parent;
        }
        heap_place(loop, position, timer);
}

static void heap_sink(struct loop *loop, size_t position) {
        struct timer *timer = loop->heap[position];
        for (;;) {
                size_t child = 2 * position + 1;
                if (child >= loop->heap_count)
                        break;
                if (child + 1 < loop->heap_count && loop->heap[child + 1]->due < loop->heap[child]->due)
                        child++;
                if (timer->due <= loop->heap[child]->due)
                        break;
                heap_place(loop, position, loop->heap[child]);
                position = child;
        }
        heap_place(loop, position, timer);
}

struct timer *loop_timer(struct loop *loop, loop_function *function, void *context) {
        struct timer *timer = allocate(sizeof *timer);
        *timer = (struct timer){ .loop = loop, .function = function, .context = context, .position = NOT_SET };
        return timer;
}

void timer_clear(struct timer *timer) {
        if (timer->position == NOT_SET)
                return;
        struct loop *loop = timer->loop;
        size_t position = timer->position;
        timer->position = NOT_SET;
        struct timer *last = loop->heap[--loop->heap_count];
        if (last == timer)
                return;
        heap_place(loop, position, last);
        heap_sink(loop, position);
        heap_rise(loop, last->position);
}

void timer_set(struct timer *timer, uint64_t milliseconds) {
        timer_clear(timer);
        struct loop *loop = timer->loop;
        if (loop->heap_count == loop->heap_capacity) {
                loop->heap_capacity = loop->heap_capacity ? 2 * loop->heap_capacity : 16;
                loop->heap = reallocate_array(loop->heap, loop->heap_capacity, sizeof *loop->heap);
        }
        timer->due = now_milliseconds() + milliseconds;
        heap_place(loop, loop->heap_count++, timer);
        heap_rise(loop, timer->position);
}

bool timer_is_set(const struct timer *timer) {
        return timer->position != NOT_SET;
}

void timer_remove(struct timer *timer) {
        if (!timer)
                return;
        timer_clear(timer);
        free(timer);
}

static int next_timeout(struct loop *loop) {
        if (loop->heap_count == 0)
                return -1;
        uint64_t now = now_milliseconds(), due = loop->heap[0]->due;
        return due <= now ? 0 : due - now > INT32_MAX ? INT32_MAX : (int) (due - now);
}

static void run_timers(struct loop *loop) {
        uint64_t now = now_milliseconds();
        while (loop->heap_count > 0 && loop->heap[0]->due <= now) {
                struct timer *timer = loop->heap[0];
                timer_clear(timer); /* before the call, which may set it again or remove it */
                timer->function(timer->context);
        }
}

/* Signals */

static void on_signal(void *context, uint32_t events) {
        (void) events;
        struct signal_watch *signal_watch = context;
        struct signalfd_siginfo information;
        while (read(signal_watch->fd, &information, sizeof information) == sizeof information)
                signal_watch->function(signal_watch->context);
}

int loop_signal(struct loop *loop, int signal, loop_function *function, void *context, struct error *error) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, signal);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return error_set(error, errno, "blocking signal %d", signal);
        fd_scoped fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (fd < 0)
                return error_set(error, errno, "opening a descriptor for signal %d", signal);
        free_scoped struct signal_watch *signal_watch = allocate(sizeof *signal_watch);
        *signal_watch =
                (struct signal_watch){ .fd = fd, .function = function, .context = context, .next = loop->signals };
        int result = loop_watch(loop, fd, EPOLLIN, on_signal, signal_watch, &signal_watch->watch, error);
        if (result < 0)
                return result;
        steal_fd(&fd);
        loop->signals = steal_pointer(&signal_watch);
        return 0;
}

/* Calls from other threads */

static void on_wake(void *context, uint32_t events) {
        (void) events;
        struct loop *loop = context;
        uint64_t count;
        if (read(loop->wake_fd, &count, sizeof count) < 0)
                return; /* EAGAIN: another turn took it */
        pthread_mutex_lock(&loop->wake_lock);
        struct calls calls = loop->woken;
        loop->woken = (struct calls){ 0 };
        pthread_mutex_unlock(&loop->wake_lock);
        calls_run(&calls);
}

void loop_wake(struct loop *loop, loop_function *function, void *context) {
        pthread_mutex_lock(&loop->wake_lock);
        calls_add(&loop->woken, function, context);
        pthread_mutex_unlock(&loop->wake_lock);
        uint64_t one = 1;
        /* Fails only when the counter is full, and then the loop is about to wake anyway. */
        if (write(loop->wake_fd, &one, sizeof one) < 0)
                return;
}

void loop_defer(struct loop *loop, loop_function *function, void *context) {
        calls_add(&loop->deferred, function, context);
}

static void run_deferred(struct loop *loop) {
        while (loop->deferred.count > 0) {
                struct calls calls = loop->deferred;
                loop->deferred = (struct calls){ 0 };
                calls_run(&calls);
        }
}

/* The loop itself */

int loop_create(struct loop **ret_loop, struct error *error) {
        struct loop *loop = allocate(sizeof *loop);
        loop->epoll = epoll_create1(EPOLL_CLOEXEC);
        loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_mutex_init(&loop->wake_lock, NULL);
        int result = loop->epoll < 0 || loop->wake_fd < 0
                             ? error_set(error, errno, "creating the event loop")
                             : loop_watch(loop, loop->wake_fd, EPOLLIN, on_wake, loop, &loop->wake_watch, error);
        if (result < 0) {
                loop_destroy(loop);
                return result;
        }
        *ret_loop = loop;
        return 0;
}

void loop_destroy(struct loop *loop) {
        if (!loop)
                return;
        watch_remove(loop->wake_watch);
        while (loop->signals) {
                struct signal_watch *signal_watch = loop->signals;
                loop->signals = signal_watch->next;
                watch_remove(signal_watch->watch);
                close_fd(&signal_watch->fd);
                free(signal_watch);
        }
        free_removed(loop);
        free(loop->heap);
        free(loop->deferred.items);
        free(loop->woken.items);
        pthread_mutex_destroy(&loop->wake_lock);
        close_fd(&loop->wake_fd);
        close_fd(&loop->epoll);
        free(loop);
}

int loop_run(struct loop *loop, struct error *error) {
        struct epoll_event events[EVENTS_A_TURN];
        while (!loop->stopping) {
                int count = epoll_wait(loop->epoll, events, EVENTS_A_TURN, next_timeout(loop));
                if (count < 0 && errno != EINTR)
                        return error_set(error, errno, "waiting for events");
                for (int i = 0; i < count; i++) {
                        struct watch *watch = events[i].data.ptr;
                        if (!watch->removed)
                                watch->function(watch->context, events[i].events);
                }
                run_timers(loop);
                run_deferred(loop);
                free_removed(loop);
        }
        loop->stopping = false;
        return 0;
}

void loop_stop(struct loop *loop) {
        loop->stopping = true;
}
