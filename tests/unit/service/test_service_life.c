/* Start, stop, status, with everything that can go wrong on the way. */
#include <stdlib.h>

#include "world.h"

/* One of each kind. */
#define YAML_ALL                                                                                   \
    "extensions: {elect: {lease: l}, plain: {}}\n"                                                 \
    "receivers: {pull: {k8s_leader_elector: elect}, pull/free: {}}\n"                              \
    "processors: {pass: {}}\nexporters: {sink: {}}\n"                                              \
    "service:\n  extensions: [elect, plain]\n  pipelines:\n"                                       \
    "    metrics: {receivers: [pull, pull/free], processors: [pass], exporters: [sink]}\n"

static struct world *begin(const char *yaml)
{
    struct world *w = world_new(yaml);
    world_start(w);
    return w;
}

static void test_order(void **state)
{
    (void)state;
    struct world *w = begin(YAML_ALL);
    assert_string_equal(
        fake_trace(),
        "start elect, start plain, start sink, start pass, start pull, start pull/free, "
        "activate pull/free");
    assert_true(world_logged(w, "Starting baton..."));
    assert_true(world_logged(w, "Everything is ready. Begin running and processing data."));
    assert_true(world_logged(w, "\"Version\": \""));
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, 0);
    assert_string_equal(fake_trace(), "activate pull, process pass, process pass");
    assert_int_equal(service_component_status(w->service, COMPONENT_EXPORTER, STR("sink")),
                     STATUS_OK);
    assert_int_equal(service_component_status(w->service, COMPONENT_PROCESSOR, STR("pass")),
                     STATUS_OK);
    assert_int_equal(service_component_status(w->service, COMPONENT_EXTENSION, STR("elect")),
                     STATUS_OK);
    assert_int_equal(service_component_status(w->service, COMPONENT_RECEIVER, STR("pull")),
                     STATUS_OK);
    assert_int_equal(service_component_status(w->service, COMPONENT_RECEIVER, STR("other")),
                     STATUS_NONE);
    service_stop(w->service);
    world_run(w, 0);
    assert_true(w->ended);
    assert_string_equal(fake_trace(), "deactivate pull, quiesce elect, deactivate pull/free, stop "
                                      "pull/free, stop pull, stop pass, "
                                      "stop sink, stop plain, stop elect, "
                                      "destroy pull, destroy pull/free, destroy pass, destroy "
                                      "sink, destroy plain, destroy elect");
    assert_true(world_logged(w, "Starting shutdown..."));
    assert_true(world_logged(w, "Shutdown complete."));
    assert_int_equal(world_end(w), 0);
}

static void test_logger_fields(void **state)
{
    (void)state;
    struct world *w = begin(YAML_ALL);
    struct err err;
    err_set(&err, "the backend is away");
    component_report(fake("sink")->component, STATUS_RECOVERABLE_ERROR, &err);
    assert_true(world_logged(
        w, "\"otelcol.component.id\": \"sink\", \"otelcol.component.kind\": \"exporter\""));
    assert_true(world_logged(w, "\"error\": \"the backend is away\""));
    assert_true(world_logged(w, "\"resource\": {\"service.instance.id\": \""));
    assert_true(world_logged(w, "\"service.name\": \"baton\", \"service.version\": \"" BATON_VERSION
                                "\"}"));
    assert_int_equal(world_end(w), 0);
}

static void test_each_component_may_fail_to_start(void **state)
{
    (void)state;
    static const struct {
        const char *id, *text, *trace;
    } cases[] = {
        {"elect",
         "failed to start extensions: failed to start \\\"elect\\\" extension: told to fail",
         "start elect"},
        {"plain",
         "failed to start extensions: failed to start \\\"plain\\\" extension: told to fail",
         "start elect, start plain, quiesce elect, stop elect"},
        {"sink", "cannot start pipelines: failed to start \\\"sink\\\" exporter: told to fail",
         "start elect, start plain, start sink, quiesce elect, stop plain, stop elect"},
        {"pass", "cannot start pipelines: failed to start \\\"pass\\\" processor: told to fail",
         "start elect, start plain, start sink, start pass, quiesce elect, stop sink, stop plain, "
         "stop elect"},
        {"pull", "cannot start pipelines: failed to start \\\"pull\\\" receiver: told to fail",
         "start elect, start plain, start sink, start pass, start pull, quiesce elect, stop pass, "
         "stop sink, stop plain, stop elect"},
        {"pull/free",
         "cannot start pipelines: failed to start \\\"pull/free\\\" receiver: told to fail",
         "start elect, start plain, start sink, start pass, start pull, start pull/free, quiesce "
         "elect, stop pull, stop pass, "
         "stop sink, stop plain, stop elect"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world *w = world_new(YAML_ALL);
        fake(cases[i].id)->fail_start = true;
        world_start(w);
        assert_false(w->ended); /* from the loop, not from within the call */
        world_run(w, SECOND);
        assert_true(w->ended);
        char *trace = strdup(fake_trace());
        char *destroy = strstr(trace, ", destroy");
        assert_non_null(destroy);
        *destroy = '\0';
        assert_string_equal(trace, cases[i].trace);
        free(trace);
        assert_true(world_logged(w, cases[i].text));
        assert_int_equal(world_log_count(w, "told to fail"), 1);
        assert_false(world_logged(w, "Everything is ready"));
        assert_int_equal(world_end(w), 1);
    }
}

static void test_each_component_may_fail_to_be_created(void **state)
{
    (void)state;
    static const struct {
        const char *id, *text;
    } cases[] = {
        {"elect",
         "failed to build extensions: failed to create \\\"elect\\\" extension: told to fail"},
        {"plain",
         "failed to build extensions: failed to create \\\"plain\\\" extension: told to fail"},
        {"sink", "failed to build pipelines: failed to create \\\"sink\\\" exporter: told to fail"},
        {"pass", "failed to build pipelines: in pipeline \\\"metrics\\\": failed to create "
                 "\\\"pass\\\" processor: told to fail"},
        {"pull/free",
         "failed to build pipelines: failed to create \\\"pull/free\\\" receiver: told to fail"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world *w = world_new(YAML_ALL);
        fake(cases[i].id)->fail_create = true;
        world_start(w);
        world_run(w, SECOND);
        assert_true(w->ended);
        assert_true(world_logged(w, cases[i].text));
        assert_null(strstr(fake_trace(), "start"));
        assert_int_equal(world_end(w), 1);
    }
}

static void test_an_elector_may_be_refused(void **state)
{
    (void)state;
    struct world *w = world_new(YAML_ALL);
    world_electors(w)->refuse = "no credentials here";
    world_start(w);
    world_run(w, SECOND);
    assert_true(world_logged(w, "no credentials here"));
    assert_int_equal(world_end(w), 1);
}

static void test_a_fatal_status_ends_in_order(void **state)
{
    (void)state;
    for (int at_start = 0; at_start < 2; at_start++) {
        struct world *w = world_new(YAML_ALL);
        fake("plain")->fatal_at_start = at_start;
        world_start(w);
        if (!at_start) {
            world_run(w, 3 * SECOND);
            struct err err;
            err_set(&err, "cannot listen any more");
            component_report(fake("sink")->component, STATUS_FATAL_ERROR, &err);
            component_report(fake("pull")->component, STATUS_FATAL_ERROR, NULL);
            assert_true(fake("sink")->alive); /* not from within the call */
        }
        world_run(w, 0);
        assert_true(w->ended);
        assert_int_equal(world_log_count(w, "Asynchronous error received, terminating process"), 1);
        assert_true(
            world_logged(w, at_start ? "plain: told to be fatal" : "sink: cannot listen any more"));
        assert_true(world_logged(w, "Shutdown complete."));
        assert_int_equal(world_end(w), 1);
    }
}

static void test_status_moves(void **state)
{
    (void)state;
    struct world *w = begin(YAML_PLAIN);
    struct component *c = fake("sink")->component;
    struct err err;
    err_set(&err, "x");
    component_report(c, STATUS_RECOVERABLE_ERROR, &err);
    component_report(c, STATUS_OK, NULL);
    assert_int_equal(c->status, STATUS_OK);
    assert_true(world_logged(w, "Component has recovered"));
    component_report(c, STATUS_STARTING, NULL);
    assert_int_equal(c->status, STATUS_OK);
    component_report(c, STATUS_STOPPED, NULL);
    assert_int_equal(c->status, STATUS_OK);
    component_report(c, STATUS_PERMANENT_ERROR, &err);
    component_report(c, STATUS_OK, NULL);
    component_report(c, STATUS_FATAL_ERROR, &err);
    assert_int_equal(c->status, STATUS_PERMANENT_ERROR);
    world_run(w, SECOND);
    assert_true(service_is_running(w->service));
    assert_int_equal(world_end(w), 0);
}

/* -- stop -- */

static void test_a_stop_between_ticks_releases_at_once(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, 3 * SECOND);
    assert_int_equal(world_electors(w)->release_count, 0);
    service_stop(w->service);
    /* not even one turn of the loop later */
    assert_int_equal(world_electors(w)->release_count, 1);
    assert_int_equal(world_electors(w)->released_ns, loop_boot_ns(w->loop));
    service_stop(w->service);
    assert_int_equal(world_end(w), 0);
}

static void test_a_stop_waits_for_what_is_in_flight(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct fake *sink = fake("sink");
    struct elector *e = world_elector(w, "l");
    sink->hold = true;
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 2 * SECOND);
    service_stop(w->service);
    world_run(w, 300 * MS);
    assert_int_equal(world_electors(w)->release_count, 0);
    size_t seen = sink->seen_count;
    fake_settle(sink, OUTCOME_SENT);
    assert_int_equal(fake_elector_written(e, "pull")->entry.acknowledged_ns, sink->seen[2].tick_ns);
    fake_loop_settle(w->loop);
    assert_int_equal(world_electors(w)->release_count, 1);
    world_run(w, 5 * SECOND);
    assert_int_equal(sink->seen_count, seen); /* no new tick */
    assert_false(world_logged(w, "Not everything was acknowledged in time"));
    assert_int_equal(world_end(w), 0);
}

/* Led again in the middle of a stop, by a note from before our last ticks: what we have handed over must be in the next one. */
static void test_a_term_that_begins_during_a_stop_notes_what_was_handed_over(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct fake *sink = fake("sink");
    sink->hold = true;
    struct elector *e = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 2 * SECOND);
    int64_t newest_ns = sink->seen[sink->seen_count - 1].tick_ns;
    struct note_entry older = fake_elector_written(e, "pull")->entry;
    older.enqueued_ns = newest_ns - older.interval_ns;
    service_stop(w->service);
    fake_elector_lose(e);
    world_run(w, 0);
    e->written_count = 0;
    fake_elector_inherit(e, "pull", older);
    fake_elector_lead(e, INHERIT_RELEASED, 0);
    world_run(w, 0);
    assert_non_null(fake_elector_written(e, "pull"));
    assert_int_equal(fake_elector_written(e, "pull")->entry.enqueued_ns, newest_ns);
    fake_settle(sink, OUTCOME_SENT);
    assert_int_equal(world_end(w), 0);
}

static void test_a_stop_waits_for_half_a_second_at_most(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    fake("sink")->hold = true;
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, 2 * SECOND);
    int64_t asked_ns = loop_boot_ns(w->loop);
    service_stop(w->service);
    world_run(w, 10 * SECOND);
    assert_int_equal(world_electors(w)->released_ns - asked_ns, 500 * MS);
    assert_true(world_logged(w, "Not everything was acknowledged in time"));
    assert_int_equal(world_end(w), 0);
}

static void test_a_due_tick_that_has_not_begun_is_left_to_the_successor(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct fake *sink = fake("sink");
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, 1500 * MS);
    size_t before = sink->seen_count;
    sink->full = true;
    world_run(w, SECOND); /* due, but no room */
    assert_int_equal(sink->seen_count, before);
    service_stop(w->service);
    assert_int_equal(world_electors(w)->release_count, 1);
    sink->full = false;
    exporter_room(CONTAINER_OF(sink->component, struct exporter, base));
    world_run(w, 0);
    assert_int_equal(sink->seen_count, before);
    assert_int_equal(world_end(w), 0);
}

/* A tick stopped between two batches by a full exporter. */
static void fill_sink(struct receiver *r)
{
    (void)r;
    fake("sink")->full = true;
}

static void test_a_stop_in_the_middle_of_a_tick(void **state)
{
    (void)state;
    for (int room = 0; room < 2; room++) {
        struct world *w = begin(
            "extensions: {elect: {lease: l}}\n"
            "receivers: {pull: {batches: 3, k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
            "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: "
            "[sink]}}}\n");
        struct fake *sink = fake("sink");
        struct elector *e = world_elector(w, "l");
        fake("pull")->during_collect = fill_sink;
        fake_elector_lead(e, INHERIT_NONE, 0);
        world_run(w, 0);
        assert_int_equal(sink->seen_count, 1);
        service_stop(w->service);
        assert_int_equal(world_electors(w)->release_count, 0);
        world_run(w, 100 * MS);
        if (room) {
            fake("pull")->during_collect = NULL;
            sink->full = false;
            exporter_room(CONTAINER_OF(sink->component, struct exporter, base));
            fake_loop_settle(w->loop);
            assert_int_equal(sink->seen_count, 3);
            assert_int_equal(fake_elector_written(e, "pull")->entry.enqueued_ns,
                             sink->seen[0].tick_ns);
            assert_int_equal(world_electors(w)->release_count, 1);
        } else {
            world_run(w, 350 * MS);
            assert_int_equal(world_electors(w)->release_count, 0);
            assert_null(fake_elector_written(e, "pull"));
            world_electors(w)->release_takes_ns = 100 * MS; /* it is looked at before it is gone */
            world_run(w,
                      60 * MS); /* given up: a third is out, so the successor does not repeat it */
            assert_int_equal(fake_elector_written(e, "pull")->entry.enqueued_ns,
                             sink->seen[0].tick_ns);
            world_run(w, 10 * SECOND);
            assert_int_equal(sink->seen_count, 1);
            assert_int_equal(fake("pull")->abandons, 1);
            assert_int_equal(world_electors(w)->released_ns, 1000 * SECOND + 500 * MS);
        }
        assert_int_equal(world_end(w), 0);
    }
}

/* A receiver that nobody gates: its tick is finished too, but the release does not wait for it. */
static void test_a_stop_finishes_other_ticks_after_the_release(void **state)
{
    (void)state;
    for (int room = 0; room < 2; room++) {
        struct world *w =
            begin("extensions: {elect: {lease: l}}\n"
                  "receivers: {pull: {batches: 3}, pull/gated: {k8s_leader_elector: elect}}\n"
                  "exporters: {sink: {}, sink/2: {}}\n"
                  "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull],"
                  " exporters: [sink]}, logs: {receivers: [pull/gated], exporters: [sink/2]}}}\n");
        struct fake *sink = fake("sink");
        fake("pull")->during_collect = fill_sink;
        fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
        world_run(w, 100 * MS);
        assert_int_equal(sink->seen_count, 1);
        service_stop(w->service);
        assert_int_equal(world_electors(w)->release_count, 1);
        world_run(w, 400 * MS);
        assert_false(sink->stop_asked);
        if (room) {
            fake("pull")->during_collect = NULL;
            sink->full = false;
            exporter_room(CONTAINER_OF(sink->component, struct exporter, base));
        }
        world_run(w, 99 * MS);
        assert_int_equal(w->ended, room);
        world_run(w, MS);
        assert_true(w->ended);
        assert_int_equal(sink->seen_count, room ? 3 : 1);
        assert_int_equal(fake("pull")->abandons, !room);
        assert_int_equal(world_end(w), 0);
    }
}

static void test_a_stop_waits_for_the_release(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    world_electors(w)->release_takes_ns = 1800 * MS;
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    fake_trace();
    service_stop(w->service);
    world_run(w, 1700 * MS);
    assert_string_equal(
        fake_trace(),
        "deactivate pull, quiesce elect"); /* exporters still take what is under way */
    world_run(w, 200 * MS);
    assert_true(w->ended);
    assert_int_equal(world_end(w), 0);
}

static void test_a_release_that_hangs_does_not_stop_the_drain(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    world_electors(w)->release_takes_ns = 20 * SECOND;
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    fake_trace();
    service_stop(w->service);
    world_run(w, 2600 * MS);
    assert_string_equal(fake_trace(),
                        "deactivate pull, quiesce elect, stop pull, stop sink, stop elect");
    assert_false(w->ended);
    assert_true(world_logged(w, "An extension did not let go in time"));
    world_run(w, 20 * SECOND);
    assert_true(w->ended);
    assert_int_equal(world_end(w), 0);
}

static void test_an_exporter_drains_until_its_deadline(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct fake *sink = fake("sink");
    sink->hang = true;
    world_run(w, SECOND);
    int64_t asked_ns = loop_boot_ns(w->loop);
    service_stop(w->service);
    world_run(w, SECOND);
    assert_true(sink->stop_asked);
    assert_int_equal(sink->deadline_ns, asked_ns + 5 * SECOND);
    world_run(w, 6 * SECOND);
    assert_false(w->ended);
    assert_int_equal(world_log_count(w, "The exporter does not stop"), 1);
    assert_int_equal(service_component_status(w->service, COMPONENT_EXPORTER, STR("sink")),
                     STATUS_STOPPING);
    fake_let_stop(sink);
    world_run(w, 0);
    assert_true(w->ended);
    assert_int_equal(world_end(w), 0);
}

static void test_late_and_repeated_calls_are_harmless(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    fake("sink")->hang = true;
    fake("sink")->hold = true;
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, SECOND);
    struct receiver *r = CONTAINER_OF(fake("pull")->component, struct receiver, base);
    struct exporter *x = CONTAINER_OF(fake("sink")->component, struct exporter, base);
    service_stop(w->service);
    service_stop(w->service);
    receiver_ready(r);
    exporter_room(x);
    fake_trace();
    fake_elector_lose(e);
    fake_elector_lead(e, INHERIT_OWN, 0); /* the stop still waits for what is in flight */
    world_run(w, SECOND);
    assert_null(strstr(fake_trace(), " activate")); /* nothing begins again */
    service_stop(w->service);
    service_reload(w->service);
    receiver_ready(r);
    exporter_room(x);
    world_run(w, SECOND);
    assert_int_equal(fake("sink")->seen_count, 2);
    fake_let_stop(fake("sink"));
    assert_int_equal(world_end(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_logger_fields),
        cmocka_unit_test(test_each_component_may_fail_to_start),
        cmocka_unit_test(test_each_component_may_fail_to_be_created),
        cmocka_unit_test(test_an_elector_may_be_refused),
        cmocka_unit_test(test_a_fatal_status_ends_in_order),
        cmocka_unit_test(test_status_moves),
        cmocka_unit_test(test_a_stop_between_ticks_releases_at_once),
        cmocka_unit_test(test_a_stop_waits_for_what_is_in_flight),
        cmocka_unit_test(test_a_term_that_begins_during_a_stop_notes_what_was_handed_over),
        cmocka_unit_test(test_a_stop_waits_for_half_a_second_at_most),
        cmocka_unit_test(test_a_due_tick_that_has_not_begun_is_left_to_the_successor),
        cmocka_unit_test(test_a_stop_in_the_middle_of_a_tick),
        cmocka_unit_test(test_a_stop_finishes_other_ticks_after_the_release),
        cmocka_unit_test(test_a_stop_waits_for_the_release),
        cmocka_unit_test(test_a_release_that_hangs_does_not_stop_the_drain),
        cmocka_unit_test(test_an_exporter_drains_until_its_deadline),
        cmocka_unit_test(test_late_and_repeated_calls_are_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
