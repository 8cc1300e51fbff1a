/*
 * The election machine where the caller steers it: yields, modes (campaign, hold, rest), proofs, and reads far apart. The
 * ordinary rules are in test_election.c, random worlds in test_election_world.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "machine.h"

static struct election_lease released_at(uint64_t version)
{
    struct election_lease lease = lease_of(HOLDER_NONE, version);
    lease.released = true;
    lease.duration_ns = SECOND;
    return lease;
}

static const struct election_lease nothing = {.uid = 0};

/* Follows version 5 of somebody else's since START. */
static void follow(struct election *m)
{
    start_watching(m);
    sees(m, lease_of(HOLDER_OTHER, 5), START);
    assert_int_equal(m->state, ELECTION_FOLLOWING);
}

/* ---- yield ---- */

static void yield(struct election *m)
{
    lead(m);
    struct election_actions out = step(m, EVENT_YIELD, START + SECOND);
    assert_int_equal(out.call, CALL_RELEASE);
    assert_false(election_may_act(m, START + SECOND));
    out = done(m, CALL_OK, released_at(11), START + SECOND + 5 * MS);
    assert_true(has(&out, REPORT_RELEASED));
    assert_false(has(&out, REPORT_FREE));
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(m->state, ELECTION_FOLLOWING);
}

static void test_yield_releases_and_holds_back_for_one_duration(void **state)
{
    (void)state;
    struct election m;
    yield(&m);
    int64_t again_ns = START + SECOND + 5 * MS + DURATION;
    assert_int_equal(step(&m, EVENT_TIMER, again_ns - 1).call, CALL_NONE);
    assert_int_equal(step(&m, EVENT_TIMER, again_ns).call, CALL_CLAIM);
}

static void test_after_a_yield_a_release_of_somebody_else_is_claimed(void **state)
{
    (void)state;
    struct election m;
    yield(&m);
    sees(&m, lease_of(HOLDER_OTHER, 12), START + 2 * SECOND);
    assert_int_equal(sees(&m, released_at(13), START + 3 * SECOND).call, CALL_CLAIM);
}

/* A restored etcd gives its versions once more: whoever rested meanwhile finds the version that it knows, and yet the holder has renewed. */
static void test_a_version_that_is_given_again_is_another_record(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    step(&m, EVENT_REST, START + SECOND);
    int64_t now_ns = START + DURATION + SECOND;
    step(&m, EVENT_CAMPAIGN, now_ns);
    struct election_lease renewed = lease_of(HOLDER_OTHER, 5);
    renewed.renew_ns = 7;
    assert_int_equal(sees(&m, renewed, now_ns).call, CALL_NONE);
    assert_int_equal(step(&m, EVENT_TIMER, now_ns + DURATION - 1).call, CALL_NONE);
    assert_int_equal(step(&m, EVENT_TIMER, now_ns + DURATION).call, CALL_CLAIM);
}

/* Two yields in a row: the watch began when the next leader had released it, too, so that its name was never seen. */
static void test_after_a_yield_the_release_of_a_leader_that_was_never_seen_is_claimed(void **state)
{
    (void)state;
    struct election m;
    yield(&m);
    struct election_lease annotated = released_at(12); /* the same release, touched by somebody */
    assert_int_equal(sees(&m, annotated, START + 2 * SECOND).call, CALL_NONE);
    struct election_lease later = released_at(14);
    later.transitions = 1;
    assert_int_equal(sees(&m, later, START + 3 * SECOND).call, CALL_CLAIM);
}

static void test_after_a_yield_the_release_of_a_lease_made_again_is_claimed(void **state)
{
    (void)state;
    struct election m;
    yield(&m);
    struct election_lease another = released_at(14);
    another.uid = 2;
    assert_int_equal(sees(&m, another, START + 3 * SECOND).call, CALL_CLAIM);
}

/* The claim under way is carried out and given back, and both answers come late: the release is our own. */
static void test_a_yield_while_claiming_holds_back(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    assert_int_equal(sees(&m, released_at(6), START + SECOND).call, CALL_CLAIM);
    step(&m, EVENT_YIELD, START + SECOND + MS);
    struct election_lease ours = lease_of(HOLDER_ME, 7);
    ours.transitions = 1;
    assert_int_equal(done(&m, CALL_OK, ours, START + SECOND + 2 * MS).call, CALL_RELEASE);
    struct election_lease released = released_at(8);
    released.transitions = 1;
    sees(&m, released, START + SECOND + 3 * MS);
    assert_int_equal(done(&m, CALL_OK, released, START + SECOND + 4 * MS).call, CALL_NONE);
    int64_t again_ns = START + SECOND + 4 * MS + DURATION;
    assert_int_equal(step(&m, EVENT_TIMER, again_ns - 1).call, CALL_NONE);
    assert_int_equal(step(&m, EVENT_TIMER, again_ns).call, CALL_CLAIM);
}

/* A watch that has said that there is no Lease says it once. */
static void test_yield_of_a_lease_that_never_was_is_followed_by_a_look(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &config);
    step(&m, EVENT_START, START);
    step(&m, EVENT_WATCH_UP, START);
    assert_int_equal(step(&m, EVENT_ABSENT, START).call, CALL_CREATE);
    step(&m, EVENT_YIELD, START + MS); /* the creation hangs: release, conflict, look */
    assert_int_equal(step(&m, EVENT_TIMER, START + 400 * MS).call, CALL_RELEASE);
    assert_int_equal(done(&m, CALL_CONFLICT, nothing, START + 401 * MS).call, CALL_GET);
    struct election_actions out = done(&m, CALL_NOT_FOUND, nothing, START + 402 * MS);
    assert_int_equal(m.state, ELECTION_LEARNING);
    assert_int_equal(out.call, CALL_GET);
    done(&m, CALL_NOT_FOUND, nothing, START + 403 * MS);
    assert_int_equal(m.state, ELECTION_FOLLOWING);
    out = step(&m, EVENT_TIMER, START + 402 * MS + DURATION); /* nobody else has taken it */
    assert_int_equal(out.call, CALL_CREATE);
}

static void test_yield_overtaken_by_the_next_holder(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_YIELD, START + SECOND);
    sees(&m, released_at(11), START + SECOND + MS);
    sees(&m, lease_of(HOLDER_OTHER, 12), START + SECOND + 2 * MS);
    done(&m, CALL_OK, released_at(11), START + SECOND + 5 * MS);
    assert_int_equal(m.lease.version, 12);
    struct election_actions out = step(&m, EVENT_TIMER, START + 10 * SECOND);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, START + SECOND + 2 * MS + DURATION);
}

static void test_yield_waits_for_the_renewal_under_way(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    assert_int_equal(step(&m, EVENT_TIMER, START + 5 * SECOND).call, CALL_RENEW);
    assert_int_equal(step(&m, EVENT_YIELD, START + 5 * SECOND + MS).call, CALL_NONE);
    struct election_actions out =
        done(&m, CALL_OK, lease_of(HOLDER_ME, 11), START + 5 * SECOND + 4 * MS);
    assert_int_equal(out.call, CALL_RELEASE);
    assert_false(election_may_act(&m, START + 5 * SECOND + 4 * MS));
}

static void test_yield_that_cannot_be_written_ends_in_two_seconds(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_YIELD, START + SECOND);
    done(&m, CALL_REFUSED, nothing, START + SECOND);
    struct election_actions out = step(&m, EVENT_TIMER, START + 3 * SECOND);
    assert_true(has(&out, REPORT_RELEASE_FAILED));
    assert_int_equal(m.state, ELECTION_FOLLOWING);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 10), START + 3 * SECOND + MS);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(step(&m, EVENT_TIMER, START + 3 * SECOND + DURATION).call, CALL_CLAIM);
}

/* Paused during a yield: the answer to the renewal comes when the time for the release is over. */
static void test_a_yield_whose_time_is_over_starts_no_call(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    int64_t now_ns = START + 10 * MS + election_renew_interval_ns(&config);
    assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_RENEW);
    assert_int_equal(step(&m, EVENT_YIELD, now_ns + MS).call, CALL_NONE);
    struct election_actions out = done(&m, CALL_OK, lease_of(HOLDER_ME, 11), now_ns + 3 * SECOND);
    assert_int_equal(m.state, ELECTION_FOLLOWING);
    assert_true(has(&out, REPORT_RELEASE_FAILED));
    assert_int_equal(out.call, m.call);
    assert_false(out.cancel);
}

static void test_stop_during_a_yield_ends_with_the_release(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_YIELD, START + SECOND);
    assert_int_equal(step(&m, EVENT_STOP, START + SECOND + MS).call, CALL_NONE);
    struct election_actions out = done(&m, CALL_OK, released_at(11), START + SECOND + 5 * MS);
    assert_true(has(&out, REPORT_RELEASED));
    assert_int_equal(m.state, ELECTION_STOPPED);
    assert_int_equal(out.wake_ns, INT64_MAX);
}

static void test_yield_of_a_standby_changes_nothing(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    struct election_actions out = step(&m, EVENT_YIELD, START + SECOND);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, START + DURATION);
}

/* A stop while our claim hangs must not release what somebody else has claimed meanwhile. */
static void test_stop_does_not_release_somebody_else(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    assert_int_equal(step(&m, EVENT_TIMER, START + DURATION).call, CALL_CLAIM);
    step(&m, EVENT_STOP, START + DURATION + MS);
    sees(&m, lease_of(HOLDER_OTHER, 6), START + DURATION + 2 * MS);
    struct election_actions out = step(&m, EVENT_TIMER, START + DURATION + 400 * MS);
    assert_true(out.cancel);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 6), START + DURATION + 401 * MS);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(m.state, ELECTION_STOPPED);
}

static void test_refused_claim_leaves_nothing_to_release(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    step(&m, EVENT_TIMER, START + DURATION);
    step(&m, EVENT_STOP, START + DURATION + MS);
    struct election_actions out = done(&m, CALL_FORBIDDEN, nothing, START + DURATION + 2 * MS);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(m.state, ELECTION_STOPPED);
}

/* ---- modes ---- */

static void test_one_that_holds_claims_nothing_and_looks_on(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    step(&m, EVENT_HOLD, START + SECOND);
    struct election_actions out = step(&m, EVENT_TIMER, START + DURATION);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, INT64_MAX);
    out = sees(&m, released_at(6), START + 20 * SECOND);
    assert_int_equal(out.call, CALL_NONE);
    assert_false(has(&out, REPORT_FREE));
    assert_int_equal(step(&m, EVENT_CAMPAIGN, START + 21 * SECOND).call, CALL_CLAIM);
}

static void test_one_that_holds_and_cannot_watch_reads(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &config);
    step(&m, EVENT_HOLD, START);
    step(&m, EVENT_START, START);
    assert_int_equal(step(&m, EVENT_TIMER, START + 500 * MS).call, CALL_GET);
    struct election_actions out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), START + 510 * MS);
    assert_int_equal(out.wake_ns, START + 2510 * MS);
}

static void test_one_that_rests_asks_nothing(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &config);
    step(&m, EVENT_START, START);
    struct election_actions out = step(&m, EVENT_TIMER, START + 500 * MS);
    assert_int_equal(out.call, CALL_GET);
    out = step(&m, EVENT_REST, START + 501 * MS);
    assert_true(out.cancel);
    assert_int_equal(out.wake_ns, INT64_MAX);
    out = step(&m, EVENT_WATCH_DOWN, START + 502 * MS);
    assert_int_equal(out.wake_ns, INT64_MAX);
    assert_int_equal(step(&m, EVENT_TIMER, START + 100 * SECOND).call, CALL_NONE);
}

static void test_a_claim_under_way_survives_the_rest(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    assert_int_equal(step(&m, EVENT_TIMER, START + DURATION).call, CALL_CLAIM);
    assert_false(step(&m, EVENT_REST, START + DURATION + MS).cancel);
    done(&m, CALL_OK, lease_of(HOLDER_ME, 6), START + DURATION + 5 * MS);
    assert_int_equal(m.state, ELECTION_LEADING);
    assert_int_equal(step(&m, EVENT_TIMER, START + DURATION + 5 * SECOND).call, CALL_RENEW);
}

static void rest(struct election *m, int64_t now_ns)
{
    step(m, EVENT_REST, now_ns);
    step(m, EVENT_WATCH_DOWN, now_ns);
}

static void test_after_a_rest_an_unchanged_record_counts_from_when_it_was_seen(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    rest(&m, START + SECOND);
    /* Its time has come, but nothing is claimed before it was looked at. */
    struct election_actions out = step(&m, EVENT_CAMPAIGN, START + 60 * SECOND);
    assert_int_equal(out.call, CALL_NONE);
    step(&m, EVENT_WATCH_UP, START + 60 * SECOND + MS);
    assert_int_equal(sees(&m, lease_of(HOLDER_OTHER, 5), START + 60 * SECOND + 2 * MS).call,
                     CALL_CLAIM);
}

static void test_after_a_rest_a_changed_record_is_waited_out(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    rest(&m, START + SECOND);
    step(&m, EVENT_CAMPAIGN, START + 60 * SECOND);
    step(&m, EVENT_WATCH_UP, START + 60 * SECOND);
    struct election_actions out = sees(&m, lease_of(HOLDER_OTHER, 8), START + 60 * SECOND);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, START + 60 * SECOND + DURATION);
}

static void test_after_a_rest_an_older_event_is_no_look(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    rest(&m, START + SECOND);
    step(&m, EVENT_CAMPAIGN, START + 60 * SECOND);
    step(&m, EVENT_WATCH_UP, START + 60 * SECOND);
    struct election_actions out = sees(&m, lease_of(HOLDER_OTHER, 4), START + 60 * SECOND);
    assert_int_equal(out.call, CALL_NONE);
    out = step(&m, EVENT_TIMER, out.wake_ns);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), START + 61 * SECOND);
    assert_int_equal(out.call, CALL_CLAIM);
}

static void test_after_a_rest_absence_is_waited_out_and_looked_at_again(void **state)
{
    (void)state;
    struct election m;
    for (int had_gone = 0; had_gone < 2; had_gone++) {
        follow(&m);
        int64_t now_ns = START + SECOND;
        if (had_gone) { /* it was absent before the rest: it may have been there meanwhile */
            feed(&m,
                 (struct election_event){.kind = EVENT_DELETED, .lease = lease_of(HOLDER_OTHER, 7)},
                 now_ns);
        }
        rest(&m, now_ns);
        now_ns += SECOND; /* shorter than what counts as watching without a gap */
        step(&m, EVENT_CAMPAIGN, now_ns);
        step(&m, EVENT_WATCH_UP, now_ns);
        struct election_actions out = step(&m, EVENT_ABSENT, now_ns);
        assert_int_equal(out.call, CALL_NONE);
        assert_int_equal(out.wake_ns, now_ns + DURATION);
        assert_int_equal(step(&m, EVENT_TIMER, now_ns + DURATION).call, CALL_GET);
        out = done(&m, CALL_NOT_FOUND, nothing, now_ns + DURATION + MS);
        assert_int_equal(out.call, CALL_CREATE);
    }
}

/* What was seen before the rest was a release, of one second: somebody may have led since. */
static void test_after_a_rest_a_whole_duration_is_waited_for_what_is_gone(void **state)
{
    (void)state;
    for (int cleared = 0; cleared < 2; cleared++) {
        struct election m;
        start_watching(&m);
        step(&m, EVENT_HOLD, START);
        sees(&m, released_at(5), START);
        rest(&m, START + SECOND);
        int64_t now_ns = START + 60 * SECOND;
        step(&m, EVENT_CAMPAIGN, now_ns);
        step(&m, EVENT_WATCH_UP, now_ns);
        struct election_actions out =
            cleared ? sees(&m, lease_of(HOLDER_NONE, 9), now_ns) : step(&m, EVENT_ABSENT, now_ns);
        assert_int_equal(out.call, CALL_NONE);
        assert_int_equal(out.wake_ns, now_ns + DURATION);
    }
}

static void test_a_lease_known_to_have_existed_is_not_created_at_once(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &config);
    step(&m, EVENT_REST, START);
    feed(&m, (struct election_event){.kind = EVENT_CAMPAIGN, .existed = true}, START);
    step(&m, EVENT_WATCH_UP, START);
    struct election_actions out = step(&m, EVENT_ABSENT, START + MS);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, START + MS + DURATION);
    /* And one that is there after all is taken as it is. */
    election_init(&m, &config);
    step(&m, EVENT_REST, START);
    feed(&m, (struct election_event){.kind = EVENT_CAMPAIGN, .existed = true}, START);
    step(&m, EVENT_WATCH_UP, START);
    assert_int_equal(sees(&m, released_at(3), START + MS).call, CALL_CLAIM);
}

static void test_first_campaign_creates_at_once(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &config);
    step(&m, EVENT_REST, START);
    step(&m, EVENT_CAMPAIGN, START);
    step(&m, EVENT_WATCH_UP, START);
    assert_int_equal(step(&m, EVENT_ABSENT, START + MS).call, CALL_CREATE);
}

static void test_one_that_rests_does_not_claim_when_it_loses(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_REST, START + SECOND);
    assert_true(election_may_act(&m, START + SECOND));
    sees(&m, lease_of(HOLDER_OTHER, 12), START + 2 * SECOND);
    assert_false(election_may_act(&m, START + 2 * SECOND));
    struct election_actions out = sees(&m, released_at(13), START + 3 * SECOND);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, INT64_MAX);
}

/* ---- late answers ---- */

static void test_late_not_found_does_not_undo_what_the_watch_has_shown(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &config);
    step(&m, EVENT_START, START);
    assert_int_equal(step(&m, EVENT_TIMER, START + 500 * MS).call, CALL_GET);
    step(&m, EVENT_WATCH_UP, START + 501 * MS);
    sees(&m, lease_of(HOLDER_OTHER, 5), START + 502 * MS);
    struct election_actions out = done(&m, CALL_NOT_FOUND, nothing, START + 503 * MS);
    assert_false(has(&out, REPORT_GONE));
    assert_true(m.present);
    assert_int_equal(out.wake_ns, START + 502 * MS + DURATION);
}

static void test_what_was_thought_to_be_gone_is_found_again(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    step(&m, EVENT_ABSENT, START + SECOND); /* of a watch that was behind */
    assert_false(m.present);
    int64_t now_ns = START + SECOND + DURATION;
    assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_GET);
    struct election_actions out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), now_ns + MS);
    assert_true(m.present);
    assert_int_equal(out.call, CALL_NONE);
    out = step(&m, EVENT_TIMER, out.wake_ns);
    assert_int_equal(out.call, CALL_CLAIM); /* not a creation, which could never succeed */
}

/* ---- proofs ---- */

static struct election_actions prove(struct election *m, uint64_t uid, uint64_t version,
                                     int64_t gone_ns, int64_t now_ns)
{
    return feed(m,
                (struct election_event){.kind = EVENT_PROVEN,
                                        .lease = {.uid = uid, .version = version},
                                        .gone_ns = gone_ns},
                now_ns);
}

static void test_proof_for_the_newest_version_claims_at_once(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    assert_int_equal(prove(&m, 1, 5, START + SECOND, START + SECOND).call, CALL_CLAIM);
    assert_int_equal(m.gone_ns, START + SECOND);
}

static void test_proof_for_another_version_or_lease_means_nothing(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    assert_int_equal(prove(&m, 1, 4, START + SECOND, START + SECOND).call, CALL_NONE);
    assert_int_equal(prove(&m, 2, 5, START + SECOND, START + SECOND).call, CALL_NONE);
    assert_int_equal(m.gone_ns, 0);
    sees(&m, lease_of(HOLDER_OTHER, 6), START + 2 * SECOND);
    assert_int_equal(prove(&m, 1, 5, START + 2 * SECOND, START + 2 * SECOND).call, CALL_NONE);
}

static void test_proof_ends_with_the_next_version(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    step(&m, EVENT_HOLD, START);
    prove(&m, 1, 5, START + SECOND, START + SECOND);
    sees(&m, lease_of(HOLDER_OTHER, 6), START + 2 * SECOND);
    assert_int_equal(m.gone_ns, 0);
    struct election_actions out = step(&m, EVENT_CAMPAIGN, START + 2 * SECOND);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, START + 2 * SECOND + DURATION);
}

static void test_proof_that_begins_later_is_claimed_then(void **state)
{
    (void)state;
    struct election m;
    follow(&m);
    struct election_actions out = prove(&m, 1, 5, START + 9 * SECOND, START + SECOND);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, START + 9 * SECOND);
    assert_int_equal(step(&m, EVENT_TIMER, START + 9 * SECOND).call, CALL_CLAIM);
}

static void test_proof_of_a_leader_or_of_what_it_leads_is_ignored(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    assert_int_equal(prove(&m, 1, 10, START + SECOND, START + SECOND).call, CALL_NONE);
    assert_int_equal(m.state, ELECTION_LEADING);
    assert_true(election_may_act(&m, START + 2 * SECOND));
}

/* ---- reads far apart ---- */

static const struct election_config crowd_config = {
    .duration_ns = DURATION,
    .renew_deadline_ns = 10 * SECOND,
    .retry_period_ns = 2 * SECOND,
    .margin_ns = SECOND,
    .poll_ns = DURATION,
    .release = true,
};

static void test_crowd_reads_once_each_duration_with_jitter(void **state)
{
    (void)state;
    int64_t least_ns = INT64_MAX, most_ns = 0, sum_ns = 0;
    enum { ROUNDS = 2000 };
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct election m;
        election_init(&m, &crowd_config);
        step(&m, EVENT_START, START);
        step(&m, EVENT_TIMER, START + 500 * MS);
        struct election_actions out =
            feed(&m,
                 (struct election_event){.kind = EVENT_CALL_DONE,
                                         .outcome = CALL_OK,
                                         .lease = lease_of(HOLDER_OTHER, 5),
                                         .random = i * UINT64_C(0x9E3779B97F4A7C15)},
                 START + 500 * MS);
        int64_t wait_ns = out.wake_ns - START - 500 * MS;
        least_ns = wait_ns < least_ns ? wait_ns : least_ns;
        most_ns = wait_ns > most_ns ? wait_ns : most_ns;
        sum_ns += wait_ns;
        /* Whether its time or that of the expiry has come: a read goes before a claim. */
        assert_int_equal(step(&m, EVENT_TIMER, out.wake_ns).call, CALL_GET);
    }
    /* Between four fifths of the duration and the expiry of what was read; 1,000 ask at most 80 times a second. */
    assert_in_range(least_ns, DURATION * 8 / 10, DURATION * 81 / 100);
    assert_int_equal(most_ns, DURATION);
    assert_true(sum_ns / ROUNDS > 1000 * SECOND / 75);
}

static void test_crowd_reads_before_it_claims(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &crowd_config);
    step(&m, EVENT_START, START);
    step(&m, EVENT_TIMER, START);
    assert_int_equal(step(&m, EVENT_TIMER, START + 500 * MS).call, CALL_GET);
    struct election_actions out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), START + 500 * MS);
    int64_t expiry_ns = START + 500 * MS + DURATION;
    assert_int_equal(step(&m, EVENT_TIMER, out.wake_ns).call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), out.wake_ns + MS);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, expiry_ns);
    out = step(&m, EVENT_TIMER, expiry_ns);
    if (out.call == CALL_GET) /* the read before was too long ago */
        out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), expiry_ns + MS);
    assert_int_equal(out.call, CALL_CLAIM);
}

/* How long a crowd's candidate waits behind one more read that failed. */
static int64_t wait_after_failure_ns(struct election *m, int64_t *now_ns)
{
    struct election_actions out = done(m, CALL_UNKNOWN, nothing, *now_ns);
    assert_int_equal(out.call, CALL_NONE);
    int64_t wait_ns = out.wake_ns - *now_ns;
    *now_ns = out.wake_ns;
    assert_int_equal(step(m, EVENT_TIMER, *now_ns).call, CALL_GET);
    return wait_ns;
}

/* A server that is too busy to answer is not asked more often by a thousand of them than one that answers. */
static void test_a_crowd_asks_a_busy_server_less(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &crowd_config);
    step(&m, EVENT_START, START);
    step(&m, EVENT_TIMER, START + 500 * MS);
    int64_t now_ns = START + 500 * MS;
    assert_in_range(wait_after_failure_ns(&m, &now_ns), 25 * MS, 50 * MS);
    for (int i = 0; i < 8; i++)
        wait_after_failure_ns(&m, &now_ns);
    for (int i = 0; i < 20; i++)
        assert_in_range(wait_after_failure_ns(&m, &now_ns), DURATION / 2, DURATION);
    /* Once it answers, as ever. */
    struct election_actions out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), now_ns);
    assert_in_range(out.wake_ns - now_ns, DURATION * 8 / 10, DURATION);
}

/* ---- keep ---- */

static const struct election_config keep_config = {
    .duration_ns = DURATION,
    .renew_deadline_ns = 10 * SECOND,
    .retry_period_ns = 2 * SECOND,
    .margin_ns = SECOND,
    .release = true,
    .keep = true,
};

static void lead_and_keep(struct election *m)
{
    election_init(m, &keep_config);
    step(m, EVENT_START, START);
    step(m, EVENT_WATCH_UP, START);
    step(m, EVENT_ABSENT, START);
    done(m, CALL_OK, lease_of(HOLDER_ME, 10), START);
}

/* Nobody answers any more: each wake-up in time, each call refused. Returns how often REPORT_KEPT came. */
static int run_without_answers(struct election *m, int64_t from_ns, int64_t until_ns)
{
    int kept = 0;
    int64_t now_ns = from_ns;
    struct election_actions out = step(m, EVENT_TIMER, now_ns);
    while (now_ns < until_ns) {
        kept += has(&out, REPORT_KEPT);
        assert_true(election_may_act(m, now_ns));
        if (out.call != CALL_NONE) {
            out = done(m, CALL_REFUSED, nothing, now_ns);
            continue;
        }
        assert_true(out.wake_ns > now_ns);
        now_ns = out.wake_ns;
        assert_true(election_may_act(m, now_ns));
        out = step(m, EVENT_TIMER, now_ns);
    }
    return kept;
}

static void test_keep_goes_on_while_nobody_answers(void **state)
{
    (void)state;
    struct election m;
    lead_and_keep(&m);
    assert_int_equal(run_without_answers(&m, START + 5 * SECOND, START + 600 * SECOND), 1);
    assert_int_equal(m.state, ELECTION_LEADING);
    /* A success ends it, and the next outage is told again. */
    struct election_actions out = {.call = CALL_NONE, .wake_ns = m.act_at_ns};
    int64_t now_ns = START + 600 * SECOND;
    while (out.call != CALL_RENEW) {
        now_ns = out.wake_ns;
        out = step(&m, EVENT_TIMER, now_ns);
    }
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 11), now_ns + MS);
    assert_false(has(&out, REPORT_LED));
    assert_int_equal(m.gate_ns, now_ns + 14 * SECOND);
    assert_int_equal(run_without_answers(&m, now_ns + 5 * SECOND, now_ns + 60 * SECOND), 1);
}

static void test_keep_ends_with_a_foreign_holder(void **state)
{
    (void)state;
    struct election m;
    lead_and_keep(&m);
    run_without_answers(&m, START + 5 * SECOND, START + 60 * SECOND);
    struct election_actions out = sees(&m, lease_of(HOLDER_OTHER, 12), START + 61 * SECOND);
    assert_true(has(&out, REPORT_LOST_FOREIGN));
    assert_false(election_may_act(&m, START + 61 * SECOND));
}

static void test_keep_ends_when_the_lease_is_gone(void **state)
{
    (void)state;
    struct election m;
    lead_and_keep(&m);
    run_without_answers(&m, START + 5 * SECOND, START + 60 * SECOND);
    struct election_actions out = feed(
        &m, (struct election_event){.kind = EVENT_DELETED, .lease = lease_of(HOLDER_OTHER, 12)},
        START + 60 * SECOND);
    assert_false(election_may_act(&m, START + 60 * SECOND));
    assert_int_equal(m.state, ELECTION_FOLLOWING);
    assert_int_equal(out.call, CALL_NONE);
}

/* The server answers: the record is not the one that we know. Whose it is we may not read, so somebody else may lead. */
static void test_keep_ends_when_a_conflict_may_not_be_read(void **state)
{
    (void)state;
    struct election m;
    lead_and_keep(&m);
    int64_t now_ns = START + 5 * SECOND;
    assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_RENEW);
    assert_int_equal(done(&m, CALL_CONFLICT, nothing, now_ns + MS).call, CALL_GET);
    struct election_actions out = done(&m, CALL_FORBIDDEN, nothing, now_ns + 2 * MS);
    for (bool is_closed = false; !is_closed;) { /* whatever wakes it, and however often */
        now_ns += 100 * MS;
        assert_true(now_ns <= START + 14 * SECOND); /* as without `keep` */
        out = step(&m, EVENT_TIMER, now_ns);
        is_closed = has(&out, REPORT_LOST_GATE);
        while (out.call != CALL_NONE)
            out = done(&m, out.call == CALL_GET ? CALL_FORBIDDEN : CALL_CONFLICT, nothing, now_ns);
        assert_true(out.wake_ns > now_ns);
    }
    assert_false(election_may_act(&m, now_ns));
    /* The permission is there again, and so is what was kept. */
    m.call = CALL_RENEW;
    done(&m, CALL_OK, lease_of(HOLDER_ME, 20), START + 30 * SECOND);
    assert_false(m.blind);
}

/* Paused while nobody answered: closed when it wakes, until the server has answered. */
static void test_keep_does_not_survive_a_pause(void **state)
{
    (void)state;
    for (int when = 0; when < 2; when++) { /* within the Lease's time; beyond it */
        struct election m;
        lead_and_keep(&m);
        int64_t paused_ns = START + (when == 0 ? 4 : 60) * SECOND;
        if (when == 1)
            run_without_answers(&m, START + 5 * SECOND, paused_ns);
        int64_t woken_ns = paused_ns + (when == 0 ? 11 : 3) * SECOND;
        assert_false(election_may_act(&m, woken_ns)); /* before any timer has run */
        struct election_actions out = step(&m, EVENT_TIMER, woken_ns);
        assert_true(has(&out, REPORT_LOST_GATE));
        assert_false(election_may_act(&m, woken_ns));
        assert_int_equal(out.call, CALL_RENEW);
        out = done(&m, CALL_REFUSED, nothing, woken_ns + MS);
        assert_false(election_may_act(&m, woken_ns + MS));
        out = step(&m, EVENT_TIMER, out.wake_ns);
        assert_int_equal(out.call, CALL_RENEW);
        out = done(&m, CALL_OK, lease_of(HOLDER_ME, 11), woken_ns + SECOND);
        assert_true(has(&out, REPORT_GATE_REOPENED));
        assert_true(election_may_act(&m, woken_ns + SECOND));
    }
}

static void test_without_keep_the_gate_closes(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    struct election_actions out = step(&m, EVENT_TIMER, START + 5 * SECOND);
    for (int64_t now_ns = START + 5 * SECOND; now_ns < START + 14 * SECOND; now_ns = out.wake_ns) {
        if (out.call != CALL_NONE)
            out = done(&m, CALL_REFUSED, nothing, now_ns);
        out = step(&m, EVENT_TIMER, out.wake_ns);
    }
    assert_false(election_may_act(&m, START + 14 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yield_releases_and_holds_back_for_one_duration),
        cmocka_unit_test(test_a_version_that_is_given_again_is_another_record),
        cmocka_unit_test(test_after_a_yield_a_release_of_somebody_else_is_claimed),
        cmocka_unit_test(test_after_a_yield_the_release_of_a_leader_that_was_never_seen_is_claimed),
        cmocka_unit_test(test_after_a_yield_the_release_of_a_lease_made_again_is_claimed),
        cmocka_unit_test(test_a_yield_while_claiming_holds_back),
        cmocka_unit_test(test_yield_of_a_lease_that_never_was_is_followed_by_a_look),
        cmocka_unit_test(test_yield_overtaken_by_the_next_holder),
        cmocka_unit_test(test_yield_waits_for_the_renewal_under_way),
        cmocka_unit_test(test_yield_that_cannot_be_written_ends_in_two_seconds),
        cmocka_unit_test(test_a_yield_whose_time_is_over_starts_no_call),
        cmocka_unit_test(test_stop_during_a_yield_ends_with_the_release),
        cmocka_unit_test(test_yield_of_a_standby_changes_nothing),
        cmocka_unit_test(test_stop_does_not_release_somebody_else),
        cmocka_unit_test(test_refused_claim_leaves_nothing_to_release),
        cmocka_unit_test(test_one_that_holds_claims_nothing_and_looks_on),
        cmocka_unit_test(test_one_that_holds_and_cannot_watch_reads),
        cmocka_unit_test(test_one_that_rests_asks_nothing),
        cmocka_unit_test(test_a_claim_under_way_survives_the_rest),
        cmocka_unit_test(test_after_a_rest_an_unchanged_record_counts_from_when_it_was_seen),
        cmocka_unit_test(test_after_a_rest_a_changed_record_is_waited_out),
        cmocka_unit_test(test_after_a_rest_an_older_event_is_no_look),
        cmocka_unit_test(test_after_a_rest_absence_is_waited_out_and_looked_at_again),
        cmocka_unit_test(test_after_a_rest_a_whole_duration_is_waited_for_what_is_gone),
        cmocka_unit_test(test_a_lease_known_to_have_existed_is_not_created_at_once),
        cmocka_unit_test(test_first_campaign_creates_at_once),
        cmocka_unit_test(test_one_that_rests_does_not_claim_when_it_loses),
        cmocka_unit_test(test_late_not_found_does_not_undo_what_the_watch_has_shown),
        cmocka_unit_test(test_what_was_thought_to_be_gone_is_found_again),
        cmocka_unit_test(test_proof_for_the_newest_version_claims_at_once),
        cmocka_unit_test(test_proof_for_another_version_or_lease_means_nothing),
        cmocka_unit_test(test_proof_ends_with_the_next_version),
        cmocka_unit_test(test_proof_that_begins_later_is_claimed_then),
        cmocka_unit_test(test_proof_of_a_leader_or_of_what_it_leads_is_ignored),
        cmocka_unit_test(test_crowd_reads_once_each_duration_with_jitter),
        cmocka_unit_test(test_crowd_reads_before_it_claims),
        cmocka_unit_test(test_a_crowd_asks_a_busy_server_less),
        cmocka_unit_test(test_keep_goes_on_while_nobody_answers),
        cmocka_unit_test(test_keep_ends_with_a_foreign_holder),
        cmocka_unit_test(test_keep_ends_when_the_lease_is_gone),
        cmocka_unit_test(test_keep_ends_when_a_conflict_may_not_be_read),
        cmocka_unit_test(test_keep_does_not_survive_a_pause),
        cmocka_unit_test(test_without_keep_the_gate_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
