/*
 * A loop without a system: timers in a plain list, tasks in order of posting, two clocks that move
 * only when a test moves them. Randomness is a counter.
 */
#include "fake_loop.h"

enum { TIMERS_MAX = 4096 };

struct loop {
    int64_t boot_ns, wall_ns, cpu_ns;
    struct loop_timer *timers[TIMERS_MAX];
    size_t timer_count;
    struct loop_task *first, *last;
    uint64_t random;
    uint64_t hash_key[2];
    bool stopped;
};

struct loop *fake_loop_new(int64_t boot_ns, int64_t wall_ns)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    loop->boot_ns = boot_ns;
    loop->wall_ns = wall_ns;
    loop->random = 1;
    return loop;
}

struct loop *loop_new(const struct logger *logger, struct err *err)
{
    (void)logger, (void)err;
    return fake_loop_new(0, 0);
}

void loop_free(struct loop *loop)
{
    CHECK(loop->timer_count == 0 && loop->first == NULL);
    mem_free(loop);
}

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped && (loop->first != NULL || loop->timer_count > 0))
        fake_loop_run(loop, INT64_C(1000000000));
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

bool fake_loop_was_stopped(const struct loop *loop)
{
    return loop->stopped;
}

int64_t loop_boot_ns(const struct loop *loop)
{
    return loop->boot_ns;
}

int64_t loop_wall_ns(const struct loop *loop)
{
    return loop->wall_ns;
}

int64_t loop_cpu_ns(const struct loop *loop)
{
    return loop->cpu_ns;
}

void fake_loop_step_wall(struct loop *loop, int64_t by_ns)
{
    loop->wall_ns += by_ns;
}

void fake_loop_pause(struct loop *loop, int64_t ns)
{
    loop->boot_ns += ns;
    loop->wall_ns += ns;
}

void fake_loop_spend(struct loop *loop, int64_t ns)
{
    fake_loop_pause(loop, ns);
    loop->cpu_ns += ns;
}

uint64_t loop_random_u64(struct loop *loop)
{
    return loop->random++ * UINT64_C(0x9e3779b97f4a7c15);
}

void loop_random(struct loop *loop, void *bytes, size_t len)
{
    char *at = bytes;
    for (size_t i = 0; i < len; i++)
        at[i] = (char)(loop_random_u64(loop) >> 32);
}

const uint64_t *loop_hash_key(const struct loop *loop)
{
    return loop->hash_key;
}

void loop_timer_init(struct loop *loop, struct loop_timer *t, const char *name, void (*fn)(void *),
                     void *arg)
{
    *t = (struct loop_timer){
        .loop = loop, .name = name, .fn = fn, .arg = arg, .heap_index = SIZE_MAX};
}

void loop_timer_set(struct loop_timer *t, int64_t deadline_ns)
{
    struct loop *loop = t->loop;
    t->deadline_ns = deadline_ns;
    if (loop_timer_armed(t))
        return;
    CHECK(loop->timer_count < TIMERS_MAX);
    t->heap_index = loop->timer_count;
    loop->timers[loop->timer_count++] = t;
}

void loop_timer_set_after(struct loop_timer *t, int64_t delay_ns)
{
    loop_timer_set(t, t->loop->boot_ns + (delay_ns < 0 ? 0 : delay_ns));
}

void loop_timer_clear(struct loop_timer *t)
{
    if (!loop_timer_armed(t))
        return;
    struct loop *loop = t->loop;
    struct loop_timer *last = loop->timers[--loop->timer_count];
    loop->timers[t->heap_index] = last;
    last->heap_index = t->heap_index;
    t->heap_index = SIZE_MAX;
}

void loop_task_init(struct loop *loop, struct loop_task *t, const char *name, void (*fn)(void *),
                    void *arg)
{
    *t = (struct loop_task){.loop = loop, .name = name, .fn = fn, .arg = arg};
}

void loop_task_post(struct loop_task *t)
{
    struct loop *loop = t->loop;
    if (t->posted)
        return;
    t->posted = true;
    t->next = NULL;
    if (loop->last == NULL)
        loop->first = t;
    else
        loop->last->next = t;
    loop->last = t;
}

void loop_task_cancel(struct loop_task *t)
{
    struct loop *loop = t->loop;
    if (!t->posted)
        return;
    struct loop_task *before = NULL;
    for (struct loop_task *at = loop->first; at != t; at = at->next)
        before = at;
    if (before == NULL)
        loop->first = t->next;
    else
        before->next = t->next;
    if (loop->last == t)
        loop->last = before;
    t->posted = false;
}

void fake_loop_settle(struct loop *loop)
{
    for (size_t turns = 0; loop->first != NULL; turns++) {
        CHECK(turns < 1000000); /* tasks that post each other for ever */
        struct loop_task *t = loop->first;
        loop->first = t->next;
        if (loop->first == NULL)
            loop->last = NULL;
        t->posted = false;
        t->fn(t->arg);
    }
}

static struct loop_timer *next_timer(const struct loop *loop)
{
    struct loop_timer *next = NULL;
    for (size_t i = 0; i < loop->timer_count; i++)
        if (next == NULL || loop->timers[i]->deadline_ns < next->deadline_ns)
            next = loop->timers[i];
    return next;
}

void fake_loop_fire(struct loop *loop)
{
    struct loop_timer *next;
    while ((next = next_timer(loop)) != NULL && next->deadline_ns <= loop->boot_ns) {
        loop_timer_clear(next);
        next->fn(next->arg);
    }
}

void fake_loop_run(struct loop *loop, int64_t duration_ns)
{
    int64_t until_ns = loop->boot_ns + duration_ns;
    for (size_t turns = 0;; turns++) {
        CHECK(turns < 10000000);
        fake_loop_settle(loop);
        struct loop_timer *next = next_timer(loop);
        if (next == NULL || next->deadline_ns > until_ns)
            break;
        if (next->deadline_ns > loop->boot_ns)
            fake_loop_pause(loop, next->deadline_ns - loop->boot_ns);
        loop_timer_clear(next);
        next->fn(next->arg);
    }
    if (until_ns > loop->boot_ns)
        fake_loop_pause(loop, until_ns - loop->boot_ns);
}

struct fake_work {
    struct loop_task task;
    void (*done)(void *arg);
    void *arg;
};

static void fake_work_done(void *arg)
{
    struct fake_work work = *(struct fake_work *)arg;
    mem_free(arg);
    work.done(work.arg);
}

void loop_work(struct loop *loop, const char *name, void (*work)(void *arg),
               void (*done)(void *arg), void *arg)
{
    struct fake_work *w = mem_zalloc(sizeof *w);
    w->done = done;
    w->arg = arg;
    work(arg);
    loop_task_init(loop, &w->task, name, fake_work_done, w);
    loop_task_post(&w->task);
}

void loop_call(struct loop *loop, const char *name, void (*fn)(void *), void *arg)
{
    (void)loop, (void)name;
    fn(arg);
}

void loop_slow_each(const struct loop *loop, void (*fn)(void *arg, const char *name, uint64_t count), void *arg)
{
    (void)loop;
    fn(arg, "fake \"slow\" handler", 3);
}
