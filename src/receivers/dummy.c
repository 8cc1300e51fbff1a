/*
 * `dummy`: data of known content once an interval, to try pipelines and leader election with.
 * Metrics as the Kyma receiver of this name gives them: gauge `dummy` with five points 0 to 4; in a
 * logs or traces pipeline one record or span a tick, so that election can be shown for every
 * signal.
 *
 * A tick is one batch for each signal that is wanted, in the order metrics, logs, traces;
 * tick->step counts the wanted signals.
 *
 * Specification: kyma_receivers 2. Differs: time stamps are the tick's; intervals below a minute
 * are allowed on request; more signals than metrics; every receiver can be elected.
 */
#include "receivers/receivers.h"

#include "base/limits.h"
#include "io/file.h"
#include "wire/text.h"

#define SECOND INT64_C(1000000000)

enum {
    POINT_COUNT = 5,
    SEVERITY_INFO = 9 /* logs/v1 SEVERITY_NUMBER_INFO */,
    SPAN_KIND_INTERNAL = 1 /* trace/v1 */
};

struct dummy_config {
    str interval;
    bool allow_short_interval;
    int64_t interval_ns; /* from `interval` */
};

struct dummy {
    int64_t interval_ns;
    char host_buffer[256];
    str host;
};

static const struct metric_desc metric = {
    .name = STR("dummy"),
    .description = STR("Five constant values, for trying out a pipeline"),
    .type = METRIC_GAUGE,
};

static bool dummy_create(struct receiver *r, const void *config, struct err *err)
{
    (void)err;
    const struct dummy_config *c = config;
    struct dummy *d = mem_zalloc(sizeof *d);
    d->interval_ns = c->interval_ns;
    d->host = host_name(d->host_buffer, sizeof d->host_buffer);
    r->base.state = d;
    return true;
}

static int64_t dummy_interval_ns(const struct receiver *r)
{
    const struct dummy *d = r->base.state;
    return d->interval_ns;
}

static struct scope *add_scope(struct batch *b)
{
    const struct attribute cluster = {.key = STR("k8s.cluster.name"),
                                      .value = VALUE_OF_STR(STR("test-cluster"))};
    struct resource *resource = batch_resource(b);
    resource->attributes = batch_attributes(b, &cluster, 1);
    return batch_scope(b, resource);
}

static struct attributes host_attributes(const struct dummy *d, struct batch *b)
{
    const struct attribute host = {.key = STR("host"),
                                   .value = VALUE_OF_STR(arena_str(&b->arena, d->host))};
    return batch_attributes(b, &host, 1);
}

static void add_metrics(const struct dummy *d, struct batch *b, const struct tick *tick)
{
    struct metric *m = batch_metric(b, add_scope(b), &metric);
    struct attributes attributes = host_attributes(d, b);
    for (int64_t i = 0; i < POINT_COUNT; i++) {
        struct point *p = batch_point(b, m);
        p->time_ns = tick->time_ns;
        p->attributes = attributes;
        p->value = VALUE_OF_INT(i);
    }
}

static void add_log(const struct dummy *d, struct batch *b, const struct tick *tick)
{
    struct log_record *record = batch_log(b, add_scope(b));
    record->time_ns = tick->time_ns;
    record->observed_ns = tick->time_ns;
    record->severity = SEVERITY_INFO;
    record->severity_text = STR("INFO");
    record->body = VALUE_OF_STR(STR("dummy"));
    record->attributes = host_attributes(d, b);
}

static void add_span(const struct dummy *d, struct loop *loop, struct batch *b,
                     const struct tick *tick)
{
    struct span *span = batch_span(b, add_scope(b));
    loop_random(loop, span->trace_id, sizeof span->trace_id);
    loop_random(loop, span->span_id, sizeof span->span_id);
    span->trace_id[0] |= 1; /* all zero would be no id */
    span->span_id[0] |= 1;
    span->name = STR("dummy");
    span->kind = SPAN_KIND_INTERNAL;
    span->start_ns = tick->time_ns;
    span->end_ns = tick->time_ns;
    span->attributes = host_attributes(d, b);
}

/* The wanted signal number `index`, 0 if there are not so many. */
static unsigned nth_signal(unsigned wanted, uint64_t index)
{
    for (unsigned signal = SIGNAL_METRICS; signal <= SIGNAL_TRACES; signal <<= 1)
        if ((wanted & signal) != 0 && index-- == 0)
            return signal;
    return 0;
}

static enum step dummy_collect(struct receiver *r, struct tick *tick)
{
    const struct dummy *d = r->base.state;
    unsigned signal = nth_signal(r->signals, tick->step);
    if (signal == 0)
        return STEP_DONE;
    struct batch *b = batch_new((enum signal)signal);
    if (signal == SIGNAL_METRICS)
        add_metrics(d, b, tick);
    else if (signal == SIGNAL_LOGS)
        add_log(d, b, tick);
    else
        add_span(d, r->base.loop, b, tick);
    if (!receiver_emit(r, b))
        return STEP_DONE;
    return nth_signal(r->signals, tick->step + 1) != 0 ? STEP_MORE : STEP_DONE;
}

static void dummy_destroy(struct receiver *r)
{
    mem_free(r->base.state);
    r->base.state = NULL;
}

/* ---- configuration ---- */

static void dummy_defaults(void *config)
{
    struct dummy_config *c = config;
    c->interval = STR("1m");
}

static void dummy_check(void *config, struct config_check *check)
{
    struct dummy_config *c = config;
    struct err err;
    if (!duration_parse(c->interval, &c->interval_ns, &err)) {
        config_problem(check, "interval", "interval must be a valid duration string: %s", err.text);
    } else if (!c->allow_short_interval && c->interval_ns < 60 * SECOND) {
        config_problem(
            check, "interval",
            "when defined, the interval has to be set to at least 1 minute (1m); for tests, "
            "allow_short_interval: true allows less");
    } else if (c->interval_ns < LIMIT_INTERVAL_MIN_MS * SECOND / 1000) {
        config_problem(check, "interval", "interval must be at least %dms", LIMIT_INTERVAL_MIN_MS);
    }
}

static const struct config_field fields[] = {
    {.key = "interval", .type = CONFIG_STR, .offset = offsetof(struct dummy_config, interval)},
    {.key = "allow_short_interval",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct dummy_config, allow_short_interval)},
};
static const struct config_schema schema = {
    .name = "dummy",
    .size = sizeof(struct dummy_config),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .defaults = dummy_defaults,
    .check = dummy_check,
};

const struct receiver_type dummy_receiver = {
    .name = "dummy",
    .signals = SIGNAL_METRICS | SIGNAL_LOGS | SIGNAL_TRACES,
    .kind = RECEIVER_PULL,
    .can_be_warm = true,
    .stability = "alpha",
    .schema = &schema,
    .create = dummy_create,
    .interval_ns = dummy_interval_ns,
    .collect = dummy_collect,
    .destroy = dummy_destroy,
};
