/*
 * io/loop.h in virtual time. Each process has its own: clocks of its own rate and offset, randomness of its own stream.
 *
 * Life of a turn: something is due (a task, a timer, a delivery from outside) and the process is neither paused nor busy -> tasks,
 * then timers and deliveries, in either order as in a real loop, where both are only files that became readable -> the process
 * is busy for as long as its handlers were held up, and a little longer.
 *
 * Handlers take no time of their own, but a stall can hold one up at any reading of the clock. Other processes run meanwhile: what
 * the handler does to the outside world carries its later time.
 *
 * Invariant: timers never fire before their deadline on the loop's own clock.
 */
#include "script.h"

#define BUSY_MIN_NS (20 * US)
#define BUSY_MAX_NS (200 * US)

/* Apart, since reading the clock of a const loop can hold its handler up. */
struct stall {
    bool in_handler;
    uint32_t reads_left; /* 0: none */
    int64_t stall_ns, spent_ns;
};

struct loop {
    struct world *world;
    struct replica *replica;
    struct chance chance;
    uint64_t hash_key[2];
    int64_t boot_base_ns, world_base_ns, rate_ppm, wall_offset_ns;
    int64_t paused_until_ns, busy_until_ns;
    bool dead;
    struct stall *stall;
    struct event turn;
    int64_t firing_until_ns; /* boot time; INT64_MIN: no timers are being called */
    struct loop_timer **heap;
    size_t heap_count, heap_cap;
    struct loop_task *task_first, *task_last, *pass_last;
    struct list inbox;
};

/* -- clocks -- */

static int64_t boot_at(const struct loop *loop, int64_t world_ns)
{
    int64_t passed_ns = world_ns - loop->world_base_ns;
    return loop->boot_base_ns + passed_ns + passed_ns / 1000 * loop->rate_ppm / 1000;
}

/* The first world time at which the loop's clock shows `boot_ns`. */
static int64_t world_of_boot(const struct loop *loop, int64_t boot_ns)
{
    if (boot_ns - loop->boot_base_ns > INT64_C(1000) * HOUR)
        return INT64_MAX;
    __int128 passed =
        (__int128)(boot_ns - loop->boot_base_ns) * 1000000 / (1000000 + loop->rate_ppm);
    int64_t at_ns = loop->world_base_ns + (int64_t)passed - 2 * US;
    while (boot_at(loop, at_ns) < boot_ns) {
        int64_t missing_ns = boot_ns - boot_at(loop, at_ns);
        at_ns += missing_ns > 2 ? missing_ns / 2 : 1;
    }
    return at_ns;
}

int64_t sim_loop_world_ns(const struct loop *loop)
{
    return loop->world->now_ns + loop->stall->spent_ns;
}

static void count_read(const struct loop *loop)
{
    struct stall *s = loop->stall;
    if (!s->in_handler || s->reads_left == 0 || --s->reads_left > 0)
        return;
    s->spent_ns += s->stall_ns;
    world_trace(loop->world, "p%" PRIu64 " is held up in a handler for %" PRId64 " ms",
                loop->replica->process, s->stall_ns / MS);
    if (s->stall_ns <= 300 * MS)
        script_mild(loop->world, sim_loop_world_ns(loop), "held up");
    else
        script_excuse(loop->world, sim_loop_world_ns(loop), "held up for long");
}

int64_t loop_boot_ns(const struct loop *loop)
{
    count_read(loop);
    return boot_at(loop, sim_loop_world_ns(loop));
}

int64_t loop_cpu_ns(const struct loop *loop)
{
    (void)loop;
    return 0; /* no time passes within a handler */
}

int64_t loop_wall_ns(const struct loop *loop)
{
    count_read(loop);
    return EPOCH_NS + sim_loop_world_ns(loop) + loop->wall_offset_ns;
}

void sim_loop_stall(struct loop *loop, uint32_t reads, int64_t stall_ns)
{
    loop->stall->reads_left = reads;
    loop->stall->stall_ns = stall_ns;
}

bool sim_loop_observe(struct loop *loop, bool observes)
{
    bool before = loop->stall->in_handler;
    loop->stall->in_handler = !observes;
    return before;
}

void sim_loop_step_wall(struct loop *loop, int64_t by_ns)
{
    loop->wall_offset_ns += by_ns;
}

void loop_random(struct loop *loop, void *bytes, size_t len)
{
    unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        at[i] = (unsigned char)chance_next(&loop->chance);
}

uint64_t loop_random_u64(struct loop *loop)
{
    return chance_next(&loop->chance);
}

const uint64_t *loop_hash_key(const struct loop *loop)
{
    return loop->hash_key;
}

struct chance *sim_loop_chance(struct loop *loop)
{
    return &loop->chance;
}

struct replica *sim_loop_replica(const struct loop *loop)
{
    return loop->replica;
}

struct world *sim_loop_world(const struct loop *loop)
{
    return loop->world;
}

/* -- when the next turn comes -- */

static void schedule(struct loop *loop)
{
    if (loop->dead || loop->stall->in_handler)
        return;
    int64_t at_ns = INT64_MAX;
    if (loop->heap_count > 0)
        at_ns = world_of_boot(loop, loop->heap[0]->deadline_ns);
    if (loop->task_first != NULL || !list_empty(&loop->inbox))
        at_ns = loop->world->now_ns;
    if (at_ns < loop->busy_until_ns)
        at_ns = loop->busy_until_ns;
    if (at_ns < loop->paused_until_ns)
        at_ns = loop->paused_until_ns;
    if (at_ns == INT64_MAX)
        world_cancel(loop->world, &loop->turn);
    else if (!event_is_set(&loop->turn) || loop->turn.at_ns != at_ns)
        world_at(loop->world, &loop->turn, at_ns);
}

static void timers_fire(struct loop *loop)
{
    loop->firing_until_ns = boot_at(loop, sim_loop_world_ns(loop));
    while (!loop->dead && loop->heap_count > 0 &&
           loop->heap[0]->deadline_ns <= loop->firing_until_ns) {
        struct loop_timer *t = loop->heap[0];
        loop_timer_clear(t);
        t->fn(t->arg);
    }
    loop->firing_until_ns = INT64_MIN;
}

static void tasks_run(struct loop *loop)
{
    loop->pass_last = loop->task_last;
    while (loop->pass_last != NULL && !loop->dead) {
        struct loop_task *t = loop->task_first;
        if (t == loop->pass_last)
            loop->pass_last = NULL;
        loop->task_first = t->next;
        if (loop->task_first == NULL)
            loop->task_last = NULL;
        t->posted = false;
        t->next = NULL;
        t->fn(t->arg);
    }
}

static void inbox_read(struct loop *loop)
{
    struct list *last = loop->inbox.prev;
    for (bool more = !list_empty(&loop->inbox); more && !loop->dead;) {
        struct parcel *d = CONTAINER_OF(loop->inbox.next, struct parcel, link);
        more = &d->link != last;
        list_remove(&d->link);
        d->fn(d->arg, true);
    }
}

static void on_turn(void *arg)
{
    struct loop *loop = arg;
    struct world *w = loop->world;
    CHECK(!loop->dead && w->current == NULL);
    w->current = loop->replica;
    loop->stall->in_handler = true;
    loop->stall->spent_ns = 0;
    tasks_run(loop);
    bool timers_first = chance_percent(&w->net_chance, 50);
    if (timers_first)
        timers_fire(loop);
    inbox_read(loop);
    if (!timers_first)
        timers_fire(loop);
    loop->stall->in_handler = false;
    loop->busy_until_ns =
        sim_loop_world_ns(loop) + chance_between(&w->net_chance, BUSY_MIN_NS, BUSY_MAX_NS);
    loop->stall->spent_ns = 0;
    w->current = NULL;
    check_turn(w, loop->replica);
    schedule(loop);
}

void sim_loop_pause(struct loop *loop, int64_t until_ns)
{
    if (until_ns > loop->paused_until_ns)
        loop->paused_until_ns = until_ns;
    schedule(loop);
}

bool sim_loop_paused(const struct loop *loop)
{
    return loop->paused_until_ns > loop->world->now_ns ||
           loop->busy_until_ns > loop->world->now_ns + SECOND;
}

static void on_delivery(void *arg)
{
    struct parcel *d = arg;
    if (d->loop->dead) {
        d->fn(d->arg, false);
        return;
    }
    list_append(&d->loop->inbox, &d->link);
    schedule(d->loop);
}

void sim_loop_deliver(struct loop *loop, struct parcel *d, int64_t at_ns)
{
    d->loop = loop;
    list_init(&d->link);
    event_init(&d->event, on_delivery, d);
    world_at(loop->world, &d->event, at_ns);
}

void sim_loop_kill(struct loop *loop)
{
    loop->dead = true;
    world_cancel(loop->world, &loop->turn);
    while (!list_empty(&loop->inbox)) {
        struct parcel *d = CONTAINER_OF(loop->inbox.next, struct parcel, link);
        list_remove(&d->link);
        d->fn(d->arg, false);
    }
}

/* -- timers -- */

static void heap_place(struct loop *loop, size_t index, struct loop_timer *t)
{
    loop->heap[index] = t;
    t->heap_index = index;
}

static void heap_settle(struct loop *loop, size_t index, struct loop_timer *t)
{
    while (index > 0 && loop->heap[(index - 1) / 2]->deadline_ns > t->deadline_ns) {
        heap_place(loop, index, loop->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
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
            loop->heap_cap = loop->heap_cap == 0 ? 16 : loop->heap_cap * 2;
            loop->heap = mem_realloc(loop->heap, loop->heap_cap * sizeof(struct loop_timer *));
        }
        heap_settle(loop, loop->heap_count++, t);
    } else {
        heap_settle(loop, t->heap_index, t);
    }
    schedule(loop);
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
    schedule(loop);
}

void loop_task_cancel(struct loop_task *t)
{
    if (!t->posted)
        return;
    struct loop *loop = t->loop;
    struct loop_task *before = NULL;
    for (struct loop_task *at = loop->task_first; at != t; at = at->next) {
        CHECK(at != NULL);
        before = at;
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

/* -- the rest -- */

struct pool_work {
    struct parcel delivery;
    void (*done)(void *arg);
    void *arg;
};

static void on_work_done(void *arg, bool alive)
{
    struct pool_work *p = arg;
    if (alive)
        p->done(p->arg);
    mem_free(p);
}

/* The work is done at once, its end comes some milliseconds later. */
void loop_work(struct loop *loop, const char *name, void (*work)(void *arg),
               void (*done)(void *arg), void *arg)
{
    (void)name;
    struct pool_work *p = mem_zalloc(sizeof *p);
    p->done = done;
    p->arg = arg;
    p->delivery.fn = on_work_done;
    p->delivery.arg = p;
    work(arg);
    sim_loop_deliver(loop, &p->delivery,
                     sim_loop_world_ns(loop) +
                         chance_between(&loop->world->net_chance, 1, 20) * MS);
}

void loop_slow_each(const struct loop *loop,
                    void (*fn)(void *arg, const char *name, uint64_t count), void *arg)
{
    (void)loop, (void)fn, (void)arg; /* nothing takes time here */
}

void loop_call(struct loop *loop, const char *name, void (*fn)(void *), void *arg)
{
    (void)loop, (void)name;
    fn(arg);
}

struct loop *sim_loop_new(struct world *w, struct replica *r, uint64_t stream, int rate_ppm,
                          int64_t wall_offset_ns)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    loop->stall = mem_zalloc(sizeof *loop->stall);
    loop->world = w;
    loop->replica = r;
    chance_seed(&loop->chance, w->seed, stream);
    loop_random(loop, loop->hash_key, sizeof loop->hash_key);
    loop->boot_base_ns = chance_between(&loop->chance, SECOND, 1000 * HOUR);
    loop->world_base_ns = w->now_ns;
    loop->rate_ppm = rate_ppm;
    loop->wall_offset_ns = wall_offset_ns;
    loop->firing_until_ns = INT64_MIN;
    list_init(&loop->inbox);
    event_init(&loop->turn, on_turn, loop);
    return loop;
}
