/* Handing over on purpose: what is finished before the Lease goes, what ends a hand-over, and what comes after. */
#include "world.h"

static struct world *begin(void)
{
    struct world *w = world_new(YAML_GATED);
    world_start(w);
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, 3 * SECOND);
    return w;
}

/* Ticks of three batches; the first one has come. */
static struct world *begin_in_batches(void)
{
    struct world *w = world_new("extensions: {elect: {lease: l}}\nreceivers: {pull: {k8s_leader_elector: elect, batches: 3}}\n"
                                "exporters: {sink: {}}\n"
                                "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n");
    world_start(w);
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, 0);
    assert_int_equal(fake("sink")->seen_count, 3);
    return w;
}

/* Every tick of the aligned grid came once. */
static void assert_unbroken(const struct fake *sink)
{
    for (size_t i = 2; i < sink->seen_count; i++)
        assert_int_equal(sink->seen[i].tick_ns, sink->seen[i - 1].tick_ns + SECOND);
}

static void test_waits_for_what_is_in_flight_then_yields(void **state)
{
    (void)state;
    struct world *w = begin();
    struct elector *e = world_elector(w, "l");
    fake("sink")->hold = true;
    world_run(w, SECOND);
    assert_int_equal(fake("sink")->held_count, 1);
    service_yield(w->service);
    service_yield(w->service); /* the same request */
    world_run(w, 100 * MS);
    assert_int_equal(e->yield_count, 0);
    fake("sink")->hold = false;
    fake_settle(fake("sink"), OUTCOME_SENT);
    world_run(w, 0);
    assert_int_equal(e->yield_count, 1);
    assert_false(fake("pull")->active);
    assert_int_equal(fake_elector_written(e, "pull")->entry.acknowledged_ns,
                     fake("sink")->seen[fake("sink")->seen_count - 1].tick_ns);
    /* It is a candidate like before, and goes on where it stood. */
    world_run(w, 1500 * MS);
    size_t before = fake("sink")->seen_count;
    fake_elector_lead(e, INHERIT_OWN, 0);
    world_run(w, 2 * SECOND);
    assert_true(fake("sink")->seen_count >= before + 3);
    assert_unbroken(fake("sink"));
    assert_false(world_logged(w, "Not everything was acknowledged in time"));
    assert_int_equal(world_end(w), 0);
}

static void test_a_tick_in_progress_is_finished(void **state)
{
    (void)state;
    struct world *w = begin_in_batches();
    struct elector *e = world_elector(w, "l");
    fake("pull")->collect_takes_ns = 20 * MS;
    int64_t wait_ns = fake("sink")->seen[0].tick_ns + SECOND - loop_wall_ns(w->loop);
    world_run(w, wait_ns);
    while (fake("sink")->seen_count == 3)
        world_run(w, 10 * MS);
    service_yield(w->service);
    world_run(w, 200 * MS);
    assert_int_equal(fake("sink")->seen_count % 3, 0);
    assert_int_equal(fake("pull")->abandons, 0);
    assert_int_equal(e->yield_count, 1);
    assert_int_equal(world_end(w), 0);
}

static void test_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct world *w = begin();
    struct elector *e = world_elector(w, "l");
    fake("sink")->hold = true;
    world_run(w, SECOND);
    int64_t asked_ns = loop_boot_ns(w->loop);
    fake_elector_ask(e);
    world_run(w, LIMIT_STOP_ACKNOWLEDGE_MS * MS + 10 * MS);
    assert_int_equal(e->yield_count, 1);
    assert_int_equal(e->yielded_ns - asked_ns, LIMIT_STOP_ACKNOWLEDGE_MS * MS);
    assert_true(world_logged(w, "Not everything was acknowledged in time; handing over all the same"));
    fake("sink")->hold = false;
    fake_settle(fake("sink"), OUTCOME_SENT);
    assert_int_equal(world_end(w), 0);
}

static void fill_the_queue(struct receiver *r)
{
    (void)r;
    fake("sink")->full = true;
}

/* The queue is full in the middle of a tick, and stays so: who leads next must not send what is on its way already. */
static void test_half_sent_tick_is_noted_before_the_release(void **state)
{
    (void)state;
    struct world *w = begin_in_batches();
    struct elector *e = world_elector(w, "l");
    fake("pull")->during_collect = fill_the_queue;
    while (fake("sink")->seen_count == 3)
        world_run(w, 10 * MS);
    service_yield(w->service);
    world_run(w, LIMIT_STOP_ACKNOWLEDGE_MS * MS + 10 * MS);
    assert_int_equal(fake("sink")->seen_count, 4);
    assert_int_equal(e->yield_count, 1);
    assert_int_equal(e->yielded_tick_ns, fake("sink")->seen[3].tick_ns);
    assert_int_equal(fake("pull")->abandons, 1);
    fake("sink")->full = false;
    assert_int_equal(world_end(w), 0);
}

static void test_a_lease_that_is_lost_meanwhile_ends_it(void **state)
{
    (void)state;
    struct world *w = begin();
    struct elector *e = world_elector(w, "l");
    fake("sink")->hold = true;
    world_run(w, SECOND);
    service_yield(w->service);
    fake_elector_lose(e);
    world_run(w, SECOND);
    assert_int_equal(e->yield_count, 0);
    fake("sink")->hold = false;
    fake_settle(fake("sink"), OUTCOME_SENT);
    size_t before = fake("sink")->seen_count;
    fake_elector_lead(e, INHERIT_OWN, 0); /* the receivers were let go */
    world_run(w, 2 * SECOND);
    assert_true(fake("sink")->seen_count > before);
    assert_int_equal(world_end(w), 0);
}

/* Lost and won again before anything could be done about the request: it is a new term, which nobody asked to end. */
static void test_lost_and_won_again_at_once(void **state)
{
    (void)state;
    struct world *w = begin();
    struct elector *e = world_elector(w, "l");
    fake("sink")->hold = true;
    world_run(w, SECOND);
    service_yield(w->service);
    fake_elector_lose(e);
    fake_elector_lead(e, INHERIT_OWN, 0);
    fake("sink")->hold = false;
    fake_settle(fake("sink"), OUTCOME_SENT);
    size_t before = fake("sink")->seen_count;
    world_run(w, 3 * SECOND);
    assert_int_equal(e->yield_count, 0);
    assert_true(fake("sink")->seen_count > before + 1);
    assert_int_equal(world_end(w), 0);
}

static void test_stop_in_the_middle(void **state)
{
    (void)state;
    struct world *w = begin();
    struct elector *e = world_elector(w, "l");
    fake("sink")->hold = true;
    world_run(w, SECOND);
    service_yield(w->service);
    world_run(w, 100 * MS);
    service_stop(w->service);
    size_t released = world_electors(w)->release_count;
    assert_int_equal(released, 0);
    fake("sink")->hold = false;
    fake_settle(fake("sink"), OUTCOME_SENT);
    assert_int_equal(e->yield_count, 0);
    world_run(w, 0);
    assert_int_equal(world_electors(w)->release_count, 1);
    assert_int_equal(world_end(w), 0);
}

static void test_reload_in_the_middle(void **state)
{
    (void)state;
    struct world *w = begin();
    struct elector *e = world_elector(w, "l");
    fake("sink")->hold = true;
    world_run(w, SECOND);
    service_yield(w->service);
    service_reload(w->service);
    fake("sink")->hold = false;
    fake_settle(fake("sink"), OUTCOME_SENT);
    world_run(w, 3 * SECOND);
    assert_int_equal(e->yield_count, 0); /* the request went with the old configuration; nothing else did */
    assert_unbroken(fake("sink"));
    fake_elector_ask(e);
    world_run(w, 0);
    assert_int_equal(e->yield_count, 1);
    assert_int_equal(world_end(w), 0);
}

/* The last outcome and the end of the wait come out of the same turn of the loop: all was acknowledged. */
static void test_acknowledged_as_the_time_is_up(void **state)
{
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct world *w = begin();
        fake("sink")->hold = true;
        world_run(w, SECOND);
        if (ends)
            service_stop(w->service);
        else
            service_yield(w->service);
        world_run(w, LIMIT_STOP_ACKNOWLEDGE_MS * MS - MS);
        fake("sink")->hold = false;
        fake_settle(fake("sink"), OUTCOME_SENT);
        fake_loop_spend(w->loop, MS);
        fake_loop_fire(w->loop);
        world_run(w, 0);
        assert_int_equal(ends ? world_electors(w)->release_count : world_elector(w, "l")->yield_count, 1);
        assert_false(world_logged(w, "Not everything was acknowledged in time"));
        assert_int_equal(world_end(w), 0);
    }
}

static void test_asked_during_a_reload(void **state)
{
    (void)state;
    struct world *w = begin();
    fake("sink")->hang = true;
    service_reload(w->service);
    world_run(w, SECOND);
    service_yield(w->service);
    assert_false(world_logged(w, "this replica leads by no Lease"));
    assert_true(world_logged(w, "Nothing is handed over during a reload or a stop"));
    fake("sink")->hang = false;
    fake_let_stop(fake("sink"));
    world_run(w, SECOND);
    assert_true(fake("pull")->active);
    assert_int_equal(world_end(w), 0);
}

#define YAML_AUTO                                                                                                                  \
    "extensions: {elect: {lease: l, standby: auto, handover_wait: 5s}}\nreceivers: {pull: {k8s_leader_elector: elect}}\n"          \
    "exporters: {sink: {}}\nservice: {extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n"

static struct world *begin_auto(void)
{
    struct world *w = world_new(YAML_AUTO);
    world_start(w);
    struct elector *e = world_elector(w, "l");
    e->another_stands_by = true;
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, SECOND);
    return w;
}

static void test_goes_on_until_the_standby_is_synced(void **state)
{
    (void)state;
    struct world *w = begin_auto();
    struct elector *e = world_elector(w, "l");
    fake_elector_ask(e);
    size_t before = fake("sink")->seen_count;
    world_run(w, 3 * SECOND);
    assert_int_equal(e->yield_count, 0);
    assert_true(fake("sink")->seen_count >= before + 3); /* ticks go on meanwhile */
    assert_true(world_logged(w, "Going on until the next leader is ready to take over"));
    fake_elector_ask(e); /* the same request */
    e->another_is_synced = true;
    world_run(w, SECOND);
    assert_int_equal(e->yield_count, 1);
    assert_unbroken(fake("sink"));
    assert_int_equal(world_end(w), 0);
}

static void test_waits_for_a_standby_no_longer_than_it_may(void **state)
{
    (void)state;
    struct world *w = begin_auto();
    struct elector *e = world_elector(w, "l");
    int64_t asked_ns = loop_boot_ns(w->loop);
    service_yield(w->service);
    world_run(w, 7 * SECOND);
    assert_int_equal(e->yield_count, 1);
    assert_in_range(e->yielded_ns - asked_ns, 5 * SECOND, 5 * SECOND + LIMIT_HANDOVER_LOOK_MS * MS + 10 * MS);
    assert_int_equal(world_end(w), 0);
}

static void test_a_lease_that_is_lost_while_it_waits(void **state)
{
    (void)state;
    struct world *w = begin_auto();
    struct elector *e = world_elector(w, "l");
    service_yield(w->service);
    world_run(w, SECOND);
    fake_elector_lose(e);
    world_run(w, 7 * SECOND);
    assert_int_equal(e->yield_count, 0);
    fake_elector_lead(e, INHERIT_OWN, 0);
    size_t before = fake("sink")->seen_count;
    world_run(w, 7 * SECOND);
    assert_int_equal(e->yield_count, 0); /* nobody asked this term */
    assert_true(fake("sink")->seen_count > before + 5);
    assert_int_equal(world_end(w), 0);
}

/* By its role it is started and stopped: a role that changes while it drains is not lost. */
static void test_roles_while_it_drains(void **state)
{
    (void)state;
    struct world *w = begin_auto();
    struct elector *e = world_elector(w, "l");
    e->another_is_synced = true;
    fake("sink")->hold = true;
    world_run(w, SECOND);
    service_yield(w->service);
    fake_elector_lose(e); /* cold */
    fake_elector_stand_by(e, true);
    world_run(w, SECOND);
    assert_true(fake("pull")->alive && !fake("pull")->active);
    fake("sink")->hold = false;
    fake_settle(fake("sink"), OUTCOME_SENT);
    fake_elector_lead(e, INHERIT_OWN, 0);
    assert_true(fake("pull")->active);
    assert_int_equal(world_end(w), 0);
}

static void test_nothing_to_hand_over(void **state)
{
    (void)state;
    struct world *w = world_new(YAML_GATED);
    world_start(w);
    service_yield(w->service);
    world_run(w, SECOND);
    assert_true(world_logged(w, "Nothing to hand over: this replica leads by no Lease"));
    assert_int_equal(world_elector(w, "l")->yield_count, 0);
    fake_elector_ask(world_elector(w, "l")); /* too late: another term */
    world_run(w, SECOND);
    assert_int_equal(world_elector(w, "l")->yield_count, 0);
    assert_int_equal(world_end(w), 0);
}

/* Two extensions on one Lease, and one whose Lease this replica does not lead; receivers of others go on. */
static void test_each_elector_for_itself(void **state)
{
    (void)state;
    struct world *w = world_new(
        "extensions: {elect: {lease: l}, elect/same: {lease: l}, elect/other: {lease: m}}\n"
        "receivers: {pull: {k8s_leader_elector: elect}, pull/same: {k8s_leader_elector: elect/same}, "
        "pull/other: {k8s_leader_elector: elect/other}, push: {k8s_leader_elector: elect}, pull/free: {}}\n"
        "exporters: {sink: {}, sink/logs: {}}\n"
        "service:\n  extensions: [elect, elect/same, elect/other]\n  pipelines:\n"
        "    metrics: {receivers: [pull, pull/same, pull/other, pull/free], exporters: [sink]}\n"
        "    logs: {receivers: [push], exporters: [sink/logs]}\n");
    world_start(w);
    struct elector *l = world_elector(w, "l"), *m = world_elector(w, "m");
    fake_elector_lead(l, INHERIT_NONE, 0);
    fake_elector_lead(m, INHERIT_NONE, 0);
    world_run(w, SECOND);
    fake_elector_ask(l);
    assert_false(fake_push(fake("push"), "p")); /* draining */
    world_run(w, 0);
    assert_int_equal(l->yield_count, 1);
    assert_int_equal(m->yield_count, 0);
    assert_false(fake("pull")->active || fake("pull/same")->active || fake("push")->active);
    assert_true(fake("pull/other")->active && fake("pull/free")->active);
    fake_elector_lead(l, INHERIT_OWN, 0);
    assert_true(fake("pull")->active && fake("pull/same")->active && fake("push")->active);
    assert_true(fake_push(fake("push"), "p"));
    assert_int_equal(world_end(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_for_what_is_in_flight_then_yields),
        cmocka_unit_test(test_a_tick_in_progress_is_finished),
        cmocka_unit_test(test_does_not_wait_for_ever),
        cmocka_unit_test(test_half_sent_tick_is_noted_before_the_release),
        cmocka_unit_test(test_acknowledged_as_the_time_is_up),
        cmocka_unit_test(test_asked_during_a_reload),
        cmocka_unit_test(test_a_lease_that_is_lost_meanwhile_ends_it),
        cmocka_unit_test(test_lost_and_won_again_at_once),
        cmocka_unit_test(test_stop_in_the_middle),
        cmocka_unit_test(test_reload_in_the_middle),
        cmocka_unit_test(test_goes_on_until_the_standby_is_synced),
        cmocka_unit_test(test_waits_for_a_standby_no_longer_than_it_may),
        cmocka_unit_test(test_a_lease_that_is_lost_while_it_waits),
        cmocka_unit_test(test_roles_while_it_drains),
        cmocka_unit_test(test_nothing_to_hand_over),
        cmocka_unit_test(test_each_elector_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
