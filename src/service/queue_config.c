/*
 * Keys of sending_queue and retry_on_failure, with the reference's names, defaults and rules, and
 * one key more, max_bytes. What baton does otherwise is said when a configuration asks for it: an
 * error where data would be less safe than the writer thinks (no persistent queue), a warning where
 * a key has no effect (a tick is cut into requests, requests are never merged).
 *
 * Rules are checked only for what is on. The warning about a key comes when it is set to something
 * else than its default.
 *
 * Specification: collector_host 3.2.
 */
#include "service/queue.h"

#include <math.h>

#include "base/limits.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

static void retry_defaults(void *config)
{
    struct retry_config *c = config;
    *c = (struct retry_config){.enabled = true,
                               .initial_interval_ns = 5 * SECOND,
                               .max_interval_ns = 30 * SECOND,
                               .max_elapsed_ns = 300 * SECOND,
                               .multiplier = 1.5,
                               .randomization_factor = 0.5};
}

static void check_not_negative(struct config_check *c, const char *key, int64_t value)
{
    if (value < 0)
        config_problem(c, key, "'%s' must be non-negative", key);
}

static void retry_check(void *config, struct config_check *c)
{
    const struct retry_config *r = config;
    check_not_negative(c, "initial_interval", r->initial_interval_ns);
    check_not_negative(c, "max_interval", r->max_interval_ns);
    check_not_negative(c, "max_elapsed_time", r->max_elapsed_ns);
    if (!isfinite(r->multiplier) || r->multiplier < 0)
        config_problem(c, "multiplier", "'multiplier' must be non-negative");
    if (!(r->randomization_factor >= 0 && r->randomization_factor <= 1)) /* nor a NaN */
        config_problem(c, "randomization_factor", "'randomization_factor' must be within [0, 1]");
    if (r->max_elapsed_ns > 0 && r->max_elapsed_ns < r->initial_interval_ns)
        config_problem(c, "max_elapsed_time",
                       "'max_elapsed_time' must not be less than 'initial_interval'");
    if (r->max_elapsed_ns > 0 && r->max_elapsed_ns < r->max_interval_ns)
        config_problem(c, "max_elapsed_time",
                       "'max_elapsed_time' must not be less than 'max_interval'");
}

static const struct config_field retry_fields[] = {
    {.key = "enabled", .type = CONFIG_BOOL, .offset = offsetof(struct retry_config, enabled)},
    {.key = "initial_interval",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct retry_config, initial_interval_ns)},
    {.key = "max_interval",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct retry_config, max_interval_ns)},
    {.key = "max_elapsed_time",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct retry_config, max_elapsed_ns)},
    {.key = "multiplier",
     .type = CONFIG_DOUBLE,
     .offset = offsetof(struct retry_config, multiplier)},
    {.key = "randomization_factor",
     .type = CONFIG_DOUBLE,
     .offset = offsetof(struct retry_config, randomization_factor)},
};
const struct config_schema retry_config_schema = {
    .name = "retry_on_failure",
    .size = sizeof(struct retry_config),
    .fields = retry_fields,
    .field_count = COUNT_OF(retry_fields),
    .defaults = retry_defaults,
    .check = retry_check,
};

static const char *const sizers[] = {"requests", "items", "bytes", NULL};

static void batch_defaults(void *config)
{
    struct queue_batch_config *b = config;
    *b = (struct queue_batch_config){
        .flush_timeout_ns = 200 * MS, .min_size = 8192, .sizer = QUEUE_ITEMS};
}

static void batch_check(void *config, struct config_check *c)
{
    const struct queue_batch_config *b = config;
    if (b->flush_timeout_ns <= 0)
        config_problem(c, "flush_timeout", "`flush_timeout` must be positive");
    if (b->min_size < 0)
        config_problem(c, "min_size", "`min_size` must be non-negative");
    if (b->max_size < 0)
        config_problem(c, "max_size", "`max_size` must be non-negative");
    else if (b->max_size != 0 && b->max_size < b->min_size)
        config_problem(c, "max_size", "`max_size` must be greater or equal to `min_size`");
    if (b->sizer == QUEUE_REQUESTS)
        config_problem(c, "sizer", "`batch` supports only `items` or `bytes` sizer");
}

static const struct config_field batch_fields[] = {
    {.key = "flush_timeout",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct queue_batch_config, flush_timeout_ns)},
    {.key = "min_size",
     .type = CONFIG_INT,
     .offset = offsetof(struct queue_batch_config, min_size)},
    {.key = "max_size",
     .type = CONFIG_INT,
     .offset = offsetof(struct queue_batch_config, max_size)},
    {.key = "sizer",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct queue_batch_config, sizer),
     .choices = sizers},
    {.key = "partition",
     .type = CONFIG_ANY,
     .offset = offsetof(struct queue_batch_config, partition)},
};
static const struct config_schema batch_schema = {
    .name = "batch",
    .size = sizeof(struct queue_batch_config),
    .fields = batch_fields,
    .field_count = COUNT_OF(batch_fields),
    .defaults = batch_defaults,
    .check = batch_check,
};

static void queue_defaults(void *config)
{
    struct queue_config *q = config;
    *q = (struct queue_config){
        .enabled = true, .num_consumers = 10, .queue_size = 1000, .sizer = QUEUE_REQUESTS};
}

static void queue_check(void *config, struct config_check *c)
{
    struct queue_config *q = config;
    if (q->num_consumers <= 0)
        config_problem(c, "num_consumers", "`num_consumers` must be positive");
    if (q->num_consumers > LIMIT_QUEUE_CONSUMERS) {
        config_caution(c, "num_consumers", "%" PRId64 " are too many: %d it is", q->num_consumers,
                       LIMIT_QUEUE_CONSUMERS);
        q->num_consumers = LIMIT_QUEUE_CONSUMERS;
    }
    if (q->queue_size <= 0)
        config_problem(c, "queue_size", "`queue_size` must be positive");
    if (q->max_bytes < 0)
        config_problem(c, "max_bytes",
                       "`max_bytes` must be positive, or 0 for the smaller of 64 MiB and a quarter "
                       "of the memory limit");
    if (q->storage.len > 0)
        config_problem(
            c, "storage",
            "a persistent queue is not supported: remove `storage`; the queue is kept in memory");
    if (q->batch_enabled && q->batch.sizer == q->sizer && q->batch.min_size > q->queue_size)
        config_problem(c, "batch", "`min_size` must be less than or equal to `queue_size`");
    if (q->block_on_overflow)
        config_caution(c, "block_on_overflow",
                       "has no effect: receivers that collect at intervals always wait for room, "
                       "and no other one can be held back");
    if (q->wait_for_result)
        config_caution(c, "wait_for_result",
                       "has no effect: every receiver is told the outcome of its batches");
    if (q->batch_enabled && q->batch.sizer == QUEUE_BYTES && q->batch.max_size > 0)
        config_caution(c, "batch", "only `max_size` has an effect: batches are cut, never merged");
    else if (q->batch_enabled)
        config_caution(c, "batch",
                       "has no effect: batches are cut into requests of less than 4 MiB, never "
                       "merged (`sizer: bytes` and "
                       "`max_size` make requests smaller)");
}

static const struct config_field queue_fields[] = {
    {.key = "enabled", .type = CONFIG_BOOL, .offset = offsetof(struct queue_config, enabled)},
    {.key = "num_consumers",
     .type = CONFIG_INT,
     .offset = offsetof(struct queue_config, num_consumers)},
    {.key = "queue_size", .type = CONFIG_INT, .offset = offsetof(struct queue_config, queue_size)},
    {.key = "max_bytes", .type = CONFIG_INT, .offset = offsetof(struct queue_config, max_bytes)},
    {.key = "sizer",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct queue_config, sizer),
     .choices = sizers},
    {.key = "block_on_overflow",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct queue_config, block_on_overflow)},
    {.key = "wait_for_result",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct queue_config, wait_for_result)},
    {.key = "storage", .type = CONFIG_STR, .offset = offsetof(struct queue_config, storage)},
    {.key = "batch",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct queue_config, batch),
     .block = &batch_schema,
     .optional = OPTIONAL_DEFAULT,
     .flag_offset = offsetof(struct queue_config, batch_enabled)},
};
const struct config_schema queue_config_schema = {
    .name = "sending_queue",
    .size = sizeof(struct queue_config),
    .fields = queue_fields,
    .field_count = COUNT_OF(queue_fields),
    .defaults = queue_defaults,
    .check = queue_check,
};
