/*
 * A batch made from fuzz bytes: every choice takes a byte, texts are pieces of the input (so often not UTF-8). Past the end of the
 * input all choices are 0, which ends every list. All memory is the batch's arena; texts point into the input.
 */
#ifndef FUZZ_BATCH_H
#define FUZZ_BATCH_H

#include "telemetry/batch.h"

struct fuzz_input {
    const uint8_t *pos, *end;
};

static uint8_t take_byte(struct fuzz_input *in)
{
    return in->pos < in->end ? *in->pos++ : 0;
}

static uint64_t take_number(struct fuzz_input *in)
{
    uint64_t n = 0;
    for (unsigned size = take_byte(in) % 9; size > 0; size--)
        n = n << 8 | take_byte(in);
    return n;
}

static double take_double(struct fuzz_input *in)
{
    uint64_t bits = take_number(in);
    double n;
    memcpy(&n, &bits, sizeof n);
    return (bits & 1) != 0 ? n : (double)(int64_t)bits;
}

static str take_text(struct fuzz_input *in)
{
    size_t len = take_byte(in);
    size_t left = (size_t)(in->end - in->pos);
    if (len > 200)
        len = (len - 200) * 16;
    str s = str_make((const char *)in->pos, len < left ? len : left);
    in->pos += s.len;
    return s;
}

static void take_id(struct fuzz_input *in, uint8_t *id, size_t len)
{
    id[len - 1] = take_byte(in);
    id[0] = take_byte(in);
}

static struct attributes take_attributes(struct fuzz_input *in, struct batch *b, unsigned depth);

static struct value take_value(struct fuzz_input *in, struct batch *b, unsigned depth)
{
    struct value v = {.kind = (enum value_kind)(take_byte(in) % 8)};
    if (depth > 140 && (v.kind == VALUE_MAP || v.kind == VALUE_SLICE))
        v.kind = VALUE_EMPTY;
    switch (v.kind) {
    case VALUE_EMPTY:
        break;
    case VALUE_STR:
    case VALUE_BYTES:
        v.text = take_text(in);
        break;
    case VALUE_BOOL:
        v.boolean = take_byte(in) & 1;
        break;
    case VALUE_INT:
        v.integer = (int64_t)take_number(in);
        break;
    case VALUE_DOUBLE:
        v.real = take_double(in);
        break;
    case VALUE_MAP: {
        struct attributes list = take_attributes(in, b, depth + 1);
        v.map.items = list.items;
        v.map.count = list.count;
        break;
    }
    case VALUE_SLICE: {
        size_t count = take_byte(in) % 6;
        struct value *items = ARENA_ARRAY(&b->arena, struct value, count);
        for (size_t i = 0; i < count; i++)
            items[i] = take_value(in, b, depth + 1);
        v.slice.items = items;
        v.slice.count = count;
        break;
    }
    }
    return v;
}

static struct attributes take_attributes(struct fuzz_input *in, struct batch *b, unsigned depth)
{
    size_t count = take_byte(in) % 6;
    struct attribute *items = ARENA_ARRAY(&b->arena, struct attribute, count);
    for (size_t i = 0; i < count; i++) {
        items[i].key = take_text(in);
        items[i].value = take_value(in, b, depth);
    }
    return (struct attributes){items, count};
}

static struct value take_point_value(struct fuzz_input *in)
{
    switch (take_byte(in) % 3) {
    case 0:
        return VALUE_OF_INT((int64_t)take_number(in));
    case 1:
        return VALUE_OF_DOUBLE(take_double(in));
    default:
        return (struct value){0};
    }
}

static const uint64_t *take_counts(struct fuzz_input *in, struct batch *b, size_t *count)
{
    *count = take_byte(in) % 20;
    uint64_t *counts = ARENA_ARRAY(&b->arena, uint64_t, *count);
    for (size_t i = 0; i < *count; i++)
        counts[i] = take_number(in);
    return counts;
}

static void take_point(struct fuzz_input *in, struct batch *b, struct metric *m)
{
    struct point *p = batch_point(b, m);
    p->start_ns = (int64_t)take_number(in);
    p->time_ns = (int64_t)take_number(in);
    p->attributes = take_attributes(in, b, 0);
    p->flags = take_byte(in);
    if (m->desc->type == METRIC_HISTOGRAM) {
        struct histogram *h = ARENA_NEW(&b->arena, struct histogram);
        h->count = take_number(in);
        h->has_sum = h->has_max = take_byte(in) & 1;
        h->sum = take_double(in);
        h->bucket_counts = take_counts(in, b, &h->bucket_count);
        double *bounds = ARENA_ARRAY(&b->arena, double, h->bucket_count);
        for (size_t i = 0; i + 1 < h->bucket_count; i++)
            bounds[h->bound_count++] = take_double(in);
        h->bounds = bounds;
        p->histogram = h;
    } else if (m->desc->type == METRIC_EXP_HISTOGRAM) {
        struct exp_histogram *h = ARENA_NEW(&b->arena, struct exp_histogram);
        h->count = take_number(in);
        h->has_min = take_byte(in) & 1;
        h->min = h->zero_threshold = take_double(in);
        h->scale = (int32_t)take_number(in);
        h->positive.offset = (int32_t)take_number(in);
        h->positive.counts = take_counts(in, b, &h->positive.count);
        h->negative.counts = take_counts(in, b, &h->negative.count);
        p->exp_histogram = h;
    } else if (m->desc->type == METRIC_SUMMARY) {
        struct summary *s = ARENA_NEW(&b->arena, struct summary);
        s->sum = take_double(in);
        s->quantile_count = take_byte(in) % 4;
        struct quantile *q = ARENA_ARRAY(&b->arena, struct quantile, s->quantile_count);
        for (size_t i = 0; i < s->quantile_count; i++)
            q[i] = (struct quantile){take_double(in), take_double(in)};
        s->quantiles = q;
        p->summary = s;
    } else {
        p->value = take_point_value(in);
    }
    for (unsigned count = take_byte(in) % 3; count > 0; count--) {
        struct exemplar *e = ARENA_NEW(&b->arena, struct exemplar);
        e->value = take_point_value(in);
        take_id(in, e->trace_id, sizeof e->trace_id);
        e->filtered_attributes = take_attributes(in, b, 0);
        e->next = p->exemplars;
        p->exemplars = e;
    }
}

static void take_metric(struct fuzz_input *in, struct batch *b, struct scope *s)
{
    struct metric_desc *d = ARENA_NEW(&b->arena, struct metric_desc);
    d->type = (enum metric_type)(take_byte(in) % 6);
    d->name = take_text(in);
    d->unit = take_text(in);
    d->temporality = (enum temporality)(take_byte(in) % 3);
    d->monotonic = take_byte(in) & 1;
    d->metadata = take_attributes(in, b, 0);
    struct metric *m = batch_metric(b, s, d);
    while (d->type != METRIC_EMPTY && take_byte(in) % 8 != 0)
        take_point(in, b, m);
}

static void take_log(struct fuzz_input *in, struct batch *b, struct scope *s)
{
    struct log_record *r = batch_log(b, s);
    r->time_ns = (int64_t)take_number(in);
    r->severity = (int32_t)take_number(in);
    r->severity_text = take_text(in);
    r->event_name = take_text(in);
    r->body = take_value(in, b, 0);
    r->attributes = take_attributes(in, b, 0);
    r->flags = take_byte(in);
    take_id(in, r->trace_id, sizeof r->trace_id);
    take_id(in, r->span_id, sizeof r->span_id);
}

static void take_span(struct fuzz_input *in, struct batch *b, struct scope *s)
{
    struct span *n = batch_span(b, s);
    take_id(in, n->trace_id, sizeof n->trace_id);
    take_id(in, n->parent_span_id, sizeof n->parent_span_id);
    n->name = take_text(in);
    n->status_message = take_text(in);
    n->trace_state = take_text(in);
    n->kind = (int32_t)take_number(in);
    n->status_code = (int32_t)take_byte(in) - 1;
    n->attributes = take_attributes(in, b, 0);
    n->flags = (uint32_t)take_number(in);
    for (unsigned count = take_byte(in) % 3; count > 0; count--) {
        struct span_event *e = ARENA_NEW(&b->arena, struct span_event);
        e->name = take_text(in);
        e->attributes = take_attributes(in, b, 0);
        e->next = n->events;
        n->events = e;
    }
    for (unsigned count = take_byte(in) % 3; count > 0; count--) {
        struct span_link *l = ARENA_NEW(&b->arena, struct span_link);
        take_id(in, l->span_id, sizeof l->span_id);
        l->attributes = take_attributes(in, b, 0);
        l->next = n->links;
        n->links = l;
    }
}

static void take_resource(struct fuzz_input *in, struct batch *b)
{
    struct resource *r = batch_resource(b);
    r->schema_url = take_text(in);
    r->attributes = take_attributes(in, b, 0);
    r->dropped_attribute_count = take_byte(in);
    r->entity_ref_count = take_byte(in) % 3;
    struct entity_ref *refs = ARENA_ARRAY(&b->arena, struct entity_ref, r->entity_ref_count);
    str *keys = ARENA_ARRAY(&b->arena, str, r->entity_ref_count);
    for (size_t i = 0; i < r->entity_ref_count; i++) {
        keys[i] = take_text(in);
        refs[i] = (struct entity_ref){.type = take_text(in), .id_keys = keys, .id_key_count = i + 1};
    }
    r->entity_refs = refs;
    while (take_byte(in) % 4 != 0) {
        struct scope *s = batch_scope(b, r);
        s->name = take_text(in);
        s->schema_url = take_text(in);
        s->attributes = take_attributes(in, b, 0);
        while (take_byte(in) % 8 != 0) {
            if (b->signal == SIGNAL_METRICS)
                take_metric(in, b, s);
            else if (b->signal == SIGNAL_LOGS)
                take_log(in, b, s);
            else
                take_span(in, b, s);
        }
    }
}

static struct batch *take_batch(struct fuzz_input *in)
{
    static const enum signal signals[] = {SIGNAL_METRICS, SIGNAL_LOGS, SIGNAL_TRACES};
    struct batch *b = batch_new(signals[take_byte(in) % 3]);
    while (take_byte(in) % 4 != 0)
        take_resource(in, b);
    return b;
}

#endif
