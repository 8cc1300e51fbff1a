/*
 * The election of one candidate on one Lease, as a pure state machine: no clock, no sockets, no allocation. The caller feeds
 * events with the present boot time and carries out what comes back.
 *
 * States and what leaves them:
 *
 *   LEARNING   nothing is known of the Lease      -> FOLLOWING, CLAIMING
 *   FOLLOWING  somebody else holds it, or nobody may claim yet; claim_at_ns says when -> CLAIMING
 *   CLAIMING   our create or update is under way  -> LEADING, FOLLOWING
 *   LEADING    the last known record is ours      -> FOLLOWING, RELEASING, STOPPED
 *   RELEASING  giving it up                       -> STOPPED, or FOLLOWING after a yield
 *   STOPPED    no candidate
 *
 * Beside the state there is a mode, which the caller sets: a candidate that CAMPAIGNS claims what is free; one that HOLDs only
 * looks; one that RESTs asks nothing at all and keeps what it knows. The mode changes nothing while leading.
 *
 * The gate is a deadline: this candidate may act while now < gate_ns, where
 *   gate_ns = send time of the last successful write + min(our duration, recorded duration) - safety margin.
 * It can pass while the state is still LEADING (renewals fail, nobody else has claimed): then a later success opens it again.
 * With `keep` it is moved on, bit by bit, while renewals fail: a process that was paused for longer than such a bit finds it closed
 * as ever, and must hear from the API server before it acts again.
 *
 * Every write carries the resourceVersion and uid that were last seen, so that a claim on old knowledge is refused by the
 * server; a refused or unanswered write is followed by a read. A read that shows our record in a version behind that of an
 * unanswered write, and that no answer has shown before, is that write's answer; else a leader whose answers get lost would
 * hold the Lease and never act.
 */
#ifndef ELECTION_ELECTION_H
#define ELECTION_ELECTION_H

#include "base/base.h"

struct election_config {
    int64_t duration_ns;      /* whole seconds; what we write */
    int64_t renew_deadline_ns;
    int64_t retry_period_ns;
    int64_t margin_ns;        /* safety margin of the gate */
    int64_t stagger_ns;       /* this candidate's delay behind an expiry, so that not all claim at once */
    int64_t call_timeout_ns;  /* after so long a call ends as unknown; 0: the retry period */
    int64_t poll_ns;          /* between reads where there is no watch, give or take a fifth; 0: the retry period */
    bool may_take_back;       /* a holder with our identity and another incarnation is our own dead predecessor */
    bool release;             /* give the Lease up on stop */
    bool keep;                /* the gate stays open while no answer says that the Lease is not ours any more; two gates may be open then */
};

/* Whose name the record carries. */
enum election_holder {
    HOLDER_NONE,    /* empty */
    HOLDER_ME,      /* written by this process */
    HOLDER_TWIN,    /* our identity, but not written by this process */
    HOLDER_OTHER,
};
/* What the machine needs of a Lease. */
struct election_lease {
    uint64_t uid;             /* hash */
    uint64_t version;         /* resourceVersion */
    enum election_holder holder;
    uint64_t holder_hash;
    int64_t duration_ns;      /* recorded; 0: absent */
    uint32_t transitions;     /* with the uid: of which term the record is */
    int64_t renew_ns;         /* renewTime as it stands there: never compared with a clock, only with itself */
    bool released;            /* the form of a release: no holder, duration 1 s */
    bool pristine;            /* no holder, and there never was one: no times, no transitions */
    bool as_answered;         /* a read: ours, as an answer has shown it before; no write since then was carried out */
};

enum election_state {
    ELECTION_LEARNING, ELECTION_FOLLOWING, ELECTION_CLAIMING, ELECTION_LEADING, ELECTION_RELEASING, ELECTION_STOPPED,
};
const char *election_state_name(enum election_state s);

enum election_call { CALL_NONE, CALL_GET, CALL_CREATE, CALL_CLAIM, CALL_RENEW, CALL_RELEASE };

enum election_event_kind {
    EVENT_START,
    EVENT_TIMER,
    EVENT_SEEN,           /* by the watch; `lease` */
    EVENT_ABSENT,         /* the watch's initial state has no Lease */
    EVENT_DELETED,        /* by the watch; `lease` is the last state with the deletion's version */
    EVENT_WATCH_UP, EVENT_WATCH_DOWN, /* down: reads by GET take its place */
    EVENT_CALL_DONE,      /* `outcome`; `lease` with OUTCOME_OK of all but a GET that found nothing */
    EVENT_STOP,
    EVENT_YIELD,          /* give the Lease up and go on: not claimed again before somebody else has led or one duration has passed */
    EVENT_CAMPAIGN,       /* claim what is free: the mode at the start. `existed` */
    EVENT_HOLD,           /* no claims, only looking */
    EVENT_REST,           /* no claims, no reads; the caller ends the watch */
    EVENT_PROVEN,         /* whoever holds `lease.uid` at `lease.version` acts no more since `gone_ns`: by other knowledge than the wait */
};
enum call_outcome {
    CALL_OK,
    CALL_CONFLICT,        /* 409 */
    CALL_NOT_FOUND,       /* 404 */
    CALL_FORBIDDEN,       /* 403 */
    CALL_REFUSED,         /* an answer or a failed connection: certainly not executed */
    CALL_UNKNOWN,         /* timeout or broken connection: may have been executed */
};
struct election_event {
    enum election_event_kind kind;
    struct election_lease lease;
    enum call_outcome outcome;
    int64_t retry_after_ns;   /* 0: not said */
    uint64_t random;          /* for jitter */
    bool existed;             /* CAMPAIGN: there was such a Lease, by other evidence; so its absence means that it was deleted */
    int64_t gone_ns;          /* PROVEN: boot time; in the future: claim then */
};

/* What happened, for log lines and numbers; a step gives at most ELECTION_REPORTS_MAX. */
enum election_report {
    REPORT_LED,               /* the state became LEADING */
    REPORT_LOST_FOREIGN,      /* somebody else's name in a newer version */
    REPORT_LOST_GATE,         /* the gate closed: no renewal in time */
    REPORT_KEPT,              /* it stays open beyond its time, by `keep` */
    REPORT_GATE_REOPENED,     /* a late renewal succeeded and nobody had claimed */
    REPORT_RENEW_DEADLINE,    /* renewals fail since renew_deadline */
    REPORT_FOLLOWING,         /* another holder than before */
    REPORT_FREE,              /* released or expired: claiming now */
    REPORT_GONE,              /* the Lease was deleted */
    REPORT_EDITED,            /* somebody else shortened the duration in our record */
    REPORT_CLEARED,           /* the holder was removed without the form of a release */
    REPORT_FORBIDDEN,         /* the first 403 of this kind of call */
    REPORT_RELEASED, REPORT_RELEASE_FAILED,
};
enum { ELECTION_REPORTS_MAX = 6 };
struct election_actions {
    enum election_call call;  /* to start now, after cancelling the one under way if `cancel` */
    bool cancel;
    bool fresh_connection;
    int64_t wake_ns;          /* boot time of the next EVENT_TIMER; INT64_MAX: none */
    enum election_report reports[ELECTION_REPORTS_MAX];
    size_t report_count;
};

enum election_mode { MODE_CAMPAIGN, MODE_HOLD, MODE_REST };
struct election {
    struct election_config config;
    enum election_state state;
    enum election_mode mode;
    uint64_t random;          /* of the newest event */

    bool seen;                /* `lease` is filled */
    bool present;             /* and the Lease exists, as far as we know */
    struct election_lease lease;
    int64_t longest_ns;       /* longest duration recorded in the present holder's term */
    int64_t promised_ns;      /* until then somebody else may act, by all that was seen */
    int64_t learned_ns;       /* when the present version was first known */
    int64_t looked_ns;        /* when a read or the watch last said how things are */
    int64_t gone_ns;          /* since when the holder is known to be gone by proof; 0: no proof */
    int64_t absent_ns;        /* when it was last known that there is no Lease */
    bool asleep;              /* it rested, and nothing was seen since */
    bool confirming;          /* a read that follows the wait for a Lease that went away has begun */

    enum election_call call;  /* under way */
    int64_t call_sent_ns;
    uint64_t call_version;    /* known when it was sent */
    int64_t renewed_ns;       /* send time of the last successful write of this term */
    int64_t unanswered_ns;    /* send time of the first write since the last success that may stand unanswered; 0: none */
    uint64_t unanswered_version; /* the version it was based on */
    int64_t gate_ns;          /* 0: closed */
    int64_t lease_gate_ns;    /* without what `keep` has added */
    bool kept;                /* it has added something since the last success */
    bool blind;               /* a write was overtaken, or may stand, and the read that would tell is forbidden: `keep` adds no more */
    bool gate_reported_open;

    int64_t claim_at_ns;      /* FOLLOWING: INT64_MAX while nothing is known to wait for */
    int64_t act_at_ns;        /* next call: renewal, retry, poll; INT64_MAX: none */
    enum election_call act_call;
    uint32_t failure_count;   /* calls in a row */
    unsigned forbidden_calls; /* bit for each enum election_call whose refusal was reported */
    bool deadline_reported;
    bool watch_up;
    int64_t watch_up_ns;      /* since when, if it is up */
    bool fresh_connection;    /* for the next call */
    bool stop_requested;
    int64_t stop_deadline_ns;
    int64_t hold_back_ns;     /* after a yield: no claim before; 0: none */
};

/* Between renewals when all goes well. */
int64_t election_renew_interval_ns(const struct election_config *c);

void election_init(struct election *m, const struct election_config *config);
void election_step(struct election *m, const struct election_event *event, int64_t now_ns, struct election_actions *out);
/* Moves the next renewal forward to `at_ns`, if this candidate leads and nothing is under way; returns when to wake. */
int64_t election_renew_soon(struct election *m, int64_t at_ns);
/* After a change of `config`: the same, at once; that no renewal came in the time that is asked for from now on is no failure. */
int64_t election_renew_anew(struct election *m, int64_t now_ns);
/* Of somebody else, whom this candidate does not replace. */
static inline bool election_is_foreign(const struct election *m, const struct election_lease *lease)
{
    return lease->holder == HOLDER_OTHER || (lease->holder == HOLDER_TWIN && !m->config.may_take_back);
}
/* The gate. */
static inline bool election_may_act(const struct election *m, int64_t now_ns)
{
    return now_ns < m->gate_ns;
}

#endif
