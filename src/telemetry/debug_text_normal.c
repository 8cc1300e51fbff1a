/*
 * The debug exporter's text at verbosity `normal`: one line for each resource, scope and item.
 *
 * Up to v0.157 the reference numbers scopes with the number of their resource; so do we. Bounds of
 * exponential histograms are printed with all digits of exp(), whose last one may differ between
 * mathematical libraries (about one bound in twenty-five differs from Go's).
 *
 * Specification: output of the reference, tests/unit/telemetry/golden.
 */
#include "telemetry/debug_text.h"

#include <math.h>

#include "telemetry/value_text.h"
#include "wire/text.h"

static void attribute_list(struct buf *out, struct attributes list, const char *before_first,
                           const char *between)
{
    for (size_t i = 0; i < list.count; i++) {
        buf_text(out, i == 0 ? before_first : between);
        buf_str(out, list.items[i].key);
        buf_byte(out, '=');
        value_text(out, &list.items[i].value);
    }
}

static void schema_url(struct buf *out, str url)
{
    if (url.len == 0)
        return;
    buf_text(out, " [");
    buf_str(out, url);
    buf_byte(out, ']');
}

static void resource_line(struct buf *out, const char *title, size_t index,
                          const struct resource *r)
{
    buf_printf(out, "%s #%zu", title, index);
    schema_url(out, r->schema_url);
    attribute_list(out, r->attributes, " ", " ");
    buf_byte(out, '\n');
}

static void scope_line(struct buf *out, const char *title, size_t index, const struct scope *s)
{
    buf_printf(out, "%s #%zu", title, index);
    if (s->name.len > 0 || s->version.len > 0)
        buf_byte(out, ' ');
    buf_str(out, s->name);
    if (s->version.len > 0) {
        buf_byte(out, '@');
        buf_str(out, s->version);
    }
    schema_url(out, s->schema_url);
    attribute_list(out, s->attributes, " ", " ");
    buf_byte(out, '\n');
}

static void number(struct buf *out, const char *label, bool has, double n)
{
    if (!has)
        return;
    buf_text(out, label);
    go_double_print(out, n);
}

static void bucket(struct buf *out, double bound, uint64_t count)
{
    number(out, " le", true, bound);
    buf_printf(out, "=%" PRIu64, count);
}

static void histogram(struct buf *out, const struct histogram *h)
{
    buf_printf(out, "count=%" PRIu64, h->count);
    number(out, " sum=", h->has_sum, h->sum);
    number(out, " min=", h->has_min, h->min);
    number(out, " max=", h->has_max, h->max);
    for (size_t i = 0; i < h->bucket_count; i++) {
        if (i < h->bound_count)
            bucket(out, h->bounds[i], h->bucket_counts[i]);
        else
            buf_printf(out, " %" PRIu64, h->bucket_counts[i]);
    }
}

static void exp_histogram(struct buf *out, const struct exp_histogram *h)
{
    buf_printf(out, "count=%" PRIu64, h->count);
    number(out, " sum=", h->has_sum, h->sum);
    number(out, " min=", h->has_min, h->min);
    number(out, " max=", h->has_max, h->max);
    double factor = ldexp(M_LN2, -h->scale);
    for (size_t i = h->negative.count; i-- > 0;) {
        double index = (double)h->negative.offset + (double)i;
        bucket(out, -exp(index * factor), h->negative.counts[i]);
    }
    if (h->zero_count > 0)
        buf_printf(out, " zero=%" PRIu64, h->zero_count);
    for (size_t i = 0; i < h->positive.count; i++) {
        double index = (double)h->positive.offset + (double)i + 1;
        bucket(out, exp(index * factor), h->positive.counts[i]);
    }
}

static void summary(struct buf *out, const struct summary *s)
{
    buf_printf(out, "count=%" PRIu64 " sum=", s->count);
    fixed_text(out, s->sum);
    for (size_t i = 0; i < s->quantile_count; i++) {
        number(out, " q", true, s->quantiles[i].quantile);
        number(out, "=", true, s->quantiles[i].value);
    }
}

static void point_value(struct buf *out, enum metric_type type, const struct point *p)
{
    switch (type) {
    case METRIC_EMPTY:
        break;
    case METRIC_GAUGE:
    case METRIC_SUM:
        if (p->value.kind == VALUE_INT)
            buf_printf(out, "%" PRId64, p->value.integer);
        else
            number(out, "", p->value.kind == VALUE_DOUBLE, p->value.real);
        break;
    case METRIC_HISTOGRAM:
        histogram(out, p->histogram);
        break;
    case METRIC_EXP_HISTOGRAM:
        exp_histogram(out, p->exp_histogram);
        break;
    case METRIC_SUMMARY:
        summary(out, p->summary);
        break;
    }
}

static void metric_lines(struct buf *out, const struct scope *s)
{
    for (const struct metric *m = s->metrics; m != NULL; m = m->next) {
        for (const struct point *p = m->first; p != NULL; p = p->next) {
            buf_str(out, m->desc->name);
            buf_byte(out, '{');
            attribute_list(out, p->attributes, "", ",");
            buf_text(out, "} ");
            point_value(out, m->desc->type, p);
            buf_byte(out, '\n');
        }
    }
}

static void log_lines(struct buf *out, const struct scope *s)
{
    for (const struct log_record *r = s->logs; r != NULL; r = r->next) {
        value_text(out, &r->body);
        buf_byte(out, ' ');
        attribute_list(out, r->attributes, "", " ");
        buf_byte(out, '\n');
    }
}

static void span_lines(struct buf *out, const struct scope *s)
{
    for (const struct span *n = s->spans; n != NULL; n = n->next) {
        buf_str(out, n->name);
        buf_byte(out, ' ');
        id_text(out, n->trace_id, sizeof n->trace_id);
        buf_byte(out, ' ');
        id_text(out, n->span_id, sizeof n->span_id);
        attribute_list(out, n->attributes, " ", " ");
        buf_byte(out, '\n');
    }
}

void debug_text_normal(struct buf *out, const struct batch *b)
{
    size_t index = 0;
    for (const struct resource *r = b->resources; r != NULL; r = r->next, index++) {
        switch (b->signal) {
        case SIGNAL_METRICS:
            resource_line(out, "ResourceMetrics", index, r);
            break;
        case SIGNAL_LOGS:
            resource_line(out, "ResourceLog", index, r);
            break;
        case SIGNAL_TRACES:
            resource_line(out, "ResourceTraces", index, r);
            break;
        }
        for (const struct scope *s = r->scopes; s != NULL; s = s->next) {
            switch (b->signal) {
            case SIGNAL_METRICS:
                scope_line(out, "ScopeMetrics", index, s);
                metric_lines(out, s);
                break;
            case SIGNAL_LOGS:
                scope_line(out, "ScopeLog", index, s);
                log_lines(out, s);
                break;
            case SIGNAL_TRACES:
                scope_line(out, "ScopeTraces", index, s);
                span_lines(out, s);
                break;
            }
        }
    }
}
