/*
 * What couples a replica's two elections, on the main Lease and on the standby's: pure, like the election machine itself. See
 * standby.c for the states.
 */
#ifndef ELECTION_STANDBY_H
#define ELECTION_STANDBY_H

#include "election/election.h"
#include "election/elector.h"

/* What the standby Lease said of the main one when this replica claimed it. */
struct standby_proof {
    bool valid;
    uint64_t uid, version; /* of the main Lease, as its last writer knew it */
    int64_t since_ns;      /* boot time; that was so then, at the latest */
};

struct standby_pair {
    enum standby mode;
    bool crowd;
    bool looking;           /* at the main Lease, once, at the start */
    bool returning;         /* it is our own dead predecessor's */
    bool led, held;         /* as last seen */
    bool stays_warm;        /* led or stood by, and nobody stands by in its place yet */
    int64_t left_ns;        /* since when */
    uint64_t held_by_then;  /* who stood by at that time; 0: nobody */
    bool saw_others;        /* the standby Lease had another holder once: so there was a main Lease, too */
    int64_t trouble_ns;     /* since when a main Lease that is free cannot be claimed; 0: no trouble */
    bool giving_up;
    struct standby_proof proof;
};

/* What is to be so; whoever carries it out compares with what is. */
struct standby_orders {
    enum election_mode main_mode, standby_mode;
    bool main_existed;      /* for EVENT_CAMPAIGN on main */
    bool watch_main, watch_standby;
    bool release_standby;   /* EVENT_YIELD, if it has anything to release */
    bool gives_up;          /* and that is why: to be logged once */
    bool renew_standby;     /* soon: whether it can is the question */
    bool prove;             /* EVENT_PROVEN on main, for the version that it knows */
    int64_t gone_ns;
    enum elector_role role;
    bool alone;             /* no permission for the standby Lease */
    int64_t wake_ns;        /* decide again then; INT64_MAX: when something happens */
};

void standby_init(struct standby_pair *s, enum standby mode, bool crowd);
/* A call for the main Lease ended. */
void standby_main_call_done(struct standby_pair *s, enum election_call call, enum call_outcome outcome, int64_t now_ns);
/* What the record says that a claim of the standby Lease is about to replace; `uid` 0: nothing. */
void standby_keep_proof(struct standby_pair *s, const struct election *standby, uint64_t uid, uint64_t version);
/* To be called after each step of either machine, until standby_next_event has nothing more. */
void standby_decide(struct standby_pair *s, const struct election *main, const struct election *standby, int64_t now_ns,
                    struct standby_orders *out);
/* The next event that carries the orders out, and for which machine; false: nothing is left to do. Watches are the caller's. */
bool standby_next_event(const struct standby_orders *orders, const struct election *main, const struct election *standby,
                        struct election_event *event, bool *for_main);
/* Does somebody else hold this Lease, who may still act? */
bool election_is_held(const struct election *m, int64_t now_ns);

#endif
