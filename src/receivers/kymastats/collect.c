/*
 * One tick as a cursor over the stores of all resources, in the order of the configuration.
 *
 * Life of a tick: each call makes one batch of about LIMIT_TICK_BATCH_BYTES, hands it on and keeps
 * its place: resource, and place in its store. The last call, or the end of the term, frees the
 * cursor.
 *
 * Invariants
 *  - an object that is there throughout the tick comes exactly once: it keeps its place in the
 *    store, whatever comes and goes meanwhile. No name comes twice: one that is created while its
 *    resource is gone through waits for the next tick.
 *  - a store that is not complete yet (its resource was just installed) gives nothing.
 *  - a call looks at a bounded number of objects, also if none of them has a point.
 */
#include "base/limits.h"
#include "receivers/kymastats/kymastats.h"

enum { LOOK_BYTES = 32 }; /* what looking at an object counts as, if it gives nothing */

struct tick_cursor {
    size_t stream;
    struct store_walk walk; /* in its store */
    struct odd_walk odd;
};

/* False: the store has no more objects. */
static bool fill_from(struct kymastats *k, struct kyma_stream *s, struct tick_cursor *cursor)
{
    const struct store *store = watch_store(s->watch);
    kyma_emit_resource(&k->emit, s->resource);
    while (k->emit.encoded_bytes < LIMIT_TICK_BATCH_BYTES) {
        const struct object *o = store_walk_next(store, &cursor->walk);
        if (o == NULL)
            return false;
        k->emit.encoded_bytes += LOOK_BYTES;
        odd_look(&cursor->odd, s, o);
        kyma_emit_object(&k->emit, o);
    }
    return true;
}

/* Fills the present batch; false: the tick is complete. */
static bool fill(struct kymastats *k, struct tick_cursor *cursor)
{
    for (; cursor->stream < k->stream_count; cursor->stream++) {
        struct kyma_stream *s = &k->streams[cursor->stream];
        if (cursor->walk.end == 0) {
            if (!watch_is_synced(s->watch, &s->user))
                continue;
            odd_begin(&cursor->odd, s);
            cursor->walk = store_walk_begin(watch_store(s->watch));
        }
        if (fill_from(k, s, cursor))
            return true;
        odd_end(&cursor->odd, s);
        cursor->walk = (struct store_walk){0};
    }
    return false;
}

void kymastats_abandon(struct tick *tick)
{
    mem_free(tick->cursor);
    tick->cursor = NULL;
}

enum step kymastats_collect(struct kymastats *k, struct tick *tick)
{
    if (tick->cursor == NULL)
        tick->cursor = mem_zalloc(sizeof(struct tick_cursor));
    struct tick_cursor *cursor = tick->cursor;
    struct batch *b = batch_new(SIGNAL_METRICS);
    kyma_emit_begin(&k->emit, b, tick->time_ns, tick->start_ns);
    bool more = fill(k, cursor);
    if (!more)
        odd_sum_up(&cursor->odd, k);
    if (b->item_count == 0)
        batch_unref(b);
    else if (!receiver_emit(k->receiver, b))
        more = false;
    if (!more)
        kymastats_abandon(tick);
    return more ? STEP_MORE : STEP_DONE;
}
