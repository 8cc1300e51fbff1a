/*
 * The world's time: a heap of events, and what all parts share.
 *
 * Life of a run: settings by the seed -> server, backend, checks, script -> events one after the other until the end or the first
 * failure -> final checks. A run is never cleaned up: it has a process of its own (main.c), and a crashed program would not clean
 * up either.
 *
 * Invariant: time never goes back; two events of the same time happen in the order in which they were set.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/map.h"

/* -- randomness (splitmix64) -- */

uint64_t chance_next(struct chance *c)
{
    uint64_t z = (c->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void chance_seed(struct chance *c, uint64_t seed, uint64_t stream)
{
    c->state = seed;
    c->state = chance_next(c) ^ (stream * UINT64_C(0xD6E8FEB86659FD93));
    (void)chance_next(c);
}

uint64_t chance_below(struct chance *c, uint64_t below)
{
    CHECK(below > 0);
    return chance_next(c) % below;
}

int64_t chance_between(struct chance *c, int64_t low, int64_t high)
{
    CHECK(low <= high);
    return low + (int64_t)chance_below(c, (uint64_t)(high - low) + 1);
}

bool chance_percent(struct chance *c, uint64_t percent)
{
    return chance_below(c, 100) < percent;
}

/* -- events -- */

void event_init(struct event *e, void (*fn)(void *arg), void *arg)
{
    *e = (struct event){.heap_index = SIZE_MAX, .fn = fn, .arg = arg};
}

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void place(struct world *w, size_t index, struct event *e)
{
    w->heap[index] = e;
    e->heap_index = index;
}

static void settle(struct world *w, size_t index, struct event *e)
{
    while (index > 0 && is_before(e, w->heap[(index - 1) / 2])) {
        place(w, index, w->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    for (;;) {
        size_t child = index * 2 + 1;
        if (child >= w->heap_count)
            break;
        if (child + 1 < w->heap_count && is_before(w->heap[child + 1], w->heap[child]))
            child++;
        if (!is_before(w->heap[child], e))
            break;
        place(w, index, w->heap[child]);
        index = child;
    }
    place(w, index, e);
}

void world_cancel(struct world *w, struct event *e)
{
    if (!event_is_set(e))
        return;
    size_t index = e->heap_index;
    CHECK(w->heap[index] == e);
    e->heap_index = SIZE_MAX;
    struct event *moved = w->heap[--w->heap_count];
    if (moved != e)
        settle(w, index, moved);
}

void world_at(struct world *w, struct event *e, int64_t at_ns)
{
    world_cancel(w, e);
    e->at_ns = at_ns < w->now_ns ? w->now_ns : at_ns;
    e->order = w->next_order++;
    if (w->heap_count == w->heap_cap) {
        w->heap_cap = w->heap_cap == 0 ? 64 : w->heap_cap * 2;
        w->heap = mem_realloc(w->heap, w->heap_cap * sizeof(struct event *));
    }
    settle(w, w->heap_count++, e);
}

/* -- trace -- */

void world_trace(struct world *w, const char *format, ...)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "%11.6f ", (double)w->now_ns / 1e9);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(text + len, sizeof text - (size_t)len, format, args);
    va_end(args);
    size_t total = (size_t)len + (size_t)(more < 0 ? 0 : more);
    total = total < sizeof text ? total : sizeof text - 1;
    uint64_t key[2] = {w->trace_hash, w->seed};
    w->trace_hash = sip_hash(key, str_make(text, total));
    if (w->print_trace)
        printf("%s\n", text);
}

void world_fail(struct world *w, const char *format, ...)
{
    if (w->failed)
        return;
    w->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(w->failure, sizeof w->failure, format, args);
    va_end(args);
    world_trace(w, "FAILED: %s", w->failure);
}

/* -- a run -- */

static void run(uint64_t seed, const struct settings_of_seed *settings, bool print_trace,
                bool print_logs, struct outcome_of_run *out)
{
    struct world *w = mem_zalloc(sizeof *w);
    w->seed = seed;
    w->print_trace = print_trace;
    w->print_logs = print_logs;
    w->settings = settings;
    w->slot_count = settings->replica_count > SLOTS ? settings->replica_count : SLOTS;
    w->end_ns = w->settings->duration_ns;
    list_init(&w->exchanges);
    buf_init(&w->answer, SIZE_MAX / 2);
    chance_seed(&w->script_chance, seed, 1);
    chance_seed(&w->net_chance, seed, 2);
    chance_seed(&w->server_chance, seed, 3);
    w->hash_key[0] = chance_next(&w->server_chance);
    w->hash_key[1] = chance_next(&w->server_chance);
    process_set_world(w);
    server_new(w);
    backend_new(w);
    check_new(w);
    if (w->settings->has_cluster)
        cluster_new(w);
    script_new(w);
    while (!w->failed && w->heap_count > 0 && w->heap[0]->at_ns <= w->end_ns) {
        struct event *e = w->heap[0];
        CHECK(e->at_ns >= w->now_ns);
        w->now_ns = e->at_ns;
        world_cancel(w, e);
        w->event_count++;
        e->fn(e->arg);
    }
    if (!w->failed) {
        w->now_ns = w->end_ns;
        check_end(w);
    }
    *out = (struct outcome_of_run){
        .failed = w->failed,
        .trace_hash = w->trace_hash,
        .event_count = w->event_count,
        .request_count = w->request_count,
        .tick_count = check_tick_count(w),
        .term_count = check_term_count(w),
        .simulated_ns = w->now_ns,
    };
    memcpy(out->failure, w->failure, sizeof out->failure);
}

void world_run(uint64_t seed, int64_t duration_ns, bool print_trace, bool print_logs,
               struct outcome_of_run *out)
{
    run(seed, script_settings(seed, duration_ns), print_trace, print_logs, out);
}

void world_run_crowd(uint64_t seed, int candidates, bool print_trace, struct outcome_of_run *out)
{
    CHECK(candidates >= 3 && candidates <= SLOTS_MAX);
    run(seed, crowd_settings(candidates), print_trace, false, out);
}
