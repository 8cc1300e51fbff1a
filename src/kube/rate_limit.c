/*
 * A token bucket without a counter: it is described by the time at which it will be full again.
 * Taking a token moves that time by the time that one token takes to come back; the bucket is empty
 * when the time is a whole burst away, and a token taken then is one that comes back later.
 *
 * The same as client-go's limiter (golang.org/x/time/rate with a reservation), by arithmetic.
 */
#include "kube/rate_limit.h"

#define SECOND_NS 1e9
#define WAIT_MAX_NS (86400 * SECOND_NS) /* longer ones must not overflow */

void rate_limit_init(struct rate_limit *r, double qps, int64_t burst)
{
    CHECK(qps > 0 && burst >= 1);
    *r = (struct rate_limit){.qps = qps, .burst = burst};
}

/* How far away the full bucket is. */
static double until_full_ns(const struct rate_limit *r, int64_t now_ns)
{
    return r->full_at_ns > now_ns ? (double)(r->full_at_ns - now_ns) : 0;
}

static double token_ns(const struct rate_limit *r)
{
    double ns = SECOND_NS / r->qps;
    return ns < WAIT_MAX_NS ? ns : WAIT_MAX_NS;
}

static int64_t later(int64_t now_ns, double delay_ns)
{
    return now_ns + (int64_t)(delay_ns < WAIT_MAX_NS ? delay_ns : WAIT_MAX_NS);
}

void rate_limit_raise(struct rate_limit *r, double qps, int64_t burst, int64_t now_ns)
{
    double missing = until_full_ns(r, now_ns) / token_ns(r); /* tokens */
    r->qps = qps > r->qps ? qps : r->qps;
    r->burst = burst > r->burst ? burst : r->burst;
    r->full_at_ns = later(now_ns, missing * token_ns(r));
}

int64_t rate_limit_take(struct rate_limit *r, int64_t now_ns)
{
    double full_in_ns = until_full_ns(r, now_ns) + token_ns(r);
    double wait_ns = full_in_ns - (double)r->burst * token_ns(r);
    r->full_at_ns = later(now_ns, full_in_ns);
    return wait_ns <= 0 ? now_ns : later(now_ns, wait_ns);
}
