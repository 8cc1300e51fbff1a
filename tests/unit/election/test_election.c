/* The election machine, rule by rule. Random worlds are in test_election_world.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "machine.h"

static void test_no_lease_is_created_at_once(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    assert_true(election_may_act(&m, START + 10 * MS));
}

/* A read that found nothing, and was overtaken by our own record: the leader must not wait for ever for what it has already got. */
static void test_leader_reads_again_after_a_late_not_found(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    assert_int_equal(step(&m, EVENT_TIMER, START + 5 * SECOND).call, CALL_RENEW);
    assert_int_equal(done(&m, CALL_CONFLICT, lease_of(HOLDER_ME, 0), START + 6 * SECOND).call,
                     CALL_GET);
    sees(&m, lease_of(HOLDER_ME, 12), START + 6 * SECOND + MS);
    struct election_actions out =
        done(&m, CALL_NOT_FOUND, lease_of(HOLDER_ME, 0), START + 6 * SECOND + 2 * MS);
    assert_int_equal(m.state, ELECTION_LEADING);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 12), START + 6 * SECOND + 3 * MS);
    assert_int_equal(out.call, CALL_RENEW);
}

static void test_gate_counts_from_the_send_time(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    step(&m, EVENT_ABSENT, START);
    done(&m, CALL_OK, lease_of(HOLDER_ME, 10), START + 3 * SECOND); /* a slow answer */
    assert_true(election_may_act(&m, START + 14 * SECOND - 1));
    assert_false(election_may_act(&m, START + 14 * SECOND));
}

static void test_answer_after_the_gate_does_not_lead(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    step(&m, EVENT_ABSENT, START);
    struct election_actions out = done(&m, CALL_OK, lease_of(HOLDER_ME, 10), START + 14 * SECOND);
    assert_false(has(&out, REPORT_LED));
    assert_int_equal(out.call, CALL_RENEW);
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 11), START + 14 * SECOND + 5 * MS);
    assert_true(election_may_act(&m, START + 15 * SECOND));
}

static void test_renewals_come_every_third_of_the_duration(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    assert_int_equal(election_renew_interval_ns(&config), 5 * SECOND);
    struct election_actions out = step(&m, EVENT_TIMER, START + 5 * SECOND - 1);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, START + 5 * SECOND);
    out = step(&m, EVENT_TIMER, START + 5 * SECOND);
    assert_int_equal(out.call, CALL_RENEW);
}

static void test_expired_lease_is_claimed_at_the_exact_time(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    struct election_actions out = sees(&m, lease_of(HOLDER_OTHER, 5), START + SECOND);
    assert_true(has(&out, REPORT_FOLLOWING));
    assert_int_equal(out.wake_ns, START + 16 * SECOND);
    out = step(&m, EVENT_TIMER, START + 16 * SECOND - 1);
    assert_int_equal(out.call, CALL_NONE);
    out = step(&m, EVENT_TIMER, START + 16 * SECOND);
    assert_int_equal(out.call, CALL_CLAIM);
}

static void test_only_a_newer_version_restarts_the_wait(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    sees(&m, lease_of(HOLDER_OTHER, 5), START);
    sees(&m, lease_of(HOLDER_OTHER, 4), START + 3 * SECOND);
    struct election_actions out = sees(&m, lease_of(HOLDER_OTHER, 5), START + 4 * SECOND);
    assert_int_equal(out.wake_ns, START + 15 * SECOND);
    out = sees(&m, lease_of(HOLDER_OTHER, 6), START + 5 * SECOND);
    assert_int_equal(out.wake_ns, START + 20 * SECOND);
}

static void test_release_is_taken_over_at_once(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    sees(&m, lease_of(HOLDER_OTHER, 5), START);
    struct election_lease released = lease_of(HOLDER_NONE, 6);
    released.released = true;
    released.duration_ns = SECOND;
    struct election_actions out = sees(&m, released, START + SECOND);
    assert_int_equal(out.call, CALL_CLAIM);
}

static void test_cleared_holder_is_not_a_release(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    sees(&m, lease_of(HOLDER_OTHER, 5), START);
    struct election_actions out = sees(&m, lease_of(HOLDER_NONE, 6), START + SECOND);
    assert_true(has(&out, REPORT_CLEARED));
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(out.wake_ns, START + 16 * SECOND);
}

static void test_shortened_duration_does_not_shorten_the_wait(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    sees(&m, lease_of(HOLDER_OTHER, 5), START);
    struct election_lease edited = lease_of(HOLDER_OTHER, 6);
    edited.duration_ns = SECOND;
    struct election_actions out = sees(&m, edited, START + SECOND);
    assert_int_equal(out.wake_ns, START + 16 * SECOND);
}

static void test_deleted_lease_is_waited_out_and_looked_at_again(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    sees(&m, lease_of(HOLDER_OTHER, 5), START);
    struct election_actions out;
    election_step(
        &m, &(struct election_event){.kind = EVENT_DELETED, .lease = lease_of(HOLDER_OTHER, 7)},
        START + SECOND, &out);
    assert_true(has(&out, REPORT_GONE));
    assert_int_equal(out.wake_ns, START + 16 * SECOND);
    out = step(&m, EVENT_TIMER, START + 16 * SECOND);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_NOT_FOUND, (struct election_lease){0}, START + 16 * SECOND + MS);
    assert_int_equal(out.call, CALL_CREATE);
}

static void test_leader_recreates_a_deleted_lease_at_once(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    struct election_actions out;
    election_step(&m,
                  &(struct election_event){.kind = EVENT_DELETED, .lease = lease_of(HOLDER_ME, 12)},
                  START + SECOND, &out);
    assert_int_equal(out.call, CALL_CREATE);
    assert_true(election_may_act(&m, START + SECOND));
}

static void test_former_leader_does_not_recreate(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_TIMER, START + 5 * SECOND); /* the renewal hangs while the process is paused */
    struct election_actions out =
        done(&m, CALL_UNKNOWN, (struct election_lease){0}, START + 30 * SECOND);
    assert_int_equal(out.call, CALL_GET);
    assert_true(has(&out, REPORT_LOST_GATE));
    out = done(&m, CALL_NOT_FOUND, (struct election_lease){0}, START + 30 * SECOND + MS);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(m.state, ELECTION_FOLLOWING);
}

static void test_foreign_holder_in_a_newer_version_closes_the_gate(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    struct election_actions out = sees(&m, lease_of(HOLDER_OTHER, 11), START + SECOND);
    assert_true(has(&out, REPORT_LOST_FOREIGN));
    assert_false(election_may_act(&m, START + SECOND));
    assert_int_equal(m.state, ELECTION_FOLLOWING);
}

static void test_late_watch_event_is_not_foreign(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    struct election_actions out = sees(&m, lease_of(HOLDER_OTHER, 9), START + SECOND);
    assert_int_equal(out.report_count, 0);
    assert_true(election_may_act(&m, START + SECOND));
}

static void test_foreign_holder_seen_before_our_answer(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_TIMER, START + 5 * SECOND);
    sees(&m, lease_of(HOLDER_OTHER, 12), START + 6 * SECOND);
    done(&m, CALL_OK, lease_of(HOLDER_ME, 11), START + 6 * SECOND + MS);
    assert_false(election_may_act(&m, START + 6 * SECOND + MS));
}

static void test_failing_renewals_close_the_gate_by_its_deadline(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    struct election_actions out = step(&m, EVENT_TIMER, START + 5 * SECOND);
    out = done(&m, CALL_REFUSED, (struct election_lease){0}, START + 5 * SECOND + MS);
    assert_true(out.wake_ns <= START + 5 * SECOND + 60 * MS); /* tried again soon */
    out = step(&m, EVENT_TIMER, START + 10 * SECOND);
    assert_true(has(&out, REPORT_RENEW_DEADLINE));
    assert_true(election_may_act(&m, START + 10 * SECOND));
    assert_int_equal(out.call, CALL_RENEW);
    out = step(&m, EVENT_TIMER, START + 14 * SECOND);
    assert_true(has(&out, REPORT_LOST_GATE));
    assert_int_equal(m.state, ELECTION_LEADING); /* nobody else has it */
    done(&m, CALL_REFUSED, (struct election_lease){0}, START + 14 * SECOND);
    step(&m, EVENT_TIMER, START + 17 * SECOND);
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 11), START + 17 * SECOND);
    assert_true(has(&out, REPORT_GATE_REOPENED));
    assert_true(election_may_act(&m, START + 17 * SECOND));
}

static void test_conflict_is_read_at_once(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_TIMER, START + 5 * SECOND);
    struct election_actions out =
        done(&m, CALL_CONFLICT, (struct election_lease){0}, START + 5 * SECOND + MS);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 11),
               START + 5 * SECOND + 2 * MS); /* a label was edited */
    assert_int_equal(out.call, CALL_RENEW);
}

static void test_timeout_asks_for_a_new_connection(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_TIMER, START + 5 * SECOND);
    struct election_actions out =
        done(&m, CALL_UNKNOWN, (struct election_lease){0}, START + 7 * SECOND);
    assert_int_equal(out.call, CALL_GET);
    assert_true(out.fresh_connection);
}

static void test_edited_duration_shrinks_the_gate_and_is_mended(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    struct election_lease edited = lease_of(HOLDER_ME, 11);
    edited.duration_ns = SECOND;
    struct election_actions out = sees(&m, edited, START + 3 * SECOND);
    assert_true(has(&out, REPORT_EDITED));
    assert_int_equal(out.call, CALL_RENEW);
    assert_false(election_may_act(&m, START + 3 * SECOND));
    done(&m, CALL_OK, lease_of(HOLDER_ME, 12), START + 3 * SECOND + 5 * MS);
    assert_true(election_may_act(&m, START + 3 * SECOND + 5 * MS));
}

static void test_missing_permission_is_said_once_and_retried(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    step(&m, EVENT_ABSENT, START);
    struct election_actions out = done(&m, CALL_FORBIDDEN, (struct election_lease){0}, START + MS);
    assert_true(has(&out, REPORT_FORBIDDEN));
    assert_int_equal(out.call, CALL_NONE);
    int64_t now_ns = START;
    for (int i = 0; i < 10; i++) {
        assert_true(out.wake_ns > now_ns + SECOND);
        now_ns = out.wake_ns;
        out = step(&m, EVENT_TIMER, now_ns);
        assert_int_equal(out.call, CALL_GET);
        out = done(&m, CALL_NOT_FOUND, (struct election_lease){0}, now_ns);
        assert_int_equal(out.call, CALL_CREATE);
        out = done(&m, CALL_FORBIDDEN, (struct election_lease){0}, now_ns);
        assert_false(has(&out, REPORT_FORBIDDEN));
    }
    step(&m, EVENT_TIMER, out.wake_ns);
    done(&m, CALL_NOT_FOUND, (struct election_lease){0}, out.wake_ns);
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 20), out.wake_ns + MS);
    assert_true(has(&out, REPORT_LED));
}

/* Updates are one permission: what is refused for another version was permitted, and says so of the kind that was denied before. */
static void test_a_conflict_shows_that_updates_are_permitted_again(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    int64_t now_ns = START + 5 * SECOND;
    assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_RENEW);
    struct election_actions out = done(&m, CALL_FORBIDDEN, lease_of(HOLDER_NONE, 0), now_ns);
    assert_true(has(&out, REPORT_FORBIDDEN));
    sees(&m, lease_of(HOLDER_OTHER, 15), now_ns);
    struct election_lease released = lease_of(HOLDER_NONE, 16);
    released.released = true;
    assert_int_equal(sees(&m, released, now_ns + MS).call, CALL_CLAIM);
    assert_int_not_equal(m.forbidden_calls, 0);
    done(&m, CALL_CONFLICT, lease_of(HOLDER_NONE, 0), now_ns + 2 * MS);
    assert_int_equal(m.forbidden_calls, 0);
}

static void test_twin_is_waited_out_unless_it_is_known_dead(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    struct election_actions out = sees(&m, lease_of(HOLDER_TWIN, 5), START);
    assert_int_equal(out.call, CALL_NONE);
    struct election_config may = config;
    may.may_take_back = true;
    election_init(&m, &may);
    step(&m, EVENT_WATCH_UP, START);
    out = sees(&m, lease_of(HOLDER_TWIN, 5), START);
    assert_int_equal(out.call, CALL_CLAIM);
}

static void test_without_a_watch_it_reads(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &config);
    step(&m, EVENT_START, START);
    struct election_actions out = step(&m, EVENT_WATCH_DOWN, START + MS);
    out = step(&m, EVENT_TIMER, out.wake_ns);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), START + SECOND);
    assert_int_equal(out.wake_ns, START + 3 * SECOND);
    out = step(&m, EVENT_TIMER, START + 3 * SECOND);
    assert_int_equal(out.call, CALL_GET);
}

/* Each answer takes nearly as long as a call may, and that is no reason to think that the Lease was there in between. */
static void test_slow_reads_of_a_missing_lease_do_not_begin_the_wait_anew(void **state)
{
    (void)state;
    struct election m;
    election_init(&m, &config);
    step(&m, EVENT_START, START);
    struct election_actions out = step(&m, EVENT_WATCH_DOWN, START);
    int64_t now_ns = out.wake_ns;
    assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), now_ns);
    int64_t gone_ns = 0;
    for (int reads = 0; out.call != CALL_CREATE; reads++) {
        assert_true(reads < 9); /* one that finds it gone, and those of a duration */
        now_ns = out.call == CALL_GET ? now_ns : out.wake_ns;
        if (out.call != CALL_GET)
            assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_GET);
        now_ns += 1900 * MS;
        out = done(&m, CALL_NOT_FOUND, (struct election_lease){0}, now_ns);
        gone_ns = gone_ns == 0 ? now_ns : gone_ns;
    }
    assert_true(now_ns >= gone_ns + DURATION);
}

/* But a gap of two slow reads is one. */
static void test_a_gap_between_reads_of_a_missing_lease_begins_the_wait_anew(void **state)
{
    (void)state;
    struct election_config slow = config;
    slow.call_timeout_ns = 5 * SECOND; /* longer than the retry period */
    for (int is_gap = 0; is_gap < 2; is_gap++) {
        struct election m;
        election_init(&m, &slow);
        step(&m, EVENT_START, START);
        struct election_actions out = step(&m, EVENT_WATCH_DOWN, START);
        assert_int_equal(step(&m, EVENT_TIMER, out.wake_ns).call, CALL_GET);
        done(&m, CALL_OK, lease_of(HOLDER_OTHER, 5), START + SECOND);
        assert_int_equal(step(&m, EVENT_TIMER, START + 3 * SECOND).call, CALL_GET);
        done(&m, CALL_NOT_FOUND, (struct election_lease){0}, START + 4 * SECOND);
        assert_int_equal(step(&m, EVENT_TIMER, START + 6 * SECOND).call, CALL_GET);
        int64_t now_ns = START + (is_gap ? 13 : 11) * SECOND;
        done(&m, CALL_NOT_FOUND, (struct election_lease){0}, now_ns);
        assert_int_equal(m.claim_at_ns, (is_gap ? now_ns : START + 4 * SECOND) + DURATION);
    }
}

static void test_late_read_does_not_undo_what_the_watch_has_shown(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    sees(&m, lease_of(HOLDER_OTHER, 5), START);
    struct election_actions out = step(&m, EVENT_WATCH_DOWN, START);
    out = step(&m, EVENT_TIMER, out.wake_ns);
    assert_int_equal(out.call, CALL_GET);
    step(&m, EVENT_WATCH_UP, START + 2 * SECOND);
    sees(&m, lease_of(HOLDER_OTHER, 7), START + 2 * SECOND);
    done(&m, CALL_OK, lease_of(HOLDER_OTHER, 6), START + 2 * SECOND);
    assert_int_equal(m.lease.version, 7);
}

static void test_read_of_a_restored_server_is_believed(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    sees(&m, lease_of(HOLDER_OTHER, 7), START);
    struct election_actions out = step(&m, EVENT_WATCH_DOWN, START);
    out = step(&m, EVENT_TIMER, out.wake_ns);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_OTHER, 3), START + 2 * SECOND);
    assert_int_equal(m.lease.version, 3);
    assert_true(m.claim_at_ns >= START + 17 * SECOND);
}

static void test_stop_releases_at_once(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    struct election_actions out = step(&m, EVENT_STOP, START + SECOND);
    assert_int_equal(out.call, CALL_RELEASE);
    assert_false(election_may_act(&m, START + SECOND));
    struct election_lease released = lease_of(HOLDER_NONE, 11);
    released.released = true;
    out = done(&m, CALL_OK, released, START + SECOND + 4 * MS);
    assert_true(has(&out, REPORT_RELEASED));
    assert_int_equal(m.state, ELECTION_STOPPED);
}

static void test_stop_during_a_renewal_waits_for_its_version(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_TIMER, START + 5 * SECOND);
    struct election_actions out = step(&m, EVENT_STOP, START + 5 * SECOND + MS);
    assert_int_equal(out.call, CALL_NONE);
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 11), START + 5 * SECOND + 4 * MS);
    assert_int_equal(out.call, CALL_RELEASE);
}

static void test_stop_gives_up_after_two_seconds(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    struct election_actions out = step(&m, EVENT_STOP, START + SECOND);
    out = done(&m, CALL_REFUSED, (struct election_lease){0}, START + SECOND);
    out = step(&m, EVENT_TIMER, START + 3 * SECOND);
    assert_true(has(&out, REPORT_RELEASE_FAILED));
    assert_int_equal(m.state, ELECTION_STOPPED);
    assert_int_equal(out.wake_ns, INT64_MAX);
}

static void test_stop_of_a_standby_calls_nobody(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    sees(&m, lease_of(HOLDER_OTHER, 5), START);
    struct election_actions out = step(&m, EVENT_STOP, START + SECOND);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(m.state, ELECTION_STOPPED);
}

static void test_lost_answer_of_a_claim_is_found_out(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    step(&m, EVENT_ABSENT, START);
    struct election_actions out =
        done(&m, CALL_UNKNOWN, (struct election_lease){0}, START + 2 * SECOND);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_OK, lease_of(HOLDER_ME, 10), START + 2 * SECOND + MS);
    assert_true(has(&out, REPORT_LED));
    /* It counts from when that write was sent. */
    assert_true(election_may_act(&m, START + 14 * SECOND - 1));
    assert_false(election_may_act(&m, START + 14 * SECOND));
}

static void test_lost_answers_of_renewals_are_found_out(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    int64_t now_ns = START;
    for (uint64_t version = 11; version < 20; version++) { /* every single one is carried out */
        now_ns += 5 * SECOND;
        int64_t sent_ns = now_ns;
        struct election_actions out = step(&m, EVENT_TIMER, now_ns);
        assert_int_equal(out.call, CALL_RENEW);
        sees(&m, lease_of(HOLDER_ME, version), now_ns + MS); /* the watch may know before */
        out = done(&m, CALL_UNKNOWN, (struct election_lease){0}, now_ns + 2 * SECOND);
        assert_int_equal(out.call, CALL_GET);
        done(&m, CALL_OK, lease_of(HOLDER_ME, version), now_ns + 2 * SECOND + MS);
        assert_true(election_may_act(&m, sent_ns + 14 * SECOND - 1));
        assert_false(election_may_act(&m, sent_ns + 14 * SECOND));
    }
}

static void test_the_first_of_unanswered_writes_counts(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_TIMER, START + 5 * SECOND);
    struct election_actions out =
        done(&m, CALL_UNKNOWN, (struct election_lease){0}, START + 7 * SECOND);
    assert_int_equal(out.call, CALL_GET);
    out = done(&m, CALL_UNKNOWN, (struct election_lease){0}, START + 9 * SECOND);
    out = step(&m, EVENT_TIMER, START + 10 * SECOND);
    assert_int_equal(out.call, CALL_RENEW);
    out = done(&m, CALL_UNKNOWN, (struct election_lease){0}, START + 12 * SECOND);
    assert_int_equal(out.call, CALL_GET);
    done(&m, CALL_OK, lease_of(HOLDER_ME, 11), START + 12 * SECOND + MS);
    assert_true(election_may_act(&m, START + 19 * SECOND - 1));
    assert_false(election_may_act(&m, START + 19 * SECOND)); /* either may be the one that stands */
}

static void test_unanswered_write_that_was_not_carried_out_opens_nothing(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    step(&m, EVENT_TIMER, START + 5 * SECOND);
    done(&m, CALL_UNKNOWN, (struct election_lease){0}, START + 7 * SECOND);
    struct election_actions out =
        done(&m, CALL_OK, lease_of(HOLDER_ME, 10), START + 7 * SECOND + MS);
    assert_int_equal(out.call, CALL_RENEW);
    assert_false(election_may_act(&m, START + 14 * SECOND));
}

static void test_release_whose_answer_was_lost_stands(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    assert_int_equal(step(&m, EVENT_STOP, START + SECOND).call, CALL_RELEASE);
    struct election_actions out =
        done(&m, CALL_UNKNOWN, (struct election_lease){0}, START + SECOND + MS);
    assert_int_equal(out.call, CALL_GET);
    struct election_lease released = lease_of(HOLDER_NONE, 11);
    released.released = true;
    out = done(&m, CALL_OK, released, START + SECOND + 2 * MS);
    assert_true(has(&out, REPORT_RELEASED));
    assert_false(has(&out, REPORT_RELEASE_FAILED));
    assert_int_equal(m.state, ELECTION_STOPPED);
}

/* The answer of a renewal may come behind the watch's event of somebody who wrote after it: that record is not ours to clear. */
static void test_release_behind_a_late_answer_clears_nobody_else(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    assert_int_equal(step(&m, EVENT_TIMER, START + 5 * SECOND).call, CALL_RENEW);
    assert_int_equal(step(&m, EVENT_YIELD, START + 5 * SECOND + MS).call, CALL_NONE);
    sees(&m, lease_of(HOLDER_OTHER, 12), START + 5 * SECOND + 2 * MS);
    struct election_actions out =
        done(&m, CALL_OK, lease_of(HOLDER_ME, 11), START + 5 * SECOND + 3 * MS);
    assert_int_equal(out.call, CALL_GET); /* a look */
    assert_int_equal(m.state, ELECTION_FOLLOWING);
    assert_int_equal(m.lease.holder, HOLDER_OTHER);
}

/* The watch may show that the Lease was deleted before the answer of a renewal is here: it is not there any more, and is made again
 * now, not at the next renewal. */
static void test_late_answer_brings_no_deleted_lease_back(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    int64_t now_ns = START + 5 * SECOND;
    assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_RENEW);
    struct election_event deleted = {.kind = EVENT_DELETED, .lease = lease_of(HOLDER_ME, 12)};
    assert_int_equal(feed(&m, deleted, now_ns + MS).call, CALL_NONE);
    assert_int_equal(done(&m, CALL_OK, lease_of(HOLDER_ME, 11), now_ns + 2 * MS).call, CALL_CREATE);
    assert_false(m.present);
    assert_int_equal(m.lease.version, 12);
    done(&m, CALL_OK, lease_of(HOLDER_ME, 13), now_ns + 3 * MS);
    assert_int_equal(m.state, ELECTION_LEADING);
    assert_int_equal(m.lease.version, 13);
}

/* The same of a claim: a Lease that went away is waited out, by who had just won it too. */
static void test_late_answer_of_a_claim_whose_lease_was_deleted(void **state)
{
    (void)state;
    struct election m;
    start_watching(&m);
    struct election_lease released = {
        .uid = 1, .version = 10, .duration_ns = SECOND, .released = true};
    assert_int_equal(sees(&m, released, START).call, CALL_CLAIM);
    struct election_event deleted = {.kind = EVENT_DELETED, .lease = lease_of(HOLDER_ME, 12)};
    feed(&m, deleted, START + MS);
    struct election_actions out = done(&m, CALL_OK, lease_of(HOLDER_ME, 11), START + 2 * MS);
    assert_int_equal(out.call, CALL_NONE);
    assert_int_equal(m.state, ELECTION_FOLLOWING);
    assert_true(m.claim_at_ns >= START + DURATION);
}

/* After a yield: the read that follows a lost answer shows the next leader, so nothing holds this candidate back any more. */
static void test_yield_whose_read_shows_the_next_leader(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    int64_t now_ns = START + 5 * SECOND - MS;
    assert_int_equal(step(&m, EVENT_YIELD, now_ns).call, CALL_RELEASE);
    assert_int_equal(done(&m, CALL_UNKNOWN, lease_of(HOLDER_NONE, 0), now_ns + SECOND).call,
                     CALL_GET);
    struct election_actions out =
        done(&m, CALL_OK, lease_of(HOLDER_OTHER, 12), now_ns + SECOND + MS);
    assert_int_equal(m.state, ELECTION_FOLLOWING);
    assert_false(has(&out, REPORT_RELEASE_FAILED)); /* nobody has to wait for it to expire */
    assert_true(has(&out, REPORT_FOLLOWING));
    assert_int_equal(out.call, CALL_GET); /* once more */
    done(&m, CALL_OK, lease_of(HOLDER_OTHER, 12), now_ns + SECOND + 2 * MS);
    struct election_lease released = {
        .uid = 1, .version = 13, .duration_ns = SECOND, .released = true};
    assert_int_equal(sees(&m, released, now_ns + 3 * SECOND).call, CALL_CLAIM);
}

/* Its server looked before the next leader made the Lease, which the watch has shown meanwhile. */
static void test_yield_whose_read_found_nothing_too_early(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    int64_t now_ns = START + 5 * SECOND - MS;
    assert_int_equal(step(&m, EVENT_YIELD, now_ns).call, CALL_RELEASE);
    assert_int_equal(done(&m, CALL_UNKNOWN, lease_of(HOLDER_NONE, 0), now_ns).call, CALL_GET);
    sees(&m, lease_of(HOLDER_OTHER, 15), now_ns + MS);
    struct election_actions out =
        done(&m, CALL_NOT_FOUND, lease_of(HOLDER_NONE, 0), now_ns + 2 * MS);
    assert_int_equal(m.state, ELECTION_FOLLOWING);
    assert_true(m.present);
    assert_false(has(&out, REPORT_RELEASED));
}

/* Whoever asks for patience, a proxy perhaps, does not keep a candidate away for long. */
static void test_patience_has_an_end(void **state)
{
    (void)state;
    const int64_t asked_ns[] = {3600 * SECOND, INT64_MAX};
    for (size_t i = 0; i < 2; i++) {
        struct election m;
        lead(&m);
        int64_t now_ns = START + 5 * SECOND;
        assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_RENEW);
        struct election_event refused = {
            .kind = EVENT_CALL_DONE, .outcome = CALL_REFUSED, .retry_after_ns = asked_ns[i]};
        feed(&m, refused, now_ns);
        assert_in_range(m.act_at_ns, now_ns, now_ns + 60 * SECOND);
    }
}

/* kube-apiserver answers 429 with Retry-After: 5 while it shuts down, and up to 32 from priority and fairness. One such answer to
 * the release must not cost the whole release. */
static void test_release_is_tried_again_whatever_patience_is_asked_for(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    int64_t now_ns = START + 3 * SECOND;
    assert_int_equal(step(&m, EVENT_STOP, now_ns).call, CALL_RELEASE);
    struct election_event refused = {
        .kind = EVENT_CALL_DONE, .outcome = CALL_REFUSED, .retry_after_ns = 5 * SECOND};
    feed(&m, refused, now_ns + 10 * MS);
    bool again = false;
    for (int64_t t = now_ns; t <= now_ns + 3 * SECOND && !again; t += 50 * MS)
        again = step(&m, EVENT_TIMER, t).call == CALL_RELEASE;
    assert_true(again);
}

/* The same of a renewal: the next one must come before the gate closes. */
static void test_renewal_is_tried_again_before_the_gate_closes_whatever_patience_is_asked_for(void **state)
{
    (void)state;
    struct election m;
    lead(&m);
    int64_t now_ns = START + 5 * SECOND;
    assert_int_equal(step(&m, EVENT_TIMER, now_ns).call, CALL_RENEW);
    struct election_event refused = {
        .kind = EVENT_CALL_DONE, .outcome = CALL_REFUSED, .retry_after_ns = 16 * SECOND};
    feed(&m, refused, now_ns + 10 * MS);
    assert_true(m.act_at_ns < m.gate_ns);
}

/* A claim is of a Lease that nobody holds; who only reads is as patient as it is asked to be. */
static void test_patience_of_a_claim_and_of_a_read(void **state)
{
    (void)state;
    struct election m;
    const struct election_event refused = {
        .kind = EVENT_CALL_DONE, .outcome = CALL_REFUSED, .retry_after_ns = 16 * SECOND};
    start_watching(&m);
    struct election_lease released = {
        .uid = 1, .version = 10, .duration_ns = SECOND, .released = true};
    assert_int_equal(sees(&m, released, START).call, CALL_CLAIM);
    feed(&m, refused, START + MS);
    assert_in_range(m.claim_at_ns, START + MS, START + MS + config.retry_period_ns);
    election_init(&m, &config);
    assert_int_equal(step(&m, EVENT_WATCH_DOWN, START).call, CALL_GET);
    feed(&m, refused, START + MS);
    assert_int_equal(m.act_at_ns, START + MS + 16 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_lease_is_created_at_once),
        cmocka_unit_test(test_leader_reads_again_after_a_late_not_found),
        cmocka_unit_test(test_gate_counts_from_the_send_time),
        cmocka_unit_test(test_answer_after_the_gate_does_not_lead),
        cmocka_unit_test(test_renewals_come_every_third_of_the_duration),
        cmocka_unit_test(test_expired_lease_is_claimed_at_the_exact_time),
        cmocka_unit_test(test_only_a_newer_version_restarts_the_wait),
        cmocka_unit_test(test_release_is_taken_over_at_once),
        cmocka_unit_test(test_cleared_holder_is_not_a_release),
        cmocka_unit_test(test_shortened_duration_does_not_shorten_the_wait),
        cmocka_unit_test(test_deleted_lease_is_waited_out_and_looked_at_again),
        cmocka_unit_test(test_leader_recreates_a_deleted_lease_at_once),
        cmocka_unit_test(test_former_leader_does_not_recreate),
        cmocka_unit_test(test_foreign_holder_in_a_newer_version_closes_the_gate),
        cmocka_unit_test(test_late_watch_event_is_not_foreign),
        cmocka_unit_test(test_foreign_holder_seen_before_our_answer),
        cmocka_unit_test(test_failing_renewals_close_the_gate_by_its_deadline),
        cmocka_unit_test(test_conflict_is_read_at_once),
        cmocka_unit_test(test_timeout_asks_for_a_new_connection),
        cmocka_unit_test(test_edited_duration_shrinks_the_gate_and_is_mended),
        cmocka_unit_test(test_missing_permission_is_said_once_and_retried),
        cmocka_unit_test(test_a_conflict_shows_that_updates_are_permitted_again),
        cmocka_unit_test(test_twin_is_waited_out_unless_it_is_known_dead),
        cmocka_unit_test(test_without_a_watch_it_reads),
        cmocka_unit_test(test_slow_reads_of_a_missing_lease_do_not_begin_the_wait_anew),
        cmocka_unit_test(test_a_gap_between_reads_of_a_missing_lease_begins_the_wait_anew),
        cmocka_unit_test(test_late_read_does_not_undo_what_the_watch_has_shown),
        cmocka_unit_test(test_read_of_a_restored_server_is_believed),
        cmocka_unit_test(test_stop_releases_at_once),
        cmocka_unit_test(test_stop_during_a_renewal_waits_for_its_version),
        cmocka_unit_test(test_stop_gives_up_after_two_seconds),
        cmocka_unit_test(test_stop_of_a_standby_calls_nobody),
        cmocka_unit_test(test_lost_answer_of_a_claim_is_found_out),
        cmocka_unit_test(test_lost_answers_of_renewals_are_found_out),
        cmocka_unit_test(test_the_first_of_unanswered_writes_counts),
        cmocka_unit_test(test_unanswered_write_that_was_not_carried_out_opens_nothing),
        cmocka_unit_test(test_release_whose_answer_was_lost_stands),
        cmocka_unit_test(test_release_behind_a_late_answer_clears_nobody_else),
        cmocka_unit_test(test_late_answer_brings_no_deleted_lease_back),
        cmocka_unit_test(test_patience_has_an_end),
        cmocka_unit_test(test_yield_whose_read_found_nothing_too_early),
        cmocka_unit_test(test_late_answer_of_a_claim_whose_lease_was_deleted),
        cmocka_unit_test(test_yield_whose_read_shows_the_next_leader),
        cmocka_unit_test(test_release_is_tried_again_whatever_patience_is_asked_for),
        cmocka_unit_test(test_renewal_is_tried_again_before_the_gate_closes_whatever_patience_is_asked_for),
        cmocka_unit_test(test_patience_of_a_claim_and_of_a_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
