/*
 * What must hold in every run.
 *
 *  after each turn of a process    at most one gate is open; tokens only grow
 *  at each hand-over               the gate of who hands over is open; ticks grow, also over changes of leader
 *  at each arrival                 no tick comes from two processes
 *  all the time                    somebody leads, unless an excuse says why not; a foreign holder closes the gate; a SIGTERM lets go
 *  at the end                      exactly one leads; no tick is missing that nothing excuses
 *
 * An excuse is a time in which something happened of which it is said in advance that ticks may get lost. Planned changes, mild
 * faults and their consequences are none.
 */
#include "script.h"

#include <stdio.h>

#include "base/limits.h"
#include "election/elector_internal.h"

struct tick_record {
    int64_t tick_ns;
    uint64_t process; /* whose arrived first; 0: none yet */
};
/* What was seen of one receiver. */
struct series {
    struct tick_record *ticks; /* by time */
    size_t tick_count, tick_cap;
    int64_t newest_ns; /* tick of all that were handed over */
    uint64_t newest_process;
    int64_t handed_at_ns; /* world time of that: later than now if the handler is held up */
    int64_t settled_ns;   /* newest tick before it */
    bool repeats;         /* a Lease had to expire, and no tick of the time after has come yet */
    int64_t *again;       /* those that may rightly come from two processes */
    size_t again_count, again_cap;
};
struct check {
    struct excuse *excuses;
    size_t excuse_count, excuse_cap;
    struct excuse foreign[64];
    size_t foreign_count;
    struct series series[RECEIVER_COUNT];
    int64_t ticked_ns; /* when some tick of `dummy` was handed over, or a term began */
    char token_uid[64];
    int64_t token;
    uint64_t token_process, term_count;
    int64_t last_open_ns; /* when some gate was open */
    struct event every;
};

static struct check *check_of(const struct world *w)
{
    return w->check;
}

/* -- excuses -- */

void check_excuse(struct world *w, enum excused what, int64_t from_ns, int64_t to_ns,
                  const char *why)
{
    struct check *c = check_of(w);
    if (c->excuse_count == c->excuse_cap) {
        c->excuse_cap = c->excuse_cap == 0 ? 64 : c->excuse_cap * 2;
        c->excuses = mem_realloc(c->excuses, c->excuse_cap * sizeof *c->excuses);
    }
    c->excuses[c->excuse_count++] = (struct excuse){from_ns, to_ns, what, why};
    world_trace(w, "excused until %.3f: %s", (double)to_ns / 1e9, why);
}

bool check_is_excused(const struct world *w, enum excused what, int64_t from_ns, int64_t to_ns)
{
    const struct check *c = check_of(w);
    for (size_t i = c->excuse_count; i-- > 0;)
        if ((c->excuses[i].what & what) == what && from_ns <= c->excuses[i].to_ns &&
            to_ns >= c->excuses[i].from_ns)
            return true;
    return false;
}

/* The end of what excuses something between `since_ns` and now, or `since_ns`: patience begins anew then. */
static int64_t excused_until_ns(const struct world *w, enum excused what, int64_t since_ns)
{
    const struct check *c = check_of(w);
    int64_t until_ns = since_ns;
    for (size_t i = 0; i < c->excuse_count; i++)
        if ((c->excuses[i].what & what) == what && c->excuses[i].from_ns <= w->now_ns &&
            c->excuses[i].to_ns > until_ns)
            until_ns = c->excuses[i].to_ns;
    return until_ns;
}

void check_foreign_term(struct world *w, int64_t from_ns, int64_t to_ns)
{
    struct check *c = check_of(w);
    if (c->foreign_count < COUNT_OF(c->foreign))
        c->foreign[c->foreign_count++] =
            (struct excuse){from_ns, to_ns, EXCUSED_ALL, "another program leads"};
}

/* -- gates and tokens -- */

/* A term ends by a release, or for a reason that the script knows. */
static void check_loss(struct world *w, struct replica *r, const struct elector *e)
{
    if (e->terms_lost == r->lost_seen)
        return;
    r->lost_seen = e->terms_lost;
    world_trace(w, "p%" PRIu64 " has lost its term", r->process);
    bool may_not_know = w->settings->keeps && w->leases_denied_until_ns > w->now_ns;
    if (!may_not_know && !check_is_excused(w, EXCUSED_ALL, w->now_ns - 5 * SECOND, w->now_ns))
        world_fail(w, "p%" PRIu64 " has lost its term for no reason", r->process);
}

static void check_token(struct world *w, struct replica *r, const struct elector *e)
{
    struct check *c = check_of(w);
    uint64_t term = elector_term(e);
    if (term == r->term_seen)
        return;
    r->term_seen = term;
    c->term_count++;
    int64_t token = e->current.transitions;
    world_trace(w, "p%" PRIu64 " leads, token %" PRId64 ", inherits %d", r->process, token,
                (int)e->inheritance);
    bool same_lease = str_eqz(e->current.uid, c->token_uid);
    bool grows = token > c->token || (token == c->token && c->token_process == r->process);
    if (same_lease && !grows)
        world_fail(w, "p%" PRIu64 " leads with token %" PRId64 ", but p%" PRIu64 " had %" PRId64,
                   r->process, token, c->token_process, c->token);
    snprintf(c->token_uid, sizeof c->token_uid, "%.*s", STR_ARG(e->current.uid));
    c->token = token;
    c->token_process = r->process;
    c->ticked_ns = w->now_ns;
    if (e->inheritance != INHERIT_OWN) /* else it goes on with what it has begun */
        memset(r->repeated, 0, sizeof r->repeated);
}

/* A term that begins within a pause is over before its gate was seen open; if it leads again, it goes on with what it inherited. */
static void check_inheritance(struct world *w, struct replica *r, const struct elector *e)
{
    if (elector_term(e) == r->term_inherited)
        return;
    r->term_inherited = elector_term(e);
    for (size_t i = 0; e->inheritance == INHERIT_EXPIRED && i < RECEIVER_COUNT; i++)
        check_of(w)->series[i].repeats = true; /* also for who comes after this one, if it gets to none */
}

/* With `keep` one of both goes on without an answer, which is for an outage only. */
static bool may_be_kept(const struct world *w, const struct replica *r, const struct replica *other)
{
    bool kept = replica_elector(r)->machine.kept || replica_elector(other)->machine.kept;
    return w->settings->keeps && kept && check_is_excused(w, EXCUSED_KEEPING, w->now_ns, w->now_ns);
}

void check_turn(struct world *w, struct replica *r)
{
    struct check *c = check_of(w);
    const struct elector *e = replica_elector(r);
    if (e == NULL)
        return;
    check_loss(w, r, e);
    check_inheritance(w, r, e);
    if (e->orders.alone)
        r->alone_until_ns = w->now_ns + SECOND;
    if (!elector_may_emit(e))
        return;
    c->last_open_ns = w->now_ns;
    check_token(w, r, e);
    for (int i = 0; i < w->slot_count; i++) {
        struct replica *other = w->replicas[i];
        if (other != NULL && other != r && replica_may_emit(other) && !may_be_kept(w, r, other))
            world_fail(w, "the gates of p%" PRIu64 " and p%" PRIu64 " are open together",
                       r->process, other->process);
    }
}

/* -- ticks -- */

/* A tick that another one has handed over before: of an outage with `keep`, or again after a crash, if that is wanted. */
static bool may_come_again(struct replica *r, enum receiver_index receiver, bool is_new)
{
    const struct world *w = r->world;
    bool outage = check_is_excused(w, EXCUSED_KEEPING, w->now_ns, w->now_ns);
    if (w->settings->wrong_clocks || (w->settings->keeps && outage))
        return true;
    if (!w->settings->repeats || !check_of(r->world)->series[receiver].repeats)
        return false;
    r->repeated[receiver] += is_new;
    return r->repeated[receiver] <= LIMIT_TICKS_CAUGHT_UP;
}

/* Nobody can tell them apart as they arrive. */
static void note_again(struct series *x, int64_t tick_ns)
{
    if (x->again_count > 0 && x->again[x->again_count - 1] == tick_ns)
        return;
    if (x->again_count == x->again_cap) {
        x->again_cap = x->again_cap == 0 ? 64 : x->again_cap * 2;
        x->again = mem_realloc(x->again, x->again_cap * sizeof *x->again);
    }
    x->again[x->again_count++] = tick_ns;
}

static bool came_again(const struct series *x, int64_t tick_ns)
{
    bool found = false;
    for (size_t i = 0; i < x->again_count && !found; i++)
        found = x->again[i] == tick_ns;
    return found;
}

void check_handed_over(struct replica *r, enum receiver_index receiver, int64_t tick_ns)
{
    struct world *w = r->world;
    struct check *c = check_of(w);
    struct series *x = &c->series[receiver];
    int64_t *own_last_ns = &r->last_tick_ns[receiver];
    world_trace(w, "p%" PRIu64 " hands over tick %" PRId64, r->process, tick_ns);
    if (!replica_may_emit(r))
        world_fail(w, "p%" PRIu64 " hands over tick %" PRId64 " with its gate closed", r->process,
                   tick_ns);
    const struct settings_of_seed *s = w->settings;
    bool same_term = r->term_handed[receiver] == r->term_seen, is_new = tick_ns != *own_last_ns;
    bool follows = same_term || !(s->wrong_clocks || s->keeps || s->repeats);
    r->term_handed[receiver] = r->term_seen;
    if (receiver == RECEIVER_DUMMY)
        c->ticked_ns = w->now_ns;
    if (tick_ns < *own_last_ns && follows)
        world_fail(w, "p%" PRIu64 " hands over tick %" PRId64 " after %" PRId64, r->process,
                   tick_ns, *own_last_ns);
    *own_last_ns = tick_ns;
    if (r->pause_in_tick_ns > 0) {
        sim_loop_pause(r->loop, w->now_ns + r->pause_in_tick_ns);
        script_excuse(w, w->now_ns + r->pause_in_tick_ns, "paused in a tick");
        if (is_new &&
            tick_ns <= x->newest_ns) /* of the repeated ones, of which more were to come */
            check_excuse(w, EXCUSED_ALL, w->now_ns - 2 * w->settings->lease_ns, w->now_ns,
                         "paused in a repeated tick");
    }
    r->pause_in_tick_ns = 0;
    bool is_again = tick_ns <= x->newest_ns && x->newest_process != r->process;
    bool is_known =
        came_again(x, tick_ns); /* its first batch came a pause ago, when it was right */
    if (is_again && !is_known && !may_come_again(r, receiver, is_new))
        world_fail(
            w, "p%" PRIu64 " hands over tick %" PRId64 ", but p%" PRIu64 " did so with %" PRId64,
            r->process, tick_ns, x->newest_process, x->newest_ns);
    else if (is_again)
        note_again(x, tick_ns);
    int64_t off_ns = w->settings->offset_ns_max;
    for (size_t i = 0; i < c->foreign_count; i++)
        if (tick_ns > EPOCH_NS + c->foreign[i].from_ns + off_ns &&
            tick_ns < EPOCH_NS + c->foreign[i].to_ns - off_ns)
            world_fail(w,
                       "p%" PRIu64 " hands over tick %" PRId64
                       " of the time in which another program led",
                       r->process, tick_ns);
    if (tick_ns <= x->newest_ns)
        return;
    x->repeats = false;
    if (x->handed_at_ns <= w->now_ns)
        x->settled_ns = x->newest_ns;
    x->handed_at_ns = sim_loop_world_ns(r->loop);
    x->newest_ns = tick_ns;
    x->newest_process = r->process;
}

void check_crashed(struct replica *r)
{
    for (size_t i = 0; i < RECEIVER_COUNT; i++) {
        struct series *x = &check_of(r->world)->series[i];
        if (x->newest_process == r->process && x->handed_at_ns > r->world->now_ns)
            x->newest_ns = x->settled_ns;
    }
}

void check_arrived(struct world *w, enum receiver_index receiver, uint64_t process, int64_t tick_ns)
{
    struct series *x = &check_of(w)->series[receiver];
    size_t at = x->tick_count;
    while (at > 0 && x->ticks[at - 1].tick_ns > tick_ns)
        at--;
    if (at > 0 && x->ticks[at - 1].tick_ns == tick_ns) {
        if (x->ticks[at - 1].process != process && !came_again(x, tick_ns) &&
            !w->settings->wrong_clocks)
            world_fail(w, "tick %" PRId64 " came from p%" PRIu64 " and from p%" PRIu64, tick_ns,
                       x->ticks[at - 1].process, process);
        return;
    }
    if (x->tick_count == x->tick_cap) {
        x->tick_cap = x->tick_cap == 0 ? 512 : x->tick_cap * 2;
        x->ticks = mem_realloc(x->ticks, x->tick_cap * sizeof *x->ticks);
    }
    memmove(&x->ticks[at + 1], &x->ticks[at], (x->tick_count - at) * sizeof *x->ticks);
    x->ticks[at] = (struct tick_record){.tick_ns = tick_ns, .process = process};
    x->tick_count++;
}

/* A time of the wall clocks, which may be off. */
static bool tick_is_excused(const struct world *w, int64_t tick_ns)
{
    int64_t at_ns = tick_ns - EPOCH_NS, off_ns = w->settings->offset_ns_max;
    return check_is_excused(w, EXCUSED_TICKS, at_ns - off_ns, at_ns + off_ns);
}

/* One that nothing excuses, or 0. A series that begins anew has its first tick beside its grid: then what counts is what is missing
 * on both grids. */
static int64_t missing_between(const struct world *w, int64_t before_ns, int64_t after_ns)
{
    int64_t interval_ns = w->settings->interval_ns, ahead_ns = 0, back_ns = 0;
    for (int64_t t = before_ns + interval_ns; t < after_ns && ahead_ns == 0; t += interval_ns)
        ahead_ns = tick_is_excused(w, t) ? 0 : t;
    for (int64_t t = after_ns - interval_ns; t > before_ns && back_ns == 0; t -= interval_ns)
        back_ns = tick_is_excused(w, t) ? 0 : t;
    return back_ns == 0 ? 0 : ahead_ns;
}

static void check_missing(struct world *w, const struct series *c)
{
    int64_t interval_ns = w->settings->interval_ns;
    for (size_t i = 1; i < c->tick_count && !w->failed; i++) {
        int64_t before_ns = c->ticks[i - 1].tick_ns, after_ns = c->ticks[i].tick_ns;
        if (after_ns - before_ns < interval_ns && !tick_is_excused(w, after_ns) &&
            !tick_is_excused(w, before_ns) && i > 1) /* a first tick has a time of its own */
            world_fail(w, "tick %" PRId64 " is out of step: %" PRId64 " ms after the one before",
                       after_ns, (after_ns - before_ns) / MS);
        int64_t missing_ns = i > 1 ? missing_between(w, before_ns, after_ns) : 0;
        if (missing_ns != 0 && !w->failed)
            world_fail(w, "tick %" PRId64 " (at %.3f) is missing", missing_ns,
                       (double)(missing_ns - EPOCH_NS) / 1e9);
    }
    if (w->failed)
        return;
    int64_t last_ns = c->tick_count == 0 ? EPOCH_NS : c->ticks[c->tick_count - 1].tick_ns;
    if (EPOCH_NS + w->end_ns - last_ns > interval_ns + SECOND)
        world_fail(w, "no tick came in the last %" PRId64 " ms",
                   (EPOCH_NS + w->end_ns - last_ns) / MS);
}

/* -- in the course of time -- */

/* However wrong the clocks are: who leads emits. A note of the future may be waited for as long as it says itself, an interval. */
static void check_silence(struct world *w)
{
    const struct check *c = check_of(w);
    int64_t interval_ns = w->settings->interval_ns, since_ns = c->ticked_ns;
    int64_t patience_ns = 3 * interval_ns + interval_ns / 10 + 15 * SECOND;
    if (world_leader(w) == NULL || w->now_ns - since_ns <= patience_ns)
        return;
    since_ns = excused_until_ns(w, EXCUSED_TICKS, since_ns);
    if (w->now_ns - since_ns > patience_ns)
        world_fail(w, "p%" PRIu64 " leads and emits nothing since %.3f", world_leader(w)->process,
                   (double)c->ticked_ns / 1e9);
}

static void on_every(void *arg)
{
    struct world *w = arg;
    struct check *c = check_of(w);
    int64_t patience_ns = 2 * w->settings->lease_ns + 10 * SECOND;
    if (world_leader(w) != NULL)
        c->last_open_ns = w->now_ns;
    if (w->now_ns - excused_until_ns(w, EXCUSED_ALL, c->last_open_ns) > patience_ns)
        world_fail(w, "nobody leads since %.3f", (double)c->last_open_ns / 1e9);
    if (w->settings->wrong_clocks)
        check_silence(w);
    world_at(w, &c->every, w->now_ns + 5 * SECOND);
}

/* Only who holds the standby's Lease claims the Lease itself. What was sent earlier may come later: then nobody can tell. A write of an
 * old version claims nothing: so asks a former leader that may not read. */
static void check_role(struct replica *r, str body)
{
    struct world *w = r->world;
    struct lease_now lease, standby;
    size_t at;
    server_lease(w, "the-lease", &lease);
    server_lease(w, "the-lease-standby", &standby);
    char version[64];
    snprintf(version, sizeof version, "\"resourceVersion\":\"%s\"", lease.version);
    if (lease.exists && !str_find(body, str_from(version), &at))
        return;
    bool is_own = str_find(str_from(lease.holder), str_from(r->pod_uid), &at);
    bool stands_by = str_find(str_from(standby.holder), str_from(r->pod_uid), &at);
    /* Who was denied the standby's Lease, and has not tried since, may take itself for alone while nobody holds it. */
    const struct elector *e = replica_elector(r);
    bool is_alone = e != NULL && (e->orders.alone || w->now_ns < r->alone_until_ns);
    if (!is_own && !stands_by && !is_alone && !r->stopping &&
        !check_is_excused(w, EXCUSED_ALL, w->now_ns - 5 * SECOND, w->now_ns))
        world_fail(w, "p%" PRIu64 " claims the Lease, but the standby is \"%s\"", r->process,
                   standby.holder);
}

void check_lease_write(struct replica *r, str path, str body)
{
    struct world *w = r->world;
    size_t at;
    if (body.len == 0 || !str_find(path, STR("/leases"), &at))
        return;
    /* With neither the server makes a Lease that is not there and refuses to touch one that is. */
    bool has_uid = str_find(body, STR("\"uid\":\""), &at);
    if (str_find(body, STR("\"resourceVersion\":\""), &at) && !has_uid)
        world_fail(w, "an update of a Lease without its uid: %.*s", STR_ARG(body));
    bool is_main = str_find(body, STR("\"name\":\"the-lease\""), &at);
    if (is_main && w->settings->standby == STANDBY_AUTO && w->lease_writer != r->process)
        check_role(r, body);
    if (is_main)
        w->lease_writer = r->process;
}

struct later {
    struct event event;
    struct world *world;
    struct replica *replica;
    uint64_t number, script_count;
    const char *why;
    int64_t since_ns;
    int64_t transitions; /* of the term that is to end */
    bool successor;      /* somebody was ready */
    bool paused;         /* the process, when last looked at */
};

static void on_gate_later(void *arg)
{
    struct later *l = arg;
    struct world *w = l->world;
    bool same_process = w->replicas[l->replica->slot] == l->replica;
    bool was_paused = l->paused;
    l->paused = same_process && sim_loop_paused(l->replica->loop);
    if (l->paused || was_paused) { /* it sees nothing, and has a moment when it goes on */
        world_at(w, &l->event, w->now_ns + SECOND);
        return;
    }
    bool same_term = l->replica->term_seen == l->number; /* it may have led again since */
    if (same_process && same_term && replica_may_emit(l->replica) &&
        script_count(w) == l->script_count)
        world_fail(w, "the gate of p%" PRIu64 " is still open: %s", l->replica->process, l->why);
    mem_free(l);
}

void check_gate_soon_closed(struct world *w, struct replica *r, int64_t within_ns, const char *why)
{
    struct later *l = mem_zalloc(sizeof *l);
    l->world = w;
    l->replica = r;
    l->number = r->term_seen;
    l->script_count = script_count(w);
    l->why = why;
    l->since_ns = w->now_ns;
    event_init(&l->event, on_gate_later, l);
    world_at(w, &l->event, w->now_ns + within_ns);
}

static void on_let_go_later(void *arg)
{
    struct later *l = arg;
    struct world *w = l->world;
    struct lease_now lease;
    server_lease(w, "the-lease", &lease);
    size_t at;
    bool holds =
        lease.exists && str_find(str_from(lease.holder), str_from(l->replica->pod_uid), &at) &&
        (w->replicas[l->replica->slot] == NULL || w->replicas[l->replica->slot] == l->replica);
    if (holds && !check_is_excused(w, EXCUSED_ALL, l->since_ns - SECOND, w->now_ns))
        world_fail(w, "p%" PRIu64 " holds the Lease for %.1f s after SIGTERM", l->replica->process,
                   (double)(w->now_ns - l->since_ns) / 1e9);
    mem_free(l);
}

void check_lets_go(struct replica *r)
{
    struct world *w = r->world;
    struct later *l = mem_zalloc(sizeof *l);
    l->world = w;
    l->replica = r;
    l->since_ns = w->now_ns;
    event_init(&l->event, on_let_go_later, l);
    /* 500 ms for what is in flight, and the release; with a standby Lease first the wait for a standby. */
    int64_t wait_ns = w->settings->standby == STANDBY_AUTO ? 5 * SECOND : 0;
    world_at(w, &l->event, w->now_ns + wait_ns + 1500 * MS);
}

static void on_handed_over_later(void *arg)
{
    struct later *l = arg;
    struct world *w = l->world;
    struct replica *r = l->replica, *leader = world_leader(w);
    bool same_process = w->replicas[r->slot] == r && !r->stopping;
    bool expected = same_process && script_count(w) == l->script_count &&
                    !check_is_excused(w, EXCUSED_ALL, l->since_ns - SECOND, w->now_ns);
    struct lease_now lease;
    server_lease(w, "the-lease", &lease);
    if (expected && leader == r && lease.transitions == l->transitions)
        world_fail(w, "p%" PRIu64 " goes on leading %.1f s after it was asked to hand over",
                   r->process, (double)(w->now_ns - l->since_ns) / 1e9);
    if (expected && l->successor && (leader == NULL || leader == r))
        world_fail(w, "%.1f s after p%" PRIu64 " was asked to hand over %s",
                   (double)(w->now_ns - l->since_ns) / 1e9, r->process,
                   leader == NULL ? "nobody leads" : "it leads again");
    mem_free(l);
}

void check_hands_over(struct replica *r, int64_t heard_ns, bool successor)
{
    struct world *w = r->world;
    struct lease_now lease;
    server_lease(w, "the-lease", &lease);
    struct later *l = mem_zalloc(sizeof *l);
    l->world = w;
    l->replica = r;
    l->since_ns = w->now_ns;
    l->script_count = script_count(w);
    l->transitions = lease.transitions;
    l->successor = successor;
    event_init(&l->event, on_handed_over_later, l);
    /* As a stop; then the next one sees the release and claims. */
    int64_t wait_ns = w->settings->standby == STANDBY_AUTO ? 5 * SECOND : 0;
    world_at(w, &l->event, w->now_ns + heard_ns + wait_ns + 3 * SECOND + 3 * w->settings->lag_ns);
}

/* -- begin and end -- */

void check_new(struct world *w)
{
    w->check = mem_zalloc(sizeof *w->check);
    event_init(&w->check->every, on_every, w);
    world_at(w, &w->check->every, 5 * SECOND);
}

/* Who no longer campaigns after a yield, a loss or a refusal would be missed at the next change only. */
static void check_stands_by(struct world *w)
{
    if (w->settings->standby == STANDBY_AUTO && world_alive(w) >= 2 && !world_successor_is_ready(w))
        world_fail(w, "nobody stands by at the end");
}

void check_end(struct world *w)
{
    int open = 0;
    for (int i = 0; i < w->slot_count; i++)
        open += w->replicas[i] != NULL && replica_may_emit(w->replicas[i]);
    if (open != 1)
        world_fail(w, "%d gates are open at the end", open);
    check_stands_by(w);
    for (size_t i = 0; i < RECEIVER_COUNT; i++)
        if ((i == RECEIVER_DUMMY || w->cluster != NULL) && !w->settings->wrong_clocks)
            check_missing(w, &check_of(w)->series[i]);
}

uint64_t check_tick_count(const struct world *w)
{
    const struct check *c = check_of(w);
    return c->series[RECEIVER_DUMMY].tick_count + c->series[RECEIVER_CLUSTER].tick_count;
}

uint64_t check_term_count(const struct world *w)
{
    return check_of(w)->term_count;
}
