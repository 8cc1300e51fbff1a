/* A receiver that has ticks and, beside them, batches with positions; and cold standby by the elector's word. */
#include "world.h"

#define YAML_BOTH                                                                                                                  \
    "extensions: {elect: {lease: l}}\n"                                                                                            \
    "receivers: {both: {k8s_leader_elector: elect}}\nexporters: {sink/m: {}, sink/l: {}}\n"                                        \
    "service: {extensions: [elect], pipelines: {metrics: {receivers: [both], exporters: [sink/m]}, "                               \
    "logs: {receivers: [both], exporters: [sink/l]}}}\n"

static struct world *begin(const char *yaml)
{
    struct world *w = world_new(yaml);
    world_start(w);
    return w;
}

static void test_a_slow_tick_does_not_hold_positions_up(void **state)
{
    (void)state;
    struct world *w = begin(YAML_BOTH);
    struct elector *e = world_elector(w, "l");
    fake_elector_inherit(e, "both", (struct note_entry){.position = STR("rv 7")});
    fake("sink/m")->hold = true;
    fake_elector_lead(e, INHERIT_EXPIRED, 0);
    assert_string_equal(fake("both")->position, "rv 7");
    assert_false(world_logged(w, "note on this receiver cannot be used")); /* it names no tick */
    world_run(w, 2 * SECOND);
    assert_true(fake("sink/m")->held_count > 0);
    assert_true(fake_push(fake("both"), "rv 8"));
    assert_true(str_eqz(fake_elector_written(e, "both")->entry.position, "rv 8"));
    assert_int_equal(fake_elector_written(e, "both")->entry.acknowledged_ns, 0);
    assert_int_equal(fake("sink/l")->seen_count, 1);
    assert_int_equal(fake("sink/l")->seen[0].tick_ns, 0);
    fake_settle(fake("sink/m"), OUTCOME_SENT);
    assert_int_not_equal(fake_elector_written(e, "both")->entry.acknowledged_ns, 0);
    fake("sink/m")->hold = false;
    assert_int_equal(world_end(w), 0);
}

static struct fake *pushing;
static bool pushed;

static void push_once(struct receiver *r)
{
    (void)r;
    if (!pushed)
        pushed = fake_push(pushing, "rv 3");
}

static void test_a_position_within_a_tick_is_its_own(void **state)
{
    (void)state;
    struct world *w = begin(YAML_BOTH);
    struct elector *e = world_elector(w, "l");
    pushing = fake("both");
    pushed = false;
    pushing->during_collect = push_once;
    fake("sink/m")->hold = true;
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 100 * MS);
    assert_true(pushed);
    assert_true(str_eqz(fake_elector_written(e, "both")->entry.position, "rv 3"));
    fake_settle(fake("sink/m"), OUTCOME_SENT);
    fake("sink/m")->hold = false;
    assert_int_equal(world_end(w), 0);
}

static void test_each_signal_has_its_own_room(void **state)
{
    (void)state;
    struct world *w = begin(YAML_BOTH);
    struct fake *both = fake("both"), *metrics = fake("sink/m"), *logs = fake("sink/l");
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, 100 * MS);
    size_t ticks = metrics->seen_count;
    logs->full = true;
    world_run(w, 3 * SECOND);
    assert_int_equal(metrics->seen_count, ticks + 3); /* not held up by the other exporter */
    assert_false(fake_push_has_room(both));
    assert_int_equal(both->rooms, 0);
    logs->full = false;
    exporter_room(CONTAINER_OF(logs->component, struct exporter, base));
    fake_loop_settle(w->loop);
    assert_int_equal(both->rooms, 1);
    assert_true(fake_push_has_room(both));
    exporter_room(CONTAINER_OF(logs->component, struct exporter, base));
    fake_loop_settle(w->loop);
    assert_int_equal(both->rooms, 1); /* nobody asked again */
    metrics->full = true;
    assert_true(fake_push_has_room(both));
    metrics->full = false;
    assert_int_equal(world_end(w), 0);
}

static void test_a_stop_refuses_what_the_successor_will_send(void **state)
{
    (void)state;
    struct world *w = begin(YAML_BOTH);
    struct elector *e = world_elector(w, "l");
    fake("sink/m")->hold = true;
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 100 * MS);
    assert_true(fake_push(fake("both"), "rv 1"));
    service_stop(w->service); /* waits for the tick */
    assert_int_equal(world_electors(w)->release_count, 0);
    assert_false(fake_push(fake("both"), "rv 2"));
    assert_true(str_eqz(fake_elector_written(e, "both")->entry.position, "rv 1"));
    fake_settle(fake("sink/m"), OUTCOME_SENT);
    fake_loop_settle(w->loop);
    assert_int_equal(world_electors(w)->release_count, 1);
    assert_int_equal(world_end(w), 0);
}

static void test_cold_standby_by_the_elector(void **state)
{
    (void)state;
    struct world *w =
        begin("extensions: {elect: {lease: l, standby: cold}}\n"
              "receivers: {pull: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
              "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n");
    struct elector *e = world_elector(w, "l");
    assert_string_equal(fake_trace(), "start elect, start sink");
    fake_elector_lead(e, INHERIT_NONE, 0);
    assert_string_equal(fake_trace(), "start pull, activate pull");
    fake_elector_lose(e);
    assert_string_equal(fake_trace(), "deactivate pull, stop pull");
    assert_int_equal(world_end(w), 0);
}

/* Somebody else has led meanwhile and came further: what is acknowledged late, of a term before, does not lead the note back. */
static void test_a_late_position_of_an_earlier_term(void **state)
{
    (void)state;
    struct world *w = begin(YAML_BOTH);
    struct elector *e = world_elector(w, "l");
    fake("sink/l")->hold = true;
    fake_elector_lead(e, INHERIT_NONE, 0);
    assert_true(fake_push(fake("both"), "rv 2"));
    fake_elector_lose(e);
    fake_elector_inherit(e, "both", (struct note_entry){.position = STR("rv 9")});
    fake_elector_lead(e, INHERIT_EXPIRED, 0);
    assert_string_equal(fake("both")->position, "rv 9");
    fake_settle(fake("sink/l"), OUTCOME_SENT);
    world_run(w, 2 * SECOND);
    assert_true(str_eqz(fake_elector_written(e, "both")->entry.position, "rv 9"));
    assert_true(fake_push(fake("both"), "rv 10"));
    fake("sink/l")->hold = false;
    fake_settle(fake("sink/l"), OUTCOME_SENT);
    assert_true(str_eqz(fake_elector_written(e, "both")->entry.position, "rv 10"));
    assert_int_equal(world_end(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_tick_does_not_hold_positions_up),
        cmocka_unit_test(test_a_position_within_a_tick_is_its_own),
        cmocka_unit_test(test_each_signal_has_its_own_room),
        cmocka_unit_test(test_a_stop_refuses_what_the_successor_will_send),
        cmocka_unit_test(test_cold_standby_by_the_elector),
        cmocka_unit_test(test_a_late_position_of_an_earlier_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
