/*
 * Log records in OTLP. Fields in ascending order; how counting and writing share one description:
 * otlp_put.h. A body without a value is left out.
 *
 * Specification: opentelemetry-proto logs/v1.
 */
#include "telemetry/otlp_put.h"

/* ScopeLogs.log_records = 2 */
OTLP_INLINE void put_log(struct otlp_put *p, const bool write, const struct log_record *r)
{
    size_t mark = put_open(p, write, 2);
    put_time(p, write, 1, r->time_ns);
    put_i32(p, write, 2, r->severity);
    put_text(p, write, 3, r->severity_text);
    if (r->body.kind != VALUE_EMPTY)
        otlp_put_value(p, write, 5, &r->body);
    otlp_put_attributes(p, write, 6, r->attributes);
    put_u64(p, write, 7, r->dropped_attribute_count);
    put_fixed32(p, write, 8, r->flags);
    put_id(p, write, 9, r->trace_id, sizeof r->trace_id);
    put_id(p, write, 10, r->span_id, sizeof r->span_id);
    put_time(p, write, 11, r->observed_ns);
    put_text(p, write, 12, r->event_name);
    put_close(p, write, 2, mark);
}

void otlp_put_log(struct otlp_put *p, bool write, const struct log_record *r)
{
    if (write)
        put_log(p, true, r);
    else
        put_log(p, false, r);
}
