/*
 * Batches: one arena, one reference count, lists in order of appending.
 *
 * Life of a batch: a receiver makes one with batch_new, appends resources, scopes and items with
 * the builders and fills their fields; the service hands it to exporters (delivery.pending counts
 * them), from then on it is read-only; each exporter reports batch_outcome once and gives its
 * reference back; the last reference frees the arena, then lets go of the parent.
 *
 * Invariants: list heads and `last` pointers are both NULL or both set; the counts are those of
 * what the builders appended; a batch is freed only when nobody owes an outcome; `parent` chains
 * end (a batch is derived from one that exists already).
 */
#include "telemetry/batch.h"

enum { FIRST_BLOCK_BYTES = 4096 };

const char *signal_name(enum signal s)
{
    switch (s) {
    case SIGNAL_METRICS:
        return "metrics";
    case SIGNAL_LOGS:
        return "logs";
    case SIGNAL_TRACES:
        return "traces";
    }
    check_failed(__FILE__, __LINE__, "known signal");
}

struct batch *batch_new(enum signal signal)
{
    CHECK(signal == SIGNAL_METRICS || signal == SIGNAL_LOGS || signal == SIGNAL_TRACES);
    struct batch *b = mem_zalloc(sizeof *b);
    b->signal = signal;
    b->ref_count = 1;
    arena_init(&b->arena, FIRST_BLOCK_BYTES);
    return b;
}

struct batch *batch_ref(struct batch *b)
{
    CHECK(b->ref_count > 0 && b->ref_count < UINT32_MAX);
    b->ref_count++;
    return b;
}

void batch_unref(struct batch *b)
{
    /* A loop, not recursion: a chain of derived batches may be as long as the pipeline. */
    while (b != NULL) {
        CHECK(b->ref_count > 0);
        if (--b->ref_count > 0)
            return;
        CHECK(b->delivery.pending == 0);
        struct batch *parent = b->parent;
        arena_deinit(&b->arena);
        mem_free(b);
        b = parent;
    }
}

void batch_outcome(struct batch *b, enum outcome outcome)
{
    struct delivery *d = &b->delivery;
    CHECK(b->ref_count > 0);
    CHECK(d->pending > 0);
    CHECK(outcome == OUTCOME_SENT || outcome == OUTCOME_DROPPED || outcome == OUTCOME_REFUSED);
    if (outcome > d->worst)
        d->worst = outcome;
    if (--d->pending > 0 || d->fn == NULL)
        return;
    /* Cleared first: it is called once, whatever it does with the batch (unref included). */
    void (*fn)(void *arg, enum outcome worst) = d->fn;
    d->fn = NULL;
    fn(d->arg, d->worst);
}

/* Nothing is appended any more once exporters have the batch. */
static void check_open(const struct batch *b)
{
    CHECK(b->ref_count > 0 && b->delivery.pending == 0);
}

struct resource *batch_resource(struct batch *b)
{
    check_open(b);
    struct resource *r = ARENA_NEW(&b->arena, struct resource);
    if (b->last_resource == NULL)
        b->resources = r;
    else
        b->last_resource->next = r;
    b->last_resource = r;
    b->resource_count++;
    return r;
}

struct scope *batch_scope(struct batch *b, struct resource *r)
{
    check_open(b);
    struct scope *s = ARENA_NEW(&b->arena, struct scope);
    if (r->last_scope == NULL)
        r->scopes = s;
    else
        r->last_scope->next = s;
    r->last_scope = s;
    return s;
}

struct metric *batch_metric(struct batch *b, struct scope *s, const struct metric_desc *desc)
{
    check_open(b);
    CHECK(b->signal == SIGNAL_METRICS && desc != NULL);
    struct metric *m = ARENA_NEW(&b->arena, struct metric);
    m->desc = desc;
    struct metric *last = s->last;
    if (last == NULL)
        s->metrics = m;
    else
        last->next = m;
    s->last = m;
    b->metric_count++;
    return m;
}

struct point *batch_point(struct batch *b, struct metric *m)
{
    check_open(b);
    /* There is no place in OTLP for points without a type. */
    CHECK(b->signal == SIGNAL_METRICS && m->desc->type != METRIC_EMPTY);
    struct point *p = ARENA_NEW(&b->arena, struct point);
    if (m->last == NULL)
        m->first = p;
    else
        m->last->next = p;
    m->last = p;
    m->point_count++;
    b->item_count++;
    return p;
}

struct log_record *batch_log(struct batch *b, struct scope *s)
{
    check_open(b);
    CHECK(b->signal == SIGNAL_LOGS);
    struct log_record *r = ARENA_NEW(&b->arena, struct log_record);
    struct log_record *last = s->last;
    if (last == NULL)
        s->logs = r;
    else
        last->next = r;
    s->last = r;
    b->item_count++;
    return r;
}

struct span *batch_span(struct batch *b, struct scope *s)
{
    check_open(b);
    CHECK(b->signal == SIGNAL_TRACES);
    struct span *n = ARENA_NEW(&b->arena, struct span);
    struct span *last = s->last;
    if (last == NULL)
        s->spans = n;
    else
        last->next = n;
    s->last = n;
    b->item_count++;
    return n;
}

struct attributes batch_attributes(struct batch *b, const struct attribute *items, size_t count)
{
    check_open(b);
    if (count == 0)
        return (struct attributes){0};
    struct attribute *copy = ARENA_ARRAY(&b->arena, struct attribute, count);
    memcpy(copy, items, count * sizeof *items);
    return (struct attributes){.items = copy, .count = count};
}
