/*
 * The event loop over libuv, with timers of its own.
 *
 * Life of a timer: loop_timer_set puts it into a binary heap by deadline; before the loop waits,
 * one timerfd on CLOCK_BOOTTIME is set to the first deadline if that changed; when it fires, every
 * timer that is due at that moment leaves the heap and is called. So a timer counts time asleep, is
 * as exact as the kernel, and costs no system call until the loop waits. A timer that is set while
 * timers are being called waits for the next turn, however early its deadline: I/O comes in
 * between.
 *
 * Life of a task: loop_task_post appends it to a list; before the loop waits again, all tasks that
 * are on the list then are called once. What they post is called in the next turn, which does not
 * wait.
 *
 * Turn of libuv: idle, prepare (tasks, then the timerfd), poll (file descriptors, signals, finished
 * work, our timerfd), closing.
 *
 * Invariants: heap[i]->heap_index == i; a parent's deadline is not after its children's; armed_ns
 * is what the timerfd waits for. An idle loop never wakes up.
 */
#include "io/loop_uv.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000, FIRST_HEAP_CAP = 16 };
#define NEVER_NS INT64_MAX

struct slow_handler {
    const char *name;
    int64_t logged_ns;
    uint64_t count, suppressed_count;
};

struct loop {
    uv_loop_t uv;
    struct logger logger;
    uv_prepare_t prepare;
    uv_idle_t idle; /* active while tasks are left over: the loop does not wait */
    uv_poll_t timer_poll;
    int timer_fd;
    int64_t armed_ns;
    int64_t firing_until_ns; /* while timers are called: those due then; else INT64_MIN */
    struct loop_timer **heap;
    size_t heap_count, heap_cap;
    struct loop_task *task_first, *task_last;
    struct loop_task *pass_last; /* where the pass under way ends; NULL: no more in this pass */
    size_t work_count;
    uint64_t hash_key[2];
    struct slow_handler slow[LIMIT_SLOW_LOG_NAMES];
    size_t slow_count;
};

/* -- clocks and randomness -- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    CHECK(clock_gettime(clock, &ts) == 0);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t loop_boot_ns(const struct loop *loop)
{
    (void)loop;
    return clock_ns(CLOCK_BOOTTIME);
}

int64_t loop_cpu_ns(const struct loop *loop)
{
    (void)loop;
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t loop_wall_ns(const struct loop *loop)
{
    (void)loop;
    return clock_ns(CLOCK_REALTIME);
}

void loop_random(struct loop *loop, void *bytes, size_t len)
{
    (void)loop;
    char *at = bytes;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        at += got;
        len -= (size_t)got;
    }
}

uint64_t loop_random_u64(struct loop *loop)
{
    uint64_t value;
    loop_random(loop, &value, sizeof(value));
    return value;
}

const uint64_t *loop_hash_key(const struct loop *loop)
{
    return loop->hash_key;
}

/* -- handlers -- */

/* The counter of `name`; the last one is shared when there are too many names. */
static struct slow_handler *slow_find(struct loop *loop, const char *name)
{
    for (size_t i = 0; i < loop->slow_count; i++)
        if (strcmp(loop->slow[i].name, name) == 0)
            return &loop->slow[i];
    if (loop->slow_count == LIMIT_SLOW_LOG_NAMES)
        return &loop->slow[LIMIT_SLOW_LOG_NAMES - 1];
    struct slow_handler *slow = &loop->slow[loop->slow_count++];
    *slow = (struct slow_handler){.name = name, .logged_ns = INT64_MIN};
    return slow;
}

/* A handler that used the processor for so long, or that waited much longer, is ours to mend; one that had to wait for its turn on
 * a busy machine is worth a line for those who look closely. */
static void slow_report(struct loop *loop, const char *name, int64_t took_ns, int64_t cpu_ns)
{
    int64_t limit_ns = (int64_t)LIMIT_HANDLER_MS * NS_PER_MS;
    if (cpu_ns <= limit_ns && took_ns < 10 * limit_ns) {
        log_debug(&loop->logger, "A handler had to wait for the processor", F_CSTR("handler", name),
                  F_INT("milliseconds", took_ns / NS_PER_MS));
        return;
    }
    struct slow_handler *slow = slow_find(loop, name);
    slow->count++;
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    if (slow->logged_ns != INT64_MIN &&
        now_ns - slow->logged_ns < (int64_t)LIMIT_SLOW_LOG_INTERVAL_MS * NS_PER_MS) {
        slow->suppressed_count++;
        return;
    }
    log_warn(&loop->logger, "A handler held up the event loop", F_CSTR("handler", name),
             F_INT("milliseconds", took_ns / NS_PER_MS),
             F_INT("cpu_milliseconds", cpu_ns / NS_PER_MS), F_INT("limit_ms", LIMIT_HANDLER_MS),
             F_INT("suppressed", slow->suppressed_count));
    slow->logged_ns = now_ns;
    slow->suppressed_count = 0;
}

void loop_slow_each(const struct loop *loop,
                    void (*fn)(void *arg, const char *name, uint64_t count), void *arg)
{
    for (size_t i = 0; i < loop->slow_count; i++)
        fn(arg, loop->slow[i].name, loop->slow[i].count);
}

void loop_call(struct loop *loop, const char *name, void (*fn)(void *), void *arg)
{
    int64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    int64_t cpu_start_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    fn(arg);
    int64_t took_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
    if (took_ns > (int64_t)LIMIT_HANDLER_MS * NS_PER_MS)
        slow_report(loop, name, took_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start_ns);
}

/* -- timers -- */

static void heap_place(struct loop *loop, size_t index, struct loop_timer *t)
{
    loop->heap[index] = t;
    t->heap_index = index;
}

static void heap_up(struct loop *loop, size_t index, struct loop_timer *t)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (loop->heap[parent]->deadline_ns <= t->deadline_ns)
            break;
        heap_place(loop, index, loop->heap[parent]);
        index = parent;
    }
    heap_place(loop, index, t);
}

static void heap_down(struct loop *loop, size_t index, struct loop_timer *t)
{
    for (;;) {
        size_t child = index * 2 + 1;
        if (child >= loop->heap_count)
            break;
        if (child + 1 < loop->heap_count &&
            loop->heap[child + 1]->deadline_ns < loop->heap[child]->deadline_ns)
            child++;
        if (loop->heap[child]->deadline_ns >= t->deadline_ns)
            break;
        heap_place(loop, index, loop->heap[child]);
        index = child;
    }
    heap_place(loop, index, t);
}

/* Puts `t` where it belongs, the slot `index` being free. */
static void heap_settle(struct loop *loop, size_t index, struct loop_timer *t)
{
    if (index > 0 && loop->heap[(index - 1) / 2]->deadline_ns > t->deadline_ns)
        heap_up(loop, index, t);
    else
        heap_down(loop, index, t);
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
    if (deadline_ns <= loop->firing_until_ns)
        deadline_ns = loop->firing_until_ns + 1; /* not in the pass under way */
    t->deadline_ns = deadline_ns;
    if (!loop_timer_armed(t)) {
        if (loop->heap_count == loop->heap_cap) {
            loop->heap_cap = loop->heap_cap == 0 ? FIRST_HEAP_CAP : loop->heap_cap * 2;
            loop->heap = mem_realloc(loop->heap, loop->heap_cap * sizeof(struct loop_timer *));
        }
        heap_up(loop, loop->heap_count++, t);
        return;
    }
    CHECK(loop->heap[t->heap_index] == t);
    heap_settle(loop, t->heap_index, t);
}

void loop_timer_set_after(struct loop_timer *t, int64_t delay_ns)
{
    int64_t now_ns = loop_boot_ns(t->loop);
    if (delay_ns < 0)
        delay_ns = 0;
    loop_timer_set(t, delay_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + delay_ns);
}

void loop_timer_clear(struct loop_timer *t)
{
    if (!loop_timer_armed(t))
        return;
    struct loop *loop = t->loop;
    size_t index = t->heap_index;
    CHECK(index < loop->heap_count && loop->heap[index] == t);
    t->heap_index = SIZE_MAX;
    struct loop_timer *moved = loop->heap[--loop->heap_count];
    if (moved != t)
        heap_settle(loop, index, moved);
}

/* Sets the timerfd to the first deadline if it is set to another one. */
static void timers_arm(struct loop *loop)
{
    int64_t first_ns = loop->heap_count == 0 ? NEVER_NS : loop->heap[0]->deadline_ns;
    if (first_ns == loop->armed_ns)
        return;
    struct itimerspec when = {0};
    if (first_ns != NEVER_NS) {
        int64_t at_ns = first_ns < 1 ? 1 : first_ns; /* zero would switch it off */
        when.it_value.tv_sec = at_ns / NS_PER_S;
        when.it_value.tv_nsec = at_ns % NS_PER_S;
    }
    CHECK(timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
    loop->armed_ns = first_ns;
}

static void timers_fire(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    struct loop *loop = handle->data;
    uint64_t expiration_count;
    ssize_t got = read(loop->timer_fd, &expiration_count, sizeof(expiration_count));
    CHECK(got == (ssize_t)sizeof(expiration_count) || errno == EAGAIN || errno == EINTR);
    loop->armed_ns = NEVER_NS;
    loop->firing_until_ns = loop_boot_ns(loop);
    while (loop->heap_count > 0 && loop->heap[0]->deadline_ns <= loop->firing_until_ns) {
        struct loop_timer *t = loop->heap[0];
        loop_timer_clear(t);
        loop_call(loop, t->name, t->fn, t->arg);
    }
    loop->firing_until_ns = INT64_MIN;
}

/* -- tasks -- */

void loop_task_init(struct loop *loop, struct loop_task *t, const char *name, void (*fn)(void *),
                    void *arg)
{
    *t = (struct loop_task){.loop = loop, .name = name, .fn = fn, .arg = arg};
}

void loop_task_post(struct loop_task *t)
{
    if (t->posted)
        return;
    struct loop *loop = t->loop;
    t->posted = true;
    t->next = NULL;
    if (loop->task_last == NULL)
        loop->task_first = t;
    else
        loop->task_last->next = t;
    loop->task_last = t;
}

void loop_task_cancel(struct loop_task *t)
{
    if (!t->posted)
        return;
    struct loop *loop = t->loop;
    struct loop_task *before = NULL;
    struct loop_task *at = loop->task_first;
    while (at != t) {
        CHECK(at != NULL);
        before = at;
        at = at->next;
    }
    if (before == NULL)
        loop->task_first = t->next;
    else
        before->next = t->next;
    if (loop->task_last == t)
        loop->task_last = before;
    if (loop->pass_last == t)
        loop->pass_last = before;
    t->posted = false;
    t->next = NULL;
}

static void tasks_run(struct loop *loop)
{
    loop->pass_last = loop->task_last;
    while (loop->pass_last != NULL) {
        struct loop_task *t = loop->task_first;
        if (t == loop->pass_last)
            loop->pass_last = NULL;
        loop->task_first = t->next;
        if (loop->task_first == NULL)
            loop->task_last = NULL;
        t->posted = false;
        t->next = NULL;
        loop_call(loop, t->name, t->fn, t->arg);
    }
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

static void on_prepare(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    tasks_run(loop);
    if (loop->task_first != NULL)
        CHECK(uv_idle_start(&loop->idle, on_idle) == 0);
    else
        uv_idle_stop(&loop->idle);
    timers_arm(loop);
}

/* -- thread pool -- */

struct work {
    uv_work_t request;
    struct loop *loop;
    const char *name;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void on_work(uv_work_t *request)
{
    struct work *w = CONTAINER_OF(request, struct work, request);
    w->work(w->arg);
}

static void on_work_done(uv_work_t *request, int status)
{
    (void)status;
    struct work *w = CONTAINER_OF(request, struct work, request);
    w->loop->work_count--;
    loop_call(w->loop, w->name, w->done, w->arg);
    mem_free(w);
}

void loop_work(struct loop *loop, const char *name, void (*work)(void *arg),
               void (*done)(void *arg), void *arg)
{
    struct work *w = mem_zalloc(sizeof(*w));
    w->loop = loop;
    w->name = name;
    w->work = work;
    w->done = done;
    w->arg = arg;
    loop->work_count++;
    CHECK(uv_queue_work(&loop->uv, &w->request, on_work, on_work_done) == 0);
}

/* -- signals -- */

static void signal_call(void *arg)
{
    struct loop_signal *s = arg;
    s->fn(s->arg, s->handle.signum);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    (void)signum; /* the handle's own */
    struct loop_signal *s = handle->data;
    loop_call(s->loop, "signal", signal_call, s);
}

bool loop_signal_start(struct loop *loop, struct loop_signal *s, int signum,
                       void (*fn)(void *, int), void *arg, struct err *err)
{
    s->loop = loop;
    s->fn = fn;
    s->arg = arg;
    int rc = uv_signal_init(&loop->uv, &s->handle);
    CHECK(rc == 0);
    s->handle.data = s;
    rc = uv_signal_start(&s->handle, on_signal, signum);
    if (rc == 0)
        return true;
    loop_signal_stop(s);
    return err_set_code(err, -rc, "cannot catch signal %d: %s", signum, uv_strerror(rc));
}

void loop_signal_stop(struct loop_signal *s)
{
    if (!uv_is_closing((uv_handle_t *)&s->handle))
        uv_close((uv_handle_t *)&s->handle, NULL);
}

/* -- life -- */

struct loop *loop_new(const struct logger *logger, struct err *err)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));
    loop->logger = *logger;
    loop->armed_ns = NEVER_NS;
    loop->firing_until_ns = INT64_MIN;
    loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0) {
        err_set_code(err, errno, "event loop: cannot create a timer: %s", strerror(errno));
        mem_free(loop);
        return NULL;
    }
    int rc = uv_loop_init(&loop->uv);
    if (rc != 0) {
        err_set_code(err, -rc, "event loop: %s", uv_strerror(rc));
        close(loop->timer_fd);
        mem_free(loop);
        return NULL;
    }
    loop_random(loop, loop->hash_key, sizeof(loop->hash_key));
    /* A peer that went away is an error of the write, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    CHECK(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    CHECK(uv_idle_init(&loop->uv, &loop->idle) == 0);
    CHECK(uv_poll_init(&loop->uv, &loop->timer_poll, loop->timer_fd) == 0);
    loop->prepare.data = loop->idle.data = loop->timer_poll.data = loop;
    CHECK(uv_prepare_start(&loop->prepare, on_prepare) == 0);
    CHECK(uv_poll_start(&loop->timer_poll, UV_READABLE, timers_fire) == 0);
    return loop;
}

/* A process that was killed still has to be waited for; everything else must have been closed by
 * its owner. */
static void check_closed(uv_handle_t *handle, void *arg)
{
    (void)arg;
    CHECK(uv_is_closing(handle) || handle->type == UV_PROCESS || !uv_has_ref(handle));
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    CHECK(loop->heap_count == 0);
    CHECK(loop->task_first == NULL);
    CHECK(loop->work_count == 0);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->timer_poll, NULL);
    uv_walk(&loop->uv, check_closed, NULL);
    CHECK(uv_run(&loop->uv, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&loop->uv) == 0);
    close(loop->timer_fd);
    mem_free(loop->heap);
    mem_free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}
