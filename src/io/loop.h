/*
 * The event loop: timers on CLOCK_BOOTTIME, deferred work, a thread pool, clocks and randomness. One thread; everything of a
 * program hangs off one `struct loop`, so that several can live in one process (the simulation links another implementation
 * under this header). Every handler is timed; one that runs longer than LIMIT_HANDLER_MS is logged by name.
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/log.h"

struct loop;

/* NULL with err if the system gives no loop. The logger is copied; slow handlers are reported to it. SIGPIPE is ignored from then on. */
struct loop *loop_new(const struct logger *logger, struct err *err);
/* All timers and tasks must be cleared and all work finished. */
void loop_free(struct loop *loop);
/* Runs until loop_stop; may be called again after it returned. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Nanoseconds of CLOCK_BOOTTIME, which counts while the machine sleeps; read now, never cached. */
int64_t loop_boot_ns(const struct loop *loop);
/* Nanoseconds since 1970 UTC, read now; may step. */
int64_t loop_wall_ns(const struct loop *loop);
/* Processor time of the loop's thread so far: what is short of the time that passed, it slept, or did not get to run. */
int64_t loop_cpu_ns(const struct loop *loop);
void loop_random(struct loop *loop, void *bytes, size_t len);
uint64_t loop_random_u64(struct loop *loop);
/* Two words for map_init, random for each process. */
const uint64_t *loop_hash_key(const struct loop *loop);

/* A one-shot timer in memory of its owner. Its function may set it again or free its owner. */
struct loop_timer {
    struct loop *loop;
    const char *name; /* of the handler, static */
    void (*fn)(void *arg);
    void *arg;
    int64_t deadline_ns; /* boot time */
    size_t heap_index;   /* SIZE_MAX: not armed */
};
void loop_timer_init(struct loop *loop, struct loop_timer *t, const char *name, void (*fn)(void *), void *arg);
/* Fires once at or after `deadline_ns` of boot time (never before); replaces an earlier setting. */
void loop_timer_set(struct loop_timer *t, int64_t deadline_ns);
void loop_timer_set_after(struct loop_timer *t, int64_t delay_ns);
void loop_timer_clear(struct loop_timer *t); /* harmless if not armed */
static inline bool loop_timer_armed(const struct loop_timer *t)
{
    return t->heap_index != SIZE_MAX;
}

/* Work for later in this turn of the loop, after the handler that posts it. */
struct loop_task {
    struct loop *loop;
    const char *name;
    void (*fn)(void *arg);
    void *arg;
    struct loop_task *next;
    bool posted;
};
void loop_task_init(struct loop *loop, struct loop_task *t, const char *name, void (*fn)(void *), void *arg);
void loop_task_post(struct loop_task *t); /* once, however often it is posted before it runs */
void loop_task_cancel(struct loop_task *t);

/* Runs `work` in a pool thread, then `done` in the loop's thread. `arg` must own all it points to. */
void loop_work(struct loop *loop, const char *name, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* How often each handler held the loop up: `fn` for each name that ever did. */
void loop_slow_each(const struct loop *loop, void (*fn)(void *arg, const char *name, uint64_t count), void *arg);

/* Times the handler `fn` under `name`: for adapters (file descriptors, libraries) that call into our code. */
void loop_call(struct loop *loop, const char *name, void (*fn)(void *), void *arg);

#endif
