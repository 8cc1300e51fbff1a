/*
 * Metrics, logs and traces in flight. A batch owns all its memory (one arena) and one reference count, and is read-only once
 * handed on. Lists are chained in order of appending. Strings are views into the arena, or static, or pinned by the parent.
 * Field meanings: OTLP (opentelemetry-proto, common/metrics/logs/trace v1).
 */
#ifndef TELEMETRY_BATCH_H
#define TELEMETRY_BATCH_H

#include "base/arena.h"
#include "base/buf.h"

enum signal { SIGNAL_METRICS = 1, SIGNAL_LOGS = 2, SIGNAL_TRACES = 4 };
const char *signal_name(enum signal s); /* "metrics" */

enum value_kind { VALUE_EMPTY, VALUE_STR, VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_MAP, VALUE_SLICE, VALUE_BYTES };
struct attribute;
struct value {
    enum value_kind kind;
    union {
        str text; /* STR, BYTES */
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const struct attribute *items; /* MAP */
            size_t count;
        } map;
        struct {
            const struct value *items; /* SLICE */
            size_t count;
        } slice;
    };
};
struct attribute {
    str key;
    struct value value;
};
struct attributes {
    const struct attribute *items;
    size_t count;
};
#define VALUE_OF_STR(s) ((struct value){.kind = VALUE_STR, .text = (s)})
#define VALUE_OF_INT(n) ((struct value){.kind = VALUE_INT, .integer = (n)})
#define VALUE_OF_DOUBLE(n) ((struct value){.kind = VALUE_DOUBLE, .real = (n)})
#define VALUE_OF_BOOL(b) ((struct value){.kind = VALUE_BOOL, .boolean = (b)})

enum metric_type { METRIC_EMPTY, METRIC_GAUGE, METRIC_SUM, METRIC_HISTOGRAM, METRIC_EXP_HISTOGRAM, METRIC_SUMMARY };
enum temporality { TEMPORALITY_UNSPECIFIED, TEMPORALITY_DELTA, TEMPORALITY_CUMULATIVE };

/* Usually static; shared by all batches. */
struct metric_desc {
    str name, description, unit;
    enum metric_type type;
    enum temporality temporality; /* SUM and histograms */
    bool monotonic;               /* SUM */
    struct attributes metadata;
};

struct exemplar {
    struct exemplar *next;
    int64_t time_ns;
    struct value value; /* INT, DOUBLE or EMPTY */
    uint8_t trace_id[16], span_id[8];
    struct attributes filtered_attributes;
};
struct histogram {
    uint64_t count;
    bool has_sum, has_min, has_max;
    double sum, min, max;
    const uint64_t *bucket_counts;
    size_t bucket_count;
    const double *bounds; /* bucket_count - 1 of them, or none */
    size_t bound_count;
};
struct exp_buckets {
    int32_t offset;
    const uint64_t *counts;
    size_t count;
};
struct exp_histogram {
    uint64_t count, zero_count;
    bool has_sum, has_min, has_max;
    double sum, min, max, zero_threshold;
    int32_t scale;
    struct exp_buckets positive, negative;
};
struct quantile {
    double quantile, value;
};
struct summary {
    uint64_t count;
    double sum;
    const struct quantile *quantiles;
    size_t quantile_count;
};
struct point {
    struct point *next;
    int64_t start_ns, time_ns; /* since 1970; 0: not set */
    struct attributes attributes;
    uint32_t flags; /* 1: no recorded value */
    struct value value; /* GAUGE, SUM: INT, DOUBLE or EMPTY */
    union { /* the one of the metric's type; must be set */
        const struct histogram *histogram;
        const struct exp_histogram *exp_histogram;
        const struct summary *summary;
    };
    struct exemplar *exemplars;
};
struct metric {
    struct metric *next;
    const struct metric_desc *desc;
    struct point *first, *last;
    size_t point_count;
};
struct log_record {
    struct log_record *next;
    int64_t time_ns, observed_ns;
    int32_t severity; /* OTLP severity number, 0 none */
    str severity_text, event_name;
    struct value body;
    struct attributes attributes;
    uint32_t dropped_attribute_count, flags;
    uint8_t trace_id[16], span_id[8];
};
struct span_event {
    struct span_event *next;
    int64_t time_ns;
    str name;
    struct attributes attributes;
    uint32_t dropped_attribute_count;
};
struct span_link {
    struct span_link *next;
    uint8_t trace_id[16], span_id[8];
    str trace_state;
    struct attributes attributes;
    uint32_t dropped_attribute_count, flags;
};
struct span {
    struct span *next;
    uint8_t trace_id[16], span_id[8], parent_span_id[8];
    str trace_state, name, status_message;
    int32_t kind, status_code;
    int64_t start_ns, end_ns;
    struct attributes attributes;
    uint32_t dropped_attribute_count, dropped_event_count, dropped_link_count, flags;
    struct span_event *events;
    struct span_link *links;
};
struct scope {
    struct scope *next;
    str name, version, schema_url;
    struct attributes attributes;
    uint32_t dropped_attribute_count;
    union {
        struct metric *metrics;
        struct log_record *logs;
        struct span *spans;
    };
    void *last; /* of that list */
};
struct entity_ref {
    str schema_url, type;
    const str *id_keys, *description_keys;
    size_t id_key_count, description_key_count;
};
struct resource {
    struct resource *next;
    str schema_url;
    struct attributes attributes;
    uint32_t dropped_attribute_count;
    const struct entity_ref *entity_refs;
    size_t entity_ref_count;
    struct scope *scopes, *last_scope;
};

/* What became of a batch at one exporter; over several the worst counts. */
enum outcome {
    OUTCOME_SENT,    /* acknowledged by the backend */
    OUTCOME_DROPPED, /* lost here: queue full, retries used up, shutdown */
    OUTCOME_REFUSED, /* the backend said that it will never take it */
};

/* Where a batch comes from; travels with it, processors never merge across origins. */
struct origin {
    const void *receiver; /* the receiver instance; identity only */
    str receiver_id;
    const void *elector;  /* identity of the elector, NULL: not gated */
    uint64_t term;        /* the elector's term in which it was collected */
    int64_t tick_ns;      /* the tick's time, 0 for push receivers */
    /* A header that requests with this batch carry, and its value, which fences the term off; empty: none. The value is in the batch's
     * arena. What has another value must not go into the same request. */
    str fencing_header, fencing_token;
};

/* Where outcomes go. `pending` counts exporters that still owe one; who hands the batch on sets it to their number first, and from then
 * on nothing may be appended. The owner of the batch's tick fills fn. A batch that goes to no exporter at all (all of it filtered out)
 * gets no outcome by itself: whoever finds that out settles it. Nor do outcomes of a derived batch reach its parent by themselves: its
 * maker fills fn for that. */
struct delivery {
    uint32_t pending;
    enum outcome worst;
    void (*fn)(void *arg, enum outcome worst); /* called once, when pending falls to 0; may be NULL */
    void *arg;
};

struct batch {
    enum signal signal;
    uint32_t ref_count;
    struct arena arena;
    struct batch *parent; /* held while this one lives (derived batches), or NULL */
    struct origin origin;
    struct delivery delivery;
    struct resource *resources, *last_resource;
    size_t resource_count;
    size_t item_count;  /* data points, log records or spans */
    size_t metric_count;
};

struct batch *batch_new(enum signal signal); /* one reference, the caller's */
struct batch *batch_ref(struct batch *b);
void batch_unref(struct batch *b);           /* frees at zero; delivery must be settled by then */
/* An exporter's (or a drop's) verdict, once for each exporter that the batch was handed to. The last one calls delivery.fn, which may
 * unref the batch. */
void batch_outcome(struct batch *b, enum outcome outcome);

/* Builders: zeroed, appended in order. Fill the fields after. */
struct resource *batch_resource(struct batch *b);
struct scope *batch_scope(struct batch *b, struct resource *r);
struct metric *batch_metric(struct batch *b, struct scope *s, const struct metric_desc *desc);
struct point *batch_point(struct batch *b, struct metric *m);
struct log_record *batch_log(struct batch *b, struct scope *s);
struct span *batch_span(struct batch *b, struct scope *s);
/* A copy of `count` attributes in the batch's arena (keys and texts are not copied). */
struct attributes batch_attributes(struct batch *b, const struct attribute *items, size_t count);

#endif
