/*
 * Pods that come and go, and what a tick of `k8s_cluster` must say of them.
 *
 * Life of a pod: created by the admin -> it must be in each tick that begins a while later -> deleted -> it must not be in ticks that
 * begin a while later. The while is what a healthy watch takes; when something hard happened not long ago, a tick is not judged.
 *
 * Life of a tick: its batches are read as they are handed over -> the first batch of the next tick of the same process closes it ->
 * judged.
 */
#include "world.h"

#include <stdio.h>

#include "base/limits.h"

#define PODS_PATH "/api/v1/namespaces/default/pods"
#define SETTLE_NS (5 * SECOND)

enum { LIVING_MAX = 25 };

struct pod {
    char uid[40];
    int64_t created_ns, deleted_ns; /* INT64_MAX: it lives */
};
struct cluster {
    struct pod pods[PODS_MAX];
    size_t count, living;
    struct chance chance;
    struct event next;
    uint64_t judged;
};

/* -- the admin -- */

static void create(struct world *w)
{
    struct cluster *c = w->cluster;
    struct buf answer;
    char body[256];
    size_t at;
    if (c->count == PODS_MAX)
        return;
    snprintf(
        body, sizeof body,
        "{\"metadata\":{\"name\":\"pod-%zu\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
        c->count);
    buf_init(&answer, MIB);
    CHECK(server_ask(w, "POST", PODS_PATH, str_from(body), &answer) == 201);
    CHECK(str_find(buf_view(&answer), STR("\"uid\":\""), &at));
    struct pod *p = &c->pods[c->count++];
    *p = (struct pod){.created_ns = w->now_ns, .deleted_ns = INT64_MAX};
    snprintf(p->uid, sizeof p->uid, "%.36s", answer.data + at + 7);
    buf_deinit(&answer);
    c->living++;
    world_trace(w, "pod %zu is created", c->count - 1);
}

static void delete (struct world *w)
{
    struct cluster *c = w->cluster;
    struct buf answer;
    char path[128];
    size_t index = chance_below(&c->chance, c->count);
    while (c->pods[index].deleted_ns != INT64_MAX)
        index = (index + 1) % c->count;
    buf_init(&answer, MIB);
    snprintf(path, sizeof path, PODS_PATH "/pod-%zu", index);
    CHECK(server_ask(w, "DELETE", path, STR_NONE, &answer) == 200);
    buf_deinit(&answer);
    c->pods[index].deleted_ns = w->now_ns;
    c->living--;
    world_trace(w, "pod %zu is deleted", index);
}

static void on_next(void *arg)
{
    struct world *w = arg;
    struct cluster *c = w->cluster;
    if (!server_frozen(w)) {
        if (c->living > 0 && (c->living == LIVING_MAX || chance_percent(&c->chance, 50)))
            delete (w);
        else
            create(w);
    }
    world_at(w, &c->next, w->now_ns + chance_between(&c->chance, 100 * MS, 60 * SECOND));
}

void cluster_new(struct world *w)
{
    struct cluster *c = mem_zalloc(sizeof *c);
    w->cluster = c;
    chance_seed(&c->chance, w->seed, 4);
    for (int i = 0; i < 8; i++)
        create(w);
    event_init(&c->next, on_next, w);
    world_at(w, &c->next, 20 * SECOND);
}

/* -- ticks -- */

static bool was_seen(const struct replica *r, size_t index)
{
    return (r->cluster_seen[index / 64] >> (index % 64) & 1) != 0;
}

static void judge(struct replica *r)
{
    struct world *w = r->world;
    struct cluster *c = w->cluster;
    int64_t begun_ns = r->cluster_begun_ns, tick_ns = r->cluster_tick_ns;
    if (check_is_excused(w, EXCUSED_ALL, begun_ns - 90 * SECOND, begun_ns) ||
        w->pods_denied_until_ns > begun_ns || r->started_ns > begun_ns - SETTLE_NS ||
        r->link.lag_until_ns > begun_ns - SETTLE_NS)
        return;
    c->judged++;
    for (size_t i = 0; i < c->count; i++) {
        const struct pod *p = &c->pods[i];
        if (p->created_ns < begun_ns - SETTLE_NS && p->deleted_ns > begun_ns && !was_seen(r, i))
            world_fail(w, "tick %" PRId64 " of p%" PRIu64 " does not have pod %zu", tick_ns,
                       r->process, i);
        if (p->deleted_ns < begun_ns - SETTLE_NS && was_seen(r, i))
            world_fail(w, "tick %" PRId64 " of p%" PRIu64 " has pod %zu, deleted at %.3f", tick_ns,
                       r->process, i, (double)p->deleted_ns / 1e9);
    }
}

static void see(struct replica *r, const struct resource *resource)
{
    struct cluster *c = r->world->cluster;
    str uid = STR_NONE;
    for (size_t i = 0; i < resource->attributes.count; i++)
        if (str_eqz(resource->attributes.items[i].key, "k8s.pod.uid"))
            uid = resource->attributes.items[i].value.text;
    for (size_t i = 0; uid.len > 0 && i < c->count; i++) {
        if (!str_eqz(uid, c->pods[i].uid))
            continue;
        r->cluster_seen[i / 64] |= UINT64_C(1) << (i % 64);
        return;
    }
    if (uid.len > 0)
        world_fail(r->world, "p%" PRIu64 " knows a pod that never was", r->process);
}

void cluster_read(struct replica *r, const struct batch *batch)
{
    int64_t tick_ns = batch->origin.tick_ns;
    if (tick_ns != r->cluster_tick_ns) {
        /* Only a tick that is followed by the next one was surely finished. */
        if (tick_ns == r->cluster_tick_ns + r->world->settings->interval_ns)
            judge(r);
        r->cluster_tick_ns = tick_ns;
        r->cluster_begun_ns = r->world->now_ns;
        memset(r->cluster_seen, 0, sizeof r->cluster_seen);
    }
    for (const struct resource *x = batch->resources; x != NULL; x = x->next)
        see(r, x);
}
