/* Ticks, fan-out, the gate and the hand-over note, with a clock that the test moves. */
#include "service/tick_schedule.h"
#include "wire/text.h"
#include "world.h"

static struct world *begin(const char *yaml)
{
    struct world *w = world_new(yaml);
    world_start(w);
    return w;
}

static void assert_ticks(const char *exporter, const int64_t *times, size_t count)
{
    struct fake *f = fake(exporter);
    assert_int_equal(f->seen_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(f->seen[i].tick_ns, times[i]);
}

/* -- not gated -- */

static void test_first_tick_at_once_then_aligned(void **state)
{
    (void)state;
    struct world *w = begin(YAML_PLAIN);
    world_run(w, 0);
    struct fake *sink = fake("sink");
    assert_int_equal(sink->seen_count, 1);
    assert_int_equal(sink->seen[0].tick_ns, BEGIN_NS);
    assert_int_equal(sink->seen[0].start_ns, BEGIN_NS);
    world_run(w, 10 * SECOND);
    assert_int_equal(sink->seen_count, 11);
    for (size_t i = 2; i < 11; i++) {
        assert_int_equal(sink->seen[i].tick_ns, sink->seen[i - 1].tick_ns + SECOND);
        assert_in_range(sink->seen[i].seen_ns, sink->seen[i].tick_ns, sink->seen[i].tick_ns + MS);
        assert_int_equal(sink->seen[i].start_ns, BEGIN_NS);
    }
    assert_in_range(sink->seen[1].tick_ns, BEGIN_NS + 1, BEGIN_NS + SECOND);
    assert_int_equal(world_counters(w, "pull").ticks_emitted, 11);
    assert_int_equal(world_counters(w, "pull").ticks_skipped, 0);
    assert_int_equal(world_counters(w, "pull").outcomes[OUTCOME_SENT], 11);
    assert_int_equal(world_end(w), 0);
}

static void test_fan_out(void **state)
{
    (void)state;
    struct world *w = begin("receivers: {pull: {interval: 1h}, pull/2: {interval: 1h}}\n"
                            "processors: {pass: {}, derive: {}}\n"
                            "exporters: {sink: {}, sink/2: {}, sink/logs: {}, sink/traces: {}}\n"
                            "service:\n"
                            "  pipelines:\n"
                            "    metrics: {receivers: [pull], exporters: [sink, sink/2]}\n"
                            "    metrics/2: {receivers: [pull, pull/2], processors: [pass, "
                            "derive], exporters: [sink, sink/2]}\n"
                            "    logs: {receivers: [pull], exporters: [sink/logs]}\n"
                            "    traces: {receivers: [pull/2], exporters: [sink/traces, sink]}\n");
    fake("sink/2")->hold = true;
    world_run(w, MS);
    /* pull's metrics: directly and over metrics/2; pull/2's: metrics/2 and a span. */
    assert_int_equal(fake("sink")->seen_count, 4);
    assert_int_equal(fake("sink/2")->seen_count, 3);
    assert_int_equal(fake("sink/logs")->seen_count, 1);
    assert_string_equal(fake("sink/logs")->seen[0].receiver, "pull");
    assert_int_equal(fake("sink/logs")->seen[0].signal, SIGNAL_LOGS);
    assert_int_equal(fake("sink/traces")->seen_count, 1);
    assert_string_equal(fake("sink/traces")->seen[0].receiver, "pull/2");
    size_t derived = 0;
    for (size_t i = 0; i < 4; i++)
        derived += fake("sink")->seen[i].number == 1000;
    assert_int_equal(derived, 2);
    /* A batch counts once, when all its exporters have answered, derived ones included; the worst
     * answer counts. */
    assert_int_equal(world_counters(w, "pull").batches_emitted, 2);
    assert_int_equal(world_counters(w, "pull").outcomes[OUTCOME_SENT], 1); /* the log */
    fake_settle_one(fake("sink/2"), 0, OUTCOME_SENT);
    assert_int_equal(world_counters(w, "pull").outcomes[OUTCOME_SENT], 1);
    fake_settle_one(fake("sink/2"), 0, OUTCOME_REFUSED);
    assert_int_equal(world_counters(w, "pull").outcomes[OUTCOME_REFUSED], 1);
    fake_settle(fake("sink/2"), OUTCOME_DROPPED);
    assert_int_equal(world_counters(w, "pull/2").outcomes[OUTCOME_DROPPED], 1);
    assert_int_equal(world_end(w), 0);
}

static void test_a_full_exporter_slows_a_tick_down(void **state)
{
    (void)state;
    struct world *w = world_new(
        "receivers: {pull: {interval: 1m, batches: 5}}\nexporters: {sink: {}, sink/2: {}}\n"
        "service: {pipelines: {metrics: {receivers: [pull], exporters: [sink, sink/2]}}}\n");
    world_start(w);
    fake("sink/2")->full = true;
    world_run(w, SECOND);
    assert_int_equal(fake("sink")->seen_count, 0); /* not even begun */
    fake("sink/2")->full = false;
    exporter_room(CONTAINER_OF(fake("sink/2")->component, struct exporter, base));
    assert_int_equal(fake("sink")->seen_count, 0); /* not within the exporter's call */
    fake("sink/2")->full = false;
    fake_loop_settle(w->loop);
    assert_int_equal(fake("sink")->seen_count, 5);

    /* Full in the middle: goes on where it was, same stamp, nothing twice. */
    fake("sink")->seen_count = 0;
    fake("pull")->collects = 0;
    world_run(w, 59 * SECOND);
    while (fake("sink")->seen_count < 5) {
        size_t before = fake("sink")->seen_count;
        fake("sink/2")->full = false;
        exporter_room(CONTAINER_OF(fake("sink/2")->component, struct exporter, base));
        fake("sink/2")->full = true; /* again full when the task comes */
        world_run(w, MS);
        assert_int_equal(fake("sink")->seen_count, before);
        fake("sink/2")->full = false;
        exporter_room(CONTAINER_OF(fake("sink/2")->component, struct exporter, base));
        if (before == 0)
            world_run(w, 60 * SECOND);
        else
            fake_loop_settle(w->loop);
    }
    for (int64_t i = 0; i < 5; i++) {
        assert_int_equal(fake("sink")->seen[i].number, i);
        assert_int_equal(fake("sink")->seen[i].tick_ns, fake("sink")->seen[0].tick_ns);
    }
    assert_int_equal(world_end(w), 0);
}

static void test_no_handler_collects_two_batches(void **state)
{
    (void)state;
    struct world *w =
        begin("receivers: {pull: {interval: 1m, batches: 3}}\nexporters: {sink: {}}\n"
              "service: {pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n");
    fake("sink")->hold = true;
    world_run(w, 0);
    assert_int_equal(fake("pull")->collects, 3);
    assert_int_equal(fake("sink")->held_count, 3);
    assert_int_equal(world_counters(w, "pull").ticks_emitted, 1); /* handed over, if not yet sent */
    assert_int_equal(world_end(w), 0);
}

static void assert_skipped(struct world *w, int64_t first_ns, int64_t last_ns, const char *why)
{
    struct buf line;
    buf_init(&line, 256);
    buf_str(&line, STR("\"first\": \""));
    rfc3339_print(&line, first_ns, 9);
    buf_str(&line, STR("\", \"last\": \""));
    rfc3339_print(&line, last_ns, 9);
    buf_printf(&line, "\", \"reason\": \"%s", why);
    if (world_log_count(w, buf_cstr(&line)) != 1)
        fail_msg("%s not in: %s", buf_cstr(&line), buf_cstr(&w->log_text));
    buf_deinit(&line);
}

static void test_a_long_tick_skips_those_it_covers(void **state)
{
    (void)state;
    struct world *w = begin(YAML_PLAIN);
    world_run(w, 5 * SECOND);
    struct fake *sink = fake("sink");
    int64_t last = sink->seen[sink->seen_count - 1].tick_ns;
    sink->seen_count = 0;
    fake("pull")->collect_takes_ns = 2500 * MS;
    world_run(w, SECOND);
    assert_int_equal(sink->seen_count, 1);
    assert_int_equal(sink->seen[0].tick_ns, last + SECOND);
    fake("pull")->collect_takes_ns = 0;
    assert_int_equal(world_counters(w, "pull").ticks_skipped, 2);
    assert_skipped(w, last + 2 * SECOND, last + 3 * SECOND,
                   "the tick before took longer than the interval");
    world_run(w, 3 * SECOND);
    assert_int_equal(sink->seen[1].tick_ns, last + 4 * SECOND);
    assert_int_equal(world_end(w), 0);
}

static void test_why_ticks_are_skipped(void **state)
{
    (void)state;
    struct world *w = begin(YAML_PLAIN);
    struct fake *sink = fake("sink");
    world_run(w, 5 * SECOND);
    assert_false(world_logged(w, "Ticks skipped"));
    int64_t before_ns = sink->seen[sink->seen_count - 1].tick_ns;
    fake_loop_pause(w->loop, 3 * SECOND);
    world_run(w, SECOND);
    assert_int_equal(world_log_count(w, "Ticks skipped"), 1);
    assert_skipped(w, before_ns + SECOND, before_ns + 2 * SECOND, "this process did not run");
    sink->full = true;
    world_run(w, 3 * SECOND);
    sink->full = false;
    exporter_room(CONTAINER_OF(sink->component, struct exporter, base));
    world_run(w, SECOND);
    assert_int_equal(world_log_count(w, "Ticks skipped"), 2);
    assert_int_equal(world_log_count(w, "an exporter was full"), 1);
    fake("pull")->not_ready = true;
    world_run(w, 3 * SECOND);
    fake("pull")->not_ready = false;
    receiver_ready(CONTAINER_OF(fake("pull")->component, struct receiver, base));
    world_run(w, SECOND);
    assert_int_equal(world_log_count(w, "Ticks skipped"), 3);
    assert_int_equal(world_log_count(w, "the receiver was not ready"), 1);
    fake_loop_spend(w->loop, 3 * SECOND);
    world_run(w, SECOND);
    assert_int_equal(world_log_count(w, "Ticks skipped"), 4);
    assert_int_equal(world_log_count(w, "this process was busy"), 1);
    fake_loop_pause(w->loop, 5 * SECOND);
    world_run(w, SECOND);
    assert_int_equal(world_log_count(w, "this process did not run"), 2);
    assert_int_equal(world_end(w), 0);
}

static void stand_still(struct receiver *r)
{
    fake_loop_pause(r->base.loop, 800 * MS);
}

static void fill_exporter(struct receiver *r)
{
    (void)r;
    fake("sink")->full = true;
}

static void test_why_a_tick_took_too_long(void **state)
{
    (void)state;
    struct world *w = begin("receivers: {pull: {batches: 2}}\nexporters: {sink: {}}\n"
                            "service: {pipelines: {metrics: {receivers: [pull], exporters: "
                            "[sink]}}}\n");
    struct fake *sink = fake("sink");
    world_run(w, 5 * SECOND);
    int64_t last = sink->seen[sink->seen_count - 1].tick_ns;
    fake("pull")->during_collect = fill_exporter;
    world_run(w, 3 * SECOND + 500 * MS);
    fake("pull")->during_collect = NULL;
    sink->full = false;
    exporter_room(CONTAINER_OF(sink->component, struct exporter, base));
    fake_loop_settle(w->loop);
    int64_t next = sink->seen[sink->seen_count - 1].tick_ns;
    assert_int_equal(next, last + SECOND);
    assert_int_equal(world_log_count(w, "an exporter was full"), 1);
    world_run(w, 2 * SECOND);
    assert_int_equal(world_log_count(w, "Ticks skipped"), 1);
    last = sink->seen[sink->seen_count - 1].tick_ns + SECOND;
    world_run(w, last + 20 * MS - loop_wall_ns(w->loop));
    assert_int_equal(sink->seen[sink->seen_count - 1].tick_ns, last);
    fake("pull")->during_collect = stand_still; /* for each batch */
    fake_loop_spend(w->loop, 970 * MS); /* of another handler, before the tick */
    world_run(w, 20 * MS);
    fake("pull")->during_collect = NULL;
    assert_skipped(w, last + 2 * SECOND, last + 2 * SECOND, "this process did not run");
    assert_int_equal(world_log_count(w, "Ticks skipped"), 2);
    assert_int_equal(world_end(w), 0);
}

static void test_wall_clock_steps(void **state)
{
    (void)state;
    struct world *w = begin(YAML_PLAIN);
    struct fake *sink = fake("sink");
    world_run(w, 3 * SECOND);
    size_t before = sink->seen_count;
    /* back by 20 s: silence until it has come round, said once */
    fake_loop_step_wall(w->loop, -20 * SECOND);
    world_run(w, 19 * SECOND);
    assert_int_equal(sink->seen_count, before);
    assert_int_equal(world_log_count(w, "The wall clock went back"), 1);
    world_run(w, 2 * SECOND);
    assert_int_equal(sink->seen_count, before + 1);
    assert_int_equal(sink->seen[before].tick_ns, sink->seen[before - 1].tick_ns + SECOND);
    /* ahead by an hour: noticed within a second, the newest tick only */
    fake_loop_step_wall(w->loop, 3600 * SECOND);
    world_run(w, SECOND);
    assert_in_range(sink->seen[before + 1].tick_ns, loop_wall_ns(w->loop) - 2 * SECOND,
                    loop_wall_ns(w->loop));
    assert_in_range(world_counters(w, "pull").ticks_skipped, 3599, 3600);
    assert_int_equal(world_log_count(w, "Ticks skipped"), 1);
    assert_true(world_logged(w, "the wall clock went forward"));
    for (size_t i = 1; i < sink->seen_count; i++)
        assert_true(sink->seen[i].tick_ns > sink->seen[i - 1].tick_ns);
    assert_int_equal(world_end(w), 0);
}

static void test_first_tick_waits_until_the_store_is_full(void **state)
{
    (void)state;
    struct world *w = world_new(YAML_PLAIN);
    fake("pull")->not_ready = true;
    world_start(w);
    world_run(w, 4 * SECOND + 7 * MS);
    assert_int_equal(fake("pull")->collects, 0);
    fake("pull")->not_ready = false;
    receiver_ready(CONTAINER_OF(fake("pull")->component, struct receiver, base));
    fake_loop_settle(w->loop);
    assert_int_equal(fake("sink")->seen_count, 1);
    assert_int_equal(fake("sink")->seen[0].tick_ns, BEGIN_NS + 4 * SECOND + 7 * MS);
    assert_int_equal(world_counters(w, "pull").ticks_skipped, 0);
    assert_int_equal(world_end(w), 0);
}

/* -- gated -- */

static struct note_entry released_note(int64_t enqueued_ns)
{
    return (struct note_entry){.interval_ns = SECOND,
                               .phase_ns = enqueued_ns % SECOND,
                               .start_ns = enqueued_ns - 100 * SECOND,
                               .enqueued_ns = enqueued_ns,
                               .acknowledged_ns = enqueued_ns - SECOND};
}

static void test_gated_ticks_only_while_leading(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct fake *sink = fake("sink");
    struct elector *e = world_elector(w, "l");
    assert_true(e->started);
    world_run(w, 5 * SECOND);
    assert_int_equal(sink->seen_count, 0);
    assert_false(fake("pull")->active);
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 0);
    assert_int_equal(sink->seen_count, 1);
    assert_int_equal(sink->seen[0].tick_ns, BEGIN_NS + 5 * SECOND);
    assert_int_equal(sink->seen[0].term, 1);
    world_run(w, 3 * SECOND);
    assert_int_equal(sink->seen_count, 4);
    /* on the grid that all replicas share */
    assert_int_equal(sink->seen[1].tick_ns % SECOND, tick_phase(STR("uid-1"), STR("pull"), SECOND));
    const struct fake_note *note = fake_elector_written(e, "pull");
    assert_int_equal(note->entry.enqueued_ns, sink->seen[3].tick_ns);
    assert_int_equal(note->entry.acknowledged_ns, sink->seen[3].tick_ns);
    assert_int_equal(note->entry.start_ns, BEGIN_NS + 5 * SECOND);
    assert_int_equal(note->entry.interval_ns, SECOND);
    assert_int_equal(note->entry.phase_ns, sink->seen[1].tick_ns % SECOND);
    fake_elector_lose(e);
    assert_false(fake("pull")->active);
    world_run(w, 5 * SECOND);
    assert_int_equal(sink->seen_count, 4);
    /* Ours again, nobody led between: no hole is left, no tick comes twice. */
    fake_elector_lead(e, INHERIT_OWN, 0);
    world_run(w, 0);
    assert_int_equal(sink->seen_count, 9);
    for (size_t i = 2; i < 9; i++)
        assert_int_equal(sink->seen[i].tick_ns, sink->seen[i - 1].tick_ns + SECOND);
    assert_int_equal(sink->seen[8].term, 2);
    assert_int_equal(sink->seen[8].start_ns, BEGIN_NS + 5 * SECOND);
    assert_int_equal(world_end(w), 0);
}

static void test_takes_over_after_a_release(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    int64_t last =
        BEGIN_NS + 5 * SECOND - 1300 * MS; /* the next tick is 300 ms late when we take over */
    fake_elector_inherit(e, "pull", released_note(last));
    world_run(w, 5 * SECOND);
    fake_elector_lead(e, INHERIT_RELEASED, 0);
    world_run(w, 2 * SECOND);
    const int64_t expected[] = {last + SECOND, last + 2 * SECOND, last + 3 * SECOND};
    assert_ticks("sink", expected, 3);
    assert_int_equal(fake("sink")->seen[0].seen_ns, BEGIN_NS + 5 * SECOND);
    assert_int_equal(fake("sink")->seen[0].start_ns, last - 100 * SECOND);
    assert_int_equal(fake_elector_written(e, "pull")->entry.start_ns, last - 100 * SECOND);
    assert_int_equal(world_end(w), 0);
}

static void test_takes_over_after_a_crash(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    int64_t now = BEGIN_NS + 20 * SECOND;
    int64_t last = now - 15250 * MS;
    fake_elector_inherit(e, "pull", released_note(last));
    world_run(w, 20 * SECOND);
    fake_elector_lead(e, INHERIT_EXPIRED, now - 3 * SECOND);
    world_run(w, SECOND);
    const int64_t expected[] = {last + 15 * SECOND, last + 16 * SECOND};
    assert_ticks("sink", expected, 2);
    assert_int_equal(world_counters(w, "pull").ticks_skipped,
                     2); /* 2.25 and 1.25 s ago: after the gate closed */
    assert_int_equal(world_log_count(w, "they fell due before this replica began"), 1);
    assert_int_equal(world_counters(w, "pull").ticks_left_out, 12);
    assert_int_equal(world_counters(w, "pull").ticks_repeated, 0);
    assert_int_equal(world_end(w), 0);
}

/* The first tick of a term was not due yet, or was held back by the gate. */
static void test_why_the_first_ticks_of_a_term_are_skipped(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    int64_t last = BEGIN_NS + 4900 * MS;
    fake_elector_inherit(e, "pull", released_note(last));
    world_run(w, 5 * SECOND);
    fake_elector_lead(e, INHERIT_EXPIRED, BEGIN_NS + 5 * SECOND);
    world_run(w, 100 * MS);
    fake_loop_pause(w->loop, 3 * SECOND);
    world_run(w, 100 * MS);
    assert_skipped(w, last + SECOND, last + 2 * SECOND, "this process did not run");
    e->gate_open = false;
    world_run(w, 3 * SECOND);
    e->gate_open = true;
    world_run(w, 200 * MS);
    assert_skipped(w, last + 4 * SECOND, last + 5 * SECOND, "this replica might not have led");
    assert_int_equal(world_end(w), 0);
}

static void test_repeats_ticks_after_a_crash_on_request(void **state)
{
    (void)state;
    struct world *w = begin("extensions: {elect: {lease: l, repeat: true}}\n"
                            "receivers: {pull: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
                            "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull], "
                            "exporters: [sink]}}}\n");
    struct elector *e = world_elector(w, "l");
    int64_t now = BEGIN_NS + 20 * SECOND;
    int64_t last = now - 3250 * MS;
    struct note_entry entry = released_note(last);
    entry.acknowledged_ns = last - SECOND;
    fake_elector_inherit(e, "pull", entry);
    world_run(w, 20 * SECOND);
    fake_elector_lead(e, INHERIT_EXPIRED, now - 2 * SECOND);
    world_run(w, SECOND);
    const int64_t expected[] = {last, last + SECOND, last + 2 * SECOND, last + 3 * SECOND,
                                last + 4 * SECOND};
    assert_ticks("sink", expected, 5);
    assert_int_equal(world_counters(w, "pull").ticks_repeated, 2); /* at and before the gate's end */
    assert_int_equal(world_counters(w, "pull").ticks_left_out, 0);
    assert_int_equal(world_counters(w, "pull").ticks_skipped, 0);
    /* After a hand-over in order there is nothing to repeat. */
    fake_elector_lose(e);
    entry.enqueued_ns = last + 5 * SECOND;
    entry.acknowledged_ns = last;
    fake_elector_inherit(e, "pull", entry);
    size_t before = fake("sink")->seen_count;
    fake_elector_lead(e, INHERIT_RELEASED, 0);
    world_run(w, 2 * SECOND);
    assert_int_equal(fake("sink")->seen[before].tick_ns, last + 6 * SECOND);
    assert_int_equal(world_counters(w, "pull").ticks_repeated, 2);
    assert_int_equal(world_end(w), 0);
}

/* A release before the first own tick must not hand on a note that is older than what may have been sent. */
static void test_what_counts_as_sent_is_noted_at_once(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    int64_t now = BEGIN_NS + 20 * SECOND;
    fake_elector_inherit(e, "pull", released_note(now - 15250 * MS));
    world_run(w, 20 * SECOND);
    fake_elector_lead(e, INHERIT_EXPIRED, now - 100 * MS);
    world_run(w, 0);
    assert_int_equal(fake("sink")->seen_count, 0);
    assert_int_equal(fake_elector_written(e, "pull")->entry.enqueued_ns, now - 100 * MS);
    assert_int_equal(world_end(w), 0);
}

static void test_a_note_from_the_future_is_ignored(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    fake_elector_inherit(e, "pull", released_note(BEGIN_NS + 3600 * SECOND));
    fake_elector_lead(e, INHERIT_RELEASED, 0);
    world_run(w, 0);
    assert_int_equal(fake("sink")->seen_count, 1);
    assert_int_equal(fake("sink")->seen[0].tick_ns, BEGIN_NS);
    assert_true(world_logged(w, "cannot be used"));
    assert_int_equal(world_end(w), 0);
}

static void test_acknowledged_moves_in_order(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    struct fake *sink = fake("sink");
    sink->hold = true;
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 4 * SECOND);
    assert_int_equal(sink->held_count, 5);
    const struct fake_note *note = fake_elector_written(e, "pull");
    assert_int_equal(note->entry.enqueued_ns, sink->seen[4].tick_ns);
    assert_int_equal(note->entry.acknowledged_ns, 0);
    fake_settle_one(sink, 1, OUTCOME_SENT);
    assert_int_equal(note->entry.acknowledged_ns, 0); /* the first is still out */
    fake_settle_one(sink, 0, OUTCOME_SENT);
    assert_int_equal(note->entry.acknowledged_ns, sink->seen[1].tick_ns);
    fake_settle_one(sink, 0, OUTCOME_DROPPED);
    assert_int_equal(note->entry.acknowledged_ns, sink->seen[1].tick_ns);
    fake_settle_one(sink, 0, OUTCOME_REFUSED);
    assert_int_equal(note->entry.acknowledged_ns, sink->seen[1].tick_ns);
    fake_settle_one(sink, 0, OUTCOME_SENT);
    assert_int_equal(note->entry.acknowledged_ns, sink->seen[4].tick_ns);
    sink->hold = false;
    assert_int_equal(world_end(w), 0);
}

static struct elector *gate_elector;
static void close_gate(struct receiver *r)
{
    (void)r;
    gate_elector->gate_open = false;
}

static void test_the_gate_closes_within_a_tick(void **state)
{
    (void)state;
    struct world *w =
        begin("extensions: {elect: {lease: l}}\n"
              "receivers: {pull: {batches: 3, leaderelector: elect}}\nexporters: {sink: {}}\n"
              "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: "
              "[sink]}}}\n");
    struct fake *sink = fake("sink");
    struct elector *e = gate_elector = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, SECOND);
    assert_int_equal(sink->seen_count, 6);
    /* before the first batch: nothing of the tick got out */
    fake("pull")->during_collect = close_gate;
    int64_t due = sink->seen[3].tick_ns + SECOND;
    world_run(w, due + 350 * MS - loop_wall_ns(w->loop));
    assert_int_equal(sink->seen_count, 6);
    assert_int_equal(fake("pull")->abandons, 1);
    struct receiver_counters counters = world_counters(w, "pull");
    assert_int_equal(counters.batches_withheld, 1);
    assert_int_equal(counters.ticks_withheld, 1);
    assert_int_equal(counters.ticks_emitted, 2);
    assert_int_equal(world_log_count(w, "Withholding"), 1);
    /* A renewal comes late, in the same term: the tick is made up for, it went nowhere. */
    fake("pull")->during_collect = NULL;
    e->gate_open = true;
    world_run(w, SECOND);
    assert_int_equal(sink->seen[6].tick_ns, due);
    assert_in_range(sink->seen[6].seen_ns, due + 350 * MS, due + 450 * MS);
    assert_int_equal(sink->seen[9].tick_ns, due + SECOND);
    /* after the first batch: that tick is not begun again, its first batch is out */
    size_t before = sink->seen_count;
    sink->full = true; /* stop between the batches */
    world_run(w, SECOND);
    sink->full = false;
    sink->hold = true;
    fake_elector_lose(e);
    fake_elector_lead(e, INHERIT_OWN, 0);
    fake_loop_settle(w->loop);
    assert_int_equal(sink->seen_count, before + 3);
    sink->hold = false;
    fake_settle(sink, OUTCOME_SENT);
    assert_int_equal(world_end(w), 0);
}

/* The gate closes within a tick that came late and replaced two others: it is begun again when the gate opens, and the two are still
 * two. */
static void test_skipped_ticks_are_counted_once(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = gate_elector = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 100 * MS);
    assert_int_equal(fake("sink")->seen_count, 1);
    int64_t first = tick_schedule_after(
        &(struct tick_schedule){.interval_ns = SECOND,
                                .phase_ns = tick_phase(STR("uid-1"), STR("pull"), SECOND)},
        BEGIN_NS);
    fake("pull")->not_ready = true;
    world_run(w, first + 2 * SECOND + 100 * MS - loop_wall_ns(w->loop));
    fake("pull")->not_ready = false;
    fake("pull")->during_collect = close_gate;
    receiver_ready(CONTAINER_OF(fake("pull")->component, struct receiver, base));
    world_run(w, 150 * MS);
    assert_int_equal(fake("sink")->seen_count, 1);
    fake("pull")->during_collect = NULL;
    e->gate_open = true;
    world_run(w, 200 * MS);
    assert_int_equal(fake("sink")->seen_count, 2);
    assert_int_equal(fake("sink")->seen[1].tick_ns, first + 2 * SECOND);
    assert_int_equal(world_counters(w, "pull").ticks_skipped, 2);
    assert_int_equal(world_log_count(w, "this replica might not have led"), 1);
    assert_int_equal(world_end(w), 0);
}

static int collects_until_close;
static void close_gate_at_second(struct receiver *r)
{
    (void)r;
    if (collects_until_close-- == 0)
        gate_elector->gate_open = false;
}

static void test_half_a_tick_is_not_repeated(void **state)
{
    (void)state;
    struct world *w =
        begin("extensions: {elect: {lease: l}}\n"
              "receivers: {pull: {batches: 3, leader_elector: elect}}\nexporters: {sink: {}}\n"
              "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: "
              "[sink]}}}\n");
    struct fake *sink = fake("sink");
    struct elector *e = gate_elector = world_elector(w, "l");
    fake_elector_lead(e, INHERIT_NONE, 0);
    world_run(w, 0);
    collects_until_close = 1;
    fake("pull")->during_collect = close_gate_at_second;
    world_run(w, SECOND);
    assert_int_equal(sink->seen_count, 4);
    int64_t half = sink->seen[3].tick_ns;
    assert_int_equal(fake_elector_written(e, "pull")->entry.enqueued_ns, half); /* nor by another */
    assert_int_equal(fake_elector_written(e, "pull")->entry.acknowledged_ns, sink->seen[0].tick_ns);
    fake("pull")->during_collect = NULL;
    fake_elector_lose(e);
    fake_elector_lead(e, INHERIT_OWN, 0);
    world_run(w, SECOND);
    assert_int_equal(sink->seen[4].tick_ns, half + SECOND);
    assert_int_equal(world_end(w), 0);
}

static void test_push_positions(void **state)
{
    (void)state;
    struct world *w =
        begin("extensions: {elect: {lease: l}}\n"
              "receivers: {push: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
              "service: {extensions: [elect], pipelines: {logs: {receivers: [push], exporters: "
              "[sink]}}}\n");
    struct fake *sink = fake("sink");
    struct fake *push = fake("push");
    struct elector *e = world_elector(w, "l");
    assert_false(fake_push(push, "too early"));
    fake_elector_inherit(e, "push", (struct note_entry){.position = STR("rv 7")});
    fake_elector_lead(e, INHERIT_EXPIRED, 0);
    assert_string_equal(push->position, "rv 7");
    sink->hold = true;
    assert_true(fake_push(push, "rv 8"));
    assert_true(fake_push(push, "rv 9"));
    assert_true(fake_push(push, ""));
    assert_true(fake_push(push, "rv 10"));
    const struct fake_note *note = fake_elector_written(e, "push");
    assert_true(note == NULL || str_eqz(note->entry.position, "rv 7"));
    fake_settle_one(sink, 1, OUTCOME_SENT);
    note = fake_elector_written(e, "push");
    assert_true(note == NULL || str_eqz(note->entry.position, "rv 7")); /* rv 8 is still out */
    fake_settle_one(sink, 0, OUTCOME_SENT);
    note = fake_elector_written(e, "push");
    assert_true(str_eqz(note->entry.position, "rv 9"));
    fake_settle_one(sink, 1, OUTCOME_DROPPED);
    fake_settle_one(sink, 0, OUTCOME_SENT);
    assert_true(str_eqz(note->entry.position, "rv 9")); /* what was dropped is not acknowledged */
    fake_elector_lose(e);
    assert_false(fake_push(push, "too late"));
    assert_int_equal(world_counters(w, "push").batches_withheld, 2);
    fake_elector_lead(e, INHERIT_OWN, 0);
    assert_string_equal(push->position, "rv 9");
    sink->hold = false;
    assert_int_equal(world_end(w), 0);
}

static void test_several_receivers_and_extensions(void **state)
{
    (void)state;
    struct world *w =
        begin("extensions: {elect/a: {lease: a}, elect/b: {lease: b}, elect/a2: {lease: a}}\n"
              "receivers:\n"
              "  pull/1: {k8s_leader_elector: elect/a}\n"
              "  pull/2: {k8s_leader_elector: elect/a2, interval: 2s}\n"
              "  pull/3: {k8s_leader_elector: elect/b}\n"
              "  pull/4: {}\n"
              "exporters: {sink/1: {}, sink/2: {}, sink/3: {}, sink/4: {}}\n"
              "service:\n"
              "  extensions: [elect/a, elect/b, elect/a2]\n"
              "  pipelines:\n"
              "    metrics: {receivers: [pull/1], exporters: [sink/1]}\n"
              "    logs: {receivers: [pull/2], exporters: [sink/2]}\n"
              "    traces: {receivers: [pull/3], exporters: [sink/3]}\n"
              "    metrics/4: {receivers: [pull/4], exporters: [sink/4]}\n");
    assert_int_equal(world_electors(w)->made_count, 2); /* two extensions on one Lease share one */
    fake_elector_lead(world_elector(w, "a"), INHERIT_NONE, 0);
    world_run(w, 4 * SECOND);
    assert_int_equal(fake("sink/1")->seen_count, 5);
    assert_int_equal(fake("sink/2")->seen_count, 3);
    assert_int_equal(fake("sink/3")->seen_count, 0);
    assert_int_equal(fake("sink/4")->seen_count, 5);
    fake_elector_lose(world_elector(w, "a"));
    fake_elector_lead(world_elector(w, "b"), INHERIT_NONE, 0);
    world_run(w, 2 * SECOND);
    assert_int_equal(fake("sink/1")->seen_count, 5);
    assert_int_equal(fake("sink/3")->seen_count, 3);
    assert_int_equal(fake("sink/4")->seen_count, 7);
    assert_int_equal(world_end(w), 0);
}

static void test_cold_receivers_start_with_the_term(void **state)
{
    (void)state;
    struct world *w =
        begin("extensions: {elect: {lease: l}}\n"
              "receivers: {cold: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
              "service: {extensions: [elect], pipelines: {metrics: {receivers: [cold], exporters: "
              "[sink]}}}\n");
    struct elector *e = world_elector(w, "l");
    assert_string_equal(fake_trace(), "start elect, start sink");
    fake_elector_lead(e, INHERIT_NONE, 0);
    assert_string_equal(fake_trace(), "start cold, activate cold");
    fake_elector_lose(e);
    assert_string_equal(fake_trace(), "deactivate cold, stop cold");
    fake("cold")->fail_start = true;
    fake_elector_lead(e, INHERIT_OWN, 0);
    assert_string_equal(fake_trace(), "start cold");
    assert_int_equal(service_component_status(w->service, COMPONENT_RECEIVER, STR("cold")),
                     STATUS_PERMANENT_ERROR);
    fake_elector_lose(e);
    fake("cold")->fail_start = false;
    fake("cold")->fail_activate = true;
    fake_elector_lead(e, INHERIT_OWN, 0);
    assert_string_equal(fake_trace(), "start cold, activate cold");
    world_run(w, 5 * SECOND);
    assert_int_equal(fake("sink")->seen_count, 0);
    fake_elector_lose(e);
    assert_string_equal(fake_trace(), "stop cold");
    assert_int_equal(world_end(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_tick_at_once_then_aligned),
        cmocka_unit_test(test_fan_out),
        cmocka_unit_test(test_a_full_exporter_slows_a_tick_down),
        cmocka_unit_test(test_no_handler_collects_two_batches),
        cmocka_unit_test(test_a_long_tick_skips_those_it_covers),
        cmocka_unit_test(test_why_ticks_are_skipped),
        cmocka_unit_test(test_why_a_tick_took_too_long),
        cmocka_unit_test(test_why_the_first_ticks_of_a_term_are_skipped),
        cmocka_unit_test(test_wall_clock_steps),
        cmocka_unit_test(test_first_tick_waits_until_the_store_is_full),
        cmocka_unit_test(test_gated_ticks_only_while_leading),
        cmocka_unit_test(test_takes_over_after_a_release),
        cmocka_unit_test(test_takes_over_after_a_crash),
        cmocka_unit_test(test_repeats_ticks_after_a_crash_on_request),
        cmocka_unit_test(test_what_counts_as_sent_is_noted_at_once),
        cmocka_unit_test(test_a_note_from_the_future_is_ignored),
        cmocka_unit_test(test_acknowledged_moves_in_order),
        cmocka_unit_test(test_the_gate_closes_within_a_tick),
        cmocka_unit_test(test_skipped_ticks_are_counted_once),
        cmocka_unit_test(test_half_a_tick_is_not_repeated),
        cmocka_unit_test(test_push_positions),
        cmocka_unit_test(test_several_receivers_and_extensions),
        cmocka_unit_test(test_cold_receivers_start_with_the_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
