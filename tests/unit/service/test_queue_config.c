/* Keys of sending_queue and retry_on_failure: defaults, rules, and what is said about keys without effect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "service/queue.h"

#define SECOND INT64_C(1000000000)

struct both {
    struct retry_config retry;
    struct queue_config queue;
};
static const struct config_field fields[] = {
    {.key = "retry_on_failure",
     .type = CONFIG_BLOCK,
     .offset = offsetof(struct both, retry),
     .block = &retry_config_schema},
    {.key = "sending_queue",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct both, queue),
     .block = &queue_config_schema,
     .optional = OPTIONAL_SOME,
     .flag_offset = offsetof(struct both, queue.enabled)},
};
static const struct config_schema schema = {
    .name = "test", .size = sizeof(struct both), .fields = fields, .field_count = COUNT_OF(fields)};

struct loaded {
    struct arena arena;
    struct config_messages messages;
    const struct both *config;
    struct buf text;
};

static void load(struct loaded *l, const char *yaml)
{
    struct node *root;
    struct err err;
    arena_init(&l->arena, 1024);
    config_messages_init(&l->messages, &l->arena);
    if (!yaml_parse(&l->arena, STR("test.yaml"), str_from(yaml), &root, &err))
        fail_msg("%s", err.text);
    l->config = config_decode(&l->arena, &schema, root, STR(""), NULL, &l->messages);
    buf_init(&l->text, 1 << 20);
    config_messages_print(&l->text, &l->messages, true, true);
}

static void unload(struct loaded *l)
{
    buf_deinit(&l->text);
    arena_deinit(&l->arena);
}

static void assert_says(const char *yaml, size_t errors, size_t warnings, const char *text)
{
    struct loaded l;
    load(&l, yaml);
    size_t at;
    if (l.messages.error_count != errors || l.messages.warning_count != warnings ||
        !str_find(buf_view(&l.text), str_from(text), &at))
        fail_msg("%s\n%zu errors, %zu warnings:\n%s", yaml, l.messages.error_count,
                 l.messages.warning_count, buf_cstr(&l.text));
    unload(&l);
}

static void test_defaults(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", "{retry_on_failure: , sending_queue: }",
                                        "{retry_on_failure: {}, sending_queue: {enabled: true}}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct loaded l;
        load(&l, texts[i]);
        assert_int_equal(l.text.len, 0);
        const struct retry_config *r = &l.config->retry;
        assert_true(r->enabled);
        assert_int_equal(r->initial_interval_ns, 5 * SECOND);
        assert_int_equal(r->max_interval_ns, 30 * SECOND);
        assert_int_equal(r->max_elapsed_ns, 300 * SECOND);
        assert_true(r->multiplier == 1.5 && r->randomization_factor == 0.5);
        const struct queue_config *q = &l.config->queue;
        assert_true(q->enabled);
        assert_int_equal(q->num_consumers, 10);
        assert_int_equal(q->queue_size, 1000);
        assert_int_equal(q->sizer, QUEUE_REQUESTS);
        assert_int_equal(q->max_bytes, 0);
        assert_false(q->block_on_overflow || q->wait_for_result || q->batch_enabled);
        assert_int_equal(q->batch.min_size, 8192);
        assert_int_equal(q->batch.flush_timeout_ns, SECOND / 5);
        assert_int_equal(q->batch.sizer, QUEUE_ITEMS);
        unload(&l);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct loaded l;
    load(&l,
         "retry_on_failure: {enabled: false, initial_interval: 1s, max_interval: 2s, "
         "max_elapsed_time: 0, multiplier: 2, "
         "randomization_factor: 0}\n"
         "sending_queue: {num_consumers: 3, queue_size: 500, sizer: items, max_bytes: 1048576}\n");
    assert_int_equal(l.text.len, 0);
    assert_false(l.config->retry.enabled);
    assert_int_equal(l.config->retry.initial_interval_ns, SECOND);
    assert_int_equal(l.config->retry.max_elapsed_ns, 0);
    assert_true(l.config->retry.multiplier == 2 && l.config->retry.randomization_factor == 0);
    assert_int_equal(l.config->queue.num_consumers, 3);
    assert_int_equal(l.config->queue.sizer, QUEUE_ITEMS);
    assert_int_equal(l.config->queue.max_bytes, 1048576);
    unload(&l);
}

/* What is off is not checked, but keeps its keys known. */
static void test_queue_off(void **state)
{
    (void)state;
    struct loaded l;
    load(&l,
         "sending_queue: {enabled: false, num_consumers: -1, storage: file_storage, batch: {}}");
    assert_int_equal(l.text.len, 0);
    assert_false(l.config->queue.enabled);
    assert_int_equal(l.config->queue.num_consumers, 10);
    unload(&l);
    assert_says("sending_queue: {enabled: false, num_consumer: 1}", 1, 0,
                "did you mean \"num_consumers\"?");
}

static void test_retry_rules(void **state)
{
    (void)state;
    assert_says("retry_on_failure: {initial_interval: -1s}", 1, 0,
                "test.yaml:1:38: retry_on_failure::initial_interval: 'initial_interval' must be "
                "non-negative");
    assert_says("retry_on_failure: {max_interval: -1s}", 1, 0,
                "'max_interval' must be non-negative");
    assert_says("retry_on_failure: {max_elapsed_time: -1s}", 1, 0,
                "'max_elapsed_time' must be non-negative");
    assert_says("retry_on_failure: {multiplier: -0.1}", 1, 0, "'multiplier' must be non-negative");
    assert_says("retry_on_failure: {multiplier: .nan}", 1, 0, "'multiplier' must be non-negative");
    assert_says("retry_on_failure: {multiplier: .inf}", 1, 0, "'multiplier' must be non-negative");
    assert_says("retry_on_failure: {randomization_factor: 1.1}", 1, 0,
                "'randomization_factor' must be within [0, 1]");
    assert_says("retry_on_failure: {randomization_factor: -0.1}", 1, 0,
                "'randomization_factor' must be within [0, 1]");
    assert_says("retry_on_failure: {randomization_factor: .nan}", 1, 0,
                "'randomization_factor' must be within [0, 1]");
    assert_says("retry_on_failure: {max_elapsed_time: 4s, max_interval: 1s}", 1, 0,
                "'max_elapsed_time' must not be less than 'initial_interval'");
    assert_says("retry_on_failure: {max_elapsed_time: 6s}", 1, 0,
                "'max_elapsed_time' must not be less than 'max_interval'");
    assert_says("retry_on_failure: {enabled: false, initial_interval: -1s}", 1, 0,
                "must be non-negative");
    assert_says("retry_on_failure: {max_elapsed_tim: 1s}", 1, 0,
                "did you mean \"max_elapsed_time\"?");
    assert_says("retry_on_failure: {randomization_factor: 1, multiplier: 0, initial_interval: 0, "
                "max_interval: 0s}",
                0, 0, "");
}

static void test_queue_rules(void **state)
{
    (void)state;
    assert_says("sending_queue: {num_consumers: 0}", 1, 0, "`num_consumers` must be positive");
    assert_says("sending_queue: {queue_size: 0}", 1, 0, "`queue_size` must be positive");
    assert_says("sending_queue: {max_bytes: -1}", 1, 0, "`max_bytes` must be positive, or 0");
    assert_says("sending_queue: {sizer: lines}", 1, 0, "invalid value \"lines\"");
    assert_says("sending_queue: {storage: file_storage}", 1, 0,
                "a persistent queue is not supported");
    assert_says("sending_queue: {num_consumers: 300}", 0, 1, "300 are too many: 256 it is");
    assert_says("sending_queue: {block_on_overflow: true}", 0, 1,
                "sending_queue::block_on_overflow: has no effect");
    assert_says("sending_queue: {wait_for_result: true}", 0, 1,
                "sending_queue::wait_for_result: has no effect");
    assert_says("sending_queue: {batch: }", 0, 1, "sending_queue::batch: has no effect");
    assert_says("sending_queue: {batch: {enabled: false}}", 0, 0, "");
    assert_says("sending_queue: {batch: {flush_timeout: 0}}", 1, 1,
                "`flush_timeout` must be positive");
    assert_says("sending_queue: {batch: {min_size: -1}}", 1, 1, "`min_size` must be non-negative");
    assert_says("sending_queue: {batch: {max_size: -1}}", 1, 1, "`max_size` must be non-negative");
    assert_says("sending_queue: {batch: {max_size: 10}}", 1, 1,
                "`max_size` must be greater or equal to `min_size`");
    assert_says("sending_queue: {batch: {sizer: requests, min_size: 1}}", 1, 1,
                "`batch` supports only `items` or `bytes` sizer");
    assert_says("sending_queue: {sizer: items, batch: {}}", 1, 1,
                "`min_size` must be less than or equal to `queue_size`");
    assert_says("sending_queue: {batch: {sizer: bytes, max_size: 1000000, min_size: 0}}", 0, 1,
                "only `max_size` has an effect");
    assert_says("sending_queue: {batch: {partition: {metadata_keys: [a]}, max_size: 9000}}", 0, 1,
                "has no effect");
}

static void test_consumers_are_cut(void **state)
{
    (void)state;
    struct loaded l;
    load(&l, "sending_queue: {num_consumers: 100000}");
    assert_int_equal(l.config->queue.num_consumers, 256);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_values),
        cmocka_unit_test(test_queue_off),   cmocka_unit_test(test_retry_rules),
        cmocka_unit_test(test_queue_rules), cmocka_unit_test(test_consumers_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
