/*
 * Batches that hold every kind of everything, for tests. What the reference prints of them is in golden/NAME.normal.txt and
 * golden/NAME.detailed.txt; regenerate_golden.sh makes those files, and must run again when a batch here changes.
 */
#ifndef TESTS_GOLDEN_BATCHES_H
#define TESTS_GOLDEN_BATCHES_H

#include <math.h>

#include "telemetry/batch.h"

#define T0 INT64_C(1581452772000000321)
#define T1 INT64_C(1581452773000000789)
#define ATTRIBUTES(b, ...)                                                                         \
    batch_attributes((b), (const struct attribute[]){__VA_ARGS__},                                 \
                     COUNT_OF(((const struct attribute[]){__VA_ARGS__})))
/* Braces only, since they must be constant: compound literals in static initialisers are not. */
#define TEXT(literal) {"" literal, sizeof(literal) - 1}
#define ATTR_STR(k, v) {TEXT(k), {.kind = VALUE_STR, .text = TEXT(v)}}
#define ATTR_INT(k, v) {TEXT(k), {.kind = VALUE_INT, .integer = (v)}}
#define ATTR_DOUBLE(k, v) {TEXT(k), {.kind = VALUE_DOUBLE, .real = (v)}}
#define ATTR_BOOL(k, v) {TEXT(k), {.kind = VALUE_BOOL, .boolean = (v)}}
#define ATTR_EMPTY(k) {TEXT(k), {.kind = VALUE_EMPTY}}
#define ATTR_BYTES(k, v) {TEXT(k), {.kind = VALUE_BYTES, .text = TEXT(v)}}
#define ATTR_MAP(k, list) {TEXT(k), {.kind = VALUE_MAP, .map = {(list), COUNT_OF(list)}}}
#define ATTR_SLICE(k, list) {TEXT(k), {.kind = VALUE_SLICE, .slice = {(list), COUNT_OF(list)}}}

static const uint8_t golden_trace[16] = {0x42, 0x1b, 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff};
static const uint8_t golden_span[8] = {0xbe, 1, 2, 3, 4, 5, 6, 7};

/* -- values -- */
static const struct attribute golden_inner[] = {
    ATTR_STR("zebra", "last"),
    ATTR_INT("alpha", -7),
    ATTR_DOUBLE("half", 0.5),
    ATTR_DOUBLE("tiny", 1.5e-7),
    ATTR_DOUBLE("small", 0.000015),
    ATTR_DOUBLE("huge", 1e21),
    ATTR_DOUBLE("whole", 3),
    ATTR_DOUBLE("minus zero", -0.0),
    ATTR_BOOL("yes", true),
    ATTR_EMPTY("nothing"),
    ATTR_BYTES("bytes", "\x01\x02\xff"),
    ATTR_BYTES("no bytes", ""),
    ATTR_STR("", "key is empty"),
    ATTR_STR("Upper", "before lower"),
    ATTR_STR("text", "q\" b\\ n\n r\r t\t b\b f\f \x01 \x7f / \xe2\x80\xa8 \xe2\x80\xa9 \xc3\xa9 \xf0\x9f\x98\x80"),
};
static const struct value golden_list[] = {
    {.kind = VALUE_STR, .text = TEXT("one")},
    {.kind = VALUE_EMPTY},
    {.kind = VALUE_INT, .integer = INT64_MIN},
    {.kind = VALUE_DOUBLE, .real = 1.7976931348623157e308},
    {.kind = VALUE_BOOL, .boolean = false},
    {.kind = VALUE_MAP, .map = {golden_inner, 3}},
    {.kind = VALUE_SLICE, .slice = {NULL, 0}},
    {.kind = VALUE_MAP, .map = {NULL, 0}},
    {.kind = VALUE_STR, .text = TEXT("")},
    {.kind = VALUE_BYTES, .text = TEXT("xyz")},
};
static const struct attribute golden_outer[] = {
    ATTR_MAP("inner", golden_inner),
    ATTR_SLICE("list", golden_list),
    ATTR_STR("k", "v"),
};
static const struct value golden_with_nan[] = {
    {.kind = VALUE_INT, .integer = 1},
    {.kind = VALUE_DOUBLE, .real = NAN},
};
/* One of each kind. Not in it, since v0.149.0 prints them otherwise: NaN and infinities, and < > & in maps and slices. */
static const struct attribute golden_values[] = {
    ATTR_STR("str", "a text with spaces, <b>&amp; \"quotes\"\nand two lines"),
    ATTR_STR("empty str", ""),
    ATTR_BOOL("true", true),
    ATTR_BOOL("false", false),
    ATTR_INT("int", INT64_MAX),
    ATTR_INT("negative", -42),
    ATTR_DOUBLE("double", 3.14),
    ATTR_DOUBLE("whole", 100),
    ATTR_DOUBLE("1e20", 1e20),
    ATTR_DOUBLE("1e21", -1e21),
    ATTR_DOUBLE("1e-6", 1e-6),
    ATTR_DOUBLE("1e-7", 9.9e-7),
    ATTR_DOUBLE("subnormal", 5e-324),
    ATTR_EMPTY("empty"),
    ATTR_MAP("map", golden_inner),
    ATTR_MAP("outer", golden_outer),
    ATTR_SLICE("slice", golden_list),
    ATTR_BYTES("bytes", "hello"),
    ATTR_BYTES("no bytes", ""),
    {TEXT("no map"), {.kind = VALUE_MAP}},
    {TEXT("no slice"), {.kind = VALUE_SLICE}},
    ATTR_STR("twice", "first"),
    ATTR_STR("twice", "second"),
};

static UNUSED struct resource *golden_resource(struct batch *b)
{
    static const str id_keys[] = {TEXT("k8s.pod.uid"), TEXT("k8s.pod.name")};
    static const str description_keys[] = {TEXT("k8s.pod.label")};
    static const struct entity_ref refs[] = {
        {.schema_url = TEXT("https://entity.example/1"),
         .type = TEXT("k8s.pod"),
         .id_keys = id_keys,
         .id_key_count = 2,
         .description_keys = description_keys,
         .description_key_count = 1},
        {.type = TEXT("host"), .id_keys = id_keys, .id_key_count = 1},
        {.description_keys = description_keys, .description_key_count = 1},
    };
    struct resource *r = batch_resource(b);
    r->schema_url = STR("https://opentelemetry.io/schemas/1.18.0");
    r->attributes = ATTRIBUTES(b, ATTR_STR("k8s.pod.name", "web-0"), ATTR_INT("replica", 3),
                               ATTR_MAP("labels", golden_outer));
    r->dropped_attribute_count = 9;
    r->entity_refs = refs;
    r->entity_ref_count = COUNT_OF(refs);
    return r;
}

static UNUSED struct scope *golden_scope(struct batch *b, struct resource *r)
{
    struct scope *s = batch_scope(b, r);
    s->name = STR("otelcol/k8sclusterreceiver");
    s->version = STR("0.149.0");
    s->schema_url = STR("https://scope.example/2");
    s->attributes = ATTRIBUTES(b, ATTR_STR("kind", "cluster"), ATTR_BOOL("fresh", false));
    s->dropped_attribute_count = 4;
    return s;
}

/* -- metrics -- */
static const struct attribute golden_metadata[] = {
    ATTR_STR("prometheus.type", "unknown"),
    ATTR_MAP("nested", golden_outer),
};
#define DESC(name_, type_, ...)                                                                    \
    static const struct metric_desc name_ = {.name = TEXT(#name_), .type = type_, __VA_ARGS__}
#define DESC_TEXTS .description = TEXT("What it is, in words."), .unit = TEXT("{pod}")
DESC(m_gauge, METRIC_GAUGE, DESC_TEXTS, .metadata = {golden_metadata, 2});
DESC(m_sum, METRIC_SUM, DESC_TEXTS, .temporality = TEMPORALITY_CUMULATIVE, .monotonic = true);
DESC(m_sum_delta, METRIC_SUM, .temporality = TEMPORALITY_DELTA);
DESC(m_sum_unspecified, METRIC_SUM, .unit = TEXT("1"));
DESC(m_histogram, METRIC_HISTOGRAM, DESC_TEXTS, .temporality = TEMPORALITY_CUMULATIVE);
DESC(m_histogram_delta, METRIC_HISTOGRAM, .temporality = TEMPORALITY_DELTA);
DESC(m_exp, METRIC_EXP_HISTOGRAM, DESC_TEXTS, .temporality = TEMPORALITY_DELTA);
DESC(m_summary, METRIC_SUMMARY, DESC_TEXTS);
DESC(m_empty, METRIC_EMPTY, DESC_TEXTS);

static UNUSED struct exemplar *golden_exemplars(struct batch *b)
{
    struct exemplar *e = ARENA_ARRAY(&b->arena, struct exemplar, 3);
    e[0] = (struct exemplar){.next = &e[1], .time_ns = T1, .value = VALUE_OF_DOUBLE(2.5)};
    memcpy(e[0].trace_id, golden_trace, sizeof golden_trace);
    memcpy(e[0].span_id, golden_span, sizeof golden_span);
    e[0].filtered_attributes = ATTRIBUTES(b, ATTR_STR("pod", "web-0"), ATTR_INT("n", -1));
    e[1] = (struct exemplar){.next = &e[2], .value = VALUE_OF_INT(-12)};
    return e;
}

static UNUSED struct point *golden_point(struct batch *b, struct metric *m)
{
    struct point *p = batch_point(b, m);
    p->start_ns = T0;
    p->time_ns = T1;
    p->attributes = ATTRIBUTES(b, ATTR_STR("namespace", "default"), ATTR_STR("pod", "web-0"));
    return p;
}

static UNUSED void golden_numbers(struct batch *b, struct scope *s)
{
    static const double reals[] = {0,    -0.0,  1.5,     100,  1e6,    123456789.125, 1e20,    1e21,
                                   1e-4, 1e-5, 5e-324, -1.0, 0.1 + 0.2, 1e300, 2e15, 1.7976931348623157e308, NAN, INFINITY, -INFINITY};
    struct metric *m = batch_metric(b, s, &m_gauge);
    for (size_t i = 0; i < COUNT_OF(reals); i++)
        golden_point(b, m)->value = VALUE_OF_DOUBLE(reals[i]);
    m->first->exemplars = golden_exemplars(b);
    m = batch_metric(b, s, &m_sum);
    golden_point(b, m)->value = VALUE_OF_INT(0);
    golden_point(b, m)->value = VALUE_OF_INT(INT64_MIN);
    struct point *p = batch_point(b, m); /* all unset */
    p->flags = 1;
    p = batch_point(b, m);
    p->value = VALUE_OF_INT(5);
    p->attributes = ATTRIBUTES(b, ATTR_EMPTY("e"), ATTR_DOUBLE("d", 0.25), ATTR_BOOL("b", true),
                               ATTR_SLICE("s", golden_list), ATTR_BYTES("y", "\xff\xfe"));
    m = batch_metric(b, s, &m_sum_delta);
    golden_point(b, m)->value = VALUE_OF_INT(INT64_MAX);
    m = batch_metric(b, s, &m_sum_unspecified);
    golden_point(b, m)->value = VALUE_OF_DOUBLE(7);
}

static UNUSED void golden_histograms(struct batch *b, struct scope *s)
{
    static const uint64_t counts[] = {1, 0, UINT64_C(9007199254740993), 300};
    static const double bounds[] = {-1.5, 0, 1e9};
    static const struct histogram full = {.count = 304, .has_sum = true, .sum = 12.5, .has_min = true, .min = -3, .has_max = true,
        .max = 1e10, .bucket_counts = counts, .bucket_count = 4, .bounds = bounds, .bound_count = 3};
    static const struct histogram bare = {.count = 2};
    static const struct histogram zero_sum = {.count = 0, .has_sum = true, .bucket_counts = counts, .bucket_count = 1};
    static const struct histogram only_max = {.count = UINT64_MAX, .has_max = true, .max = INFINITY};
    static const struct histogram *const all[] = {&full, &bare, &zero_sum, &only_max};
    struct metric *m = batch_metric(b, s, &m_histogram);
    for (size_t i = 0; i < COUNT_OF(all); i++)
        golden_point(b, m)->histogram = all[i];
    m->last->exemplars = golden_exemplars(b);
    m = batch_metric(b, s, &m_histogram_delta);
    batch_point(b, m)->histogram = &full;

    static const uint64_t exp_counts[] = {1, 300, 0, 7};
    static const struct exp_histogram wide = {.count = 20, .has_sum = true, .sum = -7.25, .has_min = true, .min = -9, .has_max = true,
        .max = 9, .scale = -1, .zero_count = 5, .zero_threshold = 0.001, .positive = {-2, exp_counts, 4}, .negative = {1, exp_counts, 3}};
    /* Bounds are exp(), of which the last digit is not the same everywhere: the numbers are such that it is. */
    static const struct exp_histogram fine = {.count = 8, .scale = 20, .positive = {1000003, exp_counts, 2},
        .negative = {-5, exp_counts, 1}};
    static const struct exp_histogram none = {.zero_count = 1, .positive = {3, NULL, 0}};
    static const struct exp_histogram far = {.count = 3, .scale = 0, .positive = {1019, exp_counts, 4}, .negative = {-1076, exp_counts, 4}};
    static const struct exp_histogram *const exp_all[] = {&wide, &fine, &none, &far};
    m = batch_metric(b, s, &m_exp);
    for (size_t i = 0; i < COUNT_OF(exp_all); i++)
        golden_point(b, m)->exp_histogram = exp_all[i];
    m->first->exemplars = golden_exemplars(b);

    static const struct quantile quantiles[] = {{0, 1}, {0.5, 2.25}, {0.99, 1e22}, {1, -3}};
    static const struct summary filled = {.count = 11, .sum = 13.5, .quantiles = quantiles, .quantile_count = 4};
    static const struct summary blank = {0};
    m = batch_metric(b, s, &m_summary);
    golden_point(b, m)->summary = &filled;
    batch_point(b, m)->summary = &blank;
}

static UNUSED struct batch *golden_metrics(void)
{
    struct batch *b = batch_new(SIGNAL_METRICS);
    struct resource *r = golden_resource(b);
    struct scope *s = golden_scope(b, r);
    golden_numbers(b, s);
    s = batch_scope(b, r);
    s->name = STR("name only");
    golden_histograms(b, s);
    batch_metric(b, s, &m_empty);
    batch_metric(b, s, &m_gauge);
    batch_metric(b, s, &m_histogram);
    s = batch_scope(b, r); /* without metrics */
    s->version = STR("1.2");
    batch_resource(b); /* without anything */
    r = batch_resource(b);
    r->schema_url = STR("https://schema.example");
    s = batch_scope(b, r);
    s->schema_url = STR("https://scope.example");
    batch_point(b, batch_metric(b, s, &m_gauge))->value = VALUE_OF_INT(1);
    return b;
}

/* -- logs -- */
static UNUSED struct batch *golden_logs(void)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct scope *s = golden_scope(b, golden_resource(b));
    for (size_t i = 0; i < COUNT_OF(golden_values); i++) {
        struct log_record *r = batch_log(b, s);
        r->time_ns = T0;
        r->observed_ns = T1 - 789; /* whole seconds */
        r->body = golden_values[i].value;
        r->severity_text = STR("Normal");
        r->attributes = ATTRIBUTES(b, ATTR_STR("k8s.event.reason", "Started"), ATTR_INT("count", 2));
    }
    for (int32_t severity = -1; severity <= 25; severity++)
        batch_log(b, s)->severity = severity;
    struct log_record *r = batch_log(b, batch_scope(b, batch_resource(b)));
    r->time_ns = T1;
    r->severity = 9;
    r->severity_text = STR("INFO\nsecond line");
    r->event_name = STR("k8s.pod.started");
    r->body = (struct value){.kind = VALUE_MAP, .map = {golden_outer, 3}};
    r->attributes = batch_attributes(b, golden_values, COUNT_OF(golden_values));
    r->dropped_attribute_count = 77;
    r->flags = 257;
    memcpy(r->trace_id, golden_trace, sizeof golden_trace);
    memcpy(r->span_id, golden_span, sizeof golden_span);
    return b;
}

/* -- traces -- */
static UNUSED void golden_span_parts(struct batch *b, struct span *s)
{
    struct span_event *e = ARENA_ARRAY(&b->arena, struct span_event, 2);
    e[0] = (struct span_event){.next = &e[1], .time_ns = T1, .name = STR("retry"), .dropped_attribute_count = 2};
    e[0].attributes = batch_attributes(b, golden_values, 5);
    s->events = e;
    struct span_link *l = ARENA_ARRAY(&b->arena, struct span_link, 2);
    l[0] = (struct span_link){.next = &l[1], .trace_state = STR("a=b"), .dropped_attribute_count = 3, .flags = 0x301};
    memcpy(l[0].trace_id, golden_trace, sizeof golden_trace);
    memcpy(l[0].span_id, golden_span, sizeof golden_span);
    l[0].attributes = ATTRIBUTES(b, ATTR_STR("link", "yes"));
    s->links = l;
}

static UNUSED struct batch *golden_traces(void)
{
    struct batch *b = batch_new(SIGNAL_TRACES);
    struct scope *scope = golden_scope(b, golden_resource(b));
    struct span *s = batch_span(b, scope);
    memcpy(s->trace_id, golden_trace, sizeof golden_trace);
    memcpy(s->span_id, golden_span, sizeof golden_span);
    memcpy(s->parent_span_id, golden_trace, sizeof s->parent_span_id);
    s->name = STR("GET /pods");
    s->trace_state = STR("vendor=1,other=2");
    s->kind = 3;
    s->start_ns = T0;
    s->end_ns = T1;
    s->attributes = batch_attributes(b, golden_values, COUNT_OF(golden_values));
    s->dropped_attribute_count = 1;
    s->dropped_event_count = 2;
    s->dropped_link_count = 3;
    s->status_code = 2;
    s->status_message = STR("it broke");
    s->flags = 0x101;
    golden_span_parts(b, s);
    for (int32_t kind = -1; kind <= 6; kind++) {
        s = batch_span(b, scope);
        s->kind = kind;
        s->status_code = kind - 1;
        s->name = STR("kinds");
    }
    scope = batch_scope(b, batch_resource(b));
    batch_span(b, scope);
    return b;
}

static const struct golden_batch {
    const char *name;
    struct batch *(*make)(void);
} golden_batches[] = {
    {"metrics", golden_metrics},
    {"logs", golden_logs},
    {"traces", golden_traces},
};

#endif
