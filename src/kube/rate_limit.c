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

void rate_limit_raise(struct rate_limit *r, double qps, int64_t burst)
{
    r->qps = qps > r->qps ? qps : r->qps;
    r->burst = burst > r->burst ? burst : r->burst;
}

int64_t rate_limit_take(struct rate_limit *r, int64_t now_ns)
{
    double token_ns = SECOND_NS / r->qps;
    token_ns = token_ns < WAIT_MAX_NS ? token_ns : WAIT_MAX_NS;
    double full_in_ns = r->full_at_ns > now_ns ? (double)(r->full_at_ns - now_ns) : 0;
    full_in_ns += token_ns;
    double wait_ns = full_in_ns - (double)r->burst * token_ns;
    r->full_at_ns = now_ns + (int64_t)(full_in_ns < WAIT_MAX_NS ? full_in_ns : WAIT_MAX_NS);
    if (wait_ns <= 0)
        return now_ns;
    return now_ns + (int64_t)(wait_ns < WAIT_MAX_NS ? wait_ns : WAIT_MAX_NS);
}
