/*
 * The debug exporter's text at verbosity `detailed`: one line for each field, blocks for lists.
 *
 * The doubled colon of "Attributes::" below events and links is the reference's. A data point
 * without a value has no Value line. Enum numbers without a name print an empty name.
 *
 * Specification: output of the reference, tests/unit/telemetry/golden.
 */
#include "telemetry/debug_text.h"

#include <math.h>

#include "telemetry/value_text.h"
#include "wire/text.h"

static void line(struct buf *out, const char *label, str text)
{
    buf_text(out, label);
    buf_str(out, text);
    buf_byte(out, '\n');
}

static void line_u64(struct buf *out, const char *label, uint64_t n)
{
    buf_printf(out, "%s%" PRIu64 "\n", label, n);
}

static void line_double(struct buf *out, const char *label, double n)
{
    buf_text(out, label);
    fixed_text(out, n);
    buf_byte(out, '\n');
}

static void line_time(struct buf *out, const char *label, int64_t ns)
{
    buf_text(out, label);
    go_time_print(out, ns);
    buf_byte(out, '\n');
}

static void line_id(struct buf *out, const char *label, const uint8_t *id, size_t len)
{
    buf_text(out, label);
    id_text(out, id, len);
    buf_byte(out, '\n');
}

static void typed_value(struct buf *out, const struct value *v)
{
    buf_printf(out, "%s(", value_kind_name(v->kind));
    value_text(out, v);
    buf_byte(out, ')');
}

/* A header line and a line for each attribute; nothing at all for an empty list. */
static void attribute_block(struct buf *out, const char *header, const char *indent,
                            struct attributes list)
{
    if (list.count == 0)
        return;
    line(out, header, STR_NONE);
    for (size_t i = 0; i < list.count; i++) {
        buf_printf(out, "%s-> ", indent);
        buf_str(out, list.items[i].key);
        buf_text(out, ": ");
        typed_value(out, &list.items[i].value);
        buf_byte(out, '\n');
    }
}

static void key_block(struct buf *out, const char *header, const str *keys, size_t count)
{
    if (count == 0)
        return;
    line(out, header, STR_NONE);
    for (size_t i = 0; i < count; i++)
        line(out, "               -> ", keys[i]);
}

static void resource_lines(struct buf *out, const struct resource *r)
{
    line(out, "Resource SchemaURL: ", r->schema_url);
    attribute_block(out, "Resource attributes:", "     ", r->attributes);
    if (r->entity_ref_count > 0)
        line(out, "Resource entity refs:", STR_NONE);
    for (size_t i = 0; i < r->entity_ref_count; i++) {
        const struct entity_ref *e = &r->entity_refs[i];
        buf_printf(out, "     -> Entity ref #%zu:\n", i);
        line(out, "          -> Type: ", e->type);
        if (e->schema_url.len > 0)
            line(out, "          -> Schema URL: ", e->schema_url);
        key_block(out, "          -> ID keys:", e->id_keys, e->id_key_count);
        key_block(out, "          -> Description keys:", e->description_keys,
                  e->description_key_count);
    }
}

static void scope_lines(struct buf *out, const char *title, size_t index, const struct scope *s)
{
    buf_printf(out, "%s #%zu\n%s SchemaURL: ", title, index, title);
    buf_str(out, s->schema_url);
    buf_text(out, "\nInstrumentationScope ");
    buf_str(out, s->name);
    buf_byte(out, ' ');
    buf_str(out, s->version);
    buf_byte(out, '\n');
    attribute_block(out, "InstrumentationScope attributes:", "     ", s->attributes);
}

static void number_line(struct buf *out, const char *label, const struct value *v)
{
    if (v->kind == VALUE_INT)
        buf_printf(out, "%s%" PRId64 "\n", label, v->integer);
    else if (v->kind == VALUE_DOUBLE)
        line_double(out, label, v->real);
}

static void exemplar_lines(struct buf *out, const struct exemplar *first)
{
    if (first != NULL)
        line(out, "Exemplars:", STR_NONE);
    size_t index = 0;
    for (const struct exemplar *e = first; e != NULL; e = e->next) {
        line_u64(out, "Exemplar #", index++);
        line_id(out, "     -> Trace ID: ", e->trace_id, sizeof e->trace_id);
        line_id(out, "     -> Span ID: ", e->span_id, sizeof e->span_id);
        line_time(out, "     -> Timestamp: ", e->time_ns);
        number_line(out, "     -> Value: ", &e->value);
        attribute_block(out, "     -> FilteredAttributes:", "          ", e->filtered_attributes);
    }
}

static void histogram_lines(struct buf *out, const struct histogram *h)
{
    line_u64(out, "Count: ", h->count);
    if (h->has_sum)
        line_double(out, "Sum: ", h->sum);
    if (h->has_min)
        line_double(out, "Min: ", h->min);
    if (h->has_max)
        line_double(out, "Max: ", h->max);
    for (size_t i = 0; i < h->bound_count; i++) {
        buf_printf(out, "ExplicitBounds #%zu: ", i);
        line_double(out, "", h->bounds[i]);
    }
    for (size_t i = 0; i < h->bucket_count; i++)
        buf_printf(out, "Buckets #%zu, Count: %" PRIu64 "\n", i, h->bucket_counts[i]);
}

static void exp_bucket_line(struct buf *out, const char *open, double low, double high,
                            const char *close, uint64_t count)
{
    buf_printf(out, "Bucket %s", open);
    fixed_text(out, low);
    buf_text(out, ", ");
    fixed_text(out, high);
    buf_printf(out, "%s, Count: %" PRIu64 "\n", close, count);
}

static void exp_histogram_lines(struct buf *out, const struct exp_histogram *h)
{
    line_u64(out, "Count: ", h->count);
    if (h->has_sum)
        line_double(out, "Sum: ", h->sum);
    if (h->has_min)
        line_double(out, "Min: ", h->min);
    if (h->has_max)
        line_double(out, "Max: ", h->max);
    double factor = ldexp(M_LN2, -h->scale);
    for (size_t i = h->negative.count; i-- > 0;) {
        double index = (double)h->negative.offset + (double)i;
        exp_bucket_line(out, "[", -exp((index + 1) * factor), -exp(index * factor), ")",
                        h->negative.counts[i]);
    }
    if (h->zero_count > 0)
        line_u64(out, "Bucket [0, 0], Count: ", h->zero_count);
    for (size_t i = 0; i < h->positive.count; i++) {
        double index = (double)h->positive.offset + (double)i;
        exp_bucket_line(out, "(", exp(index * factor), exp((index + 1) * factor), "]",
                        h->positive.counts[i]);
    }
}

static void summary_lines(struct buf *out, const struct summary *s)
{
    line_u64(out, "Count: ", s->count);
    line_double(out, "Sum: ", s->sum);
    for (size_t i = 0; i < s->quantile_count; i++) {
        buf_printf(out, "QuantileValue #%zu: Quantile ", i);
        fixed_text(out, s->quantiles[i].quantile);
        line_double(out, ", Value ", s->quantiles[i].value);
    }
}

static void point_lines(struct buf *out, enum metric_type type, size_t index, const struct point *p)
{
    static const char *const titles[] = {
        [METRIC_GAUGE] = "NumberDataPoints",
        [METRIC_SUM] = "NumberDataPoints",
        [METRIC_HISTOGRAM] = "HistogramDataPoints",
        [METRIC_EXP_HISTOGRAM] = "ExponentialHistogramDataPoints",
        [METRIC_SUMMARY] = "SummaryDataPoints",
    };
    CHECK(type != METRIC_EMPTY && (size_t)type < COUNT_OF(titles));
    buf_printf(out, "%s #%zu\n", titles[type], index);
    attribute_block(out, "Data point attributes:", "     ", p->attributes);
    line_time(out, "StartTimestamp: ", p->start_ns);
    line_time(out, "Timestamp: ", p->time_ns);
    if (type == METRIC_HISTOGRAM)
        histogram_lines(out, p->histogram);
    else if (type == METRIC_EXP_HISTOGRAM)
        exp_histogram_lines(out, p->exp_histogram);
    else if (type == METRIC_SUMMARY)
        summary_lines(out, p->summary);
    else
        number_line(out, "Value: ", &p->value);
    if (type != METRIC_SUMMARY)
        exemplar_lines(out, p->exemplars);
}

static void descriptor_lines(struct buf *out, const struct metric_desc *d)
{
    static const char *const types[] = {
        [METRIC_EMPTY] = "Empty",     [METRIC_GAUGE] = "Gauge",
        [METRIC_SUM] = "Sum",         [METRIC_HISTOGRAM] = "Histogram",
        [METRIC_SUMMARY] = "Summary", [METRIC_EXP_HISTOGRAM] = "ExponentialHistogram",
    };
    static const char *const temporalities[] = {
        [TEMPORALITY_UNSPECIFIED] = "Unspecified",
        [TEMPORALITY_DELTA] = "Delta",
        [TEMPORALITY_CUMULATIVE] = "Cumulative",
    };
    CHECK((size_t)d->type < COUNT_OF(types));
    line(out, "Descriptor:", STR_NONE);
    line(out, "     -> Name: ", d->name);
    line(out, "     -> Description: ", d->description);
    line(out, "     -> Unit: ", d->unit);
    line(out, "     -> DataType: ", str_from(types[d->type]));
    attribute_block(out, "     -> Metadata:", "          ", d->metadata);
    if (d->type == METRIC_SUM)
        line(out, "     -> IsMonotonic: ", d->monotonic ? STR("true") : STR("false"));
    if (d->type == METRIC_SUM || d->type == METRIC_HISTOGRAM || d->type == METRIC_EXP_HISTOGRAM) {
        bool is_known = (size_t)d->temporality < COUNT_OF(temporalities);
        line(out, "     -> AggregationTemporality: ",
             is_known ? str_from(temporalities[d->temporality]) : STR_NONE);
    }
}

static void metric_lines(struct buf *out, const struct scope *s)
{
    size_t metric_index = 0;
    for (const struct metric *m = s->metrics; m != NULL; m = m->next) {
        line_u64(out, "Metric #", metric_index++);
        descriptor_lines(out, m->desc);
        size_t index = 0;
        for (const struct point *p = m->first; p != NULL; p = p->next)
            point_lines(out, m->desc->type, index++, p);
    }
}

/* The names repeat for each group of four: Trace, Trace2, Trace3, Trace4, Debug, ... */
static void severity_line(struct buf *out, int32_t severity)
{
    static const char *const groups[] = {"Trace", "Debug", "Info", "Warn", "Error", "Fatal"};
    buf_text(out, "SeverityNumber: ");
    if (severity == 0) {
        buf_text(out, "Unspecified");
    } else if (severity > 0 && severity <= 24) {
        buf_text(out, groups[(severity - 1) / 4]);
        if ((severity - 1) % 4 > 0)
            buf_printf(out, "%d", (severity - 1) % 4 + 1);
    }
    buf_printf(out, "(%" PRId32 ")\n", severity);
}

static void log_lines(struct buf *out, const struct scope *s)
{
    size_t index = 0;
    for (const struct log_record *r = s->logs; r != NULL; r = r->next) {
        line_u64(out, "LogRecord #", index++);
        line_time(out, "ObservedTimestamp: ", r->observed_ns);
        line_time(out, "Timestamp: ", r->time_ns);
        line(out, "SeverityText: ", r->severity_text);
        severity_line(out, r->severity);
        if (r->event_name.len > 0)
            line(out, "EventName: ", r->event_name);
        buf_text(out, "Body: ");
        typed_value(out, &r->body);
        buf_byte(out, '\n');
        attribute_block(out, "Attributes:", "     ", r->attributes);
        line_id(out, "Trace ID: ", r->trace_id, sizeof r->trace_id);
        line_id(out, "Span ID: ", r->span_id, sizeof r->span_id);
        line_u64(out, "Flags: ", r->flags);
    }
}

static void event_lines(struct buf *out, const struct span_event *first)
{
    if (first != NULL)
        line(out, "Events:", STR_NONE);
    size_t index = 0;
    for (const struct span_event *e = first; e != NULL; e = e->next) {
        line_u64(out, "SpanEvent #", index++);
        line(out, "     -> Name: ", e->name);
        line_time(out, "     -> Timestamp: ", e->time_ns);
        line_u64(out, "     -> DroppedAttributesCount: ", e->dropped_attribute_count);
        attribute_block(out, "     -> Attributes::", "          ", e->attributes);
    }
}

static void link_lines(struct buf *out, const struct span_link *first)
{
    if (first != NULL)
        line(out, "Links:", STR_NONE);
    size_t index = 0;
    for (const struct span_link *l = first; l != NULL; l = l->next) {
        line_u64(out, "SpanLink #", index++);
        line_id(out, "     -> Trace ID: ", l->trace_id, sizeof l->trace_id);
        line_id(out, "     -> ID: ", l->span_id, sizeof l->span_id);
        line(out, "     -> TraceState: ", l->trace_state);
        line_u64(out, "     -> DroppedAttributesCount: ", l->dropped_attribute_count);
        attribute_block(out, "     -> Attributes::", "          ", l->attributes);
    }
}

/* The name of a number, or nothing. */
static str name_of(int32_t n, const char *const names[], size_t count)
{
    return n >= 0 && (size_t)n < count ? str_from(names[n]) : STR_NONE;
}

static void span_lines(struct buf *out, const struct span *n)
{
    static const char *const kinds[] = {"Unspecified", "Internal", "Server",
                                        "Client",      "Producer", "Consumer"};
    static const char *const codes[] = {"Unset", "Ok", "Error"};
    line_id(out, "    Trace ID       : ", n->trace_id, sizeof n->trace_id);
    line_id(out, "    Parent ID      : ", n->parent_span_id, sizeof n->parent_span_id);
    line_id(out, "    ID             : ", n->span_id, sizeof n->span_id);
    line(out, "    Name           : ", n->name);
    line(out, "    Kind           : ", name_of(n->kind, kinds, COUNT_OF(kinds)));
    if (n->trace_state.len > 0)
        line(out, "    TraceState     : ", n->trace_state);
    line_time(out, "    Start time     : ", n->start_ns);
    line_time(out, "    End time       : ", n->end_ns);
    line(out, "    Status code    : ", name_of(n->status_code, codes, COUNT_OF(codes)));
    line(out, "    Status message : ", n->status_message);
    line_u64(out, "    DroppedAttributesCount: ", n->dropped_attribute_count);
    line_u64(out, "    DroppedEventsCount: ", n->dropped_event_count);
    line_u64(out, "    DroppedLinksCount: ", n->dropped_link_count);
    attribute_block(out, "Attributes:", "     ", n->attributes);
    event_lines(out, n->events);
    link_lines(out, n->links);
}

static void scope_items(struct buf *out, enum signal signal, size_t index, const struct scope *s)
{
    switch (signal) {
    case SIGNAL_METRICS:
        scope_lines(out, "ScopeMetrics", index, s);
        metric_lines(out, s);
        break;
    case SIGNAL_LOGS:
        scope_lines(out, "ScopeLogs", index, s);
        log_lines(out, s);
        break;
    case SIGNAL_TRACES:
        scope_lines(out, "ScopeSpans", index, s);
        size_t span_index = 0;
        for (const struct span *n = s->spans; n != NULL; n = n->next) {
            line_u64(out, "Span #", span_index++);
            span_lines(out, n);
        }
        break;
    }
}

void debug_text_detailed(struct buf *out, const struct batch *b)
{
    size_t resource_index = 0;
    for (const struct resource *r = b->resources; r != NULL; r = r->next) {
        switch (b->signal) {
        case SIGNAL_METRICS:
            buf_text(out, "ResourceMetrics");
            break;
        case SIGNAL_LOGS:
            buf_text(out, "ResourceLog");
            break;
        case SIGNAL_TRACES:
            buf_text(out, "ResourceSpans");
            break;
        }
        line_u64(out, " #", resource_index++);
        resource_lines(out, r);
        size_t index = 0;
        for (const struct scope *s = r->scopes; s != NULL; s = s->next)
            scope_items(out, b->signal, index++, s);
    }
}
