/*
 * `kymastats`: the status of custom resources as metrics at each interval. Drop-in for the Go
 * receiver of this name.
 *
 * Life: create gets a watch on each configured resource -> start joins them -> the stores fill ->
 * ready -> ticks while it leads -> stop leaves them -> destroy gives them back. A warm standby has
 * everything but the ticks.
 *
 * Invariants
 *  - a resource that is not served, forbidden or broken disturbs no other: what is forbidden or not
 *    served is not waited for, what fails is waited for LIMIT_FAILING_WAIT_MS. What a watch cannot
 *    do it says itself.
 *  - once ready, always ready: a resource that is installed later, or comes back, joins the ticks
 *    when its store is complete.
 *  - nothing connects before start, so that a configuration can be checked anywhere.
 *
 * Specification: kyma_receivers 1. Differs: the first tick waits for the first lists instead of
 * initial_delay, unless that was written; timeout has no use, since a tick asks nobody.
 */
#include "receivers/kymastats/kymastats.h"

#include "base/limits.h"

#define MS INT64_C(1000000)

/* ---- readiness ---- */

static bool is_settled(const struct kymastats *k, const struct kyma_stream *s)
{
    return watch_is_synced(s->watch, &s->user) ||
           (k->is_patience_over && watch_trouble(s->watch) == WATCH_FAILING);
}

static const char *trouble_word(enum watch_trouble trouble)
{
    static const char *const words[] = {[WATCH_WELL] = "not complete yet",
                                        [WATCH_FORBIDDEN] = "forbidden",
                                        [WATCH_NOT_SERVED] = "not served",
                                        [WATCH_FAILING] = "requests fail"};
    return words[trouble];
}

static void add_label(struct buf *list, const struct kyma_stream *s)
{
    buf_printf(list, "%s%.*s (%s)", list->len > 0 ? ", " : "", STR_ARG(watch_label(s->watch)),
               trouble_word(watch_trouble(s->watch)));
}

static void tell_ready(const struct kymastats *k)
{
    struct buf without;
    size_t object_count = 0;
    buf_init(&without, 64 * KIB);
    for (size_t i = 0; i < k->stream_count; i++) {
        const struct kyma_stream *s = &k->streams[i];
        object_count += watch_store(s->watch)->count;
        if (watch_trouble(s->watch) != WATCH_WELL)
            add_label(&without, s);
    }
    log_info(&k->receiver->base.logger, "All resources are watched",
             F_INT("resources", k->stream_count), F_INT("objects", object_count),
             F_STR("without", buf_view(&without)));
    buf_deinit(&without);
}

static void check_ready(struct kymastats *k)
{
    if (k->is_ready || k->is_delayed)
        return;
    for (size_t i = 0; i < k->stream_count; i++)
        if (!is_settled(k, &k->streams[i]))
            return;
    k->is_ready = true;
    loop_timer_clear(&k->patience);
    tell_ready(k);
    receiver_ready(k->receiver);
}

static bool is_ready(const struct receiver *r)
{
    const struct kymastats *k = r->base.state;
    return k->is_ready;
}

static void on_state(void *arg)
{
    const struct kyma_stream *s = arg;
    check_ready(s->owner);
}

static void on_delay(void *arg)
{
    struct kymastats *k = arg;
    k->is_delayed = false;
    check_ready(k);
}

static void on_patience(void *arg)
{
    struct kymastats *k = arg;
    struct buf missing;
    str error = STR("");
    buf_init(&missing, 64 * KIB);
    for (size_t i = 0; i < k->stream_count; i++) {
        const struct kyma_stream *s = &k->streams[i];
        if (watch_is_synced(s->watch, &s->user))
            continue;
        add_label(&missing, s);
        if (error.len == 0)
            error = watch_trouble_text(s->watch);
    }
    if (missing.len > 0)
        log_warn(&k->receiver->base.logger,
                 "Some resources are not complete yet; those whose requests fail are not waited "
                 "for any longer",
                 F_STR("missing", buf_view(&missing)), F_STR("error", error));
    buf_deinit(&missing);
    k->is_patience_over = true;
    check_ready(k);
}

/* ---- life ---- */

static void release(struct receiver *r)
{
    struct kymastats *k = r->base.state;
    for (size_t i = 0; i < k->stream_count; i++)
        watch_unref(k->streams[i].watch);
    kyma_emit_deinit(&k->emit);
    mem_free(k->streams);
    mem_free(k);
    r->base.state = NULL;
}

static bool add_stream(struct kymastats *k, const struct kyma_resource_config *resource,
                       struct err *err)
{
    struct kyma_stream *s = &k->streams[k->stream_count];
    const struct watch_config config = {
        .kube = {.auth = (enum kube_auth)k->config->auth_type, .context = k->config->context},
        .group = resource->group,
        .version = resource->version,
        .plural = resource->resource,
        .codec = custom_resource_codec,
    };
    *s = (struct kyma_stream){.owner = k, .resource = resource};
    s->user = (struct watch_user){.on_state = on_state, .arg = s};
    s->watch = watches_get(service_watches(k->receiver->base.service), &config, err);
    if (s->watch == NULL)
        return false;
    k->stream_count++;
    return true;
}

static bool create(struct receiver *r, const void *config, struct err *err)
{
    struct kymastats *k = mem_zalloc(sizeof *k);
    r->base.state = k;
    k->receiver = r;
    k->config = config;
    loop_timer_init(r->base.loop, &k->delay, "kymastats delay", on_delay, k);
    loop_timer_init(r->base.loop, &k->patience, "kymastats patience", on_patience, k);
    kyma_emit_init(&k->emit, k->config, watches_pool(service_watches(r->base.service)));
    const struct kyma_resource_config *resources = k->config->resources.items;
    k->streams = mem_zalloc(sizeof *k->streams * k->config->resources.count);
    for (size_t i = 0; i < k->config->resources.count; i++) {
        if (!add_stream(k, &resources[i], err)) {
            release(r);
            return false;
        }
    }
    return true;
}

static int64_t interval_ns(const struct receiver *r)
{
    const struct kymastats *k = r->base.state;
    return k->config->collection_interval_ns;
}

static bool start(struct receiver *r, struct err *err)
{
    (void)err;
    struct kymastats *k = r->base.state;
    log_info(&r->base.logger, "Starting to watch the configured resources",
             F_INT("resources", k->stream_count));
    k->is_ready = k->is_patience_over = false;
    k->is_delayed = k->config->has_initial_delay && k->config->initial_delay_ns > 0;
    if (k->is_delayed)
        loop_timer_set_after(&k->delay, k->config->initial_delay_ns);
    loop_timer_set_after(&k->patience, LIMIT_FAILING_WAIT_MS * MS);
    for (size_t i = 0; i < k->stream_count; i++)
        watch_join(k->streams[i].watch, &k->streams[i].user);
    check_ready(k); /* after a reload the stores are full already */
    return true;
}

static enum step collect(struct receiver *r, struct tick *tick)
{
    return kymastats_collect(r->base.state, tick);
}

static void abandon(struct receiver *r, struct tick *tick)
{
    (void)r;
    kymastats_abandon(tick);
}

static void stop(struct receiver *r)
{
    struct kymastats *k = r->base.state;
    loop_timer_clear(&k->delay);
    loop_timer_clear(&k->patience);
    for (size_t i = 0; i < k->stream_count; i++)
        watch_leave(k->streams[i].watch, &k->streams[i].user);
    log_info(&r->base.logger, "Stopped watching");
}

const struct receiver_type kymastats_receiver = {
    .name = "kymastats",
    .signals = SIGNAL_METRICS,
    .kind = RECEIVER_PULL,
    .can_be_warm = true,
    .stability = "alpha",
    .schema = &kymastats_schema,
    .create = create,
    .interval_ns = interval_ns,
    .start = start,
    .is_ready = is_ready,
    .collect = collect,
    .abandon = abandon,
    .stop = stop,
    .destroy = release,
};
