/*
 * The graph of one loaded configuration: instances of all used components and the pipelines that
 * join them.
 *
 * Life of a graph: graph_new (create hooks, no I/O) -> graph_start (start hooks: extensions,
 * exporters, processors, receivers) -> stopped by stop.c -> graph_free (destroy hooks).
 *
 * Invariants
 *  - one instance for each id of a receiver, exporter or extension, whatever the number of
 * pipelines and signals; a processor has one instance in each pipeline.
 *  - only components that a pipeline (or service::extensions) names exist; others were decoded and
 *    checked with the settings, no more.
 *  - `created` and `started` say what has to be undone.
 *
 * Specification: collector_host 2.1.
 */
#include "service/service_internal.h"

#include "base/limits.h"

static const char *kind_name(enum component_kind kind)
{
    static const char *const names[] = {"receiver", "processor", "exporter", "extension"};
    return names[kind];
}

/* ---- making the instances ---- */

static void component_fill(struct graph *g, struct component *c, enum component_kind kind, str id,
                           const struct pipeline_settings *pipeline)
{
    struct service *s = g->service;
    c->kind = kind;
    c->id = id;
    c->service = s;
    c->loop = s->loop;
    c->logger = s->logger;
    struct buf fields;
    buf_init(&fields, 8 * LIMIT_COMPONENT_NAME_BYTES);
    buf_text(&fields, "\"otelcol.component.id\": ");
    buf_json_string(&fields, id);
    buf_printf(&fields, ", \"otelcol.component.kind\": \"%s\"", kind_name(kind));
    if (pipeline != NULL) {
        buf_text(&fields, ", \"otelcol.pipeline.id\": ");
        buf_json_string(&fields, pipeline->id);
        buf_printf(&fields, ", \"otelcol.signal\": \"%s\"", signal_name(pipeline->signal));
    }
    c->logger.fields_json = arena_str(&g->arena, buf_view(&fields));
    buf_deinit(&fields);
}

static void log_stability(const struct component *c, const char *stability)
{
    if (stability == NULL)
        return;
    bool is_usual = strcmp(stability, "alpha") == 0 || strcmp(stability, "beta") == 0 ||
                    strcmp(stability, "stable") == 0;
    if (is_usual)
        log_debug(&c->logger, "Component created", F_CSTR("stability", stability));
    else
        log_info(&c->logger, "Component created", F_CSTR("stability", stability));
}

static bool create_failed(const struct component *c, struct err *err)
{
    return err_wrap(err, "failed to create \"%.*s\" %s", STR_ARG(c->id), kind_name(c->kind));
}

static bool exporters_create(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->exporter_count; i++) {
        struct exporter_node *n = &g->exporters[i];
        struct component *c = &n->exporter.base;
        const struct component_settings *settings =
            settings_find(g->settings, COMPONENT_EXPORTER, c->id);
        if (!n->exporter.type->create(&n->exporter, settings->config, err))
            return create_failed(c, err);
        n->created = true;
        log_stability(c, n->exporter.type->stability);
    }
    return true;
}

static bool processors_create(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->pipeline_count; i++)
        for (size_t k = 0; k < g->pipelines[i].processor_count; k++) {
            struct processor_node *n = &g->pipelines[i].processors[k];
            struct component *c = &n->processor.base;
            const struct component_settings *settings =
                settings_find(g->settings, COMPONENT_PROCESSOR, c->id);
            if (!n->processor.type->create(&n->processor, settings->config, err)) {
                create_failed(c, err);
                return err_wrap(err, "in pipeline \"%.*s\"", STR_ARG(g->pipelines[i].settings->id));
            }
            n->created = true;
            log_stability(c, n->processor.type->stability);
        }
    return true;
}

static bool receivers_create(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->receiver_count; i++) {
        struct receiver_node *n = &g->receivers[i];
        struct component *c = &n->receiver.base;
        const struct component_settings *settings =
            settings_find(g->settings, COMPONENT_RECEIVER, c->id);
        if (!n->receiver.type->create(&n->receiver, settings->config, err))
            return create_failed(c, err);
        n->created = true;
        log_stability(c, n->receiver.type->stability);
        if (n->receiver.type->kind == RECEIVER_PULL)
            CHECK(n->receiver.type->interval_ns(&n->receiver) > 0);
    }
    return true;
}

static bool extensions_create(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->extension_count; i++) {
        struct extension_node *n = &g->extensions[i];
        struct component *c = &n->extension.base;
        const struct component_settings *settings =
            settings_find(g->settings, COMPONENT_EXTENSION, c->id);
        if (!n->extension.type->create(&n->extension, settings->config, err))
            return create_failed(c, err);
        n->created = true;
        log_stability(c, n->extension.type->stability);
    }
    return true;
}

/* ---- joining them ---- */

static struct exporter_node *find_exporter(const struct graph *g, str id)
{
    for (size_t i = 0; i < g->exporter_count; i++)
        if (str_eq(g->exporters[i].exporter.base.id, id))
            return &g->exporters[i];
    return NULL;
}

struct receiver_node *graph_receiver(const struct graph *g, str id)
{
    for (size_t i = 0; i < g->receiver_count; i++)
        if (str_eq(g->receivers[i].receiver.base.id, id))
            return &g->receivers[i];
    return NULL;
}

static bool find_elector(struct receiver_node *n, const struct component_settings *settings,
                         struct err *err)
{
    struct graph *g = n->graph;
    if (settings->elector_id.len == 0)
        return true;
    for (size_t i = 0; i < g->extension_count; i++) {
        struct extension *x = &g->extensions[i].extension;
        if (!str_eq(x->base.id, settings->elector_id))
            continue;
        if (x->type->elector == NULL)
            return err_set(
                err,
                "receiver \"%.*s\": %.*s names the extension \"%.*s\", which is no leader elector",
                STR_ARG(n->receiver.base.id), STR_ARG(settings->elector_key),
                STR_ARG(settings->elector_id));
        n->gated = true;
        n->elector = x->type->elector(x);
        n->elector_identity = n->elector;
        n->options = x->type->options == NULL ? NULL : x->type->options(x);
        n->cold = !n->receiver.type->can_be_warm;
        n->starts_by_role = n->cold || elector_standby(n->elector) != STANDBY_WARM;
        return true;
    }
    return err_set(
        err,
        "receiver \"%.*s\": %.*s names the extension \"%.*s\", which is not in service::extensions",
        STR_ARG(n->receiver.base.id), STR_ARG(settings->elector_key),
        STR_ARG(settings->elector_id));
}

static bool electors_find(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->receiver_count; i++) {
        struct receiver_node *n = &g->receivers[i];
        if (!find_elector(n, settings_find(g->settings, COMPONENT_RECEIVER, n->receiver.base.id),
                          err))
            return false;
    }
    return true;
}

static bool strs_have(const struct config_strs *list, str s)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(list->items[i], s))
            return true;
    return false;
}

/* Nodes for the components of one kind that the pipelines use, in the order of the settings. */
static void add_exporters(struct graph *g)
{
    const struct settings *s = g->settings;
    g->exporters = ARENA_ARRAY(&g->arena, struct exporter_node, s->component_count);
    for (size_t i = 0; i < s->component_count; i++) {
        const struct component_settings *c = &s->components[i];
        unsigned signals = 0;
        for (size_t p = 0; c->kind == COMPONENT_EXPORTER && p < s->pipeline_count; p++)
            if (strs_have(&s->pipelines[p].exporters, c->id))
                signals |= s->pipelines[p].signal;
        if (signals == 0)
            continue;
        struct exporter_node *n = &g->exporters[g->exporter_count++];
        component_fill(g, &n->exporter.base, COMPONENT_EXPORTER, c->id, NULL);
        n->exporter.type = c->type;
        n->exporter.signals = signals;
    }
}

static void add_pipelines(struct graph *g)
{
    const struct settings *s = g->settings;
    g->pipelines = ARENA_ARRAY(&g->arena, struct pipeline, s->pipeline_count);
    g->pipeline_count = s->pipeline_count;
    for (size_t i = 0; i < s->pipeline_count; i++) {
        const struct pipeline_settings *settings = &s->pipelines[i];
        struct pipeline *p = &g->pipelines[i];
        p->settings = settings;
        p->processor_count = settings->processors.count;
        p->processors = ARENA_ARRAY(&g->arena, struct processor_node, p->processor_count);
        for (size_t k = 0; k < p->processor_count; k++) {
            struct processor_node *n = &p->processors[k];
            str id = settings->processors.items[k];
            component_fill(g, &n->processor.base, COMPONENT_PROCESSOR, id, settings);
            n->processor.type = settings_find(s, COMPONENT_PROCESSOR, id)->type;
            n->pipeline = p;
            n->index = k;
        }
        p->exporters = ARENA_ARRAY(&g->arena, struct exporter_node *, settings->exporters.count);
        for (size_t k = 0; k < settings->exporters.count; k++) {
            struct exporter_node *n = find_exporter(g, settings->exporters.items[k]);
            CHECK(n != NULL);
            p->exporters[p->exporter_count++] = n;
        }
    }
}

static void add_receivers(struct graph *g)
{
    const struct settings *s = g->settings;
    g->receivers = ARENA_ARRAY(&g->arena, struct receiver_node, s->component_count);
    for (size_t i = 0; i < s->component_count; i++) {
        const struct component_settings *c = &s->components[i];
        struct receiver_node *n = &g->receivers[g->receiver_count];
        for (size_t p = 0; c->kind == COMPONENT_RECEIVER && p < s->pipeline_count; p++) {
            if (!strs_have(&s->pipelines[p].receivers, c->id))
                continue;
            if (n->pipelines == NULL)
                n->pipelines = ARENA_ARRAY(&g->arena, struct pipeline *, s->pipeline_count);
            n->pipelines[n->pipeline_count++] = &g->pipelines[p];
            n->receiver.signals |= s->pipelines[p].signal;
        }
        if (n->pipeline_count == 0)
            continue;
        g->receiver_count++;
        component_fill(g, &n->receiver.base, COMPONENT_RECEIVER, c->id, NULL);
        n->receiver.type = c->type;
        n->graph = g;
        fan_out_init(n);
        list_init(&n->user.link);
        ticks_init(n);
    }
}

static void add_extensions(struct graph *g)
{
    const struct settings *s = g->settings;
    g->extensions = ARENA_ARRAY(&g->arena, struct extension_node, s->extensions.count);
    g->extension_count = s->extensions.count;
    for (size_t i = 0; i < s->extensions.count; i++) {
        struct extension *x = &g->extensions[i].extension;
        component_fill(g, &x->base, COMPONENT_EXTENSION, s->extensions.items[i], NULL);
        x->type = settings_find(s, COMPONENT_EXTENSION, s->extensions.items[i])->type;
    }
}

struct graph *graph_new(struct service *s, struct settings *take_settings, struct err *err)
{
    CHECK(take_settings->messages.error_count == 0);
    struct graph *g = mem_zalloc(sizeof *g);
    g->service = s;
    g->settings = take_settings;
    arena_init(&g->arena, 4 * KIB);
    add_extensions(g);
    add_exporters(g);
    add_pipelines(g);
    add_receivers(g);
    bool ok = exporters_create(g, err) && processors_create(g, err) && receivers_create(g, err);
    if (!ok)
        err_wrap(err, "failed to build pipelines");
    else if (!extensions_create(g, err))
        ok = err_wrap(err, "failed to build extensions");
    else if (!electors_find(g, err))
        ok = err_wrap(err, "failed to build pipelines");
    if (ok)
        return g;
    graph_free(g);
    return NULL;
}

void graph_free(struct graph *g)
{
    if (g == NULL)
        return;
    CHECK(g->handover_count == 0);
    for (size_t i = 0; i < g->receiver_count; i++) {
        struct receiver_node *n = &g->receivers[i];
        CHECK(!n->started && !n->joined && !n->active && n->in_flight == 0 &&
              list_empty(&n->ticks) && list_empty(&n->positions));
        loop_task_cancel(&n->room_task);
        if (n->created)
            n->receiver.type->destroy(&n->receiver);
        mem_free(n->progress.position);
    }
    for (size_t i = 0; i < g->pipeline_count; i++)
        for (size_t k = 0; k < g->pipelines[i].processor_count; k++) {
            struct processor_node *n = &g->pipelines[i].processors[k];
            CHECK(!n->started);
            if (n->created)
                n->processor.type->destroy(&n->processor);
        }
    for (size_t i = 0; i < g->exporter_count; i++) {
        struct exporter_node *n = &g->exporters[i];
        CHECK(!n->started || n->stopped);
        if (n->created)
            n->exporter.type->destroy(&n->exporter);
    }
    for (size_t i = g->extension_count; i-- > 0;) {
        struct extension_node *n = &g->extensions[i];
        CHECK(!n->started || n->stopped);
        if (n->created)
            n->extension.type->destroy(&n->extension);
    }
    arena_deinit(&g->arena);
    settings_free(g->settings);
    mem_free(g);
}

/* ---- starting ---- */

static bool start_failed(struct component *c, struct err *err)
{
    component_started(c, false);
    return err_wrap(err, "failed to start \"%.*s\" %s", STR_ARG(c->id), kind_name(c->kind));
}

static bool extensions_start(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->extension_count; i++) {
        struct extension_node *n = &g->extensions[i];
        component_set_status(&n->extension.base, STATUS_STARTING);
        if (n->extension.type->start != NULL && !n->extension.type->start(&n->extension, err))
            return start_failed(&n->extension.base, err);
        n->started = true;
        component_started(&n->extension.base, true);
    }
    return true;
}

static bool exporters_start(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->exporter_count; i++) {
        struct exporter_node *n = &g->exporters[i];
        component_set_status(&n->exporter.base, STATUS_STARTING);
        if (n->exporter.type->start != NULL && !n->exporter.type->start(&n->exporter, err))
            return start_failed(&n->exporter.base, err);
        n->started = true;
        component_started(&n->exporter.base, true);
    }
    return true;
}

static bool processors_start(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->pipeline_count; i++)
        for (size_t k = g->pipelines[i].processor_count; k-- > 0;) { /* consumers first */
            struct processor_node *n = &g->pipelines[i].processors[k];
            component_set_status(&n->processor.base, STATUS_STARTING);
            if (n->processor.type->start != NULL && !n->processor.type->start(&n->processor, err))
                return start_failed(&n->processor.base, err);
            n->started = true;
            component_started(&n->processor.base, true);
        }
    return true;
}

static bool receivers_start(struct graph *g, struct err *err)
{
    for (size_t i = 0; i < g->receiver_count; i++)
        if (!receiver_node_start(&g->receivers[i], err))
            return start_failed(&g->receivers[i].receiver.base, err);
    return true;
}

bool graph_start(struct graph *g, struct err *err)
{
    if (!extensions_start(g, err))
        return err_wrap(err, "failed to start extensions");
    if (!exporters_start(g, err) || !processors_start(g, err) || !receivers_start(g, err))
        return err_wrap(err, "cannot start pipelines");
    for (size_t i = 0; i < g->receiver_count; i++)
        receiver_node_begin(&g->receivers[i]);
    handovers_begin(g);
    return true;
}

/* ---- reload ---- */

/* Does the new one tick as the old one did? */
static bool has_same_ticks(const struct receiver_node *old, const struct receiver_node *n)
{
    return n->receiver.type->kind == RECEIVER_PUSH ||
           old->receiver.type->interval_ns(&old->receiver) ==
               n->receiver.type->interval_ns(&n->receiver);
}

void graph_carry(struct graph *from, struct graph *to)
{
    for (size_t i = 0; i < to->receiver_count; i++) {
        struct receiver_node *n = &to->receivers[i];
        struct receiver_node *old = graph_receiver(from, n->receiver.base.id);
        if (old == NULL || old->receiver.type != n->receiver.type)
            continue;
        n->counters = old->counters;
        n->resumes = old->elector_identity == n->elector_identity;
        n->has_same_ticks = has_same_ticks(old, n);
        /* In any case: what was emitted is not emitted again. */
        n->progress = old->progress;
        old->progress.position = NULL;
        if (n->receiver.type->carry != NULL)
            n->receiver.type->carry(&old->receiver, &n->receiver);
    }
}
