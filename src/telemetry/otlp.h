/* OTLP protobuf of a batch, cut into requests that stay under a size. */
#ifndef TELEMETRY_OTLP_H
#define TELEMETRY_OTLP_H

#include "base/err.h"
#include "telemetry/batch.h"

/* Goes through a batch and yields Export*ServiceRequest messages of at most `request_max` bytes each; resource, scope and
 * metric headers are repeated where a request is cut between points. */
struct otlp_cursor {
    const struct batch *batch;
    size_t request_max;
    const struct resource *resource;
    const struct scope *scope;
    const void *item; /* metric, log record or span to go on with */
    const struct point *point;
    bool done;
};
void otlp_cursor_init(struct otlp_cursor *c, const struct batch *batch, size_t request_max);
enum otlp_step { OTLP_REQUEST, OTLP_END, OTLP_ITEM_TOO_LARGE };
/* Appends the next request to `out` and counts its items. It has at most request_max bytes, and at most what `out` may still take,
 * exactly: a request ends only when one more item would not fit. OTLP_ITEM_TOO_LARGE: one item alone, with its resource, scope and
 * metric, does not fit; it was passed over, `out` is as before, *item_count = 1, the cursor goes on behind it. Strings that are not
 * UTF-8 are mended, one U+FFFD for each bad byte. Containers without items are written too, unless they do not fit (a request of nothing
 * else counts 0 items). Fields are in ascending order, defaults left out. Values nested deeper than LIMIT_VALUE_DEPTH are written as
 * empty ones. One call writes one whole request: about 2 ms for 4 MiB. */
enum otlp_step otlp_next(struct otlp_cursor *c, struct buf *out, size_t *item_count);

#endif
