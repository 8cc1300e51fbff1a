/*
 * Spans in OTLP. Fields in ascending order; how counting and writing share one description:
 * otlp_put.h. A status that is unset is left out.
 *
 * Specification: opentelemetry-proto trace/v1.
 */
#include "telemetry/otlp_put.h"

/* Span.events = 11 */
OTLP_INLINE void put_event(struct otlp_put *p, const bool write, const struct span_event *e)
{
    size_t mark = put_open(p, write, 11);
    put_time(p, write, 1, e->time_ns);
    put_text(p, write, 2, e->name);
    otlp_put_attributes(p, write, 3, e->attributes);
    put_u64(p, write, 4, e->dropped_attribute_count);
    put_close(p, write, 11, mark);
}

/* Span.links = 13 */
OTLP_INLINE void put_link(struct otlp_put *p, const bool write, const struct span_link *l)
{
    size_t mark = put_open(p, write, 13);
    put_id(p, write, 1, l->trace_id, sizeof l->trace_id);
    put_id(p, write, 2, l->span_id, sizeof l->span_id);
    put_text(p, write, 3, l->trace_state);
    otlp_put_attributes(p, write, 4, l->attributes);
    put_u64(p, write, 5, l->dropped_attribute_count);
    put_fixed32(p, write, 6, l->flags);
    put_close(p, write, 13, mark);
}

/* Span.status = 15 */
OTLP_INLINE void put_status(struct otlp_put *p, const bool write, const struct span *s)
{
    if (s->status_code == 0 && s->status_message.len == 0)
        return;
    size_t mark = put_open(p, write, 15);
    put_text(p, write, 2, s->status_message);
    put_i32(p, write, 3, s->status_code);
    put_close(p, write, 15, mark);
}

/* ScopeSpans.spans = 2 */
OTLP_INLINE void put_span(struct otlp_put *p, const bool write, const struct span *s)
{
    size_t mark = put_open(p, write, 2);
    put_id(p, write, 1, s->trace_id, sizeof s->trace_id);
    put_id(p, write, 2, s->span_id, sizeof s->span_id);
    put_text(p, write, 3, s->trace_state);
    put_id(p, write, 4, s->parent_span_id, sizeof s->parent_span_id);
    put_text(p, write, 5, s->name);
    put_i32(p, write, 6, s->kind);
    put_time(p, write, 7, s->start_ns);
    put_time(p, write, 8, s->end_ns);
    otlp_put_attributes(p, write, 9, s->attributes);
    put_u64(p, write, 10, s->dropped_attribute_count);
    for (const struct span_event *e = s->events; e != NULL; e = e->next)
        put_event(p, write, e);
    put_u64(p, write, 12, s->dropped_event_count);
    for (const struct span_link *l = s->links; l != NULL; l = l->next)
        put_link(p, write, l);
    put_u64(p, write, 14, s->dropped_link_count);
    put_status(p, write, s);
    put_fixed32(p, write, 16, s->flags);
    put_close(p, write, 2, mark);
}

void otlp_put_span(struct otlp_put *p, bool write, const struct span *s)
{
    if (write)
        put_span(p, true, s);
    else
        put_span(p, false, s);
}
