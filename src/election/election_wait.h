/* How long a candidate waits before it asks again, or claims: of the election machine, not for others. */
#ifndef ELECTION_ELECTION_WAIT_H
#define ELECTION_ELECTION_WAIT_H

#include "election/election.h"

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Between half of `ns` and `ns`. */
int64_t wait_jitter_ns(int64_t ns, uint64_t random);
/* After a call that was refused or got no answer. */
int64_t wait_retry_ns(const struct election *m, const struct election_event *event);
/* Between two reads where there is no watch. */
int64_t wait_poll_ns(const struct election *m);
/* Between the answers of two reads without a watch, if each takes all the time that a call has; and a bit, for a busy machine. */
int64_t wait_longest_gap_ns(const struct election *m);
/* Is knowledge as new as that of one who watches, or reads once in a retry period? */
bool wait_looked_lately(const struct election *m, int64_t now_ns);
/* When a candidate that only watches may claim what it sees. */
int64_t wait_claim_ns(const struct election *m, int64_t now_ns);

#endif
