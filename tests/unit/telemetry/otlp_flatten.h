/*
 * The leaves of an OTLP request, read with the protobuf cursor: for each data point, log record or span, and for each container that
 * holds nothing, a hash of the bytes of all that stands around it and one of its own bytes. Two ways to cut a batch into requests
 * must give the same list. Nothing here knows the encoder.
 */
#ifndef TESTS_OTLP_FLATTEN_H
#define TESTS_OTLP_FLATTEN_H

#include "base/map.h"
#include "telemetry/batch.h"
#include "wire/pb.h"

struct otlp_leaf {
    uint64_t around, own;
    bool is_item;
};
static inline bool otlp_leaf_eq(struct otlp_leaf a, struct otlp_leaf b)
{
    return a.around == b.around && a.own == b.own && a.is_item == b.is_item;
}
struct otlp_leaves {
    struct otlp_leaf *items;
    size_t count, cap;
    bool failed; /* the bytes are no protobuf, or not the fields that belong there */
};

static void otlp_leaves_add(struct otlp_leaves *l, struct otlp_leaf leaf)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->items = mem_realloc(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->count++] = leaf;
}

/* Whether `field` holds the next level: request, resource, scope, metric, data. */
static bool otlp_is_inner(unsigned level, uint32_t field)
{
    switch (level) {
    case 0:
        return field == 1;
    case 1:
    case 2:
        return field == 2;
    case 3:
        return field == 5 || field == 7 || (field >= 9 && field <= 11);
    default:
        return field == 1;
    }
}

static uint64_t otlp_hash(uint64_t around, str bytes)
{
    const uint64_t key[2] = {around, 0x5eed};
    return sip_hash(key, bytes);
}

static void otlp_flatten_level(struct otlp_leaves *l, str message, unsigned level, unsigned levels, uint64_t around)
{
    struct pb p;
    size_t inner_count = 0;
    around = otlp_hash(around, str_make((const char *)&level, sizeof level));
    pb_init(&p, message);
    for (;;) { /* the fields of this level alone */
        const uint8_t *start = p.pos;
        if (!pb_next(&p))
            break;
        uint32_t field = p.field;
        pb_skip(&p);
        if (otlp_is_inner(level, field))
            inner_count++;
        else if (!pb_failed(&p))
            around = otlp_hash(around, str_make((const char *)start, (size_t)(p.pos - start)));
    }
    if (inner_count == 0 && level > 0)
        otlp_leaves_add(l, (struct otlp_leaf){.around = around});
    struct pb q;
    pb_init(&q, message);
    while (pb_next(&q)) {
        if (!otlp_is_inner(level, q.field)) {
            pb_skip(&q);
            continue;
        }
        uint64_t under = level == 3 ? around + q.field : around; /* gauges differ from sums */
        str inner = pb_bytes(&q);
        if (pb_failed(&q))
            break;
        if (level + 1 == levels)
            otlp_leaves_add(l, (struct otlp_leaf){.around = under, .own = otlp_hash(0, inner), .is_item = true});
        else
            otlp_flatten_level(l, inner, level + 1, levels, under);
    }
    l->failed = l->failed || pb_failed(&p) || pb_failed(&q);
}

/* Appends the leaves of one request. */
static void otlp_flatten(struct otlp_leaves *l, enum signal signal, str request)
{
    otlp_flatten_level(l, request, 0, signal == SIGNAL_METRICS ? 5 : 3, 1);
}

#endif
