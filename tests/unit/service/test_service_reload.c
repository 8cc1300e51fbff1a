/* Reload: the change itself, everything that stops one, and long random lives. */
#include <stdlib.h>

#include "world.h"

static struct world *begin(const char *yaml)
{
    struct world *w = world_new(yaml);
    world_start(w);
    return w;
}

static void assert_no_tick_lost_or_repeated(const struct fake *sink, size_t from)
{
    for (size_t i = from; i < sink->seen_count; i++)
        assert_int_equal(sink->seen[i].tick_ns, sink->seen[i - 1].tick_ns + SECOND);
}

static void test_a_reload_keeps_lease_and_ticks(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct fake *sink = fake("sink");
    struct elector *e = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 3 * SECOND);
    int64_t start_ns = sink->seen[1].start_ns;
    for (int i = 0; i < 5; i++) {
        service_reload(w->service);
        world_run(w, 1700 * MS);
        assert_true(service_is_running(w->service));
    }
    assert_ptr_equal(world_elector(w, "l"), e);
    assert_int_equal(e->ref_count, 1);
    assert_int_equal(world_electors(w)->release_count, 0);
    assert_int_equal(world_electors(w)->made_count, 1);
    assert_int_equal(e->term, 1);
    assert_int_equal(sink->seen_count, 12);
    assert_no_tick_lost_or_repeated(sink, 2);
    assert_int_equal(sink->seen[11].start_ns, start_ns);
    assert_int_equal(world_log_count(w, "Config updated, restart service"), 5);
    assert_int_equal(world_log_count(w, "Everything is ready"), 6);
    assert_false(world_logged(w, "Shutdown complete."));
    assert_int_equal(world_counters(w, "pull").ticks_emitted, 12);
    assert_int_equal(world_counters(w, "pull").ticks_skipped, 0);
    assert_int_equal(fake_elector_written(e, "pull")->entry.enqueued_ns, sink->seen[11].tick_ns);
    assert_int_equal(world_end(w), 0);
}

static void test_a_slow_reload_makes_up_for_its_ticks(void **state)
{
    (void)state;
    for (int gated = 0; gated < 2; gated++) {
        struct world *w = begin(gated ? YAML_GATED : YAML_PLAIN);
        struct fake *sink = fake("sink");
        if (gated)
            fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
        world_run(w, 3 * SECOND);
        sink->hang = true;
        service_reload(w->service);
        world_run(w, 3300 * MS);
        assert_int_equal(sink->seen_count, 4);
        sink->hang = false;
        fake_let_stop(sink);
        world_run(w, 1700 * MS);
        assert_int_equal(sink->seen_count, 9);
        assert_no_tick_lost_or_repeated(sink, 2);
        assert_int_equal(world_end(w), 0);
    }
}

static void test_a_reload_takes_over_what_is_new(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, SECOND);
    world_rewrite(w, "extensions: {elect: {lease: l, duration: 7s}, elect/other: {lease: other}}\n"
                     "receivers: {pull: {interval: 2s, leaderelector: elect}, pull/new: "
                     "{leader_elector: elect/other}}\n"
                     "exporters: {sink: {}, sink/new: {}}\n"
                     "service:\n"
                     "  extensions: [elect, elect/other]\n"
                     "  telemetry: {resource: {team: blue}}\n"
                     "  pipelines:\n"
                     "    metrics: {receivers: [pull], exporters: [sink]}\n"
                     "    logs: {receivers: [pull/new], exporters: [sink/new]}\n");
    service_reload(w->service);
    world_run(w, 0);
    assert_int_equal(e->config.lease_duration_ns, 7 * SECOND);
    assert_true(world_elector(w, "other")->started);
    assert_true(world_logged(w, "\"team\": \"blue\""));
    assert_int_equal(world_electors(w)->release_count, 0);
    /* Another interval is another series. */
    size_t before = fake("sink")->seen_count;
    world_run(w, 4 * SECOND);
    assert_in_range(fake("sink")->seen_count - before, 2, 3);
    fake_elector_lead(world_elector(w, "other"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    assert_int_equal(fake("sink/new")->seen_count, 2);
    /* And back: the Lease that nobody uses any more is released, the other one kept. */
    world_rewrite(w, YAML_GATED);
    service_reload(w->service);
    world_run(w, SECOND);
    assert_int_equal(world_electors(w)->release_count, 1);
    assert_null(fake_elector_find(world_electors(w), "other"));
    assert_true(world_elector(w, "l")->leading);
    assert_false(fake("sink/new")->alive);
    assert_int_equal(world_end(w), 0);
}

static void test_a_bad_configuration_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "receivers: [",
        "",
        "receivers: {nosuch: {}}\nexporters: {sink: {}}\nservice: {pipelines: {metrics: "
        "{receivers: [nosuch], exporters: [sink]}}}\n",
        ("receivers: {pull: {interval: never}}\nexporters: {sink: {}}\n"
         "service: {pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n"),
    };
    struct world *w = begin(YAML_GATED);
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    fake_trace();
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        world_rewrite(w, bad[i]);
        service_reload(w->service);
        world_run(w, SECOND);
        assert_string_equal(fake_trace(), "");
        assert_true(service_is_running(w->service));
    }
    assert_true(world_log_count(w, "the old one goes on") >= COUNT_OF(bad));
    assert_int_equal(fake("sink")->seen_count, 2 + COUNT_OF(bad));
    assert_no_tick_lost_or_repeated(fake("sink"), 2);
    assert_int_equal(world_end(w), 0);
}

static void test_a_graph_that_cannot_be_built_changes_nothing(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, SECOND);
    world_rewrite(
        w, "extensions: {elect: {lease: l, duration: 7s}, elect/2: {lease: l2}, plain/bad: {}}\n"
           "receivers: {pull: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
           "service: {extensions: [elect, elect/2, plain/bad],"
           " pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n");
    fake("plain/bad")->fail_create = true;
    fake_trace();
    service_reload(w->service);
    world_run(w, SECOND);
    assert_non_null(strstr(fake_trace(), "reinstate elect"));
    assert_true(world_logged(w, "Reload failed; the old configuration goes on"));
    assert_int_equal(e->config.lease_duration_ns, 0); /* as it was */
    assert_int_equal(e->ref_count, 1);
    assert_null(fake_elector_find(world_electors(w), "l2"));
    assert_true(e->leading);
    assert_no_tick_lost_or_repeated(fake("sink"), 2);
    assert_int_equal(fake("sink")->seen_count, 3);
    /* Later a good one works. */
    fake("plain/bad")->fail_create = false;
    service_reload(w->service);
    world_run(w, SECOND);
    assert_int_equal(e->config.lease_duration_ns, 7 * SECOND);
    assert_int_equal(fake("sink")->seen_count, 4);
    assert_int_equal(world_end(w), 0);
}

static void test_a_graph_that_does_not_start_ends_the_program(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    fake("pull")->fail_start = true;
    service_reload(w->service);
    world_run(w, SECOND);
    assert_true(w->ended);
    assert_int_equal(world_electors(w)->release_count, 1);
    assert_true(world_logged(w, "failed to start"));
    assert_int_equal(world_end(w), 1);
}

static void test_a_reload_behind_a_slow_backend_lets_nothing_go(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    fake("sink")->hold = true;
    world_run(w, SECOND);
    service_reload(w->service);
    world_run(w, SECOND);
    assert_true(world_logged(w, "Not everything was acknowledged in time; changing over all the same"));
    assert_false(world_logged(w, "letting go of leadership"));
    assert_int_equal(world_electors(w)->release_count, 0);
    fake("sink")->hold = false;
    fake_settle(fake("sink"), OUTCOME_SENT);
    assert_int_equal(world_end(w), 0);
}

static void test_another_interval_begins_afresh(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    fake_elector_lead(world_elector(w, "l"), INHERIT_OWN, 0);
    world_run(w, 3 * SECOND);
    size_t before = fake("sink")->seen_count;
    world_rewrite(w, "extensions: {elect: {lease: l}}\n"
                     "receivers: {pull: {k8s_leader_elector: elect, interval: 2s}}\nexporters: {sink: {}}\n"
                     "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n");
    struct elector *e = world_elector(w, "l");
    fake_elector_inherit(e, "pull", fake_elector_written(e, "pull")->entry);
    service_reload(w->service);
    world_run(w, SECOND);
    assert_int_equal(fake("sink")->seen_count, before + 1);
    assert_true(world_logged(w, "Another interval than before: starting afresh"));
    assert_false(world_logged(w, "The previous leader's note"));
    assert_int_equal(world_end(w), 0);
}

static void test_reloads_during_a_reload_are_one_more(void **state)
{
    (void)state;
    struct world *w = begin(YAML_PLAIN);
    world_run(w, SECOND);
    fake("sink")->hang = true;
    service_reload(w->service);
    service_reload(w->service);
    world_run(w, 100 * MS);
    service_reload(w->service);
    fake("sink")->hang = false;
    fake_let_stop(fake("sink"));
    world_run(w, SECOND);
    assert_int_equal(world_log_count(w, "Config updated, restart service"), 2);
    assert_no_tick_lost_or_repeated(fake("sink"), 2);
    assert_int_equal(world_end(w), 0);
}

/* The stop comes in each phase of a reload. */
static void test_a_stop_during_a_reload(void **state)
{
    (void)state;
    for (int phase = 0; phase < 4; phase++) {
        struct world *w = begin(YAML_GATED);
        struct fake *sink = fake("sink");
        world_electors(w)->release_takes_ns = SECOND;
        fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
        world_run(w, SECOND);
        world_rewrite(w, "extensions: {elect: {lease: l}, elect/2: {lease: l2}}\n"
                         "receivers: {pull: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
                         "service: {extensions: [elect, elect/2], pipelines: {metrics: {receivers: "
                         "[pull], exporters: [sink]}}}\n");
        if (phase == 0) { /* ticks: something is in flight */
            sink->hold = true;
            world_run(w, SECOND);
        }
        if (phase == 3) { /* exporters */
            sink->hang = true;
        }
        if (phase == 1) { /* quiesce: the old configuration's only Lease goes */
            world_rewrite(w, YAML_PLAIN);
        }
        service_reload(w->service);
        if (phase == 2)
            world_run(w, 0); /* already changed over */
        assert_int_equal(service_is_running(w->service), phase == 2);
        if (phase == 3)
            world_run(w, 100 * MS);
        service_stop(w->service);
        if (phase == 3) {
            world_run(w, SECOND);
            fake_let_stop(sink);
        }
        world_run(w, 5 * SECOND);
        assert_true(w->ended);
        assert_int_equal(world_electors(w)->release_count, 1);
        assert_int_equal(world_log_count(w, "Starting shutdown..."), 1);
        assert_int_equal(world_log_count(w, "Shutdown complete."), 1);
        assert_int_equal(world_end(w), 0);
    }
}

/* The graph that waits holds the Leases as well: it must not delay their release. */
static void test_a_stop_during_a_reload_releases_before_the_drain(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct fake *sink = fake("sink");
    sink->hold = sink->hang = true;
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    service_reload(w->service);
    service_stop(w->service);
    assert_int_equal(world_electors(w)->release_count, 0);
    fake_settle(sink, OUTCOME_SENT);
    fake_loop_settle(w->loop);
    assert_int_equal(world_electors(w)->release_count, 1);
    world_run(w, SECOND);
    assert_false(w->ended);
    fake_let_stop(sink);
    assert_int_equal(world_end(w), 0);
}

static void test_push_positions_move_across(void **state)
{
    (void)state;
    struct world *w = begin(
        "extensions: {elect: {lease: l}}\n"
        "receivers: {push: {k8s_leader_elector: elect}, push/free: {}}\nexporters: {sink: {}}\n"
        "service: {extensions: [elect], pipelines: {logs: {receivers: [push, push/free], "
        "exporters: [sink]}}}\n");
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    assert_string_equal(fake("push")->position, "");
    assert_true(fake_push(fake("push"), "a 5"));
    assert_true(fake_push(fake("push/free"), "b 6"));
    service_reload(w->service);
    world_run(w, SECOND);
    assert_string_equal(fake("push")->position, "a 5");
    assert_string_equal(fake("push/free")->position, "b 6");
    assert_int_equal(world_end(w), 0);
}

static void test_leadership_changes_during_a_reload(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct fake *sink = fake("sink");
    struct elector *e = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 3 * SECOND);
    sink->hang = true;
    service_reload(w->service);
    world_run(w, 100 * MS);
    /* Lost, another replica ticks, won back by its release. */
    fake_elector_lose(e);
    world_run(w, 4 * SECOND);
    int64_t theirs = sink->seen[3].tick_ns + 3 * SECOND;
    fake_elector_inherit(e, "pull",
                         (struct note_entry){.interval_ns = SECOND,
                                             .phase_ns = theirs % SECOND,
                                             .start_ns = BEGIN_NS,
                                             .enqueued_ns = theirs});
    fake_elector_lead(e, INHERIT_RELEASED, 0);
    sink->hang = false;
    fake_let_stop(sink);
    world_run(w, 2 * SECOND);
    assert_int_equal(sink->seen[4].tick_ns, theirs + SECOND);
    assert_int_equal(world_end(w), 0);
}

/* -- random lives -- */

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static const char *const yamls[] = {
    YAML_GATED,
    YAML_PLAIN,
    ("extensions: {elect: {lease: l}, elect/2: {lease: l2, duration: 3s}}\n"
     "receivers: {pull: {k8s_leader_elector: elect, batches: 3}, cold: {leaderelector: elect/2}, "
     "push: {leader_elector: elect}}\n"
     "processors: {pass: {}, derive: {}}\nexporters: {sink: {}, sink/2: {}}\n"
     "service:\n  extensions: [elect, elect/2]\n  pipelines:\n"
     "    metrics: {receivers: [pull], processors: [derive, pass], exporters: [sink]}\n"
     "    logs: {receivers: [pull, push, cold], exporters: [sink, sink/2]}\n"),
    "receivers: {nosuch: {}}\n",
};

/* For each receiver, signal and batch number: the ticks that exporter saw only ever go up. */
static void check_order(const struct fake *sink, uint64_t number)
{
    for (size_t i = 0; i < sink->seen_count; i++)
        for (size_t k = i + 1; k < sink->seen_count; k++) {
            const struct fake_seen *a = &sink->seen[i];
            const struct fake_seen *b = &sink->seen[k];
            if (a->tick_ns != 0 && a->signal == b->signal && a->number == b->number &&
                strcmp(a->receiver, b->receiver) == 0) {
                if (b->tick_ns <= a->tick_ns)
                    fail_msg("seed %llu: %s saw of %s the tick %lld after %lld",
                             (unsigned long long)number, sink->id, a->receiver,
                             (long long)b->tick_ns, (long long)a->tick_ns);
                break; /* the next of its kind is compared with the one after */
            }
        }
}

static void random_change(struct world *w, uint64_t *seed)
{
    struct fake *sink = fake(next_random(seed) % 2 == 0 ? "sink" : "sink/2");
    struct elector *e =
        fake_elector_find(world_electors(w), next_random(seed) % 2 == 0 ? "l" : "l2");
    switch (next_random(seed) % 14) {
    case 0:
    case 1:
        if (e != NULL && e->started && !e->leading)
            fake_elector_lead(e, next_random(seed) % 2 == 0 ? INHERIT_NONE : INHERIT_OWN, 0);
        break;
    case 2:
        if (e != NULL && e->leading)
            fake_elector_lose(e);
        break;
    case 3:
        if (e != NULL)
            e->gate_open = next_random(seed) % 2 == 0;
        break;
    case 4:
        sink->full = !sink->full;
        if (!sink->full && sink->alive)
            exporter_room(CONTAINER_OF(sink->component, struct exporter, base));
        break;
    case 5:
        sink->hold = !sink->hold;
        break;
    case 6:
        fake_settle(sink, (enum outcome)(next_random(seed) % 3));
        break;
    case 7:
        if (sink->held_count > 0)
            fake_settle_one(sink, next_random(seed) % sink->held_count, OUTCOME_SENT);
        break;
    case 8:
        world_rewrite(w, yamls[next_random(seed) % COUNT_OF(yamls)]);
        service_reload(w->service);
        break;
    case 9:
        fake_loop_step_wall(w->loop, ((int64_t)(next_random(seed) % 5) - 2) * 700 * MS);
        break;
    case 10:
        fake("pull")->not_ready = next_random(seed) % 2 == 0;
        if (fake("pull")->alive)
            receiver_ready(CONTAINER_OF(fake("pull")->component, struct receiver, base));
        break;
    case 11:
        fake("pull")->collect_takes_ns = (int64_t)(next_random(seed) % 3) * 600 * MS;
        break;
    case 12:
        sink->hang = !sink->hang;
        if (!sink->hang && sink->stop_asked && sink->alive &&
            sink->component->status == STATUS_STOPPING)
            fake_let_stop(sink);
        break;
    default:
        world_electors(w)->release_takes_ns = (int64_t)(next_random(seed) % 4) * SECOND;
        break;
    }
}

static void test_random_lives(void **state)
{
    (void)state;
    const char *seed_asked = getenv("SEED");   /* one life again */
    const char *lives_asked = getenv("LIVES"); /* more than the usual 400 */
    uint64_t first = seed_asked == NULL ? 1 : strtoull(seed_asked, NULL, 10);
    uint64_t lives = lives_asked == NULL ? 400 : strtoull(lives_asked, NULL, 10);
    uint64_t last = seed_asked == NULL ? lives : first;
    for (uint64_t number = first; number <= last; number++) {
        uint64_t seed = number * UINT64_C(0x9e3779b97f4a7c15);
        struct world *w = begin(yamls[next_random(&seed) % 3]);
        for (int i = 0; i < 120 && !w->ended; i++) {
            random_change(w, &seed);
            world_run(w, (int64_t)(next_random(&seed) % 900) * MS);
        }
        service_stop(w->service);
        world_run(w, (int64_t)(next_random(&seed) % 900) * MS);
        for (int i = 0; i < 40 && !w->ended; i++) {
            for (int k = 0; k < 2; k++) {
                struct fake *sink = fake(k == 0 ? "sink" : "sink/2");
                sink->hang = sink->hold = false;
                if (sink->stop_asked && sink->alive && sink->component->status == STATUS_STOPPING)
                    fake_let_stop(sink);
            }
            world_run(w, SECOND);
        }
        if (!w->ended)
            fail_msg("seed %llu does not end", (unsigned long long)number);
        check_order(fake("sink"), number);
        check_order(fake("sink/2"), number);
        assert_int_equal(world_end(w), 0);
    }
}

/* The interval is of the ticks; where a receiver stands beside them (has_positions) goes on all the same. */
static void test_another_interval_keeps_positions(void **state)
{
    (void)state;
    struct world *w = begin(
        "extensions: {elect: {lease: l}}\n"
        "receivers: {both: {k8s_leader_elector: elect}, both/free: {}}\nexporters: {sink: {}}\n"
        "service: {extensions: [elect], pipelines: {logs: {receivers: [both, both/free], "
        "exporters: [sink]}}}\n");
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    assert_true(fake_push(fake("both"), "a 5"));
    assert_true(fake_push(fake("both/free"), "b 6"));
    world_rewrite(w,
        "extensions: {elect: {lease: l}}\n"
        "receivers: {both: {k8s_leader_elector: elect, interval: 2s}, both/free: {interval: 2s}}\nexporters: {sink: {}}\n"
        "service: {extensions: [elect], pipelines: {logs: {receivers: [both, both/free], "
        "exporters: [sink]}}}\n");
    service_reload(w->service);
    world_run(w, SECOND);
    assert_string_equal(fake("both")->position, "a 5");
    assert_string_equal(fake("both/free")->position, "b 6");
    assert_int_equal(world_end(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reload_keeps_lease_and_ticks),
        cmocka_unit_test(test_a_slow_reload_makes_up_for_its_ticks),
        cmocka_unit_test(test_a_reload_takes_over_what_is_new),
        cmocka_unit_test(test_a_bad_configuration_changes_nothing),
        cmocka_unit_test(test_a_graph_that_cannot_be_built_changes_nothing),
        cmocka_unit_test(test_a_graph_that_does_not_start_ends_the_program),
        cmocka_unit_test(test_a_reload_behind_a_slow_backend_lets_nothing_go),
        cmocka_unit_test(test_another_interval_begins_afresh),
        cmocka_unit_test(test_reloads_during_a_reload_are_one_more),
        cmocka_unit_test(test_a_stop_during_a_reload),
        cmocka_unit_test(test_a_stop_during_a_reload_releases_before_the_drain),
        cmocka_unit_test(test_push_positions_move_across),
        cmocka_unit_test(test_leadership_changes_during_a_reload),
        cmocka_unit_test(test_random_lives),
        cmocka_unit_test(test_another_interval_keeps_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
