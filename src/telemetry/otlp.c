/*
 * Cuts a batch into Export*ServiceRequest messages.
 *
 * Life of a request: the cursor stands on a leaf (a point, log record or span; or a resource, scope
 * or metric that holds nothing). The leaf, and the containers around it that are not open yet, are
 * counted (otlp_put.h); if the whole request with them still fits they are written, and the cursor
 * goes on. Otherwise the request ends, and the leaf begins the next one, which opens the same
 * containers again. Nothing is ever taken back.
 *
 * A metric with one point is a leaf as a whole: that is what receivers of cluster state make, and
 * there is nothing to cut. The head of a metric (name, description, unit) is encoded once for each
 * request and descriptor.
 *
 * Containers (ResourceMetrics, ScopeMetrics, Metric, its data) stay open while leaves are added.
 * The length in front of each always takes exactly as many bytes as the container needs by then:
 * when it needs one more, what stands behind is moved up. Since that happens at 128 bytes, 16 KiB
 * and 2 MiB only, a request is moved about half a time, all levels in one go.
 *
 * Invariants: `total` is the size of the request if it were closed now, tails (schema URLs,
 * temporality, metadata) included; total <= limit; what is written is total without the tails of
 * open levels.
 *
 * Specification: opentelemetry-proto collector/{metrics,logs,trace}/v1 Export*ServiceRequest = 1
 * rep Resource*.
 */
#include "telemetry/otlp.h"

#include "telemetry/otlp_put.h"

enum { LEVEL_RESOURCE, LEVEL_SCOPE, LEVEL_METRIC, LEVEL_DATA, LEVEL_COUNT };

struct level {
    size_t size;      /* of the message if it were closed now */
    size_t length_at; /* offset in the buffer of its length */
    size_t width;     /* bytes of its length */
};

/* Encoded heads of metrics, by descriptor. */
enum { HEAD_COUNT = 32, HEAD_BYTES = 480 };
struct head {
    const struct metric_desc *desc;
    size_t len; /* 0: not kept, it is too long or needs mending */
    uint8_t bytes[HEAD_BYTES];
};

struct request {
    struct buf *out;
    size_t start; /* where it begins in `out` */
    size_t limit, total;
    unsigned open_count;
    struct level levels[LEVEL_COUNT];
    const struct resource *resource; /* the open containers, as far as open_count says */
    const struct scope *scope;
    const struct metric *metric;
    struct otlp_put put;
    struct head *heads; /* HEAD_COUNT of them, or NULL */
};

/* metric, log record and span begin with their `next`. */
_Static_assert(offsetof(struct metric, next) == 0, "first member");
_Static_assert(offsetof(struct log_record, next) == 0, "first member");
_Static_assert(offsetof(struct span, next) == 0, "first member");

static const void *item_next(const struct otlp_cursor *c)
{
    switch (c->batch->signal) {
    case SIGNAL_METRICS:
        return ((const struct metric *)c->item)->next;
    case SIGNAL_LOGS:
        return ((const struct log_record *)c->item)->next;
    case SIGNAL_TRACES:
        return ((const struct span *)c->item)->next;
    }
    return NULL;
}

static void enter_item(struct otlp_cursor *c, const void *item)
{
    c->item = item;
    bool is_metric = item != NULL && c->batch->signal == SIGNAL_METRICS;
    c->point = is_metric ? ((const struct metric *)item)->first : NULL;
}

static void enter_scope(struct otlp_cursor *c, const struct scope *s)
{
    c->scope = s;
    const void *first = NULL;
    if (s != NULL && c->batch->signal == SIGNAL_METRICS)
        first = s->metrics;
    else if (s != NULL && c->batch->signal == SIGNAL_LOGS)
        first = s->logs;
    else if (s != NULL)
        first = s->spans;
    enter_item(c, first);
}

static void enter_resource(struct otlp_cursor *c, const struct resource *r)
{
    c->resource = r;
    c->done = r == NULL;
    enter_scope(c, r == NULL ? NULL : r->scopes);
}

/* To the next leaf. */
static void cursor_advance(struct otlp_cursor *c)
{
    if (c->point != NULL && c->point->next != NULL)
        c->point = c->point->next;
    else if (c->item != NULL && item_next(c) != NULL)
        enter_item(c, item_next(c));
    else if (c->scope != NULL && c->scope->next != NULL)
        enter_scope(c, c->scope->next);
    else
        enter_resource(c, c->resource->next);
}

void otlp_cursor_init(struct otlp_cursor *c, const struct batch *batch, size_t request_max)
{
    *c = (struct otlp_cursor){.batch = batch, .request_max = request_max};
    enter_resource(c, batch->resources);
}

static bool is_single(const struct metric *m)
{
    return m->first != NULL && m->first->next == NULL;
}

static const struct metric *cursor_metric(const struct otlp_cursor *c)
{
    return c->batch->signal == SIGNAL_METRICS ? c->item : NULL;
}

/* A point, log record or span, not an empty container. */
static bool leaf_is_item(const struct otlp_cursor *c)
{
    return c->point != NULL || (c->item != NULL && c->batch->signal != SIGNAL_METRICS);
}

/* How many containers enclose the leaf; an empty container encloses itself. */
static unsigned leaf_depth(const struct otlp_cursor *c)
{
    if (c->scope == NULL)
        return LEVEL_SCOPE;
    const struct metric *m = cursor_metric(c);
    if (m == NULL)
        return LEVEL_METRIC;
    if (is_single(m))
        return LEVEL_METRIC;
    return m->desc->type == METRIC_EMPTY ? LEVEL_DATA : LEVEL_COUNT;
}

static size_t head_index(const struct metric_desc *d)
{
    return (uintptr_t)d / sizeof *d % HEAD_COUNT;
}

static void encode_head(struct head *h, const struct metric_desc *d)
{
    struct otlp_put p = {0};
    otlp_put_metric_head(&p, false, d);
    h->desc = d;
    h->len = p.mend || p.size > sizeof h->bytes ? 0 : p.size;
    if (h->len == 0)
        return;
    p.pos = h->bytes;
    otlp_put_metric_head(&p, true, d);
    CHECK(p.pos == h->bytes + h->len);
}

static void put_metric_head(struct request *q, bool write, const struct metric_desc *d)
{
    struct otlp_put *p = &q->put;
    struct head *h = &q->heads[head_index(d)];
    if (h->desc != d)
        encode_head(h, d);
    if (h->len == 0) {
        otlp_put_metric_head(p, write, d);
    } else if (!write) {
        p->size += h->len;
    } else {
        memcpy(p->pos, h->bytes, h->len);
        p->pos += h->len;
    }
}

OTLP_INLINE void put_single(struct request *q, const bool write, const struct metric *m)
{
    struct otlp_put *p = &q->put;
    size_t metric = put_open(p, write, 2); /* ScopeMetrics.metrics */
    put_metric_head(q, write, m->desc);
    uint32_t field = otlp_data_field(m->desc->type);
    size_t data = put_open(p, write, field);
    otlp_put_point(p, write, m->desc->type, m->first);
    otlp_put_data_tail(p, write, m->desc);
    put_close(p, write, field, data);
    otlp_put_metric_tail(p, write, m->desc);
    put_close(p, write, 2, metric);
}

static void put_leaf(struct request *q, bool write, const struct otlp_cursor *c)
{
    struct otlp_put *p = &q->put;
    if (!leaf_is_item(c))
        return;
    switch (c->batch->signal) {
    case SIGNAL_METRICS:
        if (!is_single(cursor_metric(c)))
            otlp_put_point(p, write, cursor_metric(c)->desc->type, c->point);
        else if (write)
            put_single(q, true, cursor_metric(c));
        else
            put_single(q, false, cursor_metric(c));
        break;
    case SIGNAL_LOGS:
        otlp_put_log(p, write, c->item);
        break;
    case SIGNAL_TRACES:
        otlp_put_span(p, write, c->item);
        break;
    }
}

/* What stands in a container before what it contains. */
static void put_head(struct request *q, bool write, unsigned level, const struct otlp_cursor *c)
{
    struct otlp_put *p = &q->put;
    if (level == LEVEL_RESOURCE)
        otlp_put_resource(p, write, c->resource);
    else if (level == LEVEL_SCOPE)
        otlp_put_scope(p, write, c->scope);
    else if (level == LEVEL_METRIC)
        put_metric_head(q, write, cursor_metric(c)->desc);
}

/* What stands in it behind. */
static void put_tail(struct otlp_put *p, bool write, unsigned level, const struct resource *r,
                     const struct scope *s, const struct metric *m)
{
    if (level == LEVEL_RESOURCE)
        put_text(p, write, 3, r->schema_url);
    else if (level == LEVEL_SCOPE)
        put_text(p, write, 3, s->schema_url);
    else if (level == LEVEL_METRIC)
        otlp_put_metric_tail(p, write, m->desc);
    else
        otlp_put_data_tail(p, write, m->desc);
}

static uint32_t level_field(unsigned level, const struct metric *m)
{
    switch (level) {
    case LEVEL_RESOURCE:
        return 1; /* Export*ServiceRequest.resource_* */
    case LEVEL_SCOPE:
        return 2; /* Resource*.scope_* */
    case LEVEL_METRIC:
        return 2; /* ScopeMetrics.metrics */
    default:
        return otlp_data_field(m->desc->type);
    }
}

/* Room for what was counted to be written. It is there: total <= limit <= out->max. */
static uint8_t *room(struct request *q, size_t size)
{
    if (q->out->cap - q->out->len < size || q->out->cap == 0)
        CHECK(buf_reserve(q->out, size) != NULL);
    return (uint8_t *)q->out->data + q->out->len;
}

/* Writes tails and lengths of all levels from `keep` on. */
static void close_levels(struct request *q, unsigned keep)
{
    struct otlp_put *p = &q->put;
    while (q->open_count > keep) {
        unsigned level = --q->open_count;
        struct level *l = &q->levels[level];
        otlp_put_reset(p);
        put_tail(p, false, level, q->resource, q->scope, q->metric);
        p->pos = room(q, p->size);
        put_tail(p, true, level, q->resource, q->scope, q->metric);
        buf_commit(q->out, p->size);
        CHECK(q->out->len == l->length_at + l->width + l->size);
        p->pos = (uint8_t *)q->out->data + l->length_at;
        write_varint(p, l->size);
    }
}

/* Closes what does not enclose the cursor's leaf. */
static void close_left(struct request *q, const struct otlp_cursor *c)
{
    unsigned keep = 0;
    if (q->open_count > LEVEL_RESOURCE && q->resource == c->resource) {
        keep = LEVEL_SCOPE;
        if (q->open_count > LEVEL_SCOPE && q->scope == c->scope) {
            keep = LEVEL_METRIC;
            if (q->open_count > LEVEL_METRIC && q->metric == cursor_metric(c))
                keep = LEVEL_COUNT;
        }
    }
    close_levels(q, keep);
}

/* Gives open levels the sizes and widths in `next`, moving what stands behind a length that grew.
 */
static void widen(struct request *q, const struct level next[LEVEL_COUNT])
{
    size_t shift = 0;
    for (unsigned i = 0; i < q->open_count; i++)
        shift += next[i].width - q->levels[i].width;
    if (shift > 0)
        (void)room(q, shift);
    size_t end = q->out->len;
    q->out->len += shift;
    for (unsigned i = q->open_count; i-- > 0;) {
        struct level *l = &q->levels[i];
        size_t start = l->length_at + l->width;
        if (shift > 0)
            memmove(q->out->data + start + shift, q->out->data + start, end - start);
        end = l->length_at;
        shift -= next[i].width - l->width;
        l->length_at += shift;
        l->width = next[i].width;
        l->size = next[i].size;
    }
}

/* Writes tag, room for the length and head of the levels up to depth, then the leaf. */
static void write_leaf(struct request *q, const struct otlp_cursor *c, unsigned depth,
                       const struct level next[LEVEL_COUNT], size_t size)
{
    struct otlp_put *p = &q->put;
    uint8_t *start = room(q, size);
    p->pos = start;
    q->resource = c->resource;
    q->scope = c->scope;
    q->metric = cursor_metric(c);
    for (; q->open_count < depth; q->open_count++) {
        unsigned i = q->open_count;
        write_tag(p, level_field(i, q->metric), PB_BYTES);
        q->levels[i] = next[i];
        q->levels[i].length_at = q->out->len + (size_t)(p->pos - start);
        p->pos += next[i].width;
        put_head(q, true, i, c);
    }
    put_leaf(q, true, c);
    CHECK((size_t)(p->pos - start) <= size);
    buf_commit(q->out, (size_t)(p->pos - start));
}

/* Adds the cursor's leaf; false, with nothing changed but containers closed, if it does not fit any
 * more. */
static bool add_leaf(struct request *q, const struct otlp_cursor *c)
{
    close_left(q, c);
    struct otlp_put *p = &q->put;
    struct level next[LEVEL_COUNT];
    unsigned depth = leaf_depth(c);
    otlp_put_reset(p);
    for (unsigned i = q->open_count; i < depth; i++) {
        p->size = 0;
        put_head(q, false, i, c);
        next[i].size = p->size;
    }
    p->size = 0;
    put_leaf(q, false, c);
    size_t add = p->size;
    for (unsigned i = q->open_count; i < depth; i++) {
        p->size = 0;
        put_tail(p, false, i, c->resource, c->scope, cursor_metric(c));
        next[i].size += p->size;
    }
    /* From the innermost level out, what comes to the one around it. */
    size_t fresh = add;
    for (unsigned i = depth; i-- > 0;) {
        bool is_open = i < q->open_count;
        next[i].size = add + (is_open ? q->levels[i].size : next[i].size);
        next[i].width = varint_size(next[i].size);
        if (is_open)
            add += next[i].width - q->levels[i].width;
        else
            fresh = add = tag_size(level_field(i, cursor_metric(c))) + next[i].width + next[i].size;
    }
    if (add > q->limit - q->total)
        return false;
    widen(q, next);
    write_leaf(q, c, depth, next, fresh);
    q->total += add;
    return true;
}

enum otlp_step otlp_next(struct otlp_cursor *c, struct buf *out, size_t *item_count)
{
    CHECK(!out->overflow && out->len <= out->max);
    *item_count = 0;
    struct request q = {.out = out, .start = out->len};
    if (c->batch->signal == SIGNAL_METRICS)
        q.heads = mem_zalloc(HEAD_COUNT * sizeof *q.heads);
    size_t most = out->max - out->len;
    q.limit = c->request_max < most ? c->request_max : most;
    enum otlp_step step = OTLP_END;
    while (!c->done) {
        bool is_item = leaf_is_item(c);
        if (add_leaf(&q, c)) {
            step = OTLP_REQUEST;
            *item_count += is_item;
        } else if (q.total > 0) {
            break;
        } else if (is_item) {
            step = OTLP_ITEM_TOO_LARGE;
            *item_count = 1;
            cursor_advance(c);
            break;
        }
        /* An empty container that is too large is passed over: no item is lost with it. */
        cursor_advance(c);
    }
    close_levels(&q, 0);
    otlp_put_deinit(&q.put);
    mem_free(q.heads);
    CHECK(out->len == q.start + q.total && q.total <= q.limit);
    return step;
}
