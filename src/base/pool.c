#include "pool.h"

#include <pthread.h>
#include <signal.h>

struct job {
        struct job *next;
        enum pool_lane lane;
        loop_function *work, *done;
        void *context;
};

struct queue {
        struct job *first, **last;
        size_t count;
};

struct pool {
        struct loop *loop;
        struct pool_limits limits;
        size_t pending; /* the loop's thread alone looks at it */
        pthread_t *threads;
        unsigned thread_count;

        pthread_mutex_t lock; /* over all that follows */
        pthread_cond_t news;
        struct queue waiting[POOL_LANES];
        struct queue finished;
        unsigned slow_running;
        bool stopping;
};

static void queue_start(struct queue *queue) {
        *queue = (struct queue){ .last = &queue->first };
}

static void queue_add(struct queue *queue, struct job *job) {
        job->next = NULL;
        *queue->last = job;
        queue->last = &job->next;
        queue->count++;
}

static struct job *queue_take(struct queue *queue) {
        struct job *job = queue->first;
        if (!job)
                return NULL;
        queue->first = job->next;
        if (!queue->first)
                queue->last = &queue->first;
        queue->count--;
        return job;
}

static void queue_free(struct queue *queue) {
        struct job *job;
        while ((job = queue_take(queue)))
                free(job);
}

/* Quick work first: it is what somebody waits for at a keyboard. */
static struct job *next_job(struct pool *pool) {
        struct job *job = queue_take(&pool->waiting[POOL_QUICK]);
        if (job || pool->slow_running >= pool->limits.slow_at_once)
                return job;
        job = queue_take(&pool->waiting[POOL_SLOW]);
        if (job)
                pool->slow_running++;
        return job;
}

static void complete(void *context) {
        struct pool *pool = context;
        pthread_mutex_lock(&pool->lock);
        struct job *job = pool->finished.first;
        queue_start(&pool->finished);
        pthread_mutex_unlock(&pool->lock);
        while (job) {
                struct job *next = job->next;
                pool->pending--;
                job->done(job->context);
                free(job);
                job = next;
        }
}

static void finish_job(struct pool *pool, struct job *job) {
        pthread_mutex_lock(&pool->lock);
        bool first = pool->finished.count == 0;
        queue_add(&pool->finished, job);
        if (job->lane == POOL_SLOW) {
                pool->slow_running--;
                pthread_cond_signal(&pool->news); /* one that had to wait for this lane may go on */
        }
        pthread_mutex_unlock(&pool->lock);
        if (first)
                loop_wake(pool->loop, complete, pool);
}

static void *work_on(void *context) {
        struct pool *pool = context;
        for (;;) {
                pthread_mutex_lock(&pool->lock);
                struct job *job;
                while (!(job = next_job(pool)) && !pool->stopping)
                        pthread_cond_wait(&pool->news, &pool->lock);
                pthread_mutex_unlock(&pool->lock);
                if (!job)
                        return NULL;
                job->work(job->context);
                finish_job(pool, job);
        }
}

/* Threads take no signals: those are the loop's. */
static int start_threads(struct pool *pool, struct error *error) {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int result = 0;
        while (result == 0 && pool->thread_count < pool->limits.threads) {
                result = pthread_create(&pool->threads[pool->thread_count], NULL, work_on, pool);
                if (result == 0)
                        pool->thread_count++;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return result ? error_set(error, result, "starting a thread") : 0;
}

int pool_create(struct loop *loop, const struct pool_limits *limits, struct pool **ret_pool, struct error *error) {
        struct pool *pool = allocate(sizeof *pool);
        pool->loop = loop;
        pool->limits = *limits;
        pool->threads = reallocate_array(NULL, limits->threads, sizeof *pool->threads);
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->news, NULL);
        for (size_t lane = 0; lane < POOL_LANES; lane++)
                queue_start(&pool->waiting[lane]);
        queue_start(&pool->finished);
        int result = start_threads(pool, error);
        if (result < 0) {
                pool_destroy(pool);
                return result;
        }
        *ret_pool = pool;
        return 0;
}

void pool_destroy(struct pool *pool) {
        if (!pool)
                return;
        pthread_mutex_lock(&pool->lock);
        pool->stopping = true;
        for (size_t lane = 0; lane < POOL_LANES; lane++)
                queue_free(&pool->waiting[lane]);
        pthread_cond_broadcast(&pool->news);
        pthread_mutex_unlock(&pool->lock);
        for (unsigned i = 0; i < pool->thread_count; i++)
                pthread_join(pool->threads[i], NULL);
        queue_free(&pool->finished);
        pthread_cond_destroy(&pool->news);
        pthread_mutex_destroy(&pool->lock);
        free(pool->threads);
        free(pool);
}

int pool_submit(struct pool *pool, enum pool_lane lane, loop_function *work, loop_function *done, void *context) {
        struct job *job = allocate(sizeof *job);
        *job = (struct job){ .lane = lane, .work = work, .done = done, .context = context };
        pthread_mutex_lock(&pool->lock);
        bool full = pool->waiting[lane].count >= pool->limits.queued[lane];
        if (!full) {
                queue_add(&pool->waiting[lane], job);
                pthread_cond_signal(&pool->news);
        }
        pthread_mutex_unlock(&pool->lock);
        if (full) {
                free(job);
                return -EAGAIN;
        }
        pool->pending++;
        return 0;
}

size_t pool_pending(const struct pool *pool) {
        return pool->pending;
}
