/*
 * Standby: one replica that is ready to lead, elected as the leader is, on a Lease of its own. Each replica runs two election
 * machines; what one may do depends on the other. Everybody campaigns for the standby Lease; its holder alone claims the main one.
 *
 *   state       | standby Lease        | main Lease                     | role    | left when
 *   ------------+----------------------+--------------------------------+---------+-----------------------------------------
 *   outside     | campaigns, watched   | rests: no watch, no requests   | cold    | it holds standby -> first in line
 *   first       | held, renewed        | campaigns, watched             | warm    | it leads -> leading; it cannot claim what
 *               |                      |                                |         | is free -> gives standby up -> replaced
 *   leading     | released, then only  | led                            | leading | somebody else leads, or a yield
 *               | watched              |                                |         | -> replaced; its gate passes -> cut off
 *   cut off     | watched              | still renewed: nobody else was | warm    | a renewal succeeds -> leading; somebody
 *               |                      | seen there                     |         | else is seen -> replaced
 *   replaced    | campaigns, watched   | rests                          | warm    | it holds standby -> first; somebody new
 *               |                      |                                |         | holds it -> outside
 *   alone       | may not write it,    | campaigns, watched             | cold    | it gets the permission, or somebody else
 *               | and nobody holds it  |                                |         | holds it -> outside
 *
 * At the start each replica looks at the main Lease once: a restarted container finds its own name there and takes it back, and
 * a missing permission is known before it is needed.
 *
 * In the modes `cold` and `warm` there is no standby Lease: the main one is campaigned for, always.
 *
 * When leader and standby die together, the standby Lease runs out first. Who takes it over need not wait for the main one as well:
 *   The record S that it replaces names a version V of the main Lease. V was written before S was, and S was first seen here at
 *   `since`, by our clock. If the main Lease is found at V now, nobody has written it since before `since`; so the last renewal of
 *   its holder was sent before `since`, and the holder's gate is closed after `since` + the duration it counts on. That duration is
 *   at least what V says (elector_view takes the longest that the record names), and ours if that is longer. No clock but our own
 *   was read. The claim carries V, so a renewal that comes at the last moment makes the server refuse it.
 *
 * Invariants
 *  - safety is the election machine's alone: whatever is decided here, no two gates are open.
 *  - who leads neither holds nor claims the standby Lease, but for the time that its release takes.
 *  - one that is outside asks nothing but its one watch (in a crowd: one read in a lease duration).
 */
#include "election/standby.h"

/* Claims of a free Lease that fail for so many retry periods: let another replica try. */
enum { TROUBLE_RETRY_PERIODS = 2 };

void standby_init(struct standby_pair *s, enum standby mode, bool crowd)
{
    *s = (struct standby_pair){
        .mode = mode, .crowd = crowd, .looking = true, .proof = {.valid = false}};
}

static bool is_foreign(const struct election *m)
{
    return m->seen && m->present && election_is_foreign(m, &m->lease);
}

bool election_is_held(const struct election *m, int64_t now_ns)
{
    return is_foreign(m) && now_ns < m->promised_ns;
}

/* A kind of call that the situation demands is forbidden. */
static bool is_forbidden(const struct election *m)
{
    unsigned demanded = 1U << CALL_GET;
    if (m->state == ELECTION_LEADING)
        return !m->gate_reported_open && (m->forbidden_calls & 1U << CALL_RENEW) != 0;
    if (m->seen && m->present)
        demanded |= 1U << CALL_CLAIM | 1U << CALL_RENEW;
    else
        demanded |= 1U << CALL_CREATE;
    return (m->forbidden_calls & demanded) != 0;
}

void standby_main_call_done(struct standby_pair *s, enum election_call call,
                            enum call_outcome outcome, int64_t now_ns)
{
    bool claims = call == CALL_CLAIM || call == CALL_CREATE;
    bool fails = outcome == CALL_FORBIDDEN ||
                 (claims && (outcome == CALL_REFUSED || outcome == CALL_UNKNOWN));
    if (fails && s->trouble_ns == 0)
        s->trouble_ns = now_ns;
    else if (claims && !fails)
        s->trouble_ns = 0;
}

void standby_keep_proof(struct standby_pair *s, const struct election *standby, uint64_t uid,
                        uint64_t version)
{
    s->proof = (struct standby_proof){
        .valid = uid != 0, .uid = uid, .version = version, .since_ns = standby->learned_ns};
}

/* What has changed since the last time. */
static void follow_changes(struct standby_pair *s, const struct election *main,
                           const struct election *standby, int64_t now_ns)
{
    bool led = main->state == ELECTION_LEADING;
    bool held = standby->state == ELECTION_LEADING;
    bool lost_lead = s->led && !led;
    bool lost_standby = s->held && !held && !led && !is_foreign(standby);
    if (lost_lead || lost_standby) {
        s->stays_warm = true;
        s->left_ns = now_ns;
        s->held_by_then = election_is_held(standby, now_ns) ? standby->lease.holder_hash : 0;
    }
    if (led || held)
        s->stays_warm = false;
    /* Whoever stood by at that time leads now, most likely, and will let go of it. */
    bool replaced =
        election_is_held(standby, now_ns) && (standby->lease.holder_hash != s->held_by_then ||
                                              now_ns - s->left_ns >= standby->config.duration_ns);
    if (replaced)
        s->stays_warm = false;
    if (!held || led)
        s->trouble_ns = 0;
    /* Another holder: it is not free. */
    if (is_foreign(main) && main->learned_ns > s->trouble_ns && main->promised_ns > now_ns)
        s->trouble_ns = 0;
    if (!held)
        s->giving_up = false;
    s->led = led;
    s->held = held;
    if (standby->seen && standby->present && !standby->lease.pristine &&
        standby->lease.holder != HOLDER_ME)
        s->saw_others = true;
}

static void look_once(struct standby_pair *s, const struct election *main)
{
    if (s->looking && main->looked_ns != 0) {
        s->looking = false;
        s->returning = main->seen && main->present && main->lease.holder == HOLDER_TWIN &&
                       main->config.may_take_back;
    }
    if (s->returning &&
        (main->state == ELECTION_LEADING || main->lease.holder != HOLDER_TWIN || !main->present))
        s->returning = false;
}

/* It cannot claim what is free. If it is the server that is away, nobody can: then the standby Lease is not written either. */
static void decide_trouble(struct standby_pair *s, const struct election *standby, int64_t now_ns,
                           struct standby_orders *out)
{
    if (s->trouble_ns == 0)
        return;
    int64_t until_ns = s->trouble_ns + TROUBLE_RETRY_PERIODS * standby->config.retry_period_ns;
    if (now_ns < until_ns) {
        out->wake_ns = until_ns;
        return;
    }
    if (standby->renewed_ns < until_ns) {
        out->renew_standby = true;
        return;
    }
    out->gives_up = !s->giving_up;
    s->giving_up = true;
}

static void decide_proof(struct standby_pair *s, const struct election *main,
                         struct standby_orders *out)
{
    bool knows = main->mode == MODE_CAMPAIGN && main->state == ELECTION_FOLLOWING && !main->asleep;
    if (!s->proof.valid || !knows || !main->present)
        return;
    s->proof.valid = false; /* it is of use for what is found now, or never */
    if (main->lease.uid != s->proof.uid || main->lease.version != s->proof.version)
        return;
    int64_t duration_ns =
        main->longest_ns > main->config.duration_ns ? main->longest_ns : main->config.duration_ns;
    out->prove = true;
    out->gone_ns = s->proof.since_ns + duration_ns;
}

static void decide_auto(struct standby_pair *s, const struct election *main,
                        const struct election *standby, int64_t now_ns, struct standby_orders *out)
{
    bool leads = s->led && main->gate_reported_open;
    bool writes = main->state == ELECTION_CLAIMING || main->state == ELECTION_RELEASING;
    /* Somebody else who holds it makes it good; one that has run out is read again before it counts as free. */
    int64_t grace_ns = 2 * standby->config.retry_period_ns;
    out->alone = is_forbidden(standby) && !election_is_held(standby, now_ns - grace_ns);
    if (s->held && !s->led)
        decide_trouble(s, standby, now_ns, out);
    bool campaigns = out->alone || s->returning || (s->held && !s->giving_up);
    if (campaigns && !s->led)
        out->main_mode = MODE_CAMPAIGN;
    else if (s->led || writes || s->looking)
        out->main_mode = MODE_HOLD;
    else
        out->main_mode = MODE_REST;
    out->main_existed = s->saw_others;
    out->watch_main = campaigns || s->led || writes;
    if (s->led || main->state == ELECTION_RELEASING || s->returning)
        out->standby_mode = MODE_HOLD;
    else
        out->standby_mode = MODE_CAMPAIGN;
    out->release_standby = leads || s->giving_up;
    out->watch_standby = !s->crowd || s->held || s->led;
    if (s->held)
        decide_proof(s, main, out);
    if (s->stays_warm && election_is_held(standby, now_ns)) {
        int64_t until_ns = s->left_ns + standby->config.duration_ns;
        out->wake_ns = until_ns < out->wake_ns ? until_ns : out->wake_ns;
    }
    out->role = leads                                                 ? ROLE_LEADING
                : !out->alone && (s->held || s->led || s->stays_warm) ? ROLE_WARM
                                                                      : ROLE_COLD;
}

void standby_decide(struct standby_pair *s, const struct election *main,
                    const struct election *standby, int64_t now_ns, struct standby_orders *out)
{
    *out = (struct standby_orders){.wake_ns = INT64_MAX};
    follow_changes(s, main, standby, now_ns);
    look_once(s, main);
    if (s->mode == STANDBY_AUTO) {
        decide_auto(s, main, standby, now_ns, out);
        return;
    }
    out->main_mode = MODE_CAMPAIGN;
    out->watch_main = true;
    out->standby_mode = MODE_REST;
    out->release_standby = true; /* of a time when the mode was another */
    bool leads = s->led && main->gate_reported_open;
    out->role = leads ? ROLE_LEADING : s->mode == STANDBY_WARM ? ROLE_WARM : ROLE_COLD;
}

static enum election_event_kind event_of(enum election_mode mode)
{
    static const enum election_event_kind events[] = {EVENT_CAMPAIGN, EVENT_HOLD, EVENT_REST};
    return events[mode];
}

/* Knows nothing and has nothing under way: it was never asked to look. */
static bool is_idle(const struct election *m)
{
    return m->mode != MODE_REST && m->state == ELECTION_LEARNING && m->call == CALL_NONE &&
           m->act_at_ns == INT64_MAX;
}

bool standby_next_event(const struct standby_orders *orders, const struct election *main,
                        const struct election *standby, struct election_event *event,
                        bool *for_main)
{
    bool can_release = standby->state == ELECTION_LEADING || standby->state == ELECTION_CLAIMING;
    *event = (struct election_event){.existed = orders->main_existed};
    *for_main = true;
    if (orders->prove) {
        event->kind = EVENT_PROVEN;
        event->lease = main->lease;
        event->gone_ns = orders->gone_ns;
    } else if (main->mode != orders->main_mode) {
        event->kind = event_of(orders->main_mode);
    } else if (is_idle(main)) { /* without a watch a read is due at once */
        event->kind = orders->watch_main ? EVENT_START : EVENT_WATCH_DOWN;
    } else {
        *for_main = false;
        event->existed = false;
        if (standby->mode != orders->standby_mode)
            event->kind = event_of(orders->standby_mode);
        else if (orders->release_standby && can_release)
            event->kind = EVENT_YIELD;
        else if (is_idle(standby))
            event->kind = orders->watch_standby ? EVENT_START : EVENT_WATCH_DOWN;
        else
            return false;
    }
    return true;
}
