/*
 * Replicas with `standby: auto` in a random world: two records on one API server, each replica with its two election machines and
 * what couples them. Requests and answers are late, lost, refused or forbidden, watches lag and break, replicas pause, die (also
 * leader and standby together), yield; clocks run at different rates, Leases are deleted and cleared by hand; some replicas
 * compete for the main Lease directly, as client-go would. Checked after every event: at most one main gate is open. Checked when
 * the faults have stopped: one leads, another one stands by, the rest ask nothing.
 * Virtual time; every world has a printed seed, and `test_standby_world SEED` replays one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"
#include "election/standby.h"
#include "tests/model/step_trace.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

enum { REPLICAS_MAX = 6, EVENTS_MAX = 1024, WORLD_COUNT = 1500 };
enum { MAIN, STANDBY, LEASES };

static const int64_t duration_ns = 15 * SECOND;

struct record {
    bool exists;
    uint64_t uid, version;
    int writer; /* id of the process */
    uint32_t transitions;
    bool has_holder, released, pristine;
    int64_t duration_ns;
    int64_t own_duration_ns;         /* what the holder itself wrote */
    uint64_t main_uid, main_version; /* STANDBY: the annotation */
};

enum what {
    AT_SERVER,
    ANSWER,
    WATCH_EVENT,
    WATCH_OPENS,
    WATCH_BREAKS,
    STOP_FAULTS,
    COUNT_CALLS,
    YIELD,
    PERMISSION,
    DEATH,
    HAND
};
struct pending {
    int64_t at_ns; /* world time */
    enum what what;
    int replica, lease;
    int writer;
    uint64_t serial; /* of the call or watch it belongs to */
    enum election_call call;
    uint64_t call_version, call_uid;
    uint64_t main_uid, main_version;
    bool answer_lost;
    enum call_outcome outcome;
    struct record record;
    bool deleted;
};

struct side {
    struct election machine;
    struct record current; /* newest known */
    int64_t wake_ns;       /* world time */
    uint64_t call_serial, watch_serial;
    bool watch_open, watch_wanted;
    int64_t watch_last_ns; /* events stay in order */
    bool forbidden;        /* 403 for writes */
    int calls;
};
struct replica {
    struct side side[LEASES];
    struct standby_pair pair;
    struct standby_orders orders;
    int64_t pair_wake_ns;
    double rate; /* local ns per world ns */
    int64_t paused_until_ns;
    int id;
    bool stopping;
};

struct world {
    uint64_t random;
    int64_t now_ns;
    struct record record[LEASES];
    uint64_t version;
    struct replica r[REPLICAS_MAX];
    int count;
    int direct; /* so many compete for the main Lease directly */
    bool crowd;
    struct pending queue[EVENTS_MAX];
    size_t queue_len;
    bool faults, trace;
    uint64_t seed;
    int64_t deleted_ns[LEASES];
    int64_t calm_since_ns, led_again_ns;
    int terms, proofs, given_up, warm_kept;
    int next_id;
};

static uint64_t roll(struct world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random * UINT64_C(0x2545F4914F6CDD1D) >> 11) % below;
}

static bool chance(struct world *w, uint64_t percent)
{
    return w->faults && roll(w, 100) < percent;
}

static int64_t local_ns(const struct world *w, const struct replica *r)
{
    return 1 + (int64_t)((double)w->now_ns * r->rate);
}

static int64_t world_ns(const struct replica *r, int64_t local_ns)
{
    return local_ns == INT64_MAX ? INT64_MAX : (int64_t)((double)local_ns / r->rate) + 1;
}

static void push(struct world *w, struct pending p)
{
    CHECK(w->queue_len < EVENTS_MAX);
    w->queue[w->queue_len++] = p;
}

static int64_t delay_ns(struct world *w)
{
    if (chance(w, 3))
        return (int64_t)roll(w, 8000) * MS;
    return (int64_t)(1 + roll(w, 20)) * MS;
}

static struct election_lease view(struct world *w, int who, int lease, const struct record *record,
                                  bool authoritative)
{
    struct replica *r = &w->r[who];
    struct side *s = &r->side[lease];
    bool older = (authoritative && record->version < s->machine.call_version);
    if (older || !s->current.exists || record->version > s->current.version)
        s->current = *record;
    bool mine = record->writer == r->id;
    return (struct election_lease){
        .uid = record->uid,
        .version = record->version,
        .transitions = record->transitions,
        .holder = !record->has_holder ? HOLDER_NONE
                  : mine              ? HOLDER_ME
                                      : HOLDER_OTHER,
        .holder_hash = record->has_holder ? (uint64_t)record->writer + 10 : 1,
        .duration_ns = !record->released && !mine && record->own_duration_ns > record->duration_ns
                           ? record->own_duration_ns
                           : record->duration_ns,
        .released = record->released,
        .pristine = record->pristine,
    };
}

static bool gate_is_open(const struct world *w, int who)
{
    return election_may_act(&w->r[who].side[MAIN].machine, local_ns(w, &w->r[who]));
}

static void show(const struct world *w)
{
    for (int i = 0; i < w->count; i++) {
        const struct election *main = &w->r[i].side[MAIN].machine,
                              *standby = &w->r[i].side[STANDBY].machine;
        printf("  replica %d: main %s (mode %d, gate in %" PRId64
               " ms), standby %s (mode %d), role %d%s\n",
               i, election_state_name(main->state), (int)main->mode,
               (main->gate_ns - local_ns(w, &w->r[i])) / MS, election_state_name(standby->state),
               (int)standby->mode, (int)w->r[i].orders.role, w->r[i].orders.alone ? ", alone" : "");
    }
}

static void check_world(struct world *w)
{
    int open = 0;
    for (int i = 0; i < w->count; i++)
        open += gate_is_open(w, i);
    if (open > 1) {
        printf("seed %" PRIu64 ": %d gates are open at %" PRId64 " ms\n", w->seed, open,
               w->now_ns / MS);
        show(w);
    }
    assert_true(open <= 1);
    if (open == 1 && w->calm_since_ns != 0 && w->led_again_ns == 0)
        w->led_again_ns = w->now_ns;
}

/* ---- one machine ---- */

static void send_call(struct world *w, int who, int lease, enum election_call call)
{
    struct replica *r = &w->r[who];
    struct side *s = &r->side[lease];
    const struct election *main = &r->side[MAIN].machine;
    s->call_serial++;
    s->calls++;
    if (lease == STANDBY && call == CALL_CLAIM)
        standby_keep_proof(&r->pair, &s->machine, s->current.main_uid, s->current.main_version);
    bool knows_main = main->seen && main->present;
    struct pending p = {
        .replica = who,
        .lease = lease,
        .writer = r->id,
        .serial = s->call_serial,
        .call = call,
        .call_version = s->machine.present ? s->machine.lease.version : 0,
        .call_uid = s->machine.lease.uid,
        .main_uid = knows_main ? main->lease.uid : 0,
        .main_version = knows_main ? main->lease.version : 0,
    };
    bool never_arrives = chance(w, 4);
    if (!never_arrives) {
        p.what = AT_SERVER;
        p.at_ns = w->now_ns + delay_ns(w);
        p.answer_lost = chance(w, 4);
        push(w, p);
    }
    /* The client's own timeout. */
    p.what = ANSWER;
    p.outcome = CALL_UNKNOWN;
    p.at_ns = w->now_ns + 2 * SECOND;
    push(w, p);
}

static void raw_step(struct world *w, int who, int lease, struct election_event event)
{
    struct replica *r = &w->r[who];
    struct side *s = &r->side[lease];
    struct election_actions out;
    event.random = roll(w, UINT64_MAX);
    struct election before = s->machine;
    election_step(&s->machine, &event, local_ns(w, r), &out);
    if (w->trace) {
        char line[STEP_TRACE_LINE];
        step_trace_line(line, sizeof line, (uint64_t)(2 * who + lease), &before, &event,
                        &s->machine, out.call, local_ns(w, r));
        fputs(line, stdout);
    }
    if (out.cancel)
        s->call_serial++;
    if (out.call != CALL_NONE)
        send_call(w, who, lease, out.call);
    for (size_t i = 0; i < out.report_count; i++)
        w->terms += lease == MAIN && out.reports[i] == REPORT_LED;
    s->wake_ns = world_ns(r, out.wake_ns);
}

/* ---- what couples the two ---- */

static void set_watch(struct world *w, int who, int lease, bool wanted)
{
    struct side *s = &w->r[who].side[lease];
    if (s->watch_wanted == wanted)
        return;
    s->watch_wanted = wanted;
    if (wanted) {
        push(w, (struct pending){.at_ns = w->now_ns + delay_ns(w),
                                 .what = WATCH_OPENS,
                                 .replica = who,
                                 .lease = lease});
    } else if (s->watch_open) {
        s->watch_open = false;
        raw_step(w, who, lease, (struct election_event){.kind = EVENT_WATCH_DOWN});
    }
}

static void settle(struct world *w, int who)
{
    struct replica *r = &w->r[who];
    struct side *main = &r->side[MAIN], *standby = &r->side[STANDBY];
    for (int rounds = 0; !r->stopping; rounds++) {
        struct election_event event;
        bool for_main;
        CHECK(rounds < 30);
        standby_decide(&r->pair, &main->machine, &standby->machine, local_ns(w, r), &r->orders);
        w->proofs += r->orders.prove;
        w->given_up += r->orders.gives_up;
        set_watch(w, who, MAIN, r->orders.watch_main);
        set_watch(w, who, STANDBY, r->orders.watch_standby);
        if (standby_next_event(&r->orders, &main->machine, &standby->machine, &event, &for_main)) {
            raw_step(w, who, for_main ? MAIN : STANDBY, event);
            continue;
        }
        if (r->orders.renew_standby)
            standby->wake_ns = world_ns(r, election_renew_soon(&standby->machine, local_ns(w, r)));
        break;
    }
    r->pair_wake_ns = r->stopping ? INT64_MAX : world_ns(r, r->orders.wake_ns);
}

static void feed(struct world *w, int who, int lease, struct election_event event)
{
    struct replica *r = &w->r[who];
    enum election_call call = r->side[lease].machine.call;
    if (lease == MAIN && event.kind == EVENT_CALL_DONE)
        standby_main_call_done(&r->pair, call, event.outcome, local_ns(w, r));
    raw_step(w, who, lease, event);
    settle(w, who);
}

/* ---- the server ---- */

static void tell_watches(struct world *w, int lease, bool deleted)
{
    for (int i = 0; i < w->count; i++) {
        struct side *s = &w->r[i].side[lease];
        if (!s->watch_open)
            continue;
        int64_t at_ns = w->now_ns + delay_ns(w);
        if (at_ns < s->watch_last_ns)
            at_ns = s->watch_last_ns;
        s->watch_last_ns = at_ns;
        push(w, (struct pending){.at_ns = at_ns,
                                 .what = WATCH_EVENT,
                                 .replica = i,
                                 .lease = lease,
                                 .serial = s->watch_serial,
                                 .record = w->record[lease],
                                 .deleted = deleted});
    }
}

static void stored(struct world *w, int lease)
{
    w->record[lease].version = ++w->version;
    tell_watches(w, lease, false);
}

static enum call_outcome execute(struct world *w, const struct pending *p)
{
    struct record *r = &w->record[p->lease];
    if (chance(w, 4))
        return CALL_REFUSED;
    if (p->call == CALL_GET)
        return r->exists ? CALL_OK : CALL_NOT_FOUND;
    if (w->r[p->replica].side[p->lease].forbidden)
        return CALL_FORBIDDEN;
    if (p->call == CALL_CREATE) {
        if (r->exists)
            return CALL_CONFLICT;
        *r = (struct record){
            .exists = true, .uid = w->version + 1, .has_holder = true, .writer = p->writer};
    } else {
        if (!r->exists || r->version != p->call_version || r->uid != p->call_uid)
            return CALL_CONFLICT;
        bool is_taken_over = p->call == CALL_CLAIM && !(r->has_holder && r->writer == p->writer);
        r->transitions += is_taken_over;
        r->has_holder = p->call != CALL_RELEASE;
        r->writer = p->writer;
    }
    r->released = p->call == CALL_RELEASE;
    r->pristine = false;
    r->duration_ns = p->call == CALL_RELEASE ? SECOND : duration_ns;
    r->own_duration_ns = r->duration_ns;
    r->main_uid = p->main_uid;
    r->main_version = p->main_version;
    stored(w, p->lease);
    return CALL_OK;
}

static void at_server(struct world *w, struct pending *p)
{
    p->outcome = execute(w, p);
    p->record = w->record[p->lease];
    if (p->answer_lost)
        return;
    p->what = ANSWER;
    p->at_ns = w->now_ns + delay_ns(w);
    push(w, *p);
}

static void answer(struct world *w, const struct pending *p)
{
    struct side *s = &w->r[p->replica].side[p->lease];
    if (p->serial != s->call_serial || s->machine.call == CALL_NONE)
        return; /* cancelled, answered, or timed out before */
    s->call_serial++;
    struct election_event event = {.kind = EVENT_CALL_DONE, .outcome = p->outcome};
    if (p->outcome == CALL_OK)
        event.lease = view(w, p->replica, p->lease, &p->record, p->call == CALL_GET);
    else if (p->outcome == CALL_NOT_FOUND)
        s->current.exists = false;
    feed(w, p->replica, p->lease, event);
}

static void watch_opens(struct world *w, int who, int lease)
{
    struct side *s = &w->r[who].side[lease];
    if (s->watch_open || !s->watch_wanted)
        return;
    s->watch_open = true;
    s->watch_serial++;
    struct record snapshot = w->record[lease];
    s->watch_last_ns = w->now_ns;
    uint64_t serial = s->watch_serial;
    feed(w, who, lease, (struct election_event){.kind = EVENT_WATCH_UP});
    if (!s->watch_open || s->watch_serial != serial)
        return;
    if (snapshot.exists) {
        feed(w, who, lease,
             (struct election_event){.kind = EVENT_SEEN,
                                     .lease = view(w, who, lease, &snapshot, false)});
    } else if (s->machine.call == CALL_NONE) {
        s->current.exists = false;
        feed(w, who, lease, (struct election_event){.kind = EVENT_ABSENT});
    }
}

static void watch_event(struct world *w, const struct pending *p)
{
    struct side *s = &w->r[p->replica].side[p->lease];
    if (!s->watch_open || p->serial != s->watch_serial)
        return;
    if (p->deleted && s->current.exists && p->record.version <= s->current.version)
        return;
    struct election_event event = {.kind = p->deleted ? EVENT_DELETED : EVENT_SEEN};
    if (p->deleted) {
        event.lease.version = p->record.version;
        s->current.exists = false;
    } else {
        event.lease = view(w, p->replica, p->lease, &p->record, false);
    }
    feed(w, p->replica, p->lease, event);
}

/* ---- faults ---- */

static void watch_breaks(struct world *w, const struct pending *p)
{
    struct side *s = &w->r[p->replica].side[p->lease];
    if (w->faults && s->watch_open) {
        s->watch_open = false;
        push(w, (struct pending){.at_ns = w->now_ns + (int64_t)roll(w, 20000) * MS,
                                 .what = WATCH_OPENS,
                                 .replica = p->replica,
                                 .lease = p->lease});
        feed(w, p->replica, p->lease, (struct election_event){.kind = EVENT_WATCH_DOWN});
    }
    struct pending again = *p;
    again.at_ns = w->now_ns + (int64_t)(1 + roll(w, 60)) * SECOND;
    push(w, again);
}

static void hand(struct world *w, int lease)
{
    struct record *r = &w->record[lease];
    bool may = w->faults && r->exists;
    for (int i = 0; i < w->count; i++)
        may = may && w->r[i].side[lease].machine.seen;
    /* A Lease that comes and goes again before a late watch or the next read shows it is not noticed: a known limit. */
    bool may_delete = w->now_ns - w->deleted_ns[lease] > 60 * SECOND;
    if (may) {
        switch (may_delete ? roll(w, 3) : 1 + roll(w, 2)) {
        case 0: /* kubectl delete */
            r->version = ++w->version;
            tell_watches(w, lease, true);
            r->exists = false;
            w->deleted_ns[lease] = w->now_ns;
            break;
        case 1: /* holder cleared */
            r->has_holder = false;
            r->released = false;
            stored(w, lease);
            break;
        default: /* duration edited to 1 s */
            r->duration_ns = SECOND;
            stored(w, lease);
        }
    }
    push(w, (struct pending){
                .at_ns = w->now_ns + (int64_t)roll(w, 90) * SECOND, .what = HAND, .lease = lease});
}

/* A new process in the place of this replica; requests of the one before may still arrive. */
static void start(struct world *w, int who)
{
    struct replica *r = &w->r[who];
    for (int lease = 0; lease < LEASES; lease++) {
        struct side *s = &r->side[lease];
        const struct election_config config = {
            .duration_ns = duration_ns,
            .renew_deadline_ns = 10 * SECOND,
            .retry_period_ns = 2 * SECOND,
            .margin_ns = SECOND,
            .stagger_ns = (int64_t)roll(w, 200) * MS,
            .poll_ns = lease == STANDBY && w->crowd ? duration_ns : 0,
            .release = true,
        };
        election_init(&s->machine, &config);
        s->current.exists = false;
        s->call_serial++;
        s->watch_serial++;
        s->watch_open = s->watch_wanted = false;
        s->wake_ns = INT64_MAX;
    }
    standby_init(&r->pair, who < w->direct ? STANDBY_WARM : STANDBY_AUTO, w->crowd);
    r->id = w->next_id++;
    r->paused_until_ns = 0;
    settle(w, who);
}

static int find(const struct world *w, int lease)
{
    for (int i = 0; i < w->count; i++)
        if (w->r[i].side[lease].machine.state == ELECTION_LEADING)
            return i;
    return -1;
}

/* The one that leads, or stands by, or anybody; or both of them at once. */
static void death(struct world *w)
{
    int who[LEASES] = {find(w, MAIN), find(w, STANDBY)};
    uint64_t which = roll(w, 4);
    /* Who starts afresh knows nothing of a Lease that is gone: a known limit. */
    bool may = w->faults && w->record[MAIN].exists;
    for (int lease = 0; may && lease < LEASES; lease++)
        if (who[lease] >= 0 && (which == (uint64_t)lease || which == 2))
            start(w, who[lease]);
    if (may && which == 3)
        start(w, (int)roll(w, (uint64_t)w->count));
    push(w, (struct pending){.at_ns = w->now_ns + (int64_t)(10 + roll(w, 80)) * SECOND,
                             .what = DEATH});
}

static void permission(struct world *w, const struct pending *p)
{
    struct side *s = &w->r[p->replica].side[p->lease];
    s->forbidden = w->faults && !s->forbidden && roll(w, 3) == 0;
    struct pending again = *p;
    again.at_ns = w->now_ns + (int64_t)roll(w, s->forbidden ? 40 : 200) * SECOND;
    push(w, again);
}

static void stop_faults(struct world *w)
{
    w->faults = false;
    w->calm_since_ns = w->now_ns;
    for (int i = 0; i < w->count; i++) {
        w->r[i].paused_until_ns = 0;
        for (int lease = 0; lease < LEASES; lease++) {
            w->r[i].side[lease].forbidden = false;
            watch_opens(w, i, lease);
        }
    }
}

static void happen(struct world *w, struct pending *p)
{
    switch (p->what) {
    case AT_SERVER:
        at_server(w, p);
        break;
    case ANSWER:
        answer(w, p);
        break;
    case WATCH_EVENT:
        watch_event(w, p);
        break;
    case WATCH_BREAKS:
        watch_breaks(w, p);
        break;
    case WATCH_OPENS:
        watch_opens(w, p->replica, p->lease);
        break;
    case STOP_FAULTS:
        stop_faults(w);
        break;
    case COUNT_CALLS:
        for (int i = 0; i < w->count; i++)
            w->r[i].side[MAIN].calls = w->r[i].side[STANDBY].calls = 0;
        break;
    case YIELD:
        if (w->faults)
            feed(w, p->replica, MAIN, (struct election_event){.kind = EVENT_YIELD});
        push(w, (struct pending){.at_ns = w->now_ns + (int64_t)roll(w, 90) * SECOND,
                                 .what = YIELD,
                                 .replica = p->replica});
        break;
    case PERMISSION:
        permission(w, p);
        break;
    case DEATH:
        death(w);
        break;
    case HAND:
        hand(w, p->lease);
        break;
    }
}

/* ---- time ---- */

static bool is_local(enum what what)
{
    return what == ANSWER || what == WATCH_EVENT || what == WATCH_BREAKS || what == WATCH_OPENS ||
           what == YIELD;
}

static int64_t not_before(int64_t at_ns, int64_t paused_until_ns)
{
    return at_ns != INT64_MAX && at_ns < paused_until_ns ? paused_until_ns : at_ns;
}

static void wake(struct world *w, int who, int which)
{
    if (which < LEASES) {
        feed(w, who, which, (struct election_event){.kind = EVENT_TIMER});
    } else {
        w->r[who].pair_wake_ns = INT64_MAX;
        settle(w, who);
    }
}

/* The next thing that happens: the earliest pending event or wake-up; those of a paused replica wait. */
static bool advance(struct world *w)
{
    size_t best = SIZE_MAX;
    int waker = -1, waker_which = 0;
    int64_t best_ns = INT64_MAX;
    for (size_t i = 0; i < w->queue_len; i++) {
        const struct pending *p = &w->queue[i];
        int64_t at_ns =
            is_local(p->what) ? not_before(p->at_ns, w->r[p->replica].paused_until_ns) : p->at_ns;
        if (at_ns < best_ns) {
            best_ns = at_ns;
            best = i;
        }
    }
    for (int i = 0; i < w->count; i++) {
        const struct replica *r = &w->r[i];
        const int64_t wakes[] = {r->side[MAIN].wake_ns, r->side[STANDBY].wake_ns, r->pair_wake_ns};
        for (int which = 0; which < (int)COUNT_OF(wakes); which++) {
            int64_t at_ns = not_before(wakes[which], r->paused_until_ns);
            if (at_ns < best_ns) {
                best_ns = at_ns;
                waker = i;
                waker_which = which;
            }
        }
    }
    if (best_ns == INT64_MAX)
        return false;
    if (best_ns > w->now_ns)
        w->now_ns = best_ns;
    check_world(w);
    int who = waker;
    if (waker >= 0) {
        wake(w, waker, waker_which);
    } else {
        struct pending p = w->queue[best];
        memmove(&w->queue[best], &w->queue[best + 1], (--w->queue_len - best) * sizeof p);
        who = p.what == AT_SERVER || is_local(p.what) ? p.replica : -1;
        happen(w, &p);
    }
    if (who >= 0 && w->now_ns >= w->r[who].paused_until_ns && w->faults && roll(w, 300) == 0)
        w->r[who].paused_until_ns = w->now_ns + (int64_t)roll(w, 40) * SECOND;
    check_world(w);
    return true;
}

/* ---- a world ---- */

static void begin(struct world *w)
{
    w->count = 2 + (int)roll(w, REPLICAS_MAX - 1);
    w->crowd = roll(w, 4) == 0;
    w->direct = roll(w, 4) == 0 ? 1 + (int)roll(w, 2) : 0;
    for (int i = 0; i < w->count; i++) {
        w->r[i].rate = 0.985 + 0.03 * (double)roll(w, 1000) / 1000.0;
        start(w, i);
        push(w, (struct pending){
                    .at_ns = (int64_t)roll(w, 120) * SECOND, .what = YIELD, .replica = i});
        for (int lease = 0; lease < LEASES; lease++) {
            push(w, (struct pending){.at_ns = (int64_t)roll(w, 60) * SECOND,
                                     .what = WATCH_BREAKS,
                                     .replica = i,
                                     .lease = lease});
            push(w, (struct pending){.at_ns = (int64_t)roll(w, 200) * SECOND,
                                     .what = PERMISSION,
                                     .replica = i,
                                     .lease = lease});
        }
    }
    for (int lease = 0; lease < LEASES; lease++)
        push(w, (struct pending){.at_ns = 30 * SECOND, .what = HAND, .lease = lease});
    push(w, (struct pending){.at_ns = 40 * SECOND, .what = DEATH});
}

static void check_end(struct world *w)
{
    int leading = 0, standing_by = 0, both = 0, busy = 0;
    for (int i = 0; i < w->count; i++) {
        const struct replica *r = &w->r[i];
        bool held = r->side[STANDBY].machine.state == ELECTION_LEADING;
        bool leads = gate_is_open(w, i);
        leading += leads;
        standing_by += held;
        both += held && leads;
        bool outside = !leads && !held && i >= w->direct;
        busy += outside && (r->side[MAIN].calls > 0 || (!w->crowd && r->side[STANDBY].calls > 0));
        bool alone = r->orders.alone && !leads; /* who leads does not try whether it may now */
        if (alone) {
            printf("seed %" PRIu64 ": replica %d is alone\n", w->seed, i);
            show(w);
        }
        assert_false(alone);
        assert_int_equal(r->orders.role, leads                   ? ROLE_LEADING
                                         : held || i < w->direct ? ROLE_WARM
                                                                 : ROLE_COLD);
    }
    /* Who competes directly may lead while no other is there to stand by. */
    int others = w->count - w->direct - (leading == 1 && find(w, MAIN) >= w->direct);
    if (leading != 1 || standing_by != (others > 0) || both != 0 || busy != 0) {
        printf("seed %" PRIu64
               ": %d lead, %d stand by (%d others), %d do both, %d ask without need\n",
               w->seed, leading, standing_by, others, both, busy);
        show(w);
    }
    assert_int_equal(leading, 1);
    assert_int_equal(standing_by, others > 0);
    assert_int_equal(both, 0);
    assert_int_equal(busy, 0);
}

struct totals {
    int proofs, given_up, terms;
    int64_t longest_ns; /* without a leader after the faults */
};

static void run_world(uint64_t seed, bool trace, struct totals *totals)
{
    static const int64_t fault_time_ns = 900 * SECOND, calm_time_ns = 120 * SECOND;
    struct world *w = mem_zalloc(sizeof *w);
    *w = (struct world){
        .random = seed * 2 + 1, .seed = seed, .trace = trace, .faults = true, .version = 100};
    for (int i = 0; i < 10; i++)
        roll(w, 2);
    begin(w);
    push(w, (struct pending){.at_ns = fault_time_ns, .what = STOP_FAULTS});
    push(w, (struct pending){.at_ns = fault_time_ns + 90 * SECOND, .what = COUNT_CALLS});
    while (w->now_ns < fault_time_ns + calm_time_ns && advance(w))
        ;
    check_end(w);
    int64_t leaderless_ns = w->led_again_ns - w->calm_since_ns;
    /* Both Leases run out one after the other, at most; calls that were under way when the faults ended may still time out, and a
     * refusal is repeated after 5 s. */
    if (leaderless_ns > 2 * duration_ns + 10 * SECOND)
        printf("seed %" PRIu64 ": nobody leads for %" PRId64 " ms after the faults\n", seed,
               leaderless_ns / MS);
    assert_true(leaderless_ns <= 2 * duration_ns + 10 * SECOND);
    if (leaderless_ns > totals->longest_ns)
        totals->longest_ns = leaderless_ns;
    totals->proofs += w->proofs;
    totals->given_up += w->given_up;
    totals->terms += w->terms;
    /* And all is given back when they are told to stop. */
    for (int i = 0; i < w->count; i++) {
        w->r[i].stopping = true;
        for (int lease = 0; lease < LEASES; lease++)
            feed(w, i, lease, (struct election_event){.kind = EVENT_STOP});
    }
    for (int64_t end_ns = w->now_ns + 5 * SECOND; w->now_ns < end_ns && advance(w);)
        ;
    for (int i = 0; i < w->count; i++)
        for (int lease = 0; lease < LEASES; lease++)
            assert_int_equal(w->r[i].side[lease].machine.state, ELECTION_STOPPED);
    assert_true(w->record[MAIN].released);
    mem_free(w);
}

static void test_random_worlds(void **state)
{
    uint64_t first = *(uint64_t *)*state;
    const char *wanted = getenv("WORLDS");              /* more of them than the default */
    bool trace = first != 0 || getenv("TRACE") != NULL; /* for check_trace.py */
    uint64_t count = 1;
    if (first == 0) {
        count = WORLD_COUNT;
        assert_true(wanted == NULL || str_to_u64(str_from(wanted), &count));
        first = 1;
    }
    struct totals totals = {.proofs = 0};
    printf("seeds %" PRIu64 " to %" PRIu64 "\n", first, first + count - 1);
    for (uint64_t seed = first; seed < first + count; seed++)
        run_world(seed, trace, &totals);
    printf("%d terms, %d proofs, %d standbys gave up; at most %" PRId64
           " ms without a leader after the faults\n",
           totals.terms, totals.proofs, totals.given_up, totals.longest_ns / MS);
    assert_true(count < 100 || (totals.proofs > 0 && totals.given_up > 0));
}

int main(int argc, char **argv)
{
    uint64_t seed = 0;
    if (argc > 1 && !str_to_u64(str_from(argv[1]), &seed))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_random_worlds, &seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
