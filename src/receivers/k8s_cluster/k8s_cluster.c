/*
 * `k8s_cluster`: the state of all objects of a cluster, as metrics each interval and as entity events
 * in a logs pipeline. Drop-in for the Go receiver of this name.
 *
 * Life: create gets a watch on each kind (and namespace) that an enabled metric, or the entity
 * events, need -> start joins them -> the stores fill -> ready -> ticks and events while it leads
 * -> stop leaves them -> destroy gives them back. A warm standby has everything but the ticks. In a
 * reload with entity events destroy leaves them, after the journal of changes has gone over.
 *
 * Invariants
 *  - a kind that is not there to be listed stops no other: ready means that each stream is synced,
 *    forbidden or not served, and what was missing then is not waited for later, whatever its lists
 *    come to. What a watch cannot do it says itself; one line here names the kinds that are missing.
 *  - nothing connects before start, so that a configuration can be checked anywhere.
 *
 * Specification: k8s_cluster 2 (kinds, sync), 5 (election), 6 (what is logged). Differs: no list
 * that fails ends the program, whatever time it takes.
 */
#include "receivers/k8s_cluster/k8s_cluster.h"

#include "base/limits.h"
#include "receivers/k8s_cluster/collect.h"
#include "receivers/k8s_cluster/emit.h"

/* ---- what is watched ---- */

static bool for_events(enum object_kind kind)
{
    return kind != KIND_RESOURCE_QUOTA && kind != KIND_ENDPOINT_SLICE &&
           kind != KIND_CLUSTER_RESOURCE_QUOTA;
}

static bool for_metrics(const struct k8s_cluster_config *c, enum object_kind kind)
{
    if (kind == KIND_ENDPOINT_SLICE)
        return k8s_metric_enabled(c, K8S_SERVICE_ENDPOINT_COUNT);
    if (kind == KIND_NAMESPACE && k8s_attribute_enabled(c, ATTR_CLUSTER_UID))
        return true;
    for (size_t i = 0; i < ENTITY_COUNT; i++)
        if (k8s_entities[i].kind == kind && emit_wants(c, (enum k8s_entity)i))
            return true;
    return false;
}

static bool is_wanted(const struct k8s_cluster *k, enum object_kind kind)
{
    if (kind == KIND_CLUSTER_RESOURCE_QUOTA && k->config->distribution != DISTRIBUTION_OPENSHIFT)
        return false;
    return ((k->receiver->signals & SIGNAL_METRICS) != 0 && for_metrics(k->config, kind)) ||
           ((k->receiver->signals & SIGNAL_LOGS) != 0 && for_events(kind));
}

static unsigned fields_of(const struct k8s_cluster *k, enum object_kind kind)
{
    const struct k8s_cluster_config *c = k->config;
    unsigned fields = 0;
    if ((k->receiver->signals & SIGNAL_LOGS) != 0)
        fields |= ENTITY_FIELDS;
    if (kind != KIND_POD)
        return fields;
    if (k8s_metric_enabled(c, K8S_CONTAINER_STATUS_REASON) ||
        k8s_metric_enabled(c, K8S_CONTAINER_STATUS_STATE) ||
        k8s_metric_enabled(c, K8S_POD_STATUS_REASON) ||
        k8s_attribute_enabled(c, ATTR_POD_QOS_CLASS))
        fields |= OBJECT_STATES;
    if (k8s_attribute_enabled(c, ATTR_CONTAINER_LAST_TERMINATED_REASON))
        fields |= OBJECT_LAST_TERMINATED;
    if (c->spec_image_fallback)
        fields |= OBJECT_SPEC_IMAGE;
    return fields;
}

static void on_change(void *arg, const struct watch_change *change)
{
    struct k8s_stream *s = arg;
    entities_change(s->owner->entities, s, change);
}

static void on_state(void *arg);

static bool add_stream(struct k8s_cluster *k, enum object_kind kind, str namespace, struct err *err)
{
    const struct k8s_cluster_config *c = k->config;
    const struct object_resource *resource = object_resource_of(kind);
    const struct watch_config config = {
        .kube = {.auth = (enum kube_auth)c->auth_type, .context = c->context},
        .qps = c->qps,
        .burst = c->burst,
        .group = str_from(resource->group),
        .version = str_from(resource->version),
        .plural = str_from(resource->plural),
        .namespaced = resource->namespaced,
        .namespace = namespace,
        .codec = object_codec_of(kind),
        .fields = fields_of(k, kind),
    };
    struct k8s_stream *s = &k->streams[k->stream_count];
    *s = (struct k8s_stream){.owner = k, .kind = kind, .namespace = namespace};
    s->watch = watches_get(service_watches(k->receiver->base.service), &config, err);
    if (s->watch == NULL)
        return false;
    s->user = (struct watch_user){
        .on_change = (k->receiver->signals & SIGNAL_LOGS) != 0 ? on_change : NULL,
        .on_state = on_state,
        .arg = s,
        .fields = config.fields,
    };
    k->stream_count++;
    k->kind_count[kind]++;
    return true;
}

static bool add_kind(struct k8s_cluster *k, enum object_kind kind, struct err *err)
{
    const struct config_strs namespaces = k8s_namespaces(k->config);
    k->kind_first[kind] = k->stream_count;
    if (!is_wanted(k, kind))
        return true;
    if (namespaces.count == 0)
        return add_stream(k, kind, STR(""), err);
    if (!object_resource_of(kind)->namespaced)
        return true;
    for (size_t i = 0; i < namespaces.count; i++)
        if (!add_stream(k, kind, namespaces.items[i], err))
            return false;
    return true;
}

const struct object *k8s_cluster_find(const struct k8s_cluster *k, enum object_kind kind,
                                      const uint8_t uid[16])
{
    for (size_t i = 0; i < k->kind_count[kind]; i++) {
        const struct k8s_stream *s = &k->streams[k->kind_first[kind] + i];
        const struct object *o = store_get(watch_store(s->watch), uid);
        if (o != NULL)
            return o;
    }
    return NULL;
}

/* ---- readiness ---- */

static bool is_ready(const struct receiver *r)
{
    const struct k8s_cluster *k = r->base.state;
    for (size_t i = 0; i < k->stream_count; i++) {
        const struct k8s_stream *s = &k->streams[i];
        if (!s->is_missing && !watch_is_synced(s->watch, &s->user))
            return false;
    }
    return true;
}

/* Ready without it. When it can be listed later, and that fails, it is not waited for either. */
static void note_missing(struct k8s_cluster *k)
{
    for (size_t i = 0; i < k->stream_count; i++) {
        struct k8s_stream *s = &k->streams[i];
        s->is_missing = watch_is_denied(s->watch) && watch_store(s->watch)->count == 0;
    }
}

static const char *trouble_word(enum watch_trouble trouble)
{
    static const char *const words[] = {[WATCH_WELL] = "not complete yet",
                                        [WATCH_FORBIDDEN] = "forbidden",
                                        [WATCH_NOT_SERVED] = "not served",
                                        [WATCH_FAILING] = "requests fail"};
    return words[trouble];
}

static void add_label(struct buf *list, const struct k8s_stream *s)
{
    str label = watch_label(s->watch);
    buf_printf(list, "%s%.*s (%s)", list->len > 0 ? ", " : "", STR_ARG(label),
               trouble_word(watch_trouble(s->watch)));
}

static void tell_ready(struct k8s_cluster *k)
{
    if (!is_ready(k->receiver))
        return;
    loop_timer_clear(&k->silence);
    if (!k->ready_told) {
        note_missing(k);
        struct buf without;
        size_t object_count = 0;
        buf_init(&without, 64 * KIB);
        for (size_t i = 0; i < k->stream_count; i++) {
            const struct k8s_stream *s = &k->streams[i];
            object_count += watch_store(s->watch)->count;
            if (watch_is_denied(s->watch))
                add_label(&without, s);
        }
        log_info(&k->receiver->base.logger, "All watches are synced",
                 F_INT("watches", k->stream_count), F_INT("objects", object_count),
                 F_STR("without", buf_view(&without)));
        buf_deinit(&without);
    }
    k->ready_told = true;
    receiver_ready(k->receiver);
}

static void on_state(void *arg)
{
    struct k8s_stream *s = arg;
    struct k8s_cluster *k = s->owner;
    if (!watch_is_denied(s->watch) && watch_is_synced(s->watch, &s->user))
        s->is_missing = false;
    if (k->entities != NULL)
        entities_state(k->entities, s);
    tell_ready(k);
}

static void on_silence(void *arg)
{
    struct k8s_cluster *k = arg;
    struct buf missing;
    str error = STR("");
    buf_init(&missing, 64 * KIB);
    for (size_t i = 0; i < k->stream_count; i++) {
        const struct k8s_stream *s = &k->streams[i];
        if (watch_is_synced(s->watch, &s->user))
            continue;
        add_label(&missing, s);
        if (error.len == 0)
            error = watch_trouble_text(s->watch);
    }
    log_warn(&k->receiver->base.logger, "Still waiting for the first complete list of some kinds",
             F_STR("missing", buf_view(&missing)), F_STR("error", error));
    buf_deinit(&missing);
}

/* ---- life ---- */

static void join_all(struct k8s_cluster *k)
{
    for (size_t i = 0; i < k->stream_count; i++)
        if (!k->streams[i].user.joined)
            watch_join(k->streams[i].watch, &k->streams[i].user);
}

static void leave_all(struct k8s_cluster *k)
{
    for (size_t i = 0; i < k->stream_count; i++)
        if (k->streams[i].user.joined)
            watch_leave(k->streams[i].watch, &k->streams[i].user);
}

static void release(struct receiver *r)
{
    struct k8s_cluster *k = r->base.state;
    leave_all(k);
    if (k->entities != NULL)
        entities_free(k->entities);
    collector_free(k->collector);
    for (size_t i = 0; i < k->stream_count; i++)
        watch_unref(k->streams[i].watch);
    mem_free(k->streams);
    mem_free(k);
    r->base.state = NULL;
}

static bool create(struct receiver *r, const void *config, struct err *err)
{
    struct k8s_cluster *k = mem_zalloc(sizeof *k);
    r->base.state = k;
    k->receiver = r;
    k->config = config;
    k->entity_spec_format = service_gate_enabled(
        r->base.service, "pkg.experimentalmetricmetadata.useEntityEventsSpecification");
    loop_timer_init(r->base.loop, &k->silence, "k8s_cluster silence", on_silence, k);
    size_t namespaces = k8s_namespaces(k->config).count;
    k->streams = mem_zalloc(sizeof *k->streams * KIND_COUNT * (namespaces > 0 ? namespaces : 1));
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        if (!add_kind(k, (enum object_kind)kind, err)) {
            release(r);
            return false;
        }
    }
    if ((r->signals & SIGNAL_LOGS) != 0)
        k->entities = entities_new(k);
    k->collector = collector_new(k, watches_pool(service_watches(r->base.service)));
    return true;
}

static int64_t interval_ns(const struct receiver *r)
{
    const struct k8s_cluster *k = r->base.state;
    return k->config->collection_interval_ns;
}

static void tell_start(const struct k8s_cluster *k)
{
    const struct logger *logger = &k->receiver->base.logger;
    const struct config_strs namespaces = k8s_namespaces(k->config);
    struct buf list;
    buf_init(&list, 64 * KIB);
    for (size_t i = 0; i < namespaces.count; i++) {
        buf_text(&list, i > 0 ? "," : "");
        buf_str(&list, namespaces.items[i]);
    }
    if (namespaces.count > 0)
        log_info(logger,
                 "Only some namespaces are watched: nodes, namespaces and other cluster-scoped "
                 "kinds are left out",
                 F_STR("namespaces", buf_view(&list)));
    buf_deinit(&list);
    log_info(logger, "Starting to sync the watched kinds", F_INT("watches", k->stream_count));
}

static bool start(struct receiver *r, struct err *err)
{
    struct k8s_cluster *k = r->base.state;
    if (k->config->metadata_exporters.count > 0)
        return err_set(err,
                       "metadata_exporters: %.*s cannot be used, since no exporter here takes "
                       "metadata; remove the key, entity events in a logs pipeline carry the same",
                       STR_ARG(k->config->metadata_exporters.items[0]));
    tell_start(k);
    k->ready_told = false;
    for (size_t i = 0; i < k->stream_count; i++)
        k->streams[i].is_missing = false;
    loop_timer_set_after(&k->silence, LIMIT_SYNC_SILENCE_MS * INT64_C(1000000));
    join_all(k);
    if (k->entities != NULL)
        entities_start(k->entities);
    tell_ready(k); /* after a reload the stores are full already */
    return true;
}

static bool activate(struct receiver *r, struct position position, struct err *err)
{
    (void)err;
    const struct k8s_cluster *k = r->base.state;
    if (k->entities != NULL)
        entities_activate(k->entities, position);
    return true;
}

static enum step collect(struct receiver *r, struct tick *tick)
{
    return collector_collect(r->base.state, tick);
}

static void abandon(struct receiver *r, struct tick *tick)
{
    (void)r;
    collector_abandon(tick);
}

static void on_room(struct receiver *r)
{
    const struct k8s_cluster *k = r->base.state;
    if (k->entities != NULL)
        entities_room(k->entities);
}

static void deactivate(struct receiver *r)
{
    const struct k8s_cluster *k = r->base.state;
    if (k->entities != NULL)
        entities_deactivate(k->entities);
}

static void stop(struct receiver *r)
{
    struct k8s_cluster *k = r->base.state;
    loop_timer_clear(&k->silence);
    if (k->entities != NULL && receiver_stops_for_reload(r))
        return; /* what changes until the successor is there goes into the journal that it gets */
    leave_all(k);
    if (k->entities != NULL)
        entities_stop(k->entities);
    log_info(&r->base.logger, "Stopped watching");
}

static void carry(struct receiver *from, struct receiver *to)
{
    const struct k8s_cluster *old = from->base.state, *new = to->base.state;
    if (old->entities != NULL && new->entities != NULL)
        entities_carry(new->entities, old->entities);
}

const struct receiver_type k8s_cluster_receiver = {
    .name = "k8s_cluster",
    .signals = SIGNAL_METRICS | SIGNAL_LOGS,
    .kind = RECEIVER_PULL,
    .can_be_warm = true,
    .has_positions = true,
    .stability = "beta",
    .schema = &k8s_cluster_schema,
    .create = create,
    .interval_ns = interval_ns,
    .start = start,
    .is_ready = is_ready,
    .activate = activate,
    .collect = collect,
    .abandon = abandon,
    .on_room = on_room,
    .deactivate = deactivate,
    .stop = stop,
    .carry = carry,
    .destroy = release,
};
