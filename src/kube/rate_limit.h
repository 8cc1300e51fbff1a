/* A token bucket: how many requests a client makes in a second, and how many at once. No clock here. */
#ifndef KUBE_RATE_LIMIT_H
#define KUBE_RATE_LIMIT_H

#include "base/base.h"

struct rate_limit {
    double qps;           /* above 0 */
    int64_t burst;        /* at least 1 */
    int64_t full_at_ns;   /* when the bucket will be full again, if nothing is taken */
};
void rate_limit_init(struct rate_limit *r, double qps, int64_t burst);
/* Two users of one client: the larger numbers win. */
void rate_limit_raise(struct rate_limit *r, double qps, int64_t burst, int64_t now_ns);
/* Takes a token, in advance if there is none: when it may be used, `now_ns` or later. First come, first served. */
int64_t rate_limit_take(struct rate_limit *r, int64_t now_ns);

#endif
