/* Ticks on the grid, compared with plain counting over small numbers; notes of predecessors; clocks
 * that step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "service/tick_schedule.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

static bool on_grid(int64_t t, int64_t interval, int64_t phase)
{
    int64_t rest = (t - phase) % interval;
    return rest == 0;
}

static int64_t naive_after(int64_t t, int64_t interval, int64_t phase)
{
    do
        t++;
    while (!on_grid(t, interval, phase));
    return t;
}

static void test_after_is_the_first_tick_behind(void **state)
{
    (void)state;
    for (int64_t interval = 1; interval <= 9; interval++)
        for (int64_t phase = 0; phase < interval; phase++)
            for (int64_t t = -40; t <= 40; t++) {
                struct tick_schedule s = {.interval_ns = interval, .phase_ns = phase};
                assert_int_equal(tick_schedule_after(&s, t), naive_after(t, interval, phase));
            }
}

static void test_after_at_the_ends_of_time(void **state)
{
    (void)state;
    struct tick_schedule s = {.interval_ns = INT64_MAX, .phase_ns = INT64_MAX - 1};
    assert_int_equal(tick_schedule_after(&s, INT64_MAX - 1), INT64_MAX);
    assert_int_equal(tick_schedule_after(&s, 0), INT64_MAX - 1);
    assert_true(tick_schedule_after(&s, INT64_MIN) > INT64_MIN);
    s = (struct tick_schedule){.interval_ns = SECOND, .done_ns = INT64_MAX};
    assert_false(tick_schedule_due(&s, INT64_MAX).due);
    s.done_ns = INT64_MIN;
    struct tick_due due = tick_schedule_due(&s, INT64_MAX);
    assert_true(due.due);
    assert_true(on_grid(due.time_ns, SECOND, 0));
}

/* Every order of looking and finishing: each tick of the grid is emitted once, or counted as
 * skipped, or still to come. */
static void test_each_tick_is_emitted_or_counted(void **state)
{
    (void)state;
    for (int64_t interval = 1; interval <= 6; interval++)
        for (int64_t phase = 0; phase < interval; phase++)
            for (int64_t begin_late = 0; begin_late < 15; begin_late++)
                for (int64_t takes = 0; takes < 15; takes++) {
                    struct tick_schedule s;
                    tick_schedule_fresh(&s, interval, phase, 3);
                    struct tick_due due = tick_schedule_due(&s, 3);
                    assert_true(due.due);
                    assert_int_equal(due.time_ns, 3);
                    assert_int_equal(due.skipped, 0);
                    tick_schedule_begin(&s, &due, 3);
                    uint64_t known = tick_schedule_finish(&s, 3);
                    int64_t now = 3;
                    int64_t last = 3;
                    for (int i = 0; i < 4; i++) {
                        due = tick_schedule_due(&s, now);
                        assert_false(due.due);
                        assert_true(due.time_ns > now);
                        now = due.time_ns + begin_late;
                        due = tick_schedule_due(&s, now);
                        assert_true(due.due);
                        assert_true(on_grid(due.time_ns, interval, phase));
                        assert_true(due.time_ns > last && due.time_ns <= now);
                        assert_true(due.time_ns + interval > now); /* the newest */
                        last = due.time_ns;
                        known += 1 + due.skipped;
                        tick_schedule_begin(&s, &due, now);
                        now += takes;
                        known += tick_schedule_finish(&s, now);
                    }
                    uint64_t all = 0;
                    for (int64_t t = 4; t <= now; t++)
                        all += on_grid(t, interval, phase);
                    assert_int_equal(known, all);
                }
}

static void test_first_tick_of_a_fresh_start(void **state)
{
    (void)state;
    struct tick_schedule s;
    tick_schedule_fresh(&s, 30 * SECOND, 7 * SECOND, 100 * SECOND);
    /* The store fills at 141 s: own time; the next one is aligned, whatever fell due before is no
     * loss. */
    struct tick_due due = tick_schedule_due(&s, 141 * SECOND);
    assert_true(due.due);
    assert_int_equal(due.time_ns, 141 * SECOND);
    assert_int_equal(due.skipped, 0);
    tick_schedule_begin(&s, &due, 141 * SECOND);
    assert_int_equal(tick_schedule_finish(&s, 142 * SECOND), 0);
    due = tick_schedule_due(&s, 142 * SECOND);
    assert_false(due.due);
    assert_int_equal(due.time_ns, 157 * SECOND);
    assert_int_equal(s.start_ns, 100 * SECOND);
}

/* It has a time of its own, and one of the grid may follow within milliseconds: longer than those is not longer than the interval. */
static void test_first_tick_that_ends_behind_one_of_the_grid_skips_none(void **state)
{
    (void)state;
    struct tick_schedule s;
    tick_schedule_fresh(&s, SECOND, 0, 10 * SECOND - 9 * MS);
    struct tick_due due = tick_schedule_due(&s, 10 * SECOND - 9 * MS);
    tick_schedule_begin(&s, &due, 10 * SECOND - 9 * MS);
    assert_int_equal(tick_schedule_finish(&s, 10 * SECOND + 20 * MS), 0);
    due = tick_schedule_due(&s, 10 * SECOND + 20 * MS);
    assert_true(due.due);
    assert_int_equal(due.time_ns, 10 * SECOND);
    assert_int_equal(due.skipped, 0);
    tick_schedule_begin(&s, &due, 10 * SECOND + 20 * MS);
    assert_int_equal(tick_schedule_finish(&s, 12 * SECOND), 2); /* this one does take longer */
}

static void test_clock_that_goes_back_repeats_nothing(void **state)
{
    (void)state;
    struct tick_schedule s;
    tick_schedule_fresh(&s, SECOND, 0, 10 * SECOND);
    int64_t last = INT64_MIN;
    const int64_t clock[] = {10, 11, 12, 3, 4, 5, 11, 12, 13, 9, 14, 14, 15};
    int emitted = 0;
    for (size_t i = 0; i < COUNT_OF(clock); i++) {
        struct tick_due due = tick_schedule_due(&s, clock[i] * SECOND);
        if (!due.due)
            continue;
        assert_true(due.time_ns > last);
        last = due.time_ns;
        tick_schedule_begin(&s, &due, clock[i] * SECOND);
        assert_int_equal(tick_schedule_finish(&s, clock[i] * SECOND), 0);
        emitted++;
    }
    assert_int_equal(emitted, 6); /* 10, 11, 12, 13, 14, 15 */
}

static void test_clock_that_jumps_ahead_emits_the_newest(void **state)
{
    (void)state;
    struct tick_schedule s;
    tick_schedule_fresh(&s, SECOND, 0, 10 * SECOND);
    struct tick_due due = tick_schedule_due(&s, 10 * SECOND);
    tick_schedule_begin(&s, &due, 10 * SECOND);
    due = tick_schedule_due(&s, 3610 * SECOND + 5);
    assert_int_equal(due.time_ns, 3610 * SECOND);
    assert_int_equal(due.skipped, 3599);
}

static const struct note_entry note = {.interval_ns = 10 * SECOND,
                                       .phase_ns = 3 * SECOND,
                                       .start_ns = 33 * SECOND,
                                       .enqueued_ns = 1003 * SECOND};

static void test_after_a_release_ticks_go_on(void **state)
{
    (void)state;
    struct tick_schedule s;
    uint64_t maybe_sent;
    /* Our own phase would be 5: the note's counts. */
    assert_int_equal(tick_schedule_inherit(&s, 10 * SECOND, 5 * SECOND, INHERIT_RELEASED, &note, 0,
                                           1004 * SECOND, &maybe_sent),
                     INHERIT_RELEASED);
    assert_int_equal(s.start_ns, 33 * SECOND);
    struct tick_due due = tick_schedule_due(&s, 1004 * SECOND);
    assert_false(due.due);
    assert_int_equal(due.time_ns, 1013 * SECOND);
    /* Late, with its own time. */
    due = tick_schedule_due(&s, 1014 * SECOND);
    assert_true(due.due);
    assert_int_equal(due.time_ns, 1013 * SECOND);
    assert_int_equal(due.skipped, 0);
}

static void test_after_a_release_a_few_ticks_are_caught_up(void **state)
{
    (void)state;
    struct tick_schedule s;
    uint64_t maybe_sent;
    int64_t now = note.enqueued_ns + LIMIT_TICKS_CAUGHT_UP * note.interval_ns;
    tick_schedule_inherit(&s, note.interval_ns, 0, INHERIT_RELEASED, &note, 0, now, &maybe_sent);
    for (int i = 1; i <= LIMIT_TICKS_CAUGHT_UP; i++) {
        struct tick_due due = tick_schedule_due(&s, now);
        assert_true(due.due);
        assert_int_equal(due.time_ns, note.enqueued_ns + i * note.interval_ns);
        assert_int_equal(due.skipped, 0);
        tick_schedule_begin(&s, &due, now);
        assert_int_equal(tick_schedule_finish(&s, now), 0);
    }
    assert_false(tick_schedule_due(&s, now).due);
    /* The hole is filled: from here the ordinary rules. */
    struct tick_due due = tick_schedule_due(&s, now + 2 * note.interval_ns);
    assert_int_equal(due.skipped, 1);
}

static void test_after_an_outage_only_the_newest(void **state)
{
    (void)state;
    struct tick_schedule s;
    uint64_t maybe_sent;
    int64_t now = note.enqueued_ns + (LIMIT_TICKS_CAUGHT_UP + 1) * note.interval_ns;
    tick_schedule_inherit(&s, note.interval_ns, 0, INHERIT_OWN, &note, 0, now, &maybe_sent);
    struct tick_due due = tick_schedule_due(&s, now);
    assert_int_equal(due.time_ns, now);
    assert_int_equal(due.skipped, LIMIT_TICKS_CAUGHT_UP);
    tick_schedule_begin(&s, &due, now);
    assert_int_equal(tick_schedule_finish(&s, now + 25 * SECOND), 2);
}

static void test_after_a_crash_nothing_that_may_have_been_sent(void **state)
{
    (void)state;
    struct tick_schedule s;
    uint64_t maybe_sent;
    /* Enqueued 1003; gate closed at the latest at 1027 (1013 and 1023 may have been sent); now
     * 1055. */
    assert_int_equal(tick_schedule_inherit(&s, 10 * SECOND, 5 * SECOND, INHERIT_EXPIRED, &note,
                                           1027 * SECOND, 1055 * SECOND, &maybe_sent),
                     INHERIT_EXPIRED);
    assert_int_equal(maybe_sent, 2);
    struct tick_due due = tick_schedule_due(&s, 1055 * SECOND);
    assert_true(due.due);
    assert_int_equal(due.time_ns, 1053 * SECOND);
    assert_int_equal(due.skipped, 2); /* 1033, 1043 */
    tick_schedule_begin(&s, &due, 1055 * SECOND);
    assert_int_equal(tick_schedule_due(&s, 1055 * SECOND).time_ns, 1063 * SECOND);

    /* Nothing fell due after the gate closed: wait for the next. */
    tick_schedule_inherit(&s, 10 * SECOND, 0, INHERIT_EXPIRED, &note, 1027 * SECOND, 1032 * SECOND,
                          &maybe_sent);
    due = tick_schedule_due(&s, 1032 * SECOND);
    assert_false(due.due);
    assert_int_equal(due.time_ns, 1033 * SECOND);

    /* A gate that "closed" in the future closed before we led. */
    tick_schedule_inherit(&s, 10 * SECOND, 0, INHERIT_EXPIRED, &note, INT64_MAX, 1032 * SECOND,
                          &maybe_sent);
    assert_int_equal(tick_schedule_due(&s, 1032 * SECOND).time_ns, 1033 * SECOND);

    /* One that closed before its last known tick: that tick is not repeated. */
    tick_schedule_inherit(&s, 10 * SECOND, 0, INHERIT_EXPIRED, &note, 500 * SECOND, 1012 * SECOND,
                          &maybe_sent);
    assert_int_equal(maybe_sent, 0);
    assert_int_equal(tick_schedule_due(&s, 1012 * SECOND).time_ns, 1013 * SECOND);
}

/* Enqueued 1003, acknowledged 983, gate closed at 1027; the interval is 10 s. */
static void repeat_after_crash(struct tick_schedule *s, struct note_entry entry, int64_t now)
{
    uint64_t maybe_sent;
    assert_int_equal(tick_schedule_inherit(s, 10 * SECOND, 0, INHERIT_EXPIRED, &entry, 1027 * SECOND,
                                           now, &maybe_sent),
                     INHERIT_EXPIRED);
    tick_schedule_repeat(s, &entry);
}

static void test_after_a_crash_ticks_are_repeated_on_request(void **state)
{
    (void)state;
    struct tick_schedule s;
    struct note_entry entry = note;
    entry.acknowledged_ns = 983 * SECOND;
    int64_t now = 1034 * SECOND;
    repeat_after_crash(&s, entry, now);
    assert_int_equal(s.repeat_ns, 1027 * SECOND);
    static const int64_t expected_s[] = {993, 1003, 1013, 1023, 1033};
    for (size_t i = 0; i < COUNT_OF(expected_s); i++) {
        struct tick_due due = tick_schedule_due(&s, now);
        assert_true(due.due);
        assert_int_equal(due.time_ns, expected_s[i] * SECOND);
        assert_int_equal(due.skipped, 0);
        tick_schedule_begin(&s, &due, now);
        assert_int_equal(tick_schedule_finish(&s, now), 0);
    }
    struct tick_due due = tick_schedule_due(&s, now);
    assert_false(due.due);
    assert_int_equal(due.time_ns, 1043 * SECOND);
    /* From here the ordinary rules. */
    due = tick_schedule_due(&s, 1064 * SECOND);
    assert_int_equal(due.skipped, 2);
    assert_int_equal(due.time_ns, 1063 * SECOND);
}

static void test_more_than_a_few_repeated_ticks_are_the_newest_few(void **state)
{
    (void)state;
    struct tick_schedule s;
    struct note_entry entry = note;
    entry.acknowledged_ns = 903 * SECOND;
    int64_t now = 1105 * SECOND; /* 913 to 1103: twenty */
    repeat_after_crash(&s, entry, now);
    struct tick_due due = tick_schedule_due(&s, now);
    assert_int_equal(due.skipped, 20 - LIMIT_TICKS_CAUGHT_UP);
    assert_int_equal(due.time_ns, 1103 * SECOND - (LIMIT_TICKS_CAUGHT_UP - 1) * 10 * SECOND);
    tick_schedule_begin(&s, &due, now);
    int count = 1;
    for (due = tick_schedule_due(&s, now); due.due; due = tick_schedule_due(&s, now)) {
        assert_int_equal(due.skipped, 0);
        tick_schedule_begin(&s, &due, now);
        count++;
    }
    assert_int_equal(count, LIMIT_TICKS_CAUGHT_UP);
    assert_int_equal(s.done_ns, 1103 * SECOND);

    /* The stores fill late: the bound holds for the moment at which they are full. */
    repeat_after_crash(&s, entry, now);
    due = tick_schedule_due(&s, now + 30 * SECOND);
    assert_int_equal(due.skipped, 23 - LIMIT_TICKS_CAUGHT_UP);
    assert_int_equal(due.time_ns, 1133 * SECOND - (LIMIT_TICKS_CAUGHT_UP - 1) * 10 * SECOND);
}

static void test_repeats_without_an_acknowledged_tick(void **state)
{
    (void)state;
    struct tick_schedule s;
    struct note_entry entry = note;
    /* Nothing was ever acknowledged: from the start of the series, whose first tick had its own time. */
    entry.start_ns = 988 * SECOND;
    entry.acknowledged_ns = 0;
    repeat_after_crash(&s, entry, 1028 * SECOND);
    assert_int_equal(tick_schedule_due(&s, 1028 * SECOND).time_ns, 993 * SECOND);
    /* One that cannot be is no better than none. */
    entry.acknowledged_ns = entry.enqueued_ns + 1;
    repeat_after_crash(&s, entry, 1028 * SECOND);
    assert_int_equal(tick_schedule_due(&s, 1028 * SECOND).time_ns, 993 * SECOND);
    /* All was acknowledged: only what may have been sent since. */
    entry.acknowledged_ns = entry.enqueued_ns;
    repeat_after_crash(&s, entry, 1028 * SECOND);
    assert_int_equal(tick_schedule_due(&s, 1028 * SECOND).time_ns, 1013 * SECOND);
}

static enum inheritance inherit(struct note_entry entry, int64_t interval, int64_t now,
                                struct tick_schedule *s)
{
    uint64_t maybe_sent;
    return tick_schedule_inherit(s, interval, 1, INHERIT_RELEASED, &entry, 0, now, &maybe_sent);
}

static void test_notes_that_cannot_be_used(void **state)
{
    (void)state;
    struct tick_schedule s;
    int64_t now = 1004 * SECOND;
    assert_int_equal(inherit(note, 10 * SECOND, now, &s), INHERIT_RELEASED);
    /* another interval */
    assert_int_equal(inherit(note, 20 * SECOND, now, &s), INHERIT_NONE);
    assert_true(s.fresh);
    assert_int_equal(s.phase_ns, 1);
    assert_int_equal(s.start_ns, now);
    /* a phase outside of its interval */
    struct note_entry bad = note;
    bad.phase_ns = bad.interval_ns;
    assert_int_equal(inherit(bad, 10 * SECOND, now, &s), INHERIT_NONE);
    bad.phase_ns = -1;
    assert_int_equal(inherit(bad, 10 * SECOND, now, &s), INHERIT_NONE);
    /* no tick */
    bad = note;
    bad.enqueued_ns = 0;
    assert_int_equal(inherit(bad, 10 * SECOND, now, &s), INHERIT_NONE);
    bad.enqueued_ns = INT64_MIN;
    assert_int_equal(inherit(bad, 10 * SECOND, now, &s), INHERIT_NONE);
    /* from the future: one interval is allowed, or 5 s if that is more */
    assert_int_equal(inherit(note, 10 * SECOND, note.enqueued_ns - 10 * SECOND, &s),
                     INHERIT_RELEASED);
    assert_int_equal(inherit(note, 10 * SECOND, note.enqueued_ns - 10 * SECOND - 1, &s),
                     INHERIT_NONE);
    bad = note;
    bad.interval_ns = SECOND;
    bad.phase_ns = 0;
    assert_int_equal(inherit(bad, SECOND, bad.enqueued_ns - 5 * SECOND, &s), INHERIT_RELEASED);
    assert_int_equal(inherit(bad, SECOND, bad.enqueued_ns - 5 * SECOND - 1, &s), INHERIT_NONE);
    bad.enqueued_ns = INT64_MAX;
    assert_int_equal(inherit(bad, SECOND, INT64_MIN, &s), INHERIT_NONE);
    /* A start that cannot be: the last tick stands for it. */
    bad = note;
    bad.start_ns = note.enqueued_ns + 1;
    assert_int_equal(inherit(bad, 10 * SECOND, now, &s), INHERIT_RELEASED);
    assert_int_equal(s.start_ns, note.enqueued_ns);
    bad.start_ns = -5;
    inherit(bad, 10 * SECOND, now, &s);
    assert_int_equal(s.start_ns, note.enqueued_ns);
}

static void test_resume_and_pass(void **state)
{
    (void)state;
    struct tick_schedule a;
    struct tick_schedule b;
    tick_schedule_fresh(&a, SECOND, 5, 10 * SECOND);
    tick_schedule_resume(&b, &a);
    assert_true(b.fresh && !b.catching_up); /* had not ticked yet */
    struct tick_due due = tick_schedule_due(&a, 10 * SECOND);
    tick_schedule_begin(&a, &due, 10 * SECOND);
    tick_schedule_resume(&b, &a);
    assert_int_equal(tick_schedule_due(&b, 12 * SECOND + 6).time_ns, 10 * SECOND + 5);
    tick_schedule_pass(&b, 11 * SECOND);
    tick_schedule_pass(&b, 10 * SECOND);
    assert_int_equal(tick_schedule_due(&b, 12 * SECOND + 6).time_ns, 11 * SECOND + 5);
}

static void test_phase(void **state)
{
    (void)state;
    /* Fixed for ever, since replicas of different versions must agree: numbers from a SipHash-1-3
     * in Python, by its paper. */
    int64_t a = tick_phase(STR("6f9619ff-8b86-d011-b42d-00c04fc964ff"), STR("dummy"), 30 * SECOND);
    assert_int_equal(a, INT64_C(14734515181));
    assert_int_equal(tick_phase(STR_NONE, STR("dummy"), 30 * SECOND), INT64_C(12649067655));
    assert_int_not_equal(
        a, tick_phase(STR("6f9619ff-8b86-d011-b42d-00c04fc964fe"), STR("dummy"), 30 * SECOND));
    assert_int_not_equal(
        a, tick_phase(STR("6f9619ff-8b86-d011-b42d-00c04fc964ff"), STR("dummy/2"), 30 * SECOND));
    assert_int_not_equal(tick_phase(STR("ab"), STR("c"), SECOND),
                         tick_phase(STR("a"), STR("bc"), SECOND));
    assert_int_equal(tick_phase(STR("a"), STR("b"), 1), 0);
    /* Spread over the whole interval. */
    int quarters[4] = {0};
    for (int i = 0; i < 400; i++) {
        char id[16];
        int64_t phase =
            tick_phase(STR("u"), str_make(id, (size_t)snprintf(id, sizeof id, "r%d", i)), SECOND);
        assert_in_range(phase, 0, SECOND - 1);
        quarters[phase / (SECOND / 4)]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(quarters[i], 60, 140);
}

static void test_timer_delay(void **state)
{
    (void)state;
    assert_int_equal(tick_timer_delay(5, 5), 0);
    assert_int_equal(tick_timer_delay(5, 6), 0);
    assert_int_equal(tick_timer_delay(6, 5), MS); /* up, never early */
    assert_int_equal(tick_timer_delay(MS, 0), MS);
    assert_int_equal(tick_timer_delay(MS + 1, 0), 2 * MS);
    assert_int_equal(tick_timer_delay(SECOND, 0), SECOND);
    assert_int_equal(tick_timer_delay(SECOND + 1, 0), SECOND);
    assert_int_equal(tick_timer_delay(INT64_MAX, INT64_MIN), SECOND);
    assert_int_equal(tick_timer_delay(INT64_MIN, INT64_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_is_the_first_tick_behind),
        cmocka_unit_test(test_after_at_the_ends_of_time),
        cmocka_unit_test(test_each_tick_is_emitted_or_counted),
        cmocka_unit_test(test_first_tick_of_a_fresh_start),
        cmocka_unit_test(test_first_tick_that_ends_behind_one_of_the_grid_skips_none),
        cmocka_unit_test(test_clock_that_goes_back_repeats_nothing),
        cmocka_unit_test(test_clock_that_jumps_ahead_emits_the_newest),
        cmocka_unit_test(test_after_a_release_ticks_go_on),
        cmocka_unit_test(test_after_a_release_a_few_ticks_are_caught_up),
        cmocka_unit_test(test_after_an_outage_only_the_newest),
        cmocka_unit_test(test_after_a_crash_nothing_that_may_have_been_sent),
        cmocka_unit_test(test_after_a_crash_ticks_are_repeated_on_request),
        cmocka_unit_test(test_more_than_a_few_repeated_ticks_are_the_newest_few),
        cmocka_unit_test(test_repeats_without_an_acknowledged_tick),
        cmocka_unit_test(test_notes_that_cannot_be_used),
        cmocka_unit_test(test_resume_and_pass),
        cmocka_unit_test(test_phase),
        cmocka_unit_test(test_timer_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
