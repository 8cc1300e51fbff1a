/* dummy and nop: configuration through the real decoder, and what a tick holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <unistd.h>

#include "receivers/receivers.h"

#define SECOND INT64_C(1000000000)

/* What the receiver hands over; the service's own function stays out of this program. */
static struct batch *emitted[8];
static size_t emitted_count;
static bool gate_open = true;

bool receiver_emit(struct receiver *r, struct batch *take_batch)
{
    assert_non_null(r);
    if (!gate_open) {
        batch_unref(take_batch);
        return false;
    }
    emitted[emitted_count++] = take_batch;
    return true;
}

static void free_emitted(void)
{
    while (emitted_count > 0)
        batch_unref(emitted[--emitted_count]);
}

struct decoded {
    struct arena arena;
    struct config_messages messages;
    void *config;
};

static void decode(struct decoded *d, const struct config_schema *schema, const char *yaml)
{
    struct node *root;
    struct err err;
    arena_init(&d->arena, 4096);
    config_messages_init(&d->messages, &d->arena);
    assert_true(yaml_parse(&d->arena, STR("test.yaml"), str_from(yaml), &root, &err));
    d->config =
        config_decode(&d->arena, schema, root, STR("receivers::dummy"), &root->place, &d->messages);
}

static struct receiver *make(struct decoded *d, const char *yaml, unsigned signals)
{
    static struct receiver r;
    struct err err;
    decode(d, dummy_receiver.schema, yaml);
    assert_int_equal(d->messages.error_count, 0);
    r = (struct receiver){.type = &dummy_receiver, .signals = signals};
    assert_true(dummy_receiver.create(&r, d->config, &err));
    return &r;
}

static void unmake(struct receiver *r, struct decoded *d)
{
    dummy_receiver.destroy(r);
    arena_deinit(&d->arena);
}

static void test_defaults(void **state)
{
    (void)state;
    struct decoded d;
    struct receiver *r = make(&d, "", SIGNAL_METRICS);
    assert_int_equal(dummy_receiver.interval_ns(r), 60 * SECOND);
    unmake(r, &d);
}

static void assert_message(const char *yaml, const char *text)
{
    struct decoded d;
    decode(&d, dummy_receiver.schema, yaml);
    assert_int_equal(d.messages.error_count, text == NULL ? 0 : 1);
    if (text != NULL) {
        size_t at;
        if (!str_find(d.messages.first->text, str_from(text), &at))
            fail_msg("\"%.*s\" does not say \"%s\"", STR_ARG(d.messages.first->text), text);
    }
    arena_deinit(&d.arena);
}

static void test_intervals(void **state)
{
    (void)state;
    const char *too_short = "when defined, the interval has to be set to at least 1 minute (1m)";
    assert_message("interval: 1m", NULL);
    assert_message("interval: 2h", NULL);
    assert_message("interval: 59.999999999s", too_short);
    assert_message("interval: '0'", too_short);
    assert_message("interval: 60", "expected type 'string'"); /* as the reference: no weak typing */
    assert_message("interval: -5m", too_short);
    assert_message("interval: 1s\nallow_short_interval: false", too_short);
    assert_message("interval: 1s\nallow_short_interval: true", NULL);
    assert_message("interval: 10ms\nallow_short_interval: true", NULL);
    assert_message("interval: 9.9ms\nallow_short_interval: true", "at least 10ms");
    assert_message("interval: 0s\nallow_short_interval: true", "at least 10ms");
    assert_message("interval: -1s\nallow_short_interval: true", "at least 10ms");
    assert_message("interval: soon", "interval must be a valid duration string");
    assert_message("interval: ''", "interval must be a valid duration string");
    assert_message("interval: 1d", "interval must be a valid duration string");
    assert_message("intervall: 1m", "intervall");
}

static void test_a_tick_of_metrics(void **state)
{
    (void)state;
    struct decoded d;
    struct receiver *r = make(&d, "", SIGNAL_METRICS);
    struct tick tick = {.time_ns = 77 * SECOND, .start_ns = 5 * SECOND};
    assert_int_equal(dummy_receiver.collect(r, &tick), STEP_DONE);
    assert_int_equal(emitted_count, 1);
    const struct batch *b = emitted[0];
    assert_int_equal(b->signal, SIGNAL_METRICS);
    assert_int_equal(b->resource_count, 1);
    assert_int_equal(b->metric_count, 1);
    assert_int_equal(b->item_count, 5);
    const struct resource *resource = b->resources;
    assert_int_equal(resource->attributes.count, 1);
    assert_true(str_eqz(resource->attributes.items[0].key, "k8s.cluster.name"));
    assert_true(str_eqz(resource->attributes.items[0].value.text, "test-cluster"));
    assert_int_equal(resource->scopes->name.len, 0);
    const struct metric *m = resource->scopes->metrics;
    assert_true(str_eqz(m->desc->name, "dummy"));
    assert_int_equal(m->desc->type, METRIC_GAUGE);
    assert_int_equal(m->desc->unit.len, 0);
    assert_true(m->desc->description.len > 0);
    char host[256];
    assert_int_equal(gethostname(host, sizeof host), 0);
    int64_t i = 0;
    for (const struct point *p = m->first; p != NULL; p = p->next, i++) {
        assert_int_equal(p->time_ns, 77 * SECOND);
        assert_int_equal(p->value.kind, VALUE_INT);
        assert_int_equal(p->value.integer, i);
        assert_int_equal(p->attributes.count, 1);
        assert_true(str_eqz(p->attributes.items[0].key, "host"));
        assert_true(str_eqz(p->attributes.items[0].value.text, host));
    }
    assert_int_equal(i, 5);
    /* It may outlive the receiver. */
    unmake(r, &d);
    assert_true(str_eqz(m->first->attributes.items[0].value.text, host));
    free_emitted();
}

/* Randomness for ids; the loop stays out of this program. */
static char next_byte;
void loop_random(struct loop *loop, void *bytes, size_t len)
{
    (void)loop;
    memset(bytes, next_byte++, len);
}

static void test_every_wanted_signal_once_a_tick(void **state)
{
    (void)state;
    for (unsigned signals = 1; signals <= 7; signals++) {
        struct decoded d;
        struct receiver *r = make(&d, "", signals);
        struct tick tick = {.time_ns = 9 * SECOND};
        unsigned seen = 0;
        next_byte = 0;
        enum step step;
        do {
            size_t before = emitted_count;
            step = dummy_receiver.collect(r, &tick);
            tick.step++;
            assert_int_equal(emitted_count, before + 1); /* one batch a step, no empty last one */
            assert_int_equal(seen & emitted[before]->signal, 0);
            seen |= emitted[before]->signal;
        } while (step == STEP_MORE);
        assert_int_equal(seen, signals);
        for (size_t i = 0; i < emitted_count; i++) {
            const struct scope *s = emitted[i]->resources->scopes;
            if (emitted[i]->signal == SIGNAL_LOGS) {
                assert_int_equal(s->logs->time_ns, 9 * SECOND);
                assert_int_equal(s->logs->observed_ns, 9 * SECOND);
                assert_int_equal(s->logs->severity, 9);
                assert_null(s->logs->next);
            } else if (emitted[i]->signal == SIGNAL_TRACES) {
                static const uint8_t zero[16];
                assert_int_equal(s->spans->start_ns, 9 * SECOND);
                assert_int_equal(s->spans->end_ns, 9 * SECOND);
                assert_memory_not_equal(s->spans->trace_id, zero, 16);
                assert_memory_not_equal(s->spans->span_id, zero, 8);
                assert_null(s->spans->next);
            }
        }
        free_emitted();
        unmake(r, &d);
    }
}

static void test_a_closed_gate_ends_the_tick(void **state)
{
    (void)state;
    struct decoded d;
    struct receiver *r = make(&d, "", 7);
    struct tick tick = {.time_ns = 9 * SECOND};
    gate_open = false;
    assert_int_equal(dummy_receiver.collect(r, &tick), STEP_DONE);
    gate_open = true;
    unmake(r, &d);
}

static void test_nop(void **state)
{
    (void)state;
    struct decoded d;
    struct err err;
    decode(&d, nop_receiver.schema, "");
    assert_int_equal(d.messages.error_count, 0);
    struct receiver r = {.type = &nop_receiver, .signals = 7};
    assert_true(nop_receiver.create(&r, d.config, &err));
    nop_receiver.destroy(&r);
    arena_deinit(&d.arena);
    decode(&d, nop_receiver.schema, "key: 1");
    assert_int_equal(d.messages.error_count, 1);
    arena_deinit(&d.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_a_tick_of_metrics),
        cmocka_unit_test(test_every_wanted_signal_once_a_tick),
        cmocka_unit_test(test_a_closed_gate_ends_the_tick),
        cmocka_unit_test(test_nop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
