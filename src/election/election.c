/*
 * The election state machine. See election.h for the states and the gate.
 *
 * Life of a term: FOLLOWING until claim_at_ns (expiry of what was observed) or a release -> CALL_CLAIM with the version last
 * seen -> success: LEADING, gate open until send time + duration - margin -> CALL_RENEW every third of the duration ->
 * a foreign name in a version newer than our last write closes the gate at once; a gate that passes closes by itself.
 *
 * Invariants
 *  - gate_ns never lies beyond send time of a successful write + recorded duration - margin.
 *  - one call at a time; its send time is taken before it leaves.
 *  - a version that is not newer than what is known changes nothing, unless it comes from our own read or write.
 *  - no event ends candidacy but EVENT_STOP; a yield only interrupts it, for one duration at most.
 *  - who rested claims nothing before it has looked again, and a Lease that is missing then was deleted.
 *
 * Compatible with client-go's tools/leaderelection on the same Lease (recorded durations, the form of a release).
 */
#include "election/election.h"

#include "election/election_wait.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

/* After a lost race the watch tells who won; if it does not, we read. */
#define RACE_WAIT_NS (500 * MS)
/* With `keep` the gate is moved on by the retry period, at least so much: longer than a busy machine holds a process up. */
#define KEEP_MIN_NS SECOND
/* RBAC is mended by people. */
#define FORBIDDEN_RETRY_NS (5 * SECOND)
/* How long a stop waits for the renewal under way before it cancels it, and for everything. */
#define STOP_CALL_WAIT_NS (300 * MS)
#define STOP_WAIT_NS (2 * SECOND)

const char *election_state_name(enum election_state s)
{
    static const char *const names[] = {"learning", "following", "claiming",
                                        "leading",  "releasing", "stopped"};
    CHECK((size_t)s < COUNT_OF(names));
    return names[s];
}

void election_init(struct election *m, const struct election_config *config)
{
    CHECK(config->duration_ns > 0 && config->margin_ns >= 0 &&
          config->margin_ns < config->duration_ns);
    *m = (struct election){.config = *config,
                           .state = ELECTION_LEARNING,
                           .claim_at_ns = INT64_MAX,
                           .act_at_ns = INT64_MAX};
}

static void report(struct election_actions *out, enum election_report what)
{
    for (size_t i = 0; i < out->report_count; i++) {
        if (out->reports[i] == what)
            return;
    }
    CHECK(out->report_count < ELECTION_REPORTS_MAX);
    out->reports[out->report_count++] = what;
}

static void act_later(struct election *m, enum election_call call, int64_t at_ns)
{
    m->act_call = call;
    m->act_at_ns = at_ns;
}

static void act_never(struct election *m)
{
    m->act_call = CALL_NONE;
    m->act_at_ns = INT64_MAX;
}

static void start_call(struct election *m, enum election_call call, int64_t now_ns,
                       struct election_actions *out)
{
    CHECK(m->call == CALL_NONE && out->call == CALL_NONE);
    m->call = call;
    m->call_sent_ns = now_ns;
    m->call_version = m->lease.version;
    out->call = call;
    out->fresh_connection = m->fresh_connection;
    m->fresh_connection = false;
    act_never(m);
}

static void close_gate(struct election *m)
{
    m->gate_ns = 0;
    m->gate_reported_open = false;
}

static bool may_claim(const struct election *m, int64_t now_ns)
{
    return m->mode == MODE_CAMPAIGN && !m->asleep && now_ns >= m->hold_back_ns;
}

/* ---- what is known of the Lease ---- */

/* Somebody else has led since the yield: the record says so, or is the release of a term that was never seen here, as our own are. */
static bool shows_another_leader(const struct election *m, const struct election_lease *lease)
{
    bool same_term = lease->uid == m->lease.uid && lease->transitions == m->lease.transitions;
    bool is_later = m->seen && lease->released && !same_term;
    return is_later || election_is_foreign(m, lease);
}

/* Takes a version over as the present knowledge. */
static void learn(struct election *m, const struct election_lease *lease, int64_t now_ns)
{
    /* A duration of 0 is none that the API server accepts; such a record must still run out some time. */
    int64_t duration_ns = lease->duration_ns > 0 ? lease->duration_ns : m->config.duration_ns;
    bool same_term = m->seen && m->lease.holder_hash == lease->holder_hash;
    /* Whoever cleared the name cannot shorten what the holder before was promised, and that holder may have renewed since the
     * version that we saw last: wait from now. */
    bool cleared = m->seen && lease->holder == HOLDER_NONE;
    if (cleared) /* and it may be one that was never seen: then ours is the best guess */
        m->longest_ns = max_i64(m->longest_ns, m->config.duration_ns);
    else
        m->longest_ns = same_term ? max_i64(m->longest_ns, duration_ns) : duration_ns;
    m->promised_ns = max_i64(m->promised_ns, now_ns + m->longest_ns);
    if (lease->released)
        m->promised_ns = now_ns;
    if (shows_another_leader(m, lease))
        m->hold_back_ns = 0;
    m->lease = *lease;
    m->seen = m->present = true;
    m->confirming = false;
    m->learned_ns = now_ns;
    m->gone_ns = 0;
}

static void follow(struct election *m, int64_t now_ns, struct election_actions *out)
{
    m->state = ELECTION_FOLLOWING;
    m->claim_at_ns = wait_claim_ns(m, now_ns);
    act_never(m);
    if (!m->watch_up)
        act_later(m, CALL_GET, now_ns + wait_poll_ns(m));
    if (m->claim_at_ns <= now_ns && may_claim(m, now_ns))
        report(out, REPORT_FREE);
}

/* Sends a claim or creation if its time has come and nothing is under way. */
static void claim_if_due(struct election *m, int64_t now_ns, struct election_actions *out)
{
    if (m->state != ELECTION_FOLLOWING || m->call != CALL_NONE || out->call != CALL_NONE ||
        now_ns < m->claim_at_ns || !may_claim(m, now_ns))
        return;
    if (m->act_at_ns <= now_ns && m->act_call == CALL_GET)
        return; /* a read goes first: we know that our knowledge is old */
    bool in_doubt = m->seen && (!m->present || !wait_looked_lately(m, now_ns));
    if (in_doubt && !m->confirming) {
        /* A creation cannot say which state it is based on, as an update does: look again, so that what happened while this process
         * or its watch was held up is known. An update on old knowledge would only be refused; among many that read seldom, most
         * would try in vain. */
        m->confirming = true;
        start_call(m, CALL_GET, now_ns, out);
        return;
    }
    m->state = ELECTION_CLAIMING;
    start_call(m, m->present ? CALL_CLAIM : CALL_CREATE, now_ns, out);
}

static void lose(struct election *m, enum election_report why, int64_t now_ns,
                 struct election_actions *out)
{
    report(out, m->gate_reported_open ? why : REPORT_FOLLOWING);
    close_gate(m);
    follow(m, now_ns, out);
}

/* The gate after a write sent at `sent_ns`, while the record says `recorded_ns`. */
static int64_t gate_after(const struct election *m, int64_t sent_ns, int64_t recorded_ns)
{
    return sent_ns + min_i64(m->config.duration_ns, recorded_ns) - m->config.margin_ns;
}

/* A newer version while we lead. */
static void leader_sees(struct election *m, const struct election_lease *lease, int64_t now_ns,
                        struct election_actions *out)
{
    learn(m, lease, now_ns);
    if (lease->holder != HOLDER_ME) {
        if (lease->holder == HOLDER_NONE)
            report(out, REPORT_CLEARED);
        lose(m, REPORT_LOST_FOREIGN, now_ns, out);
        return;
    }
    /* Still our name, but another hand shortened it: others go by what stands there, so the gate does too, and we write again. */
    if (lease->duration_ns < m->config.duration_ns) {
        report(out, REPORT_EDITED);
        m->lease_gate_ns =
            min_i64(m->lease_gate_ns, gate_after(m, m->renewed_ns, lease->duration_ns));
        m->gate_ns = min_i64(m->gate_ns, m->lease_gate_ns);
        act_later(m, CALL_RENEW, now_ns);
    }
}

static void observe(struct election *m, const struct election_lease *lease, bool authoritative,
                    int64_t now_ns, struct election_actions *out)
{
    bool newer = !m->seen || lease->version > m->lease.version;
    /* A restored etcd gives its versions once more: this record is not the one that was seen with that version. */
    newer = newer || (m->present && lease->version == m->lease.version &&
                      lease->renew_ns != m->lease.renew_ns);
    /* We thought that it was gone, and it is there. */
    newer = newer || (authoritative && !m->present && lease->version == m->lease.version);
    bool woke = m->asleep;
    if (newer || authoritative || lease->version == m->lease.version) {
        m->asleep = false;
        m->looked_ns = now_ns;
    }
    /* A read that shows less than we knew when we asked: a restored etcd. Less than we know now may just be late. */
    bool back_in_time = authoritative && m->seen && lease->version < m->call_version;
    if (!newer && !back_in_time) {
        if (m->state == ELECTION_FOLLOWING && (authoritative || (woke && !m->asleep)))
            follow(m, now_ns, out);
        return;
    }
    uint64_t holder_before = m->seen ? m->lease.holder_hash : 0;
    if (m->state == ELECTION_LEADING) {
        leader_sees(m, lease, now_ns, out);
        return;
    }
    if (m->seen && lease->holder == HOLDER_NONE && !lease->released && !lease->pristine)
        report(out, REPORT_CLEARED);
    learn(m, lease, now_ns);
    if (election_is_foreign(m, lease) && lease->holder_hash != holder_before)
        report(out, REPORT_FOLLOWING);
    if (m->state == ELECTION_LEARNING || m->state == ELECTION_FOLLOWING)
        follow(m, now_ns, out);
    /* CLAIMING: the answer of our write decides. RELEASING: the same. */
}

/* There is no Lease. */
static void observe_absent(struct election *m, int64_t now_ns, struct election_actions *out)
{
    bool was_present = m->seen && m->present;
    m->present = false;
    bool watched_since = m->watch_up && m->absent_ns >= m->watch_up_ns;
    /* A slow server is no gap: else each answer would begin the wait anew, and nobody would ever create it. */
    bool unsure = m->seen && !watched_since && now_ns - m->absent_ns > wait_longest_gap_ns(m);
    if (was_present)
        report(out, REPORT_GONE);
    if (was_present ||
        unsure) { /* it went away now, or it may have been there meanwhile: wait, as for a cleared name */
        m->longest_ns =
            max_i64(m->longest_ns, m->config.duration_ns); /* the record may be a release */
        m->promised_ns = max_i64(m->promised_ns, now_ns + m->longest_ns);
        m->confirming = false;
    }
    m->absent_ns = m->looked_ns = now_ns;
    m->asleep = false;
    /* Only who may act now can recreate it at once: after our gate passed, somebody else may have led. */
    if (m->state == ELECTION_LEADING && election_may_act(m, now_ns) && now_ns < m->lease_gate_ns)
        act_later(m, CALL_CREATE, now_ns);
    else if (m->state == ELECTION_LEADING)
        lose(m, REPORT_LOST_FOREIGN, now_ns, out);
    else if (m->state == ELECTION_LEARNING || m->state == ELECTION_FOLLOWING)
        follow(m, now_ns, out);
}

/* ---- ends of calls ---- */

static void write_succeeded(struct election *m, const struct election_lease *lease, int64_t now_ns,
                            struct election_actions *out)
{
    bool was_open = m->gate_reported_open;
    bool was_leading = m->state == ELECTION_LEADING;
    int64_t sent_ns = m->call_sent_ns;
    m->deadline_reported = m->blind = false;
    m->unanswered_ns = 0;
    /* The watch may have shown a newer version before this answer came. */
    bool overtaken = m->seen && m->present && m->lease.version > lease->version;
    if (overtaken && m->lease.holder != HOLDER_ME) {
        if (was_leading)
            lose(m, REPORT_LOST_FOREIGN, now_ns, out);
        else
            follow(m, now_ns, out);
        return;
    }
    /* Or that it was deleted after this write: it is not there any more. */
    bool gone = m->seen && !m->present && m->lease.version > lease->version &&
                m->lease.version > m->call_version;
    if (gone) {
        if (was_leading)
            act_later(m, CALL_CREATE, now_ns);
        else
            follow(m, now_ns, out);
        return;
    }
    if (!overtaken)
        learn(m, lease, now_ns);
    m->state = ELECTION_LEADING;
    m->renewed_ns = sent_ns;
    m->gate_ns = m->lease_gate_ns = gate_after(m, sent_ns, m->lease.duration_ns);
    m->kept = false;
    act_later(m, CALL_RENEW, sent_ns + election_renew_interval_ns(&m->config));
    if (now_ns >= m->gate_ns) { /* the answer came too late to be of use; renew at once */
        act_later(m, CALL_RENEW, now_ns);
        return;
    }
    if (!was_leading)
        report(out, REPORT_LED);
    else if (!was_open)
        report(out, REPORT_GATE_REOPENED);
    m->gate_reported_open = true;
}

/* The watch has shown a Lease while the read was under way: that there is none may be from before. */
static bool is_late_not_found(const struct election *m)
{
    return m->seen && m->present && m->lease.version > m->call_version;
}

static void get_done(struct election *m, const struct election_event *event, int64_t now_ns,
                     struct election_actions *out)
{
    m->blind = false;
    if (event->outcome == CALL_NOT_FOUND) {
        if (!is_late_not_found(m))
            observe_absent(m, now_ns, out);
        else if (m->state == ELECTION_LEARNING || m->state == ELECTION_FOLLOWING)
            follow(m, now_ns, out); /* it was made after the server had looked */
        else if (m->state == ELECTION_LEADING)
            act_later(m, CALL_GET, now_ns); /* and the write that failed is still due */
        return;
    }
    if (m->unanswered_ns != 0 && event->lease.holder == HOLDER_ME && !event->lease.as_answered &&
        event->lease.version > m->unanswered_version) { /* it was carried out */
        int64_t sent_ns = m->unanswered_ns;
        m->unanswered_ns = 0;
        if (now_ns < gate_after(m, sent_ns, event->lease.duration_ns)) { /* else it is of no use */
            m->call_sent_ns = sent_ns;
            write_succeeded(m, &event->lease, now_ns, out);
            return;
        }
    }
    observe(m, &event->lease, true, now_ns, out);
    if (m->state == ELECTION_LEADING && m->act_at_ns == INT64_MAX)
        act_later(m, CALL_RENEW, now_ns); /* it is still ours: the write that failed is due again */
    if (m->state == ELECTION_FOLLOWING && m->lease.holder == HOLDER_ME)
        m->claim_at_ns = now_ns; /* a write of ours whose answer was lost */
}

/* A call that gave no knowledge: what to do next, and when. */
static void call_failed(struct election *m, enum election_call call,
                        const struct election_event *event, int64_t now_ns)
{
    m->failure_count++;
    if (event->outcome == CALL_UNKNOWN)
        m->fresh_connection = true;
    if (event->outcome == CALL_UNKNOWN && call != CALL_GET && m->unanswered_ns == 0) {
        m->unanswered_ns = m->call_sent_ns;
        m->unanswered_version = m->call_version;
    }
    m->confirming = false;
    int64_t delay_ns = event->outcome == CALL_FORBIDDEN
                           ? wait_jitter_ns(FORBIDDEN_RETRY_NS, event->random)
                           : wait_retry_ns(m, event);
    bool may_stand = event->outcome == CALL_UNKNOWN || event->outcome == CALL_CONFLICT ||
                     event->outcome == CALL_NOT_FOUND;
    if (m->state == ELECTION_CLAIMING) {
        m->state = m->seen ? ELECTION_FOLLOWING : ELECTION_LEARNING;
        /* Somebody may have been seen meanwhile. */
        m->claim_at_ns = max_i64(now_ns + delay_ns, wait_claim_ns(m, now_ns));
        bool saw_winner = event->outcome == CALL_CONFLICT && m->lease.version > m->call_version;
        if (saw_winner && !m->watch_up)
            act_later(m, CALL_GET, now_ns + m->config.retry_period_ns);
        if (saw_winner)
            return;
        if (may_stand)
            m->claim_at_ns = INT64_MAX; /* until we know more */
        if (event->outcome == CALL_CONFLICT && m->watch_up)
            act_later(m, CALL_GET, now_ns + RACE_WAIT_NS);
        else if (may_stand || !m->seen)
            act_later(m, CALL_GET, event->outcome == CALL_UNKNOWN ? now_ns : now_ns + delay_ns);
        return;
    }
    if (m->state == ELECTION_LEADING) {
        bool read_first = may_stand && call != CALL_GET;
        m->blind |= call == CALL_GET && event->outcome == CALL_FORBIDDEN;
        act_later(m,
                  read_first   ? CALL_GET
                  : m->present ? CALL_RENEW
                               : CALL_CREATE,
                  read_first ? now_ns : now_ns + delay_ns);
        return;
    }
    act_later(m, CALL_GET, now_ns + (call == CALL_GET ? delay_ns : 0));
    m->claim_at_ns = max_i64(m->claim_at_ns, now_ns + delay_ns);
}

static void finish_stop(struct election *m)
{
    m->state = ELECTION_STOPPED;
    close_gate(m);
    act_never(m);
    m->claim_at_ns = INT64_MAX;
}

/* After a yield: a candidate again, who lets others go first. */
static void finish_yield(struct election *m, bool sure, int64_t now_ns,
                         struct election_actions *out)
{
    if (m->hold_back_ns != 0) /* nobody else has led meanwhile */
        m->hold_back_ns = now_ns + m->config.duration_ns;
    follow(m, now_ns, out);
    if (!m->seen)
        m->state = ELECTION_LEARNING;
    if (!sure || !m->seen) /* the watch says nothing more of a Lease that is not there */
        act_later(m, CALL_GET, now_ns);
}

static void finish_release(struct election *m, bool released, int64_t now_ns,
                           struct election_actions *out)
{
    bool is_replaced = m->seen && m->present && election_is_foreign(m, &m->lease);
    if (released)
        report(out, REPORT_RELEASED);
    else if (!is_replaced) /* else nobody waits for it */
        report(out, REPORT_RELEASE_FAILED);
    if (m->stop_requested)
        finish_stop(m);
    else
        finish_yield(m, released, now_ns, out);
}

/* What an answer shows, unless the watch has shown something newer. */
static void learn_answer(struct election *m, const struct election_lease *lease, int64_t now_ns,
                         struct election_actions *out)
{
    uint64_t holder_before = m->seen ? m->lease.holder_hash : 0;
    if (lease->version <= m->lease.version)
        return;
    learn(m, lease, now_ns);
    if (election_is_foreign(m, lease) && lease->holder_hash != holder_before)
        report(out, REPORT_FOLLOWING);
}

static void release_done(struct election *m, enum election_call call,
                         const struct election_event *event, int64_t now_ns,
                         struct election_actions *out)
{
    if (call == CALL_RELEASE && event->outcome == CALL_OK) {
        learn_answer(m, &event->lease, now_ns, out);
        finish_release(m, true, now_ns, out);
        return;
    }
    bool not_written = event->outcome == CALL_CONFLICT || event->outcome == CALL_REFUSED ||
                       event->outcome == CALL_FORBIDDEN;
    if ((call == CALL_CLAIM || call == CALL_CREATE) && not_written) { /* nothing of ours is there */
        if (m->stop_requested)
            finish_stop(m);
        else
            finish_yield(m, false, now_ns, out);
        return;
    }
    bool found_nothing = call == CALL_GET && event->outcome == CALL_NOT_FOUND;
    bool is_late = found_nothing && is_late_not_found(m);
    if (event->outcome == CALL_OK || is_late) { /* a renewal or a read that was under way */
        if (!is_late)
            learn_answer(m, &event->lease, now_ns, out);
        if (m->lease.holder == HOLDER_ME)
            start_call(m, CALL_RELEASE, now_ns, out);
        else /* a release whose answer was lost stands */
            finish_release(m, m->lease.released, now_ns, out);
        return;
    }
    if (found_nothing) { /* there is nothing to release */
        m->present = false;
        m->absent_ns = now_ns;
        m->promised_ns = max_i64(m->promised_ns, now_ns + m->config.duration_ns);
        finish_release(m, true, now_ns, out);
        return;
    }
    m->failure_count++;
    if (event->outcome == CALL_UNKNOWN)
        m->fresh_connection = true;
    bool read_now =
        call != CALL_GET && event->outcome != CALL_REFUSED && event->outcome != CALL_FORBIDDEN;
    act_later(m, read_now || call == CALL_GET ? CALL_GET : CALL_RELEASE,
              read_now ? now_ns : now_ns + wait_retry_ns(m, event));
}

/* The kinds of call that need the same permission as this one. */
static unsigned same_verb(enum election_call call)
{
    static const unsigned updates = 1U << CALL_CLAIM | 1U << CALL_RENEW | 1U << CALL_RELEASE;
    return (updates >> call & 1) != 0 ? updates : 1U << call;
}

/* A missing permission is reported once for each kind of call, until such a call was permitted: one that is refused for what it found has
 * passed that, too. */
static void note_permission(struct election *m, enum election_call call,
                            const struct election_event *event, struct election_actions *out)
{
    unsigned bit = 1U << call;
    if (event->outcome == CALL_FORBIDDEN && (m->forbidden_calls & bit) == 0) {
        m->forbidden_calls |= bit;
        report(out, REPORT_FORBIDDEN);
    } else if (event->outcome == CALL_OK || event->outcome == CALL_NOT_FOUND ||
               event->outcome == CALL_CONFLICT) {
        m->forbidden_calls &= ~same_verb(call);
    }
    if (event->outcome == CALL_OK || (call == CALL_GET && event->outcome == CALL_NOT_FOUND))
        m->failure_count = 0;
}

static void call_done(struct election *m, const struct election_event *event, int64_t now_ns,
                      struct election_actions *out)
{
    enum election_call call = m->call;
    CHECK(call != CALL_NONE);
    m->call = CALL_NONE;
    note_permission(m, call, event, out);
    if (m->state == ELECTION_STOPPED)
        return;
    if (m->state == ELECTION_RELEASING) {
        release_done(m, call, event, now_ns, out);
        return;
    }
    if (call == CALL_GET && (event->outcome == CALL_OK || event->outcome == CALL_NOT_FOUND))
        get_done(m, event, now_ns, out);
    else if (event->outcome == CALL_OK)
        write_succeeded(m, &event->lease, now_ns, out);
    else
        call_failed(m, call, event, now_ns);
}

/* ---- stop, yield ---- */

/* Is there, or may there be, a record with our name? */
static bool has_something(const struct election *m)
{
    bool ours =
        m->state == ELECTION_LEADING || (m->seen && m->present && m->lease.holder == HOLDER_ME);
    return ours ||
           m->state == ELECTION_CLAIMING; /* a claim may succeed: then it must be given back */
}

static void begin_release(struct election *m, int64_t now_ns, struct election_actions *out)
{
    m->state = ELECTION_RELEASING;
    m->stop_deadline_ns = now_ns + STOP_WAIT_NS;
    act_never(m);
    if (m->call == CALL_NONE)
        start_call(m, CALL_RELEASE, now_ns, out);
    else
        act_later(m, CALL_RELEASE, now_ns + STOP_CALL_WAIT_NS);
}

static void stop(struct election *m, int64_t now_ns, struct election_actions *out)
{
    if (m->state == ELECTION_STOPPED || m->stop_requested)
        return;
    m->stop_requested = true;
    if (m->state == ELECTION_RELEASING) /* a yield, which ends as a stop now */
        return;
    bool release = m->config.release && has_something(m);
    close_gate(m);
    if (release) {
        begin_release(m, now_ns, out);
        return;
    }
    out->cancel = m->call != CALL_NONE;
    m->call = CALL_NONE;
    finish_stop(m);
}

static void yield(struct election *m, int64_t now_ns, struct election_actions *out)
{
    if (m->state == ELECTION_STOPPED || m->state == ELECTION_RELEASING || !has_something(m))
        return;
    m->hold_back_ns = now_ns + STOP_WAIT_NS + m->config.duration_ns;
    close_gate(m);
    begin_release(m, now_ns, out);
}

/* ---- the mode, and proofs ---- */

static void change_mode(struct election *m, enum election_mode mode, bool existed, int64_t now_ns)
{
    bool rested = m->mode == MODE_REST;
    m->mode = mode;
    bool unseen = existed && !m->seen;
    if (unseen) { /* as if it had been seen: a record without a version, that anything replaces */
        m->seen = m->present = true;
        m->longest_ns = m->config.duration_ns;
        m->promised_ns = now_ns + m->longest_ns;
    }
    bool standby = m->state == ELECTION_LEARNING || m->state == ELECTION_FOLLOWING;
    if ((!rested && !unseen) || mode == MODE_REST || !standby)
        return;
    m->asleep = true;
    m->confirming = false;
    /* A record that is still the same counts from when it was seen; of an absence nothing is left. */
    m->absent_ns = INT64_MIN / 2;
    m->claim_at_ns = m->seen ? wait_claim_ns(m, now_ns) : INT64_MAX;
    if (m->call == CALL_NONE) /* in case the watch gives no answer */
        act_later(m, CALL_GET, now_ns + RACE_WAIT_NS);
}

static void proven(struct election *m, const struct election_event *event, int64_t now_ns)
{
    bool still_so = m->seen && m->present && m->lease.uid == event->lease.uid &&
                    m->lease.version == event->lease.version && m->lease.holder != HOLDER_ME;
    if (!still_so || event->gone_ns >= m->promised_ns)
        return;
    m->gone_ns = m->promised_ns = event->gone_ns;
    if (m->state == ELECTION_FOLLOWING)
        m->claim_at_ns = max_i64(now_ns, event->gone_ns);
}

/* ---- timers ---- */

static int64_t keep_step_ns(const struct election *m)
{
    return max_i64(m->config.retry_period_ns, KEEP_MIN_NS);
}

/* Only an open gate is moved: one that is found closed was not looked after, for this process did not run. */
static void keep_open(struct election *m, int64_t now_ns, struct election_actions *out)
{
    bool open = m->state == ELECTION_LEADING && m->gate_reported_open && now_ns < m->gate_ns;
    if (!m->config.keep || m->blind || !open || m->gate_ns - now_ns > keep_step_ns(m) / 2)
        return;
    m->gate_ns = now_ns + keep_step_ns(m);
    if (!m->kept)
        report(out, REPORT_KEPT);
    m->kept = true;
}

static void pass_deadlines(struct election *m, int64_t now_ns, struct election_actions *out)
{
    if (m->gate_reported_open && now_ns >= m->gate_ns) {
        m->gate_reported_open = false;
        report(out, REPORT_LOST_GATE);
    }
    if (m->state == ELECTION_LEADING && !m->deadline_reported &&
        now_ns >= m->renewed_ns + m->config.renew_deadline_ns) {
        m->deadline_reported = true;
        report(out, REPORT_RENEW_DEADLINE);
    }
    if (m->state == ELECTION_RELEASING && now_ns >= m->stop_deadline_ns) {
        /* Woken late: the call that this step was about to start is not started at all. */
        out->cancel |= m->call != CALL_NONE && out->call == CALL_NONE;
        out->call = CALL_NONE;
        m->call = CALL_NONE;
        finish_release(m, false, now_ns, out);
    }
}

static void act_if_due(struct election *m, int64_t now_ns, struct election_actions *out)
{
    if (m->state == ELECTION_STOPPED || out->call != CALL_NONE || now_ns < m->act_at_ns)
        return;
    if (m->state == ELECTION_RELEASING && m->call != CALL_NONE && m->call != CALL_RELEASE) {
        out->cancel = true; /* it hangs; what it wrote, if it did, the conflict will tell */
        m->call = CALL_NONE;
        m->fresh_connection = true;
    }
    if (m->call != CALL_NONE)
        return;
    /* What was seen since a claim went out may be somebody else's, who is not to be released. */
    if (m->act_call == CALL_RELEASE && m->lease.holder != HOLDER_ME &&
        m->lease.version != m->call_version)
        m->act_call = CALL_GET;
    start_call(m, m->act_call, now_ns, out);
}

/* One that rests asks nothing, whatever it was about to ask. A claim under way ends as it ends. */
static void rest(struct election *m, struct election_actions *out)
{
    if (m->mode != MODE_REST || (m->state != ELECTION_LEARNING && m->state != ELECTION_FOLLOWING))
        return;
    act_never(m);
    if (m->call == CALL_GET && out->call == CALL_NONE) {
        out->cancel = true;
        m->call = CALL_NONE;
    }
}

static int64_t next_wake_ns(const struct election *m)
{
    int64_t wake_ns = INT64_MAX;
    if (m->state == ELECTION_STOPPED)
        return wake_ns;
    if (m->gate_reported_open)
        wake_ns = min_i64(wake_ns, m->gate_ns);
    if (m->gate_reported_open && m->config.keep && !m->blind)
        wake_ns = min_i64(wake_ns, m->gate_ns - keep_step_ns(m) / 2);
    if (m->state == ELECTION_LEADING && !m->deadline_reported)
        wake_ns = min_i64(wake_ns, m->renewed_ns + m->config.renew_deadline_ns);
    if (m->state == ELECTION_RELEASING)
        wake_ns = min_i64(wake_ns, min_i64(m->stop_deadline_ns, m->act_at_ns));
    if (m->call == CALL_NONE) {
        wake_ns = min_i64(wake_ns, m->act_at_ns);
        if (m->state == ELECTION_FOLLOWING && m->mode == MODE_CAMPAIGN && !m->asleep)
            wake_ns = min_i64(wake_ns, max_i64(m->claim_at_ns, m->hold_back_ns));
    }
    return wake_ns;
}

static void watch_changed(struct election *m, bool up, int64_t now_ns)
{
    m->watch_up = up;
    m->watch_up_ns = now_ns;
    bool standby = m->state == ELECTION_LEARNING || m->state == ELECTION_FOLLOWING;
    if (!standby)
        return;
    if (!up && m->act_at_ns == INT64_MAX)
        act_later(m, CALL_GET, m->seen ? now_ns + wait_poll_ns(m) : now_ns);
    else if (up && m->act_call == CALL_GET && m->seen && !m->asleep && m->failure_count == 0)
        act_never(m);
}

void election_step(struct election *m, const struct election_event *event, int64_t now_ns,
                   struct election_actions *out)
{
    *out = (struct election_actions){.call = CALL_NONE};
    m->random = event->random;
    switch (event->kind) {
    case EVENT_START: /* a read, in case the watch gives no answer */
        act_later(m, CALL_GET, now_ns + RACE_WAIT_NS);
        break;
    case EVENT_TIMER:
        break;
    case EVENT_SEEN:
        if (m->state != ELECTION_STOPPED)
            observe(m, &event->lease, false, now_ns, out);
        break;
    case EVENT_ABSENT:
        if (m->state != ELECTION_STOPPED && m->state != ELECTION_CLAIMING &&
            m->state != ELECTION_RELEASING)
            observe_absent(m, now_ns, out);
        break;
    case EVENT_DELETED:
        if (m->state != ELECTION_STOPPED && (!m->seen || event->lease.version > m->lease.version)) {
            m->lease.version = event->lease.version;
            observe_absent(m, now_ns, out);
        }
        break;
    case EVENT_WATCH_UP:
    case EVENT_WATCH_DOWN:
        watch_changed(m, event->kind == EVENT_WATCH_UP, now_ns);
        break;
    case EVENT_CALL_DONE:
        call_done(m, event, now_ns, out);
        break;
    case EVENT_STOP:
        stop(m, now_ns, out);
        break;
    case EVENT_YIELD:
        yield(m, now_ns, out);
        break;
    case EVENT_CAMPAIGN:
    case EVENT_HOLD:
    case EVENT_REST:
        change_mode(m,
                    event->kind == EVENT_CAMPAIGN ? MODE_CAMPAIGN
                    : event->kind == EVENT_HOLD   ? MODE_HOLD
                                                  : MODE_REST,
                    event->existed, now_ns);
        break;
    case EVENT_PROVEN:
        proven(m, event, now_ns);
        break;
    }
    keep_open(m, now_ns, out);
    pass_deadlines(m, now_ns, out);
    rest(m, out);
    act_if_due(m, now_ns, out);
    claim_if_due(m, now_ns, out);
    out->wake_ns = next_wake_ns(m);
}

int64_t election_renew_soon(struct election *m, int64_t at_ns)
{
    if (m->state == ELECTION_LEADING && m->call == CALL_NONE && m->act_call == CALL_RENEW &&
        at_ns < m->act_at_ns)
        m->act_at_ns = at_ns;
    return next_wake_ns(m);
}

int64_t election_renew_anew(struct election *m, int64_t now_ns)
{
    m->deadline_reported =
        m->deadline_reported || now_ns >= m->renewed_ns + m->config.renew_deadline_ns;
    return election_renew_soon(m, now_ns);
}
