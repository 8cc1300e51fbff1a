/*
 * One tick as a cursor over all stores.
 *
 * Life of a tick: the cursor begins at the first kind; each call makes one batch of about
 * LIMIT_TICK_BATCH_BYTES, hands it on and keeps its place: kind, stream, place in the stream's
 * store. The last call, or the end of the term, frees the cursor.
 *
 * Invariants
 *  - an object that is there throughout the tick comes exactly once: it keeps its place in the
 *    store, whatever comes and goes meanwhile; one that goes may be in it or not. No name comes
 *    twice: one that is created while its kind is gone through waits for the next tick.
 *  - a call looks at a bounded number of objects, also if none of them has a point.
 *  - all points of a tick carry its time.
 *
 * Specification: k8s_cluster 3.1 (order), 3.2 (times).
 */
#include "receivers/k8s_cluster/collect.h"

#include "base/limits.h"
#include "receivers/k8s_cluster/emit.h"

enum { LOOK_BYTES = 32 }; /* what looking at an object counts as, if it gives nothing */

struct collector {
    struct emit emit;
};

struct tick_cursor {
    size_t turn;            /* in `turns` */
    size_t stream;          /* among those of the kind */
    struct store_walk walk; /* in the stream's store */
    size_t uid_len;
    char uid[UID_TEXT_BYTES]; /* of the cluster */
};

/* Containers come with their pods. */
static const uint8_t turns[] = {
    ENTITY_POD,
    ENTITY_NODE,
    ENTITY_NAMESPACE,
    ENTITY_REPLICATION_CONTROLLER,
    ENTITY_RESOURCE_QUOTA,
    ENTITY_DEPLOYMENT,
    ENTITY_REPLICA_SET,
    ENTITY_DAEMON_SET,
    ENTITY_STATEFUL_SET,
    ENTITY_JOB,
    ENTITY_CRON_JOB,
    ENTITY_HPA,
    ENTITY_CLUSTER_QUOTA,
    ENTITY_SERVICE,
    ENTITY_PERSISTENT_VOLUME,
    ENTITY_PERSISTENT_VOLUME_CLAIM,
    ENTITY_NODE_VALUES,
};

struct collector *collector_new(struct k8s_cluster *k, struct object_pool *pool)
{
    struct collector *c = mem_zalloc(sizeof *c);
    emit_init(&c->emit, k->config, pool, &k->receiver->base.logger);
    for (size_t i = 0; i < k->kind_count[KIND_ENDPOINT_SLICE]; i++) {
        struct k8s_stream *stream = &k->streams[k->kind_first[KIND_ENDPOINT_SLICE] + i];
        struct store *store = watch_store(stream->watch);
        if (store->group_of == NULL) /* not of a receiver that was here before */
            store_group_by(store, endpoint_slice_group);
    }
    return c;
}

void collector_free(struct collector *c)
{
    if (c == NULL)
        return;
    emit_deinit(&c->emit);
    mem_free(c);
}

/* The uid of the namespace kube-system stands for that of the cluster. */
static void find_cluster_uid(const struct k8s_cluster *k, struct tick_cursor *cursor)
{
    if (!k8s_attribute_enabled(k->config, ATTR_CLUSTER_UID) || k->kind_count[KIND_NAMESPACE] == 0)
        return;
    const struct store *store = watch_store(k->streams[k->kind_first[KIND_NAMESPACE]].watch);
    const struct object *o;
    uint32_t place = 0;
    while ((o = store_next(store, &place)) != NULL) {
        if (!str_eqz(object_name(o), "kube-system") || o->uid_at != 0)
            continue;
        cursor->uid_len = object_uid(o, cursor->uid).len;
        return;
    }
}

/* The slices of the namespace in which this stream's services are. */
static const struct store *slices_beside(const struct k8s_cluster *k, size_t stream)
{
    if (k->kind_count[KIND_ENDPOINT_SLICE] == 0)
        return NULL;
    return watch_store(k->streams[k->kind_first[KIND_ENDPOINT_SLICE] + stream].watch);
}

static bool has_points(const struct k8s_cluster *k, enum k8s_entity entity)
{
    return emit_wants(k->config, entity) ||
           (entity == ENTITY_POD && emit_wants(k->config, ENTITY_CONTAINER));
}

/* False: the store has no more objects. */
static bool fill_from(struct emit *e, enum k8s_entity entity, const struct store *store,
                      struct store_walk *walk, const struct store *slices)
{
    while (e->encoded_bytes < LIMIT_TICK_BATCH_BYTES) {
        const struct object *o = store_walk_next(store, walk);
        if (o == NULL)
            return false;
        e->encoded_bytes += LOOK_BYTES;
        emit_object(e, entity, o, slices);
    }
    return true;
}

/* Fills the present batch; false: the tick is complete. */
static bool fill(struct k8s_cluster *k, struct tick_cursor *cursor)
{
    struct emit *e = &k->collector->emit;
    for (; cursor->turn < COUNT_OF(turns); cursor->turn++) {
        enum k8s_entity entity = turns[cursor->turn];
        enum object_kind kind = k8s_entities[entity].kind;
        if (!has_points(k, entity))
            continue;
        for (; cursor->stream < k->kind_count[kind]; cursor->stream++) {
            const struct k8s_stream *s = &k->streams[k->kind_first[kind] + cursor->stream];
            const struct store *slices =
                entity == ENTITY_SERVICE ? slices_beside(k, cursor->stream) : NULL;
            struct store *store = watch_store(s->watch);
            if (cursor->walk.end == 0)
                cursor->walk = store_walk_begin(store);
            if (fill_from(e, entity, store, &cursor->walk, slices))
                return true;
            cursor->walk = (struct store_walk){0};
        }
        cursor->stream = 0;
    }
    return false;
}

static struct tick_cursor *cursor_of(const struct k8s_cluster *k, struct tick *tick)
{
    if (tick->cursor == NULL) {
        tick->cursor = mem_zalloc(sizeof(struct tick_cursor));
        find_cluster_uid(k, tick->cursor);
    }
    return tick->cursor;
}

void collector_abandon(struct tick *tick)
{
    mem_free(tick->cursor);
    tick->cursor = NULL;
}

enum step collector_collect(struct k8s_cluster *k, struct tick *tick)
{
    struct emit *e = &k->collector->emit;
    if ((k->receiver->signals & SIGNAL_METRICS) == 0)
        return STEP_DONE;
    struct tick_cursor *cursor = cursor_of(k, tick);
    struct batch *b = batch_new(SIGNAL_METRICS);
    emit_begin(e, b, tick->time_ns, tick->start_ns);
    e->cluster_uid = str_make(cursor->uid, cursor->uid_len);
    bool more = fill(k, cursor);
    if (b->item_count == 0)
        batch_unref(b);
    else if (!receiver_emit(k->receiver, b))
        more = false;
    if (!more)
        collector_abandon(tick);
    return more ? STEP_MORE : STEP_DONE;
}
