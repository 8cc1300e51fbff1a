/*
 * Metrics in OTLP: the parts of a Metric and the four kinds of data points. Fields in ascending
 * order, as generated code writes them. How counting and writing share one description: otlp_put.h.
 *
 * Specification: opentelemetry-proto metrics/v1.
 */
#include "telemetry/otlp_put.h"

/* Exemplar in `field` */
OTLP_INLINE void put_exemplars(struct otlp_put *p, const bool write, uint32_t field,
                               const struct exemplar *first)
{
    for (const struct exemplar *e = first; e != NULL; e = e->next) {
        size_t mark = put_open(p, write, field);
        put_time(p, write, 2, e->time_ns);
        if (e->value.kind == VALUE_DOUBLE)
            put_double_always(p, write, 3, e->value.real);
        put_id(p, write, 4, e->span_id, sizeof e->span_id);
        put_id(p, write, 5, e->trace_id, sizeof e->trace_id);
        if (e->value.kind == VALUE_INT)
            put_fixed64_always(p, write, 6, (uint64_t)e->value.integer);
        otlp_put_attributes(p, write, 7, e->filtered_attributes);
        put_close(p, write, field, mark);
    }
}

/* NumberDataPoint */
OTLP_INLINE void put_number(struct otlp_put *p, const bool write, const struct point *pt)
{
    put_time(p, write, 2, pt->start_ns);
    put_time(p, write, 3, pt->time_ns);
    if (pt->value.kind == VALUE_DOUBLE)
        put_double_always(p, write, 4, pt->value.real);
    put_exemplars(p, write, 5, pt->exemplars);
    if (pt->value.kind == VALUE_INT)
        put_fixed64_always(p, write, 6, (uint64_t)pt->value.integer);
    otlp_put_attributes(p, write, 7, pt->attributes);
    put_u64(p, write, 8, pt->flags);
}

/* HistogramDataPoint */
OTLP_INLINE void put_histogram(struct otlp_put *p, const bool write, const struct point *pt)
{
    const struct histogram *h = pt->histogram;
    put_time(p, write, 2, pt->start_ns);
    put_time(p, write, 3, pt->time_ns);
    put_fixed64(p, write, 4, h->count);
    put_optional(p, write, 5, h->has_sum, h->sum);
    put_packed64(p, write, 6, h->bucket_counts, h->bucket_count);
    put_packed64(p, write, 7, h->bounds, h->bound_count);
    put_exemplars(p, write, 8, pt->exemplars);
    otlp_put_attributes(p, write, 9, pt->attributes);
    put_u64(p, write, 10, pt->flags);
    put_optional(p, write, 11, h->has_min, h->min);
    put_optional(p, write, 12, h->has_max, h->max);
}

/* ExponentialHistogramDataPoint.Buckets in `field`, left out if it is as if unset */
OTLP_INLINE void put_exp_buckets(struct otlp_put *p, const bool write, uint32_t field,
                                 const struct exp_buckets *b)
{
    if (b->offset == 0 && b->count == 0)
        return;
    size_t mark = put_open(p, write, field);
    put_sint32(p, write, 1, b->offset);
    if (b->count > 0) {
        size_t packed = put_open(p, write, 2);
        for (size_t i = 0; i < b->count; i++) {
            if (write)
                write_varint(p, b->counts[i]);
            else
                p->size += varint_size(b->counts[i]);
        }
        put_close(p, write, 2, packed);
    }
    put_close(p, write, field, mark);
}

/* ExponentialHistogramDataPoint */
OTLP_INLINE void put_exp_histogram(struct otlp_put *p, const bool write, const struct point *pt)
{
    const struct exp_histogram *h = pt->exp_histogram;
    otlp_put_attributes(p, write, 1, pt->attributes);
    put_time(p, write, 2, pt->start_ns);
    put_time(p, write, 3, pt->time_ns);
    put_fixed64(p, write, 4, h->count);
    put_optional(p, write, 5, h->has_sum, h->sum);
    put_sint32(p, write, 6, h->scale);
    put_fixed64(p, write, 7, h->zero_count);
    put_exp_buckets(p, write, 8, &h->positive);
    put_exp_buckets(p, write, 9, &h->negative);
    put_u64(p, write, 10, pt->flags);
    put_exemplars(p, write, 11, pt->exemplars);
    put_optional(p, write, 12, h->has_min, h->min);
    put_optional(p, write, 13, h->has_max, h->max);
    put_double(p, write, 14, h->zero_threshold);
}

/* SummaryDataPoint */
OTLP_INLINE void put_summary(struct otlp_put *p, const bool write, const struct point *pt)
{
    const struct summary *s = pt->summary;
    put_time(p, write, 2, pt->start_ns);
    put_time(p, write, 3, pt->time_ns);
    put_fixed64(p, write, 4, s->count);
    put_double(p, write, 5, s->sum);
    for (size_t i = 0; i < s->quantile_count; i++) {
        size_t mark = put_open(p, write, 6);
        put_double(p, write, 1, s->quantiles[i].quantile);
        put_double(p, write, 2, s->quantiles[i].value);
        put_close(p, write, 6, mark);
    }
    otlp_put_attributes(p, write, 7, pt->attributes);
    put_u64(p, write, 8, pt->flags);
}

/* data_points = 1 in all kinds of data */
OTLP_INLINE void put_point(struct otlp_put *p, const bool write, enum metric_type type,
                           const struct point *pt)
{
    CHECK(type == METRIC_GAUGE || type == METRIC_SUM || pt->histogram != NULL);
    size_t mark = put_open(p, write, 1);
    switch (type) {
    case METRIC_EMPTY:
        check_failed(__FILE__, __LINE__, "a point has a type");
        break;
    case METRIC_GAUGE:
    case METRIC_SUM:
        put_number(p, write, pt);
        break;
    case METRIC_HISTOGRAM:
        put_histogram(p, write, pt);
        break;
    case METRIC_EXP_HISTOGRAM:
        put_exp_histogram(p, write, pt);
        break;
    case METRIC_SUMMARY:
        put_summary(p, write, pt);
        break;
    }
    put_close(p, write, 1, mark);
}

void otlp_put_point(struct otlp_put *p, bool write, enum metric_type type, const struct point *pt)
{
    if (write)
        put_point(p, true, type, pt);
    else
        put_point(p, false, type, pt);
}

void otlp_put_metric_head(struct otlp_put *p, bool write, const struct metric_desc *d)
{
    put_text(p, write, 1, d->name);
    put_text(p, write, 2, d->description);
    put_text(p, write, 3, d->unit);
}

uint32_t otlp_data_field(enum metric_type type)
{
    switch (type) {
    case METRIC_EMPTY:
        return 0;
    case METRIC_GAUGE:
        return 5;
    case METRIC_SUM:
        return 7;
    case METRIC_HISTOGRAM:
        return 9;
    case METRIC_EXP_HISTOGRAM:
        return 10;
    case METRIC_SUMMARY:
        return 11;
    }
    check_failed(__FILE__, __LINE__, "known type of metric");
    return 0;
}

void otlp_put_data_tail(struct otlp_put *p, bool write, const struct metric_desc *d)
{
    if (d->type != METRIC_SUM && d->type != METRIC_HISTOGRAM && d->type != METRIC_EXP_HISTOGRAM)
        return;
    put_i32(p, write, 2, (int32_t)d->temporality);
    if (d->type == METRIC_SUM)
        put_u64(p, write, 3, d->monotonic);
}

void otlp_put_metric_tail(struct otlp_put *p, bool write, const struct metric_desc *d)
{
    otlp_put_attributes(p, write, 12, d->metadata);
}
