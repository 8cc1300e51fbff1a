/* What couples the two elections of a replica, rule by rule. Random worlds are in test_standby_world.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "election/standby.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define START (100 * SECOND)
#define DURATION (15 * SECOND)
#define RETRY (2 * SECOND)

static const struct election_config config = {
    .duration_ns = DURATION,
    .renew_deadline_ns = 10 * SECOND,
    .retry_period_ns = RETRY,
    .margin_ns = SECOND,
    .release = true,
};
static const struct election_lease nothing = {.uid = 0};

/* One replica: its two machines, and what the two have under way. */
struct replica {
    struct election main, standby;
    struct standby_pair pair;
    struct standby_orders orders;
    int64_t now_ns;
    int gave_up, proven;
    bool renew_asked;
};

static struct election_lease lease_of(uint64_t uid, enum election_holder holder, uint64_t version)
{
    return (struct election_lease){.uid = uid,
                                   .version = version,
                                   .holder = holder,
                                   .holder_hash = (uint64_t)holder,
                                   .duration_ns = DURATION};
}

static struct election_lease released_at(uint64_t uid, uint64_t version)
{
    struct election_lease lease = lease_of(uid, HOLDER_NONE, version);
    lease.released = true;
    lease.duration_ns = SECOND;
    return lease;
}

static void settle(struct replica *r)
{
    struct election_event event;
    struct election_actions out;
    bool for_main;
    for (int rounds = 0; rounds < 20; rounds++) {
        standby_decide(&r->pair, &r->main, &r->standby, r->now_ns, &r->orders);
        r->gave_up += r->orders.gives_up;
        r->proven += r->orders.prove;
        r->renew_asked = r->orders.renew_standby;
        if (!standby_next_event(&r->orders, &r->main, &r->standby, &event, &for_main))
            return;
        election_step(for_main ? &r->main : &r->standby, &event, r->now_ns, &out);
    }
    fail_msg("the orders are never carried out");
}

static void feed(struct replica *r, struct election *m, struct election_event event)
{
    struct election_actions out;
    if (m == &r->main && event.kind == EVENT_CALL_DONE)
        standby_main_call_done(&r->pair, m->call, event.outcome, r->now_ns);
    election_step(m, &event, r->now_ns, &out);
    settle(r);
}

static void step(struct replica *r, struct election *m, enum election_event_kind kind)
{
    feed(r, m, (struct election_event){.kind = kind});
}

static void sees(struct replica *r, struct election *m, struct election_lease lease)
{
    feed(r, m, (struct election_event){.kind = EVENT_SEEN, .lease = lease});
}

static void done(struct replica *r, struct election *m, enum call_outcome outcome,
                 struct election_lease lease)
{
    feed(r, m,
         (struct election_event){.kind = EVENT_CALL_DONE, .outcome = outcome, .lease = lease});
}

static void start(struct replica *r, enum standby mode)
{
    *r = (struct replica){.now_ns = START};
    election_init(&r->main, &config);
    election_init(&r->standby, &config);
    standby_init(&r->pair, mode, false);
    settle(r);
}

/* It has looked at the main Lease, which version 5 of somebody else holds, and campaigns for the standby's. */
static void outside(struct replica *r)
{
    start(r, STANDBY_AUTO);
    assert_int_equal(r->main.call, CALL_GET);
    done(r, &r->main, CALL_OK, lease_of(1, HOLDER_OTHER, 5));
    assert_int_equal(r->main.mode, MODE_REST);
    assert_false(r->orders.watch_main);
    assert_true(r->orders.watch_standby);
    assert_int_equal(r->orders.role, ROLE_COLD);
    step(r, &r->standby, EVENT_WATCH_UP);
}

/* It holds the standby's Lease, which it has created, and watches the main one. */
static void first(struct replica *r)
{
    outside(r);
    step(r, &r->standby, EVENT_ABSENT);
    assert_int_equal(r->standby.call, CALL_CREATE);
    done(r, &r->standby, CALL_OK, lease_of(2, HOLDER_ME, 6));
    assert_int_equal(r->main.mode, MODE_CAMPAIGN);
    assert_true(r->orders.watch_main);
    assert_int_equal(r->orders.role, ROLE_WARM);
    step(r, &r->main, EVENT_WATCH_UP);
    sees(r, &r->main, lease_of(1, HOLDER_OTHER, 5));
}

static void leading(struct replica *r)
{
    first(r);
    sees(r, &r->main, released_at(1, 7));
    assert_int_equal(r->main.call, CALL_CLAIM);
    done(r, &r->main, CALL_OK, lease_of(1, HOLDER_ME, 8));
    assert_int_equal(r->orders.role, ROLE_LEADING);
    assert_int_equal(r->standby.call, CALL_RELEASE);
    done(r, &r->standby, CALL_OK, released_at(2, 9));
    assert_int_equal(r->standby.mode, MODE_HOLD);
    assert_int_equal(r->standby.call, CALL_NONE);
    assert_true(r->orders.watch_standby);
}

static void test_one_is_created_after_the_other_at_a_first_start(void **state)
{
    (void)state;
    struct replica r;
    start(&r, STANDBY_AUTO);
    done(&r, &r.main, CALL_NOT_FOUND, nothing);
    step(&r, &r.standby, EVENT_WATCH_UP);
    step(&r, &r.standby, EVENT_ABSENT);
    assert_int_equal(r.standby.call, CALL_CREATE);
    assert_int_equal(r.main.call, CALL_NONE); /* nobody claims it without standing by */
    done(&r, &r.standby, CALL_OK, lease_of(2, HOLDER_ME, 2));
    assert_int_equal(r.orders.role, ROLE_WARM);
    step(&r, &r.main, EVENT_WATCH_UP);
    step(&r, &r.main, EVENT_ABSENT);
    assert_int_equal(r.main.call, CALL_CREATE);
}

static void test_outside_nothing_is_claimed(void **state)
{
    (void)state;
    struct replica r;
    outside(&r);
    sees(&r, &r.standby, lease_of(2, HOLDER_OTHER, 6));
    r.now_ns = START + 10 * DURATION;
    step(&r, &r.main, EVENT_TIMER);
    assert_int_equal(r.main.call, CALL_NONE);
    assert_int_equal(r.orders.role, ROLE_COLD);
}

static void test_who_leads_lets_go_of_the_standby(void **state)
{
    (void)state;
    struct replica r;
    leading(&r);
    r.now_ns += DURATION * 2; /* nobody takes it: it does not either */
    step(&r, &r.standby, EVENT_TIMER);
    assert_int_equal(r.standby.call, CALL_NONE);
}

static void test_who_lost_to_another_stays_warm_until_it_is_replaced(void **state)
{
    (void)state;
    struct replica r;
    leading(&r);
    struct election_lease by_b = lease_of(2, HOLDER_OTHER, 10);
    sees(&r, &r.standby, by_b);
    sees(&r, &r.main,
         lease_of(1, HOLDER_OTHER, 11)); /* b leads now, and still holds the other one */
    assert_int_equal(r.orders.role, ROLE_WARM);
    assert_int_equal(r.main.mode, MODE_REST);
    assert_false(r.orders.watch_main);
    by_b.version = 12;
    sees(&r, &r.standby, by_b);
    assert_int_equal(r.orders.role, ROLE_WARM);
    sees(&r, &r.standby, released_at(2, 13)); /* it is free: ours again, perhaps */
    struct election_lease by_c = lease_of(2, HOLDER_OTHER, 14);
    by_c.holder_hash = 77;
    sees(&r, &r.standby, by_c);
    assert_int_equal(r.orders.role, ROLE_COLD);
}

static void test_it_does_not_stay_warm_beside_a_standby_that_stays(void **state)
{
    (void)state;
    struct replica r;
    leading(&r);
    sees(&r, &r.standby, lease_of(2, HOLDER_OTHER, 10));
    sees(&r, &r.main, lease_of(1, HOLDER_TWIN, 11)); /* somebody who competes directly */
    assert_int_equal(r.orders.role, ROLE_WARM);
    assert_int_equal(r.orders.wake_ns, r.now_ns + DURATION);
    r.now_ns += DURATION;
    sees(&r, &r.standby, lease_of(2, HOLDER_OTHER, 12));
    assert_int_equal(r.orders.role, ROLE_COLD);
}

static void test_cut_off_it_goes_on_renewing_and_does_not_stand_by(void **state)
{
    (void)state;
    struct replica r;
    leading(&r);
    while (r.orders.role == ROLE_LEADING) {
        r.now_ns += 500 * MS;
        if (r.main.call != CALL_NONE)
            done(&r, &r.main, CALL_REFUSED, nothing);
        step(&r, &r.main, EVENT_TIMER);
    }
    assert_int_equal(r.orders.role, ROLE_WARM);
    assert_int_equal(r.main.state, ELECTION_LEADING);
    sees(&r, &r.standby, released_at(2, 20));
    r.now_ns += DURATION;
    step(&r, &r.standby, EVENT_TIMER);
    assert_int_equal(r.standby.call, CALL_NONE);
    if (r.main.call == CALL_NONE)
        step(&r, &r.main, EVENT_TIMER);
    assert_int_equal(r.main.call, CALL_RENEW);
    done(&r, &r.main, CALL_OK, lease_of(1, HOLDER_ME, 21));
    assert_int_equal(r.orders.role, ROLE_LEADING);
}

static void test_yield_goes_back_to_the_queue(void **state)
{
    (void)state;
    struct replica r;
    leading(&r);
    step(&r, &r.main, EVENT_YIELD);
    assert_int_equal(r.main.call, CALL_RELEASE);
    done(&r, &r.main, CALL_OK, released_at(1, 10));
    assert_int_equal(r.main.mode, MODE_REST);
    assert_int_equal(r.standby.mode, MODE_CAMPAIGN);
    assert_int_equal(r.orders.role, ROLE_WARM);
}

/* ---- what it cannot claim ---- */

static void test_standby_that_cannot_claim_gives_up(void **state)
{
    (void)state;
    struct replica r;
    first(&r);
    sees(&r, &r.main, released_at(1, 7));
    done(&r, &r.main, CALL_FORBIDDEN, nothing);
    int64_t until_ns = START + 2 * RETRY;
    assert_int_equal(r.orders.wake_ns, until_ns);
    r.now_ns = until_ns - 1;
    settle(&r);
    assert_int_equal(r.gave_up, 0);
    r.now_ns = until_ns;
    settle(&r);
    assert_int_equal(r.gave_up, 0);
    assert_true(r.renew_asked); /* can the server be reached at all? */
    election_renew_soon(&r.standby, r.now_ns);
    step(&r, &r.standby, EVENT_TIMER);
    assert_int_equal(r.standby.call, CALL_RENEW);
    done(&r, &r.standby, CALL_OK, lease_of(2, HOLDER_ME, 8));
    assert_int_equal(r.gave_up, 1);
    assert_int_equal(r.standby.call, CALL_RELEASE);
    done(&r, &r.standby, CALL_OK, released_at(2, 9));
    assert_int_equal(r.main.mode, MODE_REST);
    assert_int_equal(r.orders.role, ROLE_WARM);
    assert_int_equal(r.standby.call, CALL_NONE); /* another one may try */
    r.now_ns += DURATION;
    step(&r, &r.standby, EVENT_TIMER);
    assert_int_equal(r.standby.call, CALL_CLAIM);
}

static void test_an_outage_is_no_reason_to_give_up(void **state)
{
    (void)state;
    struct replica r;
    first(&r);
    sees(&r, &r.main, released_at(1, 7));
    done(&r, &r.main, CALL_UNKNOWN, nothing);
    r.now_ns = START + 5 * SECOND;
    step(&r, &r.standby, EVENT_TIMER);
    assert_int_equal(r.standby.call, CALL_RENEW);
    done(&r, &r.standby, CALL_UNKNOWN, nothing);
    for (; r.now_ns < START + 60 * SECOND; r.now_ns += SECOND) {
        if (r.standby.call != CALL_NONE)
            done(&r, &r.standby, CALL_UNKNOWN, nothing);
        step(&r, &r.standby, EVENT_TIMER);
    }
    assert_int_equal(r.gave_up, 0);
}

static void test_trouble_ends_when_somebody_else_leads(void **state)
{
    (void)state;
    struct replica r;
    first(&r);
    sees(&r, &r.main, released_at(1, 7));
    done(&r, &r.main, CALL_FORBIDDEN, nothing);
    r.now_ns = START + SECOND;
    sees(&r, &r.main, lease_of(1, HOLDER_OTHER, 8));
    assert_int_equal(r.orders.wake_ns, INT64_MAX);
}

/* ---- permissions, returns ---- */

static void test_without_permission_it_competes_directly(void **state)
{
    (void)state;
    struct replica r;
    outside(&r);
    step(&r, &r.standby, EVENT_ABSENT);
    done(&r, &r.standby, CALL_FORBIDDEN, nothing);
    assert_true(r.orders.alone);
    assert_int_equal(r.main.mode, MODE_CAMPAIGN);
    assert_true(r.orders.watch_main);
    assert_int_equal(r.orders.role, ROLE_COLD);
    sees(&r, &r.standby, lease_of(2, HOLDER_OTHER, 6)); /* somebody else may: so it need not */
    assert_false(r.orders.alone);
    assert_int_equal(r.main.mode, MODE_REST);
}

static void test_restarted_leader_takes_its_own_lease_back(void **state)
{
    (void)state;
    struct replica r = {.now_ns = START};
    struct election_config own = config;
    own.may_take_back = true;
    election_init(&r.main, &own);
    election_init(&r.standby, &own);
    standby_init(&r.pair, STANDBY_AUTO, false);
    settle(&r);
    assert_int_equal(r.main.call, CALL_GET);
    done(&r, &r.main, CALL_OK, lease_of(1, HOLDER_TWIN, 5));
    assert_int_equal(r.standby.mode, MODE_HOLD);
    step(&r, &r.main, EVENT_TIMER);
    assert_int_equal(r.main.call, CALL_CLAIM);
    done(&r, &r.main, CALL_OK, lease_of(1, HOLDER_ME, 6));
    assert_int_equal(r.orders.role, ROLE_LEADING);
}

static void test_a_main_lease_that_must_have_been_there_is_waited_for(void **state)
{
    (void)state;
    struct replica r;
    start(&r, STANDBY_AUTO);
    done(&r, &r.main, CALL_NOT_FOUND, nothing);
    step(&r, &r.standby, EVENT_WATCH_UP);
    sees(&r, &r.standby, lease_of(2, HOLDER_OTHER, 6)); /* another one stood by: so there was one */
    sees(&r, &r.standby, released_at(2, 7));
    done(&r, &r.standby, CALL_OK, lease_of(2, HOLDER_ME, 8));
    step(&r, &r.main, EVENT_WATCH_UP);
    step(&r, &r.main, EVENT_ABSENT);
    assert_int_equal(r.main.call, CALL_NONE);
    assert_true(r.main.claim_at_ns >= START + DURATION);
}

/* ---- both gone ---- */

/* Sees version 6 of the standby's Lease, which names `version` of the main one, and takes it when it has run out. */
static void take_standby_naming(struct replica *r, uint64_t version)
{
    outside(r);
    r->now_ns = START + 3 * SECOND;
    sees(r, &r->standby, lease_of(2, HOLDER_OTHER, 6));
    r->now_ns += DURATION;
    standby_keep_proof(&r->pair, &r->standby, 1, version);
    step(r, &r->standby, EVENT_TIMER);
    assert_int_equal(r->standby.call, CALL_CLAIM);
    done(r, &r->standby, CALL_OK, lease_of(2, HOLDER_ME, 7));
    assert_int_equal(r->proven, 0); /* not by what it knew before it rested */
    step(r, &r->main, EVENT_WATCH_UP);
}

static void test_an_unwritten_main_lease_is_claimed_at_once(void **state)
{
    (void)state;
    struct replica r;
    take_standby_naming(&r, 9);
    sees(&r, &r.main, lease_of(1, HOLDER_OTHER, 9));
    assert_int_equal(r.proven, 1);
    assert_int_equal(r.main.call, CALL_CLAIM);
    assert_int_equal(r.main.gone_ns, START + 3 * SECOND + DURATION);
}

static void test_a_main_lease_that_was_written_since_is_waited_out(void **state)
{
    (void)state;
    struct replica r;
    take_standby_naming(&r, 9);
    sees(&r, &r.main, lease_of(1, HOLDER_OTHER, 10));
    assert_int_equal(r.proven, 0);
    assert_int_equal(r.main.call, CALL_NONE);
    assert_int_equal(r.main.claim_at_ns, r.now_ns + DURATION);
    /* Nor does it help later: the version was another one in between. */
    sees(&r, &r.main, lease_of(1, HOLDER_OTHER, 9));
    assert_int_equal(r.proven, 0);
}

static void test_the_longest_duration_counts_for_the_proof(void **state)
{
    (void)state;
    struct replica r;
    take_standby_naming(&r, 9);
    struct election_lease longer = lease_of(1, HOLDER_OTHER, 9);
    longer.duration_ns = 60 * SECOND;
    sees(&r, &r.main, longer);
    assert_int_equal(r.main.call, CALL_NONE);
    assert_int_equal(r.main.claim_at_ns, START + 3 * SECOND + 60 * SECOND);
    struct election_lease shorter = lease_of(1, HOLDER_OTHER, 9);
    shorter.duration_ns = SECOND;
    take_standby_naming(&r, 9);
    sees(&r, &r.main, shorter);
    /* Shortened by hand, perhaps: what was seen before, and our own, count. */
    assert_int_equal(r.main.call, CALL_CLAIM);
    assert_int_equal(r.main.gone_ns, START + 3 * SECOND + DURATION);
}

/* ---- other modes ---- */

static void test_cold_and_warm_have_no_second_lease(void **state)
{
    (void)state;
    for (int warm = 0; warm < 2; warm++) {
        struct replica r;
        start(&r, warm ? STANDBY_WARM : STANDBY_COLD);
        assert_true(r.orders.watch_main);
        assert_false(r.orders.watch_standby);
        assert_int_equal(r.standby.mode, MODE_REST);
        assert_int_equal(r.orders.role, warm ? ROLE_WARM : ROLE_COLD);
        step(&r, &r.main, EVENT_WATCH_UP);
        step(&r, &r.main, EVENT_ABSENT);
        assert_int_equal(r.main.call, CALL_CREATE);
        done(&r, &r.main, CALL_OK, lease_of(1, HOLDER_ME, 2));
        assert_int_equal(r.orders.role, ROLE_LEADING);
    }
}

static void test_a_change_of_mode_lets_go_of_the_standby(void **state)
{
    (void)state;
    struct replica r;
    first(&r);
    r.pair.mode = STANDBY_COLD;
    settle(&r);
    assert_int_equal(r.standby.call, CALL_RELEASE);
    assert_int_equal(r.main.mode, MODE_CAMPAIGN);
    done(&r, &r.standby, CALL_OK, released_at(2, 9));
    assert_int_equal(r.standby.call, CALL_NONE);
    assert_false(r.orders.watch_standby);
    assert_int_equal(r.orders.role, ROLE_COLD);
    r.pair.mode = STANDBY_AUTO;
    settle(&r);
    assert_true(r.orders.watch_standby);
    assert_int_equal(r.main.mode, MODE_REST);
}

static void test_in_a_crowd_only_those_that_matter_watch(void **state)
{
    (void)state;
    struct replica r;
    first(&r);
    r.pair.crowd = true;
    settle(&r);
    assert_true(r.orders.watch_standby);
    outside(&r);
    r.pair.crowd = true;
    settle(&r);
    assert_false(r.orders.watch_standby);
    leading(&r);
    r.pair.crowd = true;
    settle(&r);
    assert_true(r.orders.watch_standby);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_is_created_after_the_other_at_a_first_start),
        cmocka_unit_test(test_outside_nothing_is_claimed),
        cmocka_unit_test(test_who_leads_lets_go_of_the_standby),
        cmocka_unit_test(test_who_lost_to_another_stays_warm_until_it_is_replaced),
        cmocka_unit_test(test_it_does_not_stay_warm_beside_a_standby_that_stays),
        cmocka_unit_test(test_cut_off_it_goes_on_renewing_and_does_not_stand_by),
        cmocka_unit_test(test_yield_goes_back_to_the_queue),
        cmocka_unit_test(test_standby_that_cannot_claim_gives_up),
        cmocka_unit_test(test_an_outage_is_no_reason_to_give_up),
        cmocka_unit_test(test_trouble_ends_when_somebody_else_leads),
        cmocka_unit_test(test_without_permission_it_competes_directly),
        cmocka_unit_test(test_restarted_leader_takes_its_own_lease_back),
        cmocka_unit_test(test_a_main_lease_that_must_have_been_there_is_waited_for),
        cmocka_unit_test(test_an_unwritten_main_lease_is_claimed_at_once),
        cmocka_unit_test(test_a_main_lease_that_was_written_since_is_waited_out),
        cmocka_unit_test(test_the_longest_duration_counts_for_the_proof),
        cmocka_unit_test(test_cold_and_warm_have_no_second_lease),
        cmocka_unit_test(test_a_change_of_mode_lets_go_of_the_standby),
        cmocka_unit_test(test_in_a_crowd_only_those_that_matter_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
