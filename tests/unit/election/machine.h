/* One election machine, fed event by event: for tests that name its rules. Include after cmocka. */
#ifndef TEST_ELECTION_MACHINE_H
#define TEST_ELECTION_MACHINE_H

#include "election/election.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define START (100 * SECOND)
#define DURATION (15 * SECOND)

static const struct election_config config = {
    .duration_ns = DURATION,
    .renew_deadline_ns = 10 * SECOND,
    .retry_period_ns = 2 * SECOND,
    .margin_ns = SECOND,
    .release = true,
};

static inline struct election_lease lease_of(enum election_holder holder, uint64_t version)
{
    return (struct election_lease){.uid = 1,
                                   .version = version,
                                   .holder = holder,
                                   .holder_hash = (uint64_t)holder,
                                   .duration_ns = DURATION};
}

static inline struct election_actions feed(struct election *m, struct election_event event, int64_t now_ns)
{
    struct election_actions out;
    election_step(m, &event, now_ns, &out);
    return out;
}

static inline struct election_actions step(struct election *m, enum election_event_kind kind, int64_t now_ns)
{
    return feed(m, (struct election_event){.kind = kind}, now_ns);
}

static inline struct election_actions sees(struct election *m, struct election_lease lease, int64_t now_ns)
{
    return feed(m, (struct election_event){.kind = EVENT_SEEN, .lease = lease}, now_ns);
}

static inline struct election_actions done(struct election *m, enum call_outcome outcome, struct election_lease lease,
                                           int64_t now_ns)
{
    return feed(m, (struct election_event){.kind = EVENT_CALL_DONE, .outcome = outcome, .lease = lease}, now_ns);
}

static inline bool has(const struct election_actions *out, enum election_report report)
{
    for (size_t i = 0; i < out->report_count; i++) {
        if (out->reports[i] == report)
            return true;
    }
    return false;
}

static inline void start_watching(struct election *m)
{
    election_init(m, &config);
    step(m, EVENT_START, START);
    step(m, EVENT_WATCH_UP, START);
}

/* Leads since START + 10 ms, having sent the creation at START. */
static inline void lead(struct election *m)
{
    start_watching(m);
    struct election_actions out = step(m, EVENT_ABSENT, START);
    assert_int_equal(out.call, CALL_CREATE);
    out = done(m, CALL_OK, lease_of(HOLDER_ME, 10), START + 10 * MS);
    assert_true(has(&out, REPORT_LED));
    assert_int_equal(m->state, ELECTION_LEADING);
}

#endif
