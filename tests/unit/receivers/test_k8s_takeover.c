/*
 * Random histories of a cluster with two replicas that take turns in leading, by planned hand-overs and by crashes, lagging behind the
 * cluster each in its own way: what both sent together is compared with what happened.
 *
 * Lost with a crash: what was handed over and not acknowledged. The seed of a failing run is printed; TAKEOVER_SEED=n runs one alone,
 * TAKEOVER_RUNS=n so many.
 */
#include "k8s_entities_world.h"

#include <stdlib.h>

enum { EVENTS_MAX = 4000, OBJECTS_MAX = 40, STEPS = 250, RUNS = 400, KINDS = 3 };
static const enum object_kind kinds[KINDS] = {KIND_POD, KIND_DEPLOYMENT, KIND_SERVICE};
static const char *const label_keys[KINDS] = {
    "k8s.pod.label.rv=", "k8s.deployment.label.rv=", "k8s.service.label.rv="};

struct event {
    uint64_t version;
    size_t kind;     /* index in kinds */
    unsigned object; /* its uid; never given out again */
    bool is_delete;
    unsigned sent; /* how often it was acknowledged */
    bool excused;  /* nobody can know of it */
};
struct cluster {
    uint64_t random;
    struct loop *loop;
    uint64_t version;
    struct event events[EVENTS_MAX];
    size_t event_count;
    struct {
        unsigned object;
        size_t kind;
        size_t last_event;
    } alive[OBJECTS_MAX];
    size_t alive_count;
    unsigned object_count;
    size_t first_counted;   /* events before were there when the first leader began */
    unsigned first_objects; /* so many objects, too */
};
/* A replica and how much of the cluster it has seen. */
struct member {
    struct replica *r;
    size_t seen[KINDS]; /* events that were delivered, of all kinds' list */
    uint64_t synced_version;
    size_t acknowledged; /* batches */
};
struct run {
    struct cluster c;
    struct member members[2];
    size_t leader;
    char *position; /* of the last acknowledged batch */
    bool may_crash, may_list;
    uint64_t gap_version; /* events up to it may have been lost in a gap that was counted */
    size_t take_overs, gaps;
};

static unsigned below(struct cluster *c, unsigned n)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return (unsigned)((c->random >> 11) % n);
}

/* ---- the cluster ---- */

static void happens(struct cluster *c)
{
    if (c->event_count == EVENTS_MAX)
        return;
    c->version += 1 + below(c, 3);
    struct event *e = &c->events[c->event_count];
    *e = (struct event){.version = c->version};
    unsigned what = below(c, 10);
    size_t at = c->alive_count == 0 ? 0 : below(c, (unsigned)c->alive_count);
    if (c->alive_count == 0 || (what < 3 && c->alive_count < OBJECTS_MAX)) {
        at = c->alive_count++;
        c->alive[at].object = ++c->object_count;
        c->alive[at].kind = below(c, KINDS);
    }
    e->object = c->alive[at].object;
    e->kind = c->alive[at].kind;
    e->is_delete = what == 9 && c->event_count > 0 && c->alive_count > 1;
    c->alive[at].last_event = c->event_count++;
    if (e->is_delete)
        c->alive[at] = c->alive[--c->alive_count];
}

static struct object *object_of(struct replica *r, const struct event *e)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"metadata\":{\"name\":\"n%u\",\"namespace\":\"shop\",\"uid\":\"u%u\","
             "\"resourceVersion\":\"%" PRIu64 "\",\"labels\":{\"rv\":\"%" PRIu64 "\"}}}",
             e->object, e->object, e->version, e->version);
    return replica_decode(r, kinds[e->kind], json);
}

static struct k8s_stream *stream_of(struct replica *r, size_t kind)
{
    return replica_stream(r, kinds[kind], STR("shop"));
}

/* The next event of a kind that the member has not seen; false if it has seen all. */
static bool deliver_one(struct run *run, struct member *m, size_t kind)
{
    struct cluster *c = &run->c;
    while (m->seen[kind] < c->event_count && c->events[m->seen[kind]].kind != kind)
        m->seen[kind]++;
    if (m->seen[kind] == c->event_count)
        return false;
    const struct event *e = &c->events[m->seen[kind]++];
    struct k8s_stream *s = stream_of(m->r, kind);
    char uid[16];
    snprintf(uid, sizeof uid, "u%u", e->object);
    if (e->is_delete)
        replica_delete(m->r, s, uid, e->version, false);
    else
        replica_put_object(m->r, s, object_of(m->r, e), false);
    return true;
}

static void deliver_all(struct run *run, struct member *m)
{
    for (size_t kind = 0; kind < KINDS; kind++)
        while (deliver_one(run, m, kind))
            ;
}

/* Everything of a kind at once, by a list: in any order, and what is gone last. */
static void list(struct run *run, struct member *m, size_t kind)
{
    struct cluster *c = &run->c;
    struct k8s_stream *s = stream_of(m->r, kind);
    store_mark(&s->watch->store);
    size_t first = c->alive_count == 0 ? 0 : below(c, (unsigned)c->alive_count);
    for (size_t i = 0; i < c->alive_count; i++) {
        size_t at = (first + i) % c->alive_count;
        if (c->alive[at].kind == kind)
            replica_put_object(m->r, s, object_of(m->r, &c->events[c->alive[at].last_event]), true);
    }
    if (below(c, 2) == 0)
        fake_loop_run(c->loop, below(c, 200) * MS);
    bool watch_goes_on = below(c, 2) == 0;
    if (watch_goes_on)
        s->watch->version[0] = '\0';
    struct object *gone;
    uint32_t budget = UINT32_MAX;
    while ((gone = store_sweep(&s->watch->store, &budget)) != NULL) {
        const struct watch_change told = {.kind = WATCH_DELETED, .before = gone, .by_list = true};
        entities_change(m->r->k.entities, s, &told);
        object_unref(&m->r->pool, gone);
    }
    m->seen[kind] = c->event_count;
    replica_set_version(s, c->version);
}

/* ---- members ---- */

static void member_start(struct run *run, struct member *m)
{
    *m = (struct member){.r = replica_new(run->c.loop, 0, ""), .synced_version = run->c.version};
    for (size_t kind = 0; kind < KINDS; kind++) {
        list(run, m, kind);
        m->seen[kind] = run->c.event_count;
    }
    replica_sync(m->r, run->c.version);
}

static void member_stop(struct member *m)
{
    replica_free(m->r);
    *m = (struct member){0};
}

/* The backend got these records. */
static void count_records(struct run *run, const struct handed_over *h)
{
    struct cluster *c = &run->c;
    for (size_t i = 0; i < h->record_count; i++) {
        const char *text = h->records[i];
        bool is_delete = text[0] == 'd';
        const char *uid = strstr(text, ".uid=u");
        assert_non_null(uid);
        unsigned object = (unsigned)strtoul(uid + 6, NULL, 10);
        uint64_t version = 0;
        for (size_t kind = 0; kind < KINDS && !is_delete; kind++) {
            const char *label = strstr(text, label_keys[kind]);
            if (label != NULL)
                version = strtoull(label + strlen(label_keys[kind]), NULL, 10);
        }
        for (size_t k = 0; k < c->event_count; k++) {
            struct event *e = &c->events[k];
            e->sent += e->object == object && e->is_delete == is_delete &&
                       (is_delete || e->version == version);
        }
    }
}

/* So many more batches of it are acknowledged. */
static void acknowledge(struct run *run, struct member *m, size_t count)
{
    for (; count > 0 && m->acknowledged < m->r->batch_count; count--, m->acknowledged++) {
        count_records(run, &m->r->batches[m->acknowledged]);
        mem_free(run->position);
        run->position = str_dup(str_from(m->r->batches[m->acknowledged].position));
    }
}

/* ---- a change of leader ---- */

/* A number for the objects of a kind as they were at a version. */
static uint64_t objects_at(const struct cluster *c, size_t kind, uint64_t version)
{
    uint64_t latest[EVENTS_MAX] = {0}, sum = 0;
    for (size_t i = 0; i < c->event_count; i++) {
        const struct event *e = &c->events[i];
        if (e->kind == kind && e->version <= version)
            latest[e->object] = e->is_delete ? 0 : e->version * UINT64_C(0x9e3779b97f4a7c15) >> 7;
    }
    for (unsigned i = 0; i <= c->object_count; i++)
        sum += latest[i];
    return sum;
}

/* By the test's own knowledge: has the journal of the new leader everything behind the position? What came and went before it began does
 * not count. */
static bool has_gap(struct run *run, struct member *m, const char *position)
{
    struct cluster *c = &run->c;
    const struct entities *e = m->r->k.entities;
    struct stream_mark marks[WORLD_STREAMS_MAX];
    int64_t repeated_ms;
    struct err err;
    assert_true(position_parse(str_from(position), e->streams_hash, &repeated_ms, marks,
                               e->stream_count, &err));
    for (size_t kind = 0; kind < KINDS; kind++) {
        size_t at = e->index[stream_of(m->r, kind) - m->r->k.streams];
        uint64_t sent = marks[at].version;
        if (!marks[at].known)
            return true;
        if (objects_at(c, kind, sent) != objects_at(c, kind, m->synced_version) &&
            sent < m->synced_version)
            return true;
        for (size_t i = 0; i < c->event_count; i++)
            c->events[i].excused |= c->events[i].kind == kind && c->events[i].version > sent &&
                                    c->events[i].version <= m->synced_version;
    }
    return false;
}

static void take_over(struct run *run)
{
    struct cluster *c = &run->c;
    struct member *old = &run->members[run->leader];
    run->leader = 1 - run->leader;
    struct member *new = &run->members[run->leader];
    bool crash = run->may_crash && below(c, 2) == 0;
    if (crash) {
        acknowledge(run, old, below(c, 4));
        member_stop(old);
    } else {
        entities_deactivate(old->r->k.entities);
        acknowledge(run, old, SIZE_MAX);
    }
    bool expected = has_gap(run, new, run->position);
    uint64_t gaps = new->r->k.entities->counters.gap_streams;
    new->r->room = below(c, 3) == 0 ? below(c, 3) : NOT_LIMITED;
    replica_activate(new->r, run->position);
    bool found = new->r->k.entities->counters.gap_streams > gaps;
    if (!run->may_list && found != expected)
        fail_msg("a gap was %s, but %s", found ? "found" : "not found",
                 expected ? "there is one" : "there is none");
    if (found)
        run->gap_version = c->version;
    run->gaps += found;
    run->take_overs++;
    if (crash)
        member_start(run, old);
}

/* ---- a run ---- */

static void step(struct run *run)
{
    struct cluster *c = &run->c;
    struct member *m = &run->members[below(c, 2)];
    struct member *leader = &run->members[run->leader];
    switch (below(c, 12)) {
    case 0:
    case 1:
    case 2:
        for (unsigned n = below(c, 6); n > 0; n--)
            happens(c);
        break;
    case 3:
    case 4:
        for (unsigned n = below(c, 10); n > 0; n--)
            (void)deliver_one(run, m, below(c, KINDS));
        break;
    case 5:
        deliver_all(run, m);
        break;
    case 6: { /* a bookmark, to who has seen all */
        size_t kind = below(c, KINDS);
        while (deliver_one(run, m, kind))
            ;
        replica_set_version(stream_of(m->r, kind), c->version);
        break;
    }
    case 7:
        fake_loop_run(c->loop, below(c, 60) * MS);
        break;
    case 8:
        fake_loop_run(c->loop, below(c, 1500) * MS);
        break;
    case 9:
        leader->r->room = below(c, 3) == 0 ? 0 : below(c, 3) == 0 ? 1 : NOT_LIMITED;
        leader->r->gate_closed = below(c, 6) == 0;
        entities_room(leader->r->k.entities);
        break;
    case 10:
        acknowledge(run, leader, below(c, 4));
        break;
    default:
        if (below(c, 4) == 0)
            take_over(run);
        else if (run->may_list && below(c, 3) == 0)
            list(run, m, below(c, KINDS));
    }
}

static void begin(struct run *run, uint64_t seed)
{
    *run = (struct run){.c = {.random = seed * 2654435769 + 88172645463325252, .version = 100}};
    struct cluster *c = &run->c;
    c->loop = fake_loop_new(5000 * SECOND, 1700000000 * SECOND);
    for (int i = 0; i < 10; i++)
        happens(c);
    member_start(run, &run->members[0]);
    member_start(run, &run->members[1]);
    run->may_crash = seed % 3 != 0;
    run->may_list = seed % 3 == 2;
    struct member *m = &run->members[0];
    replica_activate(m->r, "");
    fake_loop_run(c->loop, SECOND);
    acknowledge(run, m, SIZE_MAX);
    c->first_counted = c->event_count;
    c->first_objects = c->object_count;
}

static void finish(struct run *run)
{
    struct member *m = &run->members[run->leader];
    deliver_all(run, m);
    m->r->room = NOT_LIMITED;
    m->r->gate_closed = false;
    entities_room(m->r->k.entities);
    fake_loop_run(run->c.loop, 3 * SECOND);
    acknowledge(run, m, SIZE_MAX);
}

static void check(const struct run *run)
{
    const struct cluster *c = &run->c;
    for (size_t i = 0; i < c->alive_count; i++)
        if (c->events[c->alive[i].last_event].sent == 0)
            fail_msg("the last state of object %u was not sent", c->alive[i].object);
    for (size_t i = c->first_counted; i < c->event_count; i++) {
        const struct event *e = &c->events[i];
        /* Lists skip what was between; what is gone by the end of one is found by it, if it was known. */
        bool must_be_sent =
            !e->excused && e->version > run->gap_version &&
            (!run->may_list || (e->is_delete && e->object <= c->first_objects && run->gaps == 0));
        if (must_be_sent && e->sent == 0)
            fail_msg("event %zu (object %u, version %" PRIu64 ", %s) was not sent", i, e->object,
                     e->version, e->is_delete ? "delete" : "state");
        bool must_be_once = !run->may_crash && !run->may_list && run->gaps == 0;
        if (must_be_once && !e->excused && e->sent != 1)
            fail_msg("event %zu (object %u, version %" PRIu64 ") was sent %u times", i, e->object,
                     e->version, e->sent);
    }
}

static uint64_t running_seed; /* 0: none */

static int tell_seed(void **state)
{
    (void)state;
    if (running_seed != 0)
        print_error("failed with TAKEOVER_SEED=%" PRIu64 "\n", running_seed);
    return 0;
}

static void test_take_overs(void **state)
{
    (void)state;
    const char *one = getenv("TAKEOVER_SEED"), *many = getenv("TAKEOVER_RUNS");
    uint64_t first = one == NULL ? 1 : strtoull(one, NULL, 10);
    uint64_t runs = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 10) : RUNS;
    size_t take_overs = 0, gaps = 0;
    struct run *run = mem_alloc(sizeof *run);
    for (uint64_t seed = first; seed < first + runs; seed++) {
        running_seed = seed;
        begin(run, seed);
        for (int i = 0; i < STEPS; i++)
            step(run);
        finish(run);
        check(run);
        take_overs += run->take_overs;
        gaps += run->gaps;
        member_stop(&run->members[0]);
        member_stop(&run->members[1]);
        loop_free(run->c.loop);
        mem_free(run->position);
    }
    mem_free(run);
    running_seed = 0;
    print_message("%" PRIu64 " runs, %zu take-overs, %zu of them with a gap\n", runs, take_overs,
                  gaps);
    assert_true(take_overs > runs && gaps < take_overs / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_take_overs, tell_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
