/*
 * How long a candidate waits before it asks again, or claims. The retry period, which the user chose, is the pace of calls; a call that was
 * refused is repeated sooner, for the Lease runs out meanwhile.
 */
#include "election/election_wait.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

/* A refused call is repeated soon, for the Lease runs out meanwhile; doubled up to longest_retry_ns. */
#define RETRY_FIRST_NS (50 * MS)
/* Of one that only reads. */
#define PATIENCE_MAX_NS (30 * SECOND)

/* A third of the duration leaves room for several retries before the gate closes, at half the load of client-go's fixed
 * period; never more often than the retry period, which the user chose as the pace of calls. */
int64_t election_renew_interval_ns(const struct election_config *c)
{
    return max_i64(c->retry_period_ns, min_i64(c->duration_ns / 3, c->renew_deadline_ns / 2));
}

int64_t wait_jitter_ns(int64_t ns, uint64_t random)
{
    return ns / 2 + (int64_t)(random % (uint64_t)(ns / 2 + 1));
}

/* How long we wait because the server asks for it (Retry-After). One that shuts down asks for 5 s, priority and fairness for up to 32 s:
 * longer than a release is waited for, and than a gate may last. */
static int64_t patience_ns(const struct election *m)
{
    if (m->state == ELECTION_RELEASING)
        return 0;
    bool writes = m->state == ELECTION_LEADING || m->state == ELECTION_CLAIMING;
    return writes ? m->config.retry_period_ns : PATIENCE_MAX_NS;
}

/* Up to which retries are drawn out. Many that only read now and then must not ask a server more often because it is too busy to answer. */
static int64_t longest_retry_ns(const struct election *m)
{
    bool only_reads = m->state == ELECTION_LEARNING || m->state == ELECTION_FOLLOWING;
    return only_reads ? max_i64(m->config.poll_ns, m->config.retry_period_ns)
                      : m->config.retry_period_ns;
}

int64_t wait_retry_ns(const struct election *m, const struct election_event *event)
{
    uint32_t doublings = m->failure_count > 1 ? m->failure_count - 1 : 0;
    int64_t longest_ns = longest_retry_ns(m);
    int64_t delay_ns =
        doublings > 10 ? longest_ns : min_i64(RETRY_FIRST_NS << doublings, longest_ns);
    return max_i64(wait_jitter_ns(delay_ns, event->random),
                   min_i64(event->retry_after_ns, patience_ns(m)));
}

int64_t wait_poll_ns(const struct election *m)
{
    /* One that is missing is looked for often: what is not seen for long must be waited out again. */
    if (m->config.poll_ns == 0 || (m->seen && !m->present))
        return m->config.retry_period_ns;
    int64_t spread_ns = m->config.poll_ns * 2 / 5;
    return m->config.poll_ns - spread_ns / 2 + (int64_t)(m->random % (uint64_t)(spread_ns + 1));
}

int64_t wait_longest_gap_ns(const struct election *m)
{
    int64_t call_ns =
        m->config.call_timeout_ns > 0 ? m->config.call_timeout_ns : m->config.retry_period_ns;
    return m->config.retry_period_ns + call_ns + m->config.retry_period_ns / 2;
}

bool wait_looked_lately(const struct election *m, int64_t now_ns)
{
    return m->watch_up || now_ns - m->looked_ns <= m->config.retry_period_ns * 3 / 2;
}

int64_t wait_claim_ns(const struct election *m, int64_t now_ns)
{
    if (!m->seen || (m->present && (m->lease.released || m->lease.pristine)))
        return now_ns;
    if (m->present && m->lease.holder == HOLDER_TWIN && m->config.may_take_back)
        return now_ns;
    if (m->present && m->lease.holder == HOLDER_ME)
        return now_ns;
    return m->promised_ns + m->config.stagger_ns;
}
