/*
 * Several election machines in a random world: one API server record, requests and answers that are late, lost or refused,
 * watches that lag and break, candidates that pause, clocks of different rates, Leases that are deleted or cleared by hand,
 * candidates that yield, hold, rest and campaign again, and some that die and are proven dead to the others.
 * Checked after every event: at most one gate is open. Checked at the end, when the faults have stopped: somebody leads.
 * Virtual time; every world has a printed seed, and `test_election_world SEED` replays one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"
#include "election/election.h"
#include "tests/model/step_trace.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

enum { CANDIDATES_MAX = 5, EVENTS_MAX = 512, WORLD_COUNT = 3000 };

struct record {
    bool exists;
    uint64_t uid, version;
    int writer; /* id of the process, -1: nobody */
    uint32_t transitions;
    bool has_holder, released, pristine;
    int64_t duration_ns;
    int64_t
        own_duration_ns; /* what the holder itself wrote, kept in an annotation that hands leave alone */
};

enum what {
    AT_SERVER,
    ANSWER,
    WATCH_EVENT,
    WAKE,
    STOP_FAULTS,
    WATCH_BREAKS,
    WATCH_OPENS,
    PAUSE_ENDS,
    STEER, /* yield, or another mode */
    DEATH,
    PROOF,
    HAND
};
struct pending {
    int64_t at_ns; /* world time */
    enum what what;
    int candidate;
    int writer;      /* the process that the candidate was */
    uint64_t serial; /* of the call or watch it belongs to */
    enum election_call call;
    uint64_t call_version, call_uid;
    bool answer_lost;
    enum call_outcome outcome;
    struct record record;
    bool deleted;
};

struct candidate {
    struct election machine;
    double rate; /* local ns per world ns */
    int64_t paused_until_ns;
    int64_t wake_ns; /* world time */
    uint64_t call_serial, watch_serial;
    bool watch_open;
    int id;                /* of this process; its successor has another */
    int64_t watch_last_ns; /* events stay in order */
    bool stopped;
};

struct world {
    uint64_t random;
    int64_t now_ns;
    struct record record;
    uint64_t version;
    struct candidate c[CANDIDATES_MAX];
    int count;
    struct pending queue[EVENTS_MAX];
    size_t queue_len;
    bool faults, trace;
    uint64_t seed;
    int64_t deleted_ns;
    int terms, yields, claims_by_proof;
    int next_id;
};

static const int64_t duration_ns = 15 * SECOND;

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

static int64_t local_ns(const struct world *w, const struct candidate *c)
{
    return 1 + (int64_t)((double)w->now_ns * c->rate);
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

static struct election_lease view(const struct record *r, int who)
{
    return (struct election_lease){
        .uid = r->uid,
        .version = r->version,
        .transitions = r->transitions,
        .holder = !r->has_holder     ? HOLDER_NONE
                  : r->writer == who ? HOLDER_ME
                                     : HOLDER_OTHER,
        .holder_hash = r->has_holder ? (uint64_t)r->writer + 10 : 1,
        .duration_ns = !r->released && r->writer != who && r->own_duration_ns > r->duration_ns
                           ? r->own_duration_ns
                           : r->duration_ns,
        .released = r->released,
        .pristine = r->pristine,
    };
}

static void check_world(struct world *w)
{
    int open = 0;
    for (int i = 0; i < w->count; i++)
        open += election_may_act(&w->c[i].machine, local_ns(w, &w->c[i]));
    if (open > 1) {
        printf("seed %" PRIu64 ": %d gates are open at %" PRId64 " ms\n", w->seed, open,
               w->now_ns / MS);
        for (int i = 0; i < w->count; i++)
            printf("  candidate %d: %s, gate in %" PRId64 " ms\n", i,
                   election_state_name(w->c[i].machine.state),
                   (w->c[i].machine.gate_ns - local_ns(w, &w->c[i])) / MS);
    }
    assert_true(open <= 1);
}

static void feed(struct world *w, int who, struct election_event event)
{
    struct candidate *c = &w->c[who];
    struct election_actions out;
    event.random = roll(w, UINT64_MAX);
    struct election before = c->machine;
    election_step(&c->machine, &event, local_ns(w, c), &out);
    if (w->trace) {
        char line[STEP_TRACE_LINE];
        step_trace_line(line, sizeof line, (uint64_t)who, &before, &event, &c->machine, out.call,
                        local_ns(w, c));
        fputs(line, stdout);
    }
    if (out.cancel)
        c->call_serial++;
    if (out.call != CALL_NONE) {
        c->call_serial++;
        bool never_arrives = chance(w, 4);
        w->claims_by_proof += out.call == CALL_CLAIM && c->machine.gone_ns != 0;
        struct pending p = {.candidate = who,
                            .writer = c->id,
                            .serial = c->call_serial,
                            .call = out.call,
                            .call_version = c->machine.present ? c->machine.lease.version : 0,
                            .call_uid = c->machine.lease.uid};
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
    for (size_t i = 0; i < out.report_count; i++)
        w->terms += out.reports[i] == REPORT_LED;
    c->wake_ns =
        out.wake_ns == INT64_MAX ? INT64_MAX : (int64_t)((double)out.wake_ns / c->rate) + 1;
}

static void tell_watches(struct world *w, bool deleted)
{
    for (int i = 0; i < w->count; i++) {
        struct candidate *c = &w->c[i];
        if (!c->watch_open)
            continue;
        int64_t at_ns = w->now_ns + delay_ns(w);
        if (at_ns < c->watch_last_ns)
            at_ns = c->watch_last_ns;
        c->watch_last_ns = at_ns;
        push(w, (struct pending){.at_ns = at_ns,
                                 .what = WATCH_EVENT,
                                 .candidate = i,
                                 .serial = c->watch_serial,
                                 .record = w->record,
                                 .deleted = deleted});
    }
}

static void stored(struct world *w)
{
    w->record.version = ++w->version;
    tell_watches(w, false);
}

static enum call_outcome execute(struct world *w, const struct pending *p)
{
    struct record *r = &w->record;
    if (chance(w, 4))
        return CALL_REFUSED;
    if (p->call == CALL_GET)
        return r->exists ? CALL_OK : CALL_NOT_FOUND;
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
    stored(w);
    return CALL_OK;
}

static void at_server(struct world *w, struct pending *p)
{
    p->outcome = execute(w, p);
    p->record = w->record;
    if (p->answer_lost)
        return;
    p->what = ANSWER;
    p->at_ns = w->now_ns + delay_ns(w);
    push(w, *p);
}

static void answer(struct world *w, const struct pending *p)
{
    struct candidate *c = &w->c[p->candidate];
    if (p->serial != c->call_serial || c->machine.call == CALL_NONE)
        return; /* cancelled, answered, or timed out before */
    c->call_serial++;
    feed(w, p->candidate,
         (struct election_event){
             .kind = EVENT_CALL_DONE, .outcome = p->outcome, .lease = view(&p->record, c->id)});
}

static void watch_opens(struct world *w, int who)
{
    struct candidate *c = &w->c[who];
    if (c->watch_open || c->machine.mode == MODE_REST)
        return;
    c->watch_open = true;
    c->watch_serial++;
    struct record snapshot = w->record;
    c->watch_last_ns = w->now_ns;
    feed(w, who, (struct election_event){.kind = EVENT_WATCH_UP});
    if (snapshot.exists)
        feed(w, who, (struct election_event){.kind = EVENT_SEEN, .lease = view(&snapshot, c->id)});
    else if (c->machine.call == CALL_NONE)
        feed(w, who, (struct election_event){.kind = EVENT_ABSENT});
}

static void hand(struct world *w)
{
    struct record *r = &w->record;
    bool may = w->faults && r->exists;
    for (int i = 0; i < w->count; i++)
        may = may && w->c[i].machine.seen;
    /* A Lease that comes and goes again before a late watch or the next read shows it is not noticed: a known limit. */
    bool may_delete = w->now_ns - w->deleted_ns > 60 * SECOND;
    if (may) {
        switch (may_delete ? roll(w, 3) : 1 + roll(w, 2)) {
        case 0: /* kubectl delete */
            r->version = ++w->version;
            tell_watches(w, true);
            r->exists = false;
            w->deleted_ns = w->now_ns;
            break;
        case 1: /* holder cleared */
            r->has_holder = false;
            r->released = false;
            stored(w);
            break;
        default: /* duration edited to 1 s */
            r->duration_ns = SECOND;
            stored(w);
        }
    }
    push(w, (struct pending){.at_ns = w->now_ns + (int64_t)roll(w, 60) * SECOND, .what = HAND});
}

static void open_watch_later(struct world *w, int who)
{
    push(w, (struct pending){.at_ns = w->now_ns + (int64_t)roll(w, 100) * MS,
                             .what = WATCH_OPENS,
                             .candidate = who});
}

static void change_mode(struct world *w, int who, enum election_event_kind kind)
{
    struct candidate *c = &w->c[who];
    feed(w, who, (struct election_event){.kind = kind});
    if (kind == EVENT_REST && c->watch_open) {
        c->watch_open = false;
        feed(w, who, (struct election_event){.kind = EVENT_WATCH_DOWN});
    }
    if (kind != EVENT_REST && !c->watch_open)
        open_watch_later(w, who);
}

/* At any moment, as the one that steers would never do: the machine must be safe all the same. */
static void steer(struct world *w, int who)
{
    static const enum election_event_kind kinds[] = {EVENT_YIELD, EVENT_CAMPAIGN, EVENT_CAMPAIGN,
                                                     EVENT_HOLD, EVENT_REST};
    enum election_event_kind kind = kinds[roll(w, COUNT_OF(kinds))];
    if (w->faults && kind == EVENT_YIELD) {
        w->yields += w->c[who].machine.state == ELECTION_LEADING;
        feed(w, who, (struct election_event){.kind = kind});
    } else if (w->faults) {
        change_mode(w, who, kind);
    }
    push(w, (struct pending){.at_ns = w->now_ns + (int64_t)(5 + roll(w, 60)) * SECOND,
                             .what = STEER,
                             .candidate = who});
}

/* A new process in the place of this candidate; requests of the one before may still arrive. */
static void start(struct world *w, int who)
{
    const struct election_config config = {
        .duration_ns = duration_ns,
        .renew_deadline_ns = 10 * SECOND,
        .retry_period_ns = 2 * SECOND,
        .margin_ns = SECOND,
        .stagger_ns = (int64_t)roll(w, 200) * MS,
        .poll_ns = roll(w, 3) == 0 ? duration_ns : 0,
        .release = true,
    };
    struct candidate *c = &w->c[who];
    election_init(&c->machine, &config);
    c->id = w->next_id++;
    c->call_serial++;
    c->watch_serial++;
    c->watch_open = false;
    c->wake_ns = INT64_MAX;
    c->paused_until_ns = 0;
    feed(w, who, (struct election_event){.kind = EVENT_START});
    open_watch_later(w, who);
}

/* Somebody dies, mostly the one that leads, and is replaced; the others hear of it for certain, each in its time. */
static void death(struct world *w)
{
    int who = (int)roll(w, (uint64_t)w->count);
    for (int i = 0; i < w->count; i++)
        who = w->c[i].machine.state == ELECTION_LEADING && roll(w, 3) > 0 ? i : who;
    /* Who starts afresh knows nothing of a Lease that is gone: a known limit. */
    if (w->faults && w->record.exists) {
        int id = w->c[who].id;
        start(w, who);
        for (int i = 0; i < w->count; i++)
            push(w, (struct pending){.at_ns = w->now_ns + (int64_t)roll(w, 5000) * MS,
                                     .what = PROOF,
                                     .candidate = i,
                                     .writer = id});
    }
    push(w, (struct pending){.at_ns = w->now_ns + (int64_t)(20 + roll(w, 60)) * SECOND,
                             .what = DEATH});
}

/* As far as this candidate knows, the dead one holds the Lease: for that very version it is proven to be gone. */
static void proof(struct world *w, int who, int dead_id)
{
    const struct election *m = &w->c[who].machine;
    bool holds = m->seen && m->present && m->lease.holder == HOLDER_OTHER &&
                 m->lease.holder_hash == (uint64_t)dead_id + 10;
    if (holds)
        feed(w, who,
             (struct election_event){.kind = EVENT_PROVEN,
                                     .lease = {.uid = m->lease.uid, .version = m->lease.version},
                                     .gone_ns = local_ns(w, &w->c[who])});
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
        if (w->c[p->candidate].watch_open && p->serial == w->c[p->candidate].watch_serial)
            feed(w, p->candidate,
                 (struct election_event){.kind = p->deleted ? EVENT_DELETED : EVENT_SEEN,
                                         .lease = view(&p->record, w->c[p->candidate].id)});
        break;
    case STEER:
        steer(w, p->candidate);
        break;
    case DEATH:
        death(w);
        break;
    case PROOF:
        proof(w, p->candidate, p->writer);
        break;
    case WATCH_BREAKS:
        if (w->faults && w->c[p->candidate].watch_open) {
            w->c[p->candidate].watch_open = false;
            feed(w, p->candidate, (struct election_event){.kind = EVENT_WATCH_DOWN});
            push(w, (struct pending){.at_ns = w->now_ns + (int64_t)roll(w, 20000) * MS,
                                     .what = WATCH_OPENS,
                                     .candidate = p->candidate});
        }
        push(w, (struct pending){.at_ns = w->now_ns + (int64_t)(1 + roll(w, 60)) * SECOND,
                                 .what = WATCH_BREAKS,
                                 .candidate = p->candidate});
        break;
    case WATCH_OPENS:
        watch_opens(w, p->candidate);
        break;
    case STOP_FAULTS:
        w->faults = false;
        for (int i = 0; i < w->count; i++)
            change_mode(w, i, EVENT_CAMPAIGN);
        break;
    case HAND:
        hand(w);
        break;
    case WAKE:
    case PAUSE_ENDS:
        break;
    }
}

/* The next thing that happens: the earliest pending event or wake-up; those of a paused candidate wait. */
static bool advance(struct world *w)
{
    size_t best = SIZE_MAX;
    int waker = -1;
    int64_t best_ns = INT64_MAX;
    for (size_t i = 0; i < w->queue_len; i++) {
        const struct pending *p = &w->queue[i];
        int64_t at_ns = p->at_ns;
        bool local = p->what == ANSWER || p->what == WATCH_EVENT || p->what == WATCH_BREAKS ||
                     p->what == WATCH_OPENS || p->what == STEER || p->what == PROOF;
        if (local && at_ns < w->c[p->candidate].paused_until_ns)
            at_ns = w->c[p->candidate].paused_until_ns;
        if (at_ns < best_ns) {
            best_ns = at_ns;
            best = i;
        }
    }
    for (int i = 0; i < w->count; i++) {
        int64_t at_ns = w->c[i].wake_ns;
        if (at_ns != INT64_MAX && at_ns < w->c[i].paused_until_ns)
            at_ns = w->c[i].paused_until_ns;
        if (at_ns < best_ns) {
            best_ns = at_ns;
            waker = i;
        }
    }
    if (best_ns == INT64_MAX)
        return false;
    if (best_ns > w->now_ns)
        w->now_ns = best_ns;
    check_world(w);
    int who = waker;
    if (waker >= 0) {
        feed(w, waker, (struct election_event){.kind = EVENT_TIMER});
    } else {
        struct pending p = w->queue[best];
        memmove(&w->queue[best], &w->queue[best + 1], (--w->queue_len - best) * sizeof p);
        who = p.what == HAND || p.what == STOP_FAULTS || p.what == DEATH ? -1 : p.candidate;
        happen(w, &p);
    }
    if (who >= 0 && w->now_ns >= w->c[who].paused_until_ns && w->faults && roll(w, 300) == 0)
        w->c[who].paused_until_ns = w->now_ns + (int64_t)roll(w, 40) * SECOND;
    check_world(w);
    return true;
}

struct totals {
    int yields, claims_by_proof;
};

static void run_world(uint64_t seed, bool trace, struct totals *totals)
{
    static const int64_t fault_time_ns = 600 * SECOND, calm_time_ns = 120 * SECOND;
    struct world *w = mem_zalloc(sizeof *w);
    *w = (struct world){
        .random = seed * 2 + 1, .seed = seed, .trace = trace, .faults = true, .version = 100};
    for (int i = 0; i < 10; i++)
        roll(w, 2);
    w->count = 2 + (int)roll(w, CANDIDATES_MAX - 1);
    for (int i = 0; i < w->count; i++) {
        w->c[i].rate = 0.985 + 0.03 * (double)roll(w, 1000) / 1000.0;
        start(w, i);
        push(w, (struct pending){
                    .at_ns = (int64_t)roll(w, 90) * SECOND, .what = STEER, .candidate = i});
        push(w, (struct pending){
                    .at_ns = (int64_t)roll(w, 60) * SECOND, .what = WATCH_BREAKS, .candidate = i});
    }
    push(w, (struct pending){.at_ns = 30 * SECOND, .what = HAND});
    push(w, (struct pending){.at_ns = 40 * SECOND, .what = DEATH});
    push(w, (struct pending){.at_ns = fault_time_ns, .what = STOP_FAULTS});
    while (w->now_ns < fault_time_ns + calm_time_ns && advance(w))
        ;
    int leading = 0;
    for (int i = 0; i < w->count; i++)
        leading += election_may_act(&w->c[i].machine, local_ns(w, &w->c[i]));
    if (leading != 1) {
        printf("seed %" PRIu64 ": nobody leads after the faults have stopped\n", seed);
        for (int i = 0; i < w->count; i++)
            printf("  candidate %d: %s\n", i, election_state_name(w->c[i].machine.state));
    }
    assert_int_equal(leading, 1);
    assert_true(w->terms >= 1);
    /* And it gives the Lease back when it is told to. */
    for (int i = 0; i < w->count; i++)
        feed(w, i, (struct election_event){.kind = EVENT_STOP});
    for (int64_t end_ns = w->now_ns + 5 * SECOND; w->now_ns < end_ns && advance(w);)
        ;
    for (int i = 0; i < w->count; i++)
        assert_int_equal(w->c[i].machine.state, ELECTION_STOPPED);
    assert_true(w->record.released);
    totals->yields += w->yields;
    totals->claims_by_proof += w->claims_by_proof;
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
    struct totals totals = {.yields = 0};
    printf("seeds %" PRIu64 " to %" PRIu64 "\n", first, first + count - 1);
    for (uint64_t seed = first; seed < first + count; seed++)
        run_world(seed, trace, &totals);
    printf("%d yields of a leader, %d claims by proof\n", totals.yields, totals.claims_by_proof);
    assert_true(count < 100 || (totals.yields > 0 && totals.claims_by_proof > 0));
}

int main(int argc, char **argv)
{
    uint64_t seed = 0;
    if (argc > 1 && !str_to_u64(str_from(argv[1]), &seed))
        return 2;
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_random_worlds, &seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
