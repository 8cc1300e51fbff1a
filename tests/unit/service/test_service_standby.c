/* Receivers by the role that an elector with `standby: auto` gives to this replica, and a stop that waits for the next leader. */
#include "world.h"

#define WAIT_S 5
#define YAML_AUTO                                                                                  \
    "extensions: {elect: {lease: l, standby: auto, handover_wait: 5s}}\n"                          \
    "receivers: {pull: {k8s_leader_elector: elect}, cold: {k8s_leader_elector: elect}}\n"          \
    "exporters: {sink: {}}\n"                                                                      \
    "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull, cold], exporters: "    \
    "[sink]}}}\n"

static struct world *begin(const char *yaml)
{
    fakes_reset();
    struct world *w = world_new(yaml);
    world_start(w);
    return w;
}

static void test_receivers_follow_the_role(void **state)
{
    (void)state;
    struct world *w = begin(YAML_AUTO);
    struct elector *e = world_elector(w, "l");
    fake_trace();
    fake_elector_stand_by(e, true);
    assert_string_equal(fake_trace(), "start pull");
    fake_elector_stand_by(e, false);
    assert_string_equal(fake_trace(), "stop pull");
    fake_elector_stand_by(e, true);
    fake_elector_lead(e, INHERIT_NONE, 0);
    assert_string_equal(fake_trace(), "start pull, activate pull, start cold, activate cold");
    fake_elector_lose(e); /* it stays warm until another one stands by */
    assert_string_equal(fake_trace(), "deactivate pull, deactivate cold, stop cold");
    fake_elector_stand_by(e, false);
    assert_string_equal(fake_trace(), "stop pull");
    fake_elector_lead(e, INHERIT_NONE, 0);
    assert_string_equal(fake_trace(), "start pull, activate pull, start cold, activate cold");
    assert_int_equal(world_end(w), 0);
}

static void test_synced_is_what_the_receivers_are(void **state)
{
    (void)state;
    struct world *w = begin(YAML_AUTO);
    struct elector *e = world_elector(w, "l");
    fake("pull")->not_ready = true;
    fake_elector_stand_by(e, true);
    assert_false(elector_is_synced(e));
    size_t calls = e->synced_calls;
    fake("pull")->not_ready = false;
    receiver_ready(CONTAINER_OF(fake("pull")->component, struct receiver, base));
    assert_int_equal(e->synced_calls, calls + 1);
    assert_true(elector_is_synced(e)); /* the one that cannot be warm has nothing to fill */
    assert_int_equal(world_end(w), 0);
}

static void test_a_standby_that_cannot_start_is_not_synced(void **state)
{
    (void)state;
    struct world *w = begin(YAML_AUTO);
    struct elector *e = world_elector(w, "l");
    fake("pull")->fail_start = true;
    fake_elector_stand_by(e, true);
    assert_false(elector_is_synced(e));
    assert_true(world_logged(w, "starting as standby failed"));
    assert_int_equal(world_end(w), 0);
}

/* Leads since a moment, while another replica stands by. */
static struct world *lead_before(bool synced)
{
    struct world *w = begin(YAML_AUTO);
    struct elector *e = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    e->another_stands_by = true;
    e->another_is_synced = synced;
    world_run(w, 2 * SECOND);
    return w;
}

static void test_a_stop_waits_for_a_standby_that_is_not_synced(void **state)
{
    (void)state;
    struct world *w = lead_before(false);
    struct fake *sink = fake("sink");
    size_t seen = sink->seen_count;
    service_stop(w->service);
    world_run(w, 3 * SECOND);
    assert_int_equal(world_electors(w)->release_count, 0);
    assert_true(sink->seen_count > seen); /* ticks go on */
    assert_true(world_logged(w, "Going on until the next leader is ready"));
    world_elector(w, "l")->another_is_synced = true;
    world_run(w, 100 * MS);
    assert_int_equal(world_electors(w)->release_count, 1);
    assert_true(world_logged(w, "Handing over"));
    assert_int_equal(world_end(w), 0);
}

static void test_the_wait_has_a_bound(void **state)
{
    (void)state;
    struct world *w = lead_before(false);
    int64_t asked_ns = loop_boot_ns(w->loop);
    service_stop(w->service);
    world_run(w, 20 * SECOND);
    int64_t waited_ns = world_electors(w)->released_ns - asked_ns;
    assert_in_range(waited_ns, WAIT_S * SECOND, WAIT_S * SECOND + 50 * MS);
    assert_int_equal(world_end(w), 0);
}

static void test_a_drain_after_the_wait_has_its_whole_bound(void **state)
{
    (void)state;
    struct world *w = lead_before(false);
    fake("sink")->hold = true;
    world_run(w, 2 * SECOND);
    int64_t asked_ns = loop_boot_ns(w->loop);
    service_stop(w->service);
    world_run(w, 20 * SECOND);
    int64_t waited_ns = world_electors(w)->released_ns - asked_ns;
    int64_t least_ns = WAIT_S * SECOND + LIMIT_STOP_ACKNOWLEDGE_MS * MS;
    assert_in_range(waited_ns, least_ns, least_ns + 50 * MS);
    assert_true(world_logged(w, "Not everything was acknowledged in time"));
    assert_int_equal(world_end(w), 0);
}

static void test_nothing_is_waited_for_without_need(void **state)
{
    (void)state;
    for (int why = 0; why < 3; why++) {
        struct world *w = lead_before(why == 0);
        struct elector *e = world_elector(w, "l");
        if (why == 1)
            e->another_stands_by = false;
        if (why == 2)
            fake_elector_lose(e);
        service_stop(w->service);
        fake_loop_settle(w->loop);
        assert_int_equal(world_electors(w)->release_count, why < 2);
        assert_false(world_logged(w, "Going on until"));
        assert_false(service_stop_waiting(w->service));
        assert_int_equal(world_end(w), 0);
    }
}

static void test_the_wait_ends_when_it_is_told_to(void **state)
{
    (void)state;
    struct world *w = lead_before(false);
    assert_false(service_stop_waiting(w->service)); /* not stopping yet */
    service_stop(w->service);
    world_run(w, SECOND);
    assert_int_equal(world_electors(w)->release_count, 0);
    assert_true(service_stop_waiting(w->service));
    fake_loop_settle(w->loop);
    assert_int_equal(world_electors(w)->release_count, 1);
    assert_false(service_stop_waiting(w->service));
    assert_int_equal(world_end(w), 0);
}

static void test_a_fatal_error_waits_for_nobody(void **state)
{
    (void)state;
    struct world *w = lead_before(false);
    component_report(fake("pull")->component, STATUS_FATAL_ERROR, NULL);
    fake_loop_settle(w->loop);
    assert_int_equal(world_electors(w)->release_count, 1);
    assert_int_equal(world_end(w), 1);
}

static void test_a_reload_waits_for_nobody(void **state)
{
    (void)state;
    struct world *w = lead_before(false);
    service_reload(w->service);
    fake_loop_settle(w->loop);
    assert_true(service_is_running(w->service));
    assert_false(world_logged(w, "Going on until"));
    world_elector(w, "l")->another_is_synced = true;
    assert_int_equal(world_end(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receivers_follow_the_role),
        cmocka_unit_test(test_synced_is_what_the_receivers_are),
        cmocka_unit_test(test_a_standby_that_cannot_start_is_not_synced),
        cmocka_unit_test(test_a_stop_waits_for_a_standby_that_is_not_synced),
        cmocka_unit_test(test_the_wait_has_a_bound),
        cmocka_unit_test(test_a_drain_after_the_wait_has_its_whole_bound),
        cmocka_unit_test(test_nothing_is_waited_for_without_need),
        cmocka_unit_test(test_the_wait_ends_when_it_is_told_to),
        cmocka_unit_test(test_a_fatal_error_waits_for_nobody),
        cmocka_unit_test(test_a_reload_waits_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
